"""Inference on graphs that are made to break it: an error that names the node, or an answer."""

from __future__ import annotations

import random
import time
import warnings

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import pytest

import toffee
import toffee.checker
from toffee import Tensor, helper

NUMBERS = [-(2**63), -(2**31), -65, -2, -1, 0, 1, 2, 3, 63, 64, 65, 2**31, 2**62, 2**63 - 1]


@pytest.fixture(scope="module")
def models() -> list[onnx.ModelProto]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they compute with infinities
        cases = collect_testcases(None)
    models = [
        case.model
        for case in cases
        if case.model is not None and {opset.domain for opset in case.model.opset_import} == {""}
    ]
    assert len(models) > 1500
    return models


def make_constant(graph: onnx.GraphProto, rng: random.Random) -> None:
    """Turn an input into an initializer with numbers of our own, which inference follows."""
    if not graph.input:
        return
    value = rng.choice(graph.input)
    dtype = rng.choice([np.int64, np.int64, np.int32, np.float32, np.bool_])
    n = rng.choice([0, 1, 2, 3, 4, 8, 65, 129, 200])
    numbers = np.array([rng.choice(NUMBERS) for _ in range(n)], dtype=np.int64).astype(dtype)
    if n == 1 and rng.random() < 0.5:
        numbers = numbers.reshape(())
    graph.initializer.append(onnx.numpy_helper.from_array(numbers, value.name))
    graph.input.remove(value)


def change_shape(graph: onnx.GraphProto, rng: random.Random) -> None:
    """Give an input another shape: sizes no tensor has, symbols, another rank, none."""
    values = [value for value in graph.input if value.type.HasField("tensor_type")]
    if not values:
        return
    tensor = rng.choice(values).type.tensor_type
    what = rng.randrange(4)
    if what == 0:
        tensor.ClearField("shape")
        return
    if what == 1:
        tensor.ClearField("shape")
        tensor.shape.SetInParent()
        for _ in range(rng.choice([0, 1, 2, 3, 4, 5, 63, 64])):
            tensor.shape.dim.add()
    for dim in tensor.shape.dim:
        if rng.random() < 0.5:
            dim.Clear()
            if rng.random() < 0.7:
                dim.dim_value = rng.choice(NUMBERS)
            else:
                dim.dim_param = rng.choice(["N", "M"])


def change_attribute(graph: onnx.GraphProto, rng: random.Random) -> None:
    node = rng.choice(graph.node)
    if not node.attribute:
        return
    attribute = rng.choice(node.attribute)
    if attribute.type == onnx.AttributeProto.INT:
        attribute.i = rng.choice(NUMBERS)
    elif attribute.type == onnx.AttributeProto.INTS:
        n = rng.choice([0, 1, len(attribute.ints), len(attribute.ints) + 1, 65])
        del attribute.ints[:]
        attribute.ints.extend(rng.choice(NUMBERS) for _ in range(n))
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = bytes(rng.choice(b"abij.,-> Z") for _ in range(rng.randrange(12)))
    elif attribute.type == onnx.AttributeProto.GRAPH and attribute.g.node:
        spoil(attribute.g, rng)


def change_wiring(graph: onnx.GraphProto, rng: random.Random) -> None:
    node = rng.choice(graph.node)
    what = rng.randrange(4)
    if what == 0 and node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(["", *node.input])
    elif what == 1 and node.input:
        del node.input[-1]
    elif what == 2:
        node.output.append(f"extra{len(node.output)}")
    elif len(node.output) > 1:
        del node.output[-1]


def spoil(graph: onnx.GraphProto, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 3)):
        rng.choice([make_constant, make_constant, change_shape, change_attribute, change_wiring])(
            graph, rng
        )


def infer_hostile(models: list[onnx.ModelProto], n: int, seed: int) -> tuple[int, int]:
    """How many of N spoilt models were answered, and how many refused by name of a node."""
    rng = random.Random(seed)
    answered = refused = 0
    for _ in range(n):
        model = onnx.ModelProto.FromString(rng.choice(models).SerializeToString())
        model.opset_import[0].version = 20
        for value in model.graph.output:
            value.ClearField("type")
        spoil(model.graph, rng)
        try:
            graph = toffee.loads(model.SerializeToString())
        except toffee.FormatError:
            continue
        try:
            inferred = toffee.infer_shapes(graph)
        except toffee.CheckError as error:
            refused += str(error).startswith("node ")
            with pytest.raises(toffee.CheckError):
                toffee.checker.check_graph(graph)
        else:
            answered += 1
            toffee.checker.check_graph(inferred)
            again = toffee.infer_shapes(inferred)
            assert again == inferred, model.graph.node[0].op_type
    return answered, refused


def test_spoilt_models_are_answered_or_refused(models: list[onnx.ModelProto]) -> None:
    answered, refused = infer_hostile(models, 4000, 1)
    assert answered > 800
    assert refused > 800


def test_a_product_that_overflows_is_not_known() -> None:
    x = helper.make_tensor_value_info("x", Tensor.FLOAT, [2**40, 2**40, 3])
    y = helper.make_tensor_value_info("y", Tensor.FLOAT, None)
    node = helper.make_node("Flatten", ["x"], ["y"], axis=2)
    inferred = toffee.infer_shapes(helper.make_graph([node], "g", [x], [y]))
    assert inferred.output_info[0].shape == (None, 3)


def test_a_rank_over_the_limit_is_an_error() -> None:
    x = helper.make_tensor_value_info("x", Tensor.FLOAT, [1] * 64)
    i = helper.make_tensor_value_info("i", Tensor.INT64, [1] * 64)
    y = helper.make_tensor_value_info("y", Tensor.FLOAT, None)
    node = helper.make_node("Gather", ["x", "i"], ["y"], axis=0)
    with pytest.raises(toffee.CheckError, match=r"node 0 \(Gather\).*127 axes; 64 is the limit"):
        toffee.infer_shapes(helper.make_graph([node], "g", [x, i], [y]))


def nested_ifs(depth: int) -> toffee.Graph:
    """An If in the else branch of an If …; each level reads what the outermost graph makes."""
    y = helper.make_tensor_value_info("y", Tensor.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Relu", ["h"], ["y"])], "b", [], [y])
    for _ in range(depth):
        then = helper.make_graph([helper.make_node("Neg", ["h"], ["y"])], "t", [], [y])
        node = helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=graph)
        graph = helper.make_graph([node], "b", [], [y])
    x = helper.make_tensor_value_info("x", Tensor.FLOAT, ["N", 3])
    c = helper.make_tensor_value_info("c", Tensor.BOOL, [])
    nodes = [helper.make_node("Exp", ["x"], ["h"]), *graph.node]
    return helper.make_graph(nodes, "g", [x, c], [y])


def test_a_value_is_known_in_the_innermost_graph_that_takes_it() -> None:
    assert toffee.infer_shapes(nested_ifs(8)).output_info[0].shape == ("N", 3)


def chain(n: int) -> toffee.Graph:
    nodes = [helper.make_node("Relu", [f"v{i}"], [f"v{i + 1}"]) for i in range(n)]
    x = helper.make_tensor_value_info("v0", Tensor.FLOAT, ["N", 3, 8, 8])
    y = helper.make_tensor_value_info(f"v{n}", Tensor.FLOAT, None)
    return helper.make_graph(nodes, "g", [x], [y])


def test_time_grows_with_the_nodes() -> None:
    """160,000 nodes take a tenth of a second. By their square it would be minutes, not two seconds,
    which leaves room for a machine that is busy."""
    graph = chain(160_000)
    begin = time.process_time()
    toffee.checker.check_graph(graph)
    assert time.process_time() - begin < 2


def test_a_holder_within_a_holder_does_not_nest_facts_without_end() -> None:
    """Each optional holds the one before; two such chains meet in an If."""
    n = 20_000
    x = helper.make_tensor_value_info("v0", Tensor.FLOAT, [2])
    y = helper.make_tensor_value_info("y", Tensor.BOOL, None)
    nodes = [helper.make_node("Optional", [f"v{i}"], [f"v{i + 1}"]) for i in range(n)]
    nodes.append(helper.make_node("OptionalHasElement", [f"v{n}"], ["y"]))
    inferred = toffee.infer_shapes(helper.make_graph(nodes, "g", [x], [y]))
    assert inferred.output_info[0].shape == ()
