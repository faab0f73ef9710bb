"""Between Arrow tables, as the engine gives and takes them, and pandas objects that look like a given meta.

Start at `to_pandas` and `to_table`. A meta is an empty pandas object: its labels, dtypes and index are what results
get. Index levels are columns called ``__index_0__`` and so on, in front of the others.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from raskal.system import CPU_COUNT

# From so many rows on, a column takes longer to convert than a thread to start.
LARGE_ROWS = 200_000


def index_name(level: int) -> str:
    """The column that holds an index level."""
    return f"__index_{level}__"


def plan_names(labels: Any) -> list[str]:
    """The names that columns have in plans: their labels as text.

    Raises
    ------
    ValueError
        If two columns have the same.
    """
    names = [label if isinstance(label, str) else str(label) for label in labels]
    if len(set(names)) != len(names):
        double = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"columns {double} appear more than once\nhint: rename them so that each name is unique")
    return names


def column_to_pandas(column: pa.ChunkedArray, dtype: Any) -> Any:
    """A column as pandas values of about this dtype: whole numbers with gaps become floats, as pandas would have it."""
    if pa.types.is_string_view(column.type) or pa.types.is_string(column.type):
        column = column.cast(pa.large_string())
    if pa.types.is_dictionary(column.type) and column.num_chunks:
        column = _once_each(column)
    if isinstance(dtype, pd.CategoricalDtype) and (dtype.categories is None or len(dtype.categories) == 0):
        return column.to_pandas().astype("category").array  # categories that only the data tell
    if isinstance(dtype, pd.api.extensions.ExtensionDtype) and hasattr(dtype, "__from_arrow__"):
        try:
            return dtype.__from_arrow__(column)
        except (TypeError, ValueError, NotImplementedError, pa.ArrowException):
            pass  # a dtype that does not read this Arrow type: cast below
    series = column.to_pandas()
    if pa.types.is_boolean(column.type) and column.null_count:
        return series.fillna(np.nan).array  # truth values with gaps: objects, as pandas has them
    if series.dtype == dtype or (column.null_count and not _holds_gaps(dtype)):
        return series.array
    return series.astype(dtype).array


def _once_each(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of categories of which each is there once: steps that put rows of several partitions together may leave
    them several times.
    """
    if all(len(chunk.dictionary) == len(chunk.dictionary.unique()) for chunk in column.chunks):
        return column
    whole = column.cast(column.type.value_type).dictionary_encode()
    return whole.cast(pa.dictionary(whole.type.index_type, whole.type.value_type, column.type.ordered))


def _holds_gaps(dtype: Any) -> bool:
    kind = getattr(dtype, "kind", "O")
    return not (isinstance(dtype, np.dtype) and kind in "iub")


def _index(table: pa.Table, meta: pd.Index, levels: int) -> pd.Index:
    """The index in the first columns of a table; the rows' numbers if there is none."""
    if levels == 0:
        return pd.RangeIndex(table.num_rows, name=meta.name)
    if isinstance(meta, pd.MultiIndex):
        arrays = [column_to_pandas(table.column(level), meta.levels[level].dtype) for level in range(levels)]
        return pd.MultiIndex.from_arrays(arrays, names=meta.names)
    values = column_to_pandas(table.column(0), meta.dtype)
    if isinstance(meta, pd.RangeIndex):
        numbers = np.asarray(values)
        if len(numbers) == 0 or (numbers[-1] - numbers[0] == len(numbers) - 1 and (np.diff(numbers) == 1).all()):
            start = int(numbers[0]) if len(numbers) else 0
            return pd.RangeIndex(start, start + len(numbers), name=meta.name)
    return pd.Index(values, name=meta.name)


def to_pandas(tables: list[pa.Table], meta: Any, levels: int) -> Any:
    """Tables, one after the other, as a pandas object like `meta` whose index is the first `levels` columns."""
    table = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")
    index = _index(table, meta if isinstance(meta, pd.Index) else meta.index, levels)
    if isinstance(meta, pd.Index):
        return index
    if isinstance(meta, pd.Series):
        return pd.Series(column_to_pandas(table.column(levels), meta.dtype), index=index, name=meta.name, copy=False)
    frame = pd.DataFrame(dict(enumerate(_columns(table, meta, levels))), index=index, copy=False)
    frame.columns = meta.columns
    return frame


def _columns(table: pa.Table, meta: pd.DataFrame, levels: int) -> list[Any]:
    """The columns behind the index; those of a large table side by side, since Arrow converts without the GIL."""
    columns, dtypes = table.columns[levels:], list(meta.dtypes)
    if len(columns) < 2 or table.num_rows < LARGE_ROWS or CPU_COUNT < 2:
        return [column_to_pandas(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)]
    with ThreadPoolExecutor(min(len(columns), CPU_COUNT)) as threads:
        return list(threads.map(column_to_pandas, columns, dtypes))


def _array(values: Any, name: Any, dtype: pa.DataType | None) -> Any:
    try:
        return pa.array(values, type=dtype, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        wanted = f" as {dtype}" if dtype is not None else ""
        raise TypeError(
            f"column {name!r} can't be held{wanted}: {error}\n"
            "hint: convert it to str, numbers or dates, or pass meta= with the dtypes that the function gives"
        ) from error


def columns_of(data: Any) -> list[tuple[str, Any, Any]]:
    """Plan name, label and values of each index level and column of a pandas object."""
    index = data if isinstance(data, pd.Index) else data.index
    parts = [(index_name(level), index.names[level], index.get_level_values(level)) for level in range(index.nlevels)]
    if isinstance(data, pd.Series):
        label = data.name
        parts.append((series_name(label), label, data))
    elif isinstance(data, pd.DataFrame):
        names = plan_names(data.columns)
        parts.extend((name, data.columns[place], data.iloc[:, place]) for place, name in enumerate(names))
    return parts


def series_name(label: Any) -> str:
    """The plan name of a series' only column."""
    return "0" if label is None else str(label)


def to_table(data: Any) -> pa.Table:
    """A pandas object as a table: index levels first, then the columns.

    Raises
    ------
    TypeError
        If a column holds what Arrow can't.
    """
    parts = columns_of(data)
    return pa.Table.from_arrays(
        [_array(values, label, None) for _, label, values in parts], names=[name for name, _, _ in parts]
    )


def schema_of(meta: Any) -> pa.Schema:
    """The Arrow schema of results that look like `meta`; columns of objects are taken for text."""
    fields = []
    for name, label, values in columns_of(meta):
        dtype = _array(values[:0], label, None).type
        fields.append(pa.field(name, pa.large_string() if pa.types.is_null(dtype) else dtype))
    return pa.schema(fields)


def meta_of(schema: pa.Schema, dtypes: dict[str, Any] | None = None, levels: int = 1) -> pd.DataFrame:
    """An empty dataframe for tables of this schema; `dtypes` overrides single columns."""
    columns = {}
    for field in list(schema)[levels:]:
        empty = pa.chunked_array([], type=pa.large_string() if pa.types.is_string_view(field.type) else field.type)
        series = empty.to_pandas()
        dtype = (dtypes or {}).get(field.name)
        columns[field.name] = series if dtype is None else series.astype(dtype)
    return pd.DataFrame(columns, index=pd.RangeIndex(0))
