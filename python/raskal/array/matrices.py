"""Functions of matrices in the last two axes, of which each is gathered in one block; what the array API standard adds.

Start at `WHOLE`, the table of NumPy's functions, and `matrix_norm`. `raskal.array.linalg` has what works in blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.gufunc import apply_gufunc
from raskal.array.norms import norm

#: Signature, and how many results, of NumPy's functions on matrices that are one block each.
WHOLE = {
    "det": "(m,m)->()",
    "slogdet": "(m,m)->(),()",
    "eigh": "(m,m)->(m),(m,m)",
    "eigvalsh": "(m,m)->(m)",
    "matrix_rank": "(m,n)->()",
    "pinv": "(m,n)->(n,m)",
}


class _Whole:
    """A function of NumPy's `linalg`, its results as a plain tuple."""

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.name, self.args, self.kwargs = name, args, kwargs
        self.__name__ = name

    def __call__(self, block: Any) -> Any:
        result = getattr(np.linalg, self.name)(block, *self.args, **self.kwargs)
        return tuple(map(np.asarray, result)) if isinstance(result, tuple) else np.asarray(result)


def _float(x: Any) -> Array:
    x = asarray(x)
    if x.ndim < 2:
        raise ValueError(f"a matrix needs two axes, the shape is {x.shape}")
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def _whole(name: str, signature: str) -> Any:
    def function(x: Any, /, *args: Any, **kwargs: Any) -> Any:
        x = _float(x)
        call = _Whole(name, args, kwargs)
        tiny = call(np.eye(2, dtype=x.dtype))
        types = [part.dtype for part in tiny] if isinstance(tiny, tuple) else tiny.dtype
        return apply_gufunc(call, signature, x, output_dtypes=types, allow_rechunk=True)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""`numpy.linalg.{name}` of matrices in the last two axes, each gathered in one block.

    Parameters
    ----------
    x : array_like, shape (..., m, n)
    *args, **kwargs
        As of `numpy.linalg.{name}`.

    Returns
    -------
    Array, or a tuple of them
    """
    return function


det, slogdet, eigh, eigvalsh, matrix_rank, pinv = (_whole(name, signature) for name, signature in WHOLE.items())


def matrix_power(x: Any, n: int, /) -> Array:
    """A square matrix to a whole power, by repeated products.

    Parameters
    ----------
    x : array_like, shape (..., m, m)
    n : int

    Returns
    -------
    Array
    """
    from raskal.array.contraction import matmul
    from raskal.array.creation import eye
    from raskal.array.linalg import inv
    from raskal.array.shape import broadcast_to

    x = asarray(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"a power needs square matrices, got shape {x.shape}")
    if n < 0:
        return matrix_power(inv(x), -n)
    if n == 0:
        one = eye(x.shape[-1], chunks=(x.chunks[-2], x.chunks[-1]), dtype=x.dtype)
        return broadcast_to(one, x.shape)
    half = matrix_power(x, n // 2) if n > 1 else None
    square = None if half is None else matmul(half, half)
    return x if square is None else matmul(square, x) if n % 2 else square


def svdvals(x: Any, /) -> Array:
    """The singular values of a matrix.

    Parameters
    ----------
    x : array_like, shape (m, n)

    Returns
    -------
    Array, shape (min(m, n),)
    """
    from raskal.array.decompose import svd

    return svd(x)[1]


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """The norms of matrices in the last two axes; as `norm`.

    Parameters
    ----------
    x : array_like, shape (..., m, n)
    keepdims : bool
    ord : int, float or str

    Returns
    -------
    Array
    """
    return norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """The norms of vectors along axes, of the flattened array by default; as `norm`.

    Parameters
    ----------
    x : array_like
    axis : int or tuple of int, optional
    keepdims : bool
    ord : int or float

    Returns
    -------
    Array
    """
    x = asarray(x)
    axes = tuple(range(x.ndim)) if axis is None else tuple(axis) if np.iterable(axis) else (int(axis),)
    if len(axes) == 1:
        return norm(x, ord=ord, axis=axes[0], keepdims=keepdims)
    places = [place % x.ndim for place in axes]
    others = [place for place in range(x.ndim) if place not in places]
    flat = x.transpose([*others, *places]).reshape([*(x.shape[place] for place in others), -1])
    found = norm(flat, ord=ord, axis=-1)
    return found.reshape([1 if place in places else own for place, own in enumerate(x.shape)]) if keepdims else found


__all__ = [*WHOLE, "matrix_norm", "matrix_power", "svdvals", "vector_norm"]
