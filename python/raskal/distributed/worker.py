"""Inside a task: the worker, the client of a worker, and stepping aside while waiting.

Start at `get_worker`, `worker_client`, `secede` and `rejoin`. The executor processes of a worker are told how to reach
the scheduler; each opens one client when a task first asks for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from raskal import _contact
from raskal._raskal import executor_current, executor_step_aside, executor_step_back

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["WorkerView", "get_worker", "rejoin", "secede", "this_worker", "worker_client"]

_client: Client | None = None
_worker: WorkerView | None = None
_lock = threading.RLock()


def preload(names: list[str], arguments: list[str]) -> None:
    """Import what the worker was started with ``--preload`` for, before the first task.

    A module or file may define ``raskal_setup(worker, *arguments)``, or ``dask_setup``, which is called then.
    """
    for name in names:
        module = _import(name)
        setup = getattr(module, "raskal_setup", None) or getattr(module, "dask_setup", None)
        if setup is not None:
            # A click command, as Dask takes it, or a plain function.
            setup = getattr(setup, "callback", setup)
            setup(this_worker(), *arguments)


def _import(name: str) -> Any:
    if not name.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(os.path.basename(name)[:-3], name)
    if spec is None or spec.loader is None or not os.path.exists(name):
        raise FileNotFoundError(f"--preload {name}: there is no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def is_executor() -> bool:
    """Whether this process runs the tasks of a worker."""
    return _contact.known() is not None


def executor_client(timeout: Any = None) -> Client:
    """The client of this process, which runs tasks."""
    global _client
    from raskal.distributed.client import Client

    with _lock:
        if _client is None or _client.status == "closed":
            contact = _contact.known()
            assert contact is not None
            security = ("tls_cert", "tls_key", "tls_ca_file", "insecure")
            _client = Client(
                contact.get("address"),
                scheduler_file=contact.get("scheduler_file"),
                timeout=timeout,
                set_as_default=False,
                name=f"worker-{contact.get('name') or os.getppid()}-{os.getpid()}",
                _contact={name: contact[name] for name in security if name in contact},
            )
        return _client


class CurrentTask(NamedTuple):
    """A task that runs."""

    key: str
    attempt: int


class WorkerView:
    """A worker, as functions that run there see it: `get_worker()`.

    Plug-ins may keep attributes of their own on it. There is one for each executor process of a worker.
    """

    def __init__(self) -> None:
        self.plugins: dict[str, Any] = {}
        self.nanny = None
        self.status = "running"
        self._directory: str | None = None
        self._info: dict[str, Any] | None = None

    @property
    def client(self) -> Client:
        """A client of the worker's cluster."""
        return executor_client()

    def _get_client(self, timeout: Any = None) -> Client:
        return executor_client(timeout)

    @property
    def info(self) -> dict[str, Any]:
        """What the scheduler knows of the worker."""
        if self._info is None:
            parent = (_contact.known() or {}).get("pid", os.getppid())
            host = os.uname().nodename
            workers = executor_client()._client.workers()
            own = [worker for worker in workers if worker["pid"] == parent and worker["host"] in (host, "localhost")]
            own = own or [worker for worker in workers if worker["pid"] == parent]
            if not own:
                raise RuntimeError(f"the scheduler does not know the worker of process {parent}")
            self._info = own[0]
        return self._info

    @property
    def address(self) -> str:
        """Where other workers and clients reach it."""
        return self.info["address"]

    contact_address = address

    @property
    def id(self) -> int:
        """Its number at the scheduler."""
        return self.info["id"]

    @property
    def name(self) -> str:
        """Its name."""
        return self.info["name"]

    @property
    def nthreads(self) -> int:
        """Number of Python tasks that it runs at a time."""
        return self.info["nthreads"]

    @property
    def local_directory(self) -> str:
        """A folder for files of this process."""
        if self._directory is None:
            parent = (_contact.known() or {}).get("local_directory")
            self._directory = tempfile.mkdtemp(prefix=f"raskal-executor-{os.getpid()}-", dir=parent)
        return self._directory

    def get_current_task(self) -> str:
        """The key of the task that runs on this thread.

        Raises
        ------
        ValueError
            If there is none.
        """
        running = executor_current()
        if running is None:
            raise ValueError("no task runs on this thread")
        return running[4]

    def log_event(self, topic: str | list[str] | tuple[str, ...], msg: Any) -> None:
        """Tell all who listen to a topic; see `Client.log_event`."""
        executor_client().log_event(topic, msg)

    def __repr__(self) -> str:
        return f"<Worker: {self.address!r}, {self.name}, process {os.getpid()}>"


def this_worker() -> WorkerView:
    """The worker of this process."""
    global _worker
    with _lock:
        if _worker is None:
            _worker = WorkerView()
        return _worker


def get_worker() -> WorkerView:
    """The worker that runs the task which calls this.

    Returns
    -------
    WorkerView

    Raises
    ------
    ValueError
        If this is no task of a cluster.

    Examples
    --------
    >>> from raskal.distributed import Client, get_worker
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     address = client.submit(lambda: get_worker().address).result()
    ...     address in client.nthreads()
    True
    """
    if not is_executor():
        raise ValueError("no worker found: get_worker() works in tasks of a cluster")
    return this_worker()


def secede() -> None:
    """Have the task that calls this step aside: another task runs in its place while it goes on.

    Meant for tasks that wait for other tasks, which would otherwise take up the place that those need.

    Raises
    ------
    ValueError
        If this is no task of a cluster.
    """
    if executor_current() is None:
        raise ValueError("secede() works in tasks of a cluster")
    executor_step_aside()


def rejoin() -> None:
    """Have a task that stepped aside (`secede`) take up a place again.

    Raises
    ------
    ValueError
        If this is no task of a cluster.
    """
    if executor_current() is None:
        raise ValueError("rejoin() works in tasks of a cluster")
    executor_step_back()


@contextmanager
def worker_client(timeout: Any = None, separate_thread: bool = True) -> Iterator[Client]:
    """A client for the task that calls this, which steps aside meanwhile.

    Parameters
    ----------
    timeout : float or str, optional
        How long to wait for the scheduler.
    separate_thread : bool
        Whether the task steps aside, so that others can run while it waits for them.

    Yields
    ------
    Client

    Examples
    --------
    >>> from raskal.distributed import Client, worker_client
    >>> def total(n):
    ...     with worker_client() as client:
    ...         return sum(client.gather(client.map(abs, range(n))))
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     client.submit(total, 4).result()
    6
    """
    worker = get_worker()
    client = worker._get_client(timeout)
    aside = separate_thread and executor_current() is not None and executor_step_aside()
    try:
        with client.as_current():
            yield client
    finally:
        if aside:
            executor_step_back()
