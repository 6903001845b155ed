"""Each allocation of the core failed in turn: MemoryError, nothing broken, nothing half done."""

from __future__ import annotations

import copy
import os

import numpy as np
import pytest
from onnx_protos import rich_model

import toffee
from toffee import Attribute, Node, Tensor, ValueInfo, _core, checker, helper, numpy_helper


def every_failure(function, fail_allocation, count_allocations, after=lambda: None):
    """FUNCTION with its first, second, … allocation failed. Returns how many there were."""
    n_allocations = count_allocations(function)
    for n in range(n_allocations):
        with fail_allocation(n), pytest.raises(MemoryError):
            function()
        after()
    function()
    return n_allocations


def test_the_counter_counts_and_fails_the_one_asked_for(
    conv_bytes, count_allocations, fail_allocation
):
    n = count_allocations(toffee.loads, conv_bytes)
    assert n > 3
    assert count_allocations(toffee.loads, conv_bytes) == n
    with fail_allocation(n):
        toffee.loads(conv_bytes)
    with fail_allocation(n - 1), pytest.raises(MemoryError):
        toffee.loads(conv_bytes)


@pytest.mark.parametrize("format", ["toffee", "onnx"])
def test_load_and_loads(conv_graph, tmp_path, format, fail_allocation, count_allocations):
    path = tmp_path / "m"
    toffee.save(conv_graph, path, format=format)
    data = path.read_bytes()
    open_files = len(os.listdir("/proc/self/fd"))
    assert every_failure(lambda: toffee.load(path), fail_allocation, count_allocations) > 1
    assert every_failure(lambda: toffee.loads(data), fail_allocation, count_allocations) > 1
    assert len(os.listdir("/proc/self/fd")) == open_files


@pytest.mark.parametrize("format", ["toffee", "onnx"])
def test_save_and_dumps_leave_the_old_file_and_no_other(
    conv_graph, tmp_path, format, fail_allocation, count_allocations
):
    path = tmp_path / "m"
    path.write_bytes(b"old")

    def save():
        toffee.save(conv_graph, path, format=format)
        path.write_bytes(b"old")

    def after():
        assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["m"]

    assert every_failure(save, fail_allocation, count_allocations, after) > 3
    dumps = lambda: toffee.dumps(conv_graph, format=format)  # noqa: E731
    assert every_failure(dumps, fail_allocation, count_allocations) > 1


@pytest.mark.parametrize("format", ["toffee", "onnx"])
def test_a_graph_with_everything_in_it(format, fail_allocation, count_allocations):
    """Memory comes in blocks, and only a new block can fail: names of many lengths move the end of
    a block from one thing to the next."""
    every = lambda function: every_failure(function, fail_allocation, count_allocations)  # noqa: E731
    graph = toffee.loads(rich_model().SerializeToString())
    for length in range(0, 4096, 100):
        graph.name = "n" * length
        data = toffee.dumps(graph, format=format)
        assert every(lambda data=data: toffee.loads(data)) > 1
        assert every(lambda: copy.copy(graph)) > 1
        assert every(lambda: toffee.dumps(graph, format=format)) > 0
    assert every(lambda: str(graph)) > 1
    assert every(lambda: checker.check_graph(graph)) > 1
    assert every(lambda: [copy.copy(function) for function in graph.function]) > 1
    assert every(lambda: [copy.copy(info) for info in graph.input_info]) > 1
    assert every(lambda: [copy.copy(a) for a in graph.node[3].attribute]) > 1
    assert toffee.loads(data) == graph == copy.copy(graph)
    assert toffee.dumps(graph, format=format) == data


def test_print_check_compare_and_copy(conv_graph, fail_allocation, count_allocations):
    twin = copy.copy(conv_graph)
    every = lambda function: every_failure(function, fail_allocation, count_allocations)  # noqa: E731
    assert every(lambda: str(conv_graph)) > 0
    assert every(lambda: str(conv_graph.node[0])) > 0
    assert every(lambda: checker.check_graph(conv_graph)) > 0
    every(lambda: _core._testing.lint(conv_graph))
    every(lambda: conv_graph == twin)
    assert every(lambda: copy.copy(conv_graph)) > 1
    assert every(lambda: copy.copy(conv_graph.node[0])) > 1
    assert every(lambda: conv_graph.node[0].__reduce__()) > 1
    assert conv_graph == twin


def test_downgrade_and_upgrade(fail_allocation, count_allocations):
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["h"]), helper.make_node("Softmax", ["h"], ["y"], axis=1)],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 3])],
        [helper.make_tensor_value_info("y", 1, [2, 3])],
    )
    data = toffee.dumps(graph, ir_version=1)
    assert every_failure(lambda: toffee.loads(data), fail_allocation, count_allocations) > 1
    downgrade = lambda: _core.downgrade(graph)  # noqa: E731
    assert every_failure(downgrade, fail_allocation, count_allocations) > 1


@pytest.mark.parametrize(
    "make",
    [
        toffee.Graph,
        lambda: Node(op_type="A long name, longer than what is there", input=["a", "b"]),
        lambda: Attribute(name="strings", strings=["x" * 5000] * 3),
        lambda: Tensor(name="t", dims=[5000], data_type=2, raw_data=bytes(5000)),
        lambda: Tensor.from_numpy(np.zeros(5000), "t"),
        lambda: Tensor.from_numpy(np.array(["x" * 5000, "y"]), "t"),
        lambda: ValueInfo(name="v" * 5000, dtype=1, shape=["n" * 5000] * 3),
        lambda: helper.make_opsetid("d" * 5000, 3),
    ],
)
def test_making_each_kind_of_part(make, fail_allocation, count_allocations):
    assert every_failure(make, fail_allocation, count_allocations) >= 1


def test_edits_happen_whole_or_not_at_all(conv_graph, fail_allocation, count_allocations):
    """Each edit with every allocation failed: the graph is as before, or as after the edit."""
    big = "v" * 50000
    node = helper.make_node("Conv", [big, "w"], [big + "y"], name=big, pads=list(range(9999)))
    tensor = numpy_helper.from_array(np.zeros(100), big)
    edits = [
        lambda g: g.node.extend([node] * 40),
        lambda g: g.node[0].attribute.extend([Attribute(name="pads", ints=range(9999))]),
        lambda g: setattr(g.node[0].attribute[0], "ints", range(9999)),
        lambda g: setattr(g.node[0].attribute[0], "name", big),
        lambda g: setattr(g.node[0].attribute[0], "t", tensor),
        lambda g: g.initializer.append(tensor),
        lambda g: setattr(g.initializer[0], "name", big),
        lambda g: g.input.extend([big + str(i) for i in range(40)]),
        lambda g: g.value_info.append(ValueInfo(name=big, dtype=1, shape=["n" * 9999])),
        lambda g: g.metadata_props.add(key=big, value=big),
        lambda g: setattr(g, "name", big),
        lambda g: (
            setattr(g.node[0].input, "__class__", None) if False else g.node[0].input.append(big)
        ),
    ]
    for edit in edits:
        done = copy.copy(conv_graph)
        edit(done)
        fails = 0
        for n in range(200):
            twin = copy.copy(conv_graph)
            try:
                with fail_allocation(n):
                    edit(twin)
            except MemoryError:
                fails += 1
                assert twin == conv_graph
            else:
                assert twin == done
                break
            assert _core._testing.graph_bytes(twin) > 0
        assert fails > 0
