// The task stream: a lane for each thread of each worker, a bar for each task, coloured by name; transfers of values in a
// thinner lane below the threads. The wheel, a drag, and plus and minus change what time is shown.
// Drawn on a canvas, because thousands of elements that move four times a second would cost more than the tasks.

import { byId, bytes, count, duration, element, keyed, layerColour, layerOrder, setText } from "./format.js";
import { taskAddress } from "./task.js";

const LEGEND_MAX = 10;
const AXIS = 22;
const GAP = 6;
const SECONDS_MIN = 1e-4;
const SECONDS_MAX = 130;

const canvas = byId("canvas");
const tip = byId("tip");
const view = {
  seconds: 30, back_us: 0, paused: false, now_us: 0, workers: null, recent: [], boxes: [], selected: null, left: 0, drag: null,
};

export function showStream({ snapshot, events }) {
  if (view.paused) return;
  Object.assign(view, { now_us: snapshot.time_us, workers: snapshot.workers, recent: events.slice() });
  draw();
}

function draw() {
  if (!view.workers) return;
  const { workers } = view;
  const to_us = view.now_us - view.back_us;
  const from_us = to_us - view.seconds * 1e6;
  const events = view.recent.filter((event) => event.stop_us > from_us && event.start_us < to_us);
  const lanes = layOut(workers, events);
  paint(lanes, events, from_us);
  showLegend(events);
  byId("no-tasks").hidden = events.length > 0;
  const span = view.seconds === 120 ? "two minutes" : view.seconds === Math.round(view.seconds) ? `${view.seconds} seconds` : duration(view.seconds * 1e6);
  setText(byId("no-tasks"), view.back_us ? "No task ran then." : `No task ended in the last ${span}.`);
  const runs = events.filter((event) => !event.transfer).length;
  const text = `Task stream: ${count(runs)} tasks in ${span} on ${count(lanes.count)} threads`;
  if (canvas.getAttribute("aria-label") !== text) canvas.setAttribute("aria-label", text);
  if (view.selected) showTip(view.boxes.find(({ event }) => event.sequence === view.selected) ?? null);
}

/** Where each thread's lane is: threads of a worker together, a gap between workers. Workers that left keep theirs. */
function layOut(workers, events) {
  const threads = new Map(workers.map((worker) => [worker.id, worker.threads]));
  const receiving = new Set();
  for (const event of events) {
    if (event.transfer) receiving.add(event.worker);
    threads.set(event.worker, Math.max(threads.get(event.worker) ?? 0, event.transfer ? 1 : event.thread + 1));
  }
  const total = [...threads.values()].reduce((sum, value) => sum + value, 0);
  const gaps = GAP * threads.size + AXIS + 4 + receiving.size * 7;
  // The canvas lies over its frame without stretching it: the frame asks for what is comfortable and the canvas takes
  // what the page then gives, down to five pixels a lane, where the frame scrolls.
  canvas.parentElement.style.minHeight = `${Math.max(140, Math.min(440, total * 20 + gaps))}px`;
  const given = canvas.parentElement.clientHeight - gaps;
  const height = Math.max(5, Math.min(26, Math.floor(given / Math.max(1, total))));
  const names = new Map(workers.map((worker) => [worker.id, worker.name]));
  const groups = [];
  const top = new Map();
  const transfers = new Map();
  let y = 4;
  for (const [worker, amount] of threads) {
    top.set(worker, y);
    groups.push({ name: names.get(worker) ?? `worker ${worker} (gone)`, y, height: amount * height });
    y += amount * height;
    if (receiving.has(worker)) {
      transfers.set(worker, y + 1);
      y += 7;
    }
    y += GAP;
  }
  return { count: total, height, groups, top, transfers, bottom: Math.max(60, y) };
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
  view.left = left;
  const x = (us) => left + ((us - from_us) / (view.seconds * 1e6)) * (width - left);
  for (const group of lanes.groups) {
    pen.fillStyle = colour("--lane");
    pen.fillRect(left, group.y, width - left, group.height);
    pen.fillStyle = colour("--muted");
    pen.fillText(clipped(pen, group.name, left - 10), 0, group.y + group.height / 2);
  }
  grid(pen, lanes, x, width, colour);

  view.boxes = [];
  const [transferColour, badColour] = [colour("--warn"), colour("--bad")];
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
    if (event.transfer) Object.assign(box, { y: lanes.transfers.get(event.worker), height: 5 });
    view.boxes.push(box);
    pen.fillStyle = event.transfer ? transferColour : event.ok ? layerColour(event.name) : badColour;
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
  const end_us = view.now_us - view.back_us;
  pen.strokeStyle = colour("--grid");
  pen.lineWidth = 1;
  pen.fillStyle = colour("--muted");
  for (let ago = view.seconds; ago >= 0; ago -= step) {
    if (ago < step / 2) ago = 0;
    const at = Math.round(x(end_us - ago * 1e6)) - 0.5;
    pen.beginPath();
    pen.moveTo(at, 0);
    pen.lineTo(at, lanes.bottom);
    pen.stroke();
    pen.textAlign = ago === 0 ? "right" : ago === view.seconds ? "left" : "center";
    const back = ago + view.back_us / 1e6;
    pen.fillText(back === 0 ? "now" : `−${mark(back)}`, ago === 0 ? width : at, lanes.bottom + 10);
  }
  pen.textAlign = "left";
}

/** A time on the axis: whole seconds where they are whole, else with as many digits as the zoom needs. */
function mark(seconds) {
  const digits = Math.max(0, Math.ceil(-Math.log10(view.seconds / 5)));
  return `${seconds === Math.round(seconds) ? seconds : seconds.toFixed(Math.min(6, digits + 1))} s`;
}

function showLegend(events) {
  const amounts = new Map();
  for (const event of events) if (!event.transfer) amounts.set(event.name, (amounts.get(event.name) ?? 0) + 1);
  const most = [...amounts.keys()].sort((a, b) => amounts.get(b) - amounts.get(a)).slice(0, LEGEND_MAX);
  const layers = most.sort((a, b) => layerOrder(a) - layerOrder(b));
  const parent = byId("legend");
  if (events.some((event) => event.transfer)) layers.push("\ntransfers");
  keyed(parent, layers, (layer) => layer, (layer) => {
    const transfers = layer === "\ntransfers";
    const entry = element("li", {}, element("i", { class: "swatch" }), transfers ? "transfers" : layer);
    if (transfers) {
      entry.style.setProperty("--layer", "var(--warn)");
      return entry;
    }
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
  const name = worker ? worker.name : `worker ${event.worker}`;
  const where = event.transfer ? `received by ${name}` : `${name}, thread ${event.thread}`;
  keyed(tip, [
    { kind: "strong", text: `${event.transfer ? "transfer" : event.name} · ${duration(event.stop_us - event.start_us)}${event.ok ? "" : " · failed"}` },
    { kind: "code", text: event.key },
    { kind: "span", text: `${where} · ended ${duration(ago)} ago${event.size_bytes ? ` · ${bytes(event.size_bytes)}` : ""}` },
  ], (line) => line.kind, (line) => element(line.kind), (line, { text }) => setText(line, text));
  tip.classList.toggle("failed", !event.ok);
  const room = canvas.clientWidth - tip.offsetWidth;
  tip.style.left = `${Math.max(0, Math.min(room, box.x + box.width / 2 - tip.offsetWidth / 2))}px`;
  const above = box.y - tip.offsetHeight - 8;
  tip.style.top = `${above >= 0 ? above : box.y + box.height + 8}px`;
}

canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
  if (view.drag) {
    const moved = ((offsetX - view.drag.x) / (canvas.clientWidth - view.left)) * view.seconds * 1e6;
    view.drag.far ||= Math.abs(offsetX - view.drag.x) > 4;
    if (view.drag.far) look(view.seconds, view.drag.back_us + moved);
    return;
  }
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
  if (press.key === "Escape") {
    look(chosenSeconds(), 0);
    return leave();
  }
  if (press.key === "Enter") return openSelected();
  if (press.key === "+" || press.key === "=") return zoom(0.5);
  if (press.key === "-") return zoom(2);
  if (!(press.key in steps) || !view.boxes.length) return;
  press.preventDefault();
  if (press.shiftKey) return look(view.seconds, view.back_us - steps[press.key] * view.seconds * 2e5);
  const at = view.boxes.findIndex(({ event }) => event.sequence === view.selected);
  const next = at === -1 ? view.boxes.length - 1 : at + steps[press.key];
  showTip(view.boxes[Math.max(0, Math.min(view.boxes.length - 1, next))]);
  draw();
});

byId("window").addEventListener("change", () => look(chosenSeconds(), 0));

const chosenSeconds = () => Number(document.querySelector("#window input:checked").value);

/** Shows so many seconds that end so long ago. What is long past stands still, so that it can be looked at. */
function look(seconds, back_us) {
  view.seconds = Math.max(SECONDS_MIN, Math.min(SECONDS_MAX, seconds));
  view.back_us = Math.max(0, Math.min(SECONDS_MAX * 1e6 - view.seconds * 1e6, back_us));
  const still = view.back_us > 0 || view.seconds < 2;
  if (still && !view.paused) {
    pause(true);
    view.pausedByZoom = true;
  } else if (!still && view.pausedByZoom) pause(false);
  draw();
}

/** Changes the time shown by a factor, around a place from 0 (left) to 1 (right). */
function zoom(factor, place = 0.5) {
  const seconds = Math.max(SECONDS_MIN, Math.min(SECONDS_MAX, view.seconds * factor));
  look(seconds, view.back_us + (view.seconds - seconds) * 1e6 * (1 - place));
}

function openSelected() {
  const box = view.boxes.find(({ event }) => event.sequence === view.selected);
  if (box) location.hash = taskAddress(box.event.task);
}

canvas.addEventListener("wheel", (turn) => {
  // A page that is scrolled by is not to be caught: the wheel zooms with a key, or once the canvas has the focus.
  if (!(turn.ctrlKey || turn.shiftKey || turn.altKey || document.activeElement === canvas)) return;
  turn.preventDefault();
  const place = (turn.offsetX - view.left) / Math.max(1, canvas.clientWidth - view.left);
  zoom(2 ** ((turn.deltaY || turn.deltaX) / 300), Math.max(0, Math.min(1, place)));
}, { passive: false });
canvas.addEventListener("pointerdown", ({ offsetX, pointerId }) => {
  view.drag = { x: offsetX, back_us: view.back_us, far: false };
  canvas.setPointerCapture(pointerId);
});
canvas.addEventListener("pointerup", () => {
  const { far } = view.drag ?? {};
  view.drag = null;
  if (!far) openSelected();
});
canvas.addEventListener("dblclick", () => look(chosenSeconds(), 0));
byId("zoom-in").addEventListener("click", () => zoom(0.5));
byId("zoom-out").addEventListener("click", () => zoom(2));

function pause(paused) {
  view.pausedByZoom = false;
  view.paused = paused;
  byId("pause").setAttribute("aria-pressed", paused);
  setText(byId("pause"), paused ? "Resume" : "Pause");
}

byId("pause").addEventListener("click", () => {
  if (!view.paused) return pause(true);
  pause(false);
  look(chosenSeconds(), 0);
});

new ResizeObserver(() => draw()).observe(canvas.parentElement);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
