"""Slicing, chunks and shape against NumPy, with random cases."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal.array as da

few = settings(max_examples=60, deadline=None)


@st.composite
def cases(draw):
    """A NumPy array, a lazy one of the same elements in random chunks, and an index."""
    shape = tuple(draw(st.lists(st.integers(0, 6), min_size=1, max_size=3)))
    a = np.arange(int(np.prod(shape))).reshape(shape)
    chunks = tuple(tuple(draw(cut(length))) for length in shape)
    index = []
    for length in shape[: draw(st.integers(0, len(shape)))]:
        kinds = [st.slices(length) if length else st.just(slice(None)), st.just(slice(None, None, -1))]
        if length:
            kinds.append(st.integers(-length, length - 1))
        index.append(draw(st.one_of(kinds)))
    if draw(st.booleans()):
        index.insert(draw(st.integers(0, len(index))), None)
    return a, da.from_array(a, chunks=chunks), tuple(index)


@st.composite
def cut(draw, length):
    """Block lengths that sum to a length."""
    lengths = []
    left = length
    while left:
        lengths.append(draw(st.integers(1, left)))
        left -= lengths[-1]
    return lengths or [0]


@few
@given(cases())
def test_any_basic_index_gives_what_numpy_gives(case):
    a, x, index = case
    same(x[index], a[index])
    same((x + 1)[index] * 2, (a + 1)[index] * 2)
    same(x.T[::-1], a.T[::-1])


@few
@given(cases(), st.data())
def test_other_chunks_hold_the_same_elements(case, data):
    a, x, _ = case
    chunks = tuple(tuple(data.draw(cut(length))) for length in a.shape)
    y = x.rechunk(chunks)
    assert y.chunks == chunks
    same(y, a)
    same(y + x, a + a)


@few
@given(cases())
def test_a_flat_array_holds_the_elements_in_order(case):
    a, x, _ = case
    same(x.reshape(-1) if a.size else x.reshape(a.size), a.reshape(a.size))
    same(x.ravel().reshape(a.shape), a)


def test_lists_and_masks_choose_elements():
    a = np.arange(30).reshape(5, 6)
    x = da.from_array(a, chunks=(2, 4))
    same(x[[4, 0, 0, 2]], a[[4, 0, 0, 2]])
    same(x[:, np.array([5, 1])], a[:, [5, 1]])
    mask = np.array([True, False, True, True, False])
    same(x[mask], a[mask])
    same(x[..., -1], a[..., -1])
    same(x[1, [3, 2]], a[1, [3, 2]])
    same(x[[]], a[[]])
    same(da.take(x, [1, 1], axis=1), a.take([1, 1], axis=1))


def test_bad_indices_say_what_is_wrong():
    x = da.ones((3, 4), chunks=2)
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with length 3"):
        x[5]
    with pytest.raises(IndexError, match="too many indices"):
        x[0, 0, 0]
    with pytest.raises(IndexError, match="boolean index did not match indexed array along axis 0"):
        x[np.ones(4, bool)]
    with pytest.raises(IndexError, match="index -4 is out of bounds for axis 0 with size 3"):
        x[[0, -4], [0, 1]]
    with pytest.raises(NotImplementedError, match="hint: use a mask of one axis, or of all"):
        da.ones((3, 4, 2), chunks=2)[x > 0]
    with pytest.raises(IndexError, match="is no index"):
        x[1.5]


@pytest.mark.parametrize("target", [(6, 4), (24,), (2, 3, 4), (4, -1), (1, 24, 1), (8, 3)])
@pytest.mark.parametrize("chunks", [2, (3, 4), -1])
def test_reshaping(target, chunks):
    a = np.arange(24).reshape(6, 4)
    same(da.from_array(a, chunks=chunks).reshape(target), a.reshape(target))


def test_a_shape_of_another_size_is_refused_with_both():
    with pytest.raises(ValueError, match=r"cannot reshape 12 elements of shape \(3, 4\) into shape \(5, 2\)"):
        da.ones((3, 4), chunks=2).reshape(5, 2)


def test_arrays_are_joined():
    a, b = np.arange(6).reshape(2, 3), np.arange(3.0).reshape(1, 3)
    x, y = da.from_array(a, chunks=2), da.from_array(b, chunks=1)
    same(da.concatenate([x, y]), np.concatenate([a, b]))
    same(da.stack([x, x], axis=1), np.stack([a, a], axis=1))
    same(da.vstack([x, y]), np.vstack([a, b]))
    same(da.hstack([x, x]), np.hstack([a, a]))
    with pytest.raises(ValueError, match=r"cannot concatenate shapes \(2, 3\) and \(3, 2\)"):
        da.concatenate([x, x.T])


def test_axes_are_moved_stretched_and_dropped():
    a = np.arange(24).reshape(2, 1, 3, 4)
    x = da.from_array(a, chunks=2)
    same(x.squeeze(), a.squeeze())
    same(da.expand_dims(x, 0), np.expand_dims(a, 0))
    same(da.moveaxis(x, 0, -1), np.moveaxis(a, 0, -1))
    same(x.swapaxes(0, 3), a.swapaxes(0, 3))
    same(da.flip(x, 3), np.flip(a, 3))
    same(da.broadcast_to(x[0], (5, 1, 3, 4)), np.broadcast_to(a[0], (5, 1, 3, 4)))


def test_chunks_are_normalised_and_checked():
    assert da.normalize_chunks({0: 2}, shape=(4, 3)) == ((2, 2), (3,))
    assert da.ones((100, 100), chunks="20 kB").chunksize == (50, 50)
    with pytest.raises(
        ValueError, match=r"chunks \(2, 2\) sum to 4, axis length is 5\nhint: pass chunks that sum to 5"
    ):
        da.ones(5, chunks=((2, 2),))


def test_blocks_are_chosen_by_number():
    a = np.arange(20).reshape(4, 5)
    x = da.from_array(a, chunks=2)
    same(x.blocks[1, 0], a[2:, :2])
    same(x.blocks[:, [2, 0]], a[:, [4, 0, 1]])
    assert x.numblocks == (2, 3)
    assert x.npartitions == 6
