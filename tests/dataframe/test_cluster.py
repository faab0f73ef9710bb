"""Dataframes on a cluster of real processes: the same answers, and persisted partitions that stay there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from compare import same, table

import raskal.dataframe as dd
from raskal.distributed import Client, LocalCluster


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture
def df() -> Any:
    return dd.from_pandas(table(), npartitions=4)


def test_a_plan_of_the_engine_begins_at_partitions_that_stay_on_the_cluster(client: Client, df: Any) -> None:
    """Later computations brought persisted partitions through the client."""
    frame = table()
    kept = df[df.n > 0].persist()
    assert "tasks, 4 partitions" in kept.explain()
    expected = frame[frame.n > 0]
    same(kept.compute(), expected)
    same(kept.groupby("k").y.mean().compute(), expected.groupby("k").y.mean())
    same(kept[["n", "x"]].sum().compute(), expected[["n", "x"]].sum())
    same(kept[kept.x > 0].y.compute(), expected[expected.x > 0].y)
    same(kept.partitions[1:3].y.max().compute(), kept.partitions[1:3].compute().y.max())
    again = kept.assign(z=kept.y * 2).persist()
    same(again.z.compute(), (expected.y * 2).rename("z"))


def test_pandas_in_tasks_gives_the_same_on_the_cluster(client: Client, df: Any) -> None:
    frame = table()
    same(df.sort_values("y").compute(), frame.sort_values("y", kind="stable"))
    same(df.set_index("y").loc[5:6].compute(), frame.set_index("y").sort_index(kind="stable").loc[5:6])
    same(df.groupby("n").y.transform("sum").compute(), frame.groupby("n").y.transform("sum"))
    same(df.x.cumsum().compute(), frame.x.cumsum())
    same(df.y.rolling(3).sum().compute(), frame.y.rolling(3).sum())
    right = pd.DataFrame({"n": [1, 2, 3], "w": [1.0, 2.0, 3.0]})
    merged = df.merge(dd.from_pandas(right, npartitions=2), on="n")
    same(merged.compute(), frame.merge(right, on="n"), index=False)
    kept = df.map_partitions(lambda part: part.assign(z=part.y + 1)).persist()
    same(kept.z.sum().compute(), (frame.y + 1).sum())
    same((kept.z - df.y).compute(), (frame.y + 1 - frame.y).rename(None))


def test_files_are_written_and_read_by_workers(client: Client, df: Any, tmp_path: Path) -> None:
    frame = table().drop(columns="c")
    df.drop(columns="c").to_parquet(tmp_path / "p", partition_on="n")
    found = dd.read_parquet(tmp_path / "p", filters=[("n", ">", 2)])
    same(found.y.sum().compute(), frame[frame.n > 2].y.sum())
    same(found.groupby("k").y.count().compute(), frame[frame.n > 2].groupby("k").y.count())
    cut = dd.read_parquet(tmp_path / "p", split_row_groups=True)
    assert len(cut) == len(frame)
    names = df.to_csv(tmp_path / "c" / "*.csv", index=False)
    same(dd.read_csv(names).x.sum().compute(), frame.x.sum())
    assert not [one for one in tmp_path.rglob(".*") if one.is_file()]


def test_time_series_give_the_same_on_the_cluster(client: Client, df: Any) -> None:
    frame = table()
    lazy, plain = df.reset_index().set_index("when", sorted=True), frame.set_index("when")
    same(lazy.y.resample("9h").sum().compute(), plain.y.resample("9h").sum())
    same(lazy.y.rolling("2D").max().compute(), plain.y.rolling("2D").max())
    same(lazy.x.ffill().compute(), plain.x.ffill())
    kept = lazy.persist()
    same(kept.loc["2024-01-03":"2024-01-05"].y.compute(), plain.loc["2024-01-03":"2024-01-05"].y)


def test_a_users_exception_names_the_task_on_the_cluster(client: Client, df: Any) -> None:
    def fail(part: pd.DataFrame) -> pd.DataFrame:
        raise ZeroDivisionError("on purpose")

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        df.map_partitions(fail, meta=df._meta).compute()


def test_rows_are_numbered_once_whatever_they_are_read_from(client: Client, df: Any, tmp_path: Path) -> None:
    """Places of rows make an order again after exchanges: rows of one place would be lost, of two places doubled."""
    frame = table().drop(columns="c").reset_index(drop=True)
    df.drop(columns="c").to_parquet(tmp_path / "parquet", write_index=False)
    names = df.drop(columns="c").to_csv(tmp_path / "*.csv", index=False)
    leaves = {
        "Parquet files": dd.read_parquet(tmp_path / "parquet"),
        "parts of Parquet files": dd.read_parquet(tmp_path / "parquet", split_row_groups=True),
        "CSV files": dd.read_csv(names, parse_dates=["when"]),
        "memory": dd.from_pandas(frame, npartitions=4),
        "values of tasks": dd.from_pandas(frame, npartitions=4).persist(),
        "functions": dd.from_pandas(frame, npartitions=4).map_partitions(lambda part: part),
    }
    for leaf, lazy in leaves.items():
        checked = {
            "drop_duplicates": (lazy.drop_duplicates("n").y, frame.drop_duplicates("n").y),
            "last": (lazy.drop_duplicates("k", keep="last").y, frame.drop_duplicates("k", keep="last").y),
            "sort_values": (lazy.sort_values("n").y, frame.sort_values("n", kind="stable").y),
            "first": (lazy.groupby("n").y.first(), frame.groupby("n").y.first()),
            "unsorted": (lazy.groupby("n", sort=False).y.sum(), frame.groupby("n", sort=False).y.sum()),
            "left merge": (lazy.merge(lazy[["n", "x"]], on="n").y, frame.merge(frame[["n", "x"]], on="n").y),
        }
        for step, (found, expected) in checked.items():
            try:
                same(found.compute(), expected, index=step in ("first", "unsorted"))
            except AssertionError as error:
                raise AssertionError(f"{step} of {leaf}: {error}") from error
