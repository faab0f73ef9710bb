"""The asynchronous client: the same class on an event loop."""

from __future__ import annotations

import asyncio

import pytest

from raskal.distributed import (
    CancelledError,
    Client,
    Event,
    LocalCluster,
    Lock,
    Queue,
    Variable,
    as_completed,
    wait,
)


def increment(x):
    return x + 1


def on_loop(cluster):
    """Runs a coroutine function with an asynchronous client."""

    def run(function):
        async def main():
            async with Client(cluster, asynchronous=True, set_as_default=False) as client:
                return await asyncio.wait_for(function(client), 60)

        return asyncio.run(main())

    return run


def test_futures_are_awaited(cluster):
    async def use(client):
        future = client.submit(increment, 1)
        assert client.asynchronous and await future == 2 and await future.result() == 2
        assert await client.gather(client.map(increment, range(3))) == [1, 2, 3]
        assert await client.gather({"a": [future]}) == {"a": [2]}
        failing = client.submit(lambda: 1 / 0)
        assert isinstance(await failing.exception(), ZeroDivisionError)
        with pytest.raises(ZeroDivisionError):
            await failing
        assert await client.gather([future, failing], errors="skip") == [2]

    on_loop(cluster)(use)


def test_waiting_does_not_hold_up_the_loop(cluster):
    async def use(client):
        gate = Event(client=client)
        name = gate.name
        held = client.map(lambda _: Event(name).wait(timeout=60), range(4), pure=False)
        waiting = [asyncio.ensure_future(future._later()) for future in held]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        await gate.set()
        assert await asyncio.gather(*waiting) == [True] * 4

    on_loop(cluster)(use)


def test_as_completed_and_wait(cluster):
    async def use(client):
        found = [await future async for future in as_completed(client.map(increment, range(3)))]
        assert sorted(found) == [1, 2, 3]
        pairs = [value async for _, value in as_completed(client.map(increment, range(3)), with_results=True)]
        assert sorted(pairs) == [1, 2, 3]
        done, not_done = await wait(client.map(increment, range(5)))
        assert len(done) == 5 and not not_done

    on_loop(cluster)(use)


def test_coordination(cluster):
    async def use(client):
        queue = Queue(client=client)
        await queue.put(1)
        assert await queue.qsize() == 1 and await queue.get() == 1
        with pytest.raises(TimeoutError):
            await queue.get(timeout=0.05)
        variable = await Variable(client=client)
        await variable.set(7)
        assert await variable.get() == 7
        lock = Lock(client=client)
        async with lock:
            assert await lock.locked()
        assert not await lock.locked()
        waiting = asyncio.ensure_future(queue.get())
        await asyncio.sleep(0)
        waiting.cancel()
        await queue.put("kept")
        assert await queue.get(timeout=10) == "kept"

    on_loop(cluster)(use)


def test_the_rest_of_a_client(cluster):
    async def use(client):
        assert await client.scatter([1, 2]) != []
        assert len(await client.run(increment, 1)) == 2
        await client.publish_dataset(later=1)
        assert await client.get_dataset("later") == 1
        assert "later" in [name async for name in client.datasets]
        await client.unpublish_dataset("later")
        future = client.submit(increment, 5, pure=False)
        await client.cancel([future])
        with pytest.raises(CancelledError):
            await future
        assert await client.compute(3, sync=True) == 3

    on_loop(cluster)(use)


def test_actors_are_awaited(cluster):
    class Counter:
        n = 0

        def add(self):
            self.n += 1
            return self.n

    async def use(client):
        actor = await client.submit(Counter, actor=True)
        assert await actor.add() == 1
        assert await actor.n == 1

    on_loop(cluster)(use)


def test_a_cluster_on_a_loop():
    async def main():
        async with (
            LocalCluster(n_workers=1, threads_per_worker=1, asynchronous=True, dashboard_address=None) as cluster,
            Client(cluster, asynchronous=True) as client,
        ):
            assert await client.submit(increment, 1) == 2
            await cluster.scale(2)
            await client.wait_for_workers(2, timeout=60)
        assert cluster.status == "closed" and client.status == "closed"

    asyncio.run(main())


def test_a_client_that_was_not_awaited_says_so(cluster):
    async def main():
        client = Client(cluster, asynchronous=True)
        assert client.status == "connecting"
        with pytest.raises(RuntimeError, match="await"):
            client.submit(increment, 1)
        with pytest.raises(RuntimeError, match="async with"):
            client.__enter__()

    asyncio.run(main())
