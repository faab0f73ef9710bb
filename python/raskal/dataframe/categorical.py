"""Categorical columns, whose categories may be known only by the data.

Start at `CategoricalAccessor`; `categorize` makes unknown categories known.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandas.api.types import union_categoricals

from raskal.dataframe import _methods
from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._emulate import clear_categories, has_known_categories, is_text
from raskal.dataframe._methods import MethodCall
from raskal.dataframe._tasks import itself


class CategoricalAccessor:
    """pandas' methods on categories."""

    def __init__(self, series: Any) -> None:
        self._series = series

    @property
    def known(self) -> bool:
        """Whether the categories are known without computing."""
        return has_known_categories(self._series.dtype)

    @property
    def ordered(self) -> Any:
        """Whether the categories have an order."""
        return self._series._meta.cat.ordered

    @property
    def categories(self) -> Any:
        """The categories.

        Raises
        ------
        NotImplementedError
            If they are not known.
        """
        if not self.known:
            raise NotImplementedError(
                "`df.column.cat.categories` with unknown categories is not supported\n"
                "hint: call `column.cat.as_known()` or `df.categorize()` first"
            )
        return self._series._meta.cat.categories

    @property
    def codes(self) -> Any:
        """The number of each value's category.

        Raises
        ------
        NotImplementedError
            If the categories are not known: every partition has numbers of its own.
        """
        if not self.known:
            raise NotImplementedError(
                "`df.column.cat.codes` with unknown categories is not supported\n"
                "hint: call `column.cat.as_known()` or `df.categorize()` first"
            )
        return blockwise(MethodCall("codes", "cat", called=False), self._series, name="cat.codes")

    def as_known(self, **kwargs: Any) -> Any:
        """With categories that are known: computes them if they are not."""
        if self.known:
            return self._series
        categories = _categories_of(self._series).compute(**kwargs)
        return self.set_categories(categories)  # type: ignore[attr-defined]

    def as_unknown(self) -> Any:
        """With categories that are taken to be unknown."""
        if not self.known:
            return self._series
        return blockwise(itself, self._series, meta=clear_categories(self._series._meta), name="as_unknown")

    def remove_unused_categories(self) -> Any:
        """Without categories that no value has: computes which ones.

        Raises
        ------
        NotImplementedError
            If the categories are not known.
        """
        if not self.known:
            raise NotImplementedError("remove_unused_categories needs known categories\nhint: use cat.as_known() first")
        present = self._series.drop_duplicates().compute()
        used = present.cat.remove_unused_categories().cat.categories
        kept = [one for one in self._series._meta.cat.categories if one in used]
        return self.set_categories(kept)  # type: ignore[attr-defined]


class IndexCategories:
    """What is known of the categories of an index."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @property
    def known(self) -> bool:
        """Whether the categories are known without computing."""
        return has_known_categories(self._index._meta.dtype)

    @property
    def ordered(self) -> bool:
        """Whether the categories have an order."""
        return bool(self._index._meta.ordered)

    @property
    def categories(self) -> Any:
        """The categories.

        Raises
        ------
        NotImplementedError
            If they are not known.
        """
        if not self.known:
            raise NotImplementedError("the index's categories are not known\nhint: df.categorize(index=True)")
        return self._index._meta.categories


def _categories_of(series: Any) -> Any:
    from raskal.dataframe.tree import tree

    return tree(series, _own, _union, meta=pd.Index([]), name="categories")


def _own(part: Any) -> pd.Index:
    return part.cat.categories if isinstance(part, pd.Series) else part.categories


def _union(parts: list[pd.Index]) -> pd.Index:
    filled = [part for part in parts if len(part)] or parts[:1]
    union = union_categoricals([pd.Categorical(part, categories=part) for part in filled])
    try:
        return union.categories.sort_values()
    except TypeError:
        return union.categories


def categorize(df: Any, columns: Any = None, index: bool | None = None, split_every: Any = None, **kwargs: Any) -> Any:
    """With columns as categories that are known: computes them.

    Parameters
    ----------
    columns : list of labels, optional
        By default those of text, objects, and categories that are not known.
    index : bool, optional
        Whether the index becomes categorical, too; by default if its categories are not known, and if it holds text
        or objects and no columns are named.

    Returns
    -------
    DataFrame
    """
    meta = df._meta
    whole = columns is None
    if columns is None:
        columns = [label for label, dtype in meta.dtypes.items() if is_text(dtype) or not has_known_categories(dtype)]
    elif isinstance(columns, str):
        columns = [columns]
    columns = [
        label
        for label in columns
        if not (isinstance(meta[label].dtype, pd.CategoricalDtype) and has_known_categories(meta[label].dtype))
    ]
    if index is None:
        unknown = isinstance(meta.index, pd.CategoricalIndex) and not has_known_categories(meta.index.dtype)
        index = unknown or (whole and is_text(meta.index.dtype))
    if not columns and not index:
        return df
    from raskal.base import compute

    lazy = [_categories_of(df[label].astype("category")) for label in columns]
    if index:
        labels = df.index if isinstance(meta.index, pd.CategoricalIndex) else blockwise(_as_categories, df.index)
        lazy.append(_categories_of(labels))
    found = compute(*lazy)
    chosen = dict(zip(columns, found, strict=False))
    return blockwise(_Categorized(chosen, found[-1] if index else None), df, name="categorize")


def _as_categories(part: pd.Index) -> pd.Index:
    return part.astype("category")


class _Categorized:
    def __init__(self, columns: dict[Any, pd.Index], index: Any) -> None:
        self.columns = columns
        self.index = index

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        part = part.copy(deep=False)
        for label, categories in self.columns.items():
            ordered = getattr(part[label].dtype, "ordered", False)
            part[label] = pd.Categorical(part[label], categories=categories, ordered=ordered)
        if self.index is not None:
            part.index = pd.CategoricalIndex(part.index, categories=self.index, name=part.index.name)
        return part


for _name in _methods.CAT_METHODS:
    setattr(CategoricalAccessor, _name, _methods.series_method(_name, "cat"))
