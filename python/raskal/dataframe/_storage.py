"""Where files are: paths of this machine, and addresses that fsspec knows (``s3://``, ``gs://``, ``az://``, ``http://``...).

Start at `locate`. None stands for this machine's own files, which need no library.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A path, a pattern or a folder, and the filesystem that it is on; None for this machine's files."""

    system: Any
    path: str


def locate(urlpath: Any, storage_options: Any = None, filesystem: Any = None) -> list[Place]:
    """The places that a path, an address, or a list of them name.

    Raises
    ------
    ImportError
        If an address needs a library that is not installed.
    """
    several = urlpath if isinstance(urlpath, (list, tuple, set, frozenset)) else [urlpath]
    return [_locate(os.fspath(one), storage_options, filesystem) for one in several]


def _locate(path: str, storage_options: Any, filesystem: Any) -> Place:
    system = _given(filesystem)
    if system is not None:
        return Place(system, system._strip_protocol(path))
    if path.startswith("file://"):
        path = path.removeprefix("file://")
    if "://" not in path and "::" not in path:
        return Place(None, os.path.expanduser(path))
    try:
        import fsspec

        system, inner = fsspec.core.url_to_fs(path, **(storage_options or {}))
    except ImportError as error:
        raise ImportError(f"cannot open {path!r}: {error}\nhint: pip install fsspec and that package") from error
    return Place(system, inner)


def _given(filesystem: Any) -> Any:
    """fsspec's form of a filesystem that somebody passes; None where it stands for paths as they are."""
    if filesystem is None or isinstance(filesystem, str):
        return None
    if type(filesystem).__module__.startswith("pyarrow"):
        if filesystem.type_name == "local":
            return None
        from fsspec.implementations.arrow import ArrowFSWrapper

        return ArrowFSWrapper(filesystem)
    protocol = getattr(filesystem, "protocol", None)
    return None if "file" in ((protocol,) if isinstance(protocol, str) else protocol or ()) else filesystem


def natural(name: str) -> list[tuple[str, int]]:
    """A key for sorting by which ``part.2`` comes before ``part.10``."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]


def expand(place: Place, suffixes: Iterable[str] = ()) -> tuple[str, list[str]]:
    """The files that a place means, in natural order, and the folder that they are in.

    Of folders, and of those in them, files that end in one of `suffixes` (any, if there are none) and whose names and
    folders do not begin with ``_`` or ``.``.

    Raises
    ------
    FileNotFoundError
        If there is nothing there.
    """
    system, path = place
    if glob.has_magic(path):
        names = glob.glob(path) if system is None else system.glob(path)
        isfile: Callable[[str], bool] = os.path.isfile if system is None else system.isfile
        parts = path.split("/")
        fixed = next(place for place, part in enumerate(parts) if glob.has_magic(part))
        # One question per name is slow over a network: what a pattern finds there are files, as a rule.
        found = [str(name) for name in names if system is not None or isfile(name)]
        found = [name for name in found if not os.path.basename(name).startswith((".", "_"))]
        return "/".join(parts[:fixed]), sorted(found, key=natural)
    if system is None:
        if os.path.isdir(path):
            return path, _of_folder(path, list(_walk(path)), suffixes)
        if not os.path.exists(path):
            raise FileNotFoundError(f"no file matches '{path}'\nhint: {_hint(path)}")
        return os.path.dirname(path), [path]
    if _is_folder(system, path):
        return path, _of_folder(path, system.find(path), suffixes)
    if not system.exists(path):
        raise FileNotFoundError(f"no file matches '{address(*place)}'\nhint: the server answers that there is none")
    return path.rpartition("/")[0], [path]


def _is_folder(system: Any, path: str) -> bool:
    # Of http, a folder is a page: only what a pattern or a list names can be read.
    return "http" not in system.protocol and system.isdir(path)


def _walk(folder: str) -> Iterable[str]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            if not entry.name.startswith((".", "_")):
                yield from _walk(entry.path)
        else:
            yield entry.path


def _of_folder(folder: str, names: list[str], suffixes: Iterable[str]) -> list[str]:
    ends = tuple(suffixes)
    inside = [(name, name.removeprefix(folder).lstrip("/").split("/")) for name in names]
    kept = [name for name, parts in inside if not any(part.startswith((".", "_")) for part in parts)]
    return sorted((name for name in kept if not ends or name.endswith(ends)), key=natural)


def _hint(path: str) -> str:
    folder = os.path.dirname(path) or "."
    there = os.path.isdir(folder)
    return (
        f"the folder '{folder}' exists, the file in it does not" if there else f"the folder '{folder}' does not exist"
    )


def open_file(system: Any, path: str, mode: str = "rb") -> Any:
    """An open file."""
    return open(path, mode) if system is None else system.open(path, mode)


def address(system: Any, path: str) -> str:
    """How users write it."""
    return path if system is None else str(system.unstrip_protocol(path))
