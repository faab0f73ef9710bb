"""Values counted and compared: how often each comes, which there are, and whether others are among them.

Start at `unique`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import on_blocks


class _Count:
    """Counts how often each number comes in a block."""

    def __init__(self, minlength: int, dtype: Any) -> None:
        self.minlength, self.dtype = minlength, dtype

    def __call__(self, coordinates: tuple[int, ...], block: Any, weights: Any = None) -> Any:
        return np.bincount(block, weights=weights, minlength=self.minlength)


class _Padded:
    """Adds counts of different lengths."""

    def __call__(self, coordinates: tuple[int, ...], *parts: Any) -> Any:
        total = np.zeros(max(len(part) for part in parts), parts[0].dtype)
        for part in parts:
            total[: len(part)] += part
        return total


def bincount(x: Any, weights: Any = None, minlength: int = 0, split_every: Any = None) -> Array:
    """How often each whole number comes.

    Parameters
    ----------
    x : array_like of int, one axis
        Not negative.
    weights : array_like, optional
    minlength : int
        The result is at least as long; what is known of its length is only this.
    split_every : int, optional
        How many partial counts one task adds.

    Returns
    -------
    Array, shape (unknown,)
    """
    x = asarray(x)
    if x.ndim != 1:
        raise ValueError(f"bincount takes one axis, not shape {x.shape}\nhint: ravel it")
    if minlength < 0:
        raise ValueError(f"minlength must not be negative, got {minlength}")
    inputs: list[tuple[Array, Any]] = [(x, [0])]
    dtype: Any = np.int64
    if weights is not None:
        weights = asarray(weights)
        if weights.chunks != x.chunks:
            raise ValueError(
                f"weights are cut into {weights.chunks}, the array into {x.chunks}\nhint: rechunk them alike"
            )
        inputs.append((weights, [0]))
        dtype = np.float64
    reason = "no native kernel for bincount"
    current = on_blocks(
        "bincount-partial", _Count(minlength, dtype), inputs, [(np.nan,) * x.npartitions], dtype, reason
    )
    every = int(split_every) if split_every else 16
    while current.npartitions > 1:
        count = -(-current.npartitions // every)
        tree_of = {"tree": [every]}
        current = on_blocks("bincount", _Padded(), [(current, tree_of)], [(np.nan,) * count], dtype, reason)
    return current


class _Unique:
    """The values of a block, sorted, with where each comes first and how often."""

    def __init__(self, limits: list[int], only_values: bool) -> None:
        self.limits, self.only_values = limits, only_values

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        if self.only_values:
            return np.unique(block), None, None
        values, index, counts = np.unique(block, return_index=True, return_counts=True)
        return values, index + self.limits[coordinates[0]], counts


class _MergeUnique:
    """The values of several blocks."""

    def __init__(self, part: int | None) -> None:
        self.part = part

    def __call__(self, coordinates: tuple[int, ...], *parts: Any) -> Any:
        if parts[0][1] is None:
            found = np.unique(np.concatenate([part[0] for part in parts]))
            return (found, None, None) if self.part is None else found
        values, where = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
        index = np.full(len(values), np.iinfo(np.int64).max)
        np.minimum.at(index, where, np.concatenate([part[1] for part in parts]))
        counts = np.zeros(len(values), np.int64)
        np.add.at(counts, where, np.concatenate([part[2] for part in parts]))
        result = (values, index, counts)
        return result if self.part is None else result[self.part]


def _inverse(coordinates: tuple[int, ...], block: Any, values: Any) -> Any:
    places = np.searchsorted(values, block)
    if block.dtype.kind in "fc":
        places = np.minimum(places, len(values) - 1) if len(values) else places
    return places


def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The values of the elements, sorted, each once.

    Parameters
    ----------
    ar : array_like
    return_index : bool
        Whether to give where each value comes first.
    return_inverse : bool
        Whether to give for each element the place of its value.
    return_counts : bool
        Whether to give how often each value comes.

    Returns
    -------
    Array, shape (unknown,), or tuple of Array
    """
    from raskal.array.host import bounds

    ar = asarray(ar)
    shape = ar.shape
    flat = ar.ravel()
    if return_index:
        flat._require_known("unique with return_index=True")
    limits = bounds(flat.chunks[0]) if not flat._unknown else [0] * (flat.npartitions + 1)
    reason = "the length depends on elements"
    nan = [(np.nan,) * flat.npartitions]
    current = on_blocks(
        "unique-partial", _Unique(limits, not (return_index or return_counts)), [(flat, [0])], nan, ar.dtype, reason
    )
    while current.npartitions > 16:
        count = -(-current.npartitions // 16)
        current = on_blocks(
            "unique-merge", _MergeUnique(None), [(current, {"tree": [16]})], [(np.nan,) * count], ar.dtype, reason
        )
    every: list[int | None] = [None]

    def part(number: int, dtype: Any) -> Array:
        return on_blocks("unique", _MergeUnique(number), [(current, every)], [(np.nan,)], dtype, reason)

    values = part(0, ar.dtype)
    results = [values]
    if return_index:
        results.append(part(1, np.int64))
    if return_inverse:
        inputs: list[tuple[Array, Any]] = [(flat, [0]), (values, [-1])]
        inverse = on_blocks("unique-inverse", _inverse, inputs, flat.chunks, np.int64, "places of values")
        results.append(inverse.reshape(shape) if not ar._unknown else inverse)
    if return_counts:
        results.append(part(2, np.int64))
    return results[0] if len(results) == 1 else tuple(results)


def union1d(ar1: Any, ar2: Any) -> Array:
    """The values of two arrays, sorted, each once.

    Parameters
    ----------
    ar1, ar2 : array_like

    Returns
    -------
    Array, shape (unknown,)
    """
    from raskal.array.join import concatenate

    return unique(concatenate([asarray(ar1).ravel(), asarray(ar2).ravel()]))


class _IsIn:
    """Whether elements are among any of several blocks."""

    def __init__(self, invert: bool, kwargs: dict[str, Any]) -> None:
        self.invert, self.kwargs = invert, kwargs

    def __call__(self, coordinates: tuple[int, ...], block: Any, *tested: Any) -> Any:
        values = np.concatenate([own.ravel() for own in tested])
        return np.isin(block, values, invert=self.invert, **self.kwargs)


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: str | None = None
) -> Array:
    """Whether elements are among others.

    Parameters
    ----------
    element, test_elements : array_like
    assume_unique : bool
        Whether both hold each value once.
    invert : bool
        Whether to tell which are not.
    kind : str, optional
        How to search, as of `numpy.isin`.

    Returns
    -------
    Array of bool, shape of element
    """
    from raskal.array.host import every_block

    element, tested = asarray(element), asarray(test_elements)
    call = _IsIn(invert, {"assume_unique": assume_unique, "kind": kind})
    inputs: list[tuple[Array, Any]] = [(element, every_block(element)), (tested, [None] * tested.ndim)]
    return on_blocks("isin", call, inputs, element.chunks, bool, "no native kernel for isin")
