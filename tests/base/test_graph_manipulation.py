"""Order among computations beyond what their data says."""

from __future__ import annotations

from operator import add
from typing import Any

import pytest

import raskal
import raskal.array as da
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


def test_collections_that_are_not_delayed_are_refused():
    with pytest.raises(TypeError, match="only delayed values"):
        clone(da.ones(3))
