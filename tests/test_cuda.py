"""Models on a GPU. Runs where there is one; CI has none."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from exported import ops, run_onnxruntime, to_bytes

import toffee

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten()
    ).eval()


def test_a_model_on_the_gpu_gives_the_file_of_its_copy_on_the_host():
    x = torch.randn(2, 3, 8, 8)
    host = model()
    device = copy.deepcopy(host).cuda()
    assert to_bytes(device, x.cuda()) == to_bytes(host, x)


def test_constants_made_on_the_gpu_reach_the_file():
    def forward(x):
        table = torch.arange(1000.0, device=x.device)
        return x + table

    data = to_bytes(forward, torch.zeros(1000).cuda(), format="onnx")
    (result,) = run_onnxruntime(data, [np.ones(1000, np.float32)], optimize=True)
    np.testing.assert_array_equal(result, np.arange(1000.0, dtype=np.float32) + 1)


def test_writes_through_views_are_found_by_address_on_the_gpu_too():
    def forward(x):
        y = x + 1
        y[:, 0] = x[:, 1]
        return y

    x = torch.randn(3, 4)
    graph = toffee.loads(to_bytes(forward, x.cuda()))
    assert ops(graph) == ops(toffee.loads(to_bytes(forward, x)))


def test_parameters_come_to_the_host_one_at_a_time():
    layers = torch.nn.Sequential(*(torch.nn.Linear(1024, 1024) for _ in range(8))).cuda()
    to_bytes(layers, torch.zeros(1, 1024).cuda())
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    to_bytes(layers, torch.zeros(1, 1024).cuda())
    assert torch.cuda.max_memory_allocated() - before < 1024 * 1024 * 4
