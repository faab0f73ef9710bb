"""Reading tables and queries of databases, and writing to them, by pandas and SQLAlchemy.

Start at `read_sql_table`. Partitions are ranges of an index column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._emulate import make_meta
from raskal.dataframe._tasks import Calls, Each, TaskPlan
from raskal.dataframe.collection import new_collection
from raskal.utils import parse_bytes


def read_sql_query(
    sql: Any,
    con: str,
    index_col: Any,
    divisions: Any = None,
    npartitions: int | None = None,
    limits: Any = None,
    bytes_per_chunk: Any = "256 MiB",
    head_rows: int = 5,
    meta: Any = None,
    engine_kwargs: Any = None,
    **kwargs: Any,
) -> Any:
    """Read the rows of a selection, in ranges of a column.

    Parameters
    ----------
    sql : sqlalchemy selectable
    con : str
        The database's URL.
    index_col : str or sqlalchemy column
        The column that becomes the index; partitions are ranges of it.
    divisions : sequence, optional
        Where ranges begin, and where the last one ends.
    npartitions : int, optional
        How many ranges; by `bytes_per_chunk` by default.
    limits : pair, optional
        The smallest and largest label; asked of the database by default.
    bytes_per_chunk : int or str
        About how large a partition is.
    head_rows : int
        Rows that are read to find types and sizes.
    meta : DataFrame, optional
        What is read, empty.
    engine_kwargs : dict, optional
        As of `sqlalchemy.create_engine`.
    **kwargs
        As of `pandas.read_sql`.

    Returns
    -------
    DataFrame

    Raises
    ------
    TypeError
        If `con` is no URL, `sql` is text, or ranges can't be made of the column's type.
    """
    import sqlalchemy as sa

    if not isinstance(con, str):
        raise TypeError(f"'con' must be of type str, not {type(con)}: every task opens its own connection")
    if isinstance(sql, str):
        raise TypeError("sql must be a SQLAlchemy selectable, not text\nhint: sqlalchemy.select(...)")
    if index_col is None:
        raise ValueError("Must specify index column to partition on")
    if divisions is not None and npartitions is not None:
        raise TypeError("Must supply either 'divisions' or 'npartitions', not both")
    engine = sa.create_engine(con, **(engine_kwargs or {}))
    inner = sql.subquery()
    label = index_col if isinstance(index_col, str) else index_col.name
    column = inner.c[label]
    per_row = None
    if meta is None:
        head = pd.read_sql(sql.limit(head_rows), engine, index_col=label, **kwargs)
        if len(head) == 0:
            found = pd.read_sql(sql, engine, index_col=label, **kwargs)
            engine.dispose()
            from raskal.dataframe.memory import from_pandas

            return from_pandas(found, npartitions=1)
        per_row = head.memory_usage(deep=True, index=True).sum() / len(head)
        meta = head.iloc[:0]
    else:
        meta = make_meta(meta)
    if divisions is None:
        with engine.connect() as connection:
            if limits is None:
                low, high = connection.execute(sa.select(sa.func.min(column), sa.func.max(column))).one()
            else:
                low, high = limits
            if npartitions is None:
                rows = connection.execute(sa.select(sa.func.count()).select_from(inner)).scalar() or 0
                if per_row is None:
                    raise ValueError("Must provide 'divisions' or 'npartitions' when using a custom 'meta'")
                size = parse_bytes(bytes_per_chunk) if isinstance(bytes_per_chunk, str) else int(bytes_per_chunk)
                npartitions = max(int(round(rows * per_row / size)), 1)
        divisions = _even(low, high, npartitions)
    engine.dispose()
    divisions = list(divisions)
    ranges = Each(
        [
            (low, high, place == len(divisions) - 2)
            for place, (low, high) in enumerate(zip(divisions, divisions[1:], strict=False))
        ]
    )
    reader = _Range(sql, con, label, engine_kwargs or {}, kwargs, meta)
    plan = TaskPlan(Calls(len(ranges.values), [], [], reader, (ranges,), name="read_sql"), tuple(divisions))
    return new_collection(plan, meta)


def _even(low: Any, high: Any, npartitions: int) -> list[Any]:
    if isinstance(low, str) and _is_time(low):
        low, high = pd.Timestamp(low), pd.Timestamp(high)
    if isinstance(low, (int, float, np.number)) and not isinstance(low, bool):
        cuts = np.linspace(low, high, npartitions + 1).tolist()
        if isinstance(low, (int, np.integer)):
            cuts = sorted({round(cut) for cut in cuts})
            return cuts if len(cuts) > 1 else [low, high]
        return cuts
    if hasattr(low, "isoformat"):
        return list(pd.date_range(low, high, periods=npartitions + 1))
    if npartitions == 1:
        return [low, high]
    raise TypeError(
        f'Provided index column is of type "{type(low).__name__}".  If divisions is not provided the index column type '
        "must be numeric or datetime."
    )


def _is_time(text: str) -> bool:
    try:
        pd.Timestamp(text)
    except ValueError:
        return False
    return True


class _Range:
    """The rows of a range."""

    def __init__(
        self, sql: Any, con: str, label: str, engine: dict[str, Any], options: dict[str, Any], meta: Any
    ) -> None:
        self.sql = sql
        self.con = con
        self.label = label
        self.engine = engine
        self.options = options
        self.meta = meta

    def __raskal_tokenize__(self) -> Any:
        return ("sql", str(self.sql), self.con, self.label, str(self.options), str(self.meta.dtypes.to_dict()))

    def __call__(self, span: tuple[Any, Any, bool]) -> pd.DataFrame:
        import sqlalchemy as sa

        low, high, last = span
        column = self.sql.subquery().c[self.label]
        inner = column.table
        upper = column <= _plain(high) if last else column < _plain(high)
        query = sa.select(inner).where(sa.and_(column >= _plain(low), upper)).order_by(column)
        engine = sa.create_engine(self.con, **self.engine)
        try:
            found = pd.read_sql(query, engine, index_col=self.label, **self.options)
        finally:
            engine.dispose()
        return found if len(found) else self.meta


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if isinstance(value, np.generic) else value


def read_sql_table(
    table_name: Any,
    con: str,
    index_col: Any,
    divisions: Any = None,
    npartitions: int | None = None,
    limits: Any = None,
    columns: Any = None,
    bytes_per_chunk: Any = "256 MiB",
    head_rows: int = 5,
    schema: str | None = None,
    meta: Any = None,
    engine_kwargs: Any = None,
    **kwargs: Any,
) -> Any:
    """Read a table, in ranges of a column.

    Parameters
    ----------
    table_name : str
    con, index_col, divisions, npartitions, limits, bytes_per_chunk, head_rows, meta, engine_kwargs
        As of `read_sql_query`.
    columns : list of str, optional
    schema : str, optional

    Returns
    -------
    DataFrame
    """
    import sqlalchemy as sa

    if not isinstance(table_name, str):
        raise TypeError(f"`table_name` must be of type str, not {type(table_name)}")
    if not isinstance(con, str):
        raise TypeError(f"`con` must be of type str, not {type(con)}: every task opens its own connection")
    engine = sa.create_engine(con, **(engine_kwargs or {}))
    table = sa.Table(table_name, sa.MetaData(), autoload_with=engine, schema=schema)
    engine.dispose()
    label = index_col if isinstance(index_col, str) else index_col.name
    wanted = None if columns is None else [one if isinstance(one, str) else one.name for one in columns]
    chosen = list(table.columns) if wanted is None else [table.c[one] for one in dict.fromkeys([*wanted, label])]
    return read_sql_query(
        sa.select(*chosen), con, label, divisions, npartitions, limits, bytes_per_chunk, head_rows, meta, engine_kwargs,
        **kwargs,
    )  # fmt: skip


def read_sql(sql: Any, con: str, index_col: Any, **kwargs: Any) -> Any:
    """Read a table by its name, or the rows of a selection. See `read_sql_table` and `read_sql_query`."""
    return (read_sql_table if isinstance(sql, str) else read_sql_query)(sql, con, index_col, **kwargs)


def to_sql(
    df: Any,
    name: str,
    uri: str,
    schema: str | None = None,
    if_exists: str = "fail",
    index: bool = True,
    index_label: Any = None,
    chunksize: int | None = None,
    dtype: Any = None,
    method: Any = None,
    compute: bool = True,
    parallel: bool = False,
    engine_kwargs: Any = None,
) -> None:
    """Write the partitions to a table of a database, one after the other.

    Parameters
    ----------
    name : str
        The table.
    uri : str
        The database's URL.
    if_exists : {"fail", "replace", "append"}
    schema, index, index_label, chunksize, dtype, method
        As of `pandas.DataFrame.to_sql`.
    parallel : bool
        Accepted for Dask's sake: partitions are written in order.

    Raises
    ------
    ValueError
        If `uri` is no URL; if the table exists and `if_exists` is ``"fail"``.
    NotImplementedError
        With ``compute=False``.
    """
    import sqlalchemy as sa

    if not isinstance(uri, str):
        raise ValueError(f"Expected URI to be a string, got {type(uri)}.")
    if not compute:
        raise NotImplementedError("to_sql(compute=False) is not supported\nhint: wrap it in raskal.delayed")
    options: dict[str, Any] = {
        "schema": schema, "index": index, "index_label": index_label, "chunksize": chunksize, "dtype": dtype,
        "method": method,
    }  # fmt: skip
    engine = sa.create_engine(uri, **(engine_kwargs or {}))
    try:
        df._meta.to_sql(name, engine, if_exists=if_exists, **options)
        for number in range(df.npartitions):
            df.get_partition(number).compute().to_sql(name, engine, if_exists="append", **options)
    finally:
        engine.dispose()
