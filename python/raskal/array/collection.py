"""The lazy array.

`Array` is thin: an expression in Rust, and NumPy's way to write with it. Functions that need more than a line live in
the module of their family; nothing here computes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from raskal._raskal import ArrayExpr, NoKernel
from raskal.array.chunks import Chunks, normalize_chunks
from raskal.array.host import dtype_spec, elementwise
from raskal.array.html import array_html
from raskal.array.indexing import normalize_index
from raskal.base import Collection

#: Functions of NumPy's namespace that arrays answer to, by name; filled from `raskal.array`.
_NUMPY_FUNCTIONS_SKIPPED = {"compute"}


class Array(NDArrayOperatorsMixin, Collection):
    """A lazy n-dimensional array, cut into blocks.

    Made by `raskal.array.from_array`, `ones`, `random.random` and the like, not by calling the class.

    Notes
    -----
    Source: crates/raskal-array/src/expr.rs

    Examples
    --------
    >>> import raskal.array as da
    >>> x = da.ones((4, 6), chunks=(2, 3))
    >>> float((x + 1).sum().compute())
    48.0
    """

    __slots__ = ("_expr",)
    __array_priority__ = 11

    def __init__(self, expr: ArrayExpr) -> None:
        self._expr = expr

    # What is known at once.

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each axis."""
        return self._expr.shape

    @property
    def chunks(self) -> Chunks:
        """Block lengths along each axis."""
        return self._expr.chunks

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return np.dtype(self._expr.dtype)

    @property
    def name(self) -> str:
        """What the keys of the blocks start with."""
        return self._expr.name

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def numblocks(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(len(axis) for axis in self.chunks)

    @property
    def npartitions(self) -> int:
        """Number of blocks."""
        return math.prod(self.numblocks)

    @property
    def chunksize(self) -> tuple[int, ...]:
        """Length of the longest block along each axis."""
        return tuple(max(axis) for axis in self.chunks)

    @property
    def blocks(self) -> BlockView:
        """The array indexed by block instead of by element."""
        return BlockView(self)

    partitions = blocks

    @property
    def T(self) -> Array:
        """The axes turned round."""
        return self.transpose()

    @property
    def real(self) -> Array:
        """Real parts."""
        return self._complex_part("real")

    @property
    def imag(self) -> Array:
        """Imaginary parts."""
        return self._complex_part("imag")

    def _complex_part(self, name: str) -> Array:
        if name == "real" and self.dtype.kind != "c":
            return self
        dtype = np.empty(0, self.dtype).real.dtype
        return Array(elementwise(name, getattr(np, name), [self._expr], dtype, {}, f"no native kernel for {name}"))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __repr__(self) -> str:
        shape = "(" + ", ".join(map(str, self.shape)) + ("," if self.ndim == 1 else "") + ")"
        size = f"{self.chunksize}"
        return f"raskal.array<{self.name.rsplit('-', 1)[0]}, shape={shape}, dtype={self.dtype}, chunksize={size}>"

    def _repr_html_(self) -> str:
        return array_html(self)

    def explain(self) -> str:
        """The expression and the layers that compute it, as text.

        Returns
        -------
        str
            Each layer says whether it runs natively or through NumPy, and why.
        """
        return self._expr.explain()

    # The protocol of collections.

    def __raskal_lower__(self, builder: Any) -> list[int]:
        return self._expr.lower(builder)

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return join_blocks(results, self.chunks, self.shape)

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Array:
        code, size = dtype_spec(self.dtype)
        return Array(ArrayExpr.persisted(prefix, handle, self.chunks, code, size))

    def __dask_tokenize__(self) -> str:
        return self._expr.token

    # NumPy's protocols.

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError("a lazy array can't become a NumPy array without a copy\nhint: leave out copy=False")
        result = np.asarray(self.compute())
        return result if dtype is None else result.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from raskal.array.contraction import matmul
        from raskal.array.ufunc import apply_ufunc

        out = kwargs.pop("out", None)
        if out is not None and any(value is not None for value in out):
            if any(not isinstance(value, Array) for value in out):
                return NotImplemented
            raise NotImplementedError("out= is not supported\nhint: assign the result: x = x + 1")
        if not all(_known(value) for value in inputs):
            return NotImplemented
        if method == "__call__":
            return matmul(*inputs) if ufunc is np.matmul else apply_ufunc(ufunc, *inputs, **kwargs)
        if method == "outer" and len(inputs) == 2:
            left, right = inputs
            spread = (*(slice(None),) * np.ndim(left), *(None,) * np.ndim(right))
            return apply_ufunc(ufunc, left[spread], right, **kwargs)
        if method == "reduce" and ufunc in _REDUCTIONS:
            kwargs.setdefault("axis", 0)
            return getattr(inputs[0], _REDUCTIONS[ufunc])(**kwargs)
        return NotImplemented

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        import raskal.array as module

        for part in func.__module__.split(".")[1:]:
            module = getattr(module, part, module)
        ours = getattr(module, func.__name__, None)
        if ours is None or ours is func or func.__name__ in _NUMPY_FUNCTIONS_SKIPPED:
            raise NotImplementedError(
                f"numpy.{func.__name__} is not supported for lazy arrays\n"
                "hint: call compute() first, or map_blocks if blocks can be treated alone"
            )
        return ours(*args, **kwargs)

    def __bool__(self) -> bool:
        if self.size > 1:
            raise ValueError(
                f"the truth value of an array of shape {self.shape} is ambiguous\nhint: use x.any() or x.all()"
            )
        return bool(self.compute())

    def __int__(self) -> int:
        return int(self._single())

    def __float__(self) -> float:
        return float(self._single())

    def __complex__(self) -> complex:
        return complex(self._single())

    def __index__(self) -> int:
        return self._single().__index__()

    def _single(self) -> Any:
        if self.size != 1:
            raise TypeError(f"only arrays of one element can be converted to a number, not shape {self.shape}")
        return np.asarray(self.compute()).reshape(())[()]

    def __iter__(self) -> Any:
        return (self[number] for number in range(len(self)))

    # Elements, shape and chunks.

    def __getitem__(self, key: Any) -> Array:
        if isinstance(key, Array) and key.dtype.kind in "iu" and key.ndim == 0:
            key = int(key)
        return Array(self._expr.get(normalize_index(key, self.shape)))

    def rechunk(
        self,
        chunks: Any = "auto",
        threshold: Any = None,
        block_size_limit: Any = None,
        balance: bool = False,
        method: Any = None,
    ) -> Array:
        """The same elements in other blocks.

        Parameters
        ----------
        chunks : int, tuple, dict or str
            As of `raskal.array.normalize_chunks`; None along an axis keeps it.
        threshold, method
            Accepted for Dask's sake.
        block_size_limit : int, optional
            Bytes that an automatic block may hold.
        balance : bool
            Must be False.

        Returns
        -------
        Array
        """
        if balance:
            raise NotImplementedError("balance=True is not supported\nhint: pass the block lengths")
        if isinstance(chunks, dict):
            chunks = {axis % self.ndim: entry for axis, entry in chunks.items()}
            chunks = tuple(chunks.get(axis, self.chunks[axis]) for axis in range(self.ndim))
        elif isinstance(chunks, (tuple, list)) and self.ndim == len(chunks):
            chunks = tuple(self.chunks[axis] if entry is None else entry for axis, entry in enumerate(chunks))
        new = normalize_chunks(chunks, self.shape, block_size_limit, self.dtype, self.chunks)
        return Array(self._expr.rechunk(new))

    def astype(self, dtype: Any, **kwargs: Any) -> Array:
        """The elements as another type.

        Parameters
        ----------
        dtype : dtype
        **kwargs
            ``casting``, ``copy`` as of `numpy.ndarray.astype`.

        Returns
        -------
        Array
        """
        dtype = np.dtype(dtype)
        casting = kwargs.pop("casting", "unsafe")
        kwargs.pop("copy", None)
        if kwargs:
            raise TypeError(f"astype() got unknown arguments {sorted(kwargs)}")
        if dtype == self.dtype:
            return self
        if not np.can_cast(self.dtype, dtype, casting=casting):
            raise TypeError(f"cannot cast array from {self.dtype} to {dtype} by the rule {casting!r}")
        try:
            return Array(self._expr.cast(dtype_spec(dtype)[0]))
        except NoKernel as error:
            return Array(elementwise("astype", np.ndarray.astype, [self._expr, dtype], dtype, {}, str(error)))

    def transpose(self, *axes: Any) -> Array:
        """The axes in another order; without arguments turned round.

        Parameters
        ----------
        *axes : int
            Or one tuple of them.

        Returns
        -------
        Array
        """
        if len(axes) == 1 and (axes[0] is None or np.iterable(axes[0])):
            axes = () if axes[0] is None else tuple(axes[0])
        order = None if not axes else [axis + self.ndim if axis < 0 else axis for axis in axes]
        return Array(self._expr.transpose(order))

    def reshape(self, *shape: Any, merge_chunks: bool = True, limit: Any = None) -> Array:
        """The same elements in row-major order under another shape.

        Parameters
        ----------
        *shape : int
            Or one tuple of them; one may be -1.
        merge_chunks, limit
            Accepted for Dask's sake.

        Returns
        -------
        Array

        Raises
        ------
        ValueError
            If the shapes do not hold the same number of elements.
        """
        wanted = list(shape[0]) if len(shape) == 1 and np.iterable(shape[0]) else list(shape)
        if wanted.count(-1) == 1:
            known = -math.prod(wanted)
            if known and self.size % known == 0:
                wanted[wanted.index(-1)] = self.size // known
        if any(length < 0 for length in wanted):
            raise ValueError(f"cannot reshape array of shape {self.shape} into shape {tuple(wanted)}")
        return Array(self._expr.reshape([int(length) for length in wanted]))

    def map_blocks(self, func: Any, *args: Any, **kwargs: Any) -> Array:
        """A function on each block.

        Parameters
        ----------
        func, *args, **kwargs
            As of `raskal.array.map_blocks`.

        Returns
        -------
        Array
        """
        from raskal.array.map_blocks import map_blocks

        return map_blocks(func, self, *args, **kwargs)

    def dot(self, other: Any) -> Array:
        """The matrix product with another array; see `raskal.array.dot`.

        Parameters
        ----------
        other : array_like

        Returns
        -------
        Array
        """
        from raskal.array.contraction import dot

        return dot(self, other)

    def ravel(self) -> Array:
        """The elements along one axis.

        Returns
        -------
        Array, shape (size,)
        """
        return self.reshape(-1)

    flatten = ravel

    def squeeze(self, axis: Any = None) -> Array:
        """Without axes of length 1.

        Parameters
        ----------
        axis : int or tuple of int, optional

        Returns
        -------
        Array
        """
        from raskal.array.shape import squeeze

        return squeeze(self, axis)

    def swapaxes(self, axis1: int, axis2: int) -> Array:
        """Two axes exchanged.

        Parameters
        ----------
        axis1, axis2 : int

        Returns
        -------
        Array
        """
        from raskal.array.shape import swapaxes

        return swapaxes(self, axis1, axis2)

    def clip(self, min: Any = None, max: Any = None) -> Array:
        """Limited to a range; see `raskal.array.clip`.

        Parameters
        ----------
        min, max : array_like, optional

        Returns
        -------
        Array
        """
        from raskal.array.ufunc import clip

        return clip(self, min, max)

    def round(self, decimals: int = 0) -> Array:
        """Rounded; see `raskal.array.round`.

        Parameters
        ----------
        decimals : int

        Returns
        -------
        Array
        """
        from raskal.array.ufunc import round

        return round(self, decimals)

    def conj(self) -> Array:
        """Complex conjugates.

        Returns
        -------
        Array
        """
        from raskal.array.ufunc import apply_ufunc

        return apply_ufunc(np.conjugate, self) if self.dtype.kind == "c" else self

    def copy(self) -> Array:
        """The array itself: it is never written to.

        Returns
        -------
        Array
        """
        return Array(self._expr)


class BlockView:
    """An array indexed by block."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __getitem__(self, key: Any) -> Array:
        array = self._array
        entries = normalize_index(key, array.numblocks)
        for axis, entry in enumerate(entries):
            chosen = np.atleast_1d(np.arange(array.numblocks[axis])[entry])
            bounds = np.concatenate([[0], np.cumsum(array.chunks[axis])])
            elements = [np.arange(bounds[block], bounds[block + 1]) for block in chosen]
            lengths = tuple(len(part) for part in elements)
            selected = np.concatenate([np.empty(0, int), *elements])
            before = (slice(None),) * axis
            if len(chosen) and np.array_equal(selected, np.arange(selected[0], selected[0] + len(selected))):
                array = array[(*before, slice(int(selected[0]), int(selected[-1]) + 1))]
            else:
                array = array[(*before, selected)]
                array = array.rechunk({axis: lengths}) if lengths else array
        return array

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return self._array.numblocks

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


_REDUCTIONS = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.logical_and: "all",
    np.logical_or: "any",
}


def _known(value: Any) -> bool:
    """Whether an operand is one that arrays can work with."""
    if isinstance(value, (Array, np.ndarray, np.generic, int, float, complex, list, tuple)):
        return True
    return not hasattr(value, "__array_ufunc__") and np.isscalar(value)


def join_blocks(blocks: list[Any], chunks: Chunks, shape: tuple[int, ...]) -> Any:
    """One NumPy array of all blocks, which come in row-major order."""
    if len(blocks) == 1:
        (block,) = blocks
        if not isinstance(block, np.ndarray):
            return block
        if block.ndim == 0:
            return block[()]
        return block if block.flags.writeable else block.copy()
    bounds = [np.concatenate([[0], np.cumsum(axis)]).tolist() for axis in chunks]
    result = np.empty_like(blocks[0], shape=shape)
    for block, at in zip(blocks, np.ndindex(*(len(axis) for axis in chunks)), strict=True):
        place = tuple(slice(bounds[axis][number], bounds[axis][number + 1]) for axis, number in enumerate(at))
        if block.shape != result[place].shape:
            raise ValueError(
                f"the block at {at} has shape {block.shape}, its chunks say {result[place].shape}\n"
                "hint: pass chunks= to map_blocks if the function changes the shape"
            )
        result[place] = block
    return result
