"""Dataframes larger than memory, with pandas' names and results.

Start at `read_csv`, `read_parquet` and `from_pandas`, which give a `DataFrame`. Nothing is read before `compute`.
"""

from __future__ import annotations

from raskal.base import compute
from raskal.dataframe._interchange import from_arrow
from raskal.dataframe.aggregation import Aggregation
from raskal.dataframe.arrays import from_array, from_dask_array, to_bag, to_records
from raskal.dataframe.concatenate import concat
from raskal.dataframe.convert import isna, to_datetime, to_numeric, to_timedelta
from raskal.dataframe.csv import read_csv, read_fwf, read_table, to_csv
from raskal.dataframe.frame import DataFrame
from raskal.dataframe.from_map import from_dask_dataframe, from_delayed, from_graph, from_map, get_collection_type
from raskal.dataframe.hdf import read_hdf, to_hdf
from raskal.dataframe.json import read_json, to_json
from raskal.dataframe.lakes import read_deltalake, read_iceberg, to_deltalake, to_iceberg
from raskal.dataframe.memory import from_dict, from_pandas
from raskal.dataframe.merge import merge, merge_asof
from raskal.dataframe.nested import ListAccessor, StructAccessor
from raskal.dataframe.orc import read_orc, to_orc
from raskal.dataframe.overlap import map_overlap
from raskal.dataframe.parquet import read_parquet, to_parquet
from raskal.dataframe.partitions import map_partitions
from raskal.dataframe.repartition import repartition
from raskal.dataframe.reshape import get_dummies, melt, pivot_table
from raskal.dataframe.scalar import Scalar
from raskal.dataframe.series import Index, Series
from raskal.dataframe.sql import read_sql, read_sql_query, read_sql_table, to_sql
from raskal.dataframe.testing import assert_eq

__all__ = [
    "Aggregation",
    "DataFrame",
    "Index",
    "ListAccessor",
    "Scalar",
    "Series",
    "StructAccessor",
    "assert_eq",
    "compute",
    "concat",
    "from_array",
    "from_arrow",
    "from_dask_array",
    "from_dask_dataframe",
    "from_delayed",
    "from_dict",
    "from_graph",
    "from_map",
    "from_pandas",
    "get_collection_type",
    "get_dummies",
    "isna",
    "map_overlap",
    "map_partitions",
    "melt",
    "merge",
    "merge_asof",
    "pivot_table",
    "read_csv",
    "read_deltalake",
    "read_fwf",
    "read_hdf",
    "read_iceberg",
    "read_json",
    "read_orc",
    "read_parquet",
    "read_sql",
    "read_sql_query",
    "read_sql_table",
    "read_table",
    "repartition",
    "to_bag",
    "to_csv",
    "to_datetime",
    "to_deltalake",
    "to_hdf",
    "to_iceberg",
    "to_json",
    "to_numeric",
    "to_orc",
    "to_parquet",
    "to_records",
    "to_sql",
    "to_timedelta",
]
