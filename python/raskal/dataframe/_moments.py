"""Mean, variance, skewness and kurtosis of parts, by moments that can be put together.

Start at `Moments`; `merge_moments` puts those of parts together, `FromMoments` gives the statistic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def as_table(part: Any) -> pd.DataFrame:
    if isinstance(part, pd.Index):
        part = part.to_series()
    frame = part.to_frame(name="0") if isinstance(part, pd.Series) else part
    return frame.set_axis(range(frame.shape[1]), axis=1)


class Moments:
    """Number, mean and central sums up to an order, of each column of a partition."""

    def __init__(self, order: int, skipna: bool) -> None:
        self.order = order
        self.skipna = skipna

    def __call__(self, part: Any) -> np.ndarray:
        frame = as_table(part)
        rows = []
        for place in frame.columns:
            column = frame[place]
            if pd.api.types.is_datetime64_any_dtype(column.dtype) or column.dtype.kind == "m":
                valid = column.dropna()
                numbers = valid.astype("int64").to_numpy(dtype="float64")
                if not self.skipna and len(valid) < len(column):
                    numbers = np.full(1, np.nan)
            else:
                numbers = column.to_numpy(dtype="float64", na_value=np.nan)
                numbers = numbers[~np.isnan(numbers)] if self.skipna else numbers
            mean = numbers.mean() if len(numbers) else 0.0
            apart = numbers - mean
            sums = [(apart**power).sum() for power in range(2, self.order + 1)]
            rows.append([len(numbers), mean, *sums])
        return np.array(rows, dtype="float64").reshape(len(frame.columns), 1 + self.order)


def merge_moments(parts: list[np.ndarray]) -> np.ndarray:
    """Moments of the rows of all parts (Chan's and Pebay's formulas, pair by pair)."""
    total = parts[0]
    for part in parts[1:]:
        total = _merge_two(total, part)
    return total


def _merge_two(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    a, b = left[:, 0], right[:, 0]
    n = a + b
    with np.errstate(invalid="ignore", divide="ignore"):
        delta = right[:, 1] - left[:, 1]
        share = np.where(n > 0, b / n, 0.0)
        out = np.empty_like(left)
        out[:, 0] = n
        out[:, 1] = np.where(a == 0, right[:, 1], left[:, 1] + delta * share)
        product = np.where(n > 0, a * b / n, 0.0)
        if left.shape[1] > 2:
            out[:, 2] = left[:, 2] + right[:, 2] + delta**2 * product
        if left.shape[1] > 3:
            third = delta**3 * product * np.where(n > 0, (a - b) / n, 0.0)
            out[:, 3] = left[:, 3] + right[:, 3] + third
            out[:, 3] += 3 * delta * np.where(n > 0, (a * right[:, 2] - b * left[:, 2]) / n, 0.0)
        if left.shape[1] > 4:
            square = np.where(n > 0, (a * a - a * b + b * b) / n**2, 0.0)
            out[:, 4] = left[:, 4] + right[:, 4] + delta**4 * product * square
            mixed = np.where(n > 0, (a * a * right[:, 2] + b * b * left[:, 2]) / n**2, 0.0)
            out[:, 4] += 6 * delta**2 * mixed
            out[:, 4] += 4 * delta * np.where(n > 0, (a * right[:, 3] - b * left[:, 3]) / n, 0.0)
    return out


class FromMoments:
    """A statistic of merged moments, with pandas' dtype."""

    def __init__(self, name: str, options: dict[str, Any], meta: Any) -> None:
        self.name = name
        self.options = options
        self.meta = meta

    def __call__(self, parts: list[np.ndarray]) -> Any:
        values = _statistic(self.name, merge_moments(parts), self.options)
        if not isinstance(self.meta, pd.DataFrame):
            dtype = self.meta.dtype
            return _typed(values[0], dtype, self.name)
        dtypes = list(self.meta.dtypes)
        typed = [_typed(value, dtype, self.name) for value, dtype in zip(values, dtypes, strict=True)]
        return pd.Series(typed, index=self.meta.columns)


def _typed(value: float, dtype: Any, name: str) -> Any:
    if getattr(dtype, "kind", "") == "m" or isinstance(dtype, pd.DatetimeTZDtype) or getattr(dtype, "kind", "") == "M":
        unit = getattr(dtype, "unit", None) or np.datetime_data(dtype)[0]
        if np.isnan(value):
            return pd.NaT
        whole = int(value)
        if name == "mean" and dtype.kind == "M":
            stamp = pd.Timestamp(whole, unit=unit).as_unit(unit)  # type: ignore[arg-type]
            return stamp.tz_localize("UTC").tz_convert(dtype.tz) if isinstance(dtype, pd.DatetimeTZDtype) else stamp
        return pd.Timedelta(whole, unit=unit).as_unit(unit)  # type: ignore[arg-type]
    return np.float32(value) if dtype == "float32" else np.float64(value)


def _statistic(name: str, moments: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    n = moments[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        if name == "mean":
            return np.where(n > 0, moments[:, 1], np.nan)
        if name in ("var", "std", "sem"):
            ddof = options.get("ddof", 1)
            variance = np.where(n - ddof > 0, moments[:, 2] / (n - ddof), np.nan)
            if name == "var":
                return variance
            return np.sqrt(variance) if name == "std" else np.sqrt(variance / n)
        second = moments[:, 2] / n
        flat = second <= (np.finfo(float).resolution * np.abs(moments[:, 1])) ** 2
        if name == "skew":
            found = np.where(flat, np.nan, moments[:, 3] / n / second**1.5)
            if not options.get("bias", True):
                found = np.where(n > 2, np.sqrt((n - 1.0) * n) / (n - 2.0) * found, found)
            return found
        found = np.where(flat, np.nan, moments[:, 4] / n / second**2)
        if not options.get("bias", True):
            found = np.where(n > 3, 1.0 / (n - 2) / (n - 3) * ((n**2 - 1.0) * found - 3 * (n - 1) ** 2.0) + 3.0, found)
        return found - 3 if options.get("fisher", True) else found
