"""Coordinates of elements, and elements of coordinates.

Start at `fromfunction`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.chunks import normalize_chunks
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import bounds, elementwise, on_blocks


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
    if isinstance(multi_index, Array) and 0 in multi_index._unknown:
        call = _RavelRows({"dims": tuple(dims), "mode": mode, "order": order})
        inputs: list[Any] = [(multi_index, [None, *range(multi_index.ndim - 1)])]
        return on_blocks(
            "ravel_multi_index", call, inputs, multi_index.chunks[1:], np.int64, "an unknown number of axes"
        )
    if isinstance(multi_index, Array):
        parts = [multi_index[axis] for axis in range(multi_index.shape[0])]
    else:
        parts = [asarray(part) for part in multi_index]
    kwargs: dict[str, Any] = {"dims": tuple(dims), "mode": mode, "order": order}
    return elementwise("ravel_multi_index", _ravel, parts, np.int64, kwargs, "no native kernel for ravel_multi_index")


class _RavelRows:
    """Joins the rows of coordinates, of which nobody knew how many there are."""

    def __init__(self, kwargs: dict[str, Any]) -> None:
        self.kwargs = kwargs

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        return np.ravel_multi_index(tuple(np.concatenate(blocks)), **self.kwargs)


def _ravel(*parts: Any, dims: Any, mode: Any, order: Any) -> Any:
    return np.ravel_multi_index(np.broadcast_arrays(*parts), dims, mode, order)
