"""Tables of another shape: dummies, pivots, melting.

Start at `get_dummies` and `pivot_table`: what their columns are must be known before the data are, by categories.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._emulate import has_known_categories, is_text
from raskal.dataframe.collection import FrameCollection


def get_dummies(
    data: Any,
    prefix: Any = None,
    prefix_sep: str = "_",
    dummy_na: bool = False,
    columns: Any = None,
    sparse: bool = False,
    drop_first: bool = False,
    dtype: Any = bool,
    **kwargs: Any,
) -> Any:
    """A column of truth values for each category, as `pandas.get_dummies`.

    Parameters
    ----------
    data : DataFrame or Series
        Its columns must be categorical, of known categories.
    prefix, prefix_sep, dummy_na, columns, sparse, drop_first, dtype
        As of pandas.

    Returns
    -------
    DataFrame

    Raises
    ------
    NotImplementedError
        If a column is not categorical, or its categories are not known.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> x = dd.from_pandas(pd.Series(["a", "b"], dtype="category"), npartitions=2)
    >>> dd.get_dummies(x).compute().columns.tolist()
    ['a', 'b']
    """
    options = {
        "prefix": prefix, "prefix_sep": prefix_sep, "dummy_na": dummy_na, "columns": columns, "sparse": sparse,
        "drop_first": drop_first, "dtype": dtype,
    }  # fmt: skip
    if isinstance(data, (pd.Series, pd.DataFrame)):
        return pd.get_dummies(data, **options, **kwargs)
    if not isinstance(data, FrameCollection):
        raise TypeError(f"get_dummies got a {type(data).__name__}, expected a dataframe or series")
    meta = data._meta
    hint = "\nhint: use df.categorize() first"
    if isinstance(meta, pd.Series):
        _check_category(meta, "get_dummies of a series")
    else:
        chosen = columns
        if chosen is None:
            texts = [label for label, dtype in meta.dtypes.items() if is_text(dtype)]
            if texts:
                raise NotImplementedError(
                    f"get_dummies with non-categorical dtypes is not supported: columns {texts}{hint}"
                )
            chosen = meta.columns[[isinstance(dtype, pd.CategoricalDtype) for dtype in meta.dtypes]]
        for label in chosen:
            _check_category(meta[label], "get_dummies")
    return blockwise(_dummies, data, **options, **kwargs, name="get_dummies")


def _check_category(series: pd.Series, what: str) -> None:
    if not isinstance(series.dtype, pd.CategoricalDtype):
        raise NotImplementedError(
            f"{what} with non-categorical dtypes is not supported: {series.name!r} is {series.dtype}\n"
            "hint: use df.categorize() first"
        )
    if not has_known_categories(series.dtype):
        raise NotImplementedError(
            f"{what} with unknown categories is not supported: {series.name!r}\nhint: use df.categorize() first"
        )


def _dummies(part: Any, **options: Any) -> pd.DataFrame:
    return pd.get_dummies(part, **options)


def pivot_table(df: Any, index: Any, columns: Any, values: Any, aggfunc: Any = "mean") -> Any:
    """Aggregates of `values` by the values of `index` (rows) and of `columns`, which must be categories that are known.

    Parameters
    ----------
    index, columns : label
    values : label or list of labels
    aggfunc : {"mean", "sum", "count", "first", "last", "min", "max"}

    Returns
    -------
    DataFrame

    Raises
    ------
    ValueError
        If an argument is not a column, `columns` is not categorical, or its categories are not known.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> frame = pd.DataFrame({"k": [1, 1], "c": pd.Categorical(["a", "b"]), "x": [1.0, 2.0]})
    >>> df = dd.from_pandas(frame, npartitions=1)
    >>> dd.pivot_table(df, index="k", columns="c", values="x", aggfunc="sum").compute().loc[1].tolist()
    [1.0, 2.0]
    """
    listed = isinstance(values, (list, tuple, pd.Index))
    if not _is_label(index, df):
        raise ValueError("'index' must be the name of an existing column")
    if not _is_label(columns, df):
        raise ValueError("'columns' must be the name of an existing column")
    if not all(_is_label(one, df) for one in (values if listed else [values])):
        raise ValueError("'values' must refer to an existing column or columns")
    if aggfunc not in ("mean", "sum", "count", "first", "last", "min", "max"):
        raise ValueError("aggfunc must be either 'mean', 'sum', 'count', 'first', 'last', 'min', 'max'")
    dtype = df._meta[columns].dtype
    if not isinstance(dtype, pd.CategoricalDtype):
        raise ValueError("'columns' must be category dtype")
    if not has_known_categories(dtype):
        raise ValueError("'columns' must have known categories\nhint: use df.categorize() first")
    chosen = list(values) if listed else values
    grouped = df.groupby([index, columns], observed=True)[chosen].agg(aggfunc)
    pivot = _Pivot(index, columns, dtype, aggfunc)
    return blockwise(pivot, grouped, divisions=None, same_labels=False, name="pivot_table")


def _is_label(label: Any, df: Any) -> bool:
    return pd.api.types.is_scalar(label) and label in df.columns


class _Pivot:
    """The second level of the index as columns, one per category."""

    def __init__(self, index: Any, columns: Any, dtype: pd.CategoricalDtype, aggfunc: str) -> None:
        self.index = index
        self.columns = columns
        self.dtype = dtype
        self.aggfunc = aggfunc

    def __call__(self, part: Any) -> pd.DataFrame:
        table = part.unstack(self.columns)
        categories = pd.CategoricalIndex(self.dtype.categories, dtype=self.dtype, name=self.columns)
        if isinstance(part, pd.DataFrame):
            values = sorted(part.columns, key=lambda label: (str(type(label)), label))
            labels = pd.MultiIndex.from_product([values, categories], names=[None, self.columns])
        else:
            labels = categories  # type: ignore[assignment]
        table = table.reindex(columns=labels)
        if self.aggfunc not in ("sum", "count"):
            return table
        filled = table.fillna(0)
        if isinstance(part, pd.DataFrame):
            return filled.astype({label: part[label[0]].dtype for label in labels})
        return filled.astype(part.dtype)


def melt(
    frame: Any,
    id_vars: Any = None,
    value_vars: Any = None,
    var_name: Any = None,
    value_name: Any = "value",
    col_level: Any = None,
) -> Any:
    """Columns as rows, as `pandas.melt`, partition by partition.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"a": [1], "b": [2]}), npartitions=1)
    >>> dd.melt(df).compute()["value"].tolist()
    [1, 2]
    """
    return frame.melt(
        id_vars=id_vars, value_vars=value_vars, var_name=var_name, value_name=value_name, col_level=col_level
    )
