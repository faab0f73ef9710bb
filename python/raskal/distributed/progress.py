"""How far work on a cluster is: `progress`, for futures and persisted collections; and naming it: `span`.

Start at `progress`. It asks the scheduler for the layers of the futures' graphs; bars are those of
`raskal.diagnostics.ProgressBar`.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from raskal.annotations import annotate, get_annotations
from raskal.diagnostics._progress_html import NotebookDisplay, as_html, in_notebook
from raskal.diagnostics._progress_text import LineDisplay, TerminalDisplay
from raskal.diagnostics.progress import Display, LayerProgress, Progress
from raskal.distributed._containers import futures_of
from raskal.distributed.future import Future
from raskal.utils import key_split

__all__ = ["FutureProgress", "progress", "span"]


def progress(
    *futures: Any,
    notebook: bool | None = None,
    multi: bool = True,
    complete: bool = True,
    group_by: str = "prefix",
    **kwargs: Any,
) -> FutureProgress | None:
    """Show how far futures, or collections that are kept on the cluster, are.

    On a terminal it waits until all have ended and redraws a bar, with the layers at work below it; Ctrl-C stops the
    waiting and nothing else. In a notebook it returns at once, and the bar goes on.

    Parameters
    ----------
    *futures : Future, collection, or containers of them
        What is waited for.
    notebook : bool, optional
        Whether to draw for a notebook; by default where there is one.
    multi : bool
        Whether to show the layers at work as well.
    complete, group_by
        Accepted for Dask's sake: layers that are done are left out, and told apart by name.
    **kwargs
        ``out``, a file to write to instead of the terminal; ``interval``, seconds between two looks.

    Returns
    -------
    FutureProgress or None
        In a notebook, what goes on drawing; its `wait` waits for the end.

    Raises
    ------
    ValueError
        If no future is among the arguments.

    Examples
    --------
    >>> import io
    >>> from raskal.distributed import Client, progress
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     squares = client.map(lambda n: n * n, range(10))
    ...     progress(squares, out=io.StringIO())  # without `out`, a bar on the terminal
    ...     sum(client.gather(squares))
    285
    """
    out, interval = kwargs.pop("out", None), float(kwargs.pop("interval", 0.1))
    found = futures_of(list(futures))
    if not found:
        raise ValueError(
            "progress needs futures or collections that were persisted, and found none\n"
            "hint: pass what client.submit, client.map, client.compute or client.persist returned"
        )
    if notebook if notebook is not None else in_notebook():
        shown = FutureProgress(found, NotebookDisplay(), multi)
        shown.start(interval)
        return shown
    display: Display | None = None
    stream = out if out is not None else sys.stdout
    if stream is not None:  # a program without a console has none
        display = TerminalDisplay(stream, 40) if stream.isatty() else LineDisplay(stream, 40)
    FutureProgress(found, display, multi).watch(interval)
    return None


class FutureProgress:
    """Looks how far futures are, and shows it.

    Parameters
    ----------
    futures : list of Future
        Of one client.
    display : Display or None
        Where to show it.
    multi : bool
        Whether to show layers.
    """

    def __init__(self, futures: list[Future], display: Display | None, multi: bool) -> None:
        self._futures = futures
        self._client = futures[0].client
        self._display = display
        self._multi = multi
        self._begin = time.perf_counter()
        self._graphs = ",".join(str(graph) for graph in sorted({future._remote.id[0] for future in futures}))
        self._thread: threading.Thread | None = None
        self.latest = Progress(0, len(futures))
        self._drawn = isinstance(display, NotebookDisplay)

    def look(self) -> Progress:
        """How far the futures are now."""
        from raskal.distributed.observing import view

        done = sum(future.done() for future in self._futures)
        failed = any(future.status not in ("pending", "finished") for future in self._futures)
        state = "running" if done < len(self._futures) else "stopped" if failed else "done"
        layers: list[LayerProgress] = []
        if state == "running" and self._multi:
            layers = _layers(view(self._client, "progress", graphs=self._graphs)["graphs"])
        elapsed = time.perf_counter() - self._begin
        total = sum(size for _, _, size in layers)
        if total:
            # Tasks say more than results: a single sum at the end has thousands of them before it.
            self.latest = Progress(sum(ended for _, ended, _ in layers), total, layers, elapsed, state)
        else:
            self.latest = Progress(done, len(self._futures), (), elapsed, state)
        return self.latest

    def watch(self, interval: float) -> None:
        """Look and show until all futures have ended; on an interrupt the drawing is ended, and it goes on."""
        while True:
            try:
                latest = self.look()
            except (OSError, ValueError):  # the client was closed: its futures say so
                latest = Progress(self.latest.done, self.latest.total, (), self.latest.elapsed_seconds, "stopped")
            if self._display is not None:
                self._display.show(latest)
            if latest.state != "running":
                return
            try:
                self._client._client.wait([future._remote for future in self._futures], False, interval)
            except KeyboardInterrupt:
                if self._display is not None:
                    self._display.show(Progress(latest.done, latest.total, (), latest.elapsed_seconds, "stopped"))
                raise
            except OSError:
                continue

    def start(self, interval: float) -> None:
        """Look and show in a thread of its own."""
        self._thread = threading.Thread(target=self.watch, args=(interval,), name="raskal-progress", daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all futures have ended and that is shown.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.
        """
        if self._thread is not None:
            self._thread.join(timeout)

    def _ipython_display_(self) -> None:
        # As the value of the cell that began it, it is drawn already.
        if self._drawn:
            self._drawn = False
            return
        display = sys.modules["IPython.display"]
        display.display(display.HTML(self._repr_html_()))

    def _repr_html_(self) -> str:
        return as_html(self.latest)

    def __repr__(self) -> str:
        latest = self.latest
        return f"<{type(self).__name__}: {latest.done:,} of {latest.total:,} tasks, {latest.state}>"


def _layers(graphs: Iterable[dict[str, Any]]) -> list[LayerProgress]:
    """Layers of graphs by name, tasks added up."""
    found: dict[str, tuple[int, int]] = {}
    for graph in graphs:
        for layer in graph["layers"]:
            counts = layer["counts"]
            name = ", ".join(layer["names"]) or key_split(layer["prefix"])
            done, total = found.get(name, (0, 0))
            found[name] = (done + counts["done"] + counts["failed"], total + counts["total"])
    return [(name, done, total) for name, (done, total) in found.items() if total]


@contextlib.contextmanager
def span(*tags: str) -> Iterator[str]:
    """Name the tasks that are made inside a block, for those who look at them.

    Parameters
    ----------
    *tags : str
        The names, from the outer one to the inner one; blocks can be nested.

    Yields
    ------
    str
        The name of the whole.
    """
    if not tags or not all(isinstance(tag, str) for tag in tags):
        raise ValueError(f"a span needs names, got {tags!r}")
    whole = (*get_annotations().get("span", ()), *tags)
    with annotate(span=whole):
        yield "-".join(whole)
