"""Having tasks run: what a client submits, and how.

Start at `SubmissionMethods.submit`, a part of `Client`. Calls and collections become a program, which goes to the
scheduler as a whole (``crates/raskal-runtime/src/client/submit.rs``).
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from raskal import base
from raskal._raskal import Delayed, ProgramBuilder, Remote, lower_delayed
from raskal.distributed._options import asking, callable_of, checked_key, name_of, no_collection
from raskal.distributed._sync import either, in_thread
from raskal.distributed.actor import Maker
from raskal.distributed.future import Call, Future
from raskal.tokenize import tokenize

__all__ = ["SubmissionMethods"]


class SubmissionMethods:
    """Tasks of a `Client`."""

    _client: Any
    _known: weakref.WeakValueDictionary[str, Remote]

    if TYPE_CHECKING:
        # Of the other parts.
        gather: Any
        replicate: Any

        @property
        def asynchronous(self) -> bool:
            """Whether calls that wait are to be awaited."""

    def submit(
        self,
        func: Callable[..., Any],
        *args: Any,
        key: Any = None,
        workers: Any = None,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout: Any = None,
        allow_other_workers: bool = False,
        actor: bool = False,
        actors: bool = False,
        pure: bool = True,
        **kwargs: Any,
    ) -> Future:
        """Run a function on the cluster.

        Parameters
        ----------
        func : callable
            The function; a coroutine function runs on the event loop of its process.
        *args, **kwargs
            Its arguments; futures and lazy collections among them, at any depth, become their values.
        key : str or tuple, optional
            The task's key; by default made from the function and its arguments if `pure`, else unique.
        workers : str or list of str, optional
            Names, addresses or hosts of the only workers to run on. The task waits until one of them is there.
        resources : dict, optional
            How much the task takes of each of a worker's named resources while it runs, such as ``{"GPU": 1}``.
        retries : int, optional
            How often the task is run again when it raises.
        priority : int
            Among tasks that are ready, those of a higher priority run first.
        fifo_timeout
            For Dask's sake: what is submitted earlier runs earlier.
        allow_other_workers : bool
            Whether others will do while none of `workers` is there.
        actor, actors : bool
            Whether the result stays in the process that made it, to be worked with from everywhere: see `Actor`.
        pure : bool
            Whether the same call gives the same result, and may share one future.

        Returns
        -------
        Future

        Raises
        ------
        TypeError
            If the function or an argument can't be pickled.

        Examples
        --------
        >>> from raskal.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     total = client.submit(sum, [1, 2])
        ...     client.submit(pow, total, 2).result()
        9
        """
        _check_call("submit", func, workers, allow_other_workers)
        actor = actor or actors
        name = name_of(func)
        if key is None:
            shared = pure and not actor
            key = f"{name}-{tokenize(func, args, kwargs)}" if shared else f"{name}-{uuid4().hex}"
        elif isinstance(key, tuple):
            key = checked_key(key)
        known = self._known.get(str(key))
        if known is not None and known.status in ("pending", "finished") and not actor:
            return Future._of(known, self, key, (func, args, kwargs))
        called = Maker(func, str(key)) if actor else callable_of(func)
        with asking(retries, priority, workers, allow_other_workers, resources):
            node = Delayed._call(called, args, kwargs or None, str(key), None)
            return self._submit_calls([node], [key], [(func, args, kwargs)])[0]

    def map(
        self,
        func: Callable[..., Any],
        *iterables: Iterable[Any],
        key: Any = None,
        workers: Any = None,
        retries: int | None = None,
        resources: Mapping[str, float] | None = None,
        priority: int = 0,
        allow_other_workers: bool = False,
        fifo_timeout: Any = None,
        actor: bool = False,
        actors: bool = False,
        pure: bool = False,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[Future]:
        """Run a function on every item of iterables.

        Parameters
        ----------
        func : callable
            The function.
        *iterables : iterable
            Its arguments; the shortest one ends it.
        key : str or list of str, optional
            Prefix of the keys, or the keys.
        workers, retries, resources, priority, allow_other_workers, fifo_timeout, actor, actors
            As of `submit`.
        pure : bool
            Whether the same call gives the same result, and may share one task. False by default: making keys from
            contents costs more than a small task.
        batch_size : int, optional
            How many calls are submitted at a time, where there are so many that the first should run while the last are
            being made; by default all at once.
        **kwargs
            Further arguments of every call; futures among them become their values.

        Returns
        -------
        list of Future

        Notes
        -----
        Differs from Dask: `pure` is false by default.
        """
        _check_call("map", func, workers, allow_other_workers)
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        calls = list(zip(*iterables))
        keys: list[Any]
        actor = actor or actors
        if isinstance(key, list):
            if len(key) != len(calls):
                raise ValueError(f"map got {len(key)} keys for {len(calls)} calls")
            keys = list(key)
        elif pure and not actor:
            name = key or name_of(func)
            keys = [f"{name}-{tokenize(func, args, kwargs)}" for args in calls]
        elif key is not None or actor:
            prefix = f"{key or name_of(func)}-{uuid4().hex[:8]}"
            keys = [f"{prefix}-{number}" for number in range(len(calls))]
        else:
            keys = [None] * len(calls)
        futures: list[Future] = []
        called = None if actor else callable_of(func)
        size = batch_size or max(1, len(calls))
        with no_collection(), asking(retries, priority, workers, allow_other_workers, resources):
            for first in range(0, len(calls), size):
                part, names = calls[first : first + size], keys[first : first + size]
                nodes = [
                    Delayed._call(
                        called or Maker(func, own), args, kwargs or None, None if own is None else str(own), None
                    )
                    for args, own in zip(part, names)
                ]
                futures += self._submit_calls(nodes, names, [(func, args, kwargs) for args in part])
        return futures

    def _submit_calls(self, nodes: list[Delayed], keys: list[Any], calls: list[Call] | None = None) -> list[Future]:
        if not nodes:
            return []
        builder = ProgramBuilder()
        remotes = self._client.submit(builder, lower_delayed(builder, nodes))
        for key, remote in zip(keys, remotes):
            if key is not None:
                self._known[str(key)] = remote
        made = itertools.repeat(None) if calls is None else calls
        return [Future._of(remote, self, key, call) for key, remote, call in zip(keys, remotes, made)]

    def compute(
        self,
        collections: Any,
        sync: bool = False,
        optimize_graph: bool = True,
        workers: Any = None,
        allow_other_workers: bool = False,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout: Any = None,
        actors: Any = None,
        traverse: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Compute collections on the cluster; the results stay there until they are asked for.

        Parameters
        ----------
        collections : collection, or list of them
            What to compute.
        sync : bool
            Whether to wait and return the results themselves.
        workers, allow_other_workers, resources, retries, priority
            As of `submit`, for every task of this computation that was not asked otherwise.
        traverse : bool
            Whether collections inside lists, tuples and dictionaries are computed too.
        optimize_graph, fifo_timeout, **kwargs
            For Dask's sake.
        actors : None
            Not supported here: `submit` makes actors.

        Returns
        -------
        Future, or list of Future
            Of the results, or the results if `sync`.
        """
        _no_actors("compute", actors)
        with asking(retries, priority, workers, allow_other_workers, resources):
            if sync and self.asynchronous:
                return in_thread(self._compute, collections, True, traverse)
            return self._compute(collections, sync, traverse)

    def _compute(self, collections: Any, sync: bool, traverse: bool) -> Any:
        several = isinstance(collections, (list, tuple, set, frozenset))
        items = list(collections) if several else [collections]
        if sync:
            results = list(base.compute(*items, scheduler=self, traverse=traverse))
            return results if several else results[0]
        places = [place for place, item in enumerate(items) if base.is_dask_collection(item)]
        builder, groups = base._lower([items[place] for place in places], distributed=True)
        wanted = []
        for place, group in zip(places, groups):
            item = items[place]
            if isinstance(item, (Delayed, Future)) and len(group) == 1:
                wanted.append(group[0])
                continue
            finalize = base._Gather(item.__raskal_finalize__)
            wanted.append(builder.add_gather(f"finalize-{uuid4().hex}", group, finalize, "finalize"))
        remotes = iter(self._client.submit(builder, wanted) if wanted else [])
        results = [Future._of(next(remotes), self) if base.is_dask_collection(item) else item for item in items]
        return results if several else results[0]

    def persist(
        self,
        collections: Any,
        optimize_graph: bool = True,
        workers: Any = None,
        allow_other_workers: bool = False,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout: Any = None,
        actors: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Compute the parts of collections and keep them on the cluster.

        Parameters
        ----------
        collections : collection, or list of them
            What to compute.
        workers, allow_other_workers, resources, retries, priority
            As of `compute`.
        optimize_graph, fifo_timeout, **kwargs
            For Dask's sake.
        actors : None
            Not supported here: `submit` makes actors.

        Returns
        -------
        collection, or list of them
            The same, over the kept parts.
        """
        _no_actors("persist", actors)
        several = isinstance(collections, (list, tuple, set, frozenset))
        items = list(collections) if several else [collections]
        with asking(retries, priority, workers, allow_other_workers, resources):
            results = list(base.persist(*items, scheduler=self))
        return results if several else results[0]

    def get(self, dsk: Mapping[Any, Any], keys: Any, sync: bool = True, asynchronous: Any = None, **kwargs: Any) -> Any:
        """Compute keys of a graph that is written as a dictionary.

        Parameters
        ----------
        dsk : dict
            The graph: keys, and tasks such as ``(add, "x", 1)``.
        keys : key, or nested lists of keys
            What to compute.
        sync : bool
            Whether to wait and return the values; otherwise their futures.
        **kwargs
            Options of `submit`: `workers`, `allow_other_workers`, `resources`, `retries`, `priority`.

        Returns
        -------
        object
            In the form of `keys`.
        """
        from raskal.graphs import flatten, nodes_of

        flat = list(dict.fromkeys(flatten(keys) if isinstance(keys, list) else [keys]))
        others, priority = bool(kwargs.get("allow_other_workers")), kwargs.get("priority") or 0
        with asking(kwargs.get("retries"), priority, kwargs.get("workers"), others, kwargs.get("resources")):
            nodes = nodes_of(dsk, flat)
            calls = [key for key in flat if isinstance(nodes[key], Delayed)]
            futures = dict(zip(calls, self._submit_calls([nodes[key] for key in calls], calls)))
        plain = {key: nodes[key] for key in flat if key not in futures}
        if plain:
            futures |= dict(zip(plain, self.scatter(list(plain.values()), asynchronous=False)))

        def shaped(item: Any) -> Any:
            return [shaped(one) for one in item] if isinstance(item, list) else futures[item]

        return self.gather(shaped(keys), asynchronous=asynchronous) if sync else shaped(keys)

    def compute_program(self, builder: ProgramBuilder, wanted: list[int]) -> list[Any]:
        """The values of the wanted tasks, in order. What `raskal.compute` calls."""
        from raskal.diagnostics import progress

        active = progress.active()
        return self._client.compute(builder, wanted, None if active is None else active.update)

    def persist_program(self, builder: ProgramBuilder, groups: list[list[int]]) -> list[Any]:
        """A handle for each group of tasks. What `raskal.persist` calls."""
        return self._client.persist(builder, groups)

    @either
    def scatter(
        self,
        data: Any,
        workers: Any = None,
        broadcast: bool | int = False,
        direct: Any = None,
        hash: bool = True,
        timeout: Any = None,
    ) -> Any:
        """Send data to the cluster.

        Parameters
        ----------
        data : list, dict or object
            The data; the items of a list or dictionary become futures of their own.
        workers : str or list of str, optional
            The workers to put it on.
        broadcast : bool or int
            Whether to put a copy on each worker, or on so many.
        direct, timeout
            For Dask's sake.
        hash : bool
            Whether the keys are made from the data, so that what is there already is not sent again.

        Returns
        -------
        Future, or list or dict of Future
        """
        if isinstance(data, dict):
            values = self.scatter(list(data.values()), workers, broadcast, hash=hash, asynchronous=False)
            return dict(zip(data, values, strict=True))
        several = isinstance(data, (list, tuple, set, frozenset))
        items = list(data) if several else [data]
        keys = [f"{type(item).__name__}-{tokenize(item) if hash else uuid4().hex}" for item in items]
        found: dict[str, Future] = {}
        new: dict[str, Any] = {}
        for key, item in zip(keys, items):
            known = self._known.get(key) if hash and workers is None else None
            if known is not None and known.status in ("pending", "finished"):
                found[key] = Future._of(known, self, key)
            else:
                new[key] = item
        with asking(None, 0, workers, False, None):
            nodes = [Delayed._computed(item, key) for key, item in new.items()]
            found |= dict(zip(new, self._submit_calls(nodes, list(new))))
        futures = [found[key] for key in keys]
        if broadcast:
            self.replicate(futures, n=None if broadcast is True else broadcast, workers=workers, asynchronous=False)
        elif new:
            # As with Dask: when this returns, the data is there.
            self._client.wait([found[key]._remote for key in new])
        return type(data)(futures) if several else futures[0]


def _check_call(method: str, func: Any, workers: Any, allow_other_workers: bool) -> None:
    """Refuse what `submit` and `map` can't run."""
    if not callable(func):
        raise TypeError(f"the first argument of {method} must be a function, got {type(func).__name__}")
    if allow_other_workers and not workers:
        raise ValueError("allow_other_workers=True needs workers=")


def _no_actors(method: str, actors: Any) -> None:
    if actors:
        raise NotImplementedError(f"actors= is not supported by {method}\nhint: use client.submit(cls, actor=True)")
