"""Columns as numbers, dates and time differences.

Start at `to_numeric`, `to_datetime`, `to_timedelta`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._emulate import NO_DEFAULT
from raskal.dataframe._methods import rowwise
from raskal.dataframe.collection import FrameCollection


def to_numeric(arg: Any, errors: str = "raise", downcast: Any = None, meta: Any = None) -> Any:
    """Values as numbers, as `pandas.to_numeric`.

    Parameters
    ----------
    arg : Series, or what pandas takes
    errors : {"raise", "coerce"}
    downcast : str, optional
    meta : pandas object, optional

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> dd.to_numeric(dd.from_pandas(pd.Series(["1", "2"]), npartitions=1)).compute().sum()
    np.int64(3)
    """
    if errors not in ("raise", "coerce"):
        raise ValueError("invalid error value specified: errors must be 'raise' or 'coerce'")
    if not isinstance(arg, FrameCollection):
        if hasattr(arg, "chunks") and hasattr(arg, "map_blocks"):
            dtype = pd.to_numeric(np.array(["1"])).dtype if meta is None else meta.dtype
            return arg.map_blocks(_array_to_numeric, errors, downcast, dtype=dtype)
        if hasattr(type(arg), "__raskal_lower__"):
            raise TypeError("arg must be a list, tuple, array, or series")
        if pd.api.types.is_scalar(arg):
            from raskal.delayed import delayed

            return delayed(pd.to_numeric)(arg, errors=errors, downcast=downcast)
        return pd.to_numeric(arg, errors=errors, downcast=downcast)  # type: ignore[call-overload]
    if arg._meta_ndim == 2:
        raise TypeError("arg must be a list, tuple, array, or series\nhint: to_numeric takes one column")
    given = meta
    if given is None:
        given = pd.to_numeric(pd.Series(["1", "1.5"] if errors == "coerce" else ["1"]), downcast=downcast)
        series = arg._meta
        numbers = pd.api.types.is_numeric_dtype(series.dtype)
        given = pd.to_numeric(series, downcast=downcast) if numbers else given.iloc[:0].rename(series.name)
    return rowwise(_to_numeric, arg, errors, downcast, meta=given, name="to_numeric")


def _array_to_numeric(block: np.ndarray, errors: Any, downcast: Any) -> np.ndarray:
    return np.asarray(pd.to_numeric(block, errors=errors, downcast=downcast))


def _to_numeric(part: pd.Series, errors: Any, downcast: Any) -> pd.Series:
    return pd.to_numeric(part, errors=errors, downcast=downcast)


def to_datetime(arg: Any, meta: Any = None, **kwargs: Any) -> Any:
    """Values as dates and times, as `pandas.to_datetime`.

    Parameters
    ----------
    arg : Series, DataFrame of years, months and days, or what pandas takes
    meta : pandas object, optional
    **kwargs
        As of pandas: ``errors``, ``format``, ``utc``, ``unit``...

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> dd.to_datetime(dd.from_pandas(pd.Series(["2024-02-29"]), npartitions=1)).dt.year.compute().tolist()
    [2024]
    """
    kwargs.pop("infer_datetime_format", None)
    if not isinstance(arg, FrameCollection):
        return pd.to_datetime(arg, **kwargs)
    if meta is None:
        if isinstance(arg._meta, pd.DataFrame):
            meta = pd.to_datetime(pd.DataFrame({"year": [2000], "month": [1], "day": [1]}), **kwargs).iloc[:0]
            meta = meta.set_axis(arg._meta.index[:0])
        elif pd.api.types.is_numeric_dtype(arg._meta.dtype) or pd.api.types.is_datetime64_any_dtype(arg._meta.dtype):
            meta = NO_DEFAULT
        else:
            options = {key: one for key, one in kwargs.items() if key not in ("format", "exact", "origin")}
            meta = pd.to_datetime(pd.Series(["2000-01-01"], name=getattr(arg._meta, "name", None)), **options).iloc[:0]
            if isinstance(arg._meta, pd.Index):
                meta = pd.DatetimeIndex(meta, name=arg._meta.name)
            else:
                meta = meta.set_axis(arg._meta.index[:0])
    if isinstance(arg._meta, pd.Series):
        return rowwise(_to_datetime, arg, meta=meta, name="to_datetime", **kwargs)
    return blockwise(_to_datetime, arg, meta=meta, name="to_datetime", **kwargs)


def _to_datetime(part: Any, **kwargs: Any) -> Any:
    return pd.to_datetime(part, **kwargs)


def to_timedelta(arg: Any, unit: Any = None, errors: str = "raise") -> Any:
    """Values as time differences, as `pandas.to_timedelta`.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> dd.to_timedelta(dd.from_pandas(pd.Series([1, 2]), npartitions=1), unit="s").sum().compute()
    Timedelta('0 days 00:00:03')
    """
    if not isinstance(arg, FrameCollection):
        return pd.to_timedelta(arg, unit=unit, errors=errors)  # type: ignore[call-overload]
    if pd.api.types.is_numeric_dtype(arg._meta.dtype):
        return rowwise(_to_timedelta, arg, unit, errors, name="to_timedelta")
    meta = pd.to_timedelta(pd.Series(["1s"], name=arg._meta.name), errors=errors).iloc[:0]  # type: ignore[call-overload]
    return rowwise(_to_timedelta, arg, unit, errors, meta=meta.set_axis(arg._meta.index[:0]), name="to_timedelta")


def _to_timedelta(part: pd.Series, unit: Any, errors: Any) -> pd.Series:
    return pd.to_timedelta(part, unit=unit, errors=errors)


def isna(arg: Any) -> Any:
    """Whether values are missing.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> dd.isna(dd.from_pandas(pd.Series([1.0, None]), npartitions=1)).compute().tolist()
    [False, True]
    """
    return arg.isna() if hasattr(arg, "_meta") else pd.isna(arg)
