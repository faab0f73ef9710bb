"""NumPy's basic and simple fancy indexing, made into what expressions understand.

Start at `normalize_index`.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np


def normalize_index(key: Any, shape: tuple[int, ...]) -> list[Any]:
    """One entry per axis or new axis: int, slice, None, or one list of ints.

    Raises
    ------
    IndexError
        If the index does not fit the shape.
    NotImplementedError
        For indices whose result shape depends on the elements, or that NumPy would arrange in another order.
    """
    entries = list(key) if isinstance(key, tuple) else [key]
    used = sum(_width(entry) for entry in entries)
    ellipses = [place for place, entry in enumerate(entries) if entry is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if ellipses:
        place = ellipses[0]
        entries[place : place + 1] = [slice(None)] * (len(shape) - used)
    normal = []
    axis = 0
    for entry in entries:
        normal.append(_entry(entry, axis, shape))
        axis += 0 if entry is None else 1
    _check_order(normal)
    return normal


def _width(entry: Any) -> int:
    return 0 if entry is None or entry is Ellipsis else 1


def _entry(entry: Any, axis: int, shape: tuple[int, ...]) -> Any:
    from raskal.array.collection import Array

    if entry is None:
        return None
    if isinstance(entry, slice):
        return slice(*(None if part is None else int(part) for part in (entry.start, entry.stop, entry.step)))
    if isinstance(entry, Array):
        raise NotImplementedError(
            f"indexing by a lazy array of shape {entry.shape} gives a shape that is not known yet\n"
            "hint: index by a NumPy array (call compute() on it first), or keep the shape with raskal.array.where"
        )
    if isinstance(entry, Integral) and not isinstance(entry, (bool, np.bool_)):
        return int(entry)
    if isinstance(entry, np.ndarray) and entry.ndim == 0 and entry.dtype.kind in "iu":
        return int(entry)
    array = np.asarray(entry)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(int)
    if array.ndim != 1 or array.dtype.kind not in "iub":
        raise NotImplementedError(
            f"indexing by {type(entry).__name__} of shape {array.shape} and type {array.dtype} is not supported\n"
            "hint: use integers, slices, or one list of integers or booleans along one axis"
        )
    if array.dtype.kind == "b":
        length = shape[axis] if axis < len(shape) else 0
        if len(array) != length:
            raise IndexError(f"boolean index of length {len(array)} does not match axis {axis} with length {length}")
        array = np.flatnonzero(array)
    return [int(at) for at in array]


def _check_order(entries: list[Any]) -> None:
    """Refuse an integer and a list with a slice between them: NumPy moves that axis to the front."""
    places = [place for place, entry in enumerate(entries) if isinstance(entry, (int, list))]
    lists = [place for place in places if isinstance(entries[place], list)]
    if len(lists) > 1:
        raise NotImplementedError(
            "indexing by more than one list is not supported\nhint: index one axis at a time: x[rows][:, columns]"
        )
    if lists and places[-1] - places[0] + 1 != len(places):
        raise NotImplementedError(
            "an integer and a list with a slice between them is not supported\n"
            "hint: index in two steps: x[0][:, [1, 2]]"
        )
