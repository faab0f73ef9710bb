"""Sorted out: the largest elements, quantiles, places in a sorted array.

Start at `topk` and `quantile`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import bounds, every_block, on_blocks
from raskal.array.reduction import reduced_axes, tree
from raskal.array.shape import broadcast_to, normalize_axis


class _Top:
    """The k largest (smallest if k is negative) elements along an axis, unordered until the end."""

    def __init__(self, k: int, axis: int, last: bool) -> None:
        self.k, self.axis, self.last = k, axis, last

    def __call__(self, block: Any, axis: Any = None, keepdims: bool = True) -> Any:
        if abs(self.k) < block.shape[self.axis]:
            places = np.argpartition(block, -self.k if self.k > 0 else -self.k - 1, axis=self.axis)
            chosen = slice(-self.k, None) if self.k > 0 else slice(-self.k)
            places = places[(*(slice(None),) * self.axis, chosen)]
            block = np.take_along_axis(block, places, self.axis)
        if not self.last:
            return block
        block = np.sort(block, axis=self.axis)
        return np.flip(block, self.axis) if self.k > 0 else block


class TopPlaces:
    """As `Top` for pairs of an element and its place."""

    def __init__(self, k: int, axis: int, last: bool, limits: list[int] | None = None) -> None:
        self.top, self.limits = _Top(k, axis, last), limits

    def first(self, coordinates: tuple[int, ...], block: Any) -> Any:
        """Pairs of one block."""
        axis = self.top.axis
        records = np.empty(block.shape, [("value", block.dtype), ("place", np.int64)])
        records["value"] = block
        shape = [1] * block.ndim
        shape[axis] = block.shape[axis]
        start = self.limits[coordinates[axis]] if self.limits else 0
        records["place"] = (np.arange(block.shape[axis]) + start).reshape(shape)
        return self.merge(records)

    def merge(self, records: Any, axis: Any = None, keepdims: bool = True) -> Any:
        """The best pairs of several blocks."""
        top = self.top
        if abs(top.k) < records.shape[top.axis]:
            places = np.argpartition(records["value"], -top.k if top.k > 0 else -top.k - 1, axis=top.axis)
            chosen = slice(-top.k, None) if top.k > 0 else slice(-top.k)
            places = places[(*(slice(None),) * top.axis, chosen)]
            records = np.take_along_axis(records, places, top.axis)
        if not top.last:
            return records
        order = np.argsort(records["value"], axis=top.axis)
        order = np.flip(order, top.axis) if top.k > 0 else order
        return np.take_along_axis(records["place"], order, top.axis)


def topk(a: Any, k: int, axis: int = -1, split_every: Any = None) -> Array:
    """The ``k`` largest elements along an axis, largest first; the smallest, smallest first, if ``k`` is negative.

    Parameters
    ----------
    a : array_like
    k : int
    axis : int
    split_every : int, optional
        How many blocks one task combines.

    Returns
    -------
    Array
    """
    a = asarray(a)
    axis = normalize_axis(axis, a.ndim)
    size = min(abs(k), a.shape[axis]) if a.shape[axis] == a.shape[axis] else abs(k)
    part, last = _Top(k, axis, False), _Top(k, axis, True)
    return tree("topk", a, part, part, last, (axis,), True, a.dtype, split_every, "no native kernel for topk",
                output_size=size)  # fmt: skip


def argtopk(a: Any, k: int, axis: int = -1, split_every: Any = None) -> Array:
    """The places of what `topk` gives.

    Parameters
    ----------
    a, k, axis, split_every
        As of `topk`.

    Returns
    -------
    Array of int
    """
    a = asarray(a)
    axis = normalize_axis(axis, a.ndim)
    a._require_known("argtopk")
    part, last = TopPlaces(k, axis, False, bounds(a.chunks[axis])), TopPlaces(k, axis, True)
    size = min(abs(k), a.shape[axis])
    return tree("argtopk", a, part.first, part.merge, last.merge, (axis,), True, np.int64, split_every,
                "no native kernel for argtopk", placed=True, output_size=size)  # fmt: skip


class _Quantile:
    """A quantile function of NumPy along axes of a block."""

    def __init__(self, name: str, q: Any, axes: tuple[int, ...], keepdims: bool, kwargs: dict[str, Any]) -> None:
        self.name, self.q, self.axes, self.keepdims, self.kwargs = name, q, axes, keepdims, kwargs

    def __call__(self, coordinates: tuple[int, ...], block: Any, weights: Any = None) -> Any:
        function = getattr(np, self.name)
        extra = () if self.q is None else (self.q,)
        kwargs = self.kwargs if weights is None else {**self.kwargs, "weights": weights}
        return function(block, *extra, axis=self.axes, keepdims=self.keepdims, **kwargs)


def _quantile(
    name: str, a: Any, q: Any, axis: Any, keepdims: bool, kwargs: dict[str, Any], weights: Any = None
) -> Array:
    """Exact quantiles: the reduced axes are one block."""
    a = asarray(a)
    axes = reduced_axes(a, axis)
    a = a.rechunk(dict.fromkeys(axes, -1))
    if weights is not None:
        weights = asarray(weights)
        if weights.shape != a.shape:
            if len(axes) != 1 or weights.shape != (a.shape[axes[0]],):
                raise ValueError(f"weights of shape {weights.shape} fit neither {a.shape} nor axis {axis} of it")
            weights = weights[tuple(slice(None) if place in axes else None for place in range(a.ndim))]
            weights = broadcast_to(weights, a.shape)
        weights = weights.rechunk(a.chunks)
    if q is not None:
        q = np.asarray(q)
        limit = 100 if "percentile" in name else 1
        if q.size and (q.min() < 0 or q.max() > limit):
            raise ValueError(f"q must be between 0 and {limit}, got {q}")
    call = _Quantile(name, q, axes, keepdims, kwargs)
    one = np.ones((1,) * a.ndim, a.dtype)
    dtype = np.asarray(call((), one, None if weights is None else one)).dtype
    kept = [place for place in range(a.ndim) if keepdims or place not in axes]
    new = 0 if q is None else q.ndim
    chunks = [(length,) for length in (() if q is None else q.shape)]
    chunks += [(1,) if place in axes else a.chunks[place] for place in kept]
    blocks = [-1 if place in axes else kept.index(place) + new for place in range(a.ndim)]
    inputs = [(array, blocks) for array in (a, weights) if array is not None]
    return on_blocks(name, call, inputs, chunks, dtype, f"no native kernel for {name}", meta=a._kind)


def percentile(a: Any, q: Any, method: str = "linear", internal_method: str = "default", **kwargs: Any) -> Array:
    """Percentiles of all elements.

    Parameters
    ----------
    a : array_like, one axis
    q : float or sequence of float
        From 0 to 100.
    method : str
        As of `numpy.percentile`.
    internal_method : {"default", "dask"}
        Accepted for Dask's sake.
    **kwargs
        ``interpolation``: the older name of ``method``.

    Returns
    -------
    Array

    Notes
    -----
    Differs from Dask: the result is exact, and the elements are gathered in one block for it.
    """
    a = asarray(a)
    if a.ndim != 1:
        raise NotImplementedError(
            f"percentile takes one axis, not shape {a.shape}\nhint: use nanpercentile or quantile"
        )
    if internal_method not in ("default", "dask"):
        raise ValueError(f"internal_method={internal_method!r} is not supported\nhint: leave it out: results are exact")
    method = kwargs.pop("interpolation", None) or method
    if kwargs:
        raise TypeError(f"percentile() got unknown arguments {sorted(kwargs)}")
    return _quantile("percentile", a, q, 0, False, {"method": method})


def quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False, *, weights: Any = None, interpolation: Any = None,
) -> Array:  # fmt: skip
    """Quantiles along axes, which are gathered in one block each.

    Parameters
    ----------
    a : array_like
    q : float or sequence of float
        From 0 to 1.
    axis : int or tuple of int, optional
        All by default.
    out : Array, optional
        Becomes the result.
    overwrite_input : bool
        Must be False.
    method : str
        As of `numpy.quantile`.
    weights : array_like, optional
        In the array's shape, or one for each element along the axis; the method must be ``"inverted_cdf"``.
    interpolation : str, optional
        The older name of ``method``.
    keepdims : bool
        Whether the axes stay, with length 1.

    Returns
    -------
    Array
    """
    return _checked("quantile", a, q, axis, out, overwrite_input, method, keepdims, weights, interpolation)


def nanquantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False, *, weights: Any = None, interpolation: Any = None,
) -> Array:  # fmt: skip
    """Quantiles along axes without missing values; as `quantile`."""
    return _checked("nanquantile", a, q, axis, out, overwrite_input, method, keepdims, weights, interpolation)


def nanpercentile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False, *, weights: Any = None, interpolation: Any = None,
) -> Array:  # fmt: skip
    """Percentiles along axes without missing values; as `quantile` with ``q`` from 0 to 100."""
    return _checked("nanpercentile", a, q, axis, out, overwrite_input, method, keepdims, weights, interpolation)


def _checked(
    name: str, a: Any, q: Any, axis: Any, out: Any, overwrite: bool, method: str, keepdims: bool, weights: Any, old: Any
) -> Array:
    from raskal.array.ufunc import written

    if overwrite:
        raise ValueError("overwrite_input=True is not supported: blocks are shared\nhint: leave it out")
    return written(_quantile(name, a, q, axis, keepdims, {"method": old or method}, weights), out)


def _median(name: str, text: str) -> Callable[..., Array]:
    def function(a: Any, axis: Any = None, keepdims: bool = False, out: Any = None) -> Array:
        from raskal.array.ufunc import written

        if axis is None:
            raise NotImplementedError(
                f"{name} of all elements is not supported\nhint: pass axis=, or use quantile(a, 0.5), which gathers all"
            )
        return written(_quantile(name, a, None, axis, keepdims, {}), out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""The median along axes{text}; the axes are gathered in one block each.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int
    keepdims : bool
        Whether the axes stay, with length 1.
    out : Array, optional
        Becomes the result.

    Returns
    -------
    Array
    """
    return function


median = _median("median", "")
nanmedian = _median("nanmedian", ", without missing values")


def digitize(a: Any, bins: Any, right: bool = False) -> Array:
    """In which bin each element lies.

    Parameters
    ----------
    a : array_like
    bins : array_like, one axis
        Edges, rising or falling.
    right : bool
        Whether a bin includes its right edge instead of its left one.

    Returns
    -------
    Array of int
    """
    a = asarray(a)
    bins = np.asarray(bins)
    np.digitize(np.empty(0, a.dtype), bins, right)
    return a.map_blocks(np.digitize, bins, right, dtype=np.int64, token=None, name="digitize")


class _Search:
    """The place of elements in a sorted array of several blocks: the sum of the places in each."""

    def __init__(self, side: str) -> None:
        self.side = side

    def __call__(self, coordinates: tuple[int, ...], values: Any, *blocks: Any) -> Any:
        total = np.zeros(values.shape, np.intp)
        for block in blocks:
            total += np.searchsorted(block, values, side=self.side)  # type: ignore[call-overload]
        return total


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Array:
    """Where elements would be inserted into a sorted array.

    Parameters
    ----------
    a : Array, one axis, sorted
    v : array_like
    side : {"left", "right"}
        Before or after equal elements.
    sorter : None
        Not supported.

    Returns
    -------
    Array of int, shape of v
    """
    a, v = asarray(a), asarray(v)
    if a.ndim != 1:
        raise ValueError(f"searchsorted needs a sorted array of one axis, got shape {a.shape}")
    if sorter is not None:
        raise NotImplementedError("searchsorted with a sorter argument is not supported\nhint: a[sorter] first")
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right', got {side!r}")
    inputs: list[tuple[Array, Any]] = [(v, every_block(v)), (a, [None])]
    return on_blocks("searchsorted", _Search(side), inputs, v.chunks, np.intp, "no native kernel for searchsorted")
