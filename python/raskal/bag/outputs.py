"""Bags to text files, Avro files and dataframes."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from raskal.bag import avro
from raskal.bag.files import infer_compression, open_file, output_paths
from raskal.bag.layer import Layer

if TYPE_CHECKING:
    from raskal.bag.collection import Bag

__all__ = ["to_avro", "to_dataframe", "to_textfiles"]


def to_textfiles(
    b: Bag,
    path: Any,
    name_function: Any = None,
    compression: str | None = "infer",
    encoding: str = "utf-8",
    compute: bool = True,
    storage_options: dict[str, Any] | None = None,
    last_endline: bool = False,
    **kwargs: Any,
) -> list[Any]:
    """Write each partition to a text file, an item a line.

    Parameters
    ----------
    b : Bag
        Of strings.
    path : str, path or list
        A folder, a pattern whose ``*`` becomes the number of the partition, or a path for each partition.
    name_function : callable, optional
        What to put in the place of the ``*``, given the number.
    compression : str, optional
        ``"infer"`` goes by the end of the name; see `read_text`.
    encoding : str
    compute : bool
        Whether to write now.
    storage_options : dict, optional
        For fsspec.
    last_endline : bool
        Whether the last line ends in a line end, too.
    **kwargs
        As of `raskal.compute`.

    Returns
    -------
    list of str, or of Delayed if not `compute`
        The paths.

    Raises
    ------
    TypeError
        When it runs, if an item is not a string.

    Notes
    -----
    A local file gets its name when it is whole: a write that fails leaves what was there before.

    Examples
    --------
    >>> import raskal.bag as db, tempfile
    >>> paths = db.from_sequence(["a", "b", "c"], npartitions=2).to_textfiles(tempfile.mkdtemp())
    >>> [open(path).read() for path in paths]
    ['a\\nb', 'c']
    """
    files = output_paths(path, b.npartitions, "part", name_function, storage_options)
    how = [infer_compression(compression, each) for each in files.paths]
    call = partial(_write_text, files.system, files.paths, how, encoding, last_endline)
    return _written(b, "to_textfiles", call, files.paths, compute, kwargs)


def to_avro(
    b: Bag,
    filename: Any,
    schema: dict[str, Any],
    name_function: Any = None,
    storage_options: dict[str, Any] | None = None,
    codec: str = "null",
    sync_interval: int = 16000,
    metadata: dict[str, str] | None = None,
    compute: bool = True,
    **kwargs: Any,
) -> list[Any]:
    """Write each partition to an Avro file.

    Parameters
    ----------
    b : Bag
        Of dictionaries.
    filename : str, path or list
        As of `to_textfiles`.
    schema : dict
        An Avro record.
    name_function : callable, optional
        As of `to_textfiles`.
    storage_options : dict, optional
        For fsspec.
    codec : str
        ``"null"``, ``"deflate"``, or another that fastavro knows.
    sync_interval : int
        Bytes of a block.
    metadata : dict, optional
        For the files' headers.
    compute : bool
        Whether to write now.
    **kwargs
        As of `raskal.compute`.

    Returns
    -------
    list of str, or of Delayed if not `compute`
        The paths.

    Raises
    ------
    ImportError
        Without the package fastavro.
    """
    avro.check_schema(schema)
    files = output_paths(filename, b.npartitions, "avro", name_function, storage_options)
    call = partial(_write_avro, files.system, files.paths, schema, codec, sync_interval, metadata)
    return _written(b, "to_avro", call, files.paths, compute, kwargs)


def _written(bag: Bag, name: str, call: Any, paths: list[str], compute: bool, kwargs: dict[str, Any]) -> list[Any]:
    from raskal.bag.collection import Bag

    # A token of its own: the same bag written twice is written twice.
    layer = Layer(name, uuid.uuid4().hex, bag._node.shape, [(bag._node, "one")], call, settle=False)
    written = Bag._of(layer)
    if not compute:
        return written.to_delayed()
    written.compute(**kwargs)
    return paths


@contextmanager
def _replacing(system: Any, path: str, compression: str | None) -> Iterator[IO[bytes]]:
    """A file that takes its place when it was written whole."""
    if system is not None:
        with open_file(system, path, "wb", compression) as file:
            yield file
        return
    unfinished = f"{path}.{os.getpid()}.part"
    try:
        with open_file(system, unfinished, "wb", compression) as file:
            yield file
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise


def _write_text(
    system: Any,
    paths: list[str],
    how: list[str | None],
    encoding: str,
    last_endline: bool,
    coordinates: tuple[int, ...],
    part: Iterable[Any],
) -> str:
    (number,) = coordinates
    with _replacing(system, paths[number], how[number]) as file:
        end = "\n".encode(encoding)
        first = True
        for item in part:
            if isinstance(item, bytes):
                item = item.decode(encoding)
            if not isinstance(item, str):
                raise TypeError(
                    f"to_textfiles writes strings, got {type(item).__name__}: {item!r:.80}\n"
                    "hint: .map(str), or .map(json.dumps), first"
                )
            if not first:
                file.write(end)
            file.write(item.encode(encoding))
            first = False
        if last_endline and not first:
            file.write(end)
    return paths[number]


def _write_avro(
    system: Any,
    paths: list[str],
    schema: dict[str, Any],
    codec: str,
    sync_interval: int,
    metadata: dict[str, str] | None,
    coordinates: tuple[int, ...],
    part: Iterable[Any],
) -> str:
    (number,) = coordinates
    with _replacing(system, paths[number], None) as file:
        avro.write(file, schema, part, codec, sync_interval, metadata)
    return paths[number]


def to_dataframe(self: Bag, meta: Any = None, columns: Any = None, optimize_graph: bool = True) -> Any:
    """A dataframe of the items: dictionaries, tuples, or plain values.

    Parameters
    ----------
    meta : pandas.DataFrame, dict or list of pairs, optional
        Names and types of the columns. By default they are taken from the first item, which is computed for that.
    columns : list of str, optional
        Names of the columns, or which of dictionaries to take. Not with `meta`.
    optimize_graph : bool
        Accepted for Dask's sake.

    Returns
    -------
    raskal.dataframe.DataFrame

    Raises
    ------
    ValueError
        If there is no first item to take the types from, or both `meta` and `columns` are given.
    """
    import pandas as pd

    import raskal.dataframe as dd

    if meta is not None and columns is not None:
        raise ValueError("Can't specify both `meta` and `columns`")
    if meta is None:
        head = self.take(1, warn=False)
        if not head:
            raise ValueError(
                "to_dataframe failed to infer names and types: the first partition is empty\nhint: give meta="
            )
        meta = pd.DataFrame(list(head), columns=columns)
    elif not isinstance(meta, pd.DataFrame):
        pairs = meta.items() if isinstance(meta, dict) else meta
        meta = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in pairs})
    meta = meta.iloc[:0]
    make = getattr(dd, "from_delayed", None)
    if make is None:
        raise NotImplementedError(
            "to_dataframe needs raskal.dataframe.from_delayed, which this version does not have\n"
            "hint: write the bag with to_textfiles and read it with raskal.dataframe.read_csv"
        )
    frames = self.map_partitions(_frame, list(meta.columns), meta.dtypes.to_dict())
    return make(frames.to_delayed(), meta=meta, verify_meta=False)


def _frame(part: Any, columns: list[Any], types: dict[Any, Any]) -> Any:
    import pandas as pd

    rows = part if isinstance(part, list) else list(part)
    return pd.DataFrame(rows, columns=columns).astype(types, copy=False)  # type: ignore[call-arg]
