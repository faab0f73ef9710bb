"""Elements repeated, padded, rolled, joined, laid on diagonals, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal.array as da

A = np.arange(24).reshape(4, 6)
CHUNKS = [(2, 3), (4, 6), (1, 4), (3, 1)]


@pytest.fixture(params=CHUNKS, ids=str)
def x(request):
    return da.from_array(A, chunks=request.param)


def test_elements_are_repeated_and_tiled(x):
    same(da.repeat(x, 3, axis=1), np.repeat(A, 3, axis=1))
    same(da.repeat(x, 2), np.repeat(A, 2))
    same(x.repeat([0, 2, 1, 0], axis=0), np.repeat(A, [0, 2, 1, 0], axis=0))
    for reps in (2, (2, 1), (1, 3), (2, 1, 2), 0):
        same(da.tile(x, reps), np.tile(A, reps))


def test_elements_are_rolled_turned_and_flipped(x):
    for shift, axis in [(1, 0), (-2, 1), (7, 1), (3, None), ((1, 2), (0, 1)), (2, (0, 1)), (0, 0)]:
        same(da.roll(x, shift, axis), np.roll(A, shift, axis))
    for k in range(-1, 5):
        same(da.rot90(x, k), np.rot90(A, k))
    same(da.flipud(x), np.flipud(A))
    same(da.fliplr(x), np.fliplr(A))
    same(da.rollaxis(x, 1), np.rollaxis(A, 1))


def test_elements_are_inserted_and_deleted(x):
    same(da.insert(x, 2, -1, axis=0), np.insert(A, 2, -1, axis=0))
    same(da.insert(x, [0, 3, 3], -1, axis=1), np.insert(A, [0, 3, 3], -1, axis=1))
    same(da.insert(x, [1, 2], [[7], [8], [9], [10]], axis=1), np.insert(A, [1, 2], [[7], [8], [9], [10]], axis=1))
    same(da.insert(x, 1, [1, 2, 3, 4], axis=1), np.insert(A, 1, [1, 2, 3, 4], axis=1))
    same(da.delete(x, [0, -1], axis=1), np.delete(A, [0, -1], axis=1))
    same(da.delete(x, slice(1, 3), axis=0), np.delete(A, slice(1, 3), axis=0))
    same(da.delete(x, 5), np.delete(A, 5))
    same(da.append(x, A[:1], axis=0), np.append(A, A[:1], axis=0))
    same(da.append(x, [1, 2]), np.append(A, [1, 2]))


@pytest.mark.parametrize(
    "mode", ["constant", "edge", "wrap", "reflect", "symmetric", "linear_ramp", "mean", "minimum", "maximum"]
)
@pytest.mark.parametrize("width", [1, (0, 2), ((3, 1), (0, 7))])
def test_arrays_are_padded(x, mode, width):
    same(da.pad(x, width, mode), np.pad(A, width, mode))


def test_arrays_are_padded_by_values_and_functions(x):
    same(da.pad(x, 2, constant_values=((1, 2), (3, 4))), np.pad(A, 2, constant_values=((1, 2), (3, 4))))
    same(da.pad(x, (1, 2), "reflect", reflect_type="odd"), np.pad(A, (1, 2), "reflect", reflect_type="odd"))
    same(da.pad(x, 1, "maximum", stat_length=2), np.pad(A, 1, "maximum", stat_length=2))

    def fill(vector, widths, axis, kwargs):
        vector[: widths[0]] = kwargs["value"]
        vector[len(vector) - widths[1] :] = axis

    same(da.pad(x, (1, 2), fill, value=9), np.pad(A, (1, 2), fill, value=9))
    with pytest.raises(ValueError, match="is not supported"):
        da.pad(x, 1, "nonsense")


def test_arrays_are_joined_in_every_way(x):
    b = A * 1.5
    y = da.from_array(b, chunks=2)
    same(da.block([[x, y], [y, x]]), np.block([[A, b], [b, A]]))
    same(da.block([x[0], 1]), np.block([A[0], 1]))
    same(da.dstack([x, y]), np.dstack([A, b]))
    same(da.vstack([x[0], y]), np.vstack([A[0], b]))
    same(da.hstack([x[:, 0], y[:, 1]]), np.hstack([A[:, 0], b[:, 1]]))
    same(da.atleast_3d(x[0]), np.atleast_3d(A[0]))
    same(da.atleast_2d(5), np.atleast_2d(5))
    for lazy, expected in zip(da.broadcast_arrays(x, y[0]), np.broadcast_arrays(A, b[0]), strict=True):
        same(lazy, expected)
    with pytest.raises(TypeError, match="is a tuple"):
        da.block((x, y))
    with pytest.raises(ValueError, match="mismatched"):
        da.block([x, [y]])


@pytest.mark.parametrize("k", [-5, -1, 0, 2, 7])
def test_diagonals_and_triangles(x, k):
    same(da.tril(x, k), np.tril(A, k))
    same(da.triu(x, k), np.triu(A, k))
    same(da.diagonal(x, k), np.diagonal(A, k))
    same(da.diag(x, k), np.diag(A, k))
    same(da.diag(x[0], k), np.diag(A[0], k))
    same(da.tri(4, 6, k, chunks=3), np.tri(4, 6, k))
    same(x.trace(k), A.trace(k))
    for lazy, expected in zip(da.tril_indices(4, k, 6, chunks=2), np.tril_indices(4, k, 6), strict=True):
        np.testing.assert_array_equal(lazy.compute(), expected)
    for lazy, expected in zip(da.triu_indices_from(x, k), np.triu_indices_from(A, k), strict=True):
        np.testing.assert_array_equal(lazy.compute(), expected)


def test_diagonals_of_other_axes():
    a = np.arange(60).reshape(3, 4, 5)
    x = da.from_array(a, chunks=2)
    same(da.diagonal(x, 1, 0, 2), np.diagonal(a, 1, 0, 2))
    same(da.trace(x, axis1=2, axis2=1), np.trace(a, axis1=2, axis2=1))
    same(da.triu(x), np.triu(a))


def test_grids_of_indices():
    same(da.indices((3, 4), chunks=2), np.indices((3, 4)))
    for sparse in (False, True):
        for order in ("xy", "ij"):
            found = da.meshgrid(da.arange(3, chunks=2), np.arange(4.0), [5], sparse=sparse, indexing=order)
            expected = np.meshgrid(np.arange(3), np.arange(4.0), [5], sparse=sparse, indexing=order)
            for lazy, own in zip(found, expected, strict=True):
                same(lazy, own)


def test_groups_stay_together_when_elements_are_shuffled():
    x = da.from_array(A, chunks=(4, 2))
    result = x.shuffle([[5, 0], [1], [2, 3, 4]], axis=1)
    same(result, A[:, [5, 0, 1, 2, 3, 4]])
    assert result.chunks[1] == (2, 1, 3)
    with pytest.raises(IndexError, match="index 6 is out of bounds"):
        x.shuffle([[6]], axis=1)


def test_bytes_are_read_as_another_type(x):
    same(x.view("i8"), A.view("i8"))
    same(x.view("i4"), A.view("i4"))
    same(x.view("u8"), A.view("u8"))


def test_blocks_are_reshaped_by_themselves():
    x = da.from_array(A, chunks=(2, 3))
    flat = da.reshape_blockwise(x, 24)
    same(flat, np.concatenate([A[i : i + 2, j : j + 3].ravel() for i in (0, 2) for j in (0, 3)]))
    same(da.reshape_blockwise(flat, (4, 6), chunks=x.chunks), A)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 5), st.data())
def test_any_elements_are_taken_in_any_order(values, block, data):
    a = np.array(values)
    indices = data.draw(st.lists(st.integers(-len(values), len(values) - 1), max_size=20))
    same(da.take(da.from_array(a, chunks=block), np.array(indices, int)), a[np.array(indices, int)])
