"""A cluster on other machines, reached by ssh: `SSHCluster`, and ``raskal ssh``.

Start at `SSHCluster`. The scheduler and each worker are processes of machines where one can log in by ssh without
typing; each ends when its connection does. The cluster's token goes through the connections' standard input, never onto
a command line; certificates are made by the processes themselves, and trusted by proof of the token.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from raskal.distributed.processes import ClusterProcess, Contact
from raskal.distributed.spec import SpecCluster

__all__ = ["RemoteScheduler", "RemoteWorker", "SSHCluster", "main"]

# Runs a command with the token that it reads first.
_SHELL = 'IFS= read -r RASKAL_TOKEN && export RASKAL_TOKEN && exec "$0" "$@"'

_CONNECT = {"username": "-l", "user": "-l", "port": "-p", "client_keys": "-i", "identity_file": "-i", "config": "-F"}


def ssh_command(host: str, options: Mapping[str, Any] | None) -> list[str]:
    """The command that runs another on a host, which is to be put behind it.

    Parameters
    ----------
    host : str
        The host.
    options : dict, optional
        `username`, `port`, `client_keys` (a file of a private key, or several), `config`, `known_hosts` (None for any),
        `command` (in place of ``ssh``), and `options` (a list of more).
    """
    given = dict(options or {})
    command = shlex.split(given.pop("command", "ssh"))
    command += ["-T", "-o", "BatchMode=yes", *given.pop("options", ())]
    if "known_hosts" in given:
        known = given.pop("known_hosts")
        # Whatever host it is, and nothing is written down of it.
        command += ["-o", f"UserKnownHostsFile={known or os.devnull}"]
        command += ["-o", "StrictHostKeyChecking=no"] if known is None else []
    for name, value in given.items():
        if name not in _CONNECT:
            raise ValueError(
                f"unknown connect option {name!r}\nhint: there are {', '.join((*_CONNECT, 'known_hosts', 'options'))}"
            )
        for one in value if isinstance(value, (list, tuple)) else [value]:
            command += [] if one is None else [_CONNECT[name], str(one)]
    return [*command, host]


class TokenContact(Contact):
    """Where a scheduler is, and its token."""

    def __init__(self, address: str, token: str) -> None:
        super().__init__(address, None)
        self.token = token


class RemoteProcess(ClusterProcess):
    """A process of a cluster on another machine."""

    def __init__(self, host: str, connect_options: Mapping[str, Any] | None, token: str, python: str | None) -> None:
        super().__init__()
        self.ssh = ssh_command(host, connect_options)
        self.host, self.token, self.python = host, token, python or "python3"

    def remote(self) -> list[str]:
        """The command on the other machine."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """The command line."""
        return [*self.ssh, "sh", "-c", shlex.quote(_SHELL), *map(shlex.quote, self.remote())]

    def first_input(self) -> bytes:
        """The token."""
        return self.token.encode() + b"\n"


class RemoteScheduler(RemoteProcess):
    """A scheduler on another machine.

    Parameters
    ----------
    host : str
        Where; also the host under which workers and clients reach it.
    connect_options : dict, optional
        Of `SSHCluster`.
    token : str
        The cluster's token.
    remote_python : str, optional
        The Python there.
    port : int
        The port; 0 for any.
    dashboard_address : str or None
        Where its dashboard listens.
    """

    def __init__(
        self,
        host: str,
        connect_options: Mapping[str, Any] | None,
        token: str,
        remote_python: str | None = None,
        port: int = 0,
        dashboard_address: str | None = None,
        listen: str | None = None,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__(host, connect_options, token, remote_python)
        self.port, self.dashboard, self.listen, self.options = port, dashboard_address, listen, list(options)
        self.address = ""
        self.dashboard_link: str | None = None
        self.scheduler_file: str | None = None

    @property
    def contact(self) -> TokenContact:
        """What lets workers and clients find it and be let in."""
        return TokenContact(self.address, self.token)

    def output(self) -> int | None:
        """A pipe: it prints where it listens."""
        import subprocess

        return subprocess.PIPE

    def remote(self) -> list[str]:
        """The command on the other machine."""
        command = [self.python, "-m", "raskal.cli", "scheduler", "--host", self.listen or "0.0.0.0"]
        command += ["--port", str(self.port), "--end-with-stdin", *self.options]
        return command + (["--no-dashboard"] if self.dashboard is None else ["--dashboard-address", self.dashboard])

    def is_up(self) -> None:
        """Wait until it prints where it listens."""
        assert self.process is not None and self.process.stdout is not None
        for line in self.process.stdout:
            words = line.decode(errors="replace").split()
            if words[:1] == ["dashboard"]:
                self.dashboard_link = words[-1].replace("0.0.0.0", self.host)
            if words[:3] == ["workers", "and", "clients"]:
                self.address = words[-1].replace("0.0.0.0", self.host)
            if words[:2] == ["scheduler", "file"]:
                break
        if not self.address:
            raise RuntimeError(
                f"the scheduler on {self.host} ended with exit code {self.process.wait()} instead of starting"
                f"{self.last_words()}"
            )
        threading.Thread(target=_drain, args=(self.process.stdout,), name="raskal-output", daemon=True).start()


def _drain(stream: Any) -> None:
    for _ in stream:
        pass


class RemoteWorker(RemoteProcess):
    """A worker on another machine.

    Parameters
    ----------
    contact : TokenContact
        Of the scheduler.
    host : str
        Where.
    connect_options : dict, optional
        Of `SSHCluster`.
    remote_python : str, optional
        The Python there.
    name : str
        Its name.
    **worker_options
        Options of ``raskal worker``, with underscores.
    """

    def __init__(
        self,
        contact: TokenContact,
        host: str,
        connect_options: Mapping[str, Any] | None = None,
        remote_python: str | None = None,
        name: str | None = None,
        **worker_options: Any,
    ) -> None:
        super().__init__(host, connect_options, contact.token, remote_python)
        self.scheduler, self.name = contact.scheduler_address, name
        self.worker_options = worker_options

    def remote(self) -> list[str]:
        """The command on the other machine."""
        command = [self.python, "-m", "raskal.node", self.scheduler, "--end-with-stdin"]
        for option, value in {"name": self.name, **self.worker_options}.items():
            if value is not None and option not in ("n_workers",):
                command += [f"--{option.replace('_', '-')}", str(value)]
        if "n_workers" in self.worker_options:
            command += ["--nworkers", str(self.worker_options["n_workers"])]
        return command


def SSHCluster(
    hosts: Sequence[str] | None = None,
    connect_options: Any = None,
    worker_options: Mapping[str, Any] | None = None,
    scheduler_options: Mapping[str, Any] | None = None,
    worker_module: str | None = None,
    worker_class: Any = None,
    remote_python: Any = None,
    **kwargs: Any,
) -> SpecCluster:
    """A cluster on machines that are reached by ssh.

    Parameters
    ----------
    hosts : list of str
        The first is the scheduler's, each of the others has a worker. A host may come several times.
    connect_options : dict or list of dict, optional
        How to log in, for all or for each: `username`, `port`, `client_keys`, `known_hosts` (None for any), `config`,
        `options` (a list of further options of ssh), `command` (in place of ``ssh``). ssh must not ask for anything.
    worker_options : dict, optional
        Options of ``raskal worker``: `nthreads`, `n_workers` (processes), `memory_limit`, `local_directory`...
    scheduler_options : dict, optional
        `port`, `dashboard_address`, `listen` (the host to listen at there; all by default).
    worker_module, worker_class
        For Dask's sake.
    remote_python : str or list of str, optional
        The Python there, for all or for each; raskal must be installed in it. ``python3`` by default.
    **kwargs
        Of `SpecCluster`.

    Returns
    -------
    SpecCluster

    Raises
    ------
    RuntimeError
        If the scheduler does not start; the message holds what ssh said.
    """
    if not hosts or len(hosts) < 2:
        raise ValueError(f"SSHCluster needs the scheduler's host and those of workers, got {hosts!r}")
    if isinstance(hosts, str):
        raise TypeError("hosts must be a list of hosts, got one string")
    connect = _each("connect_options", connect_options, len(hosts))
    python = _each("remote_python", remote_python, len(hosts))
    token = secrets.token_hex(32)
    scheduler = {"host": hosts[0], "connect_options": connect[0], "token": token, "remote_python": python[0]}
    workers = {
        number: {
            "cls": RemoteWorker,
            "options": {"host": host, "connect_options": options, "remote_python": own, **(worker_options or {})},
        }
        for number, (host, options, own) in enumerate(zip(hosts[1:], connect[1:], python[1:]))
    }
    return SpecCluster(
        workers,
        {"cls": RemoteScheduler, "options": {**scheduler, **(scheduler_options or {})}},
        worker=workers[0],
        name=kwargs.pop("name", "SSHCluster"),
        **kwargs,
    )


def _each(name: str, value: Any, count: int) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name} has {len(value)} entries for {count} hosts")
    return list(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="raskal ssh", description="Start a cluster on machines that are reached by ssh."
    )
    parser.add_argument(
        "hostnames", nargs="*", help="hosts; the scheduler runs on the first unless --scheduler says else"
    )
    parser.add_argument("--hostfile", help="file with a host on each line")
    parser.add_argument("--scheduler", help="host of the scheduler")
    parser.add_argument("--scheduler-port", type=int, default=8786, help="its port (default: 8786; 0 for any)")
    parser.add_argument("--nworkers", type=int, default=1, help="executor processes on each host (default: 1)")
    parser.add_argument("--nthreads", type=int, help="threads of each (default: the cores, shared among them)")
    parser.add_argument("--memory-limit", help="memory budget of each host's worker, such as 4GB")
    parser.add_argument("--local-directory", help="folder for temporary files on each host")
    parser.add_argument("--ssh-username", help="user to log in as")
    parser.add_argument("--ssh-port", type=int, help="port of ssh (default: 22)")
    parser.add_argument("--ssh-private-key", help="file of the private key to log in with")
    parser.add_argument("--ssh-command", default="ssh", help=argparse.SUPPRESS)
    parser.add_argument("--nohost", action="store_true", help="let workers find the host under which they are reached")
    parser.add_argument("--remote-python", help="the Python there (default: python3)")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when the standard input ends")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a cluster until it is interrupted.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; by default the process's own.

    Returns
    -------
    int
        The exit code.
    """
    options = _parser().parse_args(arguments)
    hosts = list(options.hostnames)
    if options.hostfile:
        with open(options.hostfile) as file:
            hosts += [line.strip() for line in file if line.strip() and not line.startswith("#")]
    if not hosts:
        print("raskal ssh: no hosts were given\nhint: raskal ssh HOST1 HOST2, or --hostfile FILE", file=sys.stderr)
        return 2
    connect = {
        "username": options.ssh_username,
        "port": options.ssh_port,
        "client_keys": options.ssh_private_key,
        "command": options.ssh_command,
    }
    worker = {
        "nworkers": options.nworkers,
        "nthreads": options.nthreads,
        "memory_limit": options.memory_limit,
        "local_directory": options.local_directory,
    }
    try:
        cluster = SSHCluster(
            [options.scheduler or hosts[0], *hosts],
            connect,
            worker,
            {"port": options.scheduler_port},
            remote_python=options.remote_python,
        )
    except (RuntimeError, ValueError, OSError) as error:
        print(f"raskal ssh: {error}", file=sys.stderr)
        return 1
    with cluster:
        print(
            f"raskal cluster on {len(hosts)} hosts, from {socket.gethostname()}\n"
            f"  scheduler  {cluster.scheduler_address}"
        )
        print(f"  token      in the environment of clients: RASKAL_TOKEN={cluster.scheduler.token}", flush=True)
        try:
            if options.end_with_stdin:
                sys.stdin.read()
            else:
                cluster.scheduler.process.wait()
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
