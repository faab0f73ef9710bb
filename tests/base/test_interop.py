"""Dask's collections on raskal, raskal's on Dask, Ray and executors. Against the real packages."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from operator import add
from typing import Any

import numpy as np
import pandas as pd
import pytest

import raskal
import raskal.array as ra
import raskal.dataframe as rd
from raskal import delayed
from raskal.interop.large import LargeGraphWarning, warn
from raskal.tokenize import tokenize

dask = pytest.importorskip("dask")


def inc(x: Any) -> Any:
    return x + 1


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": range(20), "b": [1, 2] * 10})


def collections(frame: pd.DataFrame) -> tuple[Any, ...]:
    array = ra.ones((6, 6), chunks=3) + ra.arange(6, chunks=3)
    return (
        delayed(add)(delayed(inc)(1), 2),
        array.sum(axis=0),
        rd.from_pandas(frame, npartitions=2).groupby("b").a.sum(),
    )


def check(results: Any, frame: pd.DataFrame) -> None:
    value, array, series = results
    assert value == 4
    np.testing.assert_array_equal(array, np.full(6, 6.0) + 6 * np.arange(6))
    pd.testing.assert_series_equal(series, frame.groupby("b").a.sum())


# ---- Dask's collections on raskal


def test_collections_of_dask_are_computed_together(frame):
    import dask.array as da
    import dask.bag as db
    import dask.dataframe as dd

    x = da.arange(100, chunks=30)
    df = dd.from_pandas(frame, npartitions=3)
    bag = db.from_sequence(range(10), npartitions=3).map(inc)
    one = dask.delayed(inc)(1)
    got = raskal.compute(one, x.sum(), df.groupby("b").a.sum(), bag, (x + 1)[::7], [one, {"k": x.max()}], 5)
    assert got[0] == 2
    assert got[1] == 4950
    pd.testing.assert_series_equal(got[2], frame.groupby("b").a.sum(), check_names=False)
    assert got[3] == list(range(1, 11))
    np.testing.assert_array_equal(got[4], np.arange(100)[::7] + 1)
    assert got[5:] == ([2, {"k": 99}], 5)


def test_tasks_of_dask_run_on_threads_of_raskal():
    import threading

    assert raskal.compute(dask.delayed(lambda: threading.current_thread().name)())[0].startswith("raskal")


def test_what_collections_of_dask_share_is_computed_once():
    calls: list[int] = []
    shared = dask.delayed(calls.append)(1)
    raskal.compute(dask.delayed(lambda x: 1)(shared), dask.delayed(lambda x: 2)(shared))
    assert calls == [1]


def test_a_collection_of_dask_is_an_argument_of_a_delayed_call():
    import dask.array as da

    assert delayed(inc)(da.ones(4, chunks=2).sum()).compute() == 5
    assert raskal.is_dask_collection(da.ones(3))


def test_xarray_on_chunks_of_dask():
    xr = pytest.importorskip("xarray")
    values = np.arange(100.0).reshape(10, 10)
    lazy = xr.DataArray(values, dims=("x", "y")).chunk({"x": 5})
    (got,) = raskal.compute(lazy.mean("x"))
    np.testing.assert_array_equal(got.values, values.mean(axis=0))
    eager = xr.DataArray(values)
    assert raskal.compute(eager)[0] is eager


def test_persist_gives_a_collection_of_dask_back():
    import dask.array as da

    calls: list[int] = []

    def block(x: Any) -> Any:
        calls.append(1)
        return x

    x = da.ones(4, chunks=2).map_blocks(block, dtype=float, meta=np.ones(0))
    (kept,) = raskal.persist(x)
    assert isinstance(kept, da.Array)
    count = len(calls)
    assert kept.sum().compute() == 4
    assert len(calls) == count


class Own:
    """A collection of somebody's own, with Dask's protocol and a plain graph."""

    def __init__(self, dsk: dict[str, Any], keys: list[str]) -> None:
        self.dsk = dsk
        self.keys = keys

    def __dask_graph__(self):
        return self.dsk

    def __dask_keys__(self):
        return self.keys

    def __dask_postcompute__(self):
        return tuple, ()

    def __dask_postpersist__(self):
        return Own, (self.keys,)

    def __dask_tokenize__(self):
        return self.keys


def test_a_collection_of_ones_own_is_computed_and_persisted():
    own = Own({"x": 1, "y": (inc, "x"), "unused": (1 / 1,)}, ["x", "y"])
    assert raskal.compute(own, [own]) == ((1, 2), [(1, 2)])
    (kept,) = raskal.persist(own)
    assert kept.dsk == {"x": 1, "y": 2}
    assert delayed(add, pure=True)(own, (3,)).key == delayed(add, pure=True)(own, (3,)).key
    assert delayed(add)(own, (3,)).compute() == (1, 2, 3)


# ---- raskal's collections on other engines


@pytest.fixture(scope="module")
def dask_client() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with distributed.Client(n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        yield client


def test_dask_computes_our_collections(frame):
    assert all(dask.is_dask_collection(collection) for collection in collections(frame))
    check(dask.compute(*collections(frame), scheduler="sync"), frame)
    one = delayed(inc)(1)
    assert dask.compute(dask.delayed(inc)(one), one) == (3, 2)


def test_dask_persists_our_collections(frame):
    value, array, _ = collections(frame)
    kept_value, kept_array = dask.persist(value, array)
    assert kept_value.compute() == 4
    assert isinstance(kept_array, ra.Array)
    check([4, kept_array.compute(), frame.groupby("b").a.sum()], frame)


def test_a_dask_cluster_runs_our_collections(frame, dask_client):
    check(raskal.compute(*collections(frame), scheduler=dask_client), frame)
    check(raskal.compute(*collections(frame), scheduler="dask"), frame)
    check(dask.compute(*collections(frame)), frame)
    assert dask.persist(collections(frame)[1])[0].compute().shape == (6,)


@pytest.mark.parametrize("scheduler", ["dask", "processes", raskal.get, raskal.threaded.get, dask.get])
def test_our_collections_run_elsewhere(scheduler, frame):
    check(raskal.compute(*collections(frame), scheduler=scheduler, num_workers=2), frame)


def test_executors_run_our_collections(frame):
    with ThreadPoolExecutor(2) as threads:
        check(raskal.compute(*collections(frame), scheduler=threads), frame)
        kept = raskal.persist(*collections(frame), scheduler=threads)
        check(raskal.compute(*kept), frame)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        check(raskal.compute(*collections(frame), scheduler=processes), frame)


def test_native_tasks_are_not_sent_to_forks():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        with pytest.raises(ValueError, match="forked processes"):
            raskal.compute(ra.ones(4, chunks=2), scheduler=pool)


def test_ray_runs_our_collections(frame):
    ray = pytest.importorskip("ray")
    try:
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
        check(raskal.compute(*collections(frame), scheduler="ray"), frame)
        with pytest.raises(ZeroDivisionError):
            raskal.compute(delayed(inc)(1) / 0, scheduler="ray")
    finally:
        ray.shutdown()


@pytest.mark.parametrize("scheduler", ["dask", "processes", raskal.get])
def test_errors_come_back_from_other_engines(scheduler):
    with pytest.raises(ZeroDivisionError):
        raskal.compute(delayed(inc)(1) / 0, scheduler=scheduler)


def test_an_executor_is_given_no_task_before_its_inputs_and_forgets_values():
    with ThreadPoolExecutor(3) as pool:
        layer = [delayed(inc)(number) for number in range(20)]
        for _ in range(4):
            layer = [delayed(add)(left, right) for left, right in zip(layer, layer[1:], strict=False)]
        assert raskal.compute(*layer, scheduler=pool) == raskal.compute(*layer)


def test_an_unknown_scheduler_names_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown scheduler 'thread'.*\n.*'threads'"):
        delayed(1).compute(scheduler="thread")


def test_tokens_of_our_collections_are_ours(frame):
    array = collections(frame)[1]
    assert tokenize(array) == tokenize(collections(frame)[1])
    assert dask.base.tokenize(array) == dask.base.tokenize(collections(frame)[1])


def test_a_delayed_value_can_be_awaited():
    async def both() -> tuple[int, int]:
        value = delayed(inc)(1)
        return await value, await value

    assert asyncio.run(both()) == (2, 2)


# ---- large graphs


def test_a_large_graph_is_told_once_with_the_name_of_its_largest_part():
    with pytest.warns(LargeGraphWarning, match=r"the largest part is an argument of load .*19.07 MiB.*job.py:7"):
        warn(20_000_001, 20_000_000, "an argument", "load", "load-1", "job.py:7")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn(20_000_001, 20_000_000, "an argument", "load", "load-2", "job.py:7")
        warn(9_000_000, 9_000_000, "an argument", "load", "load-3", "job.py:8")


def test_large_arguments_that_leave_the_process_are_warned_of():
    data = np.zeros(2_000_000)
    with pytest.warns(LargeGraphWarning, match="an argument of size_of"):

        def size_of(x: Any) -> int:
            return int(x.nbytes)

        assert raskal.compute(delayed(size_of)(data), scheduler="processes", num_workers=1) == (16_000_000,)
