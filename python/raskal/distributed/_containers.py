"""Futures inside containers and collections: finding them, and putting results in their places.

Start at `futures_of`.
"""

from __future__ import annotations

from typing import Any

from raskal import base
from raskal.distributed.future import Future

__all__ = ["find_futures", "futures_of", "put_back"]

_SKIP = object()


def futures_of(o: Any, client: Any = None) -> list[Future]:
    """The futures in collections and containers.

    Parameters
    ----------
    o : Future, persisted collection, or containers of them
        Where to look.
    client : Client, optional
        Whose futures those of collections are; by default the current one.

    Returns
    -------
    list of Future

    Examples
    --------
    >>> import raskal.array
    >>> from raskal.distributed import Client, futures_of
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     kept = raskal.array.ones(10, chunks=5).persist()
    ...     len(futures_of(kept))
    2
    """
    found: list[Future] = []
    find_futures(o, found)
    collections: list[Any] = []
    _find_collections(o, collections)
    if collections:
        builder, _ = base._lower(collections, distributed=True)
        remotes = {remote.id: remote for remote in builder.remotes()}
        if remotes:
            from raskal.distributed.client import default_client

            client = client or default_client()
            found += [Future._of(remote, client) for remote in remotes.values()]
    for future in found:
        if future.cancelled():
            future._check()
    return found


def find_futures(item: Any, found: list[Future]) -> None:
    if isinstance(item, Future):
        found.append(item)
    elif isinstance(item, dict):
        for value in item.values():
            find_futures(value, found)
    elif isinstance(item, (list, tuple, set, frozenset)):
        for value in item:
            find_futures(value, found)


def put_back(item: Any, values: dict[int, Any]) -> Any:
    if isinstance(item, Future):
        return values.get(id(item), _SKIP)
    if isinstance(item, dict):
        replaced = {key: put_back(value, values) for key, value in item.items()}
        return {key: value for key, value in replaced.items() if value is not _SKIP}
    if isinstance(item, (list, tuple, set, frozenset)):
        return type(item)(value for value in (put_back(value, values) for value in item) if value is not _SKIP)
    return item


def _find_collections(item: Any, found: list[Any]) -> None:
    if isinstance(item, dict):
        for value in item.values():
            _find_collections(value, found)
    elif isinstance(item, (list, tuple, set, frozenset)):
        for value in item:
            _find_collections(value, found)
    elif not isinstance(item, Future) and hasattr(type(item), "__raskal_lower__"):
        found.append(item)
