"""Reads Caffe2's nets: serialized NetDef -> operators as plain Python, for tests.

The reader is not built from proto/caffe2.proto, so that a wrong field number there is found.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Op:
    """One operator of a net."""

    type: str = ""
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    args: dict[str, Any] = field(default_factory=dict)
    device: tuple[int, int] | None = None  #: device_type (0: CPU, 1: CUDA) and device_id

    @property
    def function(self) -> str:
        """What it computes: the type, or ``aten::NAME`` for the operator ATen."""
        return f"aten::{self.args['operator'].decode()}" if self.type == "ATen" else self.type


@dataclass
class Net:
    """A net: operators in the order in which they run."""

    name: str = ""
    ops: list[Op] = field(default_factory=list)
    external_inputs: list[str] = field(default_factory=list)
    external_outputs: list[str] = field(default_factory=list)
    device: tuple[int, int] | None = None

    @property
    def functions(self) -> list[str]:
        """What each operator computes, in order."""
        return [op.function for op in self.ops]

    def op(self, type: str) -> Op:
        """The only operator of this type."""
        found = [op for op in self.ops if op.type == type]
        assert len(found) == 1, f"{len(found)} operators {type}, not 1, among {self.functions}"
        return found[0]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at AT, and where what follows begins."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: number, and a whole number, four bytes, or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(data, at)
            yield number, value
            continue
        assert kind in (2, 5), f"wire type {kind} at byte {at}"
        size = 4
        if kind == 2:
            size, at = varint(data, at)
        assert at + size <= len(data), f"field {number} ends after the message"
        yield number, data[at : at + size]
        at += size


def numbers(data: Any) -> list[int]:
    """A repeated field of whole numbers, packed or a number of it."""
    if isinstance(data, int):
        return [signed(data)]
    found, at = [], 0
    while at < len(data):
        number, at = varint(data, at)
        found.append(signed(number))
    return found


def read_arg(data: bytes) -> tuple[str, Any]:
    """An Argument: its name, and its value as int, float, bytes or a list of these."""
    name, value = "", None
    many: list[Any] = []
    for number, item in fields(data):
        if number == 1:
            name = item.decode()
        elif number == 2:
            value = struct.unpack("<f", item)[0]
        elif number == 3:
            value = signed(item)
        elif number == 4:
            value = item
        elif number == 5:
            many += [one for (one,) in struct.iter_unpack("<f", item)]
        elif number == 6:
            many += numbers(item)
        elif number == 7:
            many.append(item)
        else:
            raise AssertionError(f"field {number} of an Argument")
    return name, many if value is None else value


def read_device(data: bytes) -> tuple[int, int]:
    found = dict(fields(data))
    return found.get(1, 0), found.get(2, 0)


def read_op(data: bytes) -> Op:
    op = Op()
    for number, item in fields(data):
        if number == 1:
            op.inputs.append(item.decode())
        elif number == 2:
            op.outputs.append(item.decode())
        elif number == 3:
            op.name = item.decode()
        elif number == 4:
            op.type = item.decode()
        elif number == 5:
            name, value = read_arg(item)
            assert name not in op.args, f"argument {name} twice"
            op.args[name] = value
        elif number == 6:
            op.device = read_device(item)
        else:
            raise AssertionError(f"field {number} of an OperatorDef")
    return op


def read_net(data: bytes) -> Net:
    """The net that DATA, a serialized NetDef, describes."""
    net = Net()
    for number, item in fields(data):
        if number == 1:
            net.name = item.decode()
        elif number == 2:
            net.ops.append(read_op(item))
        elif number == 5:
            net.device = read_device(item)
        elif number == 7:
            net.external_inputs.append(item.decode())
        elif number == 8:
            net.external_outputs.append(item.decode())
        else:
            raise AssertionError(f"field {number} of a NetDef")
    return net
