"""Structural rules, one test each: what breaks them and what the message says."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from old_graphs import fail_each_allocation

import toffee
from toffee import helper, numpy_helper
from toffee._core import _testing

node = helper.make_node


def graph_of(nodes: list[Any], inputs: Any = ("x",), outputs: Any = ("y",), **kw: Any) -> Any:
    return helper.make_graph(nodes, "g", list(inputs), list(outputs), **kw)


def tensor(name: str) -> toffee.Tensor:
    return numpy_helper.from_array(np.zeros(2, np.float32), name)


def body(*nodes: Any, inputs: Any = (), outputs: Any = ("b",)) -> toffee.Graph:
    return graph_of(list(nodes), inputs, outputs)


def with_opset_twice() -> toffee.Graph:
    graph = graph_of([node("A", ["x"], ["y"])])
    graph.opset_import.append(helper.make_opsetid("", 20))
    return graph


def with_key_twice() -> toffee.Graph:
    graph = graph_of([node("A", ["x"], ["y"])])
    for value in "pq":
        graph.metadata_props.append(toffee.StringStringEntry(key="k", value=value))
    return graph


BROKEN = {
    "undefined_input": (
        graph_of([node("A", ["z"], ["y"], name="first")]),
        "node 0 (A 'first') takes 'z' as input 0, which nothing defines; make it the output",
    ),
    "used_before_it_is_made": (
        graph_of([node("A", ["x", "z"], ["y"]), node("B", ["x"], ["z"])]),
        "node 0 (A) takes 'z' as input 1 before node 1 (B) makes it",
    ),
    "its_own_output": (
        graph_of([node("A", ["y"], ["y"])]),
        "node 0 (A) takes its own output 'y' as input 0",
    ),
    "output_made_twice": (
        graph_of([node("A", ["x"], ["y"]), node("B", ["x"], ["y"])]),
        "node 1 (B) has output 'y', which an earlier node defines already",
    ),
    "output_is_an_input": (
        graph_of([node("A", ["x"], ["x"])], outputs=["x"]),
        "node 0 (A) has output 'x', which an input of the graph defines already",
    ),
    "output_is_an_initializer": (
        graph_of([node("A", ["x"], ["w"])], ["x", "w"], ["w"], initializer=[tensor("w")]),
        "node 0 (A) has output 'w', which an input of the graph defines already",
    ),
    "input_listed_twice": (
        graph_of([node("A", ["x"], ["y"])], ["x", "p", "x"]),
        "graph input 2, 'x', is listed before",
    ),
    "output_listed_twice": (
        graph_of([node("A", ["x"], ["y"])], outputs=["y", "y"]),
        "graph output 1, 'y', is listed before",
    ),
    "output_that_nothing_makes": (
        graph_of([node("A", ["x"], ["y"])], outputs=["y", "z"]),
        "graph output 1, 'z', is defined by nothing",
    ),
    "initializer_twice": (
        graph_of([node("A", ["w"], ["y"])], ["w"], initializer=[tensor("w"), tensor("w")]),
        "initializer 1, 'w', has the name of an earlier one",
    ),
    "no_op_type": (graph_of([node("", ["x"], ["y"])]), "node 0 has no op_type"),
    "opset_twice": (with_opset_twice(), "declares domain '' again"),
    "key_twice": (with_key_twice(), "sets 'k' again"),
    "subgraph_uses_what_is_not_there": (
        graph_of([node("If", ["x"], ["y"], body=body(node("N", ["z"], ["b"])))]),
        "node 0 (If), attribute 'body': node 0 (N) takes 'z' as input 0",
    ),
    "subgraph_uses_what_comes_later": (
        graph_of([node("If", ["x"], ["z"], body=body(node("N", ["y"], ["b"]))),
                  node("A", ["x"], ["y"])]),
        "node 0 (If), attribute 'body': node 0 (N) takes 'y' as input 0",
    ),
    "subgraph_hides_an_outer_name": (
        graph_of([node("If", ["x"], ["y"], body=body(node("N", ["x"], ["x"]), outputs=["x"]))]),
        "has output 'x', which a graph around this one defines already",
    ),
    "subgraph_input_hides_an_outer_name": (
        graph_of([node("If", ["x"], ["y"], body=body(node("N", ["x"], ["b"]), inputs=["x"]))]),
        "graph input 0, 'x', is defined in a graph around this one",
    ),
    "subgraph_output_seen_outside": (
        graph_of([node("If", ["x"], ["z"], body=body(node("N", ["x"], ["b"]))),
                  node("A", ["b"], ["y"])]),
        "node 1 (A) takes 'b' as input 0, which nothing defines",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named_with_the_node_and_the_value(name: str) -> None:
    graph, message = BROKEN[name]
    with pytest.raises(toffee.CheckError) as caught:
        _testing.lint(graph)
    assert message in str(caught.value)


GOOD = {
    "chain": graph_of([node("A", ["x"], ["1"]), node("B", ["1", ""], ["y", ""])]),
    "input_returned": graph_of([], outputs=["x"]),
    "initializer_in_the_list_of_inputs": graph_of(
        [node("A", ["w", "x"], ["y"])], ["w", "x"], initializer=[tensor("w")]
    ),
    "sibling_graphs_use_the_same_names": graph_of(
        [
            node(
                "If", ["x"], ["y"],
                then_branch=body(node("N", ["x"], ["b"])),
                else_branch=body(node("M", ["x"], ["b"])),
            )
        ]
    ),
    "graphs_see_through_two_levels": graph_of(
        [node("If", ["x"], ["y"],
              body=body(node("If", ["x"], ["b"], body=body(node("N", ["x"], ["c"]),
                                                           outputs=["c"]))))]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_is_allowed_passes(name: str) -> None:
    _testing.lint(GOOD[name])


def test_linting_takes_linear_time() -> None:
    def seconds(n: int) -> float:
        nodes = [node("A", [str(i), "x"], [str(i + 1)]) for i in range(n)]
        graph = graph_of(nodes, ["x", "0"], [str(n)])
        _testing.lint(graph)
        start = time.perf_counter()
        _testing.lint(graph)
        return time.perf_counter() - start

    # Sixteen times the nodes: 256 times the time if it were quadratic.
    assert seconds(32_000) < 100 * max(seconds(2_000), 1e-4)


def test_linting_raises_memory_error_at_every_allocation() -> None:
    graph = graph_of([node("A", [str(i)], [str(i + 1)]) for i in range(300)], ["0"], ["300"])
    assert fail_each_allocation(lambda: _testing.lint(graph)) > 0
