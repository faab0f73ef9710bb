"""Word count over 500 MB of text in ten files: the work that bags are for.

Start at `CASES`. The files hold blocks of words drawn from a vocabulary as in a natural language (few words are most of
the text), in a different order each; what was drawn is counted when they are written. Everybody has two processes.
"""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case import Case, Prepared, expect
from benchmarks.cluster import others
from benchmarks.processes import PROCESSES
from examples.make_data import SEED, Size

FILES = 10
WORDS = 50_000
WORDS_OF_A_LINE = 12
Counts = dict[str, int]


def vocabulary() -> list[str]:
    """Return words of 2 to 10 letters, the most frequent first."""
    letters = np.random.default_rng(SEED).choice(list("abcdefghijklmnopqrstuvwxyz"), (WORDS, 10))
    return ["".join(word[: 2 + rank % 9]) for rank, word in enumerate(letters)]


def block(number: int, words: int, known: list[str]) -> str:
    """Return lines of words: the word of rank k is drawn about k times more seldom than the first."""
    chances = 1.0 / np.arange(1, WORDS + 1)
    drawn = np.random.default_rng([SEED, number]).choice(WORDS, words, p=chances / chances.sum())
    lines = [drawn[start : start + WORDS_OF_A_LINE] for start in range(0, words, WORDS_OF_A_LINE)]
    return "".join(" ".join(known[rank] for rank in line) + "\n" for line in lines)


def ensure_text(size: Size) -> Path:
    """Write the files unless they are there; return their folder. Each holds every block, in an order of its own."""
    folder = size.folder / "text"
    words = 900_000 if size.name == "full" else 30_000
    manifest = folder / "manifest.json"
    wanted = {"seed": SEED, "files": FILES, "words": words, "vocabulary": WORDS, "version": 1}
    if manifest.exists() and json.loads(manifest.read_text())["made from"] == wanted:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    known = vocabulary()
    blocks = [block(number, words, known) for number in range(FILES)]
    counts: Counter[str] = Counter()
    for text in blocks:
        counts.update(text.split())
    for number in range(FILES):
        (folder / f"{number}.txt").write_text("".join(blocks[number:] + blocks[:number]))
    total = {word: count * FILES for word, count in counts.items()}
    manifest.write_text(json.dumps({"made from": wanted, "counts": total}))
    return folder


def check(folder: Path) -> Callable[[Counts], None]:
    """Return the check that all words were counted."""
    expected = json.loads((folder / "manifest.json").read_text())["counts"]

    def compare(counts: Counts) -> None:
        expect(dict(counts) == expected, f"{len(counts)} words were counted, {len(expected)} written, or counts differ")

    return compare


def count_words(bag: Any, pattern: str) -> Counts:
    """Count with the bags of raskal or Dask."""
    return dict(bag.read_text(pattern).str.split().flatten().frequencies().compute())


def count_words_by_function(bag: Any, pattern: str) -> Counts:
    """Count with the bags of raskal or Dask, words cut by a function of one's own."""
    return dict(bag.read_text(pattern).map(words_of).flatten().frequencies().compute())


def words_of(line: str) -> list[str]:
    """Return the words of a line."""
    return [word for word in line.split() if word]


def count_file(path: str) -> Counter[str]:
    """Count the words of a file, as one would by hand."""
    counts: Counter[str] = Counter()
    with open(path) as file:
        for line in file:
            counts.update(line.split())
    return counts


def count_file_by_function(path: str) -> Counter[str]:
    """Count the words of a file, cut by a function of one's own."""
    counts: Counter[str] = Counter()
    with open(path) as file:
        for line in file:
            counts.update(words_of(line))
    return counts


def raskal_bag(count: Callable[[Any, str], Counts]) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up raskal's bags, with its defaults but the number of processes."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import raskal
        import raskal.bag

        folder = ensure_text(size)
        with raskal.config.set(num_workers=PROCESSES):
            yield Prepared(lambda: count(raskal.bag, f"{folder}/*.txt"), check(folder), processes=others)

    return setup


def dask_bag(count: Callable[[Any, str], Counts]) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up Dask's bags, with a pool that is there already."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        from concurrent.futures import ProcessPoolExecutor

        import dask
        import dask.bag

        folder = ensure_text(size)
        with ProcessPoolExecutor(PROCESSES) as pool, dask.config.set(scheduler="processes", pool=pool):
            yield Prepared(lambda: count(dask.bag, f"{folder}/*.txt"), check(folder), processes=others)

    return setup


def by_hand(count: Callable[[str], Counter[str]]) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up a pool of processes that count a file each."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        folder = ensure_text(size)
        paths = sorted(map(str, folder.glob("*.txt")))

        def work() -> Counts:
            total: Counter[str] = Counter()
            for counts in pool.imap_unordered(count, paths):
                total.update(counts)
            return total

        with multiprocessing.Pool(PROCESSES) as pool:
            yield Prepared(work, check(folder), processes=others)

    return setup


BARS = {"Dask": 1 / 3, "multiprocessing.Pool": 1.0}
CASES = [
    Case(
        name="bag-words",
        title="word count over 500 MB of text in 10 files, 2 processes",
        unit="s",
        libraries={
            "raskal": raskal_bag(count_words),
            "multiprocessing.Pool": by_hand(count_file),
            "Dask": dask_bag(count_words),
        },
        bars=BARS,
    ),
    Case(
        name="bag-words-function",
        title="the same, each line cut by a Python function",
        unit="s",
        libraries={
            "raskal": raskal_bag(count_words_by_function),
            "multiprocessing.Pool": by_hand(count_file_by_function),
            "Dask": dask_bag(count_words_by_function),
        },
        bars={"multiprocessing.Pool": 1.0},
    ),
]
