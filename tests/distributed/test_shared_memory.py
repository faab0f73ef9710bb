"""Large values between a node and its executors: through memory that both map."""

from __future__ import annotations

import numpy as np
import psutil
import pytest

from raskal.distributed import wait

LENGTH = 1_000_000


def change(array):
    """Write to an argument in place; return a copy of what it was, and what it became."""
    before = array.copy()
    array[:] = -1
    return before, array


def test_large_arrays_cross_between_executors_and_each_reader_may_write(client):
    made = client.submit(np.arange, LENGTH)
    changes = client.map(lambda number, array: change(array), range(4), [made] * 4, pure=False)
    for before, after in client.gather(changes):
        np.testing.assert_array_equal(before, np.arange(LENGTH))
        assert (after == -1).all()
    assert client.submit(np.sum, made).result() == LENGTH * (LENGTH - 1) // 2


@pytest.mark.parametrize("dtype", ["datetime64[s]", "S5"])
def test_large_arrays_that_are_no_plain_block_arrive_identical(client, dtype):
    made = client.submit(lambda: np.arange(LENGTH).astype("int64").astype(dtype), pure=False)
    copies = client.map(lambda number, array: array, range(3), [made] * 3, pure=False)
    for copy in client.gather(copies):
        np.testing.assert_array_equal(copy, np.arange(LENGTH).astype("int64").astype(dtype))


def test_memory_that_was_lent_is_given_back(client):
    def files():
        nodes = [psutil.Process(worker["pid"]) for worker in client.scheduler_info()["workers"].values()]
        return sum(process.num_fds() for node in nodes for process in [node, *node.children(recursive=True)])

    def cross():
        arrays = client.map(lambda number: np.full(LENGTH, number), range(8), pure=False)
        sums = client.map(lambda *pair: sum(array.sum() for array in pair), arrays, reversed(arrays), pure=False)
        assert client.gather(sums) == [7 * LENGTH] * 8
        wait(sums)

    cross()
    before = files()
    for _ in range(4):
        cross()
    assert files() <= before + 8
