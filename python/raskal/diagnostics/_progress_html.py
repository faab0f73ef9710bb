"""Progress as a small table in a notebook, redrawn in place.

Start at `NotebookDisplay`. IPython is used if it is running already and never imported otherwise.
"""

from __future__ import annotations

import html
import sys
from typing import TYPE_CHECKING, Any

from raskal.diagnostics._progress_text import layers_at_work
from raskal.utils import format_time, key_split

if TYPE_CHECKING:
    from raskal.diagnostics.progress import Progress

_COLORS = {"running": "#3b7dd8", "done": "#2e9e5b", "stopped": "#c2453d"}


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which shows HTML."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class NotebookDisplay:
    """One output of a cell that changes in place."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, progress: Progress) -> None:
        """Draw into the cell's output, a new one at first."""
        display = sys.modules["IPython.display"]
        content = display.HTML(as_html(progress))
        if self._handle is None:
            self._handle = display.display(content, display_id=True)
        else:
            self._handle.update(content)


def as_html(progress: Progress) -> str:
    """The bar and, while it runs, the layers at work; layer names are escaped."""
    left = progress.seconds_left
    note = {
        "running": f"{format_time(left)} left" if left is not None else "",
        "done": "done",
        "stopped": "stopped",
    }[progress.state]
    title = f"{progress.done:,} of {progress.total:,} tasks · {format_time(progress.elapsed_seconds)}"
    rows = [_row("<b>all</b>", progress.fraction, f"{title} · {note}" if note else title, _COLORS[progress.state])]
    if progress.state == "running":
        layers, waiting = layers_at_work(progress)
        for name, done, total in layers:
            rows.append(_row(html.escape(key_split(name)), done / total, f"{done:,} of {total:,}", "#8fb4e8"))
        if waiting:
            more = f"and {waiting} more layer{'s' if waiting > 1 else ''}"
            rows.append(f'<tr><td colspan="3" style="text-align:left;opacity:.7">{more}</td></tr>')
    return f'<table class="raskal-progress" style="font-size:90%">{"".join(rows)}</table>'


def _row(name: str, fraction: float, note: str, color: str) -> str:
    return (
        f'<tr><td style="text-align:left">{name}</td><td style="width:240px">'
        f'<div style="background:#8884;border-radius:3px;height:10px">'
        f'<div style="background:{color};border-radius:3px;height:10px;width:{100 * fraction:.1f}%"></div></div></td>'
        f'<td style="text-align:left">{note}</td></tr>'
    )
