"""Files of August and September 2017, encoded by hand after docs/format.md section 2.

Nodes are read as they are (``upgrade=False``): what becomes of them is another test's matter.
"""

from __future__ import annotations

import random
import struct

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from wire_bytes import data, integer, integers, texts
from wire_samples import (
    early_attribute,
    early_graph,
    early_tensor,
    late_attribute,
    late_graph,
    late_tensor,
    node,
    raw_early,
    raw_late,
)

from toffee import _core


def loads(content: bytes) -> _core.Graph:
    return _core.loads(content, upgrade=False)


def arrays(graph: _core.Graph) -> dict[str, list]:
    return {tensor.name: tensor.numpy().tolist() for tensor in graph.initializer}


def fields(message: bytes) -> list[bytes]:
    """Take a message apart into its top-level fields."""
    out, at = [], 0

    def varint() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        start = at
        wire = varint() & 7
        if wire == 0:
            varint()
        elif wire == 2:
            length = varint()
            at += length
        else:
            at += {1: 8, 5: 4}[wire]
        out.append(message[start:at])
    return out


def check_early(graph: _core.Graph) -> None:
    conv, constant, add = graph.node
    assert [n.op_type for n in graph.node] == ["Conv", "Constant", "Add"]
    assert list(conv.input) == ["w", "x"] and list(conv.output) == ["1"]
    assert {a.name: a.value() for a in conv.attribute} == {
        "alpha": 0.5,
        "group": 1,
        "mode": b"\xff\x00",
        "pads": [1, 1, 1, 1],
        "scales": [0.5, 2.0],
    }
    assert constant.attribute[0].type == _core.Attribute.TENSOR
    assert constant.attribute[0].t.numpy().tolist() == [1.5, -2.0]
    assert list(add.input) == ["1", "2"]
    assert graph.name == "early"
    assert list(graph.input) == ["w", "idx", "typed", "x"] and list(graph.output) == ["3"]
    assert arrays(graph) == {
        "w": [[[[1.0, 2.0], [3.0, 4.0]]]],
        "idx": [5, -6],
        "typed": [1, -1, 300],
    }


def check_late(graph: _core.Graph) -> None:
    assert [n.op_type for n in graph.node] == ["Conv", "Constant", "Add"]
    assert {a.name: a.value() for a in graph.node[0].attribute} == {
        "alpha": 0.5,
        "kernel_shape": [2, 2],
        "strides": [1, 1],
    }
    assert graph.node[1].attribute[0].t.numpy().tolist() == [1.5, -2.0]
    assert graph.name == "torch-jit-export"
    assert list(graph.input) == ["w", "idx", "x"] and list(graph.output) == ["3"]
    assert arrays(graph) == {"w": [[[[1.0, 2.0], [3.0, 4.0]]]], "idx": [5, -6]}


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "packed"])
@pytest.mark.parametrize("version", [1, None], ids=["versioned", "before_26_august"])
def test_early_files_are_read_with_and_without_a_version(version, packed):
    graph = loads(early_graph(version=version, packed=packed))
    check_early(graph)
    assert graph.ir_version == (version or 0)


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "packed"])
def test_late_files_are_read(packed):
    graph = loads(late_graph(packed=packed))
    check_late(graph)
    assert (graph.ir_version, graph.producer_tag) == (1, "pytorch")


def test_the_hand_made_late_bytes_are_what_protobuf_reads():
    """The encoder of these tests is our own: Google's parser is asked whether it is right."""
    message = onnx.GraphProto.FromString(late_graph(packed=True))
    assert [n.op_type for n in message.node] == ["Conv", "Constant", "Add"]
    assert list(message.node[0].attribute[0].ints) == [1, 1]
    weights = {t.name: numpy_helper.to_array(t).tolist() for t in message.initializer}
    assert weights == arrays(loads(late_graph()))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("content", "node_field", "check"),
    [(early_graph(), 2, check_early), (late_graph(), 1, check_late)],
    ids=["early", "late"],
)
def test_top_level_fields_may_come_in_any_order(content, node_field, check, seed):
    parts = fields(content)
    assert b"".join(parts) == content
    rng = random.Random(seed)
    slots = [part[0] for part in parts]
    rng.shuffle(slots)
    # Fields of one kind keep their order: it means something. Among each other they are shuffled.
    queues = {key: [part for part in parts if part[0] == key] for key in set(slots)}
    check(loads(b"".join(queues[key].pop(0) for key in slots)))
    assert node_field << 3 | 2 in slots


@pytest.mark.parametrize("seed", range(3))
def test_fields_of_a_node_may_come_in_any_order(seed):
    attribute = fields(late_attribute("pads", [1, 2]))
    parts = [*fields(node("Pad", ["x"], ["y"])), data(3, "name")]
    rng = random.Random(seed)
    rng.shuffle(attribute)
    parts.append(data(5, b"".join(attribute)))
    rng.shuffle(parts)
    (pad,) = loads(data(1, b"".join(parts))).node
    assert (pad.op_type, pad.name, list(pad.input), list(pad.output)) == (
        "Pad",
        "name",
        ["x"],
        ["y"],
    )
    assert sorted(pad.attribute[0].value()) == [1, 2]


def test_files_of_30_august_have_early_tags_and_late_types():
    """Nothing says so but sizes: data_type 7 is early's INT32, and 16 bytes are two INT64."""
    check_early(loads(early_graph(late_enum=True)))


def test_one_telling_tensor_decides_the_types_of_the_whole_file_of_30_august():
    """Number 3 is UINT8 in early and INT8 in late: the bytes are right for both."""
    ambiguous = data(6, early_tensor("a", 3, [2], raw_early(b"\x01\xff")))
    telling = data(6, early_tensor("b", 7, [1], raw_early(struct.pack("<q", -5))))
    before = data(2, node("Add", ["a", "b"], ["c"])) + ambiguous
    assert loads(before).initializer[0].data_type == _core.Tensor.UINT8
    assert loads(before + telling).initializer[0].data_type == _core.Tensor.INT8


def test_typed_lists_tell_the_types_of_30_august_as_well():
    graph = data(2, node("Neg", ["b"], ["c"])) + data(
        6, early_tensor("b", 7, [2], integers(7, [4, -4], packed=False))
    )
    assert arrays(loads(graph)) == {"b": [4, -4]}
    assert loads(graph).initializer[0].data_type == _core.Tensor.INT64


def test_a_tensor_that_is_wrong_in_both_numberings_is_an_error():
    bad = data(2, node("Neg", ["b"], ["c"])) + data(6, early_tensor("b", 7, [2], raw_early(b"123")))
    with pytest.raises(_core.FormatError, match=r"3 bytes, but dims \[2\] of INT32 need 8"):
        loads(bad)


@pytest.mark.parametrize(
    ("number", "name", "content"),
    [
        (1, "FLOAT", struct.pack("<f", 1)),
        (2, "DOUBLE", struct.pack("<d", 1)),
        (3, "UINT8", b"\x01"),
        (4, "INT8", b"\x01"),
        (5, "UINT16", b"\x01\x00"),
        (6, "INT16", b"\x01\x00"),
        (7, "INT32", struct.pack("<i", 1)),
        (8, "INT64", struct.pack("<q", 1)),
        (10, "BOOL", b"\x01"),
        (11, "FLOAT16", np.float16(1).tobytes()),
    ],
)
def test_early_data_types_have_their_own_numbers(number, name, content):
    graph = integer(1, 1) + data(6, early_tensor("t", number, [1], raw_early(content)))
    (tensor,) = loads(graph).initializer
    assert tensor.data_type == getattr(_core.Tensor, name)
    assert tensor.numpy().tolist() == [1]


def test_early_typed_lists_have_their_own_tags():
    tensors = [
        early_tensor("f", 1, [2], data(3, struct.pack("<2f", 1, 2))),
        early_tensor("d", 2, [2], data(4, struct.pack("<2d", 1, 2))),
        early_tensor("i", 7, [2], integers(5, [-1, 2], packed=True)),
        early_tensor("l", 8, [2], integers(7, [-1, 2], packed=False)),
        early_tensor("s", 9, [2], texts(6, ["a", "b"])),
    ]
    graph = loads(integer(1, 1) + b"".join(data(6, tensor) for tensor in tensors))
    assert [t.numpy().tolist() for t in graph.initializer[:4]] == [[1, 2], [1, 2], [-1, 2], [-1, 2]]
    assert list(graph.initializer[4].string_data) == [b"a", b"b"]


@pytest.mark.parametrize("value", [0, 3])
def test_files_of_31_august_have_producer_version_in_field_6(value):
    graph = loads(late_graph(header=integer(6, value)))
    check_late(graph)
    assert (graph.ir_version, graph.producer_version) == (0, value)


def test_a_late_file_without_nodes_begins_with_its_name():
    graph = loads(data(2, "empty") + data(3, "x") + data(4, "x"))
    assert (graph.name, list(graph.input), list(graph.output)) == ("empty", ["x"], ["x"])
    assert len(graph.node) == 0


def test_an_early_file_without_nodes_is_known_by_its_version():
    graph = loads(integer(1, 1) + data(3, "empty") + data(4, "x") + data(5, "x"))
    assert (graph.name, list(graph.input), list(graph.output)) == ("empty", ["x"], ["x"])


def test_an_early_list_of_several_tensors_stays_a_list():
    tensor = early_tensor("", 1, [1], raw_early(struct.pack("<f", 1)))
    content = data(2, node("Any", [], ["y"], early_attribute("ts", [tensor, tensor])))
    (attribute,) = loads(content).node[0].attribute
    assert attribute.type == _core.Attribute.TENSORS
    assert [t.numpy().tolist() for t in attribute.tensors] == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("number", "make"), [(2, early_attribute), (1, late_attribute)], ids=["early", "late"]
)
def test_an_attribute_of_2017_without_a_value_is_an_empty_list_of_integers(number, make):
    (attribute,) = (
        loads(data(number, node("Any", ["x"], ["y"], make("axes", [])))).node[0].attribute
    )
    assert attribute.type == _core.Attribute.INTS
    assert list(attribute.ints) == []


def test_late_attributes_may_say_their_type():
    content = data(1, node("Any", ["x"], ["y"], late_attribute("k", [2]) + integer(20, 7)))
    assert list(loads(content).node[0].attribute[0].ints) == [2]


def test_attributes_of_2017_are_sorted_by_name_when_they_are_read():
    attributes = [late_attribute(name, 1) for name in ("b", "c", "a")]
    content = data(1, node("Any", ["x"], ["y"], *attributes))
    assert [a.name for a in loads(content).node[0].attribute] == ["a", "b", "c"]


def test_a_packed_and_an_unpacked_part_make_one_list():
    dims = integers(1, [2], packed=True) + integers(1, [1], packed=False)
    tensor = dims + integer(2, 7) + data(8, "t")
    tensor += integers(7, [1], packed=False) + integers(7, [-2], packed=True)
    content = data(1, node("Neg", ["t"], ["y"])) + data(5, tensor)
    assert arrays(loads(content)) == {"t": [[1], [-2]]}


def test_late_tensors_with_lists_of_floats_in_pieces_are_put_together():
    piece = data(4, struct.pack("<2f", 1, 2)) + data(4, struct.pack("<f", 3))
    content = data(1, node("Neg", ["t"], ["y"])) + data(5, late_tensor("t", 1, [3], piece))
    assert arrays(loads(content)) == {"t": [1.0, 2.0, 3.0]}


def test_what_toffee_writes_and_a_bare_onnx_graph_are_current():
    """ir_version 2 and opset_import, or declared types, which 2017 had not."""
    ours = data(1, node("Neg", ["x"], ["y"])) + integer(6, 2) + data(20, integer(2, 20))
    assert (loads(ours).ir_version, loads(ours).opset_import[0].version) == (2, 20)
    info = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    neg = onnx.helper.make_node("Neg", ["x"], ["y"])
    bare = onnx.helper.make_graph([neg], "g", [info], [out]).SerializeToString()
    assert list(loads(bare).input) == ["x"]


def test_a_late_raw_scalar_has_no_dims():
    content = data(1, node("Neg", ["t"], ["y"]))
    content += data(5, late_tensor("t", 1, [], raw_late(struct.pack("<f", 2.5))))
    assert arrays(loads(content)) == {"t": 2.5}
