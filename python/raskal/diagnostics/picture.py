"""What profilers noted, as one HTML page that needs nothing else: no network, no other package.

Start at `visualize`. The page and its script are ``diagnostics/profile.html``; this module fills in the data.
"""

from __future__ import annotations

import html
import json
import os
import re
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raskal._raskal import flame_script
from raskal.diagnostics._watch import TaskRecord
from raskal.diagnostics.profile import CacheProfiler, Profiler, ResourceProfiler
from raskal.diagnostics.stream import TaskStream
from raskal.utils import funcname, key_split

__all__ = ["ProfilePicture", "visualize"]

_OPTIONS = ("title", "height", "width", "plot_width", "plot_height", "sizing_mode", "palette", "label_size", "tools")


class ProfilePicture:
    """A finished page, which notebooks show by themselves.

    Attributes
    ----------
    html : str
        The page.
    filename : str or None
        Where it was written.
    """

    def __init__(self, page: str, filename: str | None, height: int) -> None:
        self.html = page
        self.filename = filename
        self._height = height

    def _repr_html_(self) -> str:
        page = html.escape(self.html, quote=True)
        return f'<iframe style="width:100%;height:{self._height}px;border:0" srcdoc="{page}"></iframe>'

    def __repr__(self) -> str:
        place = f" in '{self.filename}'" if self.filename else ""
        return f"<ProfilePicture: {len(self.html):,} characters of HTML{place}>"

    def save(self, filename: str | os.PathLike[str]) -> None:
        """Write the page."""
        Path(filename).write_text(self.html, encoding="utf-8")
        self.filename = str(filename)


def visualize(
    profilers: Any,
    filename: str | os.PathLike[str] | None = "profile.html",
    show: bool = True,
    save: bool | None = None,
    mode: str | None = None,
    **kwargs: Any,
) -> ProfilePicture:
    """Draw what profilers noted, one below the other on one axis of time.

    Parameters
    ----------
    profilers : Profiler, ResourceProfiler, CacheProfiler, TaskStream or list of them
        What to draw.
    filename : path or None
        Where to write the page; None writes nothing.
    show : bool
        Whether to open it in a browser, where there is one.
    save : bool, optional
        Whether to write it; by default if there is a file name.
    mode : None
        Accepted for Dask's sake: the page always holds all it needs.
    **kwargs
        ``title``, and ``height`` in pixels for notebooks; other options of Dask's plots are accepted without effect.

    Returns
    -------
    ProfilePicture
        Shows itself in notebooks.

    Raises
    ------
    TypeError
        If something is no profiler.
    AttributeError
        If there is no such option.

    Examples
    --------
    >>> import raskal
    >>> from raskal.diagnostics import Profiler, visualize
    >>> with Profiler() as prof:
    ...     raskal.delayed(abs)(-1).compute()
    1
    >>> visualize(prof, filename=None, show=False)  # doctest: +ELLIPSIS
    <ProfilePicture: ... characters of HTML>
    """
    unknown = sorted(set(kwargs) - set(_OPTIONS))
    if unknown:
        raise AttributeError(f"a profile has no option {unknown[0]!r}\nhint: use one of {', '.join(_OPTIONS)}")
    several = list(profilers) if isinstance(profilers, (list, tuple)) else [profilers]
    data: dict[str, Any] = {"title": str(kwargs.get("title") or "Profile")}
    for profiler in several:
        if isinstance(profiler, (Profiler, TaskStream)):
            data["tasks"] = _tasks(profiler.records)
        elif isinstance(profiler, ResourceProfiler):
            data["resources"] = [[*sample] for sample in profiler.results]
        elif isinstance(profiler, CacheProfiler):
            data["cache"] = _held(profiler)
        else:
            raise TypeError(f"visualize draws profilers, got a {type(profiler).__name__}")
    picture = ProfilePicture(_page(data), None, int(kwargs.get("height") or 640))
    if filename is not None and save is not False:
        picture.save(filename)
        if show and _has_browser():
            webbrowser.open(Path(filename).absolute().as_uri())
    return picture


def _has_browser() -> bool:
    from raskal.diagnostics._progress_html import in_notebook

    return not in_notebook() and bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _name(record: TaskRecord) -> str:
    if record.transfer:
        return "transfer"
    task = record.task
    if record.worker:
        return str(task)
    if isinstance(task, str):
        # Layers of arrays and frames are told apart by their keys, calls by what they call.
        return task if record.layer.startswith("delayed-") else key_split(record.layer)
    if isinstance(task, tuple) and task and callable(task[0]):
        return funcname(task[0])
    return key_split(record.key)


def draw(data: dict[str, Any], stream: TaskStream | None, samples: dict[str, Any] | None) -> str:
    """The page of what a cluster did.

    Parameters
    ----------
    data : dict
        ``title``, and what is shown above and below the pictures: ``facts``, ``workers`` and ``code``.
    stream : TaskStream, optional
        The tasks that ran.
    samples : dict, optional
        The scheduler's answer to ``profile``.

    Returns
    -------
    str
        The page.
    """
    if stream is not None:
        data["tasks"] = _tasks(stream.records)
    if samples is not None:
        data["profile"] = samples
    return _page(data)


def _tasks(records: Sequence[TaskRecord]) -> dict[str, Any]:
    """The tasks as columns, which are a third of the size of rows."""
    names: dict[str, int] = {}
    places = sorted({(record.worker, record.transfer, record.worker_id) for record in records})
    threads = {place: row for row, place in enumerate(places)}
    return {
        "rows": [
            "transfers" if transfer else f"{worker} {thread}" if worker else f"thread {row}"
            for row, (worker, transfer, thread) in enumerate(places)
        ],
        "name": [names.setdefault(_name(record), len(names)) for record in records],
        "thread": [threads[record.worker, record.transfer, record.worker_id] for record in records],
        "start": [record.start_time for record in records],
        "end": [record.end_time for record in records],
        "bytes": [record.nbytes for record in records],
        "failed": [place for place, record in enumerate(records) if record.failed],
        "key": [str(record.key) for record in records],
        "names": list(names),
        "threads": len(threads),
    }


def _held(profiler: CacheProfiler) -> dict[str, Any]:
    """How much was held, at each moment when that changed."""
    changes: list[tuple[float, float]] = []
    for result in profiler.results:
        changes.append((result.cache_time, float(result.metric)))
        changes.append((result.free_time, -float(result.metric)))
    held, steps = 0.0, []
    for time, change in sorted(changes):
        held += change
        steps.append([time, held])
    return {"steps": steps, "name": profiler._metric_name}


def _page(data: dict[str, Any]) -> str:
    template = Path(__file__).with_name("profile.html").read_text(encoding="utf-8")
    # The dashboard's own module, as a part of the page's script.
    flame = flame_script().replace("export ", "")
    # Inside a script element only "</" and "<!--" could end it.
    content = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    parts = {"{{title}}": html.escape(data["title"]), "{{flame}}": flame, "{{data}}": content}
    return re.sub("|".join(parts), lambda found: parts[found[0]], template)
