"""`read_bytes` against the files themselves."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import raskal
from raskal.bytes import read_bytes


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=80), st.sampled_from([None, b"\n", b"\x00\x01"]), st.integers(1, 30), st.booleans())
def test_blocks_joined_are_the_file(tmp_path, content, delimiter, blocksize, not_zero):
    path = tmp_path / "a"
    path.write_bytes(content)
    sample, blocks = read_bytes(path, delimiter=delimiter, blocksize=blocksize, not_zero=not_zero, sample=False)
    assert sample is False
    parts = [block.compute(scheduler="sync") for block in blocks[0]]
    expected = content
    if not_zero:
        found = content.find(delimiter, 1) if delimiter else 0
        expected = content[1:] if not delimiter else content[found + len(delimiter) :] if found >= 0 else b""
    assert b"".join(parts) == expected
    if delimiter:
        filled = [part for part in parts if part]
        assert all(part.endswith(delimiter) for part in filled[:-1])


def test_samples_end_behind_a_delimiter(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"12345|678|" * 3)
    sample, blocks, paths = read_bytes(tmp_path / "*", delimiter=b"|", sample=2, include_path=True, blocksize=None)
    assert sample == b"12345|"
    assert paths == [str(tmp_path / name) for name in ("a", "b")]
    assert raskal.compute(*(block for file in blocks for block in file)) == (b"12345|678|" * 3,) * 2
    assert read_bytes(tmp_path / "a", sample=7)[0] == b"12345|6"
    assert read_bytes(tmp_path / "a", delimiter=b"#", sample=7)[0] == b"12345|678|" * 3


def test_compressed_files_are_read_whole(tmp_path):
    path = tmp_path / "a.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"text")
    sample, ((block,),) = read_bytes(path, compression="infer", blocksize=None, sample=2)
    assert (sample, block.compute()) == (b"te", b"text")
    with pytest.raises(ValueError, match="Cannot do chunked reads"):
        read_bytes(path, compression="gzip", blocksize=2)


def test_wrong_arguments_are_told(tmp_path):
    with pytest.raises(TypeError, match="paths need an order"):
        read_bytes({"a", "b"})
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(TypeError, match="blocksize must be a whole number"):
        read_bytes(tmp_path / "a", blocksize=5.5)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "none")
