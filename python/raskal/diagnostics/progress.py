"""Progress bars for computations that run in this process or wait for a cluster.

Start at `ProgressBar`. An engine asks `active` once per computation and reports to what it gets; how a report looks is
decided by the displays of `_progress_text` and `_progress_html`. Nothing here starts a thread: the one that waits for
the results calls `Computation.update`.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, TextIO

from raskal.diagnostics._progress_html import NotebookDisplay, in_notebook
from raskal.diagnostics._progress_text import LineDisplay, TerminalDisplay
from raskal.utils import parse_timedelta

__all__ = ["Computation", "LayerProgress", "Progress", "ProgressBar", "active"]

LayerProgress = tuple[str, int, int]
"""A layer's name, how many of its tasks are done, and how many it has."""


@dataclass(frozen=True)
class Progress:
    """What is known of a computation at one moment."""

    done: int
    total: int
    layers: Sequence[LayerProgress] = field(default_factory=tuple)
    elapsed_seconds: float = 0.0
    state: str = "running"  # or "done", "stopped"

    @property
    def fraction(self) -> float:
        """The part of the tasks that is done, from 0 to 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else 1.0

    @property
    def seconds_left(self) -> float | None:
        """What is left at the pace so far; None before there is one."""
        if self.state != "running" or self.done <= 0:
            return None
        return self.elapsed_seconds * (self.total - self.done) / self.done


class Display(Protocol):
    """Something that shows progress."""

    def show(self, progress: Progress) -> None:
        """Show this in place of what was shown before."""


_lock = threading.Lock()
_bars: list[ProgressBar] = []


class ProgressBar:
    """Shows how far computations are, with the counts of the layers at work and the time left.

    Parameters
    ----------
    minimum : number or str
        Show nothing for computations that take less than this, in seconds or as ``"2s"``.
    width : int
        Width of the bar, in characters.
    dt : number or str
        Time between two drawings, in seconds or as ``"100ms"``.
    out : file, optional
        Where to write. By default standard output, if it is a terminal or a notebook; otherwise nothing is shown.

    Attributes
    ----------
    last_duration : float
        How long the last computation took, in seconds; shown or not.

    Notes
    -----
    Differs from Dask: of nested bars only the innermost is drawn, and one bar draws one computation at a time (a
    computation that a task of another one starts is not drawn over it).

    Examples
    --------
    >>> import raskal
    >>> with ProgressBar():
    ...     raskal.delayed(sum)([1, 2]).compute()
    3

    For everything from now on:

    >>> bar = ProgressBar(minimum="1s")
    >>> bar.register()
    >>> bar.unregister()
    """

    def __init__(
        self, minimum: float | str = 0, width: int = 40, dt: float | str = 0.1, out: TextIO | None = None
    ) -> None:
        if width < 1:
            raise ValueError(f"a progress bar needs a width of at least 1, not {width}")
        self.minimum_seconds = float(parse_timedelta(minimum) or 0)
        self.width = width
        self.dt_seconds = float(parse_timedelta(dt) or 0)
        self.out = out
        self.last_duration = 0.0
        self._clock: Callable[[], float] = time.perf_counter
        self._drawn: weakref.ref[Computation] | None = None

    @property
    def active(self) -> tuple[ProgressBar, ...]:
        """The bars that show computations which begin now, the innermost last."""
        with _lock:
            return tuple(_bars)

    def register(self) -> None:
        """Show every computation from now on."""
        with _lock:
            _bars.append(self)

    def unregister(self) -> None:
        """Show no further computation."""
        with _lock:
            for i in range(len(_bars) - 1, -1, -1):
                if _bars[i] is self:
                    del _bars[i]
                    return

    def __enter__(self) -> ProgressBar:
        self.register()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unregister()

    def start(self) -> Computation | None:
        """Begin to draw a computation; None while another one is being drawn."""
        with _lock:
            drawn = self._drawn() if self._drawn is not None else None
            if drawn is not None and drawn.running:
                return None
            computation = Computation(self, self._display())
            self._drawn = weakref.ref(computation)
            return computation

    def _display(self) -> Display | None:
        if self.out is None and in_notebook():
            return NotebookDisplay()
        out = self.out if self.out is not None else sys.stdout
        is_terminal = False
        with suppress(AttributeError, ValueError):  # no file at all, or a closed one
            is_terminal = out.isatty()
        if is_terminal:
            return TerminalDisplay(out, self.width)
        return LineDisplay(out, self.width) if self.out is not None else None


class Computation:
    """One computation's progress, as an engine reports it.

    The engine calls `update` every 100 ms or so and `finish` at the end. One that is dropped without `finish` counts as
    stopped, so that a crash of an engine leaves no bar behind.
    """

    def __init__(self, bar: ProgressBar, display: Display | None) -> None:
        self.running = True
        self._bar = bar
        self._display = display
        self._begin = bar._clock()
        self._shown_at: float | None = None
        self._latest = Progress(0, 0)
        self._lock = threading.Lock()

    def update(self, done: int, total: int, layers: Sequence[LayerProgress] = ()) -> None:
        """Report how many tasks are done, in all and in each layer."""
        with self._lock:
            if not self.running:
                return
            now = self._bar._clock()
            self._latest = Progress(done, total, layers, now - self._begin)
            if self._latest.elapsed_seconds < self._bar.minimum_seconds:
                return
            if self._shown_at is None or now - self._shown_at >= self._bar.dt_seconds:
                self._shown_at = now
                self._show(self._latest)

    def finish(self, failed: bool = False) -> None:
        """Report the end: all is done, or the computation failed or was stopped."""
        with self._lock:
            if not self.running:
                return
            self.running = False
            elapsed = self._bar._clock() - self._begin
            self._bar.last_duration = elapsed
            if self._shown_at is None and elapsed < self._bar.minimum_seconds:
                return
            last = self._latest
            done = last.done if failed else last.total
            layers = last.layers if failed else [(name, total, total) for name, _, total in last.layers]
            self._show(Progress(done, last.total, layers, elapsed, "stopped" if failed else "done"))

    def __del__(self) -> None:
        if getattr(self, "_lock", None) is not None:
            self.finish(failed=True)

    def _show(self, progress: Progress) -> None:
        if self._display is None:
            return
        try:
            self._display.show(progress)
        except (OSError, ValueError):  # the terminal is gone or the file closed: the computation goes on
            self._display = None


def active() -> Computation | None:
    """What the engine reports a computation that begins now to; None if nobody watches."""
    with _lock:
        bar = _bars[-1] if _bars else None
    return bar.start() if bar is not None else None
