"""Runs of tasks on a cluster, in the form in which local runs are recorded.

Start at `TaskStream`. The scheduler remembers the last 100,000 runs (``crates/raskal-server/src/history.rs``); what
comes from it is turned here into the records that pictures and traces are made of.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from raskal.diagnostics._watch import TaskRecord

__all__ = ["TaskStream"]


class TaskStream:
    """Tasks that ran on a cluster, oldest first.

    Parameters
    ----------
    columns : mapping
        The scheduler's answer: one list per field.
    keys : list of str or None, optional
        Keys that this process knows better than the scheduler does.

    Attributes
    ----------
    records : list of TaskRecord
        Runs and transfers, in the form of `Profiler.records`; times are seconds since 1970.
    data : list of dict
        The runs alone, in the form of Dask's task stream.
    """

    def __init__(self, columns: Mapping[str, Any] | None = None, keys: list[str | None] | None = None) -> None:
        self.records: list[TaskRecord] = []
        self.data: list[dict[str, Any]] = []
        if columns is not None:
            self._read(columns, keys)

    def _read(self, columns: Mapping[str, Any], keys: list[str | None] | None) -> None:
        workers = {worker["id"]: worker for worker in columns["workers"]}
        names, layers = columns["names"], columns["layers"]
        rows = zip(
            keys if keys is not None else [None] * len(columns["key"]),
            columns["key"],
            columns["name"],
            columns["layer"],
            columns["worker"],
            columns["thread"],
            columns["start_us"],
            columns["stop_us"],
            columns["size_bytes"],
            columns["kind"],
            strict=True,
        )
        for own, made, name, layer, worker_id, thread, start_us, stop_us, size, kind in rows:
            worker = workers.get(worker_id) or {"name": f"worker {worker_id}", "address": f"worker {worker_id}"}
            key = own or made
            start, stop = start_us / 1e6, stop_us / 1e6
            transfer, failed = kind == "transfer", kind == "failed"
            record = TaskRecord(
                key, names[name], start, stop, thread, layers[layer], size, failed, worker["name"], transfer
            )
            self.records.append(record)
            if not transfer:
                self.data.append(
                    {
                        "key": key,
                        "name": names[name],
                        "layer": layers[layer],
                        "worker": worker["address"],
                        "worker_name": worker["name"],
                        "thread": thread,
                        "status": "error" if failed else "OK",
                        "nbytes": size,
                        "startstops": [{"action": "compute", "start": start, "stop": stop}],
                    }
                )

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.data)

    def __repr__(self) -> str:
        workers = len({record.worker for record in self.records})
        return f"<TaskStream: {len(self.data):,} tasks on {workers} worker{'s' if workers != 1 else ''}>"

    def visualize(self, **kwargs: Any) -> Any:
        """Draw the runs, as `raskal.diagnostics.visualize`."""
        from raskal.diagnostics.picture import visualize

        return visualize(self, **kwargs)

    def to_chrome_trace(self, filename: str | os.PathLike[str]) -> None:
        """Write the runs for https://ui.perfetto.dev or ``chrome://tracing``, as `write_chrome_trace`."""
        from raskal.diagnostics.trace import write_chrome_trace

        write_chrome_trace(filename, self)
