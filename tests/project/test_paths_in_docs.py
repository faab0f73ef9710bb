"""Paths that ARCHITECTURE.md names exist: a map of what is not there is worse than none."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATH = re.compile(r"`((?:crates|python|tests|benchmarks|examples|docs|build_backend|\.ci|requirements)/[\w./-]*)`")


def test_every_path_on_the_map_exists():
    paths = PATH.findall((ROOT / "ARCHITECTURE.md").read_text())
    assert len(paths) >= 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_crate_is_on_the_map_and_none_is_invented():
    named = set(re.findall(r"^\| `(raskal[\w-]*)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE))
    assert named == {manifest.parent.name for manifest in ROOT.glob("crates/*/Cargo.toml")}
