"""Writing Parquet datasets.

Start at `to_parquet`. Tasks write hidden files; one last step gives them their names and removes what they replace, so
that nobody sees half a dataset.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raskal.dataframe._commit import Stage
from raskal.dataframe._convert import index_name, schema_of
from raskal.dataframe._parquet_files import _MISSING_KEY, UNFINISHED, Dataset
from raskal.dataframe._storage import Place, address, locate, open_file
from raskal.dataframe._tasks import Calls, Each, Number, Slot, TaskPlan

_SUFFIXES = (".parquet", ".parq", ".pq")


def to_parquet(
    df: Any,
    path: Any,
    compression: Any = "snappy",
    write_index: bool = True,
    append: bool = False,
    overwrite: bool = False,
    ignore_divisions: bool = False,
    partition_on: Any = None,
    storage_options: Any = None,
    custom_metadata: dict[Any, Any] | None = None,
    write_metadata_file: bool | None = None,
    compute: bool = True,
    compute_kwargs: dict[str, Any] | None = None,
    schema: Any = "infer",
    name_function: Callable[[int], str] | None = None,
    filesystem: Any = None,
    engine: Any = None,
    **kwargs: Any,
) -> Any:
    """Write a folder of Parquet files, one per partition.

    Parameters
    ----------
    path : str or path
        The folder, or an address that fsspec knows.
    compression : str, dict or None
        As of pyarrow.
    write_index : bool
        Whether the index is written.
    append : bool
        Whether files are added to those that are there, which must have the same columns.
    overwrite : bool
        Whether what is in the folder is replaced: when all new files are written, not before.
    ignore_divisions : bool
        Whether `append` may add labels that come before the last one that is there.
    partition_on : label or list of labels, optional
        Columns whose values become folders, like ``year=2024``.
    storage_options : dict, optional
        For fsspec.
    custom_metadata : dict, optional
        Texts to put into each file's metadata. The key ``"pandas"`` is taken.
    write_metadata_file : bool, optional
        Whether to write a ``_metadata`` file with the footers of all; by default where files are appended to one.
    compute : bool
        Whether to write at once.
    compute_kwargs : dict, optional
        For `compute`: ``scheduler`` and others.
    schema : pyarrow.Schema, dict, or "infer"
        Types of the columns in the files; a dict names some.
    name_function : callable, optional
        Gives a partition's file name for its number; ``part.0.parquet`` by default.
    **kwargs
        As of `pyarrow.parquet.write_table`.

    Returns
    -------
    None, or a lazy scalar if not `compute`

    Raises
    ------
    ValueError
        If columns are missing or not named by text, options contradict each other, or what is appended has other
        columns or labels out of order.

    Examples
    --------
    >>> import tempfile, pandas as pd, raskal.dataframe as dd
    >>> folder = tempfile.mkdtemp()
    >>> df = dd.from_pandas(pd.DataFrame({"x": [1, 2, 3], "k": list("aba")}), npartitions=2)
    >>> df.to_parquet(folder, partition_on="k")
    >>> dd.read_parquet(folder, filters=[("k", "==", "a")]).x.sum().compute()
    np.int64(4)
    """
    if append and overwrite:
        raise ValueError("Cannot use both `overwrite=True` and `append=True`!")
    keys = _keys(df, partition_on)
    (place,) = locate(path, storage_options, filesystem)
    _check_folder(place, overwrite)
    if custom_metadata and ("pandas" in custom_metadata or b"pandas" in custom_metadata):
        raise ValueError("custom_metadata must not have the key 'pandas': pandas' own notes are there")
    _check_names(df, write_index)
    before = _there(place) if append or overwrite else None
    file_schema = _file_schema(df, write_index, schema)
    if append and before is not None:
        _check_append(df, before, file_schema, keys, write_index, ignore_divisions)
    stage = Stage(place.system)
    names = _names(df.npartitions, name_function, len(before.files) if append and before else 0)
    if append and before is not None:
        _check_free(before, names, keys)
    metadata = {str(key): one for key, one in (custom_metadata or {}).items()} if custom_metadata else {}
    writer = _Writer(
        stage, place.path, keys, file_schema, write_index, metadata, {"compression": compression, **kwargs}
    )
    if write_metadata_file is None:
        write_metadata_file = append and before is not None and _has_metadata(place)
    plan = df._task_plan()
    written = Calls(plan.npartitions, [plan.node], [None], writer, (Slot(0), Each(names), Number()), name="to_parquet")
    commit = _Commit(stage, place, before if overwrite else None, write_metadata_file, append)
    if append and before is not None and write_metadata_file:
        commit.before = _named_footers(before)
    every = [[list(range(plan.npartitions))]]
    last = Calls(1, [written], every, commit, gather=True, name="to_parquet-commit")
    from raskal.dataframe.scalar import Scalar

    result = Scalar(TaskPlan(last), None)
    if not compute:
        return result
    stage.begin(place.path)
    try:
        result.compute(**(compute_kwargs or {}))
    except BaseException:
        stage.end()
        commit.undo(names)
        raise
    stage.end()
    return None


# ---- what is asked for


def _keys(df: Any, partition_on: Any) -> list[Any]:
    if partition_on is None:
        return []
    keys = [partition_on] if isinstance(partition_on, str) else list(partition_on)
    for label in keys:
        if label not in df.columns:
            raise ValueError(f"Partitioning on non-existent column: partition_on={label!r}, columns={[*df.columns]}")
    if len(keys) == len(df.columns):
        raise ValueError("no column would be left in the files\nhint: leave one out of partition_on")
    return keys


def _check_folder(place: Place, overwrite: bool) -> None:
    if place.system is not None:
        return
    here, target = os.path.realpath(os.getcwd()), os.path.realpath(place.path)
    if overwrite and (here == target or here.startswith(target + os.sep)):
        raise ValueError(f"to_parquet(overwrite=True) would remove the current folder {place.path}")
    if os.path.isfile(place.path):
        raise ValueError(f"{place.path} is a file\nhint: to_parquet writes a folder")


def _check_names(df: Any, write_index: bool) -> None:
    odd = [label for label in df.columns if not isinstance(label, str)]
    if odd:
        raise ValueError(f"parquet must have string column names, got {odd[0]!r}\nhint: df.columns = [...]")
    if write_index and isinstance(df._meta.index, pd.MultiIndex):
        return
    name = df._meta.index.name
    if write_index and name is not None and name in df.columns:
        raise ValueError(
            f"the index and a column are both called {name!r}\nhint: pass write_index=False, or rename one"
        )


def _there(place: Place) -> Dataset | None:
    """The dataset that is in a folder."""
    try:
        return Dataset([place], _SUFFIXES)
    except FileNotFoundError:
        return None


def _names(count: int, name_function: Any, first: int) -> list[str]:
    if name_function is None:
        return [f"part.{first + number}.parquet" for number in range(count)]
    if not callable(name_function):
        raise ValueError("``name_function`` must be a callable with one argument.")
    names = [name_function(first + number) for number in range(count)]
    if not all(isinstance(name, str) for name in names):
        raise ValueError("``name_function`` must return text")
    if len(set(names)) != len(names):
        raise ValueError("``name_function`` must produce unique filenames.")
    return names


def _check_free(before: Dataset, names: list[str], keys: list[Any]) -> None:
    taken = {one.rpartition("/")[2] for one in before.files} & set(names)
    if taken and not keys:
        raise ValueError(f"{sorted(taken)[0]} exists already\nhint: pass name_function= for other names")


def _check_append(
    df: Any, before: Dataset, schema: pa.Schema, keys: list[Any], write_index: bool, ignore_divisions: bool
) -> None:
    if before.keys.column_names != keys:
        raise ValueError(f"the dataset is partitioned on {before.keys.column_names}, what is appended on {keys}")
    with open_file(before.system, before.files[0]) as file:
        own = pq.read_schema(file)
    added = pa.schema([field for field in schema if field.name not in keys])
    differing = [
        name
        for name in dict.fromkeys([*own.names, *added.names])
        if name not in own.names or name not in added.names or not _alike(own.field(name).type, added.field(name).type)
    ]
    if differing:
        name = differing[0]
        kinds = [str(one.field(name).type) if name in one.names else "missing" for one in (own, added)]
        raise ValueError(
            f"Appended columns or dtypes differ: {name!r} is {kinds[0]} in {before.files[0]}, "
            f"{kinds[1]} in what is added"
        )
    if ignore_divisions or not write_index or not df.known_divisions:
        return
    name = str(df._meta.index.name or "__index_level_0__")
    known = before.divisions(name, None) if name in own.names else None
    if known is not None and df.divisions[0] <= known[-1]:
        raise ValueError(
            f"The divisions of the appended dataframe overlap with previously written divisions: {df.divisions[0]!r} "
            f"comes before {known[-1]!r}\nhint: pass ignore_divisions=True to append anyway"
        )


def _alike(one: pa.DataType, other: pa.DataType) -> bool:
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if any(kind(one) for kind in text):
        return any(kind(other) for kind in text) or pa.types.is_dictionary(other)
    if pa.types.is_dictionary(one) and pa.types.is_dictionary(other):
        return _alike(one.value_type, other.value_type)
    return bool(one == other) or pa.types.is_null(one) or pa.types.is_null(other)


def _named_footers(dataset: Dataset) -> list[Any]:
    """The footers of files that are there, each with the file's name."""
    footers = []
    for number, name in enumerate(dataset.files):
        with open_file(dataset.system, name) as file:
            footer = pq.read_metadata(file)
        footer.set_file_path(dataset.files[number].removeprefix(dataset.root).lstrip("/"))
        footers.append(footer)
    return footers


def _has_metadata(place: Place) -> bool:
    path = f"{place.path}/_metadata"
    return bool(os.path.exists(path) if place.system is None else place.system.exists(path))


def _file_schema(df: Any, write_index: bool, given: Any) -> pa.Schema | None:
    """The same schema for every file, whatever happens to be missing in one."""
    if isinstance(given, pa.Schema):
        return given
    chosen = dict(given) if isinstance(given, dict) else {}
    unknown = [name for name in chosen if name not in df.columns]
    if unknown:
        raise ValueError(f"schema= names columns that there are not: {unknown}\nhint: the columns are {[*df.columns]}")
    known = schema_of(df._meta)
    types = dict(zip(known.names, known.types, strict=True))
    fields = [pa.field(name, chosen.get(name, types[name])) for name in df.columns]
    if write_index:
        for level, label in enumerate(df._meta.index.names):
            name = f"__index_level_{level}__" if label is None else str(label)
            fields.append(pa.field(name, types[index_name(level)]))
    return pa.schema(fields)


# ---- tasks


class _Writer:
    """Writes a partition's files and gives their names and footers."""

    def __init__(
        self, stage: Stage, folder: str, keys: list[Any], schema: Any, index: bool, metadata: Any, options: Any
    ) -> None:
        self.stage = stage
        self.folder = folder
        self.keys = keys
        self.schema = schema
        self.index = index
        self.metadata = metadata
        self.options = options
        self.__name__ = "to_parquet"

    def __call__(self, part: pd.DataFrame, name: str, number: int) -> list[tuple[str, Any]]:
        if not self.keys:
            return [self._write(part, name)]
        files = []
        grouped = part.groupby(self.keys, observed=True, dropna=False, sort=False)
        for values, rows in grouped:
            parts = values if isinstance(values, tuple) else (values,)
            folders = [f"{key}={_text(value)}" for key, value in zip(self.keys, parts, strict=True)]
            files.append(self._write(rows.drop(columns=self.keys), "/".join([*folders, name])))
        return files

    def _write(self, part: pd.DataFrame, name: str) -> tuple[str, Any]:
        fields = [field for field in self.schema if field.name not in self.keys]
        schema = pa.schema(fields)
        table = self._table(part, schema, name)
        if self.metadata:
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), **self.metadata})
        options = dict(self.options)
        group_size = options.pop("row_group_size", None)
        with self.stage.writing(f"{self.folder}/{name}") as file:
            with pq.ParquetWriter(file, table.schema, **options) as writer:
                writer.write_table(table, row_group_size=group_size)
            footer = writer.writer.metadata
        footer.set_file_path(name)
        return name, footer

    def _table(self, part: pd.DataFrame, schema: pa.Schema, name: str) -> pa.Table:
        try:
            return pa.Table.from_pandas(part, schema=schema, preserve_index=self.index)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, KeyError) as error:
            own = pa.Table.from_pandas(part.iloc[:0], preserve_index=self.index).schema
            raise ValueError(
                f"partition {name} does not fit the schema of the dataset: {error}\n"
                f"its columns are {dict(zip(own.names, map(str, own.types), strict=True))}, expected "
                f"{dict(zip(schema.names, map(str, schema.types), strict=True))}\nhint: pass schema= with other types"
            ) from error


def _text(value: Any) -> str:
    return _MISSING_KEY if pd.isna(value) else quote(str(value), safe=" :-_.,+")


class _Commit:
    """Gives the files of all partitions their names."""

    def __init__(self, stage: Stage, place: Place, old: Dataset | None, metadata_file: bool, append: bool) -> None:
        self.stage = stage
        self.place = place
        self.old = None if old is None else old.files
        self.before: list[Any] = []
        self.metadata_file = metadata_file
        self.append = append
        self.__name__ = "to_parquet-commit"
        if place.system is not None:
            place.system.makedirs(place.path, exist_ok=True)
            place.system.pipe_file(f"{place.path}/{UNFINISHED}", b"")

    def __call__(self, parts: Sequence[list[tuple[str, Any]]]) -> None:
        folder, system = self.place.path, self.place.system
        written = [one for part in parts for one in part]
        targets = [f"{folder}/{name}" for name, _ in written]
        if self.metadata_file:
            self._write_metadata([footer for _, footer in written])
        elif self.old is not None or not self.append:
            self._remove([f"{folder}/_metadata", f"{folder}/_common_metadata"])
        self.stage.commit(targets)
        if self.metadata_file:
            self.stage.commit([f"{folder}/_metadata"])
        if self.old is not None:
            new = {os.path.realpath(one) if system is None else one for one in targets}
            self._remove([one for one in self.old if (os.path.realpath(one) if system is None else one) not in new])
            if system is None:
                _remove_empty(folder)
        if system is not None:
            system.rm_file(f"{folder}/{UNFINISHED}")

    def _write_metadata(self, footers: list[Any]) -> None:
        folder = self.place.path
        path = f"{folder}/_metadata"
        whole, *rest = [*self.before, *footers]
        for footer in rest:
            try:
                whole.append_row_groups(footer)
            except RuntimeError as error:
                raise RuntimeError(
                    f"the files of {address(self.place.system, folder)} have other schemas, so that no _metadata file "
                    "can be written\nhint: pass schema= with one type for each column, or write_metadata_file=False"
                ) from error
        with self.stage.writing(path) as file:
            whole.write_metadata_file(file)

    def _remove(self, names: list[str]) -> None:
        system = self.place.system
        for name in names:
            if system is None:
                if os.path.exists(name):
                    os.unlink(name)
            elif system.exists(name):
                system.rm_file(name)

    def undo(self, names: list[str]) -> None:
        """Remove what was written, after a failure; what was there before stays."""
        folder = self.place.path
        if self.place.system is None:
            for root, _, files in os.walk(folder):
                for name in files:
                    if name.startswith(f".{self.stage.mark}."):
                        os.unlink(os.path.join(root, name))
            _remove_empty(folder)
        elif self.old is None:
            self.stage.discard([f"{folder}/{name}" for name in names])


def _remove_empty(folder: str) -> None:
    """Remove the folders in it that hold nothing."""
    for root, _, _ in os.walk(folder, topdown=False):
        if root != folder and not os.listdir(root):
            os.rmdir(root)
