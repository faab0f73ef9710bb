"""What a cluster's own parts can do: native tasks through the scheduler, large graphs taken in, transfers alone.

Start at `CASES`. Beside `cluster`, where user code is part of the work; the same clusters.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psutil

from benchmarks.case import Case, Prepared, expect
from benchmarks.cluster import ARRAYS, dask_client, look, make, others, raskal_client
from benchmarks.tasks import count
from examples.make_data import Size

# What the scheduler may hold for a task of a graph that it has taken in.
BYTES_PER_TASK_MAX = 300


def side(size: Size, scale: float = 1.0) -> int:
    """Return the side of a square of about so many blocks of one element."""
    return int(count(size, scale) ** 0.5)


# --- native tasks ---------------------------------------------------------------------------------------------------


def summed(module: Any, side: int) -> Prepared:
    """Return the work of summing a square array in blocks of one element: almost all of it is scheduling."""
    numbers = itertools.count(1)

    def work() -> tuple[int, float]:
        # Another array each time: nothing is known from the last.
        number = next(numbers)
        return number, float(module.full((side, side), number, chunks=1, dtype="int64").sum().compute())

    def check(got: tuple[int, float]) -> None:
        expect(got[1] == got[0] * side * side, f"the sum was wrong: {got}")

    return Prepared(work, check, units=side * side, processes=others)


@contextmanager
def raskal_native(size: Size) -> Iterator[Prepared]:
    """Sum on raskal's cluster: its tasks are native."""
    import raskal.array

    with raskal_client():
        yield summed(raskal.array, side(size, 2.0))


@contextmanager
def dask_native(size: Size) -> Iterator[Prepared]:
    """Sum on Dask's cluster."""
    import dask.array

    with dask_client():
        yield summed(dask.array, side(size, 0.1))


# --- a large graph, taken in ----------------------------------------------------------------------------------------


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds."""
    return int(psutil.Process(pid).memory_info().rss)


@contextmanager
def raskal_accept(size: Size) -> Iterator[Prepared]:
    """Submit a blockwise graph to a scheduler without workers, until it has taken it in and answers what comes next."""
    import raskal.array
    from examples.processes import Cluster
    from raskal.distributed import Client

    n = side(size, 10.0)
    with Cluster(0) as cluster, Client(cluster.address) as client:
        scheduler = psutil.Process(os.getpid()).children()[0].pid

        def work() -> float:
            before = resident_bytes(scheduler)
            array = raskal.array.ones((n, n), chunks=1) + 1
            future = client.compute(array.sum())
            client.scheduler_info()
            held = (resident_bytes(scheduler) - before) / (n * n)
            future.cancel()
            return held

        def check(held: float) -> None:
            # A small graph's memory drowns in what the process has anyway.
            small = size.name != "full" or held <= BYTES_PER_TASK_MAX
            expect(small, f"the scheduler holds {held:.0f} bytes for a task, over {BYTES_PER_TASK_MAX}")

        yield Prepared(work, check, units=n * n, processes=others)


# --- transfers, by themselves -----------------------------------------------------------------------------------------


def transferred(shared: bool) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up two workers, and take the time in which bytes were on their way, as the scheduler was told."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        from raskal.distributed import get_task_stream

        if not shared:
            os.environ["RASKAL_SHARE_MEMORY"] = "off"
        try:
            with raskal_client() as client:
                workers = sorted(client.scheduler_info()["workers"])
                length = count(size) * 1250 // ARRAYS  # 1 GB in all at full size
                right = [2 * number for number in range(ARRAYS)]

                def work() -> tuple[list[int], float]:
                    from raskal.distributed import wait

                    made = client.map(make, [length] * ARRAYS, range(ARRAYS), workers=workers[:1], pure=False)
                    wait(made)
                    with get_task_stream() as stream:
                        got = client.gather(client.map(look, made, workers=workers[1:], pure=False))
                    return got, covered([(one.start_time, one.end_time) for one in stream.records if one.transfer])

                def check(answer: tuple[list[int], float]) -> None:
                    expect(answer[0] == right, "an array came out wrong")

                yield Prepared(work, check, processes=others, seconds_of=lambda answer: answer[1])
        finally:
            os.environ.pop("RASKAL_SHARE_MEMORY", None)

    return setup


def covered(spans: list[tuple[float, float]]) -> float:
    """Return the time that is in at least one of the spans."""
    total, until = 0.0, 0.0
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, until))
        until = max(until, stop)
    return total


CASES = [
    Case(
        name="cluster-native",
        title="200,000 native tasks that do next to nothing, 1 scheduler and 2 worker processes (Dask: 10,000)",
        unit="us per task",
        libraries={"raskal": raskal_native, "Dask": dask_native},
        limit=5.0,
    ),
    Case(
        name="accept",
        title="a blockwise graph of 1,000,000 tasks, until the scheduler has taken it in (at most 300 bytes a task)",
        unit="us per task",
        libraries={"raskal": raskal_accept},
        limit=2.0,
    ),
    Case(
        name="transfer-shared",
        title="1 GB of arrays from worker to worker on one machine, through shared memory",
        unit="s",
        libraries={"raskal": transferred(True)},
        limit=0.25,
    ),
    Case(
        name="transfer-tls",
        title="1 GB of arrays from worker to worker, through TLS over the loopback interface",
        unit="s",
        libraries={"raskal": transferred(False)},
        limit=0.67,
    ),
]
