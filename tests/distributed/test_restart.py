"""A scheduler that is killed and started again, and connections that break: nothing is lost, nothing hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from raskal.distributed import Client, Event, Lock, Queue, Semaphore, Variable, wait
from raskal.distributed.cluster import find_command


class Parts:
    """A scheduler and workers as processes of their own, each of which can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = str(folder / "scheduler.json")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *command: str, **options) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "RASKAL_LOG": "info"}
        log = open(self.folder / f"log-{len(self.processes)}", "w")
        process = subprocess.Popen(command, env=environment, stderr=log, text=True, **options)
        self.processes.append(process)
        return process

    def scheduler(self, *more: str) -> subprocess.Popen[str]:
        where = ["--port", str(self.port), "--scheduler-file", self.file, "--no-dashboard"]
        process = self.start(find_command(), "scheduler", *where, *more, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    def worker(self, name: str) -> subprocess.Popen[str]:
        options = ["--scheduler-file", self.file, "--nthreads", "1", "--name", name]
        return self.start(sys.executable, "-m", "raskal.node", *options, stdout=subprocess.DEVNULL)

    def end(self) -> None:
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


@pytest.fixture
def parts(tmp_path) -> Iterator[Parts]:
    parts = Parts(tmp_path)
    try:
        yield parts
    finally:
        parts.end()


def stamped(size: int) -> np.ndarray:
    """An array that tells which process made it, and when."""
    return np.full(size, hash((os.getpid(), time.monotonic_ns())) % 2**40)


def slow(folder: str, number: int) -> int:
    Path(folder, f"begun-{number}-{time.monotonic_ns()}").touch()
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.01)
    return number


def begun(folder: Path) -> int:
    return len(list(folder.glob("begun-*")))


def test_a_killed_scheduler_that_is_started_again_loses_nothing(parts, tmp_path):
    scheduler = parts.scheduler()
    parts.worker("a")
    parts.worker("b")
    work = tmp_path / "work"
    work.mkdir()
    with Client(scheduler_file=parts.file, timeout=60) as client:
        client.wait_for_workers(2, timeout=60)
        made = client.map(stamped, [100_000] * 4)
        stamps = [int(value[0]) for value in client.gather(made)]
        scattered = client.scatter(np.arange(50_000))
        running = client.map(slow, [str(work)] * 2, range(2))
        waiting = client.submit(sum, running)
        while begun(work) < 2:
            time.sleep(0.01)

        scheduler.kill()
        scheduler.wait()
        during = client.submit(lambda a, b: a + b, waiting, 10)
        parts.scheduler()

        after = client.submit(lambda value: int(value[0]), made[0])
        (work / "go").touch()
        assert client.gather([waiting, during]) == [1, 11]
        assert after.result() == stamps[0]
        # Values were neither made again nor lost, and what ran went on.
        assert [int(value[0]) for value in client.gather(made)] == stamps
        assert begun(work) == 2
        assert scattered.result().sum() == np.arange(50_000).sum()
        assert len(client.scheduler_info()["workers"]) == 2


def test_what_clients_share_by_name_outlives_a_killed_scheduler(parts):
    scheduler = parts.scheduler()
    parts.worker("a")
    with Client(scheduler_file=parts.file, timeout=60) as client, Client(scheduler_file=parts.file) as other:
        client.wait_for_workers(1, timeout=60)
        queue, variable = Queue("q", client=client), Variable("v", client=client)
        for number in range(3):
            queue.put(number)
        assert queue.get() == 0
        made = client.submit(stamped, 50_000)
        stamp = int(made.result()[0])
        queue.put(made)
        variable.set({"of": "both"})
        client.publish_dataset(kept=made)
        Event("e", client=client).set()
        lock, semaphore = Lock("l", client=client), Semaphore(2, name="s", client=client)
        assert lock.acquire()
        assert semaphore.acquire()
        # Nobody but the board keeps it from here on.
        del made
        answers: list[str] = []
        waiting = threading.Thread(target=lambda: answers.append(Queue("late", client=other).get(timeout=60)))
        waiting.start()

        scheduler.kill()
        scheduler.wait()
        parts.scheduler()

        assert Queue("q", client=other).qsize() == 3
        assert [queue.get(), queue.get()] == [1, 2]
        assert int(queue.get().result()[0]) == stamp
        assert Variable("v", client=other).get() == {"of": "both"}
        assert int(other.get_dataset("kept").result()[0]) == stamp
        assert Event("e", client=other).wait(timeout=60)
        # What was leased still is, by whom it was.
        assert not Lock("l", client=other).acquire(timeout=0)
        lock.release()
        assert Lock("l", client=other).acquire(timeout=60)
        second = Semaphore(2, name="s", client=other)
        assert second.acquire(timeout=60)
        assert not second.acquire(timeout=0)
        semaphore.release()
        assert second.acquire(timeout=60)
        # And what somebody waited for when it was killed comes.
        Queue("late", client=client).put("it came")
        waiting.join(timeout=60)
        assert answers == ["it came"]


def test_a_worker_that_dies_with_its_scheduler_has_its_results_made_again(parts):
    scheduler = parts.scheduler()
    workers = {name: parts.worker(name) for name in ("a", "b")}
    with Client(scheduler_file=parts.file, timeout=60) as client:
        client.wait_for_workers(2, timeout=60)
        futures = client.map(lambda number: np.full(50_000, number), range(6))
        wait(futures)
        scheduler.kill()
        workers["a"].kill()
        parts.scheduler()
        assert [int(value[0]) for value in client.gather(futures)] == list(range(6))


def test_without_a_journal_the_end_of_a_scheduler_is_told_at_once(parts):
    scheduler = parts.scheduler("--no-journal")
    worker = parts.worker("a")
    with Client(scheduler_file=parts.file, timeout=60) as client:
        client.wait_for_workers(1, timeout=60)
        future = client.submit(time.sleep, 600)
        scheduler.kill()
        with pytest.raises(OSError, match="could not be reached again"):
            future.result(timeout=60)
    assert worker.wait(timeout=60) == 1


def test_a_scheduler_that_ends_in_order_ends_its_cluster(parts):
    scheduler = parts.scheduler()
    worker = parts.worker("a")
    with Client(scheduler_file=parts.file, timeout=60) as client:
        client.wait_for_workers(1, timeout=60)
        scheduler.send_signal(signal.SIGINT)
        assert scheduler.wait(timeout=60) == 0
        assert worker.wait(timeout=60) == 0
    assert not list(parts.folder.glob("*.journal"))


def test_a_worker_that_hangs_is_found_and_its_work_done_elsewhere(parts):
    parts.scheduler("--worker-timeout", "2s")
    workers = {name: parts.worker(name) for name in ("a", "b")}
    with Client(scheduler_file=parts.file, timeout=60) as client:
        client.wait_for_workers(2, timeout=60)
        held = client.submit(lambda: np.full(50_000, 7), workers="a", allow_other_workers=True)
        wait([held])
        workers["a"].send_signal(signal.SIGSTOP)
        assert client.submit(lambda value: int(value.sum()), held).result(timeout=60) == 350_000
        assert [worker["name"] for worker in client.scheduler_info()["workers"].values()] == ["b"]
        workers["a"].send_signal(signal.SIGCONT)
        assert int(held.result()[0]) == 7
