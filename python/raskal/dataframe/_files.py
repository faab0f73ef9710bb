"""Files as partitions, read and written by pandas: what the engine has no reader for.

Start at `read_files` and `write_files`.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from raskal.dataframe._emulate import clear_categories
from raskal.dataframe._tasks import Calls, Each, TaskPlan
from raskal.dataframe.collection import new_collection


def files(urlpath: Any, storage_options: Any = None) -> list[str]:
    """The files that paths and patterns stand for, in natural order; of URLs, those that fsspec finds.

    Raises
    ------
    OSError
        If there are none.
    """
    several = urlpath if isinstance(urlpath, (list, tuple, set)) else [urlpath]
    found: list[str] = []
    for one in several:
        path = os.fspath(one)
        if "://" in path:
            import fsspec

            system, inner = fsspec.core.url_to_fs(path, **(storage_options or {}))
            names = system.glob(inner) if glob.has_magic(inner) else [inner]
            found.extend(system.unstrip_protocol(name) for name in sorted(names, key=_natural))
        elif glob.has_magic(path):
            found.extend(sorted((name for name in glob.glob(path) if os.path.isfile(name)), key=_natural))
        elif os.path.isdir(path):
            found.extend(sorted((str(name) for name in Path(path).iterdir() if name.is_file()), key=_natural))
        else:
            if not os.path.exists(path):
                raise FileNotFoundError(f"{path} does not exist")
            found.append(path)
    if not found:
        raise OSError(f"{urlpath} resolved to no files")
    return found


def _natural(name: str) -> list[tuple[str, int]]:
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]


class _Reader:
    """pandas' reader of one file, with the dtypes of the first."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any], column: Any, dtypes: Any = None) -> None:
        self.function = function
        self.options = options
        self.column = column
        self.dtypes = dtypes
        self.__name__ = function.__name__

    def __call__(self, name: str, names: list[str]) -> pd.DataFrame:
        part: pd.DataFrame = self.function(name, **self.options)
        if self.dtypes is not None:
            part = self._like_first(part, name)
        if self.column is not None:
            part[self.column] = pd.Categorical([name] * len(part), categories=names)
        return part

    def _like_first(self, part: pd.DataFrame, name: str) -> pd.DataFrame:
        wanted = self.dtypes
        if list(part.columns) != list(wanted.index):
            raise ValueError(f"{name} has the columns {list(part.columns)}, the first file {list(wanted.index)}")
        casts = {}
        for label, dtype in wanted.items():
            own = part[label].dtype
            if own == dtype or isinstance(dtype, pd.CategoricalDtype):
                continue
            if own.kind in "iu" and dtype.kind == "f" or part[label].isna().all() or len(part) == 0:
                casts[label] = dtype
            elif own.kind == "f" and dtype.kind in "iu":
                continue  # whole numbers with gaps become floats, as in pandas
            else:
                raise ValueError(
                    f"column {label!r} of {name} is {own}, of the first file {dtype}\n"
                    f"hint: pass dtype={{{label!r}: ...}}"
                )
        return part.astype(casts) if casts else part


def read_files(
    function: Callable[..., Any],
    urlpath: Any,
    options: dict[str, Any],
    *,
    storage_options: Any = None,
    path_column: Any = None,
    meta: Any = None,
) -> Any:
    """A dataframe with a partition per file, each read by a function of pandas.

    The first file is read at once to find the columns and their types.
    """
    names = files(urlpath, storage_options)
    if storage_options:
        options = {**options, "storage_options": storage_options}
    column = "path" if path_column is True else path_column or None
    if meta is None:
        first = _Reader(function, options, column)(names[0], names)
        meta = first.iloc[:0]
    dtypes = meta.drop(columns=[column] if column is not None else []).dtypes
    reader = _Reader(function, options, column, dtypes)
    unknown = [label for label, dtype in dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    for label in unknown:
        meta = meta.assign(**{str(label): clear_categories(meta[label])})
    node = Calls(len(names), [], [], reader, (Each(names), names), name=function.__name__)
    return new_collection(TaskPlan(node), meta)


def targets(pattern: Any, count: int, suffix: str, name_function: Callable[[int], str] | None = None) -> list[str]:
    """A file name for each partition: ``*`` in a pattern stands for its number; else names in a folder."""
    target = os.fspath(pattern)
    if "*" not in target:
        target = os.path.join(target, f"*.{suffix}")
    if "://" not in target:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
    width = len(str(count - 1))
    text = name_function or (lambda number: str(number).zfill(width))
    return [target.replace("*", text(number)) for number in range(count)]


class _Writer:
    """Writes a partition by a function and gives its file's name."""

    def __init__(self, function: Callable[..., None], names: list[str], options: dict[str, Any]) -> None:
        self.function = function
        self.names = names
        self.options = options
        self.__name__ = function.__name__.strip("_")

    def __call__(self, part: Any, partition_info: Any = None) -> pd.Series:
        name = self.names[partition_info["number"]]
        self.function(part, name, **self.options)
        return pd.Series([name])


def write_files(
    df: Any, function: Callable[..., None], names: list[str], options: dict[str, Any], compute: bool
) -> Any:
    """Write each partition; gives the files' names, or a lazy series of them."""
    meta = pd.Series([], dtype="str")
    written = df.map_partitions(_Writer(function, names, options), meta=meta, clear_divisions=True)
    return written.compute().tolist() if compute else written
