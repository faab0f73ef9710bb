"""Pictures of task graphs as SVG, without Graphviz.

Start at `visualize` for collections, at `draw` for a graph described as a dictionary. Small graphs are drawn task by
task; large ones layer by layer, since nobody reads ten thousand boxes.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from raskal._visualize_svg import Edge, Node, render
from raskal.utils import key_split

__all__ = ["Drawing", "draw", "visualize"]

# Above this many tasks the layers are drawn: about what fits on a screen and can still be read.
TASKS_MAX = 200
_COLORS = (None, "layer", "order", "memory", "time", "bytes")
_DIRECTIONS = ("TB", "BT", "LR", "RL")


class Drawing:
    """A finished picture, which notebooks show by themselves.

    Attributes
    ----------
    svg : str
        The SVG document.
    filename : str or None
        Where it was written.
    """

    def __init__(self, svg: str, filename: str | None = None) -> None:
        self.svg = svg
        self.filename = filename

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return f'<div style="overflow:auto;max-height:80vh">{self.svg}</div>'

    def __repr__(self) -> str:
        place = f" in '{self.filename}'" if self.filename else ""
        return f"<Drawing: {len(self.svg):,} characters of SVG{place}>"

    def save(self, filename: str | Path, format: str | None = None) -> None:
        """Write the picture as ``.svg``, or with cairosvg as ``.png`` or ``.pdf``.

        Raises
        ------
        ValueError
            If the format is none of these.
        ImportError
            If it needs cairosvg, which is not installed.
        """
        path, format = _target(filename, format)
        if format == "svg":
            path.write_text(self.svg, encoding="utf-8")
        else:
            cairosvg = _cairosvg(format)
            convert = cairosvg.svg2png if format == "png" else cairosvg.svg2pdf
            convert(bytestring=self.svg.encode(), write_to=str(path), **({"scale": 2} if format == "png" else {}))
        self.filename = str(path)


def visualize(
    *args: Any,
    filename: str | Path | None = "mydask",
    traverse: bool = True,
    optimize_graph: bool = False,
    maxval: float | None = None,
    engine: str | None = None,
    format: str | None = None,
    rankdir: str = "TB",
    color: str | None = None,
    collapse: bool | None = None,
    profiler: Any = None,
) -> Drawing:
    """Draw the task graph of collections.

    Parameters
    ----------
    *args : object
        Collections, or lists, tuples, sets and dictionaries with collections in them.
    filename : str or None
        Where to write; ``.svg`` is added to a name without a known ending. None writes nothing.
    traverse : bool
        Whether to look into containers.
    optimize_graph : bool
        Draw only what the results need, instead of everything that was built.
    maxval : float, optional
        The upper end of the colour scale.
    engine : None
        Present for Dask's callers: raskal draws by itself.
    format : {"svg", "png", "pdf"}, optional
        By default what the file name says, else SVG. PNG and PDF need the package cairosvg.
    rankdir : {"TB", "BT", "LR", "RL"}
        Direction of the data: top to bottom, bottom to top, left to right or right to left.
    color : {None, "layer", "order", "memory", "time", "bytes"}
        Colour by layer; by the order in which tasks are to run; by how many values are held while a task runs, if they
        run in that order; by how long tasks took, or how large their values were, as `profiler` noted.
    collapse : bool, optional
        Draw layers instead of tasks. By default for more than 200 tasks.
    profiler : Profiler, optional
        What noted a run of the same collections.

    Returns
    -------
    Drawing
        Shows itself in notebooks.

    Notes
    -----
    Differs from Dask: SVG instead of PNG by default, no Graphviz, data flows from top to bottom, and a large graph is
    drawn by layers.

    Examples
    --------
    >>> import raskal
    >>> total = raskal.delayed(sum)([raskal.delayed(abs)(-1), 2])
    >>> raskal.visualize(total, filename=None)  # doctest: +ELLIPSIS
    <Drawing: ... characters of SVG>
    """
    if engine is not None:
        raise ValueError(f"raskal draws graphs by itself, not with engine={engine!r}\nhint: leave engine= out")
    if color not in _COLORS:
        known = ", ".join(map(repr, _COLORS))
        raise ValueError(f"unknown color {color!r}\nhint: use one of {known}")
    if color in ("time", "bytes") and profiler is None:
        raise ValueError(
            f"color={color!r} needs a run that was noted\n"
            "hint: with raskal.diagnostics.Profiler() as prof: x.compute(), then visualize(x, ..., profiler=prof)"
        )
    if filename is not None:
        filename, format = _target(filename, format)  # a wrong name is told before the work
        if format != "svg":
            _cairosvg(format)
    description = describe(args, traverse=traverse, optimize_graph=optimize_graph)
    values = _values(description, color, profiler)
    for node in description["nodes"]:
        value = values.get(node["id"])
        node["value"] = value if value is None or maxval is None else min(value, maxval)
    drawing = Drawing(draw(description, rankdir=rankdir, collapse=collapse))
    if filename is not None:
        drawing.save(filename, format)
    return drawing


def _values(description: Mapping[str, Any], color: str | None, profiler: Any) -> dict[Any, float]:
    """The number that each task is coloured by."""
    nodes = description["nodes"]
    if color == "order":
        return {node["id"]: node["order"] for node in nodes if node["order"] is not None}
    if color == "memory":
        return _held(description)
    if color in ("time", "bytes"):
        noted = {record.key: record for record in profiler.records}
        found = {node["id"]: noted[node["key"]] for node in nodes if node["key"] in noted}
        if not found:
            raise ValueError("the profiler noted no task of this graph\nhint: draw the very object that was computed")
        if color == "bytes":
            return {id: record.nbytes for id, record in found.items()}
        return {id: record.end_time - record.start_time for id, record in found.items()}
    return {}


def _held(description: Mapping[str, Any]) -> dict[Any, float]:
    """How many values are held while each task runs, its own among them, if one runs at a time in the order planned."""
    users: Counter[Any] = Counter(start for start, _ in description["edges"])
    inputs: dict[Any, list[Any]] = {}
    for start, end in description["edges"]:
        inputs.setdefault(end, []).append(start)
    held, counts = 0, {}
    for node in sorted((node for node in description["nodes"] if node["order"] is not None), key=lambda n: n["order"]):
        held += 1
        counts[node["id"]] = float(held)
        for start in inputs.get(node["id"], ()):
            users[start] -= 1
            held -= users[start] == 0
    return counts


def describe(args: Iterable[Any], *, traverse: bool = True, optimize_graph: bool = False) -> dict[str, Any]:
    """The graph of all collections in `args`, as `draw` takes it, with the ``order`` in which tasks are to run.

    Raises
    ------
    TypeError
        If there is no collection in `args`.
    """
    found = list(_collections(args, traverse))
    if not found:
        kinds = ", ".join(sorted({type(arg).__name__ for arg in args})) or "nothing"
        raise TypeError(f"visualize needs a raskal collection, but was given {kinds}")
    base: Any = importlib.import_module("raskal.base")  # here, since `draw` alone needs no extension
    builder, groups = base._lower(found)  # as `compute` does, so that what collections share is drawn once
    needed = builder.describe([task for group in groups for task in group])
    if optimize_graph:
        return needed
    graph = builder.describe()
    order = {node["id"]: node["order"] for node in needed["nodes"]}
    for node in graph["nodes"]:
        node["order"] = order.get(node["id"])
    return graph


def _collections(args: Iterable[Any], traverse: bool) -> Iterator[Any]:
    for arg in args:
        if hasattr(type(arg), "__raskal_lower__"):
            yield arg
        elif hasattr(type(arg), "__dask_graph__"):
            interop: Any = importlib.import_module("raskal.interop.collections")  # as for `base` above
            converted = interop.to_delayed(arg)
            if converted is not None:
                yield converted
        elif traverse and isinstance(arg, Mapping):
            yield from _collections([*arg.keys(), *arg.values()], traverse)
        elif traverse and isinstance(arg, (list, tuple, set, frozenset)):
            yield from _collections(arg, traverse)


def draw(graph: Mapping[str, Any], *, rankdir: str = "TB", collapse: bool | None = None) -> str:
    """Draw a described graph.

    Parameters
    ----------
    graph : dict
        ``nodes``: dictionaries with ``id``, and any of ``label``, ``key``, ``layer``, ``function``, ``kind`` ("task" or
        "value") and ``value`` (a number to colour by). ``edges``: pairs of ids, from what is needed to what needs it.
    rankdir : {"TB", "BT", "LR", "RL"}
        Direction of the data.
    collapse : bool, optional
        Draw layers instead of nodes. By default for more than 200 nodes.

    Returns
    -------
    str
        An SVG document.

    Raises
    ------
    ValueError
        If an edge names a node that is not there, or two nodes have one id.

    Examples
    --------
    >>> svg = draw({"nodes": [{"id": 0, "label": "x", "kind": "value"}, {"id": 1, "label": "inc"}], "edges": [(0, 1)]})
    >>> svg.count("<rect")
    2
    """
    if rankdir not in _DIRECTIONS:
        raise ValueError(f"unknown rankdir {rankdir!r}\nhint: use one of {', '.join(map(repr, _DIRECTIONS))}")
    described = list(graph["nodes"])
    places = {node["id"]: i for i, node in enumerate(described)}
    if len(places) != len(described):
        twice = [i for i, count in Counter(node["id"] for node in described).items() if count > 1]
        raise ValueError(f"{len(twice)} ids stand for more than one node, such as {twice[0]!r}")
    pairs = []
    for start, end in graph["edges"]:
        for id in (start, end):
            if id not in places:
                raise ValueError(f"edge ({start!r}, {end!r}) names {id!r}, which is no node's id")
        pairs.append((places[start], places[end]))
    if not described:
        return render([], [], rankdir, "no tasks")
    if collapse if collapse is not None else len(described) > TASKS_MAX:
        return _draw_layers(described, pairs, rankdir)
    nodes = [_task(node) for node in described]
    return render(nodes, [Edge(start, end) for start, end in dict.fromkeys(pairs)], rankdir)


def _task(node: Mapping[str, Any]) -> Node:
    key, layer = str(node.get("key", "")), str(node.get("layer", ""))
    name = _name(node)
    label = node.get("label")
    lines = [str(label) if label is not None else name]
    index = re.search(r", (\d[\d, ]*)\)$", key)
    if label is None and index:
        lines.append(f"({index[1]})")
    title = "\n".join(str(part) for part in (key, node.get("function"), layer) if part) or lines[0]
    return Node(lines, title, name, _is_value(node), _number(node.get("value")))


def _name(node: Mapping[str, Any]) -> str:
    """What tasks of one kind have in common: a layer of delayed calls holds many functions, named by their keys."""
    return key_split(str(node.get("key") or node.get("layer") or node["id"]))


def _draw_layers(described: list[Mapping[str, Any]], pairs: list[tuple[int, int]], rankdir: str) -> str:
    groups = [(str(node.get("layer", "")), _name(node)) for node in described]
    members: dict[tuple[str, str], list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    places = {group: i for i, group in enumerate(members)}
    nodes = []
    for (layer, name), tasks in members.items():
        kind = "value" if all(_is_value(described[i]) for i in tasks) else "task"
        count = f"{len(tasks):,} {kind}{'s' if len(tasks) > 1 else ''}"
        values = [value for i in tasks if (value := _number(described[i].get("value"))) is not None]
        functions = sorted({str(described[i]["function"]) for i in tasks if described[i].get("function")})
        title = "\n".join([layer or name, count, *functions[:3]])
        mean = sum(values) / len(values) if values else None
        nodes.append(Node([name, count], title, name, kind == "value", mean))
    between = Counter((places[groups[start]], places[groups[end]]) for start, end in pairs)
    edges = [Edge(start, end, f"{n:,}" if n > 1 else "") for (start, end), n in between.items() if start != end]
    note = f"{len(described):,} tasks in {len(members):,} groups; one box is the tasks of one name in one layer"
    return render(nodes, edges, rankdir, note)


def _is_value(node: Mapping[str, Any]) -> bool:
    return node.get("kind") == "value" or ("kind" not in node and node.get("function") == "values")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _target(filename: str | Path, format: str | None) -> tuple[Path, str]:
    path = Path(filename)
    named = path.suffix.lower().removeprefix(".")
    known = ("svg", "png", "pdf")
    format = (format or (named if named in known else "svg")).lower()
    if format not in known:
        raise ValueError(f"cannot write a graph as {format!r}\nhint: use one of {', '.join(map(repr, known))}")
    return (path if named == format else path.with_name(f"{path.name}.{format}")), format


def _cairosvg(format: str) -> Any:
    try:
        import cairosvg
    except (ImportError, OSError) as error:  # OSError: the package without the cairo library
        raise ImportError(
            f"a graph as {format.upper()} needs the package cairosvg: {error}\n"
            "hint: pip install cairosvg, or write an .svg file, which needs nothing"
        ) from error
    return cairosvg
