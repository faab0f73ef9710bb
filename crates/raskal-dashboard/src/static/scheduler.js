// The scheduler's own health: whether it keeps up, and what it holds.

import { chart, history } from "./charts.js";
import { bytes, count, duration, element, rate } from "./format.js";
import { facts } from "./parts.js";

const past = history();
let started_us = null;
let charts = null;

/** Title, how a value is written, and the value. */
const CHARTS = [
  ["Events per second", rate, ({ events_per_s }) => events_per_s],
  ["Time per event", duration, ({ event_us_mean }) => event_us_mean],
  ["Busy", (part) => `${count(100 * part)} %`, ({ busy }) => busy],
  ["Longest turn", duration, ({ turn_us_max }) => turn_us_max],
  ["Frames waiting", count, ({ inbox }) => inbox],
  ["Memory", bytes, ({ memory_bytes }) => memory_bytes],
];

/** Called with every snapshot, so that the charts have a past when the page is opened. */
export function noteScheduler({ time_us, scheduler }) {
  if (started_us !== scheduler.started_us) {
    started_us = scheduler.started_us;
    past.clear();
  }
  past.add([time_us, ...CHARTS.map(([, , read]) => read(scheduler))]);
}

export function showScheduler(page, { scheduler, totals, workers, graphs }) {
  if (!charts) {
    charts = CHARTS.map(([title, show]) => chart(title, show));
    page.append(element("section", { class: "panel" }, element("h2", {}, "Scheduler"), element("dl", { class: "facts" })),
      element("p", { class: "note" }, "A turn is the time between two looks at the connections: while it lasts nobody is "
        + "answered. A scheduler that is busy all the time holds the cluster back: use larger tasks."),
      element("div", { class: "charts" }, ...charts.map((made) => made.element)));
  }
  facts(page.querySelector(".facts"), [
    ["Address", scheduler.address], ["Version", scheduler.version], ["Connections", count(scheduler.connections)],
    ["Clients", count(totals.clients)], ["Workers", count(workers.length)], ["Workers lost", count(totals.workers_lost)],
    ["Graphs held", count(graphs.length)], ["Events", count(scheduler.events)], ["Tasks done", count(totals.tasks_done)],
    ["Tasks failed", count(totals.tasks_failed)], ["Time in tasks", duration(totals.task_us)],
    ["Transfers", `${count(totals.transfers)} of ${bytes(totals.transfer_bytes)}`],
  ]);
  CHARTS.forEach(([, show, read], place) => {
    charts[place].update(past.rows.map((row) => [row[0], row[place + 1]]), show(read(scheduler)));
  });
}
