"""Runs, local or of a cluster, as traces for Perfetto and Chrome.

Start at `write_chrome_trace`. The format is the JSON of the trace event format: https://ui.perfetto.dev opens it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raskal.diagnostics._watch import TaskRecord
from raskal.diagnostics.profile import Profiler, ResourceProfiler
from raskal.diagnostics.stream import TaskStream
from raskal.utils import key_split

__all__ = ["write_chrome_trace"]


def write_chrome_trace(filename: str | os.PathLike[str], *profilers: Profiler | ResourceProfiler | TaskStream) -> None:
    """Write what profilers noted as a trace.

    Parameters
    ----------
    filename : path
        Where to write, such as ``"run.json"``.
    *profilers : Profiler, ResourceProfiler or TaskStream
        Tasks become slices of their threads (of a cluster, each worker is a process), resources become counters.

    Raises
    ------
    TypeError
        If a profiler is of another kind.

    Examples
    --------
    >>> import raskal, tempfile, pathlib
    >>> with Profiler() as prof:
    ...     raskal.delayed(abs)(-1).compute()
    1
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_chrome_trace(f"{folder}/run.json", prof)
    ...     pathlib.Path(f"{folder}/run.json").read_text().count('"ph": "X"')
    1
    """
    events: list[dict[str, Any]] = []
    processes = {"": os.getpid()}
    for profiler in profilers:
        if isinstance(profiler, (Profiler, TaskStream)):
            events.extend(_slices(profiler.records, processes))
        elif isinstance(profiler, ResourceProfiler):
            events.extend(_counters(profiler))
        else:
            raise TypeError(
                "only Profiler, ResourceProfiler and TaskStream can be written as a trace, got "
                f"{type(profiler).__name__}"
            )
    begin = min((event["ts"] for event in events), default=0.0)
    for event in events:
        event["ts"] -= begin
    threads = sorted({(event["pid"], event["tid"], event["cat"]) for event in events if event["ph"] == "X"})
    numbers: dict[int, int] = {}
    names: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": number, "args": {"name": f"worker {worker}"}}
        for worker, number in processes.items()
        if worker
    ]
    for process, thread, kind in threads:
        number = numbers[process] = numbers.get(process, -1) + 1
        name = "transfers" if kind == "transfer" else f"thread {number}"
        names.append({"ph": "M", "name": "thread_name", "pid": process, "tid": thread, "args": {"name": name}})
    trace = {"displayTimeUnit": "ms", "traceEvents": [*names, *events]}
    Path(filename).write_text(json.dumps(trace), encoding="utf-8")


# Transfers overlap each other and the tasks of the threads: they have a row of their own behind the others.
_TRANSFER_ROW = 1_000_000


def _slices(records: Sequence[TaskRecord], processes: dict[str, int]) -> list[dict[str, Any]]:
    """Slices of records; numbers for workers that have none yet are added to `processes`."""
    return [
        {
            "ph": "X",
            "cat": "transfer" if record.transfer else "task",
            "name": record.task if record.worker else key_split(record.key),
            "pid": processes.setdefault(record.worker, len(processes)),
            "tid": _TRANSFER_ROW if record.transfer else record.worker_id,
            "ts": record.start_time * 1e6,
            "dur": (record.end_time - record.start_time) * 1e6,
            "args": {"key": str(record.key), "layer": record.layer, "bytes": record.nbytes, "failed": record.failed},
        }
        for record in records
    ]


def _counters(profiler: ResourceProfiler) -> list[dict[str, Any]]:
    counter = {"ph": "C", "pid": os.getpid()}
    return [
        {**counter, "name": name, "ts": result.time * 1e6, "args": {name: value}}
        for result in profiler.results
        for name, value in (("memory (MB)", result.mem), ("CPU (%)", result.cpu))
    ]
