"""Windows that move along the rows of each group.

Start at `GroupRolling`, made by ``df.groupby(...).rolling(...)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._groups import InOrder, KeysOf, OnGroups
from raskal.dataframe._tasks import itself
from raskal.dataframe.collection import new_collection
from raskal.dataframe.shuffle import exchange
from raskal.dataframe.tree import tree


class GroupRolling:
    """Windows that move along the rows of each group."""

    def __init__(self, grouped: Any, options: dict[str, Any]) -> None:
        self._grouped = grouped
        self._options = {key: one for key, one in options.items() if one is not None}

    @property
    def kwargs(self) -> dict[str, Any]:
        """The options of the windows."""
        return dict(self._options)

    def _run(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        grouped = self._grouped
        frame, groups = grouped._prepared()
        function = _RollingMethod(self._options, name, args, kwargs)
        meta = grouped._meta_of(function, frame, groups, "rolling")
        on_groups = OnGroups(groups, function, meta)
        if frame.npartitions == 1:
            return blockwise(on_groups, frame, meta=meta, divisions=None, same_labels=False, name="rolling")
        dealt = exchange(frame, KeysOf(groups), frame.npartitions, name="groupby-exchange", finish=on_groups)
        return tree(new_collection(dealt._plan, meta), itself, InOrder(groups), meta=meta, name="rolling-order")


class _RollingMethod:
    def __init__(self, options: dict[str, Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.options = options
        self.name = name
        self.args = args
        self.kwargs = kwargs

    def __call__(self, groups: Any) -> Any:
        return getattr(groups.rolling(**self.options), self.name)(*self.args, **self.kwargs)


def _rolling_method(name: str) -> Callable[..., Any]:
    def method(self: GroupRolling, *args: Any, **kwargs: Any) -> Any:
        return self._run(name, args, kwargs)

    method.__name__ = name
    method.__doc__ = f"As pandas' `{name}` of the windows of each group."
    return method


WINDOWS = "count sum mean min max std var skew kurt median quantile apply aggregate cov".split()

for _name in WINDOWS:
    setattr(GroupRolling, _name, _rolling_method(_name))
GroupRolling.agg = GroupRolling.aggregate  # type: ignore[attr-defined]
