"""Values that are left on the board: bytes, and the results on the cluster that they speak of.

Start at `pack` and `unpack`. Futures and kept collections inside a value, at any depth, go as references, which keep
their results alive for as long as the value is on the board.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from raskal._raskal import ProgramBuilder, Remote, RemotePersisted
from raskal.distributed.future import Future

if TYPE_CHECKING:
    from raskal.distributed.client import Client

__all__ = ["pack", "unpack"]


def pack(value: Any) -> tuple[bytes, list[Remote]]:
    """Turn a value into bytes and the results that it speaks of.

    Raises
    ------
    TypeError
        If the value can't be pickled.
    """
    import cloudpickle

    remotes: list[Remote] = []

    class Packer(cloudpickle.CloudPickler):
        def persistent_id(self, item: Any) -> Any:
            if isinstance(item, Future):
                remotes.append(item._remote)
                return "future", len(remotes) - 1, item.key
            if isinstance(item, RemotePersisted):
                first = len(remotes)
                remotes.extend(item.remotes())
                return "persisted", first, len(remotes)
            return None

        def reducer_override(self, item: Any) -> Any:
            if type(item).__module__ == "raskal.array.collection" and type(item).__name__ == "Array":
                return _reduce_array(item)
            return super().reducer_override(item)

    stream = io.BytesIO()
    try:
        Packer(stream, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception as error:
        raise TypeError(f"{value!r} can't be sent to the scheduler: {error}") from error
    return stream.getvalue(), remotes


def _reduce_array(array: Any) -> tuple[Any, ...]:
    """A kept array as its parts; its expression belongs to this process."""
    from raskal.array.host import dtype_spec

    builder = ProgramBuilder(True)
    tasks = array.__raskal_lower__(builder)
    remotes = builder.remotes()
    if len(remotes) != len(tasks):
        raise TypeError("the array is not kept on the cluster\nhint: persist it first")
    spec = dtype_spec(array.dtype, opaque=array._opaque)
    return _array, (RemotePersisted(remotes), array._expr.chunks, spec, array._unknown, array._kind)


def _array(handle: RemotePersisted, chunks: Any, spec: tuple[str, int], unknown: Any, kind: Any) -> Any:
    from raskal.array.collection import Array, ArrayExpr

    return Array._of(ArrayExpr.persisted(f"persisted-{uuid4().hex}", handle, chunks, *spec), unknown, kind)


def unpack(data: bytes, remotes: list[Remote], client: Client) -> Any:
    """Make the value again; its results belong to `client`."""

    class Unpacker(pickle.Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            kind, first, more = pid
            if kind == "future":
                return Future._of(remotes[first], client, more)
            return RemotePersisted(remotes[first:more])

    return Unpacker(io.BytesIO(data)).load()
