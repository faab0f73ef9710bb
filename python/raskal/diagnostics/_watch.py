"""Telling callbacks and profilers of one local run.

Start at `watch`. Profilers that only want records are given them afterwards, in one piece, from `_raskal.Recorder`;
Python is called for single tasks only if some callback asks for that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from raskal._raskal import ProgramBuilder, Recorder
from raskal.callbacks import Callback, local_callbacks

__all__ = ["Graph", "TaskRecord", "watch"]


class TaskRecord(NamedTuple):
    """One task that ran."""

    key: Any
    task: Any
    start_time: float
    end_time: float
    worker_id: int
    layer: str
    nbytes: int
    failed: bool
    worker: str = ""
    """The worker that ran it, on a cluster."""
    transfer: bool = False
    """Whether this is the transfer of its value to the worker, and no run."""


class Graph(Protocol):
    """What callbacks see of a computation."""

    dsk: Mapping[Any, Any]
    """What each task does, by key."""

    def key(self, name: str) -> Any:
        """The key of the task that the engine calls so; None if it is none of the user's."""

    def tasks(self, builder: ProgramBuilder, wanted: list[int]) -> dict[int, Any]:
        """The keys of tasks by number."""


class _Lowered:
    """The graph of collections: keys are those of the engine, tasks are the names of their functions."""

    def __init__(self, builder: ProgramBuilder, wanted: list[int]) -> None:
        self._description = builder.describe(wanted)
        self.dsk: dict[Any, Any] = {node["key"]: node["function"] for node in self._description["nodes"]}

    def key(self, name: str) -> Any:
        return name


class _State:
    """The state that callbacks are shown, kept up to date task by task."""

    def __init__(self, description: dict[str, Any], graph: Any) -> None:
        self.keys = {node["id"]: graph.key(node["key"]) for node in description["nodes"]}
        dependencies: dict[Any, set[Any]] = {key: set() for key in self.keys.values()}
        dependents: dict[Any, set[Any]] = {key: set() for key in self.keys.values()}
        for source, target in description["edges"]:
            dependencies[self.keys[target]].add(self.keys[source])
            dependents[self.keys[source]].add(self.keys[target])
        self.state: dict[str, Any] = {
            "dependencies": dependencies,
            "dependents": dependents,
            "waiting": {key: set(needed) for key, needed in dependencies.items() if needed},
            "waiting_data": {key: set(users) for key, users in dependents.items()},
            "ready": [key for key, needed in dependencies.items() if not needed],
            "running": set(),
            "finished": set(),
            "released": set(),
            "cache": graph.constants() if hasattr(graph, "constants") else {},
        }

    def begin(self, key: Any) -> None:
        if key in self.state["ready"]:
            self.state["ready"].remove(key)
        self.state["running"].add(key)

    def end(self, key: Any, value: Any) -> None:
        state = self.state
        state["running"].discard(key)
        state["finished"].add(key)
        state["cache"][key] = value
        for user in state["dependents"][key]:
            needed = state["waiting"].get(user)
            if needed is not None:
                needed.discard(key)
                if not needed:
                    del state["waiting"][user]
                    state["ready"].append(user)
        for needed_key in state["dependencies"][key]:
            users = state["waiting_data"][needed_key]
            users.discard(key)
            if not users:
                state["released"].add(needed_key)
                state["cache"].pop(needed_key, None)


class _Told:
    """Calls the callbacks of one run."""

    def __init__(self, callbacks: list[Callback], graph: Any, description: dict[str, Any] | None) -> None:
        self.callbacks = callbacks
        self.graph = graph
        self.state = _State(description, graph) if description is not None else None
        # Callbacks are written as if one thread called them.
        self.lock = threading.RLock()

    def call(self, name: str, *args: Any) -> None:
        for callback in self.callbacks:
            function = getattr(callback, f"_{name}", None)
            if function is not None:
                function(*args)

    @property
    def shown(self) -> dict[str, Any]:
        return self.state.state if self.state is not None else {}

    def before(self, task: int, thread: int) -> None:
        assert self.state is not None
        key = self.state.keys[task]
        if key is None:
            return
        with self.lock:
            self.state.begin(key)
            self.call("pretask", key, self.graph.dsk, self.shown)

    def after(self, task: int, thread: int, value: Any) -> None:
        assert self.state is not None
        key = self.state.keys[task]
        if key is None:
            return
        with self.lock:
            self.state.end(key, value)
            self.call("posttask", key, value, self.graph.dsk, self.shown, thread)


@contextmanager
def watch(builder: ProgramBuilder, wanted: list[int], graph: Any = None) -> Iterator[Recorder | None]:
    """Watch the run inside the block, if anybody wants to know of it.

    Parameters
    ----------
    builder : ProgramBuilder
        What is to be run.
    wanted : list of int
        The tasks whose values are wanted.
    graph : Graph, optional
        What callbacks are to see instead of the engine's own keys.
    """
    if not Callback.active:
        yield None
        return
    with local_callbacks() as taken:
        callbacks = list(taken)
        recording = [callback for callback in callbacks if hasattr(callback, "_record")]
        by_task = any(hasattr(callback, name) for callback in callbacks for name in ("_pretask", "_posttask"))
        shows_state = by_task or any(hasattr(callback, "_start_state") for callback in callbacks)
        if graph is None:
            shows_graph = shows_state or any(hasattr(callback, "_start") for callback in callbacks)
            graph = _Lowered(builder, wanted) if shows_graph else _Nothing()
        told = _Told(callbacks, graph, builder.describe(wanted) if shows_state else None)
        recorder = Recorder(told.before, told.after) if by_task else Recorder()
        # As in Dask, only callbacks that were told of the start are told of the end.
        errored = True
        told.call("start", graph.dsk)
        try:
            told.call("start_state", graph.dsk, told.shown)
            yield recorder
            errored = False
        finally:
            if recording:
                records = _records(recorder, graph)
                for callback in recording:
                    callback._record(records)
            told.call("finish", graph.dsk, told.shown, errored)


class _Nothing:
    """For callbacks that look at no graph."""

    dsk: dict[Any, Any] = {}

    def key(self, name: str) -> Any:
        return name


def _records(recorder: Recorder, graph: Any) -> list[TaskRecord]:
    rows = recorder.take()
    names = recorder.names([row[0] for row in rows])
    records = []
    for (_, thread, begun, ended, nbytes, failed), (name, layer, function) in zip(rows, names, strict=True):
        key = graph.key(name)
        if key is not None and function not in ("values", "select"):
            records.append(TaskRecord(key, graph.dsk.get(key, function), begun, ended, thread, layer, nbytes, failed))
    return records
