"""Actors: objects that live in one process and are worked with from everywhere."""

from __future__ import annotations

import os
import signal

import pytest

from raskal.distributed import Actor, ActorFuture, wait


class Counter:
    """Counts."""

    n = 0

    def __init__(self, start=0):
        self.n = start

    def add(self, k=1):
        self.n += k
        return self.n

    def fail(self):
        raise KeyError("actor")

    async def later(self):
        return self.n

    def where(self):
        return os.getpid()

    def twice(self, other):
        return [other.add().result(), other.add().result()]


def test_methods_run_in_order_where_the_object_lives(client):
    actor = client.submit(Counter, 10, actor=True).result()
    assert isinstance(actor, Actor) and "Counter" in repr(actor)
    futures = [actor.add() for _ in range(20)]
    assert all(isinstance(future, ActorFuture) for future in futures)
    assert [future.result() for future in futures] == list(range(11, 31))
    assert actor.n == 30 and actor.later().result() == 30
    assert actor.where().result() in client.run(os.getpid).values()


def test_what_a_method_raises_comes_back_and_the_actor_lives_on(client):
    actor = client.submit(Counter, actor=True).result()
    with pytest.raises(KeyError, match="actor"):
        actor.fail().result()
    assert actor.add().result() == 1
    with pytest.raises(AttributeError):
        actor.no_such_thing  # noqa: B018


def test_tasks_and_other_actors_use_an_actor(client):
    actor = client.submit(Counter, actor=True).result()
    client.gather(client.map(lambda _, a: a.add().result(), range(5), a=actor, pure=False))
    assert actor.n == 5
    other = client.submit(Counter, actor=True).result()
    assert other.twice(actor).result() == [6, 7]
    # The task's value itself is an argument where the object lives, and a way there elsewhere.
    future = client.submit(Counter, 100, actor=True)
    assert client.submit(lambda counter: counter.add().result(), future).result() == 101


def test_an_actor_ends_with_its_future(client):
    from raskal.distributed import actor as module

    def alive(key):
        return key in module._homes

    actor = client.submit(Counter, actor=True).result()
    key = actor.key
    assert any(client.run(alive, key).values())
    del actor
    while any(client.run(alive, key).values()):
        pass


def test_several_actors_are_made_by_map(client):
    actors = client.gather(client.map(Counter, [1, 2], actor=True))
    assert [actor.add().result() for actor in actors] == [2, 3]


def test_an_actor_whose_process_died_says_so(client):
    future = client.submit(Counter, actor=True)
    actor = future.result()
    pid = actor.where().result()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ValueError, match="lost"):
        # The first may be answered by the death, the next one by nobody being there.
        actor.add().result(timeout=60)
    wait(client.submit(abs, -1))
