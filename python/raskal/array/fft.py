"""Fourier transforms along axes that are one block each.

Start at `fft_wrap`, which makes each function from NumPy's or SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal._raskal import ArrayExpr
from raskal.array.chunks import normalize_chunks
from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import every_block, on_blocks
from raskal.array.rearrange import roll
from raskal.array.shape import normalize_axis

_KINDS = (
    "fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn".split()
)  # fmt: skip


class Transform:
    """A transform of a block."""

    def __init__(self, function: Callable[..., Any], kwargs: dict[str, Any], dtype: Any) -> None:
        self.function, self.kwargs, self.dtype = function, kwargs, dtype

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return self.function(block, **self.kwargs).astype(self.dtype, copy=False)


def fft_wrap(fft_func: Callable[..., Any], kind: str | None = None, dtype: Any = None) -> Callable[..., Array]:
    """A lazy transform of NumPy's or SciPy's function.

    Parameters
    ----------
    fft_func : callable
        Such as `scipy.fft.fft`.
    kind : str, optional
        Which transform it is; its name by default.
    dtype : dtype, optional
        Of the result.

    Returns
    -------
    callable
        With the function's parameters; the transformed axes must be one block each.
    """
    kind = kind or fft_func.__name__
    if kind not in _KINDS:
        raise ValueError(f"unknown transform {kind!r}\nhint: one of {_KINDS}")
    several = kind[-1] in "2n"

    def transform(a: Any, s: Any, axes: Any, norm: Any) -> Array:
        a = asarray(a)
        if axes is None:
            axes = (-2, -1) if kind.endswith("2") else tuple(range(a.ndim) if s is None else range(-len(s), 0))
        places = [normalize_axis(axis, a.ndim) for axis in axes]
        if not places:
            return a
        if len(set(places)) < len(places):
            raise ValueError(f"axes={tuple(axes)} name an axis twice\nhint: each axis once")
        for place in places:
            if a.numblocks[place] > 1:
                raise ValueError(
                    f"{kind} along axis {place} needs it in one block, its chunks are {a.chunks[place]}\n"
                    f"hint: x.rechunk({{{place}: -1}}) first"
                )
        kwargs: dict[str, Any] = {"s": s, "axes": tuple(axes)} if several else {"n": s, "axis": axes[0]}
        if several and s is None:
            kwargs.pop("s")
        kwargs["norm"] = norm
        sample = np.ones([8 if place in places else 1 for place in range(a.ndim)], a.dtype)
        sizes = {**kwargs, "s": None} if several and s is not None else kwargs
        sizes = {key: value for key, value in sizes.items() if key not in ("n", "s")}
        found = dtype if dtype is not None else fft_func(sample, **sizes).dtype
        lengths = list(a.shape)
        if s is not None:
            for place, length in zip(places, s if several else [s], strict=True):
                lengths[place] = lengths[place] if length is None else int(length)
        last = places[-1]
        given = s is not None and (s[-1] if several else s) is not None
        if kind.startswith(("rfft", "ihfft")):
            lengths[last] = lengths[last] // 2 + 1
        elif kind.startswith(("irfft", "hfft")) and not given:
            lengths[last] = 2 * (lengths[last] - 1)
        chunks = [(int(lengths[place]),) if place in places else own for place, own in enumerate(a.chunks)]
        call = Transform(fft_func, kwargs, np.dtype(found))
        return on_blocks(kind, call, [(a, every_block(a))], chunks, found, f"{kind} by {fft_func.__module__}")

    if several:

        def function(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Array:
            return transform(a, s, axes, norm)
    else:

        def function(a: Any, n: Any = None, axis: Any = None, norm: Any = None) -> Array:  # type: ignore[misc]
            return transform(a, n, (-1 if axis is None else axis,), norm)

    function.__name__ = function.__qualname__ = kind
    function.__doc__ = (
        f"Lazy `{fft_func.__module__}.{fft_func.__name__}`; the transformed axes must be one block each.\n\n"
        f"Parameters and result are those of `{fft_func.__module__}.{fft_func.__name__}`."
    )
    return function


globals().update({name: fft_wrap(getattr(np.fft, name)) for name in _KINDS})


def _frequencies(n: int, d: float, chunks: Any, half: bool) -> Array:
    n = int(n)
    count = n // 2 + 1 if half else n
    lengths = normalize_chunks(chunks, (count,), dtype=float)
    index = Array._of(ArrayExpr.index(0, lengths))
    if not half:
        from raskal.array.elementwise import where

        index = where(index < (n + 1) // 2, index, index - n)
    return index / (n * d)


def fftfreq(n: int, d: float = 1.0, chunks: Any = "auto") -> Array:
    """The frequencies of `fft`.

    Parameters
    ----------
    n : int
        Number of samples.
    d : float
        Distance of samples.
    chunks : int, tuple or str

    Returns
    -------
    Array, shape (n,)
    """
    return _frequencies(n, d, chunks, half=False)


def rfftfreq(n: int, d: float = 1.0, chunks: Any = "auto") -> Array:
    """The frequencies of `rfft`.

    Parameters
    ----------
    n : int
        Number of samples.
    d : float
        Distance of samples.
    chunks : int, tuple or str

    Returns
    -------
    Array, shape (n // 2 + 1,)
    """
    return _frequencies(n, d, chunks, half=True)


def _shift(x: Any, axes: Any, back: bool) -> Array:
    x = asarray(x)
    places = list(range(x.ndim)) if axes is None else list(axes) if np.iterable(axes) else [axes]
    shifts = [-(x.shape[place] // 2) if back else x.shape[place] // 2 for place in places]
    return roll(x, shifts, places)


def fftshift(x: Any, axes: Any = None) -> Array:
    """Zero frequency moved to the middle.

    Parameters
    ----------
    x : array_like
    axes : int or sequence of int, optional

    Returns
    -------
    Array
    """
    return _shift(x, axes, back=False)


def ifftshift(x: Any, axes: Any = None) -> Array:
    """The opposite of `fftshift`.

    Parameters
    ----------
    x : array_like
    axes : int or sequence of int, optional

    Returns
    -------
    Array
    """
    return _shift(x, axes, back=True)


__all__ = [*_KINDS, "fft_wrap", "fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def __getattr__(name: str) -> Any:
    """Say what to use instead of what Dask has and this module has not."""
    from raskal.array.elsewhere import missing

    raise missing(__name__, name, __all__)
