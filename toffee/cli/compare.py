"""``toffee compare``: what two files compute, or two backends."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _common, _values
from ._common import Fault, Parsers, UsageError, about, put, put_json, table

if TYPE_CHECKING:
    from .._core import Graph, Node
    from .._verify import Difference

_EXAMPLES = """
toffee compare before.toffee after.toffee
toffee compare m.toffee --backend torch --backend onnxruntime
toffee compare m.toffee m.onnx -i x=photo.npy --tolerance 1e-6
toffee compare bert.toffee --size batch=3,length=17
"""


def add(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "compare",
        _run,
        "compare what two files, or two backends, compute",
        _EXAMPLES,
        "Run two files on one backend, or one file on two, with the same inputs, and compare\n"
        "the outputs, the first file or backend being right. If they differ, the first node\n"
        "where they do is told: of two files, among the values that have the same name in\n"
        "both. The exit code is 1 if something differs by more than the tolerance.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="one or two files")
    _values.add_arguments(parser)
    parser.add_argument(
        "--backend",
        action="append",
        choices=_values.BACKENDS,
        default=[],
        help="what computes (default: onnxruntime; for one file: torch, onnxruntime); repeatable",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="T",
        help="how far a value may be off, as a part of the largest of its output (default: by "
        "dtype, 1e-4 for float32)",
    )
    _common.add_json(parser)


# ---- two results -------------------------------------------------------------------------------


def _fits(found: Difference, tolerance: float | None) -> bool:
    if tolerance is None:
        return found.fits
    # As in toffee._verify, noise around zero counts as zero.
    return not found.problem and (found.relative <= tolerance or found.absolute <= tolerance * 1e-3)


def _row(name: str, found: Difference, tolerance: float | None, node: Any = None) -> dict[str, Any]:
    row = {
        "name": name,
        "fits": _fits(found, tolerance),
        "absolute": found.absolute,
        "relative": found.relative,
        "problem": found.problem,
    }
    if node is not None:
        number, op_type, node_name = node
        row |= {"node": number, "op_type": op_type, "node_name": node_name}
    return row


def _text(row: dict[str, Any]) -> str:
    if row["problem"]:
        return str(row["problem"])
    return f"largest difference {row['absolute']:.3g}, relative {row['relative']:.3g}"


# ---- two files ---------------------------------------------------------------------------------


def _with_all_values(graph: Graph, names: list[str]) -> Graph:
    """GRAPH with the values NAMES as its outputs."""
    every = copy.copy(graph)
    every.output = names
    return every


def _producers(graph: Graph) -> dict[str, tuple[int, Node]]:
    return {name: (i, node) for i, node in enumerate(graph.node) for name in node.output if name}


def _first_value(
    graphs: list[Graph], backend: Any, inputs: Any, tolerance: float | None
) -> dict[str, Any] | None:
    """The first value with one name in both GRAPHS that is not the same, or None."""
    from .. import _verify

    right, left = map(_producers, graphs)
    names = [name for name in right if name in left]
    if not names:
        return None
    values = []
    for graph in graphs:
        with _verify.prepare_once(backend, _with_all_values(graph, names)) as rep:
            values.append(rep.run(inputs))
    for name, expected, result in zip(names, *values, strict=True):
        found = _verify.difference(result, expected)
        if not _fits(found, tolerance):
            number, node = right[name]
            return _row(name, found, tolerance, (number, node.op_type, node.name))
    return None


def _two_files(args: argparse.Namespace) -> dict[str, Any]:
    from .. import _verify
    from ..backend import base

    if len(args.backend) > 1:
        raise UsageError("two files are compared on one backend")
    if args.files == ["-", "-"]:
        raise UsageError("'-' can be one of the files only")
    graphs = [_common.read(path) for path in args.files]
    backend = _values.find_backend(args.backend[0] if args.backend else "onnxruntime")
    with about(args.files[0]):
        inputs = _values.read_inputs(graphs[0], args)
    names = [[spec.name for spec in base.input_specs(graph)] for graph in graphs]
    if len(graphs[0].output) != len(graphs[1].output) or set(names[0]) != set(names[1]):
        raise Fault(
            f"{args.files[0]} and {args.files[1]} cannot be compared: they have the inputs "
            f"{names[0]} and {names[1]}, and {len(graphs[0].output)} and "
            f"{len(graphs[1].output)} outputs"
        )
    values = []
    for path, graph in zip(args.files, graphs, strict=True):
        with about(path), backend.prepare(graph, device=args.device) as rep:
            values.append(rep.run(inputs))
    outputs = [
        _row(name, _verify.difference(result, expected), args.tolerance)
        for name, expected, result in zip(graphs[0].output, *values, strict=True)
    ]
    first = None
    if not all(row["fits"] for row in outputs):
        with about(args.files[1]):
            first = _first_value(graphs, backend, inputs, args.tolerance)
    return {
        "between": list(args.files),
        "agree": all(row["fits"] for row in outputs),
        "outputs": outputs,
        "first": first,
    }


# ---- two backends ------------------------------------------------------------------------------


def _two_backends(args: argparse.Namespace) -> dict[str, Any]:
    from .. import _verify
    from .. import compare as walk

    names = args.backend or ["torch", "onnxruntime"]
    if len(names) != 2 or names[0] == names[1]:
        raise UsageError("one file is compared on two backends: give --backend twice, or not")
    (path,) = args.files
    graph = _common.read(path)
    backends = [_values.find_backend(name) for name in names]
    values = []
    with about(path):
        inputs = _values.read_inputs(graph, args)
        for backend in backends:
            with backend.prepare(graph, device=args.device) as rep:
                values.append(rep.run(inputs))
        outputs = [
            _row(name, _verify.difference(result, expected), args.tolerance)
            for name, expected, result in zip(graph.output, *values, strict=True)
        ]
        report = walk(None, graph, inputs, backends=[names[1]], reference=names[0])
    nodes = list(graph.node)
    first = None
    for row in report.rows:
        found = row.differences[names[1]]
        if not _fits(found, args.tolerance):
            node = (row.node, row.op_type, nodes[row.node].name)
            first = _row(row.output, found, args.tolerance, node)
            break
    return {
        "between": names,
        "agree": first is None and all(row["fits"] for row in outputs),
        "outputs": outputs,
        "first": first,
    }


# ---- output ------------------------------------------------------------------------------------


def _run(args: argparse.Namespace) -> int:
    if len(args.files) > 2:
        raise UsageError(f"{len(args.files)} files are given, and it takes one or two")
    if args.tolerance is not None and not args.tolerance >= 0:
        raise UsageError("--tolerance must be 0 or more")
    found = _two_files(args) if len(args.files) == 2 else _two_backends(args)
    if args.json:
        put_json(found)
        return 0 if found["agree"] else 1
    put("\n".join(_lines(found)))
    return 0 if found["agree"] else 1


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield from table(
        [[f"output {row['name']}", _verdict(row), _text(row)] for row in found["outputs"]]
    )
    right, left = map(_common.title, found["between"])
    first = found["first"]
    if found["agree"]:
        yield f"{left} computes what {right} does"
    elif first is None:
        yield f"{left} and {right} have no other value that is known to differ"
    else:
        name = f" '{first['node_name']}'" if first["node_name"] else ""
        yield (
            f"{left} and {right} part ways at node {first['node']}, {first['op_type']}{name}, "
            f"in %{first['name']}: {_text(first)}"
        )


def _verdict(row: dict[str, Any]) -> str:
    return "agrees" if row["fits"] else "DIFFERS"
