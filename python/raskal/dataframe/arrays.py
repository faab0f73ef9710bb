"""Dataframes of arrays, and arrays, records and bags of dataframes.

Start at `from_array` and `to_array`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._tasks import Calls, Each, Lazy, Node, Slot, TaskPlan
from raskal.dataframe.collection import new_collection


def from_array(arr: Any, chunksize: int = 50_000, columns: Any = None, meta: Any = None) -> Any:
    """A dataframe, or a series, of an array.

    Parameters
    ----------
    arr : array of one or two dimensions, or of records
    chunksize : int
        Rows of a partition.
    columns : list of labels, or label, optional
        Of the columns; the name of a series.
    meta : object, optional
        Accepted for Dask's sake.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    ValueError
        If the array has more dimensions, or other columns.

    Examples
    --------
    >>> import numpy as np, raskal.dataframe as dd
    >>> dd.from_array(np.arange(6).reshape(3, 2), columns=["a", "b"]).b.sum().compute()
    np.int64(9)
    """
    from raskal.dataframe.memory import from_pandas

    if hasattr(arr, "__raskal_lower__"):
        return from_dask_array(arr, columns=columns, meta=meta)
    values = np.asarray(arr)
    if values.ndim > 2:
        raise ValueError(f"from_array does input more than 2D array, got array with shape {values.shape!r}")
    if values.dtype.names is not None:
        names = list(values.dtype.names) if columns is None else list(columns)
        if sorted(names) != sorted(values.dtype.names):
            raise ValueError(f"For a struct dtype, columns must be its names, got {columns!r} for {values.dtype.names}")
        data: Any = pd.DataFrame({name: values[name] for name in names})
    elif values.ndim == 1:
        if isinstance(columns, (list, tuple)) and len(columns) > 1:
            raise ValueError(f"For a 1d array, columns must be a scalar or single element list, got {columns!r}")
        listed = isinstance(columns, (list, tuple, pd.Index))
        data = pd.DataFrame({columns[0]: values}) if listed else pd.Series(values, name=columns)
    else:
        if columns is not None and len(columns) != values.shape[1]:
            raise ValueError(f"Column names count must match shape[1]: {len(columns)} for {values.shape[1]}")
        data = pd.DataFrame(values, columns=columns)
    return from_pandas(data, chunksize=chunksize)


def from_dask_array(x: Any, columns: Any = None, index: Any = None, meta: Any = None) -> Any:
    """A dataframe, or a series, of a lazy array of raskal: a partition per block of rows.

    Parameters
    ----------
    x : Array of one or two dimensions
    columns : list of labels, or label, optional
        Of the columns; the name of a series.
    index : Index or Series, optional
        Lazy labels, in as many partitions as the array has blocks of rows; the rows' numbers by default, where the
        blocks' lengths are known.
    meta : object, optional
        Accepted for Dask's sake.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    ValueError
        If the array has more dimensions or other columns, or `index` other partitions.

    Examples
    --------
    >>> import raskal.array as da, raskal.dataframe as dd
    >>> dd.from_dask_array(da.arange(6, chunks=2), columns="n").sum().compute()
    np.int64(15)
    """
    if x.ndim > 2:
        raise ValueError(f"from_array does input more than 2D array, got array with shape {x.shape!r}")
    if x.ndim == 2 and len(x.chunks[1]) > 1:
        x = x.rechunk({1: x.shape[1]})
    empty = np.empty((0, *x.shape[1:]), dtype=x.dtype)
    if x.dtype.names is not None:
        names = list(x.dtype.names) if columns is None else list(columns)
        if sorted(names) != sorted(x.dtype.names):
            raise ValueError(f"For a struct dtype, columns must be its names, got {columns!r} for {x.dtype.names}")
        found: Any = pd.DataFrame({name: np.empty(0, x.dtype[name]) for name in names})
    elif x.ndim == 1 and isinstance(columns, (list, tuple, pd.Index)):
        if len(columns) != 1:
            raise ValueError(f"For a 1d array, columns must be a scalar or single element list, got {columns!r}")
        found = pd.DataFrame({columns[0]: empty})
    elif x.ndim == 1:
        found = pd.Series(empty, name=columns)
    else:
        if columns is not None and len(columns) != x.shape[1]:
            raise ValueError(f"Column names count must match shape[1]: {len(columns)} for {x.shape[1]}")
        found = pd.DataFrame(empty, columns=columns)
    lengths = x.chunks[0]
    blocks: Node = Lazy(list(np.ravel(x.to_delayed())))
    if index is not None:
        if index.npartitions != len(lengths):
            raise ValueError(
                f"The index and array have different numbers of blocks. ({index.npartitions} != {len(lengths)})"
            )
        plan = index._task_plan()
        make = _Rows(found)
        node = Calls(len(lengths), [blocks, plan.node], [None, None], make, (Slot(0), Slot(1)), name="from_array")
        return new_collection(TaskPlan(node, plan.divisions), make(empty, index._meta).iloc[:0])
    known = not any(np.isnan(length) for length in lengths)
    starts = [int(start) for start in np.cumsum([0, *lengths])] if known else [0] * (len(lengths) + 1)
    node = Calls(len(lengths), [blocks], [None], _Rows(found), (Slot(0), None, Each(starts[:-1])), name="from_array")
    divisions = (*starts[:-1], max(starts[-1] - 1, 0)) if known else None
    return new_collection(TaskPlan(node, divisions), found)


def beside(collection: Any, array: Any) -> Any:
    """A lazy array as a series of the same rows as a collection: a block for each partition.

    Raises
    ------
    ValueError
        If the array has more dimensions, or can't be cut as the collection is.
    """
    if array.ndim != 1:
        raise ValueError(f"an array of {array.ndim} dimensions can't be beside rows\nhint: choose one column of it")
    plan = collection._task_plan()
    if len(array.chunks[0]) != plan.npartitions or not any(np.isnan(size) for size in array.chunks[0]):
        lengths = collection.map_partitions(len, meta=pd.Series([], dtype="int64"), clear_divisions=True).compute()
        if not np.isnan(array.shape[0]):
            if int(lengths.sum()) != array.shape[0]:
                raise ValueError(
                    f"an array of {array.shape[0]} values can't be beside {int(lengths.sum())} rows\n"
                    "hint: pass an array of as many values"
                )
            array = array.rechunk((tuple(int(length) for length in lengths),))
    if len(array.chunks[0]) != plan.npartitions:
        raise ValueError(
            f"an array of {len(array.chunks[0])} blocks of unknown lengths beside {plan.npartitions} partitions"
        )
    meta = pd.Series(np.empty(0, array.dtype), index=collection._meta_index[:0])
    blocks = Lazy(list(np.ravel(array.to_delayed())))
    slots = (Slot(0), Slot(1))
    node = Calls(plan.npartitions, [plan.node, blocks], [None, None], _beside, slots, name="beside")
    return new_collection(TaskPlan(node, plan.divisions, plan.root), meta)


def _beside(part: Any, values: np.ndarray) -> pd.Series:
    labels = part if isinstance(part, pd.Index) else part.index
    if len(values) != len(labels):
        raise ValueError(f"a block of {len(values)} values lies beside a partition of {len(labels)} rows")
    return pd.Series(values, index=labels)


class _Rows:
    """The values of a block as rows like `meta`."""

    def __init__(self, meta: Any) -> None:
        self.meta = meta

    def __call__(self, values: np.ndarray, labels: Any = None, start: int = 0) -> Any:
        labels = pd.RangeIndex(start, start + len(values)) if labels is None else pd.Index(labels)
        if isinstance(self.meta, pd.Series):
            return pd.Series(values, index=labels, name=self.meta.name)
        if values.dtype.names is not None:
            return pd.DataFrame({name: values[name] for name in self.meta.columns}, index=labels)
        return pd.DataFrame(values, index=labels, columns=self.meta.columns)


def to_array(df: Any, lengths: Any = None) -> Any:
    """The values as a lazy array of raskal, a block per partition.

    Parameters
    ----------
    lengths : True or list of int, optional
        The partitions' lengths; True computes them. They are not known otherwise.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If there is not one length per partition.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"x": [1, 2, 3], "y": [4, 5, 6]}), npartitions=2)
    >>> df.to_dask_array(lengths=True).chunks
    ((1, 2), (2,))
    """
    import raskal.array as da
    from raskal.delayed import delayed

    if lengths is True:
        lengths = df.map_partitions(len, meta=pd.Series([], dtype="int64"), clear_divisions=True).compute().tolist()
    if lengths is not None and (not isinstance(lengths, (list, tuple)) or len(lengths) != df.npartitions):
        raise ValueError(f"lengths={lengths!r} must be True, or a list of {df.npartitions} lengths")
    dtype = np.asarray(df._meta).dtype
    width = () if df._meta_ndim == 1 else (len(df.columns),)
    sizes = [np.nan] * df.npartitions if lengths is None else [int(length) for length in lengths]
    blocks = [
        da.from_delayed(delayed(_values)(part, dtype), (size, *width), dtype=dtype)
        for part, size in zip(df.to_delayed(), sizes, strict=True)
    ]
    return da.concatenate(blocks, axis=0, allow_unknown_chunksizes=True) if len(blocks) > 1 else blocks[0]


def _values(part: Any, dtype: np.dtype) -> np.ndarray:
    return np.asarray(part, dtype=dtype)


def to_records(df: Any, index: bool = False, lengths: Any = None) -> Any:
    """The rows as an array of records: a delayed one per partition.

    Returns
    -------
    list of Delayed
    """
    from raskal.delayed import delayed

    return [delayed(_records)(part, index) for part in df.to_delayed()]


def _records(part: pd.DataFrame, index: bool) -> Any:
    return part.to_records(index=index)


def to_bag(df: Any, index: bool = False, format: str = "tuple") -> Any:
    """The rows as a bag of tuples or dictionaries.

    Parameters
    ----------
    index : bool
        Whether labels come first.
    format : {"tuple", "dict", "frame"}

    Returns
    -------
    Bag

    Raises
    ------
    ValueError
        If `format` is something else.
    """
    if format not in ("tuple", "dict", "frame"):
        raise ValueError(f"format must be 'tuple', 'dict' or 'frame', got {format!r}")
    from importlib import import_module

    return import_module("raskal.bag").from_delayed([_items(part, index, format) for part in df.to_delayed()])


def _items(part: Any, index: bool, format: str) -> Any:
    from raskal.delayed import delayed

    return delayed(rows_of)(part, index, format)


def rows_of(part: Any, index: bool, format: str) -> list[Any]:
    """The rows of a pandas object as a list."""
    if format == "frame":
        return [part]
    if isinstance(part, pd.DataFrame):
        if format == "dict":
            return list((part.reset_index() if index else part).to_dict(orient="records"))
        return [tuple(row) for row in part.itertuples(index=index, name=None)]
    if isinstance(part, pd.Series):
        if format == "dict":
            raise NotImplementedError("a series has no names for dictionaries\nhint: to_frame() first")
        return list(part.items()) if index else part.tolist()
    return list(part)
