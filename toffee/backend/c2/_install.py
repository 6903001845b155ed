"""Install Caffe2's runtime into the user's cache folder, tell how it is, remove it.

The runtime is a folder, ``caffe2-1.10.2`` below :func:`cache_folder`::

    lib/             the four libraries of PyTorch 1.10.2's wheel that carry Caffe2 (440 MB)
    include/         the headers that the runner is compiled with (PyTorch's and protobuf's)
    licenses/        of PyTorch
    manifest.json    the version, and the size of every file above
    runner-KEY       runner.cc, built; KEY is a hash of the source and of how it is compiled

It appears in one rename, whole and on disk, or not at all. All that changes it holds a lock (a
file beside it), works in a sibling folder ``caffe2-1.10.2.tmp-*``, and first removes what a
killed process may have left there. As a runner is named after its source, another version of
toffee builds its own beside it, without a download and without taking this one's away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..._progress import Callback, Progress, is_terminal, of
from ...errors import BackendError
from . import _cache
from ._cache import cache_folder
from ._fetch import Package, Say, download, mega, run_child, unpack, verify

__all__ = [
    "RECIPE",
    "Recipe",
    "Status",
    "cache_folder",
    "install",
    "install_command",
    "library_folder",
    "runner_path",
    "say_line",
    "say_nothing",
    "status",
    "uninstall",
]

# Caffe2's headers want MKL's for this one type of CBLAS. Nothing that we compile calls CBLAS.
_MKL_CBLAS_H = """\
#pragma once
enum CBLAS_TRANSPOSE { CblasNoTrans = 111, CblasTrans = 112, CblasConjTrans = 113 };
"""

# PyTorch's wheel was built with C++14 and the old ABI of std::string. RPATH (not RUNPATH) goes
# before LD_LIBRARY_PATH, where today's libtorch may be.
_COMPILE = ("-O2", "-std=c++14", "-D_GLIBCXX_USE_CXX11_ABI=0", "-w", "-pthread")
_LINK = ("-Wl,-rpath,$ORIGIN/lib", "-Wl,--disable-new-dtags", "-Wl,--no-as-needed")
_LINK_LIBRARIES = ("-l:libtorch_cpu.so", "-l:libc10.so", "-Wl,--allow-shlib-undefined")

_INCLUDE = tuple(f"torch/include/{name}/" for name in ("ATen", "c10", "caffe2", "torch"))

#: Seconds for the runner to load its libraries and say that it works. They may come from a slow
#: disk: 440 MB at 5 MB/s.
_SELFTEST_SECONDS = 90.0

# Whether this process has asked the user already.
_asked = False


@dataclass(frozen=True)
class Recipe:
    """What a runtime is made of. Tests have their own; everybody else uses :data:`RECIPE`.

    ``unpacked`` is what the finished folder takes, in bytes.
    """

    version: str
    wheel: Package
    protobuf: Package
    libraries: tuple[str, ...]
    unpacked: int
    runner_source: Path

    @property
    def name(self) -> str:
        """Of the folder, and the beginning of the names beside it."""
        return f"caffe2-{self.version}"

    @property
    def folder(self) -> Path:
        """Where the runtime is, or would be."""
        return cache_folder() / self.name

    def runner(self) -> Path:
        """Where the runner built from today's source is, or would be."""
        recipe = json.dumps([_COMPILE, _LINK, _LINK_LIBRARIES, _MKL_CBLAS_H]).encode()
        source = self.runner_source.read_bytes()
        return self.folder / f"runner-{hashlib.sha256(recipe + b'|' + source).hexdigest()[:16]}"


RECIPE = Recipe(
    version="1.10.2",
    wheel=Package(
        name="torch",
        version="1.10.2",
        sha256="fbaf18c1b3e0b31af194a9d853e3739464cf982d279df9d34dd18f1c2a471878",
        bytes=881_937_953,
        argument="--wheel",
        options=("--only-binary=:all:", "--python-version=3.9", "--platform=manylinux1_x86_64"),
    ),
    # protobuf 3.13, which the headers of Caffe2 insist on, is in no wheel with its own headers.
    protobuf=Package(
        name="grpcio-tools",
        version="1.33.2",
        sha256="af40774c0275f5465f49fd92bfcd9831b19b013de4cc77b8fb38aea76fa6dce3",
        bytes=2_100_437,
        argument="--protobuf",
        is_source=True,
    ),
    libraries=(
        "libc10.so",
        "libcudart-80664282.so.10.2",
        "libgomp-a34b3233.so.1",
        "libtorch_cpu.so",
    ),
    unpacked=460_000_000,
    runner_source=Path(__file__).with_name("runner.cc"),
)


@dataclass(frozen=True)
class Status:
    """What there is of a runtime. ``ok`` where it can be used.

    ``faults`` are for people: what is wrong, one line each, none where ``ok``. ``operators`` is
    the runner's own count of Caffe2's CPU operators. ``bytes`` counts all files in ``folder``.
    """

    installed: bool
    folder: str
    version: str
    bytes: int = 0
    runner: str | None = None
    current: bool = False
    works: bool = False
    operators: int | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Installed, whole, and with a runner that works."""
        return self.works and not self.faults

    def asdict(self) -> dict[str, Any]:
        """All fields and ``ok``, as JSON has them."""
        return {"ok": self.ok, **asdict(self)}


def say_line(line: str) -> None:
    """Print a line about progress on stderr."""
    print(f"toffee: {line}", file=sys.stderr, flush=True)


def say_nothing(line: str) -> None:
    """Keep quiet."""
    del line


# ---- for the backend -----------------------------------------------------------------------------


def install_command() -> str:
    """The command that installs the runtime for this Python."""
    return f"{shlex.quote(sys.executable)} -m toffee.backend.c2 install"


def library_folder(recipe: Recipe = RECIPE) -> Path:
    """The folder with ``libtorch_cpu.so``. Raises BackendError where nothing is installed."""
    folder = recipe.folder / "lib"
    if not folder.is_dir():
        raise _missing(recipe)
    return folder


def runner_path(recipe: Recipe = RECIPE) -> Path:
    """The runner's program, ready to start.

    Where the runtime is there but the runner was built from another version's source, it is built
    first (seconds; a few lines on stderr if that is a terminal). Where the runtime is missing and a
    person sits at the terminal, they are asked once whether to install it now.

    Raises
    ------
    BackendError
        The runtime is missing (the message has the command that installs it), or the runner
        cannot be built.
    """
    try:
        path = recipe.runner()
        if os.access(path, os.X_OK):
            return path
        quiet = not is_terminal(sys.stderr)
        # A download is never begun without being asked for.
        if not path.parent.is_dir() or _damage(recipe):
            if not _offer(recipe):
                raise _missing(recipe)
            quiet = False
        install(recipe, progress=not quiet)
    except OSError as error:
        raise _cache.os_error(error) from error
    return path


def _missing(recipe: Recipe) -> BackendError:
    state = "damaged" if recipe.folder.is_dir() else "not installed"
    return BackendError(
        f"Caffe2's runtime is {state}: {install_command()} (downloads "
        f"{mega(recipe.wheel.bytes)}, keeps {mega(recipe.unpacked)} in {recipe.folder})"
    )


def _offer(recipe: Recipe) -> bool:
    """Ask, at most once, whether to install now. False where nobody can answer."""
    global _asked
    if _asked or not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return False
    _asked = True
    state = "damaged" if recipe.folder.is_dir() else "not installed"
    sys.stderr.write(
        f"Caffe2's runtime is {state}. Install it now ({mega(recipe.wheel.bytes)} to "
        f"download, {mega(recipe.unpacked)} in {recipe.folder})? [y/N] "
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


# ---- commands ------------------------------------------------------------------------------------


def status(recipe: Recipe = RECIPE) -> Status:
    """Look at what is installed and start the runner once to see that it works.

    Changes nothing, takes no lock, and calls whatever it cannot read a fault.
    """
    folder = recipe.folder
    result: dict[str, Any] = {"folder": str(folder), "version": recipe.version}
    if not folder.is_dir():
        return Status(installed=False, faults=["not installed"], **result)
    faults = _damage(recipe)
    try:
        result["bytes"] = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        runner = recipe.runner()
    except OSError as error:
        return Status(installed=True, faults=[*faults, str(_cache.os_error(error))], **result)
    if not os.access(runner, os.X_OK):
        faults.append("the runner is not built from this version's source")
    else:
        result.update(runner=str(runner), current=True)
        try:
            result["operators"] = _selftest(runner)
            result["works"] = True
        except BackendError as error:
            faults.append(str(error))
    return Status(installed=True, faults=faults, **result)


def install(
    recipe: Recipe = RECIPE,
    *,
    wheel: Path | None = None,
    protobuf: Path | None = None,
    say: Say = say_line,
    progress: bool | Callback = True,
) -> Status:
    """Make the runtime usable: download, unpack, build, try, and only then put it in place.

    Does what is missing: nothing where all is well, no download where only the runner is not
    current. Waits while another process installs.

    Parameters
    ----------
    recipe
        What to install.
    wheel, protobuf
        Copies of the two files that would be downloaded. They are read, checked and kept.
    say
        Is told each step before it begins.
    progress
        Show on stderr how much is downloaded, checked and unpacked. False: show nothing, and let
        ``say`` hear nothing either. A callable gets ``(stage, bytes, bytes in all)`` instead, up to
        ten times a second; what it raises ends the installation.

    Returns
    -------
    Status
        Of the runtime, which works.

    Raises
    ------
    BackendError
        It cannot be done: the platform, the files, the compiler, the disk, the network. What was
        there before is there still; nothing else is left behind.
    """
    _check_platform()
    say = say_nothing if progress is False else say
    shown = of(progress)
    try:
        with _cache.locked(recipe.name, say):
            now = status(recipe)
            if now.ok:
                say(f"Caffe2 {recipe.version} is installed in {now.folder}, and works")
                return now
            compiler = _find_compiler()
            for path in recipe.folder.glob("runner-*.new"):
                path.unlink()
            with _cache.scratch(recipe.name) as scratch:
                if now.installed and not _damage(recipe):
                    operators = _rebuild(recipe, compiler, scratch, say)
                else:
                    operators = _install_all(recipe, wheel, protobuf, compiler, scratch, say, shown)
            say(f"Caffe2 {recipe.version} works, with {operators} operators: {recipe.folder}")
            return status(recipe)
    except OSError as error:
        raise _cache.os_error(error) from error


def uninstall(recipe: Recipe = RECIPE, *, say: Say = say_line) -> bool:
    """Remove the runtime and all that belongs to it. Returns whether there was any.

    Waits while another process installs. A runner that runs keeps running.
    """
    if not cache_folder().is_dir():
        return False
    try:
        with _cache.locked(recipe.name, say) as lock:
            found = recipe.folder.is_dir()
            if found:
                with _cache.scratch(recipe.name) as scratch:
                    os.rename(recipe.folder, scratch / "old")
                    say(f"removing {recipe.folder}")
            lock.unlink()
        # Another version's runtime may be in there.
        with contextlib.suppress(OSError):
            cache_folder().rmdir()
        return found
    except OSError as error:
        raise _cache.os_error(error) from error


# ---- steps ---------------------------------------------------------------------------------------


def _check_platform() -> None:
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        raise BackendError(
            f"Caffe2's runtime exists for Linux on x86_64 only, and this is {system} on {machine}"
        )


def _find_compiler() -> list[str]:
    command = shlex.split(os.environ.get("CXX", "")) or ["g++"]
    if shutil.which(command[0]) is None:
        raise BackendError(
            f"{command[0]} is not on PATH, and Caffe2's runner is built with it: install a C++ "
            "compiler (Debian: apt-get install g++), or name one in CXX"
        )
    return command


def _check_space(recipe: Recipe, wheel: Path | None) -> None:
    needed = recipe.unpacked
    if wheel is None:
        # pip copies from its temporary folder, so that for a while the wheel is there twice.
        needed = recipe.wheel.bytes + max(recipe.wheel.bytes, recipe.unpacked)
    free = shutil.disk_usage(cache_folder()).free
    if free < needed:
        raise BackendError(
            f"{cache_folder()} has {mega(free)} of free space, and installing needs "
            f"{mega(needed)} ({mega(recipe.unpacked)} in the end); set TOFFEE_CACHE to a folder "
            "on another disk"
        )


def _install_all(
    recipe: Recipe,
    wheel: Path | None,
    protobuf: Path | None,
    compiler: list[str],
    scratch: Path,
    say: Say,
    progress: Progress,
) -> int:
    """From nothing to a runtime in place. Returns the number of operators."""
    _check_space(recipe, wheel)
    new = scratch / "new"
    include = new / "include"
    is_header = (".h", ".inc")

    def protobuf_member(name: str) -> str | None:
        _, found, path = name.partition("/third_party/protobuf/src/")
        return f"include/{path}" if found and name.endswith(is_header) else None

    def wheel_member(name: str) -> str | None:
        if name.startswith("torch/lib/") and name.removeprefix("torch/lib/") in recipe.libraries:
            return name.removeprefix("torch/")
        if name.startswith(_INCLUDE) and name.endswith(is_header):
            return name.removeprefix("torch/")
        if name.endswith((".dist-info/LICENSE", ".dist-info/NOTICE")):
            return f"licenses/{name.rpartition('/')[2]}"
        return None

    # The small one first: what is wrong with pip or the network shows before 882 MB are here.
    for package, given, member in (
        (recipe.protobuf, protobuf, protobuf_member),
        (recipe.wheel, wheel, wheel_member),
    ):
        path = given or download(package, scratch, say, progress)
        say(f"checking and unpacking {path.name}")
        verify(package, path, progress)
        count = unpack(path, member, new, progress)
        if given is None:
            path.unlink()
        if not count:
            raise BackendError(f"{path.name} has nothing of what it was downloaded for")
    for library in recipe.libraries:
        if not (new / "lib" / library).is_file():
            raise BackendError(f"the wheel has no torch/lib/{library}")

    files = [f for f in new.rglob("*") if f.is_file()]
    manifest = {
        "version": recipe.version,
        "files": {str(f.relative_to(new)): f.stat().st_size for f in files},
    }
    (new / "manifest.json").write_text(json.dumps(manifest))
    runner = new / recipe.runner().name
    operators = _build(recipe, compiler, include, new / "lib", runner, scratch, say)

    say("putting it in place")
    _cache.sync(new)
    if recipe.folder.exists():
        # Damaged, or we would not be here.
        os.rename(recipe.folder, scratch / "old")
    os.rename(new, recipe.folder)
    _cache.sync_names(recipe.folder.parent)
    return operators


def _rebuild(recipe: Recipe, compiler: list[str], scratch: Path, say: Say) -> int:
    """The runner alone, in a runtime that is there. Returns the number of operators."""
    runner = recipe.runner()
    # Beside its final place, so that it finds its libraries when it is tried.
    new = runner.with_suffix(".new")
    try:
        include, lib = recipe.folder / "include", recipe.folder / "lib"
        operators = _build(recipe, compiler, include, lib, new, scratch, say)
        _cache.sync(new)
        os.rename(new, runner)
        _cache.sync_names(recipe.folder)
        return operators
    finally:
        new.unlink(missing_ok=True)


def _build(
    recipe: Recipe,
    compiler: list[str],
    include: Path,
    lib: Path,
    runner: Path,
    scratch: Path,
    say: Say,
) -> int:
    """Compile the runner into ``runner`` and try it there. Returns the number of operators."""
    say(f"building {recipe.runner_source.name} with {compiler[0]}")
    stand_in = scratch / "mkl"
    stand_in.mkdir()
    (stand_in / "mkl_cblas.h").write_text(_MKL_CBLAS_H)
    argv = [*compiler, *_COMPILE, f"-I{include}", f"-I{stand_in}", str(recipe.runner_source)]
    argv += ["-o", str(runner), f"-L{lib}", *_LINK, *_LINK_LIBRARIES]
    log = scratch / "compiler.log"
    with log.open("wb") as file:
        env = {**os.environ, "TMPDIR": str(scratch), "LC_ALL": "C"}
        done = run_child(argv, stdout=file, stderr=file, env=env)
    if done.returncode:
        lines = log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "error" in line.lower()] or lines[-1:]
        why = errors[0] if errors else f"exit status {done.returncode}"
        raise BackendError(f"{compiler[0]} cannot build {recipe.runner_source}: {why.strip()}")
    say("trying it")
    return _selftest(runner)


def _selftest(runner: Path) -> int:
    """Start the runner once. Returns the number of operators; raises BackendError."""
    try:
        done = run_child(
            [str(runner), "--selftest"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=_SELFTEST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise BackendError(
            f"{runner} --selftest gave no answer in {_SELFTEST_SECONDS:.0f} s"
        ) from None
    words = done.stdout.decode(errors="replace").split()
    if done.returncode == 0 and len(words) == 2 and words[0] == "ok" and words[1].isdigit():
        return int(words[1])
    said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()[-1:]
    raise BackendError(
        f"{runner} --selftest failed with status {done.returncode}: {''.join(said) or 'no output'}"
    )


def _damage(recipe: Recipe) -> list[str]:
    """What is wrong with the files of an installed runtime, the runner aside: one line, or none.

    Compares sizes only: reading 440 MB at each look would take longer than the look is worth.
    """
    folder = recipe.folder
    try:
        files: dict[str, int] = json.loads((folder / "manifest.json").read_bytes())["files"]
        bad = [name for name, size in files.items() if _size(folder / name) != size]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        return [f"manifest.json cannot be read ({type(error).__name__})"]
    missing = [f"lib/{name}" for name in recipe.libraries if f"lib/{name}" not in files]
    bad += missing
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    return [f"missing, or of another size: {bad[0]}{more}"] if bad else []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
