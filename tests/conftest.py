"""Fixtures that several files share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

# Before anything starts a thread pool: tests run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

import toffee  # noqa: E402
from toffee import _core, helper, numpy_helper  # noqa: E402


@pytest.fixture
def weights() -> np.ndarray:
    """[64, 3, 3, 3], float32, larger than what is copied when a part changes graphs."""
    return np.random.default_rng(0).standard_normal((64, 3, 3, 3)).astype(np.float32)


@pytest.fixture
def conv_graph(weights: np.ndarray) -> toffee.Graph:
    """x, w -> Conv -> h -> Relu -> y, with everything that a graph can have."""
    conv = helper.make_node(
        "Conv", ["x", "w"], ["h"], name="features.0", kernel_shape=[3, 3], strides=[1, 1]
    )
    relu = helper.make_node("Relu", ["h"], ["y"], doc_string="model.py:7")
    graph = helper.make_graph(
        [conv, relu],
        "net",
        [helper.make_tensor_value_info("x", toffee.Tensor.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("y", toffee.Tensor.FLOAT, ["batch", 64, 6, 6])],
        [numpy_helper.from_array(weights, "w")],
        value_info=[helper.make_tensor_value_info("h", toffee.Tensor.FLOAT, [None, 64, 6, 6])],
    )
    graph.producer_tag = "pytorch"
    graph.metadata_props.add(key="made by", value="a test")
    return graph


@pytest.fixture
def conv_bytes(conv_graph: toffee.Graph) -> bytes:
    """The same, serialized."""
    return toffee.dumps(conv_graph)


@pytest.fixture
def count_allocations() -> Callable[..., int]:
    """count_allocations(function, *args): how many allocations the core makes in that call."""

    def count(function: Callable[..., Any], *args: Any) -> int:
        _core._testing.fail_allocation(-1)
        function(*args)
        return _core._testing.allocation_count()

    return count


@pytest.fixture
def fail_allocation() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """``with fail_allocation(n)``: the n-th allocation of the core in the block fails."""

    @contextlib.contextmanager
    def fail(n: int) -> Iterator[None]:
        _core._testing.fail_allocation(n)
        try:
            yield
        finally:
            _core._testing.fail_allocation(-1)

    return fail


@pytest.fixture
def as_before():
    """Whatever lowerings a test registers are gone after it."""
    from toffee import lowering

    yield
    for name in list(lowering._registry._registered):
        toffee.unregister_lowering(name)
