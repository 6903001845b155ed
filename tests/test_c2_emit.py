"""Emission of Caffe2's nets: constants, devices, names and refusals. Needs no Caffe2.

What single operators become is in test_c2_emit_nn.py and test_c2_emit_tensor.py.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest
from c2_nets import read_net
from test_alloc_failure import every_failure

import toffee
from toffee import _core, helper, numpy_helper
from toffee.__main__ import main
from toffee.backend.base import parse_device
from toffee.backend.c2._emit import emit, nets_of, write_nets

CPU = parse_device("CPU")


def relu_graph(**kwargs):
    node = helper.make_node("Relu", ["x"], ["y"], **kwargs)
    return helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", toffee.Tensor.FLOAT, [2, 3])], ["y"]
    )


def constant_graph(array):
    """The initializer w, which is also the output."""
    return helper.make_graph([], "g", [], ["w"], [numpy_helper.from_array(array, "w")])


def fill(net):
    """What the fills and casts of NET make of their arguments, as NumPy would."""
    to = {6: np.uint8, 7: np.int8, 8: np.uint16, 13: np.float64}
    made = {
        "GivenTensorFill": np.float32,
        "GivenTensorIntFill": np.int32,
        "GivenTensorInt16Fill": np.int16,
        "GivenTensorInt64Fill": np.int64,
        "GivenTensorBoolFill": np.bool_,
    }
    blobs = {}
    for op in net.ops:
        inputs = [blobs[name] for name in op.inputs]
        if op.type in made:
            values = np.array(op.args["values"], made[op.type])
            blobs[op.outputs[0]] = values.reshape(op.args["shape"])
        elif op.type == "Cast":
            blobs[op.outputs[0]] = inputs[0].astype(to[op.args["to"]])
        elif op.type == "FloatToHalf":
            blobs[op.outputs[0]] = inputs[0].astype(np.float16)
        elif op.type == "Add":
            blobs[op.outputs[0]] = inputs[0] + inputs[1]
        else:
            assert op.type == "Copy"
            blobs[op.outputs[0]] = inputs[0]
    return blobs


DTYPES = ["float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "int32", "int64"]


@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 4)], ids=str)
def test_the_init_net_makes_a_constant_of_every_dtype_bit_by_bit(dtype, shape):
    array = (np.random.default_rng(0).standard_normal(shape) * 50).astype(dtype)
    init, predict = emit(constant_graph(array))
    made = fill(read_net(init))["w"]
    assert (made.dtype, made.shape) == (array.dtype, array.shape)
    assert made.tobytes() == array.tobytes()
    assert read_net(predict).external_outputs == ["w"]


def test_doubles_that_are_no_floats_are_sums_of_floats():
    array = np.array([0.1, 1 / 3, -1e300 * 1e-280, 2**53 + 1.0, np.inf, -np.inf, 0.0, 1e-20])
    np.testing.assert_array_equal(fill(read_net(emit(constant_graph(array))[0]))["w"], array)
    nan = fill(read_net(emit(constant_graph(np.array([np.nan])))[0]))["w"]
    assert np.isnan(nan).all()


@pytest.mark.parametrize("number", [1e300, 1e-300, 5e-324], ids=str)
def test_doubles_that_no_sum_of_floats_can_reach_are_refused(number):
    with pytest.raises(toffee.BackendError, match="'w' has doubles beyond the range of float32"):
        emit(constant_graph(np.array([number])))


def test_every_float16_there_is_survives():
    array = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    made = fill(read_net(emit(constant_graph(array))[0]))["w"]
    np.testing.assert_array_equal(made, array)


def test_weights_that_do_not_lie_as_floats_must_are_copied():
    array = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    data = toffee.dumps(constant_graph(array))
    for shift in range(4):
        moved = toffee.loads(memoryview(b"\0" * shift + data)[shift:])
        made = fill(read_net(emit(moved)[0]))["w"]
        np.testing.assert_array_equal(made, array)


def test_a_dtype_without_a_fill_operator_is_refused_by_name():
    array = np.array([1, 2], ml_dtypes.bfloat16)
    with pytest.raises(toffee.BackendError, match="'w' is of dtype BFLOAT16, for which Caffe2 has"):
        emit(constant_graph(array))


def test_without_weights_they_are_external_inputs_and_so_are_constants():
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(2)))
    graph = relu_graph()
    graph.node.insert(0, constant)
    graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "unused"))
    init, predict, nodes = nets_of(graph, CPU, "caffe2", weights=False)
    assert read_net(init).ops == []
    assert read_net(predict).external_inputs == ["x", "unused", "c"]
    assert nodes == [1]
    init, predict, nodes = nets_of(graph, CPU, "caffe2", weights=True)
    assert {"c", "unused"} <= set(fill(read_net(init)))
    assert read_net(predict).external_inputs == ["x", "unused", "c"]


@pytest.mark.parametrize(
    "device, expected", [("CPU", (0, 0)), ("cuda", (1, 0)), ("CUDA:3", (1, 3))]
)
def test_the_device_is_on_both_nets_and_every_operator(device, expected):
    graph = relu_graph()
    graph.initializer.append(numpy_helper.from_array(np.ones(3), "w"))
    for data in emit(graph, device):
        net = read_net(data)
        assert net.device == expected
        assert [op.device for op in net.ops] == [expected] * len(net.ops)
        assert net.ops


def test_an_unknown_device_or_preference_is_an_error():
    with pytest.raises(toffee.BackendError, match="unknown device 'TPU'"):
        emit(relu_graph(), "TPU")
    with pytest.raises(ValueError, match="prefer must be 'caffe2' or 'aten', not 'numpy'"):
        emit(relu_graph(), prefer="numpy")
    with pytest.raises(TypeError, match=r"expected a toffee\.Graph, not str"):
        emit("net.toffee")


def test_prefer_says_whose_operator_it_is():
    assert read_net(emit(relu_graph())[1]).functions == ["Relu"]
    assert read_net(emit(relu_graph(), prefer="aten")[1]).functions == ["aten::relu"]


def test_an_operator_has_the_name_of_its_node():
    net = read_net(emit(relu_graph(name="features.1/Relu"))[1])
    assert net.op("Relu").name == "features.1/Relu"


def test_a_node_that_caffe2_cannot_compute_is_named_with_its_line():
    node = helper.make_node(
        "Mystery", ["x"], ["y"], name="head", domain="my.ops", doc_string="net.py:12"
    )
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", toffee.Tensor.FLOAT, [2])], ["y"]
    )
    graph.opset_import.add(domain="my.ops", version=1)
    with pytest.raises(toffee.BackendError) as caught:
        emit(graph)
    assert str(caught.value) == (
        "node 0 'head' (my.ops::Mystery), from net.py:12: Caffe2 cannot compute it: "
        "neither Caffe2 nor its operator ATen has it"
    )


def test_sparse_initializers_are_refused():
    values = onnx.helper.make_tensor("s", onnx.TensorProto.FLOAT, [1], [2.0])
    indices = onnx.helper.make_tensor("", onnx.TensorProto.INT64, [1], [3])
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Relu", ["s"], ["y"])],
            "g",
            [],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [4])],
            sparse_initializer=[onnx.helper.make_sparse_tensor(values, indices, [4])],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 20)],
    )
    with pytest.raises(toffee.BackendError, match="sparse initializers"):
        emit(toffee.loads(model.SerializeToString()))


def test_values_named_like_our_blobs_keep_their_names():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["_c2/0"], ["_c2/1"])],
        "g",
        [helper.make_tensor_value_info("_c2/0", toffee.Tensor.DOUBLE, [2])],
        ["_c2/1"],
        [numpy_helper.from_array(np.array([0.1]), "w")],
    )
    init, predict = emit(graph)
    made = {name for op in read_net(init).ops for name in op.outputs}
    assert not {"_c2/0", "_c2/1"} & made
    assert read_net(predict).ops[0].inputs == ["_c2/0"]


def test_emission_leaves_the_graph_as_it_was(conv_graph):
    before = toffee.dumps(conv_graph)
    emit(conv_graph)
    assert toffee.dumps(conv_graph) == before


def test_each_allocation_of_emission_can_fail(conv_graph, fail_allocation, count_allocations):
    conv_graph.initializer.append(numpy_helper.from_array(np.array([0.1, 2.0]), "d"))
    inferred = toffee.shape_inference.infer_shapes(conv_graph)
    for prefer in ("caffe2", "aten"):
        n = every_failure(
            lambda prefer=prefer: _core.caffe2_emit(inferred, prefer=prefer),
            fail_allocation,
            count_allocations,
        )
        assert n > 3


def test_convert_writes_the_two_files_that_caffe2s_tools_expect(conv_graph, tmp_path):
    toffee.save(conv_graph, tmp_path / "net.toffee")
    out = tmp_path / "nets" / "deep"
    assert main(["convert", str(tmp_path / "net.toffee"), str(out), "--to", "caffe2"]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["init_net.pb", "predict_net.pb"]
    written = tuple((out / name).read_bytes() for name in ("init_net.pb", "predict_net.pb"))
    assert written == emit(conv_graph)
    more = ["--to", "caffe2", "--device", "CUDA:1", "--prefer", "aten"]
    assert main(["convert", str(tmp_path / "net.toffee"), str(out), *more]) == 0
    net = read_net((out / "predict_net.pb").read_bytes())
    assert net.device == (1, 1)
    assert {op.type for op in net.ops} == {"ATen"}


def test_convert_that_fails_writes_nothing_and_gives_one_line(tmp_path, capsys):
    node = helper.make_node("Mystery", ["x"], ["y"], domain="my.ops")
    graph = helper.make_graph([node], "g", ["x"], ["y"])
    graph.opset_import.add(domain="my.ops", version=1)
    toffee.save(graph, tmp_path / "net.toffee")
    assert (
        main(["convert", str(tmp_path / "net.toffee"), str(tmp_path / "o"), "--to", "caffe2"]) == 1
    )
    assert not (tmp_path / "o").exists()
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "my.ops::Mystery" in error


def test_write_nets_replaces_both_files_or_none(conv_graph, tmp_path):
    write_nets(conv_graph, tmp_path)
    before = (tmp_path / "predict_net.pb").read_bytes()
    (tmp_path / "init_net.pb").unlink()
    (tmp_path / "init_net.pb").mkdir()
    with pytest.raises(OSError):
        write_nets(relu_graph(), tmp_path)
    assert (tmp_path / "predict_net.pb").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["init_net.pb", "predict_net.pb"]
