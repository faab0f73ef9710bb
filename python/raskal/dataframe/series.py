"""A lazy pandas series, and the index of a dataframe.

Start at `Series`. Operators and methods come from the tables of `_operators`, `_methods` and `reductions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from raskal._raskal import Frame
from raskal.dataframe import _methods, _operators
from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._convert import plan_names, series_name
from raskal.dataframe._emulate import NO_DEFAULT, UNKNOWN_CATEGORIES
from raskal.dataframe._methods import MethodCall, rowwise
from raskal.dataframe._ordered import OrderedMethods
from raskal.dataframe._statistics import Statistics
from raskal.dataframe.collection import FrameCollection, new_collection
from raskal.dataframe.reductions import HOST_REDUCTIONS, reduction_method


class Series(OrderedMethods, Statistics, FrameCollection):
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

    dtypes = dtype

    @property
    def shape(self) -> tuple[Any]:
        """Number of rows, lazily."""
        return (self._count(),)

    @property
    def axes(self) -> list[Any]:
        """The index."""
        return [self.index]

    @property
    def nbytes(self) -> Any:
        """Bytes that the values take."""
        from raskal.dataframe.tree import tree

        return tree(self, _nbytes, _sum_of, meta=0, name="nbytes")

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

    @property
    def cat(self) -> Any:
        """Methods on categories."""
        from raskal.dataframe.categorical import CategoricalAccessor

        self._meta.cat  # noqa: B018 - pandas' own error for other dtypes
        return CategoricalAccessor(self)

    def rename(self, index: Any, sorted_index: bool = False) -> Any:
        """Under another name; with a function or mapping, with other labels.

        Parameters
        ----------
        index : label, function, mapping or Series
        sorted_index : bool
            Whether the labels stay in order, so that the divisions are known.

        Raises
        ------
        ValueError
            If the divisions' labels do not stay in order, though `sorted_index`.
        """
        if isinstance(index, Series):
            index = index.compute()
        if callable(index) or isinstance(index, (dict, pd.Series)):
            renamed = blockwise(MethodCall("rename"), self, index, divisions=None, same_labels=False)
            if sorted_index and self.known_divisions:
                changed = pd.Series(0, index=list(self.divisions)).rename(index).index
                if not changed.is_monotonic_increasing:
                    raise ValueError(
                        f"sorted_index=True, but the divisions {self.divisions} become {tuple(changed)}\n"
                        "hint: leave it out, and use set_index or compute_current_divisions"
                    )
                renamed._plan.divisions = tuple(changed)
            return renamed
        frame = self._frame
        if frame is not None and type(self) is Series:
            return Series(frame.rename([series_name(index)]), self._meta.rename(index))
        return blockwise(MethodCall("rename"), self, index)

    def to_frame(self, name: Any = None) -> Any:
        """A dataframe of this one column."""
        from raskal.dataframe.frame import DataFrame

        meta = self._meta.to_frame() if name is None else self._meta.to_frame(name=name)
        frame = self._frame
        if frame is not None and type(self) is Series:
            return DataFrame(frame.rename([str(meta.columns[0])]), meta)
        return blockwise(_to_frame, self, name, meta=meta)

    def __getitem__(self, key: Any) -> Any:
        key = _operators.as_operand(key)
        if isinstance(key, FrameCollection):
            frame = self._frame
            native = type(self) is Series and type(key) is Series and frame is not None and key._frame is not None
            if native and frame.same_rows(key._frame) and key.dtype == "bool":
                return Series(frame.filter(key._frame), self._meta)
            return blockwise(MethodCall("__getitem__"), self, key, name="filter", meta=self._meta)
        if isinstance(key, slice):
            return self.loc[key]
        if isinstance(key, (list, np.ndarray, pd.Index)) and type(self) is Series:
            return self.loc[key]
        raise NotImplementedError(
            f"a series can only be filtered by a boolean series, not by {key!r}\nhint: use .loc, or compute() it first"
        )

    def __iter__(self) -> Iterator[Any]:
        for number in range(self.npartitions):
            yield from self.get_partition(number).compute()

    @property
    def loc(self) -> Any:
        """Rows by label or by a boolean series."""
        from raskal.dataframe.indexing import Loc

        return Loc(self)

    def isna(self) -> Any:
        """Whether each value is missing."""
        return self._missing("isna")

    def notna(self) -> Any:
        """Whether each value is there."""
        return self._missing("notna")

    isnull, notnull = isna, notna

    def _missing(self, name: Any) -> Any:
        frame = self._frame
        if frame is not None and type(self) is Series:
            return Series(frame.unary(name), getattr(self._meta, name)())
        return blockwise(MethodCall(name), self)

    def fillna(self, value: Any = None, axis: Any = None) -> Any:
        """With `value` in place of missing ones.

        Raises
        ------
        ValueError
            If `axis` is none of a series.
        """
        if axis not in (None, 0, "index"):
            raise ValueError(f"No axis named {axis} for object type Series")
        frame = self._frame
        if frame is not None and type(self) is Series and np.isscalar(value):
            meta = self._meta.fillna(value)  # type: ignore[arg-type]
            constant = _operators._scalar(value, self.dtype) if _operators.plain(self.dtype) else None
            if constant is not None and meta.dtype == self.dtype:
                try:
                    return Series(frame.fillna(constant), meta)
                except TypeError:
                    pass  # a value of another type: pandas knows what becomes of it
        return rowwise(MethodCall("fillna"), self, _operators.as_operand(value), name="fillna")

    def dropna(self) -> Any:
        """Without missing values."""
        return self[self.notna()]

    def astype(self, dtypes: Any) -> Any:
        """As another dtype; the categories of ``"category"`` are not known before the data are."""
        dtype = dtypes
        if isinstance(dtype, dict):
            if [*dtype] != [self.name]:
                raise KeyError("Only the Series name can be used for the key in Series dtype mappings.")
            dtype = dtype[self.name]
        if isinstance(dtype, pd.CategoricalDtype | str) and str(dtype) == "category":
            if getattr(dtype, "categories", None) is None and not isinstance(self.dtype, pd.CategoricalDtype):
                values = pd.Categorical([], categories=[UNKNOWN_CATEGORIES])
                meta = pd.Series(values, name=self._meta.name, index=getattr(self._meta, "index", None))
                return blockwise(MethodCall("astype"), self, dtype, meta=meta)
        return rowwise(MethodCall("astype"), self, dtype, name="astype")

    def __neg__(self) -> Any:
        return _unary(self, "neg", "__neg__")

    def __invert__(self) -> Any:
        return _unary(self, "invert", "__invert__")

    def __abs__(self) -> Any:
        return self.abs()  # type: ignore[attr-defined]

    def __pos__(self) -> Any:
        return self

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.compute(), dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: Any, *inputs: Any, **kwargs: Any) -> Any:
        return array_ufunc(ufunc, method, inputs, kwargs)

    def reset_index(self, drop: bool = False) -> Any:
        """The index as a column, and rows numbered anew in each partition."""
        frame = self._frame
        if frame is not None and type(self) is Series:
            meta: Any = self._meta.reset_index(drop=True) if drop else self._meta.reset_index()
            names = plan_names(meta.columns) if isinstance(meta, pd.DataFrame) else frame.names
            try:
                return new_collection(frame.reset_index(drop).rename(names), meta)
            except ValueError:
                pass  # names that only pandas tells apart
        return blockwise(MethodCall("reset_index"), self, drop=drop, divisions=None, same_labels=False)

    def rename_axis(
        self, mapper: Any = NO_DEFAULT, index: Any = NO_DEFAULT, columns: Any = NO_DEFAULT, axis: Any = 0
    ) -> Any:
        """With another name of the index; `columns` is accepted, as by Dask, and means nothing."""
        given = {"mapper": mapper, "index": index}
        options = {key: one for key, one in given.items() if one is not NO_DEFAULT}
        return blockwise(MethodCall("rename_axis"), self, **options)

    def groupby(self, by: Any = None, **kwargs: Any) -> Any:
        """Group by other series of the same rows. See `DataFrame.groupby`."""
        from raskal.dataframe.groupby import SeriesGroupBy

        return SeriesGroupBy(self, by, **kwargs)

    def squeeze(self) -> Any:
        """Itself: it has one column."""
        return self

    def to_csv(self, filename: Any, **kwargs: Any) -> Any:
        """Write CSV files. See `raskal.dataframe.to_csv`."""
        return self.to_frame().to_csv(filename, **kwargs)

    def to_json(self, filename: Any, *args: Any, **kwargs: Any) -> Any:
        """Write JSON files of one column. See `raskal.dataframe.to_json`."""
        return self.to_frame().to_json(filename, *args, **kwargs)

    def to_orc(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        """Write a folder of ORC files of one column. See `raskal.dataframe.to_orc`."""
        return self.to_frame().to_orc(path, *args, **kwargs)

    def to_sql(self, name: Any, uri: Any, **kwargs: Any) -> Any:
        """Write to a table of one column of a database. See `raskal.dataframe.to_sql`."""
        return self.to_frame().to_sql(name, uri, **kwargs)

    def __dir__(self) -> list[Any]:
        accessors = [name for name in ("str", "dt", "cat", "list", "struct") if not hasattr(self._meta, name)]
        return [name for name in super().__dir__() if name not in accessors]

    def __contains__(self, label: Any) -> bool:
        """Whether a row has this label, as in pandas. Computes."""
        labels: Any = self.index == label
        return bool(labels.any().compute())

    def view(self, dtype: Any) -> Any:
        """The bytes of the values as another dtype."""
        return blockwise(_view, self, dtype)

    def dot(self, other: Any, meta: Any = NO_DEFAULT) -> Any:
        """The sum of products with another series, or with each column of a dataframe."""
        own: Any = self
        product = own * other if isinstance(other, Series) else other.mul(self, axis="index")
        return product.sum()

    def __matmul__(self, other: Any) -> Any:
        return self.dot(other)

    def item(self) -> Any:
        """The only value.

        Raises
        ------
        ValueError
            If there are more, or none.
        """
        return self.compute().item()


def array_ufunc(ufunc: Any, method: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A universal function of NumPy on partitions."""
    if method != "__call__" or kwargs.get("out") is not None:
        return NotImplemented
    inputs = tuple(_operators.as_operand(one) for one in inputs)
    if any(not isinstance(one, (FrameCollection, int, float, complex, np.generic)) for one in inputs):
        return NotImplemented
    if ufunc.nout > 1:
        outputs = [_Output(ufunc, place) for place in range(ufunc.nout)]
        return tuple(blockwise(output, *inputs, name=ufunc.__name__, **kwargs) for output in outputs)
    return blockwise(ufunc, *inputs, name=ufunc.__name__, **kwargs)


class _Output:
    """One of several results of a universal function."""

    def __init__(self, ufunc: Any, place: int) -> None:
        self.ufunc = ufunc
        self.place = place

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.ufunc(*inputs, **kwargs)[self.place]


def _to_frame(part: pd.Series, name: Any) -> pd.DataFrame:
    return part.to_frame() if name is None else part.to_frame(name=name)


def _view(part: pd.Series, dtype: Any) -> pd.Series:
    return pd.Series(part.to_numpy().view(dtype), index=part.index, name=part.name)


def _memory_of(part: pd.Index, deep: bool) -> int:
    return int(part.memory_usage(deep=deep))


def _nbytes(part: Any) -> int:
    return int(part.nbytes)


def _sum_of(parts: list[int]) -> int:
    return sum(parts)


def _unary(series: Series, name: str, method: str) -> Any:
    frame = series._frame
    if frame is not None and type(series) is Series and _operators.plain(series.dtype):
        try:
            return Series(frame.unary(name), getattr(series._meta, method)())
        except TypeError:
            pass  # not native for this dtype
    return rowwise(MethodCall(method), series, name=name)


class Index(Series):
    """The index of a dataframe, lazily."""

    _meta: Any

    def _convert(self) -> Callable[..., Any] | None:
        return _LabelsOf(self._meta, len(self._plan.index_names)) if isinstance(self._plan, Frame) else None

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        if not isinstance(self._plan, Frame):
            return super().__raskal_finalize__(results)
        levels = len(self._plan.index_names)
        tables = [table.select(table.column_names[levels:]) for table in results]
        from raskal.dataframe._convert import to_pandas

        return to_pandas(tables, self._meta, 1)

    @property
    def names(self) -> Any:
        """Names of the levels."""
        return self._meta.names

    @property
    def nlevels(self) -> int:
        """Number of levels."""
        return int(self._meta.nlevels)

    def __dir__(self) -> list[Any]:
        parts = [name for name in dir(type(self._meta)) if isinstance(getattr(type(self._meta), name, None), property)]
        return [*super().__dir__(), *(name for name in parts if not name.startswith("_"))]

    @property
    def cat(self) -> Any:
        """Methods on categories."""
        from raskal.dataframe.categorical import IndexCategories

        if not isinstance(self._meta, pd.CategoricalIndex):
            raise AttributeError("Can only use .cat accessor with a 'category' dtype")
        return IndexCategories(self)

    def memory_usage(self, deep: bool = False) -> Any:  # type: ignore[override]
        """Bytes that the labels take."""
        from raskal.dataframe.tree import tree

        return tree(self, _memory_of, _sum_of, meta=0, name="memory_usage", args=(deep,))

    @property
    def is_monotonic_increasing(self) -> Any:
        """Whether no label is below the one before."""
        return self.to_series().is_monotonic_increasing

    @property
    def is_monotonic_decreasing(self) -> Any:
        """Whether no label is above the one before."""
        return self.to_series().is_monotonic_decreasing

    def to_series(self, index: Any = None, name: Any = NO_DEFAULT) -> Any:
        """The labels as a series, under themselves.

        Raises
        ------
        NotImplementedError
            If other labels are given.
        """
        if index is not None:
            raise NotImplementedError("to_series(index=...) is not supported\nhint: set the index of the result")
        title = self._meta.name if name is NO_DEFAULT or name is None else name
        meta = self._meta.to_series(name=title)
        return blockwise(_labels_as_series, self, title, meta=meta, name="to_series")

    def __contains__(self, label: Any) -> bool:
        """Whether a row has this label. Computes."""
        equal: Any = self.to_series() == label
        return bool(equal.any().compute())

    def to_frame(self, index: bool = True, name: Any = None) -> Any:  # type: ignore[override]
        """The labels as a dataframe's only column."""
        return blockwise(_labels_as_frame, self, index, name, divisions="same" if index else None)

    def rename(self, index: Any, sorted_index: bool = False) -> Any:
        """Under another name."""
        return blockwise(MethodCall("rename"), self, index)

    @property  # type: ignore[misc]
    def index(self) -> Index:
        """Itself."""
        return self

    def shift(self, periods: int = 1, freq: Any = None, axis: Any = 0) -> Any:
        """Labels moved by a frequency."""
        options = {} if freq is None else {"freq": freq}
        moved = blockwise(MethodCall("shift"), self, periods, **options)
        if self.known_divisions and (freq is not None or getattr(self._meta, "freq", None) is not None):
            given = options or ({} if isinstance(self._meta, pd.PeriodIndex) else {"freq": self._meta.freq})
            cuts = pd.Index(list(self.divisions)).shift(periods, **given)
            # A frequency that takes two labels to one (business days) may take a row over a division.
            moved._plan.divisions = tuple(cuts) if cuts.is_unique else None
        return moved

    def map(self, arg: Any, na_action: Any = None, meta: Any = NO_DEFAULT, is_monotonic: bool = False) -> Any:
        """The labels through a function or mapping; `is_monotonic` is accepted for Dask's sake."""
        given = NO_DEFAULT if meta is None else meta
        return blockwise(MethodCall("map"), self, arg, na_action=na_action, meta=given)

    def min(self, *args: Any, **kwargs: Any) -> Any:
        """The smallest label."""
        return self.to_series().min()

    def max(self, *args: Any, **kwargs: Any) -> Any:
        """The largest label."""
        return self.to_series().max()

    def count(self, *args: Any, **kwargs: Any) -> Any:
        """Number of labels that are not missing."""
        return self.to_series().count()

    def nunique(self, *args: Any, **kwargs: Any) -> Any:
        """Number of different labels."""
        return self.to_series().nunique(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and isinstance(getattr(type(self._meta), name, None), property):
            return blockwise(MethodCall(name, called=False), self, name=name)
        raise AttributeError(f"'Index' object has no attribute {name!r}")


class _LabelsOf:
    def __init__(self, meta: Any, levels: int) -> None:
        self.meta = meta
        self.levels = levels
        self.__name__ = "index"

    def __call__(self, table: Any) -> Any:
        from raskal.dataframe._convert import to_pandas

        return to_pandas([table.select(table.column_names[self.levels :])], self.meta, 1)


def _labels_as_series(part: pd.Index, name: Any) -> pd.Series:
    return part.to_series(name=name)


def _labels_as_frame(part: pd.Index, index: bool, name: Any) -> pd.DataFrame:
    return part.to_frame(index=index) if name is None else part.to_frame(index=index, name=name)


class _Accessor:
    def __init__(self, series: Series) -> None:
        self._series = series


class StringAccessor(_Accessor):
    """pandas' methods on text, row for row."""

    def __getitem__(self, index: Any) -> Any:
        return rowwise(MethodCall("__getitem__", "str"), self._series, index, name="str[]")

    def split(self, pat: Any = None, n: int = -1, expand: bool = False, regex: bool | None = None) -> Any:
        """As pandas' `str.split`; with ``expand=True``, `n` says how many columns come out.

        Raises
        ------
        NotImplementedError
            If `expand` is given without `n`.
        """
        return self._split("split", pat, n, expand, **({} if regex is None else {"regex": regex}))

    def rsplit(self, pat: Any = None, n: int = -1, expand: bool = False) -> Any:
        """As pandas' `str.rsplit`; with ``expand=True``, `n` says how many columns come out."""
        return self._split("rsplit", pat, n, expand)

    def _split(self, name: Any, pat: Any, n: int, expand: bool, **options: Any) -> Any:
        call = MethodCall(name, "str")
        if not expand:
            return rowwise(call, self._series, name=name, pat=pat, n=n, **options)
        if n == -1:
            raise NotImplementedError(
                "To use the expand parameter you must specify the number of expected splits with n="
            )
        delimiter = " " if pat is None else pat
        trial = pd.Series([delimiter.join(["a"] * (n + 1))], dtype=self._series.dtype)
        meta = getattr(trial.str, name)(pat=pat, n=n, expand=True).iloc[:0]
        meta.index = self._series._meta.index[:0]
        return blockwise(_SplitColumns(name, n + 1), self._series, meta=meta, name=name, pat=pat, n=n, **options)

    def cat(self, others: Any = None, sep: Any = None, na_rep: Any = None, join: str = "left") -> Any:
        """As pandas' `str.cat` with other series, whose rows are those of equal labels.

        Without `others`, all rows become one text.

        Raises
        ------
        TypeError
            If `others` holds texts.
        """
        if others is None:
            from raskal.dataframe.tree import tree

            joined = _JoinTexts(sep, na_rep)
            return tree(self._series, joined.part, joined, joined.several, meta="", name="str.cat")
        if isinstance(others, str) or (isinstance(others, (list, tuple)) and any(isinstance(o, str) for o in others)):
            raise TypeError("others must be Series or DataFrame, or a list of them")
        listed = list(others) if isinstance(others, (list, tuple)) else [others]
        listed = [_operators.as_operand(one) for one in listed]
        return blockwise(_cat, self._series, sep, na_rep, join, *listed, meta=self._series._meta, name="str.cat")


class _SplitColumns:
    """Splits text into a given number of columns, whatever the partition holds."""

    def __init__(self, name: Any, columns: int) -> None:
        self.name = name
        self.columns = columns

    def __call__(self, part: pd.Series, pat: Any, n: int, **options: Any) -> pd.DataFrame:
        found = getattr(part.str, self.name)(pat=pat, n=n, expand=True, **options)
        return found.reindex(columns=range(self.columns))


class _JoinTexts:
    """All texts as one, those of a partition first."""

    def __init__(self, sep: Any, na_rep: Any) -> None:
        self.sep = sep
        self.na_rep = na_rep

    def part(self, part: pd.Series) -> Any:
        """The texts of a partition; None if there are none."""
        kept = part if self.na_rep is not None else part.dropna()
        return kept.str.cat(sep=self.sep, na_rep=self.na_rep) if len(kept) else None

    def several(self, texts: list[Any]) -> Any:
        """Texts of several partitions."""
        kept = [text for text in texts if text is not None]
        return (self.sep or "").join(kept) if kept else None

    def __call__(self, texts: list[Any]) -> str:
        return self.several(texts) or ""


def _cat(part: pd.Series, sep: Any, na_rep: Any, join: Any, *others: pd.Series) -> pd.Series:
    return part.str.cat(list(others), sep=sep, na_rep=na_rep, join=join)  # type: ignore[arg-type]


class DatetimeAccessor(_Accessor):
    """pandas' methods on dates and times, row for row."""

    def isocalendar(self) -> Any:
        """Year, week and day by ISO 8601, as a dataframe."""
        return blockwise(MethodCall("isocalendar", "dt"), self._series, name="dt.isocalendar")

    @property
    def components(self) -> Any:
        """The parts of time differences, as a dataframe."""
        return blockwise(MethodCall("components", "dt", called=False), self._series, name="dt.components")

    @property
    def week(self) -> Any:
        """Gone from pandas.

        Raises
        ------
        AttributeError
            The message says what to use instead.
        """
        raise AttributeError("pandas has no dt.week any more\nhint: x.dt.isocalendar().week")

    weekofyear = week

    @property
    def tz(self) -> Any:
        """The time zone."""
        return self._series._meta.dt.tz

    @property
    def freq(self) -> Any:
        """The frequency, of periods."""
        return self._series._meta.dt.freq


def _install() -> None:
    _operators.install(Series, _operators.series_binary)
    for name in _methods.ROW_METHODS:
        setattr(Series, name, _methods.series_method(name))
    for name, keeps in _methods.SERIES_METHODS.items():
        setattr(Series, name, _methods.partition_method(name, keeps))
    for name in _methods.STR_METHODS:
        setattr(StringAccessor, name, _methods.series_method(name, "str"))
    for name in _methods.STR_FRAME_METHODS:
        setattr(StringAccessor, name, _methods.partition_method(name, True, "str"))
    for name in _methods.DT_METHODS:
        setattr(DatetimeAccessor, name, _methods.series_method(name, "dt"))
    for name in _methods.DT_PROPERTIES:
        setattr(DatetimeAccessor, name, _methods.series_property(name, "dt"))
    for name in HOST_REDUCTIONS:
        setattr(Series, name, reduction_method(name))
    Series.product, Series.kurt = Series.prod, Series.kurtosis  # type: ignore[attr-defined]


_install()
