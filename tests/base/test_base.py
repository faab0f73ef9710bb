"""What surrounds `compute`: containers, schedulers, protocols, sizes, processors."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raskal
import raskal.array as da
from raskal import delayed, system
from raskal.base import DaskMethodsMixin, get_scheduler, optimize, unpack_collections
from raskal.highlevelgraph import HighLevelGraph, MaterializedLayer
from raskal.sizeof import sizeof
from raskal.typing import DaskCollection, HLGDaskCollection

FIRST = "/sys/fs/cgroup/cpu,cpuacct"  # where control groups of the first version are
Pair = namedtuple("Pair", "left right")


@dataclass
class Box:
    content: Any


# ---- containers


def test_collections_are_taken_out_of_containers_and_results_put_back():
    one, two = delayed(1), da.ones(2)
    given = ([one, {"k": (two, one)}, {"plain"}], Box(two), Pair(one, 3), 5)
    collections, repack = unpack_collections(*given)
    assert collections == [one, two] or [id(c) for c in collections] == [id(one), id(two)]
    assert repack(["ONE", "TWO"]) == (["ONE", {"k": ("TWO", "ONE")}, {"plain"}], Box("TWO"), Pair("ONE", 3), 5)


def test_without_traverse_only_the_arguments_themselves_are_looked_at():
    one = delayed(1)
    collections, repack = unpack_collections(one, [one], traverse=False)
    assert len(collections) == 1
    assert repack(["ONE"]) == ("ONE", [one])


nested = st.recursive(
    st.integers() | st.just("lazy"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(max_size=1), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(nested)
def test_putting_back_what_was_taken_out_changes_nothing(shape):
    def fill(value: Any) -> Any:
        if value == "lazy":
            return delayed("lazy")
        if isinstance(value, dict):
            return {key: fill(item) for key, item in value.items()}
        return type(value)(map(fill, value)) if isinstance(value, (list, tuple)) else value

    collections, repack = unpack_collections(fill(shape))
    assert repack(raskal.compute(*collections)) == (shape,)
    assert raskal.compute(fill(shape)) == (shape,)


# ---- schedulers and protocols


@pytest.mark.parametrize("scheduler", [None, "threads", "sync", raskal.get])
def test_a_scheduler_is_a_function_of_graph_and_keys(scheduler):
    assert get_scheduler(scheduler=scheduler)({"x": 1, "y": (abs, -2)}, ["x", "y"]) == (1, 2)
    with pytest.raises(TypeError, match="use scheduler="):
        get_scheduler(get=raskal.get)


def test_the_setting_chooses_the_scheduler():
    import threading

    with raskal.config.set(scheduler="sync"):
        assert delayed(threading.get_ident)().compute() == threading.get_ident()


def test_optimised_collections_compute_to_the_same():
    dask = pytest.importorskip("dask")
    one, array, foreign = optimize(delayed(abs)(-1), da.ones(3), dask.delayed(abs)(-5))
    assert raskal.compute(one, array.sum(), foreign, optimize(7)) == (1, 3, 5, (7,))


def test_a_class_with_the_protocol_gets_its_methods_from_the_mixin():
    class Numbers(DaskMethodsMixin):
        def __dask_graph__(self):
            return {"x": 1, "y": (abs, -2)}

        def __dask_keys__(self):
            return ["x", "y"]

        def __dask_postcompute__(self):
            return list, ()

    assert Numbers().compute() == [1, 2]
    assert Numbers().visualize(filename=None).svg.startswith("<svg")


def test_our_collections_follow_the_protocols():
    for collection in (delayed(1), da.ones(3)):
        assert isinstance(collection, DaskCollection)
        assert isinstance(collection, HLGDaskCollection)
    assert not isinstance([1], DaskCollection)


def test_modules_are_there_without_importing_them():
    code = "import raskal; print(raskal.threaded.get({'x': 1}, 'x'), hasattr(raskal, 'nonsense'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]


# ---- graphs in layers


def layers() -> HighLevelGraph:
    return HighLevelGraph(
        {"a": {"x": 1, "unused": 2}, "b": {"y": (abs, "x"), "z": (sum, ["x", "y"])}}, {"a": set(), "b": {"a"}}
    )


def test_a_graph_in_layers_is_a_graph():
    graph = layers()
    graph.validate()
    assert raskal.threaded.get(graph, ["z", "x"]) == (2, 1)
    assert graph["y"] == (abs, "x")
    assert len(graph) == 4
    assert graph.get_all_dependencies()["z"] == {"x", "y"}
    culled = graph.cull(["y"])
    assert culled.to_dict() == {"x": 1, "y": (abs, "x")}
    assert HighLevelGraph.merge(graph, {"w": (abs, "z")})["w"] == (abs, "z")
    on_top = HighLevelGraph.from_collections("top", {"t": 1}, [delayed(abs)(-1)])
    assert len(on_top.layers) == 2
    with raskal.annotate(priority=3):
        assert MaterializedLayer({}).annotations == {"priority": 3}


def test_layers_that_do_not_fit_are_told():
    with pytest.raises(ValueError, match="needs 'b', which is not"):
        HighLevelGraph({"a": {}}, {"a": {"b"}}).validate()
    with pytest.raises(ValueError, match="key 'x' is in the layers 'a' and 'b'"):
        HighLevelGraph({"a": {"x": 1}, "b": {"x": 2}}, {"a": set(), "b": set()}).validate()
    with pytest.raises(KeyError):
        layers()["nothing"]


# ---- sizes


def test_sizes_count_what_is_held():
    text = "x" * 10_000
    assert sizeof(text) == sys.getsizeof(text)
    assert 30_000 < sizeof([text] * 3) < 31_000
    assert 990_000 < sizeof([text] * 100) < 1_100_000
    assert sizeof({"key": text}) > 10_000
    assert sizeof(np.zeros(1000)) == 8000
    assert sizeof(np.broadcast_to(np.zeros(10), (1000, 10))) == 80
    assert sizeof(memoryview(b"abc")) == 3


@pytest.mark.parametrize("dtype", [object, "string[python]"])
@pytest.mark.parametrize("kind", [pd.Series, pd.Index])
def test_strings_that_are_there_many_times_count_once(kind, dtype):
    texts = [letter * 100_000 for letter in "abcd"]
    assert 400_000 < sizeof(kind(texts * 1000, dtype=dtype)) < 500_000
    different = kind([f"x{number:4d}" for number in range(1000)], dtype=dtype)
    assert 1000 * sizeof("x0000") < sizeof(different) < 2000 * sizeof("x0000")


def test_columns_of_one_name_count_once():
    frame = pd.DataFrame({"x": range(10_000)})
    assert 80_000 < sizeof(frame[["x", "x", "x"]]) < 85_000
    assert 160_000 < sizeof(frame.assign(y=frame.x)) < 165_000


# ---- processors


def test_processors_are_those_of_the_affinity():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity here")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert system.cpu_count() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"/proc/self/cgroup": "0::/user/more", "/sys/fs/cgroup/user/more/cpu.max": "2005 10"}, 201),
        ({"/proc/self/cgroup": "0::/user/more", "/sys/fs/cgroup/user/cpu.max": "30 10"}, 3),
        ({"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "max 10"}, 250),
        ({"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "1 10"}, 1),
        (
            {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "45", "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "10"},
            5,
        ),
        ({}, 250),
    ],
)
def test_processors_are_those_that_a_container_is_left(files, count, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "cpu_count", lambda: 250)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(250)), raising=False)
    monkeypatch.setattr(system, "_read", lambda path: files.get(path, ""))
    assert system.cpu_count() == count


def test_threads_of_ones_own_run_what_is_computed():
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
        name = raskal.delayed(lambda: threading.current_thread().name)()
        assert raskal.compute(name, pool=pool)[0].startswith("mine")
        (kept,) = raskal.persist(name, scheduler="threads", pool=pool)
        assert kept.compute().startswith("mine")
        with raskal.config.set(pool=pool):
            assert name.compute().startswith("mine")
            assert name.compute(scheduler="synchronous") == threading.current_thread().name
    with pytest.raises(TypeError, match="(?s)pool must be an executor.*num_workers="):
        name.compute(pool=4)


def test_what_is_asked_where_it_is_computed_holds_for_all_tasks():
    calls = []

    def fail_once():
        calls.append(1)
        if len(calls) == 1:
            raise OSError("once")
        return len(calls)

    assert raskal.delayed(fail_once)().compute(retries=1, priority=3, chunksize=4) == 2
    calls.clear()
    assert raskal.persist(raskal.delayed(fail_once)(), retries=1)[0].compute() == 2
    with pytest.raises(TypeError, match=r"compute\(\) got unknown arguments \['retry'\]"):
        raskal.delayed(fail_once)().compute(retry=1)


def test_iterators_are_looked_into_and_become_lists():
    one, two = delayed(1), delayed(2)
    collections, repack = unpack_collections(iter([one, (part for part in [two, "x"])]), 3)
    assert len(collections) == 2
    assert repack(["a", "b"]) == (["a", ["b", "x"]], 3)
    assert repack(["c", "d"]) == (["c", ["d", "x"]], 3)


def test_tasks_find_the_context_variables_of_where_they_are_computed():
    variable = ContextVar("variable", default="unset")

    def use():
        before = variable.get()
        variable.set("the task's own")
        return before

    tasks = [delayed(use)() for _ in range(20)]
    assert set(raskal.compute(*tasks, num_workers=2)) == {"unset"}
    token = variable.set("set")
    try:
        assert set(raskal.compute(*tasks, num_workers=2)) == {"set"}
        assert set(raskal.compute(*tasks, scheduler="synchronous")) == {"set", "the task's own"}
        with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
            delayed(np.divide)(np.float64(1), np.float64(0)).compute()
    finally:
        variable.reset(token)
    assert set(raskal.compute(*tasks, num_workers=2)) == {"unset"}


def prepare():
    os.environ["RASKAL_TEST_PREPARED"] = "yes"


def test_processes_can_be_prepared():
    prepared = delayed(os.getenv)("RASKAL_TEST_PREPARED")
    assert prepared.compute(scheduler="processes", num_workers=1, initializer=prepare) == "yes"
    with pytest.raises(ValueError, match="initializer= is for scheduler='processes'"):
        prepared.compute(scheduler="threads", initializer=prepare)
