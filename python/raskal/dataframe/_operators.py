"""Operators of series and dataframes: native where the engine has pandas' rules, pandas row for row elsewhere.

Start at `series_binary`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from raskal.dataframe._convert import series_name
from raskal.dataframe._emulate import emptied, infer
from raskal.dataframe._methods import MethodCall, Operation, rowwise

NATIVE = frozenset("add sub mul truediv eq ne lt le gt ge and_ or_ xor".split())
ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
LOGIC = ("and_", "or_", "xor")


def plain(dtype: Any) -> bool:
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


def series_binary(series: Any, name: str, other: Any, reflected: bool, **kwargs: Any) -> Any:
    """A series and another operand through an operator of Python."""
    from raskal.dataframe._blockwise import blockwise
    from raskal.dataframe.collection import FrameCollection
    from raskal.dataframe.scalar import Scalar
    from raskal.dataframe.series import Series

    if isinstance(other, FrameCollection) and other._meta_ndim > 1:
        return NotImplemented
    if isinstance(other, (pd.Index, np.ndarray, list)) and np.ndim(other):
        raise TypeError(
            f"cannot combine a lazy series with {len(other)} values of a {type(other).__name__}\n"
            "hint: make a pandas Series of them, whose labels say to which rows they belong"
        )
    other = as_operand(other)
    if is_array(other):
        from raskal.dataframe.arrays import beside

        own, other = series, beside(series, other)
        named = Series(other._plan, other._meta.rename(own.name)) if other._meta.name != own.name else other
        return blockwise(Operation(name, reflected), own, named.rename(own.name), name=name)
    operation = Operation(name, reflected)
    frame: Any = series._frame if type(series) is Series and not kwargs else None
    native = frame is not None and name in NATIVE and plain(series._meta.dtype)
    if isinstance(other, Scalar):
        if native and other._frame is not None and plain(other.dtype):
            meta = emptied(infer(operation, [series._meta, other._meta], {}, name))
            try:
                plan = frame.binary_reduced(name, other._frame, reflected)
                return Series(plan.rename([series_name(meta.name)]), meta)
            except (TypeError, NotImplementedError):
                pass  # not native for these dtypes
        return blockwise(operation, series, other, name=name)
    if isinstance(other, FrameCollection):
        if native and other._frame is not None and plain(other._meta.dtype) and frame.same_rows(other._frame):
            meta = emptied(infer(operation, [series._meta, other._meta], {}, name))
            left, right = (other._frame, frame) if reflected else (frame, other._frame)
            try:
                return Series(left.binary(name, right).rename([series_name(meta.name)]), meta)
            except (TypeError, NotImplementedError):
                pass  # not native for these dtypes
        return rowwise(operation, series, other, name=name)
    if hasattr(type(other), "__raskal_lower__"):
        return blockwise(operation, series, other, name=name)
    constant = _scalar(other, series._meta.dtype) if native else None
    if constant is not None:
        meta = operation(series._meta, other)
        try:
            plan = frame.binary_scalar(name, constant, reflected)
            return Series(plan.rename([series_name(meta.name)]), meta)
        except (TypeError, NotImplementedError):
            pass  # not native for these dtypes
    return rowwise(operation, series, other, name=name)


def is_array(other: Any) -> bool:
    """Whether this is a lazy array."""
    return hasattr(type(other), "__raskal_lower__") and hasattr(other, "chunks") and hasattr(other, "to_delayed")


def as_operand(other: Any) -> Any:
    """A pandas object as a lazy one, of one partition; anything else as it is."""
    if isinstance(other, (pd.Series, pd.DataFrame)):
        from raskal.dataframe.memory import from_pandas

        return from_pandas(other, npartitions=1, sort=True)
    return other


def named_binary(collection: Any, name: str, other: Any, kwargs: dict[str, Any]) -> Any:
    """``collection.name(other, **kwargs)``: pandas' method on aligned partitions."""
    from raskal.dataframe._blockwise import blockwise

    other = as_operand(other)
    if kwargs.get("level") is not None:
        raise NotImplementedError(f"level must be None, {name} got level={kwargs['level']!r}")
    given = {key: as_operand(one) for key, one in kwargs.items()}
    axis = given.get("axis")
    by_row = axis in (0, "index")
    if getattr(other, "_meta_ndim", 0) == 1 and collection._meta_ndim == 2 and not by_row and other.npartitions > 1:
        raise NotImplementedError(
            f"{name} of a dataframe and a series along the columns needs a series of one partition\n"
            "hint: axis='index' goes along the rows"
        )
    return blockwise(MethodCall(name), collection, other, name=name, **given)


def install(cls: type, method: Any) -> None:
    """Give a class the operators and their named forms (``add``, ``radd``, ``lt``...)."""
    for name in (*ARITHMETIC, *COMPARISONS, *LOGIC):
        word = name.rstrip("_")
        setattr(cls, f"__{word}__", _operator(method, name, False))
        if name not in COMPARISONS:
            setattr(cls, f"__r{word}__", _operator(method, name, True))
        if name not in LOGIC:
            setattr(cls, word, _named(method, name, False))
    for name in ARITHMETIC:
        setattr(cls, f"r{name}", _named(method, name, True))
    for name in ("truediv", "mul", "sub"):
        short = {"truediv": "divide", "mul": "multiply", "sub": "subtract"}[name]
        setattr(cls, short, getattr(cls, name))
    cls.div, cls.rdiv = cls.truediv, cls.rtruediv  # type: ignore[attr-defined]
    setattr(cls, "__divmod__", _divmod)  # noqa: B010 - not known of every class
    setattr(cls, "__rdivmod__", _rdivmod)  # noqa: B010
    cls.__hash__ = object.__hash__  # type: ignore[assignment]


def _divmod(self: Any, other: Any) -> tuple[Any, Any]:
    return self // other, self % other


def _rdivmod(self: Any, other: Any) -> tuple[Any, Any]:
    return other // self, other % self


def _operator(method: Any, name: str, reflected: bool) -> Any:
    def operator_method(self: Any, other: Any) -> Any:
        return method(self, name, other, reflected)

    return operator_method


def _named(method: Any, name: str, reflected: bool) -> Any:
    def named_method(self: Any, other: Any, **kwargs: Any) -> Any:
        options = {key: one for key, one in kwargs.items() if one is not None}
        if options or (self._meta_ndim == 2 and getattr(other, "ndim", 0) == 1):
            return named_binary(self, f"r{name}" if reflected else name, other, kwargs)
        result = method(self, name, other, reflected)
        if result is NotImplemented:
            raise TypeError(f"{name} of a {type(self).__name__} and a {type(other).__name__} is not supported")
        return result

    named_method.__name__ = name
    named_method.__doc__ = f"As pandas' `{name}`."
    return named_method
