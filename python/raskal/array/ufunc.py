"""NumPy's elementwise functions, from one table.

Start at `apply_ufunc`. Functions with a native kernel for their operands' types become part of a fused pass; the others
run on each block.
"""

from __future__ import annotations

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
    "divmod frexp less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or "
    "logical_xor maximum minimum mod modf multiply negative nextafter not_equal positive power rad2deg radians "
    "reciprocal remainder right_shift rint sign signbit sin sinh spacing sqrt square subtract tan tanh true_divide "
    "trunc"
).split()


def operand(value: Any) -> Any:
    """An operand as an array, or a Python number that adapts to the array beside it."""
    from raskal.array.collection import Array
    from raskal.array.creation import asarray

    if isinstance(value, Array) or type(value) in (bool, int, float, complex):
        return value
    return asarray(value)


def apply_ufunc(ufunc: np.ufunc, *args: Any, out: Any = None, where: Any = True, **kwargs: Any) -> Any:
    """An elementwise function on arrays and numbers, lazily.

    Parameters
    ----------
    ufunc : numpy.ufunc
    *args : array_like
        Operands, broadcast; then arrays to write to.
    out : Array or tuple of Array, optional
        Become the result.
    where : array_like of bool
        Where to compute; elsewhere ``out`` keeps its elements.
    **kwargs
        ``dtype`` and ``casting``.

    Returns
    -------
    Array or tuple of Array

    Raises
    ------
    ValueError
        If the shapes do not broadcast.
    TypeError
        If NumPy has no such function for these types.
    """
    _check_options(ufunc, kwargs)
    if len(args) > ufunc.nin:
        args, out = args[: ufunc.nin], args[ufunc.nin :]
    if len(args) < ufunc.nin:
        raise TypeError(f"{ufunc.__name__} takes {ufunc.nin} operands, got {len(args)}")
    outs = (out,) if out is not None and not isinstance(out, tuple) else out
    results = _applied(ufunc, [operand(value) for value in args], kwargs)
    if where is not True:
        results = _chosen(where, results, outs, ufunc)
    if outs and any(value is not None for value in outs):
        results = tuple(
            result if target is None else written(result, target) for result, target in zip(results, outs, strict=True)
        )
    return results[0] if ufunc.nout == 1 else results


def _check_options(ufunc: np.ufunc, kwargs: dict[str, Any]) -> None:
    unknown = set(kwargs) - {"dtype", "casting", "order", "subok"}
    if unknown:
        raise TypeError(f"{ufunc.__name__} got unknown arguments {sorted(unknown)}\nhint: dtype, casting, out, where")


def _applied(ufunc: np.ufunc, operands: list[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    from raskal.array.collection import Array

    dtype = kwargs.pop("dtype", None)
    casting = {key: value for key, value in kwargs.items() if value is not None}
    casting = {"casting": casting["casting"]} if "casting" in casting else {}
    reason = f"no native kernel for {ufunc.__name__}"
    if dtype is None and not casting and ufunc.nout == 1:
        try:
            return (_native(ufunc.__name__, operands),)
        except NoKernel as error:
            reason = str(error)
    if not any(isinstance(value, Array) for value in operands):
        from raskal.array.creation import asarray

        operands = [asarray(value) for value in operands]
    types = [_resolved(value) for value in operands]
    wanted: dict[str, Any] = (
        {} if dtype is None else {"signature": (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout}
    )
    resolved = _result_types(ufunc, types, operands, {**wanted, **casting})
    if dtype is not None:
        casting["dtype"] = np.dtype(dtype)
    if ufunc.nout == 1:
        return (elementwise(ufunc.__name__, ufunc, operands, resolved[0], casting, reason),)
    return tuple(
        elementwise(ufunc.__name__, Pick(ufunc, number), operands, result, casting, reason)
        for number, result in enumerate(resolved)
    )


def _result_types(ufunc: Any, types: list[Any], operands: list[Any], wanted: dict[str, Any]) -> tuple[Any, ...]:
    """The types of the results; functions that are no real ufuncs, such as numba's, are tried on one element."""
    if isinstance(ufunc, np.ufunc):
        return ufunc.resolve_dtypes((*types, *[None] * ufunc.nout), **wanted)[ufunc.nin :]
    tiny = [np.ones((1,) * np.ndim(value), value.dtype) if hasattr(value, "dtype") else value for value in operands]
    found = ufunc(*tiny)
    return tuple(np.asarray(part).dtype for part in (found if isinstance(found, tuple) else (found,)))


def _chosen(mask: Any, results: tuple[Any, ...], outs: Any, ufunc: np.ufunc) -> tuple[Any, ...]:
    """The results where the mask is true, and what the arrays to write to hold elsewhere."""
    from raskal.array.creation import zeros_like
    from raskal.array.elementwise import where

    outs = outs if outs is not None else (None,) * ufunc.nout
    return tuple(
        where(mask, result.astype(target.dtype) if target is not None else result,
              target if target is not None else zeros_like(result))
        for result, target in zip(results, outs, strict=True)
    )  # fmt: skip


def written(result: Any, target: Any) -> Any:
    """Have a lazy array become a result.

    Raises
    ------
    TypeError
        If it is no lazy array, or its type does not take the result's.
    ValueError
        If it has another shape.
    """
    from raskal.array.collection import Array
    from raskal.array.shape import broadcast_to

    if isinstance(target, tuple):
        (target,) = target
    if target is None:
        return result
    if not isinstance(target, Array):
        raise TypeError(f"out= must be a lazy array, got {type(target).__name__}\nhint: assign the result instead")
    if str(target.shape) != str(result.shape):
        if result.ndim > target.ndim:
            raise ValueError(f"out= has shape {target.shape}, the result {result.shape}\nhint: assign the result")
        result = broadcast_to(result, target.shape)
    return target._replace(result.astype(target.dtype, casting="same_kind"))


def _resolved(value: Any) -> Any:
    """What NumPy's type resolution takes for an operand: a type, or the kind of Python number."""
    if type(value) in (int, float, complex):
        return type(value)
    return np.dtype(bool) if type(value) is bool else value.dtype


def _native(name: str, operands: list[Any]) -> Any:
    from raskal.array.collection import Array

    name = _NATIVE.get(name, name)
    if any(isinstance(value, Array) and value._opaque for value in operands):
        raise NoKernel("blocks that native kernels do not know")
    if not any(isinstance(value, Array) for value in operands) or any(type(value) is complex for value in operands):
        raise NoKernel("complex numbers")
    check_numbers(operands, name)
    exprs = [value._expr if isinstance(value, Array) else value for value in operands]
    if len(exprs) == 1:
        return Array._of(exprs[0].unary(name))
    if len(exprs) == 2:
        return Array._of(ArrayExpr.binary(name, *exprs))
    raise NoKernel(f"no native kernel: {name} of {len(operands)} operands")


#: Functions that NumPy answers for numbers that the array's type can't hold.
_COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}


def check_numbers(operands: list[Any], name: str) -> None:
    """Refuse whole numbers that the type of the arrays beside them can't hold.

    Raises
    ------
    OverflowError
        As NumPy does.
    NoKernel
        For comparisons, which NumPy answers.
    """
    types = [value.dtype for value in operands if hasattr(value, "dtype")]
    common = np.result_type(*types) if types else None
    if common is None or common.kind not in "iu":
        return
    limits = np.iinfo(common)
    for value in operands:
        if type(value) is int and not limits.min <= value <= limits.max:
            if name in _COMPARISONS:
                raise NoKernel(f"{name} of a number beyond {common}")
            raise OverflowError(f"Python integer {value} out of bounds for {common}")


class Ufunc:
    """A ufunc of NumPy that makes lazy results of lazy arrays.

    Parameters
    ----------
    ufunc : numpy.ufunc
    """

    def __init__(self, ufunc: Any) -> None:
        if not (isinstance(ufunc, np.ufunc) or hasattr(ufunc, "nin")):
            raise TypeError(f"a ufunc is needed, got {type(ufunc).__name__}")
        self._ufunc = ufunc
        self.__name__ = self.__qualname__ = ufunc.__name__
        self.__doc__ = (
            f"Lazy `numpy.{self.__name__}`: elementwise on arrays and numbers, broadcast.\n\n"
            f"See `numpy.{self.__name__}`; ``out=``, ``where=``, ``dtype=`` and ``casting=`` work as there."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply it: lazily if an argument is lazy."""
        from raskal.array.collection import Array

        if not any(isinstance(value, Array) for value in (*args, kwargs.get("where"), kwargs.get("out"))):
            for value in args:
                if type(value).__name__ == "Delayed":
                    return NotImplemented
            return self._ufunc(*args, **kwargs)
        return apply_ufunc(self._ufunc, *args, **kwargs)

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:
        """The function of every pair of elements, as `numpy.ufunc.outer`.

        Parameters
        ----------
        A, B : array_like

        Returns
        -------
        Array
        """
        from raskal.array.collection import Array
        from raskal.array.creation import asarray

        if self._ufunc.nin != 2:
            raise ValueError(f"outer needs a function of two operands, {self.__name__} has {self._ufunc.nin}")
        if "out" in kwargs:
            raise ValueError("outer takes no out=\nhint: assign the result")
        if not isinstance(A, Array) and not isinstance(B, Array):
            return self._ufunc.outer(A, B, **kwargs)
        left, right = asarray(A), asarray(B)
        return apply_ufunc(self._ufunc, left[(..., *(None,) * right.ndim)], right, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in ("nin", "nout", "nargs", "ntypes", "types", "identity", "signature"):
            return getattr(self._ufunc, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        names = {"nin", "nout", "nargs", "ntypes", "types", "identity", "signature"}
        return sorted(set(super().__dir__()) | names)

    def __repr__(self) -> str:
        return repr(self._ufunc)

    def __reduce__(self) -> Any:
        return Ufunc, (self._ufunc,)


def frompyfunc(func: Callable[..., Any], nin: int, nout: int) -> Ufunc:
    """A Python function as an elementwise function of lazy arrays, with objects as results.

    Parameters
    ----------
    func : callable
    nin : int
        Number of operands.
    nout : int
        Number of results; must be 1.

    Returns
    -------
    Ufunc
    """
    if nout > 1:
        raise NotImplementedError(f"frompyfunc with nout={nout} is not supported\nhint: one function for each result")
    return Ufunc(np.frompyfunc(func, nin, nout))


globals().update({name: Ufunc(getattr(np, name)) for name in UFUNCS})


__all__ = ["Ufunc", "frompyfunc", *UFUNCS]
