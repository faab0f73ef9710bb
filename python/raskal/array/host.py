"""NumPy functions on blocks: what has no native kernel.

Start at `on_blocks`. An array made here is *opaque* if a length is unknown or its blocks are no plain NumPy arrays: the
engine is then told an element type that no native kernel takes, so that every later step goes through NumPy as well.
The classes are what workers receive: they hold a function and what it is called with, and know nothing of expressions.
"""

from __future__ import annotations

import ast
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from raskal._raskal import ArrayExpr
from raskal.tokenize import tokenize

if TYPE_CHECKING:
    from raskal.array.collection import Array

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

#: Kinds of element types that native kernels read.
_NUMBERS = "biufc"

#: Length that the engine is told of a block whose length nobody knows.
PLACEHOLDER = 1


def user_line() -> str | None:
    """The line of the user's code that called into the package, ``file:line``."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def dtype_spec(dtype: Any, opaque: bool = False) -> tuple[str, int]:
    """The name under which Rust knows an element type, and its size in bytes; of `opaque` blocks it knows no kernel."""
    dtype = np.dtype(dtype)
    if dtype.kind == "V":
        return _RECORD + repr(np.lib.format.dtype_to_descr(dtype)), dtype.itemsize
    plain = dtype.kind in _NUMBERS and dtype.isnative and not opaque
    return (dtype.name if plain else dtype.str), dtype.itemsize


#: What the name of a record type starts with.
_RECORD = "record:"


def dtype_of(name: str) -> np.dtype[Any]:
    """The element type that Rust knows under a name."""
    if name.startswith(_RECORD):
        return np.lib.format.descr_to_dtype(ast.literal_eval(name.removeprefix(_RECORD)))
    return np.dtype(name)


def _keeps_more(result: np.ndarray[Any, Any]) -> bool:
    """Whether an array is a small view that keeps a large one in memory, which nobody would count."""
    base = result.base
    return isinstance(base, np.ndarray) and base.nbytes > 2 * result.nbytes + 4096


class Task:
    """What a task calls: a function, whose result becomes an array that native kernels can read in place."""

    def __init__(self, function: Callable[..., Any], dtype: np.dtype[Any] | None = None) -> None:
        self.function = function
        #: What was announced, if native kernels may read it.
        self.dtype = dtype

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        """Call the function with the block's place and its operands' blocks."""
        result = self.function(coordinates, *blocks)
        if type(result) is np.ndarray:
            if self.dtype is not None and result.dtype != self.dtype:
                result = _as_announced(result, self.dtype, coordinates)
            return result if result.flags.c_contiguous and not _keeps_more(result) else np.array(result, order="C")
        return np.asarray(result) if isinstance(result, (np.generic, int, float, complex)) else result


def _as_announced(
    result: np.ndarray[Any, Any], dtype: np.dtype[Any], coordinates: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    """A block of numbers as the announced type, unless that would change their kind: floats cut to integers."""
    if result.dtype.kind not in _NUMBERS:
        return result
    if not np.can_cast(result.dtype, dtype, "same_kind"):
        raise TypeError(
            f"the block at {coordinates} has elements of type {result.dtype}, {dtype} was announced\n"
            f"hint: pass dtype={str(result.dtype)!r}, or a meta of that type, to what made the array"
        )
    return result.astype(dtype)


def is_known(chunks: Iterable[Iterable[Any]]) -> bool:
    """Whether all block lengths are numbers."""
    return not any(length != length for axis in chunks for length in axis)


def on_blocks(
    name: str,
    function: Callable[..., Any],
    inputs: Sequence[tuple[Array, Any]],
    chunks: Sequence[Sequence[Any]],
    dtype: Any,
    reason: str,
    *,
    token: str | None = None,
    late: Callable[[], str] | None = None,
    meta: Any = None,
    transposable: bool = False,
) -> Array:
    """An array whose blocks are ``function(coordinates, *blocks)``.

    Parameters
    ----------
    name : str
        For keys and pictures.
    function : callable
    inputs : list of (Array, blocks)
        Which blocks a task takes: for each axis of the operand the result's axis, None for every block along it (then
        given in row-major order) or ``-1 - block``; ``{"tree": lengths}`` for groups of neighbours; or a list of block
        numbers for each block of the result.
    chunks : sequence of sequence of int or nan
        Of the result.
    dtype : dtype
        Of the result.
    reason : str
        Why it runs in Python, for ``explain()``.
    token : str, optional
        Stands for the function's contents in keys.
    late : callable, optional
        Gives that token, if `token` only tells the function from others of this process.
    meta : object, optional
        An empty array of the kind that the blocks are, if that is not NumPy's.
    transposable : bool
        Whether the function has a method ``with_transposed``.

    Returns
    -------
    Array
    """
    from raskal.array.collection import Array

    if meta is not None and type(meta) is np.ndarray:
        meta = None
    unknown = frozenset(axis for axis, lengths in enumerate(chunks) if any(length != length for length in lengths))
    code, size = dtype_spec(dtype, opaque=bool(unknown) or meta is not None)
    announced = np.dtype(dtype) if np.dtype(dtype).kind in _NUMBERS else None
    expr = ArrayExpr.host(
        name,
        token or tokenize(function),
        function if transposable else Task(function, announced),
        [(array._expr, blocks) for array, blocks in inputs],
        [[PLACEHOLDER if axis in unknown else int(length) for length in own] for axis, own in enumerate(chunks)],
        code,
        size,
        reason,
        transposable,
        user_line(),
        late,
    )
    return Array._of(expr, unknown, meta)


class Block:
    """Stands for a block among the arguments of a `Call`."""

    def __repr__(self) -> str:
        return "Block()"


class Call:
    """A function of blocks and of values that are the same for every block."""

    def __init__(self, function: Callable[..., Any], values: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.values = list(values)
        self.kwargs = kwargs

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        """Call the function with the next block in the place of each `Block` among the values."""
        rest = iter(blocks)
        arguments = [next(rest) if isinstance(value, Block) else value for value in self.values]
        return self.function(*arguments, **self.kwargs)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        """What tells one call from another: the places of blocks, not the objects that stand for them."""
        return self.function, ["block" if isinstance(value, Block) else (value,) for value in self.values], self.kwargs


class AlikeCall(Call):
    """A `Call` on blocks of unknown lengths, which must turn out alike: NumPy would stretch a block of one element."""

    def __init__(
        self, function: Callable[..., Any], values: Sequence[Any], kwargs: dict[str, Any], checked: list[list[int]]
    ) -> None:
        super().__init__(function, values, kwargs)
        self.checked = checked

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        """Compare the lengths along the unknown axes, counted from the last, and call the function."""
        lengths: dict[int, int] = {}
        for block, axes in zip(blocks, self.checked, strict=True):
            for axis in axes:
                if lengths.setdefault(axis, block.shape[axis]) != block.shape[axis]:
                    raise ValueError(
                        f"blocks at {coordinates} have shapes {[np.shape(block) for block in blocks]}: their lengths, "
                        f"unknown before, differ along axis {axis}\n"
                        "hint: use arrays that were selected by the same mask"
                    )
        return super().__call__(coordinates, *blocks)


class Pick:
    """One of the results of a function that gives several."""

    def __init__(self, function: Callable[..., Any], number: int) -> None:
        self.function = function
        self.number = number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function and take one result."""
        return self.function(*args, **kwargs)[self.number]


def every_block(array: Array) -> list[int | None]:
    """Block by block: the map of an operand whose axes are the result's."""
    return list(range(array.ndim))


def broadcast_map(array: Array, chunks: Sequence[Sequence[Any]]) -> list[int | None]:
    """Which block of a broadcast operand goes to which block of a result of ``chunks``."""
    new = len(chunks) - array.ndim
    return [
        -1 if len(own) == 1 and len(chunks[axis + new]) != 1 else axis + new for axis, own in enumerate(array.chunks)
    ]


def unify(arrays: Sequence[Array], name: str) -> tuple[list[Array], tuple[tuple[Any, ...], ...]]:
    """Arrays with common chunks along the axes that they share when broadcast, and the chunks of the result.

    Raises
    ------
    ValueError
        If the shapes do not broadcast, or blocks of unknown lengths do not correspond.
    """
    from raskal.array.collection import Array

    if not any(array._unknown for array in arrays):
        aligned = ArrayExpr.align([array._expr for array in arrays], name)
        chunks = ArrayExpr.broadcast_chunks(aligned)
        return [Array._of(expr, frozenset(), array._kind) for expr, array in zip(aligned, arrays, strict=True)], chunks
    ndim = max(array.ndim for array in arrays)
    found: list[tuple[Any, ...]] = []
    for axis in range(-ndim, 0):
        own = [array for array in arrays if array.ndim >= -axis and array.chunks[axis] != (1,)]
        lengths = [array.chunks[axis] for array in own]
        if own and any(axis % array.ndim in array._unknown for array in own):
            known = [entry for entry in lengths if is_known([entry])]
            if known or len({len(entry) for entry in lengths}) > 1:
                raise ValueError(
                    f"{name}: arrays of chunks {[array.chunks for array in arrays]} can't be combined: lengths along "
                    f"axis {axis} are unknown and blocks do not correspond\n"
                    "hint: call compute_chunk_sizes() on the arrays of unknown lengths"
                )
            found.append(lengths[0])
        else:
            found.append(common_lengths(lengths) if lengths else (1,))
    result = []
    for array in arrays:
        wanted = {
            axis: found[axis + ndim - array.ndim]
            for axis in range(array.ndim)
            if axis not in array._unknown and array.chunks[axis] != (1,)
        }
        result.append(array.rechunk(wanted))
    return result, tuple(found)


def common_lengths(axes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The blocks that have a boundary wherever one of ``axes`` has.

    Raises
    ------
    ValueError
        If they do not sum to the same length.
    """
    sums = {sum(axis) for axis in axes}
    if len(sums) > 1:
        raise ValueError(f"chunks {list(axes)} do not sum to the same length\nhint: slice or pad one of the arrays")
    bounds = np.unique(np.concatenate([[0], *(np.cumsum(axis) for axis in axes)]).astype(int))
    return tuple(np.diff(bounds).tolist()) or (0,)


def elementwise(
    name: str,
    function: Callable[..., Any],
    operands: Sequence[Any],
    dtype: Any,
    kwargs: dict[str, Any],
    reason: str,
    meta: Any = None,
) -> Array:
    """A function on broadcast operands; arrays among them go in block by block, the rest as it is."""
    from raskal.array.collection import Array

    arrays = [operand for operand in operands if isinstance(operand, Array)]
    aligned, chunks = unify(arrays, name)
    values = [Block() if isinstance(operand, Array) else operand for operand in operands]
    inputs = [(array, broadcast_map(array, chunks)) for array in aligned]
    if meta is None and any(array._kind is not None for array in arrays):
        metas = [operand._meta if isinstance(operand, Array) else operand for operand in operands]
        with np.errstate(all="ignore"):
            meta = function(*metas, **kwargs)
    call: Call
    if any(array._unknown for array in arrays):
        checked = [[axis - array.ndim for axis in range(array.ndim) if array.chunks[axis] != (1,)] for array in aligned]
        call = AlikeCall(function, values, kwargs, checked)
    else:
        call = Call(function, values, kwargs)
    return on_blocks(name, call, inputs, chunks, dtype, reason, token=tokenize(call), meta=meta)


def empty_like_kind(kind: Any, ndim: int) -> Any:
    """An array of ``ndim`` axes and no elements, of what ``kind``, which has few, is; without axes a number."""
    if not ndim:
        return kind.sum()
    if kind.size:
        kind = kind.reshape(-1)[:0]
    return kind.reshape((0,) * ndim)


def grid(chunks: Sequence[Sequence[Any]]) -> tuple[int, ...]:
    """Number of blocks along each axis."""
    return tuple(len(axis) for axis in chunks)


def block_number(coordinates: Sequence[int], blocks: Sequence[int]) -> int:
    """The number in row-major order of the block at the coordinates of a grid of ``blocks``."""
    number = 0
    for place, count in zip(coordinates, blocks, strict=True):
        number = number * count + int(place)
    return number


def bounds(lengths: Sequence[int]) -> list[int]:
    """Where each block starts, and the end."""
    total = [0]
    for length in lengths:
        total.append(total[-1] + length)
    return total


def product(numbers: Iterable[Any]) -> Any:
    """The product, 1 of nothing."""
    return math.prod(numbers)
