"""Futures: submit, map, gather, wait, cancel, callbacks."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import traceback

import numpy as np
import pytest

import raskal
import raskal.array
from raskal.distributed import (
    CancelledError,
    Client,
    Future,
    as_completed,
    default_client,
    futures_of,
    get_client,
    progress,
    span,
    wait,
)


def increment(x):
    return x + 1


def test_submit_runs_in_another_process(client):
    assert client.submit(os.getpid).result() != os.getpid()


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -1, 2**31, -(2**63), 2**80, 1.5, float("inf"), "", "héllo", b"x", "x" * 5000, (1, "a"),
     [1, [2]], {"a": {1: None}}, np.float32(2.5), np.int64(-7), {1, 2}, 3 + 4j, range(5)],
)  # fmt: skip
def test_every_kind_of_result_comes_back_as_it_is(client, value):
    result = client.submit(lambda: value, pure=False).result()
    assert result == value
    assert type(result) is type(value)


def test_nan_comes_back(client):
    assert np.isnan(client.submit(float, "nan").result())


@pytest.mark.parametrize("size", [0, 3, 100, 1_000_000])
def test_arrays_come_back_whatever_their_size(client, size):
    result = client.submit(np.arange, size).result()
    np.testing.assert_array_equal(result, np.arange(size))


def test_futures_are_arguments_at_any_depth(client):
    one, array = client.submit(increment, 0), client.submit(np.ones, 100_000)
    total = client.submit(lambda parts, by: (parts["a"][0] * by).sum(), {"a": [array]}, by=one)
    assert total.result() == 100_000


def test_large_results_go_from_worker_to_worker(client):
    parts = client.map(lambda n: np.full(200_000, n), range(4))
    sums = client.map(lambda a, b: (a + b).sum(), parts, parts[::-1])
    assert client.gather(sums) == [3 * 200_000] * 4


def test_map_takes_several_iterables_and_keywords(client):
    assert client.gather(client.map(lambda a, b, c: (a, b, c), range(3), "xyz", c=9)) == [
        (0, "x", 9),
        (1, "y", 9),
        (2, "z", 9),
    ]
    assert client.map(increment, []) == []


def test_gather_keeps_the_shape_of_containers(client):
    a, b = client.map(increment, [1, 2])
    assert client.gather({"x": a, "y": [b, (a,)], "z": 5}) == {"x": 2, "y": [3, (2,)], "z": 5}
    assert list(client.gather(iter([a, b]))) == [2, 3]


def test_gather_can_skip_failures(client):
    futures = client.map(lambda x: 1 // x, [1, 0, 2])
    assert client.gather(futures, errors="skip") == [1, 0]
    with pytest.raises(ZeroDivisionError):
        client.gather(futures)
    with pytest.raises(ValueError, match="'raise' or 'skip'"):
        client.gather(futures, errors="ignore")


def test_pure_calls_share_one_task(client):
    a, b, c = client.submit(increment, 5), client.submit(increment, 5), client.submit(increment, 5, pure=False)
    assert a == b
    assert a.key == b.key
    assert a != c
    assert a.result() == b.result() == c.result() == 6


def test_a_future_tells_how_it_stands(client):
    good, bad = client.submit(increment, 1), client.submit(increment, "x")
    wait([good, bad])
    assert (good.status, good.done(), good.cancelled(), good.exception()) == ("finished", True, False, None)
    assert (bad.status, bad.done()) == ("error", True)
    assert isinstance(bad.exception(), TypeError)
    assert good.key.startswith("increment-")
    assert repr(good) == f"<Future: finished, key: {good.key}>"
    assert "TypeError" in repr(bad)
    assert good.key in good._repr_html_()


def test_result_and_wait_time_out(client, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    future = client.submit(lambda: gate.read_text(), pure=False)
    with pytest.raises(TimeoutError):
        future.result(timeout=0.1)
    with pytest.raises(TimeoutError, match="1 of 1"):
        wait([future], timeout=0.1)
    gate.write_text("go")
    assert future.result() == "go"


def test_as_completed_gives_each_future_once_as_it_ends(client, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = client.submit(lambda: gate.read_text(), pure=False)
    quick = client.map(increment, range(10))
    iterator = as_completed([slow, *quick])
    first = [next(iterator) for _ in range(10)]
    assert sorted(future.result() for future in first) == list(range(1, 11))
    assert iterator.count() == 1
    gate.write_text("go")
    assert next(iterator) is slow
    assert list(iterator) == []


def test_as_completed_can_grow_and_give_results(client):
    iterator = as_completed(client.map(increment, range(3)), with_results=True)
    seen = []
    for future, result in iterator:
        seen.append(result)
        if result < 5:
            iterator.add(client.submit(increment, future))
    assert sorted(seen) == [1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]


def test_wait_for_the_first(client, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow, quick = client.submit(lambda: gate.read_text(), pure=False), client.submit(increment, 100)
    done, not_done = wait([slow, quick], return_when="FIRST_COMPLETED")
    assert (done, not_done) == ({quick}, {slow})
    gate.write_text("")
    slow.result()


def test_cancelled_futures_say_so(client, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    running = client.submit(lambda: gate.read_text(), pure=False)
    needs = client.submit(len, running)
    needs.cancel()
    assert (needs.cancelled(), needs.status) == (True, "cancelled")
    with pytest.raises(CancelledError, match=needs.key):
        needs.result()
    gate.write_text("four")
    assert running.result() == "four"


def test_futures_that_are_dropped_at_once_leave_every_worker_usable(client):
    for number in range(50):
        client.submit(increment, number, pure=False)
    assert client.gather(client.map(increment, range(20), pure=False)) == list(range(1, 21))


def test_callbacks_are_called_once_with_the_future(client):
    called: list[Future] = []
    both = threading.Barrier(2, timeout=30)

    def callback(future):
        called.append(future)
        both.wait()

    future = client.submit(increment, 41)
    future.add_done_callback(callback)
    both.wait()
    assert called == [future]
    done = client.submit(increment, 42)
    done.result()
    done.add_done_callback(callback)
    both.wait()
    assert called == [future, done]


def test_scatter_makes_futures_of_data(client):
    array = client.scatter(np.arange(300_000))
    assert client.submit(np.sum, array).result() == 44_999_850_000
    a, b = client.scatter([1, 2])
    assert client.gather(client.scatter({"x": 5}))["x"] == 5
    assert client.submit(pow, b, a).result() == 2


def test_who_has_and_has_what_agree(client):
    future = client.submit(np.ones, 200_000)
    future.result()
    ((key, (holder,)),) = client.who_has(future).items()
    assert key == future.key
    assert set(client.has_what()) == set(client.nthreads())
    assert len(client.has_what()[holder]) == 1


def test_the_client_knows_its_cluster(client, cluster):
    info = client.scheduler_info()
    assert info["address"] == cluster.scheduler_address
    assert len(info["workers"]) == 2
    assert set(client.nthreads().values()) == {1}
    assert default_client() is client
    assert get_client() is client
    assert "workers=2" in repr(client)
    assert cluster.scheduler_address in client._repr_html_()


def test_two_clients_do_not_see_each_others_futures(client, cluster):
    with Client(cluster, set_as_default=False) as other:
        ours, theirs = client.submit(increment, 1), other.submit(increment, 1)
        assert ours != theirs
        assert client.gather(ours) == other.gather(theirs) == 2
        assert default_client() is client


def test_what_can_not_be_says_so(client):
    with pytest.raises(TypeError, match="must be a function"):
        client.submit(3)
    with pytest.raises(TypeError, match="can't be pickled"):
        client.__reduce_ex__(2)
    with pytest.raises(NotImplementedError, match="'morse'"):
        Client("tls://127.0.0.1:1", serializers=["morse"])
    with pytest.raises(ValueError, match="workers="):
        client.submit(increment, 1, allow_other_workers=True)
    with pytest.raises(ValueError, match="batch_size"):
        client.map(increment, [1], batch_size=0)
    with pytest.raises(NotImplementedError, match="actor=True"):
        client.compute(raskal.delayed(increment)(1), actors=True)


def test_keys_are_what_they_were_given_to_be(client):
    named = client.submit(increment, 1, key="own-key")
    assert named.key == "own-key" and Future("own-key", client=client).result() == 2
    assert client.submit(increment, 2, key=("part", 0)).key == ("part", 0)
    assert [future.key for future in client.map(increment, [1, 2], key=["ka", "kb"])] == ["ka", "kb"]
    assert "own-key" in {key for keys in client.has_what().values() for key in keys}
    with pytest.raises(KeyError, match="'no-such-key'"):
        Future("no-such-key", client=client)


def test_scattered_data_is_known_by_its_contents(client):
    first, again = client.scatter([5])[0], client.scatter([5])[0]
    assert first == again and first.key == again.key
    assert client.scatter([5], hash=False)[0].key != first.key
    assert client.scatter((1, 2))[1].result() == 2


def test_a_failed_task_runs_again_with_what_made_it_fail(client, tmp_path):
    gate = tmp_path / "gate"

    def fragile():
        return gate.read_text()

    first = client.submit(fragile, pure=False)
    second = client.submit(len, first)
    assert isinstance(second.exception(), FileNotFoundError)
    gate.write_text("ready")
    client.retry([second])
    assert second.result() == 5 and first.result() == "ready"
    with pytest.raises(ValueError, match="not known here"):
        failed = client.compute(raskal.delayed(fragile)() + 1)
        gate.unlink()
        failed.exception()
        client.retry(failed)


def test_an_error_is_made_again_here(client):
    divide = client.submit(lambda a, b: a / b, client.submit(increment, 0), b=client.submit(int, "0"))
    needs = client.submit(increment, divide)
    with pytest.raises(ZeroDivisionError) as caught:
        client.recreate_error_locally(needs)
    # The frames are real: a debugger can look at what the task was given.
    assert caught.traceback[-1].frame.f_locals == {"a": 1, "b": 0}
    assert client.recreate_task_locally(client.submit(increment, 1)) == 2


def test_the_traceback_of_a_task_has_its_frames(client):
    def fail(x):
        raise ArithmeticError(x)

    future = client.submit(fail, 1)
    lines = traceback.format_tb(future.traceback())
    assert any("in fail" in line and "raise ArithmeticError(x)" in line for line in lines)
    assert client.submit(increment, 1).traceback() is None


def test_a_reason_comes_with_a_cancelled_future(client):
    future = client.submit(increment, 1, pure=False)
    future.cancel(reason="changed my mind", msg="really")
    with pytest.raises(CancelledError, match="changed my mind: really") as caught:
        future.result()
    assert caught.value.key == future.key
    with pytest.raises(CancelledError):
        wait(future)


def test_a_graph_that_is_a_dictionary_is_computed(client):
    graph = {"x": 1, "y": (increment, "x"), "z": (sum, ["x", "y"])}
    assert client.get(graph, "z") == 3
    assert client.get(graph, [["x"], "y"]) == [[1], 2]
    futures = client.get(graph, ["y", "z"], sync=False)
    assert [future.key for future in futures] == ["y", "z"] and client.gather(futures) == [2, 3]


def test_futures_are_found_in_collections(client):
    kept = client.persist(raskal.array.ones(10, chunks=5))
    futures = futures_of([kept, {"a": client.submit(increment, 1)}])
    assert len(futures) == 3
    assert set(wait(kept).done) <= set(futures)
    assert client.nbytes(summary=False) != {} and futures[-1].status == "finished"


def test_the_cluster_is_an_executor(client):
    with client.get_executor() as pool:
        futures = [pool.submit(pow, 2, n) for n in range(4)]
        assert [future.result(timeout=60) for future in futures] == [1, 2, 4, 8]
        assert list(pool.map(increment, [1, 2])) == [2, 3]
        assert isinstance(pool.submit(divmod, 1, 0).exception(timeout=60), ZeroDivisionError)
        assert pool.submit(sorted, [1, 2], reverse=True).result(timeout=60) == [2, 1]
        done, _ = concurrent.futures.wait(futures)
        assert len(done) == 4
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(increment, 1)
    with pytest.raises(TypeError, match="'colour'"):
        client.get_executor(colour="red")


def test_the_current_client_is_one_of_a_thread_or_block(client, cluster):
    with Client(cluster, set_as_default=False) as other:
        assert Client.current() is client
        with other.as_current():
            assert Client.current() is get_client() is other
            assert raskal.delayed(increment)(1).compute() == 2
        assert Client.current() is client
    with pytest.raises(ValueError, match="no client"):
        Client.current(allow_global=False)


def test_a_bar_shows_how_far_futures_are(client, capsys):
    progress(client.map(increment, range(3)))
    assert "100% Completed" in capsys.readouterr().out
    with span("outer"), span("inner") as name:
        assert name == "outer-inner"


def test_a_closed_client_gives_the_engine_back(cluster):
    with Client(cluster) as client:
        future = client.submit(increment, 1)
        assert future.result() == 2
    assert client.status == "closed"
    with pytest.raises(ValueError, match="closed"):
        future.result()
    assert raskal.delayed(increment)(1).compute() == 2
