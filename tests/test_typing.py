"""What type checkers say of programs that use toffee: nothing of a right one, each line of a wrong
one. Programs of the user's, in a folder of their own, as strictly as the checkers can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import toffee

PROGRAMS = Path(__file__).parent / "typing"
PACKAGE = Path(toffee.__file__).parent.parent
#: The line, counted from 1, and what is said of it.
Faults = list[tuple[int, str]]


def mypy(program: str, folder: Path) -> Faults:
    # One cache for all of a run: most of the time goes to reading torch.
    cache = folder.parent / "mypy_cache"
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--output=json"]
    done = subprocess.run(
        [*command, f"--cache-dir={cache}", str(PROGRAMS / program)],
        env={**os.environ, "MYPYPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line]
    return [(one["line"], one["message"]) for one in said if one["severity"] == "error"]


def pyright(program: str, folder: Path) -> Faults:
    (folder / program).write_text((PROGRAMS / program).read_text())
    settings = {"include": [program], "extraPaths": [str(PACKAGE)], "typeCheckingMode": "strict"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", f"--pythonpath={sys.executable}", "--outputjson"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["summary"]["filesAnalyzed"] == 1
    found = result["generalDiagnostics"]
    return [(one["range"]["start"]["line"] + 1, one["message"]) for one in found]


CHECKERS = pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda checker: checker.__name__)


@CHECKERS
def test_a_program_that_uses_all_of_toffee_has_no_type_errors(
    checker: Callable[[str, Path], Faults], tmp_path: Path
) -> None:
    assert checker("sample.py", tmp_path) == []


@CHECKERS
def test_every_wrong_call_is_reported_and_no_right_one(
    checker: Callable[[str, Path], Faults], tmp_path: Path
) -> None:
    lines = (PROGRAMS / "wrong.py").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if "# wrong: " in line}
    assert {line for line, _ in checker("wrong.py", tmp_path)} == wrong


def test_the_program_that_the_type_checkers_like_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "sample.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Gemm(x, linear.weight, linear.bias) of linear/Gemm, sample.py:" in done.stdout
    assert "<svg" in done.stdout and "not a ToffeeIR or ONNX graph" in done.stdout


def test_the_types_of_all_that_is_public_are_known_to_pyright() -> None:
    command = [sys.executable, "-m", "pyright", f"--pythonpath={sys.executable}", "--outputjson"]
    done = subprocess.run(
        [*command, "--verifytypes", "toffee", "--ignoreexternal"],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},  # an editable install does not say where
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout)["typeCompleteness"]
    unsure = {s["name"] for s in report["symbols"] if s["isExported"] and not s["isTypeKnown"]}
    # torch.nn.Module, which pyright finds no type for in this mode, and what returns one.
    assert {name for name in unsure if not name.startswith("toffee.backend.torch")} == set()
    assert report["completenessScore"] > 0.98
