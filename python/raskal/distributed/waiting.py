"""Waiting for futures: `wait`, `as_completed`, `fire_and_forget`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from raskal.distributed.future import Future

__all__ = ["DoneAndNotDone", "as_completed", "fire_and_forget", "wait"]

ALL_COMPLETED = "ALL_COMPLETED"
FIRST_COMPLETED = "FIRST_COMPLETED"


class DoneAndNotDone(NamedTuple):
    """The futures that have ended, and the others."""

    done: set[Future]
    not_done: set[Future]


def wait(fs: Any, timeout: float | None = None, return_when: str = ALL_COMPLETED) -> DoneAndNotDone:
    """Wait until futures have ended.

    Parameters
    ----------
    fs : Future or iterable of Future
        What to wait for.
    timeout : float, optional
        Seconds to wait at most.
    return_when : {'ALL_COMPLETED', 'FIRST_COMPLETED'}
        Whether to wait for all or for one.

    Returns
    -------
    done, not_done : set of Future

    Raises
    ------
    TimeoutError
        If the time runs out.
    """
    if return_when not in (ALL_COMPLETED, FIRST_COMPLETED):
        raise ValueError(f"return_when must be 'ALL_COMPLETED' or 'FIRST_COMPLETED', got {return_when!r}")
    futures = [fs] if isinstance(fs, Future) else list(fs)
    if futures:
        client = futures[0].client._client
        remotes = [future._remote for future in futures]
        if not client.wait(remotes, return_when == FIRST_COMPLETED, timeout):
            left = sum(not future.done() for future in futures)
            raise TimeoutError(f"{left} of {len(futures)} futures did not end within {timeout} s")
    done = {future for future in futures if future.done()}
    return DoneAndNotDone(done, set(futures) - done)


class as_completed:
    """Iterate over futures in the order in which they end.

    Parameters
    ----------
    futures : iterable of Future, optional
        What to wait for; more can be added with `add`.
    with_results : bool
        Whether to give pairs of future and result; a task that raised raises here then.
    raise_errors : bool
        With `with_results`, whether a task's exception is raised (the default) or given in place of the result.
    timeout : float, optional
        Seconds for each next future at most.

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
        *,
        loop: Any = None,
        with_results: bool = False,
        raise_errors: bool = True,
        timeout: float | None = None,
    ) -> None:
        self._waiting: dict[tuple[int, int], list[Future]] = {}
        self._ended: deque[Future] = deque()
        self._watcher: Any = None
        self._with_results = with_results
        self._raise_errors = raise_errors
        self._timeout = timeout
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
        while not self._ended:
            if not self._waiting:
                raise StopIteration
            self._take(self._timeout)
            if not self._ended and self._timeout is not None:
                raise TimeoutError(f"no future ended within {self._timeout} s")
        return self._give(self._ended.popleft())

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
            return future, future.result()
        error = future.exception()
        return future, (future.result() if error is None else error)


_kept: set[Future] = set()


def fire_and_forget(obj: Any) -> None:
    """Have tasks run to their end even if nobody keeps their futures.

    Parameters
    ----------
    obj : Future or iterable of Future
        What is to be run.
    """
    for future in [obj] if isinstance(obj, Future) else list(obj):
        _kept.add(future)
        future.add_done_callback(_kept.discard)
