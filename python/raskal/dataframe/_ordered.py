"""Methods of series and dataframes that need other partitions: order, neighbours, exchange.

Start at `OrderedMethods`. Each method names the tool that does it: `order` (sorting by ranges), `overlap` (rows of
neighbours), `scan` (running totals), `repartition`, `shuffle`, `merge`, and `tree` for what ends in one partition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._concat import concat
from raskal.dataframe._emulate import NO_DEFAULT
from raskal.dataframe._methods import MethodCall
from raskal.dataframe._tasks import Each
from raskal.dataframe.tree import tree


class OrderedMethods:
    """Order, neighbours, exchange."""

    _meta: Any
    npartitions: Any

    # ---- order

    def sort_values(self, by: Any = None, **kwargs: Any) -> Any:
        """Rows in the order of columns. See `raskal.dataframe.order.sort_values`."""
        from raskal.dataframe.order import sort_values

        return sort_values(self, by, **kwargs)

    def set_index(self, other: Any, **kwargs: Any) -> Any:
        """A column as the index, rows in its order. See `raskal.dataframe.order.set_index`."""
        from raskal.dataframe.order import set_index

        return set_index(self, other, **kwargs)

    def nlargest(self, n: int = 5, columns: Any = None, split_every: Any = None) -> Any:
        """The rows of the `n` largest values."""
        return self._top("nlargest", n, columns, split_every)

    def nsmallest(self, n: int = 5, columns: Any = None, split_every: Any = None) -> Any:
        """The rows of the `n` smallest values."""
        return self._top("nsmallest", n, columns, split_every)

    def _top(self, name: str, n: int, columns: Any, split_every: Any) -> Any:
        top = _Top(name, n, columns)
        if columns is not None and isinstance(self._meta, pd.DataFrame):
            for label in columns if isinstance(columns, list) else [columns]:
                self._check_label(label)  # type: ignore[attr-defined]
        native = self._native_top(name, n, columns)
        if native is not None:
            return native
        joined = _OfJoined(top)
        return tree(self, top, joined, joined, meta=self._meta, name=name, split_every=split_every)

    def _native_top(self, name: str, n: int, columns: Any) -> Any:
        """The first rows of a sort by the engine, or None."""
        from raskal.dataframe.collection import new_collection
        from raskal.dataframe.order import native_sort

        if n <= 0 or isinstance(self._meta, pd.Index) or (isinstance(self._meta, pd.DataFrame) and columns is None):
            return None
        labels = [] if columns is None else columns if isinstance(columns, list) else [columns]
        up = [name == "nsmallest"] * max(len(labels), 1)
        plan = native_sort(self, labels, up, "last", n)
        return None if plan is None else new_collection(plan, self._meta)

    def drop_duplicates(
        self,
        subset: Any = None,
        split_every: Any = None,
        split_out: Any = True,
        shuffle_method: Any = None,
        ignore_index: bool = False,
        keep: Any = "first",
    ) -> Any:
        """Without rows that occurred before, in pandas' order.

        Raises
        ------
        NotImplementedError
            With ``keep=False``, which needs to count all rows first.
        """
        if keep is False:
            raise NotImplementedError("drop_duplicates with keep=False")
        if subset is not None and not isinstance(self._meta, pd.DataFrame):
            raise TypeError("drop_duplicates of a series takes no subset")
        if subset is not None:
            labels = subset if isinstance(subset, (list, tuple)) else [subset]
            for label in labels:
                self._check_label(label)  # type: ignore[attr-defined]
            subset = list(labels)
        native = self._native_distinct(subset, keep) if split_out is True or split_out == 1 else None
        if native is not None:
            return native.reset_index(drop=True) if ignore_index else native
        drop = _DropDuplicates(subset, keep)
        joined = _OfJoined(drop)
        found = tree(self, drop, _OfJoined(drop, ignore_index), joined, meta=self._meta, name="drop_duplicates")
        if split_out is True or split_out == 1:
            return found
        return found.repartition(npartitions=int(split_out))

    def _native_distinct(self, subset: list[Any] | None, keep: Any) -> Any:
        """Rows told apart by the engine, or None."""
        from raskal.dataframe.collection import new_collection
        from raskal.dataframe.order import in_order

        frame, meta = getattr(self, "_frame", None), self._meta
        if frame is None or isinstance(meta, pd.Index) or keep not in ("first", "last"):
            return None
        if isinstance(meta, pd.Series):
            names, dtypes = frame.names, [meta.dtype]
        elif not meta.columns.is_unique or len(meta.columns) == 0:
            return None
        else:
            labels = list(meta.columns) if subset is None else subset
            names = [self._plan_name(label) for label in labels]  # type: ignore[attr-defined]
            dtypes = [meta[label].dtype for label in labels]
        if not names or not all(in_order(dtype) for dtype in dtypes):
            return None
        return new_collection(frame.distinct(names, keep == "last"), meta)

    # ---- partitions

    def repartition(self, *args: Any, **kwargs: Any) -> Any:
        """The same rows in other partitions. See `raskal.dataframe.repartition.repartition_by`."""
        from raskal.dataframe.repartition import repartition_by

        return repartition_by(self, *args, **kwargs)

    def shuffle(self, on: Any = None, **kwargs: Any) -> Any:
        """Deal rows out anew. See `raskal.dataframe.shuffle.shuffle`."""
        from raskal.dataframe.shuffle import shuffle

        return shuffle(self, on, **kwargs)

    def sample(self, n: Any = None, frac: float | None = None, replace: bool = False, random_state: Any = None) -> Any:
        """Rows by chance.

        Raises
        ------
        ValueError
            Without `frac`: how many rows there are is not known before.
        """
        if n is not None:
            raise ValueError("sample(n=...) is not supported: the number of rows is not known\nhint: use frac=")
        if frac is None:
            raise ValueError("frac must not be None")
        states = Each(_states(random_state, self.npartitions))
        return blockwise(_sampled, self, states, frac, replace, meta=self._meta, name="sample")

    def random_split(self, frac: Any, random_state: Any = None, shuffle: bool = False) -> list[Any]:
        """Rows by chance into several collections; `frac` are their shares.

        Raises
        ------
        ValueError
            If the shares don't sum to 1.
        """
        if not np.allclose(sum(frac), 1):
            raise ValueError("frac should sum to 1")
        states = Each(_states(random_state, self.npartitions))
        return [
            blockwise(_split_part, self, states, list(frac), place, shuffle, meta=self._meta, name="random_split")
            for place in range(len(frac))
        ]

    # ---- neighbours

    def shift(self, periods: int = 1, freq: Any = None, axis: Any = 0) -> Any:
        """Values moved by rows."""
        from raskal.dataframe.overlap import shift

        return shift(self, periods, freq, axis)

    def diff(self, periods: int = 1, axis: Any = 0) -> Any:
        """Differences to values some rows before."""
        from raskal.dataframe.overlap import neighbours

        if axis in (1, "columns"):
            return blockwise(MethodCall("diff"), self, periods=periods, axis=1)
        before, after = (periods, 0) if periods > 0 else (0, -periods)
        return neighbours(self, MethodCall("diff"), before, after, periods, name="diff")

    def pct_change(self, periods: int = 1, **kwargs: Any) -> Any:
        """Changes relative to values some rows before."""
        from raskal.dataframe.overlap import neighbours

        before, after = (periods, 0) if periods > 0 else (0, -periods)
        return neighbours(self, MethodCall("pct_change"), before, after, periods, name="pct_change", **kwargs)

    def ffill(self, axis: Any = 0, limit: int | None = None) -> Any:
        """Missing values filled by the last one before."""
        from raskal.dataframe.scan import fill

        return fill(self, "ffill", axis, limit)

    def bfill(self, axis: Any = 0, limit: int | None = None) -> Any:
        """Missing values filled by the next one."""
        from raskal.dataframe.scan import fill

        return fill(self, "bfill", axis, limit)

    def cumsum(self, axis: Any = 0, skipna: bool = True, **kwargs: Any) -> Any:
        """Running sums."""
        return self._running("cumsum", axis, skipna)

    def cumprod(self, axis: Any = 0, skipna: bool = True, **kwargs: Any) -> Any:
        """Running products."""
        return self._running("cumprod", axis, skipna)

    def cummin(self, axis: Any = 0, skipna: bool = True) -> Any:
        """The smallest so far."""
        return self._running("cummin", axis, skipna)

    def cummax(self, axis: Any = 0, skipna: bool = True) -> Any:
        """The largest so far."""
        return self._running("cummax", axis, skipna)

    def _running(self, name: str, axis: Any, skipna: bool) -> Any:
        from raskal.dataframe.scan import running

        if axis in (1, "columns"):
            return blockwise(MethodCall(name), self, axis=1, skipna=skipna)
        return running(self, name, skipna)

    def rolling(self, window: Any, **kwargs: Any) -> Any:
        """Windows that move along the rows. See `raskal.dataframe.rolling.Rolling`."""
        from raskal.dataframe.rolling import Rolling

        return Rolling(self, window, **kwargs)

    def resample(self, rule: Any, closed: Any = None, label: Any = None) -> Any:
        """Groups by spans of time. See `raskal.dataframe.resample.Resampler`."""
        from raskal.dataframe.resample import Resampler

        return Resampler(self, rule, closed=closed, label=label)

    @property
    def is_monotonic_increasing(self) -> Any:
        """Whether no value is below the one before."""
        return tree(self, _Border("is_monotonic_increasing"), _joined_borders, meta=True, name="is_monotonic")

    @property
    def is_monotonic_decreasing(self) -> Any:
        """Whether no value is above the one before."""
        return tree(self, _Border("is_monotonic_decreasing"), _joined_borders, meta=True, name="is_monotonic")

    # ---- other collections

    def merge(self, right: Any, *args: Any, **kwargs: Any) -> Any:
        """Join rows by columns or indexes. See `raskal.dataframe.merge`."""
        from raskal.dataframe.merge import merge

        return merge(self, right, *args, **kwargs)

    def join(self, other: Any, *args: Any, **kwargs: Any) -> Any:
        """Join rows by the index. See `raskal.dataframe.merge.join`."""
        from raskal.dataframe.merge import join

        return join(self, other, *args, **kwargs)

    def align(self, other: Any, join: str = "outer", axis: Any = None, fill_value: Any = None) -> tuple[Any, Any]:
        """Both collections with the labels of either."""
        options = {"join": join, "axis": axis, "fill_value": fill_value}
        return tuple(blockwise(_Aligned(place, options), self, other, name="align") for place in (0, 1))

    def compute_current_divisions(self, col: Any = None, set_divisions: bool = False) -> Any:
        """The divisions that the rows show: each partition's first label, and the last one.

        Raises
        ------
        ValueError
            If partitions overlap.
        """
        from raskal.dataframe.order import divisions_of

        return divisions_of(self, col, set_divisions)

    def map_index(self, function: Any, meta: Any = NO_DEFAULT) -> Any:
        """The labels through a function."""
        return blockwise(_map_index, self, function, meta=meta, divisions=None)


class _Top:
    def __init__(self, name: str, n: int, columns: Any) -> None:
        self.name = name
        self.n = n
        self.columns = columns
        self.__name__ = name

    def __call__(self, part: Any) -> Any:
        if self.columns is None:
            return getattr(part, self.name)(self.n)
        return getattr(part, self.name)(self.n, self.columns)


class _DropDuplicates:
    def __init__(self, subset: Any, keep: Any) -> None:
        self.options = {"keep": keep} if subset is None else {"subset": subset, "keep": keep}

    def __call__(self, part: Any) -> Any:
        return part.drop_duplicates(**self.options)


class _OfJoined:
    """A function of parts put together."""

    def __init__(self, function: Any, ignore_index: bool = False) -> None:
        self.function = function
        self.ignore_index = ignore_index

    def __call__(self, parts: list[Any]) -> Any:
        found = self.function(concat(parts))
        return found.reset_index(drop=True) if self.ignore_index else found


class _Aligned:
    def __init__(self, place: int, options: dict[str, Any]) -> None:
        self.place = place
        self.options = options

    def __call__(self, left: Any, right: Any) -> Any:
        return left.align(right, **self.options)[self.place]


class _Border:
    """First and last value of a partition, and whether it is in order itself."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, part: Any) -> Any:
        values = part if isinstance(part, pd.Index) else part.reset_index(drop=True)
        ends = None if len(values) == 0 else (values[0], values[len(values) - 1])
        return self.name, bool(getattr(part, self.name)), ends


def _joined_borders(parts: list[Any]) -> bool:
    ends = [one for _, _, found in parts if found is not None for one in found]
    return all(found for _, found, _ in parts) and bool(getattr(pd.Series(ends), parts[0][0]))


def _states(random_state: Any, count: int) -> list[int]:
    rng = np.random.default_rng(random_state) if not isinstance(random_state, np.random.RandomState) else random_state
    if isinstance(rng, np.random.RandomState):
        return [int(one) for one in rng.randint(0, 2**31 - 1, count)]
    return [int(one) for one in rng.integers(0, 2**31 - 1, count)]


def _sampled(part: Any, state: int, frac: float, replace: bool) -> Any:
    return part.sample(frac=frac, replace=replace, random_state=state) if len(part) else part


def _split_part(part: Any, state: int, frac: list[float], place: int, shuffle: bool) -> Any:
    rng = np.random.default_rng(state)
    bounds = np.cumsum(frac)
    chosen = np.searchsorted(bounds / bounds[-1], rng.random(len(part)), side="right").clip(0, len(frac) - 1)
    rows = part[chosen == place]
    return rows.sample(frac=1.0, random_state=state) if shuffle else rows


def _map_index(part: Any, function: Any) -> Any:
    return part.set_axis(part.index.map(function), axis=0)
