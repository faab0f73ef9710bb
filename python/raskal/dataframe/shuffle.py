"""Rows dealt out anew between partitions: by the hash of columns, by ranges of a column, or by given numbers.

Start at `exchange`: every partition is split into groups of rows, and the groups of one number are put together. Each
split is one task, each group another, so that consumers depend on their part alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._concat import concat
from raskal.dataframe._tasks import Calls, Number, Slot, TaskPlan
from raskal.dataframe.collection import FrameCollection, new_collection


def exchange(
    collection: FrameCollection,
    number: Callable[..., np.ndarray],
    npartitions: int,
    *,
    args: tuple[Any, ...] = (),
    name: str = "shuffle",
    divisions: tuple[Any, ...] | None = None,
    finish: Callable[..., Any] | None = None,
    inputs: tuple[TaskPlan, ...] = (),
) -> Any:
    """Rows in new partitions.

    Parameters
    ----------
    number : callable
        ``number(part, npartitions, *args)``: the new partition of each row.
    npartitions : int
        How many new partitions.
    finish : callable, optional
        What becomes of each new partition.
    inputs : tuple of TaskPlan
        Plans of one partition that come behind `part` in calls of `number`.

    Returns
    -------
    DataFrame, Series or Index
        Rows keep their order: by old partition, and within one as they were.
    """
    plan = collection._task_plan()
    count = plan.npartitions
    slots = tuple(Slot(place) for place in range(1 + len(inputs)))
    rows: list[Any] = [None] + [[[0]] * count for _ in inputs]
    nodes = [plan.node, *(one.node for one in inputs)]
    split = Calls(count, nodes, rows, _Split(number, npartitions), (*slots, *args), name=f"{name}-split")
    picks = [[producer] for producer in range(count) for _ in range(npartitions)]
    # A partition is cut as soon as it is split, so that its groups can leave memory one by one.
    pick, args = _Pick(npartitions), (Slot(0), Number())
    part = Calls(count * npartitions, [split], [picks], pick, args, name=f"{name}-pick", eager=True)
    gather = [[producer * npartitions + new for producer in range(count)] for new in range(npartitions)]
    node = Calls(npartitions, [part], [gather], _Together(finish), gather=True, name=name)
    return new_collection(TaskPlan(node, divisions), collection._meta)


class _Split:
    """A partition with its rows in the order of their new partitions, and where each of those begins."""

    def __init__(self, number: Callable[..., np.ndarray], npartitions: int) -> None:
        self.number = number
        self.npartitions = npartitions

    def __call__(self, part: Any, *args: Any) -> tuple[Any, np.ndarray, np.ndarray]:
        numbers = np.asarray(self.number(part, self.npartitions, *args))
        order = np.argsort(numbers, kind="stable")
        return part, order, np.searchsorted(numbers[order], np.arange(self.npartitions + 1))


class _Pick:
    """The rows of one new partition, in memory of their own: slices would keep all rows, and go to disk with them."""

    def __init__(self, npartitions: int) -> None:
        self.npartitions = npartitions

    def __call__(self, split: tuple[Any, np.ndarray, np.ndarray], number: int) -> Any:
        part, order, bounds = split
        new = number % self.npartitions
        return part.take(order[bounds[new] : bounds[new + 1]])


class _Together:
    """The groups of one number, put together."""

    def __init__(self, finish: Callable[..., Any] | None) -> None:
        self.finish = finish

    def __call__(self, parts: list[Any]) -> Any:
        joined = concat(parts)
        return self.finish(joined) if self.finish is not None else joined


def hash_rows(columns: Any, npartitions: int) -> np.ndarray:
    """A new partition for each row, the same for equal values."""
    if isinstance(columns, pd.Index):
        columns = columns.to_frame(index=False) if isinstance(columns, pd.MultiIndex) else columns.to_series()
    frame = columns.to_frame() if isinstance(columns, pd.Series) else columns
    total = np.zeros(len(frame), dtype=np.uint64)
    for place in range(frame.shape[1]):
        total = total * np.uint64(1_000_003) + _hashes(frame.iloc[:, place])
    return (total % np.uint64(npartitions)).astype(np.int64)


def _hashes(column: pd.Series) -> np.ndarray:
    """Hashes that are equal where grouping or merging would call values equal, whatever dtype their partition has."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        column = column.astype("float64" if pd.api.types.is_numeric_dtype(dtype.categories.dtype) else object)
        dtype = column.dtype
    if pd.api.types.is_complex_dtype(dtype):
        return _numbers(column.to_numpy().real)
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        return _numbers(column.to_numpy(dtype="float64", na_value=np.nan))
    if isinstance(dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if getattr(column.dtype, "kind", "O") in "mM":
        return pd.util.hash_array(column.to_numpy().astype(f"{column.dtype.kind}8[ns]"), categorize=False)
    values = column.astype(object).to_numpy()
    found = np.zeros(len(values), dtype=np.uint64)  # of missing ones
    missing = column.isna().to_numpy()
    kinds = (int, float, np.number, np.bool_)
    number = np.fromiter((isinstance(value, kinds) for value in values), dtype=bool, count=len(values)) & ~missing
    found[number] = _numbers(values[number].astype("float64"))
    rest = ~number & ~missing
    found[rest] = pd.util.hash_array(values[rest], categorize=False)
    return found


def _numbers(values: np.ndarray) -> np.ndarray:
    """Hashes of numbers: -0.0 equals 0.0, and missing ones are those of any column."""
    missing = np.isnan(values)
    return np.where(missing, np.uint64(0), pd.util.hash_array(np.where(missing, 0.0, values + 0.0), categorize=False))


class HashOf:
    """The hash of columns, of the index (``None``), or of what a function gives."""

    def __init__(self, columns: Any) -> None:
        self.columns = columns

    def __call__(self, part: Any, npartitions: int) -> np.ndarray:
        """The new partition of each row."""
        if self.columns is None:
            return hash_rows(part if isinstance(part, pd.Index) else part.index, npartitions)
        return hash_rows(part[self.columns], npartitions)


def shuffle_index(collection: FrameCollection, npartitions: int) -> Any:
    """Rows of equal labels in one partition."""
    return exchange(collection, HashOf(None), npartitions, name="shuffle-index")


def shuffle(
    df: Any,
    on: Any = None,
    ignore_index: bool = False,
    npartitions: int | None = None,
    shuffle_method: Any = None,
    on_index: bool = False,
    force: bool = True,
    **kwargs: Any,
) -> Any:
    """Deal rows out anew, so that rows that agree in some columns are in one partition.

    Parameters
    ----------
    on : label, list of labels, Series or DataFrame
        The columns, or lazy ones of the same rows.
    ignore_index : bool
        Whether labels may be lost.
    npartitions : int, optional
        How many partitions come out; as many as before by default.
    shuffle_method, force
        Accepted for Dask's sake.
    on_index : bool
        Whether to go by the index instead.

    Returns
    -------
    DataFrame

    Raises
    ------
    TypeError
        If neither `on` nor `on_index` is given, or both.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"x": [1, 2, 1, 2]}), npartitions=2)
    >>> df.shuffle("x").map_partitions(lambda part: part.x.nunique(), meta=("n", "int64")).compute().sum()
    np.int64(2)
    """
    if (on is None) != on_index:
        raise TypeError("shuffle needs columns (on=) or on_index=True, one of them")
    from raskal.dataframe._blockwise import blockwise

    count = npartitions or df.npartitions
    finish = _Renumber() if ignore_index else None
    if on_index:
        return exchange(df, HashOf(None), count, finish=finish)
    if isinstance(on, FrameCollection):
        numbers = blockwise(hash_rows, on, count, meta=pd.Series([], dtype="int64"), name="hash")
        tagged = blockwise(_tag, df, numbers, meta=df._meta.assign(**{_TAG: pd.Series([], dtype="int64")}))
        dealt = exchange(tagged, _tag_of, count, finish=_Untag(finish))
        return new_collection(dealt._plan, df._meta)
    columns = list(on) if isinstance(on, (list, tuple, pd.Index)) else [on]
    levels = [label for label in columns if label in df._meta.index.names and label not in df.columns]
    for label in columns:
        if label not in levels:
            df._check_label(label)
    if levels:
        numbers = blockwise(_hash_with_levels, df, columns, count, meta=pd.Series([], dtype="int64"), name="hash")
        return shuffle(df, numbers, ignore_index, count)
    return exchange(df, HashOf(columns), count, finish=finish)


def _hash_with_levels(part: pd.DataFrame, columns: list[Any], npartitions: int) -> pd.Series:
    return pd.Series(hash_rows(part.reset_index()[columns], npartitions), index=part.index)


_TAG = "__partition__"


def _tag(part: pd.DataFrame, numbers: Any) -> pd.DataFrame:
    return part.assign(**{_TAG: np.asarray(numbers)})


def _tag_of(part: pd.DataFrame, npartitions: int) -> np.ndarray:
    return part[_TAG].to_numpy()


class _Renumber:
    def __call__(self, part: Any) -> Any:
        return part.reset_index(drop=True)


class _Untag:
    def __init__(self, then: Any) -> None:
        self.then = then

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        part = part.drop(columns=_TAG)
        return self.then(part) if self.then is not None else part
