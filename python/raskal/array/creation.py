"""Arrays made from nothing, or from what is there already.

Start at `from_array`, `ones` or `arange`. Arrays of plain numbers are made inside the kernels that read them and never
stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np

from raskal._lock import SerializableLock
from raskal._raskal import ArrayExpr, NoKernel
from raskal.array.chunks import Chunks, normalize_chunks
from raskal.array.collection import Array
from raskal.array.host import dtype_spec, on_blocks
from raskal.tokenize import tokenize

_SHAPE = """

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype
    chunks : int, tuple or str
        As of `raskal.array.normalize_chunks`.

    Returns
    -------
    Array
    """


class _Fill:
    """Makes blocks of one value that native kernels do not know."""

    def __init__(self, value: Any, dtype: Any, chunks: Chunks) -> None:
        self.value, self.dtype, self.chunks = value, np.dtype(dtype), chunks

    def __call__(self, coordinates: tuple[int, ...]) -> Any:
        shape = tuple(axis[block] for axis, block in zip(self.chunks, coordinates, strict=True))
        return np.full(shape, self.value, self.dtype)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, chunks: Any = "auto", name: Any = None) -> Array:
    """The same value everywhere.

    Parameters
    ----------
    shape : int or tuple of int
    fill_value : scalar
    dtype : dtype, optional
        By default the value's.
    chunks : int, tuple or str
        As of `raskal.array.normalize_chunks`.
    name : str, optional
        Accepted for Dask's sake; names are made of contents.

    Returns
    -------
    Array
    """
    if np.ndim(fill_value) != 0:
        raise ValueError(
            f"fill_value must be a scalar, got an array of shape {np.shape(fill_value)}\nhint: use broadcast_to"
        )
    dtype = np.dtype(dtype) if dtype is not None else np.asarray(fill_value).dtype
    lengths = normalize_chunks(chunks, shape, dtype=dtype)
    value = np.asarray(fill_value).astype(dtype)[()]
    try:
        plain = value.item() if dtype.kind in "biuf" else value
        return Array._of(ArrayExpr.full(plain, lengths, dtype_spec(dtype)[0]))
    except NoKernel as error:
        return on_blocks("full", _Fill(value, dtype, lengths), [], lengths, dtype, str(error))


def ones(shape: Any, dtype: Any = float, order: Any = "C", *, chunks: Any = "auto", name: Any = None) -> Array:  # noqa: D103
    return full(shape, 1, dtype=dtype or float, chunks=chunks)


def zeros(shape: Any, dtype: Any = float, order: Any = "C", *, chunks: Any = "auto", name: Any = None) -> Array:  # noqa: D103
    return full(shape, 0, dtype=dtype or float, chunks=chunks)


def empty(shape: Any, dtype: Any = float, order: Any = "C", *, chunks: Any = "auto", name: Any = None) -> Array:  # noqa: D103
    return full(shape, 0, dtype=dtype or float, chunks=chunks)


ones.__doc__ = "Ones." + _SHAPE
zeros.__doc__ = "Zeros." + _SHAPE
empty.__doc__ = "Zeros: memory that nobody wrote can't be shared between tasks." + _SHAPE


class _FillLike:
    """Makes blocks of one value in the shape of others."""

    def __init__(self, value: Any, dtype: Any) -> None:
        self.value, self.dtype = value, dtype

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return np.full(block.shape, self.value, self.dtype)


def full_like(
    a: Any,
    fill_value: Any,
    order: Any = "C",
    dtype: Any = None,
    chunks: Any = None,
    name: Any = None,
    shape: Any = None,
) -> Array:
    """The same value everywhere, with another array's shape, type and chunks.

    Parameters
    ----------
    a : array_like
    fill_value : scalar
    order, name
        Accepted for Dask's sake.
    dtype, chunks, shape : optional
        Instead of the array's.

    Returns
    -------
    Array
    """
    a = asarray(a)
    dtype = np.dtype(a.dtype if dtype is None else dtype)
    if a._unknown and shape is None:
        call = _FillLike(fill_value, dtype)
        reason = "blocks of unknown lengths"
        return on_blocks("full_like", call, [(a, list(range(a.ndim)))], a.chunks, dtype, reason)
    if chunks is None:
        chunks = a.chunks if shape is None else "auto"
    return full(a.shape if shape is None else shape, fill_value, dtype=dtype, chunks=chunks)


def _like(value: int, text: str) -> Any:
    def function(
        a: Any, dtype: Any = None, order: Any = "C", chunks: Any = None, name: Any = None, shape: Any = None
    ) -> Array:
        return full_like(a, value, order, dtype, chunks, name, shape)

    function.__doc__ = f"{text} with another array's shape, type and chunks; as `full_like`."
    function.__name__ = function.__qualname__ = text.lower() + "_like"
    return function


ones_like, zeros_like, empty_like = _like(1, "Ones"), _like(0, "Zeros"), _like(0, "Empty")


def arange(
    start: Any = None, /, stop: Any = None, step: Any = 1, *, chunks: Any = "auto", like: Any = None, dtype: Any = None
) -> Array:
    """Evenly spaced numbers from a start to before a stop.

    Parameters
    ----------
    start, stop, step : number
        As of `numpy.arange`.
    chunks : int, tuple or str
        As of `raskal.array.normalize_chunks`.
    like : None
        Accepted for Dask's sake.
    dtype : dtype, optional

    Returns
    -------
    Array, shape (n,)
    """
    if stop is None:
        start, stop = 0, start
    start = 0 if start is None else start
    if step == 0:
        raise ZeroDivisionError("arange needs a step that is not zero")
    count = max(math.ceil((stop - start) / step), 0)
    natural = np.arange(start, start + step, step, dtype=dtype).dtype if dtype is None else np.dtype(dtype)
    lengths = normalize_chunks(chunks, (count,), dtype=natural)
    index = Array._of(ArrayExpr.index(0, lengths))
    whole = all(isinstance(value, (int, np.integer)) for value in (start, step))
    # NumPy multiplies by the difference of the first two elements, which rounding may make other than step.
    difference = int(step) if whole else float((start + step) - start)
    return (index * difference + (int(start) if whole else float(start))).astype(natural)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    chunks: Any = "auto",
    dtype: Any = None,
) -> Any:
    """A number of evenly spaced numbers over an interval.

    Parameters
    ----------
    start, stop : number
    num : int
    endpoint : bool
        Whether the last one is ``stop``.
    retstep : bool
        Whether to return the spacing as well.
    chunks : int, tuple or str
        As of `raskal.array.normalize_chunks`.
    dtype : dtype, optional

    Returns
    -------
    Array, shape (num,), or (Array, float)
    """
    num = int(num)
    spaces = num - 1 if endpoint else num
    step = (stop - start) / spaces if spaces > 0 else float("nan")
    dtype = np.result_type(start, stop, float(num)) if dtype is None else np.dtype(dtype)
    index = Array._of(ArrayExpr.index(0, normalize_chunks(chunks, (num,), dtype=dtype)))
    values = index * float(step) + float(start) if spaces > 0 else index + float(start)
    if endpoint and num > 1:
        from raskal.array.elementwise import where

        values = where(index == num - 1, float(stop), values)
    if dtype.kind in "iu":
        values = np.floor(values)
    values = values.astype(dtype)
    return (values, step) if retstep else values


def eye(N: int, chunks: Any = "auto", M: int | None = None, k: int = 0, dtype: Any = float) -> Array:
    """Ones on a diagonal, zeros elsewhere.

    Parameters
    ----------
    N, M : int
        Rows and columns; as many columns as rows by default.
    chunks : int, tuple or str
        As of `raskal.array.normalize_chunks`.
    k : int
        The diagonal: 0 the main one, positive above it.
    dtype : dtype

    Returns
    -------
    Array, shape (N, M)
    """
    lengths = normalize_chunks(chunks, (int(N), int(N if M is None else M)), dtype=dtype)
    row, column = (Array._of(ArrayExpr.index(axis, lengths)) for axis in (0, 1))
    return (row + int(k) == column).astype(dtype)


class _Cut:
    """Reads blocks of something that can be sliced."""

    def __init__(self, source: Any, bounds: list[list[int]], as_numpy: bool, lock: Any, getter: Any) -> None:
        self.source, self.bounds, self.as_numpy, self.lock, self.getter = source, bounds, as_numpy, lock, getter

    def __call__(self, coordinates: tuple[int, ...]) -> Any:
        place = tuple(slice(axis[block], axis[block + 1]) for axis, block in zip(self.bounds, coordinates, strict=True))
        with self.lock or nullcontext():
            block = self.source[place] if self.getter is None else self.getter(self.source, place)
        return np.ascontiguousarray(block) if self.as_numpy else block


def from_array(
    x: Any,
    chunks: Any = "auto",
    name: Any = None,
    lock: Any = False,
    asarray: bool | None = None,
    fancy: bool = True,
    getitem: Any = None,
    meta: Any = None,
    inline_array: bool = False,
) -> Array:
    """An array of something that has a shape, a type and slices.

    Parameters
    ----------
    x : array_like
        A NumPy array, or an object such as a dataset of a file. It must not be written to afterwards.
    chunks : int, tuple, dict or str
        As of `raskal.array.normalize_chunks`.
    name : str or False, optional
        A name that stands for the contents; False for one that is never the same.
    asarray : bool, optional
        Whether blocks are made NumPy arrays; by default unless they have NumPy's protocols of their own.
    lock : bool or Lock
        Whether one block is read at a time (in each process).
    getitem : callable, optional
        ``getitem(x, slices)`` reads a block, instead of ``x[slices]``.
    meta : type or array_like, optional
        `numpy.ndarray` says that slices are NumPy's arrays.
    fancy, inline_array
        Accepted for Dask's sake.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        If the chunks do not sum to the shape, or ``x`` is a lazy array.
    """
    if isinstance(x, Array):
        raise ValueError("x is a lazy array already\nhint: use asarray or rechunk")
    if lock is True:
        lock = SerializableLock()
    if isinstance(x, (list, tuple, int, float, complex, bool, np.generic)) or not hasattr(x, "shape"):
        x = np.asarray(x)
    if type(x) is np.memmap:
        x = x.view(np.ndarray)
    shape, dtype = tuple(int(length) for length in x.shape), np.dtype(x.dtype)
    lengths = normalize_chunks(chunks, shape, dtype=dtype, previous_chunks=_previous(x, shape))
    plain = type(x) is np.ndarray
    late: Callable[[], str] | None = None
    if isinstance(name, str):
        token = name
    elif name is False:
        token = tokenize(object())
    elif plain and not dtype.hasobject:
        # Memory that is kept is told from other memory by where it lies; its content is read when a name is asked for.
        token = tokenize("memory", x.__array_interface__["data"][0], shape, x.strides, dtype, lengths)
        late = partial(_content_token, x, lengths)
    else:
        token = _content_token(x, lengths)
    bounds = [np.concatenate([[0], np.cumsum(axis)]).astype(int).tolist() for axis in lengths]
    # Whole, or cut along the first axis alone: blocks are views that share the memory.
    shared = getitem is None and plain and x.flags.c_contiguous and all(len(axis) == 1 for axis in lengths[1:])
    if shared:
        code, size = dtype_spec(dtype)
        first = lengths[0] if shape else (1,)
        parts = [x[bounds[0][block] : bounds[0][block + 1]] for block in range(len(first))] if shape else [x]
        prefix = token if isinstance(name, str) else f"array-{token}"
        late_prefix = None if late is None else partial(_content_prefix, x, lengths)
        return Array._of(ArrayExpr.blocks("array", prefix, parts, lengths, code, size, late_prefix))
    as_numpy = asarray if asarray is not None else not hasattr(x, "__array_function__") or plain
    kind = None if as_numpy or meta is np.ndarray else _kind_of(x)
    return on_blocks(
        "array",
        _Cut(x, bounds, as_numpy, lock or None, getitem),
        [],
        lengths,
        dtype,
        "slices of an array",
        token=token,
        late=late,
        meta=kind,
    )


def _content_token(x: Any, lengths: Chunks) -> str:
    """The name of an array by content, in blocks of such lengths."""
    return tokenize(tokenize(x), lengths)


def _content_prefix(x: Any, lengths: Chunks) -> str:
    """As `_content_token`, with what keys start with."""
    return f"array-{_content_token(x, lengths)}"


def _kind_of(x: Any) -> Any:
    """An empty array of the kind that slices of ``x`` are, None for NumPy's."""
    try:
        empty = x[(slice(0, 0),) * len(x.shape)]
    except Exception:  # a source that can't be sliced so tells when it is computed
        return None
    return None if type(empty) is np.ndarray or not hasattr(empty, "dtype") else empty


def _previous(x: Any, shape: tuple[int, ...]) -> Chunks | None:
    """The chunks of a file's dataset, if it has some."""
    block = getattr(x, "chunks", None)
    if block is None or len(block) != len(shape) or not all(isinstance(length, int) for length in block):
        return None
    return normalize_chunks(tuple(block), shape)


def asarray(
    a: Any,
    allow_unknown_chunksizes: bool = False,
    dtype: Any = None,
    order: Any = None,
    *,
    like: Any = None,
    **kwargs: Any,
) -> Array:
    """Anything as a lazy array.

    Parameters
    ----------
    a : array_like
        A list may hold lazy arrays, which are stacked.
    allow_unknown_chunksizes : bool
        Whether to trust that unknown lengths of arrays in lists are alike.
    order, like
        Accepted for Dask's sake.
    dtype : dtype, optional
    **kwargs
        As of `from_array`.

    Returns
    -------
    Array
    """
    if not isinstance(a, Array):
        if isinstance(a, (list, tuple)) and any(isinstance(item, Array) for item in a):
            from raskal.array.join import stack

            items = [asarray(item, allow_unknown_chunksizes) for item in a]
            a = stack(items, allow_unknown_chunksizes=allow_unknown_chunksizes)
        elif hasattr(a, "to_dask_array"):
            a = a.to_dask_array()
        else:
            a = np.asarray(a) if not hasattr(a, "shape") or isinstance(a, np.generic) else a
            if isinstance(a, np.ndarray) and a.ndim == 0 and a.dtype.kind in "bif":
                a = full((), a[()], dtype=a.dtype)
            else:
                a = from_array(a, **{"chunks": "auto", **kwargs})
    return a if dtype is None else a.astype(dtype)


def asanyarray(a: Any, dtype: Any = None, order: Any = None, *, like: Any = None, inline_array: bool = False) -> Array:
    """Anything as a lazy array, with blocks of the kind that its slices are.

    Parameters
    ----------
    a : array_like
    dtype : dtype, optional
    order, like, inline_array
        Accepted for Dask's sake.

    Returns
    -------
    Array
    """
    return asarray(a, dtype=dtype) if isinstance(a, (Array, list, tuple)) else asarray(a, dtype=dtype, asarray=False)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """An array of another library's, through DLPack.

    Parameters
    ----------
    x : object
        With ``__dlpack__``.
    device, copy
        As of `numpy.from_dlpack`.

    Returns
    -------
    Array
    """
    return from_array(np.from_dlpack(x, device=device, copy=copy))


def array(x: Any, dtype: Any = None, ndmin: int | None = None, *, like: Any = None) -> Array:
    """Anything as a lazy array, of a type and with at least a number of axes.

    Parameters
    ----------
    x : array_like
    dtype : dtype, optional
    ndmin : int, optional
        New axes come first.
    like : None
        Accepted for Dask's sake.

    Returns
    -------
    Array
    """
    result = asarray(x, dtype=dtype)
    missing = max((ndmin or 0) - result.ndim, 0)
    return result[(None,) * missing] if missing else result
