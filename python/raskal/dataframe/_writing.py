"""Methods of dataframes that write, and that show their structure.

Start at `Writing`; each method names the module that does it.
"""

from __future__ import annotations

from typing import Any


class Writing:
    """Writing and showing."""

    columns: Any
    dtypes: Any
    memory_usage: Any
    _structure: Any

    def info(self, buf: Any = None, verbose: bool = False, memory_usage: bool = False) -> None:
        """Print the columns and their types."""
        import sys

        lines = [str(type(self)), f"Columns: {len(self.columns)} entries"]
        if verbose:
            lines += [f" {label}  {dtype}" for label, dtype in zip(self.columns, self.dtypes, strict=True)]
        counts = self.dtypes.astype(str).value_counts()
        lines.append("dtypes: " + ", ".join(f"{name}({count})" for name, count in counts.items()))
        if memory_usage:
            lines.append(f"memory usage: {int(self.memory_usage(deep=True).sum().compute())} bytes")
        (buf or sys.stdout).write("\n".join(lines) + "\n")

    def to_csv(self, filename: Any, **kwargs: Any) -> Any:
        """Write CSV files. See `raskal.dataframe.to_csv`."""
        from raskal.dataframe.csv import to_csv

        return to_csv(self, filename, **kwargs)

    def to_parquet(self, path: Any, **kwargs: Any) -> Any:
        """Write a folder of Parquet files. See `raskal.dataframe.to_parquet`."""
        from raskal.dataframe.parquet import to_parquet

        df: Any = self
        return to_parquet(df, path, **kwargs)

    def to_json(self, filename: Any, *args: Any, **kwargs: Any) -> Any:
        """Write JSON files. See `raskal.dataframe.to_json`."""
        from raskal.dataframe.json import to_json

        return to_json(self, filename, *args, **kwargs)

    def to_orc(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        """Write a folder of ORC files. See `raskal.dataframe.to_orc`."""
        from raskal.dataframe.orc import to_orc

        return to_orc(self, path, *args, **kwargs)

    def to_sql(self, name: str, uri: str, **kwargs: Any) -> Any:
        """Write to a table of a database. See `raskal.dataframe.to_sql`."""
        from raskal.dataframe.sql import to_sql

        return to_sql(self, name, uri, **kwargs)

    def to_html(self, max_rows: int = 5) -> str:
        """The structure as HTML."""
        return self._structure().to_html(max_rows=max_rows)
