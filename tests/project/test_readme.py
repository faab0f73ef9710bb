"""What README.md shows works: every Python block is run as it stands, on small data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.make_data import SIZES, ensure

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def heading(block: str) -> str:
    """Return the line that names a block: its first import."""
    return block.splitlines()[0]


def test_the_readme_has_a_block_for_each_front_door():
    assert len(BLOCKS) == 4


@pytest.mark.cluster
@pytest.mark.parametrize("block", BLOCKS, ids=heading)
def test_a_block_of_the_readme_runs(block, tmp_path):
    size = ensure(SIZES["small"], log=False)
    (tmp_path / "data").symlink_to(size.folder)
    # The only change: an array that a test can afford.
    code = block.replace("8_000", "400").replace("1_000)", "50)")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'python'}:{os.environ.get('PYTHONPATH', '')}"}
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
