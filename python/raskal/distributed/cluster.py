"""A cluster on this machine: `LocalCluster`.

It is a `SpecCluster` of processes of this machine (`processes`), each with a pipe as standard input that it reads to
the end: when this process is gone, however it went, so are they.
"""

from __future__ import annotations

from typing import Any

from raskal.distributed.processes import Scheduler, Worker, find_command
from raskal.distributed.spec import SpecCluster
from raskal.system import cpu_count, workers_and_threads

__all__ = ["LocalCluster", "find_command"]

# Names of worker classes of Dask that mean the same here.
_CLASSES = {
    "nanny",
    "worker",
    "distributed.nanny",
    "distributed.worker",
    "dask.distributed.worker",
    "dask.distributed.nanny",
}


class LocalCluster(SpecCluster):
    """A scheduler and workers as processes of this machine.

    Parameters
    ----------
    name : str, optional
        A name for people.
    n_workers : int, optional
        Workers; by default as the cores allow.
    threads_per_worker : int, optional
        Python tasks that each runs at a time; by default the cores, shared among the workers.
    processes : bool
        For Dask's sake: workers are always processes.
    loop, start, ip, services, worker_services, service_kwargs, blocked_handlers, scheduler_sync_interval
        For Dask's sake.
    host : str
        Where scheduler and workers listen.
    scheduler_port : int
        The scheduler's port; 0 for any.
    silence_logs : int or bool
        The first level that processes log, as of `logging`; True for nothing at all.
    dashboard_address : str or None
        Where the dashboard listens, such as ``127.0.0.1:0``; by default port 8787 or the next free one. None for no
        dashboard.
    worker_dashboard_address : str, optional
        For Dask's sake: the scheduler's dashboard shows the workers.
    asynchronous : bool
        Whether what waits gives something to await; to be made with ``await`` or ``async with``.
    security : Security, optional
        Certificates of one's own.
    protocol : str, optional
        For Dask's sake: connections are encrypted.
    interface : str, optional
        The network interface to listen at, in place of `host`.
    worker_class : str or type, optional
        A class of workers of one's own, as `SpecCluster` takes it.
    scheduler_kwargs : dict, optional
        Further arguments of `Scheduler`.
    **worker_kwargs
        Further arguments of `Worker`: `memory_limit`, `resources`, `local_directory`, `preload`, `env`...

    Raises
    ------
    RuntimeError
        If a process does not start; the message holds its last words.
    FileNotFoundError
        If the `raskal` command is not installed.

    Notes
    -----
    Differs from Dask: workers are processes also where ``processes=False`` is passed, and all connections are
    encrypted.

    Source: crates/raskal-server/src/run.rs, crates/raskal-runtime/src/node/

    Examples
    --------
    >>> from raskal.distributed import Client, LocalCluster
    >>> with LocalCluster(n_workers=1, threads_per_worker=1) as cluster, Client(cluster) as client:
    ...     client.submit(sum, [1, 2]).result()
    3
    """

    def __init__(
        self,
        name: str | None = None,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        processes: bool | None = None,
        loop: Any = None,
        start: Any = None,
        host: str | None = None,
        ip: str | None = None,
        scheduler_port: int = 0,
        silence_logs: Any = 30,
        dashboard_address: str | None = ":8787",
        worker_dashboard_address: str | None = None,
        diagnostics_port: Any = None,
        services: Any = None,
        worker_services: Any = None,
        service_kwargs: Any = None,
        asynchronous: bool = False,
        security: Any = None,
        protocol: str | None = None,
        blocked_handlers: Any = None,
        interface: str | None = None,
        worker_class: Any = None,
        scheduler_kwargs: dict[str, Any] | None = None,
        scheduler_sync_interval: Any = 1,
        **worker_kwargs: Any,
    ) -> None:
        if protocol not in (None, "tls", "tls://", "tcp", "tcp://", "inproc", "inproc://"):
            raise ValueError(f"protocol must be 'tls', got {protocol!r}")
        cores = cpu_count()
        if n_workers is not None and n_workers < 0:
            raise ValueError(f"n_workers must be at least 0, got {n_workers}")
        if threads_per_worker is not None and threads_per_worker < 1:
            raise ValueError(f"threads_per_worker must be at least 1, got {threads_per_worker}")
        if n_workers is None and threads_per_worker is None:
            n_workers, threads_per_worker = workers_and_threads(cores)
        elif n_workers is None:
            n_workers = max(1, cores // (threads_per_worker or 1))
        elif threads_per_worker is None:
            threads_per_worker = max(1, cores // max(1, n_workers))
        place = {"host": host or ip or "127.0.0.1", "interface": interface}
        scheduler = {
            "port": scheduler_port,
            "dashboard_address": dashboard_address,
            "security": security,
            "silence_logs": silence_logs,
            **place,
            **(scheduler_kwargs or {}),
        }
        cls = Worker if worker_class is None or str(worker_class).lower() in _CLASSES else worker_class
        options = {
            "nthreads": threads_per_worker,
            "security": security,
            "silence_logs": silence_logs,
            **place,
            **worker_kwargs,
        }
        if cls is Worker:
            # What is wrong with the options is said before anything starts.
            Worker(**{key: value for key, value in options.items() if key != "security"})
        worker = {"cls": cls, "options": options}
        self.processes = True
        super().__init__(
            workers=dict.fromkeys(range(n_workers), worker),
            scheduler={"cls": Scheduler, "options": scheduler},
            worker=worker,
            name=name or None,
            asynchronous=asynchronous,
            security=security,
            silence_logs=silence_logs,
        )
        self._next = n_workers

    def _label(self, name: Any) -> str:
        # Names that people see on a dashboard beside those of other clusters.
        return f"{self.name}-{name}"

    def start_worker(self, *args: Any, **kwargs: Any) -> None:
        """Start one more worker."""
        self._scale(len(self.worker_spec) + 1)

    def __repr__(self) -> str:
        address = self.scheduler_address
        threads = self._threads_per_worker()
        return f"LocalCluster({self.name!r}, {address!r}, workers={len(self.workers)}, threads={threads} each)"
