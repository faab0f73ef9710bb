"""`raskal.annotate`: what is asked of tasks reaches the engine."""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import Any

import numpy as np
import pandas as pd
import pytest

import raskal
import raskal.array as da
import raskal.bag as db
import raskal.dataframe as dd
from raskal import annotate, delayed, get_annotations
from raskal._raskal import ProgramBuilder


class Flaky:
    """Raises so often, then gives a number."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.left > 0:
            self.left -= 1
            raise RuntimeError("not yet")
        return self.calls


def test_inner_annotations_win_and_outer_ones_stay():
    with annotate(priority=1, retries=2):
        with annotate(priority=5, anything="kept"):
            assert get_annotations() == {"priority": 5, "retries": 2, "anything": "kept"}
        assert get_annotations() == {"priority": 1, "retries": 2}
    assert get_annotations() == {}


def test_tasks_that_may_be_retried_are():
    flaky = Flaky(2)
    with annotate(retries=2):
        result = delayed(flaky)()
    assert result.compute(scheduler="sync") == 3


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_too_few_retries_fail_with_the_error(scheduler):
    flaky = Flaky(3)
    with annotate(retries=2):
        result = delayed(flaky)()
    with pytest.raises(RuntimeError, match="not yet"):
        result.compute(scheduler=scheduler)
    assert flaky.calls == 3


def test_calls_beside_an_annotated_one_are_not_retried():
    annotated, plain = Flaky(1), Flaky(1)
    with annotate(retries=1):
        one = delayed(annotated)()
    assert one.compute() == 2
    with pytest.raises(RuntimeError):
        raskal.compute(one, delayed(plain)())
    assert plain.calls == 1


def test_higher_priorities_run_first():
    ran: list[int] = []
    calls = []
    for number in range(12):
        with annotate(priority=number % 3):
            calls.append(delayed(ran.append)(number))
    raskal.compute(*calls, scheduler="sync")
    assert ran == sorted(range(12), key=lambda number: (-(number % 3), number))


def test_a_function_of_the_key_is_asked_for_each_task():
    flaky = Flaky(1)
    with annotate(retries=lambda key: 1 if key == "fragile" else 0):
        fragile = delayed(flaky)(dask_key_name="fragile")
        firm = delayed(Flaky(1))(dask_key_name="firm")
    assert fragile.compute() == 2
    with pytest.raises(RuntimeError):
        firm.compute()


def test_arrays_take_what_is_asked_around_compute():
    flaky = Flaky(1)

    def block(x: Any) -> Any:
        return x + flaky()

    array = da.ones((4,), chunks=4).map_blocks(block, dtype=float)
    with pytest.raises(RuntimeError):
        array.compute()
    flaky.left = 1
    with annotate(retries=1):
        assert array.compute().tolist() == [1.0 + flaky.calls] * 4


def plan(collection: Any) -> str:
    """Return the layers that a collection adds to a program, with what was asked of them."""
    builder = ProgramBuilder()
    return builder.explain(list(collection.__raskal_lower__(builder)))


def test_what_is_asked_is_stored_on_the_layers_that_are_submitted():
    frame = dd.from_pandas(pd.DataFrame({"x": range(4)}), npartitions=2)
    with annotate(priority=3, workers=["b", "a"], allow_other_workers=True, resources={"GPU": 1.5}):
        call = delayed(abs)(-1)
        steps = [
            da.ones((4,), chunks=2).map_blocks(abs).map_blocks(abs),
            db.from_sequence([1, 2]).map(abs),
            frame.map_partitions(len),
        ]
    asked = "[priority 3; workers b, a or others; 1.5 of GPU]"
    assert f"1 x abs {asked}" in plan(call + 1)
    for step in steps:
        assert asked in plan(step), plan(step)
    with annotate(retries=2):
        assert "[retries 2]" in explained_as_computed(da.ones((4,), chunks=2))


def explained_as_computed(collection: Any) -> str:
    """Return the plan with what is asked where it is computed."""
    builder, groups = raskal.base._lower([collection])
    return builder.explain(groups[0])


def test_steps_of_arrays_bags_and_dataframes_are_retried_if_that_was_asked_where_they_were_made():
    frame = dd.from_pandas(pd.DataFrame({"x": range(4)}), npartitions=1)
    flaky = [Flaky(1) for _ in range(3)]

    def passed(number: int) -> Any:
        return lambda part: [part, flaky[number]()][0]

    with annotate(retries=1):
        array = da.ones((4,), chunks=4).map_blocks(passed(0), dtype=float, meta=np.ones(0))
        bag = db.from_sequence([1], npartitions=1).map_partitions(passed(1))
        table = frame.map_partitions(passed(2), meta=pd.DataFrame({"x": [1]}))
    raskal.compute(array, bag, table, scheduler="threads")
    assert [one.calls for one in flaky] == [2, 2, 2]


def test_whatever_is_asked_of_workers_threads_run_it():
    with annotate(workers="alice", resources={"GPU": 1}):
        assert delayed(abs)(-1).compute() == 1


@pytest.mark.parametrize("resources", [{"GPU": "two"}, {"GPU": -1}, {"GPU": True}])
def test_amounts_of_resources_are_numbers(resources):
    with pytest.raises(ValueError, match="amount of resource 'GPU'"), annotate(resources=resources):
        pass


def test_threads_do_not_share_annotations():
    seen: list[dict[str, Any]] = []
    with annotate(priority=1):
        thread = threading.Thread(target=lambda: seen.append(get_annotations()))
        thread.start()
        thread.join()
        copy_context().run(lambda: seen.append(get_annotations()))
    assert seen == [{}, {"priority": 1}]


@pytest.mark.parametrize(
    ("annotations", "error", "text"),
    [
        ({"priority": "high"}, TypeError, "priority must be an integer"),
        ({"retries": 1.5}, TypeError, "retries must be an integer"),
        ({"retries": -1}, ValueError, "must not be negative"),
        ({"workers": 3.5}, TypeError, "workers must be"),
        ({"resources": "GPU"}, TypeError, "resources must be a dict"),
        ({"resources": {"GPU": -1}}, ValueError, "must be a number from 0 on"),
        ({"resources": {"GPU": "all"}}, ValueError, "must be a number from 0 on"),
        ({"allow_other_workers": "yes"}, TypeError, "allow_other_workers must be a bool"),
    ],
)
def test_wrong_annotations_are_refused_at_once(annotations, error, text):
    with pytest.raises(error, match=text), annotate(**annotations):
        pass
    assert get_annotations() == {}
