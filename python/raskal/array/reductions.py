"""Reductions along axes, from one table.

Start at `TABLE`. Real numbers are reduced by native kernels, in the same pass as the elementwise operations before
them; other types and unknown lengths by NumPy on each block, merged in a tree (`raskal.array.reduction`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal._raskal import NoKernel
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.reduction import elements, group_lengths, reduced_axes, tree, without_empty

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
    out : Array, optional
        Becomes the result.

    Returns
    -------
    Array
    """

#: Reductions that NumPy merges by reducing again, and the function that merges partial results.
_ASSOCIATIVE = {
    "sum": "sum", "prod": "prod", "min": "min", "max": "max", "any": "any", "all": "all",
    "nansum": "sum", "nanprod": "prod", "nanmin": "nanmin", "nanmax": "nanmax",
}  # fmt: skip


def _reduce(
    kind: str, a: Any, axis: Any, keepdims: bool, split_every: Any, out: Any, *, dtype: Any = None, ddof: Any = 0
) -> Array:
    from raskal.array.ufunc import written

    a = asarray(a)
    axes = reduced_axes(a, axis)
    group_lengths(split_every, axes, a.ndim)
    wanted = None if dtype is None else np.dtype(dtype)
    if wanted is not None and wanted != a.dtype:
        a = a.astype(wanted)
    if kind in ("nanmean", "nanvar", "nanstd"):
        return written(_nan_moment(kind, a, axes, bool(keepdims), split_every, ddof), out)
    try:
        if a._opaque or isinstance(split_every, dict):
            raise NoKernel("blocks that native kernels do not know")
        if ddof != int(ddof):
            raise NoKernel(f"no native kernel: ddof={ddof} that is no whole number")
        if kind.startswith("nan"):
            # Filling missing values joins empty blocks with others.
            a = without_empty(a, range(a.ndim))
        split = None if split_every is None or split_every is False else int(split_every)
        result = Array._of(a._expr.reduce(kind, list(axes), bool(keepdims), split, int(ddof)))
    except NoKernel as error:
        result = _host_reduction(kind, a, axes, bool(keepdims), split_every, ddof, str(error))
    if wanted is not None and wanted != result.dtype:
        result = result.astype(wanted)
    return written(result, out)


def _nan_moment(kind: str, a: Array, axes: tuple[int, ...], keepdims: bool, split_every: Any, ddof: Any) -> Array:
    """The mean, variance or standard deviation of what is not missing."""
    from raskal.array.elementwise import where

    if a.dtype.kind not in "fc":
        return _reduce(kind.removeprefix("nan"), a, axes, keepdims, split_every, None, ddof=ddof)
    count = sum(~np.isnan(a), axes, None, keepdims, split_every)
    if kind == "nanmean":
        return (_reduce("nansum", a, axes, keepdims, split_every, None) / count).astype(a.dtype)
    away = np.absolute(a - _nan_moment("nanmean", a, axes, True, split_every, 0))
    left = count - ddof
    total = _reduce("nansum", away * away, axes, keepdims, split_every, None)
    var = where(left > 0, total / left, float("nan")).astype(away.dtype)
    return var if kind == "nanvar" else np.sqrt(var)


class Joint:
    """A reduction of NumPy, of blocks of any kind."""

    def __init__(self, name: str, dtype: Any) -> None:
        self.name, self.dtype = name, dtype

    def __call__(self, block: Any, axis: Any, keepdims: bool) -> Any:
        """Reduce; the result has the announced type."""
        result = getattr(np, self.name)(block, axis=axis, keepdims=keepdims)
        if self.dtype == object and not isinstance(result, np.ndarray):
            # What an element of an object array is would otherwise decide the type.
            whole = np.empty((), object)
            whole[()] = result
            return whole
        return result if getattr(result, "dtype", self.dtype) == self.dtype else result.astype(self.dtype)


def _host_reduction(
    kind: str, a: Array, axes: tuple[int, ...], keepdims: bool, split: Any, ddof: Any, reason: str
) -> Array:
    if kind in _ASSOCIATIVE:
        if kind in ("min", "max", "nanmin", "nanmax") and elements(a, axes) == 0:
            raise ValueError(f"{kind} of shape {a.shape} along {axes} has no elements and no identity")
        if kind in ("min", "max") and a._unknown & set(axes):
            return _of_some(kind, a, axes, keepdims, split, reason)
        a = without_empty(a, axes)
        dtype = np.asarray(getattr(np, kind)(np.ones((1,) * a.ndim, a.dtype))).dtype if a.dtype != object else a.dtype
        first, merge = Joint(kind, dtype), Joint(_ASSOCIATIVE[kind], dtype)
        return tree(kind, a, first, merge, merge, axes, keepdims, dtype, split, reason, meta=a._kind)
    count: Any = elements(a, axes)
    if count != count or a._kind is not None:
        count = tree("count", a, _count, _add, _add, axes, keepdims, np.int64, split, reason)
    if kind == "mean":
        total = _reduce("sum", a, axes, keepdims, split, None)
        result = total / count
        return result if a.dtype.kind != "f" else result.astype(a.dtype)
    if kind in ("var", "std"):
        whole = tree("count", a, _count, _add, _add, axes, True, np.int64, split, reason) if a._opaque else count
        center = _reduce("sum", a, axes, True, split, None) / whole
        away = np.absolute(a - center)
        divisor = count - ddof
        if not isinstance(divisor, Array):
            divisor = float(divisor) if divisor > 0 else float("nan")
        var = _reduce("sum", away * away, axes, keepdims, split, None) / divisor
        return var if kind == "var" else np.sqrt(var)
    raise TypeError(f"{kind} of {a.dtype} is not supported\nhint: {reason}; convert with astype first")


def _count(block: Any, axis: Any, keepdims: bool) -> Any:
    if isinstance(block, np.ma.MaskedArray):
        return np.asarray(np.ma.count(block, axis=axis, keepdims=keepdims))
    shape = [1 if place in axis else length for place, length in enumerate(block.shape)]
    return np.full(shape, np.prod([block.shape[place] for place in axis], dtype=np.int64))


def _add(block: Any, axis: Any, keepdims: bool) -> Any:
    return np.sum(block, axis=axis, keepdims=keepdims)


class _Extreme:
    """The smallest or largest element of what is not empty."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, parts: Any, axis: Any, keepdims: bool) -> Any:
        flat = _flat(parts)
        full = [part for part in flat if part.size]
        if not full:
            if keepdims:
                return flat[0]
            raise ValueError(f"{self.kind} of no elements at all\nhint: check that the selection is not empty")
        if len(axis) == 1 or len(full) == 1:
            joined = np.concatenate(full, axis=axis[0])
            return getattr(np, self.kind)(joined, axis=axis, keepdims=keepdims)
        reduced = [getattr(np, self.kind)(part, axis=axis, keepdims=True) for part in full]
        return getattr(np, self.kind)(np.concatenate(reduced, axis=axis[0]), axis=axis, keepdims=keepdims)


def _flat(parts: Any) -> list[Any]:
    return [part for entry in parts for part in _flat(entry)] if isinstance(parts, list) else [parts]


def _of_some(kind: str, a: Array, axes: tuple[int, ...], keepdims: bool, split: Any, reason: str) -> Array:
    """The smallest or largest element of blocks of which some may turn out empty."""
    extreme = _Extreme(kind)
    return tree(kind, a, extreme, extreme, extreme, axes, keepdims, a.dtype, split, reason, join=False, meta=a._kind)


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
        *,
        correction: Any = None,
    ) -> Array:
        ddof = ddof if correction is None else correction
        return _reduce(kind, a, axis, keepdims, split_every, out, dtype=dtype, ddof=ddof)

    return _named(
        function,
        kind,
        text,
        "dtype : dtype, optional\n    ddof, correction : int\n        What is taken off the divisor.\n    ",
    )


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
    "nansum": (_typed, "The sum without missing values"),
    "nanprod": (_typed, "The product without missing values"),
    "nanmin": (_plain, "The smallest value, missing ones passed over"),
    "nanmax": (_plain, "The largest value, missing ones passed over"),
    "nanmean": (_typed, "The mean without missing values"),
    "nanvar": (_spread, "The variance without missing values"),
    "nanstd": (_spread, "The standard deviation without missing values"),
}

globals().update({kind: make(kind, text) for kind, (make, text) in TABLE.items()})
sum: Callable[..., Array] = globals()["sum"]
mean: Callable[..., Array] = globals()["mean"]
min: Callable[..., Array] = globals()["min"]
max: Callable[..., Array] = globals()["max"]
var: Callable[..., Array] = globals()["var"]


def moment(
    a: Any,
    order: int,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    ddof: Any = 0,
    split_every: Any = None,
    out: Any = None,
) -> Array:
    """The central moment of an order: the mean power of the distance from the mean.

    Parameters
    ----------
    a : array_like
    order : int
        Not negative.
    axis, dtype, keepdims, ddof, split_every, out
        As of `var`.

    Returns
    -------
    Array
    """
    from raskal.array.creation import ones, zeros
    from raskal.array.ufunc import written

    if not isinstance(order, (int, np.integer)) or order < 0:
        raise ValueError(f"the order of a moment is a whole number that is not negative, got {order!r}")
    a = asarray(a)
    axes = reduced_axes(a, axis)
    dtype = np.dtype(dtype) if dtype is not None else np.var(np.ones(1, a.dtype)).dtype
    if order < 2:
        shape = [1 if place in axes else own for place, own in enumerate(a.shape) if keepdims or place not in axes]
        lengths = [
            (1,) if place in axes else own for place, own in enumerate(a.chunks) if keepdims or place not in axes
        ]
        return written((zeros if order else ones)(tuple(shape), dtype=dtype, chunks=tuple(lengths)), out)
    away = a.astype(dtype) - mean(a, axes, dtype, True, split_every)
    total = sum(away**order, axes, dtype, keepdims, split_every)
    count: Any = elements(a, axes)
    if count != count:
        count = tree("count", a, _count, _add, _add, axes, keepdims, np.int64, split_every, "unknown lengths")
    return written(total / (count - ddof), out)


def ptp(a: Any, axis: Any = None) -> Array:
    """The largest value less the smallest.

    Parameters
    ----------
    a : array_like
    axis : int, optional

    Returns
    -------
    Array
    """
    return max(a, axis=axis) - min(a, axis=axis)


def count_nonzero(a: Any, axis: Any = None) -> Array:
    """How many elements are not zero.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional

    Returns
    -------
    Array of int
    """
    a = asarray(a)
    return sum(a != a.dtype.type() if a.dtype.kind in "biufc" else a.map_blocks(_true, dtype=bool), axis=axis)


def _true(block: Any) -> Any:
    return block.astype(bool)


__all__ = [*TABLE, "count_nonzero", "moment", "ptp"]
