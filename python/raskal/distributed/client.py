"""A connection to a cluster: `Client`.

Start at `Client`. While a client is the current one, `raskal.compute` and every ``.compute()`` run on its cluster. The
connection itself is Rust (``crates/raskal-runtime/src/client``). What is not about computing is in parts of the class:
`sharing` (by name), `calls` (into the workers' processes) and `inventory` (workers and values).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import os
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from raskal import _place, config
from raskal._raskal import Client as _Client
from raskal._raskal import Remote
from raskal.distributed import _serve, events
from raskal.distributed._desk import Desk
from raskal.distributed._options import seconds_of
from raskal.distributed._sync import either, in_thread, on_loop
from raskal.distributed.calls import CallMethods
from raskal.distributed.cluster import LocalCluster
from raskal.distributed.custody import CustodyMethods
from raskal.distributed.future import Future
from raskal.distributed.inventory import InventoryMethods
from raskal.distributed.logs import LogMethods
from raskal.distributed.observing import ObservingMethods
from raskal.distributed.picture import cluster_html
from raskal.distributed.results import ResultMethods
from raskal.distributed.security import Security, contact_of
from raskal.distributed.sharing import SharingMethods
from raskal.distributed.spec import SpecCluster
from raskal.distributed.submission import SubmissionMethods
from raskal.distributed.worker import executor_client, is_executor

__all__ = ["Client", "client_of", "default_client", "ensure_default_client", "get_client"]

logger = logging.getLogger("raskal.distributed")

_clients: list[weakref.ref[Client]] = []

_SERIALIZERS = {"raskal", "dask", "pickle", "cloudpickle", "msgpack", "error"}


class Client(
    SubmissionMethods,
    ResultMethods,
    CustodyMethods,
    SharingMethods,
    CallMethods,
    InventoryMethods,
    ObservingMethods,
    LogMethods,
):
    """A connection to a cluster, which then runs what is computed.

    Parameters
    ----------
    address : str, cluster or None
        The scheduler's address, such as ``tls://127.0.0.1:8786``, or a cluster. None starts a cluster on this machine,
        unless a scheduler file is given.
    loop : None
        For Dask's sake: an asynchronous client uses the event loop that runs.
    timeout : float or str, optional
        How long to wait for the scheduler; the configuration ``distributed.comm.timeouts.connect``, or 10 s, by
        default.
    set_as_default : bool
        Whether `raskal.compute` uses this client while it is open.
    scheduler_file : str, optional
        The file that the scheduler wrote; by default looked for by the address.
    security : Security or dict, optional
        Certificates of one's own.
    asynchronous : bool
        Whether what waits gives something to await: made with ``await Client(...)`` or ``async with Client(...)`` on a
        running event loop.
    name : str, optional
        A name for people.
    heartbeat_interval, serializers, deserializers, extensions, direct_to_workers, connection_limit
        For Dask's sake. Values travel straight between workers and clients, in pickle, Arrow or raw buffers.
    token : str, optional
        The cluster's token, where there is no scheduler file.
    **kwargs
        Of `LocalCluster`, when one is started.

    Raises
    ------
    OSError
        If the scheduler can't be reached or does not let us in; the message says what to do.

    Notes
    -----
    Source: crates/raskal-runtime/src/client/

    Examples
    --------
    >>> from raskal.distributed import Client
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     client.gather(client.map(lambda x: x + 1, range(3)))
    [1, 2, 3]
    """

    def __init__(
        self,
        address: Any = None,
        loop: Any = None,
        timeout: Any = None,
        set_as_default: bool = True,
        scheduler_file: str | os.PathLike[str] | None = None,
        security: Any = None,
        asynchronous: bool = False,
        name: str | None = None,
        heartbeat_interval: Any = None,
        serializers: Iterable[str] | None = None,
        deserializers: Iterable[str] | None = None,
        extensions: Any = None,
        direct_to_workers: bool | None = None,
        connection_limit: int = 512,
        token: str | None = None,
        _contact: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        for codec in (*(serializers or ()), *(deserializers or ())):
            if codec not in _SERIALIZERS:
                raise NotImplementedError(f"the serializer {codec!r} is not known; there are {sorted(_SERIALIZERS)}")
        self.security = Security.of(security)
        self.extensions: dict[str, Any] = dict(extensions or {})
        self.direct_to_workers = direct_to_workers
        self.preloads: list[Any] = []
        self.generation = 0
        self.id = self.name = name or f"Client-{uuid4().hex[:12]}"
        self.scheduler_file = None if scheduler_file is None else os.fspath(scheduler_file)
        self.cluster: Any = None
        self._own_cluster: Any = None
        self._asynchronous = asynchronous
        self._closed = True
        self._started = False
        timeout = timeout if timeout is not None else config.get("distributed.comm.timeouts.connect", 10)
        self._timeout = seconds_of(timeout)
        if self.scheduler_file is None and address is None:
            address = os.environ.get("RASKAL_SCHEDULER_ADDRESS") or None
        if address is None and self.scheduler_file is None:
            address = self._own_cluster = LocalCluster(security=security, asynchronous=asynchronous, **kwargs)
        elif kwargs:
            raise TypeError(f"Client got unknown arguments {sorted(kwargs)}; those of LocalCluster need address=None")
        self._address = address
        self._contact = {**contact_of(self.security), **(_contact or {})}
        self._token = token
        self._known: weakref.WeakValueDictionary[str, Remote] = weakref.WeakValueDictionary()
        self._callbacks: dict[tuple[int, int], list[tuple[Future, Callable[[Future], Any]]]] = {}
        self._callback_lock = threading.Lock()
        self._callback_thread: threading.Thread | None = None
        self._lent: dict[tuple[int, int], tuple[float, Remote]] = {}
        self._before: Any = None
        self._is_default = set_as_default
        self.loop = asyncio.get_running_loop() if asynchronous and on_loop() else None
        _clients.append(weakref.ref(self))
        if not asynchronous:
            self._connect()

    def _connect(self) -> None:
        address, file = self._address, self.scheduler_file
        if hasattr(address, "scheduler_address"):
            self.cluster = address
            if self._own_cluster is None and getattr(address, "status", "running") == "closed":
                raise RuntimeError(f"{address!r} is closed\nhint: make a new cluster")
            address, file = self.cluster.scheduler_address, getattr(self.cluster, "scheduler_file", None)
            self._token = self._token or getattr(getattr(self.cluster, "contact", self.cluster), "token", None)
            if not self._contact:
                self._contact = contact_of(getattr(self.cluster, "security", None))
            self.scheduler_file = file
        elif file is not None:
            address, file = _read_contact(file, address)
        if file is None and self._token is None and self.cluster is None and not self._contact:
            # A cluster of this process need not tell how to be let in.
            known = SpecCluster._at(address)
            file = None if known is None else known.scheduler_file
        try:
            self._client = _Client(address, file, self._token, self.name, self._timeout, **self._contact)
            if self.cluster is not None and hasattr(self.cluster, "_wait_for_a_worker"):
                self.cluster._wait_for_a_worker(self._client)
        except BaseException:
            if self._own_cluster is not None:
                self._own_cluster.close()
            raise
        self._desk = Desk(self._client)
        self._closed = False
        self._started = True
        if not is_executor():
            # Tasks' own clients would print to the worker's output what tasks of other workers say.
            events.attend(self)
        if self._is_default:
            self._before = _place.set_default_client(self)

    # ---- on an event loop

    @property
    def asynchronous(self) -> bool:
        """Whether calls that wait are to be awaited: the client is asynchronous, and this is its event loop."""
        return self._asynchronous and on_loop()

    def sync(self, func: Callable[..., Any], *args: Any, asynchronous: bool | None = None, **kwargs: Any) -> Any:
        """Call a function, which may be a coroutine function, and wait for it; to be awaited on an event loop."""
        kwargs.pop("callback_timeout", None)
        if self.asynchronous if asynchronous is None else asynchronous:
            result = func(*args, **kwargs)
            return result if inspect.isawaitable(result) else _ready(result)
        result = func(*args, **kwargs)
        return _serve.run_coroutine(_awaited(result)) if inspect.isawaitable(result) else result

    async def _start(self) -> Client:
        if not self._started:
            self.loop = asyncio.get_running_loop()
            if hasattr(self._address, "_started_later"):
                await self._address
            await in_thread(self._connect)
        return self

    def start(self, **kwargs: Any) -> Any:
        """Connect, if that was not done yet."""
        if self.asynchronous:
            return self._start()
        if not self._started:
            self._connect()
        return self

    def __await__(self) -> Generator[Any, Any, Client]:
        return self._start().__await__()

    async def __aenter__(self) -> Client:
        return await self._start()

    async def __aexit__(self, *error: object) -> None:
        await in_thread(self._close)

    def __getattr__(self, name: str) -> Any:
        if name in ("_client", "_desk") and self.__dict__.get("_asynchronous") and not self.__dict__.get("_started"):
            raise RuntimeError("this asynchronous client has not started\nhint: await it, or use it in `async with`")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def normalize_collection(self, collection: Any) -> Any:
        """The collection itself: what is kept on the cluster already is found without this."""
        return collection

    # ---- being the current one

    @classmethod
    def current(cls, allow_global: bool = True) -> Client:
        """The client that runs what is computed here.

        Parameters
        ----------
        allow_global : bool
            Whether the default client will do, besides one of `as_current`.

        Raises
        ------
        ValueError
            If there is none.
        """
        client = _place.default_client() if allow_global else _place.innermost_client()
        if isinstance(client, Client):
            return client
        raise ValueError("no client found\nhint: make one with raskal.distributed.Client(address)")

    @contextlib.contextmanager
    def as_current(self) -> Iterator[Client]:
        """Have this client run what is computed inside a block, in this thread."""
        with _place.own_client(self):
            yield self

    @property
    def status(self) -> str:
        """``running``, ``connecting`` or ``closed``."""
        if self._asynchronous and not self._started:
            return "connecting"
        return "closed" if self._closed or not self._client.is_open else "running"

    @property
    def futures(self) -> dict[str, Future]:
        """The futures that have a key of their own, by it."""
        return {key: Future._of(remote, self, key) for key, remote in list(self._known.items())}

    @property
    def connection_args(self) -> dict[str, Any]:
        """The certificates of one's own, if there are any."""
        return dict(self._contact)

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

    @either
    def close(self, timeout: Any = None) -> Any:
        """End the connection; results that only this client wanted are let go.

        Parameters
        ----------
        timeout : float, optional
            For Dask's sake.
        """
        self._close()

    def _close(self) -> None:
        if self._closed:
            return
        for name in list(self.__dict__.get("_scheduler_plugins", ())):
            with contextlib.suppress(Exception):
                self._unregister_here(name)
        self._closed = True
        if self._is_default and _place.default_client() is self:
            before = self._before
            _place.set_default_client(None if before is None or before.status == "closed" else before)
        self._client.close()
        if self._own_cluster is not None:
            self._own_cluster._close()

    @either
    def shutdown(self) -> Any:
        """End the connection, and the cluster if this process started it."""
        self._close()
        if self.cluster is not None:
            self.cluster._close()

    def __enter__(self) -> Client:
        if self._asynchronous:
            raise RuntimeError("this client is asynchronous\nhint: use `async with`")
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

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
        return cluster_html(self.name, self.dashboard_link, self._client.address, self._client.workers())


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


async def _ready(value: Any) -> Any:
    return value


async def _awaited(value: Any) -> Any:
    return await value


def _read_contact(file: str, address: Any) -> tuple[Any, str | None]:
    """Address and scheduler file; of a file that holds an address alone, the address."""
    known = Path(file)
    if known.exists():
        try:
            contact = json.loads(known.read_text())
        except ValueError:
            return address, file
        if isinstance(contact, dict) and "addresses" not in contact and "address" in contact:
            return address or contact["address"], None
    return address, file


def default_client(c: Client | None = None) -> Client:
    """The current client, or the one given.

    Returns
    -------
    Client

    Raises
    ------
    ValueError
        If there is none.
    """
    return c if c is not None else Client.current()


def ensure_default_client(client: Client) -> None:
    """Make a client the default one."""
    _place.set_default_client(client)


def client_of(address: str) -> Client:
    """The client of this process that is connected to a scheduler; a new one if there is none."""
    for reference in reversed(_clients):
        client = reference()
        if client is not None and client.status == "running" and client._client.address == address:
            return client
    return executor_client() if is_executor() else get_client(address)


def get_client(address: str | None = None, timeout: Any = None, resolve_address: bool = True) -> Client:
    """The current client, in a task that of the worker, or one of an address.

    Parameters
    ----------
    address : str, optional
        The scheduler's address.
    timeout : float or str, optional
        How long to wait for the scheduler.
    resolve_address : bool
        For Dask's sake.

    Returns
    -------
    Client

    Raises
    ------
    ValueError
        If there is no client and no address.
    """
    if address is None:
        current = _place.default_client()
        if isinstance(current, Client) and current.status != "closed":
            return current
        if is_executor():
            return executor_client(timeout)
        return default_client()
    for reference in reversed(_clients):
        client = reference()
        if client is not None and client.status == "running" and client._client.address == address:
            return client
    return Client(address, timeout=timeout)
