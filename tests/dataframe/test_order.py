"""Order and exchange: sorting, indexes, partitions, joins, against pandas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compare import check, same, table
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal.dataframe as dd

Case = Callable[[Any], Any]

SORTED: dict[str, Case] = {
    "by number": lambda df: df.sort_values("n", **_stable(df)),
    "by two": lambda df: df.sort_values(["k", "y"], **_stable(df)),
    "down": lambda df: df.sort_values("x", ascending=False, **_stable(df)),
    "missing first": lambda df: df.sort_values("x", na_position="first", **_stable(df)),
    "text": lambda df: df.sort_values("k", **_stable(df)),
    "series": lambda df: df.y.sort_values(**_stable(df)),
    "dates": lambda df: df.sort_values("when", ascending=False),
    "category": lambda df: df.sort_values("c", **_stable(df)),
}


def _stable(df: Any) -> dict[str, Any]:
    return {"kind": "stable"} if isinstance(df, pd.DataFrame) else {}


@pytest.mark.parametrize("case", SORTED.values(), ids=SORTED.keys())
def test_rows_are_sorted_as_by_pandas(case: Case) -> None:
    check(case, table())


def test_an_index_is_set_in_order_with_divisions() -> None:
    frame = table()
    for count in (1, 4):
        df = dd.from_pandas(frame, npartitions=count)
        for label in ("y", "when", "n"):
            found = df.set_index(label)
            assert found.known_divisions
            expected = frame.set_index(label).sort_index(kind="stable")
            same(found.compute(), expected)
            for part, low, high in zip(found.partitions, found.divisions, found.divisions[1:], strict=False):
                labels = part.compute().index
                assert not len(labels) or (labels.min() >= low and labels.max() <= high)
        same(df.set_index("n", divisions=[0, 2, 4, 5]).compute(), frame.set_index("n").sort_index(kind="stable"))
        assert df.set_index("n", divisions=[0, 2, 4, 5]).divisions == (0, 2, 4, 5)
        same(df.set_index("when", sorted=True).compute(), frame.set_index("when"))
        same(df.set_index(df.y * 2).compute(), frame.set_index(frame.y * 2).sort_index(kind="stable"))
        same(df.set_index("k", sort=False).compute(), frame.set_index("k"))
    with pytest.raises(ValueError, match="not sorted"):
        dd.from_pandas(frame, npartitions=4).set_index("y", sorted=True)
    with pytest.raises(KeyError, match="did you mean 'when'"):
        dd.from_pandas(frame, npartitions=4).set_index("wen")


def test_partitions_are_made_anew() -> None:
    frame = table()
    df = dd.from_pandas(frame, npartitions=4)
    for count in (1, 2, 3, 4, 9):
        found = df.repartition(npartitions=count)
        assert found.npartitions == count
        same(found.compute(), frame)
        assert len(found.divisions) == count + 1
    found = df.repartition(divisions=[0, 5, 60, 118])
    assert [len(part) for part in found.partitions] == [3, 27, 30]
    same(found.compute(), frame)
    found = df.repartition(divisions=[-10, 200], force=True)
    same(found.compute(), frame)
    times = df.set_index("when", sorted=True)
    found = times.repartition(freq="7D")
    same(found.compute(), frame.set_index("when"))
    assert found.npartitions > 2
    sized = df.repartition(partition_size=1500)
    same(sized.compute(), frame)
    assert sized.npartitions > 2
    same(df.clear_divisions().repartition(npartitions=6).compute(), frame)
    with pytest.raises(ValueError, match="unknown"):
        df.clear_divisions().repartition(divisions=[0, 118])
    with pytest.raises(ValueError, match="different"):
        df.repartition(divisions=[0, 50])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
    st.integers(1, 6),
    st.lists(st.integers(0, 30), min_size=2, max_size=8, unique=True),
)
def test_any_divisions_keep_every_row_once(labels: list[int], count: int, cuts: list[int]) -> None:
    frame = pd.DataFrame({"v": range(len(labels))}, index=sorted(labels))
    df = dd.from_pandas(frame, npartitions=count)
    cuts = sorted({*cuts, min(labels), max(labels)})
    if len(cuts) == 1:
        cuts = cuts * 2
    found = df.repartition(divisions=cuts, force=True)
    same(found.compute(), frame)
    for number, (low, high) in enumerate(zip(cuts, cuts[1:], strict=False)):
        inside = found.get_partition(number).compute().index
        assert all(low <= label for label in inside)
        assert all(label < high or number == len(cuts) - 2 for label in inside)


def test_rows_that_agree_are_dealt_to_one_partition() -> None:
    frame = table()
    df = dd.from_pandas(frame, npartitions=5)
    found = df.shuffle("k")
    same(found.compute().sort_index(), frame)
    keys = [set(part.compute().k.dropna()) for part in found.partitions]
    assert sum(map(len, keys)) == frame.k.nunique()
    assert df.shuffle(df.n % 3, npartitions=2).npartitions == 2


def test_chance_takes_about_the_share_and_repeats_by_seed() -> None:
    df = dd.from_pandas(table(), npartitions=3)
    found = df.sample(frac=0.5, random_state=3).compute()
    assert len(found) == 30
    same(df.sample(frac=0.5, random_state=3).compute(), found)
    one, two = df.random_split([0.3, 0.7], random_state=1)
    joined = pd.concat([one.compute(), two.compute()]).sort_index()
    same(joined, table())


LEFT = table()
RIGHT = pd.DataFrame(
    {"n": [1, 3, 3, 9, 2], "z": [10.0, 30.0, 31.0, 90.0, 20.0], "y": list("vwxyz"), "k": ["a", "b", "c", "a", None]}
)
BY_COLUMNS = [
    {"on": "n"},
    {"on": ["n", "k"]},
    {"left_on": "n", "right_on": "z"},
    {"on": "n", "suffixes": ("_l", "_r")},
    {"left_on": "n", "right_index": True},
]


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
@pytest.mark.parametrize("options", BY_COLUMNS, ids=str)
@pytest.mark.parametrize("counts", [(4, 1), (1, 3), (4, 3)], ids=str)
def test_rows_are_merged_by_columns(how: str, options: dict[str, Any], counts: tuple[int, int]) -> None:
    left, right = (dd.from_pandas(one, npartitions=n) for one, n in zip((LEFT, RIGHT), counts, strict=True))
    expected = LEFT.merge(RIGHT, how=how, **options)
    found = dd.merge(left, right, how=how, **options)
    assert list(found.columns) == list(expected.columns)
    ordered = how != "outer" and not options.get("right_index") and not (how == "inner" and counts == (1, 3))
    same(found.compute(), expected, index=False, order=ordered)


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
def test_rows_are_joined_by_labels(how: str) -> None:
    rng = np.random.default_rng(1)
    left = pd.DataFrame({"a": rng.integers(0, 9, 30)}, index=np.sort(rng.choice(50, 30, replace=False)))
    right = pd.DataFrame({"b": rng.integers(0, 9, 25)}, index=np.sort(rng.choice(50, 25, replace=False)))
    expected = left.join(right, how=how).sort_index()
    for first, second in [(1, 1), (3, 1), (1, 4), (3, 4)]:
        ours = dd.from_pandas(left, npartitions=first), dd.from_pandas(right, npartitions=second)
        found = ours[0].join(ours[1], how=how)
        same(found.compute().sort_index(), expected)
        if first > 1 and second > 1:
            assert found.known_divisions
        unknown = ours[0].clear_divisions().join(ours[1].clear_divisions(), how=how)
        same(unknown.compute().sort_index(), expected)


def test_missing_keys_meet_each_other_as_in_pandas() -> None:
    left = pd.DataFrame({"k": [1.0, np.nan, 2.0, np.nan], "a": range(4)})
    right = pd.DataFrame({"k": [np.nan, 2.0], "b": [7, 8]})
    for how in ("inner", "left", "outer"):
        found = dd.from_pandas(left, npartitions=2).merge(dd.from_pandas(right, npartitions=2), on="k", how=how)
        same(found.compute(), left.merge(right, on="k", how=how), index=False, order=False)


def test_keys_of_other_dtypes_meet() -> None:
    left = pd.DataFrame({"k": [1, 2, 3], "a": range(3)})
    right = pd.DataFrame({"k": [3.0, 1.0, 9.0], "b": [7, 8, 9]})
    found = dd.from_pandas(left, npartitions=2).merge(dd.from_pandas(right, npartitions=3), on="k")
    same(found.compute(), left.merge(right, on="k"), index=False)


def test_nearest_rows_are_joined() -> None:
    left = pd.DataFrame({"t": [1, 5, 10, 12], "a": range(4)})
    right = pd.DataFrame({"t": [1, 2, 3, 6, 7], "b": range(5)})
    found = dd.merge_asof(dd.from_pandas(left, npartitions=2), dd.from_pandas(right, npartitions=3), on="t")
    same(found.compute(), pd.merge_asof(left, right, on="t"), index=False)


def test_collections_are_put_below_and_beside_each_other() -> None:
    frame = table()
    df = dd.from_pandas(frame, npartitions=3)
    top, rest = df.loc[:50], df.loc[52:]
    joined = dd.concat([top, rest])
    assert joined.known_divisions
    same(joined.compute(), frame)
    both = dd.concat([df, df[["x", "n"]].rename(columns={"n": "m"})])
    same(both.compute(), pd.concat([frame, frame[["x", "n"]].rename(columns={"n": "m"})]))
    inner = dd.concat([df, df[["x", "n"]]], join="inner")
    same(inner.compute(), pd.concat([frame, frame[["x", "n"]]], join="inner"))
    woven = dd.concat([df, df], interleave_partitions=True)
    assert woven.known_divisions
    same(woven.compute(), pd.concat([frame, frame]).sort_index(kind="stable"), order=False)
    beside = dd.concat([df.x, df.y.rename("z") + 1], axis=1)
    same(beside.compute(), pd.concat([frame.x, frame.y.rename("z") + 1], axis=1))
    other = dd.from_pandas(frame.y.iloc[5:50], npartitions=2)
    same(dd.concat([df.x, other], axis=1).compute(), pd.concat([frame.x, frame.y.iloc[5:50]], axis=1))
    a, b = pd.Series(["p", "q"], dtype="category"), pd.Series(["r"], dtype="category", index=[5])
    categories = dd.concat([dd.from_pandas(a, npartitions=1), dd.from_pandas(b, npartitions=1)]).compute()
    assert categories.tolist() == ["p", "q", "r"]
    assert isinstance(categories.dtype, pd.CategoricalDtype)


def test_series_of_other_divisions_are_aligned_by_labels() -> None:
    frame = table()
    df, other = dd.from_pandas(frame, npartitions=3), dd.from_pandas(frame.y.iloc[7:45], npartitions=4)
    same((df.x + other).compute(), frame.x + frame.y.iloc[7:45])
    same(df.assign(z=other).compute(), frame.assign(z=frame.y.iloc[7:45]))
    same((df.x + frame.y).compute(), frame.x + frame.y)
    unknown = df.x.clear_divisions() + other.clear_divisions()
    same(unknown.compute().sort_index(), frame.x + frame.y.iloc[7:45])


def test_labels_are_set_by_place_and_other_labels_forget_divisions() -> None:
    frame = table()
    df = dd.from_pandas(frame, npartitions=4)
    doubled = df.index * 2
    assert not doubled.known_divisions
    same(doubled.compute(), frame.index * 2)
    same(df.assign(z=df.index * 2).compute(), frame.assign(z=frame.index * 2))
    changed = df.copy()
    changed.index = df.index * 2
    assert not changed.known_divisions
    same(changed.compute(), frame.set_axis(frame.index * 2))
    same(df.set_index(df.index * -1).compute(), frame.set_index(frame.index * -1).sort_index(), check_names=False)
    same(df.shuffle("i", npartitions=2).compute().sort_index(), frame)
    same(dd.repartition(frame, divisions=[0, 50, 200]).compute(), frame)
