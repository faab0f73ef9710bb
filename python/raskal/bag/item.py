"""One value that bags give: `Item`.

Items are what reductions return. They convert to delayed values and back, and can be arguments of `Bag.map`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raskal._raskal import Delayed
from raskal.bag.layer import SINGLE, Kept, Layer, Node, Results, label, lower
from raskal.base import Collection, ProgramBuilder

__all__ = ["Item", "Partition"]


class Partition(Collection):
    """One task of a node."""

    __raskal_single__ = True

    def __init__(self, node: Node, number: int) -> None:
        self.node = node
        self.number = number

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        return [builder.layer_tasks(lower(self.node, builder))[self.number]]

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return results[0]

    def __raskal_tokenize__(self) -> tuple[str, int]:
        return self.node.prefix, self.number

    def to_delayed(self) -> Delayed:
        """The task's value as a delayed one."""
        return Delayed._of(self, f"('{self.node.prefix}', {self.number})")


class Item(Collection):
    """One lazy value.

    Parameters
    ----------
    dsk : dict
        A graph written by hand; see `Bag`.
    key : object
        The key of the value in it.
    layer : None
        Accepted for Dask's sake.

    Examples
    --------
    >>> import raskal.bag as db
    >>> total = db.range(5, npartitions=2).sum()
    >>> total.apply(lambda x: x + 1).compute(), int(total)
    (11, 10)
    """

    _node: Node
    __raskal_scheduler__ = "processes"

    def __init__(self, dsk: Any, key: Any, layer: Any = None) -> None:
        from raskal.bag.handmade import delayed_of

        self._node = Results("item", [delayed_of(dsk, [key])[0]])

    @classmethod
    def _of(cls, node: Node) -> Item:
        item = object.__new__(cls)
        item._node = node
        return item

    @classmethod
    def from_delayed(cls, value: Any) -> Item:
        """A delayed value as an item.

        Examples
        --------
        >>> import raskal
        >>> raskal.bag.Item.from_delayed(raskal.delayed(3)).compute()
        3
        """
        from raskal.bag.arguments import as_delayed

        return cls._of(Results("item", [as_delayed(value)]))

    @property
    def key(self) -> tuple[str, int]:
        """The key of the task."""
        return self._node.prefix, 0

    def __repr__(self) -> str:
        return f"raskal.bag.Item<{self._node.prefix.rpartition('-')[0]}>"

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        return builder.layer_tasks(lower(self._node, builder))

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return results[0]

    __raskal_single__ = True

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Item:
        return Item._of(Kept(prefix, handle))

    def __raskal_tokenize__(self) -> str:
        return self._node.prefix

    def apply(self, func: Callable[[Any], Any]) -> Item:
        """Call a function with the value.

        Returns
        -------
        Item
        """
        return Item._of(Layer(f"apply-{label(func)}", func, [1], [(self._node, SINGLE)], _Apply(func), settle=False))

    def to_delayed(self, optimize_graph: bool = True) -> Delayed:
        """The value as a delayed one."""
        return Partition(self._node, 0).to_delayed()

    def __bool__(self) -> bool:
        return bool(self.compute())

    def __int__(self) -> int:
        return int(self.compute())

    def __float__(self) -> float:
        return float(self.compute())

    def __complex__(self) -> complex:
        return complex(self.compute())


class _Apply:
    """Calls a function of one value."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, _: Any, value: Any) -> Any:
        return self.function(value)
