"""Graphs of 2017, byte by byte, after docs/format.md section 2."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from wire_bytes import data, float32, floats, integer, integers, texts


def node(op_type: str, inputs: Sequence[str], outputs: Sequence[str], *attributes: bytes) -> bytes:
    """Encode a NodeProto; the numbers are the same in all dialects."""
    return texts(1, inputs) + texts(2, outputs) + data(4, op_type) + texts(5, attributes)


def early_attribute(name: str, value: object, *, packed: bool = False) -> bytes:
    """Encode an AttributeProto of August 2017; tensors come as a list of bytes objects."""
    out = data(1, name)
    if isinstance(value, int):
        return out + integer(3, value)
    if isinstance(value, float):
        return out + float32(2, value)
    if isinstance(value, bytes):
        return out + data(4, value)
    values = list(value)  # type: ignore[call-overload]
    if values and isinstance(values[0], float):
        return out + floats(5, values, packed=packed)
    if values and isinstance(values[0], bytes):
        return out + texts(8, values)
    return out + integers(6, values, packed=packed)


def early_tensor(
    name: str, data_type: int, dims: Sequence[int], payload: bytes, *, packed: bool = False
) -> bytes:
    """Encode a TensorProto of August 2017; PAYLOAD is raw_data, or encoded typed fields."""
    return integers(1, dims, packed=packed) + integer(2, data_type) + data(8, name) + payload


def raw_early(content: bytes) -> bytes:
    """Encode raw_data, field 10 in August 2017."""
    return data(10, content)


def early_graph(*, version: int | None = 1, packed: bool = False, late_enum: bool = False) -> bytes:
    """Encode a graph of August 2017: a Conv, a Constant, weights of four kinds.

    Parameters
    ----------
    version : int or None
        Field 1; None: a file from before 26 August.
    packed : bool
        How repeated numbers are written; nanopb wrote them unpacked.
    late_enum : bool
        As on 30 August: data types have the numbers of September.

    Returns
    -------
    bytes
    """
    int64 = 7 if late_enum else 8
    float32_ = 1
    constant = early_tensor(
        "", float32_, [2], raw_early(struct.pack("<2f", 1.5, -2)), packed=packed
    )
    out = b"" if version is None else integer(1, version)
    out += data(
        2,
        node(
            "Conv",
            ["w", "x"],
            ["1"],
            early_attribute("pads", [1, 1, 1, 1], packed=packed),
            early_attribute("alpha", 0.5),
            early_attribute("group", 1),
            early_attribute("mode", b"\xff\x00"),
            early_attribute("scales", [0.5, 2.0], packed=packed),
        ),
    )
    out += data(2, node("Constant", [], ["2"], early_attribute("value", [constant])))
    out += data(2, node("Add", ["1", "2"], ["3"]))
    out += data(3, "early") + texts(4, ["w", "idx", "typed", "x"]) + data(5, "3")
    out += data(
        6,
        early_tensor("w", float32_, [1, 1, 2, 2], raw_early(struct.pack("<4f", 1, 2, 3, 4))),
    )
    out += data(6, early_tensor("idx", int64, [2], raw_early(struct.pack("<2q", 5, -6))))
    out += data(6, early_tensor("typed", int64, [3], integers(7, [1, -1, 300], packed=packed)))
    return out


def late_attribute(name: str, value: object, *, packed: bool = False) -> bytes:
    """Encode an AttributeProto of September 2017, without a type; bytes are a string."""
    out = data(1, name)
    if isinstance(value, int):
        return out + integer(3, value)
    if isinstance(value, float):
        return out + float32(2, value)
    if isinstance(value, bytes):
        return out + data(4, value)
    values = list(value)  # type: ignore[call-overload]
    if values and isinstance(values[0], float):
        return out + floats(7, values, packed=packed)
    if values and isinstance(values[0], bytes):
        return out + texts(9, values)
    return out + integers(8, values, packed=packed)


def late_tensor(
    name: str, data_type: int, dims: Sequence[int], payload: bytes, *, packed: bool = False
) -> bytes:
    """Encode a TensorProto of September 2017; PAYLOAD is raw_data, or encoded typed fields."""
    return integers(1, dims, packed=packed) + integer(2, data_type) + data(8, name) + payload


def raw_late(content: bytes) -> bytes:
    """Encode raw_data, field 9 since 31 August 2017."""
    return data(9, content)


def late_graph(*, header: bytes | None = None, packed: bool = False) -> bytes:
    """Encode a graph of September 2017: a Conv, a Constant with a single tensor, weights.

    Parameters
    ----------
    header : bytes or None
        Fields 6 to 10; None: as PyTorch wrote them.
    packed : bool
        How repeated numbers are written.

    Returns
    -------
    bytes
    """
    if header is None:
        header = integer(6, 1) + data(8, "pytorch")
    constant = late_tensor("", 1, [2], raw_late(struct.pack("<2f", 1.5, -2)), packed=packed)
    value = data(1, "value") + data(5, constant)
    out = data(
        1,
        node(
            "Conv",
            ["w", "x"],
            ["1"],
            late_attribute("strides", [1, 1], packed=packed),
            late_attribute("kernel_shape", [2, 2], packed=packed),
            late_attribute("alpha", 0.5),
        ),
    )
    out += data(1, node("Constant", [], ["2"], value))
    out += data(1, node("Add", ["1", "2"], ["3"]))
    out += data(2, "torch-jit-export") + texts(3, ["w", "idx", "x"]) + data(4, "3")
    out += data(5, late_tensor("w", 1, [1, 1, 2, 2], raw_late(struct.pack("<4f", 1, 2, 3, 4))))
    out += data(5, late_tensor("idx", 7, [2], raw_late(struct.pack("<2q", 5, -6))))
    return out + header
