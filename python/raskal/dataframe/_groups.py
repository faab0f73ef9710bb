"""Calling pandas' group-by on partitions.

Start at `Groups`; the other classes are functions of a partition that tasks call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe import _concat
from raskal.dataframe._emulate import function_name
from raskal.dataframe.shuffle import hash_rows


class Groups:
    """How rows are grouped: what is needed to call pandas' group-by on a partition."""

    def __init__(self, by: list[Any], names: list[Any], options: dict[str, Any], chosen: Any) -> None:
        self.by = by
        self.names = names
        self.options = options
        self.chosen = chosen

    def __call__(self, part: pd.DataFrame) -> Any:
        """pandas' group-by of a partition, with the chosen columns."""
        by = [part[key] if isinstance(key, str) and key.startswith("__key_") else key for key in self.by]
        keys = [
            key.rename(name) if isinstance(key, pd.Series) else key for key, name in zip(by, self.names, strict=True)
        ]
        rows = part.drop(columns=[key for key in self.by if isinstance(key, str) and key.startswith("__key_")])
        groups = rows.groupby(keys if len(keys) > 1 or self.options.get("_list") else keys[0], **self._plain())
        return groups if self.chosen is None else groups[self.chosen]

    def _plain(self) -> dict[str, Any]:
        return {key: one for key, one in self.options.items() if not key.startswith("_")}

    def levels(self) -> list[int]:
        """Numbers of the index levels that hold keys."""
        return list(range(len(self.by)))

    def regroup(self, partial: Any, sort: bool | None = None) -> Any:
        """pandas' group-by of partial results, whose index holds the keys."""
        options = {**self._plain(), "sort": self.options.get("sort", True) if sort is None else sort}
        options.pop("group_keys", None)
        level: Any = self.levels()
        return partial.groupby(level=level if len(level) > 1 else 0, **options)


class LevelGroups(Groups):
    """Groups by a level of the index."""

    def __init__(self, level: Any, options: dict[str, Any], chosen: Any) -> None:
        super().__init__([None], [None], options, chosen)
        self.level = level

    def __call__(self, part: pd.DataFrame) -> Any:
        groups = part.groupby(**self._plain())
        return groups if self.chosen is None else groups[self.chosen]

    def regroup(self, partial: Any, sort: bool | None = None) -> Any:
        options = {**self._plain(), "sort": self.options.get("sort", True) if sort is None else sort, "level": 0}
        options.pop("group_keys", None)
        return partial.groupby(**options)


def copied(groups: Groups, options: dict[str, Any]) -> Groups:
    if isinstance(groups, LevelGroups):
        return LevelGroups(groups.level, options, groups.chosen)
    return Groups(groups.by, groups.names, options, groups.chosen)


class WithColumns:
    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.__name__ = "keys"

    def __call__(self, part: pd.DataFrame, *columns: Any) -> pd.DataFrame:
        part = part.copy(deep=False)
        for name, column in zip(self.names, columns, strict=True):
            part[name] = column
        return part


class Method:
    """A method of pandas' group-by."""

    def __init__(self, name: str, kwargs: dict[str, Any]) -> None:
        self.name = name
        self.kwargs = kwargs
        self.__name__ = name

    def __call__(self, groups: Any) -> Any:
        return getattr(groups, self.name)(**self.kwargs)


class Apply:
    """A method of pandas' group-by that takes a function."""

    def __init__(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.name = name
        self.func = func
        self.args = args
        self.kwargs = kwargs
        self.__name__ = name

    def __call__(self, groups: Any) -> Any:
        return getattr(groups, self.name)(self.func, *self.args, **self.kwargs)


class Args:
    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.__name__ = name

    def __call__(self, groups: Any) -> Any:
        return getattr(groups, self.name)(*self.args, **self.kwargs)


class OnGroups:
    """A function of the groups of a partition."""

    def __init__(self, groups: Groups, function: Any, meta: Any = None) -> None:
        self.groups = groups
        self.function = function
        self.meta = meta
        self.__name__ = function_name(function)

    def __call__(self, part: pd.DataFrame) -> Any:
        if len(part) == 0 and self.meta is not None:
            return self.meta
        return self.function(self.groups(part))


class KeysOf:
    """The hash of each row's keys."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups

    def __call__(self, part: pd.DataFrame, npartitions: int) -> np.ndarray:

        groups = self.groups
        if isinstance(groups, LevelGroups):
            levels = groups.level if isinstance(groups.level, list) else [groups.level]
            return hash_rows(
                pd.DataFrame({n: part.index.get_level_values(one) for n, one in enumerate(levels)}), npartitions
            )
        columns: dict[int, Any] = {}
        for place, key in enumerate(groups.by):
            if isinstance(key, pd.Grouper):
                raise NotImplementedError(
                    "groupby(pd.Grouper) of several partitions is not supported\nhint: use resample"
                )
            if callable(key):
                columns[place] = np.asarray(part.index.map(key))
            elif key in part.columns:
                columns[place] = part[key].reset_index(drop=True)
            else:
                columns[place] = part.index.get_level_values(key).to_series().reset_index(drop=True)
        return hash_rows(pd.DataFrame(columns, index=range(len(part))), npartitions)


class InOrder:
    """Results of whole groups, in the order of their keys."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups

    def __call__(self, parts: list[Any]) -> Any:
        joined = _concat.concat(parts)
        options = self.groups.options
        levels = self.groups.levels()
        if not options.get("sort", True):
            return joined
        nlevels = joined.index.nlevels
        if options.get("observed", True) is False and nlevels == len(levels):
            joined = self._once(joined)
        by: Any = levels if nlevels > 1 else None
        if nlevels > 1:
            return joined.sort_index(level=by, kind="stable", sort_remaining=False)
        return joined.sort_index(kind="stable")

    def _once(self, joined: Any) -> Any:
        """Categories that don't occur come from every partition: the row with values counts."""
        filled = joined[joined.notna().any(axis=1)] if isinstance(joined, pd.DataFrame) else joined[joined.notna()]
        whole = pd.concat([filled, joined])
        return whole[~whole.index.duplicated(keep="first")]


class GetGroup:
    def __init__(self, groups: Groups, key: Any, meta: Any) -> None:
        self.groups = groups
        self.key = key
        self.meta = meta

    def __call__(self, part: pd.DataFrame) -> Any:
        try:
            return self.groups(part).get_group(self.key)
        except KeyError:
            return self.meta


class RowsOf:
    """The rows of a partition that its groups' heads or tails are among."""

    def __init__(self, groups: Groups, name: str, n: int) -> None:
        self.groups = copied(groups, groups.options)
        self.groups.chosen = None
        self.name = name
        self.n = n

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        rows = part.set_axis(pd.RangeIndex(len(part)), axis=0)
        places = getattr(self.groups(rows), self.name)(self.n).index
        return part.iloc[np.sort(places.to_numpy())]


class OfJoined:
    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, parts: list[Any]) -> Any:
        return self.function(_concat.concat(parts))
