"""Reductions along axes, from one table.

Start at `TABLE`. Real numbers are reduced by native kernels, in the same pass as the elementwise operations before
them; other types by NumPy on each block, merged in a tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from raskal._raskal import ArrayExpr, NoKernel
from raskal.array.collection import Array
from raskal.array.host import host
from raskal.array.shape import normalize_axis
from raskal.tokenize import tokenize

_DOC = """{text} along axes.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        All by default.
    {extra}keepdims : bool
        Whether the axes stay, with length 1.
    split_every : int, optional
        How many blocks one task combines.
    out : None
        Not supported.

    Returns
    -------
    Array
    """


def _axes(array: Array, axis: Any) -> list[int] | None:
    if axis is None:
        return None
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return [normalize_axis(place, array.ndim) for place in axes]


def _split(split_every: Any) -> int | None:
    if isinstance(split_every, dict):
        return max(math.prod(int(count) for count in split_every.values()), 2)
    return None if split_every is None or split_every is False else int(split_every)


def _reduce(
    kind: str, a: Any, axis: Any, keepdims: bool, split_every: Any, out: Any, *, dtype: Any = None, ddof: Any = 0
) -> Array:
    from raskal.array.creation import asarray

    if out is not None:
        raise NotImplementedError("out= is not supported\nhint: assign the result")
    a = asarray(a)
    axes = _axes(a, axis)
    if dtype is not None:
        a = a.astype(dtype)
    try:
        if ddof != int(ddof):
            raise NoKernel(f"no native kernel: ddof={ddof} that is no whole number")
        result = Array(a._expr.reduce(kind, axes, bool(keepdims), _split(split_every), int(ddof)))
    except NoKernel as error:
        result = _host_reduction(kind, a, axes, keepdims, _split(split_every), ddof, str(error))
    return result if dtype is None else result.astype(dtype)


#: Reductions that NumPy merges by reducing again, and the function that does.
_ASSOCIATIVE = {
    name: getattr(np, name)
    for name in ("sum", "prod", "min", "max", "any", "all", "nansum", "nanprod", "nanmin", "nanmax")
}


def _host_reduction(kind: str, a: Array, axes: Any, keepdims: bool, split: int | None, ddof: Any, reason: str) -> Array:
    places = list(range(a.ndim)) if axes is None else sorted(axes)
    if kind in _ASSOCIATIVE:
        function = _ASSOCIATIVE[kind]
        dtype = np.asarray(function(np.ones((1,) * a.ndim, a.dtype))).dtype
        return tree_reduction(kind, a, function, function, places, keepdims, dtype, split, reason)
    count = math.prod(a.shape[place] for place in places)
    wanted = tuple(places)
    if kind == "mean":
        return sum(a, wanted, None, keepdims, split) / count
    if kind in ("var", "std"):
        away = np.abs(a - mean(a, wanted, None, True, split))
        var = sum(away * away, wanted, None, keepdims, split) / max_count(count, ddof)
        return var if kind == "var" else np.sqrt(var)
    raise TypeError(f"{kind} of {a.dtype} is not supported\nhint: {reason}; convert with astype first")


def max_count(count: int, ddof: Any) -> float:
    """The divisor of a variance."""
    return float(count - ddof) if count > ddof else float("nan")


class Reduce:
    """Reduces one block along axes, which stay with length 1."""

    def __init__(self, function: Callable[..., Any], axes: tuple[int, ...]) -> None:
        self.function, self.axes = function, axes

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return self.function(block, axis=self.axes, keepdims=True)


class Merge:
    """Joins partial results along the axes and reduces them again."""

    def __init__(
        self, function: Callable[..., Any], axes: tuple[int, ...], counts: tuple[int, ...], keepdims: bool
    ) -> None:
        self.function, self.axes, self.counts, self.keepdims = function, axes, counts, keepdims

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        parts = list(blocks)
        for axis, count in reversed(list(zip(self.axes, self.counts, strict=True))):
            parts = [np.concatenate(parts[first : first + count], axis=axis) for first in range(0, len(parts), count)]
        return self.function(parts[0], axis=self.axes, keepdims=self.keepdims)


def tree_reduction(
    name: str,
    a: Array,
    chunk: Callable[..., Any],
    aggregate: Callable[..., Any],
    axes: list[int],
    keepdims: bool,
    dtype: Any,
    split: int | None,
    reason: str,
) -> Array:
    """A reduction by Python functions: of each block, then of the joined partial results."""
    along = tuple(axes)
    lengths = [(1,) * len(axis) if place in along else axis for place, axis in enumerate(a.chunks)]
    every: list[int | None] = list(range(a.ndim))
    partial = host(f"{name}-partial", Reduce(chunk, along), [(a._expr, every)], lengths, dtype, reason)
    kept = [axis for place, axis in enumerate(a.chunks) if place not in along]
    final = [(1,) if place in along else axis for place, axis in enumerate(a.chunks)] if keepdims else kept
    spots = iter(range(len(final)))
    mapping: list[int | None] = []
    for place in range(a.ndim):
        if place in along:
            mapping.append(None)
            if keepdims:
                next(spots)
        else:
            mapping.append(next(spots))
    counts = tuple(len(a.chunks[place]) for place in along)
    merge = Merge(aggregate, along, counts, keepdims)
    return Array(host(name, merge, [(partial, mapping)], final, dtype, reason))


def _plain(kind: str, text: str) -> Callable[..., Array]:
    def function(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Array:
        return _reduce(kind, a, axis, keepdims, split_every, out)

    return _named(function, kind, text, "")


def _typed(kind: str, text: str) -> Callable[..., Array]:
    def function(
        a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
    ) -> Array:
        return _reduce(kind, a, axis, keepdims, split_every, out, dtype=dtype)

    return _named(
        function, kind, text, "dtype : dtype, optional\n        Type of the elements while they are reduced.\n    "
    )


def _spread(kind: str, text: str) -> Callable[..., Array]:
    def function(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        keepdims: bool = False,
        ddof: Any = 0,
        split_every: Any = None,
        out: Any = None,
    ) -> Array:
        return _reduce(kind, a, axis, keepdims, split_every, out, dtype=dtype, ddof=ddof)

    return _named(
        function, kind, text, "dtype : dtype, optional\n    ddof : int\n        What is taken off the divisor.\n    "
    )


def _place(kind: str, text: str) -> Callable[..., Array]:
    def function(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Array:
        if isinstance(axis, tuple):
            raise TypeError(f"{kind} takes one axis or None, not {axis}")
        return _reduce(kind, a, axis, keepdims, split_every, out)

    return _named(function, kind, text, "")


def _named(function: Callable[..., Array], kind: str, text: str, extra: str) -> Callable[..., Array]:
    function.__name__ = function.__qualname__ = kind
    function.__doc__ = _DOC.format(text=text, extra=extra)
    return function


#: How each reduction is made, and what it says of itself.
TABLE: dict[str, tuple[Callable[[str, str], Callable[..., Array]], str]] = {
    "sum": (_typed, "The sum"),
    "prod": (_typed, "The product"),
    "mean": (_typed, "The mean"),
    "var": (_spread, "The variance"),
    "std": (_spread, "The standard deviation"),
    "min": (_plain, "The smallest value"),
    "max": (_plain, "The largest value"),
    "any": (_plain, "Whether any element is true"),
    "all": (_plain, "Whether all elements are true"),
    "argmin": (_place, "The place of the smallest value"),
    "argmax": (_place, "The place of the largest value"),
    "nansum": (_typed, "The sum without missing values"),
    "nanprod": (_typed, "The product without missing values"),
    "nanmin": (_plain, "The smallest value, missing ones passed over"),
    "nanmax": (_plain, "The largest value, missing ones passed over"),
}

globals().update({kind: make(kind, text) for kind, (make, text) in TABLE.items()})
sum: Callable[..., Array] = globals()["sum"]
mean: Callable[..., Array] = globals()["mean"]


def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None
) -> Array:
    """The mean without missing values.

    Parameters
    ----------
    a, axis, dtype, keepdims, split_every, out
        As of `mean`.

    Returns
    -------
    Array
    """
    from raskal.array.creation import asarray

    a = asarray(a) if dtype is None else asarray(a).astype(dtype)
    if a.dtype.kind != "f":
        return mean(a, axis, None, keepdims, split_every, out)
    total = _reduce("nansum", a, axis, keepdims, split_every, out)
    count = sum(~np.isnan(a), axis, None, keepdims, split_every)
    return (total / count).astype(a.dtype)


def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    ddof: Any = 0,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """The variance without missing values.

    Parameters
    ----------
    a, axis, dtype, keepdims, ddof, split_every, out
        As of `var`.

    Returns
    -------
    Array
    """
    from raskal.array.creation import asarray

    a = asarray(a) if dtype is None else asarray(a).astype(dtype)
    if a.dtype.kind != "f":
        return _reduce("var", a, axis, keepdims, split_every, out, ddof=ddof)
    away = a - nanmean(a, axis, None, True, split_every)
    count = sum(~np.isnan(a), axis, None, keepdims, split_every) - ddof
    total = _reduce("nansum", away * away, axis, keepdims, split_every, out)
    from raskal.array.ufunc import where

    return where(count > 0, total / count, float("nan")).astype(a.dtype)


def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    ddof: Any = 0,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """The standard deviation without missing values.

    Parameters
    ----------
    a, axis, dtype, keepdims, ddof, split_every, out
        As of `std`.

    Returns
    -------
    Array
    """
    from raskal.array.ufunc import apply_ufunc

    return apply_ufunc(np.sqrt, nanvar(a, axis, dtype, keepdims, ddof, split_every, out))


class _Accumulate:
    """A running result along the one block of an axis."""

    def __init__(self, function: Callable[..., Any], axis: int, dtype: Any) -> None:
        self.function, self.axis, self.dtype = function, axis, dtype

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return self.function(block, axis=self.axis, dtype=self.dtype)


def _accumulate(name: str, x: Any, axis: int | None, dtype: Any, out: Any) -> Array:
    from raskal.array.creation import asarray

    if out is not None:
        raise NotImplementedError("out= is not supported\nhint: assign the result")
    x = asarray(x)
    if axis is None:
        x, axis = x.ravel(), 0
    axis = normalize_axis(axis, x.ndim)
    function = getattr(np, name)
    dtype = function(np.ones(1, x.dtype), dtype=dtype).dtype
    whole = x.rechunk({axis: -1})
    expr: ArrayExpr = host(
        name,
        _Accumulate(function, axis, dtype),
        [(whole._expr, list(range(x.ndim)))],
        whole.chunks,
        dtype,
        f"no native kernel for {name}",
        token=tokenize(name, axis, str(dtype)),
    )
    return Array(expr).rechunk(x.chunks)


def cumsum(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None, method: str = "sequential") -> Array:
    """Running sums along an axis.

    Parameters
    ----------
    x : array_like
    axis : int or None
        None flattens first.
    dtype : dtype, optional
    out : None
        Not supported.
    method : str
        Accepted for Dask's sake.

    Returns
    -------
    Array
    """
    return _accumulate("cumsum", x, axis, dtype, out)


def cumprod(x: Any, axis: int | None = None, dtype: Any = None, out: Any = None, method: str = "sequential") -> Array:
    """Running products along an axis; as `cumsum`.

    Parameters
    ----------
    x, axis, dtype, out, method
        As of `cumsum`.

    Returns
    -------
    Array
    """
    return _accumulate("cumprod", x, axis, dtype, out)


__all__ = [*TABLE, "cumprod", "cumsum", "nanmean", "nanstd", "nanvar"]

for _name in ("sum", "prod", "mean", "var", "std", "min", "max", "any", "all", "argmin", "argmax", "cumsum", "cumprod"):
    setattr(Array, _name, globals()[_name])
