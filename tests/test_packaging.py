"""What pyproject.toml, the changelog and the code say of the package: once, and alike."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import toffee

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOURCES = [p for p in (ROOT / "toffee").rglob("*.py") if "c2" not in p.parts]
#: Packages that are imported under another name.
CALLED = {"PIL": "pillow"}


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return found[0]


def imported() -> set[str]:
    """The packages that toffee's modules import, at any place, and that are not Python's own."""
    names = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                if isinstance(node.args[0], ast.Constant):
                    names.add(str(node.args[0].value).partition(".")[0])
    return {CALLED.get(n, n) for n in names if n not in sys.stdlib_module_names} - {"toffee"}


def extras_of_all() -> list[str]:
    (own,) = EXTRAS["all"]
    return re.fullmatch(r"toffee\[(.*)\]", own)[1].split(",")


def test_every_package_that_is_imported_comes_with_toffee_or_with_its_extra_all():
    brought = {name_of(r) for extra in extras_of_all() for r in EXTRAS[extra]}
    assert imported() - {"typing_extensions"} <= brought | {
        name_of(r) for r in PROJECT["dependencies"]
    }


def test_every_error_about_a_missing_package_names_the_extra_that_brings_it():
    found = []
    for path in SOURCES:
        text = re.sub(r'"\n\s*f?"', "", path.read_text())
        found += re.findall(r"pip install (\w+), or toffee\[(\w+)\]", text)
        assert not re.search(r"pip install (?!\w+, or toffee|onnxruntime-gpu|\{)", text), path
    assert len(found) >= 8
    for package, extra in found:
        assert package in {name_of(requirement) for requirement in EXTRAS[extra]}
        assert extra in extras_of_all()


def test_the_version_is_written_once_and_the_changelog_begins_with_it():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    places = [
        path
        for path in tracked.split()
        if path.endswith((".py", ".toml", ".c", ".h", ".md", "Makefile"))
        and re.search(rf"\b{re.escape(toffee.__version__)}\b(?!\.)", (ROOT / path).read_text())
    ]
    assert set(places) == {"toffee/__init__.py", "docs/CHANGELOG.md"}
    top = re.search(r"^## (.*)$", (ROOT / "docs/CHANGELOG.md").read_text(), re.MULTILINE)
    assert top
    assert re.fullmatch(
        rf"{re.escape(toffee.__version__)} \((unreleased|\d{{4}}-\d\d-\d\d)\)", top[1]
    )


def test_the_version_is_semantic():
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9a-z.]+)?", toffee.__version__)
