"""Reductions against NumPy: values, types, axes, missing values."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same

import raskal.array as da

NAMES = "sum prod mean var std min max any all argmin argmax".split()


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "uint8", "uint64", "float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_reductions_give_numpys_values_and_types(name, axis, dtype):
    a = np.random.default_rng(2).integers(0, 3, (5, 7)).astype(dtype)
    x = da.from_array(a, chunks=(2, 3))
    for keepdims in (False, True):
        same(getattr(x, name)(axis=axis, keepdims=keepdims), getattr(a, name)(axis=axis, keepdims=keepdims), rtol=1e-6)


@pytest.mark.parametrize("name", ["sum", "min", "max"])
def test_objects_stay_objects(name):
    a = np.array([[1.5, 2], [3, 0.5]], dtype=object)
    x = da.from_array(a, chunks=1)
    for axis in (None, 0):
        kept = getattr(x, name)(axis=axis).persist()
        assert kept.dtype == object
        assert np.asarray(kept.compute(), float).tolist() == np.asarray(getattr(a, name)(axis=axis), float).tolist()


@pytest.mark.parametrize("name", ["nansum", "nanprod", "nanmin", "nanmax", "nanmean", "nanvar", "nanstd"])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
def test_missing_values_are_passed_over(name, axis):
    a = np.random.default_rng(3).random((6, 5))
    a[::2, 1] = np.nan
    a[3, 2:] = np.nan
    same(getattr(da, name)(da.from_array(a, chunks=2), axis=axis), getattr(np, name)(a, axis=axis), rtol=1e-12)


def test_numpys_own_functions_dispatch():
    a = np.arange(12.0).reshape(3, 4)
    x = da.from_array(a, chunks=2)
    same(np.sum(x, axis=0), a.sum(axis=0))
    same(np.mean(x), a.mean())
    same(np.concatenate([x, x]), np.concatenate([a, a]))
    same(np.add.reduce(x), np.add.reduce(a))
    square = a[:, :3] + np.eye(3)
    same(np.linalg.det(da.from_array(square, chunks=2)), np.linalg.det(square))
    with pytest.raises(NotImplementedError, match="numpy.*eig is not supported"):
        np.linalg.eig(x)


def test_complex_numbers_are_reduced_by_numpy():
    a = np.arange(6).reshape(2, 3) * (1 + 2j)
    x = da.from_array(a, chunks=2)
    same(x.sum(axis=1), a.sum(axis=1))
    same(x.mean(), a.mean())
    same(x.var(), a.var())


def test_a_sum_is_as_exact_as_numpys():
    a = np.full(1_000_000, 0.1)
    error = abs(float(da.from_array(a, chunks=100_000).sum().compute()) - 100_000.0)
    assert error <= abs(float(a.sum()) - 100_000.0) + 1e-10
    small = np.full(1_000_000, 0.1, "float32")
    assert da.from_array(small, chunks=100_000).mean().compute() == pytest.approx(np.float32(0.1), rel=1e-7)


def test_nothing_has_a_sum_but_no_minimum():
    x = da.ones((0, 3), chunks=2)
    same(x.sum(axis=0), np.zeros(3))
    with pytest.raises(ValueError, match="no elements and no identity"):
        x.min()


def test_split_every_decides_how_many_blocks_are_merged():
    x = da.ones(16, chunks=1)
    assert x.sum(split_every=2).explain().count("native merge") == 4
    same(x.sum(split_every=2), np.ones(16).sum())


@pytest.mark.parametrize("axis", [0, 1, None])
def test_running_sums(axis):
    a = np.arange(12).reshape(3, 4)
    same(da.from_array(a, chunks=2).cumsum(axis=axis), a.cumsum(axis=axis))


def test_an_axis_that_does_not_exist_is_refused():
    with pytest.raises(np.exceptions.AxisError):
        da.ones((2, 2), chunks=1).sum(axis=2)
