"""Graphs of 2017, encoded by hand, upgraded, run, and compared with what they meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from old_graphs import Row, encode, fail_each_allocation, run
from wire_bytes import data, integer, texts
from wire_samples import node

import toffee

BOTH = ("early", "late")


def rand(*shape: int) -> np.ndarray:
    """Numbers from -1 to 1 that depend on the shape only."""
    return np.random.default_rng(sum(shape) + len(shape)).uniform(-1, 1, shape).astype(np.float32)


def torch_of(fn: Callable[..., torch.Tensor]) -> Callable[..., np.ndarray]:
    return lambda *arrays: fn(*(torch.from_numpy(array) for array in arrays)).numpy()


@dataclass
class Case:
    """One or more nodes from input(s) to "y", and the NumPy or PyTorch function they mean."""

    rows: list[Row]
    expected: Callable[..., np.ndarray]
    inputs: dict[str, np.ndarray]
    params: dict[str, np.ndarray] = field(default_factory=dict)
    dialects: tuple[str, ...] = BOTH


def one(
    op_type: str,
    expected: Callable[..., np.ndarray],
    *arrays: np.ndarray,
    params: Mapping[str, np.ndarray] | None = None,
    outputs: tuple[str, ...] = ("y",),
    dialects: tuple[str, ...] = BOTH,
    **attrs: Any,
) -> Case:
    """A single node; EXPECTED gets the inputs and then the parameters."""
    names = [f"x{i}" for i in range(len(arrays))]
    params = dict(params or {})
    rows: list[Row] = [(op_type, [*names, *params], outputs, attrs)]
    return Case(rows, expected, dict(zip(names, arrays, strict=True)), params, dialects)


IMAGE = rand(2, 3, 7, 9)
KERNEL = rand(4, 3, 3, 2)
STATISTICS = {
    "scale": rand(3) + 2,
    "bias": rand(3),
    "mean": rand(3) / 2,
    "var": rand(3) + 1.5,
}
MATRIX = rand(4, 5)
CUBE = rand(2, 3, 4)


def conv(stride: Any, pad: Any, dilation: Any = 1) -> Callable[..., np.ndarray]:
    def expected(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return F.conv2d(
            torch.from_numpy(x), torch.from_numpy(w), None, stride, pad, dilation
        ).numpy()

    return expected


def batch_norm(x: np.ndarray, *statistics: np.ndarray) -> np.ndarray:
    scale, bias, mean, var = (s.reshape(-1, 1, 1) for s in statistics)
    return (x - mean) / np.sqrt(var + 1e-3) * scale + bias


def batch_norm_training(x: np.ndarray, scale: np.ndarray, bias: np.ndarray, *_: Any) -> np.ndarray:
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    return batch_norm(x, scale, bias, mean, var)


def softmax_from(axis: int) -> Callable[..., np.ndarray]:
    """Softmax as 2017 meant it: over everything from AXIS on."""

    def expected(x: np.ndarray) -> np.ndarray:
        flat = x.reshape(int(np.prod(x.shape[:axis])), -1).astype(np.float64)
        e = np.exp(flat - flat.max(1, keepdims=True))
        return (e / e.sum(1, keepdims=True)).reshape(x.shape).astype(np.float32)

    return expected


def selu(alpha: float, gamma: float) -> Callable[..., np.ndarray]:
    return lambda x: gamma * np.where(x > 0, x, alpha * np.expm1(x))


CASES: dict[str, Case] = {
    # Convolutions and pools, in each spelling.
    "conv_kernel_shape": one(
        "Conv", conv((2, 1), (1, 0)), IMAGE, params={"w": KERNEL},
        kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0], dilations=[1, 1], group=1,
    ),
    "conv_two_pads_are_both_ends": one(
        "Conv", conv(1, (2, 1)), IMAGE, params={"w": KERNEL}, kernels=[3, 2], pads=[2, 1],
    ),
    "conv_single_numbers": one(
        "Conv", conv(2, 1, 2), IMAGE, params={"w": rand(4, 3, 3, 3)}, kernel=3, stride=2, pad=1,
        dilation=2,
    ),
    "conv_by_side": one(
        "Conv", conv((1, 2), (1, 0)), IMAGE, params={"w": KERNEL}, kernel_h=3, kernel_w=2,
        stride_h=1, stride_w=2, pad_t=1, pad_b=1, pad_l=0, pad_r=0, order=b"NCHW",
    ),
    "conv_1d_from_the_weight": one(
        "Conv", torch_of(lambda x, w: F.conv1d(x, w, None, 2, 1)), CUBE,
        params={"w": rand(5, 3, 3)}, kernel=3, stride=2, pad=1,
    ),
    "conv_transpose": one(
        "ConvTranspose", torch_of(lambda x, w: F.conv_transpose2d(x, w, None, 2, 1, 1)), IMAGE,
        params={"w": rand(3, 4, 3, 3)}, kernel=3, stride=2, pad=1, adj=1,
    ),
    "caffe2_conv_transpose": one(
        "Caffe2ConvTranspose", torch_of(lambda x, w: F.conv_transpose2d(x, w, None, 2)), IMAGE,
        params={"w": rand(3, 4, 2, 2)}, kernels=[2, 2], strides=[2, 2],
    ),
    "max_pool": one(
        "MaxPool", torch_of(lambda x: F.max_pool2d(x, 3, 2, 1)), IMAGE,
        kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1], dilations=[1, 1],
    ),
    "max_pool_unused_second_output": one(
        "MaxPool", torch_of(lambda x: F.max_pool2d(x, 2)), IMAGE, outputs=("y", "indices"),
        kernel=2, stride=2,
    ),
    "max_pool_as_caffe_rounded": one(
        "MaxPool", torch_of(lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True)), rand(1, 2, 6, 8),
        kernel=3, stride=2, legacy_pad=3,
    ),
    "average_pool_leaves_padding_out": one(
        "AveragePool",
        torch_of(lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)), IMAGE,
        kernel=3, stride=2, pad=1,
    ),
    "average_pool_global": one(
        "AveragePool", lambda x: x.mean((2, 3), keepdims=True), IMAGE, global_pooling=1,
    ),
    "max_pool_global": one(
        "MaxPool", lambda x: x.max((2, 3), keepdims=True), IMAGE, global_pooling=1, kernel=0,
    ),
    "global_average_pool": one(
        "GlobalAveragePool", lambda x: x.mean((2, 3), keepdims=True), IMAGE,
    ),
    "lp_pool_with_a_float_norm": one(
        "LpPool", torch_of(lambda x: F.lp_pool2d(x.abs(), 2.0, 2, 2)), np.abs(IMAGE), kernel=2,
        stride=2, p=2.0,
    ),
    # Normalization.
    "spatial_bn": one(
        "SpatialBN", batch_norm, IMAGE, params=STATISTICS, is_test=1, epsilon=1e-3,
        order=b"NCHW",
    ),
    "batch_norm_test": one(
        "BatchNormalization", batch_norm, IMAGE, params=STATISTICS, is_test=1, epsilon=1e-3,
        momentum=0.9, spatial=1, consumed_inputs=[0, 0, 0, 1, 1],
    ),
    "batch_norm_training_with_five_outputs": one(
        "BatchNormalization", batch_norm_training, IMAGE, params=STATISTICS, is_test=0,
        epsilon=1e-3, outputs=("y", "new_mean", "new_var", "saved_mean", "saved_var"),
    ),
    "batch_norm_training_in_place": one(
        "SpatialBN", batch_norm_training, IMAGE, params=STATISTICS, is_test=0, epsilon=1e-3,
        outputs=("y", "mean", "var", "saved_mean", "saved_var"),
    ),
    "batch_norm_by_element": one(
        "BatchNormalization",
        lambda x, s, b, m, v: (x - m) / np.sqrt(v + 1e-5) * s + b, CUBE,
        params={"s": rand(3, 4), "b": rand(3, 4) / 2, "m": rand(3, 4) / 3, "v": rand(3, 4) + 2},
        is_test=1, spatial=0,
    ),
    "instance_norm": one(
        "InstanceNorm", torch_of(lambda x, s, b: F.instance_norm(x, None, None, s, b, eps=1e-3)),
        IMAGE, params={"s": rand(3) + 2, "b": rand(3)}, epsilon=1e-3,
    ),
    "lrn": one(
        "LRN", torch_of(lambda x: F.local_response_norm(x, 3, 0.1, 0.6, 2.0)), IMAGE, size=3,
        alpha=0.1, beta=0.6, bias=2.0,
    ),
    # Matrices.
    "fc": one(
        "FC", lambda x, w, b: x @ w.T + b, MATRIX, params={"w": rand(6, 5), "b": rand(6)},
    ),
    "fc_flattens": one(
        "FC", lambda x, w, b: x.reshape(2, -1) @ w.T + b, CUBE,
        params={"w": rand(6, 12), "b": rand(6)}, axis=1,
    ),
    "fc_keeps_axes_before_axis": one(
        "FC", lambda x, w, b: x @ w.T + b, CUBE, params={"w": rand(6, 4), "b": rand(6)}, axis=2,
    ),
    "linear_as_pytorch_wrote_it": Case(
        [
            ("Transpose", ["w"], ["1"], {"perm": [1, 0]}),
            ("Transpose", ["1"], ["2"], {}),
            ("FC", ["x", "2", "b"], ["y"], {}),
        ],
        lambda x, w, b: x @ w.T + b,
        {"x": MATRIX},
        {"w": rand(6, 5), "b": rand(6)},
    ),
    "gemm": one(
        "Gemm", lambda x, w, c: 0.5 * x @ w + 2 * c, MATRIX,
        params={"w": rand(5, 3), "c": rand(3)}, alpha=0.5, beta=2.0, broadcast=1,
    ),
    "matmul_transposed": one(
        "MatMul", lambda x, w: x @ w.T, MATRIX, params={"w": rand(6, 5)}, trans_b=1,
    ),
    # Arithmetic that broadcasts.
    "conv_bias_as_pytorch_wrote_it": Case(
        [
            ("Conv", ["x", "w"], ["1"], {"kernel_shape": [3, 2]}),
            ("Add", ["1", "b"], ["y"], {"broadcast": 1, "axis": 1}),
        ],
        torch_of(lambda x, w, b: F.conv2d(x, w, b)),
        {"x": IMAGE},
        {"w": KERNEL, "b": rand(4)},
    ),
    "add_at_axis_of_unknown_rank": one(
        "Add", lambda x, b: x + b[:, None], CUBE, params={"b": rand(3)}, broadcast=1, axis=1,
    ),
    "mul_at_axis_0_of_unknown_ranks": one(
        "Mul", lambda x, z: x * z[:, :, None], CUBE, rand(2, 3), broadcast=1, axis=0,
    ),
    "sub_at_the_end": one(
        "Sub", lambda x, b: x - b, CUBE, params={"b": rand(4)}, broadcast=1,
    ),
    "div_at_the_end_by_axis": one(
        "Div", lambda x, b: x / b, CUBE, params={"b": rand(3, 4) + 3}, broadcast=1, axis=-1,
    ),
    "add_without_broadcast": one("Add", lambda x, z: x + z, CUBE, CUBE + 1),
    "pow_with_exponent": one("Pow", lambda x: x**3, CUBE, exponent=3.0),
    "scale": one("Scale", lambda x: x * 2.5, CUBE, scale=2.5),
    "scale_by_minus_one": one("Scale", lambda x: -x, CUBE, scale=-1.0),
    "negate": one("Negate", lambda x: -x, CUBE),
    "sum": one("Sum", lambda x, y, z: x + y + z, CUBE, CUBE + 1, CUBE * 2),
    "max": one("Max", np.maximum, CUBE, -CUBE),
    "min": one("Min", np.minimum, CUBE, -CUBE),
    "affine": one("Affine", lambda x: 2 * x + 3, CUBE, alpha=2.0, beta=3.0),
    "scaled_tanh": one("ScaledTanh", lambda x: 2 * np.tanh(3 * x), CUBE, alpha=2.0, beta=3.0),
    "parametric_softplus": one(
        "ParametricSoftplus", lambda x: 2 * np.log(np.exp(3 * x) + 1), CUBE, alpha=2.0, beta=3.0,
    ),
    "clip": one("Clip", lambda x: np.clip(x, -0.25, 0.5), CUBE, min=-0.25, max=0.5),
    "clip_from_below": one("Clip", lambda x: np.maximum(x, 0.1), CUBE, min=0.1),
    # Activations and their defaults of 2017.
    "relu": one("Relu", lambda x: np.maximum(x, 0), CUBE, consumed_inputs=[1]),
    "sigmoid": one("Sigmoid", lambda x: 1 / (1 + np.exp(-x)), CUBE),
    "elu": one("Elu", lambda x: np.where(x > 0, x, np.expm1(x)), CUBE),
    "elu_alpha": one("Elu", lambda x: np.where(x > 0, x, 2 * np.expm1(x)), CUBE, alpha=2.0),
    "leaky_relu": one("LeakyRelu", lambda x: np.where(x > 0, x, 0.01 * x), CUBE),
    "selu": one("Selu", selu(1.6732, 1.0507), CUBE),
    "selu_as_caffe2_spelt_it": one("Selu", selu(1.5, 1.25), CUBE, alpha=1.5, scale=1.25),
    "prelu_a_channel": one(
        "PRelu", lambda x, s: np.where(x > 0, x, s[:, None, None] * x), IMAGE,
        params={"s": rand(3)},
    ),
    "prelu_one_slope": one(
        "PRelu", lambda x, s: np.where(x > 0, x, s * x), IMAGE, params={"s": rand(1)},
    ),
    "softmax_matrix": Case(
        [
            ("FC", ["x", "w", "b"], ["1"], {}),
            ("Softmax", ["1"], ["y"], {}),
        ],
        lambda x, w, b: softmax_from(1)(x @ w.T + b),
        {"x": MATRIX},
        {"w": rand(6, 5), "b": rand(6)},
    ),
    "softmax_of_unknown_rank": one("Softmax", softmax_from(1), IMAGE),
    "softmax_axis_2": one("Softmax", softmax_from(2), IMAGE, axis=2),
    "log_softmax_axis_1": one(
        "LogSoftmax", lambda x: np.log(softmax_from(1)(x)), CUBE, axis=1,
    ),
    "dropout_test": one("Dropout", lambda x: x, CUBE, is_test=1, ratio=0.9),
    "dropout_drops_nothing": one("Dropout", lambda x: x, CUBE, is_test=0, ratio=0.0),
    "dropout_with_unused_mask": one(
        "Dropout", lambda x: x, CUBE, outputs=("y", "mask"), is_test=1, ratio=0.5,
    ),
    # Shapes.
    "reshape": one(
        "Reshape", lambda x: x.reshape(2, 12), CUBE, outputs=("y", "old_shape"), shape=[0, -1],
    ),
    "reshape_by_an_int32_input": one(
        "Reshape", lambda x, s: x.reshape(s), CUBE,
        params={"s": np.array([4, 6], np.int32)},
    ),
    "flatten": one("Flatten", lambda x: x.reshape(6, 4), CUBE, axis=2),
    "transpose_perm": one("Transpose", lambda x: x.transpose(2, 0, 1), CUBE, perm=[2, 0, 1]),
    "transpose_axes": one("Transpose", lambda x: x.transpose(1, 2, 0), CUBE, axes=[1, 2, 0]),
    "transpose_reverses": one("Transpose", lambda x: x.T, CUBE),
    "squeeze_dims": one("Squeeze", lambda x: x[:, 0], rand(2, 1, 3), dims=[1]),
    "squeeze_axes": one("Squeeze", lambda x: x[:, 0], rand(2, 1, 3), axes=[1]),
    "unsqueeze": one("Unsqueeze", lambda x: x[:, None, :, None], MATRIX, axes=[1, 3]),
    "expand_dims": one("ExpandDims", lambda x: x[None], MATRIX, dims=[0]),
    "concat": one(
        "Concat", lambda x, y: np.concatenate([x, y], 2), CUBE, CUBE, outputs=("y", "sizes"),
        axis=2,
    ),
    "concat_by_channels": one("Concat", lambda x, y: np.concatenate([x, y], 1), CUBE, CUBE),
    "concat_new_axis": one(
        "Concat", lambda x, y: np.stack([x, y], 1), CUBE, CUBE, axis=1, add_axis=1,
    ),
    "slice_with_axes": one(
        "Slice", lambda x: x[:, 1:3, :-1], CUBE, starts=[1, 0], ends=[3, -1], axes=[1, 2],
        dialects=("late",),
    ),
    "slice_all_axes": one(
        "Slice", lambda x: x[0:1, 1:3, -2:4], CUBE, starts=[0, 1, -2], ends=[1, 3, 4],
        dialects=("late",),
    ),
    "slice_minus_one_was_the_end_in_caffe2": one(
        "Slice", lambda x: x[0:, 1:-1, 1:3], CUBE, starts=[0, 1, 1], ends=[-1, -2, 3],
        dialects=("early",),
    ),
    "pad_constant": one(
        "Pad", lambda x: np.pad(x, [(0, 1), (2, 0)], constant_values=1.5), MATRIX,
        paddings=[0, 2, 1, 0], mode=b"constant", value=1.5,
    ),
    "pad_edge": one(
        "Pad", lambda x: np.pad(x, [(1, 1), (2, 2)], mode="edge"), MATRIX, pads=[1, 2, 1, 2],
        mode=b"edge",
    ),
    "split_sizes": one(
        "Split", lambda x: x[:, 1:], CUBE, outputs=("a", "y"), axis=1, split=[1, 2],
    ),
    "split_evenly_by_channels": one(
        "Split", lambda x: x[:, 2:], rand(3, 4, 2), outputs=("a", "y"), dialects=("early",),
    ),
    "split_evenly_by_rows": one(
        "Split", lambda x: x[2:], rand(4, 3), outputs=("a", "y"), dialects=("late",),
    ),
    "tile": one("Tile", lambda x: np.tile(x, (1, 3, 1)), CUBE, tiles=3, axis=1),
    "gather_by_an_argument": Case(
        [("Gather", ["w", "x"], ["y"], {})], lambda x, w: w[x],
        {"x": np.array([[0, 2], [1, 0]])}, {"w": MATRIX},
    ),
    "upsample": one(
        "Upsample", lambda x: x.repeat(2, 2).repeat(3, 3), IMAGE, height_scale=2.0,
        width_scale=3.0, mode=b"nearest",
    ),
    "resize_nearest": one(
        "ResizeNearest", lambda x: x.repeat(2, 2).repeat(2, 3), IMAGE, height_scale=2.0,
        width_scale=2.0,
    ),
    # Reductions.
    "reduce_sum": one(
        "ReduceSum", lambda x: x.sum((0, 2), keepdims=True), CUBE, axes=[0, 2],
    ),
    "reduce_mean_without_keepdims": one(
        "ReduceMean", lambda x: x.mean(1), CUBE, axes=[1], keepdims=0,
    ),
    "reduce_max_all": one("ReduceMax", lambda x: x.max().reshape(()), CUBE, keepdims=0),
    "arg_max": one("ArgMax", lambda x: x.argmax(1), CUBE, axis=1, keepdims=0),
    "top_k": one(
        "TopK", lambda x: -np.sort(-x, -1)[..., :2], CUBE, outputs=("y", "i"), k=2, axis=-1,
    ),
    # Types and fills.
    "cast": one("Cast", lambda x: (x * 0).astype(np.int64), CUBE * 0.1, to=b"INT64"),
    "cast_number_of_august": one(
        "Cast", lambda x: (x * 0).astype(np.int32), CUBE * 0.1, to=7, dialects=("early",),
    ),
    "cast_number_of_september": one(
        "Cast", lambda x: (x * 0).astype(np.int32), CUBE * 0.1, to=6, dialects=("late",),
    ),
    "constant_fill": Case(
        [("ConstantFill", [], ["1"], {"shape": [2, 3, 4], "value": 1.5}),
         ("Mul", ["x", "1"], ["y"], {})],
        lambda x: x * 1.5, {"x": CUBE},
    ),
    "constant_fill_like_its_input": one(
        "ConstantFill", lambda x: np.full((2, 3, 4, 5), 2.5, np.float32), CUBE,
        value=2.5, extra_shape=[5],
    ),
    "constant_fill_of_a_shape_in_int32": one(
        "ConstantFill", lambda s: np.full(s, 3, np.int32),
        params={"s": np.array([2, 3])}, value=3.0, input_as_shape=1, dtype=b"INT32",
    ),
    "given_tensor_fill": Case(
        [("GivenTensorFill", [], ["1"], {"shape": [2, 2], "values": [1.0, 2.0, 3.0, 4.0]}),
         ("Mul", ["x", "1"], ["y"], {})],
        lambda x: x * np.array([[1, 2], [3, 4]], np.float32), {"x": rand(2, 2)},
    ),
    "given_tensor_int64_fill": Case(
        [("GivenTensorInt64Fill", [], ["i"], {"shape": [2], "values": [3, 1]}),
         ("Gather", ["x", "i"], ["y"], {})],
        lambda x: x[[3, 1]], {"x": MATRIX},
    ),
}  # fmt: skip
RUNS = [(name, dialect) for name, case in CASES.items() for dialect in case.dialects]


@pytest.mark.parametrize(("name", "dialect"), RUNS)
def test_upgraded_nodes_compute_what_they_meant_in_2017(name: str, dialect: str) -> None:
    case = CASES[name]
    content = encode(dialect, case.rows, case.params, list(case.inputs), ["y"])
    (result,) = run(toffee.loads(content), case.inputs)
    expected = case.expected(*case.inputs.values(), *case.params.values())
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype or result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dialect", BOTH)
def test_an_upgraded_graph_says_so(dialect: str) -> None:
    graph = toffee.loads(encode(dialect, [("Relu", ["x"], ["y"], {})], {}, ["x"], ["y"]))
    assert graph.ir_version == 2
    assert [(o.domain, o.version) for o in graph.opset_import] == [("", 20)]
    assert {p.key: p.value for p in graph.metadata_props} == {"upgraded_from": dialect}


@pytest.mark.parametrize("dialect", BOTH)
def test_constants_survive_the_upgrade(dialect: str) -> None:
    rows: list[Row] = [
        ("Constant", [], ["1"], {"value": rand(2, 2)}),
        ("Add", ["x", "1"], ["y"], {}),
    ]
    eye = np.eye(2, dtype=np.float32)
    (result,) = run(toffee.loads(encode(dialect, rows, {}, ["x"], ["y"])), {"x": eye})
    np.testing.assert_array_equal(result, eye + rand(2, 2))


def test_training_batch_norm_gives_the_new_statistics_too() -> None:
    names = ["x", *STATISTICS]
    outputs = ["y", "new_mean", "new_var", "saved_mean", "saved_var"]
    rows: list[Row] = [("BatchNormalization", names, outputs, {"momentum": 0.75})]
    graph = toffee.loads(encode("late", rows, STATISTICS, ["x"], ["y", "new_mean"]))
    assert list(graph.node[0].output) == ["y", "new_mean", "new_var"]
    y, mean = run(graph, {"x": IMAGE})
    np.testing.assert_allclose(
        mean, 0.75 * STATISTICS["mean"] + 0.25 * IMAGE.mean((0, 2, 3)), rtol=1e-5, atol=1e-6
    )
    assert y.shape == IMAGE.shape


def test_dropout_in_training_still_drops() -> None:
    rows: list[Row] = [("Dropout", ["x"], ["y"], {"ratio": 0.5})]
    graph = toffee.loads(encode("late", rows, {}, ["x"], ["y"]))
    (result,) = run(graph, {"x": np.ones(100, np.float32)})
    assert sorted(set(result.tolist())) == [0.0, 2.0]


def test_nodes_of_another_domain_are_left_alone() -> None:
    row = data(1, node("FC", ["x"], ["y"]) + data(7, "mine"))
    content = row + data(2, "g") + texts(3, ["x"]) + texts(4, ["y"]) + integer(6, 1)
    graph = toffee.loads(content)
    assert (graph.node[0].domain, graph.node[0].op_type) == ("mine", "FC")


def test_a_small_network_of_august_runs() -> None:
    """Conv, bias, SpatialBN, Relu, pool, Reshape, Linear, Softmax: as PyTorch wrote AlexNets."""
    params = {
        "w": rand(4, 3, 3, 3), "b": rand(4), "s": rand(4) + 2, "t": rand(4), "m": rand(4) / 2,
        "v": rand(4) + 1.5, "lw": rand(5, 64), "lb": rand(5),
    }  # fmt: skip
    rows: list[Row] = [
        ("Conv", ["x", "w"], ["9"], {"kernels": [3, 3], "strides": [1, 1], "pads": [1, 1]}),
        ("Add", ["9", "b"], ["10"], {"broadcast": 1, "axis": 1}),
        ("SpatialBN", ["10", "s", "t", "m", "v"], ["11"], {"is_test": 1, "epsilon": 1e-5}),
        ("Relu", ["11"], ["12"], {}),
        ("MaxPool", ["12"], ["13"], {"kernels": [2, 2], "strides": [2, 2], "pads": [0, 0]}),
        ("Dropout", ["13"], ["14", "mask"], {"is_test": 1, "ratio": 0.5}),
        ("Reshape", ["14"], ["15", "old"], {"shape": [-1, 64]}),
        ("Transpose", ["lw"], ["16"], {"axes": [1, 0]}),
        ("Transpose", ["16"], ["17"], {}),
        ("FC", ["15", "17", "lb"], ["18"], {}),
        ("Softmax", ["18"], ["19"], {}),
    ]
    x = rand(2, 3, 8, 8)
    (result,) = run(toffee.loads(encode("early", rows, params, ["x"], ["19"])), {"x": x})
    p = {name: torch.from_numpy(array) for name, array in params.items()}
    y = F.conv2d(torch.from_numpy(x), p["w"], p["b"], padding=1)
    y = F.max_pool2d(F.batch_norm(y, p["m"], p["v"], p["s"], p["t"]).relu(), 2)
    y = F.softmax(F.linear(y.reshape(-1, 64), p["lw"], p["lb"]), 1)
    np.testing.assert_allclose(result, y.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "late" in case.dialects])
def test_upgrading_raises_memory_error_at_every_allocation(name: str) -> None:
    case = CASES[name]
    content = encode("late", case.rows, case.params, list(case.inputs), ["y"])
    assert fail_each_allocation(lambda: toffee.loads(content)) > 0


UNSUPPORTED: list[tuple[Row, str]] = [
    (("Frobnicate", ["x"], ["y"], {}), "node 0 (Frobnicate): toffee knows no such operator"),
    (("Dropout", ["x"], ["a", "y"], {"is_test": 1}), "'y' (the mask), is used"),
    (("Reshape", ["x"], ["a", "y"], {"shape": [-1]}), "'y' (the old shape), is used"),
    (("MaxPool", ["x"], ["a", "y"], {"kernel": 2}), "'y' (indices of the maxima), is used"),
    (
        ("BatchNormalization", ["x", "x", "x", "x", "x"], ["a", "b", "c", "y"], {"is_test": 0}),
        "'y' (statistics of the batch), is used",
    ),
    (("Conv", ["x", "x"], ["y"], {"order": b"NHWC"}), "order is NHWC"),
    (("Conv", ["x", "x"], ["y"], {"pads": [1, 2, 3], "kernel": 3}), "'pads' has 3 numbers"),
    (("Conv", ["x", "x"], ["y"], {"kernels": [3, 3], "strides": [1]}), "'strides' has 1 numbers"),
    (("MaxPool", ["x"], ["y"], {}), "no kernel_shape"),
    (("AveragePool", ["x"], ["y"], {"kernel": 2, "legacy_pad": 3}), "'legacy_pad' is 3"),
    (("Conv", ["x", "x"], ["y"], {"kernel": 1.5}), "'kernel' is of type FLOAT where INTS"),
    (("Cast", ["x"], ["y"], {"to": b"QUATERNION"}), "'QUATERNION', which is no data type"),
    (("Cast", ["x"], ["y"], {}), "no attribute 'to'"),
    (("Add", ["x"], ["y"], {}), "1 inputs; two are needed"),
    (("Add", ["x", "x"], ["y"], {"broadcast": 1, "axis": -2}), "axis is -2"),
    (("Slice", ["x"], ["y"], {"starts": [0]}), "'starts' and 'ends'"),
    (("Slice", ["x"], ["y"], {"starts": [0], "ends": [1, 2]}), "'ends' has 2 numbers"),
    (("Pad", ["x"], ["y"], {"pads": [1]}), "it has 1"),
    (("Tile", ["x"], ["y"], {"tiles": 5000, "axis": 0}), "from 1 to 1024"),
    (("Constant", [], ["y"], {}), "no attribute 'value'"),
    (("GivenTensorFill", [], ["y"], {"shape": [3], "values": [1.0]}), "'shape' says 3"),
    (("FC", ["x"], ["y"], {}), "needs inputs x and W"),
    (("LpPool", ["x"], ["y"], {"kernel": 2, "p": 1.5}), "norm p is 1.5"),
    (("Reshape", ["x"], ["y"], {}), "neither an attribute 'shape'"),
]


@pytest.mark.parametrize(("row", "message"), UNSUPPORTED)
def test_what_has_no_counterpart_is_an_error_that_names_the_node(row: Row, message: str) -> None:
    with pytest.raises(toffee.UnsupportedOperatorError) as caught:
        toffee.loads(encode("late", [row], {}, ["x"], ["y"]))
    assert message in str(caught.value)
    assert f"node 0 ({row[0]})" in str(caught.value)
