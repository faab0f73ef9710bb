"""How much memory a value takes.

Start at `sizeof`. Types of one's own are added with ``sizeof.register``; NumPy's, pandas' and pyarrow's are known, and
not imported for that.
"""

from __future__ import annotations

import itertools
import random
import sys
from array import array
from typing import Any

from raskal._dispatch import Dispatch

__all__ = ["sizeof"]

_SAMPLE = 10
_OBJECTS = 200


sizeof = Dispatch("sizeof")
"""Bytes that a value takes in memory, with what it holds; large containers are estimated from a sample.

Examples
--------
>>> sizeof(b"x" * 1000) > 1000
True
"""


@sizeof.register(object)
def _(value: Any) -> int:
    nbytes = getattr(value, "nbytes", None)
    try:
        own = sys.getsizeof(value)
    except Exception:
        own = 100
    return max(own, nbytes) if isinstance(nbytes, int) else own


@sizeof.register((bytes, bytearray))
def _(value: Any) -> int:
    return sys.getsizeof(value)


@sizeof.register(memoryview)
def _(value: Any) -> int:
    return int(value.nbytes)


@sizeof.register(array)
def _(value: Any) -> int:
    return int(value.itemsize * len(value))


@sizeof.register((list, tuple, set, frozenset))
def _(value: Any) -> int:
    own = sys.getsizeof(value)
    count = len(value)
    if count <= _SAMPLE:
        return own + sum(map(sizeof, value))
    ordered = isinstance(value, (list, tuple))
    sample = random.Random(0).sample(value, _SAMPLE) if ordered else itertools.islice(value, _SAMPLE)
    return own + sum(map(sizeof, sample)) * count // _SAMPLE


@sizeof.register(dict)
def _(value: Any) -> int:
    return sys.getsizeof(value) + sizeof(list(value.keys())) + sizeof(list(value.values())) - 2 * sys.getsizeof([])


@sizeof.register_lazy("numpy")
def _() -> None:
    import numpy as np

    @sizeof.register(np.ndarray)
    def _(value: Any) -> int:
        if 0 in value.strides:
            # Broadcast: the memory is there once.
            value = value[tuple(slice(1) if stride == 0 else slice(None) for stride in value.strides)]
        if value.dtype != object:
            return int(value.nbytes)
        return int(value.nbytes) + _objects(value.ravel())


def _objects(*arrays: Any) -> int:
    """Bytes of the Python objects of arrays, from a sample; one that is there several times counts once."""
    draw = random.Random(0)  # not every n-th, which may all be one of n
    items = [values[at] for values in arrays for at in draw.sample(range(len(values)), min(len(values), _OBJECTS))]
    sample = {id(item): item for item in items}
    total = sum(map(sys.getsizeof, sample.values()))
    # Where none repeats in the sample, there are more that were not looked at.
    count = sum(len(values) for values in arrays)
    return total * count // len(items) if items and len(sample) == len(items) else total


def _has_objects(dtype: Any) -> bool:
    return str(dtype) == "object" or getattr(dtype, "storage", None) == "python"


@sizeof.register_lazy("pandas")
def _() -> None:
    import pandas as pd

    def columns(values: list[Any]) -> int:
        own = sum(int(one.memory_usage(index=False, deep=False)) for one in values)
        return own + _objects(*(one.to_numpy(dtype=object) for one in values if _has_objects(one.dtype)))

    @sizeof.register(pd.DataFrame)
    def _(value: Any) -> int:
        places = [place for place, again in enumerate(value.columns.duplicated()) if not again]
        kinds = {str(dtype) for dtype in value.dtypes}
        return int(sizeof(value.index)) + columns([value.iloc[:, place] for place in places]) + 400 * (1 + len(kinds))

    @sizeof.register(pd.Series)
    def _(value: Any) -> int:
        return int(sizeof(value.index)) + columns([value]) + 400

    @sizeof.register(pd.MultiIndex)
    def _(value: Any) -> int:
        levels = sum(int(sizeof(level)) for level in value.levels)
        return levels + sum(int(codes.nbytes) for codes in value.codes) + 400

    @sizeof.register(pd.Index)
    def _(value: Any) -> int:
        own = int(value.memory_usage(deep=False)) + 400
        return own + (_objects(value.to_numpy(dtype=object)) if _has_objects(value.dtype) else 0)


@sizeof.register_lazy("pyarrow")
def _() -> None:
    import pyarrow as pa

    @sizeof.register((pa.Table, pa.RecordBatch))
    def _(value: Any) -> int:
        return int(value.nbytes) + 1000
