"""Accessors of one's own, extension dtypes, and columns of lists and structures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from compare import same

import raskal.dataframe as dd
from raskal.dataframe import extensions


@pytest.fixture
def geo() -> Iterator[None]:
    @extensions.register_dataframe_accessor("geo")
    class Geo:
        def __init__(self, df: Any) -> None:
            self.df = df

        @property
        def center(self) -> Any:
            return (self.df.lat + self.df.lon) / 2

        def clip(self, low: float) -> Any:
            return self.df.map_partitions(lambda part: part.clip(lower=low))

    yield
    del dd.DataFrame.geo  # type: ignore[attr-defined]


def test_accessors_of_ones_own_see_the_lazy_collection(geo: None) -> None:
    frame = pd.DataFrame({"lat": [1.0, 2.0, 3.0], "lon": [3.0, 4.0, 5.0]})
    df: Any = dd.from_pandas(frame, npartitions=2)
    same(df.geo.center.compute(), (frame.lat + frame.lon) / 2)
    same(df.geo.clip(2).compute(), frame.clip(lower=2))
    with pytest.raises(ValueError, match="exists already"):
        extensions.register_dataframe_accessor("groupby")(object)
    extensions.register_series_accessor("thrice")(lambda series: series * 3)
    try:
        same(df.lat.thrice.compute(), frame.lat * 3)
    finally:
        del dd.Series.thrice  # type: ignore[attr-defined]


def test_lists_and_structures_have_pandas_methods() -> None:
    lists = pd.Series([[1, 2], [3], None, [4, 5, 6]], dtype=pd.ArrowDtype(pa.list_(pa.int64())), name="l")
    kind = pa.struct([("p", pa.int64()), ("q", pa.string())])
    structs = pd.Series([{"p": number, "q": "z"} for number in range(4)], dtype=pd.ArrowDtype(kind), name="s")
    for count in (1, 3):
        lazy: Any = dd.from_pandas(lists, npartitions=count)
        same(lazy.list.len().compute(), lists.list.len())
        same(lazy.list[0].compute(), lists.list[0])
        same(lazy.list.flatten().compute(), lists.list.flatten())
        same(lazy.explode().compute(), lists.explode())
        nested: Any = dd.from_pandas(structs, npartitions=count)
        same(nested.struct.field("p").compute(), structs.struct.field("p"))
        same(nested.struct.explode().compute(), structs.struct.explode())
        same(nested.struct.dtypes, structs.struct.dtypes)
    with pytest.raises(AttributeError):
        dd.from_pandas(pd.Series([1]), npartitions=1).list  # type: ignore[attr-defined]  # noqa: B018


class MoneyDtype(pd.api.extensions.ExtensionDtype):
    """An amount; knows nothing of Arrow."""

    name = "money"
    type = float

    @classmethod
    def construct_array_type(cls) -> Any:
        return MoneyArray


class MoneyArray(pd.api.extensions.ExtensionArray):
    """Amounts."""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values, dtype="float64")

    @classmethod
    def _from_sequence(cls, scalars: Any, *, dtype: Any = None, copy: bool = False) -> Any:
        return cls(scalars)

    @classmethod
    def _from_factorized(cls, values: Any, original: Any) -> Any:
        return cls(values)

    def __getitem__(self, item: Any) -> Any:
        found = self._values[item]
        return found if np.isscalar(found) else MoneyArray(found)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def dtype(self) -> Any:
        return MoneyDtype()

    @property
    def nbytes(self) -> int:
        return int(self._values.nbytes)

    def isna(self) -> Any:
        return np.isnan(self._values)

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> Any:
        from pandas.api.extensions import take

        fill = np.nan if fill_value is None or pd.isna(fill_value) else fill_value
        return MoneyArray(take(self._values, indices, fill_value=fill, allow_fill=allow_fill))

    def copy(self) -> Any:
        return MoneyArray(self._values.copy())

    @classmethod
    def _concat_same_type(cls, to_concat: Any) -> Any:
        return cls(np.concatenate([one._values for one in to_concat]))


def test_extension_dtypes_of_ones_own_stay_what_they_are() -> None:
    extensions.make_array_nonempty.register(MoneyDtype, lambda dtype: MoneyArray([1.0, 1.0]))
    frame = pd.DataFrame({"m": MoneyArray([1.5, np.nan, 2.5, 4.0]), "k": list("abab")})
    df = dd.from_pandas(frame, npartitions=2)
    assert isinstance(df.compute().m.dtype, MoneyDtype)
    assert df.m.isna().compute().tolist() == [False, True, False, False]
    assert df.map_partitions(lambda part: part[part.m.notna()]).compute().k.tolist() == ["a", "a", "b"]
    assert df.shift(1).m.compute().isna().tolist() == [True, False, True, False]
