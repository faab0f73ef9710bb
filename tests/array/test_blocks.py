"""Functions of one's own on blocks: `map_blocks`, `blockwise`, gufuncs, delayed blocks."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same

import raskal
import raskal.array as da
from raskal.array.host import Task

A = np.arange(24.0).reshape(4, 6)


def test_block_info_says_where_every_block_lies():
    x, y = da.from_array(A, chunks=(2, 3)), da.from_array(A[0], chunks=3)
    seen = {}

    def look(a, b, block_info=None, block_id=None):
        if block_info is not None and block_info[None]["dtype"] is not None:
            seen[block_id] = block_info
        return a + b

    same(da.map_blocks(look, x, y), A + A[0])
    info = seen[1, 1]
    assert info[0] == {
        "shape": (4, 6), "num-chunks": (2, 2), "array-location": [(2, 4), (3, 6)], "chunk-location": (1, 1),
    }  # fmt: skip
    assert info[1]["array-location"] == [(3, 6)]
    assert info[None]["chunk-shape"] == (2, 3)
    assert info[None]["dtype"] == np.dtype(float)


def test_lazy_arguments_of_functions_are_computed_before():
    x = da.from_array(A, chunks=2)
    same(da.map_blocks(lambda block, n: block * n, x, raskal.delayed(3), dtype=float), A * 3)
    same(x.map_blocks(lambda block, top: block / top, top=x.max(), dtype=float), A / A.max())
    same(x.map_blocks(lambda block, tops: block / tops[1], tops=[1, x.max()], dtype=float), A / A.max())


def test_blocks_pair_by_number_when_shapes_do_not_broadcast():
    x, y = da.from_array(np.arange(8.0), chunks=4), da.from_array(np.arange(2.0), chunks=1)
    same(da.map_blocks(lambda a, b: a[:2] * b, x, y, chunks=(2,), dtype=float), np.array([0, 0, 4.0, 5.0]))


def test_a_function_that_gives_another_number_of_axes_is_refused_when_asked():
    x = da.from_array(A, chunks=2)
    with pytest.raises(ValueError, match="1 axes, 2 were announced"):
        x.map_blocks(lambda block: block.sum(axis=0), dtype=float, enforce_ndim=True).compute()


@pytest.mark.parametrize("concatenate", [True, False])
def test_index_notation_pairs_blocks(concatenate):
    x, y = da.from_array(A, chunks=(2, 3)), da.from_array(A.T.copy(), chunks=(2, 2))

    def products(a, b):
        return a @ b if concatenate else sum(left @ right for left, right in zip(a, b, strict=True))

    same(da.blockwise(products, "ij", x, "ik", y, "kj", concatenate=concatenate, dtype=float), A @ A.T)
    same(da.blockwise(np.transpose, "ji", x, "ij", dtype=float), A.T)
    same(
        da.blockwise(lambda a: a[..., None] * np.ones(2), "ijk", x, "ij", new_axes={"k": 2}, dtype=float),
        A[..., None] * np.ones(2),
    )
    same(
        da.blockwise(lambda a: a[::2], "ij", x, "ij", adjust_chunks={"i": lambda n: (n + 1) // 2}, dtype=float), A[::2]
    )
    same(da.blockwise(lambda a, n: a + n, "ij", x, "ij", 5, None, dtype=float), A + 5)
    same(da.blockwise(np.add, "ij", x, "ij", A[0], "j"), A + A[0])
    same(da.blockwise(lambda a: a.sum(axis=1), "i", x, "ij", concatenate=True, dtype=float), A.sum(axis=1))


def test_wrong_indices_are_refused():
    x = da.from_array(A, chunks=2)
    with pytest.raises(ValueError, match="different lengths along index 'i'"):
        da.blockwise(np.add, "i", x[:, 0], "i", x[0], "i")
    with pytest.raises(ValueError, match="belongs to no array"):
        da.blockwise(np.add, "ik", x, "ij")
    with pytest.raises(ValueError, match="adjust_chunks gives 3 lengths for the 2 blocks"):
        da.blockwise(np.add, "ij", x, "ij", x, "ij", adjust_chunks={"i": (1, 1, 1)}, dtype=float)


def test_blocks_become_delayed_values_and_come_back():
    x = da.from_array(A, chunks=(2, 3)) + 1
    blocks = x.to_delayed()
    assert blocks.shape == (2, 2)
    np.testing.assert_array_equal(blocks[1, 0].compute(), (A + 1)[2:, :3])
    assert raskal.delayed(sum)([block.sum() for block in blocks.ravel()]).compute() == (A + 1).sum()
    back = da.block([[da.from_delayed(block, (2, 3), float) for block in row] for row in blocks.tolist()])
    same(back * 2, (A + 1) * 2)
    with pytest.raises(ValueError, match="was announced as"):
        da.from_delayed(blocks[0, 0], (3, 3), float).compute()
    unknown = da.from_delayed(blocks[0, 0], (np.nan, 3), float)
    np.testing.assert_array_equal((unknown + 1).compute(), A[:2, :3] + 2)
    with pytest.raises(ValueError, match="hint: pass dtype="):
        da.from_delayed(blocks[0, 0], (2, 3))


def test_arrays_are_indexed_by_block():
    x = da.from_array(A, chunks=(1, 2))
    same(x.blocks[1], A[1:2])
    same(x.blocks[::2, 0], A[::2, :2])
    same(x.blocks[[3, 0], 1:], A[[3, 0]][:, 2:])
    same(x.blocks[-1, -1], A[3:, 4:])
    assert x.blocks.shape == (4, 3)
    assert len(x.blocks.ravel()) == x.blocks.size == 12
    with pytest.raises(ValueError, match="None"):
        x.blocks[None]
    odd = x.ravel()
    odd = odd[odd > 3]
    np.testing.assert_array_equal(odd.blocks[-1].compute(), A.ravel()[-len(odd.blocks[-1].compute()) :])


def test_functions_of_whole_axes():
    x, y = da.from_array(A, chunks=(2, 6)), da.from_array(A[:, ::-1].copy(), chunks=(2, 6))
    same(da.apply_gufunc(lambda a, b: (a * b).sum(axis=-1), "(i),(i)->()", x, y), (A * A[:, ::-1]).sum(axis=1))
    mean, std = da.apply_gufunc(lambda a: (a.mean(axis=-1), a.std(axis=-1)), "(i)->(),()", x)
    same(mean, A.mean(axis=1))
    same(std, A.std(axis=1))
    same(da.apply_gufunc(np.cross, "(i),(i)->(i)", x[:, :3].rechunk(-1), A[:, 3:]), np.cross(A[:, :3], A[:, 3:]))
    same(
        da.apply_gufunc(lambda a: a.sum(axis=-1), "(i)->()", x.rechunk(2), axis=0, allow_rechunk=True, keepdims=True),
        A.sum(axis=0, keepdims=True),
    )
    outer = da.apply_gufunc(
        np.outer, "(i),(j)->(i,j)", x[0].rechunk(-1), x[1, :2].rechunk(-1), vectorize=True, output_dtypes=float
    )
    same(outer, np.outer(A[0], A[1, :2]))

    @da.as_gufunc("(i)->()", output_dtypes=float)
    def spread(a):
        return np.ptp(a, axis=-1)

    same(spread(x), np.ptp(A, axis=1))
    with pytest.raises(ValueError, match="core axis 'i' of argument 0 has several blocks"):
        da.apply_gufunc(np.sum, "(i)->()", x.rechunk(2), output_dtypes=float)
    with pytest.raises(ValueError, match="is no signature"):
        da.apply_gufunc(np.sum, "(i)>()", x)
    with pytest.raises(ValueError, match="different lengths"):
        da.apply_gufunc(np.dot, "(i),(i)->()", x, x[:, :2].rechunk(-1), output_dtypes=float)


def test_functions_along_axes():
    x = da.from_array(A, chunks=(2, 3))
    same(da.apply_along_axis(np.sort, 1, x), np.sort(A, axis=1))
    same(da.apply_along_axis(lambda a: a[:2] * 2, 0, x), np.apply_along_axis(lambda a: a[:2] * 2, 0, A))
    same(da.apply_along_axis(np.sum, -1, x), A.sum(axis=-1))
    same(da.apply_over_axes(da.sum, x, [0, 1]), np.apply_over_axes(np.sum, A, [0, 1]))


def test_functions_of_coordinates():
    f = lambda i, j: i * 10 + j  # noqa: E731
    same(da.fromfunction(f, shape=(4, 5), chunks=2, dtype=float), np.fromfunction(f, (4, 5)))


def test_reductions_by_functions_of_ones_own():
    x = da.from_array(A, chunks=(1, 2))
    same(da.reduction(x, np.sum, np.sum, axis=1, dtype=float, split_every=2), A.sum(axis=1))
    same(da.reduction(x, np.max, np.max, dtype=float, keepdims=True), A.max(keepdims=True))

    def count(block, axis, keepdims):
        return {"n": block.size, "sum": block.sum()}

    def flat(parts):
        return [part for entry in parts for part in flat(entry)] if isinstance(parts, list) else [parts]

    def merge(parts, axis, keepdims):
        parts = flat(parts)
        return {"n": sum(part["n"] for part in parts), "sum": sum(part["sum"] for part in parts)}

    def finish(parts, axis, keepdims):
        total = merge(parts, axis, keepdims)
        return np.array(total["sum"] / total["n"])

    mean = da.reduction(x, count, finish, combine=merge, concatenate=False, dtype=float, split_every=2)
    assert mean.compute() == A.mean()
    weighted = lambda block, weights, axis, keepdims: (block * weights).sum(axis=axis, keepdims=keepdims)  # noqa: E731
    same(da.reduction(x, weighted, np.sum, axis=0, dtype=float, weights=A[0]), (A * A[0]).sum(axis=0))
    with pytest.raises(ValueError, match="hint: pass dtype="):
        da.reduction(x, np.sum, np.sum)


def test_functions_run_on_the_workers_of_a_cluster():
    from raskal.distributed import Client

    with Client(n_workers=1, threads_per_worker=2, processes=True):
        x = da.from_array(A, chunks=(2, 3))
        np.testing.assert_array_equal(da.map_overlap(lambda b: b * 2, x, depth=1, boundary="reflect").compute(), A * 2)
        np.testing.assert_array_equal(x[x > 3].compute(), A[A > 3])
        np.testing.assert_array_equal(x[[3, 0], [1, 5]].compute(), A[[3, 0], [1, 5]])
        np.testing.assert_array_equal(x.cumsum(axis=1).compute(), A.cumsum(axis=1))
        assert x.to_delayed()[0, 1].sum().compute() == A[:2, 3:].sum()
        kept = (x + 1).persist()
        np.testing.assert_array_equal((kept[1:] * 2).compute(), (A + 1)[1:] * 2)
        np.testing.assert_array_equal(kept[kept > 5].persist().sum().compute(), (A + 1)[A + 1 > 5].sum())
        q, r = da.linalg.qr(x.rechunk((2, -1)))
        np.testing.assert_allclose((q @ r).compute(), A, atol=1e-12)


def test_a_small_view_of_a_block_does_not_keep_the_block():
    """The last elements of blocks, which `cumsum` adds up, held every block in memory, counted as a few bytes each."""
    last = Task(lambda coordinates, block: block[-1:])((0,), np.zeros(100_000))
    assert last.base is None
    whole = np.zeros(10)
    assert Task(lambda coordinates, block: block[1:])((0,), whole).base is whole
