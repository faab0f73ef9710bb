"""Arrays put together: one after the other, along a new axis, or as a block matrix.

Start at `concatenate`. The blocks of the operands become blocks of the result as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from raskal._raskal import ArrayExpr, NoKernel
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import common_lengths, dtype_spec, user_line
from raskal.array.opaque import same_block
from raskal.array.shape import atleast_1d, atleast_2d, atleast_3d, expand_dims, normalize_axis


def _arrays(seq: Any, what: str, trust: bool = False) -> list[Array]:
    arrays = [asarray(array, allow_unknown_chunksizes=trust) for array in seq]
    if not arrays:
        raise ValueError(f"need at least one array to {what}")
    return arrays


def concatenate(seq: Sequence[Any], axis: int | None = 0, allow_unknown_chunksizes: bool = False) -> Array:
    """Arrays one after the other along an axis.

    Parameters
    ----------
    seq : sequence of array_like
        Of equal shapes but along the axis.
    axis : int or None
        None flattens them first.
    allow_unknown_chunksizes : bool
        Whether to trust that unknown lengths along the other axes are alike.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If the shapes do not fit; the message shows them.
    """
    arrays = _arrays(seq, "concatenate")
    if axis is None:
        arrays, axis = [array.ravel() for array in arrays], 0
    axis = normalize_axis(axis, max(array.ndim for array in arrays))
    if len({array.ndim for array in arrays}) > 1:
        raise ValueError(f"cannot concatenate shapes {[array.shape for array in arrays]}: numbers of axes differ")
    common = np.result_type(*(array.dtype for array in arrays))
    arrays = [array.astype(common) for array in arrays]
    if not any(array._opaque for array in arrays):
        try:
            return Array._of(ArrayExpr.concatenate([array._expr for array in arrays], axis))
        except NoKernel:
            pass
    return _opaque(arrays, axis, allow_unknown_chunksizes)


def _opaque(arrays: list[Array], axis: int, trust: bool) -> Array:
    """As `concatenate`, of arrays of one type that native kernels do not know."""
    unknown = frozenset().union(*(array._unknown for array in arrays))
    if unknown - {axis} and len(arrays) > 1 and not trust:
        raise ValueError(
            f"cannot concatenate along axis {axis}: the lengths of the other axes are unknown, shapes are "
            f"{[array.shape for array in arrays]}\nhint: pass allow_unknown_chunksizes=True if they are alike, or "
            "call compute_chunk_sizes() first"
        )
    arrays = _aligned(arrays, axis, unknown)
    kinds = [array._kind for array in arrays if array._kind is not None]
    opaque = bool(unknown) or bool(kinds)
    arrays = [array if array._opaque or not opaque else _as_opaque(array) for array in arrays]
    if opaque and len({array._expr.dtype for array in arrays}) > 1:
        arrays = [_as_opaque(array) for array in arrays]
    expr = ArrayExpr.concatenate([array._expr for array in arrays], axis)
    return Array._of(expr, unknown, kinds[0] if kinds else None)


def _aligned(arrays: list[Array], axis: int, unknown: frozenset[int]) -> list[Array]:
    """The arrays in common blocks along axes of known lengths; the engine only cuts blocks whose shapes it knows."""
    common = {}
    for along in range(arrays[0].ndim):
        if along == axis or along in unknown:
            continue
        if len({array.shape[along] for array in arrays}) > 1:
            shapes = [array.shape for array in arrays]
            raise ValueError(f"cannot concatenate shapes {shapes} along axis {axis}: axis {along} differs")
        common[along] = common_lengths([array.chunks[along] for array in arrays])
    wanted = [{along: own for along, own in common.items() if array.chunks[along] != own} for array in arrays]
    return [array.rechunk(own) if own else array for array, own in zip(arrays, wanted, strict=True)]


def _as_opaque(array: Array) -> Array:
    """The same blocks, kept from native kernels."""
    code, size = dtype_spec(array.dtype, opaque=True)
    blocks: list[int | None] = list(range(array.ndim))
    reason = "joined with blocks that native kernels do not know"
    expr = ArrayExpr.host(
        "opaque",
        "same",
        same_block,
        [(array._expr, blocks)],
        array._expr.chunks,
        code,
        size,
        reason,
        False,
        user_line(),
    )
    return Array._of(expr, array._unknown, array._kind)


def stack(seq: Sequence[Any], axis: int = 0, allow_unknown_chunksizes: bool = False) -> Array:
    """Arrays side by side along a new axis.

    Parameters
    ----------
    seq : sequence of array_like
        Of equal shapes.
    axis : int
        Where the new axis goes.
    allow_unknown_chunksizes : bool
        Whether to trust that unknown lengths are alike.

    Returns
    -------
    Array
    """
    arrays = _arrays(seq, "stack", allow_unknown_chunksizes)
    shapes = [array.shape for array in arrays]
    known = [tuple(-1 if length != length else length for length in shape) for shape in shapes]
    if len(set(known)) > 1:
        other = next(number for number, shape in enumerate(known) if shape != known[0])
        raise ValueError(
            f"Stacked arrays must have the same shape: array 0 has {shapes[0]}, array {other} {shapes[other]}\n"
            "hint: use concatenate"
        )
    axis = normalize_axis(axis, arrays[0].ndim + 1)
    return concatenate([expand_dims(array, axis) for array in arrays], axis, allow_unknown_chunksizes)


def _stacker(name: str, text: str, raised: Any, axis: int) -> Any:
    def function(tup: Sequence[Any], allow_unknown_chunksizes: bool = False) -> Array:
        if isinstance(tup, Array):
            raise NotImplementedError(f"{name} expects a sequence of arrays\nhint: pass list(x), or reshape")
        arrays = [raised(asarray(array)) for array in _arrays(tup, "join")]
        along = 0 if name == "hstack" and arrays[0].ndim == 1 else axis
        return concatenate(arrays, along, allow_unknown_chunksizes)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Arrays {text}.

    Parameters
    ----------
    tup : sequence of array_like
    allow_unknown_chunksizes : bool
        Whether to trust that unknown lengths are alike.

    Returns
    -------
    Array
    """
    return function


vstack = _stacker("vstack", "one below the other", atleast_2d, 0)
hstack = _stacker("hstack", "one beside the other", atleast_1d, 1)
dstack = _stacker("dstack", "one behind the other", atleast_3d, 2)


def block(arrays: Any, allow_unknown_chunksizes: bool = False) -> Array:
    """A block matrix of nested lists of arrays: the innermost lists are joined along the last axis.

    Parameters
    ----------
    arrays : nested list of array_like
    allow_unknown_chunksizes : bool
        Whether to trust that unknown lengths are alike.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If the lists are not nested equally deep, or one is empty.
    TypeError
        If there is a tuple among them.
    """
    depth = _depth(arrays, ())
    leaves = list(_leaves(arrays))
    ndim = max([depth, *(np.ndim(leaf) for leaf in leaves)])

    def joined(entry: Any, level: int) -> Array:
        if not isinstance(entry, list):
            leaf = asarray(entry)
            return leaf[(None,) * (ndim - leaf.ndim)] if leaf.ndim < ndim else leaf
        axis = level - depth
        parts = [joined(part, level + 1) for part in entry]
        # What is empty along the axis adds nothing; its other lengths must fit all the same.
        full = [part for part in parts if part.shape[axis] != 0]
        whole = concatenate(parts, axis, allow_unknown_chunksizes)
        return full[0] if len(full) == 1 and full[0].shape == whole.shape and full[0].dtype == whole.dtype else whole

    return joined(arrays, 0)


def _depth(entry: Any, place: tuple[int, ...]) -> int:
    """How deep lists are nested, everywhere alike."""
    if isinstance(entry, tuple):
        raise TypeError(f"arrays{list(place)} is a tuple\nhint: only lists nest; wrap tuples of numbers in np.array")
    if not isinstance(entry, list):
        return 0
    if not entry:
        raise ValueError(f"List depths are mismatched: the list at arrays{list(place)} is empty\nhint: leave it out")
    depths = {_depth(part, (*place, number)) for number, part in enumerate(entry)}
    if len(depths) > 1:
        raise ValueError(f"List depths are mismatched at arrays{list(place)}: {sorted(depths)}")
    return depths.pop() + 1


def _leaves(entry: Any) -> Any:
    if isinstance(entry, list):
        for part in entry:
            yield from _leaves(part)
    else:
        yield entry


def append(arr: Any, values: Any, axis: int | None = None) -> Array:
    """Values behind an array's.

    Parameters
    ----------
    arr, values : array_like
    axis : int, optional
        None flattens both first.

    Returns
    -------
    Array
    """
    return concatenate([asarray(arr), asarray(values)], axis)
