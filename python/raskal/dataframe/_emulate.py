"""What a function gives, found by calling it on a sample of two rows, or on no rows.

Start at `infer`. The sample comes first: on empty data pandas often answers with other dtypes, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from raskal._dispatch import Dispatch

NO_DEFAULT: Any = type(
    "NoDefault", (), {"__repr__": lambda self: "<inferred>", "__reduce__": lambda self: "NO_DEFAULT"}
)()

UNKNOWN_CATEGORIES = "__UNKNOWN_CATEGORIES__"


def make_meta(meta: Any, index: Any = None) -> Any:
    """An empty pandas object of a description: a pandas object, a ``(name, dtype)`` pair, or a mapping of columns.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(meta, (pd.DataFrame, pd.Series)):
        return meta.iloc[:0]
    if isinstance(meta, pd.Index):
        return meta[:0]
    if hasattr(meta, "_meta"):
        return meta._meta
    if isinstance(meta, dict):
        return pd.DataFrame({name: _empty(dtype, None, index) for name, dtype in meta.items()}, index=_labels(index))
    if isinstance(meta, tuple) and len(meta) == 2 and not isinstance(meta[0], tuple):
        return _empty(meta[1], meta[0], index)
    if isinstance(meta, (list, tuple)) and all(isinstance(part, tuple) and len(part) == 2 for part in meta):
        columns = {name: _empty(dtype, None, index) for name, dtype in meta}
        return pd.DataFrame(columns, columns=[name for name, _ in meta], index=_labels(index))
    if isinstance(meta, (str, type)) or hasattr(meta, "kind"):
        return _empty(meta, None, index)
    if np.isscalar(meta) or meta is None or isinstance(meta, (pd.Timestamp, pd.Timedelta)):
        return meta
    raise TypeError(
        f"meta={meta!r} describes no pandas object\n"
        "hint: pass a pandas object, a (name, dtype) pair, or a dict of column names and dtypes"
    )


def _labels(index: Any) -> Any:
    return pd.RangeIndex(0) if index is None else index[:0]


def _empty(dtype: Any, name: Any, index: Any) -> pd.Series:
    if isinstance(dtype, str) and dtype == "category":
        return pd.Series(pd.Categorical([], categories=[UNKNOWN_CATEGORIES]), name=name, index=_labels(index))
    return pd.Series([], dtype=dtype, name=name, index=_labels(index))


def sample(meta: Any) -> Any:
    """Two rows that look like `meta`; anything that is no pandas object as it is."""
    if isinstance(meta, pd.DataFrame):
        index = sample_index(meta.index)
        columns = {place: pd.Series(_values(dtype), index=index) for place, dtype in enumerate(meta.dtypes)}
        frame = pd.DataFrame(columns, index=index)
        frame.columns = meta.columns
        frame.attrs = meta.attrs
        return frame
    if isinstance(meta, pd.Series):
        return pd.Series(_values(meta.dtype), index=sample_index(meta.index), name=meta.name)
    if isinstance(meta, pd.Index):
        return sample_index(meta)
    return meta


def sample_index(index: pd.Index) -> pd.Index:
    """Two labels that look like those of `index`."""
    if isinstance(index, pd.MultiIndex):
        levels = [sample_index(index.get_level_values(level)) for level in range(index.nlevels)]
        return pd.MultiIndex.from_arrays(levels, names=index.names)
    if isinstance(index, pd.RangeIndex):
        return pd.RangeIndex(2, name=index.name)
    if isinstance(index, pd.DatetimeIndex):
        days = pd.date_range("1970-01-01", periods=2, freq=index.freq or "D", tz=index.tz, name=index.name)
        return days.as_unit(index.unit)
    if isinstance(index, pd.TimedeltaIndex):
        return pd.timedelta_range("1D", periods=2, name=index.name).as_unit(index.unit)
    if isinstance(index, pd.PeriodIndex):
        return pd.period_range("1970-01-01", periods=2, freq=index.freq, name=index.name)
    if isinstance(index.dtype, np.dtype) and index.dtype.kind in "iuf":
        return pd.Index(np.arange(2, dtype=index.dtype), name=index.name)
    if isinstance(index.dtype, pd.StringDtype) or index.dtype == object:
        return pd.Index(["a", "b"], dtype=index.dtype, name=index.name)
    return pd.Index(_values(index.dtype), name=index.name)


make_array_nonempty = Dispatch("make_array_nonempty")
make_scalar = Dispatch("make_scalar")


def _values(dtype: Any) -> Any:
    """Two values of a dtype, equal ones, so that they form a group."""
    if make_array_nonempty.registered(type(dtype)):
        return make_array_nonempty(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        categories = dtype.categories
        if categories is None or len(categories) == 0:
            return pd.Categorical(["a", "a"], ordered=dtype.ordered)
        return pd.Categorical([categories[0]] * 2, categories=categories, ordered=dtype.ordered)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.array([pd.Timestamp("1970-01-01", tz=dtype.tz)] * 2, dtype=dtype)
    if isinstance(dtype, pd.PeriodDtype):
        return pd.array([pd.Period("1970-01-01", freq=dtype.freq)] * 2, dtype=dtype)  # type: ignore[arg-type]
    if isinstance(dtype, pd.IntervalDtype):
        return pd.arrays.IntervalArray.from_breaks([0, 1, 2], dtype=dtype)
    if isinstance(dtype, pd.StringDtype):
        return pd.array(["foo", "foo"], dtype=dtype)
    if isinstance(dtype, np.dtype):
        if dtype.kind == "M":
            return np.array(["1970-01-01", "1970-01-01"], dtype=dtype)
        if dtype.kind == "m":
            return np.array([1, 1], dtype=dtype)
        if dtype.kind == "O":
            return np.array(["foo", "foo"], dtype=object)
        return np.ones(2, dtype=dtype)
    for value in (1, "foo", True, pd.Timestamp("1970-01-01")):
        try:
            return pd.array([value, value], dtype=dtype)
        except (TypeError, ValueError, NotImplementedError, ArithmeticError):
            continue
    return pd.array([None, None], dtype=dtype)


def infer(function: Callable[..., Any], args: Any, kwargs: dict[str, Any], name: str) -> Any:
    """What `function` gives; metas among its arguments stand for data.

    Raises
    ------
    ValueError
        If a user's function fails on a sample and on empty data; the message shows its frame, and how to pass
        ``meta=``. Of pandas' own methods, pandas' error comes as it is.
    """
    try:
        return function(*[sample(arg) for arg in args], **{key: sample(arg) for key, arg in kwargs.items()})
    except Exception as error:  # user code may raise anything
        first = error
    try:
        return function(*args, **kwargs)
    except Exception as error:
        if _is_ours(function) and not any(callable(one) for one in (*args, *kwargs.values())):
            first.__traceback__ = None  # of pandas' inside; what counts is the line that called
            raise _with_nearest(first, args) from None
        raise ValueError(
            f"cannot find what {name} gives: on a sample of two rows it raised {type(first).__name__}: {first}"
            f"{_frame_of(first)}, on empty data {type(error).__name__}: {error}{_frame_of(error)}\n"
            "hint: pass meta=, an empty pandas object like the result, for example\n"
            "  meta=df._meta                          the same columns as before\n"
            "  meta={'x': 'float64', 'name': 'str'}   a dataframe of these columns\n"
            "  meta=('x', 'float64')                  a series"
        ) from first


def _is_ours(function: Any) -> bool:
    module = getattr(function, "__module__", None) or type(function).__module__
    return str(module).startswith("raskal.")


def _with_nearest(error: Exception, args: Any) -> Exception:
    """An error about a label, with the nearest label that there is."""
    frame = next(iter(args), None)
    if not isinstance(error, KeyError) or not isinstance(frame, pd.DataFrame):
        return error
    text = str(error.args[0])
    hint = nearest(text.rpartition("[")[2].strip("[]'"), frame.columns)
    return KeyError(f"{text}\nhint: {hint}")


def nearest(label: Any, labels: Any) -> str:
    """``did you mean ...?``, or what labels there are."""
    import difflib

    near = difflib.get_close_matches(str(label), [str(one) for one in labels], n=1)
    return f"did you mean {near[0]!r}?" if near else f"it has {[*labels]}"


def _frame_of(error: BaseException) -> str:
    """Where in a user's function an error arose."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    known = ("/raskal/", "/site-packages/")
    # Those of compiled code name files that are not there.
    there = [frame for frame in frames if frame.line and not frame.filename.startswith("pandas/")]
    own = [frame for frame in there if not any(one in frame.filename for one in known)]
    return f" ({own[-1].filename}, line {own[-1].lineno}: {own[-1].line})" if own else ""


def emptied(result: Any) -> Any:
    """A result without its rows."""
    if isinstance(result, (pd.DataFrame, pd.Series)):
        return result.iloc[:0]
    return result[:0] if isinstance(result, pd.Index) else result


def has_known_categories(dtype: Any) -> bool:
    """Whether a dtype's categories are those of the data, as far as it is categorical."""
    return not isinstance(dtype, pd.CategoricalDtype) or UNKNOWN_CATEGORIES not in dtype.categories


def is_text(dtype: Any) -> bool:
    """Whether a column may hold text: that of texts, or of objects."""
    return isinstance(dtype, pd.StringDtype) or bool(pd.api.types.is_object_dtype(dtype))


def clear_categories(meta: Any) -> Any:
    """A meta whose categorical columns have unknown categories."""
    if isinstance(meta, pd.DataFrame):
        for label in meta.columns[[isinstance(dtype, pd.CategoricalDtype) for dtype in meta.dtypes]]:
            meta = meta.assign(**{label: clear_categories(meta[label])}) if isinstance(label, str) else meta
        return meta
    if isinstance(meta, pd.Series) and isinstance(meta.dtype, pd.CategoricalDtype):
        return pd.Series(
            pd.Categorical([], categories=[UNKNOWN_CATEGORIES], ordered=meta.dtype.ordered),
            index=meta.index[:0],
            name=meta.name,
        )
    return meta


def function_name(function: Any) -> str:
    """A function's name for messages and plans."""
    name = getattr(function, "__name__", None) or type(function).__name__
    return name.removeprefix("<").removesuffix(">")
