"""One lazy value: the result of a reduction.

Start at `Scalar`. Arithmetic with one gives another; with a series or dataframe it goes to all partitions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from raskal._raskal import Frame
from raskal.dataframe._convert import column_to_pandas
from raskal.dataframe._emulate import infer
from raskal.dataframe._tasks import Calls, Lazy, Slot, TaskPlan
from raskal.dataframe.collection import FrameCollection, kept_frame
from raskal.delayed import Delayed


class ValueOf:
    """The only value of a table, as pandas would give it."""

    def __init__(self, missing: Any, dtype: Any) -> None:
        self.missing = missing
        self.dtype = dtype
        self.__name__ = "value"

    def __call__(self, table: Any) -> Any:
        """The value of a table."""
        column = table.column(0)
        found = column[0].as_py()
        if found is None:
            return self.missing
        if self.dtype is not None:
            return column_to_pandas(column, self.dtype)[0]
        if isinstance(found, bool):
            return np.bool_(found)
        return column.to_numpy()[0] if isinstance(found, (int, float)) else found


class Scalar(FrameCollection):
    """One lazy value.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> x = dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2)
    >>> (x.sum() / 2).compute()
    np.float64(3.0)
    """

    def __init__(self, plan: Frame | TaskPlan, missing: Any = np.nan, dtype: Any = None, meta: Any = None) -> None:
        super().__init__(plan, missing if meta is None else meta)
        self._value = ValueOf(missing, dtype)

    def _convert(self) -> Callable[..., Any]:
        return self._value

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return self._value(results[0]) if isinstance(self._plan, Frame) else results[0]

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Scalar:
        if isinstance(self._plan, Frame):
            kept = kept_frame(self._plan, prefix, handle)
            return Scalar(kept, self._value.missing, self._value.dtype, self._meta)
        rebuilt: Scalar = super().__raskal_rebuild__(prefix, handle)
        return rebuilt

    def __raskal_tokenize__(self) -> Any:
        return ("Scalar", self._plan.token)

    @property
    def dtype(self) -> Any:
        """Type of the value, as far as it is known."""
        return np.asarray(self._meta).dtype

    def to_series(self, fillvalue: Any = 0) -> Any:
        """A series of this one value."""
        import pandas as pd

        from raskal.dataframe._blockwise import blockwise

        return blockwise(_one_row, self, meta=pd.Series([self._meta]).iloc[:0], divisions=None)

    def __repr__(self) -> str:
        return f"<raskal Scalar: {type(self._meta).__name__}>"

    def __bool__(self) -> bool:
        raise TypeError("the truth value of a lazy scalar is unknown\nhint: compute() it first")

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())

    def __index__(self) -> int:
        return operator.index(self.compute())

    def __hash__(self) -> int:
        return id(self)


def _one_row(value: Any) -> Any:
    import pandas as pd

    return pd.Series([value])


def scalar_call(function: Callable[..., Any], *args: Any, meta: Any = None, name: str | None = None) -> Scalar:
    """A function of lazy and plain values as another lazy value."""
    inputs: list[Any] = []
    filled: list[Any] = []
    for one in args:
        if isinstance(one, FrameCollection):
            filled.append(Slot(len(inputs)))
            inputs.append(one._task_plan().node)
        elif isinstance(one, Delayed):
            filled.append(Slot(len(inputs)))
            inputs.append(Lazy([one]))
        else:
            filled.append(one)
    if meta is None:
        trial = [
            one._meta if isinstance(one, FrameCollection) else 1 if isinstance(one, Delayed) else one for one in args
        ]
        with np.errstate(all="ignore"):
            try:
                meta = infer(function, trial, {}, name or "operator")
            except ValueError:
                meta = np.nan
    node = Calls(1, inputs, [None] * len(inputs), function, tuple(filled), name=name)
    return Scalar(TaskPlan(node), meta=meta)


def _binary(function: Callable[[Any, Any], Any], reflected: bool) -> Callable[[Any, Any], Any]:
    def method(self: Scalar, other: Any) -> Any:
        if not isinstance(other, Scalar) and np.ndim(getattr(other, "_meta", other)) > 0:
            return NotImplemented
        native = _native_binary(self, function.__name__, other, reflected)
        if native is not None:
            return native
        return scalar_call(function, other, self) if reflected else scalar_call(function, self, other)

    return method


def _native_binary(scalar: Scalar, name: str, other: Any, reflected: bool) -> Scalar | None:
    """Arithmetic of a reduced column and a number by the engine, or None."""
    frame = scalar._frame
    number = isinstance(other, (int, float)) and not isinstance(other, bool)
    if frame is None or not number or name not in ("add", "sub", "mul", "truediv") or scalar._value.dtype is not None:
        return None
    if isinstance(scalar._value.missing, bool):
        return None
    try:
        # Sums and counts are never missing; of what may be, the result is, too.
        return Scalar(frame.binary_scalar(name, pa.array([other]), reflected), np.nan)
    except (TypeError, NotImplementedError, OverflowError):
        return None  # not a number


def _unary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda self: scalar_call(function, self)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor"):
    _plain = _name.rstrip("_")
    setattr(Scalar, f"__{_plain}__", _binary(getattr(operator, _name), False))
    setattr(Scalar, f"__r{_plain}__", _binary(getattr(operator, _name), True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Scalar, f"__{_name}__", _binary(getattr(operator, _name), False))
for _name in ("neg", "invert", "abs", "pos"):
    setattr(Scalar, f"__{_name}__", _unary(getattr(operator, _name)))
Scalar.__hash__ = object.__hash__  # type: ignore[method-assign]
