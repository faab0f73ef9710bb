"""Names of the array API standard for what NumPy calls otherwise, and what only the standard has.

Start at `ALIASES`; `raskal.array` takes everything from here into its namespace.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import can_cast, finfo, iinfo, isdtype

from raskal.array import ufunc
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.cumulative import cumprod, cumsum
from raskal.array.host import every_block, on_blocks
from raskal.array.join import concatenate
from raskal.array.sets import unique
from raskal.array.shape import normalize_axis, swapaxes, transpose

#: Our function for each name of the standard that NumPy calls otherwise.
ALIASES = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2",
    "atanh": "arctanh", "bitwise_invert": "invert", "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift", "pow": "power",
}  # fmt: skip
globals().update({name: getattr(ufunc, ours) for name, ours in ALIASES.items()})
concat, permute_dims, unique_values = concatenate, transpose, unique


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    """The elements as another type.

    Parameters
    ----------
    x : array_like
    dtype : dtype
    copy, device
        Accepted for the standard's sake.

    Returns
    -------
    Array
    """
    return asarray(x).astype(dtype)


def __array_namespace_info__() -> Any:
    """What the namespace can do, as the array API standard asks: types, devices and capabilities are NumPy's."""
    return np.__array_namespace_info__()


def matrix_transpose(x: Any, /) -> Array:
    """The last two axes exchanged.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    Array
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ValueError(f"a matrix needs two axes, the shape is {x.shape}")
    return swapaxes(x, -1, -2)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """The products of vectors along an axis, the first one conjugated.

    Parameters
    ----------
    x1, x2 : array_like
    axis : int

    Returns
    -------
    Array
    """
    return (asarray(x1).conj() * asarray(x2)).sum(axis=axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The array cut into its elements along an axis.

    Parameters
    ----------
    x : array_like
    axis : int

    Returns
    -------
    tuple of Array
    """
    x = asarray(x)
    before = (slice(None),) * normalize_axis(axis, x.ndim)
    return tuple(x[(*before, number)] for number in range(x.shape[len(before)]))


def _cumulative(name: str, ours: Any) -> Any:
    def function(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Array:
        x = asarray(x)
        if axis is None:
            if x.ndim != 1:
                raise ValueError(f"{name} of {x.ndim} axes needs axis=")
            axis = 0
        result = ours(x, axis=axis, dtype=dtype)
        if not include_initial:
            return result
        first = np.full([1 if place == axis % x.ndim else n for place, n in enumerate(x.shape)], name.endswith("prod"))
        return concatenate([asarray(first.astype(result.dtype)), result], axis=axis)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Running results along an axis; as `numpy.{name}`."
    return function


cumulative_sum = _cumulative("cumulative_sum", cumsum)
cumulative_prod = _cumulative("cumulative_prod", cumprod)


def unique_counts(x: Any, /) -> tuple[Array, Array]:
    """The values and how often each comes; as `numpy.unique_counts`."""
    return unique(x, return_counts=True)


def unique_inverse(x: Any, /) -> tuple[Array, Array]:
    """The values and the place of each element's one; as `numpy.unique_inverse`."""
    return unique(x, return_inverse=True)


def unique_all(x: Any, /) -> tuple[Array, Array, Array, Array]:
    """The values, where they come first, their places, and their counts; as `numpy.unique_all`."""
    return unique(x, return_index=True, return_inverse=True, return_counts=True)


class _AlongAxis:
    """A function of NumPy along an axis of which a block has all."""

    def __init__(self, name: str, axis: int, kwargs: dict[str, Any]) -> None:
        self.name, self.axis, self.kwargs = name, axis, kwargs

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        return getattr(np, self.name)(*blocks, axis=self.axis, **self.kwargs)


def _sorter(name: str, text: str, dtype: Any) -> Any:
    def function(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
        x = asarray(x)
        axis = normalize_axis(axis, x.ndim)
        whole = x.rechunk({axis: -1})
        if descending:
            whole = whole[(*(slice(None),) * axis, slice(None, None, -1))]
        call = _AlongAxis(name, axis, {"stable": stable})
        inputs = [(whole, every_block(whole))]
        reason = f"no native kernel for {name}"
        result = on_blocks(name, call, inputs, whole.chunks, dtype or x.dtype, reason, meta=x._kind)
        if descending:
            result = result[(*(slice(None),) * axis, slice(None, None, -1))]
            result = x.shape[axis] - 1 - result if name == "argsort" else result
        return result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{text} along an axis, which is gathered in one block.

    Parameters
    ----------
    x : array_like
    axis : int
    descending : bool
        Whether the largest come first.
    stable : bool
        Whether equal elements keep their order.

    Returns
    -------
    Array
    """
    return function


sort = _sorter("sort", "The elements in order", None)
argsort = _sorter("argsort", "The places of the elements in order", np.dtype(np.intp))


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Array:
    """An element along an axis for each index, as `numpy.take_along_axis`; the axis is gathered in one block.

    Parameters
    ----------
    x, indices : array_like
        Of the same shape but along the axis.
    axis : int

    Returns
    -------
    Array
    """
    x, indices = asarray(x), asarray(indices)
    axis = normalize_axis(axis, x.ndim)
    if x.ndim != indices.ndim or any(
        own != other for place, (own, other) in enumerate(zip(x.shape, indices.shape, strict=True)) if place != axis
    ):
        raise ValueError(f"shapes {x.shape} and {indices.shape} differ besides axis {axis}\nhint: broadcast_to first")
    x = x.rechunk({axis: -1})
    indices = indices.rechunk({place: -1 if place == axis else x.chunks[place] for place in range(x.ndim)})
    inputs = [(x, every_block(x)), (indices, every_block(indices))]
    call = _AlongAxis("take_along_axis", axis, {})
    return on_blocks("take_along_axis", call, inputs, indices.chunks, x.dtype, "no native kernel", meta=x._kind)


__all__ = [
    "argsort", "astype", "can_cast", "concat", "cumulative_prod", "cumulative_sum", "finfo", "iinfo", "isdtype",
    "matrix_transpose", "permute_dims", "sort", "take_along_axis", "unique_all", "unique_counts", "unique_inverse",
    "unique_values", "unstack", "vecdot", *ALIASES,
]  # fmt: skip
