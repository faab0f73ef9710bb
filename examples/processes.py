"""A cluster of real processes on this machine: one `raskal scheduler` and some `raskal worker`s.

Start at `Cluster`. It is what a person types into terminals, written down: nothing of raskal is imported, the processes
are started from the command line and found through the scheduler's file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
COMMAND = ROOT / "python" / "raskal" / "bin" / "raskal"
START_SECONDS = 30.0


def command() -> str:
    """Return the path of the `raskal` command: the checkout's, else the installed one."""
    found = str(COMMAND) if COMMAND.exists() else shutil.which("raskal")
    if found is None:
        sys.exit("the raskal command is missing: run `make extension-release`, or pip install .")
    return found


class Cluster:
    """One scheduler and `workers` worker processes with `threads` threads each; all are ended on leaving.

    Attributes
    ----------
    address : str
        What `Client(address)` takes.
    dashboard : str
        The dashboard's address.
    workers : list of subprocess.Popen
        The worker processes, in the order of their start.
    """

    def __init__(self, workers: int = 2, threads: int = 1) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="raskal-cluster-"))
        self.scheduler_file = self.folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._all: list[subprocess.Popen[bytes]] = []
        try:
            self._start("scheduler", "--port", "0", "--dashboard-address", "127.0.0.1:0")
            contact = self._contact()
            self.address: str = contact["addresses"][0]
            self.dashboard: str = contact.get("dashboard") or "none"
            # Clients find the scheduler's certificate and token in its file, which is not in the usual folder.
            os.environ["RASKAL_SCHEDULER_FILE"] = str(self.scheduler_file)
            # Tasks run in this Python, with the packages it has.
            python = ("--python", sys.executable)
            for number in range(workers):
                self.workers.append(
                    self._start("worker", *python, "--nthreads", str(threads), "--name", f"worker-{number}")
                )
        except BaseException:
            self.close()
            raise

    def _start(self, role: str, *arguments: str) -> subprocess.Popen[bytes]:
        line = [command(), role, "--scheduler-file", str(self.scheduler_file), "--end-with-stdin", *arguments]
        log = (self.folder / f"{role}-{len(self._all)}.log").open("wb")
        # Pickled functions name their modules, which are the checkout's.
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
        }
        process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment)
        self._all.append(process)
        return process

    def _contact(self) -> dict[str, Any]:
        """Return what the scheduler wrote into its file, once it has."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._all[0].poll() is not None:
                break
            try:
                return json.loads(self.scheduler_file.read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                time.sleep(0.01)
        raise RuntimeError(f"the scheduler did not start within {START_SECONDS:.0f} s; its log:\n{self.logs()}")

    def logs(self) -> str:
        """Return the last lines of every process."""
        parts = []
        for path in sorted(self.folder.glob("*.log")):
            parts.append(f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-15:]))
        return "\n".join(parts)

    def kill(self, number: int) -> None:
        """End one worker as a power cut would: SIGKILL to it and to the Python processes that it started."""
        process = psutil.Process(self.workers[number].pid)
        for victim in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
        self.workers[number].wait()

    def peak_mb(self) -> float:
        """Return the sum of the workers' peak memories so far, MB (each process's high-water mark)."""
        return sum(
            high_water_mb(process.pid)
            for worker in self.workers
            if worker.poll() is None
            for process in [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
        )

    def close(self) -> None:
        """End every process: politely, then not."""
        for process in reversed(self._all):
            if process.poll() is None:
                process.terminate()
        for process in self._all:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        os.environ.pop("RASKAL_SCHEDULER_FILE", None)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.logs(), file=sys.stderr)
        self.close()


def high_water_mb(pid: int) -> float:
    """Return a process's peak memory, MB: VmHWM where /proc has it, else what it holds now; 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
        return psutil.Process(pid).memory_info().rss / 1e6
    except (OSError, psutil.NoSuchProcess):
        return 0.0
