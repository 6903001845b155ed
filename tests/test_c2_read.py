"""Caffe2's nets that are read: names, inputs, refusals, the command line, and hostile bytes.

Needs no Caffe2; what single operators compute is compared with it in tests/c2/test_read_nets.py.
"""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper as onnx_helper
from onnx.reference import ReferenceEvaluator
from test_alloc_failure import every_failure

import toffee
from toffee import CheckError, FormatError, UnsupportedOperatorError, _core, helper
from toffee.backend.c2 import emit, load_nets, read_nets, write_nets
from toffee.cli.main import main

sys.path.insert(0, str(Path(__file__).parent / "c2"))
from net_bytes import _bytes, _varint, net, op  # noqa: E402

ROOT = Path(__file__).parent.parent
NOTHING = net()
FILLS = net(
    op("GivenTensorFill", "", "w", shape=[2, 3, 1, 1], values=[float(i) for i in range(6)]),
    op("ConstantFill", "", "b", shape=[2], value=0.5),
)
CONV = op("Conv", "data w b", "c", kernel=1)
PREDICT = net(CONV, op("Relu", "c", "c"), inputs="data w b", outputs="c")
DATA = {"data": (1, 3, 4, 4)}


def relu(**args):
    return net(op("Relu", "x", "y", **args), inputs="x", outputs="y")


def kinds(graph):
    return [node.op_type for node in graph.node]


# ---- what becomes of a net ---------------------------------------------------------------------


def test_fills_are_initializers_and_what_nobody_makes_is_an_input():
    graph = read_nets(FILLS, PREDICT, DATA)
    assert kinds(graph) == ["Conv", "Relu"]
    assert [info.name for info in graph.input_info] == ["data"]
    assert list(graph.output) == ["c"]
    model = onnx.load_from_string(toffee.dumps(graph, format="onnx"))
    onnx.checker.check_model(model, full_check=True)
    weights = {t.name: onnx_helper.to_array(t) for t in model.graph.initializer}
    np.testing.assert_array_equal(weights["w"].reshape(-1), np.arange(6, dtype=np.float32))
    np.testing.assert_array_equal(weights["b"], np.full(2, 0.5, np.float32))
    (shape,) = [[d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.output]
    assert shape == [1, 2, 4, 4]


def test_the_last_content_of_a_blob_has_its_name_and_an_input_keeps_its_own():
    graph = read_nets(
        NOTHING, net(op("Relu", "x", "x"), op("Exp", "x", "x"), inputs="x", outputs="x"), {"x": [3]}
    )
    first, second = graph.node
    assert first.input[0] == "x"
    assert second.input[0] == first.output[0] != "x"
    assert list(graph.output) == [second.output[0]]
    # Names with numbers do not meet those of other blobs.
    ops = [op("Relu", "x", "y"), op("Exp", "y", "y"), op("Exp", "y", "y_1")]
    graph = read_nets(NOTHING, net(*ops, inputs="x", outputs="y_1"))
    assert len({node.output[0] for node in graph.node}) == 3
    assert list(graph.output) == ["y_1"]


def test_a_place_for_an_input_in_the_init_net_is_an_input_if_it_is_named():
    init = net(op("ConstantFill", "", "x", shape=[1]))
    assert [i.name for i in read_nets(init, relu(), {"x": (4, 5)}).input_info] == ["x"]
    assert len(read_nets(init, relu()).input_info) == 0


def test_inputs_have_shapes_by_name_in_order_or_as_arrays():
    predict = net(op("Add", "x z", "y"), inputs="x z", outputs="y")
    for inputs in (
        {"z": (3,), "x": (2, 3)},
        [(2, 3), (3,)],
        [np.zeros((2, 3), np.float32), (3,)],
    ):
        graph = read_nets(NOTHING, predict, inputs)
        assert "Float(2, 3)" in str(graph).splitlines()[0]
        assert "%z : Float(3)" in str(graph)
    graph = read_nets(NOTHING, predict, {"x": np.zeros(2, np.int64), "z": np.zeros(2, np.int64)})
    assert "%y : Long(2)" in str(graph)


def test_without_external_outputs_what_nothing_reads_is_an_output():
    predict = net(op("Relu", "x", "y"), op("Exp", "y", "z"), op("Exp", "y", "u"), inputs="x")
    assert list(read_nets(NOTHING, predict).output) == ["z", "u"]


def test_floats_one_by_one_and_packed_are_the_same():
    x = helper.make_tensor_value_info("x", 1, [2, 3])
    w = toffee.numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    b = toffee.numpy_helper.from_array(np.arange(4, dtype=np.float32), "b")
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)
    graph = helper.make_graph([node], "g", [x], ["y"], [w, b])
    packed = read_nets(*emit(graph), {"x": (2, 3)})
    single = read_nets(
        net(
            op("GivenTensorFill", "", "w", shape=[4, 3], values=[float(i) for i in range(12)]),
            op("GivenTensorFill", "", "b", shape=[4], values=[float(i) for i in range(4)]),
        ),
        net(op("FC", "x w b", "y"), inputs="x w b", outputs="y"),
        {"x": (2, 3)},
    )
    assert kinds(packed) == kinds(single) == ["Gemm"]
    for a, b in zip(packed.initializer, single.initializer, strict=True):
        np.testing.assert_array_equal(
            toffee.numpy_helper.to_array(a), toffee.numpy_helper.to_array(b)
        )


def test_other_types_of_weights_come_back_through_the_casts_of_the_writer():
    array = np.arange(6).reshape(2, 3)
    for dtype in ("float16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"):
        weight = toffee.numpy_helper.from_array(array.astype(dtype), "w")
        graph = read_nets(*emit(helper.make_graph([], "g", [], ["w"], [weight])))
        model = onnx.load_from_string(toffee.dumps(graph, format="onnx"))
        if not model.graph.node:
            found = onnx_helper.to_array(model.graph.initializer[0])
        else:
            (found,) = ReferenceEvaluator(model).run(None, {})
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, array.astype(dtype))


# ---- what is refused ---------------------------------------------------------------------------


def test_all_operators_without_a_counterpart_are_named_with_their_place():
    ops = [op("Relu", "x", "a"), op("GenerateProposals", "a", "b"), op("RoIAlign", "a b", "c")]
    with pytest.raises(UnsupportedOperatorError) as error:
        read_nets(NOTHING, net(*ops, ops[1], inputs="x"))
    said = "GenerateProposals (operator 1 of predict_net), RoIAlign (operator 2 of predict_net);"
    assert said in str(error.value)


REFUSED = {
    "random": (net(op("XavierFill", "", "w", shape=[2])), relu(), "random numbers"),
    "nhwc": (NOTHING, relu(order="NHWC"), "in the order NHWC"),
    "unknown_argument": (NOTHING, relu(beta=3), "what its argument 'beta' means"),
    "dropout": (NOTHING, net(op("Dropout", "x", "y m"), inputs="x"), "that of training"),
    "batch_norm": (NOTHING, net(op("SpatialBN", "x x x x x", "y"), inputs="x"), "that of training"),
    "no_kernel": (NOTHING, net(op("MaxPool", "x", "y"), inputs="x"), "no kernel"),
    "two_kernels": (
        NOTHING,
        net(op("MaxPool", "x", "y", kernel=2, kernels=[2, 2]), inputs="x"),
        "more than one way",
    ),
    "half_a_kernel": (NOTHING, net(op("MaxPool", "x", "y", kernel_h=2), inputs="x"), "every side"),
    "no_sizes": (
        NOTHING,
        net(op("MaxPool", "x", "y", kernel=2, legacy_pad=3), inputs="x"),
        "say the shapes of the net's inputs with inputs=",
    ),
    "float_axis": (NOTHING, net(op("Flatten", "x", "y", axis=1.0), inputs="x"), "not an integer"),
    "int_alpha": (NOTHING, net(op("LeakyRelu", "x", "y", alpha=1), inputs="x"), "not a float"),
    "one_axis": (NOTHING, net(op("Squeeze", "x", "y", dims=1), inputs="x"), "list of integers"),
    "too_many": (NOTHING, net(op("Relu", "x x", "y"), inputs="x"), "it has 2 inputs"),
    "too_few": (NOTHING, net(op("Conv", "x", "y", kernel=1), inputs="x"), "it has 1 inputs"),
    "no_outputs": (NOTHING, net(op("Relu", "x", ""), inputs="x"), "it has 0 outputs"),
    "aten": (NOTHING, net(op("ATen", "x", "y", operator="relu"), inputs="x"), "ATen"),
    "huge_axis": (
        NOTHING,
        net(op("Add", "x z", "y", broadcast=1, axis=(1 << 63) - 1), inputs="x z"),
        "number of axes|at that axis",
    ),
    "huge_kernel": (NOTHING, net(op("MaxPool", "x", "y", kernel=1 << 62), inputs="x"), "kernel"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_another_meaning_is_refused_with_its_place(name):
    init, predict, says = REFUSED[name]
    with pytest.raises(UnsupportedOperatorError, match=says) as error:
        read_nets(init, predict)
    assert re.search(r"operator 0 of (init|predict)_net", str(error.value))


def test_arguments_that_change_nothing_are_passed_over():
    args = {"engine": "CUDNN", "order": "NCHW", "ws_nbytes_limit": 64, "exhaustive_search": 1}
    assert kinds(read_nets(NOTHING, relu(**args))) == ["Relu"]


@pytest.mark.parametrize(
    "predict, says",
    [
        (net(op("Relu", "x", "y")), "nothing before it makes its input 'x'"),
        (net(op("Relu", "b", "a"), op("Relu", "a", "b")), "makes its input 'b'"),
        (net(op("Relu", "y", "y"), outputs="y"), "makes its input 'y'"),
        (net(op("Relu", "x", "y"), inputs="x", outputs="z"), "external output 'z'"),
        (net(op("Split", "x", "y y"), inputs="x", outputs="y"), "'?y'?"),
        (
            net(op("Dropout", "x", "y m", is_test=1), op("Relu", "m", "z"), inputs="x"),
            "makes its input 'm'",
        ),
    ],
)
def test_a_blob_that_nothing_makes_or_two_make_is_named(predict, says):
    with pytest.raises(CheckError, match=says):
        read_nets(NOTHING, predict)


def test_shapes_that_do_not_fit_are_told_with_the_operator():
    with pytest.raises(CheckError, match=r"operator 0 of predict_net, Conv: .*rank 3"):
        read_nets(FILLS, PREDICT, {"data": (1, 3, 4)})


@pytest.mark.parametrize(
    "inputs, says",
    [
        ({"other": (1,)}, "names 'other', which no operator"),
        ([(1,), (2,)], "more shapes than the nets have inputs, which are 1"),
        ({"x": 3}, r"inputs\['x'\] must be a shape"),
        ({"x": "abc"}, "must be a shape"),
        ({"x": (-1, 2)}, "must be a shape"),
        ([None], "an element of inputs must be a shape"),
        ({"": (1,)}, "an empty name"),
        ({"x": (1,) * 65}, "too many axes"),
    ],
)
def test_inputs_that_are_none_are_told(inputs, says):
    with pytest.raises(ValueError, match=says):
        read_nets(NOTHING, relu(), inputs)
    with pytest.raises(TypeError, match="is no name: 1"):
        read_nets(NOTHING, relu(), {1: (2,)})


# ---- hostile bytes -----------------------------------------------------------------------------

TWO_GB = _varint(2 << 3 | 2) + _varint(1 << 31)
HOSTILE = {
    "text": (b"this is no net at all, but a text", "at field 14, byte 0"),
    "length_of_2_gb": (PREDICT + TWO_GB, "at .*op"),
    "length_of_63_bits": (PREDICT + _varint(2 << 3 | 2) + _varint((1 << 63) - 1), "at .*op"),
    "operator_without_a_type": (net(_bytes(1, "x")), r"op\[0\].*without a type"),
    "argument_without_a_name": (
        net(op("Relu", "x", "y") + _bytes(5, b"")),
        r"arg\[0\].*without a name",
    ),
    "name_of_zeros": (net(op("Relu", "x\0", "y")), "zero byte"),
    "name_that_is_not_utf8": (net(_bytes(1, b"\xff") + _bytes(4, "Relu")), "not UTF-8"),
    "groups_in_groups": (PREDICT + b"\x1b" * 100_000, "deep|group"),
    "list_that_ends_early": (
        net(op("Relu", "x", "y") + _bytes(5, _bytes(1, "v") + _bytes(5, b"abc"))),
        "floats",
    ),
    "axis_of_another_wire_type": (
        net(op("Relu", "x", "y") + _bytes(5, _bytes(1, "v") + _bytes(3, b"abc"))),
        r"arg\[0\]\.i",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("which", ["init", "predict"])
def test_bytes_that_are_no_net_are_told_with_their_place(name, which):
    data, says = HOSTILE[name]
    with pytest.raises(FormatError, match=says):
        read_nets(*((data, PREDICT) if which == "init" else (FILLS, data)))


def test_an_empty_net_is_no_net():
    with pytest.raises(FormatError, match="neither operators nor outputs"):
        read_nets(FILLS, b"")
    with pytest.raises(CheckError, match="nothing before it makes its input 'w'|external input"):
        read_nets(b"", net(CONV, inputs="data"))


@pytest.mark.parametrize(
    "shape, values, says",
    [
        ([1 << 31], [], "0 values for a shape of 2147483648"),
        ([1 << 32, 1 << 32], [], "no shape"),
        ([-1, -1], [1.0], "no shape"),
        ([2], [1.0, 2.0, 3.0], "3 values for a shape of 2"),
        ([2], [1, 2], "0 values"),
    ],
)
def test_a_fill_that_claims_what_it_has_not_is_refused(shape, values, says):
    fill = op("GivenTensorFill", "", "x", shape=shape, values=values)
    with pytest.raises(FormatError, match=says):
        read_nets(net(fill), relu())


def test_a_fill_of_any_size_costs_nothing_until_it_runs():
    init = net(op("ConstantFill", "", "x", shape=[1 << 20, 1 << 20]))
    graph = read_nets(init, relu())
    assert kinds(graph) == ["ConstantOfShape", "Relu"]


@pytest.mark.parametrize("value", [1 << 40, -(1 << 40)])
def test_a_number_that_its_type_does_not_hold_is_refused(value):
    with pytest.raises(FormatError, match="is no INT32"):
        read_nets(net(op("GivenTensorIntFill", "", "x", shape=[1], values=[value])), relu())


def test_a_net_of_nothing_but_operators_may_not_fill_the_memory():
    with pytest.raises(toffee.Error, match="far more memory"):
        read_nets(NOTHING, _bytes(2, b"") * 8_000_000)


@pytest.mark.parametrize("which", [0, 1])
def test_a_net_that_is_cut_short_anywhere_is_told_or_is_a_shorter_net(which):
    nets = [FILLS, PREDICT]
    whole = nets[which]
    for size in range(len(whole)):
        nets[which] = whole[:size]
        try:
            graph = read_nets(*nets, DATA)
        except (toffee.Error, ValueError) as error:
            assert str(error)
        else:
            toffee.checker.check_graph(graph)


@pytest.mark.parametrize("seed", range(50))
def test_nets_with_changed_bytes_are_told_or_read(seed):
    chance = random.Random(seed)
    ops = [CONV, op("MaxPool", "c", "p", kernel=2, stride=2, legacy_pad=3)]
    ops += [op("FC", "p f b", "q", axis=2), op("Slice", "q", "r", starts=[0, 1], ends=[-1, 2])]
    ops += [op("Concat", "r r", "s t", axis=1), op("Split", "s t", "u v"), op("Softmax", "v", "v")]
    init = FILLS + _bytes(2, op("ConstantFill", "", "f", shape=[2, 4], value=1.0))
    predict = net(*ops, inputs="data w b f", outputs="v")
    read_nets(init, predict, DATA)
    for _ in range(40):
        data = bytearray(predict)
        for _ in range(chance.randint(1, 4)):
            byte = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
            data[chance.randrange(len(data))] = byte
        try:
            toffee.checker.check_graph(read_nets(init, data, DATA))
        except (toffee.Error, ValueError) as error:
            assert str(error)


def test_each_allocation_may_fail(fail_allocation, count_allocations):
    predict = net(
        CONV, op("PRelu", "c b", "c"), op("Softmax", "c", "c"), op("Clip", "c", "c", max=1.0),
        inputs="data", outputs="c",
    )  # fmt: skip
    listed = [("data", 1, (1, 3, 4, 4))]
    every = every_failure(
        lambda: _core.caffe2_import(FILLS, predict, listed), fail_allocation, count_allocations
    )
    assert every > 10


def test_the_core_wants_buffers_and_tuples():
    with pytest.raises(TypeError):
        _core.caffe2_import("text", PREDICT, [])
    with pytest.raises(TypeError, match="a tuple"):
        _core.caffe2_import(FILLS, PREDICT, [3])
    with pytest.raises(BufferError, match="one piece"):
        _core.caffe2_import(FILLS, memoryview(PREDICT)[::2], [])
    with pytest.raises(ValueError, match="dtype"):
        _core.caffe2_import(FILLS, PREDICT, [("data", 4000, ())])


# ---- files and the command line ----------------------------------------------------------------


@pytest.fixture
def nets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/init_net.pb").write_bytes(FILLS)
    (tmp_path / "nets/predict_net.pb").write_bytes(PREDICT)
    return "nets"


def test_files_are_read_from_a_folder_or_one_by_one(nets):
    expected = str(read_nets(FILLS, PREDICT, DATA))
    assert str(load_nets(nets, inputs=DATA)) == expected
    assert str(load_nets("nets/init_net.pb", "nets/predict_net.pb", DATA)) == expected
    Path("nets/predict_net.pb").unlink()
    with pytest.raises(FileNotFoundError, match="predict_net.pb"):
        load_nets(nets)


def test_weights_of_a_file_outlive_the_call_and_what_is_written_is_read(tmp_path):
    weight = np.random.default_rng(0).standard_normal((64, 32)).astype(np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    x = helper.make_tensor_value_info("x", 1, [2, 64])
    tensor = toffee.numpy_helper.from_array(weight, "w")
    write_nets(helper.make_graph([node], "g", [x], ["y"], [tensor]), tmp_path)
    graph = load_nets(tmp_path, inputs={"x": (2, 64)})
    found = [toffee.numpy_helper.to_array(t) for t in graph.initializer if t.name == "w"]
    del graph
    np.testing.assert_array_equal(found[0], weight)


def test_convert_reads_a_folder_of_nets(nets, capsys):
    assert main(["convert", nets, "m.onnx", "--input", "1x3x4x4"]) == 0
    assert main(["convert", nets, "m.toffee", "-i", "data=1x3x4x4:float32"]) == 0
    assert capsys.readouterr() == ("", "")
    expected = read_nets(FILLS, PREDICT, DATA)
    assert toffee.load("m.toffee") == expected
    onnx.checker.check_model(onnx.load("m.onnx"), full_check=True)
    assert main(["convert", nets, "again", "--to", "caffe2", "-i", "1x3x4x4"]) == 0
    assert kinds(load_nets("again", inputs=DATA)) == ["Conv", "Relu"]


@pytest.mark.parametrize(
    "words, code, says",
    [
        (["nets", "m.onnx", "-i", "x=3", "-i", "4"], 2, "either all inputs have a name"),
        (["nets", "m.onnx", "-i", "x=3", "-i", "x=4"], 2, "each its own"),
        (["nets", "m.onnx", "-i", "abc"], 2, "is no shape"),
        (["nets", "m.onnx", "-i", "3:nonsense"], 2, "no dtype nonsense"),
        (["nets", "m.onnx", "-i", "y=3"], 1, "which no operator of the nets reads"),
        (["nets", "m.onnx", "-i", "1x3x4"], 1, "operator 0 of predict_net"),
        (["nets/init_net.pb", "m.onnx", "-i", "3"], 2, "folder of Caffe2's nets only"),
        (["nets/init_net.pb", "m.onnx"], 1, "it takes two, init_net and predict_net"),
        ([".", "m.onnx"], 1, "a directory without init_net.pb"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_nothing(nets, capsys, words, code, says):
    assert main(["convert", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.count("\n") == 1
    assert not Path("m.onnx").exists()


# ---- the table ---------------------------------------------------------------------------------


def test_the_page_has_the_table_of_the_code():
    """If this fails: print(table()) in this file, and put it there."""
    assert table() in (ROOT / "docs" / "backend_c2.md").read_text()
    names = [row[0] for row in _core.caffe2_import_rules()]
    assert len(set(names)) == len(names)


def table() -> str:
    lines = ["| Caffe2 | becomes | refused |", "| --- | --- | --- |"]
    for name, becomes, limit in sorted(_core.caffe2_import_rules()):
        lines.append(f"| `{name}` | {becomes or ''} | {limit or ''} |")
    return "\n".join(lines) + "\n"
