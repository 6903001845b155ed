"""Graphs whose sizes are symbols: inferred, checked, run on every backend, shown. Made by hand;
what the exporter makes is in test_dynamic_backends.py."""

from __future__ import annotations

import copy
import io
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from onnx import numpy_helper as onnx_numpy

import toffee
import toffee.backend.onnxruntime as ort_backend
import toffee.backend.torch as torch_backend
from toffee.backend import c2 as c2_backend
from toffee.cli.main import main

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
info = helper.make_tensor_value_info
node = helper.make_node


def ints(name: str, *values: int) -> onnx.TensorProto:
    return onnx_numpy.from_array(np.array(values, np.int64), name)


def number(name: str, value: int) -> onnx.TensorProto:
    return onnx_numpy.from_array(np.array(value, np.int64), name)


def to_toffee(model: onnx.ModelProto) -> toffee.Graph:
    return toffee.loads(model.SerializeToString())


def make(nodes, inputs, outputs, initializers=(), value_info=(), limits=None) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "dynamic", inputs, outputs, list(initializers), value_info=list(value_info)
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    if limits is not None:
        helper.set_model_props(model, {"dynamic_dims": json.dumps(limits)})
    return model


def text_model(limits=None) -> onnx.ModelProto:
    """What a small model of text does with its sizes: positions, a mask, halves, everything in one
    row."""
    nodes = [
        node("Gather", ["table", "ids"], ["words"]),  # batch, length, 4
        node("Shape", ["ids"], ["n1"], start=1, end=2),
        node("Squeeze", ["n1"], ["n"]),
        node("Range", ["zero", "n", "one"], ["at"]),  # length
        node("Cast", ["at"], ["at_f"], to=FLOAT),
        node("Unsqueeze", ["at_f", "ax1"], ["at_c"]),  # length, 1
        node("Add", ["words", "at_c"], ["h"]),  # batch, length, 4
        node("Expand", ["one_f", "n1"], ["ones"]),
        node("Mul", ["ones", "at_f"], ["at_2"]),
        node("Div", ["n1", "two1"], ["half"]),
        node("Slice", ["h", "zero1", "half", "ax1"], ["first"]),  # batch, length//2, 4
        node("Add", ["n1", "one1"], ["more"]),
        node("Concat", ["minus1", "more"], ["wide"], axis=0),
        node("Concat", ["h", "h"], ["twice"], axis=1),  # batch, 2*length, 4
        node("Pad", ["h", "pads"], ["padded"]),  # batch, length + 1, 4
        node("Reshape", ["padded", "wide"], ["rows"]),  # 4*batch, length + 1
        node("Transpose", ["h"], ["turned"], perm=[0, 2, 1]),
        node("MatMul", ["h", "turned"], ["scores"]),  # batch, length, length
        node("Mul", ["scores", "mask"], ["masked"]),
        node("Reshape", ["h", "flat"], ["row"]),  # batch, 4*length
        node("ReduceSum", ["at_2"], ["sum"], keepdims=0),
    ]
    initializers = [
        onnx_numpy.from_array(np.arange(40, dtype=np.float32).reshape(10, 4) / 7, "table"),
        number("zero", 0), number("one", 1), ints("zero1", 0), ints("one1", 1), ints("two1", 2),
        ints("ax1", 1), ints("minus1", -1), ints("pads", 0, 0, 0, 0, 1, 0), ints("flat", 0, -1),
        onnx_numpy.from_array(np.array([1], np.float32), "one_f"),
    ]  # fmt: skip
    declared = {
        "first": ["batch", "length//2", 4],
        "twice": ["batch", "2*length", 4],
        "rows": ["4*batch", "length + 1"],
        "masked": ["batch", "length", "length"],
        "row": ["batch", "4*length"],
        "sum": [],
    }
    return make(
        nodes,
        [
            info("ids", INT64, ["batch", "length"]),
            info("mask", FLOAT, ["batch", "length", "length"]),
        ],
        [info(name, FLOAT, shape) for name, shape in declared.items()],
        initializers,
        [info("padded", FLOAT, ["batch", "length + 1", 4]), info("h", FLOAT, [None, "length", 4])],
        limits,
    )


LIMITS = {
    "batch": {"min": 1, "max": 8, "multiple_of": 1},
    "length": {"min": 4, "max": None, "multiple_of": 2},
}


def feeds(batch: int, length: int, mask: tuple[int, ...] | None = None) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(batch + length)
    return {
        "ids": rng.integers(0, 10, (batch, length)),
        "mask": rng.standard_normal(mask or (batch, length, length)).astype(np.float32),
    }


@pytest.fixture(scope="module")
def graph() -> toffee.Graph:
    return to_toffee(text_model(LIMITS))


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    """Of the same model, every value an output."""
    model = text_model()
    every = [name for n in model.graph.node for name in n.output]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in every)
    return onnxruntime.InferenceSession(model.SerializeToString())


def shapes_of(graph: toffee.Graph) -> dict[str, tuple]:
    return {i.name: i.shape for i in (*graph.value_info, *graph.output_info)}


def stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without any declaration but those of the inputs."""
    bare = copy.deepcopy(model)
    del bare.graph.value_info[:]
    for value in bare.graph.output:
        value.type.tensor_type.ClearField("shape")
    return bare


# ---- infer_shapes with sizes -------------------------------------------------------------------


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(("batch", "length"), [(1, 4), (3, 6), (8, 10)])
def test_every_value_has_the_shape_that_onnx_runtime_makes(session, bare, batch, length):
    model = text_model(LIMITS)
    found = shapes_of(
        toffee.infer_shapes(to_toffee(stripped(model) if bare else model), {"ids": (batch, length)})
    )
    made = session.run(None, feeds(batch, length))
    names = [output.name for output in session.get_outputs()]
    assert {name: found[name] for name in names} == {
        name: value.shape for name, value in zip(names, made, strict=True)
    }


def test_an_input_with_the_same_symbols_has_its_sizes_too_and_the_graph_is_not_changed(graph):
    inferred = toffee.infer_shapes(graph, {"ids": np.zeros((2, 6))})  # an array has a shape
    assert [i.shape for i in inferred.input_info] == [(2, 6), (2, 6, 6)]
    assert {size for i in graph.input_info for size in i.shape} == {"batch", "length"}
    by_tensor = toffee.infer_shapes(graph, {"ids": torch.zeros(2, 6)})
    assert by_tensor == inferred


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ids": (2, 4, 4)}, r"'ids' declares \[batch, length\] and is given .*: 'ids' has 3 dim"),
        ({"mask": (2, 4, 6)}, "'mask' has both 4 and 6 for 'length'"),
        ({"ids": (2, 4), "mask": (3, 4, 4)}, "'mask' has 3 for 'batch' and 'ids' has 2"),
        ({"ids": (9, 4)}, "'ids' has 9 in dimension 0 for 'batch', which must be at most 8"),
        ({"ids": (2, 2)}, "'ids' has 2 in dimension 1 for 'length', which must be at least 4"),
        ({"ids": (2, 5)}, "for 'length', which must be a multiple of 2"),
        ({"word": (2, 5)}, "has no input 'word'; it has 'ids', 'mask'"),
    ],
)
def test_sizes_that_the_graph_does_not_allow_name_input_dimension_and_both(graph, given, message):
    with pytest.raises(ValueError, match=message):
        toffee.infer_shapes(graph, given)


@pytest.mark.parametrize("given", [5, "23", (2.5, 4), None])
def test_what_is_no_shape_is_a_type_error_that_names_the_input(graph, given):
    with pytest.raises(TypeError, match="input 'ids' is given .*; a shape is a tuple of numbers"):
        toffee.infer_shapes(graph, {"ids": given})


def test_an_input_that_is_an_expression_is_computed_and_held_to_it():
    model = make(
        [node("Concat", ["x", "y"], ["z"], axis=0)],
        [info("x", FLOAT, ["2*n + 1"]), info("y", FLOAT, ["n"])],
        [info("z", FLOAT, ["3*n + 1"])],
    )
    graph = to_toffee(model)
    inferred = toffee.infer_shapes(graph, {"y": (4,)})
    assert inferred.input_info[0].shape == (9,)
    assert inferred.output_info[0].shape == (13,)
    with pytest.raises(ValueError, match=r"'x' has 8 in dimension 0, where '2\*n \+ 1' is 9"):
        toffee.infer_shapes(graph, {"x": (8,), "y": (4,)})


def test_sizes_that_leave_less_than_nothing_are_an_error():
    x, y = info("x", FLOAT, ["n - 3"]), info("y", FLOAT, ["n"])
    graph = to_toffee(make([node("Relu", ["x"], ["z"])], [x, y], [info("z", FLOAT, ["n - 3"])]))
    with pytest.raises(ValueError, match="dimension 0 of input 'x' is 'n - 3', which is -1"):
        toffee.infer_shapes(graph, {"y": (2,)})


def test_a_size_that_only_the_graph_knows_is_found_and_used_elsewhere():
    """The second value's declaration stands where nothing can be inferred: in a foreign domain."""
    model = make(
        [node("Concat", ["x", "x"], ["a"], axis=0), node("Own", ["x"], ["b"], domain="me")],
        [info("x", FLOAT, ["n"])],
        [info("a", FLOAT, ["a.0"]), info("b", FLOAT, ["a.0", "n//2", "c.1"])],
    )
    model.opset_import.append(helper.make_opsetid("me", 1))
    inferred = toffee.infer_shapes(to_toffee(model), {"x": (5,)})
    assert [i.shape for i in inferred.output_info] == [(10,), (10, 2, "c.1")]


def test_declarations_of_graphs_in_nodes_follow():
    branch = helper.make_graph(
        [node("Relu", ["x"], ["r"])], "b", [], [info("r", FLOAT, ["n", "2*n"])]
    )
    model = make(
        [node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)],
        [info("c", TensorProto.BOOL, []), info("x", FLOAT, ["n", "2*n"])],
        [info("y", FLOAT, ["n", "2*n"])],
    )
    inferred = toffee.infer_shapes(to_toffee(model), {"x": (3, 6)})
    bodies = [attribute.g for attribute in inferred.node[0].attribute]
    assert [body.output_info[0].shape for body in bodies] == [(3, 6), (3, 6)]
    assert inferred.output_info[0].shape == (3, 6)


# ---- symbols without sizes ---------------------------------------------------------------------


def test_symbols_contradict_nothing_that_onnx_infers():
    model = stripped(text_model())
    found = shapes_of(toffee.infer_shapes(to_toffee(model)))
    both = only_onnx = 0
    for data_prop in (False, True):
        theirs = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=data_prop)
        for value in (*theirs.graph.value_info, *theirs.graph.output):
            dims = value.type.tensor_type.shape.dim
            sizes = [d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in dims]
            sizes = [None if str(s).startswith("unk__") else s for s in sizes]
            mine = found[value.name]
            assert len(mine) == len(sizes)
            for size, other in zip(mine, sizes, strict=True):
                both += size is not None and other is not None
                only_onnx += size is None and other is not None
                assert size is None or other is None or size == other, value.name
    assert both > 30 and only_onnx == 0


def test_a_declared_expression_stays_where_inference_knows_no_number(graph):
    found = shapes_of(toffee.infer_shapes(graph))
    assert found["padded"] == ("batch", "length + 1", 4)
    assert found["h"] == ("batch", "length", 4)  # the more exact of both
    assert found["rows"] == ("4*batch", "length + 1")


@pytest.mark.parametrize(
    ("nodes", "shape"),
    [
        ([node("Max", ["n1", "zero1"], ["s"])], ("n",)),
        ([node("Min", ["n1", "most1"], ["s"])], ("n",)),
        ([node("Min", ["most1", "n1"], ["s"])], ("n",)),
        ([node("Max", ["n1", "one1"], ["s"])], (None,)),  # n may be 0
        ([node("Min", ["n1", "zero1"], ["s"])], (0,)),
        ([node("Expand", ["n1", "three1"], ["s"])], ("n", "n", "n")),
        ([node("Tile", ["n1", "three1"], ["s"])], ("n", "n", "n")),
        ([node("Less", ["n1", "zero1"], ["c"]), node("Where", ["c", "one1", "n1"], ["s"])], ("n",)),
        ([node("Less", ["n1", "one1"], ["c"]), node("Where", ["c", "n1", "n1"], ["s"])], ("n",)),
        (
            [
                node("GreaterOrEqual", ["n1", "zero1"], ["c"]),
                node("Where", ["c", "n1", "one1"], ["s"]),
            ],
            ("n",),
        ),
    ],
)  # fmt: skip
def test_what_is_sure_of_a_symbol_is_followed(nodes, shape):
    model = make(
        [node("Shape", ["x"], ["n1"]), *nodes, node("ConstantOfShape", ["s"], ["y"])],
        [info("x", FLOAT, ["n"])],
        [info("y", FLOAT, None)],
        [ints("zero1", 0), ints("one1", 1), ints("three1", 3), ints("most1", (1 << 63) - 1)],
    )
    graph = to_toffee(model)
    assert toffee.infer_shapes(graph).output_info[0].shape == shape
    for n in (0, 1, 4):
        (made,) = onnxruntime.InferenceSession(model.SerializeToString()).run(
            None, {"x": np.zeros(n, np.float32)}
        )
        assert toffee.infer_shapes(graph, {"x": (n,)}).output_info[0].shape == made.shape


# ---- the checker -------------------------------------------------------------------------------


def test_the_checker_takes_symbols_and_expressions(graph):
    toffee.checker.check_graph(graph)


def two_outputs(symbol_of_second: str) -> toffee.Graph:
    model = make(
        [node("Reshape", ["x", "five"], ["a"]), node("Reshape", ["x", "seven"], ["b"])],
        [info("x", FLOAT, [None])],
        [info("a", FLOAT, ["batch", None]), info("b", FLOAT, [symbol_of_second, None])],
        [ints("five", 5, -1), ints("seven", 7, -1)],
    )  # fmt: skip
    return to_toffee(model)


def test_a_symbol_that_is_two_numbers_is_a_fault_that_names_both():
    toffee.checker.check_graph(two_outputs("other"))
    message = "'b' declares 'batch' in dimension 0, which is 7 there, and 5 in dimension 0 of 'a'"
    with pytest.raises(toffee.CheckError, match=message):
        toffee.checker.check_graph(two_outputs("batch"))


def test_a_symbol_that_may_be_the_number_is_no_fault():
    model = make(
        [node("Add", ["x", "two"], ["y"]), node("Reshape", ["x", "three"], ["z"])],
        [info("x", FLOAT, ["n"])],
        [info("y", FLOAT, ["n"]), info("z", FLOAT, ["m"])],
        [onnx_numpy.from_array(np.zeros(2, np.float32), "two"), ints("three", 3)],
    )
    toffee.checker.check_graph(to_toffee(model))


def test_another_size_than_the_declared_expression_is_a_fault_once_the_symbol_has_a_number():
    model = make(
        [node("Concat", ["x", "x"], ["y"], axis=0)],
        [info("x", FLOAT, ["n"])],
        [info("y", FLOAT, ["3*n"])],
    )
    graph = to_toffee(model)
    toffee.checker.check_graph(graph)
    with pytest.raises(toffee.CheckError, match=r"'y' is declared as FLOAT \(12\).*FLOAT \(8\)"):
        toffee.infer_shapes(graph, {"x": (4,)})


# ---- backends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [ort_backend, torch_backend], ids=["onnxruntime", "torch"])
def test_one_rep_runs_every_size_that_the_graph_allows(backend, graph, session):
    with backend.prepare(graph) as rep:
        for batch, length in [(1, 4), (3, 10), (8, 6)]:
            outputs = rep.run(feeds(batch, length))
            made = session.run(list(graph.output), feeds(batch, length))
            for mine, theirs in zip(outputs, made, strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", [ort_backend, torch_backend], ids=["onnxruntime", "torch"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (feeds(2, 4, (3, 4, 4)), "input 'mask' must be .*'mask' has 3 for 'batch' and 'ids' has 2"),
        (feeds(2, 4, (2, 4, 6)), "'mask' has 6 for 'length' and 'ids' has 4"),
        (feeds(9, 4), r"must be int64\[batch, length\], .* has 9 in dimension 0 .* at most 8"),
        (feeds(2, 2), "'ids' has 2 in dimension 1 for 'length', which must be at least 4"),
        (feeds(2, 7), "'ids' has 7 in dimension 1 for 'length', which must be a multiple of 2"),
        (feeds(2, 4, (2, 4)), "'mask' has 2 dimensions, and the graph declares 3"),
    ],
)  # fmt: skip
def test_a_size_that_the_graph_does_not_allow_names_input_and_dimension(
    backend, graph, given, message
):
    with backend.prepare(graph) as rep:
        with pytest.raises(toffee.BackendError, match=message):
            rep.run(given)
        assert len(rep.run(feeds(2, 4))) == 6  # and the rep lives on


def test_a_torch_tensor_of_a_wrong_size_is_told_alike(graph):
    given = {name: torch.from_numpy(value) for name, value in feeds(2, 4, (3, 4, 4)).items()}
    with pytest.raises(toffee.BackendError, match="'mask' has 3 for 'batch' and 'ids' has 2"):
        torch_backend.run(graph, given)


def test_an_input_that_is_an_expression_is_held_to_it_by_backends():
    model = make(
        [node("Concat", ["x", "y"], ["z"], axis=0)],
        [info("x", FLOAT, ["2*n + 1"]), info("y", FLOAT, ["n"])],
        [info("z", FLOAT, ["3*n + 1"])],
    )
    with ort_backend.prepare(to_toffee(model)) as rep:
        assert rep.run([np.zeros(7), np.zeros(3)])[0].shape == (10,)
        with pytest.raises(toffee.BackendError, match=r"where '2\*n \+ 1' is 7 for n=3"):
            rep.run([np.zeros(8), np.zeros(3)])


def test_a_module_of_the_graph_runs_any_size(graph, session):
    module = torch_backend.to_module(graph)
    for batch, length in [(1, 4), (5, 8)]:
        given = feeds(batch, length)
        outputs = module(**{name: torch.from_numpy(value) for name, value in given.items()})
        made = session.run(list(graph.output), given)
        for mine, theirs in zip(outputs, made, strict=True):
            np.testing.assert_allclose(mine.detach(), theirs, rtol=1e-5, atol=1e-5)


def test_compare_walks_at_the_size_that_is_given_and_refuses_others(graph):
    report = toffee.compare(None, graph, feeds(3, 6), backends=["onnxruntime"])
    assert report.agree
    assert {row.output: row.shape for row in report.rows}["rows"] == (12, 7)
    with pytest.raises(toffee.BackendError, match="'mask' has 3 for 'batch' and 'ids' has 2"):
        toffee.compare(None, graph, feeds(2, 4, (3, 4, 4)), backends=["onnxruntime"])


def test_caffe2_nets_of_fixed_sizes_need_infer_shapes_and_the_error_says_so(graph):
    message = (
        r"is only known when the graph runs\. The graph leaves 'batch', dimension 0 of input "
        r"'ids', open: toffee\.infer_shapes\(graph, \{'ids': \(N, N\)\}\)"
    )
    with pytest.raises(toffee.BackendError, match=message):
        c2_backend.emit(graph)
    init, predict = c2_backend.emit(toffee.infer_shapes(graph, {"ids": (2, 6)}))
    assert init and predict


def test_caffe2_nets_that_need_no_size_can_be_made_of_an_open_graph():
    model = make(
        [node("Relu", ["x"], ["h"]), node("Flatten", ["h"], ["y"])],
        [info("x", FLOAT, ["batch", 3, "height"])],
        [info("y", FLOAT, ["batch", "3*height"])],
    )
    _, predict = c2_backend.emit(to_toffee(model))
    assert b"Relu" in predict


# ---- what people see ---------------------------------------------------------------------------


def test_the_listing_the_page_and_the_picture_show_symbols(graph):
    assert "%padded : Float(batch, length + 1, 4)" in str(graph)
    page = graph._repr_html_()
    assert "batch×(length//2)×4" in page and "(2*length)" in page
    assert "length + 1" in graph.picture().svg


@pytest.fixture
def saved(graph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    toffee.save(graph, buffer)
    (tmp_path / "text.toffee").write_bytes(buffer.getvalue())
    return "text.toffee"


def test_the_command_line_names_symbols_and_what_they_may_be(saved, capsys):
    assert main(["stats", saved]) == 0
    text = capsys.readouterr().out
    assert "symbols:\n  batch   1 to 8\n  length  4 or more, a multiple of 2\n" in text
    assert "int64[batch, length]" in text
    assert main(["stats", saved, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["symbols"]["length"] == {"min": 4, "max": None, "multiple_of": 2}
    assert main(["check", saved]) == 0
    assert "symbols batch, length, no fault" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ([], "[2, 4, 4]"),  # the least from 2 up that is allowed
        (["--size", "batch=3,length=6"], "[3, 6, 6]"),
        (["--size", "batch=1", "--size", "length=8"], "[1, 8, 8]"),
        (["--input", "mask=5x6x6"], "[5, 6, 6]"),
        (["--input", "ids=5x6", "--size", "batch=5"], "[5, 6, 6]"),
    ],
)
def test_run_chooses_sizes(saved, capsys, options, shape):
    assert main(["run", saved, *options]) == 0
    assert f"output masked  float32{shape} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "batch"], "--size batch: write it as batch=2 or batch=2,length=7"),
        (["--size", "batch=x"], "--size batch=x: write it as"),
        (["--size", "width=2"], "no such symbol; they have batch, length"),
        (["--size", "batch=9"], "'batch' must be at most 8"),
        (["--size", "batch=2,batch=3"], "'batch' is 2 already"),
        (["--size", "batch=2", "-i", "ids=3x4"], "'ids' has 3 for 'batch', and --size says 2"),
    ],
)  # fmt: skip
def test_a_size_that_cannot_be_is_wrong_use(saved, capsys, options, message):
    assert main(["run", saved, *options]) == 2
    assert message in capsys.readouterr().err


def test_compare_of_two_backends_takes_sizes(saved, capsys):
    assert main(["compare", saved, "--size", "batch=3,length=6", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agree"]
