"""Several collections as one.

Start at `concat`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pandas as pd

from raskal._raskal import frame_concat
from raskal.dataframe import _concat
from raskal.dataframe._blockwise import align_frames, blockwise
from raskal.dataframe._emulate import emptied, sample
from raskal.dataframe._operators import as_operand
from raskal.dataframe.collection import FrameCollection, new_collection
from raskal.dataframe.repartition import stacked


def concat(
    dfs: Sequence[Any],
    axis: Any = 0,
    join: str = "outer",
    ignore_unknown_divisions: bool = False,
    ignore_order: bool = False,
    interleave_partitions: bool = False,
    **kwargs: Any,
) -> Any:
    """Put collections below or beside each other.

    Parameters
    ----------
    dfs : sequence of DataFrame, Series, or pandas objects
    axis : {0, 1}
        Below each other (0), or beside each other (1), by labels.
    join : {"outer", "inner"}
        Which columns (or rows, with ``axis=1``) are kept: all, or those in each.
    interleave_partitions : bool
        Whether collections whose divisions overlap are cut at each other's, so that the result's are known.
    ignore_unknown_divisions : bool
        Whether to be silent about ``axis=1`` of collections with unknown divisions, which are taken to lie alike.
    ignore_order
        Accepted for Dask's sake.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    ValueError
        If there is nothing to put together, or collections can't be aligned.
    TypeError
        If `dfs` is no list.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> x = dd.from_pandas(pd.Series([1, 2], name="x"), npartitions=1)
    >>> dd.concat([x, x]).compute().tolist()
    [1, 2, 1, 2]
    """
    if not isinstance(dfs, (list, tuple)):
        raise TypeError("dfs must be a list of DataFrames/Series objects")
    if len(dfs) == 0:
        raise ValueError("No objects to concatenate")
    if join not in ("inner", "outer"):
        raise ValueError("'join' must be 'inner' or 'outer'")
    along = {"index": 0, "rows": 0, "columns": 1}.get(axis, axis)
    frames = [as_operand(one) for one in dfs if one is not None]
    for one in frames:
        if not isinstance(one, FrameCollection):
            raise TypeError(f"concat got a {type(one).__name__}, expected dataframes and series")
    if len(frames) == 1 and along == 0:
        return frames[0]
    return (
        _beside(frames, join, ignore_unknown_divisions)
        if along == 1
        else _below(frames, join, interleave_partitions, kwargs)
    )


def _below(frames: list[Any], join: str, interleave: bool, kwargs: dict[str, Any]) -> Any:
    metas = [sample(frame._meta) for frame in frames]
    meta = emptied(_concat.concat(metas, join=join, **kwargs) if _of_one_kind(metas) else pd.concat(metas, join=join))  # type: ignore[call-overload]
    like = [
        frame if _same_columns(frame._meta, meta) else blockwise(_Like(meta, join), frame, meta=meta, name="concat")
        for frame in frames
    ]
    known = all(frame.known_divisions for frame in like)
    if known and all(before.divisions[-1] < after.divisions[0] for before, after in zip(like, like[1:], strict=False)):
        divisions = tuple(one for frame in like[:-1] for one in frame.divisions[:-1]) + tuple(like[-1].divisions)
        return stacked(like, divisions, meta)
    if not known and all(frame._frame is not None for frame in like):
        levels = {len(frame._frame.index_names) for frame in like}
        names = {tuple(frame._frame.names) for frame in like}
        if len(levels) == 1 and len(names) == 1:
            return new_collection(frame_concat([frame._frame for frame in like]), meta)
    if known and interleave:
        moved = align_frames(like)
        return blockwise(_Stack(), *moved, meta=meta, name="concat")
    return stacked(like, None, meta)


def _of_one_kind(metas: list[Any]) -> bool:
    return all(type(one) is type(metas[0]) for one in metas)


def _same_columns(own: Any, meta: Any) -> bool:
    if isinstance(meta, pd.Series):
        return bool(own.dtype == meta.dtype and own.name == meta.name)
    return (
        isinstance(own, pd.DataFrame) and own.columns.equals(meta.columns) and bool((own.dtypes == meta.dtypes).all())
    )


class _Like:
    """A partition with the columns and dtypes of the whole."""

    def __init__(self, meta: Any, join: str) -> None:
        self.meta = meta
        self.join = join

    def __call__(self, part: Any) -> Any:
        if isinstance(self.meta, pd.Series):
            part = part.rename(self.meta.name)
            return part if isinstance(self.meta.dtype, pd.CategoricalDtype) else part.astype(self.meta.dtype)
        if isinstance(part, pd.Series):
            part = part.to_frame() if part.name is not None else part.to_frame(name=0)
        own = part.columns
        part = part.reindex(columns=self.meta.columns)
        wrong = {
            label: dtype
            for label, dtype in self.meta.dtypes.items()
            if part[label].dtype != dtype and not (isinstance(dtype, pd.CategoricalDtype) and label in own)
        }
        return part.astype(wrong) if wrong else part


class _Stack:
    def __call__(self, *parts: Any) -> Any:
        joined = _concat.concat(list(parts))
        return joined.sort_index(kind="stable")


def _beside(frames: list[Any], join: str, silent: bool) -> Any:
    counts = {frame.npartitions for frame in frames}
    roots = {frame._plan.root for frame in frames}
    if all(frame.known_divisions for frame in frames) or len(roots) == 1 or counts == {1}:
        return blockwise(_Beside(join), *frames, name="concat")
    if len(counts) > 1:
        raise ValueError(
            f"Unable to concatenate DataFrame with unknown division specifying axis=1: {sorted(counts)} partitions"
        )
    if not silent:
        warnings.warn(
            "Concatenating dataframes with unknown divisions.\n"
            "We're assuming that the indices of each dataframes are \naligned. This assumption is not generally safe.",
            stacklevel=3,
        )
    return blockwise(_Beside(join), *frames, align=False, divisions=None, name="concat")


class _Beside:
    def __init__(self, join: str) -> None:
        self.join = join
        self.__name__ = "concat"

    def __call__(self, *parts: Any) -> pd.DataFrame:
        return pd.concat(parts, axis=1, join=self.join)  # type: ignore[call-overload]
