"""What is in `numpy.lib` for NumPy: `stride_tricks`."""

from __future__ import annotations

from raskal.array.lib import stride_tricks

__all__ = ["stride_tricks"]
