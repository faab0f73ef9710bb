"""A connection to a cluster: `Client`.

Start at `Client`. While a client is the current one, `raskal.compute` and every ``.compute()`` run on its cluster. The
connection itself is Rust (``crates/raskal-runtime/src/client``).
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from html import escape
from typing import Any
from uuid import uuid4

from raskal import base, config
from raskal._raskal import Client as _Client
from raskal._raskal import Delayed, ProgramBuilder, Remote, lower_delayed
from raskal.distributed.cluster import LocalCluster
from raskal.distributed.future import Future
from raskal.tokenize import tokenize

__all__ = ["Client", "default_client", "get_client"]

logger = logging.getLogger("raskal.distributed")

_clients: list[weakref.ref[Client]] = []


class Client:
    """A connection to a cluster, which then runs what is computed.

    Parameters
    ----------
    address : str, LocalCluster or None
        The scheduler's address, such as ``tls://127.0.0.1:8786``, or a cluster. None starts a cluster on this machine,
        unless a scheduler file is given.
    timeout : float or None
        Seconds to wait for the scheduler; the configuration ``distributed.comm.timeouts.connect``, or 10, by default.
    scheduler_file : str, optional
        The file that the scheduler wrote; by default looked for by the address.
    token : str, optional
        The cluster's token, where there is no scheduler file.
    set_as_default : bool
        Whether `raskal.compute` uses this client while it is open.
    name : str, optional
        A name for people.
    asynchronous : bool
        Not supported.
    **kwargs
        Of `LocalCluster`, when one is started.

    Raises
    ------
    OSError
        If the scheduler can't be reached or does not let us in; the message says what to do.

    Notes
    -----
    Differs from Dask: there is no asynchronous client. Source: crates/raskal-runtime/src/client/

    Examples
    --------
    >>> from raskal.distributed import Client
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     client.gather(client.map(lambda x: x + 1, range(3)))
    [1, 2, 3]
    """

    def __init__(
        self,
        address: str | LocalCluster | None = None,
        timeout: float | str | None = None,
        scheduler_file: str | os.PathLike[str] | None = None,
        set_as_default: bool = True,
        token: str | None = None,
        name: str | None = None,
        asynchronous: bool = False,
        **kwargs: Any,
    ) -> None:
        if asynchronous:
            raise NotImplementedError(
                "asynchronous=True is not supported\nhint: use the blocking API, in a thread if need be"
            )
        self._own_cluster: LocalCluster | None = None
        self._closed = True
        seconds = _seconds(timeout if timeout is not None else config.get("distributed.comm.timeouts.connect", 10))
        if scheduler_file is None and address is None:
            address = os.environ.get("RASKAL_SCHEDULER_ADDRESS") or None
        if address is None and scheduler_file is None:
            address = self._own_cluster = LocalCluster(**kwargs)
        elif kwargs:
            raise TypeError(f"Client got unknown arguments {sorted(kwargs)}; those of LocalCluster need address=None")
        self.cluster: LocalCluster | None = None
        if isinstance(address, LocalCluster):
            self.cluster = address
            address, scheduler_file = self.cluster.scheduler_address, self.cluster.scheduler_file
        file = None if scheduler_file is None else os.fspath(scheduler_file)
        try:
            self._client = _Client(address, file, token, name, seconds)
            if self.cluster is not None:
                self.cluster._wait_for_a_worker(self._client)
        except BaseException:
            if self._own_cluster is not None:
                self._own_cluster.close()
            raise
        self.name = name or f"Client-{uuid4().hex[:12]}"
        self._closed = False
        self._known: weakref.WeakValueDictionary[str, Remote] = weakref.WeakValueDictionary()
        self._callbacks: dict[tuple[int, int], list[tuple[Future, Callable[[Future], Any]]]] = {}
        self._callback_lock = threading.Lock()
        self._callback_thread: threading.Thread | None = None
        self._before: Any = None
        self._is_default = set_as_default
        if set_as_default:
            self._before = base.set_default_client(self)
        _clients.append(weakref.ref(self))

    # ---- running

    def submit(
        self,
        func: Callable[..., Any],
        *args: Any,
        key: str | None = None,
        pure: bool = True,
        retries: int | None = None,
        priority: int = 0,
        workers: Any = None,
        **kwargs: Any,
    ) -> Future:
        """Run a function on the cluster.

        Parameters
        ----------
        func : callable
            The function.
        *args, **kwargs
            Its arguments; futures and lazy collections among them, at any depth, become their values.
        key : str, optional
            The task's key; by default made from the function and its arguments if `pure`, else unique.
        pure : bool
            Whether the same call gives the same result, and may share one future.
        retries : int, optional
            Not supported yet, other than 0.
        priority : int
            Not supported yet, other than 0.
        workers : None
            Not supported yet.

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
        _refuse(retries=retries, priority=priority, workers=workers)
        if not callable(func):
            raise TypeError(f"the first argument of submit must be a function, got {type(func).__name__}")
        if key is None:
            name = getattr(func, "__name__", type(func).__name__).strip("<>")
            key = f"{name}-{tokenize(func, args, kwargs)}" if pure else f"{name}-{uuid4().hex}"
        known = self._known.get(key)
        if known is not None and known.status in ("pending", "finished"):
            return Future(known, self, key)
        return self._submit_calls([Delayed._call(func, args, kwargs or None, key, None)], [key])[0]

    def map(
        self,
        func: Callable[..., Any],
        *iterables: Iterable[Any],
        key: str | list[str] | None = None,
        pure: bool = False,
        retries: int | None = None,
        priority: int = 0,
        workers: Any = None,
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
        pure : bool
            Whether the same call gives the same result, and may share one task. False by default: making keys from
            contents costs more than a small task.
        retries, priority, workers
            As of `submit`.
        batch_size : int, optional
            Accepted for Dask's sake; tasks travel in batches anyway.
        **kwargs
            Further arguments of every call.

        Returns
        -------
        list of Future

        Notes
        -----
        Differs from Dask: `pure` is false by default.
        """
        _refuse(retries=retries, priority=priority, workers=workers)
        if not callable(func):
            raise TypeError(f"the first argument of map must be a function, got {type(func).__name__}")
        calls = list(zip(*iterables))
        keys: list[str | None]
        if isinstance(key, list):
            if len(key) != len(calls):
                raise ValueError(f"map got {len(key)} keys for {len(calls)} calls")
            keys = list(key)
        elif pure:
            name = key or getattr(func, "__name__", type(func).__name__).strip("<>")
            keys = [f"{name}-{tokenize(func, args, kwargs)}" for args in calls]
        elif key is not None:
            keys = [f"{key}-{uuid4().hex[:8]}-{number}" for number in range(len(calls))]
        else:
            keys = [None] * len(calls)
        with _no_collection():
            nodes = [Delayed._call(func, args, kwargs or None, own, None) for args, own in zip(calls, keys)]
            return self._submit_calls(nodes, keys)

    def _submit_calls(self, nodes: list[Delayed], keys: list[str | None]) -> list[Future]:
        if not nodes:
            return []
        builder = ProgramBuilder()
        remotes = self._client.submit(builder, lower_delayed(builder, nodes))
        for key, remote in zip(keys, remotes):
            if key is not None:
                self._known[key] = remote
        return [Future(remote, self, key) for key, remote in zip(keys, remotes)]

    def gather(self, futures: Any, errors: str = "raise", direct: Any = None, asynchronous: Any = None) -> Any:
        """Get the results of futures.

        Parameters
        ----------
        futures : Future, or containers of them
            Lists, tuples, sets, dictionaries, at any depth.
        errors : {'raise', 'skip'}
            Whether the first failure is raised, or failed futures are left out of lists.
        direct, asynchronous
            Accepted for Dask's sake.

        Returns
        -------
        object
            The same containers, with results.
        """
        if errors not in ("raise", "skip"):
            raise ValueError(f"errors must be 'raise' or 'skip', got {errors!r}")
        if isinstance(futures, Iterator):
            return map(self.gather, futures)
        found: list[Future] = []
        _find_futures(futures, found)
        if errors == "skip" and found:
            self._client.wait([future._remote for future in found])
            found = [future for future in found if future.status == "finished"]
        values = self._client.gather([future._remote for future in found])
        return _put_back(futures, {id(future): value for future, value in zip(found, values)})

    def compute(
        self,
        collections: Any,
        sync: bool = False,
        optimize_graph: bool = True,
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
        optimize_graph, traverse, **kwargs
            Accepted for Dask's sake.

        Returns
        -------
        Future, or list of Future
            Of the results, or the results if `sync`.
        """
        several = isinstance(collections, (list, tuple, set, frozenset))
        items = list(collections) if several else [collections]
        if sync:
            results = list(base.compute(*items, scheduler=self, traverse=traverse))
            return results if several else results[0]
        places = [place for place, item in enumerate(items) if base.is_dask_collection(item)]
        builder, groups = base._lower([items[place] for place in places])
        wanted = []
        for place, group in zip(places, groups):
            item = items[place]
            if isinstance(item, (Delayed, Future)) and len(group) == 1:
                wanted.append(group[0])
                continue
            finalize = base._Gather(item.__raskal_finalize__)
            wanted.append(builder.add_gather(f"finalize-{uuid4().hex}", group, finalize, "finalize"))
        remotes = iter(self._client.submit(builder, wanted) if wanted else [])
        results = [Future(next(remotes), self) if base.is_dask_collection(item) else item for item in items]
        return results if several else results[0]

    def persist(self, collections: Any, optimize_graph: bool = True, **kwargs: Any) -> Any:
        """Compute the parts of collections and keep them on the cluster.

        Parameters
        ----------
        collections : collection, or list of them
            What to compute.
        optimize_graph, **kwargs
            Accepted for Dask's sake.

        Returns
        -------
        collection, or list of them
            The same, over the kept parts.
        """
        several = isinstance(collections, (list, tuple, set, frozenset))
        items = list(collections) if several else [collections]
        results = list(base.persist(*items, scheduler=self))
        return results if several else results[0]

    def compute_program(self, builder: ProgramBuilder, wanted: list[int]) -> list[Any]:
        """The values of the wanted tasks, in order. What `raskal.compute` calls."""
        from raskal.diagnostics import progress

        active = progress.active()
        return self._client.compute(builder, wanted, None if active is None else active.update)

    def persist_program(self, builder: ProgramBuilder, groups: list[list[int]]) -> list[Any]:
        """A handle for each group of tasks. What `raskal.persist` calls."""
        return self._client.persist(builder, groups)

    def scatter(self, data: Any, broadcast: Any = False, hash: bool = True, **kwargs: Any) -> Any:
        """Send data to the cluster.

        Parameters
        ----------
        data : list, dict or object
            The data; the items of a list or dictionary become futures of their own.
        broadcast, hash, **kwargs
            Accepted for Dask's sake; data is copied to where it is needed.

        Returns
        -------
        Future, or list or dict of Future
        """
        if isinstance(data, dict):
            return dict(zip(data, self.scatter(list(data.values())), strict=True))
        several = isinstance(data, (list, tuple, set, frozenset))
        items = list(data) if several else [data]
        nodes = [Delayed._computed(item, f"{type(item).__name__}-{uuid4().hex}") for item in items]
        futures = self._submit_calls(nodes, [None] * len(nodes))
        if several:
            return type(data)(futures)
        return futures[0]

    def cancel(self, futures: Any, asynchronous: Any = None, force: bool = False, **kwargs: Any) -> None:
        """Give futures up.

        Parameters
        ----------
        futures : Future, or list of them
            What is not wanted any more.
        asynchronous, force, **kwargs
            Accepted for Dask's sake.
        """
        found: list[Future] = []
        _find_futures(futures, found)
        self._client.cancel([future._remote for future in found])

    # ---- the cluster

    def wait_for_workers(self, n_workers: int, timeout: float | str | None = None) -> None:
        """Wait until there are so many workers.

        Parameters
        ----------
        n_workers : int
            How many.
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            If the time runs out.
        """
        self._client.wait_for_workers(n_workers, None if timeout is None else _seconds(timeout))

    def scheduler_info(self, **kwargs: Any) -> dict[str, Any]:
        """What the scheduler knows of itself and its workers.

        Returns
        -------
        dict
            With ``address``, ``dashboard``, ``version``, ``started`` and ``workers``, by address.
        """
        info = self._client.info()
        return {
            "type": "Scheduler",
            "address": info["addresses"][0] if info["addresses"] else self._client.address,
            "dashboard": info["dashboard"],
            "version": info["version"],
            "started": info["started"],
            "workers": {worker["address"]: worker for worker in info["workers"]},
        }

    def nthreads(self, workers: Any = None) -> dict[str, int]:
        """Number of Python tasks that each worker runs at a time, by address."""
        return {worker["address"]: worker["nthreads"] for worker in self._client.workers()}

    def ncores(self, workers: Any = None) -> dict[str, int]:
        """The same as `nthreads`."""
        return self.nthreads(workers)

    def who_has(self, futures: Any = None, **kwargs: Any) -> dict[str, tuple[str, ...]]:
        """The addresses of the workers that hold each future's result, by key.

        Parameters
        ----------
        futures : Future, or list of them
            Which results.
        """
        found: list[Future] = []
        _find_futures(futures, found)
        addresses = {worker["id"]: worker["address"] for worker in self._client.workers()}
        holders = self._client.who_has([future._remote for future in found])
        return {
            future.key: tuple(addresses[worker] for worker in workers if worker in addresses)
            for future, workers in zip(found, holders)
        }

    def has_what(self, workers: Any = None, **kwargs: Any) -> dict[str, tuple[str, ...]]:
        """The keys of the results that each worker holds, by address."""
        addresses = {worker["id"]: worker["address"] for worker in self._client.workers()}
        return {addresses[worker]: tuple(keys) for worker, keys in self._client.has_what() if worker in addresses}

    @property
    def dashboard_link(self) -> str | None:
        """The dashboard's address."""
        return self._client.dashboard

    @property
    def status(self) -> str:
        """``running`` or ``closed``."""
        return "closed" if self._closed or not self._client.is_open else "running"

    # ---- callbacks

    def _call_when_done(self, future: Future, fn: Callable[[Future], Any]) -> None:
        with self._callback_lock:
            self._callbacks.setdefault(future._remote.id, []).append((future, fn))
            if self._callback_thread is None:
                watcher = self._client.watch()
                self._callback_thread = threading.Thread(
                    target=_watch, args=(weakref.ref(self), watcher), name="raskal-callbacks", daemon=True
                )
                self._callback_thread.start()
        if future.done():
            threading.Thread(target=self._run_callbacks, args=(future._remote.id,), daemon=True).start()

    def _run_callbacks(self, task: tuple[int, int]) -> None:
        with self._callback_lock:
            callbacks = self._callbacks.pop(task, [])
        for future, fn in callbacks:
            try:
                fn(future)
            except Exception:
                logger.exception("a callback of %r raised", future)

    # ---- the end

    def _check_same(self, remote: Remote) -> None:
        if self._closed:
            raise ValueError("this future's client was closed\nhint: compute it anew with the new client")

    def close(self, timeout: Any = None) -> None:
        """End the connection; results that only this client wanted are let go.

        Parameters
        ----------
        timeout : float, optional
            Accepted for Dask's sake.
        """
        if self._closed:
            return
        self._closed = True
        if self._is_default and base.default_client() is self:
            before = self._before
            base.set_default_client(None if before is None or before.status == "closed" else before)
        self._client.close()
        if self._own_cluster is not None:
            self._own_cluster.close()

    def shutdown(self) -> None:
        """End the connection, and the cluster if it is of this machine."""
        self.close()
        if self.cluster is not None:
            self.cluster.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> Any:
        raise TypeError(f"{self!r} can't be pickled: it belongs to this process\nhint: use get_client() inside tasks")

    def __repr__(self) -> str:
        if self._closed:
            return "<Client: closed>"
        workers = self._client.workers()
        threads = sum(worker["nthreads"] for worker in workers)
        return f"<Client: {self._client.address!r} workers={len(workers)} threads={threads}>"

    def _repr_html_(self) -> str:
        if self._closed:
            return "<strong>Client</strong>: closed"
        workers = self._client.workers()
        threads = sum(worker["nthreads"] for worker in workers)
        link = self._client.dashboard
        dashboard = f'<a href="{escape(link)}" target="_blank">{escape(link)}</a>' if link else "none"
        return (
            f"<b>Client</b><ul><li>Scheduler: {escape(self._client.address)}</li><li>Dashboard: {dashboard}</li>"
            f"<li>Workers: {len(workers)}, threads: {threads}</li></ul>"
        )


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Hold the garbage collector: it would look through a growing heap of live objects again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _watch(reference: weakref.ref[Client], watcher: Any) -> None:
    """Run callbacks for as long as the client is there."""
    while True:
        tasks = watcher.take(1.0)
        client = reference()
        if client is None:
            return
        if tasks is None:
            # The connection has ended, and with it all futures.
            tasks = list(client._callbacks)
            for task in tasks:
                client._run_callbacks(task)
            return
        for task in tasks:
            client._run_callbacks(task)
        del client


def _seconds(timeout: float | str) -> float:
    """A time such as 5, ``"5s"`` or ``"1 min"`` in seconds."""
    if isinstance(timeout, (int, float)):
        return float(timeout)
    text = timeout.strip().lower()
    for unit, factor in (("ms", 1e-3), ("min", 60.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)):
        if text.endswith(unit):
            try:
                return float(text[: len(text) - len(unit)]) * factor
            except ValueError:
                continue
    raise ValueError(f"{timeout!r} is not a time\nhint: pass seconds, or text such as '10s'")


def _refuse(**options: Any) -> None:
    for name, value in options.items():
        if value:
            raise NotImplementedError(f"{name}={value!r} is not supported yet on a cluster\nhint: leave it out")


def _find_futures(item: Any, found: list[Future]) -> None:
    if isinstance(item, Future):
        found.append(item)
    elif isinstance(item, dict):
        for value in item.values():
            _find_futures(value, found)
    elif isinstance(item, (list, tuple, set, frozenset)):
        for value in item:
            _find_futures(value, found)


_SKIP = object()


def _put_back(item: Any, values: dict[int, Any]) -> Any:
    if isinstance(item, Future):
        return values.get(id(item), _SKIP)
    if isinstance(item, dict):
        replaced = {key: _put_back(value, values) for key, value in item.items()}
        return {key: value for key, value in replaced.items() if value is not _SKIP}
    if isinstance(item, (list, tuple, set, frozenset)):
        return type(item)(value for value in (_put_back(value, values) for value in item) if value is not _SKIP)
    return item


def default_client() -> Client:
    """The current client.

    Returns
    -------
    Client

    Raises
    ------
    ValueError
        If there is none.
    """
    current = base.default_client()
    if isinstance(current, Client):
        return current
    raise ValueError("no client found\nhint: make one with raskal.distributed.Client(address)")


def get_client(address: str | None = None, timeout: float | str | None = None) -> Client:
    """The current client, or one of that address.

    Parameters
    ----------
    address : str, optional
        The scheduler's address.
    timeout : float, optional
        Seconds to wait for the scheduler.

    Returns
    -------
    Client

    Raises
    ------
    ValueError
        If there is no client and no address.
    """
    if address is None:
        return default_client()
    for reference in itertools.chain(_clients):
        client = reference()
        if client is not None and client.status == "running" and client._client.address == address:
            return client
    return Client(address, timeout=timeout)
