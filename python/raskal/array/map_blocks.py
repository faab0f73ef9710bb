"""A user's function on each block.

Start at `map_blocks`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.delayed import lift
from raskal.array.host import Block, bounds, broadcast_map, on_blocks, unify
from raskal.tokenize import tokenize


class MapCall:
    """A function of blocks, with the block's coordinates if it asks for them."""

    def __init__(self, function: Callable[..., Any], values: list[Any], kwargs: dict[str, Any], asked: Asked) -> None:
        self.function, self.values, self.kwargs, self.asked = function, values, kwargs, asked

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        """Run on one block of each array."""
        rest = iter(blocks)
        arguments = [next(rest) if isinstance(value, Block) else value for value in self.values]
        kwargs = {key: next(rest) if isinstance(value, Block) else value for key, value in self.kwargs.items()}
        result = self.function(*arguments, **kwargs, **self.asked.extra(coordinates))
        ndim = self.asked.ndim
        if ndim is not None and np.ndim(result) != ndim:
            raise ValueError(
                f"the function gave {np.ndim(result)} axes, {ndim} were announced\nhint: drop_axis= and new_axis="
            )
        return result


class Asked:
    """What a function wants to know about its block, and how to tell."""

    def __init__(self, names: set[str], inputs: dict[int, tuple[Any, Any]], chunks: Any, dtype: Any) -> None:
        self.names, self.inputs, self.chunks, self.dtype = names, inputs, chunks, dtype
        self.ndim: int | None = None

    def extra(self, coordinates: tuple[int, ...]) -> dict[str, Any]:
        """The keyword arguments ``block_id`` and ``block_info``, as far as they are asked for."""
        found: dict[str, Any] = {}
        if "block_id" in self.names:
            found["block_id"] = coordinates
        if "block_info" in self.names:
            info: dict[Any, Any] = {}
            for number, (chunks, mapping) in self.inputs.items():
                place = tuple(-1 - axis if axis < 0 else coordinates[axis] for axis in mapping)
                info[number] = location(chunks, place)
            info[None] = location(self.chunks, coordinates)
            info[None]["chunk-shape"] = tuple(own[at] for own, at in zip(self.chunks, coordinates, strict=True))
            info[None]["dtype"] = self.dtype
            found["block_info"] = info
        return found


def location(chunks: Sequence[Sequence[Any]], place: tuple[int, ...]) -> dict[str, Any]:
    """Where a block lies in its array."""
    limits = [bounds(own) for own in chunks]
    return {
        "shape": tuple(limit[-1] for limit in limits),
        "num-chunks": tuple(len(own) for own in chunks),
        "array-location": [(limit[at], limit[at + 1]) for limit, at in zip(limits, place, strict=True)],
        "chunk-location": place,
    }


def map_blocks(
    func: Callable[..., Any],
    *args: Any,
    name: str | None = None,
    token: str | None = None,
    dtype: Any = None,
    chunks: Any = None,
    drop_axis: Any = None,
    new_axis: Any = None,
    enforce_ndim: bool = False,
    meta: Any = None,
    **kwargs: Any,
) -> Array:
    """A function on each block.

    Parameters
    ----------
    func : callable
        Takes blocks and gives one. If it has a parameter ``block_id``, it gets the block's coordinates; ``block_info``
        is a dictionary that says for each array (by its place among the arguments), and for the result (None), where
        the block lies.
    *args : array_like or object
        Lazy arrays are given block by block, broadcast from the last axis; other lazy objects are computed before;
        anything else as it is.
    name : str, optional
        For keys and pictures.
    token : str, optional
        Stands for the function's contents in keys.
    dtype : dtype, optional
        Of the result; found by calling the function on a tiny array if it is missing.
    chunks : tuple, optional
        Of the result, if the function changes the shape: one length per axis for all blocks, or lengths per block.
    drop_axis : int or sequence of int, optional
        Axes that the function removes.
    new_axis : int or sequence of int, optional
        Axes that the function adds.
    enforce_ndim : bool
        Whether to check the number of axes of what the function gives.
    meta : array_like, optional
        An empty array like the result.
    **kwargs
        Given to the function.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If the type is missing and the function can't be called on a tiny array, or chunks do not fit.
    """
    if not callable(func):
        raise TypeError(f"map_blocks takes a function first, not {type(func).__name__}\nhint: map_blocks(func, x)")
    label = token or name or getattr(func, "__name__", "map_blocks").strip("<>")
    places = [place for place, arg in enumerate(args) if isinstance(arg, Array)]
    if places:
        aligned, own = _paired([args[place] for place in places], label)
    elif chunks is None:
        raise ValueError("map_blocks without an array needs chunks=\nhint: chunks=((2, 2), (3,))")
    else:
        aligned, own = [], tuple(tuple(axis) if np.iterable(axis) else (axis,) for axis in chunks)
    axes = _result_axes(own, drop_axis, new_axis)
    result = [(1,) if axis is None else own[axis] for axis in axes]
    if chunks is not None and places:
        result = _given(chunks, result, label)
    spots = {axis: spot for spot, axis in enumerate(axes) if axis is not None}
    mappings = [
        [-1 if axis is None or axis < 0 else spots.get(axis) for axis in broadcast_map(x, own)] for x in aligned
    ]
    joined = [_whole_along(x, mapping) for x, mapping in zip(aligned, mappings, strict=True)]
    inputs: list[tuple[Array, Any]] = [
        (x, [-1 if axis is None else axis for axis in mapping]) for x, mapping in zip(joined, mappings, strict=True)
    ]
    values: list[Any] = []
    for arg in args:
        lifted = None if isinstance(arg, Array) else lift(arg)
        if lifted is not None:
            inputs.insert(sum(isinstance(value, Block) for value in values), (lifted, []))
        values.append(Block() if isinstance(arg, Array) or lifted is not None else arg)
    options: dict[str, Any] = {}
    for key, value in kwargs.items():
        lifted = lift(value)
        options[key] = value if lifted is None else Block()
        if lifted is not None:
            inputs.append((lifted, []))
    asked = Asked(_parameters(func) & {"block_id", "block_info"} - set(kwargs), {}, result, None)
    asked.ndim = len(result) if enforce_ndim else None
    asked.inputs = {
        place: (x.chunks, mapping) for place, (x, mapping) in zip(places, _of_arrays(inputs, joined), strict=True)
    }
    if dtype is None:
        found = meta if meta is not None else _infer(func, args, kwargs, asked)
        dtype, meta = found.dtype, found
    elif meta is None and any(x._kind is not None for x in aligned):
        meta = _try_infer(func, args, kwargs, asked)
    if getattr(meta, "ndim", len(result)) != len(result):
        meta = None
    asked.dtype = np.dtype(dtype)
    call = MapCall(func, values, options, asked)
    stamps = ["block" if isinstance(value, Block) else (value,) for value in values]
    named = {key: "block" if isinstance(value, Block) else (value,) for key, value in options.items()}
    parts = tokenize(func if token is None else token, stamps, named, own, enforce_ndim)
    return on_blocks(label, call, inputs, result, dtype, f"the function {label}", token=parts, meta=meta)


def _paired(arrays: list[Array], label: str) -> tuple[list[Array], Any]:
    """Arrays whose blocks belong together: of shapes that broadcast, or as many blocks along each axis."""
    try:
        return unify(arrays, label)
    except ValueError:
        most = max(arrays, key=lambda x: x.ndim)
        if all(x.numblocks == most.numblocks[most.ndim - x.ndim :] for x in arrays):
            return arrays, most.chunks
        raise


def _of_arrays(inputs: list[tuple[Array, Any]], arrays: list[Array]) -> list[tuple[Array, Any]]:
    return [entry for entry in inputs if any(entry[0] is array for array in arrays)]


def _whole_along(x: Array, mapping: list[int | None]) -> Array:
    """The array as one block along the axes that the function drops."""
    dropped = {axis: -1 for axis, spot in enumerate(mapping) if spot is None and x.numblocks[axis] > 1}
    return x.rechunk(dropped) if dropped else x


def _result_axes(own: Sequence[Any], drop_axis: Any, new_axis: Any) -> list[int | None]:
    """For each axis of the result the one that it comes from, None for a new one."""
    dropped = _list(drop_axis, len(own))
    axes: list[int | None] = [axis for axis in range(len(own)) if axis not in dropped]
    added = _list(new_axis, None)
    for axis in sorted(added):
        if axis > len(axes):
            raise ValueError(f"new_axis={new_axis} can't be put into {len(axes)} axes")
        axes.insert(axis, None)
    return axes


def _parameters(func: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return set()


def _list(axes: Any, ndim: int | None) -> list[int]:
    if axes is None:
        return []
    found = [int(axis) for axis in (axes if np.iterable(axes) else [axes])]
    if ndim is None:
        return found
    for axis in found:
        if not -ndim <= axis < ndim:
            raise ValueError(f"drop_axis={axes} is out of range for {ndim} axes")
    return [axis % ndim for axis in found]


def _given(chunks: Any, result: list[Any], label: str) -> list[Any]:
    """The chunks that the user announced, one entry per axis."""
    entries = list(chunks) if np.iterable(chunks) else [chunks]
    if len(entries) != len(result):
        raise ValueError(
            f"chunks={chunks} have {len(entries)} axes, the result of {label} has {len(result)}\n"
            "hint: pass one entry per axis, and drop_axis= or new_axis= if the function changes their number"
        )
    given = []
    for axis, (entry, own) in enumerate(zip(entries, result, strict=True)):
        lengths = tuple(entry) if np.iterable(entry) else (entry,) * len(own)
        if len(lengths) != len(own):
            raise ValueError(
                f"chunks= give {len(lengths)} lengths along axis {axis}, which has {len(own)} blocks\n"
                "hint: one length for each block"
            )
        given.append(lengths)
    return given


def _infer(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], asked: Asked) -> Any:
    """An array like what the function gives, found on arrays of one element, then of none."""
    error: Exception | None = None
    for length in (1, 0):
        tiny = [_tiny(arg, length) if isinstance(arg, Array) else arg for arg in args]
        extra: dict[str, Any] = {}
        if "block_id" in asked.names:
            extra["block_id"] = tuple(0 for _ in asked.chunks)
        if "block_info" in asked.names:
            single = [tuple((length,) for _ in np.shape(block)) for block in tiny]
            info: dict[Any, Any] = {
                number: location(chunks, (0,) * len(chunks))
                for number, chunks in enumerate(single)
                if number in asked.inputs
            }
            info[None] = {**location(asked.chunks, (0,) * len(asked.chunks)), "dtype": None}
            info[None]["chunk-shape"] = tuple(own[0] for own in asked.chunks)
            extra["block_info"] = info
        try:
            with np.errstate(all="ignore"):
                result = func(*tiny, **kwargs, **extra)
            return result if hasattr(result, "dtype") else np.asarray(result)
        except Exception as raised:  # whatever the user's function raises
            error = error or raised
    raise ValueError(
        f"the type of what {getattr(func, '__name__', func)!r} gives could not be found: on arrays of one "
        f"element it raised {type(error).__name__}: {error}\nhint: pass dtype="
    ) from error


def _tiny(x: Array, length: int) -> Any:
    return np.ones((length,) * x.ndim, x.dtype) if x._kind is None else x._meta


def _try_infer(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], asked: Asked) -> Any:
    try:
        return _infer(func, args, kwargs, asked)
    except ValueError:
        return None
