"""Which partition a key belongs to, in every process alike.

Start at `places`. Python hashes text differently in each process; equal keys must meet in one partition wherever their
items are read. So text is hashed here by content, and keys whose hash can't be foreseen are marked with what their hash
depends on: a mark that differs between processes is an error and never a wrong answer.
"""

from __future__ import annotations

import datetime
import numbers
import os
import zlib
from collections.abc import Iterable
from typing import Any

__all__ = ["check", "places"]

# Knuth's multiplier: neighbouring numbers go to different partitions whatever their count.
_SPREAD = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def places(keys: Iterable[Any], count: int) -> tuple[list[int], frozenset[str]]:
    """The partition of each key, and the marks of what that depends on beside the key."""
    marks: set[str] = set()
    return [((_hash(key, marks) * _SPREAD & _MASK) >> 32) % count for key in keys], frozenset(marks)


def check(all_marks: Iterable[frozenset[str]]) -> None:
    """Raise an error if keys were hashed in processes that do not agree.

    Raises
    ------
    TypeError
        If they do not.
    """
    kinds: dict[str, str] = {}
    for marks in all_marks:
        for mark in marks:
            kind, _, value = mark.partition(":")
            if kinds.setdefault(kind, value) != value:
                raise TypeError(
                    f"groupby can't tell on several processes which keys are equal: the hash of a key {kind}\n"
                    "hint: group by text, numbers, dates or tuples of them, or set PYTHONHASHSEED to one number "
                    "for all processes"
                )


def _hash(key: Any, marks: set[str]) -> int:
    kind = type(key)
    if kind is str:
        return zlib.crc32(key.encode("utf-8", "surrogatepass"))
    if kind is int or kind is float or kind is bool:
        return hash(key)
    if key is None:
        return 0x6E6F6E65
    if kind is tuple:
        mixed = len(key)
        for part in key:
            mixed = (mixed * 1000003 ^ _hash(part, marks)) & _MASK
        return mixed
    return _hash_other(key, marks)


def _hash_other(key: Any, marks: set[str]) -> int:
    if isinstance(key, str) and hash(key) == hash(str(key)):
        return zlib.crc32(str(key).encode("utf-8", "surrogatepass"))
    if isinstance(key, bytes) and type(key).__hash__ is bytes.__hash__:
        return zlib.crc32(key)
    if isinstance(key, numbers.Number) and type(key).__hash__ is not object.__hash__:
        return hash(key)
    if isinstance(key, tuple) and type(key).__hash__ is tuple.__hash__:
        return _hash(tuple(key), marks)
    if isinstance(key, frozenset):
        mixed = 0
        for part in key:
            mixed ^= _hash(part, marks) * _SPREAD & _MASK
        return mixed
    if isinstance(key, datetime.datetime):
        # Equal moments are equal keys, whatever their time zones.
        utc = key if key.tzinfo is None else key.astimezone(datetime.UTC)
        return hash((utc.toordinal(), utc.hour, utc.minute, utc.second, utc.microsecond))
    if isinstance(key, datetime.date):
        return hash((key.toordinal(), 0, 0, 0, 0))
    if isinstance(key, datetime.timedelta):
        return hash((key.days, key.seconds, key.microseconds))
    if type(key).__hash__ is object.__hash__ or isinstance(key, type) or callable(key):
        marks.add(f"is its place in memory ({type(key).__name__}):{os.getpid()}")
    else:
        marks.add(f"is drawn anew by each process ({type(key).__name__}):{hash('raskal')}")
    return hash(key)
