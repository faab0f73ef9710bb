"""Norms of vectors and matrices.

Start at `norm`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.decompose import svd


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """The norm of vectors or matrices, as `numpy.linalg.norm`.

    Parameters
    ----------
    x : array_like
    ord : int, float or str, optional
    axis : int or pair of int, optional
    keepdims : bool

    Returns
    -------
    Array
    """
    x = asarray(x)
    if axis is None:
        axes = tuple(range(x.ndim))
    else:
        axes = tuple(axis) if np.iterable(axis) else (int(axis),)
    if len(axes) > 2 and ord is not None or not axes:
        raise ValueError("Improper number of dimensions to norm.")
    x = x.astype(np.promote_types(x.dtype, np.float32 if x.dtype.itemsize <= 2 and x.dtype.kind == "f" else x.dtype))
    if x.dtype.kind in "iub":
        x = x.astype(float)
    if ord is None or (ord == "fro" and len(axes) == 2) or (len(axes) == 1 and ord == 2):
        return np.sqrt((np.absolute(x) ** 2).sum(axis=axes, keepdims=keepdims))
    if ord == "fro":
        raise ValueError("Invalid norm order 'fro' for vectors")
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    return _matrix_norm(x, ord, axes, keepdims)


def _vector_norm(x: Array, ord: Any, axes: Any, keepdims: bool) -> Array:
    size = np.absolute(x)
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord == np.inf:
        return size.max(axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return size.min(axis=axes, keepdims=keepdims)
    if ord == 0:
        return (x != 0).astype(size.dtype).sum(axis=axes, keepdims=keepdims)
    if ord == 1:
        return size.sum(axis=axes, keepdims=keepdims)
    return (size**ord).sum(axis=axes, keepdims=keepdims) ** (1.0 / ord)


def _matrix_norm(x: Array, ord: Any, axes: Any, keepdims: bool) -> Array:
    row, column = axes
    if row % x.ndim == column % x.ndim:
        raise ValueError("Duplicate axes given.")
    if ord in (1, -1, np.inf, -np.inf):
        summed, kept = (row, column) if abs(ord) == 1 else (column, row)
        total = np.absolute(x).sum(axis=summed, keepdims=True)
        found = (total.max if ord > 0 else total.min)(axis=kept, keepdims=True)
        return found if keepdims else found.squeeze(axis=tuple(axis % x.ndim for axis in axes))
    if ord in ("nuc", 2, -2):
        if x.ndim > 2:
            raise NotImplementedError(f"this norm needs a matrix, not shape {x.shape}\nhint: call compute() first")
        values = svd(x.rechunk({1: -1}) if x.numblocks[0] > 1 and x.numblocks[1] > 1 else x)[1][None]
        reduce = {"nuc": values.sum, 2: values.max, -2: values.min}[ord]
        found = reduce(keepdims=True)
        return found if keepdims else found.squeeze(axis=(0, 1))
    raise ValueError(f"Invalid norm order for matrices: {ord!r}")
