"""Dataframes from pandas objects.

Start at `from_pandas`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from raskal._raskal import Persisted, frame_from_table
from raskal.dataframe._convert import to_table
from raskal.dataframe._methods import holds
from raskal.dataframe._tasks import Kept, TaskPlan
from raskal.dataframe.frame import DataFrame
from raskal.dataframe.series import Series
from raskal.tokenize import tokenize


def from_pandas(data: Any, npartitions: int | None = None, sort: bool = True, chunksize: int | None = None) -> Any:
    """Cut a pandas object into partitions.

    Parameters
    ----------
    data : pandas.DataFrame or pandas.Series
    npartitions : int, optional
        How many partitions; 1 by default. Fewer come out where equal index labels would be torn apart.
    sort : bool
        Whether to sort by the index first, so that the divisions are known.
    chunksize : int, optional
        Rows per partition, instead of `npartitions`.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    TypeError
        If `data` is no pandas object, or holds what Arrow can't.
    ValueError
        If `npartitions` or `chunksize` is not positive, or both are given.

    Notes
    -----
    Source: crates/raskal-frame/src/memory.rs

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"x": [1, 2, 3, 4]}), npartitions=2)
    >>> df.npartitions, df.divisions
    (2, (0, 2, 3))
    """
    if not isinstance(data, (pd.DataFrame, pd.Series)):
        raise TypeError(f"from_pandas got a {type(data).__name__}, expected a pandas DataFrame or Series")
    if isinstance(npartitions, float) or isinstance(chunksize, float):
        raise TypeError("Please provide npartitions as an int, or possibly as None if you specify chunksize.")
    if npartitions is not None and chunksize is not None:
        raise ValueError("pass npartitions= or chunksize=, not both")
    for name, value in (("npartitions", npartitions), ("chunksize", chunksize)):
        if value is not None and value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if isinstance(data.index, pd.MultiIndex):
        raise NotImplementedError("an index of several levels is not supported\nhint: call reset_index() first")
    if sort and len(data) and data.index.hasnans:
        sort = False  # where missing labels lie can't be said by divisions
    if sort and not data.index.is_monotonic_increasing:
        data = data.sort_index(kind="stable")
    rows = len(data)
    parts = -(-rows // chunksize) if chunksize else (npartitions or 1)
    bounds = [part * rows // parts for part in range(parts)] if parts > 1 else [0]
    if sort and rows:
        bounds = _between_labels(data.index, bounds)
    bounds = sorted({*bounds, 0} - {rows}) + [rows] if rows else [0, 0]
    cls = DataFrame if isinstance(data, pd.DataFrame) else Series
    labels = data.index.take([*bounds[:-1], rows - 1]) if sort and rows else None
    token = tokenize(data, bounds)
    if not _fits_arrow(data):
        handle = Persisted([data.iloc[start:end] for start, end in zip(bounds, bounds[1:], strict=False)])
        known = None if labels is None else tuple(labels)
        return cls(TaskPlan(Kept(f"from_pandas-{token}", handle), known), data.iloc[:0])
    divisions = None if labels is None else pa.array(labels, from_pandas=True)
    name = data.index.name
    names = [None if name is None else str(name)]
    plan = frame_from_table(to_table(data), bounds, names, token, divisions)
    return cls(plan, data.iloc[:0])


def _fits_arrow(data: Any) -> bool:
    """Whether tables of the engine hold the data such that the same come back."""
    dtypes = [data.index.dtype, *(data.dtypes if isinstance(data, pd.DataFrame) else [data.dtype])]
    if isinstance(data, pd.DataFrame):
        names = [str(label) for label in data.columns]
        if len(set(names)) != len(names) or isinstance(data.columns, pd.MultiIndex):
            return False
        if any(name.startswith("__index_") for name in names):
            return False
    if isinstance(data.index, (pd.PeriodIndex, pd.IntervalIndex, pd.CategoricalIndex)):
        return False
    return all(holds(dtype) for dtype in dtypes)


def _between_labels(index: pd.Index, bounds: list[int]) -> list[int]:
    """Row numbers moved forward so that equal labels stay together."""
    moved = []
    for bound in bounds:
        while 0 < bound < len(index) and index[bound] == index[bound - 1]:
            bound += 1
        moved.append(bound)
    return moved


def from_dict(
    data: dict[str, Any],
    npartitions: int,
    orient: str = "columns",
    dtype: Any = None,
    columns: Any = None,
    constructor: type = pd.DataFrame,
) -> Any:
    """A dataframe of a dictionary, as `pandas.DataFrame.from_dict` makes it.

    Parameters
    ----------
    data : dict
        Column labels and values.
    npartitions : int
        How many partitions.
    orient, dtype, columns
        As of pandas.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> import raskal.dataframe as dd
    >>> dd.from_dict({"x": [1, 2, 3]}, npartitions=2).x.sum().compute()
    np.int64(6)
    """
    if isinstance(data, dict) and any(hasattr(type(one), "__raskal_lower__") for one in data.values()):
        raise NotImplementedError(
            "from_dict does not take lazy collections as inputs\nhint: concat([...], axis=1) joins columns"
        )
    from_dict: Any = pd.DataFrame.from_dict
    frame = from_dict(data, orient=orient, dtype=dtype, columns=columns)
    return from_pandas(frame, npartitions=npartitions)
