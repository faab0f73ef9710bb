"""Reading and writing by pandas: JSON, ORC, HDF5, SQL, fixed width, compressed CSV; partitions made by functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compare import same, table

import raskal
import raskal.array as da
import raskal.dataframe as dd


def plain() -> pd.DataFrame:
    return table()[["k", "n", "x", "y"]].reset_index(drop=True)


def test_json_lines_are_read_back(tmp_path: Path) -> None:
    frame = plain()
    files = dd.from_pandas(frame, npartitions=3).to_json(tmp_path / "part-*.json")
    assert [Path(one).name for one in files] == ["part-0.json", "part-1.json", "part-2.json"]
    same(dd.read_json(tmp_path / "part-*.json").compute(), frame, index=False)
    blocks = dd.read_json(tmp_path / "part-*.json", blocksize=300)
    assert blocks.npartitions > 6
    same(blocks.compute(), frame, index=False)
    dd.from_pandas(frame, npartitions=1).to_json(tmp_path / "table" / "*.json", orient="split", lines=False)
    same(dd.read_json(tmp_path / "table" / "*.json", orient="split").compute(), frame)
    with pytest.raises(ValueError, match="records"):
        dd.read_json(tmp_path / "part-*.json", orient="split", lines=True)


def test_orc_files_are_read_back(tmp_path: Path) -> None:
    frame = plain()
    dd.from_pandas(frame, npartitions=3).to_orc(tmp_path, write_index=False)
    same(dd.read_orc(tmp_path).compute(), frame, index=False)
    same(dd.read_orc(tmp_path, columns=["x"]).compute(), frame[["x"]], index=False)


def test_hdf_tables_are_read_back(tmp_path: Path) -> None:
    pytest.importorskip("tables")
    frame = plain().drop(columns=["k"])
    path = str(tmp_path / "t.h5")
    df = dd.from_pandas(frame, npartitions=3)
    df.to_hdf(path, "/data")
    found = dd.read_hdf(path, "/data", chunksize=25, sorted_index=True)
    assert found.npartitions == 3
    assert found.known_divisions
    same(found.compute(), frame)
    df.to_hdf(str(tmp_path / "many-*.h5"), "/data")
    same(dd.read_hdf(str(tmp_path / "many-*.h5"), "/data").compute(), frame)


def test_tables_of_a_database_are_read_in_ranges(tmp_path: Path) -> None:
    sa = pytest.importorskip("sqlalchemy")
    frame = plain().rename_axis("number")
    uri = f"sqlite:///{tmp_path / 't.db'}"
    dd.from_pandas(frame, npartitions=3).to_sql("rows", uri)
    found = dd.read_sql_table("rows", uri, index_col="number", npartitions=4)
    assert found.npartitions == 4
    same(found.compute(), frame, check_dtype=False)
    same(dd.read_sql("rows", uri, "number", divisions=[0, 10, 59], columns=["n"]).compute(), frame[["n"]])
    query = sa.select(sa.column("number"), sa.column("x")).select_from(sa.table("rows")).where(sa.column("n") > 2)
    same(dd.read_sql_query(query, uri, "number", npartitions=2).compute(), frame[frame.n > 2][["x"]])
    with pytest.raises(ValueError, match="exists"):
        dd.from_pandas(frame, npartitions=2).to_sql("rows", uri)
    with pytest.raises(TypeError, match="str"):
        dd.read_sql_table("rows", sa.create_engine(uri), "number")


def test_other_files_of_text_are_read_by_pandas(tmp_path: Path) -> None:
    frame = plain()
    for number, part in enumerate((frame[:30], frame[30:])):
        part.to_csv(tmp_path / f"{number}.csv.gz", index=False)
        part.to_csv(tmp_path / f"{number}.tsv", index=False, sep="\t")
        (tmp_path / f"{number}.txt").write_text(part[["n", "y"]].to_string(index=False))
    same(dd.read_csv(tmp_path / "*.csv.gz").compute(), frame, index=False)
    same(dd.read_table(tmp_path / "*.tsv").compute(), frame, index=False)
    same(dd.read_fwf(tmp_path / "*.txt").compute(), frame[["n", "y"]], index=False)
    skipped = dd.read_csv(tmp_path / "*.csv.gz", skiprows=[1, 2]).compute()
    assert len(skipped) == 56
    named = dd.read_csv(tmp_path / "*.csv.gz", include_path_column="file")
    assert named.file.nunique().compute() == 2
    with pytest.raises(ValueError, match="index_col"):
        dd.read_csv(tmp_path / "0.tsv", index_col=0)
    (tmp_path / "2.csv.gz").write_bytes((tmp_path / "1.tsv").read_bytes())
    with pytest.raises(Exception, match="gzip|gz"):
        dd.read_csv(tmp_path / "*.csv.gz").compute()


def test_a_column_that_changes_its_type_between_files_is_an_error(tmp_path: Path) -> None:
    pd.DataFrame({"x": [1, 2]}).to_json(tmp_path / "0.json", orient="records", lines=True)
    pd.DataFrame({"x": ["a", "b"]}).to_json(tmp_path / "1.json", orient="records", lines=True)
    with pytest.raises(ValueError, match=r"column 'x' of .*1.json is"):
        dd.read_json(tmp_path / "*.json").compute()


def test_functions_make_partitions() -> None:
    def make(number: int, factor: int, add: int = 0) -> pd.DataFrame:
        return pd.DataFrame({"x": [number * factor + add]}, index=[number])

    df = dd.from_map(make, [1, 2, 3], [10, 20, 30], add=1, divisions=(1, 2, 3, 3))
    assert df.divisions == (1, 2, 3, 3)
    assert df.x.compute().tolist() == [11, 41, 91]
    assert dd.from_map(make, [1, 2], args=(5,)).x.sum().compute() == 15
    with pytest.raises(ValueError, match="same length"):
        dd.from_map(make, [1], [1, 2])
    with pytest.raises(ValueError, match="callable"):
        dd.from_map(3, [1])


def test_delayed_objects_are_partitions() -> None:
    frame = table()
    parts = [raskal.delayed(frame.iloc[start : start + 20]) for start in (0, 20, 40)]
    df = dd.from_delayed(parts, divisions="sorted")
    assert df.known_divisions
    same(df.compute(), frame)
    same(dd.from_delayed(parts, meta=frame).y.sum().compute(), frame.y.sum())
    same(dd.from_delayed(df.to_delayed()).compute(), frame)
    with pytest.raises(ValueError, match="its meta has"):
        dd.from_delayed([raskal.delayed(frame), raskal.delayed(frame[["x"]])]).compute()
    with pytest.raises(TypeError, match="Delayed"):
        dd.from_delayed([3])


def test_arrays_become_dataframes() -> None:
    values = np.arange(12).reshape(6, 2)
    df = dd.from_array(values, chunksize=4, columns=["a", "b"])
    assert df.npartitions == 2
    same(df.compute(), pd.DataFrame(values, columns=["a", "b"]))
    records = np.array([(1, 2.0), (3, 4.0)], dtype=[("i", "i8"), ("f", "f8")])
    same(dd.from_array(records).compute(), pd.DataFrame(records))
    assert dd.from_array(np.arange(3)).sum().compute() == 3


def test_lazy_arrays_and_dataframes_become_each_other() -> None:
    values = np.arange(20.0).reshape(10, 2)
    df = dd.from_dask_array(da.from_array(values, chunks=(4, 1)), columns=["a", "b"])
    assert df.divisions == (0, 4, 8, 9)
    same(df.compute(), pd.DataFrame(values, columns=["a", "b"]))
    labels = dd.from_pandas(pd.DataFrame({"v": range(10)}, index=list("abcdefghij")), npartitions=2)
    one = dd.from_dask_array(da.arange(10, chunks=5), columns="n", index=labels.index)
    same(one.compute(), pd.Series(np.arange(10), name="n", index=list("abcdefghij")))
    back = df.to_dask_array(lengths=True)
    assert back.chunks == ((4, 4, 2), (2,))
    np.testing.assert_array_equal(back.compute(), values)
    np.testing.assert_array_equal(df.a.values.compute(), values[:, 0])
    np.testing.assert_allclose(df.values.sum(axis=0).compute(), values.sum(axis=0))
    with pytest.raises(ValueError, match="3 lengths"):
        df.to_dask_array(lengths=[1])


@pytest.mark.parametrize("kind", ["objects", "periods", "sets", "complex", "two names"])
def test_what_arrow_does_not_hold_stays_what_it_is(kind: str) -> None:
    frames: dict[str, Any] = {
        "objects": pd.DataFrame({"x": pd.Series([1, "a", None, (2, 3)], dtype=object)}),
        "periods": pd.DataFrame({"x": pd.period_range("2024-01", periods=4, freq="M")}),
        "sets": pd.DataFrame({"x": pd.Series([{1}, {2}, set(), None], dtype=object)}),
        "complex": pd.DataFrame({"x": np.array([1j, 2, 3, 4])}),
        "two names": pd.DataFrame(np.arange(8).reshape(4, 2), columns=["a", "a"]),
    }
    frame = frames[kind]
    df = dd.from_pandas(frame, npartitions=2)
    same(df.compute(), frame)
    same(df.shift(1).compute(), frame.shift(1))
    assert len(df) == 4
