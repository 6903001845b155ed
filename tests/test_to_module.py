"""A graph as a module, and the interface of the PyTorch backend."""

from __future__ import annotations

import copy
import pickle
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported import run_onnxruntime, to_bytes, to_graph
from onnx import helper, numpy_helper
from onnx_models import model_bytes

import toffee
import toffee.backend.torch as backend
from toffee.backend.torch import to_module
from toffee.errors import BackendError
from toffee.torch_toffee import export

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from seed_models import seed_model  # noqa: E402

X = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)


# ---- modules -----------------------------------------------------------------------------------


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.stem = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4))
        self.head = torch.nn.Linear(4, 2)
        self.register_buffer("order", torch.tensor([1, 0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.stem(x)).mean((2, 3)))[:, self.order]


@pytest.fixture
def saved(tmp_path):
    net, x = Net().eval(), torch.randn(2, 1, 6, 6)
    export(net, x, tmp_path / "net.toffee", input_names=["x"])
    return net, x, tmp_path / "net.toffee"


def test_a_module_has_the_parameters_and_buffers_of_the_model(saved):
    net, x, path = saved
    module = to_module(toffee.load(path))
    wanted = {k: v for k, v in net.state_dict().items() if "num_batches" not in k}
    assert list(module.state_dict()) == list(wanted)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, wanted[name])
    assert [n for n, _ in module.named_parameters()] == [n for n, _ in net.named_parameters()]
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert torch.equal(module(x), net(x))
    assert torch.equal(module(x=x), net(x))


def test_what_is_written_to_a_module_reaches_neither_the_file_nor_the_graph_nor_another(saved):
    _, x, path = saved
    before = path.read_bytes()
    graph = toffee.load(path)
    module, other = to_module(graph), to_module(graph)
    old = {t.name: t.numpy().copy() for t in graph.initializer}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1.0)
    assert path.read_bytes() == before
    for tensor in graph.initializer:
        np.testing.assert_array_equal(tensor.numpy(), old[tensor.name])
        if tensor.name in other.state_dict():
            np.testing.assert_array_equal(other.state_dict()[tensor.name], old[tensor.name])


def resident(module: torch.nn.Module) -> int:
    """Bytes of the memory that has MODULE's first parameter which are no longer the file's."""
    address = next(module.parameters()).data_ptr()
    inside, private = False, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            low, high = (int(n, 16) for n in line.split(" ")[0].split("-"))
            inside = low <= address < high
        elif inside and line.startswith("Anonymous:"):
            private += int(line.split()[1]) * 1024
    return private


def test_parameters_share_the_file_until_they_are_written(tmp_path):
    net = torch.nn.Linear(1024, 1024)
    export(net, torch.randn(1, 1024), tmp_path / "net.toffee")
    module = to_module(toffee.load(tmp_path / "net.toffee"))
    module(torch.randn(1, 1024))
    assert resident(module) == 0  # all pages that were read are the file's own
    with torch.no_grad():
        module.weight.zero_()
    assert resident(module) >= 4 * 1024 * 1024


def test_a_module_of_a_graph_in_memory_or_of_a_replaced_file_has_copies(saved):
    net, x, path = saved
    data = path.read_bytes()
    assert torch.equal(to_module(toffee.loads(data))(x), net(x))
    graph = toffee.load(path)
    path.unlink()
    path.write_bytes(b"\0" * len(data))
    assert torch.equal(to_module(graph)(x), net(x))


def test_a_module_trains_as_the_model_does(saved):
    net, x, path = saved
    module = to_module(toffee.load(path))
    for model in (net, module):
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(3):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter, dict(net.named_parameters())[name])


def test_a_module_can_be_copied_pickled_and_loaded_into(saved):
    net, x, path = saved
    module = to_module(toffee.load(path))
    with torch.no_grad():
        module.head.bias.add_(5)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(x), module(x))
        twin.load_state_dict(net.state_dict(), strict=False)
        assert torch.equal(twin(x), net(x)) and not torch.equal(module(x), net(x))


def test_parameters_that_are_replaced_by_function_are_used(saved):
    net, x, path = saved
    module = to_module(toffee.load(path))
    zeros = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
    assert torch.equal(torch.func.functional_call(module, zeros, (x,)), torch.zeros(2, 2))


def test_names_that_are_hard_for_modules_come_back_as_they_were():
    names = ["forward", "training", "a", "a.b", "a..c", ".d", "e."]
    tensors = [numpy_helper.from_array(np.float32([i, i + 1]), n) for i, n in enumerate(names)]
    node = helper.make_node("Sum", names, ["y0"])
    module = to_module(toffee.loads(model_bytes([node], {}, initializer=tensors)))
    assert set(module.state_dict()) == set(names)
    assert module().tolist() == [21.0, 28.0]


def test_a_module_moves_with_its_constants_and_says_when_an_input_does_not(saved):
    _, x, path = saved
    module = to_module(toffee.load(path)).to("meta")
    assert module(x.to("meta")).device.type == "meta"
    with pytest.raises(BackendError, match=r"input 'x' is on cpu.*meta"):
        module(x)


@pytest.mark.parametrize(
    "name", ["squeezenet1_1", "resnet50", "dcgan_generator", "super_resolution"]
)
def test_a_module_of_an_exported_model_exports_to_an_equivalent_graph(name, tmp_path):
    model, x = seed_model(name)
    export(model, x, tmp_path / "one.toffee", input_names=["x"], output_names=["y"])
    graph = toffee.load(tmp_path / "one.toffee")
    module = to_module(graph)
    names = {"input_names": module.input_names, "output_names": module.output_names}
    data = to_bytes(module, (x,), format="onnx", **names)
    again = toffee.loads(data)
    assert sorted(again.input) == sorted(graph.input)
    assert list(again.output) == list(graph.output)
    held = {tensor.name: tensor.numpy() for tensor in graph.initializer}
    for tensor in again.initializer:
        if tensor.name in graph.input:
            np.testing.assert_array_equal(tensor.numpy(), held[tensor.name])
    (first,) = run_onnxruntime(to_bytes(model, (x,), format="onnx"), [x.numpy()], False)
    (second,) = run_onnxruntime(data, [x.numpy()], False)
    # the same operators in the same order, but that a mean may be spelt as another pooling
    np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-4 * np.abs(first).max())


# ---- the interface -----------------------------------------------------------------------------


def test_run_node_runs_one_node():
    node = toffee.helper.make_node("Add", ["a", "b"], ["c"])
    outputs = backend.run_node(node, [np.float32([1, 2]), torch.tensor([3.0, 4.0])])
    assert outputs[0].tolist() == [4.0, 6.0]
    assert outputs["c"].tolist() == [4.0, 6.0]


def test_an_unknown_operator_is_an_error_that_names_the_node_and_the_domain():
    node = helper.make_node("Frobnicate", ["x"], ["y0"], name="mine", domain="com.example")
    graph = toffee.loads(model_bytes([node], {"x": X}))
    with pytest.raises(
        BackendError, match=r"node 0 \(com\.example::Frobnicate 'mine'\).*'com\.example'"
    ):
        backend.prepare(graph)


def test_an_operator_that_fails_says_which_node_and_on_what():
    node = helper.make_node("MatMul", ["x", "y"], ["y0"], name="product")
    graph = toffee.loads(
        model_bytes([node], {"x": np.ones((2, 3), np.float32), "y": np.ones((2, 3), np.float32)})
    )
    with pytest.raises(
        BackendError, match=r"node 0 \(MatMul 'product'\) failed on \(float32\[2, 3\]"
    ):
        to_module(graph)(torch.ones(2, 3), torch.ones(2, 3))


def test_outputs_have_memory_of_their_own():
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["r"], value_floats=[7.0])],
        "branch",
        [],
        [helper.make_tensor_value_info("r", 1, [1])],
    )
    nodes = [
        helper.make_node("Identity", ["x"], ["y0"]),
        helper.make_node("Identity", ["w"], ["y1"]),
        helper.make_node("Constant", [], ["y2"], value_floats=[1.0, 2.0]),
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("If", ["c"], ["y3"], then_branch=branch, else_branch=branch),
    ]
    weight = numpy_helper.from_array(np.float32([3, 4]), "w")
    x = np.float32([5, 6])
    graph = toffee.loads(model_bytes(nodes, {"x": x}, 4, initializer=[weight]))
    rep = backend.prepare(graph)
    for output in rep.run(x):
        output += 100
    assert [output.tolist() for output in rep.run(x)] == [[5, 6], [3, 4], [1, 2], [7]]
    assert x.tolist() == [5, 6]


def test_devices_that_do_not_exist_are_errors():
    graph = to_graph(torch.tanh, (torch.randn(2),))
    assert backend.supports_device("CPU")
    assert not backend.supports_device("TPU")
    assert not backend.supports_device("CUDA:99")
    with pytest.raises(BackendError, match="TPU"):
        backend.prepare(graph, device="TPU")
    with pytest.raises(BackendError, match="CUDA:99"):
        backend.prepare(graph, device="CUDA:99")


def test_the_wrong_number_of_inputs_is_an_error(saved):
    _, x, path = saved
    module = to_module(toffee.load(path))
    with pytest.raises(BackendError, match="1 inputs.*2 were given"):
        module(x, x)
    with pytest.raises(BackendError, match="'z'"):
        module(z=x)
    with pytest.raises(TypeError, match="toffee.Graph"):
        to_module(x)


def test_values_are_let_go_of_after_their_last_use():
    """A chain of 64 nodes on 4 MiB has two of the results at a time, not 64."""
    nodes = [helper.make_node("Neg", ["x"], ["v0"])]
    nodes += [helper.make_node("Neg", [f"v{i}"], [f"v{i + 1}"]) for i in range(62)]
    nodes += [helper.make_node("Neg", ["v62"], ["y0"])]
    module = to_module(toffee.loads(model_bytes(nodes, {"x": np.zeros(2**20, np.float32)})))
    alive: list[int] = []
    steps = module._plan._steps
    function = steps[0].function
    kept: list[Any] = []

    def watched(a: Any, x: torch.Tensor) -> torch.Tensor:
        result = function(a, x)
        kept.append(weakref.ref(result))
        alive.append(sum(ref() is not None for ref in kept))
        return result

    module._plan._steps = [step._replace(function=watched) for step in steps]
    with torch.no_grad():
        module(torch.zeros(2**20))
    assert len(alive) == 64 and max(alive) <= 2
