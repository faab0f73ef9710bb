"""Reducing partitions to one, or to few, step by step.

Start at `tree`: each partition through `chunk`, groups of the results through `combine`, the last ones through
`aggregate`. `reduction` is the same with functions of the user's. Values that go in together are a list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from raskal.dataframe._concat import concat
from raskal.dataframe._emulate import NO_DEFAULT, emptied, function_name, make_meta
from raskal.dataframe._tasks import Calls, Slot, TaskPlan
from raskal.dataframe.collection import FrameCollection, new_collection

SPLIT_EVERY = 8


def tree(
    collection: Any,
    chunk: Callable[..., Any],
    aggregate: Callable[[list[Any]], Any],
    combine: Callable[[list[Any]], Any] | None = None,
    *,
    meta: Any,
    name: str,
    args: tuple[Any, ...] = (),
    split_every: Any = None,
    others: tuple[Any, ...] = (),
) -> Any:
    """One object out of all partitions.

    Parameters
    ----------
    collection : FrameCollection
    chunk : callable
        ``chunk(part, *args)``: what each partition gives. With `others`, the partitions of these come behind `part`.
    aggregate, combine : callable
        Of a list of what came before, in order: the result, and something that can be reduced further. Without
        `combine`, everything is aggregated at once.
    meta : object
        What `aggregate` gives, empty.
    split_every : int, optional
        How many values go into one `combine`; False for all at once.
    others : tuple of FrameCollection
        Collections whose partitions lie as those of `collection`.

    Returns
    -------
    DataFrame, Series, Index or Scalar
        Of one partition.

    Raises
    ------
    ValueError
        If `split_every` is below 2.
    """
    from raskal.dataframe._blockwise import aligned

    group = width(split_every)
    plans, count, _ = aligned([collection, *others])
    slots = tuple(Slot(place) for place in range(len(plans)))
    rows = [None if plan.npartitions == count else [[0]] * count for plan in plans]
    node = Calls(count, [plan.node for plan in plans], rows, chunk, (*slots, *args), name=f"{name}-chunk")
    while combine is not None and group and node.npartitions > group:
        parts = node.npartitions
        spans = [list(range(start, min(start + group, parts))) for start in range(0, parts, group)]
        node = Calls(len(spans), [node], [spans], combine, gather=True, name=f"{name}-combine")
    node = Calls(1, [node], [[list(range(node.npartitions))]], aggregate, gather=True, name=f"{name}-aggregate")
    return new_collection(TaskPlan(node), meta)


def width(split_every: Any) -> int:
    """How many values go into one step; 0 for all.

    Raises
    ------
    ValueError
        If it is below 2.
    """
    if split_every is False:
        return 0
    group = SPLIT_EVERY if split_every in (None, True) else int(split_every)
    if group < 2:
        raise ValueError(f"split_every must be an integer >= 2, got {split_every!r}")
    return group


class _Chunk:
    """A user's function; what is not a pandas object becomes a series of one value."""

    def __init__(self, function: Callable[..., Any], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.kwargs = kwargs
        self.__name__ = function_name(function)

    def __call__(self, part: Any) -> Any:
        return self.function(part, **self.kwargs)


class _Joined:
    """A user's function on the values of several partitions, put together as a pandas object."""

    def __init__(self, function: Callable[..., Any], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.kwargs = kwargs
        self.__name__ = function_name(function)

    def __call__(self, parts: list[Any]) -> Any:
        if isinstance(parts[0], (pd.DataFrame, pd.Index)):
            joined = concat(parts)
        elif isinstance(parts[0], pd.Series):
            # Reduced columns become rows of a table with the columns' names.
            joined = pd.DataFrame(parts) if _is_row(parts) else pd.concat(parts)
        else:
            joined = pd.Series(parts)
        return self.function(joined, **self.kwargs)


def _is_row(parts: list[pd.Series]) -> bool:
    first = parts[0].index
    return len(parts) > 0 and len(first) > 0 and first.dtype != "int64" and all(first.equals(p.index) for p in parts)


def reduction(
    collection: FrameCollection,
    chunk: Callable[..., Any],
    aggregate: Callable[..., Any] | None = None,
    combine: Callable[..., Any] | None = None,
    meta: Any = NO_DEFAULT,
    token: Any = None,
    split_every: Any = None,
    chunk_kwargs: dict[str, Any] | None = None,
    aggregate_kwargs: dict[str, Any] | None = None,
    combine_kwargs: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Reduce partitions by functions of one's own.

    Parameters
    ----------
    chunk : callable
        What each partition gives.
    aggregate : callable, optional
        The result, of what the partitions gave, put together as a pandas object; `chunk` by default.
    combine : callable, optional
        What several of these become on the way; `aggregate` by default.
    meta : pandas object, optional
        What `aggregate` gives, empty.
    split_every : int, optional
        How many go into one `combine`; False for all at once.
    chunk_kwargs, aggregate_kwargs, combine_kwargs, **kwargs
        Arguments of these functions, and of all three.

    Returns
    -------
    DataFrame, Series or Scalar

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> x = dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2)
    >>> x.reduction(lambda part: part.max(), lambda found: found.max()).compute()
    np.int64(3)
    """
    last = aggregate or chunk
    if combine is None and combine_kwargs:
        raise ValueError("`combine_kwargs` provided with no `combine`")
    middle = combine or last
    one = _Chunk(chunk, {**kwargs, **(chunk_kwargs or {})})
    final = _Joined(last, {**kwargs, **(aggregate_kwargs or {})})
    between = _Joined(middle, {**kwargs, **((combine_kwargs if combine else aggregate_kwargs) or {})})
    if meta is NO_DEFAULT or meta is None:
        from raskal.dataframe._emulate import infer

        found = emptied(infer(lambda part: final([one(part)]), [collection._meta], {}, function_name(last)))
    else:
        found = make_meta(meta)
    return tree(collection, one, final, between, meta=found, name=function_name(chunk), split_every=split_every)
