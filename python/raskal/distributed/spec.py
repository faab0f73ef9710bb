"""Clusters made of a scheduler and workers that something starts: `SpecCluster`.

Start at `SpecCluster`. It holds what is wanted (`worker_spec`) and what there is (`workers`), and makes the one like
the other. What it starts are objects with `start`, `close` and `status`: processes of this machine (`processes`), of
others (`ssh`), or of one's own making.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterable
from html import escape
from typing import Any, TypeVar

from raskal.distributed._sync import either, in_thread, on_loop
from raskal.distributed.adaptive import Adaptive
from raskal.distributed.picture import cluster_html
from raskal.distributed.processes import Scheduler
from raskal.distributed.security import Security
from raskal.utils import parse_bytes

__all__ = ["SpecCluster"]

Self = TypeVar("Self", bound="SpecCluster")

_START_SECONDS = 60.0

_clusters: weakref.WeakValueDictionary[str, SpecCluster] = weakref.WeakValueDictionary()
_numbers = itertools.count()


class SpecCluster:
    """A cluster of a scheduler and workers that are described.

    Parameters
    ----------
    workers : dict, optional
        By name, ``{"cls": Worker, "options": {...}}``: how to make each worker that there is at first. `cls` is called
        with the contact of the scheduler and the options.
    scheduler : dict, optional
        The same for the scheduler.
    worker : dict, optional
        The same for further workers, of `scale` and `adapt`.
    asynchronous : bool
        Whether what waits gives something to await; to be made with ``await`` or ``async with``.
    loop : None
        For Dask's sake.
    security : Security, optional
        Certificates of one's own.
    silence_logs : bool or int
        The first level that processes log; True for nothing.
    name : str, optional
        A name for people.
    shutdown_on_close : bool
        Whether the processes end with the cluster object.

    Examples
    --------
    >>> from raskal.distributed import Client, Scheduler, SpecCluster, Worker
    >>> spec = {"cls": Worker, "options": {"nthreads": 1}}
    >>> scheduler = {"cls": Scheduler, "options": {"dashboard_address": None}}
    >>> with SpecCluster({"first": spec}, scheduler, worker=spec) as cluster, Client(cluster) as client:
    ...     client.submit(sum, [1, 2]).result()
    3
    """

    def __init__(
        self,
        workers: dict[Any, Any] | None = None,
        scheduler: dict[str, Any] | None = None,
        worker: dict[str, Any] | None = None,
        asynchronous: bool = False,
        loop: Any = None,
        security: Any = None,
        silence_logs: Any = False,
        name: str | None = None,
        shutdown_on_close: bool = True,
        scheduler_sync_interval: Any = 1,
        shutdown_scheduler: bool = True,
    ) -> None:
        self.name = name or f"{type(self).__name__}-{os.getpid()}-{next(_numbers)}"
        self.scheduler_spec = scheduler or {"cls": Scheduler, "options": {}}
        self.worker_spec: dict[Any, dict[str, Any]] = dict(workers or {})
        self.new_spec = worker
        self.workers: dict[Any, Any] = {}
        self.scheduler: Any = None
        self.security = Security.of(security)
        self.silence_logs = silence_logs
        self.shutdown_on_close = shutdown_on_close
        self.quiet = silence_logs is True
        self.status = "created"
        self.loop = None
        self._asynchronous = asynchronous
        self._next = 0
        self._lock = threading.RLock()
        self._adaptive: Adaptive | None = None
        self._client: Any = None
        _clusters[self.name] = self
        if not asynchronous:
            self._start()

    # ---- life

    def _start(self) -> None:
        if self.status != "created":
            return
        self.status = "starting"
        try:
            self.scheduler = self.scheduler_spec["cls"](**self.scheduler_spec.get("options", {}))
            self.scheduler.start()
            self._correct()
        except BaseException:
            self._close()
            raise
        self.status = "running"

    def _correct(self) -> None:
        """Make what there is like what is wanted."""
        with self._lock:
            for name in [name for name in self.workers if name not in self.worker_spec]:
                self._end_worker(name)
            new = []
            for name, spec in self.worker_spec.items():
                if name not in self.workers:
                    options = {"name": self._label(name), **spec.get("options", {})}
                    self.workers[name] = spec["cls"](self.contact, **options)
                    new.append(self.workers[name])
            for worker in new:
                worker.start()

    def _label(self, name: Any) -> str:
        """What a worker is called by the scheduler, where names of clusters must differ."""
        return str(name)

    def _end_worker(self, name: Any) -> None:
        worker = self.workers.pop(name)
        worker.close() if not on_loop() else worker._close()

    @property
    def contact(self) -> Any:
        """What workers and clients need to know."""
        return self.scheduler.contact

    @property
    def scheduler_address(self) -> str:
        """Where the scheduler listens."""
        return "<not started>" if self.scheduler is None else self.scheduler.address

    @property
    def scheduler_file(self) -> str | None:
        """The file that lets clients find the scheduler and be let in."""
        return getattr(self.scheduler, "scheduler_file", None)

    @property
    def scheduler_info(self) -> dict[str, Any]:
        """What the scheduler knows of itself and its workers."""
        return self._own_client().scheduler_info()

    @property
    def dashboard_link(self) -> str | None:
        """The dashboard's address."""
        return getattr(self.scheduler, "dashboard_link", None)

    def _own_client(self) -> Any:
        from raskal.distributed.client import Client

        with self._lock:
            if self._client is None or self._client.status == "closed":
                if self.status == "closed":
                    raise RuntimeError(f"{self!r} is closed")
                self._client = Client(self.contact, set_as_default=False, name=f"cluster-{self.name}")
            return self._client

    def _wait_for_a_worker(self, client: Any) -> None:
        """Wait until one worker has joined, or all have ended instead."""
        deadline = time.monotonic() + _START_SECONDS
        while self.workers:
            try:
                return client.wait_for_workers(1, 0.2)
            except TimeoutError:
                ended = [worker for worker in self.workers.values() if worker.status == "closed"]
                if len(ended) == len(self.workers):
                    words = getattr(ended[0], "last_words", str)()
                    raise RuntimeError(
                        f"all workers ended instead of starting; the first one's last words{words}"
                    ) from None
                if time.monotonic() > deadline:
                    raise

    @either
    def close(self, timeout: Any = None) -> Any:
        """End all processes of the cluster.

        Parameters
        ----------
        timeout : float, optional
            For Dask's sake; ending takes no more than some seconds.
        """
        self._close()

    def _close(self) -> None:
        if self.status == "closed":
            return
        self.status = "closed"
        if self._adaptive is not None:
            self._adaptive.stop("the cluster is closed")
        if self._client is not None:
            self._client._close()
        with self._lock:
            workers, self.workers = list(self.workers.values()), {}
        # All at once: each takes a moment to end in order.
        threads = [threading.Thread(target=worker._close) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.scheduler is not None:
            self.scheduler._close()

    def __enter__(self: Self) -> Self:
        if self._asynchronous:
            raise RuntimeError("this cluster is asynchronous\nhint: use `async with`")
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    async def _started_later(self: Self) -> Self:
        self.loop = asyncio.get_running_loop()  # type: ignore[assignment]
        if self.status == "created":
            await in_thread(self._start)
        return self

    def __await__(self: Self) -> Generator[Any, Any, Self]:
        return self._started_later().__await__()

    async def __aenter__(self: Self) -> Self:
        return await self

    async def __aexit__(self, *error: object) -> None:
        await in_thread(self._close)

    @property
    def asynchronous(self) -> bool:
        """Whether calls that wait are to be awaited: the cluster is asynchronous, and this is an event loop."""
        return self._asynchronous and on_loop()

    @property
    def called_from_running_loop(self) -> bool:
        """Whether an event loop runs here."""
        return on_loop()

    def sync(self, func: Callable[..., Any], *args: Any, asynchronous: bool | None = None, **kwargs: Any) -> Any:
        """Call a function, which may be a coroutine function, and wait for it; to be awaited on an event loop."""
        from raskal.distributed import _serve

        kwargs.pop("callback_timeout", None)
        result = func(*args, **kwargs)
        if not hasattr(result, "__await__") or (self.asynchronous if asynchronous is None else asynchronous):
            return result

        async def wait() -> Any:
            return await result

        return _serve.run_coroutine(wait())

    @classmethod
    def _at(cls, address: Any) -> SpecCluster | None:
        """The cluster of this process that listens at an address."""
        running = [cluster for cluster in list(_clusters.values()) if cluster.status == "running"]
        return next((cluster for cluster in running if cluster.scheduler_address == address), None)

    @classmethod
    def from_name(cls, name: str) -> SpecCluster:
        """The cluster of this process that has a name.

        Raises
        ------
        ValueError
            If there is none.
        """
        cluster = _clusters.get(name)
        if cluster is None:
            raise ValueError(f"this process has no cluster {name!r}\nhint: there are {sorted(_clusters)}")
        return cluster

    # ---- size

    @property
    def plan(self) -> set[Any]:
        """The names of the workers that are wanted."""
        return set(self.worker_spec)

    @property
    def requested(self) -> set[Any]:
        """The names of the workers that were started."""
        return set(self.workers)

    @property
    def observed(self) -> set[str]:
        """The names of the workers that the scheduler knows."""
        return {worker["name"] for worker in self.scheduler_info["workers"].values()}

    def new_worker_spec(self) -> dict[Any, dict[str, Any]]:
        """Name and description of one more worker.

        Raises
        ------
        ValueError
            If the cluster was not told how to make further workers.
        """
        if self.new_spec is None:
            raise ValueError(
                "this cluster does not know how to make further workers\nhint: pass worker={'cls': ..., ...}"
            )
        while self._next in self.worker_spec:
            self._next += 1
        name = self._next
        self._next += 1
        return {name: self.new_spec}

    def _threads_per_worker(self) -> int:
        options = (self.new_spec or {}).get("options", {})
        return (options.get("nthreads") or 1) * (options.get("nworkers") or 1)

    def _number(self, n: Any, memory: Any, cores: Any) -> int:
        if memory is not None:
            limit = (self.new_spec or {}).get("options", {}).get("memory_limit")
            if limit in (None, "auto", 0):
                raise ValueError("memory= needs workers of a known memory_limit")
            n = max(n or 0, math.ceil(parse_bytes(memory) / parse_bytes(limit)))
        if cores is not None:
            n = max(n or 0, math.ceil(cores / self._threads_per_worker()))
        if not isinstance(n, (int, float)) or n < 0:
            raise ValueError(f"a number of workers from 0 on is needed, got {n!r}")
        return int(n)

    @either
    def scale(self, n: int = 0, memory: Any = None, cores: int | None = None) -> Any:
        """Start or end workers until there are `n`.

        Parameters
        ----------
        n : int
            How many workers there are to be.
        memory : str or int, optional
            In place of `n`, how much memory they are to have.
        cores : int, optional
            In place of `n`, how many threads they are to have.

        Notes
        -----
        Workers that are ended give their values to others first.
        """
        self._scale(self._number(n, memory, cores))

    def _scale(self, n: int) -> None:
        with self._lock:
            surplus = len(self.worker_spec) - n
            if surplus > 0:
                self._scale_down(self._idlest(surplus))
            while len(self.worker_spec) < n:
                self.worker_spec |= self.new_worker_spec()
            self._correct()

    scale_up = scale

    def _idlest(self, count: int) -> list[Any]:
        """The workers that are missed least: first those that did not come, then those that hold and do least."""
        known = {worker["name"]: worker for worker in self._own_client()._client.info()["workers"]}

        def load(name: Any) -> tuple[int, int]:
            worker = known.get(self._label(name))
            return (-1, 0) if worker is None else (worker["assigned"], worker["in_memory"])

        latest_first = list(self.worker_spec)[::-1]
        return sorted(latest_first, key=load)[:count]

    @either
    def scale_down(self, workers: Iterable[Any]) -> Any:
        """End workers, by name or address; their values go to others first."""
        by_address = {worker["address"]: worker["name"] for worker in self.scheduler_info["workers"].values()}
        by_label = {self._label(name): name for name in self.worker_spec}
        names = [by_label.get(by_address.get(str(one), str(one)), one) for one in workers]
        self._scale_down(names)

    def _scale_down(self, names: list[Any]) -> None:
        known = {worker["name"]: worker["address"] for worker in self._own_client()._client.workers()}
        there = [known[self._label(name)] for name in names if self._label(name) in known]
        # All of them may go at once: then there is nobody to give values to.
        if there and len(there) < len(known) and hasattr(self._own_client(), "retire_workers"):
            self._own_client().retire_workers(there)
        with self._lock:
            for name in names:
                self.worker_spec.pop(name, None)
                if name in self.workers:
                    self._end_worker(name)

    def adapt(
        self,
        Adaptive: Any = Adaptive,
        minimum: float = 0,
        maximum: float = math.inf,
        minimum_cores: int | None = None,
        maximum_cores: int | None = None,
        minimum_memory: Any = None,
        maximum_memory: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Have the number of workers follow the work.

        Parameters
        ----------
        Adaptive : type
            What decides.
        minimum, maximum : int
            Limits of the number of workers; also as cores or memory.
        **kwargs
            Of `Adaptive`: `interval`, `wait_count`, `target_duration`.

        Returns
        -------
        Adaptive
        """
        if minimum_cores is not None or minimum_memory is not None:
            minimum = self._number(minimum, minimum_memory, minimum_cores)
        limits = [maximum]
        if maximum_cores is not None:
            limits.append(maximum_cores // self._threads_per_worker())
        if maximum_memory is not None:
            limits.append(self._number(0, maximum_memory, None))
        if self._adaptive is not None:
            self._adaptive.stop("the cluster was told to adapt anew")
        self._adaptive = Adaptive(self, minimum=minimum, maximum=min(limits), **kwargs)
        return self._adaptive

    @either
    def wait_for_workers(self, n_workers: int, timeout: Any = None) -> Any:
        """Wait until there are so many workers.

        Raises
        ------
        TimeoutError
            If the time runs out.
        """
        self._own_client().wait_for_workers(n_workers, timeout)

    def get_client(self) -> Any:
        """Connect a new client to the cluster."""
        from raskal.distributed.client import Client

        return Client(self, asynchronous=self._asynchronous)

    @either
    def get_logs(self, cluster: bool = True, scheduler: bool = True, workers: Any = True) -> Any:
        """What the processes of the cluster have logged last, as text by name.

        Parameters
        ----------
        cluster, scheduler : bool
            Whether to tell of these.
        workers : bool or list of str
            Whether to tell of all workers, or which.
        """
        logs = {"Cluster": f"{self!r}"} if cluster else {}
        if scheduler:
            logs["Scheduler"] = "\n".join(getattr(self.scheduler, "logs", ()))
        for name, worker in self.workers.items():
            if workers is True or (workers and name in workers):
                logs[str(name)] = "\n".join(getattr(worker, "logs", ()))
        return logs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpecCluster) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        threads = self._threads_per_worker()
        size = f"workers={len(self.workers)}, threads={threads} each"
        return f"{type(self).__name__}({self.name!r}, {self.scheduler_address!r}, {size})"

    def _repr_html_(self) -> str:
        if self.status != "running" or self._asynchronous:
            return f"<strong>{escape(self.name)}</strong>: {escape(str(self.status))}"
        workers = list(self._own_client().scheduler_info()["workers"].values())
        return cluster_html(self.name, self.dashboard_link, self.scheduler_address, workers)
