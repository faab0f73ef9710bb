"""A result on the cluster: `Future`.

A future keeps its result on the cluster for as long as it, or a copy of it, lives. It is a collection: it can be an
argument of further tasks, at any depth, without coming here. Pickled, it is a ticket: whoever reads it borrows the
result from the client that wrote it, which keeps the result for a while for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Any

from raskal._raskal import Remote, RemotePersisted
from raskal.base import Collection, ProgramBuilder
from raskal.distributed import _failure
from raskal.distributed._sync import either, in_thread
from raskal.exceptions import FutureCancelledError

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["Future"]

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Future(Collection):
    """The result of a task on the cluster, there or to come.

    Made by `Client.submit`, `Client.map`, `Client.compute` and `Client.scatter`; or, for a key that a client knows,
    from the key.

    Parameters
    ----------
    key : str
        The task's key.
    client : Client, optional
        Whose it is; by default the current one.

    Raises
    ------
    KeyError
        If the client knows no task of this key.
    """

    # Its task's value is its result: as an argument of a task it needs nothing in between.
    __raskal_single__ = True

    def __init__(self, key: Any, client: Client | None = None, state: Any = None, _id: Any = None) -> None:
        if client is None:
            from raskal.distributed.client import get_client

            client = get_client()
        remote = client._known.get(str(key))
        if remote is None:
            raise KeyError(
                f"this client knows no task of the key {key!r}\nhint: futures come from submit, map and compute"
            )
        self._set(remote, client, key, None)

    @classmethod
    def _of(cls, remote: Remote, client: Any, key: Any = None, call: Call | None = None) -> Future:
        """The future of a handle; `call` is what was submitted."""
        future = cls.__new__(cls)
        future._set(remote, client, key, call)
        return future

    def _set(self, remote: Remote, client: Any, key: Any, call: Call | None) -> None:
        self._remote = remote
        self._client = client
        self._key = key
        self._call = call
        self._reason: str | None = None

    @property
    def key(self) -> Any:
        """The task's key."""
        if self._key is None:
            self._key = self._remote.key
        return self._key

    @property
    def client(self) -> Client:
        """The client whose future it is."""
        return self._client

    executor = client

    @property
    def asynchronous(self) -> bool:
        """Whether calls that wait are to be awaited."""
        return self._client.asynchronous

    def bind_client(self, client: Client) -> None:
        """Nothing to do: a future has its client from the start."""

    @property
    def status(self) -> str:
        """``pending``, ``finished``, ``error``, ``cancelled`` or ``lost``."""
        return self._remote.status

    @property
    def type(self) -> type | None:
        """The type of the result, once it is there."""
        if self.status != "finished":
            return None
        return self._client.submit(type, self, pure=False)._result()

    def done(self) -> bool:
        """Whether the task has ended, well or not."""
        return self._remote.status != "pending"

    def cancelled(self) -> bool:
        """Whether the result was given up."""
        return self._remote.status == "cancelled"

    @either
    def result(self, timeout: Any = None) -> Any:
        """Wait for the result and get it.

        Parameters
        ----------
        timeout : float or str, optional
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
        return self._result(timeout)

    def _result(self, timeout: Any = None) -> Any:
        from raskal.distributed._options import seconds_of

        self._check()
        try:
            value = self._client._client.gather([self._remote], None if timeout is None else seconds_of(timeout))[0]
        except (ImportError, AttributeError) as error:
            if self.status == "finished":
                # Not raised by the task: its result is made of something that is not here.
                error.add_note(
                    f"the result of {self.key} can't be read here\nhint: install what it needs, or return plain data"
                )
            raise
        return self._client._received(self, value)

    def _check(self) -> None:
        if self._remote.status == "cancelled":
            raise FutureCancelledError(self.key, self._reason or "it was given up")

    def _wait(self, timeout: Any = None) -> BaseException | None:
        from raskal.distributed._options import seconds_of

        if not self._client._client.wait([self._remote], False, None if timeout is None else seconds_of(timeout)):
            raise TimeoutError(f"{self.key} did not end within {timeout} s")
        self._check()
        failure = self._remote.failure()
        return None if failure is None else failure[0]

    @either
    def exception(self, timeout: Any = None, **kwargs: Any) -> Any:
        """Wait for the task, and return what it raised, or None.

        Parameters
        ----------
        timeout : float or str, optional
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
        return self._wait(timeout)

    @either
    def traceback(self, timeout: Any = None, **kwargs: Any) -> Any:
        """Wait for the task, and return the traceback of what it raised.

        Parameters
        ----------
        timeout : float or str, optional
            Seconds to wait at most.

        Returns
        -------
        traceback or None
            None when the task ended well. The frames have file, line and function of those of the process that raised,
            and no variables.
        """
        error = self._wait(timeout)
        if error is None:
            return None
        cause = error.__cause__
        remote: TracebackType | None = None
        if isinstance(cause, _failure.RemoteTraceback):
            remote = _failure.traceback_of(cause.text)
        return remote or error.__traceback__

    @either
    def cancel(self, reason: str | None = None, msg: str | None = None, **kwargs: Any) -> Any:
        """Give the result up; tasks that need it are given up too.

        Parameters
        ----------
        reason, msg : str, optional
            Why, told by whoever waits for it.
        """
        self._client.cancel([self], reason=reason, msg=msg, asynchronous=False)

    @either
    def retry(self, **kwargs: Any) -> Any:
        """Run the task again, if it failed."""
        self._client.retry([self], asynchronous=False)

    def add_done_callback(self, fn: Callable[[Future], Any]) -> None:
        """Call `fn(future)` in another thread when the task has ended.

        Parameters
        ----------
        fn : callable
            Takes the future. What it raises is logged.
        """
        self._client._call_when_done(self, fn)

    def substitute(self, subs: dict[Any, Any], key: Any = None) -> Any:
        """What stands for this future in a mapping of keys, or itself."""
        return subs.get(self.key, self)

    def release(self) -> None:
        """Nothing to do: the result is let go when the last future of it is."""

    async def _settled(self) -> None:
        """Wait on an event loop until the task has ended."""
        if self.done():
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def tell(_: Future) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

        self.add_done_callback(tell)
        await ended.wait()

    async def _later(self) -> Any:
        await self._settled()
        return await in_thread(self._result)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._later().__await__()

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        self._client._check_same(self._remote)
        graph, task = self._remote.id
        return builder.add_persisted(f"future-{graph:08x}{task:024x}", RemotePersisted([self._remote]))

    def __raskal_tokenize__(self) -> Any:
        return ("future", self.key)

    __dask_tokenize__ = __raskal_tokenize__

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return results[0]

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Future:
        return Future._of(handle.remotes()[0], self._client)

    def __reduce__(self) -> tuple[Any, ...]:
        self._client._lend(self)
        return _borrow, (self._client._client.address, self._remote.id, self.key)

    def __hash__(self) -> int:
        return hash(self._remote.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Future) and other._remote.id == self._remote.id and other._client is self._client

    def __repr__(self) -> str:
        failure = self._remote.failure()
        kind = f", exception: {type(failure[0]).__name__}" if failure is not None else ""
        return f"<Future: {self.status}{kind}, key: {self.key}>"

    def _repr_html_(self) -> str:
        return f"<strong>Future: {escape(str(self.key))}</strong> <code>status: {escape(self.status)}</code>"


def _borrow(address: str, task: tuple[int, int], key: Any) -> Future:
    """Read a pickled future: a result that its client keeps for a while for whoever asks."""
    from raskal.distributed.client import client_of

    client = client_of(address)
    return Future._of(client._desk.board.borrow(*task, str(key)), client, key)
