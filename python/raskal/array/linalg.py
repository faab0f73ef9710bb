"""Linear algebra on matrices in blocks.

Start at `tsqr` (tall matrices, by rows), `sfqr` (wide ones, by columns) and `lu`. Each step is NumPy's or SciPy's
function on a block, and products of blocks; a square matrix is solved block row by block row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.creation import asarray, eye, zeros
from raskal.array.gufunc import GufuncCall, Output
from raskal.array.host import bounds, on_blocks
from raskal.array.join import block as joined
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


class RowQr:
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
    dtype = r.dtype
    shapes = [(k, min(k, n)), (min(k, n),), (min(k, n), n)]
    u, s, v = _several("svd", _svd, [r], shapes, [dtype, dtype.type(0).real.dtype, dtype])
    return q.dot(u), s, v


def _svd(block: Any) -> Any:
    return np.linalg.svd(block, full_matrices=False)


def _tall_qr(a: Array) -> tuple[Array, Array]:
    """Each block by itself, then the triangles of all blocks together: a block's q times its rows of the second q."""
    m, n = a.shape
    dtype = _float(a)
    k = n if m != m else min(m, n)
    reason = "QR decomposition by NumPy"
    own = on_blocks("qr-blocks", RowQr(), [(a, [0, -1])], [(1,) * a.numblocks[0]], np.dtype(object), reason)
    together = on_blocks("qr-merge", MergeQr(), [(own, [None])], [], np.dtype(object), reason)
    q = on_blocks("qr-q", RowProduct(), [(own, [0]), (together, [])], [a.chunks[0], (k,)], dtype, reason)
    return q, on_blocks("qr-r", Output(1, dtype), [(together, [])], [(k if m == m else np.nan,), (n,)], dtype, reason)


class MergeQr:
    """The QR decomposition of all blocks' triangles: the rows of q that belong to each block, and r."""

    def __call__(self, coordinates: tuple[int, ...], *parts: Any) -> Any:
        triangles = [r for _, r in parts]
        q, r = np.linalg.qr(np.concatenate(triangles))
        limits = np.cumsum([len(own) for own in triangles])[:-1]
        return np.split(q, limits), r


class RowProduct:
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


def _square_blocks(a: Any, what: str) -> tuple[Array, list[int]]:
    """A square matrix in blocks whose diagonal ones are square."""
    a = _matrix(a, what)
    if a.shape[0] != a.shape[1]:
        raise ValueError(f"a must be a square matrix, got shape {a.shape}")
    own = a.chunks[0]
    if a.chunks[1] != own:
        raise ValueError(
            f"{what} needs square diagonal blocks, chunks are {a.chunks}\nhint: x.rechunk({{1: x.chunks[0]}})"
        )
    return a, bounds(own)


def _parts(a: Array, limits: list[int]) -> list[list[Array]]:
    spans = [slice(first, last) for first, last in zip(limits, limits[1:], strict=False)]
    return [[a[row, column] for column in spans] for row in spans]


def _square(name: str, function: Callable[..., Any], a: Array, count: int, dtype: Any, **kwargs: Any) -> list[Array]:
    n = a.shape[0]
    return _several(name, function, [a], [(n, n)] * count, [dtype] * count, **kwargs)


def _lu(block: Any) -> Any:
    import scipy.linalg

    return scipy.linalg.lu(block)


def lu(a: Any) -> tuple[Array, Array, Array]:
    """The LU decomposition of a square matrix, with rows exchanged within diagonal blocks.

    Parameters
    ----------
    a : array_like, shape (n, n)
        In square diagonal blocks.

    Returns
    -------
    p, l, u : Array, shape (n, n)
        With ``a == p @ l @ u``.
    """
    a, limits = _square_blocks(a, "lu")
    dtype = _float(a)
    rest = _parts(a.astype(dtype), limits)
    count = len(rest)
    lower: list[list[Any]] = [[None] * count for _ in range(count)]
    upper: list[list[Any]] = [[None] * count for _ in range(count)]
    turned: list[Array] = []
    for step in range(count):
        p, low, up = _square("lu", _lu, rest[step][step], 3, dtype)
        turned.append(p)
        lower[step][step], upper[step][step] = low, up
        for done in range(step):
            lower[step][done] = p.T.dot(lower[step][done])
        for column in range(step + 1, count):
            upper[step][column] = _solve_block(low, p.T.dot(rest[step][column]), lower=True)
        for row in range(step + 1, count):
            lower[row][step] = _solve_block(up.T, rest[row][step].T, lower=True).T
            for column in range(step + 1, count):
                rest[row][column] = rest[row][column] - lower[row][step].dot(upper[step][column])
    return _assembled(turned, "diagonal"), _assembled(lower, "grid"), _assembled(upper, "grid")


def _assembled(parts: list[Any], kind: str) -> Array:
    """A matrix of blocks, zeros where there is none."""
    count = len(parts)
    grid: list[list[Any]] = parts
    if kind == "diagonal":
        grid = [[parts[row] if row == column else None for column in range(count)] for row in range(count)]
    sizes = [grid[place][place].shape[0] for place in range(count)]
    dtype = grid[0][0].dtype
    full = [
        [part if part is not None else zeros((sizes[row], sizes[column]), dtype=dtype, chunks=-1)
         for column, part in enumerate(grid[row])]
        for row in range(count)
    ]  # fmt: skip
    return joined(full)


class Triangular:
    """Solves a triangular system of one block."""

    def __init__(self, lower: bool) -> None:
        self.lower = lower

    def __call__(self, coordinates: tuple[int, ...], a: Any, b: Any) -> Any:
        import scipy.linalg

        if not a.size:
            return np.zeros_like(b)
        return scipy.linalg.solve_triangular(a, b, lower=self.lower)


def _solve_block(a: Array, b: Array, lower: bool) -> Array:
    """A triangular block against all columns of a row of blocks."""
    dtype = np.result_type(_float(a), b.dtype)
    b = b.rechunk({0: -1})
    inputs: list[tuple[Array, Any]] = [(a.rechunk(-1), [-1, -1]), (b, list(range(b.ndim)))]
    name = "solve-triangular"
    return on_blocks(name, Triangular(lower), inputs, b.chunks, dtype, "triangular system by SciPy")


def solve_triangular(a: Any, b: Any, lower: bool = False) -> Array:
    """The solution of a triangular system.

    Parameters
    ----------
    a : array_like, shape (n, n)
        In square diagonal blocks.
    b : array_like, shape (n,) or (n, k)
    lower : bool
        Whether a is lower triangular.

    Returns
    -------
    Array, shape of b
    """
    a, limits = _square_blocks(a, "solve_triangular")
    b = asarray(b)
    if b.ndim not in (1, 2):
        raise ValueError(f"b must have one or two axes, got shape {b.shape}")
    if b.shape[0] != a.shape[0]:
        raise ValueError(f"shapes {a.shape} and {b.shape} do not fit: a has {a.shape[1]} columns, b {b.shape[0]} rows")
    if b.chunks[0] != a.chunks[1]:
        raise ValueError(
            f"the columns of a are cut into {a.chunks[1]}, the rows of b into {b.chunks[0]}\n"
            "hint: b.rechunk({0: a.chunks[1]})"
        )
    parts = _parts(a, limits)
    count = len(parts)
    rows = [b[first:last] for first, last in zip(limits, limits[1:], strict=False)]
    found: dict[int, Array] = {}
    for row in range(count) if lower else reversed(range(count)):
        right = rows[row]
        for done, solved in found.items():
            right = right - parts[row][done].dot(solved)
        found[row] = _solve_block(parts[row][row], right, lower)
    return concatenate([found[row] for row in range(count)], axis=0)


def solve(a: Any, b: Any, sym_pos: Any = None, assume_a: str = "gen") -> Array:
    """The solution of a linear system.

    Parameters
    ----------
    a : array_like, shape (n, n)
        In square diagonal blocks.
    b : array_like, shape (n,) or (n, k)
    sym_pos : bool, optional
        The older way to say ``assume_a="pos"``.
    assume_a : {"gen", "pos"}
        Whether a is symmetric and positive definite.

    Returns
    -------
    Array, shape of b
    """
    if sym_pos:
        assume_a = "pos"
    b = asarray(b)
    if assume_a == "pos":
        lower, upper = _cholesky(a)
        return solve_triangular(upper, solve_triangular(lower, b, lower=True))
    if assume_a != "gen":
        raise ValueError(f"unknown assume_a={assume_a!r}\nhint: 'gen' or 'pos'")
    p, low, up = lu(a)
    own = asarray(a).chunks[0]
    right = p.T.dot(b).rechunk({0: own})
    return solve_triangular(up, solve_triangular(low, right, lower=True))


def inv(a: Any) -> Array:
    """The inverse of a square matrix.

    Parameters
    ----------
    a : array_like, shape (n, n)
        In square diagonal blocks.

    Returns
    -------
    Array, shape (n, n)
    """
    a = asarray(a)
    return solve(a, eye(a.shape[0], chunks=(a.chunks[0], a.chunks[0])))


def _cholesky_block(block: Any) -> Any:
    return (np.linalg.cholesky(block),)


def _cholesky(a: Any) -> tuple[Array, Array]:
    a, limits = _square_blocks(a, "cholesky")
    dtype = _float(a)
    parts = _parts(a.astype(dtype), limits)
    count = len(parts)
    lower: list[list[Any]] = [[None] * count for _ in range(count)]
    for column in range(count):
        left = parts[column][column]
        for done in range(column):
            left = left - lower[column][done].dot(lower[column][done].T.conj())
        (lower[column][column],) = _square("cholesky", _cholesky_block, left, 1, dtype)
        for row in range(column + 1, count):
            left = parts[row][column]
            for done in range(column):
                left = left - lower[row][done].dot(lower[column][done].T.conj())
            lower[row][column] = _solve_block(lower[column][column], left.T.conj(), lower=True).T.conj()
    found = _assembled(lower, "grid")
    return found, found.T.conj()


def cholesky(a: Any, lower: bool = False) -> Array:
    """The Cholesky decomposition of a symmetric, positive definite matrix.

    Parameters
    ----------
    a : array_like, shape (n, n)
        In square diagonal blocks.
    lower : bool
        Whether to give the lower factor instead of the upper one.

    Returns
    -------
    Array, shape (n, n)
    """
    return _cholesky(a)[0 if lower else 1]


def lstsq(a: Any, b: Any) -> tuple[Array, Array, Array, Array]:
    """The solution of an overdetermined system with the smallest squared error.

    Parameters
    ----------
    a : array_like, shape (m, n)
        Cut by rows alone.
    b : array_like, shape (m,) or (m, k)

    Returns
    -------
    x, residuals, rank, s : Array
        As of `numpy.linalg.lstsq`.
    """
    a, b = _matrix(a, "lstsq"), asarray(b)
    q, r = qr(a)
    x = solve_triangular(r, q.T.conj().dot(b).rechunk({0: r.chunks[0]}))
    residuals = b - a.dot(x)
    residuals = np.absolute(residuals**2).sum(axis=0, keepdims=b.ndim == 1)
    n = a.shape[1]
    rank, s = _several(
        "rank", _rank, [r], [(), (min(r.shape[0], n),)], [np.dtype(np.int64), r.dtype.type(0).real.dtype]
    )
    return x, residuals, rank, s


def _rank(r: Any) -> Any:
    return np.asarray(np.linalg.matrix_rank(r)), np.linalg.svd(r, compute_uv=False)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """The norm of vectors or matrices, as `numpy.linalg.norm`.

    Parameters
    ----------
    x : array_like
    ord : int, float or str, optional
    axis : int or pair of int, optional
    keepdims : bool

    Returns
    -------
    Array
    """
    x = asarray(x)
    if axis is None:
        axes = tuple(range(x.ndim))
    else:
        axes = tuple(axis) if np.iterable(axis) else (int(axis),)
    if len(axes) > 2 and ord is not None or not axes:
        raise ValueError("Improper number of dimensions to norm.")
    x = x.astype(np.promote_types(x.dtype, np.float32 if x.dtype.itemsize <= 2 and x.dtype.kind == "f" else x.dtype))
    if x.dtype.kind in "iub":
        x = x.astype(float)
    if ord is None or (ord == "fro" and len(axes) == 2) or (len(axes) == 1 and ord == 2):
        return np.sqrt((np.absolute(x) ** 2).sum(axis=axes, keepdims=keepdims))
    if ord == "fro":
        raise ValueError("Invalid norm order 'fro' for vectors")
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    return _matrix_norm(x, ord, axes, keepdims)


def _vector_norm(x: Array, ord: Any, axes: Any, keepdims: bool) -> Array:
    size = np.absolute(x)
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord == np.inf:
        return size.max(axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return size.min(axis=axes, keepdims=keepdims)
    if ord == 0:
        return (x != 0).astype(size.dtype).sum(axis=axes, keepdims=keepdims)
    if ord == 1:
        return size.sum(axis=axes, keepdims=keepdims)
    return (size**ord).sum(axis=axes, keepdims=keepdims) ** (1.0 / ord)


def _matrix_norm(x: Array, ord: Any, axes: Any, keepdims: bool) -> Array:
    row, column = axes
    if row % x.ndim == column % x.ndim:
        raise ValueError("Duplicate axes given.")
    if ord in (1, -1, np.inf, -np.inf):
        summed, kept = (row, column) if abs(ord) == 1 else (column, row)
        total = np.absolute(x).sum(axis=summed, keepdims=True)
        found = (total.max if ord > 0 else total.min)(axis=kept, keepdims=True)
        return found if keepdims else found.squeeze(axis=tuple(axis % x.ndim for axis in axes))
    if ord in ("nuc", 2, -2):
        if x.ndim > 2:
            raise NotImplementedError("SVD based norm not implemented for ndim > 2")
        values = svd(x.rechunk({1: -1}) if x.numblocks[0] > 1 and x.numblocks[1] > 1 else x)[1][None]
        reduce = {"nuc": values.sum, 2: values.max, -2: values.min}[ord]
        found = reduce(keepdims=True)
        return found if keepdims else found.squeeze(axis=(0, 1))
    raise ValueError(f"Invalid norm order for matrices: {ord!r}")


__all__ = [
    "cholesky", "compression_level", "compression_matrix", "inv", "lstsq", "lu", "norm", "qr", "sfqr", "solve",
    "solve_triangular", "svd", "svd_compressed", "svd_flip", "tsqr",
]  # fmt: skip
