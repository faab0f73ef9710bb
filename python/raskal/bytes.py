"""`read_bytes`: files as delayed blocks of bytes, cut where a delimiter ends.

For formats that raskal has no reader for: decode the blocks in delayed functions. Source: python/raskal/bag/files.py
"""

from __future__ import annotations

from typing import Any

from raskal._raskal import Delayed
from raskal.bag.files import Files, find, infer_compression, open_file
from raskal.bag.text import Piece, blocks_of, read_block
from raskal.tokenize import tokenize
from raskal.utils import parse_bytes

__all__ = ["read_bytes"]


def read_bytes(
    urlpath: Any,
    delimiter: bytes | None = None,
    not_zero: bool = False,
    blocksize: int | str | None = "128 MiB",
    sample: int | str | bool = "10 kiB",
    compression: str | None = None,
    include_path: bool = False,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Cut files into delayed blocks of bytes.

    Parameters
    ----------
    urlpath : str, path or list of them
        Paths, patterns, or addresses that fsspec knows.
    delimiter : bytes, optional
        Blocks begin behind one, so that no record is cut.
    not_zero : bool
        Whether to leave out what comes before the first delimiter of each file: a header.
    blocksize : int or str, optional
        About how many bytes to a block; None for whole files.
    sample : int, str or bool
        How many bytes of the first file to return at once, up to the next delimiter; False for none.
    compression : str, optional
        As of `raskal.bag.read_text`. Compressed files are not cut.
    include_path : bool
        Whether to return the paths, too.
    **kwargs
        For fsspec.

    Returns
    -------
    sample : bytes or False
    blocks : list of list of Delayed
        For each file.
    paths : list of str
        If `include_path`.

    Raises
    ------
    TypeError
        If the paths have no order, or `blocksize` is no whole number.
    FileNotFoundError
        If there is no such file.
    ValueError
        If a compressed file is to be cut.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> _ = path.write_bytes(b"one|two|three|")
    >>> sample, blocks = read_bytes(path, delimiter=b"|", blocksize=5, sample=2)
    >>> sample, [block.compute() for block in blocks[0]]
    (b'one|', [b'one|two|', b'three|'])
    """
    if isinstance(urlpath, (set, frozenset)):
        raise TypeError(f"paths need an order, got a {type(urlpath).__name__}\nhint: give a list")
    if blocksize is not None:
        if isinstance(blocksize, str):
            blocksize = parse_bytes(blocksize)
        if not isinstance(blocksize, int):
            raise TypeError(f"blocksize must be a whole number of bytes, got {blocksize!r}")
    files = find(urlpath, kwargs)
    if blocksize is None:
        pieces = [Piece(path, infer_compression(compression, path), None, None) for path in files.paths]
    else:
        pieces = blocks_of(files, blocksize, compression)
    # One token for each file as it is now, so that a file that changes is read anew.
    tokens = dict(zip(files.paths, files.token(), strict=True))
    by_path: dict[str, list[Delayed]] = {path: [] for path in files.paths}
    for piece in pieces:
        key = f"read_bytes-{tokenize(tokens[piece.path], piece, delimiter, not_zero)}"
        block = Delayed._call(_read, (files.system, piece, delimiter, not_zero), None, key)
        by_path[piece.path].append(block)
    taken = _sample(files, pieces[0], delimiter, sample)
    blocks = [by_path[path] for path in files.paths]
    return (taken, blocks, files.paths) if include_path else (taken, blocks)


def _read(system: Any, piece: Piece, delimiter: bytes | None, not_zero: bool) -> bytes:
    with open_file(system, piece.path, "rb", piece.compression) as file:
        start = piece.start or 0
        if not_zero and start == 0:
            # A place behind the beginning is moved behind the first delimiter.
            start = 1
        if start == 0 and piece.end is None:
            return file.read()
        return read_block(file, start, piece.end, delimiter)


def _sample(files: Files, piece: Piece, delimiter: bytes | None, sample: int | str | bool) -> bytes | bool:
    if sample is False:
        return False
    size = 10_240 if sample is True else parse_bytes(sample)
    with open_file(files.system, piece.path, "rb", piece.compression) as file:
        taken = file.read(size)
        if not delimiter or len(taken) < size:
            return taken
        from_place = max(0, len(taken) - len(delimiter) + 1)
        while (found := taken.find(delimiter, from_place)) < 0:
            more = file.read(size)
            if not more:
                return taken
            from_place = max(0, len(taken) - len(delimiter) + 1)
            taken += more
        return taken[: found + len(delimiter)]
