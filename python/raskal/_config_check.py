"""Checks the values of raskal's own settings, so that a mistake is told where it is made.

Start at `check_value`. Settings that are not listed, other packages' among them, are never checked; of those that Dask
has and raskal has not, users are told (`tell_without_effect`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from raskal._config_dask import advice
from raskal.utils import parse_bytes, parse_timedelta


def _size(value: Any) -> None:
    if parse_bytes(value) <= 0:
        raise ValueError("must be above 0")


def _limit(value: Any) -> None:
    if isinstance(value, bool) or (parse_bytes(value) if isinstance(value, str) else value) <= 0:
        raise ValueError("must be a part of the memory, such as 0.7, or a size, such as '4GiB'")


def _count(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number above 0")


def _flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")


def _duration(value: Any) -> None:
    seconds = parse_timedelta(value)
    if seconds is None or seconds <= 0:
        raise ValueError("must be above 0")


# By name with '-'. None (null in YAML) always means raskal's own choice.
_CHECKS: dict[str, Callable[[Any], None]] = {
    "delayed-pure": _flag,
    "memory-limit": _limit,
    "num-workers": _count,
    "tokenize.ensure-deterministic": _flag,
    "array.chunk-size": _size,
    "distributed.admin.large-graph-warning-threshold": _size,
    "distributed.comm.timeouts.connect": _duration,
    "distributed.worker.profile.cycle": _duration,
    "distributed.worker.profile.enabled": _flag,
    "distributed.worker.profile.interval": _duration,
}


def check_value(key: str, value: Any, place: str) -> None:
    """Raise `ValueError` if `value` cannot be right for the setting `key`; `place` says where it was given."""
    key = key.replace("_", "-")
    check = _CHECKS.get(key)
    if check is None or value is None:
        return
    try:
        check(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{place}: bad value {value!r} for setting {key!r}: {error}") from error


_told: set[str] = set()


def tell_without_effect(key: str, place: str, stacklevel: int = 3) -> None:
    """Warn, once for each, of a setting of Dask that changes nothing here; `place` says where it was given."""
    key = key.replace("_", "-")
    instead = advice(key)
    if instead is not None and key not in _told:
        _told.add(key)
        warnings.warn(f"{place}: {key!r} changes nothing here\nhint: {instead}", UserWarning, stacklevel=stacklevel)
