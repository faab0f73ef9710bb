"""Methods of `str` for each item of a bag: ``bag.str.lower()``."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raskal.bag.collection import Bag

__all__ = ["StringAccessor"]


class StringAccessor:
    """Every method of `str`, and `match`.

    Examples
    --------
    >>> import raskal.bag as db
    >>> db.from_sequence(["a.py", "b.txt"]).str.match("*.py").compute()
    ['a.py']
    """

    def __init__(self, bag: Bag) -> None:
        self._bag = bag

    def __dir__(self) -> list[str]:
        return sorted([*(name for name in dir(str) if not name.startswith("_")), "match"])

    def __getattr__(self, name: str) -> Callable[..., Bag]:
        method = None if name.startswith("_") else getattr(str, name, None)
        if method is None:
            raise AttributeError(
                f"'StringAccessor' object has no attribute {name!r}\nhint: use a method of str, or match"
            )

        def call(*args: Any, **kwargs: Any) -> Bag:
            # The method itself is faster than looking it up on each item, but knows only str.
            return self._bag.map(methodcaller(name, *args, **kwargs))

        call.__name__ = name
        call.__doc__ = method.__doc__
        return call

    def match(self, pattern: str) -> Bag:
        """Keep the items that match a pattern of the shell.

        Parameters
        ----------
        pattern : str
            With ``*``, ``?`` and ``[...]``, as of `fnmatch`.
        """
        return self._bag.filter(partial(_matches, pattern))


def _matches(pattern: str, text: str) -> bool:
    return fnmatch.fnmatch(text, pattern)
