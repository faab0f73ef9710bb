"""Running computations on a cluster: `Client`, `LocalCluster`, futures and waiting for them.

Start at `Client`. The scheduler and the nodes are Rust processes (``crates/raskal-server``, ``crates/raskal-runtime``);
what is here talks to them through ``crates/raskal-py/src/client.rs``.
"""

from raskal.distributed.client import Client, default_client, get_client
from raskal.distributed.cluster import LocalCluster
from raskal.distributed.future import Future
from raskal.distributed.waiting import as_completed, fire_and_forget, wait
from raskal.exceptions import CancelledError, KilledWorker, LostResult

TimeoutError = TimeoutError

__all__ = [
    "CancelledError",
    "Client",
    "Future",
    "KilledWorker",
    "LocalCluster",
    "LostResult",
    "TimeoutError",
    "as_completed",
    "default_client",
    "fire_and_forget",
    "get_client",
    "wait",
]
