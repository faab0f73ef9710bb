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

    @property
    def manifest(self) -> Path:
        """What was written, and the answers that it must give."""
        return self.folder / "manifest.json"


# 77 bytes a row as CSV: about 1 GB, and about 20 MB.
SIZES = {"full": Size("full", 13_000_000), "small": Size("small", 240_000)}


def table(size: Size, part: int) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Return the rows of one file (seconds in order, everything else random) and, by name, balances' sum and count."""
    rows = size.rows // FILES
    random = np.random.default_rng([SEED, part])
    start = np.datetime64("2024-01-01T00:00:00", "s") + part * rows
    name = random.integers(0, len(NAMES), rows, dtype=np.int32)
    balance = np.round(random.normal(2_500.0, 1_000.0, rows), 2)
    missing = random.random(rows) < MISSING
    columns = {
        "timestamp": pa.array(start + np.arange(rows)),
        "name": pa.DictionaryArray.from_arrays(name, NAMES).cast(pa.string()),
        "id": pa.array(random.integers(900, 1_100, rows)),
        "x": pa.array(random.uniform(-1.0, 1.0, rows)),
        "y": pa.array(random.uniform(-1.0, 1.0, rows)),
        "balance": pa.array(balance, mask=missing),
    }
    sums = np.bincount(name[~missing], balance[~missing], len(NAMES))
    return pa.table(columns), sums, np.bincount(name[~missing], minlength=len(NAMES))


def ensure(size: Size, log: bool = True) -> Size:
    """Write the files of `size` unless they are there already, whole and of this generator; return `size`."""
    wanted = {**asdict(size), "seed": SEED, "files": FILES, "missing": MISSING, "names": len(NAMES), "version": 2}
    if size.manifest.exists() and json.loads(size.manifest.read_text()).get("made from") == wanted:
        if log:
            print(f"data: {size.csv} is there already")
        return size
    # The manifest is written last: a run that was interrupted leaves none, and is made again.
    size.manifest.unlink(missing_ok=True)
    Path(size.parquet).mkdir(parents=True, exist_ok=True)
    sums, counts = np.zeros(len(NAMES)), np.zeros(len(NAMES))
    for part in range(FILES):
        rows, part_sums, part_counts = table(size, part)
        sums += part_sums
        counts += part_counts
        csv_path = size.folder / f"accounts-{part:02d}.csv"
        pa.csv.write_csv(rows, csv_path, pa.csv.WriteOptions(quoting_style="none"))
        pa.parquet.write_table(rows, Path(size.parquet) / f"accounts-{part:02d}.parquet", compression="zstd")
        if log:
            size_mb = os.path.getsize(csv_path) / 1e6
            print(
                f"data: wrote {csv_path.relative_to(ROOT.parent)}, {size_mb:.0f} MB, and its Parquet copy", flush=True
            )
    means = dict(zip(NAMES, (sums / counts).tolist(), strict=True))
    size.manifest.write_text(json.dumps({"made from": wanted, "mean balance": means}, indent=1))
    return size


def expected_means(size: Size) -> dict[str, float]:
    """Return the mean balance of each name, summed up when the files of `size` were written: no reader's answer."""
    return json.loads(size.manifest.read_text())["mean balance"]


def wanted_size() -> Size:
    """Return the size named by the environment variable SIZE ("full" without one)."""
    name = os.environ.get("SIZE") or "full"
    if name not in SIZES:
        sys.exit(f"SIZE={name} is not known; sizes: {', '.join(SIZES)}")
    return SIZES[name]


if __name__ == "__main__":
    ensure(wanted_size())
