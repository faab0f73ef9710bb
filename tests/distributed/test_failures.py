"""What goes wrong, and what users see of it; the cluster goes on afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import psutil
import pytest

import raskal
from raskal.distributed import Client, KilledWorker, LocalCluster, Queue, as_completed, wait


class Trouble(Exception):
    """An exception with arguments of its own."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text

    def __reduce__(self):
        return Trouble, (self.code, self.text)


def raise_trouble(x):
    raise Trouble(x, "no good")  # the user's line


def crash_now():
    os.kill(os.getpid(), signal.SIGSEGV)
    # The signal may reach another thread; this one must not answer before the process is gone.
    threading.Event().wait()


def executors(client):
    """The executor processes of all workers."""
    workers = [psutil.Process(worker["pid"]) for worker in client.scheduler_info()["workers"].values()]
    # Those that have no children: what forks executors has.
    started = [child for worker in workers for child in worker.children(recursive=True)]
    return [process for process in started if not process.children()]


def test_a_tasks_own_exception_comes_back_with_the_users_line(client):
    future = client.submit(raise_trouble, 7)
    with pytest.raises(Trouble) as caught:
        future.result()
    assert (caught.value.code, caught.value.text) == (7, "no good")
    shown = "".join(traceback.format_exception(caught.value))
    assert "# the user's line" in shown
    assert "test_failures.py" in shown
    assert f"in task {future.key}, made at {__file__}:" in shown
    assert client.submit(abs, -1).result() == 1


@pytest.mark.parametrize("call", ["map", "delayed"])
def test_a_failed_call_names_the_line_that_asked_for_it(client, call):
    with pytest.raises(Trouble) as caught:
        if call == "map":
            client.gather(client.map(raise_trouble, [7]))
        else:
            raskal.delayed(raise_trouble)(7).compute()
    assert f", made at {__file__}:" in "".join(caught.value.__notes__)


def test_compute_raises_what_a_task_raised(client):
    lazy = raskal.delayed(sum)([raskal.delayed(raise_trouble)(n) for n in range(3)])
    with pytest.raises(Trouble, match="no good"):
        lazy.compute()
    assert raskal.delayed(abs)(-3).compute() == 3


def test_tasks_that_need_a_failed_one_fail_with_its_exception(client):
    first = client.submit(raise_trouble, 1)
    second = client.submit(abs, first)
    with pytest.raises(Trouble):
        second.result()


def test_an_exception_that_can_not_be_pickled_is_told_in_words(client):
    def bad():
        class Local(Exception):
            def __init__(self, lock):
                super().__init__("with a lock")
                self.lock = lock

        raise Local(threading.Lock())

    with pytest.raises(RuntimeError, match="with a lock"):
        client.submit(bad).result()


def test_an_unpicklable_function_fails_here_and_is_named(client):
    lock = threading.Lock()

    def holds_a_lock():
        return lock

    with pytest.raises(TypeError, match="holds_a_lock"):
        client.submit(holds_a_lock, pure=False)
    assert client.submit(abs, -1).result() == 1


def test_a_result_that_can_not_be_pickled_is_told_and_the_cluster_goes_on(client):
    lock = client.submit(threading.Lock, pure=False)
    with pytest.raises(TypeError, match="cannot serialise _thread.lock"):
        lock.result()
    uses = client.map(lambda lock, number: lock.locked(), [lock] * 4, range(4))
    wait(uses)
    for use in uses:
        # Where the lock lives it can be used; elsewhere the reason is told.
        error = use.exception()
        assert error is None or (isinstance(error, TypeError) and "can't leave the process" in str(error))
    assert client.submit(abs, -1).result() == 1


def test_a_scheduler_that_is_not_there_is_told_within_seconds():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(OSError, match=f"no scheduler listens at tcp://127.0.0.1:{port}"):
        Client(f"tcp://127.0.0.1:{port}", timeout=5)
    assert time.monotonic() - started < 5


def test_something_that_is_no_scheduler_is_told_within_the_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(OSError, match="within"):
            Client(f"tcp://127.0.0.1:{silent.getsockname()[1]}", timeout=0.5)


def test_a_wrong_token_is_refused_and_the_cluster_goes_on(client, cluster):
    with pytest.raises(OSError, match="token"):
        Client(cluster.scheduler_address, token="ab" * 32)
    with pytest.raises(ValueError, match="hexadecimal"):
        Client(cluster.scheduler_address, token="secret")
    assert client.submit(abs, -1).result() == 1


def test_a_bad_address_is_told(client):
    with pytest.raises(ValueError, match="not an address"):
        Client("ftp://somewhere:1")
    with pytest.raises(OSError, match="none.json"):
        Client(scheduler_file="/nowhere/none.json")


def test_a_worker_with_a_wrong_token_does_not_start(cluster):
    environment = {**os.environ, "RASKAL_TOKEN": "cd" * 32, "RASKAL_SCHEDULER_FILE": ""}
    line = [sys.executable, "-m", "raskal.node", cluster.scheduler_address, "--death-timeout", "5"]
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "token" in ended.stderr


def test_a_crash_in_native_code_is_retried(client, tmp_path):
    marker = tmp_path / "crashed"

    def crash_once():
        if not marker.exists():
            marker.write_text("")
            crash_now()
        return "survived"

    assert client.submit(crash_once, pure=False).result(timeout=60) == "survived"


def test_a_task_that_kills_three_processes_is_given_up_and_the_cluster_goes_on(client):
    def crash():
        os.write(2, b"famous last words\n")
        crash_now()

    future = client.submit(crash, key="deadly-task")
    with pytest.raises(KilledWorker) as caught:
        future.result(timeout=60)
    text = str(caught.value)
    assert "deadly-task" in text or "delayed" in text
    assert text.count("SIGSEGV") == 3
    assert "famous last words" in text
    assert client.submit(abs, -1).result(timeout=60) == 1


def test_what_lived_in_a_dead_executor_is_made_again(client):
    kept = client.map(lambda n: list(range(n, n + 1000)), range(8))
    wait(kept)
    for executor in executors(client):
        executor.kill()
    assert client.gather(client.map(len, kept)) == [1000] * 8
    assert [part[0] for part in client.gather(kept)] == list(range(8))


def test_a_lost_worker_changes_no_result():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        parts = client.map(lambda n: [n] * 500, range(40))
        sums = client.map(sum, parts)
        done = as_completed(sums)
        next(done)
        # As a power cut would: the node and what it started.
        node = psutil.Process(cluster.workers[0].pid)
        for process in [node, *node.children(recursive=True)]:
            process.kill()
        assert client.gather(sums) == [500 * n for n in range(40)]
        assert client.gather(parts)[39] == [39] * 500
        assert client.submit(abs, -1).result() == 1


def test_a_cluster_ends_with_the_process_that_made_it():
    script = textwrap.dedent(
        """
        import os, signal
        from raskal.distributed import Client, LocalCluster
        cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
        client = Client(cluster)
        print(cluster.scheduler.pid, cluster.workers[0].pid, client.submit(os.getpid).result(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    pids = [int(pid) for pid in ended.stdout.split()]
    assert len(pids) == 3, ended.stderr
    gone, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=20)
    assert not alive


def test_an_interrupt_ends_a_wait_at_once_and_the_client_lives(client, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    future = client.submit(lambda: gate.read_text(), pure=False)
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        future.result()
    assert time.monotonic() - started < 5
    gate.write_text("go")
    assert future.result() == "go"


def test_a_result_that_needs_what_is_not_here_says_so(client, tmp_path):
    """The workers have the module of the result's class, this process has not: the error is raised here."""
    (tmp_path / "only_on_workers.py").write_text("class Point:\n    x = 1\n")
    client.upload_file(tmp_path / "only_on_workers.py")

    def make():
        import only_on_workers

        return only_on_workers.Point()

    future = client.submit(make)
    wait(future)
    with pytest.raises(ModuleNotFoundError, match="only_on_workers") as caught:
        future.result()
    assert any(f"the result of {future.key} can't be read here" in note for note in caught.value.__notes__)
    # It is there all the same: tasks use it.
    assert client.submit(lambda point: point.x, future).result() == 1


def test_a_scheduler_that_is_gone_ends_what_waits_for_it():
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=True) as cluster:
        with Client(cluster, set_as_default=False) as client:
            queue = Queue(client=client)
            threading.Timer(0.3, cluster.scheduler.process.kill).start()
            with pytest.raises(OSError, match="connection to the scheduler has ended"):
                queue.get(timeout=60)
            with pytest.raises(OSError, match="connection to the scheduler has ended"):
                client.submit(abs, -1).result()
            assert client.status == "closed"
