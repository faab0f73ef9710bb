"""Reductions: of partitions first, then of their results, eight at a time.

Start at `tree`, which builds the layers. Partitions and results that hold nothing are left out on the way, so that
functions such as `max`, which have no answer for nothing, work where some partitions are empty.
"""

from __future__ import annotations

import enum
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from itertools import chain
from typing import TYPE_CHECKING, Any

from raskal._raskal import TextWords
from raskal.bag.layer import Layer, Node
from raskal.bag.steps import as_key

if TYPE_CHECKING:
    from raskal.bag.collection import Bag

__all__ = ["NO_DEFAULT", "distinct", "fold", "foldby", "frequencies", "topk", "tree"]


class _Default(enum.Enum):
    """Stands for an argument that was not given: every value, even None, can be."""

    NO_DEFAULT = "not given"

    def __repr__(self) -> str:
        return "..."


NO_DEFAULT: Any = _Default.NO_DEFAULT


class _Nothing(enum.Enum):
    """The result of a partition without items."""

    NOTHING = 0


_NOTHING = _Nothing.NOTHING


def _reduce_part(function: Callable[[Any], Any], _: Any, part: Any) -> Any:
    if type(part) is TextWords and function is Counter:
        # Words of files are counted where they are cut.
        return part.count() or _NOTHING
    if isinstance(part, Iterator):
        for first in part:
            return function(chain((first,), part))
        return _NOTHING
    try:
        empty = len(part) == 0
    except TypeError:
        # Partitions need not be lists: a sparse matrix has no length.
        empty = False
    return _NOTHING if empty else function(part)


def _reduce_results(function: Callable[[Any], Any], last: bool, _: Any, *results: Any) -> Any:
    found = [result for result in results if result is not _NOTHING]
    return function(found) if found or last else _NOTHING


def tree(
    node: Node,
    name: str,
    perpartition: Callable[[Any], Any],
    aggregate: Callable[[Any], Any],
    split_every: int | bool | None = None,
    *,
    settle: bool = False,
) -> Node:
    """The layers that reduce a node's partitions to one value.

    Parameters
    ----------
    node : Node
    name : str
    perpartition, aggregate : callable
    split_every : int, optional
        How many results one task puts together: 8 by default, False for all.
    settle : bool
        Whether a final iterator becomes a list.

    Raises
    ------
    ValueError
        If `split_every` is less than 2.
    """
    group = 8 if split_every is None else node.count if split_every is False else split_every
    if group is True or (group < 2 and group != node.count):
        raise ValueError(f"split_every must be at least 2 or False, got {split_every!r}")
    count = node.count
    part = partial(_reduce_part, perpartition)
    node = Layer(f"{name}-part", perpartition, [count], [(node, "one")], part)
    while count > group:
        count = -(-count // group)
        call = partial(_reduce_results, aggregate, False)
        node = Layer(f"{name}-aggregate", aggregate, [count], [(node, ("tree", [group]))], call)
    call = partial(_reduce_results, aggregate, True)
    return Layer(name, [aggregate, settle], [1], [(node, "all")], call, settle=settle)


# ---- functions of partitions and of results


def _fold_part(binop: Any, initial: tuple[Any, ...], items: Iterable[Any]) -> Any:
    return reduce(binop, items, *initial)


def _fold_results(combine: Any, initial: tuple[Any, ...], results: list[Any]) -> Any:
    # The start of each partition counts already; it is also the answer where there is nothing.
    return reduce(combine, results) if results or not initial else initial[0]


def _fold_by(key: Any, binop: Any, initial: tuple[Any, ...], items: Iterable[Any]) -> dict[Any, Any]:
    results: dict[Any, Any] = {}
    key = as_key(key)
    for item in items:
        place = key(item)
        if place in results:
            results[place] = binop(results[place], item)
        elif initial:
            start = initial[0]() if callable(initial[0]) else initial[0]
            results[place] = binop(start, item)
        else:
            results[place] = item
    return results


def _combine_by(combine: Any, initial: tuple[Any, ...], results: list[dict[Any, Any]]) -> dict[Any, Any]:
    merged: dict[Any, Any] = {}
    for result in results:
        for place, value in result.items():
            if place in merged:
                merged[place] = combine(merged[place], value)
            else:
                merged[place] = combine(initial[0], value) if initial else value
    return merged


def _merge_counts(counts: list[dict[Any, int]]) -> dict[Any, int]:
    # The first is not changed: it may be another reduction's input as well.
    merged = Counter(counts[0]) if counts else Counter()
    for count in counts[1:]:
        merged.update(count)
    return merged


def _pairs(_: Any, result: dict[Any, Any]) -> list[tuple[Any, Any]]:
    return list(result.items())


def _sorted_pairs(_: Any, result: dict[Any, int]) -> list[tuple[Any, int]]:
    return sorted(result.items(), key=lambda pair: pair[1], reverse=True)


def _distinct(key: Any, items: Iterable[Any]) -> list[Any]:
    if key is None:
        return list(dict.fromkeys(items))
    firsts: dict[Any, Any] = {}
    key = as_key(key)
    for item in items:
        firsts.setdefault(key(item), item)
    return list(firsts.values())


def _merge(function: Any, results: list[Iterable[Any]]) -> Any:
    return function(chain.from_iterable(results))


def _largest(k: int, key: Any, items: Iterable[Any]) -> list[Any]:
    return heapq.nlargest(k, items, key=None if key is None else as_key(key))


# ---- methods of Bag


def fold(
    self: Bag,
    binop: Callable[[Any, Any], Any],
    combine: Callable[[Any, Any], Any] | None = None,
    initial: Any = NO_DEFAULT,
    split_every: int | None = None,
    out_type: Any = None,
) -> Any:
    """Reduce with a function of two arguments.

    Parameters
    ----------
    binop : callable
        Of a running result and an item.
    combine : callable, optional
        Of two running results; `binop` unless given.
    initial : object, optional
        Where each partition starts.
    split_every : int, optional
        As of `Bag.reduction`.
    out_type : type
        `Item` (the default) or `Bag`.

    Returns
    -------
    Item or Bag

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.range(5, npartitions=2).fold(lambda x, y: x + y).compute()
    10
    >>> db.range(5, npartitions=2).fold(lambda s, x: s | {x}, set.union, initial=set()).compute()
    {0, 1, 2, 3, 4}
    """
    from raskal.bag.item import Item

    given = () if initial is NO_DEFAULT else (initial,)
    part, whole = partial(_fold_part, binop, given), partial(_fold_results, combine or binop, given)
    return self.reduction(part, whole, split_every=split_every, out_type=out_type or Item, name="fold")


def foldby(
    self: Bag,
    key: Any,
    binop: Callable[[Any, Any], Any],
    initial: Any = NO_DEFAULT,
    combine: Callable[[Any, Any], Any] | None = None,
    combine_initial: Any = NO_DEFAULT,
    split_every: int | None = None,
) -> Bag:
    """Reduce the items of each key: grouping and folding at once, without moving the items.

    Parameters
    ----------
    key : callable or object
        The key of an item, or the name of the part that is its key.
    binop : callable
        Of a running result and an item.
    initial : object, optional
        Where each key starts in each partition; called, if it is callable. Without it, a key's first item.
    combine : callable, optional
        Of two running results; `binop` unless given.
    combine_initial : object, optional
        Where each key starts when partitions are put together.
    split_every : int, optional
        As of `Bag.reduction`.

    Returns
    -------
    Bag
        One partition of pairs ``(key, result)``.

    Examples
    --------
    >>> import raskal.bag as db
    >>> from operator import add
    >>> db.range(10, npartitions=3).foldby(lambda x: x % 2 == 0, add, 0, add, 0).compute()
    [(True, 20), (False, 25)]
    """
    given = () if initial is NO_DEFAULT else (initial,)
    combined = () if combine_initial is NO_DEFAULT else (combine_initial,)
    part, whole = partial(_fold_by, key, binop, given), partial(_combine_by, combine or binop, combined)
    return _paired(self, "foldby", part, whole, split_every, _pairs)


def frequencies(self: Bag, split_every: int | None = None, sort: bool = False) -> Bag:
    """How often each distinct item is there.

    Parameters
    ----------
    split_every : int, optional
        As of `Bag.reduction`.
    sort : bool
        Whether the most frequent comes first.

    Returns
    -------
    Bag
        One partition of pairs ``(item, count)``.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.from_sequence("abca").frequencies(sort=True).compute()
    [('a', 2), ('b', 1), ('c', 1)]
    """
    return _paired(self, "frequencies", Counter, _merge_counts, split_every, _sorted_pairs if sort else _pairs)


def _paired(bag: Bag, name: str, part: Any, whole: Any, split_every: int | None, finish: Any) -> Bag:
    from raskal.bag.collection import Bag

    node = tree(bag._node, f"{name}-merge", part, whole, split_every)
    return Bag._of(Layer(name, finish, [1], [(node, "one")], finish))


def distinct(self: Bag, key: Any = None) -> Bag:
    """The distinct items, the first of each.

    Parameters
    ----------
    key : callable or object, optional
        What tells items apart: a function, or the name of a part; the item itself unless given.

    Returns
    -------
    Bag
        Of one partition.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.from_sequence(["Alice", "Bob", "Alice"]).distinct().compute()
    ['Alice', 'Bob']
    """
    from raskal.bag.collection import Bag

    part = partial(_distinct, key)
    return self.reduction(part, partial(_merge, part), out_type=Bag, name="distinct")


def topk(self: Bag, k: int, key: Any = None, split_every: int | None = None) -> Bag:
    """The largest items, largest first.

    Parameters
    ----------
    k : int
    key : callable or object, optional
        What to compare: a function of an item, or the name of a part.
    split_every : int, optional
        As of `Bag.reduction`.

    Returns
    -------
    Bag
        Of one partition.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.from_sequence([10, 3, 5, 7]).topk(2).compute()
    [10, 7]
    """
    from raskal.bag.collection import Bag

    part = partial(_largest, k, key)
    result = self.reduction(part, partial(_merge, part), split_every=split_every, out_type=Bag, name="topk")
    return result
