"""Functions of whole groups that give a row for each row: rows are dealt out by their keys, and back.

Start at `KeepRows`. Rows are numbered by partition and place before they go; `BackHome` puts them in order again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from raskal.dataframe._groups import LevelGroups, OnGroups

ROW = "__row__"


def numbered(part: pd.DataFrame, number: int) -> pd.DataFrame:
    return part.assign(**{ROW: np.arange(len(part), dtype="int64") + number * 2**40})


def home(part: Any, npartitions: int) -> np.ndarray:
    return (part[ROW].to_numpy() // 2**40).astype(np.int64)


class KeepRows:
    """A function of groups that gives a row per row, beside the numbers of these rows."""

    def __init__(self, on_groups: OnGroups) -> None:
        self.on_groups = on_groups

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        numbers = part[ROW]
        # Numbered labels, so that rows are found again whatever the labels are, and missing keys don't matter.
        plain_part = part.drop(columns=ROW)
        labels = plain_part.index
        rows = plain_part.set_axis(pd.RangeIndex(len(plain_part), name=labels.name), axis=0)
        keeps = not any(callable(key) for key in self.on_groups.groups.by) and not isinstance(
            self.on_groups.groups, LevelGroups
        )
        keeps = keeps and all(key in plain_part.columns for key in self.on_groups.groups.by)
        if not keeps or not labels.is_unique:
            if not keeps:
                found = self.on_groups(plain_part)
                if len(found) != len(part):
                    raise NotImplementedError("this group-by by labels of the index drops rows\nhint: use a column")
                return _beside(found, numbers.to_numpy())
        found = self.on_groups(rows)
        taken = found.index.to_numpy()
        found = found.set_axis(labels.take(taken), axis=0)
        return _beside(found, numbers.to_numpy()[taken])


def _beside(found: Any, numbers: np.ndarray) -> pd.DataFrame:
    frame = found.to_frame(name="__value__") if isinstance(found, pd.Series) else found
    return frame.assign(**{ROW: numbers})


class BackHome:
    def __init__(self, meta: Any) -> None:
        self.meta = meta

    def __call__(self, part: pd.DataFrame) -> Any:
        ordered = part.sort_values(ROW, kind="stable").drop(columns=ROW)
        if isinstance(self.meta, pd.Series):
            return ordered.iloc[:, 0].rename(self.meta.name)  # type: ignore[call-overload]
        return ordered
