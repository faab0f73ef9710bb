"""Elements counted: in bins, by value, and the set of values.

Start at `histogramdd` and `unique`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import on_blocks
from raskal.array.reduction import tree


def _add(parts: Any, axis: Any, keepdims: bool) -> Any:
    return np.sum(parts, axis=axis, keepdims=keepdims)


class _Histogram:
    """Counts the elements of a block in the bins between edges."""

    def __init__(
        self, dims: int, edges: list[Any], weighted: bool, lazy: bool, dtype: Any, even: tuple[int, Any] | None
    ) -> None:
        self.dims, self.edges, self.weighted, self.lazy, self.dtype = dims, edges, weighted, lazy, dtype
        #: Number and limits of equal bins, which NumPy finds without searching.
        self.even = even

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        rest = list(blocks)
        edges = [rest.pop()] if self.lazy else self.edges
        weights = rest.pop().ravel() if self.weighted else None
        samples = [np.asarray(block).ravel() for block in rest]
        if self.even is not None:
            counts = np.histogram(samples[0], *self.even, weights=weights)[0]
        elif self.dims == 1:
            counts = np.histogram(samples[0], edges[0], weights=weights)[0]
        else:
            counts = np.histogramdd(samples, edges, weights=weights)[0]
        return counts.astype(self.dtype)[None]


def _counted(
    samples: list[Array], edges: list[Any], weights: Array | None, lazy: Array | None, even: Any = None
) -> Array:
    """Counts of samples (arrays cut alike) between edges."""
    first = samples[0]
    dims = len(samples)
    dtype: Any = np.int64 if dims == 1 else np.float64
    if weights is not None:
        plain = dims > 1 or weights.dtype.kind not in "fcbiu"
        dtype = np.float64 if plain else np.histogram([1.0], [0, 2], weights=np.ones(1, weights.dtype))[0].dtype
    bins = [lazy.shape[0] - 1] if lazy is not None else [len(own) - 1 for own in edges]
    count = first.npartitions
    arrays = [*samples, *([weights] if weights is not None else [])]
    inputs: list[tuple[Array, Any]] = [(array, [[number] for number in range(count)]) for array in arrays]
    if lazy is not None:
        inputs.append((lazy.rechunk(-1), [-1]))
    chunks = [(1,) * count, *((length,) for length in bins)]
    call = _Histogram(dims, edges, weights is not None, lazy is not None, dtype, even)
    partial = on_blocks("histogram-partial", call, inputs, chunks, dtype, "no native kernel for histogram")
    return tree("histogram", partial, _add, _add, _add, (0,), False, dtype, None, "sums of histograms")


def _edges(bins: Any, limits: Any, what: str) -> np.ndarray[Any, Any]:
    """Edges of bins: given ones, or equal ones between limits."""
    if isinstance(bins, str):
        raise TypeError(f"{what}: bins={bins!r} needs all elements at once\nhint: pass a number and range=, or edges")
    if np.ndim(bins) == 0:
        if limits is None:
            raise ValueError(f"{what}: a number of bins needs range=\nhint: range=(x.min(), x.max())")
        if int(bins) != bins or bins < 1:
            raise ValueError(f"{what}: bins must be a positive whole number, got {bins}")
        low, high = limits
        if low > high:
            raise ValueError(f"{what}: max must be larger than min in range, got {limits}")
        if low == high:
            low, high = low - 0.5, high + 0.5
        return np.linspace(low, high, int(bins) + 1)
    edges = np.asarray(bins)
    if edges.ndim != 1 or len(edges) < 1 or (np.diff(edges) < 0).any():
        raise ValueError(f"{what}: bins must be a sequence of rising edges, got {bins}")
    return edges


def _density(counts: Array, edges: list[Any]) -> Array:
    from raskal.array.reductions import sum

    volume: Any = None
    for own in edges:
        width = np.diff(own)
        volume = width if volume is None else volume[..., None] * width
    return counts / volume / sum(counts)


def histogram(
    a: Any, bins: Any = None, range: Any = None, normed: bool = False, weights: Any = None, density: Any = None
) -> tuple[Array, Any]:
    """Counts of elements in bins.

    Parameters
    ----------
    a : array_like
    bins : int or array_like
        A number of equal bins in ``range``, or edges, which may be lazy.
    range : pair of number, optional
        May be lazy.
    normed : bool
        Must be unset.
    weights : array_like, optional
        In the shape and chunks of the array.
    density : bool
        Whether to give the density instead of counts.

    Returns
    -------
    counts : Array
    edges : array

    Raises
    ------
    ValueError
        If the bins are not known.
    """
    if normed:
        raise TypeError("normed= is no more, neither here nor in NumPy\nhint: use density=")
    if density is not None and not isinstance(density, (bool, np.bool_)):
        raise TypeError(f"density must be a boolean, got {density!r}")
    a = asarray(a)
    if bins is None:
        raise ValueError("histogram needs bins\nhint: bins=10, range=(0, 1), or edges")
    if weights is not None:
        weights = asarray(weights)
        if weights.shape != a.shape:
            raise ValueError(f"weights have shape {weights.shape}, the array {a.shape}\nhint: they must be alike")
        weights = weights.rechunk(a.chunks)
    lazy = None
    if isinstance(bins, Array) and bins.ndim == 1:
        lazy = bins
    elif range is not None and any(
        isinstance(value, Array) for value in np.atleast_1d(np.array(range, object)).tolist()
    ):
        lazy = _lazy_edges(bins, range)
    elif isinstance(range, Array):
        lazy = _lazy_edges(bins, [range[0], range[1]])
    elif isinstance(bins, Array):
        raise NotImplementedError("a lazy number of bins gives an unknown shape\nhint: compute() it")
    if lazy is not None:
        counts = _counted([a], [], weights, lazy)
        from raskal.array.calculus import diff
        from raskal.array.reductions import sum

        return (counts / diff(lazy) / sum(counts) if density else counts), lazy
    edges = _edges(bins, range, "histogram")
    even = (int(bins), (edges[0], edges[-1])) if np.ndim(bins) == 0 else None
    counts = _counted([a], [edges], weights, None, even)
    return (_density(counts, [edges]) if density else counts), edges


class _Linspace:
    """Equal bins between lazy limits."""

    def __init__(self, bins: int) -> None:
        self.bins = bins

    def __call__(self, coordinates: tuple[int, ...], low: Any, high: Any) -> Any:
        return _edges(self.bins, (float(low), float(high)), "histogram")


def _lazy_edges(bins: Any, limits: Sequence[Any]) -> Array:
    low, high = (asarray(limit) for limit in limits)
    chunks = [(int(bins) + 1,)]
    inputs: list[tuple[Array, Any]] = [(low, [-1] * low.ndim), (high, [-1] * high.ndim)]
    return on_blocks("edges", _Linspace(int(bins)), inputs, chunks, np.float64, "edges between lazy limits")


def histogramdd(
    sample: Any, bins: Any, range: Any = None, normed: Any = None, weights: Any = None, density: Any = None
) -> tuple[Array, list[Any]]:
    """Counts of points in boxes.

    Parameters
    ----------
    sample : Array, shape (n, d), or sequence of d arrays, shape (n,)
    bins : int, or sequence of int or array_like
        As of `histogram`, one for each dimension.
    range : sequence of pairs, optional
    normed
        Must be unset.
    weights : array_like, shape (n,), optional
    density : bool
        Whether to give the density instead of counts.

    Returns
    -------
    counts : Array
    edges : list of array
    """
    if normed:
        raise TypeError("normed= is no more, neither here nor in NumPy\nhint: use density=")
    if isinstance(sample, Array):
        if sample.ndim != 2:
            raise ValueError(f"a sample in one array has points as rows, got shape {sample.shape}")
        if sample.numblocks[1] > 1:
            raise ValueError(
                f"the columns of a sample must be in one block, chunks are {sample.chunks}\nhint: rechunk({{1: -1}})"
            )
        samples = [sample[:, column] for column in np.arange(sample.shape[1])]
    else:
        samples = [asarray(own) for own in sample]
        if any(own.ndim != 1 for own in samples):
            raise ValueError(f"coordinates must have one axis each, got shapes {[own.shape for own in samples]}")
    if len({own.chunks for own in samples}) > 1:
        raise ValueError(
            f"coordinates must be cut alike, got chunks {[own.chunks for own in samples]}\nhint: rechunk them"
        )
    dims = len(samples)
    entries = list(bins) if np.iterable(bins) else [bins] * dims
    if len(entries) != dims:
        raise ValueError(f"{len(entries)} bins for {dims} dimensions\nhint: one for each, or a number for all")
    limits = [None] * dims if range is None else list(range)
    if len(limits) != dims:
        raise ValueError(
            f"range argument requires one entry, a min max pair, per dimension; got {len(limits)} for {dims}"
        )
    edges = [_edges(own, limit, "histogramdd") for own, limit in zip(entries, limits, strict=True)]
    if weights is not None:
        weights = asarray(weights)
        if weights.chunks != samples[0].chunks:
            raise ValueError(
                f"Input arrays and weights must have the same shape and chunk structure, got {weights.chunks}"
            )
    counts = _counted(samples, edges, weights, None).astype(float)
    return (_density(counts, edges) if density else counts), edges


def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, normed: Any = None, weights: Any = None, density: Any = None
) -> tuple[Array, Any, Any]:
    """Counts of pairs in rectangles.

    Parameters
    ----------
    x, y : array_like, one axis
    bins : int, or pair of int or array_like, or array_like for both
    range : pair of pairs, optional
    normed
        Must be unset.
    weights : array_like, optional
    density : bool
        Whether to give the density instead of counts.

    Returns
    -------
    counts : Array
    x_edges, y_edges : array
    """
    if np.ndim(bins) == 0 or (isinstance(bins, (list, tuple, np.ndarray)) and len(bins) not in (1, 2)):
        bins = (bins, bins)
    counts, edges = histogramdd((x, y), bins, range, normed, weights, density)
    return counts, edges[0], edges[1]
