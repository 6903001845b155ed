"""Factorizations and solutions of small matrices, step by step, for the trace.

ONNX has no linear algebra but products and determinants. Each step here is one of LAPACK's, on all
matrices of a batch at once, so that signs and the order of pivots are those of eager PyTorch: some
ten nodes for each row. Matrices of more than ``MAX_SIZE`` rows are refused, and so is what takes
iterations until something converges: eigenvalues, singular values, and what stands on them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

#: Most rows or columns that a graph takes apart.
MAX_SIZE = 64


def _sized(function: Callable[..., Any]) -> Callable[..., Any]:
    """FUNCTION, whose first argument has matrices, for those that are not large."""

    @functools.wraps(function)
    def run(matrices: Tensor, *args: Any, **kwargs: Any) -> Any:
        if max(matrices.shape[-2:]) > MAX_SIZE:
            return NotImplemented
        return function(matrices, *args, **kwargs)

    return run


def _but_empty(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """FUNCTION for the operator NAME; but what that makes of nothing is the same every time: it is
    run as it is, and its results are constants."""
    operator = getattr(torch.ops.aten, name.removeprefix("aten::")).default
    has_one_result = len(operator._schema.returns) == 1

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        empty = [x.numel() == 0 for x in args if isinstance(x, Tensor)]
        if all(empty) or (has_one_result and any(empty)):
            with _disable_current_modes():
                return operator(*args, **kwargs)
        return function(*args, **kwargs)

    return run


def _eye(n: int, m: int, like: Tensor) -> Tensor:
    return torch.eye(n, m, dtype=like.dtype, device=like.device)


def _nonzero(x: Tensor) -> Tensor:
    """X with 1 in place of 0."""
    return torch.where(x == 0, torch.ones_like(x), x)


# ---- triangles -----------------------------------------------------------------------------------


def _substitute(a: Tensor, b: Tensor, upper: bool, unit: bool) -> Tensor:
    """X of A X = B for triangular A: row by row, each from those before it."""
    n = a.shape[-1]
    rows: list[Tensor] = []
    for k in range(n - 1, -1, -1) if upper else range(n):
        row = b[..., k : k + 1, :]
        if rows:
            known = torch.cat(rows[::-1] if upper else rows, -2)
            factors = a[..., k : k + 1, k + 1 :] if upper else a[..., k : k + 1, :k]
            row = row - factors @ known
        rows.append(row if unit else row / a[..., k : k + 1, k : k + 1])
    return torch.cat(rows[::-1] if upper else rows, -2)


@_sized
def _solve_triangular(
    a: Tensor, b: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    if left:
        return _substitute(a, b, upper, unitriangular)
    return _substitute(a.mT, b.mT, not upper, unitriangular).mT


def _triangular_solve(
    b: Tensor,
    a: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> Any:
    if b.numel() == 0:
        return b.clone(), a.clone()
    matrix = a.mT if transpose else a
    x = _solve_triangular(matrix, b, upper=upper != transpose, unitriangular=unitriangular)
    return x if x is NotImplemented else (x, a.clone())


# ---- A = P L U -----------------------------------------------------------------------------------


def _exchange(k: int, pivot: Tensor, n: int) -> Tensor:
    """The numbers of N rows when row K and row PIVOT (…, 1) change places."""
    rows = torch.arange(n)
    return torch.where(rows == k, pivot, torch.where(rows == pivot, k, rows))


def _in_order(x: Tensor, order: Tensor) -> Tensor:
    """The rows of X in ORDER (…, rows)."""
    index = order.unsqueeze(-1).expand(*order.shape, x.shape[-1])
    return x.expand(*order.shape[:-1], *x.shape[-2:]).gather(-2, index)


def _size(x: Tensor) -> Tensor:
    """What LAPACK takes for the size of a pivot."""
    return x.real.abs() + x.imag.abs() if x.is_complex() else x.abs()


def _factor(a: Tensor, pivot: bool = True) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """L and U in one matrix, the pivots counted from 1, the first pivot that is 0 (counted from 1,
    or 0), and the order of A's rows in P A."""
    n, m = a.shape[-2:]
    batch = a.shape[:-2]
    order = torch.arange(n).expand(*batch, n)
    pivots = []
    info = torch.zeros(batch, dtype=torch.int32)
    for k in range(min(n, m)):
        if pivot and k < n:
            best = _size(a[..., k:, k]).argmax(-1, keepdim=True) + k
            swap = _exchange(k, best, n)
            a, order = _in_order(a, swap), order.gather(-1, swap)
        else:
            best = torch.full((*batch, 1), k)
        pivots.append(best + 1)
        head = a[..., k, k]
        info = torch.where((info == 0) & (head == 0), k + 1, info).to(torch.int32)
        column = a[..., k + 1 :, k : k + 1] / _nonzero(head)[..., None, None]
        rest = a[..., k + 1 :, k + 1 :] - column * a[..., k : k + 1, k + 1 :]
        below = torch.cat([a[..., k + 1 :, :k], column, rest], -1)
        a = torch.cat([a[..., : k + 1, :], below], -2)
    return a, torch.cat(pivots, -1).to(torch.int32), info, order


@_sized
def _lu_factor_ex(a: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    return _factor(a, pivot)[:3]


def _parts(lu: Tensor) -> tuple[Tensor, Tensor]:
    n, m = lu.shape[-2:]
    k = min(n, m)
    return lu[..., :k].tril(-1) + _eye(n, k, lu), lu[..., :k, :].triu()


def _permutation(order: Tensor, like: Tensor) -> Tensor:
    """P of A = P L U."""
    return (torch.arange(order.shape[-1])[:, None] == order.unsqueeze(-2)).to(like.dtype)


@_sized
def _lu(a: Tensor, *, pivot: bool = True) -> Any:
    lu, _, _, order = _factor(a, pivot)
    lower, upper = _parts(lu)
    return (_permutation(order, a) if pivot else a.new_empty(0)), lower, upper


def _order_of(pivots: Tensor, n: int) -> Tensor:
    order = torch.arange(n).expand(*pivots.shape[:-1], n)
    for k in range(pivots.shape[-1]):
        order = order.gather(-1, _exchange(k, pivots[..., k : k + 1].long() - 1, n))
    return order


@_sized
def _lu_unpack(
    lu: Tensor, pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    empty = lu.new_empty(0)
    lower, upper = _parts(lu) if unpack_data else (empty, empty)
    order = _order_of(pivots, lu.shape[-2]) if unpack_pivots else None
    return empty if order is None else _permutation(order, lu), lower, upper


def _solved(lu: Tensor, order: Tensor, b: Tensor) -> Tensor:
    batch = torch.broadcast_shapes(b.shape[:-2], order.shape[:-1])  # type: ignore[no-untyped-call]
    b = b.expand(*batch, *b.shape[-2:])
    order = order.expand(*b.shape[:-2], order.shape[-1])
    return _substitute(lu, _substitute(lu, _in_order(b, order), False, True), True, False)


@_sized
def _lu_solve(
    lu: Tensor, pivots: Tensor, b: Tensor, *, left: bool = True, adjoint: bool = False
) -> Any:
    order = _order_of(pivots, lu.shape[-1])
    b = b if left else b.mH
    if left != adjoint:
        x = _solved(lu, order, b)
    else:  # A^H = U^H L^H P^T
        h = lu.mH
        x = _substitute(h, _substitute(h, b, False, False), True, True)
        x = _in_order(x, order.argsort(-1))
    return x if left else x.mH


@_sized
def _solve_ex(a: Tensor, b: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    is_vector = b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])
    columns = b.unsqueeze(-1) if is_vector else b
    lu, pivots, info, order = _factor(a if left else a.mT)
    if b.numel() == 0:
        batch = torch.broadcast_shapes(  # type: ignore[no-untyped-call]
            a.shape[:-2], columns.shape[:-2]
        )
        x = torch.zeros(*batch, *columns.shape[-2:], dtype=b.dtype)
        return (x.squeeze(-1) if is_vector else x), lu, pivots, info
    x = _solved(lu, order, columns if left or is_vector else columns.mT)
    x = x if left or is_vector else x.mT
    return (x.squeeze(-1) if is_vector else x), lu, pivots, info


@_sized
def _inv_ex(a: Tensor, *, check_errors: bool = False) -> Any:
    lu, _, info, order = _factor(a)
    return _solved(lu, order, _eye(a.shape[-1], a.shape[-1], a)), info


def _sign_of_order(pivots: Tensor, like: Tensor) -> Tensor:
    straight = torch.arange(1, pivots.shape[-1] + 1)
    odd = (pivots != straight).sum(-1) % 2
    return (1 - 2 * odd).to(like.dtype)


def _product(x: Tensor) -> Tensor:
    """Along the last axis, of complex numbers too."""
    total = x[..., 0]
    for k in range(1, x.shape[-1]):
        total = total * x[..., k]
    return total


@_sized
def _det(a: Tensor) -> Any:
    lu, pivots, _, _ = _factor(a)
    diagonal = lu.diagonal(dim1=-2, dim2=-1)
    return _product(diagonal) * _sign_of_order(pivots, a), lu, pivots


@_sized
def _slogdet(a: Tensor) -> Any:
    lu, pivots, _, _ = _factor(a)
    diagonal = lu.diagonal(dim1=-2, dim2=-1)
    sign = _product(diagonal.sgn()) * _sign_of_order(pivots, a)
    return sign, diagonal.abs().log().sum(-1), lu, pivots


# ---- A = L L^H -----------------------------------------------------------------------------------


@_sized
def _cholesky_ex(a: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    n = a.shape[-1]
    a = a.mH if upper else a
    columns: list[Tensor] = []
    info = torch.zeros(a.shape[:-2], dtype=torch.int32)
    for k in range(n):
        column = a[..., k:, k : k + 1]
        if columns:
            known = torch.cat(columns, -1)
            column = column - known[..., k:, :] @ known[..., k : k + 1, :].mH
        head = column[..., :1, :]
        head = head.real if head.is_complex() else head
        info = torch.where((info == 0) & ~(head[..., 0, 0] > 0), k + 1, info).to(torch.int32)
        root = head.sqrt()
        column = torch.cat([root.to(a.dtype), column[..., 1:, :] / root], -2)
        above = torch.zeros(*a.shape[:-2], k, 1, dtype=a.dtype)
        columns.append(torch.cat([above, column], -2))
    lower = torch.cat(columns, -1)
    return (lower.mH if upper else lower), info


def _cholesky(a: Tensor, upper: bool = False) -> Any:
    made = _cholesky_ex(a, upper=upper)
    return made if made is NotImplemented else made[0]


def _cholesky_solve(b: Tensor, factor: Tensor, upper: bool = False) -> Any:
    if factor.shape[-1] > MAX_SIZE:
        return NotImplemented
    lower, adjoint = (factor.mH, factor) if upper else (factor, factor.mH)
    return _substitute(adjoint, _substitute(lower, b, False, False), True, False)


@_sized
def _cholesky_inverse(factor: Tensor, upper: bool = False) -> Any:
    n = factor.shape[-1]
    return _cholesky_solve(_eye(n, n, factor).expand_as(factor), factor, upper)


# ---- A = Q R -------------------------------------------------------------------------------------


def _reflector(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """LAPACK's larfg for columns X (…, rows, 1): the column without its first element over what it
    is reflected along, tau, and what becomes of the first element."""
    head, tail = x[..., :1, :], x[..., 1:, :]
    real = head.real if x.is_complex() else head
    norm = torch.linalg.vector_norm(x, dim=-2, keepdim=True)
    beta = torch.where(real >= 0, -norm, norm)
    rest = torch.linalg.vector_norm(tail, dim=-2, keepdim=True)
    still = rest == 0
    if x.is_complex():
        still = still & (head.imag == 0)
    safe = _nonzero(beta).to(x.dtype)
    tau = torch.where(still, torch.zeros_like(head), (safe - head) / safe)
    along = torch.where(still, torch.zeros_like(tail), tail / _nonzero(head - safe))
    return along, tau, torch.where(still, head, beta.to(x.dtype))


@_sized
def _geqrf(a: Tensor) -> Any:
    n, m = a.shape[-2:]
    taus = []
    for k in range(min(n, m)):
        along, tau, head = _reflector(a[..., k:, k : k + 1])
        v = torch.cat([torch.ones_like(head), along], -2)
        rest = a[..., k:, k + 1 :]
        rest = rest - tau.conj() * (v @ (v.mH @ rest))
        column = torch.cat([head, along], -2)
        below = torch.cat([a[..., k:, :k], column, rest], -1)
        a = torch.cat([a[..., :k, :], below], -2)
        taus.append(tau[..., 0, 0])
    return a, torch.stack(taus, -1)


def _reflected(vectors: Tensor, tau: Tensor, q: Tensor, adjoint: bool = False) -> Tensor:
    """The reflections in the columns of VECTORS, below the diagonal, of Q: the last one first, or
    ADJOINT: undone, the first one first."""
    n = vectors.shape[-2]
    tau = tau.conj() if adjoint else tau
    for k in range(tau.shape[-1]) if adjoint else range(tau.shape[-1] - 1, -1, -1):
        column = vectors[..., k + 1 :, k : k + 1]
        zeros = torch.zeros(*vectors.shape[:-2], k, 1, dtype=vectors.dtype)
        one = torch.ones(*vectors.shape[:-2], 1, 1, dtype=vectors.dtype)
        v = torch.cat([zeros, one, column] if k + 1 < n else [zeros, one], -2)
        q = q - tau[..., k, None, None] * (v @ (v.mH @ q))
    return q


@_sized
def _householder_product(vectors: Tensor, tau: Tensor) -> Any:
    n, m = vectors.shape[-2:]
    start = _eye(n, m, vectors).expand(*vectors.shape[:-2], n, m)
    return _reflected(vectors, tau, start)


@_sized
def _ormqr(
    vectors: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False
) -> Any:
    if left:
        return _reflected(vectors, tau, other, transpose)
    return _reflected(vectors, tau, other.mH, not transpose).mH


@_sized
def _qr(a: Tensor, mode: str = "reduced") -> Any:
    n, m = a.shape[-2:]
    factors, tau = _geqrf(a)
    width = n if mode == "complete" else min(n, m)
    r = factors[..., :width, :].triu()
    if mode == "r":
        return a.new_empty(0), r
    start = _eye(n, width, a).expand(*a.shape[:-2], n, width)
    return _reflected(factors, tau, start), r


# ---- exponentials --------------------------------------------------------------------------------

#: Terms of the series: 1 / 19! is less than what float64 can tell from 1.
_TERMS = 18
#: Most squarings: exponents of norms up to 2**24, whose exponentials are far beyond any float.
_SQUARINGS = 24


def _matrix_exp(a: Tensor) -> Any:
    """The series of A / 2**s, squared s times; s depends on the matrix, so that all squarings are
    in the graph and those that are too many change nothing."""
    if a.dtype in (torch.float16, torch.bfloat16):
        return NotImplemented  # PyTorch's overflows on the way
    unit = _eye(a.shape[-1], a.shape[-1], a)
    norm = a.abs().sum(-2).amax(-1)[..., None, None]
    halvings = torch.log2(norm.clamp(min=1)).ceil().clamp(max=_SQUARINGS)
    a = a / torch.exp2(halvings).to(a.dtype)
    total = unit + a / _TERMS
    for k in range(_TERMS - 1, 0, -1):
        total = unit + (a / k) @ total
    for k in range(_SQUARINGS):
        total = torch.where(halvings > k, total @ total, total)
    return total


_STEPS: dict[str, Callable[..., Any]] = {
    "aten::_linalg_det": _det,
    "aten::_linalg_slogdet": _slogdet,
    "aten::_linalg_solve_ex": _solve_ex,
    "aten::cholesky": _cholesky,
    "aten::cholesky_inverse": _cholesky_inverse,
    "aten::cholesky_solve": _cholesky_solve,
    "aten::geqrf": _geqrf,
    "aten::linalg_cholesky_ex": _cholesky_ex,
    "aten::linalg_householder_product": _householder_product,
    "aten::linalg_inv_ex": _inv_ex,
    "aten::linalg_lu": _lu,
    "aten::linalg_lu_factor_ex": _lu_factor_ex,
    "aten::linalg_lu_solve": _lu_solve,
    "aten::linalg_qr": _qr,
    "aten::linalg_solve_triangular": _solve_triangular,
    "aten::linalg_matrix_exp": _matrix_exp,
    "aten::lu_unpack": _lu_unpack,
    "aten::ormqr": _ormqr,
    "aten::triangular_solve": _triangular_solve,
}
#: Of those, the ones that this torch has: 2.15 has no aten::cholesky any more.
TABLE = {
    name: _but_empty(name, function)
    for name, function in _STEPS.items()
    if hasattr(torch.ops.aten, name.removeprefix("aten::"))
}
