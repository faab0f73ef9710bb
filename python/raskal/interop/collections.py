"""Collections that are not ours, as delayed values: Dask's own, xarray's on them, anything with Dask's protocol.

Start at `to_delayed`. Dask's collections are optimised by Dask, those of one kind together; then their graph becomes
calls of ours, which run where ours run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raskal._raskal import Delayed
from raskal.base import is_foreign
from raskal.graphs import flatten, nodes_of, shaped

__all__ = ["persist", "to_delayed", "to_delayed_together"]


def to_delayed(value: Any) -> Delayed | None:
    """One such collection as a delayed value; None if there is nothing to compute in it."""
    return to_delayed_together([value])[0] if is_foreign(value) else None


def to_delayed_together(values: list[Any]) -> list[Delayed]:
    """Several such collections, so that what they share is computed once."""
    by_dask = [value for value in values if _is_made_by_dask(value)]
    made = dict(zip(map(id, by_dask), _by_dask(by_dask), strict=True)) if by_dask else {}
    return [made[id(value)] if id(value) in made else _by_protocol(value) for value in values]


def _is_made_by_dask(value: Any) -> bool:
    return type(value).__module__.split(".")[0] in ("dask", "dask_expr", "xarray")


def _by_dask(values: list[Any]) -> list[Delayed]:
    """Have Dask optimise collections and lay out their graph, which it then believes to be computed."""
    import dask

    def lay_out(dsk: Any, keys: Any, **kwargs: Any) -> Any:
        return _laid_out(dsk, keys)

    # One kind at a time: Dask (2026.8) returns results in another order where kinds are computed together.
    laid_out: dict[int, Delayed] = {}
    for kind in dict.fromkeys(map(type, values)):
        group = [value for value in values if type(value) is kind]
        laid_out.update(zip(map(id, group), dask.compute(*group, scheduler=lay_out, traverse=False), strict=True))
    return [laid_out[id(value)] for value in values]


def _laid_out(dsk: Any, keys: Any) -> Any:
    graph = dsk.__dask_graph__() if hasattr(dsk, "__dask_graph__") else dsk
    return shaped(keys, nodes_of(dict(graph), dict.fromkeys(flatten(keys))), list)


def persist(value: Any, run: Callable[[list[Delayed]], list[Any]]) -> Any:
    """The same collection over values that `run` computed."""
    if _is_made_by_dask(value):
        import dask

        (kept,) = dask.persist(value, scheduler=lambda dsk, keys, **kwargs: run(_laid_out(dsk, keys)), traverse=False)
        return kept
    keys = value.__dask_keys__()
    flat = list(dict.fromkeys(flatten(keys)))
    rebuild, extra = value.__dask_postpersist__()
    return rebuild(dict(zip(flat, run(_laid_out(value.__dask_graph__(), flat)), strict=True)), *extra)


def _by_protocol(value: Any) -> Delayed:
    """The graph, the keys and the last step that the protocol gives."""
    graph, keys = value.__dask_graph__(), value.__dask_keys__()
    optimize = getattr(value, "__dask_optimize__", None)
    if optimize is not None:
        graph = optimize(graph, keys)
    finalize, extra = value.__dask_postcompute__()
    return Delayed._call(finalize, (_laid_out(graph, keys), *extra))
