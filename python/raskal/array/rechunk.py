"""The same elements in other blocks.

Start at `rechunked`. The copies are native: crates/raskal-array/src/assemble.rs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.chunks import normalize_chunks
from raskal.array.collection import Array
from raskal.array.opaque import gathered


def rechunked(x: Array, chunks: Any, limit: Any, balance: bool) -> Array:
    """The array in blocks of what a user wrote for ``chunks=``."""
    if isinstance(chunks, dict):
        if named := [axis for axis in chunks if not isinstance(axis, (int, np.integer))]:
            raise TypeError(f"cannot rechunk axis {named[0]!r}\nhint: axes are whole numbers, such as {{0: 100}}")
        wrong = [axis for axis in chunks if not -x.ndim <= axis < x.ndim]
        if wrong:
            raise ValueError(f"cannot rechunk axis {wrong[0]} of an array of {x.ndim} axes\nhint: axes count from 0")
        chunks = {axis % x.ndim: entry for axis, entry in chunks.items()}
        chunks = tuple(chunks.get(axis, x.chunks[axis]) for axis in range(x.ndim))
        chunks = tuple(x.chunks[axis] if entry is None else entry for axis, entry in enumerate(chunks))
    elif isinstance(chunks, (tuple, list)) and x.ndim == len(chunks) and not _is_one_axis(chunks, x):
        chunks = tuple(x.chunks[axis] if entry is None else entry for axis, entry in enumerate(chunks))
    if not x._unknown:
        new = normalize_chunks(chunks, x.shape, limit, x.dtype, x.chunks)
        if balance:
            new = tuple(balanced(axis) for axis in new)
        if x._by_hand:
            return _by_hand(x, dict(enumerate(new)))
        return x._same_kind(x._expr.rechunk(new))
    entries = chunks if isinstance(chunks, tuple) else (chunks,) * x.ndim
    known = [axis for axis in range(x.ndim) if axis not in x._unknown]
    for axis in x._unknown:
        entry = entries[axis]
        if isinstance(entry, tuple) and len(entry) != x.numblocks[axis]:
            raise ValueError(
                f"cannot rechunk axis {axis} of unknown length from {x.numblocks[axis]} to {len(entry)} blocks\n"
                "hint: call compute_chunk_sizes() first, which computes the lengths"
            )
        if entry is not None and not (isinstance(entry, tuple) and any(length != length for length in entry)):
            if entry in (-1, "auto") and x.numblocks[axis] == 1:
                continue
            raise ValueError(
                f"cannot rechunk axis {axis} of unknown length, chunks {x.chunks[axis]}\n"
                "hint: call compute_chunk_sizes() first, which computes them"
            )
    shape = tuple(x.shape[axis] for axis in known)
    previous = tuple(x.chunks[axis] for axis in known)
    new = normalize_chunks(tuple(entries[axis] for axis in known), shape, limit, x.dtype, previous)
    return _by_hand(x, dict(zip(known, new, strict=True)))


def _by_hand(x: Array, new: dict[int, tuple[int, ...]]) -> Array:
    """Other blocks along axes of known length, block by block."""
    for axis, lengths in new.items():
        if lengths != x.chunks[axis]:
            x = gathered(x, axis, np.array([[0, 1, x.shape[axis]]]), lengths)
    return x


def _is_one_axis(chunks: Any, x: Array) -> bool:
    """Whether explicit lengths of a single axis are meant: ``(2, 3)`` of an array of 5 elements."""
    return x.ndim == 1 and len(chunks) > 1


def balanced(lengths: tuple[int, ...]) -> tuple[int, ...]:
    """About as many blocks, of lengths that differ as little as they can."""
    total, longest = sum(lengths), max(lengths)
    if not total:
        return lengths
    count = max(round(total / longest), 1)
    best = -(-total // count)
    full, rest = divmod(total, best)
    return (best,) * full + ((rest,) if rest else ())


def rechunk(
    x: Any,
    chunks: Any = "auto",
    threshold: Any = None,
    block_size_limit: Any = None,
    balance: bool = False,
    method: Any = None,
) -> Array:
    """The same elements in other blocks; as `Array.rechunk`.

    Parameters
    ----------
    x : array_like
    chunks, threshold, block_size_limit, balance, method
        As of `Array.rechunk`.

    Returns
    -------
    Array
    """
    from raskal.array.creation import asarray

    return asarray(x).rechunk(chunks, threshold, block_size_limit, balance, method)
