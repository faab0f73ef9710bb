"""Reading and writing JSON files, by pandas.

Start at `read_json`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pandas as pd

from raskal.dataframe._emulate import make_meta
from raskal.dataframe._files import compressed, files, read_files, targets, write_files
from raskal.dataframe._tasks import Calls, Each, TaskPlan
from raskal.dataframe.collection import new_collection
from raskal.utils import parse_bytes


def read_json(
    url_path: Any,
    orient: str = "records",
    lines: bool | None = None,
    storage_options: Any = None,
    blocksize: Any = None,
    sample: int = 2**20,
    encoding: str = "utf-8",
    errors: str = "strict",
    compression: Any = "infer",
    meta: Any = None,
    engine: Any = None,
    include_path_column: Any = False,
    path_converter: Any = None,
    **kwargs: Any,
) -> Any:
    """Read JSON files, by default one object per line.

    Parameters
    ----------
    url_path : str, path, or list of them
        Files or patterns.
    orient : str
        As of `pandas.read_json`.
    lines : bool, optional
        Whether each line is an object; by default if `orient` is ``"records"``.
    blocksize : int or str, optional
        About how many bytes a partition has; one per file by default. Needs `lines`.
    meta : pandas object, optional
        What a file gives, empty; by default the first one is read to find out.
    include_path_column : bool or str
        Whether a column tells the file of each row.
    **kwargs
        As of `pandas.read_json`.

    Returns
    -------
    DataFrame

    Raises
    ------
    ValueError
        If `blocksize` is given without `lines`.

    Examples
    --------
    >>> import pathlib, tempfile, raskal.dataframe as dd
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rows.json"
    >>> _ = path.write_text('{"x": 1}\\n{"x": 2}\\n')
    >>> dd.read_json(path).x.sum().compute()
    np.int64(3)
    """
    lines = orient == "records" if lines is None else lines
    if orient != "records" and lines:
        raise ValueError("Line-delimited JSON is only available with orient='records'.")
    if blocksize and (orient != "records" or not lines):
        raise ValueError("JSON file chunking only allowed for JSON-lines input (orient='records', lines=True).")
    reader = engine if callable(engine) else pd.read_json
    options = {"orient": orient, "lines": lines, **kwargs}
    if not callable(engine):
        options |= {"encoding": encoding, "encoding_errors": errors, "compression": compression}
        if engine is not None:
            options["engine"] = engine
    if not blocksize:
        column = include_path_column
        given = None if meta is None else make_meta(meta)
        return read_files(reader, url_path, options, storage_options=storage_options, path_column=column, meta=given)
    if include_path_column or storage_options:
        raise NotImplementedError("read_json(blocksize=...) takes local files without a path column")
    size = parse_bytes(blocksize) if isinstance(blocksize, str) else int(blocksize)
    blocks = [block for name in files(url_path) for block in _blocks(name, size)]
    read = _Block(reader, options)
    found = read(blocks[0]).iloc[:0] if meta is None else make_meta(meta)
    return new_collection(TaskPlan(Calls(len(blocks), [], [], read, (Each(blocks),), name="read_json")), found)


def _blocks(name: str, size: int) -> list[tuple[str, int, int]]:
    """Spans of a file, from the end of a line to that of another."""
    bounds = [0]
    with open(name, "rb") as file:
        total = file.seek(0, io.SEEK_END)
        while bounds[-1] + size < total:
            file.seek(bounds[-1] + size)
            file.readline()
            bounds.append(file.tell())
    if bounds[-1] < total or total == 0:
        bounds.append(total)
    return [(name, start, end) for start, end in zip(bounds, bounds[1:], strict=False)]


class _Block:
    """The objects of a span of a file."""

    def __init__(self, reader: Callable[..., Any], options: dict[str, Any]) -> None:
        self.reader = reader
        self.options = {**options, "compression": None} if "compression" in options else options

    def __call__(self, block: tuple[str, int, int]) -> pd.DataFrame:
        name, start, end = block
        with open(name, "rb") as file:
            file.seek(start)
            found: pd.DataFrame = self.reader(io.BytesIO(file.read(end - start)), **self.options)
        return found


def to_json(
    df: Any,
    url_path: Any,
    orient: str = "records",
    lines: bool | None = None,
    storage_options: Any = None,
    compute: bool = True,
    encoding: str = "utf-8",
    errors: str = "strict",
    compression: Any = None,
    compute_kwargs: Any = None,
    name_function: Callable[[int], str] | None = None,
    **kwargs: Any,
) -> Any:
    """Write a JSON file per partition, by default one object per line.

    Parameters
    ----------
    url_path : str or path
        A folder, or a name with ``*`` in place of the partition's number.
    orient, lines, compression, **kwargs
        As of `pandas.DataFrame.to_json`.
    compute : bool
        Whether to write at once.

    Returns
    -------
    list of str
        The files; delayed ones if not `compute`.

    Examples
    --------
    >>> import tempfile, pandas as pd, raskal.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"x": [1, 2]}), npartitions=2)
    >>> len(dd.to_json(df, tempfile.mkdtemp()))
    2
    """
    lines = orient == "records" if lines is None else lines
    if orient != "records" and lines:
        raise ValueError("Line-delimited JSON is only available with orient='records'.")
    options = {"orient": orient, "lines": lines, **kwargs}
    target = targets(url_path, df.npartitions, "part", name_function, storage_options)
    passed = {"text": {"encoding": encoding, "errors": errors}, "compression": compression or "infer"}
    return write_files(df, _to_json, target, {**passed, "options": options}, compute, **(compute_kwargs or {}))


def _to_json(part: Any, file: Any, name: str, text: dict[str, Any], compression: Any, options: dict[str, Any]) -> None:
    with compressed(file, name, compression) as raw, io.TextIOWrapper(raw, **text) as lines:
        part.to_json(lines, **options)
