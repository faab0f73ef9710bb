"""NumPy's indexing: integers, slices, new axes, and arrays of integers or truth values, concrete or lazy.

Start at `get_item`. Slices become views in Rust; one array of integers along an axis a native copy; several arrays are
looked up point by point (`raskal.array.points`); masks give unknown lengths (`raskal.array.selection`).
"""

from __future__ import annotations

import sys
from numbers import Integral
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.host import PLACEHOLDER
from raskal.array.opaque import gathered


def get_item(x: Array, key: Any) -> Array:
    """The elements that an index chooses.

    Raises
    ------
    IndexError
        If the index does not fit the shape.
    """
    if isinstance(key, str) or (isinstance(key, list) and key and all(isinstance(name, str) for name in key)):
        return _fields(x, key)
    entries = _expanded(key, x)
    if len(entries) == x.ndim and all(map(is_whole, entries, x.shape)):
        return x
    if any(isinstance(entry, Array) for entry in entries):
        from raskal.array.selection import lazy_item

        return lazy_item(x, entries)
    return concrete_item(x, entries)


def _fields(x: Array, names: Any) -> Array:
    """Fields of a structured array."""
    from raskal.array.host import elementwise

    if x.dtype.names is None:
        raise IndexError(f"only arrays of records have fields, not {x.dtype}\nhint: index by integers or slices")
    dtype = x.dtype[names]
    if dtype.subdtype is not None:
        return x.map_blocks(_field, names, dtype=dtype.base, chunks=(*x.chunks, *((n,) for n in dtype.shape)),
                            new_axis=list(range(x.ndim, x.ndim + len(dtype.shape))))  # fmt: skip
    return elementwise("field", _field, [x, names], dtype, {}, "fields of records")


def _field(block: Any, names: Any) -> Any:
    return block[names]


def _expanded(key: Any, x: Array) -> list[Any]:
    """One entry per axis or new axis, ellipses and boolean arrays of several axes spelt out."""
    entries = []
    for entry in key if isinstance(key, tuple) else (key,):
        entries.extend(_entries(entry))
    ellipses = [place for place, entry in enumerate(entries) if entry is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    used = sum(_width(entry) for entry in entries)
    if used > x.ndim:
        raise IndexError(f"too many indices: shape {x.shape} has {x.ndim} axes, {used} were indexed")
    place = ellipses[0] if ellipses else len(entries)
    entries[place : place + len(ellipses)] = [slice(None)] * (x.ndim - used)
    axis = 0
    for number, entry in enumerate(entries):
        if isinstance(entry, _Mask):
            if axis in x._unknown or x.shape[axis] != entry.length:
                raise IndexError(
                    f"boolean index did not match indexed array along axis {axis}; size of axis is {x.shape[axis]} but "
                    f"size of corresponding boolean axis is {entry.length}"
                )
            entries[number] = entry.places
        axis += _width(entry)
    return entries


class _Mask:
    """The places where one axis of a boolean array is true."""

    def __init__(self, places: np.ndarray[Any, Any], length: int) -> None:
        self.places, self.length = places, length


def _entries(entry: Any) -> list[Any]:
    if entry is None or entry is Ellipsis:
        return [entry]
    if isinstance(entry, slice):
        return [slice(*(None if part is None else _whole(part) for part in (entry.start, entry.stop, entry.step)))]
    if isinstance(entry, Array):
        if entry.dtype.kind not in "iub":
            raise IndexError(f"arrays used as indices must be of integer (or boolean) type, not {entry.dtype}")
        return [entry]
    if isinstance(entry, Integral) and not isinstance(entry, (bool, np.bool_)):
        return [int(entry)]
    array = np.asarray(entry)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(int)
    if array.dtype.kind not in "iub":
        raise IndexError(
            f"{type(entry).__name__} {str(entry)[:60]!r} is no index\n"
            "hint: use integers, slices, None, '...', or arrays of integers or truth values"
        )
    if array.dtype.kind == "b":
        if array.ndim == 0:
            raise NotImplementedError("a single truth value as an index is not supported\nhint: use x[None] or x[:0]")
        return [_Mask(places, length) for places, length in zip(array.nonzero(), array.shape, strict=True)]
    return [int(array) if array.ndim == 0 else array.astype(np.int64)]


def _whole(part: Any) -> int:
    if isinstance(part, Array):
        return int(part)
    try:
        return part.__index__()
    except AttributeError:
        raise IndexError(f"slice indices must be integers or None, not {type(part).__name__}") from None


def is_whole(entry: Any, length: Any) -> bool:
    """Whether an entry is a slice that keeps an axis as it is."""
    if not isinstance(entry, slice):
        return False
    return entry == slice(None) or (length == length and entry.indices(length) == (0, length, 1))


def _width(entry: Any) -> int:
    """How many axes an entry indexes."""
    if entry is None or entry is Ellipsis:
        return 0
    return entry.ndim if isinstance(entry, Array) and entry.dtype.kind == "b" else 1


def wrapped(indices: np.ndarray[Any, Any], axis: int, length: Any) -> np.ndarray[Any, Any]:
    """Indices counted from the start.

    Raises
    ------
    IndexError
        If one is out of range.
    """
    if indices.size:
        low, high = int(indices.min()), int(indices.max())
        if low < -length or high >= length:
            wrong = low if low < -length else high
            raise IndexError(f"index {wrong} is out of bounds for axis {axis} with size {length}")
    return np.where(indices < 0, indices + length, indices)


def concrete_item(x: Array, entries: list[Any]) -> Array:
    """The elements at an index without lazy arrays."""
    arrays = [entry for entry in entries if isinstance(entry, np.ndarray)]
    # Integers beside arrays count as arrays: NumPy puts the axes of both together.
    basic = [
        slice(None) if isinstance(entry, np.ndarray) or (arrays and isinstance(entry, int)) else entry
        for entry in entries
    ]
    result = _basic(x, basic)
    if not arrays:
        return result
    advanced: dict[int, Any] = {}
    axis = 0
    for entry in entries:
        if isinstance(entry, int):
            advanced[axis] = np.asarray(entry)
        elif isinstance(entry, np.ndarray):
            advanced[axis] = entry
        axis += 1
    places = sorted(advanced)
    for place in places:
        if place in result._unknown:
            raise ValueError(
                f"axis {place} of unknown length can't be indexed by elements\nhint: call compute_chunk_sizes() first"
            )
        advanced[place] = wrapped(advanced[place], place, result.shape[place])
    together = places == list(range(places[0], places[-1] + 1))
    front = places[0] if together else 0
    many = [place for place in places if advanced[place].ndim]
    if len(many) == 1 and advanced[many[0]].ndim == 1:
        (along,) = many
        result = taken(result, along, advanced[along])
        result = _basic(result, [int(advanced[axis]) if axis in advanced and axis != along else slice(None)
                                 for axis in range(result.ndim)])  # fmt: skip
        own = along - sum(place < along for place in places if place != along)
        return result if own == front else _moved(result, own, front)
    from raskal.array.points import points

    if _asked_by_xarray():
        raise NotImplementedError("several lists are indices of points here, xarray means rows and columns")
    shape = np.broadcast_shapes(*(array.shape for array in advanced.values()))
    flat = {axis: np.broadcast_to(array, shape).ravel() for axis, array in advanced.items()}
    result = points(result, flat)
    if front:
        result = _moved(result, 0, front)
    return result.reshape((*result.shape[:front], *shape, *result.shape[front + 1 :])) if len(shape) != 1 else result


def _asked_by_xarray() -> bool:
    """Whether xarray's own indexing is what calls.

    Where Dask is installed it takes arrays with Dask's protocol for Dask's: it tries an outer index (rows and columns)
    on the array as it is, and takes it apart where that is not implemented.
    """
    frame = sys._getframe(2)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("raskal.array"):
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and frame.f_globals.get("__name__") == "xarray.core.indexing"


def _moved(x: Array, source: int, destination: int) -> Array:
    order = [axis for axis in range(x.ndim) if axis != source]
    order.insert(destination, source)
    return x.transpose(order)


def taken(x: Array, axis: int, indices: np.ndarray[Any, Any]) -> Array:
    """Elements along one axis, in blocks as long as the longest one was."""
    longest = max(x.chunks[axis]) or 1
    full, rest = divmod(len(indices), longest)
    lengths = [longest] * full + ([rest] if rest else []) or [0]
    if x._by_hand:
        runs = np.stack([indices, np.ones_like(indices), np.ones_like(indices)], axis=1)
        return gathered(x, axis, runs, lengths)
    axes: list[Any] = [None] * x.ndim
    axes[axis] = (np.ascontiguousarray(indices, np.int64).reshape(-1, 1), lengths)
    return x._same_kind(x._expr.take(axes))


def _basic(x: Array, entries: list[Any]) -> Array:
    """Integers, slices and new axes."""
    if not x._by_hand:
        return x._same_kind(x._expr.get(entries))
    axis = 0
    for entry in entries:
        if isinstance(entry, int) or (isinstance(entry, slice) and entry != slice(None)):
            if axis in x._unknown:
                raise ValueError(
                    f"cannot take {entry} of axis {axis} of unknown length\nhint: call compute_chunk_sizes() first"
                )
            start, stop, step = (slice(entry, entry + 1 or None) if isinstance(entry, int) else entry).indices(
                x.shape[axis]
            )
            elements = np.arange(start, stop, step)
            if isinstance(entry, int) and not len(elements):
                raise IndexError(f"index {entry} is out of bounds for axis {axis} with size {x.shape[axis]}")
            x = taken(x, axis, elements)
        axis += entry is not None
    dropped = tuple(0 if isinstance(entry, int) else entry if entry is None else slice(None) for entry in entries)
    if all(entry == slice(None) for entry in dropped):
        return x
    from raskal.array.host import on_blocks

    chunks: list[tuple[Any, ...]] = []
    blocks: list[int | None] = []
    for entry in dropped:
        own = x.chunks[len(blocks)] if entry is not None else (PLACEHOLDER,)
        if entry is not None:
            blocks.append(-1 if isinstance(entry, int) else len(chunks))
        if not isinstance(entry, int):
            chunks.append(own)
    kind = None if x._kind is None else x._kind[tuple(None if e is None else slice(None) for e in dropped)]
    return on_blocks("getitem", _Cut(dropped), [(x, blocks)], chunks, x.dtype, "blocks of unknown lengths", meta=kind)


class _Cut:
    """Drops and adds axes of a block."""

    def __init__(self, key: tuple[Any, ...]) -> None:
        self.key = key

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return block[self.key]
