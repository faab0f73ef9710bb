"""Functions that choose among arrays, or apply one's own along axes.

Start at `apply_along_axis` and `select`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import elementwise, on_blocks
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
    from raskal.array.elementwise import where

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
