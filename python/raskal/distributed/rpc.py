"""Asking the scheduler or a worker by its address: `rpc`, and `connect`.

Start at `rpc`. Processes of a cluster speak a protocol of their own, in which user code has no say; what Dask's users
ask by hand is answered here through a `Client`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from raskal.distributed._sync import in_thread

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["Comm", "connect", "rpc"]


def _identity(client: Client, worker: Any, **_: Any) -> Any:
    return client.scheduler_info() if worker is None else worker


def _logs(client: Client, worker: Any, n: int | None = None, **_: Any) -> Any:
    if worker is None:
        return client.get_scheduler_logs(n, asynchronous=False)
    return client.get_worker_logs(n, [worker["address"]], asynchronous=False)[worker["address"]]


def _versions(client: Client, worker: Any, **_: Any) -> Any:
    versions = client.get_versions(asynchronous=False)
    return versions["scheduler"] if worker is None else versions["workers"][worker["address"]]


def _held(client: Client, worker: Any, **_: Any) -> Any:
    held = client.has_what(None if worker is None else [worker["address"]], asynchronous=False)
    return held if worker is None else list(held[worker["address"]])


# By name: what answers, given the client and what is known of the worker (None for the scheduler).
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "identity": _identity,
    "get_logs": _logs,
    "logs": _logs,
    "versions": _versions,
    "keys": _held,
    "has_what": _held,
    "who_has": lambda client, worker, **_: client.who_has(asynchronous=False),
    "nbytes": lambda client, worker, **_: client.nbytes(summary=False, asynchronous=False),
    "ncores": lambda client, worker, **_: client.nthreads() if worker is None else worker["nthreads"],
    "nthreads": lambda client, worker, **_: client.nthreads() if worker is None else worker["nthreads"],
    "ping": lambda client, worker, **_: "pong",
}


class rpc:
    """Ask the scheduler, or a worker of the current client's cluster, by its address.

    Parameters
    ----------
    arg : str
        The address.
    timeout : float or str, optional
        How long to wait for the scheduler.
    comm, deserialize, connection_args, serializers, deserializers
        For Dask's sake.

    Notes
    -----
    Differs from Dask: scheduler and workers run no Python, so that what can be asked is fixed: ``identity``,
    ``versions``, ``nthreads``, ``who_has``, ``has_what``, ``keys``, ``nbytes``, ``get_logs`` and ``ping``. `Client` has
    methods for everything else.

    Examples
    --------
    >>> import asyncio
    >>> from raskal.distributed import Client, rpc
    >>> async def kind(address):
    ...     async with rpc(address) as remote:
    ...         return (await remote.identity())["type"]
    >>> with Client(n_workers=1, threads_per_worker=1) as client:
    ...     asyncio.run(kind(client.scheduler.address))
    'Scheduler'
    """

    def __init__(
        self,
        arg: str | None = None,
        comm: Any = None,
        deserialize: bool = True,
        timeout: Any = None,
        connection_args: Any = None,
        serializers: Any = None,
        deserializers: Any = None,
    ) -> None:
        if not isinstance(arg, str):
            raise TypeError(f"rpc takes the address of a scheduler or worker, got {arg!r}")
        self.address = arg
        self.status = "running"
        self._timeout = timeout
        self._own: Client | None = None

    def _client(self) -> tuple[Client, dict[str, Any] | None]:
        """A client of the cluster, and what is known of the worker at the address, if it is one's."""
        from raskal.distributed.client import Client, _clients

        for reference in _clients:
            client = reference()
            if client is not None and client.status == "running":
                if client._client.address == self.address:
                    return client, None
                for worker in client._client.workers():
                    if worker["address"] == self.address:
                        return client, worker
        if self._own is None:
            self._own = Client(self.address, set_as_default=False, timeout=self._timeout)
        return self._own, None

    def ask(self, operation: str, **arguments: Any) -> Any:
        """Ask, and wait for the answer.

        Parameters
        ----------
        operation : str
            What.
        **arguments
            Of the operation.

        Raises
        ------
        ValueError
            If there is no such operation, or this was closed.
        """
        if self.status == "closed":
            raise ValueError(f"{self!r} is closed")
        if operation not in _OPERATIONS:
            raise ValueError(
                f"{self.address} can't be asked for {operation!r}\n"
                f"hint: there are {', '.join(_OPERATIONS)}; Client has methods for what else can be done"
            )
        client, worker = self._client()
        return _OPERATIONS[operation](client, worker, **arguments)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        async def ask(**arguments: Any) -> Any:
            return await in_thread(self.ask, name, **arguments)

        return ask

    def close_rpc(self) -> None:
        """End it; a client that was made for it is closed."""
        self.status = "closed"
        if self._own is not None:
            self._own._close()
            self._own = None

    async def close(self) -> None:
        """The same, to be awaited."""
        await in_thread(self.close_rpc)

    def __enter__(self) -> rpc:
        return self

    def __exit__(self, *error: object) -> None:
        self.close_rpc()

    async def __aenter__(self) -> rpc:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<rpc to {self.address!r}, {self.status}>"


class Comm:
    """A conversation in messages ``{"op": name, ...}``, each of which is answered; made by `connect`.

    Parameters
    ----------
    remote : rpc
        Who answers.
    """

    def __init__(self, remote: rpc) -> None:
        self._remote = remote
        self._answers: list[Any] = []

    @property
    def peer_address(self) -> str:
        """The address at the other end."""
        return self._remote.address

    async def write(self, message: dict[str, Any], **kwargs: Any) -> None:
        """Ask for an operation of `rpc`."""
        arguments = {name: value for name, value in message.items() if name not in ("op", "reply", "serializers")}
        self._answers.append(await in_thread(self._remote.ask, message["op"], **arguments))

    async def read(self, **kwargs: Any) -> Any:
        """The answer to the first message that was not read yet.

        Raises
        ------
        ValueError
            If nothing was asked.
        """
        if not self._answers:
            raise ValueError("nothing was asked that was not answered yet\nhint: write a message first")
        return self._answers.pop(0)

    async def close(self) -> None:
        """End the conversation."""
        await self._remote.close()

    def abort(self) -> None:
        """End it at once."""
        self._remote.close_rpc()

    def closed(self) -> bool:
        """Whether it has ended."""
        return self._remote.status == "closed"


async def connect(
    addr: str, timeout: Any = None, deserialize: bool = True, handshake_overrides: Any = None, **connection_args: Any
) -> Comm:
    """Begin a conversation with a scheduler or worker; see `rpc`.

    Parameters
    ----------
    addr : str
        The address.
    timeout : float or str, optional
        How long to wait for it.
    deserialize, handshake_overrides, **connection_args
        For Dask's sake.

    Returns
    -------
    Comm

    Raises
    ------
    OSError
        If nobody answers there.
    """
    remote = rpc(addr, timeout=timeout)
    await in_thread(remote.ask, "ping")
    return Comm(remote)
