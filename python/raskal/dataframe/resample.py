"""Groups of rows by spans of time.

Start at `Resampler`. Partitions are cut where spans begin, so that each span lies in one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from raskal.dataframe._concat import concat
from raskal.dataframe._emulate import emptied, infer
from raskal.dataframe._tasks import Calls, Each, TaskPlan
from raskal.dataframe.collection import new_collection
from raskal.dataframe.repartition import by_divisions

METHODS = ("count sum mean min max std var sem prod first last median nunique ohlc quantile size agg").split()


_ENDS = ("ME", "YE", "QE", "BME", "BYE", "BQE", "W")


class Resampler:
    """Rows in groups by spans of time.

    Parameters
    ----------
    rule : str or offset
        The span.
    closed, label : {"left", "right"}, optional
        Which end belongs to a span, and which one names it.

    Raises
    ------
    ValueError
        If the divisions are not known, or the index holds no times.
    """

    def __init__(self, df: Any, rule: Any, closed: Any = None, label: Any = None, chosen: Any = None) -> None:
        if not df.known_divisions:
            raise ValueError(
                "Can only resample dataframes with known divisions\nhint: set_index by the column of times first"
            )
        if not isinstance(df._meta.index, (pd.DatetimeIndex, pd.PeriodIndex)):
            raise TypeError(f"resample needs times as index, not {type(df._meta.index).__name__}")
        self._df = df
        self._rule = pd.tseries.frequencies.to_offset(rule)
        self._options = {"closed": closed, "label": label}
        self._chosen = chosen

    def __getitem__(self, key: Any) -> Resampler:
        return Resampler(self._df, self._rule, chosen=key, **self._options)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in getattr(self._df, "columns", ()):
            return self[name]
        raise AttributeError(f"'Resampler' object has no attribute {name!r}")

    def _run(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        df = self._df
        call = _Spans(self._rule, self._options, self._chosen, name, args, kwargs)
        meta = emptied(infer(call.whole, [df._meta], {}, f"resample.{name}"))
        first, last = df.divisions[0], df.divisions[-1]
        edges = pd.Series(0, index=pd.DatetimeIndex([first, last])).resample(self._rule, **self._options).count().index
        starts = (
            pd.Series(0, index=pd.DatetimeIndex([first, last]))
            .resample(self._rule, closed=self._options["closed"], label="left")
            .count()
            .index
        )
        # Where the spans begin, thinned out to about as many partitions as there are.
        count = min(df.npartitions, len(starts))
        chosen = [place * len(starts) // count for place in range(count)]
        right = self._closed_right()
        # Spans that end with a day end with its last moment.
        whole_days = self._rule.rule_code.split("-")[0] in _ENDS
        tick = pd.Timedelta(days=1) if whole_days else pd.Timedelta(1, unit=getattr(starts, "unit", "ns"))
        cuts = [starts[place] + tick if right else starts[place] for place in chosen[1:]]
        inner = [cut for cut in cuts if first < cut < last]
        moved = by_divisions(df, (first, *inner, last), force=True)
        places = [0, *(place for place, cut in zip(chosen[1:], cuts, strict=True) if first < cut < last), len(edges)]
        # Spans are counted from where the first one begins, not from where a partition does.
        ticks = isinstance(self._rule, (pd.offsets.Tick, pd.offsets.Day))
        anchor = {"origin": starts[0]} if ticks else {"first": first} if self._rule.n > 1 else {}
        ranges = [edges[start:end] for start, end in zip(places, places[1:], strict=False)]
        spans = Each([(labels, anchor if place else {}) for place, labels in enumerate(ranges)])
        labels = [edges[place] for place in places[:-1]]
        plan = moved._task_plan()
        count = moved.npartitions
        node = Calls(
            count,
            [plan.node],
            [[[number] for number in range(count)]],
            call,
            (spans,),
            gather=True,
            name=f"resample-{name}",
        )
        divisions = (*labels, edges[-1])
        return new_collection(TaskPlan(node, divisions), meta)

    def _closed_right(self) -> bool:
        closed = self._options["closed"]
        if closed is not None:
            return bool(closed == "right")
        return self._rule.rule_code.split("-")[0] in _ENDS


class _Spans:
    """A method of pandas' resampler, on the spans of a partition."""

    def __init__(
        self, rule: Any, options: dict[str, Any], chosen: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.rule = rule
        self.options = options
        self.chosen = chosen
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.__name__ = f"resample-{name}"

    def whole(self, part: Any, **anchor: Any) -> Any:
        """The method on all rows of a part."""
        spans = part.resample(self.rule, **self.options, **anchor)
        spans = spans if self.chosen is None else spans[self.chosen]
        return getattr(spans, self.name)(*self.args, **self.kwargs)

    def __call__(self, parts: list[Any], span: tuple[pd.Index, dict[str, Any]]) -> Any:
        """The spans of these labels, also those without rows."""
        labels, anchor = span
        part = concat(parts)
        first = anchor.get("first")
        if first is not None and len(part):
            # A row where the first span begins: pandas then counts spans from there. Its span is no one of `labels`.
            row = part.iloc[:1].set_axis(pd.DatetimeIndex([first]).as_unit(part.index.unit), axis=0)
            found = self.whole(concat([row, part]))
        else:
            found = self.whole(part, **({} if first is not None else anchor))
        # pandas may count a span without rows before the first row or behind the last: those are of other partitions.
        found = found[(found.index >= labels[0]) & (found.index <= labels[-1])]
        strange = found.index.difference(labels)
        if len(strange):
            raise RuntimeError(f"a partition gave the span {strange[0]}, the whole has none: this is a bug of raskal")
        if len(found) == len(labels) and (found.index == labels).all():
            return found
        empty = self._of_nothing(part)
        if isinstance(found, pd.Series):
            return found.reindex(_like(labels, found.index), fill_value=empty)
        joined = found.reindex(_like(labels, found.index))
        for column in joined.columns:
            fill = empty.get(column) if isinstance(empty, pd.Series) else None
            if fill is not None and fill == fill:
                joined[column] = joined[column].fillna(fill).astype(found[column].dtype)
        return joined

    def _of_nothing(self, part: Any) -> Any:
        """What the method gives for a span without rows."""
        if len(part) == 0:
            return None
        times = pd.DatetimeIndex([part.index[0], part.index[0] + 3 * self.rule])
        two = part.iloc[[0, 0]].set_axis(times, axis=0)
        return self.whole(two).iloc[1]


def _like(labels: pd.Index, index: pd.Index) -> pd.Index:
    """Labels with the unit and name of an index."""
    unit = getattr(index, "unit", None)
    return (labels if unit is None else labels.as_unit(unit)).rename(index.name)  # type: ignore[attr-defined]


def _method(name: str) -> Callable[..., Any]:
    def method(self: Resampler, *args: Any, **kwargs: Any) -> Any:
        return self._run(name, args, kwargs)

    method.__name__ = name
    method.__doc__ = f"As pandas' `{name}` of each span."
    return method


for _name in METHODS:
    setattr(Resampler, _name, _method(_name))
Resampler.aggregate = Resampler.agg  # type: ignore[attr-defined]
