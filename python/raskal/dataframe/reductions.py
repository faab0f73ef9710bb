"""Reductions of series and dataframes along their rows: native where the engine has pandas' rules, a tree elsewhere.

Start at `reduce_rows`. `REDUCTIONS` names what the engine does, `_moments` and the classes below are what a tree does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._convert import column_to_pandas, plan_names
from raskal.dataframe._emulate import emptied, infer
from raskal.dataframe._moments import FromMoments, Moments, as_table, merge_moments
from raskal.dataframe._operators import plain
from raskal.dataframe._tasks import TaskPlan, as_pandas, itself
from raskal.dataframe.collection import new_collection
from raskal.dataframe.scalar import Scalar
from raskal.dataframe.tree import tree

# Name, and what a reduction gives of no values at all; those that the engine does.
REDUCTIONS = {
    "sum": 0,
    "mean": np.nan,
    "min": np.nan,
    "max": np.nan,
    "count": 0,
    "std": np.nan,
    "var": np.nan,
    "median": np.nan,
    "nunique": 0,
    "any": False,
    "all": True,
}
HOST_REDUCTIONS = (*REDUCTIONS, "prod", "sem", "skew", "kurtosis")
# Reductions whose partial results are reduced by the same, or by another one.
SIMPLE = {"sum": "sum", "prod": "prod", "min": "min", "max": "max", "any": "any", "all": "all", "count": "sum"}
MOMENTS = ("mean", "var", "std", "sem", "skew", "kurtosis")


def engine_name(name: str, ddof: int) -> str:
    """The engine's name of a reduction.

    Raises
    ------
    ValueError
        If `ddof` is neither 0 nor 1.
    """
    if name not in ("std", "var") or ddof == 1:
        return name
    if ddof == 0:
        return f"{name}0"
    raise ValueError(f"{name}(ddof={ddof}) is not native")


class RowToSeries:
    """The only row of a table as a series with these labels."""

    def __init__(self, labels: pd.Index, missing: Any, dtype: Any) -> None:
        self.labels = labels
        self.missing = missing
        self.dtype = dtype
        self.__name__ = "reduced"

    def __call__(self, table: Any) -> pd.Series:
        """The row of a table."""
        values = [
            self.missing if column.null_count else column_to_pandas(column, column.to_pandas().dtype)[0]
            for column in table.columns
        ]
        found = pd.Series(values, index=self.labels)
        return found.astype(self.dtype) if found.dtype != self.dtype and len(found) else found


def reduction_method(name: str) -> Callable[..., Any]:
    """The method of `Series` and `DataFrame` for a reduction."""

    def method(
        self: Any,
        axis: Any = 0,
        skipna: bool = True,
        numeric_only: bool = False,
        min_count: int = 0,
        split_every: Any = None,
        ddof: int = 1,
        bias: bool = True,
        fisher: bool = True,
        nan_policy: str = "propagate",
        dropna: bool = True,
        **kwargs: Any,
    ) -> Any:
        if kwargs.pop("out", None) is not None:
            raise NotImplementedError(f"{name}(out=...) is not supported\nhint: assign the result")
        if kwargs:
            raise TypeError(f"{name}() got unknown arguments {sorted(kwargs)}")
        if axis in (1, "columns") and self._meta_ndim == 2:
            from raskal.dataframe._blockwise import blockwise

            options: dict[str, Any] = {} if name in ("count", "nunique", "any", "all") else {"skipna": skipna}
            if name in ("var", "std", "sem"):
                options["ddof"] = ddof
            if name in ("sum", "prod"):
                options["min_count"] = min_count
            if name == "nunique":
                options["dropna"] = dropna
            return blockwise(_AlongRows(name, options), self, name=name)
        if axis not in (0, "index", None):
            raise ValueError(f"No axis named {axis} for object type {type(self).__name__}")
        if numeric_only and self._meta_ndim == 2:
            self = self[list(self._meta.select_dtypes(["number", "bool"], ["timedelta"]).columns)]
        if axis is None and self._meta_ndim == 2:
            return _of_all(self, name, skipna, min_count)
        options = {"skipna": skipna}
        if name in ("sum", "prod"):
            options["min_count"] = min_count
        if name in ("var", "std", "sem"):
            options["ddof"] = ddof
        if name == "skew":
            options["bias"] = bias
        if name == "kurtosis":
            options |= {"fisher": fisher, "bias": bias}
        if name == "nunique":
            options = {"dropna": dropna}
        return reduce_rows(self, name, options, split_every)

    method.__name__ = name
    method.__doc__ = f"As pandas' `{name}`, lazily; missing values are skipped unless ``skipna=False``."
    return method


def _of_all(frame: Any, name: str, skipna: bool, min_count: int) -> Any:
    """One value of all columns together, as pandas gives for ``axis=None``."""
    if name in ("sum", "prod"):
        columns = getattr(frame, name)(skipna=skipna, min_count=min_count)
        return getattr(columns, name)(skipna=skipna, min_count=min_count)
    if name in ("min", "max", "any", "all"):
        return getattr(getattr(frame, name)(skipna=skipna), name)(skipna=skipna)
    if name == "mean":
        return frame.sum(skipna=skipna).sum(skipna=skipna) / frame.count().sum()
    raise NotImplementedError(
        f"{name}(axis=None) is not supported\nhint: {name} along the rows (axis=0) or the columns (axis=1)"
    )


class _AlongRows:
    """A reduction along the columns of each row."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.__name__ = name
        self.options = options

    def __call__(self, part: pd.DataFrame) -> pd.Series:
        found: pd.Series = getattr(part, self.__name__)(axis=1, **self.options)
        return found


def reduce_rows(collection: Any, name: str, options: dict[str, Any], split_every: Any = None) -> Any:
    """A collection reduced along its rows: a scalar of a series, a series of a dataframe.

    Raises
    ------
    TypeError
        If pandas refuses the reduction for a column's dtype.
    """
    if (name in SIMPLE and name != "count") or name in ("mean", "median", "var", "std"):
        _refuse_what_pandas_refuses(collection, name)
    native = _native(collection, name, options)
    if native is not None:
        return native
    meta = _meta(collection, name, options)
    if name in SIMPLE:
        chunk, combine, aggregate = _Partial(name, options), _Merge(name, options), _Final(name, options)
        return _divided(
            collection,
            tree(collection, chunk, aggregate, combine, meta=meta, name=name, split_every=split_every),
        )
    if name in MOMENTS:
        order = {"mean": 1, "skew": 3, "kurtosis": 4}.get(name, 2)
        skipna = options.get("skipna", True)
        return _divided(
            collection,
            tree(
                collection,
                Moments(order, skipna),
                FromMoments(name, options, collection._meta),
                merge_moments,
                meta=meta,
                name=name,
                split_every=split_every,
            ),
        )
    if name == "nunique":
        distinct, final = _Distinct(), _CountDistinct(options.get("dropna", True))
        return _divided(collection, tree(collection, distinct, final, _join_distinct, meta=meta, name=name))
    # No partial results: the values themselves are put together.
    return _divided(collection, whole(collection, _Whole(name, options), meta=meta, name=name))


def whole(collection: Any, function: Callable[..., Any], meta: Any, name: str) -> Any:
    """A function of all rows in one place."""
    return tree(collection, itself, _OfAll(function, collection._meta), meta=meta, name=name)


class _OfAll:
    def __init__(self, function: Callable[..., Any], meta: Any) -> None:
        self.function = function
        self.meta = meta

    def __call__(self, parts: list[Any]) -> Any:
        from raskal.dataframe._concat import concat

        return self.function(concat(parts, self.meta))


class _Whole:
    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name = name
        self.options = options

    def __call__(self, data: Any) -> Any:
        return getattr(data, self.name)(**self.options)


def _refuse_what_pandas_refuses(collection: Any, name: str) -> None:
    if collection._meta_ndim and isinstance(collection._meta, (pd.Series, pd.DataFrame)):
        from raskal.dataframe._emulate import sample

        getattr(sample(collection._meta), name)()


def _native(collection: Any, name: str, options: dict[str, Any]) -> Any:
    """The reduction as a plan of the engine, or None."""
    frame, meta = collection._frame, collection._meta
    if frame is None or name not in REDUCTIONS or not options.get("skipna", True) or isinstance(meta, pd.Index):
        return None
    if options.get("min_count") or options.get("ddof", 1) not in (0, 1) or options.get("dropna", True) is not True:
        return None
    dtypes = [meta.dtype] if isinstance(meta, pd.Series) else list(meta.dtypes)
    if not dtypes or not all(plain(dtype) for dtype in dtypes):
        return None
    how = engine_name(name, options.get("ddof", 1))
    if isinstance(meta, pd.Series):
        (column,) = frame.names
        same = name in ("min", "max") or (name == "sum" and meta.dtype == "float32")
        try:
            return Scalar(frame.reduce([(column, how, name)]), REDUCTIONS[name], meta.dtype if same else None)
        except TypeError:
            return None
    labels = plan_names(meta.columns)
    try:
        plan = frame.reduce([(label, how, label) for label in labels])
    except TypeError:
        return None
    found = _meta(collection, name, options)
    node = as_pandas(plan, found, RowToSeries(meta.columns, REDUCTIONS[name], found.dtype))
    return _divided(collection, new_collection(TaskPlan(node), found))


def _divided(collection: Any, reduced: Any) -> Any:
    """Reduced columns have their smallest and largest label as divisions."""
    meta = collection._meta
    if isinstance(meta, pd.DataFrame) and len(meta.columns) and isinstance(reduced._plan, TaskPlan):
        try:
            reduced._plan.divisions = (min(meta.columns), max(meta.columns))
        except TypeError:
            pass  # labels that can't be compared
    return reduced


def _meta(collection: Any, name: str, options: dict[str, Any]) -> Any:
    ignored = ("bias", "fisher", "skipna") if name == "count" else ("bias", "fisher")
    known = {key: one for key, one in options.items() if key not in ignored}
    return emptied(infer(_Whole(name, known), [collection._meta], {}, name))


# ---- what the tree does: a table with one row per partial result


def _row(frame: pd.DataFrame, reduce: Callable[[pd.Series], Any], counts: bool = False) -> pd.DataFrame:
    columns = {}
    for place in frame.columns:
        column = frame[place]
        value = reduce(column)
        # The column's own dtype, where the value fits: one of a missing value alone would spoil it.
        found = pd.Series([value])
        if not counts and found.dtype != column.dtype and isinstance(column.dtype, pd.api.extensions.ExtensionDtype):
            try:
                found = pd.Series([value], dtype=column.dtype)
            except (TypeError, ValueError):
                pass
        columns[place] = found
    return pd.DataFrame(columns, index=pd.RangeIndex(1))


class _Partial:
    """One row: each column of a partition reduced. No rows of an empty partition, whose dtypes say nothing."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name = name
        self.options = {} if name == "count" else {"skipna": options.get("skipna", True)}
        if name in ("any", "all"):
            self.options = {"skipna": options.get("skipna", True)}
        self.counted = bool(options.get("min_count"))

    def __call__(self, part: Any) -> Any:
        frame = as_table(part)
        meta = part.iloc[:0] if not isinstance(part, pd.Index) else part[:0]
        counts = frame.count().to_numpy() if self.counted else 0
        if len(frame) == 0:
            return meta, None, counts
        return (
            meta,
            _row(frame, lambda column: getattr(column, self.name)(**self.options), self.name == "count"),
            counts,
        )


class _Merge:
    """Several rows reduced to one."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name = SIMPLE[name]
        self.options = {"skipna": options.get("skipna", True)}

    def __call__(self, parts: list[Any]) -> Any:
        rows = [row for _, row, _ in parts if row is not None]
        counts = sum(count for _, _, count in parts)
        if not rows:
            return parts[0][0], None, counts
        joined = pd.concat(rows, ignore_index=True)
        return parts[0][0], _row(joined, lambda column: getattr(column, self.name)(**self.options)), counts


class _Final:
    """The result: pandas' own reduction of the last row, which knows the result's dtype."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.name = name
        self.options = options
        self.merge = _Merge(name, options)

    def __call__(self, parts: list[Any]) -> Any:
        meta, row, counts = self.merge(parts)
        if self.name == "count":
            return _sum_row(meta, row)
        options = {"skipna": self.options.get("skipna", True)}
        if row is None:
            return getattr(meta, self.name)()
        if isinstance(meta, pd.DataFrame):
            row.columns = meta.columns
            found = getattr(row, SIMPLE[self.name])(**options)
            least = self.options.get("min_count", 0)
            return found.where(np.asarray(counts) >= least) if least > 0 else found
        found = getattr(row[0], SIMPLE[self.name])(**options)
        least = self.options.get("min_count", 0)
        return np.nan if least > 0 and np.asarray(counts)[0] < least else found


def _sum_row(meta: Any, row: pd.DataFrame | None) -> Any:
    """Counts, which have no dtype of a column."""
    if not isinstance(meta, pd.DataFrame):
        return np.int64(0 if row is None else row[0].iloc[0])
    return pd.Series(0 if row is None else row.iloc[0].to_numpy().astype("int64"), index=meta.columns, dtype="int64")


class _Distinct:
    """The different values of each column."""

    def __call__(self, part: Any) -> tuple[Any, list[pd.Series]]:
        frame = as_table(part)
        return (part.columns if isinstance(part, pd.DataFrame) else None), [
            frame[place].drop_duplicates() for place in frame.columns
        ]


def _join_distinct(parts: list[Any]) -> Any:
    from raskal.dataframe._concat import concat

    columns = zip(*(columns for _, columns in parts), strict=True)
    return parts[0][0], [concat(list(column)).drop_duplicates() for column in columns]


class _CountDistinct:
    def __init__(self, dropna: bool) -> None:
        self.dropna = dropna

    def __call__(self, parts: list[Any]) -> Any:
        labels, columns = _join_distinct(parts)
        counts = [column.nunique(dropna=self.dropna) for column in columns]
        return counts[0] if labels is None else pd.Series(counts, index=labels)
