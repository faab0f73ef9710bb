"""The versions that matter for a bug report.

Start at `show_versions`. It imports nothing: versions are read from what is installed.
"""

from __future__ import annotations

import json
import os
import platform

# What raskal needs, then what it works with when it is there.
_REQUIRED = ["raskal", "numpy", "pandas", "pyarrow", "cloudpickle", "pyyaml"]
_OPTIONAL = ["fsspec", "scipy", "dask", "distributed", "polars", "duckdb", "cairosvg", "ipython", "zarr", "h5py"]


def versions() -> dict[str, str | None]:
    """Name and version of Python, the platform, and every package that raskal uses; None for what is not installed."""
    found: dict[str, str | None] = {
        "Python": platform.python_version(),
        "Python implementation": platform.python_implementation(),
        "Platform": platform.platform(),
        "Cores": str(_cores()),
    }
    for name in [*_REQUIRED, *_OPTIONAL]:
        found[name] = _version(name)
    return found


def show_versions() -> None:
    """Print the versions of Python, the platform and the packages that raskal uses, as JSON.

    Examples
    --------
    >>> show_versions()  # doctest: +ELLIPSIS
    {
      "Python": "...
    """
    print(json.dumps(versions(), indent=2))


def _version(name: str) -> str | None:
    # Takes as long to import as the rest of raskal; only asked for here.
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        if name == "raskal":  # used from a checkout that was not installed
            import raskal

            return getattr(raskal, "__version__", None)
        return None


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this platform
        return os.cpu_count() or 1
