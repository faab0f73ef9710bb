"""pandas functions on whole partitions.

Start at `map_partitions`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from raskal.dataframe._convert import schema_of
from raskal.dataframe._emulate import NO_DEFAULT, function_name, make_meta, meta_by_trial
from raskal.dataframe._mapper import PartitionMapper
from raskal.dataframe.collection import FrameCollection
from raskal.tokenize import tokenize


def map_partitions(
    func: Callable[..., Any],
    *args: Any,
    meta: Any = NO_DEFAULT,
    enforce_metadata: bool = True,
    transform_divisions: bool = True,
    clear_divisions: bool = False,
    align_dataframes: bool = False,
    **kwargs: Any,
) -> Any:
    """Call a pandas function on every partition.

    Parameters
    ----------
    func : callable
        Gets a partition as a pandas object, then the other arguments. With a keyword ``partition_info=None`` it is
        told the partition's number.
    *args, **kwargs
        The first is the lazy collection; the rest are passed on.
    meta : pandas object, dict, or tuple, optional
        What the function gives, empty: by default it is called on empty data to find out.
    clear_divisions : bool
        Whether the function changes the index.
    enforce_metadata, transform_divisions, align_dataframes
        Accepted for Dask's sake: results are always checked against `meta`.

    Returns
    -------
    DataFrame, Series or Index

    Raises
    ------
    ValueError
        If the function fails on empty data; the message shows how to pass ``meta=``.
    TypeError
        If the first argument is not a lazy collection.

    Notes
    -----
    Runs pandas: `explain()` marks the step. Source: crates/raskal-frame/src/nodes/map.rs

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"x": [1, 2, 3]}), npartitions=2)
    >>> df.map_partitions(lambda part: part.cumsum()).compute().x.tolist()
    [1, 2, 5]
    """
    if not args or not isinstance(args[0], FrameCollection):
        raise TypeError("map_partitions needs a lazy dataframe or series behind the function")
    collection, rest = args[0], args[1:]
    if any(isinstance(one, FrameCollection) for one in (*rest, *kwargs.values())):
        raise NotImplementedError(
            "map_partitions of several lazy collections is not supported\n"
            "hint: assign them to one dataframe first, or compute() the smaller one and pass it"
        )
    name = function_name(func)
    trial = {**kwargs, "partition_info": {"number": 0}} if kwargs.get("partition_info", 0) is None else kwargs
    found = meta_by_trial(func, collection._meta, *rest, name=name, **trial) if meta is NO_DEFAULT else make_meta(meta)
    if not isinstance(found, (pd.DataFrame, pd.Series, pd.Index)):
        found = pd.Series([found]).iloc[:0]
    if isinstance(found, pd.Index):
        found = found.to_series(index=pd.RangeIndex(len(found)))
    schema = schema_of(found)
    levels = len(collection._plan.index_names)
    mapper = PartitionMapper(func, collection._meta, levels, schema, rest, kwargs)
    token = tokenize(func, rest, kwargs, str(schema), collection._plan.token)
    names = [None if label is None else str(label) for label in found.index.names]
    plan = collection._plan.map_partitions(mapper, name, token, schema, names, not clear_divisions)
    from raskal.dataframe.frame import DataFrame
    from raskal.dataframe.series import Series

    return DataFrame(plan, found) if isinstance(found, pd.DataFrame) else Series(plan, found)
