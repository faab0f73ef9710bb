"""pandas' methods on lists and structures: columns of Arrow types that hold several values.

Start at `ListAccessor` and `StructAccessor`.
"""

from __future__ import annotations

from typing import Any

from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._methods import MethodCall, rowwise
from raskal.dataframe.series import Series


class ListAccessor:
    """Methods on columns of lists."""

    def __init__(self, series: Any) -> None:
        self._series = series

    def __getitem__(self, key: Any) -> Any:
        """The value at a place of each list; a slice of each."""
        return rowwise(MethodCall("__getitem__", "list"), self._series, key, name="list[]")

    def len(self) -> Any:
        """Number of values of each list."""
        return rowwise(MethodCall("len", "list"), self._series, name="list.len")

    def flatten(self) -> Any:
        """All values, one per row, each under its list's label."""
        return blockwise(MethodCall("flatten", "list"), self._series, name="list.flatten", same_labels=True)


class StructAccessor:
    """Methods on columns of structures."""

    def __init__(self, series: Any) -> None:
        self._series = series

    @property
    def dtypes(self) -> Any:
        """Types of the fields."""
        return self._series._meta.struct.dtypes

    def field(self, name_or_index: Any) -> Any:
        """A field, by its name, its place, or a list of names that leads to it."""
        return rowwise(MethodCall("field", "struct"), self._series, name_or_index, name="struct.field")

    def explode(self) -> Any:
        """The fields as columns of a dataframe."""
        return blockwise(MethodCall("explode", "struct"), self._series, name="struct.explode")


def _list(series: Any) -> ListAccessor:
    """Methods on lists."""
    series._meta.list  # noqa: B018 - pandas' own error for other dtypes
    return ListAccessor(series)


def _struct(series: Any) -> StructAccessor:
    """Methods on structures."""
    series._meta.struct  # noqa: B018 - pandas' own error for other dtypes
    return StructAccessor(series)


Series.list = property(_list)  # type: ignore[attr-defined]
Series.struct = property(_struct)  # type: ignore[attr-defined]
