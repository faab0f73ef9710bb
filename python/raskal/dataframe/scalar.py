"""One lazy value: the result of a reduction."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from raskal._raskal import Frame, ProgramBuilder
from raskal.base import Collection
from raskal.delayed import delayed


class Scalar(Collection):
    """One lazy value.

    Arithmetic with it gives a delayed value.
    """

    def __init__(self, plan: Frame, missing: Any = np.nan, dtype: Any = None) -> None:
        self._plan = plan
        self._missing = missing
        self._dtype = dtype

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        return self._plan.lower(builder)

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        value = results[0].column(0)[0]
        found = value.as_py()
        if found is None:
            return self._missing
        if self._dtype is not None:
            return _as_dtype(results[0].column(0), self._dtype)
        if isinstance(found, bool):
            return np.bool_(found)
        if isinstance(found, (int, float)):
            return results[0].column(0).to_numpy()[0]
        return found

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Scalar:
        return Scalar(_kept(self._plan, prefix, handle), self._missing, self._dtype)

    def __raskal_tokenize__(self) -> Any:
        return ("Scalar", self._plan.token)

    def explain(self) -> str:
        """The plan as text, as of `DataFrame.explain`."""
        return self._plan.explain()

    def __repr__(self) -> str:
        return f"<raskal Scalar: {self._plan.names[0]}>"

    def __bool__(self) -> bool:
        raise TypeError("the truth value of a lazy scalar is unknown\nhint: compute() it first")

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())


def _kept(plan: Frame, prefix: str, handle: Any) -> Frame:
    from raskal._raskal import frame_from_persisted

    return frame_from_persisted(handle, plan.schema, plan.index_names, prefix, None)


def _as_dtype(column: Any, dtype: Any) -> Any:
    from raskal.dataframe._convert import column_to_pandas

    return column_to_pandas(column, dtype)[0]


def _binary(function: Callable[[Any, Any], Any], reflected: bool) -> Callable[[Any, Any], Any]:
    def method(self: Scalar, other: Any) -> Any:
        from raskal.dataframe.collection import FrameCollection

        if isinstance(other, FrameCollection):
            return NotImplemented
        return delayed(function)(other, self) if reflected else delayed(function)(self, other)

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _function = getattr(operator, _name)
    setattr(Scalar, f"__{_name}__", _binary(_function, False))
    setattr(Scalar, f"__r{_name}__", _binary(_function, True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Scalar, f"__{_name}__", _binary(getattr(operator, _name), False))
Scalar.__hash__ = object.__hash__  # type: ignore[method-assign]
