"""Blocks read in another way: as another type, or in another shape.

Start at `view` and `reshape_blockwise`.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import every_block, on_blocks


def view(a: Any, dtype: Any = None, order: str = "C") -> Array:
    """The bytes of elements read as another type.

    Parameters
    ----------
    a : array_like
    dtype : dtype
        If its size is another, the last axis (the first if ``order`` is "F") changes its length.
    order : {"C", "F"}

    Returns
    -------
    Array
    """
    a = asarray(a)
    dtype = np.dtype(a.dtype if dtype is None else dtype)
    if order not in ("C", "F"):
        raise ValueError(f"order must be one of 'C' or 'F', got {order!r}")
    if dtype.itemsize == a.dtype.itemsize:
        return on_blocks("view", _View(dtype, order), [(a, every_block(a))], a.chunks, dtype, "bytes as another type")
    axis = a.ndim - 1 if order == "C" else 0
    ratio = a.dtype.itemsize / dtype.itemsize
    lengths = tuple(length * ratio for length in a.chunks[axis])
    if any(length != int(length) for length in lengths):
        raise ValueError(
            f"blocks of {a.chunks[axis]} elements of {a.dtype} along axis {axis} hold no whole number of {dtype}\n"
            "hint: rechunk first"
        )
    chunks = [*a.chunks]
    chunks[axis] = tuple(int(length) for length in lengths)
    return on_blocks("view", _View(dtype, order), [(a, every_block(a))], chunks, dtype, "bytes as another type")


class _View:
    """Reads the bytes of a block as another type."""

    def __init__(self, dtype: Any, order: str) -> None:
        self.dtype, self.order = dtype, order

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        block = np.asarray(block, order=self.order)  # type: ignore[call-overload]
        return block.T.view(self.dtype).T if self.order == "F" else np.ascontiguousarray(block).view(self.dtype)


def reshape_blockwise(x: Any, shape: Any, chunks: Any = None) -> Array:
    """Another shape of each block by itself: no element leaves its block, so that the order may differ from NumPy's.

    Parameters
    ----------
    x : array_like
    shape : tuple of int
    chunks : tuple of tuples of int
        Of the result, if it has more axes than the array.

    Returns
    -------
    Array
    """
    x = asarray(x)
    shape = tuple(shape) if np.iterable(shape) else (shape,)
    if x.size != np.prod(shape):
        raise ValueError(f"cannot reshape an array of shape {x.shape} into {shape}: total sizes differ")
    if chunks is None:
        if len(shape) > x.ndim:
            raise TypeError(f"{x.ndim} axes can't become {len(shape)} without chunks=\nhint: pass the result's chunks")
        if len(shape) == x.ndim:
            if shape != x.shape:
                raise ValueError(
                    f"shape {x.shape} can't become {shape} block by block\nhint: pass chunks=, or use reshape"
                )
            return x
        groups = _merged_groups(x.shape, shape)
        chunks = tuple(
            tuple(int(np.prod(own)) for own in itertools.product(*(x.chunks[axis] for axis in group)))
            for group in groups
        )
    lengths = tuple(tuple(own) for own in chunks)
    sizes = [int(np.prod(own)) for own in itertools.product(*lengths)]
    if sizes != [int(np.prod(own)) for own in itertools.product(*x.chunks)]:
        raise ValueError(f"chunks {lengths} do not hold the same blocks as {x.chunks}")
    rows = [[number] for number in range(x.npartitions)]
    call = _Blockwise(lengths)
    return on_blocks("reshape_blockwise", call, [(x, rows)], lengths, x.dtype, "blocks in another shape")


class _Blockwise:
    """Gives a block the shape that the result's chunks say."""

    def __init__(self, chunks: Any) -> None:
        self.chunks = chunks

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return block.reshape(tuple(own[at] for own, at in zip(self.chunks, coordinates, strict=True)))


def _merged_groups(old: tuple[int, ...], new: tuple[int, ...]) -> list[list[int]]:
    """The axes of an old shape that make up each axis of a new one."""
    groups, axis = [], 0
    for length in new:
        group: list[int] = []
        size = 1
        while axis < len(old) and (size < length or not group):
            group.append(axis)
            size *= old[axis]
            axis += 1
        if size != length:
            raise ValueError(f"shape {old} can't become {new} by merging neighbouring axes\nhint: pass chunks=")
        groups.append(group)
    return groups
