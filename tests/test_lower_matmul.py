"""Matrix products and what adds to them: ONNX Runtime against eager PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from exported import check_export, ops

import toffee


def numbers(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    return torch.randint(-9, 9, shape, generator=generator).to(dtype)


def attributes(node: Any) -> dict[str, Any]:
    return {a.name: a.f if a.name in ("alpha", "beta") else a.i for a in node.attribute}


def linear(n_in: int, n_out: int, bias: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(n_in, n_out, bias=bias)


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_on_a_matrix_is_one_gemm(bias: bool) -> None:
    graph = check_export(linear(4, 3, bias), numbers(2, 4))
    assert ops(graph) == ["Gemm"]
    assert attributes(graph.node[0]) == {"transB": 1}
    assert len(graph.node[0].input) == 2 + bias


@pytest.mark.parametrize("shape", [(4,), (2, 5, 4), (2, 1, 5, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_on_other_shapes_multiplies_and_adds(
    shape: tuple[int, ...], bias: bool
) -> None:
    graph = check_export(linear(4, 3, bias), numbers(*shape))
    assert ops(graph) == ["Transpose", "MatMul"] + ["Add"] * bias


def test_a_linear_function_with_a_vector_for_weight() -> None:
    check_export(torch.nn.functional.linear, (numbers(2, 4), numbers(4, seed=1)))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4, 2)),
        ((4,), (4,)),
        ((3, 4), (4,)),
        ((4,), (4, 2)),
        ((5, 3, 4), (4, 2)),
        ((5, 3, 4), (5, 4, 2)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((4,), (5, 4, 2)),
        ((5, 3, 4), (4,)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.int8])
def test_matmul_of_every_rank_is_one_node(
    a: tuple[int, ...], b: tuple[int, ...], dtype: torch.dtype
) -> None:
    graph = check_export(torch.matmul, (numbers(*a, dtype=dtype), numbers(*b, dtype=dtype, seed=1)))
    assert [op for op in ops(graph) if op != "Cast"] == ["MatMul"]


def test_the_special_products() -> None:
    m, n, v = numbers(3, 4), numbers(4, 2, seed=1), numbers(4, seed=2)
    check_export(torch.mm, (m, n))
    check_export(torch.mv, (m, v))
    check_export(torch.dot, (v, numbers(4, seed=3)))
    check_export(torch.vdot, (v, numbers(4, seed=3)))
    check_export(torch.bmm, (numbers(2, 3, 4), numbers(2, 4, 5, seed=1)))
    check_export(torch.outer, (v, numbers(3, seed=3)))
    check_export(torch.outer, (v, numbers(3, dtype=torch.int32)))


@pytest.mark.parametrize("shape", [(3, 2), (2,), (1, 2), (3, 1), ()])
def test_addmm_is_one_gemm_for_every_shape_that_it_adds(shape: tuple[int, ...]) -> None:
    graph = check_export(torch.addmm, (numbers(*shape, seed=2), numbers(3, 4), numbers(4, 2)))
    assert ops(graph) == ["Gemm"]


def test_addmm_takes_its_factors_and_transposes_along() -> None:
    def program(c: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.addmm(c, a, b.t(), beta=0.5, alpha=2)

    graph = check_export(program, (numbers(2, seed=2), numbers(3, 4), numbers(2, 4, seed=1)))
    assert ops(graph) == ["Gemm"]
    assert attributes(graph.node[0]) == {"alpha": 2.0, "beta": 0.5, "transB": 1}


def test_a_beta_of_zero_ignores_what_is_added() -> None:
    c = torch.full((3, 2), float("nan"))
    graph = check_export(lambda c, a, b: torch.addmm(c, a, b, beta=0), (c, *pair()), (c, *pair(1)))
    assert len(graph.node[0].input) == 2
    check_export(
        lambda c, a, b: torch.baddbmm(c, a[None], b[None], beta=0),
        (c[None], *pair()),
        (c[None], *pair(1)),
    )


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    return numbers(3, 4, seed=seed), numbers(4, 2, seed=seed + 10)


@pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int32])
def test_products_that_are_added_to(dtype: torch.dtype, alpha: int, beta: int) -> None:
    factors = {"alpha": alpha, "beta": beta}
    a, b = numbers(5, 3, 4, dtype=dtype), numbers(5, 4, 2, dtype=dtype, seed=1)
    c = numbers(3, 2, dtype=dtype, seed=2)
    v = numbers(4, dtype=dtype, seed=3)
    check_export(lambda c, a, b: torch.addmm(c, a[0], b[0], **factors), (c, a, b))
    check_export(lambda c, a, b: torch.baddbmm(c, a, b, **factors), (c, a, b))
    check_export(lambda c, a, b: torch.addbmm(c, a, b, **factors), (c, a, b))
    check_export(lambda c, a, v: torch.addmv(c[:, 0], a[0], v, **factors), (c, a, v))
    check_export(lambda c, x, y: torch.addr(c, x, y, **factors), (c, c[:, 0] + 1, c[0] * 2))


def test_a_factor_that_float32_cannot_hold_stays_a_double() -> None:
    args = tuple(numbers(*shape, dtype=torch.float64) for shape in ((3, 2), (3, 4), (4, 2)))
    graph = check_export(lambda c, a, b: torch.addmm(c, a, b, beta=0.1), args, rtol=1e-14, atol=0)
    assert "Gemm" not in ops(graph)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("bhid, bhjd -> bhij", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("ij->ji", [(2, 3)]),
        ("i,j", [(2,), (3,)]),
        ("...ij,...jk", [(2, 3, 4), (2, 4, 5)]),
        ("bn,anm,bm->ba", [(2, 3), (4, 3, 5), (2, 5)]),
        ("ij->", [(2, 3)]),
        ("ii->i", [(3, 3)]),
    ],
)
def test_einsum_is_one_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    args = tuple(numbers(*shape, seed=i) for i, shape in enumerate(shapes))
    graph = check_export(lambda *args: torch.einsum(equation, *args), args)
    assert ops(graph) == ["Einsum"]


def test_an_einsum_that_onnx_has_no_words_for_is_taken_apart() -> None:
    x, y = numbers(2, 3, 4), numbers(4, 5, seed=1)
    graph = check_export(lambda x, y: torch.einsum("...ij,...jk", x, y), (x, y))
    assert "Einsum" not in ops(graph)


def test_an_einsum_may_broadcast() -> None:
    check_export(lambda x, y: torch.einsum("ij,ij->i", x, y), (numbers(2, 1), numbers(2, 3)))


def test_a_module_that_shares_its_weight_has_it_once() -> None:
    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = linear(4, 4, True)
            self.second = linear(4, 4, True)
            self.second.weight = self.first.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x))

    graph: toffee.Graph = check_export(Tied(), numbers(2, 4))
    assert sum(list(tensor.dims) == [4, 4] for tensor in graph.initializer) == 1


def test_product_of_no_bools_is_false() -> None:
    a = torch.ones(3, 2, dtype=torch.bool)  # PyTorch multiplies bools only where it sums nothing
    check_export(lambda x: x[:, :0] @ x[:, :0].mT, a)
    check_export(lambda x: x[None, :, :0] @ x[None, :, :0].mT, a)
