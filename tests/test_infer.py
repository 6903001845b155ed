"""toffee.infer_shapes beside onnx.shape_inference, and what only ours does."""

from __future__ import annotations

import collections
import copy
import io
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.checker
import onnx.helper
import onnx.shape_inference
import pytest

import toffee
import toffee.checker
from toffee import Tensor, _core, helper, numpy_helper, printer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

FLOAT, INT64, BOOL = Tensor.FLOAT, Tensor.INT64, Tensor.BOOL
#: Every operator of opset 20 for which ONNX has a rule of inference has one here.
WITHOUT_A_RULE: set[str] = set()


def info(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


def infer(nodes, inputs, output="y", initializers=(), given=None):
    """(dtype, shape) of OUTPUT after inference in a graph of NODES."""
    made = info(output, Tensor.UNDEFINED, None)
    graph = helper.make_graph(list(nodes), "g", inputs, [made], list(initializers))
    inferred = toffee.infer_shapes(graph, given)
    assert made.dtype == Tensor.UNDEFINED and made.shape is None, "the graph given was changed"
    return inferred.output_info[0].dtype, inferred.output_info[0].shape


def ints(name, *numbers):
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


# ---- beside onnx.shape_inference -----------------------------------------------------------------


def theirs(model: onnx.ModelProto) -> dict[str, tuple[int, tuple | None]]:
    """(dtype, shape) of every tensor that onnx.shape_inference knows; None: not known."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    types = {}
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        tensor = value.type.tensor_type
        if value.type.HasField("tensor_type") and tensor.elem_type:
            shape = None
            if tensor.HasField("shape"):
                shape = tuple(
                    dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim
                )
            types[value.name] = (tensor.elem_type, shape)
    return types


def ours(graph: toffee.Graph) -> dict[str, tuple[int, tuple | None]]:
    types = {}
    for value in (*graph.value_info, *graph.output_info):
        if value.dtype:
            shape = value.shape
            if shape is not None:
                shape = tuple(size if isinstance(size, int) else None for size in shape)
            types[value.name] = (value.dtype, shape)
    return types


def compare(mine, other) -> str | None:
    """ "contradicts" or "knows less" where MINE does either to OTHER, else None."""
    if mine is None:
        return "knows less"
    if mine[0] != other[0]:
        return "contradicts"
    if other[1] is None:
        return None
    if mine[1] is None:
        return "knows less"
    if len(mine[1]) != len(other[1]):
        return "contradicts"
    pairs = list(zip(mine[1], other[1], strict=True))
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        return "contradicts"
    return "knows less" if any(a is None and b is not None for a, b in pairs) else None


def strip(model: onnx.ModelProto) -> None:
    """Forget every declared type but the inputs'."""
    for value in model.graph.output:
        value.ClearField("type")
    del model.graph.value_info[:]


@pytest.fixture(scope="module")
def node_models() -> dict[str, onnx.ModelProto]:
    """The models of ONNX's node tests that are sound at opset 20, types stripped."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they compute with infinities
        cases = collect_testcases(None)
    models = {}
    for case in cases:
        if case.model is None or {opset.domain for opset in case.model.opset_import} != {""}:
            continue
        model = onnx.ModelProto.FromString(case.model.SerializeToString())
        model.ir_version = 9
        model.opset_import[0].version = 20
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
            continue  # of a later opset
        strip(model)
        models[case.name] = model
    return models


def test_agrees_with_onnx_on_its_node_tests(node_models: dict[str, onnx.ModelProto]) -> None:
    """Never contradicts, and knows all that onnx knows; functions taken apart are among them."""
    count: collections.Counter[str] = collections.Counter()
    faults = []
    for name, model in node_models.items():
        mine = ours(toffee.infer_shapes(toffee.loads(model.SerializeToString())))
        count["shapes known to us"] += sum(shape is not None for _, shape in mine.values())
        for value, other in theirs(model).items():
            count["values"] += 1
            count["shapes known to onnx"] += other[1] is not None
            fault = compare(mine.get(value), other)
            if fault is not None:
                faults.append((name, value, fault, mine.get(value), other))
    print(dict(count))
    assert len(node_models) > 1400
    assert count["values"] > 12_000
    assert faults == []
    assert count["shapes known to us"] >= count["shapes known to onnx"]


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet50", "densenet121", "inception_v3"])
def test_finds_again_what_the_exporter_declared(name: str) -> None:
    """With all types stripped: every shape, and none other than onnx and the run itself found."""
    import seed_models
    import torch

    import toffee.torch_toffee as exporter

    model, x = seed_models.seed_model(name)
    buffer = io.BytesIO()
    with torch.no_grad():
        exporter.export(model, x[:1], buffer)
    graph = toffee.loads(buffer.getvalue())
    declared = ours(graph)
    assert len(declared) == sum(len(node.output) for node in graph.node)
    proto = onnx.load_from_string(toffee.dumps(graph, format="onnx"))
    strip(proto)
    bare = toffee.loads(proto.SerializeToString())
    assert ours(bare) == {}
    found = ours(toffee.infer_shapes(bare))
    assert found == declared
    for value, other in theirs(proto).items():
        assert compare(found.get(value), other) is None, value


def test_every_operator_that_onnx_infers_is_inferred() -> None:
    """The table has a rule wherever onnx.defs has a function."""
    with_rule = {row["name"] for row in _core.op_table() if row["infers"]}
    schemas = {
        schema.name
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.domain == "" and schema.since_version <= 20
    }
    schemas = {name: onnx.defs.get_schema(name, 20) for name in schemas}
    missing = {
        name
        for name, schema in schemas.items()
        if schema.has_type_and_shape_inference_function
        and not schema.deprecated
        and name not in with_rule
    }
    assert len(with_rule) > 180
    assert missing == WITHOUT_A_RULE


# ---- declared and inferred must agree ------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            info("y", FLOAT, [2, 3, 9, 8]),
            r"'y' is declared as FLOAT \(2, 3, 9, 8\), .* FLOAT \(2, ",
        ),
        (info("y", FLOAT, [2, 3, 8]), r"declared as FLOAT \(2, 3, 8\)"),
        (info("y", FLOAT, ["n", 3, "h", 7]), r"declared as FLOAT \(n, 3, h, 7\)"),
    ],
)
def test_a_declared_output_that_a_node_does_not_make_is_a_fault(declared, message) -> None:
    node = helper.make_node("Relu", ["x"], ["y"], name="act")
    graph = helper.make_graph([node], "g", [info("x", FLOAT, [2, 3, 8, 8])], [declared])
    for check in (toffee.checker.check_graph, toffee.infer_shapes):
        with pytest.raises(toffee.CheckError, match=r"node 0 \(Relu 'act'\): " + ".*" + message):
            check(graph)


def test_a_declared_dtype_that_a_node_does_not_make_is_a_fault() -> None:
    graph = helper.make_graph(
        [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Identity", ["s"], ["y"])],
        "g",
        [info("x", FLOAT, [2, 3])],
        [info("y", FLOAT, [2])],
    )
    with pytest.raises(toffee.CheckError, match=r"node 1 \(Identity\): 'y' is declared as FLOAT"):
        toffee.checker.check_graph(graph)


def test_a_mistake_far_from_any_declaration_is_found() -> None:
    """What the checker could not see before: the shapes in between are nowhere declared."""
    nodes = [
        helper.make_node("Transpose", ["a"], ["t"], perm=[1, 0]),
        helper.make_node("Relu", ["t"], ["r"]),
        helper.make_node("MatMul", ["r", "b"], ["y"]),
    ]
    a, b = info("a", FLOAT, [2, 3]), info("b", FLOAT, [3, 4])
    graph = helper.make_graph(nodes, "g", [a, b], [info("y", FLOAT, None)])
    with pytest.raises(
        toffee.CheckError, match=r"node 2 \(MatMul\): .*A has 2 columns and B has 3"
    ):
        toffee.checker.check_graph(graph)


def test_what_is_declared_stays_and_is_made_more_exact() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [info("x", FLOAT, ["N", 3, None])],
        [info("y", FLOAT, ["batch", None, 5])],
        value_info=[info("h", FLOAT, [2, "c", None])],
    )
    inferred = toffee.infer_shapes(graph)
    assert inferred.value_info[0].shape == (2, 3, None)
    assert inferred.output_info[0].shape == (2, 3, 5)
    assert graph.value_info[0].shape == (2, "c", None)
    assert toffee.infer_shapes(inferred) == inferred


# ---- symbols and elements ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "shape"),
    [
        ([("Exp", ["x"], {})], ("N", 3, "L", 4)),
        ([("Transpose", ["x"], {"perm": [2, 0, 3, 1]})], ("L", "N", 4, 3)),
        ([("Add", ["x", "one"], {})], ("N", 3, "L", 4)),
        ([("Flatten", ["x"], {"axis": 1})], ("N", None)),
        ([("Flatten", ["x"], {"axis": 0})], (1, None)),
        ([("GlobalAveragePool", ["x"], {})], ("N", 3, 1, 1)),
        ([("ReduceMean", ["x", "last"], {"keepdims": 0})], ("N", 3, "L")),
        ([("Concat", ["x", "x"], {"axis": 1})], ("N", 6, "L", 4)),
        ([("Concat", ["x", "x"], {"axis": 0})], (None, 3, "L", 4)),
        ([("Reshape", ["x", "to"], {})], ("N", 12, "L")),
        ([("Slice", ["x", "zero", "many", "last"], {})], ("N", 3, "L", 4)),
        ([("Slice", ["x", "zero", "two", "last"], {})], ("N", 3, "L", 2)),
        ([("Unsqueeze", ["x", "last"], {})], ("N", 3, "L", 4, 1)),
    ],
)
def test_symbols_are_kept(nodes, shape) -> None:
    made = [helper.make_node(op, inputs, ["y"], **attributes) for op, inputs, attributes in nodes]
    constants = [
        numpy_helper.from_array(np.ones((4,), np.float32), "one"),
        ints("last", -1),
        ints("zero", 0),
        ints("two", 2),
        ints("many", 2**63 - 1),
        ints("to", 0, 12, -1),
    ]
    used = {name for node in made for name in node.input}
    constants = [constant for constant in constants if constant.name in used]
    assert infer(made, [info("x", FLOAT, ["N", 3, "L", 4])], initializers=constants) == (
        FLOAT,
        shape,
    )


def flatten_by_hand():
    """x.reshape(x.shape[0], -1), as an exporter writes it."""
    return [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n", "axes"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["y"]),
    ]


FLATTEN = [
    numpy_helper.from_array(np.array(0, np.int64), "zero"),
    ints("axes", 0),
    ints("rest", -1),
]


def test_a_computed_shape_is_followed() -> None:
    x = info("x", FLOAT, [2, 3, 4])
    assert infer(flatten_by_hand(), [x], initializers=FLATTEN) == (FLOAT, (2, 12))
    x = info("x", FLOAT, ["N", 3, 4])
    assert infer(flatten_by_hand(), [x], initializers=FLATTEN) == (FLOAT, ("N", 12))


def test_arithmetic_on_shapes_is_followed() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], start=2),
        helper.make_node("Mul", ["s", "three"], ["m"]),
        helper.make_node("Sub", ["m", "one"], ["d"]),
        helper.make_node("Div", ["d", "two"], ["q"]),
        helper.make_node("Max", ["q", "two"], ["big"]),
        helper.make_node("ConstantOfShape", ["big"], ["y"], value=ints("v", 7)),
    ]
    constants = [ints("three", 3), ints("one", 1), ints("two", 2)]
    x = info("x", FLOAT, [1, 1, 5, 1])
    assert infer(nodes, [x], initializers=constants) == (INT64, (7, 2))


def test_an_expand_by_a_mask_is_followed() -> None:
    """What PyTorch's exporters write for x.expand(-1, 4): -1 is replaced by a 1."""
    nodes = [
        helper.make_node("ConstantOfShape", ["rank"], ["ones"], value=ints("v", 1)),
        helper.make_node("Equal", ["sizes", "minus"], ["eq"]),
        helper.make_node("Where", ["eq", "ones", "sizes"], ["to"]),
        helper.make_node("Expand", ["x", "to"], ["y"]),
    ]
    constants = [ints("rank", 2), ints("sizes", -1, 4), ints("minus", -1, -1)]
    x = info("x", FLOAT, ["N", 1])
    assert infer(nodes, [x], initializers=constants) == (FLOAT, ("N", 4))


def test_numbers_given_for_inputs_replace_symbols_everywhere() -> None:
    nodes = [helper.make_node("MatMul", ["a", "b"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [info("a", FLOAT, ["N", "K"]), info("b", FLOAT, ["K", "M"])],
        [info("y", FLOAT, ["N", "M"])],
        value_info=[info("h", FLOAT, ["N", "M"])],
    )
    inferred = toffee.infer_shapes(graph, {"a": (8, 16)})
    assert inferred.input_info[1].shape == (16, "M")
    assert inferred.value_info[0].shape == (8, "M")
    assert inferred.output_info[0].shape == (8, "M")
    assert graph.input_info[0].shape == ("N", "K")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"z": (1, 2)}, "no input 'z'; it has 'a', 'b'"),
        (
            {"a": (1, 2, 3)},
            r"input 'a' declares \[N, 3\] and is given \(1, 2, 3\): 'a' has 3 dimensions",
        ),
        ({"a": (1, 4)}, r"input 'a' declares \[N, 3\] .* 'a' has 4 in dimension 1, which is 3"),
        ({"a": (1, 3), "b": (2,)}, "'b' has 2 for 'N' and 'a' has 1"),
        ({"a": (-1, 3)}, "sizes are 0 or more"),
    ],
)
def test_inputs_that_do_not_fit_are_an_error(given, message) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["a"], ["y"])],
        "g",
        [info("a", FLOAT, ["N", 3]), info("b", FLOAT, ["N"])],
        [info("y", FLOAT, None)],
    )
    with pytest.raises(ValueError, match=message):
        toffee.infer_shapes(graph, given)


def test_something_else_than_a_graph_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"expected a toffee\.Graph, not str"):
        toffee.infer_shapes("graph")
    with pytest.raises(TypeError, match=r"expected a toffee\.Graph, not str"):
        _core.infer_shapes("graph")


# ---- graphs in graphs ----------------------------------------------------------------------------


def branch(op, shape, name):
    """A graph that makes NAME from the outer x, of which it sees (2, 3)."""
    return helper.make_graph(
        [helper.make_node(op, ["x"], [name])], name, [], [info(name, Tensor.UNDEFINED, shape)]
    )


def test_branches_of_an_if_are_joined() -> None:
    node = helper.make_node(
        "If",
        ["c"],
        ["y"],
        then_branch=branch("Relu", None, "t"),
        else_branch=branch("Transpose", None, "e"),
    )
    inputs = [info("x", FLOAT, [2, 3]), info("c", BOOL, [])]
    assert infer([node], inputs) == (FLOAT, (None, None))


def test_an_if_whose_branches_make_different_dtypes_is_a_fault() -> None:
    node = helper.make_node(
        "If",
        ["c"],
        ["y"],
        then_branch=branch("Relu", None, "t"),
        else_branch=branch("Shape", None, "e"),
    )
    inputs = [info("x", FLOAT, [2, 3]), info("c", BOOL, [])]
    with pytest.raises(toffee.CheckError, match="FLOAT from then_branch, but INT64 from else"):
        infer([node], inputs)


def loop(op, *inputs, **attributes):
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node(op, ["v", *inputs], ["w"], **attributes),
            helper.make_node("Identity", ["x"], ["each"]),
        ],
        "body",
        [info("i", INT64, []), info("go", BOOL, []), info("v", Tensor.UNDEFINED, None)],
        [info(name, Tensor.UNDEFINED, None) for name in ("go_on", "w", "each")],
    )
    return helper.make_node("Loop", ["m", "", "x"], ["last", "y"], body=body)


def test_a_loop_stacks_what_each_step_gives() -> None:
    inputs = [info("x", FLOAT, [2, "N"]), info("m", INT64, [])]
    assert infer([loop("Relu")], inputs) == (FLOAT, (None, 2, "N"))


def test_a_carried_value_may_change_its_shape() -> None:
    inputs = [info("x", FLOAT, [2, "N"]), info("m", INT64, [])]
    assert infer([loop("Concat", "x", axis=0)], inputs, output="last") == (FLOAT, (None, "N"))


def test_types_inside_a_graph_are_declared_there() -> None:
    node = helper.make_node(
        "If",
        ["c"],
        ["y"],
        then_branch=branch("Relu", None, "t"),
        else_branch=branch("Neg", None, "e"),
    )
    graph = helper.make_graph(
        [node], "g", [info("x", FLOAT, [2, 3]), info("c", BOOL, [])], [info("y", FLOAT, None)]
    )
    inferred = toffee.infer_shapes(graph)
    for attribute in inferred.node[0].attribute:
        assert attribute.g.output_info[0].shape == (2, 3)


def test_a_node_of_another_domain_makes_what_is_declared() -> None:
    custom = helper.make_node("Mine", ["x"], ["h"], domain="my.domain")
    graph = helper.make_graph(
        [custom, helper.make_node("Relu", ["h"], ["y"])],
        "g",
        [info("x", FLOAT, [2])],
        [info("y", Tensor.UNDEFINED, None)],
        value_info=[info("h", FLOAT, [5, "k"])],
    )
    graph.opset_import.add(domain="my.domain", version=1)
    assert toffee.infer_shapes(graph).output_info[0].shape == (5, "k")
    del graph.value_info[:]
    assert toffee.infer_shapes(graph).output_info[0].shape is None


# ---- the printer, the command line, memory -------------------------------------------------------


def test_the_printer_shows_what_is_inferred_if_asked() -> None:
    x = info("x", FLOAT, [2, 3, 4])
    graph = helper.make_graph(flatten_by_hand(), "g", [x], [info("y", FLOAT, None)], FLATTEN)
    assert "%y : Float = Reshape" in printer.to_text(graph)
    assert "%y : Float(2, 12) = Reshape" in printer.to_text(graph, infer=True)
    assert "%s : Long(3) = Shape" in printer.to_text(graph, infer=True)
    with pytest.raises(TypeError, match="types of one node cannot be inferred"):
        printer.to_text(graph.node[0], infer=True)


def test_the_command_line_prints_inferred_types(tmp_path, capsys) -> None:
    from toffee.__main__ import main

    x = info("x", FLOAT, [2, 3, 4])
    graph = helper.make_graph(flatten_by_hand(), "g", [x], [info("y", FLOAT, None)], FLATTEN)
    toffee.save(graph, tmp_path / "m.toffee")
    assert main(["print", "--infer", str(tmp_path / "m.toffee")]) == 0
    assert "%y : Float(2, 12) = Reshape" in capsys.readouterr().out


def test_each_failed_allocation_is_a_memory_error(count_allocations, fail_allocation) -> None:
    inputs = [info("x", FLOAT, [2, 3]), info("c", BOOL, []), info("m", INT64, [])]
    branches = {"then_branch": branch("Relu", None, "t"), "else_branch": branch("Neg", None, "e")}
    nodes = [loop("Relu"), helper.make_node("If", ["c"], ["z"], **branches)]
    nodes += [helper.make_node("Relu", [f"r{i}" if i else "z"], [f"r{i + 1}"]) for i in range(300)]
    output = info("r300", Tensor.UNDEFINED, None)
    graph = helper.make_graph(nodes, "g", inputs, [output])
    whole = toffee.infer_shapes(graph)
    n = count_allocations(_core.infer_shapes, copy.copy(graph))
    assert n > 2
    for k in range(n):
        broken = copy.copy(graph)
        with fail_allocation(k), pytest.raises(MemoryError):
            _core.infer_shapes(broken)
        assert toffee.infer_shapes(broken) == whole


def test_exported_values_between_the_nodes_of_a_lowering_have_types() -> None:
    """max_pool with indices goes through an ArgMax whose result no tensor of PyTorch is."""
    import torch

    import toffee.torch_toffee as exporter

    class Masked(torch.nn.Module):
        def forward(self, x):
            return torch.argmax(x, dim=1).to(torch.int32), torch.tril(x > 0)

    buffer = io.BytesIO()
    exporter.export(Masked(), (torch.randn(4, 5),), buffer)
    graph = toffee.loads(buffer.getvalue())
    known = {value.name for value in (*graph.value_info, *graph.output_info)}
    assert {name for node in graph.node for name in node.output} <= known
