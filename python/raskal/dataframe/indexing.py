"""Rows and columns by label (`loc`) and columns by place (`iloc`).

Start at `Loc`. Labels find their partitions by the divisions, where these are known.
"""

from __future__ import annotations

import bisect
import datetime
from typing import Any

import numpy as np
import pandas as pd
from pandas._libs.tslibs.parsing import parse_datetime_string_with_reso  # type: ignore[attr-defined]

from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._operators import is_array
from raskal.dataframe._tasks import TaskPlan
from raskal.dataframe.collection import FrameCollection, new_collection


class Loc:
    """``df.loc[rows]`` and ``df.loc[rows, columns]``."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def __getitem__(self, key: Any) -> Any:
        collection = self._collection
        if isinstance(key, tuple) and isinstance(collection._meta, pd.DataFrame):
            if len(key) > 2:
                raise pd.errors.IndexingError("Too many indexers")
            rows, columns = key
            if callable(columns):
                columns = columns(collection)
            if not (isinstance(columns, slice) and columns == slice(None)):
                if isinstance(columns, FrameCollection):
                    columns = columns.compute()
                for label in columns if isinstance(columns, list) else [columns]:
                    if isinstance(label, str):
                        collection._check_label(label)
                meta = collection._meta.loc[:, columns]
                single = isinstance(meta, pd.Series)
                collection = collection[meta.name if single else list(meta.columns)]
        else:
            rows = key
        return self._rows(collection, rows)

    def _rows(self, collection: Any, rows: Any) -> Any:
        if callable(rows) and not isinstance(rows, FrameCollection):
            rows = rows(self._collection)
        if is_array(rows):
            from raskal.dataframe.arrays import beside

            return collection[beside(collection, rows)] if rows.dtype == bool else _labels(collection, rows.compute())
        if isinstance(rows, FrameCollection):
            if rows._meta_ndim == 1 and pd.api.types.is_bool_dtype(rows._meta.dtype):
                return collection[rows]
            rows = rows.compute()
        if isinstance(rows, slice):
            return _span(collection, rows)
        if isinstance(rows, (list, np.ndarray, pd.Series, pd.Index)):
            if len(rows) and isinstance(next(iter(rows)), (bool, np.bool_)):
                raise KeyError("Cannot index with list against unknown rows: pass a lazy boolean series")
            return _labels(collection, list(rows))
        return _label(collection, rows)


def _text_span(index: pd.Index, label: Any) -> slice | None:
    """The span that a part of a date stands for (``"2024-01"``)."""
    if isinstance(index, pd.PeriodIndex) and isinstance(label, str):
        period, freq = pd.Period(label), index.dtype.freq  # type: ignore[union-attr]
        return slice(period.asfreq(freq, "start"), period.asfreq(freq, "end"))
    if not isinstance(index, pd.DatetimeIndex) or not isinstance(label, str):
        return None
    try:
        stamp, resolution = parse_datetime_string_with_reso(label)
    except ValueError:
        return None
    if resolution in ("hour", "minute", "second", "millisecond", "microsecond", "nanosecond"):
        return None
    period = pd.Period(stamp, freq={"year": "Y", "quarter": "Q", "month": "M", "day": "D"}[resolution])
    start, end = period.start_time, period.end_time
    if index.tz is not None:
        start, end = start.tz_localize(index.tz), end.tz_localize(index.tz)
    return slice(start, end)


def _coerced(collection: Any, label: Any, side: str) -> Any:
    """A label as one of the index's type."""
    index = collection._meta_index
    if label is None:
        return None
    if isinstance(index, pd.PeriodIndex) and not isinstance(label, pd.Period):
        span = _text_span(index, label)
        if span is not None:
            return span.start if side == "left" else span.stop
        return pd.Period(label, freq=index.freq)  # type: ignore[arg-type]
    if isinstance(index, pd.DatetimeIndex):
        span = _text_span(index, label)
        if span is not None:
            return span.start if side == "left" else span.stop
        if isinstance(label, (str, datetime.date)):
            stamp = pd.Timestamp(label)
            return stamp.tz_localize(index.tz) if index.tz is not None and stamp.tz is None else stamp
    return label


def _span(collection: Any, rows: slice) -> Any:
    if rows.step is not None:
        raise ValueError("loc with a step is not supported: rows are chosen by label")
    start, stop = _coerced(collection, rows.start, "left"), _coerced(collection, rows.stop, "right")
    meta = collection._meta
    if start is None and stop is None:
        return collection
    if not collection.known_divisions:
        return blockwise(_between, collection, start, stop, meta=meta, name="loc")
    divisions = collection.divisions
    first = 0 if start is None else max(bisect.bisect_right(divisions, start) - 1, 0)
    first = min(first, collection.npartitions - 1)
    # Labels equal to a division may end the partition before, when the last ones repeat it.
    last = (
        collection.npartitions - 1
        if stop is None
        else min(max(bisect.bisect_right(divisions, stop) - 1, 0), collection.npartitions - 1)
    )
    if last < first:
        last = first
    chosen = collection._choose(list(range(first, last + 1)))
    cut = blockwise(_between, chosen, start, stop, meta=meta, name="loc")
    low = divisions[first] if start is None else max(divisions[first], min(start, divisions[last + 1]))
    high = divisions[last + 1] if stop is None else min(divisions[last + 1], max(stop, low))
    inner = divisions[first + 1 : last + 1]
    return new_collection(TaskPlan(cut._plan.node, (low, *inner, high)), meta)


def _between(part: Any, start: Any, stop: Any) -> Any:
    if part.index.is_monotonic_increasing or part.index.is_monotonic_decreasing:
        return part.loc[start:stop]
    keep = np.ones(len(part), dtype=bool)
    if start is not None:
        keep &= np.asarray(part.index >= start)
    if stop is not None:
        keep &= np.asarray(part.index <= stop)
    return part[keep]


def _home(divisions: tuple[Any, ...], label: Any) -> int:
    return min(max(bisect.bisect_right(divisions, label) - 1, 0), len(divisions) - 2)


def _label(collection: Any, label: Any) -> Any:
    span = _text_span(collection._meta_index, label)
    if span is not None:
        return _span(collection, span)
    label = _coerced(collection, label, "left")
    meta = collection._meta
    if not collection.known_divisions:
        return blockwise(_equal, collection, [label], False, meta=meta, divisions=None, name="loc")
    divisions = collection.divisions
    if label < divisions[0] or label > divisions[-1]:
        raise KeyError(f"the label [{label!s}] is not in the index")
    chosen = collection._choose([_home(divisions, label)])
    found = blockwise(_equal, chosen, [label], True, meta=meta, divisions=None, name="loc")
    return new_collection(TaskPlan(found._plan.node, (label, label)), meta)


def _labels(collection: Any, labels: list[Any]) -> Any:
    meta = collection._meta
    labels = [_coerced(collection, label, "left") for label in labels]
    if not collection.known_divisions:
        return blockwise(_equal, collection, labels, False, meta=meta, divisions=None, name="loc")
    divisions = collection.divisions
    if not labels:
        return blockwise(_equal, collection._choose([0]), [], False, meta=meta, divisions=None, name="loc")
    homes: dict[int, list[Any]] = {}
    for label in labels:
        if label < divisions[0] or label > divisions[-1]:
            raise KeyError(f"{label!r} is not in the index")
        homes.setdefault(_home(divisions, label), []).append(label)
    from raskal.dataframe._tasks import Each

    numbers = sorted(homes)
    wanted = Each([sorted(homes[number]) for number in numbers])
    chosen = collection._choose(numbers)
    found = blockwise(_equal, chosen, wanted, True, meta=meta, divisions=None, name="loc")
    ends = (*(min(homes[number]) for number in numbers), max(homes[numbers[-1]]))
    return new_collection(TaskPlan(found._plan.node, ends), meta)


def _equal(part: Any, labels: list[Any], present: bool) -> Any:
    """The rows of these labels; all must be there if `present`."""
    return part.loc[labels] if present else part[part.index.isin(labels)]


class Iloc:
    """``df.iloc[:, columns]``: columns by place."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def __getitem__(self, key: Any) -> Any:
        message = "'DataFrame.iloc' only supports selecting columns. It must be used like 'df.iloc[:, column_indexer]'."
        if not isinstance(key, tuple):
            raise NotImplementedError(message)
        if len(key) > 2:
            raise ValueError("Too many indexers")
        rows, columns = key
        if not (isinstance(rows, slice) and rows == slice(None)):
            raise NotImplementedError(message)
        frame = self._frame
        meta = frame._meta.iloc[:, columns]
        if isinstance(meta, pd.Series) or not frame.columns.is_unique:
            return frame[meta.name] if frame.columns.is_unique else blockwise(_iloc, frame, columns, name="iloc")
        return frame[list(meta.columns)]


def _iloc(part: pd.DataFrame, columns: Any) -> Any:
    return part.iloc[:, columns]
