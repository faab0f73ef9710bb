"""NumPy's functions called with lazy arrays, ufuncs with all their options, and blocks of other kinds."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import same

import raskal.array as da

#: The functions and types of the array API standard, 2024.12.
STANDARD = set(
    "arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril triu zeros "
    "zeros_like astype broadcast_arrays broadcast_to can_cast finfo iinfo isdtype result_type abs acos acosh add asin "
    "asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert bitwise_or bitwise_right_shift bitwise_xor "
    "ceil clip conj copysign cos cosh divide equal exp expm1 floor floor_divide greater greater_equal hypot imag "
    "isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or "
    "logical_xor maximum minimum multiply negative nextafter not_equal positive pow real reciprocal remainder round "
    "sign signbit sin sinh sqrt square subtract tan tanh trunc take take_along_axis matmul matrix_transpose tensordot "
    "vecdot concat expand_dims flip moveaxis permute_dims repeat reshape roll squeeze stack tile unstack argmax argmin "
    "count_nonzero nonzero searchsorted where unique_all unique_counts unique_inverse unique_values argsort sort "
    "cumulative_prod cumulative_sum max mean min prod std sum var all any diff e inf nan newaxis pi bool int8 int16 "
    "int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128 fft linalg".split()
)

A = np.arange(12.0).reshape(3, 4)


@pytest.fixture
def x():
    return da.from_array(A, chunks=2)


def test_results_are_written_to_lazy_arrays(x):
    out = da.zeros((3, 4), chunks=2)
    assert np.add(x, 1, out=out) is out
    same(out, A + 1)
    whole = da.zeros((3, 4), dtype=np.int64, chunks=2)
    with pytest.raises(TypeError, match="same_kind"):
        np.add(x, 1, out=whole)
    x += 5
    same(x, A + 5)
    total = da.zeros((3,), chunks=2)
    da.sum(x, axis=1, out=total)
    same(total, (A + 5).sum(axis=1))
    with pytest.raises(ValueError, match="out= has shape"):
        da.sum(x, axis=1, out=da.zeros((), chunks=-1))


def test_functions_are_computed_where_a_mask_is_true(x):
    out = da.ones((3, 4), chunks=2)
    expected = np.ones((3, 4))
    np.sqrt(A, where=A > 5, out=expected)
    same(da.sqrt(x, where=x > 5, out=out), expected)
    same(da.add(x, 1, where=A > 5, out=da.zeros((3, 4), chunks=2)), np.where(A > 5, A + 1, 0))


def test_ufuncs_have_their_options_and_methods(x):
    same(da.add(x, 1, dtype="float32"), np.add(A, 1, dtype="float32"))
    same(np.add.outer(x, [1, 2]), np.add.outer(A, [1, 2]))
    same(da.multiply.outer(x[0], x[1]), np.multiply.outer(A[0], A[1]))
    same(np.add.reduce(x), np.add.reduce(A))
    same(np.add.accumulate(x, axis=1), np.add.accumulate(A, axis=1))
    for lazy, expected in zip(da.modf(x / 3), np.modf(A / 3), strict=True):
        same(lazy, expected)
    for lazy, expected in zip(divmod(x, 5), divmod(A, 5), strict=True):
        same(lazy, expected)
    for lazy, expected in zip(da.frexp(x), np.frexp(A), strict=True):
        same(lazy, expected)
    assert da.add(1, 2) == 3
    assert da.sin.nin == 1
    text = da.frompyfunc(lambda value: f"{value:.0f}", 1, 1)(x)
    assert text.dtype == object
    assert text.compute().tolist() == [[f"{value:.0f}" for value in row] for row in A]


def test_numbers_that_do_not_fit_are_refused_and_compared_as_numpy_does():
    small = np.arange(4, dtype=np.uint8)
    x = da.from_array(small, chunks=2)
    with pytest.raises(OverflowError, match="Python integer 256 out of bounds for uint8"):
        x + 256
    same(x < 256, small < 256)
    same(x == -1, small == -1)
    with pytest.raises(OverflowError):
        da.where(x > 1, x, -1)


def test_numpys_namespace_dispatches(x):
    same(np.concatenate([x, x]), np.concatenate([A, A]))
    same(np.median(x, axis=0), np.median(A, axis=0))
    same(np.linalg.norm(x), np.linalg.norm(A))
    same(np.fft.fft(x.rechunk((2, -1))), np.fft.fft(A))
    same(np.where(x > 3, x, 0), np.where(A > 3, A, 0))
    same(np.sum(x, axis=0), A.sum(axis=0))
    same(np.broadcast_to(x, (2, 3, 4)), np.broadcast_to(A, (2, 3, 4)))
    same(np.einsum("ij->j", x), A.sum(axis=0))
    same(np.amax(x, axis=1), A.max(axis=1))
    same(np.var(x, axis=0, correction=1), A.var(axis=0, ddof=1))
    same(np.clip(x, a_min=2, a_max=5), A.clip(2, 5))
    assert (np.size(x), np.size(x, 1), np.ndim(x)) == (12, 4, 2)
    with pytest.raises(NotImplementedError, match=r"numpy.kron is not supported.*\nhint"):
        np.kron(x, x)
    assert x.__array_namespace__() is da


def test_the_names_of_the_array_api_standard_are_there(x):
    missing = [name for name in dir(np) if name in STANDARD and not hasattr(da, name)]
    assert not missing
    assert len([name for name in STANDARD if hasattr(da, name)]) > 120
    same(da.concat([x, x]), np.concat([A, A]))
    same(da.permute_dims(x, (1, 0)), A.T)
    same(x.mT, A.mT)
    same(da.pow(x, 2), A**2)
    same(da.sort(-x, axis=0), np.sort(-A, axis=0))
    same(da.sort(x, axis=1, descending=True), np.sort(A, axis=1)[:, ::-1])
    order = da.argsort(x % 5, axis=1, descending=True).compute()
    np.testing.assert_array_equal(np.take_along_axis(A % 5, order, 1), np.sort(A % 5, axis=1)[:, ::-1])
    same(da.take_along_axis(x, np.array([[1], [0], [3]]), axis=1), np.take_along_axis(A, np.array([[1], [0], [3]]), 1))
    same(da.vecdot(x, x), np.vecdot(A, A))
    same(da.unstack(x, axis=1)[2], A[:, 2])
    same(da.cumulative_sum(x, axis=1, include_initial=True), np.cumulative_sum(A, axis=1, include_initial=True))
    assert da.isdtype(x.dtype, "real floating")


def test_other_elementwise_functions(x):
    a = np.array([[1 + 2j, 0], [np.nan, -np.inf]])
    z = da.from_array(a, chunks=1)
    for name in ("real", "imag", "angle", "iscomplex", "isreal", "nan_to_num"):
        same(getattr(da, name)(z), getattr(np, name)(a))
    same(z.conj(), a.conj())
    for name in ("i0", "sinc", "fix"):
        same(getattr(da, name)(x), getattr(np, name)(A))
    missing = np.array([1.0, np.nan])
    same(da.isnull(da.from_array(missing, chunks=1)), np.isnan(missing))
    same(da.notnull(da.from_array(missing, chunks=1)), ~np.isnan(missing))


MASK = A % 3 == 0
M = np.ma.array(A, mask=MASK)


def same_masked(lazy, expected):
    found = lazy.compute()
    assert lazy.dtype == expected.dtype
    assert isinstance(found, np.ma.MaskedArray)
    np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected))
    np.testing.assert_allclose(found.filled(0), expected.filled(0))


def test_masked_arrays_keep_their_masks(x):
    m = da.ma.masked_array(x, mask=MASK)
    same_masked(m, M)
    same_masked(m + 1, M + 1)
    same_masked((m * m)[1:, ::-1], (M * M)[1:, ::-1])
    same_masked(m.T.rechunk(3), M.T)
    same_masked(da.concatenate([x, m]), np.ma.concatenate([A, M]))
    same_masked(m.sum(axis=0), M.sum(axis=0))
    for name in ("sum", "mean", "std", "min", "max"):
        assert getattr(m, name)().compute() == pytest.approx(getattr(M, name)())
    for name in ("argmin", "argmax"):
        np.testing.assert_array_equal(getattr(m, name)(axis=1).compute(), getattr(M, name)(axis=1))
    assert da.ma.count(m).compute() == M.count()
    same(da.ma.filled(m, -1), M.filled(-1))
    same(da.ma.getmaskarray(m), MASK)
    same(da.ma.getdata(m), A)
    np.testing.assert_allclose(
        da.ma.average(m, axis=1, weights=[1, 2, 3, 4]).compute(), np.ma.average(M, axis=1, weights=[1, 2, 3, 4])
    )


@pytest.mark.parametrize(
    ("name", "args"),
    [("masked_equal", (3,)), ("masked_greater", (5,)), ("masked_less_equal", (5,)), ("masked_inside", (2, 4)),
     ("masked_outside", (2, 9)), ("masked_values", (3.0,)), ("masked_not_equal", (3,)), ("masked_invalid", ())],
)  # fmt: skip
def test_elements_are_masked_by_value(x, name, args):
    same_masked(getattr(da.ma, name)(x, *args), getattr(np.ma, name)(A, *args))


def test_elements_are_masked_by_condition_and_assignment(x):
    same_masked(da.ma.masked_where(x > 4, x), np.ma.masked_where(A > 4, A))
    x[x > 4] = np.ma.masked
    same_masked(x, np.ma.masked_where(A > 4, A))
    same_masked(
        da.ma.where(x > 2, x, -1), np.ma.where(np.ma.masked_where(A > 4, A) > 2, np.ma.masked_where(A > 4, A), -1)
    )


def test_arrays_are_assigned_to_masked_arrays(x):
    x[x > 4] = np.ma.masked
    expected = np.ma.masked_where(A > 4, A)
    x[0, 1:3] = [70, 80]
    expected[0, 1:3] = [70, 80]
    x[2] = np.ma.array([1, 2, 3, 4], mask=[0, 1, 0, 0])
    expected[2] = np.ma.array([1, 2, 3, 4], mask=[0, 1, 0, 0])
    same_masked(x, expected)


def test_sparse_blocks_stay_sparse():
    sparse = pytest.importorskip("scipy.sparse")
    a = A * (A % 2 == 0)
    x = da.from_array(a, chunks=2).map_blocks(sparse.csr_array)
    assert "blocks=csr_array" in repr(x)
    found = x.compute()
    assert sparse.issparse(found)
    np.testing.assert_array_equal(found.toarray(), a)
    np.testing.assert_array_equal(x[1:, [2, 0]].compute().toarray(), a[1:, [2, 0]])
    np.testing.assert_array_equal(x.T.compute().toarray(), a.T)
    np.testing.assert_array_equal(x.rechunk((3, 1)).compute().toarray(), a)
    np.testing.assert_array_equal((x + x).compute().toarray(), 2 * a)


#: What works on blocks of the `sparse` package, by name.
SPARSE = {
    "add": lambda m, x: x + x * 2,
    "sum": lambda m, x: x.sum(axis=0),
    "prod": lambda m, x: x.prod(axis=1),
    "max": lambda m, x: x.max(axis=0, keepdims=True),
    "mean": lambda m, x: x.mean(axis=1),
    "std": lambda m, x: x.std(axis=0),
    "any": lambda m, x: (x > 3).any(axis=0),
    "dot": lambda m, x: x.dot(x.T) + 1,
    "tensordot": lambda m, x: m.tensordot(x, x, axes=([1], [1])),
    "slice": lambda m, x: x[1:, ::2].T,
    "reshape": lambda m, x: x.reshape((-1,)),
    "broadcast": lambda m, x: m.broadcast_to(x, (2, *x.shape)),
    "stack": lambda m, x: m.stack([x, x]),
    "where": lambda m, x: m.where(x > 3, x, 0),
}


@pytest.mark.parametrize("name", SPARSE)
def test_blocks_of_the_sparse_package_are_computed_by_it(name):
    sparse = pytest.importorskip("sparse")
    a = A * (A % 2 == 0)
    x = SPARSE[name](da, da.from_array(a, chunks=2).map_blocks(sparse.COO))
    expected = SPARSE[name](np, a)
    assert x.shape == expected.shape
    found = x.compute()
    assert isinstance(found, sparse.SparseArray)
    np.testing.assert_allclose(found.todense(), expected)


def test_blocks_of_another_library_stay_what_they_are():
    class Tagged(np.ndarray):
        pass

    da.register_chunk_type(Tagged)
    x = da.from_array(A.view(Tagged), chunks=4, asarray=False)
    assert type((x + 1).compute()) is Tagged
    assert type(x[1].compute()) is Tagged
    np.testing.assert_array_equal((x + 1).compute(), A + 1)


def test_the_namespace_says_what_it_can_do(x):
    namespace = x.__array_namespace__()
    info = namespace.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] == namespace.ones(1).dtype
    assert info.devices() == [x.device]
    linalg = (
        "cholesky det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank matrix_transpose outer "
        "pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm"
    )
    assert [name for name in linalg.split() if not hasattr(namespace.linalg, name)] == []
