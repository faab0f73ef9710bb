"""The user's code of the demo: four computations, and the same answers without raskal.

Start at `STEPS`. Each function is what a person would write; where it runs (threads, or a cluster when a `Client`
is open) is not its business. Each returns plain numbers, so that answers can be compared.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
import pandas as pd

import raskal
import raskal.array as da
import raskal.dataframe as dd
from examples.make_data import SEED, Size

Answer = Mapping[Any, float]


def csv(size: Size) -> Answer:
    """Mean balance of each name, from the CSV files."""
    frame = dd.read_csv(size.csv)
    return frame.groupby("name").balance.mean().compute().to_dict()


def csv_pandas(size: Size) -> Answer:
    """Compute `csv` with pandas, reading only the columns that are needed, as raskal does by itself."""
    parts = [pd.read_csv(path, usecols=["name", "balance"]) for path in sorted(glob.glob(size.csv))]
    return pd.concat(parts).groupby("name").balance.mean().to_dict()


def parquet(size: Size) -> Answer:
    """Mean balance of each name, from the Parquet files."""
    frame = dd.read_parquet(size.parquet)
    return frame.groupby("name").balance.mean().compute().to_dict()


def parquet_pandas(size: Size) -> Answer:
    """Compute `parquet` with pandas, reading only the columns that are needed."""
    return pd.read_parquet(size.parquet, columns=["name", "balance"]).groupby("name").balance.mean().to_dict()


def random_square(size: Size) -> Any:
    """Return x: seeded, so that every process draws the same numbers."""
    side = 8_000 if size.name == "full" else 2_000
    generator: Any = da.random.default_rng(SEED)
    return generator.random((side, side), chunks=(side // 8, side // 8))


def array(size: Size) -> Answer:
    """Compute four numbers of `x.dot(x.T) - x.mean(axis=0)` in one go: what they share is computed once."""
    x = random_square(size)
    y = x.dot(x.T) - x.mean(axis=0)
    values = raskal.compute(y.sum(), y.min(), y.max(), y.std())
    return dict(zip(("sum", "min", "max", "std"), map(float, values), strict=True))


def array_numpy(x: np.ndarray) -> Answer:
    """Compute `array` with NumPy, on the values of x."""
    y = x.dot(x.T) - x.mean(axis=0)
    return {"sum": float(y.sum()), "min": float(y.min()), "max": float(y.max()), "std": float(y.std())}


def f(x: int, y: int) -> int:
    """Count the numbers below x that share no factor with y: some honest Python work."""
    return sum(gcd(n, y) == 1 for n in range(x))


def g(x: int, y: int) -> int:
    """Sum the factors of x up to y."""
    return sum(n for n in range(1, y + 1) if x % n == 0)


def numbers(size: Size) -> tuple[range, range]:
    """Return A and B of the loop: 40,000 calls, or 2,500."""
    side = 200 if size.name == "full" else 50
    return range(2_000, 2_000 + side), range(1_950, 1_950 + side)


def loop(size: Size) -> Answer:
    """Run the loop with `delayed` around the calls; the branches stay as they were."""
    A, B = numbers(size)
    results = []
    for x in A:
        for y in B:
            if x < y:
                z = raskal.delayed(f)(x, y)
            else:
                z = raskal.delayed(g)(x, y)
            results.append(z)
    values = raskal.compute(*results)
    return {"calls": len(values), "sum": float(sum(values))}


def loop_plain(size: Size) -> Answer:
    """Run the same loop in plain Python."""
    A, B = numbers(size)
    values = [f(x, y) if x < y else g(x, y) for x in A for y in B]
    return {"calls": len(values), "sum": float(sum(values))}


def difference(ours: Answer, theirs: Answer) -> float:
    """Return the largest relative difference of two answers; infinite when they do not name the same things."""
    if list(ours) != list(theirs):
        return float("inf")
    a, b = (np.array(list(answer.values()), dtype=float) for answer in (ours, theirs))
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-12)))


def _size(size: Size) -> Size:
    return size


@dataclass(frozen=True)
class Step:
    """A computation, and the peer that gives the same answer; `peer_input` makes what the peer starts from."""

    title: str
    ours: Callable[[Size], Answer]
    peer_name: str
    peer: Callable[[Any], Answer]
    peer_input: Callable[[Size], Any] = _size


STEPS = {
    "csv": Step('read_csv("data/*.csv").groupby("name").balance.mean()', csv, "pandas", csv_pandas),
    "parquet": Step('read_parquet("data/parquet").groupby("name").balance.mean()', parquet, "pandas", parquet_pandas),
    "array": Step(
        "x.dot(x.T) - x.mean(axis=0)", array, "NumPy", array_numpy, lambda size: random_square(size).compute()
    ),
    "loop": Step("for x in A: for y in B: delayed(f or g)(x, y)", loop, "plain Python", loop_plain),
}
