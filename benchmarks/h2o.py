"""The group-by and join questions of the h2o.ai benchmark, from Parquet.

Start at `CASES`: ten group-bys and five joins, a case each. Columns, cardinalities and questions are the benchmark's:
of `ROWS` rows, keys of 100 and of a hundredth of the rows. Every answer is compared with DuckDB's. Results are made as
each library gives them: raskal sorts groups, as pandas does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.case import Case, Prepared, expect
from benchmarks.tpch import same
from examples.make_data import Size

ROWS = {"full": 10_000_000, "small": 100_000}
FILES = 4
VERSION = 1


def ensure(size: Size) -> Path:
    """The folder with the tables `x`, `small`, `medium` and `big`, written if they are not there."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = ROWS[size.name]
    folder = size.folder / f"h2o-{rows}-v{VERSION}"
    if (folder / "_whole").exists():
        return folder
    rng, few = np.random.default_rng(108), 100
    many = rows // few

    def texts(codes: Any) -> Any:
        values = pa.array([f"id{code:010d}" for code in range(int(codes.max()) + 1)])
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype("int32")), values).cast(pa.large_string())

    def write(name: str, columns: dict[str, Any]) -> None:
        (folder / name).mkdir(parents=True)
        table = pa.table(columns)
        per_file = -(-table.num_rows // FILES)
        for number in range(FILES):
            part = table.slice(number * per_file, per_file)
            pq.write_table(part, folder / name / f"part.{number}.parquet", row_group_size=500_000, compression="zstd")

    keys = {name: rng.integers(1, few + 1, rows) for name in ("id1", "id2", "id4", "id5")}
    keys |= {name: rng.integers(1, many + 1, rows) for name in ("id3", "id6")}
    write(
        "x",
        {
            **{name: texts(keys[name]) for name in ("id1", "id2", "id3")},
            **{name: keys[name] for name in ("id4", "id5", "id6")},
            "v1": rng.integers(1, 6, rows),
            "v2": rng.integers(1, 16, rows),
            "v3": np.round(rng.uniform(0, 100, rows), 6),
        },
    )
    # A tenth of the keys of either side have no partner on the other one.
    counts = {"small": rows // 1_000_000 or 10, "medium": rows // 1_000 or 10, "big": rows}
    sides = {}
    for place, (name, count) in enumerate(counts.items(), start=1):
        pool = rng.permutation(count * 11 // 10 + 1) + 1
        sides[name] = pool
        known = {f"id{place}": pool[:count]} | ({f"id{place + 3}": texts(pool[:count])} if count > 100 else {})
        write(name, {**known, "v2": np.round(rng.uniform(0, 100, count), 6)})
    offset = {name: len(pool) - counts[name] for name, pool in sides.items()}
    left = {
        f"id{place}": rng.choice(sides[name][offset[name] :], rows)
        for place, name in enumerate(("small", "medium"), start=1)
    }
    left["id3"] = rng.permutation(sides["big"][offset["big"] :])
    write("left", {**left, "id5": texts(left["id2"]), "v1": np.round(rng.uniform(0, 100, rows), 6)})
    (folder / "_whole").touch()
    return folder


GROUP_SQL = {
    1: "select id1, sum(v1) from x group by id1",
    2: "select id1, id2, sum(v1) from x group by id1, id2",
    3: "select id3, sum(v1), avg(v3) from x group by id3",
    4: "select id4, avg(v1), avg(v2), avg(v3) from x group by id4",
    5: "select id6, sum(v1), sum(v2), sum(v3) from x group by id6",
    6: "select id4, id5, median(v3), stddev(v3) from x group by id4, id5",
    7: "select id3, max(v1) - min(v2) from x group by id3",
    8: "select id6, v3 from (select id6, v3, row_number() over (partition by id6 order by v3 desc) as place from x) "
    "where place <= 2",
    9: "select id2, id4, power(corr(v1, v2), 2) from x group by id2, id4",
    10: "select id1, id2, id3, id4, id5, id6, sum(v3), count(*) from x group by all",
}
JOIN_SQL = {
    1: "select count(*), sum(v1), sum(s.v2) from left_side join small s using (id1)",
    2: "select count(*), sum(v1), sum(m.v2) from left_side join medium m using (id2)",
    3: "select count(*), sum(v1), sum(m.v2) from left_side left join medium m using (id2)",
    4: "select count(*), sum(v1), sum(m.v2) from left_side join medium m using (id5)",
    5: "select count(*), sum(v1), sum(b.v2) from left_side join big b using (id3)",
}


def dataframe_group(x: Any, number: int) -> Any:
    """A group-by question with pandas' methods, for raskal and Dask."""
    if number == 1:
        return x.groupby("id1").v1.sum().reset_index()
    if number == 2:
        return x.groupby(["id1", "id2"]).v1.sum().reset_index()
    if number == 3:
        return x.groupby("id3").agg({"v1": "sum", "v3": "mean"}).reset_index()
    if number == 4:
        return x.groupby("id4").agg({"v1": "mean", "v2": "mean", "v3": "mean"}).reset_index()
    if number == 5:
        return x.groupby("id6").agg({"v1": "sum", "v2": "sum", "v3": "sum"}).reset_index()
    if number == 6:
        found = x.groupby(["id4", "id5"]).v3.agg(["median", "std"])
        return found.reset_index()
    if number == 7:
        found = x.groupby("id3").agg({"v1": "max", "v2": "min"}).reset_index()
        return found.assign(range_v1_v2=found.v1 - found.v2)[["id3", "range_v1_v2"]]
    if number == 8:
        return largest_two(x)
    if number == 9:
        x = x[["id2", "id4", "v1", "v2"]]
        x = x.assign(n=1, v11=x.v1 * x.v1, v22=x.v2 * x.v2, v12=x.v1 * x.v2)
        sums = x.groupby(["id2", "id4"])[["n", "v1", "v2", "v11", "v22", "v12"]].sum().reset_index()
        above = sums.n * sums.v12 - sums.v1 * sums.v2
        below = (sums.n * sums.v11 - sums.v1 * sums.v1) * (sums.n * sums.v22 - sums.v2 * sums.v2)
        return sums.assign(r2=above * above / below)[["id2", "id4", "r2"]]
    found = x.groupby(["id1", "id2", "id3", "id4", "id5", "id6"]).agg({"v3": "sum", "v1": "count"})
    return found.reset_index()


def largest_two(x: Any) -> Any:
    """The two largest values of each group: raskal has a method for it, Dask applies pandas' to each group."""
    groups = x[["id6", "v3"]].groupby("id6")
    if hasattr(type(groups.v3), "nlargest"):
        return groups.v3.nlargest(2).to_frame().reset_index()[["id6", "v3"]]
    found = groups.apply(lambda part: part.nlargest(2, "v3")[["v3"]], meta={"v3": "float64"})
    return found.reset_index()[["id6", "v3"]]


def dataframe_join(tables: Callable[[str], Any], number: int) -> Any:
    """A join with pandas' methods."""
    left = tables("left")
    right = tables({1: "small", 5: "big"}.get(number, "medium"))
    key = {1: "id1", 4: "id5", 5: "id3"}.get(number, "id2")
    right = right[[key, "v2"]]
    return left.merge(right, on=key, how="left" if number == 3 else "inner")


def polars_group(x: Any, number: int) -> Any:
    """A group-by question with Polars' expressions."""
    import polars as pl

    c = pl.col
    if number == 8:
        return x.group_by("id6").agg(c("v3").top_k(2)).explode("v3")
    keys = {1: ["id1"], 2: ["id1", "id2"], 3: ["id3"], 4: ["id4"], 5: ["id6"], 6: ["id4", "id5"], 7: ["id3"],
            9: ["id2", "id4"], 10: [f"id{place}" for place in range(1, 7)]}[number]  # fmt: skip
    what: list[Any] = {
        1: [c("v1").sum()],
        2: [c("v1").sum()],
        3: [c("v1").sum(), c("v3").mean()],
        4: [c("v1").mean(), c("v2").mean(), c("v3").mean()],
        5: [c("v1").sum(), c("v2").sum(), c("v3").sum()],
        6: [c("v3").median().alias("median"), c("v3").std().alias("std")],
        7: [(c("v1").max() - c("v2").min()).alias("range")],
        9: [(pl.corr("v1", "v2") ** 2).alias("r2")],
        10: [c("v3").sum(), pl.len().alias("n")],
    }[number]
    return x.group_by(keys).agg(what)


def polars_join(folder: Path, number: int) -> Any:
    """A join with Polars."""
    import polars as pl

    left = pl.scan_parquet(f"{folder}/left/*.parquet")
    right = pl.scan_parquet(f"{folder}/{ {1: 'small', 5: 'big'}.get(number, 'medium') }/*.parquet")
    key = {1: "id1", 4: "id5", 5: "id3"}.get(number, "id2")
    return left.join(right.select(key, "v2"), on=key, how="left" if number == 3 else "inner")


def duckdb_views(folder: Path) -> Any:
    """A connection that knows the tables."""
    import duckdb

    connection = duckdb.connect()
    for name, view in (("x", "x"), ("small", "small"), ("medium", "medium"), ("big", "big"), ("left", "left_side")):
        connection.execute(f"create view {view} as select * from read_parquet('{folder}/{name}/*.parquet')")
    return connection


def duckdb_join(connection: Any, number: int) -> Any:
    """A join with DuckDB, as a table of Arrow: the cheapest that it gives."""
    how = "left join" if number == 3 else "join"
    right = {1: "small", 5: "big"}.get(number, "medium")
    key = {1: "id1", 4: "id5", 5: "id3"}.get(number, "id2")
    return connection.execute(
        f"select left_side.*, r.v2 from left_side {how} (select {key}, v2 from {right}) r using ({key})"
    ).to_arrow_table()


def dataframe_library(module: str) -> Callable[[Path, str, int], Any]:
    """raskal or Dask: the same words."""

    def run(folder: Path, kind: str, number: int) -> Any:
        import importlib

        dd = importlib.import_module(module)

        def tables(name: str) -> Any:
            return dd.read_parquet(str(folder / name))

        lazy = dataframe_group(tables("x"), number) if kind == "groupby" else dataframe_join(tables, number)
        return lazy.compute()

    return run


def run_polars(folder: Path, kind: str, number: int) -> Any:
    """Polars' streaming engine."""
    import polars as pl

    x = pl.scan_parquet(f"{folder}/x/*.parquet")
    query = polars_group(x, number) if kind == "groupby" else polars_join(folder, number)
    return query.collect(engine="streaming")


def run_duckdb(folder: Path, kind: str, number: int) -> Any:
    """DuckDB."""
    connection = duckdb_views(folder)
    if kind == "groupby":
        return connection.execute(GROUP_SQL[number]).to_arrow_table()
    return duckdb_join(connection, number)


def plain(found: Any) -> Any:
    """A result of any library as a pandas dataframe whose columns are numbered."""
    import pandas as pd

    table = found if isinstance(found, pd.DataFrame) else found.to_pandas()
    return table.set_axis(range(table.shape[1]), axis=1).reset_index(drop=True)


def sums(found: Any) -> Any:
    """Of a join: how many rows, and the sums of `v1` and `v2`."""
    import pandas as pd

    table = found if isinstance(found, pd.DataFrame) else found.to_pandas()
    return pd.DataFrame({0: [len(table)], 1: [table["v1"].sum()], 2: [table["v2"].sum()]})


def setup(kind: str, number: int, run: Callable[[Path, str, int], Any]) -> Callable[[Size], Any]:
    """Set up one question of one library."""

    def make(size: Size) -> AbstractContextManager[Prepared]:
        @contextmanager
        def ready() -> Iterator[Prepared]:
            folder = ensure(size)
            text = (GROUP_SQL if kind == "groupby" else JOIN_SQL)[number]

            def check(found: Any) -> None:
                expected = plain(duckdb_views(folder).execute(text).df())
                try:
                    same(plain(found) if kind == "groupby" else sums(found), expected)
                except Exception as error:
                    expect(False, f"{kind} {number}: {error}")

            yield Prepared(lambda: run(folder, kind, number), check)

        return ready()

    return make


LIBRARIES = {
    "raskal": dataframe_library("raskal.dataframe"),
    "DuckDB": run_duckdb,
    "Polars": run_polars,
    "Dask": dataframe_library("dask.dataframe"),
}
CASES = [
    Case(
        name=f"h2o-{kind}-{number}",
        title=f"h2o.ai {title} {number}, 10,000,000 rows of Parquet",
        unit="s",
        libraries={name: setup(kind, number, run) for name, run in LIBRARIES.items()},
        bars={"fastest peer": bar},
        bar_among=("Polars", "DuckDB"),
    )
    for kind, title, count, bar in (("groupby", "group-by", 10, 2.0), ("join", "join", 5, 1.3))
    for number in range(1, count + 1)
]
