"""The sampling profiler of an executor process: looks at the stacks of its task threads from time to time.

Start at `start`, which ``crates/raskal-py/src/executor.rs`` calls. The configuration ``distributed.worker.profile``
switches it off or sets its pace. It never touches a task: it reads frames, counts them, and passes the counts on.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from types import CodeType, FrameType
from typing import Any, Protocol

from raskal import config
from raskal.utils import parse_timedelta

__all__ = ["Sampler", "start"]

# What is above these in a stack is the task's own; below is how its thread came to run it.
_THREADING = threading.__file__
# A module that imports another has some five of these in between, which tell nothing.
_IMPORTING = "<frozen importlib"
_STACKS_MAX = 500
_DEPTH_MAX = 200
# An executor that does nothing is looked at so many times more rarely.
_IDLE_FACTOR = 10

_Place = tuple[CodeType, int]


class _Executor(Protocol):
    def running(self) -> list[tuple[int, str]]: ...

    def profiled(
        self, interval_us: int, frames: list[tuple[str, str, int]], stacks: list[tuple[str, list[int], int]]
    ) -> None: ...


def start(executor: _Executor) -> None:
    """Start to sample the threads of an executor, unless the configuration says not to.

    Parameters
    ----------
    executor : object
        Tells what the threads run, and takes the samples.
    """
    if not config.get("distributed.worker.profile.enabled", True):
        return
    interval = _seconds("interval", "10ms")
    cycle = _seconds("cycle", "1s")
    sampler = Sampler(executor, interval)
    threading.Thread(target=sampler.run, args=(cycle,), name="raskal-sampler", daemon=True).start()


def _seconds(name: str, usual: str) -> float:
    """A setting of the profile, in seconds; the usual one where it is empty."""
    return float(parse_timedelta(config.get(f"distributed.worker.profile.{name}", None) or usual) or 0.0)


class Sampler:
    """Counts the stacks of threads that run tasks.

    Parameters
    ----------
    executor : object
        Tells what the threads run, and takes the samples.
    interval : float
        Seconds between two looks.
    """

    def __init__(self, executor: _Executor, interval: float) -> None:
        self._executor = executor
        self._interval = interval
        self._stacks: Counter[tuple[str, tuple[_Place, ...]]] = Counter()

    def run(self, cycle: float) -> None:
        """Sample for ever, and pass the counts on every `cycle` seconds."""
        told = time.monotonic()
        while True:
            busy = self.look()
            if self._stacks and time.monotonic() - told >= cycle:
                self.tell()
                told = time.monotonic()
            time.sleep(self._interval if busy else self._interval * _IDLE_FACTOR)

    def look(self) -> bool:
        """Count the stack of each thread that runs a task; return whether any does."""
        running = self._executor.running()
        if not running:
            return False
        frames = sys._current_frames()
        for thread, layer in running:
            stack = _stack(frames.get(thread))
            if stack:
                self._stacks[layer, stack] += 1
        return True

    def tell(self) -> None:
        """Pass on what was counted since the last time."""
        places: dict[_Place, int] = {}
        stacks = []
        for (layer, stack), samples in self._stacks.most_common(_STACKS_MAX):
            stacks.append((layer, [places.setdefault(place, len(places)) for place in stack], samples))
        self._stacks.clear()
        frames = [(code.co_qualname, code.co_filename, line) for code, line in places]
        self._executor.profiled(round(self._interval * 1e6), frames, stacks)


def _stack(frame: FrameType | None) -> tuple[_Place, ...]:
    """The places from the task's outermost frame on; empty if the thread runs none."""
    places: list[Any] = []
    while frame is not None and len(places) < _DEPTH_MAX:
        if frame.f_code.co_filename == _THREADING and frame.f_code.co_name == "run":
            break
        # The line where the function begins, and not the one it is at: a tree of functions is what people read, and
        # loops would give a branch to each of their lines.
        if not frame.f_code.co_filename.startswith(_IMPORTING):
            places.append((frame.f_code, frame.f_code.co_firstlineno))
        frame = frame.f_back
    return tuple(reversed(places))
