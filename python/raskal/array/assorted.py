"""Functions that choose among arrays, or apply one's own along axes.

Start at `apply_along_axis` and `select`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskal.array.chunks import normalize_chunks
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import bounds, elementwise, every_block, on_blocks
from raskal.array.shape import expand_dims, normalize_axis


class _AlongAxis:
    """A function of one-dimensional slices of a block."""

    def __init__(self, function: Callable[..., Any], axis: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function, self.axis, self.args, self.kwargs = function, axis, args, kwargs

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return np.apply_along_axis(self.function, self.axis, block, *self.args, **self.kwargs)


def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, dtype: Any = None, shape: Any = None, **kwargs: Any
) -> Array:
    """A function on every one-dimensional slice along an axis.

    Parameters
    ----------
    func1d : callable
    axis : int
    arr : array_like
    *args, **kwargs
        Given to the function.
    dtype : dtype, optional
        Of what the function gives; found by calling it on ones if it is missing.
    shape : tuple of int, optional
        Of what the function gives; likewise.

    Returns
    -------
    Array
    """
    arr = asarray(arr)
    axis = normalize_axis(axis, arr.ndim)
    if dtype is None or shape is None:
        try:
            found = np.asarray(func1d(np.ones(arr.shape[axis], arr.dtype), *args, **kwargs))
        except Exception as error:
            raise ValueError(
                f"the shape of what {getattr(func1d, '__name__', func1d)!r} gives could not be found: {error}\n"
                "hint: pass dtype= and shape="
            ) from error
        dtype = found.dtype if dtype is None else dtype
        shape = found.shape if shape is None else shape
    shape = tuple(shape) if np.iterable(shape) else (shape,)
    whole = arr.rechunk({axis: -1})
    chunks = [*whole.chunks[:axis], *((length,) for length in shape), *whole.chunks[axis + 1 :]]
    blocks: list[int | None] = [
        -1 if place == axis else place if place < axis else place - 1 + len(shape) for place in range(arr.ndim)
    ]
    call = _AlongAxis(func1d, axis, args, kwargs)
    name = "apply_along_axis"
    return on_blocks(name, call, [(whole, blocks)], chunks, dtype, "a function of one's own along an axis")


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Array:
    """A function of an array and an axis, applied along several axes one after the other.

    Parameters
    ----------
    func : callable
        ``func(a, axis)`` gives an array of as many axes, or of one less.
    a : array_like
    axes : int or sequence of int

    Returns
    -------
    Array
    """
    a = asarray(a)
    result = a
    for axis in axes if np.iterable(axes) else [axes]:
        axis = normalize_axis(axis, a.ndim)
        found = func(result, axis)
        if found.ndim == a.ndim - 1:
            found = expand_dims(found, axis)
        if found.ndim != a.ndim:
            raise ValueError(
                f"a function over axes must keep the number of axes or lose one: {a.ndim} became {found.ndim}"
            )
        result = found
    return result


def _choose(index: Any, *choices: Any) -> Any:
    return np.choose(index, choices)


def choose(a: Any, choices: Sequence[Any]) -> Array:
    """Each element from the array that an index names.

    Parameters
    ----------
    a : array_like of int
    choices : sequence of array_like

    Returns
    -------
    Array
    """
    arrays = [asarray(choice) for choice in choices]
    dtype = np.result_type(*(choice.dtype for choice in arrays))
    return elementwise("choose", _choose, [asarray(a), *arrays], dtype, {}, "no native kernel for choose")


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Array:
    """Each element from the first array whose condition is true.

    Parameters
    ----------
    condlist : sequence of array_like of bool
    choicelist : sequence of array_like
    default : array_like
        Where no condition is true.

    Returns
    -------
    Array
    """
    from raskal.array.ufunc import where

    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(f"list of cases must be same length as list of conditions: {len(condlist)}, {len(choicelist)}")
    conditions = [asarray(condition) for condition in condlist]
    if any(condition.dtype != bool for condition in conditions):
        raise TypeError(f"conditions must be boolean, got {[str(condition.dtype) for condition in conditions]}")
    choices = [asarray(choice) for choice in choicelist]
    scalar = default if type(default) in (bool, int, float, complex) else asarray(default)
    dtype = np.result_type(*(choice.dtype for choice in choices), getattr(scalar, "dtype", scalar))
    result: Any = asarray(default).astype(dtype)
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        result = where(condition, choice.astype(dtype), result)
    return result


def _piecewise(x: Any, *conditions: Any, funclist: Any, args: Any, kwargs: Any) -> Any:
    return np.piecewise(x, list(conditions), funclist, *args, **kwargs)


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """Another function for each part of the array.

    Parameters
    ----------
    x : array_like
    condlist : array_like of bool, or list of them
        Which elements each function gets.
    funclist : list of callable or scalar
        One for each condition, and one for the rest.
    *args, **kw
        Given to the functions.

    Returns
    -------
    Array
    """
    x = asarray(x)
    conditions = condlist if isinstance(condlist, (list, tuple)) and not np.isscalar(condlist[0]) else [condlist]
    arrays = [asarray(condition) for condition in conditions]
    kwargs = {"funclist": list(funclist), "args": args, "kwargs": kw}
    return elementwise("piecewise", _piecewise, [x, *arrays], x.dtype, kwargs, "functions of parts of the array")


class _FromFunction:
    """Calls a function with the coordinates of a block's elements."""

    def __init__(
        self, function: Callable[..., Any], limits: list[list[int]], dtype: Any, kwargs: dict[str, Any]
    ) -> None:
        self.function, self.limits, self.dtype, self.kwargs = function, limits, dtype, kwargs

    def __call__(self, coordinates: tuple[int, ...]) -> Any:
        spans = [(limit[at], limit[at + 1]) for limit, at in zip(self.limits, coordinates, strict=True)]
        grids = np.indices([last - first for first, last in spans], dtype=self.dtype)
        coordinates_of = [grid + np.asarray(first, self.dtype) for grid, (first, _) in zip(grids, spans, strict=True)]
        result = self.function(*coordinates_of, **self.kwargs)
        return np.array(np.broadcast_to(result, [last - first for first, last in spans]))


def fromfunction(
    func: Callable[..., Any], chunks: Any = "auto", shape: Any = None, dtype: Any = None, **kwargs: Any
) -> Array:
    """The values of a function of coordinates.

    Parameters
    ----------
    func : callable
        Gets an array of coordinates for each axis.
    chunks : int, tuple or str
    shape : tuple of int
    dtype : dtype
        Of the coordinates.
    **kwargs
        Given to the function.

    Returns
    -------
    Array
    """
    dtype = np.dtype(dtype or float)
    lengths = normalize_chunks(chunks, shape, dtype=dtype)
    call = _FromFunction(func, [bounds(own) for own in lengths], dtype, kwargs)
    tiny = _FromFunction(func, [[0, 1]] * len(lengths), dtype, kwargs)((0,) * len(lengths))
    return on_blocks("fromfunction", call, [], lengths, tiny.dtype, "a function of coordinates")


def view(a: Any, dtype: Any = None, order: str = "C") -> Array:
    """The bytes of elements read as another type.

    Parameters
    ----------
    a : array_like
    dtype : dtype
        If its size is another, the last axis (the first if ``order`` is "F") changes its length.
    order : {"C", "F"}

    Returns
    -------
    Array
    """
    a = asarray(a)
    dtype = np.dtype(a.dtype if dtype is None else dtype)
    if order not in ("C", "F"):
        raise ValueError(f"order must be one of 'C' or 'F', got {order!r}")
    if dtype.itemsize == a.dtype.itemsize:
        return on_blocks("view", _View(dtype, order), [(a, every_block(a))], a.chunks, dtype, "bytes as another type")
    axis = a.ndim - 1 if order == "C" else 0
    ratio = a.dtype.itemsize / dtype.itemsize
    lengths = tuple(length * ratio for length in a.chunks[axis])
    if any(length != int(length) for length in lengths):
        raise ValueError(
            f"blocks of {a.chunks[axis]} elements of {a.dtype} along axis {axis} hold no whole number of {dtype}\n"
            "hint: rechunk first"
        )
    chunks = [*a.chunks]
    chunks[axis] = tuple(int(length) for length in lengths)
    return on_blocks("view", _View(dtype, order), [(a, every_block(a))], chunks, dtype, "bytes as another type")


class _View:
    """Reads the bytes of a block as another type."""

    def __init__(self, dtype: Any, order: str) -> None:
        self.dtype, self.order = dtype, order

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        block = np.asarray(block, order=self.order)  # type: ignore[call-overload]
        return block.T.view(self.dtype).T if self.order == "F" else np.ascontiguousarray(block).view(self.dtype)


def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Array, ...]:
    """Indices in row-major order as coordinates.

    Parameters
    ----------
    indices : array_like of int
    shape : tuple of int
    order : {"C", "F"}

    Returns
    -------
    tuple of Array
    """
    indices = asarray(indices)
    results = []
    for axis in range(len(shape)):
        kwargs = {"shape": tuple(shape), "order": order, "axis": axis}
        results.append(
            elementwise("unravel_index", _unravel, [indices], np.int64, kwargs, "no native kernel for unravel_index")
        )
    return tuple(results)


def _unravel(block: Any, shape: Any, order: Any, axis: int) -> Any:
    return np.unravel_index(block, shape, order)[axis]


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Array:
    """Coordinates as indices in row-major order.

    Parameters
    ----------
    multi_index : Array, shape (d, ...), or sequence of array_like
    dims : tuple of int
    mode : {"raise", "wrap", "clip"}
        What becomes of coordinates out of range.
    order : {"C", "F"}

    Returns
    -------
    Array of int
    """
    if isinstance(dims, Array) or np.isscalar(dims):
        raise NotImplementedError(f"dims must be a tuple of numbers, got {type(dims).__name__}")
    if isinstance(multi_index, Array):
        parts = [multi_index[axis] for axis in range(multi_index.shape[0])]
    else:
        parts = [asarray(part) for part in multi_index]
    kwargs = {"dims": tuple(dims), "mode": mode, "order": order}
    return elementwise("ravel_multi_index", _ravel, parts, np.int64, kwargs, "no native kernel for ravel_multi_index")


def _ravel(*parts: Any, dims: Any, mode: Any, order: Any) -> Any:
    return np.ravel_multi_index(np.broadcast_arrays(*parts), dims, mode, order)


def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """The type that arrays and types together promote to, as `numpy.result_type`.

    Parameters
    ----------
    *arrays_and_dtypes : array_like or dtype

    Returns
    -------
    dtype
    """
    return np.result_type(*(own.dtype if isinstance(own, Array) else own for own in arrays_and_dtypes))


def shape(array: Any) -> tuple[Any, ...]:
    """The length along each axis.

    Parameters
    ----------
    array : array_like

    Returns
    -------
    tuple of int
    """
    return asarray(array).shape


def ndim(a: Any) -> int:
    """The number of axes.

    Parameters
    ----------
    a : array_like

    Returns
    -------
    int
    """
    return asarray(a).ndim


def reshape_blockwise(x: Any, shape: Any, chunks: Any = None) -> Array:
    """Another shape of each block by itself: no element leaves its block, so that the order may differ from NumPy's.

    Parameters
    ----------
    x : array_like
    shape : tuple of int
    chunks : tuple of tuples of int
        Of the result, if it has more axes than the array.

    Returns
    -------
    Array
    """
    x = asarray(x)
    shape = tuple(shape) if np.iterable(shape) else (shape,)
    if x.size != np.prod(shape):
        raise ValueError(f"cannot reshape an array of shape {x.shape} into {shape}: total sizes differ")
    if chunks is None:
        if len(shape) > x.ndim:
            raise TypeError("Need to specify chunks if expanding dimensions.")
        if len(shape) == x.ndim:
            if shape != x.shape:
                raise ValueError(f"Dimension mismatch: {x.shape} can't become {shape} block by block")
            return x
        groups = _merged_groups(x.shape, shape)
        chunks = tuple(
            tuple(int(np.prod(own)) for own in itertools.product(*(x.chunks[axis] for axis in group)))
            for group in groups
        )
    lengths = tuple(tuple(own) for own in chunks)
    sizes = [int(np.prod(own)) for own in itertools.product(*lengths)]
    if sizes != [int(np.prod(own)) for own in itertools.product(*x.chunks)]:
        raise ValueError(f"chunks {lengths} do not hold the same blocks as {x.chunks}")
    rows = [[number] for number in range(x.npartitions)]
    call = _Blockwise(lengths)
    return on_blocks("reshape_blockwise", call, [(x, rows)], lengths, x.dtype, "blocks in another shape")


class _Blockwise:
    """Gives a block the shape that the result's chunks say."""

    def __init__(self, chunks: Any) -> None:
        self.chunks = chunks

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return block.reshape(tuple(own[at] for own, at in zip(self.chunks, coordinates, strict=True)))


def _merged_groups(old: tuple[int, ...], new: tuple[int, ...]) -> list[list[int]]:
    """The axes of an old shape that make up each axis of a new one."""
    groups, axis = [], 0
    for length in new:
        group: list[int] = []
        size = 1
        while axis < len(old) and (size < length or not group):
            group.append(axis)
            size *= old[axis]
            axis += 1
        if size != length:
            raise ValueError(f"shape {old} can't become {new} by merging neighbouring axes\nhint: pass chunks=")
        groups.append(group)
    return groups
