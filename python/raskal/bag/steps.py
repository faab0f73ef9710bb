"""What tasks do with partitions: functions of the coordinates of a task and its inputs.

Partitions come as lists, or as iterators when the step before is in the same task; what is returned lazily flows on
lazily. A bag binds the first arguments with `functools.partial`.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice, product, starmap, zip_longest
from operator import attrgetter, itemgetter, methodcaller
from typing import Any

from raskal._raskal import TextLines, TextSplit

__all__ = ["as_key", "call_partition", "each", "each_of_several", "flatten", "keep", "pass_on", "pluck", "spread"]

_MISSING = object()
# Functions in C: `map` calls them faster than a generator does. A generator turns a StopIteration that a user's own
# function raises into an error, where `map` would end early and lose the rest.
_IN_C = (types.BuiltinFunctionType, types.MethodDescriptorType, methodcaller, itemgetter, attrgetter)


def _in_c(function: Any) -> bool:
    return (type(function) in _IN_C and function is not next) or function in (str, int, float, tuple, list, set, dict)


def as_key(key: Any) -> Callable[[Any], Any]:
    """A function that gives an item's key: `key` itself, or what takes the item's part of that name."""
    return key if callable(key) else itemgetter(key)


def pass_on(_: Any, part: Any) -> Any:
    """The input as it is."""
    return part


def each(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], _: Any, part: Iterable[Any]) -> Iterator[Any]:
    """The function of each item, with further arguments."""
    if (
        type(part) is TextLines
        and not args
        and not kwargs
        and _splits(function)
        and (words := part.split()) is not None
    ):
        return words
    if kwargs:
        function = partial(function, **kwargs)
    if args:
        return (function(item, *args) for item in part)
    return map(function, part) if _in_c(function) else (function(item) for item in part)


class Slot:
    """Where an argument of a call comes from: an input of the task, spread over its items or whole."""

    __slots__ = ("number", "spread")

    def __init__(self, number: int, spread: bool) -> None:
        self.number = number
        self.spread = spread

    def __reduce__(self) -> tuple[Any, ...]:
        return Slot, (self.number, self.spread)


def each_of_several(function: Any, args: Sequence[Any], kwargs: dict[str, Any], _: Any, *inputs: Any) -> Iterator[Any]:
    """The function of the first items of several partitions, of the second items, ..."""
    spread, constant = [], {}
    for name, slot in [*enumerate(args), *kwargs.items()]:
        if isinstance(slot, Slot) and slot.spread:
            spread.append((name, inputs[slot.number]))
        else:
            constant[name] = inputs[slot.number] if isinstance(slot, Slot) else slot
    names = [name for name, _ in spread]
    for row in zip_longest(*(part for _, part in spread), fillvalue=_MISSING):
        if any(item is _MISSING for item in row):
            raise ValueError(
                "the bags given to map have partitions of different lengths\n"
                "hint: give bags that come from one bag, or make them with the same partition_size"
            )
        values = constant | dict(zip(names, row, strict=True))
        yield function(*(values[number] for number in range(len(args))), **{name: values[name] for name in kwargs})


def call_partition(function: Any, args: Sequence[Any], kwargs: dict[str, Any], _: Any, *inputs: Any) -> Any:
    """The function of whole partitions, which it always gets as they would be stored: not as iterators."""

    def value(slot: Any) -> Any:
        if not isinstance(slot, Slot):
            return slot
        given = inputs[slot.number]
        return list(given) if slot.spread and isinstance(given, Iterator) else given

    return function(*map(value, args), **{name: value(slot) for name, slot in kwargs.items()})


def spread(function: Any, kwargs: dict[str, Any], _: Any, part: Iterable[Any]) -> Iterator[Any]:
    """The function of each item's parts as its arguments."""
    if kwargs:
        function = partial(function, **kwargs)
    return starmap(function, part) if _in_c(function) else (function(*item) for item in part)


def keep(predicate: Any, wanted: bool, _: Any, part: Iterable[Any]) -> Iterator[Any]:
    """The items for which the predicate is true, or false."""
    if wanted:
        return (item for item in part if predicate(item))
    return (item for item in part if not predicate(item))


def _splits(function: Any) -> bool:
    """Whether a function is ``str.split`` without arguments."""
    return function is str.split or (type(function) is methodcaller and function.__reduce__()[1:] == (("split",),))


def flatten(_: Any, part: Iterable[Any]) -> Iterator[Any]:
    """The items of the items."""
    if type(part) is TextSplit:
        return part.flatten()
    return chain.from_iterable(part)


def pluck(key: Any, default: tuple[Any, ...], _: Any, part: Iterable[Any]) -> Iterator[Any]:
    """One part of each item, or a tuple of several."""
    keys = key if isinstance(key, list) else None
    if not default:
        if keys is None:
            return map(itemgetter(key), part)
        return (tuple([item[key] for key in keys]) for item in part)

    def get(item: Any, key: Any) -> Any:
        try:
            return item[key]
        except (KeyError, IndexError, TypeError):
            return default[0]

    if keys is None:
        return (get(item, key) for item in part)
    return (tuple([get(item, key) for key in keys]) for item in part)


def pairs(_: Any, left: Iterable[Any], right: Iterable[Any]) -> Iterator[Any]:
    """Each item of one partition with each of another."""
    return product(left, right)


def side_by_side(_: Any, *parts: Iterable[Any]) -> Iterator[Any]:
    """The first items of several partitions, the second items, ..."""
    return zip(*parts, strict=False)


def count_up(size: int, stop: int, last: int, coordinates: tuple[int, ...]) -> range:
    """The numbers of one partition of a range."""
    (number,) = coordinates
    return range(number * size, stop if number == last else (number + 1) * size)


def first(count: int, warn: bool, _: Any, *parts: Iterable[Any]) -> list[Any]:
    """The first items of some partitions."""
    items = list(islice(chain.from_iterable(parts), count))
    if warn:
        warn_of_few(count, len(items))
    return items


def warn_of_few(count: int, found: int) -> None:
    """Warn if there are fewer items than were asked for."""
    if found < count:
        warnings.warn(
            f"Insufficient elements for `take`. {count} elements requested, only {found} elements available. "
            "Try passing larger `npartitions` to `take`.",
            stacklevel=3,
        )


def running(binop: Any, initial: tuple[Any, ...], coordinates: tuple[int, ...], part: Any, *before: Any) -> Any:
    """Running results over a partition, and the last of them; `before` is what the partition before returned."""
    items = iter(part)
    made: list[Any] = []
    if before:
        known, state = before[0][1]
    else:
        known, state = bool(initial), (initial[0] if initial else None)
        made.extend(initial)
    for item in items:
        state = binop(state, item) if known else item
        known = True
        made.append(state)
    return made, (known, state)


def first_of_two(_: Any, pair: Any) -> Any:
    """The first half of what a step returned."""
    return pair[0]


def matched(other: Any, on_self: Any, on_other: Any, _: Any, part: Iterable[Any], *given: Any) -> Iterator[Any]:
    """Pairs of items of one side and the other whose keys are equal."""
    others: dict[Any, list[Any]] = {}
    on_self, on_other = as_key(on_self), as_key(on_other)
    for item in given[0] if given else other:
        others.setdefault(on_other(item), []).append(item)
    for item in part:
        for match in others.get(on_self(item), ()):
            yield match, item


__all__ += ["Slot", "count_up", "first", "first_of_two", "matched", "pairs", "running", "side_by_side", "warn_of_few"]
