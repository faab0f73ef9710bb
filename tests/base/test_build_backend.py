"""The build backend: the command beside the extension, the profile, and a complete source distribution.

Cargo and maturin are stand-ins here that record what they are asked; `make wheel` runs the real ones.
"""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import sys
import tarfile
import tomllib
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def maturin(monkeypatch):
    """maturin's hooks, which note how they were called."""
    module = types.ModuleType("maturin")
    calls: list[tuple] = []

    def hook(name):
        def call(*args):
            calls.append((name, *args))
            return f"{name}.whl"

        return call

    def metadata(folder, settings=None):
        dist_info = Path(folder) / "raskal-0.1.0.dist-info"
        dist_info.mkdir()
        (dist_info / "METADATA").write_text("Metadata-Version: 2.4\nName: raskal\n")
        return dist_info.name

    for name in ("build_wheel", "build_editable", "get_requires_for_build_wheel"):
        setattr(module, name, hook(name))
    for name in ("get_requires_for_build_editable", "get_requires_for_build_sdist"):
        setattr(module, name, hook(name))
    module.prepare_metadata_for_build_wheel = metadata  # type: ignore[attr-defined]
    module.get_maturin_pep517_args = lambda settings: list((settings or {}).get("build-args", []))  # type: ignore[attr-defined]
    module.calls = calls  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "maturin", module)
    return module


@pytest.fixture
def backend(maturin, monkeypatch, tmp_path):
    """The backend, laying its binary into a folder of the test's own."""
    spec = importlib.util.spec_from_file_location("raskal_build_under_test", ROOT / "build_backend" / "raskal_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SCRIPTS", tmp_path / "data" / "scripts")
    monkeypatch.delenv("RASKAL_BUILD_PROFILE", raising=False)
    monkeypatch.delenv("CARGO", raising=False)
    return module


@pytest.fixture
def cargo(monkeypatch, tmp_path):
    """A `cargo` that notes its arguments and reports a compiled binary, as `--message-format json` does."""
    binary = tmp_path / "target" / "raskal"
    binary.parent.mkdir()
    binary.write_text("the command")
    messages = [
        {"reason": "compiler-artifact", "target": {"name": "libc"}, "executable": None},
        {"reason": "compiler-artifact", "target": {"name": "raskal"}, "executable": str(binary)},
        {"reason": "build-finished", "success": True},
    ]
    (tmp_path / "report.json").write_text("\n".join(map(json.dumps, messages)) + "\n")
    script = tmp_path / "bin" / "cargo"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\ncat "{tmp_path}/report.json"\nexit ${{EXIT:-0}}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    return types.SimpleNamespace(asked=tmp_path / "asked", report=tmp_path / "report.json")


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_wheel_is_built_after_the_command_was_laid_where_maturin_finds_it(backend, maturin, cargo, tmp_path, hook):
    assert getattr(backend, hook)("wheels", None, "metadata") == f"{hook}.whl"
    command = tmp_path / "data" / "scripts" / backend.COMMAND
    assert command.read_text() == "the command"
    assert command.stat().st_mode & stat.S_IXUSR
    assert [p.name for p in command.parent.iterdir()] == [backend.COMMAND]
    assert "build --package raskal-cli --bin raskal --profile release" in cargo.asked.read_text()
    assert maturin.calls == [(hook, "wheels", {"build-args": ["--profile", "release"]}, "metadata")]


def test_profile_of_the_environment_is_used_for_both_crates(backend, maturin, cargo, monkeypatch):
    monkeypatch.setenv("RASKAL_BUILD_PROFILE", "dev")
    backend.build_wheel("wheels")
    assert "--profile dev" in cargo.asked.read_text()
    assert maturin.calls[0][2] == {"build-args": ["--profile", "dev"]}


def test_profile_that_the_caller_gave_maturin_stays(backend, maturin, cargo):
    backend.build_wheel("wheels", {"build-args": ["--profile=bench", "--offline"]})
    assert maturin.calls[0][2] == {"build-args": ["--profile=bench", "--offline"]}


def test_failing_cargo_stops_the_build(backend, maturin, cargo, monkeypatch):
    monkeypatch.setenv("EXIT", "101")
    with pytest.raises(SystemExit, match="failed with exit status 101"):
        backend.build_wheel("wheels")
    assert maturin.calls == []


def test_missing_rust_says_how_to_get_it(backend, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="hint: install Rust with rustup"):
        backend.build_wheel("wheels")


def test_cargo_that_reports_no_binary_is_no_success(backend, cargo):
    cargo.report.write_text('{"reason": "build-finished", "success": true}\n')
    with pytest.raises(RuntimeError, match="reported no binary"):
        backend.build_wheel("wheels")


def test_metadata_needs_neither_cargo_nor_an_earlier_build(backend, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert backend.prepare_metadata_for_build_wheel(str(tmp_path)) == "raskal-0.1.0.dist-info"
    assert backend.SCRIPTS.is_dir()


def test_source_distribution_holds_everything_that_the_build_reads(backend, tmp_path):
    name = backend.build_sdist(str(tmp_path))
    assert name == "raskal-0.1.0.tar.gz"
    with tarfile.open(tmp_path / name) as archive:
        members = {member.removeprefix("raskal-0.1.0/") for member in archive.getnames()}
    expected = ["PKG-INFO", "Cargo.toml", "Cargo.lock", "pyproject.toml", "LICENSE", "build_backend/raskal_build.py"]
    expected += ["python/raskal/raskal.yaml", "python/raskal/py.typed", "python/raskal/config.py"]
    crates = [path.relative_to(ROOT).as_posix() for path in (ROOT / "crates").glob("*/Cargo.toml")]
    assert len(crates) >= 10
    assert set(expected + crates) <= members
    assert "crates/raskal-cli/src/main.rs" in members
    built = [
        m for m in members if m.endswith((".so", ".pyc")) or "__pycache__" in m or m.startswith("python/raskal/bin")
    ]
    assert built == []
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_project_version_and_licence_agree_with_cargo():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
    assert project["version"] == package["version"]
    assert project["license"] == package["license"]
