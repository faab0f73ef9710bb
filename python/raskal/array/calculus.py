"""Differences, gradients, averages and covariances.

Start at `diff`. All are sums of views, so that they fuse with what is around them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import every_block, on_blocks
from raskal.array.join import concatenate
from raskal.array.shape import broadcast_to, normalize_axis


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """Differences of neighbours along an axis.

    Parameters
    ----------
    a : array_like
    n : int
        How often differences are taken.
    axis : int
    prepend, append : array_like, optional
        Put before and behind first.

    Returns
    -------
    Array
    """
    a = asarray(a)
    axis = normalize_axis(axis, a.ndim)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if n == 0:
        return a
    parts = [a]
    for value, first in ((prepend, True), (append, False)):
        if value is None:
            continue
        value = asarray(value)
        if value.ndim == 0:
            value = broadcast_to(value, (*a.shape[:axis], 1, *a.shape[axis + 1 :]))
        parts.insert(0 if first else len(parts), value)
    a = concatenate(parts, axis)
    before = (slice(None),) * axis
    op = np.not_equal if a.dtype == bool else np.subtract
    for _ in range(n):
        a = op(a[(*before, slice(1, None))], a[(*before, slice(None, -1))])
    return a


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Array:
    """Differences of neighbours of the flattened elements.

    Parameters
    ----------
    ary : array_like
    to_end, to_begin : array_like, optional
        Put behind and before the differences.

    Returns
    -------
    Array, shape (n,)
    """
    flat = asarray(ary).ravel()
    result = flat[1:] - flat[:-1]
    parts = [None if to_begin is None else asarray(to_begin), result, None if to_end is None else asarray(to_end)]
    return concatenate([part.ravel().astype(result.dtype) for part in parts if part is not None])


class _Gradient:
    """NumPy's gradient along one axis of a block with a neighbour's element at both ends."""

    def __init__(self, axis: int, grid: int, spacing: list[Any], order: int, dtype: Any) -> None:
        self.axis, self.grid, self.spacing, self.order, self.dtype = axis, grid, spacing, order, dtype

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        number = coordinates[self.axis]
        gradient_of: Any = np.gradient
        result = gradient_of(block, self.spacing[number], axis=self.axis, edge_order=self.order)
        before, after = int(number > 0), int(number < self.grid - 1)
        stop = result.shape[self.axis] - after
        return result[(*(slice(None),) * self.axis, slice(before, stop))].astype(self.dtype)


def gradient(f: Any, *varargs: Any, axis: Any = None, **kwargs: Any) -> Any:
    """The gradient by central differences, one-sided at the ends.

    Parameters
    ----------
    f : array_like
    *varargs : float or array_like
        Distances of elements, or their coordinates, for all axes or each.
    axis : int or sequence of int, optional
        All by default.
    **kwargs
        ``edge_order`` of 1 or 2, as of `numpy.gradient`.

    Returns
    -------
    Array, or list of Array
        One for each axis.
    """
    from raskal.array.overlap import overlap

    f = asarray(f)
    order = kwargs.pop("edge_order", 1)
    if kwargs:
        raise TypeError(f"gradient() got unknown arguments {sorted(kwargs)}")
    axes = list(range(f.ndim)) if axis is None else [axis] if not np.iterable(axis) else list(axis)
    axes = [normalize_axis(place, f.ndim) for place in axes]
    spacings = list(varargs) or [1.0]
    if len(spacings) == 1:
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise TypeError(
            f"{len(varargs)} spacings were given for {len(axes)} axes\nhint: pass one for all, or one for each"
        )
    if f.dtype.kind in "iub":
        f = f.astype(float)
    results = []
    for place, spacing in zip(axes, spacings, strict=True):
        for length in f.chunks[place]:
            if length < order + 1:
                raise ValueError(
                    f"a block of {length} elements along axis {place} is too short for edge_order={order}\n"
                    f"hint: rechunk to blocks of {order + 1} elements or more"
                )
        results.append(_gradient(f, place, spacing, order, overlap))
    return results[0] if len(results) == 1 else results


def _gradient(f: Array, axis: int, spacing: Any, order: int, overlap: Callable[..., Array]) -> Array:
    if isinstance(spacing, Array):
        spacing = np.asarray(spacing)
    count = f.numblocks[axis]
    own: list[Any] = [spacing] * count
    if np.ndim(spacing) == 1:
        if len(spacing) != f.shape[axis]:
            raise ValueError(f"coordinates along axis {axis} have length {len(spacing)}, the array {f.shape[axis]}")
        own, first = [], 0
        for length in f.chunks[axis]:
            own.append(np.asarray(spacing)[max(first - 1, 0) : first + length + 1])
            first += length
    dtype = np.gradient(np.ones(2, f.dtype)).dtype
    wide = overlap(f, {axis: 1}, {axis: "none"})
    call = _Gradient(axis, count, own, order, dtype)
    return on_blocks("gradient", call, [(wide, every_block(wide))], f.chunks, dtype, "no native kernel for gradient")


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False) -> Any:
    """The weighted mean along axes.

    Parameters
    ----------
    a : array_like
    axis : int or tuple of int, optional
        All by default.
    weights : array_like, optional
        In the array's shape, or one for each element along the axis.
    returned : bool
        Whether to give the sum of weights as well.
    keepdims : bool
        Whether the axes stay, with length 1.

    Returns
    -------
    Array, or (Array, Array)
    """
    from raskal.array.reductions import mean, sum

    a = asarray(a)
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        scale = result.dtype.type(a.size / result.size if result.size else 0)
        total = broadcast_to(asarray(np.asarray(scale)), result.shape)
    else:
        weights = asarray(weights)
        wanted = np.result_type(a.dtype, weights.dtype, *(["f8"] if a.dtype.kind in "iub" else []))
        if weights.shape != a.shape:
            if axis is None:
                raise TypeError(f"weights of shape {weights.shape} for an array of {a.shape} need axis=")
            if weights.ndim != 1:
                raise TypeError(f"weights of shape {weights.shape} must have one axis, or the array's shape {a.shape}")
            axis = normalize_axis(axis, a.ndim)
            if weights.shape[0] != a.shape[axis]:
                raise ValueError(f"{weights.shape[0]} weights do not fit axis {axis} of shape {a.shape}")
            weights = weights[tuple(slice(None) if place == axis else None for place in range(a.ndim))]
            weights = broadcast_to(weights, a.shape)
        total = sum(weights, axis, dtype=wanted, keepdims=keepdims)
        result = sum(a * weights, axis, dtype=wanted, keepdims=keepdims) / total
    return (result, total) if returned else result


def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, *, fweights: Any = None,
    aweights: Any = None, dtype: Any = None,
) -> Array:  # fmt: skip
    """The covariances of variables.

    Parameters
    ----------
    m, y : array_like
        Variables as rows.
    rowvar : bool
        Whether variables are rows, not columns.
    bias : bool
        Whether to divide by the number of observations.
    ddof : int, optional
        What is taken off the divisor.
    fweights, aweights, dtype
        Must be unset.

    Returns
    -------
    Array
    """
    if fweights is not None or aweights is not None or dtype is not None:
        raise NotImplementedError("cov with fweights=, aweights= or dtype= is not supported\nhint: scale m before")
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    m = asarray(m)
    parts = [m if y is None else m.astype(np.result_type(m.dtype, asarray(y).dtype))]
    if y is not None:
        parts.append(asarray(y).astype(parts[0].dtype))
    rows = []
    for part in parts:
        if part.ndim > 2:
            raise ValueError(f"cov takes at most two axes, got shape {part.shape}")
        part = part[None] if part.ndim < 2 else part
        rows.append(part.T if not rowvar and part.shape[0] != 1 else part)
    x = concatenate(rows, 0) if len(rows) > 1 else rows[0]
    if x.dtype.kind in "iub":
        x = x.astype(float)
    x = x - x.mean(axis=1, keepdims=True)
    x._require_known("cov")
    ddof = (0 if bias else 1) if ddof is None else ddof
    divisor = float(max(x.shape[1] - ddof, 0))
    return ((x @ x.T.conj()) / divisor).squeeze()


def corrcoef(x: Any, y: Any = None, rowvar: Any = 1) -> Array:
    """The correlations of variables.

    Parameters
    ----------
    x, y : array_like
        Variables as rows.
    rowvar : bool
        Whether variables are rows, not columns.

    Returns
    -------
    Array
    """
    from raskal.array.diagonal import diagonal

    c = cov(x, y, bool(rowvar))
    if c.shape == ():
        return c / c
    spread = np.sqrt(diagonal(c).real)
    return c / spread[:, None] / spread[None, :]


class _Coarsen:
    """Reduces boxes of neighbours of a block."""

    def __init__(self, function: Callable[..., Any], lengths: list[int], kwargs: dict[str, Any]) -> None:
        self.function, self.lengths, self.kwargs = function, lengths, kwargs

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        shape = []
        for length, own in zip(block.shape, self.lengths, strict=True):
            shape += [length // own, own]
        axes = tuple(range(1, 2 * block.ndim, 2))
        return self.function(block.reshape(shape), axis=axes, **self.kwargs)


def coarsen(
    reduction: Callable[..., Any], x: Any, axes: dict[int, int], trim_excess: bool = False, **kwargs: Any
) -> Array:
    """Each box of neighbours reduced to one element.

    Parameters
    ----------
    reduction : callable
        Such as `numpy.sum`.
    x : array_like
    axes : dict
        For an axis the length of a box.
    trim_excess : bool
        Whether to leave out what does not fill a box at the end of an axis.
    **kwargs
        Given to the reduction.

    Returns
    -------
    Array
    """
    from raskal.array.rearrange import split_lengths

    x = asarray(x)
    lengths = [1] * x.ndim
    for axis, length in axes.items():
        lengths[normalize_axis(axis, x.ndim)] = int(length)
    wanted = {}
    for axis, own in enumerate(lengths):
        rest = x.shape[axis] % own
        if rest and not trim_excess:
            raise ValueError(
                f"boxes of {own} elements do not fill axis {axis} of shape {x.shape}\nhint: pass trim_excess=True"
            )
        if rest:
            x = x[(*(slice(None),) * axis, slice(0, x.shape[axis] - rest))]
        if any(length % own for length in x.chunks[axis]):
            longest = max(max(x.chunks[axis]) // own, 1) * own
            wanted[axis] = split_lengths(x.shape[axis], longest)
    x = x.rechunk(wanted) if wanted else x
    function = _numpys(reduction)
    tiny = np.ones([part for own in lengths for part in (1, own)], x.dtype)
    dtype = np.asarray(function(tiny, axis=tuple(range(1, 2 * x.ndim, 2)), **kwargs)).dtype
    chunks = [tuple(length // own for length in axis) for axis, own in zip(x.chunks, lengths, strict=True)]
    call = _Coarsen(function, lengths, kwargs)
    return on_blocks("coarsen", call, [(x, every_block(x))], chunks, dtype, "no native kernel for coarsen")


def _numpys(function: Any) -> Any:
    """NumPy's function where ours of the same name was given."""
    if getattr(function, "__module__", "").startswith("raskal."):
        return getattr(np, function.__name__)
    return function
