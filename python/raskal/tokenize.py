"""Deterministic tokens: the same content gives the same 32 hexadecimal digits in every process and run.

Start at `tokenize`. Containers are hashed from their parts; every other object is first brought into a normal form of
plain values by `normalize_token`, chosen by type, by the object's own ``__raskal_tokenize__`` or ``__dask_tokenize__``,
or from what pickle would store. Pickle's bytes themselves are never hashed: they differ with the identity of equal
strings and the order of sets.
"""

from __future__ import annotations

import copyreg
import dataclasses
import enum
import functools
import hashlib
import struct
import types
import uuid
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from pathlib import PurePath
from typing import Any

from raskal import config
from raskal._dispatch import Dispatch
from raskal._raskal import ContentHash
from raskal._tokenize_code import (
    attribute,
    normalize_builtin,
    normalize_class,
    normalize_code,
    normalize_function,
    qualified_name,
)

__all__ = ["TokenizationError", "normalize_token", "tokenize"]

# The whole of a small object is kept in its parent's hash; a larger one by its digest, so that memory stays bounded.
_INLINE_BYTES = 64
_DIGEST_BYTES = 16


class TokenizationError(RuntimeError):
    """An object has no deterministic token, and one was asked for."""


def tokenize(*args: object, ensure_deterministic: bool | None = None, **kwargs: object) -> str:
    """A token of the arguments' content.

    Parameters
    ----------
    *args, **kwargs
        Anything. Dictionaries and sets count without their order; arrays, tables and functions by content.
    ensure_deterministic : bool, optional
        Raise for objects whose content cannot be told, such as locks and open files, instead of drawing a random
        token for them. The setting ``tokenize.ensure-deterministic`` by default.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    TokenizationError
        If `ensure_deterministic` and there is such an object.

    Notes
    -----
    Tokens are stable between processes of the same Python version: functions count by their bytecode.

    Examples
    --------
    >>> tokenize([1, "a"]) == tokenize([1, "a"])
    True
    >>> tokenize({"x": 1, "y": 2}) == tokenize({"y": 2, "x": 1})
    True
    >>> tokenize(1) == tokenize(1.0)
    False
    """
    reset = None if ensure_deterministic is None else _deterministic.set(ensure_deterministic)
    try:
        content = _Encoder().encode((args, kwargs) if kwargs else args)
    finally:
        if reset is not None:
            _deterministic.reset(reset)
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()


normalize_token = Dispatch("normalize_token")
"""Gives an object's normal form: plain values, tuples and other objects that have a normal form.

``@normalize_token.register(MyType)`` decides what counts for objects of a type that cannot be changed;
``register_lazy("package")`` waits until the package is imported.

>>> class Point:
...     def __init__(self, x): self.x, self.cache = x, object()
>>> @normalize_token.register(Point)
... def _(point):
...     return "Point", point.x
>>> tokenize(Point(3)) == tokenize(Point(3))
True
"""

_deterministic: ContextVar[bool | None] = ContextVar("ensure_deterministic", default=None)


def random_token(obj: object, why: str) -> str:
    """A token that no other object gets, or an error where tokens must be deterministic."""
    wanted = _deterministic.get()
    if config.get("tokenize.ensure-deterministic", False) if wanted is None else wanted:
        raise TokenizationError(
            f"an object of type {qualified_name(type(obj))} has no deterministic token: {why}\n"
            "hint: give its class a method __raskal_tokenize__ that returns what its content depends on"
        )
    return uuid.uuid4().hex


# ---- from normal forms to bytes


class _Encoder:
    """Turns one call's arguments into bytes that are equal exactly where the content is."""

    def __init__(self) -> None:
        # Kept alive so that an id is not used twice. Nested lists that share their parts stay linear this way.
        self._done: dict[int, tuple[object, bytes]] = {}
        self._open: dict[int, int] = {}
        self._cycle_depth = -1  # the outermost open object that something inside the current one refers back to

    def encode(self, obj: object) -> bytes:
        kind = type(obj)
        plain = _PLAIN.get(kind)
        if plain is not None:
            return _frame(plain(obj))
        identity = id(obj)
        done = self._done.get(identity)
        if done is not None:
            return done[1]
        depth = len(self._open)
        if identity in self._open:
            above = self._open[identity]
            self._cycle_depth = above if self._cycle_depth < 0 else min(above, self._cycle_depth)
            return _frame(b"up%d" % (depth - above))
        self._open[identity] = depth
        try:
            content = _frame(self._content(obj, kind))
        finally:
            del self._open[identity]
        if self._cycle_depth >= depth:
            self._cycle_depth = -1
        if self._cycle_depth < 0:  # inside a cycle the bytes depend on where it was entered
            self._done[identity] = (obj, content)
        return content

    def _content(self, obj: Any, kind: type) -> bytes:
        if kind is tuple or kind is list:
            return kind.__name__.encode() + b"".join(map(self.encode, obj))
        if kind is dict:
            pairs = [self.encode(key) + self.encode(value) for key, value in obj.items()]
            return b"dict" + b"".join(sorted(pairs))
        if kind is set or kind is frozenset:
            return kind.__name__.encode() + b"".join(sorted(map(self.encode, obj)))
        return b"object" + self.encode(_normal_form(obj, kind))


def _frame(content: bytes) -> bytes:
    """`content` so that it can stand beside others: with its length, or as a digest of one length."""
    if len(content) <= _INLINE_BYTES:
        return bytes((len(content),)) + content
    return b"\xff" + hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def _normal_form(obj: Any, kind: type) -> object:
    if not normalize_token.registered(kind) and not isinstance(obj, type):
        for method in ("__raskal_tokenize__", "__dask_tokenize__"):
            own = getattr(obj, method, None)
            if own is not None and not isinstance(own, type):
                return method, qualified_name(kind), own()
    return normalize_token(obj)


_PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    type(...): lambda _: b"E",
    type(NotImplemented): lambda _: b"I",
    bool: lambda x: b"T" if x else b"F",
    int: lambda x: b"i%d" % x if abs(x) < 2**63 else b"h" + hex(x).encode(),
    float: lambda x: b"f" + struct.pack("<d", x),
    complex: lambda x: b"c" + struct.pack("<dd", x.real, x.imag),
    str: lambda x: b"s" + x.encode("utf-8", "surrogatepass"),
    bytes: lambda x: b"b" + x,
}


# ---- normal forms of Python's own types


@normalize_token.register((type(None), type(...), type(NotImplemented), bool, int, float, complex, str, bytes))
@normalize_token.register((tuple, list, dict, set, frozenset))
def _(obj: Any) -> object:
    # Subclasses come here too; what makes them differ from their base is in what pickle would store.
    return obj if type(obj) in _PLAIN or type(obj) in (tuple, list, dict, set, frozenset) else normalize_reduced(obj)


@normalize_token.register((bytearray, memoryview))
def _(obj: bytearray | memoryview) -> object:
    return type(obj).__name__, digest([obj])


@normalize_token.register(types.MappingProxyType)
def _(obj: types.MappingProxyType[Any, Any]) -> object:
    return "mappingproxy", dict(obj)


@normalize_token.register(PurePath)
def _(obj: PurePath) -> object:
    return qualified_name(type(obj)), str(obj)


@normalize_token.register(enum.Enum)
def _(obj: enum.Enum) -> object:
    return "enum", type(obj), obj.name, obj.value


@normalize_token.register(types.ModuleType)
def _(obj: types.ModuleType) -> object:
    return "module", obj.__name__


normalize_token.register(type, normalize_class)
normalize_token.register(types.FunctionType, normalize_function)
normalize_token.register(types.BuiltinFunctionType, normalize_builtin)


@normalize_token.register(types.CodeType)
def _(obj: types.CodeType) -> object:
    # Kept per code object, which compare by content: hashing a function again costs a tenth of the first time.
    known = _code_tokens.get(obj)
    if known is None:
        known = _code_tokens[obj] = tokenize(*normalize_code(obj), ensure_deterministic=True)
    return "code", known


_code_tokens: weakref.WeakKeyDictionary[types.CodeType, str] = weakref.WeakKeyDictionary()


@normalize_token.register(types.MethodType)
def _(obj: types.MethodType) -> object:
    return "method", obj.__func__, obj.__self__


@normalize_token.register((property, classmethod, staticmethod))
def _(obj: Any) -> object:
    parts = (obj.fget, obj.fset, obj.fdel) if isinstance(obj, property) else (obj.__func__,)
    return type(obj).__name__, parts


@normalize_token.register(functools.cached_property)
def _(obj: functools.cached_property[Any]) -> object:
    return "cached_property", obj.func, obj.attrname


@normalize_token.register(types.CellType)
def _(obj: types.CellType) -> object:
    try:
        return "cell", obj.cell_contents
    except ValueError:
        return ("empty cell",)


@normalize_token.register(object)
def _(obj: object) -> object:
    if type(obj) is object:
        return random_token(obj, "two objects without any content are different")
    if dataclasses.is_dataclass(obj):
        values = [(field.name, getattr(obj, field.name, None)) for field in dataclasses.fields(obj)]
        extra = {k: v for k, v in getattr(obj, "__dict__", {}).items() if k not in {name for name, _ in values}}
        return "dataclass", type(obj), values, extra
    return normalize_reduced(obj)


def normalize_reduced(obj: Any) -> object:
    """The normal form of an object from the parts of which pickle would make it again."""
    try:
        own = copyreg.dispatch_table.get(type(obj))
        reduced = own(obj) if own is not None else obj.__reduce_ex__(4)
    except TokenizationError:
        raise
    except Exception as error:  # whatever a foreign __reduce_ex__ or __getstate__ raises
        return random_token(obj, f"it cannot be pickled ({type(error).__name__}: {error})")
    if isinstance(reduced, str):
        module = getattr(obj, "__module__", None) or type(obj).__module__
        if attribute(module, reduced) is not obj:
            return random_token(obj, f"it says that it is {module}.{reduced}, which is something else")
        return "global", module, reduced
    parts = [*reduced, *[None] * (6 - len(reduced))]
    function, arguments, state, items, pairs, setter = parts
    if isinstance(state, dict):  # what functools caches in an instance is no content
        cached = {name for name in state if _is_cached_property(type(obj), name)}
        state = {name: value for name, value in state.items() if name not in cached} or None
    return "reduced", function, arguments, state, list(items or ()), list(pairs or ()), setter


def _is_cached_property(kind: type, name: object) -> bool:
    return isinstance(name, str) and isinstance(getattr(kind, name, None), functools.cached_property)


def digest(buffers: Iterable[Any]) -> str:
    """The hash of some buffers, one after the other, without copying them.

    It tells data apart at the speed of memory, on several threads where there is much of it. It is not cryptographic.
    """
    hasher = ContentHash()
    for buffer in buffers:
        view = memoryview(buffer)
        hasher.update(view if view.c_contiguous and view.ndim else view.tobytes())
    return hasher.hexdigest()


# ---- libraries, once an object of theirs is seen


@normalize_token.register_lazy("numpy")
def _() -> None:
    import raskal._tokenize_numpy  # noqa: F401


@normalize_token.register_lazy("pandas")
def _() -> None:
    import raskal._tokenize_pandas  # noqa: F401


@normalize_token.register_lazy("pyarrow")
def _() -> None:
    import raskal._tokenize_arrow  # noqa: F401
