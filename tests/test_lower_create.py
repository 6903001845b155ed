"""Copies, casts and fills: ONNX Runtime against eager PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from exported import check_export, ops

INTS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
DTYPES = [torch.bool, *INTS, torch.float16, torch.float32, torch.float64]
X = torch.tensor([[0.0, 1.5, -2.25], [3.0, 100.0, 0.5]])


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x.clone(),
        lambda x: x.contiguous(),
        lambda x: x.detach(),
        lambda x: x.to(torch.float32),
        lambda x: x.to("cpu"),
        lambda x: x.to(x),
        lambda x: x.type_as(x),
        lambda x: x.float(),
        lambda x: x.t().contiguous().t(),
        lambda x: +x,
        lambda x: x.to("cpu", torch.float32, copy=True),
    ],
)
def test_a_copy_costs_no_node_of_its_own(fn: Any) -> None:
    graph = check_export(lambda x: fn(x) + 1, X)
    assert [op for op in ops(graph) if op != "Transpose"] == ["Add"]


@pytest.mark.parametrize("to", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_cast_from_every_type_to_every_type(dtype: torch.dtype, to: torch.dtype) -> None:
    # A negative float has no meaning in an unsigned integer; nor has one that is out of range.
    x = (X.abs() if to == torch.uint8 else X).to(dtype)
    graph = check_export(lambda x: x.to(to), x, x.flip(0), atol=0, rtol=0)
    assert ops(graph) in ([], ["Cast"], ["Identity"])


def test_integers_that_do_not_fit_wrap() -> None:
    x = torch.tensor([300, -1, 70000, -129])
    check_export(lambda x: (x.to(torch.uint8), x.to(torch.int8), x.short()), x, x * 3)


def test_half_of_a_large_number_is_infinite() -> None:
    check_export(lambda x: x.half(), torch.tensor([1e6, 65504.0, 1e-8, 65519.0]))


def test_casts_by_example_and_with_a_device() -> None:
    y = torch.tensor([1, 2], dtype=torch.int16)
    check_export(lambda x, y: (x.type_as(y), x.to(y), x.to("cpu", torch.float64)), (X, y))


@pytest.mark.parametrize("dtype", DTYPES)
def test_fills_of_every_type(dtype: torch.dtype) -> None:
    def program(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (
            torch.zeros_like(x) + x,
            torch.ones_like(x) * x,
            torch.full_like(x, 1) + x,
            x.new_ones(3) + x,
            x.new_full((2, 1), 0) + x,
            torch.zeros(3, dtype=dtype) + x,
        )

    x = X.abs().to(dtype)
    check_export(program, x, x.flip(1))


def test_a_fill_that_depends_on_nothing_is_returned_as_it_is() -> None:
    check_export(lambda x: (torch.zeros_like(x), x.new_full((2,), 7), torch.ones(()), x.sum()), X)


def test_filling_in_place_with_a_number_and_a_tensor() -> None:
    check_export(lambda x: x.clone().fill_(2.5) + x, X)
    check_export(lambda x, y: torch.empty(2, 3).fill_(y) + x, (X, torch.tensor(4.0)))
    check_export(lambda x, y: x.clone().fill_(y), (X.int(), torch.tensor(4.75)))
    check_export(lambda x: x.clone().zero_() + x, X)


def test_copying_broadcasts_and_casts() -> None:
    check_export(lambda x, y: torch.empty(2, 3).copy_(y) + x, (X, torch.tensor([1, 2, 3])))
    check_export(
        lambda x, y: x.clone().copy_(y), (X.short(), torch.tensor([1.5, -2.5, 300.0])), atol=0
    )


@pytest.mark.parametrize("diagonal", [0, 1, -1, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_triangles(dtype: torch.dtype, diagonal: int) -> None:
    x = torch.arange(1, 25).reshape(2, 3, 4).to(dtype)
    check_export(lambda x: (x.tril(diagonal), torch.triu(x, diagonal)), x)


def test_a_parameter_is_never_folded_into_a_constant() -> None:
    class Counter(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("steps", torch.tensor(7))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.steps

    graph = check_export(Counter(), torch.tensor([1, 2], dtype=torch.int8))
    assert ops(graph) == ["Cast", "Add"]
    assert "steps" in [tensor.name for tensor in graph.initializer]
