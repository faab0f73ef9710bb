"""What a cluster tells of its work: the task stream, profiles, reports, traces, logs, and `raskal top`."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable

import numpy as np
import pytest

import raskal
import raskal.array
from raskal.diagnostics import write_chrome_trace
from raskal.distributed import Client, LocalCluster, get_task_stream, performance_report, progress, wait
from raskal.distributed.cluster import find_command
from raskal.distributed.observing import view
from raskal.distributed.picture import cluster_html, dashboard_link
from raskal.distributed.progress import FutureProgress


def increment(x: int) -> int:
    return x + 1


def fail(x: int) -> int:
    raise ValueError(f"no {x}")


def burn(seconds: float) -> float:
    """Keep the processor busy for so long of this thread's own time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))
    return seconds


def until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for what comes once a second; the failure says what."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain until {what}"
        time.sleep(0.05)


def test_the_stream_has_every_task_with_its_name_worker_and_time(client):
    begun = time.time()
    with get_task_stream() as stream:
        client.gather(client.map(increment, range(50)))
        total = client.submit(sum, [1, 2], key="my-total")
        assert total.result() == 3
    ended = time.time()
    assert len(stream) == len(stream.data) == 51
    names = [task["name"] for task in stream.data]
    assert names.count("increment") == 50 and names.count("sum") == 1
    assert "my-total" in [task["key"] for task in stream.data], "keys are those of futures"
    assert {task["worker"] for task in stream.data} <= set(client.scheduler_info()["workers"])
    for task in stream.data:
        (span,) = task["startstops"]
        assert begun - 1 <= span["start"] <= span["stop"] <= ended + 1
        assert (span["action"], task["status"]) == ("compute", "OK")
        assert task["thread"] >= 0


def test_failures_are_in_the_stream_and_only_what_was_asked_for_is(client):
    client.gather(client.map(increment, range(10)))
    with get_task_stream() as stream:
        assert client.submit(fail, 7).exception() is not None
    assert [(task["name"], task["status"]) for task in stream.data] == [("fail", "error")]
    assert len(client.get_task_stream(count=3)) == 3
    assert client.get_task_stream(start=time.time() + 60) == []
    assert len(client.get_task_stream(start="60s")) >= 1
    with pytest.raises(ValueError, match="count must be at least 0"):
        client.get_task_stream(count=-1)
    with pytest.raises(ValueError, match="start must be a time"):
        client.get_task_stream(start=-1.0)


def test_layers_of_collections_are_named_as_people_call_them(client):
    with get_task_stream() as stream:
        raskal.array.arange(40, chunks=10).sum().compute()
    assert stream.data and not any(re.search("[0-9a-f]{16}", task["name"]) for task in stream.data)


def make(n: int) -> np.ndarray:
    """An array, so slowly that another worker makes the next one."""
    time.sleep(0.5)
    return np.full(200_000, n)


def test_a_transfer_is_told_with_its_size(client):
    first, second = client.map(make, range(2))
    wait([first, second])
    with get_task_stream() as stream:
        assert client.submit(lambda a, b: float(a[0] + b[0]), first, second).result() == 1.0
    (transfer,) = [record for record in stream.records if record.transfer]
    assert transfer.nbytes >= 1_600_000 and transfer.start_time <= transfer.end_time
    names = [task["name"] for task in stream.data]
    assert names.count("lambda") == 1 and "transfer" not in names, "a transfer is no task"


def test_the_trace_has_a_process_for_each_worker(client, tmp_path):
    with get_task_stream() as stream:
        client.gather(client.map(increment, range(100)))
    stream.to_chrome_trace(tmp_path / "run.json")
    events = json.loads((tmp_path / "run.json").read_text())["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    assert len(slices) == 100 and {event["name"] for event in slices} == {"increment"}
    processes = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert {event["pid"] for event in slices} == set(processes)
    assert all(name.startswith("worker LocalCluster-") for name in processes.values())
    with pytest.raises(TypeError, match="only Profiler, ResourceProfiler and TaskStream"):
        write_chrome_trace(tmp_path / "no.json", stream.data)


def flatten(node: dict) -> list[tuple[str, int]]:
    return [(node["description"]["name"], node["count"])] + [
        pair for child in node["children"].values() for pair in flatten(child)
    ]


def test_the_profile_finds_where_the_time_goes(client):
    begun = time.time()
    wait(client.map(burn, [0.6] * 4, pure=False))
    until(lambda: "burn" in dict(flatten(client.profile(start=begun))), "samples have come")
    tree, picture = client.profile(start=begun, plot=True)
    assert dict(flatten(tree))["burn"] >= 5 and tree["count"] >= dict(flatten(tree))["burn"]
    assert "burn" in picture.html and "<script" in picture.html
    assert set(client.profile(workers=list(client.nthreads()), merge_workers=False)) == set(client.nthreads())

    def add_up() -> bool:
        # Samples that come between the two questions are in one answer only: it is asked again.
        by_worker = client.profile(workers=list(client.nthreads()), merge_workers=False)
        merged = client.profile(workers=list(client.nthreads()))
        return merged["count"] == sum(tree["count"] for tree in by_worker.values())

    until(add_up, "the trees of the workers add up")
    assert client.profile(key="no such layer")["count"] == 0
    with pytest.raises(ValueError, match="there is no worker 'tls://nowhere:1'"):
        client.profile(workers=["tls://nowhere:1"])
    with pytest.raises(NotImplementedError, match="run no Python"):
        client.profile(scheduler=True)


def test_a_report_is_one_page_that_needs_nothing_else(client, tmp_path):
    with performance_report(tmp_path / "report.html"):
        wait(client.map(burn, [0.05] * 4, pure=False))
        client.gather(client.map(increment, range(20)))
    page = (tmp_path / "report.html").read_text()
    assert "{{" not in page.split("<script id=")[0]
    assert not re.search(r"""(?:src|href)=["']""", page), "it loads nothing"
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)[1])
    assert sorted(data["tasks"]["names"]) == ["burn", "increment"] and len(data["tasks"]["key"]) == 24
    assert len(data["workers"]) == 2 and data["facts"]["Scheduler"].startswith("tls://")
    assert "performance_report(tmp_path" in data["code"], "the code that ran is in it"
    assert data["profile"]["root"]["name"] == "root"


def test_what_tasks_write_to_the_standard_error_is_in_the_logs(client):
    client.submit(lambda: print("a word from a task", file=sys.stderr), pure=False).result()

    def said() -> list[str]:
        return [line["source"] for line in view(client, "logs")["lines"] if "a word from a task" in line["text"]]

    until(said, "the line has come")
    assert said()[0].startswith("LocalCluster-")
    sources = {line["source"] for line in view(client, "logs", source=said()[0], count=1)["lines"]}
    assert sources == {said()[0]}


def test_views_that_do_not_exist_say_so(client):
    with pytest.raises(ValueError, match=r"there is no view 'streams'\s+hint: the views are snapshot, progress"):
        view(client, "streams")
    with pytest.raises(ValueError, match="can't be asked so"):
        view(client, "stream", count="many")
    with pytest.raises(ValueError, match="does not know it"):
        view(client, "graph", id=4_000_000_000)


def test_the_dashboard_says_over_http_what_the_client_is_told(client, cluster):
    future = client.submit(increment, 41)
    assert future.result() == 42
    graph, index = future._remote.id
    base = cluster.dashboard_link.removesuffix("/status")
    for address in (f"task?graph={graph}&index={index}", f"graph?id={graph}"):
        with urllib.request.urlopen(f"{base}/api/{address}") as answer:
            told = json.load(answer)
        name, query = address.split("?")
        asked = view(client, name, **dict(part.split("=") for part in query.split("&")))
        for each in (told, asked):
            each.pop("runs", None)
        assert told == asked
    task = view(client, "task", graph=graph, index=index)
    assert (task["state"], task["name"], len(task["holders"])) == ("in memory", "increment", 1)
    assert task["runs"]["kind"] == ["task"]


def test_top_prints_workers_and_the_scheduler_once(client, cluster):
    client.gather(client.map(increment, range(10)))
    command = [find_command(), "top", "--once", "--scheduler-file", cluster.scheduler_file]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert cluster.scheduler_address in text and "events/s" in text
    names = [line.split()[0] for line in text.splitlines() if line.startswith("LocalCluster-")]
    assert len(names) == 2 and "\x1b" not in text


def test_top_without_a_scheduler_says_what_to_do():
    command = [find_command(), "top", "tls://127.0.0.1:1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and "hint:" in ended.stderr


def test_sampling_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("RASKAL_DISTRIBUTED__WORKER__PROFILE__ENABLED", "false")
    with LocalCluster(n_workers=1, threads_per_worker=1) as cluster, Client(cluster, set_as_default=False) as client:
        client.submit(burn, 1.5).result()
        assert client.profile()["count"] == 0


def test_progress_waits_and_names_the_layers_at_work(client):
    out = io.StringIO()
    futures = client.map(burn, [0.3] * 4, pure=False)
    watched = FutureProgress(futures, None, multi=True)
    until(lambda: watched.look().layers, "the layers are told")
    assert [name for name, _, _ in watched.latest.layers] == ["burn"]
    progress(futures, out=out)
    assert all(future.done() for future in futures)
    assert out.getvalue().endswith("\n") and "100% Completed" in out.getvalue()
    with pytest.raises(ValueError, match="found none"):
        progress(3)


def test_progress_of_failed_work_ends_and_of_a_persisted_array_counts_its_blocks(client):
    out = io.StringIO()
    progress(client.submit(fail, 1, pure=False), out=out)
    assert out.getvalue().rstrip().endswith("| stopped")
    kept = raskal.array.ones(40, chunks=10).persist()
    progress(kept, out=out)
    assert "100% Completed" in out.getvalue().rsplit("\r", 1)[1]


TOLD = "http://0.0.0.0:8787/status?token=ab"


@pytest.mark.parametrize(
    ("told", "template", "link"),
    [
        (None, None, None),
        (TOLD, None, "http://node-1:8787/status?token=ab"),
        ("http://127.0.0.1:8787/status?token=ab", None, "http://127.0.0.1:8787/status"),
        ("http://[::1]:8787/status?token=ab", None, "http://[::1]:8787/status"),
        (TOLD, "/user/{ADA}/proxy/{port}/status", "/user/ada/proxy/8787/status?token=ab"),
        (TOLD, "https://hub.example/{host}?x=1", "https://hub.example/node-1?x=1&token=ab"),
    ],
)
def test_the_dashboard_s_link_is_the_one_that_a_browser_can_follow(told, template, link, monkeypatch):
    monkeypatch.setenv("ADA", "ada")
    with raskal.config.set({"distributed.dashboard.link": template}):
        assert dashboard_link(told, "tls://node-1:8786") == link


def test_a_link_that_names_what_is_not_there_says_so():
    with raskal.config.set({"distributed.dashboard.link": "/{NO_SUCH_VARIABLE}/"}):
        with pytest.raises(ValueError, match="'NO_SUCH_VARIABLE' has no value"):
            dashboard_link(TOLD, "tls://node-1:8786")


def test_notebooks_show_clients_with_every_name_escaped(client):
    page = client._repr_html_()
    assert client.scheduler_info()["address"] in page and f'href="{client.dashboard_link}"' in page
    worker = {"name": "<script>", "address": "tls://h:1", "nthreads": 2, "memory_limit": 0}
    assert "<script>" not in cluster_html("<b>", 'http://x/"', "<i>", [worker])
