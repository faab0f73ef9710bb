"""Protocols and names for annotations.

Start at `DaskCollection`: what an object needs so that raskal and Dask compute it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

__all__ = ["DaskCollection", "Graph", "HLGDaskCollection", "Key", "SchedulerGetCallable"]

Key: TypeAlias = "str | bytes | int | float | tuple[Key, ...]"
"""What can be a key of a graph."""

Graph: TypeAlias = Mapping[Key, Any]
"""A graph written as a dictionary: keys, and what each stands for."""


@runtime_checkable
class SchedulerGetCallable(Protocol):
    """A function that computes keys of a graph, for ``scheduler=``."""

    def __call__(self, dsk: Graph, keys: Sequence[Key] | Key, **kwargs: Any) -> Any:
        """Compute `keys` of `dsk`."""


@runtime_checkable
class DaskCollection(Protocol):
    """Something that can be computed, in Dask's protocol.

    Examples
    --------
    >>> import raskal
    >>> isinstance(raskal.delayed(1), DaskCollection), isinstance(1, DaskCollection)
    (True, False)
    """

    def __dask_graph__(self) -> Graph:
        """The tasks."""

    def __dask_keys__(self) -> list[Any]:
        """The keys of the outputs, in lists of any depth."""

    def __dask_postcompute__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """A function that makes the result of the outputs' values, and its further arguments."""

    def __dask_postpersist__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """A function that makes the same collection of a graph of computed outputs, and its further arguments."""

    def __dask_tokenize__(self) -> Hashable:
        """What tells this collection from others."""

    def compute(self, **kwargs: Any) -> Any:
        """Compute the result."""

    def persist(self, **kwargs: Any) -> Any:
        """Compute the parts and keep them."""

    def visualize(self, **kwargs: Any) -> Any:
        """Draw the tasks."""


@runtime_checkable
class HLGDaskCollection(DaskCollection, Protocol):
    """A collection that names its layers."""

    def __dask_layers__(self) -> Sequence[str]:
        """The names of the layers that its outputs are in."""
