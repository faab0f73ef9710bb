"""Random choices from a bag as a whole: `choices` (with replacement) and `sample` (without)."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raskal.bag.collection import Bag

__all__ = ["choices", "sample"]


def sample(population: Bag, k: int, split_every: int | None = None) -> Bag:
    """Draw different items, all with the same chance.

    Parameters
    ----------
    population : Bag
    k : int
        How many.
    split_every : int, optional
        As of `Bag.reduction`.

    Returns
    -------
    Bag
        One partition of `k` items.

    Raises
    ------
    ValueError
        If `k` is negative or, when it runs, larger than the bag.

    Examples
    --------
    >>> import raskal.bag as db
    >>> from raskal.bag import random
    >>> sorted(random.sample(db.range(3, npartitions=2), 3).compute())
    [0, 1, 2]
    """
    return _draw(population, k, split_every, "sample", partial(_sample_part, k), partial(_sample_merge, k))


def choices(population: Bag, k: int = 1, split_every: int | None = None) -> Bag:
    """Draw items, each from the whole bag: one may come several times.

    Parameters
    ----------
    population : Bag
    k : int
        How many.
    split_every : int, optional
        As of `Bag.reduction`.

    Returns
    -------
    Bag
        One partition of `k` items.

    Raises
    ------
    ValueError
        If `k` is negative or, when it runs, the bag is empty.

    Examples
    --------
    >>> import raskal.bag as db
    >>> from raskal.bag import random
    >>> random.choices(db.from_sequence(["a"]), k=3).compute()
    ['a', 'a', 'a']
    """
    return _draw(population, k, split_every, "choices", partial(_choices_part, k), partial(_choices_merge, k))


def _draw(population: Bag, k: int, split_every: int | None, name: str, part: Any, merge: Any) -> Any:
    from raskal.bag.collection import Bag
    from raskal.bag.layer import Layer
    from raskal.bag.reductions import tree
    from raskal.bag.sampling import seed_of

    if k < 0:
        raise ValueError(f"k must be at least 0, got {k}")
    # A seed of its own: two draws from one bag are different.
    node = tree(population._node, f"{name}-{seed_of(None)}", part, merge, split_every)
    return Bag._of(Layer(name, k, [1], [(node, "one")], partial(_items, name, k)))


def _items(name: str, k: int, _: Any, drawn: tuple[int, list[tuple[float, Any]]]) -> list[Any]:
    count, keyed = drawn
    if len(keyed) < k:
        what = "Sample larger than population" if name == "sample" else "Cannot choose from an empty bag"
        raise ValueError(f"{what}: {k} items were asked for and there are {count}")
    items = [item for _, item in keyed]
    random.shuffle(items)
    return items


# Without replacement: every item draws a number, and those with the k largest stay. So the merge of two draws is a
# draw from both, however the partitions are cut.


def _sample_part(k: int, items: Iterable[Any]) -> tuple[int, list[tuple[float, Any]]]:
    count = 0
    kept: list[tuple[float, int, Any]] = []
    for count, item in enumerate(items, 1):
        number = random.random()
        if len(kept) < k:
            heapq.heappush(kept, (number, count, item))
        elif k and number > kept[0][0]:
            heapq.heapreplace(kept, (number, count, item))
    return count, [(number, item) for number, _, item in kept]


def _sample_merge(k: int, drawn: list[tuple[int, list[tuple[float, Any]]]]) -> tuple[int, list[tuple[float, Any]]]:
    keyed = [pair for _, part in drawn for pair in part]
    return sum(count for count, _ in drawn), heapq.nlargest(k, keyed, key=lambda pair: pair[0])


# With replacement: k draws of one item each, side by side. A draw of two partitions takes the first's with the chance
# of its share of the items.


def _choices_part(k: int, items: Iterable[Any]) -> tuple[int, list[tuple[float, Any]]]:
    kept: list[Any] = []
    # For each draw, the number of the item that replaces its choice next; later ones are ever rarer.
    due: list[tuple[int, int]] = []
    count = 0
    for count, item in enumerate(items, 1):
        if count == 1:
            kept = [item] * k
            due = [(_next_choice(1), draw) for draw in range(k)]
            heapq.heapify(due)
        while due and due[0][0] == count:
            _, draw = due[0]
            kept[draw] = item
            heapq.heapreplace(due, (_next_choice(count), draw))
    return count, [(0.0, item) for item in kept]


def _next_choice(count: int) -> int:
    """The number of the item that replaces a choice made at item `count`, in a stream of unknown length."""
    return math.floor(count / (1.0 - random.random())) + 1


def _choices_merge(k: int, drawn: list[tuple[int, list[tuple[float, Any]]]]) -> tuple[int, list[tuple[float, Any]]]:
    filled = [part for part in drawn if part[0]]
    if not filled:
        return 0, []
    counts = [count for count, _ in filled]
    picks = random.choices(range(len(filled)), weights=counts, k=k)
    return sum(counts), [filled[pick][1][draw] for draw, pick in enumerate(picks)]
