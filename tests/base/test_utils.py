"""Sizes, durations, names, dispatch and the lock that pickles."""

from __future__ import annotations

import datetime
import functools
import gc
import operator
import os
import pickle
import threading
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raskal import utils


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100", 100),
        ("100 MB", 100_000_000),
        ("100M", 100_000_000),
        ("5kB", 5000),
        ("5.4 kB", 5400),
        ("1kiB", 1024),
        (" 1 ki ", 1024),
        ("1Mi", 2**20),
        ("1e6", 1_000_000),
        ("1e6 kB", 1_000_000_000),
        ("MB", 1_000_000),
        (".5GB", 500_000_000),
        (123, 123),
        (12.7, 12),
    ],
)
def test_parse_bytes_reads_numbers_and_units(text, size):
    assert utils.parse_bytes(text) == size


@pytest.mark.parametrize("text", ["5 foos", "foos", "", " ", "1 2 MB", "--3"])
def test_parse_bytes_refuses_what_is_no_size(text):
    with pytest.raises(ValueError) as caught:
        utils.parse_bytes(text)
    assert repr(text) in str(caught.value)


@given(st.integers(min_value=0, max_value=2**60))
def test_format_bytes_can_be_read_back_within_its_digits(size):
    text = utils.format_bytes(size)
    assert abs(utils.parse_bytes(text) - size) <= max(size * 0.006, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3s", 3),
        ("3.5 seconds", 3.5),
        ("300ms", 0.3),
        ("10 us", 1e-5),
        ("2 hours", 7200),
        ("1 min", 60),
        ("1d", 86400),
        ("4", 4),
        (4, 4),
        (0.5, 0.5),
        (datetime.timedelta(minutes=2), 120),
        (None, None),
    ],
)
def test_parse_timedelta_reads_numbers_and_units(text, seconds):
    assert utils.parse_timedelta(text) == (pytest.approx(seconds) if seconds is not None else None)


def test_parse_timedelta_takes_another_default_unit_and_refuses_unknown_ones():
    assert utils.parse_timedelta(5, default="ms") == pytest.approx(0.005)
    assert utils.parse_timedelta("5ms", default=False) == pytest.approx(0.005)
    for number in (5, "5"):
        with pytest.raises(ValueError, match="hint: write it as '5s'"):
            utils.parse_timedelta(number, default=False)
    with pytest.raises(ValueError, match="unknown unit 'fortnights'"):
        utils.parse_timedelta("2 fortnights")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("x", "x"),
        ("x-1-2-3", "x"),
        (("x-2", 1), "x"),
        ("('x-2', 1)", "x"),
        ("hello-world-1", "hello-world"),
        (b"hello-world-1", "hello-world"),
        ("ae05086432ca935f6eba409a8ecd4896", "data"),
        ("sum-aggregate-3f2a91c04bde77883f2a91c04bde7788", "sum-aggregate"),
        ("<module.submodule.myclass object at 0xdaf372>", "myclass"),
        ("_x-3", "x"),
        (None, "Other"),
        ((), "Other"),
    ],
)
def test_key_split_keeps_the_readable_part(key, name):
    assert utils.key_split(key) == name


def test_funcname_of_every_kind_of_callable():
    def plain() -> None: ...

    assert utils.funcname(plain) == "plain"
    assert utils.funcname(functools.partial(functools.partial(plain))) == "plain"
    assert utils.funcname(lambda: 0) == "lambda"
    assert utils.funcname(operator.itemgetter(3)) == "operator.itemgetter(3)"
    assert utils.funcname(np.vectorize(plain)) == "vectorize_plain"
    assert utils.funcname(utils.M.sum) == "sum"
    plain.__name__ = "long" * 50
    assert len(utils.funcname(plain)) == 50


def test_format_time_at_every_scale():
    shown = [utils.format_time(t) for t in (1e-7, 0.0012, 3, 500, 601, 8000, 200_000)]
    assert shown == ["0.10 us", "1.20 ms", "3.00 s", "500.00 s", "10m 1s", "2hr 13m", "2d 7hr"]


def test_typename_short_and_long():
    assert utils.typename(np.ndarray) == "numpy.ndarray"
    assert utils.typename(3) == "int"
    assert utils.typename(utils.Dispatch(), short=True) == "raskal.Dispatch"


def test_natural_sort_key_counts():
    assert sorted(["p10", "p2", "p1"], key=utils.natural_sort_key) == ["p1", "p2", "p10"]


def test_method_callers_call_pickle_and_compare_by_name():
    assert utils.M.upper("a") == "A"
    again = pickle.loads(pickle.dumps(utils.M.upper))
    assert again == utils.M.upper
    assert again != utils.M.lower
    assert hash(again) == hash(utils.M.upper)
    with pytest.raises(AttributeError):
        utils.M.__wrapped__  # noqa: B018


def test_ensure_dict_copies_only_when_asked():
    d = {"a": 1}
    assert utils.ensure_dict(d) is d
    assert utils.ensure_dict(d, copy=True) is not d
    assert type(utils.ensure_dict(MappingProxyType({"a": 1}))) is dict


def test_apply_calls():
    assert utils.apply(max, [[1, 3]]) == 3
    assert utils.apply(int, ["ff"], {"base": 16}) == 255


def test_tmpfile_is_removed_whatever_it_became(tmp_path):
    with utils.tmpfile("csv", dir=tmp_path) as name:
        assert name.endswith(".csv")
        assert not os.path.exists(name)
        os.makedirs(os.path.join(name, "deep"))
    assert list(tmp_path.iterdir()) == []


def test_dispatch_takes_the_nearest_registered_class():
    f = utils.Dispatch("f")
    f.register((int, float), lambda x: "number")
    f.register(object, lambda x: "object")
    assert [f(1), f(True), f("a")] == ["number", "number", "object"]
    assert "one implementation per type" in f.__doc__
    assert utils.Dispatch().register(object, len) is len

    @f.register(bool)
    def _(x, suffix=""):
        return "flag" + suffix

    assert f(True, suffix="!") == "flag!"
    assert f(1) == "number"


def test_dispatch_without_an_implementation_names_the_type():
    with pytest.raises(TypeError, match=r"no area for objects of type builtins\.int"):
        utils.Dispatch("area")(3)


def test_lazy_registration_runs_once_when_the_library_is_seen():
    f = utils.Dispatch("f")
    f.register(object, lambda x: "object")
    calls = []

    @f.register_lazy("numpy")
    def _() -> None:
        calls.append(1)
        f.register(np.ndarray, lambda x: "array")

    class Derived(np.ndarray): ...

    assert f(3) == "object"
    assert calls == []
    assert f(np.arange(3).view(Derived)) == "array"
    assert f(np.arange(3)) == "array"
    assert calls == [1]


def test_serializable_lock_is_one_lock_per_token():
    a, b, c = utils.SerializableLock("t"), utils.SerializableLock("t"), utils.SerializableLock()
    again = pickle.loads(pickle.dumps(a))
    with a:
        assert b.locked()
        assert again.locked()
        assert not c.locked()
        assert not b.acquire(blocking=False)
    assert not a.locked()
    assert c.token != a.token


def test_serializable_lock_excludes_threads():
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            with utils.SerializableLock("excludes"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    keep = utils.SerializableLock("excludes")
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not keep.locked()


def test_unused_locks_are_forgotten():
    lock = utils.SerializableLock("forgotten")
    assert "forgotten" in utils.SerializableLock._known
    del lock
    gc.collect()
    assert "forgotten" not in utils.SerializableLock._known
