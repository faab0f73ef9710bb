"""Normal forms of NumPy's arrays, scalars, dtypes and functions.

Imported by `raskal.tokenize` when a NumPy object is first seen. Arrays count by dtype, shape and content, whatever
their layout.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from raskal._tokenize_code import qualified_name
from raskal.tokenize import digest, normalize_token, random_token

# A block of a non-contiguous array that is copied at a time.
_SLAB_BYTES = 16 * 2**20


@normalize_token.register(np.ndarray)
def _(array: np.ndarray[Any, Any]) -> object:
    head = qualified_name(type(array)), array.dtype, array.shape
    if isinstance(array, np.ma.MaskedArray):
        return *head, array.filled(0) if array.dtype.names is None else array.data, array.mask, array.fill_value
    array = np.asarray(array)
    if array.dtype.hasobject:
        return *head, strings(items) if (items := array.ravel().tolist()) and only_text(items) else items
    if array.dtype.kind == "T":  # variable-width strings lie outside the array
        return *head, array.ravel().tolist()
    return *head, digest(_slabs(array))


def _slabs(array: np.ndarray[Any, Any]) -> Iterator[Any]:
    if array.size == 0:
        return
    if array.flags.c_contiguous:
        yield array.reshape(-1).view(np.uint8)
        return
    rows = max(1, _SLAB_BYTES * len(array) // max(1, array.nbytes))
    for start in range(0, len(array), rows):
        yield np.ascontiguousarray(array[start : start + rows]).reshape(-1).view(np.uint8)


def only_text(items: list[object]) -> bool:
    """Whether all items are plain strings."""
    return set(map(type, items)) == {str}


def strings(items: list[str]) -> object:
    """The normal form of a list of strings, some ten times faster than string by string."""
    lengths = np.fromiter(map(len, items), dtype=np.int64, count=len(items))
    return "strings", digest([lengths, "".join(items).encode("utf-8", "surrogatepass")])


@normalize_token.register(np.dtype)
def _(dtype: np.dtype[Any]) -> object:
    if dtype.fields is not None:
        fields = [(name, *dtype.fields[name][:2]) for name in dtype.names or ()]
        return "dtype", fields, dtype.itemsize, dtype.alignment, dtype.isalignedstruct
    if dtype.subdtype is not None:
        return "dtype", dtype.subdtype
    if dtype.kind == "T":
        return "dtype", repr(dtype)
    return "dtype", dtype.str


@normalize_token.register(np.generic)
def _(scalar: np.generic) -> object:
    if scalar.dtype.hasobject:
        return "scalar", scalar.dtype, scalar.item()
    return "scalar", scalar.dtype, scalar.tobytes()


@normalize_token.register(np.ufunc)
def _(ufunc: np.ufunc) -> object:
    for module in ("numpy", "scipy.special"):
        if getattr(sys.modules.get(module), ufunc.__name__, None) is ufunc:
            return "ufunc", module, ufunc.__name__
    return random_token(ufunc, "it was made from a function that it does not show")
