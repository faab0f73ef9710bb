"""QR and singular value decompositions of matrices that are cut along one axis, and compressed ones of any.

Start at `tsqr` (tall matrices, by rows) and `sfqr` (wide ones, by columns).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray
from raskal.array.gufunc import GufuncCall, Output
from raskal.array.host import on_blocks
from raskal.array.join import concatenate
from raskal.tokenize import tokenize


def _several(
    name: str, function: Callable[..., Any], inputs: list[Array], shapes: list[Any], dtypes: list[Any], **kwargs: Any
) -> list[Array]:
    """The results of one call on whole arrays, each one block."""
    whole = [array.rechunk(-1) for array in inputs]
    pairs: list[tuple[Array, Any]] = [(array, [-1] * array.ndim) for array in whole]
    token = tokenize(function, kwargs)
    reason = f"{name} of one block"
    together = on_blocks(name, GufuncCall(function, kwargs), pairs, [], np.dtype(object), reason, token=token)
    return [
        on_blocks(f"{name}-output", Output(number, dtype), [(together, [])], [(n,) for n in shape], dtype, reason)
        for number, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True))
    ]


def _float(*arrays: Array) -> np.dtype[Any]:
    return np.result_type(np.linalg.inv(np.eye(1, dtype=np.result_type(*(a.dtype for a in arrays)))).dtype)


def _matrix(a: Any, what: str) -> Array:
    a = asarray(a)
    if a.ndim != 2:
        raise ValueError(f"{what} needs a matrix, got shape {a.shape}")
    return a


class _RowQr:
    """The QR decomposition of a block of rows."""

    def __call__(self, coordinates: tuple[int, ...], block: Any) -> Any:
        return np.linalg.qr(block)


def tsqr(data: Any, compute_svd: bool = False, _max_vchunk_size: int | None = None) -> tuple[Array, ...]:
    """The QR or singular value decomposition of a matrix that is cut by rows alone.

    Parameters
    ----------
    data : array_like, shape (m, n)
        With all columns in each block.
    compute_svd : bool
        Whether to give u, s and v instead of q and r.
    _max_vchunk_size : int, optional
        Accepted for Dask's sake.

    Returns
    -------
    q, r : Array, shapes (m, k), (k, n) with k = min(m, n); or u, s, v

    Raises
    ------
    ValueError
        If the columns are cut.
    """
    a = _matrix(data, "tsqr")
    if a.numblocks[1] != 1:
        raise ValueError(
            f"tsqr needs all columns in each block, chunks are {a.chunks}\n"
            "hint: x.rechunk({1: -1}), or sfqr for wide matrices"
        )
    q, r = _tall_qr(a)
    if not compute_svd:
        return q, r
    n, k = a.shape[1], q.shape[1]
    small = k if k != k else min(k, n)
    dtype = r.dtype
    shapes = [(k, small), (small,), (small, n)]
    u, s, v = _several("svd", _svd, [r], shapes, [dtype, dtype.type(0).real.dtype, dtype])
    inputs: list[tuple[Array, Any]] = [(q, [0, -1]), (u, [-1, -1])]
    return on_blocks("svd-u", _dot, inputs, [q.chunks[0], (small,)], dtype, "matrix product by NumPy's BLAS"), s, v


def _dot(coordinates: tuple[int, ...], left: Any, right: Any) -> Any:
    return left.dot(right)


def _svd(block: Any) -> Any:
    return np.linalg.svd(block, full_matrices=False)


def _tall_qr(a: Array) -> tuple[Array, Array]:
    """Each block by itself, then the triangles of all blocks together: a block's q times its rows of the second q."""
    m, n = a.shape
    dtype = _float(a)
    k = min(m, n) if m == m and n == n else np.nan
    reason = "QR decomposition by NumPy"
    own = on_blocks("qr-blocks", _RowQr(), [(a, [0, -1])], [(1,) * a.numblocks[0]], np.dtype(object), reason)
    together = on_blocks("qr-merge", _MergeQr(), [(own, [None])], [], np.dtype(object), reason)
    q = on_blocks("qr-q", _RowProduct(), [(own, [0]), (together, [])], [a.chunks[0], (k,)], dtype, reason)
    return q, on_blocks("qr-r", Output(1, dtype), [(together, [])], [(k,), (n,)], dtype, reason)


class _MergeQr:
    """The QR decomposition of all blocks' triangles: the rows of q that belong to each block, and r."""

    def __call__(self, coordinates: tuple[int, ...], *parts: Any) -> Any:
        triangles = [r for _, r in parts]
        q, r = np.linalg.qr(np.concatenate(triangles))
        limits = np.cumsum([len(own) for own in triangles])[:-1]
        return np.split(q, limits), r


class _RowProduct:
    """The rows of the whole q: a block's own q times its rows of the second one."""

    def __call__(self, coordinates: tuple[int, ...], own: Any, together: Any) -> Any:
        return own[0].dot(together[0][coordinates[0]])


def _qr(block: Any) -> Any:
    return np.linalg.qr(block)


def sfqr(data: Any, name: str | None = None) -> tuple[Array, Array]:
    """The QR decomposition of a matrix that is cut by columns alone, the first block of which is square or tall.

    Parameters
    ----------
    data : array_like, shape (m, n)
        With all rows in each block.
    name : str, optional
        Accepted for Dask's sake.

    Returns
    -------
    q, r : Array, shapes (m, k), (k, n)
    """
    a = _matrix(data, "sfqr")
    if a.numblocks[0] != 1:
        raise ValueError(
            f"sfqr needs all rows in each block, chunks are {a.chunks}\n"
            "hint: x.rechunk({0: -1}), or tsqr for tall matrices"
        )
    m, n = a.shape
    first = a.chunks[1][0]
    if m > first and a.numblocks[1] > 1:
        a = a.rechunk({1: (m, *_rest(n - m, first))}) if n > m else a.rechunk(-1)
        first = a.chunks[1][0]
    dtype = _float(a)
    k = min(m, first)
    q, r1 = _several("qr", _qr, [a[:, :first]], [(m, k), (k, first)], [dtype, dtype])
    if a.shape[1] == first:
        return q, r1
    return q, concatenate([r1, q.T.conj().dot(a[:, first:])], axis=1)


def _rest(count: int, longest: int) -> tuple[int, ...]:
    from raskal.array.rearrange import split_lengths

    return split_lengths(count, longest)


def qr(a: Any) -> tuple[Array, Array]:
    """The QR decomposition of a matrix that is cut along one axis.

    Parameters
    ----------
    a : array_like, shape (m, n)

    Returns
    -------
    q, r : Array, shapes (m, k), (k, n) with k = min(m, n)

    Raises
    ------
    NotImplementedError
        If both axes are cut.
    """
    a = _matrix(a, "qr")
    if a.numblocks[1] == 1:
        return tsqr(a)  # type: ignore[return-value]
    if a.numblocks[0] == 1:
        return sfqr(a)
    raise NotImplementedError(
        f"qr of a matrix cut along both axes is not supported, chunks are {a.chunks}\nhint: x.rechunk({{1: -1}})"
    )


def svd_flip(u: Any, v: Any, u_based_decision: bool = False) -> tuple[Array, Array]:
    """Signs of singular vectors chosen so that the sum of each row of v (column of u) is not negative.

    Parameters
    ----------
    u, v : array_like
    u_based_decision : bool
        Whether u decides.

    Returns
    -------
    u, v : Array
    """
    u, v = asarray(u), asarray(v)
    sums = u.sum(axis=0) if u_based_decision else v.sum(axis=1)
    signs = np.sign(sums.real) if sums.dtype.kind == "c" else np.sign(sums)
    signs = signs + (signs == 0)
    signs = signs.astype(v.dtype)
    return u * signs[None, :], v * signs[:, None]


def svd(a: Any, coerce_signs: bool = True, full_matrices: bool = False) -> tuple[Array, Array, Array]:
    """The singular value decomposition of a matrix that is cut along one axis.

    Parameters
    ----------
    a : array_like, shape (m, n)
    coerce_signs : bool
        Whether signs are chosen by `svd_flip`.
    full_matrices : bool
        Must be False.

    Returns
    -------
    u, s, v : Array, shapes (m, k), (k,), (k, n) with k = min(m, n)
    """
    if full_matrices:
        raise NotImplementedError("svd with full_matrices=True is not supported\nhint: call compute() first")
    a = _matrix(a, "svd")
    if a.numblocks[0] > 1 and a.numblocks[1] > 1:
        raise NotImplementedError(
            f"svd of a matrix cut along both axes is not supported, chunks are {a.chunks}\nhint: x.rechunk({{1: -1}})"
        )
    turned = a.numblocks[1] > 1 or (a.numblocks[0] == 1 and a.shape[0] < a.shape[1])
    u, s, v = tsqr(a.T if turned else a, compute_svd=True)
    if turned:
        u, v = v.T, u.T
    if coerce_signs:
        u, v = svd_flip(u, v)
    return u, s, v


def compression_level(n: int, q: int, n_oversamples: int = 10, min_subspace_size: int = 20) -> int:
    """The rank of a compression that keeps ``q`` singular values of a matrix of ``n`` columns.

    Parameters
    ----------
    n, q, n_oversamples, min_subspace_size : int

    Returns
    -------
    int
    """
    return min(max(min_subspace_size, q + n_oversamples), n)


def compression_matrix(
    data: Any, q: int, iterator: str = "power", n_power_iter: int = 0, n_oversamples: int = 10, seed: Any = None,
    compute: bool = False,
) -> Array:  # fmt: skip
    """A matrix with orthonormal rows whose product with the data keeps most of its range.

    Parameters
    ----------
    data : Array, shape (m, n)
    q : int
        Rank to keep.
    iterator : {"power", "QR"}
        How iterations are done.
    n_power_iter : int
        How many; more are more exact.
    n_oversamples : int
        Rows beyond ``q``.
    seed : int or RandomState, optional
    compute : bool
        Whether intermediate results are persisted.

    Returns
    -------
    Array, shape (k, m)
    """
    from raskal.array.random import RandomState

    if iterator not in ("power", "QR"):
        raise ValueError(f"unknown iterator {iterator!r}\nhint: 'power' or 'QR'")
    data = asarray(data)
    m, n = data.shape
    level = compression_level(min(m, n), q, n_oversamples)
    state: Any = seed if isinstance(seed, RandomState) else RandomState(seed)
    dtype = "float32" if data.dtype in (np.float32, np.complex64) else "float64"
    omega = state.standard_normal(size=(n, level), chunks=(data.chunks[1], (level,))).astype(dtype)
    mat = data.dot(omega)
    for _ in range(n_power_iter):
        if iterator == "power":
            mat = data.dot(data.T.conj().dot(mat))
        else:
            if compute:
                mat = mat.persist()
            inner, _ = tsqr(data.T.conj().dot(tsqr(mat.rechunk({1: -1}))[0]).rechunk({1: -1}))
            mat = data.dot(inner)
        if compute:
            mat = mat.persist()
    found, _ = tsqr(mat.rechunk({1: -1}))
    return found.T.conj()


def svd_compressed(
    a: Any, k: int, iterator: str = "power", n_power_iter: int = 0, n_oversamples: int = 10, seed: Any = None,
    compute: bool = False, coerce_signs: bool = True,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """The largest singular values and their vectors, by a randomised compression.

    Parameters
    ----------
    a : array_like, shape (m, n)
    k : int
        How many.
    iterator, n_power_iter, n_oversamples, seed, compute
        As of `compression_matrix`.
    coerce_signs : bool
        Whether signs are chosen by `svd_flip`.

    Returns
    -------
    u, s, v : Array, shapes (m, k), (k,), (k, n)
    """
    a = _matrix(a, "svd_compressed")
    comp = compression_matrix(a, k, iterator, n_power_iter, n_oversamples, seed, compute)
    if compute:
        comp = comp.persist()
    compressed = comp.dot(a)
    v, s, u = tsqr(compressed.T.rechunk({1: -1}), compute_svd=True)
    u = comp.T.conj().dot(u.T)
    v = v.T
    u, s, v = u[:, :k], s[:k], v[:k, :]
    if coerce_signs:
        u, v = svd_flip(u, v)
    return u, s, v
