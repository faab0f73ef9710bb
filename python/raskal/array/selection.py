"""What depends on elements: masks and lazy indices, whose results have unknown lengths.

Start at `lazy_item` and `nonzero`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.host import AlikeCall, Block, bounds, every_block, on_blocks, unify
from raskal.array.indexing import concrete_item

REASON = "the length depends on elements"


def lazy_item(x: Array, entries: list[Any]) -> Array:
    """The elements at an index in which one entry is a lazy array."""
    places = [place for place, entry in enumerate(entries) if isinstance(entry, Array)]
    if len(places) > 1 or any(isinstance(entry, np.ndarray) for entry in entries):
        raise NotImplementedError(
            "an index of a lazy array beside other arrays is not supported\nhint: index in two steps, or compute() it"
        )
    (place,) = places
    index = entries[place]
    axis = sum(entry is not None for entry in entries[:place])
    if index.ndim == 0:
        if index.dtype.kind == "b":
            raise NotImplementedError("a lazy truth value as an index is not supported\nhint: compute() it")
        return concrete_item(x, [*entries[:place], int(index), *entries[place + 1 :]])
    if index.dtype.kind == "b":
        if index.ndim > 1 and axis == 0 and index.ndim == x.ndim:
            return masked(x.ravel(), index.ravel(), 0)
        if index.ndim > 1:
            raise NotImplementedError(
                f"a mask of {index.ndim} axes on an array of {x.ndim} is not supported\n"
                "hint: use a mask of one axis, or of all"
            )
        result = masked(x, index, axis)
    else:
        if index.ndim > 1:
            raise NotImplementedError(
                "a lazy index of several axes is not supported\nhint: ravel() it, or compute() it"
            )
        result = looked_up(x, index, axis)
    rest = [slice(None) if number == place else entry for number, entry in enumerate(entries)]
    return result if all(entry == slice(None) for entry in rest if entry is not None) and None not in rest else (
        concrete_item(result, rest)
    )  # fmt: skip


def _compress(block: Any, mask: Any, axis: int) -> Any:
    return block[(*(slice(None),) * axis, mask)]


def masked(x: Array, mask: Array, axis: int) -> Array:
    """The elements along an axis at which a mask of one axis is true."""
    if not x._unknown and not mask._unknown and x.shape[axis] != mask.shape[0]:
        raise IndexError(
            f"boolean index did not match indexed array along axis {axis}; size of axis is {x.shape[axis]} but "
            f"size of corresponding boolean axis is {mask.shape[0]}"
        )
    turned = mask[(slice(None), *(None,) * (x.ndim - axis - 1))]
    (x, turned), _ = unify([x, turned], "getitem")
    chunks = [(np.nan,) * len(own) if place == axis else own for place, own in enumerate(x.chunks)]
    call = AlikeCall(_Masked(axis), [Block(), Block()], {}, [[axis - x.ndim], [axis - x.ndim]])
    along: list[int | None] = [axis, *[-1] * (turned.ndim - 1)]
    return on_blocks("getitem", call, [(x, every_block(x)), (turned, along)], chunks, x.dtype, REASON, meta=x._kind)


class _Masked:
    """The elements of a block along an axis where a mask is true."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def __call__(self, block: Any, mask: Any) -> Any:
        return _compress(block, np.asarray(mask).ravel(), self.axis)


class _LookUp:
    """The elements of all blocks along an axis at indices."""

    def __init__(self, axis: int, limits: list[int]) -> None:
        self.axis, self.limits = axis, limits

    def __call__(self, coordinates: tuple[int, ...], index: Any, *blocks: Any) -> Any:
        length = self.limits[-1]
        if index.size and (index.min() < -length or index.max() >= length):
            wrong = index.min() if index.min() < -length else index.max()
            raise IndexError(f"index {wrong} is out of bounds for axis {self.axis} with size {length}")
        index = np.where(index < 0, index + length, index)
        owner = np.searchsorted(self.limits, index, side="right") - 1
        before = (slice(None),) * self.axis
        shape = (*blocks[0].shape[: self.axis], len(index), *blocks[0].shape[self.axis + 1 :])
        result = np.empty_like(blocks[0], shape=shape)
        for number, block in enumerate(blocks):
            own = np.flatnonzero(owner == number)
            if len(own):
                result[(*before, own)] = block[(*before, index[own] - self.limits[number])]
        return result


def looked_up(x: Array, index: Array, axis: int) -> Array:
    """The elements along an axis at lazy indices."""
    x._require_known("indexing by a lazy array")
    chunks = [index.chunks[0] if place == axis else own for place, own in enumerate(x.chunks)]
    blocks = [None if place == axis else place for place in range(x.ndim)]
    call = _LookUp(axis, bounds(x.chunks[axis]))
    return on_blocks("getitem", call, [(index, [axis]), (x, blocks)], chunks, x.dtype, "lazy indices", meta=x._kind)


class _Places:
    """The places of true elements of a block, as rows of indices in the whole array."""

    def __init__(self, limits: list[list[int]]) -> None:
        self.limits = limits

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        found = np.stack(np.nonzero(block), axis=1) if block.ndim else np.zeros((int(bool(block)), 0), np.int64)
        return found + np.array([own[at] for own, at in zip(self.limits, coordinates, strict=True)], np.int64)


def argwhere(a: Any) -> Array:
    """The places of elements that are not zero, one row each.

    Parameters
    ----------
    a : array_like

    Returns
    -------
    Array, shape (unknown, a.ndim)
    """
    from raskal.array.creation import asarray

    a = asarray(a)
    a._require_known("argwhere")
    # Rows in row-major order need blocks that follow each other in that order.
    a = a.rechunk(dict.fromkeys(range(1, a.ndim), -1))
    chunks: list[Any] = [(np.nan,) * max(a.npartitions, 1), (a.ndim,)]
    blocks: list[int | None] = [0, *[-1] * (a.ndim - 1)] if a.ndim else []
    call = _Rows(_Places([bounds(own) for own in a.chunks]), a.ndim)
    return on_blocks("argwhere", call, [(a, blocks)], chunks, np.int64, REASON)


class _Rows:
    """Calls a function of a block of an array that is cut along its first axis alone."""

    def __init__(self, function: Any, ndim: int) -> None:
        self.function, self.ndim = function, ndim

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return self.function((coordinates[0], *(0,) * (self.ndim - 1))[: self.ndim], block)


def nonzero(a: Any) -> tuple[Array, ...]:
    """The indices of elements that are not zero, an array for each axis.

    Parameters
    ----------
    a : array_like

    Returns
    -------
    tuple of Array, shape (unknown,)
    """
    rows = argwhere(a)
    return tuple(rows[:, axis] for axis in range(rows.shape[1]))


def flatnonzero(a: Any) -> Array:
    """The indices of elements that are not zero, in row-major order.

    Parameters
    ----------
    a : array_like

    Returns
    -------
    Array, shape (unknown,)
    """
    from raskal.array.creation import asarray

    return nonzero(asarray(a).ravel())[0]


def compress(condition: Any, a: Any, axis: int | None = None) -> Array:
    """The elements along an axis where a condition is true.

    Parameters
    ----------
    condition : array_like of bool, one axis
        May be shorter than the axis.
    a : array_like
    axis : int, optional
        The flattened array by default.

    Returns
    -------
    Array
    """
    from raskal.array.creation import asarray
    from raskal.array.shape import normalize_axis

    a = asarray(a)
    if axis is None:
        a, axis = a.ravel(), 0
    axis = normalize_axis(axis, a.ndim)
    if not isinstance(condition, Array):
        condition = np.asarray(condition, bool)
        if condition.ndim != 1:
            raise ValueError(f"the condition must have one axis, not shape {condition.shape}")
        return a[(*(slice(None),) * axis, np.flatnonzero(condition))]
    if condition.ndim != 1:
        raise ValueError(f"the condition must have one axis, not shape {condition.shape}")
    condition = condition.astype(bool)
    a = a[(*(slice(None),) * axis, slice(condition.shape[0]))]
    return masked(a, condition, axis)


def extract(condition: Any, arr: Any) -> Array:
    """The elements where a condition is true, in row-major order.

    Parameters
    ----------
    condition, arr : array_like
        Of the same size.

    Returns
    -------
    Array, shape (unknown,) if the condition is lazy
    """
    from raskal.array.creation import asarray

    return compress(asarray(condition).astype(bool).ravel(), asarray(arr).ravel())
