// The last lines of the scheduler's and the workers' logs. "#/logs/NAME" shows one source.

import { clock, element, setText } from "./format.js";
import { asker } from "./parts.js";

const LINES_MAX = 2000;
const ask = asker();
const known = { lines: [], started_us: null, source: "", text: "" };
let drawn = "";

export function showLogs(page, snapshot, [source]) {
  if (!page.children.length) build(page);
  if (known.started_us !== snapshot.scheduler.started_us) {
    Object.assign(known, { lines: [], started_us: snapshot.scheduler.started_us });
  }
  if (source !== undefined && source !== page.dataset.source) {
    page.dataset.source = source;
    known.source = source;
  }
  const last = known.lines.at(-1)?.sequence;
  ask(last === undefined ? "logs" : `logs?since=${last}`, 1000, (answer) => {
    const newest = known.lines.at(-1)?.sequence ?? 0;
    known.lines.push(...(answer?.lines ?? []).filter((line) => line.sequence > newest));
    known.lines.splice(0, known.lines.length - LINES_MAX);
    draw(page);
  });
  draw(page);
}

function build(page) {
  const select = element("select", { "aria-label": "Whose log" });
  const search = element("input", { type: "search", placeholder: "Only lines with…", "aria-label": "Only lines with this text" });
  select.addEventListener("change", () => { known.source = select.value; draw(page); });
  search.addEventListener("input", () => { known.text = search.value; draw(page); });
  page.append(element("section", { class: "panel" },
    element("div", { class: "panel-head" }, element("h2", {}, "Logs"), element("div", { class: "controls" }, select, search)),
    element("div", { class: "log", tabindex: "0", role: "log", "aria-label": "Log lines" }),
    element("p", { class: "empty", hidden: "" }, "No lines yet. What processes write to their standard error is shown here; RASKAL_LOG=info says more.")));
}

function draw(page) {
  const select = page.querySelector("select");
  const sources = [...new Set(["scheduler", ...known.lines.map((line) => line.source), ...(known.source ? [known.source] : [])])].sort();
  if (select.children.length !== sources.length + 1) {
    select.replaceChildren(element("option", { value: "" }, "everybody"), ...sources.map((name) => element("option", { value: name }, name)));
  }
  select.value = known.source;
  const wanted = known.text.toLowerCase();
  const lines = known.lines.filter((line) => (!known.source || line.source === known.source)
    && (!wanted || line.text.toLowerCase().includes(wanted)));
  const state = JSON.stringify([lines.length, lines.at(-1)?.sequence, known.source, known.text, known.started_us]);
  if (state === drawn) return;
  drawn = state;
  const box = page.querySelector(".log");
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
  box.replaceChildren(...lines.map((line) => element("div", { class: tone(line.text) },
    element("time", {}, clock(line.time_us)), element("b", {}, line.source), element("span", {}, line.text))));
  if (atEnd) box.scrollTop = box.scrollHeight;
  page.querySelector(".empty").hidden = lines.length > 0;
  setText(page.querySelector(".empty"), known.lines.length ? "No line is like that." : page.querySelector(".empty").textContent);
}

const tone = (text) => (/\b(ERROR|CRITICAL|Traceback|\w*(Error|Exception):)/.test(text) ? "bad" : /\bWARN|Warning\b/.test(text) ? "warn" : "");
