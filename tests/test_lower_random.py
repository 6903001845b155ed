"""Random numbers of the shape of a traced tensor: drawn anew by each run, and distributed so."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from exported import to_bytes

import toffee
from toffee.backend import onnxruntime as onnxruntime_backend

X = torch.full((100, 100), 0.25)

#: Program, mean and standard deviation of what it draws.
DRAWN = {
    "rand_like": (torch.rand_like, 0.5, 12**-0.5),
    "randn_like": (torch.randn_like, 0.0, 1.0),
    "randn_like of integers": (lambda x: torch.randn_like(x.long(), dtype=torch.float64), 0, 1),
    "randint_like": (lambda x: torch.randint_like(x, 3, 7), 4.5, 1.25**0.5),
    "bernoulli": (torch.bernoulli, 0.25, 0.1875**0.5),
    "bernoulli with a number": (lambda x: torch.bernoulli(x, 0.5), 0.5, 0.5),
    "bernoulli_": (lambda x: (x + 1).bernoulli_(0.5), 0.5, 0.5),
    "uniform_": (lambda x: (x + 1).uniform_(2, 4), 3.0, 3**-0.5),
    "normal_": (lambda x: (x + 1).normal_(3, 2), 3.0, 2.0),
    "normal of tensors": (lambda x: torch.normal(x + 3, x * 8), 3.25, 2.0),
    "exponential_": (lambda x: (x + 1).exponential_(2), 0.5, 0.5),
    "rrelu": (lambda x: torch.rrelu(-x * 4, 0.2, 0.4, training=True), -0.3, 0.2 * 12**-0.5),
}


def draw(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> list[np.ndarray]:
    """Two runs of one graph of FUNCTION, which must not warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", toffee.TraceWarning)
        data = to_bytes(function, x, format="onnx")
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    toffee.checker.check_graph(toffee.loads(data))
    rep = onnxruntime_backend.prepare(toffee.loads(data))  # every session starts from one seed
    runs = [rep.run(x.numpy())[0] for _ in range(2)]
    eager = function(x)
    assert all(r.shape == tuple(eager.shape) for r in runs)
    assert runs[0].dtype == eager.numpy().dtype
    return runs


@pytest.mark.parametrize("name", DRAWN)
def test_numbers_are_drawn_anew_and_distributed_as_they_should_be(name: str):
    function, mean, std = DRAWN[name]
    first, second = draw(function, X)
    assert not np.array_equal(first, second)
    # 10000 numbers: the mean is within 5 of its own standard deviations in all but 1e-6 of cases
    assert abs(first.mean() - mean) < 5 * std / 100
    assert abs(first.std() - std) < 0.1 * std


def test_whole_numbers_fill_their_range():
    first, _ = draw(lambda x: torch.randint_like(x, -1, 3), X)
    assert set(np.unique(first)) == {-1.0, 0.0, 1.0, 2.0}


def test_a_number_without_dimensions_is_drawn():
    first, second = draw(torch.rand_like, torch.tensor(0.5))
    assert first != second


@pytest.mark.parametrize("rank", [1, 2])
def test_classes_are_drawn_by_their_weights(rank: int):
    weights = torch.tensor([0.0, 1.0, 3.0])
    x = weights if rank == 1 else torch.stack([weights, weights.flip(0)])
    first, _ = draw(lambda x: torch.multinomial(x, 4000, replacement=True), x)
    rows = first.reshape(-1, 4000)
    assert abs((rows[0] == 2).mean() - 0.75) < 0.05
    assert (rows[0] != 0).all()
    assert first.dtype == np.int64


def test_several_classes_without_replacement_are_refused():
    with pytest.raises(toffee.UnsupportedOperatorError, match="aten::multinomial"):
        to_bytes(lambda x: torch.multinomial(x, 2), torch.ones(3))


def test_numbers_drawn_without_a_tensor_of_the_trace_are_warned_of():
    with pytest.warns(toffee.TraceWarning, match="draws random numbers"):
        to_bytes(lambda x: x + torch.rand(3), torch.ones(3))
