"""What a case is: the same work written for several libraries.

Start at `Case`. Modules of cases import their libraries inside the functions, so that a child process loads only the
library that it measures.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from examples.make_data import Size

MODULES = (
    "benchmarks.tasks",
    "benchmarks.blocks",
    "benchmarks.processes",
    "benchmarks.bags",
    "benchmarks.spilling",
    "benchmarks.cluster",
    "benchmarks.cluster_engine",
    "benchmarks.tables",
    "benchmarks.series",
    "benchmarks.h2o",
    "benchmarks.tpch",
    "benchmarks.arrays",
    "benchmarks.array_kernels",
    "benchmarks.array_engine",
)


class WrongAnswerError(Exception):
    """A library's answer is not the expected one: it is not timed."""


@dataclass
class Prepared:
    """A library that is ready to be timed.

    Attributes
    ----------
    work : callable
        What is timed. Called once before, for its answer; all that is lazy is loaded then.
    check : callable
        Raises `WrongAnswerError` if the answer that it is given is wrong.
    units : int
        How many units one call of `work` does; the result is the time of one.
    processes : callable
        The ids of the other processes whose peak memory counts (a cluster's).
    seconds_of : callable, optional
        The time that counts, from the answer: for work that another program does, and times itself.
    """

    work: Callable[[], Any]
    check: Callable[[Any], None]
    units: int = 1
    processes: Callable[[], list[int]] = field(default=list)
    seconds_of: Callable[[Any], float] | None = None


Prepare = Callable[[Size], AbstractContextManager[Prepared]]


@dataclass(frozen=True)
class Case:
    """One line of work and who can do it.

    Attributes
    ----------
    name : str
    title : str
        One line for the table.
    unit : str
        "us per task", "us" or "s".
    libraries : dict of str to callable
        For each library a context manager that sets it up for a size and gives a `Prepared`.
    bars : dict of str to float
        For each peer the largest allowed ratio of our time to its time; for "fastest peer" to the best of `bar_among`.
    bar_among : tuple of str
        The peers that "fastest peer" stands for.
    environment : dict of str to dict of str to str
        For a library, environment variables that its documentation recommends for this work.
    limit : float, optional
        The most that our time may be, in the case's unit.
    over : dict of str to float
        For each peer by how much our time may be longer than its, in the case's unit.
    memory_bars : dict of str to float
        For each peer the largest allowed ratio of our memory to its: what a unit of work adds to the process's peak.
    peak_mb_max : float, optional
        The most that our peak memory may be, in MB, on the full size.
    """

    name: str
    title: str
    unit: str
    libraries: dict[str, Prepare]
    bars: dict[str, float] = field(default_factory=dict)
    bar_among: tuple[str, ...] = ()
    environment: dict[str, dict[str, str]] = field(default_factory=dict)
    limit: float | None = None
    over: dict[str, float] = field(default_factory=dict)
    memory_bars: dict[str, float] = field(default_factory=dict)
    peak_mb_max: float | None = None


def cases() -> Iterator[Case]:
    """Yield every case, in the order of the report."""
    for module in MODULES:
        yield from importlib.import_module(module).CASES


def expect(ok: bool, message: str) -> None:
    """Raise `WrongAnswerError` unless `ok`."""
    if not ok:
        raise WrongAnswerError(message)
