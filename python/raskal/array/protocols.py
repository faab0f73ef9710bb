"""NumPy's functions called with lazy arrays: ufuncs (NEP 13) and the rest of its namespace (NEP 18).

Start at `array_ufunc` and `array_function`. What raskal has no lazy form of is refused, not computed behind one's back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray

#: Reductions by the ufunc that they repeat.
REDUCTIONS = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.logical_and: "all",
    np.logical_or: "any",
}
#: Functions of NumPy whose lazy form has another name.
OTHER_NAMES = {"amax": "max", "amin": "min"}
ACCUMULATIONS = {np.add: "cumsum", np.multiply: "cumprod"}


def _known(value: Any) -> bool:
    """Whether an operand is one that arrays can work with."""
    if isinstance(value, (Array, np.ndarray, np.generic, int, float, complex, list, tuple)):
        return True
    from raskal.array.kinds import is_known_kind

    return is_known_kind(value) or (not hasattr(value, "__array_ufunc__") and np.isscalar(value))


def array_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc, or one of its methods, on arrays of which one is lazy."""
    import raskal.array as module
    from raskal.array.ufunc import apply_ufunc

    if not all(_known(value) for value in inputs):
        return NotImplemented
    out = kwargs.get("out")
    if out is not None and any(value is not None and not isinstance(value, Array) for value in out):
        return NotImplemented
    if method == "__call__":
        if ufunc is np.matmul and "out" not in kwargs:
            return module.matmul(*inputs)
        if ufunc.signature is not None:
            return module.apply_gufunc(ufunc, ufunc.signature, *inputs, **kwargs)
        return apply_ufunc(ufunc, *inputs, **kwargs)
    if method == "outer" and len(inputs) == 2:
        left, right = (asarray(value) for value in inputs)
        spread = (*(slice(None),) * left.ndim, *(None,) * right.ndim)
        return apply_ufunc(ufunc, left[spread], right, **kwargs)
    out = out[0] if out else None
    if method == "reduce" and ufunc in REDUCTIONS and not set(kwargs) - {"axis", "dtype", "keepdims", "out"}:
        options = {"axis": 0, **kwargs, "out": out}
        if options.get("dtype") is None or ufunc not in (np.add, np.multiply):
            options.pop("dtype", None)
        return getattr(module, REDUCTIONS[ufunc])(inputs[0], **options)
    if method == "accumulate" and ufunc in ACCUMULATIONS:
        return getattr(module, ACCUMULATIONS[ufunc])(inputs[0], **{"axis": 0, **kwargs, "out": out})
    return NotImplemented


def array_function(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """A function of NumPy's namespace on arguments of which one is lazy."""
    import raskal.array as module
    from raskal.array.kinds import is_known_type

    if not all(issubclass(kind, (Array, np.ndarray, np.generic)) or is_known_type(kind) for kind in types):
        return NotImplemented
    if func is np.size:
        return _size(*args, **kwargs)
    if func is np.copy:
        return args[0].copy()
    for part in func.__module__.split(".")[1:]:
        module = getattr(module, part, module)
    ours = getattr(module, OTHER_NAMES.get(func.__name__, func.__name__), None)
    if ours is None or ours is func or func.__name__ == "compute":
        raise NotImplementedError(
            f"numpy.{func.__name__} is not supported for lazy arrays\n"
            "hint: call compute() first, or map_blocks if blocks can be treated alone"
        )
    return ours(*args, **kwargs)


def _size(a: Array, axis: Any = None) -> Any:
    """Number of elements, or the length of an axis."""
    return a.size if axis is None else a.shape[axis]
