"""What users ask of tasks beyond their result: `annotate`.

Start at `annotate`. Steps of collections take what is asked where they are made; steps of which nothing was asked
then take what is asked where they are computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from raskal._raskal import Asked, annotating

__all__ = ["annotate", "get_annotations"]

_BY_KEY = ("priority", "retries", "workers", "allow_other_workers", "resources")

_current: ContextVar[Asked | None] = ContextVar("raskal-annotations", default=None)


def current() -> Asked | None:
    """What the innermost block of this context asks."""
    return _current.get()


def get_annotations() -> dict[str, Any]:
    """What is asked of tasks that are made here.

    Examples
    --------
    >>> import raskal
    >>> with raskal.annotate(priority=3):
    ...     raskal.get_annotations()
    {'priority': 3}
    """
    asked = _current.get()
    return dict(asked.all) if asked is not None else {}


@contextmanager
def annotate(**annotations: Any) -> Iterator[None]:
    """Ask something of the tasks that are made inside the block.

    Blocks can be nested; the inner one wins where both ask for the same.

    Parameters
    ----------
    priority : int or callable, optional
        Among tasks that are ready, those of a higher priority run first. A function is given the task's key.
    retries : int or callable, optional
        How often a task that raises is run again before its failure counts.
    workers : str or list of str or callable, optional
        Names, addresses or hosts of the only workers of a cluster to run on. Tasks wait until one of them is there.
    allow_other_workers : bool, optional
        Whether others will do while none of those is there.
    resources : dict, optional
        How much a task takes of each of a worker's named resources (``raskal worker --resources "GPU=2"``) while it
        runs. Tasks wait until a worker has that much left.
    **annotations
        Anything else is kept with the tasks.

    Raises
    ------
    TypeError
        If a value is of the wrong kind.
    ValueError
        If `retries` is negative.

    Notes
    -----
    Threads and processes of this machine act on `priority` and `retries` alone, clusters on all of it. Calls of delayed
    functions and steps of bags, arrays (``map_blocks``) and dataframes (``map_partitions``) take what is asked where
    they are made. Native steps, which are planned together, and all others of which nothing was asked then, take what
    is asked around ``compute`` or ``persist``.

    Source: crates/raskal-graph/src/layer.rs

    Examples
    --------
    >>> import raskal
    >>> with raskal.annotate(retries=2):
    ...     fragile = raskal.delayed(abs)(-1)
    >>> fragile.compute()
    1
    """
    asked = ask({**get_annotations(), **annotations})
    token = _current.set(asked)
    annotating(1)
    try:
        yield
    finally:
        annotating(-1)
        _current.reset(token)


def ask(annotations: Mapping[str, Any]) -> Asked:
    """Checked annotations, as the engine takes them."""
    by_key = any(callable(annotations.get(name)) for name in _BY_KEY)
    plain = {name: value for name, value in annotations.items() if not callable(value)}
    priority = _integer("priority", plain.get("priority", 0))
    retries = _integer("retries", plain.get("retries", 0))
    if retries < 0:
        raise ValueError(f"retries must not be negative, got {retries}")
    others = plain.get("allow_other_workers", False)
    if not isinstance(others, bool):
        raise TypeError(f"allow_other_workers must be a bool, got {others!r}")
    workers, resources = _workers(plain.get("workers")), read_resources(plain.get("resources"))
    return Asked(dict(annotations), priority, retries, workers, others, resources, by_key)


def resolve(annotations: Mapping[str, Any], key: str) -> Asked:
    """The same, with the functions in it called with the key of a task."""
    return ask({name: value(key) if callable(value) else value for name, value in annotations.items()})


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer or a function of a key that gives one, got {value!r}")
    return value


def _workers(value: Any) -> list[str]:
    if value is None:
        return []
    names = [value] if isinstance(value, (str, int)) else value
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, (str, int)) for name in names):
        raise TypeError(f"workers must be a name or a list of names, got {value!r}")
    return sorted(map(str, names)) if isinstance(names, (set, frozenset)) else [str(name) for name in names]


def read_resources(value: Any) -> list[tuple[str, float]]:
    """Amounts of resources by name, sorted; what is not one raises an error."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise TypeError(f"resources must be a dict such as {{'GPU': 1}}, got {value!r}")
    for name, amount in value.items():
        if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not amount >= 0:
            raise ValueError(f"the amount of resource {name!r} must be a number from 0 on, got {amount!r}")
    return sorted((str(name), float(amount)) for name, amount in value.items() if amount)
