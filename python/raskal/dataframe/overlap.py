"""Functions that see rows of neighbouring partitions.

Start at `map_overlap`. Rows come from as many partitions as are needed to have enough of them; a window of time takes
the rows within it of the partition before.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._blockwise import _trial, aligned, blockwise
from raskal.dataframe._concat import concat
from raskal.dataframe._emulate import NO_DEFAULT, emptied, function_name, infer, make_meta
from raskal.dataframe._methods import MethodCall
from raskal.dataframe._tasks import Calls, Chosen, Node, Slot, TaskPlan
from raskal.dataframe.collection import FrameCollection, new_collection


def map_overlap(
    func: Callable[..., Any],
    df: Any,
    before: Any,
    after: Any,
    *args: Any,
    meta: Any = NO_DEFAULT,
    enforce_metadata: bool = True,
    transform_divisions: bool = True,
    align_dataframes: bool = True,
    **kwargs: Any,
) -> Any:
    """Call a function on every partition with rows of its neighbours around it; those are cut off the result.

    Parameters
    ----------
    func : callable
        Gives one row for each row that it gets.
    df : DataFrame or Series
    before, after : int or time difference
        How many rows of the partitions before and behind; or the span of the index.
    *args, **kwargs
        Further arguments of `func`.
    meta : pandas object, optional
        What the function gives, empty.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    ValueError
        If `before` or `after` is negative.
    TypeError
        If a span of time is given and the index holds no times.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> x = dd.from_pandas(pd.Series([1, 2, 4, 8]), npartitions=2)
    >>> dd.map_overlap(lambda part: part.diff(), x, 1, 0).compute().tolist()
    [nan, 1.0, 2.0, 4.0]
    """
    return neighbours(df, func, before, after, *args, meta=meta, name=function_name(func), **kwargs)


def neighbours(
    df: Any,
    func: Callable[..., Any],
    before: Any,
    after: Any,
    *args: Any,
    meta: Any = NO_DEFAULT,
    name: str | None = None,
    divisions: Any = "same",
    **kwargs: Any,
) -> Any:
    """As `map_overlap`, for methods of this package."""
    if not isinstance(df, FrameCollection):
        raise TypeError(f"map_overlap needs a lazy dataframe or series behind the function, got a {type(df).__name__}")
    before, after = _span(before, "before", df), _span(after, "after", df)
    name = name or function_name(func)
    others = [one for one in args if isinstance(one, FrameCollection)]
    if meta is NO_DEFAULT:
        meta = emptied(
            infer(func, [df._meta, *map(_trial, args)], {key: _trial(one) for key, one in kwargs.items()}, name)
        )
    else:
        meta = make_meta(meta)
    plans, count, lead = aligned([df, *others])
    if count == 1:
        return blockwise(func, df, *args, meta=meta, name=name, **kwargs)
    inputs: list[Node] = []
    rows: list[Any] = []
    filled: list[Any] = []
    for one in (df, *args):
        if not isinstance(one, FrameCollection):
            filled.append(one)
            continue
        plan = plans[len([f for f in filled if isinstance(f, Slot)])]
        filled.append(Slot(len(inputs)))
        if plan.npartitions != count:
            inputs.append(plan.node)
            rows.append([[0]] * count)
        else:
            inputs.append(surrounded(plan, before, after))
            rows.append(None)
    node = Calls(count, inputs, rows, _Inner(func), tuple(filled), kwargs, name=name)
    known = lead.divisions if isinstance(divisions, str) else divisions
    return new_collection(TaskPlan(node, known, lead.root), meta)


def _span(span: Any, name: str, df: Any) -> Any:
    if span is None:
        return 0
    if isinstance(span, (str, datetime.timedelta, np.timedelta64, pd.Timedelta, pd.offsets.BaseOffset)):
        span = pd.Timedelta(span)  # type: ignore[arg-type]
        if not isinstance(df._meta.index, pd.DatetimeIndex):
            raise TypeError(
                f"Must have a `DatetimeIndex` when using string offset for `before` and `after`, got {name}={span}"
            )
        if span < pd.Timedelta(0):
            raise ValueError(f"Timedelta before and after must be positive, got {name}={span}")
        return span
    if not isinstance(span, (int, np.integer)) or isinstance(span, bool) or span < 0:
        raise ValueError(f"before and after must be positive integers or time differences, got {name}={span!r}")
    return int(span)


class Around:
    """A partition with rows of its neighbours."""

    __slots__ = ("after", "before", "part")

    def __init__(self, before: Any, part: Any, after: Any) -> None:
        self.before = before
        self.part = part
        self.after = after

    def joined(self) -> Any:
        """All rows, one after the other."""
        parts = [one for one in (self.before, self.part, self.after) if one is not None]
        return concat(parts) if len(parts) > 1 else parts[0]


def surrounded(plan: TaskPlan, before: Any, after: Any) -> Node:
    """Each partition with rows of its neighbours.

    How many partitions these rows are in shows only when they are there: the last rows before a partition are carried
    on from one partition to the next.
    """
    count = plan.npartitions
    first = _carried(plan.node, before, False) if not _none(before) else None
    last = _carried(plan.node, after, True) if not _none(after) else None
    inputs = [plan.node, *(node for node in (first, last) if node is not None)]
    slots = iter(range(1, len(inputs)))
    args = (
        Slot(next(slots)) if first is not None else None,
        Slot(0),
        Slot(next(slots)) if last is not None else None,
    )
    return Calls(count, inputs, [None] * len(inputs), Around, args, name="with-neighbours")


def _none(span: Any) -> bool:
    return isinstance(span, int) and span == 0


def _carried(node: Node, span: Any, behind: bool) -> Node:
    """For each partition, the rows of `span` before it (or behind it)."""
    count = node.npartitions
    ends = Calls(count, [node], [None], _End(span, behind), (Slot(0),), name="ends")
    order = range(count - 1, -1, -1) if behind else range(count)
    made: list[Node] = []
    places: dict[int, int] = {}
    nothing = Calls(1, [ends], [[[0]]], _no_rows, (Slot(0),), name="no-rows")
    made.append(nothing)
    previous = None
    for number in order:
        if previous is None:
            places[number] = 0
        else:
            # What came before the neighbour, then the neighbour's own rows: enough of the two.
            inputs = [made[places[previous]], ends]
            step = Calls(1, inputs, [[[0]], [[previous]]], _Enough(span, behind), (Slot(0), Slot(1)), name="carry")
            places[number] = len(made)
            made.append(step)
        previous = number
    return Chosen(made, [(places[number], 0) for number in range(count)])


class _End:
    """The last rows of a partition (or the first), as many as others need."""

    def __init__(self, span: Any, behind: bool) -> None:
        self.span = span
        self.behind = behind

    def __call__(self, part: Any) -> Any:
        if isinstance(self.span, int):
            return part.head(self.span) if self.behind else part.tail(self.span)
        return part  # how far its rows reach shows only beside the neighbour


class _Enough:
    """Rows carried so far and those of a neighbour: as many as are needed."""

    def __init__(self, span: Any, behind: bool) -> None:
        self.span = span
        self.behind = behind

    def __call__(self, carried: Any, own: Any) -> Any:
        rows = concat([own, carried]) if self.behind else concat([carried, own])
        if isinstance(self.span, int):
            return rows.head(self.span) if self.behind else rows.tail(self.span)
        if len(rows) == 0:
            return rows
        if self.behind:
            return rows[rows.index <= rows.index[0] + self.span]
        return rows[rows.index >= rows.index[-1] - self.span]


def _no_rows(part: Any) -> Any:
    return part.iloc[:0]


class _Inner:
    """A function of surrounded partitions, whose result loses the neighbours' rows."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = function_name(function)

    def __call__(self, first: Around, *args: Any, **kwargs: Any) -> Any:
        rest = [one.joined() if isinstance(one, Around) else one for one in args]
        before = 0 if first.before is None else len(first.before)
        own = len(first.part)
        whole = first.joined()
        result = self.function(whole, *rest, **kwargs)
        if len(result) == len(whole):
            return result.iloc[before : before + own]
        if len(whole) and len(result) and len(result) % len(whole) == 0 and isinstance(result.index, pd.MultiIndex):
            each = len(result) // len(whole)  # a matrix for each row: rolling covariances
            return result.iloc[before * each : (before + own) * each]
        raise ValueError(
            f"{self.__name__} gave {len(result)} rows for {len(whole)}; with neighbours' rows around a partition "
            "it must give one row for each\nhint: use map_partitions for functions that change the number of rows"
        )


def shift(df: Any, periods: int, freq: Any, axis: Any) -> Any:
    """Values moved by rows, or labels moved by a frequency.

    Raises
    ------
    TypeError
        If `periods` is no whole number.
    """
    if not isinstance(periods, (int, np.integer)):
        raise TypeError("periods must be an integer")
    if axis in (1, "columns"):
        return blockwise(MethodCall("shift"), df, periods=periods, axis=1)
    if freq is not None:
        moved = blockwise(MethodCall("shift"), df, periods=periods, freq=freq, divisions=None, same_labels=False)
        if df.known_divisions:
            labels = pd.Series(range(len(df.divisions)), index=pd.Index(list(df.divisions)))
            cuts = labels.shift(periods, freq=freq).index
            # A frequency that takes two labels to one (business days) may take a row over a division.
            moved._plan.divisions = tuple(cuts) if cuts.is_unique else None
        return moved
    before, after = (int(periods), 0) if periods > 0 else (0, -int(periods))
    return neighbours(df, MethodCall("shift"), before, after, periods, name="shift")
