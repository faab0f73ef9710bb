"""`Bag.random_sample`: each item with a probability."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from raskal.bag.layer import Layer

if TYPE_CHECKING:
    from raskal.bag.collection import Bag

__all__ = ["random_sample", "seed_of"]


def random_sample(self: Bag, prob: float, random_state: Any = None) -> Bag:
    """Keep each item with a probability.

    Parameters
    ----------
    prob : float
        From 0 to 1.
    random_state : int, random.Random or other seed, optional
        The same seed on the same bag keeps the same items.

    Returns
    -------
    Bag

    Raises
    ------
    ValueError
        If `prob` is no number from 0 to 1.

    Notes
    -----
    Differs from Dask: a seed keeps other items than there, since partitions draw theirs without building long states.

    Examples
    --------
    >>> import raskal.bag as db
    >>> b = db.range(1000, npartitions=4)
    >>> b.random_sample(0.5, 42).compute() == b.random_sample(0.5, 42).compute()
    True
    """
    if not isinstance(prob, (int, float)) or not 0 <= prob <= 1:
        raise ValueError(f"prob must be a number in the interval [0, 1], got {prob!r}")
    from raskal.bag.collection import Bag

    seed = seed_of(random_state)
    inputs = [(self._node, "one")]
    return Bag._of(Layer("random_sample", [prob, seed], self._node.shape, inputs, partial(_sample, prob, seed)))


def seed_of(state: Any) -> str:
    """Text from which every partition makes its own seed."""
    if state is None:
        state = Random()
    if isinstance(state, Random):
        return f"{state.getrandbits(128):x}"
    if not isinstance(state, (int, float, str, bytes)):
        state = hashlib.blake2b(repr(state).encode(), digest_size=16).hexdigest()
    return f"{type(state).__name__}-{state}"


def _sample(prob: float, seed: str, coordinates: tuple[int, ...], part: Iterable[Any]) -> Iterator[Any]:
    draw = Random(f"{seed}-{coordinates}").random
    return (item for item in part if draw() < prob)
