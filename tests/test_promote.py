"""Type promotion: the dtype in which a graph computes is torch.result_type."""

from __future__ import annotations

import itertools
from typing import Any

import onnx
import pytest
import torch
from exported import check_export, ops, to_bytes

DTYPES = [
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.float32, torch.float64),
]
NUMBERS = [True, 2, 2.5]
ONNX = {
    torch.bool: onnx.TensorProto.BOOL,
    torch.uint8: onnx.TensorProto.UINT8,
    torch.int8: onnx.TensorProto.INT8,
    torch.int16: onnx.TensorProto.INT16,
    torch.int32: onnx.TensorProto.INT32,
    torch.int64: onnx.TensorProto.INT64,
    torch.float16: onnx.TensorProto.FLOAT16,
    torch.float32: onnx.TensorProto.FLOAT,
    torch.float64: onnx.TensorProto.DOUBLE,
}


def tensor(dtype: torch.dtype, rank: int, scale: int = 1) -> torch.Tensor:
    """1, 2, 3 times SCALE, or 3 times SCALE without dimensions."""
    values = torch.tensor([1, 2, 3]) * scale
    return (values if rank else values[2]).to(dtype)


def tolerance(dtype: torch.dtype) -> float:
    return 1e-3 if dtype == torch.float16 else 1e-6 if dtype.is_floating_point else 0.0


def multiplied(x: Any, y: Any) -> torch.Tensor:
    return torch.mul(x, y)


def computed_in(data: bytes) -> int:
    """The ONNX dtype of the inputs of the one node that is not a Cast."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
    dtypes = {
        value.name: value.type.tensor_type.elem_type
        for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]
    }
    dtypes.update({tensor.name: tensor.data_type for tensor in model.graph.initializer})
    (node,) = [node for node in model.graph.node if node.op_type != "Cast"]
    (dtype,) = {dtypes[name] for name in node.input}
    return dtype


@pytest.mark.parametrize(("rank_x", "rank_y"), [(1, 1), (1, 0), (0, 1), (0, 0)])
@pytest.mark.parametrize("dtype_x", DTYPES)
def test_tensors_meet_in_the_result_type(dtype_x: torch.dtype, rank_x: int, rank_y: int) -> None:
    for dtype_y in DTYPES:
        x, y = tensor(dtype_x, rank_x), tensor(dtype_y, rank_y)
        expected = torch.result_type(x, y)
        data = to_bytes(multiplied, (x, y), format="onnx")
        assert computed_in(data) == ONNX[expected], (dtype_x, dtype_y)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_number_raises_the_category_only(rank: int, number: Any) -> None:
    for dtype in DTYPES:
        x = tensor(dtype, rank)
        expected = torch.result_type(x, number)
        for program in (lambda x: torch.mul(x, number), lambda x: number * x):
            assert computed_in(to_bytes(program, (x,), format="onnx")) == ONNX[expected], dtype


@pytest.mark.parametrize("dtype_x", DTYPES)
def test_mixed_sums_are_pytorchs(dtype_x: torch.dtype) -> None:
    for dtype_y, (rank_x, rank_y) in itertools.product(DTYPES, [(1, 1), (1, 0)]):
        x, y = tensor(dtype_x, rank_x), tensor(dtype_y, rank_y)
        others = (tensor(dtype_x, rank_x, 30), tensor(dtype_y, rank_y, 7))
        limit = tolerance(torch.result_type(x, y))
        check_export(lambda x, y: x + y, (x, y), others, rtol=limit, atol=limit)


def test_a_zero_dimensional_integer_does_not_widen_a_small_one() -> None:
    x, y = torch.tensor([100, -100], dtype=torch.int8), torch.tensor(100)
    graph = check_export(lambda x, y: x + y, (x, y), (x, torch.tensor(77)))
    assert ops(graph) == ["Cast", "Add"]


def test_true_division_of_integers_is_float() -> None:
    for dtype in DTYPES[:6]:
        x, y = tensor(dtype, 1), tensor(dtype, 1, 2) if dtype != torch.bool else tensor(dtype, 1)
        check_export(lambda x, y: x / y, (x, y), (x, y), rtol=1e-6)


def test_where_and_comparisons_promote_too() -> None:
    mask, x, y = torch.tensor([True, False, True]), torch.tensor([1, 2, 3]), torch.tensor(2.5)
    check_export(torch.where, (mask, x, y), (~mask, x + 1, y * 3))
    check_export(lambda x, y: (x < y, x == 2.0, torch.maximum(x, y)), (x, y))
