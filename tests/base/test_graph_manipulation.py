"""Order among computations beyond what their data says."""

from __future__ import annotations

from operator import add
from typing import Any

import pandas as pd
import pytest

import raskal
import raskal.array as da
import raskal.bag as db
import raskal.dataframe as dd
from raskal import delayed
from raskal.callbacks import Callback
from raskal.graph_manipulation import bind, checkpoint, clone, wait_on


def test_a_checkpoint_is_none_once_all_is_computed():
    said: list[int] = []
    values = [delayed(said.append)(number) for number in range(20)]
    assert checkpoint(values, {"array": da.ones(10, chunks=1)}, split_every=3).compute() is None
    assert sorted(said) == list(range(20))
    assert checkpoint().compute() is None


@pytest.mark.parametrize("width", [2, 8, False])
def test_a_checkpoint_waits_for_few_at_a_time(width):
    largest = 0

    def look(dsk: Any, state: Any) -> None:
        nonlocal largest
        largest = max(len(needs) for needs in state["dependencies"].values())

    with Callback(start_state=look):
        checkpoint(*[delayed(abs)(-1) for _ in range(9)], split_every=width).compute()
    assert largest == {2: 2, 8: 8, False: 9}[width]
    with pytest.raises(ValueError, match="at least 2"):
        checkpoint(1, split_every=1)


def test_children_begin_after_their_parents():
    said: list[str] = []
    parents = [delayed(said.append)("parent") for _ in range(5)]
    child = delayed(said.append)("child")
    bound = bind(delayed(add)([child], [1]), parents)
    raskal.compute(bound, scheduler="threads")
    assert said == ["parent"] * 5 + ["child"]


def test_omitted_values_do_not_wait_and_are_not_made_again():
    said: list[str] = []
    shared = delayed(said.append)("shared")
    child = delayed(add)([shared], ["x"])
    (result,) = bind([child], delayed(said.append)("parent"), omit=shared)
    assert raskal.compute(shared, result) == (None, [None, "x"])
    assert said.count("shared") == 1


def test_waiting_values_are_the_same():
    one, two = delayed(abs)(-1), delayed(abs)(-2)
    assert wait_on(one).compute() == 1
    waiting = wait_on({"k": [one]}, two)
    assert raskal.compute(*waiting) == ({"k": [1]}, 2)


def test_a_clone_is_computed_apart():
    calls: list[int] = []
    value = delayed(calls.append)(1)
    other = clone(value)
    raskal.compute(value, other)
    assert calls == [1, 1]
    assert clone(value, seed=5).key == clone(value, seed=5).key != clone(value, seed=6).key
    raskal.compute(value, clone(delayed(add)([value], [2]), omit=value))
    assert calls == [1, 1, 1]


class Log:
    """Notes what was called."""

    said: list[str]

    def __init__(self) -> None:
        self.said = []

    def step(self, name: str) -> Any:
        def call(part: Any) -> Any:
            self.said.append(name)
            return part

        call.__raskal_tokenize__ = lambda: name  # type: ignore[attr-defined]
        return call


def collections(log: Log, name: str) -> list[Any]:
    """One of each kind, of two parts, that says its name for each part."""
    frame = pd.DataFrame({"x": range(4)})
    return [
        delayed(log.step(name))([1, 2]),
        da.arange(4, chunks=2).map_blocks(log.step(name), dtype=int),
        db.from_sequence(range(4), npartitions=2).map_partitions(log.step(name)),
        dd.from_pandas(frame, npartitions=2).map_partitions(log.step(name), meta=frame),
    ]


def plain(result: Any) -> Any:
    return result.x.tolist() if isinstance(result, pd.DataFrame) else list(result)


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_bound_collections_of_every_kind_begin_after_every_kind_of_parent(kind, scheduler):
    log = Log()
    child = collections(log, "child")[kind]
    bound = bind(child, collections(log, "parent"))
    assert type(bound) is type(child)
    result = plain(bound.compute(scheduler=scheduler))
    assert result == plain(child.compute(scheduler="sync"))
    first = log.said.index("child")
    assert log.said[:first] == ["parent"] * 7


@pytest.mark.parametrize("kind", range(4))
def test_clones_of_every_kind_are_computed_apart(kind):
    log = Log()
    value = collections(log, "value")[kind]
    other = clone(value, seed=1)
    same, different = clone(value, seed=1), clone(value, seed=2)
    results = raskal.compute(value, other, same, different, scheduler="threads")
    parts = 1 if kind == 0 else 2
    assert log.said == ["value"] * 3 * parts
    assert all(plain(result) == plain(results[0]) for result in results)


@pytest.mark.parametrize("kind", range(4))
def test_waiting_collections_of_every_kind_are_the_same(kind):
    log = Log()
    value, other = collections(log, "value")[kind], delayed(log.step("other"))(1)
    waiting, _ = wait_on(value, other)
    assert type(waiting) is type(value)
    after = waiting.map_partitions(log.step("after")) if kind >= 2 else delayed(log.step("after"))(waiting)
    log.said.clear()  # dataframes try a function on an empty part
    assert plain(after.compute(scheduler="threads")) == plain(value.compute(scheduler="sync"))
    assert set(log.said[: log.said.index("after")]) == {"value", "other"}


def test_steps_of_a_bag_that_are_omitted_are_shared():
    log = Log()
    shared = db.from_sequence(range(4), npartitions=2).map_partitions(log.step("shared"))
    child = shared.map_partitions(log.step("child"))
    again = bind(child, delayed(log.step("parent"))(1), omit=shared)
    raskal.compute(shared, child, again, scheduler="sync")
    assert sorted(log.said) == ["child"] * 4 + ["parent"] + ["shared"] * 2


def test_bound_collections_run_in_processes_and_when_persisted():
    array = da.arange(6, chunks=2) + 1
    bound = bind(array, db.from_sequence("ab"))
    assert bound.compute(scheduler="processes", num_workers=1).tolist() == list(range(1, 7))
    assert bound.persist().sum().compute() == 21
    kept = clone(array.persist())
    assert bind(kept, array).compute().tolist() == list(range(1, 7))


def test_collections_of_other_libraries_are_refused_with_what_to_do():
    dask_array = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="another library"):
        clone(dask_array.ones(3))
