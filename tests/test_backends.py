"""What all backends have in common: inputs, outputs, devices, errors. No run-time library needed:
the backend here is written in NumPy."""

from __future__ import annotations

import pickle
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
import torch

import toffee
from toffee import helper
from toffee.backend import base

F32, F16, BF16, I64, BOOL = (
    toffee.Tensor.FLOAT,
    toffee.Tensor.FLOAT16,
    toffee.Tensor.BFLOAT16,
    toffee.Tensor.INT64,
    toffee.Tensor.BOOL,
)


class EchoRep(base.Rep):
    """Returns its inputs."""

    closed = 0

    def _run(self, feeds):
        assert all(isinstance(value, np.ndarray) for value in feeds.values())
        return list(feeds.values())

    def _close(self):
        self.closed += 1


def echo(**inputs):
    """A rep with the INPUTS, name to (dtype, shape), and outputs of the same names with a ``!``."""
    infos = [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()]
    nodes = [helper.make_node("Identity", [name], [name + "!"]) for name in inputs]
    outputs = [helper.make_empty_tensor_value_info(name + "!") for name in inputs]
    return EchoRep(helper.make_graph(nodes, "echo", infos, outputs), base.parse_device("CPU"))


class NotNumpy:
    """Speaks DLPack and nothing else."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, **kwargs):
        return self.tensor.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


# ---- outputs -----------------------------------------------------------------------------------


def test_outputs_are_a_tuple_and_can_be_addressed_by_name():
    outputs = base.Outputs([1, 2, 3], ["a", "b", "c"])
    assert outputs == (1, 2, 3)
    assert outputs[0] == outputs["a"] == 1
    assert outputs[1:] == (2, 3)
    assert outputs.asdict() == {"a": 1, "b": 2, "c": 3}
    first, *rest = outputs
    assert (first, rest) == (1, [2, 3])


def test_an_output_that_is_not_there_is_a_key_error_that_lists_those_that_are():
    outputs = base.Outputs([1], ["a"])
    with pytest.raises(KeyError, match=r"no output 'z'.*\['a'\]"):
        outputs["z"]
    with pytest.raises(IndexError):
        outputs[1]


def test_outputs_survive_pickle():
    outputs = pickle.loads(pickle.dumps(base.Outputs([1, 2], ["a", "b"])))
    assert outputs["b"] == 2 and outputs.names == ("a", "b")


def test_as_many_outputs_as_names():
    with pytest.raises(ValueError, match="1 values for 2 output names"):
        base.Outputs([1], ["a", "b"])


# ---- devices -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "index"),
    [("CPU", "CPU", 0), ("cpu", "CPU", 0), ("CUDA", "CUDA", 0), ("cuda:3", "CUDA", 3)],
)
def test_devices_are_written_as_in_2017_and_as_in_pytorch(text, kind, index):
    assert base.parse_device(text) == base.Device(kind, index)


@pytest.mark.parametrize("text", ["TPU", "", "CUDA:", "CUDA:x", "CUDA:-1", "CPU:1", "cuda:²"])
def test_an_unknown_device_is_an_error_that_says_what_there_is(text):
    with pytest.raises(toffee.BackendError, match="unknown device.*'CPU', 'CUDA' or 'CUDA:N'"):
        base.parse_device(text)


# ---- binding -----------------------------------------------------------------------------------


def test_one_array_stands_for_the_only_input():
    x = np.ones((2, 3), np.float32)
    assert echo(x=(F32, [2, 3])).run(x)["x!"] is x


@pytest.mark.parametrize("kind", [tuple, list])
def test_a_sequence_has_one_value_for_each_input_in_order(kind):
    rep = echo(a=(F32, []), b=(I64, []))
    outputs = rep.run(kind([np.float32(1.5), np.int64(2)]))
    assert outputs["a!"] == 1.5 and outputs["b!"] == 2


def test_a_mapping_has_values_by_name_in_any_order():
    outputs = echo(a=(F32, []), b=(I64, [])).run({"b": 2, "a": 1.5})
    assert (outputs["a!"], outputs["b!"]) == (1.5, 2)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], r"has 2 inputs, \['a', 'b'\], but 0 were given"),
        (np.ones(2), r"has 2 inputs, \['a', 'b'\], but 1 was given"),
        ([1, 2, 3], "but 3 were given"),
        ({"a": 1}, r"needs input 'b', which was not given; its inputs are \['a', 'b'\]"),
        ({"a": 1, "b": 2, "c": 3}, "has no input 'c'"),
        ({"x": 1, "b": 2}, "has no input 'x' and needs input 'a'"),
    ],
)
def test_a_wrong_number_of_inputs_and_wrong_names_are_errors(inputs, message):
    with pytest.raises(toffee.BackendError, match=message):
        echo(a=(F32, []), b=(F32, [])).run(inputs)


def test_a_graph_without_inputs_takes_none():
    graph = helper.make_graph([], "none", [], [])
    assert EchoRep(graph, base.parse_device("CPU")).run() == ()


def test_initializers_are_no_inputs_but_parameters_that_were_left_out_are(conv_graph):
    assert [spec.name for spec in base.input_specs(conv_graph)] == ["x"]
    bare = toffee.loads(toffee.dumps(conv_graph, export_params=False))
    assert [spec.name for spec in base.input_specs(bare)] == ["w", "x"]
    assert base.input_specs(bare)[0].shape == (64, 3, 3, 3)


# ---- dtypes ------------------------------------------------------------------------------------


def cast(declared, value):
    return echo(x=(declared, list(np.shape(value)))).run(value)[0]


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (F32, np.float64([1.5, 2])),  # the script of 2017
        (F32, np.int64([1, 2])),
        (F32, np.array([True])),
        (F16, np.float32([0.1])),
        (I64, np.int32([7])),
        (toffee.Tensor.COMPLEX64, np.float32([1])),
        (F32, np.array([1.5, 2], ">f4")),
    ],
)
def test_what_numpy_calls_same_kind_is_cast(declared, value):
    result = cast(declared, value)
    assert result.dtype == helper.tensor_dtype_to_np_dtype(declared)
    np.testing.assert_allclose(result, value, rtol=1e-3)


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        (I64, np.float32([1]), r"'x' must be int64\[1\], but float32\[1\] was given"),
        (BOOL, np.int64([1]), r"must be bool\[1\], but int64\[1\]"),
        (F32, np.complex64([1]), r"must be float32\[1\], but complex64\[1\]"),
        (F32, np.array(["a"], object), r"must be float32\[1\], but object\[1\]"),
        (toffee.Tensor.STRING, np.float32([1]), r"must be string\[1\], but float32\[1\]"),
        (toffee.Tensor.UINT8, np.int8([-1]), r"must be uint8\[1\], but int8\[1\]"),
    ],
)
def test_another_kind_of_dtype_is_an_error_that_names_both(declared, value, message):
    with pytest.raises(toffee.BackendError, match=message):
        cast(declared, value)


def test_strings_come_as_str_or_as_objects():
    for value in (np.array(["a", "bc"]), np.array(["a", "bc"], object)):
        assert cast(toffee.Tensor.STRING, value).tolist() == ["a", "bc"]


def test_what_is_no_array_is_an_error_that_names_the_input():
    with pytest.raises(toffee.BackendError, match="input 'x' must be float32.*a set is no array"):
        echo(x=(F32, [])).run({"x": {1, 2}})


def test_an_input_of_unknown_type_takes_any():
    infos = [helper.make_empty_tensor_value_info("x")]
    graph = helper.make_graph([], "any", infos, [helper.make_empty_tensor_value_info("x")])
    rep = EchoRep(graph, base.parse_device("CPU"))
    assert rep.run(np.int8([1]))[0].dtype == np.int8
    assert str(rep.inputs[0]) == "any dtype of any shape"


# ---- shapes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 4), (3,), (2, 3, 1), ()])
def test_another_shape_is_an_error_that_names_both(shape):
    with pytest.raises(toffee.BackendError, match=r"'x' must be float32\[2, 3\], but float32\["):
        echo(x=(F32, [2, 3])).run({"x": np.zeros(shape, np.float32)})


def test_symbolic_and_unknown_dimensions_take_any_size():
    rep = echo(x=(F32, ["N", 3, None]))
    for shape in [(1, 3, 5), (7, 3, 0)]:
        assert rep.run(np.zeros(shape, np.float32))[0].shape == shape
    with pytest.raises(toffee.BackendError, match=r"must be float32\[N, 3, \?\]"):
        rep.run(np.zeros((1, 4, 5), np.float32))


def test_a_symbol_has_one_size_in_all_inputs_of_a_run():
    rep = echo(x=(F32, ["N"]), y=(F32, ["N"]))
    rep.run([np.zeros(2), np.zeros(2)])
    rep.run([np.zeros(3), np.zeros(3)])  # but another one in another run
    message = (
        r"'y' must be float32\[N\], but float64\[3\] was given: 'y' has 3 for 'N' and 'x' has 2"
    )
    with pytest.raises(toffee.BackendError, match=message):
        rep.run([np.zeros(2), np.zeros(3)])


# ---- memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2, torch.bool])
def test_a_torch_tensor_is_shared_not_copied(dtype):
    tensor = torch.ones(4, 3).to(dtype).t()
    array = base.to_numpy(tensor)
    assert array.ctypes.data == tensor.data_ptr()
    assert array.dtype.name == str(dtype).removeprefix("torch.")
    assert array.shape == (3, 4) and (array.astype(np.float32) == 1).all()


def test_a_tensor_that_requires_grad_or_is_conjugated_is_read_all_the_same():
    assert base.to_numpy(torch.ones(2, requires_grad=True) * 2).tolist() == [2, 2]
    assert base.to_numpy(torch.tensor([1 + 2j]).conj()).tolist() == [1 - 2j]


def test_bfloat16_of_ml_dtypes_and_of_pytorch_are_the_same_input():
    rep = echo(x=(BF16, [2]))
    for value in (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), np.array([1, 2], "float32")):
        result = rep.run(value)[0]
        assert result.dtype == ml_dtypes.bfloat16 and result.tolist() == [1, 2]


def test_whatever_speaks_dlpack_is_shared():
    tensor = torch.arange(6.0)
    assert base.to_numpy(NotNumpy(tensor)).ctypes.data == tensor.data_ptr()
    assert echo(x=(F32, [6])).run(NotNumpy(tensor))[0].tolist() == [0, 1, 2, 3, 4, 5]


# ---- life --------------------------------------------------------------------------------------


def test_a_rep_is_a_context_manager_and_closes_once():
    with echo(x=(F32, [])) as rep:
        rep.run(np.float32(1))
    rep.close()
    assert rep.closed == 1
    assert "(closed)" in repr(rep) and "x: float32[]" in repr(rep)
    with pytest.raises(toffee.BackendError, match="was closed"):
        rep.run(np.float32(1))


def prepare_echo(graph, device="CPU"):
    return EchoRep(graph, base.parse_device(device))


def test_run_takes_a_graph_or_what_prepare_returned():
    rep = echo(x=(F32, []))
    assert base.run_graph(prepare_echo, rep, 1.5)[0] == 1.5
    with pytest.raises(TypeError, match="device is for prepare"):
        base.run_graph(prepare_echo, rep, 1.5, device="CPU")
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", F32, [])],
        [helper.make_empty_tensor_value_info("y")],
    )
    assert base.run_graph(prepare_echo, graph, 1.5, device="cuda:1")["y"] == 1.5


# ---- one node ----------------------------------------------------------------------------------


def test_the_graph_of_a_node_has_the_types_of_its_inputs():
    node = helper.make_node("Clip", ["x", "", "high"], ["y"])
    graph, values = base.graph_of_node(node, [np.ones((2, 3), np.float16), np.float16(1)])
    assert [(i.name, i.dtype, i.shape) for i in graph.input_info] == [
        ("x", F16, (2, 3)),
        ("high", F16, ()),
    ]
    assert list(values) == ["x", "high"] and list(graph.output) == ["y"]


def test_an_input_that_a_node_uses_twice_takes_one_value():
    node = helper.make_node("Mul", ["x", "x"], ["y"])
    graph, values = base.graph_of_node(node, np.float32([2]))
    assert list(graph.input) == ["x"] and values["x"].tolist() == [2]
    with pytest.raises(toffee.BackendError, match="has 1 input"):
        base.graph_of_node(node, [1.0, 2.0])


def test_the_opsets_of_a_node_can_be_chosen():
    node = helper.make_node("Foo", ["x"], ["y"], domain="my.domain")
    graph, _ = base.graph_of_node(node, np.float32([2]), {"": 13})
    assert {e.domain: e.version for e in graph.opset_import} == {"": 13, "my.domain": 1}


def test_what_is_no_node_and_no_graph_is_a_type_error():
    with pytest.raises(TypeError, match=r"expected a toffee\.Node, not str"):
        base.graph_of_node("Relu", 1)
    with pytest.raises(TypeError, match=r"expected a toffee\.Graph, not str"):
        base.check_is_graph("x")


# ---- the package -------------------------------------------------------------------------------


def test_importing_the_package_imports_no_runtime():
    code = (
        "import sys, toffee.backend, toffee.backend.onnxruntime\n"
        "print([m for m in ('torch', 'onnxruntime', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_errors_are_toffees():
    assert toffee.backend.BackendError is toffee.BackendError
    assert issubclass(toffee.BackendError, toffee.Error)
    assert issubclass(toffee.VerificationError, toffee.Error)
