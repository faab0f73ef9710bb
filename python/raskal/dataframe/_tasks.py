"""Plans whose partitions are pandas objects that tasks of Python make.

Start at `TaskPlan`. Where a dataframe's plan is not the engine's (`Frame`), it is one of these: what pandas does
on partitions, and what is put together from several of them. The nodes (`Calls` above all) are few; operations differ
in the functions that they call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from raskal._raskal import Frame, ProgramBuilder, lower_delayed
from raskal.annotations import current as current_annotations
from raskal.dataframe._convert import to_pandas
from raskal.dataframe._emulate import function_name
from raskal.tokenize import tokenize


class Node:
    """Tasks that make partitions."""

    token: str
    npartitions: int
    inputs: tuple[Node, ...] = ()

    def tasks(self, builder: ProgramBuilder, inputs: list[list[int]]) -> list[int]:
        """Add the tasks, given those of `inputs`; returns their numbers, one per partition."""
        raise NotImplementedError


class Native(Node):
    """Partitions of a plan of the engine: Arrow tables."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.token = frame.token
        self.npartitions = frame.npartitions

    def tasks(self, builder: ProgramBuilder, inputs: list[list[int]]) -> list[int]:
        return self.frame.lower(builder)


class Kept(Node):
    """Values that are there already."""

    def __init__(self, prefix: str, handle: Any) -> None:
        self.prefix = prefix
        self.handle = handle
        self.token = tokenize(prefix)
        self.npartitions = len(handle)

    def tasks(self, builder: ProgramBuilder, inputs: list[list[int]]) -> list[int]:
        return builder.add_persisted(self.prefix, self.handle)


class Lazy(Node):
    """The values of delayed objects."""

    def __init__(self, objects: Sequence[Any]) -> None:
        self.objects = list(objects)
        self.token = tokenize([one.key for one in self.objects])
        self.npartitions = len(self.objects)

    def tasks(self, builder: ProgramBuilder, inputs: list[list[int]]) -> list[int]:
        return lower_delayed(builder, self.objects)


class Lowered(Node):
    """Whatever a collection lowers itself to (blocks of an array, parts of a bag)."""

    def __init__(self, collection: Any, npartitions: int) -> None:
        self.collection = collection
        self.token = tokenize(collection)
        self.npartitions = npartitions

    def tasks(self, builder: ProgramBuilder, inputs: list[list[int]]) -> list[int]:
        return list(self.collection.__raskal_lower__(builder))


class Chosen(Node):
    """Some partitions of others, in a given order."""

    def __init__(self, inputs: Sequence[Node], chosen: Sequence[tuple[int, int]]) -> None:
        self.inputs = tuple(inputs)
        self.chosen = list(chosen)
        self.npartitions = len(self.chosen)
        self.token = tokenize("chosen", [node.token for node in inputs], self.chosen)

    def tasks(self, builder: ProgramBuilder, inputs: list[list[int]]) -> list[int]:
        return [inputs[source][partition] for source, partition in self.chosen]


class Slot:
    """Stands in a call for the value of one of its inputs."""

    __slots__ = ("place",)

    def __init__(self, place: int) -> None:
        self.place = place

    def __raskal_tokenize__(self) -> Any:
        return ("Slot", self.place)


class Each:
    """Stands in a call for what is its own in every task."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = list(values)

    def __raskal_tokenize__(self) -> Any:
        return ("Each", self.values)


class Number:
    """Stands in a call for the number of the task."""

    def __raskal_tokenize__(self) -> Any:
        return "Number"


class Call:
    """What the tasks of one layer do: ``function(*args, **kwargs)`` with values in place of slots."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs

    def __call__(self, coordinates: tuple[int, ...], *values: Any) -> Any:
        (number,) = coordinates

        def filled(one: Any) -> Any:
            if isinstance(one, Slot):
                return values[one.place]
            if isinstance(one, Each):
                return one.values[number]
            return number if isinstance(one, Number) else one

        args = [filled(one) for one in self.args]
        return self.function(*args, **{key: filled(one) for key, one in self.kwargs.items()})


class Gather:
    """What the tasks of one layer do: ``function(values, *args, **kwargs)``, however many values there are."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs

    def __call__(self, coordinates: tuple[int, ...], *values: Any) -> Any:
        (number,) = coordinates
        args = [one.values[number] if isinstance(one, Each) else one for one in self.args]
        return self.function(list(values), *args, **self.kwargs)


class Calls(Node):
    """One function on partitions of others.

    `rows` says for each input which of its partitions each task gets: None for its own, or a list per task. `eager`
    tasks run as soon as their inputs are there: what they give is smaller than what they free.
    """

    def __init__(
        self,
        npartitions: int,
        inputs: Sequence[Node],
        rows: Sequence[list[list[int]] | None],
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        gather: bool = False,
        eager: bool = False,
    ) -> None:
        self.npartitions = npartitions
        self.eager = eager
        self.inputs = tuple(inputs)
        self.rows = list(rows)
        self.name = name or function_name(function)
        kwargs = kwargs or {}
        self.call = Gather(function, args, kwargs) if gather else Call(function, args, kwargs)
        parts = [node.token for node in inputs]
        self.token = tokenize("calls", function, args, kwargs, parts, self.rows, npartitions, gather)
        self.asked = current_annotations()

    def tasks(self, builder: ProgramBuilder, inputs: list[list[int]]) -> list[int]:
        arguments = []
        for tasks, rows in zip(inputs, self.rows, strict=True):
            if rows is None:
                arguments.append([[task] for task in tasks])
            else:
                arguments.append([[tasks[partition] for partition in row] for row in rows])
        prefix = f"{self.name}-{self.token}"
        calls = builder.add_calls(prefix, self.npartitions, arguments, self.call, self.name, eager=self.eager)
        if self.asked is not None and (layer := builder.known_layer(prefix)) is not None:
            builder.annotate(self.asked, [layer])
        return calls


class TaskPlan:
    """Partitions made by tasks, and what is known about them.

    `root` names the partitioning: plans of the same root have equal labels in partitions of the same number.
    """

    __slots__ = ("__weakref__", "divisions", "node", "root")

    def __init__(self, node: Node, divisions: tuple[Any, ...] | None = None, root: str | None = None) -> None:
        self.node = node
        self.divisions = divisions
        self.root = root if root is not None else node.token

    @property
    def npartitions(self) -> int:
        """Number of partitions."""
        return self.node.npartitions

    @property
    def token(self) -> str:
        """Content hash."""
        return self.node.token

    def lower(self, builder: ProgramBuilder) -> list[int]:
        """Add the tasks; returns their numbers, one per partition."""
        # By hand, not by recursion: chains of operations may be longer than Python's stack.
        done: dict[str, list[int]] = {}
        stack = [self.node]
        while stack:
            node = stack[-1]
            missing = [one for one in node.inputs if one.token not in done]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if node.token not in done:
                done[node.token] = node.tasks(builder, [done[one.token] for one in node.inputs])
        return done[self.node.token]

    def choose(self, numbers: Sequence[int]) -> TaskPlan:
        """The partitions of these numbers, in this order."""
        divisions = None
        adjacent = all(after == before + 1 for before, after in zip(numbers, numbers[1:], strict=False))
        if self.divisions is not None and len(numbers) and adjacent:
            divisions = self.divisions[numbers[0] : numbers[-1] + 2]
        return TaskPlan(Chosen([self.node], [(0, number) for number in numbers]), divisions)

    def explain(self, analyze: bool = False) -> str:
        """The steps, the last one first, and the engine's plans that they begin with, which are run to `analyze`."""
        lines: list[str] = []
        seen: set[str] = set()
        stack: list[tuple[Node, int]] = [(self.node, 0)]
        while stack:
            node, depth = stack.pop()
            what = node.name if isinstance(node, Calls) else type(node).__name__.lower()
            again = " (as above)" if node.token in seen else ""
            lines.append(f"{'  ' * depth}pandas {what}: {node.npartitions} partitions{again}")
            if again:
                continue
            seen.add(node.token)
            if isinstance(node, Native):
                lines[-1] = f"{'  ' * depth}native: {node.npartitions} partitions"
                lines.extend("  " * (depth + 1) + line for line in node.frame.explain(analyze).splitlines())
            stack.extend((one, depth + 1) for one in reversed(node.inputs))
        return "\n".join(lines)


def itself(part: Any) -> Any:
    """The partition as it is."""
    return part


def as_pandas(frame: Frame, meta: Any, convert: Callable[..., Any] | None = None) -> Calls:
    """The partitions of a plan of the engine as pandas objects like `meta`."""
    function = convert or TableToPandas(meta, len(frame.index_names))
    return Calls(frame.npartitions, [Native(frame)], [None], function, (Slot(0),), name="to_pandas")


class TableToPandas:
    """Turns the table of a partition into a pandas object like `meta`."""

    def __init__(self, meta: Any, levels: int) -> None:
        self.meta = meta
        self.levels = levels
        self.__name__ = "to_pandas"

    def __call__(self, table: Any) -> Any:
        return to_pandas([table], self.meta, self.levels)
