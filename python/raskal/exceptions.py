"""The exceptions that raskal raises beside Python's own."""

from __future__ import annotations

from concurrent.futures import CancelledError
from typing import Any

__all__ = ["CancelledError", "FutureCancelledError", "KilledWorker", "LostResult", "Reschedule"]


class FutureCancelledError(CancelledError):
    """A future was given up.

    Parameters
    ----------
    key : str
        The task's key.
    reason : str
        Why.
    msg : str, optional
        More about it.
    """

    def __init__(self, key: str, reason: str, msg: str | None = None) -> None:
        super().__init__(f"{key} was cancelled: {reason}" + (f"\n{msg}" if msg else ""))
        self.key, self.reason, self.msg = key, reason, msg

    def __reduce__(self) -> tuple[Any, ...]:
        return FutureCancelledError, (self.key, self.reason, self.msg)


class KilledWorker(Exception):
    """The workers that ran a task kept dying; the message names the task and each death."""


class LostResult(Exception):
    """A result was lost with the worker that held it, and nothing is left to make it again from."""


class Reschedule(Exception):
    """Raised by a task of a cluster that wants to be run anew, on whatever worker: this run of it does not count."""
