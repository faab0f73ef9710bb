"""What is known of the tasks that run within a block: `get_task_metadata`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from raskal.distributed.observing import task_stream

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["get_task_metadata"]


class get_task_metadata:
    """Collects when, where and how the tasks ran that ended within a block.

    Parameters
    ----------
    client : Client, optional
        Whose cluster; the current client's by default.

    Attributes
    ----------
    metadata : dict of str to dict
        By key: ``start_time`` and ``stop_time`` in seconds since 1970, ``worker``, ``thread`` and ``nbytes``.
    state : dict of str to str
        By key, ``memory`` or ``erred``.

    Notes
    -----
    The scheduler remembers the last 100,000 runs. Source: crates/raskal-server/src/history.rs

    Examples
    --------
    >>> from raskal.distributed import Client, get_task_metadata
    >>> with Client(n_workers=1, threads_per_worker=1) as client, get_task_metadata() as tasks:
    ...     future = client.submit(abs, -1, key="one")
    ...     future.result()
    1
    >>> tasks.state
    {'one': 'memory'}
    """

    def __init__(self, client: Client | None = None) -> None:
        self.name = "task-metadata"
        self.metadata: dict[str, dict[str, Any]] = {}
        self.state: dict[str, str] = {}
        self.keys: set[str] = set()
        self._client = client
        self._start = 0.0

    def __enter__(self) -> get_task_metadata:
        from raskal.distributed.client import default_client

        self._client = self._client if self._client is not None else default_client()
        self._start = time.time()
        return self

    def __exit__(self, *error: object) -> None:
        for task in task_stream(self._client, start=self._start).data:
            begun, ended = task["startstops"][0]["start"], task["startstops"][-1]["stop"]
            self.state[task["key"]] = "memory" if task["status"] == "OK" else "erred"
            known = {name: task[name] for name in ("worker", "thread", "nbytes")}
            self.metadata[task["key"]] = {"start_time": begun, "stop_time": ended, **known}
        self.keys = set(self.state)

    async def __aenter__(self) -> get_task_metadata:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        from raskal.distributed._sync import in_thread

        await in_thread(self.__exit__, *error)
