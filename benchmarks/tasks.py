"""Overhead of one small Python task on this machine's threads: wide, chain, tree and random graphs of no-op functions.

Start at `CASES`. Building the graph is part of the work, as it is for a user; of raskal building and running are
measured apart as well, and a quarter of the tasks, since time must grow as their number. Dask gets a tenth of the
tasks: its build is quadratic in them. Native tasks are measured by a Rust program, which times itself.
"""

from __future__ import annotations

import importlib
import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.case import Case, Prepared, expect
from examples.make_data import SEED, Size

ROOT = Path(__file__).resolve().parent.parent

THREADS = 2


def identity(value: int) -> int:
    """Return `value`: the smallest task whose answer can be checked."""
    return value


def add(a: int, b: int) -> int:
    """Return `a + b`."""
    return a + b


COUNTS = {"wide": 100_000, "chain": 20_000, "tree": 2**16, "random": 50_000}


def count(size: Size, scale: float = 1.0, graph: str = "wide") -> int:
    """Return how many tasks: a fiftieth in a small run; peers that need it get a part of that."""
    n = int(COUNTS[graph] * scale)
    return n if size.name == "full" else n // 50


# --- the graphs, for anything that has Dask's `delayed`: what is computed of them in the end ----------------------


def wide(delayed: Callable[..., Any], n: int) -> list[Any]:
    """Build n independent tasks."""
    task = delayed(identity)
    return [task(i) for i in range(n)]


def chain(delayed: Callable[..., Any], n: int) -> list[Any]:
    """Build n tasks, each of which waits for the one before."""
    task = delayed(add)
    value: Any = 0
    for _ in range(n):
        value = task(value, 1)
    return [value]


def tree(delayed: Callable[..., Any], n: int) -> list[Any]:
    """Build n / 2 leaves and their sum in pairs: about n tasks in all."""
    task, leaf = delayed(add), delayed(identity)
    level = [leaf(i) for i in range(n // 2)]
    while len(level) > 1:
        pairs = [task(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level


def random(delayed: Callable[..., Any], n: int) -> list[Any]:
    """Build n tasks of two inputs each, drawn among the hundred before, and one that needs the last hundred."""
    task, total = delayed(larger), delayed(largest)
    made: list[Any] = [1]
    for a, b in drawn(n):
        made.append(task(made[a], made[b]))
    return [total(made[-100:])]


@lru_cache
def drawn(n: int) -> list[tuple[int, int]]:
    """Return, for each task of the random graph, which two of those before it takes; the same numbers each time."""
    choose = Random(SEED)
    return [(choose.randrange(max(0, at - 100), at), choose.randrange(max(0, at - 100), at)) for at in range(1, n + 1)]


def larger(a: int, b: int) -> int:
    """Return one more than the larger: the height of a task in its graph."""
    return max(a, b) + 1


def largest(heights: list[int]) -> int:
    """Return the largest of some heights."""
    return max(heights)


BUILD: dict[str, Callable[..., list[Any]]] = {"wide": wide, "chain": chain, "tree": tree, "random": random}


def computed(graph: str, delayed: Callable[..., Any], compute: Callable[..., Any], n: int) -> int:
    """Build and compute a graph; return the sum of its results."""
    return sum(compute(*BUILD[graph](delayed, n)))


def answer(graph: str, n: int) -> int:
    """Return what the graph's answer must be."""
    if graph == "random":
        heights = [1]
        for a, b in drawn(n):
            heights.append(larger(heights[a], heights[b]))
        return max(heights[-100:])
    return {"wide": n * (n - 1) // 2, "chain": n, "tree": (n // 2) * (n // 2 - 1) // 2}[graph]


def prepared(graph: str, n: int, work: Callable[[], Any], processes: Callable[[], list[int]] = list) -> Prepared:
    """Return `work` with the check of its graph's answer; a tree of n // 2 leaves has one task less than n."""

    def check(value: Any) -> None:
        expect(value == answer(graph, n), f"{graph} of {n} tasks gave {value}, not {answer(graph, n)}")

    return Prepared(work, check, units=n, processes=processes)


# --- who does them ----------------------------------------------------------------------------------------------


def raskal_threads(graph: str, scale: float = 1.0) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up raskal's local engine, for a part of the tasks."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import raskal

        n = count(size, scale, graph)
        yield prepared(graph, n, lambda: computed(graph, raskal.delayed, raskal.compute, n))

    return setup


def raskal_build(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up the building of a graph alone."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import raskal

        n = count(size, graph=graph)

        def check(values: list[Any]) -> None:
            expect(len(values) in (1, n), f"built {len(values)} results")

        yield Prepared(lambda: BUILD[graph](raskal.delayed, n), check, units=n)

    return setup


def raskal_run(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up the running of a graph that is built."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import raskal

        n = count(size, graph=graph)
        values = BUILD[graph](raskal.delayed, n)
        yield prepared(graph, n, lambda: sum(raskal.compute(*values)))

    return setup


def bare_calls(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up the calls alone, one after the other: what no scheduler can be faster than on one thread."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        n = count(size, graph=graph)
        yield prepared(graph, n, lambda: sum(BUILD[graph](lambda function: function, n)))

    return setup


def dask_threads(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up Dask's threaded scheduler."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import dask

        n = count(size, 0.1, graph)
        with dask.config.set(scheduler="threads", num_workers=THREADS):
            yield prepared(graph, n, lambda: computed(graph, dask.delayed, dask.compute, n))

    return setup


def executor(graph: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up the standard library's thread pool; it knows no dependencies, so the caller waits for inputs."""

    def waiting(pool: ThreadPoolExecutor) -> Callable[..., Any]:
        def result(value: Any) -> Any:
            if isinstance(value, list):
                return [result(one) for one in value]
            return value.result() if isinstance(value, Future) else value

        return lambda function: lambda *args: pool.submit(function, *map(result, args))

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        n = count(size, graph=graph)
        with ThreadPoolExecutor(THREADS) as pool:
            yield prepared(graph, n, lambda: sum(future.result() for future in BUILD[graph](waiting(pool), n)))

    return setup


def one_call(library: str, scale: float = 1.0) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up one call that takes a list of many lazy values, of raskal or Dask."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        module = importlib.import_module(library)
        n = count(size, scale)
        values = wide(module.delayed, n)
        yield prepared("wide", n, lambda: module.delayed(sum)(values).compute(scheduler="threads"))

    return setup


@contextmanager
def native(size: Size) -> Iterator[Prepared]:
    """Set up a million tasks in Rust; the program times itself."""
    line = ["cargo", "run", "--quiet", "--release", "-p", "raskal", "--example", "million"]
    n = 1_000_000 if size.name == "full" else 20_000

    def work() -> dict[str, float]:
        try:
            run = subprocess.run([*line, "--", str(n)], cwd=ROOT, capture_output=True, text=True, check=True)
        except FileNotFoundError as error:
            raise ModuleNotFoundError("No module named 'cargo'") from error
        return json.loads(run.stdout)

    def check(found: dict[str, float]) -> None:
        expect(found["tasks"] == n, f"{found['tasks']} tasks ran, not {n}")

    yield Prepared(work, check, units=n, seconds_of=lambda found: found["seconds"])


TITLES = {
    "wide": "100,000 independent no-op tasks (Dask: 10,000)",
    "chain": "a chain of 20,000 no-op tasks (Dask: 2,000)",
    "tree": "a tree of 65,536 no-op tasks (Dask: 6,553)",
    "random": "50,000 no-op tasks of two inputs each (Dask: 5,000)",
}

CASES = [
    Case(
        name=f"tasks-{graph}",
        title=f"{title}, threads",
        unit="us per task",
        libraries={"raskal": raskal_threads(graph), "ThreadPoolExecutor": executor(graph), "Dask": dask_threads(graph)},
        bars={"ThreadPoolExecutor": 1.0, "Dask": 1 / 30},
    )
    for graph, title in TITLES.items()
]
CASES += [
    Case(
        name=f"build-{graph}",
        title=f"building {title.partition(' (')[0]}",
        unit="us per task",
        libraries={"raskal": raskal_build(graph)},
        limit=2.0,
    )
    for graph, title in TITLES.items()
]
CASES += [
    Case(
        name=f"run-{graph}",
        title=f"running {title.partition(' (')[0]} that are built, threads",
        unit="us per task",
        libraries={"raskal": raskal_run(graph), "bare calls": bare_calls(graph)},
        over={"bare calls": 3.0},
    )
    for graph, title in TITLES.items()
]
CASES += [
    Case(
        name="linear-tasks",
        title="100,000 independent no-op tasks and a quarter of them, threads",
        unit="us per task",
        libraries={"raskal": raskal_threads("wide"), "raskal, a quarter": raskal_threads("wide", 0.25)},
        bars={"raskal, a quarter": 1.3},
    ),
    Case(
        name="linear-arguments",
        title="one call that takes a list of 100,000 lazy values (Dask: 2,500), threads",
        unit="us per value",
        libraries={
            "raskal": one_call("raskal"),
            "raskal, a quarter": one_call("raskal", 0.25),
            "Dask": one_call("dask", 0.025),
        },
        bars={"raskal, a quarter": 1.3, "Dask": 1 / 30},
    ),
    Case(
        name="tasks-native",
        title="1,000,000 no-op tasks of a Rust program",
        unit="us per task",
        libraries={"raskal": native},
        limit=0.5,
    ),
]
