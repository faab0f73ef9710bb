"""Methods that the engine has exactly: no call of Python, and what pandas gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compare import same
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import raskal.dataframe as dd

CASES: dict[str, Callable[[Any], Any]] = {
    "startswith": lambda f: f.s.str.startswith("a"),
    "endswith": lambda f: f.s.str.endswith("ä"),
    "contains": lambda f: f.s.str.contains("b c"),
    "contains pattern": lambda f: f.s.str.contains("a.*c|^b"),
    "contains text": lambda f: f.s.str.contains(".", regex=False),
    "len": lambda f: f.s.str.len(),
    "slice": lambda f: f.s.str.slice(1, 3),
    "slice from": lambda f: f.s.str[2:],
    "replace": lambda f: f.s.str.replace("a", "zz"),
    "year": lambda f: f.d.dt.year,
    "month": lambda f: f.d.dt.month,
    "quarter": lambda f: f.d.dt.quarter,
    "dayofyear": lambda f: f.d.dt.day_of_year,
    "weekday": lambda f: f.d.dt.day_of_week,
    "second": lambda f: f.d.dt.second,
    "abs": lambda f: f.x.abs(),
    "isin": lambda f: f.n.isin([1, 3]),
    "isin text": lambda f: f.s.isin(["a", "nowhere"]),
    "isin missing": lambda f: f.x.isin([1.5, np.nan]),
    "isin dates": lambda f: f.d.isin([pd.Timestamp("2024-02-29 12:34:56")]),
    "isin nothing": lambda f: f.n.isin([]),
    "where": lambda f: f.x.where(f.n > 2),
    "where constant": lambda f: f.x.where(f.n > 2, 0.5),
    "where series": lambda f: f.x.where(f.b, f.y),
    "where whole": lambda f: f.n.where(f.n > 2),
    "mask": lambda f: f.x.mask(f.x > 0, -1.0),
    "mask text": lambda f: f.s.mask(f.n > 2, "gone"),
    "clip": lambda f: f.x.clip(-1, 1.5),
    "clip one end": lambda f: f.n.clip(upper=2),
    "between": lambda f: f.x.between(-2, 1.5),
    "between left": lambda f: f.n.between(1, 3, inclusive="left"),
    "astype float": lambda f: f.n.astype("float64"),
    "astype text": lambda f: f.n.astype("str"),
    "fillna": lambda f: f.x.fillna(0.25),
    "fillna text": lambda f: f.s.fillna("none"),
    "logic": lambda f: (f.n > 1) & ~(f.x < 0) | f.b,
}
PHASES = (Phase.explicit, Phase.generate)
SIZE = 12
FRAMES = st.fixed_dictionaries(
    {
        "s": st.lists(st.sampled_from(["a", "ab c", "b", "äa", "", "a.c", None]), min_size=SIZE, max_size=SIZE),
        "n": st.lists(st.integers(-3, 4), min_size=SIZE, max_size=SIZE),
        "x": st.lists(st.sampled_from([0.0, -0.0, 1.5, -2.0, np.nan, 3.25]), min_size=SIZE, max_size=SIZE),
        "y": st.lists(st.sampled_from([1.0, np.nan]), min_size=SIZE, max_size=SIZE),
        "b": st.lists(st.booleans(), min_size=SIZE, max_size=SIZE),
        "d": st.lists(
            st.sampled_from(["2024-02-29 12:34:56", "1969-12-31 23:59:59", "2000-01-03", None]),
            min_size=SIZE,
            max_size=SIZE,
        ),
    }
)


def frame_of(drawn: dict[str, list[Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(drawn)
    return frame.astype({"s": "str", "d": "datetime64[us]"})


@pytest.mark.parametrize("name", list(CASES))
@settings(max_examples=6, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(drawn=FRAMES)
def test_methods_give_what_pandas_gives_without_calling_it(name: str, drawn: dict[str, list[Any]]) -> None:
    frame, case = frame_of(drawn), CASES[name]
    found = case(dd.from_pandas(frame, npartitions=2))
    assert "pandas" not in found.explain()
    same(found.compute(), case(frame))


def test_what_is_not_exact_is_left_to_pandas() -> None:
    frame = pd.DataFrame({"s": [" a\t", "b"], "x": [0.5, 1.5], "d": pd.to_datetime(["2024-01-01", None])})
    df = dd.from_pandas(frame, npartitions=1)
    cases: list[Callable[[Any], Any]] = [
        lambda f: f.s.str.strip(),
        lambda f: f.x.round(),
        lambda f: f.s.str.contains(r"\w"),
        lambda f: f.d.dt.floor("h"),
        lambda f: f.x.isin(["text"]),
    ]
    for case in cases:
        assert "pandas" in case(df).explain()
        same(case(df).compute(), case(frame))
    assert len(cases) == 5
