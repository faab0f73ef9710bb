"""Clusters: local, of described parts, adaptive, over ssh; certificates; and what can't be."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import textwrap

import pytest

from raskal.distributed import (
    Adaptive,
    Client,
    LocalCluster,
    Scheduler,
    Security,
    SpecCluster,
    SSHCluster,
    Worker,
    get_worker,
)
from raskal.distributed.cluster import find_command
from raskal.distributed.ssh import ssh_command
from raskal.system import workers_and_threads

SPEC = {"cls": Worker, "options": {"nthreads": 1}}
SCHEDULER = {"cls": Scheduler, "options": {"dashboard_address": None}}


def increment(x):
    return x + 1


def test_scheduler_and_workers_are_started_one_by_one():
    with Scheduler(dashboard_address=None) as scheduler, Worker(scheduler.contact, nthreads=2, name="own"):
        with Client(scheduler.contact, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)
            assert list(client.nthreads().values()) == [2]
            assert client.submit(lambda: get_worker().name).result() == "own"
    assert scheduler.status == "closed"


def test_a_cluster_is_scaled_and_has_names():
    with SpecCluster({"first": SPEC}, SCHEDULER, worker=SPEC, name="described") as cluster:
        assert SpecCluster.from_name("described") is cluster and "described" in repr(cluster)
        with Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)
            cluster.scale(3)
            client.wait_for_workers(3, timeout=60)
            assert cluster.plan == cluster.requested == {"first", 0, 1}
            assert cluster.observed == {"first", "0", "1"}
            kept = client.submit(increment, 1)
            assert kept.result() == 2
            cluster.scale_down([0])
            cluster.scale(cores=1)
            assert len(cluster.workers) == 1
            while len(client.scheduler_info()["workers"]) > 1:
                pass
            assert client.submit(sum, [kept, 1]).result(timeout=60) == 3
        assert "Scheduler" in cluster.get_logs()
    assert cluster.status == "closed"
    cluster.close()
    with pytest.raises(ValueError, match="no cluster 'nothing'"):
        SpecCluster.from_name("nothing")


def test_a_cluster_follows_its_work():
    with LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=None) as cluster:
        adaptive = cluster.adapt(minimum=0, maximum=1, interval="50ms", wait_count=2)
        with Client(cluster, set_as_default=False) as client:
            assert client.submit(increment, 1).result(timeout=60) == 2
            while cluster.workers:
                pass
        assert [advice["status"] for _, advice in adaptive.log] == ["up", "down"]
        with pytest.raises(ValueError, match="minimum"):
            Adaptive(cluster, minimum=3, maximum=1)
    assert adaptive.status == "stopped"


@pytest.mark.parametrize(("cores", "expected"), [(1, (1, 1)), (4, (4, 1)), (8, (4, 2)), (16, (4, 4)), (7, (7, 1))])
def test_cores_are_shared_among_workers(cores, expected):
    assert workers_and_threads(cores) == expected


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"n_workers": -1}, ValueError, "n_workers"),
        ({"threads_per_worker": 0}, ValueError, "threads_per_worker"),
        ({"no_such_option": 1}, TypeError, "no_such_option"),
        ({"protocol": "carrier-pigeon"}, ValueError, "protocol"),
        ({"resources": {"GPU": -1}}, ValueError, "GPU"),
    ],
)
def test_what_can_not_be_is_said_before_anything_starts(arguments, error, words):
    with pytest.raises(error, match=words):
        LocalCluster(dashboard_address=None, **arguments)


def test_a_scheduler_that_does_not_start_says_why():
    with pytest.raises(RuntimeError, match="ended with exit code"):
        LocalCluster(n_workers=0, host="192.0.2.1", dashboard_address=None, silence_logs=True)


def test_a_dashboard_whose_port_was_just_taken_goes_to_another():
    """Two schedulers that start at the same moment find the same port free."""

    class Unlucky(Scheduler):
        tries = 0

        def command(self):
            self.tries += 1
            if self.tries == 1:
                return ["sh", "-c", "echo cannot open the dashboard at 127.0.0.1:8787 >&2; exit 1"]
            return super().command()

    with Unlucky(dashboard_address=":8787", silence_logs=True) as scheduler:
        assert scheduler.tries == 2 and scheduler.dashboard_link


def test_a_worker_prepares_its_processes(tmp_path):
    (tmp_path / "prepared.py").write_text(
        textwrap.dedent(
            """
            def raskal_setup(worker, *arguments):
                worker.prepared = arguments
            """
        )
    )
    options = {
        "preload": str(tmp_path / "prepared.py"),
        "preload_argv": ["--a", "b"],
        "local_directory": str(tmp_path / "files"),
        "env": {"RASKAL_TEST_OTHER": "x"},
    }
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, **options) as cluster:
        with Client(cluster, set_as_default=False) as client:

            def look():
                worker = get_worker()
                return worker.prepared, worker.local_directory, os.environ["RASKAL_TEST_OTHER"]

            prepared, folder, variable = client.submit(look).result(timeout=60)
            assert prepared == ("--a", "b") and variable == "x"
            assert folder.startswith(str(tmp_path / "files"))


def make_certificates(folder):
    """An authority, and a certificate that it signed."""

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")  # fmt: skip
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "own.key",
            "-out", "own.csr", "-subj", "/CN=raskal")  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "own.pem")  # fmt: skip
    own = {f"tls_{role}_{part}": str(folder / f"own.{end}") for role in ("client", "scheduler", "worker")
           for part, end in (("cert", "pem"), ("key", "key"))}  # fmt: skip
    return Security(tls_ca_file=str(folder / "ca.pem"), **own)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command to make certificates with")
def test_certificates_of_ones_own(tmp_path):
    security = make_certificates(tmp_path)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, security=security) as cluster:
        address = cluster.scheduler_address
        with Client(address, security=security, set_as_default=False) as client:
            assert client.submit(increment, 1).result(timeout=60) == 2
            # Tasks reach the cluster by the worker's certificate.
            assert client.submit(lambda: get_worker().address).result(timeout=60) in client.nthreads()
        with pytest.raises(OSError):
            Client(address, token="00" * 32, set_as_default=False, timeout=5)
    with pytest.raises(TypeError, match="no_such"):
        Security(no_such=1)
    with pytest.raises(ValueError, match="TLS 1.3"):
        Security(tls_max_version=1.2)


@pytest.fixture
def fake_ssh(tmp_path):
    """A command that takes what ssh takes, and runs it here."""
    script = tmp_path / "ssh"
    script.write_text(
        textwrap.dedent(
            f"""\
            #!{sys.executable}
            import subprocess, sys
            words = sys.argv[1:]
            while words[0].startswith("-"):
                words = words[1 if words[0] == "-T" else 2:]
            host, *command = words
            assert host.startswith(("host-", "127.")), host
            sys.exit(subprocess.call(["sh", "-c", " ".join(command)]))
            """
        )
    )
    script.chmod(script.stat().st_mode | stat.S_IEXEC)
    return {"command": str(script), "username": "somebody", "known_hosts": None}


def test_a_cluster_over_ssh(fake_ssh, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    cluster = SSHCluster(
        ["host-a", "host-b"],
        fake_ssh,
        {"nthreads": 1, "n_workers": 2},
        {"listen": "127.0.0.1"},
        remote_python=sys.executable,
    )
    with cluster, Client(cluster, set_as_default=False) as client:
        assert client.submit(increment, 1).result(timeout=60) == 2
        assert list(client.nthreads().values()) == [2]
    assert cluster.status == "closed"


def test_the_ssh_command_runs_a_cluster_until_its_input_ends(fake_ssh):
    command = [sys.executable, "-m", "raskal.cli", "ssh", "127.0.0.1", "--scheduler-port", "0", "--nthreads", "1"]
    command += ["--remote-python", sys.executable, "--ssh-command", fake_ssh["command"], "--end-with-stdin"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        address, token = lines[1].split()[-1], lines[2].strip().rpartition("=")[2]
        with Client(address, token=token, set_as_default=False) as client:
            assert client.submit(increment, 1).result(timeout=60) == 2
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_a_worker_of_a_name_that_is_taken_is_sent_away():
    with Scheduler(dashboard_address=None, silence_logs=True) as scheduler:
        first = Worker(scheduler.contact, nthreads=1, name="only")
        with first, Client(scheduler.contact, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)
            second = Worker(scheduler.contact, nthreads=1, name="only", silence_logs=True).start()
            assert second.process.wait(timeout=60) == 1
            assert any("the name 'only' is taken by the worker at" in line for line in second.logs)
            assert len(client.nthreads()) == 1


def test_a_scheduler_without_work_ends():
    with Scheduler(dashboard_address=None, idle_timeout="1s", silence_logs=True) as scheduler:
        assert scheduler.process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["worker", "tls://h:1", "--worker-class", "mine.Worker"], "--preload"),
        (["worker", "tls://h:1", "--nworkers", "many"], "--nworkers"),
        (["scheduler", "--protocol", "tcp"], "--insecure"),
        (["scheduler", "--preload", "x"], "runs no Python"),
        (["scheduler", "--jupyter"], "runs no Python"),
        (["config", "get", "no.such.setting"], "no.such.setting"),
    ],
)
def test_commands_say_what_they_do_not_do(words, said):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.path.dirname(sys.executable)}
    ended = subprocess.run([find_command(), *words], capture_output=True, text=True, env=environment, timeout=60)
    assert ended.returncode != 0 and said in ended.stderr


def test_settings_and_versions_are_told():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.path.dirname(sys.executable)}

    def run(*words):
        command = [find_command(), *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True).stdout

    assert "raskal" in run("info", "versions") and "distributed" in run("config", "list")


def test_hosts_and_options_of_ssh_are_checked(fake_ssh):
    command = ssh_command("h", {"username": "u", "port": 22, "client_keys": ["k"], "known_hosts": None})
    assert command[-1] == "h" and command[:2] == ["ssh", "-T"] and "StrictHostKeyChecking=no" in command
    with pytest.raises(ValueError, match="'colour'"):
        ssh_command("h", {"colour": "red"})
    with pytest.raises(ValueError, match="hosts of workers|scheduler's host"):
        SSHCluster(["one"])
    with pytest.raises(RuntimeError, match="on nowhere ended"):
        SSHCluster(["nowhere", "nowhere"], {**fake_ssh, "command": "false"})
