"""What native copies can't do: arrays of unknown lengths, rearranged and cut block by block.

Start at `gathered` (elements along an axis), `chosen_blocks` and `with_lengths`, which computes what is unknown.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from raskal.array.blockview import concatenate_blocks
from raskal.array.collection import Array
from raskal.array.host import block_number, bounds, every_block, on_blocks

REASON = "blocks of unknown lengths"


class _Transpose:
    """Permutes the axes of a block."""

    def __init__(self, order: Sequence[int]) -> None:
        self.order = tuple(order)

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return block.transpose(self.order)


def transposed(x: Array, order: Sequence[int]) -> Array:
    """The axes in another order, of an array of unknown lengths."""
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"axes {tuple(order)} are not a permutation of the {x.ndim} axes of shape {x.shape}")
    places: list[int | None] = [list(order).index(axis) for axis in range(x.ndim)]
    chunks = [x.chunks[axis] for axis in order]
    return on_blocks("transpose", _Transpose(order), [(x, places)], chunks, x.dtype, REASON, meta=x._kind)


class _Reshape:
    """Gives a block another shape, of which one length may be open."""

    def __init__(self, shapes: list[tuple[int, ...]]) -> None:
        self.shapes = shapes

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return block.reshape(self.shapes[0])


def reshaped(x: Array, shape: tuple[Any, ...]) -> Array:
    """Another shape of an array whose first axis alone is unknown and alone is cut: the rest may change."""
    shape = tuple(-1 if length != length else int(length) for length in shape)
    rest = x.shape[1:]
    if shape == (-1,) and x.ndim == 1:
        return x
    whole = all(count == 1 for count in x.numblocks[1:])
    if x._unknown != {0} or not whole or shape[:1] != (-1,) or math.prod(shape[1:]) == 0:
        raise ValueError(
            f"cannot reshape an array of shape {x.shape} in chunks {x.chunks} to {shape}\n"
            "hint: call compute_chunk_sizes() first; without, only the axes after the first can change"
        )
    if len(shape) > 1 and math.prod(shape[1:]) != math.prod(rest):
        raise ValueError(f"cannot reshape an array of shape {x.shape} to {shape}: the lengths after the first differ")
    chunks = [x.chunks[0], *[(length,) for length in shape[1:]]]
    first: list[int | None] = [0, *[-1] * (x.ndim - 1)]
    return on_blocks("reshape", _Reshape([shape]), [(x, first)], chunks, x.dtype, REASON, meta=x._kind)


class _Gather:
    """Puts a block together from slices along one axis of its inputs."""

    def __init__(self, axis: int, parts: list[list[tuple[int, slice]]]) -> None:
        self.axis, self.parts = axis, parts

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        before = (slice(None),) * self.axis
        pieces = [blocks[number][(*before, part)] for number, part in self.parts[coordinates[self.axis]]]
        return concatenate_blocks(pieces, self.axis)


def gathered(x: Array, axis: int, runs: np.ndarray[Any, Any], lengths: Sequence[int]) -> Array:
    """The elements of runs (start, step, count) along an axis of known length, in blocks of ``lengths``."""
    limits = bounds(x.chunks[axis])
    elements = np.concatenate(
        [np.empty(0, int), *(start + step * np.arange(count) for start, step, count in runs.tolist())]
    )
    owner = np.searchsorted(limits, elements, side="right") - 1
    sources: list[list[int]] = []
    parts: list[list[tuple[int, slice]]] = []
    for first, last in itertools.pairwise(bounds(lengths)):
        own, part, own_parts = owner[first:last], elements[first:last], []
        used = list(dict.fromkeys(own.tolist())) or [0]
        cuts = [0, *(np.flatnonzero((np.diff(own) != 0) | (np.diff(part) != 1)) + 1).tolist(), len(part)]
        for low, high in itertools.pairwise(cuts):
            if low == high:
                continue
            start = int(part[low]) - limits[own[low]]
            own_parts.append((used.index(int(own[low])), slice(start, start + high - low)))
        sources.append(used)
        parts.append(own_parts or [(0, slice(0, 0))])
    chunks = [*x.chunks[:axis], tuple(lengths), *x.chunks[axis + 1 :]]
    grid = [len(own) for own in chunks]
    rows = []
    for at in np.ndindex(*grid):
        row = [block_number((*at[:axis], source, *at[axis + 1 :]), x.numblocks) for source in sources[at[axis]]]
        rows.append(row)
    return on_blocks("take", _Gather(axis, parts), [(x, rows)], chunks, x.dtype, REASON, meta=x._kind)


def same_block(coordinates: tuple[int, ...], block: Any) -> Any:
    """Give a block on."""
    return block


def chosen_blocks(x: Array, chosen: Sequence[Sequence[int]]) -> Array:
    """The array of chosen blocks along each axis."""
    if all(list(own) == list(range(count)) for own, count in zip(chosen, x.numblocks, strict=True)):
        return x
    if not x._opaque and all(len(own) for own in chosen):
        from raskal.array.shape import gather

        runs, lengths = {}, {}
        for axis, own in enumerate(chosen):
            limits = bounds(x.chunks[axis])
            if list(own) != list(range(x.numblocks[axis])):
                lengths[axis] = [x.chunks[axis][block] for block in own]
                runs[axis] = np.array([[limits[block], 1, x.chunks[axis][block]] for block in own])
        return gather(x, runs, lengths)
    chunks = [tuple(x.chunks[axis][block] for block in own) or (0,) for axis, own in enumerate(chosen)]
    rows = [
        [block_number([own[place] for own, place in zip(chosen, at, strict=True)], x.numblocks)]
        for at in np.ndindex(*(len(own) for own in chosen))
    ]
    if not rows:
        raise IndexError("no block is chosen\nhint: slice the array itself for an empty one")
    return on_blocks("blocks", same_block, [(x, rows)], chunks, x.dtype, "chosen blocks", meta=x._kind)


def _shape_of(coordinates: tuple[int, ...], block: Any) -> Any:
    return np.array(block.shape, np.int64).reshape((1,) * len(block.shape) + (-1,))


class _Announced:
    """Gives a block on if it has the shape that was computed before."""

    def __init__(self, chunks: Sequence[Sequence[int]]) -> None:
        self.chunks = chunks

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        shape = tuple(own[at] for own, at in zip(self.chunks, coordinates, strict=True))
        if tuple(block.shape) != shape:
            raise ValueError(
                f"the block at {coordinates} has shape {block.shape}, but had {shape} when lengths were computed\n"
                "hint: persist() what gives other results each time before compute_chunk_sizes()"
            )
        return block


def with_lengths(x: Array) -> Array:
    """The array with known lengths, which this computes."""
    chunks = [*((1,) * count for count in x.numblocks), (x.ndim,)]
    shapes = on_blocks("shapes", _shape_of, [(x, every_block(x))], chunks, np.int64, "shapes of blocks").compute()
    shapes = np.asarray(shapes).reshape((*x.numblocks, x.ndim))
    lengths = []
    for axis in range(x.ndim):
        own = np.moveaxis(shapes[..., axis], axis, 0).reshape(x.numblocks[axis], -1)
        if (own != own[:, :1]).any():
            raise ValueError(
                f"blocks do not have the same lengths along axis {axis}: {np.unique(own, axis=1).tolist()}"
            )
        lengths.append(tuple(own[:, 0].tolist()))
    return on_blocks(
        "known", _Announced(lengths), [(x, every_block(x))], lengths, x.dtype, "lengths computed before", meta=x._kind
    )
