// Numbers, times and names as people read them, and the few ways in which this page makes elements.
// Everything from the cluster enters the page as textContent or as an attribute's value; never as HTML.

const NUMBER = new Intl.NumberFormat("en");

/** 12345 -> "12,345" */
export const count = (value) => NUMBER.format(Math.round(value));

/** 61234 -> "61.2 k": for rates, where the last digits only flicker. */
export function rate(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  return value >= 10 || value === 0 ? count(value) : value.toFixed(1);
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function duration(us) {
  if (us < 1e3) return `${us < 10 ? us.toFixed(1) : Math.round(us)} µs`;
  if (us < 1e6) return `${(us / 1e3).toFixed(us < 1e4 ? 1 : 0)} ms`;
  const seconds = us / 1e6;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"], [Math.floor(seconds) % 60, "s"]];
  const first = parts.findIndex(([amount]) => amount > 0);
  return parts.slice(first, first + 2).map(([amount, unit]) => `${amount} ${unit}`).join(" ");
}

export const clock = (us) => new Date(us / 1e3).toLocaleTimeString("en-GB");

/** "read-csv-5be0...": what people call it, and the part of the token that tells two apart. */
export function layerName(prefix) {
  const match = /^(.+)-([0-9a-f]{32})$/s.exec(prefix);
  return match ? { name: match[1], token: match[2].slice(0, 6) } : { name: prefix, token: "" };
}

// Red is left out: it means failure. Colours are given in the order in which layers appear, so that neighbours differ.
const HUES = ["#4a86d8", "#e0913f", "#3fa375", "#a873d8", "#2ba6ac", "#c4a52c", "#7f79e0", "#8fa544", "#cf75ac", "#5b97b5",
  "#b07d55", "#6f8fe8"];
const colours = new Map();

export function layerColour(prefix) {
  if (!colours.has(prefix)) colours.set(prefix, HUES[colours.size % HUES.length]);
  return colours.get(prefix);
}

/** Where a layer's colour comes in the order: for legends whose entries must not jump. */
export const layerOrder = (prefix) => [...colours.keys()].indexOf(prefix);

/** element("td", {class: "number"}, "text", otherElement) */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Changes the text only where it differs: selections and screen readers are not disturbed. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Makes `parent` hold one child for each item, in order, keeping the children of items that stay. */
export function keyed(parent, items, keyOf, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = old.get(key);
    old.delete(key);
    if (!child) {
      child = create(item);
      child.dataset.key = key;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  for (const child of old.values()) child.remove();
}
