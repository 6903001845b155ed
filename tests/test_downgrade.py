"""Graphs saved with ir_version=1: what they say, and that they still compute the same."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from old_graphs import fail_each_allocation, run

import toffee
from toffee import _core, helper, numpy_helper

Row = tuple[str, Sequence[str], Sequence[str], Mapping[str, Any]]


def rand(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape) + len(shape)).uniform(-1, 1, shape).astype(np.float32)


def graph_of(
    rows: Sequence[Row], x: np.ndarray, constants: Mapping[str, np.ndarray], outputs: Sequence[str]
) -> toffee.Graph:
    """An opset 20 graph from input "x", with CONSTANTS as initializers."""
    dtype = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [helper.make_node(op, ins, outs, **attrs) for op, ins, outs, attrs in rows],
        "g",
        [helper.make_tensor_value_info("x", dtype, x.shape)],
        list(outputs),
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return graph


X = rand(2, 3, 6, 8)
M = rand(4, 5)
STATISTICS = {"s": rand(3) + 2, "b": rand(3), "m": rand(3) / 2, "v": rand(3) + 1.5}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


#: rows, x, initializers, operators in the file of 2017
CASES: dict[str, tuple[list[Row], np.ndarray, dict[str, np.ndarray], list[str]]] = {
    "conv": (
        [("Conv", ["x", "w", "c"], ["y"], {"pads": [1, 0, 1, 0], "strides": [2, 1]})],
        X, {"w": rand(4, 3, 3, 2), "c": rand(4)}, ["Conv"],
    ),
    "max_pool": (
        [("MaxPool", ["x"], ["y"], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 0,
                                    "dilations": [1, 1]})],
        X, {}, ["MaxPool"],
    ),
    "average_pool_without_padding": (
        [("AveragePool", ["x"], ["y"], {"kernel_shape": [2, 2], "count_include_pad": 1})],
        X, {}, ["AveragePool"],
    ),
    "gemm_is_fc": (
        [("Gemm", ["x", "w", "c"], ["y"], {"transB": 1})],
        M, {"w": rand(6, 5), "c": rand(6)}, ["FC"],
    ),
    "gemm_untransposed": (
        [("Gemm", ["x", "w", "c"], ["y"], {})],
        M, {"w": rand(5, 6), "c": rand(6)}, ["Transpose", "FC"],
    ),
    "gemm_without_bias": (
        [("Gemm", ["x", "w"], ["y"], {"transB": 1})], M, {"w": rand(6, 5)},
        ["Transpose", "MatMul"],
    ),
    "batch_norm": (
        [("BatchNormalization", ["x", *STATISTICS], ["y"], {"epsilon": 1e-3})],
        X, STATISTICS, ["BatchNormalization"],
    ),
    "batch_norm_training": (
        [("BatchNormalization", ["x", *STATISTICS], ["y", "p", "q"], {"training_mode": 1})],
        X, STATISTICS, ["BatchNormalization"],
    ),
    "dropout": (
        [("Dropout", ["x", "r"], ["y"], {})], X, {"r": np.float32(0.3)}, ["Dropout"],
    ),
    "reshape": (
        [("Reshape", ["x", "n"], ["y"], {})], X, {"n": ints(0, -1)}, ["Reshape"],
    ),
    "flatten_from_the_end": (
        [("Flatten", ["x"], ["y"], {"axis": -2})], X, {}, ["Flatten"],
    ),
    "concat": ([("Concat", ["x", "x"], ["y"], {"axis": -3})], X, {}, ["Concat"]),
    "add_equal": ([("Relu", ["x"], ["1"], {}), ("Add", ["1", "c"], ["y"], {})], X,
                  {"c": rand(2, 3, 6, 8)}, ["Relu", "Add"]),
    "add_to_itself": (
        [("Reshape", ["x", "n"], ["1"], {}), ("Relu", ["1"], ["2"], {}),
         ("Add", ["1", "2"], ["y"], {})],
        X, {"n": ints(0, -1)}, ["Reshape", "Relu", "Add"],
    ),
    "add_channels": ([("Add", ["x", "c"], ["y"], {})], X, {"c": rand(3, 1, 1)},
                     ["Squeeze", "Add"]),
    "add_at_the_end": ([("Add", ["x", "c"], ["y"], {})], X, {"c": rand(8)}, ["Add"]),
    "add_swapped": ([("Add", ["c", "x"], ["y"], {})], X, {"c": rand(1, 3, 6, 1)},
                    ["Squeeze", "Add"]),
    "mul_by_a_number": ([("Mul", ["x", "c"], ["y"], {})], X, {"c": np.float32(2.5)}, ["Mul"]),
    "div_by_one_number": ([("Div", ["x", "c"], ["y"], {})], X,
                          {"c": np.full((1, 1), 2, np.float32)}, ["Squeeze", "Div"]),
    "softmax": ([("Softmax", ["x"], ["y"], {"axis": -1})], M, {}, ["Softmax"]),
    "log_softmax": ([("LogSoftmax", ["x"], ["y"], {"axis": 1})], M, {}, ["LogSoftmax"]),
    "transpose": ([("Transpose", ["x"], ["y"], {"perm": [2, 0, 3, 1]})], X, {}, ["Transpose"]),
    "unsqueeze_and_squeeze": (
        [("Unsqueeze", ["x", "n"], ["1"], {}), ("Relu", ["1"], ["2"], {}),
         ("Squeeze", ["2", "p"], ["y"], {})],
        M, {"n": ints(-1, 0), "p": ints(-1)}, ["Unsqueeze", "Relu", "Squeeze"],
    ),
    "clip": ([("Clip", ["x", "p", "q"], ["y"], {})], M,
             {"p": np.float32(-0.25), "q": np.float32(0.5)}, ["Clip"]),
    "clip_above": ([("Clip", ["x", "", "q"], ["y"], {})], M, {"q": np.float32(0.5)}, ["Clip"]),
    "reduce": ([("ReduceMean", ["x", "n"], ["y"], {"keepdims": 0})], X, {"n": ints(-1, 1)},
               ["ReduceMean"]),
    "slice": ([("Slice", ["x", "p", "q", "n"], ["y"], {})], X,
              {"p": ints(1, 0), "q": ints(3, -1), "n": ints(-2, 3)}, ["Slice"]),
    "pad": ([("Pad", ["x", "n", "p"], ["y"], {})], M,
            {"n": ints(0, 1, 2, 0), "p": np.float32(1.5)}, ["Pad"]),
    "split": ([("Split", ["x", "n"], ["1", "y"], {"axis": -1})], M, {"n": ints(2, 3)}, ["Split"]),
    "split_by_count": ([("Split", ["x"], ["1", "y"], {"axis": 1, "num_outputs": 2})], M, {},
                       ["Split"]),
    "cast": ([("Cast", ["x"], ["1"], {"to": 6}), ("Cast", ["1"], ["y"], {"to": 1})], M, {},
             ["Cast", "Cast"]),
    "prelu": ([("PRelu", ["x", "c"], ["y"], {})], X, {"c": rand(3, 1, 1)}, ["Squeeze", "PRelu"]),
    "selu": ([("Selu", ["x"], ["y"], {})], M, {}, ["Selu"]),
    "lrn": ([("LRN", ["x"], ["y"], {"size": 3})], X, {}, ["LRN"]),
    "arg_max": ([("ArgMax", ["x"], ["y"], {"axis": -1, "keepdims": 0})], M, {}, ["ArgMax"]),
    "top_k": ([("TopK", ["x", "n"], ["y", "1"], {})], M, {"n": ints(2)}, ["TopK"]),
    "sum": ([("Sum", ["x", "c", "x"], ["y"], {})], M, {"c": rand(4, 5)}, ["Sum"]),
    "constant_node": (
        [("Constant", [], ["1"], {"value": numpy_helper.from_array(rand(5, 4))}),
         ("MatMul", ["x", "1"], ["y"], {})],
        M, {}, ["Constant", "MatMul"],
    ),
    "shape_from_a_constant_node": (
        [("Constant", [], ["1"], {"value": numpy_helper.from_array(ints(5, 4))}),
         ("Reshape", ["x", "1"], ["y"], {})],
        M, {}, ["Reshape"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_downgraded_graph_computes_the_same_when_it_is_loaded_again(name: str) -> None:
    rows, x, constants, expected = CASES[name]
    graph = graph_of(rows, x, constants, ["y"])
    content = toffee.dumps(graph, ir_version=1)
    old = _core.loads(content, upgrade=False)
    assert [node.op_type for node in old.node] == expected
    assert old.ir_version == 1
    assert len(old.opset_import) == 0
    assert sorted({tensor.name for tensor in old.initializer} | {"x"}) == sorted(old.input)
    again = toffee.loads(content)
    assert [p.value for p in again.metadata_props if p.key == "upgraded_from"] == ["late"]
    (before,), (after,) = run(graph, {"x": x}), run(again, {"x": x})
    assert before.shape == after.shape
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-6)


class Residual(torch.nn.Module):
    """Convolution, batch norm, a shortcut, pooling, dropout, linear: what 2017 was made of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(3)
        self.linear = torch.nn.Linear(48, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.max_pool2d(self.norm(self.conv(x)).relu() + x, 2)
        x = torch.nn.functional.dropout(torch.cat([x, -x], 1), training=self.training)
        return self.linear(x[:, :3].flatten(1)).softmax(1)


def test_an_exported_network_goes_to_2017_and_back() -> None:
    torch.manual_seed(0)
    model, x = Residual().eval(), torch.randn(2, 3, 8, 8)
    file = io.BytesIO()
    expected = toffee.torch_toffee.export(model, x, file)
    again = toffee.loads(toffee.dumps(toffee.loads(file.getvalue()), ir_version=1))
    (result,) = run(again, {again.input[-1]: x.numpy()})
    np.testing.assert_allclose(result, expected.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_the_graph_itself_stays_as_it_is() -> None:
    rows, x, constants, _ = CASES["reshape"]
    graph = graph_of(rows, x, constants, ["y"])
    text = str(graph)
    toffee.dumps(graph, ir_version=1)
    assert str(graph) == text


def test_attributes_are_those_of_2017() -> None:
    rows: list[Row] = [
        ("BatchNormalization", ["x", *STATISTICS], ["1"], {}),
        ("Add", ["1", "c"], ["2"], {}),
        ("Reshape", ["2", "n"], ["3"], {}),
        ("Cast", ["3"], ["y"], {"to": 7}),
    ]
    constants = {**STATISTICS, "c": rand(3, 1, 1), "n": ints(-1, 4)}
    content = toffee.dumps(graph_of(rows, X, constants, ["y"]), ir_version=1)
    norm, squeeze, add, reshape, cast = _core.loads(content, upgrade=False).node

    def attributes(node: toffee.Node) -> dict[str, Any]:
        return {a.name: helper.get_attribute_value(a) for a in node.attribute}

    assert attributes(norm) == {
        "consumed_inputs": [0, 0, 0, 1, 1],
        "epsilon": pytest.approx(1e-5),
        "is_test": 1,
        "momentum": pytest.approx(0.9),
        "spatial": 1,
    }
    assert attributes(squeeze) == {"axes": [1, 2]}
    assert attributes(add) == {"axis": 1, "broadcast": 1}
    assert attributes(reshape) == {"shape": [-1, 4]}
    assert attributes(cast) == {"to": b"INT64"}


UNSUPPORTED: list[tuple[list[Row], dict[str, np.ndarray], str]] = [
    ([("Gelu", ["x"], ["y"], {})], {}, "node 0 (Gelu): 2017 had no such operator"),
    ([("Foo", ["x"], ["y"], {"domain": "mine"})], {}, "node 0 (mine::Foo): operators of other"),
    ([("Gemm", ["x", "w", "c"], ["y"], {"alpha": 2.0})], {"w": rand(5, 6), "c": rand(6)},
     "its alpha is 2"),
    ([("Gemm", ["x", "w", "c"], ["y"], {})], {"w": rand(5, 6), "c": rand(1)},
     "one element a column"),
    ([("Reshape", ["x", "n"], ["y"], {"allowzero": 1})], {"n": ints(0, 4)}, "'allowzero' is 1"),
    ([("Relu", ["x"], ["1"], {}), ("Shape", ["1"], ["2"], {}), ("Reshape", ["x", "2"], ["y"], {})],
     {}, "node 2 (Reshape): its input 1 (shape) is not a constant"),
    ([("Identity", ["x"], ["1"], {}), ("Reshape", ["1", "n"], ["2"], {}),
      ("Add", ["2", "x"], ["y"], {})], {"n": ints(4, 5)}, "are not known to be equal"),
    ([("Sub", ["c", "x"], ["y"], {})], {"c": rand(5)}, "are not known to be equal"),
    ([("Softmax", ["x"], ["y"], {"axis": 0})], {}, "along axis 0"),
    ([("Cast", ["x"], ["y"], {"to": 11})], {}, "casts to DOUBLE"),
    ([("Add", ["x", "c"], ["y"], {})], {"c": np.zeros((4, 5))}, "initializer 'c' is of DOUBLE"),
    ([("Slice", ["x", "p", "q", "n", "n"], ["y"], {})],
     {"p": ints(0), "q": ints(4), "n": ints(0)}, "steps of 0"),
    ([("Pad", ["x", "n"], ["y"], {"mode": "wrap"})], {"n": ints(1, 1, 1, 1)}, "mode is 'wrap'"),
    ([("Dropout", ["x"], ["1", "y"], {})], {}, "'y' (the mask), is used"),
    ([("ArgMax", ["x"], ["y"], {"select_last_index": 1})], {}, "'select_last_index' is 1"),
    ([("Max", ["x", "c"], ["y"], {})], {"c": rand(5)}, "same shape"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "constants", "message"), UNSUPPORTED)
def test_what_2017_could_not_say_is_an_error_that_names_the_node(
    rows: list[Row], constants: dict[str, np.ndarray], message: str
) -> None:
    graph = graph_of(rows, M, constants, ["y"])
    with pytest.raises(toffee.UnsupportedOperatorError) as caught:
        toffee.dumps(graph, ir_version=1)
    assert message in str(caught.value)


def test_a_pool_that_counts_its_padding_has_no_counterpart() -> None:
    attrs = {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    graph = graph_of([("AveragePool", ["x"], ["y"], attrs)], X, {}, ["y"])
    with pytest.raises(toffee.UnsupportedOperatorError, match="'count_include_pad' is 1"):
        toffee.dumps(graph, ir_version=1)


def test_another_opset_has_no_way_back() -> None:
    graph = graph_of([("Relu", ["x"], ["y"], {})], M, {}, ["y"])
    graph.opset_import[0].version = 13
    with pytest.raises(toffee.UnsupportedOperatorError, match="of opset 13"):
        toffee.dumps(graph, ir_version=1)


@pytest.mark.parametrize("name", ["conv", "gemm_untransposed", "add_channels", "slice"])
def test_downgrading_raises_memory_error_at_every_allocation(name: str) -> None:
    rows, x, constants, _ = CASES[name]
    graph = graph_of(rows, x, constants, ["y"])
    assert fail_each_allocation(lambda: toffee.dumps(graph, ir_version=1)) > 0
