"""Drawn graphs: every task and edge is there once, nothing overlaps, and foreign text stays text."""

from __future__ import annotations

import builtins
import importlib
import random
import re
import sys
import types
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal
from raskal._visualize_layout import layout
from raskal.visualize import Drawing, draw

# `raskal.visualize` is the function; this is the module it comes from.
module = importlib.import_module("raskal.visualize")

SVG = "{http://www.w3.org/2000/svg}"


def tree(leaves: int) -> dict:
    """A tree reduction in pairs."""
    nodes = [
        {"id": i, "key": f"('load-1a2b3c4d', {i})", "layer": "load-1a2b3c4d", "function": "load"} for i in range(leaves)
    ]
    edges, level, depth = [], list(range(leaves)), 0
    while len(level) > 1:
        above = level
        level = []
        for start in range(0, len(above), 2):
            id = len(nodes)
            layer = f"sum-{depth}-1a2b3c4d"
            nodes.append({"id": id, "key": f"('{layer}', {start // 2})", "layer": layer, "function": "sum"})
            edges += [(child, id) for child in above[start : start + 2]]
            level.append(id)
        depth += 1
    return {"nodes": nodes, "edges": edges}


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    root = ElementTree.fromstring(svg)
    return [
        tuple(float(r.attrib[name]) for name in ("x", "y", "width", "height"))  # type: ignore[misc]
        for r in root.iterfind(f".//{SVG}g/{SVG}rect")
    ]


def texts(svg: str) -> list[str]:
    return [t.text or "" for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def arrows(svg: str) -> list[str]:
    return [p.attrib["d"] for p in ElementTree.fromstring(svg).iter(f"{SVG}path") if "marker-end" in p.attrib]


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
def test_every_task_and_edge_is_drawn_inside_the_picture(rankdir):
    graph = tree(9)
    svg = draw(graph, rankdir=rankdir)
    assert len(boxes(svg)) == len(graph["nodes"])
    assert len(arrows(svg)) == len(graph["edges"])
    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert all(0 < x and x + w < width and 0 < y and y + h < height for x, y, w, h in boxes(svg))


def test_rankdir_turns_the_flow():
    graph = {"nodes": [{"id": "a", "label": "a"}, {"id": "b", "label": "b"}], "edges": [("a", "b")]}

    def step(rankdir: str) -> tuple[float, float]:
        (ax, ay, *_), (bx, by, *_) = boxes(draw(graph, rankdir=rankdir))
        return bx - ax, by - ay

    assert step("TB")[1] > 0 > step("BT")[1]
    assert step("LR")[0] > 0 > step("RL")[0]
    with pytest.raises(ValueError, match="unknown rankdir 'up'"):
        draw(graph, rankdir="up")


def test_task_is_labelled_with_layer_and_index_and_tells_its_key():
    svg = draw(tree(2))
    assert texts(svg) == ["load", "(0)", "load", "(1)", "sum", "(0)"]
    titles = [t.text for t in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert titles[0] == "('load-1a2b3c4d', 0)\nload\nload-1a2b3c4d"


def test_foreign_text_is_escaped():
    bad = "<script>alert('1')</script> & \"x\" \x00\x1b ]]>"
    graph = {
        "nodes": [{"id": 0, "label": bad, "key": bad, "layer": bad, "function": bad}, {"id": bad, "layer": bad}],
        "edges": [(0, bad)],
    }
    for collapse in (False, True):
        svg = draw(graph, collapse=collapse)
        assert "<script" not in svg
        assert len(boxes(svg)) == (1 if collapse else 2)
    assert texts(draw(graph))[0].startswith("<script>alert('1')</scrip")


def test_large_graph_is_drawn_by_layers_with_counts():
    graph = tree(512)
    svg = draw(graph)
    assert len(boxes(svg)) == 10
    assert len(arrows(svg)) == 9
    shown = texts(svg)
    assert "512 tasks" in shown
    assert "1 task" in shown
    assert "1,023 tasks in 10 groups; one box is the tasks of one name in one layer" in shown
    assert len(boxes(draw(graph, collapse=False))) == 1023


def test_values_look_different_from_tasks():
    graph = {"nodes": [{"id": 0, "label": "x", "kind": "value"}, {"id": 1, "label": "f"}], "edges": [(0, 1)]}
    assert draw(graph).count("stroke-dasharray") == 1


def test_numbers_colour_nodes_on_a_scale():
    nodes = [{"id": i, "label": str(i), "value": i * 10} for i in range(3)] + [{"id": 9, "label": "none"}]
    svg = draw({"nodes": nodes, "edges": []})
    root = ElementTree.fromstring(svg)
    fills = [r.attrib["fill"] for r in root.iterfind(f".//{SVG}g/{SVG}rect")]
    assert fills[0] == "rgb(68,1,84)"
    assert fills[2] == "rgb(253,231,37)"
    assert len(set(fills)) == 4
    assert texts(svg)[-2:] == ["0", "20"]


def test_empty_graph_and_single_value_scale_are_no_problem():
    assert "no tasks" in texts(draw({"nodes": [], "edges": []}))
    assert boxes(draw({"nodes": [{"id": 0, "value": 3}], "edges": []}))


def test_bad_descriptions_are_refused():
    with pytest.raises(ValueError, match=r"edge \(0, 7\) names 7"):
        draw({"nodes": [{"id": 0}], "edges": [(0, 7)]})
    with pytest.raises(ValueError, match="more than one node, such as 'a'"):
        draw({"nodes": [{"id": "a"}, {"id": "a"}], "edges": []})


@st.composite
def graphs(draw_from):
    count = draw_from(st.integers(1, 25))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda p: p[0] != p[1])
    edges = draw_from(st.lists(pairs, max_size=40, unique=True))
    sizes = draw_from(st.lists(st.tuples(st.floats(10, 200), st.floats(10, 60)), min_size=count, max_size=count))
    return sizes, edges


@settings(max_examples=200, deadline=None)
@given(graphs(), st.booleans())
def test_nodes_never_overlap_and_edges_point_down(graph, acyclic):
    sizes, edges = graph
    if acyclic:
        edges = list(dict.fromkeys((min(e), max(e)) for e in edges))
    placed = layout(sizes, edges)
    for i, ((x, y), (w, h)) in enumerate(zip(placed.positions, sizes, strict=True)):
        assert -1e-6 <= x - w / 2
        assert x + w / 2 <= placed.width + 1e-6
        for (x2, y2), (w2, h2) in zip(placed.positions[:i], sizes[:i], strict=True):
            assert abs(x - x2) >= (w + w2) / 2 - 1e-6 or abs(y - y2) >= (h + h2) / 2 - 1e-6
    assert len(placed.routes) == len(edges)
    for (start, end), route in zip(edges, placed.routes, strict=True):
        assert route[0] == placed.positions[start]
        assert route[-1] == placed.positions[end]
        if acyclic:
            assert all(y0 < y1 for (_, y0), (_, y1) in zip(route, route[1:], strict=False))


def test_tree_is_drawn_without_crossings_whatever_the_order_of_its_nodes():
    from raskal._visualize_layout import _crossings, _neighbours, _order, _ranks

    graph = tree(16)
    count = len(graph["nodes"])
    for seed in range(10):
        names = list(range(count))
        random.Random(seed).shuffle(names)
        edges = [(names[a], names[b]) for a, b in graph["edges"]]
        rows = _order(_ranks(count, edges), edges)
        assert _crossings(rows, _neighbours(edges)[1]) == 0


def test_same_graph_gives_the_same_picture():
    assert draw(tree(20)) == draw(tree(20))


class Collection:
    """The smallest thing that `visualize` takes."""

    def __init__(self, prefix: str = "x") -> None:
        self.prefix = prefix

    def __raskal_lower__(self, builder) -> list[int]:
        for name in ("unneeded", "input", self.prefix):
            id = len(builder.nodes)
            builder.nodes.append({"id": id, "layer": name, "key": name})
        builder.edges.append((id - 1, id))
        return [id]


class Builder:
    def __init__(self) -> None:
        self.nodes: list[dict] = []
        self.edges: list[tuple[int, int]] = []

    def describe(self, wanted=None):
        if wanted is None:
            return {"nodes": self.nodes, "edges": self.edges}
        needed = [id for task in wanted for id in (task - 1, task)]
        nodes = [{**self.nodes[id], "order": order} for order, id in enumerate(needed)]
        return {"nodes": nodes, "edges": self.edges}


@pytest.fixture
def builder(monkeypatch, tmp_path):
    """`visualize` in an empty folder, with collections lowered into a builder of the test's own."""

    def lower(collections):
        builder = Builder()
        return builder, [collection.__raskal_lower__(builder) for collection in collections]

    base = types.ModuleType("raskal.base")
    base._lower = lower  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "raskal.base", base)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_visualize_writes_svg_and_returns_a_drawing(builder):
    drawing = module.visualize(Collection("a"), [{"k": Collection("b")}, {Collection("c")}, 5])
    assert isinstance(drawing, Drawing)
    assert drawing.filename == "mydask.svg"
    assert (builder / "mydask.svg").read_text() == drawing.svg == drawing._repr_svg_()
    assert drawing.svg in drawing._repr_html_()
    assert [text for text in texts(drawing.svg) if len(text) == 1] == ["a", "b", "c"]


def test_visualize_takes_the_format_from_the_name_and_adds_it(builder):
    module.visualize(Collection(), filename="graph.v2")
    module.visualize(Collection(), filename=builder / "deep.SVG")
    assert {p.name for p in builder.iterdir()} == {"graph.v2.svg", "deep.SVG"}
    with pytest.raises(ValueError, match="cannot write a graph as 'gif'"):
        module.visualize(Collection(), format="gif")


def test_visualize_without_a_file_name_writes_nothing(builder):
    assert module.visualize(Collection(), filename=None).filename is None
    assert list(builder.iterdir()) == []


def test_visualize_draws_only_what_is_needed_on_demand(builder):
    drawn = module.visualize(Collection(), filename=None, optimize_graph=True).svg
    assert texts(drawn) == ["input", "x"]
    assert len(arrows(drawn)) == 1
    assert texts(module.visualize(Collection(), filename=None).svg) == ["unneeded", "input", "x"]


def test_visualize_colours_by_order(builder):
    svg = module.visualize(Collection("a"), Collection("b"), filename=None, color="order").svg
    assert "rgb(68,1,84)" in svg
    assert "#e8e8e8" in svg  # tasks that are not needed have no place in the order
    assert texts(svg)[-2:] == ["0", "3"]
    capped = module.visualize(Collection("a"), Collection("b"), filename=None, color="order", maxval=1).svg
    assert texts(capped)[-2:] == ["0", "1"]
    with pytest.raises(ValueError, match="unknown color 'pink'"):
        module.visualize(Collection(), color="pink")


def test_visualize_refuses_what_is_no_collection(builder):
    with pytest.raises(TypeError, match="needs a raskal collection, but was given int, list"):
        module.visualize(3, [4], filename=None)
    with pytest.raises(TypeError, match="given list"):
        module.visualize([Collection()], traverse=False, filename=None)
    with pytest.raises(ValueError, match="engine='graphviz'"):
        module.visualize(Collection(), engine="graphviz")


def test_png_without_cairosvg_says_what_to_do_before_any_work(builder, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "cairosvg":
            raise ImportError("No module named 'cairosvg'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match="hint: pip install cairosvg"):
        module.visualize(3, filename="graph.png")


def test_png_with_cairosvg_is_a_picture_of_twice_the_size(builder):
    pytest.importorskip("cairosvg")
    drawing = module.visualize(Collection(), filename="graph.png")
    data = (builder / "graph.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    width = float(re.search(r'width="(\d+)"', drawing.svg)[1])  # type: ignore[index]
    assert abs(int.from_bytes(data[16:20], "big") - 2 * width) <= 2


def test_real_graph_is_drawn_with_its_functions_and_order(tmp_path):
    def inc(x):
        return x + 1

    parts = [raskal.delayed(inc)(i) for i in range(3)]
    total = raskal.delayed(sum)(parts)
    drawing = total.visualize(filename=tmp_path / "total.svg")
    assert texts(drawing.svg) == ["inc", "inc", "inc", "sum"]
    assert len(arrows(drawing.svg)) == 3
    both = module.describe([total, parts[0]])
    assert [node["order"] for node in both["nodes"] if node["function"] == "sum"] == [3]
    assert len(both["nodes"]) == 4


def test_tasks_are_coloured_by_the_values_that_are_held():
    from raskal.visualize import _held

    nodes = [{"id": name, "order": order} for order, name in enumerate("abcd")]
    edges = [("a", "b"), ("b", "d"), ("c", "d")]
    assert _held({"nodes": nodes, "edges": edges}) == {"a": 1, "b": 2, "c": 2, "d": 3}


def test_tasks_are_coloured_by_a_run_that_was_noted():
    from raskal.diagnostics import Profiler
    from raskal.visualize import _values, describe

    total = raskal.delayed(sum)([raskal.delayed(bytes)(size) for size in (10, 100_000)])
    with Profiler() as prof, pytest.raises(TypeError):
        total.compute()
    graph = describe([total], optimize_graph=True)
    sizes = sorted(value for value in _values(graph, "bytes", prof).values() if value > 10)
    assert sizes[-1] >= 100_000
    assert set(_values(graph, "time", prof)) == {node["id"] for node in graph["nodes"]}
    assert raskal.visualize(total, filename=None, color="time", profiler=prof).svg.startswith("<svg")
    with pytest.raises(ValueError, match="needs a run that was noted"):
        raskal.visualize(total, filename=None, color="time")
    with pytest.raises(ValueError, match="noted no task"):
        raskal.visualize(raskal.delayed(abs)(1), filename=None, color="time", profiler=prof)
