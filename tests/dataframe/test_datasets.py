"""Random data: columns, spans, and equal values for equal seeds."""

from __future__ import annotations

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from raskal.datasets import make_people, timeseries


def test_rows_fill_the_span_and_repeat_by_seed() -> None:
    df = timeseries("2024-01-01", "2024-01-04", freq="6h", seed=1)
    assert df.npartitions == 3
    assert df.divisions[0] == pd.Timestamp("2024-01-01")
    found = df.compute()
    assert len(found) == 12
    assert found.index.is_monotonic_increasing
    assert list(found.dtypes.astype(str)) == ["str", "int64", "float64", "float64"]
    assert_frame_equal(timeseries("2024-01-01", "2024-01-04", freq="6h", seed=1).compute(), found)
    assert not timeseries("2024-01-01", "2024-01-04", freq="6h", seed=2).compute().x.equals(found.x)


def test_columns_are_of_the_types_asked_for() -> None:
    df = timeseries("2024-01-01", "2024-01-02", freq="1h", dtypes={"c": "category", "n": int, "t": str, "f": float})
    found = df.compute()
    assert isinstance(found.c.dtype, pd.CategoricalDtype)
    assert (found.dtypes == df.dtypes).all()
    with pytest.raises(ValueError, match="can't be made"):
        timeseries("2024-01-01", "2024-01-02", freq="1h", dtypes={"c": complex})


def test_people_repeat_by_seed_and_differ_within_a_partition() -> None:
    people = make_people(npartitions=3, records_per_partition=20, seed=5)
    assert people.npartitions == 3
    found = people.compute(scheduler="synchronous")
    assert len(found) == 60
    assert found == make_people(3, 20, seed=5).compute(scheduler="synchronous")
    assert found != make_people(3, 20).compute(scheduler="synchronous")
    assert len({person["telephone"] for person in found}) == 60
    assert all(set(person) == set(found[0]) and isinstance(person["age"], int) for person in found)
    with pytest.raises(ValueError, match="locale 'xx'"):
        make_people(locale="xx")
