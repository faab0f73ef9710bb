"""Methods that work item by item, and on several bags, against plain Python."""

from __future__ import annotations

import itertools
import os
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

import raskal
import raskal.bag as db

SCHEDULERS = ["threads", "synchronous"]
items = st.lists(st.integers(-50, 50), max_size=30)
counts = st.integers(1, 6)


def bag(values, npartitions):
    return db.from_sequence(values, npartitions=npartitions)


@given(items, counts)
def test_chains_of_steps_give_what_python_gives(values, npartitions):
    b = bag(values, npartitions)
    assert b.map(abs).filter(lambda x: x % 2).remove(lambda x: x > 40).compute() == [
        abs(x) for x in values if abs(x) % 2 and abs(x) <= 40
    ]
    pairs = b.map(lambda x: {"a": x, "b": -x})
    assert pairs.pluck("a").compute() == values
    assert pairs.pluck(["b", "a"]).compute() == [(-x, x) for x in values]
    assert pairs.pluck("c", default=0).compute() == [0] * len(values)
    assert b.map(lambda x: [x, x]).flatten().compute() == [x for x in values for _ in range(2)]
    assert b.map(lambda x: (x, 1)).starmap(lambda x, y, z=0: x + y + z, z=5).compute() == [x + 6 for x in values]
    assert [part.compute() for part in b.map(lambda x: (x, str(x))).unzip(2)] == [values, [str(x) for x in values]]


@given(items, counts)
def test_running_results_go_on_over_partitions(values, npartitions):
    b = bag(values, npartitions)
    assert b.accumulate(add).compute() == list(itertools.accumulate(values))
    assert b.accumulate(add, initial=7).compute() == list(itertools.accumulate(values, initial=7))


@given(items, counts, items)
def test_pairs_of_bags_are_those_of_python(values, npartitions, others):
    b, c = bag(values, npartitions), bag(others, 2)
    assert sorted(b.product(c).compute()) == sorted(itertools.product(values, others))
    assert b.product(c).npartitions == b.npartitions * c.npartitions
    joined = b.join(others, lambda x: x % 3, lambda x: x % 5)
    assert sorted(joined.compute()) == sorted((y, x) for x in values for y in others if x % 3 == y % 5)
    assert db.zip(b, b.map(str)).compute() == [(x, str(x)) for x in values]
    assert db.concat([b, c]).compute() == values + others


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_map_spreads_bags_and_shares_single_values(scheduler):
    b = bag(range(6), 3)
    computed = b.map(
        lambda x, y, z, *, w, v: (x, y, z, w, v), b.map(str), b.max(), w=raskal.delayed(len)([1, 2]), v=b.map(abs)
    ).compute(scheduler=scheduler)
    assert computed == [(x, str(x), 5, 2, x) for x in range(6)]
    assert b.map(lambda y, x: x - y, x=b).compute(scheduler=scheduler) == [0] * 6
    assert db.map(lambda x, y: x + y, 10, b).compute(scheduler=scheduler) == list(range(10, 16))
    assert b.map(lambda x, pair: x + sum(pair), [b.min(), b.max()]).compute(scheduler=scheduler) == list(range(5, 11))


def test_map_of_unlike_bags_is_refused():
    b = bag(range(6), 3)
    with pytest.raises(ValueError, match="same number of partitions.\ngot 3 and 2"):
        b.map(add, bag(range(6), 2))
    with pytest.raises(ValueError, match="partitions of different lengths"):
        b.map(add, b.filter(lambda x: x > 2)).compute()
    with pytest.raises(ValueError, match="At least one argument must be a Bag"):
        db.map(abs, -1)
    with pytest.raises(ValueError, match=r"equally many partitions, got \[3, 2\]"):
        db.zip(b, bag(range(6), 2))


def test_map_partitions_gives_lists_and_takes_any_iterable():
    b = bag(range(6), 3).map(lambda x: x + 1)
    assert b.map_partitions(lambda part: [len(part)]).compute() == [2, 2, 2]
    assert b.map_partitions(lambda part, top: (x for x in part if x < top), b.max()).compute() == [1, 2, 3, 4, 5]
    assert b.map_partitions(sum).compute() == [3, 7, 11]
    assert db.map_partitions(lambda x, y: [len(x) + len(y)], b, b).compute() == [4, 4, 4]


def test_a_stopiteration_of_a_users_function_loses_no_items():
    """Python's own `map` takes it for the end, and would drop the rest without a word."""

    def fail(x):
        if x == 2:
            raise StopIteration
        return x

    b = bag(range(6), 1)
    for broken in (b.map(fail), b.filter(fail), b.map(lambda x: []).map(iter).map(next)):
        with pytest.raises(RuntimeError, match="StopIteration"):
            broken.compute()


def test_a_chain_is_one_task_a_partition_and_runs_as_one_stream():
    seen = []

    def source():
        for number in range(3):
            seen.append(f"made {number}")
            yield number

    def use(x):
        seen.append(f"used {x}")
        return x

    b = db.from_delayed(raskal.delayed(source)()).map(use).filter(lambda x: True)
    assert b.compute(scheduler="synchronous") == [0, 1, 2]
    # The source is a task of its own; its values flow through the steps one by one.
    assert seen == ["made 0", "used 0", "made 1", "used 1", "made 2", "used 2"]


def test_what_two_results_share_is_computed_once():
    calls = []

    def note(x):
        calls.append(x)
        return x

    shared = bag(range(4), 2).map(note)
    assert raskal.compute(shared.map(str), shared.sum(), shared, scheduler="synchronous") == (
        ["0", "1", "2", "3"],
        6,
        [0, 1, 2, 3],
    )
    assert sorted(calls) == [0, 1, 2, 3]


def test_a_long_chain_is_no_recursion():
    b = bag([0, 1], 2)
    for _ in range(3000):
        b = b.map(abs)
    assert b.compute() == [0, 1]
    assert b.take(1) == (0,)


def test_persisted_bags_and_delayed_parts_go_on():
    b = bag(range(6), 3).map(lambda x: x * 2).persist()
    assert b.npartitions == 3
    assert b.map(lambda x: x + 1).compute() == [1, 3, 5, 7, 9, 11]
    parts = b.to_delayed()
    assert [part.compute() for part in parts] == [[0, 2], [4, 6], [8, 10]]
    assert db.from_delayed(parts).sum().compute() == 30
    assert raskal.delayed(sum)(b.map(abs)).compute() == 30


def test_text_methods_are_those_of_str():
    b = bag(["Alice Smith", "Bob Jones"], 2)
    assert b.str.lower().str.split().compute() == [["alice", "smith"], ["bob", "jones"]]
    assert b.str.replace("o", "0").compute() == ["Alice Smith", "B0b J0nes"]
    assert b.str.match("*Smith").compute() == ["Alice Smith"]
    assert {"upper", "match"} <= set(dir(b.str))
    assert not hasattr(b.str, "nonsense")


def test_an_error_of_a_users_function_names_its_task_and_line():
    b = bag([1, 0], 2).map(lambda x: 1 // x)
    with pytest.raises(ZeroDivisionError) as caught:
        b.compute()
    (note,) = caught.value.__notes__
    assert "map-lambda" in note and "test_items.py" in note


@given(items, counts, st.integers(1, 8))
def test_other_partitions_hold_the_same_items(values, npartitions, wanted):
    b = bag(values, npartitions)
    again = b.repartition(npartitions=wanted)
    assert again.npartitions == wanted
    assert again.compute() == values
    assert b.repartition(partition_size=200).compute() == values


def test_partitions_are_cut_and_joined_by_size():
    b = bag(["x" * 1000] * 40, 4)
    small = b.repartition(partition_size="4 kiB")
    assert small.npartitions > 8
    assert small.repartition(partition_size="1 MiB").npartitions == 1
    with pytest.raises(ValueError, match="exactly one"):
        b.repartition()
    with pytest.raises(ValueError, match="exactly one"):
        b.repartition(npartitions=1, partition_size=5)


def test_take_reads_only_what_it_needs():
    read = []
    b = bag(range(10), 5).map(lambda x: read.append(x) or x)
    with raskal.config.set(scheduler="synchronous"):
        assert b.take(1) == (0,)
    assert read == [0]
    assert b.map(lambda x, y, z: x + y + z, b.repartition(npartitions=5), bag([7], 1).max()).take(1) == (7,)
    assert b.accumulate(add).take(3, npartitions=2) == (0, 1, 3)
    assert db.concat([b, b]).filter(lambda x: x).take(1) == (1,)
    assert b.take(3, npartitions=2) == (0, 1, 2)
    assert b.take(9, npartitions=-1) == tuple(range(9))
    assert b.take(3, npartitions=2, compute=False).compute() == [0, 1, 2]
    with pytest.warns(UserWarning, match="3 elements requested, only 2 elements available"):
        assert b.take(3) == (0, 1)
    with pytest.raises(ValueError, match="only 5 partitions, take received 6"):
        b.take(1, npartitions=6)


@given(st.integers(0, 50), counts)
def test_ranges_are_those_of_python(n, npartitions):
    b = db.range(n, npartitions)
    assert b.npartitions == npartitions
    assert b.compute() == list(range(n))


def test_sequences_are_cut_as_asked():
    assert db.from_sequence(range(5), partition_size=2).npartitions == 3
    assert db.from_sequence([]).compute() == []
    assert db.from_sequence(range(5000)).npartitions == 625
    assert db.from_sequence([1, 2]).name == db.from_sequence([1, 2]).name != db.from_sequence([2, 1]).name
    long = list(range(5000))
    assert db.from_sequence(long).name == db.from_sequence(long).name != db.from_sequence(long, npartitions=3).name
    with pytest.raises(ValueError, match="npartitions must be at least 1, got 0"):
        db.from_sequence([1], npartitions=0)


def test_graphs_written_by_hand_are_bags():
    graph = {("x", 0): (range, 3), ("x", 1): (list, ("y", 0)), ("y", 0): [1, "a"], "n": (max, [1, ("z",)]), ("z",): 4}
    b = db.Bag(graph, "x", 2)
    assert b.compute() == [0, 1, 2, 1, "a"]
    assert db.Item(graph, "n").compute() == 4
    with pytest.raises(KeyError, match=r"no key \('x', 2\)"):
        db.Bag(graph, "x", 3)
    with pytest.raises(ValueError, match="cycle"):
        db.Bag({("x", 0): (list, ("x", 0))}, "x", 1)


def test_random_samples_repeat_with_a_seed():
    b = bag(range(1000), 10)
    half = b.random_sample(0.5, 42).compute()
    assert half == b.random_sample(0.5, 42).compute() != b.random_sample(0.5, 43).compute()
    assert 400 < len(half) < 600 and set(half) <= set(range(1000))
    assert b.random_sample(0).compute() == [] and b.random_sample(1).compute() == list(range(1000))
    with pytest.raises(ValueError, match="interval"):
        b.random_sample(2)


def test_items_convert_and_apply():
    total = bag(range(5), 2).sum()
    assert (int(total), float(total), complex(total), bool(total)) == (10, 10.0, 10 + 0j, True)
    assert total.apply(lambda x: x + 1).compute() == 11
    assert (total.to_delayed() + 1).compute() == 11
    assert db.Item.from_delayed(raskal.delayed(3)).apply(str).compute() == "3"
    assert total.persist().compute() == 10


def test_bags_run_in_processes_unless_told_otherwise():
    here = bag(range(4), 2).map(lambda _: os.getpid())
    assert set(here.compute()) == {os.getpid()}  # the setting of this folder's tests
    with raskal.config.set(scheduler=None):
        assert os.getpid() not in here.compute()
        assert os.getpid() not in here.persist().compute()
        assert here.max().compute() != os.getpid()
        assert set(here.compute(scheduler="threads")) == {os.getpid()}
        # Together with others, and inside a task, they run where those do.
        assert set(raskal.compute(here, raskal.delayed(1))[0]) == {os.getpid()}
        assert raskal.delayed(lambda: set(here.compute()) == {os.getpid()})().compute()


def test_the_plan_tells_which_steps_became_one_task():
    b = bag(range(4), 2).map(add, 1).filter(bool)
    assert b.explain().splitlines() == [
        "written 6 tasks in 3 layers, 4 dependencies, at most 3 in a row",
        "  0: from_sequence (2,) = 2 tasks: values",
        "  1: map-add (2,) = 2 tasks [python]: map-add",
        "       from 0, task by task",
        "  2: filter-bool (2,) = 2 tasks [python]: filter-bool",
        "       from 1, task by task",
        "runs as 4 tasks in 2 layers, 2 dependencies, at most 2 in a row",
        "  0: from_sequence (2,) = 2 tasks: values",
        "  1: filter-bool (2,) = 2 tasks [python]: map-add > filter-bool",
        "       from 0, task by task",
    ]
    assert "running" in b.accumulate(add).explain()


def test_what_is_asked_of_a_step_stays_with_it():
    with raskal.annotate(retries=2, resources={"GPU": 1}):
        b = bag(range(4), 2).map(add, 1)
    plan = b.map(add, 2).explain()
    assert plan.count("map-add (2,) = 2 tasks [python] [retries 2; 1 of GPU]: map-add\n") == 1
    assert plan.count("map-add (2,) = 2 tasks [python]: map-add\n") == 1


def test_differences_are_told():
    db.assert_eq(db.range(3, 2).sum(), 3)
    with pytest.raises(AssertionError, match=r"\[0, 1, 2\] is not \[0, 1\]"):
        db.assert_eq(db.range(3, 2), [0, 1])
