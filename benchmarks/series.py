"""Windows and spans over rows in time, a function of pandas on each partition, and many small files.

Start at `CASES`. The rows are in memory for every library, in 100 partitions where there are any; the small files are
written once, beside the other data. The answer to meet is pandas'.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case import Case, Prepared, expect
from examples.make_data import Size

PARTITIONS = 100
SEED = 20261128
MODULES = {"raskal": "raskal.dataframe", "Dask": "dask.dataframe"}
Work = Callable[[Any], Any]


def rows(size: Size) -> int:
    """How many: 10^7 at full size."""
    return 10_000_000 if size.name == "full" else 200_000


@cache
def table(count: int) -> Any:
    """Two columns of numbers, a row for each second."""
    import pandas as pd

    rng = np.random.default_rng(SEED)
    index = pd.date_range("2020-01-01", periods=count, freq="s")
    return pd.DataFrame({"x": rng.normal(size=count), "y": rng.normal(size=count)}, index=index)


def rolling(df: Any) -> Any:
    """The sum of means of windows of 50 rows."""
    return df.x.rolling(50).mean().sum()


def resampling(df: Any) -> Any:
    """The largest mean of a minute."""
    return df.x.resample("1min").mean().max()


def function(part: Any) -> Any:
    """What the user's function does to a partition: a few passes over its columns."""
    z = np.sqrt(part.x.abs()) + np.exp(-(part.y**2))
    return part.assign(z=z.where(z > 1, part.x).rank(pct=True))


def mapping(df: Any) -> Any:
    """The user's function on each partition, and the sum of a column that it adds."""
    return df.map_partitions(function).z.sum()


def over_rows(work: Work, name: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up work over rows in memory."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        frame = table(rows(size))
        expected = float(pandas_answer(work, frame))

        def check(found: Any) -> None:
            expect(abs(found - expected) <= 1e-6 * max(1.0, abs(expected)), f"{found}, expected {expected}")

        if name == "pandas":
            yield Prepared(lambda: float(pandas_answer(work, frame)), check)
            return
        df = importlib.import_module(MODULES[name]).from_pandas(frame, npartitions=PARTITIONS)
        yield Prepared(lambda: float(work(df).compute()), check)

    return setup


def pandas_answer(work: Work, frame: Any) -> Any:
    """The same by pandas alone: a function of partitions goes over the same rows at a time."""
    if work is not mapping:
        return work(frame)
    count = len(frame)
    bounds = [part * count // PARTITIONS for part in range(PARTITIONS + 1)]
    parts = [frame.iloc[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
    return sum(function(part).z.sum() for part in parts)


# ---- many small files


def files(size: Size) -> int:
    """How many: 10,000 at full size."""
    return 10_000 if size.name == "full" else 300


def ensure_files(size: Size) -> Path:
    """Small Parquet files of 100 rows each, written once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = size.folder / "small-files"
    count = files(size)
    done = folder / f"_{count}"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            values = np.random.default_rng(number).random(100)
            pq.write_table(pa.table({"x": values, "number": np.full(100, number)}), folder / f"part.{number}.parquet")
        done.touch()
    return folder


def mean_of_files(name: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up the mean of one column of many small files."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        folder = str(ensure_files(size))
        expected = float(np.mean([np.random.default_rng(number).random(100).mean() for number in range(files(size))]))

        def check(found: Any) -> None:
            expect(abs(found - expected) <= 1e-9, f"{found}, expected {expected}")

        yield Prepared(lambda: float(READERS[name](folder)), check)

    return setup


def _collection(module: str) -> Callable[[str], Any]:
    return lambda folder: importlib.import_module(module).read_parquet(folder).x.mean().compute()


def _polars(folder: str) -> Any:
    import polars as pl

    return pl.scan_parquet(f"{folder}/*.parquet").select(pl.col("x").mean()).collect().item()


def _duckdb(folder: str) -> Any:
    import duckdb

    found: Any = duckdb.execute(f"SELECT avg(x) FROM read_parquet('{folder}/*.parquet')").fetchone()
    return found[0]


READERS: dict[str, Callable[[str], Any]] = {
    "raskal": _collection(MODULES["raskal"]),
    "Dask": _collection(MODULES["Dask"]),
    "Polars": _polars,
    "DuckDB": _duckdb,
}

CASES = [
    Case(
        name=f"series-{key}",
        title=title,
        unit="s",
        libraries={name: over_rows(work, name) for name in ("raskal", "Dask", "pandas")},
        bars=bars,
    )
    for key, title, work, bars in (
        ("rolling", "means of windows of 50 rows over 10^7 rows in 100 partitions", rolling, {"Dask": 0.1}),
        ("resample", "means of minutes over 10^7 rows in 100 partitions", resampling, {"Dask": 0.1}),
        ("map-partitions", "a pandas function on 100 partitions of 10^7 rows", mapping, {"pandas": 1.15}),
    )
] + [
    Case(
        name="small-files",
        title="mean of a column of 10,000 small Parquet files",
        unit="s",
        libraries={name: mean_of_files(name) for name in READERS},
        bars={"Dask": 0.1},
    )
]
