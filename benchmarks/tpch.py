"""All 22 queries of TPC-H, one after the other, from Parquet.

Start at `CASES`. raskal gets them with pandas' methods (`benchmarks/tpch_queries.py`), DuckDB as SQL
(`benchmarks/tpch_sql.py`). Every answer is compared with DuckDB's before a library is timed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.case import Case, Prepared, expect
from benchmarks.tpch_data import TABLES, ensure
from benchmarks.tpch_sql import SQL
from examples.make_data import Size

SCALES = {"full": float(os.environ.get("RASKAL_TPCH_SCALE", "1")), "small": 0.02}
Answers = dict[int, Any]


def folder_of(size: Size) -> Path:
    """The tables of a size."""
    size.folder.mkdir(parents=True, exist_ok=True)
    return ensure(SCALES[size.name], size.folder)


def answer(found: Any) -> Any:
    """A result as a table of plain values: scalars have one row, labels and names of columns do not count."""
    import pandas as pd

    found = found.compute() if hasattr(found, "compute") else found
    table = found if isinstance(found, pd.DataFrame) else pd.DataFrame({"value": [found]})
    return table.set_axis(range(table.shape[1]), axis=1).reset_index(drop=True)


def same(one: Any, other: Any) -> None:
    """Raise `WrongAnswerError` unless two answers have the same rows, numbers to nine digits, in any order.

    Raises
    ------
    WrongAnswerError
        The message shows what differs.
    """
    import numpy as np
    import pandas as pd

    expect(one.shape == other.shape, f"{one.shape} rows and columns, expected {other.shape}")

    def column(values: Any) -> Any:
        if pd.api.types.is_datetime64_any_dtype(values):
            return values.astype("datetime64[us]").astype("int64").astype("float64")
        return values.astype("float64") if pd.api.types.is_numeric_dtype(values) else values.astype("object")

    def ordered(table: Any) -> Any:
        table = pd.DataFrame({label: column(table[label]) for label in table.columns})
        exact = [label for label in table.columns if table[label].dtype == object]
        numbers = [label for label in table.columns if label not in exact]
        keys = table.assign(**{f"k{label}": table[label].round(2) for label in numbers})
        by = exact + [f"k{label}" for label in numbers]
        return keys.sort_values(by).reset_index(drop=True) if by else table

    left, right = ordered(one), ordered(other)
    for label in one.columns:
        if left[label].dtype == object:
            expect(left[label].tolist() == right[label].tolist(), f"column {label} differs")
        else:
            close = np.allclose(left[label], right[label], rtol=1e-9, atol=1e-6, equal_nan=True)
            expect(close, f"column {label} is {left[label].tolist()[:3]}..., expected {right[label].tolist()[:3]}...")


def duckdb_tables(folder: Path) -> Any:
    """A connection that knows the tables."""
    import duckdb

    connection = duckdb.connect()
    for name in TABLES:
        connection.execute(f"create view {name} as select * from read_parquet('{folder}/{name}/*.parquet')")
    return connection


def duckdb_answer(connection: Any, number: int) -> Any:
    """DuckDB's answer to a question."""
    return connection.execute(SQL[number]).df()


def raskal_all(folder: Path) -> Answers:
    """All answers of raskal."""
    import raskal.dataframe as dd
    from benchmarks.tpch_queries import QUERIES

    tables = {name: dd.read_parquet(str(folder / name)) for name in TABLES}
    return {number: answer(query(tables)) for number, query in QUERIES.items()}


def duckdb_all(folder: Path) -> Answers:
    """All answers of DuckDB."""
    connection = duckdb_tables(folder)
    return {number: answer(duckdb_answer(connection, number)) for number in SQL}


def setup(run: Callable[[Path], Answers]) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up all queries: the files exist, and the answers are known."""

    @contextmanager
    def with_data(size: Size) -> Iterator[Prepared]:
        folder = folder_of(size)
        expected = duckdb_all(folder)

        def check(answers: Answers) -> None:
            expect(set(answers) == set(expected), f"{len(answers)} answers, expected {len(expected)}")
            for number, found in answers.items():
                try:
                    same(found, expected[number])
                except Exception as error:
                    expect(False, f"query {number}: {error}")

        yield Prepared(lambda: run(folder), check)

    return with_data


CASES = [
    Case(
        name="tpch",
        title="TPC-H, all 22 queries from Parquet",
        unit="s",
        libraries={"raskal": setup(raskal_all), "DuckDB": setup(duckdb_all)},
        bars={"DuckDB": 1.25},
    )
]
