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
from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._convert import plan_names
from raskal.dataframe._emulate import NO_DEFAULT, emptied, nearest, sample
from raskal.dataframe._methods import MethodCall, Operation
from raskal.dataframe._ordered import OrderedMethods
from raskal.dataframe._reading import projected
from raskal.dataframe._statistics import Statistics
from raskal.dataframe._writing import Writing
from raskal.dataframe.collection import FrameCollection
from raskal.dataframe.reductions import HOST_REDUCTIONS, reduction_method
from raskal.dataframe.series import Series, array_ufunc


class DataFrame(Writing, OrderedMethods, Statistics, FrameCollection):
    """A lazy pandas dataframe.

    Made by `read_csv`, `read_parquet`, `from_pandas` and others.

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
        renamed = self._with_columns(labels)
        FrameCollection.__init__(self, renamed._plan, renamed._meta)

    def _with_columns(self, labels: Any) -> DataFrame:
        meta = self._meta.copy()
        meta.columns = labels
        frame = self._frame
        names = [str(label) for label in meta.columns]
        if frame is not None and len(set(names)) == len(names):
            return DataFrame(frame.rename(names), meta)
        renamed: DataFrame = blockwise(_set_columns, self, meta.columns, meta=meta, name="rename")
        return renamed

    @property
    def dtypes(self) -> pd.Series:
        """Types of the columns."""
        return self._meta.dtypes

    @property
    def shape(self) -> tuple[Any, int]:
        """Number of rows, lazily, and of columns."""
        return self._count(), len(self.columns)

    @property
    def nbytes(self) -> Any:
        """Refused as by Dask: the sum of `memory_usage` says it.

        Raises
        ------
        NotImplementedError
        """
        raise NotImplementedError("nbytes is not implemented on DataFrame\nhint: df.memory_usage().sum()")

    @property
    def axes(self) -> list[Any]:
        """The index and the labels of the columns."""
        return [self.index, self.columns]

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

    def iterrows(self) -> Iterator[Any]:
        """Labels and rows, partition by partition."""
        for number in range(self.npartitions):
            yield from self.get_partition(number).compute().iterrows()

    def itertuples(self, index: bool = True, name: str | None = "Pandas") -> Iterator[Any]:
        """Rows as named tuples, partition by partition."""
        for number in range(self.npartitions):
            yield from self.get_partition(number).compute().itertuples(index=index, name=name)

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
        hint = "" if name.startswith("_") else f"\nhint: of its columns, {nearest(name, self._meta.columns)}"
        raise AttributeError(f"'DataFrame' object has no attribute {name!r}{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._meta.columns:
            self[name] = value
        else:
            object.__setattr__(self, name, value)

    def _check_label(self, label: Any) -> None:
        """Refuse a label that no column has.

        Raises
        ------
        KeyError
            The message offers the nearest.
        """
        if label in self._meta.columns:
            return
        raise KeyError(f"column {label!r} does not exist\nhint: {nearest(label, self.columns)}")

    def _plan_name(self, label: Any) -> str:
        """The plan name of a column."""
        self._check_label(label)
        place: Any = self._meta.columns.get_loc(label)
        return plan_names(self._meta.columns)[place]

    def __getitem__(self, key: Any) -> Any:
        frame, key = self._frame, _operators.as_operand(key)
        if isinstance(key, FrameCollection):
            native = frame is not None and type(key) is Series and key._frame is not None
            if native and key.dtype == "bool" and frame.same_rows(key._frame):
                return DataFrame(frame.filter(key._frame), self._meta)
            return blockwise(MethodCall("__getitem__"), self, key, name="filter", meta=self._meta)
        if isinstance(key, slice):
            return self.loc[key]
        if isinstance(key, (list, np.ndarray, pd.Index)):
            labels = list(key)
            if labels and all(isinstance(label, (bool, np.bool_)) for label in labels):
                raise NotImplementedError("rows can't be chosen by a list of truth values\nhint: use a lazy series")
            for label in labels:
                self._check_label(label)
            meta = self._meta[labels]
            if frame is not None and len(set(labels)) == len(labels):
                return DataFrame(frame.select([self._plan_name(label) for label in labels]), meta)
            less = projected(self._plan, labels)
            if less is not None:
                return DataFrame(less, meta)
            return blockwise(MethodCall("__getitem__"), self, labels, name="columns", meta=meta)
        self._check_label(key)
        meta = self._meta[key]
        if frame is not None and isinstance(meta, pd.Series):
            return Series(frame.select([self._plan_name(key)]), meta)
        less = projected(self._plan, [key])
        if less is not None:
            whole = DataFrame(less, self._meta[[key]])
            return blockwise(MethodCall("__getitem__"), whole, key, name="column", meta=meta)
        return blockwise(MethodCall("__getitem__"), self, key, name="column", meta=meta)

    def get(self, key: Any, default: Any = None) -> Any:
        """A column, or `default` if there is none."""
        return self[key] if key in self.columns else default

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, (list, tuple)) and isinstance(value, DataFrame):
            assigned = self
            for label, own in zip(key, value.columns, strict=True):
                assigned = assigned._assign(label, value[own])
        elif isinstance(key, (list, pd.Index)):
            assigned = self
            for label in key:
                assigned = assigned._assign(label, value)
        elif isinstance(key, DataFrame):
            assigned = self.mask(key, value)
        else:
            assigned = self._assign(key, value)
        FrameCollection.__init__(self, assigned._plan, assigned._meta)

    def __delitem__(self, key: Any) -> None:
        dropped = self.drop(columns=[key])
        FrameCollection.__init__(self, dropped._plan, dropped._meta)

    def pop(self, item: Any) -> Series:
        """Take a column out."""
        column: Series = self[item]
        del self[item]
        return column

    def _assign(self, label: Any, value: Any) -> DataFrame:
        if callable(value) and not isinstance(value, FrameCollection):
            value = value(self)
        value = _operators.as_operand(value)
        frame = self._frame
        if _operators.is_array(value):
            from raskal.dataframe.arrays import beside

            value = beside(self, value)
        if isinstance(value, FrameCollection) and value._meta_ndim == 2:
            raise TypeError(
                f"cannot assign a {type(value).__name__} to column {label!r}\nhint: assign a series or a constant"
            )
        if isinstance(value, (np.ndarray, list)) and np.ndim(value):
            raise TypeError(
                f"cannot assign a {type(value).__name__} to column {label!r}\n"
                "hint: assign a series made from this dataframe, or a constant"
            )
        if frame is not None and (isinstance(label, str) or label in self.columns):
            name = self._plan_name(label) if label in self._meta.columns else str(label)
            taken = label not in self._meta.columns and name in plan_names(self._meta.columns)
            native = type(value) is Series and value._frame is not None and frame.same_rows(value._frame)
            meta = self._meta.copy()
            if native and not taken:
                meta[label] = value._meta.reset_index(drop=True).reindex(meta.index)
                return DataFrame(frame.assign(name, value._frame), meta)
            if not taken and isinstance(value, (int, float, bool, str)):
                meta[label] = pd.Series([value]).iloc[:0].reindex(meta.index).astype(pd.Series([value]).dtype)
                return DataFrame(frame.assign_scalar(name, pa.array([value], from_pandas=True)), meta)
        assigned: DataFrame = blockwise(_assigned, self, label, value, name="assign")
        return assigned

    def assign(self, **pairs: Any) -> DataFrame:
        """With these columns added or replaced: series of this dataframe, constants, or functions of it."""
        result = self
        for label, value in pairs.items():
            result = result._assign(label, value)
        return result

    def drop(self, labels: Any = None, axis: Any = 0, columns: Any = None, errors: str = "raise") -> DataFrame:
        """Without these columns; with ``axis=0``, without rows of these labels."""
        if columns is None and axis in (1, "columns"):
            columns = labels
        if columns is None:
            if labels is None:
                raise TypeError("Need to specify at least one of 'labels', 'columns'")
            found: DataFrame = blockwise(_drop_rows, self, labels, errors, meta=self._meta, name="drop")
            return found
        columns = [columns] if isinstance(columns, (str, tuple)) or not hasattr(columns, "__iter__") else list(columns)
        if errors == "raise":
            for label in columns:
                self._check_label(label)
        chosen: DataFrame = self[[label for label in self.columns if label not in columns]]
        return chosen

    def rename(self, index: Any = None, columns: Any = None) -> DataFrame:
        """With other labels."""
        renamed = self
        if index is not None:
            renamed = blockwise(_rename_index, self, index, divisions=None, same_labels=False, name="rename")
        if columns is not None:
            renamed = renamed._with_columns(renamed._meta.rename(columns=columns).columns)
        return renamed

    def rename_axis(
        self, mapper: Any = NO_DEFAULT, index: Any = NO_DEFAULT, columns: Any = NO_DEFAULT, axis: Any = 0
    ) -> Any:
        """With other names of the index or of the columns' labels."""
        given = {"mapper": mapper, "index": index, "columns": columns}
        options = {key: one for key, one in given.items() if one is not NO_DEFAULT}
        if "mapper" in options:
            options["axis"] = axis
        return blockwise(MethodCall("rename_axis"), self, **options)

    def select_dtypes(self, include: Any = None, exclude: Any = None) -> DataFrame:
        """The columns of these dtypes."""
        chosen: DataFrame = self[list(self._meta.select_dtypes(include, exclude).columns)]
        return chosen

    def _each_column(self, function: Callable[[Any, Any], Any]) -> DataFrame | None:
        """Every column through a function that keeps its rows, if all of that is native."""
        frame = self._frame
        if frame is None or not self.columns.is_unique:
            return None
        results = {label: function(label, self[label]) for label in self.columns}
        plan = frame
        for label, series in results.items():
            if not isinstance(series, Series) or series._frame is None or not frame.same_rows(series._frame):
                return None
            plan = plan.assign(self._plan_name(label), series._frame)
        meta = pd.DataFrame({label: series._meta for label, series in results.items()}, columns=self._meta.columns)
        return DataFrame(plan, meta)

    # ---- rows

    @property
    def loc(self) -> Any:
        """Rows by label or by a boolean series, and columns by label."""
        from raskal.dataframe.indexing import Loc

        return Loc(self)

    @property
    def iloc(self) -> Any:
        """Columns by place: ``df.iloc[:, [0, 2]]``."""
        from raskal.dataframe.indexing import Iloc

        return Iloc(self)

    def dropna(self, how: Any = NO_DEFAULT, subset: Any = None, thresh: Any = NO_DEFAULT) -> DataFrame:
        """Without rows that have missing values."""
        if how is not NO_DEFAULT and thresh is not NO_DEFAULT:
            raise TypeError("You cannot set both the how and thresh arguments at the same time.")
        labels = list(self.columns) if subset is None else ([subset] if isinstance(subset, str) else list(subset))
        options = {} if how is NO_DEFAULT else {"how": how}
        for label in labels:
            self._check_label(label)
        self._meta.dropna(subset=labels, **options)  # pandas' own errors
        if self._frame is None or thresh is not NO_DEFAULT or not labels:
            options = options if thresh is NO_DEFAULT else {"thresh": thresh}
            found: DataFrame = blockwise(MethodCall("dropna"), self, subset=labels, meta=self._meta, **options)
            return found
        present = [self[label].notna() for label in labels]
        keep = present[0]
        for one in present[1:]:
            keep = (keep | one) if how == "all" else (keep & one)
        filtered: DataFrame = self[keep]
        return filtered

    def fillna(self, value: Any = None, axis: Any = None) -> Any:
        """With `value` in place of missing values, or by column with a dict or a lazy series of reduced columns."""
        if axis in (1, "columns") and isinstance(value, FrameCollection | dict):
            raise NotImplementedError("fillna(axis=1) takes one value\nhint: use map_partitions")
        if isinstance(value, dict):
            native = self._each_column(lambda label, s: s.fillna(value[label]) if label in value else s)
        elif isinstance(value, (int, float, bool, str)):
            native = self._each_column(lambda label, series: series.fillna(value))
        else:
            native = None
        if native is not None:
            return native
        return blockwise(
            MethodCall("fillna"), self, value, meta=self._meta if isinstance(value, Series) else NO_DEFAULT
        )

    def isna(self) -> Any:
        """Whether each value is missing."""
        frame = self._frame
        return DataFrame(frame.unary("isna"), self._meta.isna()) if frame else blockwise(MethodCall("isna"), self)

    def notna(self) -> Any:
        """Whether each value is there."""
        frame = self._frame
        return DataFrame(frame.unary("notna"), self._meta.notna()) if frame else blockwise(MethodCall("notna"), self)

    isnull, notnull = isna, notna

    def astype(self, dtypes: Any) -> DataFrame:
        """With columns of another dtype, or several by a dict."""
        chosen = dtypes if isinstance(dtypes, dict) else dict.fromkeys(self.columns, dtypes)
        if not self.columns.is_unique:
            cast: DataFrame = blockwise(MethodCall("astype"), self, dtypes)
            return cast
        result = self
        for label, dtype in chosen.items():
            self._check_label(label)
            result = result._assign(label, result[label].astype(dtype))
        return result

    def apply(
        self, function: Callable[..., Any], *args: Any, meta: Any = NO_DEFAULT, axis: Any = 0, **kwargs: Any
    ) -> Any:
        """Call a function on every row (``axis=1``)."""
        if axis not in (1, "columns"):
            raise NotImplementedError("apply(axis=0) is not supported\nhint: use map_partitions, or axis=1 for rows")
        given = NO_DEFAULT if meta is None else meta
        arguments = kwargs.pop("args", ()) or args
        return blockwise(_apply_rows, self, function, tuple(arguments), kwargs, meta=given, name="apply")

    def squeeze(self, axis: Any = None) -> Any:
        """The only column, if there is one."""
        if axis in (None, 1, "columns"):
            return self[self.columns[0]] if len(self.columns) == 1 else self
        if axis in (0, "index"):
            raise NotImplementedError(f"{type(self)} does not support squeeze along axis 0\nhint: compute() first")
        raise ValueError(f"No axis {axis} for object type {type(self)}")

    def nunique(self, axis: Any = 0, dropna: bool = True, split_every: Any = None) -> Any:
        """Number of different values of each column."""
        return reduction_method("nunique")(self, axis=axis, dropna=dropna, split_every=split_every)

    def dot(self, other: Any, meta: Any = NO_DEFAULT) -> Any:
        """The product with a series of one partition whose labels are the columns."""
        return blockwise(MethodCall("dot"), self, other, meta=meta)

    def __neg__(self) -> Any:
        return self._unary("__neg__")

    def __invert__(self) -> Any:
        return self._unary("__invert__")

    def __abs__(self) -> Any:
        return self.abs()

    def __pos__(self) -> Any:
        return self

    def _unary(self, name: str) -> Any:
        native = self._each_column(lambda label, series: getattr(series, name)())
        return native if native is not None else blockwise(MethodCall(name), self)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.compute(), dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: Any, *inputs: Any, **kwargs: Any) -> Any:
        return array_ufunc(ufunc, method, inputs, kwargs)

    def reset_index(self, drop: bool = False) -> DataFrame:
        """The index as columns, and rows numbered anew in each partition."""
        frame = self._frame
        meta = self._meta.reset_index(drop=drop)
        if frame is not None:
            try:
                return DataFrame(frame.reset_index(drop).rename(plan_names(meta.columns)), meta)
            except ValueError:
                pass  # names that only pandas tells apart
        reset: DataFrame = blockwise(
            MethodCall("reset_index"), self, drop=drop, meta=meta, divisions=None, same_labels=False
        )
        return reset

    def groupby(self, by: Any = None, **kwargs: Any) -> Any:
        """Group rows that agree in one or several columns.

        Parameters
        ----------
        by : label, Series, function of labels, or list of them
            Columns of this dataframe, or series of the same rows.
        sort : bool
            Whether groups come in the order of their keys.
        observed : bool
            Whether categories that don't occur are left out.
        dropna : bool
            Whether rows with a missing key are left out.
        group_keys : bool
            Whether `apply` puts the keys in front of the index.

        Returns
        -------
        DataFrameGroupBy

        Raises
        ------
        KeyError
            If a column does not exist; the message offers the nearest.

        Notes
        -----
        Source: crates/raskal-frame/src/aggregate.rs, python/raskal/dataframe/groupby.py
        """
        from raskal.dataframe.groupby import DataFrameGroupBy

        return DataFrameGroupBy(self, by, **kwargs)

    def pivot_table(self, index: Any, columns: Any, values: Any, aggfunc: Any = "mean") -> Any:
        """Aggregates by two columns. See `raskal.dataframe.pivot_table`."""
        from raskal.dataframe.reshape import pivot_table

        return pivot_table(self, index, columns, values, aggfunc)

    def categorize(self, columns: Any = None, index: bool | None = None, **kwargs: Any) -> Any:
        """With columns as categories that are known. See `raskal.dataframe.categorical.categorize`."""
        from raskal.dataframe.categorical import categorize

        return categorize(self, columns, index, **kwargs)

    @classmethod
    def from_dict(cls, data: Any, *, npartitions: int = 1, **kwargs: Any) -> Any:
        """A dataframe of a dictionary. See `raskal.dataframe.from_dict`."""
        from raskal.dataframe.memory import from_dict

        return from_dict(data, npartitions=npartitions, **kwargs)


def _set_columns(part: pd.DataFrame, labels: pd.Index) -> pd.DataFrame:
    return part.set_axis(labels, axis=1)


def _assigned(part: pd.DataFrame, label: Any, value: Any) -> pd.DataFrame:
    part = part.copy(deep=False)
    part[label] = value
    return part


def _drop_rows(part: pd.DataFrame, labels: Any, errors: str) -> pd.DataFrame:
    return part.drop(labels, axis=0, errors="ignore")


def _rename_index(part: pd.DataFrame, index: Any) -> pd.DataFrame:
    return part.rename(index=index)


def _apply_rows(part: pd.DataFrame, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return part.apply(function, axis=1, args=args, **kwargs)


def along_columns(function: Callable[..., Any], frame: DataFrame, other: Any) -> Any:
    """What a function of a dataframe and a series whose labels are its columns gives; else found by trial."""
    if not isinstance(other, Series):
        return NO_DEFAULT
    row = pd.Series(sample(other._meta).iloc[0], index=frame.columns)
    return emptied(function(sample(frame._meta), row))


def _frame_binary(frame: DataFrame, name: str, other: Any, reflected: bool) -> Any:
    other = _operators.as_operand(other)
    if isinstance(other, (np.ndarray, list)) and np.ndim(other):
        raise TypeError(
            f"cannot combine a lazy dataframe with a {type(other).__name__}\nhint: make a pandas object of it"
        )
    if isinstance(other, DataFrame):
        same = frame.columns.equals(other.columns)
        if same and frame._frame is not None and other._frame is not None and frame._frame.same_rows(other._frame):
            native = frame._each_column(
                lambda label, series: _operators.series_binary(series, name, other[label], reflected)
            )
            if native is not None:
                return native
    elif not isinstance(other, FrameCollection) and not _methods.is_lazy(other):
        native = frame._each_column(lambda label, series: _operators.series_binary(series, name, other, reflected))
        if native is not None:
            return native
    elif isinstance(other, FrameCollection) and other._meta_ndim == 1 and other.npartitions > 1:
        raise NotImplementedError(
            f"{name} of a dataframe and a series goes along the columns, as in pandas\n"
            "hint: df.add(series, axis='index') and its like go along the rows"
        )
    operation = Operation(name, reflected)
    return blockwise(operation, frame, other, name=name, meta=along_columns(operation, frame, other))


def _install() -> None:
    _operators.install(DataFrame, _frame_binary)
    for name, keeps in _methods.FRAME_METHODS.items():
        if name not in DataFrame.__dict__:
            setattr(DataFrame, name, _methods.partition_method(name, keeps))
    for name in HOST_REDUCTIONS:
        if name not in DataFrame.__dict__:
            setattr(DataFrame, name, reduction_method(name))
    DataFrame.product, DataFrame.kurt = DataFrame.prod, DataFrame.kurtosis  # type: ignore[attr-defined]
    DataFrame.applymap = DataFrame.map  # type: ignore[attr-defined]


_install()

__all__ = ["DataFrame"]
