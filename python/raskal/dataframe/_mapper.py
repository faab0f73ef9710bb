"""pandas functions as the engine calls them: on tables, in tasks.

`ColumnsMapper` works row for row on whole columns. It is pickled once for a cluster, so it holds nothing but the
function, its arguments and metas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa

from raskal.dataframe._convert import column_to_pandas


class ColumnsMapper:
    """``function(*series, *args, **kwargs)`` for the columns of a table, giving one value per row."""

    def __init__(
        self, function: Callable[..., Any], metas: list[pd.Series], dtype: pa.DataType, args: tuple, kwargs: dict
    ) -> None:
        self.function = function
        self.metas = metas
        self.dtype = dtype
        self.args = args
        self.kwargs = kwargs

    def __call__(self, table: pa.Table, partition: int) -> pa.Table:
        series = [
            pd.Series(column_to_pandas(column, meta.dtype), name=meta.name)
            for column, meta in zip(table.columns, self.metas, strict=True)
        ]
        result = self.function(*series, *self.args, **self.kwargs)
        return pa.table({"0": pa.array(result, type=self.dtype, from_pandas=True)})
