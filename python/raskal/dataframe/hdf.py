"""Reading and writing HDF5 files, by pandas and PyTables.

Start at `read_hdf`.
"""

from __future__ import annotations

import os
from typing import Any

import pandas as pd

from raskal.dataframe._files import files
from raskal.dataframe._tasks import Calls, Each, TaskPlan
from raskal.dataframe.collection import new_collection


def read_hdf(
    pattern: Any,
    key: str,
    start: int = 0,
    stop: int | None = None,
    columns: Any = None,
    chunksize: int = 1_000_000,
    sorted_index: bool = False,
    lock: bool = True,
    mode: str = "r",
) -> Any:
    """Read tables of HDF5 files.

    Parameters
    ----------
    pattern : str, path, or list of them
    key : str
        The table; may hold ``*``.
    start, stop : int
        Rows of each table.
    columns : list of str, optional
    chunksize : int
        Rows of a partition.
    sorted_index : bool
        Whether the index is in order, so that divisions are read.
    lock, mode
        Accepted for Dask's sake.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    ValueError
        If there is no such table, or `start` is behind `stop`.
    """
    import fnmatch

    if chunksize < 1:
        raise ValueError(f"chunksize={chunksize} must be at least 1")
    pieces: list[tuple[str, str, int | None, int | None]] = []
    ends: list[Any] = []
    for name in files(pattern):
        with pd.HDFStore(name, mode="r") as store:
            keys = [one for one in store.keys() if fnmatch.fnmatch(one.lstrip("/"), key.lstrip("/"))]
            for one in keys:
                storer = store.get_storer(one)  # type: ignore[operator]
                if not storer.is_table:
                    if sorted_index or start or stop is not None:
                        raise TypeError(f"{one} of {name} is of fixed format: it can only be read as a whole")
                    pieces.append((name, one, None, None))
                    continue
                last = storer.nrows if stop is None else min(stop, storer.nrows)
                if start > storer.nrows:
                    raise ValueError(f"Start row number ({start}) is above or equal to stop row number ({last})")
                for first in range(start, max(last, start + 1), chunksize):
                    pieces.append((name, one, first, min(first + chunksize, last)))
                    if sorted_index:
                        label = store.select_column(one, "index", start=first, stop=first + 1)  # type: ignore[operator]
                        ends.append(label.iloc[0])
                if sorted_index:
                    final = store.select_column(one, "index", start=last - 1, stop=last).iloc[0]  # type: ignore[operator]
    if not pieces:
        raise ValueError(f"no table {key!r} in {pattern}")
    reader = _Reader(columns)
    name, one, begin, _ = pieces[0]
    meta = reader((name, one, begin, None if begin is None else begin + 1)).iloc[:0]
    divisions = (*ends, final) if sorted_index else None
    return new_collection(
        TaskPlan(Calls(len(pieces), [], [], reader, (Each(pieces),), name="read_hdf"), divisions), meta
    )


class _Reader:
    def __init__(self, columns: Any) -> None:
        self.columns = columns

    def __call__(self, piece: tuple[str, str, int | None, int | None]) -> Any:
        name, key, start, stop = piece
        if start is None:
            found = pd.read_hdf(name, key, mode="r")
            return found if self.columns is None else found[self.columns]
        options = {} if self.columns is None or isinstance(self.columns, str) else {"columns": self.columns}
        found = pd.read_hdf(name, key, mode="r", start=start, stop=stop, **options)
        return found[self.columns] if isinstance(self.columns, str) else found


def to_hdf(
    df: Any,
    path: Any,
    key: str,
    mode: str = "a",
    append: bool = False,
    scheduler: Any = None,
    name_function: Any = None,
    compute: bool = True,
    lock: Any = None,
    dask_kwargs: Any = None,
    **kwargs: Any,
) -> list[str]:
    """Write the partitions to HDF5, one after the other.

    Parameters
    ----------
    path, key : str
        A file and a table; one of them may hold ``*`` in place of the partition's number.
    mode : {"a", "w"}
    append : bool
        Whether a table that is there is added to.
    **kwargs
        As of `pandas.DataFrame.to_hdf`.

    Returns
    -------
    list of str
        The files.

    Raises
    ------
    NotImplementedError
        With ``compute=False``: a file of HDF5 has one writer.
    """
    if not compute:
        raise NotImplementedError("to_hdf(compute=False) is not supported\nhint: write to Parquet")
    target = os.fspath(path)
    if target.count("*") + key.count("*") > 1:
        raise ValueError("A maximum of one asterisk is accepted in file path and dataset key")
    text = name_function or (lambda number: str(number).zfill(len(str(df.npartitions - 1))))
    single = "*" not in target and "*" not in key
    names = []
    for number in range(df.npartitions):
        part = df.get_partition(number).compute(scheduler=scheduler)
        name, one = target.replace("*", text(number)), key.replace("*", text(number))
        more = single and number > 0
        file_mode = "a" if more or ("*" not in target and number > 0) else mode
        part.to_hdf(name, key=one, mode=file_mode, append=append or more, format="table", **kwargs)
        names.append(name)
    return names
