"""A process that forks others: a Python that has imported raskal once is there again in milliseconds.

Start at `Nursery`. A node (`raskal.node`) has one for its executor processes, a `LocalCluster` one for its nodes. What
is asked of it comes over a socket, with the descriptors that the new process is to have; how a process ended is told
on a pipe of its own. ``crates/raskal-runtime/src/node/nursery.rs`` asks in the same words.
It has one thread and starts none: only so is a fork of it a whole process. Only on Linux.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Forked", "Nursery", "available", "fork"]

_LENGTH = struct.Struct("<I")
_ANSWER = struct.Struct("<i")
_FDS_MAX = 4

# Imported before the first fork; what a process needs in its first moments.
_MODULES = ("raskal._raskal", "raskal.node", "raskal.executor", "raskal.distributed.worker", "cloudpickle", "numpy")


def available() -> bool:
    """Whether this system has what it takes."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


class Forked:
    """A process that a nursery forked, with the ways of `subprocess.Popen`."""

    def __init__(self, args: list[str], pid: int, status: int, stdin: Any, stdout: Any, stderr: Any) -> None:
        self.args, self.pid, self.stdin, self.stdout, self.stderr = args, pid, stdin, stdout, stderr
        self.returncode: int | None = None
        self._status = status
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, once it has ended; a signal's number is negative."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Raises
        ------
        subprocess.TimeoutExpired
            If the time runs out.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            # In steps, so that several threads can wait.
            code = self._look(0.05 if deadline is None else min(0.05, max(0.0, deadline - time.monotonic())))
            if code is not None:
                return code
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)

    def _look(self, seconds: float) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._status], [], [], seconds)[0]:
                told = os.read(self._status, _ANSWER.size)
                os.close(self._status)
                # Nothing is told if the nursery itself has died.
                ended = _ANSWER.unpack(told)[0] if len(told) == _ANSWER.size else signal.SIGKILL
                self.returncode = os.waitstatus_to_exitcode(ended)
            return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to it, if it has not ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """A process that forks others for this one. It ends with this process, or with `close`; what it forked goes on."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._forked: weakref.WeakSet[Forked] = weakref.WeakSet()
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "raskal._nursery", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=dict(environment)
            )

    def spawn(self, main: str, arguments: Sequence[str], environment: Mapping[str, str], stdout: int | None) -> Forked:
        """Fork a process that calls a function.

        Parameters
        ----------
        main : str
            The function, such as ``raskal.node:main``; it takes the arguments and returns an exit code.
        arguments : list of str
            What it takes.
        environment : dict
            The variables of its environment.
        stdout : int or None
            `subprocess.PIPE`, `subprocess.DEVNULL`, or None for the standard output of this process.

        Returns
        -------
        Forked

        Raises
        ------
        OSError
            If the nursery has ended.
        """
        given: dict[str, int] = {}
        ours: dict[str, int] = {}
        given["stdin"], ours["stdin"] = os.pipe()
        ours["stderr"], given["stderr"] = os.pipe()
        ours["status"], given["status"] = os.pipe()
        if stdout == subprocess.PIPE:
            ours["stdout"], given["stdout"] = os.pipe()
        elif stdout == subprocess.DEVNULL:
            given["stdout"] = os.open(os.devnull, os.O_WRONLY)
        else:
            given["stdout"] = os.dup(1)
        asked = {"main": main, "arguments": list(arguments), "environment": dict(environment), "fds": list(given)}
        try:
            with self._lock:
                pid = _ask(self._socket, json.dumps(asked).encode(), list(given.values()))
        except BaseException:
            for fd in ours.values():
                os.close(fd)
            raise
        finally:
            for fd in given.values():
                os.close(fd)
        streams: dict[str, Any] = {
            name: os.fdopen(fd, "wb" if name == "stdin" else "rb") for name, fd in ours.items() if name != "status"
        }
        forked = Forked(
            [main, *arguments], pid, ours["status"], streams["stdin"], streams.get("stdout"), streams["stderr"]
        )
        self._forked.add(forked)
        return forked

    @property
    def ended(self) -> bool:
        """Whether it can't be asked any more."""
        return self._process.poll() is not None

    @property
    def is_empty(self) -> bool:
        """Whether all that it forked has ended."""
        with self._lock:
            return all(forked.poll() is not None for forked in list(self._forked))

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()


def _ask(asked: socket.socket, request: bytes, fds: list[int]) -> int:
    """Ask for a process; its number."""
    socket.send_fds(asked, [_LENGTH.pack(len(request))], fds)
    asked.sendall(request)
    pid = int(_ANSWER.unpack(_receive(asked, _ANSWER.size))[0])
    if pid <= 0:
        raise OSError(-pid, os.strerror(-pid))
    return pid


def _receive(stream: socket.socket, length: int) -> bytes:
    got = b""
    while len(got) < length:
        more = stream.recv(length - len(got))
        if not more:
            raise ConnectionResetError("the process that forks others has ended")
        got += more
    return got


def fork() -> socket.socket:
    """Fork a nursery off this process, which must have one thread; the socket to ask it. What it forks ends with it."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        _run(theirs, kills=True)
    theirs.close()
    return ours


# ---- in the nursery


class _Children:
    """Processes that were forked: each with the pipe on which its end is told."""

    def __init__(self, asked: socket.socket) -> None:
        self.asked = asked
        self.poll = select.poll()
        self.poll.register(asked, select.POLLIN)
        self.living: dict[int, tuple[int, int]] = {}  # by descriptor of the process: its number, and its pipe

    def serve(self) -> None:
        """Fork what is asked for, until nobody asks any more."""
        while True:
            for fd, _ in self.poll.poll():
                if fd in self.living:
                    self._tell(fd)
                elif not self._fork_one():
                    return

    def _fork_one(self) -> bool:
        try:
            length, fds, _, _ = socket.recv_fds(self.asked, _LENGTH.size, _FDS_MAX)
            if not length:
                return False
            length += _receive(self.asked, _LENGTH.size - len(length)) if len(length) < _LENGTH.size else b""
            asked = json.loads(_receive(self.asked, *_LENGTH.unpack(length)))
        except OSError:
            return False
        given = dict(zip(asked["fds"], fds, strict=True))
        status = given.pop("status")
        try:
            pid = os.fork()
        except OSError as error:
            pid = -(error.errno or 1)
        if pid == 0:
            self._forget(status)
            _become(asked, given)
        for fd in given.values():
            os.close(fd)
        if pid > 0:
            process = os.pidfd_open(pid)
            self.living[process] = pid, status
            self.poll.register(process, select.POLLIN)
        else:
            os.close(status)
        self.asked.sendall(_ANSWER.pack(pid))
        return True

    def _forget(self, status: int) -> None:
        """Close, in a new process, what is the nursery's own."""
        self.asked.close()
        for process, (_, pipe) in self.living.items():
            os.close(process)
            os.close(pipe)
        os.close(status)

    def _tell(self, process: int) -> None:
        """Tell how a process ended."""
        pid, pipe = self.living.pop(process)
        self.poll.unregister(process)
        _, status = os.waitpid(pid, 0)
        # Whoever asked for it may not want to know any more.
        with contextlib.suppress(BrokenPipeError):
            os.write(pipe, _ANSWER.pack(status))
        os.close(process)
        os.close(pipe)

    def kill(self) -> None:
        """End all."""
        for pid, _ in self.living.values():
            os.kill(pid, signal.SIGKILL)


def _become(asked: dict[str, Any], given: dict[str, int]) -> None:
    """Be the process that was asked for. Does not return."""
    code = 1
    try:
        for name, number in {"stdin": 0, "stdout": 1, "stderr": 2}.items():
            if name in given:
                os.dup2(given[name], number)
                os.close(given[name])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        if asked.get("environment") is not None:
            os.environ.clear()
            os.environ.update(asked["environment"])
        module, _, function = asked["main"].partition(":")
        code = getattr(importlib.import_module(module), function)(*([asked["arguments"]] if asked["arguments"] else []))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code or 0)


def _run(asked: socket.socket, kills: bool) -> None:
    """The life of a nursery. Does not return."""
    # An interrupt typed at a terminal reaches every process of it; whoever asks decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for module in _MODULES:
        importlib.import_module(module)
    children = _Children(asked)
    try:
        children.serve()
        if kills:
            children.kill()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def main() -> None:
    """Run a nursery for the process at the other end of the socket whose number is on the command line."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # the libraries would start threads when they are imported
    asked = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(asked.fileno(), False)
    _run(asked, kills=False)


if __name__ == "__main__":
    main()
