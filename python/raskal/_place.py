"""Where a computation runs: the threads or processes of this machine, a client's cluster, or somebody's executor.

Start at `engine_for`, which reads what `compute` was given, the settings and the current client. Nothing is run here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol

from raskal import _processes, config
from raskal._raskal import ProgramBuilder
from raskal.annotations import annotate
from raskal.system import cpu_count


class Engine(Protocol):
    """What can run a program: a cluster's client. The threads of this process need none."""

    def compute_program(self, builder: ProgramBuilder, wanted: list[int]) -> list[Any]:
        """The values of the wanted tasks, in order."""

    def persist_program(self, builder: ProgramBuilder, groups: list[list[int]]) -> list[Any]:
        """A handle for each group of tasks, whose values stay where they are made."""


_client: Engine | None = None
_own: ContextVar[Engine | None] = ContextVar("raskal-client", default=None)


def set_default_client(client: Engine | None) -> Engine | None:
    """Make a client the engine of `compute` and `persist`; returns the one before."""
    global _client
    before, _client = _client, client
    return before


def default_client() -> Engine | None:
    """The client that runs what is computed, or None for the threads of this process."""
    return _own.get() or _client


def innermost_client() -> Engine | None:
    """The client of the innermost `own_client` around here."""
    return _own.get()


@contextmanager
def own_client(client: Engine) -> Iterator[None]:
    """Have a client run what is computed inside the block, in this thread or task of an event loop."""
    token = _own.set(client)
    try:
        yield
    finally:
        _own.reset(token)


_SCHEDULERS = {
    "threads": "threads",
    "threading": "threads",
    "sync": "sync",
    "synchronous": "sync",
    "single-threaded": "sync",
    "processes": "processes",
    "multiprocessing": "processes",
}


def local_place(scheduler: Any, num_workers: int | None) -> tuple[int, list[str] | None]:
    """Number of threads to run on (0: the calling one alone), and the command to start a process for each with."""
    kind = _SCHEDULERS.get(scheduler.lower()) if isinstance(scheduler, str) else None
    if kind is None:
        raise ValueError(
            f"unknown scheduler {scheduler!r}\nhint: use 'threads' (the default), 'synchronous', 'processes', 'dask', "
            "'ray', an executor of concurrent.futures, or a raskal.distributed.Client"
        )
    if kind == "sync":
        return 0, None
    count = local_threads(num_workers)
    return count, _processes.command(count > 1) if kind == "processes" else None


def local_threads(num_workers: int | None = None) -> int:
    """Number of threads to run on: the one given, else the setting ``num-workers``, else one for each usable core."""
    count = num_workers if num_workers is not None else config.get("num_workers", None)
    if count is None:
        return cpu_count()
    if int(count) < 1:
        raise ValueError(f"num_workers must be at least 1, got {count!r}")
    return int(count)


def engine_for(scheduler: Any, collections: Iterable[Any] = ()) -> tuple[Engine | None, Any]:
    """The engine to use, or None and the name of the local scheduler."""
    scheduler = scheduler if scheduler is not None else config.get("scheduler", None)
    client = default_client() if scheduler is None else None
    if client is None:
        scheduler = pooled(scheduler, config.get("pool", None))
    if scheduler is None:
        return client, _usual_scheduler(collections)
    if hasattr(scheduler, "compute_program"):
        return scheduler, None
    if isinstance(scheduler, str) and scheduler.lower() in ("distributed", "dask.distributed", "cluster"):
        if default_client() is None:
            raise ValueError(
                f"scheduler={scheduler!r} needs a client\nhint: make one with raskal.distributed.Client(address)"
            )
        return default_client(), None
    from raskal.interop.engines import engine_of

    engine = engine_of(scheduler)
    return engine, None if engine is not None else scheduler


def pooled(scheduler: Any, pool: Any) -> Any:
    """The pool, if there is one and threads or processes are meant; else the scheduler."""
    kind = _SCHEDULERS.get(scheduler.lower()) if isinstance(scheduler, str) else scheduler
    if pool is None or kind not in (None, "threads", "processes"):
        return scheduler
    if isinstance(pool, Executor) or hasattr(pool, "apply_async"):
        return pool
    raise TypeError(
        f"pool must be an executor of concurrent.futures or a pool of multiprocessing, got {pool!r}\n"
        "hint: num_workers= sets the number of threads or processes"
    )


def initialized(scheduler: Any, num_workers: int | None, initializer: Callable[[], object]) -> Any:
    """Processes that call something first."""
    wanted = scheduler if scheduler is not None else config.get("scheduler", None)
    if not isinstance(wanted, str) or _SCHEDULERS.get(wanted.lower()) != "processes":
        raise ValueError("initializer= is for scheduler='processes'\nhint: on a cluster, use client.run or a plug-in")
    from raskal.interop.engines import ProcessEngine

    return ProcessEngine(num_workers, initializer)


# What tasks may be asked for where they are computed, as by `annotate` around it, and what Dask's schedulers take and
# need not be said here.
_ASKED = ("workers", "allow_other_workers", "resources", "retries", "priority")
_FOR_DASKS_SAKE = ("chunksize", "fifo_timeout", "rerun_exceptions_locally")


def asking(method: str, options: dict[str, Any]) -> AbstractContextManager[Any]:
    """Ask of the tasks what the options of `compute` and `persist` ask."""
    unknown = sorted(options.keys() - {*_ASKED, *_FOR_DASKS_SAKE})
    if unknown:
        raise TypeError(f"{method}() got unknown arguments {unknown}")
    asked = {name: options[name] for name in _ASKED if options.get(name) is not None}
    return annotate(**asked) if asked else nullcontext()


def _usual_scheduler(collections: Iterable[Any]) -> str:
    """Where collections run unless somebody says: bags alone in processes, all others on threads."""
    # The types first: there may be a hundred thousand delayed values, of one.
    kinds = set(map(type, collections))
    where = {getattr(kind, "__raskal_scheduler__", "threads") for kind in kinds}
    return "processes" if where == {"processes"} else "threads"
