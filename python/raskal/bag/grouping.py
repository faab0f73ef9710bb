"""`Bag.groupby`: all items of a key into one list, by a shuffle through memory or through the disk.

Start at `groupby`. Each partition is grouped first, so that a key is hashed once a partition and not once an item; then
its groups go to the result's partitions, as parts of a value (``shuffle="tasks"``) or of a file (``"disk"``, source:
``spill.py``). On a cluster both are tasks: nodes have no disk in common, and spill by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from raskal import config
from raskal.bag import hashing, spill
from raskal.bag.layer import SINGLE, Layer, Node, lower
from raskal.bag.steps import as_key
from raskal.base import ProgramBuilder
from raskal.tokenize import tokenize

if TYPE_CHECKING:
    from raskal.bag.collection import Bag

__all__ = ["groupby"]

# Items that are grouped in memory before their groups are written to disk.
_ITEMS = 1 << 17


def groupby(
    self: Bag,
    grouper: Any,
    method: str | None = None,
    npartitions: int | None = None,
    blocksize: int = 2**20,
    max_branch: int | None = None,
    shuffle: str | None = None,
) -> Bag:
    """Collect the items of each key.

    All items move; where a running result is enough, `foldby` is far cheaper.

    Parameters
    ----------
    grouper : callable or object
        The key of an item, or the name of the part that is its key. Keys must be hashable.
    method : str, optional
        An older name of `shuffle`.
    npartitions : int, optional
        Partitions of the result; as many as the bag has, unless given.
    blocksize, max_branch
        Accepted for Dask's sake; not needed here.
    shuffle : {"disk", "tasks"}, optional
        Through temporary files, for data larger than memory (the default in one process), or from task to task (the
        default on a cluster). The setting ``bag.shuffle`` if not given.

    Returns
    -------
    Bag
        Of pairs ``(key, list of items)``; the items of a key keep their order. A group must fit in memory.

    Raises
    ------
    ValueError
        If `shuffle` is unknown or `npartitions` is less than 1.
    TypeError
        When it runs, if keys can't be hashed alike in all processes.

    Notes
    -----
    Temporary files are in the setting ``temporary-directory`` and are removed when they were read.

    Examples
    --------
    >>> import raskal.bag as db
    >>> sorted(db.range(6, npartitions=2).groupby(lambda x: x % 2).compute())
    [(0, [0, 2, 4]), (1, [1, 3, 5])]
    """
    from raskal.bag.collection import Bag

    if method is not None:
        if shuffle is not None and shuffle != method:
            raise ValueError(
                f"method={method!r} and shuffle={shuffle!r} are two names of one choice\nhint: give shuffle"
            )
        shuffle = method
    shuffle = shuffle if shuffle is not None else config.get("bag.shuffle", None)
    if shuffle not in (None, "disk", "tasks"):
        raise ValueError(f"unknown shuffle {shuffle!r}\nhint: use 'disk' or 'tasks'")
    count = self.npartitions if npartitions is None else npartitions
    if count < 1:
        raise ValueError(f"npartitions must be at least 1, got {npartitions}")
    return Bag._of(_Groups(self._node, grouper, count, in_memory=shuffle == "tasks"))


class _Groups(Node):
    """The groups of a node's items; how they move is decided when it is known where they run."""

    def __init__(self, node: Node, grouper: Any, count: int, in_memory: bool) -> None:
        self.shape = [count]
        self.on_disk = None if in_memory else _through_disk(node, grouper, count)
        self.by_tasks = _through_tasks(node, grouper, count)
        self.prefix = (self.on_disk or self.by_tasks).prefix

    def add(self, builder: ProgramBuilder, sources: list[int]) -> int:
        use_tasks = self.on_disk is None or builder.distributed
        return lower(self.by_tasks if use_tasks else self.on_disk or self.by_tasks, builder)


class _Folder(Node):
    """The folder of one computation's files; it belongs to the program, and goes with it."""

    def __init__(self, node: Node, grouper: Any, count: int) -> None:
        self.shape = [1]
        self.prefix = f"groupby-folder-{tokenize(node.prefix, grouper, count)}"

    def add(self, builder: ProgramBuilder, sources: list[int]) -> int:
        """Add the layer; see `Node.add`."""
        return builder.add_objects(self.prefix, [spill.Folder()])


def _through_tasks(node: Node, grouper: Any, count: int) -> Node:
    split = Layer("groupby-split", [grouper, count], [node.count], [(node, "one")], partial(_split, grouper, count))
    if count == 1:
        return Layer("groupby", None, [1], [(split, "all")], _collect)
    # A task for each pair of partitions, so that a worker fetches only what it needs.
    shape = [node.count, count]
    parts = Layer("groupby-part", None, shape, [(split, ("axes", [0]))], _part)
    return Layer("groupby", None, [count], [(parts, ("axes", [-1, 0]))], _collect)


def _through_disk(node: Node, grouper: Any, count: int) -> Node:
    folder = _Folder(node, grouper, count)
    inputs = [(node, "one"), (folder, SINGLE)]
    written = Layer("groupby-write", [grouper, count], [node.count], inputs, partial(_write, grouper, count))
    return Layer("groupby-disk", count, [count], [(written, "all")], _read)


def _grouped(grouper: Any, items: Iterable[Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    key = as_key(grouper)
    for item in items:
        place = key(item)
        group = groups.get(place)
        if group is None:
            groups[place] = [item]
        else:
            group.append(item)
    return groups


def _dealt(groups: dict[Any, list[Any]], count: int) -> tuple[list[dict[Any, list[Any]]], frozenset[str]]:
    """The groups of each partition of the result, and what the choice depends on."""
    numbers, marks = hashing.places(groups, count)
    parts: list[dict[Any, list[Any]]] = [{} for _ in range(count)]
    for (key, group), number in zip(groups.items(), numbers, strict=True):
        parts[number][key] = group
    return parts, marks


def _split(grouper: Any, count: int, _: Any, part: Iterable[Any]) -> Any:
    parts, marks = _dealt(_grouped(grouper, part), count)
    return [(groups, marks) for groups in parts]


def _part(coordinates: tuple[int, ...], split: list[Any]) -> Any:
    return split[coordinates[1]]


def _merge(into: dict[Any, list[Any]], groups: dict[Any, list[Any]]) -> None:
    for key, group in groups.items():
        known = into.get(key)
        if known is None:
            # A copy: the group may be a value that others hold.
            into[key] = list(group)
        else:
            known.extend(group)


def _collect(_: Any, *parts: Any) -> Iterator[tuple[Any, list[Any]]]:
    # With one partition of the result, each part is the whole list of one part.
    found = [part[0] if isinstance(part, list) else part for part in parts]
    hashing.check(marks for _, marks in found)
    merged: dict[Any, list[Any]] = {}
    for groups, _ in found:
        _merge(merged, groups)
    return iter(merged.items())


def _write(grouper: Any, count: int, coordinates: tuple[int, ...], part: Iterable[Any], folder: Any) -> Any:
    items = iter(part)
    all_marks: frozenset[str] = frozenset()
    with spill.Writer(folder.path, coordinates[0], count) as writer:
        while batch := list(islice(items, _ITEMS)):
            parts, marks = _dealt(_grouped(grouper, batch), count)
            all_marks |= marks
            writer.write(parts)
    return writer.index, all_marks


def _read(coordinates: tuple[int, ...], *written: Any) -> Iterator[tuple[Any, list[Any]]]:
    hashing.check(marks for _, marks in written)
    merged: dict[Any, list[Any]] = {}
    for index, _ in written:
        for groups in spill.read(index, coordinates[0]):
            _merge(merged, groups)
    return iter(merged.items())
