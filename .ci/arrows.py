"""Prove with `cargo tree` that the dependency arrows point where ARCHITECTURE.md says, and that what is slow to compile
is compiled once.

Start at `RULES`. What a crate links is asked of cargo, never guessed from its manifest, and each rule is first tried on
a crate that must break it, so that a misspelt name cannot make the check pass on nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PYTHON = r"pyo3|pyo3-.*|numpy"
TABLES = r"datafusion|datafusion-.*|ballista.*"
RUNTIME = r"tokio|tokio-.*|futures|async-.*"

# crate: what it must not link, directly or through others
RULES = {
    "raskal-types": (PYTHON, TABLES, RUNTIME),
    "raskal-graph": (PYTHON, TABLES, RUNTIME),
    "raskal-scheduler": (PYTHON, TABLES, RUNTIME),
    "raskal-worker": (PYTHON, TABLES, RUNTIME),
    "raskal-simulate": (PYTHON, TABLES, RUNTIME),
    "raskal-server": (PYTHON, TABLES),
    "raskal-cli": (PYTHON, TABLES),
    "raskal-array": (PYTHON, TABLES),
    "raskal-frame": (PYTHON,),
}
# One version of each in the whole tree: two arrows would not share a buffer.
ONCE = ("arrow", "arrow-array", "arrow-schema", "parquet", "object_store", "datafusion", "pyo3", "tokio", "rustls")
# What stands on DataFusion, and where the features are unified for it.
ON_TABLES = ("raskal", "raskal-frame", "raskal-py")
FEATURES = "crates/raskal-features/Cargo.toml"
# Links all of the above, so every pattern has to match something there.
EVERYTHING = "raskal-py"


def linked(crate: str) -> set[tuple[str, str]]:
    """Return name and version of everything that `crate` links (normal dependencies of the default build)."""
    command = ["cargo", "tree", "--locked", "-p", crate, "-e", "normal", "--prefix", "none", "-f", "{p}"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = set(re.findall(r"^(\S+) v(\S+)", output, re.MULTILINE))
    assert any(name == crate for name, _ in found), f"cargo tree did not name {crate} itself"
    return found


def features(*selection: str) -> set[tuple[str, str]]:
    """Return every library that a build of `selection` compiles with its features, tests and examples included."""
    command = ["cargo", "tree", "--locked", *selection, "-e", "normal,build,dev", "--prefix", "none", "-f", "{p} [{f}]"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return set(re.findall(r"^(\S+ v\S+)[^\[\n]*\[(.*?)\]", output, re.MULTILINE))


def compiled_twice() -> list[str]:
    """Name what a crate that stands on DataFusion compiles again when it is built alone, for want of a feature."""
    whole = features("--workspace")
    return [
        f"{crate} alone builds {library} with other features than the workspace: {given or 'none'}; see {FEATURES}"
        for crate in ON_TABLES
        for library, given in sorted(features("-p", crate) - whole)
    ]


def main() -> int:
    """Print each arrow that points the wrong way; return 1 if there was one."""
    problems = compiled_twice()
    everything = linked(EVERYTHING)
    for pattern in (PYTHON, TABLES, RUNTIME):
        if not any(re.fullmatch(pattern, name) for name, _ in everything):
            problems.append(f"the pattern {pattern!r} matches nothing that {EVERYTHING} links: it would forbid nothing")
    for crate, patterns in RULES.items():
        names = {name for name, _ in linked(crate)}
        for pattern in patterns:
            for name in sorted(name for name in names if re.fullmatch(pattern, name)):
                problems.append(f"{crate} links {name} (see: cargo tree -p {crate} -i {name})")
    for name in ONCE:
        versions = sorted(version for found, version in everything if found == name)
        if len(versions) != 1:
            problems.append(f"{name} must be in the tree once, found versions: {', '.join(versions) or 'none'}")

    manifests = sorted(ROOT.glob("crates/*/Cargo.toml"))
    for manifest in manifests:
        text = tomllib.loads(manifest.read_text())
        if text["package"]["name"] != manifest.parent.name:
            problems.append(f"{manifest.parent}: the folder must be named like the package, {text['package']['name']}")
        if not text.get("lints", {}).get("workspace"):
            problems.append(f"{manifest}: does not inherit the workspace's lints ([lints] workspace = true)")
        if "pyo3" in text.get("dependencies", {}) and text["package"]["name"] != "raskal-py":
            problems.append(f"{manifest}: only raskal-py knows Python")
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)
    counts = f"{len(RULES)} crates, {len(ONCE)} single versions, {len(manifests)} manifests"
    print(f"arrows of {counts}: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
