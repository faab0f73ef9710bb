"""Products besides matrix products: outer, of flattened arrays, and in Einstein's notation.

Start at `einsum`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.blockwise import blockwise
from raskal.array.collection import Array
from raskal.array.contraction import dot
from raskal.array.creation import asarray


def outer(a: Any, b: Any) -> Array:
    """The products of all pairs of elements of two flattened arrays.

    Parameters
    ----------
    a, b : array_like

    Returns
    -------
    Array, shape (a.size, b.size)
    """
    return asarray(a).ravel()[:, None] * asarray(b).ravel()[None, :]


def vdot(a: Any, b: Any) -> Array:
    """The product of two flattened arrays, the first one conjugated.

    Parameters
    ----------
    a, b : array_like

    Returns
    -------
    Array, shape ()
    """
    return dot(asarray(a).conj().ravel(), asarray(b).ravel())


class _Einsum:
    """NumPy's einsum of blocks, with the summed axes kept at length 1."""

    def __init__(self, subscripts: str, ndim: int, kwargs: dict[str, Any]) -> None:
        self.subscripts, self.ndim, self.kwargs = subscripts, ndim, kwargs

    def __call__(self, *blocks: Any) -> Any:
        result = np.einsum(self.subscripts, *blocks, **self.kwargs)
        return result.reshape(np.shape(result) + (1,) * self.ndim)


def einsum(*operands: Any, dtype: Any = None, optimize: Any = False, split_every: Any = None, **kwargs: Any) -> Array:
    """Products summed over indices, in Einstein's notation.

    Parameters
    ----------
    *operands
        ``"ij,jk->ik"`` and arrays, or arrays and lists of their indices, as of `numpy.einsum`.
    dtype : dtype, optional
        Of the computation and the result.
    optimize : bool or str
        As of `numpy.einsum`.
    split_every : int, optional
        How many partial sums one task adds.
    **kwargs
        ``casting``, ``order``.

    Returns
    -------
    Array
    """
    if not operands:
        raise ValueError("einsum needs subscripts and arrays\nhint: einsum('ij,jk->ik', a, b)")
    subscripts, arrays = _parsed(operands)
    inputs, _, output = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(arrays):
        raise ValueError(f"{len(terms)} subscripts for {len(arrays)} arrays in {subscripts!r}")
    summed = [letter for letter in dict.fromkeys("".join(terms)) if letter not in output]
    dtype = np.result_type(*(array.dtype for array in arrays)) if dtype is None else np.dtype(dtype)
    options = {**kwargs, "dtype": dtype, "optimize": optimize}
    if "order" in options and options["order"] is None:
        options.pop("order")
    options.setdefault("casting", "safe")
    pairs = [item for array, term in zip(arrays, terms, strict=True) for item in (array, tuple(term))]
    call = _Einsum(subscripts, len(summed), options)
    partial = blockwise(
        call, (*output, *summed), *pairs, dtype=dtype, name="einsum", adjust_chunks=dict.fromkeys(summed, _one)
    )
    if not summed:
        return partial
    axes = tuple(range(len(output), len(output) + len(summed)))
    return partial.sum(axis=axes, dtype=dtype, split_every=split_every)


def _one(length: int) -> int:
    return 1


def _parsed(operands: tuple[Any, ...]) -> tuple[str, list[Array]]:
    """Explicit subscripts without an ellipsis, and the arrays."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    if isinstance(operands[0], str):
        text, arrays = operands[0].replace(" ", ""), [asarray(operand) for operand in operands[1:]]
    else:
        arrays = [asarray(operand) for operand in operands[: len(operands) // 2 * 2 : 2]]

        def term(indices: Any) -> str:
            return "".join("..." if index is Ellipsis else letters[index] for index in indices)

        text = ",".join(term(indices) for indices in operands[1 : len(operands) // 2 * 2 : 2])
        if len(operands) % 2:
            text += "->" + term(operands[-1])
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    unused = [letter for letter in letters if letter not in text]
    width = 0
    for place, term_text in enumerate(terms):
        if place >= len(arrays):
            raise ValueError(f"{len(terms)} subscripts for {len(arrays)} arrays in {text!r}")
        rest = arrays[place].ndim - len(term_text.replace("...", ""))
        if rest < 0 or (rest and "..." not in term_text):
            raise ValueError(f"subscripts {term_text!r} do not fit an array of shape {arrays[place].shape}")
        if "..." in term_text:
            width = max(width, rest)
            terms[place] = term_text.replace("...", "".join(unused[::-1][:rest][::-1]) if rest else "")
    spread = "".join(unused[::-1][:width][::-1])
    if arrow:
        output = output.replace("...", spread)
    else:
        joined = "".join(terms)
        output = spread + "".join(sorted(own for own in set(joined) if joined.count(own) == 1 and own not in spread))
    return f"{','.join(terms)}->{output}", arrays
