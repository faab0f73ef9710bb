"""Elementwise functions that are no ufuncs: choices, limits, rounding, comparisons within a tolerance.

Start at `where`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal._raskal import NoKernel
from raskal.array.host import elementwise
from raskal.array.ufunc import apply_ufunc, check_numbers, operand, written


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Elements of ``x`` where the condition is true, of ``y`` elsewhere.

    Parameters
    ----------
    condition, x, y : array_like
        Broadcast against each other. Without ``x`` and ``y`` the places where the condition is true, as `nonzero`.

    Returns
    -------
    Array, or tuple of Array

    Raises
    ------
    ValueError
        If only one of ``x`` and ``y`` is given.
    """
    from raskal.array.collection import Array
    from raskal.array.creation import asarray

    if x is None and y is None:
        from raskal.array.selection import nonzero

        return nonzero(condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    if np.isscalar(condition):
        from raskal.array.shape import broadcast_arrays

        yes, no = (asarray(value) for value in (x, y))
        common = np.result_type(_weak(x), _weak(y))
        return broadcast_arrays(yes, no)[0 if condition else 1].astype(common)
    operands = [asarray(condition), operand(x), operand(y)]
    try:
        if any(type(value) is complex or (isinstance(value, Array) and value._opaque) for value in operands):
            raise NoKernel("blocks that native kernels do not know")
        check_numbers(operands[1:], "where")
        exprs = [value._expr if isinstance(value, Array) else value for value in operands]
        return Array._of(exprs[0].select(exprs[1], exprs[2]))
    except NoKernel as error:
        types = [_weak(value) for value in operands[1:]]
        return elementwise("where", np.where, operands, np.result_type(*types), {}, str(error))


def _weak(value: Any) -> Any:
    """What decides types for an operand: Python numbers adapt to the array beside them."""
    return np.empty(0, value.dtype) if hasattr(value, "dtype") else value


def clip(a: Any, min: Any = None, max: Any = None, *, out: Any = None, a_min: Any = None, a_max: Any = None) -> Any:
    """Values below ``min`` raised to it, above ``max`` lowered to it.

    Parameters
    ----------
    a : array_like
    min, max : array_like, optional
        Limits; None is no limit.
    out : Array, optional
        Becomes the result.
    a_min, a_max : array_like, optional
        Other names of the limits.

    Returns
    -------
    Array
    """
    min, max = a_min if min is None else min, a_max if max is None else max
    result = operand(a)
    if min is not None:
        result = apply_ufunc(np.maximum, result, min)
    if max is not None:
        result = apply_ufunc(np.minimum, result, max)
    return written(result, out)


def round(a: Any, decimals: int = 0) -> Any:
    """Rounded to a number of decimals.

    Parameters
    ----------
    a : array_like
    decimals : int

    Returns
    -------
    Array
    """
    from raskal.array.creation import asarray

    a = asarray(a)
    if decimals == 0 and a.dtype.kind == "f":
        return apply_ufunc(np.rint, a)
    dtype = np.round(np.ones(1, a.dtype), decimals).dtype
    return elementwise("round", np.round, [a], dtype, {"decimals": decimals}, "rounding to decimals")


around = round


def isclose(arr1: Any, arr2: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Whether elements are equal within a tolerance.

    Parameters
    ----------
    arr1, arr2 : array_like
    rtol, atol : float
        Relative and absolute tolerance.
    equal_nan : bool
        Whether missing values are equal.

    Returns
    -------
    Array of bool
    """
    from raskal.array.creation import asarray

    kwargs = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan}
    operands = [asarray(arr1), operand(arr2)]
    return elementwise("isclose", np.isclose, operands, bool, kwargs, "no native kernel for isclose")


def allclose(arr1: Any, arr2: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Whether all elements are equal within a tolerance.

    Parameters
    ----------
    arr1, arr2, rtol, atol, equal_nan
        As of `isclose`.

    Returns
    -------
    Array of bool, shape ()
    """
    return isclose(arr1, arr2, rtol, atol, equal_nan).all()


#: Elementwise functions of NumPy that are no ufuncs.
FUNCTIONS = "angle fix i0 iscomplex isneginf isposinf isreal nan_to_num real imag sinc".split()


def _function(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def lazy(x: Any, *args: Any, **kwargs: Any) -> Any:
        from raskal.array.collection import Array

        if not isinstance(x, Array):
            return function(x, *args, **kwargs)
        if name == "real":
            return x.real
        kwargs.pop("out", None)
        dtype = np.asarray(function(np.ones((1,) * x.ndim, x.dtype), *args, **kwargs)).dtype
        return elementwise(name, function, [x, *args], dtype, kwargs, f"no native kernel for {name}")

    lazy.__name__ = lazy.__qualname__ = name
    lazy.__doc__ = f"Lazy `numpy.{name}`, elementwise.\n\nSee `numpy.{name}`."
    return lazy


globals().update({name: _function(name) for name in FUNCTIONS})


def isnull(values: Any) -> Any:
    """Whether elements are missing, as `pandas.isnull`.

    Parameters
    ----------
    values : array_like

    Returns
    -------
    Array of bool
    """
    import pandas as pd

    from raskal.array.creation import asarray

    return elementwise("isnull", pd.isnull, [asarray(values)], bool, {}, "missing values as pandas knows them")


def notnull(values: Any) -> Any:
    """Whether elements are not missing; the opposite of `isnull`.

    Parameters
    ----------
    values : array_like

    Returns
    -------
    Array of bool
    """
    return apply_ufunc(np.logical_not, isnull(values))


__all__ = ["allclose", "around", "clip", "isclose", "isnull", "notnull", "round", "where", *FUNCTIONS]
