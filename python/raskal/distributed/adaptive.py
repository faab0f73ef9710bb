"""Clusters whose size follows the work: `Adaptive`.

Start at `Adaptive.recommendations`. A thread looks at the backlog every `interval`: it asks for workers at once, and
gives them up only when it has found `wait_count` times in a row that they are too many.
"""

from __future__ import annotations

import logging
import math
import threading
import weakref
from typing import Any

from raskal.utils import parse_timedelta

__all__ = ["Adaptive"]

logger = logging.getLogger("raskal.distributed")


class Adaptive:
    """Has the number of a cluster's workers follow its work. Made by ``cluster.adapt``.

    Parameters
    ----------
    cluster : SpecCluster
        The cluster: it has `scale`, `plan` and a client.
    interval : str or float
        How often to look.
    minimum, maximum : int
        Limits of the number of workers.
    wait_count : int
        How often in a row a worker must be found too many before it is ended.
    target_duration : str or float
        In which time the work is to be done: a longer one means fewer workers.
    worker_key : None
        For Dask's sake.
    """

    def __init__(
        self,
        cluster: Any,
        interval: Any = None,
        minimum: float | None = None,
        maximum: float | None = None,
        wait_count: int | None = None,
        target_duration: Any = None,
        worker_key: Any = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise TypeError(f"Adaptive got unknown arguments {sorted(kwargs)}")
        self.minimum = int(minimum or 0)
        self.maximum = math.inf if maximum is None else maximum
        if self.minimum < 0 or self.maximum < self.minimum:
            raise ValueError(f"minimum must be from 0 to maximum, got {minimum} and {maximum}")
        self.interval = parse_timedelta(1 if interval is None else interval) or 0.0
        self.wait_count = 3 if wait_count is None else wait_count
        self.target_duration = parse_timedelta(5 if target_duration is None else target_duration) or 5.0
        self.status = "running"
        self.log: list[tuple[float, dict[str, Any]]] = []
        self._cluster = weakref.ref(cluster)
        self._surplus = 0
        self._last: tuple[int, float] | None = None
        self._rate = 0.0
        self._stopped = threading.Event()
        if self.interval > 0:
            threading.Thread(
                target=_watch, args=(weakref.ref(self), self._stopped), name="raskal-adapt", daemon=True
            ).start()

    @property
    def cluster(self) -> Any:
        """The cluster, while it is there."""
        return self._cluster()

    @property
    def plan(self) -> set[Any]:
        """The names of the workers that are wanted."""
        return self.cluster.plan

    @property
    def requested(self) -> set[Any]:
        """The names of the workers that were started."""
        return self.cluster.requested

    @property
    def observed(self) -> set[Any]:
        """The names of the workers that the scheduler knows."""
        return self.cluster.observed

    @property
    def scheduler(self) -> Any:
        """A view of the scheduler."""
        return self.cluster._own_client().scheduler

    def workers_to_close(self, target: int) -> list[Any]:
        """The names of the workers to end for there to be so many."""
        return self.cluster._idlest(max(0, len(self.plan) - target))

    def target(self) -> int:
        """How many workers the backlog calls for, without limits."""
        cluster = self.cluster
        unfinished, running = cluster._own_client()._client.backlog()
        if unfinished == 0:
            return 0
        threads = cluster._threads_per_worker()
        # As many as have something to do, unless all of it is done in time by fewer.
        most = math.ceil(unfinished / threads)
        seconds = self._seconds_per_task(unfinished, running)
        if seconds is None:
            return most
        enough = math.ceil(unfinished * seconds / self.target_duration / threads)
        return min(most, max(enough, 1))

    def _seconds_per_task(self, unfinished: int, running: int) -> float | None:
        """Time that tasks take, from how the backlog shrank since the last look; None while that is unknown."""
        import time

        now = time.monotonic()
        if self._last is not None and running:
            done, passed = self._last[0] - unfinished, now - self._last[1]
            self._rate = done / passed if done > 0 and passed > 0 else 0.0
        self._last = (unfinished, now)
        return running / self._rate if self._rate > 0 else None

    def safe_target(self) -> int:
        """How many workers there are to be, within the limits."""
        return int(min(max(self.target(), self.minimum), self.maximum))

    def recommendations(self, target: int) -> dict[str, Any]:
        """What to do to come to a number of workers: ``{"status": "same" | "up" | "down", ...}``."""
        there = len(self.cluster.plan)
        if target > there:
            self._surplus = 0
            return {"status": "up", "n": target}
        if target < there:
            self._surplus += 1
            if self._surplus > self.wait_count:
                return {"status": "down", "n": target}
            return {"status": "same"}
        self._surplus = 0
        return {"status": "same"}

    def adapt(self) -> None:
        """Look once, and do what is called for."""
        import time

        advice = self.recommendations(self.safe_target())
        if advice["status"] != "same":
            self.log.append((time.time(), advice))
            self.cluster._scale(advice["n"])
            self._surplus = 0

    def scale_up(self, n: int) -> None:
        """Start workers until there are `n`."""
        self.cluster._scale(n)

    def scale_down(self, workers: Any) -> None:
        """End these workers."""
        self.cluster._scale_down(list(workers))

    def stop(self, reason: str = "unknown") -> None:
        """Look no more."""
        if self.status == "running":
            self.status = "stopped"
            self._stopped.set()
            logger.info("an adaptive cluster stopped: %s", reason)


def _watch(reference: weakref.ref[Adaptive], stopped: threading.Event) -> None:
    adaptive = reference()
    while adaptive is not None and adaptive.cluster is not None and adaptive.cluster.status != "closed":
        try:
            if adaptive.cluster.status == "running":
                adaptive.adapt()
        except Exception:
            if stopped.is_set():
                return
            logger.exception("an adaptive cluster could not adapt")
        interval = adaptive.interval
        del adaptive
        if stopped.wait(interval):
            return
        adaptive = reference()
