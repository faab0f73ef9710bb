"""TPC-H's 22 queries with pandas' methods: DuckDB's answers, on threads and on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import raskal.dataframe as dd
from benchmarks.tpch import answer, duckdb_answer, duckdb_tables, same
from benchmarks.tpch_data import TABLES, ensure
from benchmarks.tpch_queries import QUERIES

pytest.importorskip("duckdb", reason="the answers are DuckDB's")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure(0.01, tmp_path_factory.mktemp("tpch"))


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[int, Any]:
    connection = duckdb_tables(folder)
    return {number: answer(duckdb_answer(connection, number)) for number in QUERIES}


def tables(folder: Path) -> dict[str, Any]:
    return {name: dd.read_parquet(str(folder / name)) for name in TABLES}


@pytest.mark.parametrize("number", list(QUERIES))
def test_a_query_has_duckdbs_answer_and_no_step_of_pandas(number: int, folder: Path, answers: dict[int, Any]) -> None:
    found = QUERIES[number](tables(folder))
    if hasattr(found, "explain"):
        assert "pandas" not in found.explain()
    same(answer(found), answers[number])


def test_every_query_has_the_same_answer_on_a_cluster(folder: Path, answers: dict[int, Any]) -> None:
    """Plans are cut into stages there: no row may be lost or come twice at any cut."""
    from raskal.distributed import Client, LocalCluster

    checked = 0
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster):
        for number, query in QUERIES.items():
            same(answer(query(tables(folder))), answers[number])
            checked += 1
    assert checked == 22
