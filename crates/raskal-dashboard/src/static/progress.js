// Progress by layer: one bar for each layer of each graph, newest graph first.

import { byId, clock, count, element, keyed, layerColour, layerName, setText } from "./format.js";

const LAYERS_MAX = 200;

export function showProgress(snapshot) {
  const parent = byId("graphs");
  const graphs = [...snapshot.graphs].reverse();
  if (!graphs.length) {
    if (!parent.querySelector(".empty")) parent.replaceChildren(hint(snapshot.scheduler.address));
    return;
  }
  parent.querySelector(".empty")?.remove();
  keyed(parent, graphs, (graph) => graph.id, createGraph,
    (target, graph) => updateGraph(target, graph, graph === graphs[0]));
}

function hint(address) {
  const code = `from raskal.distributed import Client\nclient = Client("${address || "tls://127.0.0.1:8786"}")`;
  return element("div", { class: "empty" },
    element("p", {}, "Nothing has been submitted yet. From Python, connect and compute:"),
    element("pre", {}, code));
}

function createGraph() {
  return element("details", { class: "graph" },
    element("summary", {}, element("h3"), element("span", { class: "muted" })),
    element("div", { class: "layers" }),
    element("p", { class: "muted more", hidden: "" }));
}

function updateGraph(target, graph, newest) {
  const sum = (value) => graph.layers.reduce((total, { counts }) => total + value(counts), 0);
  const total = sum((counts) => counts.total);
  const failed = sum((counts) => counts.failed);
  const finished = sum((counts) => counts.done) + failed === total;
  // Opens and closes by itself when its state changes, and otherwise stays as the reader left it.
  const shape = newest || !finished ? "open" : "closed";
  if (target.dataset.shape !== shape) {
    target.dataset.shape = shape;
    target.open = shape === "open";
  }
  setText(target.querySelector("h3"), `Graph ${graph.id}`);
  const how = finished ? `finished, ${count(total)} tasks${failed ? `, ${count(failed)} failed` : ""}` : `${count(total)} tasks`;
  setText(target.querySelector("summary span"), `${how} · ${graph.client} · ${clock(graph.submitted_us)}`);
  // Layers of which nothing is needed say nothing.
  const needed = graph.layers.filter((layer) => layer.counts.total > 0);
  const shown = needed.slice(0, LAYERS_MAX);
  keyed(target.querySelector(".layers"), shown, (layer) => layer.prefix, createLayer, updateLayer);
  const more = target.querySelector(".more");
  more.hidden = shown.length === needed.length;
  setText(more, `and ${count(needed.length - shown.length)} more layers`);
}

function createLayer(layer) {
  const { name, token } = layerName(layer.prefix);
  const made = element("div", { class: "layer" },
    element("div", { class: "layer-head" },
      element("i", { class: "swatch" }), element("span", { class: "name", title: layer.prefix }, layer.names.length ? layer.names.join(", ") : name),
      element("code", { class: "muted" }, layer.names.length ? "" : token), element("span", { class: "ratio" })),
    element("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-label": name },
      ...["done", "failed", "running", "ready"].map((state) => element("i", { class: state }))),
    element("p", { class: "counts" }));
  made.style.setProperty("--layer", layerColour(layer.names[0] ?? name));
  return made;
}

function updateLayer(target, { counts }) {
  const bar = target.querySelector(".bar");
  for (const part of bar.children) {
    part.style.width = `${counts.total ? (100 * counts[part.className]) / counts.total : 0}%`;
  }
  const named = [["done", counts.done], ["running", counts.running], ["waiting", counts.ready + counts.waiting],
    ["failed", counts.failed], ["in memory", counts.in_memory]];
  const text = named.filter(([, number]) => number > 0).map(([state, number]) => `${count(number)} ${state}`).join(" · ");
  setText(target.querySelector(".counts"), text);
  setText(target.querySelector(".ratio"), `${count(counts.done)} / ${count(counts.total)}`);
  target.classList.toggle("has-failed", counts.failed > 0);
  target.classList.toggle("complete", counts.done === counts.total);
  bar.setAttribute("aria-valuemax", counts.total);
  bar.setAttribute("aria-valuenow", counts.done + counts.failed);
  bar.setAttribute("aria-valuetext", text);
}
