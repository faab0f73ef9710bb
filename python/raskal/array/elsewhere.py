"""Names that Dask's arrays have and these do not, with what to use instead.

Start at `missing`, which the modules' ``__getattr__`` raise.
"""

from __future__ import annotations

from difflib import get_close_matches
from types import ModuleType

_PADDING = "overlap(x, depth, boundary) adds what stands beyond the edges; pad(x, ...) does it for one array"

#: What to use instead, by the last part of the module's name and the missing name.
INSTEAD = {
    "array.ARRAY_EXPR_ENABLED": "arrays are always expressions here",
    "array.array_expr_enabled": "arrays are always expressions here",
    "array.assert_eq": "numpy.testing.assert_allclose(x.compute(), y)",
    "array.atop": "blockwise, its present name",
    "array.optimize": "nothing: an expression is optimised when it is computed, and explain() shows how",
    "array.PerformanceWarning": "explain(), which shows how many tasks there are and how large their results",
    "fft.fft_preamble": "nothing: it tells what Dask is",
    "ma.normalize_masked_array": "raskal.tokenize",
    "overlap.add_dummy_padding": _PADDING,
    "overlap.boundaries": _PADDING,
    "overlap.coerce_depth_type": "coerce_depth",
    "overlap.constant": _PADDING,
    "overlap.nearest": _PADDING,
    "overlap.overlap_internal": "overlap(x, depth, boundary='none')",
    "overlap.periodic": _PADDING,
    "overlap.reflect": _PADDING,
}


def missing(module: ModuleType | str, name: str, known: list[str]) -> AttributeError:
    """The error for a name that a module does not have, with what to use instead or the nearest name."""
    label = module if isinstance(module, str) else module.__name__
    instead = INSTEAD.get(f"{label.rpartition('.')[2]}.{name}")
    near = get_close_matches(name, known, 1)
    hint = f"\nhint: use {instead}" if instead else f"\nhint: did you mean {near[0]!r}?" if near else ""
    return AttributeError(f"module {label!r} has no attribute {name!r}{hint}", name=name, obj=None)
