"""Profilers of local computations: which task ran when and where, what the process used, what was held.

Start at `Profiler`. Pictures of them: ``diagnostics/picture.py``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from raskal.callbacks import Callback
from raskal.diagnostics._watch import TaskRecord

__all__ = ["CacheData", "CacheProfiler", "Profiler", "ResourceData", "ResourceProfiler", "TaskData"]


class TaskData(NamedTuple):
    """One task that was computed. Times are of `time.perf_counter`, in seconds."""

    key: Any
    task: Any
    start_time: float
    end_time: float
    worker_id: int


class ResourceData(NamedTuple):
    """What the process used at one moment: memory in MB, CPU in percent of one core."""

    time: float
    mem: float
    cpu: float


class CacheData(NamedTuple):
    """One value that was held, and how long."""

    key: Any
    task: Any
    metric: float
    cache_time: float
    free_time: float


class _Timed(Callback):
    """A profiler that knows when it was begun and ended."""

    start_time: float | None = None
    end_time: float | None = None

    def __enter__(self) -> Any:
        self.clear()
        self.start_time = perf_counter()
        return super().__enter__()

    def __exit__(self, *args: object) -> None:
        super().__exit__(*args)
        self.end_time = perf_counter()

    def clear(self) -> None:
        """Forget all results."""
        raise NotImplementedError(type(self).__name__)

    def visualize(self, **kwargs: Any) -> Any:
        """Draw the results, as `raskal.diagnostics.visualize`."""
        from raskal.diagnostics.picture import visualize

        return visualize(self, **kwargs)


class Profiler(_Timed):
    """Notes when and on which thread each task ran.

    The engine notes numbers as tasks run, which costs well under a microsecond each; keys are looked up at the end.

    Attributes
    ----------
    results : list of TaskData
        ``(key, task, start_time, end_time, worker_id)`` of each task that gave a value, in the order of their ends.
    records : list of TaskRecord
        The same with layer, bytes of the value and whether the task failed, failed ones included.

    Notes
    -----
    Source: crates/raskal-runtime/src/local/record.rs

    Examples
    --------
    >>> import raskal
    >>> with Profiler() as prof:
    ...     raskal.delayed(abs)(-1).compute()
    1
    >>> [result.task for result in prof.results]
    ['abs']
    """

    def __init__(self) -> None:
        self.records: list[TaskRecord] = []

    @property
    def results(self) -> list[TaskData]:
        """What is known of each task that gave a value."""
        return [TaskData(*record[:5]) for record in self.records if not record.failed]

    def _record(self, records: list[TaskRecord]) -> None:
        self.records.extend(records)

    def clear(self) -> None:
        """Forget all results."""
        self.records.clear()

    def to_chrome_trace(self, filename: str | os.PathLike[str]) -> None:
        """Write the results for https://ui.perfetto.dev or ``chrome://tracing``, as `write_chrome_trace`."""
        from raskal.diagnostics.trace import write_chrome_trace

        write_chrome_trace(filename, self)


class ResourceProfiler(_Timed):
    """Notes memory and CPU of this process and its children, from a thread of its own.

    As a context manager it notes for as long as the block lasts; registered, while something is computed.

    Parameters
    ----------
    dt : float
        Seconds between two looks.

    Attributes
    ----------
    results : list of ResourceData
        ``(time, mem, cpu)`` with memory in MB and CPU in percent of one core; filled when noting ends.

    Raises
    ------
    ImportError
        If the package psutil is not installed.

    Examples
    --------
    >>> import raskal
    >>> with ResourceProfiler(dt=0.1) as prof:
    ...     raskal.delayed(abs)(-1).compute()
    1
    >>> len(prof.results) >= 2
    True
    """

    def __init__(self, dt: float = 1) -> None:
        if not dt > 0:
            raise ValueError(f"dt must be a number of seconds above 0, got {dt!r}")
        try:
            import psutil
        except ImportError as error:
            raise ImportError(f"ResourceProfiler needs psutil: {error}\nhint: pip install psutil") from error
        self.dt = dt
        self.results: list[ResourceData] = []
        self._process = psutil.Process()
        self._gone: type[Exception] = psutil.Error
        self._children: dict[int, Any] = {}
        self._entered = False
        self._samples: list[ResourceData] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def _is_running(self) -> bool:
        return self._thread is not None

    def __enter__(self) -> ResourceProfiler:
        super().__enter__()
        self._entered = True
        self._begin()
        return self

    def __exit__(self, *args: object) -> None:
        self._entered = False
        self._end()
        super().__exit__(*args)

    def _start(self, dsk: Any) -> None:
        if not self._entered:
            self.start_time = self.start_time or perf_counter()
            self._begin()

    def _finish(self, dsk: Any, state: Any, errored: bool) -> None:
        if not self._entered:
            self._end()
            self.end_time = perf_counter()

    def _begin(self) -> None:
        if self._thread is not None:
            return
        self._stop.clear()
        self._look(first=True)
        self._thread = threading.Thread(target=self._watch, name="raskal-resources", daemon=True)
        self._thread.start()

    def _end(self) -> None:
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._thread = None
        self._look()
        self.results.extend(self._samples)
        self._samples = []

    def _watch(self) -> None:
        while not self._stop.wait(self.dt):
            self._look()

    def _look(self, first: bool = False) -> None:
        memory, cpu = 0.0, 0.0
        known = self._children
        self._children = {}
        for child in self._process.children(recursive=True):
            self._children[child.pid] = known.get(child.pid, child)  # its CPU is measured since the last look
        for process in (self._process, *self._children.values()):
            try:
                memory += process.memory_info().rss / 1e6
                cpu += process.cpu_percent()
            except self._gone:
                continue
        self._samples.append(ResourceData(perf_counter(), memory, 0.0 if first else cpu))

    def close(self) -> None:
        """Stop noting."""
        self._end()

    def clear(self) -> None:
        """Forget all results."""
        self.results = []


class CacheProfiler(_Timed):
    """Notes which values were held, and for how long.

    Parameters
    ----------
    metric : callable, optional
        The size of a value. By default each counts 1.
    metric_name : str, optional
        What the sizes are, for the picture.

    Attributes
    ----------
    results : list of CacheData
        ``(key, task, metric, cache_time, free_time)`` of each value.

    Examples
    --------
    >>> import raskal
    >>> with CacheProfiler(len) as prof:
    ...     (raskal.delayed(list)("abc") + [4]).compute()
    ['a', 'b', 'c', 4]
    >>> [result.metric for result in prof.results]
    [3, 4]
    """

    def __init__(self, metric: Callable[[Any], float] | None = None, metric_name: str | None = None) -> None:
        if metric is not None and not callable(metric):
            raise TypeError(f"metric must be a function of a value, got {metric!r}")
        self._metric = metric if metric is not None else lambda value: 1
        named = getattr(metric, "__name__", "metric") if metric is not None else "count"
        self._metric_name = metric_name if metric_name is not None else named
        self.results: list[CacheData] = []
        self._held: dict[Any, tuple[float, float]] = {}

    def _start(self, dsk: Any) -> None:
        self._dsk = dsk
        self.start_time = self.start_time or perf_counter()

    def _posttask(self, key: Any, value: Any, dsk: Any, state: dict[str, Any], worker_id: int) -> None:
        now = perf_counter()
        self._held[key] = (self._metric(value), now)
        for freed in state["released"] & self._held.keys():
            self._free(freed, dsk, now)

    def _finish(self, dsk: Any, state: Any, errored: bool) -> None:
        now = perf_counter()
        for key in list(self._held):
            self._free(key, dsk, now)
        self.end_time = now

    def _free(self, key: Any, dsk: Any, now: float) -> None:
        metric, since = self._held.pop(key)
        self.results.append(CacheData(key, dsk[key], metric, since, now))

    def clear(self) -> None:
        """Forget all results."""
        self.results = []
        self._held = {}
