"""The sampling profiler of executors, with a thread of this process in place of an executor's."""

from __future__ import annotations

import threading

from raskal._sampler import Sampler


class Executor:
    """One thread that runs a task of one layer, until it is told to end."""

    def __init__(self) -> None:
        self.told: list = []
        self.works = True
        self.begun, self.end = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.outer)
        self.thread.start()
        self.begun.wait()

    def outer(self) -> None:
        self.inner()

    def inner(self) -> None:
        self.begun.set()
        self.end.wait()

    def running(self) -> list[tuple[int, str]]:
        return [(self.thread.ident, "work-1f0a")] if self.works else []

    def profiled(self, interval_us, frames, stacks) -> None:
        self.told.append((interval_us, frames, stacks))


def test_stacks_are_counted_from_the_task_s_own_frames_on():
    executor = Executor()
    sampler = Sampler(executor, 0.01)
    try:
        assert all(sampler.look() for _ in range(3))
        sampler.tell()
        executor.works = False
        assert not sampler.look(), "a thread without a task is not looked at"
        sampler.tell()
    finally:
        executor.end.set()
        executor.thread.join()
    (interval_us, frames, stacks), (_, _, nothing) = executor.told
    assert interval_us == 10_000 and nothing == []
    ((layer, places, samples),) = stacks
    assert (layer, samples) == ("work-1f0a", 3)
    names = [frames[place][0] for place in places]
    assert names[:2] == ["Executor.outer", "Executor.inner"], names
    assert frames[places[0]][1] == __file__
