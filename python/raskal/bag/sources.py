"""Bags from Python objects, delayed values, numbers and web pages; and bags put together.

Files have ``text.py`` and ``avro.py``.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import uuid
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any
from urllib.request import urlopen

from raskal.bag import steps
from raskal.bag.arguments import as_delayed
from raskal.bag.collection import Bag
from raskal.bag.layer import Layer, Objects, Results, Selection
from raskal.tokenize import tokenize

__all__ = ["concat", "from_delayed", "from_sequence", "from_url", "range_", "zip_"]

# Types that pickle always writes alike and wholly, so that the pickle of many is a token of their content.
_PLAIN = frozenset((int, float, str, bytes, bool, type(None)))
# Above this, looking at each item in Python would cost more than the work on it often does.
_TOKEN_ITEMS_MAX = 1000


def from_sequence(seq: Iterable[Any], partition_size: int | None = None, npartitions: int | None = None) -> Bag:
    """Make a bag of the items of a sequence.

    Parameters
    ----------
    seq : iterable
    partition_size : int, optional
        Items of a partition.
    npartitions : int, optional
        About how many partitions to make; more than 100 items never make fewer. About 100 by default.

    Returns
    -------
    Bag

    Raises
    ------
    ValueError
        If a number is less than 1.

    Notes
    -----
    The items are in this process and travel to where they are needed: read large data in tasks instead, with
    `read_text` or `from_delayed`.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.from_sequence(["Alice", "Bob", "Chuck"], partition_size=2).npartitions
    2
    """
    items = list(seq)
    for name, number in (("partition_size", partition_size), ("npartitions", npartitions)):
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, got {number!r}")
    if partition_size is None:
        few = len(items) <= 100
        if npartitions is None:
            # Partitions grow with the square root of the number of items, as does their number.
            partition_size = 1 if few else 1 + math.isqrt(len(items) // 100)
        else:
            partition_size = max(1, math.ceil(len(items) / npartitions) if few else len(items) // npartitions)
    parts = [items[start : start + partition_size] for start in range(0, len(items), partition_size)] or [[]]
    return Bag._of(Objects("from_sequence", _token(items, partition_size), parts))


def _token(items: list[Any], partition_size: int) -> str:
    if len(items) <= _TOKEN_ITEMS_MAX:
        return tokenize(items, partition_size)
    if set(map(type, items)) <= _PLAIN:
        pickled = pickle.dumps((items, partition_size), protocol=5)
        return hashlib.blake2b(pickled, digest_size=16).hexdigest()
    return uuid.uuid4().hex


def range_(n: int, npartitions: int) -> Bag:
    """Make a bag of the numbers from 0 to n - 1.

    Parameters
    ----------
    n : int
    npartitions : int

    Returns
    -------
    Bag

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.range(5, npartitions=2).compute()
    [0, 1, 2, 3, 4]
    """
    if npartitions < 1 or n < 0:
        raise ValueError(f"range needs n of at least 0 and npartitions of at least 1, got {n} and {npartitions}")
    call = partial(steps.count_up, n // npartitions, n, npartitions - 1)
    return Bag._of(Layer("range", n, [npartitions], [], call))


def from_delayed(values: Any) -> Bag:
    """Make a bag of delayed values, one a partition.

    Parameters
    ----------
    values : Delayed or list of Delayed
        Each computes to an iterable.

    Returns
    -------
    Bag

    Examples
    --------
    >>> import raskal
    >>> @raskal.delayed
    ... def load(number):
    ...     return [number, number + 1]
    >>> raskal.bag.from_delayed([load(0), load(10)]).compute()
    [0, 1, 10, 11]
    """
    values = [values] if hasattr(type(values), "__raskal_lower__") else list(values)
    for value in values:
        if not hasattr(type(value), "__raskal_lower__"):
            raise TypeError(
                f"from_delayed needs delayed values, got {type(value).__name__}\nhint: use from_sequence for plain ones"
            )
    source = Results("delayed", [as_delayed(value) for value in values])
    return Bag._of(Layer("from_delayed", None, source.shape, [(source, "one")], steps.pass_on))


def from_url(urls: str | list[str]) -> Bag:
    """Make a bag of the lines of web pages, one a partition.

    Parameters
    ----------
    urls : str or list of str

    Returns
    -------
    Bag
        Of bytes.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.from_url(["https://example.org/a", "https://example.org/b"]).npartitions
    2
    """
    urls = [urls] if isinstance(urls, str) else list(urls)
    return Bag._of(Layer("from_url", urls, [len(urls)], [], partial(_page, urls)))


def _page(urls: list[str], coordinates: tuple[int, ...]) -> Iterator[bytes]:
    with urlopen(urls[coordinates[0]]) as page:
        yield from page


def concat(bags: Iterable[Bag]) -> Bag:
    """Put the partitions of bags one after the other.

    Parameters
    ----------
    bags : iterable of Bag

    Returns
    -------
    Bag

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.concat([db.from_sequence([1, 2]), db.from_sequence([3])]).compute()
    [1, 2, 3]
    """
    bags = list(bags)
    _check("concat", bags)
    return Bag._of(Selection("concat", [bag._node for bag in bags]))


def zip_(*bags: Bag) -> Bag:
    """Pair the items of bags, partition by partition.

    Parameters
    ----------
    *bags : Bag
        Of equally many partitions; what a longer partition has more is left out.

    Returns
    -------
    Bag
        Of tuples.

    Examples
    --------
    >>> import raskal.bag as db
    >>> evens, odds = db.from_sequence([0, 2, 4], npartitions=2), db.from_sequence([1, 3, 5], npartitions=2)
    >>> db.zip(evens, odds).compute()
    [(0, 1), (2, 3), (4, 5)]
    """
    _check("zip", bags)
    counts = {bag.npartitions for bag in bags}
    if len(counts) > 1:
        raise ValueError(
            f"zip needs bags of equally many partitions, got {[bag.npartitions for bag in bags]}\n"
            "hint: call .repartition(npartitions=...) first"
        )
    inputs = [(bag._node, "one") for bag in bags]
    return Bag._of(Layer("zip", None, [counts.pop()], inputs, steps.side_by_side))


def _check(name: str, bags: Iterable[Any]) -> None:
    bags = list(bags)
    if not bags:
        raise ValueError(f"{name} needs at least one bag")
    for bag in bags:
        if not isinstance(bag, Bag):
            raise TypeError(f"{name} needs bags, got {type(bag).__name__}\nhint: make one with from_sequence")
