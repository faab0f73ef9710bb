"""The parts of the `raskal` command that only Python knows: ``raskal ssh | spec | config | info | docs``.

Start at `main`. ``python -m raskal.cli scheduler ...`` becomes the command itself, for machines where only the path of
a Python is known, as with ssh. The command is Rust (``crates/raskal-cli``) and becomes ``python -m raskal.cli NAME
...`` for these.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a part of the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The name of the part and its arguments; by default the process's own.

    Returns
    -------
    int
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parts = {"ssh": _ssh, "spec": _spec, "config": _config, "info": _info, "docs": _docs}
    if words[:1] in (["scheduler"], ["worker"]):
        from raskal.distributed.processes import find_command

        command = find_command()
        os.execv(command, [command, *words])
    if not words or words[0] not in parts:
        print(f"raskal: pass one of {', '.join(parts)}", file=sys.stderr)
        return 2
    try:
        return parts[words[0]](words[1:])
    except KeyboardInterrupt:
        return 130


def _ssh(words: list[str]) -> int:
    from raskal.distributed.ssh import main as ssh

    return ssh(words)


def _spec(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="raskal spec", description="Start one part of a cluster, as described in JSON."
    )
    parser.add_argument("args", nargs="*", help="the scheduler's address, for a worker")
    parser.add_argument(
        "--spec", default="", help='such as {"cls": "raskal.distributed.Worker", "opts": {"nthreads": 2}}'
    )
    parser.add_argument("--spec-file", help="file with the same")
    options = parser.parse_args(words)
    if bool(options.spec) == bool(options.spec_file):
        parser.error("pass --spec or --spec-file")
    if options.spec_file:
        with open(options.spec_file) as file:
            spec = json.load(file)
    else:
        spec = json.loads(options.spec)
    parts = [spec] if "cls" in spec else list(spec.values())
    from contextlib import ExitStack

    with ExitStack() as stack:
        started: list[Any] = []
        for part in parts:
            made = _class(part["cls"])(*options.args, **part.get("opts", part.get("options", {})))
            started.append(stack.enter_context(made))
            print(f"{made!r} {getattr(made, 'address', '')}".rstrip(), flush=True)
        for process in started:
            process.process.wait()
    return 0


def _class(name: str) -> Any:
    from importlib import import_module

    module, _, attribute = name.rpartition(".")
    module = {"dask.distributed": "raskal.distributed", "distributed": "raskal.distributed"}.get(module, module)
    return getattr(import_module(module or "raskal.distributed"), attribute)


def _config(words: list[str]) -> int:
    import yaml

    from raskal import config

    parser = argparse.ArgumentParser(prog="raskal config", description="Read and change settings.")
    parts = parser.add_subparsers(dest="part", required=True)
    get = parts.add_parser("get", help="the value of a setting")
    get.add_argument("key", nargs="?", default="")
    parts.add_parser("list", help="all settings")
    find = parts.add_parser("find", help="the files that set it")
    find.add_argument("key")
    change = parts.add_parser("set", help="set it, in a file")
    change.add_argument("key")
    change.add_argument("value")
    change.add_argument("--file", help="the file; by default raskal.yaml in the folder of settings")
    options = parser.parse_args(words)
    if options.part == "list" or (options.part == "get" and not options.key):
        print(yaml.safe_dump(config.config).rstrip())
    elif options.part == "get":
        try:
            value = config.get(options.key)
        except KeyError:
            print(f"raskal config: no setting {options.key!r}", file=sys.stderr)
            return 1
        print(yaml.safe_dump(value).removesuffix("...\n").rstrip())
    elif options.part == "find":
        found = _files_with(options.key)
        for path, value in found:
            print(f"{path}: {value!r}")
        if not found:
            print(f"raskal config: no file sets {options.key!r}", file=sys.stderr)
            return 1
    else:
        path = options.file or f"{config.PATH}/raskal.yaml"
        _set_in(path, options.key.split("."), yaml.safe_load(options.value))
        print(f"{options.key} is {options.value} in {path}")
    return 0


def _files_with(key: str) -> list[tuple[str, Any]]:
    import glob

    import yaml

    from raskal import config

    found = []
    for folder in config.paths:
        for path in sorted([*glob.glob(f"{folder}/*.yaml"), *glob.glob(f"{folder}/*.yml")]):
            with open(path) as file:
                value: Any = yaml.safe_load(file)
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                found.append((path, value))
    return found


def _set_in(path: str, keys: list[str], value: Any) -> None:
    from pathlib import Path

    import yaml

    file = Path(path)
    settings: Any = (yaml.safe_load(file.read_text()) if file.exists() else None) or {}
    place = settings
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    place[keys[-1]] = value
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(settings))


def _info(words: list[str]) -> int:
    from raskal._versions import show_versions

    parser = argparse.ArgumentParser(prog="raskal info", description="Tell what is installed.")
    parser.add_argument("part", choices=["versions"], help="versions of Python and packages, as JSON")
    parser.parse_args(words)
    show_versions()
    return 0


def _docs(words: list[str]) -> int:
    from pathlib import Path

    argparse.ArgumentParser(prog="raskal docs", description="Tell where the documentation is.").parse_args(words)
    index = Path(__file__).resolve().parents[2] / "docs" / "index.md"
    print(index if index.exists() else "help(raskal) in Python; docs/ in the source")
    return 0


if __name__ == "__main__":
    sys.exit(main())
