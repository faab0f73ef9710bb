"""Diagonals and triangles, and the grids of indices they are made of.

Start at `tri` and `diagonal`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal._raskal import ArrayExpr
from raskal.array.chunks import normalize_chunks
from raskal.array.collection import Array
from raskal.array.creation import asarray, eye, zeros
from raskal.array.elementwise import where
from raskal.array.points import points
from raskal.array.rearrange import pad, split_lengths
from raskal.array.shape import normalize_axis


def tri(
    N: int, M: int | None = None, k: int = 0, dtype: Any = float, chunks: Any = "auto", *, like: Any = None
) -> Array:
    """Ones on and below a diagonal, zeros above.

    Parameters
    ----------
    N, M : int
        Rows and columns; as many columns as rows by default.
    k : int
        The diagonal: 0 the main one, positive above it.
    dtype : dtype
    chunks : int, tuple or str
    like : None
        Accepted for Dask's sake.

    Returns
    -------
    Array, shape (N, M)
    """
    lengths = normalize_chunks(chunks, (int(N), int(N if M is None else M)), dtype=dtype)
    row, column = (Array._of(ArrayExpr.index(axis, lengths)) for axis in (0, 1))
    return (row + int(k) >= column).astype(dtype)


def _triangles(lower: bool) -> Any:
    """The functions of the lower or the upper triangle: of an array, its indices, and those of an array's shape."""
    letter, side, other = ("l", "lower", "above") if lower else ("u", "upper", "below")

    def triangle(m: Any, k: int = 0) -> Array:
        m = asarray(m)
        if m.ndim < 2:
            raise ValueError(f"a triangle needs two axes, the shape is {m.shape}")
        mask = tri(m.shape[-2], m.shape[-1], k if lower else k - 1, dtype=bool, chunks=m.chunks[-2:])
        zero = m.dtype.type(0)
        return where(mask, m, zero) if lower else where(mask, zero, m)

    def places(n: int, k: int = 0, m: int | None = None, chunks: Any = "auto") -> tuple[Array, ...]:
        from raskal.array.selection import nonzero

        mask = tri(n, m, k=k if lower else k - 1, dtype=bool, chunks=chunks)
        return nonzero(mask if lower else ~mask)

    def places_from(arr: Any, k: int = 0) -> tuple[Array, ...]:
        arr = asarray(arr)
        if arr.ndim != 2:
            raise ValueError(f"input array must be 2-d, got shape {arr.shape}")
        return places(arr.shape[0], k, arr.shape[1], arr.chunks)

    triangle.__doc__ = f"""The array with zeros {other} a diagonal.

    Parameters
    ----------
    m : array_like
    k : int
        The diagonal: 0 the main one, positive above it.

    Returns
    -------
    Array
    """
    places.__doc__ = f"""The indices of the {side} triangle of an (n, m) array; as `nonzero` of `tri`.

    Parameters
    ----------
    n, k, m : int
    chunks : int, tuple or str

    Returns
    -------
    tuple of Array, shape (unknown,)
    """
    places_from.__doc__ = f"As `tri{letter}_indices`, for the shape of an array."
    for function, suffix in ((triangle, ""), (places, "_indices"), (places_from, "_indices_from")):
        function.__name__ = function.__qualname__ = f"tri{letter}{suffix}"
    return triangle, places, places_from


tril, tril_indices, tril_indices_from = _triangles(lower=True)
triu, triu_indices, triu_indices_from = _triangles(lower=False)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonal of two axes, as a new last axis.

    Parameters
    ----------
    a : array_like
    offset : int
        0 the main diagonal, positive above it.
    axis1, axis2 : int

    Returns
    -------
    Array
    """
    a = asarray(a)
    if a.ndim < 2:
        raise ValueError(f"a diagonal needs two axes, the shape is {a.shape}")
    first, second = normalize_axis(axis1, a.ndim), normalize_axis(axis2, a.ndim)
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    row, column = max(-offset, 0), max(offset, 0)
    count = max(min(a.shape[first] - row, a.shape[second] - column), 0)
    along = np.arange(count)
    chosen = points(a, {first: along + row, second: along + column})
    chosen = chosen.transpose([*range(1, chosen.ndim), 0])
    longest = max(max(a.chunks[first]), max(a.chunks[second]), 1)
    return chosen.rechunk({chosen.ndim - 1: split_lengths(count, longest)})


def diag(v: Any, k: int = 0) -> Array:
    """The diagonal of a matrix, or a matrix with a diagonal.

    Parameters
    ----------
    v : array_like, one or two axes
    k : int
        The diagonal: 0 the main one, positive above it.

    Returns
    -------
    Array
    """
    v = asarray(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag: Array must be 1d or 2d only, not of shape {v.shape}")
    count = v.shape[0]
    square = where(eye(count, chunks=(v.chunks[0], v.chunks[0]), dtype=bool), v, v.dtype.type(0))
    if count == 0:
        square = zeros((0, 0), dtype=v.dtype)
    return pad(square, [(max(-k, 0), max(k, 0)), (max(k, 0), max(-k, 0))]) if k else square


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Array:
    """The sum of a diagonal of two axes.

    Parameters
    ----------
    a : array_like
    offset, axis1, axis2 : int
        As of `diagonal`.
    dtype : dtype, optional

    Returns
    -------
    Array
    """
    from raskal.array.reductions import sum

    return sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


def indices(dimensions: Any, dtype: Any = int, chunks: Any = "auto") -> Array:
    """The index of each element along every axis, as a new first axis.

    Parameters
    ----------
    dimensions : sequence of int
    dtype : dtype
    chunks : int, tuple or str
        Of the axes but the first.

    Returns
    -------
    Array, shape (n, *dimensions)
    """
    from raskal.array.join import stack

    dimensions = tuple(int(length) for length in dimensions)
    lengths = normalize_chunks(chunks, dimensions, dtype=dtype)
    if len(lengths) != len(dimensions):
        raise ValueError(f"chunks {chunks} do not fit dimensions {dimensions}")
    if not dimensions:
        return zeros((0,), dtype=dtype)
    return stack([Array._of(ArrayExpr.index(axis, lengths)).astype(dtype) for axis in range(len(dimensions))])


def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy", **kwargs: Any) -> list[Array]:
    """Coordinate matrices of coordinate vectors.

    Parameters
    ----------
    *xi : array_like, one axis each
    sparse : bool
        Whether axes that repeat keep length 1.
    indexing : {"xy", "ij"}
    **kwargs
        ``copy`` as of `numpy.meshgrid`.

    Returns
    -------
    list of Array
    """
    from raskal.array.shape import broadcast_arrays

    kwargs.pop("copy", None)
    if kwargs:
        raise TypeError(f"unsupported keyword argument(s) provided: {sorted(kwargs)}")
    if indexing not in ("ij", "xy"):
        raise ValueError(f'indexing must be "ij" or "xy", got {indexing!r}')
    arrays = [asarray(x).ravel() for x in xi]
    order = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        order[0], order[1] = 1, 0
    grid = [
        array[tuple(slice(None) if place == own else None for place in range(len(arrays)))]
        for array, own in zip(arrays, order, strict=True)
    ]
    return grid if sparse else list(broadcast_arrays(*grid))
