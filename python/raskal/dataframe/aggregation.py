"""Several aggregations of groups at once: ``groupby(...).agg(...)``.

Start at `aggregate_groups`. Names that the engine has become one aggregate of it; those of partial results a tree; else
pandas aggregates whole groups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe import _concat
from raskal.dataframe._emulate import emptied, function_name
from raskal.dataframe.collection import new_collection

# Functions that pandas takes for its own aggregations.
NAMED = {
    sum: "sum", min: "min", max: "max", np.sum: "sum", np.mean: "mean", np.min: "min", np.max: "max", np.std: "std",
    np.var: "var", np.median: "median", np.prod: "prod", np.any: "any", np.all: "all",
}  # fmt: skip


class Aggregation:
    """An aggregation of one's own, of partial results.

    Parameters
    ----------
    name : str
        Its name in results.
    chunk : callable
        Of a pandas grouped series: what a partition gives, a series or several.
    agg : callable
        Of these, grouped again: one value per group.
    finalize : callable, optional
        Of the aggregated series: the result.

    Examples
    --------
    >>> import raskal.dataframe as dd
    >>> dd.Aggregation("total", lambda groups: groups.sum(), lambda sums: sums.sum()).__name__
    'total'
    """

    def __init__(self, name: str, chunk: Callable[..., Any], agg: Callable[..., Any], finalize: Any = None) -> None:
        self.__name__ = name
        self.chunk = chunk
        self.agg = agg
        self.finalize = finalize


class One:
    """One aggregation of one column."""

    def __init__(self, column: Any, how: Any, label: Any) -> None:
        self.column = column
        self.how = how
        self.label = label


def checked_spec(how: Any) -> Any:
    """An aggregation, by name where it has one.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if isinstance(how, str):
        if not hasattr(pd.core.groupby.SeriesGroupBy, how) and how not in ("list",):  # type: ignore[attr-defined]
            raise ValueError(
                f"unknown aggregate {how!r}\nhint: use a name that pandas has, a function or an Aggregation"
            )
        return how
    try:
        return NAMED.get(how, how)
    except TypeError:
        return how


def aggregate_groups(grouped: Any, func: Any, named: dict[str, Any], split_every: Any, split_out: Any) -> Any:
    """The aggregations of a group-by."""
    ones, wide = _listed(grouped, func, named)
    frame, groups = grouped._prepared()
    if isinstance(groups.chosen, list):
        groups.chosen = None  # each aggregation chooses its own column
    series = not isinstance(wide, pd.MultiIndex) and wide is None
    names = [one.how for one in ones]
    own = any(isinstance(how, Aggregation) for how in names)
    if series and len(ones) == 1 and isinstance(names[0], str) and names[0] != "list":
        return grouped._reduce(names[0], {}, split_every, split_out)
    if own:
        if not all(isinstance(how, Aggregation) for how in names):
            plain_part = [one for one in ones if not isinstance(one.how, Aggregation)]
            return _mixed(grouped, frame, groups, ones, plain_part, wide, series)
        return _of_own(grouped, frame, groups, ones, wide, series)
    function = _Agg(ones, wide, series)
    meta = _meta(grouped, frame, groups, function)
    if all(isinstance(how, str) for how in names) and split_out in (None, 1, True):
        plan = grouped._native([(one.column, one.how, f"{place}") for place, one in enumerate(ones)])
        if plan is not None:
            from raskal.dataframe._convert import plan_names

            try:
                return grouped._renamed(new_collection(plan.rename(plan_names(meta.columns)), meta))
            except (ValueError, AttributeError):
                pass  # labels that are not plain names: by pandas
    from raskal.dataframe._group_partial import PARTIAL, partial, split

    if all(isinstance(how, str) and (how in PARTIAL or how == "mean") for how in names):
        chunk = _Parts(ones)
        merge = _MergeParts(ones)
        found = partial(frame, groups, chunk, merge, meta, "agg", split_every)
        from raskal.dataframe._blockwise import blockwise

        done = blockwise(_Finish(ones, wide, series, meta), found, meta=meta, name="groupby-agg")
        return grouped._renamed(split(done, groups, split_out))
    return grouped._renamed(grouped._whole_groups(frame, groups, function, meta, "agg", split_out))


def _meta(grouped: Any, frame: Any, groups: Any, function: Any) -> Any:
    return grouped._meta_of(function, frame, groups, "agg")


def _listed(grouped: Any, func: Any, named: dict[str, Any]) -> tuple[list[One], Any]:
    """The aggregations, and the labels of the result's columns: None for those of a series."""
    values = grouped._values()
    single = isinstance(grouped._collection._meta, pd.Series) or (
        grouped._chosen is not None and not isinstance(grouped._chosen, list)
    )
    if func is None:
        if not named:
            raise TypeError("Must provide 'func' or tuples of (column, aggfunc)")
        ones = []
        for label, spec in named.items():
            column, how = (values[0], spec) if single else (spec[0], spec[1])
            ones.append(One(column, checked_spec(how), label))
        return ones, pd.Index([one.label for one in ones])
    if single:
        column = values[0]
        if isinstance(func, dict):
            raise pd.errors.SpecificationError("nested renamer is not supported")
        if isinstance(func, (list, tuple)):
            ones = [One(column, checked_spec(how), _name(how)) for how in func]
            return ones, pd.Index([one.label for one in ones])
        return [One(column, checked_spec(func), column)], None
    if isinstance(func, dict):
        ones, many = [], any(isinstance(hows, (list, tuple)) for hows in func.values())
        for column, hows in func.items():
            grouped._collection._check_label(column)
            for how in hows if isinstance(hows, (list, tuple)) else [hows]:
                ones.append(One(column, checked_spec(how), (column, _name(how)) if many else column))
    elif isinstance(func, (list, tuple)):
        many = True
        ones = [One(column, checked_spec(how), (column, _name(how))) for column in values for how in func]
    else:
        many = False
        ones = [One(column, checked_spec(func), column) for column in values]
        if checked_spec(func) == "size":
            return ones[:1], None
    labels = [one.label for one in ones]
    return ones, pd.MultiIndex.from_tuples(
        labels, names=[grouped._collection._meta.columns.name, None]
    ) if many else pd.Index(labels, name=grouped._collection._meta.columns.name)


def _name(how: Any) -> str:
    return how if isinstance(how, str) else function_name(how) if function_name(how) != "lambda" else "<lambda>"


class _Agg:
    """pandas' own aggregation of whole groups."""

    def __init__(self, ones: list[One], wide: Any, series: bool) -> None:
        self.ones = ones
        self.wide = wide
        self.series = series
        self.__name__ = "agg"

    def __call__(self, groups: Any) -> Any:
        columns = [_column(groups, one.column).agg(_callable(one.how)) for one in self.ones]
        if self.series:
            return columns[0]
        joined = pd.concat(columns, axis=1)
        joined.columns = self.wide
        return joined


def _callable(how: Any) -> Any:
    return list if isinstance(how, str) and how == "list" else how


def _column(groups: Any, label: Any) -> Any:
    if isinstance(groups, pd.core.groupby.SeriesGroupBy):  # type: ignore[attr-defined]
        return groups
    return groups[label]


class _Parts:
    """Partial aggregates: a column for each aggregation, or for each of those that it is made of."""

    def __init__(self, ones: list[One]) -> None:
        self.ones = ones

    def __call__(self, groups: Any) -> pd.DataFrame:
        columns = {}
        for place, one in enumerate(self.ones):
            column = _column(groups, one.column)
            if one.how == "mean":
                columns[f"{place}sum"] = column.sum()
                columns[f"{place}n"] = column.count()
            else:
                columns[f"{place}"] = getattr(column, one.how)()
        return pd.DataFrame(columns)


class _MergeParts:
    """Partial aggregates of the same groups, put together."""

    def __init__(self, ones: list[One]) -> None:
        self.ones = ones

    def __call__(self, groups: Any) -> pd.DataFrame:
        from raskal.dataframe._group_partial import PARTIAL

        columns = {}
        for place, one in enumerate(self.ones):
            if one.how == "mean":
                columns[f"{place}sum"] = groups[f"{place}sum"].sum()
                columns[f"{place}n"] = groups[f"{place}n"].sum()
            else:
                columns[f"{place}"] = getattr(groups[f"{place}"], PARTIAL[one.how])()
        return pd.DataFrame(columns)


class _Finish:
    """The result of merged partial aggregates."""

    def __init__(self, ones: list[One], wide: Any, series: bool, meta: Any) -> None:
        self.ones = ones
        self.wide = wide
        self.series = series
        self.meta = meta

    def __call__(self, parts: pd.DataFrame) -> Any:
        columns = []
        for place, one in enumerate(self.ones):
            if one.how == "mean":
                n = parts[f"{place}n"]
                columns.append(parts[f"{place}sum"] / n.where(n > 0))
            else:
                columns.append(parts[f"{place}"])
        if self.series:
            return columns[0].rename(self.meta.name)
        joined = pd.concat(columns, axis=1)
        joined.columns = self.wide
        return joined


def _of_own(grouped: Any, frame: Any, groups: Any, ones: list[One], wide: Any, series: bool) -> Any:
    """Aggregations of the user's."""
    from raskal.dataframe._emulate import sample
    from raskal.dataframe.tree import tree

    chunk, last = _OwnChunk(groups, ones), _OwnLast(groups, ones, wide, series, grouped._collection._meta)
    meta = emptied(last([chunk(sample(frame._meta))]))
    return grouped._renamed(tree(frame, chunk, last, meta=meta, name="groupby-agg"))


class _OwnChunk:
    def __init__(self, groups: Any, ones: list[One]) -> None:
        from raskal.dataframe._groups import copied

        self.groups = copied(groups, {**groups.options, "sort": False, "observed": True})
        self.ones = ones

    def __call__(self, part: pd.DataFrame) -> list[Any]:
        found = []
        for one in self.ones:
            made = one.how.chunk(_column(self.groups(part), one.column))
            found.append(tuple(made) if isinstance(made, tuple) else (made,))
        return found


class _OwnLast:
    def __init__(self, groups: Any, ones: list[One], wide: Any, series: bool, meta: Any) -> None:
        self.groups = groups
        self.ones = ones
        self.wide = wide
        self.series = series
        self.name = meta.name if isinstance(meta, pd.Series) else None

    def __call__(self, parts: list[Any]) -> Any:
        columns = []
        for place, one in enumerate(self.ones):
            pieces = [_concat.concat(list(same)) for same in zip(*(part[place] for part in parts), strict=True)]
            merged = (
                one.how.agg(*(self.groups.regroup(piece) for piece in pieces))
                if len(pieces) > 1
                else one.how.agg(self.groups.regroup(pieces[0]))
            )
            merged = merged if isinstance(merged, tuple) else (merged,)
            columns.append(one.how.finalize(*merged) if one.how.finalize is not None else merged[0])
        if self.series:
            return columns[0].rename(self.ones[0].label)
        joined = pd.concat(columns, axis=1)
        joined.columns = self.wide
        return joined


def _mixed(
    grouped: Any, frame: Any, groups: Any, ones: list[One], plain_part: list[One], wide: Any, series: bool
) -> Any:
    """Aggregations of the user's beside pandas' own."""
    from raskal.dataframe._blockwise import blockwise

    mine = [one for one in ones if isinstance(one.how, Aggregation)]
    labels = pd.RangeIndex(len(mine))
    own = _of_own(grouped, frame, groups, mine, labels, False)
    function = _Agg(plain_part, pd.RangeIndex(len(mine), len(ones)), False)
    meta = _meta(grouped, frame, groups, function)
    rest = grouped._whole_groups(frame, groups, function, meta, "agg")
    order = {id(one): place for place, one in enumerate([*mine, *plain_part])}
    places = [order[id(one)] for one in ones]
    return blockwise(_SideBySide(places, wide), own, rest, align=False, divisions=None, name="agg")


class _SideBySide:
    def __init__(self, places: list[int], wide: Any) -> None:
        self.places = places
        self.wide = wide

    def __call__(self, left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
        joined = pd.concat([left, right], axis=1)[self.places]
        joined.columns = self.wide
        return joined
