// The task stream: a lane for each thread of each worker, a bar for each task, coloured by layer.
// Drawn on a canvas, because thousands of elements that move four times a second would cost more than the tasks.

import { byId, count, duration, element, keyed, layerColour, layerName, layerOrder, setText } from "./format.js";

const LEGEND_MAX = 10;
const AXIS = 22;
const GAP = 6;

const canvas = byId("canvas");
const tip = byId("tip");
const view = { seconds: 30, paused: false, now_us: 0, workers: null, recent: [], boxes: [], selected: null };

export function showStream({ snapshot, events }) {
  if (view.paused) return;
  Object.assign(view, { now_us: snapshot.time_us, workers: snapshot.workers, recent: events.slice() });
  draw();
}

function draw() {
  if (!view.workers) return;
  const { workers } = view;
  const from_us = view.now_us - view.seconds * 1e6;
  const events = view.recent.filter((event) => event.stop_us > from_us && event.start_us < view.now_us);
  const lanes = layOut(workers, events);
  paint(lanes, events, from_us);
  showLegend(events);
  byId("no-tasks").hidden = events.length > 0;
  setText(byId("no-tasks"), `No task ended in the last ${view.seconds < 120 ? `${view.seconds} seconds` : "two minutes"}.`);
  const text = `Task stream: ${count(events.length)} tasks in ${view.seconds} seconds on ${count(lanes.count)} threads`;
  if (canvas.getAttribute("aria-label") !== text) canvas.setAttribute("aria-label", text);
  if (view.selected) showTip(view.boxes.find(({ event }) => event.sequence === view.selected) ?? null);
}

/** Where each thread's lane is: threads of a worker together, a gap between workers. Workers that left keep theirs. */
function layOut(workers, events) {
  const threads = new Map(workers.map((worker) => [worker.id, worker.threads]));
  for (const event of events) {
    threads.set(event.worker, Math.max(threads.get(event.worker) ?? 0, event.thread + 1));
  }
  const total = [...threads.values()].reduce((sum, value) => sum + value, 0);
  const gaps = GAP * threads.size + AXIS + 4;
  // The canvas lies over its frame without stretching it: the frame asks for what is comfortable and the canvas takes
  // what the page then gives, down to five pixels a lane, where the frame scrolls.
  canvas.parentElement.style.minHeight = `${Math.max(140, Math.min(440, total * 20 + gaps))}px`;
  const given = canvas.parentElement.clientHeight - gaps;
  const height = Math.max(5, Math.min(26, Math.floor(given / Math.max(1, total))));
  const names = new Map(workers.map((worker) => [worker.id, worker.name]));
  const groups = [];
  const top = new Map();
  let y = 4;
  for (const [worker, amount] of threads) {
    top.set(worker, y);
    groups.push({ name: names.get(worker) ?? `worker ${worker} (gone)`, y, height: amount * height });
    y += amount * height + GAP;
  }
  return { count: total, height, groups, top, bottom: Math.max(60, y) };
}

function paint(lanes, events, from_us) {
  const width = canvas.parentElement.clientWidth;
  const height = lanes.bottom + AXIS;
  const scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
  }
  const style = getComputedStyle(document.body);
  const colour = (name) => style.getPropertyValue(name).trim();
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = `11px ${style.fontFamily}`;
  pen.textBaseline = "middle";

  const left = gutter(pen, lanes, width);
  const x = (us) => left + ((us - from_us) / (view.seconds * 1e6)) * (width - left);
  for (const group of lanes.groups) {
    pen.fillStyle = colour("--lane");
    pen.fillRect(left, group.y, width - left, group.height);
    pen.fillStyle = colour("--muted");
    pen.fillText(clipped(pen, group.name, left - 10), 0, group.y + group.height / 2);
  }
  grid(pen, lanes, x, width, colour);

  view.boxes = [];
  pen.save();
  pen.beginPath();
  pen.rect(left, 0, width - left, lanes.bottom);
  pen.clip();
  const inset = lanes.height >= 9 ? 1 : 0.5;
  // Failures last, over what would hide them.
  for (const event of [...events].sort((a, b) => Number(b.ok) - Number(a.ok))) {
    const box = { event, x: x(event.start_us), y: lanes.top.get(event.worker) + event.thread * lanes.height + inset };
    box.width = Math.max(event.ok ? 1 : 4, x(event.stop_us) - box.x - 0.5);
    box.height = lanes.height - 2 * inset;
    view.boxes.push(box);
    pen.fillStyle = event.ok ? layerColour(event.layer) : colour("--bad");
    pen.fillRect(box.x, box.y, box.width, box.height);
    if (event.sequence === view.selected) {
      pen.strokeStyle = colour("--ink");
      pen.lineWidth = 2;
      pen.strokeRect(box.x, box.y, box.width, box.height);
    }
  }
  pen.restore();
  view.boxes.sort((a, b) => a.event.stop_us - b.event.stop_us);
}

function gutter(pen, lanes, width) {
  const widest = Math.max(0, ...lanes.groups.map((group) => pen.measureText(group.name).width));
  return Math.min(Math.ceil(widest) + 12, width * 0.2);
}

function clipped(pen, text, width) {
  let end = text.length;
  while (end > 1 && pen.measureText(text.slice(0, end)).width > width) end -= 1;
  return end < text.length ? `${text.slice(0, Math.max(1, end - 1))}…` : text;
}

function grid(pen, lanes, x, width, colour) {
  const step = view.seconds / 5;
  pen.strokeStyle = colour("--grid");
  pen.lineWidth = 1;
  pen.fillStyle = colour("--muted");
  for (let ago = view.seconds; ago >= 0; ago -= step) {
    const at = Math.round(x(view.now_us - ago * 1e6)) - 0.5;
    pen.beginPath();
    pen.moveTo(at, 0);
    pen.lineTo(at, lanes.bottom);
    pen.stroke();
    pen.textAlign = ago === 0 ? "right" : ago === view.seconds ? "left" : "center";
    pen.fillText(ago === 0 ? "now" : `−${ago} s`, ago === 0 ? width : at, lanes.bottom + 10);
  }
  pen.textAlign = "left";
}

function showLegend(events) {
  const amounts = new Map();
  for (const event of events) amounts.set(event.layer, (amounts.get(event.layer) ?? 0) + 1);
  const most = [...amounts.keys()].sort((a, b) => amounts.get(b) - amounts.get(a)).slice(0, LEGEND_MAX);
  const layers = most.sort((a, b) => layerOrder(a) - layerOrder(b));
  const parent = byId("legend");
  keyed(parent, layers, (layer) => layer, (layer) => {
    const entry = element("li", {}, element("i", { class: "swatch" }), layerName(layer).name);
    entry.style.setProperty("--layer", layerColour(layer));
    return entry;
  }, () => {});
  parent.hidden = layers.length === 0;
}

function showTip(box) {
  view.selected = box ? box.event.sequence : null;
  tip.hidden = !box;
  if (!box) return;
  const { event } = box;
  const worker = view.workers.find((other) => other.id === event.worker);
  const ago = Math.max(0, view.now_us - event.stop_us);
  const where = `${worker ? worker.name : `worker ${event.worker}`}, thread ${event.thread}`;
  keyed(tip, [
    { kind: "strong", text: `${duration(event.stop_us - event.start_us)}${event.ok ? "" : " · failed"}` },
    { kind: "code", text: event.key },
    { kind: "span", text: `${where} · ended ${duration(ago)} ago` },
  ], (line) => line.kind, (line) => element(line.kind), (line, { text }) => setText(line, text));
  tip.classList.toggle("failed", !event.ok);
  const room = canvas.clientWidth - tip.offsetWidth;
  tip.style.left = `${Math.max(0, Math.min(room, box.x + box.width / 2 - tip.offsetWidth / 2))}px`;
  const above = box.y - tip.offsetHeight - 8;
  tip.style.top = `${above >= 0 ? above : box.y + box.height + 8}px`;
}

canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
  const over = view.boxes.findLast((box) => offsetX >= box.x - 1 && offsetX <= box.x + box.width + 1
    && offsetY >= box.y - 1 && offsetY <= box.y + box.height + 1);
  if ((over?.event.sequence ?? null) === view.selected) return;
  showTip(over ?? null);
  draw();
});
canvas.addEventListener("pointerleave", leave);
canvas.addEventListener("blur", leave);

function leave() {
  showTip(null);
  draw();
}

canvas.addEventListener("keydown", (press) => {
  const steps = { ArrowLeft: -1, ArrowRight: 1 };
  if (press.key === "Escape") return leave();
  if (!(press.key in steps) || !view.boxes.length) return;
  press.preventDefault();
  const at = view.boxes.findIndex(({ event }) => event.sequence === view.selected);
  const next = at === -1 ? view.boxes.length - 1 : at + steps[press.key];
  showTip(view.boxes[Math.max(0, Math.min(view.boxes.length - 1, next))]);
  draw();
});

byId("window").addEventListener("change", ({ target }) => {
  view.seconds = Number(target.value);
  draw();
});

byId("pause").addEventListener("click", ({ currentTarget }) => {
  view.paused = !view.paused;
  currentTarget.setAttribute("aria-pressed", view.paused);
  setText(currentTarget, view.paused ? "Resume" : "Pause");
});

new ResizeObserver(() => draw()).observe(canvas.parentElement);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
