"""Reading and writing CSV files, with pandas as the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal

import raskal.dataframe as dd


def read_all(folder: Path, **kwargs: Any) -> pd.DataFrame:
    return pd.concat([pd.read_csv(path, **kwargs) for path in sorted(folder.glob("*.csv"))])


def test_files_read_as_pandas_reads_them_one_after_the_other(csv_folder: Path) -> None:
    df = dd.read_csv(csv_folder / "*.csv", parse_dates=["when"])
    expected = read_all(csv_folder, parse_dates=["when"])
    assert df.npartitions == 3
    assert list(df.columns) == list(expected.columns)
    assert_series_equal(df.dtypes, expected.dtypes)
    assert_frame_equal(df.compute(), expected)
    assert len(df) == len(expected)


@pytest.mark.parametrize("blocksize", [50, 333, "1kB", None])
def test_block_size_changes_partitions_and_not_rows(csv_folder: Path, blocksize: Any) -> None:
    df = dd.read_csv(csv_folder / "*.csv", blocksize=blocksize)
    assert (df.npartitions == 3) == (blocksize is None)
    assert_frame_equal(df.compute().reset_index(drop=True), read_all(csv_folder).reset_index(drop=True))


@pytest.mark.parametrize(
    "options",
    [
        {"usecols": ["name", "x"]},
        {"dtype": {"id": "float32", "x": "float32", "name": "category"}},
        {"dtype": {"id": "Int64"}},
        {"na_values": ["Bob"]},
        {"keep_default_na": False, "dtype": {"x": "str"}},
        {"names": list("abcde"), "header": 0},
    ],
    ids="-".join,
)
def test_options_mean_what_they_mean_in_pandas(csv_folder: Path, options: dict[str, Any]) -> None:
    found = dd.read_csv(csv_folder / "part-1.csv", **options).compute()
    assert_frame_equal(found, pd.read_csv(csv_folder / "part-1.csv", **options), check_categorical=False)


def test_separators_quotes_and_headless_files(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"1;'a;\n''b'';';x\r\n2;plain;\n\n3;'';y\n")
    options: dict[str, Any] = {"sep": ";", "quotechar": "'", "header": None, "names": ["n", "text", "rest"]}
    assert_frame_equal(dd.read_csv(path, blocksize=None, **options).compute(), pd.read_csv(path, **options))


field = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["", "NA", "nan", "text", 'a "quoted" one', "comma, inside", "äöü €", "True"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(field, field), min_size=1, max_size=12))
def test_any_small_table_reads_as_in_pandas(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "t.csv"
    quoted = [",".join('"' + one.replace('"', '""') + '"' for one in row) for row in rows]
    path.write_text("\n".join(["a,b", *quoted]) + "\n")
    expected = pd.read_csv(path)
    if any(expected[column].dtype == object for column in expected):
        return  # truth values with gaps: pandas gives objects, which no partition can promise
    assert_frame_equal(dd.read_csv(path).compute(), expected)


def test_integers_that_turn_out_to_have_gaps_become_floats(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("x,y\n1,a\n2,b\n")
    (tmp_path / "2.csv").write_text("x,y\n,c\n")
    df = dd.read_csv(tmp_path / "*.csv")
    assert df.dtypes["x"] == "int64"
    assert_frame_equal(df.compute(), read_all(tmp_path))
    assert np.isnan(df.compute().x.iloc[2])
    assert df.x.sum().compute() == 3


def test_a_missing_file_names_the_pattern(tmp_path: Path) -> None:
    for pattern in ["gone.csv", "*.csv"]:
        with pytest.raises(FileNotFoundError, match="no file matches") as raised:
            dd.read_csv(tmp_path / pattern)
        assert str(tmp_path / pattern) in str(raised.value)
    assert dd.from_dict({"x": [1]}, npartitions=1).x.sum().compute() == 1


def test_a_row_with_too_many_fields_names_file_line_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("a,b\n" + "1,2\n" * 100_000 + "1,2,3\n")
    with pytest.raises(ValueError, match=r"bad\.csv, line 100002: the row has 3 fields, the table has 2 columns"):
        dd.read_csv(path).a.sum().compute()
    path.write_text("a,b\n1,2\n1,2,3\n")
    with pytest.raises(ValueError, match=r"bad\.csv, line 3"):
        dd.read_csv(path)


def test_a_later_row_of_another_type_names_the_line_and_a_dtype(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("a\n" + "1\n" * 200_000 + "x\n")
    with pytest.raises(ValueError, match=r"bad\.csv, line 200002: 'x' in column 'a' is not int64") as raised:
        dd.read_csv(path).a.sum().compute()
    assert "dtype={'a': 'str'}" in str(raised.value)


def test_options_that_do_not_fit_are_refused_by_name(csv_folder: Path) -> None:
    with pytest.raises(ValueError, match="nrows"):
        dd.read_csv(csv_folder / "*.csv", nrows=3)
    with pytest.raises(KeyError, match="did you mean 'name'"):
        dd.read_csv(csv_folder / "*.csv", usecols=["nam"])


def test_written_files_read_back(people: pd.DataFrame, tmp_path: Path) -> None:
    df = dd.from_pandas(people, npartitions=3)
    files = df.to_csv(tmp_path / "part-*.csv", index=False)
    assert [Path(one).name for one in files] == ["part-0.csv", "part-1.csv", "part-2.csv"]
    back = dd.read_csv(files, parse_dates=["when"]).compute().reset_index(drop=True)
    assert_frame_equal(back, people)
    df.to_csv(tmp_path / "one.csv", single_file=True)
    assert (tmp_path / "one.csv").read_text() == people.to_csv()
