"""`read_text`: lines of text files.

Start at `read_text`. Local files in the encodings that nearly all text has are read, decompressed and cut into lines by
Rust without holding the GIL (source: crates/raskal-text/src/lines.rs); everything else by Python's own text files, with
the same results. Both give lines as a stream.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from raskal._raskal import TextLines
from raskal.bag.collection import Bag
from raskal.bag.files import NATIVE, Files, find, infer_compression, open_file
from raskal.bag.layer import Layer
from raskal.utils import parse_bytes

__all__ = ["blocks_of", "read_block", "read_text"]

# Encodings in which every line can be read by itself and line ends are one byte.
_LINEWISE = re.compile(r"utf-8|ascii|iso8859-\d+|cp125\d|cp437|cp85\d|koi8-[ru]|mac-roman")
_SEARCH_BYTES = 1 << 16


class Piece(NamedTuple):
    """A file, or the part of one between two places."""

    path: str
    compression: str | None
    start: int | None
    end: int | None


class _Format(NamedTuple):
    newline: str | None
    encoding: str
    errors: str


def read_text(
    urlpath: Any,
    blocksize: int | str | None = None,
    compression: str | None = "infer",
    encoding: str = "utf-8",
    errors: str = "strict",
    linedelimiter: str | None = None,
    collection: bool = True,
    storage_options: dict[str, Any] | None = None,
    files_per_partition: int | None = None,
    include_path: bool = False,
) -> Any:
    """Read lines of text files.

    Parameters
    ----------
    urlpath : str, path or list of them
        Paths, patterns, or addresses that fsspec knows (``s3://``, ``https://``...).
    blocksize : int or str, optional
        About how many bytes of a file to a partition; by default a file is one partition. Not for compressed files.
    compression : str, optional
        ``"infer"`` goes by the end of the name; ``"gzip"``, ``"bz2"``, ``"xz"``, ``"zstd"``, None, or another that
        fsspec knows.
    encoding, errors : str
        As of `open`.
    linedelimiter : str, optional
        What ends a line. By default ``"\\n"``, ``"\\r\\n"`` or ``"\\r"``, and lines end in ``"\\n"``; with ``""`` line
        ends stay as they are.
    collection : bool
        Whether to return a bag, or else its partitions as delayed values.
    storage_options : dict, optional
        For fsspec.
    files_per_partition : int, optional
        How many files to a partition.
    include_path : bool
        Whether items are tuples ``(line, path)``.

    Returns
    -------
    Bag, or list of Delayed

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If options exclude each other or are unknown.
    UnicodeDecodeError
        When it runs, if a file is in another encoding.

    Notes
    -----
    Differs from Dask: with `linedelimiter` lines are the same with and without `blocksize`, and a delimiter at the end
    of a file does not make an empty line behind it.   Source: crates/raskal-text/src/lines.rs

    Examples
    --------
    >>> import raskal.bag as db, tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.txt").write_text("one\\ntwo\\n")
    >>> db.read_text(folder / "*.txt").str.strip().compute()
    ['one', 'two']
    """
    if blocksize is not None and files_per_partition is not None:
        raise ValueError("Only one of blocksize or files_per_partition can be set")
    if files_per_partition is not None and files_per_partition < 1:
        raise ValueError(f"files_per_partition must be at least 1, got {files_per_partition}")
    codecs.lookup_error(errors)
    text = _Format(linedelimiter, codecs.lookup(encoding).name, errors)
    files = find(urlpath, storage_options)
    if blocksize is None:
        whole = [Piece(path, infer_compression(compression, path), None, None) for path in files.paths]
        step = files_per_partition or 1
        parts = [whole[start : start + step] for start in range(0, len(whole), step)]
    else:
        if "\n".encode(text.encoding) != b"\n":
            raise ValueError(
                f"blocksize can't be used with encoding {encoding!r}: lines can't be told apart inside a file\n"
                "hint: leave out blocksize"
            )
        parts = [[piece] for piece in blocks_of(files, parse_bytes(blocksize), compression)]
    call = partial(_read, files.system, parts, text, include_path)
    bag = Bag._of(Layer("read_text", [files.token(), parts, text, include_path], [len(parts)], [], call))
    return bag if collection else bag.to_delayed()


def blocks_of(files: Files, blocksize: int, compression: str | None = None) -> list[Piece]:
    """Parts of about `blocksize` bytes, the same in each file.

    Raises
    ------
    ValueError
        If a file is compressed: only its beginning can be found.
    """
    if blocksize < 1:
        raise ValueError(f"blocksize must be at least 1 byte, got {blocksize}")
    pieces = []
    for path in files.paths:
        if infer_compression(compression, path) is not None:
            raise ValueError(
                f"Cannot do chunked reads on compressed files, such as '{path}'. To read, set blocksize=None\n"
                "hint: use several files to get several partitions"
            )
        size = files.size_bytes(path)
        count = max(1, size // blocksize)
        cuts = [size * number // count for number in range(count)]
        pieces += [Piece(path, None, start, end) for start, end in zip(cuts, [*cuts[1:], None], strict=True)]
    return pieces


def _read(
    system: Any, parts: list[list[Piece]], text: _Format, include_path: bool, coordinates: tuple[int, ...]
) -> Iterator[Any]:
    pieces = parts[coordinates[0]]
    if include_path:
        return ((line, piece.path) for piece in pieces for line in _lines(system, piece, text))
    if len(pieces) == 1:
        return _lines(system, pieces[0], text)
    return chain.from_iterable(_lines(system, piece, text) for piece in pieces)


def _lines(system: Any, piece: Piece, text: _Format) -> Iterator[str]:
    native = piece.compression is None or piece.compression in NATIVE
    if system is None and native and _LINEWISE.fullmatch(text.encoding):
        end = None if text.newline is None else text.newline.encode(text.encoding)
        return TextLines(*piece, end, text.encoding, text.errors)
    return _python_lines(system, piece, text)


def _python_lines(system: Any, piece: Piece, text: _Format) -> Iterator[str]:
    with open_file(system, piece.path, "rb", piece.compression) as file:
        if piece.start is not None:
            border = text.newline.encode(text.encoding) if text.newline else b"\n"
            file = io.BytesIO(read_block(file, piece.start, piece.end, border))
        if text.newline is None or text.newline == "":
            yield from io.TextIOWrapper(file, text.encoding, text.errors, text.newline)
            return
        whole = file.read().decode(text.encoding, text.errors)
    start = 0
    while (end := whole.find(text.newline, start)) >= 0:
        end += len(text.newline)
        yield whole[start:end]
        start = end
    if start < len(whole):
        yield whole[start:]


def read_block(file: Any, start: int, end: int | None, border: bytes | None) -> bytes:
    """The bytes between two places, each moved behind the first border at or after it."""
    if border:
        start = _behind(file, start, border)
        end = None if end is None else _behind(file, end, border)
    file.seek(start)
    return file.read() if end is None else file.read(max(0, end - start))


def _behind(file: Any, place: int, border: bytes) -> int:
    if place == 0:
        return 0
    file.seek(place)
    text, dropped = b"", place
    while True:
        more = file.read(_SEARCH_BYTES)
        text += more
        found = text.find(border)
        if found >= 0:
            return dropped + found + len(border)
        if not more:
            return dropped + len(text)
        kept = len(border) - 1
        dropped += len(text) - min(kept, len(text))
        text = text[len(text) - kept :] if kept else b""
