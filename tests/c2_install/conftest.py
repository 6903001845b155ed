"""Fixtures for installing a runtime of a few kilobytes, without a network."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_caffe2
import pytest
from fake_caffe2 import PATIENCE, Gate

from toffee.backend.c2 import _install


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the packages and the runner's source; not to be changed."""
    folder = tmp_path_factory.mktemp("packages")
    fake_caffe2.make(folder)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test. pip finds nothing, unless the test says where."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TOFFEE_CACHE", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("TOFFEE_TEST_SETUP_RAN", str(tmp_path / "setup.py ran"))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(_install, "_asked", False)
    return folder


@pytest.fixture
def recipe(packages: Path) -> _install.Recipe:
    return fake_caffe2.recipe(packages)


@pytest.fixture
def lines() -> list[str]:
    """What an ``install`` of this test has said."""
    return []


@pytest.fixture
def install(
    packages: Path, recipe: _install.Recipe, lines: list[str]
) -> Callable[..., _install.Status]:
    """Installs from the two files. Any argument can be replaced."""
    return functools.partial(
        _install.install,
        recipe,
        wheel=packages / fake_caffe2.WHEEL,
        protobuf=packages / fake_caffe2.PROTOBUF,
        say=lines.append,
    )


@pytest.fixture
def spawn(packages: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """spawn(command, kill_at=""): an installer of its own process, with stderr on a pipe."""
    started: list[subprocess.Popen[str]] = []

    def start(command: str, kill_at: object = "") -> subprocess.Popen[str]:
        argv = [sys.executable, fake_caffe2.__file__, str(packages), command, str(kill_at)]
        child = subprocess.Popen(
            argv, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ}
        )
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate(timeout=PATIENCE)


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate(tmp_path)
    monkeypatch.setenv("CXX", str(gate.program))
    return gate
