"""Graphs whose sizes are open, on Caffe2: one net for all sizes where no operator wants any, a new
one for each where some do, and fixed ones through infer_shapes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import toffee
import toffee.backend.c2 as backend
from toffee.torch_toffee import export

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from seed_models import import_torchvision  # noqa: E402


def assert_close(results, expected):
    for mine, theirs in zip(results, expected, strict=True):
        assert mine.shape == tuple(theirs.shape)
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-5, rtol=1e-4)


def exported(model, args, tmp_path, **dims) -> toffee.Graph:
    path = tmp_path / "m.toffee"
    export(model, args, str(path), input_names=list(dims), dynamic_dims=dims)
    return toffee.load(path)


@pytest.fixture(scope="module")
def alexnet():
    torch.manual_seed(0)
    return import_torchvision().models.alexnet(weights=None, num_classes=10).eval()


def test_alexnet_with_an_open_batch_is_one_net_for_all_and_has_fixed_ones(alexnet, tmp_path):
    graph = exported(alexnet, torch.randn(2, 3, 64, 64), tmp_path, x={0: "batch"})
    with backend.prepare(graph) as rep:
        pid = rep.pid
        for batch in (1, 5, 2):
            x = torch.randn(batch, 3, 64, 64)
            with torch.inference_mode():
                assert_close(rep.run(x), [alexnet(x)])
        assert rep.pid == pid
        with pytest.raises(toffee.BackendError, match="'x' has 65 in dimension 2, which is 64"):
            rep.run(torch.randn(1, 3, 65, 64))
    fixed = toffee.infer_shapes(graph, {"x": (5, 3, 64, 64)})
    x = torch.randn(5, 3, 64, 64)
    with backend.prepare(fixed) as rep, torch.inference_mode():
        assert_close(rep.run(x), [alexnet(x)])
        with pytest.raises(toffee.BackendError, match="'x' has 2 in dimension 0, which is 5"):
            rep.run(torch.randn(2, 3, 64, 64))


class Sizes(torch.nn.Module):
    """A slice, a pad and a range that are computed with sizes, and an LSTM, which wants them."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(4, 3, batch_first=True)

    def forward(self, x):
        length = x.shape[1]
        first = x[:, : (length + 1) // 2]
        wide = torch.nn.functional.pad(x, (0, 0, 1, 2))
        placed = x + torch.arange(length)[:, None]
        return first, wide, placed, self.lstm(x)[0]


def test_a_graph_that_computes_with_sizes_gets_a_net_for_each(tmp_path):
    torch.manual_seed(0)
    model = Sizes().eval()
    graph = exported(model, torch.randn(2, 7, 4), tmp_path, x={0: "batch", 1: "length"})
    with backend.prepare(graph) as rep:
        assert rep.pid is None  # the first inputs say the sizes
        for shape in [(2, 5, 4), (3, 8, 4), (1, 1, 4)]:
            x = torch.randn(shape)
            with torch.inference_mode():
                assert_close(rep.run(x), model(x))
    x = torch.randn(3, 6, 4)
    fixed = toffee.infer_shapes(graph, {"x": x})
    with backend.prepare(fixed) as rep, torch.inference_mode():
        assert rep.pid is not None
        assert_close(rep.run(x), model(x))


def test_a_size_that_the_graph_does_not_allow_starts_no_net(tmp_path):
    graph = exported(Sizes().eval(), torch.randn(2, 7, 4), tmp_path, x={0: "batch", 1: "length"})
    with backend.prepare(graph) as rep:
        with pytest.raises(toffee.BackendError, match="'x' has 5 in dimension 2, which is 4"):
            rep.run(torch.randn(2, 7, 5))
        assert rep.pid is None
