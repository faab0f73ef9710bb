"""Putting pandas objects together, with the dtypes that their whole would have.

Start at `concat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from pandas.api.types import union_categoricals


def concat(parts: Sequence[Any], meta: Any = None, **kwargs: Any) -> Any:
    """Parts of one pandas object, one after the other.

    Parts without rows are left out, so that their dtypes don't spoil the others'. Categorical columns keep being so,
    with the categories of all parts.
    """
    parts = list(parts)
    if not parts:
        return meta
    filled = [part for part in parts if len(part)] or parts[:1]
    if len(filled) == 1:
        return filled[0]
    if isinstance(filled[0], pd.Index):
        if isinstance(filled[0], pd.MultiIndex) or all(isinstance(part.dtype, pd.CategoricalDtype) for part in filled):
            return _series([part.to_series() for part in filled], {}).index if _multi(filled) else _categories(filled)
        return filled[0].append(filled[1:])
    if isinstance(filled[0], pd.DataFrame):
        return _frames(filled, kwargs)
    if isinstance(filled[0], pd.Series):
        return _series(filled, kwargs)
    return pd.concat([pd.Series([part]) for part in filled], ignore_index=True)


def _multi(parts: Sequence[Any]) -> bool:
    return isinstance(parts[0], pd.MultiIndex)


def _categories(parts: Sequence[Any]) -> pd.Index:
    return pd.CategoricalIndex(union_categoricals(parts), name=parts[0].name)  # type: ignore[call-overload]


def _differing(columns: Sequence[pd.Series]) -> bool:
    """Whether all are categorical, with other categories."""
    dtypes = [column.dtype for column in columns]
    return all(isinstance(dtype, pd.CategoricalDtype) for dtype in dtypes) and any(
        dtype != dtypes[0] for dtype in dtypes[1:]
    )


def _union(columns: Sequence[pd.Series]) -> list[pd.Series]:
    """The same columns with the categories of all."""
    union = union_categoricals([column.array for column in columns], ignore_order=True)
    dtype = pd.CategoricalDtype(union.categories, ordered=all(column.dtype.ordered for column in columns))  # type: ignore[union-attr]
    return [column.astype(dtype) for column in columns]


def _indexes(parts: list[Any]) -> list[Any]:
    indexes = [part.index for part in parts]
    if all(isinstance(index, pd.CategoricalIndex) for index in indexes) and any(
        index.dtype != indexes[0].dtype for index in indexes[1:]
    ):
        joined = _union([index.to_series() for index in indexes])
        return [part.set_axis(pd.CategoricalIndex(one), axis=0) for part, one in zip(parts, joined, strict=True)]
    return parts


def _frames(parts: list[pd.DataFrame], kwargs: dict[str, Any]) -> pd.DataFrame:
    parts = _indexes(parts)
    first = parts[0].columns
    if first.is_unique and all(part.columns.equals(first) for part in parts[1:]):
        for label, dtype in zip(first, parts[0].dtypes, strict=True):
            if isinstance(dtype, pd.CategoricalDtype):
                columns = [part[label] for part in parts]
                if _differing(columns):
                    parts = [
                        part.assign(**{label: column}) if isinstance(label, str) else _with(part, label, column)
                        for part, column in zip(parts, _union(columns), strict=True)
                    ]
    return pd.concat(parts, **kwargs)


def _with(part: pd.DataFrame, label: Any, column: pd.Series) -> pd.DataFrame:
    part = part.copy(deep=False)
    part[label] = column
    return part


def _series(parts: list[pd.Series], kwargs: dict[str, Any]) -> pd.Series:
    parts = _indexes(parts)
    return pd.concat(_union(parts) if _differing(parts) else parts, **kwargs)
