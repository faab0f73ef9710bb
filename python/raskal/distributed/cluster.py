"""A cluster on this machine: `LocalCluster`.

It starts the `raskal` scheduler and node processes as children, each with a pipe as standard input that it reads to the
end: when this process is gone, however it went, so are they.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from html import escape
from pathlib import Path
from typing import Any

__all__ = ["LocalCluster", "find_command"]

_START_SECONDS = 60.0


def find_command() -> str:
    """Find the `raskal` command.

    Returns
    -------
    str
        Its path: the checkout's, else the one beside Python, else the one on the PATH.

    Raises
    ------
    FileNotFoundError
        If it is in none of these places.
    """
    places = [Path(__file__).resolve().parent.parent / "bin" / "raskal", Path(sys.executable).parent / "raskal"]
    for place in places:
        if place.is_file():
            return str(place)
    found = shutil.which("raskal")
    if found is None:
        looked = ", ".join(map(str, places))
        raise FileNotFoundError(
            f"the raskal command is not in {looked}, nor on the PATH\n"
            "hint: install the package (pip install .), or run `make extension` in a checkout"
        )
    return found


class LocalCluster:
    """A scheduler and workers as processes of this machine.

    Parameters
    ----------
    n_workers : int, optional
        Worker processes; by default one.
    threads_per_worker : int, optional
        Python tasks that each runs at a time; by default the cores, shared among the workers.
    dashboard_address : str or None
        Where the dashboard listens, such as ``127.0.0.1:8787``; by default any free port of this machine. None for no
        dashboard.
    scheduler_port : int
        The scheduler's port; 0 for any.
    host : str
        Where scheduler and workers listen.
    memory_limit : str or int, optional
        Memory budget of each worker, such as ``"4GB"``.
    name : str, optional
        A name for people.
    silence_logs : bool
        Whether the processes' logs are dropped; otherwise they go to this process's standard error.
    processes : bool
        Always true: workers are processes.
    asynchronous : bool
        Not supported.

    Raises
    ------
    RuntimeError
        If a process does not start; the message holds its last words.
    FileNotFoundError
        If the `raskal` command is not installed.

    Notes
    -----
    Source: crates/raskal-server/src/run.rs, crates/raskal-runtime/src/node/

    Examples
    --------
    >>> from raskal.distributed import Client, LocalCluster
    >>> with LocalCluster(n_workers=1, threads_per_worker=1) as cluster, Client(cluster) as client:
    ...     client.submit(sum, [1, 2]).result()
    3
    """

    def __init__(
        self,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        processes: bool = True,
        dashboard_address: str | None = "127.0.0.1:0",
        scheduler_port: int = 0,
        host: str = "127.0.0.1",
        memory_limit: str | int | None = None,
        name: str | None = None,
        silence_logs: bool = False,
        asynchronous: bool = False,
        **kwargs: Any,
    ) -> None:
        if asynchronous:
            raise NotImplementedError(
                "asynchronous=True is not supported\nhint: use the blocking API, in a thread if need be"
            )
        if not processes:
            raise NotImplementedError(
                "processes=False is not supported: workers are processes\nhint: without a client raskal runs on the "
                "threads of this process"
            )
        if kwargs:
            raise TypeError(f"LocalCluster got unknown arguments {sorted(kwargs)}")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
        count = 1 if n_workers is None else n_workers
        if count < 0:
            raise ValueError(f"n_workers must be at least 0, got {n_workers}")
        self._threads = max(1, cores // max(1, count)) if threads_per_worker is None else threads_per_worker
        if self._threads < 1:
            raise ValueError(f"threads_per_worker must be at least 1, got {threads_per_worker}")
        self.name = name or f"LocalCluster-{os.getpid()}-{next(_numbers)}"
        self._memory_limit = memory_limit
        self._host = host
        self._sink = subprocess.DEVNULL if silence_logs else None
        self._folder = tempfile.mkdtemp(prefix="raskal-")
        self._file = str(Path(self._folder) / "scheduler.json")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._workers: list[subprocess.Popen[bytes]] = []
        self._finalizer = weakref.finalize(self, _end, self._processes, self._folder)
        self._started = 0
        try:
            self._start_scheduler(scheduler_port, dashboard_address)
            self._start_workers(count)
        except BaseException:
            self.close()
            raise

    def _start(self, command: list[str], **pipes: Any) -> subprocess.Popen[bytes]:
        # Workers import what this process can: modules beside its script, and paths that it added.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        environment = {"RASKAL_LOG": "warn", **os.environ, "PYTHONPATH": path}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self._sink, env=environment, **pipes)
        self._processes.append(process)
        return process

    def _start_scheduler(self, port: int, dashboard: str | None) -> None:
        command = [
            find_command(),
            "scheduler",
            "--host",
            self._host,
            "--port",
            str(port),
            "--scheduler-file",
            self._file,
        ]
        command += ["--no-dashboard"] if dashboard is None else ["--dashboard-address", dashboard]
        process = self._start([*command, "--end-with-stdin"], stdout=subprocess.PIPE)
        assert process.stdout is not None
        # It prints where it listens when it does, and closes its output when it can't.
        if not process.stdout.readline():
            raise RuntimeError(
                f"the scheduler ended with exit code {process.wait()} instead of starting; its log has more"
            )
        _drain(process)
        contact = json.loads(Path(self._file).read_text())
        self.scheduler_address: str = contact["addresses"][0]
        self.dashboard_link: str | None = contact.get("dashboard")

    def _start_workers(self, count: int) -> None:
        for _ in range(count):
            command = [sys.executable, "-m", "raskal.node", "--scheduler-file", self._file, "--end-with-stdin"]
            command += [
                "--nthreads",
                str(self._threads),
                "--name",
                f"{self.name}-{self._started}",
                "--host",
                self._host,
            ]
            if self._memory_limit is not None:
                command += ["--memory-limit", str(self._memory_limit)]
            self._workers.append(self._start(command, stdout=self._sink))
            self._started += 1

    def _wait_for_a_worker(self, client: Any) -> None:
        """Wait until one worker has joined, or all have ended instead."""
        deadline = time.monotonic() + _START_SECONDS
        while self._workers:
            try:
                return client.wait_for_workers(1, 0.2)
            except TimeoutError:
                codes = [worker.poll() for worker in self._workers]
                if None not in codes:
                    raise RuntimeError(
                        f"all workers ended instead of starting, with exit codes {codes}\n"
                        "hint: what they wrote to the standard error tells why"
                    ) from None
                if time.monotonic() > deadline:
                    raise

    @property
    def scheduler_file(self) -> str:
        """The file that lets clients find the scheduler and be let in."""
        return self._file

    @property
    def status(self) -> str:
        """``running`` or ``closed``."""
        return "running" if self._finalizer.alive else "closed"

    def scale(self, n: int) -> None:
        """Start or end workers until there are `n`.

        Parameters
        ----------
        n : int
            How many workers there are to be.
        """
        alive = [worker for worker in self._workers if worker.poll() is None]
        for worker in alive[n:]:
            worker.terminate()
        self._workers = alive[:n]
        self._start_workers(n - len(alive))

    def get_client(self) -> Any:
        """Connect a new client to the cluster."""
        from raskal.distributed.client import Client

        return Client(self)

    def close(self, timeout: float | None = None) -> None:
        """End all processes of the cluster.

        Parameters
        ----------
        timeout : float, optional
            Accepted for Dask's sake; ending takes no more than some seconds.
        """
        self._finalizer()

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        address = getattr(self, "scheduler_address", "not started")
        return f"LocalCluster({self.name!r}, {address!r}, workers={len(self._workers)}, threads={self._threads} each)"

    def _repr_html_(self) -> str:
        link = self.dashboard_link
        dashboard = f'<a href="{escape(link)}" target="_blank">{escape(link)}</a>' if link else "none"
        return (
            f"<strong>{escape(self.name)}</strong><ul><li>Scheduler: {escape(self.scheduler_address)}</li>"
            f"<li>Dashboard: {dashboard}</li>"
            f"<li>Workers: {len(self._workers)} of {self._threads} threads each</li></ul>"
        )


def _numbered() -> Any:
    number = 0
    while True:
        yield number
        number += 1


_numbers = _numbered()


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Read what a process still prints (where it listens, for people), so that it never waits for a reader."""

    def read() -> None:
        assert process.stdout is not None
        for _ in process.stdout:
            pass

    threading.Thread(target=read, name="raskal-scheduler-output", daemon=True).start()


def _end(processes: list[subprocess.Popen[bytes]], folder: str) -> None:
    """End processes: politely, by closing their standard input, then not."""
    for process in reversed(processes):
        if process.stdin is not None:
            try:
                process.stdin.close()
            except OSError:
                pass
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)
