"""Tables that are read from toffee itself while the site is built, so that they cannot go stale.

``aten-table`` is the table of lowerings, ``onnx-table`` the rows that the checker knows. Both are
also what tests/test_docs_site.py holds the built pages against.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from toffee import _core

Cell = list[nodes.Node]


def code(text: str) -> nodes.Node:
    return nodes.literal(text, text)


def codes(texts: Sequence[str]) -> Cell:
    """TEXTS as code, with commas between them."""
    cell: Cell = []
    for text in texts:
        if cell:
            cell.append(nodes.Text(", "))
        cell.append(code(text))
    return cell


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]], widths: Sequence[int]) -> nodes.Node:
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=width) for width in widths]

    def row(cells: Sequence[Cell]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *cell)) for cell in cells))

    group += nodes.thead("", row([[nodes.Text(title)] for title in head]))
    group += nodes.tbody("", *map(row, rows))
    return nodes.table("", group, classes=["toffee-table", "colwidths-given"])


# ---- ATen ---------------------------------------------------------------------------------------


LOWER = Path(__file__).parents[2] / "csrc" / "lower"
#: Their rows are for calls with a complex tensor, and for nothing else.
COMPLEX = ("lower_complex.c", "lower_fft.c", "lower_pairs.c")
_ROW = re.compile(r'\{"(\w+::\w+)",\s*(\w+),')
_FUNCTION = re.compile(
    r"/\*((?:(?!\*/).)*)\*/\n(?:#define[^\n]*\n\s*)?static toffee_code\n(lower_\w+)\(", re.DOTALL
)


class Lowering(NamedTuple):
    """A row of a table in csrc/lower; the comment is what its function says of itself."""

    aten: str
    file: str
    comment: str


def _first_paragraph(comment: str) -> str:
    lines = [re.sub(r"^\s*\* ?", "", line).strip() for line in comment.strip().split("\n")]
    text = " ".join(itertools.takewhile(bool, lines))
    return re.sub(r"(?<=\)) (?=aten::)", ", ", text)  # signatures, a line each


@cache
def lowerings_in_c() -> list[Lowering]:
    """Every row, read from the source: no table at run time has the comments."""
    found = []
    for file in sorted(LOWER.glob("*.c")):
        text = file.read_text()
        comments = {name: _first_paragraph(said) for said, name in _FUNCTION.findall(text)}
        found += [
            Lowering(aten, file.name, comments.get(function, ""))
            for aten, function in _ROW.findall(text)
        ]
    return found


def aten_rows() -> list[list[Cell]]:
    """(operator, what it becomes, whether complex, file) for every operator that has a row."""
    real = {row.aten: row for row in lowerings_in_c() if row.file not in COMPLEX}
    pairs = {row.aten: row for row in lowerings_in_c() if row.file in COMPLEX}
    onnx = {aten: name for aten, name in _core.lowerings() if name}
    known = {row["name"] for row in _core.op_table()}
    rows: list[list[Cell]] = []
    for aten in sorted({name for name, _ in _core.lowerings()} | set(pairs)):
        row = real.get(aten) or pairs[aten]
        what: Cell = [nodes.Text(row.comment)]
        if aten in real and onnx.get(aten) in known:
            what = [code(onnx[aten])]
        rows.append(
            [
                [code(aten)],
                what,
                [nodes.Text(("yes" if aten in real else "only") if aten in pairs else "")],
                [code(row.file)],
            ]
        )
    return rows


#: What the page of 2017 listed, what it said beside it, and what PyTorch calls it today.
_DISCARDED = "in-place discarded"
SEED = [
    ("Add", _DISCARDED, "add"),
    ("Mul", _DISCARDED, "mul"),
    ("Negate", _DISCARDED, "neg"),
    ("Addmm", f"{_DISCARDED}; alpha and beta must be 1", "addmm"),
    ("Tanh", _DISCARDED, "tanh"),
    ("Sigmoid", _DISCARDED, "sigmoid"),
    ("Transpose", "", "transpose"),
    ("View", "", "view"),
    ("Permute", "", "permute"),
    ("Concat", "", "cat"),
    ("Squeeze", _DISCARDED, "squeeze"),
    ("BatchNorm", "", "batch_norm"),
    ("Convolution", "", "convolution"),
    ("Dropout", _DISCARDED, "dropout"),
    ("Relu", _DISCARDED, "relu"),
    ("LeakyRelu", _DISCARDED, "leaky_relu"),
    ("MaxPool1d", "no ceil_mode", "max_pool1d"),
    ("MaxPool2d", "no ceil_mode", "max_pool2d"),
    ("AvgPool2d", "no ceil_mode", "avg_pool2d"),
]


class SeedOperators(SphinxDirective):
    """``seed-operators``: the list of 2017 beside what these operators become now."""

    def run(self) -> list[nodes.Node]:
        becomes = {row[0][0].astext(): row[1] for row in aten_rows()}
        rows = [
            [[nodes.Text(name)], [nodes.Text(limit)], becomes[f"aten::{aten}"]]
            for name, limit, aten in SEED
        ]
        return [table(["in 2017", "limits then", "today"], rows, [16, 28, 56])]


def decomposed() -> list[str]:
    """Names of the overloads that toffee takes apart in its own way, into others of PyTorch."""
    from toffee import _complex_functions, _decompositions, _linear_algebra, _quantized

    modules = (_decompositions, _linear_algebra, _complex_functions, _quantized)
    return sorted({name for module in modules for name in module.TABLE})


class AtenTable(SphinxDirective):
    """``{aten-table}``: a row for each ATen operator that has a lowering."""

    def run(self) -> list[nodes.Node]:
        head = ["PyTorch", "becomes", "complex", "in csrc/lower"]
        return [table(head, aten_rows(), [26, 48, 10, 16])]


class DecomposedList(SphinxDirective):
    """``{decomposed-list}``: the operators of toffee's own decompositions."""

    def run(self) -> list[nodes.Node]:
        return [nodes.paragraph("", "", *codes(decomposed()))]


# ---- ONNX ---------------------------------------------------------------------------------------

_ARITY = {"single": "", "optional": "?", "variadic": "…"}


def ports(rows: Sequence[dict[str, Any]]) -> Cell:
    return codes([row["name"] + _ARITY[row["arity"]] for row in rows])


def attributes(rows: Sequence[dict[str, Any]]) -> Cell:
    return codes([row["name"] + ("" if row["required"] else "?") for row in rows])


def onnx_rows() -> list[list[Cell]]:
    caffe2 = {row[0] for row in _core.caffe2_rules()}
    return [
        [
            [code(row["name"])],
            [nodes.Text(row["doc"])],
            ports(row["inputs"]),
            attributes(row["attributes"]),
            ports(row["outputs"]),
            [nodes.Text("yes" if row["infers"] else "")],
            [nodes.Text("yes" if row["name"] in caffe2 else "")],
        ]
        for row in sorted(_core.op_table(), key=lambda row: str(row["name"]))
    ]


class OnnxTable(SphinxDirective):
    """``{onnx-table}``: a row for each operator of the checker."""

    def run(self) -> list[nodes.Node]:
        head = ["operator", "computes", "inputs", "attributes", "outputs", "types", "Caffe2"]
        return [table(head, onnx_rows(), [14, 28, 15, 16, 12, 7, 8])]


class DtypeTable(SphinxDirective):
    """``dtype-table``: the element types of tensors."""

    def run(self) -> list[nodes.Node]:
        rows: list[list[Cell]] = [
            [
                [code(f"Tensor.{name}")],
                [nodes.Text(str(number))],
                [code(numpy)] if numpy else [],
                [nodes.Text(str(size) if size else "less than 1")],
            ]
            for number, name, numpy, size in _core.dtype_table()
        ]
        return [table(["constant", "number", "NumPy", "bytes"], rows, [40, 15, 30, 15])]


# ---- how many -----------------------------------------------------------------------------------

COUNTS: dict[str, Callable[[], int]] = {
    "aten": lambda: len(aten_rows()),
    "decomposed": lambda: len(decomposed()),
    "onnx": lambda: len(_core.op_table()),
    "caffe2": lambda: len(_core.caffe2_rules()),
}


class Count(SphinxDirective):
    """``{toffee-count} aten``: a sentence with a number in it, in place of ``{n}``."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        text = " ".join(self.content).format(n=f"{COUNTS[self.arguments[0]]():,}")
        children, messages = self.parse_inline(text)
        return [nodes.paragraph("", "", *children), *messages]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("aten-table", AtenTable)
    app.add_directive("seed-operators", SeedOperators)
    app.add_directive("decomposed-list", DecomposedList)
    app.add_directive("dtype-table", DtypeTable)
    app.add_directive("onnx-table", OnnxTable)
    app.add_directive("toffee-count", Count)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
