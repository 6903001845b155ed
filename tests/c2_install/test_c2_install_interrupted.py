"""Installers that are killed, and several at once."""

from __future__ import annotations

import fcntl
import http.server
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import fake_caffe2
import pytest
from fake_caffe2 import PATIENCE, Gate, left_over, processes_that_name, wait_for

from toffee.backend.c2 import _cache, _install

# ---- interruptions -------------------------------------------------------------------------------

STEPS = 6  # lines that an install from files says
CALLS = ("_install.verify 2", "shutil.copyfileobj 2", "shutil.copyfileobj 5")
CALLS += ("_install._selftest 1", "_cache.sync 1", "os.rename 1", "_cache.sync_names 1")


@pytest.mark.parametrize("step", [*range(STEPS), *CALLS])
def test_an_install_killed_at_any_step_leaves_all_or_nothing_and_the_next_one_works(
    install: Callable[..., _install.Status],
    spawn: Callable[..., subprocess.Popen[str]],
    recipe: _install.Recipe,
    cache: Path,
    step: object,
) -> None:
    child = spawn("install-from-files", step)
    _, said = child.communicate(timeout=PATIENCE)
    assert child.returncode == -signal.SIGKILL, said
    status = _install.status(recipe)
    in_place = step in ("_cache.sync_names 1", STEPS - 1)
    assert status.installed == status.ok == in_place
    assert install().ok
    assert left_over(cache) == []


def test_the_steps_are_as_many_as_the_test_above_kills(
    install: Callable[..., _install.Status], lines: list[str]
) -> None:
    install()
    assert len(lines) == STEPS


@pytest.mark.parametrize("step", ["os.rename 1", "os.rename 2", "_cache.sync_names 1"])
def test_a_repair_killed_at_any_step_leaves_the_next_one_to_work(
    install: Callable[..., _install.Status],
    spawn: Callable[..., subprocess.Popen[str]],
    recipe: _install.Recipe,
    cache: Path,
    step: str,
) -> None:
    install()
    os.truncate(recipe.folder / "lib" / "libc10.so", 5)
    child = spawn("install-from-files", step)
    child.communicate(timeout=PATIENCE)
    assert child.returncode == -signal.SIGKILL
    assert _install.status(recipe).installed == (step != "os.rename 2")
    assert install().ok
    assert left_over(cache) == []


@pytest.mark.parametrize("step", [0, "os.rename 1", "shutil.rmtree 1"])
def test_an_uninstall_killed_is_finished_by_the_next(
    install: Callable[..., _install.Status],
    spawn: Callable[..., subprocess.Popen[str]],
    recipe: _install.Recipe,
    cache: Path,
    step: object,
) -> None:
    install()
    child = spawn("uninstall", step)
    child.communicate(timeout=PATIENCE)
    assert child.returncode == -signal.SIGKILL
    assert _install.status(recipe).installed == _install.status(recipe).ok
    _install.uninstall(recipe, say=_install.say_nothing)
    assert not cache.exists()


def test_a_compiler_does_not_outlive_an_installer_that_is_killed(
    spawn: Callable[..., subprocess.Popen[str]],
    install: Callable[..., _install.Status],
    gate: Gate,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = spawn("install-from-files")
    gate.wait()
    assert processes_that_name(str(gate.program))
    child.kill()
    child.communicate(timeout=PATIENCE)
    wait_for(lambda: not processes_that_name(str(gate.program)))
    assert left_over(cache)
    monkeypatch.delenv("CXX")
    assert install().ok
    assert left_over(cache) == []


def test_ctrl_c_leaves_nothing(
    spawn: Callable[..., subprocess.Popen[str]], recipe: _install.Recipe, gate: Gate, cache: Path
) -> None:
    child = spawn("install-from-files")
    gate.wait()
    os.killpg(child.pid, signal.SIGINT)
    _, said = child.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in said
    assert not _install.status(recipe).installed
    assert left_over(cache) == []


class SlowIndex(http.server.BaseHTTPRequestHandler):
    """A package index that sends the first half of a wheel and then nothing."""

    wheel = b""
    stuck = threading.Event()
    over = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path == "/simple/torch/":
            body = f'<a href="/{fake_caffe2.WHEEL}">{fake_caffe2.WHEEL}</a>'.encode()
            self.send_header("Content-Type", "text/html")
        else:
            body = self.wheel
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body is self.wheel:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.stuck.set()
            self.over.wait(PATIENCE)
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


def test_pip_does_not_outlive_an_installer_that_is_killed_in_the_middle_of_a_download(
    spawn: Callable[..., subprocess.Popen[str]],
    install: Callable[..., _install.Status],
    packages: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    SlowIndex.wheel = (packages / fake_caffe2.WHEEL).read_bytes()
    links = tmp_path / "links"
    links.mkdir()
    shutil.copy(packages / fake_caffe2.PROTOBUF, links)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowIndex) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("PIP_FIND_LINKS", str(links))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        child = spawn("install")
        wait_for(lambda: SlowIndex.stuck.is_set() or child.poll() is not None)
        assert SlowIndex.stuck.is_set(), child.communicate()
        assert processes_that_name(f"{cache}/caffe2-1.10.2.tmp-")
        child.kill()
        child.communicate(timeout=PATIENCE)
        wait_for(lambda: not processes_that_name(f"{cache}/caffe2-1.10.2.tmp-"))
        SlowIndex.over.set()
        server.shutdown()
    assert install().ok
    assert left_over(cache) == []


# ---- several processes ---------------------------------------------------------------------------


def test_a_second_installer_says_that_it_waits_and_then_finds_the_work_done(
    spawn: Callable[..., subprocess.Popen[str]], recipe: _install.Recipe, gate: Gate, cache: Path
) -> None:
    first = spawn("install-from-files")
    gate.wait()
    second = spawn("install-from-files")
    assert second.stderr is not None
    waits = second.stderr.readline()
    assert waits == f"another process is at work in {cache}; waiting for it\n"
    assert second.poll() is None
    gate.open()
    _, first_said = first.communicate(timeout=PATIENCE)
    _, second_said = second.communicate(timeout=PATIENCE)
    assert first.returncode == second.returncode == 0
    assert "building runner.cc" in first_said
    assert second_said == f"Caffe2 1.10.2 is installed in {recipe.folder}, and works\n"
    assert gate.calls.read_text() == "call\n"
    assert left_over(cache) == []


def test_a_second_installer_takes_over_from_one_that_is_killed(
    spawn: Callable[..., subprocess.Popen[str]], recipe: _install.Recipe, gate: Gate, cache: Path
) -> None:
    first = spawn("install-from-files")
    gate.wait()
    second = spawn("install-from-files")
    assert second.stderr is not None and "waiting" in second.stderr.readline()
    first.kill()
    wait_for(lambda: gate.calls.read_text() == "call\ncall\n")
    gate.open()
    second.communicate(timeout=PATIENCE)
    assert second.returncode == 0 and _install.status(recipe).ok
    assert left_over(cache) == []


def test_who_waited_for_an_uninstall_locks_out_others_afterwards(
    spawn: Callable[..., subprocess.Popen[str]], recipe: _install.Recipe, gate: Gate, cache: Path
) -> None:
    with _cache.locked(recipe.name, _install.say_nothing) as lock:
        child = spawn("install-from-files")
        assert child.stderr is not None and "waiting" in child.stderr.readline()
        lock.unlink()
        cache.rmdir()
    gate.wait()
    with lock.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    gate.open()
    child.communicate(timeout=PATIENCE)
    assert _install.status(recipe).ok
