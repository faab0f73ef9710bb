"""Linear algebra against NumPy and SciPy, on every way to cut matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from helpers import same

import raskal.array as da

RNG = np.random.default_rng(11)
TALL, SQUARE = RNG.random((20, 4)), RNG.random((9, 9)) + 9 * np.eye(9)
CUTS = [(3, 3), (9, 9), (4, 4), ((2, 3, 4), (2, 3, 4))]


@pytest.mark.parametrize("rows", [20, 5, 3, 1])
def test_tall_matrices_are_decomposed(rows):
    x = da.from_array(TALL, chunks=(rows, 4))
    q, r = da.linalg.qr(x)
    assert (q.shape, r.shape) == ((20, 4), (4, 4))
    same(q @ r, TALL)
    same(q.T @ q, np.eye(4))
    same(r, np.triu(r.compute()))
    u, s, v = da.linalg.svd(x)
    same(s, np.linalg.svd(TALL)[1])
    same((u * s) @ v, TALL)


@pytest.mark.parametrize("columns", [20, 4, 6])
def test_wide_matrices_are_decomposed(columns):
    x = da.from_array(TALL.T.copy(), chunks=(4, columns))
    q, r = da.linalg.sfqr(x)
    same(q @ r, TALL.T)
    same(q.T @ q, np.eye(4))
    u, s, v = da.linalg.svd(x)
    same(s, np.linalg.svd(TALL.T)[1])
    same((u * s) @ v, TALL.T)


def test_rows_of_unknown_number_are_decomposed():
    x = da.from_array(TALL, chunks=(6, 4))
    some = x[x[:, 0] > 0.3]
    q, r = da.linalg.tsqr(some)
    kept = TALL[TALL[:, 0] > 0.3]
    np.testing.assert_allclose(q.compute() @ r.compute(), kept, atol=1e-12)
    np.testing.assert_allclose(da.linalg.tsqr(some, compute_svd=True)[1].compute(), np.linalg.svd(kept)[1])


def test_matrices_cut_along_both_axes_are_refused_with_a_way_out():
    x = da.from_array(TALL, chunks=(5, 2))
    for function in (da.linalg.qr, da.linalg.svd):
        with pytest.raises(NotImplementedError, match="rechunk"):
            function(x)
    with pytest.raises(ValueError, match="all columns in each block"):
        da.linalg.tsqr(x)


def test_large_singular_values_are_found_by_compression():
    left, right = np.linalg.qr(RNG.random((40, 5)))[0], np.linalg.qr(RNG.random((30, 5)))[0]
    a = (left * [9, 7, 5, 3, 1]) @ right.T
    x = da.from_array(a, chunks=(10, 30))
    for iterator in ("power", "QR"):
        u, s, v = da.linalg.svd_compressed(x, 3, iterator=iterator, n_power_iter=2, seed=1)
        same(s, np.array([9.0, 7, 5]), rtol=1e-8)
        assert (u.shape, v.shape) == ((40, 3), (3, 30))
    u, s, v = da.linalg.svd_compressed(x, 5, seed=1)
    same((u * s) @ v, a, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("chunks", CUTS, ids=str)
def test_systems_are_solved(chunks):
    x = da.from_array(SQUARE, chunks=chunks)
    b = RNG.random((9, 5))
    for own in (b, b[:, 0]):
        y = da.from_array(own, chunks=(x.chunks[0], 2) if own.ndim > 1 else (x.chunks[0],))
        same(da.linalg.solve(x, y), np.linalg.solve(SQUARE, own))
        low = np.tril(SQUARE)
        same(da.linalg.solve_triangular(da.tril(x), y, lower=True), scipy.linalg.solve_triangular(low, own, lower=True))
        same(da.linalg.solve_triangular(da.triu(x), y), scipy.linalg.solve_triangular(np.triu(SQUARE), own))
    p, low, up = da.linalg.lu(x)
    same(p @ low @ up, SQUARE)
    same(low, np.tril(low.compute()))
    same(up, np.triu(up.compute()))
    same(da.linalg.inv(x), np.linalg.inv(SQUARE))
    positive = SQUARE @ SQUARE.T
    z = da.from_array(positive, chunks=chunks)
    same(da.linalg.cholesky(z, lower=True), np.linalg.cholesky(positive))
    same(da.linalg.cholesky(z), np.linalg.cholesky(positive).T)
    y = da.from_array(b, chunks=(x.chunks[0], 5))
    same(da.linalg.solve(z, y, assume_a="pos"), np.linalg.solve(positive, b), rtol=1e-9)


def test_least_squares():
    b = RNG.random(20)
    x, y = da.from_array(TALL, chunks=(6, 4)), da.from_array(b, chunks=6)
    found, expected = da.linalg.lstsq(x, y), np.linalg.lstsq(TALL, b)
    same(found[0], expected[0])
    np.testing.assert_allclose(found[1].compute(), expected[1])
    assert found[2].compute() == expected[2]
    same(found[3], expected[3])


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_norms_of_matrices(ord):
    x = da.from_array(TALL, chunks=(5, 4))
    for keepdims in (False, True):
        same(da.linalg.norm(x, ord, keepdims=keepdims), np.linalg.norm(TALL, ord, keepdims=keepdims))


@pytest.mark.parametrize("ord", [None, 0, 1, 2, 3, -1, np.inf, -np.inf])
def test_norms_of_vectors(ord):
    x = da.from_array(TALL, chunks=(5, 2))
    same(da.linalg.norm(x[:, 0], ord), np.linalg.norm(TALL[:, 0], ord))
    same(da.linalg.norm(x, ord, axis=1, keepdims=True), np.linalg.norm(TALL, ord, axis=1, keepdims=True))


@pytest.mark.parametrize(
    "text",
    ["ij,jk->ik", "ij,jk,kl->il", "ij->ji", "ij->", "ij,ij->i", "i,j->ij", "ij,kj", "ii->i", "ii", "...j,jk->...k"],
)
def test_einstein_sums(text):
    square = RNG.random((4, 4))
    operands = [square] * (text.partition("->")[0].count(",") + 1)
    if text == "i,j->ij":
        operands = [square[0], square[1]]
    lazy = [da.from_array(operand, chunks=3 if operand.ndim == 1 else (2, 3)) for operand in operands]
    same(da.einsum(text, *lazy), np.einsum(text, *operands))


def test_products_of_flattened_arrays():
    x, y = da.from_array(TALL, chunks=(7, 2)), da.from_array(TALL * 1j, chunks=(4, 4))
    same(da.vdot(y, x), np.vdot(TALL * 1j, TALL))
    same(da.outer(x[:, 0], x[0]), np.outer(TALL[:, 0], TALL[0]))
    same(da.einsum(x, [0, 1], x, [2, 1], [0, 2]), TALL @ TALL.T)


def test_sums_over_several_axes_of_a_transposed_operand_pair_the_right_blocks():
    """Blocks along two summed axes were once paired in the order of the stored axes, not of the summed ones."""
    a, b = RNG.random((2, 4, 4)), RNG.random((4, 4, 2))
    x, y = da.from_array(a, chunks=(1, 2, 2)), da.from_array(b, chunks=(2, 2, 1))
    same(da.tensordot(x, y, axes=((1, 2), (1, 0))), np.tensordot(a, b, axes=((1, 2), (1, 0))))
    same(da.tensordot(x.transpose(2, 0, 1), y, axes=((2, 0), (1, 0))), np.tensordot(a, b, axes=((1, 2), (1, 0))))


def test_few_rows_of_unknown_number_are_decomposed():
    x = da.from_array(TALL, chunks=(6, 4))
    some = x[x[:, 0] > np.sort(TALL[:, 0])[-3]]
    kept = TALL[TALL[:, 0] > np.sort(TALL[:, 0])[-3]]
    q, r = da.linalg.qr(some)
    np.testing.assert_allclose(q.compute() @ r.compute(), kept, atol=1e-12)
    u, s, v = da.linalg.tsqr(some, compute_svd=True)
    np.testing.assert_allclose((u.compute() * s.compute()) @ v.compute(), kept, atol=1e-12)


@pytest.mark.parametrize("name", ["det", "slogdet", "eigh", "eigvalsh", "matrix_rank", "pinv"])
def test_functions_of_whole_matrices_are_numpys_for_each_of_a_stack(name):
    x = np.random.default_rng(2).random((3, 4, 4))
    x = x + x.transpose(0, 2, 1)
    found = getattr(da.linalg, name)(da.from_array(x, chunks=(2, 3, 2)))
    expected = getattr(np.linalg, name)(x)
    pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    for own, other in pairs:
        same(own, other, rtol=1e-8, atol=1e-8)


def test_powers_values_and_norms_are_numpys():
    x = np.random.default_rng(2).random((4, 4)) + np.eye(4)
    lazy = da.from_array(x, chunks=(2, 4))
    for n in (0, 1, 2, 5):
        same(da.linalg.matrix_power(lazy, n), np.linalg.matrix_power(x, n), rtol=1e-9)
    same(da.linalg.svdvals(lazy), np.linalg.svdvals(x), rtol=1e-9)
    same(da.linalg.matrix_norm(lazy), np.linalg.matrix_norm(x), rtol=1e-9)
    stack = np.random.default_rng(2).random((2, 3, 4))
    for axis, keepdims in [(None, False), (1, True), ((0, 2), True), ((0, 2), False)]:
        found = da.linalg.vector_norm(da.from_array(stack, chunks=2), axis=axis, keepdims=keepdims)
        same(found, np.linalg.vector_norm(stack, axis=axis, keepdims=keepdims), rtol=1e-9)
    with pytest.raises(ValueError, match="two axes"):
        da.linalg.det(da.ones(3))


def test_another_library_takes_the_array_through_dlpack():
    np.testing.assert_array_equal(np.from_dlpack(da.arange(5, chunks=2) + 1), np.arange(5) + 1)
