"""Group-by mean over 1 GB of CSV and over its Parquet copy.

Start at `CASES`. Every library gets the query in its own words, reads the same files, and may use both cores and
whatever it prunes by itself; pandas, which prunes nothing, is told the columns. The answer to meet comes from the
generator.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks.case import Case, Prepared, expect
from examples.make_data import Size, ensure, expected_means

Query = Callable[[Size], Mapping[Any, float]]


def raskal_csv(size: Size) -> Mapping[Any, float]:
    """Query CSV with raskal."""
    import raskal.dataframe as dd

    return dd.read_csv(size.csv).groupby("name").balance.mean().compute().to_dict()


def raskal_parquet(size: Size) -> Mapping[Any, float]:
    """Query Parquet with raskal."""
    import raskal.dataframe as dd

    return dd.read_parquet(size.parquet).groupby("name").balance.mean().compute().to_dict()


def dask_csv(size: Size) -> Mapping[Any, float]:
    """Query CSV with Dask."""
    import dask.dataframe as dd

    return dd.read_csv(size.csv).groupby("name").balance.mean().compute().to_dict()


def dask_parquet(size: Size) -> Mapping[Any, float]:
    """Query Parquet with Dask."""
    import dask.dataframe as dd

    return dd.read_parquet(size.parquet).groupby("name").balance.mean().compute().to_dict()


def pandas_csv(size: Size) -> Mapping[Any, float]:
    """Query CSV with pandas."""
    import pandas as pd

    parts = [pd.read_csv(path, usecols=["name", "balance"]) for path in sorted(glob.glob(size.csv))]
    return pd.concat(parts).groupby("name").balance.mean().to_dict()


def pandas_parquet(size: Size) -> Mapping[Any, float]:
    """Query Parquet with pandas."""
    import pandas as pd

    return pd.read_parquet(size.parquet, columns=["name", "balance"]).groupby("name").balance.mean().to_dict()


def polars_csv(size: Size) -> Mapping[Any, float]:
    """Query CSV with Polars' streaming engine."""
    import polars as pl

    query = pl.scan_csv(size.csv).group_by("name").agg(pl.col("balance").mean())
    return dict(query.collect(engine="streaming").iter_rows())


def polars_parquet(size: Size) -> Mapping[Any, float]:
    """Query Parquet with Polars' streaming engine."""
    import polars as pl

    query = pl.scan_parquet(f"{size.parquet}/*.parquet").group_by("name").agg(pl.col("balance").mean())
    return dict(query.collect(engine="streaming").iter_rows())


def duckdb_csv(size: Size) -> Mapping[Any, float]:
    """Query CSV with DuckDB."""
    import duckdb

    return dict(duckdb.execute(f"SELECT name, avg(balance) FROM read_csv('{size.csv}') GROUP BY name").fetchall())


def duckdb_parquet(size: Size) -> Mapping[Any, float]:
    """Query Parquet with DuckDB."""
    import duckdb

    files = f"{size.parquet}/*.parquet"
    return dict(duckdb.execute(f"SELECT name, avg(balance) FROM read_parquet('{files}') GROUP BY name").fetchall())


def setup(query: Query) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up a query: the files exist and are in the page cache (the checked run reads them once)."""

    @contextmanager
    def with_data(size: Size) -> Iterator[Prepared]:
        expected = expected_means(ensure(size, log=False))

        def check(means: Mapping[Any, float]) -> None:
            expect(set(means) == set(expected), f"{len(means)} groups, expected {len(expected)}")
            for name, mean in expected.items():
                expect(abs(means[name] - mean) <= 1e-9 * abs(mean), f"mean of {name} is {means[name]}, not {mean}")

        yield Prepared(lambda: query(size), check)

    return with_data


CASES = [
    Case(
        name=f"{kind}-groupby",
        title=f"group-by mean over {title}",
        unit="s",
        libraries={library: setup(query) for library, query in queries.items()},
        bars={"Dask": 1.0, "pandas": 1.0, "fastest peer": 1.5},
        bar_among=("Polars", "DuckDB"),
    )
    for kind, title, queries in (
        (
            "csv",
            "1 GB of CSV in 10 files",
            {"raskal": raskal_csv, "DuckDB": duckdb_csv, "Polars": polars_csv, "pandas": pandas_csv, "Dask": dask_csv},
        ),
        (
            "parquet",
            "the same rows as Parquet (zstd)",
            {
                "raskal": raskal_parquet,
                "DuckDB": duckdb_parquet,
                "Polars": polars_parquet,
                "pandas": pandas_parquet,
                "Dask": dask_parquet,
            },
        ),
    )
]
