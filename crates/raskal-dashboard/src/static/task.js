// One task: its state, where its value is, when it ran, what it needs and who needs it. "#/task/GRAPH/INDEX".

import { bytes, clock, count, duration, element, setText } from "./format.js";
import { asker, facts } from "./parts.js";

const ask = asker();

export const taskAddress = ([graph, index]) => `#/task/${graph}/${index}`;

export function showTask(page, snapshot, [graph, index]) {
  if (!page.children.length) build(page);
  ask(`task?graph=${encodeURIComponent(graph)}&index=${encodeURIComponent(index)}`, 1000, (task) => draw(page, task, graph));
}

function build(page) {
  page.append(element("section", { class: "panel" }, element("h2", {}, "Task"), element("p", { class: "key-line" }, element("code")),
    element("p", { class: "gone muted", hidden: "" }, "The scheduler does not know this task, or not any more."),
    element("dl", { class: "facts" }), element("div", { class: "error", hidden: "" }, element("h3", {}, "Error"), element("pre", { tabindex: "0" }))),
  element("section", { class: "panel" }, element("h2", {}, "Runs"), element("ul", { class: "runs" })),
  element("div", { class: "pair" },
    element("section", { class: "panel" }, element("h2", {}, "Needs"), element("ul", { class: "inputs" })),
    element("section", { class: "panel" }, element("h2", {}, "Needed by"), element("ul", { class: "users" }))));
}

function draw(page, task, graph) {
  page.querySelector(".gone").hidden = Boolean(task);
  if (!task) return;
  setText(page.querySelector("h2"), task.name);
  setText(page.querySelector(".key-line code"), task.key);
  facts(page.querySelector(".facts"), [
    ["State", task.state], ["Size", task.size_bytes === null ? "–" : bytes(task.size_bytes)],
    ["Held by", task.holders.map((worker) => worker.name).join(", ") || "nobody"], ["Graph", graph],
    ["Inputs", count(task.input_count)], ["Needed by", count(task.user_count)],
  ]);
  const error = page.querySelector(".error");
  error.hidden = !task.error;
  if (task.error) setText(error.lastChild, task.error.traceback || task.error.message);
  const names = new Map(task.runs.workers.map((worker) => [worker.id, worker.name]));
  list(page.querySelector(".runs"), task.runs.sequence.map((_, row) => {
    const took = duration(task.runs.stop_us[row] - task.runs.start_us[row]);
    const where = names.get(task.runs.worker[row]) ?? `worker ${task.runs.worker[row]}`;
    const what = { task: `ran ${took}, thread ${task.runs.thread[row]}`, failed: `failed after ${took}`, transfer: `received its value in ${took}` };
    return [`${clock(task.runs.start_us[row])} · ${where} · ${what[task.runs.kind[row]]}`, null];
  }), "None that is remembered.");
  for (const [name, total] of [["inputs", task.input_count], ["users", task.user_count]]) {
    const items = task[name].map((other) => [other.key, taskAddress([graph, other.index])]);
    if (total > items.length) items.push([`and ${count(total - items.length)} more`, null]);
    list(page.querySelector(`.${name}`), items, "Nothing.");
  }
}

function list(parent, items, none) {
  const state = JSON.stringify(items);
  if (parent.dataset.state === state) return;
  parent.dataset.state = state;
  parent.replaceChildren(...(items.length ? items : [[none, null]]).map(([text, href]) =>
    element("li", {}, href ? element("a", { href }, text) : text)));
}
