"""Functions of whole axes, with a signature that names them, on all other axes.

Start at `apply_gufunc`: ``apply_gufunc(f, "(i),(i)->()", x, y)`` calls f on blocks that hold all of axis i.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.host import every_block, on_blocks
from raskal.array.shape import expand_dims, moveaxis, normalize_axis
from raskal.tokenize import tokenize

_NAME = r"\w+\??"
_TERM = rf"\((?:{_NAME}(?:,{_NAME})*)?,?\)"


def parse_signature(signature: str) -> tuple[list[tuple[str, ...]], Any]:
    """The core axes of inputs and outputs; those of outputs are one tuple unless there are several outputs.

    Raises
    ------
    ValueError
        If the signature is malformed.
    """
    text = re.sub(r"\s+", "", signature)
    inputs, arrow, outputs = text.partition("->")
    one = arrow and ("(" not in outputs)
    if (
        not arrow
        or not re.match(rf"^(?:{_TERM}(?:,{_TERM})*)?$", inputs)
        or not (
            one
            and re.match(rf"^(?:{_NAME}(?:,{_NAME})*)?$", outputs)
            or re.match(rf"^{_TERM}(?:,{_TERM})*,?$", outputs)
        )
    ):
        raise ValueError(f"{signature!r} is no signature\nhint: '(i,j),(j)->(i)'")

    def terms(part: str) -> list[tuple[str, ...]]:
        return [tuple(name for name in term.split(",") if name) for term in re.findall(r"\(([^)]*)\)", part)]

    if one:
        return terms(inputs), tuple(name for name in outputs.split(",") if name)
    found = terms(outputs)
    return terms(inputs), found[0] if len(found) == 1 and not outputs.endswith(",") else found


def _normalized_axes(
    axes: Any, axis: Any, keepdims: bool, inputs: list[Any], outputs: list[Any]
) -> list[tuple[int, ...]]:
    """Where the core axes of each input and output are."""
    if axes is not None and axis is not None:
        raise ValueError("axis= and axes= exclude each other\nhint: axis= for a single core axis, axes= for more")
    if axis is not None:
        if len({len(term) for term in inputs} - {0, 1}) or len({name for term in inputs for name in term}) > 1:
            raise ValueError(f"axis={axis} needs a signature of one core axis, got {inputs}")
        if not isinstance(axis, int):
            raise ValueError(f"axis must be a whole number, got {axis!r}")
    if keepdims and (len({len(term) for term in inputs}) > 1 or any(outputs)):
        raise ValueError(
            f"keepdims=True needs inputs of as many core axes each, and outputs of none: {inputs} -> {outputs}"
        )
    kept = [inputs[0] for _ in outputs] if keepdims else outputs
    if axes is None:
        if axis is not None:
            return [(axis,) if term else () for term in [*inputs, *kept]]
        return [tuple(range(-len(term), 0)) for term in [*inputs, *kept]]
    entries = list(axes) if isinstance(axes, list) else [axes]
    entries = [(entry,) if isinstance(entry, int) else tuple(entry) for entry in entries]
    if len(entries) == len(inputs) and not any(outputs) and not keepdims:
        entries += [()] * len(outputs)
    elif len(entries) == len(inputs) and keepdims:
        entries += [entries[0]] * len(outputs)
    if len(entries) != len(inputs) + len(outputs):
        raise ValueError(f"axes={axes} must have one entry for each of {len(inputs)} inputs and {len(outputs)} outputs")
    for entry, term in zip(entries, [*inputs, *kept], strict=True):
        if len(entry) != len(term):
            raise ValueError(f"axes entry {entry} does not fit the core axes {term}")
    return entries


class GufuncCall:
    """A function of blocks whose core axes come last; several results stay together."""

    def __init__(self, function: Callable[..., Any], kwargs: dict[str, Any]) -> None:
        self.function, self.kwargs = function, kwargs

    def __call__(self, coordinates: tuple[int, ...], *blocks: Any) -> Any:
        """Call the function."""
        return self.function(*blocks, **self.kwargs)


class Output:
    """One of several results, as an array of the announced type."""

    def __init__(self, number: int, dtype: Any) -> None:
        self.number, self.dtype = number, dtype

    def __call__(self, coordinates: tuple[int, ...], results: Any) -> Any:
        """Take the result."""
        result = results[self.number]
        return result if hasattr(result, "dtype") else np.asarray(result, self.dtype)


def apply_gufunc(
    func: Callable[..., Any],
    signature: str,
    *args: Any,
    axes: Any = None,
    axis: Any = None,
    keepdims: bool = False,
    output_dtypes: Any = None,
    output_sizes: Any = None,
    vectorize: bool | None = None,
    allow_rechunk: bool = False,
    meta: Any = None,
    **kwargs: Any,
) -> Any:
    """A function of whole axes, on blocks of the others.

    Parameters
    ----------
    func : callable
        Gets arrays whose core axes come last; gives an array, or a tuple of them.
    signature : str
        Core axes of inputs and outputs, such as ``"(i,j),(j)->(i)"``.
    *args : array_like
    axes : list of tuple of int, optional
        Where the core axes of each input and output are; last by default.
    axis : int, optional
        Where the only core axis is.
    keepdims : bool
        Whether core axes that are reduced stay, with length 1.
    output_dtypes : dtype or sequence of dtype, optional
        Of the results; found by calling the function on tiny arrays if they are missing.
    output_sizes : dict, optional
        Lengths of core axes that only outputs have.
    vectorize : bool
        Whether the function takes single core arrays, as of `numpy.vectorize`.
    allow_rechunk : bool
        Whether core axes of several blocks may be joined.
    meta : array_like or tuple of array_like, optional
        Empty arrays like the results.
    **kwargs
        Given to the function.

    Returns
    -------
    Array or tuple of Array

    Raises
    ------
    ValueError
        If the signature does not fit the arrays, or a core axis has several blocks.

    Examples
    --------
    >>> import numpy as np, raskal.array as da
    >>> x = da.ones((4, 6), chunks=(2, 6))
    >>> da.apply_gufunc(lambda a: a.sum(axis=-1), "(i)->()", x, output_dtypes=float).compute().tolist()
    [6.0, 6.0, 6.0, 6.0]
    """
    if meta is not None and output_dtypes is not None:
        raise ValueError("meta= and output_dtypes= exclude each other\nhint: output_dtypes= is enough")
    if signature is None:
        raise ValueError("a signature is needed\nhint: '(i)->()'")
    inputs, found = parse_signature(signature)
    single = isinstance(found, tuple)
    outputs: list[tuple[str, ...]] = [found] if single else found
    if len(args) != len(inputs):
        raise ValueError(f"the signature {signature!r} has {len(inputs)} inputs, {len(args)} arrays were given")
    places = _normalized_axes(axes, axis, keepdims, inputs, outputs)
    arrays = []
    for array, own in zip((asarray(arg) for arg in args), places, strict=False):
        if len(own) > array.ndim:
            raise ValueError(f"an array of shape {array.shape} has no {len(own)} core axes, as {signature!r} wants")
        arrays.append(moveaxis(array, own, tuple(range(-len(own), 0))) if own else array)
    named: dict[str, Any] = {}
    loops = []
    for number, (array, term) in enumerate(zip(arrays, inputs, strict=True)):
        split = array.ndim - len(term)
        for name, length, own_chunks in zip(term, array.shape[split:], array.chunks[split:], strict=True):
            if named.setdefault(name, length) != length:
                raise ValueError(f"core axis {name!r} has different lengths in the arrays: {named[name]} and {length}")
            if len(own_chunks) > 1 and not allow_rechunk:
                raise ValueError(
                    f"core axis {name!r} of argument {number} has several blocks, its chunks are {own_chunks}\n"
                    "hint: rechunk it to one block, or pass allow_rechunk=True, which takes more memory"
                )
        if term and any(len(chunks) > 1 for chunks in array.chunks[split:]):
            arrays[number] = array.rechunk(dict.fromkeys(range(split, array.ndim), -1))
        loops.append(split)
    # What the user says of the result goes before: a function may change the length of an axis that it keeps.
    sizes = {**named, **(output_sizes or {})}
    for term in outputs:
        for name in term:
            if name not in sizes:
                raise ValueError(
                    f"the length of core axis {name!r} of the result is not known\nhint: pass output_sizes="
                )
    arrays, chunks = _aligned_loops(arrays, loops, allow_rechunk)
    ndim = len(chunks)
    blocks = []
    for array, split in zip(arrays, loops, strict=True):
        new = ndim - split
        loop = [-1 if array.chunks[at] == (1,) and chunks[at + new] != (1,) else at + new for at in range(split)]
        blocks.append([*loop, *[-1] * (array.ndim - split)])
    if vectorize:
        types = output_dtypes if output_dtypes is None or isinstance(output_dtypes, (list, tuple)) else [output_dtypes]
        func = np.vectorize(
            func, signature=signature, otypes=None if types is None else [np.dtype(own) for own in types]
        )
    dtypes = _dtypes(func, arrays, loops, output_dtypes, meta, len(outputs), single, kwargs)
    call = GufuncCall(func, kwargs)
    token = tokenize(func, signature, kwargs)
    label = getattr(func, "__name__", "gufunc").strip("<>")
    pairs = list(zip(arrays, blocks, strict=True))
    reason = f"the function {label} of whole axes"
    results = []
    core = [[(sizes[name],) for name in term] for term in outputs]
    if single:
        results.append(on_blocks(label, call, pairs, [*chunks, *core[0]], dtypes[0], reason, token=token))
    else:
        together = on_blocks(label, call, pairs, chunks, np.dtype(object), reason, token=token)
        every = every_block(together)
        for number, (last, dtype) in enumerate(zip(core, dtypes, strict=True)):
            results.append(
                on_blocks(
                    f"{label}-output", Output(number, dtype), [(together, every)], [*chunks, *last], dtype, reason
                )
            )
    finished = []
    for result, term, own in zip(results, outputs, places[len(inputs) :], strict=True):
        if keepdims:
            count = len(inputs[0])
            result = expand_dims(result, tuple(range(result.ndim, result.ndim + count)))
            term = inputs[0]
        destination = [normalize_axis(place, result.ndim) for place in own]
        source = list(range(result.ndim - len(term), result.ndim))
        finished.append(moveaxis(result, source, destination) if term else result)
    return finished[0] if single else tuple(finished)


def _aligned_loops(arrays: list[Array], loops: list[int], allow_rechunk: bool) -> tuple[list[Array], list[Any]]:
    """Arrays with common chunks along the axes that are not core axes."""
    from raskal.array.blockwise import unify_chunks

    ndim = max(loops, default=0)
    args: list[Any] = []
    for number, (array, split) in enumerate(zip(arrays, loops, strict=True)):
        names = [("loop", ndim - split + place) for place in range(split)]
        args += [array, (*names, *(("core", number, place) for place in range(array.ndim - split)))]
    lengths: dict[int, set[Any]] = {}
    for array, split in zip(arrays, loops, strict=True):
        for place in range(split):
            if array.shape[place] != 1:
                lengths.setdefault(ndim - split + place, set()).add(array.shape[place])
    for place, own in lengths.items():
        if len({length for length in own if length == length}) > 1:
            raise ValueError(f"axis {place}, which is no core axis, has different lengths in the arrays: {sorted(own)}")
    if not allow_rechunk:
        for array, split in zip(arrays, loops, strict=True):
            for place in range(split):
                for other, other_split in zip(arrays, loops, strict=True):
                    twin = place + other_split - split
                    if (
                        twin >= 0
                        and other.shape[twin] == array.shape[place] != 1
                        and (other.chunks[twin] != array.chunks[place])
                    ):
                        raise ValueError(
                            f"axis {ndim - split + place}, which is no core axis, is cut differently: "
                            f"{array.chunks[place]} and {other.chunks[twin]}\nhint: rechunk, or pass allow_rechunk=True"
                        )
    chunks, aligned = unify_chunks(*args)
    return aligned, [chunks["loop", place] for place in range(ndim)]


def _dtypes(
    func: Any, arrays: list[Array], loops: list[int], given: Any, meta: Any, count: int, single: bool, kwargs: Any
) -> list[np.dtype[Any]]:
    """The types of the results."""
    if meta is not None:
        metas = meta if isinstance(meta, (tuple, list)) else (meta,)
        if len(metas) != count:
            raise ValueError(f"the function has {count} results, meta has {len(metas)} entries")
        return [np.dtype(getattr(own, "dtype", own)) for own in metas]
    if given is not None:
        types = list(given) if isinstance(given, (tuple, list)) else [given]
        if len(types) != count:
            raise ValueError(f"the function has {count} results, output_dtypes has {len(types)} entries")
        return [np.dtype(own) for own in types]
    try:
        with np.errstate(all="ignore"):
            result = func(*(_sample(array, split) for array, split in zip(arrays, loops, strict=True)), **kwargs)
    except Exception as error:
        raise ValueError(
            f"the types of what {getattr(func, '__name__', func)!r} gives could not be found: {error}\n"
            "hint: pass output_dtypes="
        ) from error
    results = (result,) if single else result
    if not single and not isinstance(results, (tuple, list)):
        raise ValueError(f"the function gives {type(results).__name__}, a tuple of {count} was announced")
    if len(results) != count:
        raise ValueError(f"the function gives {len(results)} results, {count} were announced")
    return [np.asarray(own).dtype for own in results]


def _sample(array: Array, split: int) -> Any:
    """Ones of the length of the core axes, unless that is very many, to try a function on."""
    core = array.shape[split:]
    small = all(length == length for length in core) and np.prod(core, dtype=float) < 1e6
    return np.ones((1,) * split + (core if small else (1,) * len(core)), array.dtype)


class gufunc:
    """A function bound to its signature, see `apply_gufunc`.

    Parameters
    ----------
    pyfunc : callable
    signature, vectorize, axes, axis, keepdims, output_sizes, output_dtypes, allow_rechunk, meta
        As of `apply_gufunc`.
    """

    def __init__(
        self, pyfunc: Callable[..., Any], *, signature: str | None = None, vectorize: bool = False, axes: Any = None,
        axis: Any = None, keepdims: bool = False, output_sizes: Any = None, output_dtypes: Any = None,
        allow_rechunk: bool = False, meta: Any = None,
    ) -> None:  # fmt: skip
        if signature is None:
            raise ValueError("a signature is needed\nhint: gufunc(f, signature='(i)->()')")
        parse_signature(signature)
        self.pyfunc, self.signature = pyfunc, signature
        self.options = {
            "vectorize": vectorize, "axes": axes, "axis": axis, "keepdims": keepdims, "output_sizes": output_sizes,
            "output_dtypes": output_dtypes, "allow_rechunk": allow_rechunk, "meta": meta,
        }  # fmt: skip
        self.__name__ = getattr(pyfunc, "__name__", "gufunc")
        self.__doc__ = f"Bound function ``{self.__name__}`` of signature {signature!r}.\n\n{pyfunc.__doc__ or ''}"

    def __call__(self, *args: Any, allow_rechunk: bool | None = None, **kwargs: Any) -> Any:
        """Apply the function to arrays."""
        options = dict(self.options)
        if allow_rechunk is not None:
            options["allow_rechunk"] = allow_rechunk
        return apply_gufunc(self.pyfunc, self.signature, *args, **options, **kwargs)


def as_gufunc(signature: str | None = None, **kwargs: Any) -> Callable[[Callable[..., Any]], gufunc]:
    """A decorator that makes a `gufunc`.

    Parameters
    ----------
    signature : str
    **kwargs
        As of `gufunc`.

    Returns
    -------
    callable
    """
    return lambda pyfunc: gufunc(pyfunc, signature=signature, **kwargs)
