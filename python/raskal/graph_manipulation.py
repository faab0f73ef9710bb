"""Order among computations beyond what their data says: one before another, or again.

Start at `bind`. Delayed values are made again call by call (`_Again`); of other collections the layers are copied
(`_Copy`; source: crates/raskal-runtime/src/graft.rs), and the collection is rebuilt over the copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from raskal._raskal import Delayed, ProgramBuilder
from raskal.base import Collection, is_foreign
from raskal.interop.tasks import export_tasks
from raskal.tokenize import tokenize
from raskal.utils import key_split

__all__ = ["bind", "checkpoint", "clone", "wait_on"]


def checkpoint(*collections: Any, split_every: float | bool | None = None) -> Delayed:
    """A delayed value that is None once collections are computed, and holds nothing of them.

    Parameters
    ----------
    *collections : object
        Collections, or containers of them.
    split_every : int or False, optional
        How many tasks one task waits for, at least 2; 8 by default, False for any number.

    Returns
    -------
    Delayed

    Raises
    ------
    ValueError
        If `split_every` is less than 2.

    Examples
    --------
    >>> import raskal
    >>> checkpoint(raskal.delayed(abs)(-1)).compute() is None
    True
    """
    width = 8 if split_every is None else split_every
    if width is not False and width < 2:
        raise ValueError(f"split_every must be False, or at least 2, got {split_every!r}")
    return Delayed._of(_Done(list(_found(collections)), 0 if width is False else int(width)), None, None, None)


def wait_on(*collections: Any, split_every: float | bool | None = None) -> Any:
    """The same collections, no part of which is there before all of them are.

    Parameters
    ----------
    *collections : object
        Collections, at any depth of lists, tuples and dictionaries.
    split_every : int or False, optional
        As of `checkpoint`.

    Returns
    -------
    object or tuple of object
        As many as were given.

    Examples
    --------
    >>> import raskal
    >>> one, two = wait_on(raskal.delayed(abs)(-1), raskal.delayed(abs)(-2))
    >>> raskal.compute(one, two)
    (1, 2)
    """
    done = checkpoint(*collections, split_every=split_every)

    def wait(value: Any) -> Any:
        if isinstance(value, Delayed):
            return Delayed._call(_after, (done, value))
        return _rebuilt(value, _Waiting(value, done))

    return _single([_mapped(one, wait) for one in collections])


def bind(
    children: Any,
    parents: Any,
    *,
    omit: Any = None,
    seed: Any = None,
    assume_layers: bool = True,
    split_every: float | bool | None = None,
) -> Any:
    """Collections that are computed only after others are, without taking anything from them.

    Parameters
    ----------
    children : object
        The collections that are to wait, at any depth of containers. New tasks are made for all that they need.
    parents : object
        Collections to wait for.
    omit : object, optional
        Collections that `children` need and that are not to wait. Of arrays and dataframes, whose steps become one
        task, only parts that are tasks of their own can be left as they are.
    seed : object, optional
        What the new keys are made from; random by default.
    assume_layers : bool
        Accepted for Dask's sake.
    split_every : int or False, optional
        As of `checkpoint`.

    Returns
    -------
    object
        Like `children`.

    Examples
    --------
    >>> import raskal
    >>> said = []
    >>> first, then = raskal.delayed(said.append)(1), raskal.delayed(said.append)(2)
    >>> bind(then, first).compute()
    >>> said
    [1, 2]
    """
    done = checkpoint(parents, split_every=split_every)
    return _mapped(children, _copies(omit, seed, done))


def clone(*collections: Any, omit: Any = None, seed: Any = None, assume_layers: bool = True) -> Any:
    """The same collections with new keys, which are computed apart from the old ones.

    Parameters
    ----------
    *collections : object
        Collections, at any depth of lists, tuples and dictionaries.
    omit, seed, assume_layers
        As of `bind`.

    Returns
    -------
    object or tuple of object
        As many as were given.

    Examples
    --------
    >>> import raskal
    >>> value = raskal.delayed(abs)(-1)
    >>> other = clone(value)
    >>> other.compute(), other.key == value.key
    (1, False)
    """
    copy = _copies(omit, seed, None)
    return _single([_mapped(one, copy) for one in collections])


def _copies(omit: Any, seed: Any, done: Delayed | None) -> Callable[[Any], Any]:
    """What makes the copy of a collection, which waits for another if that is given."""
    seed = uuid4().hex if seed is None else seed
    again, kept = _Again(omit, seed, done), list(_found(omit))

    def copy(value: Any) -> Any:
        return again(value) if isinstance(value, Delayed) else _rebuilt(value, _Copy(value, seed, done, kept))

    return copy


def _rebuilt(value: Any, tasks: _Tasks) -> Any:
    """The same kind of collection over other tasks."""
    return value.__raskal_rebuild__(f"{tasks.name}-{tasks.token}", tasks)


def _single(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)


def _after(done: None, value: Any) -> Any:
    return value


def _nothing(*values: Any) -> None:
    return None


def _found(value: Any) -> Iterator[Any]:
    """The collections in a value."""
    if hasattr(type(value), "__raskal_lower__") or is_foreign(value):
        yield value
    elif isinstance(value, dict):
        yield from _found(list(value.values()))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            yield from _found(one)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with its collections changed."""
    if hasattr(type(value), "__raskal_lower__"):
        return change(value)
    if is_foreign(value):
        raise TypeError(
            f"a {type(value).__name__} of another library can't be given other tasks\n"
            "hint: raskal.delayed(collection) makes a delayed value of its result"
        )
    if isinstance(value, dict):
        return {key: _mapped(one, change) for key, one in value.items()}
    if type(value) in (list, tuple, set):
        return type(value)(_mapped(one, change) for one in value)
    return value


class _Tasks(Collection):
    """Tasks that stand for those of a collection, as the handle that it is rebuilt from."""

    name: str

    def __init__(self, collection: Any, token: str) -> None:
        self.collection = collection
        self.token = token

    def __len__(self) -> int:
        return len(self.collection.__raskal_lower__(ProgramBuilder()))


class _Waiting(_Tasks):
    """The tasks of a collection, none of which is there before another is done."""

    name = "wait_on"

    def __init__(self, collection: Any, done: Delayed) -> None:
        super().__init__(collection, tokenize(collection, done.key))
        self.done = done

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        (done,) = self.done.__raskal_lower__(builder)
        tasks = list(self.collection.__raskal_lower__(builder))
        return builder.add_after(f"waiting-{self.token}", tasks, done)


class _Copy(_Tasks):
    """Copies of all tasks that a collection needs, but of those that others need as well."""

    name = "clone"

    def __init__(self, collection: Any, seed: Any, done: Delayed | None, kept: list[Any]) -> None:
        super().__init__(collection, tokenize(collection, seed, None if done is None else done.key))
        self.done = done
        self.kept = kept

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        kept = ProgramBuilder(builder.distributed)
        for one in self.kept:
            if not is_foreign(one):
                one.__raskal_lower__(kept)
                one.__raskal_lower__(builder)
        done = self.done.__raskal_lower__(builder)[0] if self.done is not None else None
        own = ProgramBuilder(builder.distributed)
        tasks = list(self.collection.__raskal_lower__(own))
        return builder.graft(own, tasks, self.token, done, set(kept.layer_names()))


class _Done(Collection):
    """None, once all tasks of some collections are done."""

    __raskal_single__ = True

    def __init__(self, collections: list[Any], width: int) -> None:
        self.collections = collections
        self.width = width
        self.token = uuid4().hex

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        from raskal.interop.collections import to_delayed_together

        foreign = [one for one in self.collections if is_foreign(one)]
        own = [one for one in self.collections if not is_foreign(one)]
        tasks = [task for one in (*own, *to_delayed_together(foreign)) for task in one.__raskal_lower__(builder)]
        # One of its own for each, so that a value can go before the next is made.
        level = [self._gather(builder, [task], f"{number}") for number, task in enumerate(tasks)]
        height = 0
        while len(level) != 1:
            width = self.width or max(1, len(level))
            height += 1
            groups = [level[start : start + width] for start in range(0, len(level), width)] or [[]]
            level = [self._gather(builder, group, f"{height}-{number}") for number, group in enumerate(groups)]
        return level

    def _gather(self, builder: ProgramBuilder, tasks: list[int], name: str) -> int:
        return builder.add_gather(f"checkpoint-{name}-{self.token}", tasks, _nothing, "checkpoint")

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return results[0]


class _Again:
    """Makes new tasks of those of delayed values."""

    def __init__(self, omit: Any, seed: Any, done: Delayed | None) -> None:
        self.seed = seed
        self.done = done
        self.kept = {one.key: one for one in _found(omit) if isinstance(one, Delayed)}
        self.made: dict[Any, Delayed] = {}

    def __call__(self, value: Delayed) -> Delayed:
        if value.key in self.kept:
            return value
        builder = ProgramBuilder()
        (wanted,) = value.__raskal_lower__(builder)
        tasks = {task.number: task for task in export_tasks(builder, [wanted])}
        # What only the kept values need is not made again.
        needed, stack = set(), [wanted]
        while stack:
            number = stack.pop()
            if number not in needed:
                needed.add(number)
                if tasks[number].call.key not in self.kept:
                    stack.extend(tasks[number].inputs)
        nodes: dict[int, Delayed] = {}
        for number, task in tasks.items():
            if number in needed:
                nodes[number] = self._node(task.call, [nodes[at] for at in task.inputs if at in nodes])
        return nodes[wanted]

    def _node(self, call: Any, inputs: list[Delayed]) -> Delayed:
        if call.key in self.kept:
            return self.kept[call.key]
        name = f"{key_split(call.key)}-{tokenize(call.key, self.seed, self.done is not None and self.done.key)}"
        if name not in self.made:
            waits = self.done is not None and not any(node.key in self.made for node in inputs)
            if waits:
                self.made[name] = Delayed._call(_Later(call), (self.done, *inputs), key=name)
            else:
                self.made[name] = Delayed._call(call, tuple(inputs), key=name)
        return self.made[name]


class _Later:
    """A task that is given one more input, which it does not look at."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.__name__ = call.__name__

    def __call__(self, done: None, *inputs: Any) -> Any:
        return self.call(*inputs)
