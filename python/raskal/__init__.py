"""Parallel NumPy, pandas and Python, from one core to a cluster.

The front doors are `raskal.dataframe`, `raskal.array`, `raskal.delayed` and `raskal.distributed`; `compute` computes
what they describe.
"""

from __future__ import annotations

from raskal import config, memory
from raskal._raskal import __version__
from raskal._versions import show_versions
from raskal.annotations import annotate, get_annotations
from raskal.base import compute, is_dask_collection, persist
from raskal.delayed import delayed
from raskal.tokenize import tokenize
from raskal.visualize import visualize

__all__ = [
    "__version__",
    "annotate",
    "compute",
    "config",
    "delayed",
    "get_annotations",
    "is_dask_collection",
    "memory",
    "persist",
    "show_versions",
    "tokenize",
    "visualize",
]
