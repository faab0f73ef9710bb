"""Temporary files of a shuffle: one for each partition that is read, with the parts of all partitions that are made.

Start at `Writer` and `read`. A file gets its name when it is whole; each part has a checksum. The folder is
removed with the computation, whether that ended well or not.
"""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import tempfile
import uuid
import weakref
import zlib
from collections.abc import Iterator
from typing import Any

import cloudpickle

from raskal import config

__all__ = ["Folder", "Writer", "read"]

# Where each part lies: file, then for each partition made (offset, length, checksum) of its pieces.
Index = tuple[str, list[list[tuple[int, int, int]]]]


class Folder:
    """A folder for one computation, which is removed with the object that stands for it.

    It is made by the first who writes to it. Other processes get its path, and leave removing it to this one.
    """

    def __init__(self) -> None:
        parent = config.get("temporary-directory", None) or tempfile.gettempdir()
        self.path = os.path.join(os.path.abspath(parent), f"raskal-groupby-{os.getpid()}-{uuid.uuid4().hex}")
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Elsewhere, (self.path,)


class _Elsewhere:
    """A folder of another process."""

    def __init__(self, path: str) -> None:
        self.path = path


class Writer:
    """Writes the parts of one partition.

    Attributes
    ----------
    index : tuple
        Where the parts lie; for `read`.
    """

    def __init__(self, folder: str, number: int, count: int) -> None:
        self._path = os.path.join(folder, str(number))
        self._places: list[list[tuple[int, int, int]]] = [[] for _ in range(count)]
        self._offset = 0
        self.index: Index = (self._path, self._places)

    def __enter__(self) -> Writer:
        # Only its owner may read the folder: the data may be private, and what is in it is unpickled.
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        self._file = open(f"{self._path}.part", "wb", buffering=1 << 20)
        return self

    def write(self, parts: list[dict[Any, list[Any]]]) -> None:
        """Write a piece of each part that holds something."""
        for places, part in zip(self._places, parts, strict=True):
            if not part:
                continue
            data = _pickle(part)
            try:
                self._file.write(data)
            except OSError as error:
                raise _explained(error, self._path) from error
            places.append((self._offset, len(data), zlib.crc32(data)))
            self._offset += len(data)

    def __exit__(self, kind: Any, *_: Any) -> None:
        try:
            self._file.close()
            if kind is None:
                os.replace(f"{self._path}.part", self._path)
        except OSError as error:
            raise _explained(error, self._path) from error


def read(index: Index, number: int) -> Iterator[dict[Any, list[Any]]]:
    """The pieces of one part, in the order in which they were written.

    Raises
    ------
    OSError
        If the file is gone or does not hold what was written.
    """
    path, places = index
    if not places[number]:
        return
    with open(path, "rb", buffering=0) as file:
        for offset, length, checksum in places[number]:
            file.seek(offset)
            data = file.read(length)
            if len(data) != length or zlib.crc32(data) != checksum:
                raise OSError(
                    f"the temporary file '{path}' was changed: bytes {offset} to {offset + length} are not what was "
                    "written\n"
                    "hint: compute again; if it comes back, check the disk under the setting temporary-directory"
                )
            yield pickle.loads(data)


def _pickle(part: Any) -> bytes:
    try:
        return pickle.dumps(part, protocol=5)
    except Exception:  # Functions and classes of __main__ need cloudpickle; what that can't do, it says.
        return cloudpickle.dumps(part, protocol=5)


def _explained(error: OSError, path: str) -> OSError:
    if error.errno == errno.ENOSPC:
        return OSError(
            error.errno,
            f"no space left for the temporary files of groupby in '{os.path.dirname(path)}'\n"
            "hint: set temporary-directory to a larger disk, or use foldby, which moves no items",
        )
    return error
