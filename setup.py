"""Build the C extension: protoc-c on proto/*.proto, then csrc/**/*.c into toffee/_core; and put
libprotobuf-c into the wheel, so that nothing but NumPy is needed to use it.

Everything else about the package is in pyproject.toml.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
APT = {
    "cc": ("a C compiler", "gcc"),
    "protoc-c": ("protoc-c", "protobuf-c-compiler"),
    "protobuf-c/protobuf-c.h": ("the header protobuf-c/protobuf-c.h", "libprotobuf-c-dev"),
    "Python.h": ("the header Python.h", "python3-dev"),
}


def missing(key: str) -> SystemExit:
    """One line that names what is missing and the Debian package that has it."""
    what, package = APT[key]
    return SystemExit(f"toffee: {what} is missing; install it: apt-get install {package}")


class BuildCore(build_ext):
    """build_ext, with protoc-c before it, clear words when a tool is missing, and all cores."""

    def build_extensions(self) -> None:
        compiler = self.compiler.compiler[0]
        if shutil.which(compiler) is None:
            raise missing("cc")
        if shutil.which("protoc-c") is None:
            raise missing("protoc-c")
        generated = Path(self.build_temp) / "proto"
        extension = self.extensions[0]
        extension.include_dirs += [str(generated), *header_folders()]
        for header in ("Python.h", "protobuf-c/protobuf-c.h"):
            self.require(header, [*extension.include_dirs, *self.compiler.include_dirs])
        extension.sources += self.generate(generated)
        self.compile_in_parallel(extension)
        super().build_extensions()

    def require(self, header: str, folders: list[str]) -> None:
        """Stop with one line if the compiler cannot find HEADER."""
        command = [self.compiler.compiler[0], "-E", "-x", "c", "-"]
        command += [f"-I{folder}" for folder in folders]
        result = subprocess.run(
            command, input=f"#include <{header}>\n", text=True, capture_output=True
        )
        if result.returncode != 0:
            raise missing(header)

    def generate(self, folder: Path) -> list[str]:
        """Message structs from proto/*.proto; returns the sources."""
        folder.mkdir(parents=True, exist_ok=True)
        sources = []
        for proto in sorted((ROOT / "proto").glob("*.proto")):
            made = folder / f"{proto.stem}.pb-c.c"
            if not made.exists() or made.stat().st_mtime < proto.stat().st_mtime:
                subprocess.run(
                    ["protoc-c", f"-I{proto.parent}", f"--c_out={folder}", str(proto)], check=True
                )
            sources.append(str(made))
        return sources

    def compile_in_parallel(self, extension: Extension) -> None:
        """Have the compiler object compile its list of files on all cores."""
        compile_one = self.compiler._compile
        jobs = []

        def collect(obj: str, src: str, *rest: object) -> None:
            """Note a file for later; skip one that is newer than its source and all headers."""
            if Path(obj).exists() and Path(obj).stat().st_mtime > max(newest, mtime(src)):
                return
            jobs.append((obj, src, *rest))

        def mtime(path: str) -> float:
            return Path(path).stat().st_mtime

        newest = max(path.stat().st_mtime for path in (ROOT / "csrc").rglob("*.h"))
        link = self.compiler.link_shared_object

        def compile_then_link(*args: object, **kwargs: object) -> object:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(lambda job: compile_one(*job), jobs))
            return link(*args, **kwargs)

        self.compiler._compile = collect
        self.compiler.link_shared_object = compile_then_link


class BundledWheel(bdist_wheel):
    """bdist_wheel, then auditwheel: libprotobuf-c goes into the wheel, under a name of its own.

    auditwheel also works out the oldest glibc that will do, and names the wheel after it. Without
    auditwheel and patchelf (they are build requirements, but `--no-build-isolation` brings none)
    the wheel stays as it is, and needs libprotobuf-c where it is used; so it does with
    TOFFEE_BUNDLE=0, for Linux distributions.
    """

    def run(self) -> None:
        super().run()
        if os.environ.get("TOFFEE_BUNDLE") == "0" or os.environ.get("TOFFEE_SANITIZE"):
            return
        if not sys.platform.startswith("linux"):
            return
        kind, version, made = self.distribution.dist_files.pop()
        repaired = self.repair(Path(made))
        self.distribution.dist_files.append((kind, version, str(repaired)))

    def repair(self, wheel: Path) -> Path:
        """Replaces WHEEL by one with its libraries, or says why it stays; returns what is there."""
        if importlib.util.find_spec("auditwheel") is None or shutil.which("patchelf") is None:
            self.warn("auditwheel or patchelf is missing: the wheel will need libprotobuf-c.so.1")
            return wheel
        with tempfile.TemporaryDirectory(dir=wheel.parent) as folder:
            command = [sys.executable, "-m", "auditwheel", "repair", f"--wheel-dir={folder}"]
            done = subprocess.run([*command, str(wheel)], text=True, capture_output=True)
            made = list(Path(folder).glob("*.whl"))
            if done.returncode != 0 or len(made) != 1:
                self.warn(f"the wheel will need libprotobuf-c.so.1: auditwheel:\n{done.stderr}")
                return wheel
            wheel.unlink()
            return made[0].rename(wheel.parent / made[0].name)


def header_folders() -> list[str]:
    """Where NumPy and apache-tvm-ffi, which carries dlpack.h, keep their headers."""
    import numpy
    import tvm_ffi

    return [numpy.get_include(), str(Path(tvm_ffi.__file__).parent / "include")]


def compile_flags() -> list[str]:
    """TOFFEE_WERROR=1: warnings are errors (CI). TOFFEE_SANITIZE=address,undefined: sanitizers."""
    flags = ["-std=gnu11", "-O2", "-g1", "-fvisibility=hidden", "-Wall", "-Wextra"]
    if os.environ.get("TOFFEE_WERROR"):
        flags.append("-Werror")
    if sanitizers := os.environ.get("TOFFEE_SANITIZE"):
        flags += [f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-O1"]
    return flags


def link_flags() -> list[str]:
    sanitizers = os.environ.get("TOFFEE_SANITIZE")
    return [f"-fsanitize={sanitizers}"] if sanitizers else []


if sys.byteorder != "little":
    raise SystemExit("toffee: tensors are written as they are in memory, little-endian only")

setup(
    ext_modules=[
        Extension(
            "toffee._core",
            sources=[str(path.relative_to(ROOT)) for path in sorted((ROOT / "csrc").rglob("*.c"))],
            include_dirs=["csrc"],
            libraries=["protobuf-c", "pthread"],
            extra_compile_args=compile_flags(),
            extra_link_args=link_flags(),
        )
    ],
    cmdclass={"bdist_wheel": BundledWheel, "build_ext": BuildCore},
)
