"""Arrays written to targets and files, and read back."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from helpers import same

import raskal
import raskal.array as da

A = np.arange(24.0).reshape(4, 6)


@pytest.fixture
def x():
    return da.from_array(A, chunks=(2, 4))


def test_blocks_are_written_to_what_can_be_assigned_to(x):
    one, two = np.zeros((4, 6)), np.zeros((4, 6))
    assert da.store([x, x + 1], [one, two]) is None
    np.testing.assert_array_equal(one, A)
    np.testing.assert_array_equal(two, A + 1)
    wide = np.zeros((10, 10))
    x.store(wide, regions=(slice(1, 9, 2), slice(2, 8)), lock=threading.Lock())
    np.testing.assert_array_equal(wide[1:9:2, 2:8], A)
    assert wide.sum() == A.sum()
    cube = np.zeros((3, 4, 6))
    x.store(cube, regions=(1, slice(None), slice(None)))
    np.testing.assert_array_equal(cube[1], A)


def test_writing_can_wait(x):
    target = np.zeros((4, 6))
    pending = x.store(target, compute=False)
    assert not target.any()
    pending.compute()
    np.testing.assert_array_equal(target, A)
    both = da.store([x, x], [np.zeros((4, 6)), np.zeros((4, 6))], compute=False)
    assert len(raskal.compute(*both)) == 2


def test_stored_arrays_come_back(x):
    target = np.zeros((4, 6), int)
    stored = (x + 0.5).store(target, return_stored=True)
    same(stored, (A + 0.5).astype(int))
    np.testing.assert_array_equal(target, (A + 0.5).astype(int))


def test_what_does_not_fit_is_refused(x):
    with pytest.raises(ValueError, match="1 sources for 2 targets"):
        da.store([x], [A, A])
    with pytest.raises(ValueError, match="takes lazy arrays"):
        da.store([A], [A])
    with pytest.raises(ValueError, match="hint: call compute_chunk_sizes"):
        da.store(x[x > 3], np.zeros(24))


def test_an_error_of_the_target_comes_back_as_itself(x):
    class Full:
        shape = (4, 6)

        def __setitem__(self, key, value):
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        x.store(Full())


def test_stacks_of_files(x, tmp_path):
    for axis in (0, 1):
        folder = str(tmp_path / str(axis))
        da.to_npy_stack(folder, x, axis=axis)
        back = da.from_npy_stack(folder)
        same(back, A)
        assert back.chunks[axis] == x.chunks[axis]
    with pytest.raises(FileNotFoundError, match="written by to_npy_stack"):
        da.from_npy_stack(str(tmp_path))


def test_hdf5(x, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = str(tmp_path / "a.h5")
    x.to_hdf5(path, "/group/x", compression="gzip")
    da.to_hdf5(path, {"/y": x + 1}, chunks=None)
    with h5py.File(path) as file:
        assert file["group/x"].chunks == (2, 4)
        same(da.from_array(file["group/x"], chunks=(2, 2)), A)
        lazy = da.from_array(file["y"])
        same(lazy.sum(axis=0), (A + 1).sum(axis=0))


def test_zarr(x, tmp_path):
    zarr = pytest.importorskip("zarr")
    path = str(tmp_path / "a.zarr")
    x.to_zarr(path)
    back = da.from_zarr(path)
    same(back, A)
    assert back.chunks == x.chunks
    existing = zarr.create_array(str(tmp_path / "b.zarr"), shape=(8, 6), dtype=float, chunks=(3, 3))
    da.to_zarr(x, existing, region=(slice(2, 6), slice(None)))
    np.testing.assert_array_equal(existing[2:6], A)
    da.to_zarr(x[:, ::-1], existing, region=(slice(1, 8, 2), slice(None)))
    np.testing.assert_array_equal(existing[1::2], A[:, ::-1])
    with pytest.raises(ValueError, match="hint: rechunk to"):
        x.rechunk(((1, 3), 6)).to_zarr(str(tmp_path / "c.zarr"))
    with pytest.raises(ValueError, match="needs an array that exists"):
        x.to_zarr(str(tmp_path / "d.zarr"), region=(slice(2, 6), slice(None)))


def test_tiledb(x, tmp_path):
    tiledb = pytest.importorskip("tiledb")
    path = str(tmp_path / "a")
    assert x.to_tiledb(path) is None
    back = da.from_tiledb(path)
    same(back, A)
    assert back.chunks == x.chunks
    same(da.from_tiledb(path, chunks=3).sum(axis=0), A.sum(axis=0))
    with tiledb.open(path, "w") as opened:
        (x + 1).to_tiledb(opened)
    same(da.from_tiledb(path), A + 1)
    assert da.from_tiledb(path).name != back.name
    with pytest.raises(ValueError, match="hint: rechunk to"):
        x.rechunk(((1, 3), 6)).to_tiledb(str(tmp_path / "b"))


def test_images(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", A + number)
    stack = da.image.imread(str(tmp_path / "*.npy"), imread=np.load)
    same(stack, np.stack([A, A + 1, A + 2]))
    assert stack.chunks[0] == (1, 1, 1)
    same(da.image.imread(str(tmp_path / "*.npy"), imread=np.load, preprocess=lambda a: a[:1])[2], A[:1] + 2)
    with pytest.raises(ValueError, match="No files found"):
        da.image.imread(str(tmp_path / "*.png"), imread=np.load)
