// Failures, newest first: the exception in one line, its traceback behind a click.

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
  keyed(parent, [...errors].reverse(), (error) => error.sequence, create, () => {});
}

function create(error) {
  const place = `${layerName(error.layer).name} · ${error.worker} · ${clock(error.time_us)}`;
  const body = error.traceback || "No traceback: the function is native.";
  return element("details", {},
    element("summary", {},
      element("span", { class: "message" }, error.message.split("\n", 1)[0]),
      element("span", { class: "muted" }, place)),
    element("p", { class: "key-line" }, "Key ", element("code", {}, error.key)),
    element("pre", { tabindex: "0" }, body));
}
