"""How many processors this process may use.

Start at `cpu_count`: the machine's, less what the affinity of the process and the limits of its container leave.
"""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress

__all__ = ["CPU_COUNT", "cpu_count", "workers_and_threads"]


def cpu_count() -> int:
    """Number of processors that this process may use; a part of one counts as one.

    Examples
    --------
    >>> 1 <= cpu_count() <= os.cpu_count()
    True
    """
    count = os.cpu_count() or 1
    with suppress(AttributeError, NotImplementedError):  # not on macOS and Windows
        count = min(count, len(os.sched_getaffinity(0)))
    if sys.platform == "linux":
        limit = _limit_of_groups()
        if limit is not None:
            count = min(count, max(1, math.ceil(limit)))
    return max(1, count)


def workers_and_threads(cores: int) -> tuple[int, int]:
    """How many workers of how many threads share a machine: few threads each, and a factor of the cores.

    Examples
    --------
    >>> workers_and_threads(4), workers_and_threads(16)
    ((4, 1), (4, 4))
    """
    if cores <= 4:
        return cores, 1
    count = min(part for part in range(1, cores + 1) if cores % part == 0 and part * part >= cores)
    return count, cores // count


def _limit_of_groups() -> float | None:
    """Processors that the control groups of this process leave, if they limit them."""
    limits = []
    for folder in ("cpuacct,cpu", "cpu,cpuacct"):
        quota, period = (_read(f"/sys/fs/cgroup/{folder}/cpu.cfs_{name}_us") for name in ("quota", "period"))
        limits.append(_ratio(quota, period))
    for line in _read("/proc/self/cgroup").splitlines():
        number, _, group = line.strip().split(":", 2)
        if number == "0":
            # A group has at most what those around it have.
            parts = [part for part in group.split("/") if part]
            for length in range(len(parts) + 1):
                path = "".join(f"{part}/" for part in parts[:length])
                quota, _, period = _read(f"/sys/fs/cgroup/{path}cpu.max").partition(" ")
                limits.append(_ratio(quota, period))
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def _ratio(quota: str, period: str) -> float | None:
    try:
        ratio = float(quota) / float(period)
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return None
    return ratio if ratio > 0 else None


CPU_COUNT = cpu_count()
"""The number when raskal was imported."""
