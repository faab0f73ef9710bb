"""What is asked of tasks and calls: options of `Client.submit` and its like, names of functions, times."""

from __future__ import annotations

import contextlib
import gc
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from raskal.annotations import annotate
from raskal.distributed import _serve
from raskal.utils import parse_timedelta


def seconds_of(timeout: Any) -> float:
    """A time such as 5, ``"5s"`` or ``"1 min"`` in seconds."""
    seconds = parse_timedelta(timeout)
    if seconds is None:
        raise ValueError(f"{timeout!r} is not a time\nhint: pass seconds, or text such as '10s'")
    return float(seconds)


def name_of(func: Any) -> str:
    name = getattr(func, "__name__", None) or getattr(getattr(func, "func", None), "__name__", type(func).__name__)
    return str(name).strip("<>")


def checked_key(key: tuple[Any, ...]) -> tuple[Any, ...]:
    if not key or not isinstance(key[0], str):
        raise TypeError(f"a key that is a tuple begins with a string, got {key!r}")
    return key


class _Coroutine:
    """Calls a coroutine function and waits for its result."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = name_of(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _serve.run_coroutine(self.function(*args, **kwargs))


def callable_of(func: Callable[..., Any]) -> Callable[..., Any]:
    return _Coroutine(func) if inspect.iscoroutinefunction(func) else func


def asking(
    retries: int | None,
    priority: int,
    workers: Any,
    allow_other_workers: bool,
    resources: Mapping[str, float] | None,
) -> contextlib.AbstractContextManager[None]:
    """Ask this of the tasks that are made inside."""
    asked: dict[str, Any] = {"retries": retries or None, "priority": priority or None, "workers": workers}
    asked |= {"allow_other_workers": allow_other_workers or None, "resources": resources}
    asked = {name: value for name, value in asked.items() if value is not None}
    return annotate(**asked) if asked else contextlib.nullcontext()


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Hold the garbage collector: it would look through a growing heap of live objects again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
