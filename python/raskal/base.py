"""Computing collections: `compute`, `persist`, and the protocol that collections follow.

Start at `compute`. A collection lowers itself to tasks of a program (``__raskal_lower__``), makes its result of those
tasks' values (``__raskal_finalize__``), and can stand for kept values (``__raskal_rebuild__``). All collections given
to one call share one program, and with it the tasks that they have in common.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Any
from uuid import uuid4

from raskal import memory
from raskal._blas import one_thread
from raskal._place import (
    asking,
    engine_for,
    initialized,
    local_place,
    pooled,
)
from raskal._raskal import Delayed, ProgramBuilder, compute_local, lower_delayed, persist_local, stop_engines
from raskal._unpack import unpack_collections
from raskal.annotations import current as current_annotations
from raskal.callbacks import Callback
from raskal.diagnostics._watch import watch
from raskal.interop.protocol import DaskProtocol, Finalizer
from raskal.tokenize import normalize_token as normalize_token
from raskal.tokenize import tokenize as tokenize

__all__ = [
    "Collection",
    "DaskMethodsMixin",
    "ProgramBuilder",
    "compute",
    "compute_as_if_collection",
    "get_scheduler",
    "is_dask_collection",
    "normalize_token",
    "optimize",
    "persist",
    "tokenize",
    "unpack_collections",
]

atexit.register(stop_engines)


class DaskMethodsMixin:
    """What a collection can do, in raskal's protocol or in Dask's.

    Examples
    --------
    >>> class Numbers(DaskMethodsMixin):
    ...     def __dask_graph__(self):
    ...         return {"x": 1, "y": (abs, -2)}
    ...     def __dask_keys__(self):
    ...         return ["x", "y"]
    ...     def __dask_postcompute__(self):
    ...         return sum, ()
    >>> Numbers().compute()
    3
    """

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

    def __await__(self) -> Generator[Any, Any, Any]:
        """The same collection over computed parts, for ``await x``; the event loop goes on meanwhile."""
        from asyncio import to_thread  # 60 ms to import, which few need

        return to_thread(self.persist).__await__()

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


class Collection(DaskMethodsMixin, DaskProtocol):
    """What all lazy collections share."""

    # Where it is computed if neither a scheduler nor a client is named.
    __raskal_scheduler__ = "threads"

    def explain(self) -> str:
        """The layers of tasks that compute the result, as text.

        Returns
        -------
        str
            For each layer its tasks, what they call and what they need; as they were written, too, if several steps
            became one.

        Notes
        -----
        Source: crates/raskal-runtime/src/explain.rs

        Examples
        --------
        >>> import raskal
        >>> add = raskal.delayed(max)
        >>> print(add(add(1, 2), add(3, 4)).explain())
        runs as 3 tasks in 1 layer, 2 dependencies, at most 2 in a row
          0: delayed (3,) = 3 tasks [python]: calls of Python functions
               3 x max
        <BLANKLINE>
        """
        builder = ProgramBuilder()
        return builder.explain(list(self.__raskal_lower__(builder)))

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        """Add the collection's layers; returns the numbers of the tasks that hold its result."""
        raise NotImplementedError(type(self).__name__)

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        """Make the result of the values of those tasks."""
        raise NotImplementedError(type(self).__name__)

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Any:
        """The same collection over kept values."""
        raise NotImplementedError(type(self).__name__)


def is_dask_collection(x: Any) -> bool:
    """Whether an object is a lazy collection, of raskal or of another library with Dask's protocol.

    Examples
    --------
    >>> import raskal
    >>> raskal.is_dask_collection(raskal.delayed(1)), raskal.is_dask_collection(1)
    (True, False)
    """
    return hasattr(type(x), "__raskal_lower__") or is_foreign(x)


def is_foreign(x: Any) -> bool:
    """Whether an object is a collection of another library, with Dask's protocol and something to compute."""
    kind = type(x)
    if not hasattr(kind, "__dask_graph__") or hasattr(kind, "__raskal_lower__") or isinstance(x, type):
        return False
    return x.__dask_graph__() is not None


class _Gather:
    """Puts the parts of a collection together inside a task."""

    def __init__(self, finalize: Callable[[list[Any]], Any]) -> None:
        self.finalize = finalize

    def __call__(self, coordinates: tuple[int, ...], *values: Any) -> Any:
        return self.finalize(list(values))

    def __reduce__(self) -> tuple[Any, ...]:
        owner = getattr(self.finalize, "__self__", None)
        return _Gather, (self.finalize if owner is None else Finalizer(owner),)


def _lower(
    collections: list[Any], distributed: bool = False, known: dict[str, Any] | None = None, brief: bool = False
) -> tuple[ProgramBuilder, list[list[int]]]:
    """One program for all collections, and the tasks that hold each one's result.

    Values of delayed calls that are `known`, by key, are not computed again. Keys of a `brief` program mean nothing to
    anybody else: arrays in memory need not be read to be named.
    """
    builder = ProgramBuilder(distributed, brief)
    if _are_delayed(collections):
        groups = [[task] for task in lower_delayed(builder, collections, known)]
        return _annotated(builder), groups
    groups = [[] for _ in collections]
    places = [place for place, collection in enumerate(collections) if isinstance(collection, Delayed)]
    # All delayed objects at once: they share nodes, and many of them must not cost many layers.
    tasks = lower_delayed(builder, [collections[place] for place in places], known)
    for place, task in zip(places, tasks, strict=True):
        groups[place] = [task]
    for place, collection in enumerate(collections):
        if not isinstance(collection, Delayed):
            groups[place] = list(collection.__raskal_lower__(builder))
    return _annotated(builder), groups


def _are_delayed(items: Sequence[Any]) -> bool:
    """Whether all of them, a hundred thousand perhaps, are delayed values: nothing is then done to each in Python."""
    return set(map(type, items)) == {Delayed}


def _annotated(builder: ProgramBuilder) -> ProgramBuilder:
    """The builder, with the annotations that hold here."""
    asked = current_annotations()
    if asked is not None:
        builder.annotate(asked)
    return builder


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
        if not wanted and groups is None:
            return []
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
    pool: Any = None,
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
    scheduler : str, Client, executor or callable, optional
        ``"threads"``, ``"synchronous"``, ``"processes"``, a client; ``"dask"`` or ``"ray"``; an executor of
        ``concurrent.futures``; or a function ``get(dsk, keys)``. By default the current client, if there is one; else
        processes if there are only bags among `args`, and threads for all others.
    get : None
        Not supported; use `scheduler`.
    num_workers : int, optional
        Number of threads or processes. By default one per core that this process may use.
    pool : executor or pool, optional
        Of ``concurrent.futures`` or ``multiprocessing``: where tasks run in place of raskal's threads or processes. By
        default the setting ``pool``.
    initializer : callable, optional
        With ``scheduler="processes"``: called first in each process, which are processes of this computation's own.
    **kwargs
        What is asked of all tasks of which nothing was asked where they were made: `workers`, `allow_other_workers`,
        `resources`, `retries`, `priority`, as of `annotate`.

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
    scheduler = pooled(scheduler, pool)
    initializer = kwargs.pop("initializer", None)
    if initializer is not None:
        scheduler = initialized(scheduler, num_workers, initializer)
    with asking("compute", kwargs):
        if _are_delayed(args):
            return tuple(_results(list(args), scheduler, num_workers))
        wrapped = _wrapped(args, traverse)
        collections = [collection for collection in wrapped if collection is not None]
        if not collections:
            return args
        results = iter(_results(collections, scheduler, num_workers))
        return tuple(
            argument if collection is None else next(results)
            for argument, collection in zip(args, wrapped, strict=True)
        )


def _results(collections: list[Any], scheduler: Any, num_workers: int | None) -> list[Any]:
    """The result of each collection, by way of the caches that are active."""
    caches = sys.modules.get("raskal.cache")  # none is active before it is imported
    if caches is None or not caches.is_active():
        return _computed(collections, scheduler, num_workers)
    return list(caches.through(collections, lambda rest, known: _computed(rest, scheduler, num_workers, known)))


def _computed(
    collections: list[Any], scheduler: Any, num_workers: int | None, known: dict[str, Any] | None = None
) -> list[Any]:
    client, name = engine_for(scheduler, collections)
    distributed = getattr(client, "distributed", client is not None)
    brief = client is None and known is None and not Callback.active
    builder, groups = _lower(collections, distributed, known, brief)
    wanted = list(chain.from_iterable(groups))
    if client is not None:
        values = client.compute_program(builder, wanted)
    else:
        threads, command = local_place(name, num_workers)
        values = run_local(builder, wanted, threads, processes=command)
    if _are_delayed(collections):
        return values
    rest = iter(values)
    return [
        collection.__raskal_finalize__([next(rest) for _ in group])
        for collection, group in zip(collections, groups, strict=True)
    ]


def _wrapped(arguments: tuple[Any, ...], traverse: bool) -> list[Any]:
    """Each argument as a collection, or None if there is nothing to compute in it."""
    # The commonest kind first: there may be a hundred thousand of them.
    foreign = [
        place for place, argument in enumerate(arguments) if type(argument) is not Delayed and is_foreign(argument)
    ]
    if not foreign:
        return [argument if type(argument) is Delayed else _wrap(argument, traverse) for argument in arguments]
    from raskal.interop.collections import to_delayed_together

    delayed = dict(zip(foreign, to_delayed_together([arguments[place] for place in foreign]), strict=True))
    return [
        delayed[place] if place in delayed else _wrap(argument, traverse) for place, argument in enumerate(arguments)
    ]


def _wrap(argument: Any, traverse: bool) -> Any:
    """One argument as a collection, or None if there is nothing to compute in it."""
    if hasattr(type(argument), "__raskal_lower__"):
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
    pool: Any = None,
    **kwargs: Any,
) -> tuple[Any, ...]:
    """Compute the parts of several collections and keep them in memory.

    Parameters
    ----------
    *args : object
        Collections; anything else is returned as it is.
    traverse, optimize_graph, scheduler, num_workers, pool, **kwargs
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
    scheduler = pooled(scheduler, pool)
    with asking("persist", kwargs):
        return _persisted(args, scheduler, num_workers)


def _persisted(args: tuple[Any, ...], scheduler: Any, num_workers: int | None) -> tuple[Any, ...]:
    if any(is_foreign(argument) for argument in args):
        return _persist_foreign(args, scheduler, num_workers)
    collections = [argument for argument in args if is_dask_collection(argument)]
    if not collections:
        return args
    client, name = engine_for(scheduler, collections)
    builder, groups = _lower(collections, distributed=getattr(client, "distributed", client is not None))
    if client is not None:
        handles = client.persist_program(builder, groups)
    else:
        threads, command = local_place(name, num_workers)
        wanted = [task for group in groups for task in group]
        handles = run_local(builder, wanted, threads, groups, processes=command)
    kept = iter(
        [
            collection.__raskal_rebuild__(f"persisted-{uuid4().hex}", handle)
            for collection, handle in zip(collections, handles, strict=True)
        ]
    )
    return tuple(next(kept) if is_dask_collection(argument) else argument for argument in args)


def _persist_foreign(args: tuple[Any, ...], scheduler: Any, num_workers: int | None) -> tuple[Any, ...]:
    """`persist` where some are collections of other libraries, each of which makes its own kind again."""
    from raskal.interop.collections import persist as persist_one

    def run(values: list[Any]) -> list[Any]:
        return list(compute(*values, traverse=False, scheduler=scheduler, num_workers=num_workers))

    own = [argument for argument in args if not is_foreign(argument)]
    kept = iter(persist(*own, scheduler=scheduler, num_workers=num_workers))
    return tuple(persist_one(argument, run) if is_foreign(argument) else next(kept) for argument in args)


def optimize(*args: Any, traverse: bool = True, **kwargs: Any) -> tuple[Any, ...]:
    """Collections that are equal to the ones given, made ready to be computed together.

    Parameters
    ----------
    *args : object
        Collections; anything else is returned as it is.
    traverse, **kwargs
        Accepted for Dask's sake.

    Returns
    -------
    tuple
        One object for each argument.

    Notes
    -----
    raskal's collections optimise themselves when they are computed, drawn or explained, so they come back as they are.
    Dask's are given to Dask.

    Examples
    --------
    >>> import raskal
    >>> (value,) = raskal.optimize(raskal.delayed(abs)(-1))
    >>> value.compute()
    1
    """
    foreign = [argument for argument in args if is_foreign(argument)]
    if not foreign:
        return args
    import dask

    optimized = iter(dask.optimize(*foreign, **kwargs))
    return tuple(next(optimized) if is_foreign(argument) else argument for argument in args)


def get_scheduler(get: Any = None, scheduler: Any = None, collections: Any = None, cls: Any = None) -> Any:
    """The function ``get(dsk, keys)`` that a scheduler stands for.

    Parameters
    ----------
    get : None
        Not supported; use `scheduler`.
    scheduler : str, executor, client or callable, optional
        As of `compute`; by default the setting ``scheduler``, else threads.
    collections, cls
        Accepted for Dask's sake.

    Returns
    -------
    callable

    Examples
    --------
    >>> get_scheduler(scheduler="sync")({"x": (abs, -1)}, "x")
    1
    """
    if get is not None:
        raise TypeError("get= is not supported\nhint: use scheduler=")
    from raskal import graphs

    engine, name = engine_for(scheduler, collections or ())
    if engine is None:
        threads, command = local_place(name, None)

        def run(builder: ProgramBuilder, tasks: list[int], graph: Any) -> list[Any]:
            return run_local(builder, tasks, threads, graph=graph, processes=command)

        return lambda dsk, keys, **kwargs: graphs.get_graph(dsk, keys, run)
    return lambda dsk, keys, **kwargs: graphs.get_graph(
        dsk, keys, lambda builder, tasks, graph: engine.compute_program(builder, tasks)
    )


def compute_as_if_collection(
    cls: Any, dsk: Any, keys: Any, scheduler: Any = None, get: Any = None, **kwargs: Any
) -> Any:
    """Compute keys of a graph where a collection would be computed.

    Parameters
    ----------
    cls : type
        Accepted for Dask's sake.
    dsk : mapping
        The graph.
    keys : key, or nested lists of keys
        What to compute.
    scheduler : str, executor, client or callable, optional
        As of `compute`.
    get : None
        Not supported; use `scheduler`.
    **kwargs
        Given on to the scheduler's function.

    Examples
    --------
    >>> compute_as_if_collection(None, {"x": (abs, -1)}, ["x"], scheduler="sync")
    (1,)
    """
    return get_scheduler(get, scheduler)(dsk, keys, **kwargs)


def __getattr__(name: str) -> Any:
    """Names that Dask has in this module and raskal elsewhere."""
    if name == "visualize":
        from raskal.visualize import visualize

        return visualize
    if name == "wait":
        from raskal.distributed import wait

        return wait
    raise AttributeError(f"module 'raskal.base' has no attribute {name!r}")
