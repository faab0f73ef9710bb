"""What an executor process of a worker knows from its node: how the scheduler is reached, and more.

Start at `take`. Apart from `raskal.distributed`, which the executors of `scheduler="processes"` need not import.
"""

from __future__ import annotations

import json
import os
from typing import Any

__all__ = ["VARIABLE", "known", "take"]

VARIABLE = "RASKAL_WORKER_CONTACT"

_contact: dict[str, Any] | None = None


def take() -> None:
    """Take note that this process runs the tasks of a worker, if its node says so."""
    global _contact
    # Taken out of the environment: the processes that tasks start are no executors.
    text = os.environ.pop(VARIABLE, None)
    _contact = None if text is None else json.loads(text)
    if _contact is None:
        return
    # All of it, before there is more than one thread: two that import parts of a package can each wait for the other,
    # and Python then gives one of them half a module.
    from raskal.distributed.worker import preload

    if _contact.get("preload"):
        preload(_contact["preload"], _contact.get("preload_argv", []))


def known() -> dict[str, Any] | None:
    """What the node said; None in a process that is no executor of a worker."""
    return _contact
