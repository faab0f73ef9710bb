"""Overhead of one small Python task on this machine's threads: wide, chain and tree graphs of no-op functions.

Start at `CASES`. Building the graph is part of the work, as it is for a user. Dask gets a tenth of the tasks: its build
is quadratic in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks.case import Case, Prepared, expect
from examples.make_data import Size

THREADS = 2


def identity(value: int) -> int:
    """Return `value`: the smallest task whose answer can be checked."""
    return value


def add(a: int, b: int) -> int:
    """Return `a + b`."""
    return a + b


def count(size: Size, scale: float = 1.0) -> int:
    """Return how many tasks: 100,000 or, in a small run, 2,000; peers that need it get a part of that."""
    return int((100_000 if size.name == "full" else 2_000) * scale)


# --- the three graphs, for anything that has Dask's `delayed` and `compute` -------------------------------------


def wide(delayed: Callable[..., Any], compute: Callable[..., tuple[Any, ...]], n: int) -> Any:
    """Compute n independent tasks; return the sum of their answers."""
    task = delayed(identity)
    return sum(compute(*[task(i) for i in range(n)]))


def chain(delayed: Callable[..., Any], compute: Callable[..., tuple[Any, ...]], n: int) -> Any:
    """Compute n tasks, each of which waits for the one before."""
    task = delayed(add)
    value: Any = 0
    for _ in range(n):
        value = task(value, 1)
    return compute(value)[0]


def tree(delayed: Callable[..., Any], compute: Callable[..., tuple[Any, ...]], n: int) -> Any:
    """Sum n / 2 leaves in pairs: about n tasks in all."""
    task, leaf = delayed(add), delayed(identity)
    level = [leaf(i) for i in range(n // 2)]
    while len(level) > 1:
        pairs = [task(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return compute(level[0])[0]


GRAPHS: dict[str, Callable[..., Any]] = {"wide": wide, "chain": chain, "tree": tree}


def answer(graph: str, n: int) -> int:
    """Return what the graph's answer must be."""
    return {"wide": n * (n - 1) // 2, "chain": n, "tree": (n // 2) * (n // 2 - 1) // 2}[graph]


def prepared(graph: str, n: int, work: Callable[[], Any], processes: Callable[[], list[int]] = list) -> Prepared:
    """Return `work` with the check of its graph's answer; a tree of n // 2 leaves has one task less than n."""

    def check(value: Any) -> None:
        expect(value == answer(graph, n), f"{graph} of {n} tasks gave {value}, not {answer(graph, n)}")

    return Prepared(work, check, units=n, processes=processes)


# --- who does them ----------------------------------------------------------------------------------------------


def raskal_threads(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up raskal's local engine."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import raskal

        n = count(size)
        yield prepared(graph, n, lambda: GRAPHS[graph](raskal.delayed, raskal.compute, n))

    return setup


def dask_threads(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up Dask's threaded scheduler."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import dask

        n = count(size, 0.1)
        with dask.config.set(scheduler="threads", num_workers=THREADS):
            yield prepared(graph, n, lambda: GRAPHS[graph](dask.delayed, dask.compute, n))

    return setup


def executor(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up the standard library's thread pool; it knows no dependencies, so the caller waits between levels."""

    def run_wide(pool: ThreadPoolExecutor, n: int) -> int:
        return sum(future.result() for future in [pool.submit(identity, i) for i in range(n)])

    def run_chain(pool: ThreadPoolExecutor, n: int) -> int:
        value = 0
        for _ in range(n):
            value = pool.submit(add, value, 1).result()
        return value

    def run_tree(pool: ThreadPoolExecutor, n: int) -> int:
        level = [future.result() for future in [pool.submit(identity, i) for i in range(n // 2)]]
        while len(level) > 1:
            futures = [pool.submit(add, a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
            level = [future.result() for future in futures] + ([level[-1]] if len(level) % 2 else [])
        return level[0]

    run = {"wide": run_wide, "chain": run_chain, "tree": run_tree}[graph]

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        n = count(size)
        with ThreadPoolExecutor(THREADS) as pool:
            yield prepared(graph, n, lambda: run(pool, n))

    return setup


CASES = [
    Case(
        name=f"tasks-{graph}",
        title=f"{title}, threads",
        unit="us per task",
        libraries={"raskal": raskal_threads(graph), "ThreadPoolExecutor": executor(graph), "Dask": dask_threads(graph)},
        bars={"ThreadPoolExecutor": 1 / 2, "Dask": 1 / 20} if graph == "wide" else {},
    )
    for graph, title in {
        "wide": "100,000 independent no-op tasks (Dask: 10,000)",
        "chain": "a chain of 100,000 no-op tasks (Dask: 10,000)",
        "tree": "a tree of 100,000 no-op tasks (Dask: 10,000)",
    }.items()
]
