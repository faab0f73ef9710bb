"""Columns, operators, filters and reductions, with pandas as the oracle."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal

import raskal
import raskal.dataframe as dd


@pytest.fixture
def df(people: pd.DataFrame) -> Any:
    return dd.from_pandas(people, npartitions=3)


def same(found: Any, expected: Any) -> None:
    """Equal as pandas' own tests see it."""
    if isinstance(expected, pd.DataFrame):
        assert_frame_equal(found.compute(), expected)
    elif isinstance(expected, pd.Series):
        assert_series_equal(found.compute(), expected)
    elif isinstance(expected, pd.Index):
        assert_index_equal(found.compute(), expected)
    elif isinstance(expected, pd.Timestamp):
        assert found.compute() == expected
    else:
        assert found.compute() == pytest.approx(expected, nan_ok=True)


CASES: dict[str, Callable[[Any], Any]] = {
    "whole": lambda df: df,
    "one column": lambda df: df["x"],
    "by attribute": lambda df: df.name,
    "several columns": lambda df: df[["x", "name"]],
    "index": lambda df: df.index,
    "filter": lambda df: df[df.x > 0],
    "filter column": lambda df: df.x[df.id == 2],
    "not": lambda df: df[~(df.x > 0)],
    "and or": lambda df: df[((df.x > 0) & (df.id < 3)) | df.ok],
    "xor": lambda df: df.ok ^ (df.id > 0),
    "text equal": lambda df: df[df.name == "Ada"],
    "text not equal": lambda df: df[df.name != "Ada"],
    "text less": lambda df: df.name < "B",
    "dates": lambda df: df[df.when > "2024-03-02"],
    "arithmetic": lambda df: df.x * 2 + df.id - 1,
    "reflected": lambda df: 1 - df.id,
    "true division": lambda df: df.id / 2,
    "floor division": lambda df: df.id // 3,
    "modulo": lambda df: df.id % 3,
    "power": lambda df: df.id**2,
    "negative": lambda df: -df.x,
    "absolute": lambda df: abs(df.x),
    "compare columns": lambda df: df.x >= df.id,
    "compare equal": lambda df: df.x == df.x,  # missing values differ from themselves
    "compare different": lambda df: df.x != df.x,
    "time differences": lambda df: df.when - df.when.dt.normalize(),
    "assign": lambda df: df.assign(z=df.x + 1, c=5, id=df.id * 10),
    "assign function": lambda df: df.assign(z=lambda part: part.x * 2),
    "drop": lambda df: df.drop(columns=["x", "ok"]),
    "rename": lambda df: df.rename(columns={"x": "y"}),
    "isna": lambda df: df.x.isna(),
    "frame isna": lambda df: df.isna(),
    "fillna": lambda df: df.x.fillna(0),
    "fillna text": lambda df: df.name.fillna("nobody"),
    "frame fillna": lambda df: df.fillna({"x": 1.5}),
    "dropna": lambda df: df.dropna(),
    "dropna subset": lambda df: df.dropna(subset=["x"]),
    "upper": lambda df: df.name.str.upper(),
    "length": lambda df: df.name.str.len(),
    "filter by text": lambda df: df[df.name.str.startswith("A", na=False)],
    "assign text": lambda df: df.assign(name=df.name.str.lower()),
    "year": lambda df: df.when.dt.year,
    "day name": lambda df: df.when.dt.day_name(),
    "round": lambda df: df.x.round(1),
    "clip": lambda df: df.x.clip(-0.5, 0.5),
    "astype": lambda df: df.id.astype("float32"),
    "frame astype": lambda df: df.astype({"id": "int8"}),
    "isin": lambda df: df[df.id.isin([1, 2])],
    "between": lambda df: df[df.x.between(-1, 1)],
    "where": lambda df: df.x.where(df.x > 0, 0),
    "to_frame": lambda df: df.x.to_frame(),
    "loc": lambda df: df.loc[df.x > 0, ["id"]],
    "query": lambda df: df.query("x > 0 and id < 2"),
    "sum": lambda df: df.x.sum(),
    "mean": lambda df: df.x.mean(),
    "std": lambda df: df.x.std(),
    "var ddof": lambda df: df.x.var(ddof=0),
    "count": lambda df: df.x.count(),
    "min": lambda df: df.x.min(),
    "max date": lambda df: df.when.max(),
    "median": lambda df: df.x.median(),
    "nunique": lambda df: df.name.nunique(),
    "any": lambda df: df.ok.any(),
    "all": lambda df: df.ok.all(),
    "truth sum": lambda df: df.ok.sum(),
    "frame sum": lambda df: df[["id", "x"]].sum(),
    "frame mean": lambda df: df.mean(numeric_only=True),
    "centred": lambda df: df.x - df.x.mean(),
    "above mean": lambda df: df[df.x > df.x.mean()],
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_results_are_those_of_pandas(df: Any, people: pd.DataFrame, case: Callable[[Any], Any]) -> None:
    same(case(df), case(people))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "eq", "lt", "ge"])
def test_operators_on_whole_frames(df: Any, people: pd.DataFrame, name: str) -> None:
    function = getattr(operator, name)
    columns = ["id", "x"]
    same(function(df[columns], 2), function(people[columns], 2))
    same(function(df[columns], df[columns]), function(people[columns], people[columns]))


def test_values_are_counted_and_listed(df: Any, people: pd.DataFrame) -> None:
    counts = df.id.value_counts().compute()
    assert counts.is_monotonic_decreasing
    assert_series_equal(counts.sort_index(), people.id.value_counts().sort_index())
    assert sorted(df.id.unique().compute()) == sorted(people.id.unique())


def test_columns_can_be_set_in_place(df: Any, people: pd.DataFrame) -> None:
    df["z"] = df.x + df.id
    df.x = df.x * 2
    people["z"] = people.x + people.id
    people["x"] = people.x * 2
    same(df, people)
    del df["z"]
    df.columns = ["a", "b", "c", "d", "e"]
    assert list(df.compute().columns) == ["a", "b", "c", "d", "e"]


def test_an_index_with_labels_and_a_name_is_kept(people: pd.DataFrame) -> None:
    indexed = people.set_index("when").sort_index()
    df = dd.from_pandas(indexed, npartitions=4)
    assert df.known_divisions
    assert df.divisions[0] == indexed.index[0]
    assert df.divisions[-1] == indexed.index[-1]
    same(df[df.x > 0], indexed[indexed.x > 0])
    same(df.reset_index(), indexed.reset_index())
    same(df.index, indexed.index)


def test_extension_dtypes_survive() -> None:
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 2**60 + 1], dtype="Int64"),
            "c": pd.Categorical(["a", "b", "a"]),
            "t": pd.to_datetime(["2024-01-01", None, "2024-01-02"]).tz_localize("UTC"),
        }
    )
    same(dd.from_pandas(frame, npartitions=2), frame)


def test_an_unknown_column_offers_the_nearest_at_the_users_line(df: Any) -> None:
    with pytest.raises(KeyError, match="did you mean 'name'"):
        df["nam"]
    with pytest.raises(KeyError, match="did you mean 'when'"):
        df[["x", "wen"]]
    with pytest.raises(AttributeError, match="nam"):
        _ = df.nam
    with pytest.raises(KeyError, match="did you mean 'name'"):
        df.groupby("nme")


def test_columns_of_other_rows_are_aligned_and_truth_is_refused(df: Any, people: pd.DataFrame) -> None:
    same(df[df.x > 0].x + df.x, people[people.x > 0].x + people.x)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(df.x > 0)


def test_several_results_come_from_one_compute(df: Any, people: pd.DataFrame) -> None:
    total, positive, text = raskal.compute(df.x.sum(), df[df.x > 0], "plain")
    assert total == pytest.approx(people.x.sum())
    assert_frame_equal(positive, people[people.x > 0])
    assert text == "plain"


def test_structure_is_shown_without_computing(df: Any) -> None:
    text = repr(df)
    assert "npartitions=3" in text
    assert "float64" in text
    assert "<table" in df._repr_html_()


def test_empty_frames_keep_columns_and_dtypes(people: pd.DataFrame) -> None:
    empty = people.iloc[:0]
    df = dd.from_pandas(empty, npartitions=3)
    same(df, empty)
    assert len(df) == 0
    assert df.x.sum().compute() == 0
    assert np.isnan(df.x.mean().compute())
