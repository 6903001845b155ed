"""Linear algebra of small matrices, step by step, against LAPACK's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from exported import check_export, ops, to_bytes, to_graph

import toffee

Program = Callable[..., Any]
DTYPES = [torch.float32, torch.float64, torch.complex64]


def matrices(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def definite(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    a = matrices(*shape, dtype=dtype, seed=seed)
    return a @ a.mH + 0.5 * torch.eye(shape[-1])


def check(fn: Program, *draw: Callable[[int], torch.Tensor], dtype: torch.dtype) -> Any:
    """FN on what each of DRAW gives for two seeds: conditions are those of the matrices, so the
    other values are drawn as the first ones are."""
    tolerance = 1e-9 if dtype == torch.float64 else 2e-3
    args = [tuple(one(2 * seed + k) for k, one in enumerate(draw)) for seed in (0, 1)]
    return check_export(fn, args[0], args[1], rtol=tolerance, atol=tolerance / 10)


SQUARE = {
    "det": torch.linalg.det,
    "slogdet": torch.linalg.slogdet,
    "inv": torch.linalg.inv,
    "inv_ex": torch.linalg.inv_ex,
    "lu_factor": torch.linalg.lu_factor,
    "lu": torch.linalg.lu,
    "matrix_power": lambda a: torch.linalg.matrix_power(a, 3),
    "matrix_power of the inverse": lambda a: torch.linalg.matrix_power(a, -2),
    "tensorinv": lambda a: torch.linalg.tensorinv(a[0].reshape(4, 2, 2), ind=1),
    "multi_dot": lambda a: torch.linalg.multi_dot([a[0], a[1], a[0].mH, a[0, 0]]),
    "trace": lambda a: a[0].trace(),
    "adjoint": lambda a: a.adjoint() @ a,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in SQUARE if name != "lu"])
def test_functions_of_square_matrices(name, dtype):
    check(SQUARE[name], lambda seed: matrices(2, 4, 4, dtype=dtype, seed=seed), dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (2, 5, 3), (3, 5)])
@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
def test_qr_has_the_signs_of_lapack(mode, shape, dtype):
    def program(a: torch.Tensor) -> Any:
        q, r = torch.linalg.qr(a, mode=mode)
        return r if mode == "r" else (q, r)

    check(program, lambda seed: matrices(*shape, dtype=dtype, seed=seed), dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 4), (2, 5, 3), (3, 5)])
def test_lu_of_any_shape(shape, dtype):
    def program(a: torch.Tensor) -> Any:
        lu, pivots = torch.linalg.lu_factor(a)
        return (*torch.linalg.lu(a), *torch.lu_unpack(lu, pivots))

    check(program, lambda seed: matrices(*shape, dtype=dtype, seed=seed), dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_and_what_stands_on_it(upper, dtype):
    def program(a: torch.Tensor, b: torch.Tensor) -> Any:
        factor = torch.linalg.cholesky(a, upper=upper)
        return factor, torch.cholesky_solve(b, factor, upper), torch.cholesky_inverse(factor, upper)

    check(
        program,
        lambda seed: definite(2, 4, 4, dtype=dtype, seed=seed),
        lambda seed: matrices(2, 4, 3, dtype=dtype, seed=seed),
        dtype=dtype,
    )


SOLVE = {
    "a matrix": lambda a, b: torch.linalg.solve(a, b),
    "a vector each": lambda a, b: torch.linalg.solve(a, b[..., 0]),
    "one for all": lambda a, b: torch.linalg.solve(a, b[0]),
    "from the right": lambda a, b: torch.linalg.solve(a, b.mT, left=False),
    "by factors": lambda a, b: torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b),
    "by factors, adjoint": lambda a, b: torch.linalg.lu_solve(
        *torch.linalg.lu_factor(a), b.mT, left=False, adjoint=True
    ),
    "upper": lambda a, b: torch.linalg.solve_triangular(a.triu() + a.mT.triu(3), b, upper=True),
    "unit lower": lambda a, b: torch.linalg.solve_triangular(
        a.tril(), b, upper=False, unitriangular=True
    ),
    "lower from the right": lambda a, b: torch.linalg.solve_triangular(
        a.tril(), b.mT, upper=False, left=False
    ),
    "tensorsolve": lambda a, b: torch.linalg.tensorsolve(
        a[0].reshape(2, 2, 4), b[0, :, 0].reshape(2, 2)
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SOLVE)
def test_systems_of_equations(name, dtype):
    check(
        SOLVE[name],
        lambda seed: definite(2, 4, 4, dtype=dtype, seed=seed),
        lambda seed: matrices(2, 4, 3, dtype=dtype, seed=seed),
        dtype=dtype,
    )


def test_the_graph_pivots_by_its_own_values_and_not_by_those_of_the_trace():
    a = torch.eye(3) + 0.1
    b = torch.tensor([[0.1, 2.0, 0.0], [5.0, 0.2, 1.0], [0.3, 0.4, -7.0]])[[2, 0, 1]]
    check_export(lambda a: (torch.linalg.inv(a), *torch.linalg.lu(a)), (a,), (b,), rtol=1e-4)


def test_the_determinant_of_any_size_is_one_node():
    assert ops(to_graph(torch.linalg.det, (matrices(2, 90, 90),))) == ["Det"]
    check_export(torch.det, (matrices(2, 3, 3),), rtol=1e-4)


def test_singular_matrices_have_determinant_zero_and_say_which_pivot():
    a = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    zero = torch.zeros(2, 2)
    check_export(lambda a: (torch.linalg.det(a), torch.linalg.slogdet(a)), (a,), (zero,))
    check_export(lambda a: torch.linalg.lu_factor_ex(a), (a,), (zero,))


NORMS = {
    "vector 2": lambda x: torch.linalg.vector_norm(x, dim=-1),
    "vector inf": lambda x: torch.linalg.vector_norm(x, ord=float("inf"), dim=(0, 1)),
    "vector -inf": lambda x: torch.linalg.vector_norm(x, ord=float("-inf"), keepdim=True, dim=1),
    "vector 0": lambda x: torch.linalg.vector_norm(x, ord=0, dim=1),
    "vector 3": lambda x: torch.linalg.vector_norm(x, ord=3),
    "frobenius": torch.linalg.matrix_norm,
    "matrix 1": lambda x: torch.linalg.matrix_norm(x, ord=1),
    "matrix inf": lambda x: torch.linalg.matrix_norm(x, ord=float("inf"), dim=(0, 1)),
    "norm": lambda x: (torch.linalg.norm(x), torch.norm(x, dim=1), x.norm(1)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NORMS)
def test_norms(name, dtype):
    check(NORMS[name], lambda seed: matrices(2, 3, 4, dtype=dtype, seed=seed), dtype=dtype)


PRODUCTS = {
    "cross": lambda a, b: torch.linalg.cross(a, b),
    "kron": lambda a, b: torch.kron(a[0], b[0]),
    "vecdot": lambda a, b: torch.linalg.vecdot(a, b),
    "tensordot": lambda a, b: torch.tensordot(a, b, dims=([1, 2], [1, 2])),
    "cov": lambda a, b: torch.cov(a[0]),
    "chain_matmul": lambda a, b: torch.chain_matmul(a[0], b[0], a[1]),
    "block_diag": lambda a, b: torch.block_diag(a[0], b[0]),
    "diag": lambda a, b: (a[0].diag(), b[0, 0].diag(1), torch.diag_embed(a, 1)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name, dtype):
    def draw(seed: int) -> torch.Tensor:
        return matrices(2, 3, 3, dtype=dtype, seed=seed)

    check(PRODUCTS[name], draw, draw, dtype=dtype)


def test_the_correlation_of_rows_and_vander():
    check_export(lambda x: (x.corrcoef(), torch.vander(x[0], 4)), (matrices(3, 5),), rtol=1e-4)


def test_householder_reflections_come_back_as_a_matrix():
    def program(a: torch.Tensor) -> Any:
        factors, tau = torch.geqrf(a)
        return factors, tau, torch.linalg.householder_product(factors, tau)

    for dtype in DTYPES:
        check(program, lambda seed, d=dtype: matrices(2, 5, 3, dtype=d, seed=seed), dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_exponential_of_small_and_large_matrices(dtype):
    for size in (0.1, 2.0, 20.0):
        a = matrices(2, 4, 4, dtype=dtype) * 0.01
        b = matrices(2, 4, 4, dtype=dtype, seed=1) * size
        rtol = 1e-9 if dtype == torch.float64 else 1e-3
        check_export(torch.linalg.matrix_exp, (a,), (b - b.mH,), rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("transpose", [True, False])
def test_reflections_are_applied_from_both_sides(left, transpose):
    def program(a: torch.Tensor, b: torch.Tensor) -> Any:
        return torch.ormqr(*torch.geqrf(a), b if left else b.mT, left, transpose)

    for dtype in DTYPES:
        check(
            program,
            lambda seed, d=dtype: matrices(2, 4, 3, dtype=d, seed=seed),
            lambda seed, d=dtype: matrices(2, 4, 2, dtype=d, seed=seed),
            dtype=dtype,
        )


def test_results_go_into_out():
    def program(a: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(3, 3)
        torch.linalg.inv(a, out=out)
        return out * 2

    check(program, lambda seed: definite(3, 3, seed=seed), dtype=torch.float32)


def test_matrices_without_elements():
    for shape in [(0, 0), (0, 3, 3), (2, 0, 0)]:
        check_export(
            lambda a: (torch.linalg.inv(a), *torch.linalg.slogdet(a)), (torch.zeros(shape),)
        )
    check_export(lambda a: torch.linalg.qr(a, mode="complete"), (torch.zeros(3, 0),))
    nothing = torch.zeros(3, 0)
    others = (definite(3, 3, seed=1), nothing)
    check_export(torch.linalg.solve, (definite(3, 3), nothing), others)


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (torch.linalg.svdvals, "aten::_linalg_svd"),
        (torch.linalg.eigvals, "aten::linalg_eig"),
        (torch.linalg.eigvalsh, "aten::_linalg_eigh"),
        (lambda a: torch.linalg.norm(a, "nuc"), "aten::_linalg_svd"),
        (lambda a: torch.linalg.norm(a, 2), "aten::_linalg_svd"),
    ],
)
def test_what_takes_iterations_is_refused(fn, name):
    with pytest.raises(toffee.UnsupportedOperatorError, match=name):
        to_bytes(fn, (definite(3, 3),))


def test_large_matrices_are_refused():
    a = definite(65, 65)
    with pytest.raises(toffee.UnsupportedOperatorError, match="aten::linalg_inv_ex"):
        to_bytes(torch.linalg.inv, (a,))
    assert to_bytes(torch.linalg.inv, (a[:64, :64].contiguous(),))
