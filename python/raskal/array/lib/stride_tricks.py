"""Windows that slide over an array, at NumPy's address: see `raskal.array.overlap`."""

from __future__ import annotations

from raskal.array.windows import sliding_window_view

__all__ = ["sliding_window_view"]
