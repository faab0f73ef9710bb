"""NumPy's elementwise functions, from one table.

Start at `apply_ufunc`. Functions with a native kernel for their operands' types become part of a fused pass; the others
run on each block.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from raskal._raskal import ArrayExpr, NoKernel
from raskal.array.host import Pick, elementwise

#: Names by which Rust knows a function of another name in NumPy.
_NATIVE = {
    "true_divide": "divide",
    "bitwise_not": "invert",
    "conjugate": "positive",
    "radians": "deg2rad",
    "degrees": "rad2deg",
    "mod": "remainder",
}

#: NumPy's ufuncs that the module offers under their own names.
UFUNCS = (
    "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_not bitwise_or "
    "bitwise_xor cbrt ceil conj copysign cos cosh deg2rad degrees divide equal exp exp2 expm1 fabs float_power floor "
    "floor_divide fmax fmin fmod greater greater_equal hypot invert isfinite isinf isnan ldexp left_shift less "
    "less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor maximum "
    "minimum mod multiply negative nextafter not_equal positive power rad2deg radians reciprocal remainder right_shift "
    "rint sign signbit sin sinh spacing sqrt square subtract tan tanh true_divide trunc"
).split()


def operand(value: Any) -> Any:
    """An operand as an expression, or a Python number that adapts to the array beside it."""
    from raskal.array.collection import Array
    from raskal.array.creation import asarray

    if isinstance(value, Array):
        return value._expr
    if type(value) in (bool, int, float):
        return value
    return asarray(value)._expr


def apply_ufunc(ufunc: np.ufunc, *args: Any, **kwargs: Any) -> Any:
    """An elementwise function on arrays and numbers, lazily.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.
    TypeError
        If NumPy has no such function for these types.
    """
    from raskal.array.collection import Array

    dtype = kwargs.pop("dtype", None)
    casting = {key: value for key, value in kwargs.items() if value is not None}
    unknown = set(casting) - {"casting"}
    if unknown:
        raise NotImplementedError(
            f"{ufunc.__name__} with {sorted(unknown)} is not supported\nhint: use raskal.array.where to choose elements"
        )
    operands = [value if type(value) is complex else operand(value) for value in args]
    reason = f"no native kernel for {ufunc.__name__}"
    if dtype is None and not casting and not any(type(value) is complex for value in operands):
        try:
            return Array(_native(ufunc.__name__, operands))
        except NoKernel as error:
            reason = str(error)
    types = [_resolved(value) for value in operands]
    wanted: dict[str, Any] = (
        {} if dtype is None else {"signature": (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout}
    )
    resolved = ufunc.resolve_dtypes((*types, *[None] * ufunc.nout), **wanted)[ufunc.nin :]
    if dtype is not None:
        casting["dtype"] = np.dtype(dtype)
    if ufunc.nout == 1:
        return Array(elementwise(ufunc.__name__, ufunc, operands, resolved[0], casting, reason))
    return tuple(
        Array(elementwise(ufunc.__name__, Pick(ufunc, number), operands, result, casting, reason))
        for number, result in enumerate(resolved)
    )


def _resolved(value: Any) -> Any:
    """What NumPy's type resolution takes for an operand: a type, or the kind of Python number."""
    if isinstance(value, ArrayExpr):
        return np.dtype(value.dtype)
    return np.dtype(bool) if type(value) is bool else type(value)


def _native(name: str, operands: list[Any]) -> ArrayExpr:
    name = _NATIVE.get(name, name)
    if len(operands) == 1:
        return operands[0].unary(name)
    if len(operands) == 2:
        return ArrayExpr.binary(name, *operands)
    raise NoKernel(f"no native kernel: {name} of {len(operands)} operands")


def _make(name: str) -> Callable[..., Any]:
    ufunc = getattr(np, name)

    @functools.wraps(ufunc, assigned=("__name__", "__qualname__"), updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        from raskal.array.collection import Array

        if not any(isinstance(value, Array) for value in args):
            return ufunc(*args, **kwargs)
        return apply_ufunc(ufunc, *args, **kwargs)

    function.__doc__ = f"Lazy `numpy.{name}`: elementwise on arrays and numbers, broadcast.\n\nSee `numpy.{name}`."
    return function


globals().update({name: _make(name) for name in UFUNCS})


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Elements of ``x`` where the condition is true, of ``y`` elsewhere.

    Parameters
    ----------
    condition, x, y : array_like
        Broadcast against each other.

    Returns
    -------
    Array

    Raises
    ------
    NotImplementedError
        Without ``x`` and ``y``: the result's shape would depend on the elements.
    """
    from raskal.array.collection import Array
    from raskal.array.creation import asarray

    if x is None or y is None:
        raise NotImplementedError("where(condition) alone is not supported\nhint: pass x and y")
    operands = [asarray(condition)._expr, operand(x), operand(y)]
    try:
        return Array(operands[0].select(operands[1], operands[2]))
    except NoKernel as error:
        # Python numbers adapt to the array beside them, as in NumPy.
        types = [np.empty(0, value.dtype) if isinstance(value, ArrayExpr) else value for value in operands[1:]]
        return Array(elementwise("where", np.where, operands, np.result_type(*types), {}, str(error)))


def clip(a: Any, min: Any = None, max: Any = None) -> Any:
    """Values below ``min`` raised to it, above ``max`` lowered to it.

    Parameters
    ----------
    a : array_like
    min, max : array_like, optional
        Limits; None is no limit.

    Returns
    -------
    Array
    """
    result = a
    if min is not None:
        result = apply_ufunc(np.maximum, result, min)
    if max is not None:
        result = apply_ufunc(np.minimum, result, max)
    return result


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
    from raskal.array.collection import Array
    from raskal.array.creation import asarray

    a = asarray(a)
    if decimals == 0 and a.dtype.kind == "f":
        return apply_ufunc(np.rint, a)
    return Array(elementwise("round", np.round, [a._expr], a.dtype, {"decimals": decimals}, "rounding to decimals"))


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
    from raskal.array.collection import Array

    kwargs = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan}
    operands = [operand(arr1), operand(arr2)]
    return Array(elementwise("isclose", np.isclose, operands, bool, kwargs, "no native kernel for isclose"))


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


__all__ = ["allclose", "around", "clip", "isclose", "round", "where", *UFUNCS]
