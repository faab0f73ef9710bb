"""Where tasks run and in which order, as users ask for it: workers, resources, priorities, retries."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import raskal
import raskal.array as da
import raskal.bag as db
import raskal.dataframe as dd
from raskal.distributed import Client, LocalCluster, get_worker, wait


@pytest.fixture(scope="module")
def gpu() -> Iterator[Client]:
    """One worker of two threads that has one GPU."""
    with LocalCluster(n_workers=1, threads_per_worker=2, resources={"GPU": 1}) as cluster, Client(cluster) as client:
        yield client


def whose() -> int:
    """The process of the worker that runs the task."""
    return get_worker().info["pid"]


def pids(client: Client) -> dict[str, int]:
    """The process of each worker, by name."""
    return {worker["name"]: worker["pid"] for worker in client.scheduler_info()["workers"].values()}


def alone(folder: str, number: int) -> int:
    """Fails if another such task runs."""
    with open(os.path.join(folder, "lock"), "x"):
        time.sleep(0.01)
    os.remove(os.path.join(folder, "lock"))
    return number


def note(folder: str, name: str) -> None:
    with open(os.path.join(folder, "order"), "a") as file:
        file.write(name + "\n")


def wait_for_file(path: str) -> None:
    while not os.path.exists(path):
        time.sleep(0.005)


def fail_first(folder: str, times: int) -> int:
    tries = len(os.listdir(folder))
    Path(folder, str(tries)).touch()
    if tries < times:
        raise ValueError(f"try {tries}")
    return tries


def test_tasks_run_on_the_workers_that_they_name(client):
    for name, pid in pids(client).items():
        assert client.submit(whose, workers=name, pure=False).result() == pid
        assert client.gather(client.map(lambda _: whose(), range(20), workers=[name])) == [pid] * 20
        with raskal.annotate(workers=name):
            lazy = [raskal.delayed(whose)() for _ in range(4)]
        assert client.gather(client.compute(lazy)) == [pid] * 4
        assert client.compute(raskal.delayed(whose)(), workers=name).result() == pid


def test_workers_go_by_address_as_well(client):
    for address, worker in client.scheduler_info()["workers"].items():
        assert client.submit(whose, workers=[address], pure=False).result() == worker["pid"]


def test_a_task_for_a_worker_that_is_not_there_waits_unless_others_will_do(client):
    lonely = client.submit(whose, workers="nobody", pure=False)
    anywhere = client.submit(whose, workers="nobody", allow_other_workers=True, pure=False)
    assert anywhere.result() in pids(client).values()
    assert lonely.status == "pending"
    lonely.cancel()


def test_no_more_tasks_run_than_a_resource_allows(gpu, tmp_path):
    futures = gpu.map(alone, [str(tmp_path)] * 10, range(10), resources={"GPU": 1})
    assert gpu.gather(futures) == list(range(10))
    with raskal.annotate(resources={"GPU": 0.75}):
        lazy = [raskal.delayed(alone)(str(tmp_path), number) for number in range(5)]
    assert gpu.gather(gpu.compute(lazy)) == list(range(5))


def test_a_task_that_asks_for_too_much_waits_and_others_go_on(gpu):
    greedy = gpu.submit(abs, -1, resources={"GPU": 2}, pure=False)
    assert gpu.submit(abs, -2, pure=False).result() == 2
    assert greedy.status == "pending"
    greedy.cancel()


def test_of_ready_tasks_the_higher_priority_runs_first(gpu, tmp_path):
    gate = gpu.submit(wait_for_file, str(tmp_path / "gate"), resources={"GPU": 1}, pure=False)
    low = gpu.submit(note, str(tmp_path), "low", priority=-1, resources={"GPU": 1}, pure=False)
    usual = gpu.submit(note, str(tmp_path), "usual", resources={"GPU": 1}, pure=False)
    high = gpu.submit(note, str(tmp_path), "high", priority=10, resources={"GPU": 1}, pure=False)
    (tmp_path / "gate").touch()
    wait([gate, low, usual, high])
    assert (tmp_path / "order").read_text().split() == ["high", "usual", "low"]


def test_a_task_that_raises_is_tried_again_as_often_as_asked(client, tmp_path):
    for number, run in enumerate(
        [
            lambda folder: client.submit(fail_first, folder, 2, retries=2, pure=False).result(),
            lambda folder: client.gather(client.map(fail_first, [folder], [2], retries=2))[0],
            lambda folder: client.compute(raskal.delayed(fail_first)(folder, 2), retries=2).result(),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert run(str(folder)) == 2
    folder = tmp_path / "too often"
    folder.mkdir()
    with pytest.raises(ValueError, match="try 1"):
        client.submit(fail_first, str(folder), 5, retries=1, pure=False).result()


def pid_of_part(part: object) -> list[int]:
    """The worker that runs the step, once for each partition."""
    return [whose()]


@pytest.mark.parametrize("asked_at", ["made", "computed"])
def test_steps_of_every_collection_run_where_annotations_ask(client, asked_at):
    """`compute` and `persist` of bags, arrays and dataframes carry what was asked to the cluster."""
    frame = dd.from_pandas(pd.DataFrame({"x": range(4)}), npartitions=2)
    items = db.from_sequence(range(4), npartitions=2)
    blocks = da.ones(4, chunks=2)

    def steps() -> list[object]:
        return [
            items.map_partitions(pid_of_part),
            blocks.map_blocks(lambda block: block * 0 + whose(), dtype=float),
            frame.map_partitions(lambda part: part.x * 0 + whose(), meta=("x", "int64")),
            raskal.delayed(pid_of_part)(0),
        ]

    for name, pid in pids(client).items():
        with raskal.annotate(workers=name):
            made = steps()
            results = raskal.compute(*made) if asked_at == "computed" else None
        results = results or raskal.compute(*made)
        kept = raskal.persist(*made) if asked_at == "made" else ()
        for result in (*results, *raskal.compute(*kept)):
            assert set(map(int, result)) == {pid}
