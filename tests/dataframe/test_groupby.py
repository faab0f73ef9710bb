"""Group-by, with pandas as the oracle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

import raskal.dataframe as dd

CASES: dict[str, Callable[[Any], Any]] = {
    "mean": lambda df: df.groupby("name").x.mean(),
    "sum": lambda df: df.groupby("name").x.sum(),
    "count": lambda df: df.groupby("name")["x"].count(),
    "size": lambda df: df.groupby("name").size(),
    "min": lambda df: df.groupby("name").id.min(),
    "max text": lambda df: df.groupby("id").name.max(),
    "std": lambda df: df.groupby("name").x.std(),
    "var": lambda df: df.groupby("name").x.var(ddof=0),
    "median": lambda df: df.groupby("name").x.median(),
    "nunique": lambda df: df.groupby("name").id.nunique(),
    "truth values": lambda df: df.groupby("name").ok.sum(),
    "several columns": lambda df: df.groupby("name")[["x", "id"]].mean(),
    "numeric only": lambda df: df.groupby("name").mean(numeric_only=True),
    "all columns": lambda df: df[["name", "x", "id"]].groupby("name").sum(),
    "two keys": lambda df: df.groupby(["name", "ok"]).x.sum(),
    "two keys size": lambda df: df.groupby(["id", "ok"]).size(),
    "by date": lambda df: df.groupby(df.when.dt.day).x.sum(),
    "by series": lambda df: df.groupby(df.id > 0).x.mean(),
    "series by series": lambda df: df.x.groupby(df.name).mean(),
    "missing keys": lambda df: df.groupby("name", dropna=False).id.sum(),
    "agg name": lambda df: df.groupby("name").x.agg("mean"),
    "agg list": lambda df: df.groupby("name").x.agg(["mean", "count", "max"]),
    "agg dict": lambda df: df.groupby("name").agg({"x": "mean", "id": "sum"}),
    "agg dict of lists": lambda df: df.groupby("name").agg({"x": ["mean", "min"], "id": ["sum"]}),
    "agg named": lambda df: df.groupby("name").agg(total=("id", "sum"), middle=("x", "mean")),
    "agg list on frame": lambda df: df[["name", "x", "id"]].groupby("name").agg(["sum", "count"]),
    "after filter": lambda df: df[df.x > 0].groupby("name").x.mean(),
    "after assign": lambda df: df.assign(y=df.x * 2).groupby("name").y.sum(),
    "reset": lambda df: df.groupby("name").x.mean().to_frame().reset_index(),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("source", ["csv", "pandas", "parquet"])
def test_groups_are_those_of_pandas(
    people: pd.DataFrame, csv_folder: Path, tmp_path: Path, case: Callable[[Any], Any], source: str
) -> None:
    if source == "csv":
        df = dd.read_csv(csv_folder / "*.csv", parse_dates=["when"])
    elif source == "pandas":
        df = dd.from_pandas(people, npartitions=4)
    else:
        dd.from_pandas(people, npartitions=4).to_parquet(tmp_path / "parquet")
        df = dd.read_parquet(tmp_path / "parquet")
    found, expected = case(df).compute(), case(people)
    if isinstance(expected, pd.DataFrame):
        assert_frame_equal(found, expected)
    else:
        assert_series_equal(found, expected)


def test_only_the_columns_that_matter_are_read(csv_folder: Path) -> None:
    plan = dd.read_csv(csv_folder / "*.csv").groupby("name").x.mean().explain()
    assert "columns=[name, x]" in plan.split("steps")[1]
