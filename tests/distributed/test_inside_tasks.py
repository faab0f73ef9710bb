"""Tasks that use the cluster: their client, stepping aside, their worker, and futures that travel."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import raskal.array
from raskal.distributed import (
    CancelledError,
    Client,
    Future,
    get_client,
    get_worker,
    rejoin,
    secede,
    worker_client,
)


def increment(x):
    return x + 1


def fibonacci(n):
    if n < 2:
        return n
    client = get_client()
    one, two = client.submit(fibonacci, n - 1), client.submit(fibonacci, n - 2)
    secede()
    one, two = client.gather([one, two])
    rejoin()
    return one + two


def test_tasks_that_wait_for_tasks_step_aside(client):
    """With two threads in all, tasks that wait would otherwise take up the places of those they wait for."""
    assert client.submit(fibonacci, 8, pure=False).result(timeout=60) == 21
    # Afterwards there are as many places as before.
    assert sorted(client.nthreads().values()) == [1, 1]
    assert client.gather(client.map(increment, range(50))) == list(range(1, 51))


def test_a_worker_client_computes_on_the_cluster(client):
    def total(n):
        with worker_client() as inner:
            assert get_client() is inner
            parts = inner.gather(inner.map(increment, range(n)))
            return sum(parts) + int(raskal.array.ones(10, chunks=5).sum().compute())

    assert client.gather(client.map(total, [4, 5, 6], pure=False)) == [20, 25, 31]


def test_a_task_knows_its_worker(client):
    addresses = client.gather(client.map(lambda _: get_worker().address, range(4), pure=False))
    assert set(addresses) <= set(client.nthreads())
    key = client.submit(lambda: get_worker().get_current_task(), pure=False).result()
    assert isinstance(key, str)
    for function in (get_worker, secede, rejoin):
        with pytest.raises(ValueError, match="in tasks"):
            function()


def test_processes_that_tasks_start_are_no_workers(client):
    code = "from raskal.distributed import get_worker; get_worker()"
    ended = client.submit(subprocess.run, [sys.executable, "-c", code], capture_output=True).result(timeout=60)
    assert b"no worker found" in ended.stderr


def test_futures_travel_inside_objects(client):
    class Box:
        def __init__(self, future):
            self.future = future

    future = client.submit(increment, 1, pure=False)
    got = client.submit(lambda box: box.future.result() + 1, Box(future), pure=False)
    assert got.result(timeout=60) == 3


def test_a_task_may_return_futures(client):
    def start():
        return [get_client().submit(increment, n) for n in range(3)]

    futures = client.submit(start, pure=False).result(timeout=60)
    assert all(isinstance(future, Future) for future in futures)
    assert client.gather(futures) == [1, 2, 3]


def test_a_future_read_by_another_client_keeps_the_result(cluster, client):
    import pickle

    future = client.submit(increment, 41, pure=False)
    data = pickle.dumps(future)
    here = pickle.loads(data)
    assert here.key == future.key and here.result() == 42
    client._lent.clear()
    del future
    assert here.result() == 42
    with Client(cluster, set_as_default=False):
        del here
        client.scheduler_info()  # The answer comes behind what the client had to say before.
        late = pickle.loads(data)
        with pytest.raises(Exception, match="lost"):
            late.result(timeout=30)


def test_a_forced_cancel_is_for_everybody_who_has_the_result(cluster, client):
    import pickle

    kept, given_up = (client.submit(increment, number, pure=False) for number in (1, 2))
    tickets = [pickle.dumps(future) for future in (kept, given_up)]
    with Client(cluster, set_as_default=False) as other:
        mine, lost = map(pickle.loads, tickets)
        assert mine.client is lost.client is other
        assert (mine.result(), lost.result()) == (2, 3)
        client.cancel(kept)
        client.cancel(given_up, force=True)
        with pytest.raises(CancelledError):
            while True:
                lost.result(timeout=30)
        assert mine.result() == 2
        # And the other way round: who borrowed it takes it from whoever made it.
        made = client.submit(increment, 3, pure=False)
        borrowed = pickle.loads(pickle.dumps(made))
        assert borrowed.client is other and borrowed.result() == 4
        other.cancel(borrowed, force=True)
        with pytest.raises(CancelledError):
            while True:
                made.result(timeout=30)


def test_coroutine_functions_are_tasks(client):
    async def later(x):
        return x + 1, os.getpid()

    value, pid = client.submit(later, 1).result()
    assert value == 2 and pid != os.getpid()
    assert [value for value, _ in client.gather(client.map(later, [1, 2]))] == [2, 3]
