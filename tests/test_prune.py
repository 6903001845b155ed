"""Dead nodes go, whatever is used stays, and its order too; equality and copies of graphs."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from old_graphs import fail_each_allocation

import toffee
from toffee import helper, numpy_helper
from toffee._core import _testing

node = helper.make_node


def tensor(name: str) -> toffee.Tensor:
    return numpy_helper.from_array(np.zeros(2, np.float32), name)


def graph_of(nodes: list[Any], inputs: Any = ("x",), outputs: Any = ("y",), **kw: Any) -> Any:
    return helper.make_graph(nodes, "g", list(inputs), list(outputs), **kw)


def ops(graph: toffee.Graph) -> list[str]:
    return [n.op_type for n in graph.node]


def test_nodes_that_no_output_depends_on_go() -> None:
    nodes = [
        node("Dead", ["x"], ["1"]),
        node("Kept", ["x"], ["2"]),
        node("DeadUserOfAKeptOne", ["2", "1"], ["3"]),
        node("AlsoKept", ["2"], ["y"]),
        node("WithoutOutputs", ["y"], []),
    ]
    graph = graph_of(nodes, value_info=[helper.make_empty_tensor_value_info(i) for i in "123"])
    _testing.prune(graph)
    assert ops(graph) == ["Kept", "AlsoKept"]
    assert [value.name for value in graph.value_info] == ["2"]
    assert list(graph.input) == ["x"]


def test_initializers_without_a_use_go_unless_they_are_inputs() -> None:
    graph = graph_of([node("A", ["x", "used"], ["y"])], initializer=[
        tensor("listed"), tensor("used"), tensor("unused")
    ])  # fmt: skip
    del graph.input[:]
    graph.input.extend(["listed", "x"])
    _testing.prune(graph)
    assert [t.name for t in graph.initializer] == ["listed", "used"]


def test_uses_inside_a_graph_of_a_live_node_count() -> None:
    inner = graph_of([node("N", ["a"], ["b"]), node("D", ["c"], ["d"])], [], ["b"])
    outer = graph_of([node("If", ["p"], ["q"], body=inner)], [], ["q"])
    nodes = [
        node("MakesA", ["x"], ["a"]),
        node("MakesC", ["x"], ["c"]),
        node("MakesP", ["x"], ["p"]),
        node("If", ["x"], ["y"], body=outer),
    ]
    graph = graph_of(nodes)
    _testing.prune(graph)
    assert ops(graph) == ["MakesA", "MakesP", "If"]
    body = graph.node[2].attribute[0].g.node[0].attribute[0].g
    assert ops(body) == ["N"]
    _testing.lint(graph)


def test_uses_inside_a_graph_of_a_dead_node_do_not_count() -> None:
    inner = graph_of([node("N", ["a"], ["b"])], [], ["b"])
    nodes = [
        node("MakesA", ["x"], ["a"]),
        node("If", ["x"], ["z"], body=inner),
        node("A", ["x"], ["y"]),
    ]
    graph = graph_of(nodes)
    _testing.prune(graph)
    assert ops(graph) == ["A"]


def test_optional_outputs_without_a_use_are_cut() -> None:
    graph = graph_of(
        [
            node("Dropout", ["x"], ["1", "mask"]),
            node("Split", ["1"], ["y", "rest"], num_outputs=2),
        ]
    )
    _testing.prune(graph)
    # How many outputs a Split has is part of what it does.
    assert [list(n.output) for n in graph.node] == [["1"], ["y", "rest"]]


def test_an_output_that_is_used_is_not_cut() -> None:
    graph = graph_of(
        [node("Dropout", ["x"], ["1", "mask"]), node("Cast", ["mask"], ["y"], to=1)],
    )
    _testing.prune(graph)
    assert list(graph.node[0].output) == ["1", "mask"]


def test_names_of_what_is_gone_may_be_used_again() -> None:
    graph = graph_of([node("Dead", ["x"], ["z"]), node("A", ["x"], ["y"])])
    _testing.prune(graph)
    graph.node.append(node("B", ["y"], ["z"]))
    _testing.lint(graph)
    assert ops(graph) == ["A", "B"]


def test_pruning_raises_memory_error_at_every_allocation() -> None:
    nodes = [node("A", [str(i)], [str(i + 1)]) for i in range(300)]
    graph = graph_of(nodes, ["0"], ["300"])
    assert fail_each_allocation(lambda: _testing.prune(graph)) > 0


def rich_graph() -> toffee.Graph:
    body = graph_of([node("N", ["x"], ["b"])], [], ["b"])
    graph = graph_of(
        [
            node("A", ["x", "", "w"], ["1"], name="a", doc_string="here", k=1, f=float("nan"),
                 s="text", t=tensor("inner"), ints=[1, 2], floats=[0.5], strings=["p", "q"]),
            node("If", ["1"], ["y"], domain="mine", body=body),
        ],
        [helper.make_tensor_value_info("x", 1, ["batch", 3, None])],
        initializer=[tensor("w")],
        value_info=[helper.make_tensor_value_info("1", 1, [2, 3])],
    )  # fmt: skip
    graph.metadata_props.append(toffee.StringStringEntry(key="k", value="v"))
    return graph


def test_a_copy_is_equal_and_independent() -> None:
    graph = rich_graph()
    twin = copy.deepcopy(graph)
    assert twin == graph
    assert str(twin) == str(graph)
    twin.node[1].attribute[0].g.node[0].op_type = "M"
    assert twin != graph
    assert graph.node[1].attribute[0].g.node[0].op_type == "N"


CHANGES: dict[str, Any] = {
    "name": lambda g: setattr(g, "name", "other"),
    "doc_string": lambda g: setattr(g, "doc_string", "other"),
    "producer_tag": lambda g: setattr(g, "producer_tag", "other"),
    "op_type": lambda g: setattr(g.node[0], "op_type", "B"),
    "node_name": lambda g: setattr(g.node[0], "name", "b"),
    "node_doc": lambda g: setattr(g.node[0], "doc_string", "there"),
    "domain": lambda g: setattr(g.node[1], "domain", "yours"),
    "input": lambda g: g.node[0].input.pop(),
    "order_of_nodes": lambda g: g.node.append(g.node.pop(0)),
    "attribute": lambda g: setattr(g.node[0].attribute[1], "i", 5),
    "metadata": lambda g: setattr(g.metadata_props[0], "value", "w"),
    "opset": lambda g: setattr(g.opset_import[0], "version", 13),
    "initializer": lambda g: g.initializer.append(tensor("more")),
    "value_info": lambda g: g.value_info.pop(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_difference_makes_graphs_unequal(name: str) -> None:
    graph, other = rich_graph(), rich_graph()
    assert graph == other
    CHANGES[name](other)
    assert graph != other


def test_weights_that_differ_make_graphs_unequal() -> None:
    def with_weight(value: float) -> toffee.Graph:
        weight = numpy_helper.from_array(np.full(100, value, np.float32), "w")
        return graph_of([node("A", ["w"], ["y"])], ["w"], initializer=[weight])

    assert with_weight(1) == with_weight(1)
    assert with_weight(1) != with_weight(2)


def test_alignment_padding_makes_no_difference() -> None:
    weight = numpy_helper.from_array(np.arange(100, dtype=np.float32), "w")
    graph = graph_of([node("A", ["w"], ["y"])], ["w"], initializer=[weight])
    assert toffee.loads(toffee.dumps(graph)) == graph


def test_copying_raises_memory_error_at_every_allocation() -> None:
    graph = rich_graph()
    graph.node.extend(node("A", [str(i)], [str(i + 1)], k=[1, 2]) for i in range(2, 100))
    assert fail_each_allocation(lambda: copy.deepcopy(graph)) > 0
