"""What a result depends on besides the code: the machine, its load, and the versions of everything.

Start at `describe`.
"""

from __future__ import annotations

import filecmp
import importlib.util
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "pandas", "pyarrow", "dask", "distributed", "ray", "polars", "duckdb", "cloudpickle")
ROOT = Path(__file__).resolve().parent.parent


def describe() -> dict[str, Any]:
    """Return the facts, as plain JSON values."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "rustc": output("rustc", "--version"),
        "commit": output("git", "rev-parse", "--short", "HEAD") + ("-dirty" if changed() else ""),
        "extension": extension(),
        "load_before": round(os.getloadavg()[0], 2),
        "packages": {name: version(name) for name in PACKAGES},
    }


def processor() -> str:
    """Return the processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def extension() -> str:
    """Return whether the extension under test is what the release profile built: another one must not be believed."""
    place = importlib.util.find_spec("raskal")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or Path.home() / ".cache/raskal/target")
    built = target / "release" / "lib_raskal.so"
    if place is None or place.origin is None:
        return "not installed"
    found = Path(place.origin).parent / "_raskal.so"
    if found.exists() and built.exists() and filecmp.cmp(found, built, shallow=False):
        return "release build"
    return "NOT KNOWN to be a release build"


def version(name: str) -> str:
    """Return an installed package's version, or that it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def output(*command: str) -> str:
    """Return what a command prints, "unknown" where it cannot run."""
    try:
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def changed() -> bool:
    """Tell whether a tracked file differs from the commit."""
    return output("git", "status", "--porcelain", "--untracked-files=no") not in ("", "unknown")
