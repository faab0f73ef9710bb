// The numbers at the top: what the cluster does now, in six cards.

import { byId, bytes, count, duration, element, rate, setText } from "./format.js";

const SAMPLES = 120;
const SVG = "http://www.w3.org/2000/svg";

/** Tasks finished, by the scheduler's clock: the throughput is its slope. */
const history = [];
let started_us = null;

const sum = (list, value) => list.reduce((total, item) => total + value(item), 0);

/** Each card: title, and a function that gives {value, unit, detail, part, spark, tone} of a snapshot. */
const CARDS = [
  ["Tasks", tasks],
  ["Throughput", throughput],
  ["Memory", memory],
  ["CPU", cpu],
  ["Workers", workers],
  ["Scheduler", scheduler],
];

function tasks({ graphs, workers }) {
  const counts = graphs.flatMap((graph) => graph.layers).map((layer) => layer.counts);
  const failed = sum(counts, (count) => count.failed);
  const left = sum(counts, (count) => count.ready + count.waiting);
  const total = sum(counts, (count) => count.total);
  const detail = `${count(left)} to go${failed ? ` · ${count(failed)} failed` : ""}`;
  const part = total ? sum(counts, (count) => count.done + count.failed) / total : null;
  return { value: count(sum(workers, (worker) => worker.executing)), unit: "running", detail, part };
}

function throughput({ totals }) {
  const slopes = [];
  const reach = 8; // two seconds
  for (let index = reach; index < history.length; index += 1) {
    const [now, before] = [history[index], history[index - reach]];
    slopes.push((1e6 * (now.finished - before.finished)) / Math.max(1, now.time_us - before.time_us));
  }
  const detail = `${count(totals.tasks_done)} done in all`;
  return { value: slopes.length ? rate(slopes[slopes.length - 1]) : "–", unit: "tasks/s", detail, spark: slopes };
}

function memory({ workers }) {
  const used = sum(workers, (worker) => worker.memory_used_bytes);
  const limit = sum(workers, (worker) => worker.memory_limit_bytes);
  const managed = sum(workers, (worker) => worker.memory_managed_bytes);
  const [value, unit] = bytes(used).split(" ");
  const detail = `${bytes(managed)} results${limit ? ` · limit ${bytes(limit)}` : ""}`;
  return { value, unit, detail, part: limit ? used / limit : null, tone: limit && used > 0.85 * limit ? "warn" : "" };
}

function cpu({ workers }) {
  const threads = sum(workers, (worker) => worker.threads);
  const percent = sum(workers, (worker) => worker.cpu_percent);
  const part = threads ? percent / 100 / threads : null;
  return { value: part === null ? "–" : count(100 * part), unit: "%", detail: `of ${count(threads)} threads`, part };
}

function workers({ workers, totals }) {
  const clients = `${count(totals.clients)} ${totals.clients === 1 ? "client" : "clients"}`;
  const detail = totals.workers_lost ? `${clients} · ${count(totals.workers_lost)} lost` : clients;
  const threads = sum(workers, (worker) => worker.threads);
  return { value: count(workers.length), unit: `· ${count(threads)} threads`, detail };
}

function scheduler({ scheduler }) {
  const detail = `${duration(scheduler.event_us_mean)} an event · ${bytes(scheduler.memory_bytes)} · ${count(scheduler.connections)} conn.`;
  return { value: rate(scheduler.events_per_s), unit: "events/s", detail };
}

export function showOverview(snapshot) {
  if (started_us !== snapshot.scheduler.started_us) {
    started_us = snapshot.scheduler.started_us;
    history.length = 0;
  }
  history.push({ time_us: snapshot.time_us, finished: snapshot.totals.tasks_done + snapshot.totals.tasks_failed });
  if (history.length > SAMPLES) history.shift();
  const parent = byId("cards");
  if (!parent.children.length) parent.append(...CARDS.map(([title]) => card(title)));
  CARDS.forEach(([, read], index) => update(parent.children[index], read(snapshot)));
}

function card(title) {
  const spark = document.createElementNS(SVG, "svg");
  spark.setAttribute("class", "spark");
  spark.setAttribute("viewBox", "0 0 100 24");
  spark.setAttribute("preserveAspectRatio", "none");
  spark.setAttribute("aria-hidden", "true");
  spark.append(document.createElementNS(SVG, "path"), document.createElementNS(SVG, "path"));
  return element("div", { class: "card", role: "group", "aria-label": title },
    element("h3", {}, title),
    element("p", { class: "figure" }, element("b"), " ", element("span")),
    element("p", { class: "detail" }),
    element("div", { class: "meter", "aria-hidden": "true" }, element("i")), spark);
}

function update(target, { value, unit, detail, part = null, spark = null, tone = "" }) {
  setText(target.querySelector("b"), value);
  setText(target.querySelector(".figure span"), unit);
  setText(target.querySelector(".detail"), detail);
  target.dataset.tone = tone;
  const meter = target.querySelector(".meter");
  meter.hidden = part === null;
  meter.firstChild.style.width = `${Math.min(100, 100 * (part ?? 0))}%`;
  const svg = target.querySelector(".spark");
  svg.toggleAttribute("hidden", !spark || spark.length < 2);
  if (spark && spark.length > 1) {
    const top = Math.max(1, ...spark);
    const points = spark.map((y, index) => {
      const x = 100 * (1 - (spark.length - 1 - index) / Math.max(40, spark.length - 1));
      return `${x.toFixed(2)},${(23 - (21 * y) / top).toFixed(2)}`;
    });
    const line = `M${points.join("L")}`;
    svg.children[0].setAttribute("d", `${line}L100,24L${points[0].split(",")[0]},24Z`);
    svg.children[1].setAttribute("d", line);
  }
}
