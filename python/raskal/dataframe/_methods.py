"""pandas methods that work row for row, called on columns in the middle of a plan.

Start at `rowwise`. The tables below name the methods; each becomes a method of `Series` (and of `DataFrame` where it
works on each column alone) whose result comes from the same rows, so that it can be assigned and filtered by.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from raskal.dataframe._convert import schema_of, series_name
from raskal.dataframe._emulate import NO_DEFAULT, make_meta, meta_by_trial
from raskal.dataframe._mapper import ColumnsMapper
from raskal.tokenize import tokenize

if TYPE_CHECKING:
    from raskal.dataframe.series import Series

# Of a series and of each column of a dataframe.
COLUMN_METHODS = (
    "abs",
    "astype",
    "clip",
    "convert_dtypes",
    "infer_objects",
    "isin",
    "mask",
    "replace",
    "round",
    "where",
)
# Of a series alone.
SERIES_METHODS = ("between", "combine_first", "apply", "map", "transform")
STR_METHODS = (
    "capitalize casefold cat center contains count decode encode endswith find findall fullmatch get index isalnum "
    "isalpha isascii isdecimal isdigit islower isnumeric isspace istitle isupper join len ljust lower lstrip match "
    "normalize pad removeprefix removesuffix repeat replace rfind rindex rjust rstrip slice slice_replace startswith "
    "strip swapcase title translate upper wrap zfill"
).split()
DT_METHODS = (
    "as_unit ceil day_name floor month_name normalize round strftime to_period to_timestamp total_seconds tz_convert "
    "tz_localize"
).split()
DT_PROPERTIES = (
    "date day day_of_week day_of_year dayofweek dayofyear days days_in_month daysinmonth hour is_leap_year "
    "is_month_end is_month_start is_quarter_end is_quarter_start is_year_end is_year_start microsecond microseconds "
    "minute month nanosecond nanoseconds quarter second seconds time timetz weekday year"
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
    function: Callable[..., Any], series: Series, *args: Any, meta: Any = NO_DEFAULT, name: str, **kwargs: Any
) -> Series:
    """``function(series, *args, **kwargs)``, which gives one value per row.

    Lazy series among `args` become pandas series of the same rows.

    Raises
    ------
    ValueError
        If it fails on empty data; the message shows how to pass ``meta=``. If a series comes from other rows.
    """
    from raskal.dataframe.series import Series

    lazy = [series, *(arg for arg in args if isinstance(arg, Series))]
    places = [place for place, arg in enumerate(args) if isinstance(arg, Series)]
    metas = [one._meta for one in lazy]
    constants = tuple(None if place in places else arg for place, arg in enumerate(args))
    call = _Placed(function, places, constants) if places else function
    rest = () if places else args
    if meta is NO_DEFAULT:
        found = meta_by_trial(call, *metas, *rest, name=name, **kwargs)
    else:
        found = make_meta(meta)
    if isinstance(found, pd.Index):
        found = found.to_series()
    if not isinstance(found, pd.Series):
        raise TypeError(f"{name} gives a {type(found).__name__}, not one column\nhint: use map_partitions for it")
    dtype = schema_of(found).field(found.index.nlevels).type
    mapper = ColumnsMapper(call, metas, dtype, rest, kwargs)
    token = tokenize(function, args if not places else constants, kwargs, places, str(dtype), [m.dtype for m in metas])
    plan = series._plan.map_columns(mapper, name, token, [one._plan for one in lazy], dtype, series_name(found.name))
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
    """A method of `Series` that calls pandas' on each part."""
    call = MethodCall(name, accessor)

    def method(self: Any, *args: Any, meta: Any = NO_DEFAULT, **kwargs: Any) -> Any:
        target = self._series if accessor else self
        return rowwise(call, target, *args, meta=meta, name=call.__name__, **kwargs)

    _document(method, call.__name__)
    return method


def series_property(name: str, accessor: str) -> property:
    """A property of an accessor that is read from pandas on each part."""
    call = MethodCall(name, accessor, called=False)

    def method(self: Any) -> Any:
        return rowwise(call, self._series, name=call.__name__)

    _document(method, call.__name__)
    return property(method)


def frame_method(name: str) -> Callable[..., Any]:
    """A method of `DataFrame` that calls the series' method of that name on every column."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._each_column(lambda label, series: getattr(series, name)(*args, **kwargs))

    _document(method, name)
    return method


def _document(method: Any, name: str) -> None:
    method.__name__ = name.rpartition(".")[2]
    method.__doc__ = f"As pandas' `{name}`, on each partition. Pass ``meta=`` where the result can't be inferred."
