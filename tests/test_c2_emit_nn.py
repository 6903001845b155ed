"""What operators of neural networks become in Caffe2's nets. Needs no Caffe2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from c2_nets import Net, read_net
from exported import to_graph
from test_alloc_failure import every_failure

import toffee
import toffee.backend.c2 as caffe2
from toffee import BackendError, _core, helper, numpy_helper

nn = torch.nn


def f32(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def nets(
    op: str, inputs: list[Any], known: tuple[int, ...] = (), prefer: str = "caffe2",
    n_outputs: int = 1, **attrs: Any,
) -> tuple[Net, Net]:  # fmt: skip
    """The nets of one node. INPUTS: arrays, or None where one is left out."""
    names, infos, weights = [], [], []
    for i, x in enumerate(inputs):
        names.append("" if x is None else f"x{i}")
        if i in known:
            weights.append(numpy_helper.from_array(x, names[-1]))
        elif x is not None:
            dtype = helper.np_dtype_to_tensor_dtype(x.dtype)
            infos.append(helper.make_tensor_value_info(names[-1], dtype, list(x.shape)))
    outputs = [f"y{i}" for i in range(n_outputs)]
    node = helper.make_node(op, names, outputs, **attrs)
    graph = toffee.shape_inference.infer_shapes(
        helper.make_graph([node], "g", infos, outputs, weights)
    )
    init, predict = caffe2.emit(graph, prefer=prefer)
    return read_net(init), read_net(predict)


def functions(*args: Any, **kwargs: Any) -> list[str]:
    return nets(*args, **kwargs)[1].functions


X = f32(2, 4, 8, 9)


def test_conv_has_caffe2s_arguments():
    _, net = nets("Conv", [X, f32(6, 2, 3, 3), f32(6)], pads=[1, 2, 3, 4], strides=[2, 1], group=2)
    (op,) = net.ops
    assert (op.type, op.inputs, op.outputs) == ("Conv", ["x0", "x1", "x2"], ["y0"])
    assert op.args == {
        "kernels": [3, 3], "strides": [2, 1], "pads": [1, 2, 3, 4], "group": 2
    }  # fmt: skip


def test_conv_of_aten_gets_a_bias_of_zeros_and_even_padding():
    init, net = nets("Conv", [X, f32(6, 4, 3, 3)], prefer="aten", pads=[1, 0, 2, 0])
    assert net.functions == ["aten::constant_pad_nd", "aten::conv2d"]
    assert net.ops[0].args["pad"] == [0, 0, 1, 2]  # from the last axis on
    assert net.ops[1].args["padding"] == [0, 0]
    (zeros,) = init.ops
    assert (zeros.type, zeros.args["shape"]) == ("ConstantFill", [6])
    assert net.ops[1].inputs[2] == zeros.outputs[0]
    assert zeros.outputs[0] in net.external_inputs


@pytest.mark.parametrize(
    ("mode", "pads"), [("SAME_UPPER", [0, 0, 1, 1]), ("SAME_LOWER", [1, 1, 0, 0])]
)
def test_automatic_padding_is_worked_out(mode, pads):
    x, w = f32(1, 4, 7, 8), f32(6, 4, 2, 2)
    _, net = nets("Conv", [x, w], auto_pad=mode)
    assert net.ops[0].args["pads"] == pads


def test_gemm_is_fc_where_it_adds_a_vector():
    x, w = f32(2, 4), f32(6, 4)
    assert functions("Gemm", [x, w, f32(6)], transB=1) == ["FC"]
    assert functions("Gemm", [x, w.T, f32(6)]) == ["FCTransposed"]
    assert functions("Gemm", [x, w], transB=1) == ["FC"]
    assert functions("Gemm", [x, w, f32(2, 1)], transB=1) == ["aten::t", "aten::addmm"]
    assert functions("Gemm", [x, w, f32(6)], transB=1, alpha=0.5)[-1] == "aten::addmm"
    assert functions("Gemm", [x, w, f32(6)], transB=1, prefer="aten")[-1] == "aten::addmm"
    assert functions("Gemm", [x.astype("f8"), w.astype("f8")], transB=1)[-1] == "aten::mm"


def test_products_of_vectors_and_integers_are_those_of_pytorch():
    assert functions("MatMul", [f32(2, 3), f32(5, 3, 4)]) == ["BatchMatMul"]
    assert functions("MatMul", [f32(3), f32(3)]) == ["aten::matmul"]
    whole = np.ones((2, 2), np.int64)
    assert functions("MatMul", [whole, whole]) == ["aten::matmul"]


def test_a_pool_that_rounds_up_gets_padding_to_its_last_window():
    attrs = {"kernel_shape": [3, 3], "strides": [2, 2]}
    _, net = nets("MaxPool", [X], ceil_mode=1, **attrs)
    assert (net.ops[0].type, net.ops[0].args["pads"]) == ("MaxPool", [0, 0, 1, 0])
    _, net = nets("MaxPool", [X], **attrs)
    assert net.ops[0].args["pads"] == [0, 0, 0, 0]
    _, net = nets("AveragePool", [X], ceil_mode=1, **attrs)
    assert (net.ops[0].type, net.ops[0].args["pads"]) == ("AveragePool", [0, 0, 1, 0])
    # Caffe2 would divide by the padding that nobody declared
    _, net = nets("AveragePool", [X], ceil_mode=1, count_include_pad=1, **attrs)
    assert net.functions == ["aten::avg_pool2d"]
    assert net.ops[0].args["ceil_mode"] == 1


def test_pools_that_caffe2_lacks_are_those_of_pytorch():
    attrs = {"kernel_shape": [2, 2]}
    assert functions("MaxPool", [X], dilations=[2, 2], **attrs) == ["aten::max_pool2d"]
    found = functions("MaxPool", [X], n_outputs=2, **attrs)
    assert found == ["aten::max_pool2d_with_indices", "aten::add"]
    assert functions("AveragePool", [X.astype("f8")], **attrs) == ["aten::avg_pool2d"]


def test_batch_normalization_is_for_inference_and_says_so():
    parts = [f32(4) for _ in range(4)]
    _, net = nets("BatchNormalization", [X, *parts], epsilon=0.5)
    (op,) = net.ops
    assert op.type == "SpatialBN"
    assert op.args == {"is_test": 1, "epsilon": 0.5, "order": b"NCHW"}


def test_instance_normalization_is_a_group_for_each_channel():
    _, net = nets("InstanceNormalization", [X, f32(4), f32(4)])
    assert (net.ops[0].type, net.ops[0].args["group"]) == ("GroupNorm", 4)


def test_dropout_of_inference_says_so_and_its_mask_is_true():
    _, net = nets("Dropout", [X], n_outputs=2)
    assert net.functions == ["Dropout", "ConstantFill"]
    assert net.ops[0].args == {"is_test": 1}
    assert functions("Dropout", [X.astype("f8")]) == ["Copy"]


def test_softmax_of_caffe2_is_along_the_last_axis():
    assert functions("Softmax", [X], axis=-1) == ["Softmax"]
    assert functions("Softmax", [X], axis=1) == ["aten::softmax"]


def test_halves_are_computed_as_floats():
    found = functions("Softmax", [X.astype("f2")])
    assert found == ["HalfToFloat", "aten::softmax", "FloatToHalf"]


def test_resize_is_an_operator_where_its_neighbours_are_the_same():
    scales = np.array([1, 1, 2, 2], np.float32)
    plain = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    args = ("Resize", [X, None, scales], (2,))
    assert functions(*args, **plain) == ["ResizeNearest"]
    assert functions(*args, **plain, prefer="aten") == ["aten::upsample_nearest2d"]
    assert functions(*args, nearest_mode="ceil") == ["aten::index_select"] * 2
    assert functions(*args, mode="linear") == ["aten::upsample_bilinear2d"]
    assert functions(*args, mode="cubic") == ["aten::upsample_bicubic2d"]
    assert "aten::matmul" in functions(*args, mode="cubic", cubic_coeff_a=-0.5)
    corners = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    assert functions(*args, **corners) == ["UpsampleBilinear"]


@pytest.mark.parametrize("prefer", ["caffe2", "aten"])
@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_recurrent_layer_is_taken_apart_step_by_step(layer, prefer):
    graph = to_graph(layer(4, 5, bidirectional=True), torch.randn(3, 2, 4))
    net = read_net(caffe2.emit(graph, prefer=prefer)[1])
    multiply = "FC" if prefer == "caffe2" else "aten::linear"
    each_step = 2 if layer is nn.GRU else 1
    assert net.functions.count(multiply) == 2 * (1 + 3 * each_step)
    if prefer == "caffe2":
        assert not [name for name in net.functions if name.startswith("aten::")]


def test_every_seed_operator_of_a_plain_network_is_caffe2s_own():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        nn.AvgPool2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(128, 9),
    ).eval()  # fmt: skip
    net = read_net(caffe2.emit(to_graph(network, torch.randn(1, 3, 16, 16)))[1])
    assert not [name for name in net.functions if name.startswith("aten::")]


GRU = [f32(2, 2, 3), f32(1, 12, 3), f32(1, 12, 4), None, np.array([1, 2], np.int32)]

REFUSED: list[tuple[str, list[Any], tuple[int, ...], dict[str, Any], str]] = [
    ("Dropout", [f32(2), np.float32(0.5), np.array(True)], (1, 2), {}, "random"),
    ("Resize", [f32(1, 1, 2, 2), None, np.ones(4, np.float32)], (), {}, "not constant"),
    ("GRU", GRU, (4,), {"hidden_size": 4}, "different lengths"),
    (
        "RNN", [f32(2, 2, 3), f32(1, 4, 3), f32(1, 4, 4)], (),
        {"hidden_size": 4, "activations": ["Affine"]}, "activations",
    ),
    (
        "Col2Im", [f32(1, 8, 8), np.array([3] * 3), np.array([2] * 3)], (1, 2), {}, "images",
    ),
    (
        "MatMul", [np.zeros((2, 0), np.int64), np.zeros((0, 4), np.int64)], (), {},
        "over nothing",
    ),
    ("Conv", [f32(1, 1, 2, 2, 2, 2), f32(1, 1, 1, 1, 1, 1)], (), {}, "three spatial axes"),
    ("RoiAlign", [X, f32(1, 4), np.array([0])], (), {"mode": "max"}, "averages"),
    ("DeformConv", [f32(1, 1, 3, 3), f32(1, 1, 2, 2), f32(1, 8, 2, 2)], (), {}, "neither Caffe2"),
]  # fmt: skip


@pytest.mark.parametrize("prefer", ["caffe2", "aten"])
@pytest.mark.parametrize(("op", "inputs", "known", "attrs", "why"), REFUSED)
def test_what_caffe2_cannot_compute_is_refused_with_the_reason(
    op, inputs, known, attrs, why, prefer
):
    with pytest.raises(BackendError, match=f"Caffe2 cannot compute it: .*{why}"):
        nets(op, inputs, known, prefer, **attrs)


def many_nodes() -> toffee.Graph:
    """Nodes whose rules make tables, lists and constants."""
    make, info = helper.make_node, helper.make_tensor_value_info
    nodes = [
        make("AveragePool", ["x"], ["a"], kernel_shape=[3, 3], dilations=[2, 2], pads=[1, 0, 2, 0]),
        make("Resize", ["a", "", "scales"], ["b"], mode="cubic", antialias=1),
        make("MaxPool", ["b"], ["m", "i"], kernel_shape=[2, 2], storage_order=1),
        make("LRN", ["m"], ["n"], size=2),
        make("Einsum", ["n", "n"], ["e"], equation="bchw,bchv->bchwv"),
        make("Hardmax", ["e"], ["h"]),
        make("LayerNormalization", ["x", "w"], ["l"], axis=-1),
        make("LSTM", ["s", "lw", "lr"], ["y"], hidden_size=4),
        make("ConvTranspose", ["x", "t"], ["u"], pads=[0, 1, 0, 0]),
        make("QLinearConv", ["q", "k", "z", "v", "k", "z", "k", "z"], ["r"]),
    ]
    weights = {
        "scales": np.array([1, 1, 0.5, 1.7], np.float32), "w": f32(9), "lw": f32(1, 16, 3),
        "lr": f32(1, 16, 4), "t": f32(4, 2, 2, 2), "k": np.float32(0.5), "z": np.uint8(3),
        "v": np.ones((2, 2, 2, 2), np.uint8),
    }  # fmt: skip
    inputs = [
        info("x", toffee.Tensor.FLOAT, [2, 4, 8, 9]),
        info("s", toffee.Tensor.FLOAT, [20, 2, 3]),
        info("q", toffee.Tensor.UINT8, [1, 2, 4, 4]),
    ]
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", inputs, ["i", "h", "l", "y", "u", "r"], stored)
    return toffee.shape_inference.infer_shapes(graph)


@pytest.mark.parametrize("prefer", ["caffe2", "aten"])
def test_memory_that_runs_out_is_an_error_at_every_place(
    prefer, fail_allocation, count_allocations
):
    graph = many_nodes()
    n = every_failure(
        lambda: _core.caffe2_emit(graph, prefer=prefer), fail_allocation, count_allocations
    )
    assert n > 5


HUGE = [2**63 - 1, -(2**63), 2**62, 2**40, 2**31, 0, -1]
HOSTILE: list[tuple[str, list[tuple[int, ...]], list[str], dict[str, Any]]] = [
    ("Conv", [(1, 1, 4, 4), (1, 1, 2, 2)], ["kernel_shape", "strides", "dilations"], {}),
    ("Conv", [(1, 1, 4, 4), (1, 1, 2, 2)], ["strides", "dilations"], {"auto_pad": "SAME_UPPER"}),
    ("ConvTranspose", [(1, 1, 4, 4), (1, 1, 2, 2)], ["output_shape", "output_padding"], {}),
    ("AveragePool", [(1, 1, 4, 4)], ["kernel_shape", "strides", "dilations"], {"ceil_mode": 1}),
    ("MaxPool", [(2**40, 2**40, 4, 4)], ["kernel_shape"], {"ceil_mode": 1}),
    ("LpPool", [(2**40, 2**40, 2**40, 4)], ["kernel_shape"], {}),
    ("MaxUnpool", [(2**40, 2**40, 4, 4), (2**40, 2**40, 4, 4)], ["kernel_shape", "strides"], {}),
]


@pytest.mark.parametrize("prefer", ["caffe2", "aten"])
@pytest.mark.parametrize(("op", "shapes", "names", "more"), HOSTILE)
def test_attributes_beyond_all_measure_are_refused_or_passed_on(op, shapes, names, more, prefer):
    infos = [
        helper.make_tensor_value_info(f"x{i}", toffee.Tensor.FLOAT, list(shape))
        for i, shape in enumerate(shapes)
    ]
    tried = 0
    for name in names:
        for number in HUGE:
            attrs = {"kernel_shape": [2, 2], **more, name: [number, number]}
            node = helper.make_node(op, [x.name for x in infos], ["y"])
            for key, value in attrs.items():
                node.attribute.append(helper.make_attribute(key, value))
            graph = helper.make_graph([node], "g", infos, ["y"])
            try:
                init, predict, nodes = _core.caffe2_emit(graph, prefer=prefer)
                assert set(nodes) == {0}
            except toffee.Error as error:
                assert "cannot compute it: " in str(error)
            tried += 1
    assert tried == len(names) * len(HUGE)


@pytest.mark.parametrize("op", ["DepthToSpace", "SpaceToDepth", "LRN", "GroupNormalization"])
def test_a_number_beyond_all_measure_is_refused(op):
    name = {"LRN": "size", "GroupNormalization": "num_groups"}.get(op, "blocksize")
    infos = [helper.make_tensor_value_info("x", toffee.Tensor.FLOAT, [1, 4, 4, 4])]
    infos += [helper.make_tensor_value_info(n, toffee.Tensor.FLOAT, [4]) for n in ("s", "b")]
    inputs = ["x", "s", "b"] if op == "GroupNormalization" else ["x"]
    for number in (2**63 - 1, -(2**63), 0, -1):
        node = helper.make_node(op, inputs, ["y"])
        node.attribute.append(helper.make_attribute(name, number))
        with pytest.raises(toffee.Error, match="cannot compute it: "):
            _core.caffe2_emit(helper.make_graph([node], "g", infos, ["y"]), prefer="aten")
