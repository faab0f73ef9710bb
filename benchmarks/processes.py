"""Python tasks on processes of this machine: many small ones, and few with large arrays.

Start at `CASES`. Small tasks are 50 us of pure Python, so that what is measured is how well two processes are kept
busy; arrays are 100 MB, so that it is how they cross from one process to another. Every library has a pool of two
processes that is started before the clock is; Dask is given one, since it would start another for each computation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from benchmarks.case import Case, Prepared, expect
from benchmarks.cluster import others
from examples.make_data import Size

PROCESSES = 2
ROUNDS = 1_100
ELEMENTS = 12_500_000
ARRAYS = 4


def small(number: int) -> int:
    """Run about 50 us of pure Python; return `number`."""
    total = 0
    for step in range(ROUNDS):
        total += step
    return number if total else -1


def make(number: int) -> np.ndarray:
    """Return 100 MB of numbers."""
    return np.full(ELEMENTS, float(number))


def change(array: np.ndarray) -> np.ndarray:
    """Return other 100 MB."""
    return array + 1.0


def count(size: Size) -> int:
    """Return how many small tasks."""
    return 20_000 if size.name == "full" else 500


def check_small(n: int) -> Callable[[list[int]], None]:
    """Return the check that n tasks gave their numbers."""

    def check(numbers: list[int]) -> None:
        expect(list(numbers) == list(range(n)), f"{n} tasks gave other numbers than their own")

    return check


def check_arrays(arrays: list[np.ndarray]) -> None:
    """Raise unless the arrays are those that were made, changed."""
    expect(len(arrays) == ARRAYS, f"{len(arrays)} arrays instead of {ARRAYS}")
    for number, array in enumerate(arrays):
        expect(array.shape == (ELEMENTS,) and (array[[0, -1]] == number + 1.0).all(), f"array {number} is wrong")


def lazy(delayed: Callable[..., Any], compute: Callable[..., Any], what: str, n: int) -> Any:
    """Compute the work with anything that has Dask's `delayed` and `compute`."""
    if what == "small":
        task = delayed(small)
        return list(compute(*[task(number) for number in range(n)]))
    return list(compute(*[delayed(change)(delayed(make)(number)) for number in range(ARRAYS)]))


def prepared(what: str, n: int, work: Callable[[], Any]) -> Prepared:
    """Return `work` with its check."""
    if what == "small":
        return Prepared(work, check_small(n), units=n, processes=others)
    return Prepared(work, check_arrays, processes=others)


def raskal_processes(what: str, workers: int = PROCESSES) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up raskal's processes."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import raskal

        n = count(size)
        with raskal.config.set(scheduler="processes", num_workers=workers):
            yield prepared(what, n, lambda: lazy(raskal.delayed, raskal.compute, what, n))

    return setup


def dask_processes(what: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up Dask's multiprocessing scheduler."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import dask

        n = count(size)
        with ProcessPoolExecutor(PROCESSES) as pool, dask.config.set(scheduler="processes", pool=pool):
            yield prepared(what, n, lambda: lazy(dask.delayed, dask.compute, what, n))

    return setup


def executor(what: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up the standard library's process pool; it knows no dependencies, so arrays come back between tasks."""

    def run(pool: ProcessPoolExecutor, n: int) -> Any:
        if what == "small":
            return [future.result() for future in [pool.submit(small, number) for number in range(n)]]
        made = [pool.submit(make, number) for number in range(ARRAYS)]
        return [future.result() for future in [pool.submit(change, array.result()) for array in made]]

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        n = count(size)
        with ProcessPoolExecutor(PROCESSES) as pool:
            yield prepared(what, n, lambda: run(pool, n))

    return setup


CASES = [
    Case(
        name="processes-small",
        title="20,000 tasks of 50 us of pure Python, 2 processes",
        unit="us per task",
        libraries={
            "raskal": raskal_processes("small"),
            "raskal, one process": raskal_processes("small", 1),
            "ProcessPoolExecutor": executor("small"),
            "Dask": dask_processes("small"),
        },
        bars={"raskal, one process": 1 / 1.8, "ProcessPoolExecutor": 1.0, "Dask": 1 / 3},
    ),
    Case(
        name="processes-arrays",
        title="4 arrays of 100 MB made in one task, changed in another, 2 processes",
        unit="s",
        libraries={
            "raskal": raskal_processes("arrays"),
            "ProcessPoolExecutor": executor("arrays"),
            "Dask": dask_processes("arrays"),
        },
        bars={"Dask": 1 / 5},
    ),
]
