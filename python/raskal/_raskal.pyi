"""Types of the extension module, built from crates/raskal-py. One block per Rust file, in its order."""

from typing import Any, final

# ---- program.rs

@final
class ProgramBuilder:
    """Collects the layers of a computation."""

    def __new__(cls) -> ProgramBuilder: ...
    def add_persisted(self, prefix: str, handle: Persisted) -> list[int]:
        """Add a layer of values that exist already, and return its task numbers."""

    def describe(self) -> dict[str, Any]:
        """The graph so far: `nodes` (dicts of id, key, layer, function) and `edges` (pairs of ids)."""

# ---- engine.rs

@final
class Persisted:
    """Values that an engine holds for persisted collections."""
