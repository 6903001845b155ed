"""Whole models on Caffe2: the seed models, with inputs that were not traced."""

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
from seed_models import SEED_MODELS, seed_model  # noqa: E402

#: Of the output's scale. Inception is 48 layers deep and squeezes its activations hard: rounding
#: in another order shows more.
TOLERANCE = {"inception_v3": 1e-3}


def assert_close(results, expected, tolerance):
    (result,) = results
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    scale = float(np.abs(expected).max())
    assert scale > 0
    assert float(np.abs(result - expected).max()) <= tolerance * scale


@pytest.mark.parametrize("name", SEED_MODELS)
def test_a_seed_model_gives_pytorchs_outputs(name, tmp_path):
    model, traced = seed_model(name)
    tolerance = TOLERANCE.get(name, 1e-4)
    x = torch.randn(traced.shape, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        expected = model(x).numpy()

    export(model, traced, tmp_path / "m.toffee")
    graph = toffee.load(tmp_path / "m.toffee")
    for prefer in ("caffe2", "aten"):
        with backend.prepare(graph, prefer=prefer) as rep:
            assert_close(rep.run(x.numpy()), expected, tolerance)
            assert_close(rep.run(x.numpy()), expected, tolerance)  # nothing was left behind

    export(model, traced, tmp_path / "bare.toffee", export_params=False)
    state = model.state_dict()
    with backend.prepare(toffee.load(tmp_path / "bare.toffee")) as rep:
        names = [spec.name for spec in rep.inputs]
        params = {name: state[name].numpy() for name in names[:-1]}
        assert params
        assert_close(rep.run({**params, names[-1]: x.numpy()}), expected, tolerance)
