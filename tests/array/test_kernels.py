"""Native functions against NumPy's: values within two units in the last place, special values, sums as accurate."""

from __future__ import annotations

import math

import numpy as np
import pytest

import raskal.array as da

FUNCTIONS = {
    "exp": (-745.0, 709.0), "exp2": (-1070.0, 1023.0), "expm1": (-40.0, 709.0), "log": (1e-300, 1e300),
    "log2": (1e-300, 1e300), "log10": (1e-300, 1e300), "log1p": (-0.999, 1e300), "sqrt": (0.0, 1e300),
    "sin": (-8000.0, 8000.0), "cos": (-8000.0, 8000.0), "tanh": (-25.0, 25.0),
}  # fmt: skip
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1.7e308, -1.7e308, 1e5, -3e10, 1e22]


def inputs(name, dtype):
    """Numbers over the function's range, near zero and near one, as a type."""
    low, high = FUNCTIONS[name]
    if dtype == np.float32:
        low, high = max(low, -80.0 if low < 0 else 1e-30), min(high, 80.0 if name.startswith("exp") else 1e30)
    generator = np.random.default_rng(3)
    wide = generator.uniform(low, high, 20_000)
    near = generator.uniform(max(low, -2.0), 2.0, 20_000)
    tiny = 1.0 + generator.uniform(-1e-3, 1e-3, 5_000)
    return np.concatenate([wide, near, tiny]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_within_two_units_of_the_exact_value(name, dtype):
    x = inputs(name, dtype)
    found = getattr(da, name)(da.from_array(x, chunks=7_777)).compute()
    # NumPy in extended precision is exact to the eye of both types.
    exact = getattr(np, name)(x.astype(np.longdouble))
    unit = np.spacing(np.abs(exact.astype(dtype)))
    assert found.dtype == dtype
    assert float(np.max(np.abs(found.astype(np.longdouble) - exact) / unit)) <= 2.0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_are_numpys(name):
    x = np.array(SPECIAL)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    found = getattr(da, name)(da.from_array(x, chunks=5)).compute()
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=0)
    zeros = expected == 0
    np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_are_no_less_accurate_than_numpys(dtype):
    generator = np.random.default_rng(5)
    x = (generator.standard_normal((500, 80)) * 10.0 ** generator.integers(-3, 4, (500, 80))).astype(dtype)
    exact = math.fsum(x.ravel().tolist())
    ours = float(da.from_array(x, chunks=(90, 33)).sum().compute())
    assert abs(ours - exact) <= abs(float(x.sum()) - exact) + np.spacing(np.abs(dtype(exact)))
    for axis in (0, 1):
        lines = [math.fsum(line.tolist()) for line in np.moveaxis(x, axis, -1)]
        ours = da.from_array(x, chunks=(90, 33)).sum(axis=axis).compute()
        worst = np.max(np.abs(x.sum(axis=axis) - lines))
        assert np.max(np.abs(ours - lines)) <= worst + np.spacing(np.max(np.abs(x.astype(dtype))))


def test_a_variance_far_from_zero_keeps_its_digits():
    x = np.random.default_rng(5).standard_normal((4_000, 3)) + 1e8
    found = da.from_array(x, chunks=(700, 2)).var(axis=0).compute()
    exact = (x - x.mean(axis=0, dtype=np.longdouble)).astype(float).var(axis=0)
    np.testing.assert_allclose(found, exact, rtol=1e-7)
