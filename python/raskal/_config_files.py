"""Reads settings from YAML files, and says which file and line is wrong.

Start at `collect_yaml`. It knows files only: no environment, no defaults, no order of sources.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import yaml

from raskal._config_check import check_value, tell_without_effect

_SUFFIXES = {".yaml", ".yml", ".json"}


@overload
def collect_yaml(paths: Sequence[str], *, return_paths: Literal[False] = False) -> list[dict[str, Any]]: ...
@overload
def collect_yaml(paths: Sequence[str], *, return_paths: Literal[True]) -> list[tuple[Path, dict[str, Any]]]: ...
def collect_yaml(paths: Sequence[str], *, return_paths: bool = False) -> list[Any]:
    """The settings of each file among `paths`, and in the folders among them, in order.

    Parameters
    ----------
    paths : list of str
        Files, or folders whose ``.yaml``, ``.yml`` and ``.json`` files are read by name. Missing ones are skipped.
    return_paths : bool
        Return pairs of path and settings.

    Raises
    ------
    ValueError
        If a file is not YAML, does not hold settings, or a value cannot be right; the message names file and line.
    """
    found = []
    for path in _files(paths):
        values = read_yaml(path)
        if values is not None:
            found.append((path, values) if return_paths else values)
    return found


def _files(paths: Sequence[str]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        try:
            if path.is_dir():
                files.extend(sorted(p for p in path.iterdir() if p.suffix.lower() in _SUFFIXES))
            elif path.exists():
                files.append(path)
        except PermissionError:  # another user's folder on a shared machine
            continue
    return files


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The settings in one file; None for an empty one, and for one that this user may not read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return None
    except UnicodeDecodeError as error:
        raise ValueError(f"configuration file '{path}' is not UTF-8 text: {error}") from error
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"configuration file '{path}'{_where(error)} is malformed: {_what(error)}") from error
    if values is None:
        return None
    if not isinstance(values, dict):
        raise ValueError(
            f"configuration file '{path}', line {_line(tree)} is malformed: "
            f"it must have a dict of settings at the top, not a {type(values).__name__}\n"
            "hint: write 'name: value' lines, such as 'num-workers: 4'"
        )
    _check(values, tree, str(path), "")
    return values


def _check(values: Mapping[Any, Any], tree: Any, path: str, prefix: str) -> None:
    nodes = {key.value: (key, value) for key, value in tree.value}
    for key, value in values.items():
        key_node, value_node = nodes.get(str(key), (tree, tree))
        place = f"configuration file '{path}', line {_line(key_node)}"
        if not isinstance(key, str):
            raise ValueError(f"{place}: the name of a setting is text, not {key!r}\nhint: put it in quotes")
        if isinstance(value, Mapping):
            _check(value, value_node, path, f"{prefix}{key}.")
        else:
            check_value(f"{prefix}{key}", value, place)
            tell_without_effect(f"{prefix}{key}", place)


def _line(node: Any) -> int:
    return node.start_mark.line + 1


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""


def _what(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error)
