"""Normal forms of code: functions, classes, builtins.

Start at `normalize_function`. A function counts by its name, if it can be imported, and by its bytecode, constants,
defaults and closure; one that cannot be imported (a lambda, a notebook's function) counts by the globals that it uses
as well. File names and line numbers never count, so that moving a function changes nothing.
"""

from __future__ import annotations

import dis
import sys
import types
import weakref
from typing import Any

_NOT_CONTENT = {
    "__dict__",
    "__weakref__",
    "__slotnames__",  # written by pickle when it first sees an object
    "__module__",
    "__qualname__",
    "__doc__",
    "__firstlineno__",
    "__static_attributes__",
    "__annotations__",
    "__annotations_cache__",
    "__annotate_func__",
    "__dataclass_fields__",
    "__dataclass_params__",
    "__abstractmethods__",
    "_abc_impl",
}
_importable_forms: weakref.WeakKeyDictionary[types.FunctionType, tuple[object, ...]] = weakref.WeakKeyDictionary()
# Code objects compare by content, so that these serve equal code made anew.
_names_of_code: weakref.WeakKeyDictionary[types.CodeType, frozenset[str]] = weakref.WeakKeyDictionary()


def qualified_name(obj: Any) -> str:
    """``module.Name`` of a class or function."""
    return f"{obj.__module__}.{obj.__qualname__}"


def importable(obj: Any) -> bool:
    """Whether another process finds this object by its module and name. A script's or notebook's own it does not."""
    module = getattr(obj, "__module__", None)
    if not module or module in ("__main__", "__mp_main__"):
        return False
    return attribute(module, getattr(obj, "__qualname__", "<none>")) is obj


def attribute(module: str, name: str) -> Any:
    """What an imported module has under a dotted name; None where it has nothing."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def normalize_function(function: types.FunctionType) -> tuple[object, ...]:
    """What a function's results depend on, as far as can be told without calling it."""
    known = _importable_forms.get(function)
    if known is not None and known[2] is function.__code__ and known[3] is function.__defaults__:
        return known
    form: tuple[object, ...] = (
        "function",
        function.__name__,
        function.__code__,
        function.__defaults__,
        function.__kwdefaults__,
        function.__closure__,
    )
    # Attributes may be anything; those that a decorator keeps its wrapped function in are in the closure as well.
    if importable(function):
        form = (*form, function.__module__, function.__qualname__)
        if not function.__closure__:
            _importable_forms[function] = form
        return form
    return (*form, _used_globals(function))


def _used_globals(function: types.FunctionType) -> dict[str, object]:
    values = function.__globals__
    return {name: values[name] for name in _global_names(function.__code__) if name in values}


def _global_names(code: types.CodeType) -> frozenset[str]:
    known = _names_of_code.get(code)
    if known is None:
        loads = (i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
        inner = (_global_names(const) for const in code.co_consts if isinstance(const, types.CodeType))
        known = _names_of_code[code] = frozenset(loads).union(*inner)
    return known


def normalize_code(code: types.CodeType) -> tuple[object, ...]:
    """Bytecode and constants, without names of files and numbers of lines."""
    constants = code.co_consts
    if constants and isinstance(constants[0], str) and code.co_flags & _HAS_DOCSTRING:
        constants = (None, *constants[1:])
    return (
        "code",
        code.co_code,
        constants,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
    )


_HAS_DOCSTRING = 0x4000000  # set by Python 3.13 and later; before, a docstring counts as a constant


def normalize_builtin(function: Any) -> tuple[object, ...]:
    """A builtin function by its name, a builtin method by its name and object."""
    owner = getattr(function, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType):
        return "builtin", function.__module__, function.__qualname__
    return "builtin method", function.__name__, owner


def normalize_class(cls: type) -> tuple[object, ...]:
    """A class by its name if it can be imported, else by its bases and what it defines."""
    name = qualified_name(cls)
    if importable(cls) or cls.__module__ == "builtins":
        return "class", name
    own = {key: value for key, value in vars(cls).items() if key not in _NOT_CONTENT and not _is_slot(value)}
    return "class", name, cls.__bases__, own


def _is_slot(value: object) -> bool:
    return isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType))
