"""Being told of local computations: when they begin and end, and of each task.

Start at `Callback`. Callbacks are for runs on the threads of this process; clusters have a dashboard. How the engine
tells them: ``diagnostics/_watch.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

__all__ = ["Callback", "local_callbacks"]


class Callback:
    """Functions that are called as a local computation goes on.

    Use it as a context manager, register it for good, or derive a class with the methods ``_start``, ``_start_state``,
    ``_pretask``, ``_posttask`` and ``_finish``.

    Parameters
    ----------
    start : callable, optional
        ``start(dsk)``, before a computation. `dsk` maps the keys of its tasks to what they do.
    start_state : callable, optional
        ``start_state(dsk, state)``, once its state is there: a dictionary with ``dependencies``, ``dependents``,
        ``waiting``, ``ready``, ``running``, ``finished``, ``released`` and the values in ``cache``.
    pretask : callable, optional
        ``pretask(key, dsk, state)``, before each task, on the thread that is to run it; one call at a time.
    posttask : callable, optional
        ``posttask(key, result, dsk, state, worker_id)``, after each task.
    finish : callable, optional
        ``finish(dsk, state, errored)``, at the end, also of a computation that failed.

    Notes
    -----
    What these raise fails the computation. A computation that a task starts is not told of, unless the task itself
    registers a callback. Functions for single tasks cost some microseconds a task; without them nothing is slower.

    Examples
    --------
    >>> import raskal
    >>> keys = []
    >>> with Callback(posttask=lambda key, result, *_: keys.append(result)):
    ...     raskal.delayed(abs)(-2).compute(scheduler="sync")
    2
    >>> keys
    [2]
    """

    active: ClassVar[set[Callback]] = set()
    """The callbacks of computations that begin now."""

    def __init__(
        self,
        start: Callable[..., Any] | None = None,
        start_state: Callable[..., Any] | None = None,
        pretask: Callable[..., Any] | None = None,
        posttask: Callable[..., Any] | None = None,
        finish: Callable[..., Any] | None = None,
    ) -> None:
        given = {"start": start, "start_state": start_state, "pretask": pretask, "posttask": posttask, "finish": finish}
        for name, function in given.items():
            if function is not None:
                if not callable(function):
                    raise TypeError(f"{name} of a Callback must be a function, got {function!r}")
                setattr(self, f"_{name}", function)

    def __enter__(self) -> Any:
        self.register()
        return self

    def __exit__(self, *args: object) -> None:
        self.unregister()

    def register(self) -> None:
        """Have all computations from now on tell of themselves."""
        Callback.active.add(self)

    def unregister(self) -> None:
        """No longer."""
        Callback.active.discard(self)


@contextmanager
def local_callbacks() -> Iterator[set[Callback]]:
    """The active callbacks, which are not active inside the block: tasks are not told of twice."""
    taken = set(Callback.active)
    Callback.active.clear()
    try:
        yield taken
    finally:
        Callback.active.update(taken)
