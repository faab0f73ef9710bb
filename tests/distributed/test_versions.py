"""A peer of another version is told so, on the side that came; the cluster goes on."""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading

import pytest

from raskal.distributed import Client

MAGIC = b"RASKAL\x01\n"


def introduction(role: str) -> bytes:
    """Return the first words of a process of a version that never was."""
    word = {"version": "0.0.1", "protocol": 1, "role": role, "nonce": [0] * 32}
    text = json.dumps(word).encode()
    return MAGIC + struct.pack("<I", len(text)) + text


@pytest.fixture
def old_scheduler():
    """Return the address of something that introduces itself as a scheduler of another version."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def serve() -> None:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.sendall(introduction("scheduler"))
                while peer.recv(4096):
                    pass

        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.cluster
def test_a_worker_names_its_version_and_the_schedulers_and_ends(old_scheduler):
    environment = {name: text for name, text in os.environ.items() if not name.startswith("RASKAL_")}
    line = [sys.executable, "-m", "raskal.node", old_scheduler, "--death-timeout", "20"]
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "this worker is raskal" in ended.stderr
    assert f"the scheduler at {old_scheduler} is 0.0.1: install the same version on both" in ended.stderr


@pytest.mark.cluster
def test_a_client_names_both_versions(old_scheduler):
    with pytest.raises(OSError, match=r"this client is raskal .* is 0\.0\.1: install the same version on both"):
        Client(old_scheduler, timeout=20)


@pytest.mark.cluster
def test_a_scheduler_turns_a_worker_of_another_version_away_and_goes_on(client, cluster):
    host, port = cluster.scheduler_address.removeprefix("tls://").rsplit(":", 1)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    before = len(client.nthreads())
    with socket.create_connection((host, int(port)), timeout=60) as raw, context.wrap_socket(raw) as peer:
        peer.sendall(introduction("worker"))
        heard = b""
        while part := peer.recv(4096):
            heard += part
    # It says who it is, so that the other side can tell its user, and hangs up.
    assert heard.startswith(MAGIC)
    assert json.loads(heard[len(MAGIC) + 4 :])["role"] == "scheduler"
    assert len(client.nthreads()) == before
    assert client.submit(abs, -1).result() == 1
