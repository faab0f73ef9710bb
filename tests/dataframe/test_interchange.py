"""Dataframes handed to other libraries and taken from them."""

from __future__ import annotations

import asyncio
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from compare import same, table

import raskal.array as da
import raskal.dataframe as dd


def plain() -> pd.DataFrame:
    return table()[["k", "n", "x", "when", "ok"]].reset_index(drop=True)


def test_arrow_streams_go_out_partition_by_partition() -> None:
    frame = plain()
    df = dd.from_pandas(frame, npartitions=3)
    found = pa.table(df)
    assert found.schema.names == list(frame.columns)
    same(found.to_pandas(), frame)
    reader = pa.RecordBatchReader.from_stream(df)
    assert [batch.num_rows for batch in reader] == [20, 20, 20]
    labelled = pa.table(dd.from_pandas(table()[["n"]], npartitions=2))
    assert labelled.schema.names == ["n", "i"]
    assert pa.table(df.x).column("x").null_count == frame.x.isna().sum()


def test_arrow_tables_come_in() -> None:
    frame = plain()
    for count in (1, 3, 7):
        df = dd.from_arrow(pa.Table.from_pandas(frame), npartitions=count)
        assert df.npartitions == count
        same(df.compute(), frame)
        assert df.known_divisions
    polars = pytest.importorskip("polars")
    same(
        dd.from_arrow(polars.DataFrame({"a": [1, 2], "b": ["x", "y"]})).compute(),
        pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    )
    same(dd.from_arrow(dd.from_pandas(frame, npartitions=2)).compute(), frame)
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        dd.from_arrow([1, 2])
    assert len(dd.from_arrow(pa.table({"a": pa.array([], pa.int64())}))) == 0


def test_narwhals_takes_a_dataframe() -> None:
    narwhals = pytest.importorskip("narwhals")
    frame = plain()
    found = narwhals.from_arrow(dd.from_pandas(frame, npartitions=3), backend="pyarrow")
    assert found.select(narwhals.col("n").sum()).item() == frame.n.sum()


def test_dataframes_of_dask_come_in() -> None:
    dask = pytest.importorskip("dask.dataframe")
    frame = plain()
    theirs = dask.from_pandas(frame, npartitions=3)
    for case in (lambda df: df, lambda df: df[df.n > 2].x, lambda df: df.assign(z=df.n * 2)[["z", "k"]]):
        found = dd.from_dask_dataframe(case(theirs))
        assert found.divisions == (0, 20, 40, 59)
        same(found.compute(), case(frame), check_dtype=False)
    same(dd.from_dask_dataframe(theirs).groupby("k").n.sum().compute(), frame.groupby("k").n.sum(), check_dtype=False)
    with pytest.raises(TypeError, match="of Dask"):
        dd.from_dask_dataframe(frame)


def test_the_interchange_protocol_gives_columns() -> None:
    frame = plain()[["n", "x"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exchanged = dd.from_pandas(frame, npartitions=3).__dataframe__()
    assert list(exchanged.column_names()) == ["n", "x"]
    assert exchanged.num_rows() == len(frame)


def test_collections_are_awaited() -> None:
    async def total() -> int:
        found = await dd.from_pandas(plain(), npartitions=3).n.sum()
        return int(found)

    assert asyncio.run(total()) == plain().n.sum()


def test_lazy_arrays_become_columns_and_operands() -> None:
    frame = plain()
    values = np.arange(60.0)
    for chunks in (60, 20, 7):
        df = dd.from_pandas(frame, npartitions=3)
        df["z"] = da.from_array(values, chunks=chunks)
        same(df.compute(), frame.assign(z=values))
        same((df.x + da.from_array(values, chunks=chunks)).compute(), (frame.x + values))
    df = dd.from_pandas(frame, npartitions=3)
    same((df.x + df.n.values).compute(), frame.x + frame.n.values)
    same(df.loc[(df.n > 2).values].compute(), frame.loc[(frame.n > 2).values])
    with pytest.raises(ValueError, match="59 values"):
        df["z"] = da.arange(59, chunks=20)


def test_divisions_are_enforced_where_asked() -> None:
    df = dd.from_pandas(plain(), npartitions=3)
    same(df.enforce_runtime_divisions().compute(), plain())
    wrong = dd.from_map(lambda n: pd.DataFrame({"x": [n]}, index=[n]), [5, 6], divisions=(0, 3, 9))
    with pytest.raises(RuntimeError, match=r"partition 0.*\[0, 3\).*\[5, 5\]"):
        wrong.enforce_runtime_divisions().compute()
    with pytest.raises(ValueError, match="No known divisions"):
        df.clear_divisions().enforce_runtime_divisions()


def test_pandas_own_errors_come_as_they_are_and_those_of_functions_show_their_line() -> None:
    df = dd.from_pandas(plain(), npartitions=2)
    with pytest.raises((TypeError, NotImplementedError)) as error:
        df.k.abs()
    assert "cannot find" not in str(error.value)

    def broken(part: pd.DataFrame) -> pd.DataFrame:
        return part["no such column"]

    with pytest.raises(ValueError, match=r"test_interchange\.py, line \d+: return part\[.no such column.\]"):
        df.map_partitions(broken)
