"""Plug-ins: code that runs when workers start and end, and when the cluster changes.

Start at `WorkerPlugin` and `SchedulerPlugin`; `Client.register_plugin` takes them. The scheduler and the nodes are Rust
programs that run no Python: what is set up on a worker runs in its executor processes before their first task, now and
whenever one starts, and a scheduler plug-in is told of events in the process of the client that registered it.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import io
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

__all__ = [
    "CondaInstall",
    "Environ",
    "ForwardOutput",
    "InstallPlugin",
    "NannyPlugin",
    "PipInstall",
    "SchedulerPlugin",
    "UploadDirectory",
    "UploadFile",
    "WorkerPlugin",
]

logger = logging.getLogger("raskal.distributed")


class WorkerPlugin:
    """Something that is set up in every executor process of every worker.

    Subclass it and register an instance with `Client.register_plugin`. `setup` runs before the process's first task.

    Notes
    -----
    Differs from Dask: `transition` is called for Python tasks that begin and end, in the process and on the thread that
    runs them; what comes before and after is Rust's, and not told.

    Examples
    --------
    >>> from raskal.distributed import Client, WorkerPlugin
    >>> class Ready(WorkerPlugin):
    ...     def setup(self, worker):
    ...         worker.is_ready = True
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     _ = client.register_plugin(Ready())
    ...     list(client.run(lambda dask_worker: dask_worker.is_ready).values())
    [True]
    """

    idempotent = False

    def setup(self, worker: Any) -> Any:
        """Set up, in the process of `worker`; may be a coroutine function."""

    def teardown(self, worker: Any) -> Any:
        """Undo it, when the plug-in is unregistered."""

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """A task begins or ends: from ``"ready"`` to ``"executing"``, and on to ``"memory"`` or ``"error"``.

        Parameters
        ----------
        key : str
            The task's key.
        start, finish : str
            The states.
        """


class NannyPlugin:
    """Something that prepares the surroundings of tasks, such as variables of the environment.

    Notes
    -----
    Differs from Dask: the process that watches over executors runs no Python, so `setup` runs in each executor before
    its first task, and `restart` has executors that are there start anew.
    """

    idempotent = False
    restart = False

    def setup(self, nanny: Any) -> Any:
        """Set up, in the process of an executor."""

    def teardown(self, nanny: Any) -> Any:
        """Undo it, when the plug-in is unregistered."""


class SchedulerPlugin:
    """Something that is told what happens to the cluster, in the process of the client that registered it.

    `start` is given a view of the scheduler. Workers and clients that come and go are told of; tasks are not, one by
    one: `Client.get_task_stream` and the dashboard show them.
    """

    idempotent = False
    name: str

    async def start(self, scheduler: Any) -> None:
        """Called at registration."""

    async def before_close(self) -> None:
        """Called before `close`."""

    async def close(self) -> None:
        """Called when the plug-in is unregistered or its client is closed."""

    def add_worker(self, scheduler: Any, worker: str) -> Any:
        """A worker came."""

    def remove_worker(self, scheduler: Any, worker: str, **kwargs: Any) -> Any:
        """A worker is gone."""

    def add_client(self, scheduler: Any, client: str) -> Any:
        """A client came."""

    def remove_client(self, scheduler: Any, client: str) -> Any:
        """A client is gone."""

    def restart(self, scheduler: Any) -> Any:
        """The cluster starts anew."""

    def update_graph(self, scheduler: Any, **kwargs: Any) -> Any:
        """Not called."""

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> Any:
        """Not called."""

    def valid_workers_downscaling(self, scheduler: Any, workers: list[Any]) -> list[Any]:
        """Which workers may be ended; asked by an adaptive cluster of this process."""
        return workers

    def log_event(self, topic: str, msg: Any) -> Any:
        """Not called."""


class UploadFile(WorkerPlugin):
    """Puts a file beside the tasks: a module, an egg or zip file to import from, or data.

    Parameters
    ----------
    filepath : str or path
        The file.
    load : bool
        Whether a module is imported (again) at once.
    """

    def __init__(self, filepath: str | os.PathLike[str], load: bool = True) -> None:
        self.name = f"upload-{Path(filepath).name}"
        self.filename, self.load = Path(filepath).name, load
        self.data = Path(filepath).read_bytes()

    def setup(self, worker: Any) -> list[str]:
        """Write the file, and make modules importable."""
        path = Path(worker.local_directory) / self.filename
        path.write_bytes(self.data)
        return import_file(path, self.load)


def import_file(path: Path, load: bool) -> list[str]:
    """Make what a file holds importable; the names of the modules."""
    suffix = path.suffix.lower()
    if suffix in (".py", ".pyc", ".so"):
        place, names = str(path.parent), [path.name.split(".")[0]]
    elif suffix in (".egg", ".zip", ".pyz"):
        place = str(path)
        with zipfile.ZipFile(path) as archive:
            tops = {name.split("/")[0] for name in archive.namelist() if name.endswith(".py")}
        names = sorted(top.removesuffix(".py") for top in tops if not top.startswith("__"))
    else:
        return []
    if place not in sys.path:
        sys.path.insert(0, place)
    importlib.invalidate_caches()
    if load:
        for name in names:
            sys.modules.pop(name, None)
            importlib.import_module(name)
    return names


class UploadDirectory(NannyPlugin):
    """Puts a folder beside the tasks.

    Parameters
    ----------
    path : str or path
        The folder.
    restart_workers : bool
        Whether executors start anew.
    update_path : bool
        Whether the folder's parent is put on ``sys.path``, so that a package can be imported.
    skip_words : iterable of str
        Names of parts of paths that are left out.
    skip : iterable of callable
        Functions of a path; what one is true of is left out.
    mode : {'workers', 'all'}
        For Dask's sake: the scheduler runs no Python.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        restart_workers: bool = False,
        update_path: bool = False,
        skip_words: Iterable[str] = (".git", ".github", ".pytest_cache", "tests", "docs"),
        skip: Iterable[Callable[[str], bool]] = (lambda path: path.endswith(".pyc"),),
        mode: str = "workers",
    ) -> None:
        if mode not in ("workers", "all"):
            raise ValueError(f"mode must be 'workers' or 'all', got {mode!r}: the scheduler runs no Python")
        root = Path(path).resolve()
        if not root.is_dir():
            raise FileNotFoundError(f"{root} is not a folder")
        self.name = f"upload-directory-{root.name}"
        self.restart, self.update_path = restart_workers, update_path
        words, skips = set(skip_words), tuple(skip)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(root.rglob("*")):
                inside = file.relative_to(root.parent)
                if file.is_file() and not words & set(inside.parts) and not any(test(str(file)) for test in skips):
                    archive.write(file, inside)
        self.data = stream.getvalue()

    def setup(self, nanny: Any) -> None:
        """Unpack the folder."""
        place = nanny.local_directory
        with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
            archive.extractall(place)
        if self.update_path and place not in sys.path:
            sys.path.insert(0, place)
            importlib.invalidate_caches()


class Environ(NannyPlugin):
    """Sets variables of the environment where tasks run.

    Parameters
    ----------
    environ : dict
        Names and values.

    Notes
    -----
    Libraries that read a variable when the process starts, such as ``OMP_NUM_THREADS``, need it where the worker
    starts.
    """

    def __init__(self, environ: dict[str, Any] | None = None) -> None:
        self.environ = {name: str(value) for name, value in (environ or {}).items()}
        self.name = "environ-" + "-".join(sorted(self.environ))

    def setup(self, nanny: Any) -> None:
        """Set them."""
        os.environ.update(self.environ)


@contextlib.contextmanager
def _one_at_a_time(name: str) -> Iterator[None]:
    """Held by one process of this machine at a time."""
    with open(Path(tempfile.gettempdir()) / f"raskal-{os.getuid()}-{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class InstallPlugin(NannyPlugin):
    """Installs something where tasks run.

    Parameters
    ----------
    install_fn : callable
        What installs it; runs once per process, one process of a machine at a time.
    restart_workers : bool
        Whether executors start anew.
    """

    def __init__(self, install_fn: Callable[[], None], restart_workers: bool = False) -> None:
        self.install_fn, self.restart = install_fn, restart_workers
        self.name = f"install-{getattr(install_fn, '__name__', uuid4().hex)}"

    def setup(self, nanny: Any) -> None:
        """Install it."""
        with _one_at_a_time("install"):
            self.install_fn()
        importlib.invalidate_caches()


class _Command:
    """Runs a command, and raises what it says if it fails."""

    def __init__(self, command: list[str]) -> None:
        self.command = command

    def __call__(self) -> None:
        command = [sys.executable if part == "{python}" else part for part in self.command]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with exit code {done.returncode}:\n{done.stderr.strip()}")


class PipInstall(InstallPlugin):
    """Installs packages with pip where tasks run.

    Parameters
    ----------
    packages : list of str
        As pip takes them.
    pip_options : list of str, optional
        Options of ``pip install``.
    restart_workers : bool
        Whether executors start anew.
    """

    def __init__(
        self, packages: list[str], pip_options: list[str] | None = None, restart_workers: bool = False
    ) -> None:
        self.packages = packages
        super().__init__(
            _Command(["{python}", "-m", "pip", "install", *(pip_options or []), *packages]), restart_workers
        )
        self.name = "pip-install-" + "-".join(packages)


class CondaInstall(InstallPlugin):
    """Installs packages with conda where tasks run.

    Parameters
    ----------
    packages : list of str
        As conda takes them.
    conda_options : list of str, optional
        Options of ``conda install``.
    restart_workers : bool
        Whether executors start anew.
    """

    def __init__(
        self, packages: list[str], conda_options: list[str] | None = None, restart_workers: bool = False
    ) -> None:
        self.packages = packages
        super().__init__(_Command(["conda", "install", "-y", *(conda_options or []), *packages]), restart_workers)
        self.name = "conda-install-" + "-".join(packages)


class _Tee(io.TextIOBase):
    """Writes to a stream, and tells a topic what was written."""

    def __init__(self, stream: Any, worker: Any, name: str) -> None:
        self.stream, self.worker, self.stream_name = stream, worker, name

    def write(self, text: str) -> int:
        self.stream.write(text)
        if text.strip():
            from raskal.distributed.events import tell

            tell("print", {"args": (text,), "end": "", "sep": " ", "file": self.stream_name, "flush": False})
        return len(text)

    def flush(self) -> None:
        self.stream.flush()


class ForwardOutput(WorkerPlugin):
    """Has clients print what tasks print."""

    name = "forward-output"

    def setup(self, worker: Any) -> None:
        """Put something between the tasks and their output."""
        if not isinstance(sys.stdout, _Tee):
            sys.stdout, sys.stderr = _Tee(sys.stdout, worker, "stdout"), _Tee(sys.stderr, worker, "stderr")

    def teardown(self, worker: Any) -> None:
        """Take it away."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if isinstance(stream, _Tee):
                setattr(sys, name, stream.stream)


def name_of(plugin: Any) -> str:
    """The name of a plug-in: its own, or one that is made up."""
    return getattr(plugin, "name", None) or f"{type(plugin).__name__}-{uuid4().hex}"


# ---- in the executor processes


def add_plugin(name: str, plugin: Any, once: bool) -> str:
    """Set a plug-in up in this process."""
    from raskal.distributed._serve import run_coroutine
    from raskal.distributed.worker import this_worker

    worker = this_worker()
    if name in worker.plugins:
        if once:
            return name
        remove_plugin(name)
    setup = getattr(plugin, "setup", None)
    result = setup(worker) if setup is not None else None
    if hasattr(result, "__await__"):
        run_coroutine(_await(result))
    worker.plugins[name] = plugin
    _tell_changes(worker)
    return name


def _tell_changes(worker: Any) -> None:
    """Have plug-ins be told of tasks that begin and end, if there are any that want to be."""
    from raskal._raskal import executor_tell_changes

    global _listeners
    listeners = [plugin for plugin in worker.plugins.values() if _listens(plugin)]
    _listeners = listeners
    executor_tell_changes(bool(listeners))


def _listens(plugin: Any) -> bool:
    own = getattr(type(plugin), "transition", None)
    return own is not None and own is not WorkerPlugin.transition


_listeners: list[Any] = []


def changed(key: str, start: str, finish: str) -> None:
    """Tell the plug-ins of this process of a task; called by ``crates/raskal-py/src/executor.rs``."""
    for plugin in _listeners:
        try:
            plugin.transition(key, start, finish)
        except Exception:
            logger.exception("transition of the plug-in %r raised", plugin)


async def _await(result: Any) -> Any:
    return await result


def remove_plugin(name: str) -> None:
    """End a plug-in in this process."""
    from raskal.distributed._serve import run_coroutine
    from raskal.distributed.worker import this_worker

    worker = this_worker()
    plugin = worker.plugins.pop(name, None)
    if plugin is None:
        raise ValueError(f"there is no plug-in {name!r}\nhint: there are {sorted(worker.plugins)}")
    _tell_changes(worker)
    teardown = getattr(plugin, "teardown", None)
    result = teardown(worker) if teardown is not None else None
    if hasattr(result, "__await__"):
        run_coroutine(_await(result))


def _lane(args: tuple[Any, ...]) -> Any:
    from raskal.distributed._serve import at_once

    return at_once(args)


add_plugin.lane = _lane  # type: ignore[attr-defined]
remove_plugin.lane = _lane  # type: ignore[attr-defined]
