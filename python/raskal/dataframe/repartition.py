"""The same rows in other partitions.

Start at `repartition_by`. Divisions cut partitions by labels; a number of partitions joins neighbours, or cuts by
interpolated divisions where these are known and by rows where not.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._blockwise import blockwise
from raskal.dataframe._concat import concat
from raskal.dataframe._tasks import Calls, Chosen, Each, Node, Slot, TaskPlan
from raskal.dataframe.collection import new_collection


def repartition(df: Any, divisions: Any = None, force: bool = False) -> Any:
    """A collection, or a pandas object, cut at these labels.

    Parameters
    ----------
    df : DataFrame, Series, or a pandas object
    divisions : sequence of labels
    force : bool
        Whether the divisions may reach beyond those there are.

    Returns
    -------
    DataFrame or Series

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> x = dd.from_pandas(pd.Series([1, 2, 3, 4]), npartitions=2)
    >>> dd.repartition(x, divisions=[0, 1, 3]).npartitions
    2
    """
    if isinstance(df, (pd.DataFrame, pd.Series)):
        from raskal.dataframe.memory import from_pandas

        df, force = from_pandas(df, npartitions=1), True
    return by_divisions(df, tuple(divisions), force)


def repartition_by(
    df: Any,
    divisions: Any = None,
    npartitions: int | None = None,
    partition_size: Any = None,
    freq: Any = None,
    force: bool = False,
) -> Any:
    """The same rows in other partitions; exactly one of the ways must be given.

    Parameters
    ----------
    divisions : sequence of labels, optional
        Where to cut.
    npartitions : int, optional
        How many partitions; about as many if labels repeat.
    partition_size : int or str, optional
        Bytes of a partition, about: ``"100MB"``. Computes the sizes there are.
    freq : str or offset, optional
        Span of time of a partition.
    force : bool
        Whether `divisions` may reach beyond those there are.

    Raises
    ------
    ValueError
        If not exactly one way is given; if the divisions do not fit.
    TypeError
        If `freq` is given and the index holds no times.
    """
    given = [one is not None for one in (divisions, npartitions, partition_size, freq)]
    if sum(given) != 1:
        raise ValueError(
            "Please provide exactly one of the arguments npartitions=, divisions=, partition_size= or freq="
        )
    if divisions is not None:
        return by_divisions(df, tuple(divisions), force)
    if freq is not None:
        return _by_frequency(df, freq)
    if partition_size is not None:
        return _by_size(df, partition_size)
    if callable(npartitions):
        npartitions = npartitions(df.npartitions)
    if npartitions is None or int(npartitions) < 1:
        raise ValueError(f"npartitions={npartitions} must be at least 1")
    return by_number(df, int(npartitions))


def by_number(df: Any, npartitions: int) -> Any:
    """Neighbouring partitions joined, or each cut."""
    count = df.npartitions
    if npartitions == count:
        return df
    if npartitions < count:
        bounds = [part * count // npartitions for part in range(npartitions + 1)]
        return joined(df, bounds)
    if df.known_divisions:
        labels = pd.Series(list(df.divisions)).drop_duplicates()
        if len(labels) == 1:
            return df  # rows of one label stay together
        times = isinstance(df._meta_index, (pd.DatetimeIndex, pd.TimedeltaIndex))
        numbers = pd.api.types.is_numeric_dtype(labels.dtype) and not pd.api.types.is_bool_dtype(labels.dtype)
        if times or numbers:
            return by_divisions(df, _interpolated(labels, npartitions, df._meta_index), force=True)
    cuts = [(part + 1) * npartitions // count - part * npartitions // count for part in range(count)]
    return cut(df, cuts)


def joined(df: Any, bounds: Sequence[int]) -> Any:
    """Partitions ``bounds[i]`` to ``bounds[i + 1]`` as one each."""
    plan = df._task_plan()
    rows = [list(range(start, end)) for start, end in zip(bounds, bounds[1:], strict=False)]
    node = Calls(len(rows), [plan.node], [rows], concat, gather=True, name="repartition")
    divisions = None if plan.divisions is None else tuple(plan.divisions[bound] for bound in bounds)
    return new_collection(TaskPlan(node, divisions), df._meta)


def cut(df: Any, counts: Sequence[int]) -> Any:
    """Each partition cut into so many of about as many rows."""
    plan = df._task_plan()
    made: list[tuple[int, int, int]] = [
        (source, piece, pieces) for source, pieces in enumerate(counts) for piece in range(pieces)
    ]
    rows = [[source] for source, _, _ in made]
    node = Calls(len(made), [plan.node], [rows], _piece, (Slot(0), Each([one[1:] for one in made])), name="repartition")
    return new_collection(TaskPlan(node), df._meta)


def _piece(part: Any, which: tuple[int, int]) -> Any:
    piece, pieces = which
    start, end = piece * len(part) // pieces, (piece + 1) * len(part) // pieces
    return part[start:end] if isinstance(part, pd.Index) else part.iloc[start:end]


def _interpolated(labels: pd.Series, npartitions: int, index: pd.Index) -> tuple[Any, ...]:
    """So many spans, evenly between the labels."""
    whole = np.linspace(0, len(labels) - 1, npartitions + 1)
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        stamps = pd.Index(labels)
        numbers = stamps.asi8
        found = np.interp(whole, np.arange(len(labels)), numbers.astype("float64")).astype("int64")
        found[0], found[-1] = numbers[0], numbers[-1]
        made = type(stamps)(found.view(f"{stamps.dtype.kind}8[{stamps.unit}]"))
        if isinstance(stamps, pd.DatetimeIndex) and stamps.tz is not None:
            made = made.tz_localize("UTC").tz_convert(stamps.tz)
        return tuple(made.drop_duplicates())
    numbers = labels.to_numpy()
    found = np.interp(whole, np.arange(len(labels)), numbers.astype("float64"))
    if labels.dtype.kind in "iu":
        found = found.astype(labels.dtype)
        found[0], found[-1] = numbers[0], numbers[-1]
    return tuple(pd.Series(found).drop_duplicates().tolist())


def by_divisions(df: Any, divisions: tuple[Any, ...], force: bool = False) -> Any:
    """Rows between neighbouring labels in one partition each; the last label belongs to the last one.

    Raises
    ------
    ValueError
        If the divisions are not known, not in order, or reach elsewhere than they should.
    """
    if not df.known_divisions:
        raise ValueError("cannot repartition on divisions: those there are, are unknown\nhint: use set_index first")
    own = df.divisions
    if len(divisions) < 2 or any(after < before for before, after in zip(divisions, divisions[1:], strict=False)):
        raise ValueError(f"New division must be sorted, got {divisions}")
    if len(set(divisions[:-1])) != len(divisions[:-1]):
        raise ValueError(f"New division must be unique, except for the last element, got {divisions}")
    if force:
        if divisions[0] > own[0] or divisions[-1] < own[-1]:
            raise ValueError(
                f"the divisions {divisions[0]!r} to {divisions[-1]!r} leave out rows between {own[0]!r} and {own[-1]!r}"
            )
    elif divisions[0] != own[0] or divisions[-1] != own[-1]:
        side = "left" if divisions[0] != own[0] else "right"
        raise ValueError(
            f"{side} side of old and new divisions are different: {own[0]!r} to {own[-1]!r} became "
            f"{divisions[0]!r} to {divisions[-1]!r}\nhint: force=True lets them reach further"
        )
    if divisions == own:
        return df
    plan = df._task_plan()
    rows, spans = [], []
    for place, (low, high) in enumerate(zip(divisions, divisions[1:], strict=False)):
        last = place == len(divisions) - 2
        start = max(bisect.bisect_left(own, low) - 1, 0)
        end = min(bisect.bisect_right(own, high), len(own) - 1)
        # Of the partitions that reach into the span: those that end at its start hold nothing of it, but the last
        # one holds its last label.
        sources = [
            part
            for part in range(start, end)
            if (own[part] < high or (last and own[part] <= high))
            and (own[part + 1] > low or (part == len(own) - 2 and own[part + 1] >= low))
        ]
        rows.append(sources or [min(start, plan.npartitions - 1)])
        spans.append((low, high, last))
    node = Calls(len(rows), [plan.node], [rows], _between, (Each(spans),), gather=True, name="repartition")
    return new_collection(TaskPlan(node, divisions), df._meta)


def _between(parts: list[Any], span: tuple[Any, Any, bool]) -> Any:
    low, high, last = span
    chosen = []
    for part in parts:
        labels = part if isinstance(part, pd.Index) else part.index
        if not labels.is_monotonic_increasing:
            inside = (labels >= low) & ((labels <= high) if last else (labels < high))
            chosen.append(part[np.asarray(inside)])
            continue
        start = labels.searchsorted(low, side="left")
        end = labels.searchsorted(high, side="right" if last else "left")
        chosen.append(part[start:end] if isinstance(part, pd.Index) else part.iloc[start:end])
    return concat(chosen)


def _by_frequency(df: Any, freq: Any) -> Any:
    if not isinstance(df._meta_index, pd.DatetimeIndex):
        raise TypeError("Can only repartition on frequency for timeseries")
    if not df.known_divisions:
        raise ValueError("repartition(freq=...) needs known divisions\nhint: use set_index first")
    first, last = df.divisions[0], df.divisions[-1]
    offset = pd.tseries.frequencies.to_offset(freq)
    try:
        start = pd.Timestamp(first).floor(offset)
    except ValueError:
        start = pd.Timestamp(first)
    inner = [one for one in pd.date_range(start=start, end=last, freq=offset) if first < one <= last]
    return by_divisions(df, (first, *inner, last))


def _by_size(df: Any, partition_size: Any) -> Any:
    from raskal.utils import parse_bytes

    limit = parse_bytes(partition_size) if isinstance(partition_size, str) else int(partition_size)
    sizes = blockwise(_memory, df, meta=pd.Series([], dtype="int64"), divisions=None, name="bytes").compute().tolist()
    if any(size > limit for size in sizes):
        counts = [max(1, -(-size // limit)) for size in sizes]
        df = cut(df, counts)
        sizes = [size // pieces for size, pieces in zip(sizes, counts, strict=True) for _ in range(pieces)]
    bounds, total = [0], 0
    for number, size in enumerate(sizes):
        if total and total + size > limit:
            bounds.append(number)
            total = 0
        total += size
    return joined(df, [*bounds, len(sizes)]) if len(bounds) < len(sizes) else df


def _memory(part: Any) -> pd.Series:
    used = part.memory_usage(deep=True)
    return pd.Series([int(used.sum() if isinstance(used, pd.Series) else used)])


def stacked(frames: Sequence[Any], divisions: Any, meta: Any) -> Any:
    """The partitions of several collections, one after the other."""
    nodes: list[Node] = [frame._task_plan().node for frame in frames]
    chosen = [(source, part) for source, node in enumerate(nodes) for part in range(node.npartitions)]
    return new_collection(TaskPlan(Chosen(nodes, chosen), divisions), meta)
