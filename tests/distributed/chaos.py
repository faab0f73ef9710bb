"""Random schedules of kills against a cluster of real processes: no wrong result, and none that never comes.

Start at `play`. Each seed draws a graph of tasks with known answers, and what happens to the cluster while it runs:
nodes, executor processes and the scheduler are killed, or stopped for a while as if they hung. What was killed is
started again, and the next seed goes on with the same cluster and client. By hand, from the repository's root::

    python tests/distributed/chaos.py --schedules 1000
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import raskal.array as da
from raskal.distributed import Client, KilledWorker
from raskal.distributed.cluster import find_command

WORKERS = 3
#: A worker that is silent for so many seconds counts as lost.
WORKER_TIMEOUT = 2
#: No schedule takes so many seconds unless it hangs.
HANGS = 120


class Cluster:
    """A scheduler with a journal and workers, as processes that are killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = str(folder / "scheduler.json")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.scheduler = self._start_scheduler()
        self.workers = [self._start_worker(number) for number in range(WORKERS)]

    def _start(self, name: str, *command: str, **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "RASKAL_LOG": "info"}
        with open(self.folder / f"{name}.log", "a") as log:
            return subprocess.Popen(command, env=environment, stderr=log, text=True, **options)

    def _start_scheduler(self) -> subprocess.Popen[str]:
        where = ["--port", str(self.port), "--scheduler-file", self.file, "--no-dashboard"]
        options = [*where, "--worker-timeout", f"{WORKER_TIMEOUT}s"]
        process = self._start("scheduler", find_command(), "scheduler", *options, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline(), "the scheduler does not start"
        return process

    def _start_worker(self, number: int) -> subprocess.Popen[str]:
        # Another name each time: a worker that is stopped still has its own.
        name = f"w{number}-{time.monotonic_ns()}"
        options = ["--scheduler-file", self.file, "--nthreads", "1", "--name", name]
        return self._start(f"worker-{number}", sys.executable, "-m", "raskal.node", *options, stdout=subprocess.DEVNULL)

    # ---- what happens to it

    def kill_scheduler(self, _: random.Random) -> None:
        """End the scheduler at once, and start it again."""
        self.scheduler.kill()
        self.scheduler.wait()
        self.scheduler = self._start_scheduler()

    def kill_worker(self, draw: random.Random) -> None:
        """End a node at once, and start another in its place."""
        number = draw.randrange(WORKERS)
        self.workers[number].kill()
        self.workers[number].wait()
        self.workers[number] = self._start_worker(number)

    def kill_executor(self, draw: random.Random) -> None:
        """End an executor process at once; its node starts another."""
        executor = self._executor(draw)
        if executor is not None:
            executor.kill()

    def stop_worker(self, draw: random.Random) -> None:
        """Stop a node for a while, now and then for so long that it counts as lost."""
        self._stop(
            psutil.Process(self.workers[draw.randrange(WORKERS)].pid), draw.choice([0.1, 0.5, 1.5 * WORKER_TIMEOUT])
        )

    def stop_executor(self, draw: random.Random) -> None:
        """Stop an executor process for a while."""
        executor = self._executor(draw)
        if executor is not None:
            self._stop(executor, draw.choice([0.1, 0.5]))

    def stop_scheduler(self, draw: random.Random) -> None:
        """Stop the scheduler for a while."""
        self._stop(psutil.Process(self.scheduler.pid), draw.choice([0.1, 0.5]))

    def _executor(self, draw: random.Random) -> psutil.Process | None:
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.workers[draw.randrange(WORKERS)].pid).children()
            return draw.choice(children) if children else None
        return None

    @staticmethod
    def _stop(process: psutil.Process, seconds: float) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
            time.sleep(seconds)
            process.resume()

    def end(self) -> None:
        """End all processes."""
        for process in [*self.workers, self.scheduler]:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


KINDS: list[Callable[[Cluster, random.Random], None]] = [
    Cluster.kill_worker,
    Cluster.kill_executor,
    Cluster.kill_scheduler,
    Cluster.stop_worker,
    Cluster.stop_executor,
    Cluster.stop_scheduler,
]


def make(size: int, number: int, seconds: float) -> np.ndarray:
    """A root of a graph."""
    time.sleep(seconds)
    return np.arange(size, dtype=np.int64) * number


def combine(parts: list[np.ndarray], factor: int, seconds: float) -> np.ndarray:
    """What a task makes of others."""
    time.sleep(seconds)
    length = max(len(part) for part in parts)
    total = np.zeros(length, dtype=np.int64)
    for part in parts:
        total[: len(part)] += part
    return total * factor % 1_000_003


@dataclass
class Report:
    """What was played, and what came of it."""

    schedules: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    #: Results that were compared with what they must be.
    compared: int = 0
    #: Results that failed since three processes died under one task, as they may.
    killed: int = 0


def submit(client: Client, draw: random.Random) -> list[tuple[Any, Any]]:
    """Futures of a random graph, and what each must be."""
    sizes = [10, 2_000, 50_000]
    known: list[tuple[Any, np.ndarray]] = []
    for _ in range(draw.randint(3, 12)):
        size, number, seconds = draw.choice(sizes), draw.randint(1, 99), draw.choice([0, 0.01, 0.05])
        known.append((client.submit(make, size, number, seconds, pure=False), make(size, number, 0)))
    for _ in range(draw.randint(5, 25)):
        taken = [draw.choice(known) for _ in range(draw.randint(1, 4))]
        factor, seconds = draw.randint(1, 99), draw.choice([0, 0, 0.01, 0.05])
        future = client.submit(combine, [future for future, _ in taken], factor, seconds, pure=False)
        known.append((future, combine([value for _, value in taken], factor, 0)))
    # Some are given up before they are there: whoever needs them still has them.
    draw.shuffle(known)
    return known[: draw.randint(3, len(known))]


def native(client: Client, draw: random.Random) -> tuple[Any, Any]:
    """A future of a native computation, and what it must be."""
    side, chunk = draw.choice([(60, 20), (300, 100)])
    x = da.arange(side * side, chunks=side * chunk).reshape((side, side)).rechunk((chunk, side))
    numbers = np.arange(side * side).reshape(side, side)
    return client.compute((x.T + x).sum(axis=0)), (numbers.T + numbers).sum(axis=0)


def play(cluster: Cluster, client: Client, seed: int, report: Report) -> None:
    """Play one schedule.

    Raises
    ------
    AssertionError
        If a result is wrong, fails without cause or does not come.
    """
    draw = random.Random(seed)
    happens = [(draw.random() * 0.6, draw.choice(KINDS)) for _ in range(draw.randint(1, 3))]
    happens.sort(key=lambda one: one[0])
    troubles: list[BaseException] = []

    def trouble() -> None:
        try:
            begun = time.monotonic()
            for after, kind in happens:
                time.sleep(max(0.0, begun + after - time.monotonic()))
                kind(cluster, draw_trouble)
                report.happened[kind.__name__] += 1
        except BaseException as error:
            troubles.append(error)

    draw_trouble = random.Random(seed + 1)
    thread = threading.Thread(target=trouble)
    thread.start()
    try:
        wanted = [*submit(client, draw), native(client, draw)]
        for future, expected in wanted:
            try:
                value = future.result(timeout=HANGS)
            except KilledWorker:
                deadly = sum(kind.__name__.startswith("kill") or kind is Cluster.stop_worker for _, kind in happens)
                assert deadly >= 3, f"seed {seed}: a task was given up after {happens}"
                report.killed += 1
            except TimeoutError:
                raise AssertionError(f"seed {seed}: a result did not come within {HANGS} s after {happens}") from None
            else:
                np.testing.assert_array_equal(
                    value, expected, err_msg=f"seed {seed}: a result is wrong after {happens}"
                )
                report.compared += 1
    finally:
        thread.join()
    if troubles:
        raise troubles[0]
    report.schedules += 1


def main() -> None:
    """Play as many schedules as asked for, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=1_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="raskal-chaos-"))
    report, begun = Report(), time.monotonic()
    cluster = Cluster(folder)
    try:
        with Client(scheduler_file=cluster.file, timeout=60) as client:
            client.wait_for_workers(WORKERS, timeout=60)
            for seed in range(options.first, options.first + options.schedules):
                if time.monotonic() - begun > options.minutes * 60:
                    break
                try:
                    play(cluster, client, seed, report)
                except BaseException:
                    print(f"failed in seed {seed}; logs are in {folder}", file=sys.stderr)
                    raise
                if report.schedules % 20 == 0:
                    print(f"{time.monotonic() - begun:.0f} s: {report}", flush=True)
    finally:
        cluster.end()
    print(f"{report.schedules} schedules in {time.monotonic() - begun:.0f} s, nothing wrong, nothing hangs: {report}")


if __name__ == "__main__":
    main()
