"""The places of the smallest and largest elements, where native kernels do not find them.

Start at `argmin`. Real numbers are searched natively; other types, missing values passed over and unknown lengths here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from raskal._raskal import NoKernel
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import bounds
from raskal.array.reduction import reduced_axes, tree, without_empty
from raskal.array.shape import normalize_axis


class _Best:
    """The best element of a block and its place in the whole array, as records."""

    def __init__(self, name: str, axis: int | None, chunks: Any, shape: tuple[int, ...]) -> None:
        self.name, self.axis, self.shape = name, axis, shape
        self.limits = [bounds(own) for own in chunks]

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        search = getattr(np, self.name.removeprefix("nan"))
        missing = self.name.startswith("nan") and block.dtype.kind in "fc"
        filled = block
        if isinstance(block, np.ma.MaskedArray):
            limit = np.ma.minimum_fill_value if self.name == "argmin" else np.ma.maximum_fill_value
            block = filled = block.filled(limit(block))
        elif missing:
            worst = np.inf if self.name == "nanargmin" else -np.inf
            filled = np.where(np.isnan(block), worst, block)
        if self.axis is None:
            number = int(search(filled))
            at = np.unravel_index(number, block.shape)
            place = np.ravel_multi_index(
                tuple(own + limit[spot] for own, limit, spot in zip(at, self.limits, coordinates, strict=True)),
                self.shape,
            )
            places = np.array(place, np.int64).reshape((1,) * block.ndim)
            values = np.asarray(block[at]).reshape((1,) * block.ndim)
            none = np.isnan(block).all() if missing else False
        else:
            own = np.expand_dims(search(filled, axis=self.axis), self.axis)
            values = np.take_along_axis(block, own, self.axis)
            places = own + self.limits[self.axis][coordinates[self.axis]]
            none = np.isnan(block).all(axis=self.axis, keepdims=True) if missing else False
        result = np.empty(values.shape, [("value", block.dtype), ("place", np.int64), ("none", bool)])
        result["value"], result["place"], result["none"] = values, places, none
        return result


class _Better:
    """The best of several records."""

    def __init__(self, name: str, last: bool) -> None:
        self.name, self.last = name, last

    def __call__(self, records: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        flat = np.moveaxis(records, axis, range(-len(axis), 0))
        kept = flat.shape[: flat.ndim - len(axis)]
        flat = flat.reshape((*kept, math.prod(flat.shape[len(kept) :])))
        # The first of equal elements wins: sorted by place, which blocks of several axes are not.
        order = np.argsort(flat["place"], axis=-1, kind="stable")
        flat = np.take_along_axis(flat, order, -1)
        values = flat["value"]
        if self.name.startswith("nan"):
            worst = np.inf if self.name == "nanargmin" else -np.inf
            values = np.where(flat["none"], worst, values) if values.dtype.kind in "fc" else values
        best = np.expand_dims(getattr(np, self.name.removeprefix("nan"))(values, axis=-1), -1)
        found = np.take_along_axis(flat, best, -1)[..., 0]
        if keepdims:
            found = np.expand_dims(found, axis)
        if not self.last:
            return found
        if self.name.startswith("nan") and flat["none"].all(axis=-1).any():
            raise ValueError("All-NaN slice encountered\nhint: fill missing values, or use argmin/argmax")
        return found["place"]


def _make(name: str, text: str) -> Callable[..., Array]:
    def function(a: Any, axis: Any = None, keepdims: bool = False, split_every: Any = None, out: Any = None) -> Array:
        from raskal.array.ufunc import written

        a = asarray(a)
        if isinstance(axis, tuple):
            raise TypeError(f"{name} takes one axis or None, not {axis}")
        axes = reduced_axes(a, axis)
        if any(place in a._unknown for place in axes):
            raise ValueError(
                f"{name} needs known lengths to count places, the shape is {a.shape}\n"
                "hint: call compute_chunk_sizes() first"
            )
        if any(a.shape[place] == 0 for place in axes):
            raise ValueError(f"attempt to get {name} of an empty sequence: shape {a.shape}, axis {axis}")
        if axis is not None:
            axis = normalize_axis(axis, a.ndim)
        try:
            if name.startswith("nan") and a.dtype.kind == "f" or a._opaque:
                raise NoKernel("missing values are passed over")
            split = split_every if isinstance(split_every, int) and split_every is not False else None
            expr = a._expr.reduce(name.removeprefix("nan"), None if axis is None else [axis], bool(keepdims), split)
            return written(Array._of(expr), out)
        except NoKernel as error:
            a = without_empty(a, axes)
            best = _Best(name, axis, a.chunks, a.shape)
            return written(
                tree(name, a, best, _Better(name, False), _Better(name, True), axes, bool(keepdims), np.int64,
                     split_every, str(error), placed=True),
                out,
            )  # fmt: skip

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""The place of the {text}.

    Parameters
    ----------
    a : array_like
    axis : int, optional
        The place in row-major order of the whole array by default.
    keepdims : bool
        Whether the axis stays, with length 1.
    split_every : int, optional
        How many blocks one task combines.
    out : Array, optional
        Becomes the result.

    Returns
    -------
    Array of int
    """
    return function


argmin = _make("argmin", "smallest element")
argmax = _make("argmax", "largest element")
nanargmin = _make("nanargmin", "smallest element, missing ones passed over")
nanargmax = _make("nanargmax", "largest element, missing ones passed over")
