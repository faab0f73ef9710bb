// A graph as boxes of layers and the lines between them, dependencies on the left. "#/graph/ID"; the newest by default.
// Many layers of one name are drawn as one box, so that a large graph is still a picture.

import { bytes, count, element, keyed, layerColour, layerName, setText } from "./format.js";
import { asker, facts } from "./parts.js";

const LAYERS_MAX = 60;
const BOXES_MAX = 400;
const BOX = { width: 190, height: 58, gapX: 54, gapY: 16 };
const SVG = "http://www.w3.org/2000/svg";
const ask = asker();
let shape = null; // {id, boxes, edges}, as it was last drawn
let selected = null;

export function showGraph(page, snapshot, [wanted]) {
  if (!page.children.length) build(page);
  const { graphs } = snapshot;
  const select = page.querySelector("select");
  const newest = graphs.at(-1);
  const id = graphs.some((graph) => String(graph.id) === wanted) ? wanted : newest ? String(newest.id) : "";
  const list = [...graphs].reverse().slice(0, 200);
  keyed(select, list, (graph) => graph.id, (graph) => element("option", { value: graph.id }),
    (option, graph) => setText(option, `Graph ${graph.id} · ${graph.client}`));
  select.value = id;
  page.querySelector(".empty").hidden = Boolean(id);
  page.querySelector(".picture").hidden = !id;
  if (!id) return;
  ask(`graph?id=${id}`, 1000, (detail) => {
    if (!detail) return;
    const collapsed = collapse(detail);
    const same = shape && shape.id === detail.id && shape.boxes.length === collapsed.boxes.length;
    shape = { id: detail.id, ...collapsed };
    if (!same) {
      selected = null;
      drawPicture(page, shape);
    }
    update(page, shape);
  });
}

function build(page) {
  const select = element("select", { "aria-label": "Which graph" });
  select.addEventListener("change", () => { location.hash = `#/graph/${select.value}`; });
  page.append(element("section", { class: "panel" },
    element("div", { class: "panel-head" }, element("h2", {}, "Graph"), element("div", { class: "controls" }, select)),
    element("p", { class: "empty" }, "No graph is held now."),
    element("p", { class: "note collapsed", hidden: "" }),
    element("div", { class: "picture", tabindex: "0", role: "group", "aria-label": "Layers of the graph" })),
  element("section", { class: "panel box-detail", hidden: "" }, element("h2"), element("dl", { class: "facts" })));
}

/** Boxes of a graph: its layers, or where there are many, one for all layers of a name. */
function collapse({ layers, edges }) {
  const title = (layer) => (layer.names.length ? layer.names.join(", ") : layerName(layer.prefix).name);
  const merge = layers.length > LAYERS_MAX;
  const boxes = new Map();
  const boxOf = layers.map((layer, place) => {
    const key = merge ? title(layer) : String(place);
    const box = boxes.get(key) ?? { key, title: title(layer), prefix: layer.prefix, layers: [], counts: {}, held_bytes: 0 };
    boxes.set(key, box);
    box.layers.push(layer);
    box.held_bytes += layer.held_bytes;
    for (const [state, number] of Object.entries(layer.counts)) box.counts[state] = (box.counts[state] ?? 0) + number;
    return box;
  });
  const seen = new Map();
  for (const [from, to, kind] of edges) {
    if (boxOf[from] !== boxOf[to]) seen.set(`${boxOf[from].key}\n${boxOf[to].key}`, { from: boxOf[from], to: boxOf[to], kind });
  }
  const kept = [...boxes.values()];
  return { boxes: kept, edges: [...seen.values()], layers: layers.length, merged: merge };
}

/** Columns by the longest way from a source; within one, near what is needed. Cycles of collapsed layers are cut. */
function place({ boxes, edges }) {
  const inputs = new Map(boxes.map((box) => [box, []]));
  edges.forEach(({ from, to }) => inputs.get(to).push(from));
  const depths = new Map();
  const under = new Set();
  const depth = (box) => {
    if (depths.has(box)) return depths.get(box);
    if (under.has(box)) return -1;
    under.add(box);
    const found = 1 + Math.max(-1, ...inputs.get(box).map(depth));
    under.delete(box);
    depths.set(box, found);
    return found;
  };
  const columns = [];
  for (const box of boxes) (columns[depth(box)] ??= []).push(box);
  const rows = new Map();
  columns.forEach((column) => {
    const wish = (box) => {
      const known = inputs.get(box).filter((input) => rows.has(input));
      return known.length ? known.reduce((sum, input) => sum + rows.get(input), 0) / known.length : 0;
    };
    column.sort((a, b) => wish(a) - wish(b)).forEach((box, row) => rows.set(box, row - column.length / 2));
  });
  const tallest = Math.max(1, ...columns.map((column) => column.length));
  columns.forEach((column, number) => column.forEach((box) => {
    box.x = 8 + number * (BOX.width + BOX.gapX);
    box.y = 8 + (rows.get(box) + tallest / 2) * (BOX.height + BOX.gapY);
  }));
  return { width: 16 + columns.length * (BOX.width + BOX.gapX) - BOX.gapX, height: 16 + tallest * (BOX.height + BOX.gapY) };
}

function drawPicture(page, graph) {
  const note = page.querySelector(".collapsed");
  note.hidden = !graph.merged;
  setText(note, `${count(graph.layers)} layers; those of one name are drawn as one box.`);
  const shown = { ...graph, boxes: graph.boxes.slice(0, BOXES_MAX) };
  shown.edges = graph.edges.filter(({ from, to }) => shown.boxes.includes(from) && shown.boxes.includes(to));
  const size = place(shown);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", size.width);
  svg.setAttribute("height", size.height);
  svg.setAttribute("aria-hidden", "true");
  for (const { from, to, kind } of shown.edges) {
    const path = document.createElementNS(SVG, "path");
    const [x1, y1, x2, y2] = [from.x + BOX.width, from.y + BOX.height / 2, to.x, to.y + BOX.height / 2];
    path.setAttribute("d", `M${x1},${y1}C${x1 + BOX.gapX / 2},${y1} ${x2 - BOX.gapX / 2},${y2} ${x2},${y2}`);
    path.setAttribute("class", kind === "all to all" ? "edge all" : "edge");
    svg.append(path);
  }
  const picture = page.querySelector(".picture");
  picture.replaceChildren(svg, ...shown.boxes.map((box) => boxElement(page, box)));
}

function boxElement(page, box) {
  const made = element("button", { type: "button", class: "box", "data-key": box.key },
    element("span", { class: "box-title" }, box.layers.length > 1 ? `${box.title} ×${count(box.layers.length)}` : box.title),
    element("span", { class: "bar" }, ...["done", "failed", "running"].map((state) => element("i", { class: state }))),
    element("span", { class: "muted" }));
  Object.assign(made.style, { left: `${box.x}px`, top: `${box.y}px`, width: `${BOX.width}px`, height: `${BOX.height}px` });
  made.style.setProperty("--layer", layerColour(box.title));
  made.addEventListener("click", () => {
    selected = selected === box.key ? null : box.key;
    if (shape) update(page, shape);
  });
  return made;
}

function update(page, { boxes }) {
  const known = new Map(boxes.map((box) => [box.key, box]));
  for (const target of page.querySelectorAll(".box")) {
    const box = known.get(target.dataset.key);
    if (!box) continue;
    const { counts } = box;
    for (const part of target.querySelectorAll(".bar i")) {
      part.style.width = `${counts.total ? (100 * counts[part.className]) / counts.total : 0}%`;
    }
    const failed = counts.failed ? ` · ${count(counts.failed)} failed` : "";
    setText(target.lastChild, `${count(counts.done)} / ${count(counts.total)}${failed}`);
    target.classList.toggle("has-failed", counts.failed > 0);
    target.setAttribute("aria-pressed", selected === box.key);
  }
  const detail = page.querySelector(".box-detail");
  const box = known.get(selected);
  detail.hidden = !box;
  if (!box) return;
  setText(detail.querySelector("h2"), box.title);
  const [layer] = box.layers;
  facts(detail.querySelector(".facts"), [
    ["Key prefix", box.layers.length > 1 ? `${count(box.layers.length)} layers` : layer.prefix],
    ["Grid", box.layers.length > 1 ? "–" : layer.shape.join(" × ") || "one task"],
    ["Runs", box.layers.every((other) => other.python) ? "Python" : box.layers.some((other) => other.python) ? "Python and native" : "native"],
    ["Tasks", count(box.counts.total)], ["Done", count(box.counts.done)], ["Running", count(box.counts.running)],
    ["Waiting", count(box.counts.waiting + box.counts.ready)], ["Failed", count(box.counts.failed)],
    ["Results held", `${count(box.counts.in_memory)} of ${bytes(box.held_bytes)}`],
  ]);
}
