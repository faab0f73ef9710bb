"""Computing graphs written as dictionaries, on the calling thread alone or by a function that runs calls elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from raskal import graphs
from raskal.base import run_local

__all__ = ["get_async", "get_sync"]


def get_sync(dsk: Mapping[Any, Any], keys: Any, **kwargs: Any) -> Any:
    """Compute keys of a graph on the calling thread, for debugging.

    Parameters
    ----------
    dsk : mapping
        The graph: ``{"x": 1, "y": (abs, "x")}``.
    keys : key, or list of keys, at any depth
        What to compute.
    **kwargs
        Accepted for Dask's sake.

    Returns
    -------
    object
        The value of the key; for a list, a tuple.

    Raises
    ------
    KeyError
        If a key is not in the graph.
    RuntimeError
        If keys need each other.
    TypeError
        If a key is of a kind that can be none.

    Examples
    --------
    >>> get_sync({"x": -1, "y": (abs, "x")}, ["x", "y"])
    (-1, 1)
    """
    return graphs.get_graph(dsk, keys, lambda builder, tasks, graph: run_local(builder, tasks, 0, graph=graph))


def get_async(
    submit: Callable[..., Future[Any]], num_workers: int, dsk: Mapping[Any, Any], result: Any, **kwargs: Any
) -> Any:
    """Compute keys of a graph by a function that has calls run, such as ``executor.submit`` of threads.

    Parameters
    ----------
    submit : callable
        Called with a function and its arguments; gives a future of ``concurrent.futures``.
    num_workers : int
        Accepted for Dask's sake: whoever runs the calls knows how many at a time.
    dsk : mapping
        The graph.
    result : key, or list of keys, at any depth
        What to compute.
    **kwargs
        Accepted for Dask's sake.

    Returns
    -------
    object
        The value of the key; for a list, a tuple.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as threads:
    ...     get_async(threads.submit, 2, {"x": -1, "y": (abs, "x")}, "y")
    1
    """
    from raskal.interop.engines import ExecutorEngine

    engine = ExecutorEngine(_Submitting(submit))
    return graphs.get_graph(dsk, result, lambda builder, tasks, graph: engine.compute_program(builder, tasks))


class _Submitting(ThreadPoolExecutor):
    """What looks like threads, and hands calls to a function instead."""

    def __init__(self, submit: Callable[..., Future[Any]]) -> None:
        self.submit = submit  # type: ignore[method-assign]
