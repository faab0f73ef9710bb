"""What users write for ``chunks=``, made into block lengths along each axis.

Start at `normalize_chunks`. The arithmetic is in Rust: crates/raskal-array/src/normalize.rs.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np

from raskal import config
from raskal._raskal import normalize_array_chunks

Chunks = tuple[tuple[Any, ...], ...]


def normalize_chunks(
    chunks: Any, shape: Any = None, limit: Any = None, dtype: Any = None, previous_chunks: Chunks | None = None
) -> Chunks:
    """Make explicit chunks of any way to write them.

    Parameters
    ----------
    chunks : int, tuple, dict, str or None
        One entry for all axes or one per axis: a block length in elements, -1 or None for a single block, explicit
        lengths, ``"auto"``, or a size such as ``"64 MiB"``.
    shape : tuple of int
        Length along each axis.
    limit : int or str, optional
        Bytes that an automatic block may hold; the setting ``array.chunk-size`` by default.
    dtype : dtype, optional
        Element type, for sizes in bytes.
    previous_chunks : tuple of tuple of int, optional
        Chunks that automatic ones should be multiples of.

    Returns
    -------
    tuple of tuple of int
        Block lengths along each axis.

    Raises
    ------
    ValueError
        If the chunks do not sum to the shape.

    Examples
    --------
    >>> normalize_chunks((2, -1), shape=(5, 3))
    ((2, 2, 1), (3,))
    """
    if shape is None:
        if isinstance(chunks, tuple) and all(isinstance(axis, tuple) for axis in chunks):
            shape = tuple(sum(axis) for axis in chunks)
        else:
            raise ValueError("chunks need a shape\nhint: pass shape=, or every block length")
    shape = tuple(shape if np.iterable(shape) else (shape,))
    if any(length != length for length in shape):
        return _with_unknown(chunks, shape, limit, dtype, previous_chunks)
    shape = tuple(int(length) for length in shape)
    if any(length < 0 for length in shape):
        raise ValueError(f"negative dimensions are not allowed: shape {shape}")
    if not shape:
        return ()
    specs = _per_axis(chunks, shape)
    if previous_chunks is not None and any(isinstance(own, Integral) for own in previous_chunks):
        previous_chunks = normalize_chunks(tuple(previous_chunks), shape)
    size = str(limit if limit is not None else config.get("array.chunk-size", "128MiB"))
    specs = [size if isinstance(spec, str) and spec == "auto" else spec for spec in specs]
    itemsize = np.dtype(dtype).itemsize if dtype is not None else 8
    return normalize_array_chunks(shape, specs, max(itemsize, 1), previous_chunks)


def _with_unknown(chunks: Any, shape: tuple[Any, ...], limit: Any, dtype: Any, previous: Chunks | None) -> Chunks:
    """Chunks of a shape in which some lengths are unknown: along those the blocks must be given."""
    entries = list(chunks) if isinstance(chunks, (tuple, list)) else [chunks] * len(shape)
    if len(entries) != len(shape):
        raise ValueError(f"chunks {chunks} have {len(entries)} axes, shape {shape} has {len(shape)}")
    known = [axis for axis, length in enumerate(shape) if length == length]
    own = None if previous is None else tuple(previous[axis] for axis in known)
    lengths = iter(normalize_chunks(tuple(entries[axis] for axis in known), tuple(shape[axis] for axis in known), limit,
                                    dtype, own) if known else ())  # fmt: skip
    result = []
    for axis, entry in enumerate(entries):
        if axis in known:
            result.append(next(lengths))
        elif isinstance(entry, (tuple, list)):
            result.append(tuple(entry))
        elif entry in (-1, "auto", None):
            result.append((np.nan,))
        else:
            raise ValueError(f"chunks along axis {axis} of unknown length must be nan for each block, got {entry}")
    return tuple(result)


def _per_axis(chunks: Any, shape: tuple[int, ...]) -> list[Any]:
    """One entry per axis."""
    if isinstance(chunks, Mapping):
        return [_axis(chunks.get(axis, chunks.get(axis - len(shape)))) for axis in range(len(shape))]
    if chunks is None or isinstance(chunks, (str, Integral)):
        return [_axis(-1 if chunks is None else chunks)] * len(shape)
    entries = list(chunks)
    if len(shape) == 1 and len(entries) > 1 and all(isinstance(entry, Integral) for entry in entries):
        return [[int(entry) for entry in entries]]
    return [_axis(entry) for entry in entries]


def _axis(entry: Any) -> Any:
    if entry is None or isinstance(entry, str):
        return entry
    if isinstance(entry, Integral):
        return int(entry)
    return [int(length) for length in entry]
