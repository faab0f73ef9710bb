"""Delta and Iceberg tables, written and read by raskal and by their own libraries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from compare import same

import raskal.dataframe as dd


def rows(count: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    return pd.DataFrame(
        {"x": np.arange(count), "y": rng.normal(size=count).round(3), "k": rng.choice(["a", "b"], count)}
    )


def test_versions_of_a_delta_table_are_read(tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    frame = rows()
    dd.to_deltalake(dd.from_pandas(frame[:20], npartitions=2), tmp_path / "t")
    dd.to_deltalake(dd.from_pandas(frame[20:], npartitions=2), tmp_path / "t", mode="append")
    found = dd.read_deltalake(tmp_path / "t").compute().sort_values("x")
    same(found[["x", "y", "k"]], frame, index=False)
    assert len(dd.read_deltalake(tmp_path / "t", version=0)) == 20
    deltalake.write_deltalake(tmp_path / "p", pa.Table.from_pandas(frame), partition_by=["k"])
    keyed = dd.read_deltalake(tmp_path / "p", filters=[("k", "==", "a"), ("x", "<", 30)])
    assert sorted(keyed.x.compute()) == frame[(frame.k == "a") & (frame.x < 30)].x.tolist()
    assert dd.read_deltalake(tmp_path / "p", columns="y").sum().compute() == pytest.approx(frame.y.sum())


def test_rows_deleted_from_a_delta_table_are_gone(tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    deltalake.write_deltalake(tmp_path / "t", pa.Table.from_pandas(rows()))
    deltalake.DeltaTable(tmp_path / "t").delete("x < 10")
    assert dd.read_deltalake(tmp_path / "t").x.min().compute() == 10


def test_snapshots_of_an_iceberg_table_are_read(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    catalogs = pytest.importorskip("pyiceberg.catalog.sql")
    catalog = catalogs.SqlCatalog("c", uri=f"sqlite:///{tmp_path / 'c.db'}", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("n")
    frame = rows()
    schema = pa.schema({"x": pa.int64(), "y": pa.float64(), "k": pa.large_string()})
    table = catalog.create_table("n.t", schema=schema)
    assert len(dd.read_iceberg(table)) == 0
    dd.to_iceberg(dd.from_pandas(frame[:20], npartitions=2), table)
    first = table.current_snapshot().snapshot_id
    dd.to_iceberg(dd.from_pandas(frame[20:], npartitions=1), table)
    found = dd.read_iceberg(table).compute().sort_values("x")
    same(found, frame, index=False)
    assert len(dd.read_iceberg(table, snapshot_id=first)) == 20
    some = dd.read_iceberg(table, columns=["y"], row_filter="x > 33")
    assert sorted(some.y.compute()) == sorted(frame[frame.x > 33].y)
    table.delete("x < 10")
    assert dd.read_iceberg(table, columns="x").min().compute() == 10
