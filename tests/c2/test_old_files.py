"""Files of August and September 2017 on Caffe2, whose nodes their nodes were."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from old_graphs import encode
from test_upgrade import BOTH, CASES, IMAGE, RUNS, STATISTICS

import toffee
import toffee.backend.c2 as backend
from toffee.torch_toffee import export

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from seed_models import seed_model  # noqa: E402


@pytest.mark.parametrize("prefer", ["caffe2", "aten"])
@pytest.mark.parametrize(("name", "dialect"), RUNS)
def test_a_2017_node_computes_what_it_meant(name, dialect, prefer):
    case = CASES[name]
    content = encode(dialect, case.rows, case.params, list(case.inputs), ["y"])
    (result,) = backend.run(toffee.loads(content), case.inputs, prefer=prefer)
    expected = case.expected(*case.inputs.values(), *case.params.values())
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype or result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dialect", BOTH)
def test_batch_norm_of_a_model_exported_in_training_mode(dialect):
    names = ["x", *STATISTICS]
    outputs = ["y", "new_mean", "new_var", "saved_mean", "saved_var"]
    rows = [("SpatialBN", names, outputs, {"momentum": 0.75, "is_test": 0})]
    graph = toffee.loads(encode(dialect, rows, STATISTICS, ["x"], ["y", "new_mean"]))
    y, mean = backend.run(graph, IMAGE)
    expected = torch.nn.functional.batch_norm(
        torch.from_numpy(IMAGE),
        None,
        None,
        torch.from_numpy(STATISTICS["scale"]),
        torch.from_numpy(STATISTICS["bias"]),
        training=True,
    )
    np.testing.assert_allclose(y, expected.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        mean, 0.75 * STATISTICS["mean"] + 0.25 * IMAGE.mean((0, 2, 3)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1", "dcgan_generator"])
def test_a_model_written_with_the_operators_of_2017_runs(name, tmp_path):
    model, x = seed_model(name)
    export(model, x, tmp_path / "new.toffee")
    toffee.save(toffee.load(tmp_path / "new.toffee"), tmp_path / "old.proto", ir_version=1)
    other = torch.randn(x.shape, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        expected = model(other).numpy()
    old = toffee.load(tmp_path / "old.proto")
    assert {p.key: p.value for p in old.metadata_props}["upgraded_from"] == "late"
    with backend.prepare(old) as rep:
        (result,) = rep.run(other.numpy())
    assert np.abs(result - expected).max() <= 1e-4 * np.abs(expected).max()
