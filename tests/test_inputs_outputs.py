"""What goes into a model and what comes out: containers, Python values, tensors in two places."""

from __future__ import annotations

import collections
import dataclasses
import io
import json
import logging
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from exported import as_numpy, check_export, ops, run_onnxruntime, to_bytes, to_graph
from torch import nn
from torch.utils import _pytree as pytree

import toffee
from toffee.torch_toffee import export

X = torch.linspace(-1, 1, 12).reshape(3, 4)
Y = X.flip(0) * 3 + 1


class Pair(NamedTuple):
    left: torch.Tensor
    right: Any


@dataclasses.dataclass
class Batch:
    """Registered with nobody."""

    pixels: torch.Tensor
    mask: torch.Tensor | None = None
    scale: float = 1.0


@dataclasses.dataclass(frozen=True)
class FrozenBatch:
    pixels: torch.Tensor
    mask: torch.Tensor


class ModelOutput(collections.OrderedDict):
    """An ordered dict with attributes, as Hugging Face's, registered the way that they do."""

    def __init__(self, **items: Any) -> None:
        super().__init__((key, value) for key, value in items.items() if value is not None)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


pytree.register_pytree_node(
    ModelOutput,
    lambda output: (list(output.values()), list(output.keys())),
    lambda values, keys: ModelOutput(**dict(zip(keys, values, strict=True))),
    serialized_type_name="test_inputs_outputs.ModelOutput",
)


class Opaque:
    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


def assert_runs_like_pytorch(fn, args, feeds, expected) -> toffee.Graph:
    """The graph of FN on ARGS, run on FEEDS, gives EXPECTED."""
    data = to_bytes(fn, args, format="onnx")
    results = run_onnxruntime(data, [as_numpy(x) for x in feeds], optimize=True)
    for result, tensor in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, as_numpy(tensor), rtol=1e-6, atol=1e-6)
    return toffee.loads(data)


def baked(graph: toffee.Graph) -> dict[str, Any]:
    texts = [p.value for p in graph.metadata_props if p.key == "baked_arguments"]
    return json.loads(texts[0]) if texts else {}


# ---- containers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "argument", "names"),
    [
        (lambda a: a[0] - a[1][0], (X, [Y]), ["a.0", "a.1.0"]),
        (lambda a: a["x"] - a["y"]["z"], {"x": X, "y": {"z": Y}}, ["a.x", "a.y.z"]),
        (lambda a: a.left - a.right[0], Pair(X, (Y,)), ["a.left", "a.right.0"]),
        (lambda a: a.pixels - a.mask, Batch(X, Y), ["a.pixels", "a.mask"]),
        (lambda a: a.pixels - a.mask, FrozenBatch(X, Y), ["a.pixels", "a.mask"]),
        (lambda a: a.x - a["y"], ModelOutput(x=X, y=Y), ["a.x", "a.y"]),
        (lambda a: a["x"] - a["y"], collections.OrderedDict(x=X, y=Y), ["a.x", "a.y"]),
        (lambda a: a["x"] - a["y"], collections.UserDict(x=X, y=Y), ["a.x", "a.y"]),
        (lambda a: a[0] - a[1], collections.deque([X, Y]), ["a.0", "a.1"]),
        (
            lambda a: a[0].pixels - a[1]["b"].left,
            [Batch(X), {"b": Pair(Y, None)}],
            ["a.0.pixels", "a.1.b.left"],
        ),
    ],
    ids=[
        "tuple",
        "dict",
        "named tuple",
        "dataclass",
        "frozen dataclass",
        "model output",
        "ordered dict",
        "user dict",
        "deque",
        "nested",
    ],
)
def test_tensors_in_a_container_are_inputs_called_by_their_place(fn, argument, names):
    graph = assert_runs_like_pytorch(fn, (argument,), (X + 2, Y), (X + 2 - Y,))
    assert list(graph.input) == names


def test_a_dictionary_subclass_that_is_a_dataclass_keeps_both_views_of_its_fields():
    @dataclasses.dataclass
    class Output(collections.OrderedDict):
        x: Any = None

        def __post_init__(self):
            self["x"] = self.x

        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            super().__setitem__(name, value)

    assert_runs_like_pytorch(lambda a: a.x - 2 * a["x"], (Output(X),), (Y,), (-Y,))


@pytest.mark.parametrize(
    "container", [list, tuple, lambda pair: Pair(*pair)], ids=["list", "tuple", "namedtuple"]
)
def test_containers_that_come_out_keep_their_kind(container):
    out = export(lambda x: container([x + 1, x * 2]), X, io.BytesIO())
    assert type(out) is type(container([X, X]))
    torch.testing.assert_close(tuple(out), (X + 1, X * 2))


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Batch(x + 1, x * 2),
        lambda x: FrozenBatch(x + 1, x * 2),
        lambda x: ModelOutput(pixels=x + 1, mask=x * 2),
        lambda x: Pair(x + 1, {"k": [x * 2]}),
    ],
    ids=["dataclass", "frozen", "model output", "named tuple"],
)
def test_tensors_in_objects_that_come_out_are_outputs_and_ordinary(make):
    if make(X).__class__ is Batch:  # a float among the results is refused, as any number is
        with pytest.raises(toffee.TraceError, match=r"a float at \['scale'\]"):
            to_graph(make, X)
        return
    assert_runs_like_pytorch(make, (X,), (Y,), (Y + 1, Y * 2))
    out = export(make, X, io.BytesIO())
    first = out[0] if isinstance(out, tuple) else out.pixels
    (first * torch.ones(1, requires_grad=True)).sum().backward()


def test_the_model_gets_the_containers_of_the_caller_not_copies():
    seen = []

    def forward(batch, *, extra):
        seen.extend([batch, extra])
        return batch.pixels + extra["e"]

    batch, extra = Batch(X), {"e": Y}
    export(forward, (batch,), io.BytesIO(), kwargs={"extra": extra})
    assert seen[0] is batch
    assert seen[1] is extra


def test_keyword_arguments_are_named_by_their_keyword():
    def forward(x, *, bias, options):
        return x * options["factor"] + bias[0]

    data = to_bytes(forward, X, format="onnx", kwargs={"bias": [Y], "options": {"factor": X + 1}})
    graph = toffee.loads(data)
    assert list(graph.input) == ["x", "bias.0", "options.factor"]
    (result,) = run_onnxruntime(data, [as_numpy(t) for t in (X, X, Y)], optimize=False)
    np.testing.assert_allclose(result, as_numpy(X * Y + X), rtol=1e-6)


# ---- what is no tensor --------------------------------------------------------------------------


def test_python_arguments_are_fixed_and_listed_in_the_graph(caplog):
    def forward(x, factor, mode, flag, nothing, *, pair):
        assert mode == "add"
        assert flag
        assert nothing is None
        return x * factor + pair[1]

    with caplog.at_level(logging.INFO, logger="toffee"):
        graph = to_graph(forward, (X, 2.5, "add", True, None), kwargs={"pair": (1, 3)})
    values = {
        "factor": 2.5,
        "mode": "add",
        "flag": True,
        "nothing": None,
        "pair.0": 1,
        "pair.1": 3,
    }
    assert baked(graph) == values
    assert [record.name for record in caplog.records] == ["toffee"]
    assert '"factor": 2.5' in caplog.text


def test_baked_arguments_are_in_the_onnx_file_too():
    import onnx

    model = onnx.load_from_string(to_bytes(lambda x, k: x * k, (X, 2), format="onnx"))
    props = [*model.metadata_props, *model.graph.metadata_props]
    assert {p.key: p.value for p in props}["baked_arguments"] == '{"k": 2}'


def test_a_graph_of_tensors_only_lists_no_baked_arguments():
    assert not list(to_graph(lambda x: x + 1, X).metadata_props)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("inf"), "inf"),
        (1 + 2j, "(1+2j)"),
        (torch.float16, "torch.float16"),
        (torch.device("cpu"), "cpu"),
        (torch.Size([2, 3]), "torch.Size([2, 3])"),
        (print, "<print>"),
        (object(), "<object>"),
        ("é" * 300, "é" * 200 + "…"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_written_the_same_in_every_run(value, text):
    assert baked(to_graph(lambda x, k: x + 1, (X, value))) == {"k": text}


def test_the_fields_of_a_dataclass_that_are_no_tensors_are_baked_by_name():
    graph = to_graph(lambda b: b.pixels * b.scale, (Batch(X, None, 3.0),))
    assert baked(graph) == {"b.mask": None, "b.scale": 3.0}


# ---- objects that only their own class knows ----------------------------------------------------


class Layer:
    def __init__(self) -> None:
        self.keys: torch.Tensor | None = None
        self.states: dict[int, torch.Tensor | None] = {}
        self.is_initialized = False


class Cache:
    """As transformers': layers that fill themselves, settings, and some that hold nothing."""

    def __init__(self) -> None:
        self.layers: list[Layer] = [Layer(), Layer(), Layer()]
        self.dtype = torch.float32
        self.itself = self

    def update(self, index: int, keys: torch.Tensor) -> torch.Tensor:
        layer = self.layers[index]
        layer.keys = keys if layer.keys is None else torch.cat((layer.keys, keys))
        layer.states[1] = keys.sum(0)
        layer.is_initialized = True
        return layer.keys


def filled(value: torch.Tensor) -> Cache:
    cache = Cache()
    cache.update(0, value)
    cache.update(2, value * 2)
    return cache


def held(cache: Cache) -> list[torch.Tensor]:
    layers = [layer for layer in cache.layers if layer.keys is not None]
    return [tensor for layer in layers for tensor in (layer.keys, layer.states[1])]


def test_the_tensors_in_an_object_that_comes_out_are_outputs():
    def forward(x):
        return {"y": x * 2, "cache": filled(x + 1)}

    expected = forward(Y)
    assert_runs_like_pytorch(forward, X, [Y], [expected["y"], *held(expected["cache"])])


def test_the_tensors_in_an_object_that_goes_in_are_inputs_called_by_their_attributes():
    def forward(x, cache):
        total = cache.update(0, x).sum() + cache.update(1, x).sum()
        return total, cache

    cache = filled(Y)
    total, after = forward(X, filled(Y * 3))
    graph = assert_runs_like_pytorch(
        forward, (Y, cache), [X, *held(filled(Y * 3))], [total, *held(after)]
    )
    names = ["layers.0.keys", "layers.0.states.1", "layers.2.keys", "layers.2.states.1"]
    assert list(graph.input) == ["x", *(f"cache.{name}" for name in names)]


def test_the_same_tensor_in_two_attributes_is_two_inputs_and_the_object_stays_as_it_was():
    def forward(cache):
        return cache.layers[0].keys - 2 * cache.layers[1].keys

    def doubled(value):
        cache = Cache()
        cache.layers[0].keys = cache.layers[1].keys = value
        return cache

    cache = doubled(X)
    data = to_bytes(forward, (cache,), format="onnx")
    assert cache.layers[0].keys is X and cache.layers[1].keys is X and cache.itself is cache
    (result,) = run_onnxruntime(data, [as_numpy(X), as_numpy(Y)], optimize=True)
    np.testing.assert_allclose(result, as_numpy(X - 2 * Y), rtol=1e-6)


def test_what_comes_out_in_an_object_can_be_trained_with():
    output = export(lambda x: Opaque(x * 2), X, io.BytesIO())
    assert type(output) is Opaque and not output.tensor.is_inference()


def test_an_object_without_tensors_is_no_output():
    with pytest.raises(toffee.TraceError, match=r"returned a Cache at \['cache'\]"):
        to_graph(lambda x: {"y": x * 2, "cache": Cache()}, X)


def test_a_tensor_that_a_function_carries_is_a_warning_and_an_error_when_strict():
    def forward(x, function):
        return x + function.tensor

    def function():
        pass

    function.tensor = Y
    with pytest.warns(toffee.TraceWarning, match=r"function.tensor is a tensor inside of a func"):
        graph = to_graph(forward, (X, function))
    assert list(graph.input) == ["x"]
    with pytest.raises(toffee.TraceError, match="register_pytree_node"):
        to_graph(forward, (X, function), strict=True)


# ---- the same tensor in two places --------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        (lambda a, b: a - 2 * b, (X, X)),
        (lambda a: a[0] - 2 * a[1], ([X, X],)),
        (lambda a: a.pixels - 2 * a.mask, (Batch(X, X),)),
        (lambda a: a.pixels - 2 * a.mask, (FrozenBatch(X, X),)),
        (lambda a: a.x - 2 * a.y, (ModelOutput(x=X, y=X),)),
        (lambda a, b: a.left - 2 * b["k"], (Pair(X, None), {"k": X})),
    ],
    ids=["arguments", "list", "dataclass", "frozen dataclass", "model output", "across"],
)
def test_a_tensor_given_twice_is_two_inputs(fn, args):
    graph = assert_runs_like_pytorch(fn, args, (X, Y), (X - 2 * Y,))
    assert len(graph.input) == 2


def test_two_inputs_over_the_same_memory_are_two_inputs():
    base = torch.arange(8.0)
    graph = assert_runs_like_pytorch(
        lambda a, b: a - 2 * b, (base[:4], base[2:6]), (X[0], Y[0]), (X[0] - 2 * Y[0],)
    )
    assert list(graph.input) == ["a", "b"]


@pytest.mark.parametrize("share", [lambda p: p, lambda p: p.detach()], ids=["object", "memory"])
def test_an_input_that_is_a_parameter_too_is_both(share):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x, other):
            return self.layer(x) + other.sum()

    model = Model()
    args = (X, share(model.layer.weight))
    buffer = io.BytesIO()
    export(model, args, buffer, format="onnx")
    graph = toffee.loads(buffer.getvalue())
    assert list(graph.input) == ["layer.weight", "layer.bias", "x", "other"]
    (result,) = run_onnxruntime(buffer.getvalue(), [as_numpy(Y), as_numpy(Y)], optimize=True)
    np.testing.assert_allclose(result, as_numpy(model(Y, Y)), rtol=1e-5)


def test_unused_inputs_stay_wherever_they_are():
    graph = to_graph(lambda a, b, c: b["used"] + 1, (X, {"used": X, "not": Y}, Pair(X, Y)))
    assert list(graph.input) == ["a", "b.used", "b.not", "c.left", "c.right"]


# ---- outputs ------------------------------------------------------------------------------------


def test_an_output_that_is_an_input_a_parameter_or_a_constant_has_its_own_name():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self, x):
            return x, self.weight, torch.arange(3), x + 1

    graph = check_export(Model(), X)
    assert sorted(ops(graph)) == ["Add", "Identity", "Identity", "Identity"]
    assert len({*graph.input, *graph.output}) == 6


def test_the_same_tensor_returned_three_times_is_three_outputs():
    def forward(x):
        y = x * 2
        return y, [y], {"again": y}

    graph = check_export(forward, X)
    assert len(set(graph.output)) == 3


def test_a_view_of_an_input_and_the_input_written_afterwards_come_out_as_in_pytorch():
    def forward(x):
        row = x[0]
        x.mul_(2)
        return x, row

    check_export(forward, X)


def test_an_input_written_in_place_ends_as_after_a_plain_call():
    def forward(x):
        return x.add_(1) * 2

    plain, exported = X.clone(), X.clone()
    forward(plain)
    export(forward, exported, io.BytesIO())
    torch.testing.assert_close(exported, plain, rtol=0, atol=0)


def test_none_among_the_outputs_is_left_out():
    out = export(lambda x: (None, x + 1, {"cache": None}), X, io.BytesIO())
    assert out[0] is None
    assert len(to_graph(lambda x: (None, x + 1), X).output) == 1


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_integers_and_booleans_go_in_and_out(dtype):
    values = (torch.arange(12).reshape(3, 4) % 2).to(dtype)
    check_export(lambda x: (x, x == 1, torch.where(x > 0, 2.0, 3.0)), values)


@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (2, 0, 3), (1,)], ids=str)
def test_tensors_without_dimensions_or_without_elements_go_in_and_out(shape):
    check_export(lambda x: (x * 2, x.reshape(-1), x.sum()), torch.zeros(shape) + 1.5)


@pytest.mark.parametrize(
    "x",
    [
        torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.randn(4, 6).t()[::2],
        torch.randn(5)[None].expand(3, 5),
        torch.randn(4, 4)[:, 1],
    ],
    ids=["channels_last", "transposed and strided", "expanded", "a column"],
)
def test_inputs_with_other_strides_are_read_in_order(x):
    check_export(lambda x: (x.reshape(-1), x.contiguous() * 2, x.sum(0)), x)


@pytest.mark.parametrize(
    "make",
    [
        lambda: X.to_sparse(),
        lambda: torch.zeros(3, device="meta"),
        lambda: torch.quantize_per_tensor(X, 0.1, 0, torch.qint8),
    ],
    ids=["sparse", "meta", "quantized"],
)
def test_inputs_that_no_graph_can_hold_are_refused(make):
    with pytest.raises(toffee.TraceError, match="has no place in a graph"):
        export(lambda x: x + 1, make(), io.BytesIO())


def test_an_input_of_a_subclass_is_a_tensor_as_any_other():
    class Image(torch.Tensor):
        pass

    image = X.clone().as_subclass(Image)
    buffer = io.BytesIO()
    export(lambda x: x.add_(1) * x.sum(), (image,), buffer, format="onnx", strict=True)
    torch.testing.assert_close(image.as_subclass(torch.Tensor), X + 1)
    (result,) = run_onnxruntime(buffer.getvalue(), [as_numpy(Y)], optimize=True)
    np.testing.assert_allclose(result, as_numpy((Y + 1) * (Y + 1).sum()), rtol=1e-5)
