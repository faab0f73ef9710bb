"""What a client knows of its cluster: workers, and the values that they hold.

Start at `InventoryMethods.scheduler_info`, a part of `Client`.
"""

from __future__ import annotations

from typing import Any

from raskal.distributed._sync import either
from raskal.distributed.future import Future
from raskal.distributed.picture import dashboard_link

__all__ = ["InventoryMethods"]


class InventoryMethods:
    """Workers and values of a `Client`'s cluster."""

    _client: Any

    @either
    def wait_for_workers(self, n_workers: int, timeout: Any = None) -> Any:
        """Wait until there are so many workers.

        Parameters
        ----------
        n_workers : int
            How many.
        timeout : float or str, optional
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            If the time runs out.
        """
        from raskal.distributed._options import seconds_of

        if isinstance(n_workers, bool) or not isinstance(n_workers, int) or n_workers < 1:
            raise ValueError(f"n_workers must be a number from 1 on, got {n_workers!r}")
        self._client.wait_for_workers(n_workers, None if timeout is None else seconds_of(timeout))

    def scheduler_info(self, n_workers: int = -1, **kwargs: Any) -> dict[str, Any]:
        """What the scheduler knows of itself and its workers.

        Parameters
        ----------
        n_workers : int
            The most workers to tell of; -1 for all.

        Returns
        -------
        dict
            With ``address``, ``dashboard``, ``version``, ``started`` and ``workers``, by address.
        """
        info = self._client.info()
        workers = info["workers"] if n_workers < 0 else info["workers"][:n_workers]
        return {
            "type": "Scheduler",
            "id": info["addresses"][0] if info["addresses"] else self._client.address,
            "address": info["addresses"][0] if info["addresses"] else self._client.address,
            "dashboard": info["dashboard"],
            "version": info["version"],
            "started": info["started"],
            "n_workers": len(info["workers"]),
            "total_threads": sum(worker["nthreads"] for worker in info["workers"]),
            "total_memory": sum(worker["memory_limit"] for worker in info["workers"]),
            "workers": {worker["address"]: worker for worker in workers},
        }

    def nthreads(self, workers: Any = None, **kwargs: Any) -> dict[str, int]:
        """Number of Python tasks that each worker runs at a time, by address.

        Parameters
        ----------
        workers : list of str, optional
            Addresses or names; by default all.
        """
        return {worker["address"]: worker["nthreads"] for worker in self._selected(workers)}  # type: ignore[attr-defined]

    def ncores(self, workers: Any = None, **kwargs: Any) -> dict[str, int]:
        """The same as `nthreads`."""
        return self.nthreads(workers)

    @either
    def who_has(self, futures: Any = None, **kwargs: Any) -> Any:
        """The addresses of the workers that hold each future's result, by key.

        Parameters
        ----------
        futures : Future, containers of them, or persisted collections, optional
            Which results; by default all that are held.
        """
        from raskal.distributed._containers import futures_of

        if futures is None:
            found: dict[str, tuple[str, ...]] = {}
            for address, keys in self.has_what(asynchronous=False).items():
                for key in keys:
                    found[key] = (*found.get(key, ()), address)
            return found
        chosen = [futures] if isinstance(futures, Future) else futures_of(futures)
        addresses = {worker["id"]: worker["address"] for worker in self._client.workers()}
        holders = self._client.who_has([future._remote for future in chosen])
        return {
            future.key: tuple(addresses[worker] for worker in workers if worker in addresses)
            for future, workers in zip(chosen, holders)
        }

    @either
    def has_what(self, workers: Any = None, **kwargs: Any) -> Any:
        """The keys of the results that each worker holds, by address.

        Parameters
        ----------
        workers : list of str, optional
            Addresses or names; by default all.
        """
        addresses = {worker["id"]: worker["address"] for worker in self._selected(workers)}  # type: ignore[attr-defined]
        held = dict.fromkeys(addresses.values(), ())
        told = {addresses[id]: tuple(key for key, _ in keys) for id, keys in self._client.has_what() if id in addresses}
        return {**held, **told}

    @either
    def nbytes(self, keys: Any = None, summary: bool = True, **kwargs: Any) -> Any:
        """Sizes of the values on the cluster, in bytes.

        Parameters
        ----------
        keys : list of str, optional
            Of these; by default of all.
        summary : bool
            Whether to add them up by the first part of their keys.

        Returns
        -------
        dict
        """
        wanted = None if keys is None else {keys} if isinstance(keys, str) else set(keys)
        sizes = {key: size for _, held in self._client.has_what() for key, size in held}
        if wanted is not None:
            sizes = {key: size for key, size in sizes.items() if key in wanted}
        if not summary:
            return sizes
        total: dict[str, int] = {}
        for key, size in sizes.items():
            name = key_split(key)
            total[name] = total.get(name, 0) + size
        return total

    @property
    def dashboard_link(self) -> str | None:
        """The dashboard's address, as the configuration ``distributed.dashboard.link`` has it for browsers."""
        return dashboard_link(self._client.dashboard, self._client.address)


def key_split(key: str) -> str:
    """The first part of a key: what is before its hash or number."""
    name = key.removeprefix("('").split("'")[0]
    head, _, tail = name.rpartition("-")
    return head if head and tail and all(digit in "0123456789abcdef-" for digit in tail) else name
