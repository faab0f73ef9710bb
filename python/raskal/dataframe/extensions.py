"""Accessors and extension dtypes of one's own on lazy collections.

Start at `register_series_accessor` and `make_array_nonempty`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raskal.dataframe._emulate import make_array_nonempty, make_scalar
from raskal.dataframe.frame import DataFrame
from raskal.dataframe.series import Index, Series

__all__ = [
    "make_array_nonempty",
    "make_scalar",
    "register_dataframe_accessor",
    "register_index_accessor",
    "register_series_accessor",
]


class _Accessor:
    """Makes the accessor of a collection when it is asked for."""

    def __init__(self, kind: Callable[[Any], Any]) -> None:
        self.kind = kind

    def __get__(self, collection: Any, owner: type) -> Any:
        return self.kind if collection is None else self.kind(collection)


def _register(cls: type, name: str) -> Callable[[Any], Any]:
    def decorate(kind: Any) -> Any:
        if name in cls.__dict__ and not isinstance(cls.__dict__[name], _Accessor):
            raise ValueError(f"{cls.__name__}.{name} exists already\nhint: choose another name for the accessor")
        setattr(cls, name, _Accessor(kind))
        return kind

    return decorate


def register_dataframe_accessor(name: str) -> Callable[[Any], Any]:
    """Decorate a class that becomes ``df.name``; it is called with the lazy dataframe.

    Raises
    ------
    ValueError
        If dataframes have something of this name.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> from raskal.dataframe.extensions import register_dataframe_accessor
    >>> @register_dataframe_accessor("twice")
    ... class Twice:
    ...     def __init__(self, df):
    ...         self.df = df
    ...     def column(self, label):
    ...         return self.df[label] * 2
    >>> dd.from_pandas(pd.DataFrame({"x": [1, 2]}), npartitions=2).twice.column("x").compute().tolist()
    [2, 4]
    """
    return _register(DataFrame, name)


def register_series_accessor(name: str) -> Callable[[Any], Any]:
    """Decorate a class that becomes ``series.name``. See `register_dataframe_accessor`."""
    return _register(Series, name)


def register_index_accessor(name: str) -> Callable[[Any], Any]:
    """Decorate a class that becomes ``index.name``. See `register_dataframe_accessor`."""
    return _register(Index, name)
