"""Graphs written by hand, as Dask's users know them: ``{("x", 0): (sum, [("y", 0), 1])}``.

Start at `delayed_of`. A tuple whose first item is callable is a call; a value that is a key of the graph stands for
that key's value; lists and the arguments of calls are looked through; everything else is a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from raskal._raskal import Delayed
from raskal.bag.layer import Results

__all__ = ["delayed_of", "results"]


def results(graph: Any, name: str, npartitions: int) -> Results:
    """The tasks ``(name, 0)`` to ``(name, npartitions - 1)`` of a graph."""
    return Results("graph", delayed_of(graph, [(name, number) for number in range(npartitions)]))


def delayed_of(graph: Any, keys: Iterable[Any]) -> list[Delayed]:
    """The values of keys of a graph as delayed ones.

    Raises
    ------
    TypeError
        If the graph is no mapping.
    KeyError
        If a key is not in it.
    ValueError
        If a value needs itself.
    """
    if not isinstance(graph, Mapping):
        raise TypeError(f"a graph is a dictionary of tasks by key, got {type(graph).__name__}")
    made: dict[Any, Delayed] = {}
    for key in keys:
        if key not in graph:
            raise KeyError(f"the graph has no key {key!r}")
        _make(graph, key, made)
    return [made[key] for key in keys]


def _is_key(graph: Mapping[Any, Any], value: Any) -> bool:
    try:
        return (isinstance(value, (str, bytes, int, float)) or _is_plain_tuple(value)) and value in graph
    except TypeError:
        return False


def _is_plain_tuple(value: Any) -> bool:
    return type(value) is tuple and bool(value) and not callable(value[0])


def _needs(graph: Mapping[Any, Any], value: Any) -> Iterable[Any]:
    """The keys that a value of the graph needs."""
    stack = [value]
    while stack:
        value = stack.pop()
        if _is_key(graph, value):
            yield value
        elif type(value) is list:
            stack.extend(value)
        elif type(value) is tuple and value and callable(value[0]):
            stack.extend(value[1:])


def _make(graph: Mapping[Any, Any], wanted: Any, made: dict[Any, Delayed]) -> None:
    """Make a key's delayed value after those that it needs, without recursion."""
    stack, open_keys = [wanted], set()
    while stack:
        key = stack[-1]
        if key in made:
            stack.pop()
            continue
        missing = [need for need in _needs(graph, graph[key]) if need not in made]
        if not missing:
            made[key] = _value(graph, graph[key], made)
            open_keys.discard(key)
            stack.pop()
            continue
        open_keys.add(key)
        for need in missing:
            if need in open_keys:
                raise ValueError(f"the graph has a cycle: {key!r} needs {need!r}, which needs it")
        stack.extend(missing)


def _value(graph: Mapping[Any, Any], value: Any, made: dict[Any, Delayed]) -> Delayed:
    def build(value: Any) -> Any:
        if _is_key(graph, value):
            return made[value]
        if type(value) is list:
            return [build(item) for item in value]
        if type(value) is tuple and value and callable(value[0]):
            return Delayed._call(value[0], tuple(build(item) for item in value[1:]))
        return value

    built = build(value)
    return built if isinstance(built, Delayed) else Delayed._of(built, None, None, None)
