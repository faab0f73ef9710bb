"""Check every crate's licence, source and name against deny.toml, without cargo-deny.

Start at `main`. Reads `cargo metadata` only: it asks no registry, and knows nothing of security advisories.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def accepts(expression: str, allowed: set[str]) -> bool:
    """Tell whether a SPDX expression can be satisfied with the allowed licences ("/" is an old "OR")."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def choice() -> bool:
        nonlocal position
        result = both()
        while position < len(tokens) and tokens[position] == "OR":
            position += 1
            result = both() or result
        return result

    def both() -> bool:
        nonlocal position
        result = one()
        while position < len(tokens) and tokens[position] == "AND":
            position += 1
            result = one() and result
        return result

    def one() -> bool:
        nonlocal position
        if tokens[position] == "(":
            position += 1
            result = choice()
            position += 1
            return result
        name = tokens[position]
        position += 1
        if position < len(tokens) and tokens[position] == "WITH":
            name = f"{name} WITH {tokens[position + 1]}"
            position += 2
        return name in allowed

    return choice()


def main() -> int:
    """Print each crate that breaks a rule; return 1 if there was one."""
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    allowed = set(rules["licenses"]["allow"])
    banned = {entry["crate"]: entry["reason"] for entry in rules["bans"]["deny"]}
    # Guards of the guard: an expression the reader misjudges would let everything through.
    assert accepts("(MIT OR GPL-3.0) AND ISC", {"MIT", "ISC"})
    assert not accepts("MIT AND GPL-3.0", {"MIT"})
    assert not accepts("GPL-3.0 WITH Classpath-exception-2.0", allowed)

    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    problems = []
    for package in packages:
        label = f"{package['name']} {package['version']}"
        if not package["license"]:
            problems.append(f"{label}: states no licence")
        elif not accepts(package["license"], allowed):
            problems.append(f"{label}: licence {package['license']} is not in deny.toml's list")
        if package["name"] in banned:
            problems.append(f"{label}: banned: {banned[package['name']]}")
        if package["source"] and not package["source"].startswith("registry+"):
            problems.append(f"{label}: comes from {package['source']}, not from the registry")
    if len(packages) < 100:
        problems.append(f"only {len(packages)} packages were read: the check would prove nothing")
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)
    print(f"licences, bans and sources of {len(packages)} packages: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
