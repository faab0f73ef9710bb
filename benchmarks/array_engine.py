"""Arrays where the engine decides: many chunks, long expressions, arrays larger than memory.

Start at `CASES`. Inputs are drawn or counted lazily, so that no library is given anything it would have to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from benchmarks.array_kernels import near
from benchmarks.arrays import library
from benchmarks.case import Case, Prepared, expect
from examples.make_data import SEED, Size

Setup = Callable[[Size], AbstractContextManager[Prepared]]
#: What raskal may hold where the input is larger.
LIMIT = "2GB"


def full(size: Size, large: Any, small: Any) -> Any:
    """Return one of two values by the size."""
    return large if size.name == "full" else small


def setups(make: Callable[[Any, Any, Size], Any]) -> dict[str, Setup]:
    """Return the set-ups of raskal and Dask; `make` gives the work and its check for an array module."""

    def of(name: str) -> Setup:
        @contextmanager
        def prepare(size: Size) -> Iterator[Prepared]:
            module, compute = library(name)
            work, check = make(module, compute, size)
            yield Prepared(work, check)

        return prepare

    return {name: of(name) for name in ("raskal", "Dask")}


def build(module: Any, compute: Any, size: Size) -> Any:
    """Write down (x + 1).sum() over many chunks and make its graph, without computing."""
    chunks = full(size, 1_000_000, 10_000)

    def work() -> int:
        total = (module.ones(chunks * 10, chunks=10) + 1).sum()
        if hasattr(total, "__raskal_lower__"):
            from raskal.base import ProgramBuilder

            return len(total.__raskal_lower__(ProgramBuilder()))
        return 1 if len(total.__dask_graph__()) > chunks else 0

    return work, near(1, 0.0)


def steps(module: Any, compute: Any, size: Size) -> Any:
    """Compute an expression of 100 steps over many chunks."""
    chunks = full(size, 10_000, 100)

    def expression(x: Any) -> Any:
        for number in range(50):
            x = x * 1.01 + number
        return x

    def work() -> float:
        return float(compute(expression(module.arange(chunks * 100, chunks=100, dtype="float64")).sum())[0])

    return work, near(float(expression(np.arange(chunks * 100, dtype=np.float64)).sum()), 1e-9)


def indexing(module: Any, compute: Any, size: Size) -> Any:
    """Slice and pick from an array of many chunks, and compute a small result."""
    chunks = full(size, 100_000, 1_000)
    length = chunks * 100
    picked = np.sort(np.random.default_rng(SEED).integers(0, length, 1_000))

    def work() -> tuple[Any, ...]:
        x = module.arange(length, chunks=100)
        return compute(x[5:-5:7][100:200], x[picked][:50], x[::-1][picked[:20]])

    plain = np.arange(length)
    expected = plain[5:-5:7][100:200], plain[picked][:50], plain[::-1][picked[:20]]

    def check(answer: Any) -> None:
        same = all(np.array_equal(own, other) for own, other in zip(answer, expected, strict=True))
        expect(same, f"gave {answer}, NumPy {expected}")

    return work, check


def limited(module: Any) -> None:
    """Hold raskal to its limit."""
    if module.__name__.startswith("raskal"):
        import raskal

        raskal.config.set({"memory-limit": LIMIT})


def spread(block: Any) -> Any:
    """Return the distance of the quartiles of each column: it needs whole columns."""
    low, high = np.percentile(block, [25, 75], axis=0)
    return (high - low)[None, :]


def rechunk(module: Any, compute: Any, size: Size) -> Any:
    """Turn blocks of rows into blocks of columns, each of which is reduced as a whole."""
    side = full(size, 32_000, 2_000)
    limited(module)

    def work() -> float:
        x = module.random.default_rng(SEED).random((side, side), chunks=(side // 32, side))
        columns = x.rechunk((side, side // 32))
        result = columns.map_blocks(spread, chunks=((1,), columns.chunks[1]), dtype=float, meta=np.empty((0, 0)))
        return float(compute(result.mean())[0])

    return work, near(0.5, full(size, 1e-3, 2e-2))


def rechunk_sum(module: Any, compute: Any, size: Size) -> Any:
    """Turn blocks of rows into blocks of columns and sum along columns."""
    side = full(size, 32_000, 2_000)
    limited(module)

    def work() -> float:
        x = module.random.default_rng(SEED).random((side, side), chunks=(side // 32, side))
        return float(compute(x.rechunk((side, side // 32)).sum(axis=0).max())[0]) / side

    return work, near(0.5, full(size, 2e-2, 1e-1))


def quadratic(module: Any, compute: Any, size: Size) -> Any:
    """Means of products of two large arrays that are drawn, not held."""
    count = full(size, 6_250_000_000, 12_500_000)
    limited(module)

    def work() -> tuple[Any, ...]:
        generator = module.random.default_rng(SEED)
        u, v = (generator.random(count, chunks=1_250_000) for _ in range(2))
        return tuple(map(float, compute(u.mean() ** 2, v.mean() ** 2, (u * v).mean())))

    return work, near((0.25, 0.25, 0.25), 1e-2)


CASES = [
    Case(
        name="array-build",
        title="the graph of (x + 1).sum() over a million chunks",
        unit="s",
        libraries=setups(build),
        bars={"Dask": 1 / 20},
        limit=0.5,
    ),
    Case(
        name="array-steps",
        title="an expression of 100 steps over 10,000 chunks",
        unit="s",
        libraries=setups(steps),
        bars={"Dask": 1 / 10},
    ),
    Case(
        name="array-indexing",
        title="slices and picks of 100,000 chunks",
        unit="s",
        libraries=setups(indexing),
        bars={"Dask": 1 / 20},
    ),
    Case(
        name="array-rechunk",
        title=f"8 GB of rows to columns, quartiles of each (raskal within {LIMIT})",
        unit="s",
        libraries=setups(rechunk),
        bars={"Dask": 1 / 3},
    ),
    Case(
        name="array-rechunk-sum",
        title=f"8 GB of rows to columns, summed (raskal within {LIMIT})",
        unit="s",
        libraries=setups(rechunk_sum),
        bars={"Dask": 1 / 3},
    ),
    Case(
        name="array-quadratic",
        title=f"(u.mean()**2, v.mean()**2, (u*v).mean()) of 100 GB (raskal within {LIMIT})",
        unit="s",
        libraries=setups(quadratic),
    ),
]
