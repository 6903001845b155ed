"""toffee.helper, beside onnx.helper where both say something."""

from __future__ import annotations

import inspect

import numpy as np
import onnx
import onnx.reference
import pytest

import toffee
from toffee import Attribute, Graph, Tensor, checker, helper, numpy_helper, printer

SHARED = [
    name
    for name in helper.__all__
    if hasattr(onnx.helper, name)
    and name not in ("make_graph", "printable_graph", "set_metadata_props")
]


def test_most_of_the_helper_is_onnxs():
    assert len(SHARED) >= 14


@pytest.mark.parametrize("name", SHARED)
def test_parameters_begin_as_in_onnx(name):
    ours = list(inspect.signature(getattr(helper, name)).parameters)
    theirs = list(inspect.signature(getattr(onnx.helper, name)).parameters)
    assert ours == theirs[: len(ours)]


@pytest.mark.parametrize(
    "value",
    [
        3,
        -1,
        2.5,
        "text",
        b"\xff",
        [1, 2],
        (1.5, 2.0),
        [1, 2.5],
        ["a", b"b"],
        True,
        np.int64(4),
        np.float32(0.5),
        np.array([1, 2]),
        np.array([0.5, 2.0]),
        range(3),
    ],
    ids=repr,
)
def test_the_type_of_an_attribute_follows_from_its_value_as_in_onnx(value):
    theirs = onnx.helper.make_attribute("a", value if not isinstance(value, range) else list(value))
    ours = helper.make_attribute("a", value, doc_string="why")
    assert (ours.name, ours.type, ours.doc_string) == ("a", theirs.type, "why")
    assert helper.get_attribute_value(ours) == onnx.helper.get_attribute_value(theirs)


def test_an_array_without_dimensions_is_a_number():
    assert helper.make_attribute("a", np.array(7)).value() == 7
    assert helper.make_attribute("a", np.array(0.5)).type == Attribute.FLOAT


def test_attributes_of_tensors_and_graphs():
    tensor = numpy_helper.from_array(np.zeros(2), "t")
    assert helper.make_attribute("a", tensor).type == Attribute.TENSOR
    assert helper.make_attribute("a", Graph()).type == Attribute.GRAPH
    assert helper.make_attribute("a", [tensor]).type == Attribute.TENSORS
    assert helper.make_attribute("a", [Graph(), Graph()]).type == Attribute.GRAPHS


def test_an_empty_or_ambiguous_value_needs_the_type_said():
    with pytest.raises(ValueError, match="attr_type"):
        helper.make_attribute("axes", [])
    axes = helper.make_attribute("axes", [], attr_type=Attribute.INTS)
    assert (axes.type, axes.value()) == (Attribute.INTS, [])
    assert helper.make_attribute("alpha", 1, attr_type=Attribute.FLOAT).f == 1.0
    with pytest.raises(TypeError):
        helper.make_attribute("alpha", "x", attr_type=Attribute.FLOAT)
    with pytest.raises(ValueError, match="no type"):
        helper.make_attribute("alpha", 1, attr_type=77)


@pytest.mark.parametrize("value", [None, object(), [1, "a"], [None], {1: 2}.items(), 1j])
def test_values_that_no_attribute_can_hold_are_type_errors(value):
    with pytest.raises(TypeError, match="attribute 'a' cannot hold"):
        helper.make_attribute("a", value)


def test_make_node_sorts_attributes_and_leaves_out_none():
    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], "n", "doc", "dom", strides=[2, 2], pads=None, group=1
    )
    assert (node.op_type, node.name, node.doc_string, node.domain) == ("Conv", "n", "doc", "dom")
    assert (node.input, node.output) == (["x", "w"], ["y"])
    assert [a.name for a in node.attribute] == ["group", "strides"]
    assert helper.get_node_attr_value(node, "strides") == [2, 2]
    with pytest.raises(ValueError, match="no attribute 'pads'"):
        helper.get_node_attr_value(node, "pads")
    with pytest.raises(ValueError, match="has no type"):
        helper.get_attribute_value(Attribute(name="a"))
    with pytest.raises(ValueError, match="overloads"):
        helper.make_node("Conv", [], [], overload="x")


def test_make_graph_puts_initializers_first_and_the_result_checks():
    weight = numpy_helper.from_array(np.ones((4, 2), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)],
        "linear",
        [helper.make_tensor_value_info("x", Tensor.FLOAT, [3, 2])],
        [helper.make_tensor_value_info("y", Tensor.FLOAT, [3, 4], doc_string="logits")],
        [weight],
        "made by hand",
    )
    assert (graph.input, graph.output) == (["w", "x"], ["y"])
    assert graph.output_info[0].doc_string == "logits"
    checker.check_graph(graph)
    model = onnx.load_from_string(toffee.dumps(graph, format="onnx"))
    onnx.checker.check_model(model, full_check=True)
    (result,) = onnx.reference.ReferenceEvaluator(model).run(
        None, {"x": np.array([[1, 2], [3, 4], [5, 6]], np.float32)}
    )
    assert np.array_equal(result, np.array([[3] * 4, [7] * 4, [11] * 4], np.float32))


def test_make_graph_keeps_an_initializer_where_the_inputs_name_it():
    weight = numpy_helper.from_array(np.ones(2, np.float32), "w")
    graph = helper.make_graph([], "g", ["x", "w"], ["x"], [weight])
    assert graph.input == ["x", "w"]
    assert [info.name for info in graph.input_info] == ["x"]


@pytest.mark.parametrize(
    "data_type, vals",
    [
        (Tensor.FLOAT, [1.5, 2, 3, 4]),
        (Tensor.INT64, [1, 2, 3, 2**40]),
        (Tensor.BOOL, [True, False, True, True]),
        (Tensor.FLOAT16, [0.5, 1, 2, 3]),
        (Tensor.BFLOAT16, [0.5, 1, 2, 3]),
        (Tensor.COMPLEX64, [1j, 2, 3, 4 + 1j]),
        (Tensor.STRING, ["a", "b", "c", "d"]),
    ],
)
def test_make_tensor_from_flat_values_gives_what_onnx_gives(data_type, vals):
    ours = helper.make_tensor("t", data_type, (2, 2), vals)
    theirs = onnx.helper.make_tensor("t", data_type, (2, 2), vals)
    assert np.array_equal(ours.numpy(), onnx.numpy_helper.to_array(theirs))


def test_make_tensor_refuses_the_wrong_number_of_values():
    with pytest.raises(ValueError, match="3 values do not fill dims"):
        helper.make_tensor("t", Tensor.FLOAT, [2, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="has 4 bytes"):
        helper.make_tensor("t", Tensor.FLOAT, [2], b"1234", raw=True)
    with pytest.raises(ValueError, match="no data_type"):
        helper.make_tensor("t", 0, [2], [1, 2])
    assert helper.make_tensor("t", Tensor.FLOAT, [1], b"\0\0\x80?", raw=True).numpy() == [1.0]


def test_value_infos_and_opsets():
    info = helper.make_tensor_value_info("x", Tensor.FLOAT, ["n", None, 3])
    assert (info.name, info.dtype, info.shape) == ("x", 1, ("n", None, 3))
    assert helper.make_tensor_value_info("x", Tensor.FLOAT, None).shape is None
    assert helper.make_empty_tensor_value_info("x").dtype == 0
    with pytest.raises(ValueError, match="denotations"):
        helper.make_tensor_value_info("x", 1, [1], shape_denotation=["a"])
    assert helper.make_opsetid("d", 3) == helper.make_operatorsetid("d", 3)


def test_set_metadata_props_replaces_them(conv_graph):
    helper.set_metadata_props(conv_graph, {"a": "1", "b": "2"})
    assert [(p.key, p.value) for p in conv_graph.metadata_props] == [("a", "1"), ("b", "2")]


def test_printables_are_what_str_says(conv_graph):
    assert helper.printable_graph(conv_graph) == str(conv_graph) == printer.to_text(conv_graph)
    assert helper.printable_graph(conv_graph, "> ").splitlines()[0].startswith("> graph(%w")
    assert helper.printable_node(conv_graph.node[1], "  ") == "  " + str(conv_graph.node[1])
    assert helper.printable_attribute(conv_graph.node[0].attribute[0]) == "kernel_shape=[3, 3]"
    with pytest.raises(TypeError, match="expected a toffee.Graph"):
        printer.to_text("x")
