"""The largest elements, quantiles, places, counts and sets, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal.array as da

A = np.random.default_rng(3).permutation(60).reshape(6, 10).astype(float)


@pytest.fixture(params=[(2, 3), (6, 10), (4, 1)], ids=str)
def x(request):
    return da.from_array(A, chunks=request.param)


@pytest.mark.parametrize("k", [1, 3, -2, 20])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_largest_come_first(x, k, axis):
    ordered = np.sort(A, axis=axis)
    ordered = np.flip(ordered, axis) if k > 0 else ordered
    expected = ordered.take(range(min(abs(k), A.shape[axis])), axis)
    same(da.topk(x, k, axis=axis, split_every=2), expected)
    same(da.from_array(np.take_along_axis(A, x.argtopk(k, axis=axis).compute(), axis), chunks=-1), expected)


@pytest.mark.parametrize("q", [0.5, [0.1, 0.9], 1])
@pytest.mark.parametrize("axis", [0, 1, None, (0, 1)])
def test_quantiles_are_numpys(x, q, axis):
    same(da.quantile(x, q, axis=axis), np.quantile(A, q, axis=axis))
    same(da.nanquantile(x, q, axis=axis, keepdims=True), np.nanquantile(A, q, axis=axis, keepdims=True))
    hundredfold = (np.array(q) * 100).tolist()
    same(da.nanpercentile(x, hundredfold, axis=axis), np.nanpercentile(A, hundredfold, axis=axis))


def test_percentiles_and_medians(x):
    same(da.percentile(x[0], [5, 50]), np.percentile(A[0], [5, 50]))
    same(da.percentile(x[0], 30, method="lower"), np.percentile(A[0], 30, method="lower"))
    same(da.median(x, axis=1), np.median(A, axis=1))
    same(da.nanmedian(x, axis=(0, 1), keepdims=True), np.nanmedian(A, axis=(0, 1), keepdims=True))
    with pytest.raises(NotImplementedError, match="hint: pass axis="):
        da.median(x)
    weights = np.arange(1.0, 11.0)
    for own in (weights, np.broadcast_to(weights, A.shape)):
        same(
            da.quantile(x, [0.3, 0.8], axis=1, method="inverted_cdf", weights=own),
            np.quantile(A, [0.3, 0.8], axis=1, method="inverted_cdf", weights=own),
        )
    with pytest.raises(ValueError, match="q must be between 0 and 1"):
        da.quantile(x, 1.5, axis=0)


def test_places_in_sorted_arrays(x):
    edges = np.array([5.0, 20.0, 20.0, 44.0])
    for right in (False, True):
        same(da.digitize(x, edges, right=right), np.digitize(A, edges, right=right))
    a = np.sort(A.ravel())[::2]
    for side in ("left", "right"):
        same(da.searchsorted(da.from_array(a, chunks=7), x, side=side), np.searchsorted(a, A, side=side))


def test_histograms(x):
    counts, edges = da.histogram(x, bins=7, range=(0, 50))
    same(counts, np.histogram(A, bins=7, range=(0, 50))[0])
    np.testing.assert_array_equal(edges, np.histogram(A, bins=7, range=(0, 50))[1])
    for density in (False, True):
        same(
            da.histogram(x, bins=[0, 10, 11, 50], density=density)[0],
            np.histogram(A, [0, 10, 11, 50], density=density)[0],
        )
    same(da.histogram(x, 4, (0, 60), weights=A / 2)[0], np.histogram(A, 4, (0, 60), weights=A / 2)[0])
    counts, edges = da.histogram(x, bins=5, range=(x.min(), x.max()))
    same(counts, np.histogram(A, bins=5)[0])
    same(edges, np.histogram(A, bins=5)[1])
    with pytest.raises(ValueError, match="needs range="):
        da.histogram(x, bins=5)


def test_histograms_of_points():
    points = np.random.default_rng(4).random((50, 3))
    x = da.from_array(points, chunks=(12, 3))
    limits = [(0, 1)] * 3
    for density in (False, True):
        counts, edges = da.histogramdd(x, bins=(2, 3, 4), range=limits, density=density)
        expected, expected_edges = np.histogramdd(points, bins=(2, 3, 4), range=limits, density=density)
        same(counts, expected)
        for own, wanted in zip(edges, expected_edges, strict=True):
            np.testing.assert_allclose(own, wanted)
    columns = [x[:, 0], x[:, 1]]
    counts, *_ = da.histogram2d(*columns, bins=4, range=limits[:2], weights=x[:, 2])
    same(counts, np.histogram2d(points[:, 0], points[:, 1], 4, limits[:2], weights=points[:, 2])[0])
    with pytest.raises(ValueError, match="must be cut alike"):
        da.histogram2d(x[:, 0], x[:, 1].rechunk(7), bins=4, range=limits[:2])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(1, 8))
def test_values_are_counted(values, block):
    a = np.array(values)
    x = da.from_array(a, chunks=block)
    found = da.unique(x, return_index=True, return_inverse=True, return_counts=True)
    for lazy, expected in zip(
        found, np.unique(a, return_index=True, return_inverse=True, return_counts=True), strict=True
    ):
        np.testing.assert_array_equal(lazy.compute(), expected)
        assert lazy.dtype == expected.dtype
    np.testing.assert_array_equal(da.bincount(x, minlength=3).compute(), np.bincount(a, minlength=3))
    np.testing.assert_allclose(da.bincount(x, weights=x / 2, split_every=2).compute(), np.bincount(a, weights=a / 2))
    same(da.isin(x, [1, 5]), np.isin(a, [1, 5]))
    same(da.isin(x, x[:2], invert=True), np.isin(a, a[:2], invert=True))
    np.testing.assert_array_equal(da.union1d(x, [9, 1]).compute(), np.union1d(a, [9, 1]))


def test_values_with_missing_ones_and_texts():
    a = np.array([2.0, np.nan, 1.0, np.nan, 2.0])
    values, counts = da.unique(da.from_array(a, chunks=2), return_counts=True)
    expected = np.unique(a, return_counts=True)
    np.testing.assert_array_equal(values.compute(), expected[0])
    np.testing.assert_array_equal(counts.compute(), expected[1])
    texts = np.array(["b", "a", "b"])
    np.testing.assert_array_equal(da.unique(da.from_array(texts, chunks=1)).compute(), ["a", "b"])


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_running_sums(x, name, axis):
    a = A / 40
    a[2, 3] = np.nan if name.startswith("nan") else 1
    lazy = da.from_array(a, chunks=x.chunks)
    same(getattr(da, name)(lazy, axis=axis), getattr(np, name)(a, axis=axis))
    same(getattr(da, name)(lazy.astype("float32"), axis=axis, dtype="float64", method="blelloch"),
         getattr(np, name)(a.astype("float32"), axis=axis, dtype="float64"))  # fmt: skip


@pytest.mark.parametrize("name", ["argmin", "argmax", "nanargmin", "nanargmax"])
@pytest.mark.parametrize("dtype", ["float64", "uint64", "int8", "complex128", "datetime64[s]"])
def test_places_of_extremes(x, name, dtype):
    a = (A % 7).astype("int64").astype(dtype)
    if dtype == "float64" and name.startswith("nan"):
        a[1, 2] = a[3, 4] = np.nan
    lazy = da.from_array(a, chunks=x.chunks)
    for axis in (None, 0, 1):
        same(getattr(da, name)(lazy, axis=axis), getattr(np, name)(a, axis=axis))


def test_rows_of_missing_values_have_no_extreme():
    a = np.full((2, 3), np.nan)
    with pytest.raises(ValueError, match="All-NaN"):
        da.nanargmax(da.from_array(a, chunks=1), axis=1).compute()
