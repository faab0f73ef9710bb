"""Some random schedules of kills, played by the command that plays a thousand of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.cluster
@pytest.mark.slow
def test_kills_and_hangs_change_no_result_and_leave_nothing_waiting():
    command = [sys.executable, str(Path(__file__).with_name("chaos.py")), "--schedules", "8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-4_000:]
    assert "8 schedules" in done.stdout
    assert "nothing wrong, nothing hangs" in done.stdout
