"""pandas' methods that the engine has exactly: as expressions of its own, without a call of Python.

Start at `lowered`. Each entry of `LOWERED` gives the expression for arguments that it understands, and None for others,
with which pandas runs. What is not exactly pandas' (text that is stripped of any white space, rounding to even) is not
here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from raskal.dataframe._convert import series_name
from raskal.dataframe._operators import _scalar, plain

VALUES_MAX = 10_000

# Patterns that all dialects of regular expressions read alike.
SIMPLE_PATTERN = re.compile(r"[A-Za-z0-9 _\-.*+?|()^,:;/@#%&=<>'\"!~]*", re.ASCII)
LITERAL_PATTERN = re.compile(r"[A-Za-z0-9 _\-,:;/@#%&=<>'\"!~]*", re.ASCII)

DATE_PARTS = {
    "year": "year",
    "month": "month",
    "day": "day",
    "hour": "hour",
    "minute": "minute",
    "second": "second",
    "quarter": "quarter",
    "dayofyear": "doy",
    "day_of_year": "doy",
}


def lowered(call: Any, series: Any, args: tuple[Any, ...], kwargs: dict[str, Any], meta: Any) -> Any:
    """The engine's plan of ``call(series, *args, **kwargs)``, or None if it has no exact counterpart.

    Parameters
    ----------
    call : MethodCall
    series : Series
        Of a plan of the engine.
    meta : Series
        What pandas gives, empty.

    Returns
    -------
    Frame or None
    """
    make = LOWERED.get((call.accessor, call.name))
    if make is None or not isinstance(meta, pd.Series) or not plain(series.dtype):
        return None
    try:
        return make(_Target(series, meta), *args, **kwargs)
    except (TypeError, NotImplementedError, pa.ArrowException, OverflowError):
        return None  # arguments that only pandas understands


class _Target:
    """The series that a method is called on, and what becomes of it."""

    def __init__(self, series: Any, meta: pd.Series) -> None:
        self.series = series
        self.frame = series._frame
        self.dtype = series.dtype
        self.meta = meta
        self.name = series_name(meta.name)

    def call(self, function: str, *arguments: Any, dtype: Any = None) -> Any:
        """A function of the engine; arguments are frames, and constants as arrays."""
        return self.frame.call(function, list(arguments), dtype, self.name)

    def arrow(self) -> pa.DataType | None:
        """The result's type, where NumPy's is plain."""
        dtype = self.meta.dtype
        return pa.from_numpy_dtype(dtype) if isinstance(dtype, np.dtype) and dtype.kind in "biuf" else None


def constant(value: Any) -> pa.Array:
    """A constant of the engine."""
    return pa.array([value])


def _text(value: Any) -> bool:
    return isinstance(value, str)


# ---- text


def _starts(function: str) -> Callable[..., Any]:
    def make(target: _Target, pat: Any, **options: Any) -> Any:
        if options or not _text(pat):
            return None
        return target.call("is_true", target.call(function, target.frame, constant(pat)))

    return make


def _contains(target: _Target, pat: Any, case: bool = True, flags: int = 0, regex: bool = True, **options: Any) -> Any:
    if options or not case or flags or not _text(pat):
        return None
    if not regex or LITERAL_PATTERN.fullmatch(pat):
        found = target.call("contains", target.frame, constant(pat))
    elif SIMPLE_PATTERN.fullmatch(pat):
        found = target.call("regexp_like", target.frame, constant(pat))
    else:
        return None
    return target.call("is_true", found)


def _len(target: _Target) -> Any:
    return target.call("character_length", target.frame, dtype=pa.int64())


def _slice(target: _Target, start: Any = None, stop: Any = None, step: Any = None) -> Any:
    start = 0 if start is None else start
    whole = isinstance(start, int) and (stop is None or isinstance(stop, int))
    if not whole or start < 0 or step not in (None, 1) or (stop is not None and stop < 0):
        return None
    if stop is None:
        return target.call("substr", target.frame, constant(start + 1))
    return target.call("substr", target.frame, constant(start + 1), constant(max(stop - start, 0)))


def _item(target: _Target, key: Any) -> Any:
    return _slice(target, key.start, key.stop, key.step) if isinstance(key, slice) else None


def _replace(target: _Target, pat: Any, repl: Any = None, n: int = -1, case: Any = None, flags: int = 0,
             regex: bool = False) -> Any:  # fmt: skip
    if regex or n != -1 or case is not None or flags or not pat or not _text(pat) or not _text(repl):
        return None
    return target.call("replace", target.frame, constant(pat), constant(repl))


# ---- dates and times


def _naive(target: _Target) -> bool:
    return isinstance(target.dtype, np.dtype) and target.dtype.kind == "M"


def _part(part: str) -> Callable[..., Any]:
    def make(target: _Target) -> Any:
        return target.call("date_part", constant(part), target.frame, dtype=pa.int32()) if _naive(target) else None

    return make


def _weekday(target: _Target) -> Any:
    if not _naive(target):
        return None
    sunday = target.call("date_part", constant("dow"), target.frame, dtype=pa.int64())
    # The engine's weeks begin on Sunday, pandas' on Monday.
    shifted = sunday.binary_scalar("add", constant(6), False)
    wrapped = target.call("case", shifted.binary_scalar("ge", constant(7), False),
                          shifted.binary_scalar("sub", constant(7), False), shifted)  # fmt: skip
    return target.call("itself", wrapped, dtype=pa.int32())


# ---- any values


def _abs(target: _Target) -> Any:
    return target.frame.unary("abs")


def _isin(target: _Target, values: Any) -> Any:
    if isinstance(values, (str, dict)) or not hasattr(values, "__iter__") or isinstance(values, pd.DataFrame):
        return None
    listed = list(values)
    present = [one for one in listed if not pd.isna(one)]
    if len(listed) > VALUES_MAX or not all(_alike(one, target.dtype) for one in present):
        return None
    found = None
    if present:
        constants = pa.array([pd.Timestamp(one) for one in present]) if _naive(target) else pa.array(present)
        found = target.call("in", target.frame, constants)
    if len(present) < len(listed) or found is None:
        missing = target.call("missing", target.frame)
        if len(present) == len(listed):
            missing = target.call("case", missing, constant(False), constant(False))
        found = missing if found is None else found.binary("or_", missing)
    return found


def _alike(value: Any, dtype: Any) -> bool:
    """Whether a value is of the kind that a dtype holds."""
    if isinstance(dtype, pd.StringDtype):
        return isinstance(value, str)
    if isinstance(value, (bool, np.bool_)) or dtype.kind == "b":
        return isinstance(value, (bool, np.bool_)) and dtype.kind == "b"
    if dtype.kind == "M":
        return isinstance(value, (pd.Timestamp, np.datetime64)) and pd.Timestamp(value).tz is None
    # Whole numbers with whole numbers: beyond 2**53 a float is not what it seems.
    return isinstance(value, (int, np.integer)) or (dtype.kind == "f" and isinstance(value, (float, np.floating)))


def _other(target: _Target, other: Any) -> Any:
    """A replacement as an argument of the engine."""
    from raskal.dataframe.series import Series

    if isinstance(other, Series):
        same = type(other) is Series and other._frame is not None and target.frame.same_rows(other._frame)
        return other._frame if same and plain(other.dtype) else None
    if other is None or (np.isscalar(other) and bool(pd.isna(other))):  # type: ignore[arg-type]
        return pa.array([None], type=target.arrow() or _stored(target))
    return _scalar(other, target.dtype)


def _stored(target: _Target) -> pa.DataType:
    return target.frame.schema.field(-1).type


def _same_kind(target: _Target) -> bool:
    """Whether the result holds what the series holds, and gaps."""
    own, result = target.dtype, target.meta.dtype
    numbers = isinstance(own, np.dtype) and isinstance(result, np.dtype) and own.kind in "iuf" and result.kind in "iuf"
    return bool(own == result) or numbers


def _chosen(inverse: bool) -> Callable[..., Any]:
    def make(target: _Target, cond: Any, other: Any = np.nan, **options: Any) -> Any:
        from raskal.dataframe.series import Series

        known = type(cond) is Series and cond._frame is not None and cond.dtype == "bool"
        if options or not known or not target.frame.same_rows(cond._frame) or not _same_kind(target):
            return None
        replacement = _other(target, other)
        if replacement is None:
            return None
        yes, no = (replacement, target.frame) if inverse else (target.frame, replacement)
        return target.call("case", cond._frame, yes, no, dtype=target.arrow())

    return make


def _clip(target: _Target, lower: Any = None, upper: Any = None, **options: Any) -> Any:
    bounds = [one for one in (lower, upper) if one is not None]
    simple = all(isinstance(one, (int, float)) and not pd.isna(one) for one in bounds)
    if options or not simple or not bounds or not _same_kind(target) or target.dtype.kind not in "iuf":
        return None
    if lower is not None and upper is not None and lower > upper:
        return None
    frame = target.frame
    for name, bound in (("lt", lower), ("gt", upper)):
        if bound is not None:
            frame = target.call("case", frame.binary_scalar(name, constant(bound), False), constant(bound), frame)
    return target.call("itself", frame, dtype=target.arrow())


def _between(target: _Target, left: Any, right: Any, inclusive: str = "both") -> Any:
    from raskal.dataframe.series import Series

    if inclusive not in ("both", "left", "right", "neither"):
        return None
    low = target.series >= left if inclusive in ("both", "left") else target.series > left
    high = target.series <= right if inclusive in ("both", "right") else target.series < right
    found = low & high
    return found._frame if type(found) is Series else None


def _astype(target: _Target, dtype: Any) -> Any:
    own, result = target.dtype, target.meta.dtype
    if own == result:
        return target.frame
    if isinstance(result, pd.StringDtype):
        whole = isinstance(own, np.dtype) and own.kind in "iu" and result.na_value is not pd.NA
        return target.call("itself", target.frame, dtype=pa.string_view()) if whole else None
    arrow = target.arrow()
    # Whole numbers that may have gaps in a plan can't become others: pandas would have floats there, and refuse.
    numbers = isinstance(own, np.dtype) and isinstance(result, np.dtype)
    widens = numbers and np.can_cast(own, result, "safe") and result.kind == "f"  # type: ignore[arg-type]
    return target.call("itself", target.frame, dtype=arrow) if widens and arrow is not None else None


LOWERED: dict[tuple[str | None, str], Callable[..., Any]] = {
    ("str", "startswith"): _starts("starts_with"),
    ("str", "endswith"): _starts("ends_with"),
    ("str", "contains"): _contains,
    ("str", "len"): _len,
    ("str", "slice"): _slice,
    ("str", "__getitem__"): _item,
    ("str", "replace"): _replace,
    **{("dt", name): _part(part) for name, part in DATE_PARTS.items()},
    **dict.fromkeys([("dt", "dayofweek"), ("dt", "day_of_week"), ("dt", "weekday")], _weekday),
    (None, "abs"): _abs,
    (None, "isin"): _isin,
    (None, "where"): _chosen(False),
    (None, "mask"): _chosen(True),
    (None, "clip"): _clip,
    (None, "between"): _between,
    (None, "astype"): _astype,
}
