"""Avro files: records to and from bags, by the package fastavro.

Start at `read_avro`. A block of a file begins behind one of the marks that Avro puts between its own blocks.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from raskal.bag.files import find, infer_compression, open_file

if TYPE_CHECKING:
    from raskal.bag.collection import Bag

__all__ = ["check_schema", "read_avro", "write"]

_MARK_BYTES = 16


def _fastavro() -> Any:
    try:
        import fastavro
    except ImportError as error:
        raise ImportError("Avro files need the package fastavro\nhint: pip install fastavro") from error
    return fastavro


def read_avro(
    urlpath: Any,
    blocksize: int | str | None = 100_000_000,
    storage_options: dict[str, Any] | None = None,
    compression: str | None = None,
) -> Bag:
    """Read records of Avro files.

    Parameters
    ----------
    urlpath : str, path or list of them
        As of `read_text`.
    blocksize : int or str, optional
        About how many bytes of a file to a partition; None for whole files.
    storage_options : dict, optional
        For fsspec.
    compression : str, optional
        Of the whole file (not Avro's own, which needs no word); only with ``blocksize=None``.

    Returns
    -------
    Bag
        Of dictionaries.

    Raises
    ------
    ImportError
        Without the package fastavro.
    """
    from raskal.bag.collection import Bag
    from raskal.bag.layer import Layer
    from raskal.bag.text import Piece, blocks_of
    from raskal.utils import parse_bytes

    _fastavro()
    files = find(urlpath, storage_options)
    if blocksize is None:
        pieces = [Piece(path, infer_compression(compression, path), None, None) for path in files.paths]
    else:
        pieces = blocks_of(files, parse_bytes(blocksize), compression)
    call = partial(_read, files.system, pieces)
    return Bag._of(Layer("read_avro", [files.token(), pieces], [len(pieces)], [], call))


def _read(system: Any, pieces: list[Any], coordinates: tuple[int, ...]) -> Iterator[Any]:
    from raskal.bag.text import read_block

    fastavro = _fastavro()
    piece = pieces[coordinates[0]]
    with open_file(system, piece.path, "rb", piece.compression) as file:
        if piece.start is None:
            yield from fastavro.reader(file)
            return
        fastavro.block_reader(file)
        # The reader stops behind the header, whose last bytes are the mark.
        header_bytes = file.tell()
        file.seek(0)
        header = file.read(header_bytes)
        block = read_block(file, max(piece.start, 0), piece.end, header[-_MARK_BYTES:])
        if piece.start == 0:
            block = block[header_bytes:]
    if block:
        yield from fastavro.reader(io.BytesIO(header + block))


def check_schema(schema: Any) -> None:
    """Raise an error unless this is a schema of records.

    Raises
    ------
    TypeError, ValueError
        If it is not.
    """
    _fastavro()
    if not isinstance(schema, dict):
        raise TypeError(f"an Avro schema is a dictionary, got {type(schema).__name__}")
    if schema.get("type") != "record" or "name" not in schema or "fields" not in schema:
        raise ValueError(
            f"an Avro schema is a record with name and fields, got type {schema.get('type')!r}, keys {sorted(schema)}"
        )


def write(
    file: IO[bytes], schema: Any, part: Iterable[Any], codec: str, sync_interval: int, metadata: dict[str, str] | None
) -> None:
    """Write records."""
    fastavro = _fastavro()
    fastavro.writer(
        file, fastavro.parse_schema(schema), part, codec=codec, sync_interval=sync_interval, metadata=metadata
    )
