"""Tables of Delta Lake and Iceberg, by their own libraries: these say which files a version of a table has.

Start at `read_deltalake` and `read_iceberg`. Install `deltalake` or `pyiceberg` for them.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from raskal.dataframe._parquet_files import Dataset
from raskal.dataframe._reading import Reading
from raskal.dataframe._storage import locate
from raskal.dataframe._tasks import TaskPlan
from raskal.dataframe.collection import new_collection
from raskal.dataframe.parquet import of_dataset


def read_deltalake(
    path: Any,
    columns: Any = None,
    filters: Any = None,
    version: int | str | None = None,
    storage_options: dict[str, str] | None = None,
) -> Any:
    """Read a version of a Delta table.

    Parameters
    ----------
    path : str or path
        The table's folder, or its address.
    columns : label or list of labels, optional
        Only these columns; a single label gives a series.
    filters : list of tuple, optional
        As of `read_parquet`; files that the keys rule out are not read.
    version : int or str, optional
        A version, or a time; the newest by default.
    storage_options : dict, optional
        For deltalake and fsspec.

    Returns
    -------
    DataFrame or Series
        A partition per file.

    Raises
    ------
    NotImplementedError
        If rows of the table's files are deleted by vectors, which its files alone do not tell.
    """
    from deltalake import DeltaTable

    table = DeltaTable(path, storage_options=storage_options)
    if version is not None:
        table.load_as_version(version)
    reading = table.protocol().reader_features or []
    actions = pa.table(table.get_add_actions(flatten=True))
    if "deletionVectors" in reading and any("deletionVector" in name for name in actions.column_names):
        raise NotImplementedError(
            f"the Delta table {path} deletes rows by vectors\n"
            "hint: compact it first: DeltaTable(path).optimize.compact()"
        )
    prefix = "partition."
    keys = {name.removeprefix(prefix): actions[name] for name in actions.column_names if name.startswith(prefix)}
    places = locate(table.file_uris(), storage_options)
    if not places:
        empty = table.schema().to_arrow()
        return _empty(pa.schema(empty), columns)
    by_path = {name: row for row, name in enumerate(actions["path"].to_pylist())}
    rows = [next(row for name, row in by_path.items() if one.path.endswith(name)) for one in places]
    typed = pa.table({name: _plain(column).take(pa.array(rows)) for name, column in keys.items()})
    return of_dataset(Dataset.of_files(places[0].system, [one.path for one in places], typed), columns, filters)


def _plain(column: Any) -> Any:
    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    text = pa.types.is_string(combined.type) or pa.types.is_string_view(combined.type)
    return combined.cast(pa.large_string()) if text else combined


def _empty(schema: pa.Schema, columns: Any) -> Any:
    from raskal.dataframe.memory import from_pandas

    frame = from_pandas(schema.empty_table().to_pandas(), npartitions=1)
    return frame if columns is None else frame[columns]


def to_deltalake(df: Any, path: Any, mode: Any = "error", **kwargs: Any) -> None:
    """Write to a Delta table: one new version with all rows, or none.

    Parameters
    ----------
    path : str, path or deltalake.DeltaTable
    mode : {"error", "append", "overwrite", "ignore"}
    **kwargs
        As of `deltalake.write_deltalake`: ``partition_by``, ``schema_mode``, ``storage_options``...

    Notes
    -----
    Partitions are computed and written one after the other. The index is written unless it numbers the rows.
    """
    from deltalake import write_deltalake

    write_deltalake(path, df._batches(), mode=mode, **kwargs)


def read_iceberg(table: Any, columns: Any = None, row_filter: Any = None, snapshot_id: int | None = None) -> Any:
    """Read a snapshot of an Iceberg table.

    Parameters
    ----------
    table : pyiceberg.table.Table
        As a catalog loads it: ``load_catalog(...).load_table("namespace.name")``.
    columns : label or list of labels, optional
        Only these columns; a single label gives a series.
    row_filter : str or pyiceberg expression, optional
        Rows that are wanted: ``"x > 3 and name = 'Ada'"``. Files that it rules out are not read.
    snapshot_id : int, optional
        The newest by default.

    Returns
    -------
    DataFrame or Series
        A partition per data file, without the rows that the table deletes.
    """
    scan = table.scan(**({} if row_filter is None else {"row_filter": row_filter}), snapshot_id=snapshot_id)
    names = None if columns is None else [columns] if isinstance(columns, str) else list(columns)
    reader = _IcebergReader(table.metadata, table.io, scan.row_filter, scan.projection())
    meta = reader.empty()
    tasks = list(scan.plan_files())
    if not tasks:
        frame = _empty(scan.projection().as_arrow(), None)
    else:
        frame = new_collection(TaskPlan(Reading(reader, tasks, None, "read_iceberg")), meta)
    return frame if columns is None else frame[columns if isinstance(columns, str) else names]


class _IcebergReader:
    """Reads a data file and what is deleted of it."""

    def __init__(self, metadata: Any, io: Any, row_filter: Any, schema: Any) -> None:
        self.metadata = metadata
        self.io = io
        self.row_filter = row_filter
        self.schema = schema
        self.__name__ = "read_iceberg"

    def __raskal_tokenize__(self) -> Any:
        return ("read_iceberg", str(self.metadata.table_uuid), self.metadata.current_snapshot_id, str(self.row_filter))

    def empty(self) -> pd.DataFrame:
        """What a file without rows is."""
        return self.schema.as_arrow().empty_table().to_pandas()

    def __call__(self, task: Any, columns: Any) -> pd.DataFrame:
        from pyiceberg.io.pyarrow import ArrowScan

        schema = self.schema if columns is None else self.schema.select(*columns)
        table = ArrowScan(self.metadata, self.io, schema, self.row_filter).to_table([task])
        found: pd.DataFrame = table.to_pandas()
        return found if columns is None else found[columns]


def to_iceberg(df: Any, table: Any, mode: str = "append") -> None:
    """Write to an Iceberg table: one new snapshot with all rows, or none.

    Parameters
    ----------
    table : pyiceberg.table.Table
    mode : {"append", "overwrite"}

    Raises
    ------
    ValueError
        If there is no such mode.

    Notes
    -----
    Partitions are computed and written one after the other, in one transaction.
    """
    if mode not in ("append", "overwrite"):
        raise ValueError(f"mode={mode!r}: expected 'append' or 'overwrite'")
    with table.transaction() as transaction:
        for number, batch in enumerate(df._batches()):
            part = pa.Table.from_batches([batch])
            if number == 0 and mode == "overwrite":
                transaction.overwrite(part)
            else:
                transaction.append(part)
