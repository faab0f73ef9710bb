"""Functions on the shape of arrays: joined, reordered, cut.

Start at `concatenate` or `transpose`. All but joining and rechunking are views that cost no task of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raskal._raskal import ArrayExpr, NoKernel
from raskal.array.chunks import normalize_chunks
from raskal.array.collection import Array
from raskal.array.creation import asarray


def normalize_axis(axis: int, ndim: int) -> int:
    """An axis counted from the first.

    Raises
    ------
    numpy.exceptions.AxisError
        If there is no such axis.
    """
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return int(axis) % ndim


def concatenate(seq: Sequence[Any], axis: int | None = 0, allow_unknown_chunksizes: bool = False) -> Array:
    """Arrays one after the other along an axis.

    Parameters
    ----------
    seq : sequence of array_like
        Of equal shapes but along the axis.
    axis : int or None
        None flattens them first.
    allow_unknown_chunksizes : bool
        Accepted for Dask's sake.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If the shapes do not fit; the message shows them.
    """
    arrays = [asarray(array) for array in seq]
    if not arrays:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        arrays, axis = [array.ravel() for array in arrays], 0
    axis = normalize_axis(axis, arrays[0].ndim)
    try:
        return Array(ArrayExpr.concatenate([array._expr for array in arrays], axis))
    except NoKernel:
        common = np.result_type(*(array.dtype for array in arrays))
        return Array(ArrayExpr.concatenate([array.astype(common)._expr for array in arrays], axis))


def stack(seq: Sequence[Any], axis: int = 0, allow_unknown_chunksizes: bool = False) -> Array:
    """Arrays along a new axis.

    Parameters
    ----------
    seq : sequence of array_like
        Of equal shapes.
    axis : int
        Where the new axis goes.
    allow_unknown_chunksizes : bool
        Accepted for Dask's sake.

    Returns
    -------
    Array
    """
    arrays = [asarray(array) for array in seq]
    if not arrays:
        raise ValueError("need at least one array to stack")
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(f"stacked arrays must have the same shape, got {sorted(shapes)}\nhint: use concatenate")
    axis = normalize_axis(axis, arrays[0].ndim + 1)
    return concatenate([expand_dims(array, axis) for array in arrays], axis)


def vstack(tup: Sequence[Any], allow_unknown_chunksizes: bool = False) -> Array:
    """Arrays one below the other.

    Parameters
    ----------
    tup : sequence of array_like
    allow_unknown_chunksizes : bool
        Accepted for Dask's sake.

    Returns
    -------
    Array
    """
    arrays = [asarray(array) for array in tup]
    return concatenate([array[(None,) * (2 - array.ndim)] if array.ndim < 2 else array for array in arrays], 0)


def hstack(tup: Sequence[Any], allow_unknown_chunksizes: bool = False) -> Array:
    """Arrays one beside the other.

    Parameters
    ----------
    tup : sequence of array_like
    allow_unknown_chunksizes : bool
        Accepted for Dask's sake.

    Returns
    -------
    Array
    """
    arrays = [array[None] if array.ndim == 0 else array for array in map(asarray, tup)]
    return concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1)


def expand_dims(a: Any, axis: Any) -> Array:
    """With new axes of length 1.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int
        Their places in the result.

    Returns
    -------
    Array
    """
    a = asarray(a)
    new = axis if isinstance(axis, tuple) else (axis,)
    ndim = a.ndim + len(new)
    places = {normalize_axis(place, ndim) for place in new}
    return a[tuple(None if place in places else slice(None) for place in range(ndim))]


def squeeze(a: Any, axis: Any = None) -> Array:
    """Without axes of length 1.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        Only these.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If an axis is longer.
    """
    a = asarray(a)
    if axis is None:
        axes = {place for place, length in enumerate(a.shape) if length == 1}
    else:
        axes = {normalize_axis(place, a.ndim) for place in (axis if isinstance(axis, tuple) else (axis,))}
    for place in axes:
        if a.shape[place] != 1:
            raise ValueError(f"cannot squeeze axis {place} of length {a.shape[place]} of shape {a.shape}")
    return a[tuple(0 if place in axes else slice(None) for place in range(a.ndim))]


def transpose(a: Any, axes: Any = None) -> Array:
    """The axes in another order.

    Parameters
    ----------
    a : array_like
    axes : sequence of int, optional
        Turned round by default.

    Returns
    -------
    Array
    """
    return asarray(a).transpose(axes)


def swapaxes(a: Any, axis1: int, axis2: int) -> Array:
    """Two axes exchanged.

    Parameters
    ----------
    a : array_like
    axis1, axis2 : int

    Returns
    -------
    Array
    """
    a = asarray(a)
    order = list(range(a.ndim))
    first, second = normalize_axis(axis1, a.ndim), normalize_axis(axis2, a.ndim)
    order[first], order[second] = second, first
    return a.transpose(order)


def moveaxis(a: Any, source: Any, destination: Any) -> Array:
    """Axes moved to other places, the others in their order.

    Parameters
    ----------
    a : array_like
    source, destination : int or sequence of int

    Returns
    -------
    Array
    """
    a = asarray(a)
    sources = [normalize_axis(axis, a.ndim) for axis in (source if np.iterable(source) else [source])]
    places = [normalize_axis(axis, a.ndim) for axis in (destination if np.iterable(destination) else [destination])]
    if len(sources) != len(places):
        raise ValueError(f"{len(sources)} source axes can't move to {len(places)} places")
    order = [axis for axis in range(a.ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return a.transpose(order)


def flip(m: Any, axis: Any = None) -> Array:
    """The elements in reverse order along axes.

    Parameters
    ----------
    m : array_like
    axis : int or tuple of int, optional
        All by default.

    Returns
    -------
    Array
    """
    m = asarray(m)
    axes = range(m.ndim) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    turned = {normalize_axis(place, m.ndim) for place in axes}
    return m[tuple(slice(None, None, -1) if place in turned else slice(None) for place in range(m.ndim))]


def take(a: Any, indices: Any, axis: int = 0) -> Array:
    """Chosen elements along an axis.

    Parameters
    ----------
    a : array_like
    indices : int or 1-d array of int
    axis : int

    Returns
    -------
    Array
    """
    a = asarray(a)
    return a[(*(slice(None),) * normalize_axis(axis, a.ndim), indices)]


def reshape(x: Any, shape: Any, merge_chunks: bool = True, limit: Any = None) -> Array:
    """The same elements in row-major order under another shape; as `Array.reshape`.

    Parameters
    ----------
    x : array_like
    shape : int or tuple of int
    merge_chunks, limit
        Accepted for Dask's sake.

    Returns
    -------
    Array
    """
    return asarray(x).reshape(shape)


def ravel(array_like: Any) -> Array:
    """The elements along one axis.

    Parameters
    ----------
    array_like : array_like

    Returns
    -------
    Array
    """
    return asarray(array_like).ravel()


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
    return asarray(x).rechunk(chunks, threshold, block_size_limit, balance, method)


def broadcast_to(x: Any, shape: Any, chunks: Any = None, meta: Any = None) -> Array:
    """Stretched to a shape.

    Parameters
    ----------
    x : array_like
    shape : int or tuple of int
    chunks : optional
        Of the result; the new axes are single blocks by default.
    meta : None
        Accepted for Dask's sake.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If an axis has neither the wanted length nor length 1.
    """
    x = asarray(x)
    shape = tuple(int(length) for length in (shape if np.iterable(shape) else (shape,)))
    lengths = None if chunks is None else normalize_chunks(chunks, shape, dtype=x.dtype)
    return Array(x._expr.broadcast_to(shape, lengths))
