"""The PyTorch backend, against eager PyTorch, ONNX's own tests and ONNX Runtime."""

from __future__ import annotations

import glob
import io
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import onnx_node_tests
import pytest
import torch
from exported import as_numpy, compare, run_onnxruntime, to_graph
from onnx import TensorProto, helper, numpy_helper
from onnx_models import model_bytes, run_model
from random_programs import random_program

import toffee
import toffee.backend.torch as backend
from toffee.backend.torch import registry, to_module
from toffee.errors import BackendError
from toffee.torch_toffee import export

F = torch.nn.functional


# ---- random programs ---------------------------------------------------------------------------


def test_random_programs_compute_what_eager_pytorch_does():
    refused = 0
    for number in range(60):
        program = random_program(Random(number))
        buffer = io.BytesIO()
        try:
            export(program.function(), program.arguments(0), buffer)
        except (toffee.UnsupportedOperatorError, toffee.TraceError):
            refused += 1
            continue
        arguments = program.arguments(1)
        inputs = [as_numpy(tensor).copy() for tensor in arguments]
        with torch.inference_mode():
            expected = program.function()(*arguments)
        results = backend.run(toffee.loads(buffer.getvalue()), inputs)
        for result, wanted in zip(results, expected, strict=True):
            compare(result, as_numpy(wanted), 1e-5, 1e-5, f"program {number}")
    assert refused <= 3


# ---- ONNX's own tests --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node_failures() -> dict[str, str]:
    return onnx_node_tests.failures()


def test_node_tests_that_fail_are_those_on_the_page_each_with_its_reason(node_failures):
    listed = onnx_node_tests.listed()
    unexpected = {name: text for name, text in node_failures.items() if name not in listed}
    assert not unexpected
    for name, reason in listed.items():
        assert reason == onnx_node_tests.reason_of(name)
        # random ones can come out right by chance
        assert name in node_failures or reason == onnx_node_tests.RANDOM, f"{name} passes: --write"


def test_at_least_95_percent_of_the_node_tests_pass(node_failures):
    n = len(onnx_node_tests.all_cases())
    assert n > 1500
    assert len(node_failures) <= 0.05 * n


def saved_cases(kind: str) -> list[str]:
    base = Path(onnx.__file__).parent / "backend" / "test" / "data" / kind
    folders = sorted(glob.glob(f"{base}/*/model.onnx"))
    # Gradient asks for the derivative of a graph: it is not of the default domain
    return [str(Path(path).parent) for path in folders if "gradient" not in path]


def saved_value(path: str, kind: onnx.TypeProto) -> Any:
    data = Path(path).read_bytes()
    if kind.WhichOneof("value") == "sequence_type":
        sequence = onnx.SequenceProto.FromString(data)
        return numpy_helper.to_list(sequence)
    return numpy_helper.to_array(TensorProto.FromString(data))


@pytest.mark.parametrize("kind", ["simple", "pytorch-converted", "pytorch-operator"])
def test_models_that_onnx_ships_give_their_numbers(kind):
    folders = saved_cases(kind)
    assert len(folders) > 15
    for folder in folders:
        model = onnx.load(f"{folder}/model.onnx")
        stored = {tensor.name for tensor in model.graph.initializer}
        takes = [info for info in model.graph.input if info.name not in stored]
        rep = backend.prepare(toffee.load(f"{folder}/model.onnx"))
        for data in sorted(glob.glob(f"{folder}/test_data_set_*")):
            inputs = [saved_value(f"{data}/input_{i}.pb", x.type) for i, x in enumerate(takes)]
            results = rep.run(inputs)
            for i, info in enumerate(model.graph.output):
                expected = saved_value(f"{data}/output_{i}.pb", info.type)
                # atol: float32 sums of hundreds of products, by another library of 2017
                onnx_node_tests.assert_similar(results[i], expected, 1e-3, 1e-5)


# ---- families against eager PyTorch ------------------------------------------------------------


torch.manual_seed(0)
PROGRAMS: dict[str, tuple[Any, tuple[torch.Tensor, ...]]] = {
    "arithmetic": (
        lambda x, y: (x * y + x / y - y) ** 2,
        (torch.rand(3, 4) + 1, torch.rand(4) + 1),
    ),
    "integers": (
        lambda x, y: (x // y, x % y, torch.bitwise_and(x, y)),
        (torch.arange(-6, 6), torch.tensor(4)),
    ),
    "comparison": (lambda x, y: torch.where(x > y, x, -y), (torch.randn(5), torch.randn(5))),
    "unary": (lambda x: torch.erf(torch.exp(x).sqrt().log().tanh()), (torch.randn(3, 3),)),
    "activation": (lambda x: F.gelu(F.silu(F.elu(F.leaky_relu(x)))), (torch.randn(4, 4),)),
    "reduction": (
        lambda x: (x.sum(1), x.mean((0, 2)), x.amax(-1), x.prod(0)),
        (torch.rand(2, 3, 4),),
    ),
    "softmax": (lambda x: F.log_softmax(x.softmax(-1), 1), (torch.randn(2, 5),)),
    "sorting": (lambda x: torch.topk(x, 3), (torch.randn(4, 9),)),
    "matmul": (lambda x, y: x @ y, (torch.randn(2, 3, 4), torch.randn(4, 5))),
    "einsum": (lambda x, y: torch.einsum("bij,bkj->bik", x, y), (torch.randn(2, 3, 4),) * 2),
    "shape": (
        lambda x: x.transpose(0, 2).reshape(4, -1).unsqueeze(1)[:, :, 1::2],
        (torch.randn(2, 3, 4),),
    ),
    "join": (
        lambda x, y: torch.stack([torch.cat([x, y]), torch.cat([y, x])]).flip(0),
        (torch.randn(2, 2),) * 2,
    ),
    "index": (
        lambda x, i: (x[i], x.gather(1, i[:, None])),
        (torch.randn(3, 3), torch.tensor([2, 0, 1])),
    ),
    "scatter": (
        lambda x, i: x.scatter_add(0, i, torch.ones(2, 3)),
        (torch.randn(4, 3), torch.tensor([[0, 1, 3], [0, 2, 2]])),
    ),
    "pad": (
        lambda x: F.pad(F.pad(x, (1, 2, 0, 3), "reflect"), (0, 1, 1, 0)),
        (torch.randn(1, 2, 5, 5),),
    ),
    "conv": (
        lambda x, w: F.conv2d(x, w, stride=2, padding=1, dilation=2, groups=2),
        (torch.randn(2, 4, 9, 9), torch.randn(6, 2, 3, 3)),
    ),
    "transposed conv": (
        lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1),
        (torch.randn(1, 3, 5, 5), torch.randn(3, 2, 3, 3)),
    ),
    "pool": (
        lambda x: F.avg_pool2d(F.max_pool2d(x, 3, 2, 1, ceil_mode=True), 2, 1),
        (torch.randn(1, 2, 10, 10),),
    ),
    "norm": (
        lambda x, w: F.group_norm(F.layer_norm(x, (6,), w), 2),
        (torch.randn(2, 4, 6), torch.rand(6)),
    ),
    "resize": (
        lambda x: F.interpolate(x, scale_factor=2.0, mode="bicubic", align_corners=False),
        (torch.randn(1, 2, 4, 5),),
    ),
    "attention": (
        lambda q, k: F.scaled_dot_product_attention(q, k, k, is_causal=True),
        (torch.randn(1, 2, 4, 8),) * 2,
    ),
    "grid": (
        lambda x, g: F.grid_sample(x, g, align_corners=True),
        (torch.randn(1, 2, 4, 4), torch.rand(1, 3, 3, 2) * 2 - 1),
    ),
    "loss": (lambda x, t: F.cross_entropy(x, t), (torch.randn(4, 5), torch.tensor([0, 2, 4, 1]))),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_graph_of_each_family_computes_what_eager_pytorch_does(name):
    program, args = PROGRAMS[name]
    with torch.no_grad():
        expected = program(*args)
        results = to_module(to_graph(program, args))(*args)
    if isinstance(expected, torch.Tensor):
        expected, results = (expected,), (results,)
    for result, wanted in zip(results, expected, strict=True):
        torch.testing.assert_close(result, wanted, check_stride=False)


def test_the_table_has_every_operator_of_opset_20():
    missing = set()
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and schema.since_version <= 20:
            current = onnx.defs.get_schema(schema.name, 20)
            if not current.deprecated and ("", schema.name) not in registry.OPERATORS:
                missing.add(schema.name)
    assert missing == set()


# ---- integers, strings, small floats -----------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
)
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Less", "Equal"])
def test_integer_arithmetic_is_exact_to_the_ends_of_the_range(op, dtype):
    info = np.iinfo(dtype)
    x = np.array([info.max, info.max - 1, info.min, info.max // 2, 3, 7], dtype)
    y = np.array([info.max, 2, 1, 3, info.max, 7], dtype)
    (result,) = run_model([helper.make_node(op, ["x", "y"], ["y0"])], {"x": x, "y": y})
    with np.errstate(over="ignore"):
        whole = [int(a) for a in x], [int(b) for b in y]
        exact = {
            "Add": lambda a, b: a + b,
            "Sub": lambda a, b: a - b,
            "Mul": lambda a, b: a * b,
            "Div": lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
            "Mod": lambda a, b: a % b,
            "Max": max,
            "Min": min,
            "Less": lambda a, b: a < b,
            "Equal": lambda a, b: a == b,
        }[op]
        bits = info.bits
        expected = [exact(a, b) for a, b in zip(*whole, strict=True)]
    if op not in ("Less", "Equal"):
        wrapped = [value % 2**bits for value in expected]
        low = info.min
        expected = [v - 2**bits if low < 0 and v >= 2 ** (bits - 1) else v for v in wrapped]
        assert result.dtype == dtype
    assert result.tolist() == expected


def test_float8_numbers_that_are_too_large_saturate_or_not_as_asked():
    x = np.array([448.0, 464.0, 465.0, 1e9, -1e9, np.inf, np.nan], np.float32)
    for saturate, wanted in (
        (1, [448, 448, 448, 448, -448, 448, np.nan]),
        (0, [448, 448, np.nan, np.nan, np.nan, np.nan, np.nan]),
    ):
        node = helper.make_node(
            "Cast", ["x"], ["y0"], to=TensorProto.FLOAT8E4M3FN, saturate=saturate
        )
        (result,) = run_model([node], {"x": x})
        np.testing.assert_array_equal(result.astype(np.float32), np.float32(wanted))


def test_four_bit_initializers_are_unpacked():
    import ml_dtypes

    numbers = np.array([1, -2, 3, -8, 7], ml_dtypes.int4)
    node = helper.make_node("DequantizeLinear", ["w", "s"], ["y0"])
    (result,) = run_model(
        [node],
        {"s": np.array(0.5, np.float32)},
        opset=21,
        initializer=[numpy_helper.from_array(numbers, "w")],
    )
    assert result.tolist() == [0.5, -1.0, 1.5, -4.0, 3.5]


def test_random_operators_draw_what_they_say_and_the_same_with_a_seed():
    shape = {"shape": [20000], "seed": 3.0}
    nodes = [
        helper.make_node("RandomNormal", [], ["y0"], mean=2.0, scale=0.5, **shape),
        helper.make_node("RandomUniform", [], ["y1"], low=-1.0, high=3.0, **shape),
        helper.make_node("Bernoulli", ["x"], ["y2"], seed=1.0),
        helper.make_node("Dropout", ["x", "ratio", "training"], ["y3", "y4"], seed=1),
    ]
    inputs = {
        "x": np.full(20000, 0.25, np.float32),
        "ratio": np.array(0.75, np.float32),
        "training": np.array(True),
    }
    normal, uniform, drawn, dropped, mask = run_model(nodes, inputs, 5)
    # a mean of 20000 is within 5 of its own deviations but once in a million seeds
    assert abs(normal.mean() - 2) < 5 * 0.5 / 141 and abs(normal.std() - 0.5) < 0.02
    assert uniform.min() >= -1 and uniform.max() < 3 and abs(uniform.mean() - 1) < 5 * 1.16 / 141
    assert set(drawn.tolist()) == {0.0, 1.0} and abs(drawn.mean() - 0.25) < 5 * 0.44 / 141
    assert abs(mask.mean() - 0.25) < 5 * 0.44 / 141
    np.testing.assert_array_equal(dropped, np.where(mask, 1.0, 0.0))
    again = run_model(nodes, inputs, 5)
    np.testing.assert_array_equal(normal, again[0])
    np.testing.assert_array_equal(mask, again[4])


def test_a_multinomial_draw_has_the_frequencies_of_its_logits():
    odds = np.array([[0.5, 0.25, 0.25], [0.1, 0.0, 0.9]])
    with np.errstate(divide="ignore"):
        logits = np.log(odds).astype(np.float32)
    node = helper.make_node("Multinomial", ["x"], ["y0"], sample_size=20000, seed=1.0, dtype=7)
    (drawn,) = run_model([node], {"x": logits})
    assert drawn.dtype == np.int64
    for row, wanted in zip(drawn, odds, strict=True):
        frequency = np.bincount(row, minlength=3) / 20000
        np.testing.assert_allclose(frequency, wanted, atol=5 * 0.5 / 141)  # five deviations


def test_sequences_are_built_and_taken_apart():
    nodes = [
        helper.make_node("Constant", [], ["first"], value_int=0),
        helper.make_node("Constant", [], ["last"], value_int=-1),
        helper.make_node("SequenceConstruct", ["x", "y"], ["s"]),
        helper.make_node("SequenceInsert", ["s", "z", "last"], ["t"]),  # x z y
        helper.make_node("SequenceErase", ["t", "first"], ["u"]),  # z y
        helper.make_node("SequenceAt", ["u", "last"], ["y0"]),
        helper.make_node("ConcatFromSequence", ["t"], ["y1"], axis=0, new_axis=1),
    ]
    values = {key: np.float32([i, i + 0.5]) for i, key in enumerate("xyz")}
    at, joined = run_model(nodes, values, 2)
    assert at.tolist() == [1, 1.5]
    assert joined.tolist() == [[0, 0.5], [2, 2.5], [1, 1.5]]
    node = helper.make_node("SequenceAt", ["s", "i"], ["y0"])
    made = helper.make_node("SequenceConstruct", ["x"], ["s"])
    with pytest.raises(BackendError, match=r"node 1 \(SequenceAt\).*IndexError"):
        run_model([made, node], {"x": values["x"], "i": np.array(1)})


# ---- older opsets ------------------------------------------------------------------------------

X = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)
OLD: dict[str, tuple[int, Any, dict[str, np.ndarray]]] = {
    "softmax of a matrix": (11, helper.make_node("Softmax", ["x"], ["y0"], axis=1), {"x": X}),
    "logsoftmax of a matrix": (9, helper.make_node("LogSoftmax", ["x"], ["y0"], axis=2), {"x": X}),
    "hardmax of a matrix": (9, helper.make_node("Hardmax", ["x"], ["y0"]), {"x": X}),
    "clip by attributes": (7, helper.make_node("Clip", ["x"], ["y0"], min=-0.5, max=0.5), {"x": X}),
    "clip by one attribute": (7, helper.make_node("Clip", ["x"], ["y0"], max=0.5), {"x": X}),
    "pad by attributes": (
        10,
        helper.make_node("Pad", ["x"], ["y0"], pads=[0, 0, 1, 2, 0, 0, 0, 1], value=2.0),
        {"x": X},
    ),
    "slice by attributes": (
        9,
        helper.make_node("Slice", ["x"], ["y0"], starts=[1, -3], ends=[9, -1], axes=[1, 3]),
        {"x": X},
    ),
    "split by an attribute": (
        11,
        helper.make_node("Split", ["x"], ["y0", "b"], axis=2, split=[1, 3]),
        {"x": X},
    ),
    "squeeze by an attribute": (
        11,
        helper.make_node("Squeeze", ["x"], ["y0"], axes=[0]),
        {"x": X[:1]},
    ),
    "unsqueeze by an attribute": (
        11,
        helper.make_node("Unsqueeze", ["x"], ["y0"], axes=[0, 4]),
        {"x": X},
    ),
    "reduce by an attribute": (
        11,
        helper.make_node("ReduceSum", ["x"], ["y0"], axes=[1, -1], keepdims=0),
        {"x": X},
    ),
    "reduce mean by an attribute": (
        13,
        helper.make_node("ReduceMean", ["x"], ["y0"], axes=[2, 3]),
        {"x": X},
    ),
    "top k by an attribute": (9, helper.make_node("TopK", ["x"], ["y0", "i"], k=2), {"x": X}),
    "dropout by an attribute": (
        10,
        helper.make_node("Dropout", ["x"], ["y0"], ratio=0.9),
        {"x": X},
    ),
    "upsample by an attribute": (
        7,
        helper.make_node("Upsample", ["x"], ["y0"], scales=[1.0, 1.0, 2.0, 1.5]),
        {"x": X},
    ),
    "linear upsample": (
        9,
        helper.make_node("Upsample", ["x", "s"], ["y0"], mode="linear"),
        {"x": X, "s": np.array([1, 1, 2, 2], np.float32)},
    ),
    "resize without transformations": (
        10,
        helper.make_node("Resize", ["x", "s"], ["y0"], mode="nearest"),
        {"x": X, "s": np.array([1, 1, 0.5, 3], np.float32)},
    ),
    "batch normalization": (
        7,
        helper.make_node("BatchNormalization", ["x", "a", "b", "c", "d"], ["y0"]),
        {
            "x": X,
            **{key: np.full(3, v, np.float32) for key, v in dict(a=2, b=1, c=0.5, d=4).items()},
        },
    ),
    "gemm with a bias": (
        7,
        helper.make_node("Gemm", ["x", "w", "b"], ["y0"], alpha=0.5, transA=1),
        {"x": X[0, 0], "w": X[1, 0], "b": X[0, 1, :1]},
    ),
    "max pool": (
        8,
        helper.make_node("MaxPool", ["x"], ["y0"], kernel_shape=[2, 2], auto_pad="SAME_UPPER"),
        {"x": X},
    ),
    "average pool over an uneven edge": (
        10,
        helper.make_node(
            "AveragePool", ["x"], ["y0"], kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 1, 0]
        ),
        {"x": X},
    ),
    "scatter": (
        9,
        helper.make_node("Scatter", ["x", "i", "u"], ["y0"], axis=1),
        {"x": X[0, 0], "i": np.array([[1, 3]]), "u": np.array([[9.0, 8.0]], np.float32)},
    ),
    "flatten": (9, helper.make_node("Flatten", ["x"], ["y0"], axis=2), {"x": X}),
    "group normalization by group": (
        18,
        helper.make_node("GroupNormalization", ["x", "s", "b"], ["y0"], num_groups=2),
        {
            "x": X.reshape(2, 4, 12),
            "s": np.array([2, 3], np.float32),
            "b": np.array([1, 0], np.float32),
        },
    ),
    "global pooling by a norm": (2, helper.make_node("GlobalLpPool", ["x"], ["y0"], p=3), {"x": X}),
    "pooling of regions": (
        1,
        helper.make_node("MaxRoiPool", ["x", "r"], ["y0"], pooled_shape=[2, 3], spatial_scale=0.5),
        {"x": X, "r": np.float32([[0, 0, 0, 7, 6], [1, 2, 1, 3, 7], [1, 5, 5, 4, 4]])},
    ),
    "dft along an attribute": (
        17,
        helper.make_node("DFT", ["x"], ["y0"], axis=2),
        {"x": X[..., :1]},
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_operators_of_older_opsets_mean_what_they_meant(name):
    opset, node, inputs = OLD[name]
    data = model_bytes([node], inputs, opset=opset)
    results = list(backend.run(toffee.loads(data), inputs))
    (expected,) = run_onnxruntime(data, list(inputs.values()), False)
    assert results[0].dtype == expected.dtype
    np.testing.assert_allclose(results[0], expected, rtol=1e-5, atol=1e-6)


RECURRENT: dict[str, tuple[str, dict[str, Any]]] = {
    "plain lstm": ("LSTM", {}),
    "lstm both ways": ("LSTM", {"direction": "bidirectional", "clip": 0.4}),
    "lstm backwards": ("LSTM", {"direction": "reverse"}),
    "lstm with other functions": ("LSTM", {"activations": ["HardSigmoid", "Relu", "Softsign"]}),
    "plain gru": ("GRU", {}),
    "gru both ways": ("GRU", {"direction": "bidirectional", "linear_before_reset": 1}),
    "plain rnn": ("RNN", {"activations": ["LeakyRelu"], "activation_alpha": [0.1]}),
    "rnn both ways": ("RNN", {"direction": "bidirectional"}),
}


@pytest.mark.parametrize("lengths", [None, [5, 2, 3]])
@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_networks_compute_what_onnx_runtime_does(name, lengths):
    op, attributes = RECURRENT[name]
    generator = np.random.default_rng(3)
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    ways, n, hidden = (2 if attributes.get("direction") == "bidirectional" else 1), 4, 6
    shapes = {
        "x": (5, 3, n),
        "w": (ways, gates * hidden, n),
        "r": (ways, gates * hidden, hidden),
        "b": (ways, 2 * gates * hidden),
        "h": (ways, 3, hidden),
    }
    inputs = {
        key: generator.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()
    }
    names = ["x", "w", "r", "b", "", "h"]
    if lengths:
        names[4] = "n"
        inputs["n"] = np.array(lengths, np.int32)
    if op == "LSTM":
        for key, shape in (("c", (ways, 3, hidden)), ("p", (ways, 3 * hidden))):
            inputs[key] = generator.standard_normal(shape).astype(np.float32)
        names += ["c", "p"]
    outputs = ["y0", "y1"] + ["y2"] * (op == "LSTM")
    node = helper.make_node(op, names, outputs, hidden_size=hidden, **attributes)
    data = model_bytes([node], inputs, len(outputs), opset=14)
    expected = run_onnxruntime(data, list(inputs.values()), False)
    for result, wanted in zip(backend.run(toffee.loads(data), inputs), expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-6)


def test_broadcasting_along_an_axis_of_opset_6_means_what_it_meant():
    node = helper.make_node("Add", ["x", "y"], ["y0"], broadcast=1, axis=1)
    inputs = {"x": X, "y": X[0, :, 0, 0]}
    (result,) = backend.run(toffee.loads(model_bytes([node], inputs, opset=6)), inputs)
    np.testing.assert_array_equal(result, X + X[0, :, 0, 0].reshape(3, 1, 1))


@pytest.mark.parametrize(
    ("size", "parts"), [(7, (3, 3, 1)), (6, (2, 2, 2)), (4, (2, 2, 0)), (0, (0, 0, 0))]
)
def test_the_last_of_num_outputs_may_be_smaller_as_in_onnx_runtime(size, parts):
    node = helper.make_node("Split", ["x"], ["y0", "y1", "y2"], num_outputs=3)
    inputs = {"x": np.arange(size, dtype=np.float32)}
    data = model_bytes([node], inputs, n_outputs=3)
    results = backend.run(toffee.loads(data), inputs)
    assert tuple(map(len, results)) == parts
    for result, wanted in zip(
        results, run_onnxruntime(data, [inputs["x"]], optimize=False), strict=True
    ):
        np.testing.assert_array_equal(result, wanted)


def test_more_parts_than_there_are_is_an_error_as_in_onnx_runtime():
    node = helper.make_node("Split", ["x"], ["y0", "y1", "y2"], num_outputs=3)
    inputs = {"x": np.arange(1, dtype=np.float32)}
    data = model_bytes([node], inputs, n_outputs=3)
    with pytest.raises(Exception, match="Split"):
        run_onnxruntime(data, [inputs["x"]], optimize=False)
    with pytest.raises(BackendError, match="1 elements are fewer than 3 parts of 1"):
        backend.run(toffee.loads(data), inputs)


# ---- control flow ------------------------------------------------------------------------------


def halving_loop() -> Any:
    """y0 = x halved until it is below w; w comes from outside of the body."""
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["s", "half"], ["t"]),
            helper.make_node("Greater", ["t", "w"], ["more"]),
            helper.make_node("Identity", ["t"], ["seen"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("s", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("t", TensorProto.FLOAT, []),
            helper.make_tensor_value_info("seen", TensorProto.FLOAT, []),
        ],
        [numpy_helper.from_array(np.array(0.5, np.float32), "half")],
    )
    return helper.make_node("Loop", ["", "go", "x"], ["y0", "y1"], body=body)


def test_a_loop_ends_by_its_condition_sees_values_from_outside_and_has_a_gradient():
    inputs = {
        "go": np.array(True),
        "x": np.array(16.0, np.float32),
        "w": np.array(3.0, np.float32),
    }
    graph = toffee.loads(model_bytes([halving_loop()], inputs, 2))
    last, seen = backend.run(graph, inputs)
    assert (float(last), seen.tolist()) == (2.0, [8.0, 4.0, 2.0])
    x = torch.tensor(16.0, requires_grad=True)
    to_module(graph)(torch.tensor(True), x, torch.tensor(3.0))[0].backward()
    assert float(x.grad) == 0.125


def test_a_body_that_uses_what_nobody_computes_is_an_error_that_names_it():
    branch = helper.make_graph(
        [helper.make_node("Neg", ["nowhere"], ["r"])],
        "branch",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, [])],
    )
    node = helper.make_node("If", ["c"], ["y0"], then_branch=branch, else_branch=branch)
    with pytest.raises(BackendError, match=r"node 0 \(Neg\) uses 'nowhere'"):
        backend.prepare(toffee.loads(model_bytes([node], {"c": np.array(True)})))


# ---- operators of PyTorch ----------------------------------------------------------------------

ATEN: dict[str, tuple[Any, tuple[torch.Tensor, ...]]] = {
    "one tensor": (lambda x: torch.special.airy_ai(x), (torch.randn(3),)),
    "tensors and numbers": (
        lambda x, y: torch.special.zeta(x, y),
        (torch.rand(3) + 2, torch.rand(3) + 1),
    ),
    "a list of integers": (lambda x: torch.rot90(x, 1, [0, 1]), (torch.randn(2, 3),)),
    "several outputs": (lambda x: torch.linalg.slogdet(x), (torch.randn(3, 3),)),
    "an option that is a word": (
        lambda x, s: torch.searchsorted(s, x, side="right"),
        (torch.rand(4), torch.linspace(0, 1, 5)),
    ),
}


@pytest.mark.parametrize("name", ATEN)
def test_operators_without_a_form_in_onnx_run_as_those_of_pytorch(name):
    program, args = ATEN[name]
    graph = to_graph(program, args, fallback="aten")
    expected = program(*args)
    results = to_module(graph)(*args)
    if isinstance(expected, torch.Tensor):
        expected, results = (expected,), (results,)
    for result, wanted in zip(results, expected, strict=True):
        torch.testing.assert_close(result, wanted)


def test_some_of_those_operators_really_are_of_pytorchs_domain():
    graph = to_graph(*ATEN["one tensor"], fallback="aten")
    assert {node.domain for node in graph.node} == {"org.pytorch.aten"}


def test_half_floats_are_averaged_over_three_dimensions():
    x = torch.randn(1, 2, 6, 5, 4).half()
    graph = to_graph(lambda x: F.avg_pool3d(x.float(), 2, 1).half(), (x,))
    (expected,) = backend.run(graph, [x.numpy()])
    node = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2, 2])
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT16, None) for n in "xy"]
    made = helper.make_model(helper.make_graph([node], "pool", info[:1], info[1:]))
    (result,) = backend.run(toffee.loads(made.SerializeToString()), [x.numpy()])
    assert np.array_equal(result, expected)


def test_an_operator_that_this_pytorch_lacks_is_an_error_that_names_it():
    node = helper.make_node("aten::frobnicate", ["x"], ["y0"], domain="org.pytorch.aten")
    graph = toffee.loads(model_bytes([node], {"x": X}))
    with pytest.raises(BackendError, match=r"no operator 'aten::frobnicate'.*org\.pytorch\.aten"):
        backend.prepare(graph)


# ---- functions of the model --------------------------------------------------------------------


def model_with_functions(**node_attributes: Any) -> toffee.Graph:
    """y0 = scaled(x, bias), where scaled has an attribute with a default and calls another."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]
    scale = helper.make_node("Constant", [], ["k"])
    reference = onnx.AttributeProto(name="value_float", type=onnx.AttributeProto.FLOAT)
    reference.ref_attr_name = "factor"
    scale.attribute.append(reference)
    scaled = helper.make_function(
        "mine",
        "Scaled",
        ["a", "b"],
        ["c"],
        [
            scale,
            helper.make_node("Mul", ["a", "k"], ["m"]),
            helper.make_node("AddAll", ["m", "b"], ["c"], domain="mine"),
        ],
        opsets,
        attribute_protos=[helper.make_attribute("factor", 2.0)],
    )
    add_all = helper.make_function(
        "mine", "AddAll", ["p", "q"], ["r"], [helper.make_node("Sum", ["p", "q"], ["r"])], opsets
    )
    node = helper.make_node("Scaled", ["x", "b"], ["y0"], domain="mine", **node_attributes)
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xb"]
    graph = helper.make_graph([node], "g", infos, [onnx.ValueInfoProto(name="y0")])
    model = helper.make_model(graph, functions=[scaled, add_all], opset_imports=opsets)
    model.ir_version = 9
    return toffee.loads(model.SerializeToString())


@pytest.mark.parametrize(("attributes", "factor"), [({}, 2.0), ({"factor": 5.0}, 5.0)])
def test_functions_run_with_their_attributes_and_defaults(attributes, factor):
    x, b = np.float32([1, 2]), np.float32([10, 20])
    (result,) = backend.run(model_with_functions(**attributes), [x, b])
    np.testing.assert_array_equal(result, x * factor + b)


def test_a_function_that_calls_itself_is_an_error():
    graph = model_with_functions()
    graph.function[1].node[0].op_type = "Scaled"
    graph.function[1].node[0].domain = "mine"
    with pytest.raises(BackendError, match="calls the function that it is in"):
        backend.prepare(graph)


def test_a_sparse_constant_is_its_dense_values():
    values = numpy_helper.from_array(np.float32([5, 7]), "v")
    indices = numpy_helper.from_array(np.array([[0, 1], [2, 0]]), "i")
    sparse = helper.make_sparse_tensor(values, indices, [3, 2])
    node = helper.make_node("Constant", [], ["y0"], sparse_value=sparse)
    (result,) = run_model([node], {})
    assert result.tolist() == [[0, 5], [0, 0], [7, 0]]


def test_what_is_born_on_the_host_follows_the_run_to_its_device():
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "x"], ["s"]),
        helper.make_node("SequenceLength", ["s"], ["n"]),
        helper.make_node("Constant", [], ["one"], value_string=b"1.5"),
        helper.make_node("Cast", ["one"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["n"], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Sum", ["x", "f", "m"], ["y0"]),
    ]
    data = model_bytes(nodes, {"x": np.zeros(2, np.float32)})
    (result,) = backend.run(toffee.loads(data), np.zeros(2, np.float32))
    assert result.tolist() == [3.5, 3.5]
    module = to_module(toffee.loads(data))
    parts: list[str] = []
    for i, step in enumerate(module._plan._steps):

        def watched(a: Any, *inputs: Any, function: Any = step.function) -> Any:
            parts.extend(x.device.type for x in inputs if isinstance(x, torch.Tensor))
            return function(a, *inputs)

        module._plan._steps[i] = step._replace(function=watched)
    assert module(torch.zeros(2, device="meta")).device.type == "meta"
    assert set(parts) == {"meta"}


@pytest.mark.parametrize("rows", [0, 1])
def test_updates_of_another_shape_are_refused_and_not_broadcast(rows):
    node = toffee.helper.make_node("ScatterND", ["x", "i", "u"], ["y"])
    x = np.zeros((3, 2), np.float32)
    index = np.zeros((2 - 2 * rows, 1), np.int64)
    updates = np.ones((1, 2), np.float32)
    with pytest.raises(BackendError, match=r"ScatterND.* must be \[\d, 2\]"):
        backend.run_node(node, [x, index, updates])
