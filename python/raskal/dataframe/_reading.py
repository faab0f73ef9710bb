"""Partitions that tasks read, of which only the columns are read that somebody uses.

Start at `Reading`; `DataFrame.__getitem__` asks it for less. A reader is a callable ``reader(piece, columns)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from raskal.dataframe._tasks import Calls, Each, TaskPlan


class Reading(Calls):
    """Partitions that a reader makes of its pieces.

    Parameters
    ----------
    reader : callable
        ``reader(piece, columns)``; columns are the labels to read, or None for all.
    pieces : sequence
        One for each partition.
    columns : list of labels, optional
    name : str
    """

    def __init__(self, reader: Callable[..., Any], pieces: Sequence[Any], columns: Any, name: str) -> None:
        super().__init__(len(pieces), [], [], reader, (Each(list(pieces)), columns), name=name)
        self.reader = reader
        self.pieces = pieces
        self.columns = columns

    def project(self, columns: list[Any]) -> Reading:
        """The same partitions with these columns alone."""
        return Reading(self.reader, self.pieces, columns, self.name)


def projected(plan: Any, columns: list[Any]) -> TaskPlan | None:
    """The plan with these columns alone, if what reads it can leave the others out."""
    if isinstance(plan, TaskPlan) and isinstance(plan.node, Reading):
        return TaskPlan(plan.node.project(columns), plan.divisions, plan.root)
    return None
