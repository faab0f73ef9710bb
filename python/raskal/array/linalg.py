"""Linear algebra on matrices in blocks.

Start at `lu` and `solve`: a square matrix is solved block row by block row, by NumPy's or SciPy's function on a block
and products of blocks. `raskal.array.decompose` has QR and singular values, `raskal.array.norms` norms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from raskal.array.collection import Array
from raskal.array.contraction import matmul, tensordot
from raskal.array.creation import asarray, eye, zeros
from raskal.array.decompose import (
    _float,
    _matrix,
    _several,
    compression_level,
    compression_matrix,
    qr,
    sfqr,
    svd,
    svd_compressed,
    svd_flip,
    tsqr,
)
from raskal.array.diagonal import diagonal, trace
from raskal.array.host import bounds, on_blocks
from raskal.array.join import block as joined
from raskal.array.join import concatenate
from raskal.array.matrices import (
    det,
    eigh,
    eigvalsh,
    matrix_norm,
    matrix_power,
    matrix_rank,
    pinv,
    slogdet,
    svdvals,
    vector_norm,
)
from raskal.array.norms import norm
from raskal.array.products import outer
from raskal.array.standard import matrix_transpose, vecdot


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


def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Array, Array, Array, Array]:
    """The solution of an overdetermined system with the smallest squared error.

    Parameters
    ----------
    a : array_like, shape (m, n)
        Cut by rows alone.
    b : array_like, shape (m,) or (m, k)
    rcond : float, optional
        Accepted for NumPy's sake: no singular value is cut off, the columns of ``a`` must be independent.

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


__all__ = [
    "cholesky", "compression_level", "compression_matrix", "det", "diagonal", "eigh", "eigvalsh", "inv", "lstsq", "lu",
    "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "norm", "outer", "pinv", "qr", "sfqr",
    "slogdet", "solve", "solve_triangular", "svd", "svd_compressed", "svd_flip", "svdvals", "tensordot", "trace",
    "tsqr", "vecdot", "vector_norm",
]  # fmt: skip
