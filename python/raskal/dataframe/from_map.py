"""Dataframes of partitions that functions or delayed objects make.

Start at `from_map` and `from_delayed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from raskal.dataframe._emulate import NO_DEFAULT, emptied, function_name, make_meta
from raskal.dataframe._tasks import Calls, Each, Lazy, Slot, TaskPlan, itself
from raskal.dataframe.collection import new_collection
from raskal.dataframe.partitions import _Enforced


def from_map(
    func: Callable[..., Any],
    *iterables: Iterable[Any],
    args: Any = None,
    meta: Any = NO_DEFAULT,
    divisions: Any = None,
    label: str | None = None,
    enforce_metadata: bool = False,
    **kwargs: Any,
) -> Any:
    """A dataframe whose partitions a function makes, one for each element of `iterables`.

    Parameters
    ----------
    func : callable
        ``func(element, *args, **kwargs)`` gives a pandas object.
    *iterables : iterables
        Equally long; one element of each goes into a call.
    args : tuple, optional
        Further arguments behind the elements.
    meta : pandas object, optional
        What `func` gives, empty; by default the first call is made to find out.
    divisions : tuple, optional
        Labels between which the partitions lie.
    label : str, optional
        Name in the plan.
    enforce_metadata : bool
        Whether results unlike `meta` are refused.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    ValueError
        If there is nothing to go over, or the iterables are of different lengths.
    TypeError
        If `func` can't be called.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> dd.from_map(lambda n: pd.DataFrame({"x": [n]}), [1, 2, 3]).x.sum().compute()
    np.int64(6)
    """
    if not callable(func):
        raise ValueError("`func` argument must be `callable`")
    for name in ("token", "projection", "columns_func"):
        kwargs.pop(name, None)
    lists = []
    for one in iterables:
        if not isinstance(one, Iterable):
            raise ValueError(f"All elements of `iterables` must be Iterable, got {type(one)}")
        lists.append(list(one))
    if not lists:
        raise ValueError("`from_map` requires at least one Iterable input")
    if len({len(one) for one in lists}) != 1:
        raise ValueError(f"All `iterables` must have the same length, got {[len(one) for one in lists]}")
    count = len(lists[0])
    if count == 0:
        raise ValueError("All `iterables` must have a non-zero length")
    rest = tuple(args or ())
    if meta is NO_DEFAULT or meta is None:
        first = func(*(one[0] for one in lists), *rest, **kwargs)
        found = emptied(first)
    else:
        found = make_meta(meta)
    if not isinstance(found, (pd.DataFrame, pd.Series, pd.Index)):
        raise TypeError(f"from_map: {function_name(func)} gave a {type(found).__name__}, expected a pandas object")
    call = _Enforced(func, found) if enforce_metadata else func
    node = Calls(count, [], [], call, (*(Each(one) for one in lists), *rest), kwargs, name=label or function_name(func))
    return new_collection(TaskPlan(node, _checked(divisions, count)), found)


def _checked(divisions: Any, count: int) -> tuple[Any, ...] | None:
    if divisions is None:
        return None
    divisions = tuple(divisions)
    if len(divisions) != count + 1:
        raise ValueError(f"divisions should be a tuple of len(dfs) + 1: {len(divisions)} for {count} partitions")
    return None if any(one is None for one in divisions) else divisions


def from_delayed(
    dfs: Any, meta: Any = None, divisions: Any = None, prefix: Any = None, verify_meta: bool = True
) -> Any:
    """A dataframe whose partitions are delayed pandas objects.

    Parameters
    ----------
    dfs : Delayed, Future, or list of them
    meta : pandas object, optional
        What they give, empty; by default the first one is computed to find out.
    divisions : tuple, optional
        Labels between which the partitions lie; ``"sorted"`` computes them.
    prefix : str, optional
        Name in the plan.
    verify_meta : bool
        Whether partitions unlike `meta` are refused.

    Returns
    -------
    DataFrame or Series

    Raises
    ------
    TypeError
        If there is nothing, or an object is not delayed.

    Examples
    --------
    >>> import pandas as pd, raskal, raskal.dataframe as dd
    >>> parts = [raskal.delayed(pd.Series)([n]) for n in range(3)]
    >>> dd.from_delayed(parts).sum().compute()
    np.int64(3)
    """
    from raskal.delayed import Delayed, delayed

    listed = list(dfs) if isinstance(dfs, (list, tuple)) else [dfs]
    if not listed:
        raise TypeError("Must supply at least one delayed object")
    made = [one if isinstance(one, Delayed) else delayed(one) if hasattr(one, "key") else one for one in listed]
    for one in made:
        if not isinstance(one, Delayed):
            raise TypeError(f"Expected Delayed object, got {type(one).__name__}")
    found = emptied(made[0].compute()) if meta is None else make_meta(meta)
    node: Any = Lazy(made)
    if verify_meta:
        node = Calls(len(made), [node], [None], _Enforced(itself, found), (Slot(0),), name=prefix or "from_delayed")
    if isinstance(divisions, str) and divisions == "sorted":
        return new_collection(TaskPlan(node), found).compute_current_divisions(set_divisions=True)
    return new_collection(TaskPlan(node, _checked(divisions, len(made))), found)


def from_graph(layer: Any, _meta: Any, divisions: Any, keys: Any, name_prefix: str) -> Any:
    """A dataframe whose partitions are keys of a graph of tasks.

    Parameters
    ----------
    layer : mapping
        A graph: keys, and ``(function, argument, ...)`` or values.
    _meta : pandas object
        What a partition is, empty.
    divisions : tuple
        Labels between which the partitions lie; Nones if unknown.
    keys : list
        The partitions' keys.
    name_prefix : str
        Name in the plan.

    Returns
    -------
    DataFrame or Series

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> layer = {"a": (pd.Series, [1, 2]), "b": (pd.Series, [3])}
    >>> dd.from_graph(layer, pd.Series(dtype="int64"), (None,) * 3, ["a", "b"], "mine").sum().compute()
    np.int64(6)
    """
    from raskal.delayed import delayed
    from raskal.graphs import nodes_of

    nodes = nodes_of(dict(layer), keys)
    parts = [delayed(nodes[key]) for key in keys]
    return from_delayed(parts, _meta, divisions, name_prefix, verify_meta=False)


def get_collection_type(arg: Any, *args: Any, **kwargs: Any) -> Any:
    """The class of collections whose partitions look like `arg`.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> dd.get_collection_type(pd.Series(dtype="int64")).__name__
    'Series'
    """
    from raskal.dataframe.frame import DataFrame
    from raskal.dataframe.scalar import Scalar
    from raskal.dataframe.series import Index, Series

    kinds = [(pd.DataFrame, DataFrame), (pd.Series, Series), (pd.Index, Index)]
    return next((kind for parent, kind in kinds if isinstance(arg, parent)), Scalar)


def from_dask_dataframe(df: Any) -> Any:
    """A dataframe of Dask's, its partitions made here by the tasks that Dask would run.

    Parameters
    ----------
    df : dask.dataframe.DataFrame or Series

    Returns
    -------
    DataFrame or Series
        Of the same divisions.

    Raises
    ------
    TypeError
        If `df` is no dataframe of Dask.
    """
    if not hasattr(df, "__dask_graph__") or not hasattr(df, "_meta"):
        raise TypeError(f"from_dask_dataframe got a {type(df).__name__}, expected a dataframe or series of Dask")
    ready = df.optimize() if hasattr(df, "optimize") else df
    return from_graph(ready.__dask_graph__(), ready._meta, ready.divisions, ready.__dask_keys__(), "from-dask")
