"""Queues, variables, events, locks and semaphores, between this process and those of workers."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from raskal.distributed import (
    Client,
    Event,
    Lock,
    MultiLock,
    Pub,
    Queue,
    Semaphore,
    Sub,
    Variable,
    wait,
)


def increment(x):
    return x + 1


def test_a_queue_hands_values_on_in_order(client):
    queue = Queue("orders", client=client)
    for number in range(3):
        queue.put(number)
    assert queue.qsize() == 3
    assert [queue.get(timeout=5) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(TimeoutError, match="'orders'"):
        queue.get(timeout=0.05)


def test_a_queue_gives_all_that_is_there_at_once(client):
    queue = Queue(client=client)
    assert queue.get(batch=True) == ()
    for number in range(4):
        queue.put(number)
    assert queue.get(batch=2) == (0, 1)
    assert queue.get(batch=True) == (2, 3)


def test_a_full_queue_makes_those_who_put_wait(client):
    queue = Queue(client=client, maxsize=1)
    queue.put(1)
    with pytest.raises(TimeoutError, match="full"):
        queue.put(2, timeout=0.05)
    putting = threading.Thread(target=queue.put, args=(3,))
    putting.start()
    assert queue.get(timeout=10) == 1
    putting.join(10)
    # What was given up is not there: the next one is.
    assert queue.get(timeout=10) == 3


def test_tasks_and_clients_share_a_queue(client):
    queue = Queue("squares", client=client)
    done = client.map(lambda n, queue: queue.put(n * n), range(5), queue=queue)
    assert sorted(queue.get(timeout=20) for _ in range(5)) == [0, 1, 4, 9, 16]
    wait(done)


def test_a_future_is_kept_while_it_is_in_a_queue_or_variable(client, cluster):
    queue, variable = Queue(client=client), Variable(client=client)
    future = client.submit(increment, 1, pure=False)
    key = future.key
    queue.put({"answer": [future]})
    variable.set(future)
    del future
    with Client(cluster, set_as_default=False) as other:
        got = Variable(variable.name, client=other).get(timeout=5)
        assert got.key == key and got.result() == 2
    assert queue.get(timeout=5)["answer"][0].result() == 2
    variable.delete()


def test_a_variable_waits_until_it_is_set(client):
    variable = Variable("limit", client=client)
    with pytest.raises(TimeoutError, match="'limit'"):
        variable.get(timeout=0.05)
    waiting = client.submit(lambda: Variable("limit").get(timeout=30), pure=False)
    variable.set({"a": 1})
    assert waiting.result(timeout=30) == {"a": 1}
    variable.set(2)
    assert Variable("limit", client=client).get(timeout=5) == 2
    variable.delete()
    with pytest.raises(TimeoutError):
        variable.get(timeout=0.05)


def test_an_event_wakes_tasks_that_wait_for_it(client):
    event = Event("go", client=client)
    assert not event.is_set() and event.wait(timeout=0.05) is False
    waiting = client.submit(lambda: Event("go").wait(timeout=30), pure=False)
    event.set()
    assert waiting.result(timeout=30) is True and event.is_set()
    event.clear()
    assert not event.is_set()


def test_a_lock_is_held_by_one_at_a_time(client):
    total = Variable("total", client=client)
    total.set(0)

    def add(_):
        with Lock("total"):
            variable = Variable("total")
            variable.set(variable.get() + 1)

    client.gather(client.map(add, range(12), pure=False))
    assert total.get() == 12
    assert not Lock("total", client=client).locked()


def test_a_lock_that_is_held_is_not_had(client):
    lock = Lock("busy", client=client)
    assert lock.acquire(timeout=5) and lock.locked()
    assert Lock("busy", client=client).acquire(timeout=0.05) is False
    assert Lock("busy", client=client).acquire(blocking=False) is False
    with pytest.raises(ValueError, match="blocking"):
        lock.acquire(blocking=False, timeout=1)
    lock.release()
    with pytest.raises(RuntimeError, match="not held"):
        lock.release()


def test_a_lock_is_given_back_when_its_process_dies(client):
    """A lock of a task that dies with its process must not stop everybody else for ever."""

    def die():
        Lock("fragile").acquire()
        os.kill(os.getpid(), signal.SIGKILL)

    dying = client.submit(die, pure=False)
    wait(dying, timeout=60)
    assert dying.status == "error"
    assert Lock("fragile", client=client).acquire(timeout=30)


def test_several_locks_are_taken_together(client):
    both, one = MultiLock(["a", "b"], client=client), MultiLock(["b"], client=client)
    assert both.acquire(timeout=5) and both.locked()
    assert one.acquire(timeout=0.05) is False
    any_of = MultiLock(["b", "c", "d"], client=client)
    assert any_of.acquire(timeout=5, num_locks=2)
    with pytest.raises(ValueError, match="num_locks"):
        any_of.acquire(num_locks=4)
    both.release()
    any_of.release()
    assert one.acquire(timeout=5)
    one.release()


def test_a_semaphore_has_so_many_leases(client):
    semaphore = Semaphore(max_leases=2, name="seats", client=client)
    assert semaphore.acquire(timeout=5) and semaphore.acquire(timeout=5)
    assert semaphore.acquire(timeout=0.05) is False
    assert semaphore.get_value() == 2
    with pytest.raises(ValueError, match="has 2 leases, not 3"):
        Semaphore(max_leases=3, name="seats", client=client).acquire(timeout=1)
    semaphore.release()
    assert semaphore.acquire(timeout=5)
    semaphore.release(), semaphore.release()


def test_a_semaphore_is_an_argument_of_tasks(client):
    semaphore = Semaphore(max_leases=1, client=client)

    def work(x, semaphore):
        with semaphore:
            return x + 1

    assert client.gather(client.map(work, range(5), semaphore=semaphore)) == [1, 2, 3, 4, 5]
    assert semaphore.get_value() == 0


def test_what_is_published_reaches_those_who_listen(client):
    heard = Sub("news", client=client)
    client.submit(lambda: Pub("news").put({"n": 1}), pure=False).result()
    assert heard.get(timeout=20) == {"n": 1}
    with pytest.raises(TimeoutError):
        heard.get(timeout=0.05)


def test_what_can_not_be_pickled_is_refused_where_it_is_put(client):
    with pytest.raises(TypeError, match="can't be sent"):
        Queue(client=client).put(threading.Lock())
