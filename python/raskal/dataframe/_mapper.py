"""pandas functions as the engine calls them: on tables, in tasks.

`ColumnsMapper` works row for row on whole columns, `PartitionMapper` on partitions. Both are pickled once for a
cluster, so they hold nothing but the function, its arguments and metas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa

from raskal.dataframe._convert import column_to_pandas, to_pandas, to_table


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


class PartitionMapper:
    """``function(part, *args, **kwargs)`` for a partition like `meta`, giving a part of this schema."""

    def __init__(
        self, function: Callable[..., Any], meta: Any, levels: int, schema: pa.Schema, args: tuple, kwargs: dict
    ) -> None:
        self.function = function
        self.meta = meta
        self.levels = levels
        self.schema = schema
        self.args = args
        self.kwargs = kwargs

    def __call__(self, table: pa.Table, partition: int) -> pa.Table:
        part = to_pandas([table], self.meta, self.levels)
        kwargs = self.kwargs
        if kwargs.get("partition_info", 0) is None:
            kwargs = {**kwargs, "partition_info": {"number": partition}}
        result = self.function(part, *self.args, **kwargs)
        if not isinstance(result, (pd.DataFrame, pd.Series, pd.Index)):
            result = pd.Series([result])
        return to_table(result, self.schema)
