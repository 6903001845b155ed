"""Whole numbers that stand for real ones, against eager PyTorch: results are equal, or a quantum
apart where the two round a number between two quanta (PyTorch multiplies by 1 / scale, ONNX
divides by scale)."""

from __future__ import annotations

import copy
import io
import warnings
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.ao.quantization.fx._decomposed  # defines the operators
from exported import as_numpy, check_export, ops, run_onnxruntime, to_bytes, to_graph
from torch import nn
from torch.ao.quantization import (
    FakeQuantize,
    MovingAverageMinMaxObserver,
    default_fused_act_fake_quant,
    default_fused_per_channel_wt_fake_quant,
    default_per_channel_weight_fake_quant,
    disable_observer,
)

import toffee

Q = torch.ops.quantized_decomposed
SCALE = 0.0173

#: dtype, least and greatest number
RANGES = {
    "int8": (torch.int8, -128, 127),
    "uint8": (torch.uint8, 0, 255),
    "int8 without -128": (torch.int8, -127, 127),
    "4 bits in int8": (torch.int8, -8, 7),
    "7 bits in uint8": (torch.uint8, 0, 127),
    "int16": (torch.int16, -32768, 32767),
    "uint16": (torch.uint16, 0, 65535),
    "int32": (torch.int32, -(2**31), 2**31 - 1),
}
every_range = pytest.mark.parametrize("name", RANGES)
every_byte = pytest.mark.parametrize("name", [name for name in RANGES if "8" in name])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def numbers(dtype: torch.dtype, low: int, high: int, *shape: int) -> torch.Tensor:
    # Those of 32 bits that float32 holds.
    low, high = max(low, -(2**20)), min(high, 2**20)
    return torch.randint(low, high + 1, shape).to(dtype)


def check_quanta(fn: Any, args: tuple[Any, ...], quantum: float = 1) -> toffee.Graph:
    """FN on other values is within QUANTUM, and nearly all of it is equal."""
    data = to_bytes(fn, args, format="onnx")
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    args = tuple(x * -0.7 for x in args)
    expected = as_numpy(fn(*copy.deepcopy(args)))
    for optimize in (False, True):
        result = run_onnxruntime(data, [as_numpy(x) for x in args], optimize)[0]
        assert result.dtype == expected.dtype
        off = np.abs(result.astype(np.float64) - expected.astype(np.float64))
        assert off.max() <= quantum * 1.0001
        assert (off > quantum / 2).mean() < 0.01
    return toffee.loads(data)


# ---- operators ----------------------------------------------------------------------------------


@every_range
@pytest.mark.parametrize("zero_point", [0, 3])
def test_a_tensor_is_quantized(name, zero_point):
    dtype, low, high = RANGES[name]
    x = torch.randn(50, 40)
    graph = check_quanta(
        lambda x: Q.quantize_per_tensor(x, SCALE, zero_point, low, high, dtype), (x,)
    )
    assert ("QuantizeLinear" in ops(graph)) == (dtype.itemsize == 1)


@every_byte
def test_what_is_out_of_range_is_the_nearest_there_is(name):
    dtype, low, high = RANGES[name]
    x = torch.linspace(-9, 9, 40)
    graph = check_export(
        lambda x: Q.quantize_per_tensor(x, SCALE, 2, low, high, dtype), (x,), x * 2
    )
    bounds = {"int8": 0, "uint8": 0, "int8 without -128": 1, "4 bits in int8": 2}
    assert len(graph.node) == 1 + bounds.get(name, 1)


@every_range
@pytest.mark.parametrize("zero_point", [0, 3])
def test_a_tensor_is_dequantized(name, zero_point):
    dtype, low, high = RANGES[name]
    graph = check_export(
        lambda q: Q.dequantize_per_tensor(q, SCALE, zero_point, low, high, dtype),
        (numbers(dtype, low, high, 5, 6),),
        (numbers(dtype, low, high, 5, 6),),
    )
    is_node = dtype.itemsize == 1 or (dtype == torch.int32 and zero_point == 0)
    assert ops(graph) == (["DequantizeLinear"] if is_node else ["Cast", "Sub", "Mul"])


@every_range
def test_there_and_back_is_a_pair_of_nodes(name):
    dtype, low, high = RANGES[name]

    def there_and_back(x):
        q = Q.quantize_per_tensor(x, SCALE, 1, low, high, dtype)
        return Q.dequantize_per_tensor(q, SCALE, 1, low, high, dtype)

    check_quanta(there_and_back, (torch.randn(50, 40),), SCALE)


@every_range
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_channel_may_have_its_scale(name, axis):
    dtype, low, high = RANGES[name]
    scales = torch.rand(4) * 0.02 + 0.01
    zero_points = torch.tensor([0, 1, 2, 3])
    x = torch.randn(4, 4, 4)
    graph = check_quanta(
        lambda x: Q.quantize_per_channel(x, scales, zero_points, axis, low, high, dtype), (x,)
    )
    assert ("QuantizeLinear" in ops(graph)) == (dtype.itemsize == 1)
    if dtype == torch.uint16:
        return  # PyTorch cannot subtract from these
    q = numbers(dtype, low, high, 4, 4, 4)
    check_export(
        lambda q: Q.dequantize_per_channel(q, scales, zero_points, axis, low, high, dtype),
        (q,),
        (q.flip(0).contiguous(),),
    )


def test_channels_may_have_no_zero_points():
    q = numbers(torch.int8, -128, 127, 2, 5)
    graph = check_export(
        lambda q: Q.dequantize_per_channel(
            q, torch.tensor([0.1, 0.2]), None, 0, -128, 127, torch.int8
        ),
        (q,),
    )
    assert ops(graph) == ["DequantizeLinear"]


@pytest.mark.parametrize("shape", [(), (1,)], ids=["number", "one of"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_scale_and_zero_point_may_be_computed(shape, dtype):
    def forward(x, scale, zero):
        q = Q.quantize_per_tensor.tensor(x, scale, zero, -128, 127, torch.int8)
        return q, Q.dequantize_per_tensor.tensor(q, scale, zero, -128, 127, torch.int8)

    def parameters(scale, zero):
        return torch.full(shape, scale, dtype=dtype), torch.full(shape, zero)

    x = torch.linspace(-3, 3, 41)
    graph = check_export(forward, (x, *parameters(0.125, 4)), (x, *parameters(0.0625, -7)))
    assert {"QuantizeLinear", "DequantizeLinear"} <= set(ops(graph))


def test_bounds_may_be_tensors():
    low, high = torch.tensor(-100), torch.tensor(90)

    def forward(x, scale, zero):
        q = Q.quantize_per_tensor.tensor2(x, scale, zero, low, high, torch.int8)
        return q, Q.dequantize_per_tensor.tensor2(q, scale, zero, low, high, torch.int8)

    x = torch.linspace(-30, 30, 41)
    args = (x, torch.tensor(0.125), torch.tensor(4))
    check_export(forward, args, (x / 2, torch.tensor(0.25), torch.tensor(-3)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64], ids=str)
def test_the_result_may_have_another_float_type(dtype):
    q = numbers(torch.int8, -128, 127, 2, 5)
    # PyTorch rounds to float16 after each step, the node only at the end.
    eps = torch.finfo(torch.float16).eps if dtype == torch.float16 else 1e-12
    check_export(
        lambda q: Q.dequantize_per_tensor(q, 0.1, 2, -128, 127, torch.int8, out_dtype=dtype),
        (q,),
        rtol=2 * eps,
        atol=eps,
    )


def test_halves_are_quantized_as_floats():
    check_quanta(
        lambda x: Q.quantize_per_tensor(x.half(), SCALE, 3, -128, 127, torch.int8),
        (torch.randn(50, 40),),
    )


# ---- scales from the data -----------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 5.0, -5.0])
@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_scale_and_zero_point_are_chosen_by_the_data(name, shift):
    dtype, low, high = RANGES[name]

    def chosen(x):
        return (
            Q.choose_qparams.tensor(x, low, high, 1e-5, dtype),
            Q.choose_qparams_symmetric.tensor(x, low, high, 1e-5, dtype),
        )

    def quantized(x):
        return Q.quantize_per_tensor.tensor(x, *chosen(x)[0], low, high, dtype)

    with warnings.catch_warnings():
        warnings.simplefilter("error", toffee.TraceWarning)
        check_export(chosen, (torch.randn(3, 4) + shift,))
        check_quanta(quantized, (torch.randn(50, 40) + shift,))


@pytest.mark.parametrize("asymmetric", [False, True])
def test_each_token_may_have_its_scale(asymmetric):
    choose = Q.choose_qparams_per_token_asymmetric if asymmetric else Q.choose_qparams_per_token

    def tokens(x):
        scales, zeros = choose(x, torch.int8)
        q = Q.quantize_per_token(x, scales, zeros, -128, 127, torch.int8)
        return q, Q.dequantize_per_token(q, scales, zeros, -128, 127, torch.int8, torch.float32)

    with warnings.catch_warnings():
        warnings.simplefilter("error", toffee.TraceWarning)
        check_export(tokens, (torch.randn(2, 5, 4),))


def test_each_group_of_a_row_may_have_its_scale():
    def groups(x, scales, zeros):
        q = Q.quantize_per_channel_group(x, scales, zeros, -8, 7, torch.int8, 8)
        return q, Q.dequantize_per_channel_group(
            q, scales, zeros, -8, 7, torch.int8, 8, torch.float32
        )

    zeros = torch.randint(-2, 3, (4, 2), dtype=torch.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("error", toffee.TraceWarning)
        check_export(groups, (torch.randn(4, 16), torch.rand(4, 2) + 0.1, zeros))


# ---- pretending ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "zero_point"),
    [(0, 255, 100), (-128, 127, 0), (-127, 127, 0), (-8, 7, 0), (0, 15, 7), (-32768, 32767, 0)],
)
def test_a_tensor_is_quantized_for_show(low, high, zero_point):
    scale = 0.25
    x = (torch.arange(-400, 400) + 0.3) * scale / 4
    graph = check_export(
        lambda x: torch.fake_quantize_per_tensor_affine(x, scale, zero_point, low, high),
        (x,),
        x * 3,
    )
    assert ("DequantizeLinear" in ops(graph)) == (high < 256)


def test_the_parameters_of_the_show_may_be_computed():
    def forward(x, scale, zero):
        return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 255)

    def parameters(scale, zero):
        return torch.tensor([scale]), torch.tensor([zero], dtype=torch.int32)

    x = (torch.arange(-400, 400) + 0.3) / 64
    check_export(forward, (x, *parameters(0.125, 100)), (x, *parameters(0.0625, 127)))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_each_channel_may_have_its_show(axis):
    scales, zeros = torch.rand(4) / 50 + 0.01, torch.tensor([0, 1, -2, 0], dtype=torch.int32)
    axis %= 2  # PyTorch takes no negative one
    check_quanta(
        lambda x: torch.fake_quantize_per_channel_affine(x, scales, zeros, axis, -128, 127),
        (torch.randn(4, 4),),
        float(scales.max()),
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
def test_the_show_has_the_type_of_the_tensor(dtype):
    # PyTorch computes this in float16, ONNX in float.
    tolerance = 2 * torch.finfo(dtype).eps
    x = (torch.arange(-100, 100) + 0.3) / 50
    check_export(
        lambda x: torch.fake_quantize_per_tensor_affine(x.to(dtype), 0.25, 3, 0, 255).float(),
        (x,),
        x * 3,
        rtol=tolerance,
        atol=tolerance,
    )


@pytest.mark.filterwarnings("ignore:Please use quant_min")
@pytest.mark.parametrize(
    "make",
    [
        FakeQuantize.with_args(
            observer=MovingAverageMinMaxObserver, quant_min=0, quant_max=255, dtype=torch.quint8
        ),
        default_per_channel_weight_fake_quant,
        default_fused_act_fake_quant,
        default_fused_per_channel_wt_fake_quant,
    ],
    ids=["tensor", "channel", "fused tensor", "fused channel"],
)
def test_the_modules_of_quantization_aware_training_may_be_exported(make):
    made = make()
    x = torch.randn(6, 4)
    made(x)
    made.apply(disable_observer).eval()
    quantum = float(made.scale.max())
    graph = check_quanta(made, (x,), quantum)
    assert {"QuantizeLinear", "DequantizeLinear"} <= set(ops(graph))
    made.disable_fake_quant()
    assert "QuantizeLinear" not in ops(check_export(made, (x,)))


def test_a_module_that_still_observes_is_refused():
    made = default_fused_act_fake_quant()
    made(torch.randn(6, 4))
    with pytest.raises(toffee.UnsupportedOperatorError, match="fused_moving_avg_obs"):
        to_graph(made, torch.randn(6, 4))


# ---- models -------------------------------------------------------------------------------------


class Quantized(nn.Module):
    """A net as PyTorch's export flow leaves it: weights of 8 bits, activations there and back."""

    def __init__(self) -> None:
        super().__init__()
        self.add("conv", torch.randn(8, 3, 3, 3))
        self.add("linear", torch.randn(5, 8))

    def add(self, name: str, weight: torch.Tensor) -> None:
        scale = weight.flatten(1).abs().amax(1) / 127
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        q = Q.quantize_per_channel(weight, scale, zeros, 0, -127, 127, torch.int8)
        self.register_buffer(f"{name}_weight", q)
        self.register_buffer(f"{name}_scale", scale)
        self.register_buffer(f"{name}_zero_point", zeros)
        self.register_buffer(f"{name}_bias", torch.randn(len(scale)))

    def weight(self, name: str) -> torch.Tensor:
        parts = [getattr(self, f"{name}_{part}") for part in ("weight", "scale", "zero_point")]
        return Q.dequantize_per_channel(*parts, 0, -127, 127, torch.int8)

    @staticmethod
    def there_and_back(x: torch.Tensor, scale: float, zero: int) -> torch.Tensor:
        x = Q.quantize_per_tensor(x, scale, zero, 0, 255, torch.uint8)
        return Q.dequantize_per_tensor(x, scale, zero, 0, 255, torch.uint8)

    def forward(self, x):
        x = self.there_and_back(x, 0.03, 128)
        x = torch.conv2d(x, self.weight("conv"), self.conv_bias).relu()
        x = self.there_and_back(x, 0.1, 0)
        x = self.there_and_back(x.mean((2, 3)), 0.04, 0)
        return nn.functional.linear(x, self.weight("linear"), self.linear_bias)


def test_a_quantized_net_keeps_its_weights_of_8_bits():
    made = Quantized().eval()
    # An activation that falls to the other side moves the result by its quantum and a weight.
    graph = check_export(made, (torch.randn(2, 3, 8, 8),), atol=0.05)
    stored = {tensor.name: tensor.numpy() for tensor in graph.initializer}
    assert stored["conv_weight"].dtype == stored["linear_weight"].dtype == np.int8
    assert ops(graph).count("QuantizeLinear") == 3
    assert ops(graph).count("DequantizeLinear") == 5
    assert {"Conv", "Gemm"} <= set(ops(graph))


def test_the_runtime_computes_the_net_in_8_bits(tmp_path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    data = to_bytes(Quantized().eval(), torch.randn(2, 3, 8, 8), format="onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    optimized = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert "QLinearConv" in optimized
    assert "Conv" not in optimized


def test_a_program_of_torch_export_has_no_modes_and_is_exported_all_the_same():
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    x = torch.randn(2, 3, 8, 8)
    program = torch.export.export(made, (x,)).module()
    with pytest.raises(NotImplementedError):
        program.eval()
    check_export(program, (x,))
    check_export(nn.Sequential(program, nn.Tanh()), (x,))
    buffer = io.BytesIO()
    toffee.torch_toffee.export(program, (x,), buffer, verify=True)
