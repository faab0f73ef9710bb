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
from functools import partial
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


def words_of(line: str) -> list[str]:
    """Return the words of a line: a function of one's own, of which no library knows anything."""
    return [word for word in line.split() if word]


# How lines are cut: by what a bag has for it, or by that function.
WAYS: dict[str, tuple[Callable[[Any], Any], Callable[[str], list[str]]]] = {
    "split": (lambda lines: lines.str.split(), str.split),
    "function": (lambda lines: lines.map(words_of), words_of),
}


def count_words(bag: Any, pattern: str, way: str) -> Counts:
    """Count with the bags of raskal or Dask."""
    return dict(WAYS[way][0](bag.read_text(pattern)).flatten().frequencies().compute())


def count_file(way: str, path: str) -> Counter[str]:
    """Count the words of a file, as one would by hand."""
    cut = WAYS[way][1]
    counts: Counter[str] = Counter()
    with open(path) as file:
        for line in file:
            counts.update(cut(line))
    return counts


def raskal_bag(way: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up raskal's bags, with its defaults but the number of processes."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        import raskal
        import raskal.bag

        folder = ensure_text(size)
        with raskal.config.set(num_workers=PROCESSES):
            yield Prepared(lambda: count_words(raskal.bag, f"{folder}/*.txt", way), check(folder), processes=others)

    return setup


def dask_bag(way: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up Dask's bags, with a pool that is there already."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        from concurrent.futures import ProcessPoolExecutor

        import dask
        import dask.bag

        folder = ensure_text(size)
        with ProcessPoolExecutor(PROCESSES) as pool, dask.config.set(scheduler="processes", pool=pool):
            yield Prepared(lambda: count_words(dask.bag, f"{folder}/*.txt", way), check(folder), processes=others)

    return setup


def by_hand(way: str) -> Callable[[Size], AbstractContextManager[Prepared]]:
    """Set up a pool of processes that count a file each."""

    @contextmanager
    def setup(size: Size) -> Iterator[Prepared]:
        folder = ensure_text(size)
        paths = sorted(map(str, folder.glob("*.txt")))

        def work() -> Counts:
            total: Counter[str] = Counter()
            for counts in pool.imap_unordered(partial(count_file, way), paths):
                total.update(counts)
            return total

        with multiprocessing.Pool(PROCESSES) as pool:
            yield Prepared(work, check(folder), processes=others)

    return setup


CASES = [
    Case(
        name=name,
        title=title,
        unit="s",
        libraries={"raskal": raskal_bag(way), "multiprocessing.Pool": by_hand(way), "Dask": dask_bag(way)},
        bars=bars,
    )
    for name, title, way, bars in (
        (
            "bag-words",
            "word count over 500 MB of text in 10 files, 2 processes",
            "split",
            {"Dask": 1 / 3, "multiprocessing.Pool": 1.0},
        ),
        (
            "bag-words-function",
            "the same, each line cut by a Python function",
            "function",
            {"multiprocessing.Pool": 1.0},
        ),
    )
]
