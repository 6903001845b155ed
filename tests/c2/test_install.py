"""The real runtime, which ``make test-c2`` has installed: what is in it, and that it can be built.

These tests never change the installed one: they build in copies that share its files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from toffee import BackendError
from toffee.backend.c2 import _install

# The libraries have not changed since January 2022, and will not.
OPERATORS = 911


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime of this test's own: hard links to the installed one's files, or copies."""
    folder = tmp_path / _install.RECIPE.name

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    shutil.copytree(_install.RECIPE.folder, folder, copy_function=link)
    monkeypatch.setenv("TOFFEE_CACHE", str(tmp_path))
    return folder


def test_status_finds_nothing_wrong() -> None:
    argv = [sys.executable, "-m", "toffee.backend.c2", "status", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    status = json.loads(done.stdout)
    assert status["ok"] and status["operators"] == OPERATORS and status["faults"] == []
    runners = sum(path.stat().st_size for path in _install.RECIPE.folder.glob("runner-*"))
    assert abs(status["bytes"] - runners - _install.RECIPE.unpacked) < 5_000_000


def test_the_libraries_are_those_of_the_wheel_and_no_others() -> None:
    found = sorted(path.name for path in _install.library_folder().iterdir())
    assert found == sorted(_install.RECIPE.libraries)


def test_a_build_from_the_installed_headers_works_and_needs_no_download(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for old in copy.glob("runner-*"):
        old.unlink()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert not _install.status().current
    runner = _install.runner_path()
    assert runner.parent == copy
    assert _install.status().operators == OPERATORS


def test_the_runner_takes_its_own_libraries_whatever_the_environment_says(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("libtorch_cpu.so", "libc10.so"):
        (tmp_path / name).write_text("of another PyTorch")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert _install.status().ok


def test_a_library_cut_short_is_found(copy: Path) -> None:
    library = copy / "lib" / "libc10.so"
    data = library.read_bytes()
    library.unlink()  # the installed one shares the bytes
    library.write_bytes(data[: len(data) // 2])
    status = _install.status()
    assert not status.ok
    assert "lib/libc10.so" in status.faults[0]


def test_uninstalling_a_copy_leaves_the_installed_one(copy: Path) -> None:
    assert _install.uninstall(say=_install.say_nothing)
    assert not copy.exists()
    with pytest.raises(BackendError, match="not installed"):
        _install.runner_path()
