// Where Python spent its time, as a flame graph and as a list of functions. "#/profile/3" is of one worker.

import { count, duration, element, keyed, setText } from "./format.js";
import { flame } from "./flame.js";
import { asker } from "./parts.js";

const ask = asker();
const chosen = { worker: "", layer: "", minutes: "" };
const FUNCTIONS_MAX = 25;
let redraw = null;
let source = null;

export function showProfile(page, snapshot, [worker]) {
  if (!page.children.length) build(page);
  if (worker !== undefined && worker !== source) {
    source = worker;
    chosen.worker = worker;
  }
  const query = new URLSearchParams();
  if (chosen.worker) query.set("worker", chosen.worker);
  if (chosen.layer) query.set("layer", chosen.layer);
  // To ten seconds, as the scheduler keeps it: the address changes no oftener.
  if (chosen.minutes) query.set("start_us", Math.floor(snapshot.time_us / 1e7) * 1e7 - chosen.minutes * 60e6);
  ask(`profile${query.size ? `?${query}` : ""}`, 2000, (answer) => answer && draw(page, answer));
}

function build(page) {
  const choice = (name, label) => {
    const select = element("select", { "aria-label": label, "data-choice": name });
    select.addEventListener("change", () => { chosen[name] = select.value; });
    return select;
  };
  page.append(element("section", { class: "panel" },
    element("div", { class: "panel-head" }, element("h2", {}, "Profile"),
      element("div", { class: "controls" }, choice("worker", "Worker"), choice("layer", "Layer"), choice("minutes", "Time"))),
    element("div", { class: "flame" }),
    element("p", { class: "empty", hidden: "" }, "No samples. Threads that run Python tasks are looked at every 10 ms, unless distributed.worker.profile.enabled is false."),
    element("p", { class: "note" }, "Wide is much time, and below a function is what it called. Click or Enter zooms, Escape shows all, arrow keys move.")),
  element("section", { class: "panel functions" }, element("h2", {}, "Functions by their own time"),
    element("table", {}, element("thead", {}, element("tr", {},
      ...["Function", "Own time", "With what it called"].map((title, place) => element("th", { scope: "col", class: place ? "number" : "" }, title)))),
    element("tbody"))));
  options(page, "minutes", [["", "all the time"], ["1", "last minute"], ["10", "last 10 minutes"]]);
}

function options(page, name, list) {
  const select = page.querySelector(`[data-choice="${name}"]`);
  const state = JSON.stringify(list);
  if (select.dataset.state === state) return;
  select.dataset.state = state;
  select.replaceChildren(...list.map(([value, text]) => element("option", { value }, text)));
  select.value = chosen[name];
}

function draw(page, answer) {
  options(page, "worker", [["", "all workers"], ...answer.workers.map((worker) => [String(worker.id), worker.name])]);
  options(page, "layer", [["", "all layers"], ...answer.layers.map((layer) => [layer, layer])]);
  const none = answer.root.samples === 0;
  page.querySelector(".empty").hidden = !none;
  page.querySelector(".flame").hidden = none;
  page.querySelector(".functions").hidden = none;
  if (none) return;
  if (redraw) redraw(answer);
  else redraw = flame(page.querySelector(".flame"), answer);
  table(page.querySelector("tbody"), answer);
}

/** Own and whole time of each function, however often it occurs in the tree. */
function table(body, { root, interval_us }) {
  const functions = new Map();
  const visit = (node, above) => {
    const key = `${node.name}\n${node.file}\n${node.line}`;
    const found = functions.get(key) ?? { node, key, own: 0, whole: 0 };
    functions.set(key, found);
    found.own += node.samples - node.children.reduce((sum, child) => sum + child.samples, 0);
    // A function that calls itself counts once.
    if (!above.has(key)) found.whole += node.samples;
    const below = new Set(above).add(key);
    node.children.forEach((child) => visit(child, below));
  };
  root.children.forEach((child) => visit(child, new Set()));
  const rows = [...functions.values()].sort((a, b) => b.own - a.own).slice(0, FUNCTIONS_MAX);
  const text = (samples) => `${duration(samples * interval_us)} · ${count((100 * samples) / root.samples)} %`;
  keyed(body, rows, (row) => row.key, ({ node }) => element("tr", {},
    element("th", { scope: "row" }, element("span", { class: "name" }, node.name), element("code", { class: "muted" }, `${node.file}:${node.line}`)),
    element("td", { class: "number" }), element("td", { class: "number" })), (target, row) => {
    setText(target.children[1], text(row.own));
    setText(target.children[2], text(row.whole));
  });
}
