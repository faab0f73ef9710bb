"""Windows that slide along axes, and values carried along one.

Start at `sliding_window_view`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import bounds, every_block, on_blocks
from raskal.array.shape import gather, normalize_axis


class _Windows:
    """Windows that slide over a block."""

    def __init__(self, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
        self.shape, self.axes = shape, axes

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return np.lib.stride_tricks.sliding_window_view(block, self.shape, self.axes)


def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, automatic_rechunk: bool = True) -> Array:
    """Windows that slide over axes, as new last axes.

    Parameters
    ----------
    x : array_like
    window_shape : int or tuple of int
    axis : int or tuple of int, optional
        All by default.
    automatic_rechunk : bool
        Accepted for Dask's sake.

    Returns
    -------
    Array

    Notes
    -----
    Differs from Dask: a block holds the windows' elements, not views of them; reduce them soon.
    """
    x = asarray(x)
    windows = tuple(window_shape) if np.iterable(window_shape) else (window_shape,)
    axes = tuple(range(x.ndim)) if axis is None else tuple(axis) if np.iterable(axis) else (axis,)
    if len(windows) != len(axes):
        raise ValueError(f"{len(windows)} window lengths for {len(axes)} axes\nhint: one for each")
    axes = tuple(normalize_axis(place, x.ndim) for place in axes)
    if any(window < 0 for window in windows):
        raise ValueError(f"window lengths must not be negative, got {windows}")
    sizes = dict.fromkeys(axes, 0)
    for place, window in zip(axes, windows, strict=True):
        sizes[place] += window - 1
    runs, lengths = {}, {}
    chunks = list(x.chunks)
    for place, extra in sizes.items():
        count = x.shape[place] - extra
        if count < 0 or (count == 0 and extra):
            raise ValueError(f"windows of {windows} are longer than the array of shape {x.shape}")
        own, left = [], count
        for length in x.chunks[place]:
            if left > 0:
                own.append(min(length, left))
                left -= own[-1]
        chunks[place] = tuple(own)
        limits = bounds(own)
        runs[place] = np.array(
            [[first, 1, length + extra] for first, length in zip(limits, own, strict=False)], np.int64
        )
        lengths[place] = [length + extra for length in own]
    wide = gather(x, runs, lengths)
    call = _Windows(windows, axes)
    all_chunks = [*chunks, *((window,) for window in windows)]
    return on_blocks("sliding_window_view", call, [(wide, every_block(wide))], all_chunks, x.dtype, "sliding windows")


class _Push:
    """Fills missing values with the last one before them, at most ``n`` places on."""

    def __init__(self, n: int | None, axis: int) -> None:
        self.n, self.axis = n, axis

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        moved = np.moveaxis(block, self.axis, -1)
        missing = np.isnan(moved)
        places = np.where(missing, -1, np.arange(moved.shape[-1]))
        last = np.maximum.accumulate(places, axis=-1)
        if self.n is not None:
            last = np.where(np.arange(moved.shape[-1]) - last > self.n, -1, last)
        found = np.take_along_axis(moved, np.maximum(last, 0), -1)
        return np.moveaxis(np.where(last < 0, np.nan, found), -1, self.axis).astype(block.dtype)


def push(array: Any, n: int | None, axis: int) -> Array:
    """Missing values filled with the last one before them along an axis.

    Parameters
    ----------
    array : array_like
    n : int or None
        How many places a value is carried at most.
    axis : int

    Returns
    -------
    Array
    """
    array = asarray(array)
    axis = normalize_axis(axis, array.ndim)
    if array.dtype.kind not in "fc":
        return array
    whole = array.rechunk({axis: -1})
    call = _Push(n, axis)
    result = on_blocks("push", call, [(whole, every_block(whole))], whole.chunks, array.dtype, "filled along an axis")
    return result.rechunk(array.chunks)
