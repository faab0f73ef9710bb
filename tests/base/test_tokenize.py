"""Tokens: equal content gives equal tokens, in every process; different content different ones."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import io
import operator
import os
import pathlib
import re
import subprocess
import sys
import threading

import cloudpickle
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raskal import config
from raskal.tokenize import TokenizationError, normalize_token, tokenize


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    x: object
    y: object = 0


class Plain:
    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)

    def method(self) -> None: ...


Pair = collections.namedtuple("Pair", "a b")


def add(x: int, y: int = 1) -> int:
    """Adds."""
    return x + y


def identity(x: object) -> object:
    return x


def frame(**changes: object) -> pd.DataFrame:
    columns: dict = {
        "i": [1, 2, 3],
        "s": ["x", None, "z"],
        "c": pd.Categorical(["u", "v", "u"]),
        "n": pd.array([1, None, 3], dtype="Int64"),
        "t": pd.to_datetime(["2020", "2021", None]).tz_localize("UTC"),
        "p": pd.period_range("2020", periods=3, freq="M"),
        "o": pd.Series([(1, 2), "mixed", None], dtype=object),
        "a": pd.array(["x", "y", None], dtype=pd.ArrowDtype(pa.string())),
        "sp": pd.arrays.SparseArray([0, 1, 0]),
        "iv": pd.interval_range(0, 3),
    }
    columns.update(changes)
    return pd.DataFrame(columns)


def masked(mask: list[bool]) -> np.ma.MaskedArray:
    return np.ma.array([1, 2, 3], mask=mask)


# Each row: things that are all different, each made anew by its own call so that equal content is never one object.
DIFFERENT = {
    "scalars": lambda: [
        0,
        1,
        True,
        False,
        None,
        1.0,
        1j,
        "1",
        b"1",
        ...,
        NotImplemented,
        -1,
        2**70,
        -(2**70),
        float("nan"),
    ],
    "empty": lambda: [[], (), {}, set(), frozenset(), "", b"", [[]], ([],), bytearray(), {(): []}],
    "nesting": lambda: [
        [1, [2, 3]],
        [[1, 2], 3],
        [1, 2, 3],
        ["1", 2, 3],
        [1, (2, 3)],
        ["ab", "c"],
        ["a", "bc"],
        ["abc"],
    ],
    "dicts": lambda: [
        {"a": 1},
        {"a": 2},
        {"b": 1},
        {1: "a"},
        {"a": {"b": 1}},
        [("a", 1)],
        collections.OrderedDict(a=1),
    ],
    "order kept": lambda: [
        collections.OrderedDict([("a", 1), ("b", 2)]),
        collections.OrderedDict([("b", 2), ("a", 1)]),
        {"a": 1, "b": 2},
        collections.defaultdict(list, a=1, b=2),
        collections.defaultdict(int, a=1, b=2),
        collections.Counter(a=1, b=2),
        collections.deque("ab"),
        collections.deque("ba"),
    ],
    "sets": lambda: [{1, 2}, {1, 2, 3}, frozenset({1, 2}), {"1", "2"}, [1, 2]],
    "tuples": lambda: [Pair(1, 2), (1, 2), [1, 2], Pair(2, 1)],
    "long text": lambda: ["a" * 100, "a" * 101, b"a" * 100, bytearray(b"a" * 100)],
    "values": lambda: [
        datetime.date(2020, 1, 1),
        datetime.datetime(2020, 1, 1),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        datetime.timedelta(1),
        decimal.Decimal("1.0"),
        decimal.Decimal("1.00"),
        range(3),
        range(4),
        slice(3),
        slice(0, 3),
        re.compile("a"),
        re.compile("a", re.I),
    ],
    "paths": lambda: [
        pathlib.Path("/a"),
        pathlib.Path("/b"),
        pathlib.PurePosixPath("/a"),
        pathlib.PureWindowsPath("/a"),
        "/a",
    ],
    "enums": lambda: [Color.RED, Color.BLUE, 1, Color],
    "dataclasses": lambda: [Point(1), Point(2), Point(1, 2), Point([1]), Point(Point(1)), Point],
    "objects": lambda: [
        Plain(),
        Plain(x=1),
        Plain(x=2),
        Plain(y=1),
        Plain(x={"a"}),
        Plain,
        Plain(x=1).method,
        Plain(x=2).method,
    ],
    "functions": lambda: [
        add,
        len,
        np.sum,
        np.add,
        np.subtract,
        lambda x: x,
        lambda y: y,
        identity,
        lambda x: x + 1,
        lambda x: x + 2,
        lambda x: add(x),
        lambda x, z=1: x,
        lambda x, z=2: x,
        lambda x, *, z=2: x,
        (lambda n: lambda x: x + n)(1),
        (lambda n: lambda x: x + n)(2),
        functools.partial(add, 1),
        functools.partial(add, 2),
        functools.partial(add, y=2),
        functools.partial(operator.add, 1),
        operator.itemgetter(1),
        operator.itemgetter(2),
        "a".join,
        "b".join,
        str.join,
        np.linalg.norm,
        np.vectorize(add),
        np.vectorize(len),
    ],
    "arrays": lambda: [
        np.arange(6),
        np.arange(6, dtype="i4"),
        np.arange(6.0),
        np.arange(6).reshape(2, 3),
        np.arange(6).reshape(3, 2),
        np.arange(6).reshape(3, 2).T,
        np.arange(7)[1:],
        np.arange(12)[::2],
        np.zeros(0),
        np.zeros((0, 2)),
        np.zeros(0, "f4"),
        np.zeros(()),
        np.ones(()),
        np.array([0, 1, 2, 3, 4, 5], dtype=object),
        np.array(["a", "bc"], dtype=object),
        np.array(["ab", "c"], dtype=object),
        np.array(["a", "bc"]),
        np.array(["a", "bc"], dtype="T"),
        np.array(["a", "bd"], dtype="T"),
        np.array(["a", None, (1, {"x"})], dtype=object),
        np.array(["2020", "2021"], dtype="M8[D]"),
        np.array(["2020", "2021"], dtype="M8[s]"),
        np.array([(1, "x")], dtype=[("a", "i4"), ("b", "O")]),
        np.array([(1, "y")], dtype=[("a", "i4"), ("b", "O")]),
        np.array([(1, 2)], dtype=[("a", "i4"), ("b", "i4")]),
        np.array([(1, 2)], dtype=[("a", "i4"), ("c", "i4")]),
        masked([True, False, False]),
        masked([False, True, False]),
        np.arange(6, dtype=">i8"),
    ],
    "numpy scalars": lambda: [
        np.float32(1),
        np.float64(1),
        np.int64(1),
        np.datetime64("2020"),
        np.str_("1"),
        1.0,
        1,
        "1",
    ],
    "dtypes": lambda: [
        np.dtype("f4"),
        np.dtype("f8"),
        np.dtype([("a", "f4")]),
        np.dtype([("b", "f4")]),
        np.float32,
        np.dtype("M8[s]"),
    ],
    "random states": lambda: [
        np.random.default_rng(1),
        np.random.default_rng(2),
        np.random.RandomState(1),
        np.random.RandomState(2),
    ],
    "frames": lambda: [
        frame(),
        frame(i=[1, 2, 4]),
        frame(i=[1.0, 2, 3]),
        frame(s=["x", None, "y"]),
        frame(s=["x", "None", "z"]),
        frame(c=pd.Categorical(["u", "v", "v"])),
        frame(c=pd.Categorical(["u", "v", "u"], ordered=True)),
        frame(c=pd.Categorical(["u", "v", "u"], categories=["v", "u"])),
        frame(n=pd.array([1, 2, 3], dtype="Int64")),
        frame(t=pd.to_datetime(["2020", "2021", None]).tz_localize("Europe/Berlin")),
        frame(o=pd.Series([(1, 3), "mixed", None], dtype=object)),
        frame(a=pd.array(["x", "y", "z"], dtype=pd.ArrowDtype(pa.string()))),
        frame(sp=pd.arrays.SparseArray([0, 1, 1])),
        frame(iv=pd.interval_range(0, 3, closed="left")),
        frame().rename(columns={"i": "j"}),
        frame().set_index("i"),
        frame().iloc[:2],
        frame()[["i", "s"]],
        frame()[["s", "i"]],
        pd.DataFrame(),
        pd.DataFrame(index=[1]),
    ],
    "series": lambda: [
        pd.Series([1, 2]),
        pd.Series([1, 2], name="x"),
        pd.Series([1, 2], index=[1, 2]),
        pd.Series([1.0, 2]),
        pd.Series(["1", "2"]),
        pd.Series(["1", "2"], dtype=object),
        pd.Series(["1", "2"], dtype="category"),
        pd.Index([1, 2]),
    ],
    "indexes": lambda: [
        pd.RangeIndex(3),
        pd.RangeIndex(4),
        pd.Index([0, 1, 2]),
        pd.Index([0, 1, 2], name="x"),
        pd.date_range("2020", periods=3),
        pd.date_range("2020", periods=3, tz="UTC"),
        pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]),
        pd.MultiIndex.from_tuples([(1, "a"), (2, "c")]),
        pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["x", None]),
        pd.Timestamp("2020"),
        pd.Timedelta(1),
        pd.NaT,
        pd.NA,
        pd.offsets.MonthEnd(1),
        pd.offsets.MonthEnd(2),
    ],
    "arrow": lambda: [
        pa.table({"a": [1, 2]}),
        pa.table({"a": [1, 3]}),
        pa.table({"b": [1, 2]}),
        pa.table({"a": [1, None]}),
        pa.table({"a": [1, 2]}).to_batches()[0],
        pa.table({"a": [1, 2]})["a"],
        pa.array([1, 2]),
        pa.array([0, 1, 2]).slice(2),
        pa.array([1, 2], pa.int8()),
        pa.array(["1", "2"]),
        pa.scalar(1),
        pa.scalar(1, pa.int8()),
        pa.int8(),
        pa.list_(pa.int8()),
        pa.schema([("a", pa.int8())]),
        pa.schema([("a", pa.int8())], metadata={"k": "v"}),
        pa.field("a", pa.int8()),
        pc.field("a") > 3,
        pc.field("a") > 4,
    ],
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_equal_content_gives_equal_tokens_and_different_content_different_ones(name):
    first = [tokenize(x, ensure_deterministic=True) for x in DIFFERENT[name]()]
    again = [tokenize(x, ensure_deterministic=True) for x in DIFFERENT[name]()]
    things = DIFFERENT[name]()
    assert first == again
    repeated = [things[i] for i, token in enumerate(first) if first.count(token) > 1]
    assert not repeated
    assert len(first) >= 4


def test_token_is_32_hexadecimal_digits():
    assert re.fullmatch("[0-9a-f]{32}", tokenize(1))


def test_position_and_names_of_arguments_count():
    tokens = [
        tokenize(1, 2),
        tokenize(2, 1),
        tokenize((1, 2)),
        tokenize(1, x=2),
        tokenize(1, y=2),
        tokenize(),
        tokenize(None),
    ]
    assert len(set(tokens)) == len(tokens)
    assert tokenize(x=1, y=2) == tokenize(y=2, x=1)


def test_order_of_dicts_and_sets_does_not_count():
    assert tokenize({"a": 1, 2: "b", None: []}) == tokenize({None: [], 2: "b", "a": 1})
    words = [f"word{i}" for i in range(100)]
    assert tokenize(set(words)) == tokenize({word for i in range(100) for word in words if word.endswith(str(99 - i))})


def test_layout_of_an_array_does_not_count():
    array = np.random.default_rng(0).random((300, 200))
    assert tokenize(array) == tokenize(np.asfortranarray(array)) == tokenize(array[::-1][::-1]) == tokenize(array.T.T)


def test_large_strided_array_is_hashed_in_slabs(monkeypatch):
    from raskal import _tokenize_numpy

    array = np.arange(10_000).reshape(100, 100)[:, ::2]
    whole = tokenize(array.copy())
    monkeypatch.setattr(_tokenize_numpy, "_SLAB_BYTES", 1000)
    assert tokenize(array) == whole


def test_values_under_a_mask_do_not_count():
    data = pd.array([1, 2, 3], dtype="Int64")
    one, other = data.copy(), data.copy()
    one[1], other[1] = 55, 66
    one[1] = other[1] = pd.NA
    assert tokenize(one) == tokenize(other)


def test_cached_properties_do_not_count():
    class Cached:
        @functools.cached_property
        def slow(self) -> int:
            return 1

    used, unused = Cached(), Cached()
    assert used.slow == 1
    assert tokenize(used) == tokenize(unused)


def test_pandas_caches_do_not_count():
    used, unused = frame(), frame()
    used.index.is_unique, used.columns.get_loc("s"), used["i"].sum()
    assert tokenize(used) == tokenize(unused)


def test_function_that_moves_in_its_file_keeps_its_token():
    def compiled(text: str) -> object:
        namespace: dict = {"__name__": "somewhere"}
        exec(compile(text, "file.py", "exec"), namespace)
        return namespace["f"]

    assert tokenize(compiled("def f(x): return x + 1")) == tokenize(compiled("\n\n\ndef f(x):\n    return x + 1"))
    assert tokenize(compiled("def f(x): return x + 1")) != tokenize(compiled("def f(x): return x + 2"))


def test_globals_that_a_local_function_uses_count():
    namespace: dict = {"__name__": "somewhere", "factor": 2}
    exec("def f(x): return x * factor\ndef g(x): return [f(y) for y in x]", namespace)
    before = tokenize(namespace["f"]), tokenize(namespace["g"])
    namespace["factor"] = 3
    assert tokenize(namespace["f"]) != before[0]
    assert tokenize(namespace["g"]) != before[1]
    namespace["factor"] = 2
    assert (tokenize(namespace["f"]), tokenize(namespace["g"])) == before


def test_recursive_functions_and_containers_have_tokens():
    def loop(x):
        return loop(x - 1) if x else 0

    def other(x):
        return other(x - 2) if x else 0

    assert tokenize(loop, ensure_deterministic=True) != tokenize(other, ensure_deterministic=True)

    def cycle(value: int) -> list:
        items: list = [value]
        items.append({"self": items})
        return items

    assert tokenize(cycle(1), ensure_deterministic=True) == tokenize(cycle(1))
    assert tokenize(cycle(1)) != tokenize(cycle(2))


def test_shared_parts_count_as_copies_and_cost_no_more():
    shared: list = []
    for _ in range(200):  # 2**200 parts, were they walked each time
        shared = [shared, shared]
    assert tokenize(shared) == tokenize(shared)
    part = [1, 2]
    assert tokenize([part, part]) == tokenize([[1, 2], [1, 2]])


def test_own_methods_are_honoured():
    class Ours:
        def __raskal_tokenize__(self):
            return "same"

    class Theirs:
        def __dask_tokenize__(self):
            return "same"

    class Both(Theirs):
        def __raskal_tokenize__(self):
            return "other"

    class OfDict(dict):
        def __dask_tokenize__(self):
            return "fixed"

    assert tokenize(Ours()) == tokenize(Ours()) != tokenize(Theirs())
    assert tokenize(Both()) == tokenize(Both()) != tokenize(Theirs())
    assert tokenize(OfDict(a=1)) == tokenize(OfDict(b=2))
    assert tokenize(Ours) != tokenize(Theirs)


def test_registered_normal_form_is_used_for_subclasses_too():
    class Base:
        def __init__(self, x: int) -> None:
            self.x, self.noise = x, object()

    class Derived(Base): ...

    @normalize_token.register(Base)
    def _(obj):
        return "Base", obj.x

    assert tokenize(Base(1)) == tokenize(Derived(1)) != tokenize(Base(2))


@pytest.mark.parametrize(
    "make",
    [
        object,
        threading.Lock,
        lambda: iter(x for x in []),
        lambda: open(os.devnull),
        lambda: [{"deep": threading.Lock()}],
    ],
    ids=["object", "lock", "generator", "file", "nested"],
)
def test_objects_without_content_get_random_tokens_or_an_error(make):
    thing = make()
    assert tokenize(thing) != tokenize(thing)
    with pytest.raises(TokenizationError, match="hint: give its class a method __raskal_tokenize__"):
        tokenize(thing, ensure_deterministic=True)
    with config.set({"tokenize.ensure-deterministic": True}):
        with pytest.raises(TokenizationError):
            tokenize(thing)
        assert tokenize(thing, ensure_deterministic=False)


def test_error_inside_an_own_pickle_method_is_no_crash():
    class Broken:
        def __reduce_ex__(self, protocol):
            raise ZeroDivisionError("no")

    with pytest.raises(TokenizationError, match="ZeroDivisionError: no"):
        tokenize(Broken(), ensure_deterministic=True)


def test_memory_maps_count_by_content(tmp_path):
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.arange(10).reshape(5, 2))
    one, other = (np.load(tmp_path / name, mmap_mode="r+") for name in ("a.npy", "b.npy"))
    assert tokenize(one) == tokenize(other)
    assert tokenize(one[0]) == tokenize(other[0]) != tokenize(one[1])
    one[0] = 5
    assert tokenize(one) != tokenize(other)


def test_ufunc_made_from_a_function_is_never_taken_for_another():
    """Pickle knows such a ufunc by a name that all of them share."""
    one, other = np.frompyfunc(lambda x: x + 1, 1, 1), np.frompyfunc(lambda x: x + 2, 1, 1)
    assert tokenize(one) != tokenize(other)
    with pytest.raises(TokenizationError):
        tokenize(one, ensure_deterministic=True)


def test_how_a_pandas_index_was_concatenated_does_not_count():
    parts = pd.concat([pd.Series(1, index=["a", "b"]), pd.Series(2, index=["c", "d"])])
    whole = pd.Series([1, 1, 2, 2], index=["a", "b", "c", "d"])
    assert tokenize(parts) == tokenize(whole)


def test_tokens_survive_pickling_by_value():
    class Local:
        def __init__(self, x: int) -> None:
            self.x = x

    @dataclasses.dataclass
    class LocalPoint(Point): ...

    for thing in (
        Local(1),
        LocalPoint(1),
        Local,
        LocalPoint,
        lambda x: x,
        frame(),
        functools.partial(add, 1),
        Color.RED,
    ):
        before = tokenize(thing, ensure_deterministic=True)
        assert tokenize(cloudpickle.loads(cloudpickle.dumps(thing)), ensure_deterministic=True) == before
        assert tokenize(thing) == before


def test_buffer_like_objects_count_by_content():
    assert tokenize(io.BytesIO(b"a")) == tokenize(io.BytesIO(b"a")) != tokenize(io.BytesIO(b"b"))
    assert tokenize(memoryview(b"ab")[::1]) == tokenize(memoryview(b"ab")) != tokenize(memoryview(b"ba"))


_IN_A_PROCESS = """
import functools, sys
import numpy as np, pandas as pd, pyarrow as pa
from raskal.tokenize import tokenize
FACTOR = {"b", "a", "c"}
def f(x, y={"k": {1, 2}}): return [x in FACTOR for z in {"u", "v"} if x in {"p", "q"}]
class Main:
    def __init__(self): self.words = {"x", "y", "z"}
    def __eq__(self, other): return super().__eq__(other)
things = [f, lambda: FACTOR, functools.partial(f, 1), Main, Main(), Main().__eq__, FACTOR, {"b": 1, "a": {"x", "y"}},
    np.arange(5), np.array(["a", {"s", "t"}], dtype=object), np.sum, np.linalg.norm, sys,
    pd.DataFrame({"a": [1], "b": ["x"]}), pa.table({"a": ["x", None]}), f.__code__]
for thing in things:
    print(tokenize(thing, ensure_deterministic=True))
"""


def test_tokens_are_the_same_in_every_process():
    outputs = []
    for seed in ("0", "1", "4242"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        result = subprocess.run(
            [sys.executable, "-c", _IN_A_PROCESS], env=env, capture_output=True, text=True, check=True
        )
        outputs.append(result.stdout.split())
    assert outputs[0] == outputs[1] == outputs[2]
    assert len(outputs[0]) == len(set(outputs[0])) == 16


def test_neither_pandas_nor_dask_is_imported():
    code = "import sys; from raskal.tokenize import tokenize; tokenize(1); print('dask' in sys.modules)"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
nested = st.recursive(
    plain, lambda x: st.lists(x) | st.tuples(x, x) | st.dictionaries(st.text(), x) | st.frozensets(plain), max_leaves=10
)


def exact(value: object) -> object:
    """A comparable description that tells 1, 1.0 and True apart, and forgets the order of dicts and sets."""
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [exact(v) for v in value]
    if isinstance(value, dict):
        return "dict", sorted((k, repr(exact(v))) for k, v in value.items())
    if isinstance(value, frozenset):
        return "frozenset", sorted(repr(exact(v)) for v in value)
    return type(value).__name__, repr(value)


@given(nested, nested)
def test_tokens_are_equal_exactly_where_values_are(one, other):
    assert (tokenize(one) == tokenize(other)) == (exact(one) == exact(other))
