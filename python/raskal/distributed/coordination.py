"""What tasks and clients share by name: `Queue`, `Variable`, `Event`, `Lock`, `MultiLock`, `Semaphore`, `Pub`, `Sub`.

Start at `Shared`. All of them are cells, leases and topics of the scheduler's board
(``crates/raskal-server/src/board.rs``). They are made by name, in clients and in tasks, and can be arguments of tasks.
What a process has leased ends with it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from raskal._raskal import Board
from raskal.distributed import _notes
from raskal.utils import parse_timedelta

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["Event", "Lock", "MultiLock", "Pub", "Queue", "Semaphore", "Sub", "Variable"]

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


class Leased(Shared):
    """What is leased and given back: the common part of locks and semaphores."""

    def __init__(self, name: str | None = None, client: Client | None = None) -> None:
        super().__init__(name, client)
        self._held: list[int] = []
        self._guard = threading.Lock()

    def _lease(self, names: list[str], need: int, limit: int, blocking: bool, timeout: Any) -> Any:
        if not blocking and timeout is not None:
            raise ValueError(f"a timeout ({timeout!r}) needs blocking=True")

        def finish(answer: str, lease: Any) -> bool:
            if answer == "refused":
                raise ValueError(lease)
            if answer != "lease":
                return False
            with self._guard:
                self._held.append(lease)
            return True

        return self._ask(lambda board: board.acquire(self._kind, names, need, limit, blocking), finish, timeout)

    def _give_back(self) -> Any:
        with self._guard:
            if not self._held:
                raise RuntimeError(f"{self!r} is not held here, so it can't be released")
            lease = self._held.pop(0)
        return self._ask(lambda board: board.release(lease), lambda answer, _: answer == "done")

    def acquire(self, timeout: Any = None) -> Any:
        """Wait for a lease; whether it was had in time."""
        raise NotImplementedError

    def release(self) -> Any:
        """Give a lease back."""
        return self._give_back()

    def __enter__(self: Self) -> Self:
        self.acquire()  # type: ignore[attr-defined]
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    async def __aenter__(self: Self) -> Self:
        await self.acquire()  # type: ignore[attr-defined]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.release()


class Lock(Leased):
    """A lock that one client or task holds at a time. It is given back when its holder's process is gone.

    Parameters
    ----------
    name : str, optional
        Its name; made up by default.
    client : Client, optional
        Through whom.

    Examples
    --------
    >>> from raskal.distributed import Client, Lock
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     with Lock("file") as lock:
    ...         lock.locked()
    True
    """

    _kind = "lock"

    def __init__(
        self, name: str | None = None, client: Client | None = None, scheduler_rpc: Any = None, loop: Any = None
    ) -> None:
        super().__init__(name, client)

    def acquire(self, blocking: bool = True, timeout: Any = None) -> Any:  # type: ignore[override]
        """Wait for the lock.

        Parameters
        ----------
        blocking : bool
            Whether to wait at all.
        timeout : float or str, optional
            How long at most.

        Returns
        -------
        bool
            Whether it is held now.
        """
        return self._lease([self.name], 1, 1, blocking, timeout)

    def locked(self) -> Any:
        """Whether somebody holds it."""
        return self._ask(lambda board: board.count(self._kind, self.name), lambda _, count: count > 0)

    def get_value(self) -> Any:
        """Number of holders: 0 or 1."""
        return self._ask(lambda board: board.count(self._kind, self.name), lambda _, count: count)

    def close(self) -> None:
        """Nothing to do: a lock that nobody holds takes no room."""


class MultiLock(Leased):
    """Several locks, held all at once or so many of them; never some of them while waiting for others.

    Parameters
    ----------
    names : list of str
        The locks. Those of the same name are the same for every `MultiLock`.
    client : Client, optional
        Through whom.
    """

    _kind = "multilock"

    def __init__(self, names: Iterable[str] = (), client: Client | None = None) -> None:
        self.names = list(map(str, names))
        super().__init__(",".join(self.names), client)

    def acquire(self, blocking: bool = True, timeout: Any = None, num_locks: int | None = None) -> Any:  # type: ignore[override]
        """Wait for the locks, or for `num_locks` of them; whether they are held now."""
        need = len(self.names) if num_locks is None else num_locks
        if not 1 <= need <= len(self.names):
            raise ValueError(f"num_locks must be between 1 and the {len(self.names)} names, got {num_locks}")
        return self._lease(self.names, need, 1, blocking, timeout)

    def locked(self) -> bool:
        """Whether they are held here."""
        return bool(self._held)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.names,)


class Semaphore(Leased):
    """A limit on how many clients and tasks do something at a time.

    Parameters
    ----------
    max_leases : int
        How many may hold it at a time; the same for all of one name.
    name : str, optional
        Its name; made up by default.
    client : Client, optional
        Through whom.
    """

    _kind = "semaphore"

    def __init__(
        self,
        max_leases: int = 1,
        name: str | None = None,
        scheduler_rpc: Any = None,
        loop: Any = None,
        client: Client | None = None,
    ) -> None:
        if max_leases < 1:
            raise ValueError(f"max_leases must be at least 1, got {max_leases}")
        super().__init__(name, client)
        self.max_leases = max_leases

    def acquire(self, timeout: Any = None) -> Any:
        """Wait for a lease; whether it was had in time.

        Raises
        ------
        ValueError
            If others use this name with another number of leases.
        """
        return self._lease([self.name], 1, self.max_leases, True, timeout)

    def get_value(self) -> Any:
        """Number of leases that are held."""
        return self._ask(lambda board: board.count(self._kind, self.name), lambda _, count: count)

    def close(self) -> None:
        """Nothing to do: a semaphore that nobody holds takes no room."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.max_leases, self.name)


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
