"""Small conversions that users and the rest of the package share: sizes, durations, and readable names.

Start at `parse_bytes` or `key_split`. `Dispatch` and `SerializableLock` live in files of their own and are offered
here under the names by which Dask's users know them. Nothing here imports NumPy, pandas or the extension.
"""

from __future__ import annotations

import datetime
import functools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal

from raskal._dispatch import Dispatch
from raskal._lock import SerializableLock

__all__ = [
    "Dispatch",
    "M",
    "SerializableLock",
    "apply",
    "ensure_dict",
    "format_bytes",
    "format_time",
    "funcname",
    "key_split",
    "natural_sort_key",
    "parse_bytes",
    "parse_timedelta",
    "tmpdir",
    "tmpfile",
    "typename",
]

# ---- sizes

_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15, "e": 10**18}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "pi": 2**50, "ei": 2**60}
_SIZE_UNITS = {**_DECIMAL, **_BINARY}
_NUMBER_AND_UNIT = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)?\s*([a-zµμ]*)\s*", re.IGNORECASE)


def parse_bytes(s: float | str) -> int:
    """Turn a size such as ``"128 MiB"`` into a number of bytes.

    Parameters
    ----------
    s : str or number
        A number, optionally followed by a unit: ``kB, MB, GB, TB, PB`` (powers of 1000), ``kiB, MiB, ...`` (powers of
        1024), with or without the ``B``, in any case. A unit alone means one of it. Numbers are taken as bytes.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the number or the unit cannot be read.

    Examples
    --------
    >>> parse_bytes("128 MiB"), parse_bytes("5.4 kB"), parse_bytes("1e6"), parse_bytes(123)
    (134217728, 5400, 1000000, 123)
    """
    if isinstance(s, (int, float)):
        return int(s)
    number, unit = _split_unit(s, "a size in bytes, such as '128 MiB' or '2GB'")
    factor = _SIZE_UNITS.get(unit.lower().removesuffix("b"))
    if factor is None:
        raise ValueError(
            f"cannot read {s!r} as a size: unknown unit {unit!r}\nhint: use B, kB, MB, GB, TB, kiB, MiB, GiB or TiB"
        )
    return int(number * factor)


def format_bytes(n: float) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> format_bytes(1), format_bytes(1234), format_bytes(12345678), format_bytes(1234567890)
    ('1 B', '1.21 kiB', '11.77 MiB', '1.15 GiB')
    """
    for unit, size in (("PiB", 2**50), ("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("kiB", 2**10)):
        if n >= size * 0.9:
            return f"{n / size:.2f} {unit}"
    return f"{n} B"


# ---- durations

_SECONDS: dict[str, float] = {
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("us", "µs", "μs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}


def parse_timedelta(
    s: float | str | datetime.timedelta | None, default: str | Literal[False] = "seconds"
) -> float | None:
    """Turn a duration such as ``"300ms"`` into seconds.

    Parameters
    ----------
    s : str, number, timedelta or None
        A number followed by a unit from nanoseconds to weeks, short or spelled out. None stays None.
    default : str or False
        The unit of a number without one; False refuses such numbers.

    Returns
    -------
    float, or int where that is exact, or None

    Examples
    --------
    >>> parse_timedelta("300ms"), parse_timedelta("3.5 hours"), parse_timedelta(3, default="ms"), parse_timedelta("2")
    (0.3, 12600, 0.003, 2)
    """
    if s is None:
        return None
    if isinstance(s, datetime.timedelta):
        seconds = s.total_seconds()
        return int(seconds) if seconds == int(seconds) else seconds
    number, unit = _split_unit(str(s), "a duration, such as '300ms' or '2 hours'")
    if not unit and default is False:
        raise ValueError(f"cannot read {s!r} as a duration: it has no unit\nhint: write it as '{s}s' or '{s}ms'")
    if not isinstance(default, (str, bool)):
        raise TypeError(f"the default unit must be text or False, not {default!r}")
    factor = _SECONDS.get((unit or str(default)).lower())
    if factor is None:
        raise ValueError(
            f"cannot read {s!r} as a duration: unknown unit {unit or default!r}\nhint: use ns, us, ms, s, m, h, d or w"
        )
    seconds = number * factor
    return int(seconds) if seconds == int(seconds) else seconds


def format_time(n: float) -> str:
    """Write a duration in seconds for people.

    Examples
    --------
    >>> format_time(1), format_time(0.001234), format_time(123.456), format_time(1234.567), format_time(98765)
    ('1.00 s', '1.23 ms', '123.46 s', '20m 34s', '27hr 26m')
    """
    for limit, (large, large_name), (small, small_name) in (
        (2 * 86400, (86400, "d"), (3600, "hr")),
        (2 * 3600, (3600, "hr"), (60, "m")),
        (10 * 60, (60, "m"), (1, "s")),
    ):
        if n > limit:
            return f"{int(n // large)}{large_name} {int(n % large // small)}{small_name}"
    for size, unit in ((1, "s"), (1e-3, "ms")):
        if n >= size:
            return f"{n / size:.2f} {unit}"
    return f"{n * 1e6:.2f} us"


def _split_unit(text: str, what: str) -> tuple[float, str]:
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None or not text.strip():
        raise ValueError(f"cannot read {text!r} as {what}")
    number, unit = match.groups()
    return (float(number) if number is not None else 1.0), unit


# ---- names

_HEX_TOKEN = re.compile(r"[a-f0-9]{8,}")
_OBJECT_TEXT = re.compile(r"<(?:[\w.]*\.)?(\w+) (?:object )?at 0x[0-9a-f]+", re.IGNORECASE)


@functools.lru_cache(100_000)
def key_split(s: object) -> str:
    """The readable part of a key: what names its layer, without numbers and tokens.

    Examples
    --------
    >>> key_split("sum-3f2a91c04bde7788"), key_split(("read-csv-1", 0)), key_split("hello-world-1"), key_split(None)
    ('sum', 'read-csv', 'hello-world', 'Other')
    """
    if isinstance(s, bytes):
        s = s.decode(errors="replace")
    if isinstance(s, tuple):
        return key_split(s[0]) if s else "Other"
    if not isinstance(s, str):
        return "Other"
    if quoted := re.match(r"""\(['"]([^'"]*)['"]""", s):
        return key_split(quoted[1])
    if named := _OBJECT_TEXT.match(s):
        return named[1]
    words = s.split("-")
    kept = [words[0]]
    for word in words[1:]:
        if not word.isalpha() or (len(word) in (8, 16, 32) and _HEX_TOKEN.fullmatch(word)):
            break
        kept.append(word)
    name = "-".join(kept)
    if len(name) == 32 and _HEX_TOKEN.fullmatch(name):
        return "data"
    return name.lstrip("_").strip("'()\"") or "Other"


def funcname(func: Any) -> str:
    """A short readable name of a callable, at most 50 characters.

    Examples
    --------
    >>> funcname(len), funcname(functools.partial(len)), funcname(lambda x: x)
    ('len', 'len', 'lambda')
    """
    while isinstance(func, functools.partial):
        func = func.func
    wrapped = getattr(func, "pyfunc", None)
    if wrapped is not None and type(func).__name__ == "vectorize":
        return f"vectorize_{funcname(wrapped)}"[:50]
    if type(func).__module__.partition(".")[0] in ("toolz", "cytoolz"):
        # curry shows the name of what it wraps; a composition shows all of its parts
        name = getattr(func, "func_name", None) or getattr(func, "__name__", None)
        return str(name or type(func).__name__)[:50]
    name = getattr(func, "__name__", None)
    if name is None:
        name = str(func)  # itemgetter(3), methodcaller('sum'): their text says more than their type
    return ("lambda" if name == "<lambda>" else name)[:50]


def typename(typ: Any, short: bool = False) -> str:
    """The full name of a type, or of an object's type; `short` keeps the package and the last word.

    Examples
    --------
    >>> import datetime
    >>> typename(datetime.datetime), typename(3), typename(Dispatch), typename(Dispatch, short=True)
    ('datetime.datetime', 'int', 'raskal._dispatch.Dispatch', 'raskal.Dispatch')
    """
    if not isinstance(typ, type):
        typ = type(typ)
    module = typ.__module__
    if not module or module == "builtins":
        return typ.__name__
    return f"{module.partition('.')[0] if short else module}.{typ.__name__}"


def natural_sort_key(s: str) -> list[str | int]:
    """A sort key that puts ``part.10`` behind ``part.2``.

    Examples
    --------
    >>> sorted(["part.10", "part.2", "part.1"], key=natural_sort_key)
    ['part.1', 'part.2', 'part.10']
    """
    return [int(word) if word.isdigit() else word for word in re.split(r"(\d+)", s)]


# ---- calls and mappings


def apply(func: Callable[..., Any], args: Any, kwargs: Mapping[str, Any] | None = None) -> Any:
    """Call ``func(*args, **kwargs)``; as a function of its own, so that a graph can hold it.

    Examples
    --------
    >>> apply(max, [1, 3], {"key": lambda x: -x})
    1
    """
    return func(*args, **(kwargs or {}))


def ensure_dict(d: Mapping[Any, Any], *, copy: bool = False) -> dict[Any, Any]:
    """`d` as a plain dict, itself if it is one already and no copy is asked for."""
    return d if type(d) is dict and not copy else dict(d)


class _MethodCaller:
    """Calls one method by name on whatever it is given; unlike a lambda it pickles and compares by that name."""

    __slots__ = ("method",)
    __name__: str

    def __init__(self, method: str) -> None:
        self.method = method

    def __call__(self, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(obj, self.method)(*args, **kwargs)

    def __getattr__(self, name: str) -> str:
        if name in ("__name__", "func"):
            return self.method
        raise AttributeError(f"'methodcaller' has no attribute {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _MethodCaller) and other.method == self.method

    def __hash__(self) -> int:
        return hash((_MethodCaller, self.method))

    def __reduce__(self) -> tuple[Any, ...]:
        return _MethodCaller, (self.method,)

    def __repr__(self) -> str:
        return f"M.{self.method}"


class _Methods:
    def __getattr__(self, name: str) -> _MethodCaller:
        if name.startswith("__"):
            raise AttributeError(name)
        return _MethodCaller(name)


M = _Methods()
"""``M.sum`` is a function that calls its argument's method ``sum``."""


# ---- scratch files


@contextmanager
def tmpfile(extension: str = "", dir: str | os.PathLike[str] | None = None) -> Iterator[str]:
    """A name for a file that does not exist yet, removed (file or folder) at the end.

    Examples
    --------
    >>> with tmpfile(".csv") as name:
    ...     _ = open(name, "w").write("a,b")
    >>> os.path.exists(name)
    False
    """
    suffix = f".{extension.lstrip('.')}" if extension else ""
    with tmpdir(dir) as folder:
        yield os.path.join(folder, f"scratch{suffix}")


@contextmanager
def tmpdir(dir: str | os.PathLike[str] | None = None) -> Iterator[str]:
    """A new folder, removed with all it holds at the end."""
    folder = tempfile.mkdtemp(dir=dir)
    try:
        yield folder
    finally:
        with suppress(OSError):
            shutil.rmtree(folder)
