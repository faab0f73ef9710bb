"""The lazy array.

`Array` is thin: an expression in Rust, and NumPy's way to write with it. Functions that need more than a line live in
the module of their family and become methods in `raskal.array.methods`; nothing here computes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from raskal._raskal import ArrayExpr, NoKernel
from raskal.array.blockview import BlockView, join_blocks
from raskal.array.chunks import Chunks
from raskal.array.host import dtype_of, dtype_spec, elementwise, empty_like_kind
from raskal.array.html import array_html, chunks_svg
from raskal.base import Collection


class Array(NDArrayOperatorsMixin, Collection):
    """A lazy n-dimensional array, cut into blocks.

    Made by `raskal.array.from_array`, `ones`, `random.random` and the like; calling the class makes one of a graph.

    Parameters
    ----------
    dask : mapping
        A graph, in which the keys ``(name, i, j, ...)`` are blocks.
    name : str
    chunks : int, tuple or str
        As of `raskal.array.normalize_chunks`.
    dtype : dtype, optional
        Of the blocks; `meta`'s by default.
    meta : array_like, optional
        An empty array of the kind that the blocks are.
    shape : tuple of int, optional
        Needed unless ``chunks`` has every block length.

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

    __slots__ = ("_expr", "_kind", "_unknown")
    __array_priority__ = 11

    _expr: ArrayExpr
    #: Axes whose block lengths only computing shows.
    _unknown: frozenset[int]
    #: An empty array of what blocks are, if they are not NumPy's.
    _kind: Any

    def __init__(
        self, dask: Any, name: str, chunks: Any, dtype: Any = None, meta: Any = None, shape: Any = None
    ) -> None:
        from raskal.array.graph import of_graph

        self._replace(of_graph(dask, name, chunks, dtype, meta, shape))

    @classmethod
    def _of(cls, expr: ArrayExpr, unknown: frozenset[int] = frozenset(), kind: Any = None) -> Array:
        """The array of an expression."""
        array = cls.__new__(cls)
        array._expr, array._unknown, array._kind = expr, unknown, kind
        return array

    if TYPE_CHECKING:
        # The methods of raskal.array.methods.
        def __getattr__(self, name: str) -> Any: ...

    # What is known at once.

    @property
    def shape(self) -> tuple[Any, ...]:
        """Length along each axis; nan if it is unknown."""
        shape = self._expr.shape
        return tuple(np.nan if axis in self._unknown else length for axis, length in enumerate(shape))

    @property
    def chunks(self) -> Chunks:
        """Block lengths along each axis; nan if they are unknown."""
        chunks = self._expr.chunks
        if not self._unknown:
            return chunks
        return tuple((np.nan,) * len(own) if axis in self._unknown else own for axis, own in enumerate(chunks))

    @chunks.setter
    def chunks(self, chunks: Any) -> None:
        raise TypeError(f"chunks can't be set\nhint: x = x.rechunk({chunks})")

    @property
    def dask(self) -> Any:
        """The graph that Dask would compute."""
        return self.__dask_graph__()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return dtype_of(self._expr.dtype)

    @property
    def _meta(self) -> Any:
        """An empty array of the kind that the blocks are."""
        if self._kind is None:
            return np.empty((0,) * self.ndim, self.dtype)
        kind = self._kind
        if np.ndim(kind) != self.ndim:
            kind = empty_like_kind(kind, self.ndim)
        return kind if getattr(kind, "dtype", None) == self.dtype else kind.astype(self.dtype)

    @property
    def name(self) -> str:
        """What the keys of the blocks start with."""
        return self._expr.name

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._expr.shape)

    @property
    def size(self) -> Any:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> Any:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def numblocks(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(len(axis) for axis in self._expr.chunks)

    @property
    def npartitions(self) -> int:
        """Number of blocks."""
        return math.prod(self.numblocks)

    @property
    def chunksize(self) -> tuple[Any, ...]:
        """Length of the longest block along each axis."""
        return tuple(max(axis) for axis in self.chunks)

    @property
    def blocks(self) -> BlockView:
        """The array indexed by block instead of by element."""
        return BlockView(self)

    partitions = blocks

    @property
    def vindex(self) -> Any:
        """Indexing by several arrays point by point, as `numpy` does, with the points' axes first."""
        from raskal.array.points import PointView

        return PointView(self)

    @property
    def T(self) -> Array:
        """The axes turned round."""
        return self.transpose()

    @property
    def A(self) -> Array:
        """The array itself, as NumPy's matrices have it."""
        return self

    @property
    def mT(self) -> Array:
        """The last two axes exchanged."""
        from raskal.array.standard import matrix_transpose

        return matrix_transpose(self)

    @property
    def device(self) -> str:
        """Where blocks are: in the memory of processors."""
        return "cpu"

    def to_device(self, device: str, /, *, stream: Any = None) -> Array:
        """The array itself, if it is to be in the memory of processors.

        Parameters
        ----------
        device : {"cpu"}
        stream : None

        Returns
        -------
        Array
        """
        if device != "cpu":
            raise ValueError(f"device {device!r} is not known\nhint: only 'cpu'")
        return self

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
        return elementwise(name, getattr(np, name), [self], dtype, {}, f"no native kernel for {name}")

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        if 0 in self._unknown:
            raise ValueError("the length of the array is unknown\nhint: call compute_chunk_sizes() first")
        return self.shape[0]

    def __repr__(self) -> str:
        shape = "(" + ", ".join(map(str, self.shape)) + ("," if self.ndim == 1 else "") + ")"
        kind = "" if self._kind is None else f", blocks={type(self._kind).__name__}"
        name = self.name.rsplit("-", 1)[0]
        return f"raskal.array<{name}, shape={shape}, dtype={self.dtype}, chunksize={self.chunksize}{kind}>"

    def _repr_html_(self) -> str:
        return array_html(self)

    def to_svg(self, size: int = 160) -> str:
        """The picture of notebooks: how the array is cut.

        Parameters
        ----------
        size : int
            Of the longest side, in pixels.

        Returns
        -------
        str
            An SVG element.
        """
        return chunks_svg(self.chunks, size)

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
        code, size = dtype_spec(self.dtype, opaque=self._opaque)
        return Array._of(ArrayExpr.persisted(prefix, handle, self._expr.chunks, code, size), self._unknown, self._kind)

    def __reduce__(self) -> Any:
        """The array as a graph, which computes it in another process too: everything that it is made of travels."""
        from raskal.array.graph import of_pickle

        keys = self.__dask_keys__()
        return of_pickle, (dict(self.__dask_graph__()), keys, self.name, self.chunks, self.dtype, self._kind)

    def __copy__(self) -> Array:
        return Array._of(self._expr, self._unknown, self._kind)

    def __deepcopy__(self, memo: Any) -> Array:
        return self.__copy__()

    def __dask_tokenize__(self) -> str:
        return self._expr.token

    @property
    def _opaque(self) -> bool:
        """Whether native kernels can't read the blocks."""
        return bool(self._unknown) or self._kind is not None

    @property
    def _by_hand(self) -> bool:
        """Whether blocks are rearranged one by one: lengths are unknown, or NumPy's copies do not know their kind."""
        return bool(self._unknown) or (self._kind is not None and not isinstance(self._kind, np.ndarray))

    def _replace(self, other: Array) -> Array:
        """Become another array of the same shape."""
        self._expr, self._unknown, self._kind = other._expr, other._unknown, other._kind
        return self

    def _same_kind(self, expr: ArrayExpr) -> Array:
        """An array of known lengths whose blocks are of this one's kind."""
        return Array._of(expr, frozenset(), self._kind)

    def _require_known(self, what: str) -> None:
        if self._unknown:
            raise ValueError(
                f"{what} needs known lengths, the array has shape {self.shape}\n"
                "hint: call compute_chunk_sizes() first, which computes them"
            )

    # NumPy's protocols.

    def __array__(self, dtype: Any = None, copy: bool | None = None, **kwargs: Any) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError("a lazy array can't become a NumPy array without a copy\nhint: leave out copy=False")
        result = np.asarray(self.compute())
        return result if dtype is None else result.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from raskal.array.protocols import array_ufunc

        return array_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from raskal.array.protocols import array_function

        return array_function(func, types, args, kwargs)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        import raskal.array as module

        return module

    def __dlpack__(self, **kwargs: Any) -> Any:
        """The computed array for another library."""
        return np.asarray(self.compute()).__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Where the computed array will be: in the memory of processors."""
        return np.empty(0).__dlpack_device__()

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
        if not self.shape:
            raise TypeError("iteration over a 0-d array\nhint: x.compute() is its number")
        return (self[number] for number in range(len(self)))

    # Elements, shape and chunks.

    def __getitem__(self, key: Any) -> Array:
        from raskal.array.indexing import get_item

        return get_item(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        from raskal.array.assignment import assigned

        self._replace(assigned(self, key, value))

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
            Whether to make the blocks along an axis about equally long.

        Returns
        -------
        Array

        Raises
        ------
        ValueError
            If the chunks do not sum to the shape, or an axis of unknown length would change.
        """
        from raskal.array.rechunk import rechunked

        return rechunked(self, chunks, block_size_limit, balance)

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
        extra = set(kwargs) - {"copy", "order", "subok"}
        if extra:
            raise TypeError(f"astype() got unknown arguments {sorted(extra)}\nhint: casting= and copy= are known")
        if dtype == self.dtype:
            return self
        if not np.can_cast(self.dtype, dtype, casting=casting):
            raise TypeError(f"cannot cast array from {self.dtype!r} to {dtype!r} according to the rule {casting!r}")
        try:
            return Array._of(self._expr.cast(dtype_spec(dtype)[0]))
        except NoKernel as error:
            return elementwise("astype", _astype, [self, dtype], dtype, {}, str(error))

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
        order = [int(axis) + self.ndim if axis < 0 else int(axis) for axis in axes] or list(range(self.ndim))[::-1]
        if not self._by_hand:
            return self._same_kind(self._expr.transpose(order))
        from raskal.array.opaque import transposed

        return transposed(self, order)

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
        if self._unknown:
            from raskal.array.opaque import reshaped

            return reshaped(self, tuple(wanted))
        if wanted.count(-1) == 1:
            known = -math.prod(wanted)
            if known and self.size % known == 0:
                wanted[wanted.index(-1)] = self.size // known
        if any(length < 0 for length in wanted):
            raise ValueError(f"cannot reshape array of shape {self.shape} into shape {tuple(wanted)}")
        return self._same_kind(self._expr.reshape([int(length) for length in wanted]))

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

    def map_overlap(self, func: Any, depth: Any, boundary: Any = None, trim: bool = True, **kwargs: Any) -> Array:
        """A function on each block with some of its neighbours' elements.

        Parameters
        ----------
        func, depth, boundary, trim, **kwargs
            As of `raskal.array.map_overlap`.

        Returns
        -------
        Array
        """
        from raskal.array.overlap import map_overlap

        return map_overlap(func, self, depth=depth, boundary=boundary, trim=trim, **kwargs)

    def to_backend(self, backend: str | None = None, **kwargs: Any) -> Array:
        """The blocks as arrays of a library.

        Parameters
        ----------
        backend : {"numpy", "cupy"}, optional
        **kwargs
            Given to the library's ``asarray``.

        Returns
        -------
        Array
        """
        from raskal.array.kinds import to_backend

        return to_backend(self, backend or "numpy", kwargs)

    def to_dask_dataframe(self, columns: Any = None, index: Any = None, meta: Any = None) -> Any:
        """The rows as a dataframe of `raskal.dataframe`.

        Parameters
        ----------
        columns : list or str, optional
            Names.
        index : None
            Rows are numbered.
        meta : DataFrame, optional

        Returns
        -------
        DataFrame or Series
        """
        from raskal.dataframe import from_array

        if index is not None:
            raise NotImplementedError("index= is not supported\nhint: df.set_index, or compute and pass it to pandas")
        return from_array(self, columns=columns, meta=meta)

    def copy(self) -> Array:
        """The array as it is now; assignments to the copy do not show in it.

        Returns
        -------
        Array
        """
        return Array._of(self._expr, self._unknown, self._kind)

    def conj(self) -> Array:
        """Complex conjugates.

        Returns
        -------
        Array
        """
        from raskal.array.ufunc import apply_ufunc

        return apply_ufunc(np.conjugate, self) if self.dtype.kind == "c" else self

    def compute_chunk_sizes(self) -> Array:
        """Compute the lengths that are unknown, in place.

        Returns
        -------
        Array
            The array itself.
        """
        from raskal.array.opaque import with_lengths

        return self._replace(with_lengths(self)) if self._unknown else self

    def to_delayed(self, optimize_graph: bool = True) -> np.ndarray[Any, Any]:
        """The blocks as delayed objects.

        Parameters
        ----------
        optimize_graph : bool
            Accepted for Dask's sake.

        Returns
        -------
        numpy.ndarray of Delayed
            In the shape of `numblocks`.
        """
        from raskal.array.delayed import to_delayed

        return to_delayed(self)


def _astype(block: Any, dtype: Any) -> Any:
    return block.astype(dtype)
