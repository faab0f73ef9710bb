"""NumPy functions on blocks: what has no native kernel.

Start at `on_blocks`. The classes here are what workers receive: they hold a function and what it is called with, and
know nothing of expressions.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raskal._raskal import ArrayExpr
from raskal.tokenize import tokenize

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def user_line() -> str | None:
    """The line of the user's code that called into the package, ``file:line``."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def dtype_spec(dtype: Any) -> tuple[str, int]:
    """The name under which Rust knows an element type, and its size in bytes."""
    dtype = np.dtype(dtype)
    plain = dtype.kind in "biufc" and dtype.isnative and dtype.names is None
    return (dtype.name if plain else dtype.str), dtype.itemsize


def host(
    name: str,
    function: Callable[..., Any],
    inputs: Sequence[tuple[ArrayExpr, list[int | None]]],
    chunks: Sequence[Sequence[int]],
    dtype: Any,
    reason: str,
    *,
    token: str | None = None,
    transposable: bool = False,
) -> ArrayExpr:
    """An expression whose blocks are ``function(coordinates, *blocks)``."""
    code, size = dtype_spec(dtype)
    token = token or tokenize(function)
    return ArrayExpr.host(
        name,
        token,
        function,
        list(inputs),
        [list(axis) for axis in chunks],
        code,
        size,
        reason,
        transposable,
        user_line(),
    )


class Call:
    """A function of blocks and of values that are the same for every block."""

    def __init__(self, function: Callable[..., Any], values: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.values = list(values)
        self.kwargs = kwargs

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        """Run on one block; None among the values stands for the next block."""
        rest = iter(blocks)
        arguments = [next(rest) if isinstance(value, Block) else value for value in self.values]
        return self.function(*arguments, **self.kwargs)


class Block:
    """Stands for a block among the arguments of a `Call`."""

    def __repr__(self) -> str:
        return "Block()"


class Pick:
    """One of the results of a function that gives several."""

    def __init__(self, function: Callable[..., Any], number: int) -> None:
        self.function = function
        self.number = number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function and take one result."""
        return self.function(*args, **kwargs)[self.number]


def broadcast_map(arg: ArrayExpr, shape: Sequence[int]) -> list[int | None]:
    """Which block of a broadcast operand goes to which block of a result of ``shape``."""
    new = len(shape) - len(arg.shape)
    return [-1 if length == 1 and shape[axis + new] != 1 else axis + new for axis, length in enumerate(arg.shape)]


def elementwise(
    name: str, function: Callable[..., Any], operands: Sequence[Any], dtype: Any, kwargs: dict[str, Any], reason: str
) -> ArrayExpr:
    """A function on broadcast operands; expressions among them are arrays, the rest is passed as it is."""
    arrays = [operand for operand in operands if isinstance(operand, ArrayExpr)]
    aligned = ArrayExpr.align(arrays, name)
    chunks = ArrayExpr.broadcast_chunks(aligned)
    shape = [sum(axis) for axis in chunks]
    values = [Block() if isinstance(operand, ArrayExpr) else operand for operand in operands]
    inputs = [(arg, broadcast_map(arg, shape)) for arg in aligned]
    token = tokenize(function, [value for value in values if not isinstance(value, Block)], kwargs)
    places = "".join("b" if isinstance(value, Block) else "v" for value in values)
    return host(name, Call(function, values, kwargs), inputs, chunks, dtype, reason, token=f"{token}-{places}")
