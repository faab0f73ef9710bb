"""Reading and writing ORC files, by pyarrow.

Start at `read_orc`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from raskal.dataframe._files import read_files, targets, write_files


def read_orc(
    path: Any,
    engine: str = "pyarrow",
    columns: Any = None,
    index: Any = None,
    split_stripes: Any = 1,
    aggregate_files: Any = None,
    storage_options: Any = None,
) -> Any:
    """Read ORC files, a partition each.

    Parameters
    ----------
    path : str, path, or list of them
        Files, patterns or a folder.
    columns : list of str, optional
    index : str, optional
        The column that becomes the index.
    engine, split_stripes, aggregate_files
        Accepted for Dask's sake.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> import tempfile, pandas as pd, raskal.dataframe as dd
    >>> folder = tempfile.mkdtemp()
    >>> _ = dd.to_orc(dd.from_pandas(pd.DataFrame({"x": [1, 2]}), npartitions=2), folder, write_index=False)
    >>> dd.read_orc(folder).x.sum().compute()
    np.int64(3)
    """
    return read_files(_read_orc, path, {"columns": columns, "index": index}, storage_options=storage_options)


def _read_orc(name: str, columns: Any = None, index: Any = None, storage_options: Any = None) -> pd.DataFrame:
    wanted = columns if columns is None or index is None else [*columns, index]
    found = pd.read_orc(name, columns=wanted)
    if index is not None:
        found = found.set_index(index)
    return found if columns is None else found[columns]


def to_orc(
    df: Any,
    path: Any,
    engine: str = "pyarrow",
    write_index: bool = True,
    storage_options: Any = None,
    compute: bool = True,
    compute_kwargs: Any = None,
) -> Any:
    """Write a folder of ORC files, one per partition.

    Parameters
    ----------
    path : str or path
        The folder.
    write_index : bool
        Whether the index becomes a column.
    compute : bool
        Whether to write at once.

    Returns
    -------
    list of str
        The files; delayed ones if not `compute`.
    """
    target = targets(path, df.npartitions, "orc", lambda number: f"part.{number}", storage_options)
    return write_files(df, _to_orc, target, {"write_index": write_index}, compute, **(compute_kwargs or {}))


def _to_orc(part: pd.DataFrame, file: Any, name: str, write_index: bool) -> None:
    table = part.reset_index() if write_index else part.reset_index(drop=True)
    table.to_orc(file, index=False)
