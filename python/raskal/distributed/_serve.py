"""Calls into an executor process, beside its tasks: what answers them there.

Start at `serve`, which the executor's call thread calls (``crates/raskal-py/src/executor.rs``), and at `request` and
`answer_of`, its other end. A call is a function with arguments, pickled. It runs in a thread of its own, unless the
function says otherwise: what sets a process up runs at once and in order, an actor's methods on the actor's thread.
"""

from __future__ import annotations

import asyncio
import inspect
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from raskal._raskal import executor_running
from raskal.distributed import _failure

__all__ = ["answer_of", "call_stacks", "request", "run_coroutine", "serve"]


def request(function: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> bytes:
    """A call as bytes.

    Raises
    ------
    TypeError
        If the function or an argument can't be pickled.
    """
    import cloudpickle

    try:
        return cloudpickle.dumps((function, args, kwargs or {}))
    except Exception as error:
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(f"{name} and its arguments can't be sent to the workers: {error}") from error


def answer_of(data: bytes) -> Any:
    """The result of a call, or what it raised."""
    if not data:
        raise RuntimeError("a call was not answered; the worker's log has more")
    value = pickle.loads(data[1:])
    if data[:1] == b"V":
        return value
    raise _failure.unpack(*value)


def serve(payload: bytes, answer: Callable[[bytes], None]) -> None:
    """Make a call; `answer` is given its result, sooner or later."""
    try:
        function, args, kwargs = pickle.loads(payload)
    except BaseException as error:
        answer(_raised(error))
        return

    def run() -> None:
        answer(_result(function, args, kwargs))

    lane = getattr(function, "lane", None)
    if lane is None:
        threading.Thread(target=run, name="raskal-run", daemon=True).start()
    else:
        lane(args)(run)


def _result(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    import cloudpickle

    try:
        value = function(*args, **_with_worker(function, kwargs))
        if inspect.iscoroutine(value):
            value = run_coroutine(value)
        try:
            return b"V" + cloudpickle.dumps(value)
        except Exception as error:
            raise TypeError(f"the result of a call, a {type(value).__name__}, can't be pickled: {error}") from error
    except BaseException as error:
        return _raised(error)


def _raised(error: BaseException) -> bytes:
    return b"E" + pickle.dumps(_failure.pack(error))


def _with_worker(function: Callable[..., Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments, with the worker for a function that asks for it by name."""
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return kwargs
    for name in ("dask_worker", "raskal_worker"):
        if name in names and name not in kwargs:
            from raskal.distributed.worker import this_worker

            return {**kwargs, name: this_worker()}
    return kwargs


def at_once(args: tuple[Any, ...]) -> Callable[[Callable[[], None]], None]:
    """The lane of functions that set a process up: the call thread itself."""
    return lambda run: run()


_loop: asyncio.AbstractEventLoop | None = None
_loop_lock = threading.Lock()


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on the event loop of this process, and wait for its result."""
    global _loop
    with _loop_lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="raskal-loop", daemon=True).start()
    return asyncio.run_coroutine_threadsafe(coroutine, _loop).result()


def call_stacks() -> list[tuple[tuple[int, int], str, list[str]]]:
    """The tasks that run in this process: numbers, key, and the frames of each as text, outermost first."""
    frames = sys._current_frames()
    found = []
    for thread, graph, index, _, key in executor_running():
        frame = frames.get(thread)
        found.append(((graph, index), key, [] if frame is None else traceback.format_stack(frame)))
    return found
