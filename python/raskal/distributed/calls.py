"""What a client has executor processes do beside their tasks: run functions, plug-ins, files; and what they tell.

Start at `CallMethods.run`, a part of `Client`. A call goes through the scheduler and the node to each executor process,
where `raskal.distributed._serve` answers it.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raskal._raskal import Board
from raskal._versions import versions
from raskal.distributed import _serve, events, plugin
from raskal.distributed._options import seconds_of
from raskal.distributed._sync import either

if TYPE_CHECKING:
    from raskal.distributed._desk import Desk

__all__ = ["CallMethods", "SchedulerView"]

logger = logging.getLogger("raskal.distributed")


class SchedulerView:
    """The scheduler, as functions of `Client.run_on_scheduler` and scheduler plug-ins see it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._client.scheduler_info()["address"]

    @property
    def workers(self) -> dict[str, Any]:
        """What is known of each worker, by address."""
        return self._client.scheduler_info()["workers"]

    def identity(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What the scheduler knows of itself and its workers."""
        return self._client.scheduler_info()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"the scheduler is a Rust program and has no attribute {name!r} for Python\n"
            "hint: there are address, workers and identity(); Client has methods for what else is known"
        )


class CallMethods:
    """Functions, files and plug-ins on the workers of a `Client`."""

    _desk: Desk
    _client: Any

    def _selected(self, workers: Any = None) -> list[dict[str, Any]]:
        """What is known of some workers, given by address or name; of all by default."""
        known = self._client.workers()
        if workers is None:
            return known
        wanted = [workers] if isinstance(workers, str) else list(workers)
        found = []
        for one in wanted:
            matches = [worker for worker in known if one in (worker["address"], worker["name"], worker["id"])]
            if not matches:
                addresses = ", ".join(worker["address"] for worker in known) or "none"
                raise ValueError(f"there is no worker {one!r}\nhint: there are {addresses}")
            found += matches
        return found

    def _call_all(self, function: Callable[..., Any], args: Any, kwargs: Any, workers: Any) -> list[tuple[str, Any]]:
        """Call a function in the executors of workers: for each its name and the future of its answer."""
        payload = _serve.request(function, args, kwargs)
        chosen = self._selected(workers)
        asked = [(worker, self._desk.post(partial(_call, worker["id"], payload))[1]) for worker in chosen]
        answers: list[tuple[str, Any]] = []
        for worker, future in asked:
            called = future.result()[1]
            for number, (_, answered, value) in enumerate(called):
                # A worker of one process is known by its address alone.
                name = worker["address"] if len(called) == 1 else f"{worker['address']}#{number}"
                answers.append((name, (answered, value)))
        return answers

    @either
    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        workers: Any = None,
        wait: bool = True,
        nanny: bool = False,
        on_error: str = "raise",
        **kwargs: Any,
    ) -> Any:
        """Run a function in every executor process of the workers, at once, beside their tasks.

        Parameters
        ----------
        function : callable
            The function; a coroutine function runs on the event loop of the process. One with a parameter
            ``dask_worker`` is given the worker (`WorkerView`).
        *args, **kwargs
            Its arguments.
        workers : list of str, optional
            Addresses or names; by default all.
        wait : bool
            Whether to wait for the results.
        nanny : bool
            Not supported: the process that watches over executors runs no Python.
        on_error : {'raise', 'return', 'ignore'}
            Whether what a function raises is raised here, is in the place of its result, or is left out.

        Returns
        -------
        dict
            Results by the worker's address, followed by ``#`` and a number where a worker has several processes.

        Raises
        ------
        OSError
            If a process died or left before it answered.

        Examples
        --------
        >>> from raskal.distributed import Client
        >>> with Client(n_workers=1, threads_per_worker=1) as client:
        ...     list(client.run(lambda x: x + 1, 1).values())
        [2]
        """
        if nanny:
            raise NotImplementedError(
                "nanny=True is not supported: the process that watches over executors runs no Python\n"
                "hint: leave it out; the function then runs in each executor process"
            )
        if on_error not in ("raise", "return", "ignore"):
            raise ValueError(f"on_error must be 'raise', 'return' or 'ignore', got {on_error!r}")
        if not wait:
            payload = _serve.request(function, args, kwargs)
            for worker in self._selected(workers):
                self._desk.post(partial(_call, worker["id"], payload))
            return None
        results = {}
        for name, (answered, value) in self._call_all(function, args, kwargs, workers):
            try:
                if not answered:
                    raise OSError(f"{name} did not answer: {value}")
                results[name] = _serve.answer_of(value)
            except Exception as error:
                if on_error == "raise":
                    raise
                if on_error == "return":
                    results[name] = error
        return results

    @either
    def run_on_scheduler(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a function with a view of the scheduler, here.

        The scheduler is a Rust program without Python: nothing of yours can run inside it. What such functions are
        mostly for is reading what it knows; so the function runs in this process, and a parameter ``dask_scheduler`` is
        given a view (`SchedulerView`) with the scheduler's address and workers.

        Parameters
        ----------
        function : callable
            The function.
        *args, **kwargs
            Its arguments.
        """
        import inspect

        try:
            names = inspect.signature(function).parameters
        except (TypeError, ValueError):
            names = {}  # type: ignore[assignment]
        view = {name: SchedulerView(self) for name in ("dask_scheduler", "raskal_scheduler") if name in names}
        result = function(*args, **{**kwargs, **view})
        return _serve.run_coroutine(result) if inspect.iscoroutine(result) else result

    @property
    def scheduler(self) -> SchedulerView:
        """A view of the scheduler."""
        return SchedulerView(self)

    @either
    def benchmark_hardware(self) -> Any:
        """How fast the workers' memory and disks are.

        Returns
        -------
        dict
            For ``memory`` and ``disk``, bytes a second by the size of one piece, in the mean of all workers.
        """
        measured = list(self.run(_measure_hardware).values())
        return {
            what: {size: sum(one[what][size] for one in measured) / len(measured) for size in sizes}
            for what, sizes in (measured[0] if measured else {}).items()
        }

    def story(self, *keys_or_stimuli: Any, on_error: str = "raise") -> Any:
        """Not kept: the scheduler does not write down each step of a task.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(
            "the steps of single tasks are not kept\nhint: see get_task_stream, call_stack and the dashboard"
        )

    # ---- plug-ins and files

    @either
    def register_plugin(self, plugin: Any, name: str | None = None, idempotent: bool | None = None) -> Any:
        """Set something up in every executor process, now and whenever one starts, or listen to the cluster.

        Parameters
        ----------
        plugin : WorkerPlugin, NannyPlugin or SchedulerPlugin
            What to set up.
        name : str, optional
            Its name; by default its own attribute `name`, or one that is made up. Another of the name takes its place.
        idempotent : bool, optional
            Whether one that is there already stays; by default its own attribute `idempotent`.

        Returns
        -------
        dict
            By worker, ``{"status": "OK"}``.

        Raises
        ------
        TypeError
            If it is no plug-in.
        Exception
            What its `setup` raised; it is not registered then.
        """
        from raskal.distributed import plugin as plugins

        name = name or plugins.name_of(plugin)
        once = bool(getattr(plugin, "idempotent", False) if idempotent is None else idempotent)
        if isinstance(plugin, plugins.SchedulerPlugin):
            return self._register_here(plugin, name)
        if not hasattr(plugin, "setup") or isinstance(plugin, type):
            raise TypeError(
                f"{plugin!r} is no plug-in\nhint: pass an instance of a WorkerPlugin, NannyPlugin or SchedulerPlugin"
            )
        payload = _serve.request(plugins.add_plugin, (name, plugin, once))
        # First for those that come, then for those that are there: none is left out.
        self._desk.board.set_up(name, payload)
        try:
            answers = self._call_all(plugins.add_plugin, (name, plugin, once), {}, None)
            for worker, (answered, value) in answers:
                if answered:
                    _serve.answer_of(value)
                else:
                    logger.info("%s did not set up %s: %s", worker, name, value)
        except BaseException:
            self._desk.board.set_up(name, None)
            raise
        if getattr(plugin, "restart", False):
            self.restart_workers(None, asynchronous=False)
        return {worker: {"status": "OK"} for worker, _ in answers}

    @either
    def restart_workers(self, workers: Any, timeout: Any = None, raise_for_error: bool = True) -> Any:
        """Have the executor processes of workers end, and wait for those that their nodes start in their place.

        Values that only those processes held are made again when they are needed.

        Parameters
        ----------
        workers : list of str
            Addresses or names.
        timeout : float or str, optional
            How long to wait at most.
        raise_for_error : bool
            Whether to raise `TimeoutError` if the time runs out; otherwise the worker's answer says so.

        Returns
        -------
        dict
            By address, ``"OK"`` or ``"timed out"``.
        """
        chosen = [worker["address"] for worker in self._selected(workers)]
        before = self._pids(chosen)
        self._call_all(_end_soon, (), {}, chosen)
        deadline = None if timeout is None else time.monotonic() + seconds_of(timeout)
        while self._pids(chosen) & before:
            if deadline is not None and time.monotonic() > deadline:
                if raise_for_error:
                    raise TimeoutError(f"the processes of {chosen} were not there again within {timeout} s")
                return dict.fromkeys(chosen, "timed out")
        return dict.fromkeys(chosen, "OK")

    def _pids(self, workers: list[str]) -> set[int]:
        """The executor processes of workers; waits for those that are just starting."""
        while True:
            answers = self._call_all(os.getpid, (), {}, workers)
            if all(answered for _, (answered, _) in answers):
                return {_serve.answer_of(value) for _, (_, value) in answers}

    @either
    def unregister_worker_plugin(self, name: str, nanny: bool | None = None) -> Any:
        """Undo `register_plugin` of a worker plug-in.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        self._desk.board.set_up(name, None)
        answers = self._call_all(plugin.remove_plugin, (name,), {}, None)
        for _, (answered, value) in answers:
            if answered:
                _serve.answer_of(value)
        return {worker: {"status": "OK"} for worker, _ in answers}

    def _register_here(self, plugin: Any, name: str) -> dict[str, Any]:
        registered: dict[str, Any] = self.__dict__.setdefault("_scheduler_plugins", {})
        view = SchedulerView(self)
        _wait(plugin.start(view))

        def hear(_: float, data: bytes) -> None:
            told = json.loads(data)
            action = told["action"]
            method = getattr(plugin, action.replace("-", "_"), None)
            if method is None:
                return
            who = told.get("worker", f"client-{told.get('client')}")
            more = {"stimulus_id": action} if action == "remove-worker" else {}
            _wait(method(view, who, **more))

        if name in registered:
            self._unregister_here(name)
        registered[name] = (plugin, hear)
        asked = self._desk.listen("raskal:cluster", hear)
        if asked is not None:
            asked.result()
        return {"status": "OK"}

    def _unregister_here(self, name: str) -> None:
        registered: dict[str, Any] = self.__dict__.setdefault("_scheduler_plugins", {})
        if name not in registered:
            raise ValueError(
                f"there is no scheduler plug-in {name!r} of this client\nhint: there are {sorted(registered)}"
            )
        plugin, hear = registered.pop(name)
        self._desk.listen_no_more("raskal:cluster", hear)
        _wait(plugin.before_close())
        _wait(plugin.close())

    @either
    def unregister_scheduler_plugin(self, name: str) -> Any:
        """Undo `register_plugin` of a scheduler plug-in of this client.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        self._unregister_here(name)

    @either
    def register_worker_callbacks(self, setup: Callable[..., Any] | None = None) -> Any:
        """Call a function in every executor process, now and whenever one starts; see `register_plugin`."""
        return self.register_plugin(_Callback(setup), f"callback-{getattr(setup, '__name__', 'none')}")

    @either
    def upload_file(self, filename: str | os.PathLike[str], load: bool = True) -> Any:
        """Put a file beside the tasks: a module, an egg or zip file to import from, or data.

        Parameters
        ----------
        filename : str or path
            The file.
        load : bool
            Whether a module is imported (again) at once.

        Returns
        -------
        dict
            By worker, ``{"status": "OK"}``.

        Notes
        -----
        Executor processes that start later get it too. It lies in ``get_worker().local_directory``.
        """
        uploaded = plugin.UploadFile(filename, load)
        return self.register_plugin(uploaded, uploaded.name)

    # ---- what they tell

    @either
    def call_stack(self, futures: Any = None, keys: Iterable[str] | None = None) -> Any:
        """The frames of tasks that run.

        Parameters
        ----------
        futures : Future, or containers of them, optional
            Of these tasks.
        keys : list of str, optional
            Of the tasks of these keys; by default of all.

        Returns
        -------
        dict
            By worker, a dictionary of lists of frames as text, by key.
        """
        from raskal.distributed._containers import find_futures

        found: list[Any] = []
        find_futures(futures, found)
        wanted = {future.key for future in found} | set(keys or ())
        stacks = self._running()
        if futures is not None or keys is not None:
            stacks = {
                worker: {key: stack for key, stack in running.items() if key in wanted}
                for worker, running in stacks.items()
            }
        return {worker: running for worker, running in stacks.items() if running}

    def _running(self) -> dict[str, dict[str, list[str]]]:
        found: dict[str, dict[str, list[str]]] = {worker["address"]: {} for worker in self._selected()}
        for name, (answered, value) in self._call_all(_serve.call_stacks, (), {}, None):
            if answered:
                for (graph, index), key, stack in _serve.answer_of(value):
                    found[name.split("#")[0]][self._client.key_of(graph, index) or key] = stack
        return found

    @either
    def processing(self, workers: Any = None) -> Any:
        """The keys of the tasks that run on each worker, by address."""
        chosen = {worker["address"] for worker in self._selected(workers)}
        return {name: tuple(running) for name, running in self._running().items() if name in chosen}

    @either
    def get_versions(self, check: bool = False, packages: Iterable[str] | None = None) -> Any:
        """The versions of Python and packages of the scheduler, the workers and this client.

        Parameters
        ----------
        check : bool
            Whether to raise if a worker's differ from this client's.
        packages : list of str, optional
            Further packages to ask for.

        Raises
        ------
        ValueError
            If `check` and versions of Python, raskal, NumPy, pandas, pyarrow, cloudpickle or `packages` differ; the
            message lists them.
        """
        more = list(packages or ())
        here = package_versions(more)
        there = self.run(package_versions, more)
        # The scheduler runs no Python; its version is checked when a client connects.
        scheduler = {"packages": {"raskal": here["packages"]["raskal"]}, "host": {}}
        if check:
            compared = {"Python", "raskal", "numpy", "pandas", "pyarrow", "cloudpickle", *more}
            differing = [
                f"{name} is {found['packages'].get(name)} on {worker} and {here['packages'].get(name)} here"
                for worker, found in there.items()
                for name in sorted(compared)
                if found["packages"].get(name) != here["packages"].get(name)
            ]
            if differing:
                raise ValueError("versions differ:\n" + "\n".join(differing))
        return {"scheduler": scheduler, "workers": there, "client": here}

    @either
    def forward_logging(self, logger_name: str | None = None, level: int = logging.NOTSET) -> Any:
        """Have what tasks log handled here too.

        Parameters
        ----------
        logger_name : str, optional
            Of this logger and those below it; by default the root logger.
        level : int
            Only from this level on.
        """
        topic = f"{events.LOG_TOPIC}:{logger_name or ''}"
        asked = self._desk.listen(topic, events.log_here)
        if asked is not None:
            asked.result()
        forward = events.ForwardLogging(logger_name, level)
        self.register_plugin(forward, forward.name)

    @either
    def unforward_logging(self, logger_name: str | None = None) -> Any:
        """Undo `forward_logging`."""
        self._desk.listen_no_more(f"{events.LOG_TOPIC}:{logger_name or ''}", events.log_here)
        self.unregister_worker_plugin(events.forward_name(logger_name))

    @either
    def dump_cluster_state(
        self,
        filename: str = "raskal-cluster-dump",
        write_from_scheduler: bool | None = None,
        exclude: Iterable[str] = (),
        format: str = "yaml",
        **storage_options: Any,
    ) -> Any:
        """Write what is known of the cluster into a file, for a bug report.

        Parameters
        ----------
        filename : str
            The file or URL, without suffix.
        write_from_scheduler : bool, optional
            Not supported: the client writes.
        exclude : list of str
            Names of parts to leave out: ``scheduler``, ``holds``, ``running``, ``versions``.
        format : {'yaml', 'json'}
            How to write it; ``'msgpack'`` gives JSON.
        **storage_options
            Of fsspec, for URLs.
        """
        if write_from_scheduler:
            raise NotImplementedError("write_from_scheduler=True is not supported: the client writes the file")
        if format not in ("yaml", "json", "msgpack"):
            raise ValueError(f"format must be 'yaml' or 'json', got {format!r}")
        parts: dict[str, Callable[[], Any]] = {
            "scheduler": self.scheduler_info,  # type: ignore[attr-defined]
            "holds": self.has_what,  # type: ignore[attr-defined]
            "running": self._running,
            "versions": self.get_versions,
        }
        state = {name: part() for name, part in parts.items() if name not in set(exclude)}
        text = json.dumps(state, indent=1, default=str)
        suffix = "json" if format == "msgpack" else format
        if format == "yaml":
            import yaml

            text = yaml.safe_dump(json.loads(text))
        name = f"{filename}.{suffix}"
        if "://" in name:
            import fsspec

            with fsspec.open(name, "w", **storage_options) as file:
                file.write(text)
        else:
            Path(name).write_text(text)

    def write_scheduler_file(self, scheduler_file: str | os.PathLike[str]) -> None:
        """Write a file that lets others find the scheduler and be let in; only its owner can read it.

        Raises
        ------
        ValueError
            If this client was not told of such a file.
        """
        known = self.scheduler_file  # type: ignore[attr-defined]
        if known is None or not Path(known).exists():
            raise ValueError(
                "this client does not know the cluster's certificate and token as a file\n"
                "hint: start the scheduler with --scheduler-file"
            )
        if Path(scheduler_file).exists():
            raise FileExistsError(f"{scheduler_file} exists already")
        descriptor = os.open(scheduler_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(Path(known).read_text())


def _call(worker: int, payload: bytes, board: Board) -> int:
    return board.call(worker, payload)


class _Callback(plugin.WorkerPlugin):
    """Calls a function where workers are set up."""

    def __init__(self, function: Callable[..., Any] | None) -> None:
        self.function = function

    def setup(self, worker: Any) -> Any:
        import inspect

        if self.function is None:
            return None
        names = inspect.signature(self.function).parameters
        return self.function(dask_worker=worker) if "dask_worker" in names else self.function()


def _wait(result: Any) -> None:
    if hasattr(result, "__await__"):
        _serve.run_coroutine(plugin._await(result))


def _measure_hardware() -> dict[str, dict[str, float]]:
    """Bytes a second that this process copies in memory, and writes to its folder."""
    import tempfile

    memory, disk = {}, {}
    for size in (1 << 10, 1 << 20, 1 << 24):
        name, piece = f"{size >> 10} KiB", bytes(size)
        rounds = max(1, (1 << 25) // size)
        started = time.perf_counter()
        for _ in range(rounds):
            bytearray(piece)
        memory[name] = rounds * size / (time.perf_counter() - started)
        with tempfile.TemporaryFile(buffering=0) as file:
            started = time.perf_counter()
            for _ in range(max(1, rounds // 16)):
                file.write(piece)
            os.fsync(file.fileno())
            disk[name] = max(1, rounds // 16) * size / (time.perf_counter() - started)
    return {"memory": memory, "disk": disk}


def _end_soon() -> None:
    """End this executor process, once it has answered."""
    threading.Timer(0.05, os._exit, (0,)).start()


def package_versions(packages: list[str]) -> dict[str, Any]:
    """Versions of this process: Python and packages."""
    from raskal._versions import _version

    found = versions()
    host = {name: found.pop(name) for name in ("Platform", "Cores", "Python implementation")}
    return {"host": host, "packages": {**found, **{name: _version(name) for name in packages}}}
