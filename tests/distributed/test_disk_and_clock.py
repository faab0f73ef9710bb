"""Disks that lie or refuse, and clocks that jump: results stay right."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

import raskal.array as da
from raskal.distributed import Client, Scheduler, Worker, wait


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    with Scheduler(dashboard_address=None, silence_logs=True) as scheduler:
        yield scheduler


def numbers(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(1_250_000)  # 10 MB


def on_disk(client: Client) -> int:
    return sum(worker["memory_spilled"] for worker in client.scheduler_info()["workers"].values())


def fill(client: Client, count: int) -> list:
    """Results that take more memory than their worker has; they are there when this returns."""
    futures = client.map(numbers, range(count))
    wait(futures)
    # The worker tells how much is on disk once a second.
    while on_disk(client) < 20_000_000:
        client.submit(abs, -1, pure=False).result()
    return futures


def spilled_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "spill" in str(path.parent.relative_to(folder))]


def test_values_whose_files_are_damaged_are_computed_again(scheduler, tmp_path):
    worker = Worker(scheduler.contact, nthreads=1, memory_limit="300MB", local_directory=tmp_path, silence_logs=True)
    with worker, Client(scheduler.contact, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=60)
        futures = fill(client, 24)
        damaged = 0
        for path in spilled_files(tmp_path):
            with contextlib.suppress(FileNotFoundError):  # a file may be gone by now, its value is in memory again
                size = path.stat().st_size
                if size > 1_000_000:
                    with open(path, "r+b") as file:
                        file.seek(size // 2)
                        file.write(b"not what was there")
                    damaged += 1
        assert damaged
        # As inputs of Python tasks, as inputs of native ones, and as results that a client asks for.
        sums = client.gather(client.map(np.sum, futures))
        assert sums == [numbers(seed).sum() for seed in range(24)]
        assert float(client.gather(futures[0]).sum()) == sums[0]


@pytest.mark.xfail(strict=False, reason="now and then a damaged value is reported as one that can't be pickled")
def test_native_values_whose_files_are_damaged_are_computed_again(scheduler, tmp_path):
    worker = Worker(scheduler.contact, nthreads=1, memory_limit="300MB", local_directory=tmp_path, silence_logs=True)
    with worker, Client(scheduler.contact) as client:
        client.wait_for_workers(1, timeout=60)
        x = client.persist(da.random.default_rng(0).random(30_000_000, chunks=1_250_000))
        expected = float(da.random.default_rng(0).random(30_000_000, chunks=1_250_000).sum().compute())
        wait(x)
        while on_disk(client) < 20_000_000:
            client.submit(abs, -1, pure=False).result()
        for path in spilled_files(tmp_path):
            with contextlib.suppress(FileNotFoundError):
                size = path.stat().st_size
                if size > 1_000_000:
                    os.truncate(path, size - 100)
        assert float(x.sum().compute()) == pytest.approx(expected, rel=1e-12)


def test_a_worker_whose_disk_refuses_keeps_values_in_memory_and_goes_on(scheduler, tmp_path):
    folder = tmp_path / "local"
    worker = Worker(scheduler.contact, nthreads=1, memory_limit="800MB", local_directory=folder, silence_logs=True)
    with worker, Client(scheduler.contact, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=60)
        # Nothing can be made in the folder of its temporary files any more.
        shutil.rmtree(folder)
        folder.write_text("in the way")
        futures = client.map(numbers, range(52))  # 520 MB: more than values may take before they go to disk
        assert client.gather(client.map(np.sum, futures)) == [numbers(seed).sum() for seed in range(52)]
        assert on_disk(client) == 0


def test_scattered_data_outlives_the_worker_that_held_it(scheduler):
    first, second = (Worker(scheduler.contact, nthreads=1, name=name, silence_logs=True) for name in ("a", "b"))
    with first, second, Client(scheduler.contact, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        kept = client.scatter([np.full(50_000, number) for number in range(4)])
        node = psutil.Process(first.pid)
        for process in [*node.children(recursive=True), node]:
            process.kill()
        sums = client.gather(client.map(np.sum, kept))
        assert sums == [50_000 * number for number in range(4)]


#: Stands between a process and its clock: as long as there is a certain file, it is another day.
JUMPS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    const char *day = getenv("ANOTHER_DAY");
    if (clock == CLOCK_REALTIME && day && access(day, F_OK) == 0) now->tv_sec -= 3 * 86400;
    return result;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler to make a clock that jumps")
def test_clocks_that_jump_change_nothing(scheduler, tmp_path):
    (tmp_path / "jumps.c").write_text(JUMPS)
    library, day = tmp_path / "jumps.so", tmp_path / "another-day"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "jumps.c", "-ldl"], check=True)
    environment = {"LD_PRELOAD": str(library), "ANOTHER_DAY": str(day)}
    worker = Worker(scheduler.contact, nthreads=1, env=environment, silence_logs=True)
    with worker, Client(scheduler.contact, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=60)
        pid = client.submit(os.getpid, pure=False).result()
        for jump in (day.touch, day.unlink, day.touch):
            futures = client.map(lambda number: number + 1, range(200), pure=False)
            jump()
            assert client.gather(futures) == list(range(1, 201))
        assert (
            abs(client.submit(lambda: __import__("time").time(), pure=False).result() - __import__("time").time())
            > 86400
        )
        assert client.submit(os.getpid, pure=False).result() == pid
