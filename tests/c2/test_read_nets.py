"""Nets that are read give what Caffe2 itself computes from them, under ONNX Runtime."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from exported import run_onnxruntime
from net_bytes import net, op

import toffee
import toffee.backend.c2 as backend
from toffee.backend.c2._process import Runner

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from seed_models import SEED_MODELS, seed_model  # noqa: E402

from toffee.torch_toffee import export  # noqa: E402


def randoms(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def positive(*shape, seed=0):
    return np.abs(randoms(*shape, seed=seed)) + 0.1


def onnx_of(graph: toffee.Graph) -> bytes:
    file = io.BytesIO()
    toffee.save(graph, file, format="onnx")
    onnx.checker.check_model(onnx.load_from_string(file.getvalue()), full_check=True)
    return file.getvalue()


def compare(ops, inputs, outputs, rtol=1e-5, atol=1e-6):
    """OPS (one, or a list) of INPUTS (name: array) in Caffe2, and as they are read."""
    ops = ops if isinstance(ops, list) else [ops]
    names = " ".join(inputs)
    predict = net(*ops, inputs=names, outputs=outputs)
    runner = Runner(net(), predict, [], list(inputs), outputs.split())
    expected, _ = runner.run(list(inputs.values()))
    runner.close()
    graph = backend.read_nets(net(), predict, inputs)
    results = run_onnxruntime(onnx_of(graph), list(inputs.values()), optimize=False)
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert (result.shape, result.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(result, wanted, rtol=rtol, atol=atol)
    return graph


X = {"x": randoms(2, 4, 7, 9)}
SAFE = {"x": np.array([[0.3, 0.9, 0.1], [0.5, 0.7, 0.2]], np.float32)}
PLAIN = (
    "Abs Acos Asin Atan Ceil Copy Cos Cosh Cube Erf Exp Floor Log Negative Reciprocal Relu Rsqrt "
    "Sigmoid Sign Sin Sinh Softplus Softsign Sqr Sqrt Swish Tan Tanh StopGradient Alias "
    "EnsureCPUOutput FlattenToVec"
)


@pytest.mark.parametrize("kind", PLAIN.split())
def test_an_operator_of_one_input(kind):
    compare(op(kind, "x", "y"), SAFE, "y")


@pytest.mark.parametrize(
    "kind, args",
    [
        ("Elu", {"alpha": 0.3}),
        ("Elu", {}),
        ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
        ("HardSigmoid", {}),
        ("LeakyRelu", {"alpha": 0.2}),
        ("LeakyRelu", {}),
        ("Selu", {}),
        ("Selu", {"alpha": 1.2, "scale": 1.7}),
        ("Clip", {"min": -0.2, "max": 0.5}),
        ("Clip", {"max": 0.5}),
        ("Scale", {"scale": 2.5}),
        ("Cast", {"to": 2}),
        ("Cast", {"to": "int64"}),
        ("Dropout", {"is_test": 1, "ratio": 0.3}),
        ("Softmax", {}),
        ("Softmax", {"axis": 2}),
        ("Softmax", {"axis": -1}),
        ("LRN", {"size": 3, "alpha": 0.2, "beta": 0.6, "bias": 1.5}),
        ("ChannelShuffle", {"group": 2, "kernel": 1}),
        ("PadImage", {"pad": 2}),
        ("PadImage", {"pad_t": 1, "pad_l": 0, "pad_b": 2, "pad_r": 3, "value": 0.5}),
        ("PadImage", {"pads": [1, 2, 3, 1], "mode": "reflect"}),
        ("PadImage", {"pad": 1, "mode": "edge"}),
        ("ResizeNearest", {"height_scale": 2.0, "width_scale": 1.5}),
        ("ResizeNearest", {"height_scale": 0.6, "width_scale": 3.0}),
        ("UpsampleBilinear", {"height_scale": 2.0, "width_scale": 3.0}),
        ("Flatten", {}),
        ("Flatten", {"axis": 3}),
        ("Transpose", {}),
        ("Transpose", {"axes": [2, 0, 3, 1]}),
        ("NCHW2NHWC", {}),
        ("NHWC2NCHW", {}),
        ("ExpandDims", {"dims": [0, 3]}),
        ("Slice", {"starts": [0, 1], "ends": [-1, 3]}),
        ("Slice", {"starts": [0, 0, 2, 0], "ends": [-1, -1, -3, -1]}),
        ("Slice", {"starts": [0, 0, -4], "ends": [2, 4, -2]}),
        ("Tile", {"tiles": 3, "axis": 2}),
        ("Tile", {"tiles": 2, "axis": -1}),
        ("Shape", {}),
        ("ArgMax", {"axis": 1, "keepdims": 0}),
        ("ArgMin", {}),
        ("ReduceMean", {"axes": [1, 2], "keepdims": 0}),
        ("ReduceSum", {}),
        ("ReduceMax", {"axes": [3]}),
        ("ReduceMin", {"axes": [0, 1]}),
        ("ReduceL1", {"axes": [2]}),
        ("ReduceL2", {"axes": [2], "keepdims": 0}),
        ("ReduceBackMean", {"num_reduce_dim": 2}),
        ("ReduceBackSum", {}),
        ("ReduceBackMax", {}),
        ("ReduceFrontSum", {"num_reduce_dim": 3}),
        ("ReduceFrontMean", {}),
        ("ReduceFrontMax", {}),
        ("Pow", {"exponent": 2.0}),
        ("ConstantFill", {"value": 2.5}),
    ],
)
def test_an_operator_of_one_input_with_arguments(kind, args):
    compare(op(kind, "x", "y", **args), X, "y", rtol=1e-4, atol=1e-5)


CONVS = [
    {"kernel": 3},
    {"kernel": 3, "pad": 1, "stride": 2, "order": "NCHW"},
    {"kernel_h": 2, "kernel_w": 3, "stride_h": 1, "stride_w": 2, "pad_t": 1, "pad_l": 0}
    | {"pad_b": 2, "pad_r": 1},
    {"kernels": [3, 2], "pads": [1, 0, 2, 1], "strides": [2, 1], "dilations": [1, 2]},
    {"kernel": 3, "dilation": 2, "group": 2, "engine": "CUDNN"},
    {"kernel": 3, "legacy_pad": 2, "stride": 2},
    {"kernel": 3, "legacy_pad": 1},
]


def kernel_of(args):
    sides = args.get("kernels") or [args.get("kernel_h"), args.get("kernel_w")]
    return [args["kernel"]] * 2 if "kernel" in args else sides


@pytest.mark.parametrize("args", CONVS)
def test_a_convolution(args):
    w = randoms(6, 4 // args.get("group", 1), *kernel_of(args), seed=1)
    inputs = {**X, "w": w, "b": randoms(6, seed=2)}
    compare(op("Conv", "x w b", "y", **args), inputs, "y", rtol=1e-4, atol=1e-4)
    inputs.pop("b")
    compare(op("Conv", "x w", "y", **args), inputs, "y", rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "args",
    [
        {"kernel": 3},
        {"kernel": 3, "stride": 2, "pad": 1, "adj": 1},
        {"kernels": [2, 3], "strides": [2, 3], "pads": [1, 0, 0, 1], "adjs": [0, 2]},
        {"kernel": 3, "stride": 2, "adj_h": 1, "adj_w": 0, "group": 2},
    ],
)
def test_a_transposed_convolution(args):
    group = args.get("group", 1)
    w = randoms(4, 6 // group, *kernel_of(args), seed=1)
    inputs = {**X, "w": w, "b": randoms(6, seed=2)}
    compare(op("ConvTranspose", "x w b", "y", **args), inputs, "y", rtol=1e-4, atol=1e-4)


POOLS = [
    {"kernel": 3},
    {"kernel": 3, "stride": 2, "pad": 1},
    {"kernels": [2, 3], "strides": [2, 1], "pads": [1, 0, 0, 2]},
    {"global_pooling": 1},
    {"kernel": 3, "stride": 2, "legacy_pad": 3},
    {"kernel": 2, "stride": 2, "legacy_pad": 3},
    {"kernel": 3, "stride": 2, "pad": 1, "legacy_pad": 3},
    {"kernel": 2, "stride": 3, "pad": 1, "legacy_pad": 3},
    {"kernel": 3, "stride": 2, "legacy_pad": 2},
    {"kernel": 4, "stride": 3, "legacy_pad": 1},
]


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("args", POOLS)
@pytest.mark.parametrize("size", [(7, 9), (8, 10), (12, 11)])
def test_a_pool(kind, args, size):
    compare(op(kind, "x", "y", **args), {"x": randoms(2, 3, *size)}, "y")


@pytest.mark.parametrize("args", [{}, {"legacy_pad": 2}, {"pads": [1, 1, 0, 0]}])
def test_an_average_with_its_padding(args):
    args = {"kernel": 3, "stride": 2, "count_include_pad": 1, **args}
    compare(op("AveragePool", "x", "y", **args), X, "y")


@pytest.mark.parametrize("kind, shape", [("1D", (2, 3, 9)), ("3D", (1, 2, 5, 6, 7))])
def test_pools_and_convolutions_of_other_ranks(kind, shape):
    n = len(shape) - 2
    args = {"kernels": [3] * n, "strides": [2] * n, "pads": [1] * (2 * n)}
    inputs = {"x": randoms(*shape)}
    compare(op("MaxPool" + kind, "x", "y", **args), inputs, "y")
    compare(op("AveragePool" + kind, "x", "y", **args), inputs, "y")
    inputs["w"] = randoms(4, shape[1], *[3] * n, seed=1)
    compare(op("Conv" + kind, "x w", "y", **args), inputs, "y", rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["FC", "FCTransposed"])
@pytest.mark.parametrize("axis, x, w, axis_w", [
    (1, (3, 8), (5, 8), 1),
    (1, (3, 2, 4), (5, 8), 1),
    (2, (3, 2, 8), (5, 8), 1),
    (-1, (2, 3, 2, 8), (5, 8), 1),
    (1, (3, 8), (5, 2, 4), 1),
    (1, (3, 8), (5, 1, 8), 2),
])  # fmt: skip
def test_a_fully_connected_layer(kind, axis, x, w, axis_w):
    w = randoms(*w, seed=1)
    if kind == "FCTransposed":
        w, axis_w = np.ascontiguousarray(w.reshape(5, 8).T), 1
    inputs = {"x": randoms(*x), "w": w, "b": randoms(5, seed=2)}
    node = op(kind, "x w b", "y", axis=axis, axis_w=axis_w)
    compare(node, inputs, "y", rtol=1e-4, atol=1e-5)


BINARY = "Add Sub Mul Div GT GE LT LE EQ NE".split()


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize(
    "b, args",
    [
        ((2, 3, 4), {}),
        ((4,), {}),
        ((4,), {"broadcast": 1}),
        ((3, 4), {"broadcast": 1}),
        ((3,), {"broadcast": 1, "axis": 1}),
        ((2, 3), {"broadcast": 1, "axis": 0}),
        ((1,), {"broadcast": 1}),
        ((), {"broadcast": 1}),
        ((1,), {"broadcast": 1, "axis": 0}),
        ((3,), {"broadcast": 1, "axis_str": "C", "order": "NCHW"}),
    ],
)
def test_an_operator_of_two_inputs_broadcasts_as_in_2017(kind, b, args):
    x, y = np.arange(1, 25, dtype=np.float32).reshape(2, 3, 4) % 7 + 1, None
    y = np.asarray(np.arange(1, 1 + int(np.prod(b)), dtype=np.float32) % 5 + 1).reshape(b)
    if kind in ("GT", "GE", "LT", "LE", "EQ", "NE"):
        x, y = x.astype(np.int32), y.astype(np.int32)
    compare(op(kind, "x b", "y", **args), {"x": x, "b": y}, "y")


@pytest.mark.parametrize("kind", ["And", "Or", "Xor"])
def test_logic(kind):
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    compare([op(kind, "a b", "c"), op("Not", "c", "y")], {"a": a, "b": b}, "c y")


@pytest.mark.parametrize("kind", ["Sum", "Max", "Min", "Mean"])
def test_an_operator_of_many_inputs(kind):
    inputs = {name: randoms(3, 4, seed=i) for i, name in enumerate("abc")}
    compare(op(kind, "a b c", "y"), inputs, "y")


def test_products_of_matrices():
    a, b = randoms(3, 5), randoms(5, 4, seed=1)
    compare(op("MatMul", "a b", "y"), {"a": a, "b": b}, "y", rtol=1e-4)
    turned = {"a": np.ascontiguousarray(a.T), "b": np.ascontiguousarray(b.T)}
    compare(op("MatMul", "a b", "y", trans_a=1, trans_b=1), turned, "y", rtol=1e-4)
    a, b = randoms(2, 3, 5), randoms(2, 5, 4, seed=1)
    compare(op("BatchMatMul", "a b", "y"), {"a": a, "b": b}, "y", rtol=1e-4, atol=1e-5)
    turned = {name: np.ascontiguousarray(x.swapaxes(1, 2)) for name, x in (("a", a), ("b", b))}
    node = op("BatchMatMul", "a b", "y", trans_a=1, trans_b=1)
    compare(node, turned, "y", rtol=1e-4, atol=1e-5)
    node = op("BatchMatMul", "a b", "y", broadcast=1)
    compare(node, {"a": a, "b": b[0]}, "y", rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "slopes, shape", [(1, (2, 3, 4)), (3, (2, 3, 4)), (3, (2, 3)), (4, (2, 4, 7, 9))]
)
def test_prelu(slopes, shape):
    compare(op("PRelu", "x s", "y"), {"x": randoms(*shape), "s": positive(slopes)}, "y")


def test_normalizations_of_prediction():
    x = X["x"]
    inputs = {"x": x, "s": positive(4), "b": randoms(4, seed=1), "m": randoms(4, seed=2)}
    node = op("InstanceNorm", "x s b", "y", epsilon=0.01, order="NCHW")
    compare(node, {k: inputs[k] for k in "xsb"}, "y", rtol=1e-4, atol=1e-4)
    inputs["v"] = positive(4, seed=3)
    node = op("SpatialBN", "x s b m v", "y", is_test=1, epsilon=0.02, momentum=0.8)
    compare(node, inputs, "y", rtol=1e-4, atol=1e-4)


def test_concat_and_split_with_both_outputs():
    a, b = randoms(2, 3, 4), randoms(2, 5, 4, seed=1)
    compare(op("Concat", "a b", "y sizes"), {"a": a, "b": b}, "y sizes")
    compare(op("Concat", "a b", "y sizes", axis=2), {"a": a, "b": a + 1}, "y")
    compare(op("Concat", "a b", "y sizes", axis=1, add_axis=1), {"a": a, "b": a + 1}, "y sizes")
    compare(op("DepthConcat", "a b", "y sizes"), {"a": a, "b": b}, "y sizes")
    compare(op("Split", "a", "p q", axis=2), {"a": a}, "p q")
    compare(op("Split", "a", "p q", axis=1, split=[1, 2]), {"a": a}, "p q")
    there_and_back = [op("Concat", "a b", "y sizes"), op("Split", "y sizes", "p q")]
    compare(there_and_back, {"a": a, "b": b}, "p q")


def test_shapes_that_are_computed():
    x, shape = randoms(2, 3, 4), np.array([4, 6], np.int64)
    compare([op("Reshape", "x s", "y old")], {"x": x, "s": shape}, "y old")
    compare([op("Reshape", "x", "y old", shape=[0, -1, 2])], {"x": x}, "y old")
    ops = [op("Shape", "x", "s"), op("FlattenToVec", "x", "f"), op("Reshape", "f s", "y old")]
    compare(ops, {"x": x}, "y")
    compare(op("ResizeLike", "x z", "y"), {"x": x, "z": randoms(4, 6)}, "y")
    fill = op("ConstantFill", "s", "y", input_as_shape=1, value=3, dtype=10)
    compare([op("Shape", "x", "s"), fill], {"x": x}, "y")


def test_gather_where_and_squeeze():
    index = np.array([[2, 0], [1, 1]], np.int32)
    compare(op("Gather", "x i", "y"), {"x": randoms(3, 4), "i": index}, "y")
    compare(op("Gather", "x i", "y", axis=1), {"x": randoms(2, 3, 4), "i": index}, "y")
    given = {"c": np.array([True, False]), "a": randoms(2), "b": randoms(2, seed=1)}
    compare(op("Where", "c a b", "y"), given, "y")
    compare(op("Squeeze", "x", "y", dims=[0, 2]), {"x": randoms(1, 3, 1, 4)}, "y")
    compare([op("FloatToHalf", "x", "h"), op("HalfToFloat", "h", "y")], {"x": randoms(3)}, "h y")


def test_a_blob_that_is_written_again_and_again():
    ops = [op("Relu", "x", "y"), op("Sqr", "y", "y"), op("Add", "y x", "y"), op("Exp", "y", "y")]
    graph = compare(ops, {"x": randoms(5)}, "y")
    assert [node.output[0] for node in graph.node] == ["y_1", "y_2", "y_3", "y"]


FILLS = {
    "f": op("GivenTensorFill", "", "f", shape=[2, 2], values=[1.5, -2.0, 0.0, 4.0]),
    "i": op("GivenTensorIntFill", "", "i", shape=[3], values=[1, -2, 2147483647]),
    "l": op("GivenTensorInt64Fill", "", "l", shape=[], values=[-(1 << 62)]),
    "b": op("GivenTensorBoolFill", "", "b", shape=[2], values=[1, 0]),
    "s": op("GivenTensorInt16Fill", "", "s", shape=[2], values=[-5, 300]),
    "c": op("ConstantFill", "", "c", shape=[2, 3], value=1.5),
    "z": op("ConstantFill", "", "z", shape=[2]),
    "d": op("ConstantFill", "", "d", shape=[2, 1], value=7, dtype=10),
    "n": op("ConstantFill", "", "n", shape=[2], value=1, dtype=5),
    "w": op("ConstantFill", "", "w", shape=[300, 300], value=0.5),
}


def test_every_fill_has_the_values_that_caffe2_gives_it():
    init = net(*FILLS.values())
    predict = net(*[op("Copy", name, "y" + name) for name in FILLS], inputs=" ".join(FILLS))
    outputs = ["y" + name for name in FILLS]
    runner = Runner(init, predict, [], [], outputs)
    expected, _ = runner.run([])
    runner.close()
    graph = backend.read_nets(init, predict)
    assert [tensor.name for tensor in graph.initializer if tensor.name in FILLS] == list(
        "filbsczdn"
    )
    results = run_onnxruntime(onnx_of(graph), [], optimize=False)
    assert list(graph.output) == outputs
    for result, wanted in zip(results, expected, strict=True):
        assert (result.shape, result.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_array_equal(result, wanted)


#: Small enough to be held three times: the operators of the large ones are all in these.
SMALL = [n for n in SEED_MODELS if n not in ("alexnet", "vgg16", "vgg19_bn")]


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_model_comes_back_from_caffe2(name, tmp_path):
    model, x = seed_model(name)
    export(model, x, tmp_path / "m.toffee")
    graph = toffee.load(tmp_path / "m.toffee")
    backend.write_nets(graph, tmp_path / "nets")
    again = backend.load_nets(tmp_path / "nets", inputs={graph.input[-1]: tuple(x.shape)})
    assert {tensor.name for tensor in graph.initializer} <= {t.name for t in again.initializer}
    assert list(again.output) == list(graph.output)
    value = randoms(*x.shape, seed=7)
    (expected,) = run_onnxruntime(toffee.dumps(graph, format="onnx"), [value], optimize=False)
    (result,) = run_onnxruntime(toffee.dumps(again, format="onnx"), [value], optimize=False)
    # The operators are the same but for Gemm, which may be MatMul and Add.
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
