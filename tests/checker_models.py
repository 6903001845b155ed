"""Small models that both toffee and onnx can be asked to build."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.shape_inference

import toffee
import toffee.helper
import toffee.numpy_helper

FLOAT, INT32, INT64, BOOL, DOUBLE, FLOAT16 = 1, 6, 7, 9, 11, 10
Typed = tuple[int, list[int] | None]
X: Typed = (FLOAT, [2, 3, 4])
ANY: Typed = (FLOAT, None)


@dataclasses.dataclass
class Node:
    """One node; an attribute may be a :class:`Model`, which becomes a graph."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)
    name: str = ""
    domain: str = ""


@dataclasses.dataclass
class Model:
    """A graph that both libraries can be asked to build: values by name, with dtype and dims."""

    nodes: list[Node]
    inputs: dict[str, Typed]
    outputs: dict[str, Typed]
    initializers: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


def build_graph(library: Any, numpy_helper: Any, model: Model) -> Any:
    """The graph of ``model`` through the helper of ``library``, ``toffee`` or ``onnx``."""

    def attribute(value: Any) -> Any:
        if isinstance(value, Model):
            return build_graph(library, numpy_helper, value)
        if isinstance(value, np.ndarray):
            return numpy_helper.from_array(value, "value")
        return value

    def infos(values: dict[str, Typed]) -> list[Any]:
        return [
            library.helper.make_tensor_value_info(name, dtype, dims)
            for name, (dtype, dims) in values.items()
        ]

    nodes = [
        library.helper.make_node(
            node.op,
            node.inputs,
            node.outputs,
            name=node.name,
            domain=node.domain,
            **{name: attribute(value) for name, value in node.attributes.items()},
        )
        for node in model.nodes
    ]
    initializers = [
        numpy_helper.from_array(array, name) for name, array in model.initializers.items()
    ]
    return library.helper.make_graph(
        nodes, "g", infos(model.inputs), infos(model.outputs), initializers
    )


def in_toffee(model: Model) -> toffee.Graph:
    """``model`` as a graph that declares opset 20."""
    graph = build_graph(toffee, toffee.numpy_helper, model)
    graph.ir_version = 2
    declare_opset(graph, "", 20)
    return graph


def declare_opset(graph: toffee.Graph, domain: str, version: int) -> None:
    """Make ``domain`` at ``version`` the only one that ``graph`` declares."""
    del graph.opset_import[:]
    graph.opset_import.append(toffee.helper.make_opsetid(domain, version))


def in_onnx(model: Model) -> onnx.ModelProto:
    """``model`` as an ONNX model of opset 20, with the shapes of outputs, which onnx insists on."""
    graph = build_graph(onnx, onnx.numpy_helper, model)
    opset = onnx.helper.make_opsetid("", 20)
    proto = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    proto = onnx.shape_inference.infer_shapes(proto)
    for output in proto.graph.output:
        if not output.type.tensor_type.HasField("shape"):  # the checker comes to a fault first
            output.type.tensor_type.shape.dim.add()
    return proto


def single(
    op: str,
    inputs: dict[str, Typed | np.ndarray | None],
    n_outputs: int = 1,
    output: Typed = ANY,
    **attributes: Any,
) -> Model:
    """A model of one node. An input of None is left out; an array is an initializer."""
    outputs = [f"y{i}" for i in range(n_outputs)]
    return Model(
        [Node(op, [n if v is not None else "" for n, v in inputs.items()], outputs, attributes)],
        {n: v for n, v in inputs.items() if isinstance(v, tuple)},
        {name: output for name in outputs[:1]},
        {n: v for n, v in inputs.items() if isinstance(v, np.ndarray)},
    )
