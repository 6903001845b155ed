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

from ...errors import BackendError

#: Where lines about progress go.
Say = Callable[[str], None]

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
) -> subprocess.CompletedProcess[bytes]:
    """Run a program that is killed when this process ends. It reads no input.

    Raises
    ------
    subprocess.TimeoutExpired
        It ran longer than ``timeout`` seconds, and was killed.
    """
    argv = [sys.executable, "-S", "-E", "-c", _DIE_WITH_PARENT, str(os.getpid()), *argv]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=env)
    with child:
        try:
            out, err = child.communicate(timeout=timeout)
        except KeyboardInterrupt:
            # The terminal has told the child too. pip shows the cursor again before it ends.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(3)
            raise
        finally:
            child.kill()
    return subprocess.CompletedProcess(argv, child.returncode, out, err)


def download(package: Package, scratch: Path, say: Say, *, bar: bool = False) -> Path:
    """Download ``package`` with pip into ``scratch``, and return the file.

    pip keeps its temporary files in ``scratch`` too, and fills no cache: the caller removes all
    of it with the folder. ``bar`` shows pip's own progress bar on stderr.

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
    argv += ["--progress-bar", "on" if bar else "off", "--dest", str(folder)]
    argv += ["--requirement", str(requirements), *package.options]
    if package.is_source:
        env["PYTHONPATH"] = str(_stand_in(package, scratch))
        argv += ["--no-build-isolation", "--use-pep517", "--no-binary", package.name]

    say(f"downloading {package.requirement} with pip ({mega(package.bytes)})")
    log = scratch / "pip.log"
    with log.open("wb") as file:
        done = run_child(argv, stdout=2 if bar else subprocess.DEVNULL, stderr=file, env=env)
    if done.returncode:
        raise _pip_error(package, log.read_text(errors="replace"))
    return next(folder.iterdir())


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


def verify(package: Package, path: Path) -> None:
    """Read all of ``path``, and raise BackendError unless it is ``package``'s file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != package.sha256:
        raise _hash_error(package, str(path), digest.hexdigest())


def _hash_error(package: Package, what: str, got: str) -> BackendError:
    return BackendError(
        f"{what} is not the file we know as {package.requirement}: its sha256 is {got}, not "
        f"{package.sha256}; nothing was installed"
    )


def unpack(archive: Path, wanted: Callable[[str], str | None], folder: Path) -> int:
    """Unpack a part of a wheel or of a ``.tar.gz`` into ``folder``, and return how many files.

    Parameters
    ----------
    archive
        A file that :func:`verify` has passed.
    wanted
        Says where below ``folder`` a member goes (``a/b.h``), or None for nowhere.
    folder
        Created where missing.
    """
    count = 0
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as members:
            for info in members.infolist():
                target = None if info.is_dir() else wanted(info.filename)
                if target is not None:
                    with members.open(info) as file:
                        _write(file, folder, target)
                    count += 1
        return count
    with tarfile.open(archive, "r:gz") as members:
        for member in members:
            target = wanted(member.name) if member.isfile() else None
            if target is not None:
                source = members.extractfile(member)
                assert source is not None  # a regular file always has contents
                with source:
                    _write(source, folder, target)
                count += 1
    return count


def _write(source: IO[bytes], folder: Path, target: str) -> None:
    if PurePosixPath(target).is_absolute() or ".." in PurePosixPath(target).parts:
        raise BackendError(f"the archive has a member outside of its own folder: {target}")
    path = folder / target
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def mega(count: int) -> str:
    """A number of bytes for people: ``882 MB``."""
    return f"{max(1, round(count / 1e6))} MB"
