"""Arguments of `map` and its like: bags spread over the items, lazy values go to every call, all else stays as it is.

Start at `Arguments.of`.
"""

from __future__ import annotations

from typing import Any

from raskal._raskal import Delayed
from raskal.bag.layer import SINGLE, Node, Results
from raskal.bag.steps import Slot
from raskal.base import is_dask_collection

__all__ = ["Arguments", "as_delayed", "as_single"]


def as_delayed(value: Any) -> Delayed:
    """A lazy value of any kind as a delayed one."""
    return value if isinstance(value, Delayed) else Delayed._of(value, None, None, None)


def as_single(value: Any) -> Node | None:
    """The one task that gives a lazy value, or None for a value that holds nothing lazy."""
    from raskal.bag.item import Item

    if isinstance(value, Item):
        return value._node
    if is_dask_collection(value) or type(value) in (list, tuple, dict, set):
        lazy = as_delayed(value)
        return None if lazy._is_leaf else Results("value", [lazy])
    return None


class Arguments:
    """What a layer takes, and how its calls find their arguments among its inputs."""

    def __init__(self) -> None:
        self.inputs: list[tuple[Node, Any]] = []
        self.args: list[Any] = []
        self.kwargs: dict[str, Any] = {}
        self.token: list[Any] = []
        self.npartitions: int | None = None

    @classmethod
    def of(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Sort the arguments of a call.

        Raises
        ------
        ValueError
            If there is no bag among them, or they have different numbers of partitions.
        """
        found = cls()
        found.args = [found._slot(value) for value in args]
        found.kwargs = {name: found._slot(value) for name, value in kwargs.items()}
        if found.npartitions is None:
            raise ValueError("At least one argument must be a Bag.\nhint: call the function itself on plain values")
        found.token = [
            [(slot.number, slot.spread) if isinstance(slot, Slot) else slot for slot in found.args],
            {
                name: (slot.number, slot.spread) if isinstance(slot, Slot) else slot
                for name, slot in found.kwargs.items()
            },
        ]
        return found

    def _slot(self, value: Any) -> Any:
        from raskal.bag.collection import Bag

        if isinstance(value, Bag):
            if self.npartitions not in (None, value.npartitions):
                raise ValueError(
                    "All bags must have the same number of partitions.\n"
                    f"got {self.npartitions} and {value.npartitions}; hint: call .repartition(npartitions=...) first"
                )
            self.npartitions = value.npartitions
            self.inputs.append((value._node, "one"))
            return Slot(len(self.inputs) - 1, spread=True)
        single = as_single(value)
        if single is None:
            return value
        self.inputs.append((single, SINGLE))
        return Slot(len(self.inputs) - 1, spread=False)
