"""What a bag is made of: layers of tasks, one function each, and how they depend on one another.

Start at `Layer`; `lower` adds one and all that it needs to a program. Building a layer costs the same for ten
partitions as for ten thousand: dependencies are formulas ("one", ("tree", 8)...; see `ProgramBuilder.add_layer`).
Chains of layers are joined into one task a partition by the engine (source: crates/raskal-runtime/src/fuse.rs).
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from raskal._raskal import Delayed, lower_delayed
from raskal.annotations import current as current_annotations
from raskal.base import ProgramBuilder
from raskal.tokenize import tokenize
from raskal.utils import funcname

__all__ = ["Kept", "Layer", "Node", "Objects", "Results", "Selection", "SINGLE", "first_tasks", "label", "lower"]

# How a task depends on a layer of one task, whose value all tasks share.
SINGLE = ("axes", [-2])
_PACKAGE = str(Path(__file__).parent)


class Node:
    """What gives values to tasks: a name that stands for its content, a shape, and the nodes that it needs."""

    prefix: str
    shape: list[int]
    sources: tuple[Node, ...] = ()

    @property
    def count(self) -> int:
        """Number of tasks."""
        return math.prod(self.shape)

    def add(self, builder: ProgramBuilder, sources: list[int]) -> int:
        """Add the layer, given the numbers of its sources' layers; returns its number."""
        raise NotImplementedError(type(self).__name__)


class Layer(Node):
    """Calls of one function: ``call(coordinates, *inputs)`` for each task.

    Parameters
    ----------
    name : str
        What it does, for keys and pictures.
    token : object
        What makes it different from others, with its sources.
    shape : list of int
    inputs : sequence of (Node, how)
        Where the inputs come from, as `ProgramBuilder.add_layer` takes it.
    call : callable
    settle : bool
        Whether an iterator that a task returns becomes a list.
    inner : list of list of int, or "previous", optional
        The other tasks of this layer that each task needs, too.
    """

    def __init__(
        self,
        name: str,
        token: Any,
        shape: list[int],
        inputs: Iterable[tuple[Node, Any]],
        call: Callable[..., Any],
        *,
        settle: bool = True,
        inner: list[list[int]] | Literal["previous"] | None = None,
    ) -> None:
        self.name = name
        self.token = token
        self.shape = shape
        self.inputs = tuple(inputs)
        self.sources = tuple(source for source, _ in self.inputs)
        self.prefix = f"{name}-{tokenize(name, token, shape, [source.prefix for source in self.sources])}"
        self.call = call
        self.settle = settle
        self.inner = inner
        self.origin = _user_line()
        self.asked = current_annotations()

    def add(self, builder: ProgramBuilder, sources: list[int]) -> int:
        """Add the layer; see `Node.add`."""
        inputs = [(number, how) for number, (_, how) in zip(sources, self.inputs, strict=True)]
        number = builder.add_layer(
            self.prefix, self.shape, inputs, self.call, self.name, self.origin, self.settle, self.inner
        )
        if self.asked is not None:
            builder.annotate(self.asked, [number])
        return number


class Objects(Node):
    """Objects that exist already, one a partition."""

    def __init__(self, name: str, token: Any, objects: list[Any]) -> None:
        self.prefix = f"{name}-{token}"
        self.shape = [len(objects)]
        self.objects = objects

    def add(self, builder: ProgramBuilder, sources: list[int]) -> int:
        """Add the layer; see `Node.add`."""
        return builder.add_objects(self.prefix, self.objects)


class Kept(Node):
    """Values that were computed and kept, or tasks that another collection adds."""

    def __init__(self, prefix: str, handle: Any) -> None:
        self.prefix = prefix
        self.shape = [len(handle)]
        self.handle = handle

    def add(self, builder: ProgramBuilder, sources: list[int]) -> int:
        """Add the layer; see `Node.add`."""
        builder.add_persisted(self.prefix, self.handle)
        known = builder.known_layer(self.prefix)
        assert known is not None
        return known


class Results(Node):
    """The results of delayed objects, one a partition."""

    def __init__(self, name: str, values: list[Delayed]) -> None:
        self.prefix = f"{name}-{tokenize([value.key for value in values])}"
        self.shape = [len(values)]
        self.values = values

    def add(self, builder: ProgramBuilder, sources: list[int]) -> int:
        """Add the layer; see `Node.add`."""
        return builder.add_selection(self.prefix, lower_delayed(builder, self.values))


class Selection(Node):
    """All tasks of several nodes, one after the other."""

    def __init__(self, name: str, sources: Iterable[Node]) -> None:
        self.sources = tuple(sources)
        self.prefix = f"{name}-{tokenize([source.prefix for source in self.sources])}"
        self.shape = [sum(source.count for source in self.sources)]

    def add(self, builder: ProgramBuilder, sources: list[int]) -> int:
        """Add the layer; see `Node.add`."""
        return builder.add_selection(self.prefix, [task for number in sources for task in builder.layer_tasks(number)])


def first_tasks(node: Node, count: int) -> Node:
    """The first tasks of a node alone, and of what they need task by task: they can then be one stream from the source.

    Without recursion: chains may be long.
    """
    made: dict[int, Node] = {}
    stack = [node]
    while stack:
        current = stack[-1]
        steps = current.inputs if isinstance(current, Layer) and len(current.shape) == 1 else ()
        missing = [source for source, how in steps if how == "one" and id(source) not in made]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        made[id(current)] = _first_tasks(current, count, made)
    return made[id(node)]


def _first_tasks(node: Node, count: int, made: dict[int, Node]) -> Node:
    if node.count <= count:
        return node
    if isinstance(node, Objects):
        return Objects("first", tokenize(node.prefix, count), node.objects[:count])
    if not isinstance(node, Layer) or not all(_is_local(how) for _, how in node.inputs):
        return Layer("first", None, [count], [(node, ("rows", [[number] for number in range(count)]))], _pass_on)
    inputs: list[tuple[Node, Any]] = []
    for source, how in node.inputs:
        if how == "one":
            inputs.append((made[id(source)], how))
        else:
            inputs.append((source, _first(how, count)))
    inner = node.inner[:count] if isinstance(node.inner, list) else node.inner
    return Layer(node.name, node.token, [count], inputs, node.call, settle=node.settle, inner=inner)


def _is_local(how: Any) -> bool:
    """Whether the first tasks need only some tasks of their source, whatever the number of tasks."""
    return how == "one" or how == SINGLE or how[0] in ("rows", "stretches")


def _first(how: Any, count: int) -> Any:
    """How the first tasks depend on a source of which all is there."""
    if how[0] == "rows":
        return "rows", how[1][:count]
    if how[0] == "stretches":
        return "stretches", [(axis, ranges[:count]) for axis, ranges in how[1]]
    return how


def _pass_on(_: Any, value: Any) -> Any:
    return value


def lower(node: Node, builder: ProgramBuilder) -> int:
    """Add a node and what it needs, without recursion: chains may be long. Returns the number of its layer."""
    numbers: dict[str, int] = {}
    stack = [node]
    while stack:
        current = stack[-1]
        if current.prefix in numbers:
            stack.pop()
            continue
        known = builder.known_layer(current.prefix)
        if known is None:
            missing = [source for source in current.sources if source.prefix not in numbers]
            if missing:
                stack.extend(reversed(missing))
                continue
            known = current.add(builder, [numbers[source.prefix] for source in current.sources])
        numbers[current.prefix] = known
        stack.pop()
    return numbers[node.prefix]


def label(function: Any) -> str:
    """A function's name, for keys and pictures."""
    name = getattr(function, "__name__", None) or funcname(function)
    return re.sub(r"\W+", "_", name).strip("_") if name.isascii() and len(name) < 50 else type(function).__name__


def _user_line() -> str | None:
    """The line that called this package."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
