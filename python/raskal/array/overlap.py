"""Blocks with some of their neighbours' elements: stencils, filters, windows.

Start at `map_overlap`. An overlapping array is a gather of runs along each axis, one native copy; trimming is another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray, full_like
from raskal.array.host import bounds, every_block, on_blocks
from raskal.array.join import concatenate
from raskal.array.map_blocks import map_blocks
from raskal.array.rearrange import _MODES
from raskal.array.shape import gather, normalize_axis
from raskal.array.windows import push, sliding_window_view

Depth = dict[int, tuple[int, int]]

#: What stands beyond the edge, by the name of the boundary.
_BOUNDARIES = {"periodic": "wrap", "reflect": "symmetric", "nearest": "edge"}


def coerce_depth(ndim: int, depth: Any) -> Depth:
    """How many elements to take before and after a block, for each axis.

    Parameters
    ----------
    ndim : int
    depth : int, tuple or dict
        For all axes, for each, or by axis; a pair is before and after.

    Returns
    -------
    dict of int to (int, int)
    """
    if depth is None:
        raise ValueError("an overlap needs depth=\nhint: depth=1, or {axis: number}")
    if isinstance(depth, dict):
        entries = {normalize_axis(axis, ndim): value for axis, value in depth.items()}
    elif np.iterable(depth):
        entries = dict(enumerate(depth))
        if len(entries) != ndim:
            raise ValueError(f"depth={depth} has {len(entries)} entries for {ndim} axes")
    else:
        entries = dict.fromkeys(range(ndim), depth)
    result: Depth = {}
    for axis in range(ndim):
        value = entries.get(axis, 0)
        before, after = (int(part) for part in (value if np.iterable(value) else (value, value)))
        if before < 0 or after < 0:
            raise ValueError(f"depth along axis {axis} is negative: {value}")
        result[axis] = (before, after)
    return result


def coerce_boundary(ndim: int, boundary: Any) -> dict[int, Any]:
    """What stands beyond the edges of each axis.

    Parameters
    ----------
    ndim : int
    boundary : str, number, tuple or dict
        ``"none"``, ``"periodic"``, ``"reflect"``, ``"nearest"`` or a number.

    Returns
    -------
    dict of int to str or number
    """
    if boundary is None:
        boundary = "none"
    if isinstance(boundary, dict):
        entries = {normalize_axis(axis, ndim): value for axis, value in boundary.items()}
    elif isinstance(boundary, (tuple, list)):
        entries = dict(enumerate(boundary))
    else:
        entries = dict.fromkeys(range(ndim), boundary)
    result = {}
    for axis in range(ndim):
        value = entries.get(axis, "none")
        value = "none" if value is None else value
        if isinstance(value, str) and value not in (*_BOUNDARIES, "none"):
            raise ValueError(
                f"boundary {value!r} is unknown\nhint: one of {sorted((*_BOUNDARIES, 'none'))}, or a number"
            )
        result[axis] = value
    return result


def _check_asymmetric(depth: Depth, boundary: dict[int, Any]) -> None:
    for axis, (before, after) in depth.items():
        if before != after and boundary[axis] != "none":
            raise NotImplementedError(
                f"depth {before, after} along axis {axis} needs boundary 'none', got {boundary[axis]!r}\n"
                "hint: use the larger depth on both sides"
            )


def ensure_minimum_chunksize(size: int, chunks: Sequence[int]) -> tuple[int, ...]:
    """Blocks along an axis merged so that none is shorter than ``size``.

    Parameters
    ----------
    size : int
    chunks : sequence of int

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If the axis itself is shorter.
    """
    if not chunks or min(chunks) >= size:
        return tuple(chunks)
    if sum(chunks) < size:
        raise ValueError(f"depth {size} is more than the axis has, its length is {sum(chunks)}\nhint: take less")
    output: list[int] = []
    new = 0
    for length in chunks:
        new += length
        if new >= size:
            output.append(new)
            new = 0
    if new:
        output[-1] += new
    return tuple(output)


def _prepared(x: Array, depth: Depth, allow_rechunk: bool) -> Array:
    """The array in blocks that are no shorter than the depth."""
    wanted = {}
    for axis, pair in depth.items():
        size = max(pair)
        own = x.chunks[axis]
        if size and min(own) < size:
            if not allow_rechunk:
                raise ValueError(
                    f"depth {size} along axis {axis} is more than the shortest block has, its chunks are {own}\n"
                    "hint: rechunk, or pass allow_rechunk=True"
                )
            wanted[axis] = ensure_minimum_chunksize(size, own)
    return x.rechunk(wanted) if wanted else x


def overlap(x: Any, depth: Any, boundary: Any, *, allow_rechunk: bool = True) -> Array:
    """The array whose blocks hold some of their neighbours' elements too.

    Parameters
    ----------
    x : array_like
    depth : int, tuple or dict
        How many, along each axis; a pair is before and after.
    boundary : str, number, tuple or dict
        What stands beyond the edges: ``"none"`` (blocks at the edges are shorter), ``"periodic"``, ``"reflect"`` (with
        the edge repeated), ``"nearest"`` or a number.
    allow_rechunk : bool
        Whether blocks shorter than the depth may be merged.

    Returns
    -------
    Array

    Examples
    --------
    >>> import raskal.array as da
    >>> da.overlap.overlap(da.arange(6, chunks=3), depth=1, boundary="nearest").compute().tolist()
    [0, 0, 1, 2, 3, 2, 3, 4, 5, 5]
    """
    x = asarray(x)
    x._require_known("overlap")
    depths, edges = coerce_depth(x.ndim, depth), coerce_boundary(x.ndim, boundary)
    _check_asymmetric(depths, edges)
    x = _prepared(x, depths, allow_rechunk)
    runs, lengths = {}, {}
    for axis, (before, after) in depths.items():
        if not before and not after:
            continue
        own, edge = x.chunks[axis], edges[axis]
        length, shift = x.shape[axis], 0
        if not isinstance(edge, str):
            x = _with_constant(x, axis, before, after, edge)
            length, shift = x.shape[axis], before
        rows: list[Any] = []
        counts = []
        for first, last in zip(bounds(own), bounds(own)[1:], strict=False):
            low, high = first + shift - before, last + shift + after
            left, right = max(-low, 0), max(high - length, 0)
            count = high - low
            if edge == "none":
                count -= left + right
            elif left or right:
                outside = _MODES[_BOUNDARIES[edge]](length, left, right)
                rows += [[index, 1, 1] for index in outside[:left].tolist()]
            rows.append([max(low, 0), 1, min(high, length) - max(low, 0)])
            if right and edge != "none":
                rows += [[index, 1, 1] for index in outside[len(outside) - right :].tolist()]
            counts.append(count)
        runs[axis], lengths[axis] = np.array(rows, np.int64), counts
    return gather(x, runs, lengths)


def _with_constant(x: Array, axis: int, before: int, after: int, value: Any) -> Array:
    parts = [x]
    for width, first in ((before, True), (after, False)):
        if width:
            shape = (*x.shape[:axis], width, *x.shape[axis + 1 :])
            chunks = (*x.chunks[:axis], (width,), *x.chunks[axis + 1 :])
            side = full_like(x, value, shape=shape, chunks=chunks)
            parts = [side, *parts] if first else [*parts, side]
    return concatenate(parts, axis)


def trim_internal(x: Array, axes: Any, boundary: Any = None) -> Array:
    """The array without the neighbours' elements that `overlap` put into its blocks.

    Parameters
    ----------
    x : Array
    axes : int, tuple or dict
        The depth.
    boundary : str, number, tuple or dict
        As it was for `overlap`: blocks at edges of kind ``"none"`` have nothing to trim there.

    Returns
    -------
    Array
    """
    depths, edges = coerce_depth(x.ndim, axes), coerce_boundary(x.ndim, boundary)
    runs, lengths, cuts = {}, {}, {}
    for axis, (before, after) in depths.items():
        if not before and not after:
            continue
        rows, counts, own_cuts = [], [], []
        limits = bounds(x.chunks[axis])
        for number, length in enumerate(x.chunks[axis]):
            open_ = edges[axis] == "none"
            left = 0 if open_ and number == 0 else before
            right = 0 if open_ and number == x.numblocks[axis] - 1 else after
            count = length - left - right
            if count < 0:
                raise ValueError(
                    f"a block of {length} elements along axis {axis} can't be trimmed by {left} and {right}"
                )
            rows.append([limits[number] + left, 1, count])
            counts.append(count)
            own_cuts.append((left, right))
        runs[axis], lengths[axis], cuts[axis] = rows, counts, own_cuts
    if not runs:
        return x
    if not x._opaque:
        return gather(x, {axis: np.array(rows, np.int64) for axis, rows in runs.items()}, lengths)
    chunks = [lengths.get(axis, own) for axis, own in enumerate(x.chunks)]
    return on_blocks("trim", _Trim(cuts), [(x, every_block(x))], chunks, x.dtype, "trimmed blocks", meta=x._kind)


class _Trim:
    """Cuts both ends of a block."""

    def __init__(self, cuts: dict[int, list[tuple[int, int]]]) -> None:
        self.cuts = cuts

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        key: list[Any] = [slice(None)] * block.ndim
        for axis, cuts in self.cuts.items():
            left, right = cuts[coordinates[axis]]
            key[axis] = slice(left, block.shape[axis] - right)
        return block[tuple(key)]


def trim_overlap(x: Array, depth: Any, boundary: Any = None) -> Array:
    """As `trim_internal`; the name with which results of `map_overlap(trim=False)` are trimmed."""
    return trim_internal(x, depth, boundary)


def map_overlap(
    func: Callable[..., Any],
    *args: Any,
    depth: Any = None,
    boundary: Any = None,
    trim: bool = True,
    align_arrays: bool = True,
    allow_rechunk: bool = True,
    **kwargs: Any,
) -> Array:
    """A function on blocks with some of their neighbours' elements.

    Parameters
    ----------
    func : callable
        Gives blocks of the shape that it gets.
    *args : array_like or object
        As of `map_blocks`.
    depth : int, tuple, dict, or list of them
        How many elements to take along each axis; a list has one for each array.
    boundary : str, number, tuple, dict, or list of them
        As of `overlap`.
    trim : bool
        Whether to cut off the neighbours' elements of the result.
    align_arrays : bool
        Whether to rechunk arrays to common chunks.
    allow_rechunk : bool
        Whether blocks shorter than the depth may be merged.
    **kwargs
        As of `map_blocks`.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If the depth is larger than the array.
    """
    if isinstance(func, Array):
        raise TypeError("map_overlap takes the function first\nhint: map_overlap(func, x, depth=1)")
    if not callable(func):
        raise TypeError(
            f"map_overlap takes a function first, got {type(func).__name__}\nhint: map_overlap(func, x, depth=1)"
        )
    places = [place for place, arg in enumerate(args) if isinstance(arg, Array)]
    if not places:
        raise TypeError("map_overlap needs at least one lazy array")
    arrays = [args[place] for place in places]
    if align_arrays and len(arrays) > 1:
        from raskal.array.host import unify

        arrays, _ = unify(arrays, "map_overlap")
    depth_list = depth if isinstance(depth, list) else [depth] * len(arrays)
    boundary_list = boundary if isinstance(boundary, list) else [boundary] * len(arrays)
    if len(depth_list) != len(arrays) or len(boundary_list) != len(arrays):
        raise ValueError(f"{len(arrays)} arrays need as many depths and boundaries, got {depth} and {boundary}")
    depths = [coerce_depth(array.ndim, own) for array, own in zip(arrays, depth_list, strict=True)]
    edges = [coerce_boundary(array.ndim, own) for array, own in zip(arrays, boundary_list, strict=True)]
    wide = [
        overlap(array, own, edge, allow_rechunk=allow_rechunk)
        for array, own, edge in zip(arrays, depths, edges, strict=True)
    ]
    passed = list(args)
    for place, array in zip(places, wide, strict=True):
        passed[place] = array
    result = map_blocks(func, *passed, **kwargs)
    if not trim:
        return result
    most = max(range(len(arrays)), key=lambda number: (arrays[number].ndim, -number))
    own, edge = depths[most], edges[most]
    axes: list[int | None] = list(range(arrays[most].ndim))
    dropped = kwargs.get("drop_axis")
    if dropped is not None:
        gone = {axis % len(axes) for axis in (dropped if np.iterable(dropped) else [dropped])}
        axes = [axis for axis in axes if axis not in gone]
    added = kwargs.get("new_axis")
    if added is not None:
        for axis in sorted(added if np.iterable(added) else [added]):
            axes.insert(axis, None)
    return trim_internal(
        result,
        {place: own[axis] for place, axis in enumerate(axes) if axis is not None},
        {place: edge[axis] for place, axis in enumerate(axes) if axis is not None},
    )


__all__ = [
    "coerce_boundary", "coerce_depth", "ensure_minimum_chunksize", "map_overlap", "overlap", "push",
    "sliding_window_view", "trim_internal", "trim_overlap",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Say what to use instead of what Dask has and this module has not."""
    from raskal.array.elsewhere import missing

    raise missing(__name__, name, __all__)
