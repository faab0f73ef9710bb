"""Reductions of series and dataframes, from one table.

Start at `REDUCTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal._raskal import Frame, ProgramBuilder
from raskal.base import Collection
from raskal.dataframe._convert import column_to_pandas, plan_names
from raskal.dataframe.scalar import Scalar

# Name, and what a reduction gives of no values at all.
REDUCTIONS = {
    "sum": 0,
    "mean": np.nan,
    "min": np.nan,
    "max": np.nan,
    "count": 0,
    "std": np.nan,
    "var": np.nan,
    "median": np.nan,
    "nunique": 0,
    "any": False,
    "all": True,
}


def engine_name(name: str, ddof: int) -> str:
    """The engine's name of a reduction.

    Raises
    ------
    ValueError
        If `ddof` is neither 0 nor 1.
    """
    if name not in ("std", "var") or ddof == 1:
        return name
    if ddof == 0:
        return f"{name}0"
    raise ValueError(f"{name}(ddof={ddof}) is not supported\nhint: use ddof=0 or ddof=1")


class ReducedFrame(Collection):
    """A dataframe reduced along its rows: a pandas series with one value per column."""

    def __init__(self, plan: Frame, labels: pd.Index, missing: Any) -> None:
        self._plan = plan
        self._labels = labels
        self._missing = missing

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        return self._plan.lower(builder)

    def __raskal_finalize__(self, results: list[Any]) -> pd.Series:
        values = [
            self._missing if column.null_count else column_to_pandas(column, column.to_pandas().dtype)[0]
            for column in results[0].columns
        ]
        return pd.Series(values, index=self._labels)

    def __raskal_tokenize__(self) -> Any:
        return ("ReducedFrame", self._plan.token)

    def explain(self) -> str:
        """The plan as text, as of `DataFrame.explain`."""
        return self._plan.explain()

    def __repr__(self) -> str:
        return f"<raskal Series of {len(self._labels)} reduced columns>"


def series_reduction(name: str) -> Callable[..., Scalar]:
    """The method of `Series` for a reduction."""

    def method(self: Any, *, ddof: int = 1, skipna: bool = True, numeric_only: bool = False, **kwargs: Any) -> Scalar:
        _check(name, skipna, kwargs)
        (column,) = self._plan.names
        plan = self._plan.reduce([(column, engine_name(name, ddof), name)])
        dtype = (
            self._meta.dtype if name in ("min", "max") or (name == "sum" and self._meta.dtype == "float32") else None
        )
        return Scalar(plan, REDUCTIONS[name], dtype)

    _document(method, name)
    return method


def frame_reduction(name: str) -> Callable[..., ReducedFrame]:
    """The method of `DataFrame` for a reduction."""

    def method(
        self: Any, axis: Any = 0, *, ddof: int = 1, skipna: bool = True, numeric_only: bool = False, **kwargs: Any
    ) -> ReducedFrame:
        if axis not in (0, "index", None):
            raise NotImplementedError(
                f"{name}(axis={axis!r}) is not supported\n"
                f"hint: df.map_partitions(lambda part: part.{name}(axis=1)) works row for row"
            )
        _check(name, skipna, kwargs)
        meta = self._meta.select_dtypes(["number", "bool"]) if numeric_only else self._meta
        labels = plan_names(meta.columns)
        plan = self._plan.reduce([(label, engine_name(name, ddof), label) for label in labels])
        return ReducedFrame(plan, meta.columns, REDUCTIONS[name])

    _document(method, name)
    return method


def _check(name: str, skipna: bool, kwargs: dict[str, Any]) -> None:
    if not skipna:
        raise NotImplementedError(f"{name}(skipna=False) is not supported\nhint: missing values are always skipped")
    unknown = set(kwargs) - {"split_every", "min_count", "dropna"}
    if unknown or kwargs.get("min_count"):
        raise TypeError(f"{name}() does not support {sorted(unknown) or 'min_count'}")


def _document(method: Any, name: str) -> None:
    method.__name__ = name
    method.__doc__ = f"As pandas' `{name}`, lazily; missing values are skipped. Native."
