"""Functions, files and plug-ins in the processes of workers, beside their tasks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import zipfile

import pytest

from raskal.distributed import (
    Client,
    Environ,
    Event,
    LocalCluster,
    NannyPlugin,
    SchedulerPlugin,
    UploadDirectory,
    WorkerPlugin,
)


def test_run_calls_a_function_on_every_worker(client):
    addresses = set(client.scheduler_info()["workers"])
    assert client.run(lambda a, b: a + b, 1, b=2) == dict.fromkeys(addresses, 3)
    pids = set(client.run(os.getpid).values())
    assert len(pids) == 2 and os.getpid() not in pids
    one = next(iter(addresses))
    assert set(client.run(os.getpid, workers=[one])) == {one}
    with pytest.raises(ValueError, match="no worker 'nobody'"):
        client.run(os.getpid, workers=["nobody"])


def test_run_waits_for_coroutines_and_knows_the_worker(client):
    async def nine():
        await asyncio.sleep(0)
        return 9

    assert set(client.run(nine).values()) == {9}
    assert all(key == value for key, value in client.run(lambda dask_worker: dask_worker.address).items())


def test_run_goes_on_while_all_tasks_are_busy(client):
    gate = Event("busy", client=client)
    tasks = client.map(lambda _: Event("busy").wait(timeout=60), range(4), pure=False)
    assert len(client.run(os.getpid)) == 2
    gate.set()
    client.gather(tasks)


def test_what_run_raises_comes_back(client):
    with pytest.raises(ZeroDivisionError):
        client.run(lambda: 1 / 0)
    returned = client.run(lambda: 1 / 0, on_error="return")
    assert [type(error) for error in returned.values()] == [ZeroDivisionError] * 2
    assert client.run(lambda: 1 / 0, on_error="ignore") == {}
    with pytest.raises(TypeError, match="can't be pickled"):
        client.run(threading.Lock)
    with pytest.raises(TypeError, match="can't be sent"):
        client.run(lambda lock: 0, threading.Lock())
    with pytest.raises(NotImplementedError, match="no Python"):
        client.run(os.getpid, nanny=True)


def test_functions_on_the_scheduler_see_a_view_of_it(client):
    assert client.run_on_scheduler(lambda x: x + 1, 1) == 2
    assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.workers)) == 2
    with pytest.raises(AttributeError, match="Rust program"):
        client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.tasks)


def test_a_process_that_starts_later_is_set_up_too(client, tmp_path):
    """A plug-in and a file are there again in the process that follows one that died."""

    class Ready(WorkerPlugin):
        name = "ready"

        def setup(self, worker):
            worker.ready = 17

        def teardown(self, worker):
            del worker.ready

    (tmp_path / "uploaded_later.py").write_text("value = 123\n")
    client.register_plugin(Ready())
    client.upload_file(tmp_path / "uploaded_later.py")

    def look():
        import uploaded_later

        from raskal.distributed import get_worker

        return get_worker().ready, uploaded_later.value, os.getpid()

    address, before = next(iter(client.run(look).items()))
    assert before[:2] == (17, 123)
    os.kill(before[2], signal.SIGKILL)
    after = client.submit(look, pure=False).result(timeout=60)
    assert after[:2] == (17, 123)
    assert set(client.run(lambda dask_worker: dask_worker.ready, workers=[address]).values()) == {17}
    client.unregister_worker_plugin("ready")
    assert set(client.run(lambda dask_worker: hasattr(dask_worker, "ready")).values()) == {False}
    with pytest.raises(ValueError, match="no plug-in 'ready'"):
        client.unregister_worker_plugin("ready")


def test_a_plugin_that_fails_is_not_registered(client):
    class Broken(WorkerPlugin):
        name = "broken"

        def setup(self, worker):
            raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        client.register_plugin(Broken())
    with pytest.raises(TypeError, match="no plug-in"):
        client.register_plugin(Broken)
    with pytest.raises(ValueError):
        client.unregister_worker_plugin("broken")


def test_files_and_folders_are_imported_from(client, tmp_path):
    package = tmp_path / "uploaded_package"
    package.mkdir()
    (package / "__init__.py").write_text("value = 1\n")
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        archive.writestr("zipped_module.py", "value = 2\n")
    client.upload_file(tmp_path / "zipped.zip")
    client.register_plugin(UploadDirectory(package, update_path=True))

    def read():
        import uploaded_package
        import zipped_module

        return uploaded_package.value, zipped_module.value

    assert set(client.run(read).values()) == {(1, 2)}
    with pytest.raises(FileNotFoundError):
        UploadDirectory(tmp_path / "nothing")


def test_variables_of_the_environment_are_set(client):
    client.register_plugin(Environ({"RASKAL_TEST_VARIABLE": 7}))
    assert set(client.run(lambda: os.environ["RASKAL_TEST_VARIABLE"]).values()) == {"7"}


def test_stacks_and_keys_of_running_tasks_are_told(client):
    gate = Event("stack", client=client)

    def held():
        return Event("stack").wait(timeout=60)

    future = client.submit(held, pure=False)
    while not any(future.key in keys for keys in client.processing().values()):
        assert not future.done()
    [stacks] = client.call_stack([future]).values()
    assert list(stacks) == [future.key] and any("held" in frame for frame in stacks[future.key])
    assert client.call_stack(keys=["no such key"]) == {}
    gate.set()
    assert future.result()


def test_versions_are_compared(client):
    versions = client.get_versions(check=True, packages=["psutil"])
    assert versions["client"]["packages"]["Python"] == sys.version.split()[0]
    assert len(versions["workers"]) == 2 and "raskal" in versions["scheduler"]["packages"]


def test_a_scheduler_plugin_hears_who_comes_and_goes(cluster, client):
    heard: list = []
    came = threading.Condition()

    class Watch(SchedulerPlugin):
        name = "watch"

        async def start(self, scheduler):
            heard.append(("start", scheduler.address))

        def add_client(self, scheduler, client):
            self.tell("add", client)

        def remove_client(self, scheduler, client):
            self.tell("remove", client)

        async def close(self):
            heard.append(("close", None))

        def tell(self, what, who):
            with came:
                heard.append((what, who))
                came.notify_all()

    client.register_plugin(Watch())
    with Client(cluster, set_as_default=False):
        pass
    with came:
        assert came.wait_for(lambda: {"add", "remove"} <= {what for what, _ in heard}, timeout=20)
    client.unregister_scheduler_plugin("watch")
    assert heard[0][0] == "start" and heard[-1][0] == "close"


def test_a_worker_that_joins_later_is_set_up_and_processes_have_names_of_their_own():
    class Ready(NannyPlugin):
        name = "ready"

        def setup(self, nanny):
            nanny.ready = True

    with LocalCluster(n_workers=1, threads_per_worker=1, nworkers=2, dashboard_address=None) as cluster:
        with Client(cluster, set_as_default=False) as client:
            [address] = client.nthreads()
            assert set(client.run(os.getpid)) == {f"{address}#0", f"{address}#1"}
            client.register_plugin(Ready())
            cluster.scale(2)
            client.wait_for_workers(2, timeout=60)
            assert list(client.run(lambda dask_worker: dask_worker.ready).values()) == [True] * 4


def test_the_state_of_the_cluster_is_written(client, tmp_path):
    import yaml

    client.dump_cluster_state(str(tmp_path / "dump"), format="yaml", exclude=["running"])
    state = yaml.safe_load((tmp_path / "dump.yaml").read_text())
    assert set(state) == {"scheduler", "holds", "versions"} and len(state["scheduler"]["workers"]) == 2


def test_the_speed_of_the_workers_is_measured(client):
    measured = client.benchmark_hardware()
    assert set(measured) == {"memory", "disk"} and all(speed > 0 for speed in measured["memory"].values())
    with pytest.raises(NotImplementedError, match="get_task_stream"):
        client.story("x")


def test_processes_of_a_worker_are_started_anew(client):
    address = next(iter(client.nthreads()))
    before = client.run(os.getpid, workers=[address])
    assert client.restart_workers([address], timeout=60) == {address: "OK"}
    assert client.run(os.getpid, workers=[address]) != before
    assert client.submit(abs, -1).result() == 1
