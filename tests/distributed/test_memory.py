"""Workers with little memory: values go to disk, roots are held back, and what takes too much is ended and named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import numpy as np
import pytest

import raskal.array as da
from raskal.distributed import Client, KilledWorker, LocalCluster


@pytest.fixture(scope="module")
def small() -> Iterator[Client]:
    """Two workers of 500 MB each."""
    with LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="500MB") as cluster, Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


def spilled(client: Client) -> int:
    return sum(worker["memory_spilled"] for worker in client.scheduler_info()["workers"].values())


def test_results_larger_than_memory_are_kept_and_come_back(small):
    futures = small.map(lambda number: np.random.default_rng(number).random(2_500_000), range(40))  # 800 MB
    sums = small.gather(small.map(np.sum, futures))
    assert sums == [np.random.default_rng(number).random(2_500_000).sum() for number in range(40)]
    kept = small.gather(futures[0])
    assert kept.sum() == sums[0]
    small.gather(small.map(lambda _: None, range(4)))
    assert spilled(small) > 50_000_000


def test_an_exchange_larger_than_memory_finishes(small):
    x = da.random.default_rng(0).random((9_000, 9_000), chunks=(9_000, 900))  # 650 MB
    y = x.rechunk((900, 9_000))
    assert float(abs(y.sum(axis=1) - x.sum(axis=1)).max().compute()) < 1e-9


def test_a_task_that_takes_all_memory_is_ended_and_told_why(small):
    def hoard(step):
        kept = []
        while True:
            kept.append(np.ones(step))

    with pytest.raises(KilledWorker) as caught:
        small.submit(hoard, 1_000_000, key="hoard-1").result()
    text = str(caught.value)
    assert "hoard-1" in text
    assert len(re.findall(r"was ended by its worker: memory", text)) == 3, text
    assert "limit of 500.0 MB" in text
    assert small.submit(os.getpid, pure=False).result() > 0
