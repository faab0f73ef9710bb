"""`raskal.delayed` against plain Python calls."""

from __future__ import annotations

import dataclasses
import operator
from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import raskal
from raskal import compute, delayed

SCHEDULERS = ["threads", "synchronous"]


def inc(x):
    return x + 1


def add(*args, **kwargs):
    return sum(args) + sum(kwargs.values())


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_call_is_made_when_it_is_computed(scheduler):
    calls = []
    later = delayed(calls.append)(1)
    assert calls == []
    assert later.compute(scheduler=scheduler) is None
    assert calls == [1]


def test_arguments_are_found_at_any_depth():
    one = delayed(inc)(0)
    pair = namedtuple("pair", "a b")

    @dataclasses.dataclass(frozen=True)
    class Record:
        name: str
        values: list

    nested = {
        "list": [one, (one, {one})],
        "pair": pair(one, 5),
        "record": Record("r", [one]),
        "slice": slice(one, None),
    }
    result = delayed(lambda value: value)(nested).compute()
    assert result == {
        "list": [1, (1, {1})],
        "pair": pair(1, 5),
        "record": Record("r", [1]),
        "slice": slice(1, None),
    }
    assert type(result["pair"]) is pair


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "floordiv", "mod", "lt", "ge", "eq", "ne", "pow"])
def test_operators_are_those_of_the_value(name):
    function = getattr(operator, name)
    assert function(delayed(7), 3).compute() == function(7, 3)
    assert function(7, delayed(3)).compute() == function(7, 3)


def test_methods_attributes_and_items_are_those_of_the_value():
    text = delayed("a,b")
    assert text.upper().split(",")[1].compute() == "B"
    assert delayed(3 + 4j).imag.compute() == 4.0
    with pytest.raises(AttributeError, match="_secret"):
        text._secret  # noqa: B018


def test_a_result_of_known_length_is_unpacked():
    quotient, remainder = delayed(divmod, nout=2)(7, 3)
    assert compute(quotient, remainder) == (2, 1)
    assert len(delayed(divmod, nout=2)(7, 3)) == 2
    with pytest.raises(TypeError, match="nout"):
        iter(delayed(divmod)(7, 3))
    with pytest.raises(ValueError, match="-1"):
        delayed(inc, nout=-1)


def test_a_delayed_has_no_truth_value():
    with pytest.raises(TypeError, match="compute"):
        bool(delayed(1))


def test_pure_calls_of_equal_content_share_their_key_and_their_task():
    calls = []

    def note(x):
        calls.append(x)
        return x

    first, second = delayed(note, pure=True)(1), delayed(note, pure=True)(1)
    assert first.key == second.key != delayed(note, pure=True)(2).key
    assert compute(first, second) == (1, 1)
    assert calls == [1]
    assert delayed(note)(1).key != delayed(note)(1).key


def test_operators_are_pure():
    """The same operator on the same operands is one task, whatever the operands were made of."""
    x, y = delayed(inc)(1), delayed(inc)(1)
    for one, same, other in [
        (x + 1, x + 1, x + 2),
        (x + 1, x + 1, x + 1.0),
        (1 - x, 1 - x, x - 1),
        (x + y, x + y, y + x),
        (x["a"], x["a"], x["b"]),
        (x[1:3], x[1:3], x[1:4]),
        (x.real, x.real, x.imag),
        (-x, -x, +x),
        (x + True, x + True, x + 1),
    ]:
        assert one.key == same.key != other.key
    assert (x + object()).key != (x + object()).key
    calls = []
    seen = delayed(lambda value: calls.append(value) or value)(5)
    assert compute(delayed(inc)(seen + 1), delayed(inc)(seen + 1)) == (7, 7)
    assert not (x + 1)._is_keyed and (delayed(1, name="one") + 1)._is_keyed


def test_a_key_can_be_given():
    assert delayed(inc)(1, dask_key_name="mine").key == "mine"
    assert delayed(5, name="five").key == "five"


def test_the_loop_of_the_introduction():
    def smaller(x, y):
        return x - y

    def larger(x, y):
        return x * y

    a, b = range(7), range(3, 9)
    lazy = [delayed(smaller)(x, y) if x < y else delayed(larger)(x, y) for x in a for y in b]
    expected = [smaller(x, y) if x < y else larger(x, y) for x in a for y in b]
    assert delayed(sum)(lazy).compute() == sum(expected)
    assert list(compute(*lazy)) == expected


def test_what_is_persisted_is_computed_once():
    calls = []
    kept = delayed(calls.append)(1).persist()
    assert (kept.compute(), delayed(str)(kept).compute()) == (None, "None")
    assert calls == [1]


def test_a_decorator_keeps_name_and_documentation():
    @delayed
    def documented(x):
        """Doubles."""
        return 2 * x

    assert (documented.__name__, documented.__doc__) == ("documented", "Doubles.")
    assert documented(4).compute() == 8


def test_a_chain_of_100000_calls_neither_builds_nor_dies_recursively():
    x = delayed(inc)(0)
    for _ in range(100_000):
        x = delayed(inc)(x)
    assert x.compute() == 100_001
    del x


def test_delayed_in_delayed_functions_may_be_computed_inside_a_task():
    def outer(n):
        return sum(compute(*[delayed(inc)(i) for i in range(n)]))

    assert compute(*[delayed(outer)(n) for n in range(8)]) == tuple(sum(range(1, n + 1)) for n in range(8))


def test_arguments_that_are_not_lazy_are_returned_as_they_are():
    marker = object()
    assert compute(marker, 5, [1, delayed(2)]) == (marker, 5, [1, 2])


def test_an_unknown_scheduler_is_told_with_the_known_ones():
    with pytest.raises(ValueError, match="synchronous"):
        delayed(1).compute(scheduler="quantum")


def test_visualize_draws_every_task(tmp_path):
    path = tmp_path / "graph.svg"
    raskal.visualize(delayed(add)(delayed(inc)(1), delayed(inc)(2)), filename=str(path))
    drawn = path.read_text()
    assert drawn.count("inc") >= 2
    assert "add" in drawn


@st.composite
def programs(draw):
    """A random graph, as rows of earlier tasks that each task adds up."""
    size = draw(st.integers(1, 30))
    rows = [draw(st.lists(st.integers(0, task - 1), max_size=4)) if task else [] for task in range(size)]
    return rows


@given(programs())
def test_random_graphs_give_what_plain_calls_give(rows):
    lazy, plain = [], []
    for task, row in enumerate(rows):
        lazy.append(delayed(add)(task, *[lazy[i] for i in row]))
        plain.append(add(task, *[plain[i] for i in row]))
    assert list(compute(*lazy, scheduler="threads")) == plain
    assert lazy[-1].compute(scheduler="synchronous") == plain[-1]
