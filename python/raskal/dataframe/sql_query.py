"""SQL over dataframes: ``raskal.sql("select ...")``.

Start at `sql`. The engine's own SQL becomes a plan like any other; nothing runs before it is computed.
"""

from __future__ import annotations

import difflib
import re
import sys
from typing import Any

import pandas as pd

from raskal._raskal import Frame, frame_from_tasks, frame_sql
from raskal.dataframe._convert import meta_of, plan_names, schema_of, to_table
from raskal.dataframe._operators import as_operand
from raskal.dataframe._tasks import Calls, Slot, TaskPlan
from raskal.dataframe.collection import FrameCollection, new_collection


def sql(query: str, **tables: Any) -> Any:
    """Query dataframes with SQL.

    Parameters
    ----------
    query : str
        One ``select`` statement of DataFusion's SQL, which is PostgreSQL's as far as it goes. It names dataframes by
        the variables that hold them where `sql` is called, or by keyword. Names are as they are written: no folding to
        lower case; quote what is no plain name (``"a b"``).
    **tables : DataFrame, Series or pandas object
        Dataframes by the names that the query has for them; they come before variables.

    Returns
    -------
    DataFrame
        Lazy, of one partition, its rows in no particular order without ``order by``.

    Raises
    ------
    ValueError
        If the query names no dataframe that there is, can't be parsed, or does something else than query.

    Notes
    -----
    Missing values: NaN and NaT are ``null`` in queries, so that ``count(x)``, ``avg(x)`` and ``x is null`` agree with
    pandas. Unlike pandas, SQL does not join null with null, puts it into a group of its own, and a comparison with it
    is unknown. Results follow pandas again: gaps in whole numbers make floats of them. The index of a dataframe is not
    visible: `reset_index` makes columns of it. Source: crates/raskal-frame/src/sql.rs

    Examples
    --------
    >>> import pandas as pd, raskal, raskal.dataframe as dd
    >>> accounts = dd.from_pandas(pd.DataFrame({"name": list("aba"), "x": [1, 2, 3]}), npartitions=2)
    >>> raskal.sql("select name, sum(x) as total from accounts group by name order by name").compute()
      name  total
    0    a      4
    1    b      2
    """
    named = {name: _checked(name, one) for name, one in tables.items()}
    words = set(re.findall(r"[^\W\d]\w*", query))
    caller = sys._getframe(1)
    for scope in (caller.f_globals, caller.f_locals):
        for name, one in scope.items():
            if name in words and name not in tables and isinstance(one, (FrameCollection, pd.DataFrame, pd.Series)):
                named[name] = _checked(name, one)
    if not named and re.search(r"\bfrom\b", query, re.IGNORECASE):
        raise ValueError(
            "the query names no dataframe in scope\nhint: use the names of variables, or pass dataframes by keyword"
        )
    try:
        plan = frame_sql(query, [(name, engine_plan(one)) for name, one in named.items()])
    except Exception as error:
        raise _explained(error, named) from None
    return new_collection(plan, meta_of(plan.schema, levels=0))


def _checked(name: str, one: Any) -> Any:
    one = as_operand(one)
    if isinstance(getattr(one, "_meta", None), pd.Series):
        one = one.to_frame()
    if not isinstance(one, FrameCollection) or not isinstance(one._meta, pd.DataFrame):
        raise TypeError(f"table {name!r} is a {type(one).__name__}, expected a dataframe")
    return one


def _explained(error: Exception, named: dict[str, Any]) -> Exception:
    """What the engine said, with the names that there are."""
    text = str(error)
    missing = re.search(r"table '(?:\w+\.)*(\w+)' not found", text)
    if missing:
        near = difflib.get_close_matches(missing[1], list(named), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {sorted(named)}"
        return ValueError(f"no dataframe called {missing[1]!r} is in scope\nhint: {hint}")
    return ValueError(f"the query can't be planned: {text}")


def engine_plan(collection: Any) -> Frame:
    """The plan of a dataframe as one of the engine: partitions that pandas makes become tables."""
    if collection._frame is not None:
        frame: Frame = collection._frame
        return frame
    plan = collection._task_plan()
    types = schema_of(collection._meta)
    tables = Calls(plan.npartitions, [plan.node], [None], _ToTable(types), (Slot(0),), name="to_table")
    names = [name if name is None else str(name) for name in collection._meta.index.names]
    plan_names(collection._meta.columns)  # labels that are equal as text are refused
    return frame_from_tasks(TaskPlan(tables), plan.npartitions, types, names, tables.token)


class _ToTable:
    """A partition as a table of this schema."""

    def __init__(self, types: Any) -> None:
        self.types = types
        self.__name__ = "to_table"

    def __call__(self, part: pd.DataFrame) -> Any:
        return to_table(part).cast(self.types)
