"""Functions on the shape of arrays: axes reordered, added, dropped, stretched.

Start at `transpose`; `gather` is the one copy that most rearrangements are. The others are views without tasks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.chunks import normalize_chunks
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import unify


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


def gather(x: Array, chosen: dict[int, np.ndarray[Any, Any]], lengths: dict[int, Any]) -> Array:
    """Elements along several axes at once, by one native copy.

    ``chosen`` holds for an axis its indices, or runs as rows of start, step and count; ``lengths`` the result's blocks.
    """
    if not chosen:
        return x
    if x._by_hand:
        return _gathered(x, chosen, lengths)
    axes: list[Any] = [None] * x.ndim
    for axis, own in chosen.items():
        rows = np.ascontiguousarray(own if own.ndim == 2 else own.reshape(-1, 1), np.int64)
        axes[axis] = (rows.reshape(-1, 3) if not rows.size else rows, [int(length) for length in lengths[axis]])
    return x._same_kind(x._expr.take(axes))


def _gathered(x: Array, chosen: dict[int, np.ndarray[Any, Any]], lengths: dict[int, Any]) -> Array:
    """As `gather`, of blocks that native copies do not know, axis by axis."""
    from raskal.array.opaque import gathered

    for axis, own in chosen.items():
        if axis in x._unknown:
            raise ValueError(
                f"axis {axis} of unknown length can't be rearranged, the shape is {x.shape}\n"
                "hint: call compute_chunk_sizes() first, which computes it"
            )
        runs = own if own.ndim == 2 else np.stack([own, np.ones_like(own), np.ones_like(own)], axis=1)
        x = gathered(x, axis, runs.astype(np.int64), [int(length) for length in lengths[axis]])
    return x


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


def take(a: Any, indices: Any, axis: int | None = 0) -> Array:
    """Chosen elements along an axis.

    Parameters
    ----------
    a : array_like
    indices : int or array of int
    axis : int or None
        None flattens first.

    Returns
    -------
    Array
    """
    a = asarray(a)
    if axis is None:
        a, axis = a.ravel(), 0
    if not isinstance(indices, Array):
        indices = np.asarray(indices)
        indices = indices.astype(np.int64) if not indices.size else indices
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
    return asarray(array_like).reshape((-1,))


flatten = ravel


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
    shape = tuple(shape if np.iterable(shape) else (shape,))
    if x._unknown:
        return broadcast_unknown(x, shape)
    if any(length != length for length in shape):
        raise ValueError(
            f"cannot broadcast shape {x.shape} to unknown lengths {shape}\nhint: call compute_chunk_sizes()"
        )
    shape = tuple(int(length) for length in shape)
    lengths = None if chunks is None else normalize_chunks(chunks, shape, dtype=x.dtype)
    return x._same_kind(x._expr.broadcast_to(shape, lengths))


def broadcast_unknown(x: Array, shape: tuple[Any, ...]) -> Array:
    """An array of unknown lengths with new axes before its own."""
    new = len(shape) - x.ndim
    same = all(own == wanted or own != own for own, wanted in zip(x.shape, shape[max(new, 0) :], strict=True))
    if new < 0 or not same:
        raise ValueError(f"cannot broadcast unknown shape {x.shape} to {shape}\nhint: call compute_chunk_sizes() first")
    if new == 0:
        return x
    wide = x[(None,) * new]
    return wide if shape[:new] == (1,) * new else wide + asarray(np.zeros(shape[:new] + (1,) * x.ndim, x.dtype))


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Array, ...]:
    """Arrays stretched to their common shape.

    Parameters
    ----------
    *args : array_like
    subok : bool
        Accepted for NumPy's sake.

    Returns
    -------
    tuple of Array
    """
    if not args:
        return ()
    arrays, chunks = unify([asarray(arg) for arg in args], "broadcast_arrays")
    shape = tuple(sum(axis) for axis in chunks)
    return tuple(broadcast_to(array, shape, chunks if not array._unknown else None) for array in arrays)


def _at_least(name: str, ndim: int, raised: Any) -> Any:
    def function(*arys: Any) -> Any:
        results = tuple(raised(asarray(ary)) for ary in arys)
        return results[0] if len(results) == 1 else results

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Arrays with at least {ndim} axes, as `numpy.{name}`.

    Parameters
    ----------
    *arys : array_like

    Returns
    -------
    Array or tuple of Array
    """
    return function


def _raised_3d(x: Array) -> Array:
    return x[None, None, None] if x.ndim == 0 else x[None, :, None] if x.ndim == 1 else x[:, :, None]


atleast_1d = _at_least("atleast_1d", 1, lambda x: x if x.ndim else x[None])
atleast_2d = _at_least("atleast_2d", 2, lambda x: x if x.ndim > 1 else x[(None,) * (2 - x.ndim)])
atleast_3d = _at_least("atleast_3d", 3, lambda x: x if x.ndim > 2 else _raised_3d(x))


def rollaxis(a: Any, axis: int, start: int = 0) -> Array:
    """An axis moved before another.

    Parameters
    ----------
    a : array_like
    axis, start : int

    Returns
    -------
    Array
    """
    a = asarray(a)
    axis = normalize_axis(axis, a.ndim)
    if not -a.ndim <= start <= a.ndim:
        raise np.exceptions.AxisError(start, a.ndim + 1)
    start = start + a.ndim if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


def flipud(m: Any) -> Array:
    """The rows in reverse order; as `flip` along axis 0."""
    return flip(m, 0)


def fliplr(m: Any) -> Array:
    """The columns in reverse order; as `flip` along axis 1."""
    m = asarray(m)
    if m.ndim < 2:
        raise ValueError(f"fliplr needs two axes, the shape is {m.shape}\nhint: use flip")
    return flip(m, 1)


def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Array:
    """Turned by a number of right angles, from the first towards the second axis.

    Parameters
    ----------
    m : array_like
    k : int
    axes : pair of int

    Returns
    -------
    Array
    """
    m = asarray(m)
    first, second = (normalize_axis(axis, m.ndim) for axis in axes)
    if first == second:
        raise ValueError(f"axes must be different, got {tuple(axes)}")
    k %= 4
    if k == 0:
        return m
    if k == 2:
        return flip(m, (first, second))
    return swapaxes(flip(m, second), first, second) if k == 1 else flip(swapaxes(m, first, second), second)
