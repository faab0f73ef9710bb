"""Joins of rows by columns or indexes.

Start at `merge`. Joins of plans of the engine by columns or labels are its own (`_native`). Elsewhere pandas joins
pairs of partitions: a side of one partition goes to all of the other's; indexes with known divisions are cut alike;
else both sides are dealt out by the hash of their keys.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal import memory
from raskal.dataframe._blockwise import align_frames, blockwise
from raskal.dataframe._emulate import emptied, infer
from raskal.dataframe._operators import as_operand, plain
from raskal.dataframe._tasks import Calls, Slot, TaskPlan
from raskal.dataframe.collection import FrameCollection, new_collection
from raskal.dataframe.shuffle import HashOf, exchange

HOWS = ("left", "right", "outer", "inner", "leftsemi", "leftanti")
ROW = "__row__"


def merge(
    left: Any,
    right: Any,
    how: str = "inner",
    on: Any = None,
    left_on: Any = None,
    right_on: Any = None,
    left_index: bool = False,
    right_index: bool = False,
    suffixes: Any = ("_x", "_y"),
    indicator: bool = False,
    shuffle_method: Any = None,
    npartitions: int | None = None,
    broadcast: Any = None,
    sort: bool = False,
    copy: bool | None = None,
    validate: str | None = None,
) -> Any:
    """Join rows of two dataframes that agree in columns or in their indexes.

    Parameters
    ----------
    left, right : DataFrame, Series, or a pandas object
    how : {"inner", "left", "right", "outer", "leftsemi", "leftanti"}
        Which rows without partner are kept; of the last two, which rows of `left` at all.
    on, left_on, right_on : label, list of labels, or Series
        What must agree; by default the columns that both have.
    left_index, right_index : bool
        Whether to go by the index instead.
    suffixes : pair of str
        Behind the names of other columns that both have.
    indicator : bool or str
        Whether a column tells where rows come from.
    npartitions : int, optional
        How many partitions a join by hashes has; by default the more of the two.
    sort : bool
        Whether rows come in the order of the keys.
    validate : {"one_to_one", "one_to_many", "many_to_one", "many_to_many"}, optional
        Which side's keys must differ; whether they do is computed at once.
    shuffle_method, broadcast, copy
        Accepted for the sake of Dask and pandas; a side of one partition is always sent to all.

    Returns
    -------
    DataFrame
        Inner, left and right joins keep pandas' order of rows. Outer ones are in the order of their keys if the engine
        makes them, else each partition is. Partitions are those of the side whose order is kept.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If options contradict each other; if the keys' types can't be merged.
    pandas.errors.MergeError
        If `validate` says that keys differ, and they do not.

    Notes
    -----
    Labels of the result count the rows of each partition, unless indexes were joined.
    ``explain()`` tells whether the engine joins, or pandas. Source: crates/raskal-frame/src/join.rs, this file.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> left = dd.from_pandas(pd.DataFrame({"k": [1, 2, 3], "x": [1.0, 2.0, 3.0]}), npartitions=2)
    >>> dd.merge(left, pd.DataFrame({"k": [3, 1], "y": ["c", "a"]}), on="k").compute().y.tolist()
    ['a', 'c']
    """
    if how not in HOWS:
        raise ValueError(f"dask.dataframe.merge does not support how='{how}'. Options are: {', '.join(HOWS)}")
    if not any(isinstance(side, FrameCollection) for side in (left, right)):
        raise TypeError(f"merge needs a lazy dataframe, got a {type(left).__name__} and a {type(right).__name__}")
    left, right = as_operand(left), as_operand(right)
    for side in (left, right):
        if not isinstance(side, FrameCollection):
            raise TypeError(f"can only merge Series or DataFrame objects, a {type(side)} was passed")
    if isinstance(right._meta, pd.Series):
        right = right.to_frame()
    if isinstance(left._meta, pd.Series):
        left = left.to_frame()
    if on is None and left_on is None and right_on is None and not left_index and not right_index:
        on = [label for label in left.columns if label in right.columns]
        if not on:
            left_index = right_index = True
    if on is not None and not left_index and not right_index:
        left_on = right_on = on
    by = _Keys(left_on, left_index), _Keys(right_on, right_index)
    left, right = by[0].resolved(left), by[1].resolved(right)
    if validate is not None:
        _validate((left, right), by, validate)
    if sort and how not in ("leftsemi", "leftanti"):
        return _sorted(left, right, by, how, {"suffixes": suffixes, "indicator": indicator, "npartitions": npartitions})
    options = {
        "how": how,
        "left_on": by[0].labels,
        "right_on": by[1].labels,
        "left_index": left_index,
        "right_index": right_index,
        "suffixes": tuple(suffixes),
        "indicator": indicator,
    }
    if on is not None and by[0].labels == by[1].labels:
        options = {key: one for key, one in options.items() if key not in ("left_on", "right_on")} | {
            "on": by[0].labels
        }
    join = _Join(options, by[0].temporary + by[1].temporary)
    meta = emptied(infer(join, [left._meta, right._meta], {}, "merge"))
    empty = join(left._meta, right._meta)
    if len(empty.columns) == len(meta.columns):
        meta = empty if not any(pd.api.types.is_object_dtype(one) for one in empty.dtypes) else meta
    if npartitions is None:
        native = _native(left, right, by, how, indicator, meta)
        if native is not None:
            return native
    by_index = left_index and right_index
    if left.npartitions == 1 or right.npartitions == 1:
        found = _one_sided(left, right, join, how, meta, by_index)
        if found is not None:
            return found
    if by_index and left.known_divisions and right.known_divisions and how not in ("leftsemi", "leftanti"):
        first, second = align_frames([left, right])
        return blockwise(join, first, second, meta=meta, name="merge")
    return _by_hash(left, right, by, join, how, meta, npartitions)


def _native(left: Any, right: Any, by: tuple[_Keys, _Keys], how: str, indicator: Any, meta: Any) -> Any:
    """The join as a plan of the engine, or None if pandas must do it."""
    sides = (left, right)
    frames = tuple(side._frame for side in sides)
    if any(frame is None for frame in frames) or any(keys.temporary for keys in by):
        return None
    if not all(_plain_labels(side._meta.columns) for side in sides) or not isinstance(meta, pd.DataFrame):
        return None
    memory.apply()  # which side is collected depends on the limit
    labels = _labels_of(left, right, by, how)
    if labels is None:
        return None
    if labels == "left":
        meta = meta.set_axis(left._meta.index[:0])
    elif labels == "key":
        # pandas names the labels after the side whose order is kept, except among no rows.
        kept = right if how == "right" else left
        meta = meta.rename_axis(index=kept._meta.index.name)
    columns = [[] if keys.index else list(keys.labels) for keys in by]
    if any(key not in side.columns for keys, side in zip(columns, sides, strict=True) for key in keys):
        return None
    dtypes = [
        [side._meta.index.dtype] if keys.index else [side._meta[key].dtype for key in keys.labels]
        for keys, side in zip(by, sides, strict=True)
    ]
    if len(dtypes[0]) != len(dtypes[1]) or not dtypes[0]:
        return None
    if not all(_same_kind(one, other) for one, other in zip(*dtypes, strict=True)):
        return None
    pairs = zip(*columns, strict=True) if not (by[0].index or by[1].index) else ()
    shared = {one: place for place, (one, other) in enumerate(pairs) if one == other}
    origins = [("key", str(shared[label])) if label in shared else ("left", label) for label in left.columns]
    if how not in ("leftsemi", "leftanti"):
        origins += [("right", label) for label in right.columns if label not in shared]
        origins += [("indicator", "")] if indicator else []
    names = list(meta.columns)
    if len(names) != len(origins) or not _plain_labels(meta.columns):
        return None
    results = [(*origin, name) for origin, name in zip(origins, names, strict=True)]
    keys = [
        None if one.index else [frame.select([label]) for label in one.labels]
        for frame, one in zip(frames, by, strict=True)
    ]
    name = meta.index.name
    try:
        plan = frames[0].join(frames[1], *keys, how, results, labels, None if name is None else str(name))
    except NotImplementedError:
        return None  # keys whose types the engine does not compare
    return new_collection(plan, meta)


def _labels_of(left: Any, right: Any, by: tuple[_Keys, _Keys], how: str) -> str | None:
    """Which labels a join of the engine has: none, those of the left side, or the keys. None if pandas must join."""
    if not (by[0].index or by[1].index):
        return "none"
    if any(isinstance(side._meta.index, pd.MultiIndex) for side in (left, right)):
        return None
    if how in ("leftsemi", "leftanti"):
        return "left"
    if not by[0].index:
        return "left" if how in ("inner", "left") else None
    if not by[1].index:
        return None
    # Partitions that are cut alike can be joined in pairs, however large they are all together.
    paired = left.known_divisions and right.known_divisions
    return None if paired and not left._frame.joins_in_order(right._frame, how) else "key"


def _sorted(left: Any, right: Any, by: tuple[_Keys, _Keys], how: str, options: dict[str, Any]) -> Any:
    """The join, its rows in the order of the keys."""
    same = by[0].labels == by[1].labels
    keys = by[1].labels if how == "right" else by[0].labels
    if any(one.index or one.temporary for one in by) or (how == "outer" and not same):
        raise NotImplementedError(
            "merge(sort=True) works by columns of both sides\nhint: merge without it, then call sort_values()"
        )
    joined = merge(left, right, how, left_on=by[0].labels, right_on=by[1].labels, **options)
    for label in keys:
        joined._check_label(label)
    return joined.sort_values(keys, ignore_index=True)


CHECKS = {"1:1": (True, True), "1:m": (True, False), "m:1": (False, True), "m:m": (False, False)}
NAMES = {"one_to_one": "1:1", "one_to_many": "1:m", "many_to_one": "m:1", "many_to_many": "m:m"}


def _validate(sides: tuple[Any, Any], by: tuple[_Keys, _Keys], validate: str) -> None:
    """Raise unless the keys of those sides differ that `validate` says this of."""
    short = NAMES.get(validate, validate)
    if short not in CHECKS:
        raise ValueError(f"validate={validate!r} must be one of {', '.join(map(repr, [*NAMES, *CHECKS]))}")
    for side, keys, unique, name in zip(sides, by, CHECKS[short], ("left", "right"), strict=True):
        if not unique:
            continue
        rows = side.index.to_frame(index=False) if keys.index else side[keys.labels]
        if len(rows.drop_duplicates()) != len(rows):
            what = "the index" if keys.index else f"the columns {keys.labels}"
            raise pd.errors.MergeError(f"Merge keys are not unique in {name} dataset; not a {validate} merge: {what}")


def _plain_labels(labels: pd.Index) -> bool:
    return labels.is_unique and all(isinstance(label, str) for label in labels)


def _same_kind(one: Any, other: Any) -> bool:
    """Whether keys of these dtypes are equal for the engine where they are for pandas."""
    if isinstance(one, pd.StringDtype) and isinstance(other, pd.StringDtype):
        return True
    if plain(one) and plain(other):
        kinds = {one.kind, other.kind}
        return one == other or kinds <= {"i", "u"} or kinds == {"f"} or kinds == {"M"}
    return bool(one == other) and isinstance(one, pd.api.extensions.ExtensionDtype) and one._is_numeric  # type: ignore[attr-defined]


class _Keys:
    """What one side is joined by."""

    def __init__(self, on: Any, index: bool) -> None:
        self.index = index
        self.given = [] if on is None else list(on) if isinstance(on, (list, tuple, pd.Index)) else [on]
        self.temporary: list[str] = []
        self.labels: Any = None

    def resolved(self, side: Any) -> Any:
        """The side with lazy keys as columns of its own."""
        labels = []
        for place, key in enumerate(self.given):
            if isinstance(key, FrameCollection):
                name = f"__key_{place}__"
                side = blockwise(_with_column, side, name, key, name="assign")
                self.temporary.append(name)
                labels.append(name)
            else:
                if key not in side._meta.index.names:
                    side._check_label(key)
                labels.append(key)
        self.labels = None if self.index else labels
        return side

    def hash(self) -> Callable[..., np.ndarray]:
        """The new partition of rows by these keys."""
        return HashOf(None) if self.index else _HashOfKeys(self.labels)


class _HashOfKeys:
    """The hash of columns or index levels by name."""

    def __init__(self, labels: list[Any]) -> None:
        self.labels = labels

    def __call__(self, part: pd.DataFrame, npartitions: int) -> np.ndarray:
        from raskal.dataframe.shuffle import hash_rows

        columns = [
            part[label] if label in part.columns else part.index.get_level_values(label).to_series()
            for label in self.labels
        ]
        frame = pd.concat([one.reset_index(drop=True) for one in columns], axis=1)
        return hash_rows(frame, npartitions)


class _Join:
    """pandas' merge of two partitions."""

    def __init__(self, options: dict[str, Any], temporary: list[str]) -> None:
        self.options = options
        self.temporary = temporary
        self.__name__ = "merge"

    def __call__(self, left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
        options = self.options
        if options["how"] in ("leftsemi", "leftanti"):
            return self._half(left, right, options)
        joined = left.merge(right, **options)
        return (
            joined.drop(columns=[one for one in self.temporary if one in joined.columns]) if self.temporary else joined
        )

    def _half(self, left: pd.DataFrame, right: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
        numbered = left.assign(**{ROW: np.arange(len(left))})
        rest = {key: one for key, one in options.items() if key not in ("how", "indicator")}
        found = numbered.merge(right, how="inner", **rest)[ROW].unique()
        partner = np.isin(np.arange(len(left)), found)
        return left[partner if options["how"] == "leftsemi" else ~partner].drop(columns=self.temporary, errors="ignore")


def _with_column(part: pd.DataFrame, name: str, values: pd.Series) -> pd.DataFrame:
    return part.assign(**{name: values})


def _one_sided(left: Any, right: Any, join: _Join, how: str, meta: Any, by_index: bool) -> Any:
    """A side of one partition goes to all of the other, unless its own rows without partner are wanted."""
    many, few = (left, right) if right.npartitions == 1 else (right, left)
    if few.npartitions > 1 or (
        many.npartitions > 1 and (how == "outer" or how == ("right" if few is right else "left"))
    ):
        return None
    if many.npartitions > 1 and few is left and how in ("leftsemi", "leftanti"):
        return None
    plans = left._task_plan(), right._task_plan()
    count = many.npartitions
    rows = [None if plan.npartitions == count else [[0]] * count for plan in plans]
    node = Calls(count, [plan.node for plan in plans], rows, join, (Slot(0), Slot(1)), name="merge")
    divisions = many._task_plan().divisions if by_index else None
    if by_index and few.known_divisions and count == 1 and how != "inner":
        divisions = None
    return new_collection(TaskPlan(node, divisions), meta)


def _by_hash(left: Any, right: Any, by: Any, join: _Join, how: str, meta: Any, npartitions: int | None) -> Any:
    count = npartitions or max(left.npartitions, right.npartitions)
    ordered = how in ("inner", "left", "right", "leftsemi", "leftanti")
    lead = right if how == "right" else left
    if ordered:
        # Rows remember where they were, so that pandas' order can be made again.
        left, right = _tagged(left, f"{ROW}left"), _tagged(right, f"{ROW}right")
    dealt = [
        exchange(side, keys.hash(), count, name="merge-exchange") for side, keys in zip((left, right), by, strict=True)
    ]
    dealt[1]._plan.root = dealt[0]._plan.root
    if not ordered:
        return blockwise(join, *dealt, meta=meta, divisions=None, name="merge")
    back = f"{ROW}right" if how == "right" else f"{ROW}left"
    wide = meta.assign(**{f"{ROW}left": np.array([], dtype="float64"), f"{ROW}right": np.array([], dtype="float64")})
    joined = blockwise(_OrderedJoin(join), *dealt, meta=wide, divisions=None, name="merge")
    finish = _BackInOrder(how, isinstance(meta.index, pd.RangeIndex))
    home = exchange(joined, _home_of, lead.npartitions, args=(back,), finish=finish, name="merge-order")
    return new_collection(TaskPlan(home._plan.node), meta)


PARTITION_ROWS = 2**40


def _tagged(side: Any, name: str) -> Any:
    from raskal.dataframe._tasks import Each

    return blockwise(_tag, side, name, Each(list(range(side.npartitions))), name="rows")


def _tag(part: pd.DataFrame, name: str, number: int) -> pd.DataFrame:
    return part.assign(**{name: np.arange(len(part), dtype="int64") + number * PARTITION_ROWS})


def _home_of(part: pd.DataFrame, npartitions: int, name: str) -> np.ndarray:
    return (part[name].to_numpy(dtype="float64") // PARTITION_ROWS).astype(np.int64).clip(0, npartitions - 1)


class _OrderedJoin:
    """A join whose rows keep the numbers of the rows that they were made of."""

    def __init__(self, join: _Join) -> None:
        self.join = join
        self.__name__ = "merge"

    def __call__(self, left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
        joined = self.join(left, right)
        if f"{ROW}right" not in joined.columns:
            joined[f"{ROW}right"] = 0
        return joined


class _BackInOrder:
    def __init__(self, how: str, renumber: bool) -> None:
        self.by = [f"{ROW}right", f"{ROW}left"] if how == "right" else [f"{ROW}left", f"{ROW}right"]
        self.renumber = renumber

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        ordered = part.sort_values(self.by, kind="stable").drop(columns=self.by)
        return ordered.reset_index(drop=True) if self.renumber else ordered


def join(
    left: Any,
    other: Any,
    on: Any = None,
    how: str = "left",
    lsuffix: str = "",
    rsuffix: str = "",
    shuffle_method: Any = None,
    npartitions: int | None = None,
) -> Any:
    """Join rows by the index of `other`, and the index or columns `on` of `left`.

    Parameters
    ----------
    other : DataFrame, Series, or list of DataFrames
    on : label or list of labels, optional
    how : {"left", "right", "outer", "inner"}
    lsuffix, rsuffix : str
        Behind the names of columns that both have.

    Returns
    -------
    DataFrame

    Raises
    ------
    ValueError
        If names collide and no suffix is given; if several are joined by columns.
    """
    if isinstance(other, list):
        if on is not None or how not in ("outer", "left"):
            raise ValueError("merge_multi only supports left or outer joins by the index")
        for one in other:
            left = join(left, one, how=how)
        return left
    return merge(
        left,
        other,
        how=how,
        left_on=on,
        left_index=on is None,
        right_index=True,
        suffixes=(lsuffix, rsuffix),
        npartitions=npartitions,
    )


def merge_asof(
    left: Any,
    right: Any,
    on: Any = None,
    left_on: Any = None,
    right_on: Any = None,
    left_index: bool = False,
    right_index: bool = False,
    by: Any = None,
    left_by: Any = None,
    right_by: Any = None,
    suffixes: Any = ("_x", "_y"),
    tolerance: Any = None,
    allow_exact_matches: bool = True,
    direction: str = "backward",
) -> Any:
    """Join each row of `left` with the nearest one of `right`; both must be in order.

    Parameters
    ----------
    left, right : DataFrame, or a pandas object
    on, left_on, right_on, left_index, right_index, by, left_by, right_by
        As of `pandas.merge_asof`.

    Returns
    -------
    DataFrame

    Notes
    -----
    All of `right` goes to each partition of `left`. Source: python/raskal/dataframe/merge.py
    """
    left, right = as_operand(left), as_operand(right)
    options = {
        "on": on, "left_on": left_on, "right_on": right_on, "left_index": left_index, "right_index": right_index,
        "by": by, "left_by": left_by, "right_by": right_by, "suffixes": tuple(suffixes), "tolerance": tolerance,
        "allow_exact_matches": allow_exact_matches, "direction": direction,
    }  # fmt: skip
    if not all(isinstance(side, FrameCollection) for side in (left, right)):
        raise TypeError("merge_asof needs two dataframes")
    joiner = _AsOf(options)
    divisions = "same" if left_index or (left_on is None and on is None) else None
    whole = right.repartition(npartitions=1)
    plans = left._task_plan(), whole._task_plan()
    meta = emptied(joiner(left._meta, right._meta))
    count = left.npartitions
    rows = [None, [[0]] * count]
    node = Calls(count, [plan.node for plan in plans], rows, joiner, (Slot(0), Slot(1)), name="merge_asof")
    return new_collection(TaskPlan(node, plans[0].divisions if divisions else None), meta)


class _AsOf:
    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.__name__ = "merge_asof"

    def __call__(self, left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
        return pd.merge_asof(left, right, **self.options)
