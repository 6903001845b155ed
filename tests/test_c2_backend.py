"""What toffee.backend.c2 refuses before it needs Caffe2's runtime. The rest is in tests/c2."""

from __future__ import annotations

import os
import sys

import pytest

import toffee.backend.c2 as backend
from toffee import BackendError, Tensor, helper


@pytest.fixture
def graph():
    x, y = (helper.make_tensor_value_info(name, Tensor.FLOAT, [2, 3]) for name in "xy")
    return helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])


def test_a_card_is_refused_with_the_reason_but_nets_for_it_can_be_made(graph):
    with pytest.raises(BackendError, match="CUDA 10.2"):
        backend.prepare(graph, device="CUDA:1")
    assert len(backend.emit(graph, device="CUDA:1")) == 2


@pytest.mark.parametrize(
    "wrong", [{"timeout": 0}, {"timeout": -1.0}, {"threads": 0}, {"prefer": "torch"}]
)
def test_wrong_options_are_refused(graph, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        backend.prepare(graph, **wrong)


def test_what_is_no_graph_is_refused():
    with pytest.raises(TypeError, match="expected a toffee.Graph"):
        backend.prepare(b"")


def test_a_missing_runtime_is_told_with_the_command_that_installs_it(graph, monkeypatch, tmp_path):
    monkeypatch.setenv("TOFFEE_CACHE", str(tmp_path))
    with pytest.raises(BackendError, match="python.* -m toffee.backend.c2 install"):
        backend.prepare(graph)
    assert not backend.supports_device("CPU")


def test_importing_the_backend_imports_no_torch_and_starts_nothing():
    code = (
        "import sys, toffee.backend.c2 as c2; assert 'torch' not in sys.modules; "
        "assert c2._process._template is None"
    )
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
