"""Which file an array lies in: so that a runtime can read the weights from there itself.

A loaded graph borrows its weights from the mapped file. The kernel knows which file that is, and
where in it; nobody else needs to keep count. On systems without ``/proc/self/maps`` nothing is ever
found, and those who ask have another way.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

__all__ = ["FilePart", "file_parts", "still_there"]

_MAPS = "/proc/self/maps"


class FilePart(NamedTuple):
    """``offset`` in the file ``path``, and what the file was (device, inode, size, time)."""

    path: str
    offset: int
    identity: tuple[int, int, int, int]


class _Region(NamedTuple):
    start: int
    end: int
    offset: int
    device: str
    inode: int
    path: str


def _read_only_regions() -> list[_Region]:
    """Mapped files that nobody can have written to through the mapping, by address."""
    regions = []
    try:
        with open(_MAPS, encoding="utf-8", errors="surrogateescape") as f:
            for line in f:
                fields = line.rstrip("\n").split(maxsplit=5)
                if len(fields) == 6 and fields[1].startswith("r--") and fields[5][0] == "/":
                    start, end = (int(number, 16) for number in fields[0].split("-"))
                    regions.append(
                        _Region(
                            start, end, int(fields[2], 16), fields[3], int(fields[4]), fields[5]
                        )
                    )
    except OSError:
        return []
    return sorted(regions)


def _identity(path: str) -> tuple[int, int, int, int] | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


def _region_identity(region: _Region) -> tuple[int, int, int, int] | None:
    """None if the path of REGION leads to another file today, or to none."""
    identity = _identity(region.path)
    if identity is None or identity[1] != region.inode:
        return None
    major, minor = (int(number, 16) for number in region.device.split(":"))
    return identity if identity[0] == os.makedev(major, minor) else None


def file_parts(arrays: Sequence[np.ndarray]) -> list[FilePart | None]:
    """For each of ARRAYS (C-contiguous) the place in a file that has its bytes, or None: it does
    not lie in a file, or the file has been replaced or removed since it was mapped."""
    regions = _read_only_regions()
    starts = [region.start for region in regions]
    identities: dict[_Region, tuple[int, int, int, int] | None] = {}
    parts: list[FilePart | None] = []
    for array in arrays:
        address = array.__array_interface__["data"][0]
        i = bisect.bisect_right(starts, address) - 1
        part = None
        if i >= 0 and address + array.nbytes <= regions[i].end:
            region = regions[i]
            if region not in identities:
                identities[region] = _region_identity(region)
            identity = identities[region]
            offset = region.offset + address - region.start
            if identity is not None and offset + array.nbytes <= identity[2]:
                part = FilePart(region.path, offset, identity)
        parts.append(part)
    return parts


def still_there(parts: Sequence[FilePart | None]) -> bool:
    """Whether the files of PARTS are the ones they were when the parts were found."""
    known = {part.path: part.identity for part in parts if part is not None}
    return all(_identity(path) == identity for path, identity in known.items())
