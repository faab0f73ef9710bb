// Failures, newest first: the exception in one line, its traceback behind a click. One line for all tasks of a layer that
// failed alike: a mistake in a function fails every task, and says the same each time.

import { taskAddress } from "./task.js";
import { byId, clock, count, element, keyed, layerName, setText } from "./format.js";

export function showErrors(errors, snapshot) {
  const parent = byId("error-list");
  const badge = byId("error-badge");
  badge.hidden = snapshot.totals.tasks_failed === 0;
  setText(badge, count(snapshot.totals.tasks_failed));
  if (!errors.length) {
    if (!parent.querySelector(".empty")) {
      parent.replaceChildren(element("div", { class: "empty" }, element("p", {}, "No task has failed.")));
    }
    return;
  }
  parent.querySelector(".empty")?.remove();
  keyed(parent, alike(errors), ({ last }) => JSON.stringify([last.layer, last.message]), create, update);
}

/** Errors with the same layer and message: the last of them, and how many there are. Newest first. */
function alike(errors) {
  const groups = new Map();
  for (const error of [...errors].reverse()) {
    const key = JSON.stringify([error.layer, error.message]);
    const group = groups.get(key);
    if (group) group.amount += 1;
    else groups.set(key, { last: error, amount: 1 });
  }
  return [...groups.values()];
}

function create({ last }) {
  return element("details", {},
    element("summary", {},
      element("span", { class: "message" }, last.message.split("\n", 1)[0]),
      element("span", { class: "times" }),
      element("span", { class: "muted" })),
    element("p", { class: "key-line" }, "Key ", element("a", {}, element("code"))),
    element("pre", { tabindex: "0" }));
}

function update(target, { last, amount }) {
  setText(target.querySelector(".times"), amount > 1 ? `× ${count(amount)}` : "");
  setText(target.querySelector(".muted"), `${layerName(last.layer).name} · ${last.worker} · ${clock(last.time_us)}`);
  setText(target.querySelector(".key-line code"), last.key);
  target.querySelector(".key-line a").setAttribute("href", taskAddress(last.task));
  setText(target.querySelector("pre"), last.traceback || "No traceback: the function is native.");
}
