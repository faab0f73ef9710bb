"""Reading Parquet files.

Start at `read_parquet`. Of files of this machine, reading is native: columns that nobody uses are not read, nor row
groups that filters rule out. Files elsewhere are read by pyarrow in tasks (`_parquet_tasks`). Writing is in
`_parquet_write`.
"""

from __future__ import annotations

import json
import operator
from typing import Any

import pandas as pd
import pyarrow as pa

from raskal._raskal import frame_read_parquet
from raskal.dataframe import _parquet_tasks
from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._convert import index_name
from raskal.dataframe._methods import MethodCall
from raskal.dataframe._parquet_files import Dataset, key_values
from raskal.dataframe._parquet_write import to_parquet
from raskal.dataframe._storage import locate
from raskal.dataframe.frame import DataFrame

__all__ = ["read_parquet", "to_parquet"]

_COMPARE = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def read_parquet(
    path: Any = None,
    columns: Any = None,
    filters: Any = None,
    categories: Any = None,
    index: Any = None,
    storage_options: Any = None,
    dtype_backend: Any = None,
    calculate_divisions: bool = False,
    ignore_metadata_file: bool = False,
    metadata_task_size: Any = None,
    split_row_groups: Any = "infer",
    blocksize: Any = "default",
    aggregate_files: Any = None,
    parquet_file_extension: Any = (".parq", ".parquet", ".pq"),
    filesystem: Any = "fsspec",
    engine: Any = None,
    arrow_to_pandas: Any = None,
    **kwargs: Any,
) -> Any:
    """Read Parquet files.

    Parameters
    ----------
    path : str, path, or list of them
        Files, folders, patterns, or addresses that fsspec knows.
    columns : label or list of labels, optional
        Only these columns; a single label gives a series.
    filters : list of tuple, optional
        Conditions ``(column, op, value)`` that rows must meet, all of them; a list of such lists where any list will
        do. Ops are ``== != < <= > >= in not in``.
    categories : list of labels, optional
        Columns that become categorical, of categories that the data tell.
    index : label, list of one label, or False, optional
        The column that becomes the index, instead of the stored one; False for none.
    storage_options : dict, optional
        For fsspec.
    dtype_backend : {"numpy_nullable", "pyarrow"}, optional
        Which extension dtypes the columns get.
    calculate_divisions : bool
        Whether to learn the divisions of the index from the statistics in the files. They are known if partitions
        follow each other without overlap.
    ignore_metadata_file : bool
        Whether not to use a ``_metadata`` file for that.
    split_row_groups : {"infer", "adaptive"}, bool or int
        How files are cut: True for a partition per row group, a number for so many, ``"adaptive"`` for about
        `blocksize`, False for a partition per file. By default, files of more than `blocksize` are.
    blocksize : int or str
        About how large partitions are when files are cut or put together, in bytes; 256 MiB by default.
    aggregate_files : bool or str
        Whether small neighbouring files become one partition; with the name of a key, only those that agree up to it.
    parquet_file_extension : str, tuple of str, or None
        How names in folders must end.
    filesystem : fsspec or pyarrow filesystem, optional
    arrow_to_pandas : dict, optional
        Of `pyarrow.Table.to_pandas`: ``types_mapper``.

    Returns
    -------
    DataFrame or Series
        Without a stored index, the index is each row's number in its file. Names of folders like ``year=2024`` become
        categorical columns.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If a file is truncated or not Parquet; the message names it.
    KeyError
        If a column does not exist; the message offers the nearest.
    ValueError
        If a file lacks a column that others have, or has one of another type; the message names both. Types that have
        something in common (whole numbers of two widths, whole numbers and floats, no values at all) are settled.

    Notes
    -----
    Source: crates/raskal-frame/src/parquet/mod.rs

    Examples
    --------
    >>> import tempfile, pandas as pd, raskal.dataframe as dd
    >>> folder = tempfile.mkdtemp()
    >>> pd.DataFrame({"x": [1, 2], "y": [3, 4]}).to_parquet(folder + "/t.parquet")
    >>> dd.read_parquet(folder, columns=["y"], filters=[("x", ">", 1)]).compute()
       y
    1  4
    """
    if path is None:
        raise TypeError("read_parquet needs a path")
    _check_options(kwargs)
    mapper = _types_mapper(dtype_backend, arrow_to_pandas)
    places = locate(path, storage_options, filesystem)
    if not places:
        raise ValueError("no path was given\nhint: pass a path, a pattern, or a list of paths")
    dataset = Dataset(places, parquet_file_extension, ignore_metadata_file)
    groups = _groups(filters)
    _prune(dataset, groups)
    pieces = dataset.pieces(split_row_groups, blocksize, aggregate_files)
    return _read(dataset, columns, groups, categories, index, pieces, calculate_divisions, mapper)


def of_dataset(dataset: Dataset, columns: Any, filters: Any) -> Any:
    """The dataframe of a dataset, a partition per file."""
    groups = _groups(filters)
    _prune(dataset, groups)
    return _read(dataset, columns, groups, None, None, None, False, None)


def _read(
    dataset: Dataset,
    columns: Any,
    groups: list[list[tuple[Any, str, Any]]],
    categories: Any,
    index: Any,
    pieces: Any,
    calculate_divisions: bool,
    mapper: Any,
) -> Any:
    label = index[0] if isinstance(index, (list, tuple)) and len(index) == 1 else index
    levels = None if label is None else [] if label is False else [label]
    wanted = _wanted(columns, groups, label)
    if dataset.system is None:
        frame = _native(dataset, wanted, levels, pieces, calculate_divisions, mapper)
    else:
        plain = not groups  # categories have no order that a filter could ask for
        frame = _parquet_tasks.read(dataset, wanted, levels, pieces, calculate_divisions, mapper, plain)
    if groups:
        frame = frame[_condition(frame, groups)]
    frame = _with_key_categories(frame, dataset)
    if columns is not None:
        frame = frame[columns if isinstance(columns, str) else [one for one in columns if one != label]]
    if categories is not None:
        chosen = categories if isinstance(categories, (list, tuple)) else list(categories)
        frame = frame.astype({one: "category" for one in chosen if columns is None or one in frame.columns})
    return frame


def _check_options(kwargs: dict[str, Any]) -> None:
    """Refuse options that there are not.

    Raises
    ------
    TypeError
        The message names the option.
    """
    passed = {"dataset", "read", "chunksize", "gather_statistics", "open_file_options", "arrow_to_pandas"}
    unknown = sorted(set(kwargs) - passed)
    if unknown:
        raise TypeError(f"read_parquet got an option that it does not have: {unknown[0]!r}")


def _types_mapper(dtype_backend: Any, arrow_to_pandas: Any) -> Any:
    if dtype_backend == "pyarrow":
        return pd.ArrowDtype
    if dtype_backend == "numpy_nullable":
        return _NULLABLE.get
    if dtype_backend is not None:
        raise ValueError(f"dtype_backend={dtype_backend!r}: expected 'numpy_nullable', 'pyarrow' or None")
    return (arrow_to_pandas or {}).get("types_mapper")


_NULLABLE: dict[Any, Any] = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.string(): pd.StringDtype(),
    pa.large_string(): pd.StringDtype(),
}


# ---- filters


def _groups(filters: Any) -> list[list[tuple[Any, str, Any]]]:
    """Conditions in Dask's and pyarrow's notation: lists of which one must hold, of conditions that all must."""
    if not filters:
        return []
    groups = filters if isinstance(filters[0], list) else [filters]
    for _, op, _ in (one for group in groups for one in group):
        if op not in _COMPARE and op not in ("in", "not in"):
            raise ValueError(f"unknown operator {op!r} in filters\nhint: use one of {[*_COMPARE, 'in', 'not in']}")
    return [list(group) for group in groups]


def _prune(dataset: Dataset, groups: list[list[tuple[Any, str, Any]]]) -> None:
    """Forget files whose folders' names rule the filters out; one of them stays, for its columns."""
    names = dataset.keys.column_names
    if not groups or not names:
        return
    kept = [any(all(_holds(row, one) for one in group) for group in groups) for row in dataset.keys.to_pylist()]
    if not any(kept):
        kept[0] = True
    if not all(kept):
        dataset.keep(kept)


def _holds(row: dict[str, Any], condition: tuple[Any, str, Any]) -> bool:
    label, op, value = condition
    if label not in row:
        return True
    own = row[label]
    if op in ("in", "not in"):
        return (own in value) == (op == "in")
    return own is not None and bool(_COMPARE[op](own, value))


def _wanted(columns: Any, groups: Any, label: Any) -> list[str] | None:
    """The columns that are needed at all."""
    if columns is None:
        return None
    names = [columns] if isinstance(columns, str) else list(columns)
    names += [condition[0] for group in groups for condition in group]
    if label not in (None, False):
        names.append(label)
    return list(dict.fromkeys(names))


def _condition(frame: Any, groups: list[list[tuple[Any, str, Any]]]) -> Any:
    """The conditions as a series."""
    result = None
    for conditions in groups:
        group = None
        for column, op, value in conditions:
            series = frame.index if column in frame._meta.index.names else frame[column]
            one = _one_condition(series, op, value)
            group = one if group is None else group & one
        result = group if result is None else result | group
    return result


def _one_condition(series: Any, op: str, value: Any) -> Any:
    if op in _COMPARE:
        return _COMPARE[op](series, value)
    found = None
    for one in value:
        equal = series == one
        found = equal if found is None else found | equal
    found = (series != series) & (series == series) if found is None else found
    return found if op == "in" else ~found


# ---- files of this machine


def _native(
    dataset: Dataset, wanted: Any, levels: Any, pieces: Any, calculate_divisions: bool, mapper: Any
) -> DataFrame:
    keys = dataset.keys
    own = None if wanted is None else [name for name in wanted if name not in keys.column_names]
    options: dict[str, Any] = {"columns": own, "index": levels}
    if keys.column_names:
        options["keys"] = keys
    if pieces is not None:
        options["pieces"] = dataset.ranges(pieces)
    plan, notes = frame_read_parquet(dataset.files, **options)
    meta = _meta(plan, None if levels is not None else notes, mapper)
    stored = _stored_levels(notes) if levels is None else levels
    if calculate_divisions and len(stored) == 1:
        divisions = dataset.divisions(stored[0], pieces)
        if divisions is not None:
            found = pa.array(list(divisions), type=_plain_type(plan.schema.field(0).type))
            plan, _ = frame_read_parquet(dataset.files, **options, divisions=found)
    if levels == []:
        unnamed = [name for name in meta.columns if str(name).startswith("__index_level_")]
        return DataFrame(plan, meta)[[name for name in meta.columns if name not in unnamed]]
    return DataFrame(plan, meta)


def _plain_type(dtype: pa.DataType) -> pa.DataType:
    return pa.large_string() if pa.types.is_string_view(dtype) else dtype


def _stored_levels(notes: str | None) -> list[str]:
    """The columns of the files that hold the index."""
    levels = json.loads(notes).get("index_columns", []) if notes else []
    return [one for one in levels if isinstance(one, str)]


def _meta(plan: Any, notes: str | None, mapper: Any) -> pd.DataFrame:
    """What pandas would make of the files' schema and its notes."""
    schema = plan.schema
    levels = len(plan.index_names)
    fields = [field.with_type(_plain_type(field.type)) for field in schema]
    notes = None if mapper is not None else notes
    columns = pa.schema(fields[levels:], metadata=None if notes is None else {b"pandas": notes.encode()})
    options: dict[str, Any] = {} if mapper is None else {"types_mapper": mapper}
    try:
        meta = columns.empty_table().to_pandas(ignore_metadata=notes is None, **options)
    except (KeyError, TypeError, ValueError):
        meta = columns.empty_table().to_pandas(ignore_metadata=True, **options)  # notes of another writer
    meta = meta.reset_index(drop=True)[[field.name for field in fields[levels:]]]
    if schema.names[0] == index_name(0) and pa.types.is_int64(fields[0].type) and plan.index_names == [None]:
        return meta
    labels = [pa.chunked_array([], type=field.type).to_pandas() for field in fields[:levels]]
    if levels == 1:
        meta.index = pd.Index(labels[0], name=plan.index_names[0])
    else:
        meta.index = pd.MultiIndex.from_arrays(labels, names=plan.index_names)
    return meta


def _with_key_categories(frame: Any, dataset: Dataset) -> Any:
    """The same frame, its keys categorical."""
    names = [name for name in dataset.keys.column_names if name in frame.columns]
    if not names:
        return frame
    dtypes = {name: pd.CategoricalDtype(key_values(dataset.keys.column(name))) for name in names}
    if all(frame._meta[name].dtype == dtype for name, dtype in dtypes.items()):
        return frame
    if frame._frame is None:
        return blockwise(MethodCall("astype"), frame, dtypes, meta=frame._meta.astype(dtypes))
    return DataFrame(frame._plan, frame._meta.astype(dtypes))
