"""Waiting for futures: `wait`, `as_completed`, `fire_and_forget`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, NamedTuple

from raskal.distributed._sync import in_thread
from raskal.distributed.future import Future

__all__ = ["DoneAndNotDone", "as_completed", "fire_and_forget", "wait"]

ALL_COMPLETED = "ALL_COMPLETED"
FIRST_COMPLETED = "FIRST_COMPLETED"


class DoneAndNotDone(NamedTuple):
    """The futures that have ended, and the others."""

    done: set[Future]
    not_done: set[Future]


def wait(fs: Any, timeout: Any = None, return_when: str = ALL_COMPLETED) -> Any:
    """Wait until futures have ended.

    Parameters
    ----------
    fs : Future, iterable of Future, or persisted collections
        What to wait for.
    timeout : float or str, optional
        Seconds to wait at most.
    return_when : {'ALL_COMPLETED', 'FIRST_COMPLETED'}
        Whether to wait for all or for one.

    Returns
    -------
    done, not_done : set of Future
        To be awaited on the event loop of an asynchronous client.

    Raises
    ------
    TimeoutError
        If the time runs out.
    CancelledError
        If one of them was given up.
    """
    from raskal.distributed._containers import futures_of

    if return_when not in (ALL_COMPLETED, FIRST_COMPLETED):
        raise ValueError(f"return_when must be 'ALL_COMPLETED' or 'FIRST_COMPLETED', got {return_when!r}")
    if timeout is not None and not isinstance(timeout, (int, float, str)):
        raise TypeError(f"timeout must be a time, got {timeout!r}\nhint: pass several futures as a list")
    futures = [fs] if isinstance(fs, Future) else futures_of(fs)
    if futures and futures[0].asynchronous:
        return in_thread(_wait, futures, timeout, return_when)
    return _wait(futures, timeout, return_when)


def _wait(futures: list[Future], timeout: Any, return_when: str) -> DoneAndNotDone:
    from raskal.distributed._options import seconds_of

    if futures:
        client = futures[0].client._client
        remotes = [future._remote for future in futures]
        seconds = None if timeout is None else seconds_of(timeout)
        if not client.wait(remotes, return_when == FIRST_COMPLETED, seconds):
            left = sum(not future.done() for future in futures)
            raise TimeoutError(f"{left} of {len(futures)} futures did not end within {timeout} s")
    done = {future for future in futures if future.done()}
    for future in done:
        future._check()
    return DoneAndNotDone(done, set(futures) - done)


class as_completed:
    """Iterate over futures in the order in which they end, with ``for`` or ``async for``.

    Parameters
    ----------
    futures : iterable of Future, optional
        What to wait for; more can be added with `add`.
    with_results : bool
        Whether to give pairs of future and result; a task that raised raises here then.
    raise_errors : bool
        With `with_results`, whether a task's exception is raised (the default) or given in place of the result.
    timeout : float or str, optional
        Seconds, from now on, for all of them.

    Examples
    --------
    >>> from raskal.distributed import Client, as_completed
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     sorted(future.result() for future in as_completed(client.map(abs, [-2, 1])))
    [1, 2]
    """

    def __init__(
        self,
        futures: Iterable[Future] | None = None,
        loop: Any = None,
        with_results: bool = False,
        raise_errors: bool = True,
        *,
        timeout: Any = None,
    ) -> None:
        from raskal.distributed._options import seconds_of

        self._waiting: dict[tuple[int, int], list[Future]] = {}
        self._ended: deque[Future] = deque()
        self._watcher: Any = None
        self._with_results = with_results
        self._raise_errors = raise_errors
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + seconds_of(timeout)
        self.update(futures or ())

    def add(self, future: Future) -> None:
        """Wait for one more future."""
        self.update([future])

    def update(self, futures: Iterable[Future]) -> None:
        """Wait for more futures."""
        futures = list(futures)
        for future in futures:
            if not isinstance(future, Future):
                raise TypeError(f"as_completed takes futures, got {type(future).__name__}")
        if futures and self._watcher is None:
            # Before looking at any of them, so that none ends unseen.
            self._watcher = futures[0].client._client.watch()
        for future in futures:
            if future.done():
                self._ended.append(future)
            else:
                self._waiting.setdefault(future._remote.id, []).append(future)
        for future in futures:
            # Between the two looks it may have ended, and the watcher told; each is given once, by whoever finds it.
            if future.done():
                self._end(future._remote.id)

    def _end(self, task: tuple[int, int]) -> None:
        self._ended.extend(self._waiting.pop(task, ()))

    def count(self) -> int:
        """Number of futures that were not given yet."""
        return sum(map(len, self._waiting.values())) + len(self._ended)

    def is_empty(self) -> bool:
        """Whether all futures were given."""
        return self.count() == 0

    def has_ready(self) -> bool:
        """Whether the next future is there without waiting."""
        self._take(0.0)
        return bool(self._ended)

    def _left(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _take(self, timeout: float | None) -> None:
        if self._watcher is None or not self._waiting:
            return
        tasks = self._watcher.take(timeout)
        if tasks is None:
            # The connection has ended: nothing more will come, and the futures say so.
            tasks = list(self._waiting)
        for task in tasks:
            self._end(task)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._wait():
            raise StopIteration
        return self._give(self._ended.popleft())

    def _wait(self) -> bool:
        """Wait until one has ended; whether there is one to wait for."""
        while not self._ended:
            if not self._waiting:
                return False
            left = self._left()
            self._take(left)
            if not self._ended and left is not None and self._left() == 0.0:
                raise TimeoutError(f"no future ended within {self._timeout} s")
        return True

    next = __next__

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if not await in_thread(self._wait):
            raise StopAsyncIteration
        future = self._ended.popleft()
        return await in_thread(self._give, future) if self._with_results else future

    def next_batch(self, block: bool = True) -> list[Any]:
        """The futures that have ended and were not given yet.

        Parameters
        ----------
        block : bool
            Whether to wait for at least one.

        Returns
        -------
        list
        """
        if block and not self._ended:
            return [self.__next__(), *self.next_batch(block=False)]
        self._take(0.0)
        batch = [self._give(future) for future in self._ended]
        self._ended.clear()
        return batch

    def batches(self) -> Iterator[list[Any]]:
        """Iterate over all that have ended at a time."""
        while not self.is_empty():
            yield self.next_batch(block=True)

    def clear(self) -> None:
        """Forget all futures."""
        self._waiting.clear()
        self._ended.clear()

    def _give(self, future: Future) -> Any:
        if not self._with_results:
            return future
        if self._raise_errors:
            return future, future._result()
        error = future._wait()
        return future, (future._result() if error is None else error)


_kept: set[Future] = set()


def fire_and_forget(obj: Any) -> None:
    """Have tasks run to their end even if nobody keeps their futures.

    Parameters
    ----------
    obj : Future, iterable of Future, or persisted collection
        What is to be run.
    """
    from raskal.distributed._containers import futures_of

    for future in [obj] if isinstance(obj, Future) else futures_of(obj):
        _kept.add(future)
        future.add_done_callback(_kept.discard)
