"""Running totals over partitions, and filling from neighbours.

Start at `running`: each partition is done alone, what it ends with is carried on to the next ones, and added to them.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._emulate import emptied, infer
from raskal.dataframe._methods import MethodCall
from raskal.dataframe._tasks import Calls, Chosen, Node, Slot, TaskPlan
from raskal.dataframe.collection import new_collection


def running(df: Any, name: str, skipna: bool) -> Any:
    """Running sums, products, minima or maxima along the rows."""
    meta = emptied(infer(MethodCall(name), [df._meta], {"skipna": skipna}, name))
    plan = df._task_plan()
    count = plan.npartitions
    alone = Calls(count, [plan.node], [None], MethodCall(name), (Slot(0),), {"skipna": skipna}, name=name)
    if count == 1:
        return new_collection(TaskPlan(alone, plan.divisions, plan.root), meta)
    ends = Calls(count, [plan.node], [None], _Total(name, skipna), (Slot(0),), name=f"{name}-end")
    carried = carry(ends, _Join(name, skipna))
    node = Calls(count, [alone, carried], [None, None], _Join(name, skipna, rows=True), (Slot(0), Slot(1)), name=name)
    return new_collection(TaskPlan(node, plan.divisions, plan.root), meta)


def carry(ends: Node, join: Any) -> Node:
    """For each partition, what all before it end with; None for the first."""
    made: list[Node] = [Calls(1, [], [], _nothing, name="nothing")]
    for number in range(ends.npartitions - 1):
        made.append(Calls(1, [made[-1], ends], [[[0]], [[number]]], _Carry(join), (Slot(0), Slot(1)), name="carry"))
    return Chosen(made, [(number, 0) for number in range(ends.npartitions)])


def _nothing() -> None:
    return None


class _Carry:
    def __init__(self, join: Any) -> None:
        self.join = join

    def __call__(self, before: Any, own: Any) -> Any:
        return own if before is None else before if own is None else self.join(own, before)


class _Total:
    """What a partition contributes to those behind it: one row, or None if it has no rows."""

    def __init__(self, name: str, skipna: bool) -> None:
        self.name = name.removeprefix("cum")
        self.skipna = skipna

    def __call__(self, part: Any) -> Any:
        if len(part) == 0:
            return None
        running = getattr(part, f"cum{self.name}")(skipna=self.skipna)
        # The last value that is there: missing ones are stepped over, and carried on if they are not to be.
        last = running.ffill().iloc[[-1]] if self.skipna else running.iloc[[-1]]
        return last.reset_index(drop=True)


class _Join:
    """Own values and what was carried from before."""

    def __init__(self, name: str, skipna: bool, rows: bool = False) -> None:
        self.name = name
        self.skipna = skipna
        self.rows = rows

    def __call__(self, own: Any, before: Any) -> Any:
        if before is None or len(own) == 0:
            return own
        if isinstance(own, pd.DataFrame):
            columns = [self._series(own.iloc[:, place], before.iloc[:, place]) for place in range(own.shape[1])]
            joined = pd.concat(columns, axis=1) if columns else own
            joined.columns = own.columns
            return joined
        return self._series(own, before)

    def _series(self, own: pd.Series, before: pd.Series) -> pd.Series:
        value = before.iloc[0]
        if pd.isna(value):
            # Nothing was there before, or a missing value that swallows everything behind it.
            return own if self.skipna else own.where(own.isna(), value)
        if self.name == "cumsum":
            joined = own + value
        elif self.name == "cumprod":
            joined = own * value
        elif self.name == "cummin":
            joined = own.where((own <= value) | own.isna(), value)
        else:
            joined = own.where((own >= value) | own.isna(), value)
        if not self.rows and self.skipna:
            joined = joined.where(joined.notna(), value)
        return joined.astype(own.dtype) if joined.dtype != own.dtype else joined


def fill(df: Any, name: str, axis: Any, limit: int | None) -> Any:
    """Missing values filled from rows before (``ffill``) or behind (``bfill``)."""
    if axis in (1, "columns"):
        return blockwise(MethodCall(name), df, axis=1, limit=limit)
    if limit is not None:
        from raskal.dataframe.overlap import neighbours

        before, after = (limit, 0) if name == "ffill" else (0, limit)
        return neighbours(df, MethodCall(name), before, after, limit=limit, name=name, meta=df._meta)
    plan = df._task_plan()
    count = plan.npartitions
    if count == 1:
        return blockwise(MethodCall(name), df, meta=df._meta)
    ends = Calls(count, [plan.node], [None], _Filling(name), (Slot(0),), name=f"{name}-end")
    if name == "bfill":
        backwards = Chosen([ends], [(0, number) for number in reversed(range(count))])
        carried: Node = carry(backwards, _first_filled)
        carried = Chosen([carried], [(0, number) for number in reversed(range(count))])
    else:
        carried = carry(ends, _first_filled)
    node = Calls(count, [plan.node, carried], [None, None], _Filled(name), (Slot(0), Slot(1)), name=name)
    return new_collection(TaskPlan(node, plan.divisions, plan.root), df._meta)


class _Filling:
    """One row: the value of each column that fills what lies beyond the partition."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, part: Any) -> Any:
        if len(part) == 0:
            return None
        filled = getattr(part, self.name)()
        return filled.iloc[[-1 if self.name == "ffill" else 0]].reset_index(drop=True)


def _first_filled(own: Any, before: Any) -> Any:
    return own.combine_first(before) if isinstance(own, pd.Series) else _columns_first(own, before)


def _columns_first(own: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    columns = [own.iloc[:, place].combine_first(before.iloc[:, place]) for place in range(own.shape[1])]
    joined = pd.concat(columns, axis=1)
    joined.columns = own.columns
    return joined


class _Filled:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, part: Any, row: Any) -> Any:
        filled = getattr(part, self.name)()
        if row is None or len(part) == 0:
            return filled
        if isinstance(part, pd.Series):
            return _fill_series(filled, row)
        columns = [_fill_series(filled.iloc[:, place], row.iloc[:, place]) for place in range(part.shape[1])]
        joined = pd.concat(columns, axis=1)
        joined.columns = part.columns
        return joined


def _fill_series(series: pd.Series, row: pd.Series) -> pd.Series:
    value = row.iloc[0]
    if pd.isna(value):
        return series
    if isinstance(series.dtype, pd.CategoricalDtype) and value not in series.cat.categories:
        series = series.cat.add_categories([value])
    return series.fillna(value)
