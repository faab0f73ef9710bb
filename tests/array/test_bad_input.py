"""What does not fit is refused where it is written, in words that name the shapes, the chunks and the way out.

Start at `REFUSED`; what only computing can find out follows: a block of another shape, a source that fails, full disks.
"""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from helpers import same

import raskal.array as da

A = np.arange(24.0).reshape(4, 6)


def array():
    return da.from_array(A, chunks=(2, 3))


def unknown():
    """Rows of unknown number."""
    x = array()
    return x[x[:, 0] >= 0]


#: What is refused before anything is computed: a function of an array, the exception, and what its message must hold.
REFUSED = {
    # shapes, chunks and types that do not fit
    "add": (lambda x: x + da.ones((3, 6)), ValueError, ["(4, 6)", "(3, 6)", "hint"]),
    "dot": (lambda x: x.dot(x), ValueError, ["(4, 6) and (4, 6)", "hint: transpose"]),
    "einsum": (lambda x: da.einsum("ij,jk->ik", x, x), ValueError, ["index 'j'", "(3, 3)", "(2, 2)", "hint"]),
    "concatenate": (lambda x: da.concatenate([x, x[:, 1:]]), ValueError, ["(4, 6)", "(4, 5)", "axis 0"]),
    "stack": (lambda x: da.stack([x, x[1:]]), ValueError, ["(4, 6)", "(3, 6)", "hint"]),
    "reshape": (lambda x: x.reshape((5, 5)), ValueError, ["(4, 6)", "(5, 5)", "24", "25"]),
    "broadcast": (lambda x: da.broadcast_to(x, (3, 6)), ValueError, ["(4, 6)", "(3, 6)"]),
    "solve": (lambda x: da.linalg.solve(x, x), ValueError, ["square", "(4, 6)"]),
    "qr": (lambda x: da.linalg.qr(x), NotImplementedError, ["((2, 2), (3, 3))", "hint: x.rechunk({1: -1})"]),
    "assign": (lambda x: x.copy().__setitem__((slice(None), 0), np.ones(3)), ValueError, ["(3,)", "(4,)"]),
    "out": (lambda x: da.add(x, x, out=da.ones(3)), ValueError, ["(3,)", "(4, 6)"]),
    "chunk sums": (lambda x: x.rechunk((4, (2, 2))), ValueError, ["axis 1", "(2, 2)", "sum to 4", "6", "-1"]),
    "chunk axes": (lambda x: da.from_array(A, chunks=(1, 2, 3)), ValueError, ["3 axes", "(4, 6)", "hint"]),
    "chunk sign": (lambda x: x.rechunk((-3, 2)), ValueError, ["-3", "axis 0", "(4, 6)"]),
    "chunk zero": (lambda x: x.rechunk(0), ValueError, ["chunk size 0", "hint"]),
    "chunk text": (lambda x: x.rechunk("many"), ValueError, ["'many'", "64 MiB"]),
    "core axis": (
        lambda x: da.apply_gufunc(np.sum, "(i)->()", x, axes=[(1,), ()], output_dtypes=float),
        ValueError, ["'i'", "(3, 3)", "allow_rechunk=True"],
    ),
    "cast": (lambda x: x.astype("int32", casting="safe"), TypeError, ["float64", "int32", "safe"]),
    "type": (lambda x: da.bitwise_and(x, x), TypeError, ["bitwise_and"]),
    "option": (lambda x: da.minimum(x, nothing=None), TypeError, ["minimum", "nothing"]),
    # axes
    "sum axis": (lambda x: x.sum(axis=2), np.exceptions.AxisError, ["axis 2", "dimension 2"]),
    "negative axis": (lambda x: x.mean(axis=-3), np.exceptions.AxisError, ["axis -3", "dimension 2"]),
    "same axis": (lambda x: x.sum(axis=(0, -2)), ValueError, ["duplicate", "(0, -2)"]),
    "cumsum axis": (lambda x: x.cumsum(axis=5), np.exceptions.AxisError, ["axis 5", "dimension 2"]),
    "stack axis": (lambda x: da.stack([x, x], axis=4), np.exceptions.AxisError, ["axis 4", "dimension 3"]),
    "flip axis": (lambda x: da.flip(x, 3), np.exceptions.AxisError, ["axis 3", "dimension 2"]),
    "take axis": (lambda x: da.take(x, [0], axis=3), np.exceptions.AxisError, ["axis 3", "dimension 2"]),
    "transpose": (lambda x: x.transpose(0, 2), ValueError, ["(0, 2)", "(4, 6)", "every axis once"]),
    "squeeze": (lambda x: x.squeeze(0), ValueError, ["axis 0", "length 4", "(4, 6)"]),
    # indices
    "index": (lambda x: x[4], IndexError, ["index 4", "axis 0", "4"]),
    "negative index": (lambda x: x[:, -7], IndexError, ["-7", "axis 1", "6"]),
    "list": (lambda x: x[[0, 9]], IndexError, ["index 9", "axis 0", "4"]),
    "array": (lambda x: x[:, np.array([[0], [-7]])], IndexError, ["-7", "axis 1", "6"]),
    "points": (lambda x: x.vindex[[0, 9], [0, 1]], IndexError, ["index 9", "axis 0", "4"]),
    "take": (lambda x: da.take(x, [6], axis=1), IndexError, ["index 6", "axis 1", "6"]),
    "blocks": (lambda x: x.blocks[2], IndexError, ["index 2", "axis 0"]),
    "mask": (lambda x: x[np.ones((4, 5), bool)], IndexError, ["axis 1", "6", "5"]),
    "many": (lambda x: x[0, 0, 0], IndexError, ["(4, 6)", "2 axes", "3"]),
    "step": (lambda x: x[::0], ValueError, ["step cannot be zero"]),
    "float": (lambda x: x[1.5], IndexError, ["1.5", "hint: use integers"]),
    "field": (lambda x: x["a"], IndexError, ["float64", "hint"]),
    # unknown lengths
    "unknown slice": (lambda x: unknown()[1:3], ValueError, ["axis 0", "compute_chunk_sizes()"]),
    "unknown list": (lambda x: unknown()[[1]], ValueError, ["axis 0", "compute_chunk_sizes()"]),
    "unknown reshape": (lambda x: unknown().reshape((2, -1)), ValueError, ["(nan, 6)", "compute_chunk_sizes()"]),
    "unknown rechunk": (lambda x: unknown().rechunk(2), ValueError, ["(nan, nan)", "compute_chunk_sizes()"]),
    "unknown add": (lambda x: unknown() + x, ValueError, ["nan", "(2, 2)", "compute_chunk_sizes()"]),
    "unknown length": (lambda x: len(unknown()), ValueError, ["compute_chunk_sizes()"]),
    "unknown overlap": (
        lambda x: da.map_overlap(np.sin, unknown(), depth=1), ValueError, ["(nan, 6)", "compute_chunk_sizes()"],
    ),
    "unknown store": (lambda x: da.store(unknown(), A.copy()), ValueError, ["(nan, 6)", "compute_chunk_sizes()"]),
    "unknown hdf5": (lambda x: unknown().to_hdf5("x.h5", "/x"), ValueError, ["(nan, 6)", "compute_chunk_sizes()"]),
    "unknown place": (lambda x: unknown().argmax(axis=0), ValueError, ["(nan, 6)", "compute_chunk_sizes()"]),
    # arrays without axes, and without elements
    "index of a number": (lambda x: da.asarray(3.0)[0], IndexError, ["shape ()", "0 axes"]),
    "length of a number": (lambda x: len(da.asarray(3.0)), TypeError, ["unsized"]),
    "elements of a number": (lambda x: iter(da.asarray(3.0)), TypeError, ["0-d", "hint"]),
    "axis of a number": (lambda x: da.asarray(3.0).sum(axis=0), np.exceptions.AxisError, ["axis 0", "dimension 0"]),
    "largest of nothing": (lambda x: x[:0].max(), ValueError, ["(0, 6)", "no identity"]),
    "place in nothing": (lambda x: x[:0].argmin(), ValueError, ["(0, 6)", "empty sequence"]),
    # depths, bins, repeats
    "depth": (lambda x: da.map_overlap(np.sin, x, depth=9), ValueError, ["depth 9", "4"]),
    "negative depth": (lambda x: da.map_overlap(np.sin, x, depth=-1), ValueError, ["axis 0", "negative"]),
    "boundary": (lambda x: da.map_overlap(np.sin, x, depth=1, boundary="far"), ValueError, ["'far'", "nearest"]),
    "bins": (lambda x: da.histogram(x, bins=-1, range=(0, 1)), ValueError, ["-1"]),
    "normed": (lambda x: da.histogram(x, bins=2, range=(0, 1), normed=True), TypeError, ["density="]),
    "lazy bins": (
        lambda x: da.histogram(x, bins=da.asarray(3), range=(0, 1)), NotImplementedError, ["unknown shape", "hint"],
    ),
    "repeats": (lambda x: da.repeat(x, -1, axis=0), ValueError, ["-1"]),
    "padding": (lambda x: da.pad(x, -1), ValueError, ["negative", "-1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_where_it_is_written(name):
    function, kind, words = REFUSED[name]
    with pytest.raises(kind) as caught:
        function(array())
    message = str(caught.value)
    assert [word for word in words if word not in message] == [], message


def test_slices_beyond_the_end_are_cut_as_numpy_cuts_them():
    for index in (
        slice(-100, 100),
        slice(3, 100),
        slice(100, None),
        slice(2, 1),
        slice(None, -100, -1),
        slice(-1, -9, -2),
    ):
        same(array()[index], A[index])
        same(array()[:, index], A[:, index])


def test_objects_are_python_s():
    values = np.array([3, 1, 2], dtype=object)
    x = da.from_array(values, chunks=2)
    same(x + 1, values + 1)
    assert x.max().compute() == 3
    assert x.sum().compute() == 6
    assert x.rechunk("auto").compute().tolist() == [3, 1, 2]
    mixed = da.from_array(np.array([1, "a"], dtype=object), chunks=1)
    with pytest.raises(TypeError, match="unsupported operand"):
        mixed.sum().compute()
    with pytest.raises(TypeError, match="no callable sqrt method"):
        da.sqrt(x).compute()


def shorter(block):
    return block[:1]


def as_complex(block):
    return block + 1j


#: What a function promised and did not keep, by what it gives: the exception, and what its message must hold.
BROKEN = {
    "shape": (lambda x: x.map_blocks(shorter), ValueError, ["shape (1, 3)", "chunks="]),
    "axes": (lambda x: x.map_blocks(lambda block: block.sum(), dtype=float), ValueError, ["shape ()", "chunks="]),
    "type": (lambda x: x.map_blocks(as_complex, dtype=float), TypeError, ["complex128", "float64", "dtype="]),
    "fraction": (
        lambda x: x.map_blocks(lambda b: b / 2, dtype=int),
        TypeError,
        ["float64", "int64", "dtype='float64'"],
    ),
    "nothing": (lambda x: x.map_blocks(lambda block: None, dtype=float), TypeError, ["None"]),
}


@pytest.mark.parametrize("then", [lambda x: x, lambda x: x + 1, lambda x: x.rechunk((4, 2)), lambda x: x.sum()])
@pytest.mark.parametrize("name", BROKEN)
def test_a_block_that_is_not_as_promised_is_never_read_as_if_it_were(name, then):
    function, kind, words = BROKEN[name]
    with pytest.raises(kind) as caught:
        then(function(array())).compute()
    message = str(caught.value)
    assert [word for word in words if word not in message] == [], message


def test_numbers_of_the_promised_kind_become_the_promised_type():
    x = array()
    same(x.map_blocks(lambda block: block.astype(int), dtype="float32"), A.astype("float32"))
    same(x.map_blocks(lambda block: block.astype(int), dtype="float32") + 1, A.astype("float32") + 1)


class Rows:
    """A source that can't read one of its blocks, or reads too little."""

    shape, dtype, ndim = (4, 6), np.dtype(float), 2

    def __init__(self, short=False):
        self.short = short

    def __getitem__(self, key):
        if key[0].start == 2 and key[1].start == 3:
            if self.short:
                return A[key][:1]
            raise OSError(errno.EIO, "sector unreadable")
        return A[key]


@pytest.mark.parametrize("then", [lambda x: x, lambda x: x.sum(), lambda x: x[::2].T, lambda x: x.rechunk(4)])
def test_a_source_that_fails_in_one_chunk_fails_as_itself(then):
    x = da.from_array(Rows(), chunks=(2, 3))
    with pytest.raises(OSError, match="sector unreadable"):
        then(x).compute()
    np.testing.assert_array_equal(x[:2].compute(), A[:2])


def test_a_source_that_gives_too_little_is_found_out():
    x = da.from_array(Rows(short=True), chunks=(2, 3))
    for then in (lambda x: x, lambda x: x + 1, lambda x: x.sum(axis=0)):
        with pytest.raises(ValueError, match=r"\(1, 3\)") as caught:
            then(x).compute()
        assert "(2, 3)" in str(caught.value)


#: Writes 8 MB where only 1 MB fits. `np.memmap` and HDF5 are not tried: the system, and the library when it closes the
#: file, end the whole process.
FULL_DISK = """
    import resource, signal, sys
    import numpy as np
    import raskal.array as da
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    x = da.random.default_rng(0).random((1000, 1000), chunks=(1000, 500))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    try:
        x.{call}
    except OSError as error:
        print("refused:", error.strerror or error)
    assert float(da.ones(10, chunks=5).sum().compute()) == 10, "the engine is usable afterwards"
"""


@pytest.mark.parametrize(
    ("module", "call"),
    [("numpy", "to_npy_stack({path!r})"), ("zarr", "to_zarr({path!r})")],
)
def test_a_disk_that_fills_up_while_storing_is_an_error(module, call, tmp_path):
    pytest.importorskip(module)
    program = textwrap.dedent(FULL_DISK).format(call=call.format(path=str(tmp_path / "x")))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused:"), done.stdout
