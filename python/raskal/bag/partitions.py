"""Other partitions of the same items: `repartition`, and `take`, which reads only the first ones."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from raskal.bag import steps
from raskal.bag.layer import Layer, Node, first_tasks
from raskal.utils import parse_bytes

if TYPE_CHECKING:
    from raskal.bag.collection import Bag

__all__ = ["repartition", "take"]


def take(self: Bag, k: int, npartitions: int = 1, compute: bool = True, warn: bool = True) -> Any:
    """Take the first items.

    Parameters
    ----------
    k : int
        How many.
    npartitions : int
        How many partitions to look through; -1 for all.
    compute : bool
        Whether to compute them now.
    warn : bool
        Whether to warn if there are fewer.

    Returns
    -------
    tuple, or Bag if not `compute`

    Raises
    ------
    ValueError
        If there are fewer partitions.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.range(1_000, npartitions=10).take(3)
    (0, 1, 2)
    """
    from raskal.bag.collection import Bag

    count = self.npartitions if npartitions <= -1 else npartitions
    if count < 1:
        raise ValueError(f"npartitions must be at least 1 or -1, got {npartitions}")
    if count > self.npartitions:
        raise ValueError(
            f"only {self.npartitions} partitions, take received {npartitions}\nhint: npartitions=-1 looks through all"
        )
    source = first_tasks(self._node, count)
    how = "one" if count == 1 else "all"
    # Computed here it is warned of here: who looks at what other processes say?
    late = warn and not compute
    taken = Bag._of(Layer("take", [k, late], [1], [(source, how)], partial(steps.first, k, late)))
    if not compute:
        return taken
    found = tuple(taken.compute())
    if warn:
        steps.warn_of_few(k, len(found))
    return found


def repartition(self: Bag, npartitions: int | None = None, partition_size: int | str | None = None) -> Bag:
    """Cut the bag into other partitions.

    Parameters
    ----------
    npartitions : int, optional
        How many. Fewer are made by joining neighbours, more by cutting each.
    partition_size : int or str, optional
        The largest size of a partition in memory, such as ``"100 MiB"``. The sizes are computed to know them.

    Returns
    -------
    Bag

    Raises
    ------
    ValueError
        Unless exactly one is given.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.range(10, npartitions=5).repartition(npartitions=2).npartitions
    2
    """
    if (npartitions is None) == (partition_size is None):
        raise ValueError("Please provide exactly one of the npartitions or partition_size keyword arguments")
    from raskal.bag.collection import Bag

    if npartitions is not None:
        if npartitions < 1:
            raise ValueError(f"npartitions must be at least 1, got {npartitions}")
        return Bag._of(_to_count(self._node, npartitions))
    return Bag._of(_to_size(self, parse_bytes(partition_size or 0)))


def _to_count(node: Node, wanted: int) -> Node:
    have = node.count
    if wanted == have:
        return node
    if wanted < have:
        return _joined(node, [have * number // wanted for number in range(wanted + 1)])
    pieces = [wanted * (number + 1) // have - wanted * number // have for number in range(have)]
    return _cut(node, pieces)


def _joined(node: Node, bounds: list[int]) -> Node:
    """Neighbours joined: partition i holds those from bounds[i] to bounds[i + 1]."""
    ranges = list(zip(bounds, bounds[1:], strict=False))
    return Layer("repartition-join", bounds, [len(ranges)], [(node, ("stretches", [(0, ranges)]))], _join)


def _cut(node: Node, pieces: Sequence[int]) -> Node:
    """Each partition cut into so many pieces."""
    places = [(number, place, count) for number, count in enumerate(pieces) for place in range(count)]
    ranges = [(number, number + 1) for number, _, _ in places]
    call = partial(_piece, [(place, count) for _, place, count in places])
    return Layer("repartition-cut", list(pieces), [len(places)], [(node, ("stretches", [(0, ranges)]))], call)


def _join(_: Any, *parts: Iterable[Any]) -> list[Any]:
    return list(chain.from_iterable(parts))


def _piece(places: list[tuple[int, int]], coordinates: tuple[int, ...], part: Iterable[Any]) -> list[Any]:
    items = part if isinstance(part, list) else list(part)
    place, count = places[coordinates[0]]
    return items[len(items) * place // count : len(items) * (place + 1) // count]


def _to_size(bag: Bag, limit: int) -> Node:
    if limit < 1:
        raise ValueError(f"partition_size must be at least 1 byte, got {limit}")
    node = bag._node
    sizes = bag.map_partitions(_size).compute()
    pieces = [1 + size // limit for size in sizes]
    if max(pieces, default=1) > 1:
        node = _cut(node, pieces)
        sizes = [size / count for size, count in zip(sizes, pieces, strict=True) for _ in range(count)]
    bounds, filled = [0], 0.0
    for number, size in enumerate(sizes):
        if filled and filled + size > limit:
            bounds.append(number)
            filled = 0.0
        filled += size
    bounds.append(len(sizes))
    return node if len(bounds) == len(sizes) + 1 else _joined(node, bounds)


def _size(part: Any) -> list[int]:
    return [_bytes_of(part, 3)]


# Items of a container that are looked at to estimate its size.
_SAMPLE = 32


def _bytes_of(value: Any, depth: int) -> int:
    """About how much memory an object takes, from a sample of its parts."""
    own = sys.getsizeof(value)
    if (extra := getattr(value, "nbytes", None)) is not None and isinstance(extra, int):
        return max(own, extra)
    if not depth:
        return own
    parts: Any = None
    if isinstance(value, dict):
        parts = [part for pair in list(value.items())[:_SAMPLE] for part in pair]
        count = 2 * len(value)
    elif isinstance(value, (list, tuple, set, frozenset)):
        step = max(1, len(value) // _SAMPLE)
        parts = list(value)[::step] if isinstance(value, (set, frozenset)) else value[::step]
        count = len(value)
    if not parts:
        return own
    return own + sum(_bytes_of(part, depth - 1) for part in parts) * count // len(parts)
