"""Matrix products against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import same

import raskal.array as da

A = np.random.default_rng(5).random((6, 8))
B = np.random.default_rng(6).random((8, 5))


@pytest.mark.parametrize("chunks", [(2, 3), (6, 8), (1, 1)])
def test_products_of_matrices_and_vectors(chunks):
    x, y = da.from_array(A, chunks=chunks), da.from_array(B, chunks=4)
    same(x.dot(y), A.dot(B))
    same(x @ y, A @ B)
    same(x @ B, A @ B)
    same(x @ y[:, 0], A @ B[:, 0])
    same(x[0] @ y, A[0] @ B)
    same(x[0].dot(x[1]), A[0].dot(A[1]))
    same(x.dot(x.T), A.dot(A.T))
    same(x.T @ x, A.T @ A)


def test_a_transposed_operand_needs_no_layer_and_no_copy():
    x, y = da.from_array(A, chunks=3), da.from_array(A[::-1].copy(), chunks=3)
    plan = x.dot(y.T).explain()
    assert "plan: 3 layers" in plan
    assert "b = 1, block (j, *)" in plan


def test_one_task_takes_all_blocks_of_a_result():
    x, y = da.from_array(A, chunks=(2, 2)), da.from_array(B, chunks=(2, 2))
    assert "tensordot (3, 3) = 9 tasks" in x.dot(y).explain()


def test_products_over_several_axes_and_stacks():
    a, b = np.random.default_rng(7).random((3, 4, 5)), np.random.default_rng(8).random((5, 4, 2))
    x, y = da.from_array(a, chunks=2), da.from_array(b, chunks=3)
    same(da.tensordot(x, y, axes=((1, 2), (1, 0))), np.tensordot(a, b, axes=((1, 2), (1, 0))))
    same(da.tensordot(x, y, axes=1), np.tensordot(a, b, axes=1))
    c = np.random.default_rng(9).random((3, 5, 2))
    same(x @ da.from_array(c, chunks=2), a @ c)
    same(x @ da.from_array(c[:1], chunks=2), a @ c[:1])
    same(x @ c[0], a @ c[0])
    same(x @ c[0][:, 0], a @ c[0][:, 0])


def test_whole_numbers_keep_their_type():
    a = np.arange(12).reshape(3, 4)
    same(da.from_array(a, chunks=2).dot(da.from_array(a.T.copy(), chunks=2)), a.dot(a.T))


def test_shapes_that_do_not_fit_are_shown():
    with pytest.raises(ValueError, match=r"shapes \(6, 8\) and \(6, 8\) not aligned"):
        da.from_array(A, chunks=3).dot(A)


def test_the_main_job():
    x = da.random.random((80, 80), chunks=(20, 20))
    y = x.dot(x.T) - x.mean(axis=0)
    values = x.compute()
    same(y, values.dot(values.T) - values.mean(axis=0))
    same(y.sum(axis=0), (values.dot(values.T) - values.mean(axis=0)).sum(axis=0), rtol=1e-9)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "c16"])
@pytest.mark.parametrize("chunks", [(3, 4), ((5, 1, 3), (2, 9)), (9, 2), (1, 11)])
def test_the_product_with_its_own_transpose_is_computed_by_half(dtype: str, chunks: Any) -> None:
    values = (np.random.default_rng(3).integers(-9, 9, (9, 11)) * (1 + 2j if dtype == "c16" else 1)).astype(dtype)
    x = da.from_array(values, chunks=chunks)
    for found, expected in [(x.dot(x.T), values.dot(values.T)), (x.T @ x, values.T @ values)]:
        blocks = found.numblocks[0]
        tasks = f"half ({blocks * (blocks + 1) // 2},)"
        assert (tasks in found.explain()) == (blocks > 1)
        assert found.compute().dtype == expected.dtype
        assert np.array_equal(found.compute(), expected)
        assert np.array_equal(found[-1:, :1].compute(), expected[-1:, :1])
        assert np.array_equal((found - x.sum()).compute(), expected - values.sum())
    same(x.dot((x + 1).T), values.dot((values + 1).T))
    assert "half" not in x.dot((x + 1).T).explain()
