"""Ctrl-C while a query runs."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import raskal.dataframe as dd


def test_an_interrupt_stops_a_query_at_once_and_the_next_one_has_all_cores(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n" + "".join(f"{n % 7},{n}\n" for n in range(100_000)))
    long = dd.read_csv([path] * 10_000).groupby("a").b.sum()
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    begun = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        long.compute()
    # Ten seconds of work for two cores at the least, were it not stopped.
    assert dd.read_csv(path).b.sum().compute() == sum(range(100_000))
    assert time.monotonic() - begun < 5
