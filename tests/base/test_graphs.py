"""Graphs written as dictionaries: `raskal.get`, the `get` of each scheduler, and rewriting them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from operator import add, mul
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import raskal
from raskal import local, multiprocessing, threaded
from raskal.callbacks import Callback
from raskal.graphs import order_of
from raskal.optimization import cull, fuse, inline, inline_functions

GETS = [raskal.get, local.get_sync, threaded.get]


def inc(x: int) -> int:
    return x + 1


@pytest.mark.parametrize("get", GETS)
def test_keys_and_nested_lists_of_keys_are_computed(get):
    dsk = {"x": 1, "y": 2, "z": (sum, ["x", "y"]), ("w", 0): (add, "z", (inc, "x")), 3: "z"}
    assert get(dsk, "z") == 3
    assert get(dsk, ["x", ["z", ("w", 0)], 3]) == (1, (3, 5), 3)
    assert get(dsk, []) == ()


@pytest.mark.parametrize("get", GETS)
def test_tasks_are_found_at_any_depth(get):
    dsk = {"a": [1, 2, 3], "b": [1, (inc, 1)], "c": [[(sum, "a"), "b"], 2], "d": (dict, [["k", (inc, (inc, 1))]])}
    assert get(dsk, ["a", "b", "c", "d"]) == ([1, 2, 3], [1, 2], [[6, [1, 2]], 2], {"k": 3})


def test_a_mapping_as_an_argument_is_looked_through():
    dsk = {"x": 1, "y": (sorted, (dict.values, {"k": "x", "l": (inc, "x")}))}
    assert raskal.get(dsk, "y") == [1, 2]


def test_values_that_are_no_keys_stay_as_they_are():
    assert raskal.get({"y": (len, {"not a key"}), "z": (add, "un", "known")}, ["y", "z"]) == (1, "unknown")


def test_a_long_chain_needs_no_recursion():
    dsk: dict[Any, Any] = {f"x{i + 1}": (inc, f"x{i}") for i in range(5000)}
    dsk["x0"] = 0
    assert threaded.get(dsk, "x5000") == 5000


@pytest.mark.parametrize(
    ("dsk", "key", "error", "text"),
    [
        ({"x": (inc, "y"), "y": (inc, "z"), "z": (inc, "x")}, "x", RuntimeError, "'x' -> 'y' -> 'z' -> 'x'"),
        ({"x": (inc, "x")}, "x", RuntimeError, "cycle: 'x' -> 'x'"),
        ({"total": 1}, "totl", KeyError, "did you mean 'total'"),
        ({None: 1}, "x", TypeError, "key None of a graph is a NoneType"),
        ([1, 2], "x", TypeError, "a graph is a mapping"),
    ],
)
def test_a_graph_that_cannot_be_run_is_refused_with_the_reason(dsk, key, error, text):
    with pytest.raises(error, match=text):
        raskal.get(dsk, key)


def test_an_error_names_the_users_key():
    with pytest.raises(ZeroDivisionError) as caught:
        threaded.get({"x": 1, ("y", 2): (lambda x: x / 0, "x")}, ("y", 2))
    assert "in task ('y', 2)" in caught.value.__notes__[0]


def test_callbacks_are_shown_the_graph_itself():
    dsk = {"x": 1, "y": (inc, "x")}
    seen: list[Any] = []
    with Callback(start=seen.append, start_state=lambda dsk, state: seen.append(dict(state["cache"])),
                  posttask=lambda key, value, *_: seen.append((key, value))):  # fmt: skip
        raskal.get(dsk, "y")
    assert seen == [dsk, {"x": 1}, ("y", 2)]
    assert seen[0] is dsk


@pytest.mark.parametrize("make", [ThreadPoolExecutor, ThreadPool])
def test_threads_of_the_users_own_are_used(make):
    import threading

    def name() -> str:
        return threading.current_thread().name

    with make(2) as pool:
        assert not threaded.get({"x": (name,)}, "x", pool=pool).startswith("raskal")
        assert threaded.get({"x": (inc, 1), "y": (mul, "x", "x")}, "y", pool=pool) == 4
    with pytest.raises(TypeError, match="pool must be"):
        threaded.get({"x": 1}, "x", pool=3)


def test_processes_run_functions_of_this_session():
    import os

    bonus = 10
    dsk = {"x": (lambda: bonus,), "y": (add, "x", 1), "id": (os.getpid,)}
    total, pid = multiprocessing.get(dsk, ["y", "id"], num_workers=1)
    assert total == 11
    assert pid != os.getpid()


def test_an_error_in_a_process_comes_back():
    with pytest.raises(ZeroDivisionError):
        multiprocessing.get({"x": (lambda: 1 / 0,)}, "x", num_workers=1)


# ---- rewriting


def test_cull_keeps_what_is_needed():
    dsk = {"x": 1, "y": (inc, "x"), "z": (inc, "x"), "w": (inc, "y")}
    assert cull(dsk, "y") == ({"x": 1, "y": (inc, "x")}, {"x": [], "y": ["x"]})
    assert set(cull(dsk, {"z", "w"})[0]) == set(dsk)


def test_inline_puts_values_in():
    dsk = {"x": 1, "y": (inc, "x"), "z": (add, "x", "y")}
    assert inline(dsk) == {"x": 1, "y": (inc, 1), "z": (add, 1, "y")}
    assert inline(dsk, "y", inline_constants=False)["z"] == (add, "x", (inc, "x"))


def test_inline_functions_removes_cheap_tasks():
    dsk = {"out": (add, "i", "d"), "i": (inc, "x"), "d": (mul, "y", 2), "x": 1, "y": 1}
    assert inline_functions(dsk, [], [inc]) == {"out": (add, (inc, "x"), "d"), "d": (mul, "y", 2), "x": 1, "y": 1}
    assert inline_functions(dsk, ["i"], [inc]) == dsk


def test_fuse_makes_one_task_of_a_chain_and_keeps_the_old_key():
    dsk = {"load-1": (inc, 1), "clean-1": (inc, "load-1"), "a": (inc, "clean-1"), "b": (mul, "clean-1", 2)}
    fused, needs = fuse(dsk, ["a", "b"])
    assert fused == {
        "load-clean-1": (inc, (inc, 1)),
        "clean-1": "load-clean-1",
        "a": (inc, "clean-1"),
        "b": (mul, "clean-1", 2),
    }
    assert needs["a"] == ["clean-1"]
    assert fuse(dsk, ["a", "b"], rename_keys=False)[0]["clean-1"] == (inc, (inc, 1))


@st.composite
def graphs(draw: st.DrawFn) -> dict[Any, Any]:
    size = draw(st.integers(1, 12))
    dsk: dict[Any, Any] = {}
    for number in range(size):
        inputs = draw(st.lists(st.integers(0, number - 1), max_size=3)) if number else []
        keys = [f"k{at}" for at in inputs]
        values: list[Any] = [number, (inc, number)]
        if keys:
            values += [(sum, [*keys, number]), (inc, keys[0]), keys[0]]
        values: list[Any] = [number, (inc, number)]
        if keys:
            values += [(sum, [*keys, number]), (inc, keys[0]), keys[0]]
        dsk[f"k{number}"] = draw(st.sampled_from(values))
    return dsk


@given(graphs(), st.data())
def test_rewriting_changes_no_value(dsk, data):
    wanted = data.draw(st.lists(st.sampled_from(list(dsk)), min_size=1))
    expected = raskal.get(dsk, wanted)
    rewritten = [
        cull(dsk, wanted)[0],
        inline(dsk, wanted),
        inline_functions(dsk, wanted, [inc]),
        fuse(dsk, wanted)[0],
        fuse(dsk, wanted, ave_width=3, rename_keys=False)[0],
        fuse(cull(dsk, wanted)[0], wanted, max_height=2)[0],
    ]
    for other in rewritten:
        assert raskal.get(other, wanted) == expected


@given(graphs())
def test_order_lists_inputs_before_their_users(dsk):
    place = {key: number for number, key in enumerate(order_of(dsk, dsk))}
    assert set(place) == set(dsk)
    assert all(place[need] < place[key] for key, needs in order_of(dsk, dsk).items() for need in needs)
