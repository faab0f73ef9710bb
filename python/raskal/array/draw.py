"""Drawing the random numbers of one block.

Start at `drawn`. Each block has its own stream of NumPy's generators, spawned from the seed by the block's number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.chunks import Chunks, normalize_chunks
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import Block, block_number, broadcast_map, on_blocks
from raskal.tokenize import tokenize


class Draw:
    """Draws the numbers of one block."""

    def __init__(
        self, legacy: bool, seed: tuple[Any, tuple[int, ...]], method: str, args: Any, kwargs: Any, chunks: Chunks
    ) -> None:
        self.legacy, self.seed, self.method = legacy, seed, method
        self.args, self.kwargs, self.chunks = args, kwargs, chunks

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        """Draw the block at the coordinates, with blocks of the parameters that are arrays."""
        at = coordinates[: len(self.chunks)]
        shape = tuple(axis[block] for axis, block in zip(self.chunks, at, strict=True))
        entropy, key = self.seed
        number = block_number(at, [len(axis) for axis in self.chunks])
        sequence = np.random.SeedSequence(entropy, spawn_key=(*key, number))
        source: Any
        if self.legacy:
            source = np.random.RandomState(np.random.MT19937(sequence))
        else:
            source = np.random.Generator(np.random.PCG64(sequence))
        rest = iter(blocks)
        args = [next(rest) if isinstance(value, Block) else value for value in self.args]
        kwargs = {name: next(rest) if isinstance(value, Block) else value for name, value in self.kwargs.items()}
        return getattr(source, self.method)(*args, size=shape, **kwargs)


def drawn(
    legacy: bool, seed: Any, method: str, args: tuple[Any, ...], size: Any, chunks: Any, kwargs: dict[str, Any],
    whole: tuple[str, ...] = (),
) -> Array:  # fmt: skip
    """An array of random numbers; parameters that are arrays are broadcast against ``size``.

    ``whole`` names keyword parameters that every block gets as they are.
    """
    spread = [value for value in (*args, *(kwargs[name] for name in kwargs if name not in whole)) if _is_array(value)]
    arrays = [asarray(value) for value in spread]
    if size is None and arrays:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        if chunks == "auto":
            chunks = arrays[0].chunks if arrays[0].shape == shape else chunks
    else:
        shape = () if size is None else tuple(int(length) for length in (size if np.iterable(size) else (size,)))
        shapes = [array.shape for array in arrays]
        if not all(_fits(own, shape) for own in shapes):
            raise ValueError(
                f"parameters of shapes {shapes} do not fit size={size}\nhint: size must be what they broadcast to"
            )
    one = [np.ones(1, np.asarray(value).dtype if not isinstance(value, Array) else value.dtype) for value in spread]
    rest = iter(one)
    tiny_args = [next(rest) if _is_array(value) else value for value in args]
    tiny_kwargs = {
        name: next(rest) if name not in whole and _is_array(value) else value for name, value in kwargs.items()
    }
    probe = Draw(legacy, (0, ()), method, tiny_args, tiny_kwargs, ((1,),))
    with np.errstate(all="ignore"):
        tiny = probe((0,))
    lengths = normalize_chunks(chunks, shape, dtype=tiny.dtype)
    inputs: list[tuple[Array, Any]] = []
    for array in arrays:
        new = len(shape) - array.ndim
        own = array.rechunk({axis: lengths[axis + new] for axis in range(array.ndim) if array.shape[axis] != 1})
        inputs.append((own, broadcast_map(own, lengths)))
    placed = [Block() if _is_array(value) else value for value in args]
    named = {name: Block() if name not in whole and _is_array(value) else value for name, value in kwargs.items()}
    extra = [(length,) for length in tiny.shape[1:]]
    call = Draw(legacy, seed, method, placed, named, lengths)
    stamps = [str(value) if isinstance(value, Block) else value for value in placed]
    stamped = {name: str(value) if isinstance(value, Block) else value for name, value in named.items()}
    token = tokenize(legacy, str(seed), method, stamps, stamped, lengths)
    return on_blocks(
        method, call, inputs, [*lengths, *extra], tiny.dtype, "random numbers by NumPy's generators", token=token
    )


def _fits(own: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether an array of a shape can be stretched to another."""
    pairs = zip(reversed(own), reversed(shape), strict=False)
    return len(own) <= len(shape) and all(length in (1, wanted) for length, wanted in pairs)


def _is_array(value: Any) -> bool:
    return isinstance(value, Array) or (not isinstance(value, str) and np.ndim(value) > 0)
