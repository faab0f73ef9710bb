"""Reading and writing Parquet files.

Start at `read_parquet`. Reading is native: columns that nobody uses are not read, nor row groups that filters rule out.
"""

from __future__ import annotations

import operator
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raskal._raskal import frame_read_parquet
from raskal.dataframe._convert import index_name, plan_names, schema_of
from raskal.dataframe._files import read_files
from raskal.dataframe.csv import paths
from raskal.dataframe.frame import DataFrame

_COMPARE = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_IGNORED = {
    "calculate_divisions", "ignore_metadata_file", "metadata_task_size", "split_row_groups", "blocksize",
    "aggregate_files", "parquet_file_extension", "filesystem", "engine", "storage_options",
}  # fmt: skip


def read_parquet(
    path: Any = None,
    columns: Any = None,
    filters: Any = None,
    categories: Any = None,
    index: Any = None,
    **kwargs: Any,
) -> Any:
    """Read Parquet files.

    Parameters
    ----------
    path : str, path, or list of them
        Files, folders, or patterns.
    columns : label or list of labels, optional
        Only these columns; a single label gives a series.
    filters : list of tuple, optional
        Conditions ``(column, op, value)`` that rows must meet, all of them; a list of such lists where any list will
        do. Ops are ``== != < <= > >= in not in``.
    categories : list of labels, optional
        Columns that become categorical, of categories that the data tell.
    index : label or False, optional
        The column that becomes the index, instead of the stored one; False for none. The divisions are not known.
    **kwargs
        Dask's options that choose how files are cut are accepted and change nothing.

    Returns
    -------
    DataFrame or Series
        One partition per file. Without a stored index, the index is each row's number in its file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    KeyError
        If a column does not exist; the message offers the nearest.

    Notes
    -----
    Source: crates/raskal-frame/src/parquet.rs

    Examples
    --------
    >>> import tempfile, pandas as pd, raskal.dataframe as dd
    >>> folder = tempfile.mkdtemp()
    >>> pd.DataFrame({"x": [1, 2], "y": [3, 4]}).to_parquet(folder + "/t.parquet")
    >>> dd.read_parquet(folder, columns=["y"], filters=[("x", ">", 1)]).compute()
       y
    1  4
    """
    unknown = sorted(set(kwargs) - _IGNORED - {"dtype_backend", "arrow_to_pandas"})
    if unknown or kwargs.get("dtype_backend") is not None:
        what = unknown[0] if unknown else "dtype_backend"
        raise NotImplementedError(f"read_parquet({what}=...) is not supported\nhint: convert columns with astype()")
    if path is None:
        raise TypeError("read_parquet needs a path")
    if any("://" in one for one in paths(path)):
        # Of other storage than files, pandas reads each object.
        frame: Any = read_files(pd.read_parquet, path, {}, storage_options=kwargs.get("storage_options"))
    else:
        plan, notes = frame_read_parquet(paths(path))
        frame = DataFrame(plan, _meta(plan, notes))
    if index is not None and frame._meta.index.names != [None]:
        frame = frame.reset_index()
    if filters:
        frame = frame[_condition(frame, filters)]
    label = index[0] if isinstance(index, (list, tuple)) and len(index) == 1 else index
    if columns is not None:
        kept = columns if isinstance(columns, str) or label in (None, False) or label in columns else [*columns, label]
        frame = frame[kept]
    if categories is not None:
        chosen = categories if isinstance(categories, (list, tuple)) else list(categories)
        frame = frame.astype(dict.fromkeys(chosen, "category"))
    return frame if label in (None, False) else frame.set_index(label, sort=False)


def _meta(plan: Any, notes: str | None) -> pd.DataFrame:
    """What pandas would make of the files' schema and its notes."""
    schema = plan.schema
    levels = len(plan.index_names)
    fields = [field.with_type(pa.large_string()) if pa.types.is_string_view(field.type) else field for field in schema]
    columns = pa.schema(fields[levels:], metadata=None if notes is None else {b"pandas": notes.encode()})
    try:
        meta = columns.empty_table().to_pandas(ignore_metadata=notes is None)
    except (KeyError, TypeError, ValueError):
        meta = columns.empty_table().to_pandas(ignore_metadata=True)  # notes of another writer
    meta = meta.reset_index(drop=True)[[field.name for field in fields[levels:]]]
    if schema.names[0] == index_name(0) and pa.types.is_int64(fields[0].type) and plan.index_names == [None]:
        return meta
    labels = pa.chunked_array([], type=fields[0].type).to_pandas()
    meta.index = pd.Index(labels, name=plan.index_names[0])
    return meta


def _condition(frame: DataFrame, filters: Any) -> Any:
    """A condition in Dask's and pyarrow's notation as a series."""
    groups = filters if isinstance(filters[0], list) else [filters]
    result = None
    for conditions in groups:
        group = None
        for column, op, value in conditions:
            one = _one_condition(frame[column], op, value)
            group = one if group is None else group & one
        result = group if result is None else result | group
    return result


def _one_condition(series: Any, op: str, value: Any) -> Any:
    if op in _COMPARE:
        return _COMPARE[op](series, value)
    if op in ("in", "not in"):
        found = None
        for one in value:
            equal = series == one
            found = equal if found is None else found | equal
        found = (series != series) & (series == series) if found is None else found
        return found if op == "in" else ~found
    raise ValueError(f"unknown operator {op!r} in filters\nhint: use one of {[*_COMPARE, 'in', 'not in']}")


class _ParquetWriter:
    """Writes a partition and gives its path."""

    def __init__(self, names: list[str], schema: pa.Schema, index: bool, options: dict[str, Any]) -> None:
        self.names = names
        self.schema = schema
        self.index = index
        self.options = options
        self.__name__ = "to_parquet"

    def __call__(self, part: pd.DataFrame, partition_info: Any = None) -> pd.Series:
        path = self.names[partition_info["number"]]
        table = pa.Table.from_pandas(part, schema=self.schema, preserve_index=self.index)
        pq.write_table(table, path, **self.options)
        return pd.Series([path])


def to_parquet(
    df: DataFrame,
    path: Any,
    compression: Any = "snappy",
    write_index: bool = True,
    append: bool = False,
    overwrite: bool = False,
    name_function: Callable[[int], str] | None = None,
    compute: bool = True,
    **kwargs: Any,
) -> Any:
    """Write a folder of Parquet files, one per partition.

    Parameters
    ----------
    path : str or path
        The folder.
    compression : str
        As of pyarrow.
    write_index : bool
        Whether the index is written.
    append : bool
        Whether files are added to those that are there, which must have the same columns.
    overwrite : bool
        Whether to remove what is in the folder first.
    name_function : callable, optional
        Gives a partition's file name for its number; ``part.0.parquet`` by default.
    compute : bool
        Whether to write at once.
    **kwargs
        As of `pyarrow.parquet.write_table`.

    Returns
    -------
    None, or a lazy series of the files if not `compute`

    Examples
    --------
    >>> import tempfile, pandas as pd, raskal.dataframe as dd
    >>> folder = tempfile.mkdtemp()
    >>> dd.from_pandas(pd.DataFrame({"x": [1, 2, 3]}), npartitions=2).to_parquet(folder)
    >>> dd.read_parquet(folder).x.sum().compute()
    np.int64(6)
    """
    if append and overwrite:
        raise ValueError("Cannot use both `overwrite=True` and `append=True`!")
    if kwargs.pop("partition_on", None):
        raise NotImplementedError("to_parquet(partition_on=...) is not supported\nhint: filter, and write each part")
    for option in ("engine", "write_metadata_file", "schema", "storage_options"):
        kwargs.pop(option, None)
    folder = Path(os.fspath(path))
    if overwrite and folder.exists():
        if folder.resolve() == Path.cwd() or folder.resolve() in Path.cwd().parents:
            raise ValueError(f"to_parquet(overwrite=True) would remove the current folder {folder}")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    number_name = name_function or (lambda number: f"part.{number}.parquet")
    schema = _file_schema(df, write_index)
    first = _appended(folder, schema) if append else 0
    names = [str(folder / number_name(first + number)) for number in range(df.npartitions)]
    taken = [name for name in names if append and os.path.exists(name)]
    if taken:
        raise ValueError(f"{taken[0]} exists already\nhint: pass name_function= for other names")
    writer = _ParquetWriter(names, schema, write_index, {**kwargs, "compression": compression})
    meta = pd.Series([], dtype="str")
    written = df.map_partitions(writer, partition_info=None, meta=meta, clear_divisions=True)
    if not compute:
        return written
    written.compute()
    return None


def _appended(folder: Path, schema: pa.Schema) -> int:
    """How many files there are, which must be of this schema.

    Raises
    ------
    ValueError
        If one has other columns or types.
    """
    files = sorted(folder.glob("*.parquet"))
    for file in files:
        own = pq.read_schema(file).remove_metadata()
        if own.names != schema.names or own.types != schema.types:
            raise ValueError(f"Appended dtypes differ: {file.name} has\n{own}\nwhat is added has\n{schema}")
    return len(files)


def _file_schema(df: DataFrame, write_index: bool) -> pa.Schema:
    """The same schema for every file, whatever happens to be missing in one."""
    types = dict(zip(schema_of(df._meta).names, schema_of(df._meta).types, strict=True))
    names = plan_names(df.columns)
    fields = [pa.field(name, types[name]) for name in names]
    if write_index:
        label = df._meta.index.name or "__index_level_0__"
        fields.append(pa.field(str(label), types[index_name(0)]))
    return pa.schema(fields)
