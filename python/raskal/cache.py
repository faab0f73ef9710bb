"""Keeping results for computations to come: in memory, or in a folder.

Start at `Cache`. A result is known by its key, so that only what has a key of its content is found again by another
run: arrays, dataframes, and delayed calls that are pure.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raskal.callbacks import Callback
from raskal.sizeof import sizeof
from raskal.utils import format_bytes, parse_bytes

__all__ = ["Cache", "DiskCache"]


@dataclass
class _Entry:
    value: Any
    nbytes: int
    seconds: float
    used: int = 0

    @property
    def score(self) -> float:
        """What it saved and may save again, for each byte."""
        return self.seconds * (1 + self.used) / self.nbytes


class Cache(Callback):
    """Keeps results that were expensive for their size, while it is active.

    Results are kept of collections as a whole, and of the delayed calls in between. When the limit is reached, what
    saves the least time for each byte goes first.

    Parameters
    ----------
    available_bytes : int or str
        How much to keep: ``2e9`` or ``"2 GB"``.
    limit : float
        Seconds of work for each byte that a value must have cost to be kept.

    Notes
    -----
    Differs from Dask: needs no other package, and takes only a number of bytes.

    Examples
    --------
    >>> import raskal
    >>> calls = []
    >>> def load():
    ...     calls.append(1)
    ...     return 3
    >>> value = raskal.delayed(load)()
    >>> with Cache("10 MB"):
    ...     (value + 1).compute(), (value * 2).compute()
    (4, 6)
    >>> calls
    [1]
    """

    def __init__(self, available_bytes: float | str, limit: float = 0) -> None:
        self.available_bytes = parse_bytes(available_bytes)
        if self.available_bytes <= 0:
            raise ValueError(f"a cache needs a number of bytes above 0, got {available_bytes!r}")
        self.limit = limit
        self.total_bytes = 0
        self._entries: dict[str, _Entry] = {}
        self._begun: dict[Any, float] = {}
        self._cost: dict[Any, float] = {}
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        held = f"{format_bytes(self.total_bytes)} of {format_bytes(self.available_bytes)}"
        return f"<{type(self).__name__}: {len(self._entries)} results, {held}>"

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, default: Any = None) -> Any:
        """The result of a key, or `default`."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return default
            entry.used += 1
            return entry.value

    def put(self, key: str, value: Any, seconds: float) -> None:
        """Keep a result that took so long, if it is worth its bytes."""
        nbytes = max(1, sizeof(value))
        if nbytes > self.available_bytes or seconds / nbytes < self.limit:
            return
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = _Entry(value, nbytes, seconds)
            self.total_bytes += nbytes
            while self.total_bytes > self.available_bytes:
                least = min(self._entries, key=lambda key: self._entries[key].score)
                self.total_bytes -= self._entries.pop(least).nbytes

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            self._entries.clear()
            self.total_bytes = 0

    def known(self) -> dict[str, Any]:
        """All results by key."""
        with self._lock:
            return {key: entry.value for key, entry in self._entries.items()}

    def _start(self, dsk: Any) -> None:
        self._begun.clear()
        self._cost.clear()

    def _pretask(self, key: Any, dsk: Any, state: Any) -> None:
        self._begun[key] = time.perf_counter()

    def _posttask(self, key: Any, value: Any, dsk: Any, state: Any, worker_id: int) -> None:
        own = time.perf_counter() - self._begun.pop(key, time.perf_counter())
        # What it would cost to make it again, with what it is made of.
        self._cost[key] = own + sum(self._cost.get(need, 0.0) for need in state["dependencies"][key])
        # A key that a user chose may mean something else the next time.
        if isinstance(key, str) and _CONTENT.search(key):
            self.put(key, value, self._cost[key])


_MISSING = object()
_DRAWN = "drawn:"
"""What keys begin with that mean something in this process only."""
_CONTENT = re.compile(r"-[0-9a-f]{32}$")


class DiskCache:
    """Keeps results of collections in a folder, for this run and later ones.

    A result is found by the content of what it is computed from, in any process that uses the folder: the same file
    read in the same way and the same operations give the same name. Functions count with their code. Files are written
    whole or not at all, and checked when they are read; the longest unused go first.

    Parameters
    ----------
    folder : path
        Where to keep results; made if it is not there. Whoever can write there can run code here: results are pickled.
    limit : int or str
        How many bytes to keep, ``"10 GB"`` by default.

    Raises
    ------
    ValueError
        If the limit is no number of bytes above 0.

    Examples
    --------
    >>> import tempfile, raskal.array as da
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with DiskCache(folder) as cache:
    ...         first, again = da.ones(4, chunks=2).sum().compute(), da.ones(4, chunks=2).sum().compute()
    ...     float(again), cache.hits
    (4.0, 1)
    """

    def __init__(self, folder: str | os.PathLike[str], limit: float | str = "10 GB") -> None:
        self.folder = Path(folder)
        self.limit_bytes = parse_bytes(limit)
        if self.limit_bytes <= 0:
            raise ValueError(f"a cache needs a number of bytes above 0, got {limit!r}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.hits = 0
        self.misses = 0

    def __enter__(self) -> DiskCache:
        self.register()
        return self

    def __exit__(self, *args: object) -> None:
        self.unregister()

    def register(self) -> None:
        """Use the cache from now on."""
        _disks.append(self)

    def unregister(self) -> None:
        """No longer."""
        with suppress(ValueError):
            _disks.remove(self)

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(stat.st_size for _, stat in self._files())

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.blake2b(key.encode(), digest_size=20).hexdigest()}.result"

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob("*.result"):
            with suppress(FileNotFoundError):  # another process removed it
                yield path, path.stat()

    def get(self, key: str, default: Any = None) -> Any:
        """The result of a key, or `default`; a file that is damaged is removed."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            self.misses += 1
            return default
        checksum, body = content[:32], content[32:]
        if hashlib.blake2b(body, digest_size=32).digest() != checksum:
            path.unlink(missing_ok=True)
            self.misses += 1
            return default
        with suppress(OSError):
            os.utime(path)  # used now
        self.hits += 1
        return pickle.loads(body)

    def put(self, key: str, value: Any) -> None:
        """Keep a result; what can't be pickled, or is larger than the limit, is not kept."""
        try:
            body = pickle.dumps(value, protocol=5)
        except Exception:
            return
        if len(body) > self.limit_bytes:
            return
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
            try:
                file.write(hashlib.blake2b(body, digest_size=32).digest())
                file.write(body)
                file.close()
                os.replace(file.name, self._path(key))
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        self._trim()

    def _trim(self) -> None:
        files = sorted(self._files(), key=lambda file: file[1].st_mtime)
        total = sum(stat.st_size for _, stat in files)
        for path, stat in files:
            if total <= self.limit_bytes:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size

    def clear(self) -> None:
        """Remove all results."""
        for path, _ in self._files():
            path.unlink(missing_ok=True)


_disks: list[DiskCache] = []


def memory_caches() -> list[Cache]:
    """The caches in memory that are active."""
    return [callback for callback in Callback.active if isinstance(callback, Cache)]


def is_active() -> bool:
    """Whether any cache is."""
    return bool(_disks) or bool(Callback.active and memory_caches())


def through(collections: list[Any], compute: Callable[[list[Any], dict[str, Any]], list[Any]]) -> list[Any]:
    """The results of collections: kept ones, and those that `compute(collections, known)` gives, kept from now on."""
    keys = [key_of(collection) for collection in collections]
    results = [_find(key) if key is not None else _MISSING for key in keys]
    rest = [place for place, result in enumerate(results) if result is _MISSING]
    if rest:
        known = {key: value for cache in memory_caches() for key, value in cache.known().items()}
        begun = time.perf_counter()
        computed = compute([collections[place] for place in rest], known)
        seconds = (time.perf_counter() - begun) / len(rest)
        for place, result in zip(rest, computed, strict=True):
            results[place] = result
            key = keys[place]
            if key is not None:
                _keep(key, result, seconds)
    return results


def _find(key: str) -> Any:
    for cache in (*memory_caches(), *(_disks if _lasts(key) else ())):
        value = cache.get(key, _MISSING)
        if value is not _MISSING:
            return value
    return _MISSING


def _keep(key: str, value: Any, seconds: float) -> None:
    for cache in memory_caches():
        cache.put(key, value, seconds)
    for disk in _disks if _lasts(key) else ():
        disk.put(key, value)


def _lasts(key: str) -> bool:
    """Whether the key means the same in other processes."""
    return not key.startswith(_DRAWN)


def key_of(collection: Any) -> str | None:
    """What the result of a collection is known by; None if nothing tells it from others."""
    from raskal._raskal import Delayed
    from raskal.tokenize import TokenizationError, tokenize

    if isinstance(collection, Delayed):
        # Keys that a user chose say nothing of the content.
        if not _CONTENT.search(collection.key):
            return None
        return collection.key if collection._is_keyed else _DRAWN + collection.key
    try:
        token = tokenize(collection, ensure_deterministic=True)
    except TokenizationError:
        return None
    return f"{type(collection).__module__}.{type(collection).__name__}-{token}"
