"""A lazy pandas series, and the index of a dataframe.

Start at `Series`. Operators and methods come from the tables of `_operators`, `_methods` and `reductions`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from raskal.dataframe import _methods, _operators
from raskal.dataframe._convert import series_name
from raskal.dataframe._methods import MethodCall, rowwise
from raskal.dataframe.collection import FrameCollection
from raskal.dataframe.reductions import REDUCTIONS, series_reduction


class Series(FrameCollection):
    """A lazy pandas series.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> x = dd.from_pandas(pd.Series([1, 2, 3], name="x"), npartitions=2)
    >>> (x * 2).sum().compute()
    np.int64(12)
    """

    _meta: pd.Series

    @property
    def name(self) -> Any:
        """The series' name."""
        return self._meta.name

    @name.setter
    def name(self, name: Any) -> None:
        renamed = self.rename(name)
        FrameCollection.__init__(self, renamed._plan, renamed._meta)

    @property
    def dtype(self) -> Any:
        """Type of the values."""
        return self._meta.dtype

    @property
    def str(self) -> StringAccessor:
        """Methods on text."""
        self._meta.str  # noqa: B018 - pandas' own error for other dtypes
        return StringAccessor(self)

    @property
    def dt(self) -> DatetimeAccessor:
        """Methods and parts of dates, times and time differences."""
        self._meta.dt  # noqa: B018 - pandas' own error for other dtypes
        return DatetimeAccessor(self)

    def rename(self, index: Any = None) -> Series:
        """The same series under another name."""
        return Series(self._plan.rename([series_name(index)]), self._meta.rename(index))

    def to_frame(self, name: Any = None) -> Any:
        """A dataframe of this one column."""
        from raskal.dataframe.frame import DataFrame

        meta = self._meta.to_frame() if name is None else self._meta.to_frame(name)
        return DataFrame(self._plan.rename([str(meta.columns[0])]), meta)

    def __getitem__(self, key: Any) -> Series:
        if isinstance(key, Series):
            return Series(self._plan.filter(key._plan), self._meta)
        raise NotImplementedError(
            f"a series can only be filtered by a boolean series, not by {key!r}\nhint: compute() it first"
        )

    def isna(self) -> Series:
        """Whether each value is missing."""
        return Series(self._plan.unary("isna"), self._meta.isna())

    def notna(self) -> Series:
        """Whether each value is there."""
        return Series(self._plan.unary("notna"), self._meta.notna())

    isnull, notnull = isna, notna

    def fillna(self, value: Any) -> Series:
        """With `value` in place of missing ones."""
        meta = self._meta.fillna(value)
        constant = _operators._scalar(value, self.dtype) if _operators._plain(self.dtype) else None
        if constant is not None and meta.dtype == self.dtype:
            try:
                return Series(self._plan.fillna(constant), meta)
            except TypeError:
                pass  # a value of another type: pandas knows what becomes of it
        return rowwise(MethodCall("fillna"), self, value, meta=meta, name="fillna")

    def dropna(self) -> Series:
        """Without missing values."""
        return self[self.notna()]

    def __neg__(self) -> Series:
        return _unary(self, "neg", "__neg__")

    def __invert__(self) -> Series:
        return _unary(self, "invert", "__invert__")

    def __abs__(self) -> Series:
        return self.abs()  # type: ignore[attr-defined]

    def groupby(self, by: Any, *, sort: bool = True, dropna: bool = True, **kwargs: Any) -> Any:
        """Group by other series of the same rows. See `DataFrame.groupby`."""
        from raskal.dataframe.groupby import SeriesGroupBy, group

        return group(SeriesGroupBy, self, by, sort, dropna, kwargs)

    def value_counts(
        self, sort: bool = True, ascending: bool = False, dropna: bool = True, normalize: bool = False
    ) -> Series:
        """How often each value occurs."""
        if normalize:
            raise NotImplementedError("value_counts(normalize=True) is not supported\nhint: divide by len(series)")
        from raskal.dataframe.groupby import SeriesGroupBy, group

        counts = group(SeriesGroupBy, self, [self], True, dropna, {}).size().rename("count")
        if not sort:
            return counts
        return counts.map_partitions(_sorted_counts, ascending, meta=counts._meta)

    def unique(self) -> Series:
        """The different values, as a series."""
        from raskal.dataframe.groupby import SeriesGroupBy, group

        counts = group(SeriesGroupBy, self, [self], False, False, {}).size()
        meta = self._meta.reset_index(drop=True)
        return counts.map_partitions(_index_values, self.name, meta=meta)

    def to_csv(self, filename: Any, **kwargs: Any) -> Any:
        """Write CSV files. See `raskal.dataframe.to_csv`."""
        return self.to_frame().to_csv(filename, **kwargs)


def _sorted_counts(counts: pd.Series, ascending: bool) -> pd.Series:
    return counts.sort_values(ascending=ascending, kind="stable")


def _index_values(counts: pd.Series, name: Any) -> pd.Series:
    return pd.Series(counts.index, name=name)


def _unary(series: Series, name: str, method: str) -> Series:
    meta = getattr(series._meta, method)()
    if _operators._plain(series.dtype):
        try:
            return Series(series._plan.unary(name), meta)
        except TypeError:
            pass  # not native for this dtype
    return rowwise(MethodCall(method), series, meta=meta, name=name)


class Index(Series):
    """The index of a dataframe, lazily."""

    _meta: Any

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        levels = len(self._plan.index_names)
        tables = [table.select(table.column_names[levels:]) for table in results]
        from raskal.dataframe._convert import to_pandas

        return to_pandas(tables, self._meta, 1)

    def to_series(self) -> Series:
        """The labels as a series."""
        return Series(self._plan, self._meta.to_series())

    @property
    def index(self) -> Index:
        """Itself."""
        return self


class _Accessor:
    def __init__(self, series: Series) -> None:
        self._series = series


class StringAccessor(_Accessor):
    """pandas' methods on text, row for row."""

    def __getitem__(self, index: Any) -> Series:
        return rowwise(MethodCall("__getitem__", "str"), self._series, index, name="str[]")


class DatetimeAccessor(_Accessor):
    """pandas' methods on dates and times, row for row."""


def _install() -> None:
    _operators.install(Series, _operators.series_binary)
    for name in (*_methods.COLUMN_METHODS, *_methods.SERIES_METHODS):
        setattr(Series, name, _methods.series_method(name))
    for name in _methods.STR_METHODS:
        setattr(StringAccessor, name, _methods.series_method(name, "str"))
    for name in _methods.DT_METHODS:
        setattr(DatetimeAccessor, name, _methods.series_method(name, "dt"))
    for name in _methods.DT_PROPERTIES:
        setattr(DatetimeAccessor, name, _methods.series_property(name, "dt"))
    for name in REDUCTIONS:
        setattr(Series, name, series_reduction(name))


_install()
