"""Watching computations: progress bars, and profilers with their pictures and traces.

Start at `ProgressBar` and `Profiler`. Called back for each task: `raskal.callbacks`.
"""

from raskal.callbacks import Callback
from raskal.diagnostics.picture import visualize
from raskal.diagnostics.profile import CacheProfiler, Profiler, ResourceProfiler
from raskal.diagnostics.progress import ProgressBar
from raskal.diagnostics.trace import write_chrome_trace

__all__ = [
    "CacheProfiler",
    "Callback",
    "Profiler",
    "ProgressBar",
    "ResourceProfiler",
    "visualize",
    "write_chrome_trace",
]
