"""The socket to a process of runner.cc, and what the messages on it are made of."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Sequence

from ...errors import BackendError

__all__ = ["DTYPES", "MAX_FDS", "MAX_RANK", "Channel", "Garbled", "Gone", "Reader"]

# As in runner.cc.
_MAX_BODY = 1 << 30
MAX_FDS = 64
MAX_RANK = 64
#: float, uint8, int8, int16, int32, int64, bool, float16, double, bfloat16.
DTYPES = frozenset((1, 2, 3, 5, 6, 7, 9, 10, 11, 16))

_HEADER = struct.Struct("=IIQ")


class Gone(Exception):
    """The other side hung up."""


class Garbled(Gone):
    """What it says cannot be understood, so that it is of no more use than one that hung up."""


class Reader:
    """The body of a message; raises Garbled where it ends too early, as a process does."""

    def __init__(self, body: bytes | bytearray) -> None:
        self._body = body
        self._at = 0

    def take(self, form: str) -> int:
        return int(self._unpack(form))

    def double(self) -> float:
        return float(self._unpack("d"))

    def _unpack(self, form: str) -> int | float:
        form = "=" + form
        size = struct.calcsize(form)
        if size > len(self._body) - self._at:
            raise Garbled("an answer that is cut off")
        (value,) = struct.unpack_from(form, self._body, self._at)
        self._at += size
        return value  # type: ignore[no-any-return]

    def tensor(self) -> tuple[int, tuple[int, ...], int]:
        """The type of a tensor, its shape, and where it lies."""
        dtype, rank = self.take("I"), self.take("I")
        if dtype not in DTYPES or rank > MAX_RANK:
            raise Garbled("a tensor that cannot be")
        dims = tuple(self.take("q") for _ in range(rank))
        if any(dim < 0 for dim in dims):
            raise Garbled("a tensor that cannot be")
        return dtype, dims, self.take("Q")

    def text(self) -> str:
        size = self.take("Q")
        if size > len(self._body) - self._at:
            raise Garbled("an answer that is cut off")
        self._at += size
        return bytes(self._body[self._at - size : self._at]).decode("utf-8", "replace")


def pack_text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("=Q", len(raw)) + raw


def pack_tensor(dtype: int, dims: Sequence[int], offset: int) -> bytes:
    return struct.pack(f"=II{len(dims)}qQ", dtype, len(dims), *dims, offset)


def pack_names(names: Sequence[str]) -> bytes:
    return struct.pack("=I", len(names)) + b"".join(map(pack_text, names))


class Channel:
    """Our end of a socket to a process."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end

    def send(
        self, kind: int, body: bytes = b"", fds: Sequence[int] = (), until: float | None = None
    ) -> None:
        if len(body) > _MAX_BODY:
            raise BackendError(f"the nets have {len(body)} bytes; Caffe2 takes {_MAX_BODY} at most")
        header = _HEADER.pack(kind, len(fds), len(body))
        self._wait(until)
        try:
            # Both in one call, or nearly always: each wakes the other process.
            sent = socket.send_fds(self.socket, [header, body], list(fds), socket.MSG_NOSIGNAL)
            if sent < len(header):
                self.socket.sendall(header[sent:])
                sent = len(header)
            rest = memoryview(body)[sent - len(header) :]
            while rest:
                self._wait(until)
                rest = rest[self.socket.send(rest, socket.MSG_NOSIGNAL) :]
        except TimeoutError:
            raise
        except OSError as error:
            raise Gone(str(error)) from None

    def receive(self, until: float | None = None) -> tuple[int, bytearray, list[int]]:
        """The next message, and descriptors, which are the caller's to close."""
        fds: list[int] = []
        try:
            self._wait(until)
            raw, fds, _, _ = socket.recv_fds(self.socket, _HEADER.size, 8)
            head = bytearray(raw)
            while raw and len(head) < _HEADER.size:
                self._wait(until)
                raw = self.socket.recv(_HEADER.size - len(head))
                head += raw
            if len(head) < _HEADER.size:
                raise Gone("end of file")
            kind, count, size = _HEADER.unpack(head)
            if size > _MAX_BODY or count != len(fds):
                raise Garbled("an answer that is none")
            body = bytearray(size)
            view = memoryview(body)
            while view:
                self._wait(until)
                n = self.socket.recv_into(view)
                if n == 0:
                    raise Gone("end of file")
                view = view[n:]
        except BaseException as error:
            close_all(fds)
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise Gone(str(error)) from None
            raise
        return kind, body, fds

    def _wait(self, until: float | None) -> None:
        """Let the next call wait until the time UNTIL at most."""
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)

    def hang_up(self) -> None:
        """The other side ends; whoever waits for an answer gets none. From any thread."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


def close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
