"""Reductions, cumulative sums and softmax: ONNX Runtime against eager PyTorch."""

from __future__ import annotations

import math
from typing import Any

import onnx
import pytest
import torch
from exported import check_export, ops, to_bytes

INTS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
FLOATS = [torch.float16, torch.float32, torch.float64]
# One rounding in half precision, a few in either order in the others.
TOLERANCE = {torch.float16: 3e-3, torch.float32: 1e-6, torch.float64: 1e-14}


def numbers(dtype: torch.dtype, shape: tuple[int, ...] = (2, 3, 4), seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.rand(shape, generator=generator) < 0.7
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    # ONNX Runtime sums and multiplies int64 in double: small enough that nothing is lost there.
    return torch.randint(1, 9, shape, generator=generator).to(dtype)


def check(fn: Any, *args: torch.Tensor, dtype: torch.dtype = torch.float32) -> Any:
    tolerance = TOLERANCE.get(dtype, 0)
    others = tuple(arg.flip(tuple(range(arg.dim()))) for arg in args)
    return check_export(fn, args, others, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, -1, (0, 2), (-2,), (2, 0, 1)])
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "logsumexp", "var", "std"])
def test_reductions_over_dimensions(name: str, dim: Any, keepdim: bool) -> None:
    fn = getattr(torch, name)
    graph = check(lambda x: fn(x, dim=dim, keepdim=keepdim), numbers(torch.float32))
    if name in ("sum", "mean", "amax", "amin", "logsumexp"):
        assert len(graph.node) == 1


@pytest.mark.parametrize("dtype", [torch.bool] + INTS + FLOATS)
@pytest.mark.parametrize("name", ["sum", "prod", "amax", "amin", "max", "min", "all", "any"])
def test_reductions_of_everything_in_every_type(name: str, dtype: torch.dtype) -> None:
    x = numbers(dtype, (2, 5))
    check(getattr(torch, name), x, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32])
def test_sums_of_integers_are_int64(dtype: torch.dtype) -> None:
    model = onnx.load_from_string(to_bytes(lambda x: x.sum(0), numbers(dtype), format="onnx"))
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.INT64


def test_an_empty_list_of_dimensions_means_all() -> None:
    x = numbers(torch.float32)
    check(
        lambda x: (x.sum(dim=[]), x.mean(dim=None), x.amax(dim=[]), x.sum(dim=(), keepdim=True)), x
    )
    check(lambda x: torch.var(x, dim=None, correction=2, keepdim=True), x)


def test_the_dtype_argument_comes_first() -> None:
    x = numbers(torch.int8)
    check(lambda x: x.sum(dtype=torch.int8), x)
    check(lambda x: x.sum(0, dtype=torch.float64), x, dtype=torch.float64)
    check(lambda x: x.mean(dtype=torch.float32), x)
    check(lambda x: x.prod(1, dtype=torch.float32), x)
    check(lambda x: x.cumsum(1, dtype=torch.float32), x)
    half = numbers(torch.float16)
    check(lambda x: x.softmax(-1, dtype=torch.float32), half)


def test_reductions_of_a_number() -> None:
    x = torch.tensor(-2.5)
    check(lambda x: (x.sum(), x.mean(0), x.amax(), x.prod(-1), x.logsumexp(0)), x)
    check(lambda x: (x.softmax(0), x.log_softmax(-1), x.cumsum(0), x.norm()), x)
    check(lambda x: (*x.max(0), *x.min(-1), x.argmax(), x.argmin(0), x.all()), x)
    check(lambda x: (x.norm(1), torch.linalg.vector_norm(x, 0), x.var(correction=0)), x)


@pytest.mark.parametrize("dtype", INTS + FLOATS)
@pytest.mark.parametrize("keepdim", [False, True])
def test_max_and_min_over_a_dimension_give_the_first_index(
    dtype: torch.dtype, keepdim: bool
) -> None:
    x = torch.tensor([[3, 7, 7, 1], [5, 5, 5, 5], [0, 2, 1, 2]]).to(dtype)
    check(lambda x: (*x.max(1, keepdim), *x.min(-1, keepdim)), x)
    check(lambda x: (*x.max(0, keepdim=keepdim), x.argmin(0, keepdim=keepdim)), x)
    check(lambda x: (x.argmax(), x.argmin(), x.argmax(1, keepdim), x.argmin(-2)), x)
    check(lambda x: x.argmax(keepdim=True), x)


def test_an_index_that_nobody_uses_costs_no_node() -> None:
    graph = check(lambda x: x.max(1).values, numbers(torch.float32))
    assert ops(graph) == ["ReduceMax"]


def test_max_of_two_tensors_is_elementwise() -> None:
    graph = check(lambda x, y: torch.max(x, y), numbers(torch.float32), numbers(torch.float32))
    assert ops(graph) == ["Max"]


def test_aminmax_gives_both_ends() -> None:
    check(lambda x: torch.aminmax(x), numbers(torch.float32))
    check(lambda x: torch.aminmax(x, dim=1, keepdim=True), numbers(torch.int16))


@pytest.mark.parametrize("dim", [0, -1])
def test_all_and_any_over_dimensions(dim: int) -> None:
    for dtype in (torch.bool, torch.uint8, torch.float32):
        x = (numbers(torch.float32, (3, 5)) > 0).to(dtype)
        check(lambda x: (x.all(dim), x.any(dim, keepdim=True)), x)
    check(lambda x: torch.all(x, dim=(0, 1)), numbers(torch.bool))


@pytest.mark.parametrize("correction", [0, 1, 2])
@pytest.mark.parametrize("dtype", FLOATS)
def test_variance_takes_the_correction_off_the_count(dtype: torch.dtype, correction: int) -> None:
    x = numbers(dtype) + 3
    check(lambda x: torch.var(x, (0, 2), correction=correction), x, dtype=dtype)
    check(lambda x: torch.std(x, 1, correction=correction, keepdim=True), x, dtype=dtype)
    check(lambda x: torch.std_mean(x, 1, correction=correction), x, dtype=dtype)
    check(lambda x: torch.var_mean(x, -1, keepdim=True, correction=correction), x, dtype=dtype)


def test_variance_in_its_older_spellings() -> None:
    x = numbers(torch.float32)
    check(lambda x: (x.var(), x.std(unbiased=False), x.var(1, unbiased=False)), x)
    check(lambda x: (x.std(0), torch.var_mean(x, unbiased=False)), x)


def test_variance_of_one_element_is_not_a_number() -> None:
    check(lambda x: torch.var(x, 0), torch.tensor([[1.0, 2.0]]))


@pytest.mark.parametrize("order", [2, 1, 0, 3, 0.5, -1, math.inf, -math.inf])
def test_norms_of_every_order(order: float) -> None:
    x = numbers(torch.float32)
    x[0, 0, 0] = 0.0 if order >= 0 else 1.0
    others = (x.flip(0) * 1.5,)
    for fn in (
        lambda x: torch.linalg.vector_norm(x, order),
        lambda x: torch.linalg.vector_norm(x, order, dim=(0, -1), keepdim=True),
        lambda x: torch.norm(x, order, dim=1),
    ):
        check_export(fn, (x,), others, rtol=1e-5, atol=1e-6)


def test_norms_as_people_write_them() -> None:
    x = numbers(torch.float32)
    check(lambda x: (x.norm(), x.norm(dim=-1), torch.linalg.norm(x.flatten())), x)
    check(lambda x: torch.nn.functional.normalize(x, dim=1), x)
    check(lambda x: torch.norm(x, 2, dim=1, dtype=torch.float64), x)


def test_logsumexp_does_not_overflow() -> None:
    x = torch.tensor([[1000.0, 1000.5], [-1000.0, -1001.0], [-math.inf, -math.inf]])
    check(lambda x: torch.logsumexp(x, 1), x)
    check(lambda x: torch.logsumexp(x, 0), torch.tensor([[1, 2], [3, 4]]))


@pytest.mark.parametrize("dtype", [torch.bool] + INTS + FLOATS)
def test_cumulative_sums(dtype: torch.dtype) -> None:
    check(lambda x: (x.cumsum(0), torch.cumsum(x, -1)), numbers(dtype), dtype=dtype)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax_and_its_logarithm(dtype: torch.dtype, dim: int) -> None:
    x = numbers(dtype) * 4
    tolerance = {torch.float16: 3e-3, torch.float32: 2e-6, torch.float64: 1e-13}[dtype]
    check_export(lambda x: torch.softmax(x, dim), x, rtol=tolerance, atol=tolerance)
    check_export(lambda x: torch.log_softmax(x, dim), x, rtol=tolerance, atol=tolerance)


def test_softmax_is_one_node() -> None:
    graph = check(torch.nn.Softmax(dim=1), numbers(torch.float32))
    assert ops(graph) == ["Softmax"]
    assert graph.node[0].attribute[0].i == 1


def test_softmax_of_a_mask_of_infinities() -> None:
    x = torch.tensor([[0.0, -math.inf, 1.0], [-math.inf, 2.0, -math.inf]])
    check(lambda x: x.softmax(-1), x)


def test_sums_over_nothing() -> None:
    x = torch.zeros(2, 0, 3)
    check_export(lambda x: (x.sum(1), x.prod(1)), x, (x,))


def test_the_mean_of_nothing_is_not_a_number() -> None:
    x = torch.zeros(2, 0, 3)
    check_export(lambda x: (x.mean(1), x.mean(), torch.var_mean(x, 1, correction=0)), x, (x,))


@pytest.mark.parametrize("name", ["all", "any"])
def test_all_and_any_of_nothing(name: str) -> None:
    check_export(lambda x: getattr(x, name)(), torch.ones(2, 0))
    check_export(lambda x: getattr(x, name)(1), torch.ones(2, 0))
    check_export(lambda x: getattr(x, name)(0, keepdim=True), torch.ones(2, 0, dtype=torch.bool))


def test_powers_of_float16_need_not_fit_for_a_norm():
    x = torch.linspace(-40, 40, 30, dtype=torch.float16)
    graph = check_export(lambda x: torch.linalg.vector_norm(x, 4), x, rtol=1e-3)
    assert "Cast" in ops(graph)
