"""Actors: objects that live in one executor process and are worked with from everywhere.

Start at `Actor`. The object stays in the process in which its task made it; what others have is an `Actor`, whose
methods are calls into that process. An actor's methods run one after the other, in the order in which they came, on a
thread of its own; coroutine methods run on the event loop of its process.
"""

from __future__ import annotations

import concurrent.futures
import functools
import inspect
import os
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Any

from raskal.distributed import _serve

__all__ = ["Actor", "ActorFuture", "BaseActorFuture"]

_SECRET = ("__dask", "__raskal", "__array", "__arrow", "__cuda", "__dlpack", "_repr_", "_ipython", "__await__")


class BaseActorFuture:
    """The result of an actor's method, there or to come."""

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result and get it."""
        raise NotImplementedError

    def done(self) -> bool:
        """Whether the method has ended."""
        raise NotImplementedError


class ActorFuture(BaseActorFuture):
    """The result of an actor's method, there or to come.

    Parameters
    ----------
    future : concurrent.futures.Future
        Of the value.
    """

    def __init__(self, future: concurrent.futures.Future[Any]) -> None:
        self._future = future

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result and get it; what the method raised is raised.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.
        """
        return self._future.result(timeout)

    def done(self) -> bool:
        """Whether the method has ended."""
        return self._future.done()

    def __await__(self) -> Generator[Any, Any, Any]:
        import asyncio

        return asyncio.wrap_future(self._future).__await__()

    def __repr__(self) -> str:
        return f"<ActorFuture: {'finished' if self.done() else 'pending'}>"


class _Home:
    """An actor's object, in the process in which it lives."""

    def __init__(self, instance: Any) -> None:
        self.instance = instance
        self.thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="raskal-actor")
        self.ident = self.thread.submit(threading.get_ident)

    def is_here(self) -> bool:
        """Whether this is the actor's own thread."""
        return self.ident.result() == threading.get_ident()


_homes: dict[str, _Home] = {}


def _home(key: str) -> _Home:
    home = _homes.get(key)
    if home is None:
        raise ValueError(f"the actor {key!r} does not live in process {os.getpid()} any more: its future was let go")
    return home


def _lane(args: tuple[Any, ...]) -> Callable[[Callable[[], None]], None]:
    home = _homes.get(args[0])
    if home is None or inspect.iscoroutinefunction(getattr(type(home.instance), args[1], None)):
        return lambda run: threading.Thread(target=run, name="raskal-actor", daemon=True).start()

    def on_its_thread(run: Callable[[], None]) -> None:
        home.thread.submit(run)

    return on_its_thread


def call_method(key: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a method of an actor that lives in this process."""
    result = getattr(_home(key).instance, name)(*args, **kwargs)
    return _serve.run_coroutine(result) if inspect.iscoroutine(result) else result


def get_attribute(key: str, name: str) -> Any:
    """Read an attribute of an actor that lives in this process."""
    return getattr(_home(key).instance, name)


call_method.lane = _lane  # type: ignore[attr-defined]
get_attribute.lane = _lane  # type: ignore[attr-defined]


class Maker:
    """Makes an actor: the function of the task that does so."""

    def __init__(self, cls: Callable[..., Any], key: str) -> None:
        self.cls, self.key = cls, key
        self.__name__ = getattr(cls, "__name__", "actor")

    def __call__(self, *args: Any, **kwargs: Any) -> Actor:
        from raskal.distributed.worker import get_worker

        instance = self.cls(*args, **kwargs)
        _homes[self.key] = _Home(instance)
        actor = Actor(self.cls, get_worker().id, self.key, pid=os.getpid())
        # The actor lives for as long as the task's value does, which is this object.
        weakref.finalize(actor, _homes.pop, self.key, None)
        return actor


class Actor:
    """An object that lives on a worker: ``client.submit(cls, actor=True).result()``.

    Methods give an `ActorFuture` at once; attributes are fetched. It lives for as long as the future that made it, or
    this object, does. When its worker dies it is lost, with what it held.

    Parameters
    ----------
    cls : type
        Its class.
    address : int
        The number of its worker.
    key : str
        The key of the task that made it.
    pid : int
        The process in which it lives.

    Examples
    --------
    >>> from raskal.distributed import Client
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     counts = client.submit(dict, actor=True).result()
    ...     counts.update({"a": 1}).result()
    ...     counts.get("a").result()
    1
    """

    def __init__(self, cls: Any, address: int, key: str, worker: Any = None, pid: int = 0) -> None:
        self._cls, self._worker, self._key, self._pid = cls, address, key, pid
        self._client: Any = None
        self._future: Any = None

    @property
    def key(self) -> str:
        """The key of the task that made it."""
        return self._key

    @property
    def client(self) -> Any:
        """Through whom it is reached."""
        if self._client is None:
            from raskal.distributed.client import get_client

            self._client = get_client()
        return self._client

    def _bind(self, future: Any) -> Actor:
        """Reach it through a future's client, and keep the future for as long as this object lives."""
        self._client, self._future = future.client, future
        return self

    def _ask(self, function: Callable[..., Any], *args: Any) -> concurrent.futures.Future[Any]:
        home = _homes.get(self._key)
        if home is not None:
            return _in_home(home, functools.partial(function, self._key, *args))
        payload = _serve.request(function, (self._key, *args))
        _, asked = self.client._desk.post(lambda board: board.call(self._worker, payload, self._pid))
        answer: concurrent.futures.Future[Any] = concurrent.futures.Future()
        asked.add_done_callback(lambda asked: self._settle(asked, answer))
        return answer

    def _settle(self, asked: concurrent.futures.Future[Any], answer: concurrent.futures.Future[Any]) -> None:
        try:
            [(_, answered, value)] = asked.result()[1]
            if not answered:
                raise ValueError(f"the worker that held the actor {self._key!r} was lost: {value}")
            answer.set_result(_serve.answer_of(value))
        except BaseException as error:
            answer.set_exception(error)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(_SECRET):
            raise AttributeError(name)
        known = getattr(self._cls, name, None)
        if callable(known):

            @functools.wraps(known)
            def method(*args: Any, **kwargs: Any) -> ActorFuture:
                return ActorFuture(self._ask(call_method, name, args, kwargs))

            return method
        if name.startswith("__") or (name in ("nbytes", "memory_usage") and known is None):
            raise AttributeError(name)
        value = self._ask(get_attribute, name)
        if self._client is not None and self._client.asynchronous:
            return ActorFuture(value)
        return value.result()

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for name in dir(self._cls) if not name.startswith("_"))})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Actor) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        return Actor, (self._cls, self._worker, self._key, None, self._pid)

    def __repr__(self) -> str:
        return f"<Actor: {self._cls.__name__}, key={self._key}>"


def _in_home(home: _Home, call: Callable[[], Any]) -> concurrent.futures.Future[Any]:
    """Make a call on the actor's thread, or at once where this is that thread."""
    if not home.is_here():
        return home.thread.submit(call)
    answer: concurrent.futures.Future[Any] = concurrent.futures.Future()
    try:
        answer.set_result(call())
    except BaseException as error:
        answer.set_exception(error)
    return answer
