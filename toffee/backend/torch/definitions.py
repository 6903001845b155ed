"""Operators that ONNX itself defines by other operators.

For an operator that the table does not know, the ``onnx`` package may have a body: some operators
are functions, with a body that may depend on the types of the inputs and on the attributes. Then
the body is what runs.
"""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Any, TypeAlias

import torch

from ..._core import Node
from . import values
from .registry import Attributes, Operator

__all__ = ["resolve"]

#: So many bodies a node keeps
MAX_PLANS = 64
#: data_type and shape of an input, None for one that is left out
_Kind: TypeAlias = tuple[int, tuple[int, ...]] | None


def resolve(node: Node, domain: str, version: int) -> Operator | None:
    """The operator by its definition in the ``onnx`` package; None if it has none there, or if the
    package is not installed."""
    try:
        import onnx
        from onnx import defs
    except ImportError:
        return None
    try:
        schema: Any = defs.get_schema(node.op_type, version, domain)
    except defs.SchemaError:
        return None
    if not (schema.has_function or schema.has_context_dependent_function):
        return None
    proto = onnx.NodeProto(op_type=node.op_type, domain=domain)
    proto.input.extend(node.input)
    proto.output.extend(node.output)
    return Operator(_Definition(schema, proto, node, version).run, many=True, scoped=True)


class _Definition:
    """One node. Its bodies are prepared when they are first needed, one for each combination of
    element types and shapes, since a body may be made for these."""

    def __init__(self, schema: Any, proto: Any, node: Node, version: int) -> None:
        self.schema, self.proto, self.node, self.version = schema, proto, node, version
        self.plans: dict[tuple[_Kind, ...], Any] = {}

    def run(self, a: Attributes, scope: Any, *inputs: Any) -> list[Any]:
        kinds = tuple(
            None if x is None else (values.data_type_of(x), tuple(x.shape)) for x in inputs
        )
        plan = self.plans.get(kinds)
        if plan is None:
            if len(self.plans) >= MAX_PLANS:  # shapes that never come back
                self.plans.clear()
            plan = self.plans[kinds] = self.prepare(a, kinds)
        given = [*inputs, *[None] * (len(plan.inputs) - len(inputs))]
        return plan.run(given, scope.device)

    def prepare(self, a: Attributes, kinds: tuple[_Kind, ...]) -> Any:
        import onnx

        from ... import io
        from .plan import prepare_graph

        function = self.body(a, kinds)
        given = {attribute.name: attribute for attribute in self.proto.attribute}
        defaults = {attribute.name: attribute for attribute in function.attribute_proto}
        for inner in function.node:
            _fill(inner, {**defaults, **given})
        names = [f"{name}" for name in function.input]
        graph = onnx.GraphProto(name=function.name, node=function.node)
        # an output that the node leaves out need not exist in the body
        asked = zip(function.output, self.node.output, strict=False)
        outputs = [name if used else "" for name, used in asked]
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name)
        graph.input.extend(onnx.ValueInfoProto(name=name) for name in names)
        model = onnx.ModelProto(ir_version=8, graph=graph, opset_import=function.opset_import)
        if not model.opset_import:
            model.opset_import.add(domain="", version=self.version)
        return prepare_graph(io.loads(model.SerializeToString()), names, outputs)

    def body(self, a: Attributes, kinds: tuple[_Kind, ...]) -> Any:
        import onnx

        if not self.proto.attribute:
            for name, value in a.items():
                self.proto.attribute.append(_attribute(name, value, self.schema))
        if self.schema.has_context_dependent_function:
            types = []
            for kind in kinds:
                kind_proto = onnx.TypeProto()
                if kind is not None:
                    kind_proto = onnx.helper.make_tensor_type_proto(*kind)
                types.append(kind_proto.SerializeToString())
            data = self.schema.get_context_dependent_function_with_opset_version(
                self.version, self.proto.SerializeToString(), types
            )
        else:
            data = self.schema.get_function_with_opset_version(self.version)
        function = onnx.FunctionProto()
        function.ParseFromString(data)
        if not function.node:
            raise NotImplementedError("the onnx package has no definition for these inputs")
        if not function.input:  # a body made for these types: it names its ends as the schema does
            function.input.extend(item.name for item in self.schema.inputs)
            function.output.extend(item.name for item in self.schema.outputs)
        return function


def _attribute(name: str, value: Any, schema: Any) -> Any:
    from onnx import helper, numpy_helper

    if isinstance(value, torch.Tensor):
        value = numpy_helper.from_array(values.to_numpy(value))
    kind = schema.attributes[name].type if name in schema.attributes else None
    return helper.make_attribute(name, value, attr_type=None if kind is None else kind.value)


def _fill(node: Any, given: dict[str, Any]) -> None:
    """Put what was GIVEN where attributes of NODE, and of the graphs in it, stand for it."""
    kept = []
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            if attribute.ref_attr_name not in given:
                continue
            name = attribute.name
            attribute.CopyFrom(given[attribute.ref_attr_name])
            attribute.name = name
        for inner in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
            for below in inner.node:
                _fill(below, given)
        kept.append(attribute)
    if len(kept) != len(node.attribute):
        copies = [type(kept_one).FromString(kept_one.SerializeToString()) for kept_one in kept]
        del node.attribute[:]
        node.attribute.extend(copies)
