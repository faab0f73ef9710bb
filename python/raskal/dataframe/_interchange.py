"""Collections handed to other libraries: Arrow streams, the interchange protocol, ``await``; and arrow tables taken in.

Start at `Interchange`, which every collection has, and `from_arrow`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa

from raskal._raskal import frame_from_table
from raskal.dataframe._convert import index_name, schema_of
from raskal.dataframe._emulate import NO_DEFAULT
from raskal.tokenize import tokenize


class Interchange:
    """Protocols by which other libraries take a collection."""

    _meta: Any

    def __await__(self) -> Any:
        this: Any = self
        return asyncio.to_thread(this.compute).__await__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The rows as an Arrow stream, computed partition by partition as it is read.

        As of pandas, the index comes along unless it numbers the rows.
        """
        return self._batches().__arrow_c_stream__(requested_schema)

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Any:
        """The computed rows in the interchange protocol of dataframes."""
        return self._batches().read_all().__dataframe__(nan_as_null=nan_as_null, allow_copy=allow_copy)

    def _batches(self) -> pa.RecordBatchReader:
        keep = not isinstance(self._meta_labels, pd.RangeIndex)
        schema = self._arrow_schema(keep)
        this: Any = self

        def computed() -> Iterator[pa.RecordBatch]:
            for number in range(this.npartitions):
                part = this.get_partition(number).compute()
                part = part.to_frame() if isinstance(part, (pd.Series, pd.Index)) else part
                table = pa.Table.from_pandas(part, schema=schema, preserve_index=keep)
                yield from table.to_batches()

        return pa.RecordBatchReader.from_batches(schema, computed())

    @property
    def _meta_labels(self) -> pd.Index:
        meta = self._meta
        return pd.RangeIndex(0) if isinstance(meta, pd.Index) else meta.index

    def _arrow_schema(self, keep_index: bool) -> pa.Schema:
        meta = self._meta.to_frame() if isinstance(self._meta, (pd.Series, pd.Index)) else self._meta
        known = schema_of(meta)
        types = dict(zip(known.names, known.types, strict=True))
        fields = [pa.field(str(label), types[str(label)]) for label in meta.columns]
        if keep_index:
            for level, label in enumerate(meta.index.names):
                name = f"__index_level_{level}__" if label is None else str(label)
                fields.append(pa.field(name, types[index_name(level)]))
        return pa.schema(fields)

    def to_backend(self, backend: str | None = None, **kwargs: Any) -> Any:
        """Itself: partitions are pandas objects.

        Raises
        ------
        ValueError
            If `backend` is another than ``"pandas"``.
        """
        if backend not in (None, "pandas"):
            raise ValueError(
                f"no dataframe backend {backend!r}: partitions are pandas objects\n"
                "hint: map_partitions(f) may give and take any pandas-like object"
            )
        return self

    def enforce_runtime_divisions(self) -> Any:
        """The same collection, which fails where a partition's labels don't lie within its divisions.

        Raises
        ------
        ValueError
            If the divisions are not known.
        """
        this: Any = self
        if not this.known_divisions:
            raise ValueError("No known divisions to enforce!")
        return this.map_partitions(_Within(this.divisions), meta=self._meta)


class _Within:
    """A partition whose labels lie within its divisions."""

    def __init__(self, divisions: tuple[Any, ...]) -> None:
        self.divisions = divisions
        self.__name__ = "enforce_divisions"

    def __call__(self, part: Any, partition_info: Any = None) -> Any:
        number = partition_info["number"]
        low, high = self.divisions[number], self.divisions[number + 1]
        labels = part if isinstance(part, pd.Index) else part.index
        if len(labels):
            last = number == len(self.divisions) - 2
            below = labels.max() <= high if last else labels.max() < high
            if not (labels.min() >= low and below):
                raise RuntimeError(
                    f"`enforce_runtime_divisions` failed for partition {number}: "
                    f"expected a range of [{low}, {high}{']' if last else ')'}, "
                    f"but the real range was [{labels.min()}, {labels.max()}]."
                )
        return part


def from_arrow(data: Any, npartitions: int = 1, meta: Any = NO_DEFAULT) -> Any:
    """A dataframe of anything that gives an Arrow stream: a table of pyarrow, polars, DuckDB...

    Parameters
    ----------
    data : object with ``__arrow_c_stream__`` or ``__arrow_c_array__``
        Its rows are kept in memory, shared where their layout allows.
    npartitions : int
    meta : DataFrame, optional
        An empty dataframe of the columns' dtypes; by default those that pandas gives to such Arrow types.

    Returns
    -------
    DataFrame
        Whose index numbers the rows.

    Raises
    ------
    TypeError
        If `data` gives no Arrow stream.

    Examples
    --------
    >>> import pyarrow as pa, raskal.dataframe as dd
    >>> dd.from_arrow(pa.table({"x": [1, 2, 3]}), npartitions=2).x.sum().compute()
    np.int64(6)
    """
    from raskal.dataframe.frame import DataFrame

    if not hasattr(data, "__arrow_c_stream__") and not hasattr(data, "__arrow_c_array__"):
        raise TypeError(f"from_arrow got a {type(data).__name__}, expected an object with __arrow_c_stream__")
    if npartitions < 1:
        raise ValueError(f"npartitions={npartitions} must be at least 1")
    table = pa.table(data)
    rows = table.num_rows
    labels = pa.array(range(rows), pa.int64())
    bounds = sorted({part * rows // npartitions for part in range(npartitions)} - {rows}) + [rows] if rows else [0, 0]
    divisions = labels.take(pa.array([*bounds[:-1], rows - 1])) if rows else None
    empty = table.schema.empty_table().to_pandas() if meta is NO_DEFAULT else meta.iloc[:0]
    whole = table.add_column(0, index_name(0), labels).replace_schema_metadata(None)
    plan = frame_from_table(whole, bounds, [None], tokenize(whole, bounds), divisions)
    return DataFrame(plan, empty)
