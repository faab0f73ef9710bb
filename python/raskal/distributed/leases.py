"""What tasks and clients lease by name: `Lock`, `MultiLock`, `Semaphore`.

Start at `Leased`. Leases are kept by the scheduler's board (``crates/raskal-server/src/board.rs``). What a process has
leased ends with it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from raskal.distributed.coordination import Shared

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["Lock", "MultiLock", "Semaphore"]

Self = TypeVar("Self", bound="Leased")


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

    def get_value(self) -> Any:
        """Number of leases that are held."""
        return self._ask(lambda board: board.count(self._kind, self.name), lambda _, count: count)

    def close(self) -> None:
        """Nothing to do: what nobody holds takes no room."""

    def __enter__(self: Self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    async def __aenter__(self: Self) -> Self:
        await self.acquire()
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

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.max_leases, self.name)
