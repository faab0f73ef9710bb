"""Operators on tables of five times the memory limit: they finish, and give what pandas gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compare import same

import raskal
import raskal.dataframe as dd
from raskal.distributed import Client, LocalCluster

# Small: the engine is slow in a development build, and only the ratio counts.
ROWS = 40_000
LIMIT = 600_000


def rows_of(count: int, seed: int) -> pd.DataFrame:
    """Rows whose keys and texts hardly repeat: nothing about them is small."""
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, count // 2, count)
    numbers = pd.Series(rng.integers(0, 10**12, count))
    return pd.DataFrame(
        {
            "key": keys,
            "x": rng.normal(size=count).round(6),
            "n": rng.permutation(count),
            "text": pd.array("a text of about forty characters " + numbers.astype("str"), dtype="str"),
        }
    )


LEFT = rows_of(ROWS, 1)
RIGHT = rows_of(ROWS, 2)[["key", "x", "text"]].rename(columns={"x": "z", "text": "other"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    assert min(LEFT.memory_usage(deep=True).sum(), RIGHT.memory_usage(deep=True).sum()) > 4 * LIMIT
    assert LEFT.memory_usage(deep=True).sum() > 5 * LIMIT
    for name, frame in (("left", LEFT), ("right", RIGHT)):
        (folder / name).mkdir()
        for part in range(8):
            rows = frame.iloc[part * ROWS // 8 : (part + 1) * ROWS // 8]
            rows.to_parquet(folder / name / f"part-{part}.parquet", index=False)
    LEFT[["key", "n"]].to_csv(folder / "left.csv", index=False)
    RIGHT[["key", "other"]].to_csv(folder / "right.csv", index=False)
    return folder


@pytest.fixture
def limit(tmp_path: Path) -> Iterator[int]:
    with raskal.config.set({"memory-limit": LIMIT, "temporary-directory": str(tmp_path)}):
        yield LIMIT


Tables = Callable[[str], Any]
CASES: dict[str, Callable[[Tables], Any]] = {
    "sort": lambda t: t("left").sort_values("x", **_stable(t)),
    "sort by text, down": lambda t: t("left").sort_values(["text", "n"], ascending=[False, True]),
    "set_index": lambda t: _sorted_index(t("left").set_index("n")),
    "drop_duplicates": lambda t: t("left").drop_duplicates("key"),
    "group-by": lambda t: t("left").groupby("key").agg({"x": "sum", "n": "max", "text": "min"}),
    "group-by text": lambda t: t("left").groupby("text").x.mean(),
    "group-by, unsorted": lambda t: t("left").groupby("key", sort=False).n.sum(),
    "nunique": lambda t: t("left").text.nunique(),
    "merge": lambda t: t("left")[["key", "n"]].merge(t("right")[["key", "other"]], on="key"),
    "outer merge": lambda t: t("left")[["key", "n"]].merge(t("right")[["key", "z"]], on="key", how="outer"),
    "merge and group": lambda t: t("left").merge(t("right"), on="key").groupby("key").z.sum(),
    "transform": lambda t: t("left")[["key", "n"]].groupby("key").n.transform("sum"),
    "cumsum": lambda t: t("left")[["key", "n"]].cumsum(),
}


def _stable(tables: Tables) -> dict[str, Any]:
    return {"kind": "stable"} if isinstance(tables("left"), pd.DataFrame) else {}


def _sorted_index(found: Any) -> Any:
    return found.sort_index() if isinstance(found, pd.DataFrame) else found


def plain(name: str) -> pd.DataFrame:
    return {"left": LEFT, "right": RIGHT}[name]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_step_finishes_on_five_times_the_limit(case: Callable[[Tables], Any], folder: Path, limit: int) -> None:
    found = case(lambda name: dd.read_parquet(folder / name))
    found = found.compute() if hasattr(found, "compute") else found
    ordered = isinstance(found, pd.DataFrame) and isinstance(found.index, pd.RangeIndex)
    same(found, case(plain), index=not ordered and not _numbered(found))


def _numbered(found: Any) -> bool:
    """Whether labels only count the rows of each partition."""
    return isinstance(found, (pd.DataFrame, pd.Series)) and found.index.name is None


def test_a_sort_in_the_engine_finishes_whatever_is_known_of_its_size(folder: Path, limit: int) -> None:
    """Rows were held in slices and pages that nothing could be spilled of; merging what was spilled got no memory."""
    df = dd.read_parquet(folder / "left")
    found = raskal.sql("select * from df order by x, n", df=df)
    assert "SortExec" in found.explain()
    same(found.compute(), LEFT.sort_values(["x", "n"], ignore_index=True), index=False)
    whole = dd.from_pandas(LEFT, npartitions=2)
    same(raskal.sql("select * from whole order by text", whole=whole).compute(), LEFT.sort_values("text"), index=False)


def test_a_join_larger_than_expected_spills_in_a_second_attempt(folder: Path, limit: int) -> None:
    """Nothing is known of the size of CSV files: the side that was to be held did not fit, and the query failed."""
    left, right = (dd.read_csv(folder / f"{name}.csv", blocksize="1MB") for name in ("left", "right"))
    expected = LEFT[["key", "n"]].merge(RIGHT[["key", "other"]], on="key")
    found = left.merge(right, on="key")
    same(found.compute(), expected, index=False)
    assert "HashJoinExec" in found.explain()


def test_a_step_that_can_not_do_with_less_says_so(folder: Path) -> None:
    df = dd.read_parquet(folder / "left")
    with raskal.config.set({"memory-limit": 1 << 14}), pytest.raises(MemoryError, match="raise memory-limit"):
        raskal.sql("select text, x from df order by x", df=df).compute()


def test_a_cluster_finishes_on_five_times_its_workers_limit(folder: Path) -> None:
    with LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="400MB") as cluster, Client(cluster):
        df, right = (dd.read_parquet(folder / name) for name in ("left", "right"))
        same(df.sort_values("x").n.compute(), LEFT.sort_values("x", kind="stable").n, index=False)
        expected = LEFT.merge(RIGHT, on="key").groupby("key").z.sum()
        same(df.merge(right, on="key").groupby("key").z.sum().compute(), expected)
