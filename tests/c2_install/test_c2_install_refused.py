"""Runtimes that cannot be installed: clear errors, and nothing left behind."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_caffe2
import pytest
from fake_caffe2 import PATIENCE, left_over, processes_that_name

from toffee import BackendError
from toffee.backend.c2 import _install


def test_a_file_with_another_hash_is_not_unpacked(
    install: Callable[..., _install.Status],
    recipe: _install.Recipe,
    packages: Path,
    tmp_path: Path,
    cache: Path,
) -> None:
    data = bytearray((packages / fake_caffe2.WHEEL).read_bytes())
    data[len(data) // 2] ^= 1
    wheel = tmp_path / fake_caffe2.WHEEL
    wheel.write_bytes(data)
    with pytest.raises(BackendError, match=f"not {recipe.wheel.sha256}; nothing was installed"):
        install(wheel=wheel)
    assert not _install.status(recipe).installed
    assert left_over(cache) == []


def test_a_download_with_another_hash_is_not_unpacked(
    install: Callable[..., _install.Status],
    recipe: _install.Recipe,
    packages: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    wanted = dataclasses.replace(recipe.wheel, sha256="0" * 64)
    message = f"sha256 is {recipe.wheel.sha256}, not {'0' * 64}; nothing was installed"
    with pytest.raises(BackendError, match=message):
        _install.install(
            dataclasses.replace(recipe, wheel=wanted),
            protobuf=packages / fake_caffe2.PROTOBUF,
            say=_install.say_nothing,
        )
    assert not _install.status(recipe).installed
    assert left_over(cache) == []


def test_without_a_network_the_error_names_the_other_way(
    install: Callable[..., _install.Status], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(BackendError) as caught:
        install(wheel=None)
    text = str(caught.value)
    assert text.startswith("pip could not download torch==1.10.2: ") and "\n" not in text
    assert "the index does not answer" in text and "Connection refused" in text
    assert "--wheel FILE" in text
    assert left_over(cache) == []


def test_without_pip_the_error_says_how_to_get_it(
    install: Callable[..., _install.Status],
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    with pytest.raises(BackendError, match="which this Python does not have: .* -m ensurepip"):
        install(wheel=None)
    assert left_over(cache) == []


def test_without_a_compiler_nothing_is_downloaded(
    install: Callable[..., _install.Status],
    cache: Path,
    tmp_path: Path,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match=r"g\+\+ is not on PATH.*apt-get install g\+\+"):
        install()
    assert lines == [] and left_over(cache) == []
    monkeypatch.setenv("CXX", "ccache my-compiler")
    with pytest.raises(BackendError, match="ccache is not on PATH"):
        install()


def test_another_platform_is_refused(
    install: Callable[..., _install.Status], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(BackendError, match="Linux on x86_64 only, and this is Linux on aarch64"):
        install()
    assert not cache.exists()


def test_a_disk_without_enough_space_is_refused_before_anything_is_written(
    recipe: _install.Recipe,
    install: Callable[..., _install.Status],
    cache: Path,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 1_500_000))
    with pytest.raises(BackendError, match="has 2 MB of free space, and installing needs 2 MB"):
        install()
    # The real one, with its download: twice the wheel.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 1_700_000_000))
    with pytest.raises(BackendError, match="has 1700 MB of free .* needs 1764 MB .460 MB in the"):
        _install.install(say=lines.append)
    assert lines == [] and left_over(cache) == []


def test_a_disk_that_fills_up_leaves_nothing(
    packages: Path, recipe: _install.Recipe, cache: Path
) -> None:
    # A limit on the size of files stands for the full disk: the write in the middle fails.
    program = (
        "import resource, sys, fake_caffe2\n"
        "from toffee import BackendError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
        "from pathlib import Path\n"
        "try:\n"
        "    fake_caffe2._main(Path(sys.argv[1]), 'install-from-files', '')\n"
        "except BackendError as error:\n"
        "    sys.exit(f'error: {error}')\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    argv = [sys.executable, "-c", program, str(packages)]
    done = subprocess.run(argv, env=env, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ") and os.strerror(errno.EFBIG) in last
    assert "nothing was installed. Make room" in last
    assert not _install.status(recipe).installed
    assert left_over(cache) == []


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that nobody can write to, root included: root becomes somebody else meanwhile."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.rmdir()


def test_a_read_only_cache_folder_is_named_in_the_error(
    install: Callable[..., _install.Status],
    recipe: _install.Recipe,
    read_only: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOFFEE_CACHE", str(read_only / "cache"))
    with pytest.raises(BackendError) as caught:
        install()
    assert str(caught.value) == (
        f"{read_only / 'cache'}: Permission denied; set TOFFEE_CACHE to a folder that can be "
        "written"
    )
    monkeypatch.setenv("TOFFEE_CACHE", str(read_only))
    with pytest.raises(BackendError, match="Permission denied; set TOFFEE_CACHE"):
        install()
    with pytest.raises(BackendError, match="Permission denied; set TOFFEE_CACHE"):
        _install.uninstall(recipe, say=_install.say_nothing)
    assert _install.status(recipe).faults == ["not installed"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("int main() { return 3; }", "failed with status 3: no output"),
        ("#include <cstdlib>\nint main() { std::abort(); }", "failed with status -6: no output"),
        ('#include <cstdio>\nint main() { puts("ok many"); }', "failed with status 0: ok many"),
        ("#include <unistd.h>\nint main() { pause(); }", "gave no answer in 1 s"),
    ],
)
def test_a_runner_that_does_not_work_is_not_installed(
    install: Callable[..., _install.Status],
    recipe: _install.Recipe,
    packages: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    message: str,
) -> None:
    if "pause" in body:
        monkeypatch.setattr(_install, "_SELFTEST_SECONDS", 1.0)
    source = tmp_path / "runner.cc"
    source.write_text(body)
    files = {"wheel": packages / fake_caffe2.WHEEL, "protobuf": packages / fake_caffe2.PROTOBUF}
    with pytest.raises(BackendError, match=message):
        _install.install(
            dataclasses.replace(recipe, runner_source=source), **files, say=_install.say_nothing
        )
    assert not _install.status(recipe).installed
    assert left_over(cache) == []
    assert not processes_that_name(f"{cache}/")


def with_wheel(recipe: _install.Recipe, wheel: Path) -> _install.Recipe:
    """The recipe with the hash of that file."""
    known = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return dataclasses.replace(recipe, wheel=dataclasses.replace(recipe.wheel, sha256=known))


def test_an_archive_cannot_write_outside_of_its_folder(
    recipe: _install.Recipe, packages: Path, tmp_path: Path, cache: Path
) -> None:
    wheel = tmp_path / "bad.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("torch/include/caffe2/../../../../../evil.h", "")
    with pytest.raises(BackendError, match="a member outside of its own folder"):
        _install.install(
            with_wheel(recipe, wheel),
            wheel=wheel,
            protobuf=packages / fake_caffe2.PROTOBUF,
            say=_install.say_nothing,
        )
    assert not list(tmp_path.rglob("evil.h"))
    assert left_over(cache) == []


def test_a_wheel_without_the_libraries_is_not_installed(
    recipe: _install.Recipe, packages: Path, tmp_path: Path, cache: Path
) -> None:
    wheel = tmp_path / "empty.tar.gz"
    with tarfile.open(wheel, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("torch/include/caffe2/a.h"), io.BytesIO())
    with pytest.raises(BackendError, match="the wheel has no torch/lib/libc10.so"):
        _install.install(
            with_wheel(recipe, wheel),
            wheel=wheel,
            protobuf=packages / fake_caffe2.PROTOBUF,
            say=_install.say_nothing,
        )
    assert left_over(cache) == []
