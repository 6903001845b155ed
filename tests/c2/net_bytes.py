"""Writes Caffe2's nets by hand, so that tests of the runner need no emitter.

Field numbers are those of the descriptor in PyTorch 1.10.2's ``caffe2_pb2.py``.
"""

from __future__ import annotations

import struct


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(field: int, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _arg(name, value) -> bytes:
    out = _bytes(1, name)
    if isinstance(value, float):
        out += _varint(2 << 3 | 5) + struct.pack("<f", value)
    elif isinstance(value, int):
        out += _varint(3 << 3) + _varint(value)
    elif isinstance(value, str):
        out += _bytes(4, value)
    elif value and isinstance(value[0], float):
        out += b"".join(_varint(5 << 3 | 5) + struct.pack("<f", item) for item in value)
    else:
        out += b"".join(_varint(6 << 3) + _varint(item) for item in value)
    return out


def op(kind: str, inputs: str, outputs: str, **args) -> bytes:
    """An OperatorDef; INPUTS and OUTPUTS are names with blanks between."""
    return (
        b"".join(_bytes(1, name) for name in inputs.split())
        + b"".join(_bytes(2, name) for name in outputs.split())
        + _bytes(4, kind)
        + b"".join(_bytes(5, _arg(name, value)) for name, value in args.items())
    )


def net(*ops: bytes, inputs: str = "", outputs: str = "") -> bytes:
    """A NetDef; INPUTS and OUTPUTS are its external ones, names with blanks between."""
    return (
        _bytes(1, "net")
        + b"".join(_bytes(2, one) for one in ops)
        + b"".join(_bytes(7, name) for name in inputs.split())
        + b"".join(_bytes(8, name) for name in outputs.split())
    )
