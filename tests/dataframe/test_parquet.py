"""Reading and writing Parquet files, with pandas as the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

import raskal.dataframe as dd


@pytest.fixture
def folder(people: pd.DataFrame, tmp_path: Path) -> Path:
    """The table in three files with row numbers of their own."""
    for number in range(3):
        part = people.iloc[number * 70 : (number + 1) * 70].reset_index(drop=True)
        part.to_parquet(tmp_path / f"part.{number}.parquet", row_group_size=20)
    return tmp_path


def read_all(folder: Path, **kwargs: Any) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path, **kwargs) for path in sorted(folder.glob("*.parquet"))])


def test_folders_patterns_and_files_read_as_in_pandas(folder: Path) -> None:
    expected = read_all(folder)
    for path in [folder, folder / "*.parquet", sorted(folder.glob("*.parquet"))]:
        df = dd.read_parquet(path)
        assert df.npartitions == 3
        assert_series_equal(df.dtypes, expected.dtypes)
        assert_frame_equal(df.compute(), expected)


def test_columns_and_filters_reach_the_files(folder: Path) -> None:
    expected = read_all(folder)
    df = dd.read_parquet(folder, columns=["name", "x"], filters=[("x", ">", 0), ("id", "in", [1, 2])])
    assert_frame_equal(df.compute(), expected[(expected.x > 0) & expected.id.isin([1, 2])][["name", "x"]])
    steps = df.explain().split("steps")[1]
    assert "predicate=" in steps
    assert "when" not in steps
    either = dd.read_parquet(folder, filters=[[("id", "==", 1)], [("id", "==", 2)]])
    assert_frame_equal(either.compute(), expected[expected.id.isin([1, 2])])


def test_a_stored_index_comes_back(people: pd.DataFrame, tmp_path: Path) -> None:
    indexed = people.set_index("when").sort_index(kind="stable")
    dd.from_pandas(indexed, npartitions=3).to_parquet(tmp_path / "out")
    assert len(list((tmp_path / "out").glob("part.*.parquet"))) == 3
    assert_frame_equal(dd.read_parquet(tmp_path / "out").compute(), indexed)
    assert_frame_equal(pd.read_parquet(tmp_path / "out"), indexed)


def test_files_without_an_index_number_their_rows(people: pd.DataFrame, tmp_path: Path) -> None:
    dd.from_pandas(people, npartitions=2).to_parquet(tmp_path / "out", write_index=False)
    df = dd.read_parquet(tmp_path / "out")
    halves = [people.iloc[:100], people.iloc[100:].reset_index(drop=True)]
    assert_frame_equal(df.compute(), pd.concat(halves))
    assert_frame_equal(df[df.x > 0].compute(), pd.concat([half[half.x > 0] for half in halves]))


def test_nan_in_files_is_missing(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0, float("nan"), None]}), tmp_path / "t.parquet")
    df = dd.read_parquet(tmp_path / "t.parquet")
    assert df.x.sum().compute() == 1.0
    assert df.x.count().compute() == 1
    assert df[df.x > 0].compute().x.tolist() == [1.0]
    assert df.x.isna().sum().compute() == 2


def test_missing_files_and_columns_are_named(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.parquet"):
        dd.read_parquet(folder / "gone.parquet")
    with pytest.raises(KeyError, match="did you mean 'name'"):
        dd.read_parquet(folder, columns=["nam"])
    (folder / "bad.parquet").write_text("no parquet at all")
    with pytest.raises(OSError, match=r"bad\.parquet: not a Parquet file"):
        dd.read_parquet(folder / "bad.parquet")


def test_files_are_added_to_those_that_are_there(people: pd.DataFrame, tmp_path: Path) -> None:
    df = dd.from_pandas(people, npartitions=2)
    df.to_parquet(tmp_path / "t")
    df.to_parquet(tmp_path / "t", append=True, ignore_divisions=True)
    found = dd.read_parquet(tmp_path / "t")
    assert found.npartitions == 4
    assert_frame_equal(found.compute(), pd.concat([people, people]), check_index_type=False)
    with pytest.raises(ValueError, match="differ"):
        df[["x"]].to_parquet(tmp_path / "t", append=True)
    with pytest.raises(ValueError, match="both"):
        df.to_parquet(tmp_path / "t", append=True, overwrite=True)


def test_columns_become_the_index_or_categories(people: pd.DataFrame, tmp_path: Path) -> None:
    dd.from_pandas(people, npartitions=2).to_parquet(tmp_path / "t", write_index=False)
    found = dd.read_parquet(tmp_path / "t", index="id", columns=["x"])
    assert_frame_equal(found.compute(), people.set_index("id")[["x"]])
    named = dd.read_parquet(tmp_path / "t", categories=["name"])
    assert not named.name.cat.known
    assert named.name.compute().tolist()[:5] == people.name.astype("category").tolist()[:5]
