"""Every example in a docstring of the package does what it shows."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import raskal

pytest.importorskip("raskal.base", reason="examples compute, which needs the engine")

NAMES = ["raskal", *(module.name for module in pkgutil.walk_packages(raskal.__path__, "raskal."))]
PYTHON = [name for name in NAMES if name != "raskal._raskal" and not name.endswith("__main__")]


def examples(module: ModuleType) -> list[doctest.DocTest]:
    """The examples written in a module, with the docstrings of what it registers or assigns."""
    found = doctest.DocTestFinder(exclude_empty=True).find(module, module.__name__)
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", PYTHON)
def test_examples_show_what_happens(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples may write files
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    for test in examples(importlib.import_module(name)):
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


def test_there_are_examples_in_most_of_the_package():
    counts = {name: sum(len(test.examples) for test in examples(importlib.import_module(name))) for name in PYTHON}
    assert sum(counts.values()) >= 50
    assert counts["raskal.config"] >= 10
