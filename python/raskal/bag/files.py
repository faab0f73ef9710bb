"""Which files a path, a pattern or a list of them means, how they are compressed, and how to open them.

Start at `find`. Local files need nothing; everything with a scheme, such as ``s3://``, goes through fsspec.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import os
import re
from typing import IO, Any, cast

from raskal.utils import natural_sort_key

__all__ = ["Files", "find", "infer_compression", "open_file", "output_paths"]

NATIVE = ("gzip", "bz2", "xz", "zstd")
_BY_SUFFIX = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip", ".lz4": "lz4", ".lzma": "lzma"}
_NAMES = {"gz": "gzip", "zst": "zstd", "lzma": "lzma"}


class NoFilesError(FileNotFoundError, ValueError):
    """A path means no file."""


class Files:
    """Files of one file system.

    Attributes
    ----------
    system : fsspec file system, or None for local files
    paths : list of str
    """

    def __init__(self, system: Any, paths: list[str]) -> None:
        self.system = system
        self.paths = paths

    def size_bytes(self, path: str) -> int:
        """Length of a file."""
        return os.stat(path).st_size if self.system is None else int(self.system.size(path))

    def token(self) -> list[Any]:
        """What tells these files, as they are now, from others."""
        if self.system is not None:
            return [self.system.ukey(path) for path in self.paths]
        stats = [os.stat(path) for path in self.paths]
        return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in zip(self.paths, stats, strict=True)]


def _is_local(path: str) -> bool:
    return re.match(r"[a-zA-Z][\w+.-]*(?:://|::)", path) is None


def _fsspec() -> Any:
    try:
        import fsspec
    except ImportError as error:
        raise ImportError(
            "files that are not local, and compressions other than gzip, bz2, xz and zstd, need fsspec\n"
            "hint: pip install 'raskal[storage]'"
        ) from error
    return fsspec


def find(urlpath: Any, storage_options: dict[str, Any] | None = None) -> Files:
    """The files that a path, a pattern, or a list of paths and patterns means; those of a pattern in order.

    Raises
    ------
    NoFilesError
        A `FileNotFoundError` and a `ValueError`: one of them means no file.
    """
    given = [urlpath] if isinstance(urlpath, (str, os.PathLike)) else list(urlpath)
    paths = [os.fspath(path).removeprefix("file://").removeprefix("local://") for path in given]
    if not paths:
        raise ValueError("no path was given\nhint: pass a path, a pattern, or a list of paths")
    if not all(_is_local(path) for path in paths):
        fsspec = _fsspec()
        system, _, found = fsspec.get_fs_token_paths(paths, mode="rb", storage_options=storage_options or {})
        if not found:
            raise NoFilesError(f"No files found: {paths[0]!r}")
        return Files(system, list(found))
    found = []
    for path in paths:
        path = os.path.abspath(os.path.expanduser(path))
        matches = (
            [path] if os.path.exists(path) or not glob.has_magic(path) else sorted(glob.glob(path, recursive=True))
        )
        if not matches or not os.path.exists(matches[0]):
            raise NoFilesError(f"No files found: '{path}' does not exist\nhint: the working folder is '{os.getcwd()}'")
        found.extend(matches)
    for path in found:
        if os.path.isdir(path):
            raise IsADirectoryError(f"'{path}' is a folder\nhint: use a pattern, such as '{path}/*'")
    return Files(None, found)


def infer_compression(compression: str | None, path: str) -> str | None:
    """The name of a file's compression; ``"infer"`` goes by the end of its name.

    Raises
    ------
    ValueError
        If nothing reads it.
    """
    if compression == "infer":
        return _BY_SUFFIX.get(os.path.splitext(path)[1].lower())
    name = _NAMES.get(compression or "", compression)
    if name is None or name in NATIVE or name in _BY_SUFFIX.values():
        return name
    try:
        known = sorted(str(name) for name in _fsspec().available_compressions() if name)
    except ImportError:
        known = list(NATIVE)
    if name not in known:
        raise ValueError(f"Compression type {compression} not supported\nhint: use one of {', '.join(known)}, or None")
    return name


def open_file(system: Any, path: str, mode: str, compression: str | None) -> IO[bytes]:
    """Open a file for reading or writing bytes."""
    if system is None and compression is None:
        return open(path, mode)
    if system is None and compression in ("gzip", "bz2", "xz"):
        opener = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}[compression]
        return cast(IO[bytes], opener(path, mode))  # type: ignore[operator]
    if system is None and compression == "zstd" and "w" in mode:
        try:
            import zstandard
        except ImportError as error:
            raise ImportError("writing zstd files needs zstandard\nhint: pip install zstandard") from error
        return zstandard.open(path, mode)
    from fsspec.core import OpenFile

    system = _fsspec().filesystem("file") if system is None else system
    return OpenFile(system, path, mode=mode, compression=compression).open()


def output_paths(path: Any, count: int, suffix: str, name_function: Any, storage_options: Any) -> Files:
    """Where `count` files go: a folder, a pattern with one ``*``, or a list; local folders are made.

    Raises
    ------
    ValueError
        If a pattern has several stars, or a list another length.
    """
    if isinstance(path, (list, tuple)):
        paths = [os.fspath(each) for each in path]
        if len(paths) != count:
            raise ValueError(f"{len(paths)} paths were given for {count} partitions\nhint: give one a partition")
    else:
        paths = _named(os.fspath(path), count, suffix, name_function)
    paths = [each.removeprefix("file://").removeprefix("local://") for each in paths]
    if all(_is_local(each) for each in paths):
        paths = [os.path.abspath(os.path.expanduser(each)) for each in paths]
        for folder in {os.path.dirname(each) for each in paths}:
            os.makedirs(folder, exist_ok=True)
        return Files(None, paths)
    fsspec = _fsspec()
    system, _ = fsspec.core.url_to_fs(paths[0], **(storage_options or {}))
    paths = [system._strip_protocol(each) for each in paths]
    for folder in {each.rpartition("/")[0] for each in paths}:
        system.makedirs(folder, exist_ok=True)
    return Files(system, paths)


def _named(path: str, count: int, suffix: str, name_function: Any) -> list[str]:
    if path.count("*") > 1:
        raise ValueError(f"Output path spec must contain exactly one '*', got '{path}'")
    if "*" not in path:
        path = os.path.join(path, f"*.{suffix}")
    width = len(str(count - 1))
    names = [str(name_function(number)) if name_function else f"{number:0{width}}" for number in range(count)]
    if len(set(names)) != count:
        raise ValueError(f"name_function gave one name to several of {count} partitions: {names[:5]}")
    if names != sorted(names) and names != sorted(names, key=natural_sort_key):
        import warnings

        warnings.warn(
            "the names of the files do not sort in the order of the partitions\n"
            "hint: let name_function give names that do, so that reading a pattern keeps the order",
            stacklevel=4,
        )
    return [path.replace("*", name) for name in names]
