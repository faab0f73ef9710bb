"""Parallel programs drawn by calling functions.

Start at `delayed`. The class `Delayed` is a handle to a node in Rust (source: ``crates/raskal-py/src/delayed/``); this
file adds its operators from one table, and what needs Python's own reflection.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable, Iterator
from typing import Any

from raskal import config
from raskal._raskal import Delayed, lower_delayed
from raskal.base import Collection, ProgramBuilder
from raskal.interop.protocol import DaskProtocol
from raskal.tokenize import normalize_token, tokenize

__all__ = ["Delayed", "delayed"]


def delayed(
    obj: Any = None,
    name: str | None = None,
    pure: bool | None = None,
    nout: int | None = None,
    traverse: bool = True,
) -> Any:
    """Make a function or an object lazy.

    Calling a delayed function gives a `Delayed`, which stands for the result and can be an argument of further calls,
    at any depth of lists, tuples, sets, dictionaries, dataclasses and named tuples.

    Parameters
    ----------
    obj : object
        A function to call later, or a value. Left out, a decorator is returned.
    name : str, optional
        Key of the value in the graph. By default made from the content if `pure`, else unique.
    pure : bool, optional
        Whether calls with the same arguments give the same result, and may share one task. By default the configuration
        ``delayed-pure``, or false.
    nout : int, optional
        Into how many values the result can be unpacked.
    traverse : bool
        Whether to look for delayed objects inside `obj` when it is a container.

    Returns
    -------
    Delayed

    Raises
    ------
    ValueError
        If `nout` is negative or no integer.

    Notes
    -----
    Source: crates/raskal-py/src/delayed/node.rs

    Examples
    --------
    >>> from raskal import delayed
    >>> total = delayed(sum)([delayed(abs)(-1), 2])
    >>> total.compute()
    3
    """
    if obj is None and name is None and (pure is not None or nout is not None or not traverse):
        return lambda function: delayed(function, pure=pure, nout=nout, traverse=traverse)
    if isinstance(obj, Delayed):
        return obj
    if nout is not None and (type(nout) is not int or nout < 0):
        raise ValueError(f"nout must be None or a non-negative integer, got {nout!r}")
    key = name
    if pure is None:
        given, pure = None, bool(config.get("delayed-pure", False))
    else:
        given = pure
    if key is None and pure:
        key = f"{type(obj).__name__}-{tokenize(obj, pure=pure)}"
    result = Delayed._of(obj, key, given, nout, traverse)
    if callable(obj):
        # What decorators are expected to keep.
        for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
            if (value := getattr(obj, attribute, None)) is not None:
                result.__dict__[attribute] = value
        result.__dict__["__wrapped__"] = obj
    return result


def _operator(function: Any) -> Any:
    name = function.__name__.strip("_")

    def method(self: Delayed, *args: Any) -> Delayed:
        return Delayed._operate(function, name, (self, *args))

    method.__name__ = name
    return method


def _reflected(function: Any) -> Any:
    name = function.__name__.strip("_")

    def method(self: Delayed, other: Any) -> Delayed:
        return Delayed._operate(function, name, (other, self))

    method.__name__ = f"r{name}"
    return method


_UNARY = ("abs", "neg", "pos", "invert")
_BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "lshift", "rshift", "and_", "or_", "xor")
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def _power(base: Any, exponent: Any, modulo: Any = None) -> Any:
    return pow(base, exponent, modulo)


def _iterate(self: Delayed) -> Iterator[Delayed]:
    if self._nout is None:
        raise TypeError(
            "a Delayed of unknown length can't be iterated\n"
            "hint: say the number of results with delayed(function, nout=...)"
        )
    return iter([self[index] for index in range(self._nout)])


def _length(self: Delayed) -> int:
    if self._nout is None:
        raise TypeError(
            "a Delayed of unknown length has no len()\nhint: say the number of results with delayed(function, nout=...)"
        )
    return self._nout


def _set_item(self: Delayed, index: Any, value: Any) -> None:
    raise TypeError("a Delayed can't be changed in place\nhint: change the value inside a delayed function")


def _set_attribute(self: Delayed, name: str, value: Any) -> None:
    if name.startswith("_"):
        self.__dict__[name] = value
        return
    raise TypeError("a Delayed can't be changed in place\nhint: change the value inside a delayed function")


def _graph(self: Delayed) -> dict[str, Any]:
    """The tasks that this needs, by key, as Dask would be given them."""
    return self.__dask_graph__()


async def _awaited(self: Delayed) -> Any:
    """Compute in a thread, so that the event loop goes on."""
    import asyncio

    return await asyncio.to_thread(self.compute)


def _represent(self: Delayed) -> str:
    return f"Delayed({self.key!r})"


def _lower(self: Delayed, builder: ProgramBuilder) -> list[int]:
    return lower_delayed(builder, [self])


def _rebuild(self: Delayed, prefix: str, handle: Any) -> Delayed:
    return Delayed._of(_Kept(prefix, handle), self.key, None, self._nout)


class _Kept(Collection):
    """One value that was computed and kept, as an argument of further calls."""

    __raskal_single__ = True

    def __init__(self, prefix: str, handle: Any) -> None:
        self.prefix = prefix
        self.handle = handle

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        return builder.add_persisted(self.prefix, self.handle)

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return results[0]


for _name in _UNARY:
    setattr(Delayed, f"__{_name}__", _operator(getattr(operator, _name)))
for _name in _BINARY:
    _function = getattr(operator, _name)
    setattr(Delayed, f"__{_name.rstrip('_')}__", _operator(_function))
    setattr(Delayed, f"__r{_name.rstrip('_')}__", _reflected(_function))
for _name in _COMPARISONS:
    setattr(Delayed, f"__{_name}__", _operator(getattr(operator, _name)))
_METHODS: dict[str, Any] = {
    "__pow__": _operator(_power),
    "__rpow__": _reflected(pow),
    "__getitem__": _operator(operator.getitem),
    "__iter__": _iterate,
    "__len__": _length,
    "__setitem__": _set_item,
    "__setattr__": _set_attribute,
    "__repr__": _represent,
    "__await__": lambda self: _awaited(self).__await__(),
    "__dask_tokenize__": lambda self: self.key,
    "dask": property(_graph),
    "__raskal_lower__": _lower,
    "__raskal_finalize__": lambda self, results: results[0],
    "__raskal_rebuild__": _rebuild,
    "__raskal_tokenize__": lambda self: self.key,
}
for _name in ("compute", "persist", "visualize", "explain"):
    setattr(Delayed, _name, getattr(Collection, _name))
for _name, _method in vars(DaskProtocol).items():
    if _name.startswith("__dask_"):
        setattr(Delayed, _name, _method)
for _name, _method in _METHODS.items():
    setattr(Delayed, _name, _method)
normalize_token.register(Delayed, lambda value: ("delayed", value.key))


# ---- what the engine calls --------------------------------------------------------------------------------------


class _Placeholder:
    """Stands in a sent argument for the value of the input of this number."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _Placeholder, (self.number,)


class _Made:
    """Stands in a sent argument for an object that is made from parts once they are known."""

    __slots__ = ("make", "parts")

    def __init__(self, make: Any, parts: tuple[Any, ...]) -> None:
        self.make = make
        self.parts = parts

    def __reduce__(self) -> tuple[Any, ...]:
        return _Made, (self.make, self.parts)


def _restore(template: Any, values: list[Any]) -> Any:
    """Put the inputs' values in the places of the placeholders."""
    kind = type(template)
    if kind is _Placeholder:
        return values[template.number]
    if kind is _Made:
        return template.make(*(_restore(part, values) for part in template.parts))
    if kind is list or kind is tuple:
        return kind(_restore(part, values) for part in template)
    if kind is dict:
        return {key: _restore(value, values) for key, value in template.items()}
    return template


def _dataclass_fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if hasattr(value, field.name)}


def _rebuild_dataclass(kind: type, fields: dict[str, Any]) -> Any:
    """An object of a dataclass with these values in its fields, whatever its constructor takes."""
    made: Any = object.__new__(kind)
    for name, field in fields.items():
        object.__setattr__(made, name, field)
    return made


def unpack(objects: Iterable[Any]) -> Delayed:
    """A delayed list of objects, which may hold delayed ones at any depth."""
    return Delayed._of(list(objects), None, None, None)
