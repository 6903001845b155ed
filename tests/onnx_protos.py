"""ONNX's own test models, and what may differ between a model and what toffee writes of it."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import onnx
import onnx.helper
import onnx.numpy_helper
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from onnx import TensorProto
from wire_bytes import data, integer

DATA = Path(os.path.dirname(onnx.__file__)) / "backend" / "test" / "data"


@functools.cache
def node_models() -> dict[str, onnx.ModelProto]:
    """The models of ONNX's backend node tests by name. Nobody may change them."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they compute with infinities
        cases = collect_testcases(None)
    return {case.name: case.model for case in cases if case.model is not None}


def model_files() -> list[Path]:
    """The models that come as files: small graphs, PyTorch's of 2018, and networks."""
    return sorted([*DATA.glob("*/*/model.onnx"), *DATA.glob("light/*.onnx")])


def _walk(message: Message, visit: Callable[[Message], None]) -> None:
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                _walk(inner, visit)
    visit(message)


def _normalize_tensor(tensor: onnx.TensorProto) -> None:
    """Typed elements are raw bytes, and spaces at the end of the doc_string are padding."""
    external = tensor.data_location == onnx.TensorProto.EXTERNAL
    if tensor.data_type != onnx.TensorProto.STRING and not tensor.HasField("raw_data"):
        if not external:
            array = onnx.numpy_helper.to_array(tensor)
            raw = onnx.numpy_helper.from_array(array)
            assert raw.data_type == tensor.data_type
            tensor.raw_data = raw.raw_data
    for name in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
        tensor.ClearField(name)
    tensor.doc_string = tensor.doc_string.rstrip(" ")


def _normalize(message: Message) -> None:
    if isinstance(message, onnx.TensorProto):
        _normalize_tensor(message)
    if isinstance(message, onnx.ModelProto):
        message.doc_string = message.doc_string.rstrip(" ")
    if isinstance(message, (onnx.NodeProto, onnx.OperatorSetIdProto, onnx.FunctionProto)):
        if message.domain == "ai.onnx":
            message.domain = ""
    if isinstance(message, onnx.NodeProto):
        attributes = sorted(message.attribute, key=lambda attribute: attribute.name)
        del message.attribute[:]
        message.attribute.extend(attributes)
    if isinstance(message, onnx.GraphProto):
        # A value that is declared twice: the second time comes last.
        ports = {info.name for info in [*message.input, *message.output]}
        infos = sorted(message.value_info, key=lambda info: info.name in ports)
        del message.value_info[:]
        message.value_info.extend(infos)
    if isinstance(message, (onnx.GraphProto, onnx.ModelProto)):
        props = sorted(message.metadata_props, key=lambda prop: prop.key)
        del message.metadata_props[:]
        message.metadata_props.extend(props)
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated and value == "":
            message.ClearField(field.name)


def normalized(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of ``model`` without what reading and writing legitimately changes.

    - Elements of tensors are ``raw_data`` (strings aside), whichever list they were in.
    - ``doc_string`` of tensors and of the model may end in spaces: toffee pads with them.
    - Attributes of a node are in the order of their names.
    - The properties of a model and those of its graph are in the order of their keys.
    - A ``value_info`` that repeats an input or output comes behind the others.
    - ``"ai.onnx"`` and ``""`` are one domain; a text that is empty is as good as none.
    - Fields that ONNX does not know are dropped: in GraphProto the names of inputs and outputs,
      version, producer and opsets, which toffee writes for its own readers (docs/format.md).
    """
    copy = onnx.ModelProto.FromString(model.SerializeToString(deterministic=True))
    copy.DiscardUnknownFields()
    _walk(copy, _normalize)
    return copy


#: Number of a field that no message of ONNX has.
FROM_THE_FUTURE = 1000


def from_the_future(text: str) -> bytes:
    """A field that nobody knows yet, with ``text`` in it."""
    content = text.encode()
    return data(FROM_THE_FUTURE, content) + integer(FROM_THE_FUTURE + 1, len(content))


def _types() -> list[onnx.ValueInfoProto]:
    """A value of each kind of type, with what only few files say of one."""
    make = onnx.helper
    tensor = make.make_tensor_type_proto(TensorProto.FLOAT, ["N", 3, None])
    tensor.denotation = "IMAGE"
    tensor.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    opaque = onnx.TypeProto()
    opaque.opaque_type.domain = "my"
    opaque.opaque_type.name = "Thing"
    types = {
        "tensor": tensor,
        "sequence": make.make_sequence_type_proto(make.make_sequence_type_proto(tensor)),
        "optional": make.make_optional_type_proto(tensor),
        "map": make.make_map_type_proto(TensorProto.INT64, make.make_sequence_type_proto(tensor)),
        "sparse": make.make_sparse_tensor_type_proto(TensorProto.DOUBLE, [3, "M"]),
        "opaque": opaque,
        "nothing": onnx.TypeProto(),
        "empty_tensor": make.make_tensor_type_proto(0, None),
    }
    return [make.make_value_info(f"{name}_value", type) for name, type in types.items()]


def _sparse(name: str) -> onnx.SparseTensorProto:
    values = onnx.helper.make_tensor(name, TensorProto.FLOAT, [2], [1.5, -2.5])
    indices = onnx.helper.make_tensor("", TensorProto.INT64, [2, 2], [0, 1, 2, 0])
    return onnx.helper.make_sparse_tensor(values, indices, [3, 3])


def _functions() -> list[onnx.FunctionProto]:
    make = onnx.helper
    constant = make.make_node("Constant", [], ["a"])
    reference = onnx.AttributeProto(name="value_float", type=onnx.AttributeProto.FLOAT)
    reference.ref_attr_name = "alpha"
    constant.attribute.append(reference)
    scale = make.make_function(
        "my",
        "Scale",
        ["x"],
        ["y"],
        [constant, make.make_node("Mul", ["x", "a"], ["y"], name="times")],
        [make.make_opsetid("", 18)],
        ["unused"],
        [make.make_attribute("alpha", 2.0)],
        doc_string="times alpha",
        value_info=[make.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "xa"],
    )
    twice = make.make_function(
        "my",
        "Scale",
        ["x"],
        ["z"],
        [
            make.make_node("Scale", ["x"], ["y"], domain="my", alpha=3.0),
            make.make_node("Scale", ["y"], ["z"], domain="my"),
        ],
        [make.make_opsetid("my", 1)],
        overload="twice",
    )
    return [scale, twice]


def rich_model() -> onnx.ModelProto:
    """A model that is sound and says, somewhere, almost all that a ModelProto can say.

    Every kind of message has a field that nobody knows yet, but for OperatorSetIdProto and
    StringStringEntryProto.
    """
    make = onnx.helper
    inner = make.make_graph(
        [make.make_node("Identity", ["x"], ["inside"])],
        "inner",
        [],
        [make.make_tensor_value_info("inside", TensorProto.FLOAT, None)],
        [make.make_tensor("unused", TensorProto.INT32, [2], [1, 2])],
        doc_string="a branch",
    )
    anything = make.make_node("Anything", ["x", "", "s", "default"], ["made"], domain="other")
    anything.attribute.extend(
        [
            make.make_attribute("z_type", make.make_sequence_type_proto(_types()[0].type)),
            make.make_attribute("types", [info.type for info in _types()]),
            make.make_attribute("sparse", _sparse("inside_an_attribute")),
            make.make_attribute("sparses", [_sparse("a"), _sparse("b")]),
            make.make_attribute("graphs", [inner, inner]),
            make.make_attribute("strings", [b"a", b"\xff"]),
            make.make_attribute("floats", [], attr_type=onnx.AttributeProto.FLOATS),
            make.make_attribute("tensor", make.make_tensor("t", TensorProto.INT4, [3], [1, -8, 7])),
        ]
    )
    nodes = [
        make.make_node("Scale", ["x"], ["t"], domain="my", alpha=0.5),
        make.make_node("Scale", ["t"], ["y"], domain="my", overload="twice", name="two"),
        make.make_node("If", ["condition"], ["if"], then_branch=inner, else_branch=inner),
        anything,
    ]
    initializers = [
        make.make_tensor(f"n{number}", number, [5], [1, 0, 1, 1, 0])
        for number in TensorProto.DataType.values()
        if number not in (TensorProto.UNDEFINED, TensorProto.STRING)
    ]
    initializers.append(make.make_tensor("texts", TensorProto.STRING, [2], [b"a", b"\xff\0"]))
    initializers.append(make.make_tensor("default", TensorProto.FLOAT, [20], [1.0] * 20))
    initializers[-1].doc_string = "may be given"
    graph = make.make_graph(
        nodes,
        "rich",
        [
            make.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3], "what goes in"),
            make.make_tensor_value_info("default", TensorProto.FLOAT, ["D"]),
            make.make_tensor_value_info("condition", TensorProto.BOOL, []),
            *_types(),
        ],
        [make.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ["y", "if"]],
        initializers,
        doc_string="of the graph",
        value_info=[
            make.make_tensor_value_info("t", TensorProto.FLOAT, None),
            make.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3]),
        ],
        sparse_initializer=[_sparse("s")],
    )
    annotation = graph.quantization_annotation.add(tensor_name="t")
    annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="n1")
    model = make.make_model(
        graph,
        functions=_functions(),
        producer_name="somebody",
        producer_version="1.2.3",
        model_version=7,
        domain="org.example",
        doc_string="of the model",
        ir_version=11,
        opset_imports=[make.make_opsetid(n, v) for n, v in [("", 20), ("my", 1), ("other", 3)]],
    )
    model.training_info.add().algorithm.CopyFrom(inner)
    model.configuration.add(name="two", num_devices=2, device=["a", "b"])
    graph = model.graph  # make_model makes a copy
    graph.node[0].device_configurations.add(configuration_id="two", pipeline_stage=1)
    for number, message in enumerate(
        [
            model,
            graph,
            graph.node[0],
            model.functions[0],
            graph.initializer[0],
            graph.value_info[0],
        ]
    ):
        message.metadata_props.add(key="where", value=type(message).__name__)
        message.metadata_props.add(key=f"only {number}", value="a")
    _walk(model, _add_unknown)
    return model


def _add_unknown(message: Message) -> None:
    if not isinstance(message, (onnx.OperatorSetIdProto, onnx.StringStringEntryProto)):
        message.MergeFromString(from_the_future(type(message).__name__))


def unknown_fields(model: onnx.ModelProto) -> list[str]:
    """What :func:`rich_model` adds to its messages, as far as it is still there, sorted."""
    found: list[str] = []

    def look(message: Message) -> None:
        fields = UnknownFieldSet(message)
        for i in range(len(fields)):
            if fields[i].field_number == FROM_THE_FUTURE:
                found.append(f"{type(message).__name__}: {fields[i].data!r}")

    _walk(model, look)
    return sorted(found)
