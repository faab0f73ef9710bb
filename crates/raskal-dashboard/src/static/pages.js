// Which page is shown: the overview, or one of those behind "#/". Start at `PAGES`. A page is a module's `show(page,
// snapshot, words)`, called with each snapshot while the page is open, with the words of its address behind the name.

import { byId, element } from "./format.js";
import { showGraph } from "./graph.js";
import { showLogs } from "./logs.js";
import { showProfile } from "./profile.js";
import { showScheduler } from "./scheduler.js";
import { showTask } from "./task.js";
import { showWorker } from "./worker.js";

const PAGES = {
  graph: ["Graph", showGraph],
  profile: ["Profile", showProfile],
  logs: ["Logs", showLogs],
  scheduler: ["Scheduler", showScheduler],
  worker: ["Worker", showWorker],
  task: ["Task", showTask],
};

let latest = null;
let open = null;

/** The page of an address such as "#/worker/3", and the rest of its words. */
function address() {
  const [name, ...words] = location.hash.startsWith("#/") ? location.hash.slice(2).split("/") : [""];
  return { name: name in PAGES ? name : "", words: words.map(decodeURIComponent) };
}

function turn() {
  const { name } = address();
  const changed = open !== location.hash;
  open = location.hash;
  byId("content").hidden = name !== "";
  for (const page of document.querySelectorAll("[data-page]")) page.hidden = page.dataset.page !== name;
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href").split("/").slice(0, 2).join("/") === (name ? `#/${name}` : location.hash || "#overview");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (changed && name) scrollTo(0, 0);
  if (latest) showPage(latest);
}

/** Shows a snapshot on the page that is open, if it is not the overview. */
export function showPage(snapshot) {
  latest = snapshot;
  const { name, words } = address();
  if (name) PAGES[name][1](document.querySelector(`[data-page="${name}"] .page-body`), snapshot, words);
}

for (const [name, [title]] of Object.entries(PAGES)) {
  byId("pages").append(element("div", { class: "page", "data-page": name, hidden: "", role: "region", "aria-label": title },
    element("div", { class: "page-body" })));
}
addEventListener("hashchange", turn);
turn();
