"""Normal forms of pandas' frames, series, indexes and extension arrays.

Imported by `raskal.tokenize` when a pandas object is first seen. Caches that pandas keeps in its objects never count.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype

from raskal._tokenize_code import qualified_name
from raskal.tokenize import normalize_reduced, normalize_token


@normalize_token.register(pd.DataFrame)
def _(frame: pd.DataFrame) -> object:
    columns = [_values(frame.iloc[:, i]) for i in range(frame.shape[1])]
    return qualified_name(type(frame)), frame.index, frame.columns, columns, frame.attrs


@normalize_token.register(pd.Series)
def _(series: pd.Series[Any]) -> object:
    return qualified_name(type(series)), series.name, series.index, _values(series), series.attrs


@normalize_token.register(pd.Index)
def _(index: pd.Index[Any]) -> object:
    return qualified_name(type(index)), index.name, _values(index), getattr(index, "freq", None)


@normalize_token.register(pd.RangeIndex)
def _(index: pd.RangeIndex) -> object:
    return "RangeIndex", index.name, index.start, index.stop, index.step


@normalize_token.register(pd.MultiIndex)
def _(index: pd.MultiIndex) -> object:
    return "MultiIndex", list(index.names), list(index.levels), list(index.codes)


def _values(data: Any) -> object:
    """The values as a NumPy array where that is what they are, else as pandas' own array."""
    dtype = data.dtype
    return data.array if isinstance(dtype, ExtensionDtype) else data.to_numpy()


@normalize_token.register(pd.Categorical)
def _(array: pd.Categorical) -> object:
    return "Categorical", array.dtype, array.codes


@normalize_token.register(ExtensionArray)
def _(array: ExtensionArray) -> object:
    arrow = getattr(array, "_pa_array", None)
    if arrow is not None:
        # how a concatenation cut it is no content, and is lost when it is pickled
        return qualified_name(type(array)), array.dtype, arrow.combine_chunks()
    data, mask = getattr(array, "_data", None), getattr(array, "_mask", None)
    if data is not None and mask is not None:
        data = data.copy()
        data[mask] = data.dtype.type()  # what lies under the mask is no content
        return qualified_name(type(array)), array.dtype, data, mask
    asi8 = getattr(array, "asi8", None)
    if asi8 is not None:
        return qualified_name(type(array)), array.dtype, asi8
    return normalize_reduced(array)


@normalize_token.register(pd.CategoricalDtype)
def _(dtype: pd.CategoricalDtype) -> object:
    return "CategoricalDtype", dtype.categories, dtype.ordered


@normalize_token.register(ExtensionDtype)
def _(dtype: ExtensionDtype) -> object:
    storage = getattr(dtype, "storage", None), repr(getattr(dtype, "na_value", None))
    return qualified_name(type(dtype)), str(dtype), storage
