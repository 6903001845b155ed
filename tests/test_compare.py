"""toffee.compare: PyTorch, the graph in PyTorch, the graph in ONNX Runtime, side by side."""

from __future__ import annotations

import io
import math
import sys
import tracemalloc
import types

import numpy as np
import pytest
import torch

import toffee
from toffee import _compare, helper, numpy_helper
from toffee.backend import base, onnxruntime
from toffee.torch_toffee import export

F32, BOOL, I64 = toffee.Tensor.FLOAT, toffee.Tensor.BOOL, toffee.Tensor.INT64


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 4), torch.nn.Softmax(1)
    )


@pytest.fixture(scope="module")
def x():
    return torch.randn(3, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def graph(model, x):
    return to_graph(model, x)


def to_graph(model, args, **kwargs):
    buffer = io.BytesIO()
    export(model, args, buffer, **kwargs)
    return toffee.loads(buffer.getvalue())


def wrapped(name, change=lambda graph, results: results):
    """ONNX Runtime as another backend, whose results go through CHANGE. ``.graphs`` are those that
    were prepared."""
    backend = types.SimpleNamespace(
        __name__=name, graphs=[], supports_device=onnxruntime.supports_device
    )

    def prepare(graph, device="CPU"):
        backend.graphs.append(graph)
        rep = onnxruntime.prepare(graph, device)
        run = rep.run
        rep.run = lambda inputs=(): base.Outputs(change(graph, list(run(inputs))), graph.output)
        return rep

    backend.prepare = prepare
    return backend


def bad_relu(graph, results):
    """Half a percent too much wherever a graph computes a Relu."""
    made = {node.output[0] for node in graph.node if node.op_type == "Relu"}
    return [r * 1.005 if n in made else r for n, r in zip(graph.output, results, strict=True)]


# ---- what it finds -----------------------------------------------------------------------------


def test_every_value_of_every_node_is_compared(model, graph, x):
    report = toffee.compare(model, graph, x)
    assert report.agree
    assert report.reference == "torch" and report.backends == ["onnxruntime"]
    made = [(i, n.op_type, o) for i, n in enumerate(graph.node) for o in n.output]
    assert [(row.node, row.op_type, row.output) for row in report.rows] == made
    assert report.rows[0].what == "float32[3, 5]"
    assert report.first("onnxruntime") is None


def test_the_outputs_are_compared_with_the_models_in_every_backend(model, graph, x):
    (row,) = toffee.compare(model, graph, x).outputs
    assert row.output == graph.output[0] and row.shape == (3, 4)
    assert list(row.differences) == ["torch", "onnxruntime"]
    assert all(found.fits for found in row.differences.values())


def test_the_first_node_where_a_backend_goes_wrong_is_named(model, graph, x):
    bad = wrapped("bad", bad_relu)
    report = toffee.compare(model, graph, x, ["onnxruntime", bad])
    assert not report.agree
    where = [node.op_type for node in graph.node].index("Relu")
    first = report.first("bad")
    assert first is not None and (first.node, first.op_type) == (where, "Relu")
    assert first.differences["bad"].relative == pytest.approx(0.005, rel=1e-3)
    assert report.first("onnxruntime") is None
    assert f"bad and torch part ways at node {where}, Relu" in str(report)
    assert "onnxruntime and torch part ways nowhere" in str(report)


def test_a_graph_of_another_model_differs_in_the_output_and_in_no_node(graph, x):
    torch.manual_seed(1)
    other = torch.nn.Sequential(
        torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 4), torch.nn.Softmax(1)
    )
    report = toffee.compare(other, graph, x)
    assert report.first("onnxruntime") is None and not report.agree
    assert "of torch is NOT as the model's" in str(report)


def test_the_numbers_are_those_of_numpy():
    graph = helper.make_graph(
        [helper.make_node("Sqrt", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", F32, [2])],
        [helper.make_tensor_value_info("y", F32, [2])],
    )
    off = wrapped("off", lambda graph, results: [results[0] + np.float32([0, 0.25])])
    report = toffee.compare(None, graph, np.float32([4, 16]), [off], reference="onnxruntime")
    found = report.rows[0].differences["off"]
    assert (found.absolute, found.relative) == (0.25, 0.0625)
    assert report.outputs == []


# ---- inputs ------------------------------------------------------------------------------------


def test_inputs_can_be_arrays_nested_or_by_name():
    def program(pair, scale):
        return pair[0] * scale + pair[1]

    a, b, scale = torch.randn(3), torch.randn(3), torch.tensor(2.0)
    graph = to_graph(program, ((a, b), scale))
    for args in [((a, b), scale), ((a.numpy(), b.numpy()), scale.numpy())]:
        assert toffee.compare(program, graph, args).agree
    named = to_graph(lambda x, y: x - y, (a, b))
    assert toffee.compare(lambda x, y: x - y, named, {"y": b, "x": a}).agree


def test_a_program_that_writes_to_its_argument_does_not_write_to_ours():
    def program(x):
        return x.add_(1) * 2

    x = torch.zeros(3)
    graph = to_graph(program, torch.zeros(3))
    assert toffee.compare(program, graph, x).agree
    assert x.tolist() == [0, 0, 0]


def test_the_mode_of_the_model_is_that_of_the_export_and_put_back():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.9))
    model.train()
    graph = to_graph(model, torch.zeros(2, 3))
    assert toffee.compare(model, graph, torch.randn(2, 3)).agree
    assert model.training


# ---- segments ----------------------------------------------------------------------------------


def test_every_node_runs_once_in_every_backend(model, graph, x):
    backend = wrapped("counting")
    toffee.compare(None, graph, x, [backend])
    ran = [node.output[0] for part in backend.graphs for node in part.node]
    assert ran == [node.output[0] for node in graph.node]


def chain(n_nodes, shape):
    nodes = [helper.make_node("Neg", [f"v{i}"], [f"v{i + 1}"]) for i in range(n_nodes)]
    return helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("v0", F32, shape)],
        [helper.make_tensor_value_info(f"v{n_nodes}", F32, shape)],
    )


def test_small_values_are_taken_many_at_a_time():
    backend = wrapped("counting")
    report = toffee.compare(None, chain(200, [2]), np.ones(2, "f"), [backend])
    assert len(report.rows) == 200
    lengths = [len(part.node) for part in backend.graphs]
    assert lengths[:4] == [1, 2, 4, 8] and max(lengths) == 64 and sum(lengths) == 200


def test_memory_does_not_grow_with_the_number_of_values():
    """60 values of 4 MB, of which a run needs two at a time."""
    graph, x = chain(60, [1024, 1024]), np.ones((1024, 1024), "f")
    other = wrapped("other")
    toffee.compare(None, chain(2, [2]), np.ones(2, "f"), [other], reference="onnxruntime")
    tracemalloc.start()
    try:
        report = toffee.compare(None, graph, x, [other], reference="onnxruntime")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.agree and len(report.rows) == 60
    # For each of two backends the value before and those of a segment, which may take as much
    # again; and what difference() makes of one. All 60 in both would be 480 MB.
    assert peak < 2 * 2 * 3 * x.nbytes


def test_a_branch_takes_values_from_outside():
    inner = helper.make_graph(
        [helper.make_node("Add", ["h", "w"], ["sum"])],
        "then",
        [],
        [helper.make_tensor_value_info("sum", F32, [2])],
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["same"])],
        "else",
        [],
        [helper.make_tensor_value_info("same", F32, [2])],
    )
    nodes = [
        helper.make_node("Neg", ["x"], ["h"]),
        helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=other),
        helper.make_node("Neg", ["y"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info("x", F32, [2]),
            helper.make_tensor_value_info("c", BOOL, []),
        ],
        [helper.make_tensor_value_info("z", F32, [2])],
        [numpy_helper.from_array(np.float32([10, 20]), "w")],
    )
    assert sorted(_compare._names_used(graph.node[1])) == ["c", "h", "w", "x"]
    for c in (True, False):
        report = toffee.compare(None, graph, {"x": np.float32([1, 2]), "c": np.array(c)})
        assert report.agree and len(report.rows) == 3


def test_an_optional_output_that_is_left_out_is_no_row():
    node = helper.make_node("Dropout", ["x"], ["y", ""])
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", F32, [2])],
        [helper.make_tensor_value_info("y", F32, [2])],
    )
    assert [row.output for row in toffee.compare(None, graph, np.ones(2, "f")).rows] == ["y"]


# ---- how it is shown ---------------------------------------------------------------------------


def test_the_table_has_a_line_for_each_value(model, graph, x):
    text = str(toffee.compare(model, graph, x))
    head, *lines = text.splitlines()
    assert head.split()[:4] == ["node", "operator", "output", "type"]
    assert lines[0].startswith("0     Gemm")
    assert lines[len(graph.node)] == ""


def test_html_marks_what_does_not_fit(model, graph, x):
    good = toffee.compare(model, graph, x)._repr_html_()
    bad = toffee.compare(model, graph, x, [wrapped("<bad>", bad_relu)])._repr_html_()
    assert good.count("<tr") == len(graph.node) + 1 and "background" not in good
    assert "background" in bad and "<bad>" not in bad and "&lt;bad&gt;" in bad


def test_the_plot_is_a_picture(model, graph, x, tmp_path):
    report = toffee.compare(model, graph, x, ["onnxruntime", wrapped("bad", bad_relu)])
    figure = report.plot(tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines if line.get_label()[0] != "_"] == [
        "onnxruntime",
        "bad",
    ]


def test_without_matplotlib_the_error_names_the_package(model, graph, x, monkeypatch):
    report = toffee.compare(None, graph, x)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        report.plot()


def test_a_report_without_rows_can_be_shown():
    report = _compare.Report("torch")
    assert report.agree and "node" in str(report) and "<table>" in report._repr_html_()


def test_values_that_cannot_be_compared_say_why(graph, x):
    wide = wrapped("wide", lambda graph, results: [r.astype(np.float64) for r in results])
    report = toffee.compare(None, chain(1, [2]), np.ones(2, "f"), [wide])
    assert report.rows[0].differences["wide"].absolute == math.inf
    assert "float64[2] where float32[2] was expected" in str(report)


# ---- errors ------------------------------------------------------------------------------------


def test_a_model_with_other_outputs_is_an_error(graph, x):
    with pytest.raises(ValueError, match="returns 2 tensors, and the graph has 1 outputs"):
        toffee.compare(lambda x: (x, x), graph, x)


def test_inputs_that_do_not_fit_are_errors(model, graph, x):
    with pytest.raises(toffee.BackendError, match=r"must be float32\[3, 6\]"):
        toffee.compare(model, graph, torch.zeros(2, 6))
    with pytest.raises(toffee.BackendError, match="has 1 input"):
        toffee.compare(model, graph, (x, x))


def test_an_unknown_or_missing_backend_is_an_error(model, graph, x, monkeypatch):
    with pytest.raises(ValueError, match="'caffe2' is no backend"):
        toffee.compare(model, graph, x, ["caffe2"])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(toffee.BackendError, match="pip install onnxruntime"):
        toffee.compare(model, graph, x)


def test_a_node_that_a_backend_cannot_run_is_named():
    graph = chain(2, [2])
    graph.node[1].op_type = "Nonsense"
    with pytest.raises(toffee.BackendError, match=r"onnxruntime, nodes? .*1 \(Nonsense\)"):
        toffee.compare(None, graph, np.ones(2, "f"), reference="onnxruntime")


def test_sequences_are_refused_by_name():
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "x"], ["s"]),
        helper.make_node("ConcatFromSequence", ["s"], ["y"], axis=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", F32, [2])],
        [helper.make_tensor_value_info("y", F32, [4])],
    )
    with pytest.raises(toffee.BackendError, match="value 's' is a list.*follows tensors only"):
        toffee.compare(None, graph, np.ones(2, "f"), reference="onnxruntime")


def test_what_is_no_graph_is_a_type_error(model, x):
    with pytest.raises(TypeError, match=r"toffee\.Graph"):
        toffee.compare(model, b"...", x)
