"""How much memory the values of computations may take, and where they go when they take more.

Start at `limit_bytes`. The counting and the writing are Rust (``crates/raskal-store/src/budget.rs``); this module reads
the settings ``memory-limit`` and ``temporary-directory``.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from raskal import config
from raskal._raskal import machine_memory, memory_use, set_memory
from raskal.utils import parse_bytes

__all__ = ["limit_bytes", "usage"]

_last: tuple[Any, Any] | None = None


def as_limit(value: Any) -> int:
    """Return the bytes that a setting of ``memory-limit`` stands for.

    Parameters
    ----------
    value : int, float or str
        A part of what the cgroup or machine gives, above 0 and at most 1, or a size such as ``"4GiB"``.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(value, str):
        value = parse_bytes(value)
    if isinstance(value, bool) or value <= 0:
        raise ValueError(f"memory-limit must be a part of the memory (0.7) or a size ('4GiB'), got {value!r}")
    return int(machine_memory() * value) if value <= 1 else int(value)


def limit_bytes() -> int:
    """Return how many bytes the values of this process may take before some go to disk.

    Examples
    --------
    >>> import raskal
    >>> with raskal.config.set({"memory-limit": "2GiB"}):
    ...     raskal.memory.limit_bytes()
    2147483648
    """
    return as_limit(config.get("memory-limit", 0.7))


def usage() -> dict[str, int]:
    """Return what is counted now: bytes in memory, and values and bytes that went to disk so far.

    Examples
    --------
    >>> import raskal
    >>> sorted(raskal.memory.usage())
    ['in_memory', 'spilled_bytes', 'spilled_values']
    """
    in_memory, values, size = memory_use()
    return {"in_memory": in_memory, "spilled_values": values, "spilled_bytes": size}


def apply() -> None:
    """Have the engine follow the settings as they are now."""
    global _last
    settings = config.get("memory-limit", 0.7), config.get("temporary-directory", None)
    if settings != _last:
        folder = settings[1] if settings[1] is not None else tempfile.gettempdir()
        set_memory(as_limit(settings[0]), os.path.abspath(os.fspath(folder)))
        _last = settings
