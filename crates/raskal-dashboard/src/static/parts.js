// What the pages behind "#/" have in common: asking for a view, and rows of facts.

import { element, setText } from "./format.js";

/** Asks for a view once in a while: `get(address, milliseconds, onAnswer)`; an answer that comes late is dropped. */
export function asker() {
  let asked = "";
  let due = 0;
  return async (view, every, onAnswer) => {
    if (view === asked && Date.now() < due) return;
    asked = view;
    due = Date.now() + every;
    let answer = null;
    try {
      const response = await fetch(`api/${view}`, { cache: "no-store" });
      if (response.ok) answer = await response.json();
      else if (response.status !== 404) return;
    } catch {
      return; // the connection says so already
    }
    if (view === asked) onAnswer(answer);
  };
}

/** A row of facts: [[name, value], ...], drawn once and then kept up to date. */
export function facts(parent, list) {
  if (parent.children.length !== list.length) {
    parent.replaceChildren(...list.map(([name]) => element("div", {}, element("dt", {}, name), element("dd"))));
  }
  list.forEach(([name, value], place) => {
    setText(parent.children[place].firstChild, name);
    setText(parent.children[place].lastChild, value);
  });
}
