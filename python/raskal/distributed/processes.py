"""The processes of a cluster, started from Python: `Scheduler`, `Worker`, `Nanny`.

Start at `ClusterProcess`. Each is a child with a pipe as standard input that it reads to the end: when this process is
gone, however it went, so is the child. They can be used by themselves (``with Scheduler() as s, Worker(s.contact)``),
and are what `SpecCluster` is made of.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from raskal import _nursery
from raskal.annotations import read_resources
from raskal.distributed._sync import in_thread
from raskal.distributed.picture import dashboard_link
from raskal.distributed.security import Security
from raskal.utils import parse_timedelta

__all__ = ["ClusterProcess", "Nanny", "Scheduler", "Worker", "find_command"]

Self = TypeVar("Self", bound="ClusterProcess")

_LOG_LINES = 1000

# Dask's place for a dashboard, for which the next free port will do.
_USUAL = (":8787", "8787")


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


def log_level(silence_logs: Any) -> str:
    """What processes log: ``silence_logs`` is the first level that is shown, True for nothing at all."""
    if silence_logs is True:
        return "off"
    if silence_logs is False or silence_logs is None:
        return "warn"
    level = (
        silence_logs
        if isinstance(silence_logs, int)
        else {"debug": 10, "info": 20, "warning": 30, "warn": 30}.get(str(silence_logs).lower(), 40)
    )
    return "debug" if level <= 10 else "info" if level <= 20 else "warn" if level <= 30 else "error"


class ClusterProcess:
    """A process of a cluster.

    It starts with `start`, at the beginning of a ``with`` or ``async with`` block, or when it is awaited.
    """

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | _nursery.Forked | None = None
        self.logs: deque[str] = deque(maxlen=_LOG_LINES)
        self.quiet = False
        self.log_level = "warn"
        self.environment: dict[str, str] = {}
        self._finalizer: Any = None
        self._listener: threading.Thread | None = None

    # ---- what kinds differ in

    def command(self) -> list[str]:
        """The command line."""
        raise NotImplementedError

    def output(self) -> int | None:
        """Where its standard output goes: what tasks print is to be seen, unless logs are silenced."""
        return subprocess.DEVNULL if self.quiet else None

    def first_input(self) -> bytes:
        """What the process reads first from its standard input."""
        return b""

    def is_up(self) -> None:
        """Wait until it is ready."""

    # ---- life

    @property
    def status(self) -> str:
        """``init``, ``running`` or ``closed``."""
        if self.process is None:
            return "init"
        return "running" if self.process.poll() is None else "closed"

    @property
    def pid(self) -> int | None:
        """The number of the process."""
        return None if self.process is None else self.process.pid

    def start(self: Self) -> Self:
        """Start the process, and wait until it is ready."""
        if self.process is None:
            self.launch()
            try:
                self.is_up()
            except BaseException:
                self.close()
                raise
        return self

    def launch(self) -> None:
        """Start the process without waiting for it."""
        # Workers import what this process can: modules beside its script, and paths that it added.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self.process = self.open({"RASKAL_LOG": self.log_level, **os.environ, "PYTHONPATH": path, **self.environment})
        self._finalizer = weakref.finalize(self, _end, self.process)
        first = self.first_input()
        if first:
            assert self.process.stdin is not None
            # One that has ended already does not read; whoever waits for it tells why it ended.
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(first)
                self.process.stdin.flush()
        self._listener = threading.Thread(
            target=_echo, args=(self.process.stderr, self.logs, self.quiet), name="raskal-log", daemon=True
        )
        self._listener.start()

    def open(self, environment: dict[str, str]) -> subprocess.Popen[bytes] | _nursery.Forked:
        """Make the process."""
        return subprocess.Popen(
            self.command(), stdin=subprocess.PIPE, stdout=self.output(), stderr=subprocess.PIPE, env=environment
        )

    def first_line(self) -> bytes:
        """The first line that it prints; empty if it ends instead."""
        assert self.process is not None and self.process.stdout is not None
        line = self.process.stdout.readline()
        threading.Thread(target=_drain, args=(self.process.stdout,), name="raskal-output", daemon=True).start()
        return line

    def last_words(self) -> str:
        """The end of what it wrote to its standard error, once it has ended."""
        if self._listener is not None:
            self._listener.join(timeout=1)
        words = list(self.logs)[-10:]
        return ":\n" + "\n".join(words) if words else ""

    def close(self, timeout: float | None = None) -> Any:
        """End the process: politely, by closing its standard input, then not."""
        if self._on_loop():
            return in_thread(self._close)
        return self._close()

    def _close(self) -> None:
        if self._finalizer is not None:
            self._finalizer()

    @staticmethod
    def _on_loop() -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    async def finished(self) -> None:
        """Wait until the process has ended."""
        if self.process is not None:
            await in_thread(self.process.wait)

    def __enter__(self: Self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self._close()

    async def _later(self: Self) -> Self:
        return await in_thread(self.start)

    def __await__(self: Self) -> Generator[Any, Any, Self]:
        return self._later().__await__()

    async def __aenter__(self: Self) -> Self:
        return await self

    async def __aexit__(self, *error: object) -> None:
        await in_thread(self._close)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.status}, process {self.pid}>"


def _drain(stream: Any) -> None:
    """Read what a process still prints, so that it never waits for a reader."""
    for _ in stream:
        pass


def _echo(stream: Any, logs: deque[str], quiet: bool) -> None:
    """Keep the last lines that a process writes to its standard error, and pass them on."""
    for line in stream:
        logs.append(line.decode(errors="replace").rstrip())
        if not quiet:
            try:
                os.write(2, line)
            except OSError:
                quiet = True


def _end(process: subprocess.Popen[bytes] | _nursery.Forked) -> None:
    if process.stdin is not None:
        try:
            process.stdin.close()
        except OSError:
            pass
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Scheduler(ClusterProcess):
    """A scheduler as a process of this machine.

    Parameters
    ----------
    host : str
        The host to listen at.
    port : int
        The port; 0 for any.
    dashboard_address : str or None
        Where the dashboard listens, such as ``:8787``; None for no dashboard.
    scheduler_file : str, optional
        The file that tells others where it is and lets them in; made in a temporary folder by default.
    security : Security, optional
        Certificates of one's own.
    interface : str, optional
        The network interface to listen at, in place of `host`.
    idle_timeout : str or float, optional
        For how long it may have nothing to do before it ends.
    options : list of str
        Further options of ``raskal scheduler``.
    **kwargs
        For Dask's sake; what is not known is refused.

    Examples
    --------
    >>> from raskal.distributed import Client, Scheduler, Worker
    >>> with Scheduler(dashboard_address=None) as s, Worker(s.contact, nthreads=1), Client(s.contact) as client:
    ...     client.submit(sum, [1, 2]).result()
    3
    """

    def __init__(
        self,
        host: str | None = None,
        port: int = 0,
        dashboard_address: str | None = ":0",
        scheduler_file: str | os.PathLike[str] | None = None,
        security: Any = None,
        interface: str | None = None,
        protocol: str | None = None,
        idle_timeout: Any = None,
        options: list[str] | None = None,
        silence_logs: Any = 30,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        _refuse_unknown(
            self, kwargs, {"dashboard", "service_kwargs", "services", "validate", "preload", "preload_argv"}
        )
        self.host, self.port, self.interface = host or "127.0.0.1", port or 0, interface
        self.dashboard = dashboard_address if kwargs.get("dashboard", True) else None
        self.security = Security.of(security)
        self.log_level, self.quiet = log_level(silence_logs), silence_logs is True
        self.options = list(options or ())
        if idle_timeout is not None:
            self.options += ["--idle-timeout", str(idle_timeout)]
        self._folder = None if scheduler_file is not None else tempfile.mkdtemp(prefix="raskal-")
        self.scheduler_file = str(scheduler_file or Path(self._folder or "") / "scheduler.json")
        if self._folder is not None:
            weakref.finalize(self, shutil.rmtree, self._folder, True)
        self.address = ""
        self.dashboard_link: str | None = None

    @property
    def contact(self) -> Contact:
        """What lets workers and clients find it and be let in."""
        return Contact(self.address, self.scheduler_file, self.security)

    def command(self) -> list[str]:
        """The command line."""
        place = ["--interface", self.interface] if self.interface else ["--host", self.host]
        command = [
            find_command(),
            "scheduler",
            *place,
            "--port",
            str(self.port),
            "--scheduler-file",
            self.scheduler_file,
            # It ends with the process that started it, whatever happens.
            "--no-journal",
        ]
        if self.dashboard is None:
            command.append("--no-dashboard")
        elif self.dashboard not in _USUAL:
            command += ["--dashboard-address", self.dashboard]
        if self.security is not None:
            command += self.security.options("scheduler")
        return [*command, *self.options, "--end-with-stdin"]

    def start(self) -> Scheduler:
        """Start the process, and wait until it listens."""
        try:
            return super().start()
        except RuntimeError:
            if self.dashboard not in _USUAL or "cannot open the dashboard" not in self.last_words():
                raise
            # Another scheduler took the port that was free a moment ago.
            self.dashboard, self.process = ":0", None
            return super().start()

    def output(self) -> int | None:
        """A pipe: it prints where it listens."""
        return subprocess.PIPE

    def is_up(self) -> None:
        """Wait until it prints where it listens."""
        assert self.process is not None
        # It closes its output when it can't.
        if not self.first_line():
            raise RuntimeError(
                f"the scheduler ended with exit code {self.process.wait()} instead of starting{self.last_words()}"
            )
        contact = json.loads(Path(self.scheduler_file).read_text())
        self.address = contact["addresses"][0]
        self.dashboard_link = dashboard_link(contact.get("dashboard"), self.address)


class Contact:
    """Where a scheduler is, and how to be let in: what `Client` and `Worker` take."""

    status = "running"

    def __init__(self, address: str, scheduler_file: str | None, security: Any = None) -> None:
        self.scheduler_address, self.scheduler_file, self.security = address, scheduler_file, security

    def close(self, timeout: Any = None) -> None:
        """Nothing to do: who started the scheduler ends it."""

    _close = close


class Worker(ClusterProcess):
    """A worker as processes of this machine: a node, and the executor processes that it starts.

    Parameters
    ----------
    scheduler : str, Contact or cluster
        The scheduler's address, or what knows it.
    name : str, optional
        A name for people.
    nthreads : int, optional
        Python tasks that each executor runs at a time.
    nworkers : int
        Executor processes.
    memory_limit : str, int, float or None
        Memory budget, such as ``"4GB"``; a number up to 1 is a part of the machine's; ``"auto"`` for the default.
    resources : dict, optional
        How much it has of resources that tasks may ask for.
    local_directory : str, optional
        Folder for temporary files.
    host, interface : str, optional
        Where other workers and clients reach it.
    port : int or str, optional
        The port there, or a range such as ``"9000:9100"``; by default any free one.
    contact_address : str, optional
        The address that others are told, where it is another.
    security : Security, optional
        Certificates of one's own.
    scheduler_file : str, optional
        The file that the scheduler wrote.
    death_timeout : float or str, optional
        For how long to look for the scheduler.
    lifetime, lifetime_stagger : float or str, optional
        After how long it leaves, and by how much more or less, by chance.
    lifetime_restart : bool
        Whether it starts anew then.
    preload : str or list of str
        Modules or files that its executors import first.
    env : dict, optional
        Variables of its environment.
    options : list of str
        Further options of ``raskal worker``.
    **kwargs
        For Dask's sake; what is not known is refused.
    """

    def __init__(
        self,
        scheduler: Any = None,
        scheduler_port: int | None = None,
        *,
        name: Any = None,
        nthreads: int | None = None,
        nworkers: int = 1,
        memory_limit: Any = "auto",
        resources: Mapping[str, float] | None = None,
        local_directory: str | os.PathLike[str] | None = None,
        host: str | None = None,
        interface: str | None = None,
        port: int | str | None = None,
        contact_address: str | None = None,
        security: Any = None,
        scheduler_file: str | os.PathLike[str] | None = None,
        death_timeout: Any = None,
        lifetime: Any = None,
        lifetime_stagger: Any = None,
        lifetime_restart: bool = False,
        preload: Any = None,
        preload_argv: Any = None,
        env: Mapping[str, Any] | None = None,
        options: list[str] | None = None,
        silence_logs: Any = 30,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        _refuse_unknown(self, kwargs, _OF_NO_USE)
        if nthreads is not None and nthreads < 1:
            raise ValueError(f"nthreads must be at least 1, got {nthreads}")
        if hasattr(scheduler, "scheduler_address"):
            scheduler_file = scheduler_file or scheduler.scheduler_file
            security = security if security is not None else getattr(scheduler, "security", None)
            scheduler = scheduler.scheduler_address
        elif isinstance(scheduler, Scheduler):
            scheduler_file, scheduler = scheduler.scheduler_file, scheduler.address
        if scheduler is not None and scheduler_port is not None:
            scheduler = f"tls://{scheduler}:{scheduler_port}"
        self.scheduler, self.scheduler_file = scheduler, scheduler_file
        self.name, self.nthreads, self.nworkers = name, nthreads, nworkers
        self.memory_limit, self.resources = memory_limit, read_resources(resources)
        self.local_directory, self.host, self.interface = local_directory, host, interface
        self.security = Security.of(security)
        self.port, self.contact_address = port or kwargs.get("worker_port"), contact_address
        self.death_timeout, self.lifetime = _seconds(death_timeout), _seconds(lifetime)
        self.lifetime_stagger, self.lifetime_restart = _seconds(lifetime_stagger), lifetime_restart
        self.preload = [preload] if isinstance(preload, str) else list(preload or ())
        self.preload_argv = list(preload_argv or ())
        self.environment = {key: str(value) for key, value in (env or {}).items()}
        self.log_level, self.quiet = log_level(silence_logs), silence_logs is True
        self.options = list(options or ())

    def command(self) -> list[str]:
        """The command line."""
        command = [sys.executable, "-m", "raskal.node"]
        if self.scheduler is not None:
            command.append(str(self.scheduler))
        given = {
            "--scheduler-file": self.scheduler_file,
            "--name": self.name,
            "--nthreads": self.nthreads,
            "--nworkers": self.nworkers,
            "--memory-limit": _bytes(self.memory_limit),
            "--resources": " ".join(f"{name}={amount}" for name, amount in self.resources) or None,
            "--local-directory": self.local_directory,
            "--host": self.host,
            "--interface": self.interface,
            "--worker-port": self.port,
            "--contact-address": self.contact_address,
            "--death-timeout": self.death_timeout,
            "--lifetime": self.lifetime,
            "--lifetime-stagger": self.lifetime_stagger,
        }
        for option, value in given.items():
            command += [] if value is None else [option, str(value)]
        for module in self.preload:
            command += ["--preload", str(module)]
        if self.security is not None:
            command += self.security.options("worker")
        command += ["--lifetime-restart"] if self.lifetime_restart else []
        command += [*self.options, "--end-with-stdin"]
        return [*command, "--", *map(str, self.preload_argv)] if self.preload_argv else command

    def open(self, environment: dict[str, str]) -> subprocess.Popen[bytes] | _nursery.Forked:
        """Make the process: forked, unless its Python is to start with other variables than those of its like."""
        if self.environment or not _nursery.available():
            return super().open(environment)
        try:
            return nursery_of(environment).spawn("raskal.node:main", self.command()[3:], environment, self.output())
        except OSError:
            # Somebody ended it, which need not end us.
            return super().open(environment)

    def _close(self) -> None:
        super()._close()
        end_nurseries()


_nurseries: dict[str, _nursery.Nursery] = {}
_nurseries_lock = threading.Lock()


def nursery_of(environment: Mapping[str, str]) -> _nursery.Nursery:
    """What forks workers of this environment for this process.

    Parameters
    ----------
    environment : dict
        What Python starts with. Processes of another folder or environment are not forked from the same one.
    """
    kind = json.dumps([os.getpid(), os.getcwd(), sorted(environment.items())])
    with _nurseries_lock:
        nursery = _nurseries.get(kind)
        if nursery is None or nursery.ended:
            nursery = _nurseries[kind] = _nursery.Nursery(environment)
        return nursery


def end_nurseries() -> None:
    """End those of which no process is left."""
    with _nurseries_lock:
        for kind, nursery in list(_nurseries.items()):
            if nursery.is_empty:
                del _nurseries[kind]
                nursery.close()


class Nanny(Worker):
    """The same as `Worker`: a node always watches over its executor processes, and starts those anew that die."""


_OF_NO_USE = {
    "services", "reconnect", "validate", "quiet", "dashboard", "dashboard_address", "dashboard_prefix", "protocol",
    "worker_class", "worker_port", "loop", "executor", "heartbeat_interval", "config",
    "preload_nanny", "preload_nanny_argv", "service_kwargs", "http_prefix", "nanny",
}  # fmt: skip


def _refuse_unknown(process: Any, kwargs: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(kwargs) - known)
    if unknown:
        raise TypeError(f"{type(process).__name__} got unknown arguments {unknown}")


def _seconds(time: Any) -> float | None:
    """A time as the command takes it."""
    return None if time is None else parse_timedelta(time)


def _bytes(limit: Any) -> str | None:
    """A memory limit as the command takes it."""
    if limit is None:
        return "0"
    if limit == "auto":
        return None
    if isinstance(limit, float) and 0 < limit <= 1:
        from raskal.memory import as_limit

        return str(as_limit(limit))
    return str(int(limit)) if isinstance(limit, (int, float)) else str(limit)
