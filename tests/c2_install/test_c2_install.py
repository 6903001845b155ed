"""Installing Caffe2's runtime, with packages of a few kilobytes and without a network."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fake_caffe2
import pytest
from fake_caffe2 import PATIENCE, left_over

from toffee import BackendError
from toffee.backend.c2 import __main__ as command_line
from toffee.backend.c2 import _cache, _install

# ---- what an install leaves ----------------------------------------------------------------------


def test_install_puts_libraries_headers_licenses_and_a_runner_in_place(
    install: Callable[..., _install.Status], recipe: _install.Recipe, cache: Path, packages: Path
) -> None:
    status = install()
    assert status.ok and status.operators == 3 and status.faults == []
    folder = cache / "caffe2-1.10.2"
    files = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())
    assert files == [
        "include/caffe2/core/operators.h",
        "include/google/protobuf/message.h",
        "include/google/protobuf/port_def.inc",
        "lib/libc10.so",
        "lib/libgomp.so.1",
        "lib/libtorch_cpu.so",
        "licenses/LICENSE",
        "manifest.json",
        recipe.runner().name,
    ]
    assert status.bytes == sum((folder / name).stat().st_size for name in files)
    assert _install.runner_path(recipe) == folder / recipe.runner().name
    assert _install.library_folder(recipe) == folder / "lib"
    assert left_over(cache) == []
    assert (packages / fake_caffe2.WHEEL).exists() and (packages / fake_caffe2.PROTOBUF).exists()


def test_install_downloads_with_pip_and_runs_nothing_of_what_it_downloads(
    spawn: Callable[..., subprocess.Popen[str]],
    recipe: _install.Recipe,
    packages: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    child = spawn("install")
    _, said = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, said
    assert _install.status(recipe).ok
    assert not (tmp_path / "setup.py ran").exists()
    assert left_over(cache) == []


def test_a_program_hears_how_much_is_downloaded_checked_and_unpacked(
    install: Callable[..., _install.Status],
    packages: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    heard: list[tuple[str, int, int]] = []
    assert install(wheel=None, progress=lambda *row: heard.append(row)).ok
    stages = list(dict.fromkeys(stage for stage, _, _ in heard))
    protobuf, wheel = fake_caffe2.PROTOBUF, fake_caffe2.WHEEL
    assert stages == [
        "checking grpcio-tools",
        f"unpacking {protobuf}",
        "downloading torch",
        "checking torch",
        f"unpacking {wheel}",
    ]
    size = (packages / wheel).stat().st_size
    assert ("checking torch", size, size) in heard
    done, total = [row[1:] for row in heard if row[0] == f"unpacking {wheel}"][-1]
    folders = [cache / "caffe2-1.10.2" / name for name in ("lib", "licenses")]
    kept = sum(f.stat().st_size for folder in folders for f in folder.iterdir())
    kept += (cache / "caffe2-1.10.2/include/caffe2/core/operators.h").stat().st_size
    assert done == total == kept


@pytest.mark.parametrize("stage", ["checking torch", "unpacking"])
def test_what_the_callback_raises_ends_the_installation_and_leaves_nothing(
    install: Callable[..., _install.Status], cache: Path, stage: str
) -> None:
    def callback(name: str, done: int, total: int) -> None:
        if name.startswith(stage) and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(progress=callback)
    assert not (cache / "caffe2-1.10.2").exists() and left_over(cache) == []


def test_without_progress_nobody_hears_anything(
    install: Callable[..., _install.Status], lines: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert install(progress=False).ok
    assert lines == [] and capfd.readouterr() == ("", "")


def test_a_second_install_changes_nothing(
    install: Callable[..., _install.Status], recipe: _install.Recipe, lines: list[str]
) -> None:
    first = install()
    before = recipe.runner().stat()
    del lines[:]
    assert install(wheel=None, protobuf=None) == first
    assert lines == [f"Caffe2 1.10.2 is installed in {recipe.folder}, and works"]
    assert recipe.runner().stat().st_ino == before.st_ino


def test_a_runtime_can_be_moved(
    install: Callable[..., _install.Status],
    recipe: _install.Recipe,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install()
    monkeypatch.setenv("TOFFEE_CACHE", str(cache.rename(cache.with_name("elsewhere"))))
    assert _install.status(recipe).ok


def test_the_runner_finds_its_own_libraries_before_those_of_the_environment(
    install: Callable[..., _install.Status],
    recipe: _install.Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "libtorch_cpu.so").write_text("another PyTorch's")
    (tmp_path / "libc10.so").write_text("another PyTorch's")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert install().ok


def test_a_changed_source_rebuilds_the_runner_alone_and_keeps_the_other_version_s(
    install: Callable[..., _install.Status],
    recipe: _install.Recipe,
    tmp_path: Path,
    lines: list[str],
) -> None:
    install()
    library = (recipe.folder / "lib" / "libtorch_cpu.so").stat()
    source = tmp_path / "runner.cc"
    source.write_text(fake_caffe2.RUNNER + "// changed\n")
    changed = dataclasses.replace(recipe, runner_source=source)
    status = _install.status(changed)
    assert status.installed and not status.current and not status.ok
    assert status.faults == ["the runner is not built from this version's source"]
    del lines[:]
    # pip would find nothing: this needs no download.
    assert _install.install(changed, say=lines.append).ok
    assert lines[:2] == ["building runner.cc with g++", "trying it"]
    assert changed.runner() != recipe.runner()
    assert _install.status(recipe).ok and _install.status(changed).ok
    assert (recipe.folder / "lib" / "libtorch_cpu.so").stat().st_ino == library.st_ino


def test_a_rebuild_killed_before_it_is_in_place_is_done_again(
    install: Callable[..., _install.Status],
    spawn: Callable[..., subprocess.Popen[str]],
    recipe: _install.Recipe,
    cache: Path,
) -> None:
    install()
    good = recipe.runner()
    good.unlink()
    child = spawn("install", "os.rename 1")
    child.communicate(timeout=PATIENCE)
    assert child.returncode == -signal.SIGKILL
    assert left_over(cache)
    assert not good.exists()
    assert _install.runner_path(recipe) == good
    assert left_over(cache) == []


def test_runner_path_rebuilds_a_runner_that_is_not_current(
    install: Callable[..., _install.Status], recipe: _install.Recipe, tmp_path: Path
) -> None:
    install()
    source = tmp_path / "runner.cc"
    source.write_text(fake_caffe2.RUNNER + "// changed\n")
    path = _install.runner_path(dataclasses.replace(recipe, runner_source=source))
    assert subprocess.run([path, "--selftest"], stdout=subprocess.PIPE).stdout == b"ok 3\n"
    assert path != recipe.runner()


def test_a_changed_source_that_does_not_compile_leaves_what_there_was(
    install: Callable[..., _install.Status],
    recipe: _install.Recipe,
    tmp_path: Path,
    cache: Path,
) -> None:
    install()
    source = tmp_path / "runner.cc"
    source.write_text('#include "not/there.h"\n')
    changed = dataclasses.replace(recipe, runner_source=source)
    with pytest.raises(BackendError, match=r"g\+\+ cannot build .*runner.cc.*not/there.h"):
        _install.runner_path(changed)
    assert _install.status(recipe).ok
    assert left_over(cache) == []


@pytest.mark.parametrize("name", ["lib/libgomp.so.1", "lib/libtorch_cpu.so", "manifest.json"])
def test_a_damaged_runtime_is_reported_and_replaced(
    install: Callable[..., _install.Status], recipe: _install.Recipe, cache: Path, name: str
) -> None:
    install()
    os.truncate(recipe.folder / name, 5)
    status = _install.status(recipe)
    assert status.installed and not status.ok
    assert name in status.faults[0]
    assert install().ok
    assert left_over(cache) == []


def test_a_missing_file_is_reported(
    install: Callable[..., _install.Status], recipe: _install.Recipe
) -> None:
    install()
    (recipe.folder / "include" / "google" / "protobuf" / "message.h").unlink()
    fault = "missing, or of another size: include/google/protobuf/message.h"
    assert _install.status(recipe).faults == [fault]
    (recipe.folder / "lib" / "libgomp.so.1").unlink()
    assert "and 1 more" in _install.status(recipe).faults[0]


# ---- removal and status --------------------------------------------------------------------------


def test_uninstall_removes_everything_of_ours_and_nothing_else(
    install: Callable[..., _install.Status], recipe: _install.Recipe, cache: Path
) -> None:
    install()
    assert _install.uninstall(recipe, say=_install.say_nothing)
    assert not cache.exists()
    assert not _install.uninstall(recipe, say=_install.say_nothing)
    install()
    (cache / "somebody else's").touch()
    assert _install.uninstall(recipe, say=_install.say_nothing)
    assert [path.name for path in cache.iterdir()] == ["somebody else's"]


def test_status_of_nothing_says_so_and_creates_nothing(
    recipe: _install.Recipe, cache: Path
) -> None:
    status = _install.status(recipe)
    assert not status.installed and not status.ok
    assert status.faults == ["not installed"]
    assert not cache.exists()


def test_the_command_line_installs_shows_and_removes(
    recipe: _install.Recipe,
    packages: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(_install, "RECIPE", recipe)
    files = ["--wheel", str(packages / fake_caffe2.WHEEL)]
    files += ["--protobuf", str(packages / fake_caffe2.PROTOBUF)]

    assert command_line.main(["status"]) == 1
    out, err = capfd.readouterr()
    assert "not installed" in out and "-m toffee.backend.c2 install" in out and not err

    assert command_line.main(["install", "--quiet", *files]) == 0
    assert capfd.readouterr() == ("", "")
    assert command_line.main(["install", *files]) == 0
    out, err = capfd.readouterr()
    assert not out and err == f"toffee: Caffe2 1.10.2 is installed in {recipe.folder}, and works\n"

    assert command_line.main(["status"]) == 0
    out, err = capfd.readouterr()
    assert "works" in out and "operators  3" in out and str(recipe.runner()) in out and not err
    assert command_line.main(["status", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert shown == _install.status(recipe).asdict()
    assert shown["ok"] is True and shown["operators"] == 3

    assert command_line.main(["uninstall"]) == 0
    assert command_line.main(["uninstall"]) == 0
    assert "nothing is installed" in capfd.readouterr().err
    assert command_line.main(["status", "--json"]) == 1
    assert json.loads(capfd.readouterr().out)["installed"] is False
    assert not cache.exists()


def test_the_command_line_prints_one_line_and_no_traceback_for_an_error(
    tmp_path: Path, recipe: _install.Recipe
) -> None:
    argv = [sys.executable, "-m", "toffee.backend.c2", "install", "--protobuf", "/not/there"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "toffee: /not/there: No such file or directory"
    assert "Traceback" not in done.stderr


def test_the_command_line_ends_with_130_when_interrupted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_install, "install", interrupted)
    assert command_line.main(["install"]) == 130
    assert capfd.readouterr().err == "toffee: interrupted; nothing was installed\n"


# ---- where it is missing -------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_missing_runtime_is_an_error_with_the_command_that_installs_it(
    recipe: _install.Recipe, cache: Path
) -> None:
    for function in (_install.runner_path, _install.library_folder):
        with pytest.raises(BackendError) as caught:
            function(recipe)
        assert f"{sys.executable} -m toffee.backend.c2 install (downloads" in str(caught.value)
        assert str(cache) in str(caught.value)
    assert not cache.exists()


def test_a_damaged_runtime_is_not_downloaded_again_without_asking(
    install: Callable[..., _install.Status],
    recipe: _install.Recipe,
    packages: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install()
    recipe.runner().unlink()
    os.truncate(recipe.folder / "lib" / "libc10.so", 5)
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    with pytest.raises(BackendError, match="Caffe2's runtime is damaged: .*c2 install"):
        _install.runner_path(recipe)
    assert not recipe.runner().exists()


def test_who_says_no_at_a_terminal_is_asked_once(
    recipe: _install.Recipe, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, screen = Terminal("n\ny\n"), Terminal()
    monkeypatch.setattr(sys, "stdin", answers)
    monkeypatch.setattr(sys, "stderr", screen)
    for _ in range(2):
        with pytest.raises(BackendError, match="Caffe2's runtime is not installed"):
            _install.runner_path(recipe)
    assert screen.getvalue().count("[y/N]") == 1
    assert answers.read() == "y\n"
    assert not cache.exists()


def test_who_says_yes_at_a_terminal_gets_the_runtime(
    recipe: _install.Recipe, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    monkeypatch.setattr(sys, "stderr", screen)
    assert _install.runner_path(recipe) == recipe.runner()
    assert "Install it now" in screen.getvalue() and "building runner.cc" in screen.getvalue()
    assert _install.status(recipe).ok


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [
        ("/own", "/xdg", "/own"),
        ("", "/xdg", "/xdg/toffee"),
        ("", "", "/home/me/.cache/toffee"),
        ("", "not/absolute", "/home/me/.cache/toffee"),
    ],
)
def test_the_cache_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, own: str, xdg: str, expected: str
) -> None:
    monkeypatch.setenv("TOFFEE_CACHE", own)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", "/home/me")
    assert _cache.cache_folder() == Path(expected)
