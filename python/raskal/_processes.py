"""How the local engine starts executor processes for ``scheduler="processes"``.

Start at `command`. What the processes do is in `raskal.executor`; when they start and end is the engine's business
(``crates/raskal-runtime/src/local/processes``).
"""

from __future__ import annotations

import sys

__all__ = ["command"]


def command(one_blas_thread: bool) -> list[str]:
    """The command that starts an executor of this process: the same interpreter, finding the same modules.

    Parameters
    ----------
    one_blas_thread : bool
        Whether linear algebra in it runs on one thread, unless the environment says otherwise.

    Returns
    -------
    list of str
    """
    if not sys.executable:
        raise RuntimeError(
            "this Python does not know its own program, so that it can't start another\nhint: use scheduler='threads', "
            "or set sys.executable to the path of a python"
        )
    lines = ["import os, sys", f"sys.path[:] = {sys.path!r}"]
    if one_blas_thread:
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        lines.append(f"for name in {variables!r}: os.environ.setdefault(name, '1')")
    lines.append("from raskal.executor import main\nmain(returns=True)")
    return [sys.executable, "-c", "\n".join(lines)]
