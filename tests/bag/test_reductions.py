"""Reductions, groups and random draws against plain Python."""

from __future__ import annotations

import collections
import functools
import itertools
import os
import statistics
from operator import add

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal
import raskal.bag as db
from raskal.bag import grouping, hashing, random, spill

items = st.lists(st.integers(-50, 50), min_size=1, max_size=40)
counts = st.integers(1, 12)
splits = st.sampled_from([None, 2, 3, False])


def bag(values, npartitions):
    return db.from_sequence(values, npartitions=npartitions)


@given(items, counts, splits)
def test_statistics_are_those_of_python(values, npartitions, split):
    # Some partitions are empty.
    b = bag(values, npartitions).filter(lambda x: x > -40)
    values = [x for x in values if x > -40]
    assert b.count(split_every=split).compute() == len(values)
    assert b.sum(split_every=split).compute() == sum(values)
    assert b.any(split_every=split).compute() == any(values)
    assert b.all(split_every=split).compute() == all(values)
    if values:
        assert b.min(split_every=split).compute() == min(values)
        assert b.max(split_every=split).compute() == max(values)
        assert b.mean().compute() == pytest.approx(statistics.fmean(values))
        assert b.var().compute() == pytest.approx(statistics.pvariance(values))
    if len(values) > 1:
        assert b.std(ddof=1).compute() == pytest.approx(statistics.stdev(values))


def test_variances_of_large_numbers_are_exact():
    """The difference of two large sums of squares would be zero, or negative."""
    values = [1e9 + x for x in (4, 7, 13, 16)]
    assert bag(values, 2).var(ddof=1).compute() == pytest.approx(30)


def test_what_has_no_answer_raises():
    empty = bag([1], 3).filter(lambda x: False)
    assert empty.sum().compute() == 0 and empty.count().compute() == 0
    for broken, what in (
        (empty.max(), "max"),
        (empty.mean(), "mean of an empty bag"),
        (empty.var(), "variance of 0 items"),
    ):
        with pytest.raises(ValueError, match=what):
            broken.compute()
    with pytest.raises(ValueError, match="split_every must be at least 2 or False, got 1"):
        bag(range(4), 4).sum(split_every=1)


@given(items, counts, splits)
def test_folds_are_those_of_functools(values, npartitions, split):
    b = bag(values, npartitions)
    assert b.fold(add, split_every=split).compute() == functools.reduce(add, values)
    assert b.fold(lambda s, x: s | {x}, set.union, initial=set(), split_every=split).compute() == set(values)
    folded = dict(b.foldby(lambda x: x % 3, add, 0, add, 0, split_every=split).compute())
    assert folded == {key: sum(x for x in values if x % 3 == key) for key in {x % 3 for x in values}}
    firsts = dict(b.foldby(lambda x: x % 3, min).compute())
    assert firsts == {key: min(x for x in values if x % 3 == key) for key in {x % 3 for x in values}}


@given(items, counts)
def test_frequencies_distinct_and_largest_are_those_of_python(values, npartitions):
    b = bag(values, npartitions)
    assert dict(b.frequencies().compute()) == collections.Counter(values)
    ordered = [count for _, count in b.frequencies(sort=True).compute()]
    assert ordered == sorted(ordered, reverse=True)
    assert b.distinct().compute() == list(dict.fromkeys(values))
    assert len(b.distinct(key=lambda x: x % 2).compute()) == len({x % 2 for x in values})
    assert b.topk(3).compute() == sorted(values, reverse=True)[:3]
    assert b.topk(2, key=lambda x: -x).compute() == sorted(values)[:2]
    assert b.map(lambda x: (x, -x)).topk(1, key=1).pluck(0).compute() == [min(values)]


def test_a_persisted_count_is_not_changed_by_a_merge():
    """Merging counts in place would change the value of the first partition, which others may hold."""
    parts = bag("aab", 3).map_partitions(collections.Counter).map_partitions(dict).persist()
    merged = parts.reduction(dict, lambda found: found[0])
    assert parts.compute() == parts.compute()
    assert merged.compute() == {"a": 1}


def test_reductions_can_end_in_bags():
    b = bag(range(6), 3)
    assert b.reduction(sum, lambda sums: sums, out_type=db.Bag).compute() == [1, 5, 9]
    assert b.fold(lambda acc, x: [*acc, x], add, initial=[], out_type=db.Bag).compute() == [0, 1, 2, 3, 4, 5]


# ---- groups

keys = st.one_of(st.integers(-3, 3), st.sampled_from(["a", "b", None, 1.0, True, (1, "a"), frozenset("ab"), b"x"]))


@settings(max_examples=40)
@given(st.lists(keys, max_size=30), counts, st.integers(1, 5), st.sampled_from(["disk", "tasks"]))
def test_groups_hold_all_items_of_a_key_in_order(values, npartitions, wanted, shuffle):
    numbered = list(enumerate(values))
    expected: dict = {}
    for number, key in numbered:
        expected.setdefault(key, []).append((number, key))
    groups = bag(numbered, npartitions).groupby(1, npartitions=wanted, shuffle=shuffle)
    assert groups.npartitions == wanted
    computed = groups.compute()
    assert len(computed) == len(expected) and dict(computed) == expected


def test_a_partition_larger_than_memory_is_written_in_pieces(monkeypatch):
    monkeypatch.setattr(grouping, "_ITEMS", 10)
    groups = db.range(105, 2).groupby(lambda x: x % 7, shuffle="disk").compute()
    assert dict(groups) == {key: list(range(key, 105, 7)) for key in range(7)}


def test_temporary_files_are_where_they_are_told_to_be_and_are_removed(tmp_path):
    seen = []

    def look(pair):
        seen.extend(os.listdir(tmp_path))
        return pair

    with raskal.config.set({"temporary-directory": str(tmp_path)}):
        b = db.range(20, 3)
        groups = b.groupby(lambda x: x % 3, shuffle="disk").map(look)
        assert groups.count().compute(scheduler="sync") == 3
        assert seen and os.listdir(tmp_path) == []
        with pytest.raises(ZeroDivisionError):
            b.groupby(lambda x: 1 // (x - 19), shuffle="disk").compute(scheduler="sync")
        assert os.listdir(tmp_path) == []


def test_a_changed_temporary_file_is_found_out(tmp_path):
    with raskal.config.set({"temporary-directory": str(tmp_path)}):
        folder = spill.Folder()
    with spill.Writer(folder.path, 0, 2) as writer:
        writer.write([{"a": [1]}, {}])
    assert list(spill.read(writer.index, 0)) == [{"a": [1]}] and list(spill.read(writer.index, 1)) == []
    path = writer.index[0]
    with open(path, "r+b") as file:
        file.write(b"\0")
    with pytest.raises(OSError, match="was changed: bytes 0 to"):
        list(spill.read(writer.index, 0))


def test_equal_keys_go_to_one_partition_in_every_process():
    import datetime
    import subprocess
    import sys

    made = "['a', 'b', None, 1, 2.5, ('x', 1), b'y', frozenset('ab'), datetime.date(2020, 1, 2), True, -1]"
    code = f"import datetime; from raskal.bag import hashing; print(hashing.places({made}, 64))"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
    here, marks = hashing.places([1, 1.0, True, datetime.datetime(2020, 1, 2), datetime.date(2020, 1, 2)], 64)
    assert here[0] == here[1] == here[2] and not marks


def test_keys_that_processes_hash_differently_are_refused_not_lost():
    class Odd:
        def __hash__(self):
            return hash("odd")

    _, marks = hashing.places([Odd()], 4)
    hashing.check([marks, marks])
    (mark,) = marks
    with pytest.raises(TypeError, match=r"the hash of a key is drawn anew by each process \(Odd\)"):
        hashing.check([marks, frozenset([mark + "0"])])


def test_wrong_choices_are_refused_at_once():
    b = db.range(4, 2)
    with pytest.raises(ValueError, match="unknown shuffle 'p2p'"):
        b.groupby(abs, shuffle="p2p")
    with pytest.raises(ValueError, match="npartitions must be at least 1, got 0"):
        b.groupby(abs, npartitions=0)
    with pytest.raises(TypeError, match="unhashable"):
        b.groupby(lambda x: [x]).compute()


# ---- random draws


@given(items, counts, st.data())
def test_samples_are_of_the_bag_and_without_repetition(values, npartitions, data):
    numbered = bag(list(enumerate(values)), npartitions)
    k = data.draw(st.integers(0, len(values)))
    drawn = random.sample(numbered, k).compute()
    assert len(drawn) == len(set(drawn)) == k
    assert set(drawn) <= set(enumerate(values))
    assert len(random.choices(numbered, k).compute()) == k


def test_draws_have_the_same_chance_everywhere():
    """Ten items in unequal partitions; each is expected 1000 times, and 5 standard deviations are 150."""
    b = db.from_delayed([raskal.delayed(list)(range(7)), raskal.delayed(list)([7]), raskal.delayed(list)([8, 9])])
    often = collections.Counter(random.choices(b, k=10_000, split_every=2).compute())
    assert set(often) == set(range(10)) and all(850 < count < 1150 for count in often.values())
    samples = raskal.compute(*(random.sample(b, 5) for _ in range(500)))
    often = collections.Counter(itertools.chain.from_iterable(samples))
    # 250 expected, standard deviation 11.
    assert all(190 < count < 310 for count in often.values())


def test_too_large_draws_are_refused():
    with pytest.raises(ValueError, match="Sample larger than population: 4 items were asked for and there are 3"):
        random.sample(db.range(3, 2), 4).compute()
    with pytest.raises(ValueError, match="empty bag"):
        random.choices(db.range(0, 2), 1).compute()
    with pytest.raises(ValueError, match="k must be at least 0"):
        random.sample(db.range(3, 2), -1)
