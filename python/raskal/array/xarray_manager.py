"""Lets xarray cut its variables into raskal's arrays: ``ds.chunk(..., chunked_array_type="raskal")``.

Start at `RaskalManager`, which the entry point ``xarray.chunkmanagers`` names; only xarray imports this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from xarray.namedarray.parallelcompat import ChunkManagerEntrypoint

import raskal.array as module
from raskal import config
from raskal.array.collection import Array
from raskal.array.cumulative import cumreduction
from raskal.base import compute, persist


class Concrete:
    """A function of blocks whose results are NumPy's, whichever namespace it computes in.

    xarray takes the namespace from the lazy array, and calls its functions on blocks.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; compute what it gives lazily."""
        result = self.function(*args, **kwargs)
        if isinstance(result, tuple):
            return tuple(part.compute() if isinstance(part, Array) else part for part in result)
        return result.compute() if isinstance(result, Array) else result


class RaskalManager(ChunkManagerEntrypoint[Any]):
    """What xarray asks for when a variable's array is cut into blocks."""

    array_cls = Array
    available = True

    def __init__(self) -> None:
        self.array_cls = Array

    def is_chunked_array(self, data: Any) -> bool:
        """Whether an array is one of ours."""
        return isinstance(data, Array)

    def chunks(self, data: Array) -> Any:
        """Block lengths along each axis."""
        return data.chunks

    def normalize_chunks(
        self, chunks: Any, shape: Any = None, limit: Any = None, dtype: Any = None, previous_chunks: Any = None
    ) -> Any:
        """Explicit chunks of what a user wrote."""
        return module.normalize_chunks(chunks, shape, limit, dtype, previous_chunks)

    def from_array(self, data: Any, chunks: Any, **kwargs: Any) -> Array:
        """An array of a variable's data, which may be a file's."""
        kwargs.pop("meta", None)
        # Names that xarray makes are content tokens.
        known = {key: kwargs[key] for key in ("name", "lock", "inline_array") if key in kwargs}
        return module.from_array(data, chunks, asarray=isinstance(data, np.ndarray) or None, **known)

    def compute(self, *data: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The values of several arrays, computed together."""
        return compute(*data, **kwargs)

    def persist(self, *data: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Several arrays over kept blocks."""
        return persist(*data, **kwargs)

    def shuffle(self, x: Array, indexer: list[list[int]], axis: int, chunks: Any) -> Array:
        """Elements along an axis in groups."""
        return module.shuffle(x, indexer, axis, "auto" if chunks is None else chunks)

    @property
    def array_api(self) -> Any:
        """NumPy's interface over lazy arrays."""
        return module

    def reduction(
        self,
        arr: Array,
        func: Callable[..., Any],
        combine_func: Callable[..., Any] | None = None,
        aggregate_func: Callable[..., Any] | None = None,
        axis: Any = None,
        dtype: Any = None,
        keepdims: bool = False,
    ) -> Array:
        """A reduction by functions of blocks."""
        last = aggregate_func or combine_func or func
        return module.reduction(arr, func, last, axis=axis, combine=combine_func, dtype=dtype, keepdims=keepdims)

    def scan(
        self,
        func: Callable[..., Any],
        binop: Callable[..., Any],
        ident: float,
        arr: Array,
        axis: int | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> Array:
        """A running reduction along an axis."""
        return cumreduction(func, binop, ident, arr, axis=axis, dtype=dtype, **kwargs)

    def apply_gufunc(self, func: Callable[..., Any], signature: str, *args: Any, **kwargs: Any) -> Any:
        """A function of whole axes."""
        options = {key: value for key, value in kwargs.items() if value is not None}
        return module.apply_gufunc(Concrete(func), signature, *args, **options)

    def map_blocks(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Array:
        """A function on each block."""
        return module.map_blocks(func, *args, **kwargs)

    def blockwise(self, func: Callable[..., Any], out_ind: Any, *args: Any, **kwargs: Any) -> Array:
        """A function of blocks that an index notation pairs up."""
        return module.blockwise(func, out_ind, *args, **kwargs)

    def unify_chunks(self, *args: Any, **kwargs: Any) -> Any:
        """Arrays with common chunks along the axes of the same index."""
        return module.unify_chunks(*args, **kwargs)

    def store(self, sources: Any, targets: Any, **kwargs: Any) -> Any:
        """Write arrays to targets."""
        kwargs.pop("flush", None)
        return module.store(sources, targets, **kwargs)

    def get_auto_chunk_size(self) -> int:
        """Bytes that an automatic block holds."""
        from raskal.utils import parse_bytes

        return int(parse_bytes(config.get("array.chunk-size")))
