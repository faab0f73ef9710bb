"""Rows in the order of values: sorting by ranges, and columns as an index.

Start at `sort_values` and `set_index`: quantiles of the values cut them into ranges of about as many rows, rows go to
the partition of their range, and each partition is sorted for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal import memory
from raskal._raskal import Frame
from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._concat import concat
from raskal.dataframe._operators import plain
from raskal.dataframe._tasks import TaskPlan
from raskal.dataframe.collection import FrameCollection, new_collection
from raskal.dataframe.shuffle import exchange
from raskal.tokenize import tokenize

SAMPLES = 2000


def sort_values(
    df: Any,
    by: Any = None,
    npartitions: int | None = None,
    ascending: Any = True,
    na_position: str = "last",
    partition_size: Any = None,
    sort_function: Callable[..., Any] | None = None,
    sort_function_kwargs: Any = None,
    upsample: float = 1.0,
    ignore_index: bool = False,
    shuffle_method: Any = None,
    options: Any = None,
) -> Any:
    """Rows in the order of columns; equal ones keep theirs.

    Parameters
    ----------
    by : label or list of labels
        Columns; of a series, nothing.
    npartitions : int, optional
        How many partitions come out; as many as before by default.
    ascending : bool or list of bool
    na_position : {"first", "last"}
    sort_function : callable, optional
        Sorts a partition, instead of pandas' `sort_values`.
    partition_size, upsample, shuffle_method, options
        Accepted for Dask's sake.

    Returns
    -------
    DataFrame or Series
        One partition if the engine sorts, which it does unless `npartitions` is given or the rows may be too many for
        one; else ranges of values in one partition each.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If `na_position` is something else.
    """
    if na_position not in ("first", "last"):
        raise ValueError("na_position must be either 'first' or 'last'")
    series = not isinstance(df._meta, pd.DataFrame)
    labels = [] if series else (list(by) if isinstance(by, (list, tuple)) else [by])
    for label in labels:
        if not isinstance(label, (str, int, float, tuple)):
            raise NotImplementedError(f"Dataframes only support sorting by named columns, got {label!r}")
        df._check_label(label)
    up = list(ascending) if isinstance(ascending, (list, tuple)) else [ascending] * max(len(labels), 1)
    if not all(isinstance(one, (bool, np.bool_)) for one in up) or (labels and len(up) != len(labels)):
        raise ValueError(f"ascending={ascending!r} must be True, False, or one of them per column")
    if sort_function is not None:
        finish: Any = _ByFunction(
            sort_function, by, {"ascending": ascending, "na_position": na_position}, sort_function_kwargs
        )
    else:
        finish = _Sorted(labels, up, na_position, ignore_index)
    if npartitions is None and sort_function is None:
        plan = native_sort(df, labels, up, na_position)
        if plan is not None:
            ordered = new_collection(plan, df._meta)
            return ordered.reset_index(drop=True) if ignore_index else ordered
    count = npartitions or df.npartitions
    if df.npartitions == 1 and count == 1:
        return blockwise(finish, df, meta=df._meta, divisions=None, same_labels=False, name="sort_values")
    lead = df if series else df[labels[0]]
    bounds = quantiles(lead, count)
    args = (None if series else labels[0], up[0], na_position)
    return exchange(df, _RangeOf(), count, args=args, name="sort_values", finish=finish, inputs=(bounds._task_plan(),))


def native_sort(
    df: Any, labels: list[Any], ascending: list[bool], na_position: str, limit: int | None = None
) -> Frame | None:
    """The sorted rows as one partition of the engine, or None if pandas must sort, or all may be too much for one.

    Parameters
    ----------
    labels : list of label
        Columns; of a series, nothing.
    limit : int, optional
        Only so many of the first.
    """
    memory.apply()  # what fits depends on the limit
    frame: Frame | None = df._frame
    if frame is None or isinstance(df._meta, pd.Index) or not (frame.fits or limit is not None):
        return None
    if labels and not df.columns.is_unique:
        return None
    dtypes = [df._meta[label].dtype for label in labels] if labels else [df._meta.dtype]
    if not all(in_order(dtype) for dtype in dtypes):
        return None
    names = [df._plan_name(label) for label in labels] if labels else frame.names
    keys = [(name, bool(up)) for name, up in zip(names, ascending, strict=True)]
    return frame.sort(keys, na_position == "first", limit)


def in_order(dtype: Any) -> bool:
    """Whether the engine puts values of a dtype in pandas' order."""
    return plain(dtype) or isinstance(dtype, (pd.StringDtype, pd.DatetimeTZDtype, pd.BooleanDtype, *_NULLABLE))


_NULLABLE = tuple(type(pd.array([1], dtype=name).dtype) for name in (
    "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64",
))  # fmt: skip


class _Sorted:
    def __init__(self, labels: list[Any], ascending: list[bool], na_position: str, ignore_index: bool) -> None:
        self.labels = labels
        self.ascending = ascending
        self.na_position = na_position
        self.ignore_index = ignore_index

    def __call__(self, part: Any) -> Any:
        options: Any = {"na_position": self.na_position, "kind": "stable", "ignore_index": self.ignore_index}
        if self.labels:
            return part.sort_values(self.labels, ascending=self.ascending, **options)
        return part.sort_values(ascending=self.ascending[0], **options)


class _ByFunction:
    def __init__(self, function: Any, by: Any, options: dict[str, Any], more: Any) -> None:
        self.function = function
        self.by = by
        self.options = {**options, **(more or {})}

    def __call__(self, part: Any) -> Any:
        return self.function(part, **{"by": self.by, **self.options})


class _RangeOf:
    """The range that each row's value lies in."""

    def __call__(
        self, part: Any, npartitions: int, bounds: pd.Series, label: Any, ascending: bool, na_position: str
    ) -> np.ndarray:
        column = part if label is None else part[label]
        numbers = _search(column, bounds, npartitions)
        if not ascending:
            numbers = npartitions - 1 - numbers
        missing = column.isna().to_numpy()
        numbers[missing] = npartitions - 1 if na_position == "last" else 0
        return numbers


def _search(column: pd.Series, bounds: pd.Series, npartitions: int) -> np.ndarray:
    """The number of bounds that are not above each value."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes
        known = bounds.astype(column.dtype).cat.codes if len(bounds) else pd.Series([], dtype=codes.dtype)
        return np.searchsorted(known.to_numpy(), codes.to_numpy(), side="right").clip(0, npartitions - 1)
    present = column.notna().to_numpy()
    numbers = np.zeros(len(column), dtype=np.int64)
    if len(bounds) and present.any():
        values = column[present]
        index = pd.Index(bounds)
        numbers[present] = index.searchsorted(values.array if hasattr(values, "array") else values, side="right")
    return numbers.clip(0, npartitions - 1)


def quantiles(lead: Any, npartitions: int) -> Any:
    """Values between which about as many rows lie each: a lazy series of one partition."""
    from raskal.dataframe.tree import tree

    meta = lead._meta if isinstance(lead._meta, pd.Series) else lead._meta.to_series()
    return tree(lead, _sampled, _Bounds(npartitions), meta=meta.reset_index(drop=True), name="quantiles")


def _sampled(part: Any) -> tuple[int, pd.Series]:
    series = part.to_series() if isinstance(part, pd.Index) else part
    values = series.dropna().sort_values().reset_index(drop=True)
    count = len(values)
    if count > SAMPLES:
        values = values.iloc[np.linspace(0, count - 1, SAMPLES).astype(int)]
    return count, values


class _Bounds:
    def __init__(self, npartitions: int) -> None:
        self.npartitions = npartitions

    def __call__(self, parts: list[Any]) -> pd.Series:
        values = concat([sample for _, sample in parts])
        weights = np.concatenate([np.full(len(sample), n / max(len(sample), 1)) for n, sample in parts])
        if len(values) == 0:
            return values.reset_index(drop=True)
        values = values.reset_index(drop=True)
        order = values.sort_values(kind="stable").index.to_numpy()
        reached = np.cumsum(weights[order])
        targets = reached[-1] * np.arange(1, self.npartitions) / self.npartitions
        chosen = np.searchsorted(reached, targets).clip(0, len(values) - 1)
        return values.iloc[order[chosen]].drop_duplicates().reset_index(drop=True)


def set_index(
    df: Any,
    other: Any,
    drop: bool = True,
    sorted: bool = False,
    npartitions: int | str | None = None,
    divisions: Any = None,
    sort: bool = True,
    shuffle_method: Any = None,
    upsample: float = 1.0,
    partition_size: Any = None,
    append: bool = False,
    options: Any = None,
    **kwargs: Any,
) -> Any:
    """A column as the index, and rows in its order.

    Parameters
    ----------
    other : label or Series
        The column, or a lazy series of the same rows.
    drop : bool
        Whether the column goes.
    sorted : bool
        Whether rows are in its order already; only the divisions are computed then.
    npartitions : int, optional
        How many partitions come out; as many as before by default.
    divisions : sequence of labels, optional
        Where to cut; nothing is computed beforehand then.
    sort : bool
        Whether to order rows at all; else the divisions are unknown.

    Returns
    -------
    DataFrame

    Raises
    ------
    KeyError
        If the column does not exist.
    ValueError
        If divisions are not in order, or partitions overlap although they are said to be sorted.
    NotImplementedError
        For several columns, or ``append=True``.

    Notes
    -----
    Without `sorted` or `divisions`, quantiles of the column are computed at once. Source: this file.
    """
    if append:
        raise NotImplementedError("append=True is not supported: an index of several levels has no divisions")
    if kwargs:
        raise TypeError(f"set_index() got unknown arguments {list(kwargs)}")
    if isinstance(other, (list, tuple)) and not (isinstance(other, tuple) and other in df.columns):
        if len(other) != 1:
            raise NotImplementedError(f"an index of several columns is not supported: {other!r}\nhint: use one of them")
        other = other[0]
    if isinstance(other, FrameCollection) and other._meta_ndim == 2:
        raise NotImplementedError("set_index needs one column, not a dataframe")
    if not isinstance(other, FrameCollection):
        if other not in df.columns and other is not None and other == df._meta.index.name and divisions is None:
            return df
        df._check_label(other)
    elif isinstance(other._meta, pd.Index) and divisions is None and npartitions is None:
        if tokenize(other) == tokenize(df.index):
            return df
    if divisions is not None and list(divisions) != list(pd.Series(list(divisions)).sort_values()):
        raise ValueError("divisions must be sorted")
    indexed = blockwise(_SetIndex(drop), df, other, divisions=None, same_labels=False, name="set_index")
    if not sort:
        return indexed
    if sorted:
        if divisions is not None:
            if len(divisions) != df.npartitions + 1:
                raise ValueError(
                    "When doing `df.set_index(col, sorted=True, divisions=...)`, divisions indicates known splits in "
                    f"the index column: {len(divisions)} for {df.npartitions} partitions"
                )
            found = tuple(divisions)
            kept = blockwise(_sort_index, indexed, meta=indexed._meta, name="set_index")
            return new_collection(TaskPlan(kept._plan.node, found), indexed._meta)
        return divisions_of(indexed, None, True)
    if divisions is not None:
        cuts = tuple(divisions)
    else:
        key: Any = other if isinstance(other, FrameCollection) else df[other]
        key = key.to_series() if isinstance(key._meta, pd.Index) else key
        count = df.npartitions if npartitions in (None, "auto") else int(npartitions)
        found_cuts = _cuts(key, count)
        if found_cuts is None:
            return (
                blockwise(_sort_index, indexed, meta=indexed._meta, name="set_index")
                if df.npartitions == 1
                else (exchange(indexed, _first_partition, 1, finish=_sort_index, name="set_index"))
            )
        cuts = found_cuts
    return by_cuts(indexed, cuts)


def _cuts(key: Any, npartitions: int) -> tuple[Any, ...] | None:
    """Divisions of about as many rows each, by the values there are; None without values."""
    lower, upper, bounds, missing = _edges(key, npartitions)
    if lower is None or missing:
        return None
    inner = [one for one in bounds if lower < one < upper] if not isinstance(bounds.dtype, pd.CategoricalDtype) else []
    return (lower, *inner, upper)


def _edges(key: Any, npartitions: int) -> tuple[Any, Any, pd.Series, bool]:
    from raskal.base import compute

    lowest = blockwise(
        _edge,
        key,
        meta=pd.DataFrame({"low": key._meta, "high": key._meta, "missing": True}).iloc[:0],
        divisions=None,
        name="edges",
    )
    ends, bounds = compute(lowest, quantiles(key, npartitions))
    present = ends.dropna(subset=["low"])
    if len(present) == 0:
        return None, None, bounds, True
    low, high = present["low"], present["high"]
    if isinstance(low.dtype, pd.CategoricalDtype):
        low, high = low.cat.as_ordered(), high.cat.as_ordered()
    return low.min(), high.max(), bounds, bool(ends["missing"].any())


def _edge(part: pd.Series) -> pd.DataFrame:
    present = part.dropna()
    if isinstance(present.dtype, pd.CategoricalDtype):
        present = present.cat.as_ordered()
    missing = len(present) < len(part)
    if len(present) == 0:
        row = part.iloc[:1].reset_index(drop=True)
        return pd.DataFrame({"low": row, "high": row, "missing": missing})
    ordered = present.sort_values()
    low, high = (ordered.iloc[[place]].reset_index(drop=True) for place in (0, -1))
    return pd.DataFrame({"low": low, "high": high, "missing": missing})


def by_cuts(indexed: Any, cuts: tuple[Any, ...]) -> Any:
    """Rows between neighbouring labels in one partition each, in the order of the index."""
    count = len(cuts) - 1
    return exchange(indexed, _SpanOf(), count, args=(cuts,), name="set_index", divisions=cuts, finish=_sort_index)


class _SpanOf:
    """The span between divisions that each row's label lies in."""

    def __call__(self, part: Any, npartitions: int, cuts: tuple[Any, ...]) -> np.ndarray:
        inner = pd.Index(list(cuts[1:-1])) if npartitions > 1 else pd.Index([])
        labels = part.index
        if isinstance(labels, pd.CategoricalIndex):
            codes = labels.categories.get_indexer(list(cuts[1:-1]))  # type: ignore[arg-type]
            return np.searchsorted(codes, labels.codes, side="right").clip(0, npartitions - 1)
        if len(inner) == 0:
            return np.zeros(len(part), dtype=np.int64)
        return np.asarray(inner.searchsorted(labels, side="right")).clip(0, npartitions - 1)


class _SetIndex:
    def __init__(self, drop: bool) -> None:
        self.drop = drop

    def __call__(self, part: pd.DataFrame, other: Any) -> pd.DataFrame:
        return part.set_index(other, drop=self.drop)


def _sort_index(part: Any) -> Any:
    if isinstance(part.index, pd.CategoricalIndex) and not part.index.ordered:
        return part.iloc[np.argsort(part.index.codes, kind="stable")]
    return part if part.index.is_monotonic_increasing else part.sort_index(kind="stable")


def _first_partition(part: Any, npartitions: int) -> np.ndarray:
    return np.zeros(len(part), dtype=np.int64)


def divisions_of(df: Any, column: Any = None, set_divisions: bool = False) -> Any:
    """The divisions that the rows show; with `set_divisions`, the collection that knows them.

    Raises
    ------
    ValueError
        If partitions are not in order, or their ranges overlap.
    """
    ends = blockwise(_LabelsAt(column), df, meta=pd.DataFrame({"low": [], "high": []}), divisions=None, name="ends")
    found = ends.compute()
    kept = found.dropna(subset=["low"])
    lows, highs = kept["low"].tolist(), kept["high"].tolist()
    if not lows:
        return df if set_divisions else (None,) * (df.npartitions + 1)
    if lows != builtin_sorted(lows) or any(high > low for high, low in zip(highs, lows[1:], strict=False)):
        raise ValueError(
            f"Partitions are not sorted ascending by {column or df._meta.index.name or 'the index'}: "
            f"their first labels are {lows}, their last {highs}"
        )
    if any(high == low for high, low in zip(highs, lows[1:], strict=False)):
        if not set_divisions:
            raise ValueError(f"Partitions have the labels {lows} to {highs}: equal labels are in more than one")
    if not set_divisions:
        return (*lows, highs[-1])
    from raskal.dataframe.repartition import joined

    filled = [number for number, empty in enumerate(found["low"].isna()) if not empty]
    chosen = df._choose(filled) if len(filled) < df.npartitions else df
    plan = chosen._task_plan()
    torn = [place for place in range(1, len(lows)) if highs[place - 1] == lows[place]]
    kept_collection = new_collection(TaskPlan(plan.node, (*lows, highs[-1])), df._meta)
    kept_collection = blockwise(_sort_index, kept_collection, meta=df._meta, name="set_index")
    if not torn:
        return kept_collection
    if len(set(lows)) == len(lows):
        # The label that a partition ends with goes to the next one, where its division says that it is.
        cuts = (*lows, highs[-1])
        return exchange(kept_collection, _SpanOf(), len(lows), args=(cuts,), divisions=cuts, finish=_sort_index)
    unique = builtin_sorted(set(lows))
    bounds = [lows.index(one) for one in unique]
    merged = joined(kept_collection, [*bounds, len(lows)])
    cuts = (*unique, highs[-1])
    return exchange(merged, _SpanOf(), len(unique), args=(cuts,), divisions=cuts, finish=_sort_index)


def builtin_sorted(values: Any) -> list[Any]:
    """The values in order."""
    ordered = list(values)
    ordered.sort()
    return ordered


class _LabelsAt:
    """The first and last label (or value of a column) of a partition."""

    def __init__(self, column: Any) -> None:
        self.column = column

    def __call__(self, part: Any) -> pd.DataFrame:
        values = part.index if self.column is None else pd.Index(part[self.column])
        if len(values) == 0:
            return pd.DataFrame({"low": [None], "high": [None]})
        return pd.DataFrame({"low": [values.min()], "high": [values.max()]})
