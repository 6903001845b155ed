"""Convolutions: attributes as ONNX wants them, numbers as eager PyTorch has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import pytest
import torch
import torch.nn.functional as F
from exported import check_export, ops, to_bytes
from torch import nn


def attributes(fn: Callable[..., Any], args: Any, op_type: str) -> dict[str, Any]:
    """The attributes of the only OP_TYPE in the graph of FN."""
    model = onnx.load_from_string(to_bytes(fn, args, format="onnx"))
    (node,) = [node for node in model.graph.node if node.op_type == op_type]
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("padding", "pads"), [((0, 0), [0, 0, 0, 0]), ((1, 2), [1, 2, 1, 2])])
def test_convolution_padding_becomes_begins_then_ends(
    padding: tuple[int, int], pads: list[int]
) -> None:
    layer = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=padding, dilation=(1, 2), groups=2)
    assert attributes(layer, torch.randn(1, 4, 8, 9), "Conv") == {
        "dilations": [1, 2],
        "group": 2,
        "kernel_shape": [3, 2],
        "pads": pads,
        "strides": [2, 1],
    }


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_convolutions_of_every_rank_agree_with_torch(n: int, bias: bool) -> None:
    layer = getattr(nn, f"Conv{n}d")(4, 6, 3, stride=2, padding=1, groups=2, bias=bias)
    graph = check_export(layer, torch.randn(2, 4, *range(6, 6 + n)))
    assert ops(graph) == ["Conv"]


def test_same_padding_puts_the_odd_element_at_the_end() -> None:
    layer = nn.Conv2d(3, 4, (4, 3), padding="same", dilation=(1, 2))
    x = torch.randn(2, 3, 7, 9)
    assert attributes(layer, x, "Conv")["pads"] == [1, 2, 2, 2]
    assert ops(check_export(layer, x)) == ["Conv"]


def test_valid_padding_is_none() -> None:
    layer = nn.Conv1d(3, 4, 4, padding="valid", stride=2)
    x = torch.randn(2, 3, 9)
    assert attributes(layer, x, "Conv")["pads"] == [0, 0]
    check_export(layer, x)


def test_an_input_without_a_batch_gets_one_for_the_node() -> None:
    graph = check_export(nn.Conv2d(3, 4, 3), torch.randn(3, 7, 9))
    assert ops(graph) == ["Unsqueeze", "Conv", "Squeeze"]


def test_one_number_counts_for_every_axis() -> None:
    weight = torch.randn(4, 3, 3, 3)
    check_export(lambda x: F.conv2d(x, weight, None, [2], [1], [2]), torch.randn(1, 3, 9, 9))


def test_the_core_operator_is_either_convolution() -> None:
    weight, turned = torch.randn(4, 3, 3, 3), torch.randn(3, 4, 3, 3)

    def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        convolution = torch.ops.aten.convolution
        return (
            convolution(x, weight, None, [2, 1], [1, 0], [1, 1], False, [0, 0], 1),
            convolution(x, turned, None, [2, 1], [1, 0], [1, 1], True, [1, 0], 1),
        )

    assert ops(check_export(both, torch.randn(2, 3, 6, 7))) == ["Conv", "ConvTranspose"]


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_transposed_convolutions_of_every_rank_agree_with_torch(n: int, bias: bool) -> None:
    layer = getattr(nn, f"ConvTranspose{n}d")(
        4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, bias=bias
    )
    graph = check_export(layer, torch.randn(2, 4, *range(4, 4 + n)))
    assert ops(graph) == ["ConvTranspose"]


def test_transposed_convolution_has_output_padding_only_where_there_is_some() -> None:
    x = torch.randn(1, 3, 5, 5)
    plain = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=(1, 0))
    padded = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=(1, 0), output_padding=(0, 1))
    assert attributes(plain, x, "ConvTranspose") == {
        "dilations": [1, 1],
        "group": 1,
        "kernel_shape": [3, 3],
        "pads": [1, 0, 1, 0],
        "strides": [2, 2],
    }
    assert attributes(padded, x, "ConvTranspose")["output_padding"] == [0, 1]


def test_output_padding_of_a_stride_or_more_becomes_less_cropping() -> None:
    layer = nn.ConvTranspose2d(3, 2, 3, stride=1, padding=2, output_padding=1, dilation=2)
    x = torch.randn(1, 3, 5, 6)
    found = attributes(layer, x, "ConvTranspose")
    assert found["pads"] == [2, 2, 1, 1]
    assert "output_padding" not in found
    check_export(layer, x)


@pytest.mark.parametrize("bias", [True, False])
def test_output_padding_past_every_tap_is_the_bias_alone(bias: bool) -> None:
    layer = nn.ConvTranspose2d(
        3, 2, 3, stride=(1, 2), padding=1, output_padding=(3, 1), dilation=4, bias=bias
    )
    graph = check_export(layer, torch.randn(1, 3, 5, 6))
    assert ops(graph)[:2] == ["ConvTranspose", "Pad"]
    check_export(layer, torch.randn(3, 5, 6))


def test_transposed_convolution_without_a_batch() -> None:
    graph = check_export(nn.ConvTranspose1d(3, 4, 3), torch.randn(3, 7))
    assert ops(graph) == ["Unsqueeze", "ConvTranspose", "Squeeze"]


def test_bfloat16_is_computed_in_float_which_conv_knows() -> None:
    layer = nn.Conv2d(3, 4, 3).bfloat16()
    graph = check_export(
        lambda x: layer(x.bfloat16()).float(),
        torch.randn(1, 3, 6, 6),
        rtol=1e-2,  # one step of bfloat16: torch adds in an order of its own before it rounds
        atol=1e-2,
    )
    assert "Conv" in ops(graph)


def test_double_and_half_stay_as_they_are() -> None:
    for dtype in (torch.double, torch.half):
        model = to_bytes(nn.Conv2d(3, 4, 3).to(dtype), torch.randn(1, 3, 5, 5).to(dtype))
        assert model  # ONNX Runtime has no kernel of double to compare with
        layer = nn.Conv2d(3, 4, 3).to(dtype)
        graph = onnx.load_from_string(
            to_bytes(layer, torch.randn(1, 3, 5, 5).to(dtype), format="onnx")
        )
        assert [node.op_type for node in graph.graph.node] == ["Conv"]
        onnx.checker.check_model(graph, full_check=True)
