"""Who keeps results: copies, moves, workers that leave in order, restarts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from raskal.distributed import Client, LocalCluster


@pytest.fixture
def three() -> Iterator[Client]:
    with LocalCluster(n_workers=3, threads_per_worker=1) as cluster, Client(cluster) as client:
        client.wait_for_workers(3, timeout=60)
        yield client


def by_name(client: Client) -> dict[str, dict]:
    return {worker["name"]: worker for worker in client.scheduler_info()["workers"].values()}


def test_replicated_results_are_held_by_as_many_workers_as_asked(three):
    large, small = three.submit(np.ones, 100_000), three.submit(abs, -1)
    three.replicate([large, small], n=2)
    assert [len(holders) for holders in three.who_has([large, small]).values()] == [2, 2]
    three.replicate(large)
    assert len(three.who_has(large)[large.key]) == 3
    assert large.result().sum() == 100_000


def test_broadcast_data_is_everywhere_when_scatter_returns(three):
    future = three.scatter(np.arange(50_000), broadcast=True)
    assert len(three.who_has(future)[future.key]) == 3
    name = next(iter(by_name(three)))
    here = three.scatter(np.arange(50_000), workers=[name])
    three.gather(three.submit(np.sum, here))
    assert by_name(three)[name]["address"] in three.who_has(here)[here.key]


def test_a_replicated_result_survives_its_worker(three):
    future = three.submit(lambda: np.full(100_000, os.getpid()))
    three.replicate(future, n=2)
    maker = future.result()[0]
    victim = three.who_has(future)[future.key][0]
    psutil.Process(three.scheduler_info()["workers"][victim]["pid"]).kill()
    assert future.result()[0] == maker


def test_a_worker_leaves_when_others_hold_what_it_held(three):
    names = list(by_name(three))
    makers = {name: three.submit(lambda: np.full(100_000, os.getpid()), workers=name, pure=False) for name in names}
    before = {name: future.result()[0] for name, future in makers.items()}
    process = psutil.Process(by_name(three)[names[0]]["pid"])
    left = three.retire_workers(names[0])
    assert [worker["name"] for worker in left.values()] == names[:1]
    process.wait(timeout=30)
    # Not made again: each still names the process that made it.
    assert {name: future.result()[0] for name, future in makers.items()} == before
    assert set(by_name(three)) == set(names[1:])


def test_the_last_worker_stays_while_it_is_needed(client):
    futures = client.map(np.ones, [50_000] * 4)
    client.gather(futures)
    assert client.retire_workers() == {}
    assert client.submit(abs, -5).result() == 5


def test_an_unknown_worker_is_named(client):
    with pytest.raises(ValueError, match="no worker is called 'nobody'"):
        client.retire_workers("nobody")


def test_rebalancing_spreads_what_one_worker_made(three):
    name = next(iter(by_name(three)))
    futures = three.map(lambda number: np.full(100_000, number), range(12), workers=name)
    three.gather(futures)
    assert {len(holders) for holders in three.who_has(futures).values()} == {1}
    three.rebalance()
    held = Counter(holder for holders in three.who_has(futures).values() for holder in holders)
    assert sorted(held.values()) == [4, 4, 4]
    assert [value[0] for value in three.gather(futures)] == list(range(12))


def test_a_restart_gives_everything_up_and_the_cluster_goes_on(three):
    before = set(three.run(os.getpid).values())
    kept = three.submit(np.ones, 50_000)
    kept.result()
    three.restart()
    assert kept.status == "cancelled"
    after = set(three.run(os.getpid).values())
    assert len(after) == 3
    assert not after & before
    assert three.submit(abs, -2).result() == 2
