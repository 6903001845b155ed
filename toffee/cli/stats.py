"""``toffee stats``."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from . import _common
from ._common import Parsers, put, put_json, table

if TYPE_CHECKING:
    from .._core import Graph, Node, Tensor

_EXAMPLES = """
toffee stats alexnet.toffee
toffee stats resnet50.onnx --largest 20
toffee stats m.toffee --json | jq .parameters
"""


def add(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "stats",
        _run,
        "count operators and parameters",
        _EXAMPLES,
        "Inputs, outputs, symbols with the sizes that they may be, operators by count (those\n"
        "inside of other nodes and of functions included), parameters by element type and size.",
    )
    parser.add_argument("file", metavar="FILE", help="'-' is standard input")
    parser.add_argument(
        "--largest",
        type=_common.integer(0, 1 << 63),
        default=5,
        metavar="N",
        help="show the N largest parameters (default: 5)",
    )
    _common.add_json(parser)


# ---- counting ----------------------------------------------------------------------------------


def every_node(nodes: Iterable[Node]) -> Iterator[Node]:
    """NODES, and those of the graphs in their attributes."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in [attribute.g] if attribute.g is not None else attribute.graphs:
                yield from every_node(graph.node)


def _operator(node: Node) -> str:
    return f"{node.domain}::{node.op_type}" if node.domain else node.op_type


def tensor_bytes(tensor: Tensor) -> int:
    from .. import Tensor

    if tensor.data_type == Tensor.STRING:
        return sum(map(len, tensor.string_data))
    return tensor.raw_data.nbytes


def _elements(tensor: Tensor) -> int:
    n = 1
    for size in tensor.dims:
        n *= size
    return n


def _type_of(name: str, graph: Graph) -> dict[str, Any]:
    from ..backend import base

    infos = {info.name: info for info in (*graph.input_info, *graph.output_info)}
    info = infos.get(name)
    spec = base.InputSpec(name, info.dtype if info else 0, info.shape if info else None)
    dtype = base._dtype_name(spec.dtype) if spec.dtype else None
    shape = None if spec.shape is None else list(spec.shape)
    return {"name": name, "dtype": dtype, "shape": shape, "text": str(spec)}


def collect(graph: Graph, largest: int) -> dict[str, Any]:
    """What ``stats`` knows about GRAPH."""
    from .. import helper
    from .._symbols import symbols_of

    tensors = list(graph.initializer)
    stored = {tensor.name for tensor in tensors}
    nodes = [*graph.node, *(node for function in graph.function for node in function.node)]
    operators = Counter(map(_operator, every_node(nodes)))
    by_dtype: dict[str, dict[str, int]] = {}
    rows: list[dict[str, Any]] = []
    for tensor in tensors:
        dtype = str(helper._DTYPES[tensor.data_type][1] or "string")
        row: dict[str, Any] = {
            "name": tensor.name,
            "dtype": dtype,
            "shape": list(tensor.dims),
            "elements": _elements(tensor),
            "bytes": tensor_bytes(tensor),
        }
        rows.append(row)
        total = by_dtype.setdefault(dtype, {"tensors": 0, "elements": 0, "bytes": 0})
        for key, more in (("tensors", 1), ("elements", row["elements"]), ("bytes", row["bytes"])):
            total[key] += more
    every = {key: sum(row[key] for row in rows) for key in ("elements", "bytes")}
    return {
        "name": graph.name,
        "producer": graph.producer_tag,
        "opsets": {entry.domain: entry.version for entry in graph.opset_import},
        "inputs": [_type_of(name, graph) for name in graph.input if name not in stored],
        "outputs": [_type_of(name, graph) for name in graph.output],
        "symbols": {name: limits._asdict() for name, limits in symbols_of(graph).items()},
        "nodes": len(graph),
        "operators": dict(sorted(operators.items(), key=lambda item: (-item[1], item[0]))),
        "parameters": {
            "tensors": len(rows),
            **every,
            "dtypes": by_dtype,
            "largest": sorted(rows, key=lambda row: -row["bytes"])[:largest],
        },
    }


# ---- output ------------------------------------------------------------------------------------


def _text(found: dict[str, Any]) -> Iterator[str]:
    from .._symbols import Limits

    opsets = ", ".join(f"{domain or 'ONNX'} {n}" for domain, n in found["opsets"].items())
    size = "" if found["file_bytes"] is None else f"{_common.sized(found['file_bytes'])}, "
    producer = f", by {found['producer']}" if found["producer"] else ""
    yield f"{_common.title(found['file'])}: {size}opset {opsets or 'none'}{producer}"
    for what in ("inputs", "outputs"):
        yield f"{what}:"
        yield from table([[row["name"], row["text"]] for row in found[what]] or [["none"]], "  ")
    if found["symbols"]:
        yield "symbols:"
        limits = [[name, Limits(**row).describe()] for name, row in found["symbols"].items()]
        yield from table(limits, "  ")
    yield f"{_common.counted(found['nodes'], 'node')}:"
    operators = [[name, f"{n:,}"] for name, n in found["operators"].items()]
    yield from table(operators or [["none"]], "  ", right=[1])
    some = found["parameters"]
    total = f"{_common.counted(some['elements'], 'element')}, {_common.sized(some['bytes'])}"
    yield f"{_common.counted(some['tensors'], 'parameter')}: {total}"
    kinds = [
        [
            dtype,
            _common.counted(n["tensors"], "parameter"),
            _common.counted(n["elements"], "element"),
            f"{n['bytes']:,} bytes",
        ]
        for dtype, n in some["dtypes"].items()
    ]
    yield from table(kinds, "  ", right=[1, 2, 3]) if kinds else ()
    if some["largest"]:
        yield "the largest:" if len(some["largest"]) < some["tensors"] else "each:"
        rows = [
            [row["name"], f"{row['dtype']}{row['shape']}", f"{row['bytes']:,} bytes"]
            for row in some["largest"]
        ]
        yield from table(rows, "  ", right=[2])


def _run(args: argparse.Namespace) -> None:
    graph = _common.read(args.file)
    size = None if args.file == "-" else os.path.getsize(args.file)
    found = {"file": args.file, "file_bytes": size, **collect(graph, args.largest)}
    if args.json:
        for row in (*found["inputs"], *found["outputs"]):
            del row["text"]
        put_json(found)
    else:
        put("\n".join(_text(found)))
