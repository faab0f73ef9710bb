"""The process that forks workers and executors: what it makes are whole processes, and none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from raskal import _nursery
from raskal.distributed import Client, LocalCluster

pytestmark = pytest.mark.skipif(not _nursery.available(), reason="processes are forked on Linux only")


@pytest.fixture(scope="module")
def nursery():
    nursery = _nursery.Nursery(dict(os.environ))
    yield nursery
    nursery.close()


def test_a_forked_process_has_its_own_streams_environment_and_exit_code(nursery):
    script = "echo $PLACE; cat; echo bad >&2; exit 3"
    environment = {**os.environ, "PLACE": "here"}
    process = nursery.spawn("subprocess:call", ["sh", "-c", script], environment, subprocess.PIPE)
    process.stdin.write(b"typed")
    process.stdin.close()
    assert process.stdout.read() == b"here\ntyped"
    assert process.stderr.read() == b"bad\n"
    assert process.wait(30) == 3


def test_how_a_forked_process_ended_is_told(nursery):
    process = nursery.spawn("time:sleep", [], dict(os.environ), None)
    assert process.wait(30) == 1  # It takes a number.
    process = nursery.spawn("signal:pause", [], dict(os.environ), None)
    assert process.poll() is None
    process.kill()
    assert process.wait(30) == process.returncode == -signal.SIGKILL


def test_a_worker_is_forked_and_its_executor_again_when_it_died():
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        [node] = client._client.workers()
        first = client.submit(os.getpid, pure=False).result(timeout=60)
        assert any(process.pid == first for process in psutil.Process(node["pid"]).children(recursive=True))
        os.kill(first, signal.SIGKILL)
        second = client.submit(os.getpid, pure=False).result(timeout=60)
        assert second != first
        assert client.submit(lambda: sys.stdin.read(), pure=False).result(timeout=60) == ""
        left = psutil.Process(node["pid"]).children(recursive=True) + [psutil.Process(node["pid"])]
    _, alive = psutil.wait_procs(left, timeout=30)
    assert not alive
