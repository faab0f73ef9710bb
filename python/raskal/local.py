"""Computing graphs written as dictionaries, on the calling thread alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raskal import graphs
from raskal.base import run_local

__all__ = ["get_sync"]


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
