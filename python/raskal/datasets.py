"""Random data to try things on: a table (`timeseries`), and records (`make_people`)."""

from __future__ import annotations

from random import randrange
from typing import Any

import numpy as np
import pandas as pd

from raskal._people import FIRST as _NAMES
from raskal._people import People
from raskal.dataframe.from_map import from_map

__all__ = ["make_people", "timeseries"]


def timeseries(
    start: Any = "2000-01-01",
    end: Any = "2000-01-31",
    freq: Any = "1s",
    partition_freq: Any = "1D",
    dtypes: dict[str, Any] | None = None,
    seed: Any = None,
    **kwargs: Any,
) -> Any:
    """A dataframe of random values over a span of time.

    Parameters
    ----------
    start, end : str or Timestamp
        The span; the end is not in it.
    freq : str
        Time between rows.
    partition_freq : str
        Span of a partition.
    dtypes : dict, optional
        Columns and their types: float, int, str or ``"category"``. By default name, id, x and y.
    seed : int, optional
        Equal seeds give equal values.
    **kwargs
        For a column of whole numbers ``x``: ``x_lam``, the mean of their Poisson distribution.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> from raskal.datasets import timeseries
    >>> len(timeseries("2000-01-01", "2000-01-03", freq="1h", seed=1))
    48
    """
    columns = dtypes or {"name": "str", "id": "int64", "x": "float64", "y": "float64"}
    step = pd.tseries.frequencies.to_offset(partition_freq)
    divisions = list(pd.date_range(start=start, end=end, freq=step))
    if len(divisions) < 2:
        divisions = [pd.Timestamp(start), pd.Timestamp(end)]
    seeds = np.random.SeedSequence(seed).generate_state(len(divisions) - 1).tolist()
    make = _Rows(columns, freq, kwargs)
    meta = make(divisions[0], divisions[1], 0).iloc[:0]
    return from_map(
        make, divisions[:-1], divisions[1:], seeds, meta=meta, divisions=tuple(divisions), label="timeseries"
    )


class _Rows:
    """The rows of one span."""

    def __init__(self, columns: dict[str, Any], freq: Any, options: dict[str, Any]) -> None:
        self.columns = columns
        self.freq = freq
        self.options = options

    def __call__(self, start: pd.Timestamp, end: pd.Timestamp, seed: int) -> pd.DataFrame:
        index = pd.date_range(start=start, end=end, freq=self.freq, inclusive="left", name="timestamp")
        rng = np.random.default_rng(seed)
        return pd.DataFrame(
            {name: self._column(rng, name, dtype, len(index)) for name, dtype in self.columns.items()}, index
        )

    def _column(self, rng: np.random.Generator, name: str, dtype: Any, rows: int) -> Any:
        if dtype == "category":
            return pd.Categorical.from_codes(rng.integers(0, len(_NAMES), rows), categories=_NAMES)  # type: ignore[call-overload]
        if dtype in (str, "str", "string", object):
            return pd.array(np.array(_NAMES, dtype=object)[rng.integers(0, len(_NAMES), rows)], dtype="str")
        kind = np.dtype(dtype).kind
        if kind in "iu":
            return rng.poisson(self.options.get(f"{name}_lam", 1000), rows).astype(dtype)
        if kind == "f":
            return (rng.random(rows) * 2 - 1).astype(dtype)
        if kind == "b":
            return rng.random(rows) < 0.5
        raise ValueError(f"column {name!r} can't be made of {dtype!r}\nhint: use float, int, bool, str or 'category'")


def make_people(
    npartitions: int = 10, records_per_partition: int = 1000, seed: int | None = None, locale: str = "en"
) -> Any:
    """A bag of records of people who do not exist.

    Parameters
    ----------
    npartitions : int
        Number of partitions.
    records_per_partition : int
        Records in each.
    seed : int, optional
        Equal seeds give equal people.
    locale : {"en"}
        Names and places are English.

    Returns
    -------
    Bag
        Of dictionaries: age, name (first and last), occupation, telephone, address, credit card.

    Raises
    ------
    ValueError
        If another locale is asked for.

    Examples
    --------
    >>> from raskal.datasets import make_people
    >>> people = make_people(npartitions=2, records_per_partition=3, seed=1)
    >>> people.pluck("age").map(lambda age: age >= 16).all().compute(scheduler="synchronous")
    True
    """
    if locale != "en":
        raise ValueError(f"people of locale {locale!r} can't be made\nhint: there are English ones, locale='en'")
    from raskal import bag

    make = People(records_per_partition, randrange(1 << 62) if seed is None else seed)
    return bag.range(npartitions, npartitions=npartitions).map(make).flatten()
