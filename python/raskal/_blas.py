"""Keeps linear algebra on one thread while tasks run on several.

NumPy's BLAS starts a thread per core for each product. With as many tasks at once they fight over the cores: a product
of chunks was 20 times slower on two cores. Set for the time of a run, and restored after it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_runs = 0
_limit: Any = None
_controller: Any = None
_known: tuple[bool, bool] = (False, False)


@contextmanager
def one_thread() -> Iterator[None]:
    """For as long as it is open, BLAS libraries that are loaded run on the calling thread alone."""
    global _runs, _limit
    with _lock:
        _runs += 1
        if _runs == 1 and (controller := _loaded()) is not None:
            _limit = controller.limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if _runs == 0 and _limit is not None:
                _limit.restore_original_limits()
                _limit = None


def _loaded() -> Any:
    """The controller of the libraries that are loaded now; None if there can be none. Looking takes milliseconds."""
    global _controller, _known
    loaded = ("numpy" in sys.modules, "scipy" in sys.modules)
    if loaded != _known:
        from threadpoolctl import ThreadpoolController

        _controller, _known = ThreadpoolController(), loaded
    return _controller
