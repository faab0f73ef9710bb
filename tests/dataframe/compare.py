"""The same expression on pandas and on raskal, over several partition counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal

import raskal.dataframe as dd
from raskal.dataframe.collection import FrameCollection

PARTITIONS = (1, 4)


def table(rows: int = 60) -> pd.DataFrame:
    """Texts, categories, whole numbers, floats with gaps, dates and truth values; labels in order."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "k": rng.choice(["a", "b", "c", "dd"], rows),
            "n": rng.integers(0, 6, rows),
            "x": rng.normal(size=rows).round(2),
            "y": rng.normal(size=rows).round(2) + 5,
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows) * 7, unit="h"),
            "ok": rng.random(rows) < 0.5,
            "c": pd.Categorical(rng.choice(["p", "q", "r"], rows), categories=["p", "q", "r", "s"]),
        },
        index=pd.Index(np.arange(rows) * 2, name="i"),
    )
    frame.loc[rng.random(rows) < 0.2, "x"] = np.nan
    frame.loc[rng.random(rows) < 0.1, "k"] = np.nan
    return frame


def check(case: Callable[[Any], Any], frame: Any, *, index: bool = True, order: bool = True, **options: Any) -> None:
    """Assert that `case` gives for lazy collections what it gives for pandas objects."""
    expected = case(frame)
    checked = 0
    for count in PARTITIONS:
        df = dd.from_pandas(frame, npartitions=count, sort=frame.index.is_monotonic_increasing)
        found = case(df)
        if isinstance(found, FrameCollection):
            meta = found._meta
            found = found.compute()
            assert type(found) is type(expected) or not isinstance(expected, (pd.DataFrame, pd.Series)), type(found)
            if isinstance(expected, pd.DataFrame):
                assert list(meta.columns) == list(expected.columns)
            if isinstance(expected, pd.Series):
                assert meta.name == expected.name
        same(found, expected, index=index, order=order, **options)
        checked += 1
    assert checked == len(PARTITIONS)


def same(found: Any, expected: Any, *, index: bool = True, order: bool = True, **options: Any) -> None:
    """Assert that two results are equal: values, dtypes, labels, order."""
    if isinstance(expected, (pd.DataFrame, pd.Series)):
        if not order:
            found, expected = _in_order(found, index), _in_order(expected, index)
        if not index:
            found, expected = found.reset_index(drop=True), expected.reset_index(drop=True)
        compare: Any = assert_frame_equal if isinstance(expected, pd.DataFrame) else assert_series_equal
        compare(found, expected, check_freq=False, check_index_type=False, **options)
    elif isinstance(expected, pd.Index):
        assert_index_equal(found, expected, exact="equiv")
    elif isinstance(expected, float) and np.isnan(expected):
        assert np.isnan(found)
    elif isinstance(expected, float):
        assert np.isclose(found, expected)
    else:
        assert found == expected


def _in_order(data: Any, index: bool) -> Any:
    if index:
        data = data.reset_index() if isinstance(data, pd.DataFrame) else data.to_frame("__v__").reset_index()
    if isinstance(data, pd.DataFrame):
        return data.sort_values(list(data.columns), key=lambda one: one.astype(str)).reset_index(drop=True)
    return data.sort_values().reset_index(drop=True)
