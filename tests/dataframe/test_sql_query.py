"""`raskal.sql`: queries over dataframes in scope, with pandas' missing values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from compare import same

import raskal
import raskal.dataframe as dd

FRAME = pd.DataFrame(
    {"k": ["a", "b", "a", None], "x": [1.0, np.nan, 3.0, 4.0], "Y y": [1, 2, 3, 4]}, index=[10, 20, 30, 40]
)


def test_variables_are_tables_and_the_result_is_a_lazy_dataframe() -> None:
    people = dd.from_pandas(FRAME, npartitions=2)
    found = raskal.sql('select k, sum(x) as total, max("Y y") as most from people where k is not null group by k')
    assert isinstance(found, dd.DataFrame)
    expected = FRAME.groupby("k").agg(total=("x", "sum"), most=("Y y", "max")).reset_index()
    # SQL has no sum of nothing: the sum of missing values alone is missing.
    expected["total"] = expected["total"].where(expected["k"] != "b")
    same(found.sort_values("k").compute(), expected, index=False)
    same((found.most + 1).sum().compute(), 7)
    assert len(people) == 4


def test_nan_is_null() -> None:
    found = raskal.sql("select count(x) as n, avg(x) as m from t where x is not null", t=FRAME).compute()
    assert found.n[0] == 3
    assert found.m[0] == FRAME.x.mean()


def test_joins_of_frames_that_pandas_made_partitions_of() -> None:
    left = dd.from_pandas(FRAME, npartitions=2).map_partitions(lambda part: part.assign(z=part.x * 2))
    names = pd.DataFrame({"k": ["a", "b"], "name": ["Ada", "Bob"]})
    found = raskal.sql("select name, z from l join n on l.k = n.k order by z desc", l=left, n=names)
    assert found.compute().name.tolist() == ["Bob", "Ada", "Ada"]
    assert found.compute().z.tolist()[1:] == [6.0, 2.0]


def test_mistakes_are_told_with_what_there_is() -> None:
    people = dd.from_pandas(FRAME, npartitions=1)
    with pytest.raises(ValueError, match="did you mean 'people'"):
        raskal.sql("select * from peeple, people")
    with pytest.raises(ValueError, match="names no dataframe"):
        raskal.sql("select 1 from nothing")
    with pytest.raises(ValueError, match="planned"):
        raskal.sql("selekt k from people")
    with pytest.raises(ValueError, match="planned"):
        raskal.sql("drop table people")
    with pytest.raises(ValueError, match="two columns called 'k'"):
        raskal.sql("select a.k, b.k from people a join people b on a.x = b.x")
    with pytest.raises(TypeError, match="expected a dataframe"):
        raskal.sql("select 1", t=3)  # type: ignore[arg-type]
    assert people.npartitions == 1
