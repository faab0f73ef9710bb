"""NumPy's interface over arrays larger than memory, computed in parallel.

Start at `Array` and the functions that make one: `from_array`, `ones`, `arange`, `random`. Everything is lazy until
``compute()``; shapes, chunks and types are known at once, so that mistakes show on the line that makes them.
"""

from __future__ import annotations

from typing import Any

from numpy import (
    bool_ as bool,
)
from numpy import (
    complex64,
    complex128,
    e,
    euler_gamma,
    float32,
    float64,
    inf,
    int8,
    int16,
    int32,
    int64,
    nan,
    newaxis,
    pi,
    uint8,
    uint16,
    uint32,
    uint64,
)

from raskal.array import fft, image, lib, linalg, ma, overlap, random, stats
from raskal.array.arg import argmax, argmin, nanargmax, nanargmin
from raskal.array.assorted import apply_along_axis, apply_over_axes, choose, ndim, piecewise, result_type, select, shape
from raskal.array.blockwise import blockwise, unify_chunks
from raskal.array.calculus import average, coarsen, corrcoef, cov, diff, ediff1d, gradient
from raskal.array.chunks import normalize_chunks
from raskal.array.collection import Array
from raskal.array.contraction import dot, matmul, tensordot
from raskal.array.coordinates import fromfunction, ravel_multi_index, unravel_index
from raskal.array.creation import (
    arange,
    array,
    asanyarray,
    asarray,
    empty,
    empty_like,
    eye,
    from_array,
    from_dlpack,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from raskal.array.cumulative import cumprod, cumsum, nancumprod, nancumsum
from raskal.array.delayed import from_delayed
from raskal.array.diagonal import (
    diag,
    diagonal,
    indices,
    meshgrid,
    trace,
    tri,
    tril,
    tril_indices,
    tril_indices_from,
    triu,
    triu_indices,
    triu_indices_from,
)
from raskal.array.elementwise import *  # noqa: F403
from raskal.array.elementwise import __all__ as _elementwise
from raskal.array.gufunc import apply_gufunc, as_gufunc, gufunc
from raskal.array.histogram import histogram, histogram2d, histogramdd
from raskal.array.join import append, block, concatenate, dstack, hstack, stack, vstack
from raskal.array.kinds import register_chunk_type
from raskal.array.map_blocks import map_blocks
from raskal.array.order import (
    argtopk,
    digitize,
    median,
    nanmedian,
    nanpercentile,
    nanquantile,
    percentile,
    quantile,
    searchsorted,
    topk,
)
from raskal.array.overlap import map_overlap
from raskal.array.products import einsum, outer, vdot
from raskal.array.rearrange import delete, insert, pad, repeat, roll, shuffle, tile
from raskal.array.rechunk import rechunk
from raskal.array.reduction import reduction
from raskal.array.reductions import *  # noqa: F403
from raskal.array.reductions import __all__ as _reductions
from raskal.array.reinterpret import reshape_blockwise
from raskal.array.selection import argwhere, compress, extract, flatnonzero, nonzero
from raskal.array.sets import bincount, isin, union1d, unique
from raskal.array.shape import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_arrays,
    broadcast_to,
    expand_dims,
    flip,
    fliplr,
    flipud,
    moveaxis,
    ravel,
    reshape,
    rollaxis,
    rot90,
    squeeze,
    swapaxes,
    take,
    transpose,
)
from raskal.array.standard import *  # noqa: F403
from raskal.array.standard import __all__ as _standard
from raskal.array.standard import __array_namespace_info__ as __array_namespace_info__
from raskal.array.storage import (
    from_npy_stack,
    from_zarr,
    store,
    to_hdf5,
    to_npy_stack,
    to_zarr,
)
from raskal.array.tiledb_storage import from_tiledb, to_tiledb
from raskal.array.ufunc import *  # noqa: F403
from raskal.array.ufunc import __all__ as _ufuncs
from raskal.array.windows import push, sliding_window_view
from raskal.base import compute

import raskal.array.methods  # noqa: F401, isort: skip

__all__ = [
    "Array",
    "append",
    "apply_along_axis",
    "apply_gufunc",
    "apply_over_axes",
    "arange",
    "argmax",
    "argmin",
    "argtopk",
    "argwhere",
    "array",
    "as_gufunc",
    "asanyarray",
    "asarray",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "average",
    "bincount",
    "block",
    "blockwise",
    "bool",
    "broadcast_arrays",
    "broadcast_to",
    "choose",
    "coarsen",
    "complex128",
    "complex64",
    "compress",
    "compute",
    "concatenate",
    "corrcoef",
    "cov",
    "cumprod",
    "cumsum",
    "delete",
    "diag",
    "diagonal",
    "diff",
    "digitize",
    "dot",
    "dstack",
    "e",
    "ediff1d",
    "einsum",
    "empty",
    "empty_like",
    "euler_gamma",
    "expand_dims",
    "extract",
    "eye",
    "fft",
    "flatnonzero",
    "flip",
    "fliplr",
    "flipud",
    "float32",
    "float64",
    "from_array",
    "from_delayed",
    "from_dlpack",
    "from_npy_stack",
    "from_tiledb",
    "from_zarr",
    "fromfunction",
    "full",
    "full_like",
    "gradient",
    "gufunc",
    "histogram",
    "histogram2d",
    "histogramdd",
    "hstack",
    "image",
    "indices",
    "inf",
    "insert",
    "int16",
    "int32",
    "int64",
    "int8",
    "isin",
    "lib",
    "linalg",
    "linspace",
    "ma",
    "map_blocks",
    "map_overlap",
    "matmul",
    "median",
    "meshgrid",
    "moveaxis",
    "nan",
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "ndim",
    "newaxis",
    "nonzero",
    "normalize_chunks",
    "ones",
    "ones_like",
    "outer",
    "overlap",
    "pad",
    "percentile",
    "pi",
    "piecewise",
    "push",
    "sliding_window_view",
    "quantile",
    "random",
    "ravel",
    "ravel_multi_index",
    "rechunk",
    "reduction",
    "register_chunk_type",
    "repeat",
    "reshape",
    "reshape_blockwise",
    "result_type",
    "roll",
    "rollaxis",
    "rot90",
    "searchsorted",
    "select",
    "shape",
    "shuffle",
    "squeeze",
    "stack",
    "stats",
    "store",
    "swapaxes",
    "take",
    "tensordot",
    "tile",
    "to_hdf5",
    "to_npy_stack",
    "to_tiledb",
    "to_zarr",
    "topk",
    "trace",
    "transpose",
    "tri",
    "tril",
    "tril_indices",
    "tril_indices_from",
    "triu",
    "triu_indices",
    "triu_indices_from",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
    "unify_chunks",
    "union1d",
    "unique",
    "unravel_index",
    "vdot",
    "vstack",
    "zeros",
    "zeros_like",
    *_elementwise,
    *_reductions,
    *_standard,
    *_ufuncs,
]


def __getattr__(name: str) -> Any:
    """Say what to use instead of what Dask has and this module has not."""
    from raskal.array.elsewhere import missing

    raise missing(__name__, name, __all__)
