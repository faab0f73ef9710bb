"""Arrays with unknown lengths along one axis and cuts along the other: NumPy's answer or an error, never another."""

from __future__ import annotations

import numpy as np
import pytest

import raskal.array as da

A = np.arange(60.0).reshape(10, 6) + 1
ROW = np.arange(6.0)


def unknown(columns):
    """The array with unknown lengths along the first axis, in blocks of so many columns."""
    chosen = da.from_array(np.ones(len(A), bool), chunks=4)
    return da.from_array(A, chunks=(4, columns))[chosen]


#: What works, by name; `x` and `y` have other blocks along the second axis.
FUNCTIONS = {
    "add": lambda m, x, y: x + y,
    "row": lambda m, x, y: x * m.asarray(ROW),
    "where": lambda m, x, y: m.where(x > 5, x, y),
    "concatenate": lambda m, x, y: m.concatenate([x, y]),
    "vstack": lambda m, x, y: m.vstack([y, x, y]),
    "append": lambda m, x, y: m.append(x, y, axis=0),
    "block": lambda m, x, y: m.block([[x], [y]]),
    "roll": lambda m, x, y: m.roll(x, 2, axis=1),
    "flip": lambda m, x, y: m.flip(x, 1),
    "tile": lambda m, x, y: m.tile(x, (1, 2)),
    "take": lambda m, x, y: x[:, [3, 1, 5]],
    "slice": lambda m, x, y: x[:, 1:5:2],
    "delete": lambda m, x, y: m.delete(x, 1, axis=1),
    "diff": lambda m, x, y: m.diff(x, axis=1),
    "transpose": lambda m, x, y: x.T,
    "product": lambda m, x, y: x.dot(y.T),
    "tensordot": lambda m, x, y: m.tensordot(x, y, axes=([1], [1])),
    "einsum": lambda m, x, y: m.einsum("ij,ij->i", x, y),
    "sum": lambda m, x, y: (x * y).sum(axis=1),
    "mean": lambda m, x, y: x.mean(axis=0),
    "std": lambda m, x, y: x.std(axis=0, ddof=1),
    "cumsum": lambda m, x, y: x.cumsum(axis=0),
    "cumsum along columns": lambda m, x, y: x.cumsum(axis=1),
    "argmax": lambda m, x, y: x.argmax(axis=1),
    "ptp": lambda m, x, y: m.ptp(x, axis=0),
    "average": lambda m, x, y: m.average(x, axis=0),
    "isin": lambda m, x, y: m.isin(x, [3.0, 4.0]),
    "mask": lambda m, x, y: x[x[:, 0] > 20],
}


@pytest.mark.parametrize("columns", [(2, 3), (6, 4)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_give_numpys_answer(name, columns):
    found = FUNCTIONS[name](da, unknown(columns[0]), unknown(columns[1])).compute()
    expected = FUNCTIONS[name](np, A, A)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_moment_counts_what_there_is():
    expected = ((A - A.mean(axis=0)) ** 3).mean(axis=0)
    np.testing.assert_allclose(da.moment(unknown(2), 3, axis=0).compute(), expected, atol=1e-9)


@pytest.mark.parametrize(
    "function",
    [lambda x: da.roll(x, 1, axis=0), lambda x: da.cov(x.T), lambda x: x[2:4], lambda x: x.argmax(axis=0)],
)
def test_what_needs_the_lengths_says_how_to_get_them(function):
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        function(unknown(2))
    function(unknown(2).compute_chunk_sizes()).compute()


def test_other_axes_of_different_lengths_are_not_joined():
    with pytest.raises(ValueError, match="cannot concatenate shapes"):
        da.concatenate([unknown(2), unknown(3)[:, :4]])


def test_nested_lists_of_arrays_are_stacked_on_trust():
    x, y = unknown(2), unknown(3)
    with pytest.raises(ValueError, match="unknown"):
        da.stack([[x, y], [y, x]])
    found = da.stack([[x, y], [y, x]], allow_unknown_chunksizes=True).compute()
    np.testing.assert_array_equal(found, np.stack([[A, A], [A, A]]))


def test_blocks_of_unknown_lengths_are_not_counted_anew():
    with pytest.raises(ValueError, match="blocks"):
        unknown(2).rechunk(((np.nan, np.nan), (6,)))
