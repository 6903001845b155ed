"""docs/errors.md has every exception and every kind of warning. test_docs.py runs its examples."""

from __future__ import annotations

import ast
import importlib
import inspect
import re

import pytest
from docs_blocks import DOCS

import toffee
from toffee import _tracing, errors

PAGE = (DOCS / "errors.md").read_text()
HEADINGS = re.findall(r"^## `(.*)`$", PAGE, re.MULTILINE)
KINDS = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)


#: The module also has what exceptions are made of.
EXCEPTIONS = set(errors.__all__) - {"Place"}


def public_exceptions() -> set[str]:
    found = {f"toffee.{name}" for name in EXCEPTIONS}
    for module in (
        *("toffee", "toffee.checker", "toffee.helper", "toffee.lowering", "toffee.torch_toffee"),
        *("toffee.backend", "toffee.backend.onnxruntime", "toffee.backend.torch"),
        "toffee.backend.c2",
    ):
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", ()):
            value = getattr(loaded, name)
            if inspect.isclass(value) and issubclass(value, BaseException):
                known = getattr(errors, name, None) is value
                found.add(f"toffee.{name}" if known else f"{module}.{name}")
    return found


def test_the_headings_are_the_public_exceptions():
    assert len(HEADINGS) == len(set(HEADINGS))
    assert set(HEADINGS) == public_exceptions()


@pytest.mark.parametrize("name", HEADINGS)
def test_what_the_page_says_an_exception_is_it_is(name):
    module, _, attribute = name.rpartition(".")
    cls = getattr(importlib.import_module(module), attribute)
    section = PAGE.split(f"## `{name}`\n")[1].split("\n## ")[0]
    if name == "toffee.TraceWarning":
        assert issubclass(cls, UserWarning) and not issubclass(cls, toffee.Error)
        return
    assert issubclass(cls, toffee.Error)
    for other in (ValueError, TimeoutError):
        said = re.search(rf"(Also a|and a) `{other.__name__}`", section) is not None
        assert said == issubclass(cls, other)


def test_the_kinds_of_warnings_are_those_that_the_journal_can_say():
    """Journal.leak takes a key of _LEAKS; its other methods that warn are a kind each."""
    (journal,) = (
        node
        for node in ast.parse(inspect.getsource(_tracing)).body
        if isinstance(node, ast.ClassDef) and node.name == "Journal"
    )
    warn = {
        method.name
        for method in journal.body
        if isinstance(method, ast.FunctionDef) and "self._say(" in ast.unparse(method)
    }
    names = {"hidden_input": "a hidden input", "dice": "a random generator"}
    assert warn == {"leak", *names}
    assert {kind.lower() for kind in KINDS} == {*_tracing._LEAKS, *names.values()}


def test_the_table_in_the_docstring_has_every_exception():
    rows = re.findall(r"^(\w+) {2,}", errors.__doc__, re.MULTILINE)
    assert set(rows) - {"class"} == EXCEPTIONS
