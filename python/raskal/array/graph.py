"""Arrays written as graphs: a dictionary of tasks, and which of its keys are blocks.

Start at `of_graph`, which is what ``Array(dsk, name, chunks, dtype=...)`` calls.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from raskal._raskal import ArrayExpr, lower_delayed
from raskal.array.chunks import normalize_chunks
from raskal.array.host import PLACEHOLDER, dtype_spec, every_block, on_blocks
from raskal.base import Collection
from raskal.graphs import nodes_of
from raskal.tokenize import tokenize


class GraphBlocks(Collection):
    """The tasks of a graph that are blocks, in row-major order."""

    def __init__(self, dsk: Mapping[Any, Any], keys: list[Any]) -> None:
        self.dsk, self.keys = dsk, keys

    def __raskal_lower__(self, builder: Any) -> list[int]:
        from raskal.delayed import Delayed, delayed

        nodes = nodes_of(self.dsk, self.keys)
        # Blocks under two keys are one node, which is one task.
        calls = {
            key: node if isinstance(node, Delayed) else delayed(node, traverse=False) for key, node in nodes.items()
        }
        return lower_delayed(builder, [calls[key] for key in self.keys])

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return results


class _Same:
    """Gives a block on."""

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return block if hasattr(block, "shape") else np.asarray(block)


def of_pickle(dsk: Mapping[Any, Any], keys: list[Any], name: str, chunks: Any, dtype: np.dtype[Any], kind: Any) -> Any:
    """The array that `Array.__reduce__` took apart: of the same name, its blocks tasks of a graph."""
    from raskal.array.collection import Array

    unknown = frozenset(axis for axis, own in enumerate(chunks) if any(length != length for length in own))
    grid = [[PLACEHOLDER if axis in unknown else int(n) for n in own] for axis, own in enumerate(chunks)]
    code, size = dtype_spec(dtype, opaque=bool(unknown) or kind is not None)
    label = name.rpartition("-")[0] or name
    return Array._of(ArrayExpr.added(label, name, GraphBlocks(dsk, keys), grid, code, size), unknown, kind)


def of_graph(dask: Any, name: str, chunks: Any, dtype: Any, meta: Any, shape: Any) -> Any:
    """The array whose blocks are the keys ``(name, i, j, ...)`` of a graph."""
    from raskal.array.collection import Array

    if not isinstance(dask, Mapping):
        raise TypeError(
            f"an array is made of a graph, a mapping of keys to tasks, not of a {type(dask).__name__}\n"
            "hint: use from_array for data, from_delayed for delayed values"
        )
    if dtype is None and meta is None:
        raise ValueError("the type of the blocks is not known\nhint: pass dtype= or meta=")
    dtype = np.dtype(dtype) if dtype is not None else np.dtype(getattr(meta, "dtype", meta))
    lengths = normalize_chunks(chunks, shape, dtype=dtype)
    keys = [(name, *at) for at in itertools.product(*(range(len(own)) for own in lengths))]
    unknown = frozenset(axis for axis, own in enumerate(lengths) if any(length != length for length in own))
    grid = [[PLACEHOLDER if axis in unknown else int(n) for n in own] for axis, own in enumerate(lengths)]
    code, size = dtype_spec(dtype, opaque=True)
    prefix = f"{name}-{tokenize(dask, keys)}"
    raw = Array._of(ArrayExpr.added(name, prefix, GraphBlocks(dask, keys), grid, code, size), unknown)
    kind = None if isinstance(meta, (type, np.dtype)) else meta
    return on_blocks(name, _Same(), [(raw, every_block(raw))], lengths, dtype, "blocks of a graph", meta=kind)
