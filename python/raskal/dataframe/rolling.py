"""Windows that move along the rows.

Start at `Rolling`. A window of some rows, or of a span of time, sees the rows of partitions before it (and behind it,
if it is centred).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from raskal.dataframe.overlap import neighbours

METHODS = ("count sum mean min max std var sem skew kurt median quantile apply cov corr rank aggregate").split()


class Rolling:
    """Windows that move along the rows.

    Parameters
    ----------
    window : int, str or time difference
        Number of rows, or span of the index.
    min_periods : int, optional
        Least number of values that are there.
    center : bool
        Whether the row of a window is its middle.
    win_type : str, optional
        Weights of the rows.
    """

    def __init__(
        self, df: Any, window: Any, min_periods: Any = None, center: bool = False, win_type: Any = None, **kwargs: Any
    ) -> None:
        if kwargs.pop("axis", 0) not in (0, "index"):
            raise NotImplementedError("rolling(axis=1) is not supported\nhint: use map_partitions")
        if kwargs:
            raise TypeError(f"rolling() got unknown arguments {sorted(kwargs)}")
        if isinstance(window, int):
            if isinstance(window, bool) or window < 0:
                raise ValueError("window must be >= 0")
        elif not isinstance(df._meta.index, (pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex)):
            raise ValueError("window must be an integer")
        if min_periods is not None and (not isinstance(min_periods, int) or min_periods < 0):
            raise ValueError("min_periods must be a non-negative integer")
        self._df = df
        self._window = window
        self._options = {"window": window, "min_periods": min_periods, "center": center, "win_type": win_type}
        df._meta.rolling(**self._options)  # pandas' own errors
        if isinstance(window, int):
            before = window // 2 if center else max(window - 1, 0)
            self._before: Any = before
            self._after: Any = window - before - 1 if center and window else 0
        else:
            span = pd.Timedelta(pd.tseries.frequencies.to_offset(window))
            self._before, self._after = (span, span) if center else (span, 0)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The options of the windows."""
        return dict(self._options)

    def __getitem__(self, key: Any) -> Rolling:
        return Rolling(self._df[key], **self._options)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in getattr(self._df, "columns", ()):
            return self[name]
        raise AttributeError(f"'Rolling' object has no attribute {name!r}")

    def _run(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = _Windows(self._options, name, args, kwargs)
        return neighbours(self._df, call, self._before, self._after, name=f"rolling-{name}")


class _Windows:
    """A method of pandas' windows."""

    def __init__(self, options: dict[str, Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.options = options
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.__name__ = f"rolling-{name}"

    def __call__(self, part: Any) -> Any:
        return getattr(part.rolling(**self.options), self.name)(*self.args, **self.kwargs)


def _method(name: str) -> Callable[..., Any]:
    def method(self: Rolling, *args: Any, **kwargs: Any) -> Any:
        return self._run(name, args, kwargs)

    method.__name__ = name
    method.__doc__ = f"As pandas' `{name}` of each window."
    return method


for _name in METHODS:
    setattr(Rolling, _name, _method(_name))
Rolling.agg = Rolling.aggregate  # type: ignore[attr-defined]
