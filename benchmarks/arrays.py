"""`x.dot(x.T) - x.mean(axis=0)` on an 8,000 x 8,000 array in blocks of 1,000 x 1,000, reduced to four numbers.

Start at `CASES`. One case gives every library the same NumPy array, and checks its answer against NumPy's. The other
lets each draw its own random numbers, as in the README, and checks against NumPy on the numbers that were drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from benchmarks.case import Case, Prepared, expect
from examples.make_data import SEED, Size

Numbers = tuple[float, ...]


def side(size: Size) -> int:
    """Return the length of both axes."""
    return 8_000 if size.name == "full" else 1_000


def expression(x: Any) -> tuple[Any, ...]:
    """Return the four reductions of y, lazy or not, as `x`'s library makes them."""
    y = x.dot(x.T) - x.mean(axis=0)
    return y.sum(), y.min(), y.max(), y.std()


def numpy_numbers(x: np.ndarray) -> Numbers:
    """Return NumPy's answer."""
    return tuple(map(float, expression(x)))


def check_against(expected: Numbers) -> Callable[[Numbers], None]:
    """Return the check that an answer is `expected` up to the order of summation."""

    def check(numbers: Numbers) -> None:
        expect(np.allclose(numbers, expected, rtol=1e-9, atol=0.0), f"gave {numbers}, NumPy {expected}")

    return check


def library(name: str) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
    """Return the array module and the `compute` of raskal or Dask."""
    if name == "raskal":
        import raskal
        import raskal.array

        return raskal.array, raskal.compute
    import dask
    import dask.array

    return dask.array, dask.compute


def given(name: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up the case in which x is a NumPy array that exists already."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        x = np.random.default_rng(SEED).random((side(size), side(size)))
        expected = numpy_numbers(x)
        if name == "NumPy":
            yield Prepared(lambda: numpy_numbers(x), check_against(expected))
            return
        module, compute = library(name)
        chunks = (side(size) // 8, side(size) // 8)

        def work() -> Numbers:
            return tuple(map(float, compute(*expression(module.from_array(x, chunks=chunks)))))

        yield Prepared(work, check_against(expected))

    return setup


def drawn(name: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up the case in which the library draws x."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        n = side(size)
        if name == "NumPy":
            expected = numpy_numbers(np.random.default_rng(SEED).random((n, n)))
            yield Prepared(lambda: numpy_numbers(np.random.default_rng(SEED).random((n, n))), check_against(expected))
            return
        module, compute = library(name)
        x = module.random.default_rng(SEED).random((n, n), chunks=(n // 8, n // 8))
        expected = numpy_numbers(x.compute())
        yield Prepared(lambda: tuple(map(float, compute(*expression(x)))), check_against(expected))

    return setup


def product(size: Size) -> AbstractContextManager[Prepared]:
    """Set up the matrix product alone, on all of BLAS's threads: the bound of what the expression costs."""

    @contextmanager
    def setup() -> Iterator[Prepared]:
        x = np.random.default_rng(SEED).random((side(size), side(size)))
        trace = float((x * x).sum())

        def check(answer: float) -> None:
            expect(bool(np.isclose(answer, trace, rtol=1e-9)), f"gave {answer}, NumPy {trace}")

        yield Prepared(lambda: float(np.trace(x.dot(x.T))), check)

    return setup()


# Dask runs a product per thread; its documentation says to keep NumPy's own threads out of its way.
ENVIRONMENT = {"Dask": {"OPENBLAS_NUM_THREADS": "1"}}

CASES = [
    Case(
        name="array-given",
        title="x.dot(x.T) - x.mean(axis=0), x from NumPy",
        unit="s",
        libraries={name: given(name) for name in ("raskal", "Dask", "NumPy")},
        bars={"Dask": 0.8},
        environment=ENVIRONMENT,
    ),
    Case(
        name="array-drawn",
        title="x.dot(x.T) - x.mean(axis=0), x drawn by the library",
        unit="s",
        libraries={name: drawn(name) for name in ("raskal", "Dask", "NumPy")} | {"BLAS's product alone": product},
        bars={"Dask": 0.8, "BLAS's product alone": 1.15},
        environment=ENVIRONMENT,
    ),
]
