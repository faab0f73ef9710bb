"""An executor process: runs the Python tasks of a node.

Started by the node runtime (`raskal.node`), or by the local engine for ``scheduler="processes"``, with a pipe as
standard input; start reading in ``crates/raskal-py/src/executor.rs``. It never talks to the scheduler.
"""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["main"]


def main(*, returns: bool = False) -> None:
    """Run tasks until whoever started this process is gone.

    Parameters
    ----------
    returns : bool
        Whether results go back with their answers, as a local engine wants them; a node leaves them here.
    """
    # An interrupt typed at a terminal reaches every process of it; the node decides when executors end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Scripts that are started as a worker's user would start them find modules beside them.
    if "" not in sys.path:
        sys.path.insert(0, "")
    from raskal import _contact
    from raskal._raskal import run_executor

    _contact.take()
    threads = int(os.environ.get("RASKAL_EXECUTOR_THREADS", "1"))
    # Not for the processes that tasks start.
    slate = os.environ.pop("RASKAL_EXECUTOR_SLATE", None)
    run_executor(threads, returns, slate)


if __name__ == "__main__":
    main()
