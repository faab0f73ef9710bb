"""The tasks of a computation as plain callables, for engines that are not ours.

Start at `export_tasks`. Source: crates/raskal-py/src/export.rs
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from raskal._raskal import LayerFunction, ProgramBuilder, TaskCall, export

__all__ = ["ExportedTask", "export_tasks", "load_function"]


class ExportedTask(NamedTuple):
    """One task: call `call` with the results of the tasks of the numbers `inputs`."""

    number: int
    call: TaskCall
    inputs: list[int]


def export_tasks(builder: ProgramBuilder, wanted: list[int]) -> list[ExportedTask]:
    """The tasks that `wanted` needs, inputs before their users."""
    return [ExportedTask(*task) for task in export(builder, wanted)]


def load_function(codec: str, shared: bytes, shape: list[int], native: bool) -> LayerFunction:
    """What the tasks of a layer share, read once where many of them arrive one by one."""
    return _load(codec, shared, tuple(shape), native)


@lru_cache(maxsize=64)
def _load(codec: str, shared: bytes, shape: tuple[int, ...], native: bool) -> LayerFunction:
    return LayerFunction._decode(codec, shared, list(shape), native)


def keys_of(tasks: list[ExportedTask]) -> dict[int, Any]:
    """A key for each task, by number; those of two tasks never are the same."""
    keys: dict[int, Any] = {}
    taken: set[Any] = set()
    for task in tasks:
        key: Any = task.call.key
        if key in taken:
            key = f"{key}-{task.number}"
        taken.add(key)
        keys[task.number] = key
    return keys
