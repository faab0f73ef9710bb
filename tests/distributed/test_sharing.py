"""What clients share by name: datasets, metadata, events; and what tasks print, warn and log."""

from __future__ import annotations

import logging
import queue
import threading

import pytest

import raskal.array
from raskal import distributed
from raskal.distributed import Client


@pytest.fixture
def other(cluster):
    with Client(cluster, set_as_default=False) as other:
        yield other


def test_a_dataset_outlives_the_client_that_published_it(cluster, other):
    with Client(cluster, set_as_default=False) as first:
        kept = first.persist(raskal.array.arange(10, chunks=5))
        first.publish_dataset(numbers=kept, futures=first.scatter([1, 2]))
    try:
        assert {"numbers", "futures"} <= set(other.list_datasets())
        assert other.compute(other.get_dataset("numbers").sum()).result() == 45
        assert other.gather(other.get_dataset("futures")) == [1, 2]
    finally:
        other.unpublish_dataset("numbers")
        other.unpublish_dataset("futures")
    with pytest.raises(KeyError, match="'numbers'"):
        other.get_dataset("numbers")
    assert other.get_dataset("numbers", default=None) is None
    with pytest.raises(KeyError):
        other.unpublish_dataset("numbers")


def test_datasets_are_a_mapping_and_names_are_taken_once(client):
    client.datasets["x"] = 1
    try:
        with pytest.raises(KeyError, match="override"):
            client.publish_dataset(2, name="x")
        client.publish_dataset(2, name="x", override=True)
        assert client.datasets["x"] == 2 and "x" in client.datasets and "x" in list(client.datasets)
        with pytest.raises(ValueError, match="name="):
            client.publish_dataset(3)
    finally:
        del client.datasets["x"]


def test_metadata_is_found_by_its_path(client, other):
    client.set_metadata(["a", "b"], 3)
    client.set_metadata("c", {"d": {"e": 1}})
    assert other.get_metadata(["a", "b"]) == 3 and other.get_metadata("a") == {"b": 3}
    client.set_metadata(["c", "d", "f"], 2)
    assert other.get_metadata("c") == {"d": {"e": 1, "f": 2}}
    client.set_metadata("c", 0)
    assert other.get_metadata("c") == 0
    assert other.get_metadata(["nothing"], default="d") == "d"
    with pytest.raises(KeyError):
        other.get_metadata(["nothing"])


def test_events_are_kept_and_told(client, other):
    heard: queue.Queue = queue.Queue()
    other.subscribe_topic("steps", heard.put)
    client.log_event("steps", {"n": 1})
    client.submit(lambda: distributed.get_worker().log_event(["steps", "more"], "from a task"), pure=False).result()
    assert [heard.get(timeout=20)[1] for _ in range(2)] == [{"n": 1}, "from a task"]
    assert [message for _, message in client.get_events("steps")] == [{"n": 1}, "from a task"]
    assert client.get_events()["more"][0][1] == "from a task"
    other.unsubscribe_topic("steps")
    with pytest.raises(ValueError, match="'steps'"):
        other.unsubscribe_topic("steps")
    assert client.get_events("never heard of") == ()


class Sink:
    """A stream that tells when a text has come."""

    def __init__(self):
        self.text, self.came = "", threading.Condition()

    def write(self, text):
        with self.came:
            self.text += text
            self.came.notify_all()
        return len(text)

    def flush(self):
        pass

    def wait_for(self, text):
        with self.came:
            assert self.came.wait_for(lambda: text in self.text, timeout=20), self.text


def test_what_tasks_print_is_printed_here(client, monkeypatch):
    sink = Sink()
    monkeypatch.setattr("sys.stdout", sink)
    client.submit(lambda: distributed.print("answer", 42, sep=": ", end="!\n"), pure=False).result()
    sink.wait_for("answer: 42!\n")


def test_tasks_do_not_print_what_others_say(client):
    """The client of an executor process must not write to the worker's output what tasks elsewhere print."""

    def listens():
        from raskal.distributed import get_client

        return "print" in get_client()._desk._handlers

    assert client.submit(listens, pure=False).result() is False
    assert "print" in client._desk._handlers


def test_what_tasks_warn_of_is_warned_of_here(client):
    heard: queue.Queue = queue.Queue()
    client._desk.listen("warn", lambda _, data: heard.put(data))
    client.submit(lambda: distributed.warn("beware", RuntimeWarning), pure=False).result()
    assert b"beware" in heard.get(timeout=20)


def test_what_tasks_log_is_handled_here(client):
    records: queue.Queue = queue.Queue()

    class Handler(logging.Handler):
        def emit(self, record):
            records.put(record)

    handler = Handler()
    logging.getLogger("raskal-test").addHandler(handler)
    client.forward_logging("raskal-test", level=logging.INFO)
    try:
        client.submit(lambda: logging.getLogger("raskal-test").info("n is %d", 7), pure=False).result()
        record = records.get(timeout=20)
        assert record.getMessage() == "n is 7" and record.levelno == logging.INFO
    finally:
        client.unforward_logging("raskal-test")
        logging.getLogger("raskal-test").removeHandler(handler)
