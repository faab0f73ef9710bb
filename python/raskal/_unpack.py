"""Taking collections out of containers and putting results in their places.

Start at `unpack_collections`. `raskal.compute` does this in Rust; this is for code that brings its own way to compute.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["unpack_collections"]

Repack = Callable[[Sequence[Any]], tuple[Any, ...]]


def unpack_collections(*args: Any, traverse: bool = True) -> tuple[list[Any], Repack]:
    """Take the collections out of containers.

    Parameters
    ----------
    *args : object
        Collections, and containers of them.
    traverse : bool
        Whether to look into lists, tuples, sets, dictionaries, dataclasses and iterators, which become lists.

    Returns
    -------
    list
        The different collections.
    callable
        Given what each of them is to be replaced by, the arguments with that in their places.

    Examples
    --------
    >>> import raskal
    >>> one = raskal.delayed(1)
    >>> collections, repack = unpack_collections([one, 2], {"k": one})
    >>> len(collections), repack(["result"])
    (1, (['result', 2], {'k': 'result'}))
    """
    from raskal.base import is_dask_collection

    collections: list[Any] = []
    places: dict[int, int] = {}
    # What iterators gave, each with its iterator, which must live for its identity to mean anything.
    given: dict[int, tuple[Any, list[Any]]] = {}

    def take(value: Any) -> None:
        if is_dask_collection(value):
            if id(value) not in places:
                places[id(value)] = len(collections)
                collections.append(value)
        elif traverse:
            if isinstance(value, Iterator) and id(value) not in given:
                given[id(value)] = value, list(value)
            for part in given[id(value)][1] if id(value) in given else _parts(value):
                take(part)

    def put(value: Any, results: Sequence[Any]) -> Any:
        if id(value) in places:
            return results[places[id(value)]]
        if id(value) in given:
            return [put(part, results) for part in given[id(value)][1]]
        if not traverse or not _parts(value):
            return value
        if isinstance(value, dict):
            return type(value)((put(key, results), put(item, results)) for key, item in value.items())
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value) if field.init]
            return dataclasses.replace(value, **{name: put(getattr(value, name), results) for name in names})
        parts = [put(part, results) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)

    for arg in args:
        take(arg)
    return collections, lambda results: tuple(put(arg, results) for arg in args)


def _parts(value: Any) -> list[Any]:
    """What a container holds."""
    if isinstance(value, dict):
        return [part for item in value.items() for part in item]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value) if hasattr(value, field.name)]
    return []
