"""Aggregates of partial aggregates: each partition's groups, put together in a tree.

Start at `partial`. `PARTIAL` names the aggregations that can be done so.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from raskal.dataframe import _concat
from raskal.dataframe._groups import Groups, copied
from raskal.dataframe.shuffle import HashOf, exchange
from raskal.dataframe.tree import tree, width

# Aggregations of partial aggregates: each is done to partitions, and this to what they gave.
PARTIAL = {
    "sum": "sum", "prod": "prod", "min": "min", "max": "max", "count": "sum", "size": "sum", "any": "any", "all": "all",
    "first": "first", "last": "last",
}  # fmt: skip


def partial(frame: Any, groups: Groups, chunk: Any, merge: Any, meta: Any, name: str, split_every: Any = None) -> Any:
    """Aggregates of partial aggregates, in a tree."""
    width(split_every)
    between, last = _Regroup(groups, merge, False), _Regroup(groups, merge, None, meta)
    found = tree(
        frame, _Chunk(groups, chunk), last, between, meta=meta, name=f"groupby-{name}", split_every=split_every
    )
    return found


def merged_options(name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Options of the aggregation of partial results."""
    return {key: one for key, one in kwargs.items() if key in ("min_count", "skipna") and name in ("sum", "prod")}


class _Chunk:
    """Partial aggregates of a partition: only categories that occur, in the order of occurring."""

    def __init__(self, groups: Groups, function: Any) -> None:
        options = {**groups.options, "sort": False, "observed": True}
        self.groups = copied(groups, options)
        self.function = function

    def __call__(self, part: pd.DataFrame) -> Any:
        return self.function(self.groups(part))


class _Regroup:
    """Partial aggregates of several partitions, aggregated."""

    def __init__(self, groups: Groups, function: Any, sort: bool | None, meta: Any = None) -> None:
        options = {**groups.options} if sort is None else {**groups.options, "observed": True}
        self.groups = copied(groups, options)
        self.function = function
        self.sort = sort
        self.meta = meta

    def __call__(self, parts: list[Any]) -> Any:
        joined = _concat.concat(parts)
        found = self.function(self.groups.regroup(joined, self.sort))
        if self.meta is None:
            return found
        if isinstance(self.meta, pd.Series) and isinstance(found, pd.Series):
            return found.rename(self.meta.name)  # type: ignore[call-overload]
        return found


def split(found: Any, groups: Groups, split_out: Any) -> Any:
    if isinstance(split_out, int) and not isinstance(split_out, bool) and split_out > 1:
        return exchange(found, HashOf(None), split_out, name="split-out")
    return found
