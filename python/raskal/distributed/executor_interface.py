"""A cluster as an executor of `concurrent.futures`: `Client.get_executor`."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from raskal.distributed.future import Future

__all__ = ["ClientExecutor"]

_OPTIONS = {"key", "pure", "workers", "resources", "retries", "priority", "allow_other_workers"}


class ClientExecutor(concurrent.futures.Executor):
    """Runs what is submitted on a cluster.

    Parameters
    ----------
    client : Client
        The cluster's client.
    **kwargs
        Options of `Client.submit` for all calls, such as `workers`, `retries` or `pure` (false by default).

    Examples
    --------
    >>> from raskal.distributed import Client
    >>> with Client(n_workers=1, threads_per_worker=1) as client, client.get_executor() as pool:
    ...     list(pool.map(abs, [-1, 2]))
    [1, 2]
    """

    def __init__(self, client: Any, **kwargs: Any) -> None:
        unknown = sorted(set(kwargs) - _OPTIONS)
        if unknown:
            raise TypeError(f"ClientExecutor got unknown arguments {unknown}; it takes {sorted(_OPTIONS)}")
        self._client = client
        self._kwargs = {"pure": False, **kwargs}
        self._open: set[Future] = set()
        self._ended = False
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Run a function on the cluster.

        Raises
        ------
        RuntimeError
            If the executor was shut down.
        """
        if self._ended:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if kwargs:
            future = self._client.submit(_call, fn, args, kwargs, **self._kwargs)
        else:
            future = self._client.submit(fn, *args, **self._kwargs)
        return self._follow(future)

    def _follow(self, future: Future) -> concurrent.futures.Future[Any]:
        outer: concurrent.futures.Future[Any] = _Followed(future)
        with self._lock:
            self._open.add(future)
        future.add_done_callback(lambda future: self._settle(future, outer))
        return outer

    def _settle(self, future: Future, outer: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            self._open.discard(future)
        if future.cancelled():
            outer.cancel()
            outer.set_running_or_notify_cancel()
            return
        if not outer.set_running_or_notify_cancel():
            return
        try:
            outer.set_result(future._result())
        except BaseException as error:
            outer.set_exception(error)

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **kwargs: Any) -> Iterator[Any]:
        """Run a function on every item of iterables, and give the results in order.

        Parameters
        ----------
        fn : callable
            The function.
        *iterables : iterable
            Its arguments; the shortest one ends it.
        timeout : float, optional
            Seconds, from now on, for all of them.
        chunksize : int
            For the interface's sake; tasks travel in batches anyway.
        """
        timeout = kwargs.pop("timeout", None)
        kwargs.pop("chunksize", None)
        kwargs.pop("buffersize", None)
        if kwargs:
            raise TypeError(f"map got unknown arguments {sorted(kwargs)}")
        end = None if timeout is None else time.monotonic() + timeout
        futures = self._client.map(fn, *iterables, **self._kwargs)

        def results() -> Iterator[Any]:
            try:
                for future in futures:
                    left = None if end is None else max(0.0, end - time.monotonic())
                    yield future._result(left)
            finally:
                self._client.cancel([future for future in futures if not future.done()], asynchronous=False)

        return results()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls.

        Parameters
        ----------
        wait : bool
            Whether to wait for those that run.
        cancel_futures : bool
            Whether to give up those that have not ended.
        """
        from raskal.distributed.waiting import _wait

        self._ended = True
        with self._lock:
            left = list(self._open)
        if cancel_futures:
            self._client.cancel(left, asynchronous=False)
        elif wait:
            while left:
                _wait([future for future in left if not future.cancelled()], None, "ALL_COMPLETED")
                with self._lock:
                    left = [future for future in self._open if not future.done()]


class _Followed(concurrent.futures.Future[Any]):
    """A future of `concurrent.futures` for one of a cluster."""

    def __init__(self, future: Future) -> None:
        super().__init__()
        self._future = future

    def cancel(self) -> bool:
        """Give it up, if it has not ended."""
        if not self._future.done():
            self._future._client.cancel([self._future], asynchronous=False)
        return super().cancel()

    def running(self) -> bool:
        """Whether it may run now."""
        return not self.done()


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function whose keyword arguments may be called as options of `Client.submit` are."""
    return function(*args, **kwargs)
