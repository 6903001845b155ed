"""The examples in docstrings run, and public docstrings say what they have to."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re

import pytest

MODULES = [
    *("toffee", "toffee.checker", "toffee.errors", "toffee.helper", "toffee.io", "toffee.lowering"),
    *("toffee.numpy_helper", "toffee.optimizer", "toffee.printer", "toffee.shape_inference"),
    *("toffee.torch_toffee", "toffee.backend", "toffee.backend.base", "toffee.backend.c2"),
    *("toffee.backend.onnxruntime", "toffee.backend.torch"),
]
#: What most people use: an example says more there than parameters do.
MOST_USED = [
    *("toffee.torch_toffee.export", "toffee.load", "toffee.loads", "toffee.save"),
    *("toffee.checker.check_graph", "toffee.infer_shapes", "toffee.optimize", "toffee.compare"),
    *("toffee.helper.make_graph", "toffee.numpy_helper.from_array", "toffee.register_lowering"),
    *("toffee.printer.to_text", "toffee.backend.onnxruntime.prepare"),
]


def public_objects() -> dict[str, object]:
    """Everything in the __all__ of the public modules, and the public methods of its classes."""
    found: dict[str, object] = {}
    for module in map(importlib.import_module, MODULES):
        found[module.__name__] = module
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.ismodule(value) or not (inspect.isclass(value) or callable(value)):
                continue
            found[f"{module.__name__}.{name}"] = value
            if inspect.isclass(value) and not issubclass(value, BaseException):
                for key, member in vars(value).items():
                    if not key.startswith("_") and (callable(member) or inspect.isroutine(member)):
                        found[f"{module.__name__}.{name}.{key}"] = member
    return found


OBJECTS = public_objects()
PARSER = doctest.DocTestParser()


def examples(name: str) -> doctest.DocTest:
    text = inspect.getdoc(OBJECTS[name]) or ""
    return PARSER.get_doctest(text, {}, name, None, 0)


WITH_EXAMPLES = [name for name in OBJECTS if examples(name).examples]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_docstring_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.REPORT_NDIFF
    runner = doctest.DocTestRunner(optionflags=flags)
    result = runner.run(examples(name), out=said.append)
    assert result.failed == 0, "".join(said)


@pytest.mark.parametrize("name", OBJECTS)
def test_a_docstring_has_no_code_that_is_not_run(name):
    for line in (inspect.getdoc(OBJECTS[name]) or "").splitlines():
        assert not line.endswith("::"), f"{name}: write it with >>>, or as a table"


@pytest.mark.parametrize("name", MOST_USED)
def test_what_people_use_most_has_an_example(name):
    assert name in WITH_EXAMPLES


@pytest.mark.parametrize("name", OBJECTS)
def test_everything_public_has_a_docstring(name):
    assert inspect.getdoc(OBJECTS[name]), f"{name} has no docstring"


def parameters(name: str) -> tuple[set[str], set[str]] | None:
    """(those of the signature, those that the docstring describes), if it describes any."""
    value = OBJECTS[name]
    text = inspect.getdoc(value) or ""
    if not inspect.isroutine(value) or "Parameters\n-" not in text:
        return None
    section = text.split("Parameters\n----------\n")[1]
    section = re.split(r"\n\n\w+\n-{4,}\n", section)[0]
    described = re.findall(r"^(\*{0,2}\w+(?:, \w+)*)(?: :|$)", section, re.MULTILINE)
    names = {one.strip("* ") for group in described for one in group.split(",")}
    return set(inspect.signature(value).parameters) - {"self"}, names


@pytest.mark.parametrize("name", [name for name in OBJECTS if parameters(name)])
def test_a_docstring_that_describes_parameters_describes_those_that_there_are(name):
    taken, described = parameters(name)
    assert described == taken


#: For those who write backends: its functions are described in prose.
INSIDE = "toffee.backend.base."


@pytest.mark.parametrize("name", [n for n in OBJECTS if inspect.isfunction(OBJECTS[n])])
def test_a_function_of_several_arguments_describes_them(name):
    taken = set(inspect.signature(OBJECTS[name]).parameters) - {"self"}
    assert len(taken) < 2 or name.startswith(INSIDE) or parameters(name)
