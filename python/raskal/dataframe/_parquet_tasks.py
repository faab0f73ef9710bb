"""Parquet files that are not on this machine, read by pyarrow through fsspec, in tasks.

Start at `read`. A task reads the columns that are used of the row groups of its partition.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raskal.dataframe._emulate import nearest
from raskal.dataframe._parquet_files import Dataset, Groups, key_values
from raskal.dataframe._reading import Reading
from raskal.dataframe._storage import address, open_file
from raskal.dataframe._tasks import TaskPlan
from raskal.dataframe.collection import new_collection


def read(
    dataset: Dataset, wanted: Any, levels: Any, pieces: Any, calculate_divisions: bool, mapper: Any, categorical: bool
) -> Any:
    """A dataframe over the files of a dataset; what folders' names give may be categorical."""
    with open_file(dataset.system, dataset.files[0]) as file:
        schema = pq.read_schema(file)
    parts = pieces or [[Groups(number, None, None)] for number in range(len(dataset.files))]
    reader = _Reader(dataset, schema, levels, mapper, categorical)
    meta = reader.empty()
    if wanted is not None:
        for label in wanted:
            if label not in meta.columns and label not in meta.index.names:
                raise KeyError(f"column {label!r} does not exist\nhint: {nearest(label, meta.columns)}")
        meta = meta[[label for label in wanted if label in meta.columns]]
    divisions = None
    if calculate_divisions and meta.index.nlevels == 1 and reader.levels:
        divisions = dataset.divisions(reader.levels[0], pieces)
    node = Reading(reader, parts, None if wanted is None else list(meta.columns), "read_parquet")
    return new_collection(TaskPlan(node, divisions), meta)


class _Reader:
    """Reads the row groups of a partition."""

    def __init__(self, dataset: Dataset, schema: pa.Schema, levels: Any, mapper: Any, categorical: bool) -> None:
        self.system = dataset.system
        self.files = dataset.files
        self.keys = dataset.keys.to_pylist()
        self.key_types = dataset.keys.schema
        self.categories = {}
        if categorical:
            names = dataset.keys.column_names
            self.categories = {name: pd.CategoricalDtype(key_values(dataset.keys.column(name))) for name in names}
        self.schema = schema
        self.mapper = mapper
        self.__name__ = "read_parquet"
        notes = schema.pandas_metadata or {}
        stored = [one for one in notes.get("index_columns", []) if isinstance(one, str)]
        self.chosen = levels
        self.levels: list[str] = stored if levels is None else levels

    def __raskal_tokenize__(self) -> Any:
        found = [self.system.info(name) for name in self.files[:1]]
        return (
            "read_parquet",
            str(self.system),
            self.files,
            str(found),
            str(self.schema),
            self.chosen,
            str(self.mapper),
        )

    def empty(self) -> pd.DataFrame:
        """What a partition without rows is."""
        table = self.schema.empty_table()
        for field in self.key_types:
            table = table.append_column(field, pa.array([], field.type))
        return self._to_pandas(table, 0)

    def __call__(self, piece: list[Groups], columns: Any) -> pd.DataFrame:
        parts = [self._read(one, columns) for one in piece]
        return parts[0] if len(parts) == 1 else pd.concat(parts)

    def _read(self, one: Groups, columns: Any) -> pd.DataFrame:
        path = self.files[one.file]
        names = self.schema.names
        if columns is not None:
            names = [name for name in names if name in columns or name in self.levels]
        try:
            with open_file(self.system, path) as opened:
                file = pq.ParquetFile(opened)
                end = file.num_row_groups if one.end is None else one.end
                numbers = range(one.first or 0, end)
                start = sum(file.metadata.row_group(number).num_rows for number in range(one.first or 0))
                missing = [name for name in names if name not in file.schema_arrow.names]
                if missing:
                    raise ValueError(
                        f"{address(self.system, path)} has no column {missing[0]!r}, "
                        f"{address(self.system, self.files[0])} has\nhint: read files of one kind by a pattern"
                    )
                table = file.read_row_groups(list(numbers), columns=names)
        except pa.ArrowInvalid as error:
            raise OSError(f"{address(self.system, path)}: not a whole Parquet file: {error}") from error
        table = self._as_first(table, path)
        for field in self.key_types:
            if columns is None or field.name in columns:
                value = self.keys[one.file][field.name]
                table = table.append_column(field, pa.array([value] * table.num_rows, field.type))
        return self._to_pandas(table, start)

    def _as_first(self, table: pa.Table, path: str) -> pa.Table:
        for place, name in enumerate(table.column_names):
            dtype = self.schema.field(name).type
            if table.schema.field(place).type != dtype:
                try:
                    table = table.set_column(place, pa.field(name, dtype), table.column(place).cast(dtype))
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                    first = address(self.system, self.files[0])
                    raise ValueError(
                        f"column {name!r} is {dtype} in {first}, {table.schema.field(place).type} in "
                        f"{address(self.system, path)}\nhint: write one of them anew with the other's type"
                    ) from error
        return table.replace_schema_metadata(self.schema.metadata)

    def _to_pandas(self, table: pa.Table, start: int) -> pd.DataFrame:
        found = self._converted(table, start)
        dtypes = {name: dtype for name, dtype in self.categories.items() if name in found.columns}
        return found.astype(dtypes) if dtypes else found

    def _converted(self, table: pa.Table, start: int) -> pd.DataFrame:
        options: dict[str, Any] = {} if self.mapper is None else {"types_mapper": self.mapper}
        if self.chosen is None and self.levels:
            return table.to_pandas(**options)
        if self.mapper is None and self.chosen is None:
            found = table.to_pandas(**options).reset_index(drop=True)
        else:
            found = table.to_pandas(ignore_metadata=True, **options)
        if self.levels:
            return found.set_index(self.levels[0])
        found.index = pd.RangeIndex(start, start + len(found))
        return found
