"""Statistics that are more than one reduction: quantiles, descriptions, counts of values, covariances.

Start at `Statistics`. Quantiles, medians and modes are exact: the values of their columns come into one place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._concat import concat
from raskal.dataframe._emulate import emptied, infer
from raskal.dataframe._methods import MethodCall
from raskal.dataframe.tree import tree


class Statistics:
    """Statistics of series and dataframes."""

    _meta: Any
    _frame: Any

    def _whole(self, function: Any, name: str, meta: Any = None) -> Any:
        from raskal.dataframe.reductions import whole

        found = emptied(infer(function, [self._meta], {}, name)) if meta is None else meta
        return whole(self, function, found, name)

    def _numbers(self, numeric_only: bool) -> Any:
        collection: Any = self
        if numeric_only and isinstance(self._meta, pd.DataFrame):
            return collection[list(self._meta.select_dtypes(["number", "bool"], ["timedelta"]).columns)]
        return collection

    def quantile(self, q: Any = 0.5, axis: Any = 0, numeric_only: bool = False, method: str = "default") -> Any:
        """Exact quantiles.

        Parameters
        ----------
        q : float or list of float
        axis : {0, 1}
            Along the rows (0), or along the columns of each row (1).
        method : str
            Accepted for Dask's sake: results are exact.
        """
        if method not in ("default", "tdigest", "dask"):
            raise ValueError("method can only be 'default', 'tdigest' or 'dask'")
        collection = self._numbers(numeric_only)
        q = list(q) if isinstance(q, (list, tuple, np.ndarray, pd.Series)) else q
        if axis in (1, "columns"):
            return blockwise(MethodCall("quantile"), collection, q=q, axis=1, name="quantile")
        found = collection._whole(_Call("quantile", q=q), "quantile")
        if not isinstance(collection._meta, pd.DataFrame) and isinstance(q, list):
            found._plan.divisions = (min(q), max(q)) if q else None
        return found

    def median_approximate(self, axis: Any = 0, method: str = "default", numeric_only: bool = False) -> Any:
        """The median, which is exact here."""
        found = self.quantile(0.5, axis=axis, numeric_only=numeric_only, method=method)
        return found.rename(None) if isinstance(found._meta, pd.Series) else found

    def mode(self, dropna: bool = True, split_every: Any = None, numeric_only: bool = False) -> Any:
        """The most frequent values."""
        return self._numbers(numeric_only)._whole(_Call("mode", dropna=dropna), "mode")

    def describe(
        self,
        split_every: Any = None,
        percentiles: Any = None,
        percentiles_method: str = "default",
        include: Any = None,
        exclude: Any = None,
    ) -> Any:
        """Count, mean, spread, extremes and quantiles of columns, as pandas describes them."""
        options = {"percentiles": percentiles}
        if isinstance(self._meta, pd.DataFrame):
            options |= {"include": include, "exclude": exclude}
            chosen = list(self._meta.describe(include=include, exclude=exclude).columns)
            collection: Any = self
            return collection[chosen]._whole(_Call("describe", **options), "describe")
        return self._whole(_Call("describe", **options), "describe")

    def idxmin(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, split_every: Any = None) -> Any:
        """The label of the first smallest value."""
        return self._extreme("idxmin", axis, skipna, numeric_only, split_every)

    def idxmax(self, axis: Any = 0, skipna: bool = True, numeric_only: bool = False, split_every: Any = None) -> Any:
        """The label of the first largest value."""
        return self._extreme("idxmax", axis, skipna, numeric_only, split_every)

    def _extreme(self, name: str, axis: Any, skipna: bool, numeric_only: bool, split_every: Any) -> Any:
        collection = self._numbers(numeric_only)
        if axis in (1, "columns"):
            return blockwise(MethodCall(name), collection, axis=1, skipna=skipna, name=name)
        meta = emptied(infer(_Call(name, skipna=skipna), [collection._meta], {}, name))
        chunk, joined = _ExtremeRows(name, skipna), _ExtremeOfJoined(name, skipna)
        last = _ExtremeLabels(name, skipna, collection._meta)
        found = tree(collection, chunk, last, joined, meta=meta, name=name, split_every=split_every)
        if isinstance(collection._meta, pd.DataFrame):
            found._plan.divisions = (min(collection.columns), max(collection.columns))
        return found

    def unique(self, split_every: Any = None, split_out: Any = True, shuffle_method: Any = None) -> Any:
        """The different values, as a series, in the order in which they occur."""
        meta = self._meta.to_series() if isinstance(self._meta, pd.Index) else self._meta
        meta = pd.Series(meta.array[:0], name=meta.name)
        return tree(self, _distinct, _distinct_of, _distinct_of, meta=meta, name="unique", split_every=split_every)

    def value_counts(
        self,
        sort: bool | None = None,
        ascending: bool = False,
        dropna: bool = True,
        normalize: bool = False,
        split_every: Any = None,
        split_out: Any = True,
        shuffle_method: Any = None,
    ) -> Any:
        """How often each value occurs."""
        options = {
            "sort": True if sort is None else sort,
            "ascending": ascending,
            "dropna": dropna,
            "normalize": normalize,
        }
        meta = emptied(infer(_Call("value_counts", **options), [self._meta], {}, "value_counts"))
        native = _native_counts(self, options) if split_out in (None, True, 1) else None
        if native is not None:
            from raskal.dataframe.collection import new_collection

            return new_collection(native, meta)
        last = _Counted(options, self._meta)
        return tree(self, _Count(dropna), last, _add_counts, meta=meta, name="value_counts", split_every=split_every)

    def nunique_approx(self, split_every: Any = None) -> Any:
        """The number of different rows, which is exact here."""
        return tree(self, _row_hashes, _count_hashes, _join_hashes, meta=0.0, name="nunique", split_every=split_every)

    def cov(
        self, other: Any = None, min_periods: Any = None, numeric_only: bool = False, split_every: Any = None
    ) -> Any:
        """Covariances of columns, or with another series."""
        return self._pairs("cov", other, min_periods, numeric_only, split_every)

    def corr(
        self,
        other: Any = None,
        method: str = "pearson",
        min_periods: Any = None,
        numeric_only: bool = False,
        split_every: Any = None,
    ) -> Any:
        """Correlations of columns, or with another series.

        Raises
        ------
        NotImplementedError
            For methods that need ranks of all rows.
        """
        if isinstance(other, str):
            other, method = None, other
        if method != "pearson":
            raise NotImplementedError(f"Only Pearson correlation has been implemented, got {method!r}")
        return self._pairs("corr", other, min_periods, numeric_only, split_every)

    def _pairs(self, name: str, other: Any, min_periods: Any, numeric_only: bool, split_every: Any) -> Any:
        if min_periods is not None and min_periods < 2:
            raise ValueError("min_periods must be >= 2")
        least = 2 if min_periods is None else min_periods
        if other is not None:
            from raskal.dataframe.concatenate import _Beside

            pair = blockwise(_Beside("inner"), self, other, name="pair")
            return tree(pair, _comoments, _PairValue(name, least), _merge_comoments, meta=0.0, name=name)
        collection = self._numbers(numeric_only)
        if isinstance(collection._meta, pd.Series):
            raise TypeError(f"{name}() of a series needs another one")
        meta = emptied(infer(_Call(name), [collection._meta], {}, name))
        last = _PairTable(name, least, collection.columns)
        return tree(collection, _comoments, last, _merge_comoments, meta=meta, name=name, split_every=split_every)

    def autocorr(self, lag: int = 1, split_every: Any = None) -> Any:
        """The correlation with itself some rows before."""
        if not isinstance(lag, (int, np.integer)):
            raise TypeError("lag must be an integer")
        series: Any = self
        return series.corr(series if lag == 0 else series.shift(lag))

    def memory_usage(self, deep: bool = False, index: bool = True) -> Any:
        """Bytes that the columns take."""
        if isinstance(self._meta, pd.Index):
            return tree(self, _Call("memory_usage", deep=deep), _sum_all, meta=0, name="memory_usage")
        call = _Call("memory_usage", deep=deep, index=index)
        meta = emptied(call(self._meta)) if isinstance(self._meta, pd.DataFrame) else 0
        return tree(self, call, _sum_all, _sum_all, meta=meta, name="memory_usage")

    def memory_usage_per_partition(self, index: bool = True, deep: bool = False) -> Any:
        """Bytes that each partition takes."""
        meta = pd.Series([], dtype="int64")
        return blockwise(_Bytes(index, deep), self, meta=meta, divisions=None, name="memory_usage")

    def to_records(self, index: bool = False, lengths: Any = None) -> Any:
        """The rows as an array of records."""
        from raskal.dataframe.arrays import to_records

        return to_records(self, index, lengths)


class _Call:
    """A method of a pandas object."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        self.name = name
        self.kwargs = kwargs
        self.__name__ = name

    def __call__(self, data: Any) -> Any:
        return getattr(data, self.name)(**self.kwargs)


def _sum_all(parts: list[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


class _Bytes:
    def __init__(self, index: bool, deep: bool) -> None:
        self.index = index
        self.deep = deep

    def __call__(self, part: Any) -> pd.Series:
        used = part.memory_usage(index=self.index, deep=self.deep)
        return pd.Series([int(used.sum() if isinstance(used, pd.Series) else used)])


class _ExtremeRows:
    """For each column, the label and value of a partition's extreme."""

    def __init__(self, name: str, skipna: bool) -> None:
        self.name = name
        self.skipna = skipna

    def __call__(self, part: Any) -> list[pd.Series]:
        frame = part.to_frame() if isinstance(part, pd.Series) else part
        return [self.of(frame.iloc[:, place]) for place in range(frame.shape[1])]

    def of(self, column: pd.Series) -> pd.Series:
        """The extreme value under its label; nothing if there is none; a missing one if they count."""
        column = column.rename(None)
        if not self.skipna and column.isna().any():
            return column[column.isna()].iloc[:1]
        present = column.dropna()
        if len(present) == 0:
            return present
        values = present.reset_index(drop=True)
        place = int(getattr(values, self.name)())
        return present.iloc[[place]]


class _ExtremeOfJoined:
    def __init__(self, name: str, skipna: bool) -> None:
        self.rows = _ExtremeRows(name, skipna)

    def __call__(self, parts: list[Any]) -> list[pd.Series]:
        return [self.rows.of(concat(list(columns))) for columns in zip(*parts, strict=True)]


class _ExtremeLabels:
    """The labels of the extremes, as pandas gives them: of the rows that hold them."""

    def __init__(self, name: str, skipna: bool, meta: Any) -> None:
        self.joined = _ExtremeOfJoined(name, skipna)
        self.name = name
        self.skipna = skipna
        self.meta = meta

    def __call__(self, parts: list[Any]) -> Any:
        rows = self.joined(parts)
        if isinstance(self.meta, pd.Series):
            return getattr(rows[0], self.name)(skipna=self.skipna)
        found = [getattr(row, self.name)(skipna=self.skipna) for row in rows]
        return pd.Series(found, index=self.meta.columns)


def _distinct(part: Any) -> pd.Series:
    series = part.to_series() if isinstance(part, pd.Index) else part
    return series.drop_duplicates().reset_index(drop=True)


def _distinct_of(parts: list[pd.Series]) -> pd.Series:
    return concat(parts).drop_duplicates().reset_index(drop=True)


class _Count:
    """Counts of the values of a partition, in the order of occurring."""

    def __init__(self, dropna: bool) -> None:
        self.dropna = dropna

    def __call__(self, part: Any) -> pd.Series:
        series = part.to_series() if isinstance(part, pd.Index) else part
        return series.value_counts(sort=False, dropna=self.dropna)


def _add_counts(parts: list[pd.Series]) -> pd.Series:
    joined = concat(parts)
    level: Any = list(range(joined.index.nlevels)) if joined.index.nlevels > 1 else 0
    return joined.groupby(level=level, sort=False, dropna=False, observed=False).sum()


def _native_counts(series: Any, options: dict[str, Any]) -> Any:
    """How often each value occurs, as a plan of the engine: as many values first, in the order of their appearance."""
    from raskal.dataframe._operators import plain

    frame: Any = getattr(series, "_frame", None)
    simple = frame is not None and isinstance(series._meta, pd.Series) and plain(series._meta.dtype)
    if not simple or not options["sort"] or options["normalize"]:
        return None
    counts = frame.group_by([frame], [("", "size", "count"), ("", "place", "place")], False, options["dropna"])
    return counts.sort([("count", options["ascending"]), ("place", True)], False, None).select(["count"])


class _Counted:
    def __init__(self, options: dict[str, Any], meta: Any) -> None:
        self.options = options
        self.meta = meta

    def __call__(self, parts: list[pd.Series]) -> pd.Series:
        counts = _add_counts(parts)
        counts = counts.astype("int64") if not isinstance(counts.dtype, pd.api.extensions.ExtensionDtype) else counts
        if self.options["normalize"]:
            counts = (counts / counts.sum()).rename("proportion")
        if self.options["sort"]:
            counts = counts.sort_values(ascending=self.options["ascending"], kind="stable")
        return counts


def _row_hashes(part: Any) -> np.ndarray:
    return np.unique(pd.util.hash_pandas_object(part, index=False).to_numpy())


def _join_hashes(parts: list[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate(parts))


def _count_hashes(parts: list[np.ndarray]) -> float:
    return float(len(_join_hashes(parts)))


def _comoments(part: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """For each pair of columns, over rows where both are there: number, means, products and squares around them."""
    values = (
        np.column_stack(
            [part.iloc[:, place].to_numpy(dtype="float64", na_value=np.nan) for place in range(part.shape[1])]
        )
        if part.shape[1]
        else np.empty((len(part), 0))
    )
    there = (~np.isnan(values)).astype("float64")
    filled = np.where(there > 0, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Around the columns' own means first: squares of large numbers lose their last digits.
        centre = np.where(there.sum(axis=0) > 0, filled.sum(axis=0) / there.sum(axis=0), 0.0)
        shifted = np.where(there > 0, filled - centre, 0.0)
        n = there.T @ there
        sums = shifted.T @ there
        means = np.where(n > 0, sums / n, 0.0)
        products = shifted.T @ shifted - n * means * means.T
        squares = (shifted**2).T @ there - n * means**2
    return n, np.where(n > 0, means + centre[:, None], 0.0), products, squares


def _merge_comoments(parts: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    n, means, products, squares = parts[0]
    for other_n, other_means, other_products, other_squares in parts[1:]:
        total = n + other_n
        with np.errstate(invalid="ignore", divide="ignore"):
            delta = other_means - means
            weight = np.where(total > 0, n * other_n / total, 0.0)
            products = products + other_products + delta * delta.T * weight
            squares = squares + other_squares + delta**2 * weight
            means = np.where(total > 0, (means * n + other_means * other_n) / total, 0.0)
        n = total
    return n, means, products, squares


class _PairTable:
    def __init__(self, name: str, least: int, labels: pd.Index) -> None:
        self.name = name
        self.least = least
        self.labels = labels

    def __call__(self, parts: list[Any]) -> pd.DataFrame:
        found = pair_values(self.name, self.least, _merge_comoments(parts))
        return pd.DataFrame(found, index=self.labels, columns=self.labels)


class _PairValue:
    def __init__(self, name: str, least: int) -> None:
        self.name = name
        self.least = least

    def __call__(self, parts: list[Any]) -> Any:
        return pair_values(self.name, self.least, _merge_comoments(parts))[0, 1]


def pair_values(name: str, least: int, comoments: tuple[np.ndarray, ...]) -> np.ndarray:
    """Covariances or correlations of merged comoments."""
    n, _, products, squares = comoments
    with np.errstate(invalid="ignore", divide="ignore"):
        found = products / np.sqrt(squares * squares.T) if name == "corr" else products / (n - 1)
        return np.where((n >= least) & np.isfinite(found), found, np.nan)
