"""Every ONNX model that we can get is read, checked, written, and then says what it said before.

What may differ is listed, and taken away, by ``normalized`` in onnx_protos.py.
"""

from __future__ import annotations

import copy
import pickle

import ml_dtypes
import numpy as np
import onnx
import onnx.checker
import onnx.helper
import onnx.numpy_helper
import onnx.parser
import pytest
from onnx import AttributeProto, TensorProto
from onnx_protos import (
    DATA,
    from_the_future,
    model_files,
    node_models,
    normalized,
    rich_model,
    unknown_fields,
)
from wire_bytes import data, integer, texts

import toffee
import toffee.checker
from toffee import Attribute, Function, Tensor, _core


def round_trip(model: onnx.ModelProto) -> onnx.ModelProto:
    graph = toffee.loads(model.SerializeToString())
    return onnx.load_from_string(toffee.dumps(graph, format="onnx"))


def assert_comes_back(model: onnx.ModelProto) -> None:
    """Through ONNX and through .toffee, and writing again changes nothing any more."""
    graph = toffee.loads(model.SerializeToString())
    as_onnx = toffee.dumps(graph, format="onnx")
    assert normalized(onnx.load_from_string(as_onnx)) == normalized(model)
    as_toffee = toffee.dumps(graph)
    again = toffee.loads(as_toffee)
    assert again == graph
    assert toffee.dumps(again) == as_toffee
    assert toffee.dumps(again, format="onnx") == as_onnx
    assert str(again) == str(graph)


# ---- ONNX's own models ------------------------------------------------------------------------


def test_all_models_of_the_node_tests_load_check_save_and_load_again() -> None:
    models = node_models()
    assert len(models) > 1800
    failed = []
    for name, model in models.items():
        try:
            toffee.checker.check_graph(toffee.loads(model.SerializeToString()))
            assert_comes_back(model)
        except (AssertionError, toffee.Error) as error:
            failed.append((name, str(error)[:200]))
    assert failed == []


@pytest.mark.parametrize("path", model_files(), ids=lambda path: str(path.relative_to(DATA)))
def test_models_in_files_load_check_save_and_load_again(path, tmp_path) -> None:
    model = onnx.load(path)
    graph = toffee.load(path)
    toffee.checker.check_graph(graph)
    assert_comes_back(model)
    toffee.save(graph, tmp_path / "m.onnx")
    assert normalized(onnx.load(tmp_path / "m.onnx")) == normalized(model)
    toffee.save(graph, tmp_path / "m.toffee")
    assert toffee.load(tmp_path / "m.toffee") == graph


# ---- all that a model can say -----------------------------------------------------------------


def test_all_that_a_model_can_say_comes_back() -> None:
    model = rich_model()
    toffee.checker.check_graph(toffee.loads(model.SerializeToString()))
    assert_comes_back(model)


def test_fields_from_the_future_come_back_in_every_message() -> None:
    model = rich_model()
    fields = unknown_fields(model)
    assert {field.split(":")[0] for field in fields} >= {
        "ModelProto",
        "GraphProto",
        "NodeProto",
        "AttributeProto",
        "TensorProto",
        "SparseTensorProto",
        "ValueInfoProto",
        "TypeProto",
        "Dimension",
        "FunctionProto",
        "TrainingInfoProto",
        "TensorAnnotation",
    }
    assert unknown_fields(round_trip(model)) == fields
    as_toffee = toffee.dumps(toffee.loads(model.SerializeToString()))
    back = onnx.load_from_string(toffee.dumps(toffee.loads(as_toffee), format="onnx"))
    assert unknown_fields(back) == fields


def test_fields_from_the_future_stay_in_their_order() -> None:
    fields = integer(1001, 5) + data(1000, "b") + integer(99, 1) + data(1000, "a")
    node = data(4, "Neg") + fields
    graph = toffee.loads(data(7, data(1, node)) + data(8, integer(2, 20)))
    assert fields in toffee.dumps(graph, format="onnx")
    assert fields in toffee.dumps(graph)


def test_what_is_not_understood_counts_when_graphs_are_compared() -> None:
    model = node_models()["test_relu"]
    content = model.SerializeToString()
    later = onnx.ModelProto.FromString(content)
    later.graph.node[0].MergeFromString(from_the_future("x"))
    plain, changed = toffee.loads(content), toffee.loads(later.SerializeToString())
    assert plain != changed
    assert plain.node[0] != changed.node[0]
    assert copy.copy(changed) == changed == pickle.loads(pickle.dumps(changed))
    assert changed.node[0] == copy.copy(changed.node[0])


def test_the_header_of_a_model_comes_back() -> None:
    model = round_trip(rich_model())
    assert (model.ir_version, model.producer_name, model.producer_version) == (
        11,
        "somebody",
        "1.2.3",
    )
    assert (model.model_version, model.domain) == (7, "org.example")
    assert model.doc_string.rstrip(" ") == "of the model"
    assert model.graph.doc_string == "of the graph"
    assert len(model.training_info) == len(model.configuration) == 1


def test_a_doc_string_that_a_graph_borrows_from_its_model_is_written_once() -> None:
    model = onnx.ModelProto.FromString(node_models()["test_relu"].SerializeToString())
    model.doc_string = "only here"
    graph = toffee.loads(model.SerializeToString())
    assert graph.doc_string == "only here"
    assert_comes_back(model)
    graph.doc_string = "another"
    back = onnx.load_from_string(toffee.dumps(graph, format="onnx"))
    assert (back.graph.doc_string, back.doc_string.rstrip()) == ("another", "only here")


def test_properties_stay_where_they_were() -> None:
    model = onnx.ModelProto.FromString(node_models()["test_relu"].SerializeToString())
    model.metadata_props.add(key="model", value="1")
    model.graph.metadata_props.add(key="graph", value="2")
    for holder, value in ((model, "a"), (model.graph, "b")):
        holder.metadata_props.add(key="both", value=value)
    graph = toffee.loads(model.SerializeToString())
    assert {prop.key: prop.value for prop in graph.metadata_props} == {
        "model": "1",
        "graph": "2",
        "both": "a",
    }
    assert_comes_back(model)
    graph.metadata_props.add(key="new", value="3")
    graph.metadata_props[[p.key for p in graph.metadata_props].index("both")].value = "c"
    back = onnx.load_from_string(toffee.dumps(graph, format="onnx"))
    assert {p.key: p.value for p in back.metadata_props} == {"model": "1", "both": "c", "new": "3"}
    assert {p.key: p.value for p in back.graph.metadata_props} == {
        "graph": "2",
        "both": "c",
        "new": "3",
    }


def test_inputs_with_an_initializer_stay_declared() -> None:
    """Below IR version 4 every initializer must be; later it says that they may be overridden."""
    text = """
    <ir_version: 3, opset_import: ["": 6]>
    g (float[N] x, float[1] w) => (float[N] y) <float[1] w = {2.0}> { y = Mul(x, w) }
    """
    model = onnx.parser.parse_model(text)
    assert_comes_back(model)
    graph = toffee.loads(model.SerializeToString())
    assert [info.name for info in graph.input_info] == ["x"]
    onnx.checker.check_model(toffee.dumps(graph, format="onnx"))


def test_a_file_of_our_own_says_nothing_about_an_envelope() -> None:
    graph = toffee.helper.make_graph([toffee.helper.make_node("Neg", ["x"], ["y"])], "g", [], [])
    graph.producer_tag = "pytorch"  # else the envelope's is shown
    graph.metadata_props.add(key="k", value="v")
    content = toffee.dumps(graph)
    read = toffee.loads(toffee.dumps(graph, format="onnx"))
    assert toffee.dumps(read) == content


@pytest.mark.parametrize("length", [0, 1, 10, 63, 64, 120, 127, 128, 200, 20_000])
@pytest.mark.parametrize("spaces", [0, 3])
def test_a_tensor_keeps_its_doc_string_and_its_alignment(length: int, spaces: int) -> None:
    tensor = onnx.numpy_helper.from_array(np.arange(100, dtype=np.float32), "w")
    tensor.doc_string = "d" * length + " " * spaces
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [tensor]))
    model.doc_string = tensor.doc_string
    assert_comes_back(model)
    graph = toffee.loads(model.SerializeToString())
    assert graph.initializer[0].doc_string == "d" * length
    for format in ("toffee", "onnx"):
        content = toffee.dumps(graph, format=format)
        assert content.index(tensor.raw_data) % 64 == 0


# ---- functions --------------------------------------------------------------------------------

FUNCTIONS = """
<ir_version: 10, opset_import: ["": 20, "my": 1]>
main (float[N] x) => (float[N] y) { t = my.f <alpha: float = 2.0> (x)  y = my.g:two (t) }
<domain: "my", opset_import: ["": 20]>
f <beta, alpha: float = 1.0> (x) => (y) {
  a = Constant <value_float: float = @alpha> ()
  y = Mul (x, a)
}
<domain: "my", overload: "two", opset_import: ["": 20]>
g (x) => (y) { y = Relu (x) }
"""


@pytest.fixture
def functions() -> toffee.Graph:
    return toffee.loads(onnx.parser.parse_model(FUNCTIONS).SerializeToString())


def test_functions_can_be_looked_at(functions: toffee.Graph) -> None:
    assert_comes_back(onnx.parser.parse_model(FUNCTIONS))
    f, g = functions.function
    assert (f.domain, f.name, f.overload) == ("my", "f", "")
    assert (g.domain, g.name, g.overload) == ("my", "g", "two")
    assert (list(f.input), list(f.output), list(f.attribute)) == (["x"], ["y"], ["beta"])
    assert [(a.name, a.value()) for a in f.attribute_proto] == [("alpha", 1.0)]
    assert [(o.domain, o.version) for o in f.opset_import] == [("", 20)]
    assert [node.op_type for node in f] == ["Constant", "Mul"] and len(f) == 2
    reference = f.node[0].attribute[0]
    assert (reference.ref_attr_name, reference.type) == ("alpha", Attribute.FLOAT)
    assert reference.value() is None
    assert [node.overload for node in functions.node] == ["", "two"]
    assert repr(f) == "<toffee.Function 'f' of 'my': 2 nodes, 1 inputs, 1 outputs>"
    assert repr(reference) == "<toffee.Attribute value_float=@alpha>"


def test_functions_are_printed_after_the_graph(functions: toffee.Graph) -> None:
    assert str(functions) == (
        "graph(%x : Float(N)) {\n"
        "  %t = my::f[alpha=2.0](%x)\n"
        "  %y : Float(N) = my::g:two(%t)\n"
        "  return (%y)\n"
        "}\n"
        "function my::f[beta, alpha=1.0](%x) {\n"
        "  %a = Constant[value_float=@alpha]()\n"
        "  %y = Mul(%x, %a)\n"
        "  return (%y)\n"
        "}\n"
        "function my::g:two(%x) {\n"
        "  %y = Relu(%x)\n"
        "  return (%y)\n"
        "}"
    )
    assert str(functions.function[1]).startswith("function my::g:two(%x) {\n")


def test_functions_can_be_made_copied_compared_and_pickled(functions: toffee.Graph) -> None:
    f = functions.function[0]
    reference = Attribute(name="value_float", type=Attribute.FLOAT, ref_attr_name="alpha")
    made = Function(
        domain="my",
        name="f",
        input=["x"],
        output=["y"],
        attribute=["beta"],
        attribute_proto=[toffee.helper.make_attribute("alpha", 1.0)],
        node=[
            toffee.Node(op_type="Constant", output=["a"], attribute=[reference]),
            toffee.helper.make_node("Mul", ["x", "a"], ["y"]),
        ],
    )
    assert made == f == copy.copy(f) == pickle.loads(pickle.dumps(f)) == copy.deepcopy(f)
    twin = copy.copy(functions)
    assert twin == functions
    twin.function[0] = made
    assert twin == functions
    twin.function[0].node[0].attribute[0].ref_attr_name = "beta"
    assert twin != functions and twin.function[0] != f == made
    del functions.function[1]
    assert len(functions.function) == 1 and twin.function[1].name == "g"
    functions.function.add(name="h", domain="my", overload="x", opset_import=[])
    assert functions.function[1].overload == "x" and not functions.function[1].opset_import
    assert toffee.loads(toffee.dumps(functions)) == functions


def test_functions_belong_to_the_outermost_graph(functions: toffee.Graph) -> None:
    attribute = Attribute(name="g", g=functions)
    assert len(attribute.g.function) == 0
    with pytest.raises(ValueError, match="functions belong to the outermost graph"):
        attribute.g.function.append(functions.function[0])
    with pytest.raises(TypeError, match=r"expected a toffee\.Function, not toffee\.Graph"):
        functions.function.append(functions)


def test_a_reference_and_a_value_exclude_each_other() -> None:
    attribute = toffee.helper.make_attribute("a", [1, 2])
    attribute.ref_attr_name = "b"
    assert (attribute.type, attribute.value()) == (Attribute.INTS, None)
    attribute.ints = [3]
    assert (attribute.ref_attr_name, attribute.value()) == ("", [3])
    attribute.ref_attr_name = "b"
    attribute.type = Attribute.TENSOR
    attribute.ref_attr_name = ""
    assert (attribute.type, attribute.value()) == (Attribute.UNDEFINED, None)


FAULTS = {
    "unknown_attribute": (
        "y = my.f <gamma: int = 1> (x)",
        "",
        r"node 0 \(my::f\): attribute 'gamma' is none of the function's that it calls",
    ),
    "attribute_of_another_type": (
        "y = my.f <alpha: int = 1> (x)",
        "",
        "attribute 'alpha' is of type INT; the function's is FLOAT",
    ),
    "too_many_inputs": (
        "y = my.f (x, x)",
        "",
        "calls a function with 2 inputs and 1 outputs, which has 1 and 1",
    ),
    "undefined_value_inside": (
        "y = my.f (x)",
        '<domain: "my", opset_import: ["": 20]> h (a) => (b) { b = Neg (x) }',
        r"function 'my::h': node 0 \(Neg\) takes 'x' as input 0, which nothing defines",
    ),
    "unknown_operator_inside": (
        "y = my.f (x)",
        '<domain: "my", opset_import: ["": 20]> h (a) => (b) { b = Nex (a) }',
        "function 'my::h': node 0 .*no operator 'Nex' in opset 20",
    ),
    "no_opset_inside": (
        "y = my.f (x)",
        '<domain: "my", opset_import: ["my": 1]> h (a) => (b) { b = Neg (a) }',
        "function 'my::h': node 0 .*the function declares no opset for it",
    ),
    "twice": (
        "y = my.f (x)",
        '<domain: "my", opset_import: ["": 20]> f (a) => (b) { b = Neg (a) }',
        "function 'my::f' is defined twice, as function 0 and 1",
    ),
    "itself": (
        "y = my.f (x)",
        '<domain: "my", opset_import: ["my": 1]> h (a) => (b) { b = my.h (a) }',
        "function 'my::h' calls itself",
    ),
    "in_a_circle": (
        "y = my.f (x)",
        '<domain: "my", opset_import: ["my": 1]> h (a) => (b) { b = my.i (a) }'
        '<domain: "my", opset_import: ["my": 1]> i (a) => (b) { b = my.j (a) }'
        '<domain: "my", opset_import: ["my": 1]> j (a) => (b) { b = my.i (a) }',
        "function 'my::[ij]' calls itself, directly or through others",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_calls_and_of_functions_are_found(name: str) -> None:
    call, more, says = FAULTS[name]
    model = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["": 20, "my": 1]>
        main (float[N] x) => (float[N] y) {{ {call} }}
        <domain: "my", opset_import: ["": 20]>
        f <alpha: float = 1.0> (x) => (y) {{ y = Neg (x) }} {more}"""
    )
    with pytest.raises(toffee.CheckError, match=says):
        toffee.checker.check_graph(toffee.loads(model.SerializeToString()))


def test_functions_may_call_one_another_as_deep_as_they_like() -> None:
    n = 20_000
    body = data(4, "a") + data(5, "b") + data(10, "my") + data(9, data(1, "my") + integer(2, 1))
    functions = [
        data(1, f"f{i}")
        + body
        + data(7, texts(1, ["a"]) + texts(2, ["b"]) + data(4, f"f{i + 1}") + data(7, "my"))
        for i in range(n)
    ]
    model = data(7, b"") + data(8, integer(2, 20)) + texts(25, functions)
    toffee.checker.check_graph(toffee.loads(model))


# ---- types and element types ------------------------------------------------------------------


def test_types_that_are_no_tensors_are_shown_and_kept() -> None:
    graph = toffee.loads(rich_model().SerializeToString())
    values = {info.name: info for info in graph.input_info}
    types = {name: info.type for name, info in values.items()}
    assert {name: type.which for name, type in types.items() if name.endswith("_value")} == {
        "tensor_value": "tensor_type",
        "sequence_value": "sequence_type",
        "optional_value": "optional_type",
        "map_value": "map_type",
        "sparse_value": "sparse_tensor_type",
        "opaque_value": "",
        "nothing_value": "",
        "empty_tensor_value": "",
    }
    inner = types["sequence_value"].sequence_type.elem_type.sequence_type.elem_type
    assert inner.tensor_type == types["tensor_value"].tensor_type
    assert inner.tensor_type.elem_type == Tensor.FLOAT
    assert types["optional_value"].optional_type.elem_type.which == "tensor_type"
    assert types["map_value"].map_type.key_type == Tensor.INT64
    assert types["map_value"].map_type.value_type.which == "sequence_type"
    assert types["sparse_value"].sparse_tensor_type.elem_type == Tensor.DOUBLE
    assert types["sequence_value"].tensor_type.elem_type == Tensor.UNDEFINED
    assert repr(values["map_value"]) == (
        "<toffee.ValueInfo 'map_value' Map(Long, Sequence(Float(N, 3, ?)))>"
    )
    for info in graph.input_info:
        assert info == copy.copy(info) == pickle.loads(pickle.dumps(info))
    assert values["sequence_value"] != values["optional_value"]


def test_a_type_that_is_set_is_a_tensor_from_then_on() -> None:
    graph = toffee.loads(rich_model().SerializeToString())
    values = {info.name: info for info in graph.input_info}
    values["sequence_value"].dtype = Tensor.INT64
    values["map_value"].shape = (2, "K")
    values["map_value"].dtype = Tensor.BOOL
    back = onnx.load_from_string(toffee.dumps(graph, format="onnx"))
    types = {info.name: info.type for info in back.graph.input}
    assert types["sequence_value"] == onnx.helper.make_tensor_type_proto(TensorProto.INT64, None)
    assert types["map_value"] == onnx.helper.make_tensor_type_proto(TensorProto.BOOL, [2, "K"])


def test_attributes_of_types_and_sparse_tensors_can_be_looked_at() -> None:
    graph = toffee.loads(rich_model().SerializeToString())
    attributes = {a.name: a for a in graph.node[3].attribute}
    assert attributes["z_type"].type == Attribute.TYPE_PROTO
    assert attributes["z_type"].tp.which == "sequence_type" == attributes["z_type"].value().which
    assert [type.which for type in attributes["types"].type_protos][:2] == [
        "tensor_type",
        "sequence_type",
    ]
    sparse = attributes["sparse"].sparse_tensor
    assert sparse.values.numpy().tolist() == [1.5, -2.5]
    assert sparse.indices.numpy().tolist() == [[0, 1], [2, 0]]
    assert (sparse.values.name, sparse.dims) == ("inside_an_attribute", (3, 3))
    assert len(attributes["sparses"].sparse_tensors) == 2
    assert attributes["strings"].sparse_tensor is None and attributes["strings"].tp is None
    assert attributes["strings"].sparse_tensors == () == attributes["strings"].type_protos
    for attribute in attributes.values():
        assert attribute == copy.copy(attribute) == pickle.loads(pickle.dumps(attribute))
    for name in ("sparse_tensor", "sparse_tensors", "tp", "type_protos"):
        with pytest.raises(AttributeError):
            setattr(attributes["strings"], name, None)
    with pytest.raises(ValueError, match="type SPARSE_TENSOR must have a value"):
        Attribute(name="a", type=Attribute.SPARSE_TENSOR)


@pytest.mark.parametrize("kind", ["sparse_tensor", "sparse_initializer"])
@pytest.mark.parametrize(
    ("indices", "dims"),
    [
        (onnx.helper.make_tensor("", TensorProto.INT32, [2, 2], [0, 1, 2, 0]), [3, 3]),
        (onnx.helper.make_tensor("", TensorProto.INT64, [2, 1], [0, 1]), [3, 3]),
        (onnx.helper.make_tensor("", TensorProto.INT64, [3], [0, 1, 2]), [3, 3]),
        (None, [3]),
    ],
    ids=["int32", "rank", "count", "none"],
)
def test_indices_of_sparse_tensors_must_fit(kind: str, indices, dims) -> None:
    sparse = onnx.SparseTensorProto(dims=dims)
    sparse.values.CopyFrom(onnx.helper.make_tensor("s", TensorProto.FLOAT, [2], [1, 2]))
    if indices is not None:
        sparse.indices.CopyFrom(indices)
    model = onnx.helper.make_model(
        onnx.helper.make_graph([], "g", [], []), opset_imports=[onnx.helper.make_opsetid("", 20)]
    )
    if kind == "sparse_tensor":
        model.graph.node.append(onnx.helper.make_node("Constant", [], ["y"]))
        model.graph.node[0].attribute.add(
            name="sparse_value", type=AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse
        )
    else:
        model.graph.sparse_initializer.append(sparse)
    assert_comes_back(model)
    with pytest.raises(toffee.CheckError, match="indices must be INT64"):
        toffee.checker.check_graph(toffee.loads(model.SerializeToString()))


SMALL = {
    ml_dtypes.uint4: [0, 1, 15, 8, 7],
    ml_dtypes.int4: [0, -1, 7, -8, 3],
    ml_dtypes.uint2: [0, 1, 2, 3, 2],
    ml_dtypes.int2: [0, 1, -2, -1, 1],
    ml_dtypes.float4_e2m1fn: [0.5, -6.0, 1.5, -0.0, 3.0],
    ml_dtypes.float6_e2m3fn: [0.125, -7.5, 1.5, -0.0, 3.0],
    ml_dtypes.float6_e3m2fn: [0.0625, -28.0, 1.5, -0.0, 3.0],
    ml_dtypes.float8_e8m0fnu: [1.0, 0.5, 2.0**100, 2.0**-126, 4.0],
}


@pytest.mark.parametrize("dtype", SMALL, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
def test_elements_smaller_than_a_byte_are_read_as_onnx_reads_them(dtype, n: int, raw: bool) -> None:
    array = np.array(SMALL[dtype][:n], dtype)
    theirs = onnx.numpy_helper.from_array(array, "t")
    number = theirs.data_type
    if not raw:
        theirs = onnx.helper.make_tensor("t", number, [n], array.astype(np.float32))
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [theirs]))
    graph = toffee.loads(model.SerializeToString())
    ours = graph.initializer[0]
    assert (ours.data_type, list(ours.dims)) == (number, [n])
    back = ours.numpy()
    assert back.dtype == array.dtype and back.tobytes() == array.tobytes()
    expected = onnx.numpy_helper.from_array(array, "t").raw_data
    assert bytes(ours.raw_data) == expected
    assert bytes(toffee.numpy_helper.from_array(array, "t").raw_data) == expected
    assert_comes_back(model)
    if n == 5:
        printed = str(graph).split("{")[2].split("}")[0]
        assert [np.float32(v) for v in printed.split(", ")] == array.astype(np.float32).tolist()


def test_reading_a_rich_model_takes_no_more_than_twice_its_size() -> None:
    content = rich_model().SerializeToString()
    spare = 512 << 10  # the smallest graphs take many times their few bytes
    graph = toffee.loads(content)
    assert _core._testing.graph_bytes(graph) <= 2 * len(content) + spare
