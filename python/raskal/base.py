"""Computing collections: `compute`, `persist`, and the protocol that collections follow.

Start at `compute`. A collection lowers itself to tasks of a program (``__raskal_lower__``), makes its result of those
tasks' values (``__raskal_finalize__``), and can stand for kept values (``__raskal_rebuild__``). All collections given
to one call share one program, and with it the tasks that they have in common.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Protocol
from uuid import uuid4

from raskal import _processes, config, memory
from raskal._blas import one_thread
from raskal._raskal import Delayed, ProgramBuilder, compute_local, lower_delayed, persist_local, stop_engines
from raskal.annotations import current as current_annotations
from raskal.diagnostics._watch import watch

__all__ = [
    "Collection",
    "ProgramBuilder",
    "compute",
    "is_dask_collection",
    "persist",
    "set_default_client",
]

atexit.register(stop_engines)


class Engine(Protocol):
    """What can run a program: a cluster's client. The threads of this process need none."""

    def compute_program(self, builder: ProgramBuilder, wanted: list[int]) -> list[Any]:
        """The values of the wanted tasks, in order."""

    def persist_program(self, builder: ProgramBuilder, groups: list[list[int]]) -> list[Any]:
        """A handle for each group of tasks, whose values stay where they are made."""


_client: Engine | None = None


def set_default_client(client: Engine | None) -> Engine | None:
    """Make a client the engine of `compute` and `persist`; returns the one before."""
    global _client
    before, _client = _client, client
    return before


def default_client() -> Engine | None:
    """The client that runs what is computed, or None for the threads of this process."""
    return _client


class Collection:
    """What all lazy collections share."""

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        """Add the collection's layers; returns the numbers of the tasks that hold its result."""
        raise NotImplementedError(type(self).__name__)

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        """Make the result of the values of those tasks."""
        raise NotImplementedError(type(self).__name__)

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Any:
        """The same collection over kept values."""
        raise NotImplementedError(type(self).__name__)

    def compute(self, **kwargs: Any) -> Any:
        """Compute the result.

        Parameters
        ----------
        **kwargs
            As of `raskal.compute`.

        Returns
        -------
        object
            NumPy array, pandas object or whatever the collection stands for.
        """
        (result,) = compute(self, traverse=False, **kwargs)
        return result

    def persist(self, **kwargs: Any) -> Any:
        """Compute the parts and keep them in memory.

        Parameters
        ----------
        **kwargs
            As of `raskal.persist`.

        Returns
        -------
        collection
            Of the same kind, over the kept parts.
        """
        (result,) = persist(self, traverse=False, **kwargs)
        return result

    def visualize(self, **kwargs: Any) -> Any:
        """Draw the tasks.

        Parameters
        ----------
        **kwargs
            As of `raskal.visualize`.

        Returns
        -------
        object
            The picture, which notebooks show.
        """
        from raskal.visualize import visualize

        return visualize(self, **kwargs)


def is_dask_collection(x: Any) -> bool:
    """Whether an object is a lazy collection.

    Examples
    --------
    >>> import raskal
    >>> raskal.is_dask_collection(raskal.delayed(1)), raskal.is_dask_collection(1)
    (True, False)
    """
    return hasattr(type(x), "__raskal_lower__")


class _Gather:
    """Puts the parts of a collection together inside a task."""

    def __init__(self, finalize: Callable[[list[Any]], Any]) -> None:
        self.finalize = finalize

    def __call__(self, coordinates: tuple[int, ...], *values: Any) -> Any:
        return self.finalize(list(values))


_SCHEDULERS = {
    "threads": "threads",
    "threading": "threads",
    "sync": "sync",
    "synchronous": "sync",
    "single-threaded": "sync",
    "processes": "processes",
    "multiprocessing": "processes",
}


def _place(scheduler: Any, num_workers: int | None) -> tuple[int, list[str] | None]:
    """Number of threads to run on (0: the calling one alone), and the command to start a process for each with."""
    if callable(scheduler):
        raise TypeError(
            f"scheduler={scheduler!r} is a function\nhint: use 'threads', 'processes', 'synchronous', or a "
            "raskal.distributed.Client"
        )
    kind = _SCHEDULERS.get(scheduler.lower()) if isinstance(scheduler, str) else None
    if kind is None:
        raise ValueError(
            f"unknown scheduler {scheduler!r}\nhint: use 'threads' (the default), 'processes' or 'synchronous'; for a "
            "cluster make a raskal.distributed.Client"
        )
    if kind == "sync":
        return 0, None
    count = num_workers if num_workers is not None else config.get("num_workers", None)
    if count is None:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    elif int(count) < 1:
        raise ValueError(f"num_workers must be at least 1, got {count!r}")
    count = int(count)
    return count, _processes.command(count > 1) if kind == "processes" else None


def _engine(scheduler: Any) -> tuple[Engine | None, Any]:
    """The client to use, or None and the name of the local scheduler."""
    scheduler = scheduler if scheduler is not None else config.get("scheduler", None)
    if scheduler is None:
        return _client, "threads"
    if hasattr(scheduler, "compute_program"):
        return scheduler, None
    if isinstance(scheduler, str) and scheduler.lower() in ("distributed", "dask.distributed", "cluster"):
        if _client is None:
            raise ValueError(
                f"scheduler={scheduler!r} needs a client\nhint: make one with raskal.distributed.Client(address)"
            )
        return _client, None
    return None, scheduler


def _lower(collections: list[Any], distributed: bool = False) -> tuple[ProgramBuilder, list[list[int]]]:
    """One program for all collections, and the tasks that hold each one's result."""
    builder = ProgramBuilder(distributed)
    groups: list[list[int]] = [[] for _ in collections]
    places = [place for place, collection in enumerate(collections) if isinstance(collection, Delayed)]
    # All delayed objects at once: they share nodes, and many of them must not cost many layers.
    for place, task in zip(places, lower_delayed(builder, [collections[place] for place in places]), strict=True):
        groups[place] = [task]
    for place, collection in enumerate(collections):
        if not isinstance(collection, Delayed):
            groups[place] = list(collection.__raskal_lower__(builder))
    asked = current_annotations()
    if asked is not None:
        builder.annotate(asked)
    return builder, groups


def _watched(run: Callable[[Callable[..., None] | None], Any]) -> Any:
    """Run something that reports its progress to whoever watches."""
    from raskal.diagnostics import progress

    watcher = progress.active()
    if watcher is None:
        return run(None)
    try:
        result = run(watcher.update)
    except BaseException:
        watcher.finish(failed=True)
        raise
    watcher.finish()
    return result


def run_local(
    builder: ProgramBuilder,
    wanted: list[int],
    threads: int,
    groups: list[list[int]] | None = None,
    graph: Any = None,
    processes: list[str] | None = None,
) -> list[Any]:
    """Run a program on threads of this process (0: the calling one): the values wanted, or a handle for each group.

    `graph` is what callbacks are shown, instead of the engine's own keys. `processes` is the command that starts a
    process for the Python tasks of each thread.
    """
    memory.apply()
    with watch(builder, wanted, graph) as recorder, one_thread() if threads > 1 else nullcontext():
        if groups is None:
            return _watched(lambda update: compute_local(builder, wanted, threads, update, recorder, processes))
        return _watched(lambda update: persist_local(builder, groups, threads, update, recorder, processes))


def compute(
    *args: Any,
    traverse: bool = True,
    optimize_graph: bool = True,
    scheduler: Any = None,
    get: Any = None,
    num_workers: int | None = None,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Compute several collections at once.

    What they have in common is computed once.

    Parameters
    ----------
    *args : object
        Collections, or containers of them; anything else is returned as it is.
    traverse : bool
        Whether to look for collections inside lists, tuples, dictionaries, sets and dataclasses.
    optimize_graph : bool
        Accepted for Dask's sake; expressions are always optimised.
    scheduler : str or Client, optional
        ``"threads"`` (the default), ``"processes"``, ``"synchronous"``, or a client. By default the current client, if
        there is one.
    get : None
        Not supported; use `scheduler`.
    num_workers : int, optional
        Number of threads or processes. By default one per core that this process may use.

    Returns
    -------
    tuple
        One result per argument.

    Raises
    ------
    Exception
        Whatever a task raised, with a note that names the task and the line that made it.
    KilledWorker
        If three processes died while they ran the same task.
    ValueError
        If the scheduler is unknown.

    Notes
    -----
    Source: crates/raskal-runtime/src/local/mod.rs

    Examples
    --------
    >>> import raskal
    >>> one = raskal.delayed(1)
    >>> raskal.compute(one + 1, [one, 5])
    (2, [1, 5])
    """
    if get is not None:
        raise TypeError("get= is not supported\nhint: use scheduler=")
    if kwargs:
        raise TypeError(f"compute() got unknown arguments {sorted(kwargs)}")
    wrapped = [_wrap(argument, traverse) for argument in args]
    collections = [collection for collection in wrapped if collection is not None]
    if not collections:
        return args
    client, name = _engine(scheduler)
    builder, groups = _lower(collections, distributed=client is not None)
    wanted = [task for group in groups for task in group]
    if client is not None:
        values = iter(client.compute_program(builder, wanted))
    else:
        threads, command = _place(name, num_workers)
        values = iter(run_local(builder, wanted, threads, processes=command))
    results = iter(
        [
            collection.__raskal_finalize__([next(values) for _ in group])
            for collection, group in zip(collections, groups, strict=True)
        ]
    )
    return tuple(
        argument if collection is None else next(results) for argument, collection in zip(args, wrapped, strict=True)
    )


def _wrap(argument: Any, traverse: bool) -> Any:
    """The argument as a collection, or None if there is nothing to compute in it."""
    if is_dask_collection(argument):
        return argument
    if not traverse or type(argument) in (int, float, str, bytes, bool, type(None)):
        return None
    wrapped = Delayed._of(argument, None, None, None)
    return None if wrapped._is_leaf else wrapped


def persist(
    *args: Any,
    traverse: bool = True,
    optimize_graph: bool = True,
    scheduler: Any = None,
    num_workers: int | None = None,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Compute the parts of several collections and keep them in memory.

    Parameters
    ----------
    *args : object
        Collections; anything else is returned as it is.
    traverse, optimize_graph, scheduler, num_workers
        As of `compute`.

    Returns
    -------
    tuple
        The same collections, over the kept parts.

    Examples
    --------
    >>> import raskal
    >>> (kept,) = raskal.persist(raskal.delayed(sum)([1, 2]))
    >>> kept.compute()
    3
    """
    if kwargs:
        raise TypeError(f"persist() got unknown arguments {sorted(kwargs)}")
    collections = [argument for argument in args if is_dask_collection(argument)]
    if not collections:
        return args
    client, name = _engine(scheduler)
    builder, groups = _lower(collections, distributed=client is not None)
    if client is not None:
        handles = client.persist_program(builder, groups)
    else:
        threads, command = _place(name, num_workers)
        wanted = [task for group in groups for task in group]
        handles = run_local(builder, wanted, threads, groups, processes=command)
    kept = iter(
        [
            collection.__raskal_rebuild__(f"persisted-{uuid4().hex}", handle)
            for collection, handle in zip(collections, handles, strict=True)
        ]
    )
    return tuple(next(kept) if is_dask_collection(argument) else argument for argument in args)
