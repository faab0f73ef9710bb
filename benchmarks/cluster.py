"""The same small tasks on a cluster of one scheduler and two worker processes of one thread, and the time of one call.

Start at `CASES`. Every library runs in processes of its own on this machine, in the way its documentation recommends,
with what it switches on by default (raskal: encrypted connections; Dask and Ray: plain ones).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psutil

from benchmarks.case import Case, Prepared, expect
from benchmarks.tasks import add, computed, count, prepared
from examples.make_data import Size

WORKERS = 2
CALLS = 300


def others() -> list[int]:
    """Return the processes that this one started, and theirs."""
    return [process.pid for process in psutil.Process(os.getpid()).children(recursive=True)]


# --- clusters ---------------------------------------------------------------------------------------------------


@contextmanager
def raskal_client() -> Iterator[Any]:
    """Give a raskal client of a new cluster."""
    from examples.processes import Cluster
    from raskal.distributed import Client

    with Cluster(WORKERS, threads=1) as cluster, Client(cluster.address) as client:
        client.wait_for_workers(WORKERS)
        yield client


@contextmanager
def dask_client() -> Iterator[Any]:
    """Give a Dask client of a new cluster whose scheduler and workers are processes of their own."""
    from distributed import Client
    from distributed.deploy.subprocess import SubprocessCluster

    cluster = SubprocessCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    with cluster, Client(cluster) as client:
        client.wait_for_workers(WORKERS)
        yield client


@contextmanager
def ray_started() -> Iterator[Any]:
    """Give Ray, started with as many processors as the others have workers."""
    import ray

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        yield ray
    finally:
        ray.shutdown()


# --- many tasks -------------------------------------------------------------------------------------------------


def raskal_tasks(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up raskal's cluster for a graph."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import raskal

        n = count(size)
        with raskal_client():
            yield prepared(graph, n, lambda: computed(graph, raskal.delayed, raskal.compute, n), others)

    return setup


def dask_tasks(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up Dask's cluster for a graph."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import dask

        n = count(size, 0.1)
        with dask_client():
            yield prepared(graph, n, lambda: computed(graph, dask.delayed, dask.compute, n), others)

    return setup


def ray_tasks(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up Ray for a graph: a remote call is its delayed one, references are its dependencies."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        n = count(size, 0.2)
        with ray_started() as ray:

            def delayed(function: Callable[..., Any]) -> Callable[..., Any]:
                return ray.remote(function).remote

            def compute(*references: Any) -> list[Any]:
                return ray.get(list(references))

            yield prepared(graph, n, lambda: computed(graph, delayed, compute, n), others)

    return setup


# --- one call ---------------------------------------------------------------------------------------------------


def latency(call: Callable[[int], int]) -> Prepared:
    """Return the work of calling again and again, each time with a new number and only after the last answer."""
    numbers = iter(range(10**9))

    def work() -> bool:
        return all(call(number) == number + 1 for number in itertools.islice(numbers, CALLS))

    return Prepared(work, lambda right: expect(right, "a call gave a wrong number"), units=CALLS, processes=others)


@contextmanager
def raskal_latency(size: Size) -> Iterator[Prepared]:
    """Submit to raskal's cluster and wait."""
    with raskal_client() as client:
        yield latency(lambda number: client.submit(add, number, 1).result())


@contextmanager
def dask_latency(size: Size) -> Iterator[Prepared]:
    """Submit to Dask's cluster and wait."""
    with dask_client() as client:
        yield latency(lambda number: client.submit(add, number, 1).result())


@contextmanager
def ray_latency(size: Size) -> Iterator[Prepared]:
    """Call a remote function of Ray and wait."""
    with ray_started() as ray:
        remote = ray.remote(add)
        yield latency(lambda number: ray.get(remote.remote(number, 1)))


# --- one list of calls ------------------------------------------------------------------------------------------


def mapped(n: int, run: Callable[[list[int]], list[int]]) -> Prepared:
    """Return the work of a call for each number and of gathering what they return."""
    numbers = list(range(n))
    right = [number + 1 for number in numbers]
    return Prepared(
        lambda: run(numbers), lambda got: expect(got == right, "a call gave a wrong number"), units=n, processes=others
    )


def increment(number: int) -> int:
    """Add one."""
    return number + 1


def with_map(started: Callable[[], AbstractContextManager[Any]]) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up a client that has `map` and `gather`."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        with started() as client:
            # Dask would take a call that it knows for done.
            yield mapped(count(size, 0.5), lambda numbers: client.gather(client.map(increment, numbers, pure=False)))

    return setup


@contextmanager
def ray_map(size: Size) -> Iterator[Prepared]:
    """Call a remote function of Ray for each number."""
    with ray_started() as ray:
        remote = ray.remote(increment)
        yield mapped(count(size, 0.5), lambda numbers: ray.get([remote.remote(number) for number in numbers]))


# --- from worker to worker --------------------------------------------------------------------------------------

ARRAYS = 8


def make(length: int, number: int) -> Any:
    """Make an array of `length` numbers of 8 bytes."""
    import numpy

    return numpy.full(length, number, dtype="int64")


def look(array: Any) -> int:
    """Look at both ends of an array."""
    return int(array[0]) + int(array[-1])


def transfer(client: Any, workers: list[str], size: Size) -> Prepared:
    """Return the work of making arrays on one worker and looking at them on the other."""
    length = count(size) * 1250 // ARRAYS  # 1 GB in all at full size

    def work() -> list[int]:
        made = client.map(make, [length] * ARRAYS, range(ARRAYS), workers=workers[:1], pure=False)
        return client.gather(client.map(look, made, workers=workers[1:], pure=False))

    right = [2 * number for number in range(ARRAYS)]
    return Prepared(work, lambda got: expect(got == right, "an array came out wrong"), processes=others)


def with_two_workers(
    started: Callable[[], AbstractContextManager[Any]],
) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up a client whose tasks can be sent to one worker or the other."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        with started() as client:
            yield transfer(client, sorted(client.scheduler_info()["workers"]), size)

    return setup


CASES = [
    Case(
        name=f"cluster-{graph}",
        title=f"{title}, 1 scheduler and 2 worker processes",
        unit="us per task",
        libraries={"raskal": raskal_tasks(graph), "Dask": dask_tasks(graph), "Ray": ray_tasks(graph)},
        bars={"Dask": 1 / 20, "Ray": 1 / 5} if graph == "wide" else {},
    )
    for graph, title in {
        "wide": "100,000 independent no-op tasks (Dask: 10,000, Ray: 20,000)",
        "chain": "a chain of 100,000 no-op tasks (Dask: 10,000, Ray: 20,000)",
        "tree": "a tree of 100,000 no-op tasks (Dask: 10,000, Ray: 20,000)",
    }.items()
]
CASES.append(
    Case(
        name="latency",
        title=f"submit to result, one call at a time (mean of {CALLS})",
        unit="us per call",
        libraries={"raskal": raskal_latency, "Dask": dask_latency, "Ray": ray_latency},
    )
)
CASES += [
    Case(
        name="map-gather",
        title="client.map of 50,000 calls, and gather",
        unit="us per task",
        libraries={"raskal": with_map(raskal_client), "Dask": with_map(dask_client), "Ray": ray_map},
        bars={"Dask": 1 / 15},
    ),
    Case(
        name="transfer",
        title="1 GB of arrays made on one worker and looked at on the other",
        unit="s",
        libraries={"raskal": with_two_workers(raskal_client), "Dask": with_two_workers(dask_client)},
        bars={"Dask": 1 / 3},
    ),
]
