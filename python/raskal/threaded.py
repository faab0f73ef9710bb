"""Computing graphs written as dictionaries, on threads of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raskal import graphs
from raskal._place import local_threads
from raskal.base import run_local
from raskal.interop.engines import engine_of

__all__ = ["get"]


def get(
    dsk: Mapping[Any, Any],
    keys: Any,
    cache: Any = None,
    num_workers: int | None = None,
    pool: Any = None,
    **kwargs: Any,
) -> Any:
    """Compute keys of a graph on threads.

    Parameters
    ----------
    dsk : mapping
        The graph: ``{"x": 1, "y": (abs, "x")}``.
    keys : key, or list of keys, at any depth
        What to compute.
    cache : None
        Accepted for Dask's sake; see `raskal.cache.Cache`.
    num_workers : int, optional
        Number of threads; one for each core that this process may use.
    pool : concurrent.futures.Executor or multiprocessing.pool.ThreadPool, optional
        Threads to run on, instead of raskal's own. By default the setting ``pool``.
    **kwargs
        Accepted for Dask's sake.

    Returns
    -------
    object
        The value of the key; for a list, a tuple.

    Examples
    --------
    >>> get({"x": -1, "y": (abs, "x"), "z": (sum, ["x", "y"])}, "z")
    0
    """
    engine = engine_of(pool) if pool is not None else None
    if pool is not None and engine is None:
        raise TypeError(f"pool must be an executor or a pool of threads, got {pool!r}")
    if engine is not None:
        return graphs.get_graph(dsk, keys, lambda builder, tasks, graph: engine.compute_program(builder, tasks))
    threads = local_threads(num_workers)
    return graphs.get_graph(dsk, keys, lambda builder, tasks, graph: run_local(builder, tasks, threads, graph=graph))
