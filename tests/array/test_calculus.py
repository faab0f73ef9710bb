"""Differences, gradients, averages, covariances, choices, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same

import raskal.array as da

A = np.random.default_rng(6).random((5, 8))
CHUNKS = [(2, 3), (5, 8), (3, 4)]


@pytest.fixture(params=CHUNKS, ids=str)
def x(request):
    return da.from_array(A, chunks=request.param)


def test_differences(x):
    for n in (0, 1, 2):
        for axis in (0, -1):
            same(da.diff(x, n, axis), np.diff(A, n, axis))
    same(da.diff(x, prepend=0, append=A[:, :2]), np.diff(A, prepend=0, append=A[:, :2]))
    same(da.diff(x > 0.5), np.diff(A > 0.5))
    same(da.ediff1d(x, to_begin=[1, 2], to_end=3), np.ediff1d(A, to_begin=[1, 2], to_end=3))


def test_gradients(x):
    x = x.rechunk((5, 4))
    for lazy, expected in zip(da.gradient(x), np.gradient(A), strict=True):
        same(lazy, expected)
    same(da.gradient(x, 2.0, axis=1), np.gradient(A, 2.0, axis=1))
    same(
        da.gradient(x, np.arange(8) ** 2, axis=1, edge_order=2), np.gradient(A, np.arange(8) ** 2, axis=1, edge_order=2)
    )
    same(da.gradient(da.arange(6, chunks=3)), np.gradient(np.arange(6)))
    with pytest.raises(ValueError, match="too short for edge_order"):
        da.gradient(x.rechunk(1))


def test_averages_and_covariances(x):
    weights = np.arange(1, 9)
    same(da.average(x, axis=1, weights=weights), np.average(A, axis=1, weights=weights))
    same(da.average(x), np.average(A))
    for lazy, expected in zip(da.average(x, axis=0, returned=True), np.average(A, axis=0, returned=True), strict=True):
        same(lazy, expected)
    for options in ({}, {"rowvar": False}, {"bias": True}, {"ddof": 2}):
        same(da.cov(x, **options), np.cov(A, **options))
    same(da.cov(x, A[::-1]), np.cov(A, A[::-1]))
    same(da.corrcoef(x), np.corrcoef(A))
    same(da.corrcoef(x[0], x[1]), np.corrcoef(A[0], A[1]))


def test_boxes_are_reduced(x):
    same(da.coarsen(np.mean, x, {1: 4}), A.reshape(5, 2, 4).mean(axis=2))
    same(da.coarsen(np.sum, x, {0: 2, 1: 3}, trim_excess=True), A[:4, :6].reshape(2, 2, 2, 3).sum(axis=(1, 3)))
    same(da.coarsen(da.max, x, {1: 2}), A.reshape(5, 4, 2).max(axis=2))
    with pytest.raises(ValueError, match="hint: pass trim_excess=True"):
        da.coarsen(np.sum, x, {0: 2})


def test_moments(x):
    for order in range(5):
        expected = ((A - A.mean(axis=1, keepdims=True)) ** order).mean(axis=1)
        same(da.moment(x, order, axis=1), expected)
    same(da.ptp(x, axis=0), np.ptp(A, axis=0))
    same(da.count_nonzero(x > 0.5, axis=1), np.count_nonzero(A > 0.5, axis=1))


def test_elements_are_chosen_from_several_arrays(x):
    index = (A * 3).astype(int)
    same(da.choose(da.from_array(index, chunks=2), [x, x * 2, 7]), np.choose(index, [A, A * 2, 7]))
    conditions = [x > 0.8, x > 0.4]
    same(da.select(conditions, [x, -x], default=5), np.select([A > 0.8, A > 0.4], [A, -A], default=5))
    same(
        da.piecewise(x, [x > 0.8, x < 0.1], [0, lambda v: v + 1, lambda v: v * 2]),
        np.piecewise(A, [A > 0.8, A < 0.1], [0, lambda v: v + 1, lambda v: v * 2]),
    )
    for lazy, expected in zip(
        da.unravel_index(da.arange(6, chunks=4), (2, 3)), np.unravel_index(np.arange(6), (2, 3)), strict=True
    ):
        same(lazy, expected)
    points = np.array([[0, 1, 1], [2, 0, 1]])
    same(da.ravel_multi_index(da.from_array(points, chunks=2), (2, 3)), np.ravel_multi_index(points, (2, 3)))
    assert da.result_type(x, np.float32) == np.float64


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("n", [None, 6, 11])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_transforms_along_an_axis(name, n, dtype):
    a = A.astype(dtype)
    x = da.from_array(a, chunks=(2, 8))
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {}
    for norm in (None, "ortho"):
        same(getattr(da.fft, name)(x, n, norm=norm), getattr(np.fft, name)(a, n, norm=norm), **tolerance)
    with pytest.raises(ValueError, match="hint: x.rechunk"):
        getattr(da.fft, name)(x.rechunk(3))


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"])
def test_transforms_along_axes(name):
    a = np.random.default_rng(0).random((3, 4, 6))
    x = da.from_array(a, chunks=(2, 4, 6))
    same(getattr(da.fft, name)(x, axes=(1, 2)), getattr(np.fft, name)(a, axes=(1, 2)))
    same(getattr(da.fft, name)(x, s=(3, 8), axes=(1, 2)), getattr(np.fft, name)(a, s=(3, 8), axes=(1, 2)))
    with pytest.raises(ValueError, match="twice"):
        getattr(da.fft, name)(x, axes=(1, 1))


def test_frequencies_and_shifts(x):
    for n in (7, 8):
        same(da.fft.fftfreq(n, 0.5, chunks=3), np.fft.fftfreq(n, 0.5))
        same(da.fft.rfftfreq(n, 0.5, chunks=3), np.fft.rfftfreq(n, 0.5))
    same(da.fft.fftshift(x), np.fft.fftshift(A))
    same(da.fft.ifftshift(x, axes=1), np.fft.ifftshift(A, axes=1))
