"""A protobuf encoder of our own, so that tests can write bytes that no library would.

A message is a ``bytes``; its fields are put together with ``+``, in whatever order a test wants.
Nothing here knows of toffee: numbers and order are the test's, after docs/format.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = 0, 1, 2, 3, 4, 5


def varint(value: int) -> bytes:
    """Encode an integer; a negative one takes ten bytes, as in protobuf."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, wire: int) -> bytes:
    """Encode the key of a field."""
    return varint(number << 3 | wire)


def integer(number: int, value: int) -> bytes:
    """Encode an integer, enum or bool field."""
    return tag(number, VARINT) + varint(value)


def data(number: int, content: bytes | str) -> bytes:
    """Encode a string, bytes or message field."""
    content = content.encode() if isinstance(content, str) else content
    return tag(number, BYTES) + varint(len(content)) + content


def texts(number: int, contents: Iterable[bytes | str]) -> bytes:
    """Encode a repeated string, bytes or message field."""
    return b"".join(data(number, content) for content in contents)


def float32(number: int, value: float) -> bytes:
    """Encode a float field."""
    return tag(number, FIXED32) + struct.pack("<f", value)


def integers(number: int, values: Iterable[int], *, packed: bool) -> bytes:
    """Encode a repeated integer field, in one piece or an element at a time."""
    if packed:
        return data(number, b"".join(map(varint, values)))
    return b"".join(integer(number, value) for value in values)


def floats(number: int, values: Iterable[float], *, packed: bool) -> bytes:
    """Encode a repeated float field, in one piece or an element at a time."""
    if packed:
        return data(number, b"".join(struct.pack("<f", value) for value in values))
    return b"".join(float32(number, value) for value in values)


def doubles(number: int, values: Iterable[float], *, packed: bool) -> bytes:
    """Encode a repeated double field, in one piece or an element at a time."""
    if packed:
        return data(number, b"".join(struct.pack("<d", value) for value in values))
    return b"".join(tag(number, FIXED64) + struct.pack("<d", value) for value in values)
