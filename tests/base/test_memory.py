"""Computations that hold more than the memory budget allows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import raskal
from raskal import delayed

MB = 1_000_000


@pytest.fixture
def small_budget(tmp_path: Path) -> Any:
    """A budget of 4 MB, and the folder where the rest goes."""
    with raskal.config.set({"memory-limit": 4 * MB, "temporary-directory": str(tmp_path)}):
        yield tmp_path


def make(number: int) -> np.ndarray:
    return np.random.default_rng(number).random(MB // 8)


def two_means(parts: list[Any]) -> Any:
    """Need all parts twice, with a barrier in between."""
    mean = delayed(sum)([delayed(np.mean)(part) for part in parts])
    return delayed(sum)([delayed(lambda part, mean: float(np.abs(part - mean).sum()))(part, mean) for part in parts])


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_arrays_that_do_not_fit_go_to_disk_and_come_back(small_budget: Path, scheduler: str) -> None:
    before = raskal.memory.usage()["spilled_values"]
    found = two_means([delayed(make)(number) for number in range(20)]).compute(scheduler=scheduler)
    arrays = [make(number) for number in range(20)]
    mean = sum(array.mean() for array in arrays)
    assert found == pytest.approx(sum(np.abs(array - mean).sum() for array in arrays), rel=1e-12)
    assert raskal.memory.usage()["spilled_values"] - before >= 15
    assert [list(folder.iterdir()) for folder in small_budget.iterdir()] == [[]]


def test_any_object_that_pickles_can_leave(small_budget: Path) -> None:
    before = raskal.memory.usage()["spilled_values"]
    tables = [delayed(lambda n: {"name": [f"row {n} {i}" for i in range(20_000)]})(n) for n in range(10)]
    counts = delayed(sum)([delayed(len)(delayed(lambda table: table["name"])(table)) for table in tables])
    first = delayed(lambda tables, count: (count, tables[0]["name"][1], len(tables)))(tables, counts)
    assert first.compute() == (200_000, "row 0 1", 10)
    assert raskal.memory.usage()["spilled_values"] > before


def test_a_folder_that_does_not_work_is_told_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with raskal.config.set({"memory-limit": 4 * MB, "temporary-directory": str(file)}):
        with pytest.raises(OSError, match="(?s)can't be put on disk: cannot make a folder in .*temporary-directory"):
            two_means([delayed(make)(number) for number in range(20)]).compute()
        assert delayed(sum)([1, 2]).compute() == 3


@pytest.mark.parametrize("value", [0, -1, "0MB", "much", True])
def test_a_limit_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="memory-limit"):
        with raskal.config.set({"memory-limit": value}):
            raskal.memory.limit_bytes()


PEAK = """
import resource, sys
import numpy as np
import raskal
from raskal import delayed
MB = 1_000_000
def make(n): return np.random.default_rng(n).random(4 * MB // 8)
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
delayed(make)(0).compute()
base = peak()
parts = [delayed(make)(n) for n in range(100)]
mean = delayed(sum)([delayed(np.mean)(p) for p in parts])
total = delayed(sum)([delayed(lambda p, m: float((p - m).sum()))(p, mean) for p in parts])
total.compute()
print((peak() - base) / raskal.memory.limit_bytes())
"""


def test_the_process_stays_near_its_budget() -> None:
    """400 MB pass through a budget of 80 MB."""
    environment = os.environ | {"RASKAL_MEMORY_LIMIT": "80MB", "RASKAL_NUM_WORKERS": "2"}
    run = subprocess.run([sys.executable, "-c", PEAK], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 1.5


def test_rechunking_between_rows_and_columns_writes_each_byte_once_at_most(tmp_path: Path) -> None:
    import raskal.array as da

    with raskal.config.set({"memory-limit": 20 * MB, "temporary-directory": str(tmp_path)}):
        before = raskal.memory.usage()["spilled_bytes"]
        rows = da.arange(3200 * 3200, chunks=3200 * 100).reshape(3200, 3200).map_blocks(np.negative)
        columns = rows.rechunk((3200, 100))
        found = columns.map_blocks(lambda block: block[::1000].sum(axis=0, keepdims=True), chunks=((1,), (100,) * 32))
        expected = -np.arange(3200 * 3200).reshape(3200, 3200)[::1000].sum(axis=0)
        assert np.array_equal(found.compute()[0], expected)
        spilled = raskal.memory.usage()["spilled_bytes"] - before
    assert 40 * MB < spilled <= rows.nbytes


FULL = """
import subprocess, sys
folder = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", folder], check=True)
import numpy as np
import raskal
from raskal import delayed
MB = 1_000_000
def make(n): return np.random.default_rng(n).random(MB // 8)
kept = raskal.persist(delayed(make)(99))[0]
parts = [delayed(make)(n) for n in range(20)]
mean = delayed(sum)([delayed(np.mean)(p) for p in parts])
total = delayed(sum)([delayed(lambda p, m: float((p - m).sum()))(p, mean) for p in parts])
with raskal.config.set({"memory-limit": 4 * MB, "temporary-directory": folder}):
    try:
        total.compute()
    except OSError as error:
        print(error)
    else:
        print("no error")
    # What is there already is not lost, and what fits is computed.
    assert np.array_equal(kept.compute(), make(99))
    assert delayed(sum)([1, 2]).compute() == 3
"""


def test_a_full_disk_fails_the_computation_that_needs_it_and_nothing_else(tmp_path: Path) -> None:
    inside = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("a small file system of its own needs user namespaces, which this system does not allow")
    line = [*inside, sys.executable, "-c", FULL, str(tmp_path)]
    run = subprocess.run(line, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "can't be put on disk" in run.stdout and "free some space" in run.stdout
