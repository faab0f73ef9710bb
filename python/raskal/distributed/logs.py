"""What the processes of a cluster logged: `Client.get_scheduler_logs` and `get_worker_logs`.

Start at `LogMethods`, a part of `Client`. The scheduler keeps the last lines of every process
(``crates/raskal-server/src/history.rs``); workers send theirs once a second.
"""

from __future__ import annotations

import re
from typing import Any

from raskal.distributed._sync import either
from raskal.distributed.observing import view

__all__ = ["LogMethods"]

_LEVEL = re.compile(r"\b(ERROR|WARN|WARNING|INFO|DEBUG|TRACE|CRITICAL)\b")

Line = tuple[str, str]


class LogMethods:
    """What a `Client`'s cluster logged."""

    _client: Any

    @either
    def get_scheduler_logs(self, n: int | None = None) -> Any:
        """The last lines that the scheduler logged.

        Parameters
        ----------
        n : int, optional
            How many; by default all that are kept.

        Returns
        -------
        list of (str, str)
            Level and text, oldest first.
        """
        return _lines(self, "scheduler", n)

    @either
    def get_worker_logs(self, n: int | None = None, workers: Any = None, nanny: bool = False) -> Any:
        """The last lines that workers and the Python processes of their tasks wrote to their logs.

        Parameters
        ----------
        n : int, optional
            How many of each; by default all that are kept.
        workers : list of str, optional
            Addresses or names; by default all.
        nanny : bool
            For Dask's sake: a worker and what watches over its processes have one log.

        Returns
        -------
        dict of str to list of (str, str)
            By address: level and text of each line, oldest first. Lines come about a second after they were written.
        """
        return {worker["address"]: _lines(self, worker["name"], n) for worker in self._selected(workers)}  # type: ignore[attr-defined]


def _lines(client: Any, source: str, n: int | None) -> list[Line]:
    if n is not None and n < 0:
        raise ValueError(f"n must be at least 0, got {n}")
    lines = [line["text"] for line in view(client, "logs", source=source, count=n)["lines"]]
    return [(level_of(line), line) for line in lines]


def level_of(line: str) -> str:
    """The level of a line of a log, as `logging` calls it; that of the standard error where it names none."""
    found = _LEVEL.search(line[:80])
    level = "INFO" if found is None else found[1]
    return {"WARN": "WARNING", "TRACE": "DEBUG"}.get(level, level)
