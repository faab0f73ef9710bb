"""Operators of series and dataframes: native where the engine has pandas' rules, pandas row for row elsewhere.

Start at `series_binary`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from raskal.dataframe._convert import series_name
from raskal.dataframe._methods import Operation, rowwise

NATIVE = frozenset("add sub mul truediv eq ne lt le gt ge and_ or_ xor".split())
ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
LOGIC = ("and_", "or_", "xor")


def _plain(dtype: Any) -> bool:
    """Whether the engine treats missing values of a dtype as pandas does."""
    if isinstance(dtype, pd.StringDtype):
        return dtype.na_value is not pd.NA
    return isinstance(dtype, np.dtype) and dtype.kind in "biufM"


def _scalar(value: Any, dtype: Any) -> pa.Array | None:
    """A constant for the engine, or None if pandas must deal with it."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(dtype, np.dtype) and dtype.kind == "M":
        try:
            value = pd.Timestamp(value)
        except (TypeError, ValueError):
            return None
        return None if value.tz is not None else pa.array([value])
    if isinstance(value, (bool, int, float, str, np.generic)):
        try:
            return pa.array([value])
        except (pa.ArrowException, OverflowError, TypeError):
            return None
    return None


def series_binary(series: Any, name: str, other: Any, reflected: bool) -> Any:
    """A series and another operand through an operator of Python."""
    from raskal.dataframe.collection import FrameCollection
    from raskal.dataframe.scalar import Scalar
    from raskal.dataframe.series import Series

    if isinstance(other, (pd.Series, pd.DataFrame, pd.Index, np.ndarray, list)) or (
        isinstance(other, FrameCollection) and not isinstance(other, Series)
    ):
        return NotImplemented
    operation = Operation(name, reflected)
    if isinstance(other, Scalar):
        meta = operation(series._meta, 1.0)
        return Series(series._plan.binary_reduced(name, other._plan, reflected).rename([series_name(meta.name)]), meta)
    if isinstance(other, Series):
        meta = operation(series._meta, other._meta)
        if name in NATIVE and _plain(series._meta.dtype) and _plain(other._meta.dtype):
            left, right = (other, series) if reflected else (series, other)
            try:
                return Series(left._plan.binary(name, right._plan).rename([series_name(meta.name)]), meta)
            except (TypeError, NotImplementedError):
                pass  # not native for these dtypes
        return rowwise(operation, series, other, meta=meta, name=name)
    meta = operation(series._meta, other)
    constant = _scalar(other, series._meta.dtype) if name in NATIVE and _plain(series._meta.dtype) else None
    if constant is not None:
        try:
            plan = series._plan.binary_scalar(name, constant, reflected)
            return Series(plan.rename([series_name(meta.name)]), meta)
        except (TypeError, NotImplementedError):
            pass  # not native for these dtypes
    return rowwise(operation, series, other, meta=meta, name=name)


def install(cls: type, method: Any) -> None:
    """Give a class the operators and their named forms (``add``, ``radd``, ``lt``...)."""
    for name in (*ARITHMETIC, *COMPARISONS, *LOGIC):
        plain = name.rstrip("_")
        setattr(cls, f"__{plain}__", _operator(method, name, False))
        if name not in COMPARISONS:
            setattr(cls, f"__r{plain}__", _operator(method, name, True))
        if name not in LOGIC:
            setattr(cls, plain, _named(method, name, False))
    for name in ARITHMETIC:
        setattr(cls, f"r{name}", _named(method, name, True))
    cls.div, cls.rdiv = cls.truediv, cls.rtruediv  # type: ignore[attr-defined]
    cls.__hash__ = object.__hash__  # type: ignore[assignment]


def _operator(method: Any, name: str, reflected: bool) -> Any:
    def operator_method(self: Any, other: Any) -> Any:
        return method(self, name, other, reflected)

    return operator_method


def _named(method: Any, name: str, reflected: bool) -> Any:
    def named_method(self: Any, other: Any) -> Any:
        result = method(self, name, other, reflected)
        if result is NotImplemented:
            raise TypeError(f"{name} of a {type(self).__name__} and a {type(other).__name__} is not supported")
        return result

    named_method.__name__ = name
    named_method.__doc__ = f"As pandas' `{name}`."
    return named_method
