"""Bags on a cluster: the same results as here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import add

import pytest

import raskal
import raskal.bag as db
from raskal.distributed import Client, LocalCluster


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


def test_words_of_files_are_counted_on_workers(client, tmp_path):
    text = "the quick fox and the lazy dog and the end\n" * 200
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(text * (number + 1))
    words = db.read_text(tmp_path / "*.txt", blocksize=3000).str.split().flatten()
    expected = Counter((text * 10).split())
    assert words.npartitions > 8
    assert dict(words.frequencies().compute()) == expected
    assert dict(words.foldby(lambda word: word, lambda count, _: count + 1, 0, add, 0).compute()) == expected
    assert words.topk(1, key=len).compute() == ["quick"]


@pytest.mark.parametrize("shuffle", [None, "tasks", "disk"])
def test_groups_meet_from_all_workers(client, shuffle):
    b = db.from_sequence([(f"key {n % 7}", n) for n in range(100)], npartitions=5)
    groups = dict(b.groupby(0, npartitions=3, shuffle=shuffle).compute())
    assert groups == {f"key {k}": [(f"key {k}", n) for n in range(k, 100, 7)] for k in range(7)}


def test_steps_travel_as_one_function(client):
    bound = 5
    b = db.range(20, 4).map(lambda x: x * 2).filter(lambda x: x > bound)
    total = b.map(lambda x, top: top - x, b.max()).sum()
    assert total.compute() == sum(38 - x for x in range(6, 40, 2))
    assert b.accumulate(add).compute() == b.accumulate(add).compute(scheduler="sync")
    kept = b.persist()
    assert kept.take(2, npartitions=2) == (6, 8)
    assert raskal.compute(kept.count(), kept.repartition(npartitions=2)) == (17, list(range(6, 40, 2)))
