"""Bags: Python objects in partitions, for text, JSON, logs and anything else that is no table and no array.

Start at `from_sequence`, `read_text` or `from_delayed`; `Bag` has the methods. Everything is lazy until ``compute()``.
"""

from __future__ import annotations

from raskal.bag import random
from raskal.bag.avro import read_avro
from raskal.bag.collection import Bag, map_partitions
from raskal.bag.collection import bag_map as map
from raskal.bag.item import Item
from raskal.bag.outputs import to_avro, to_textfiles
from raskal.bag.sources import concat, from_delayed, from_sequence, from_url
from raskal.bag.sources import range_ as range
from raskal.bag.sources import zip_ as zip
from raskal.bag.testing import assert_eq
from raskal.bag.text import read_text
from raskal.base import compute

__all__ = [
    "Bag",
    "Item",
    "assert_eq",
    "compute",
    "concat",
    "from_delayed",
    "from_sequence",
    "from_url",
    "map",
    "map_partitions",
    "random",
    "range",
    "read_avro",
    "read_text",
    "to_avro",
    "to_textfiles",
    "zip",
]
