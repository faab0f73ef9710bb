"""Exceptions that travel: packed where a task raised, unpacked where its result is wanted.

Start at `pack` and `unpack`. An exception goes as itself, without its traceback's frames, which hold the task's data;
the traceback goes as text and comes back as the cause.
"""

from __future__ import annotations

import pickle
import re
import traceback
from types import TracebackType

__all__ = ["RemoteTraceback", "pack", "traceback_of", "unpack"]


class RemoteTraceback(Exception):
    """The traceback of an exception that was raised in another process, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


def pack(exception: BaseException) -> tuple[bytes, str]:
    """Turn an exception into bytes, and its traceback into text.

    Parameters
    ----------
    exception : BaseException
        What a task raised.

    Returns
    -------
    bytes, str
        What `unpack` takes, and the traceback as Python prints it.
    """
    text = "".join(traceback.format_exception(exception)).rstrip()
    bare = exception.with_traceback(None)
    bare.__context__ = None
    bare.__cause__ = None
    try:
        data = pickle.dumps(bare)
        pickle.loads(data)
    except Exception:
        try:
            import cloudpickle

            data = cloudpickle.dumps(bare)
            pickle.loads(data)
        except Exception:
            # A class that can't be pickled, or can't be made again from its arguments.
            data = pickle.dumps(RuntimeError(f"{type(exception).__qualname__}: {exception}"))
    return data, text


def unpack(data: bytes, text: str) -> BaseException:
    """Make the exception again, with the remote traceback as its cause.

    Parameters
    ----------
    data : bytes
        Of `pack`.
    text : str
        The traceback.

    Returns
    -------
    BaseException
        Ready to be raised.
    """
    exception = pickle.loads(data)
    if not isinstance(exception, BaseException):
        exception = RuntimeError(f"a task failed with {exception!r}, which is no exception")
    exception.__cause__ = RemoteTraceback(text)
    return exception


_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+), in (?P<name>.+)$', re.MULTILINE)


def traceback_of(text: str) -> TracebackType | None:
    """Make a traceback again from its text: files, lines and functions, without variables.

    Parameters
    ----------
    text : str
        As Python prints it.

    Returns
    -------
    traceback or None
        Of the last exception in the text; None if there is none.
    """
    last = text.rsplit("Traceback (most recent call last):", 1)[-1]
    made: TracebackType | None = None
    for found in reversed(list(_FRAME.finditer(last))):
        code = compile("raise Exception", found["file"], "exec")
        name = found["name"].rsplit(".", 1)[-1]
        code = code.replace(co_name=name, co_qualname=found["name"], co_firstlineno=int(found["line"]))
        try:
            exec(code, {"__name__": "remote"})
        except Exception as error:
            assert error.__traceback__ is not None and error.__traceback__.tb_next is not None
            raised = error.__traceback__.tb_next
            made = TracebackType(made, raised.tb_frame, raised.tb_lasti, int(found["line"]))
    return made
