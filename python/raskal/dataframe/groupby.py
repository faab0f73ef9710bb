"""Group-by of dataframes and series.

Start at `GroupBy`. Three ways: one aggregate of the engine where it has pandas' rules; partial aggregates of
each partition, put together in a tree, for those that can be (`PARTIAL`); and pandas on whole groups, for which rows
are dealt out by their keys (`_whole_groups`), and dealt back where the result has a row for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._convert import series_name
from raskal.dataframe._emulate import NO_DEFAULT, emptied, function_name, infer, make_meta
from raskal.dataframe._group_partial import PARTIAL, merged_options, partial, split
from raskal.dataframe._group_rows import BackHome, KeepRows, home, numbered
from raskal.dataframe._groups import (
    Apply,
    Args,
    GetGroup,
    Groups,
    InOrder,
    KeysOf,
    LevelGroups,
    Method,
    OfJoined,
    OnGroups,
    RowsOf,
    WithColumns,
)
from raskal.dataframe._operators import as_operand, plain
from raskal.dataframe._tasks import Each, TaskPlan, itself
from raskal.dataframe.aggregation import aggregate_groups
from raskal.dataframe.collection import FrameCollection, new_collection
from raskal.dataframe.group_rolling import GroupRolling
from raskal.dataframe.reductions import engine_name
from raskal.dataframe.shuffle import exchange
from raskal.dataframe.tree import tree

NATIVE = (
    "sum", "mean", "min", "max", "count", "std", "var", "median", "nunique", "any", "all", "size", "first", "last",
)  # fmt: skip


# Whole groups are needed; the result has a row per group, or per row.
AGGREGATIONS = ("median", "nunique", "var", "std", "sem", "skew", "quantile", "idxmin", "idxmax", "mean")


TRANSFORMS = ("cumsum cumprod cummin cummax cumcount ffill bfill shift rank diff pct_change ngroup").split()


class GroupBy:
    """Rows in groups.

    Made by ``df.groupby(...)`` and ``series.groupby(...)``.
    """

    def __init__(
        self,
        collection: Any,
        by: Any,
        *,
        sort: bool | None = None,
        observed: bool | None = None,
        dropna: bool | None = None,
        group_keys: bool = True,
        level: Any = None,
        chosen: Any = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise TypeError(f"groupby() got unknown arguments {sorted(kwargs)}")
        if by is None and level is None:
            raise TypeError("You have to supply one of 'by' and 'level'")
        if isinstance(by, FrameCollection) and by._meta_ndim == 2 and isinstance(collection._meta, pd.DataFrame):
            table: Any = by
            by = [table[label] for label in table.columns]
        listed = list(by) if isinstance(by, (list, pd.Index)) else [by]
        if len(listed) == 0:
            raise ValueError("No group keys passed!")
        self._listed = isinstance(by, (list, pd.Index))
        self._collection = collection
        self._chosen = chosen
        self._level = level
        self._keys = [as_operand(key) for key in listed] if by is not None else []
        for key in self._keys:
            self._check_key(key)
        self._options = {"sort": True if sort is None else sort, "group_keys": group_keys}
        if observed is not None:
            self._options["observed"] = observed
        if dropna is not None:
            self._options["dropna"] = dropna
        if level is not None:
            self._options["level"] = level

    def _check_key(self, key: Any) -> None:
        if isinstance(key, FrameCollection):
            if key._meta_ndim == 2:
                raise ValueError("Grouper for a dataframe is not 1-dimensional\nhint: group by a list of its columns")
            return
        meta = self._collection._meta
        if isinstance(key, pd.Grouper) and self._collection.npartitions > 1:
            raise NotImplementedError(
                f"groupby({key!r}) of several partitions is not supported\n"
                "hint: name the column; for spans of time use resample, or group by df.t.dt.floor(...)"
            )
        if callable(key) or isinstance(key, pd.Grouper):
            return
        if key in meta.index.names or (isinstance(meta, pd.Series) and key == meta.name):
            return
        if isinstance(meta, pd.DataFrame):
            self._collection._check_label(key)
            return
        raise KeyError(f"cannot group a series by {key!r}\nhint: group by a lazy series of the same rows")

    @property
    def by(self) -> list[Any]:
        """The keys: labels of columns where they are some, else lazy series or functions."""
        meta = self._collection._meta
        columns = meta.columns if isinstance(meta, pd.DataFrame) else [meta.name]

        def label(key: Any) -> Any:
            known = isinstance(key, FrameCollection) and key._meta_ndim == 1 and key._meta.name in columns
            return key._meta.name if known else key

        return [label(key) for key in self._keys]

    def __dir__(self) -> list[str]:
        meta = self._collection._meta
        columns: Any = meta.columns if isinstance(meta, pd.DataFrame) else []
        return [*super().__dir__(), *(one for one in columns if isinstance(one, str) and one.isidentifier())]

    def _with(self, chosen: Any) -> Any:
        options = {key: one for key, one in self._options.items() if key != "level"}
        by = self._keys if self._listed else (self._keys[0] if self._keys else None)
        cls = DataFrameGroupBy if isinstance(chosen, list) else SeriesGroupBy
        return cls(self._collection, by, chosen=chosen, level=self._level, **options)

    def __getattr__(self, name: str) -> Any:
        meta = self._collection._meta
        if (
            not name.startswith("_")
            and self._chosen is None
            and isinstance(meta, pd.DataFrame)
            and name in meta.columns
        ):
            return self._with(name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")

    # ---- as pandas sees it

    def _prepared(self) -> tuple[Any, Groups]:
        """A dataframe with a column for each key, and how it is grouped."""
        collection = self._collection
        chosen = self._chosen
        frame = collection
        if isinstance(collection._meta, pd.Series):
            name = collection.name if collection.name is not None else "__value__"
            frame = collection.to_frame(name=name)
            chosen = name
        by, names, lazy = [], [], {}
        for place, key in enumerate(self._keys):
            if isinstance(key, FrameCollection):
                by.append(f"__key_{place}__")
                names.append(key._meta.name)
                lazy[f"__key_{place}__"] = key
            elif callable(key) or isinstance(key, pd.Grouper):
                by.append(key)
                names.append(None)
            else:
                by.append(key)
                names.append(key)
        if lazy:
            frame = blockwise(WithColumns(list(lazy)), frame, *lazy.values(), name="keys")
        options = dict(self._options)
        if self._level is not None:
            by, names = [], []
            options["level"] = self._level
            return frame, LevelGroups(self._level, options, chosen)
        if self._listed and len(by) == 1:
            options["_list"] = True
        return frame, Groups(by, names, options, chosen)

    def _renamed(self, found: Any) -> Any:
        """A series of a nameless series has no name, either."""
        if isinstance(self._collection._meta, pd.Series) and self._collection.name is None:
            if isinstance(found._meta, pd.Series):
                return found.rename(None)
        return found

    def _meta_of(self, function: Callable[..., Any], frame: Any, groups: Groups, name: str) -> Any:
        return emptied(infer(OnGroups(groups, function), [frame._meta], {}, f"groupby.{name}"))

    # ---- the three ways

    def _native(self, hows: list[tuple[Any, str, Any]], ddof: int = 1) -> Any:
        """``(column, aggregation, label)`` by the engine, or None."""
        frame, keys = self._collection._frame, self._native_keys()
        if frame is None or keys is None or (self._options.get("dropna", True) is False and len(keys) > 1):
            return None
        aggregates = []
        for column, how, label in hows:
            if how not in NATIVE or (ddof not in (0, 1)):
                return None
            values = None if how == "size" else self._column(column)
            if values is not None and (values._frame is None or not plain(values.dtype)):
                return None
            plan_name = "" if values is None else values._frame.names[0]
            aggregates.append((plan_name, engine_name(how, ddof) if how in ("std", "var") else how, str(label)))
        if len({label for _, _, label in aggregates}) != len(aggregates):
            return None
        try:
            return frame.group_by(
                keys, aggregates, bool(self._options["sort"]), self._options.get("dropna", True) is not False
            )
        except (TypeError, NotImplementedError, ValueError, KeyError):
            return None

    def _native_keys(self) -> list[Any] | None:
        """The keys as plans of the engine, or None."""
        collection = self._collection
        frame = collection._frame
        if frame is None or self._level is not None:
            return None
        keys = []
        for key in self._keys:
            series: Any = key
            if isinstance(key, FrameCollection):
                pass
            elif isinstance(collection._meta, pd.DataFrame) and not callable(key) and key in collection._meta.columns:
                series = collection[key]
            else:
                return None
            own = series._frame
            if own is None or type(series).__name__ != "Series" or not plain(series.dtype) or not frame.same_rows(own):
                return None
            keys.append(own)
        names = [key._meta.name if isinstance(key, FrameCollection) else key for key in self._keys]
        if any(name is None or not isinstance(name, str) for name in names) or len(set(names)) != len(names):
            return None
        return keys

    def _column(self, label: Any) -> Any:
        collection = self._collection
        return collection[label] if isinstance(collection._meta, pd.DataFrame) else collection

    def _values(self) -> list[Any]:
        """Labels of the columns that are aggregated."""
        meta = self._collection._meta
        if isinstance(meta, pd.Series):
            return [meta.name]
        if self._chosen is not None:
            return self._chosen if isinstance(self._chosen, list) else [self._chosen]
        keys = [key for key in self._keys if not isinstance(key, FrameCollection) and not callable(key)]
        return [label for label in meta.columns if label not in keys]

    def _reduce(self, name: str, kwargs: dict[str, Any], split_every: Any = None, split_out: Any = None) -> Any:
        """A simple aggregation of every column."""
        frame, groups = self._prepared()
        function = Method(name, kwargs)
        meta = self._meta_of(function, frame, groups, name)
        options = {key: one for key, one in kwargs.items() if key not in ("ddof", "numeric_only")}
        if not any(options.values()) and split_out in (None, 1, True):
            labels = list(meta.columns) if isinstance(meta, pd.DataFrame) else [meta.name]
            sources = labels if isinstance(meta, pd.DataFrame) else self._values()[:1]
            if name == "size":
                plan = self._native([("", "size", series_name(meta.name))])
            elif all(isinstance(label, str) for label in labels) or not isinstance(meta, pd.DataFrame):
                hows = [(one, name, series_name(label)) for one, label in zip(sources, labels, strict=True)]
                plan = self._native(hows, kwargs.get("ddof", 1)) if hows else None
            else:
                plan = None
            if plan is not None:
                return self._renamed(new_collection(plan, meta))
        if name in PARTIAL and not kwargs.get("min_count"):
            found = partial(
                frame, groups, function, Method(PARTIAL[name], merged_options(name, kwargs)), meta, name, split_every
            )
            found = split(found, groups, split_out)
        else:
            found = self._whole_groups(frame, groups, function, meta, name, split_out)
        return self._renamed(found)

    def _whole_groups(
        self, frame: Any, groups: Groups, function: Any, meta: Any, name: str, split_out: Any = None
    ) -> Any:
        """pandas on whole groups, for one row per group: rows are dealt out by their keys."""
        count = frame.npartitions
        on_groups = OnGroups(groups, function, meta)
        if count == 1:
            return blockwise(on_groups, frame, meta=meta, divisions=None, same_labels=False, name=name)
        dealt = exchange(frame, KeysOf(groups), count, name="groupby-exchange", finish=on_groups)
        found = new_collection(dealt._plan, meta)
        if isinstance(split_out, int) and not isinstance(split_out, bool) and split_out > 1:
            return found.repartition(npartitions=split_out) if split_out != count else found
        # Back in the order of the keys, in one partition, as partial aggregates are.
        return tree(found, itself, InOrder(groups), meta=meta, name=f"{name}-order")

    def _whole_rows(self, function: Any, meta: Any, name: str, *extra: Any) -> Any:
        """pandas on whole groups, for one row per row: these are dealt out by their keys, and back."""
        frame, groups = self._prepared()
        if meta is NO_DEFAULT:
            meta = self._meta_of(function, frame, groups, name)
        on_groups = OnGroups(groups, function, meta)
        if frame.npartitions == 1:
            found = blockwise(on_groups, frame, meta=meta, name=name)
            return self._renamed(found)
        rows = blockwise(numbered, frame, Each(list(range(frame.npartitions))), name="rows")
        dealt = exchange(rows, KeysOf(groups), frame.npartitions, name="groupby-exchange", finish=KeepRows(on_groups))
        back = exchange(dealt, home, frame.npartitions, name=name, finish=BackHome(meta))
        lead = frame._task_plan()
        return self._renamed(new_collection(TaskPlan(back._plan.node, lead.divisions, lead.root), meta))

    # ---- aggregations

    def size(self, **kwargs: Any) -> Any:
        """Number of rows of each group, missing values included."""
        return self._reduce("size", {}, **_splits(kwargs))

    def agg(
        self,
        func: Any = None,
        *,
        split_every: Any = None,
        split_out: Any = None,
        shuffle_method: Any = None,
        **named: Any,
    ) -> Any:
        """Several aggregations at once.

        Parameters
        ----------
        func : str, function, `Aggregation`, list of them, or dict of columns
            As of pandas.
        **named : tuple of (column, aggregation)
            Columns of the result.

        Returns
        -------
        DataFrame or Series

        Raises
        ------
        ValueError
            If an aggregation does not exist.
        """
        return aggregate_groups(self, func, named, split_every, split_out)

    aggregate = agg

    def apply(self, func: Callable[..., Any], *args: Any, meta: Any = NO_DEFAULT, **kwargs: Any) -> Any:
        """A function of each group's rows.

        Parameters
        ----------
        func : callable
            Gets the rows of a group as a pandas object.
        meta : pandas object, optional
            What the whole gives, empty; found by trial otherwise.

        Returns
        -------
        DataFrame or Series
            Groups in the order of their keys within partitions.
        """
        frame, groups = self._prepared()
        function = Apply("apply", func, args, kwargs)
        lazy = [one for one in (*args, *kwargs.values()) if isinstance(one, FrameCollection)]
        if lazy:
            raise NotImplementedError(
                "groupby.apply with other lazy collections is not supported\nhint: merge them first"
            )
        if meta is NO_DEFAULT or meta is None:
            found = self._meta_of(function, frame, groups, function_name(func))
        else:
            found = make_meta(meta, frame._meta.index)
        if not isinstance(found, (pd.DataFrame, pd.Series)):
            found = pd.Series([found]).iloc[:0]
        on_groups = OnGroups(groups, function, found)
        if frame.npartitions == 1:
            return blockwise(on_groups, frame, meta=found, divisions=None, same_labels=False, name="groupby-apply")
        dealt = exchange(frame, KeysOf(groups), frame.npartitions, name="groupby-exchange", finish=on_groups)
        return new_collection(dealt._plan, found)

    def transform(self, func: Any, *args: Any, meta: Any = NO_DEFAULT, **kwargs: Any) -> Any:
        """A function of each group's rows that gives as many, or one value for all; rows keep their place."""
        function = Apply("transform", func, args, kwargs)
        given = NO_DEFAULT if meta is NO_DEFAULT or meta is None else make_meta(meta, self._collection._meta.index)
        return self._whole_rows(function, given, "transform")

    def filter(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The rows of groups for which a function is true; rows keep their order."""
        function = Apply("filter", func, args, kwargs)
        return self._whole_rows(function, self._collection._meta, "filter")

    def rolling(
        self, window: Any, min_periods: Any = None, center: bool = False, win_type: Any = None, axis: Any = 0
    ) -> Any:
        """Windows that move along the rows of each group."""
        return GroupRolling(
            self, {"window": window, "min_periods": min_periods, "center": center, "win_type": win_type}
        )

    def get_group(self, key: Any) -> Any:
        """The rows of one group."""
        frame, groups = self._prepared()
        meta = self._meta_of(Apply("head", 1, (), {}), frame, groups, "get_group")
        return self._renamed(blockwise(GetGroup(groups, key, meta), frame, meta=meta, name="get_group"))

    def _extremes(self, name: str, n: int) -> Any:
        """The rows of the largest or smallest values of each group, of one column."""
        frame, groups = self._prepared()
        function = Method(name, {"n": n})
        meta = self._meta_of(function, frame, groups, name)
        values, keys = self._column(self._values()[0]), self._native_keys()
        if keys is not None and n > 0 and values._frame is not None and plain(values.dtype):
            (column,) = values._frame.names
            plan = values._frame.top(keys, [(column, name == "nsmallest")], n)
            return self._renamed(new_collection(plan, meta))
        return self._renamed(self._whole_groups(frame, groups, function, meta, name))

    def head(self, n: int = 5, split_every: Any = None, split_out: Any = None) -> Any:
        """The first rows of each group."""
        return self._ends("head", n)

    def tail(self, n: int = 5, split_every: Any = None, split_out: Any = None) -> Any:
        """The last rows of each group."""
        return self._ends("tail", n)

    def _ends(self, name: str, n: int) -> Any:
        frame, groups = self._prepared()
        function = Apply(name, n, (), {})
        meta = self._meta_of(function, frame, groups, name)
        ends = blockwise(RowsOf(groups, name, n), frame, meta=frame._meta, name=name)
        return self._renamed(tree(ends, itself, OfJoined(OnGroups(groups, function, meta)), meta=meta, name=name))

    def cov(self, ddof: int = 1, numeric_only: bool = False, **kwargs: Any) -> Any:
        """Covariances of columns in each group."""
        return self._matrix("cov", {"ddof": ddof, "numeric_only": numeric_only})

    def corr(self, numeric_only: bool = False, **kwargs: Any) -> Any:
        """Correlations of columns in each group."""
        return self._matrix("corr", {"numeric_only": numeric_only})

    def _matrix(self, name: str, options: dict[str, Any]) -> Any:
        frame, groups = self._prepared()
        function = Method(name, options)
        meta = self._meta_of(function, frame, groups, name)
        return self._whole_groups(frame, groups, function, meta, name)

    def value_counts(self, **kwargs: Any) -> Any:
        """How often each value occurs in each group."""
        frame, groups = self._prepared()
        for option in ("split_every", "split_out", "shuffle_method"):
            kwargs.pop(option, None)
        function = Method("value_counts", kwargs)
        meta = self._meta_of(function, frame, groups, "value_counts")
        return self._renamed(self._whole_groups(frame, groups, function, meta, "value_counts"))

    def unique(self, **kwargs: Any) -> Any:
        """The different values of each group."""
        frame, groups = self._prepared()
        function = Method("unique", {})
        meta = self._meta_of(function, frame, groups, "unique")
        return self._renamed(self._whole_groups(frame, groups, function, meta, "unique"))

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(
            "going over groups would compute them one by one\n"
            "hint: use apply() for a function of each, get_group() for one, df[key].unique() for their names"
        )

    def compute(self, **kwargs: Any) -> Any:
        """Refused: groups are not a result.

        Raises
        ------
        NotImplementedError
        """
        raise NotImplementedError(
            "groups are not a result\nhint: aggregate them, for example by .mean(), or choose one by .get_group()"
        )


class DataFrameGroupBy(GroupBy):
    """Rows of a dataframe in groups."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (list, tuple, pd.Index)):
            labels = list(key)
            for label in labels:
                self._collection._check_label(label)
            return self._with(labels)
        self._collection._check_label(key)
        return self._with(key)


class SeriesGroupBy(GroupBy):
    """Values of a series in groups."""

    def nlargest(self, n: int = 5) -> Any:
        """The `n` largest values of each group, under the group's key and their own labels."""
        return self._extremes("nlargest", n)

    def nsmallest(self, n: int = 5) -> Any:
        """The `n` smallest values of each group, under the group's key and their own labels."""
        return self._extremes("nsmallest", n)

    def __getitem__(self, key: Any) -> Any:
        raise KeyError(f"cannot choose {key!r} from a grouped series")


def _splits(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: kwargs[key] for key in ("split_every", "split_out") if key in kwargs}


def _aggregation(name: str) -> Callable[..., Any]:
    def method(
        self: GroupBy,
        *args: Any,
        split_every: Any = None,
        split_out: Any = None,
        shuffle_method: Any = None,
        engine: Any = None,
        **kwargs: Any,
    ) -> Any:
        if args and name in ("var", "std", "sem"):
            kwargs["ddof"], args = args[0], args[1:]
        if args and name == "quantile":
            kwargs["q"], args = args[0], args[1:]
        if args:
            raise TypeError(f"groupby.{name}() takes keyword arguments, got {args}")
        if kwargs.get("min_count", 0) is None:
            kwargs.pop("min_count")
        if kwargs.pop("sort", None) is not None:
            raise TypeError(f"groupby.{name}(sort=...) is not supported\nhint: pass sort= to groupby")
        return self._reduce(name, kwargs, split_every, split_out)

    method.__name__ = name
    method.__doc__ = f"As pandas' `{name}` of each group; missing values are skipped."
    return method


def _transform(name: str) -> Callable[..., Any]:
    def method(self: GroupBy, *args: Any, meta: Any = NO_DEFAULT, shuffle_method: Any = None, **kwargs: Any) -> Any:
        function = Args(name, args, kwargs)
        given = NO_DEFAULT if meta is NO_DEFAULT or meta is None else make_meta(meta, self._collection._meta.index)
        return self._whole_rows(function, given, name)

    method.__name__ = name
    method.__doc__ = f"As pandas' `{name}` within each group; rows keep their place."
    return method


for _name in (*PARTIAL, *AGGREGATIONS):
    if _name != "size":
        setattr(GroupBy, _name, _aggregation(_name))
for _name in TRANSFORMS:
    setattr(GroupBy, _name, _transform(_name))
