"""Exceptions that travel: packed where a task raised, unpacked where its result is wanted.

Start at `pack` and `unpack`. An exception goes as itself, without its traceback's frames, which hold the task's data;
the traceback goes as text and comes back as the cause.
"""

from __future__ import annotations

import pickle
import traceback

__all__ = ["RemoteTraceback", "pack", "unpack"]


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
