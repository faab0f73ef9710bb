"""Computations of five times the memory that they may use: what counts is the peak, over all processes.

Start at `CASES`. The budget is 1 GB (20 MB in a small run, where the interpreter alone is more, so that only the answer
is judged). Whatever does not fit goes to the disk under `temporary-directory` and comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from benchmarks.case import Case, Prepared, expect
from benchmarks.cluster import others
from benchmarks.processes import PROCESSES
from examples.make_data import Size

TIMES = 5
ITEM_BYTES = 1_000
KEYS = 10_007
PARTS = 100


def budget(size: Size) -> int:
    """Return how many bytes the values may take."""
    return 10**9 if size.name == "full" else 20 * 10**6


def limited(
    work: Callable[[int], Any], expected: Callable[[int], Any]
) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up work on so many bytes, within a fifth of them."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import raskal

        limit = budget(size)
        answer = expected(TIMES * limit)
        with raskal.config.set({"memory-limit": limit, "num-workers": PROCESSES}):
            yield Prepared(
                lambda: work(TIMES * limit),
                lambda found: expect(np.allclose(found, answer), f"gave {found}, not {answer}"),
                processes=others,
            )

    return setup


# --- a bag whose items all move ---------------------------------------------------------------------------------


def item(number: int) -> tuple[int, bytes]:
    """Return a key, and a kilobyte that is the number's own."""
    return number % KEYS, number.to_bytes(8, "little") * (ITEM_BYTES // 8)


def first(pair: tuple[int, bytes]) -> int:
    """Return the key."""
    return pair[0]


def weight(group: tuple[int, list[tuple[int, bytes]]]) -> int:
    """Return a number that depends on the key and on every item of its group."""
    key, items = group
    return sum(1 + data[0] for _, data in items) * (1 + key)


def shuffle(n_bytes: int) -> int:
    """Group items by a key that is spread over all partitions; return the sum of the groups' weights."""
    import raskal.bag

    bag = raskal.bag.range(n_bytes // ITEM_BYTES, npartitions=PARTS)
    return bag.map(item).groupby(first, npartitions=PARTS).map(weight).sum().compute()


def shuffled(n_bytes: int) -> int:
    """Return what `shuffle` must give."""
    numbers = np.arange(n_bytes // ITEM_BYTES)
    return int(((1 + numbers % 256) * (1 + numbers % KEYS)).sum())


# --- a tree of delayed calls over arrays ------------------------------------------------------------------------


def make(number: int, length: int) -> np.ndarray:
    """Return random numbers."""
    return np.random.default_rng(number).random(length)


def mean(array: np.ndarray) -> float:
    """Return the mean."""
    return float(array.mean())


def spread(array: np.ndarray, middle: float) -> float:
    """Return the sum of the squares of what an array differs from a number."""
    return float(np.square(array - middle).sum())


def pairwise(delayed: Any, values: list[Any]) -> Any:
    """Return the sum of values by a tree of pairs."""
    while len(values) > 1:
        values = [delayed(sum)(values[at : at + 2]) for at in range(0, len(values), 2)]
    return values[0]


def tree(n_bytes: int) -> float:
    """Return the sum of squared differences from the mean of all: every array is needed twice, all in between."""
    from raskal import delayed

    arrays = [delayed(make)(number, n_bytes // PARTS // 8) for number in range(PARTS)]
    middle = pairwise(delayed, [delayed(mean)(array) for array in arrays]) / PARTS
    return pairwise(delayed, [delayed(spread)(array, middle) for array in arrays]).compute()


def tree_expected(n_bytes: int) -> float:
    """Return what `tree` must give."""
    middle = sum(mean(make(number, n_bytes // PARTS // 8)) for number in range(PARTS)) / PARTS
    return sum(spread(make(number, n_bytes // PARTS // 8), middle) for number in range(PARTS))


# --- an array from rows to columns ------------------------------------------------------------------------------


def turned(n_bytes: int) -> tuple[int, int]:
    """Return the length of the axes of an array of so many bytes, and of its rows or columns of blocks."""
    block = round((n_bytes / 8) ** 0.5 / PARTS)
    return block * PARTS, block


def last(block: np.ndarray) -> np.ndarray:
    """Return the last row: it needs the whole block to be there, and is small."""
    return block[-1:].copy()


def rechunk(n_bytes: int) -> float:
    """Cut an array made in blocks of rows into blocks of columns; return the sum of its last row."""
    import raskal.array as da

    n, block = turned(n_bytes)
    rows = da.arange(n * n, chunks=n * block, dtype=float).reshape(n, n).map_blocks(np.negative)
    columns = rows.rechunk((n, block))
    return float(columns.map_blocks(last, chunks=((1,), (block,) * PARTS)).sum().compute())


def rechunked(n_bytes: int) -> float:
    """Return what `rechunk` must give."""
    n, _ = turned(n_bytes)
    return -float(np.arange(n * n - n, n * n, dtype=float).sum())


CASES = [
    Case(
        name=f"memory-{name}",
        title=f"{title}, 5 GB within 1 GB",
        unit="s",
        libraries={"raskal": limited(work, expected)},
        peak_mb_max=1_300,
    )
    for name, title, work, expected in (
        ("shuffle", "a bag grouped by a key", shuffle, shuffled),
        ("tree", "a tree of delayed calls over arrays that are needed twice", tree, tree_expected),
        ("rechunk", "an array from blocks of rows to blocks of columns", rechunk, rechunked),
    )
]
