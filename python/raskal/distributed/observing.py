"""What a cluster did, for people to look at: `get_task_stream`, `performance_report`, `profile`.

Start at `get_task_stream`. All of it is asked of the scheduler over the client's connection, in the words of the
dashboard's addresses (``crates/raskal-dashboard/src/view.rs``), so that no dashboard is needed.
"""

from __future__ import annotations

import inspect
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from raskal.diagnostics.picture import ProfilePicture, draw
from raskal.diagnostics.stream import TaskStream
from raskal.distributed._sync import either
from raskal.utils import parse_timedelta

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["ObservingMethods", "as_dask", "flame_page", "get_task_stream", "performance_report", "task_stream", "view"]


def view(client: Any, name: str, **query: Any) -> Any:
    """What the dashboard shows at an address.

    Parameters
    ----------
    client : Client
        Whose cluster.
    name : str
        The view: ``snapshot``, ``progress``, ``stream``, ``graph``, ``task``, ``profile`` or ``logs``.
    **query
        What is asked of it; None leaves a part out.

    Returns
    -------
    object
        The answer, read from its JSON.

    Raises
    ------
    ValueError
        If there is nothing at that address.
    """
    given = {key: value for key, value in query.items() if value is not None}
    return json.loads(client._client.view(f"{name}?{urlencode(given)}" if given else name))


def _microseconds(moment: float | str | None, name: str) -> int | None:
    """A time since 1970, or a text such as ``"60s"`` for so long ago, in microseconds since 1970."""
    if moment is None:
        return None
    if isinstance(moment, str):
        return max(0, int((time.time() - float(parse_timedelta(moment) or 0)) * 1e6))
    if isinstance(moment, bool) or not isinstance(moment, (int, float)) or not moment >= 0:
        raise ValueError(f"{name} must be a time as of time.time(), or text such as '60s' ago, got {moment!r}")
    return int(moment * 1e6)


def task_stream(
    client: Any, start: float | str | None = None, stop: float | str | None = None, count: int | None = None
) -> TaskStream:
    """Recent runs of tasks on a cluster; see `Client.get_task_stream`.

    Parameters
    ----------
    client : Client
        Whose cluster.
    start, stop : float or str, optional
        Only runs that lie, in part at least, between these times.
    count : int, optional
        Only the last so many, transfers among them.

    Returns
    -------
    TaskStream
    """
    if count is not None and count < 0:
        raise ValueError(f"count must be at least 0, got {count}")
    columns = view(
        client,
        "stream",
        start_us=_microseconds(start, "start"),
        stop_us=_microseconds(stop, "stop"),
        count=count,
    )
    keys = client._client.task_keys(list(zip(columns["graph"], columns["index"], strict=True)))
    return TaskStream(columns, keys)


class get_task_stream(TaskStream):
    """Records the tasks that run on the cluster within a block.

    Parameters
    ----------
    client : Client, optional
        Whose cluster; the current client's by default.
    plot : bool or {'save'}
        Whether to draw the runs at the end; ``'save'`` also writes the picture.
    filename : str
        Where to write it.

    Attributes
    ----------
    data : list of dict
        One for each task: ``key``, ``name``, ``layer``, ``worker``, ``thread``, ``status``, ``nbytes`` and
        ``startstops``, with times in seconds since 1970.
    records : list of TaskRecord
        The same with transfers, in the form of `Profiler.records`.
    figure : ProfilePicture or None
        The picture, if one was asked for.

    Notes
    -----
    The scheduler remembers the last 100,000 runs. Source: crates/raskal-server/src/history.rs

    Examples
    --------
    >>> from raskal.distributed import Client, get_task_stream
    >>> with Client(n_workers=1, threads_per_worker=1) as client, get_task_stream() as stream:
    ...     client.gather(client.map(abs, [-1, -2]))
    [1, 2]
    >>> sorted(task["name"] for task in stream.data)
    ['abs', 'abs']
    """

    def __init__(
        self,
        client: Client | None = None,
        plot: bool | str = False,
        filename: str | os.PathLike[str] = "task-stream.html",
    ) -> None:
        super().__init__()
        self._client = client
        self._plot = plot
        self._filename = filename
        self._start = 0.0
        self.figure: ProfilePicture | None = None

    def __enter__(self) -> get_task_stream:
        self._client = self._client if self._client is not None else _current()
        self._start = time.time()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._client is not None
        found = task_stream(self._client, start=self._start)
        self.records, self.data = found.records, found.data
        if self._plot:
            self.figure = self.visualize(filename=self._filename if self._plot == "save" else None, show=False)

    async def __aenter__(self) -> get_task_stream:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__(*error)


def _profile(
    client: Any,
    key: str | None = None,
    start: float | str | None = None,
    stop: float | str | None = None,
    workers: list[str] | str | None = None,
    merge_workers: bool = True,
) -> dict[str, Any]:
    """Where Python spent its time on the workers, as trees of functions; see `ObservingMethods.profile`.

    Parameters
    ----------
    client : Client
        Whose cluster.
    key : str, optional
        Only layers of this name.
    start, stop : float or str, optional
        Only samples between these times, to ten seconds.
    workers : list of str, optional
        Only these workers, by address.
    merge_workers : bool
        Whether to add all up, or give a tree for each worker's address.

    Returns
    -------
    dict
        ``name``, ``file``, ``line``, ``samples`` and ``children`` of the root, or such by address.
    """
    query = {"layer": key, "start_us": _microseconds(start, "start"), "stop_us": _microseconds(stop, "stop")}
    if workers is None and merge_workers:
        return view(client, "profile", **query)["root"]
    known = {worker["address"]: worker["id"] for worker in view(client, "snapshot")["workers"]}
    wanted = list(known) if workers is None else [workers] if isinstance(workers, str) else list(workers)
    for address in wanted:
        if address not in known:
            raise ValueError(f"there is no worker {address!r}\nhint: the workers are {', '.join(known) or 'none'}")
    trees = {address: view(client, "profile", worker=known[address], **query)["root"] for address in wanted}
    return _merge(list(trees.values())) if merge_workers else trees


def as_dask(node: dict[str, Any]) -> dict[str, Any]:
    """A tree in Dask's form: children by identifier, what they are in ``description``.

    Parameters
    ----------
    node : dict
        As of `profile`.

    Returns
    -------
    dict
    """
    children = [as_dask(child) for child in node["children"]]
    return {
        "identifier": f"{node['name']};{node['file']};{node['line']}" if node["file"] else node["name"],
        "count": node["samples"],
        "description": {
            "name": node["name"],
            "filename": node["file"],
            "line_number": node["line"],
            "line": "",
        },
        "children": {child["identifier"]: child for child in children},
    }


def _merge(trees: list[dict[str, Any]]) -> dict[str, Any]:
    """One tree of several that begin at the same function, samples added up."""
    if not trees:
        return {"name": "root", "file": "", "line": 0, "samples": 0, "children": []}
    alike: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for tree in trees:
        for child in tree["children"]:
            alike.setdefault((child["name"], child["file"], child["line"]), []).append(child)
    children = sorted((_merge(group) for group in alike.values()), key=lambda child: -child["samples"])
    return {**trees[0], "samples": sum(tree["samples"] for tree in trees), "children": children}


class ObservingMethods:
    """What a `Client`'s cluster did."""

    _client: Any

    @either
    def get_task_stream(
        self,
        start: float | str | None = None,
        stop: float | str | None = None,
        count: int | None = None,
        plot: bool | str = False,
        filename: str | os.PathLike[str] = "task-stream.html",
        bokeh_resources: Any = None,
    ) -> Any:
        """Which task ran when and where, of the last 100,000.

        Parameters
        ----------
        start, stop : float or str, optional
            Only runs between these times, as of `time.time`, or text such as ``"60s"`` for so long ago.
        count : int, optional
            Only the last so many.
        plot : bool or {'save'}
            Whether to give a picture as well; ``'save'`` also writes it.
        filename : path
            Where to write it.
        bokeh_resources
            Accepted for Dask's sake: pictures need nothing else.

        Returns
        -------
        list of dict, or (list of dict, ProfilePicture)
            One for each task: ``key``, ``name``, ``layer``, ``worker``, ``thread``, ``status``, ``nbytes`` and
            ``startstops``, with times in seconds since 1970.

        See Also
        --------
        raskal.distributed.get_task_stream : the same for a block of code.
        """
        stream = task_stream(self, start, stop, count)
        if not plot:
            return stream.data
        return stream.data, stream.visualize(filename=filename if plot == "save" else None, show=False)

    @either
    def profile(
        self,
        key: str | None = None,
        start: float | str | None = None,
        stop: float | str | None = None,
        workers: list[str] | str | None = None,
        merge_workers: bool = True,
        plot: bool | str = False,
        filename: str | os.PathLike[str] | None = None,
        server: bool = False,
        scheduler: bool = False,
    ) -> Any:
        """Where Python spent its time on the workers, from samples of the threads that run tasks.

        Parameters
        ----------
        key : str, optional
            Only tasks of layers of this name.
        start, stop : float or str, optional
            Only samples between these times, to ten seconds; text such as ``"60s"`` is so long ago.
        workers : list of str, optional
            Only these workers, by address.
        merge_workers : bool
            Whether to add all workers up, or give a tree for each address.
        plot : bool or {'save'}
            Whether to give a flame graph as well; ``'save'`` writes it to `filename`.
        filename : path, optional
            Where to write the flame graph.
        server, scheduler : bool
            Not supported: scheduler and nodes run no Python.

        Returns
        -------
        dict, or (dict, ProfilePicture)
            A tree of ``identifier``, ``count``, ``description`` and ``children``, or such by address.
        """
        if server or scheduler:
            raise NotImplementedError(
                "scheduler and nodes run no Python that could be profiled\n"
                "hint: the dashboard shows the scheduler's own load"
            )
        tree = _profile(self, key, start, stop, workers, merge_workers)
        if not merge_workers:
            return {address: as_dask(own) for address, own in tree.items()}
        if not plot and filename is None:
            return as_dask(tree)
        if plot == "save" and filename is None:
            filename = "dask-profile.html"
        return as_dask(tree), flame_page("Profile", tree, filename)


class performance_report:
    """Writes what the cluster did within a block as one HTML page that needs nothing else.

    The page has the task stream, where the time went by name, a flame graph of Python, the workers, and the code that
    was run.

    Parameters
    ----------
    filename : path
        Where to write.
    stacklevel : int
        How many callers up the code to show is.
    mode, storage_options
        Accepted for Dask's sake: the page always holds all it needs, and is written to this machine.

    Examples
    --------
    >>> import tempfile
    >>> from raskal.distributed import Client, performance_report
    >>> with tempfile.TemporaryDirectory() as folder, Client(n_workers=1, threads_per_worker=1) as client:
    ...     with performance_report(f"{folder}/report.html"):
    ...         client.submit(sum, [1, 2]).result()
    3
    """

    def __init__(
        self,
        filename: str | os.PathLike[str] = "dask-report.html",
        stacklevel: int = 1,
        mode: str | None = None,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        if storage_options:
            raise NotImplementedError(
                "performance_report writes to this machine only\nhint: copy the file, or open it with fsspec yourself"
            )
        self.filename = os.fspath(filename)
        self._level = stacklevel
        self._start = 0.0
        self._code = ""
        self._client: Client | None = None

    def __enter__(self) -> performance_report:
        self._client = _current()
        self._code = _code_of_caller(self._level)
        self._start = time.time()
        return self

    async def __aenter__(self) -> performance_report:
        return self.__enter__()

    def __exit__(self, *error: object) -> None:
        assert self._client is not None
        Path(self.filename).write_text(_report(self._client, self._start, self._code), encoding="utf-8")

    async def __aexit__(self, *error: object) -> None:
        self.__exit__(*error)


def _report(client: Client, start: float, code: str) -> str:
    """The page."""
    stop = time.time()
    stream = task_stream(client, start=start)
    snapshot = view(client, "snapshot")
    samples = view(client, "profile", start_us=int(start * 1e6))
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(start))
    facts = {
        "Begun": moment,
        "Duration": f"{stop - start:.2f} s",
        "Scheduler": f"{snapshot['scheduler']['address']}, raskal {snapshot['scheduler']['version']}",
        "Scheduler's memory": f"{snapshot['scheduler']['memory_bytes'] / 2**20:.0f} MiB",
    }
    return draw(
        {"title": f"Performance report, {moment}", "facts": facts, "code": code, "workers": snapshot["workers"]},
        stream,
        samples,
    )


def _code_of_caller(level: int) -> str:
    """The source around the line that opened the block, as far as it can be had."""
    frame = inspect.currentframe()
    for _ in range(level + 1):
        frame = frame.f_back if frame is not None else None
    if frame is None:
        return ""
    try:
        lines, first = inspect.getsourcelines(frame)
    except (OSError, TypeError):
        return ""
    if frame.f_code.co_name == "<module>":
        first = 1
    line = frame.f_lineno - first
    return "".join(lines[max(0, line - 20) : line + 40])


def _current() -> Client:
    from raskal.distributed.client import default_client

    return default_client()


def flame_page(title: str, root: dict[str, Any], filename: str | os.PathLike[str] | None) -> ProfilePicture:
    """A page with the flame graph of a profile.

    Parameters
    ----------
    title : str
        Its title.
    root : dict
        As of `profile`.
    filename : path, optional
        Where to write it.

    Returns
    -------
    ProfilePicture
    """
    picture = ProfilePicture(draw({"title": title}, None, {"root": root}), None, 640)
    if filename is not None:
        picture.save(filename)
    return picture
