"""Reductions by functions of Python: each block, then groups of partial results, in a tree.

Start at `reduction`, which users call, and `tree`, on which the module's own reductions without a native kernel stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskal.array.blockview import nested_join
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import empty_like_kind, every_block, on_blocks
from raskal.array.shape import normalize_axis

#: How many partial results one task merges in all.
SPLIT_EVERY = 16


def reduced_axes(x: Array, axis: Any) -> tuple[int, ...]:
    """The axes that ``axis=`` means, sorted."""
    if axis is None:
        return tuple(range(x.ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = tuple(sorted(normalize_axis(place, x.ndim) for place in axes))
    if len(set(found)) < len(found):
        raise ValueError(f"duplicate value in axis={axis}")
    return found


def group_lengths(split_every: Any, axes: Sequence[int], ndim: int) -> list[int]:
    """How many neighbours along each axis one task merges."""
    group = [1] * ndim
    if isinstance(split_every, dict):
        given = {axis % ndim: int(count) for axis, count in split_every.items()}
        for axis in axes:
            group[axis] = given.get(axis, 2)
    else:
        count = SPLIT_EVERY if split_every is None else 2**31 - 1 if split_every is False else int(split_every)
        if count < 2:
            raise ValueError(f"split_every={split_every} combines nothing\nhint: pass 2 or more")
        share = max(int(count ** (1 / max(len(axes), 1)) + 1e-9), 2)
        for axis in axes:
            group[axis] = share
    return group


class _First:
    """Reduces one block."""

    def __init__(self, function: Callable[..., Any], axes: tuple[int, ...], placed: bool) -> None:
        self.function, self.axes, self.placed = function, axes, placed

    def __call__(self, coordinates: tuple[int, ...], block: Any, *rest: Any) -> Any:
        if self.placed:
            return self.function(coordinates, block)
        return self.function(block, *rest, axis=self.axes, keepdims=True)


class _Merge:
    """Merges the partial results of a group of neighbours."""

    def __init__(
        self, function: Callable[..., Any], axes: tuple[int, ...], grid: Sequence[int], group: Sequence[int],
        keepdims: bool, join: bool, kept: Sequence[int],
    ) -> None:  # fmt: skip
        self.function, self.axes, self.grid, self.group = function, axes, tuple(grid), tuple(group)
        self.keepdims, self.join, self.kept = keepdims, join, tuple(kept)

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        counts = [1] * len(self.grid)
        for place, axis in enumerate(self.kept):
            if axis in self.axes:
                first = coordinates[place] * self.group[axis]
                counts[axis] = min(self.group[axis], self.grid[axis] - first)
        for axis in set(self.axes) - set(self.kept):
            counts[axis] = self.grid[axis]
        parts: Any = list(blocks)
        if self.join:
            parts = nested_join(parts, tuple(counts))
        else:
            for count in reversed([counts[axis] for axis in range(len(counts))][1:]):
                parts = [parts[first : first + count] for first in range(0, len(parts), count)]
        return self.function(parts, axis=self.axes, keepdims=self.keepdims)


def tree(
    name: str,
    x: Array,
    chunk: Callable[..., Any],
    combine: Callable[..., Any],
    aggregate: Callable[..., Any],
    axes: tuple[int, ...],
    keepdims: bool,
    dtype: Any,
    split_every: Any,
    reason: str,
    *,
    join: bool = True,
    placed: bool = False,
    output_size: Any = 1,
    weights: Array | None = None,
    meta: Any = None,
) -> Array:
    """A reduction along axes by functions of blocks.

    ``chunk(block, axis=, keepdims=True)`` reduces one block (``chunk(coordinates, block)`` if ``placed``), ``combine``
    and ``aggregate`` the partial results of several, joined if ``join``, in nested lists otherwise.
    """
    inputs = [(x, every_block(x))]
    if weights is not None:
        inputs.append((weights, every_block(weights)))
    lengths: list[Any] = [(output_size,) * len(own) if axis in axes else own for axis, own in enumerate(x.chunks)]
    current = on_blocks(f"{name}-partial", _First(chunk, axes, placed), inputs, lengths, dtype, reason, meta=meta)
    group = group_lengths(split_every, axes, x.ndim)
    every = list(range(x.ndim))
    while any(current.numblocks[axis] > group[axis] for axis in axes):
        merged = _Merge(combine, axes, current.numblocks, group, True, join, every)
        lengths = [
            (output_size,) * -(-len(own) // group[axis]) if axis in axes else own
            for axis, own in enumerate(current.chunks)
        ]
        current = on_blocks(f"{name}-merge", merged, [(current, {"tree": group})], lengths, dtype, reason, meta=meta)
    kept = every if keepdims else [axis for axis in every if axis not in axes]
    spots = {axis: place for place, axis in enumerate(kept)}
    mapping = [None if axis in axes else spots[axis] for axis in every]
    final = [(output_size,) if axis in axes else current.chunks[axis] for axis in kept]
    last = _Merge(aggregate, axes, current.numblocks, current.numblocks, keepdims, join, kept)
    if meta is not None and np.ndim(meta) != len(kept):
        # A number of most kinds is NumPy's.
        meta = None if not kept and isinstance(meta, np.ndarray) else empty_like_kind(meta, len(kept))
        meta = None if isinstance(meta, np.generic) else meta
    return on_blocks(name, last, [(current, mapping)], final, dtype, reason, meta=meta)


def reduction(
    x: Any,
    chunk: Callable[..., Any],
    aggregate: Callable[..., Any],
    axis: Any = None,
    keepdims: bool = False,
    dtype: Any = None,
    split_every: Any = None,
    combine: Callable[..., Any] | None = None,
    name: str | None = None,
    out: Any = None,
    concatenate: bool = True,
    output_size: Any = 1,
    meta: Any = None,
    weights: Any = None,
) -> Array:
    """A reduction along axes by functions of one's own.

    Parameters
    ----------
    x : array_like
    chunk : callable
        ``chunk(block, axis, keepdims)`` reduces one block; with ``weights`` it gets their block second.
    aggregate : callable
        ``aggregate(parts, axis, keepdims)`` makes the result of the last partial results.
    axis : int or tuple of int, optional
        All by default.
    keepdims : bool
        Whether the axes stay, with length 1.
    dtype : dtype
        Of the result.
    split_every : int or dict, optional
        How many partial results one task combines.
    combine : callable, optional
        As ``aggregate``, between partial results; ``aggregate`` by default.
    name : str, optional
        For keys.
    out : Array, optional
        Becomes the result.
    concatenate : bool
        Whether partial results are joined arrays, or nested lists of whatever ``chunk`` gives.
    output_size : int
        Length of the result along the axes.
    meta : array_like, optional
        An empty array like the result.
    weights : array_like, optional
        Broadcast to the array's shape.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If the type is missing.

    Examples
    --------
    >>> import numpy as np, raskal.array as da
    >>> x = da.arange(10, chunks=3)
    >>> int(da.reduction(x, np.sum, np.sum, dtype=int).compute())
    45
    """
    from raskal.array.shape import broadcast_to
    from raskal.array.ufunc import written

    x = asarray(x)
    axes = reduced_axes(x, axis)
    if dtype is None:
        if meta is None:
            raise ValueError("the type of the result is not known\nhint: pass dtype=")
        dtype = meta.dtype
    if weights is not None:
        weights = broadcast_to(asarray(weights), x.shape).rechunk(x.chunks)
    result = tree(
        name or getattr(aggregate, "__name__", "reduction").strip("<>"), x, chunk, combine or aggregate, aggregate,
        axes, bool(keepdims), dtype, split_every, "a reduction by functions of one's own", join=concatenate,
        output_size=output_size, weights=weights,
    )  # fmt: skip
    return written(result, out)


def without_empty(x: Array, axes: Sequence[int]) -> Array:
    """The array without empty blocks along axes, of which there is no extreme."""
    wanted = {
        axis: tuple(length for length in x.chunks[axis] if length)
        for axis in axes
        if axis not in x._unknown and 0 in x.chunks[axis] and x.shape[axis]
    }
    return x.rechunk(wanted) if wanted else x


def elements(x: Array, axes: Sequence[int]) -> Any:
    """How many elements are reduced to one; nan if that is unknown."""
    return math.prod(x.shape[axis] for axis in axes)
