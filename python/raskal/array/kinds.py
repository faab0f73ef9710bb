"""What blocks may be besides NumPy's arrays: masked, sparse, on a GPU.

Start at `register_chunk_type`. Such blocks go through NumPy's functions, which dispatch to their library.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

_KINDS: list[type] = [np.ma.MaskedArray]
_MODULES = {"cupy", "cupyx", "sparse", "scipy"}


def register_chunk_type(type: type) -> None:
    """Let blocks be arrays of a class.

    Parameters
    ----------
    type : type
        With NumPy's protocols (``__array_function__``, ``__array_ufunc__``).
    """
    _KINDS.append(type)


def is_known_type(kind: type) -> bool:
    """Whether blocks may be of a class."""
    return issubclass(kind, tuple(_KINDS)) or kind.__module__.partition(".")[0] in _MODULES


def is_known_kind(value: Any) -> bool:
    """Whether blocks may be like this object."""
    return is_known_type(type(value))


class _Converted:
    """A block as an array of a library."""

    def __init__(self, backend: str, kwargs: dict[str, Any]) -> None:
        self.backend, self.kwargs = backend, kwargs

    def __call__(self, block: Any) -> Any:
        """Convert."""
        if self.backend == "numpy":
            return np.asarray(block.get() if hasattr(block, "get") else block, **self.kwargs)
        return import_module(self.backend).asarray(block, **self.kwargs)


def to_backend(x: Any, backend: str, kwargs: dict[str, Any]) -> Any:
    """An array's blocks as arrays of a library; as `Array.to_backend`."""
    if backend not in ("numpy", "cupy"):
        raise ValueError(f"backend {backend!r} is not known\nhint: 'numpy' or 'cupy'")
    if backend == "numpy" and x._kind is None:
        return x
    convert = _Converted(backend, kwargs)
    return x.map_blocks(convert, dtype=x.dtype, meta=convert(x._meta))


def is_plain(value: Any) -> bool:
    """Whether an object is one of NumPy's own arrays."""
    return type(value) in (np.ndarray, np.memmap)
