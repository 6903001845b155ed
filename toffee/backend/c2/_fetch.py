"""Get the files that Caffe2's runtime is made of: download, check, unpack.

pip does the downloading, so the user's index, proxy and certificates apply. Nothing that was
downloaded is run: pip asks a source package for its name by running its ``setup.py``, and a
stand-in of ours answers instead. Every file is checked against a hash written here before a byte
of it is unpacked.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ..._progress import Progress
from ...errors import BackendError

#: Where lines about progress go.
Say = Callable[[str], None]

#: Seconds between two looks at what a program has done so far.
_TICK_SECONDS = 0.2

# A child that we started must not outlive us, however we end (SIGKILL runs no handler). This
# program asks the kernel for that, and then becomes the child. Setting it between fork and exec
# (preexec_fn) would run Python code in a fork of a process that may have threads.
_DIE_WITH_PARENT = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, {int(signal.SIGKILL)})
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""

# What pip imports as a source package's build system when setup.py is all that the package has.
_STAND_IN_FOR_SETUPTOOLS = """
import os

class __legacy__:
    @staticmethod
    def prepare_metadata_for_build_wheel(folder, config_settings=None):
        name = "{distribution}-{version}.dist-info"
        os.mkdir(os.path.join(folder, name))
        with open(os.path.join(folder, name, "METADATA"), "w") as file:
            file.write("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return name
"""


@dataclass(frozen=True)
class Package:
    """A file on PyPI.

    ``bytes`` is its size, ``options`` what pip needs in order to choose it, ``is_source`` whether
    it is a source package, ``argument`` the option of the command line that takes a copy.
    """

    name: str
    version: str
    sha256: str
    bytes: int
    argument: str
    options: tuple[str, ...] = ()
    is_source: bool = False

    @property
    def requirement(self) -> str:
        """As pip spells it: ``torch==1.10.2``."""
        return f"{self.name}=={self.version}"


def run_child(
    argv: Sequence[str],
    *,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tick: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program that is killed when this process ends. It reads no input. ``tick`` is called
    now and then meanwhile, where neither output is a pipe.

    Raises
    ------
    subprocess.TimeoutExpired
        It ran longer than ``timeout`` seconds, and was killed.
    """
    argv = [sys.executable, "-S", "-E", "-c", _DIE_WITH_PARENT, str(os.getpid()), *argv]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=env)
    with child:
        try:
            while tick is not None and child.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_TICK_SECONDS)
                tick()
            out, err = child.communicate(timeout=timeout)
        except KeyboardInterrupt:
            # The terminal has told the child too. pip shows the cursor again before it ends.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(3)
            raise
        finally:
            child.kill()
    return subprocess.CompletedProcess(argv, child.returncode, out, err)


def download(package: Package, scratch: Path, say: Say, progress: Progress) -> Path:
    """Download ``package`` with pip into ``scratch``, and return the file.

    pip keeps its temporary files in ``scratch`` too, and fills no cache: the caller removes all
    of it with the folder. ``progress`` hears how much of the file there is.

    Raises
    ------
    BackendError
        There is no pip, no network, no such file, or it is not the one we know.
    """
    folder = scratch / f"{package.name}-download"
    temporary = scratch / "tmp"
    for each in (folder, temporary):
        each.mkdir(exist_ok=True)
    requirements = scratch / f"{package.name}.txt"
    requirements.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    # Whatever pip prints is parsed below, so it speaks plainly whatever the user's settings are.
    env = {**os.environ, "TMPDIR": str(temporary), "PIP_QUIET": "0", "NO_COLOR": "1"}
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    argv += ["--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    argv += ["--progress-bar", "off", "--dest", str(folder)]
    argv += ["--requirement", str(requirements), *package.options]
    if package.is_source:
        env["PYTHONPATH"] = str(_stand_in(package, scratch))
        argv += ["--no-build-isolation", "--use-pep517", "--no-binary", package.name]

    say(f"downloading {package.requirement} with pip ({mega(package.bytes)})")
    log = scratch / "pip.log"

    def tick() -> None:
        progress.step(_largest_file(temporary), package.bytes)

    with log.open("wb") as file, progress.stage(f"downloading {package.name}", "B", package.bytes):
        done = run_child(argv, stdout=subprocess.DEVNULL, stderr=file, env=env, tick=tick)
    if done.returncode:
        raise _pip_error(package, log.read_text(errors="replace"))
    return next(folder.iterdir())


def _largest_file(folder: Path) -> int:
    """Bytes of the largest file below a folder that somebody else is changing."""
    largest = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            largest = max(largest, path.stat().st_size)
    return largest


def _stand_in(package: Package, scratch: Path) -> Path:
    """A folder with a module ``setuptools`` that knows what ``package`` is called, no more."""
    folder = scratch / f"{package.name}-stand-in"
    (folder / "setuptools").mkdir(parents=True)
    (folder / "setuptools" / "__init__.py").touch()
    text = _STAND_IN_FOR_SETUPTOOLS.format(
        name=package.name, version=package.version, distribution=package.name.replace("-", "_")
    )
    (folder / "setuptools" / "build_meta.py").write_text(text)
    return folder


def _pip_error(package: Package, log: str) -> BackendError:
    if "No module named pip" in log:
        return BackendError(
            f"{package.requirement} is downloaded with pip, which this Python does not have: "
            f"{shlex.quote(sys.executable)} -m ensurepip, or download the file elsewhere and "
            f"give it with {package.argument} FILE"
        )
    if "DO NOT MATCH THE HASHES" in log:
        got = [line.split()[-1] for line in log.splitlines() if line.split()[:1] == ["Got"]]
        return _hash_error(package, f"what pip found for {package.requirement}", got[0])
    if "No space left on device" in log:
        return BackendError(
            f"no space left while pip downloaded {package.requirement}; nothing was installed"
        )
    errors = [line for line in log.splitlines() if line.startswith("ERROR:")]
    lines = errors[:1] or log.splitlines()[-1:] or ["it said nothing"]
    # The index did not answer: pip warns each time it tries again, and says nothing in the end.
    retries = [line for line in log.splitlines() if "Retrying" in line and ": " in line]
    why = lines[0].removeprefix("ERROR:").strip()
    if retries:
        why += f" (the index does not answer: {retries[-1].rpartition(': ')[0][-160:]})"
    return BackendError(
        f"pip could not download {package.requirement}: {why}. Check the network and pip's "
        f"settings, or download the file elsewhere and give it with {package.argument} FILE"
    )


def verify(package: Package, path: Path, progress: Progress) -> None:
    """Read all of ``path``, and raise BackendError unless it is ``package``'s file."""
    digest = hashlib.sha256()
    size = path.stat().st_size
    with path.open("rb") as file, progress.stage(f"checking {package.name}", "B", size):
        while block := file.read(1 << 20):
            digest.update(block)
            progress.often(file.tell(), size)
    if digest.hexdigest() != package.sha256:
        raise _hash_error(package, str(path), digest.hexdigest())


def _hash_error(package: Package, what: str, got: str) -> BackendError:
    return BackendError(
        f"{what} is not the file we know as {package.requirement}: its sha256 is {got}, not "
        f"{package.sha256}; nothing was installed"
    )


def unpack(
    archive: Path, wanted: Callable[[str], str | None], folder: Path, progress: Progress
) -> int:
    """Unpack a part of a wheel or of a ``.tar.gz`` into ``folder``, and return how many files.

    Parameters
    ----------
    archive
        A file that :func:`verify` has passed.
    wanted
        Says where below ``folder`` a member goes (``a/b.h``), or None for nowhere.
    folder
        Created where missing.
    progress
        Hears of the bytes written.
    """
    with progress.stage(f"unpacking {archive.name}", "B"):
        if zipfile.is_zipfile(archive):
            return _unpack_zip(archive, wanted, folder, progress)
        return _unpack_tar(archive, wanted, folder, progress)


def _unpack_zip(
    archive: Path, wanted: Callable[[str], str | None], folder: Path, progress: Progress
) -> int:
    with zipfile.ZipFile(archive) as members:
        chosen = [
            (info, target)
            for info in members.infolist()
            if not info.is_dir() and (target := wanted(info.filename)) is not None
        ]
        count = _Counter(progress, sum(info.file_size for info, _ in chosen))
        for info, target in chosen:
            with members.open(info) as file:
                _write(count.reads_of(file), folder, target)
    return len(chosen)


def _unpack_tar(
    archive: Path, wanted: Callable[[str], str | None], folder: Path, progress: Progress
) -> int:
    files = 0
    count = _Counter(progress, 0)
    with tarfile.open(archive, "r:gz") as members:
        for member in members:
            target = wanted(member.name) if member.isfile() else None
            if target is not None:
                source = members.extractfile(member)
                assert source is not None  # a regular file always has contents
                with source:
                    _write(count.reads_of(source), folder, target)
                files += 1
    return files


class _Counter:
    """Tells a progress how many bytes are read of several files."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        self._source: IO[bytes] | None = None

    def reads_of(self, source: IO[bytes]) -> _Counter:
        """This, with the ``read`` of SOURCE."""
        self._source = source
        return self

    def read(self, n: int = -1, /) -> bytes:
        assert self._source is not None
        block = self._source.read(n)
        self._done += len(block)
        self._progress.often(self._done, self._total)
        return block


def _write(source: _Counter, folder: Path, target: str) -> None:
    if PurePosixPath(target).is_absolute() or ".." in PurePosixPath(target).parts:
        raise BackendError(f"the archive has a member outside of its own folder: {target}")
    path = folder / target
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def mega(count: int) -> str:
    """A number of bytes for people: ``882 MB``."""
    return f"{max(1, round(count / 1e6))} MB"
