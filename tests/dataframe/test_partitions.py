"""Partitions: choosing them, pandas functions on them, keeping them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

import raskal.dataframe as dd


@pytest.fixture
def df(people: pd.DataFrame) -> Any:
    return dd.from_pandas(people, npartitions=3)


def test_partitions_can_be_chosen_and_seen(df: Any, people: pd.DataFrame) -> None:
    assert df.npartitions == 3
    parts = [df.partitions[n].compute() for n in range(3)]
    assert_frame_equal(pd.concat(parts), people)
    assert_frame_equal(df.partitions[1:].compute(), pd.concat(parts[1:]))
    assert_frame_equal(df.partitions[-1].compute(), parts[2])
    assert_frame_equal(df.head(3), people.head(3))
    assert_frame_equal(df.tail(3), people.tail(3))
    assert [one.compute().shape for one in df.to_delayed()] == [part.shape for part in parts]
    with pytest.raises(IndexError, match="partition 3 of a collection with 3"):
        df.partitions[3]


def test_functions_on_partitions_see_pandas_objects(df: Any, people: pd.DataFrame) -> None:
    def top(part: pd.DataFrame, n: int) -> pd.DataFrame:
        assert isinstance(part.name.dtype, pd.StringDtype)
        return part.nlargest(n, "x")[["x", "name"]]

    found = df.map_partitions(top, 2)
    expected = pd.concat([top(df.get_partition(n).compute(), 2) for n in range(3)])
    assert_frame_equal(found.compute(), expected)
    lengths = df.map_partitions(len, meta=("rows", "int64")).compute()
    assert lengths.sum() == len(people)
    assert "pandas top: 3 partitions" in found.explain()
    assert_series_equal(found.groupby("name").x.max().compute(), expected.groupby("name").x.max())


def test_a_function_that_fails_on_a_sample_shows_how_to_pass_meta(df: Any) -> None:
    def first(part: pd.DataFrame) -> pd.DataFrame:
        return part.loc[[part.index[10]], ["x"]]

    with pytest.raises(ValueError, match="pass meta=") as raised:
        df.map_partitions(first)
    assert "IndexError" in str(raised.value)
    assert len(df.map_partitions(first, meta=df._meta[["x"]]).compute()) == 3


def test_a_result_unlike_its_meta_is_refused(df: Any) -> None:
    with pytest.raises(ValueError, match="its meta has"):
        df.map_partitions(lambda part: part[["x"]], meta={"x": "float64", "y": "float64"}).compute()


def test_a_users_exception_comes_back_as_itself(df: Any, people: pd.DataFrame) -> None:
    class BrokenError(Exception):
        pass

    def fail(part: pd.DataFrame) -> pd.DataFrame:
        if len(part):
            raise BrokenError("on purpose")
        return part

    with pytest.raises(BrokenError, match="on purpose"):
        df.map_partitions(fail).compute()
    assert_frame_equal(df.compute(), people)


def test_kept_results_give_the_same_and_run_nothing_again(df: Any, people: pd.DataFrame) -> None:
    calls = []

    def note(part: pd.DataFrame) -> pd.DataFrame:
        calls.append(len(part))
        return part

    kept = df.map_partitions(note, meta=df._meta).persist()
    assert sorted(calls) == [66, 67, 67]
    calls.clear()
    assert kept.npartitions == 3
    assert_frame_equal(kept[kept.x > 0].compute(), people[people.x > 0])
    assert kept.x.sum().compute() == pytest.approx(people.x.sum())
    assert calls == []
