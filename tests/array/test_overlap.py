"""Blocks with their neighbours' elements, against NumPy's padding."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal.array as da

#: What NumPy calls our boundaries.
NUMPY = {"periodic": "wrap", "reflect": "symmetric", "nearest": "edge", 7: "constant"}


def stencil(a):
    """The sum of each element and its four neighbours."""
    return a + np.roll(a, 1, 0) + np.roll(a, -1, 0) + np.roll(a, 1, 1) + np.roll(a, -1, 1)


@settings(max_examples=80, deadline=None)
@given(st.integers(3, 9), st.integers(3, 9), st.integers(1, 5), st.integers(1, 5), st.sampled_from(list(NUMPY)))
def test_a_stencil_sees_what_lies_beyond_its_block(rows, columns, high, wide, boundary):
    a = np.arange(rows * columns).reshape(rows, columns)
    mode = {"constant_values": 7} if boundary == 7 else {}
    expected = stencil(np.pad(a, 1, NUMPY[boundary], **mode))[1:-1, 1:-1]
    x = da.from_array(a, chunks=(high, wide))
    same(da.map_overlap(stencil, x, depth=1, boundary=boundary), expected)
    same(x.map_overlap(stencil, depth={0: 1, 1: 1}, boundary={0: boundary, 1: boundary}), expected)


def test_nothing_lies_beyond_an_open_edge():
    a = np.arange(10.0)
    x = da.from_array(a, chunks=(4, 3, 3))
    wide = da.overlap.overlap(x, depth=2, boundary="none")
    assert wide.chunks == ((6, 7, 5),)
    same(wide, np.concatenate([a[:6], a[2:9], a[5:]]))
    same(da.overlap.trim_internal(wide, 2, "none"), a)
    same(x.map_overlap(lambda b: b - b.min(), depth=1, boundary="none"), np.concatenate([a[:4], a[4:7] - 3, a[7:] - 6]))


def test_depth_may_differ_before_and_after():
    a = np.arange(8)
    x = da.from_array(a, chunks=3)
    wide = da.overlap.overlap(x, depth={0: (2, 0)}, boundary="none")
    same(wide, np.concatenate([a[:3], a[1:6], a[4:]]))
    with pytest.raises(NotImplementedError, match="needs boundary 'none'"):
        da.overlap.overlap(x, depth={0: (2, 0)}, boundary="reflect")


def test_short_blocks_are_merged_or_refused():
    a = np.arange(10)
    x = da.from_array(a, chunks=2)
    same(x.map_overlap(lambda b: b, depth=3, boundary="periodic"), a)
    with pytest.raises(ValueError, match="hint: rechunk, or pass allow_rechunk=True"):
        x.map_overlap(lambda b: b, depth=3, boundary="periodic", allow_rechunk=False)
    with pytest.raises(ValueError, match="depth 11 is more than the axis has"):
        x.map_overlap(lambda b: b, depth=11, boundary="none")


def test_several_arrays_overlap_each_in_its_own_way():
    a, b = np.arange(12.0).reshape(3, 4), np.arange(4.0)
    x, y = da.from_array(a, chunks=2), da.from_array(b, chunks=2)
    both = da.map_overlap(lambda p, q: p + q, x, y, depth=[{0: 1, 1: 1}, {0: 1}], boundary=["reflect", "reflect"])
    same(both, a + b)
    whole = da.map_overlap(np.sum, x, depth=0, boundary="none", axis=0, drop_axis=0, dtype=float)
    same(whole, a.sum(axis=0))
    plain = da.map_overlap(lambda p: p * 2, x, depth=1, boundary="nearest", trim=False)
    assert plain.chunks == ((4, 3), (4, 4))


def test_the_copies_are_native():
    x = da.ones((8, 8), chunks=4) + da.random.random((8, 8), chunks=4)
    assert "take (2, 2) = 4 tasks" in da.overlap.overlap(x, 1, "reflect").explain()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 5), st.data())
def test_windows_slide_over_blocks(length, block, data):
    a = np.arange(length)
    window = data.draw(st.integers(1, length))
    x = da.from_array(a, chunks=block)
    same(da.lib.stride_tricks.sliding_window_view(x, window), np.lib.stride_tricks.sliding_window_view(a, window))


def test_windows_of_several_axes():
    a = np.arange(42).reshape(6, 7)
    x = da.from_array(a, chunks=3)
    view = np.lib.stride_tricks.sliding_window_view
    same(da.overlap.sliding_window_view(x, (2, 3)), view(a, (2, 3)))
    same(da.overlap.sliding_window_view(x, 4, axis=1).mean(axis=-1), view(a, 4, axis=1).mean(axis=-1))
    with pytest.raises(ValueError, match="longer than the array"):
        da.overlap.sliding_window_view(x, (7, 1))


def test_missing_values_are_filled_from_before():
    a = np.array([np.nan, 1, np.nan, np.nan, 2, np.nan])
    x = da.from_array(a, chunks=2)
    same(da.push(x, None, 0), np.array([np.nan, 1, 1, 1, 2, 2]))
    same(da.push(x, 1, 0), np.array([np.nan, 1, 1, np.nan, 2, 2]))
