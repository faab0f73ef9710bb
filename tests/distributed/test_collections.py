"""Collections computed on a cluster: the answers are those of the threads of this process."""

from __future__ import annotations

import operator
import os

import numpy as np
import pandas as pd

import raskal
import raskal.array
import raskal.dataframe
from raskal.distributed import Future, wait


def increment(x):
    return x + 1


def double(x):
    return 2 * x


def draw(count):
    parts = [raskal.delayed(increment)(n) for n in range(count)]
    sums = [raskal.delayed(sum)(parts[at : at + 7]) for at in range(0, count, 7)]
    return raskal.delayed(max)([raskal.delayed(double)(part) for part in sums])


def test_a_delayed_graph_runs_on_the_cluster(client):
    assert draw(100).compute() == draw(100).compute(scheduler="threads")
    assert raskal.delayed(os.getpid)().compute() != os.getpid()


def test_several_results_at_once(client):
    x = raskal.delayed(increment)(1)
    assert raskal.compute(x, [x + 1, {"a": x}], 7) == (2, [3, {"a": 2}], 7)


def test_many_small_tasks(client):
    total = raskal.delayed(sum)([raskal.delayed(operator.add)(n, 1) for n in range(5_000)])
    assert total.compute() == sum(range(1, 5_001))


def test_client_compute_gives_futures(client):
    future = client.compute(draw(20))
    assert isinstance(future, Future)
    assert future.result() == draw(20).compute(scheduler="sync")
    one, two = client.compute([draw(3), draw(4)])
    wait([one, two])
    assert client.compute(draw(5), sync=True) == draw(5).compute(scheduler="sync")


def test_persisted_parts_stay_on_the_cluster(client):
    kept = draw(30).persist()
    assert kept.compute() == draw(30).compute(scheduler="sync")
    assert raskal.delayed(double)(kept).compute() == 2 * draw(30).compute(scheduler="sync")


def test_futures_and_lazy_values_mix(client):
    future = client.submit(increment, 10)
    lazy = raskal.delayed(operator.mul)(future, raskal.delayed(increment)(1))
    assert lazy.compute() == 22
    assert client.submit(increment, lazy).result() == 23


def test_a_user_can_name_tasks(client):
    future = client.submit(increment, 1, key="my-own-key")
    assert future.key == "my-own-key"
    assert future.result() == 2


def test_arrays_run_on_the_cluster(client):
    x = raskal.array.arange(10_000, chunks=1_000).reshape(100, 100)
    y = (x + x.T).rechunk((25, 100))
    result = (y.sum(axis=0) - 1).max()
    expected = np.arange(10_000).reshape(100, 100)
    assert int(result.compute()) == ((expected + expected.T).sum(axis=0) - 1).max()
    np.testing.assert_array_equal(y.map_blocks(lambda block: block * 2).compute(), 2 * (expected + expected.T))


def test_large_persisted_parts_can_be_computed_and_computed_with(client):
    kept = raskal.delayed(np.arange)(200_000).persist()
    np.testing.assert_array_equal(kept.compute(), np.arange(200_000))
    assert kept.sum().compute() == 19_999_900_000


def test_dataframes_run_on_the_cluster(client):
    frame = pd.DataFrame({"key": np.arange(1000) % 7, "value": np.arange(1000.0)})
    lazy = raskal.dataframe.from_pandas(frame, npartitions=4)
    expected = frame.groupby("key").value.mean()
    pd.testing.assert_series_equal(lazy.groupby("key").value.mean().compute(), expected)
    doubled = lazy.map_partitions(lambda part: part.assign(value=2 * part.value)).persist()
    pd.testing.assert_series_equal(doubled.groupby("key").value.mean().compute(), 2 * expected)


def test_other_collections_are_arguments_of_delayed_calls_on_the_cluster(client):
    """What puts an array or a frame together travels without its plan, which cannot."""
    array = raskal.array.ones((4, 4), chunks=2) + 1
    frame = raskal.dataframe.from_pandas(pd.DataFrame({"a": range(10)}), npartitions=2)
    total = raskal.delayed(lambda block, table: float(block.sum()) + float(table.a.sum()))(array, frame)
    assert total.compute() == 32 + 45


def test_annotated_calls_are_tried_again_on_the_cluster(client, tmp_path):
    def fragile(folder):
        count = len(list(folder.iterdir()))
        (folder / str(count)).touch()
        if count < 2:
            raise RuntimeError("not yet")
        return count

    with raskal.annotate(retries=2, priority=5):
        result = raskal.delayed(fragile)(tmp_path)
    assert result.compute() == 2
