"""What users get wrong, each a clear error: which value, which column, which file, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compare import table

import raskal.dataframe as dd


@pytest.fixture
def df() -> Any:
    return dd.from_pandas(table(), npartitions=3)


def test_columns_that_do_not_exist_offer_the_nearest(df: Any) -> None:
    wide = df.rename(columns={"when": "timestamp", "ok": "accepted"})
    for use in (
        lambda: wide["timestmp"],
        lambda: wide[["timestmp"]],
        lambda: wide.groupby("timestmp"),
        lambda: wide.groupby("k")["timestmp"],
        lambda: wide.sort_values("timestmp"),
        lambda: wide.set_index("timestmp"),
        lambda: wide.drop(columns=["timestmp"]),
        lambda: wide.drop_duplicates(subset=["timestmp"]),
        lambda: wide.nlargest(3, "timestmp"),
        lambda: wide.astype({"timestmp": "str"}),
        lambda: wide.explode("timestmp"),
        lambda: wide.loc[:, "timestmp"],
        lambda: wide.melt(id_vars="timestmp"),
        lambda: wide.dropna(subset=["timestmp"]),
    ):
        with pytest.raises(KeyError, match="timestmp") as error:
            use()
        assert "timestamp" in str(error.value), error.value


def test_a_function_that_gives_other_than_its_meta_is_an_error(df: Any) -> None:
    with pytest.raises(ValueError, match=r"gave the columns \['k', 'z'\], its meta has \['k', 'n'\]"):
        df.map_partitions(lambda part: part[["k"]].assign(z=1), meta={"k": "str", "n": "int64"}).compute()
    with pytest.raises(ValueError, match="gave a int"):
        df.map_partitions(len, meta={"k": "str"}).compute()
    with pytest.raises(ValueError, match="gave a Series"):
        df.map_partitions(lambda part: part.n, meta=df._meta).compute()


def test_divisions_must_be_in_order_and_known(df: Any) -> None:
    with pytest.raises(ValueError, match="sorted"):
        df.repartition(divisions=[0, 50, 20, 118])
    with pytest.raises(ValueError, match="unknown"):
        df.clear_divisions().repartition(divisions=[0, 20, 118])
    with pytest.raises(ValueError, match="known divisions"):
        df.clear_divisions().set_index("when", sort=False).resample("1D")
    with pytest.raises(ValueError, match="sorted"):
        df.set_index("n", divisions=[3, 1, 5])
    with pytest.raises(ValueError, match="len"):
        dd.from_map(lambda n: pd.DataFrame({"x": [n]}), [1, 2], divisions=(0, 1))


def test_keys_of_types_that_never_are_equal_are_refused_or_as_in_pandas(df: Any) -> None:
    right = pd.DataFrame({"k": [1, 2], "w": [1.0, 2.0]})
    with pytest.raises(ValueError, match="merge"):
        table().merge(right, on="k")
    with pytest.raises((ValueError, TypeError)):
        df.merge(dd.from_pandas(right, npartitions=1), on="k").compute()


def test_names_that_appear_twice_are_told_apart_or_refused(df: Any) -> None:
    twice = pd.DataFrame(np.arange(4).reshape(2, 2), columns=["a", "a"])
    lazy = dd.from_pandas(twice, npartitions=1)
    pd.testing.assert_frame_equal(lazy["a"].compute(), twice["a"])
    with pytest.raises(ValueError, match="suffixes|overlap"):
        df.join(df[["x"]]).compute()


def test_truth_values_and_loops_say_what_to_do(df: Any) -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        bool(df.x > 0)
    with pytest.raises((TypeError, ValueError)):
        df[df.x > 0 and df.y > 0]
    with pytest.raises(NotImplementedError, match="hint"):
        df.apply(lambda column: column, axis=0)


def test_text_that_is_no_number_names_file_line_and_column(tmp_path: Path) -> None:
    lines = ["id,amount", *(f"{number},{number}.5" for number in range(2000)), "2000,twelve"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"t\.csv, line 2002: 'twelve' in column 'amount'"):
        dd.read_csv(tmp_path / "t.csv", sample=200).amount.sum().compute()
    (tmp_path / "u.csv").write_text("a,b\n1,2\n3,4,5\n")
    with pytest.raises(ValueError, match=r"u\.csv, line 3: the row has 3 fields"):
        dd.read_csv(tmp_path / "u.csv")
    with pytest.raises(FileNotFoundError, match=r"gone\.csv"):
        dd.read_csv(tmp_path / "gone.csv")


def test_a_folder_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no files"):
        dd.read_parquet(tmp_path)
    with pytest.raises(OSError, match="no file"):
        dd.read_json(tmp_path / "*.json")
