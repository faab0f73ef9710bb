"""Arrays of random numbers.

Start at `default_rng`. Each block has its own stream (`raskal.array.draw`): the same seed gives the same numbers on any
scheduler and any number of threads. They are other numbers than Dask's or NumPy's for that seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import arange, asarray
from raskal.array.draw import drawn

#: Distributions by class of generator, and how many arguments come before ``size``.
_GENERATOR = {
    "beta": 2, "binomial": 2, "chisquare": 1, "exponential": 1, "f": 2, "gamma": 2, "geometric": 1, "gumbel": 2,
    "hypergeometric": 3, "laplace": 2, "logistic": 2, "lognormal": 2, "logseries": 1, "negative_binomial": 2,
    "noncentral_chisquare": 2, "noncentral_f": 3, "normal": 2, "pareto": 1, "poisson": 1, "power": 1, "random": 0,
    "rayleigh": 1, "standard_cauchy": 0, "standard_exponential": 0, "standard_gamma": 1, "standard_normal": 0,
    "standard_t": 1, "triangular": 3, "uniform": 2, "vonmises": 2, "wald": 2, "weibull": 1, "zipf": 1, "integers": 2,
}  # fmt: skip
_STATE = {name: count for name, count in _GENERATOR.items() if name != "integers"} | {
    "random_sample": 0, "randint": 2, "tomaxint": 0,
}  # fmt: skip
#: Methods of RandomState whose name in NumPy is another.
_LEGACY_NAMES = {"random": "random_sample"}


class _Source:
    """What generators share: a seed, and a count of the arrays drawn from it."""

    _legacy = False
    _entropy: Any
    _key: tuple[int, ...]
    _drawn: int

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, type) and issubclass(seed, np.random.BitGenerator):
            seed = seed()
        if isinstance(seed, np.random.Generator):
            seed = seed.bit_generator
        if isinstance(seed, np.random.BitGenerator):
            # A generator is advanced only by drawing: what it would draw next is the seed.
            seed = int.from_bytes(np.random.Generator(seed).bytes(16), "little")
        if isinstance(seed, _Source):
            self._entropy, self._key, self._drawn = seed._entropy, (*seed._key, seed._drawn), 0
            return
        if isinstance(seed, np.random.SeedSequence):
            sequence = seed
        else:
            sequence = np.random.SeedSequence(seed if seed is None or isinstance(seed, int) else np.asarray(seed))
        self._entropy, self._key, self._drawn = sequence.entropy, tuple(sequence.spawn_key), 0

    def _draw(
        self, method: str, args: tuple[Any, ...], size: Any, chunks: Any, kwargs: dict[str, Any], whole: Any = ()
    ) -> Array:
        return drawn(self._legacy, self._next(), method, args, size, chunks, kwargs, whole)

    def _next(self) -> tuple[Any, tuple[int, ...]]:
        """A seed for one more array; numbers already drawn stay what they are when more are drawn later."""
        seed = (self._entropy, (*self._key, self._drawn))
        self._drawn += 1
        return seed

    def choice(
        self, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True,
        chunks: Any = "auto",
    ) -> Array:  # fmt: skip
        """Elements chosen at random.

        Parameters
        ----------
        a : int or array_like, one axis
            From which, or from ``range(a)``.
        size : int or tuple of int
        replace : bool
            Whether an element may come several times; False needs a result of one block.
        p : array_like, optional
            Probabilities.
        axis : int
            Must be 0.
        shuffle : bool
            Whether the order of elements drawn without replacement is random.
        chunks : int, tuple or str

        Returns
        -------
        Array
        """
        if axis != 0:
            raise NotImplementedError(f"choice with axis={axis} is not supported\nhint: choose indices, then take")
        population = a if np.ndim(a) == 0 and not isinstance(a, Array) else asarray(a)
        if isinstance(population, Array) and population.ndim != 1:
            raise ValueError(f"a must be one dimensional, got shape {population.shape}")
        count = population.shape[0] if isinstance(population, Array) else int(population)
        if count <= 0:
            raise ValueError(f"a must be greater than 0, got {a}")
        p = None if p is None else np.asarray(p)
        if p is not None and len(p) != count:
            raise ValueError(f"a and p must have the same size, got {count} and {len(p)}")
        if p is not None and not np.allclose(p.sum(), 1, rtol=1e-7, atol=0):
            raise ValueError("probabilities do not sum to 1")
        shape = () if size is None else tuple(size) if np.iterable(size) else (size,)
        if not replace and math.prod(shape) > count:
            raise ValueError("Cannot take a larger sample than population when 'replace=False'")
        kwargs = {"replace": replace, "p": p} if self._legacy else {"replace": replace, "p": p, "shuffle": shuffle}
        chosen = self._draw("choice", (count,), size, chunks, kwargs, ("p",))
        if not replace and chosen.npartitions > 1:
            raise NotImplementedError(
                f"drawing without replacement needs a result of one block, its chunks are {chosen.chunks}"
                f"\nhint: chunks=-1"
            )
        if not isinstance(population, Array):
            return chosen
        return population[chosen.ravel()].reshape(chosen.shape)

    def permutation(self, x: Any) -> Array:
        """The elements along the first axis in random order.

        Parameters
        ----------
        x : int or array_like
            A number stands for ``range(x)``.

        Returns
        -------
        Array
        """
        x = arange(int(x)) if np.ndim(x) == 0 and not isinstance(x, Array) else asarray(x)
        entropy, key = self._next()
        source = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=key)))
        return x[source.permutation(x.shape[0])]

    def multinomial(self, n: Any, pvals: Any, size: Any = None, chunks: Any = "auto", **kwargs: Any) -> Array:
        """Counts of outcomes, along a new last axis; as of NumPy's generators.

        Parameters
        ----------
        n : int
        pvals : sequence of float
        size : int or tuple of int
        chunks : int, tuple or str

        Returns
        -------
        Array, shape (*size, len(pvals))
        """
        kwargs["pvals"] = np.asarray(pvals)
        return self._draw("multinomial", (n,), size, chunks, kwargs, ("pvals",))


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

    def multivariate_hypergeometric(
        self, colors: Any, nsample: int, size: Any = None, method: str = "marginals", chunks: Any = "auto"
    ) -> Array:
        """Counts of colours in a sample, along a new last axis; as of NumPy's generators.

        Parameters
        ----------
        colors : sequence of int
        nsample : int
        size : int or tuple of int
        method : str
        chunks : int, tuple or str

        Returns
        -------
        Array, shape (*size, len(colors))
        """
        kwargs = {"colors": np.asarray(colors), "nsample": nsample, "method": method}
        return self._draw("multivariate_hypergeometric", (), size, chunks, kwargs, ("colors",))


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

    def random_integers(self, low: int, high: int | None = None, size: Any = None, chunks: Any = "auto") -> Array:
        """Whole numbers from ``low`` to ``high``, both included; from 1 to ``low`` if ``high`` is missing.

        Parameters
        ----------
        low, high : int
        size : int or tuple of int
        chunks : int, tuple or str

        Returns
        -------
        Array
        """
        low, high = (1, low) if high is None else (low, high)
        return self._draw("randint", (low, high + 1), size, chunks, {})

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


_OTHERS = ("choice", "multinomial", "permutation", "random_integers")
globals().update({name: _function(name) for name in (*_STATE, *_OTHERS)})


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


__all__ = ["Generator", "RandomState", "default_rng", "integers", "seed", *_STATE, *_OTHERS]
