"""Functions of blocks in index notation.

Start at `blockwise`: ``blockwise(f, "ij", x, "ik", y, "kj")`` calls f for each block (i, j) of the result with the
blocks (i, k) of x and (k, j) of y for all k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskal.array.blockview import nested_join
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.delayed import lift
from raskal.array.host import Block, common_lengths, grid, is_known, on_blocks
from raskal.base import is_dask_collection
from raskal.tokenize import tokenize


class _BlockwiseCall:
    """Calls a function with one entry per argument: a block, nested lists of blocks, or a value."""

    def __init__(
        self, function: Callable[..., Any], arguments: list[Any], kwargs: dict[str, Any], lazy: list[str], join: bool
    ) -> None:
        self.function, self.arguments, self.kwargs = function, arguments, kwargs
        self.lazy, self.join = lazy, join

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        rest = iter(blocks)
        arguments = []
        for argument in self.arguments:
            if isinstance(argument, Block):
                arguments.append(next(rest))
            elif isinstance(argument, Blocks):
                arguments.append(argument.take(rest, self.join))
            else:
                arguments.append(argument)
        lazy = {name: next(rest) for name in self.lazy}
        return self.function(*arguments, **self.kwargs, **lazy)


class Blocks:
    """Stands for all blocks of an operand along some of its axes."""

    def __init__(self, counts: tuple[int, ...], summed: tuple[bool, ...]) -> None:
        self.counts, self.summed = counts, summed

    def take(self, rest: Any, join: bool) -> Any:
        """The next blocks: joined, or as lists nested along the axes."""
        number = int(np.prod([count for count, summed in zip(self.counts, self.summed, strict=True) if summed]))
        blocks = [next(rest) for _ in range(number)]
        if join:
            return nested_join(
                blocks, tuple(count if summed else 1 for count, summed in zip(self.counts, self.summed, strict=True))
            )
        nested: list[Any] = blocks
        own = [count for count, summed in zip(self.counts, self.summed, strict=True) if summed]
        for count in reversed(own[1:]):
            nested = [nested[first : first + count] for first in range(0, len(nested), count)]
        return nested


def unify_chunks(*args: Any, **kwargs: Any) -> tuple[dict[Any, tuple[Any, ...]], list[Array]]:
    """Arrays with common chunks along the axes of the same index.

    Parameters
    ----------
    *args : array_like, index, array_like, index, ...
        As of `blockwise`.

    Returns
    -------
    chunks : dict
        Block lengths of each index.
    arrays : list of Array
        The arrays, rechunked.

    Raises
    ------
    ValueError
        If two axes of an index have different lengths.
    """
    arrays = [None if index is None else asarray(array) for array, index in zip(args[::2], args[1::2], strict=True)]
    indices = args[1::2]
    lengths: dict[Any, list[tuple[Any, ...]]] = {}
    for array, index in zip(arrays, indices, strict=True):
        if array is None:
            continue
        if len(index) != array.ndim:
            raise ValueError(f"index {index!r} has {len(index)} entries, the array of shape {array.shape} {array.ndim}")
        for name, own in zip(index, array.chunks, strict=True):
            lengths.setdefault(name, []).append(own)
    chunks = {name: _common(name, own) for name, own in lengths.items()}
    result: list[Any] = []
    for given, array, index in zip(args[::2], arrays, indices, strict=True):
        if array is None:
            result.append(given)
            continue
        wanted = {
            axis: chunks[name]
            for axis, name in enumerate(index)
            if axis not in array._unknown and array.chunks[axis] != (1,) and array.chunks[axis] != chunks[name]
        }
        result.append(array.rechunk(wanted) if wanted else array)
    return chunks, result


def _common(name: Any, entries: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The common block lengths of the axes of one index; axes of one element stretch."""
    long = [own for own in dict.fromkeys(entries) if own != (1,)]
    if not long:
        return (1,)
    unknown = [own for own in entries if not is_known([own])]
    if unknown:
        if len({len(own) for own in long}) > 1:
            raise ValueError(
                f"blocks along index {name!r} do not correspond: {entries}\nhint: call compute_chunk_sizes() first"
            )
        return next((own for own in long if is_known([own])), unknown[0])
    try:
        return common_lengths(long)
    except ValueError:
        lengths = [sum(own) for own in entries]
        raise ValueError(
            f"arrays have different lengths along index {name!r}: {lengths}, in chunks {entries}\n"
            "hint: slice or pad one of the arrays, or give the axes different indices"
        ) from None


def blockwise(
    func: Callable[..., Any],
    out_ind: Any,
    *args: Any,
    name: str | None = None,
    token: str | None = None,
    dtype: Any = None,
    adjust_chunks: dict[Any, Any] | None = None,
    new_axes: dict[Any, Any] | None = None,
    align_arrays: bool = True,
    concatenate: bool | None = None,
    meta: Any = None,
    **kwargs: Any,
) -> Array:
    """A function of blocks, which an index per array pairs up.

    Parameters
    ----------
    func : callable
        Gets a block for each array, or lists of blocks, nested along the indices that the result does not have.
    out_ind : iterable
        Indices of the result's axes.
    *args : array_like, index, array_like, index, ...
        An index of None passes a value on as it is.
    name, token : str, optional
        For keys.
    dtype : dtype, optional
        Of the result; found by calling the function on tiny arrays if it is missing.
    adjust_chunks : dict, optional
        For an index a block length, lengths, or a function of the length, if the function changes it.
    new_axes : dict, optional
        For an index of the result alone the length of its one block, or lengths of several.
    align_arrays : bool
        Whether to rechunk arrays to common chunks.
    concatenate : bool, optional
        Whether to join blocks along indices that the result does not have, instead of lists.
    meta : array_like, optional
        An empty array like the result.
    **kwargs
        Given to the function; lazy objects are computed before.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If chunks do not fit, or the type can't be found.

    Examples
    --------
    >>> import numpy as np, raskal.array as da
    >>> x, y = da.ones((4, 6), chunks=2), da.ones((6, 2), chunks=2)
    >>> z = da.blockwise(np.dot, "ij", x, "ik", y, "kj", concatenate=True, dtype=float)
    >>> float(z.sum().compute())
    48.0
    """
    if len(args) % 2:
        raise ValueError("blockwise takes pairs of an array and its index\nhint: blockwise(f, 'ij', x, 'ij')")
    new_axes = dict(new_axes or {})
    out_ind = tuple(out_ind)
    if len(set(out_ind)) != len(out_ind):
        raise ValueError(f"repeated elements in the result's index {out_ind}")
    if clash := set(new_axes) & {name for index in args[1::2] if index is not None for name in index}:
        raise ValueError(f"new axes {sorted(clash)} are indices of the arrays already\nhint: use adjust_chunks")
    pairs = [(arg, None if index is None else tuple(index)) for arg, index in zip(args[::2], args[1::2], strict=True)]
    pairs = [(arg if index is None else asarray(arg), index) for arg, index in pairs]
    if align_arrays:
        chunkss, arrays = unify_chunks(*[item for pair in pairs for item in pair])
        pairs = [(array, index) for array, (_, index) in zip(arrays, pairs, strict=True)]
    else:
        chunkss = {}
        for arg, index in pairs:
            for axis, name_of in enumerate(index or ()):
                if name_of not in chunkss or len(arg.chunks[axis]) > len(chunkss[name_of]):
                    chunkss[name_of] = arg.chunks[axis]
    for index_name, length in new_axes.items():
        chunkss[index_name] = tuple(length) if np.iterable(length) else (length,)
    if missing := [index_name for index_name in out_ind if index_name not in chunkss]:
        raise ValueError(f"index {missing[0]!r} of the result belongs to no array\nhint: give it a length by new_axes=")
    label = name or token or getattr(func, "__name__", "blockwise").strip("<>").lower()
    arguments: list[Any] = []
    inputs: list[tuple[Array, Any]] = []
    for arg, index in pairs:
        if index is None:
            lifted = lift(arg)
            if lifted is not None:
                arguments.append(Block())
                inputs.append((lifted, []))
            else:
                arguments.append(arg)
            continue
        counts = grid(arg.chunks)
        blocks = [
            (-1 if counts[axis] == 1 and len(chunkss[place]) != 1 else out_ind.index(place))
            if place in out_ind
            else None
            for axis, place in enumerate(index)
        ]
        inputs.append((arg, blocks))
        summed = tuple(block is None for block in blocks)
        arguments.append(Blocks(counts, summed) if any(summed) else Block())
    values, lazy = {}, []
    for key, value in kwargs.items():
        lifted = lift(value)
        if lifted is None:
            values[key] = value
        else:
            lazy.append(key)
            inputs.append((lifted, []))
    if dtype is None or (
        meta is None and any(is_dask_collection(arg) and arg._kind is not None for arg, i in pairs if i)
    ):
        found = _infer(func, pairs, out_ind, kwargs if not lazy else values, bool(concatenate), dtype is not None)
        dtype, meta = dtype or (meta if meta is not None else found).dtype, meta if meta is not None else found
    chunks = [_adjusted(chunkss[place], (adjust_chunks or {}).get(place), place) for place in out_ind]
    call = _BlockwiseCall(func, arguments, values, lazy, bool(concatenate))
    own = token or tokenize(func, [_stamp(argument) for argument in arguments], values, lazy, bool(concatenate))
    if meta is not None and getattr(meta, "ndim", len(out_ind)) != len(out_ind):
        meta = None
    return on_blocks(label, call, inputs, chunks, dtype, f"the function {label}", token=own, meta=meta)


def _stamp(argument: Any) -> Any:
    if isinstance(argument, Block):
        return "block"
    return ("blocks", argument.counts, argument.summed) if isinstance(argument, Blocks) else (argument,)


def _adjusted(lengths: tuple[Any, ...], change: Any, index: Any) -> tuple[Any, ...]:
    if change is None:
        return lengths
    if callable(change):
        return tuple(change(length) for length in lengths)
    if np.iterable(change):
        if len(tuple(change)) != len(lengths):
            raise ValueError(
                f"adjust_chunks gives {len(tuple(change))} lengths for the {len(lengths)} blocks along index {index!r}"
            )
        return tuple(change)
    return (change,) * len(lengths)


def _infer(func: Any, pairs: Any, out_ind: Any, kwargs: dict[str, Any], join: bool, typed: bool) -> Any:
    """An array of the type that the function gives, found on arrays of one element along every axis, then of none."""
    error: Exception | None = None
    for length in (1, 0):
        tiny = []
        for arg, index in pairs:
            if index is None:
                tiny.append(arg)
                continue
            block: Any = np.ones((length,) * arg.ndim, arg.dtype) if arg._kind is None else arg._meta
            if not join:
                for place in index:
                    block = block if place in out_ind else [block]
            tiny.append(block)
        try:
            with np.errstate(all="ignore"):
                result = func(*tiny, **kwargs)
            return result if hasattr(result, "dtype") else np.asarray(result)
        except Exception as raised:  # whatever the user's function raises
            error = error or raised
    if typed:
        return None
    raise ValueError(
        f"the type of what {getattr(func, '__name__', func)!r} gives could not be found: on arrays of one "
        f"element it raised {type(error).__name__}: {error}\nhint: pass dtype="
    ) from error
