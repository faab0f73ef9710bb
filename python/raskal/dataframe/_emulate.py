"""What a function gives, found by calling it on empty data.

Start at `meta_by_trial`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

NO_DEFAULT: Any = type(
    "NoDefault", (), {"__repr__": lambda self: "<inferred>", "__reduce__": lambda self: "NO_DEFAULT"}
)()


def make_meta(meta: Any) -> Any:
    """An empty pandas object of a description: a pandas object, a ``(name, dtype)`` pair, or a mapping of columns.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(meta, (pd.DataFrame, pd.Series)):
        return meta.iloc[:0]
    if isinstance(meta, pd.Index):
        return meta[:0]
    if isinstance(meta, dict):
        return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in meta.items()})
    if isinstance(meta, tuple) and len(meta) == 2 and not isinstance(meta[0], tuple):
        return pd.Series([], dtype=meta[1], name=meta[0])
    if isinstance(meta, (list, tuple)) and all(isinstance(part, tuple) and len(part) == 2 for part in meta):
        return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in meta})
    if isinstance(meta, (str, type)) or hasattr(meta, "kind"):
        return pd.Series([], dtype=meta)
    raise TypeError(
        f"meta={meta!r} describes no pandas object\n"
        "hint: pass a pandas object, a (name, dtype) pair, or a dict of column names and dtypes"
    )


def meta_by_trial(function: Callable[..., Any], *args: Any, name: str, **kwargs: Any) -> Any:
    """What `function` gives for empty data.

    Raises
    ------
    ValueError
        If it fails on them; the message shows how to pass ``meta=``.
    """
    try:
        return function(*args, **kwargs)
    except Exception as error:
        raise ValueError(
            f"cannot find what {name} gives: on empty data it raised {type(error).__name__}: {error}\n"
            "hint: pass meta=, an empty pandas object like the result, for example\n"
            "  meta=df._meta                          the same columns as before\n"
            "  meta={'x': 'float64', 'name': 'str'}   a dataframe of these columns\n"
            "  meta=('x', 'float64')                  a series"
        ) from error


def function_name(function: Any) -> str:
    """A function's name for messages and plans."""
    name = getattr(function, "__name__", None) or type(function).__name__
    return name.removeprefix("<").removesuffix(">")
