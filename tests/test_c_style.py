"""The C source read as text: habits that a compiler does not check."""

from __future__ import annotations

import pathlib
import re

import pytest

CSRC = pathlib.Path(__file__).resolve().parent.parent / "csrc"
FILES = sorted(CSRC.rglob("*.[ch]"))
SOURCES = [path for path in FILES if path.suffix == ".c"]

#: Calls that return a reference which is not the caller's, although it looks like it.
BORROWING = re.compile(
    r"\b(PyDict_GetItem\w*|PyList_GetItem|PyList_GET_ITEM|PyTuple_GetItem|PyTuple_GET_ITEM"
    r"|PyType_GetModule(?:ByDef)?|PyDict_Next|PyImport_AddModule|PySys_GetObject"
    r"|PySequence_Fast_GET_ITEM|PyModule_GetDict)\("
)


def name(path):
    return str(path.relative_to(CSRC))


def functions(text):
    """(name, body) of every function that is defined in TEXT: GNU style, brace in column 0."""
    for match in re.finditer(r"^(\w+)\([^;{]*\)\n\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        yield match.group(1), match.group(2)


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def test_the_lint_finds_functions():
    """So that a change of style cannot switch the tests below off."""
    found = sum(1 for path in SOURCES for _ in functions(path.read_text()))
    assert found > 500


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_begins_with_its_path_and_is_not_too_long(path):
    text = path.read_text()
    assert text.startswith(f"/* csrc/{name(path)}")
    assert text.count("\n") <= 800
    assert "\t" not in text and not re.search(r"[ \t]+$", text, re.MULTILINE)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_function_that_owns_something_does_not_return_through_the_macro(path):
    for function, body in functions(path.read_text()):
        if "goto " in body:
            assert "TOFFEE_RETURN_IF_ERROR" not in body, function


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_function_has_at_most_one_label_to_jump_to(path):
    for function, body in functions(path.read_text()):
        labels = set(re.findall(r"\bgoto (\w+);", body))
        assert len(labels) <= 1, f"{function}: {labels}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_the_core_allocates_through_one_door(path):
    if name(path) == "base/alloc.c":
        return
    calls = re.findall(
        r"\b(malloc|calloc|realloc|free|strdup|asprintf)\s*\(", without_comments(path.read_text())
    )
    assert calls == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_writes_to_a_buffer_without_a_size(path):
    calls = re.findall(
        r"\b(strcpy|strcat|sprintf|vsprintf|gets|alloca)\s*\(", without_comments(path.read_text())
    )
    assert calls == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_borrowed_reference_is_called_one(path):
    """The word `borrowed` stands in the function, or the reference is made strong or passed on at
    once: in the same statement as Py_NewRef, or as an argument of another call."""
    text = path.read_text()
    for function, body in functions(text):
        for match in BORROWING.finditer(body):
            line = body[body.rfind("\n", 0, match.start()) + 1 : body.find("\n", match.end())]
            passed_on = re.search(
                r"\w\([^;]*$", body[body.rfind(";", 0, match.start()) + 1 : match.start()]
            )
            if "PyDict_Next" in line or passed_on:
                continue
            assert "borrowed" in body.lower(), f"{function}: {line.strip()}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_tables_of_names_are_sorted(path):
    """PyMethodDef and PyGetSetDef tables, and those that say so in a comment beside them."""
    text = path.read_text()
    pattern = r"^(?:static |const )*(?:PyMethodDef|PyGetSetDef)\s+\w+\[\] = \{(.*?)^\};"
    tables = re.findall(pattern, text, re.MULTILINE | re.DOTALL)
    tables += re.findall(r"\[\] = \{ */\* sorted by name \*/(.*?)\};", text, re.DOTALL)
    for table in tables:
        rows = re.findall(r'^\s*(?:\{|[A-Z_]+\()"?(\w+)', table, re.MULTILINE)
        rows = [row for row in rows if row != "NULL"]
        assert rows == sorted(rows, key=str.encode), rows


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".h"], ids=name)
def test_a_function_in_a_header_has_a_comment_before_its_group(path):
    """Each declaration follows a comment, directly or after declarations that share it."""
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("typedef"):
            continue
        if not re.match(r"^(TOFFEE_NODISCARD )?[A-Za-z_][\w ]*\*?\b(toffee|PyToffee)_\w+\(", line):
            continue
        before = number - 1
        while before >= 0 and lines[before].strip() and "*/" not in lines[before]:
            before -= 1
        assert "*/" in lines[before], f"{line.strip()} has no comment"


def test_there_are_no_variables_outside_functions_but_constants_and_tables():
    """State lives in graphs and in the module's state. The tables that CPython's API wants without
    const, and the thread-local counter of allocations, are the exceptions."""
    allowed = re.compile(
        r"Py(MethodDef|GetSetDef|MemberDef|Type_Slot|Type_Spec|ModuleDef|StructSequence_\w+)"
        r"|_Thread_local|const\b"
    )
    variable = re.compile(r"^(static )?[A-Za-z_][\w \*]*\b\w+(\[[^\]]*\])*( = .*|;)$")
    found = []
    for path in SOURCES:
        for line in without_comments(path.read_text()).splitlines():
            if line.startswith(("typedef", "return", "extern", "struct", "union", "enum")):
                continue
            if variable.match(line) and not allowed.search(line):
                found.append(f"{name(path)}: {line}")
    assert found == []
