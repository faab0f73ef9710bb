"""Comparing lazy and pandas objects in tests.

Start at `assert_eq`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal

from raskal.dataframe.collection import FrameCollection


def assert_eq(
    a: Any,
    b: Any,
    check_names: bool = True,
    check_dtype: bool = True,
    check_divisions: bool = True,
    check_index: bool = True,
    sort_results: bool = True,
    scheduler: Any = "sync",
    **kwargs: Any,
) -> bool:
    """Assert that two lazy or pandas objects hold the same rows.

    Parameters
    ----------
    a, b : object
        Lazy ones are computed.
    check_names, check_dtype, check_index : bool
        Whether names, dtypes and labels must be the same.
    check_divisions : bool
        Whether the labels of each partition must lie between its divisions, if these are known.
    sort_results : bool
        Whether rows are brought in order first.
    scheduler : str
        What computes.
    **kwargs
        As of pandas' own assertions.

    Returns
    -------
    bool
        True.

    Raises
    ------
    AssertionError
        If they differ.

    Examples
    --------
    >>> import pandas as pd, raskal.dataframe as dd
    >>> dd.assert_eq(dd.from_pandas(pd.Series([1, 2]), npartitions=2), pd.Series([1, 2]))
    True
    """
    if check_divisions:
        for one in (a, b):
            if isinstance(one, FrameCollection) and one._meta_ndim:
                _check_divisions(one, scheduler)
    left, right = (one.compute(scheduler=scheduler) if hasattr(one, "__raskal_lower__") else one for one in (a, b))
    if sort_results:
        left, right = _in_order(left), _in_order(right)
    if not check_index:
        left, right = (one.reset_index(drop=True) if hasattr(one, "reset_index") else one for one in (left, right))
    if isinstance(left, pd.DataFrame):
        assert_frame_equal(left, right, check_names=check_names, check_dtype=check_dtype, **kwargs)
    elif isinstance(left, pd.Series):
        assert_series_equal(left, right, check_names=check_names, check_dtype=check_dtype, **kwargs)
    elif isinstance(left, pd.Index):
        assert_index_equal(left, right, exact="equiv" if check_dtype else False, check_names=check_names, **kwargs)
    elif not (left == right or (pd.isna(left) and pd.isna(right)) or np.allclose(left, right)):
        raise AssertionError(f"{left!r} is not {right!r}")
    return True


def _check_divisions(collection: Any, scheduler: Any) -> None:
    if not collection.known_divisions:
        return
    divisions = collection.divisions
    for number, (low, high) in enumerate(zip(divisions, divisions[1:], strict=False)):
        part = collection.get_partition(number).compute(scheduler=scheduler)
        labels = part if isinstance(part, pd.Index) else part.index
        if len(labels) and not (labels.min() >= low and labels.max() <= high):
            raise AssertionError(
                f"partition {number} has labels from {labels.min()!r} to {labels.max()!r}, its divisions are "
                f"{low!r} to {high!r}"
            )


def _in_order(data: Any) -> Any:
    if isinstance(data, pd.Index):
        return data.sort_values()
    if not isinstance(data, (pd.DataFrame, pd.Series)):
        return data
    try:
        if isinstance(data, pd.DataFrame):
            data = data.sort_values(list(data.columns), kind="stable")
        else:
            data = data.sort_values(kind="stable")
    except (TypeError, ValueError):
        pass  # values that have no order
    try:
        return data.sort_index(kind="stable")
    except TypeError:
        return data
