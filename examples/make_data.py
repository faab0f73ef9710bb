"""Write the input of the demo and the benchmarks: bank-like rows as CSV files and as a Parquet copy.

Start at `ensure`. Seeded: the same size gives the same bytes on every machine. What is present is reused. Knows nothing
of raskal, so that the data cannot favour it.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

ROOT = Path(__file__).resolve().parent.parent / "data"
SEED = 20261122
FILES = 10
# One balance in a thousand is missing, as in real exports: a mean that does not skip them shows at once.
MISSING = 0.001
NAMES = (
    "Abebe Aiko Amara Anders Anouk Arjun Astrid Bilal Bruno Camila Chidi Chloe Dalia Darius Diego Ebba Elena Emre "
    "Farah Felix Freya Giulia Goran Hana Hugo Ines Ivan Jamal Jana Joao Kaito Kamala Karim Klara Lars Leila Luca "
    "Magda Malik Marta Mateo Mei Mila Nadia Nils Noor Olga Omar Paulo Petra Priya Quentin Rania Ravi Rosa Sami Sofia "
    "Tariq Tomas Uma Viktor Wanja Xenia Yara Yusuf Zoe"
).split()


@dataclass(frozen=True)
class Size:
    """How much to write, and where: `rows` in all, spread evenly over `FILES` files."""

    name: str
    rows: int

    @property
    def folder(self) -> Path:
        """The folder of this size: `data/` for the full one, so that `data/*.csv` is what the README says."""
        return ROOT if self.name == "full" else ROOT / self.name

    @property
    def csv(self) -> str:
        """The glob of the CSV files."""
        return str(self.folder / "*.csv")

    @property
    def parquet(self) -> str:
        """The folder of the Parquet files."""
        return str(self.folder / "parquet")


# 77 bytes a row as CSV: about 1 GB, and about 20 MB.
SIZES = {"full": Size("full", 13_000_000), "small": Size("small", 240_000)}


def table(size: Size, part: int) -> pa.Table:
    """Return the rows of one file: seconds in order, everything else random."""
    rows = size.rows // FILES
    random = np.random.default_rng([SEED, part])
    start = np.datetime64("2024-01-01T00:00:00", "s") + part * rows
    balance = np.round(random.normal(2_500.0, 1_000.0, rows), 2)
    return pa.table(
        {
            "timestamp": pa.array(start + np.arange(rows)),
            "name": pa.DictionaryArray.from_arrays(random.integers(0, len(NAMES), rows, dtype=np.int32), NAMES).cast(
                pa.string()
            ),
            "id": pa.array(random.integers(900, 1_100, rows)),
            "x": pa.array(random.uniform(-1.0, 1.0, rows)),
            "y": pa.array(random.uniform(-1.0, 1.0, rows)),
            "balance": pa.array(balance, mask=random.random(rows) < MISSING),
        }
    )


def ensure(size: Size, log: bool = True) -> Size:
    """Write the files of `size` unless they are there already, whole and of this generator; return `size`."""
    # The manifest is written last: a run that was interrupted leaves none, and is made again.
    manifest = size.folder / "manifest.json"
    wanted = {**asdict(size), "seed": SEED, "files": FILES, "missing": MISSING, "names": len(NAMES), "version": 1}
    if manifest.exists() and json.loads(manifest.read_text()) == wanted:
        if log:
            print(f"data: {size.csv} is there already")
        return size
    manifest.unlink(missing_ok=True)
    Path(size.parquet).mkdir(parents=True, exist_ok=True)
    for part in range(FILES):
        rows = table(size, part)
        csv_path = size.folder / f"accounts-{part:02d}.csv"
        pa.csv.write_csv(rows, csv_path, pa.csv.WriteOptions(quoting_style="none"))
        pa.parquet.write_table(rows, Path(size.parquet) / f"accounts-{part:02d}.parquet", compression="zstd")
        if log:
            megabytes = os.path.getsize(csv_path) / 1e6
            print(
                f"data: wrote {csv_path.relative_to(ROOT.parent)} ({megabytes:.0f} MB) and its Parquet copy", flush=True
            )
    manifest.write_text(json.dumps(wanted))
    return size


def wanted_size() -> Size:
    """Return the size named by the environment variable SIZE ("full" without one)."""
    name = os.environ.get("SIZE") or "full"
    if name not in SIZES:
        sys.exit(f"SIZE={name} is not known; sizes: {', '.join(SIZES)}")
    return SIZES[name]


if __name__ == "__main__":
    ensure(wanted_size())
