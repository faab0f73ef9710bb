"""Callbacks of local computations."""

from __future__ import annotations

from operator import add
from typing import Any

import pytest

import raskal
import raskal.array as da
from raskal import delayed
from raskal.callbacks import Callback


class Log(Callback):
    """Notes each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def _start(self, dsk):
        self.calls.append(("start", len(dsk)))

    def _start_state(self, dsk, state):
        self.calls.append(("start_state", len(state["ready"]), len(state["waiting"])))

    def _pretask(self, key, dsk, state):
        assert key in dsk
        assert key in state["running"]
        self.calls.append(("pretask", dsk[key]))

    def _posttask(self, key, result, dsk, state, worker_id):
        assert key in state["finished"]
        self.calls.append(("posttask", result))

    def _finish(self, dsk, state, errored):
        self.calls.append(("finish", errored))


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_a_callback_is_told_of_each_step(scheduler):
    with Log() as log:
        assert (delayed(abs)(-1) + 2).compute(scheduler=scheduler) == 3
    assert log.calls == [
        ("start", 2),
        ("start_state", 1, 1),
        ("pretask", "abs"),
        ("posttask", 1),
        ("pretask", "add"),
        ("posttask", 3),
        ("finish", False),
    ]


def test_native_tasks_are_told_of_as_well():
    with Log() as log:
        total = da.ones((4, 4), chunks=2).sum().compute()
    assert total == 16
    assert log.calls[-1] == ("finish", False)
    assert [call[1].sum() for call in log.calls if call[0] == "posttask"][-1] == 16.0


def test_finish_is_told_of_a_failure():
    with Log() as log, pytest.raises(ZeroDivisionError):
        (delayed(1) / 0).compute()
    assert log.calls[-1] == ("finish", True)


def test_what_a_callback_raises_fails_the_computation():
    def refuse(key, *args):
        raise PermissionError(key)

    with Callback(pretask=refuse), pytest.raises(PermissionError):
        delayed(abs)(-1).compute()


def test_values_leave_the_cache_of_the_state_after_their_last_use():
    held: list[set[Any]] = []
    with Callback(posttask=lambda key, result, dsk, state, id: held.append(set(state["cache"].values()))):
        raskal.compute(delayed(add)(delayed(abs)(-1), delayed(abs)(-2)), scheduler="sync")
    assert held == [{1}, {1, 2}, {3}]


def test_what_a_task_computes_is_not_told():
    inner: list[bool] = []

    def nested():
        inner.append(bool(Callback.active))
        return delayed(abs)(-5).compute()

    with Log() as log:
        assert delayed(nested)().compute() == 5
    assert inner == [False]
    assert [call for call in log.calls if call[0] == "pretask"] == [("pretask", "nested")]


def test_registered_callbacks_stay_until_they_are_unregistered():
    log = Log()
    log.register()
    try:
        delayed(abs)(-1).compute()
    finally:
        log.unregister()
    count = len(log.calls)
    delayed(abs)(-1).compute()
    assert count == len(log.calls) == 5
    assert not Callback.active


def test_something_that_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="posttask of a Callback must be a function"):
        Callback(posttask=3)
