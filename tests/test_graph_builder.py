"""What a lowering builds with: values, constants, attributes, nodes of other domains."""

from __future__ import annotations

import re

import numpy as np
import onnxruntime
import pytest
import torch
from custom_operators import RL, X, exported
from exported import check_export, other_values, run_onnxruntime, to_bytes, to_graph

import toffee
from toffee.backend import torch as torch_backend

pytestmark = pytest.mark.usefixtures("as_before")


# ---- the builder ---------------------------------------------------------------------------------


def test_values_know_their_dtype_and_shape():
    @toffee.register_lowering("rl::shout")
    def shout(g, x):
        assert (x.dtype, x.elem_type, x.rank, x.shape) == (torch.float32, 1, 2, (2, 3))
        assert repr(x) == "<toffee.TracedValue FLOAT (2, 3)>"
        flat = g.op("Reshape", x, [-1])
        assert flat.shape == (6,)
        unknown = g.op("rl::What", flat)
        assert (unknown.dtype, unknown.elem_type, unknown.rank, unknown.shape) == (None, 0) + (
            None,
            None,
        )
        some = g.op("NonZero", x)
        assert some.shape == (2, None) and some.dtype == torch.int64
        assert g.results == ((torch.float32, 1, (2, 3)),)
        return g.op("Exp", x)

    exported()


def test_a_value_is_neither_true_nor_false():
    toffee.register_lowering("rl::shout", lambda g, x: g.op("Exp", x) if x else x)
    with pytest.raises(toffee.TraceError, match="ask `is None`"):
        exported()


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (3, torch.int64, ()),
        (True, torch.bool, ()),
        (0.5, torch.float32, ()),
        ([1, 2], torch.int64, (2,)),
        ([[1.0], [2.0]], torch.float32, (2, 1)),
        (np.arange(6, dtype=np.int16).reshape(2, 3)[:, ::-2], torch.int16, (2, 2)),
        (np.float32(2), torch.float32, ()),
        (torch.ones(2, 3).t(), torch.float32, (3, 2)),
        (torch.ones(2, dtype=torch.bfloat16), torch.bfloat16, (2,)),
        (torch.zeros(0, 4), torch.float32, (0, 4)),
        (torch.nn.Parameter(torch.ones(2)), torch.float32, (2,)),
        (torch.arange(40000.0).reshape(200, 200).t(), torch.float32, (200, 200)),
    ],
    ids=str,
)
def test_constants_are_made_of_numbers_arrays_and_tensors(value, dtype, shape):
    made = []

    @toffee.register_lowering("rl::shout")
    def shout(g, x):
        constant = g.constant(value)
        made.append((constant.dtype, constant.shape))
        g.op("rl::Keep", x, constant)
        return g.op("rl::Use", x, constant)

    graph = exported()
    assert made == [(dtype, shape)]
    (tensor,) = graph.initializer
    expected = value if isinstance(value, torch.Tensor) else torch.as_tensor(np.array(value))
    assert tuple(tensor.dims) == shape
    assert tensor.raw_data == bytes(
        expected.detach().to(dtype).contiguous().reshape(-1).view(torch.uint8).numpy()
    )


def test_a_constant_is_copied_and_equal_small_ones_are_one():
    large, small = torch.zeros(50000), np.zeros(3)

    @toffee.register_lowering("rl::shout")
    def shout(g, x):
        made = [g.constant(large), g.constant(small), g.constant(small.copy())]
        large.fill_(1)
        small[:] = 1
        return g.op("rl::Use", x, *made)

    graph = exported()
    assert len(graph.initializer) == 2
    assert not any(tensor.numpy().any() for tensor in graph.initializer)


def test_a_complex_constant_is_pairs_of_reals():
    @toffee.register_lowering("rl::shout")
    def shout(g, x):
        assert g.constant(torch.tensor([1 + 2j, 3j]).conj()).shape == (2, 2)
        return g.op("rl::Use", x, g.constant(torch.tensor([1 + 2j, 3j]).conj()))

    (tensor,) = exported().initializer
    assert tensor.numpy().tolist() == [[1, -2], [0, -3]]


def test_a_constant_takes_a_dtype_or_that_of_a_value():
    @toffee.register_lowering("rl::shout")
    def shout(g, x):
        assert g.constant(1, torch.float64).dtype == torch.float64
        assert g.constant([1, 2], like=x).dtype == torch.float32
        return g.op("Exp", x)

    exported()


@pytest.mark.parametrize("value", ["text", object(), None, ["a"], np.array(["a"]), [[1], [2, 3]]])
def test_what_is_no_constant_is_refused(value):
    toffee.register_lowering("rl::shout", lambda g, x: g.constant(value))
    with pytest.raises(toffee.TraceError, match="a constant of the graph cannot be made of"):
        exported()


def test_attributes_are_of_the_type_that_onnx_wants():
    body = toffee.helper.make_graph([], "body", [], [])

    @toffee.register_lowering("rl::shout")
    def shout(g, x):
        g.op("LeakyRelu", x, alpha=1)
        a = g.op("rl::A", x, i=1, f=0.5, s="é", b=b"\0", t=torch.ones(2), none=None, g=body)
        b = g.op("rl::B", a, ints=[1, 2], floats=(1, 0.5), strings=["a", "b"], flag=True)
        c = g.op("rl::C", b, to=torch.float16, n=np.int64(3), v=np.float32(0.5), e=np.ones((1, 2)))
        empty = toffee.helper.make_attribute("_", [], attr_type=toffee.Attribute.FLOATS)
        d = g.op("rl::D", c, empty=empty)
        return g.op("Elu", d, alpha=2)

    nodes = {node.op_type: dict(node.attributes) for node in exported().node}
    assert nodes["A"].pop("t").numpy().tolist() == [1, 1]
    assert nodes["A"].pop("g").name == "body"
    assert nodes["A"] == {"i": 1, "f": 0.5, "s": "é".encode(), "b": b"\0"}
    assert nodes["B"] == {"ints": [1, 2], "floats": [1, 0.5], "strings": [b"a", b"b"], "flag": 1}
    assert nodes["C"].pop("e").numpy().tolist() == [[1, 1]]
    assert nodes["C"] == {"to": 10, "n": 3, "v": 0.5}
    assert nodes["D"] == {"empty": []}
    assert nodes["Elu"] == {"alpha": 2.0}


def test_a_tensor_attribute_may_be_given_as_an_array_or_a_list():
    @toffee.register_lowering("rl::shout")
    def shout(g, x):
        shape = g.op("Shape", x)
        ones = g.op("ConstantOfShape", shape, value=np.ones(1, np.float32))
        return g.op("Mul", g.op("Exp", x), ones)

    check_export(lambda x: RL.shout(x), X)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda g, x: g.op("Gellu", x), "did you mean 'Gelu'?"),
        (lambda g, x: g.op("Gelu", x, approx="tanh"), "attribute 'approx' is not one of Gelu's"),
        (lambda g, x: g.op("Gelu", x, approximate="fast"), "Gelu allows none|tanh"),
        (lambda g, x: g.op("Gelu", x, x), "has 2 inputs"),
        (lambda g, x: g.op("Gelu", x, outputs=2), "has 2 outputs"),
        (lambda g, x: g.op("Add", x, g.constant(1)), "INT64"),
        (lambda g, x: g.op("MatMul", x, x), "MatMul"),
        (lambda g, x: g.op("Exp", x, outputs=0), "one output or more, not 0"),
        (lambda g, x: g.op("", x), "names no operator"),
        (lambda g, x: g.op("rl::", x), "names no operator"),
        (lambda g, x: g.op(x), "the operator is a TracedValue"),
        (lambda g, x: g.op("Concat", [x, x], axis=0), "input 0 is a list of values"),
        (lambda g, x: g.op("Exp", "x"), "cannot be made of 'x'"),
        (lambda g, x: g.op("rl::A", x, k=x), "cannot be an attribute"),
        (lambda g, x: g.op("rl::A", x, k=object()), "attribute 'k' cannot hold"),
        (lambda g, x: g.op("rl::A", x, k=[]), "say attr_type as well"),
        (lambda g, x: g.op("rl::A", x, k=torch.complex32), "has no tensors of torch.complex32"),
        (lambda g, x: g.constant(x), "is a value of the graph already"),
        (lambda g, x: g.import_domain("", 3), "that of ONNX's own domain is 20"),
        (lambda g, x: g.import_domain("rl", 0), "versions begin at 1"),
        (lambda g, x: g.emit(3, (), 1), "must be toffee.Node"),
        (lambda g, x: g.initializer(3), "a torch.Tensor was expected, not int"),
        (lambda g, x: g.initializer(torch.ones(2, 3).t()), "the tensor is not dense"),
    ],
)
def test_what_the_builder_refuses(build, message):
    toffee.register_lowering("rl::shout", build)
    with pytest.raises(toffee.TraceError, match=re.escape(message)):
        exported()


# ---- other domains -------------------------------------------------------------------------------


def test_a_node_of_another_domain_brings_its_opset_along():
    @toffee.register_lowering("rl::shout")
    def shout(g, x):
        g.import_domain("ai.other", 3)
        g.import_domain("ai.other", 3)
        return g.op("ai.other::B", g.op("rl::A", g.op("ai.onnx::Neg", x)))

    graph = exported(lambda x: RL.shout(RL.shout(x) + 1))
    toffee.checker.check_graph(graph)
    assert {entry.domain: entry.version for entry in graph.opset_import} == {
        "": 20,
        "rl": 1,
        "ai.other": 3,
    }
    assert [node.domain for node in graph.node[:3]] == ["", "rl", "ai.other"]
    assert [tuple(d.dim_value for d in graph.value_info[-1].type.tensor_type.shape.dim)] == [(2, 3)]


def test_a_domain_in_two_versions_is_refused():
    def shout(g, x):
        g.import_domain("rl", 2)
        g.import_domain("rl", 3)

    toffee.register_lowering("rl::shout", shout)
    with pytest.raises(toffee.TraceError, match="another lowering has declared version 2"):
        exported()


def test_onnx_runtime_runs_its_own_domain():
    @toffee.register_lowering("rl::shout")
    def shout(g, x):
        return g.op("com.microsoft::QuickGelu", x, alpha=1.702)

    data = to_bytes(lambda x: RL.shout(x) * 2, X, format="onnx")
    x = torch.randn(2, 3)
    (result,) = run_onnxruntime(data, [x.numpy()], optimize=False)
    np.testing.assert_allclose(
        result, (x * torch.sigmoid(1.702 * x) * 2).numpy(), rtol=1e-5, atol=1e-6
    )


def test_onnx_runtime_says_which_custom_operator_it_lacks():
    toffee.register_lowering("rl::shout", lambda g, x: g.op("rl::shout", x))
    data = to_bytes(lambda x: RL.shout(x), X, format="onnx")
    with pytest.raises(
        onnxruntime.capi.onnxruntime_pybind11_state.Fail, match="rl:shout|rl::shout"
    ):
        onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


CALLS = {
    "scale": (lambda x: RL.scale(x, 0.5), lambda g, x, k, b: g.op("rl::scale", x, b, k=k)),
    "default": (lambda x: RL.scale(x, 0.5), lambda g, x, k, b: g.op("rl::scale", x, k=k)),
    "glue": (
        lambda x: RL.glue([x, x * 2, x], 1),
        lambda g, xs, dim: g.op("rl::glue", *xs, dim=dim),
    ),
    "glue default": (
        lambda x: RL.glue([x, x * 2]),
        lambda g, xs, dim: g.op("rl::glue", *xs),
    ),
    "chop": (
        lambda x: tuple(RL.chop(x, [1, 1])),
        lambda g, x, sizes: g.op("rl::chop", x, sizes=list(sizes), outputs=2),
    ),
    "options": (
        lambda x: RL.options(x, dtype=torch.float64),
        lambda g, x, **a: g.op("rl::options", x, mode=a["mode"], dtype=a["dtype"], w=list(a["w"])),
    ),
    "overload": (
        lambda x: RL.shout(x, 3),
        lambda g, x, n: g.op("rl::shout.twice", x, n=n),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_pytorch_backend_runs_a_custom_domain_by_the_operators_of_that_name(name):
    program, lower = CALLS[name]
    operator = {"default": "scale", "glue default": "glue", "overload": "shout"}.get(name, name)
    toffee.register_lowering(f"rl::{operator}", lower)
    graph = to_graph(program, X)
    assert "rl" in {node.domain for node in graph.node}
    x = other_values(X, torch.Generator().manual_seed(3))
    expected = program(x)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for result, leaf in zip(torch_backend.run(graph, x), expected, strict=True):
        np.testing.assert_allclose(result, leaf.numpy(), rtol=1e-6)


def test_the_pytorch_backend_refuses_what_it_has_not_and_what_writes():
    toffee.register_lowering("rl::shout", lambda g, x: g.op("rl::missing", x))
    with pytest.raises(toffee.BackendError, match="'missing' of the domain 'rl'"):
        torch_backend.run(exported(), X)
    toffee.register_lowering("rl::shout", lambda g, x: g.op("rl::scale_", x, k=1.0))
    with pytest.raises(toffee.BackendError, match="writes to its arguments"):
        torch_backend.run(exported(), X)
