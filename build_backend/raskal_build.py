"""The build backend behind `pip install .`: maturin's, with the `raskal` command beside the extension.

Start at `build_wheel`. maturin builds one crate per wheel; this builds the second one (crates/raskal-cli) and lays its
binary where maturin's `data` setting ships it as a script. It needs nothing but maturin and the standard library.

Environment:
    RASKAL_BUILD_PROFILE   cargo profile of both crates: `release` (default) or `dev` for a quick build
    CARGO_TARGET_DIR       honoured as cargo does, so that builds share compiled dependencies
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import maturin
from maturin import (  # the hooks that need no change
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "build_backend" / "data" / "scripts"
COMMAND = "raskal.exe" if sys.platform == "win32" else "raskal"

# What a source distribution holds, besides PKG-INFO: everything that the two crates and the package are built from.
SOURCES = ["Cargo.toml", "Cargo.lock", "pyproject.toml", "rustfmt.toml", "README.md", "LICENSE", "CHANGELOG.md"]
SOURCE_FOLDERS = ["build_backend", "crates", "python"]
BUILT = [ROOT / "build_backend" / "data", ROOT / "python" / "raskal" / "bin"]
NOT_SOURCE = {"__pycache__", "target"}
NOT_SOURCE_SUFFIXES = {".so", ".pyd", ".dylib", ".pyc", ".tmp"}

ConfigSettings = Mapping[str, Any] | None


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: ConfigSettings = None) -> str:
    """Write the wheel's metadata without compiling anything, and return the folder's name."""
    make(SCRIPTS)  # maturin wants its `data` folder to exist even then
    return maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """Build the command, then the wheel with it, and return the wheel's file name."""
    build_command()
    return maturin.build_wheel(wheel_directory, with_profile(config_settings), metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """As `build_wheel`, with the Python files used from the checkout."""
    build_command()
    return maturin.build_editable(wheel_directory, with_profile(config_settings), metadata_directory)


def build_sdist(sdist_directory: str, config_settings: ConfigSettings = None) -> str:
    """Pack the sources of the whole workspace and return the archive's file name.

    Not maturin's: it packs the extension's crate and what that depends on, which leaves the command's crate out.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    top = f"{project['name']}-{project['version']}"
    scratch = Path(sdist_directory) / f".{top}.metadata"
    try:
        dist_info = prepare_metadata_for_build_wheel(str(make(scratch)), config_settings)
        archive_name = f"{top}.tar.gz"
        with tarfile.open(Path(sdist_directory) / archive_name, "w:gz") as archive:
            archive.add(scratch / dist_info / "METADATA", f"{top}/PKG-INFO")
            for path in source_files():
                archive.add(path, f"{top}/{path.relative_to(ROOT).as_posix()}", recursive=False)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return archive_name


def source_files() -> Iterator[Path]:
    """The files of a source distribution, in a stable order."""
    yield from (ROOT / name for name in SOURCES if (ROOT / name).is_file())
    for folder in SOURCE_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            if any(path.is_relative_to(built) for built in BUILT):
                continue
            if path.is_file() and not NOT_SOURCE.intersection(parts[:-1]) and path.suffix not in NOT_SOURCE_SUFFIXES:
                yield path


def build_command() -> None:
    """Compile crates/raskal-cli and copy its binary to where maturin's `data` setting finds it."""
    binary = compiled_command(profile())
    target = make(SCRIPTS) / COMMAND
    shutil.copyfile(binary, scratch := target.with_suffix(".tmp"))
    scratch.chmod(0o755)
    os.replace(scratch, target)


def compiled_command(profile_name: str) -> Path:
    """Compile the command and return the path that cargo says its binary has."""
    arguments = ["build", "--package", "raskal-cli", "--bin", "raskal", "--profile", profile_name]
    if (ROOT / "Cargo.lock").is_file():
        arguments.append("--locked")
    report = run_cargo(*arguments, "--message-format", "json-render-diagnostics")
    for line in report.splitlines():
        message = json.loads(line)
        if (
            message.get("reason") == "compiler-artifact"
            and message["target"]["name"] == "raskal"
            and message.get("executable")
        ):
            return Path(message["executable"])
    raise RuntimeError(f"cargo {' '.join(arguments)} succeeded but reported no binary named 'raskal'")


def run_cargo(*arguments: str) -> str:
    """Run cargo in the workspace and return its standard output; its diagnostics go to the terminal."""
    cargo = os.environ.get("CARGO") or shutil.which("cargo")
    if cargo is None:
        raise SystemExit(
            "raskal is built with Rust, and `cargo` is not on PATH\n"
            "hint: install Rust with rustup, open a new shell, and try again"
        )
    print(f"Running `cargo {' '.join(arguments)}`", flush=True)
    result = subprocess.run([cargo, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(
            f"cargo {' '.join(arguments)} failed with exit status {result.returncode}; its messages are above"
        )
    return result.stdout


def with_profile(config_settings: ConfigSettings) -> dict[str, Any]:
    """maturin's settings with our cargo profile, unless the caller chose one there."""
    settings = dict(config_settings or {})
    chosen = maturin.get_maturin_pep517_args(settings)
    if not any(arg == "--release" or arg.startswith("--profile") for arg in chosen):
        settings.pop("maturin.build-args", None)
        settings["build-args"] = [*chosen, "--profile", profile()]
    return settings


def profile() -> str:
    """The cargo profile both crates are built with."""
    return os.environ.get("RASKAL_BUILD_PROFILE") or "release"


def make(folder: Path) -> Path:
    """`folder`, which exists afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
