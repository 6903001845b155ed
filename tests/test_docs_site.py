"""The site: its tables are the code's, every page can be found, a wrong reference ends the build.

That the whole site builds without a warning is what ``make docs`` says, in CI.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import onnx.defs
import pytest
import torch
from docs_blocks import DOCS, ROOT

import toffee
from toffee import _core

sys.path.insert(0, str(DOCS / "_ext"))

import toffee_api  # noqa: E402
import toffee_tables  # noqa: E402


def text(cell) -> str:
    return "".join(node.astext() for node in cell)


def test_the_table_of_aten_has_every_lowering_and_each_says_what_it_becomes():
    rows = {text(row[0]): [text(cell) for cell in row[1:]] for row in toffee_tables.aten_rows()}
    assert {name for name, _ in _core.lowerings()} <= set(rows)
    for name, (becomes, is_complex, file) in rows.items():
        assert becomes, f"{name}: no comment above its function in csrc/lower"
        assert is_complex in ("", "yes", "only")
        assert (ROOT / "csrc/lower" / file).exists()
    assert rows["aten::tanh"][0] == "Tanh"
    assert rows["aten::cat"][0].startswith("aten::cat(tensors, dim) -> Concat")


def test_the_table_of_aten_names_operators_that_pytorch_has():
    known = {name.split(".")[0] for name in torch._C._dispatch_get_all_op_names()}
    elsewhere = {"quantized_decomposed", "torch_nn"}  # registered when a module is imported
    for row in toffee_tables.aten_rows():
        name = text(row[0])
        assert name in known or name.split("::")[0] in elsewhere, name


def test_the_table_of_onnx_operators_has_the_inputs_that_onnx_has():
    rows = {text(row[0]): row for row in toffee_tables.onnx_rows()}
    assert len(rows) == len(_core.op_table())
    for name, row in rows.items():
        schema = onnx.defs.get_schema(name, 20, "")
        shown = [part.strip("?…") for part in text(row[2]).split(", ") if part]
        assert shown == [port.name for port in schema.inputs], name


@pytest.mark.parametrize(("name", "limit", "aten"), toffee_tables.SEED)
def test_what_2017_listed_has_a_lowering(name, limit, aten):
    assert f"aten::{aten}" in dict(_core.lowerings())


def test_the_stub_gives_the_reference_types_and_signatures():
    fields, signatures = toffee_api.stub()
    assert fields["Graph.node"] == "toffee.Repeated[toffee.Node]"
    assert fields["ValueInfo.shape"] == "tuple[int | str | None, ...] | None"
    assert signatures["Repeated.pop"][0] == "(index: SupportsIndex=-1, /)"
    assert signatures["Graph.picture"][1] == "toffee.Picture"
    assert "self" not in "".join(arguments for arguments, _ in signatures.values())


def test_the_reference_has_everything_that_import_toffee_gives():
    documented = "\n".join(page.read_text() for page in [*DOCS.glob("api/*.rst")])
    modules = set(re.findall(r"automodule:: (\S+)\n   :members:", documented))
    named = set(re.findall(r"auto(?:function|class|exception):: (?:toffee\.)?(\w+)", documented))
    for name in toffee.__all__:
        value = getattr(toffee, name)
        if inspect.ismodule(value) or getattr(value, "__name__", name) != name:
            continue  # modules have pages, and GraphProto is another name of Graph
        assert name in named or value.__module__ in modules, f"{name} is on no page of docs/api"


def test_every_page_is_in_the_toctree_of_an_index():
    """Sphinx warns of others, too; this says it without a build."""
    listed = {DOCS / "index.md"}
    for index in DOCS.rglob("index.*"):
        for line in index.read_text().splitlines():
            name = re.sub(r"^.*<(.*)>$", r"\1", line.strip())
            if re.fullmatch(r"[\w/]+\*?", name):
                listed |= set(index.parent.glob(f"{name}.*"))
    for kind in ("md", "rst", "ipynb"):
        for page in DOCS.rglob(f"*.{kind}"):
            assert page in listed, f"{page.name} is in no toctree of an index page"


BAD_REFERENCES = {
    "a link to no page": ("[see](nowhere.md)", "nowhere"),
    "a role that names nothing": ("{py:func}`toffee.nothing`", "toffee.nothing"),
    "an anchor that is not there": ("[see](index.md#no-such-place)", "no-such-place"),
}


def test_each_reference_that_leads_nowhere_ends_the_build(tmp_path):
    bad = "\n\n".join(reference for reference, _ in BAD_REFERENCES.values())
    (tmp_path / "index.md").write_text(f"# Page\n\n{bad}\n\n[here](index.md)\n")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", "-b", "dummy"]
        + ["-c", str(DOCS), str(tmp_path), str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    warnings = [line for line in done.stderr.splitlines() if "WARNING" in line]
    assert done.returncode != 0 and len(warnings) == len(BAD_REFERENCES), done.stderr
    for name, (_, said) in BAD_REFERENCES.items():
        assert any(said in line for line in warnings), name
