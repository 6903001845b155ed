"""``toffee print``."""

from __future__ import annotations

import argparse
import copy
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import _common
from ._common import Fault, Parsers, about, put

if TYPE_CHECKING:
    from .._core import Graph, Node

_EXAMPLES = """
toffee print alexnet.toffee
toffee print alexnet.toffee --op Conv --op Gemm --source
toffee print resnet50.onnx --module layer1.0 --infer
toffee print alexnet.toffee --color always | less -R
"""


def add(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "print",
        _run,
        "print the listing of a graph",
        _EXAMPLES,
        "Print the listing of a graph, or those of its nodes that the filters let through: of\n"
        "one of the operators and in one of the modules that are named. Nodes inside of other\n"
        "nodes come and go with these.",
    )
    parser.add_argument("file", metavar="FILE", help="'-' is standard input")
    parser.add_argument(
        "--op", action="append", default=[], metavar="OP", help="nodes of this operator; repeatable"
    )
    parser.add_argument(
        "--module",
        action="append",
        default=[],
        metavar="PATH",
        help="nodes whose name begins with this module, such as features.0; repeatable",
    )
    parser.add_argument(
        "--source", action="store_true", help="with each node's name and the line that made it"
    )
    parser.add_argument("--infer", action="store_true", help="with the types that can be inferred")
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto: on a terminal, unless NO_COLOR is set",
    )


def _run(args: argparse.Namespace) -> None:
    from .. import printer, shape_inference

    graph = _common.read(args.file)
    with about(args.file):
        if args.infer:
            graph = shape_inference.infer_shapes(graph)
    if args.op or args.module:
        text = _filtered(graph, args)
    else:
        text = printer.to_text(graph)
        if args.source:
            text = "\n".join(_with_sources(text.split("\n"), list(graph.node)))
    put(_painted(text) if _wants_color(args.color) else text)


# ---- filters -----------------------------------------------------------------------------------


def _is_in(name: str, module: str) -> bool:
    """Whether the node called NAME is MODULE's or one of the modules below it."""
    return name.startswith(module) and name[len(module) : len(module) + 1] in ("", ".", "/")


def _filtered(graph: Graph, args: argparse.Namespace) -> str:
    operators = set(args.op)
    modules = [module.rstrip("./") for module in args.module]
    kept = [
        node
        for node in graph.node
        if (not operators or node.op_type in operators)
        and (not modules or any(_is_in(node.name, module) for module in modules))
    ]
    if not kept:
        raise Fault(f"{_common.title(args.file)}: {_why_none(graph, args)}")
    part = copy.copy(graph)  # shares the tensors
    part.node, part.input, part.output, part.initializer = kept, [], [], []
    lines = str(part).split("\n")[1:-2]  # without graph() {, return, }
    return "\n".join(_with_sources(lines, kept) if args.source else lines)


def _why_none(graph: Graph, args: argparse.Namespace) -> str:
    """Why no node of GRAPH is let through, with the names that are near to those asked for."""
    from difflib import get_close_matches

    operators = {node.op_type.lower(): node.op_type for node in graph.node}
    paths = {node.name.rpartition("/")[0] for node in graph.node}
    parts = [path.split(".") for path in sorted(paths - {""})]
    modules = [".".join(path[: i + 1]) for path in parts for i in range(len(path))]
    if args.op and not {*args.op} & {*operators.values()}:
        what, asked, known = "of the operator", args.op, operators
    elif args.module and not any(
        _is_in(one, m.rstrip("./")) for one in modules for m in args.module
    ):
        what, asked, known = "in the module", args.module, {name: name for name in modules}
    else:
        return f"none of its {_common.counted(len(graph), 'node')} is asked for"
    near = [known[n] for name in asked for n in get_close_matches(name.lower(), known, 2)]
    hint = f": did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""
    return f"no node is {what} {' or '.join(map(_printable, asked))}{hint}"


def _with_sources(lines: list[str], nodes: list[Node]) -> Iterator[str]:
    """LINES with the name of its node, and where that is from, at the first of each."""
    heads = [
        i
        for i, line in enumerate(lines)
        if line.startswith("  ") and line[2] not in " }" and not line.startswith("  return (")
    ]
    # Initializers that are no inputs stand first, and have no node.
    first = dict(zip(heads[len(heads) - len(nodes) :], nodes, strict=True))
    for i, line in enumerate(lines):
        node = first.get(i)
        said = [] if node is None else [node.name, node.doc_string.partition("\n")[0]]
        remark = "  ".join(_printable(text) for text in said if text)
        yield f"{line}  # {remark}" if remark else line


def _printable(text: str) -> str:
    """TEXT without what a terminal would obey."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


# ---- colour ------------------------------------------------------------------------------------

# What can begin at most places comes last: of 10,000 nodes, every microsecond is 10 ms. No
# alternatives inside of a repetition match the same text, so that nothing is tried twice.
_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<name>%(?:[^\s,()\\\]]|\\.)+)"
    r"|(?<=[\[ ])(?:"
    r"(?P<attribute>\w+)(?==)"
    r"|(?<= : )(?P<type>[\w.]+(?:\([^)]*\))?)"
    r"|(?:(?<= = )|(?<=^  ))(?P<operator>(?:[^\s(\[\\%{}]|\\.)+)(?=[(\[])"
    r")"
    r"|(?P<remark>  # .*$)",
    re.MULTILINE,
)
_CODES = {
    "string": "32",
    "remark": "2",
    "type": "36",
    "name": "34",
    "operator": "1;33",
    "attribute": "35",
}


def _painted(text: str) -> str:
    starts = {number: f"\033[{_CODES[name]}m" for name, number in _TOKEN.groupindex.items()}

    def paint(match: re.Match[str]) -> str:
        return f"{starts[match.lastindex or 0]}{match[0]}\033[0m"

    return _TOKEN.sub(paint, text)


def _wants_color(choice: str) -> bool:
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout is not None and sys.stdout.isatty()
