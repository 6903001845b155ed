"""What a page or a picture says about a graph: names, types, sizes and module paths as text.

A graph may come from anybody, so everything here is bounded, and no text leaves :func:`plain`
with a character that a terminal, a page or an XML parser would act on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from . import _core
from ._core import Attribute, Graph, Node, Tensor, ValueInfo
from ._places import MAX_NAME as MAX_NAME
from ._places import plain as plain

#: Deepest module path that is told apart.
MAX_DEPTH = 16

_DTYPE = {number: same or name.lower() for number, name, same, _ in _core.dtype_table()}
_SOURCE = re.compile(r"[^\n]{1,300}:\d{1,9}")
_UNITS = ("", " k", " M", " G", " T")


def number(count: int) -> str:
    """COUNT in at most three digits and a letter: 61100840 is ``61.1 M``."""
    value, unit = float(min(count, 10**15)), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g}{_UNITS[unit]}"


def size(count: int) -> str:
    """COUNT bytes as people say it: ``233 MiB``."""
    value, unit = float(min(count, 2**60)), 0
    names = ("bytes", "KiB", "MiB", "GiB", "TiB")
    while value >= 1023.5 and unit < len(names) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.3g} {names[unit]}" if unit or value != 1 else "1 byte"


def dtype_name(dtype: int) -> str:
    """``float32`` for 1; ``?`` for a number that no dtype has."""
    return str(_DTYPE.get(dtype, "?"))


def _dimension(text: str) -> str:
    return f"({text})" if any(mark in text for mark in " *%/+-") else text


def times(dims: Iterable[object]) -> str:
    """Dimensions as ``64×3×11×11``, an expression in brackets; at most 12 of them. A scalar has
    none: the empty text."""
    shown = ["?" if dim is None else _dimension(plain(str(dim), 24)) for dim in dims]
    return "×".join(shown if len(shown) <= 12 else [*shown[:11], "…"])


class Type(NamedTuple):
    """What is known of a value, as text; empty where nothing is."""

    dtype: str
    shape: str


def value_type(info: ValueInfo) -> Type:
    """The type that INFO declares."""
    if info.dtype:
        shape = info.shape
        if shape is None:
            return Type(dtype_name(info.dtype), "?")
        return Type(dtype_name(info.dtype), times(shape) or "scalar")
    which = info.type.which
    return Type(which.removesuffix("_type") if which != "tensor_type" else "", "")


def tensor_type(tensor: Tensor) -> Type:
    """The type of an initializer."""
    return Type(dtype_name(tensor.data_type), times(tensor.dims) or "scalar")


def elements(tensor: Tensor) -> int:
    """How many elements TENSOR says it has."""
    return max(prod(tensor.dims), 0)


def tensor_bytes(tensor: Tensor) -> int:
    """How many bytes TENSOR takes by its dims and dtype, wherever they lie."""
    return sum(map(len, tensor.string_data)) + tensor.raw_data.nbytes


def types_of(graph: Graph) -> dict[str, Type]:
    """The types of all values that GRAPH declares."""
    types = {tensor.name: tensor_type(tensor) for tensor in graph.initializer}
    for infos in (graph.value_info, graph.output_info, graph.input_info):
        types.update((info.name, value_type(info)) for info in infos)
    return types


def operator(node: Node) -> str:
    """The operator with its domain, if that is not ONNX's own."""
    return f"{node.domain}::{node.op_type}" if node.domain else node.op_type


def source_line(node: Node) -> str:
    """``file.py:12``, where the user wrote what NODE is from; empty if it does not say."""
    text = node.doc_string
    return text if len(text) <= 320 and _SOURCE.fullmatch(text) else ""


def module_path(node: Node) -> tuple[str, ...]:
    """The path of the module that NODE's name begins with: ``("features", "0")`` for
    ``features.0/Conv``, and for ``/features/features.0/Conv`` as torch.onnx names it."""
    head, slash, _ = node.name[:1000].strip("/").rpartition("/")
    path: list[str] = []
    if slash:
        for scope in head.split("/"):
            parts = [part for part in scope.split(".") if part]
            # torch.onnx repeats the name of a list of modules before the index in it.
            path += parts[1:] if path and len(parts) > 1 and parts[0] == path[-1] else parts
    return tuple(path[:MAX_DEPTH])


def subgraphs(node: Node) -> list[tuple[str, Graph]]:
    """The graphs in the attributes of NODE, each with the attribute's name."""
    found: list[tuple[str, Graph]] = []
    for attr in node.attribute:
        if attr.type == Attribute.GRAPH and attr.g is not None:
            found.append((attr.name, attr.g))
        elif attr.type == Attribute.GRAPHS:
            found += [(f"{attr.name}[{i}]", inner) for i, inner in enumerate(attr.graphs)]
    return found


def captured(graph: Graph) -> list[str]:
    """The names that GRAPH, in an attribute, uses and does not define, each once, in order."""
    defined = {*graph.input, *(tensor.name for tensor in graph.initializer)}
    free: dict[str, None] = {}
    for node in graph:
        used = [*node.input]
        for _, inner in subgraphs(node):
            used += captured(inner)
        free.update((name, None) for name in used if name and name not in defined)
        defined.update(node.output)
    free.update((name, None) for name in graph.output if name not in defined)
    return list(free)


def counted(counts: Counter[str], limit: int) -> str:
    """``Conv ×5, Relu ×7, Add``: the LIMIT most frequent, then how many kinds more."""
    shown = [
        plain(name, 40) + (f" ×{times}" if times > 1 else "")
        for name, times in counts.most_common(limit)
    ]
    if len(counts) > limit:
        shown.append(f"{len(counts) - limit} more")
    return ", ".join(shown)
