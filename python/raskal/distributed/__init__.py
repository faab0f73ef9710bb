"""Running computations on a cluster: clients, clusters, futures, and what tasks and clients share.

Start at `Client`. The scheduler and the nodes are Rust processes (``crates/raskal-server``, ``crates/raskal-runtime``);
what is here talks to them through ``crates/raskal-py/src/client.rs`` and ``crates/raskal-py/src/board.rs``.
"""

from raskal import config
from raskal.distributed._containers import futures_of
from raskal.distributed.actor import Actor, ActorFuture, BaseActorFuture
from raskal.distributed.adaptive import Adaptive
from raskal.distributed.client import Client, default_client, ensure_default_client, get_client
from raskal.distributed.cluster import LocalCluster
from raskal.distributed.coordination import Event, Pub, Queue, Sub, Variable
from raskal.distributed.events import print, warn
from raskal.distributed.executor_interface import ClientExecutor
from raskal.distributed.future import Future
from raskal.distributed.leases import Lock, MultiLock, Semaphore
from raskal.distributed.observing import get_task_stream, performance_report
from raskal.distributed.plugin import (
    CondaInstall,
    Environ,
    InstallPlugin,
    NannyPlugin,
    PipInstall,
    SchedulerPlugin,
    UploadDirectory,
    UploadFile,
    WorkerPlugin,
)
from raskal.distributed.processes import Nanny, Scheduler, Worker
from raskal.distributed.progress import progress, span
from raskal.distributed.rpc import connect, rpc
from raskal.distributed.security import Security
from raskal.distributed.spec import SpecCluster
from raskal.distributed.ssh import SSHCluster
from raskal.distributed.task_metadata import get_task_metadata
from raskal.distributed.waiting import as_completed, fire_and_forget, wait
from raskal.distributed.worker import get_worker, rejoin, secede, worker_client
from raskal.exceptions import CancelledError, FutureCancelledError, KilledWorker, LostResult, Reschedule

TimeoutError = TimeoutError

# Names of Dask's that have no counterpart, and what to use instead.
_INSTEAD = {
    "Status": "`status` of clients, clusters and processes is a word, such as 'running'",
    "sync": "use Client.sync",
    "local_client": "use worker_client",
    "SubprocessCluster": "use LocalCluster, whose workers are processes",
}


def __getattr__(name: str) -> object:
    if name in _INSTEAD:
        raise AttributeError(f"raskal.distributed has no {name!r}: {_INSTEAD[name]}")
    raise AttributeError(f"module 'raskal.distributed' has no attribute {name!r}")


__all__ = [
    "Actor",
    "ActorFuture",
    "Adaptive",
    "BaseActorFuture",
    "CancelledError",
    "Client",
    "ClientExecutor",
    "CondaInstall",
    "Environ",
    "Event",
    "Future",
    "FutureCancelledError",
    "InstallPlugin",
    "KilledWorker",
    "LocalCluster",
    "Lock",
    "LostResult",
    "MultiLock",
    "Nanny",
    "NannyPlugin",
    "PipInstall",
    "Pub",
    "Queue",
    "Reschedule",
    "SSHCluster",
    "Scheduler",
    "SchedulerPlugin",
    "Security",
    "Semaphore",
    "SpecCluster",
    "Sub",
    "TimeoutError",
    "UploadDirectory",
    "UploadFile",
    "Variable",
    "Worker",
    "WorkerPlugin",
    "as_completed",
    "config",
    "connect",
    "default_client",
    "ensure_default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "get_task_metadata",
    "get_task_stream",
    "get_worker",
    "performance_report",
    "print",
    "progress",
    "rejoin",
    "rpc",
    "secede",
    "span",
    "wait",
    "warn",
    "worker_client",
]
