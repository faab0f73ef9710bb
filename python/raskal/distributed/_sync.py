"""One class for threads and for event loops: how a call waits.

Start at `either`. A blocking method that is called on the event loop of an asynchronous client runs in a thread of its
own and gives something to await; everywhere else it blocks.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["either", "in_thread", "on_loop"]


def on_loop() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
    """Run a blocking function in a thread of its own; something to await.

    A pool would do for short calls alone: some wait for each other (for a lock, an item of a queue), and a full pool
    would keep the one that all the others wait for from starting.
    """
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    context = contextvars.copy_context()

    def settle(set_it: Callable[..., None], value: Any) -> None:
        if not future.done():
            set_it(value)

    def run() -> None:
        try:
            result = context.run(function, *args, **kwargs)
        except StopIteration as stop:
            error: BaseException = RuntimeError(f"{stop!r} was raised where it can't be passed on")
            loop.call_soon_threadsafe(settle, future.set_exception, error)
        except BaseException as error:
            loop.call_soon_threadsafe(settle, future.set_exception, error)
        else:
            loop.call_soon_threadsafe(settle, future.set_result, result)

    threading.Thread(target=run, name="raskal-call", daemon=True).start()
    return future


def either(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a blocking method of something with `asynchronous` one that can be awaited on an event loop."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked = kwargs.pop("asynchronous", None)
        if self.asynchronous if asked is None else asked:
            return in_thread(method, self, *args, **kwargs)
        return method(self, *args, **kwargs)

    return call
