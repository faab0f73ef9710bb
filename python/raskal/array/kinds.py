"""What blocks may be besides NumPy's arrays: masked, sparse, on a GPU.

Start at `register_chunk_type`. Such blocks go through NumPy's functions, which dispatch to their library.
"""

from __future__ import annotations

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


def is_plain(value: Any) -> bool:
    """Whether an object is one of NumPy's own arrays."""
    return type(value) in (np.ndarray, np.memmap)
