// A flame graph: wide is much time, and below a function is what it called. Used by the dashboard's profile and, as
// part of one file, by reports. Start at `flame`. It brings its own styles, and sets text only as textContent.

const FLAME_ROW = 21;
const FLAME_ROWS_MAX = 120;
const FLAME_WIDTH_MIN = 0.0006;

function flameHash(text) {
  let sum = 2166136261;
  for (const letter of text) sum = Math.imul(sum ^ letter.codePointAt(0), 16777619);
  return sum >>> 8;
}

/** Functions of one module share a hue; their lightness tells them apart. */
const flameColour = ({ file, name }) => `hsl(${flameHash(file || name) % 360} 62% ${70 + (flameHash(name) % 9)}%)`;

function flameFile(path) {
  const parts = path.split("/");
  const last = parts.lastIndexOf("site-packages");
  return last >= 0 ? parts.slice(last + 1).join("/") : parts.slice(-2).join("/");
}

function flameTime(seconds) {
  if (seconds >= 60) return `${(seconds / 60).toFixed(1)} min`;
  return seconds >= 1 ? `${seconds.toFixed(2)} s` : `${(1e3 * seconds).toFixed(0)} ms`;
}

/** What is said of a node: its function and place, its share and, where the pace is known, its time. */
function flameText(node, whole, interval_us) {
  const share = `${((100 * node.samples) / whole).toFixed(1)} %`;
  const time = interval_us ? ` · about ${flameTime((node.samples * interval_us) / 1e6)}` : "";
  const place = node.file ? ` · ${flameFile(node.file)}:${node.line}` : "";
  return `${node.name}${place} · ${share}${time}`;
}

/**
 * Draws `root` (name, file, line, samples, children) into `parent`. A click or Enter zooms into a function, Escape shows
 * all, arrow keys go from function to function. Returns a function that draws another tree and keeps the zoom.
 */
export function flame(parent, first) {
  const info = document.createElement("p");
  const area = document.createElement("div");
  info.setAttribute("role", "status");
  area.setAttribute("role", "tree");
  area.setAttribute("aria-label", "Flame graph");
  Object.assign(info.style, { margin: "0 0 6px", minHeight: "1.45em", fontSize: "12px", overflowWrap: "anywhere" });
  Object.assign(area.style, { position: "relative", overflow: "hidden" });
  parent.replaceChildren(info, area);
  let { root, interval_us } = first;
  let path = []; // identities of the functions down to the one that is zoomed into
  let cells = [];

  const identity = (node) => `${node.name}\n${node.file}\n${node.line}`;
  const say = (node) => { info.textContent = flameText(node ?? root, root.samples || 1, interval_us); };

  function zoomed() {
    const line = [root];
    for (const wanted of path) {
      const next = line[line.length - 1].children.find((child) => identity(child) === wanted);
      if (!next) break;
      line.push(next);
    }
    path = line.slice(1).map(identity);
    return line;
  }

  function draw() {
    const line = zoomed();
    const held = cells.find(({ cell }) => cell === document.activeElement);
    cells = [];
    // Those above the zoomed one fill the width; below, each has its share.
    line.slice(0, -1).forEach((node, depth) => cells.push({ node, depth, from: 0, width: 1, path: path.slice(0, depth) }));
    place(line[line.length - 1], line.length - 1, 0, 1, path);
    area.replaceChildren(...cells.map(cell));
    area.style.height = `${FLAME_ROW * (1 + Math.max(0, ...cells.map(({ depth }) => depth)))}px`;
    const again = held && cells.find((other) => identity(other.node) === identity(held.node) && other.depth === held.depth);
    (again ?? cells[0])?.cell.setAttribute("tabindex", "0");
    if (again) again.cell.focus();
    if (!area.matches(":hover")) say(line[line.length - 1]);
  }

  function place(node, depth, from, width, own) {
    cells.push({ node, depth, from, width, path: own });
    if (depth >= FLAME_ROWS_MAX) return;
    let at = from;
    for (const child of node.children) {
      const part = (width * child.samples) / Math.max(1, node.samples);
      if (part >= FLAME_WIDTH_MIN) place(child, depth + 1, at, part, [...own, identity(child)]);
      at += part;
    }
  }

  function cell(entry) {
    const { node, depth, from, width } = entry;
    const made = document.createElement("button");
    entry.cell = made;
    made.type = "button";
    made.textContent = node.name;
    made.setAttribute("role", "treeitem");
    made.setAttribute("aria-level", depth + 1);
    made.setAttribute("tabindex", "-1");
    made.setAttribute("aria-label", flameText(node, root.samples || 1, interval_us));
    const above = depth < path.length;
    Object.assign(made.style, {
      position: "absolute", left: `${100 * from}%`, top: `${FLAME_ROW * depth}px`,
      width: `calc(${100 * width}% - 1px)`, height: `${FLAME_ROW - 1}px`, padding: width > 0.012 ? "0 5px" : "0", border: "0",
      borderRadius: "2px", font: "11.5px/20px system-ui, sans-serif", textAlign: "left", whiteSpace: "nowrap",
      overflow: "hidden", textOverflow: "ellipsis", cursor: "pointer", color: "#1a2230", opacity: above ? "0.6" : "1",
      background: node === root ? "#c9d3e2" : flameColour(node),
    });
    made.addEventListener("mouseenter", () => say(node));
    made.addEventListener("focus", () => say(node));
    made.addEventListener("click", () => zoom(entry));
    return made;
  }

  function zoom({ path: wanted, depth, node }) {
    path = wanted;
    draw();
    cells.find((other) => other.depth === depth && identity(other.node) === identity(node))?.cell.focus();
  }

  function near(entry, key) {
    if (key === "ArrowUp") {
      return cells.findLast((other) => other.depth === entry.depth - 1 && other.from <= entry.from + 1e-9);
    }
    if (key === "ArrowDown") {
      return cells.find((other) => other.depth === entry.depth + 1 && other.from >= entry.from - 1e-9
        && other.from < entry.from + entry.width);
    }
    const row = cells.filter((other) => other.depth === entry.depth);
    return row[row.indexOf(entry) + (key === "ArrowRight" ? 1 : -1)];
  }

  area.addEventListener("keydown", (press) => {
    const entry = cells.find((other) => other.cell === document.activeElement);
    if (!entry) return;
    if (press.key === "Escape") {
      path = [];
      draw();
      cells[0]?.cell.focus();
    } else if (press.key.startsWith("Arrow")) {
      press.preventDefault();
      const next = near(entry, press.key);
      if (!next) return;
      entry.cell.setAttribute("tabindex", "-1");
      next.cell.setAttribute("tabindex", "0");
      next.cell.focus();
    }
  });
  area.addEventListener("mouseleave", () => say(zoomed().at(-1)));

  draw();
  return (next) => {
    ({ root, interval_us } = next);
    draw();
  };
}
