"""Arrays of random numbers.

Start at `default_rng`. Each block has its own stream of NumPy's generators, spawned from the seed by the block's
number: the same seed gives the same numbers on any scheduler and any number of threads. They are other numbers than
Dask's or NumPy's for that seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.chunks import Chunks, normalize_chunks
from raskal.array.collection import Array
from raskal.array.host import host
from raskal.tokenize import tokenize


class Draw:
    """Draws the numbers of one block."""

    def __init__(
        self, legacy: bool, seed: tuple[Any, tuple[int, ...]], method: str, args: Any, kwargs: Any, chunks: Chunks
    ) -> None:
        self.legacy, self.seed, self.method = legacy, seed, method
        self.args, self.kwargs, self.chunks = args, kwargs, chunks

    def __call__(self, coordinates: tuple[int, ...]) -> Any:
        """Draw the block at the coordinates."""
        number = 0
        for axis, block in zip(self.chunks, coordinates, strict=True):
            number = number * len(axis) + block
        shape = tuple(axis[block] for axis, block in zip(self.chunks, coordinates, strict=True))
        entropy, key = self.seed
        sequence = np.random.SeedSequence(entropy, spawn_key=(*key, number))
        source: Any
        if self.legacy:
            source = np.random.RandomState(np.random.MT19937(sequence))
        else:
            source = np.random.Generator(np.random.PCG64(sequence))
        return getattr(source, self.method)(*self.args, size=shape, **self.kwargs)


#: Distributions by class of generator, and how many arguments come before ``size``.
_GENERATOR = {
    "beta": 2, "binomial": 2, "chisquare": 1, "exponential": 1, "f": 2, "gamma": 2, "geometric": 1, "gumbel": 2,
    "hypergeometric": 3, "laplace": 2, "logistic": 2, "lognormal": 2, "logseries": 1, "negative_binomial": 2,
    "noncentral_chisquare": 2, "noncentral_f": 3, "normal": 2, "pareto": 1, "poisson": 1, "power": 1, "random": 0,
    "rayleigh": 1, "standard_cauchy": 0, "standard_exponential": 0, "standard_gamma": 1, "standard_normal": 0,
    "standard_t": 1, "triangular": 3, "uniform": 2, "vonmises": 2, "wald": 2, "weibull": 1, "zipf": 1, "integers": 2,
}  # fmt: skip
_STATE = {name: count for name, count in _GENERATOR.items() if name != "integers"} | {"random_sample": 0, "randint": 2}
#: Methods of RandomState whose name in NumPy is another.
_LEGACY_NAMES = {"random": "random_sample"}


class _Source:
    """What generators share: a seed, and a count of the arrays drawn from it."""

    _legacy = False

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, np.random.SeedSequence):
            sequence = seed
        else:
            sequence = np.random.SeedSequence(seed if seed is None or isinstance(seed, int) else np.asarray(seed))
        self._entropy, self._key, self._drawn = sequence.entropy, tuple(sequence.spawn_key), 0

    def _draw(self, method: str, args: tuple[Any, ...], size: Any, chunks: Any, kwargs: dict[str, Any]) -> Array:
        for value in (*args, *kwargs.values()):
            if isinstance(value, Array) or np.ndim(value) > 0:
                raise NotImplementedError(
                    f"random.{method} with array parameters is not supported\n"
                    f"hint: draw standard numbers and scale them: loc + scale * rng.standard_normal(size)"
                )
        shape = () if size is None else tuple(int(length) for length in (size if np.iterable(size) else (size,)))
        tiny = Draw(self._legacy, (0, ()), method, args, kwargs, ((1,),))((0,))
        lengths = normalize_chunks(chunks, shape, dtype=tiny.dtype)
        # Numbers already drawn stay what they are when more are drawn later.
        seed = (self._entropy, (*self._key, self._drawn))
        self._drawn += 1
        draw = Draw(self._legacy, seed, method, args, kwargs, lengths)
        token = tokenize(self._legacy, str(seed), method, args, kwargs, lengths)
        return Array(host(method, draw, [], lengths, tiny.dtype, "random numbers by NumPy's generators", token=token))


def _method(name: str, before: int, legacy: bool) -> Callable[..., Array]:
    numpy_name = _LEGACY_NAMES.get(name, name) if legacy else name

    def method(self: _Source, *args: Any, size: Any = None, chunks: Any = "auto", **kwargs: Any) -> Array:
        values, rest = args[:before], list(args[before:])
        if rest:
            size = rest.pop(0)
        if rest:
            chunks = rest.pop(0)
        if rest:
            raise TypeError(f"random.{name} takes {before} parameters, size and chunks; got {len(args)}")
        return self._draw(numpy_name, values, size, chunks, kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = (
        f"Numbers drawn as by `numpy.random.{'RandomState' if legacy else 'Generator'}.{numpy_name}`, with ``chunks=``."
    )
    return method


class Generator(_Source):
    """Draws lazy arrays of random numbers; made by `default_rng`."""

    def __repr__(self) -> str:
        return "raskal.array.random.Generator(PCG64)"


class RandomState(_Source):
    """Draws lazy arrays as NumPy's older class does.

    Parameters
    ----------
    seed : int or sequence of int, optional
    RandomState : None
        Accepted for Dask's sake.
    """

    _legacy = True

    def __init__(self, seed: Any = None, RandomState: Any = None) -> None:
        super().__init__(seed)

    def seed(self, seed: Any = None) -> None:
        """Start again from a seed.

        Parameters
        ----------
        seed : int or sequence of int, optional
        """
        super().__init__(seed)


for _name, _count in _GENERATOR.items():
    setattr(Generator, _name, _method(_name, _count, legacy=False))
for _name, _count in _STATE.items():
    setattr(RandomState, _name, _method(_name, _count, legacy=True))


def default_rng(seed: Any = None) -> Generator:
    """A generator of random arrays.

    Parameters
    ----------
    seed : int, sequence of int or SeedSequence, optional
        The same seed gives the same numbers for the same chunks; fresh ones without.

    Returns
    -------
    Generator

    Examples
    --------
    >>> import raskal.array as da
    >>> x = da.random.default_rng(1).normal(size=(4, 4), chunks=2)
    >>> bool((x.compute() == x.compute()).all())
    True
    """
    return seed if isinstance(seed, Generator) else Generator(seed)


_shared = RandomState()


def seed(seed: Any = None) -> None:
    """Start the module's own functions again from a seed.

    Parameters
    ----------
    seed : int or sequence of int, optional
    """
    _shared.seed(seed)


def _function(name: str) -> Callable[..., Array]:
    def function(*args: Any, **kwargs: Any) -> Array:
        return getattr(_shared, name)(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Numbers drawn as by `numpy.random.{name}`, with ``chunks=``."
    return function


globals().update({name: _function(name) for name in _STATE})


def integers(
    low: int,
    high: int | None = None,
    size: Any = None,
    dtype: Any = np.int64,
    endpoint: bool = False,
    chunks: Any = "auto",
) -> Array:
    """Whole numbers from ``low`` to before ``high``.

    Parameters
    ----------
    low, high : int
        From 0 to before ``low`` if ``high`` is missing.
    size : int or tuple of int
    dtype : dtype
    endpoint : bool
        Whether ``high`` itself can come.
    chunks : int, tuple or str

    Returns
    -------
    Array
    """
    rng = Generator(int(_shared_entropy()))
    return rng._draw("integers", (low, high), size, chunks, {"dtype": dtype, "endpoint": endpoint})


def _shared_entropy() -> int:
    """A new seed from the module's own source."""
    _shared._drawn += 1
    words = np.random.SeedSequence(_shared._entropy, spawn_key=(*_shared._key, _shared._drawn)).generate_state(4)
    return int.from_bytes(words.tobytes(), "little")


__all__ = ["Generator", "RandomState", "default_rng", "integers", "seed", *_STATE]
