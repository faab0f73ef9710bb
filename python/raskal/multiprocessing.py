"""Computing graphs written as dictionaries, in processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from raskal import _processes, graphs
from raskal._place import local_threads
from raskal.base import run_local
from raskal.interop.engines import ProcessEngine, engine_of

__all__ = ["get"]


def get(
    dsk: Mapping[Any, Any],
    keys: Any,
    num_workers: int | None = None,
    func_loads: None = None,
    func_dumps: None = None,
    optimize_graph: bool = True,
    pool: Any = None,
    initializer: Callable[[], object] | None = None,
    chunksize: int | None = None,
    **kwargs: Any,
) -> Any:
    """Compute keys of a graph in processes.

    Parameters
    ----------
    dsk : mapping
        The graph: ``{"x": 1, "y": (abs, "x")}``.
    keys : key, or list of keys, at any depth
        What to compute.
    num_workers : int, optional
        Number of processes; one for each core that this process may use.
    func_loads, func_dumps : None
        Not supported: functions travel by cloudpickle.
    optimize_graph, chunksize
        Accepted for Dask's sake; only what `keys` need is run.
    pool : concurrent.futures.Executor or multiprocessing.pool.Pool, optional
        Processes to run in, instead of new ones.
    initializer : callable, optional
        Called first in each new process.
    **kwargs
        Accepted for Dask's sake.

    Returns
    -------
    object
        The value of the key; for a list, a tuple.

    Raises
    ------
    TypeError
        If `func_loads` or `func_dumps` is given, or `pool` is no pool.

    Examples
    --------
    >>> get({"x": -1, "y": (abs, "x")}, "y", num_workers=1)
    1
    """
    if func_loads is not None or func_dumps is not None:
        raise TypeError("func_loads and func_dumps are not supported\nhint: leave them out; cloudpickle is used")
    if pool is None and initializer is None:
        count = local_threads(num_workers)
        command = _processes.command(count > 1)
        return graphs.get_graph(
            dsk, keys, lambda builder, tasks, graph: run_local(builder, tasks, count, graph=graph, processes=command)
        )
    engine = ProcessEngine(num_workers, initializer) if pool is None else engine_of(pool)
    if engine is None:
        raise TypeError(f"pool must be an executor or a pool of processes, got {pool!r}")
    return graphs.get_graph(dsk, keys, lambda builder, tasks, graph: engine.compute_program(builder, tasks))
