"""The names under which Dask keeps the heart of its arrays: ``from raskal.array.core import normalize_chunks``.

Nothing is made here; `raskal.array` has the same objects.
"""

from __future__ import annotations

from numpy import broadcast_shapes

from raskal.array.blockview import BlockView
from raskal.array.blockwise import blockwise, unify_chunks
from raskal.array.chunks import normalize_chunks
from raskal.array.collection import Array
from raskal.array.creation import asanyarray, asarray, from_array
from raskal.array.delayed import from_delayed
from raskal.array.join import block, concatenate, stack
from raskal.array.map_blocks import map_blocks
from raskal.array.shape import broadcast_to
from raskal.array.storage import from_npy_stack, from_zarr, store, to_hdf5, to_npy_stack, to_zarr

__all__ = [
    "Array", "BlockView", "asanyarray", "asarray", "block", "blockwise", "broadcast_shapes", "broadcast_to",
    "concatenate", "from_array", "from_delayed", "from_npy_stack", "from_zarr", "map_blocks", "normalize_chunks",
    "stack", "store", "to_hdf5", "to_npy_stack", "to_zarr", "unify_chunks",
]  # fmt: skip
