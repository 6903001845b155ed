"""toffee/_core.pyi against the extension module, and the types of the whole package."""

from __future__ import annotations

import ast
import pathlib
import shutil
import subprocess
import sys

import pytest

import toffee
from toffee import _core

STUB = pathlib.Path(toffee.__file__).with_name("_core.pyi")
TREE = ast.parse(STUB.read_text())


def declared(body):
    """Names that a list of statements declares."""
    names = set()
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            names.add(statement.name)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
    return names


CLASSES = {s.name: s for s in TREE.body if isinstance(s, ast.ClassDef) and hasattr(_core, s.name)}


def test_the_stub_declares_every_name_of_the_module_and_no_other():
    ours = {name for name in declared(TREE.body) if name[0] != "_" or hasattr(_core, name)}
    theirs = {name for name in vars(_core) if not name.startswith("__")}
    assert ours == theirs


@pytest.mark.parametrize("name", CLASSES)
def test_the_stub_declares_every_member_of_a_class_and_no_other(name):
    ours = {n for n in declared(CLASSES[name].body) if not n.startswith("__")}
    theirs = {n for n in vars(getattr(_core, name)) if not n.startswith("__")}
    if name == "FormatError":
        theirs.add("offset")  # an attribute of the instance
    assert ours == theirs


def test_the_stub_declares_every_function_of_the_testing_submodule():
    (testing,) = [s for s in TREE.body if isinstance(s, ast.ClassDef) and s.name == "_Testing"]
    assert declared(testing.body) == {n for n in vars(_core._testing) if not n.startswith("__")}


def test_every_function_and_field_has_a_doc_string():
    missing = []
    for name in ("Graph", "Node", "Attribute", "Tensor", "ValueInfo", "Repeated"):
        for member, value in vars(getattr(_core, name)).items():
            if not member.startswith("__") and not isinstance(value, int) and not value.__doc__:
                missing.append(f"{name}.{member}")
    missing += [n for n, v in vars(_core).items() if callable(v) and not v.__doc__]
    assert missing == []


def test_mypys_stubtest_finds_no_difference(tmp_path):
    """In a package of its own, so that it looks at nothing but the stub and the module."""
    package = tmp_path / "toffee"
    package.mkdir()
    (package / "__init__.py").touch()
    for path in (STUB, _core.__file__):
        shutil.copy(path, package)
    result = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "toffee._core"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
