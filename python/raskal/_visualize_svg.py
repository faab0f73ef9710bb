"""A placed graph as SVG text: boxes, labels, curves and a legend.

Start at `render`. All text that comes from outside is escaped here, and colours are made here; places come from
`_visualize_layout`. The drawing has no background and middling line colours, so that it reads on light and dark pages.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from raskal._visualize_layout import Layout, Point, layout

_FONT = "ui-sans-serif, 'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif"
_FONT_PX = 12.0
_LINE_PX = 15.0
_MARGIN = 14.0
_LABEL_CHARACTERS = 34
# Light fills under dark text; neighbouring layers take neighbouring entries, so these alternate in hue.
_FILLS = ["#a9cbee", "#f6c99a", "#b5dfb1", "#eeb3b3", "#cdbbe6", "#e3cdb8", "#f3bfdd", "#d2d2d2", "#e2e29c", "#a5dfe2"]
# From the viridis map, which keeps its order in grey and for colour-blind people.
_SCALE = [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)]


@dataclass(frozen=True)
class Node:
    """What is drawn for a task, a value or a layer."""

    lines: Sequence[str]
    title: str
    group: str
    is_value: bool = False
    value: float | None = None


@dataclass(frozen=True)
class Edge:
    """An arrow, with a word beside it where there is more to say."""

    start: int
    end: int
    label: str = ""


def render(nodes: Sequence[Node], edges: Sequence[Edge], rankdir: str, note: str = "") -> str:
    """Draw nodes and edges.

    Parameters
    ----------
    nodes, edges : list
        What to draw; edges refer to nodes by position.
    rankdir : {"TB", "BT", "LR", "RL"}
        The direction in which data flows: top to bottom, bottom to top, left to right, right to left.
    note : str
        A line below the drawing.

    Returns
    -------
    str
        A whole SVG document.
    """
    sizes = [_size(node) for node in nodes]
    turned = rankdir in ("LR", "RL")
    placed = layout([(h, w) for w, h in sizes] if turned else sizes, [(e.start, e.end) for e in edges])
    width, height = (placed.height, placed.width) if turned else (placed.width, placed.height)

    def place(point: Point) -> Point:
        x, y = (point[1], point[0]) if turned else point
        return (width - x if rankdir == "RL" else x) + _MARGIN, (height - y if rankdir == "BT" else y) + _MARGIN

    scale = _value_range(nodes)
    fills = _group_fills(nodes)
    parts = [_edge(edge, route, sizes, turned, place) for edge, route in zip(edges, placed.routes, strict=True)]
    for node, size, centre in zip(nodes, sizes, placed.positions, strict=True):
        parts.append(_node(node, size, place(centre), _fill(node, fills, scale)))
    full_width = max(width + 2 * _MARGIN, (_text_width(note) + 2 * _MARGIN) if note else 0.0)
    full_height = height + 2 * _MARGIN
    if scale is not None:
        parts.append(_legend(scale, full_height))
        full_height += 34
        full_width = max(full_width, 260.0)
    if note:
        parts.append(
            f'<text x="{_MARGIN}" y="{full_height + 4:.1f}" text-anchor="start" fill="#808080">{_text(note)}</text>'
        )
        full_height += 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{full_width:.0f}" height="{full_height:.0f}" '
        f'viewBox="0 0 {full_width:.1f} {full_height:.1f}" font-family="{_FONT}" font-size="{_FONT_PX:g}" '
        f'text-anchor="middle" role="img">\n'
        '<defs><marker id="raskal-arrow" viewBox="0 0 8 8" refX="7.4" refY="4" markerWidth="6.5" markerHeight="6.5" '
        'orient="auto"><path d="M0,0.8 L8,4 L0,7.2 z" fill="#8a8a8a"/></marker></defs>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


# ---- pieces


def _node(node: Node, size: tuple[float, float], centre: Point, fill: tuple[str, str]) -> str:
    (width, height), (x, y) = size, centre
    radius = height / 2 if node.is_value else 5
    dash = ' stroke-dasharray="4 2.5"' if node.is_value else ""
    lines = []
    for i, line in enumerate(node.lines):
        baseline = y + _FONT_PX * 0.36 + (i - (len(node.lines) - 1) / 2) * _LINE_PX
        opacity = ' fill-opacity="0.75" font-size="11"' if i else ""
        lines.append(f'<text x="{x:.1f}" y="{baseline:.1f}" fill="{fill[1]}"{opacity}>{_text(_shorten(line))}</text>')
    return (
        f'<g><title>{_text(node.title)}</title><rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" '
        f'width="{width:.1f}" height="{height:.1f}" rx="{radius:g}" fill="{fill[0]}" stroke="#5f6770" '
        f'stroke-width="0.9"{dash}/>{"".join(lines)}</g>'
    )


def _edge(edge: Edge, route: Sequence[Point], sizes: Sequence[tuple[float, float]], turned: bool, place: object) -> str:
    assert callable(place)
    # In the layout's own directions: y grows along the flow.
    begin, end = (sizes[n][0 if turned else 1] / 2 for n in (edge.start, edge.end))
    points = [list(point) for point in route]
    down = 1.0 if points[-1][1] >= points[0][1] else -1.0
    points[0][1] += down * begin
    points[-1][1] -= down * (end + 1.5)
    path = "M{:.1f},{:.1f}".format(*place(tuple(points[0])))
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        bend = (y1 - y0) * 0.5
        controls = [place(p) for p in ((x0, y0 + bend), (x1, y1 - bend), (x1, y1))]
        path += " C" + " ".join(f"{x:.1f},{y:.1f}" for x, y in controls)
    drawn = f'<path d="{path}" fill="none" stroke="#8a8a8a" stroke-width="1.1" marker-end="url(#raskal-arrow)"/>'
    if edge.label:
        middle = points[len(points) // 2 - 1 : len(points) // 2 + 1]
        x, y = place(((middle[0][0] + middle[1][0]) / 2, (middle[0][1] + middle[1][1]) / 2))
        drawn += (
            f'<text x="{x + 5:.1f}" y="{y + 3:.1f}" text-anchor="start" font-size="10" '
            f'fill="#808080">{_text(edge.label)}</text>'
        )
    return drawn


def _legend(scale: tuple[float, float], top: float) -> str:
    stops = "".join(
        f'<stop offset="{i / (len(_SCALE) - 1):g}" stop-color="rgb{color}"/>' for i, color in enumerate(_SCALE)
    )
    right = _MARGIN + 180
    numbers = f'y="{top + 22:.1f}" font-size="10" fill="#808080"'
    return (
        f'<defs><linearGradient id="raskal-scale">{stops}</linearGradient></defs>'
        f'<rect x="{_MARGIN}" y="{top:.1f}" width="180" height="9" rx="2" fill="url(#raskal-scale)"/>'
        f'<text x="{_MARGIN}" text-anchor="start" {numbers}>{scale[0]:g}</text>'
        f'<text x="{right}" text-anchor="end" {numbers}>{scale[1]:g}</text>'
    )


# ---- colours


def _group_fills(nodes: Sequence[Node]) -> dict[str, str]:
    fills: dict[str, str] = {}
    for node in nodes:
        if node.group not in fills:
            fills[node.group] = _FILLS[len(fills) % len(_FILLS)]
    return fills


def _value_range(nodes: Sequence[Node]) -> tuple[float, float] | None:
    values = [node.value for node in nodes if node.value is not None]
    return (min(values), max(values)) if values else None


def _fill(node: Node, fills: dict[str, str], scale: tuple[float, float] | None) -> tuple[str, str]:
    """Colours of the box and of the text on it."""
    if scale is None:
        return fills[node.group], "#1c2127"
    if node.value is None:
        return "#e8e8e8", "#1c2127"
    low, high = scale
    part = (node.value - low) / (high - low) if high > low else 0.0
    i = min(int(part * (len(_SCALE) - 1)), len(_SCALE) - 2)
    rest = part * (len(_SCALE) - 1) - i
    red, green, blue = (round(a + (b - a) * rest) for a, b in zip(_SCALE[i], _SCALE[i + 1], strict=True))
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 125
    return f"rgb({red},{green},{blue})", "#1c2127" if bright else "#ffffff"


# ---- text


def _size(node: Node) -> tuple[float, float]:
    width = max(_text_width(_shorten(line)) for line in node.lines)
    return max(34.0, width + (26 if node.is_value else 18)), len(node.lines) * _LINE_PX + 11


def _text_width(text: str) -> float:
    """A careful guess in pixels: the font is not known here, so count wide for what is wide in most."""
    width = 0.0
    for character in text:
        if unicodedata.east_asian_width(character) in "WF":
            width += 1.05
        elif character in "iljtfr.,:;|!'()[]- ":
            width += 0.42
        elif character in "mwMW@%":
            width += 0.95
        else:
            width += 0.66 if character.isupper() else 0.61
    return width * _FONT_PX


def _shorten(text: str) -> str:
    return text if len(text) <= _LABEL_CHARACTERS else f"{text[: _LABEL_CHARACTERS - 1]}…"


def _text(text: str) -> str:
    # XML has no way to write most control characters, not even escaped
    return escape("".join(c if c >= " " or c == "\n" else " " for c in text if c not in "\ufffe\uffff"), quote=False)


__all__ = ["Edge", "Layout", "Node", "render"]
