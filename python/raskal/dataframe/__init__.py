"""Dataframes larger than memory, with pandas' names and results.

Start at `read_csv`, `read_parquet` and `from_pandas`, which give a `DataFrame`. Nothing is read before `compute`.
"""

from __future__ import annotations

from raskal.dataframe.csv import read_csv, to_csv
from raskal.dataframe.frame import DataFrame
from raskal.dataframe.memory import from_dict, from_pandas
from raskal.dataframe.parquet import read_parquet, to_parquet
from raskal.dataframe.partitions import map_partitions
from raskal.dataframe.scalar import Scalar
from raskal.dataframe.series import Index, Series

__all__ = [
    "DataFrame",
    "Index",
    "Scalar",
    "Series",
    "from_dict",
    "from_pandas",
    "map_partitions",
    "read_csv",
    "read_parquet",
    "to_csv",
    "to_parquet",
]
