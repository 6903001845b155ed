"""What single operators on tensors become in Caffe2's nets. Needs no Caffe2.

That the nets compute the right thing is in tests/c2/test_emit_tensor.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from c2_nets import Net, read_net
from test_alloc_failure import every_failure

import toffee
import toffee.backend.c2 as caffe2
from toffee import BackendError, _core, helper, numpy_helper

FLOAT, DOUBLE, INT64 = toffee.Tensor.FLOAT, toffee.Tensor.DOUBLE, toffee.Tensor.INT64
CSRC = Path(__file__).parents[1] / "csrc" / "caffe2"


def graph_of(op, inputs, attrs=None, known=(), n_outputs=1, domain=""):
    """One node. INPUTS: arrays (initializers, if their place is in KNOWN), (dtype, dims), None."""
    infos, weights, names = [], [], []
    for i, x in enumerate(inputs):
        names.append(f"x{i}" if x is not None else "")
        if isinstance(x, tuple):
            infos.append(helper.make_tensor_value_info(names[i], *x))
        elif x is not None and i in known:
            weights.append(numpy_helper.from_array(np.asarray(x), names[i]))
        elif x is not None:
            x = np.asarray(x)
            dtype = helper.np_dtype_to_tensor_dtype(x.dtype)
            infos.append(helper.make_tensor_value_info(names[i], dtype, list(x.shape)))
    outputs = [f"y{i}" for i in range(n_outputs)]
    node = helper.make_node(op, names, outputs, domain=domain, **(attrs or {}))
    graph = helper.make_graph([node], "g", infos, outputs, weights)
    if domain:
        graph.opset_import.append(helper.make_opsetid(domain, 1))
    return graph


def inferred(*args):
    return toffee.shape_inference.infer_shapes(graph_of(*args))


def nets(op, inputs, attrs=None, prefer="caffe2", **kwargs):
    """The init and the predict net of one node."""
    init, predict = caffe2.emit(graph_of(op, inputs, attrs, **kwargs), prefer=prefer)
    return read_net(init), read_net(predict)


def predict(*args, **kwargs) -> Net:
    return nets(*args, **kwargs)[1]


X = (FLOAT, [2, 3, 4])
ROW = (FLOAT, [4])


@pytest.mark.parametrize("op,name,function", [
    ("Neg", "Negative", "aten::neg"), ("Sqrt", "Sqrt", "aten::sqrt"), ("Erf", "Erf", "aten::erf"),
    ("Identity", "Copy", "aten::clone"), ("Size", "Size", "aten::_shape_as_tensor"),
])  # fmt: skip
def test_prefer_says_whose_operator_computes(op, name, function):
    own, aten = predict(op, [X]), predict(op, [X], prefer="aten")
    assert own.functions == [name]
    assert aten.functions[0] == function
    assert own.ops[0].inputs == aten.ops[0].inputs == ["x0"]
    assert own.ops[-1].outputs == aten.ops[-1].outputs == ["y0"]


@pytest.mark.parametrize("op,dtype", [
    ("Abs", DOUBLE), ("Add", toffee.Tensor.INT8), ("Div", INT64), ("Floor", DOUBLE),
    ("Equal", toffee.Tensor.UINT8), ("Transpose", toffee.Tensor.BOOL),
    ("Mean", toffee.Tensor.FLOAT16),
])  # fmt: skip
def test_dtypes_that_caffe2_has_no_kernel_for_go_to_aten(op, dtype):
    inputs = [(dtype, [2, 3])] * (2 if op in ("Add", "Div", "Equal", "Mean") else 1)
    functions = predict(op, inputs).functions
    assert any(function.startswith("aten::") for function in functions)


@pytest.mark.parametrize("op", ["Max", "Min", "ReduceMax", "ReduceMin", "ArgMax", "ArgMin", "TopK"])
def test_operators_of_caffe2_that_lose_nan_are_not_used(op):
    inputs = [X, X] if len(op) == 3 else [X, np.array([1])] if op == "TopK" else [X]
    net = predict(op, inputs, known=(1,) if op == "TopK" else (), n_outputs=1 + (op == "TopK"))
    assert all(function.startswith("aten::") for function in net.functions)


def test_half_is_computed_in_float_and_rounded_once():
    net = predict("Exp", [(toffee.Tensor.FLOAT16, [2])])
    assert net.functions == ["HalfToFloat", "aten::exp", "FloatToHalf"]
    assert net.ops[-1].outputs == ["y0"]


def test_sum_broadcasts_by_adding():
    assert predict("Sum", [X, X, X]).functions == ["Sum"]
    assert predict("Sum", [X, ROW, X]).functions == ["Add", "Add"]
    assert predict("Sum", [X, ROW, X], prefer="aten").functions == ["aten::add"] * 2


def test_a_power_that_never_changes_is_an_argument():
    net = predict("Pow", [X, np.float32(3)], known=(1,))
    assert net.functions == ["Pow"] and net.ops[0].args["exponent"] == 3
    assert predict("Pow", [X, np.float32(0.5)], known=(1,)).functions == ["aten::pow"]
    assert predict("Pow", [X, ROW]).functions == ["aten::pow"]
    assert predict("Pow", [X, X]).functions == ["Pow"]


def test_a_bound_that_clip_leaves_out_is_infinite():
    (op,) = predict("Clip", [X, None, np.float32(6)], known=(2,)).ops
    assert (op.args["min"], op.args["max"]) == (-np.inf, 6)


def test_whole_numbers_are_divided_by_what_reports_a_zero():
    assert predict("Div", [(INT64, [2]), (INT64, [2])]).functions == ["aten::floor_divide"]


def test_reshape_makes_its_second_output_and_takes_either_kind_of_shape():
    op = predict("Reshape", [X, np.array([0, -1])], known=(1,)).op("Reshape")
    assert len(op.outputs) == 2 and op.args["shape"] == [2, 12]
    op = predict("Reshape", [X, (INT64, [2])]).op("Reshape")
    assert op.inputs == ["x0", "x1"] and "shape" not in op.args


def test_concat_makes_its_second_output():
    op = predict("Concat", [X, X], {"axis": -1}).op("Concat")
    assert len(op.outputs) == 2 and op.args["axis"] == 2


def test_slices_of_caffe2_end_at_numbers_from_the_front():
    cuts = [np.array([-2]), np.array([-1]), np.array([1])]
    (op,) = predict("Slice", [X, *cuts], known=(1, 2, 3)).ops
    assert op.args == {"starts": [0, 1], "ends": [-1, 2]}


def test_a_slice_with_steps_has_strides_and_one_backwards_is_flipped():
    cuts = [np.array([-1]), np.array([-9]), np.array([2]), np.array([-2])]
    net = predict("Slice", [X, *cuts], known=(1, 2, 3, 4))
    assert net.functions == ["aten::narrow", "aten::flip", "aten::as_strided"]
    assert net.ops[2].args["stride"] == [9, 3, 2] and net.ops[2].args["size"] == [2, 3, 2]


def test_images_are_padded_by_caffe2_and_the_rest_by_aten():
    image, pads = (FLOAT, [1, 2, 3, 4]), np.array([0, 0, 1, 2, 0, 0, 1, 1])
    op = predict("Pad", [image, pads], {"mode": "reflect"}, known=(1,)).op("PadImage")
    assert op.args == {"mode": b"reflect", "pads": [1, 2, 1, 1]}
    net = predict("Pad", [X, np.array([0, 1, 0, 0, -1, 2])], known=(1,))
    assert net.functions == ["aten::constant_pad_nd"]
    assert net.ops[0].args["pad"] == [0, 2, 1, -1, 0, 0]


def test_a_double_that_is_no_float_is_a_tensor_and_not_an_argument():
    x, pads = (DOUBLE, [3]), np.array([1, 1])
    short = predict("Pad", [x, pads, np.float64(0.5)], known=(1, 2))
    long = predict("Pad", [x, pads, np.float64(0.1)], known=(1, 2))
    assert short.ops[0].args["value"] == 0.5
    assert long.functions[-1] == "aten::where" and "x2" in long.ops[-1].inputs


def test_indices_that_never_change_are_made_once_for_all():
    init, net = nets("Gather", [X, np.array([0, 2])], {"axis": 1}, known=(1,))
    assert net.functions == ["Gather"] and net.ops[0].inputs == ["x0", "x1"]
    net = predict("Gather", [X, (INT64, [2])], {"axis": 1})
    assert net.functions == ["aten::lt", "aten::mul", "aten::add", "Gather"]


def test_steps_in_the_predict_net_only_read_what_is_there():
    made = {
        "OneHot": ([(INT64, [2]), np.int64(3), np.array([0.0, 1.0])], (1, 2)),
        "TopK": ([X, np.array([2])], (1,)),
        "HannWindow": ([np.int64(8)], ()),
        "Unique": ([X], ()),
        "CumSum": ([X, np.int64(1)], (1,)),
    }
    for op, (inputs, known) in made.items():
        init, net = nets(op, inputs, known=known, n_outputs={"Unique": 4, "TopK": 2}.get(op, 1))
        there = {name for one in init.ops for name in one.outputs} | set(net.external_inputs)
        for one in net.ops:
            assert set(one.inputs) <= there, (op, one)
            assert not set(one.outputs) & there, (op, one)
            there |= set(one.outputs)


def test_constants_that_are_numbers_or_lists_are_filled():
    for attrs in ({"value_int": 3}, {"value_ints": [3, 4]}, {"value_floats": [0.5]}):
        init, net = nets("Constant", [], attrs)
        made = {name for op in init.ops + net.ops for name in op.outputs}
        assert "y0" in made


@pytest.mark.parametrize("op,inputs,attrs,reason", [
    ("ReduceSum", [X, (INT64, [1])], {}, "axes are only known when the graph runs"),
    ("Slice", [X, (INT64, [1]), (INT64, [1])], {}, "where it cuts is only known"),
    ("Tile", [X, (INT64, [3])], {}, "how often it repeats is only known"),
    ("Abs", [(toffee.Tensor.UINT64, [2])], {}, "of dtype UINT64"),
    ("Add", [(toffee.Tensor.BFLOAT16, [2])] * 2, {}, "of dtype BFLOAT16"),
    ("BitShift", [(toffee.Tensor.UINT32, [2])] * 2, {"direction": "LEFT"}, "of dtype UINT32"),
    ("Cast", [(FLOAT, [2])], {"to": toffee.Tensor.UINT16}, "of dtype UINT16"),
    ("ScatterElements", [(FLOAT, [99, 2]), (INT64, [99, 2]), (FLOAT, [99, 2])],
     {"reduction": "mul"}, "more than the 64"),
    ("StringNormalizer", [(toffee.Tensor.STRING, [2])], {}, "neither Caffe2 nor"),
    ("SequenceEmpty", [], {}, "neither Caffe2 nor"),
    ("DFT", [(FLOAT, [1, 4, 1])], {}, "neither Caffe2 nor"),
])  # fmt: skip
@pytest.mark.parametrize("prefer", ["caffe2", "aten"])
def test_what_cannot_be_computed_is_refused_with_the_reason(op, inputs, attrs, reason, prefer):
    with pytest.raises(BackendError, match=reason) as caught:
        predict(op, inputs, attrs, prefer=prefer)
    assert op in str(caught.value)


def test_a_sequence_is_refused_as_one():
    x, y = (onnx.helper.make_tensor_sequence_value_info(name, FLOAT, [2]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", "x", "y")], "g", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])
    with pytest.raises(BackendError, match="'x' is no tensor, and Caffe2 knows nothing else"):
        caffe2.emit(toffee.loads(model.SerializeToString()))


def test_calls_of_aten_pass_their_attributes_on():
    inputs, attrs = [X, X], {"weight": 0.25}
    net = predict("aten::lerp.Scalar", inputs, attrs, domain="org.pytorch.aten")
    assert net.functions == ["aten::lerp"]
    assert net.ops[0].args == {"operator": b"lerp", "weight": 0.25}
    with pytest.raises(BackendError, match="neither dtypes nor strings"):
        predict("aten::div.Tensor_mode", inputs, {"rounding_mode": "floor"},
                domain="org.pytorch.aten")  # fmt: skip
    with pytest.raises(BackendError, match="PyTorch's own"):
        predict("mine::f", inputs, domain="org.pytorch.aten")


@pytest.mark.parametrize("op,inputs,attrs,known", [
    ("Unique", [X], {"sorted": 0}, ()),
    ("TopK", [X, np.array([2])], {}, (1,)),
    ("ScatterND", [X, (INT64, [3, 1]), (FLOAT, [3, 3, 4])], {"reduction": "max"}, ()),
    ("ScatterElements", [X, (INT64, [1, 2, 3]), (FLOAT, [1, 2, 3])], {"reduction": "mul"}, ()),
    ("Slice", [X, np.array([3]), np.array([0]), np.array([2]), np.array([-2])], {}, (1, 2, 3, 4)),
    ("Pad", [X, np.array([0, 1, 1, 0, 0, 1])], {"mode": "reflect"}, (1,)),
    ("Pad", [(DOUBLE, [2]), np.array([0, 1]), np.float64(0.1)], {}, (1, 2)),
    ("GatherND", [X, (INT64, [2, 5, 1])], {"batch_dims": 1}, ()),
    ("ReverseSequence", [X, (INT64, [3])], {}, ()),
    ("OneHot", [(INT64, [2]), np.int64(3), np.array([0.0, 1.0])], {}, (1, 2)),
    ("BlackmanWindow", [np.int64(8)], {}, ()),
    ("Split", [X], {"axis": 2, "num_outputs": 4}, ()),
    ("ReduceMean", [(INT64, [2, 3]), np.array([0])], {}, (1,)),
    ("Transpose", [X], {}, ()), ("Squeeze", [(FLOAT, [1, 2, 1])], {}, ()),
    ("Flatten", [X], {}, ()), ("CumSum", [X, np.int64(1)], {"exclusive": 1}, (1,)),
])  # fmt: skip
@pytest.mark.parametrize("prefer", ["caffe2", "aten"])
def test_memory_may_run_out_at_any_allocation(
    op, inputs, attrs, known, prefer, fail_allocation, count_allocations
):
    n_outputs = {"TopK": 2, "Unique": 4, "Split": 4}.get(op, 1)
    graph = inferred(op, inputs, attrs, known, n_outputs)
    n = every_failure(
        lambda: _core.caffe2_emit(graph, prefer=prefer), fail_allocation, count_allocations
    )
    assert n > 2


def test_every_row_is_in_its_place():
    for path in sorted(CSRC.glob("emit_*.c")):
        rows = path.read_text().partition("rows[] = {")[2].splitlines()
        names = [row.split('"')[1] for row in rows if row.strip().startswith('{"')]
        assert names == sorted(names), path.name
