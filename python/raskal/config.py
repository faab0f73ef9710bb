"""Settings: defaults, YAML files, environment variables, and `set` for what a program changes.

Start at `get` and `set`; `refresh` shows in which order sources count. Settings are nested dictionaries; a dotted key
descends, and ``-`` and ``_`` mean the same. This module imports nothing of raskal but plain helpers.
"""

from __future__ import annotations

import ast
import base64
import builtins
import difflib
import json
import os
import site
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from raskal._config_check import check_value, tell_without_effect
from raskal._config_dask import advice
from raskal._config_files import collect_yaml, read_yaml

__all__ = [
    "PATH",
    "canonical_name",
    "check_deprecations",
    "collect",
    "collect_env",
    "collect_yaml",
    "config",
    "defaults",
    "deserialize",
    "ensure_file",
    "expand_environment_variables",
    "get",
    "interpret_value",
    "merge",
    "paths",
    "paths_containing_key",
    "pop",
    "refresh",
    "rename",
    "serialize",
    "set",
    "update",
    "update_defaults",
]

Setting = MutableMapping[str, Any]

# Who comes from Dask has variables for it: they count below raskal's own.
_PREFIXES = ("DASK_", "RASKAL_")
_INHERITED = "INTERNAL_INHERIT_CONFIG"
# Variables of these prefixes that are no settings: where files are, how the package is built and logs, how to reach a
# cluster. The token above all: settings are printed, and handed to other processes.
_NOT_SETTINGS = frozenset(
    {
        "BUILD_PROFILE",
        "CONFIG",
        "LOG",
        "ROOT_CONFIG",
        "SCHEDULER_FILE",
        "SHARE_MEMORY",
        "TOKEN",
        _INHERITED,
    }
)


def _search_paths() -> list[str]:
    """Folders and files that may hold settings, the weakest first."""
    candidates = [
        os.environ.get("RASKAL_ROOT_CONFIG", "/etc/raskal"),
        *(os.path.join(prefix, "etc", "raskal") for prefix in [sys.prefix, *site.PREFIXES]),
        os.path.join(os.path.expanduser("~"), ".config", "raskal"),
        os.environ.get("RASKAL_CONFIG", ""),
    ]
    # of equal paths the last counts
    return [path for i, path in enumerate(candidates) if path and path not in candidates[i + 1 :]]


paths: list[str] = _search_paths()
"""Folders and files that are searched for settings, the weakest first."""

PATH: str = os.environ.get("RASKAL_CONFIG") or os.path.join(os.path.expanduser("~"), ".config", "raskal")
"""Where a user's own settings belong."""

config: dict[str, Any] = {}
"""The settings in force."""

defaults: list[Mapping[str, Any]] = []
"""Defaults of raskal and of packages that build on it, in the order of `update_defaults`."""

# Re-entrant: set() inside a callback of another set() in the same thread must not hang.
config_lock = threading.RLock()

_MISSING: Any = object()


class UnknownSettingError(KeyError):
    """A setting that nobody has set; a `KeyError` whose text is readable."""

    def __str__(self) -> str:
        return str(self.args[0])


# ---- reading


def get(key: str, default: Any = _MISSING, config: Mapping[str, Any] | None = None, override_with: Any = None) -> Any:
    """Read one setting.

    Parameters
    ----------
    key : str
        Name of the setting; ``"array.chunk-size"`` descends.
    default : object, optional
        Returned where the setting does not exist.
    config : mapping, optional
        Where to look; the settings in force by default.
    override_with : object, optional
        Returned at once unless it is None: ``get("array.chunk-size", override_with=argument)``.

    Raises
    ------
    KeyError
        If there is no such setting and no default; the message offers the nearest names.

    Examples
    --------
    >>> get("tokenize.ensure-deterministic")
    False
    >>> get("array.no-such-thing", default=3)
    3
    """
    if override_with is not None:
        return override_with
    found: Any = globals()["config"] if config is None else config
    for name in key.split("."):
        if not isinstance(found, Mapping):
            found = _MISSING
            break
        found = found.get(canonical_name(name, found), _MISSING)
        if found is _MISSING:
            break
    if found is not _MISSING:
        return found
    if default is not _MISSING:
        return default
    raise _unknown(key, globals()["config"] if config is None else config)


def pop(key: str, default: Any = _MISSING, config: Setting | None = None) -> Any:
    """Read one setting and remove it; the rest as `get`."""
    target = globals()["config"] if config is None else config
    with config_lock:
        *groups, last = key.split(".")
        holder = get(".".join(groups), None, target) if groups else target
        if isinstance(holder, MutableMapping) and (name := canonical_name(last, holder)) in holder:
            return holder.pop(name)
    if default is not _MISSING:
        return default
    raise _unknown(key, target)


def canonical_name(k: str, config: Any) -> str:
    """The spelling of `k`, with ``-`` or ``_``, that `config` uses; `k` itself where it has neither.

    Examples
    --------
    >>> canonical_name("chunk_size", {"chunk-size": 3})
    'chunk-size'
    """
    if not isinstance(config, Mapping) or k in config:
        return k
    for other in (k.replace("_", "-"), k.replace("-", "_")):
        if other in config:
            return other
    return k


def _unknown(key: str, config: Mapping[str, Any]) -> UnknownSettingError:
    instead = advice(key)
    if instead is not None:
        return UnknownSettingError(f"the setting {key!r} of Dask does not exist here\nhint: {instead}")
    known = list(_names(config))
    near = difflib.get_close_matches(key.replace("_", "-"), known, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "raskal.config.config holds what is set"
    return UnknownSettingError(f"there is no setting {key!r}\nhint: {hint}")


def _leaves(key: str, value: Any) -> Iterator[str]:
    """The names of all plain values that `key` is to hold."""
    if not isinstance(value, Mapping):
        yield key
    else:
        for name, below in value.items():
            yield from _leaves(f"{key}.{name}", below)


def _names(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in config.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _names(value, f"{prefix}{key}.")


# ---- writing


class set:
    """Change settings, for good or for the length of a ``with`` block.

    Parameters
    ----------
    arg : mapping, optional
        Settings by dotted name.
    config : dict, optional
        What to change; the settings in force by default.
    lock : lock, optional
        Held while changing and restoring.
    **kwargs
        More settings; a double underscore descends: ``array__chunk_size="64MiB"``.

    Raises
    ------
    ValueError
        If a value cannot be right for the setting, such as ``array.chunk-size="lots"``. Nothing is changed then.
    TypeError
        If a setting is to be set below one that holds a plain value.

    Notes
    -----
    Settings belong to the process, not to a thread. Blocks of different threads restore what they found themselves;
    two that change the same setting at the same time see each other.

    Examples
    --------
    >>> with set({"array.chunk-size": "1MiB"}):
    ...     get("array.chunk-size")
    '1MiB'
    >>> get("array.chunk-size")
    '128MiB'
    """

    def __init__(
        self,
        arg: Mapping[str, Any] | None = None,
        config: Setting | None = None,
        lock: Any = config_lock,
        **kwargs: Any,
    ) -> None:
        wanted = dict(arg or {})
        wanted.update({key.replace("__", "."): value for key, value in kwargs.items()})
        self.config: Setting = globals()["config"] if config is None else config
        self._lock = lock
        self._undo: list[tuple[tuple[str, ...], Any]] = []
        for key, value in wanted.items():
            check_value(key, value, f"raskal.config.set({key!r}: {value!r})")
            if self.config is globals()["config"]:
                for name in _leaves(key, value):
                    tell_without_effect(name, "raskal.config.set")
        with lock:
            try:
                for key, value in wanted.items():
                    self._assign(key, value)
            except TypeError:
                self._restore()
                raise

    def __enter__(self) -> Setting:
        return self.config

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._restore()

    def _assign(self, key: str, value: Any) -> None:
        holder = self.config
        path: tuple[str, ...] = ()
        recorded = False
        names = key.split(".")
        for i, name in enumerate(names):
            name = canonical_name(name, holder)
            path = (*path, name)
            before = holder.get(name, _MISSING)
            last = i == len(names) - 1
            if not recorded and (last or before is _MISSING or before is None):
                self._undo.append((path, before))
                recorded = True  # undoing the outermost change undoes all below it
            if last:
                holder[name] = value
                return
            if before is _MISSING or before is None:
                holder[name] = {}
            elif not isinstance(before, MutableMapping):
                raise TypeError(
                    f"cannot set {key!r}: {'.'.join(path)!r} holds the value {before!r}, not a group of settings"
                )
            holder = holder[name]

    def _restore(self) -> None:
        for path, before in reversed(self._undo):
            holder: Any = self.config
            for name in path[:-1]:  # the settings may have been refreshed in between
                holder = holder.get(name) if before is _MISSING else holder.setdefault(name, {})
                if not isinstance(holder, MutableMapping):
                    break
            else:
                if before is _MISSING:
                    holder.pop(path[-1], None)
                else:
                    holder[path[-1]] = before
        self._undo.clear()


def update(
    old: Setting,
    new: Mapping[str, Any],
    priority: Literal["old", "new", "new-defaults"] = "new",
    defaults: Mapping[str, Any] | None = None,
) -> Setting:
    """Merge nested settings into `old`, in place.

    Parameters
    ----------
    old : dict
        What is changed, and returned.
    new : mapping
        What is merged in.
    priority : {"new", "old", "new-defaults"}
        Whose value counts where both have one. ``"new-defaults"``: the new one, if the old one is still the default.
    defaults : mapping, optional
        The defaults that ``"new-defaults"`` compares with.

    Examples
    --------
    >>> update({"x": 1, "y": {"a": 2}}, {"x": 2, "y": {"b": 3}})
    {'x': 2, 'y': {'a': 2, 'b': 3}}
    >>> update({"x": 1, "y": {"a": 2}}, {"x": 2, "y": {"b": 3}}, priority="old")
    {'x': 1, 'y': {'a': 2, 'b': 3}}
    """
    if priority not in ("old", "new", "new-defaults"):
        raise ValueError(f"unknown priority {priority!r}\nhint: use 'new', 'old' or 'new-defaults'")
    for key, value in new.items():
        key = canonical_name(key, old)
        default = defaults.get(key, _MISSING) if isinstance(defaults, Mapping) else _MISSING
        if isinstance(value, Mapping):
            if not isinstance(old.get(key), MutableMapping):
                old[key] = {}
            update(old[key], value, priority, default if isinstance(default, Mapping) else None)
        elif key not in old or priority == "new" or (priority == "new-defaults" and _same(default, old[key])):
            old[key] = value
    return old


def _same(default: Any, value: Any) -> bool:
    return default is not _MISSING and bool(default == value)


def merge(*dicts: Mapping[str, Any]) -> dict[str, Any]:
    """The nested dictionaries as one; later ones win.

    Examples
    --------
    >>> merge({"x": 1, "y": {"a": 2}}, {"y": {"b": 3}})
    {'x': 1, 'y': {'a': 2, 'b': 3}}
    """
    result: dict[str, Any] = {}
    for one in dicts:
        update(result, one)
    return result


# ---- sources


def collect(paths: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The settings of all files and of the environment, without the defaults.

    Parameters
    ----------
    paths : list of str, optional
        Files, or folders of ``.yaml``, ``.yml`` and ``.json`` files, the weakest first.
    env : mapping, optional
        Environment variables; those of the process by default.

    Raises
    ------
    ValueError
        If a file or variable cannot be read as settings; the message names it, and the line.
    """
    files = collect_yaml(globals()["paths"] if paths is None else paths)
    return merge(*files, collect_env(env))


def collect_env(env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The settings in environment variables: ``RASKAL_ARRAY__CHUNK_SIZE=64MiB`` sets ``array.chunk-size``.

    Names are lower-cased, a double underscore descends, and values are read as Python literals where they are ones.
    Variables of Dask, ``DASK_ARRAY__CHUNK_SIZE``, count where raskal's own do not say otherwise.
    """
    env = os.environ if env is None else env
    result: dict[str, Any] = {}
    for prefix in _PREFIXES:
        variable = prefix + _INHERITED
        if variable in env:
            try:
                update(result, deserialize(env[variable]))
            except ValueError as error:
                raise ValueError(
                    f"environment variable {variable} does not hold serialized settings: {error}"
                ) from error
    for prefix in _PREFIXES:
        # sorted: RASKAL_A before RASKAL_A__B, whatever the order of the environment
        for variable in sorted(name for name in env if name.startswith(prefix)):
            if (name := variable.removeprefix(prefix)) not in _NOT_SETTINGS:
                _set_from_variable(result, variable, name.lower().replace("__", "."), env[variable])
    return result


def _set_from_variable(result: dict[str, Any], variable: str, key: str, text: str) -> None:
    value = interpret_value(text)
    place = f"environment variable {variable}={text!r}"
    check_value(key, value, place)
    if variable.startswith("RASKAL_"):  # those of Dask may be meant for Dask
        tell_without_effect(key, place)
    try:
        set({key: value}, config=result)
    except TypeError as error:
        raise ValueError(f"environment variable {variable} contradicts another one: {error}") from error


def interpret_value(value: str) -> Any:
    """An environment variable's text as a Python value.

    Examples
    --------
    >>> interpret_value("12"), interpret_value("[1, 2]"), interpret_value("true"), interpret_value("/scratch")
    (12, [1, 2], True, '/scratch')
    """
    try:
        return ast.literal_eval(value)
    except (SyntaxError, ValueError):
        pass
    words = {"none": None, "null": None, "true": True, "false": False}
    return words.get(value.lower(), value)


def paths_containing_key(key: str, paths: Sequence[str] | None = None) -> Iterator[Path]:
    """The files among `paths` that set `key`, the weakest first."""
    for path, values in collect_yaml(globals()["paths"] if paths is None else paths, return_paths=True):
        if get(key, _MISSING_OK, values) is not _MISSING_OK:
            yield path


_MISSING_OK = object()


def refresh(
    config: Setting | None = None,
    defaults: Sequence[Mapping[str, Any]] | None = None,
    paths: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Forget what `set` changed and read everything again: defaults, then files, then the environment.

    Raises
    ------
    ValueError
        If a file or variable cannot be read; the settings stay as they were then.
    """
    target = globals()["config"] if config is None else config
    fresh: dict[str, Any] = {}
    for one in globals()["defaults"] if defaults is None else defaults:
        update(fresh, one, priority="old")
    update(fresh, collect(paths, env))
    with config_lock:
        target.clear()
        target.update(fresh)


def update_defaults(
    new: Mapping[str, Any], config: Setting | None = None, defaults: list[Mapping[str, Any]] | None = None
) -> None:
    """Add a package's defaults. Values that a user has set already stay."""
    target = globals()["config"] if config is None else config
    known = globals()["defaults"] if defaults is None else defaults
    with config_lock:
        before = merge(*known)
        known.append(new)
        update(target, new, priority="new-defaults", defaults=before)


def rename(deprecations: Mapping[str, str | None] | None = None, config: Setting | None = None) -> None:
    """Give settings other names, in place: for a package that renames its own.

    Parameters
    ----------
    deprecations : mapping, optional
        New names by old ones; None for a setting that is to go. raskal has renamed none of its own.
    config : dict, optional
        What to change; the settings in force by default.

    Examples
    --------
    >>> settings = {"old-name": 1}
    >>> rename({"old-name": "group.new"}, settings)
    >>> settings
    {'group': {'new': 1}}
    """
    target = globals()["config"] if config is None else config
    with config_lock:
        for old, new in (deprecations or {}).items():
            value = pop(old, _MISSING, target) if get(old, _MISSING_OK, target) is not _MISSING_OK else _MISSING
            if value is not _MISSING and new is not None:
                set({new: value}, config=target)


def check_deprecations(key: str, deprecations: Mapping[str, str | None] | None = None) -> str:
    """The name that a setting has now.

    Parameters
    ----------
    key : str
        A name, perhaps an old one.
    deprecations : mapping, optional
        New names by old ones; None for a setting that is gone. raskal has renamed none of its own.

    Raises
    ------
    ValueError
        If the setting is gone.

    Examples
    --------
    >>> check_deprecations("array.chunk-size")
    'array.chunk-size'
    """
    known = {old.replace("_", "-"): new for old, new in (deprecations or {}).items()}
    new = known.get(key.replace("_", "-"), key)
    if new is None:
        raise ValueError(f"the setting {key!r} was removed")
    if new != key:
        warnings.warn(f"the setting {key!r} is called {new!r} now", FutureWarning, stacklevel=2)
    return new


def ensure_file(source: str, destination: str | None = None, comment: bool = True) -> None:
    """Copy a file of default settings to where the user's own belong, unless one is there.

    Parameters
    ----------
    source : str
        The file with the defaults.
    destination : str, optional
        A folder, or an existing file, which is left alone. ``~/.config/raskal``, or RASKAL_CONFIG, by default.
    comment : bool
        Comment every setting out, so that the copy documents and changes nothing.

    Notes
    -----
    A home that cannot be written to is no error: the file is a convenience.
    """
    folder = Path(PATH if destination is None else destination)
    if folder.is_file() or (folder / Path(source).name).exists():
        return
    lines = Path(source).read_text().splitlines(keepends=True)
    if comment:
        lines = [f"# {line}" if line.strip() and not line.startswith("#") else line for line in lines]
    target = folder / Path(source).name
    scratch = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch.write_text("".join(lines))
        os.replace(scratch, target)  # whole or not at all: another process may be reading the folder
    except OSError:
        scratch.unlink(missing_ok=True)


def expand_environment_variables(config: Any) -> Any:
    """`config` with ``$NAME`` and ``${NAME}`` replaced in its strings, at any depth.

    Examples
    --------
    >>> os.environ["RASKAL_DOC_EXAMPLE_DIR"] = "/scratch"
    >>> expand_environment_variables({"temporary-directory": ["$RASKAL_DOC_EXAMPLE_DIR/x", 3]})
    {'temporary-directory': ['/scratch/x', 3]}
    """
    if isinstance(config, Mapping):
        return {key: expand_environment_variables(value) for key, value in config.items()}
    if isinstance(config, str):
        return os.path.expandvars(config)
    if isinstance(config, (list, tuple, builtins.set)):
        return type(config)(expand_environment_variables(value) for value in config)
    return config


# ---- handing settings to another process


def serialize(data: Any) -> str:
    """Settings as text that an environment variable can carry to another process.

    Examples
    --------
    >>> deserialize(serialize({"array": {"chunk-size": "64MiB"}}))
    {'array': {'chunk-size': '64MiB'}}
    """
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode()


def deserialize(data: str) -> Any:
    """What `serialize` was given.

    Raises
    ------
    ValueError
        If `data` is not such a text.
    """
    return json.loads(base64.urlsafe_b64decode(data.encode()))


update_defaults(read_yaml(os.path.join(os.path.dirname(__file__), "raskal.yaml")) or {})
refresh()
