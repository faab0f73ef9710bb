"""Empty arrays, empty blocks, arrays without axes, and every way to cut: nothing may give another answer than NumPy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from helpers import same
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal.array as da


@st.composite
def cut_arrays(draw, dtype="float64", min_side=0):
    """An array with explicit block lengths along each axis, some of them zero."""
    shape = tuple(draw(st.lists(st.integers(min_side, 5), min_size=0, max_size=3)))
    chunks = []
    for length in shape:
        cuts = sorted(draw(st.lists(st.integers(0, length), max_size=3)))
        chunks.append(tuple(np.diff([0, *cuts, length]).tolist()))
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape) % 7
    return values.astype(dtype), da.from_array(values.astype(dtype), chunks=tuple(chunks))


#: Functions that work on any shape, by name; the rest of NumPy's namespace is tested where it lives.
FUNCTIONS = {
    "add": lambda m, x: x + 1.5,
    "compare": lambda m, x: x > 2,
    "exp": lambda m, x: m.exp(x),
    "sum": lambda m, x: m.sum(x),
    "any": lambda m, x: m.any(x),
    "prod": lambda m, x: m.prod(x),
    "nansum": lambda m, x: m.nansum(x),
    "ravel": lambda m, x: m.ravel(x),
    "transpose": lambda m, x: m.transpose(x),
    "where": lambda m, x: m.where(x > 2, x, -x),
    "flip": lambda m, x: m.flip(x),
    "stack": lambda m, x: m.stack([x, x]),
    "concatenate": lambda m, x: m.concatenate([m.ravel(x)] * 2),
    "expand": lambda m, x: m.expand_dims(x, 0),
    "round": lambda m, x: m.round(x / 3, 1),
    "repeat": lambda m, x: m.repeat(x, 2),
    "tile": lambda m, x: m.tile(x, 2),
    "roll": lambda m, x: m.roll(x, 1),
    "clip": lambda m, x: m.clip(x, 1, 3),
    "astype": lambda m, x: x.astype("int8"),
    "isin": lambda m, x: m.isin(x, [1, 2]),
    "digitize": lambda m, x: m.digitize(x, [1, 3]),
    "cumsum": lambda m, x: m.cumsum(x, axis=None),
    "count": lambda m, x: m.count_nonzero(x),
    "broadcast": lambda m, x: m.broadcast_to(x, (2, *x.shape)),
    "outer": lambda m, x: m.outer(x, x),
    "pad": lambda m, x: m.pad(x, 1) if x.ndim else x,
    "angle": lambda m, x: m.angle(x),
    "histogram": lambda m, x: m.histogram(x, 3, (0, 7))[0],
    "sum0": lambda m, x: m.sum(x, axis=0) if x.ndim else x,
    "cumsum0": lambda m, x: m.cumsum(x, axis=0) if x.ndim else x,
    "mean1": lambda m, x: m.mean(x, axis=-1, keepdims=True) if x.ndim else x,
    "var": lambda m, x: m.var(x),
    "std0": lambda m, x: m.std(x, axis=0) if x.ndim else x,
    "diff": lambda m, x: m.diff(x, axis=0) if x.ndim else x,
    "step": lambda m, x: x[::2] if x.ndim else x[()],
    "back": lambda m, x: x[..., ::-1] if x.ndim else x[...],
    "none": lambda m, x: x[None],
}


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_functions_on_arrays_of_any_shape(name, data):
    a, x = data.draw(cut_arrays())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = FUNCTIONS[name](np, a)
        same(FUNCTIONS[name](da, x), expected, rtol=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_cut_becomes_any_other(data):
    a, x = data.draw(cut_arrays("int32"))
    chunks = []
    for length in a.shape:
        cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=3)))
        chunks.append(tuple(np.diff([0, *cuts, length]).tolist()))
    y = x.rechunk(tuple(chunks))
    assert y.chunks == tuple(chunks)
    same(y, a)
    same(x.astype("M8[s]").rechunk(tuple(chunks)), a.astype("M8[s]"))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_shape_becomes_any_other(data):
    a, x = data.draw(cut_arrays("int64", min_side=1))
    factors = [f for f in range(1, a.size + 1) if a.size % f == 0]
    first = data.draw(st.sampled_from(factors))
    rest = [f for f in factors if (a.size // first) % f == 0]
    second = data.draw(st.sampled_from(rest))
    target = (first, second, a.size // first // second)
    same(x.reshape(target), a.reshape(target))
    same(x.reshape((-1, second)), a.reshape((-1, second)))


REDUCTIONS = [
    "sum",
    "prod",
    "mean",
    "var",
    "std",
    "min",
    "max",
    "any",
    "all",
    "argmin",
    "argmax",
    "nansum",
    "nanmean",
    "nanmax",
]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(REDUCTIONS), st.sampled_from(["float64", "int16", "uint64", "complex128", "bool"]))
def test_any_reduction_of_any_cut(data, name, dtype):
    a, x = data.draw(cut_arrays(dtype, min_side=1))
    axis = data.draw(st.one_of(st.none(), st.integers(-a.ndim, a.ndim - 1))) if a.ndim else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(np, name)(a, axis=axis)
    same(getattr(da, name)(x, axis=axis, split_every=2), expected, rtol=1e-9)


def test_nothing_has_no_extreme_and_says_so():
    x = da.zeros((0, 3), chunks=2)
    for name in ("min", "max", "argmin", "nanmax"):
        with pytest.raises(ValueError, match="no elements|empty sequence"):
            getattr(da, name)(x, axis=0)
    assert da.max(x, axis=1).shape == (0,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(x.mean(axis=0), np.zeros((0, 3)).mean(axis=0))


def test_automatic_blocks_follow_the_setting():
    import raskal

    with raskal.config.set({"array.chunk-size": "80 B"}):
        assert da.ones(100).chunks[0][0] == 10
    assert da.ones(100).npartitions == 1
    assert da.ones((4, 4), chunks="64 B").npartitions > 1
