"""The layers of csrc/, and what the extension shows to the outside."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest

from toffee import _core

ROOT = pathlib.Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
FILES = sorted(path for path in CSRC.rglob("*.[ch]"))

#: layer -> the layers that it may include from, besides itself
BELOW = {
    "base": set(),
    "ir": {"base"},
    "wire": {"base", "ir"},
    "ops": {"base", "ir"},
    "opt": {"base", "ir", "ops"},
    "lower": {"base", "ir", "ops"},
    "size": {"base", "ir", "ops"},
    "bridge": {"base", "ir", "ops", "wire", "lower"},
    "trace": {"base", "ir", "ops", "wire", "lower", "bridge"},
    "caffe2": {"base", "ir", "ops", "wire"},
    "py": {"base", "ir", "ops", "wire", "opt", "lower", "bridge", "trace", "caffe2", "size"},
}

#: header -> the files that may include it
ONLY_IN = {
    r".*\.pb-c\.h|protobuf-c/.*": r"(wire|caffe2)/.*",
    r"dlpack/.*": r"bridge/.*",
    r"numpy/.*": r"bridge/ndarray\.c",
    r"Python\.h|structmember\.h|frameobject\.h": r"(bridge|trace|py)/.*",
    r"(torch|ATen|c10)/.*": r"nothing",
}


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def test_there_are_files_and_every_layer_is_known():
    assert len(FILES) > 50
    assert {path.relative_to(CSRC).parts[0] for path in FILES} <= set(BELOW)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CSRC)))
def test_a_file_includes_only_its_own_layer_and_those_below(path):
    layer = path.relative_to(CSRC).parts[0]
    for name in includes(path):
        other = name.split("/")[0]
        if other in BELOW and (CSRC / name).exists():
            assert other == layer or other in BELOW[layer], f"{layer}/ must not include {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CSRC)))
def test_foreign_headers_stay_where_they_belong(path):
    place = str(path.relative_to(CSRC))
    for name in includes(path):
        for header, allowed in ONLY_IN.items():
            if re.fullmatch(header, name):
                assert re.fullmatch(allowed, place), f"{place} must not include {name}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.suffix == ".h"], ids=lambda path: str(path.relative_to(CSRC))
)
def test_a_header_has_a_guard_named_after_its_path_and_stands_alone(path):
    text = path.read_text()
    guard = "TOFFEE_" + re.sub(r"[/.]", "_", str(path.relative_to(CSRC))).upper()
    assert f"#ifndef {guard}\n#define {guard}\n" in text
    assert f"#endif /* {guard} */" in text


def test_the_extension_exports_its_init_function_and_nothing_else():
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", _core.__file__], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[-1] for line in listing.splitlines()}
    # The linker's own marks, and what the sanitizers add to a build with them.
    names -= {"_init", "_fini", "_edata", "_end", "__bss_start"}
    assert {name for name in names if not name.startswith("__asan")} == {"PyInit__core"}


def test_the_python_package_imports_heavy_things_on_first_use_only():
    """At the top level of a module: nothing but NumPy's types, and torch in the torch modules."""
    heavy = re.compile(r"^(?:import|from) (torch|onnx|onnxruntime|numpy|ml_dtypes)\b", re.MULTILINE)
    torch_modules = {"torch_toffee.py"} | {
        f"_{name}.py"
        for name in "complex_functions decompositions guards linear_algebra models quantized "
        "special size_runs structure switches torch_onnx tracing twin".split()
    }
    for path in sorted((ROOT / "toffee").glob("*.py")):
        if path.name not in torch_modules:
            assert heavy.findall(path.read_text()) == [], path.name
