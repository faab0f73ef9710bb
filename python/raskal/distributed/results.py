"""What becomes of tasks: gathering results, giving up, running again.

Start at `ResultMethods.gather`, a part of `Client`.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from raskal._raskal import Delayed, Remote
from raskal.distributed import _serve
from raskal.distributed._containers import find_futures, futures_of, put_back
from raskal.distributed._options import callable_of
from raskal.distributed._sync import either, in_thread
from raskal.distributed.actor import Actor
from raskal.distributed.executor_interface import ClientExecutor
from raskal.distributed.future import Future
from raskal.exceptions import CancelledError

__all__ = ["ResultMethods"]

# For so long a client keeps the result of a future that it pickled, for whoever reads it.
_LENT_SECONDS = 600.0


class ResultMethods:
    """Results of a `Client`'s tasks."""

    _client: Any
    _lent: dict[tuple[int, int], tuple[float, Remote]]

    if TYPE_CHECKING:
        # Of the other parts.
        _submit_calls: Any

        @property
        def asynchronous(self) -> bool:
            """Whether calls that wait are to be awaited."""

    def _received(self, future: Future, value: Any) -> Any:
        """A value that came for a future: an actor holds on to its future."""
        return value._bind(future) if type(value) is Actor else value

    def gather(self, futures: Any, errors: str = "raise", direct: Any = None, asynchronous: bool | None = None) -> Any:
        """Get the results of futures.

        Parameters
        ----------
        futures : Future, or containers of them
            Lists, tuples, sets, dictionaries, at any depth.
        errors : {'raise', 'skip'}
            Whether the first failure is raised, or failed futures are left out of lists.
        direct
            For Dask's sake: values come straight from the workers that hold them.
        asynchronous : bool, optional
            Whether to give something to await; by default where an asynchronous client's event loop runs.

        Returns
        -------
        object
            The same containers, with results.
        """
        if self.asynchronous if asynchronous is None else asynchronous:
            return asyncio.ensure_future(self._gather_later(futures, errors))
        return self._gather(futures, errors)

    async def _gather_later(self, futures: Any, errors: str) -> Any:
        found: list[Future] = []
        find_futures(futures, found)
        for future in found:
            await future._settled()
        return await in_thread(self._gather, futures, errors)

    def _gather(self, futures: Any, errors: str) -> Any:
        if errors not in ("raise", "skip"):
            raise ValueError(f"errors must be 'raise' or 'skip', got {errors!r}")
        if isinstance(futures, Iterator):
            return map(self._gather, futures, itertools.repeat(errors))
        found: list[Future] = []
        find_futures(futures, found)
        if errors == "skip" and found:
            self._client.wait([future._remote for future in found])
            found = [future for future in found if future.status == "finished"]
        try:
            values = self._client.gather([future._remote for future in found])
        except CancelledError:
            for future in found:
                future._check()
            raise
        return put_back(futures, {id(future): self._received(future, value) for future, value in zip(found, values)})

    @either
    def cancel(
        self, futures: Any, force: bool = False, reason: str | None = None, msg: str | None = None, **kwargs: Any
    ) -> Any:
        """Give futures up.

        Parameters
        ----------
        futures : Future, containers of them, or persisted collections
            What is not wanted any more.
        force : bool
            Whether other clients that have these results lose them as well; otherwise theirs live on.
        **kwargs
            For Dask's sake.
        reason, msg : str, optional
            Why, told by whoever waits for them.
        """
        found = [futures] if isinstance(futures, Future) else futures_of(futures)
        for future in found:
            future._reason = ": ".join(part for part in (reason, msg) if part) or None
        self._client.cancel([future._remote for future in found], bool(force))

    @either
    def retry(self, futures: Any) -> Any:
        """Run tasks again that failed, and those among their arguments that made them fail.

        Parameters
        ----------
        futures : Future, or containers of them
            Of `submit` and `map`.

        Raises
        ------
        ValueError
            If a future did not come from `submit` or `map` of this process.
        """
        found: list[Future] = []
        find_futures(futures, found)
        for future in found:
            if future.status in ("error", "lost"):
                self._retry(future)

    def _retry(self, future: Future) -> None:
        if future._call is None:
            raise ValueError(
                f"{future.key} can't be run again: its call is not known here\nhint: submit or compute it anew"
            )
        func, args, kwargs = future._call
        needed: list[Future] = []
        find_futures([args, kwargs], needed)
        for other in needed:
            if other.status in ("error", "lost"):
                self._retry(other)
        node = Delayed._call(callable_of(func), args, kwargs or None, str(future.key), None)
        future._remote = self._submit_calls([node], [future.key])[0]._remote

    @either
    def recreate_error_locally(self, future: Any) -> Any:
        """Call what failed here, so that a debugger can look at it.

        Parameters
        ----------
        future : Future
            A failed one, of `submit` or `map`.

        Raises
        ------
        Exception
            What the task raised, if it raises here too.
        """
        return self.recreate_task_locally(future, asynchronous=False)

    @either
    def recreate_task_locally(self, future: Any) -> Any:
        """Call what a task calls, here, with the same arguments; returns what it returns."""
        while True:
            if not isinstance(future, Future) or future._call is None:
                raise ValueError(f"the call of {future!r} is not known here\nhint: pass a future of submit or map")
            func, args, kwargs = future._call
            needed: list[Future] = []
            find_futures([args, kwargs], needed)
            failed = next((other for other in needed if other._wait() is not None), None)
            if failed is None:
                break
            future = failed
        values = {id(other): other._result() for other in needed}
        result = func(*put_back(args, values), **put_back(kwargs, values))
        return _serve.run_coroutine(result) if inspect.iscoroutine(result) else result

    def futures_of(self, futures: Any) -> list[Future]:
        """The futures in collections and containers."""
        return futures_of(futures, self)

    def get_executor(self, **kwargs: Any) -> ClientExecutor:
        """This client as an executor of `concurrent.futures`.

        Parameters
        ----------
        **kwargs
            Options of `submit` for all calls, such as `workers`, `retries` or `pure` (false by default).
        """
        return ClientExecutor(self, **kwargs)

    def _lend(self, future: Future) -> None:
        """Keep the result of a future that is pickled, for whoever reads it."""
        now = time.monotonic()
        self._lent = {task: lent for task, lent in self._lent.items() if lent[0] > now}
        self._lent[future._remote.id] = (now + _LENT_SECONDS, future._remote)
