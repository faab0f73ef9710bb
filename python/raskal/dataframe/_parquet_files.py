"""What lies in a folder of Parquet files: which files, what their folders' names say, how they are cut and divided.

Start at `Dataset`. Nothing here reads rows: names of folders, and of footers only those that an option asks for.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from raskal.dataframe._storage import Place, address, expand, natural, open_file
from raskal.utils import parse_bytes

_MISSING_KEY = "__HIVE_DEFAULT_PARTITION__"
_DEFAULT_PIECE_BYTES = 256 * 2**20
_END = 2**62  # behind every byte of a file
UNFINISHED = "_raskal_unfinished"
"""Beside the files of a dataset on storage that can't rename, as long as it is being written."""


class Groups(NamedTuple):
    """Neighbouring row groups of a file: numbers of the first and of the one behind the last; None for all."""

    file: int
    first: int | None
    end: int | None


class Dataset:
    """Parquet files and the columns that the names of their folders give.

    Attributes
    ----------
    files : list of str
    keys : pyarrow.Table
        A row per file; no column where folders are not called ``name=value``.

    Raises
    ------
    FileNotFoundError
        If there are no files.
    OSError
        If the dataset is still being written, or was left half-written.
    """

    def __init__(self, places: Sequence[Place], suffixes: Any, ignore_metadata_file: bool = False) -> None:
        self.system = places[0].system
        self.files: list[str] = []
        self._ignore_metadata_file = ignore_metadata_file
        self._footers: dict[int, Any] = {}
        roots: list[str] = []
        ends = (suffixes,) if isinstance(suffixes, str) else tuple(suffixes or ())
        for place in places:
            root, found = expand(place, ends)
            if self.system is not None and self.system.exists(f"{root}/{UNFINISHED}"):
                raise OSError(f"the dataset in {address(self.system, root)} is half-written\nhint: write it anew")
            if not found:
                kind = f"files that end in {', '.join(ends)}" if ends else "files"
                raise FileNotFoundError(
                    f"no file matches '{address(*place)}': there are no {kind}\n"
                    "hint: check the path, or pass parquet_file_extension=None to read files of any name"
                )
            self.files.extend(found)
            roots.extend([root] * len(found))
        self.root = roots[0]
        if len(places) > 1:  # single files of a dataset: what they have in common is its folder
            self.files, roots = self._of_files(roots)
        self.keys = _keys(self.files, roots)

    @classmethod
    def of_files(cls, system: Any, files: list[str], keys: pa.Table) -> Dataset:
        """Files whose keys somebody else knows: a row of `keys` for each."""
        made = cls.__new__(cls)
        made.system, made.files, made.keys = system, files, keys
        made.root = ""
        made._ignore_metadata_file, made._footers = True, {}
        return made

    def _of_files(self, roots: list[str]) -> tuple[list[str], list[str]]:
        cut = next((place for place, part in enumerate(self.files[0].split("/")) if "=" in part), None)
        root = roots[0] if cut is None else "/".join(self.files[0].split("/")[:cut])
        return self.files, [root if name.startswith(root) else own for name, own in zip(self.files, roots, strict=True)]

    def keep(self, kept: Sequence[bool]) -> None:
        """Forget the other files."""
        self.files = [name for name, one in zip(self.files, kept, strict=True) if one]
        self.keys = self.keys.filter(pa.array(list(kept), pa.bool_()))
        self._footers = {}

    # ---- footers

    def footer(self, number: int) -> Any:
        """The metadata of a file."""
        if number not in self._footers:
            name = self.files[number]
            try:
                with open_file(self.system, name) as file:
                    self._footers[number] = pq.read_metadata(file)
            except pa.ArrowInvalid as error:
                raise OSError(f"{address(self.system, name)}: not a Parquet file: {error}") from error
        return self._footers[number]

    def footers(self) -> list[Any]:
        """The metadata of all files: of the dataset's ``_metadata`` file if it knows them all, else of each."""
        if len(self._footers) < len(self.files) and not self._from_metadata_file():
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(self.footer, range(len(self.files))))
        return [self._footers[number] for number in range(len(self.files))]

    def _from_metadata_file(self) -> bool:
        path = f"{self.root}/_metadata"
        exists = Place(self.system, path).system.exists(path) if self.system is not None else _exists(path)
        if self._ignore_metadata_file or not exists:
            return False
        with open_file(self.system, path) as file:
            whole = pq.read_metadata(file)
        by_file: dict[str, list[Any]] = {}
        for number in range(whole.num_row_groups):
            group = whole.row_group(number)
            by_file.setdefault(group.column(0).file_path, []).append(group)
        names = [name.removeprefix(self.root).lstrip("/") for name in self.files]
        if set(names) != set(by_file):
            return False  # files came or went since: each one's own footer says what is true
        self._footers = {number: _Footer(by_file[name], whole) for number, name in enumerate(names)}
        return True

    # ---- partitions

    def pieces(self, split: Any, blocksize: Any, aggregate: Any) -> list[list[Groups]] | None:
        """The row groups of each partition; None where partitions are the files.

        Raises
        ------
        ValueError
            If an option is none that there is.
        """
        if split not in ("infer", "adaptive", True, False, None) and not isinstance(split, int):
            raise ValueError(f"split_row_groups={split!r}: expected 'infer', 'adaptive', True, False or a number")
        limit = _DEFAULT_PIECE_BYTES if blocksize in ("default", None) else parse_bytes(blocksize)
        if split == "infer":
            split = "adaptive" if blocksize not in ("default", None) or aggregate or self._large(limit) else False
        if not split and not aggregate:
            return None
        every: list[list[Groups]] = []
        sizes: list[int] = []
        for number, footer in enumerate(self.footers()):
            groups = [footer.row_group(group).total_byte_size for group in range(footer.num_row_groups)]
            for first, end in _cut(groups, split, limit):
                every.append([Groups(number, first, end)])
                sizes.append(sum(groups[first:end]))
        return self._joined(every, sizes, split, limit, aggregate) if aggregate else every

    def _large(self, limit: int) -> bool:
        import os

        names = self.files[:20]
        sizes = [os.path.getsize(one) for one in names] if self.system is None else [self.system.size(names[0]) or 0]
        return max(sizes) > limit

    def _joined(
        self, every: list[list[Groups]], sizes: list[int], split: Any, limit: int, aggregate: Any
    ) -> list[list[Groups]]:
        """Small neighbours put together, as long as their folders agree up to the column `aggregate`."""
        names = self.keys.column_names
        depth = 0 if aggregate is True else names.index(aggregate) + 1
        rows = [tuple(row[name] for name in names[:depth]) for row in self.keys.to_pylist()]
        if not names:
            rows = [()] * len(self.files)
        joined = [every[0]]
        size = sizes[0]
        for piece, own in zip(every[1:], sizes[1:], strict=True):
            alike = rows[joined[-1][0].file] == rows[piece[0].file]
            if isinstance(split, int) and split is not True and split is not False:
                fits = sum((one.end or 0) - (one.first or 0) for one in [*joined[-1], *piece]) <= split
            else:
                fits = size + own <= limit
            if alike and fits:
                joined[-1] = [*joined[-1], *piece]
                size += own
            else:
                joined.append(piece)
                size = own
        return joined

    def ranges(self, pieces: list[list[Groups]]) -> list[list[tuple[int, int, int]]]:
        """The bytes in which row groups begin, as the engine wants them."""
        return [[self._range(one) for one in piece] for piece in pieces]

    def _range(self, one: Groups) -> tuple[int, int, int]:
        footer = self.footers()[one.file]
        starts = [_start(footer.row_group(group)) for group in range(footer.num_row_groups)]
        if one.first is None or one.end is None:
            return one.file, 0, _END
        return one.file, starts[one.first], starts[one.end] if one.end < len(starts) else _END

    def divisions(self, column: str, pieces: list[list[Groups]] | None) -> tuple[Any, ...] | None:
        """Labels between which the partitions lie, by a column's statistics; None if these don't tell or overlap."""
        footers = self.footers()
        whole = [[Groups(number, 0, footer.num_row_groups)] for number, footer in enumerate(footers)]
        spans = [_span(footers, piece, column) for piece in (pieces or whole)]
        if not spans or any(span is None for span in spans):
            return None
        known: list[Any] = spans
        if any(before[1] >= after[0] for before, after in itertools.pairwise(known)):
            return None
        return (*(low for low, _ in known), known[-1][1])


class _Footer:
    """The row groups of one file in a ``_metadata`` file."""

    def __init__(self, groups: list[Any], whole: Any) -> None:
        self._groups = groups
        self.num_row_groups = len(groups)
        self.num_rows = sum(group.num_rows for group in groups)
        self.schema = whole.schema

    def row_group(self, number: int) -> Any:
        """A row group."""
        return self._groups[number]


def _exists(path: str) -> bool:
    import os

    return os.path.exists(path)


def _start(group: Any) -> int:
    column = group.column(0)
    return int(column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset)


def _cut(sizes: list[int], split: Any, limit: int) -> list[tuple[int, int]]:
    """Ranges of the row groups of a file."""
    count = len(sizes)
    if not split or count == 0:
        return [(0, count)]
    if split != "adaptive":
        step = 1 if split is True else int(split)
        return [(first, min(first + step, count)) for first in range(0, count, step)]
    bounds, size = [0], 0
    for number, own in enumerate(sizes):
        if number > bounds[-1] and size + own > limit:
            bounds.append(number)
            size = 0
        size += own
    return list(itertools.pairwise([*bounds, count]))


def _span(footers: list[Any], piece: list[Groups], column: str) -> tuple[Any, Any] | None:
    lows, highs = [], []
    for one in piece:
        footer = footers[one.file]
        for number in range(one.first or 0, footer.num_row_groups if one.end is None else one.end):
            group = footer.row_group(number)
            place = next((at for at in range(group.num_columns) if group.column(at).path_in_schema == column), None)
            found = None if place is None else group.column(place).statistics
            if group.num_rows == 0:
                continue
            if found is None or not found.has_min_max or found.null_count:
                return None
            lows.append(found.min)
            highs.append(found.max)
    return (min(lows), max(highs)) if lows else None


def _keys(files: list[str], roots: list[str]) -> pa.Table:
    """The columns of ``name=value`` folders."""
    rows: list[dict[str, str]] = []
    for name, root in zip(files, roots, strict=True):
        parts = name.removeprefix(root).lstrip("/").split("/")[:-1]
        pairs = [part.partition("=") for part in parts if "=" in part]
        rows.append({key: value for key, _, value in pairs})
    names = list(dict.fromkeys(key for row in rows for key in row))
    odd = next((place for place, row in enumerate(rows) if list(row) != names), None)
    if odd is not None:
        raise ValueError(
            f"{files[odd]} lies in folders of {list(rows[odd])}, other files of {names}\n"
            "hint: read folders of one kind, by a pattern or a list"
        )
    return pa.table({name: _column([unquote(row[name]) for row in rows]) for name in names})


def _column(texts: list[str]) -> pa.Array:
    values = [None if text == _MISSING_KEY else text for text in texts]
    try:
        numbers = [None if text is None else int(text) for text in values]
        if all(text is None or str(number) == text for text, number in zip(values, numbers, strict=True)):
            return pa.array(numbers, pa.int64())
    except ValueError:
        pass
    return pa.array(values, pa.large_string())


def key_values(column: Any) -> list[Any]:
    """The values of a key, in order."""
    return sorted({one for one in column.to_pylist() if one is not None}, key=lambda one: (natural(str(one)), one))
