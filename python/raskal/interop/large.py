"""Warning of large objects that travel with a graph.

Start at `warn`, which the engine calls when a graph is encoded for other processes.
"""

from __future__ import annotations

import warnings

from raskal import config
from raskal.utils import format_bytes, parse_bytes

__all__ = ["LargeGraphWarning", "warn"]


class LargeGraphWarning(UserWarning):
    """A graph carries much data to other processes."""


_told: set[str] = set()


def warn(total: int, size: int, what: str, name: str, key: str, origin: str | None) -> None:
    """Warn, once for each place, if a graph of `total` bytes is more than should travel.

    Parameters
    ----------
    total, size : int
        Bytes of the graph, and of its largest part.
    what : str
        What that part is: an argument, or what functions refer to.
    name, key : str
        The function and the task that it belongs to.
    origin : str or None
        The user's line, ``file:line``.
    """
    limit = parse_bytes(config.get("distributed.admin.large-graph-warning-threshold", "10MB"))
    place = origin or key
    if total <= limit or place in _told:
        return
    _told.add(place)
    made = f", made at {origin}" if origin else ""
    warnings.warn(
        f"this graph carries {format_bytes(total)} to other processes; the largest part is {what} of {name} "
        f"({format_bytes(size)}, task {key}{made})\n"
        "hint: have the tasks load their data themselves, or send it once: client.scatter(data), or "
        "raskal.delayed(data) as the argument of all",
        LargeGraphWarning,
        stacklevel=2,
    )
