"""Functions chosen by the type of their first argument, with registrations that wait until a library is imported.

Start at `Dispatch`. It differs from `functools.singledispatch` in `register_lazy`: support for pandas or PyArrow is
registered under the library's name and costs nothing until an object of it is seen. It never imports a library itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Dispatch:
    """A function with one implementation per type.

    Examples
    --------
    >>> size = Dispatch("size")
    >>> @size.register((list, tuple))
    ... def _(x):
    ...     return len(x)
    >>> size([1, 2, 3])
    3
    """

    def __init__(self, name: str | None = None) -> None:
        self.__name__ = name or "dispatch"
        self._implementations: dict[type, Callable[..., Any]] = {}
        self._lazy: dict[str, Callable[[], None]] = {}
        self._resolved: dict[type, Callable[..., Any]] = {}
        self._lock = threading.RLock()

    def register(self, type: type | Iterable[type], func: Callable[..., Any] | None = None) -> Any:
        """Register `func` for one type or several; without `func`, a decorator."""

        def wrap(func: F) -> F:
            types = type if isinstance(type, (tuple, list, set, frozenset)) else (type,)
            with self._lock:
                self._implementations.update(dict.fromkeys(types, func))
                if object in types and func.__doc__:
                    self.__doc__ = func.__doc__  # the general implementation tells what the function is for
                self._resolved.clear()
            return func

        return wrap if func is None else wrap(func)

    def register_lazy(self, toplevel: str, func: Callable[[], None] | None = None) -> Any:
        """Have `func` called, to register its types, when an object of package `toplevel` is first seen."""

        def wrap(func: Callable[[], None]) -> Callable[[], None]:
            with self._lock:
                self._lazy[toplevel] = func
            return func

        return wrap if func is None else wrap(func)

    def dispatch(self, cls: type) -> Callable[..., Any]:
        """The implementation for objects of `cls`.

        Raises
        ------
        TypeError
            If neither `cls` nor a class that it derives from is registered.
        """
        found = self._resolved.get(cls)
        if found is not None:
            return found
        with self._lock:
            for base in cls.__mro__:
                register = self._lazy.pop(base.__module__.partition(".")[0], None)
                if register is not None:
                    register()
            for base in cls.__mro__:
                if base in self._implementations:
                    return self._resolved.setdefault(cls, self._implementations[base])
        raise TypeError(
            f"no {self.__name__} for objects of type {cls.__module__}.{cls.__qualname__}\nhint: register one"
        )

    def registered(self, cls: type) -> bool:
        """Whether `cls` itself, not a class that it derives from, has an implementation."""
        return cls in self._implementations

    def __call__(self, arg: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the implementation for the type of `arg`."""
        return self.dispatch(type(arg))(arg, *args, **kwargs)
