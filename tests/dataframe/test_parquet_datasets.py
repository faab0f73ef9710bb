"""Folders of Parquet files: keys in names, cutting and joining, drift of schemas, writing whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from compare import same

import raskal.dataframe as dd


def rows(count: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "x": np.arange(count),
            "y": rng.normal(size=count).round(3),
            "year": rng.choice([2023, 2024, 2025], count),
            "city": rng.choice(["Bern", "São Paulo", "a/b", None], count),
        }
    )
    return frame


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("x").reset_index(drop=True)


def test_columns_become_folders_and_come_back_as_categories(tmp_path: Path) -> None:
    frame = rows()
    dd.from_pandas(frame, npartitions=3).to_parquet(tmp_path, partition_on=["year", "city"], write_index=False)
    assert {one.name for one in tmp_path.iterdir()} == {"year=2023", "year=2024", "year=2025"}
    found = dd.read_parquet(tmp_path)
    assert list(found.columns) == ["x", "y", "year", "city"]
    assert found.year.cat.known
    assert list(found.year.cat.categories) == [2023, 2024, 2025]
    back = in_order(found.compute())
    same(back[["x", "y"]], frame[["x", "y"]])
    same(back.year.astype("int64"), frame.year)
    assert back.city.astype("str").fillna("-").tolist() == frame.city.fillna("-").tolist()
    assert set(pd.read_parquet(tmp_path, columns=["x"]).x) == set(frame.x)


def test_filters_on_keys_leave_files_unread(tmp_path: Path) -> None:
    frame = rows()
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path, partition_on="year")
    for conditions in ([("year", "==", 2024)], [("year", ">", 2023), ("x", "<", 40)], [("year", "in", [2023, 2025])]):
        found = dd.read_parquet(tmp_path, filters=conditions)
        expected = pd.read_parquet(tmp_path, filters=conditions)
        same(in_order(found.compute())[["x", "y"]], in_order(expected)[["x", "y"]])
        assert found.npartitions <= 4
    assert len(dd.read_parquet(tmp_path, filters=[("year", "==", 1999)])) == 0
    assert dd.read_parquet(tmp_path, columns=["year"]).year.value_counts().compute().sum() == 60


@pytest.mark.parametrize("split", [True, 2, "adaptive", False])
def test_files_are_cut_at_row_groups(tmp_path: Path, split: object) -> None:
    frame = rows()
    frame.to_parquet(tmp_path / "one.parquet", row_group_size=10)
    frame.to_parquet(tmp_path / "two.parquet", row_group_size=25)
    found = dd.read_parquet(tmp_path, split_row_groups=split, blocksize=1000)
    whole = pd.concat([frame, frame])
    assert found.npartitions == {True: 9, 2: 5, "adaptive": 9, False: 2}[split]  # type: ignore[index]
    same(found.compute(), whole)
    assert found.x.sum().compute() == whole.x.sum()
    assert len(found) == 120
    lengths = found.map_partitions(len).compute().tolist()
    assert sum(lengths) == 120
    if split is True:
        assert lengths == [10] * 6 + [25, 25, 10]
        same(found.partitions[1].compute(), frame.iloc[10:20])


def test_small_files_are_put_together(tmp_path: Path) -> None:
    frame = rows()
    for number in range(6):
        (tmp_path / f"k={number % 2}").mkdir(exist_ok=True)
        frame[number * 10 : number * 10 + 10].to_parquet(
            tmp_path / f"k={number % 2}" / f"{number}.parquet", index=False
        )
    found = dd.read_parquet(tmp_path, aggregate_files=True, blocksize="1MiB")
    assert found.npartitions == 1
    assert found.x.sum().compute() == frame.x.sum()
    by_key = dd.read_parquet(tmp_path, aggregate_files="k", blocksize="1MiB")
    assert by_key.npartitions == 2
    assert by_key.x.sum().compute() == frame.x.sum()


def test_divisions_come_from_statistics(tmp_path: Path) -> None:
    frame = rows()
    dd.from_pandas(frame, npartitions=3).to_parquet(tmp_path / "whole", write_metadata_file=True)
    assert not dd.read_parquet(tmp_path / "whole").known_divisions
    for ignore in (True, False):
        found = dd.read_parquet(tmp_path / "whole", calculate_divisions=True, ignore_metadata_file=ignore)
        assert found.divisions == (0, 20, 40, 59)
        same(found.loc[15:25].compute(), frame.loc[15:25])
    times = frame.assign(t=pd.date_range("2024-01-01", periods=60, freq="h")).drop(columns="city")
    dd.from_pandas(times, npartitions=3).to_parquet(tmp_path / "times", write_index=False)
    found = dd.read_parquet(tmp_path / "times", index="t", calculate_divisions=True)
    assert found.divisions[1] == pd.Timestamp("2024-01-01 20:00")
    same(found.y.resample("6h").sum().compute(), times.set_index("t").y.resample("6h").sum())
    frame.sample(frac=1, random_state=1).to_parquet(tmp_path / "mixed.parquet")
    frame.sample(frac=1, random_state=2).to_parquet(tmp_path / "mixed2.parquet")
    assert not dd.read_parquet(tmp_path / "mixed*.parquet", calculate_divisions=True).known_divisions


def test_types_that_differ_between_files_are_settled(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([1, 2], pa.int32()), "b": [1, 2], "c": pa.nulls(2)}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"a": pa.array([3], pa.int64()), "b": [0.5], "c": ["x"]}), tmp_path / "1.parquet")
    found = dd.read_parquet(tmp_path).compute()
    assert found.a.tolist() == [1, 2, 3]
    assert found.b.tolist() == [1.0, 2.0, 0.5]
    assert found.c.isna().tolist() == [True, True, False]


def test_files_that_have_no_schema_in_common_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "b": [1]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"a": ["x"], "b": [2]}), tmp_path / "1.parquet")
    with pytest.raises(ValueError, match=r"column 'a' is Int64 in .*0\.parquet, Utf8 in .*1\.parquet"):
        dd.read_parquet(tmp_path)
    assert dd.read_parquet(tmp_path, columns=["b"]).b.sum().compute() == 3
    pq.write_table(pa.table({"b": [3]}), tmp_path / "1.parquet")
    with pytest.raises(ValueError, match=r"1\.parquet has no column 'a'"):
        dd.read_parquet(tmp_path)
    pq.write_table(pa.table({"a": [1], "b": [3], "c": [4]}), tmp_path / "1.parquet")
    with pytest.raises(ValueError, match=r"0\.parquet has no column 'c'"):
        dd.read_parquet(tmp_path)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    for number in range(3):
        rows().to_parquet(tmp_path / f"{number}.parquet")
    whole = (tmp_path / "1.parquet").read_bytes()
    (tmp_path / "1.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match=r"1\.parquet: not a Parquet file"):
        dd.read_parquet(tmp_path)


def test_a_file_that_vanished_after_it_was_listed_is_named(tmp_path: Path) -> None:
    for number in range(3):
        rows().to_parquet(tmp_path / f"{number}.parquet")
    df = dd.read_parquet(tmp_path)
    (tmp_path / "1.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"1\.parquet"):
        df.x.sum().compute()


def test_extension_dtypes_are_chosen(tmp_path: Path) -> None:
    frame = rows()
    frame.to_parquet(tmp_path / "t.parquet")
    nullable = dd.read_parquet(tmp_path, dtype_backend="numpy_nullable")
    same(nullable.compute(), pd.read_parquet(tmp_path, dtype_backend="numpy_nullable"))
    arrow = dd.read_parquet(tmp_path, dtype_backend="pyarrow")
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in arrow.compute().dtypes)
    assert arrow.x.sum().compute() == frame.x.sum()
    with pytest.raises(ValueError, match="dtype_backend"):
        dd.read_parquet(tmp_path, dtype_backend="polars")


def test_the_index_is_chosen_or_left_out(tmp_path: Path) -> None:
    frame = rows().rename_axis("label")
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path)
    same(
        dd.read_parquet(tmp_path, index=False).compute(),
        frame.reset_index()[["x", "y", "year", "city", "label"]],
        index=False,
    )
    same(dd.read_parquet(tmp_path, index="x").compute()[["y"]], frame.set_index("x")[["y"]])
    same(dd.read_parquet(tmp_path, index=["x"], columns=["y"]).compute(), frame.set_index("x")[["y"]])


def test_overwriting_keeps_the_old_data_until_the_new_is_whole(tmp_path: Path) -> None:
    frame = rows()
    dd.from_pandas(frame, npartitions=4).to_parquet(tmp_path / "t")
    before = sorted(os.listdir(tmp_path / "t"))

    def fail(part: pd.DataFrame, partition_info: dict[str, int] | None = None) -> pd.DataFrame:
        if partition_info is not None and partition_info["number"] == 1:
            raise RuntimeError("no more")
        return part

    broken = dd.from_pandas(frame + frame.iloc[:0], npartitions=2).map_partitions(fail, meta=frame.iloc[:0])
    with pytest.raises(RuntimeError, match="no more"):
        broken.to_parquet(tmp_path / "t", overwrite=True)
    assert sorted(os.listdir(tmp_path / "t")) == before
    same(dd.read_parquet(tmp_path / "t").compute(), frame)
    with pytest.raises(RuntimeError, match="no more"):
        broken.to_parquet(tmp_path / "new")
    assert os.listdir(tmp_path / "new") == []
    dd.from_pandas(frame, npartitions=2).to_parquet(tmp_path / "t", overwrite=True)
    assert sorted(os.listdir(tmp_path / "t")) == ["part.0.parquet", "part.1.parquet"]


def test_a_disk_that_is_full_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk: a write fails after some bytes, in the middle of a file."""
    script = """
import resource, signal, sys
import numpy as np, pandas as pd
import raskal.dataframe as dd
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
df = dd.from_pandas(pd.DataFrame({"x": np.random.default_rng(0).random(40_000)}), npartitions=2)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for write in (lambda: df.to_parquet(sys.argv[1] + "/p"), lambda: df.to_csv(sys.argv[1] + "/c/*.csv")):
    try:
        write()
    except OSError as error:
        print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len([line for line in lines if "OSError" in line]) == 2, done.stdout
    assert "part." in lines[0]
    assert os.listdir(tmp_path / "p") == []
    assert os.listdir(tmp_path / "c") == []


def test_appending_checks_columns_and_labels(tmp_path: Path) -> None:
    frame = rows()
    first, second = (dd.from_pandas(part, npartitions=2) for part in (frame[:30], frame[30:]))
    first.to_parquet(tmp_path, write_metadata_file=True)
    second.to_parquet(tmp_path, append=True)
    same(dd.read_parquet(tmp_path).compute(), frame)
    assert pq.read_metadata(tmp_path / "_metadata").num_rows == 60
    with pytest.raises(ValueError, match="overlap"):
        first.to_parquet(tmp_path, append=True)
    first.to_parquet(tmp_path, append=True, ignore_divisions=True)
    assert len(dd.read_parquet(tmp_path)) == 90
    with pytest.raises(ValueError, match="'y' is double"):
        second.assign(y="text").to_parquet(tmp_path, append=True)
    with pytest.raises(ValueError, match="partitioned on"):
        second.to_parquet(tmp_path, append=True, partition_on="year")


def test_options_of_writing_reach_the_files(tmp_path: Path) -> None:
    frame = rows()
    df = dd.from_pandas(frame, npartitions=2)
    df.to_parquet(tmp_path, custom_metadata={"who": "me"}, name_function=lambda n: f"n-{n}.parquet", compression="zstd")
    assert sorted(os.listdir(tmp_path)) == ["n-0.parquet", "n-1.parquet"]
    footer = pq.read_metadata(tmp_path / "n-0.parquet")
    assert footer.metadata[b"who"] == b"me"
    assert footer.row_group(0).column(0).compression == "ZSTD"
    df.to_parquet(tmp_path / "s", schema={"x": pa.float32()})
    assert pq.read_schema(tmp_path / "s" / "part.0.parquet").field("x").type == pa.float32()
    lazy = df.to_parquet(tmp_path / "lazy", compute=False)
    assert not (tmp_path / "lazy").exists()
    assert lazy.compute() is None
    same(dd.read_parquet(tmp_path / "lazy").compute(), frame)
    with pytest.raises(ValueError, match="non-existent column"):
        df.to_parquet(tmp_path / "x", partition_on="gone")
    with pytest.raises(ValueError, match="string column names"):
        df.rename(columns={"x": 1}).to_parquet(tmp_path / "x")
    with pytest.raises(ValueError, match="does not fit the schema"):
        df.to_parquet(tmp_path / "x", schema={"city": pa.int64()})
