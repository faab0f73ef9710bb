"""`make demo` does its job: every answer equals its peer's, on threads and on a cluster that loses a worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.steps import STEPS, difference

ROOT = Path(__file__).parents[2]


@pytest.mark.cluster
@pytest.mark.slow
def test_the_small_demo_ends_well_and_says_so_for_every_step():
    environment = {**os.environ, "SIZE": "small"}
    line = [sys.executable, "-m", "examples.demo"]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout[done.stdout.rindex("answer") :]
    assert "DIFFERS" not in table
    # On threads and on the cluster, and the one that loses a worker.
    assert table.count(" equal") == 2 * len(STEPS) + 1
    assert "killed with SIGKILL" in done.stdout


def test_answers_that_differ_or_do_not_name_the_same_things_are_told_apart():
    assert difference({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0}) == 0.0
    assert difference({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.2}) == pytest.approx(0.2 / 2.2)
    assert difference({"a": 1.0}, {"b": 1.0}) == float("inf")
