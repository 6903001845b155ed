"""The notebooks of docs/notebooks: clean, linked, and true. Those that need Caffe2 are run by
tests/c2/test_notebooks_c2.py."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CAFFE2_NOTEBOOKS = ["01_alexnet_end_to_end.ipynb", "03_comparing_numerically.ipynb"]


def tool(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs tools/notebooks, with these VARIABLES in its environment."""
    return subprocess.run(
        [sys.executable, str(ROOT / "tools/notebooks"), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )


def assert_runs(path: Path, out: Path, **variables: str) -> None:
    done = tool("--run", path, "--out", out, **variables)
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(out / path.name, as_version=4)
    counts = [cell.execution_count for cell in executed.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def write(path: Path, *sources: str, tags: tuple[str, ...] = ()) -> Path:
    """A notebook of code cells, in the committed form; the last has TAGS."""
    cells = [
        nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        for number, source in enumerate(sources)
    ]
    if tags:
        cells[-1].metadata["tags"] = list(tags)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    assert tool("--clear", path).returncode == 0
    return path


def text(notebook: Path, kind: str = "markdown") -> str:
    cells: list[Any] = json.loads(notebook.read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == kind)


# ---- those of the documentation ----------------------------------------------------------------


def test_the_index_lists_every_notebook_in_its_table_and_for_sphinx():
    index = (FOLDER / "index.md").read_text()
    names = [path.name for path in NOTEBOOKS]
    assert re.findall(r"\((\w+\.ipynb)\)", index) == names
    toctree = index.partition("```{toctree}")[2].partition("```")[0]
    assert re.findall(r"^\d\w+$", toctree, re.MULTILINE) == [path.stem for path in NOTEBOOKS]


def test_the_notebooks_that_import_caffe2_are_those_that_the_other_tests_run():
    importing = [path.name for path in NOTEBOOKS if "backend.c2" in text(path, "code")]
    assert importing == CAFFE2_NOTEBOOKS


def test_the_notebooks_are_committed_without_outputs_and_in_one_form():
    done = tool("--check")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_link_and_every_file_that_a_notebook_names_exists(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text(path)):
        assert (FOLDER / target).exists(), target
    for target in re.findall(r"`((?:docs|examples|tools|tests)/[\w./]+)`", text(path)):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_what_it_is_about_and_checks_what_it_shows(path):
    assert text(path).startswith("# ")
    checks = re.findall(
        r"^ *(?:assert |np\.testing\.|check_on\()", text(path, "code"), re.MULTILINE
    )
    assert len(checks) >= 5


@pytest.mark.parametrize(
    "path",
    [path for path in NOTEBOOKS if path.name not in CAFFE2_NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_a_notebook_runs_to_its_end(path, tmp_path):
    assert_runs(path, tmp_path)


# ---- the tool ----------------------------------------------------------------------------------


def test_a_failing_cell_is_reported_with_its_source_and_traceback(tmp_path):
    path = write(tmp_path / "broken.ipynb", "x = 3", "print('so far')\nassert x == 4, 'x is off'")
    done = tool("--run", path, "--out", tmp_path / "out")
    assert done.returncode == 1
    said = done.stderr
    assert "broken.ipynb, cell 2 (cell-1): raised AssertionError" in said
    assert "assert x == 4, 'x is off'" in said and "AssertionError: x is off" in said
    assert "----> 2 assert x == 4" in said and "so far" in said and "\x1b" not in said
    assert (tmp_path / "out/broken.ipynb").exists()  # to look at


@pytest.mark.parametrize(
    ("source", "raised"), [("1 + 1", "raised nothing"), ("1 / 0", "raised ZeroDivisionError")]
)
def test_a_cell_that_should_raise_has_to_raise_that(source, raised, tmp_path):
    tags = "raises-exception", "raises:KeyError"
    path = write(tmp_path / "calm.ipynb", source, tags=tags)
    done = tool("--run", path, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert f"should raise KeyError, and {raised}" in done.stderr and source in done.stderr


def test_a_cell_that_raises_what_it_should_is_no_failure(tmp_path):
    tags = "raises-exception", "raises:KeyError"
    assert_runs(write(tmp_path / "keys.ipynb", "x = {}", "x[1]", tags=tags), tmp_path / "out")


def test_a_cell_may_not_raise_just_anything(tmp_path):
    path = write(tmp_path / "any.ipynb", "1 / 0", tags=("raises-exception",))
    done = tool("--run", path, "--out", tmp_path / "out")
    assert done.returncode == 1 and "raises:NAME" in done.stderr


def test_a_cell_that_ends_python_is_reported(tmp_path):
    path = write(tmp_path / "gone.ipynb", "import os\nos._exit(3)")
    done = tool("--run", path, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "gone.ipynb, cell 1 (cell-0): ended Python" in done.stderr


def test_a_python_without_a_kernel_is_one_line(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/ipykernel_launcher.py").write_text("raise SystemExit('no kernel here')")
    path = write(tmp_path / "any.ipynb", "1 + 1")
    done = tool("--run", path, "--out", tmp_path / "out", PYTHONPATH=str(tmp_path / "lib"))
    assert done.returncode == 1
    assert f"no kernel starts in {sys.executable}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_kernel_is_this_python_with_its_paths_whatever_kernels_are_installed(tmp_path):
    installed = tmp_path / "jupyter/kernels/python3"
    installed.mkdir(parents=True)
    spec = {"argv": ["/bin/false"], "display_name": "Another", "language": "python"}
    (installed / "kernel.json").write_text(json.dumps(spec))
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/only_here.py").write_text("")
    path = write(
        tmp_path / "where.ipynb",
        "import sys, os, only_here",
        f"assert sys.executable == {sys.executable!r}",
        f"assert os.getcwd() == {str(tmp_path.resolve())!r}",
    )
    assert_runs(
        path,
        tmp_path / "out",
        JUPYTER_PATH=str(tmp_path / "jupyter"),
        PYTHONPATH=os.path.relpath(tmp_path / "lib"),
    )


def test_check_finds_what_jupyter_leaves_behind_and_clear_takes_it_out(tmp_path):
    path = write(tmp_path / "used.ipynb", "1 + 1", "2")
    clean = path.read_text()
    assert tool("--check", path).returncode == 0

    used = json.loads(clean)
    used["cells"][0]["outputs"] = [nbformat.v4.new_output("stream", text="2")]
    used["cells"][0]["execution_count"] = 7
    used["cells"][1]["metadata"] = {"collapsed": True}
    used["metadata"]["language_info"]["version"] = "3.11"
    path.write_text(json.dumps(used))
    done = tool("--check", path)
    assert done.returncode == 1
    for fault in (
        "cell 1 (cell-0) has outputs",
        "cell 1 (cell-0) has an execution count",
        "cell 2 (cell-1) has metadata",
        "has other metadata than its kernel",
        "--clear",
    ):
        assert fault in done.stderr

    assert tool("--clear", path).returncode == 0
    assert path.read_text() == clean


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no notebook"),
        ('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}', "in format 4.4"),
        ('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "metadata"),
    ],
)
def test_check_refuses_other_files(content, said, tmp_path):
    path = tmp_path / "other.ipynb"
    path.write_text(content)
    done = tool("--check", path)
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr


def test_an_unknown_name_is_told_what_there_is():
    done = tool("--run", "99")
    assert done.returncode == 1 and "01_alexnet_end_to_end" in done.stderr
