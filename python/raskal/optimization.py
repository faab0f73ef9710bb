"""Rewriting graphs that are written as dictionaries.

Start at `cull`. These are for graphs of one's own and for code written for Dask: raskal's collections are optimised as
expressions, and the engine runs only what is needed. Each function gives a new graph and leaves its argument as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from raskal import config
from raskal.graphs import dependencies_of, flatten, is_key, is_task, order_of
from raskal.utils import key_split

__all__ = ["cull", "fuse", "inline", "inline_functions"]

Graph = dict[Any, Any]
Dependencies = dict[Any, list[Any]]


def cull(dsk: Mapping[Any, Any], keys: Any) -> tuple[Graph, Dependencies]:
    """The part of a graph that some keys need.

    Parameters
    ----------
    dsk : mapping
        The graph.
    keys : key, or list or set of keys
        What is wanted.

    Returns
    -------
    tuple of dict, dict
        The smaller graph, and what each of its keys needs.

    Raises
    ------
    KeyError
        If a key is not in the graph.

    Examples
    --------
    >>> cull({"x": 1, "y": (abs, "x"), "z": (abs, "y")}, "y")
    ({'x': 1, 'y': (<built-in function abs>, 'x')}, {'x': [], 'y': ['x']})
    """
    needs = order_of(dsk, _listed(keys))
    return {key: dsk[key] for key in needs}, needs


def inline(
    dsk: Mapping[Any, Any],
    keys: Any = None,
    inline_constants: bool = True,
    dependencies: Mapping[Any, Collection[Any]] | None = None,
) -> Graph:
    """Put what keys stand for in the places where they are used.

    Parameters
    ----------
    dsk : mapping
        The graph.
    keys : key, or list or set of keys, optional
        What to put in; the keys themselves stay in the graph.
    inline_constants : bool
        Whether to put plain values in as well.
    dependencies : mapping, optional
        What each key needs, if that is known.

    Returns
    -------
    dict

    Examples
    --------
    >>> inline({"x": 1, "y": (abs, "x"), "z": (sum, ["x", "y"])})["z"]
    (<built-in function sum>, [1, 'y'])
    >>> inline({"x": 1, "y": (abs, "x"), "z": (sum, ["x", "y"])}, keys="y", inline_constants=False)["z"]
    (<built-in function sum>, ['x', (<built-in function abs>, 'x')])
    """
    wanted = set(_listed(keys)) if keys is not None else set()
    needs = dict(dependencies) if dependencies is not None else {key: dependencies_of(dsk[key], dsk) for key in dsk}
    if inline_constants:
        wanted |= {key for key in dsk if not needs[key] and not is_task(dsk[key])}
    replaced: Graph = {}
    for key in order_of(dsk, wanted):
        value = _replace(dsk[key], {need: replaced[need] for need in needs[key] if need in wanted})
        if key in wanted:
            replaced[key] = value
    return {
        key: replaced[key]
        if key in replaced
        else _replace(dsk[key], {need: replaced[need] for need in needs[key] if need in replaced})
        for key in dsk
    }


def inline_functions(
    dsk: Mapping[Any, Any],
    output: Any,
    fast_functions: Iterable[Callable[..., Any]] | None = None,
    inline_constants: bool = False,
    dependencies: Mapping[Any, Collection[Any]] | None = None,
) -> Graph:
    """Put calls of cheap functions into the tasks that use them, so that they are no tasks of their own.

    Parameters
    ----------
    dsk : mapping
        The graph.
    output : key, or list or set of keys
        What is wanted in the end, and stays.
    fast_functions : iterable of callable, optional
        The cheap functions.
    inline_constants : bool
        Whether to put plain values in as well.
    dependencies : mapping, optional
        What each key needs, if that is known.

    Returns
    -------
    dict
        Without the keys that were put in and are not in `output`.

    Examples
    --------
    >>> inline_functions({"x": 1, "y": (abs, "x"), "z": (sum, ["y"])}, ["z"], [abs])
    {'x': 1, 'z': (<built-in function sum>, [(<built-in function abs>, 'x')])}
    """
    fast = set(fast_functions or ())
    kept = set(_listed(output))
    used = {need for key in dsk for need in dependencies_of(dsk[key], dsk)}
    cheap = {
        key
        for key, value in dsk.items()
        if key in used and key not in kept and is_task(value) and _functions(value) <= fast
    }
    if not cheap:
        return dict(dsk)
    inlined = inline(dsk, cheap, inline_constants, dependencies)
    return {key: value for key, value in inlined.items() if key not in cheap}


def fuse(
    dsk: Mapping[Any, Any],
    keys: Any = None,
    dependencies: Mapping[Any, Collection[Any]] | None = None,
    ave_width: float | None = None,
    max_width: float | None = None,
    max_height: float | None = None,
    max_depth_new_edges: float | None = None,
    rename_keys: bool | Callable[[list[Any]], Any] | None = None,
) -> tuple[Graph, Dependencies]:
    """Make one task of tasks that only one other needs.

    Parameters
    ----------
    dsk : mapping
        The graph.
    keys : key, or list or set of keys, optional
        What is wanted in the end, and stays.
    dependencies : mapping, optional
        What each key needs, if that is known.
    ave_width : number, optional
        With 1, the default, chains are fused; with more, also tasks that need up to so many others.
    max_width, max_depth_new_edges : number, optional
        Accepted for Dask's sake.
    max_height : number, optional
        At most so many tasks on top of each other in one.
    rename_keys : bool or callable, optional
        Whether a fused task is named after all that it does, with its old key as another name for it; or a function of
        the list of fused keys that gives the name.

    Returns
    -------
    tuple of dict, dict
        The new graph, and what each of its keys needs.

    Examples
    --------
    >>> fuse({"x": 1, "y": (abs, "x"), "z": (bool, "y")}, "z", rename_keys=False)
    ({'z': (<class 'bool'>, (<built-in function abs>, 1))}, {'z': []})
    """
    if not config.get("optimization.fuse.active", True):
        return dict(dsk), {key: dependencies_of(dsk[key], dsk) for key in dsk}
    width = _setting("ave-width", ave_width, 1)
    height = _setting("max-height", max_height, float("inf"))
    renaming = config.get("optimization.fuse.rename-keys", True) if rename_keys is None else rename_keys
    kept = set(_listed(keys)) if keys is not None else set()
    needs = {key: list(dependencies[key]) for key in dsk} if dependencies is not None else order_of(dsk, dsk)
    users = dict.fromkeys(needs, 0)
    for key in needs:
        for need in needs[key]:
            users[need] += 1
    # Of each key: what it has become, the keys in it, how many are on top of each other.
    made: dict[Any, tuple[Any, list[Any], int]] = {}
    for key in order_of(dsk, dsk):
        alone = [need for need in needs[key] if need in made and users[need] == 1 and need not in kept]
        if len(needs[key]) > max(1, width):
            alone = []
        alone = [need for need in alone if made[need][2] < height]
        parts = [made.pop(need) for need in alone]
        value = _replace(dsk[key], {need: part[0] for need, part in zip(alone, parts, strict=True)})
        fused = [name for part in parts for name in part[1]] + [key]
        made[key] = (value, fused, 1 + max((part[2] for part in parts), default=0))
    graph: Graph = {}
    for key, (value, fused, _) in made.items():
        name = _fused_name(fused, renaming) if renaming and len(fused) > 1 else key
        if name != key and name not in dsk:
            graph[name] = value
            graph[key] = name
        else:
            graph[key] = value
    return graph, {key: dependencies_of(value, graph) for key, value in graph.items()}


def _setting(name: str, given: float | None, default: float) -> float:
    value = config.get(f"optimization.fuse.{name}", None) if given is None else given
    return default if value is None else value


def _fused_name(fused: list[Any], renaming: Any) -> Any:
    """A name that tells of all that is fused: the last key, with the names of the others before it."""
    if callable(renaming):
        return renaming(fused)
    last = fused[-1]
    names = list(dict.fromkeys(key_split(key) for key in fused[:-1] if key_split(key) != key_split(last)))
    if not names:
        return last
    text = "-".join(names)
    if isinstance(last, str):
        return f"{text}-{last}"
    if isinstance(last, tuple) and last and isinstance(last[0], str):
        return (f"{text}-{last[0]}", *last[1:])
    return last


def _listed(keys: Any) -> list[Any]:
    return list(keys) if isinstance(keys, (set, frozenset)) else list(flatten(keys))


def _functions(value: Any) -> set[Any]:
    """The functions that a task calls, at any depth."""
    if is_task(value):
        return {value[0]}.union(*(_functions(argument) for argument in value[1:]))
    if isinstance(value, list):
        return set().union(*(_functions(item) for item in value))
    return set()


def _replace(value: Any, values: Mapping[Any, Any]) -> Any:
    """A value of a graph with others in the places of keys."""
    if not values:
        return value
    if is_task(value):
        return (value[0], *(_replace(argument, values) for argument in value[1:]))
    if is_key(value, values):
        return values[value]
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(_replace(item, values) for item in value)
    if type(value) is dict:
        return {key: _replace(item, values) for key, item in value.items()}
    return value
