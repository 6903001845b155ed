"""Which dimensions are open: what may be said, in three spellings, and what is refused."""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import toffee
from toffee import Dim, _dims
from toffee.torch_toffee import export

ExportDim = torch.export.Dim


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(6, 4)

    def forward(self, x, y):
        return self.linear(x).relu(), y.sum(0, keepdim=True) + x.shape[1]


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


def example(batch=2, length=3, rows=5):
    torch.manual_seed(1)
    return torch.randn(batch, length, 6), torch.randn(rows, 2)


def exported(model, args, **keywords) -> bytes:
    buffer = io.BytesIO()
    export(model, args, buffer, format="onnx", progress=False, **keywords)
    return buffer.getvalue()


def theirs(model, args, **keywords) -> bytes:
    """The same call of torch.onnx.export."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.onnx.export(
            model, args, None if keywords.get("dynamo") else buffer, verbose=False, **keywords
        )
    return made.model_proto.SerializeToString() if keywords.get("dynamo") else buffer.getvalue()


def results(data: bytes, args: Any) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, {n: x.numpy() for n, x in zip(names, args, strict=True)})


def assert_same(data: bytes, model, args) -> None:
    for found, wanted in zip(results(data, args), model(*args), strict=True):
        np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-4, atol=1e-5)


def sizes(data: bytes) -> list[list[int | str]]:
    """What the inputs declare: a number or a symbol for each axis."""
    return [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in onnx.load_from_string(data).graph.input
    ]


def asked(said: Any, spelling: str = "dynamic_dims", **more: Any) -> _dims.Request:
    """What SAID comes to for x [2, 3, 6] and y [5, 2]."""
    inputs = [
        _dims.Input("x", (2, 3, 6), ("0", "0")),
        _dims.Input("y", (5, 2), ("0", "1")),
        _dims.Input("scale", (), ("1", "scale")),
    ]
    return _dims.request(_dims.Chosen(spelling, said), inputs, ("x", "y"), **more)


# ---- dynamic_dims --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        {"x": {0: "batch", 1: "length"}, "y": {0: "rows"}},
        {"x": {-3: "batch", -2: "length"}, "y": {-2: "rows"}},
        {"x": ("batch", "length", None), "y": ["rows", None]},
        {"x": ("batch", "length"), "y": ["rows"]},
        {"x": {0: Dim("batch"), 1: "length"}, "y": {0: Dim("rows", max=99)}},
        {"x": {0: "batch", 1: "length", 2: None}, "y": {0: "rows", 1: None}},
    ],
    ids=["by axis", "negative", "sequences", "short", "Dim", "None"],
)
def test_dimensions_are_named_by_axis_or_in_order(net, said):
    data = exported(net, example(), dynamic_dims=said)
    assert sizes(data) == [["batch", "length", 6], ["rows", 2]]
    for args in (example(), example(1, 1, 1), example(7, 4, 6)):
        assert_same(data, net, args)


@pytest.mark.parametrize("said", ["batch", Dim("batch")], ids=["str", "Dim"])
def test_one_symbol_is_the_first_dimension_of_every_input_that_has_one(said):
    def forward(x, y, scale):
        return x.sum(1) * scale + y

    args = torch.randn(2, 3), torch.randn(2, 1), torch.tensor(2.0)
    data = exported(forward, args, dynamic_dims=said)
    assert sizes(data) == [["batch", 3], ["batch", 1], []]
    other = torch.randn(5, 3), torch.randn(5, 1), torch.tensor(3.0)
    np.testing.assert_allclose(results(data, other)[0], forward(*other).numpy(), rtol=1e-5)


def test_without_a_first_dimension_there_is_nothing_to_name():
    with pytest.raises(ValueError, match="no input has a first dimension"):
        exported(torch.tanh, torch.tensor(1.0), dynamic_dims="batch")


def test_one_symbol_in_two_places_is_one_size():
    request = asked({"x": {0: "n", 1: "length"}, "y": {1: "n"}})
    assert request.names == ("n", "length") and request.sizes == (2, 3)
    assert request.places == (((0, 0), (1, 1)), ((0, 1),))


def test_a_dim_in_one_place_is_meant_in_all_that_have_its_name():
    for said in (
        {"x": {0: Dim("n", max=9)}, "y": {1: "n"}},
        {"x": {0: "n"}, "y": {1: Dim("n", max=9)}},
        {"x": {0: Dim("n", max=9)}, "y": {1: Dim("n", max=9)}},
    ):
        assert asked(said).dims == (Dim("n", max=9),)


def test_inputs_have_the_names_that_the_caller_gives_them(net):
    data = exported(
        net, example(), input_names=["first"], dynamic_dims={"first": {0: "n"}, "y": {0: "m"}}
    )
    assert sizes(data) == [["n", 3, 6], ["m", 2]]
    with pytest.raises(ValueError, match="dynamic_dims has 'x', which is no input; there are 'fir"):
        exported(net, example(), input_names=["first"], dynamic_dims={"x": {0: "n"}})


def test_the_file_says_which_sizes_each_symbol_may_have(net):
    said = {"x": {0: "batch", 1: Dim("length", min=2, max=40)}, "y": {0: Dim("r", multiple_of=5)}}
    for optimize in (False, True):
        graph = toffee.loads(exported(net, example(), dynamic_dims=said, optimize=optimize))
        (found,) = [entry.value for entry in graph.metadata_props if entry.key == "dynamic_dims"]
        assert json.loads(found) == {
            "batch": {"min": 1, "max": None, "multiple_of": 1},
            "length": {"min": 2, "max": 40, "multiple_of": 1},
            "r": {"min": 1, "max": None, "multiple_of": 5},
        }
    still = toffee.loads(exported(net, example()))
    assert not [entry for entry in still.metadata_props if entry.key == "dynamic_dims"]


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"z": {0: "n"}}, ValueError, "dynamic_dims has 'z', which is no input; there are 'x', 'y"),
        ({"x": {3: "n"}}, ValueError, "'x' has no axis 3: it has 3"),
        ({"x": {-4: "n"}}, ValueError, "'x' has no axis -4: it has 3"),
        ({"x": [None, None, None, "n"]}, ValueError, "'x' has no axis 3"),
        ({"scale": {0: "n"}}, ValueError, "'scale' has no axis 0: it has 0"),
        ({"x": {"0": "n"}}, TypeError, r"dynamic_dims\['x'\] has '0' for an axis; axes are ints"),
        ({"x": {True: "n"}}, TypeError, "has True for an axis"),
        ({"x": {0: 2}}, TypeError, r"dynamic_dims\['x'\]\[0\] is a int; it must be a symbol"),
        ({"x": "batch"}, TypeError, r"dynamic_dims\['x'\] is a str; it must be a dict from axes"),
        ({"x": 3}, TypeError, r"dynamic_dims\['x'\] is a int"),
        (3, TypeError, "dynamic_dims is a int; it must be a symbol for the first dimension"),
        ([{0: "n"}], TypeError, "dynamic_dims is a list"),
        ({}, ValueError, "names no dimension: leave it out"),
        ({"x": None, "y": {0: None}}, ValueError, "names no dimension"),
        ({"x": {0: "my batch"}}, ValueError, r"Dim\('my batch'\): the name must be an identifier"),
        ({"x": {0: "2n"}}, ValueError, "must be an identifier"),
        (
            {"x": {0: "n", 1: "n"}},
            ValueError,
            "'n' stands for equal sizes, but axis 0 of 'x' is 2 and axis 1 of 'x' is 3",
        ),
        (
            {"x": {0: "n"}, "y": {0: "n"}},
            ValueError,
            "'n' stands for equal sizes, but axis 0 of 'x' is 2 and axis 0 of 'y' is 5",
        ),
        (
            {"x": {0: Dim("n", max=8)}, "y": {1: Dim("n", max=9)}},
            ValueError,
            r"has both Dim\('n', max=8\) and Dim\('n', max=9\)",
        ),
        (
            {"x": {1: Dim("n", multiple_of=4)}},
            ValueError,
            r"axis 1 of 'x' is 3, which Dim\('n', multiple_of=4\) does not allow",
        ),
        ({"x": {1: Dim("n", min=4)}}, ValueError, r"is 3, which Dim\('n', min=4\) does not allow"),
        ({"y": {0: Dim("n", max=4)}}, ValueError, r"is 5, which Dim\('n', max=4\) does not allow"),
    ],
)
def test_what_does_not_fit_the_inputs_is_refused(said, error, message):
    with pytest.raises(error, match=message):
        asked(said)


def test_what_is_refused_is_so_before_the_model_runs(tmp_path):
    def forward(x):
        raise AssertionError("it ran")

    with pytest.raises(ValueError, match="which is no input"):
        export(forward, torch.randn(2), tmp_path / "m.onnx", dynamic_dims={"z": {0: "n"}})
    assert not list(tmp_path.iterdir())


def test_only_one_spelling_may_be_used(net):
    with pytest.raises(ValueError, match="dynamic_dims and dynamic_axes say the same in two"):
        exported(net, example(), dynamic_dims="n", dynamic_axes={"x": {0: "n"}})
    with pytest.raises(ValueError, match="dynamic_axes and dynamic_shapes say the same in two"):
        exported(net, example(), dynamic_shapes=({0: "n"}, None), dynamic_axes={"x": {0: "n"}})


# ---- Dim -----------------------------------------------------------------------------------------


def test_a_dim_is_printed_as_it_is_written():
    assert str(Dim("n")) == "Dim('n')"
    assert str(Dim("n", 2, 64, 8)) == "Dim('n', min=2, max=64, multiple_of=8)"


def test_a_dim_knows_which_sizes_it_may_be():
    dim = Dim("n", min=3, max=20, multiple_of=4)
    assert [size for size in range(40) if dim.allows(size)] == [4, 8, 12, 16, 20]
    assert Dim("n").allows(1) and not Dim("n").allows(0) and Dim("n", min=0).allows(0)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"min": -1}, "min is at least 0, and multiple_of at least 1"),
        ({"multiple_of": 0}, "multiple_of at least 1"),
        ({"min": 5, "max": 5}, "there are no two sizes that it can be"),
        ({"min": 5, "max": 4}, "no two sizes"),
        ({"min": 9, "max": 16, "multiple_of": 8}, "no two sizes"),
    ],
)
def test_a_dim_that_leaves_no_choice_is_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        Dim("n", **keywords)


# ---- torch.onnx's dynamic_axes -------------------------------------------------------------------

AXES = [
    {"x": {0: "batch", 1: "length"}, "y": {0: "rows"}},
    {"x": [0, 1], "y": [0]},
    {"x": {0: "batch", 1: "length"}, "y": [0], "scores": {0: "batch"}, "sums": [1]},
]


@pytest.mark.parametrize("axes", AXES, ids=["names", "lists", "with outputs"])
def test_dynamic_axes_means_what_it_does_in_torch_onnx(net, axes):
    """At sizes that neither was traced with; of 1 as well, but for theirs."""
    keywords = {
        "input_names": ["x", "y"],
        "output_names": ["scores", "sums"],
        "dynamic_axes": axes,
        "dynamo": False,
    }
    plain = Plain(net)
    there, here = theirs(plain, example(), **keywords), exported(plain, example(), **keywords)
    assert [[type(size) for size in one] for one in sizes(here)] == [[str, str, int], [str, int]]
    assert sizes(here) == sizes(there)
    for args in (example(1, 1, 1), example(7, 4, 6), example(3, 8, 2)):
        for ours, their in zip(results(here, args), results(there, args), strict=True):
            np.testing.assert_allclose(ours, their, rtol=1e-4, atol=1e-5)


class Plain(torch.nn.Module):
    """Net without a size among its numbers: their TorchScript exporter keeps that of its run."""

    def __init__(self, net) -> None:
        super().__init__()
        self.linear = net.linear

    def forward(self, x, y):
        return self.linear(x).relu(), y.sum(0, keepdim=True)


def test_names_of_nothing_in_dynamic_axes_are_refused(net):
    with pytest.raises(ValueError, match="dynamic_axes has 'z', which is no input; there are 'x'"):
        exported(net, example(), output_names=["a"], dynamic_axes={"x": [0], "z": [0]})
    with pytest.raises(TypeError, match="dynamic_axes is a list; it must be a dict"):
        exported(net, example(), dynamic_axes=["x"])


# ---- torch.export's dynamic_shapes ---------------------------------------------------------------


def test_dynamic_shapes_means_what_it_does_in_torch_onnx(net):
    batch, length = ExportDim("batch"), ExportDim("length", min=2, max=30)
    keywords = {
        "dynamic_shapes": {"x": {0: batch, 1: length}, "y": {0: ExportDim("rows")}},
        "dynamo": True,
    }
    there, here = theirs(net, example(), **keywords), exported(net, example(), **keywords)
    assert sizes(here) == sizes(there) == [["batch", "length", 6], ["rows", 2]]
    for args in (example(7, 4, 6), example(3, 8, 2)):
        for ours, their in zip(results(here, args), results(there, args), strict=True):
            np.testing.assert_allclose(ours, their, rtol=1e-4, atol=1e-5)
        assert_same(here, net, args)


BATCH = ExportDim("batch")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"x": {0: BATCH}, "y": None}, {"batch": ((0, 0),)}),
        ({"x": {0: BATCH}}, {"batch": ((0, 0),)}),
        (({0: BATCH}, None), {"batch": ((0, 0),)}),
        ([{0: BATCH}], {"batch": ((0, 0),)}),
        ({"x": (BATCH, None, None), "y": [None, BATCH]}, {"batch": ((0, 0), (1, 1))}),
        ({"x": {0: "n", 1: 3}, "y": {1: 2, 0: "m"}}, {"n": ((0, 0),), "m": ((1, 0),)}),
        ({"x": {0: Dim("n")}}, {"n": ((0, 0),)}),
        ({"x": {0: ExportDim.AUTO}, "y": {1: ExportDim.AUTO}}, {"size_2": ((0, 0), (1, 1))}),
        ({"x": {0: ExportDim.DYNAMIC}, "y": {1: ExportDim.DYNAMIC}}, None),
        ({"x": {0: ExportDim.STATIC, 1: "n"}}, {"n": ((0, 1),)}),
    ],
    ids=str,
)
def test_every_way_to_say_a_dimension_of_torch_export_is_understood(said, wanted):
    request = asked(said, "dynamic_shapes")
    if wanted is None:
        wanted = {"x_0": ((0, 0),), "y_1": ((1, 1),)}
    assert dict(zip(request.names, request.places, strict=True)) == wanted


def test_limits_of_torch_exports_dims_are_kept():
    (dim,) = asked({"x": {0: ExportDim("n", min=2, max=64)}}, "dynamic_shapes").dims
    assert dim == Dim("n", min=2, max=64)
    (dim,) = asked({"x": {0: ExportDim("n")}}, "dynamic_shapes").dims
    assert dim.max is None and dim.min <= 2


def test_dynamic_shapes_follow_nested_arguments():
    def forward(pair, table):
        return pair[0] + pair[1].sum(), table["w"] * 2

    n, m = ExportDim("n"), ExportDim("m")
    args = ((torch.randn(2), torch.randn(3)), {"w": torch.randn(4)})
    for shapes in (
        {"pair": ({0: n}, {0: m}), "table": {"w": {0: ExportDim("k")}}},
        (({0: n}, {0: m}), {"w": {0: ExportDim("k")}}),
    ):
        data = exported(forward, args, dynamic_shapes=shapes)
        assert sizes(data) == [["n"], ["m"], ["k"]]


def test_dynamic_shapes_reach_keyword_arguments():
    def forward(x, *, scale):
        return x * scale

    data = exported(
        forward,
        (torch.randn(2, 3),),
        kwargs={"scale": torch.randn(3)},
        dynamic_shapes={"x": {0: BATCH}, "scale": None},
    )
    assert sizes(data) == [["batch", 3], [3]]
    data = exported(
        forward,
        (torch.randn(2, 3),),
        kwargs={"scale": torch.randn(2, 1)},
        dynamic_shapes={"x": {0: BATCH}, "scale": {0: BATCH}},
    )
    assert sizes(data) == [["batch", 3], ["batch", 1]]


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        (
            {"x": {0: BATCH, 1: 2 * BATCH}},
            ValueError,
            "computed from another one cannot be declare",
        ),
        ({"x": {0: 2.5}}, TypeError, "dynamic_shapes of 'x' has a float, which is no dimension"),
        ({"x": {7: BATCH}}, ValueError, "dynamic_shapes: 'x' has no axis 7: it has 3"),
        ({"x": BATCH}, TypeError, r"dynamic_shapes\['x'\] is a "),
        ("batch", ValueError, "dynamic_shapes does not follow the arguments"),
        ({"z": {0: BATCH}}, ValueError, "dynamic_shapes has 'z', which is no argument"),
        (({0: BATCH}, None, None, {0: BATCH}), ValueError, "has 4 entries, and there are 2 pos"),
        ({"x": {0: ExportDim.STATIC}}, ValueError, "names no dimension"),
    ],
    ids=str,
)
def test_what_of_torch_export_means_nothing_here_is_refused(said, error, message):
    with pytest.raises(error, match=message):
        asked(said, "dynamic_shapes")
