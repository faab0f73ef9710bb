"""Normal forms of PyArrow's tables, arrays, types and scalars, through the Arrow IPC format.

Imported by `raskal.tokenize` when a PyArrow object is first seen. Tables of equal rows in different batches count as
different: making them alike would cost a copy.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from raskal._raskal import ContentHash
from raskal._tokenize_code import qualified_name
from raskal.tokenize import digest, normalize_token


class _HashSink:
    """A file that keeps only the hash of what is written to it."""

    closed = False

    def __init__(self) -> None:
        self._hasher = ContentHash()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hasher.update(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def hexdigest(self) -> str:
        return self._hasher.hexdigest()


def _hash(schema: pa.Schema, batches: list[pa.RecordBatch]) -> str:
    sink = _HashSink()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.hexdigest()


@normalize_token.register(pa.Table)
def _(table: pa.Table) -> object:
    return "Table", _hash(table.schema, table.to_batches())


@normalize_token.register(pa.RecordBatch)
def _(batch: pa.RecordBatch) -> object:
    return "RecordBatch", _hash(batch.schema, [batch])


@normalize_token.register(pa.Array)
def _(array: pa.Array) -> object:
    batch = pa.RecordBatch.from_arrays([array], names=[""])
    return qualified_name(type(array)), _hash(batch.schema, [batch])


@normalize_token.register(pa.ChunkedArray)
def _(array: pa.ChunkedArray) -> object:
    table = pa.Table.from_arrays([array], names=[""])
    return "ChunkedArray", _hash(table.schema, table.to_batches())


@normalize_token.register(pa.Scalar)
def _(scalar: pa.Scalar[Any]) -> object:
    return qualified_name(type(scalar)), pa.array([scalar.as_py()], type=scalar.type)


@normalize_token.register(pa.Schema)
def _(schema: pa.Schema) -> object:
    return "Schema", digest([schema.serialize()])


@normalize_token.register(pa.Field)
def _(field: pa.Field[Any]) -> object:
    return "Field", pa.schema([field])


@normalize_token.register(pa.DataType)
def _(dtype: pa.DataType) -> object:
    return "DataType", pa.schema([("", dtype)])


@normalize_token.register(pa.Buffer)
def _(buffer: pa.Buffer) -> object:
    return "Buffer", digest([buffer])


@normalize_token.register(pc.Expression)
def _(expression: pc.Expression) -> object:
    return "Expression", str(expression)
