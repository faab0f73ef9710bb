"""Indexing by arrays, concrete and lazy, and assignment, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal.array as da


@st.composite
def array_and_chunks(draw, max_dims=3):
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=max_dims)))
    chunks = tuple(draw(st.integers(1, length)) for length in shape)
    return np.arange(np.prod(shape)).reshape(shape), chunks


@st.composite
def basic_entry(draw, length):
    kind = draw(st.sampled_from(["int", "slice", "slice", "list"]))
    if kind == "int":
        return draw(st.integers(-length, length - 1))
    if kind == "list":
        return draw(st.lists(st.integers(-length, length - 1), max_size=6))
    bound = st.one_of(st.none(), st.integers(-length - 2, length + 2))
    return slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -3])))


@st.composite
def index_of(draw, shape):
    entries = [draw(basic_entry(length)) for length in shape[: draw(st.integers(0, len(shape)))]]
    lists = [place for place, entry in enumerate(entries) if isinstance(entry, list)]
    # Lists are broadcast against each other: give them one length.
    count = min((len(entries[place]) for place in lists), default=0)
    for place in lists:
        entries[place] = np.array(entries[place][:count], int)
    if draw(st.booleans()):
        entries.insert(draw(st.integers(0, len(entries))), None)
    return tuple(entries)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_index_chooses_what_numpy_chooses(data):
    a, chunks = data.draw(array_and_chunks())
    key = data.draw(index_of(a.shape))
    same(da.from_array(a, chunks=chunks)[key], a[key])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_assignment_changes_what_numpy_changes(data):
    a, chunks = data.draw(array_and_chunks())
    key = tuple(entry for entry in data.draw(index_of(a.shape)) if entry is not None)
    expected = a.copy()
    chosen = expected[key]
    value = data.draw(st.sampled_from(["scalar", "array", "lazy"]))
    values = -1 - np.arange(chosen.size).reshape(chosen.shape)
    x = da.from_array(a, chunks=chunks)
    keep = x + 0
    # The last of equal places wins in both, but only one list of distinct places has a defined order in NumPy.
    if any(isinstance(entry, np.ndarray) for entry in key):
        values = values * 0 - 5
    new = -7 if value == "scalar" else values
    x[key] = da.from_array(values, chunks=2) if value == "lazy" and values.ndim else new
    expected[key] = new
    same(x, expected)
    same(keep, a)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_points_are_looked_up_one_by_one(data):
    a, chunks = data.draw(array_and_chunks())
    count = data.draw(st.integers(0, 8))
    indices = [
        np.array(data.draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count)), int) for n in a.shape
    ]
    x = da.from_array(a, chunks=chunks)
    same(x.vindex[tuple(indices)], a[tuple(indices)])
    same(x[tuple(indices)], a[tuple(indices)])


def test_points_of_some_axes_come_first():
    a = np.arange(60).reshape(3, 4, 5)
    x = da.from_array(a, chunks=2)
    same(x.vindex[[0, 2, 1], :, [4, 0, 0]], a[[0, 2, 1], :, [4, 0, 0]])
    same(x.vindex[[[0, 1]], [[2], [3]]], a[[[0, 1]], [[2], [3]]])
    same(x[[[0, 1], [2, 0]]], a[[[0, 1], [2, 0]]])
    same(x[:, [[0, 1], [2, 0]], 1], a[:, [[0, 1], [2, 0]], 1])
    same(x[0, :, [1, 2]], a[0, :, [1, 2]])
    same(x[[1, 0], 2, :], a[[1, 0], 2, :])
    with pytest.raises(IndexError, match="shape mismatch"):
        x.vindex[[0, 1], [0, 1, 2]]
    with pytest.raises(IndexError, match="whole slices only"):
        x.vindex[[0, 1], 1:]


def test_masks_of_numpy_give_known_lengths():
    a = np.arange(24).reshape(4, 6)
    x = da.from_array(a, chunks=(2, 4))
    same(x[a % 3 == 0], a[a % 3 == 0])
    same(x[np.array([True, False, True, True])], a[[True, False, True, True]])
    same(x[:, a[0] > 2], a[:, a[0] > 2])


def test_lazy_masks_give_unknown_lengths():
    a = np.arange(24).reshape(4, 6)
    x = da.from_array(a, chunks=(2, 4))
    chosen = x[x % 3 == 0]
    assert np.isnan(chosen.shape[0])
    assert chosen.dtype == a.dtype
    np.testing.assert_array_equal(chosen.compute(), a[a % 3 == 0])
    np.testing.assert_array_equal((chosen * 2 + 1).compute(), a[a % 3 == 0] * 2 + 1)
    rows = x[x[:, 0] > 5]
    assert rows.chunks[1] == (4, 2)
    np.testing.assert_array_equal(rows.compute(), a[a[:, 0] > 5])
    np.testing.assert_array_equal(rows[:, ::2].compute(), a[a[:, 0] > 5][:, ::2])
    np.testing.assert_array_equal(rows[:, [3, 1]].T.compute(), a[a[:, 0] > 5][:, [3, 1]].T)
    np.testing.assert_array_equal(rows.sum(axis=0).compute(), a[a[:, 0] > 5].sum(axis=0))
    assert chosen.mean().compute() == a[a % 3 == 0].mean()
    assert chosen.std().compute() == pytest.approx(a[a % 3 == 0].std())
    assert chosen.max().compute() == a[a % 3 == 0].max()
    np.testing.assert_array_equal(da.full_like(chosen, 7).compute(), np.full(8, 7))
    same(chosen.compute_chunk_sizes(), a[a % 3 == 0])
    assert chosen.shape == (8,)
    assert "lengths" in x[x > 100].explain() or "length" in x[x > 100].explain()


def test_blocks_that_turn_out_empty_are_no_obstacle():
    a = np.arange(12)
    x = da.from_array(a, chunks=3)
    late = x[x > 7]
    assert late.max().compute() == 11
    assert late.min().compute() == 8
    assert late.sum().compute() == a[a > 7].sum()
    assert len(x[x > 100].compute()) == 0
    with pytest.raises(ValueError, match="no elements at all"):
        x[x > 100].max().compute()


def test_unknown_lengths_that_differ_are_found_out_and_never_stretched():
    x = da.arange(6, chunks=3)
    one, many = x[x % 3 == 0], x[x >= 0]
    with pytest.raises(ValueError, match="their lengths, unknown before, differ"):
        (one + many).compute()
    with pytest.raises(ValueError, match="hint: call compute_chunk_sizes"):
        one + da.arange(6, chunks=3)
    with pytest.raises(ValueError, match="hint: call compute_chunk_sizes"):
        len(one)
    with pytest.raises(ValueError, match="hint: call compute_chunk_sizes"):
        one[1:3]
    with pytest.raises(ValueError, match="hint: call compute_chunk_sizes"):
        one.rechunk(2)


def test_arrays_of_unknown_length_are_joined_and_kept():
    a = np.arange(10)
    x = da.from_array(a, chunks=4)
    odd, even = x[x % 2 == 1], x[x % 2 == 0]
    np.testing.assert_array_equal(da.concatenate([odd, even, x]).compute(), np.concatenate([a[1::2], a[::2], a]))
    kept = odd.persist()
    np.testing.assert_array_equal((kept - 1).compute(), a[1::2] - 1)
    with pytest.raises(ValueError, match="allow_unknown_chunksizes=True"):
        da.stack([odd, even])
    np.testing.assert_array_equal(
        da.stack([odd, even], allow_unknown_chunksizes=True).compute(), np.stack([a[1::2], a[::2]])
    )


def test_lazy_indices_and_places():
    a = np.array([[0, 3, 0], [5, 0, 7]])
    x = da.from_array(a, chunks=(1, 2))
    same(x[:, da.from_array(np.array([2, 0, -1]), chunks=2)], a[:, [2, 0, -1]])
    same(x[da.argmax(x[:, 0])], a[1])
    for found, expected in zip(da.nonzero(x), np.nonzero(a), strict=True):
        np.testing.assert_array_equal(found.compute(), expected)
    np.testing.assert_array_equal(da.argwhere(x).compute(), np.argwhere(a))
    np.testing.assert_array_equal(da.flatnonzero(x).compute(), np.flatnonzero(a))
    for found, expected in zip(da.where(x > 2), np.where(a > 2), strict=True):
        np.testing.assert_array_equal(found.compute(), expected)
    with pytest.raises(IndexError, match="out of bounds"):
        x[:, da.from_array(np.array([3]), chunks=1)].compute()
    same(da.compress([True, False, True], x, axis=1), a[:, [0, 2]])
    np.testing.assert_array_equal(da.extract(x > 2, x).compute(), a[a > 2])


def test_assignment_at_masks_and_of_lists():
    a = np.arange(24).reshape(4, 6)
    x, expected = da.from_array(a, chunks=(3, 2)), a.copy()
    x[x > 10] = 0
    expected[expected > 10] = 0
    same(x, expected)
    x[expected == 3] = 9
    expected[expected == 3] = 9
    x[[3, 1], 2:4] = [[1, 2], [3, 4]]
    expected[[3, 1], 2:4] = [[1, 2], [3, 4]]
    x[[0, 1], [5, 4]] = [70, 80]
    expected[[0, 1], [5, 4]] = [70, 80]
    x[::-2, 0] = da.array([5, 6])
    expected[::-2, 0] = [5, 6]
    same(x, expected)
    with pytest.raises(ValueError, match="could not broadcast"):
        x[:2] = np.ones(5)
    with pytest.raises(ValueError, match="how many it selects is not known"):
        x[x > 3] = np.arange(4)


def test_a_result_can_be_changed_without_changing_the_array():
    a = np.arange(4.0)
    x = da.from_array(a, chunks=4)
    x.compute()[0] = 9
    kept = (x + 1).persist()
    kept.compute()[0] = 9
    assert a[0] == 0
    assert kept[0].compute() == 1


def test_records_and_their_fields():
    a = np.array([(1, 2.5, [1, 2]), (3, 4.5, [3, 4])], dtype=[("a", "i4"), ("b", "f8"), ("c", "i2", (2,))])
    x = da.from_array(a, chunks=1)
    assert x.dtype == a.dtype
    same(x["a"] + 1, a["a"] + 1)
    same(x["c"], a["c"])
    np.testing.assert_array_equal(x[["a", "b"]].compute(), a[["a", "b"]])
    np.testing.assert_array_equal(x[::-1].compute(), a[::-1])
