"""Running sums and products along an axis.

Start at `cumreduction`. Each block is accumulated by itself; what comes before it is the accumulated totals of the
blocks before, which one task per line of blocks computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import every_block, on_blocks
from raskal.array.shape import normalize_axis


class _Total:
    """What a block adds to those after it: its last accumulated element."""

    def __init__(self, function: Callable[..., Any], axis: int, dtype: Any, identity: Any) -> None:
        self.function, self.axis, self.dtype, self.identity = function, axis, dtype, identity

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        if not block.shape[self.axis]:
            shape = (*block.shape[: self.axis], 1, *block.shape[self.axis + 1 :])
            return np.full(shape, self.identity, self.dtype)
        last = (*(slice(None),) * self.axis, slice(-1, None))
        return self.function(block, axis=self.axis, dtype=self.dtype)[last]


class _Before:
    """What comes before each block of a line: the totals of the blocks before it, accumulated."""

    def __init__(self, binop: Callable[..., Any], axis: int, identity: Any) -> None:
        self.binop, self.axis, self.identity = binop, axis, identity

    def __call__(self, coordinates: tuple[int, ...], *totals: Any) -> Any:
        parts = [np.full_like(totals[0], self.identity)]
        for total in totals[:-1]:
            parts.append(self.binop(parts[-1], total))
        return np.concatenate(parts, axis=self.axis)


class _After:
    """The block accumulated, beginning with what comes before it."""

    def __init__(self, function: Callable[..., Any], binop: Callable[..., Any], axis: int, dtype: Any) -> None:
        self.function, self.binop, self.axis, self.dtype = function, binop, axis, dtype

    def __call__(self, coordinates: tuple[int, ...], block: Any, before: Any) -> Any:
        number = coordinates[self.axis]
        own = self.function(block, axis=self.axis, dtype=self.dtype)
        if number == 0:
            return own
        return self.binop(before[(*(slice(None),) * self.axis, slice(number, number + 1))], own)


def cumreduction(
    func: Callable[..., Any],
    binop: Callable[..., Any],
    ident: Any,
    x: Any,
    axis: int | None = None,
    dtype: Any = None,
    out: Any = None,
    method: str = "sequential",
    preop: Callable[..., Any] | None = None,
) -> Array:
    """A running reduction along an axis by functions of one's own.

    Parameters
    ----------
    func : callable
        ``func(block, axis=, dtype=)`` accumulates a block, such as `numpy.cumsum`.
    binop : callable
        Joins what comes before with an accumulated block, such as `operator.add`.
    ident : number
        What ``binop`` leaves as it is.
    x : array_like
    axis : int or None
        None flattens first.
    dtype : dtype, optional
    out : Array, optional
        Becomes the result.
    method : {"sequential", "blelloch"}
        Both are computed alike: totals of all blocks, then every block.
    preop : callable, optional
        Accepted for Dask's sake.

    Returns
    -------
    Array
    """
    from raskal.array.ufunc import written

    if method not in ("sequential", "blelloch"):
        raise ValueError(f"unknown method {method!r}\nhint: 'sequential' or 'blelloch'")
    x = asarray(x)
    if axis is None:
        if x.ndim != 1:
            x = x.ravel().rechunk(max(x.npartitions and -(-x.size // x.npartitions), 1))
        axis = 0
    if not isinstance(axis, (int, np.integer)):
        raise TypeError(f"axis must be an integer or None, got {axis!r}")
    axis = normalize_axis(axis, x.ndim)
    name = getattr(func, "__name__", "cumreduction").strip("<>")
    dtype = np.asarray(func(np.ones((1,) * x.ndim, x.dtype), axis=axis, dtype=dtype)).dtype
    reason = f"no native kernel for {name}"
    blocks = every_block(x)
    if x.numblocks[axis] == 1:
        whole = _Whole(func, axis, dtype)
        return written(on_blocks(name, whole, [(x, blocks)], x.chunks, dtype, reason, meta=x._kind), out)
    ones = [(1,) * len(own) if place == axis else own for place, own in enumerate(x.chunks)]
    totals = on_blocks(f"{name}-totals", _Total(func, axis, dtype, ident), [(x, blocks)], ones, dtype, reason)
    line = [(len(own),) if place == axis else own for place, own in enumerate(x.chunks)]
    every: list[int | None] = [None if place == axis else place for place in range(x.ndim)]
    before_all = on_blocks(f"{name}-before", _Before(binop, axis, ident), [(totals, every)], line, dtype, reason)
    own_line: list[int | None] = [-1 if place == axis else place for place in range(x.ndim)]
    after = _After(func, binop, axis, dtype)
    inputs = [(x, blocks), (before_all, own_line)]
    return written(on_blocks(name, after, inputs, x.chunks, dtype, reason, meta=x._kind), out)


class _Whole:
    """Accumulates the one block along an axis."""

    def __init__(self, function: Callable[..., Any], axis: int, dtype: Any) -> None:
        self.function, self.axis, self.dtype = function, axis, dtype

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return self.function(block, axis=self.axis, dtype=self.dtype)


def _make(name: str, text: str, binop: Callable[..., Any], identity: int) -> Callable[..., Array]:
    def function(
        x: Any, axis: int | None = None, dtype: Any = None, out: Any = None, *, method: str = "sequential"
    ) -> Array:
        return cumreduction(getattr(np, name), binop, identity, x, axis, dtype, out, method)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Running {text} along an axis.

    Parameters
    ----------
    x : array_like
    axis : int or None
        None flattens first.
    dtype : dtype, optional
    out : Array, optional
        Becomes the result.
    method : str
        ``"sequential"`` or ``"blelloch"``, which are computed alike.

    Returns
    -------
    Array
    """
    return function


cumsum = _make("cumsum", "sums", np.add, 0)
cumprod = _make("cumprod", "products", np.multiply, 1)
nancumsum = _make("nancumsum", "sums without missing values", np.add, 0)
nancumprod = _make("nancumprod", "products without missing values", np.multiply, 1)
