"""pandas functions on whole partitions.

Start at `map_partitions`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._blockwise import _trial, blockwise
from raskal.dataframe._emulate import NO_DEFAULT, emptied, function_name, infer, make_meta
from raskal.dataframe._tasks import Each
from raskal.dataframe.collection import FrameCollection


def map_partitions(
    func: Callable[..., Any],
    *args: Any,
    meta: Any = NO_DEFAULT,
    enforce_metadata: bool = True,
    transform_divisions: bool = True,
    clear_divisions: bool = False,
    align_dataframes: bool = True,
    token: Any = None,
    parent_meta: Any = None,
    required_columns: Any = None,
    **kwargs: Any,
) -> Any:
    """Call a pandas function on every partition.

    Parameters
    ----------
    func : callable
        Gets partitions as pandas objects in place of lazy collections. With a keyword ``partition_info`` it is told
        the partition's number and division.
    *args, **kwargs
        Its arguments; at least one lazy collection among them.
    meta : pandas object, dict, or tuple, optional
        What the function gives, empty: by default it is called on a sample of two rows to find out.
    enforce_metadata : bool
        Whether columns unlike those of `meta` are refused.
    transform_divisions : bool
        Accepted for Dask's sake.
    clear_divisions : bool
        Whether the function changes the index.
    parent_meta, required_columns : object, optional
        Accepted for Dask's sake.
    align_dataframes : bool
        Whether collections of other divisions are aligned first; else they need as many partitions, or one.

    Returns
    -------
    DataFrame, Series or Index

    Raises
    ------
    ValueError
        If the function fails on the sample; the message shows how to pass ``meta=``. If collections can't be aligned.
    TypeError
        If no argument is a lazy collection.

    Notes
    -----
    Runs pandas: `explain()` marks the step. Source: python/raskal/dataframe/_blockwise.py

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"x": [1, 2, 3]}), npartitions=2)
    >>> df.map_partitions(lambda part: part.cumsum()).compute().x.tolist()
    [1, 2, 5]
    """
    if not callable(func):
        raise TypeError(f"map_partitions got {func!r}, expected a function")
    name = token if isinstance(token, str) else function_name(func)
    lead = next((one for one in (*args, *kwargs.values()) if isinstance(one, FrameCollection)), None)
    if lead is None:
        raise TypeError("map_partitions needs a lazy dataframe or series behind the function")
    if _wants_info(func) or kwargs.get("partition_info", 0) is None:
        divisions = lead.divisions
        kwargs["partition_info"] = Each(
            [{"number": number, "division": divisions[number]} for number in range(lead.npartitions)]
        )
    if meta is NO_DEFAULT or meta is None:
        trial = {key: _trial(one) for key, one in kwargs.items()}
        meta = emptied(infer(func, [_trial(one) for one in args], trial, name))
    else:
        meta = make_meta(meta, getattr(lead._meta, "index", None))
    if not isinstance(meta, (pd.DataFrame, pd.Series, pd.Index)):
        meta = pd.Series([meta]).iloc[:0]
    if enforce_metadata:
        func = _Enforced(func, meta)
    known = None if clear_divisions else "same"
    return blockwise(func, *args, meta=meta, name=name, divisions=known, align=align_dataframes, **kwargs)


def _wants_info(func: Callable[..., Any]) -> bool:
    try:
        return "partition_info" in inspect.signature(func).parameters
    except (TypeError, ValueError):
        return False


class _Enforced:
    """A function whose results must look like `meta`."""

    def __init__(self, function: Callable[..., Any], meta: Any) -> None:
        self.function = function
        self.meta = meta
        self.__name__ = function_name(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result, meta = self.function(*args, **kwargs), self.meta
        if isinstance(meta, pd.DataFrame) and isinstance(result, pd.DataFrame):
            if len(result) == 0 and len(result.columns) == 0:
                return meta
            if len(result.columns) != len(meta.columns) or not (
                result.columns.equals(meta.columns) or list(result.columns) == list(meta.columns)
            ):
                raise ValueError(
                    f"the function gave the columns {list(result.columns)}, its meta has {list(meta.columns)}\n"
                    "hint: pass meta= with the columns that the function gives"
                )
            return result
        if isinstance(meta, pd.Series) and isinstance(result, pd.Series):
            return result if result.name == meta.name else result.rename(meta.name)  # type: ignore[call-overload]
        if isinstance(result, (pd.DataFrame, pd.Series, pd.Index)):
            if isinstance(meta, pd.Series) and isinstance(result, pd.Index):
                return result.to_series(index=pd.RangeIndex(len(result)), name=meta.name)
            if type(result) is not type(meta) and not (isinstance(meta, pd.Index) and isinstance(result, pd.Index)):
                raise ValueError(
                    f"the function gave a {type(result).__name__}, its meta is a {type(meta).__name__}\n"
                    "hint: pass meta= like what the function gives"
                )
            return result
        if isinstance(meta, pd.DataFrame) and not isinstance(result, np.ndarray):
            raise ValueError(
                f"the function gave a {type(result).__name__}, its meta is a DataFrame\n"
                "hint: pass meta= like what the function gives"
            )
        return result if isinstance(result, np.ndarray) else pd.Series([result], name=getattr(meta, "name", None))
