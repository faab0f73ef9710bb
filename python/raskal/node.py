"""A node: the process that `raskal worker` runs on each host.

Start at `main`. It reads the command line and hands over to ``crates/raskal-runtime/src/node``, which never touches
Python: tasks run in executor processes (`raskal.executor`) that the node starts and watches.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from raskal import _nursery
from raskal._contact import VARIABLE
from raskal.system import workers_and_threads

__all__ = ["main"]

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def _bytes(text: str) -> int:
    """A size such as ``4GB`` or ``512 MiB`` in bytes."""
    stripped = text.strip().lower()
    digits = stripped.rstrip("bkmgi ")
    unit = stripped[len(digits) :].strip()
    try:
        return int(float(digits) * _UNITS[unit])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size: write for example 4GB or 512MiB") from None


def _memory_limit(typed: str, threads: int) -> int:
    """What was typed as a number of bytes."""
    from raskal._raskal import machine_bytes

    text = typed.strip().lower()
    if text == "auto":
        return int(machine_bytes() * min(1.0, threads / _cores()))
    try:
        number = float(text)
    except ValueError:
        return _bytes(text)
    return int(number * machine_bytes()) if 0 < number <= 1 else int(number)


def _resources(text: str) -> list[tuple[str, float]]:
    """Amounts such as ``GPU=2 MEM=1e9`` by name; commas will do for blanks."""
    found = {}
    for word in text.replace(",", " ").split():
        name, equals, amount = word.partition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            equals = ""
        if not name or not equals or not found[name] >= 0:
            raise argparse.ArgumentTypeError(f"{word!r} is not an amount of a resource: write for example GPU=2")
    return sorted(found.items())


def _ports(text: str) -> tuple[int, int]:
    """A port, or the first and the last of a range."""
    first, _, last = text.partition(":")
    try:
        found = int(first), int(last or first)
    except ValueError:
        found = -1, -1
    if not 0 <= found[0] <= found[1] < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: write for example 9000, or 9000:9100")
    return found


def _place(text: str) -> tuple[str, tuple[int, int]]:
    """Host and port of an address to listen at."""
    host, colon, port = text.rpartition("://")[2].rpartition(":")
    if not host or not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address: write for example tls://0.0.0.0:9000")
    return host.strip("[]"), _ports(port)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="raskal worker", description="Run tasks for a scheduler.")
    parser.add_argument("address", nargs="?", help="the scheduler's address, such as tls://127.0.0.1:8786")
    parser.add_argument("--scheduler-file", help="the file that the scheduler wrote: address, certificate and token")
    parser.add_argument("--name", help="a name for people; by default made from host and process")
    parser.add_argument("--host", help="the host under which peers and clients reach this worker")
    parser.add_argument("--worker-port", type=_ports, default=(0, 0), help="port, or a range such as 9000:9100")
    parser.add_argument("--listen-address", type=_place, help="address to listen at, such as tls://0.0.0.0:9000")
    parser.add_argument("--contact-address", help="address that others are told, such as tls://gate.example.org:9000")
    parser.add_argument("--nworkers", default="1", help="executor processes: a number, auto, or -1 for all cores")
    parser.add_argument("--nthreads", type=int, help="threads of each (default: the cores, shared among them)")
    parser.add_argument("--native-threads", type=int, help="native tasks at a time (default: as many as Python tasks)")
    parser.add_argument(
        "--memory-limit",
        default="auto",
        help="memory for values and processes: a size such as 4GB, a part of the machine's such as 0.5, 0 for none, "
        "or auto (the default), the machine's memory in proportion to its threads",
    )
    parser.add_argument(
        "--resources", type=_resources, default=[], help='what tasks may ask for, such as "GPU=2 MEM=1e9"'
    )
    parser.add_argument(
        "--lifetime", type=float, help="seconds after which the worker leaves in order (default: never)"
    )
    parser.add_argument("--lifetime-stagger", type=float, default=0.0, help="seconds more or less, by chance")
    parser.add_argument("--lifetime-restart", action="store_true", help="start anew after --lifetime")
    parser.add_argument("--death-timeout", type=float, default=30.0, help="seconds to try to reach the scheduler")
    parser.add_argument("--interface", help="the network interface to listen at, in place of --host, such as eth0")
    parser.add_argument("--local-directory", help="folder for temporary files; made if it is missing")
    parser.add_argument("--preload", action="append", default=[], help="module or file that executors import first")
    parser.add_argument("--pid-file", help="file to write the process's number to")
    parser.add_argument("--tls-cert", help="a certificate of one's own (PEM)")
    parser.add_argument("--tls-key", help="its key (PEM)")
    parser.add_argument("--tls-ca-file", help="the authority that signs the cluster's certificates (PEM)")
    parser.add_argument("--insecure", action="store_true", help="no encryption, no token: tcp:// addresses only")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when the standard input ends")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a node until its scheduler is gone.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; by default the process's own.

    Returns
    -------
    int
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    behind = words.index("--") if "--" in words else len(words)
    options = _parser().parse_args(words[:behind])
    options.preload_argv = words[behind + 1 :]
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # executors inherit it: their tasks are what runs in parallel
    workers, threads = _workers_and_threads(options.nworkers, options.nthreads)
    try:
        memory_limit = _memory_limit(options.memory_limit, workers * threads)
    except argparse.ArgumentTypeError as error:
        print(f"raskal worker: --memory-limit: {error}", file=sys.stderr)
        return 2
    file = options.scheduler_file
    if file is None and options.address is None:
        file = os.environ.get("RASKAL_SCHEDULER_FILE") or None
    if options.pid_file is not None:
        Path(options.pid_file).write_text(str(os.getpid()))
    if options.listen_address is not None:
        options.host, options.worker_port = options.listen_address
    lifetime = options.lifetime
    if lifetime is not None:
        lifetime = max(0.0, lifetime + random.uniform(-1, 1) * options.lifetime_stagger)
    started = time.monotonic()
    own = _own_folder(options.local_directory)
    try:
        _prepare_executors(options, file, own)
        os.environ["RASKAL_EXECUTOR_THREADS"] = str(threads)
        nursery = _nursery.fork().detach() if _nursery.available() else None
        from raskal._raskal import run_node

        run_node(
            executor_command=[sys.executable, "-m", "raskal.executor"],
            address=options.address,
            scheduler_file=file,
            name=options.name,
            host=options.host if options.interface is None else _host_of(options.interface),
            executors=workers,
            threads=threads,
            native_threads=options.native_threads,
            memory_limit=memory_limit,
            resources=options.resources,
            ports=options.worker_port,
            contact=options.contact_address,
            nursery=nursery,
            lifetime=lifetime,
            connect_timeout=options.death_timeout,
            end_with_stdin=options.end_with_stdin,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
            tls_ca_file=options.tls_ca_file,
            insecure=options.insecure,
        )
    except KeyboardInterrupt:
        # The node has ended in order by now; Python only hears of the interrupt afterwards.
        return 0
    except Exception as error:
        print(f"raskal worker: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(own, ignore_errors=True)
    if options.lifetime_restart and lifetime is not None and time.monotonic() - started >= lifetime:
        os.execv(sys.executable, [sys.executable, "-m", "raskal.node", *words])
    return 0


def _workers_and_threads(workers: str, threads: int | None) -> tuple[int, int]:
    """Numbers of executor processes and of the threads of each, from what was typed."""
    if workers == "auto":
        count, each = workers_and_threads(_cores())
        return count, threads or each
    try:
        count = int(workers)
    except ValueError:
        count = 0
    if count < 0:
        count = _cores() + 1 + count
    if count < 1:
        raise SystemExit(f"raskal worker: --nworkers must be a number, auto, or -1 and below, got {workers!r}")
    return count, threads or max(1, _cores() // count)


def _own_folder(directory: str | None) -> str:
    """A folder for files of this worker, which ends with it."""
    if directory is not None:
        folder = Path(directory).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    return tempfile.mkdtemp(prefix="raskal-worker-")


def _prepare_executors(options: argparse.Namespace, file: str | None, own: str) -> None:
    """Leave what executors need to know in the environment, which they inherit: the scheduler's contact, and more."""
    contact = {
        "address": options.address,
        "scheduler_file": None if file is None else os.path.abspath(file),
        "tls_cert": options.tls_cert,
        "tls_key": options.tls_key,
        "tls_ca_file": options.tls_ca_file,
        "insecure": options.insecure,
        "name": options.name,
        "pid": os.getpid(),
        "local_directory": own,
        "preload": options.preload,
        "preload_argv": options.preload_argv,
    }
    os.environ[VARIABLE] = json.dumps({name: value for name, value in contact.items() if value})


def _host_of(interface: str) -> str:
    """The number of a network interface."""
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            found = fcntl.ioctl(probe.fileno(), 0x8915, struct.pack("256s", interface.encode()[:15]))  # SIOCGIFADDR
        except OSError as error:
            names = ", ".join(name for _, name in socket.if_nameindex())
            raise ValueError(
                f"no network interface {interface!r} with an address: {error}\nhint: there are {names}"
            ) from None
        return socket.inet_ntoa(found[20:24])


if __name__ == "__main__":
    sys.exit(main())
