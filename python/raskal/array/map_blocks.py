"""A user's function on each block.

Start at `map_blocks`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from raskal._raskal import ArrayExpr
from raskal.array.collection import Array
from raskal.array.host import Block, broadcast_map, host
from raskal.tokenize import tokenize


class MapCall:
    """Calls a function with blocks among its arguments, and with the block's place if it asks for it."""

    def __init__(self, function: Callable[..., Any], values: list[Any], kwargs: dict[str, Any], place: bool) -> None:
        self.function, self.values, self.kwargs, self.place = function, values, kwargs, place

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        """Run on one block of each array."""
        rest = iter(blocks)
        arguments = [next(rest) if isinstance(value, Block) else value for value in self.values]
        extra = {"block_id": coordinates} if self.place else {}
        result = self.function(*arguments, **self.kwargs, **extra)
        # Views of other arrays are copied once here, so that what follows can read them in place.
        return np.ascontiguousarray(result) if type(result) is np.ndarray and result.ndim else result


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
        Takes blocks as NumPy arrays and gives one. If it has a parameter ``block_id``, it gets the block's coordinates.
    *args : array_like or object
        Lazy arrays are given block by block, broadcast from the last axis; anything else as it is.
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
        Accepted for Dask's sake.
    meta : array_like, optional
        Gives the type if ``dtype`` is missing.
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
        raise TypeError(f"map_blocks needs a function first, got {type(func).__name__}\nhint: map_blocks(func, x)")
    arrays = [arg._expr for arg in args if isinstance(arg, Array)]
    label = name or getattr(func, "__name__", "map_blocks").strip("<>")
    if "block_info" in _parameters(func):
        raise NotImplementedError("block_info is not supported\nhint: use block_id, the block's coordinates")
    aligned = ArrayExpr.align(arrays, label) if arrays else []
    if not arrays and chunks is None:
        raise ValueError("map_blocks without an array needs chunks=\nhint: chunks=((2, 2), (3,))")
    own = [list(axis) for axis in (ArrayExpr.broadcast_chunks(aligned) if arrays else chunks)]
    shape = [sum(axis) for axis in own]
    dropped = sorted(_list(drop_axis, len(own)))
    for axis in dropped:
        if len(own[axis]) > 1:
            raise ValueError(
                f"axis {axis} has {len(own[axis])} blocks and can't be dropped by a function of one block\n"
                f"hint: x.rechunk({{{axis}: -1}}) first"
            )
    axes: list[int | None] = [axis for axis in range(len(own)) if axis not in dropped]
    for axis in sorted(_list(new_axis, len(axes) + len(_list(new_axis, 1 << 20)))):
        axes.insert(axis, None)
    result = [[1] if axis is None else own[axis] for axis in axes]
    if chunks is not None and arrays:
        result = _given(chunks, result, label)
    values = [Block() if isinstance(arg, Array) else arg for arg in args]
    place = "block_id" in _parameters(func)
    if dtype is None:
        dtype = np.asarray(meta).dtype if meta is not None else _infer(func, args, kwargs, place)
    to_result = {axis: spot for spot, axis in enumerate(axes) if axis is not None}
    inputs = []
    for arg in aligned:
        mapping: list[int | None] = []
        for spot in broadcast_map(arg, shape):
            mapping.append(-1 if spot is None or spot < 0 or spot not in to_result else to_result[spot])
        inputs.append((arg, mapping))
    call = MapCall(func, values, kwargs, place)
    token = token or tokenize(func, [value for value in values if not isinstance(value, Block)], kwargs)
    places = "".join("b" if isinstance(value, Block) else "v" for value in values)
    return Array(host(label, call, inputs, result, dtype, f"the function {label}", token=f"{token}-{places}"))


def _parameters(func: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return set()


def _list(axes: Any, ndim: int) -> list[int]:
    if axes is None:
        return []
    return [int(axis) % max(ndim, 1) for axis in (axes if np.iterable(axes) else [axes])]


def _given(chunks: Any, result: list[list[int]], label: str) -> list[list[int]]:
    """The chunks that the user announced, one entry per axis."""
    entries = list(chunks) if np.iterable(chunks) else [chunks]
    if len(entries) != len(result):
        raise ValueError(
            f"{label}: chunks={chunks} have {len(entries)} axes, the result has {len(result)}\n"
            "hint: pass one entry per axis, and drop_axis= or new_axis= if the function changes their number"
        )
    given = []
    for axis, (entry, own) in enumerate(zip(entries, result, strict=True)):
        lengths = [int(length) for length in entry] if np.iterable(entry) else [int(entry)] * len(own)
        if len(lengths) != len(own):
            raise ValueError(f"{label}: chunks along axis {axis} are {lengths}, but there are {len(own)} blocks")
        given.append(lengths)
    return given


def _infer(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], place: bool) -> Any:
    """The type of what the function gives, found on arrays of one element."""
    tiny = [np.ones((1,) * arg.ndim, arg.dtype) if isinstance(arg, Array) else arg for arg in args]
    ndim = max((arg.ndim for arg in args if isinstance(arg, Array)), default=0)
    extra = {"block_id": (0,) * ndim} if place else {}
    try:
        with np.errstate(all="ignore"):
            return np.asarray(func(*tiny, **kwargs, **extra)).dtype
    except Exception as error:
        raise ValueError(
            f"the type of what {getattr(func, '__name__', func)!r} gives could not be found: on arrays of one "
            f"element it raised {type(error).__name__}: {error}\nhint: pass dtype="
        ) from error
