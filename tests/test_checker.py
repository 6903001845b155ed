"""toffee.checker: each rule shown by two models, both also shown to onnx."""

from __future__ import annotations

import onnx
import onnx.checker
import onnx.defs
import pytest
from checker_models import ANY, Model, Node, X, declare_opset, in_onnx, in_toffee, single
from checker_rules import RULES, Rule, conv, conv_weight

import toffee
import toffee.checker
import toffee.helper
from toffee import _core

every_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])


@every_rule
def test_a_model_that_keeps_the_rule_passes_here_and_in_onnx(rule: Rule) -> None:
    toffee.checker.check_graph(in_toffee(rule.keeps))
    onnx.checker.check_model(in_onnx(rule.keeps), full_check=True)


@every_rule
def test_a_model_that_breaks_the_rule_is_refused_with_its_reason(rule: Rule) -> None:
    with pytest.raises(toffee.CheckError, match=rule.message):
        toffee.checker.check_graph(in_toffee(rule.breaks))


@every_rule
def test_onnx_judges_the_broken_model_as_the_rule_says(rule: Rule) -> None:
    if rule.onnx_too:
        with pytest.raises((onnx.checker.ValidationError, onnx.shape_inference.InferenceError)):
            onnx.checker.check_model(in_onnx(rule.breaks), full_check=True)
    else:  # or the rule could be said to hold in both
        onnx.checker.check_model(in_onnx(rule.breaks), full_check=True)


def test_the_message_names_the_node() -> None:
    model = conv(kernel_size=[3, 3])
    model.nodes.insert(0, Node("Relu", ["x"], ["unused"]))
    model.nodes[1].name = "features.0"
    with pytest.raises(toffee.CheckError, match=r"^node 1 \(Conv 'features\.0'\): attribute 'kern"):
        toffee.checker.check_graph(in_toffee(model))


def test_any_operator_of_a_declared_domain_passes() -> None:
    node = Node("aten::frob", ["x"], ["y"], {"flavour": "any"}, domain="org.pytorch.aten")
    graph = in_toffee(Model([node], {"x": X}, {"y": ANY}))
    graph.opset_import.append(toffee.helper.make_opsetid("org.pytorch.aten", 1))
    toffee.checker.check_graph(graph)


def test_what_is_not_known_is_no_fault() -> None:
    model = conv_weight(6, 4, 3, 3)
    model.inputs["x"] = ANY
    model.outputs = {"y0": ANY}
    toffee.checker.check_graph(in_toffee(model))


def test_nodes_of_2017_without_an_opset_are_not_judged_by_today() -> None:
    graph = in_toffee(single("Relu", {"x": X}))
    del graph.opset_import[:]
    graph.ir_version = 1
    with pytest.raises(toffee.CheckError, match="operators of 2017.*toffee.load upgrades"):
        toffee.checker.check_graph(graph)


def test_an_undeclared_opset_is_asked_for() -> None:
    graph = in_toffee(single("Relu", {"x": X}))
    del graph.opset_import[:]
    with pytest.raises(toffee.CheckError, match="declares no opset .* add domain '' with version"):
        toffee.checker.check_graph(graph)


@pytest.mark.parametrize("opset", [1, 13, 21, 28])
def test_another_opset_is_judged_by_the_names_of_its_operators_only(opset: int) -> None:
    graph = in_toffee(single("Relu", {"x": X}, nonsense=1))
    declare_opset(graph, "", opset)
    toffee.checker.check_graph(graph)
    graph.node[0].op_type = "Rellu"
    with pytest.raises(
        toffee.CheckError, match=f"no operator 'Rellu' in opset {opset}; did you mean 'Relu'"
    ):
        toffee.checker.check_graph(graph)


def test_an_older_opset_is_judged_where_the_operator_meant_the_same() -> None:
    graph = in_toffee(single("Relu", {"x": X}, nonsense=1))
    declare_opset(graph, "", 14)
    with pytest.raises(toffee.CheckError, match="attribute 'nonsense' is not one of Relu's"):
        toffee.checker.check_graph(graph)


@pytest.mark.parametrize(
    ("op_type", "opsets", "others"),
    [
        ("Upsample", [7, 9], [10, 20, 21]),
        ("Scatter", [9, 10], [8, 11, 20]),
        ("Attention", [23, 99], [20, 22]),
        ("Whatever", [99], [20, 28]),
    ],
)
def test_an_operator_is_known_in_the_opsets_that_have_it(
    op_type: str, opsets: list[int], others: list[int]
) -> None:
    graph = in_toffee(single("Relu", {"x": X}))
    graph.node[0].op_type = op_type
    for opset in opsets:
        declare_opset(graph, "", opset)
        toffee.checker.check_graph(graph)
    for opset in others:
        declare_opset(graph, "", opset)
        with pytest.raises(toffee.CheckError, match=f"no operator '{op_type}' in opset {opset}"):
            toffee.checker.check_graph(graph)


def test_a_single_node_is_checked_without_a_graph() -> None:
    toffee.checker.check_node(toffee.helper.make_node("Relu", ["x"], ["y"]))
    with pytest.raises(toffee.CheckError, match="Relu has 1"):
        toffee.checker.check_node(toffee.helper.make_node("Relu", ["x", "z"], ["y"]))


# Names of a length that reaches the end of every buffer that a message is put together in.
@pytest.mark.parametrize("length", [1, 39, 40, 41, 79, 80, 81, 255, 256, 257, 1023, 1024, 5000])
def test_names_of_any_length_fit_the_message(length: int) -> None:
    model = single("Relu", {"x": X})
    model.nodes[0].name = "n" * length
    model.nodes[0].attributes = {"a" * length: 1}
    with pytest.raises(toffee.CheckError, match="node 0"):
        toffee.checker.check_graph(in_toffee(model))
    model.nodes[0].op = "O" * length
    with pytest.raises(toffee.CheckError, match="there is no operator 'O"):
        toffee.checker.check_graph(in_toffee(model))


def test_a_smallest_node_of_every_operator_is_counted_as_onnx_counts_it() -> None:
    """One input or output fewer than the fewest, or more than the most, is refused for all rows."""
    refused = 0
    for row in _core.op_table():
        schema = onnx.defs.get_schema(row["name"], 20, "")
        for n_inputs, n_outputs in (
            (schema.min_input - 1, schema.min_output),
            (schema.min_input, schema.min_output - 1),
            (schema.max_input + 1, schema.min_output),
            (schema.min_input, schema.max_output + 1),
        ):
            if not (0 <= n_inputs < 100 and 0 <= n_outputs < 100):
                continue
            names = [f"x{i}" for i in range(n_inputs)], [f"y{i}" for i in range(n_outputs)]
            with pytest.raises(toffee.CheckError, match=f"; {row['name']} has"):
                toffee.checker.check_node(toffee.helper.make_node(row["name"], *names))
            refused += 1
    assert refused > 500
