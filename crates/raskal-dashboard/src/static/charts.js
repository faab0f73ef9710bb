// Small charts of a number over time, in SVG. Start at `chart`.

import { element, setText } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 80;

/** Keeps `[time_us, value...]` rows of the last minutes; `add` drops what is older. */
export function history(minutes = 5) {
  const rows = [];
  return {
    rows,
    add(row) {
      if (rows.length && row[0] <= rows[rows.length - 1][0]) return;
      rows.push(row);
      while (rows[0][0] < row[0] - minutes * 60e6) rows.shift();
    },
    clear: () => rows.splice(0),
  };
}

/**
 * A titled chart. `series` are names of classes, stacked from below where `stacked`; `show` writes a value.
 * Returns {element, update(rows, text)} with rows `[time_us, value, ...]`.
 */
export function chart(title, show, { series = ["line"], stacked = false } = {}) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const paths = series.map((name) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", stacked ? `area ${name}` : `stroke ${name}`);
    svg.append(path);
    return path;
  });
  const made = element("div", { class: "panel chart", role: "group", "aria-label": title },
    element("h3", {}, title), element("p", { class: "figure" }), svg,
    element("p", { class: "scale" }, element("span"), element("span")));
  const [, figure, , scale] = made.children;

  function update(rows, text) {
    setText(figure, text);
    if (rows.length < 2) return;
    const [from, to] = [rows[0][0], rows[rows.length - 1][0]];
    const sum = (row) => row.slice(1).reduce((total, value) => total + value, 0);
    const top = Math.max(1e-9, ...rows.map((row) => (stacked ? sum(row) : Math.max(...row.slice(1)))));
    const x = (row) => ((WIDTH * (row[0] - from)) / Math.max(1, to - from)).toFixed(1);
    const y = (value) => (HEIGHT - 1 - ((HEIGHT - 3) * value) / top).toFixed(1);
    paths.forEach((path, index) => {
      const upper = (row) => (stacked ? row.slice(1, index + 2).reduce((total, value) => total + value, 0) : row[index + 1]);
      const line = rows.map((row) => `${x(row)},${y(upper(row))}`).join("L");
      if (!stacked) return path.setAttribute("d", `M${line}`);
      const lower = rows.map((row) => `${x(row)},${y(upper(row) - row[index + 1])}`).reverse().join("L");
      return path.setAttribute("d", `M${line}L${lower}Z`);
    });
    setText(scale.firstChild, `last ${Math.max(1, Math.round((to - from) / 1e6))} s`);
    setText(scale.lastChild, `top ${show(top)}`);
  }
  return { element: made, update };
}
