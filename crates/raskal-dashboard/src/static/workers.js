// The workers' table: sorted by any column, one row a worker, bars for memory and processor.

import { byId, bytes, count, duration, element, keyed, setText } from "./format.js";
import { network } from "./worker.js";

const ROWS_MAX = 500;
const SILENT_US = 5e6;

/** Heading, class, and what a row is sorted by. */
const COLUMNS = [
  ["Worker", "", (worker) => worker.name],
  ["Running", "number", (worker) => worker.executing],
  ["Queued", "number", (worker) => worker.queued],
  ["Results", "number", (worker) => worker.in_memory],
  ["Occupancy", "number", (worker) => worker.occupancy_us],
  ["CPU", "bars", (worker) => worker.cpu_percent / Math.max(1, worker.threads)],
  ["Memory", "bars", (worker) => worker.memory_used_bytes],
  ["Network", "number", (worker) => worker.received_bytes + worker.sent_bytes],
  ["Last seen", "number", (worker) => -worker.last_seen_us],
];

let sorted = { column: null, descending: false };
let latest = null;

export function showWorkers(snapshot) {
  latest = snapshot;
  const heads = byId("worker-heads");
  if (!heads.children.length) heads.append(...COLUMNS.map(heading));
  const none = snapshot.workers.length === 0;
  heads.closest("table").hidden = none;
  byId("no-workers").hidden = !none;
  if (none) return showHint(snapshot.scheduler.address);
  const rows = order(snapshot.workers).slice(0, ROWS_MAX);
  keyed(byId("worker-rows"), rows, (worker) => worker.id, createRow, (row, worker) => updateRow(row, worker, snapshot));
}

function showHint(address) {
  const parent = byId("no-workers");
  if (parent.children.length) return;
  parent.append(element("p", {}, "No worker is connected. Start one on any machine that reaches the scheduler:"),
    element("pre", {}, `raskal worker ${address || "tls://127.0.0.1:8786"}`));
}

function heading([title, kind], index) {
  const button = element("button", { type: "button" }, title);
  const head = element("th", { class: kind, scope: "col" }, button);
  button.addEventListener("click", () => {
    const again = sorted.column === index;
    // Numbers first from the top, names from A.
    sorted = { column: index, descending: again ? !sorted.descending : index !== 0 };
    [...head.parentElement.children].forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", sorted.descending ? "descending" : "ascending");
    if (latest) showWorkers(latest);
  });
  return head;
}

function order(workers) {
  if (sorted.column === null) return workers;
  const value = COLUMNS[sorted.column][2];
  const sign = sorted.descending ? -1 : 1;
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  return [...workers].sort((a, b) => sign * compare(value(a), value(b)));
}

function createRow() {
  const bar = (...parts) => element("div", { class: "bar" }, ...parts.map((part) => element("i", { class: part })));
  return element("tr", {},
    element("th", { scope: "row" }, element("a", { class: "name" }), element("code", { class: "muted" })),
    element("td", { class: "number" }), element("td", { class: "number" }), element("td", { class: "number" }), element("td", { class: "number" }),
    element("td", { class: "bars" }, bar("cpu"), element("span")),
    element("td", { class: "bars" }, bar("managed", "unmanaged", "spilled"), element("span")),
    element("td", { class: "number network" }),
    element("td", { class: "number seen" }));
}

function updateRow(row, worker, snapshot) {
  const [head, executing, queued, inMemory, occupancy, cpu, memory, traffic, seen] = row.children;
  setText(head.firstChild, worker.name);
  head.firstChild.setAttribute("href", `#/worker/${worker.id}`);
  setText(head.lastChild, worker.address);
  setText(executing, `${count(worker.executing)} / ${count(worker.threads)}`);
  setText(queued, count(worker.queued));
  setText(inMemory, count(worker.in_memory));
  setText(occupancy, worker.occupancy_us ? duration(worker.occupancy_us) : "–");
  const [received, sent] = network(worker.id);
  setText(traffic, received + sent < 1 ? "–" : `↓ ${bytes(received)}/s ↑ ${bytes(sent)}/s`);
  traffic.title = `${bytes(worker.received_bytes)} received and ${bytes(worker.sent_bytes)} given since it joined`;

  const busy = worker.cpu_percent / Math.max(1, worker.threads);
  fill(cpu, [busy], `${count(busy)} %`);
  cpu.title = `${(worker.cpu_percent / 100).toFixed(1)} cores busy, ${count(worker.threads)} threads`;

  const { memory_used_bytes: used, memory_managed_bytes: managed, memory_limit_bytes: limit } = worker;
  const spilled = worker.spilled_bytes;
  const whole = Math.max(limit, used + spilled, 1);
  const parts = [(100 * Math.min(managed, used)) / whole, (100 * Math.max(0, used - managed)) / whole, (100 * spilled) / whole];
  const disk = spilled ? ` + ${bytes(spilled)} on disk` : "";
  fill(memory, parts, limit ? `${bytes(used)} / ${bytes(limit)}${disk}` : `${bytes(used)}${disk}`);
  memory.classList.toggle("warn", limit > 0 && used > 0.85 * limit);
  memory.title = `${bytes(managed)} of results, ${bytes(Math.max(0, used - managed))} of other memory`;

  const silent_us = Math.max(0, snapshot.time_us - worker.last_seen_us);
  setText(seen, silent_us < 1e6 ? "now" : `${duration(silent_us)} ago`);
  row.classList.toggle("silent", silent_us > SILENT_US);
}

function fill(cell, percents, text) {
  const [bar, label] = cell.children;
  percents.forEach((percent, index) => { bar.children[index].style.width = `${Math.min(100, percent)}%`; });
  setText(label, text);
}
