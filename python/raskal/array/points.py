"""Elements looked up point by point: one index per axis for each point.

Start at `points`.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.host import block_number, bounds, every_block, on_blocks


class _Look:
    """Gathers the points of one block of the result from its inputs."""

    def __init__(self, axes: tuple[int, ...], plans: list[list[tuple[Any, tuple[Any, ...]]]]) -> None:
        self.axes, self.plans = axes, plans

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        plan = self.plans[coordinates[0]]
        result = None
        for block, (places, own) in zip(blocks, plan, strict=True):
            key: list[Any] = [slice(None)] * block.ndim
            for axis, index in zip(self.axes, own, strict=True):
                key[axis] = index
            turned = np.moveaxis(block, self.axes, range(len(self.axes)))
            found = turned[own]
            if result is None:
                count = sum(len(places) for places, _ in plan)
                result = np.empty_like(found, shape=(count, *found.shape[1:]))
            result[places] = found
        return result


def points(x: Array, indices: dict[int, np.ndarray[Any, Any]]) -> Array:
    """The points at ``indices`` (axis -> one index per point), along a new first axis; other axes stay as they are."""
    axes = tuple(sorted(indices))
    others = [axis for axis in range(x.ndim) if axis not in axes]
    count = len(indices[axes[0]])
    # About as many elements in a block as before.
    longest = max(int(np.prod([max(x.chunks[axis]) for axis in axes])), 1)
    full, rest = divmod(count, longest)
    lengths = [longest] * full + ([rest] if rest else []) or [0]
    limits = {axis: bounds(x.chunks[axis]) for axis in axes}
    owners = {axis: np.searchsorted(limits[axis], indices[axis], side="right") - 1 for axis in axes}
    within = {axis: indices[axis] - np.asarray(limits[axis])[owners[axis]] for axis in axes}
    grid = tuple(x.numblocks[axis] for axis in axes)
    owner = np.zeros(count, int)
    for axis, extent in zip(axes, grid, strict=True):
        owner = owner * extent + owners[axis]
    plans, sources = [], []
    for first, last in itertools.pairwise(bounds(lengths)):
        own = owner[first:last]
        used = np.unique(own) if len(own) else np.zeros(1, int)
        plan = []
        for source in used:
            places = np.flatnonzero(own == source)
            plan.append((places, tuple(within[axis][first:last][places] for axis in axes)))
        plans.append(plan)
        sources.append([np.unravel_index(source, grid) for source in used])
    chunks = [tuple(lengths), *(x.chunks[axis] for axis in others)]
    rows = []
    for at in np.ndindex(*(len(own) for own in chunks)):
        row = []
        for source in sources[at[0]]:
            place = dict(zip(axes, source, strict=True)) | dict(zip(others, at[1:], strict=True))
            row.append(block_number([place[axis] for axis in range(x.ndim)], x.numblocks))
        rows.append(row)
    return on_blocks(
        "points", _Look(axes, plans), [(x, rows)], chunks, x.dtype, "elements point by point", meta=x._kind
    )


class _LookUp:
    """Gives the elements of a vector at a block of indices."""

    def __call__(self, coordinates: tuple[int, ...], vector: Any, index: Any) -> Any:
        return vector[index]


def _looked_up(x: Array, index: Array) -> Array:
    """The elements of a vector of one block at lazy integers."""
    inputs: list[Any] = [(x, [-1]), (index, every_block(index))]
    return on_blocks("points", _LookUp(), inputs, index.chunks, x.dtype, "elements at lazy indices", meta=x._kind)


class PointView:
    """An array indexed point by point."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __getitem__(self, key: Any) -> Array:
        from raskal.array.indexing import is_whole, wrapped

        x = self._array
        entries = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in [entry for entry in entries if not np.ndim(entry)]:
            place = [entry is Ellipsis for entry in entries].index(True)
            entries[place : place + 1] = [slice(None)] * (x.ndim - len(entries) + 1)
        if len(entries) > x.ndim or any(entry is None for entry in entries):
            raise IndexError(f"vindex takes at most one entry for each of the {x.ndim} axes, and no None")
        if lazy := [axis for axis, entry in enumerate(entries) if isinstance(entry, Array)]:
            if len(entries) == 1 and x.ndim == 1 and x.npartitions == 1 and entries[0].dtype.kind in "iu":
                return _looked_up(x, entries[0])
            raise IndexError(
                f"vindex does not support indexing with dask objects, entry {lazy[0]} is lazy\n"
                "hint: compute() it first; a vector of one block can be looked up at lazy integers"
            )
        arrays: dict[int, np.ndarray[Any, Any]] = {}
        rest: list[Any] = [slice(None)] * x.ndim
        for axis, entry in enumerate(entries):
            if isinstance(entry, slice):
                if not is_whole(entry, x.shape[axis]):
                    raise IndexError(
                        f"vindex takes whole slices only, got {entry}\nhint: x[...].vindex[...] in two steps"
                    )
                continue
            index = np.asarray(entry)
            if index.dtype.kind == "b":
                raise IndexError("vindex takes no truth values\nhint: x[mask], or mask.nonzero()")
            if index.dtype.kind not in "iu" and index.size:
                raise IndexError(f"vindex takes integers, got {index.dtype}")
            arrays[axis] = wrapped(index.astype(np.int64), axis, x.shape[axis])
        if not arrays:
            return x
        if not any(index.ndim for index in arrays.values()):
            for axis, index in arrays.items():
                rest[axis] = int(index)
            return x[tuple(rest)]
        try:
            shape = np.broadcast_shapes(*(index.shape for index in arrays.values()))
        except ValueError:
            shapes = [index.shape for index in arrays.values()]
            raise IndexError(f"shape mismatch: index arrays of shapes {shapes} can't be broadcast together") from None
        flat = {axis: np.broadcast_to(index, shape).ravel() for axis, index in arrays.items()}
        result = points(x, flat)
        return result if len(shape) == 1 else result.reshape((*shape, *result.shape[1:]))
