"""One function on the partitions of several collections that lie alike.

Start at `blockwise`. Collections whose partitions do not lie alike are aligned first: by their divisions if these are
known, by exchanging rows between partitions otherwise. What has one partition and fewer dimensions goes to all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from raskal.dataframe._emulate import NO_DEFAULT, emptied, function_name, infer, make_meta
from raskal.dataframe._tasks import Calls, Each, Lazy, Node, Slot, TaskPlan
from raskal.dataframe.collection import FrameCollection, new_collection


def blockwise(
    function: Callable[..., Any],
    *args: Any,
    meta: Any = NO_DEFAULT,
    name: str | None = None,
    divisions: Any = "same",
    same_labels: bool = True,
    align: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)`` for each partition, with pandas objects in place of lazy collections.

    Parameters
    ----------
    meta : pandas object, optional
        What it gives, empty; found by trial otherwise.
    divisions : tuple, None, or "same"
        The divisions of the result.
    same_labels : bool
        Whether each partition's labels stay in it, so that the result can be aligned with its arguments.
    align : bool
        Whether to align collections of other divisions; else they must have as many partitions.

    Raises
    ------
    ValueError
        If the result can't be inferred, or collections can't be aligned.
    """
    from raskal.delayed import Delayed

    label = name or function_name(function)
    places: list[Any] = [*args, *kwargs.values()]
    keys: list[Any] = [None] * len(args) + list(kwargs)
    lazy = [one for one in places if isinstance(one, (FrameCollection, Delayed))]
    frames = [one for one in lazy if isinstance(one, FrameCollection)]
    if not frames:
        raise TypeError(f"{label} needs a lazy dataframe or series among its arguments")
    if meta is NO_DEFAULT:
        trial_args = [_trial(one) for one in args]
        found = infer(function, trial_args, {key: _trial(one) for key, one in kwargs.items()}, label)
        meta = emptied(found)
    else:
        meta = make_meta(meta)
    plans, count, lead = aligned(frames, align)
    inputs: list[Node] = []
    rows: list[Any] = []
    filled: list[Any] = []
    frame_plans = iter(plans)
    for one in places:
        if isinstance(one, FrameCollection):
            plan = next(frame_plans)
            filled.append(Slot(len(inputs)))
            inputs.append(plan.node)
            rows.append(None if plan.npartitions == count else [[0]] * count)
        elif isinstance(one, Delayed):
            filled.append(Slot(len(inputs)))
            inputs.append(Lazy([one]))
            rows.append([[0]] * count)
        else:
            filled.append(one)
    call_args = tuple(one for key, one in zip(keys, filled, strict=True) if key is None)
    call_kwargs = {key: one for key, one in zip(keys, filled, strict=True) if key is not None}
    node = Calls(count, inputs, rows, function, call_args, call_kwargs, name=label)
    known = lead.divisions if isinstance(divisions, str) else divisions
    if isinstance(meta, pd.Index) and isinstance(frames[0]._meta, pd.Index):
        known = None  # other labels than those that the divisions are of
    return new_collection(TaskPlan(node, known, lead.root if same_labels else None), meta)


def _trial(one: Any) -> Any:
    from raskal.delayed import Delayed

    if isinstance(one, FrameCollection):
        return one._meta
    if isinstance(one, Each):
        return one.values[0] if one.values else None
    return 1 if isinstance(one, Delayed) else one


def aligned(frames: Sequence[FrameCollection], align: bool = True) -> tuple[list[TaskPlan], int, TaskPlan]:
    """The plans of collections whose partitions lie alike, their number, and the plan that says how they lie.

    Raises
    ------
    ValueError
        If they have another number of partitions and may not be aligned.
    """
    ndim = max(frame._meta_ndim for frame in frames)
    wide = [frame for frame in frames if not _broadcast(frame, ndim, align)]
    if not wide:
        wide = [frames[0]]
    plans = {id(frame): frame._task_plan() for frame in frames}
    lead = plans[id(wide[0])]
    others = [plans[id(frame)] for frame in wide[1:]]
    if all(_alike(lead, plan) for plan in others):
        return [plans[id(frame)] for frame in frames], lead.npartitions, lead
    if not align:
        counts = [plans[id(frame)].npartitions for frame in wide]
        if len(set(counts)) == 1:
            return [plans[id(frame)] for frame in frames], lead.npartitions, lead
        raise ValueError(f"collections of {counts} partitions can't be mapped together\nhint: repartition() them first")
    moved = align_frames(wide)
    for frame, other in zip(wide, moved, strict=True):
        plans[id(frame)] = other._task_plan()
    lead = plans[id(wide[0])]
    return [plans[id(frame)] for frame in frames], lead.npartitions, lead


def _broadcast(frame: FrameCollection, ndim: int, align: bool) -> bool:
    if frame.npartitions != 1:
        return False
    return frame._meta_ndim < ndim if align else True


def _alike(left: TaskPlan, right: TaskPlan) -> bool:
    if left.npartitions != right.npartitions:
        return False
    if left.root == right.root:
        return True
    return left.divisions is not None and left.divisions == right.divisions


def align_frames(frames: Sequence[Any]) -> list[Any]:
    """The same collections, moved so that equal labels are in partitions of the same number."""
    if all(frame.known_divisions for frame in frames):
        labels = sorted({one for frame in frames for one in frame.divisions})
        if len(labels) == 1:
            labels = labels * 2
        from raskal.dataframe.repartition import by_divisions

        return [by_divisions(frame, tuple(labels), force=True) for frame in frames]
    if all(frame.npartitions == 1 for frame in frames):
        return list(frames)
    from raskal.dataframe.shuffle import shuffle_index

    count = max(frame.npartitions for frame in frames)
    shuffled = [shuffle_index(frame, count) for frame in frames]
    root = shuffled[0]._plan.root
    for frame in shuffled:
        frame._plan.root = root
    return shuffled
