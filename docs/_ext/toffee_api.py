"""What the stub says, in the reference: types of fields and signatures of what is written in C.

The docstrings of ``toffee._core`` are one line each, and its signatures carry no types;
``toffee/_core.pyi`` has both, and tests/test_stubs.py holds it against the module.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import toffee

STUB = Path(toffee.__file__).with_name("_core.pyi")
#: Classes of the stub, and what the pages call them.
_NAMES = {
    "Picture": "toffee.Picture",
    "np.ndarray": "numpy.ndarray",
    "Any": "typing.Any",
    **{
        name: f"toffee.{name}"
        for name in "Attribute Function Graph Node OperatorSetId Repeated".split()
        + "StringStringEntry Tensor ValueInfo".split()
    },
}


class _Public(ast.NodeTransformer):
    """Annotations as the pages write them: public names in full, views of ONNX's as Any."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in ("_T", "_TypeView", "_SparseTensorView"):
            return ast.Name("object")
        return ast.Name(_NAMES.get(node.id, node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return ast.Name(_NAMES.get(ast.unparse(node), ast.unparse(node)))


def _text(annotation: ast.expr | None) -> str:
    return "" if annotation is None else ast.unparse(_Public().visit(annotation))


def _signature(function: ast.FunctionDef) -> tuple[str, str]:
    """Arguments without self and without the mark of those that go by position; what returns."""
    arguments = function.args
    if not any(getattr(d, "id", "") in ("staticmethod",) for d in function.decorator_list):
        (arguments.posonlyargs or arguments.args).pop(0)
    _Public().visit(arguments)
    returns = _text(function.returns)
    return f"({ast.unparse(arguments)})", "" if function.name == "__init__" else returns


def _is(function: ast.FunctionDef, decorator: str) -> bool:
    return any(ast.unparse(one).endswith(decorator) for one in function.decorator_list)


@cache
def stub() -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Types of fields (``Graph.node``), and signatures (``Graph``, ``Graph.picture``)."""
    fields: dict[str, str] = {}
    signatures: dict[str, tuple[str, str]] = {}
    for part in ast.parse(STUB.read_text()).body:
        if not isinstance(part, ast.ClassDef):
            continue
        for member in part.body:
            if isinstance(member, ast.AnnAssign):
                name = f"{part.name}.{ast.unparse(member.target)}"
                fields[name] = _text(member.annotation)
            elif isinstance(member, ast.FunctionDef):
                name = f"{part.name}.{member.name}"
                if _is(member, "overload") or _is(member, ".setter"):
                    continue
                if _is(member, "property"):
                    fields[name] = _text(member.returns)
                elif member.name == "__init__":
                    signatures[part.name] = _signature(member)
                else:
                    signatures[name] = _signature(member)
    return fields, signatures


def _add_type(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """``type: text``, which napoleon understands, for a field that the stub knows."""
    path = name.removeprefix("toffee.lowering.").removeprefix("toffee.")
    kind = stub()[0].get(path)
    if what in ("attribute", "property") and kind and lines and not kind.startswith("Final"):
        lines[0] = f"{kind}: {lines[0]}"


def _add_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: Any, returns: Any
) -> tuple[str, str] | None:
    if what not in ("class", "method"):
        return None
    return stub()[1].get(name.removeprefix("toffee."))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", _add_type, priority=400)  # napoleon has 500
    app.connect("autodoc-process-signature", _add_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
