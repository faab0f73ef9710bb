"""The eight tables of TPC-H as Parquet, from a generator of our own.

Start at `ensure`. Columns, types, sizes, keys and the spread of values are those of the benchmark's specification as
far as its 22 queries see them (dates, brands, segments, words in comments...); texts beyond that are shorter, and
numbers come from NumPy's generator, so that answers differ from the official ones: they are checked against DuckDB on
the same files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
ROWS_PER_FILE = 2_000_000
ROW_GROUP_ROWS = 250_000
VERSION = 1

REGIONS = ("AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST")
# Name, and the number of its region.
NATIONS = (
    ("ALGERIA", 0), ("ARGENTINA", 1), ("BRAZIL", 1), ("CANADA", 1), ("EGYPT", 4), ("ETHIOPIA", 0), ("FRANCE", 3),
    ("GERMANY", 3), ("INDIA", 2), ("INDONESIA", 2), ("IRAN", 4), ("IRAQ", 4), ("JAPAN", 2), ("JORDAN", 4), ("KENYA", 0),
    ("MOROCCO", 0), ("MOZAMBIQUE", 0), ("PERU", 1), ("CHINA", 2), ("ROMANIA", 3), ("SAUDI ARABIA", 4), ("VIETNAM", 2),
    ("RUSSIA", 3), ("UNITED KINGDOM", 3), ("UNITED STATES", 1),
)  # fmt: skip
SEGMENTS = ("AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY")
PRIORITIES = ("1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW")
MODES = ("AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK")
INSTRUCTIONS = ("COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN")
TYPES = (
    ("STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"),
    ("ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"),
    ("TIN", "NICKEL", "BRASS", "STEEL", "COPPER"),
)
CONTAINERS = (("SM", "LG", "MED", "JUMBO", "WRAP"), ("CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"))
COLORS = tuple(
    "almond antique aquamarine azure beige bisque black blanched blue blush brown burlywood burnished chartreuse "
    "chiffon chocolate coral cornflower cornsilk cream cyan dark deep dim dodger drab firebrick floral forest "
    "frosted gainsboro ghost goldenrod green grey honeydew hot indian ivory khaki lace lavender lawn lemon light "
    "lime linen magenta maroon medium metallic midnight mint misty moccasin navajo navy olive orange orchid pale "
    "papaya peach peru pink plum powder puff purple red rose rosy royal saddle salmon sandy seashell sienna sky "
    "slate smoke snow spring steel tan thistle tomato turquoise violet wheat white yellow".split()
)
WORDS = tuple(
    "blithely carefully quickly slyly furiously ideas deposits accounts packages foxes pinto beans theodolites "
    "asymptotes dependencies instructions excuses platelets sleep wake nag haggle cajole boost detect among above "
    "across".split()
)
FIRST_DAY, LAST_DAY = np.datetime64("1992-01-01", "D"), np.datetime64("1998-08-02", "D")
TODAY = np.datetime64("1995-06-17", "D")


class Maker:
    """Makes the tables of one scale factor."""

    def __init__(self, scale: float) -> None:
        self.rng = np.random.default_rng(20240917)
        self.suppliers = max(int(10_000 * scale), 10)
        self.customers = max(int(150_000 * scale), 30)
        self.parts = max(int(200_000 * scale), 40)
        self.order_count = self.customers * 10

    def choice(self, values: tuple[str, ...], count: int) -> pa.Array:
        """Texts by chance."""
        codes = pa.array(self.rng.integers(0, len(values), count).astype("int32"))
        return pa.DictionaryArray.from_arrays(codes, pa.array(values)).cast(pa.large_string())

    def comments(self, count: int, *phrases: tuple[str, float]) -> pa.Array:
        """A few words each; some hold a phrase."""
        rng = self.rng
        pool = [" ".join(rng.choice(WORDS, 5)) for _ in range(4000)]
        codes = rng.integers(0, len(pool), count)
        for phrase, share in phrases:
            first = len(pool)
            pool += [f"{rng.choice(WORDS)} {phrase} {rng.choice(WORDS)}" for _ in range(50)]
            chosen = rng.random(count) < share
            codes[chosen] = rng.integers(first, len(pool), int(chosen.sum()))
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype("int32")), pa.array(pool)).cast(pa.large_string())

    def money(self, low: float, high: float, count: int) -> np.ndarray:
        """Amounts with two digits."""
        return np.round(self.rng.uniform(low, high, count), 2)

    def phones(self, nations: np.ndarray) -> pa.Array:
        """Numbers that begin with the country's code."""
        rest = self.rng.integers(1000, 9999, len(nations))
        return pa.array([f"{code}-{tail:04d}" for code, tail in zip(nations + 10, rest, strict=True)])

    def region(self) -> dict[str, Any]:
        """Table of regions."""
        return {"r_regionkey": np.arange(5), "r_name": list(REGIONS), "r_comment": self.comments(5)}

    def nation(self) -> dict[str, Any]:
        """Table of nations."""
        names, regions = zip(*NATIONS, strict=True)
        return {"n_nationkey": np.arange(25), "n_name": list(names), "n_regionkey": np.array(regions),
                "n_comment": self.comments(25)}  # fmt: skip

    def supplier(self) -> dict[str, Any]:
        """Table of suppliers."""
        count = self.suppliers
        nations = self.rng.integers(0, 25, count)
        return {
            "s_suppkey": np.arange(1, count + 1),
            "s_name": [f"Supplier#{number:09d}" for number in range(1, count + 1)],
            "s_address": self.comments(count),
            "s_nationkey": nations,
            "s_phone": self.phones(nations),
            "s_acctbal": self.money(-999.99, 9999.99, count),
            "s_comment": self.comments(count, ("Customer blithely Complaints", 0.01)),
        }

    def customer(self) -> dict[str, Any]:
        """Table of customers."""
        count = self.customers
        nations = self.rng.integers(0, 25, count)
        return {
            "c_custkey": np.arange(1, count + 1),
            "c_name": [f"Customer#{number:09d}" for number in range(1, count + 1)],
            "c_address": self.comments(count),
            "c_nationkey": nations,
            "c_phone": self.phones(nations),
            "c_acctbal": self.money(-999.99, 9999.99, count),
            "c_mktsegment": self.choice(SEGMENTS, count),
            "c_comment": self.comments(count),
        }

    def part(self) -> dict[str, Any]:
        """Table of parts."""
        count, rng = self.parts, self.rng
        words = np.array(COLORS)[np.argsort(rng.random((count, len(COLORS))), axis=1)[:, :5]] if count < 5000 else (
            np.array(COLORS)[rng.integers(0, len(COLORS), (count, 5))]
        )  # fmt: skip
        makers = rng.integers(1, 6, count)
        return {
            "p_partkey": np.arange(1, count + 1),
            "p_name": [" ".join(row) for row in words],
            "p_mfgr": [f"Manufacturer#{maker}" for maker in makers],
            "p_brand": [f"Brand#{maker}{one}" for maker, one in zip(makers, rng.integers(1, 6, count), strict=True)],
            "p_type": self.choice(tuple(f"{a} {b} {c}" for a in TYPES[0] for b in TYPES[1] for c in TYPES[2]), count),
            "p_size": rng.integers(1, 51, count).astype("int32"),
            "p_container": self.choice(tuple(f"{a} {b}" for a in CONTAINERS[0] for b in CONTAINERS[1]), count),
            "p_retailprice": np.round(900 + np.arange(1, count + 1) % 1000 * 0.1 + np.arange(count) % 200, 2),
            "p_comment": self.comments(count),
        }

    def suppliers_of(self, parts: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Four different suppliers of each part, by number."""
        step = self.suppliers // 4
        return (parts + which * (step + (parts - 1) // self.suppliers)) % self.suppliers + 1

    def partsupp(self) -> dict[str, Any]:
        """Table of who supplies which part."""
        parts = np.repeat(np.arange(1, self.parts + 1), 4)
        count = len(parts)
        return {
            "ps_partkey": parts,
            "ps_suppkey": self.suppliers_of(parts, np.tile(np.arange(4), self.parts)),
            "ps_availqty": self.rng.integers(1, 10_000, count).astype("int32"),
            "ps_supplycost": self.money(1.0, 1000.0, count),
            "ps_comment": self.comments(count),
        }

    def orders_and_lines(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Tables of orders and of their lines."""
        rng, count = self.rng, self.order_count
        numbers = np.arange(count)
        keys = numbers // 8 * 32 + numbers % 8 + 1
        # A third of the customers never order.
        customers = rng.integers(1, self.customers + 1, count)
        customers = np.where(customers % 3 == 0, np.maximum(customers - 1, 1), customers)
        days = rng.integers(0, int((LAST_DAY - FIRST_DAY).astype(int)) - 120, count)
        ordered = FIRST_DAY + days.astype("timedelta64[D]")
        lines_of = rng.integers(1, 8, count)
        lines = int(lines_of.sum())
        order = np.repeat(numbers, lines_of)
        first = np.concatenate([[0], np.cumsum(lines_of)[:-1]])
        parts = rng.integers(1, self.parts + 1, lines)
        quantity = rng.integers(1, 51, lines).astype("float64")
        price = np.round(quantity * (900 + parts % 1000 * 0.1 + (parts - 1) % 200), 2)
        shipped = ordered[order] + rng.integers(1, 122, lines).astype("timedelta64[D]")
        committed = ordered[order] + rng.integers(30, 91, lines).astype("timedelta64[D]")
        received = shipped + rng.integers(1, 31, lines).astype("timedelta64[D]")
        flag = np.where(received <= TODAY, np.where(rng.random(lines) < 0.5, "R", "A"), "N")
        status = np.where(shipped > TODAY, "O", "F")
        discount, tax = rng.integers(0, 11, lines) / 100, rng.integers(0, 9, lines) / 100
        open_lines = np.add.reduceat((status == "O").astype("int64"), first)
        total = np.add.reduceat(price * (1 + tax) * (1 - discount), first)
        orders = {
            "o_orderkey": keys,
            "o_custkey": customers,
            "o_orderstatus": np.where(open_lines == 0, "F", np.where(open_lines == lines_of, "O", "P")),
            "o_totalprice": np.round(total, 2),
            "o_orderdate": ordered,
            "o_orderpriority": self.choice(PRIORITIES, count),
            "o_clerk": [f"Clerk#{number:09d}" for number in rng.integers(1, 1001, count)],
            "o_shippriority": np.zeros(count, dtype="int32"),
            "o_comment": self.comments(count, ("special packages requests", 0.02)),
        }
        lineitem = {
            "l_orderkey": keys[order],
            "l_partkey": parts,
            "l_suppkey": self.suppliers_of(parts, rng.integers(0, 4, lines)),
            "l_linenumber": (np.arange(lines) - first[order] + 1).astype("int32"),
            "l_quantity": quantity,
            "l_extendedprice": price,
            "l_discount": discount,
            "l_tax": tax,
            "l_returnflag": flag,
            "l_linestatus": status,
            "l_shipdate": shipped,
            "l_commitdate": committed,
            "l_receiptdate": received,
            "l_shipinstruct": self.choice(INSTRUCTIONS, lines),
            "l_shipmode": self.choice(MODES, lines),
            "l_comment": self.comments(lines),
        }
        return orders, lineitem


def _table(columns: dict[str, Any]) -> pa.Table:
    def column(values: Any) -> Any:
        if isinstance(values, np.ndarray) and values.dtype.kind == "M":
            return pa.array(values.astype("datetime64[us]"))
        return pa.array(values)

    return pa.table({name: column(values) for name, values in columns.items()})


def _write(table: pa.Table, folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, start in enumerate(range(0, max(table.num_rows, 1), ROWS_PER_FILE)):
        part = table.slice(start, ROWS_PER_FILE)
        pq.write_table(part, folder / f"part.{number}.parquet", row_group_size=ROW_GROUP_ROWS, compression="zstd")


def ensure(scale: float, parent: Path) -> Path:
    """The folder with the tables of a scale factor, written if they are not there.

    Parameters
    ----------
    scale : float
        1 is about 1 GB as text, 6,000,000 lines of orders.
    parent : Path

    Returns
    -------
    Path
        Holds a folder of Parquet files for each of `TABLES`.
    """
    folder = parent / f"tpch-{scale:g}-v{VERSION}"
    if (folder / "_whole").exists():
        return folder
    maker = Maker(scale)
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        name: getattr(maker, name) for name in ("region", "nation", "supplier", "customer", "part", "partsupp")
    }
    for name, make in makers.items():
        _write(_table(make()), folder / name)
    for name, columns in zip(("orders", "lineitem"), maker.orders_and_lines(), strict=True):
        _write(_table(columns), folder / name)
    (folder / "_whole").touch()
    return folder


def rows(folder: Path) -> dict[str, int]:
    """Number of rows of each table."""
    return {name: sum(pq.read_metadata(one).num_rows for one in (folder / name).glob("*.parquet")) for name in TABLES}


__all__ = ["TABLES", "ensure", "rows"]
