"""Parallel NumPy, pandas and Python, from one core to a cluster.

The front doors are `raskal.dataframe`, `raskal.array`, `raskal.delayed` and `raskal.distributed`; `compute` computes
what they describe.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from raskal import config, memory
from raskal._raskal import __version__
from raskal._versions import show_versions
from raskal.annotations import annotate, get_annotations
from raskal.base import compute, is_dask_collection, optimize, persist
from raskal.delayed import delayed
from raskal.graphs import is_task as istask
from raskal.local import get_sync as get
from raskal.tokenize import tokenize
from raskal.visualize import visualize

__all__ = [
    "__version__",
    "annotate",
    "compute",
    "config",
    "delayed",
    "get",
    "get_annotations",
    "is_dask_collection",
    "istask",
    "memory",
    "optimize",
    "persist",
    "show_versions",
    "sql",
    "tokenize",
    "visualize",
]

_MODULES = ("cache", "callbacks", "diagnostics", "graph_manipulation", "multiprocessing", "optimization", "threaded")


def __getattr__(name: str) -> Any:
    """Modules that are imported when they are first used."""
    if name in _MODULES:
        return import_module(f"raskal.{name}")
    if name == "sql":
        # Imported when it is first used: it brings pandas with it.
        return import_module("raskal.dataframe.sql_query").sql
    raise AttributeError(f"module 'raskal' has no attribute {name!r}")
