"""What tasks say: `print`, `warn`, logs and events, and how clients hear of it.

Start at `print` and `warn` for tasks, and `attend` for clients.
"""

from __future__ import annotations

import builtins
import logging
import pickle
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["attend", "print", "tell", "warn"]


def tell(topic: str, message: Any, keep: bool = False) -> None:
    """Tell a topic's listeners something, from a task."""
    import cloudpickle

    from raskal.distributed.worker import executor_client

    data = cloudpickle.dumps(message)
    executor_client()._desk.post(lambda board: board.publish(topic, data, keep))


def print(*args: Any, sep: str = " ", end: str = "\n", file: Any = None, flush: bool = False) -> None:
    """Print here and, from a task, at the clients of the cluster.

    Parameters
    ----------
    *args
        What to print. Clients are sent the objects themselves if they can be pickled, else their text.
    sep, end, file, flush
        As of Python's own `print`. Clients print what goes to the standard output or error.
    """
    from raskal.distributed.worker import is_executor

    if is_executor() and file in (None, sys.stdout, sys.stderr):
        for name, value in (("sep", sep), ("end", end)):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{name} must be None or a string, not {type(value).__name__}")
        shown = tuple(arg if isinstance(arg, (str, int, float, bool, bytes)) else str(arg) for arg in args)
        stream = "stderr" if file is not None and file is sys.stderr else "stdout"
        tell("print", {"args": shown, "sep": sep, "end": end, "file": stream, "flush": flush})
    builtins.print(*args, sep=sep, end=end, file=file, flush=flush)


def warn(
    message: str | Warning,
    category: type[Warning] | None = UserWarning,
    stacklevel: int = 1,
    source: Any = None,
) -> None:
    """Warn here and, from a task, at the clients of the cluster.

    Parameters
    ----------
    message : str or Warning
        What to warn of.
    category : type
        The kind of warning.
    stacklevel, source
        As of `warnings.warn`.
    """
    from raskal.distributed.worker import is_executor

    if is_executor():
        tell("warn", (message, category))
    warnings.warn(message, category, stacklevel + 1, source)


def attend(client: Client) -> None:
    """Have a client print and warn of what tasks tell."""
    client._desk.listen("print", _print_here)
    client._desk.listen("warn", _warn_here)


def _print_here(_: float, data: bytes) -> None:
    said = pickle.loads(data)
    stream = getattr(sys, said["file"])
    builtins.print(*said["args"], sep=said["sep"], end=said["end"], file=stream, flush=said["flush"])


def _warn_here(_: float, data: bytes) -> None:
    message, category = pickle.loads(data)
    warnings.warn(message, category, stacklevel=2)


LOG_TOPIC = "raskal:log"


class _Forwarder(logging.Handler):
    """Tells clients what is logged here."""

    def __init__(self, topic: str, level: int) -> None:
        super().__init__(level)
        self.topic = topic

    def emit(self, record: logging.LogRecord) -> None:
        try:
            entry = logging.makeLogRecord(record.__dict__)
            entry.msg, entry.args = record.getMessage(), None
            if record.exc_info:
                entry.exc_text = logging.Formatter().formatException(record.exc_info)
                entry.exc_info = None
            tell(self.topic, entry.__dict__)
        except Exception:
            self.handleError(record)


class ForwardLogging:
    """The plug-in behind `Client.forward_logging`."""

    def __init__(self, logger_name: str | None, level: int) -> None:
        self.name = forward_name(logger_name)
        self.logger_name, self.level = logger_name, level
        self.handler: logging.Handler | None = None

    def setup(self, worker: Any) -> None:
        """Listen to the logger."""
        logger = logging.getLogger(self.logger_name)
        self.handler = _Forwarder(f"{LOG_TOPIC}:{self.logger_name or ''}", self.level)
        logger.addHandler(self.handler)
        if self.level and logger.getEffectiveLevel() > self.level:
            logger.setLevel(self.level)

    def teardown(self, worker: Any) -> None:
        """Listen no more."""
        if self.handler is not None:
            logging.getLogger(self.logger_name).removeHandler(self.handler)


def forward_name(logger_name: str | None) -> str:
    """The name of the plug-in that forwards a logger."""
    return f"forward-logging-{logger_name or 'root'}"


def log_here(_: float, data: bytes) -> None:
    """Handle a record that was logged elsewhere as one of this process."""
    record = logging.makeLogRecord(pickle.loads(data))
    logging.getLogger(None if record.name == "root" else record.name).handle(record)
