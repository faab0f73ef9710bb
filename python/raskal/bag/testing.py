"""For tests of code that makes bags: `assert_eq`."""

from __future__ import annotations

from typing import Any

__all__ = ["assert_eq"]


def assert_eq(a: Any, b: Any, scheduler: Any = "sync") -> None:
    """Raise `AssertionError` unless two values are equal, computed where they are lazy.

    Parameters
    ----------
    a, b : object
        Bags, items, or what they should compute to.
    scheduler : str or Client
        As of `raskal.compute`.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.assert_eq(db.range(3, npartitions=2), [0, 1, 2])
    """
    values = [value.compute(scheduler=scheduler) if hasattr(value, "compute") else value for value in (a, b)]
    if values[0] != values[1]:
        raise AssertionError(f"{values[0]!r:.500} is not {values[1]!r:.500}")
