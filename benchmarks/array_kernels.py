"""Arrays in memory, where kernels decide: fused chains, standardized columns, stencils, factors.

Start at `CASES`. Every library gets the same NumPy arrays, and its answer is checked against NumPy's, computed in
slices so that the check needs no more memory than the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from benchmarks.arrays import ENVIRONMENT, library
from benchmarks.case import Case, Prepared, expect
from examples.make_data import SEED, Size

Make = Callable[[Size], tuple[Any, ...]]
Setup = Callable[[Size], AbstractContextManager[Prepared]]
ROWS_AT_ONCE = 1 << 14


def near(expected: Any, tolerance: float) -> Callable[[Any], None]:
    """Return the check that numbers are `expected` up to a relative tolerance."""

    def check(answer: Any) -> None:
        expect(np.allclose(answer, expected, rtol=tolerance, atol=0.0), f"gave {answer}, NumPy {expected}")

    return check


def setup(make: Make, expected: Callable[..., Any], work: Callable[..., Callable[[], Any]], tolerance: float) -> Setup:
    """Return what prepares a library: `work` gives, for the input's arrays, the callable that is timed."""

    @contextmanager
    def prepare(size: Size) -> Iterator[Prepared]:
        inputs = make(size)
        yield Prepared(work(*inputs), near(expected(*inputs), tolerance))

    return prepare


def lazy(name: str, expression: Callable[..., Any], chunks: Any) -> Callable[..., Callable[[], Any]]:
    """Return the work of raskal or Dask: the expression of lazy arrays, computed."""

    def work(*inputs: Any) -> Callable[[], Any]:
        module, compute = library(name)
        return lambda: np.asarray(
            compute(expression(*(module.from_array(x, chunks=chunks) for x in inputs), module))[0]
        )

    return work


# Standardized columns: two passes are enough, one for mean and deviation together.


def table(size: Size) -> tuple[np.ndarray]:
    """4 GB of 64-bit floats in 1,000 columns, or 40 MB."""
    rows = 500_000 if size.name == "full" else 5_000
    return (np.random.default_rng(SEED).standard_normal((rows, 1_000)),)


def standardized(x: Any, module: Any) -> Any:
    """Return the sum of columns standardized and clipped."""
    return ((x - x.mean(axis=0)) / x.std(axis=0)).clip(-3, 3).sum()


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of columns, in slices."""
    slices = [x[first : first + ROWS_AT_ONCE] for first in range(0, len(x), ROWS_AT_ONCE)]
    mean = sum(part.sum(axis=0) for part in slices) / len(x)
    return mean, np.sqrt(sum(((part - mean) ** 2).sum(axis=0) for part in slices) / len(x))


def standardized_by_numpy(x: np.ndarray) -> float:
    """Return NumPy's answer, in slices."""
    mean, deviation = moments(x)
    slices = (x[first : first + ROWS_AT_ONCE] for first in range(0, len(x), ROWS_AT_ONCE))
    return float(sum(((part - mean) / deviation).clip(-3, 3).sum() for part in slices))


def standardized_by_numexpr(x: np.ndarray) -> Callable[[], float]:
    """Return the work of numexpr, which has no reduction along columns: NumPy's, in slices."""
    import numexpr

    def work() -> float:
        mean, deviation = moments(x)
        line = "sum(where(z > 3, 3, where(z < -3, -3, z)))".replace("z", "((x - mean) / deviation)")
        return float(numexpr.evaluate(line, {"x": x, "mean": mean, "deviation": deviation}))

    return work


def read_twice(x: np.ndarray) -> Callable[[], Any]:
    """Return the work of reading the table twice on two threads, by BLAS: what memory alone would allow.

    Its answer is not the case's, so it is checked against its own.
    """
    from concurrent.futures import ThreadPoolExecutor

    flat = x.reshape(-1)
    parts = np.array_split(flat, 64)

    def work() -> float:
        with ThreadPoolExecutor(2) as pool:
            return sum(sum(pool.map(lambda part: float(part @ part), parts)) for _ in range(2))

    return work


# A chain of elementwise functions.


def pair(dtype: Any) -> Make:
    """Return what makes two arrays of 10^8 elements, or 10^6."""

    def make(size: Size) -> tuple[np.ndarray, ...]:
        count = 100_000_000 if size.name == "full" else 1_000_000
        generator = np.random.default_rng(SEED)
        return tuple(generator.random(count, dtype=dtype) for _ in range(2))

    return make


def chain(x: Any, y: Any, module: Any) -> Any:
    """Return the mean of a Gaussian's root."""
    return module.sqrt(module.exp(-(x**2 + y**2))).mean()


def chain_by_numpy(x: np.ndarray, y: np.ndarray) -> float:
    """Return NumPy's answer, in slices and 64 bits."""
    total = 0.0
    for first in range(0, len(x), 1 << 20):
        a, b = (part[first : first + (1 << 20)].astype(np.float64) for part in (x, y))
        total += float(np.sqrt(np.exp(-(a**2 + b**2))).sum())
    return total / len(x)


def chain_by_numexpr(x: np.ndarray, y: np.ndarray) -> Callable[[], float]:
    """Return the work of numexpr."""
    import numexpr

    line = "sum(sqrt(exp(-(x**2 + y**2))))"
    return lambda: float(numexpr.evaluate(line, {"x": x, "y": y})) / len(x)


def chain_by_jax(x: np.ndarray, y: np.ndarray) -> Callable[[], float]:
    """Return the work of JAX: compiled, its arrays on the device already."""
    import jax

    jax.config.update("jax_enable_x64", True)
    arrays = [jax.device_put(part, jax.devices("cpu")[0]) for part in (x, y)]
    function = jax.jit(lambda a, b: chain(a, b, jax.numpy))
    return lambda: float(function(*arrays))


# A stencil in three dimensions.


def volume(size: Size) -> tuple[np.ndarray]:
    """1 GB of 64-bit floats, or 16 MB."""
    side = 512 if size.name == "full" else 128
    return (np.random.default_rng(SEED).random((side, side, side)),)


def neighbours(block: Any) -> Any:
    """Return the mean of each element's six neighbours; edges of the block stay."""
    result = block.copy()
    inner = result[1:-1, 1:-1, 1:-1]
    np.add(block[:-2, 1:-1, 1:-1], block[2:, 1:-1, 1:-1], out=inner)
    inner += block[1:-1, :-2, 1:-1]
    inner += block[1:-1, 2:, 1:-1]
    inner += block[1:-1, 1:-1, :-2]
    inner += block[1:-1, 1:-1, 2:]
    inner /= 6
    return result


def stencil(x: Any, module: Any) -> Any:
    """Return the sum after two steps of the stencil."""
    for _ in range(2):
        x = module.map_overlap(neighbours, x, depth=1, boundary="nearest", dtype=x.dtype, meta=np.empty((0, 0, 0)))
    return x.sum()


def stencil_by_numpy(x: np.ndarray) -> float:
    """Return NumPy's answer."""
    for _ in range(2):
        x = neighbours(np.pad(x, 1, mode="edge"))[1:-1, 1:-1, 1:-1]
    return float(x.sum())


# Factors of a tall matrix.


def tall(size: Size) -> tuple[np.ndarray]:
    """200,000 or 10,000 rows of 100 columns."""
    rows = 200_000 if size.name == "full" else 10_000
    return (np.random.default_rng(SEED).standard_normal((rows, 100)),)


def triangle(x: Any, module: Any) -> Any:
    """Return the squares of the triangle's diagonal, which do not depend on signs."""
    return module.diag(module.linalg.qr(x)[1]) ** 2


def triangle_by_numpy(x: np.ndarray) -> np.ndarray:
    """Return NumPy's answer."""
    return np.diag(np.linalg.qr(x, mode="r")) ** 2


def low_rank(size: Size) -> tuple[np.ndarray]:
    """A matrix of rank 20 and a little noise: 20,000 x 2,000, or a tenth of both."""
    rows, columns = (20_000, 2_000) if size.name == "full" else (2_000, 200)
    generator = np.random.default_rng(SEED)
    x = generator.standard_normal((rows, 20)) @ generator.standard_normal((20, columns))
    return (x + 1e-6 * generator.standard_normal((rows, columns)),)


def largest_values(x: Any, module: Any) -> Any:
    """Return the ten largest singular values, compressed."""
    return module.linalg.svd_compressed(x, 10, n_power_iter=2, seed=SEED)[1]


def largest_values_by_numpy(x: np.ndarray) -> np.ndarray:
    """Return NumPy's answer: roots of the eigenvalues of the smaller product."""
    return np.sqrt(np.linalg.eigvalsh(x.T @ x)[::-1][:10])


def both(make: Make, expected: Any, expression: Any, chunks: Any, tolerance: float = 1e-9) -> dict[str, Setup]:
    """Return the set-ups of raskal and Dask."""
    return {name: setup(make, expected, lazy(name, expression, chunks), tolerance) for name in ("raskal", "Dask")}


def chain_case(dtype: Any, bits: int, tolerance: float) -> Case:
    """Return the case of the chain for a float type."""
    make = pair(dtype)
    peers = {"numexpr": chain_by_numexpr, "JAX": chain_by_jax}
    return Case(
        name=f"array-chain-{bits}",
        title=f"sqrt(exp(-(x**2 + y**2))).mean(), floats of {bits} bits",
        unit="s",
        libraries=both(make, chain_by_numpy, chain, 1_000_000, tolerance)
        | {name: setup(make, chain_by_numpy, work, tolerance) for name, work in peers.items()},
        bars={"Dask": 1 / 5, "JAX": 1.0},
    )


CASES = [
    Case(
        name="array-standardize",
        title="((x - x.mean(0)) / x.std(0)).clip(-3, 3).sum()",
        unit="s",
        libraries=both(table, standardized_by_numpy, standardized, (10_000, 1_000), 1e-6)
        | {"numexpr": setup(table, standardized_by_numpy, standardized_by_numexpr, 1e-6)}
        | {
            "two reads of the table": setup(table, lambda x: 2 * float(x.reshape(-1) @ x.reshape(-1)), read_twice, 1e-6)
        },
        bars={"Dask": 1 / 8, "numexpr": 1 / 2, "two reads of the table": 1.5},
        environment=ENVIRONMENT | {"two reads of the table": {"OPENBLAS_NUM_THREADS": "1"}},
    ),
    chain_case(np.float64, 64, 1e-9),
    chain_case(np.float32, 32, 1e-4),
    Case(
        name="array-stencil",
        title="two steps of a 3-D stencil by map_overlap",
        unit="s",
        libraries=both(volume, stencil_by_numpy, stencil, 64),
        bars={"Dask": 1 / 2},
        memory_bars={"Dask": 1 / 2},
    ),
    Case(
        name="array-qr",
        title="QR of a tall matrix",
        unit="s",
        libraries=both(tall, triangle_by_numpy, triangle, (10_000, 100), 1e-6),
        bars={"Dask": 1.0},
        environment=ENVIRONMENT,
    ),
    Case(
        name="array-svd",
        title="svd_compressed, ten values",
        unit="s",
        libraries=both(low_rank, largest_values_by_numpy, largest_values, (1_000, 2_000), 1e-6),
        bars={"Dask": 1.0},
        environment=ENVIRONMENT,
    ),
]
