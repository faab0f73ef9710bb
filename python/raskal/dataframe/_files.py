"""Files as partitions, read and written by pandas: what the engine has no reader for.

Start at `read_files` and `write_files`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pandas as pd

from raskal.dataframe._commit import Stage
from raskal.dataframe._emulate import clear_categories
from raskal.dataframe._storage import address, expand, locate
from raskal.dataframe._tasks import Calls, Each, Slot, TaskPlan
from raskal.dataframe.collection import new_collection
from raskal.dataframe.scalar import Scalar


def files(urlpath: Any, storage_options: Any = None) -> list[str]:
    """The files that paths, folders and patterns stand for, in natural order; of addresses, those that fsspec finds.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    OSError
        If a pattern or a folder means no file.
    """
    found: list[str] = []
    for place in locate(urlpath, storage_options):
        found.extend(address(place.system, name) for name in expand(place)[1])
    if not found:
        raise OSError(f"{urlpath} resolved to no files")
    return found


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


def targets(
    pattern: Any,
    count: int,
    suffix: str,
    name_function: Callable[[int], str] | None = None,
    storage_options: Any = None,
) -> tuple[Any, list[str]]:
    """A filesystem, and a path for each partition: ``*`` in a pattern stands for its number; else names in a folder.

    Raises
    ------
    ValueError
        If there is more than one ``*``; if `name_function` gives texts out of order, or one twice.
    """
    (place,) = locate(pattern, storage_options)
    target = place.path
    if "*" not in target:
        target = os.path.join(target, f"*.{suffix}")
    if target.count("*") > 1:
        raise ValueError(f"Output path spec {pattern!r} must contain at most one '*'.")
    width = len(str(count - 1))
    text = name_function or (lambda number: str(number).zfill(width))
    names = [target.replace("*", str(text(number))) for number in range(count)]
    if len(set(names)) != len(names):
        raise ValueError(f"name_function gave a name twice: {names[0]}")
    return place.system, names


class _Writer:
    """Writes a partition by ``function(part, file, **options)`` into a file that is not there yet."""

    def __init__(self, function: Callable[..., None], stage: Stage, options: dict[str, Any], alone: bool) -> None:
        self.function = function
        self.stage = stage
        self.options = options
        self.alone = alone
        self.__name__ = function.__name__.strip("_")

    def __call__(self, part: Any, name: str) -> str:
        with self.stage.writing(name) as file:
            self.function(part, file, name, **self.options)
        if self.alone:
            self.stage.commit([name])
        return address(self.stage.system, name)


class _Commit:
    """Gives all files their names."""

    def __init__(self, stage: Stage, names: list[str]) -> None:
        self.stage = stage
        self.names = names
        self.__name__ = "commit"

    def __call__(self, written: list[str]) -> list[str]:
        self.stage.commit(self.names)
        return written


def write_files(
    df: Any,
    function: Callable[..., None],
    target: tuple[Any, list[str]],
    options: dict[str, Any],
    compute: bool,
    **compute_kwargs: Any,
) -> Any:
    """Write each partition: files get their names when all of them are written.

    Returns
    -------
    list of str
        The files' names; if not `compute`, a delayed object for each, whose file gets its name by itself.
    """
    system, names = target
    stage = Stage(system)
    plan = df._task_plan()
    writer = _Writer(function, stage, options, alone=not compute)
    node = Calls(plan.npartitions, [plan.node], [None], writer, (Slot(0), Each(names)), name=writer.__name__)
    if not compute:
        return Scalar(TaskPlan(node), None).to_delayed()
    every = [[list(range(plan.npartitions))]]
    last = Calls(1, [node], every, _Commit(stage, names), gather=True, name="commit")
    stage.begin(os.path.dirname(names[0]))
    try:
        written: list[str] = Scalar(TaskPlan(last), None).compute(**compute_kwargs)
    except BaseException:
        stage.end()
        stage.discard(names)
        raise
    stage.end()
    return written


def compressed(file: Any, name: str, compression: Any) -> Any:
    """The open binary file through a compressor; ``"infer"`` goes by the name.

    Raises
    ------
    ValueError
        If there is no such compression.
    """
    method = compression
    if compression == "infer":
        method = next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)
    if method is None:
        return nullcontext(file)
    import bz2
    import gzip
    import lzma

    openers: dict[str, Callable[..., Any]] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    if method not in openers:
        raise ValueError(f"compression={method!r} is not supported\nhint: one of {[*openers]}, or None")
    return openers[method](file, "wb")


_SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz"}
