"""The exceptions that raskal raises beside Python's own."""

from __future__ import annotations

from concurrent.futures import CancelledError

__all__ = ["CancelledError", "KilledWorker", "LostResult"]


class KilledWorker(Exception):
    """The workers that ran a task kept dying; the message names the task and each death."""


class LostResult(Exception):
    """A result was lost with the worker that held it, and nothing is left to make it again from."""
