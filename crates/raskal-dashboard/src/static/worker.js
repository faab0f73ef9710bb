// One worker: what it is, and its processor, memory and network over time. "#/worker/3".

import { chart, history } from "./charts.js";
import { bytes, clock, count, duration, element, rate, setText } from "./format.js";
import { facts } from "./parts.js";

/** For each worker, [time, cpu, managed, unmanaged, spilled, received, sent]. */
const pasts = new Map();
let charts = null;
let shown = null;

export function noteWorkers({ time_us, workers }) {
  const here = new Set(workers.map((worker) => worker.id));
  for (const id of pasts.keys()) if (!here.has(id)) pasts.delete(id);
  for (const worker of workers) {
    if (!pasts.has(worker.id)) pasts.set(worker.id, history(3));
    const { memory_managed_bytes: managed, memory_used_bytes: used } = worker;
    pasts.get(worker.id).add([time_us, worker.cpu_percent, Math.min(managed, used), Math.max(0, used - managed),
      worker.spilled_bytes, worker.received_bytes, worker.sent_bytes]);
  }
}

/** Bytes a second of the last two seconds: [received, sent]. */
export function network(id) {
  const rows = pasts.get(id)?.rows ?? [];
  return rows.length < 2 ? [0, 0] : slopes(rows.slice(-9)).at(-1).slice(1);
}

/** Rows of rates from rows of counts, over steps of up to two seconds: heartbeats come once a second. */
function slopes(rows) {
  return rows.map((row, place) => {
    const before = rows[Math.max(0, place - 8)];
    const seconds = Math.max(0.25, (row[0] - before[0]) / 1e6);
    return [row[0], Math.max(0, row[5] - before[5]) / seconds, Math.max(0, row[6] - before[6]) / seconds];
  });
}

export function showWorker(page, snapshot, [id]) {
  if (!charts) build(page);
  const worker = snapshot.workers.find((other) => String(other.id) === id);
  setText(page.querySelector("h2"), worker ? `Worker ${worker.name}` : "Worker");
  page.querySelector(".gone").hidden = Boolean(worker);
  page.querySelector(".charts").hidden = !worker;
  page.querySelector(".links").hidden = !worker;
  if (!worker) return facts(page.querySelector(".facts"), []);
  if (shown !== id) {
    shown = id;
    page.querySelector(".links a").setAttribute("href", `#/profile/${encodeURIComponent(id)}`);
    page.querySelectorAll(".links a")[1].setAttribute("href", `#/logs/${encodeURIComponent(worker.name)}`);
  }
  const used = worker.memory_used_bytes;
  facts(page.querySelector(".facts"), [
    ["Address", worker.address], ["Host", worker.host || "–"], ["Process", worker.pid ? String(worker.pid) : "–"],
    ["Joined", worker.joined_us ? clock(worker.joined_us) : "–"], ["Threads", count(worker.threads)],
    ["Running", count(worker.executing)], ["Queued", count(worker.queued)], ["Occupancy", duration(worker.occupancy_us)],
    ["Results held", count(worker.in_memory)], ["Memory limit", worker.memory_limit_bytes ? bytes(worker.memory_limit_bytes) : "none"],
    ["On disk", bytes(worker.spilled_bytes)], ["Transfers under way", count(worker.transfers)],
  ]);
  const rows = pasts.get(worker.id)?.rows ?? [];
  const [received, sent] = network(worker.id);
  charts.cpu.update(rows.map((row) => [row[0], row[1]]), `${count(worker.cpu_percent)} %`);
  charts.memory.update(rows.map((row) => [row[0], row[2], row[3]]), `${bytes(used)}, of it ${bytes(Math.min(used, worker.memory_managed_bytes))} results`);
  charts.disk.update(rows.map((row) => [row[0], row[4]]), bytes(worker.spilled_bytes));
  charts.network.update(slopes(rows), `${bytes(received)}/s in, ${bytes(sent)}/s out`);
}

function build(page) {
  charts = {
    cpu: chart("CPU", (value) => `${rate(value)} %`),
    memory: chart("Memory", bytes, { series: ["managed", "unmanaged"], stacked: true }),
    disk: chart("Results on disk", bytes),
    network: chart("Network, values only", (value) => `${bytes(value)}/s`, { series: ["line", "other"] }),
  };
  page.append(element("section", { class: "panel" }, element("h2", {}, "Worker"),
    element("p", { class: "gone muted", hidden: "" }, "No worker of this number is connected now."),
    element("dl", { class: "facts" }),
    element("p", { class: "links" }, element("a", { href: "#/profile" }, "Profile of this worker"), " · ",
      element("a", { href: "#/logs" }, "Its log"))),
  element("div", { class: "charts" }, ...Object.values(charts).map((made) => made.element)));
}
