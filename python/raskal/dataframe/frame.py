"""A lazy pandas dataframe.

Start at `DataFrame`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from raskal.dataframe import _methods, _operators
from raskal.dataframe._convert import plan_names
from raskal.dataframe.collection import FrameCollection
from raskal.dataframe.reductions import REDUCTIONS, frame_reduction
from raskal.dataframe.series import Series


class DataFrame(FrameCollection):
    """A lazy pandas dataframe.

    Made by `read_csv`, `read_parquet` and `from_pandas`.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"name": list("aba"), "x": [1, 2, 3]}), npartitions=2)
    >>> df[df.x > 1].groupby("name").x.sum().compute()
    name
    a    3
    b    2
    Name: x, dtype: int64
    """

    _meta: pd.DataFrame

    # ---- columns

    @property
    def columns(self) -> pd.Index:
        """Labels of the columns."""
        return self._meta.columns

    @columns.setter
    def columns(self, labels: Any) -> None:
        meta = self._meta.copy()
        meta.columns = labels
        FrameCollection.__init__(self, self._plan.rename(plan_names(meta.columns)), meta)

    @property
    def dtypes(self) -> pd.Series:
        """Types of the columns."""
        return self._meta.dtypes

    @property
    def shape(self) -> tuple[Any, int]:
        """Number of rows, lazily, and of columns."""
        return self._count(), len(self.columns)

    @property
    def empty(self) -> bool:
        """Whether there is no row or no column. Counts the rows."""
        return len(self.columns) == 0 or len(self) == 0

    def keys(self) -> pd.Index:
        """Labels of the columns."""
        return self.columns

    def items(self) -> Iterator[tuple[Any, Series]]:
        """Labels and columns."""
        return ((label, self[label]) for label in self.columns)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.columns)

    def __contains__(self, label: Any) -> bool:
        return label in self.columns

    def __dir__(self) -> list[str]:
        labels = [label for label in self.columns if isinstance(label, str) and label.isidentifier()]
        return [*super().__dir__(), *labels]

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._meta.columns:
            return self[name]
        raise AttributeError(f"'DataFrame' object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._meta.columns:
            self[name] = value
        else:
            object.__setattr__(self, name, value)

    def _plan_name(self, label: Any) -> str:
        """The plan name of a column.

        Raises
        ------
        KeyError
            If there is none; the message offers the nearest.
        """
        names = self._plan.names
        if label in self._meta.columns:
            place: Any = self._meta.columns.get_loc(label)
            return names[place]
        self._plan.select([str(label)])  # raises, and offers the nearest
        raise KeyError(f"column {label!r} does not exist\nhint: its label is the text {str(label)!r}")

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Series):
            return DataFrame(self._plan.filter(key._plan), self._meta)
        if isinstance(key, FrameCollection):
            raise NotImplementedError("a dataframe can only be filtered by a boolean series of the same rows")
        if isinstance(key, (list, np.ndarray, pd.Index)):
            names = [self._plan_name(label) for label in key]
            return DataFrame(self._plan.select(names), self._meta[list(key)])
        if isinstance(key, slice):
            raise NotImplementedError("slices of rows are not supported\nhint: use head(), or filter by a column")
        return Series(self._plan.select([self._plan_name(key)]), self._meta[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, (list, tuple)) and isinstance(value, DataFrame):
            assigned = self.assign(**{str(label): value[own] for label, own in zip(key, value.columns, strict=True)})
        else:
            assigned = self._assign(key, value)
        FrameCollection.__init__(self, assigned._plan, assigned._meta)

    def __delitem__(self, key: Any) -> None:
        dropped = self.drop(columns=[key])
        FrameCollection.__init__(self, dropped._plan, dropped._meta)

    def _assign(self, label: Any, value: Any) -> DataFrame:
        if callable(value) and not isinstance(value, FrameCollection):
            value = value(self)
        name = self._plan_name(label) if label in self._meta.columns else str(label)
        meta = self._meta.copy()
        if isinstance(value, Series):
            meta[label] = value._meta.reset_index(drop=True).reindex(meta.index)
            return DataFrame(self._plan.assign(name, value._plan), meta)
        if isinstance(value, (FrameCollection, pd.Series, pd.DataFrame, np.ndarray, list)):
            raise TypeError(
                f"cannot assign a {type(value).__name__} to column {label!r}\n"
                "hint: assign a series made from this dataframe, or a constant"
            )
        constant = pa.array([value], from_pandas=True)
        meta[label] = pd.Series([value]).iloc[:0].reindex(meta.index)
        if len(meta.columns) and isinstance(value, (int, float, bool, str)):
            meta[label] = meta[label].astype(pd.Series([value]).dtype)
        return DataFrame(self._plan.assign_scalar(name, constant), meta)

    def assign(self, **kwargs: Any) -> DataFrame:
        """With these columns added or replaced: series of this dataframe, constants, or functions of it.

        Raises
        ------
        ValueError
            If a series comes from other rows.
        """
        result = self
        for label, value in kwargs.items():
            result = result._assign(label, value)
        return result

    def drop(self, labels: Any = None, axis: Any = 0, columns: Any = None, errors: str = "raise") -> DataFrame:
        """Without these columns."""
        if columns is None and axis in (1, "columns"):
            columns = labels
        if columns is None:
            raise NotImplementedError("rows can't be dropped by label\nhint: filter them, or pass columns=")
        columns = [columns] if isinstance(columns, str) or not hasattr(columns, "__iter__") else list(columns)
        if errors == "raise":
            for label in columns:
                self._plan_name(label)
        return self[[label for label in self.columns if label not in columns]]

    def rename(self, index: Any = None, columns: Any = None) -> DataFrame:
        """With other labels."""
        if index is not None:
            raise NotImplementedError("rename(index=...) is not supported\nhint: use map_partitions")
        meta = self._meta.rename(columns=columns)
        return DataFrame(self._plan.rename(plan_names(meta.columns)), meta)

    def select_dtypes(self, include: Any = None, exclude: Any = None) -> DataFrame:
        """The columns of these dtypes."""
        return self[list(self._meta.select_dtypes(include, exclude).columns)]

    def _each_column(self, function: Callable[[Any, Any], Any]) -> DataFrame:
        """Every column through a function that keeps its rows."""
        results = {label: function(label, self[label]) for label in self.columns}
        plan = self._plan
        for label, series in results.items():
            plan = plan.assign(self._plan_name(label), series._plan)
        meta = pd.DataFrame({label: series._meta for label, series in results.items()})
        meta.columns = self._meta.columns
        return DataFrame(plan, meta)

    # ---- rows

    @property
    def loc(self) -> Loc:
        """Rows by a boolean series, and columns by label."""
        return Loc(self)

    def dropna(self, how: str = "any", subset: Any = None) -> DataFrame:
        """Without rows that have missing values."""
        labels = list(self.columns) if subset is None else ([subset] if isinstance(subset, str) else list(subset))
        present = [self[label].notna() for label in labels]
        if not present:
            return self
        keep = present[0]
        for one in present[1:]:
            keep = (keep & one) if how == "any" else (keep | one)
        return self[keep]

    def fillna(self, value: Any) -> DataFrame:
        """With `value` in place of missing values, or by column with a dict."""
        if isinstance(value, dict):
            return self._each_column(lambda label, s: s.fillna(value[label]) if label in value else s)
        return self._each_column(lambda label, series: series.fillna(value))

    def isna(self) -> DataFrame:
        """Whether each value is missing."""
        return DataFrame(self._plan.unary("isna"), self._meta.isna())

    def notna(self) -> DataFrame:
        """Whether each value is there."""
        return DataFrame(self._plan.unary("notna"), self._meta.notna())

    isnull, notnull = isna, notna

    def astype(self, dtypes: Any) -> DataFrame:
        """With columns of another dtype, or several by a dict."""
        if isinstance(dtypes, dict):
            for label in dtypes:
                self._plan_name(label)
            return self._each_column(lambda label, s: s.astype(dtypes[label]) if label in dtypes else s)
        return self._each_column(lambda label, series: series.astype(dtypes))

    def query(self, expr: str, **kwargs: Any) -> DataFrame:
        """Rows where an expression holds, by pandas on each partition."""
        return self.map_partitions(_methods.MethodCall("query"), expr, meta=self._meta.query(expr, **kwargs), **kwargs)

    def apply(self, func: Callable[..., Any], axis: Any = 0, args: tuple = (), meta: Any = None, **kwargs: Any) -> Any:
        """Call a function on every row (``axis=1``)."""
        if axis not in (1, "columns"):
            raise NotImplementedError("apply(axis=0) is not supported\nhint: use map_partitions, or axis=1 for rows")
        from raskal.dataframe._emulate import NO_DEFAULT

        given = NO_DEFAULT if meta is None else meta
        return self.map_partitions(_methods.MethodCall("apply"), func, axis=1, args=args, meta=given, **kwargs)

    def reset_index(self, drop: bool = False) -> DataFrame:
        """The index as columns, and the rows' numbers as index."""
        meta = self._meta.reset_index(drop=drop)
        plan = self._plan.reset_index(drop)
        return DataFrame(plan.rename(plan_names(meta.columns)), meta)

    def groupby(self, by: Any, *, sort: bool = True, dropna: bool = True, **kwargs: Any) -> Any:
        """Group rows that agree in one or several columns.

        Parameters
        ----------
        by : label, Series, or list of them
            Columns of this dataframe, or series of the same rows.
        sort : bool
            Whether groups come in the order of their keys.
        dropna : bool
            Whether rows with a missing key are left out.

        Returns
        -------
        DataFrameGroupBy

        Raises
        ------
        KeyError
            If a column does not exist; the message offers the nearest.

        Notes
        -----
        Source: crates/raskal-frame/src/aggregate.rs
        """
        from raskal.dataframe.groupby import DataFrameGroupBy, group

        return group(DataFrameGroupBy, self, by, sort, dropna, kwargs)

    # ---- writing

    def to_csv(self, filename: Any, **kwargs: Any) -> Any:
        """Write CSV files. See `raskal.dataframe.to_csv`."""
        from raskal.dataframe.csv import to_csv

        return to_csv(self, filename, **kwargs)

    def to_parquet(self, path: Any, **kwargs: Any) -> Any:
        """Write a folder of Parquet files. See `raskal.dataframe.to_parquet`."""
        from raskal.dataframe.parquet import to_parquet

        return to_parquet(self, path, **kwargs)


class Loc:
    """``df.loc[condition]``, ``df.loc[condition, columns]``, ``df.loc[:, columns]``."""

    def __init__(self, frame: DataFrame) -> None:
        self._frame = frame

    def __getitem__(self, key: Any) -> Any:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        frame: Any = self._frame
        if isinstance(rows, Series):
            condition = rows
            chosen = frame if isinstance(columns, slice) else frame[columns]
            return chosen[condition]
        if rows == slice(None):
            return frame if columns == slice(None) else frame[columns]
        raise NotImplementedError(
            f"rows can only be chosen by a boolean series, not by {rows!r}\nhint: filter by df.index or a column"
        )


def _frame_binary(frame: DataFrame, name: str, other: Any, reflected: bool) -> Any:
    if isinstance(other, DataFrame):
        if list(frame.columns) != list(other.columns):
            raise NotImplementedError("operations on dataframes of different columns are not supported")
        return frame._each_column(lambda label, series: _operators.series_binary(series, name, other[label], reflected))
    if isinstance(other, (FrameCollection, pd.DataFrame, pd.Series, np.ndarray, list)):
        return NotImplemented
    return frame._each_column(lambda label, series: _operators.series_binary(series, name, other, reflected))


def _frame_unary(name: str) -> Callable[[DataFrame], DataFrame]:
    return lambda self: self._each_column(lambda label, series: getattr(series, name)())


def _install() -> None:
    _operators.install(DataFrame, _frame_binary)
    for name in ("__neg__", "__invert__", "__abs__"):
        setattr(DataFrame, name, _frame_unary(name))
    for name in _methods.COLUMN_METHODS:
        if name != "astype":
            setattr(DataFrame, name, _methods.frame_method(name))
    for name in REDUCTIONS:
        setattr(DataFrame, name, frame_reduction(name))


_install()
