"""Graphs written as dictionaries: keys, and what each of them stands for.

Start at `get_graph`. A value of such a graph is a task, ``(function, argument, ...)``; another key; a list, tuple, set
or dictionary of such things; or anything else, which stands for itself. Dask's own task objects are taken as well. The
graph becomes delayed calls, one for each key that is needed, and runs as they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from raskal._raskal import Delayed, ProgramBuilder, lower_delayed

__all__ = ["dependencies_of", "flatten", "get_graph", "is_task", "nodes_of", "order_of", "shaped"]

_KEY_TYPES = (str, bytes, int, float, tuple)


def is_task(value: Any) -> bool:
    """Whether this is a tuple that begins with something to call.

    Examples
    --------
    >>> is_task((abs, -1)), is_task((1, 2))
    (True, False)
    """
    return type(value) is tuple and bool(value) and callable(value[0])


def is_foreign_task(value: Any) -> bool:
    """Whether this is a task object of Dask: called with the values of the keys that it names."""
    return hasattr(value, "dependencies") and callable(value) and type(value).__module__.startswith("dask.")


def is_key(value: Any, keys: Any) -> bool:
    """Whether this is a key of the graph."""
    if not isinstance(value, _KEY_TYPES):
        return False
    try:
        return value in keys
    except TypeError:  # a tuple with something unhashable in it
        return False


def dependencies_of(value: Any, keys: Any) -> list[Any]:
    """The keys that a value of a graph needs, each once, in the order of their use.

    Examples
    --------
    >>> dependencies_of((sum, ["a", (abs, "b"), "a"]), {"a": 1, "b": 2})
    ['a', 'b']
    """
    found: dict[Any, None] = {}
    stack = [value]
    while stack:
        one = stack.pop()
        if is_foreign_task(one):
            found.update(dict.fromkeys(one.dependencies))
        elif is_task(one):
            stack.extend(reversed(one[1:]))
        elif is_key(one, keys):
            found[one] = None
        elif type(one) in (list, tuple, set, frozenset):
            stack.extend(reversed(list(one)))
        elif type(one) is dict:
            stack.extend(reversed(list(one.values())))
    return list(found)


def order_of(dsk: Mapping[Any, Any], keys: Iterable[Any]) -> dict[Any, list[Any]]:
    """The keys that `keys` need and what each needs, inputs before their users.

    Raises
    ------
    KeyError
        If a key is not in the graph.
    RuntimeError
        If keys need each other; the message shows the circle.
    """
    ordered: dict[Any, list[Any]] = {}
    open_keys: dict[Any, None] = {}  # the keys whose inputs are being looked at, outermost first
    for wanted in keys:
        if wanted in ordered:
            continue
        stack = [_opened(wanted, dsk, open_keys)]
        while stack:
            key, needs, left = stack[-1]
            for need in left:
                if need in open_keys:
                    path = list(open_keys)
                    circle = [*path[path.index(need) :], need]
                    raise RuntimeError(f"this graph has a cycle: {' -> '.join(map(repr, circle))}")
                if need not in ordered:
                    stack.append(_opened(need, dsk, open_keys))
                    break
            else:
                ordered[key] = needs
                del open_keys[key]
                stack.pop()
    return ordered


def _opened(key: Any, dsk: Mapping[Any, Any], open_keys: dict[Any, None]) -> tuple[Any, list[Any], Iterator[Any]]:
    if key not in dsk:
        raise KeyError(_missing(key, dsk, next(reversed(open_keys), None)))
    open_keys[key] = None
    needs = dependencies_of(dsk[key], dsk)
    return key, needs, iter(needs)


def _missing(key: Any, dsk: Mapping[Any, Any], user: Any) -> str:
    needed = f", which {user!r} needs," if user is not None else ""
    near = get_close_matches(str(key), [str(known) for known in list(dsk)[:10_000]], 1)
    hint = f"\nhint: did you mean {near[0]!r}?" if near else ""
    return f"key {key!r}{needed} is not in the graph of {len(dsk)} keys{hint}"


def check_keys(dsk: Mapping[Any, Any]) -> None:
    """Refuse what can be no key."""
    for key in dsk:
        if not isinstance(key, _KEY_TYPES):
            raise TypeError(
                f"key {key!r} of a graph is a {type(key).__name__}\n"
                "hint: keys are str, bytes, int, float, or tuples of them"
            )


class _Nested:
    """A task with tasks among its arguments, as one function of the keys that it needs."""

    def __init__(self, value: Any, needs: list[Any]) -> None:
        self.value = value
        self.needs = needs
        head = value[0] if is_task(value) else type(value)
        self.__name__ = getattr(head, "__name__", type(head).__name__)

    def __call__(self, *values: Any) -> Any:
        return evaluate(self.value, dict(zip(self.needs, values, strict=True)))


class _Foreign:
    """A task object of Dask as a function of the values of its keys."""

    def __init__(self, task: Any, needs: list[Any]) -> None:
        self.task = task
        self.needs = needs
        function = getattr(task, "func", task)
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, *values: Any) -> Any:
        return self.task(dict(zip(self.needs, values, strict=True)))


def evaluate(value: Any, values: Mapping[Any, Any]) -> Any:
    """What a value of a graph stands for, given what its keys stand for."""
    if is_foreign_task(value):
        return value(values)
    if is_task(value):
        return value[0](*(evaluate(argument, values) for argument in value[1:]))
    if is_key(value, values):
        return values[value]
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(evaluate(item, values) for item in value)
    if type(value) is dict:
        return {key: evaluate(item, values) for key, item in value.items()}
    return value


def _is_flat(value: Any) -> bool:
    """Whether no task is among the arguments, so that the engine itself can put the values in."""
    if is_task(value) or is_foreign_task(value):
        return False
    if type(value) in (list, tuple, set):
        return all(_is_flat(item) for item in value)
    return type(value) not in (dict, frozenset)


def nodes_of(dsk: Mapping[Any, Any], keys: Iterable[Any]) -> dict[Any, Any]:
    """What each key that `keys` need stands for: a delayed call, or the value itself where nothing is to be called."""
    nodes: dict[Any, Any] = {}
    names: set[str] = set()
    for key, needs in order_of(dsk, keys).items():
        value = dsk[key]
        if is_key(value, dsk):
            nodes[key] = nodes[value]
        elif not needs and not _has_task(value):
            nodes[key] = value
        else:
            nodes[key] = _node(value, needs, nodes, _name(key, names))
    return nodes


def _has_task(value: Any) -> bool:
    if is_task(value) or is_foreign_task(value):
        return True
    if type(value) in (list, tuple, set, frozenset):
        return any(_has_task(item) for item in value)
    return type(value) is dict and any(_has_task(item) for item in value.values())


def _name(key: Any, names: set[str]) -> str:
    """What the engine calls the task of a key: no two alike."""
    name = plain = key if isinstance(key, str) else repr(key)
    number = 1
    while name in names:
        number += 1
        name = f"{plain}#{number}"
    names.add(name)
    return name


def _node(value: Any, needs: list[Any], nodes: Mapping[Any, Any], name: str) -> Any:
    if is_foreign_task(value):
        return Delayed._call(_Foreign(value, needs), tuple(nodes[need] for need in needs), key=name)
    if is_task(value) and all(_is_flat(argument) for argument in value[1:]):
        return Delayed._call(value[0], tuple(_filled(argument, nodes) for argument in value[1:]), key=name)
    return Delayed._call(_Nested(value, needs), tuple(nodes[need] for need in needs), key=name)


def _filled(argument: Any, nodes: Mapping[Any, Any]) -> Any:
    if is_key(argument, nodes):
        return nodes[argument]
    if type(argument) in (list, tuple, set):
        return type(argument)(_filled(item, nodes) for item in argument)
    return argument


class RawGraph:
    """What callbacks see of a graph written as a dictionary: the dictionary, and its keys."""

    def __init__(self, dsk: Mapping[Any, Any], nodes: Mapping[Any, Any]) -> None:
        self.dsk = dsk
        self._nodes = nodes
        self._keys = {node.key: key for key, node in nodes.items() if isinstance(node, Delayed)}

    def key(self, name: str) -> Any:
        """The user's key of the task that the engine calls so; None for one that the user did not write."""
        return self._keys.get(name)

    def constants(self) -> dict[Any, Any]:
        """The keys that stand for plain values."""
        return {key: node for key, node in self._nodes.items() if not isinstance(node, Delayed)}


Run = Callable[[ProgramBuilder, list[int], RawGraph], list[Any]]


def get_graph(dsk: Mapping[Any, Any], keys: Any, run: Run) -> Any:
    """Compute keys of a graph.

    Parameters
    ----------
    dsk : mapping
        The graph.
    keys : key, or list of keys, at any depth
        What to compute.
    run : callable
        Runs a program: ``run(builder, tasks, graph)`` gives the values of the tasks.

    Returns
    -------
    object
        The value of the key; for a list, a tuple.
    """
    if not isinstance(dsk, Mapping):
        raise TypeError(f"a graph is a mapping of keys to tasks, got a {type(dsk).__name__}")
    wanted = list(dict.fromkeys(flatten(keys)))
    check_keys(dsk)
    nodes = nodes_of(dsk, wanted)
    calls = {key: node for key in wanted if isinstance(node := nodes[key], Delayed)}
    builder = ProgramBuilder()
    tasks = lower_delayed(builder, list(calls.values()))
    # Callbacks are told of a graph of plain values, too.
    values = run(builder, tasks, RawGraph(dsk, nodes))
    computed = dict(zip(calls, values, strict=True))
    return shaped(keys, {**{key: nodes[key] for key in wanted}, **computed})


def flatten(keys: Any) -> Iterator[Any]:
    """The keys in a list of lists of keys."""
    if isinstance(keys, list):
        for key in keys:
            yield from flatten(key)
    else:
        yield keys


def shaped(keys: Any, values: Mapping[Any, Any], kind: type = tuple) -> Any:
    """The values of keys, in the shape of the lists that the keys are in."""
    if isinstance(keys, list):
        return kind(shaped(key, values, kind) for key in keys)
    return values[keys]
