"""Local runs as traces for Perfetto and Chrome.

Start at `write_chrome_trace`. The format is the JSON of the trace event format: https://ui.perfetto.dev opens it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from raskal.diagnostics.profile import Profiler, ResourceProfiler
from raskal.utils import key_split

__all__ = ["write_chrome_trace"]


def write_chrome_trace(filename: str | os.PathLike[str], *profilers: Profiler | ResourceProfiler) -> None:
    """Write what profilers noted as a trace.

    Parameters
    ----------
    filename : path
        Where to write, such as ``"run.json"``.
    *profilers : Profiler or ResourceProfiler
        Tasks become slices of their threads, resources become counters.

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
    for profiler in profilers:
        if isinstance(profiler, Profiler):
            events.extend(_slices(profiler))
        elif isinstance(profiler, ResourceProfiler):
            events.extend(_counters(profiler))
        else:
            raise TypeError(
                f"only Profiler and ResourceProfiler can be written as a trace, got {type(profiler).__name__}"
            )
    begin = min((event["ts"] for event in events), default=0.0)
    for event in events:
        event["ts"] -= begin
    threads = sorted({event["tid"] for event in events if event["ph"] == "X"})
    names = [
        {"ph": "M", "name": "thread_name", "pid": os.getpid(), "tid": thread, "args": {"name": f"thread {number}"}}
        for number, thread in enumerate(threads)
    ]
    trace = {"displayTimeUnit": "ms", "traceEvents": [*names, *events]}
    Path(filename).write_text(json.dumps(trace), encoding="utf-8")


def _slices(profiler: Profiler) -> list[dict[str, Any]]:
    return [
        {
            "ph": "X",
            "cat": "task",
            "name": key_split(record.key),
            "pid": os.getpid(),
            "tid": record.worker_id,
            "ts": record.start_time * 1e6,
            "dur": (record.end_time - record.start_time) * 1e6,
            "args": {"key": str(record.key), "layer": record.layer, "bytes": record.nbytes, "failed": record.failed},
        }
        for record in profiler.records
    ]


def _counters(profiler: ResourceProfiler) -> list[dict[str, Any]]:
    counter = {"ph": "C", "pid": os.getpid()}
    return [
        {**counter, "name": name, "ts": result.time * 1e6, "args": {name: value}}
        for result in profiler.results
        for name, value in (("memory (MB)", result.mem), ("CPU (%)", result.cpu))
    ]
