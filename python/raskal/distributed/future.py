"""A result on the cluster: `Future`.

A future keeps its result on the cluster for as long as it, or a copy of it, lives. It is a collection: it can be an
argument of further tasks, at any depth, without coming here.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Any

from raskal._raskal import Remote, RemotePersisted
from raskal.base import Collection, ProgramBuilder
from raskal.exceptions import CancelledError

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["Future"]


class Future(Collection):
    """The result of a task on the cluster, there or to come.

    Made by `Client.submit`, `Client.map`, `Client.compute` and `Client.scatter`.

    Parameters
    ----------
    remote : Remote
        The handle of the result.
    client : Client
        Whose it is.
    key : str, optional
        The task's key.
    """

    # Its task's value is its result: as an argument of a task it needs nothing in between.
    __raskal_single__ = True

    def __init__(self, remote: Remote, client: Client, key: str | None = None) -> None:
        self._remote = remote
        self._client = client
        self._key = key

    @property
    def key(self) -> str:
        """The task's key."""
        if self._key is None:
            self._key = self._remote.key
        return self._key

    @property
    def client(self) -> Client:
        """The client whose future it is."""
        return self._client

    @property
    def status(self) -> str:
        """``pending``, ``finished``, ``error``, ``cancelled`` or ``lost``."""
        return self._remote.status

    def done(self) -> bool:
        """Whether the task has ended, well or not."""
        return self._remote.status != "pending"

    def cancelled(self) -> bool:
        """Whether the result was given up."""
        return self._remote.status == "cancelled"

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result and get it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        object

        Raises
        ------
        Exception
            What the task raised, with the remote traceback as its cause.
        CancelledError
            If the result was given up.
        TimeoutError
            If the time runs out.
        """
        return self._client._client.gather([self._remote], timeout)[0]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the task, and return what it raised, or None.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        BaseException or None

        Raises
        ------
        CancelledError
            If the result was given up.
        TimeoutError
            If the time runs out.
        """
        if not self._client._client.wait([self._remote], False, timeout):
            raise TimeoutError(f"{self.key} did not end within {timeout} s")
        if self._remote.status == "cancelled":
            raise CancelledError(f"{self.key} was cancelled")
        failure = self._remote.failure()
        return None if failure is None else failure[0]

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        """Wait for the task, and return the traceback of what it raised, as far as it can be had here.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        traceback or None
            None when the task ended well, and also when the exception was raised in another process: its traceback is
            text then, the `__cause__` of `exception()`.
        """
        error = self.exception(timeout)
        return None if error is None else error.__traceback__

    def cancel(self, **kwargs: Any) -> None:
        """Give the result up; tasks that need it are given up too."""
        self._client.cancel([self])

    def add_done_callback(self, fn: Callable[[Future], Any]) -> None:
        """Call `fn(future)` in another thread when the task has ended.

        Parameters
        ----------
        fn : callable
            Takes the future. What it raises is logged.
        """
        self._client._call_when_done(self, fn)

    def release(self) -> None:
        """Nothing to do: the result is let go when the last future of it is."""

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        self._client._check_same(self._remote)
        graph, task = self._remote.id
        return builder.add_persisted(f"future-{graph:08x}{task:024x}", RemotePersisted([self._remote]))

    def __raskal_tokenize__(self) -> Any:
        return ("future", self.key)

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return results[0]

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Future:
        return Future(handle.remotes()[0], self._client)

    def __await__(self) -> Any:
        raise NotImplementedError(
            "futures can't be awaited\nhint: use .result(), or run it in a thread: asyncio.to_thread(future.result)"
        )

    def __getstate__(self) -> Any:
        raise TypeError(
            f"{self!r} can't be pickled: it belongs to this process\nhint: pass futures as arguments of submit or "
            "delayed, where tasks receive their values"
        )

    def __hash__(self) -> int:
        return hash(self._remote.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Future) and other._remote.id == self._remote.id and other._client is self._client

    def __repr__(self) -> str:
        failure = self._remote.failure()
        kind = f", exception: {type(failure[0]).__name__}" if failure is not None else ""
        return f"<Future: {self.status}{kind}, key: {self.key}>"

    def _repr_html_(self) -> str:
        return f"<strong>Future: {escape(self.key)}</strong> <code>status: {escape(self.status)}</code>"
