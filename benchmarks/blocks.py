"""Overhead of one block of an array whose blocks hold one element: a million tasks in the shape of an array.

Start at `CASES`. Building, ordering and running are all in it. Dask gets a hundredth of the blocks: it takes more than
half a millisecond for each. Memory is what a block adds to the process's peak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from benchmarks.arrays import library
from benchmarks.case import Case, Prepared, expect
from examples.make_data import Size


def side(size: Size, scale: float) -> int:
    """Return the length of both axes, and the number of blocks along them: 1,000, or 100 in a small run."""
    return int((1_000 if size.name == "full" else 100) * scale)


def blocks(name: str, scale: float = 1.0) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up one step and a sum over an array of one-element blocks; of both axes only a part where `scale` says so."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        module, compute = library(name)
        n = side(size, scale)

        def work() -> float:
            array = module.ones((n, n), chunks=1)
            return float(compute((-array).sum())[0])

        yield Prepared(work, lambda total: expect(total == -(n**2), f"the sum is {total}, not {-(n**2)}"), units=n * n)

    return setup


CASES = [
    Case(
        name="blocks",
        title="-ones((1000, 1000), chunks=1).sum(): 1,000,000 blocks of one element (Dask: 10,000)",
        unit="us per block",
        libraries={"raskal": blocks("raskal"), "Dask": blocks("dask", 0.1)},
        bars={"Dask": 1 / 50},
        memory_bars={"Dask": 1 / 10},
    ),
]
