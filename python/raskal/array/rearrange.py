"""Elements repeated, padded, rolled, inserted, deleted: every result is chosen elements of what is there.

Start at `repeat` and `pad`. The copies are native (`raskal.array.shape.gather`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from numbers import Integral
from typing import Any

import numpy as np

from raskal.array.chunks import Chunks
from raskal.array.collection import Array
from raskal.array.creation import asarray, full, linspace
from raskal.array.host import on_blocks
from raskal.array.indexing import wrapped
from raskal.array.join import concatenate
from raskal.array.shape import broadcast_to, gather, normalize_axis


def split_lengths(count: int, longest: int) -> tuple[int, ...]:
    """Blocks of ``longest`` elements, the last one shorter."""
    full_blocks, rest = divmod(count, max(longest, 1))
    return (max(longest, 1),) * full_blocks + ((rest,) if rest else ()) or (0,)


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Array:
    """Each element several times.

    Parameters
    ----------
    a : array_like
    repeats : int or sequence of int
        For all elements, or one for each along the axis.
    axis : int, optional
        None flattens first.

    Returns
    -------
    Array
    """
    a = asarray(a)
    if axis is None:
        a, axis = a.ravel(), 0
    axis = normalize_axis(axis, a.ndim)
    a._require_known("repeat")
    counts = np.broadcast_to(np.asarray(repeats), (a.shape[axis],))
    if counts.size and counts.min() < 0:
        raise ValueError(f"repeats may not be negative, got {repeats}")
    lengths: list[int] = []
    first = 0
    for own in a.chunks[axis]:
        count = int(counts[first : first + own].sum())
        lengths.extend(split_lengths(count, max(max(a.chunks[axis]), 1)) if count else ())
        first += own
    return gather(a, {axis: np.repeat(np.arange(a.shape[axis]), counts)}, {axis: lengths or [0]})


def tile(A: Any, reps: Any) -> Array:
    """The array several times along its axes.

    Parameters
    ----------
    A : array_like
    reps : int or sequence of int

    Returns
    -------
    Array
    """
    A = asarray(A)
    counts = tuple(reps) if np.iterable(reps) else (reps,)
    if any(not isinstance(count, Integral) or count < 0 for count in counts):
        raise ValueError(f"reps must be whole numbers that are not negative, got {reps}")
    A = A[(None,) * max(len(counts) - A.ndim, 0)] if len(counts) > A.ndim else A
    counts = (1,) * (A.ndim - len(counts)) + tuple(int(count) for count in counts)
    runs, lengths = {}, {}
    for axis, count in enumerate(counts):
        if count != 1:
            runs[axis] = np.array([[0, 1, A.shape[axis]]] * count, np.int64).reshape(-1, 3)
            lengths[axis] = A.chunks[axis] * count or (0,)
    return gather(A, runs, lengths)


def roll(array: Any, shift: Any, axis: Any = None) -> Array:
    """The elements moved along axes; those that leave at one end come in at the other.

    Parameters
    ----------
    array : array_like
    shift : int or sequence of int
    axis : int or sequence of int, optional
        None rolls the flattened elements.

    Returns
    -------
    Array
    """
    array = asarray(array)
    if axis is None:
        if np.iterable(shift):
            raise TypeError(f"shift={shift} of several numbers needs axis=\nhint: one axis for each shift")
        return roll(array.ravel(), shift, 0).reshape(array.shape)
    axes = list(axis) if np.iterable(axis) else [axis]
    shifts = list(shift) if np.iterable(shift) else [shift] * len(axes)
    if len(axes) == 1 and len(shifts) > 1:
        axes *= len(shifts)
    if len(axes) != len(shifts):
        raise ValueError(f"{len(shifts)} shifts can't move {len(axes)} axes: shift={shift}, axis={axis}")
    runs: dict[int, Any] = {}
    moved = dict.fromkeys((normalize_axis(place, array.ndim) for place in axes), 0)
    for place, by in zip(axes, shifts, strict=True):
        moved[normalize_axis(place, array.ndim)] += int(by)
    for place, by in moved.items():
        length = array.shape[place]
        by = by % length if length else 0
        if by:
            runs[place] = np.array([[length - by, 1, by], [0, 1, length - by]])
    return gather(array, runs, {place: array.chunks[place] for place in runs})


def delete(arr: Any, obj: Any, axis: int | None = None) -> Array:
    """Without some elements along an axis.

    Parameters
    ----------
    arr : array_like
    obj : int, slice or sequence of int or bool
        Which.
    axis : int, optional
        None flattens first.

    Returns
    -------
    Array
    """
    arr = asarray(arr)
    if axis is None:
        arr, axis = arr.ravel(), 0
    axis = normalize_axis(axis, arr.ndim)
    length = arr.shape[axis]
    keep = np.ones(length, bool)
    if isinstance(obj, slice):
        keep[obj] = False
    else:
        index = np.asarray(obj)
        keep[index if index.dtype.kind == "b" else wrapped(index.astype(np.int64), axis, length)] = False
    return arr[(*(slice(None),) * axis, np.flatnonzero(keep))]


def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Array:
    """With values inserted before elements along an axis.

    Parameters
    ----------
    arr : array_like
    obj : int, slice or sequence of int
        Before which elements.
    values : array_like
        Broadcast to what is inserted.
    axis : int
        Along which axis; must be given.

    Returns
    -------
    Array
    """
    arr = asarray(arr)
    if axis is None:
        raise NotImplementedError("insert without axis= is not supported\nhint: insert(arr.ravel(), ..., axis=0)")
    axis = normalize_axis(axis, arr.ndim)
    length = arr.shape[axis]
    index = np.arange(*obj.indices(length)) if isinstance(obj, slice) else np.asarray(obj)
    if index.dtype.kind not in "iu" and index.size:
        raise TypeError(f"insert needs integers, got {index.dtype}")
    single = index.ndim == 0
    index = np.atleast_1d(index).astype(np.int64)
    if index.size and (index.min() < -length or index.max() > length):
        wrong = index.min() if index.min() < -length else index.max()
        raise IndexError(f"index {wrong} is out of bounds for axis {axis} with size {length}")
    index = np.where(index < 0, index + length, index)
    values = asarray(values).astype(arr.dtype)
    shape = (*arr.shape[:axis], len(index), *arr.shape[axis + 1 :])
    if single and values.ndim:
        # NumPy's rule for one place: the values' first axis is what is inserted.
        values = values[(None,) * (arr.ndim - values.ndim)]
        order = [*range(1, axis + 1), 0, *range(axis + 1, arr.ndim)]
        values = values.transpose(order) if values.ndim == arr.ndim else values
        shape = (*arr.shape[:axis], values.shape[axis], *arr.shape[axis + 1 :])
        index = np.repeat(index, shape[axis])
    elif values.ndim == 1 and arr.ndim > 1 and values.shape[0] not in (1, arr.shape[-1]):
        raise ValueError(f"could not broadcast input array from shape {values.shape} into shape {shape}")
    values = broadcast_to(values, shape)
    joined = concatenate([arr, values], axis=axis)
    order_of = np.argsort(index, kind="stable")
    places = np.insert(np.arange(length), index[order_of], length + order_of)
    lengths = split_lengths(len(places), max(arr.chunks[axis]))
    return gather(joined, {axis: places}, {axis: lengths})


def shuffle(x: Any, indexer: Sequence[Sequence[int]], axis: int, chunks: Any = "auto") -> Array:
    """Elements along an axis in groups: each list of indices stays together in one block.

    Parameters
    ----------
    x : array_like
    indexer : list of lists of int
    axis : int
    chunks : "auto"
        Blocks hold as many whole groups as fit the longest block there was.

    Returns
    -------
    Array
    """
    x = asarray(x)
    axis = normalize_axis(axis, x.ndim)
    if np.isnan(x.shape[axis]):
        raise ValueError(f"shuffle needs a known length along axis {axis}\nhint: call compute_chunk_sizes() first")
    if not isinstance(indexer, list) or not all(isinstance(group, list) for group in indexer):
        raise ValueError(f"shuffle takes a list of lists of whole numbers, got {type(indexer).__name__}")
    flat = np.concatenate([np.empty(0, np.int64), *(np.asarray(group, np.int64) for group in indexer)])
    if flat.size and (flat.max() >= x.shape[axis] or flat.min() < 0):
        wrong = flat.max() if flat.min() >= 0 else flat.min()
        raise IndexError(f"index {wrong} is out of bounds for axis {axis} with size {x.shape[axis]}")
    if not isinstance(chunks, str) and chunks is not None:
        raise NotImplementedError(f"chunks={chunks!r} is not supported here\nhint: leave 'auto', then rechunk")
    longest = max(x.chunks[axis])
    lengths: list[int] = []
    room = 0
    for group in indexer:
        if lengths and len(group) <= room:
            lengths[-1] += len(group)
            room -= len(group)
        elif group:
            lengths.append(len(group))
            room = longest - len(group)
    return gather(x, {axis: flat}, {axis: lengths or [0]})


def _pairs(value: Any, ndim: int, what: str) -> list[tuple[Any, Any]]:
    """A pair for each axis, of a number, a pair or pairs."""
    if isinstance(value, dict):
        return [_pair(value.get(axis, value.get(axis - ndim, 0))) for axis in range(ndim)]
    try:
        pairs = np.broadcast_to(np.asarray(value), (ndim, 2))
    except ValueError:
        raise ValueError(f"{what}={value!r} does not give a pair for each of {ndim} axes") from None
    return [(first, last) for first, last in pairs.tolist()]


def _pair(value: Any) -> tuple[Any, Any]:
    return tuple(value) if np.iterable(value) else (value, value)


def _mirrored(length: int, before: int, after: int, edge: bool) -> np.ndarray[Any, Any]:
    """Indices of an axis continued by its mirror image, with the edge element repeated or not."""
    if length == 1:
        return np.zeros(before + 1 + after, np.int64)
    period = np.concatenate([np.arange(length), np.arange(length)[::-1] if edge else np.arange(length)[-2:0:-1]])
    return period[np.arange(-before, length + after) % len(period)]


#: Which element stands at each place of a padded axis, by mode.
_MODES: dict[str, Callable[[int, int, int], np.ndarray[Any, Any]]] = {
    "edge": lambda n, before, after: np.clip(np.arange(-before, n + after), 0, n - 1),
    "wrap": lambda n, before, after: np.arange(-before, n + after) % n,
    "reflect": lambda n, before, after: _mirrored(n, before, after, edge=False),
    "symmetric": lambda n, before, after: _mirrored(n, before, after, edge=True),
}


def padded_lengths(chunks: Sequence[int], before: int, after: int) -> tuple[int, ...]:
    """The blocks of a padded axis: those there were, and some for what is added."""
    longest = max(chunks)
    lengths = [*split_lengths(before, longest)] if before else []
    return (*lengths, *chunks, *(split_lengths(after, longest) if after else ()))


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    """Elements added at both ends of axes, as `numpy.pad`.

    Parameters
    ----------
    array : array_like
    pad_width : int, pair or pairs
        How many before and after, for each axis.
    mode : str or callable
        ``"constant"``, ``"edge"``, ``"wrap"``, ``"reflect"``, ``"symmetric"``, ``"linear_ramp"``, ``"maximum"``,
        ``"mean"``, ``"median"``, ``"minimum"``, ``"empty"`` or a function as of `numpy.pad`.
    **kwargs
        ``constant_values``, ``end_values``, ``stat_length``, ``reflect_type`` or a function's own, as of `numpy.pad`.

    Returns
    -------
    Array
    """
    array = asarray(array)
    widths = [(int(first), int(last)) for first, last in _pairs(pad_width, array.ndim, "pad_width")]
    if any(width < 0 for pair in widths for width in pair):
        raise ValueError(f"index can't contain negative values: pad_width={pad_width}")
    allowed = {
        "constant": {"constant_values"}, "linear_ramp": {"end_values"}, "maximum": {"stat_length"},
        "minimum": {"stat_length"}, "mean": {"stat_length"}, "median": {"stat_length"},
        "reflect": {"reflect_type"}, "symmetric": {"reflect_type"},
    }  # fmt: skip
    if isinstance(mode, str):
        if mode not in (*allowed, "edge", "wrap", "empty"):
            raise ValueError(
                f"mode={mode!r} is not supported\nhint: one of {sorted((*allowed, 'edge', 'wrap', 'empty'))}"
            )
        if wrong := set(kwargs) - allowed.get(mode, set()):
            raise ValueError(f"unsupported keyword arguments for mode '{mode}': {sorted(wrong)}")
    if callable(mode) or kwargs.get("reflect_type", "even") != "even":
        return _padded_whole(array, widths, mode, kwargs)
    if mode in _MODES:
        runs, lengths = {}, {}
        for axis, (before, after) in enumerate(widths):
            length = array.shape[axis]
            if before or after:
                if not length:
                    raise ValueError(f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'")
                own = _MODES[mode](length, before, after)
                runs[axis], lengths[axis] = own, padded_lengths(array.chunks[axis], before, after)
        return gather(array, runs, lengths)
    for axis, (before, after) in enumerate(widths):
        array = concatenate(
            [*_side(array, axis, before, mode, kwargs, 0), array, *_side(array, axis, after, mode, kwargs, 1)], axis
        )
    return array


def _side(array: Array, axis: int, width: int, mode: str, kwargs: dict[str, Any], side: int) -> list[Array]:
    """What is added at one end of an axis."""
    if not width:
        return []
    shape = (*array.shape[:axis], width, *array.shape[axis + 1 :])
    chunks: Chunks = (*array.chunks[:axis], split_lengths(width, max(array.chunks[axis])), *array.chunks[axis + 1 :])
    if mode in ("constant", "empty"):
        value = _pairs(kwargs.get("constant_values", 0), array.ndim, "constant_values")[axis][side]
        return [full(shape, np.asarray(value).astype(array.dtype)[()], dtype=array.dtype, chunks=chunks)]
    before = (slice(None),) * axis
    if mode == "linear_ramp":
        end = _pairs(kwargs.get("end_values", 0), array.ndim, "end_values")[axis][side]
        edge = array[(*before, slice(0, 1) if side == 0 else slice(-1, None))].astype(float)
        part = linspace(0, 1, width, endpoint=False, chunks=chunks[axis])
        part = part[::-1] if side else part
        ramp = part[(*(None,) * axis, slice(None), *(None,) * (array.ndim - axis - 1))]
        result = end + (edge - end) * ramp
        return [(np.trunc(result) if array.dtype.kind in "iu" else result).astype(array.dtype)]  # fmt: skip
    count = (
        _pairs(kwargs.get("stat_length"), array.ndim, "stat_length")[axis][side] if kwargs.get("stat_length") else None
    )
    part = array if count is None else array[(*before, slice(0, count) if side == 0 else slice(-count, None))]
    module: Any = import_module("raskal.array")

    reduce = {"maximum": module.max, "minimum": module.min, "mean": module.mean, "median": module.median}[mode]
    value = reduce(part, axis=axis, keepdims=True)
    if array.dtype.kind in "iu" and value.dtype.kind == "f":
        value = np.rint(value)
    return [broadcast_to(value.astype(array.dtype), shape, chunks)]


class _PadWhole:
    """Pads the one block of an array."""

    def __init__(self, widths: Any, mode: Any, kwargs: dict[str, Any]) -> None:
        self.widths, self.mode, self.kwargs = widths, mode, kwargs

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return np.pad(block, self.widths, self.mode, **self.kwargs)


def _padded_whole(array: Array, widths: list[tuple[int, int]], mode: Any, kwargs: dict[str, Any]) -> Array:
    """Modes that look at whole axes: one block, padded by NumPy, then cut again."""
    whole = array.rechunk(-1)
    chunks = tuple(padded_lengths(own, *pair) for own, pair in zip(array.chunks, widths, strict=True))
    single = tuple((sum(own),) for own in chunks)
    blocks: list[int | None] = [-1] * array.ndim
    result = on_blocks("pad", _PadWhole(widths, mode, kwargs), [(whole, blocks)], single, array.dtype, "pad by NumPy")
    return result.rechunk(chunks)
