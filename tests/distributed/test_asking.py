"""What can be asked of a cluster: logs, task metadata, `rpc`; and tasks that ask to be run anew."""

from __future__ import annotations

import asyncio
import sys
import time
import types

import pytest

from raskal.distributed import Client, Reschedule, WorkerPlugin, connect, get_task_metadata, get_worker, progress, rpc
from raskal.distributed.observing import view


def test_what_tasks_write_to_their_log_can_be_read(client):
    def complain(number):
        print(f"WARNING complaint {number}", file=sys.stderr)

    client.submit(complain, 17, pure=False).result()
    deadline = time.monotonic() + 30
    found = {}
    while not any("complaint 17" in text for lines in found.values() for _, text in lines):
        assert time.monotonic() < deadline, found
        found = client.get_worker_logs()
    assert set(found) == set(client.nthreads())
    [line] = [line for lines in found.values() for line in lines if "complaint 17" in line[1]]
    assert line[0] == "WARNING"
    assert all(lines == [] for lines in client.get_worker_logs(n=0).values())
    assert isinstance(client.get_scheduler_logs(n=5), list)
    with pytest.raises(ValueError, match="at least 0"):
        client.get_scheduler_logs(n=-1)


def test_metadata_of_the_tasks_of_a_block(client):
    def fail():
        raise KeyError("no")

    with get_task_metadata() as tasks:
        assert client.submit(abs, -5, key="metadata-good", pure=False).result() == 5
        assert client.submit(fail, key="metadata-bad", pure=False).exception() is not None
    assert tasks.state == {"metadata-good": "memory", "metadata-bad": "erred"}
    good = tasks.metadata["metadata-good"]
    assert good["start_time"] <= good["stop_time"] and good["worker"] in client.nthreads()


def test_a_task_that_asks_to_be_run_anew_is_run_until_it_answers(client, tmp_path):
    def moody(folder, times):
        seen = len(list(folder.iterdir()))
        if seen < times:
            (folder / str(seen)).touch()
            raise Reschedule(f"not on {get_worker().name}")
        return seen

    # Not an error, so that neither `retries` nor anybody's patience counts.
    assert client.submit(moody, tmp_path, 3, pure=False).result(timeout=30) == 3


def test_scheduler_and_workers_are_asked_by_address(client):
    async def ask():
        async with rpc(client.scheduler.address) as scheduler:
            identity = await scheduler.identity()
            worker = next(iter(identity["workers"]))
            assert await scheduler.nthreads() == client.nthreads()
            with pytest.raises(ValueError, match="can't be asked for 'fly'"):
                await scheduler.fly()
        async with rpc(worker) as remote:
            assert (await remote.identity())["address"] == worker
        with pytest.raises(ValueError, match="closed"):
            await remote.identity()
        comm = await connect(client.scheduler.address)
        await comm.write({"op": "identity"})
        assert (await comm.read())["type"] == "Scheduler"
        await comm.close()
        assert comm.closed()
        return True

    assert asyncio.run(ask())


class Listening(WorkerPlugin):
    """Notes what happens to tasks."""

    name = "listening"

    def setup(self, worker):
        worker.heard = []
        self.worker = worker

    def transition(self, key, start, finish, **kwargs):
        self.worker.heard.append((start, finish))


def test_a_plugin_hears_of_tasks_that_begin_and_end(cluster):
    def fail():
        raise ValueError("no")

    with Client(cluster, set_as_default=False) as client:
        client.register_plugin(Listening())
        try:
            client.submit(abs, -1, pure=False).result()
            client.submit(fail, pure=False).exception()
            heard = [one for told in client.run(lambda dask_worker: dask_worker.heard).values() for one in told]
        finally:
            client.unregister_worker_plugin("listening")
    assert heard.count(("ready", "executing")) == 2
    assert ("executing", "memory") in heard and ("executing", "error") in heard


def test_futures_that_are_arguments_are_no_work_of_their_own(client):
    parts = client.map(abs, range(-5, 0))
    sums = client.map(lambda *numbers: sum(numbers), parts, parts)
    assert client.gather(sums) == [10, 8, 6, 4, 2]
    graphs = {future._remote.id[0] for future in sums}
    layers = [
        layer for graph in view(client, "progress")["graphs"] if graph["id"] in graphs for layer in graph["layers"]
    ]
    assert layers and not any(layer["prefix"].startswith("future") for layer in layers)


def test_progress_in_a_notebook_is_drawn_once_and_again_when_it_is_asked_for(client, monkeypatch):
    drawn = []
    displays = types.ModuleType("IPython.display")
    handle = types.SimpleNamespace(update=lambda content: None)
    displays.HTML = str  # type: ignore[attr-defined]
    displays.display = lambda content, **kwargs: (drawn.append(content), handle)[1]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    futures = client.map(abs, range(20))
    shown = progress(futures, notebook=True)
    shown.wait(60)
    [first] = drawn
    shown._ipython_display_()  # As the value of its cell: it is there already.
    assert drawn == [first]
    shown._ipython_display_()
    assert "20 of 20 tasks" in drawn[-1] and "done" in drawn[-1]
    assert repr(shown) == "<FutureProgress: 20 of 20 tasks, done>"
