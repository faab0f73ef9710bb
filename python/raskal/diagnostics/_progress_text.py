"""Progress as text: a block that redraws itself on terminals, a single line elsewhere.

Start at `TerminalDisplay`. It writes a whole drawing at once, so that other threads' output is not torn.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, TextIO

from raskal.utils import format_time, key_split

if TYPE_CHECKING:
    from raskal.diagnostics.progress import LayerProgress, Progress

# More layers than this are told as a number: a drawing must fit on a small terminal.
_LAYERS_MAX = 6


def bar_line(progress: Progress, width: int) -> str:
    """``[########    ] |  66% Completed |  1.20 s``, with the time left while there is some."""
    filled = int(width * progress.fraction)
    percent = int(100 * progress.fraction)
    text = (
        f"[{'#' * filled}{' ' * (width - filled)}] | {percent:3d}% Completed | {format_time(progress.elapsed_seconds)}"
    )
    if progress.state == "stopped":
        return f"{text} | stopped"
    left = progress.seconds_left
    return text if left is None or progress.state == "done" else f"{text} | {format_time(left)} left"


def layers_at_work(progress: Progress) -> tuple[list[LayerProgress], int]:
    """The layers that are begun and not done, and how many wait behind them."""
    begun = [layer for layer in progress.layers if 0 < layer[1] < layer[2]]
    waiting = [layer for layer in progress.layers if layer[1] == 0 < layer[2]]
    if not begun:  # between two layers: the next one is what people look for
        begun, waiting = waiting[:1], waiting[1:]
    return begun[:_LAYERS_MAX], len(waiting) + len(begun[_LAYERS_MAX:])


class LineDisplay:
    """Rewrites one line with a carriage return; for files and streams that were asked for."""

    def __init__(self, out: TextIO, width: int) -> None:
        self._out = out
        self._width = width
        self._length = 0

    def show(self, progress: Progress) -> None:
        """Write the line over the one before, and leave it when the computation has ended."""
        line = bar_line(progress, self._width)
        end = "" if progress.state == "running" else "\n"
        self._out.write(f"\r{line.ljust(self._length)}{end}")
        self._out.flush()
        self._length = len(line)


class TerminalDisplay:
    """The bar and below it a line for each layer at work; only the bar stays when the computation has ended."""

    def __init__(self, out: TextIO, width: int) -> None:
        self._out = out
        self._width = width
        self._lines_below = 0

    def show(self, progress: Progress) -> None:
        """Draw over the last drawing."""
        columns = shutil.get_terminal_size().columns
        # what stands around the bar: counts and times need some 50 columns
        lines = [bar_line(progress, min(self._width, max(10, columns - 50)))]
        if progress.state == "running":
            lines += self._layer_lines(progress)
        up = f"\x1b[{self._lines_below}A" if self._lines_below else ""
        # Cut, not wrapped: a wrapped line would make the next drawing begin too low.
        text = "\n".join(line[: columns - 1] for line in lines)
        self._out.write(f"\r{up}\x1b[J{text}" + ("" if progress.state == "running" else "\n"))
        self._out.flush()
        self._lines_below = len(lines) - 1 if progress.state == "running" else 0

    def _layer_lines(self, progress: Progress) -> list[str]:
        layers, waiting = layers_at_work(progress)
        names = [key_split(name) for name, _, _ in layers]
        name_width = min(32, max(map(len, names), default=0))
        lines = []
        for name, (_, done, total) in zip(names, layers, strict=True):
            filled = int(12 * done / total)
            lines.append(
                f"  {name[:name_width]:<{name_width}}  {'━' * filled}{'╌' * (12 - filled)}  {done:,}/{total:,}"
            )
        if waiting:
            lines.append(f"  and {waiting} more layer{'s' if waiting > 1 else ''}")
        return lines
