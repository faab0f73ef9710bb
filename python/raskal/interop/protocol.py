"""Our collections with Dask's protocol, so that ``dask.compute`` and a Dask cluster run them.

Start at `DaskProtocol`. The graph that Dask is given holds one callable for each of our tasks (``interop/tasks.py``): a
Dask worker that runs them needs raskal installed, and calls the same kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from raskal._raskal import ArrayExpr, Delayed, Frame, ProgramBuilder
from raskal.interop.tasks import ExportedTask, export_tasks, keys_of
from raskal.tokenize import random_token, tokenize

__all__ = ["DaskProtocol"]


class DaskProtocol:
    """The methods that Dask asks of a collection. Dask is imported only by those that need it, when Dask calls them."""

    def __dask_graph__(self) -> Mapping[str, Any]:
        return ExportedGraph(self)

    def __dask_keys__(self) -> list[Any]:
        _, keys, wanted = _exported(self)
        return [keys[number] for number in wanted]

    def __dask_layers__(self) -> tuple[str, ...]:
        return (f"{type(self).__name__.lower()}-{tokenize(self)}",)

    def __dask_postcompute__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Finalizer(self), ()

    def __dask_postpersist__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _rebuild, (self, self.__dask_keys__())

    def __dask_tokenize__(self) -> Any:
        own = getattr(self, "__raskal_tokenize__", None)
        return own() if own is not None else random_token(self, "its class does not say what its content is")

    @staticmethod
    def __dask_optimize__(dsk: Any, keys: Any, **kwargs: Any) -> Any:
        return dsk

    @property
    def __dask_scheduler__(self) -> Any:
        if getattr(self, "__raskal_scheduler__", "threads") == "processes":
            import dask.multiprocessing

            return dask.multiprocessing.get
        import dask.threaded

        return dask.threaded.get


class ExportedGraph(Mapping[str, Any]):
    """The tasks of a collection by their keys, made when somebody looks at them.

    Dask, and xarray many times in each of its functions, only ask whether there is a graph.
    """

    def __init__(self, collection: Any) -> None:
        self._collection = collection
        self._made: dict[str, Any] | None = None

    @property
    def _tasks(self) -> dict[str, Any]:
        if self._made is None:
            tasks, keys, _ = _exported(self._collection)
            self._made = {keys[task.number]: (task.call, *(keys[number] for number in task.inputs)) for task in tasks}
        return self._made

    def __getitem__(self, key: str) -> Any:
        return self._tasks[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def copy(self) -> dict[str, Any]:
        """The tasks as a dictionary of one's own."""
        return dict(self._tasks)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self._tasks,)


def _exported(collection: Any) -> tuple[list[ExportedTask], dict[int, Any], list[int]]:
    builder = ProgramBuilder(True)
    wanted = list(collection.__raskal_lower__(builder))
    tasks = export_tasks(builder, wanted)
    return tasks, keys_of(tasks), wanted


class Finalizer:
    """Makes the result of a collection, also in another process: plans stay behind, what is known of them travels."""

    def __init__(self, collection: Any) -> None:
        self.collection = collection

    def __call__(self, results: Any) -> Any:
        return self.collection.__raskal_finalize__(list(results))

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self.collection, Delayed):
            return _Only, ()
        kind = type(self.collection)
        names = {name for base in kind.__mro__ for name in getattr(base, "__slots__", ()) if name != "__weakref__"}
        names.update(getattr(self.collection, "__dict__", ()))
        state = {name: _known(getattr(self.collection, name)) for name in names if hasattr(self.collection, name)}
        return _without_plan, (kind, state)


class _Only:
    """The result is the one value."""

    def __call__(self, results: Any) -> Any:
        return results[0]


_KNOWN = {
    ArrayExpr: ("shape", "chunks", "dtype", "name", "token"),
    Frame: ("names", "index_names", "npartitions", "divisions", "schema", "token"),
}


def _known(value: Any) -> Any:
    """A value, or what is known of a plan."""
    names = _KNOWN.get(type(value))
    return value if names is None else SimpleNamespace(**{name: getattr(value, name) for name in names})


def _without_plan(kind: type, state: dict[str, Any]) -> Finalizer:
    collection: Any = object.__new__(kind)
    for name, value in state.items():
        object.__setattr__(collection, name, value)
    return Finalizer(collection)


def _rebuild(
    dsk: Mapping[Any, Any], collection: Any, keys: list[Any], *, rename: Mapping[str, str] | None = None
) -> Any:
    """The collection over what Dask computed; values that Dask keeps on a cluster are brought here."""
    from raskal.interop.engines import keep

    names = [_renamed(key, rename) for key in keys]
    values = [dsk[name] for name in names]
    kept = keep([value.result() if hasattr(value, "result") and hasattr(value, "key") else value for value in values])
    return collection.__raskal_rebuild__(f"persisted-{tokenize(names)}", kept)


def _renamed(key: Any, rename: Mapping[str, str] | None) -> Any:
    return rename.get(key, key) if rename and isinstance(key, str) else key
