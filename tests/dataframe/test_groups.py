"""Group-by against pandas: aggregations, whole groups, row for row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compare import check, same, table

import raskal.dataframe as dd

Case = Callable[[Any], Any]

SIMPLE = (
    "sum", "mean", "min", "max", "count", "size", "std", "var", "median", "nunique", "first", "last", "prod", "any",
    "all", "sem", "idxmin", "idxmax",
)  # fmt: skip

GROUPS: dict[str, Case] = {
    **{f"series {name}": (lambda df, name=name: getattr(df.groupby("k").y, name)()) for name in SIMPLE},
    **{
        f"frame {name}": (lambda df, name=name: getattr(df.groupby("n")[["x", "y"]], name)())
        for name in SIMPLE
        if name not in ("nunique", "idxmin", "idxmax")
    },
    "two keys": lambda df: df.groupby(["k", "n"]).y.sum(),
    "two keys with missing": lambda df: df.groupby(["k", "n"], dropna=False).x.mean(),
    "missing kept": lambda df: df.groupby("k", dropna=False).y.max(),
    "unsorted": lambda df: df.groupby("k", sort=False).y.sum(),
    "by series": lambda df: df.groupby(df.n % 2).y.sum(),
    "by label and series": lambda df: df.groupby(["k", df.n % 2]).y.count(),
    "by function of labels": lambda df: df.groupby(lambda label: label // 30).y.sum(),
    "by level": lambda df: df.groupby(level=0).y.sum(),
    "by category": lambda df: df.groupby("c", observed=False).y.sum(),
    "by category mean": lambda df: df.groupby("c", observed=False).y.mean(),
    "by category observed": lambda df: df.groupby("c", observed=True)[["n", "y"]].sum(),
    "categories and texts": lambda df: df.groupby(["c", "k"], observed=True).y.sum(),
    "list of one": lambda df: df.groupby(["k"]).y.sum(),
    "sum of texts": lambda df: df.dropna().groupby("n").k.min(),
    "std ddof": lambda df: df.groupby("n").y.std(ddof=0),
    "min count": lambda df: df.groupby("n").x.sum(min_count=8),
    "numeric only": lambda df: df.groupby("k").mean(numeric_only=True),
    "series grouped": lambda df: df.y.groupby(df.n).sum(),
    "agg dict": lambda df: df.groupby("k").agg({"x": "sum", "y": ["min", "max"]}),
    "agg dict plain": lambda df: df.groupby("k").agg({"x": "sum", "n": "first"}),
    "agg list": lambda df: df.groupby("k").y.agg(["sum", "mean", "std"]),
    "agg list of frame": lambda df: df.groupby("n")[["x", "y"]].agg(["sum", "last"]),
    "agg named": lambda df: df.groupby("k").agg(total=("y", "sum"), least=("x", "min")),
    "agg named series": lambda df: df.groupby("k").y.agg(a="sum", b="max"),
    "agg one": lambda df: df.groupby("n")[["x", "y"]].agg("mean"),
    "agg function": lambda df: df.groupby("n").y.agg(lambda values: values.max() - values.min()),
    "agg functions": lambda df: df.groupby("n").agg({"y": np.sum, "x": "median"}),
    "agg list of values": lambda df: df.groupby("n").k.agg(list),
    "quantile": lambda df: df.groupby("n").y.quantile(0.3),
    "transform": lambda df: df.groupby("n").y.transform("mean"),
    "transform function": lambda df: df.groupby("n").y.transform(lambda values: values - values.mean()),
    "transform frame": lambda df: df.groupby("n")[["x", "y"]].transform("sum"),
    "cumsum": lambda df: df.groupby("n").y.cumsum(),
    "cumcount": lambda df: df.groupby("n").cumcount(),
    "cumprod of frame": lambda df: df.groupby("k")[["n", "y"]].cumprod(),
    "shift": lambda df: df.groupby("n").y.shift(1),
    "ffill": lambda df: df.groupby("n").x.ffill(),
    "bfill": lambda df: df.groupby("n")[["x"]].bfill(),
    "rank": lambda df: df.groupby("n").y.rank(),
    "filter": lambda df: df.groupby("n").filter(lambda rows: len(rows) > 9),
    "assigned": lambda df: df.assign(share=df.y / df.groupby("n").y.transform("sum")),
    "head": lambda df: df.groupby("n").head(2),
    "tail": lambda df: df.groupby("k").tail(1),
    "get group": lambda df: df.groupby("k").get_group("a"),
    "cov": lambda df: df.groupby("n")[["x", "y"]].cov(),
    "corr": lambda df: df.groupby("n")[["x", "y"]].corr(),
    "rolling": lambda df: df.groupby("n").y.rolling(2).sum(),
}


@pytest.mark.parametrize("case", GROUPS.values(), ids=GROUPS.keys())
def test_groups_are_those_of_pandas(case: Case) -> None:
    check(case, table())


def test_groups_are_functions_of_whole_groups() -> None:
    frame = table()
    for count in (1, 4):
        df = dd.from_pandas(frame, npartitions=count)
        found = df.groupby("n")[["x", "y"]].apply(lambda rows: rows.y.max() - rows.x.min())
        same(
            found.compute().sort_index(), frame.groupby("n")[["x", "y"]].apply(lambda rows: rows.y.max() - rows.x.min())
        )
        rows = df.groupby("k").apply(lambda group: group.nlargest(2, "y"), meta=frame.iloc[:0]).compute()
        expected = frame.groupby("k").apply(lambda group: group.nlargest(2, "y"))
        same(rows.sort_index(), expected.sort_index(), check_names=False)
        counts = df.groupby("k").n.value_counts().compute()
        same(counts.sort_index(), frame.groupby("k").n.value_counts().sort_index())


def test_aggregations_of_ones_own_work_on_partial_results() -> None:
    frame = table()
    spread = dd.Aggregation(
        "spread",
        lambda groups: (groups.min(), groups.max()),
        lambda low, high: (low.min(), high.max()),
        lambda low, high: high - low,
    )
    df = dd.from_pandas(frame, npartitions=4)
    grouped = frame.groupby("n").y
    found = df.groupby("n").agg({"y": spread}).compute()
    same(found, (grouped.max() - grouped.min()).to_frame())
    both = df.groupby("n").y.agg([spread, "mean"]).compute()
    assert list(both.columns) == ["spread", "mean"]
    same(both["mean"], grouped.mean().rename("mean"))


def test_groups_without_rows_and_columns_that_are_not_there() -> None:
    df = dd.from_pandas(table(), npartitions=3)
    none = df[df.n > 100]
    assert len(none.groupby("k").y.sum().compute()) == 0
    assert len(none.groupby("k").y.agg(["first", "median"]).compute()) == 0
    with pytest.raises(KeyError, match="did you mean 'k'|does not exist"):
        df.groupby("kk")
    with pytest.raises(ValueError, match="unknown aggregate 'summ'"):
        df.groupby("k").y.agg("summ")
    with pytest.raises(NotImplementedError, match="agg|get_group"):
        iter(df.groupby("k"))


def test_results_may_have_several_partitions() -> None:
    frame = table()
    df = dd.from_pandas(frame, npartitions=4)
    found = df.groupby("n").y.sum(split_out=3)
    assert found.npartitions == 3
    same(found.compute().sort_index(), frame.groupby("n").y.sum())


def test_pivots_have_a_column_for_each_category() -> None:
    frame = table()
    df = dd.from_pandas(frame, npartitions=3)
    for how in ("mean", "sum", "count", "first"):
        found = df.pivot_table(index="n", columns="c", values="y", aggfunc=how).compute()
        expected = frame.pivot_table(index="n", columns="c", values="y", aggfunc=how, observed=False, dropna=False)
        if how in ("sum", "count"):
            expected = expected.fillna(0)
        same(found, expected, check_dtype=False, check_column_type=False)
    with pytest.raises(ValueError, match="category"):
        df.pivot_table(index="n", columns="k", values="y")


def test_equal_keys_meet_whatever_else_their_partitions_hold() -> None:
    """Partitions whose objects pandas takes for other dtypes: a key must have one hash in all of them."""
    keys: list[Any] = [1, "a", 2, 2, None, 1.0, True, 3, "a", 1, np.nan, 2, "b", 3]
    frame = pd.DataFrame({"k": pd.Series(keys, dtype=object), "v": range(len(keys))})
    df = dd.from_pandas(frame, npartitions=7)
    found = df.groupby("k", sort=False, dropna=False).v.agg(list).compute()
    expected = frame.groupby("k", sort=False, dropna=False).v.agg(list)
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
    whole = pd.DataFrame({"k": pd.array([1, 2, None, 1, 3, 2], dtype="Int64"), "v": range(6)})
    ours = dd.from_pandas(whole, npartitions=3).groupby("k", dropna=False).v.agg(list).compute()
    assert sorted(ours) == sorted(whole.groupby("k", dropna=False).v.agg(list))
