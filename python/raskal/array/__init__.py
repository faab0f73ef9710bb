"""NumPy's interface over arrays larger than memory, computed in parallel.

Start at `Array` and the functions that make one: `from_array`, `ones`, `arange`, `random`. Everything is lazy until
``compute()``; shapes, chunks and types are known at once, so that mistakes show on the line that makes them.
"""

from __future__ import annotations

from raskal.array import random
from raskal.array.chunks import normalize_chunks
from raskal.array.collection import Array
from raskal.array.contraction import dot, matmul, tensordot
from raskal.array.creation import (
    arange,
    array,
    asanyarray,
    asarray,
    empty,
    empty_like,
    eye,
    from_array,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from raskal.array.map_blocks import map_blocks
from raskal.array.reductions import *  # noqa: F403
from raskal.array.reductions import __all__ as _reductions
from raskal.array.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    hstack,
    moveaxis,
    ravel,
    rechunk,
    reshape,
    squeeze,
    stack,
    swapaxes,
    take,
    transpose,
    vstack,
)
from raskal.array.ufunc import *  # noqa: F403
from raskal.array.ufunc import __all__ as _ufuncs
from raskal.base import compute

__all__ = [
    "Array",
    "arange",
    "array",
    "asanyarray",
    "asarray",
    "broadcast_to",
    "compute",
    "concatenate",
    "dot",
    "empty",
    "empty_like",
    "expand_dims",
    "eye",
    "flip",
    "from_array",
    "full",
    "full_like",
    "hstack",
    "linspace",
    "map_blocks",
    "matmul",
    "moveaxis",
    "normalize_chunks",
    "ones",
    "ones_like",
    "random",
    "ravel",
    "rechunk",
    "reshape",
    "squeeze",
    "stack",
    "swapaxes",
    "take",
    "tensordot",
    "transpose",
    "vstack",
    "zeros",
    "zeros_like",
    *_reductions,
    *_ufuncs,
]
