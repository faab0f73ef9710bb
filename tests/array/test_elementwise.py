"""Elementwise functions against NumPy: values and types."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers import same

import raskal.array as da

TYPES = ["bool", "int8", "int32", "int64", "uint8", "uint64", "float32", "float64", "complex128"]


def sample(dtype, shape=(4, 6)):
    values = np.random.default_rng(1).integers(1, 5, shape)
    return (values / 2 if np.dtype(dtype).kind in "fc" else values % 2 if dtype == "bool" else values).astype(dtype)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("left", TYPES)
@pytest.mark.parametrize("right", TYPES)
@pytest.mark.parametrize("name", ["add", "multiply", "true_divide", "less", "maximum"])
def test_types_of_two_operands_promote_as_in_numpy(name, left, right):
    a, b = sample(left), sample(right, (6,))
    function = getattr(np, name)
    same(function(da.from_array(a, chunks=(2, 3)), da.from_array(b, chunks=2)), function(a, b), rtol=1e-6)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("number", [2, 2.5, True])
def test_python_numbers_adapt_to_the_array(dtype, number):
    a = sample(dtype)
    x = da.from_array(a, chunks=(2, 3))
    same(x + number, a + number, rtol=1e-6)
    same(number * x, number * a, rtol=1e-6)
    same(x == number, a == number)


UNARY = (
    "exp log sqrt sin cos tanh floor ceil rint sign square negative absolute isnan isfinite log1p expm1 "
    "reciprocal arctan cbrt"
).split()


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_operand_give_numpys_values_and_types(name, dtype):
    a = sample(dtype)
    function = getattr(np, name)
    tolerance = 2e-3 if function(a).dtype == np.float16 else 3e-6
    same(function(da.from_array(a, chunks=3)), function(a), rtol=tolerance)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("name", ["floor_divide", "remainder"])
def test_division_rounds_and_treats_zero_as_numpy(name, dtype):
    a = np.array([7, -7, 7, -7, 0, 5, -5, 0], dtype)
    b = np.array([2, 2, -2, -2, 3, 0, 0, 0], dtype)
    function = getattr(np, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = function(a, b)
    same(function(da.from_array(a, chunks=3), da.from_array(b, chunks=4)), expected)


def test_missing_values_pass_through_as_in_numpy():
    a = np.array([1.0, np.nan, -np.inf, 3.0])
    b = np.array([np.nan, 2.0, 1.0, 1.0])
    x, y = da.from_array(a, chunks=2), da.from_array(b, chunks=3)
    for name in ("maximum", "minimum", "fmax", "fmin", "less", "equal"):
        same(getattr(np, name)(x, y), getattr(np, name)(a, b))


def test_where_and_clip_choose_elements():
    a = np.arange(12.0).reshape(3, 4)
    x = da.from_array(a, chunks=2)
    same(da.where(x > 5, x, -1), np.where(a > 5, a, -1))
    same(da.where(x > 5, 1, 0), np.where(a > 5, 1, 0))
    same(x.clip(2, 8), a.clip(2, 8))
    same(np.clip(x, 2, 8), a.clip(2, 8))


def test_what_has_no_kernel_runs_through_numpy_and_says_so():
    a = sample("float64")
    x = da.from_array(a, chunks=(2, 3))
    same(np.logaddexp(x, 1.0), np.logaddexp(a, 1.0))
    assert "numpy: no native kernel" in np.logaddexp(x, 1.0).explain()
    quotient, rest = divmod(x, 0.4)
    same(quotient, a // 0.4)
    same(rest, a % 0.4)


def test_operators_of_dates_run_through_numpy():
    a = np.array(["2026-01-01", "2026-02-01", "2026-03-01"], "M8[D]")
    x = da.from_array(a, chunks=2)
    same(x + np.timedelta64(1, "D"), a + np.timedelta64(1, "D"))
    same((x[::-1] - x)[1:], (a[::-1] - a)[1:])
    same(x.rechunk(1).reshape(3, 1), a.reshape(3, 1))


def test_shapes_that_do_not_fit_are_refused_at_the_users_line():
    x = da.ones((3, 4), chunks=2)
    with pytest.raises(ValueError, match=r"shapes \(3, 4\) \(5,\).*\nhint: insert an axis"):
        x + da.ones(5, chunks=2)


def test_arrays_of_different_chunks_are_aligned():
    a, b = np.arange(10.0), np.arange(10.0) ** 2
    same(da.from_array(a, chunks=3) + da.from_array(b, chunks=4), a + b)


def test_an_elementwise_chain_is_one_layer():
    x = da.from_array(np.arange(8.0), chunks=4)
    plan = np.sqrt(x * 2 + 1).sum().explain()
    assert "plan: 3 layers, 5 tasks" in plan
    assert "native sum(sqrt(add(multiply(a, 2.0), 1.0)), axis=[0])" in plan
