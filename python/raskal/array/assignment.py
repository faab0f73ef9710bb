"""Assignment to elements of a lazy array: another expression, in which they are replaced.

Start at `assigned`. An index along each axis becomes a list that says which element of the value goes where; an index
of several arrays, or a mask, is looked up block by block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.host import bounds, every_block, on_blocks
from raskal.array.indexing import _expanded, wrapped


def assigned(x: Array, key: Any, value: Any) -> Array:
    """The array with ``value`` at the elements that ``key`` chooses.

    Raises
    ------
    IndexError
        If the index does not fit the shape.
    ValueError
        If the value does not fit the elements.
    """
    from raskal.array.creation import asarray

    if value is np.ma.masked or (x._kind is not None and np.ndim(value) == 0):
        return _assigned_kind(x, key, value)
    value = asarray(value)
    if not np.can_cast(value.dtype, x.dtype, casting="unsafe"):
        raise TypeError(f"cannot assign {value.dtype} to elements of {x.dtype}")
    if value.dtype != x.dtype:
        value = value.astype(x.dtype)
    entries = [entry for entry in _expanded(key, x) if entry is not None]
    lazy = [entry for entry in entries if isinstance(entry, Array)]
    if lazy:
        return _by_mask(x, entries, lazy, value)
    x._require_known("assignment")
    arrays = [entry for entry in entries if isinstance(entry, np.ndarray)]
    if len(arrays) > 1 or any(array.ndim > 1 for array in arrays):
        return _by_points(x, entries, value)
    return _by_axes(x, entries, value)


def _by_mask(x: Array, entries: list[Any], lazy: list[Array], value: Array) -> Array:
    from raskal.array.elementwise import where

    (mask,) = lazy if len(lazy) == 1 else (lazy[0],)
    if len(lazy) > 1 or mask.dtype.kind != "b":
        raise NotImplementedError(
            "assignment at lazy integers is not supported\nhint: compute() the index, or assign at a lazy mask"
        )
    place = next(number for number, entry in enumerate(entries) if isinstance(entry, Array))
    if any(entry != slice(None) for number, entry in enumerate(entries) if number != place):
        raise NotImplementedError("a lazy mask beside other indices is not supported\nhint: combine them into one mask")
    if value.ndim and value.shape != (1,) * value.ndim and value.ndim > x.ndim - mask.ndim:
        raise ValueError(
            f"cannot assign values of shape {value.shape} at a lazy mask: how many it selects is not known yet\n"
            "hint: assign one value, or x = raskal.array.where(mask, values, x) with values of the array's shape"
        )
    if mask.ndim < x.ndim:
        mask = mask[(*(None,) * place, ..., *(None,) * (x.ndim - place - mask.ndim))]
        if place and value.ndim:
            raise NotImplementedError("a lazy mask after the first axis takes a single value\nhint: use where")
    return where(mask, value.reshape(()) if value.size == 1 else value, x)


def _by_axes(x: Array, entries: list[Any], value: Array) -> Array:
    """Integers, slices and one list: each axis has its own list of what goes where."""
    from raskal.array.creation import asarray
    from raskal.array.elementwise import where
    from raskal.array.shape import gather

    sources: list[np.ndarray[Any, Any]] = []
    kept: list[int] = []
    for axis, entry in enumerate(entries):
        length = x.shape[axis]
        source = np.full(length, -1, np.int64)
        if isinstance(entry, int):
            source[wrapped(np.asarray(entry), axis, length)] = 0
        elif isinstance(entry, slice):
            chosen = np.arange(length)[entry]
            source[chosen] = np.arange(len(chosen))
        else:
            source[wrapped(entry, axis, length)] = np.arange(len(entry))
        sources.append(source)
        if not isinstance(entry, int):
            kept.append(axis)
    counts = [
        1
        if isinstance(entry, int)
        else len(entry)
        if isinstance(entry, np.ndarray)
        else int(source.max(initial=-1)) + 1
        for entry, source in zip(entries, sources, strict=True)
    ]
    shape = tuple(counts[axis] for axis in kept)
    front = _list_goes_first(entries)
    if front is not None:
        # NumPy puts the list's axis first when integers are apart from it.
        order = [kept.index(front), *(place for place, axis in enumerate(kept) if axis != front)]
        value = _fitted(value, tuple(shape[place] for place in order))
        value = value.transpose([order.index(place) for place in range(len(order))])
    else:
        value = _fitted(value, shape)
    if 0 in shape or 0 in x.shape:
        return x
    value = value[tuple(None if isinstance(entry, int) else slice(None) for entry in entries)]
    runs = {}
    for axis, source in enumerate(sources):
        if value.shape[axis] != 1 or x.shape[axis] != 1:
            whole = value.shape[axis] == 1
            runs[axis] = np.zeros(x.shape[axis], np.int64) if whole else np.maximum(source, 0)
    spread = {axis: run for axis, run in runs.items() if value.shape[axis] != 1}
    value = gather(value, spread, {axis: x.chunks[axis] for axis in spread})
    inside: Any = None
    for axis, source in enumerate(sources):
        if (source >= 0).all():
            continue
        own = _along(source >= 0, axis, x)
        inside = own if inside is None else inside & own
    inside = asarray(np.ones((1,) * x.ndim, bool)) if inside is None else inside
    if x._kind is not None or value._kind is not None:
        from raskal.array.ma import where as masked_where

        return masked_where(inside, value, x)
    return where(inside, value, x)


def _list_goes_first(entries: list[Any]) -> int | None:
    places = [place for place, entry in enumerate(entries) if isinstance(entry, (int, np.ndarray))]
    lists = [place for place in places if isinstance(entries[place], np.ndarray)]
    apart = lists and places[-1] - places[0] + 1 != len(places)
    return lists[0] if apart else None


def _along(truth: np.ndarray[Any, Any], axis: int, x: Array) -> Array:
    from raskal.array.creation import from_array

    own = from_array(truth, chunks=(x.chunks[axis],))
    return own[tuple(slice(None) if place == axis else None for place in range(x.ndim))]


def _fitted(value: Array, shape: tuple[int, ...]) -> Array:
    """The value with as many axes as the chosen elements have, of the same lengths or 1."""
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value[0]
    if value.ndim < len(shape):
        value = value[(None,) * (len(shape) - value.ndim)]
    if value.ndim > len(shape) or any(own not in (1, length) for own, length in zip(value.shape, shape, strict=True)):
        raise ValueError(f"could not broadcast input array from shape {value.shape} into shape {shape}")
    return value


class _Put:
    """Replaces points of a block by elements of a value of one axis."""

    def __init__(self, plans: dict[tuple[int, ...], tuple[tuple[Any, ...], Any]]) -> None:
        self.plans = plans

    def __call__(self, coordinates: tuple[int, ...], block: Any, value: Any) -> Any:
        plan = self.plans.get(coordinates)
        if plan is None:
            return block
        own, places = plan
        block = block.copy()
        block[own] = value[places]
        return block


def _by_points(x: Array, entries: list[Any], value: Array) -> Array:
    """Several lists of integers: every chosen point, block by block."""
    from raskal.array.shape import broadcast_to

    # What each of the array's elements would be shows where each chosen one lies, in NumPy's own order.
    probes = []
    for axis, length in enumerate(x.shape):
        shape = [1] * x.ndim
        shape[axis] = length
        probe = np.broadcast_to(np.arange(length).reshape(shape), x.shape)[tuple(entries)]
        probes.append(probe)
    shape_of = probes[0].shape
    value = broadcast_to(_fitted(value, shape_of), shape_of).ravel().rechunk(-1)
    indices = [probe.ravel() for probe in probes]
    limits = [bounds(own) for own in x.chunks]
    owners = [np.searchsorted(limit, index, side="right") - 1 for limit, index in zip(limits, indices, strict=True)]
    owner = np.ravel_multi_index(tuple(owners), x.numblocks) if len(indices[0]) else np.zeros(0, int)
    plans = {}
    for number in np.unique(owner):
        places = np.flatnonzero(owner == number)
        at = tuple(int(place) for place in np.unravel_index(number, x.numblocks))
        own = tuple(index[places] - limit[spot] for index, limit, spot in zip(indices, limits, at, strict=True))
        plans[at] = (own, places)
    inputs: list[tuple[Array, Any]] = [(x, every_block(x)), (value, [-1])]
    return on_blocks("setitem", _Put(plans), inputs, x.chunks, x.dtype, "assignment point by point", meta=x._kind)


class _SetKind:
    """Assigns to a part of a block, by the block's own rules."""

    def __init__(self, value: Any) -> None:
        # The constant is one object per process, which can't travel.
        self.masks, self.value = value is np.ma.masked, None if value is np.ma.masked else value

    def __call__(self, coordinates: tuple[int, ...], block: Any, *masks: Any) -> Any:
        block = np.ma.array(block) if self.masks else block.copy()
        block[np.broadcast_to(masks[0], block.shape)] = np.ma.masked if self.masks else self.value
        return block


def _assigned_kind(x: Array, key: Any, value: Any) -> Array:
    """Assignment of one value, such as `numpy.ma.masked`, to blocks that are masked or become so."""
    from raskal.array.creation import full

    if value is not np.ma.masked and np.ndim(value) != 0:
        raise NotImplementedError("arrays can't be assigned to masked arrays\nhint: assign one value, or use ma.where")
    flags = full(x.shape, False, chunks=x.chunks)
    flags[key] = True
    meta = x._meta
    if value is np.ma.masked:
        meta = np.ma.array(meta)
    call = _SetKind(value)
    inputs: list[tuple[Array, Any]] = [(x, every_block(x)), (flags, every_block(flags))]
    return on_blocks("setitem", call, inputs, x.chunks, x.dtype, "assignment to masked blocks", meta=meta)
