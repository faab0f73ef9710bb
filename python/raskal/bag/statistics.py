"""Numbers about a bag: sum, count, least, largest, mean and variance, each an `Item`.

Counts, means and squares of deviations of partitions are merged pairwise, which loses no precision where large sums of
squares would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from raskal.bag.item import Item
from raskal.bag.layer import Layer
from raskal.bag.reductions import tree

if TYPE_CHECKING:
    from raskal.bag.collection import Bag


def _count(items: Iterable[Any]) -> int:
    try:
        return len(items)  # type: ignore[arg-type]
    except TypeError:
        return sum(1 for _ in items)


def _reduction(name: str, part: Callable[[Any], Any], whole: Callable[[Any], Any], text: str, example: str) -> Any:
    def method(self: Bag, split_every: int | None = None) -> Item:
        return Item._of(tree(self._node, name, part, whole, split_every))

    method.__name__ = name
    method.__qualname__ = f"Bag.{name}"
    method.__doc__ = f"""{text}

    Parameters
    ----------
    split_every : int, optional
        As of `Bag.reduction`.

    Returns
    -------
    Item

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.from_sequence([3, 1, 2], npartitions=2).{name}().compute()
    {example}
    """
    return method


sum_ = _reduction("sum", sum, sum, "The sum of the items.", "6")
count = _reduction("count", _count, sum, "The number of items.", "3")
min_ = _reduction("min", min, min, "The least item.", "1")
max_ = _reduction("max", max, max, "The largest item.", "3")
any_ = _reduction("any", any, any, "Whether any item is true.", "True")
all_ = _reduction("all", all, all, "Whether all items are true.", "True")


def _moments(items: Iterable[Any]) -> tuple[int, Any, Any]:
    """Number, mean, and sum of squared deviations from the mean."""
    number, average, squares = 0, 0.0, 0.0
    for item in items:
        number += 1
        ahead = item - average
        average += ahead / number
        squares += ahead * (item - average)
    return number, average, squares


def _merge_moments(parts: list[tuple[int, Any, Any]]) -> tuple[int, Any, Any]:
    number, average, squares = 0, 0.0, 0.0
    for more, other, deviations in parts:
        both, ahead = number + more, other - average
        average += ahead * more / both
        squares += deviations + ahead * ahead * number * more / both
        number = both
    return number, average, squares


def _total(items: Iterable[Any]) -> tuple[Any, int]:
    total: Any = 0
    number = 0
    for number, item in enumerate(items, 1):  # noqa: B007
        total += item
    return total, number


def _merge_totals(parts: list[tuple[Any, int]]) -> tuple[Any, int]:
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def _quotient(_: Any, total: tuple[Any, int]) -> Any:
    if not total[1]:
        raise ValueError("mean of an empty bag: there is nothing to divide by")
    return total[0] / total[1]


def _variance(ddof: int, root: bool, _: Any, moments: tuple[int, Any, Any]) -> Any:
    number, _average, squares = moments
    if number - ddof <= 0:
        raise ValueError(f"variance of {number} items with ddof={ddof}: there is nothing to divide by")
    variance = squares / (number - ddof)
    return math.sqrt(variance) if root else variance


def mean(self: Bag) -> Item:
    """The arithmetic mean of the items.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.range(5, npartitions=2).mean().compute()
    2.0
    """
    totals = tree(self._node, "mean-total", _total, _merge_totals)
    return Item._of(Layer("mean", None, [1], [(totals, "one")], _quotient))


def var(self: Bag, ddof: int = 0) -> Item:
    """The variance of the items.

    Parameters
    ----------
    ddof : int
        What is taken from the number of items in the divisor.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.range(5, npartitions=2).var().compute()
    2.0
    """
    return _spread(self, ddof, root=False)


def std(self: Bag, ddof: int = 0) -> Item:
    """The standard deviation of the items.

    Parameters
    ----------
    ddof : int
        What is taken from the number of items in the divisor.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.from_sequence([1, 3], npartitions=2).std().compute()
    1.0
    """
    return _spread(self, ddof, root=True)


def _spread(bag: Bag, ddof: int, root: bool) -> Item:
    moments = tree(bag._node, "moments", _moments, _merge_moments)
    name = "std" if root else "var"
    return Item._of(Layer(name, [ddof, root], [1], [(moments, "one")], partial(_variance, ddof, root)))
