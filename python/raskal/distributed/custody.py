"""Who keeps results: copies, moves, workers that leave, restarts.

Start at `CustodyMethods.replicate`, a part of `Client`. The scheduler does it
(``crates/raskal-scheduler/src/custody.rs``).
"""

from __future__ import annotations

from typing import Any

from raskal._raskal import Remote
from raskal.distributed._containers import find_futures
from raskal.distributed._sync import either
from raskal.distributed.future import Future

__all__ = ["CustodyMethods"]


class CustodyMethods:
    """Where the results of a `Client` are kept."""

    _client: Any
    _known: Any

    @either
    def replicate(self, futures: Any, n: int | None = None, workers: Any = None, branching_factor: int = 2) -> None:
        """Have several workers hold results, so that the loss of one loses nothing; returns when they do.

        Parameters
        ----------
        futures : Future, or containers of them
            Which results; waits until they are there.
        n : int, optional
            How many workers; by default all.
        workers : str or list of str, optional
            Names, addresses or hosts of the workers to choose from.
        branching_factor : int
            Accepted for Dask's sake.
        """
        if n is not None and n < 1:
            raise ValueError(f"replicate needs at least one worker, got n={n}")
        remotes = _remotes(futures)
        self._client.wait(remotes)
        self._client.replicate(remotes, n or 0, _names(workers))

    @either
    def rebalance(self, futures: Any = None, workers: Any = None) -> None:
        """Move results between workers until each holds about as many bytes; returns when they have moved.

        Parameters
        ----------
        futures : Future, or containers of them, optional
            The results that may move; by default all.
        workers : str or list of str, optional
            Names, addresses or hosts of the workers to move between; by default all.
        """
        remotes = [] if futures is None else _remotes(futures)
        self._client.wait(remotes)
        self._client.rebalance(remotes, _names(workers))

    @either
    def retire_workers(self, workers: Any = None, close_workers: bool = True, **kwargs: Any) -> dict[str, Any]:
        """Have workers leave, once others hold what they held; returns when they have left.

        Parameters
        ----------
        workers : str or list of str, optional
            Names, addresses or hosts; by default all that can leave.
        close_workers : bool
            Whether they end; otherwise they stay without work and results.
        **kwargs
            Accepted for Dask's sake.

        Returns
        -------
        dict
            The workers that have left, by address. One that holds or makes what is needed stays when there is no other.
        """
        names = [worker["address"] for worker in self._client.workers()] if workers is None else _names(workers)
        return {worker["address"]: worker for worker in self._client.retire(names, close_workers)}

    @either
    def restart(self, timeout: Any = None, wait_for_workers: bool = True) -> Any:
        """Give up all results of all clients and restart the processes that run tasks; returns when they are ready.

        Parameters
        ----------
        timeout, wait_for_workers
            Accepted for Dask's sake.

        Returns
        -------
        Client
            This one.
        """
        self._client.restart()
        self._known.clear()
        return self


def _remotes(futures: Any) -> list[Remote]:
    found: list[Future] = []
    find_futures(futures, found)
    return [future._remote for future in found]


def _names(workers: Any) -> list[str]:
    """Names of workers as a list."""
    if workers is None:
        return []
    return [str(workers)] if isinstance(workers, (str, int)) else [str(name) for name in workers]
