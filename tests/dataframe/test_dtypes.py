"""Nullable and Arrow dtypes, times with zones, categories, time differences: expressions of each, as in pandas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compare import same

import raskal.dataframe as dd


def table(rows: int = 50) -> pd.DataFrame:
    """A column of each dtype, most with gaps."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "t": pd.date_range("2024-03-30", periods=rows, freq="h", tz="Europe/Zurich"),
            "i": pd.array(rng.integers(0, 5, rows), dtype="Int32"),
            "a": pd.Series(rng.integers(0, 9, rows)).astype("int64[pyarrow]"),
            "s": pd.Series(rng.choice(["x", "yy", None], rows)).astype("string[pyarrow]"),
            "c": pd.Categorical(rng.choice(["p", "q"], rows)),
            "b": pd.array(rng.choice([True, False, None], rows), dtype="boolean"),
            "d": pd.to_timedelta(rng.integers(0, 1000, rows), unit="s"),
        }
    )
    frame.loc[3, "i"] = pd.NA
    return frame


ZURICH = pd.Timestamp("2024-03-31", tz="Europe/Zurich")
CASES: dict[str, Callable[[Any], Any]] = {
    "the whole": lambda df: df,
    "another zone": lambda df: df.t.dt.tz_convert("UTC"),
    "hours": lambda df: df.t.dt.hour,
    "days": lambda df: df.t.dt.floor("D"),
    "after a time": lambda df: df[df.t > ZURICH].t,
    "first time": lambda df: df.t.min(),
    "times shifted": lambda df: df.t.shift(1),
    "sorted by time": lambda df: df.sort_values("t", ascending=False).t,
    "days in another zone": lambda df: df.set_index("t").a.resample("D").sum(),
    "windows of hours": lambda df: df.set_index("t").i.rolling("3h").sum(),
    "nullable sum": lambda df: df.i.sum(),
    "nullable plus": lambda df: df.i + 1,
    "nullable running": lambda df: df.i.cumsum(),
    "nullable where": lambda df: df.i.where(df.i > 2),
    "nullable clip": lambda df: df.i.clip(1, 3),
    "nullable quantile": lambda df: df.i.quantile(0.5),
    "nullable place": lambda df: df.i.idxmax(),
    "nullable to arrow": lambda df: df.i.astype("float64[pyarrow]"),
    "arrow product": lambda df: df.a * 2,
    "arrow mean": lambda df: df.a.mean(),
    "arrow spread": lambda df: df.a.std(),
    "correlation": lambda df: df[["i", "a"]].corr(),
    "text lengths": lambda df: df.s.str.len(),
    "text filled": lambda df: df.s.fillna("-").str.upper(),
    "text members": lambda df: df.s.isin(["x"]),
    "text counts": lambda df: df.s.nunique(),
    "text mode": lambda df: df.s.mode(),
    "text forward": lambda df: df.s.ffill(),
    "truth and": lambda df: df.b & (df.i > 2),
    "truth filter": lambda df: df[df.b.fillna(False)],
    "truth any": lambda df: df.b.any(),
    "category codes": lambda df: df.c.cat.codes,
    "category map": lambda df: df.c.map({"p": 1, "q": 2}),
    "difference sum": lambda df: df.d.sum(),
    "difference seconds": lambda df: df.d.dt.total_seconds(),
    "missing": lambda df: df.isna(),
    "described": lambda df: df[["i", "d"]].describe(),
    "span of labels": lambda df: df.loc[5:15],
    "groups of categories": lambda df: df.groupby("c", observed=True).agg({"i": ["sum", "max"], "a": "mean"}),
    "groups of text": lambda df: df.groupby("s").a.sum(),
    "groups of numbers": lambda df: df.groupby("i").a.mean(),
    "groups of dates": lambda df: df.groupby(df.t.dt.date).a.sum(),
    "medians of groups": lambda df: df.groupby("c", observed=True).i.median(),
    "first of groups": lambda df: df.groupby("c", observed=True).s.first(),
    "sizes of two keys": lambda df: df.groupby(["c", "s"], observed=True).size(),
}


@pytest.mark.parametrize("name", CASES)
def test_dtypes_beyond_numpys_give_what_pandas_gives(name: str) -> None:
    case = CASES[name]
    expected = case(table())
    for count in (1, 4):
        found = case(dd.from_pandas(table(), npartitions=count))
        found = found.compute() if hasattr(found, "compute") else found
        if pd.api.types.is_scalar(expected) and pd.api.types.is_number(expected):
            assert np.isclose(found, expected)
        else:
            same(found, expected)


@pytest.mark.parametrize("how", ["mean", "sum", "count", "first", "max"])
@pytest.mark.parametrize("values", ["i", ["i", "a"]])
def test_pivots_have_pandas_columns_and_dtypes(how: str, values: Any) -> None:
    frame = table().astype({"i": "float64", "a": "int64"})
    expected = pd.pivot_table(frame, index="s", columns="c", values=values, aggfunc=how, observed=False)
    df = dd.from_pandas(frame, npartitions=3)
    found = dd.pivot_table(df, index="s", columns="c", values=values, aggfunc=how).compute()
    pd.testing.assert_frame_equal(found, expected, check_column_type=False)
