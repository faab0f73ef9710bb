"""Joins, sorting and telling rows apart by the engine: pandas' rows, order, labels and dtypes, on any data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from compare import same
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import raskal
import raskal.dataframe as dd

PHASES = (Phase.explicit, Phase.generate)
SETTINGS = settings(max_examples=20, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
FLOATS = [0.0, -0.0, 1.5, -2.0, np.nan, np.nan, 7.25]
TEXTS = ["a", "b", "", "ä", "long enough not to be inlined", None, np.nan]
DAYS = [pd.Timestamp("2024-01-01"), pd.Timestamp("1969-12-31 23:59:59"), pd.NaT, pd.Timestamp("2024-02-29")]


def rows(columns: dict[str, list[Any]], sizes: st.SearchStrategy[int]) -> st.SearchStrategy[pd.DataFrame]:
    """Dataframes whose columns draw from few values, so that keys repeat, miss and are missing."""

    def made(size: int) -> st.SearchStrategy[pd.DataFrame]:
        column = {
            name: st.lists(st.sampled_from(values), min_size=size, max_size=size) for name, values in columns.items()
        }
        return st.fixed_dictionaries(column).map(lambda drawn: frame_of(drawn, size))

    return sizes.flatmap(made)


def frame_of(columns: dict[str, list[Any]], size: int) -> pd.DataFrame:
    dtypes = {"n": "int64", "x": "float64", "s": "str", "d": "datetime64[us]", "m": "int32", "b": "bool"}
    data = {name: pd.Series(values, dtype=dtypes[name[0]]) for name, values in columns.items()}
    return pd.DataFrame(data, index=pd.RangeIndex(size))


LEFT = rows({"n": [1, 2, 3, 4], "x": FLOATS, "s": TEXTS, "d": DAYS}, st.integers(1, 14))
RIGHT = rows({"n": [2, 3, 3, 5], "x": FLOATS, "s": TEXTS, "m2": [7, 8, 9]}, st.integers(1, 10))


def native(collection: Any) -> bool:
    """Whether no step of a plan is pandas'."""
    return collection._frame is not None and "pandas" not in collection.explain()


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@pytest.mark.parametrize("on", [["n"], ["x"], ["s"], ["s", "n"]])
@SETTINGS
@given(left=LEFT, right=RIGHT, parts=st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_joins_have_the_rows_order_labels_and_dtypes_of_pandas(
    how: str, on: list[str], left: pd.DataFrame, right: pd.DataFrame, parts: tuple[int, int]
) -> None:
    expected = left.merge(right, on=on, how=how)
    one, other = dd.from_pandas(left, npartitions=parts[0]), dd.from_pandas(right, npartitions=parts[1])
    found = one.merge(other, on=on, how=how)
    assert native(found)
    if how != "outer":
        same(found.compute(), expected, check_dtype=len(expected) > 0)
    else:
        # In the order of the keys; pandas' order among missing and equal ones is its own.
        same(found.compute(), expected, index=False, order=False, check_dtype=len(expected) > 0)


@pytest.mark.parametrize("how", ["leftsemi", "leftanti"])
@SETTINGS
@given(left=LEFT, right=RIGHT)
def test_rows_that_have_a_partner_or_none_keep_order_and_labels(how: str, left: pd.DataFrame, right: pd.DataFrame):
    left.index = pd.Index(np.arange(len(left)) * 3, name="label")
    found = dd.from_pandas(left, npartitions=2).merge(dd.from_pandas(right, npartitions=2), on="s", how=how)
    assert native(found)
    # Missing keys are partners of each other.
    partner = left.s.fillna("missing").isin(right.s.fillna("missing"))
    same(found.compute(), left[partner if how == "leftsemi" else ~partner])


def test_names_suffixes_and_the_indicator_are_those_of_pandas() -> None:
    left = pd.DataFrame({"k": [1, 2, 2, 9], "v": [1, 2, 3, 4], "j": list("abcd")})
    right = pd.DataFrame({"key": [2, 3, 2], "v": [5.0, 6.0, 7.0], "j": list("xyz")})
    one, other = dd.from_pandas(left, npartitions=2), dd.from_pandas(right, npartitions=2)
    checked = 0
    for how in ("inner", "left", "right", "outer"):
        options: dict[str, Any] = {"left_on": "k", "right_on": "key", "how": how, "suffixes": ("_l", "_r")}
        found = one.merge(other, indicator=True, **options)
        assert native(found)
        expected = left.merge(right, indicator=True, **options)
        same(found.compute(), expected, index=how != "outer", order=how != "outer")
        checked += 1
    assert checked == 4


def test_keys_of_unlike_types_are_left_to_pandas() -> None:
    left = pd.DataFrame({"k": [1, 2], "v": [1, 2]})
    right = pd.DataFrame({"k": [1.0, 2.5], "w": [1, 2]})
    found = dd.from_pandas(left, npartitions=2).merge(dd.from_pandas(right, npartitions=1), on="k")
    assert "pandas merge" in found.explain()
    same(found.compute(), left.merge(right, on="k"), index=False, check_dtype=False)
    with pytest.raises(ValueError, match="merge"):
        text = pd.DataFrame({"k": ["1", "2"], "w": [1, 2]})
        dd.from_pandas(left, npartitions=1).merge(dd.from_pandas(text, npartitions=1), on="k")


def test_a_large_other_side_is_not_collected_and_rows_come_in_order_all_the_same() -> None:
    """The order is made again by a sort where the engine goes through the larger side."""
    rng = np.random.default_rng(3)
    large = pd.DataFrame({"k": rng.integers(0, 5_000, 100_000), "w": rng.normal(size=100_000)})
    small = pd.DataFrame({"k": [17, 4, 17, 4999, -1], "v": range(5)})
    found = dd.from_pandas(small, npartitions=1).merge(dd.from_pandas(large, npartitions=3), on="k")
    assert "SortExec" in found.explain()
    same(found.compute(), small.merge(large, on="k"))
    same(found.groupby("v").w.sum().compute(), small.merge(large, on="k").groupby("v").w.sum())
    assert "SortExec: expr=[__place__" not in found.groupby("v").w.sum().explain()


def test_nobody_sorts_what_is_aggregated() -> None:
    df = dd.from_pandas(pd.DataFrame({"k": [2, 1, 2], "x": [3, 1, 2]}), npartitions=2)
    plan = df.sort_values("x").groupby("k").x.sum().explain()
    assert "row_position" not in plan.split("steps")[1]
    assert "NumberExec" not in plan


SORTED = rows({"n": [1, 2, 3], "x": FLOATS, "s": TEXTS, "d": DAYS, "b": [True, False]}, st.integers(1, 20))


@SETTINGS
@given(
    frame=SORTED,
    by=st.lists(st.sampled_from(["n", "x", "s", "d", "b"]), min_size=1, max_size=3, unique=True),
    up=st.lists(st.booleans(), min_size=3, max_size=3),
    na_position=st.sampled_from(["first", "last"]),
    parts=st.integers(1, 4),
)
def test_sorting_keeps_equal_rows_in_order(
    frame: pd.DataFrame, by: list[str], up: list[bool], na_position: str, parts: int
) -> None:
    options: dict[str, Any] = {"by": by, "ascending": up[: len(by)], "na_position": na_position}
    found = dd.from_pandas(frame, npartitions=parts).sort_values(**options)
    assert native(found)
    same(found.compute(), frame.sort_values(kind="stable", **options))


@SETTINGS
@given(frame=SORTED, subset=st.sampled_from([None, ["x"], ["s", "n"], ["b"]]), keep=st.sampled_from(["first", "last"]))
def test_rows_that_occurred_before_go_in_pandas_order(frame: pd.DataFrame, subset: list[str] | None, keep: str) -> None:
    found = dd.from_pandas(frame, npartitions=3).drop_duplicates(subset=subset, keep=keep)
    assert native(found)
    same(found.compute(), frame.drop_duplicates(subset=subset, keep=keep))


@SETTINGS
@given(frame=SORTED, n=st.integers(1, 6))
def test_extremes_and_counts_break_ties_by_place(frame: pd.DataFrame, n: int) -> None:
    df = dd.from_pandas(frame, npartitions=3)
    same(df.nlargest(n, ["n", "d"]).compute(), frame.sort_values(["n", "d"], ascending=False, kind="stable").head(n))
    same(df.n.nsmallest(n).compute(), frame.n.nsmallest(n))
    same(df.s.value_counts().compute(), frame.s.value_counts())
    same(df.n.value_counts(ascending=True).compute(), frame.n.value_counts(ascending=True))


@SETTINGS
@given(frame=SORTED, n=st.integers(1, 3))
def test_extremes_of_groups_are_under_their_keys(frame: pd.DataFrame, n: int) -> None:
    frame.index = pd.Index(np.arange(len(frame)) + 100)
    found = dd.from_pandas(frame, npartitions=2).groupby("b").n.nlargest(n)
    assert native(found)
    same(found.compute(), frame.groupby("b").n.nlargest(n))


@SETTINGS
@given(frame=SORTED)
def test_first_and_last_of_groups_skip_missing_values(frame: pd.DataFrame) -> None:
    groups = dd.from_pandas(frame, npartitions=3).groupby("n")
    same(groups.x.first().compute(), frame.groupby("n").x.first())
    same(groups.x.last().compute(), frame.groupby("n").x.last())
    assert native(groups.x.first())


def test_group_keys_that_differ_in_the_sign_of_zero_are_one() -> None:
    frame = pd.DataFrame({"k": [0.0, -0.0, 1.0], "x": [1, 2, 3]})
    same(dd.from_pandas(frame, npartitions=2).groupby("k").x.sum().compute(), frame.groupby("k").x.sum())


def test_joined_rows_go_on_as_any_others() -> None:
    left = pd.DataFrame({"k": [1, 2, 3, 2, 1, 5], "x": np.arange(6.0)})
    right = pd.DataFrame({"k": [2, 1, 1], "y": [10, 20, 30]})
    one, other = dd.from_pandas(left, npartitions=3), dd.from_pandas(right, npartitions=2)
    joined, expected = one.merge(other, on="k"), left.merge(right, on="k")
    # Labels count the rows of each partition; those of rows that are left out may not be counted.
    chosen = expected.assign(z=expected.x * expected.y)[expected.y > 10]
    found = joined.assign(z=joined.x * joined.y)[joined.y > 10]
    same(found.compute(), chosen, index=False)
    whole = dd.from_pandas(left, npartitions=1).merge(other, on="k")
    same(whole.sort_values("y").compute(), expected.sort_values("y", kind="stable"))
    again = joined.merge(other, on="k", how="left", suffixes=("", "_again"))
    same(again.compute(), expected.merge(right, on="k", how="left", suffixes=("", "_again")))
    same(joined.map_partitions(lambda part: part).compute(), expected, index=False)
    assert len(joined) == len(expected)
    same(raskal.compute(joined, one)[0], expected)
    same(dd.concat([joined, joined]).compute(), pd.concat([expected, expected]), index=False)


LABELLED = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@SETTINGS
@given(left=LABELLED, right=LABELLED, parts=st.tuples(st.integers(1, 3), st.integers(1, 3)), ordered=st.booleans())
def test_joins_by_labels_have_the_rows_order_and_labels_of_pandas(
    how: str, left: list[int], right: list[int], parts: tuple[int, int], ordered: bool
) -> None:
    """pandas ran them on pairs of partitions, whose order was not pandas'."""
    if ordered:
        left, right = sorted(left), sorted(right)
    one = pd.DataFrame({"a": range(len(left))}, index=pd.Index(left, name="k"))
    other = pd.DataFrame({"b": np.arange(len(right)) / 2}, index=pd.Index(right, name="k"))
    lazy = [dd.from_pandas(side, npartitions=n, sort=ordered) for side, n in zip((one, other), parts, strict=True)]
    found = lazy[0].join(lazy[1], how=how)
    assert native(found) or (how == "outer" and ordered)  # pairs of partitions that are cut alike
    expected = one.join(other, how=how)
    same(found.compute(), expected, order=how != "outer", check_dtype=len(expected) > 0)
    if how in ("inner", "left"):
        assert found.divisions == lazy[0].divisions
        by_column = lazy[0].reset_index().merge(lazy[1], left_on="k", right_index=True, how=how)
        assert native(by_column)
        expected = one.reset_index().merge(other, left_on="k", right_index=True, how=how)
        same(by_column.compute(), expected, index=parts[0] == 1, check_dtype=len(expected) > 0)


def test_a_join_by_labels_keeps_divisions_and_partitions() -> None:
    left = pd.DataFrame({"a": range(30)}, index=pd.date_range("2024-01-01", periods=30, name="when"))
    right = pd.DataFrame({"b": range(20)}, index=pd.date_range("2024-01-05", periods=20, name="day"))
    df, other = dd.from_pandas(left, npartitions=3), dd.from_pandas(right, npartitions=2)
    found = df.merge(other, left_index=True, right_index=True)
    assert native(found)
    assert found.divisions == df.divisions
    same(found.compute(), left.merge(right, left_index=True, right_index=True))
    same(found.partitions[1].compute(), left.iloc[10:20].merge(right, left_index=True, right_index=True))
    same(found.loc["2024-01-07":"2024-01-09"].compute(), left.join(right, how="inner").loc["2024-01-07":"2024-01-09"])
    chosen = df.merge(other, left_index=True, right_index=True, how="leftanti")
    same(chosen.compute(), left[~left.index.isin(right.index)])


def test_merges_are_sorted_and_checked_as_by_pandas() -> None:
    left = pd.DataFrame({"k": [3, 1, 2, 1], "a": range(4)})
    right = pd.DataFrame({"k": [1, 3, 4], "b": [1.0, 2.0, 3.0]})
    df, other = dd.from_pandas(left, npartitions=2), dd.from_pandas(right, npartitions=2)
    for how in ("inner", "left", "right", "outer"):
        expected = left.merge(right, on="k", how=how, sort=True)
        same(df.merge(other, on="k", how=how, sort=True).compute(), expected, index=False)
    expected = left.merge(right, on="k", validate="many_to_one")
    same(df.merge(other, on="k", validate="many_to_one").compute(), expected, index=False)
    with pytest.raises(pd.errors.MergeError, match="not unique in left"):
        df.merge(other, on="k", validate="1:m")
    with pytest.raises(ValueError, match="validate="):
        df.merge(other, on="k", validate="one")
    with pytest.raises(NotImplementedError, match="sort_values"):
        df.merge(other, left_index=True, right_index=True, sort=True)
