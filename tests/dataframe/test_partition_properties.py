"""Partition arithmetic against pandas on random tables: cuts, labels, windows and spans across borders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from compare import same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import raskal.dataframe as dd

COUNTS = st.sampled_from([1, 3, 7])
quick = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def frames(draw: Any) -> pd.DataFrame:
    """Sorted labels that may repeat, floats with gaps, texts with gaps, whole numbers that may be missing."""
    labels = sorted(draw(st.lists(st.integers(-20, 20), min_size=1, max_size=40)))
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    count = len(labels)
    return pd.DataFrame(
        {
            "x": np.where(rng.random(count) < 0.3, np.nan, rng.normal(size=count).round(2)),
            "n": pd.array(np.where(rng.random(count) < 0.2, None, rng.integers(0, 5, count)), dtype="Int64"),
            "k": pd.Series(rng.choice(["a", "b", None], count), dtype="str").array,
        },
        index=pd.Index(labels, name="i"),
    )


@quick
@given(frames(), COUNTS, st.sampled_from([1, 2, 5, 9]))
def test_partitions_of_another_number_hold_the_same_rows(frame: pd.DataFrame, count: int, other: int) -> None:
    df = dd.from_pandas(frame, npartitions=count).repartition(npartitions=other)
    same(df.compute(), frame)
    parts = [df.get_partition(number).compute() for number in range(df.npartitions)]
    same(pd.concat(parts), frame)
    if df.known_divisions:
        for part, low, high in zip(parts, df.divisions, df.divisions[1:], strict=False):
            assert part.index.isin(range(-21, 22)).all()
            assert len(part) == 0 or low <= part.index.min() <= part.index.max() <= high


@quick
@given(frames(), COUNTS, st.integers(-25, 25), st.integers(-25, 25))
def test_spans_of_labels_are_those_of_pandas(frame: pd.DataFrame, count: int, low: int, high: int) -> None:
    df = dd.from_pandas(frame, npartitions=count)
    same(df.loc[low:high].compute(), frame.loc[low:high])
    same(df.loc[low:].compute(), frame.loc[low:])
    same(df.iloc[:, [2, 0]].compute(), frame.iloc[:, [2, 0]])
    if low in frame.index:
        same(df.loc[low].compute(), frame.loc[[low]])
    else:
        with pytest.raises(KeyError):
            df.loc[low].compute()


@quick
@given(frames(), COUNTS, st.integers(1, 12), st.booleans(), st.sampled_from(["sum", "max", "count", "median"]))
def test_windows_reach_across_partitions(frame: pd.DataFrame, count: int, window: int, center: bool, name: str) -> None:
    df = dd.from_pandas(frame, npartitions=count)
    found = getattr(df.x.rolling(window, center=center, min_periods=1), name)()
    same(found.compute(), getattr(frame.x.rolling(window, center=center, min_periods=1), name)(), atol=1e-9)
    for periods in (1, -1, 3):
        same(df.shift(periods).compute(), frame.shift(periods))
        same(df.x.diff(periods).compute(), frame.x.diff(periods))
    same(df.ffill().compute(), frame.ffill())
    same(df.bfill().compute(), frame.bfill())
    same(df.x.cumsum().compute(), frame.x.cumsum(), atol=1e-9)


RULES = ("1h", "7h", "45min", "D", "2D", "W", "2W", "MS", "ME", "2ME", "QE")


@pytest.mark.parametrize("rule", RULES)
def test_spans_of_time_are_counted_as_in_pandas_however_rows_lie(rule: str) -> None:
    """Spans of 7 hours were once counted from the first day of each partition, and lost their rows."""
    times = pd.date_range("2024-01-01", periods=1500, freq="53min")
    series = pd.Series(np.arange(1500.0), index=times)[(times.hour < 3) | (times.hour > 9)]
    checked = 0
    for closed in (None, "left", "right"):
        for count in (3, 7):
            df = dd.from_pandas(series, npartitions=count)
            expected = series.resample(rule, closed=closed)
            same(df.resample(rule, closed=closed).sum().compute(), expected.sum())
            checked += 1
    assert checked == 6


def test_labels_moved_by_a_frequency_keep_divisions_that_are_known() -> None:
    hours = pd.date_range("2024-01-01", periods=30, freq="h")
    for index, freq in (
        (hours, "s"),
        (hours, pd.Timedelta(hours=10)),
        (pd.period_range("2024-01", periods=30, freq="D"), None),
    ):
        lazy = dd.from_pandas(pd.DataFrame({"x": range(30)}, index=index), npartitions=3).index
        moved = lazy.shift(2, freq=freq)
        expected = index.shift(2) if freq is None else index.shift(2, freq=freq)
        same(moved.compute(), expected)
        assert moved.known_divisions
        assert moved.divisions[0] == expected[0]
        assert moved.divisions[-1] == expected[-1]
