"""The user's cache folder: where it is, who may change it, and how that gets to the disk.

Something big is made in :func:`scratch`, brought to the disk with :func:`sync`, and put in place
with one rename, all of it while :func:`locked` keeps other processes out.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...errors import BackendError
from ._fetch import Say


def cache_folder() -> Path:
    """``$TOFFEE_CACHE``, or else ``toffee`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. Not created."""
    if own := os.environ.get("TOFFEE_CACHE"):
        return Path(own).absolute()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # XDG's rule: a path that is not absolute counts as none.
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "toffee"


@contextlib.contextmanager
def locked(name: str, say: Say) -> Iterator[Path]:
    """Hold the lock of ``name``, and yield the lock's file, which the block may remove.

    What killed processes left in their :func:`scratch` is gone when the block begins. The lock ends
    with the process, whatever way it ends: no stale one can be left.
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.lock"
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            # Another process's uninstall has just removed the empty folder.
            folder.mkdir(parents=True, exist_ok=True)
            continue
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"another process is at work in {folder}; waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Whoever held it may have removed the file: then others lock a new one.
            if os.fstat(descriptor).st_nlink:
                _remove_leftovers(name)
                yield path
                return
        finally:
            os.close(descriptor)


def _remove_leftovers(name: str) -> None:
    """Remove what killed processes left. Only for who holds the lock: nobody else is at work."""
    for path in cache_folder().glob(f"{name}.tmp-*"):
        shutil.rmtree(path)


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder on the cache's disk, removed with all that is in it. Only under the lock."""
    path = tempfile.mkdtemp(prefix=f"{name}.tmp-", dir=cache_folder())
    try:
        yield Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sync(path: Path) -> None:
    """Write all that its file system has in memory, so that a rename cannot overtake the data.

    One call for a thousand files; fsync for each takes a journal write for each.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(descriptor)


def sync_names(folder: Path) -> None:
    """Write the names in ``folder`` to the disk: a rename is certain when this returns."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def os_error(error: OSError) -> BackendError:
    """One line for people: what could not be done where, and what helps."""
    where = error.filename or cache_folder()
    text = f"{where}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        text += "; nothing was installed. Make room, or set TOFFEE_CACHE to a folder elsewhere"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        text += "; set TOFFEE_CACHE to a folder that can be written"
    return BackendError(text)
