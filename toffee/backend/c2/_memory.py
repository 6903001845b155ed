"""Memory that two processes share: files without a name (``memfd``), and the files of weights."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import struct
import weakref
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ... import helper
from ..mapped import FilePart, file_parts
from ._channel import MAX_FDS, Garbled, close_all, pack_tensor, pack_text

__all__ = ["Area", "Weight", "aligned", "read_outputs", "weights_message"]

_ALIGNMENT = 64  # of tensors; as in runner.cc
#: Outputs up to this many bytes are read, not mapped: that is quicker.
_SMALL = 1 << 16


class Weight(NamedTuple):
    """A tensor that the net reads and never writes: its dense bytes as they lie in memory."""

    name: str
    dtype: int
    dims: tuple[int, ...]
    data: memoryview


def aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _no_memory(size: int, error: OSError) -> MemoryError:
    return MemoryError(f"no {size} bytes of shared memory: {error.strerror}")


class Area:
    """Memory that we write and the runner reads: all inputs of a run."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.fd = os.memfd_create("toffee inputs", os.MFD_CLOEXEC)
        weakref.finalize(self, os.close, self.fd).atexit = False
        try:
            # Now, and not as the pages are touched: then it would be a signal.
            os.posix_fallocate(self.fd, 0, size)
            self.memory = mmap.mmap(self.fd, size)
        except OSError as error:
            raise _no_memory(size, error) from error


def _write_weights(weights: Sequence[Weight]) -> tuple[int, list[int]]:
    """A file in memory with all of WEIGHTS, and where in it each lies."""
    offsets, end = [], 0
    for weight in weights:
        offsets.append(aligned(end))
        end = offsets[-1] + weight.data.nbytes
    fd = os.memfd_create("toffee weights", os.MFD_CLOEXEC)
    try:
        for weight, offset in zip(weights, offsets, strict=True):
            data = weight.data.cast("B")
            while data:
                n = os.pwrite(fd, data, offset)
                data, offset = data[n:], offset + n
    except BaseException as error:
        close_all([fd])
        if isinstance(error, OSError):
            raise _no_memory(end, error) from error
        raise
    return fd, offsets


def _open_part(part: FilePart, opened: dict[str, int]) -> int | None:
    """The file of PART, if it is still the one it was when the part was found."""
    fd = opened.get(part.path)
    if fd is None:
        try:
            fd = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        info = os.fstat(fd)
        if (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns) != part.identity:
            os.close(fd)
            return None
        opened[part.path] = fd
    return fd


@contextlib.contextmanager
def weights_message(weights: Sequence[Weight]) -> Iterator[tuple[bytes, list[int]]]:
    """The weights as _PREPARE describes them, and the files in which they lie."""
    import numpy as np

    arrays = [np.frombuffer(weight.data, np.uint8) for weight in weights]
    opened: dict[str, int] = {}
    places: list[tuple[int, int] | None] = []
    fds: list[int] = []
    try:
        parts = file_parts(arrays) if arrays else []
        for weight, part in zip(weights, parts, strict=True):
            size = helper.tensor_dtype_to_np_dtype(weight.dtype).itemsize
            fd = None
            if part is not None and weight.data.nbytes > 0 and part.offset % size == 0:
                # The last place is for those that lie in no file.
                if part.path in opened or len(opened) < MAX_FDS - 1:
                    fd = _open_part(part, opened)
            places.append(None if fd is None or part is None else (fd, part.offset))
        fds = list(opened.values())
        rest = [i for i, place in enumerate(places) if place is None]
        if rest:
            memory, offsets = _write_weights([weights[i] for i in rest])
            fds.append(memory)
            for i, offset in zip(rest, offsets, strict=True):
                places[i] = (memory, offset)
        body = [struct.pack("=I", len(weights))]
        for weight, place in zip(weights, places, strict=True):
            assert place is not None
            body.append(pack_text(weight.name) + struct.pack("=I", fds.index(place[0])))
            body.append(pack_tensor(weight.dtype, weight.dims, place[1]))
        yield b"".join(body), fds
    finally:
        close_all(fds or list(opened.values()))


_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def _map_outputs(fd: int, size: int) -> memoryview:
    """The memory of FD, which the arrays made from the result own. Not by mmap.mmap(), which keeps
    a descriptor: somebody who keeps the outputs of 1,000 runs would be out of them."""
    address = _libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        raise MemoryError(f"outputs of {size} bytes: {os.strerror(ctypes.get_errno())}")
    memory = (ctypes.c_char * size).from_address(address)
    # At exit the kernel does it, and some array may still be looked at.
    weakref.finalize(memory, _libc.munmap, address, size).atexit = False
    return memoryview(memory).cast("B")


def read_outputs(fd: int, size: int) -> bytearray | memoryview:
    """SIZE bytes of FD: memory that whoever holds it owns."""
    if os.fstat(fd).st_size < size:
        raise Garbled("outputs that are cut off")
    if size > _SMALL:
        return _map_outputs(fd, size)
    memory = bytearray(size)
    os.preadv(fd, [memory], 0)
    return memory
