"""Group-by of dataframes and series.

Start at `group`. What a group-by gives is found by pandas on empty data, how it is computed is one aggregate of the
engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from raskal._raskal import Frame
from raskal.dataframe._convert import plan_names, series_name
from raskal.dataframe._emulate import function_name
from raskal.dataframe.collection import FrameCollection
from raskal.dataframe.reductions import engine_name

AGGREGATIONS = ("sum", "mean", "min", "max", "count", "std", "var", "median", "nunique", "any", "all")


def group(cls: type, collection: Any, by: Any, sort: bool, dropna: bool, kwargs: dict[str, Any]) -> Any:
    """A group-by of `collection`.

    Raises
    ------
    KeyError
        If a column does not exist.
    NotImplementedError
        For options that are not supported.
    """
    ignored = {"observed", "group_keys", "as_index"}
    unknown = sorted(set(kwargs) - ignored)
    if unknown or kwargs.get("as_index", True) is not True:
        what = unknown[0] if unknown else "as_index"
        raise NotImplementedError(f"groupby({what}=...) is not supported\nhint: use reset_index() on the result")
    keys = []
    for key in by if isinstance(by, list) else [by]:
        if isinstance(key, FrameCollection):
            keys.append(key)
        elif callable(key) or not hasattr(collection, "columns"):
            raise NotImplementedError(f"groupby({key!r}) is not supported\nhint: group by columns or series")
        else:
            keys.append(collection[key])
    return cls(
        collection, keys, [key if not isinstance(key, FrameCollection) else None for key in _listed(by)], sort, dropna
    )


def _listed(by: Any) -> list[Any]:
    return by if isinstance(by, list) else [by]


class _GroupBy:
    def __init__(self, collection: Any, keys: list[Any], labels: list[Any], sort: bool, dropna: bool) -> None:
        self._collection = collection
        self._keys = keys
        self._labels = labels
        self._sort = sort
        self._dropna = dropna

    def _meta_by(self) -> list[Any]:
        """Keys for pandas' group-by of the meta."""
        return [key._meta if label is None else label for key, label in zip(self._keys, self._labels, strict=True)]

    def _run(self, aggregates: list[tuple[str, str, str]]) -> Frame:
        keys = [key._plan for key in self._keys]
        return self._collection._plan.group_by(keys, aggregates, self._sort, self._dropna)

    def size(self) -> Any:
        """Number of rows of each group, missing values included."""
        from raskal.dataframe.series import Series

        meta = self._meta_groups().size()
        if isinstance(meta, pd.DataFrame):
            meta = pd.Series([], dtype="int64", index=self._meta_groups().sum().index)
        return Series(self._run([("", "size", series_name(meta.name))]), meta)

    def _meta_groups(self) -> Any:
        raise NotImplementedError

    def apply(self, *args: Any, **kwargs: Any) -> Any:
        """Not supported: it needs all rows of a group in one place."""
        raise NotImplementedError("groupby.apply is not supported so far\nhint: use agg(), or compute() first")


def _checked(name: Any) -> str:
    """An aggregation's name.

    Raises
    ------
    NotImplementedError
        If it is not supported; the message lists those that are.
    """
    plain = name if isinstance(name, str) else function_name(name)
    if plain in (*AGGREGATIONS, "size"):
        return plain
    supported = ", ".join((*AGGREGATIONS, "size"))
    raise NotImplementedError(f"aggregation {plain!r} is not supported\nhint: use one of {supported}")


class DataFrameGroupBy(_GroupBy):
    """Rows of a dataframe in groups."""

    def _meta_groups(self) -> Any:
        return self._collection._meta.groupby(self._meta_by(), sort=self._sort, dropna=self._dropna)

    def _values(self) -> list[Any]:
        """Labels of the columns that are not keys."""
        return [label for label in self._collection.columns if label not in self._labels]

    def __getitem__(self, key: Any) -> Any:
        from raskal.dataframe.series import Series

        if isinstance(key, (list, tuple, pd.Index)):
            labels = [*key, *(label for label in self._labels if label is not None and label not in key)]
            chosen = self._collection[labels]
            return DataFrameGroupBy(chosen, self._keys, self._labels, self._sort, self._dropna)
        series = self._collection[key]
        assert isinstance(series, Series)
        return SeriesGroupBy(series, self._keys, [None] * len(self._keys), self._sort, self._dropna)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._collection.columns:
            return self[name]
        raise AttributeError(f"'DataFrameGroupBy' object has no attribute {name!r}")

    def _reduce(self, name: str, ddof: int, numeric_only: bool) -> Any:
        from raskal.dataframe.frame import DataFrame

        collection = self._collection
        if numeric_only:
            numbers = collection._meta.select_dtypes(["number", "bool"]).columns
            collection = collection[
                [label for label in collection.columns if label in numbers or label in self._labels]
            ]
        values = [label for label in collection.columns if label not in self._labels]
        groups = collection._meta.groupby(self._meta_by(), sort=self._sort, dropna=self._dropna)
        options = {"ddof": ddof} if name in ("std", "var") else {}
        meta = getattr(groups, name)(**options)
        names = [collection._plan_name(label) for label in values]
        return DataFrame(self._run([(one, engine_name(name, ddof), one) for one in names]), meta[values])

    def agg(self, func: Any = None, **named: Any) -> Any:
        """Several aggregations at once.

        Parameters
        ----------
        func : str, list, or dict
            One or several names of aggregations, or those of each column.
        **named : tuple of (column, name)
            Columns of the result, each an aggregation of a column.

        Returns
        -------
        DataFrame
            Columns as pandas gives them.
        """
        from raskal.dataframe.frame import DataFrame

        groups = self._meta_groups()
        if isinstance(func, str) or (callable(func) and not named):
            name = _checked(func)
            return self.size() if name == "size" else self._reduce(name, 1, False)
        if named:
            wanted = [(column, _checked(how)) for column, how in named.values()]
            meta = groups.agg(**{label: (column, _checked(how)) for label, (column, how) in named.items()})
        elif isinstance(func, dict):
            wanted = [(column, _checked(how)) for column, hows in func.items() for how in _listed(hows)]
            meta = groups.agg({column: _plain_names(hows) for column, hows in func.items()})
        else:
            wanted = [(column, _checked(how)) for column in self._values() for how in func]
            meta = groups.agg(_plain_names(func))
        names = plan_names(meta.columns)
        aggregates = [
            (self._collection._plan_name(column), engine_name(how, 1), name)
            for (column, how), name in zip(wanted, names, strict=True)
        ]
        return DataFrame(self._run(aggregates), meta)

    aggregate = agg


def _plain_names(hows: Any) -> Any:
    return [_checked(how) for how in hows] if isinstance(hows, (list, tuple)) else _checked(hows)


class SeriesGroupBy(_GroupBy):
    """Values of a series in groups."""

    def _meta_groups(self) -> Any:
        keys = [key._meta for key in self._keys]
        return self._collection._meta.groupby(keys, sort=self._sort, dropna=self._dropna)

    def _reduce(self, name: str, ddof: int, numeric_only: bool) -> Any:
        from raskal.dataframe.series import Series

        options = {"ddof": ddof} if name in ("std", "var") else {}
        meta = getattr(self._meta_groups(), name)(**options)
        (column,) = self._collection._plan.names
        return Series(self._run([(column, engine_name(name, ddof), series_name(meta.name))]), meta)

    def agg(self, func: Any = None, **named: Any) -> Any:
        """Several aggregations at once; see `DataFrameGroupBy.agg`."""
        from raskal.dataframe.frame import DataFrame

        if named:
            hows = {label: _checked(how) for label, how in named.items()}
        elif isinstance(func, (list, tuple)):
            hows = {_checked(how): _checked(how) for how in func}
        else:
            name = _checked(func)
            return self.size() if name == "size" else self._reduce(name, 1, False)
        meta = self._meta_groups().agg(**hows)
        (column,) = self._collection._plan.names
        aggregates = [(column, engine_name(how, 1), label) for label, how in hows.items()]
        return DataFrame(self._run(aggregates), meta)

    aggregate = agg


def _method(name: str) -> Callable[..., Any]:
    def method(self: Any, *, numeric_only: bool = False, ddof: int = 1, split_every: Any = None) -> Any:
        return self._reduce(name, ddof, numeric_only)

    method.__name__ = name
    method.__doc__ = f"As pandas' `{name}` of each group; missing values are skipped. Native."
    return method


for _name in AGGREGATIONS:
    setattr(_GroupBy, _name, _method(_name))
