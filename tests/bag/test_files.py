"""Text and Avro files against Python's own readers."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import raskal.bag as db
from raskal.bag import text as text_module

COMPRESSORS = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}


def write(path, text, opener=open):
    with opener(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.text("ab\n\rä€", max_size=60),
    st.sampled_from([None, "", "\n", "\r\n", "ab", "€"]),
    st.sampled_from([None, 1, 3, 7, 1000]),
    st.sampled_from(["utf-8", "latin-1", "utf-16"]),
)
def test_lines_are_those_of_python(tmp_path, text, end, blocksize, encoding):
    if encoding != "utf-8":
        text = text.replace("€", "x")
        end = "x" if end == "€" else end
    path = write(tmp_path / "a.txt", text.encode(encoding))
    if end in (None, ""):
        expected = list(io.StringIO(text, newline=end))
    else:
        expected = [part + end for part in text.split(end)]
        expected[-1] = expected[-1][: -len(end)]
        expected = [line for line in expected if line]
    options = {"encoding": encoding, "linedelimiter": end}
    if encoding == "utf-16" and blocksize:
        with pytest.raises(ValueError, match="blocksize can't be used with encoding 'utf-16'"):
            db.read_text(path, blocksize=blocksize, **options)
        return
    b = db.read_text(path, blocksize=blocksize, **options)
    assert b.compute() == expected
    # Files that Rust doesn't read give the same.
    parts = [[piece] for piece in text_module.blocks_of(db.text.find(path), blocksize)] if blocksize else None
    parts = parts or [[text_module.Piece(str(path), None, None, None)]]
    form = text_module._Format(end, encoding, "strict")
    slow = [line for (piece,) in parts for line in text_module._python_lines(None, piece, form)]
    assert slow == expected


@pytest.mark.parametrize("suffix", [*COMPRESSORS, "zst"])
def test_compressed_files_are_read_and_written(tmp_path, suffix):
    if suffix == "zst":
        pytest.importorskip("zstandard")
    lines = [f"line {number}" for number in range(1000)]
    paths = db.from_sequence(lines, npartitions=3).to_textfiles(tmp_path / f"*.txt.{suffix}")
    if suffix in COMPRESSORS:
        with COMPRESSORS[suffix](paths[0], "rt") as file:
            assert file.read().split("\n") == lines[:333]
    assert db.read_text(tmp_path / f"*.{suffix}").str.strip().compute() == lines
    name = {"gz": "gzip", "zst": "zstd"}.get(suffix, suffix)
    assert db.read_text(paths, compression=name).count().compute() == 1000
    with pytest.raises(ValueError, match="Cannot do chunked reads on compressed files"):
        db.read_text(paths, blocksize=100)


def test_a_broken_compressed_file_is_named(tmp_path):
    path = write(tmp_path / "a.txt.gz", b"not compressed at all")
    with pytest.raises(OSError, match="cannot read '.*a.txt.gz'"):
        db.read_text(path).compute()


def test_patterns_lists_and_paths(tmp_path):
    for number in range(12):
        write(tmp_path / f"{number:02}.txt", f"{number}\n{number}\n")
    b = db.read_text(tmp_path / "*.txt")
    assert b.npartitions == 12 and b.map(int).compute() == [number for number in range(12) for _ in range(2)]
    first = str(tmp_path / "00.txt")
    assert db.read_text([first, tmp_path / "01.txt"], include_path=True).take(3, npartitions=2) == (
        ("0\n", first),
        ("0\n", first),
        ("1\n", str(tmp_path / "01.txt")),
    )
    grouped = db.read_text(f"file://{tmp_path}/*.txt", files_per_partition=5, include_path=True)
    assert grouped.npartitions == 3 and grouped.pluck(1).distinct().count().compute() == 12
    blocks = db.read_text(first, blocksize=1, collection=False)
    assert [part.compute() for part in blocks] == [["0\n"], ["0\n"], [], []]
    with pytest.raises(ValueError, match="Only one of"):
        db.read_text(first, blocksize=10, files_per_partition=2)


def test_files_that_are_not_there_are_told_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="No files found: '.*none.txt' does not exist"):
        db.read_text(tmp_path / "none.txt")
    with pytest.raises(ValueError, match="No files found"):
        db.read_text(tmp_path / "*.none")
    with pytest.raises(IsADirectoryError, match="use a pattern"):
        db.read_text(tmp_path)
    write(tmp_path / "a.txt", "a")
    with pytest.raises(ValueError, match="Compression type nonsense not supported"):
        db.read_text(tmp_path / "a.txt", compression="nonsense")
    with pytest.raises(LookupError, match="nonsense"):
        db.read_text(tmp_path / "a.txt", encoding="nonsense")


def test_bytes_that_are_no_text_raise_or_are_handled_as_asked(tmp_path):
    path = write(tmp_path / "a.txt", b"ok\n\xff\n")
    with pytest.raises(UnicodeDecodeError) as caught:
        db.read_text(path).compute()
    assert any("a.txt" in note for note in caught.value.__notes__)
    assert db.read_text(path, errors="replace").compute() == ["ok\n", "�\n"]
    assert db.read_text(path, encoding="latin-1").compute() == ["ok\n", "ÿ\n"]


def test_a_file_that_changes_is_read_anew(tmp_path):
    path = write(tmp_path / "a.txt", "one\n")
    before = db.read_text(path)
    write(path, "one\ntwo\n")
    assert db.read_text(path).name != before.name


def test_remote_files_are_read_through_fsspec():
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.makedirs("/bagtest", exist_ok=True)
    for number in range(3):
        with memory.open(f"/bagtest/{number}.txt", "wb") as file:
            file.write(f"{number} a\r\n{number} b\n".encode() * 50)
    expected = [line for number in range(3) for line in [f"{number} a\n", f"{number} b\n"] * 50]
    assert db.read_text("memory://bagtest/*.txt").compute(scheduler="sync") == expected
    blocks = db.read_text("memory://bagtest/*.txt", blocksize=100)
    assert blocks.npartitions == 12 and blocks.compute(scheduler="sync") == expected
    written = db.from_sequence(["a", "b"], npartitions=2).to_textfiles("memory://bagtest/out/*.txt.gz")
    assert len(written) == 2
    assert db.read_text("memory://bagtest/out/*.gz").compute(scheduler="sync") == ["a", "b"]
    with pytest.raises(FileNotFoundError):
        db.read_text("memory://bagtest/none*.txt")


def test_text_files_are_written_whole_or_not_at_all(tmp_path):
    b = db.from_sequence(["a", "b", "c", "d"], npartitions=2)
    paths = b.to_textfiles(tmp_path / "folder")
    assert [path.rpartition("/")[2] for path in paths] == ["0.part", "1.part"]
    assert [open(path).read() for path in paths] == ["a\nb", "c\nd"]
    b.to_textfiles(paths, last_endline=True)
    assert [open(path).read() for path in paths] == ["a\nb\n", "c\nd\n"]
    later = b.map(str.upper).to_textfiles(paths, compute=False)
    assert open(paths[0]).read() == "a\nb\n"
    assert later[0].compute() == paths[0] and open(paths[0]).read() == "A\nB"
    with pytest.raises(TypeError, match="to_textfiles writes strings, got int: 1"):
        db.from_sequence(["x", 1]).to_textfiles(paths)
    with pytest.raises(TypeError, match="writes strings"):
        db.from_sequence(["x", 1], npartitions=1).to_textfiles(paths[:1])
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["0.part", "1.part"]
    assert open(paths[0]).read() != ""


def test_output_names_are_checked(tmp_path):
    b = db.from_sequence(range(12), npartitions=12).map(str)
    names = [path.rpartition("/")[2] for path in b.to_textfiles(tmp_path / "*.txt")]
    assert names == [f"{number:02}.txt" for number in range(12)] == sorted(names)
    with pytest.raises(ValueError, match="exactly one"):
        b.to_textfiles(tmp_path / "*" / "*.txt")
    with pytest.raises(ValueError, match="2 paths were given for 12 partitions"):
        b.to_textfiles(["a", "b"])
    with pytest.raises(ValueError, match="one name to several"):
        b.to_textfiles(tmp_path / "*.txt", name_function=lambda number: "x")
    with pytest.warns(UserWarning, match="do not sort in the order"):
        b.to_textfiles(tmp_path / "*.txt", name_function=lambda number: str(20 - number))


def test_pages_are_read_line_by_line(tmp_path):
    path = write(tmp_path / "a.txt", "one\ntwo\n")
    assert db.from_url(path.as_uri()).compute() == [b"one\n", b"two\n"]


def test_avro_records_come_back(tmp_path):
    pytest.importorskip("fastavro")
    schema = {
        "type": "record",
        "name": "person",
        "fields": [{"name": "n", "type": "int"}, {"name": "s", "type": "string"}],
    }
    records = [{"n": number, "s": "x" * (number % 50)} for number in range(3000)]
    b = db.from_sequence(records, npartitions=2)
    for codec in ("null", "deflate"):
        paths = b.to_avro(tmp_path / f"{codec}-*.avro", schema, codec=codec, sync_interval=500)
        assert db.read_avro(paths, blocksize=None).compute() == records
        blocks = db.read_avro(paths, blocksize=5000)
        assert blocks.npartitions > (8 if codec == "null" else 2) and blocks.compute() == records
    with pytest.raises(ValueError, match="schema is a record"):
        b.to_avro(tmp_path / "*.avro", {"type": "enum"})


@pytest.mark.parametrize("text", ["one two  one\n\ntwo\n", "", " \x1c\u00a0a\u2003b\x85c\tb \nb", "no end"])
@pytest.mark.parametrize("split", [lambda b: b.str.split(), lambda b: b.map(str.split)])
def test_words_are_those_of_python_and_counted_in_the_same_order(tmp_path, text, split):
    path = tmp_path / "words.txt"
    path.write_text(text, encoding="utf-8", newline="")
    words = split(db.read_text(path))
    lines = list(path.open(encoding="utf-8"))
    assert words.compute() == [line.split() for line in lines]
    flat = [word for line in lines for word in line.split()]
    assert words.flatten().compute() == flat
    assert words.flatten().frequencies().compute() == list(Counter(flat).items())
    assert words.flatten().filter(str.isalpha).count().compute() == sum(word.isalpha() for word in flat)
    # In another encoding Python cuts them.
    path.write_text(text.replace("\u2003", " "), encoding="latin-1", newline="")
    again = split(db.read_text(path, encoding="latin-1")).flatten().frequencies().compute()
    assert dict(again) == Counter(word for line in path.open(encoding="latin-1") for word in line.split())


def test_words_that_are_no_text_raise_and_name_the_file(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(b"good\nbad \xff\n")
    counts = db.read_text(path).str.split().flatten().frequencies()
    for scheduler in ("threads", "processes"):
        with pytest.raises(UnicodeDecodeError) as caught:
            counts.compute(scheduler=scheduler)
        assert any("bad.txt" in note for note in caught.value.__notes__)
