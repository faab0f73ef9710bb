"""What the array tests share: comparing a lazy array with NumPy's, values, type and shape."""

from __future__ import annotations

import numpy as np

import raskal.array as da


def same(lazy, expected, **tolerance):
    """Assert that a lazy array is NumPy's, in shape and type before computing, and in values after."""
    expected = np.asarray(expected)
    assert isinstance(lazy, da.Array)
    assert lazy.shape == expected.shape
    assert lazy.dtype == expected.dtype, f"{lazy.dtype} is not NumPy's {expected.dtype}"
    found = np.asarray(lazy.compute())
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if expected.dtype.kind in "fc":
        np.testing.assert_allclose(found, expected, **{"rtol": 1e-12, "atol": 1e-12, **tolerance})
    else:
        np.testing.assert_array_equal(found, expected)
