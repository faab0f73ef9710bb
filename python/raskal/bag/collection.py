"""The class `Bag`: a heap of Python objects in partitions, with the methods of functional programming.

Start at `Bag.map`. Every method gives a new bag (or `Item`) with one more layer; nothing runs before ``compute()``.
What the layers' tasks do is in ``steps.py``; reductions, groups and files have files of their own.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any

from raskal.bag import grouping, outputs, partitions, reductions, sampling, statistics, steps
from raskal.bag.arguments import Arguments, as_single
from raskal.bag.item import Item, Partition
from raskal.bag.layer import SINGLE, Kept, Layer, Node, label, lower
from raskal.bag.reductions import NO_DEFAULT
from raskal.bag.strings import StringAccessor
from raskal.base import Collection, ProgramBuilder

__all__ = ["Bag"]


class Bag(Collection):
    """Python objects in partitions, worked on in parallel.

    Make bags with `from_sequence`, `read_text`, `from_delayed` and their like; the constructor takes a graph written by
    hand.

    Parameters
    ----------
    dsk : dict
        Tasks by key: values, keys of other tasks, or tuples of a callable and its arguments.
    name : str
        The partitions are the tasks ``(name, 0)`` to ``(name, npartitions - 1)``.
    npartitions : int

    Notes
    -----
    A partition is a list, or whatever a function given to `map_partitions` returned. Items of one partition keep their
    order; the order of partitions is kept but by shuffles (`groupby`).

    Examples
    --------
    >>> import raskal.bag as db
    >>> b = db.from_sequence(range(5), npartitions=2)
    >>> b.map(lambda x: x * 10).filter(lambda x: x > 10).compute()
    [20, 30, 40]
    """

    _node: Node
    _name: str | None = None
    # Most functions of items are pure Python, which threads do not run at the same time.
    __raskal_scheduler__ = "processes"

    def __init__(self, dsk: Any, name: str, npartitions: int) -> None:
        from raskal.bag.handmade import results

        node = results(dsk, name, npartitions)
        self._node = Layer("bag", None, node.shape, [(node, "one")], steps.pass_on)
        self._name = name

    @classmethod
    def _of(cls, node: Node) -> Bag:
        bag = object.__new__(cls)
        bag._node = node
        return bag

    @property
    def name(self) -> str:
        """Name of the bag in keys: what made it, and a content hash."""
        return self._name or self._node.prefix

    @property
    def npartitions(self) -> int:
        """Number of partitions."""
        return self._node.count

    def __repr__(self) -> str:
        return f"raskal.bag<{self.name.rpartition('-')[0] or self.name}, npartitions={self.npartitions}>"

    def __iter__(self) -> Iterator[Any]:
        return iter(self.compute())

    # ---- protocol

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        return builder.layer_tasks(lower(self._node, builder))

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        if results and isinstance(results[0], Iterable) and not isinstance(results[0], str):
            return list(chain.from_iterable(results))
        return results

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Bag:
        return Bag._of(Kept(prefix, handle))

    def __raskal_tokenize__(self) -> str:
        return self._node.prefix

    # ---- item by item

    def _step(self, name: str, token: Any, call: Callable[..., Any]) -> Bag:
        return Bag._of(Layer(name, token, self._node.shape, [(self._node, "one")], call))

    def map(self, func: Any, *args: Any, **kwargs: Any) -> Bag:
        """Call a function with each item.

        Parameters
        ----------
        func : callable
        *args, **kwargs : object
            Further arguments. Bags give one item to each call, and must have the same partitions; an `Item` or a
            delayed value is computed once and goes to every call.

        Returns
        -------
        Bag

        Raises
        ------
        ValueError
            If a bag among the arguments has another number of partitions or, when it runs, of items.

        Examples
        --------
        >>> import raskal.bag as db
        >>> b = db.from_sequence(range(4), npartitions=2)
        >>> b.map(lambda x, y, z: (x, y, z), b.map(str), z=b.max()).compute()
        [(0, '0', 3), (1, '1', 3), (2, '2', 3), (3, '3', 3)]
        """
        return bag_map(func, self, *args, **kwargs)

    def starmap(self, func: Any, **kwargs: Any) -> Bag:
        """Call a function with the parts of each item as its arguments.

        Parameters
        ----------
        func : callable
        **kwargs : object
            Further arguments; an `Item` or a delayed value is computed once.

        Returns
        -------
        Bag

        Examples
        --------
        >>> import raskal.bag as db
        >>> db.from_sequence([(1, 2), (3, 4)]).starmap(lambda x, y, z: x + y + z, z=10).compute()
        [13, 17]
        """
        if all(as_single(value) is None for value in kwargs.values()):
            return self._step(f"starmap-{label(func)}", [func, kwargs], partial(steps.spread, func, kwargs))
        return self.map(partial(_star, func), **kwargs)

    def filter(self, predicate: Callable[[Any], Any]) -> Bag:
        """Keep the items for which a function is true.

        Examples
        --------
        >>> import raskal.bag as db
        >>> db.range(6, npartitions=2).filter(lambda x: x % 2).compute()
        [1, 3, 5]
        """
        return self._step(f"filter-{label(predicate)}", predicate, partial(steps.keep, predicate, True))

    def remove(self, predicate: Callable[[Any], Any]) -> Bag:
        """Drop the items for which a function is true.

        Examples
        --------
        >>> import raskal.bag as db
        >>> db.range(6, npartitions=2).remove(lambda x: x % 2).compute()
        [0, 2, 4]
        """
        return self._step(f"remove-{label(predicate)}", predicate, partial(steps.keep, predicate, False))

    def flatten(self) -> Bag:
        """The items of the items.

        Examples
        --------
        >>> import raskal.bag as db
        >>> db.from_sequence([[1], [2, 3]]).flatten().compute()
        [1, 2, 3]
        """
        return self._step("flatten", None, steps.flatten)

    def pluck(self, key: Any, default: Any = NO_DEFAULT) -> Bag:
        """One part of each item: ``item[key]``.

        Parameters
        ----------
        key : object
            A list gives tuples of several parts.
        default : object, optional
            What to give for items without that part; otherwise they raise.

        Returns
        -------
        Bag

        Examples
        --------
        >>> import raskal.bag as db
        >>> db.from_sequence([{"a": 1, "b": 2}, {"b": 3}]).pluck("a", default=0).compute()
        [1, 0]
        """
        given = () if default is NO_DEFAULT else (default,)
        return self._step("pluck", [key, given], partial(steps.pluck, key, given))

    def unzip(self, n: int) -> tuple[Bag, ...]:
        """A bag of tuples of length `n` as `n` bags.

        Examples
        --------
        >>> import raskal.bag as db
        >>> left, right = db.from_sequence([(1, 2), (3, 4)]).unzip(2)
        >>> right.compute()
        [2, 4]
        """
        return tuple(self.pluck(place) for place in range(n))

    @property
    def str(self) -> StringAccessor:
        """Methods of strings, for each item.

        Examples
        --------
        >>> import raskal.bag as db
        >>> db.from_sequence(["Alice Smith", "Bob Jones"]).str.lower().str.split().compute()
        [['alice', 'smith'], ['bob', 'jones']]
        """
        return StringAccessor(self)

    def map_partitions(self, func: Any, *args: Any, **kwargs: Any) -> Bag:
        """Call a function with each partition.

        Parameters
        ----------
        func : callable
            Gets the partition, a list, and returns the new one: any iterable.
        *args, **kwargs : object
            Further arguments: partitions of bags, values of an `Item` or delayed value, or anything.

        Returns
        -------
        Bag

        Notes
        -----
        Differs from Dask: the function never gets an iterator in the place of a list, so that ``len`` works.

        Examples
        --------
        >>> import raskal.bag as db
        >>> db.from_sequence(range(5), npartitions=2).map_partitions(lambda part: [sum(part)]).compute()
        [3, 7]
        """
        return map_partitions(func, self, *args, **kwargs)

    def accumulate(self, binop: Callable[[Any, Any], Any], initial: Any = NO_DEFAULT) -> Bag:
        """Running results, partition after partition.

        Parameters
        ----------
        binop : callable
        initial : object, optional
            Where to start; it is the first item of the result.

        Returns
        -------
        Bag

        Examples
        --------
        >>> import raskal.bag as db
        >>> from operator import add
        >>> db.from_sequence([1, 2, 3, 4], npartitions=2).accumulate(add, initial=-1).compute()
        [-1, 0, 2, 5, 9]
        """
        given = () if initial is NO_DEFAULT else (initial,)
        count = self.npartitions
        call = partial(steps.running, binop, given)
        both = Layer("running", [binop, given], [count], [(self._node, "one")], call, inner="previous")
        return Bag._of(Layer("accumulate", None, [count], [(both, "one")], steps.first_of_two))

    # ---- several bags

    def join(self, other: Any, on_self: Any, on_other: Any = None) -> Bag:
        """Pairs of items, of another collection and of this bag, whose keys are equal.

        Parameters
        ----------
        other : iterable, Delayed, or Bag of one partition
            Goes whole to every task.
        on_self, on_other : callable or key
            The key of an item; `on_other` is `on_self` unless given.

        Returns
        -------
        Bag
            Of tuples ``(item of other, item of self)``.

        Examples
        --------
        >>> import raskal.bag as db
        >>> db.from_sequence(["Alice", "Bob"]).join(["fish", "apple"], len).compute()
        [('apple', 'Alice')]
        """
        on_other = on_self if on_other is None else on_other
        inputs: list[tuple[Node, Any]] = [(self._node, "one")]
        given: Any = None
        if isinstance(other, Bag):
            if other.npartitions != 1:
                raise NotImplementedError(
                    f"join needs an iterable, a Delayed or a Bag of 1 partition, got one of {other.npartitions}\n"
                    "hint: call .repartition(npartitions=1) on the smaller bag first"
                )
            inputs.append((other._node, SINGLE))
        elif (single := as_single(other) if hasattr(type(other), "__raskal_lower__") else None) is not None:
            inputs.append((single, SINGLE))
        elif isinstance(other, Iterable):
            given = list(other)
        else:
            raise TypeError(f"join needs an iterable, a Delayed or a Bag, got {type(other).__name__}")
        call = partial(steps.matched, given, on_self, on_other)
        return Bag._of(Layer("join", [given, on_self, on_other], self._node.shape, inputs, call))

    def product(self, other: Bag) -> Bag:
        """Pairs of each item with each item of another bag.

        Examples
        --------
        >>> import raskal.bag as db
        >>> db.from_sequence([1, 2]).product(db.from_sequence("ab")).compute()
        [(1, 'a'), (1, 'b'), (2, 'a'), (2, 'b')]
        """
        if not isinstance(other, Bag):
            raise TypeError(f"product needs a Bag, got {type(other).__name__}\nhint: make one with from_sequence")
        shape = [self.npartitions, other.npartitions]
        grid = Layer("pairs", None, shape, [(self._node, ("axes", [0])), (other._node, ("axes", [1]))], steps.pairs)
        return Bag._of(Layer("product", None, [grid.count], [(grid, "one")], steps.pass_on))

    # ---- reductions

    def reduction(
        self,
        perpartition: Callable[[Any], Any],
        aggregate: Callable[[Any], Any],
        split_every: int | None = None,
        out_type: type[Item] | type[Bag] = Item,
        name: builtins.str | None = None,
    ) -> Any:
        """Reduce each partition, then the results, in a tree.

        Parameters
        ----------
        perpartition : callable
            Gets the items of a partition: an iterable. Empty partitions are left out.
        aggregate : callable
            Gets a list of results, of partitions or of itself.
        split_every : int, optional
            How many results are put together at once: 8 by default, False for all.
        out_type : type
            `Item`, or `Bag` if the result is the items of a bag of one partition.
        name : str, optional
            Name of the result in keys.

        Returns
        -------
        Item or Bag

        Examples
        --------
        >>> import raskal.bag as db
        >>> db.range(10, npartitions=3).reduction(sum, sum).compute()
        45
        """
        what = name or label(aggregate)
        node = reductions.tree(self._node, what, perpartition, aggregate, split_every, settle=issubclass(out_type, Bag))
        return out_type._of(node)

    fold = reductions.fold
    foldby = reductions.foldby
    frequencies = reductions.frequencies
    distinct = reductions.distinct
    topk = reductions.topk
    sum = statistics.sum_
    count = statistics.count
    min = statistics.min_
    max = statistics.max_
    any = statistics.any_
    all = statistics.all_
    mean = statistics.mean
    var = statistics.var
    std = statistics.std

    # ---- other files

    groupby = grouping.groupby
    random_sample = sampling.random_sample
    repartition = partitions.repartition
    take = partitions.take
    to_avro = outputs.to_avro
    to_dataframe = outputs.to_dataframe
    to_textfiles = outputs.to_textfiles

    def to_delayed(self, optimize_graph: bool = True) -> list[Any]:
        """The partitions as delayed values.

        Parameters
        ----------
        optimize_graph : bool
            Accepted for Dask's sake.

        Returns
        -------
        list of Delayed

        Examples
        --------
        >>> import raskal.bag as db
        >>> [part.compute() for part in db.from_sequence(range(4), npartitions=2).to_delayed()]
        [[0, 1], [2, 3]]
        """
        return [Partition(self._node, number).to_delayed() for number in range(self.npartitions)]


def _star(function: Any, item: Any, **kwargs: Any) -> Any:
    return function(*item, **kwargs)


def bag_map(func: Any, *args: Any, **kwargs: Any) -> Bag:
    """Call a function with the items of bags, side by side; see `Bag.map`.

    Examples
    --------
    >>> import raskal.bag as db
    >>> b = db.range(3, npartitions=2)
    >>> db.map(lambda x, y: x + y, b, 10).compute()
    [10, 11, 12]
    """
    found = Arguments.of(args, kwargs)
    name = f"map-{label(func)}"
    first_is_bag = isinstance(args[0], Bag) if args else False
    call: Callable[..., Any]
    if first_is_bag and len(found.inputs) == 1:
        call = partial(steps.each, func, tuple(found.args[1:]), found.kwargs)
    else:
        call = partial(steps.each_of_several, func, found.args, found.kwargs)
    return Bag._of(Layer(name, [func, found.token], [found.npartitions or 0], found.inputs, call))


def map_partitions(func: Any, *args: Any, **kwargs: Any) -> Bag:
    """Call a function with the partitions of bags, side by side; see `Bag.map_partitions`.

    Examples
    --------
    >>> import raskal.bag as db
    >>> b = db.range(4, npartitions=2)
    >>> db.map_partitions(lambda left, right: [len(left) + len(right)], b, b).compute()
    [4, 4]
    """
    found = Arguments.of(args, kwargs)
    call = partial(steps.call_partition, func, found.args, found.kwargs)
    shape = [found.npartitions or 0]
    return Bag._of(Layer(f"map_partitions-{label(func)}", [func, found.token], shape, found.inputs, call))
