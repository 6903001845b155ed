"""What a graph for any size has more than one for a single size, and which runs it takes."""

from __future__ import annotations

import collections
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from exported import ops, to_bytes, to_graph
from torch import nn

from toffee import _size_compare
from toffee.backend import torch as backend

BOTH = {0: "batch", 1: "length"}


class Layer(nn.Module):
    """Attention that sees what is not masked, and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        n, length, _ = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, 4, 4).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return x + self.out(y.transpose(1, 2).reshape(n, length, 16))


class Encoder(nn.Module):
    """Layers over ids and a mask of them: positions and the mask are made of the sizes, and the
    mask is looked up with indices as transformers' are."""

    def __init__(self, n_layers: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(20, 16), nn.Embedding(70, 16)
        self.layers = nn.ModuleList(Layer() for _ in range(n_layers))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        n, length = ids.shape
        rows = torch.arange(n)[:, None, None, None]
        columns = torch.arange(length)[None, None, None, :]
        seen = mask.bool()[rows, columns].expand(n, 1, length, length)
        x = self.words(ids) + self.places(torch.arange(length))
        for layer in self.layers:
            x = layer(x, seen)
        return x


def arguments(n: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    mask = torch.ones(n, length, dtype=torch.int64)
    mask[:, length // 2 + 1 :] = 0
    return torch.randint(0, 20, (n, length)), mask


def growth(n_layers: int) -> collections.Counter[str]:
    torch.manual_seed(0)
    model = Encoder(n_layers).eval()
    args = arguments(2, 12)
    more = collections.Counter(ops(to_graph(model, args, dynamic_dims={"ids": BOTH, "mask": BOTH})))
    more.subtract(ops(to_graph(model, args)))
    return more


def test_alexnet_with_a_dynamic_batch_has_the_nodes_that_it_has_without(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "examples"))
    from seed_models import seed_model

    model, x = seed_model("alexnet")
    static = ops(to_graph(model, x[:1]))
    assert ops(to_graph(model, x[:1], dynamic_dims="batch")) == static
    assert not {"Shape", "Gather", "Concat"} & set(static)


def test_layers_share_what_computes_sizes():
    one, four = growth(1), growth(4)
    assert +one == +four and -one == -four
    assert sum(one.values()) > 0


def test_runs_with_a_symbol_at_1_are_like_the_others(monkeypatch):
    def never(*_):
        raise AssertionError("a run that did other things was held against the graph")

    monkeypatch.setattr(_size_compare.Claim, "hold_against", never)
    model = Encoder(1).eval()
    data = to_bytes(
        model, arguments(2, 12), dynamic_dims={"ids": BOTH, "mask": BOTH}, format="onnx"
    )
    session = onnxruntime.InferenceSession(data)
    for size in [(1, 1), (1, 7), (4, 1), (3, 30)]:
        args = arguments(*size)
        names = [info.name for info in session.get_inputs()]
        feeds = {name: x.numpy() for name, x in zip(names, args, strict=True)}
        (result,) = session.run(None, feeds)
        np.testing.assert_allclose(result, model(*args).detach().numpy(), atol=1e-5)


def test_expansions_to_what_is_there_are_no_nodes():
    def fn(x):
        return x.expand_as(x).expand(x.shape) * 2

    assert ops(to_graph(fn, torch.randn(3, 4), dynamic_dims={"x": BOTH})) == ["Mul"]


def test_calls_that_are_computed_give_the_graph_of_those_that_are_not(monkeypatch):
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.Sequential(*[nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)])

        def forward(self, x):
            return self.convs(x).relu().flatten(2).mean(-1)

    model = Wide().eval()
    x = torch.randn(2, 8, 80, 80)
    dims = {"x": {0: "batch", 2: "height"}}
    skipped = to_bytes(model, x, dynamic_dims=dims)
    asked = []

    def compute(self, func, args, kwargs):
        asked.append(func)
        return NotImplemented

    monkeypatch.setattr("toffee._twin.ShapeOnly.__call__", compute)
    assert to_bytes(model, x, dynamic_dims=dims) == skipped
    assert asked


def test_a_graph_that_is_only_compared_reads_its_parameters_where_they_are():
    model = nn.Linear(64, 64).eval()
    graph = to_graph(model, torch.randn(2, 64))
    weights = {tensor.name: tensor.numpy() for tensor in graph.initializer}
    with backend.TorchRep(graph, "CPU", shares=True) as rep:
        for name, tensor in rep.module.state_dict().items():
            assert tensor.data_ptr() == weights[name].ctypes.data
        x = torch.randn(2, 64)
        np.testing.assert_allclose(rep.run([x])[0], model(x).detach(), atol=1e-6)
