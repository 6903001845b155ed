"""A Caffe2 runtime in small: a wheel, a source package and a runner like the real ones.

As a program it is an installer that tests can kill::

    python fake_caffe2.py FOLDER install|install-from-files|uninstall [KILL_AT]

``KILL_AT`` is a number (SIGKILL after the line of that step) or a function and a count, like
``os.rename 2`` (SIGKILL instead of its second call).
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toffee.backend.c2 import _cache, _install
from toffee.backend.c2._fetch import Package

PATIENCE = 60.0  # seconds that nothing here comes near, unless it hangs

WHEEL = "torch-1.10.2-cp39-cp39-manylinux1_x86_64.whl"
PROTOBUF = "grpcio-tools-1.33.2.tar.gz"

RUNNER = """
#include <cstdio>
#include <cstring>
#include <string>
#include "caffe2/core/operators.h"
#include "google/protobuf/message.h"
static_assert(CblasTrans == 112, "");
int main(int argc, char** argv) {
  if (argc == 2 && !std::strcmp(argv[1], "--selftest")) std::printf("ok %d\\n", operators());
}
"""

# If pip runs it, the file beside the package shows it.
SETUP_PY = "import os; open(os.environ['TOFFEE_TEST_SETUP_RAN'], 'w').close(); raise SystemExit(1)"


def make(folder: Path) -> None:
    """Write both packages and the runner's source into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    libraries = {
        "libtorch_cpu.so": "int operators() { return 3; }",
        "libc10.so": "int c10() { return 0; }",
    }
    dist_info = "torch-1.10.2.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, text in libraries.items():
            (folder / "lib.cc").write_text(text)
            argv = ["g++", "-shared", "-fPIC", f"-Wl,-soname,{name}", "lib.cc", "-o", name]
            subprocess.run(argv, cwd=folder, check=True)
            wheel.write(folder / name, f"torch/lib/{name}")
        # Large enough that a disk can be full in the middle of it.
        wheel.writestr("torch/lib/libgomp.so.1", bytes(1_000_000))
        wheel.writestr("torch/lib/libtorch_cuda.so", "1.2 GB that nobody needs")
        header = '#include "mkl_cblas.h"\nint operators();\n'
        wheel.writestr("torch/include/caffe2/core/operators.h", header)
        wheel.writestr("torch/include/pybind11/pybind11.h", "")
        wheel.writestr("torch/__init__.py", "")
        wheel.writestr(f"{dist_info}/LICENSE", "BSD")
        metadata = "Metadata-Version: 2.1\nName: torch\nVersion: 1.10.2\n"
        wheel.writestr(f"{dist_info}/METADATA", metadata)
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp39-cp39-manylinux1_x86_64\n"
        wheel.writestr(f"{dist_info}/WHEEL", tag)
        wheel.writestr(f"{dist_info}/RECORD", "")
    with tarfile.open(folder / PROTOBUF, "w:gz") as package:
        source = "third_party/protobuf/src/google/protobuf"
        for name, text in {
            "PKG-INFO": "Metadata-Version: 1.0\nName: grpcio-tools\nVersion: 1.33.2\n",
            "setup.py": SETUP_PY,
            f"{source}/message.h": '#include "port_def.inc"\n',
            f"{source}/port_def.inc": "",
            f"{source}/message.cc": "#error not needed",
        }.items():
            info = tarfile.TarInfo(f"grpcio-tools-1.33.2/{name}")
            info.size = len(text)
            package.addfile(info, io.BytesIO(text.encode()))
    (folder / "runner.cc").write_text(RUNNER)


def recipe(folder: Path) -> _install.Recipe:
    """The recipe for what :func:`make` has written into ``folder``."""

    def package(like: Package, name: str) -> Package:
        data = (folder / name).read_bytes()
        return Package(
            name=like.name,
            version=like.version,
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            argument=like.argument,
            options=like.options,
            is_source=like.is_source,
        )

    return _install.Recipe(
        version="1.10.2",
        wheel=package(_install.RECIPE.wheel, WHEEL),
        protobuf=package(_install.RECIPE.protobuf, PROTOBUF),
        libraries=("libc10.so", "libgomp.so.1", "libtorch_cpu.so"),
        unpacked=2_000_000,
        runner_source=folder / "runner.cc",
    )


# ---- for tests -----------------------------------------------------------------------------------


def left_over(cache: Path) -> list[str]:
    """All that is in the cache folder beside a runtime and its lock."""
    if not cache.is_dir():
        return []
    good = {"caffe2-1.10.2", "caffe2-1.10.2.lock"}
    below = [path.name for path in cache.glob("caffe2-1.10.2/*.new")]
    return [path.name for path in cache.iterdir() if path.name not in good] + below


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def processes_that_name(text: str) -> list[int]:
    """The processes with ``text`` in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended
    return found


class Gate:
    """A compiler that waits for the test, and counts how often it was called."""

    def __init__(self, folder: Path) -> None:
        self.calls, self.pipe, self.program = folder / "calls", folder / "gate", folder / "slow-g++"
        os.mkfifo(self.pipe)
        self.program.write_text(
            f'#!/bin/sh\necho call >> {self.calls}\nread line < {self.pipe}\nexec g++ "$@"\n'
        )
        self.program.chmod(0o755)

    def wait(self) -> None:
        """Until an installer compiles."""
        wait_for(self.calls.exists)

    def open(self) -> None:
        self.pipe.write_text("go\n")


# ---- the program ---------------------------------------------------------------------------------


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_at_call(function: str, count: int) -> None:
    """Replace ``module.name`` by a function whose ``count``-th call is this process's last."""
    modules = {"os": os, "shutil": shutil, "_cache": _cache, "_install": _install}
    module, name = modules[function.partition(".")[0]], function.partition(".")[2]
    original = getattr(module, name)
    calls = itertools.count(1)

    def counted(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == count:
            _kill()
        return original(*args, **kwargs)

    setattr(module, name, counted)


def _main(folder: Path, command: str, kill_at: str) -> None:
    steps = itertools.count()

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        if str(next(steps)) == kill_at:
            _kill()

    function, _, count = kill_at.partition(" ")
    if count:
        _kill_at_call(function, int(count))
    if command == "uninstall":
        _install.uninstall(recipe(folder), say=say)
    elif command == "install":
        _install.install(recipe(folder), say=say)
    else:
        files = {"wheel": folder / WHEEL, "protobuf": folder / PROTOBUF}
        _install.install(recipe(folder), **files, say=say)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
