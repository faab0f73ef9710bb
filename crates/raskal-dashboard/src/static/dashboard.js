// The page: takes snapshots from the connection, remembers recent tasks and errors, and hands both to each section.

import { connect } from "./connection.js";
import { showErrors } from "./errors.js";
import { byId, clock, count, duration, setText } from "./format.js";
import { showOverview } from "./overview.js";
import { showPage } from "./pages.js";
import { showProgress } from "./progress.js";
import { noteScheduler } from "./scheduler.js";
import { showStream } from "./stream.js";
import { noteWorkers } from "./worker.js";
import { showWorkers } from "./workers.js";

const EVENTS_MAX = 20000;
const EVENTS_US = 130e6;
const ERRORS_MAX = 50;

/** What the page knows: the last snapshot, with the tasks and errors of earlier ones added. */
const known = { snapshot: null, events: [], errors: [], started_us: null };

function remember(snapshot) {
  if (known.started_us !== snapshot.scheduler.started_us) {
    Object.assign(known, { started_us: snapshot.scheduler.started_us, events: [], errors: [] });
  }
  append(known.events, snapshot.events);
  append(known.errors, snapshot.errors);
  const oldest = known.events.findIndex((event) => event.stop_us > snapshot.time_us - EVENTS_US);
  known.events.splice(0, Math.max(oldest === -1 ? known.events.length : oldest, known.events.length - EVENTS_MAX));
  known.errors.splice(0, known.errors.length - ERRORS_MAX);
  known.snapshot = snapshot;
}

/** Adds what is newer than the last one: a whole snapshot repeats what is known. */
function append(list, more) {
  const last = list.length ? list[list.length - 1].sequence : -1;
  for (const item of more) if (item.sequence > last) list.push(item);
}

function show(snapshot) {
  remember(snapshot);
  const { scheduler } = snapshot;
  setText(byId("address"), scheduler.address || "–");
  setText(byId("version"), scheduler.version || "–");
  setText(byId("uptime"), duration(Math.max(0, snapshot.time_us - scheduler.started_us)));
  setText(byId("taken"), `As of ${clock(snapshot.time_us)}`);
  noteScheduler(snapshot);
  noteWorkers(snapshot);
  showOverview(snapshot);
  showProgress(snapshot);
  showStream(known);
  showWorkers(snapshot);
  showErrors(known.errors, snapshot);
  showPage(snapshot);
  const running = snapshot.workers.reduce((sum, worker) => sum + worker.executing, 0);
  document.title = running ? `raskal · ${count(running)} running` : "raskal";
}

const LABELS = { live: "Live", polling: "Polling", lost: "Disconnected", refused: "Token needed", asleep: "Paused" };
let state = "connecting";
let countdown = 0;

function showState(next, retryAt) {
  if (next === state && next !== "lost") return;
  state = next;
  const pill = byId("connection");
  pill.dataset.state = next;
  setText(pill, LABELS[next]);
  const stale = next === "lost" || next === "refused";
  document.body.classList.toggle("stale", stale && known.snapshot !== null);
  byId("banner").hidden = !stale;
  clearInterval(countdown);
  if (!stale) return;
  document.title = "raskal · disconnected";
  const since = known.snapshot ? `These numbers are from ${clock(known.snapshot.time_us)}. ` : "";
  if (next === "refused") {
    setText(byId("banner-title"), "The scheduler asks for its token.");
    setText(byId("banner-text"), `${since}Open the whole address that it printed when it started.`);
    return;
  }
  setText(byId("banner-title"), "Connection lost.");
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    setText(byId("banner-text"), `${since}${seconds ? `Trying again in ${seconds} s.` : "Trying again…"}`);
  };
  tick();
  countdown = setInterval(tick, 500);
}

const retry = connect(show, showState);
byId("banner-retry").addEventListener("click", retry);
