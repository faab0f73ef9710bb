"""What dataframes, series and indexes share: the protocol of collections, partitions, and the two kinds of plans.

Start at `FrameCollection`. A collection is a plan and an empty pandas object of the same columns (`_meta`) that decides
labels and dtypes. The plan is the engine's (`_raskal.Frame`), or made of tasks that run pandas (`TaskPlan`): operations
take the first where they have a native form, and the second by `_blockwise` and its relatives elsewhere.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from raskal._raskal import Frame, Persisted, ProgramBuilder, frame_from_persisted, frame_from_tasks
from raskal.base import Collection
from raskal.dataframe._concat import concat
from raskal.dataframe._convert import schema_of, to_pandas
from raskal.dataframe._emulate import NO_DEFAULT
from raskal.dataframe._interchange import Interchange
from raskal.dataframe._tasks import Calls, Kept, TaskPlan, as_pandas

if TYPE_CHECKING:
    from raskal.dataframe.scalar import Scalar


def new_collection(plan: Frame | TaskPlan, meta: Any) -> Any:
    """The collection of a plan whose partitions look like `meta`."""
    from raskal.dataframe.frame import DataFrame
    from raskal.dataframe.scalar import Scalar
    from raskal.dataframe.series import Index, Series

    if isinstance(meta, pd.DataFrame):
        return DataFrame(plan, meta)
    if isinstance(meta, pd.Series):
        return Series(plan, meta)
    return Index(plan, meta) if isinstance(meta, pd.Index) else Scalar(plan, meta)


class FrameCollection(Interchange, Collection):
    """A lazy pandas object."""

    _plan: Frame | TaskPlan
    _meta: Any
    dtype: Any

    def __init__(self, plan: Frame | TaskPlan, meta: Any) -> None:
        object.__setattr__(self, "_plan", plan)
        object.__setattr__(self, "_meta", meta)

    # ---- the two kinds of plans

    @property
    def _frame(self) -> Frame | None:
        """The engine's plan, if it is one."""
        return self._plan if isinstance(self._plan, Frame) else None

    @property
    def _meta_ndim(self) -> int:
        return int(getattr(self._meta, "ndim", 0))

    @property
    def _meta_index(self) -> pd.Index:
        return self._meta if isinstance(self._meta, pd.Index) else self._meta.index

    def _convert(self) -> Callable[..., Any] | None:
        """What turns a table of the engine's plan into a pandas object, if it is not `to_pandas`."""
        return None

    def _task_plan(self) -> TaskPlan:
        """The plan as tasks that give pandas objects."""
        plan = self._plan
        if isinstance(plan, TaskPlan):
            return plan
        divisions = self.divisions if self.known_divisions else None
        return TaskPlan(as_pandas(plan, self._meta, self._convert()), divisions, plan.root)

    def _as_tasks(self) -> Any:
        """The same collection, its plan one of tasks."""
        return self if isinstance(self._plan, TaskPlan) else type(self)(self._task_plan(), self._meta)

    # ---- the protocol of collections

    def __raskal_lower__(self, builder: ProgramBuilder) -> list[int]:
        return self._plan.lower(builder)

    def __raskal_finalize__(self, results: list[Any]) -> Any:
        if isinstance(self._plan, TaskPlan):
            return concat(results, self._meta)
        return to_pandas(results, self._meta, len(self._plan.index_names))

    def __raskal_rebuild__(self, prefix: str, handle: Any) -> Any:
        plan = self._plan
        if isinstance(plan, TaskPlan):
            return type(self)(TaskPlan(Kept(prefix, handle), plan.divisions, plan.root), self._meta)
        return type(self)(kept_frame(plan, prefix, handle), self._meta)

    def __raskal_tokenize__(self) -> Any:
        if isinstance(self._plan, TaskPlan):
            return (type(self).__name__, self._plan.token)
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
        if isinstance(known, tuple):
            return known
        if pa.types.is_timestamp(known.type):
            return tuple(known.to_pandas())
        return tuple(known.to_pylist())

    @property
    def known_divisions(self) -> bool:
        """Whether the divisions are known."""
        return self._plan.divisions is not None

    def clear_divisions(self) -> Any:
        """The same collection, its divisions forgotten."""
        plan = self._task_plan()
        return type(self)(TaskPlan(plan.node, None, plan.root), self._meta)

    @property
    def partitions(self) -> Partitions:
        """Partitions by number: ``df.partitions[0]``, ``df.partitions[2:5]``."""
        return Partitions(self)

    def _choose(self, numbers: list[int]) -> Any:
        plan = self._plan
        chosen = plan.choose(numbers) if isinstance(plan, TaskPlan) else plan.select_partitions(numbers)
        return type(self)(chosen, self._meta)

    def get_partition(self, n: int) -> Any:
        """The partition of this number, alone.

        Raises
        ------
        ValueError
            If there is none.
        """
        if not 0 <= n < self.npartitions:
            raise ValueError(f"n must be 0 to {self.npartitions - 1}, the number of a partition, got {n}")
        return self._choose([n])

    def map_partitions(self, func: Callable[..., Any], *args: Any, meta: Any = NO_DEFAULT, **kwargs: Any) -> Any:
        """Call a pandas function on every partition. See `raskal.dataframe.map_partitions`."""
        from raskal.dataframe.partitions import map_partitions

        return map_partitions(func, self, *args, meta=meta, **kwargs)

    def map_overlap(self, func: Callable[..., Any], before: Any, after: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function on every partition with rows of its neighbours. See `raskal.dataframe.map_overlap`."""
        from raskal.dataframe.overlap import map_overlap

        return map_overlap(func, self, before, after, *args, **kwargs)

    def reduction(self, chunk: Callable[..., Any], aggregate: Any = None, combine: Any = None, **kwargs: Any) -> Any:
        """Reduce partitions by functions of one's own. See `raskal.dataframe.reductions.reduction`."""
        from raskal.dataframe.tree import reduction

        return reduction(self, chunk, aggregate, combine, **kwargs)

    def pipe(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """``func(self, *args, **kwargs)``; `func` may be a pair of a function and the keyword for the collection.

        Raises
        ------
        ValueError
            If that keyword is given, too.
        """
        if isinstance(func, tuple):
            func, keyword = func
            if keyword in kwargs:
                raise ValueError(f"{keyword} is both the pipe target and a keyword argument")
            return func(*args, **{keyword: self, **kwargs})
        return func(self, *args, **kwargs)

    def optimize(self, fuse: bool = True) -> Any:
        """The same collection: plans are always optimised."""
        return self

    def simplify(self) -> Any:
        """The same collection: plans are always optimised."""
        return self

    lower_once = simplify

    def pprint(self) -> None:
        """Print the plan. See `explain`."""
        print(self.explain())

    @property
    def dask(self) -> Any:
        """The graph of tasks, as a mapping."""
        return self.__dask_graph__()

    def copy(self, deep: bool = False) -> Any:
        """The same collection; setting columns of one does not change the other."""
        if deep is not False:
            raise ValueError(
                "The `deep` value must be False. This is strictly a shallow copy of the underlying computational graph."
            )
        return type(self)(self._plan, self._meta)

    # ---- looking

    def explain(self, analyze: bool = False, **kwargs: Any) -> str:
        """The plan as written, as optimised, and the steps that run, each marked native or pandas.

        Parameters
        ----------
        analyze : bool
            Whether to run the plan, here, and show its steps with their rows, times and spilled bytes instead.

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
        return self._plan.explain(analyze)

    def analyze(self, filename: str | None = None, format: str | None = None) -> str:
        """Run the plan and say what each step of it did. See `explain`.

        Parameters
        ----------
        filename : str, optional
            Where to write the text, too.
        format : str, optional
            Accepted for Dask's sake.
        """
        text = self.explain(analyze=True)
        if filename is not None:
            with open(filename, "w", encoding="utf-8") as file:
                file.write(text)
        return text

    def head(self, n: int = 5, npartitions: int = 1, compute: bool = True) -> Any:
        """The first rows.

        Parameters
        ----------
        n : int
            How many; if negative, all but so many of the last.
        npartitions : int
            Of how many partitions, from the first; -1 for all.
        compute : bool
            Whether to compute them at once.

        Returns
        -------
        DataFrame or Series
            A pandas object if `compute`.

        Raises
        ------
        ValueError
            If there are not so many partitions.
        """
        count = self.npartitions if npartitions == -1 else npartitions
        if not 0 < count <= self.npartitions:
            raise ValueError(f"only {self.npartitions} partitions, head got npartitions={npartitions}")
        frame = self._frame
        if (
            frame is not None
            and n >= 0
            and self._convert() is None
            and isinstance(self._meta, (pd.DataFrame, pd.Series))
        ):
            firsts = [type(self)(frame.select_partitions([part]).head(n), self._meta) for part in range(count)]
        else:
            part = self._choose(list(range(count)))
            firsts = [part.map_partitions(_Ends("head", n), meta=self._meta) if n >= 0 or count == 1 else part]
        nodes = [one._task_plan().node for one in firsts]
        if len(nodes) == 1 and nodes[0].npartitions == 1:
            first = firsts[0]
        else:
            every = [[list(range(node.npartitions))] for node in nodes]
            node = Calls(1, nodes, every, _first_rows, (n,), gather=True, name="head")
            first = type(self)(TaskPlan(node), self._meta)
        if not compute:
            return first
        found = first.compute()
        if len(found) < n and count < self.npartitions:
            warnings.warn(
                f"Insufficient elements for `head`. {n} elements requested, only {len(found)} elements available. "
                "Try passing larger `npartitions` to `head`.",
                stacklevel=2,
            )
        return found

    def tail(self, n: int = 5, compute: bool = True) -> Any:
        """The last rows of the last partition.

        Returns
        -------
        DataFrame or Series
            A pandas object if `compute`.
        """
        last = self._choose([self.npartitions - 1]).map_partitions(_Ends("tail", n), meta=self._meta)
        return last.compute() if compute else last

    def _count(self) -> Scalar:
        from raskal.dataframe.scalar import Scalar
        from raskal.dataframe.tree import tree

        frame = self._frame
        if frame is not None:
            return Scalar(frame.reduce([("", "size", "size")]), 0)
        counted: Scalar = tree(self, len, _total, meta=0, name="len")
        return counted

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
    def values(self) -> Any:
        """The values as an array. See `to_dask_array`."""
        return self.to_dask_array()

    def to_dask_array(self, lengths: Any = None, meta: Any = None, **kwargs: Any) -> Any:
        """The values as an array, a chunk per partition. See `raskal.dataframe.arrays.to_array`."""
        from raskal.dataframe.arrays import to_array

        return to_array(self, lengths)

    @property
    def index(self) -> Any:
        """The index."""
        from raskal.dataframe._blockwise import blockwise
        from raskal.dataframe.series import Index

        frame = self._frame
        if frame is not None and len(frame.index_names) == 1:
            return Index(frame.index_column(), self._meta.index)
        return blockwise(_index_of, self, meta=self._meta.index, name="index")

    @index.setter
    def index(self, labels: Any) -> None:
        from raskal.dataframe._blockwise import blockwise

        # Labels go to rows by their place, as in pandas, not by those that the rows had.
        divisions = labels.divisions if isinstance(labels, FrameCollection) and labels.known_divisions else None
        changed = blockwise(_with_index, self, labels, divisions=divisions, same_labels=False, align=False)
        FrameCollection.__init__(self, changed._plan, changed._meta)

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
        steps = "native" if self._frame is not None else "pandas"
        return f"raskal {kind} Structure ({steps}):\n{self._structure().to_string(max_rows=6)}"

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

    def to_hdf(self, path_or_buf: Any, key: str, mode: str = "a", append: bool = False, **kwargs: Any) -> Any:
        """Write to HDF5. See `raskal.dataframe.to_hdf`."""
        from raskal.dataframe.hdf import to_hdf

        return to_hdf(self, path_or_buf, key, mode, append, **kwargs)

    def to_string(self, max_rows: int = 5) -> str:
        """The structure as text."""
        return self._structure().to_string(max_rows=max_rows)

    def to_bag(self, index: bool = False, format: str = "tuple") -> Any:
        """The rows as a bag. See `raskal.dataframe.to_bag`."""
        from raskal.dataframe.arrays import to_bag

        return to_bag(self, index, format)


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
            keys = [int(one) for one in key] if isinstance(key, (list, tuple, np.ndarray)) else [key]
            for one in keys:
                if not -count <= one < count:
                    raise IndexError(f"partition {one} of a collection with {count} partitions")
            chosen = [one % count for one in keys]
        collection = self._collection
        return collection._choose(chosen)

    def __iter__(self) -> Iterator[Any]:
        return (self[number] for number in range(len(self)))


def kept_frame(plan: Frame, prefix: str, handle: Any) -> Frame:
    """A plan over kept values: those of this process are read at once, those of a cluster stay there."""
    if isinstance(handle, Persisted):
        return frame_from_persisted(handle, plan.schema, plan.index_names, prefix, plan.divisions)
    owner = TaskPlan(Kept(prefix, handle))
    return frame_from_tasks(owner, len(handle), plan.schema, plan.index_names, prefix, plan.divisions)


class _Ends:
    """The first or last rows of a partition."""

    def __init__(self, name: str, n: int) -> None:
        self.n = n
        self.__name__ = name

    def __call__(self, part: Any) -> Any:
        if isinstance(part, pd.Index):
            return part[: self.n] if self.__name__ == "head" else part[-self.n :]
        return getattr(part, self.__name__)(self.n)

    def __raskal_tokenize__(self) -> Any:
        return ("_Ends", self.__name__, self.n)


def _first_rows(parts: list[Any], n: int) -> Any:
    whole = concat(parts)
    return whole[:n] if isinstance(whole, pd.Index) else whole.head(n)


def _total(counts: list[int]) -> int:
    return int(sum(counts))


def _index_of(part: Any) -> pd.Index:
    return part.index


def _with_index(part: Any, labels: Any) -> Any:
    return part.set_axis(pd.Index(labels), axis=0)
