"""Engines that are not ours, as the scheduler of a computation.

Start at `engine_of`. Each has the two methods that `raskal.base` asks of an engine. Their tasks are the callables of
``interop/tasks.py``, so that every collection runs on every engine.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from raskal._raskal import Delayed, Persisted, ProgramBuilder, lower_delayed, persist_local
from raskal.interop.tasks import ExportedTask, export_tasks, keys_of

__all__ = ["DaskEngine", "ExecutorEngine", "GetEngine", "RayEngine", "engine_of"]


def engine_of(scheduler: Any) -> Any:
    """The engine for something given as ``scheduler=``; None if raskal's own is meant."""
    if isinstance(scheduler, str):
        engines: dict[str, Callable[[], Any]] = {
            "dask": DaskEngine,
            "ray": RayEngine,
        }
        make = engines.get(scheduler.lower())
        return make() if make is not None else None
    if isinstance(scheduler, Executor) or hasattr(scheduler, "apply_async"):
        return ExecutorEngine(scheduler)
    module = type(scheduler).__module__.split(".")[0]
    if module in ("distributed", "dask") and hasattr(scheduler, "get"):
        return DaskEngine(scheduler)
    if callable(scheduler):
        return GetEngine(scheduler)
    return None


def keep(values: list[Any]) -> Persisted:
    """Values that an engine gave, as what collections are rebuilt over."""
    builder = ProgramBuilder()
    tasks = lower_delayed(builder, [Delayed._of(value, None, None, None, False) for value in values])
    (handle,) = persist_local(builder, [tasks], 0)
    return handle


class ForeignEngine:
    """What engines that are not ours share."""

    distributed = True
    """Whether tasks leave this process."""

    def compute_program(self, builder: ProgramBuilder, wanted: list[int]) -> list[Any]:
        """The values of the wanted tasks, in order."""
        tasks = export_tasks(builder, wanted)
        return self.run(tasks, wanted)

    def persist_program(self, builder: ProgramBuilder, groups: list[list[int]]) -> list[Persisted]:
        """The values of each group, kept in this process."""
        values = iter(self.compute_program(builder, [task for group in groups for task in group]))
        return [keep([next(values) for _ in group]) for group in groups]

    def run(self, tasks: list[ExportedTask], wanted: list[int]) -> list[Any]:
        """Run tasks; the values of the wanted ones, in order."""
        raise NotImplementedError(type(self).__name__)


class ExecutorEngine(ForeignEngine):
    """An executor of ``concurrent.futures``, or a pool of ``multiprocessing``.

    Each task is handed over once its inputs are there, and an input is forgotten after its last use.
    """

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        name = type(pool).__name__
        self.distributed = not (isinstance(pool, ThreadPoolExecutor) or name == "ThreadPool")

    def _submit(self, task: ExportedTask, inputs: list[Any], done: SimpleQueue[Any]) -> None:
        function, arguments = (_carry, (task.call, inputs)) if self.distributed else (task.call, tuple(inputs))
        if isinstance(self.pool, Executor):
            future = self.pool.submit(function, *arguments)
            future.add_done_callback(lambda future: done.put((task, future.result)))
            return

        def raised(error: BaseException) -> None:
            def again() -> Any:
                raise error

            done.put((task, again))

        self.pool.apply_async(function, arguments, {}, lambda value: done.put((task, lambda: value)), raised)

    def run(self, tasks: list[ExportedTask], wanted: list[int]) -> list[Any]:
        """Run tasks; the values of the wanted ones, in order."""
        if _forks(self.pool) and any(task.call.native for task in tasks):
            raise ValueError(
                "native tasks do not run in forked processes, which lack this process's threads\n"
                "hint: ProcessPoolExecutor(mp_context=multiprocessing.get_context('spawn')), or scheduler='processes'"
            )
        waiting = {task.number: len(set(task.inputs)) for task in tasks}
        users: dict[int, list[ExportedTask]] = {}
        for task in tasks:
            for number in set(task.inputs):
                users.setdefault(number, []).append(task)
        uses = {number: len(of) for number, of in users.items()}
        for number in wanted:
            uses[number] = uses.get(number, 0) + 1
        values: dict[int, Any] = {}
        done: SimpleQueue[Any] = SimpleQueue()
        for task in tasks:
            if not task.inputs:
                self._submit(task, [], done)
        for _ in tasks:
            task, result = done.get()
            value = result()
            values[task.number] = value.value if isinstance(value, _Carried) else value
            for user in users.get(task.number, ()):
                waiting[user.number] -= 1
                if waiting[user.number] == 0:
                    self._submit(user, [values[number] for number in user.inputs], done)
            for number in set(task.inputs):
                uses[number] -= 1
                if uses[number] == 0:
                    del values[number]
        return [values[number] for number in wanted]


def _forks(pool: Any) -> bool:
    """Whether the processes of a pool are forks of this one."""
    context = getattr(pool, "_mp_context", None) or getattr(pool, "_ctx", None)
    return context is not None and type(pool).__name__ != "ThreadPool" and context.get_start_method() == "fork"


class _Carried:
    """A value on its way between processes: by pickle, or by cloudpickle what only that can carry."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpack, (_pack(self.value),)


def _pack(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=5)
    except Exception:
        import cloudpickle

        return bytes(cloudpickle.dumps(value, protocol=5))


def _unpack(content: bytes) -> _Carried:
    return _Carried(pickle.loads(content))


def _begin(initializer: _Carried) -> None:
    if initializer.value is not None:
        initializer.value()


def _carry(call: Callable[..., Any], inputs: list[Any]) -> _Carried:
    return _Carried(call(*inputs))


class ProcessEngine(ExecutorEngine):
    """Processes of one's own for one computation.

    Parameters
    ----------
    num_workers : int, optional
        Number of processes; one for each core that this process may use.
    initializer : callable, optional
        Called first in each process.
    """

    def __init__(self, num_workers: int | None = None, initializer: Callable[[], object] | None = None) -> None:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        from raskal._place import local_threads

        # Not forked: this process has threads, and what they hold locked would stay so.
        context = get_context("spawn")
        pool = ProcessPoolExecutor(local_threads(num_workers), context, _begin, (_Carried(initializer),))
        super().__init__(pool)

    def run(self, tasks: list[ExportedTask], wanted: list[int]) -> list[Any]:
        """Run tasks; the values of the wanted ones, in order."""
        with self.pool:
            return super().run(tasks, wanted)


class GetEngine(ForeignEngine):
    """A function ``get(dsk, keys)`` that computes graphs written as dictionaries, as Dask has them."""

    distributed = False

    def __init__(self, get: Callable[..., Any], **kwargs: Any) -> None:
        self.get = get
        self.kwargs = kwargs

    def run(self, tasks: list[ExportedTask], wanted: list[int]) -> list[Any]:
        """Run tasks; the values of the wanted ones, in order."""
        keys = keys_of(tasks)
        dsk = {keys[task.number]: (task.call, *(keys[number] for number in task.inputs)) for task in tasks}
        return list(self.get(dsk, [keys[number] for number in wanted], **self.kwargs))


class DaskEngine(GetEngine):
    """Installed Dask: the client given, the current one of Dask, or else its threads."""

    distributed = True

    def __init__(self, client: Any = None) -> None:
        if client is None:
            try:
                import dask.base
                import dask.threaded
            except ImportError as error:
                raise ImportError(f"scheduler='dask' needs Dask: {error}\nhint: pip install dask") from error
            super().__init__(dask.base.get_scheduler() or dask.threaded.get)
        else:
            super().__init__(client.get)


class RayEngine(ForeignEngine):
    """Installed Ray; started on this machine if it is not connected yet."""

    def __init__(self) -> None:
        try:
            import ray
        except ImportError as error:
            raise ImportError(f"scheduler='ray' needs Ray: {error}\nhint: pip install ray") from error
        self.ray = ray

    def run(self, tasks: list[ExportedTask], wanted: list[int]) -> list[Any]:
        """Run tasks; the values of the wanted ones, in order."""
        if not self.ray.is_initialized():
            self.ray.init(include_dashboard=False, log_to_driver=False)
        call = self.ray.remote(_call)
        uses: dict[int, int] = {}
        for task in tasks:
            for number in task.inputs:
                uses[number] = uses.get(number, 0) + 1
        for number in wanted:
            uses[number] = uses.get(number, 0) + 1
        references: dict[int, Any] = {}
        for task in tasks:
            inputs = [references[number] for number in task.inputs]
            references[task.number] = call.options(name=task.call.__name__).remote(task.call, *inputs)
            for number in task.inputs:
                uses[number] -= 1
                if uses[number] == 0:
                    del references[number]
        try:
            return list(self.ray.get([references[number] for number in wanted]))
        except self.ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from None


def _call(call: Callable[..., Any], *inputs: Any) -> Any:
    return call(*inputs)
