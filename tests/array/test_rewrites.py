"""What the planner rewrites: any chain of operations gives NumPy's answer, and `explain()` shows what was saved."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal
import raskal.array as da


def _slice(draw, x, y):
    axis = draw(st.integers(0, y.ndim - 1))
    bound = st.none() | st.integers(-7, 7)
    own = slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -3])))
    key = (*(slice(None),) * axis, own)
    return x[key], y[key]


def _take(draw, x, y):
    axis = draw(st.integers(0, y.ndim - 1))
    length = y.shape[axis]
    picked = draw(st.lists(st.integers(-length, length - 1), max_size=5)) if length else []
    key = (*(slice(None),) * axis, np.array(picked, int))
    return x[key], y[key]


def _rechunk(draw, x, y):
    return x.rechunk(tuple(draw(st.integers(1, 4)) for _ in range(y.ndim))), y


def _scale(draw, x, y):
    return x * 2 + 1, y * 2 + 1


def _power(draw, x, y):
    exponent = draw(st.sampled_from([1, 2, 3, -1, 0.5]))
    return (abs(x) + 1) ** exponent, (abs(y) + 1) ** exponent


def _transpose(draw, x, y):
    return x.T, y.T


def _row(draw, x, y):
    if not y.ndim:
        return x, y
    row = np.arange(y.shape[-1], dtype=float)
    return x + da.from_array(row, chunks=2), y + row


def _index(draw, x, y):
    if not y.ndim:
        return x, y
    return x + da.arange(y.shape[-1], chunks=3), y + np.arange(y.shape[-1])


def _center(draw, x, y):
    if not y.size:
        return x, y
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 1), (y - y.mean(axis=0)) / (y.std(axis=0) + 1)


STEPS = [_slice, _take, _rechunk, _scale, _power, _transpose, _row, _index, _center]


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_chain_of_operations_gives_numpys_answer(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    y = (np.arange(np.prod(shape)).reshape(shape) % 11).astype(float)
    x = da.from_array(y, chunks=tuple(data.draw(st.integers(1, 4)) for _ in shape))
    for step in data.draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=6)):
        x, y = step(data.draw, x, y)
    same(x, y, rtol=1e-9)
    axis = data.draw(st.sampled_from([None, *range(y.ndim)]))
    same(x.sum(axis=axis), y.sum(axis=axis), rtol=1e-9, atol=1e-9)
    if y.size:
        same(x.max(axis=axis, keepdims=True), y.max(axis=axis, keepdims=True), rtol=1e-9)


def keys(length):
    """Indices of an axis: slices, integers, lists without an element twice, masks."""
    bound = st.none() | st.integers(-7, 7)
    return (
        st.builds(slice, bound, bound, st.sampled_from([None, 1, 2, -1]))
        | st.integers(-length, length - 1)
        | st.lists(st.integers(-length, length - 1), min_size=1, max_size=4, unique_by=lambda at: at % length)
        | st.lists(st.booleans(), min_size=length, max_size=length).map(np.array)
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_assignments_at_any_index_give_numpys_answer(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=2)))
    y = np.arange(float(np.prod(shape))).reshape(shape)
    x = da.from_array(y.copy(), chunks=tuple(data.draw(st.integers(1, 4)) for _ in shape))
    before, kept = x + 0, y.copy()
    for number in range(data.draw(st.integers(1, 3))):
        key = data.draw(keys(shape[0]))
        x[key], y[key] = -1.0 - number, -1.0 - number
    same(x, y)
    same(before, kept)


def test_mean_and_deviation_of_the_same_elements_are_one_pass():
    y = np.random.default_rng(1).standard_normal((40, 6)) + 1e6
    x = da.from_array(y, chunks=(10, 3))
    z = ((x - x.mean(axis=0)) / x.std(axis=0)).clip(-3, 3)
    assert z.explain().count("moments-partial") == 1
    same(z, ((y - y.mean(axis=0)) / y.std(axis=0)).clip(-3, 3), rtol=1e-6, atol=1e-6)
    mean, var, std = raskal.compute(x.mean(axis=1), x.var(axis=1, ddof=1), x.std(axis=1))
    np.testing.assert_allclose(mean, y.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(var, y.var(axis=1, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(std, y.std(axis=1), rtol=1e-9)


def test_a_reduction_is_done_before_its_operand_is_rechunked():
    y = np.random.default_rng(1).random((64, 64))
    x = da.from_array(y, chunks=(16, 64))
    total = (x.rechunk((64, 16)) * 2).sum(axis=0)
    assert total.chunks == ((16, 16, 16, 16),)
    plan = total.explain().partition("plan:")[2]
    assert "4 tasks of 512 B: native sum" in plan
    same(total, (y * 2).sum(axis=0))
    thin = da.from_array(y, chunks=(1, 64)).rechunk((64, 16)).sum(axis=0)
    assert "rechunk" in thin.explain().partition("plan:")[2], "one row at a time does not shrink"
    same(thin, y.sum(axis=0))


def test_few_elements_of_a_huge_array_cost_no_more_than_themselves():
    x = da.arange(10**12, chunks=2 * 10**8)
    same(da.take(x * 2, np.arange(50, 300)), np.arange(50, 300) * 2)
    same(x[[5, -1]], np.array([5, 10**12 - 1]))


def test_an_expression_of_many_thousand_steps_is_computed_and_dropped():
    x = da.ones(10, chunks=5)
    for _ in range(20_000):
        x = x + 1
    assert x.sum().compute() == 10 * 20_001.0
    del x


def test_explain_says_how_much_is_held_at_once():
    x = da.from_array(np.ones((64, 64)), chunks=(16, 64)).map_blocks(np.sqrt, dtype=float)
    first = x.sum().explain().partition("plan:")[2].splitlines()[0]
    assert first.endswith("8.0 KiB of results held at once by a thread alone")


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_random_numbers_depend_on_seed_and_chunks_alone(scheduler):
    x = da.random.default_rng(7).normal(size=(8, 6), chunks=(3, 4))
    again = da.random.default_rng(7).normal(size=(8, 6), chunks=(3, 4))
    np.testing.assert_array_equal(x.compute(scheduler=scheduler), again.compute(scheduler="synchronous"))
    # The same on every machine: a block's stream is NumPy's, spawned from the seed by the numbers of array and block.
    stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence(7, spawn_key=(0, 1))))
    np.testing.assert_array_equal(x.compute(scheduler=scheduler)[:3, 4:], stream.normal(size=(3, 2)))
