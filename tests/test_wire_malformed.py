"""Bad files: each has a name, the byte where it is wrong, and what the error says."""

from __future__ import annotations

import io
import pickle
import random
import resource
import struct
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_protos import rich_model
from wire_bytes import GROUP, GROUP_END, data, float32, integer, integers, tag, texts, varint
from wire_samples import early_graph, late_attribute, late_graph, late_tensor, node, raw_late

from toffee import _core

NEG = data(1, node("Neg", ["x"], ["y"]))


def loads(content: bytes) -> _core.Graph:
    return _core.loads(content, upgrade=False)


def in_attribute(value: bytes) -> bytes:
    """A graph with one node with one attribute called a; VALUE begins at byte 12."""
    return data(1, data(4, "Any") + data(5, data(1, "a") + value))


def in_tensor(content: bytes, *, data_type: int = 1, dims: tuple[int, ...] = (2,)) -> bytes:
    """A graph with one weight called t; CONTENT begins at byte 22."""
    return NEG + data(5, late_tensor("t", data_type, dims, content))


def nested(levels: int) -> bytes:
    """LEVELS graphs, each in an attribute of the only node of the one around it."""
    content = NEG
    for _ in range(levels - 1):
        content = data(1, data(4, "If") + data(5, data(1, "g") + data(6, content)))
    return content


def deep_type(levels: int) -> bytes:
    """A sequence of sequences of …"""
    content = data(1, integer(1, 1))
    for _ in range(levels):
        content = data(4, data(1, content))
    return content


def groups(levels: int) -> bytes:
    return tag(99, GROUP) * levels + tag(99, GROUP_END) * levels


MALFORMED = {
    # framing
    "length_past_end": (
        NEG + tag(5, 2) + varint(999) + bytes(37),
        16,
        r"at initializer\[0\], byte 16: length 999 runs past the end \(37 bytes remain\)",
    ),
    "length_past_end_of_the_message_around_it": (
        in_attribute(data(5, tag(9, 2) + varint(40))) + data(10, " " * 99),
        16,
        r"at node\[0\]\.attribute\[0\]\.t\.raw_data, byte 16: length 40 runs past the end \(0 b",
    ),
    "length_of_64_bits": (
        NEG + tag(1, 2) + varint(2**64 - 1),
        24,
        r"at node\[1\], byte 24: length 18446744073709551615 runs past the end",
    ),
    "cut_in_a_tag": (NEG + b"\x80", 13, r"at byte 13: the bytes end inside a tag"),
    "cut_in_a_length": (
        NEG + tag(5, 2) + b"\x80",
        14,
        r"at initializer\[0\], byte 14: the bytes end",
    ),
    "cut_in_a_number": (NEG + tag(6, 0) + b"\xff", 14, r"at ir_version, byte 14: the bytes end"),
    "cut_in_a_float": (
        in_attribute(tag(2, 5) + b"abc"),
        13,
        r"at node\[0\]\.attribute\[0\]\.f, byte 13: length 4 runs past the end \(3 bytes remain\)",
    ),
    "number_of_eleven_bytes": (
        NEG + tag(6, 0) + b"\xff" * 10 + b"\x01",
        14,
        r"at ir_version, byte 14: a number is longer than 10 bytes",
    ),
    "field_number_zero": (NEG + b"\x02\x00", 13, r"at byte 13: 0 is not a field number"),
    "field_number_too_large": (NEG + varint(1 << 32), 13, r"536870912 is not a field number"),
    "reserved_wire_type": (NEG + tag(5, 7), 13, r"wire type 7 \(type 7\) cannot stand here"),
    "group_that_is_not_open": (NEG + tag(99, GROUP_END), 13, r"wire type 4 \(end of group\)"),
    "group_that_is_not_closed": (NEG + tag(99, GROUP), 15, r"at field 99.*a group is not closed"),
    "group_closed_as_another": (
        NEG + tag(99, GROUP) + tag(98, GROUP_END),
        15,
        r"group 99 is closed as group 98",
    ),
    "deep_groups": (NEG + groups(65), 15, r"groups are nested deeper than 64"),
    "field_of_another_wire_type": (
        NEG + integer(5, 1),
        14,
        r"at initializer\[0\], byte 14: field 5 has wire type 0 \(varint\), which is not how",
    ),
    "packed_list_that_ends_in_a_number": (
        in_attribute(data(8, b"\x01\x80")),
        14,
        r"at node\[0\]\.attribute\[0\]\.ints, byte 14: element 1 is not a whole number",
    ),
    "packed_floats_of_seven_bytes": (
        in_attribute(data(7, bytes(7))),
        14,
        r"at node\[0\]\.attribute\[0\]\.floats, byte 14: 7 bytes are not a whole number of 4-byte",
    ),
    # nodes and attributes
    "empty_node": (NEG + data(1, b""), 15, r"at node\[1\], byte 15: the node has no op_type"),
    "node_with_an_empty_op_type": (data(1, data(4, "")), 2, r"at node\[0\].*has no op_type"),
    "op_type_that_is_not_utf8": (
        data(1, data(4, b"Ne\xff")),
        4,
        r"at node\[0\]\.op_type, byte 4: the text is not UTF-8",
    ),
    "name_with_a_surrogate": (
        data(1, data(4, "Neg") + data(1, b"ok") + data(1, b"\xed\xa0\x80")),
        13,
        r"at node\[0\]\.input\[1\], byte 13: the text is not UTF-8",
    ),
    "op_type_with_a_nul": (
        data(1, data(4, "N\0g")),
        4,
        r"at node\[0\]\.op_type.*a NUL in the text",
    ),
    "deep_nesting": (nested(30), None, r"messages are nested deeper than 64"),
    "attribute_without_a_name": (
        data(1, data(4, "Any") + data(5, integer(3, 1))),
        9,
        r"at node\[0\]\.attribute\[0\], byte 9: the attribute has no name",
    ),
    "attribute_of_an_unknown_type": (
        in_attribute(integer(20, 15)),
        14,
        r"at node\[0\]\.attribute\[0\]\.type, byte 14: 15 is no attribute type that toffee knows",
    ),
    "reference_of_an_unknown_type": (
        in_attribute(data(21, "b") + integer(20, 15)),
        18,
        r"at node\[0\]\.attribute\[0\]\.type, byte 18: 15 is no attribute type that toffee knows",
    ),
    "reference_with_a_value": (
        in_attribute(data(21, "b") + integer(3, 1)),
        17,
        r"attribute\[0\]\.i, byte 17: attribute 'a' refers to attribute 'b' of the function and",
    ),
    "reference_with_a_nul": (
        in_attribute(data(21, "b\0")),
        15,
        r"attribute\[0\]\.ref_attr_name, byte 15: a NUL in the text",
    ),
    "sparse_attribute_without_a_tensor": (
        in_attribute(integer(20, 11)),
        9,
        r"attribute 'a' has the type SPARSE_TENSOR and no value",
    ),
    "type_attribute_without_a_type": (
        in_attribute(integer(20, 13)),
        9,
        r"attribute 'a' has the type TYPE_PROTO and no value",
    ),
    "type_attribute_of_an_unknown_key": (
        in_attribute(data(15, b"") + data(15, data(5, integer(1, 29)))),
        19,
        r"attribute\[0\]\.type_protos\[1\]\.map_type\.key_type, byte 19: 29 is no element type",
    ),
    "attribute_whose_type_is_not_its_value": (
        in_attribute(integer(3, 1) + integer(20, 1)),
        13,
        r"at node\[0\]\.attribute\[0\]\.i.*'a' has the type FLOAT but a value of type INT",
    ),
    "attribute_with_two_values": (
        in_attribute(integer(3, 1) + float32(2, 1)),
        9,
        r"attribute 'a' has values of 2 types",
    ),
    "attribute_without_a_value": (
        in_attribute(b"") + data(20, integer(2, 20)),
        9,
        r"attribute 'a' has neither a type nor a value",
    ),
    "tensor_attribute_without_a_tensor": (
        in_attribute(integer(20, 4)),
        9,
        r"attribute 'a' has the type TENSOR and no value",
    ),
    "attribute_twice": (
        data(1, data(4, "Any") + data(5, late_attribute("a", 1)) + data(5, late_attribute("a", 2))),
        2,
        r"at node\[0\], byte 2: the node has two attributes 'a'",
    ),
    # tensors
    "bad_dtype": (
        in_tensor(b"", data_type=29),
        18,
        r"at initializer\[0\]\.data_type, byte 18: data_type 29 is no element type that",
    ),
    "no_dtype": (
        NEG + data(5, integer(1, 0) + data(8, "t")),
        15,
        r"at initializer\[0\], byte 15: data_type 0 is no element type",
    ),
    "raw_data_too_short": (
        in_tensor(raw_late(bytes(7))),
        24,
        r"at initializer\[0\]\.raw_data, byte 24: 7 bytes, but dims \[2\] of FLOAT need 8",
    ),
    "raw_data_too_long": (in_tensor(raw_late(bytes(9))), 24, r"9 bytes, but dims \[2\] of FLOAT"),
    "no_data": (in_tensor(b""), 15, r"0 elements, but dims \[2\] of FLOAT need 2"),
    "typed_data_too_short": (
        in_tensor(data(4, bytes(4))),
        24,
        r"at initializer\[0\]\.float_data, byte 24: 1 numbers, but dims \[2\] of FLOAT need 2",
    ),
    "complex_without_its_imaginary_part": (
        in_tensor(data(4, bytes(12)), data_type=14),
        24,
        r"3 numbers, but dims \[2\] of COMPLEX64 need 4",
    ),
    "typed_data_in_the_wrong_list": (
        in_tensor(integers(7, [1, 2], packed=True)),
        24,
        r"at initializer\[0\]\.int64_data.*elements of FLOAT do not belong into 'int64_data'",
    ),
    "data_twice": (
        in_tensor(data(4, bytes(8)) + raw_late(bytes(8))),
        34,
        r"at initializer\[0\]\.raw_data.*the tensor has elements in 'float_data' too",
    ),
    "data_in_two_lists": (
        in_tensor(data(4, bytes(8)) + data(10, bytes(16))),
        34,
        r"at initializer\[0\]\.double_data.*the tensor has elements in 'float_data' too",
    ),
    "element_that_does_not_fit": (
        in_tensor(integers(5, [1, 300], packed=True), data_type=2),
        24,
        r"at initializer\[0\]\.int32_data, byte 24: element 1, 300, does not fit UINT8",
    ),
    "raw_strings": (in_tensor(raw_late(b"ab"), data_type=8), 24, r"strings cannot be raw_data"),
    "negative_dim": (
        NEG + data(5, late_tensor("t", 1, [-1], b"")),
        16,
        r"at initializer\[0\]\.dims, byte 16: a dimension is negative",
    ),
    "dims_that_overflow": (
        NEG + data(5, late_tensor("t", 1, [2**32, 2**32], b"")),
        None,
        r"more than 2\*\*63 bytes",
    ),
    "too_many_dims": (
        NEG + data(5, late_tensor("t", 1, [1] * 65, b"", packed=True)),
        17,
        r"at initializer\[0\]\.dims, byte 17: 65 dimensions; the limit is 64",
    ),
    "segment": (
        in_tensor(data(3, integer(1, 0) + integer(2, 1)) + raw_late(bytes(8))),
        24,
        r"at initializer\[0\]\.segment, byte 24: tensors in segments are not supported",
    ),
    "initializer_without_a_name": (
        NEG + data(5, integer(1, 1) + integer(2, 1) + raw_late(bytes(4))),
        15,
        r"at initializer\[0\], byte 15: the initializer has no name",
    ),
    "packed_data_too_long": (
        in_tensor(raw_late(bytes(2)), data_type=22),
        24,
        r"at initializer\[0\]\.raw_data, byte 24: 2 bytes, but dims \[2\] of INT4 need 1",
    ),
    "packed_data_with_a_number_for_each_element": (
        in_tensor(integers(5, [1, 2], packed=True), data_type=25),
        24,
        r"at initializer\[0\]\.int32_data, byte 24: 2 numbers, but dims \[2\] of UINT2 need 1",
    ),
    "six_bits_with_too_few_numbers": (
        in_tensor(integers(5, [1], packed=True), data_type=27),
        24,
        r"at initializer\[0\]\.int32_data, byte 24: 1 numbers, but dims \[2\] of FLOAT6E2M3 need 2",
    ),
    "sparse_initializer_without_values": (
        NEG + data(15, data(2, late_tensor("i", 7, (0,), b""))),
        15,
        r"at sparse_initializer\[0\], byte 15: the sparse tensor has no values",
    ),
    "sparse_initializer_without_a_name": (
        NEG + data(15, data(1, integer(2, 1) + integer(1, 0))),
        15,
        r"at sparse_initializer\[0\], byte 15: the sparse initializer has no name",
    ),
    "sparse_initializer_of_bad_values": (
        NEG + data(15, data(1, late_tensor("s", 1, (2,), b""))),
        17,
        r"at sparse_initializer\[0\]\.values, byte 17: 0 elements, but dims \[2\] of FLOAT",
    ),
    "sparse_initializer_of_too_many_dims": (
        NEG
        + data(15, data(1, late_tensor("s", 1, (0,), b"")) + integers(3, [1] * 65, packed=True)),
        None,
        r"at sparse_initializer\[0\]\.dims, byte \d+: 65 dimensions; the limit is 64",
    ),
    # values
    "input_without_a_name": (NEG + data(3, ""), 15, r"at input\[0\], byte 15: the name is empty"),
    "declared_value_without_a_name": (NEG + data(13, b""), 15, r"value_info\[0\].*has no name"),
    "declared_value_of_an_unknown_type": (
        NEG + data(13, data(1, "x") + data(2, data(1, integer(1, 99)))),
        23,
        r"at value_info\[0\]\.type\.tensor_type\.elem_type, byte 23: 99 is no element type",
    ),
    "declared_value_of_too_many_dims": (
        NEG + data(11, data(1, "x") + data(2, data(1, data(2, data(1, b"") * 65)))),
        28,
        r"at input_info\[0\]\.type\.tensor_type\.shape, byte 28: 65 dimensions; the limit is 64",
    ),
    # ONNX
    "function_with_a_bad_node": (
        data(7, NEG) + data(25, data(7, b"")),
        20,
        r"at functions\[0\]\.node\[0\], byte 20: the node has no op_type",
    ),
    "function_with_a_default_without_a_name": (
        data(7, NEG) + data(25, data(11, b"")),
        20,
        r"at functions\[0\]\.attribute_proto\[0\], byte 20: the attribute has no name",
    ),
    "function_with_an_input_without_a_name": (
        data(7, NEG) + data(25, data(4, "")),
        20,
        r"at functions\[0\]\.input\[0\], byte 20: the name is empty",
    ),
    "function_whose_name_is_a_number": (
        NEG + data(25, integer(1, 1)),
        17,
        r"at function\[0\]\.name, byte 17: field 1 has wire type 0 \(varint\)",
    ),
    "function_with_a_deep_node": (
        data(7, NEG)
        + data(25, data(7, data(4, "If") + data(5, data(1, "g") + data(6, nested(22))))),
        None,
        r"at functions\[0\]\.node\[0\]\.attribute\[0\]\.g\..*messages are nested deeper than 64",
    ),
    "envelope_whose_version_is_a_text": (
        NEG + data(26, data(1, "9")),
        18,
        r"at onnx_model\.ir_version, byte 18: field 1 has wire type 2",
    ),
    "envelope_cut_short": (
        NEG + data(26, tag(2, 2) + varint(9)),
        18,
        r"at onnx_model\.producer_name, byte 18: length 9 runs past the end \(0 bytes remain\)",
    ),
    "type_nested_too_deep": (
        NEG + data(13, data(1, "x") + data(2, deep_type(40))),
        None,
        r"at value_info\[0\]\.type\.sequence_type\..*messages are nested deeper than 64",
    ),
    "map_of_an_unknown_key": (
        NEG + data(13, data(1, "x") + data(2, data(5, integer(1, 99)))),
        23,
        r"at value_info\[0\]\.type\.map_type\.key_type, byte 23: 99 is no element type",
    ),
    "sparse_type_of_an_unknown_element": (
        NEG + data(13, data(1, "x") + data(2, data(8, integer(1, 99)))),
        23,
        r"at value_info\[0\]\.type\.sparse_tensor_type\.elem_type, byte 23: 99 is no element",
    ),
    "model_version_that_is_a_text": (
        data(7, NEG) + data(5, "7"),
        17,
        r"at model_version, byte 17: field 5 has wire type 2",
    ),
    "onnx_without_a_graph": (data(8, integer(2, 20)), 0, r"the ONNX model has no graph in it"),
    "onnx_cut_in_its_graph": (
        integer(1, 9) + tag(7, 2) + varint(100) + NEG,
        4,
        r"at graph, byte 4: length 100 runs past the end \(13 bytes remain\)",
    ),
    "onnx_error_deep_inside": (
        data(7, NEG + data(1, data(4, "Neg") + data(5, b""))),
        24,
        r"at graph\.node\[1\]\.attribute\[0\], byte 24: the attribute has no name",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_graph_is_an_error_that_says_what_and_where(name):
    content, offset, says = MALFORMED[name]
    with pytest.raises(_core.FormatError, match=says) as error:
        loads(content)
    assert isinstance(error.value, ValueError)
    assert f"byte {error.value.offset}: " in str(error.value)
    if offset is not None:
        assert error.value.offset == offset


@pytest.mark.parametrize("levels", [21, 22])
def test_graphs_are_read_up_to_the_depth_limit(levels):
    """64 messages: 21 graphs in each other, and the node in the innermost."""
    content = nested(levels)
    if levels == 21:
        assert loads(content).node[0].op_type == "If"
    else:
        with pytest.raises(_core.FormatError, match="messages are nested deeper than 64"):
            loads(content)


def zip_file() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("data.pkl", b"x" * 100)
    return out.getvalue()


def tar_header() -> bytes:
    return b"name".ljust(257, b"\0") + b"ustar\0" + bytes(300)


FOREIGN = {
    "empty_file": (b"", "an empty file"),
    "zip_file": (zip_file(), "a zip archive"),
    "png_file": (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG image"),
    "jpeg_file": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(50), "a JPEG image"),
    "hdf5_file": (b"\x89HDF\r\n\x1a\n" + bytes(50), "an HDF5 file"),
    "numpy_file": (b"\x93NUMPY\x01\x00" + bytes(50), "a NumPy array"),
    "pickle_2": (pickle.dumps([1, 2], 2), "a pickle"),
    "pickle_3": (pickle.dumps({"a": b"1"}, 3), "a pickle"),
    "pickle_4": (pickle.dumps({"a": 1}, 4), "a pickle"),
    "pickle_5": (pickle.dumps([b"a" * 100], 5), "a pickle"),
    "tflite_file": (b"\x1c\0\0\0TFL3" + bytes(50), "a TensorFlow Lite model"),
    "ort_file": (b"\x1c\0\0\0ORTM" + bytes(50), "an ONNX Runtime .ort model"),
    "safetensors_file": (struct.pack("<Q", 60) + b'{"w":{}}' + bytes(60), "a safetensors file"),
    "gguf_file": (b"GGUF\x03\0\0\0" + bytes(50), "a GGUF file"),
    "elf_file": (b"\x7fELF\x02\x01\x01" + bytes(50), "an ELF program"),
    "gzip_file": (b"\x1f\x8b\x08\x00" + bytes(50), "gzip"),
    "tar_file": (tar_header(), "a tar archive"),
    "git_lfs_pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "git lfs pull",
    ),
    "web_page": (b"<!DOCTYPE html>\n<html><head>", "a web page"),
    "xml_file": (b"<?xml version='1.0'?><a/>", "XML"),
    "json_file": (b'{"format": "onnx", "nodes": []}', "JSON"),
    "text_file": ("# a model\nmodel: ünïcode\n".encode() * 40, "a text file"),
    "onnx_header_only": (integer(1, 9) + data(2, "pytorch"), "without a graph"),
    "caffe2_net": (data(1, "net") + data(2, node("Conv", ["X"], ["Y"])), "a Caffe2 NetDef"),
    "another_protobuf": (data(40, b"abc\xff") + integer(41, 1), "none of the top-level fields"),
    "zeros": (bytes(100), "none of the top-level fields"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_called_what_it_is(name, tmp_path):
    content, says = FOREIGN[name]
    path = tmp_path / name
    path.write_bytes(content)
    for read in (lambda: loads(content), lambda: _core.load(path)):
        with pytest.raises(_core.FormatError, match=says) as error:
            read()
        assert error.value.offset == 0
        assert "not a ToffeeIR or ONNX graph" in str(error.value)


@pytest.mark.parametrize("seed", range(200))
def test_random_bytes_are_no_graph(seed):
    rng = random.Random(seed)
    with pytest.raises(_core.FormatError) as error:
        loads(rng.randbytes(rng.randrange(1, 2000)))
    assert error.value.offset is not None


# ---- memory ----


HOSTILE = {
    "tiny_functions": NEG + data(25, b"") * 3_000_000,
    "tiny_sparse_weights": NEG
    + data(15, data(1, integer(1, 0) + integer(2, 1) + data(8, "t"))) * 2_000_000,
    "tiny_types": in_attribute(data(15, b"") * 6_000_000),
    "tiny_weights": NEG + data(5, integer(1, 0) + integer(2, 1) + data(8, "t")) * 3_000_000,
    "empty_subgraphs": data(1, data(4, "Any") + data(5, data(1, "g") + data(11, b"") * 1_500_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_of_nothing_but_tiny_things_is_refused_before_it_fills_memory(name):
    """Such a file would take a hundred times its size; the limit is twice that and 256 MiB."""
    content = HOSTILE[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(_core.LimitError, match="twice the file's size and 256 MiB"):
        loads(content)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert grown <= 2 * len(content) + (272 << 20)


def test_many_empty_nodes_cost_nothing():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(_core.FormatError, match=r"at node\[0\].*no op_type"):
        loads(data(1, b"") * 2_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10


def test_a_hundred_thousand_attributes_of_a_node_are_sorted_at_once():
    """Inserted one by one, in this order, they would take minutes."""
    names = [f"{i:06}" for i in reversed(range(100_000))]
    made = data(4, "Any") + texts(5, [late_attribute(name, 1) for name in names])
    (read,) = loads(data(1, made)).node
    assert len(read.attribute) == len(names)
    for i in (0, 1, 50_000, 99_998, 99_999):
        assert read.attribute[i].name == f"{i:06}"


def colliding_names(n: int) -> list[bytes]:
    """N names with one value of the low bits of FNV-1a, which a careless table would use."""
    alphabet = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rng, mask, state, names = random.Random(0), (1 << 20) - 1, 0xCBF29CE484222325, [b""]
    while len(names) < n:
        seen: dict[int, bytes] = {}
        while True:
            part = bytes(rng.choices(alphabet, k=6))
            end = state
            for byte in part:
                end = (end ^ byte) * 0x100000001B3 & mask
            if seen.setdefault(end, part) != part:
                break
        names = [name + half for half in (seen[end], part) for name in names]
        state = end
    return names[:n]


def test_names_cannot_be_chosen_to_collide():
    """With a hash that anybody can compute these take a minute; the test would time out."""
    names = colliding_names(1 << 17)
    assert len(set(names)) == len(names)
    (read,) = loads(data(1, data(4, "Any") + texts(1, names))).node
    assert len(read.input) == len(names)


# ---- mutations ----


def small_model() -> bytes:
    """A convolutional net of 60 KB as the onnx package writes it."""
    rng = np.random.default_rng(0)
    sizes = [(16, 3, 3, 3), (16,), (32, 16, 3, 3), (32,), (10, 288), (10,)]
    weights = [
        numpy_helper.from_array(rng.random(size, np.float32), f"w{i}")
        for i, size in enumerate(sizes)
    ]
    names = [f"v{i}" for i in range(6)]
    pads = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["v0", "w0", "w1"], ["v1"], name="conv0", **pads),
        helper.make_node("Relu", ["v1"], ["v2"]),
        helper.make_node("Conv", ["v2", "w2", "w3"], ["v3"], name="conv1", **pads),
        helper.make_node("Flatten", ["v3"], ["v4"], axis=1),
        helper.make_node("Gemm", ["v4", "w4", "w5"], ["v5"], transB=1, alpha=1.0),
    ]
    infos = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 3, 12, 12]) for n in names
    ]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[-1:], weights, value_info=infos[1:-1])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    onnx.checker.check_model(model)
    return model.SerializeToString()


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Damage CONTENT in one or two places, most of them outside of the weights."""
    out = bytearray(content)
    for _ in range(rng.randrange(1, 3)):
        # The small fields are at both ends of the file and around the weights.
        at = rng.choice(
            [rng.randrange(len(out)), rng.randrange(min(len(out), 600)), -rng.randrange(1, 800)]
        )
        at = max(0, min(len(out) - 1, at % len(out)))
        kind = rng.choices(range(7), [4, 4, 1, 1, 1, 2, 1])[0]
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            del out[at : at + rng.randrange(1, 40)]
        elif kind == 3:
            out[at:at] = varint(rng.choice([2**31, 2**32 - 1, 2**63, 2**64 - 1, 300]))
        elif kind == 4:
            start = rng.randrange(len(out))
            out[at:at] = out[start : start + rng.randrange(1, 200)]
        elif kind == 5:
            out[at : at + 4] = rng.randbytes(4)
        else:
            del out[at:]
        if not out:
            return b"\0"
    return bytes(out)


def test_ten_thousand_mutated_files_neither_crash_nor_take_more_than_twice_their_size():
    rng = random.Random(20170826)
    model = small_model()
    rich = rich_model().SerializeToString()
    sources = [
        model,
        onnx.ModelProto.FromString(model).graph.SerializeToString(),
        late_graph(packed=True),
        early_graph(),
        rich,
        _core.dumps(loads(rich)),
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    n_read = 0
    for i in range(10_000):
        source = 0 if i % 2 else i // 2 % len(sources)
        content = mutate(sources[source], rng)
        try:
            graph = loads(content)
        except _core.FormatError as error:
            assert error.offset is None or 0 <= error.offset <= len(content)
            assert str(error).startswith("at ")
            continue
        n_read += 1
        # 32 KiB is what the arena of an empty graph and its first blocks may take. The last two
        # are 7 KB without weights, in 250 messages: each of those is larger in memory.
        spare = 128 if source >= 4 else 32
        assert _core._testing.graph_bytes(graph) <= 2 * len(content) + (spare << 10)
        for tensor in graph.initializer:
            if tensor.data_type != _core.Tensor.STRING:
                assert tensor.raw_data is not None
        assert str(graph)
    assert 2000 < n_read < 8000  # else the mutations say nothing
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


@pytest.mark.parametrize(
    "content",
    [
        early_graph(),
        early_graph(late_enum=True),
        late_graph(),
        small_model(),
        rich_model().SerializeToString(),
        _core.dumps(loads(rich_model().SerializeToString())),
    ],
    ids=["early", "30_august", "late", "onnx", "rich", "rich_toffee"],
)
def test_every_failed_allocation_is_a_memory_error_and_leaves_nothing_behind(content):
    testing = _core._testing
    testing.fail_allocation(-1)
    loads(content)
    count = testing.allocation_count()
    assert count > 2
    for n in range(count):
        testing.fail_allocation(n)
        try:
            with pytest.raises(MemoryError):
                loads(content)
        finally:
            testing.fail_allocation(-1)
    assert len(loads(content).node) >= 3


def test_every_failed_allocation_of_a_mapped_load_is_a_memory_error(tmp_path):
    path = tmp_path / "m.onnx"
    values = np.ones(3, np.float32)
    graph = helper.make_graph([], "g", [], [], [numpy_helper.from_array(values, "w")])
    onnx.save(
        helper.make_model(graph), path, save_as_external_data=True, location="w", size_threshold=0
    )
    testing = _core._testing
    testing.fail_allocation(-1)
    _core.load(path)
    for n in range(testing.allocation_count()):
        testing.fail_allocation(n)
        try:
            with pytest.raises(MemoryError):
                _core.load(path)
        finally:
            testing.fail_allocation(-1)
    with open("/proc/self/maps") as maps:
        assert str(tmp_path) not in maps.read()
