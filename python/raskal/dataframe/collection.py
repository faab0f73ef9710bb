"""What dataframes, series and indexes share: the protocol of collections, partitions, and pandas row for row.

Start at `FrameCollection`. A collection is a plan (`_plan`, of the extension) and an empty pandas object of the same
columns (`_meta`) that decides labels and dtypes.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from raskal._raskal import Frame, ProgramBuilder, frame_from_persisted
from raskal.base import Collection
from raskal.dataframe._convert import index_name, schema_of, to_pandas
from raskal.dataframe._emulate import NO_DEFAULT

if TYPE_CHECKING:
    from raskal.dataframe.scalar import Scalar


class FrameCollection(Collection):
    """A lazy pandas object."""

    _plan: Frame
    _meta: Any

    def __init__(self, plan: Frame, meta: Any) -> None:
        object.__setattr__(self, "_plan", plan)
        object.__setattr__(self, "_meta", meta)

    # ---- the protocol of collections

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        return self._plan.lower(builder)

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        return to_pandas(results, self._meta, len(self._plan.index_names))

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Any:
        plan = self._plan
        kept = frame_from_persisted(handle, plan.schema, plan.index_names, prefix, plan.divisions)
        return type(self)(kept, self._meta)

    def __raskal_tokenize__(self) -> Any:
        return (type(self).__name__, self._plan.token, list(map(str, schema_of(self._meta))))

    # ---- partitions

    @property
    def npartitions(self) -> int:
        """Number of partitions."""
        return self._plan.npartitions

    @property
    def divisions(self) -> tuple[Any, ...]:
        """Index labels between which the partitions lie; all None if unknown."""
        known = self._plan.divisions
        if known is None:
            return (None,) * (self.npartitions + 1)
        if pa.types.is_timestamp(known.type):
            return tuple(known.to_pandas())
        return tuple(known.to_pylist())

    @property
    def known_divisions(self) -> bool:
        """Whether the divisions are known."""
        return self._plan.divisions is not None

    @property
    def partitions(self) -> Partitions:
        """Partitions by number: ``df.partitions[0]``, ``df.partitions[2:5]``."""
        return Partitions(self)

    def get_partition(self, n: int) -> Any:
        """The partition of this number, alone.

        Raises
        ------
        ValueError
            If there is none.
        """
        return type(self)(self._plan.select_partitions([n]), self._meta)

    def map_partitions(self, func: Callable[..., Any], *args: Any, meta: Any = NO_DEFAULT, **kwargs: Any) -> Any:
        """Call a pandas function on every partition. See `raskal.dataframe.map_partitions`."""
        from raskal.dataframe.partitions import map_partitions

        return map_partitions(func, self, *args, meta=meta, **kwargs)

    def pipe(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """``func(self, *args, **kwargs)``."""
        return func(self, *args, **kwargs)

    # ---- looking

    def explain(self, **kwargs: Any) -> str:
        """The plan as written, as optimised, and the steps that run, each marked native or pandas.

        Returns
        -------
        str

        Examples
        --------
        >>> import pandas as pd, raskal.dataframe as dd
        >>> df = dd.from_pandas(pd.DataFrame({"x": [1, 2, 3]}), npartitions=2)
        >>> print(df.x.sum().explain().split("steps")[0])  # doctest: +ELLIPSIS
        written
        ...
        """
        return self._plan.explain()

    def head(self, n: int = 5, npartitions: int = 1, compute: bool = True) -> Any:
        """The first rows.

        Parameters
        ----------
        n : int
            How many.
        npartitions : int
            Of how many partitions, from the first; -1 for all.
        compute : bool
            Whether to compute them at once.

        Returns
        -------
        DataFrame or Series
            A pandas object if `compute`.
        """
        if n < 0:
            raise ValueError(f"head(n={n}): n must not be negative")
        count = self.npartitions if npartitions == -1 else npartitions
        if count > self.npartitions:
            raise ValueError(f"only {self.npartitions} partitions, head got npartitions={npartitions}")
        first = type(self)(self._plan.head(n, count), self._meta)
        return first.compute() if compute else first

    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """The last rows of the last partition.

        Returns
        -------
        DataFrame or Series
            A pandas object if `compute`.
        """
        last = self.get_partition(self.npartitions - 1).map_partitions(lambda part: part.tail(n), meta=self._meta)
        return last.compute() if compute else last

    def _count(self) -> Scalar:
        from raskal.dataframe.scalar import Scalar

        return Scalar(self._plan.reduce([("", "size", "size")]), 0)

    def __len__(self) -> int:
        return int(self._count().compute())

    @property
    def size(self) -> Any:
        """Number of rows, lazily; of a dataframe, times its columns."""
        columns = len(self._meta.columns) if isinstance(self._meta, pd.DataFrame) else 1
        count: Any = self._count()
        return count * columns

    @property
    def ndim(self) -> int:
        """2 of a dataframe, 1 of a series."""
        return self._meta.ndim

    @property
    def index(self) -> Any:
        """The index."""
        from raskal.dataframe.series import Index

        return Index(self._plan.index_column(), self._meta.index)

    def _structure(self) -> pd.DataFrame:
        """Dtypes and divisions, as Dask shows them."""
        divisions = [str(one) if one is not None else "" for one in self.divisions]
        meta = self._meta
        if isinstance(meta, pd.DataFrame):
            columns = {label: str(dtype) for label, dtype in zip(meta.columns, meta.dtypes, strict=True)}
        else:
            columns = {str(meta.name) if meta.name is not None else "": str(meta.dtype)}
        rows = [list(columns.values())] + [["..."] * len(columns)] * (len(divisions) - 1)
        index = pd.Index(divisions, name=f"npartitions={self.npartitions}")
        return pd.DataFrame(rows, columns=list(columns), index=index)

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"raskal {kind} Structure:\n{self._structure().to_string(max_rows=6)}\ncolumns: {self._plan.names}"

    def _repr_html_(self) -> str:
        kind = html.escape(type(self).__name__)
        return f"<div><strong>raskal {kind} Structure:</strong></div>{self._structure().to_html(max_rows=6)}"

    def __bool__(self) -> bool:
        raise ValueError(
            f"the truth value of a {type(self).__name__} is ambiguous\nhint: compute() it, or use .any() or .all()"
        )

    def __iter__(self) -> Iterator[Any]:
        return iter(self.compute())

    def to_delayed(self, optimize_graph: bool = True) -> list[Any]:
        """One delayed pandas object per partition.

        Returns
        -------
        list of Delayed
        """
        from raskal.delayed import delayed

        return [delayed(self.get_partition(number)) for number in range(self.npartitions)]

    def _level_names(self) -> list[str]:
        return [index_name(level) for level in range(len(self._plan.index_names))]


class Partitions:
    """Chooses partitions of a collection by number."""

    def __init__(self, collection: FrameCollection) -> None:
        self._collection = collection

    def __len__(self) -> int:
        return self._collection.npartitions

    def __getitem__(self, key: Any) -> Any:
        count = len(self)
        if isinstance(key, slice):
            chosen = list(range(count)[key])
        else:
            keys = list(key) if isinstance(key, (list, tuple)) else [key]
            for one in keys:
                if not -count <= one < count:
                    raise IndexError(f"partition {one} of a collection with {count} partitions")
            chosen = [one % count for one in keys]
        collection = self._collection
        return type(collection)(collection._plan.select_partitions(chosen), collection._meta)

    def __iter__(self) -> Iterator[Any]:
        return (self[number] for number in range(len(self)))
