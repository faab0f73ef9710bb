"""pandas methods that need no other partition, from tables.

Start at `rowwise`. The tables below name the methods; each becomes a method of `Series`, `DataFrame` or an accessor.
Those of one value per row stay expressions of the engine where they can; the others run on whole partitions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._convert import schema_of, series_name
from raskal.dataframe._emulate import NO_DEFAULT, emptied, has_known_categories, infer, make_meta
from raskal.dataframe._mapper import ColumnsMapper
from raskal.tokenize import tokenize

# Methods that pandas runs on a partition alone, and whether each row keeps its label and place.
FRAME_METHODS = {
    "abs": True,
    "add_prefix": True,
    "add_suffix": True,
    "clip": True,
    "combine": True,
    "combine_first": True,
    "convert_dtypes": True,
    "dropna": True,
    "eval": True,
    "explode": True,
    "infer_objects": True,
    "isin": True,
    "map": True,
    "mask": True,
    "melt": False,
    "query": True,
    "replace": True,
    "round": True,
    "select_dtypes": True,
    "to_timestamp": False,
    "where": True,
}
SERIES_METHODS = {
    "add_prefix": False,
    "add_suffix": False,
    "case_when": True,
    "combine": True,
    "explode": True,
    "to_timestamp": False,
}
# Of a series, one value per row: native plans keep them as expressions.
ROW_METHODS = (
    "abs apply between clip combine_first convert_dtypes infer_objects isin map mask replace round transform where"
).split()
# Of these, pandas objects among the arguments go by their labels: they are cut as the collection is.
BY_LABEL = {"case_when", "clip", "combine", "combine_first", "fillna", "mask", "where"}
STR_METHODS = (
    "capitalize casefold center contains count decode encode endswith find findall fullmatch get index isalnum "
    "isalpha isascii isdecimal isdigit islower isnumeric isspace istitle isupper join len ljust lower lstrip match "
    "normalize pad removeprefix removesuffix repeat replace rfind rindex rjust rstrip slice slice_replace startswith "
    "strip swapcase title translate upper wrap zfill"
).split()
# Their result has several columns, or their number shows on data only.
STR_FRAME_METHODS = ("extract", "extractall", "get_dummies", "partition", "rpartition")
DT_METHODS = (
    "as_unit ceil day_name floor month_name normalize round strftime to_period to_pydatetime to_pytimedelta "
    "to_timestamp total_seconds tz_convert tz_localize"
).split()
DT_PROPERTIES = (
    "date day day_of_week day_of_year dayofweek dayofyear days days_in_month daysinmonth end_time hour is_leap_year "
    "is_month_end is_month_start is_quarter_end is_quarter_start is_year_end is_year_start microsecond microseconds "
    "minute month nanosecond nanoseconds quarter qyear second seconds start_time time timetz weekday year"
).split()
CAT_METHODS = (
    "add_categories as_ordered as_unordered remove_categories rename_categories reorder_categories set_categories"
).split()


class MethodCall:
    """``series.accessor.name(*args, **kwargs)``; a property if `called` is false."""

    def __init__(self, name: str, accessor: str | None = None, called: bool = True) -> None:
        self.name = name
        self.accessor = accessor
        self.called = called
        self.__name__ = f"{accessor}.{name}" if accessor else name

    def __call__(self, series: pd.Series, *args: Any, **kwargs: Any) -> Any:
        target = getattr(series, self.accessor) if self.accessor else series
        found = getattr(target, self.name)
        return found(*args, **kwargs) if self.called else found

    def __raskal_tokenize__(self) -> Any:
        return ("MethodCall", self.name, self.accessor, self.called)


class Operation:
    """An operator of Python, with the operands the other way round if `reflected`."""

    def __init__(self, name: str, reflected: bool = False) -> None:
        self.name = name
        self.reflected = reflected
        self.__name__ = name

    def __call__(self, left: Any, right: Any) -> Any:
        function = getattr(operator, self.name)
        return function(right, left) if self.reflected else function(left, right)

    def __raskal_tokenize__(self) -> Any:
        return ("Operation", self.name, self.reflected)


def rowwise(
    function: Callable[..., Any], series: Any, *args: Any, meta: Any = NO_DEFAULT, name: str, **kwargs: Any
) -> Any:
    """``function(series, *args, **kwargs)``, which gives one value per row.

    Lazy series among `args` become pandas series of the same rows: an expression of the engine if they are that, and
    the result is something that it can hold; pandas on aligned partitions otherwise.

    Raises
    ------
    ValueError
        If it fails on a sample; the message shows how to pass ``meta=``.
    """
    from raskal.dataframe._blockwise import blockwise
    from raskal.dataframe.collection import FrameCollection
    from raskal.dataframe.series import Series

    others = [arg for arg in (*args, *kwargs.values()) if isinstance(arg, FrameCollection) or is_lazy(arg)]
    if meta is NO_DEFAULT:
        metas = [arg._meta if isinstance(arg, FrameCollection) else arg for arg in args]
        keywords = {key: arg._meta if isinstance(arg, FrameCollection) else arg for key, arg in kwargs.items()}
        found = emptied(infer(function, [series._meta, *metas], keywords, name))
    else:
        found = make_meta(meta, meta_index(series._meta))
    lazy = [series, *others]
    native = all(type(one) is Series and one._frame is not None for one in lazy) and isinstance(found, pd.Series)
    if native and not any(isinstance(arg, FrameCollection) for arg in kwargs.values()):
        first = series._frame
        if isinstance(function, MethodCall):
            from raskal.dataframe._lowering import lowered

            plan = lowered(function, series, args, kwargs, found)
            if plan is not None:
                return Series(plan, found)
        if holds(found.dtype) and all(holds(one.dtype) and first.same_rows(one._frame) for one in lazy):
            return _expression(function, lazy, args, kwargs, found, name)
    return blockwise(function, series, *args, meta=found, name=name, **kwargs)


def holds(dtype: Any) -> bool:
    """Whether Arrow holds values of a dtype such that the same come back."""
    if isinstance(dtype, pd.CategoricalDtype):
        return len(dtype.categories) > 0 and has_known_categories(dtype) and holds(dtype.categories.dtype)
    if isinstance(dtype, np.dtype):
        return dtype.kind in "biufmM" and dtype.itemsize <= 8 and dtype.name != "float16"
    if isinstance(dtype, (pd.StringDtype, pd.DatetimeTZDtype, pd.BooleanDtype)):
        return True
    return isinstance(dtype, pd.api.extensions.ExtensionDtype) and dtype._is_numeric  # type: ignore[attr-defined]


def meta_index(meta: Any) -> pd.Index:
    """The index of a meta."""
    return meta if isinstance(meta, pd.Index) else meta.index


def is_lazy(arg: Any) -> bool:
    """Whether an argument is computed later."""
    return hasattr(type(arg), "__raskal_lower__")


def _expression(
    function: Callable[..., Any], lazy: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any], found: Any, name: str
) -> Any:
    from raskal.dataframe.series import Series

    places = [place for place, arg in enumerate(args) if isinstance(arg, Series)]
    constants = tuple(None if place in places else arg for place, arg in enumerate(args))
    call = _Placed(function, places, constants) if places else function
    rest = () if places else args
    metas = [one._meta for one in lazy]
    dtype = schema_of(found).field(found.index.nlevels).type
    mapper = ColumnsMapper(call, metas, dtype, rest, kwargs)
    token = tokenize(function, constants, kwargs, places, str(dtype), [one.dtype for one in metas])
    frame = lazy[0]._frame
    plan = frame.map_columns(mapper, name, token, [one._frame for one in lazy], dtype, series_name(found.name))
    return Series(plan, found)


class _Placed:
    """A function some of whose arguments are series that come with the call."""

    def __init__(self, function: Callable[..., Any], places: list[int], constants: tuple[Any, ...]) -> None:
        self.function = function
        self.places = places
        self.constants = constants

    def __call__(self, series: pd.Series, *others: pd.Series, **kwargs: Any) -> Any:
        args = list(self.constants)
        for place, other in zip(self.places, others, strict=True):
            args[place] = other
        return self.function(series, *args, **kwargs)


def series_method(name: str, accessor: str | None = None) -> Callable[..., Any]:
    """A method of `Series` that calls pandas' on each part, row for row."""
    call = MethodCall(name, accessor)

    def method(self: Any, *args: Any, meta: Any = NO_DEFAULT, **kwargs: Any) -> Any:
        target = self._series if accessor else self
        if name == "isin":
            meta, (args, kwargs) = target._meta.isin([]), _members(args, kwargs)
        args, kwargs = _by_label(name, args, kwargs)
        return rowwise(call, target, *args, meta=NO_DEFAULT if meta is None else meta, name=call.__name__, **kwargs)

    _document(method, call.__name__)
    return method


def series_property(name: str, accessor: str) -> property:
    """A property of an accessor that is read from pandas on each part."""
    call = MethodCall(name, accessor, called=False)

    def method(self: Any) -> Any:
        return rowwise(call, self._series, name=call.__name__)

    _document(method, call.__name__)
    return property(method)


def partition_method(name: str, keeps_labels: bool, accessor: str | None = None) -> Callable[..., Any]:
    """A method that calls pandas' on each partition alone."""
    call = MethodCall(name, accessor)

    def method(self: Any, *args: Any, meta: Any = NO_DEFAULT, **kwargs: Any) -> Any:
        from raskal.dataframe._blockwise import blockwise

        target = self._series if accessor else self
        _check_axis(name, kwargs)
        if name == "isin":
            meta, (args, kwargs) = target._meta.isin([]), _members(args, kwargs)
        args, kwargs = _by_label(name, args, kwargs)
        given = NO_DEFAULT if meta is None else meta
        divisions = "same" if keeps_labels else None
        return blockwise(
            call, target, *args, meta=given, name=call.__name__, divisions=divisions, same_labels=keeps_labels, **kwargs
        )

    _document(method, call.__name__)
    return method


def _members(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Of `isin`, lists some of whose members are delayed become one delayed list."""
    from raskal.delayed import Delayed, delayed

    def member(one: Any) -> Any:
        if is_lazy(one) and not isinstance(one, Delayed):
            raise NotImplementedError("isin of a lazy collection is not supported\nhint: compute() it, or use merge")
        held = isinstance(one, (list, tuple, set)) and any(isinstance(part, Delayed) for part in one)
        return delayed(list)(list(one)) if held else one

    return tuple(member(one) for one in args), {key: member(one) for key, one in kwargs.items()}


def _by_label(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if name not in BY_LABEL:
        return args, kwargs
    from raskal.dataframe._operators import as_operand

    for one in (*args, *kwargs.values()):
        if (isinstance(one, np.ndarray) and one.ndim) or (name in ("where", "mask") and isinstance(one, list)):
            raise ValueError(f"{name} can't take an array: pandas objects say by labels to which rows values belong")
    return tuple(as_operand(one) for one in args), {key: as_operand(one) for key, one in kwargs.items()}


def _check_axis(name: str, kwargs: dict[str, Any]) -> None:
    if kwargs.pop("inplace", False):
        raise NotImplementedError(f"{name}(inplace=True) is not supported\nhint: df = df.{name}(...)")


def _document(method: Any, name: str) -> None:
    method.__name__ = name.rpartition(".")[2]
    method.__doc__ = f"As pandas' `{name}`, on each partition. Pass ``meta=`` where the result can't be inferred."
