"""Masked arrays: blocks are `numpy.ma.MaskedArray`, and so is the result.

Start at `masked_array`. Everything runs through NumPy on the blocks; what is masked is left out of reductions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray as _asarray
from raskal.array.creation import full
from raskal.array.host import elementwise, every_block, on_blocks
from raskal.array.reduction import reduced_axes, tree
from raskal.array.reductions import _add, _count

_REASON = "masked blocks"


def _masked_meta(dtype: Any, ndim: int) -> Any:
    return np.ma.masked_array(np.empty((0,) * ndim, dtype), mask=np.empty((0,) * ndim, bool))


def _result(name: str, function: Callable[..., Any], operands: list[Any], dtype: Any, kwargs: dict[str, Any]) -> Array:
    ndim = max(operand.ndim for operand in operands if isinstance(operand, Array))
    return elementwise(name, function, operands, dtype, kwargs, _REASON, meta=_masked_meta(dtype, ndim))


def _lazy(value: Any) -> Any:
    return value if isinstance(value, (Array, int, float, complex, bool)) else _asarray(value)


def masked_array(data: Any, mask: Any = np.ma.nomask, fill_value: Any = None, **kwargs: Any) -> Array:
    """An array with a mask.

    Parameters
    ----------
    data : array_like
    mask : array_like of bool
        Where elements are left out.
    fill_value : scalar, optional
        What stands for them where a plain array is needed.
    **kwargs
        ``chunks`` of data that is not lazy, and ``dtype`` as of `numpy.ma.masked_array`.

    Returns
    -------
    Array
    """
    chunks = kwargs.pop("chunks", "auto")
    data = data if isinstance(data, Array) else _asarray(data, chunks=chunks)
    dtype = np.dtype(kwargs.pop("dtype", None) or data.dtype)
    extra = set(kwargs) - {"keep_mask", "hard_mask", "shrink", "copy", "subok", "ndmin"}
    if extra:
        raise TypeError(f"masked_array() got unknown arguments {sorted(extra)}")
    if fill_value is not None:
        if isinstance(fill_value, Array) or np.ndim(fill_value):
            raise NotImplementedError("an array as fill_value is not supported\nhint: fill with ma.where or filled()")
        kwargs["fill_value"] = fill_value
    kwargs["dtype"] = dtype
    if mask is np.ma.nomask:
        return _result("masked_array", np.ma.masked_array, [data], dtype, kwargs)
    mask = mask if isinstance(mask, Array) or np.ndim(mask) == 0 else _asarray(mask, chunks=data.chunks)
    mask = _asarray(mask)
    if mask.shape not in (data.shape, ()) and mask.size != 1:
        raise np.ma.MaskError(
            f"Mask and data not compatible: data shape is {data.shape}, and mask shape is {mask.shape}."
        )
    if mask.size == 1:
        mask = mask.reshape(())
    return _result("masked_array", _with_mask, [data, mask.astype(bool)], dtype, kwargs)


def _with_mask(data: Any, mask: Any, **kwargs: Any) -> Any:
    return np.ma.masked_array(data, mask=np.broadcast_to(mask, data.shape), **kwargs)


def _comparison(name: str) -> Callable[..., Array]:
    function = getattr(np.ma, name)

    def masked(x: Any, value: Any) -> Array:
        x = _asarray(x)
        if np.ndim(value) or isinstance(value, Array) and value.ndim:
            raise ValueError(f"{name} takes a single value, got shape {np.shape(value)}")
        return _result(name, function, [x, value], x.dtype, {})

    masked.__name__ = masked.__qualname__ = name
    masked.__doc__ = f"Elements masked as by `numpy.ma.{name}`."
    return masked


masked_equal = _comparison("masked_equal")


def _compared(name: str, ufunc: np.ufunc) -> Callable[..., Array]:
    def masked(x: Any, value: Any, copy: bool = True) -> Array:
        return masked_where(ufunc(_asarray(x), value), x)

    masked.__name__ = masked.__qualname__ = name
    masked.__doc__ = f"Elements masked as by `numpy.ma.{name}`."
    return masked


masked_greater = _compared("masked_greater", np.greater)
masked_greater_equal = _compared("masked_greater_equal", np.greater_equal)
masked_less = _compared("masked_less", np.less)
masked_less_equal = _compared("masked_less_equal", np.less_equal)
masked_not_equal = _compared("masked_not_equal", np.not_equal)


def masked_invalid(a: Any) -> Array:
    """NaN and infinities masked."""
    a = _asarray(a)
    return _result("masked_invalid", np.ma.masked_invalid, [a], a.dtype, {})


def masked_inside(x: Any, v1: Any, v2: Any) -> Array:
    """Elements from ``v1`` to ``v2`` masked."""
    x = _asarray(x)
    return _result("masked_inside", np.ma.masked_inside, [x, v1, v2], x.dtype, {})


def masked_outside(x: Any, v1: Any, v2: Any) -> Array:
    """Elements below ``v1`` or above ``v2`` masked."""
    x = _asarray(x)
    return _result("masked_outside", np.ma.masked_outside, [x, v1, v2], x.dtype, {})


def masked_where(condition: Any, a: Any) -> Array:
    """Elements masked where a condition is true.

    Parameters
    ----------
    condition : array_like of bool
    a : array_like

    Returns
    -------
    Array
    """
    condition, a = _asarray(condition), _asarray(a)
    if condition.ndim and str(condition.shape) != str(a.shape):
        raise IndexError(
            f"Inconsistent shape between the condition and the input (got {condition.shape} and {a.shape})"
        )
    return _result("masked_where", _masked_where, [condition, a], a.dtype, {})


def _masked_where(condition: Any, a: Any) -> Any:
    return np.ma.masked_where(np.broadcast_to(condition, a.shape), a)


def masked_values(x: Any, value: Any, rtol: float = 1e-05, atol: float = 1e-08, shrink: bool = True) -> Array:
    """Elements about equal to a value masked."""
    x = _asarray(x)
    if np.ndim(value):
        raise ValueError(f"masked_values takes a single value, got shape {np.shape(value)}")
    kwargs = {"rtol": rtol, "atol": atol, "shrink": shrink}
    return _result("masked_values", np.ma.masked_values, [x, value], x.dtype, kwargs)


def fix_invalid(a: Any, fill_value: Any = None) -> Array:
    """NaN and infinities masked, and replaced by the fill value below the mask."""
    a = _asarray(a)
    return _result("fix_invalid", np.ma.fix_invalid, [a], a.dtype, {"fill_value": fill_value})


def filled(a: Any, fill_value: Any = None) -> Array:
    """A plain array, with the fill value where elements are masked.

    Parameters
    ----------
    a : array_like
    fill_value : scalar, optional
        By default the array's own.

    Returns
    -------
    Array
    """
    return _plain("filled", np.ma.filled, a, None, fill_value=fill_value)


def getdata(a: Any) -> Array:
    """The elements, masked ones too, without the mask."""
    return _plain("getdata", np.ma.getdata, a, None)


def getmaskarray(a: Any) -> Array:
    """The mask as an array of truth values."""
    return _plain("getmaskarray", np.ma.getmaskarray, a, bool)


def _plain(name: str, function: Callable[..., Any], a: Any, dtype: Any, **kwargs: Any) -> Array:
    a = _asarray(a)
    call = _Call(function, kwargs)
    return on_blocks(name, call, [(a, every_block(a))], a.chunks, dtype or a.dtype, _REASON)


class _Call:
    """A function of one block."""

    def __init__(self, function: Callable[..., Any], kwargs: dict[str, Any]) -> None:
        self.function, self.kwargs = function, kwargs

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return self.function(block, **self.kwargs)


def set_fill_value(a: Array, fill_value: Any) -> None:
    """Set what stands for masked elements where a plain array is needed, in place; does nothing to plain arrays."""
    if isinstance(fill_value, Array) or np.ndim(fill_value):
        raise ValueError(f"fill_value is one value, got {fill_value!r}")
    if a._kind is None:
        return
    # NumPy refuses values that the type can't hold.
    np.ma.set_fill_value(np.ma.masked_array([], dtype=a.dtype), fill_value)
    a._replace(_result("set_fill_value", _set_fill_value, [a], a.dtype, {"fill_value": fill_value}))


def _set_fill_value(block: Any, fill_value: Any) -> Any:
    block = block.copy()
    np.ma.set_fill_value(block, fill_value)
    return block


def count(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None) -> Array:
    """How many elements are not masked, along axes."""
    a = _asarray(a)
    axes = reduced_axes(a, axis)
    return tree("count", a, _count, _add, _add, axes, keepdims, np.int64, split_every, _REASON)


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False) -> Any:
    """The weighted mean along axes of what is not masked; as `raskal.array.average`."""
    a = _asarray(a)
    if weights is None:
        result = a.mean(axis=axis, keepdims=keepdims)
        return (result, count(a, axis, keepdims).astype(result.dtype)) if returned else result
    from raskal.array.shape import broadcast_to

    weights = _asarray(weights)
    if weights.shape != a.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        weights = weights[tuple(slice(None) if place == axis % a.ndim else None for place in range(a.ndim))]
        weights = broadcast_to(weights, a.shape)
    kept = masked_where(getmaskarray(a), weights) if a._kind is not None else weights
    total = kept.sum(axis=axis, keepdims=keepdims)
    result = (a * kept).sum(axis=axis, keepdims=keepdims) / total
    return (result, total) if returned else result


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """As `raskal.array.where`, keeping masks."""
    if x is None and y is None:
        return nonzero(condition)
    operands = [_asarray(condition), _lazy(x), _lazy(y)]
    types = [np.empty(0, value.dtype) if isinstance(value, Array) else value for value in operands[1:]]
    return _result("where", np.ma.where, operands, np.result_type(*types), {})


def nonzero(a: Any) -> tuple[Array, ...]:
    """The indices of elements that are neither zero nor masked, an array for each axis."""
    from raskal.array.selection import nonzero as plain

    return plain(filled(_asarray(a), 0))


def _like(value: int, name: str) -> Callable[..., Array]:
    def function(a: Any, **kwargs: Any) -> Array:
        a = _asarray(a)
        dtype = np.dtype(kwargs.pop("dtype", None) or a.dtype)
        base = full(
            kwargs.pop("shape", None) or a.shape, value, dtype=dtype, chunks=kwargs.pop("chunks", None) or a.chunks
        )
        if a._kind is not None and base.shape == a.shape:
            return masked_array(base, getmaskarray(a))
        return masked_array(base)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"A masked array of the shape, type and mask of another; as `numpy.ma.{name}`."
    return function


ones_like, zeros_like, empty_like = _like(1, "ones_like"), _like(0, "zeros_like"), _like(0, "empty_like")


def __getattr__(name: str) -> Any:
    """Say what to use instead of what Dask has and this module has not."""
    from raskal.array.elsewhere import missing

    raise missing(__name__, name, list(globals()))
