"""Keeping results in memory and in a folder."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import raskal
import raskal.array as da
from raskal import delayed, threaded
from raskal.cache import Cache, DiskCache
from raskal.callbacks import Callback


class Counting:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, value: Any = 1) -> Any:
        self.calls += 1
        return value


def test_a_delayed_call_is_made_once_for_several_computations():
    load = Counting()
    value = delayed(load)(5)
    with Cache("1 MB") as cache:
        assert [(value + 1).compute(), (value + 2).compute(), value.compute()] == [6, 7, 5]
    assert load.calls == 1
    assert (value + 1).compute() == 6
    assert load.calls == 2
    assert len(cache) >= 2


def test_results_of_arrays_are_kept_by_their_content():
    count = Counting()

    def build() -> Any:
        return da.ones((4, 4), chunks=2).map_blocks(np.negative, dtype=float).sum(axis=0)

    with Cache("1 MB"), Callback(finish=lambda *_: count()):
        first, second = build().compute(), build().compute()
    np.testing.assert_array_equal(first, second)
    assert count.calls == 1


def test_keys_that_a_user_chose_are_computed_each_time():
    """Two graphs may use one key for two things."""
    with Cache("1 MB"):
        assert threaded.get({"x": 1, "y": (abs, "x")}, "y") == 1
        assert threaded.get({"x": -2, "y": (abs, "x")}, "y") == 2
        assert delayed(abs)(-3, dask_key_name="y").compute() == 3
        assert delayed(abs)(-4, dask_key_name="y").compute() == 4


def test_the_limit_holds_and_what_was_cheap_for_its_size_goes_first():
    cache = Cache(10_000)
    cache.put("cheap", bytes(4000), seconds=0.001)
    cache.put("dear", bytes(4000), seconds=10)
    cache.put("middling", bytes(4000), seconds=1)
    assert set(cache.known()) == {"dear", "middling"}
    assert cache.total_bytes <= 10_000
    cache.put("too large", bytes(20_000), seconds=100)
    assert "too large" not in cache.known()
    cache.clear()
    assert len(cache) == cache.total_bytes == 0


def test_values_that_cost_too_little_are_not_kept():
    cache = Cache(10_000, limit=1e-3)
    cache.put("quick", bytes(1000), seconds=0.1)
    cache.put("slow", bytes(1000), seconds=10)
    assert set(cache.known()) == {"slow"}


@pytest.mark.parametrize("make", [Cache, lambda limit: DiskCache("unused", limit)])
def test_a_cache_of_no_bytes_is_refused(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="above 0"):
        make(0)


def test_a_folder_keeps_results_for_another_process(tmp_path):
    program = (
        "import sys, raskal.array as da; from raskal.cache import DiskCache\n"
        "with DiskCache(sys.argv[1]) as cache:\n"
        "    print(float((da.arange(100, chunks=10) * 2).sum().compute()), cache.hits, cache.misses)\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert [output.split() for output in outputs] == [["9900.0", "0", "1"], ["9900.0", "1", "0"]]


def test_calls_that_are_not_pure_are_not_kept_in_a_folder(tmp_path):
    load = Counting()
    with DiskCache(tmp_path) as cache:
        delayed(load)(1).compute()
        assert cache.total_bytes == 0
        assert delayed(abs, pure=True)(-1).compute() == delayed(abs, pure=True)(-1).compute() == 1
    assert cache.hits == 1


def test_a_damaged_file_is_computed_again(tmp_path):
    with DiskCache(tmp_path) as cache:
        da.ones(4, chunks=2).sum().compute()
        (file,) = tmp_path.glob("*.result")
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        assert da.ones(4, chunks=2).sum().compute() == 4
    assert cache.hits == 0


def test_a_folder_keeps_to_its_limit_and_drops_the_longest_unused(tmp_path):
    import os

    cache = DiskCache(tmp_path, limit=5000)
    for number in range(4):
        cache.put(f"r{number}", bytes(1500))
        path = cache._path(f"r{number}")
        if path.exists():
            os.utime(path, (number, number))
    assert cache.total_bytes <= 5000
    assert cache.get("r0") is None
    assert cache.get("r3") == bytes(1500)
    cache.put("large", bytes(9000))
    assert cache.get("large") is None
    cache.clear()
    assert cache.total_bytes == 0


def test_what_cannot_be_pickled_is_computed_without_a_word(tmp_path):
    with DiskCache(tmp_path) as cache:
        assert callable(delayed(lambda: lambda: 1, pure=True)().compute())
    assert cache.total_bytes == 0


def test_several_results_of_one_call_are_found_one_by_one():
    with Cache("1 MB"):
        first = da.ones(4, chunks=2).sum()
        assert float(first.compute()) == 4
        assert raskal.compute(first, da.zeros(3, chunks=3).max(), 7) == (4, 0, 7)
