"""Reading and writing CSV files.

Start at `read_csv`. Reading is native; with options that the engine's reader does not have, pandas reads each file
as one partition.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal._raskal import frame_read_csv
from raskal.dataframe._commit import Stage
from raskal.dataframe._convert import meta_of
from raskal.dataframe._files import compressed, read_files, targets, write_files
from raskal.dataframe._storage import address, locate, open_file
from raskal.dataframe.frame import DataFrame
from raskal.utils import parse_bytes

_DEFAULT_BLOCK_BYTES = 64_000_000
_MISSING = "|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null".split(
    "|"
)
_COMPRESSED = (".gz", ".bz2", ".zip", ".xz", ".zst", ".tar")
# Options of pandas that change nothing here, or only how pandas itself reads.
_IGNORED = {"engine", "low_memory", "memory_map", "encoding", "storage_options", "on_bad_lines", "float_precision"}


def read_csv(
    urlpath: Any,
    blocksize: Any = "default",
    lineterminator: Any = None,
    compression: Any = "infer",
    sample: int = 256_000,
    sample_rows: int = 10,
    enforce: bool = False,
    assume_missing: bool = False,
    storage_options: Any = None,
    include_path_column: bool = False,
    *,
    sep: str = ",",
    delimiter: str | None = None,
    quotechar: str = '"',
    header: Any = "infer",
    names: Any = None,
    usecols: Any = None,
    dtype: Any = None,
    parse_dates: Any = None,
    na_values: Any = None,
    keep_default_na: bool = True,
    **kwargs: Any,
) -> Any:
    """Read CSV files.

    Parameters
    ----------
    urlpath : str, path, or list of them
        Files or patterns such as ``data/*.csv``.
    blocksize : int, str or None
        About how long a partition is, in bytes or as ``"64MB"``; None for one partition per file.
    sample : int
        How much of the first file decides the types, in bytes.
    assume_missing : bool
        Whether columns of whole numbers are read as floats.
    sep, delimiter : str
        Between fields; one character.
    quotechar : str
        Around fields; one character.
    header : 0 or None
        Whether the first line of each file names the columns.
    names : list of str, optional
        The columns' names.
    usecols : list of str, optional
        Only these columns.
    dtype : str, type or dict, optional
        Type of all columns, or of some by name.
    parse_dates : list of str, optional
        Columns of dates and times (ISO 8601).
    na_values : str or list of str, optional
        Further texts that mean "no value".
    keep_default_na : bool
        Whether pandas' own such texts count.

    Returns
    -------
    DataFrame
        Its index is each row's position in its partition.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a row of the sample has too many fields; for later rows, `compute` raises it. Both name file and line.
    KeyError
        If an option names a column that does not exist.
        If rows can't be read in partitions with an option (``index_col``, ``nrows``).

    Notes
    -----
    Differs from Dask: whole numbers that turn out to have gaps become floats, as in pandas, instead of an error.
    Line ends inside quotes need ``blocksize=None``.
    Source: crates/raskal-frame/src/csv/mod.rs

    Examples
    --------
    >>> import pathlib, tempfile, raskal.dataframe as dd
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "accounts.csv"
    >>> _ = path.write_text("name,balance\\nAda,1.5\\nBob,2\\nAda,3\\n")
    >>> dd.read_csv(path).groupby("name").balance.mean().compute()
    name
    Ada    2.25
    Bob    2.00
    Name: balance, dtype: float64
    """
    encoding = str(kwargs.get("encoding") or "utf-8").lower().replace("_", "-")
    unknown = sorted(set(kwargs) - _IGNORED)
    native = (
        not unknown
        and not include_path_column
        and not storage_options
        and compression in ("infer", None)
        and not (compression == "infer" and any(one.endswith(_COMPRESSED) for one in paths(urlpath)))
        and not any("://" in one for one in paths(urlpath))
        and encoding in ("utf-8", "utf8", "utf-8-sig", "ascii")
        and header in ("infer", 0, None)
        and not isinstance(na_values, dict)
        and not callable(usecols)
        and len(str(delimiter or sep)) == 1
        and (parse_dates is None or isinstance(parse_dates, (str, list)))
    )
    if not native:
        if blocksize not in ("default", None) and compression not in ("infer", None):
            raise ValueError(f"files compressed by {compression!r} can't be cut\nhint: pass blocksize=None")
        given_options = {
            "compression": compression, "sep": delimiter or sep, "quotechar": quotechar, "header": header,
            "names": names,
            "usecols": usecols, "dtype": dtype, "parse_dates": parse_dates, "na_values": na_values,
            "keep_default_na": keep_default_na, "lineterminator": lineterminator, **kwargs,
        }  # fmt: skip
        for name in ("index_col", "iterator", "chunksize", "nrows"):
            if kwargs.get(name) is not None and kwargs[name] is not False:
                hint = "set_index after reading" if name == "index_col" else "use head(), or pandas.read_csv"
                raise ValueError(f"read_csv({name}=...) is not supported for several partitions\nhint: {hint}")
        options = {name: value for name, value in given_options.items() if value is not None or name == "header"}
        if header == "infer":
            options.pop("header")
        column = include_path_column
        return read_files(pd.read_csv, urlpath, options, storage_options=storage_options, path_column=column)
    has_header = header == 0 or (header == "infer" and names is None)
    dates = [parse_dates] if isinstance(parse_dates, str) else list(parse_dates or [])
    given = _dtypes(dtype)
    missing = (_MISSING if keep_default_na else []) + _listed(na_values)

    def plan(dtypes: list[tuple[str, str]]) -> Any:
        return frame_read_csv(
            paths(urlpath),
            sep=delimiter or sep,
            quotechar=quotechar,
            header=has_header,
            names=None if names is None else [str(name) for name in names],
            usecols=None if usecols is None else [str(name) for name in usecols],
            dtypes=dtypes,
            dates=dates,
            blocksize=_block_bytes(blocksize),
            missing=missing,
            sample=int(sample),
        )

    dtypes = given if isinstance(given, dict) else {}
    found = plan([(name, _engine_dtype(one)) for name, one in dtypes.items()])
    if not isinstance(given, dict) or assume_missing:
        fallback = given if not isinstance(given, dict) else "float64"
        integers = [field.name for field in list(found.schema)[1:] if str(field.type) == "int64"]
        chosen = integers if isinstance(given, dict) else found.names
        dtypes = {**dict.fromkeys(chosen, fallback), **dtypes}
        found = plan([(name, _engine_dtype(one)) for name, one in dtypes.items()])
    meta = meta_of(found.schema, {name: one for name, one in dtypes.items() if name in found.names})
    return DataFrame(found, meta)


def paths(urlpath: Any) -> list[str]:
    """Paths and patterns as text."""
    several = urlpath if isinstance(urlpath, (list, tuple, set)) else [urlpath]
    return [os.fspath(path) for path in several]


def _listed(values: Any) -> list[str]:
    if values is None:
        return []
    if isinstance(values, dict):
        raise NotImplementedError("na_values by column is not supported\nhint: pass a list")
    return [str(value) for value in ([values] if isinstance(values, (str, int, float)) else values)]


def _dtypes(dtype: Any) -> Any:
    if dtype is None:
        return {}
    return dict(dtype) if isinstance(dtype, dict) else dtype


def _engine_dtype(dtype: Any) -> str:
    """The engine's name of a dtype: extension dtypes are read as what they hold."""
    if isinstance(dtype, str) and dtype in ("category", "object"):
        return dtype
    resolved = pd.api.types.pandas_dtype(dtype)
    if isinstance(resolved, pd.CategoricalDtype):
        return "category"
    if isinstance(resolved, pd.StringDtype):
        return "str"
    if isinstance(resolved, np.dtype):
        return "object" if resolved.kind in "OUS" else resolved.name
    inner = getattr(resolved, "numpy_dtype", None)
    return inner.name if inner is not None else str(resolved)


def _block_bytes(blocksize: Any) -> int | None:
    if blocksize is None:
        return None
    if blocksize == "default":
        return _DEFAULT_BLOCK_BYTES
    size = parse_bytes(blocksize) if isinstance(blocksize, str) else int(blocksize)
    if size < 1:
        raise ValueError(f"blocksize={blocksize!r} must be positive, or None for one partition per file")
    return size


def to_csv(
    df: Any,
    filename: Any,
    single_file: bool = False,
    encoding: str = "utf-8",
    mode: str = "wt",
    name_function: Callable[[int], str] | None = None,
    compression: Any = None,
    compute: bool = True,
    scheduler: Any = None,
    storage_options: Any = None,
    header_first_partition_only: bool | None = None,
    compute_kwargs: Any = None,
    **kwargs: Any,
) -> Any:
    """Write a CSV file per partition, by pandas.

    Parameters
    ----------
    filename : str or path
        A folder, or a name with ``*`` in place of the partition's number.
    single_file : bool
        Whether to write one file, partition after partition.
    mode : {"w", "x", "a"}
        Whether a single file replaces one that is there, is refused, or is added to one.
    compression : str, optional
        ``"gzip"``, ``"bz2"``, ``"xz"``; by default, names say so.
    header_first_partition_only : bool, optional
        Whether only the first file names the columns; always so of a single file.
    name_function : callable, optional
        Gives the text in place of ``*`` for a partition's number.
    compute : bool
        Whether to write at once.
    **kwargs
        As of `pandas.DataFrame.to_csv`: ``index``, ``sep``, ``columns``...

    Returns
    -------
    list of str
        The files, in order; delayed ones if not `compute`. They appear when all of them are written.

    Examples
    --------
    >>> import tempfile, pandas as pd, raskal.dataframe as dd
    >>> df = dd.from_pandas(pd.DataFrame({"x": [1, 2, 3]}), npartitions=2)
    >>> len(df.to_csv(tempfile.mkdtemp() + "/part-*.csv", index=False))
    2
    """
    computing = {**({} if scheduler is None else {"scheduler": scheduler}), **(compute_kwargs or {})}
    if header_first_partition_only is None:
        header_first_partition_only = single_file
    elif single_file and not header_first_partition_only:
        raise ValueError("header_first_partition_only cannot be False in the single file mode.")
    passed: dict[str, Any] = {"encoding": encoding, "compression": compression or "infer", "options": kwargs}
    if single_file:
        if not compute:
            raise NotImplementedError("to_csv(single_file=True, compute=False) is not supported\nhint: raskal.delayed")
        return _to_single(df, filename, mode, storage_options, computing, **passed)
    if mode not in ("w", "wt", "wb"):
        raise ValueError(f"mode={mode!r}: files of several partitions can't be added to\nhint: pass single_file=True")
    target = targets(filename, df.npartitions, "part", name_function, storage_options)
    header = [kwargs.get("header", True)] + [
        False if header_first_partition_only else kwargs.get("header", True) for _ in range(df.npartitions - 1)
    ]
    headers = dict(zip(target[1], header, strict=True))
    return write_files(df, _to_csv, target, {**passed, "headers": headers}, compute, **computing)


def _to_csv(
    part: Any, file: Any, name: str, encoding: str, compression: Any, options: dict[str, Any], headers: dict[str, Any]
) -> None:
    with compressed(file, name, compression) as raw, io.TextIOWrapper(raw, encoding, newline="") as lines:
        part.to_csv(lines, **{**options, "header": headers[name]})


def _to_single(
    df: Any,
    filename: Any,
    mode: str,
    storage_options: Any,
    computing: dict[str, Any],
    encoding: str,
    compression: Any,
    options: dict[str, Any],
) -> list[str]:
    """One file, partition after partition: it gets its name at the end, unless it is added to."""
    (place,) = locate(filename, storage_options)
    stage = Stage(place.system)
    if "x" in mode and (os.path.exists(place.path) if place.system is None else place.system.exists(place.path)):
        raise FileExistsError(f"{filename} exists already\nhint: pass mode='w' to replace it")
    writing = open_file(place.system, place.path, "ab") if "a" in mode else stage.writing(place.path)
    with writing as file, compressed(file, place.path, compression) as raw:
        for number in range(df.npartitions):
            part = df.get_partition(number).compute(**computing)
            header = options.get("header", True) if number == 0 else False
            lines = io.TextIOWrapper(raw, encoding, newline="", write_through=True)
            part.to_csv(lines, **{**options, "header": header})
            lines.detach()
    if "a" not in mode:
        stage.commit([place.path])
    return [address(place.system, place.path)]


def read_table(urlpath: Any, blocksize: Any = "default", *, sep: str = "\t", **kwargs: Any) -> Any:
    """Read files of columns that tabs separate. See `read_csv`.

    Examples
    --------
    >>> import pathlib, tempfile, raskal.dataframe as dd
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rows.tsv"
    >>> _ = path.write_text("a\\tb\\n1\\t2\\n")
    >>> dd.read_table(path).b.sum().compute()
    np.int64(2)
    """
    return read_csv(urlpath, blocksize, sep=sep, **kwargs)


def read_fwf(
    urlpath: Any,
    blocksize: Any = "default",
    compression: Any = "infer",
    storage_options: Any = None,
    include_path_column: Any = False,
    **kwargs: Any,
) -> Any:
    """Read files of columns of fixed width, a partition each, by pandas.

    Parameters
    ----------
    urlpath : str, path, or list of them
    blocksize
        Accepted for Dask's sake.
    include_path_column : bool or str
        Whether a column tells the file of each row.
    **kwargs
        As of `pandas.read_fwf`.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> import pathlib, tempfile, raskal.dataframe as dd
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rows.txt"
    >>> _ = path.write_text("name x\\nAda  1\\nBob  2\\n")
    >>> dd.read_fwf(path).x.sum().compute()
    np.int64(3)
    """
    for name in ("sample", "sample_rows", "enforce", "assume_missing", "lineterminator"):
        kwargs.pop(name, None)
    options = {"compression": compression, **kwargs}
    column = include_path_column
    return read_files(pd.read_fwf, urlpath, options, storage_options=storage_options, path_column=column)
