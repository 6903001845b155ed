"""The models of the 2017 preview, whole: export, check, run elsewhere, compare with PyTorch."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import toffee
from toffee.torch_toffee import export

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from seed_models import SEED_MODELS, seed_model  # noqa: E402

RTOL = 1e-4
ATOL = 1e-5  # of the output's scale
TOLERANCE = {"inception_v3": (1e-3, 1e-3)}  # 94 convolutions deep: float32 sums differ by more


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def assert_close(name: str, result: np.ndarray, expected: torch.Tensor) -> None:
    rtol, atol = TOLERANCE.get(name, (RTOL, ATOL))
    scale = float(expected.abs().max())
    np.testing.assert_allclose(result, expected.numpy(), rtol=rtol, atol=atol * scale)


@pytest.mark.parametrize("name", SEED_MODELS)
def test_seed_model_gives_the_same_numbers_elsewhere(name, tmp_path):
    model, traced_input = seed_model(name)
    generator = torch.Generator().manual_seed(7)
    other_input = torch.randn(traced_input.shape, generator=generator)
    with torch.inference_mode():
        expected = model(other_input)

    toffee_path, onnx_path = tmp_path / "m.toffee", tmp_path / "m.onnx"
    returned = export(model, traced_input, toffee_path)
    export(model, traced_input, onnx_path)
    with torch.inference_mode():
        torch.testing.assert_close(returned, model(traced_input), rtol=0, atol=0)

    graph = toffee.load(toffee_path)
    toffee.checker.check_graph(graph)
    toffee.checker.check_graph(toffee.load(onnx_path))
    assert toffee.load(onnx_path) == graph
    onnx.checker.check_model(onnx_path, full_check=True)

    state = model.state_dict()
    parameters = [tensor for tensor in graph.initializer if tensor.name in state]
    names = [tensor.name for tensor in parameters]
    assert names == [key for key in state if key in set(names)], "not in state_dict order"
    assert list(graph.input) == [*names, graph.input[-1]]
    for tensor in parameters:
        np.testing.assert_array_equal(tensor.numpy(), state[tensor.name].numpy())

    running = session(onnx_path)
    (argument,) = running.get_inputs()
    (result,) = running.run(None, {argument.name: other_input.numpy()})
    assert_close(name, result, expected)

    again = tmp_path / "again.toffee"
    export(model, traced_input, again)
    assert digest(again) == digest(toffee_path)


@pytest.mark.parametrize("name", SEED_MODELS)
def test_seed_model_without_parameters_takes_them_as_inputs(name, tmp_path):
    model, traced_input = seed_model(name)
    path = tmp_path / "m.onnx"
    export(model, traced_input, path, export_params=False)
    onnx.checker.check_model(path, full_check=True)
    graph = toffee.load(path)
    toffee.checker.check_graph(graph)
    generator = torch.Generator().manual_seed(8)
    other_input = torch.randn(traced_input.shape, generator=generator)
    with torch.inference_mode():
        expected = model(other_input)
    running = session(path)
    feeds = {
        value.name: model.state_dict()[value.name].numpy() for value in running.get_inputs()[:-1]
    }
    feeds[running.get_inputs()[-1].name] = other_input.numpy()
    assert list(graph.input) == list(feeds)
    (result,) = running.run(None, feeds)
    assert_close(name, result, expected)
    assert path.stat().st_size < 1_000_000
