"""Between arrays and delayed objects: blocks as delayed values, and delayed values as blocks.

Start at `from_delayed` and `to_delayed`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal._raskal import ArrayExpr
from raskal.array.collection import Array
from raskal.array.host import dtype_spec, every_block, on_blocks
from raskal.base import Collection, is_dask_collection
from raskal.delayed import Delayed
from raskal.tokenize import tokenize


class OneBlock(Collection):
    """One block of an array, as an argument of delayed calls."""

    __raskal_single__ = True

    def __init__(self, expr: ArrayExpr, number: int) -> None:
        self.expr, self.number = expr, number

    def __raskal_lower__(self, builder: Any) -> list[int]:
        return self.expr.lower(builder, self.number)

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return results[0]


def to_delayed(x: Array) -> np.ndarray[Any, Any]:
    """The blocks as delayed objects, in the shape of the grid."""
    result = np.empty(x.numblocks, object)
    for number, at in enumerate(np.ndindex(*x.numblocks)):
        result[at] = Delayed._of(OneBlock(x._expr, number), f"{x.name}-{number}", None, None)
    return result


class _Checked:
    """Gives a delayed value on if it is the array that was announced."""

    def __init__(self, shape: tuple[Any, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype

    def __call__(self, coordinates: tuple[int, ...], value: Any) -> Any:
        value = value if hasattr(value, "shape") else np.asarray(value)
        known = all(own == wanted or wanted != wanted for own, wanted in zip(value.shape, self.shape, strict=False))
        if len(value.shape) != len(self.shape) or not known:
            raise ValueError(
                f"a delayed value of shape {tuple(value.shape)} was announced as {self.shape}\n"
                "hint: pass from_delayed the shape that it has, with nan for unknown lengths"
            )
        return value if value.dtype == self.dtype else value.astype(self.dtype)


def from_delayed(value: Any, shape: Any, dtype: Any = None, meta: Any = None, name: str | None = None) -> Array:
    """An array of one block, which is a delayed value.

    Parameters
    ----------
    value : Delayed
    shape : tuple of int
        Of the value; nan for unknown lengths.
    dtype : dtype
        Of the value, which is converted if it has another.
    meta : array_like, optional
        Gives type and kind instead.
    name : str, optional
        Stands for the contents.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If the type is missing; when it is computed, if the shape is another.

    Examples
    --------
    >>> import numpy as np, raskal, raskal.array as da
    >>> x = da.from_delayed(raskal.delayed(np.ones)(3), shape=(3,), dtype=float)
    >>> float((x + 1).sum().compute())
    6.0
    """
    if not isinstance(value, Delayed):
        from raskal.delayed import delayed

        value = delayed(value)
    if dtype is None and meta is None:
        raise ValueError("the type of a delayed value is not known\nhint: pass dtype= or meta=")
    dtype = np.dtype(dtype if dtype is not None else meta.dtype)
    shape = tuple(shape) if np.iterable(shape) else (shape,)
    chunks = tuple((length,) for length in shape)
    raw = _values(value, "delayed", name or value.key, len(shape), dtype)
    call = _Checked(tuple(length if length != length else int(length) for length in shape), dtype)
    return on_blocks("from-value", call, [(raw, every_block(raw))], chunks, dtype, "a delayed value", meta=meta)


def _values(handle: Any, name: str, token: str, ndim: int, dtype: Any) -> Array:
    """One delayed value as a block of unknown shape."""
    code, size = dtype_spec(dtype, opaque=True)
    prefix = f"{name}-{tokenize(token)}"
    return Array._of(ArrayExpr.added(name, prefix, handle, [[1]] * ndim, code, size), frozenset(range(ndim)))


def lift(value: Any) -> Array | None:
    """A lazy object, or a container that holds some, as an array of one block without axes; None if nothing is lazy."""
    if type(value) in (int, float, str, bool, type(None), np.ndarray):
        return None
    if isinstance(value, (list, tuple, dict, set)) or is_dask_collection(value):
        handle = value if isinstance(value, Delayed) else Delayed._of(value, None, None, None)
        if isinstance(value, Delayed) or not handle._is_leaf:
            token = value.key if isinstance(value, Delayed) else tokenize(value)
            return _values(handle, "value", token, 0, np.dtype(object))
    return None
