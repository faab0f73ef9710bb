"""Watching computations: progress bars on the terminal and in notebooks.

Start at `ProgressBar`.
"""

from raskal.diagnostics.progress import ProgressBar

__all__ = ["ProgressBar"]
