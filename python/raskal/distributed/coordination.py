"""What tasks and clients share by name: `Queue`, `Variable`, `Event`, `Pub`, `Sub`.

Start at `Shared`, of which the locks of `leases` are as well. All of them are cells, leases and topics of the
scheduler's board (``crates/raskal-server/src/board.rs``). They are made by name, in clients and in tasks, and can be
arguments of tasks.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from raskal._raskal import Board
from raskal.distributed import _notes
from raskal.utils import parse_timedelta

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["Event", "Pub", "Queue", "Shared", "Sub", "Variable"]

Self = TypeVar("Self", bound="Shared")


def seconds(timeout: Any) -> float | None:
    """A time such as 5 or ``"5s"`` in seconds; None for no end."""
    return parse_timedelta(timeout)


class Shared:
    """Something that clients and tasks share by its name.

    Parameters
    ----------
    name : str, optional
        Its name; made up by default.
    client : Client, optional
        Through whom; by default the current client, in a task the worker's own.
    """

    _kind = "shared"

    def __init__(self, name: str | None = None, client: Client | None = None) -> None:
        self.name = f"{type(self).__name__.lower()}-{uuid4().hex}" if name is None else str(name)
        self._client = client

    @property
    def client(self) -> Client:
        """Through whom it is reached."""
        if self._client is None or self._client.status == "closed":
            from raskal.distributed.client import get_client

            self._client = get_client()
        return self._client

    @property
    def asynchronous(self) -> bool:
        """Whether calls are to be awaited: the client is asynchronous, and this is its event loop."""
        return self.client.asynchronous

    @property
    def loop(self) -> Any:
        """The event loop of an asynchronous client."""
        return self.client.loop

    @property
    def scheduler(self) -> Any:
        """A view of the scheduler."""
        return self.client.scheduler

    def sync(self, func: Callable[..., Any], *args: Any, asynchronous: bool | None = None, **kwargs: Any) -> Any:
        """Call a function, which may be a coroutine function, and wait for it; see `Client.sync`."""
        return self.client.sync(func, *args, asynchronous=asynchronous, **kwargs)

    def register(self, **kwargs: Any) -> None:
        """Nothing to do: a name is known when it is first used."""

    def _ask(self, post: Callable[[Board], int], finish: Callable[[str, Any], Any], timeout: Any = None) -> Any:
        desk, limit = self.client._desk, seconds(timeout)
        if not self.asynchronous:
            return finish(*desk.ask(post, limit))

        async def later() -> Any:
            return finish(*await desk.ask_later(post, limit))

        return asyncio.ensure_future(later())

    def _read(self, note: tuple[Any, ...]) -> Any:
        _, _, data, remotes = note
        return _notes.unpack(data, remotes, self.client)

    def _put(self, value: Any, how: str, capacity: int = 0) -> Callable[[Board], int]:
        data, remotes = _notes.pack(value)
        return lambda board: board.put(self._kind, self.name, data, remotes, how, capacity)

    def __await__(self: Self) -> Generator[Any, Any, Self]:
        """Itself: nothing needs to be waited for."""
        yield from ()
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"


class Queue(Shared):
    """A queue that clients and tasks put values into and take them out of, in order.

    Parameters
    ----------
    name : str, optional
        Its name; made up by default.
    client : Client, optional
        Through whom.
    maxsize : int
        How many values it holds at most; 0 for any number.

    Notes
    -----
    Values go through the scheduler: scatter what is large and put its future, which is kept while the queue holds it.

    Examples
    --------
    >>> from raskal.distributed import Client, Queue
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     numbers = Queue("numbers")
    ...     numbers.put(1)
    ...     numbers.get()
    1
    """

    _kind = "queue"

    def __init__(self, name: str | None = None, client: Client | None = None, maxsize: int = 0) -> None:
        super().__init__(name, client)
        self.maxsize = maxsize

    def put(self, value: Any, timeout: Any = None, **kwargs: Any) -> Any:
        """Put a value in, and wait while the queue is full.

        Raises
        ------
        TimeoutError
            If it stays full for so many seconds.
        """

        def finish(answer: str, _: Any) -> None:
            if answer == "gave up":
                raise TimeoutError(f"the queue {self.name!r} was full for {timeout} s")

        return self._ask(self._put(value, "append", max(0, self.maxsize)), finish, timeout)

    def get(self, timeout: Any = None, batch: bool | int = False, **kwargs: Any) -> Any:
        """Take a value out, and wait for one.

        Parameters
        ----------
        timeout : float or str, optional
            How long to wait at most.
        batch : bool or int
            True for all values that are there, as a tuple; a number for so many.

        Raises
        ------
        TimeoutError
            If none comes in time.
        """
        if batch is not False and batch is not True and batch > 0:
            return self._get_many(int(batch), timeout)

        def finish(answer: str, notes: Any) -> Any:
            if answer == "absent":
                return ()
            if answer != "notes":
                raise TimeoutError(f"nothing came into the queue {self.name!r} within {timeout} s")
            return tuple(map(self._read, notes)) if batch else self._read(notes[0])

        return self._ask(lambda board: board.take(self._kind, self.name, int(not batch), not batch), finish, timeout)

    def _get_many(self, count: int, timeout: Any) -> Any:
        if self.asynchronous:

            async def later() -> tuple[Any, ...]:
                return tuple([await self.get(timeout) for _ in range(count)])

            return later()
        return tuple(self.get(timeout) for _ in range(count))

    def qsize(self, **kwargs: Any) -> Any:
        """Number of values that are in."""
        return self._ask(lambda board: board.count(self._kind, self.name), lambda _, count: count)

    def close(self) -> Any:
        """Drop all values that are in."""
        return self._ask(lambda board: board.remove(self._kind, self.name), lambda *_: None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, None, self.maxsize)


class Variable(Shared):
    """One value that clients and tasks share.

    Parameters
    ----------
    name : str, optional
        Its name; made up by default.
    client : Client, optional
        Through whom.

    Examples
    --------
    >>> from raskal.distributed import Client, Variable
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     Variable("limit").set(7)
    ...     client.submit(lambda: Variable("limit").get()).result()
    7
    """

    _kind = "variable"

    def set(self, value: Any, timeout: Any = "30 s", **kwargs: Any) -> Any:
        """Set the value; a future is kept for as long as it is the value."""
        return self._ask(self._put(value, "replace"), lambda *_: None, timeout)

    def get(self, timeout: Any = None, **kwargs: Any) -> Any:
        """The value; waits until there is one.

        Raises
        ------
        TimeoutError
            If there is none in time.
        """

        def finish(answer: str, notes: Any) -> Any:
            if answer != "notes":
                raise TimeoutError(f"the variable {self.name!r} was not set within {timeout} s")
            return self._read(notes[-1])

        return self._ask(lambda board: board.look(self._kind, self.name, True), finish, timeout)

    def delete(self) -> Any:
        """Forget the value."""
        return self._ask(lambda board: board.remove(self._kind, self.name), lambda *_: None)


class Event(Shared):
    """A flag that tasks and clients wait for.

    Parameters
    ----------
    name : str, optional
        Its name; made up by default.
    client : Client, optional
        Through whom.
    """

    _kind = "event"

    def set(self) -> Any:
        """Set the flag; those who wait go on."""
        return self._ask(lambda board: board.put(self._kind, self.name, b"", [], "replace"), lambda *_: None)

    def clear(self) -> Any:
        """Unset the flag."""
        return self._ask(lambda board: board.remove(self._kind, self.name), lambda *_: None)

    def is_set(self) -> Any:
        """Whether the flag is set."""
        return self._ask(lambda board: board.count(self._kind, self.name), lambda _, count: count > 0)

    def wait(self, timeout: Any = None) -> Any:
        """Wait for the flag; whether it was set in time."""
        return self._ask(
            lambda board: board.look(self._kind, self.name, True), lambda answer, _: answer == "notes", timeout
        )


class Pub:
    """Tell all who listen to a name (`Sub`).

    Parameters
    ----------
    name : str
        The name.
    client : Client, optional
        Through whom.
    """

    def __init__(self, name: str, worker: Any = None, client: Client | None = None) -> None:
        self._shared = Shared(name, client)
        self.name = name

    def put(self, msg: Any) -> None:
        """Send a value to all who listen now."""
        data, remotes = _notes.pack(msg)
        if remotes:
            raise TypeError("futures can't be published by Pub\nhint: use a Queue or a Variable")
        self._shared.client._desk.post(lambda board: board.publish(f"pubsub-{self.name}", data, False))

    def __reduce__(self) -> tuple[Any, ...]:
        return Pub, (self.name,)


class Sub:
    """Listen to what is told under a name (`Pub`).

    Parameters
    ----------
    name : str
        The name.
    client : Client, optional
        Through whom.
    """

    def __init__(self, name: str, worker: Any = None, client: Client | None = None) -> None:
        self.name = name
        self._shared = Shared(name, client)
        self._values: queue.SimpleQueue[Any] = queue.SimpleQueue()
        through = self._shared.client

        def hear(_: float, data: bytes) -> None:
            self._values.put(_notes.unpack(data, [], through))

        asked = through._desk.listen(f"pubsub-{name}", hear)
        if asked is not None:
            asked.result()

    def get(self, timeout: Any = None) -> Any:
        """The next value; waits for it.

        Raises
        ------
        TimeoutError
            If none comes in time.
        """
        try:
            return self._values.get(timeout=seconds(timeout))
        except queue.Empty:
            raise TimeoutError(f"nothing was published as {self.name!r} within {timeout} s") from None

    next = get

    def __iter__(self) -> Sub:
        return self

    def __next__(self) -> Any:
        return self.get()
