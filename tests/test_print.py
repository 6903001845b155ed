"""The text form: what it looks like, rule by rule."""

from __future__ import annotations

import math
import time
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from old_graphs import fail_each_allocation

from toffee import helper, numpy_helper, printer


def node_text(op_type: str = "Op", inputs: Any = (), outputs: Any = ("y",), **kwargs: Any) -> str:
    return printer.to_text(helper.make_node(op_type, list(inputs), list(outputs), **kwargs))


def test_a_graph_reads_as_pytorch_printed_it_in_2017() -> None:
    graph = helper.make_graph(
        [
            helper.make_node(
                "Conv", ["17", "1", "2"], ["19"], kernel_shape=[11, 11], strides=[4, 4]
            ),
            helper.make_node("Relu", ["19"], ["20"]),
        ],
        "g",
        [
            helper.make_tensor_value_info("1", 1, [64, 3, 11, 11]),
            helper.make_tensor_value_info("2", 1, [64]),
            helper.make_tensor_value_info("17", 1, ["batch", 3, 224, None]),
        ],
        ["20"],
        value_info=[helper.make_tensor_value_info("19", 1, [10, 64, 55, 55])],
    )
    assert str(graph) == (
        "graph(%1 : Float(64, 3, 11, 11), %2 : Float(64), %17 : Float(batch, 3, 224, ?)) {\n"
        "  %19 : Float(10, 64, 55, 55) = Conv[kernel_shape=[11, 11], strides=[4, 4]](%17, %1, %2)\n"
        "  %20 = Relu(%19)\n"
        "  return (%20)\n"
        "}"
    )


def test_a_long_header_has_a_line_for_each_input() -> None:
    values = [helper.make_tensor_value_info(f"layer{i}.weight", 1, [64, 64]) for i in range(4)]
    lines = str(helper.make_graph([], "g", values, [])).splitlines()
    assert lines[0] == "graph(%layer0.weight : Float(64, 64),"
    assert lines[1] == "      %layer1.weight : Float(64, 64),"
    assert lines[3] == "      %layer3.weight : Float(64, 64)) {"
    assert lines[4:] == ["  return ()", "}"]


def test_initializers_that_are_no_inputs_stand_first_in_the_body() -> None:
    tensors = [
        numpy_helper.from_array(np.array([0, -1]), "n"),
        numpy_helper.from_array(np.float32(2.5), "s"),
        numpy_helper.from_array(np.arange(9, dtype=np.int32), "many"),
        numpy_helper.from_array(np.zeros((0, 3), np.float32), "none"),
    ]
    graph = helper.make_graph([helper.make_node("Op", ["n"], ["y"])], "g", ["x"], ["y"], tensors)
    del graph.input[:]
    graph.input.append("x")
    assert str(graph).splitlines()[1:6] == [
        "  %n : Long(2) = Constant[value={0, -1}]()",
        "  %s : Float() = Constant[value={2.5}]()",
        "  %many : Int(9) = Constant[value={0, 1, 2, 3, 4, 5, 6, 7, ...}]()",
        "  %none : Float(0, 3) = Constant[value={}]()",
        "  %y = Op(%n)",
    ]


def test_values_left_out_are_a_dash() -> None:
    assert node_text(inputs=["a", "", "b"], outputs=["y", "", "z"]) == "%y, -, %z = Op(%a, -, %b)"


def test_a_node_without_outputs_has_no_equals_sign() -> None:
    assert node_text(inputs=["a"], outputs=[]) == "Op(%a)"


def test_operators_of_another_domain_have_it_in_front() -> None:
    text = node_text("aten::foo", ["x"], domain="org.pytorch.aten", k=1)
    assert text == "%y = org.pytorch.aten::aten::foo[k=1](%x)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (-(2**63), "-9223372036854775808"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1e-5, "1e-05"),
        (1 / 3, "0.33333334"),
        (3.4028234e38, "3.4028235e+38"),
        (-0.0, "-0.0"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        ("same", '"same"'),
        ('a"b\\c\nd\x01', r'"a\"b\\c\nd\x01"'),
        ("caffè 咖啡", '"caffè 咖啡"'),
        ("a\u202eb\u0085", r'"a\xe2\x80\xaeb\xc2\x85"'),
        (b"\xff\xc3(", r'"\xff\xc3("'),
        (b"\xc0\x80\xed\xa0\x80", r'"\xc0\x80\xed\xa0\x80"'),
        ("x" * 300, '"' + "x" * 256 + '"...'),
        ([1, 2], "[1, 2]"),
        ([0.5, 2.0], "[0.5, 2.0]"),
        (["a", "b"], '["a", "b"]'),
        (list(range(32)), str(list(range(32)))),
        (list(range(33)), "[0, 1, 2, 3, 4, 5, 6, 7, ... 33 in all]"),
    ],
)
def test_attributes_are_printed_so_that_they_could_be_read(value: Any, text: str) -> None:
    assert node_text(k=value) == f"%y = Op[k={text}]()"


@pytest.mark.parametrize("seed", range(20))
def test_floats_read_back_the_same(seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 2**32, 50, dtype=np.uint32)
    for value in bits.view(np.float32):
        text = node_text(k=float(value)).removeprefix("%y = Op[k=").removesuffix("]()")
        np.testing.assert_equal(np.float32(text), value)


@pytest.mark.parametrize(
    ("dtype", "values", "text"),
    [
        (np.float16, [1.5, np.inf, np.nan, 6e-8], "Half(4) {1.5, inf, nan, 5.9604645e-08}"),
        (np.float64, [0.1, 1e300], "Double(2) {0.1, 1e+300}"),
        (np.bool_, [True, False], "Bool(2) {True, False}"),
        (np.uint8, [0, 255], "Byte(2) {0, 255}"),
        (np.int8, [-128, 127], "Char(2) {-128, 127}"),
        (np.uint64, [2**64 - 1], "UInt64(1) {18446744073709551615}"),
        (np.complex64, [1 - 2j], "ComplexFloat(1) {1.0-2.0j}"),
        (ml_dtypes.bfloat16, [1.5, -2.0], "BFloat16(2) {1.5, -2.0}"),
        (ml_dtypes.float8_e4m3fn, [448, np.nan], "Float8e4m3fn(2) {448.0, nan}"),
        (ml_dtypes.float8_e5m2, [57344, np.inf], "Float8e5m2(2) {57344.0, inf}"),
    ],
)
def test_tensors_are_printed_with_their_type(dtype: Any, values: list[Any], text: str) -> None:
    tensor = numpy_helper.from_array(np.array(values, dtype))
    assert node_text(value=tensor) == f"%y = Op[value={text}]()"


FLOAT8 = ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"]


@pytest.mark.parametrize("name", FLOAT8)
def test_every_float8_is_printed_as_ml_dtypes_reads_it(name: str) -> None:
    every = np.arange(256, dtype=np.uint8).view(getattr(ml_dtypes, name))
    for value in every:
        text = node_text(k=numpy_helper.from_array(np.array([value])))
        printed = text[text.index("{") + 1 : text.index("}")]
        np.testing.assert_equal(np.float32(printed), np.float32(value))


def test_names_are_escaped_where_they_would_break_the_line() -> None:
    assert node_text("a b", ["x,y", "p(q)"], ['"\n']) == (r"%\"\n = a\x20b(%x\x2cy, %p\x28q\x29)")


def test_graphs_in_attributes_are_indented() -> None:
    body = helper.make_graph([helper.make_node("Neg", ["x"], ["b"])], "t", [], ["b"])
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=body)], "g", ["c", "x"], ["y"]
    )
    assert str(graph) == (
        "graph(%c, %x) {\n"
        "  %y = If[then_branch=graph() {\n"
        "    %b = Neg(%x)\n"
        "    return (%b)\n"
        "  }](%c)\n"
        "  return (%y)\n"
        "}"
    )


def test_ten_thousand_nodes_take_little_time() -> None:
    nodes = [
        helper.make_node("Conv", [str(i)], [str(i + 1)], kernel_shape=[3, 3], alpha=0.1)
        for i in range(10_000)
    ]
    graph = helper.make_graph(nodes, "g", ["0"], ["10000"])
    start = time.perf_counter()
    text = str(graph)
    # Around 10 ms; the bound is for busy machines and still far below what quadratic time takes.
    assert time.perf_counter() - start < 1
    assert text.count("\n") == 10_002


def test_printing_raises_memory_error_at_every_allocation() -> None:
    nodes = [helper.make_node("Conv", [str(i)], [str(i + 1)], k=[1, 2]) for i in range(200)]
    graph = helper.make_graph(nodes, "g", ["0"], ["200"])
    assert fail_each_allocation(lambda: str(graph)) > 0
