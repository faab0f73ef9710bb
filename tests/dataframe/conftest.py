"""Tables that the tests of dataframes share; puts the folder's helpers on the path."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def people() -> pd.DataFrame:
    """Texts, whole numbers, floats with gaps, dates and truth values."""
    rng = np.random.default_rng(7)
    rows = 200
    frame = pd.DataFrame(
        {
            "name": rng.choice(["Ada", "Bob", "Cyd", "a name longer than twelve"], rows),
            "id": rng.integers(-5, 5, rows),
            "x": rng.normal(size=rows).round(3),
            "when": pd.Timestamp("2024-02-28") + pd.to_timedelta(rng.integers(0, 10**6, rows), unit="s"),
            "ok": rng.random(rows) < 0.5,
        }
    )
    frame["when"] = frame["when"].astype("datetime64[us]")
    frame.loc[rng.random(rows) < 0.1, "x"] = np.nan
    frame.loc[rng.random(rows) < 0.1, "name"] = np.nan
    return frame


@pytest.fixture
def csv_folder(people: pd.DataFrame, tmp_path: Path) -> Path:
    """The table in three CSV files."""
    for number in range(3):
        part = people.iloc[number * 70 : (number + 1) * 70]
        part.to_csv(tmp_path / f"part-{number}.csv", index=False)
    return tmp_path
