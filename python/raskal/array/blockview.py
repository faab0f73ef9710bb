"""An array by its blocks: chosen ones, and all of them joined.

Start at `BlockView` and `join_blocks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from raskal.array.chunks import Chunks
    from raskal.array.collection import Array


class BlockView:
    """An array indexed by block."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __getitem__(self, key: Any) -> Array:
        from raskal.array.opaque import chosen_blocks

        key = key if isinstance(key, tuple) else (key,)
        if any(entry is None for entry in key):
            raise ValueError("blocks can't be indexed by None: a new axis has no block\nhint: index the result instead")
        if sum(np.ndim(entry) > 0 for entry in key if not isinstance(entry, slice)) > 1:
            raise ValueError("only one list of blocks at a time\nhint: x.blocks[rows].blocks[:, columns]")
        if Ellipsis in [entry for entry in key if not np.ndim(entry)]:
            place = [entry is Ellipsis for entry in key].index(True)
            whole = (slice(None),) * (self._array.ndim - len(key) + 1)
            key = (*key[:place], *whole, *key[place + 1 :])
        if len(key) > self._array.ndim:
            raise IndexError(f"too many indices for blocks of {self._array.ndim} axes: {len(key)}")
        chosen: list[list[int]] = []
        for axis, count in enumerate(self.shape):
            entry = key[axis] if axis < len(key) else slice(None)
            chosen.append(np.atleast_1d(np.arange(count)[entry]).tolist())
        return chosen_blocks(self._array, chosen)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockView) and self._array.name == other._array.name

    __hash__ = None  # type: ignore[assignment]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return self._array.numblocks

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._array.ndim

    @property
    def size(self) -> int:
        """Number of blocks."""
        return self._array.npartitions

    def ravel(self) -> list[Array]:
        """Each block as an array, in row-major order.

        Returns
        -------
        list of Array
        """
        return [self[at] for at in np.ndindex(self.shape)]


def join_blocks(blocks: list[Any], chunks: Chunks, shape: tuple[Any, ...]) -> Any:
    """One array of all blocks, which come in row-major order."""
    if len(blocks) == 1:
        (block,) = blocks
        if not isinstance(block, np.ndarray):
            return block
        if block.ndim == 0:
            return block[()]
        # What a source or a persisted array holds must not change with the result.
        return block.copy()
    for block, at in zip(blocks, np.ndindex(*(len(axis) for axis in chunks)), strict=True):
        if block is None:
            raise TypeError(f"the block at {at} is None, not an array\nhint: return an array from the function")
    if any(type(block) is not np.ndarray for block in blocks) or any(length != length for length in shape):
        return nested_join(blocks, tuple(len(axis) for axis in chunks))
    bounds = [np.concatenate([[0], np.cumsum(axis)]).tolist() for axis in chunks]
    result = np.empty_like(blocks[0], shape=shape)
    for block, at in zip(blocks, np.ndindex(*(len(axis) for axis in chunks)), strict=True):
        place = tuple(slice(bounds[axis][number], bounds[axis][number + 1]) for axis, number in enumerate(at))
        if block.shape != result[place].shape:
            raise ValueError(
                f"the block at {at} has shape {block.shape}, its chunks say {result[place].shape}\n"
                "hint: pass chunks= to map_blocks if the function changes the shape; a source must give the slice that "
                "it is asked for"
            )
        result[place] = block
    return result


def nested_join(blocks: list[Any], grid: tuple[int, ...]) -> Any:
    """Blocks in row-major order of a grid, joined along every axis from the last to the first."""
    for axis in reversed(range(len(grid))):
        count = grid[axis]
        blocks = [
            concatenate_blocks(blocks[first : first + count], axis) for first in range(0, len(blocks), max(count, 1))
        ]
    return blocks[0]


def concatenate_blocks(blocks: list[Any], axis: int) -> Any:
    """Arrays of any kind, one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    if any(isinstance(block, np.ma.MaskedArray) for block in blocks):
        return np.ma.concatenate(blocks, axis=axis)
    if any(type(block).__module__.partition(".")[0] == "scipy" for block in blocks):
        import scipy.sparse

        return (scipy.sparse.vstack if axis == 0 else scipy.sparse.hstack)(blocks)
    return np.concatenate(blocks, axis=axis)
