"""The order of running: inputs first, and no more values at once than Dask's order holds on the classic shapes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest

from raskal import delayed
from raskal._raskal import ProgramBuilder, lower_delayed

dask_order = pytest.importorskip("dask.order", reason="compares with Dask, which is not installed")
Needs = dict[Hashable, list[Any]]


def tree(n: int = 64) -> tuple[Needs, list[Any]]:
    needs: Needs = {(0, i): [] for i in range(n)}
    level, height = list(needs), 0
    while len(level) > 1:
        height += 1
        pairs = {(height, at): level[2 * at : 2 * at + 2] for at in range(len(level) // 2)}
        needs.update(pairs)
        level = list(pairs)
    return needs, level


def stencil(n: int = 20, steps: int = 6) -> tuple[Needs, list[Any]]:
    needs: Needs = {(0, i): [] for i in range(n)}
    for step in range(1, steps):
        needs.update({(step, i): [(step - 1, j) for j in (i - 1, i, i + 1) if 0 <= j < n] for i in range(n)})
    return {**needs, "all": [(steps - 1, i) for i in range(n)]}, ["all"]


def two_pass_mean(n: int = 20) -> tuple[Needs, list[Any]]:
    needs: Needs = {("x", i): [] for i in range(n)}
    needs |= {("sum", i): [("x", i)] for i in range(n)}
    needs["mean"] = [("sum", i) for i in range(n)]
    needs |= {("less", i): [("x", i), "mean"] for i in range(n)}
    return {**needs, "all": [("less", i) for i in range(n)]}, ["all"]


def matmul(n: int = 6) -> tuple[Needs, list[Any]]:
    needs: Needs = {(name, i, j): [] for name in "ab" for i in range(n) for j in range(n)}
    for i in range(n):
        for j in range(n):
            for k in range(n):
                needs["part", i, j, k] = [("a", i, k), ("b", k, j)]
            needs["c", i, j] = [("part", i, j, k) for k in range(n)]
    return needs, [("c", i, j) for i in range(n) for j in range(n)]


def many_to_many(n: int = 10) -> tuple[Needs, list[Any]]:
    needs: Needs = {("x", i): [] for i in range(n)}
    needs |= {("split", i, j): [("x", i)] for i in range(n) for j in range(n)}
    needs |= {("merge", j): [("split", i, j) for i in range(n)] for j in range(n)}
    return {**needs, "all": [("merge", j) for j in range(n)]}, ["all"]


def two_trees(n: int = 32) -> tuple[Needs, list[Any]]:
    """Two reductions of the same values, such as the least and the largest of an array."""
    needs: Needs = {("x", i): [] for i in range(n)}
    tops = []
    for name in ("low", "high"):
        level: list[Any] = [("x", i) for i in range(n)]
        for height, width in enumerate((1, 4, 4, 2)):
            grouped: Needs = {(name, height, at // width): level[at : at + width] for at in range(0, len(level), width)}
            needs |= grouped
            level = list(grouped)
        tops += level
    return needs, tops


def order_of(needs: Needs, wanted: list[Any]) -> list[Any]:
    """Return the keys in the order in which raskal runs them."""
    made: dict[Any, Any] = {}
    for key in needs:  # inputs are written before their users
        made[key] = delayed(tuple)([made[need] for need in needs[key]], dask_key_name=str(key))
    builder = ProgramBuilder()
    tasks = lower_delayed(builder, [made[key] for key in wanted])
    nodes = builder.describe(tasks)["nodes"]
    keys = {str(key): key for key in needs}
    return [keys[node["key"]] for node in sorted(nodes, key=lambda node: node["order"])]


def peak(needs: Needs, order: list[Any], wanted: list[Any]) -> int:
    """Return how many values are held at most when tasks run one by one in this order."""
    uses = dict.fromkeys(needs, 0)
    for key in needs:
        for need in needs[key]:
            uses[need] += 1
    held: set[Any] = set()
    most = 0
    for key in order:
        assert all(need in held for need in needs[key])
        held.add(key)
        most = max(most, len(held))
        for need in needs[key]:
            uses[need] -= 1
            if not uses[need] and need not in wanted:
                held.discard(need)
    return most


@pytest.mark.parametrize("shape", [tree, stencil, two_pass_mean, matmul, many_to_many, two_trees])
def test_no_more_values_are_held_than_in_dasks_order(shape):
    needs, wanted = shape()
    graph = {key: (tuple, list(inputs)) for key, inputs in needs.items()}
    places = dask_order.order(graph)
    theirs = peak(needs, sorted(needs, key=places.__getitem__), wanted)
    order = order_of(needs, wanted)
    assert sorted(map(str, order)) == sorted(map(str, needs))
    assert peak(needs, order, wanted) <= theirs
