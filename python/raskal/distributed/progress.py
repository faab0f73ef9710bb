"""How far futures are: `progress`; and naming what belongs together: `span`."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from raskal.annotations import annotate, get_annotations
from raskal.distributed._containers import futures_of
from raskal.distributed.future import Future

__all__ = ["progress", "span"]

_WIDTH = 40


def progress(
    *futures: Any,
    notebook: bool | None = None,
    multi: bool = True,
    complete: bool = True,
    group_by: Any = "prefix",
    **kwargs: Any,
) -> None:
    """Show a bar on the terminal until futures have ended.

    Parameters
    ----------
    *futures : Future, containers of them, or persisted collections
        What to wait for.
    notebook, multi, group_by
        For Dask's sake: there is one bar, of text, also in a notebook. The dashboard shows one for each layer.
    complete : bool
        Whether the bar is drawn once more at the end.
    """
    found: list[Future] = futures_of(list(futures))
    if not found:
        raise ValueError("there is no future in what was given\nhint: pass futures or persisted collections")
    client = found[0].client._client
    remotes = [future._remote for future in found]
    started = time.monotonic()
    while not client.wait(remotes, False, 0.1):
        _draw(found, started)
    if complete:
        _draw(found, started)
        sys.stdout.write("\n")
        sys.stdout.flush()


def _draw(futures: list[Future], started: float) -> None:
    done = sum(future.done() for future in futures)
    bar = "#" * (_WIDTH * done // len(futures))
    seconds = time.monotonic() - started
    share = f"{100 * done // len(futures)}% Completed | {done}/{len(futures)} | {seconds:.1f} s"
    sys.stdout.write(f"\r[{bar:<{_WIDTH}}] | {share}")
    sys.stdout.flush()


@contextlib.contextmanager
def span(*tags: str) -> Iterator[str]:
    """Name the tasks that are made inside a block, for those who look at them.

    Parameters
    ----------
    *tags : str
        The names, from the outer one to the inner one; blocks can be nested.

    Yields
    ------
    str
        The name of the whole.
    """
    if not tags or not all(isinstance(tag, str) for tag in tags):
        raise ValueError(f"a span needs names, got {tags!r}")
    whole = (*get_annotations().get("span", ()), *tags)
    with annotate(span=whole):
        yield "-".join(whole)
