"""``toffee diff``: how two graphs are written, not what they compute."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _common
from ._common import Parsers, UsageError, put, put_json

if TYPE_CHECKING:
    from .._core import Graph, Node, Tensor, ValueInfo

_EXAMPLES = """
toffee diff before.toffee after.toffee
toffee diff m.toffee m.onnx --names
toffee diff before.onnx after.onnx --json
"""


def add(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "diff",
        _run,
        "tell how two graphs differ",
        _EXAMPLES,
        "Tell how two graphs differ: nodes (matched by the values that they compute),\n"
        "attributes, initializers, types, inputs and outputs. '-' is the first file's, '+' the\n"
        "second's. The exit code is 1 if they differ.",
    )
    parser.add_argument("first", metavar="FIRST", help="'-' is standard input")
    parser.add_argument("second", metavar="SECOND", help="'-' is standard input")
    parser.add_argument(
        "--names", action="store_true", help="compare the nodes' names and remarks too"
    )
    _common.add_json(parser)


class Change(NamedTuple):
    """``what`` is "node", "initializer", …; ``old`` or ``new`` is None if it is not there."""

    what: str
    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        lines = [f"{self.what} {self.name}".rstrip()]
        lines += [f"- {line}" for line in (self.old or "").splitlines()]
        lines += [f"+ {line}" for line in (self.new or "").splitlines()]
        return "\n  ".join(lines)


# ---- nodes -------------------------------------------------------------------------------------


def _keys(graph: Graph) -> dict[str, Node]:
    """The nodes of GRAPH by the first value that they compute."""
    found = {}
    for i, node in enumerate(graph.node):
        key = next((name for name in node.output if name), f"node {i}")
        found[f"%{key}" if key in node.output else key] = node
    return found


def _attributes(node: Node) -> dict[str, Any]:
    return {attribute.name: attribute for attribute in node.attribute}


def _attribute_text(node: Node, name: str) -> str:
    """``strides=[2, 2]``, as the listing has it."""
    from .._core import Node

    only = Node(op_type="X", attribute=[a for a in node.attribute if a.name == name])
    return str(only)[len("X[") : -len("]()")]


def _without_attributes(node: Node) -> str:
    from .._core import Node

    bare = Node(
        op_type=node.op_type,
        domain=node.domain,
        overload=node.overload,
        input=node.input,
        output=node.output,
    )
    return str(bare)


def _node_changes(key: str, old: Node, new: Node, names: bool) -> Iterator[Change]:
    if (old.op_type, old.domain) != (new.op_type, new.domain):
        yield Change("node", key, str(old), str(new))
        return
    if (list(old.input), list(old.output)) != (list(new.input), list(new.output)):
        yield Change("node", key, _without_attributes(old), _without_attributes(new))
    before, after = _attributes(old), _attributes(new)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Change(
                "attribute",
                f"{name} of {old.op_type} {key}",
                _attribute_text(old, name) if name in before else None,
                _attribute_text(new, name) if name in after else None,
            )
    if names and (old.name, old.doc_string) != (new.name, new.doc_string):
        said = [f"{node.name}  {node.doc_string}".strip() or "(none)" for node in (old, new)]
        yield Change("name", f"of {old.op_type} {key}", *said)


def _nodes(old: Graph, new: Graph, names: bool) -> Iterator[Change]:
    before, after = _keys(old), _keys(new)
    for key in dict.fromkeys([*before, *after]):
        if key in before and key in after:
            yield from _node_changes(key, before[key], after[key], names)
        elif key in before:
            yield Change("node", key, str(before[key]), None)
        else:
            yield Change("node", key, None, str(after[key]))
    common = [key for key in before if key in after]
    if common != [key for key in after if key in before]:
        yield Change("order", "of the nodes", None, None)


# ---- everything else ---------------------------------------------------------------------------


def _tensor_text(tensor: Tensor) -> str:
    from .. import helper

    name = helper._DTYPES[tensor.data_type][1] or "string"
    return f"{name}{list(tensor.dims)}"


def _tensors(old: Graph, new: Graph) -> Iterator[Change]:
    before = {tensor.name: tensor for tensor in old.initializer}
    after = {tensor.name: tensor for tensor in new.initializer}
    for name in dict.fromkeys([*before, *after]):
        one, two = before.get(name), after.get(name)
        texts = [None if tensor is None else _tensor_text(tensor) for tensor in (one, two)]
        if texts[0] != texts[1]:
            yield Change("initializer", name, *texts)
        elif one is not None and two is not None and _values(one) != _values(two):
            yield Change(
                "initializer",
                name,
                *(f"{text}, {_sum(t)}" for text, t in zip(texts, (one, two), strict=True)),
            )


def _values(tensor: Tensor) -> Any:
    from .._core import Tensor

    return tensor.string_data if tensor.data_type == Tensor.STRING else tensor.raw_data


def _sum(tensor: Tensor) -> str:
    """Its first values, and a checksum of all."""
    from zlib import crc32

    values = _values(tensor)
    data = values if isinstance(values, memoryview) else b"\0".join(values)
    text = str(_as_node(tensor))
    start = text[text.index("{") : text.rindex("}") + 1] if "{" in text else ""
    return f"{start} (crc32 {crc32(data):08x})"


def _as_node(tensor: Tensor) -> Node:
    from .. import helper

    return helper.make_node("X", [], [], value=tensor)


def _types(old: Graph, new: Graph) -> Iterator[Change]:
    tables = [_type_table(graph) for graph in (old, new)]
    for name in dict.fromkeys([*tables[0], *tables[1]]):
        # A type that one of them only leaves out is no other type.
        if name in tables[0] and name in tables[1] and tables[0][name] != tables[1][name]:
            yield Change("type", f"of %{name}", tables[0][name], tables[1][name])


def _type_table(graph: Graph) -> Mapping[str, str]:
    from ..backend import base

    def text(info: ValueInfo) -> str:
        return str(base.InputSpec(info.name, info.dtype, info.shape))

    infos = (*graph.value_info, *graph.output_info, *graph.input_info)
    return {info.name: text(info) for info in infos}


def changes(old: Graph, new: Graph, names: bool = False) -> list[Change]:
    """How NEW is not OLD. With NAMES: the nodes' names and doc_strings count too."""
    found = []
    for what in ("name", "producer_tag", "ir_version") if names else ():
        one, two = str(getattr(old, what)), str(getattr(new, what))
        if one != two:
            found.append(Change("graph", what, one, two))
    opsets = [
        ", ".join(sorted(f"{e.domain or 'ONNX'} {e.version}" for e in graph.opset_import))
        for graph in (old, new)
    ]
    if opsets[0] != opsets[1]:
        found.append(Change("opsets", "", *opsets))
    for what in ("input", "output"):
        before, after = (list(getattr(graph, what)) for graph in (old, new))
        gone = ", ".join(f"%{name}" for name in before if name not in {*after})
        come = ", ".join(f"%{name}" for name in after if name not in {*before})
        if gone or come:
            found.append(Change(f"{what}s", "", gone or None, come or None))
        elif before != after:
            found.append(Change("order", f"of the {what}s", None, None))
    found += _nodes(old, new, names)
    functions = [{f"{f.domain}::{f.name}": f for f in graph.function} for graph in (old, new)]
    for name in dict.fromkeys([*functions[0], *functions[1]]):
        if functions[0].get(name) != functions[1].get(name):
            said = [_function_text(name, table.get(name)) for table in functions]
            found.append(Change("function", name, *said))
    found += _tensors(old, new)
    found += _types(old, new)
    return found


def _function_text(name: str, function: Any) -> str | None:
    return None if function is None else f"{name} of {_common.counted(len(function), 'node')}"


def _run(args: argparse.Namespace) -> int:
    if args.first == args.second == "-":
        raise UsageError("'-' can be one of the files only")
    found = changes(_common.read(args.first), _common.read(args.second), args.names)
    if args.json:
        between = [args.first, args.second]
        put_json({"between": between, "changes": [change._asdict() for change in found]})
    else:
        first, second = _common.title(args.first), _common.title(args.second)
        n = _common.counted(len(found), "difference")
        last = (
            f"{n} between {first} and {second}" if found else f"{first} and {second} are the same"
        )
        put("\n".join([*map(str, found), last]))
    return 1 if found else 0
