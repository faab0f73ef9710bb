"""Products that sum over axes: `dot`, `matmul`, `tensordot`.

Start at `tensordot`. Each block of the result is one task that takes all blocks along the summed axes and adds up the
products of pairs, so that no product is kept. A transposed operand is read as it lies: BLAS takes it either way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import on_blocks
from raskal.array.shape import normalize_axis


class Products:
    """Sums of products of pairs of blocks."""

    def __init__(self, axes: tuple[tuple[int, ...], tuple[int, ...]], dtype: Any, orders: Any = (None, None)) -> None:
        self.axes, self.dtype, self.orders = axes, np.dtype(dtype), tuple(orders)

    def with_transposed(self, orders: list[list[int] | None]) -> Products:
        """The same for operands whose blocks come with other orders of axes."""
        return Products(self.axes, self.dtype, tuple(None if order is None else tuple(order) for order in orders))

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        """Multiply the first half of the blocks with the second, pair by pair."""
        half = len(blocks) // 2
        left, right = (
            self._ordered(part, order) for part, order in zip((blocks[:half], blocks[half:]), self.orders, strict=True)
        )
        plain = self.axes == ((1,), (0,)) and left[0].ndim == right[0].ndim == 2
        total: Any = None
        scratch: Any = None
        for a, b in zip(left, right, strict=True):
            if total is None:
                total = _product(a, b, plain, self.axes)
                continue
            if plain and a.dtype == b.dtype == total.dtype and type(a) is type(b) is np.ndarray:
                scratch = np.dot(a, b, out=np.empty_like(total) if scratch is None else scratch)
                total += scratch
            else:
                total = total + _product(a, b, plain, self.axes)
        return total if total.dtype == self.dtype else total.astype(self.dtype)

    @staticmethod
    def _ordered(blocks: tuple[Any, ...], order: tuple[int, ...] | None) -> tuple[Any, ...]:
        return blocks if order is None else tuple(block.transpose(order) for block in blocks)


def _product(a: Any, b: Any, plain: bool, axes: Any) -> Any:
    """The product of two blocks; a matrix product, if it is a plain one, by whatever the blocks are."""
    if plain:
        return np.dot(a, b) if type(a) is type(b) is np.ndarray else a @ b
    return np.tensordot(a, b, axes)


class BatchProducts:
    """Sums of matrix products of pairs of stacks of matrices."""

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        """Multiply the first half of the blocks with the second, pair by pair."""
        half = len(blocks) // 2
        total = None
        for a, b in zip(blocks[:half], blocks[half:], strict=True):
            total = np.matmul(a, b) if total is None else total + np.matmul(a, b)
        return total


def tensordot(lhs: Any, rhs: Any, axes: Any = 2) -> Array:
    """Products summed over pairs of axes.

    Parameters
    ----------
    lhs, rhs : array_like
    axes : int or pair of (sequences of) int
        How many of the last and first axes, or which.

    Returns
    -------
    Array
        The other axes of ``lhs``, then those of ``rhs``.

    Raises
    ------
    ValueError
        If two paired axes have different lengths; the message shows both shapes.
    """
    a, b = asarray(lhs), asarray(rhs)
    if np.iterable(axes):
        left, right = ([int(axis) for axis in (side if np.iterable(side) else [side])] for side in axes)
    else:
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    left = [normalize_axis(axis, a.ndim) for axis in left]
    right = [normalize_axis(axis, b.ndim) for axis in right]
    lengths = [a.shape[axis] for axis in left], [b.shape[axis] for axis in right]
    if lengths[0] != lengths[1]:
        raise ValueError(
            f"shapes {a.shape} and {b.shape} not aligned: axes {tuple(left)} of lengths {tuple(lengths[0])} are summed "
            f"with axes {tuple(right)} of lengths {tuple(lengths[1])}\nhint: transpose one operand, or pass axes="
        )
    if len(left) > 1:
        # Blocks along several axes are paired in row-major order: both operands must list them alike.
        free_a, free_b = ([axis for axis in range(x.ndim) if axis not in used] for x, used in ((a, left), (b, right)))
        a, b = a.transpose([*free_a, *left]), b.transpose([*right, *free_b])
        left, right = list(range(len(free_a), a.ndim)), list(range(len(right)))
    for x, y in zip(left, right, strict=True):
        common = _common(a.chunks[x], b.chunks[y])
        a, b = a.rechunk({x: common}), b.rechunk({y: common})
    return _contract("tensordot", a, b, left, right)


def _common(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    bounds = np.unique(np.concatenate([[0], np.cumsum(left), np.cumsum(right)]))
    return tuple(np.diff(bounds).tolist()) or (0,)


def _contract(name: str, a: Array, b: Array, left: list[int], right: list[int]) -> Array:
    free_a = [axis for axis in range(a.ndim) if axis not in left]
    free_b = [axis for axis in range(b.ndim) if axis not in right]
    chunks = [a.chunks[axis] for axis in free_a] + [b.chunks[axis] for axis in free_b]
    maps: list[list[int | None]] = [
        [None if axis in left else free_a.index(axis) for axis in range(a.ndim)],
        [None if axis in right else len(free_a) + free_b.index(axis) for axis in range(b.ndim)],
    ]
    dtype = np.result_type(a.dtype, b.dtype)
    products = Products((tuple(left), tuple(right)), dtype)
    return on_blocks(
        name,
        products,
        [(a, maps[0]), (b, maps[1])],
        chunks,
        dtype,
        "matrix product by NumPy's BLAS",
        # Blocks along several summed axes are paired as they are listed, in the order of the operand's own axes.
        transposable=len(left) == 1,
        meta=None if a._kind is None and b._kind is None else products((), a._meta, b._meta),
    )


def dot(a: Any, b: Any) -> Array:
    """The product of two arrays, summed over the last axis of one and the last but one of the other.

    Parameters
    ----------
    a, b : array_like

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If the summed axes have different lengths; the message shows both shapes.
    """
    a, b = asarray(a), asarray(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return tensordot(a, b, ((a.ndim - 1,), (max(b.ndim - 2, 0),)))


def matmul(a: Any, b: Any) -> Array:
    """The matrix product; leading axes are broadcast.

    Parameters
    ----------
    a, b : array_like

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If an operand is a number, or the shapes do not fit.
    """
    a, b = asarray(a), asarray(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError("matmul: operands have no axes\nhint: use * for numbers")
    if a.ndim <= 2 and b.ndim <= 2:
        return tensordot(a, b, ((a.ndim - 1,), (max(b.ndim - 2, 0),)))
    drop = ([-2] if a.ndim == 1 else []) + ([-1] if b.ndim == 1 else [])
    a = a[None, :] if a.ndim == 1 else a
    b = b[:, None] if b.ndim == 1 else b
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"matmul: shapes {a.shape} and {b.shape} do not fit: {a.shape[-1]} columns are summed with "
            f"{b.shape[-2]} rows\nhint: transpose one operand"
        )
    common = _common(a.chunks[-1], b.chunks[-2])
    a, b = a.rechunk({-1: common}), b.rechunk({-2: common})
    ndim = max(a.ndim, b.ndim)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    chunks = []
    for place in range(ndim - 2):
        own = [
            x.chunks[place - (ndim - x.ndim)]
            for x in (a, b)
            if place >= ndim - x.ndim and x.shape[place - (ndim - x.ndim)] == batch[place]
        ]
        lengths = own[0] if len(own) == 1 else _common(own[0], own[1])
        chunks.append(lengths)
    a, b = (
        x.rechunk(
            {
                axis: chunks[axis + ndim - x.ndim]
                for axis in range(x.ndim - 2)
                if x.shape[axis] == batch[axis + ndim - x.ndim]
            }
        )
        for x in (a, b)
    )

    def mapping(x: Array, last: list[int | None]) -> list[int | None]:
        new = ndim - x.ndim
        return [axis + new if x.shape[axis] == batch[axis + new] else -1 for axis in range(x.ndim - 2)] + last

    inputs = [(a, mapping(a, [ndim - 2, None])), (b, mapping(b, [None, ndim - 1]))]
    chunks = [*chunks, a.chunks[-2], b.chunks[-1]]
    dtype = np.result_type(a.dtype, b.dtype)
    result = on_blocks("matmul", BatchProducts(), inputs, chunks, dtype, "matrix product by NumPy's BLAS")
    for axis in drop:
        result = result[(..., 0)] if axis == -1 else result[(..., 0, slice(None))]
    return result
