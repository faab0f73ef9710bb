"""A lock that can travel inside a pickled task.

Start at `SerializableLock`. Two locks of one token in one process are one lock; it never reaches across processes.
"""

from __future__ import annotations

import threading
import uuid
from types import TracebackType
from weakref import WeakValueDictionary


class _SharedLock:
    """Holds a lock where a weak dictionary can refer to it; a bare lock cannot be referred to weakly everywhere."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class SerializableLock:
    """A lock known by a token, that keeps its meaning when it is pickled within a process.

    Parameters
    ----------
    token : hashable, optional
        Locks of equal token are the same lock. Random by default.

    Examples
    --------
    >>> import pickle
    >>> lock = SerializableLock("file.h5")
    >>> with lock:
    ...     pickle.loads(pickle.dumps(lock)).locked()
    True
    """

    _known: WeakValueDictionary[object, _SharedLock] = WeakValueDictionary()
    _known_lock = threading.Lock()

    def __init__(self, token: object = None) -> None:
        self.token = token if token is not None else str(uuid.uuid4())
        with SerializableLock._known_lock:
            shared = SerializableLock._known.get(self.token)
            if shared is None:
                shared = SerializableLock._known[self.token] = _SharedLock()
        self._shared = shared

    @property
    def lock(self) -> threading.Lock:
        """The lock itself."""
        return self._shared.lock

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; as `threading.Lock.acquire`."""
        return self.lock.acquire(blocking, timeout)

    def release(self) -> None:
        """Give the lock back."""
        self.lock.release()

    def locked(self) -> bool:
        """Whether someone holds the lock."""
        return self.lock.locked()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __reduce__(self) -> tuple[type[SerializableLock], tuple[object]]:
        return SerializableLock, (self.token,)

    def __repr__(self) -> str:
        return f"<SerializableLock: {self.token}>"
