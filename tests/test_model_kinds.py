"""Models of every kind: what is called, where its parameters come from, and in which dtype."""

from __future__ import annotations

import copy
import functools
import io
import threading

import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import pytest
import torch
from exported import check_export, ops, run_onnxruntime, to_bytes, to_graph
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

import toffee
from toffee.torch_toffee import export

X = torch.linspace(-1, 1, 12).reshape(3, 4)
IMAGE = torch.linspace(-2, 2, 150).reshape(2, 3, 5, 5)


class Net(nn.Module):
    """A layer, dropout, and a method beside forward."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.drop = nn.Dropout(0.5)

    def features(self, image, gain: float = 1.0):
        return self.drop(torch.relu(self.fc(image))) * gain

    def forward(self, image):
        return self.features(image) + 1


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x))).mean((2, 3))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture
def conv():
    torch.manual_seed(0)
    model = Convolutional().eval()
    model.norm.running_mean.normal_()
    return model


NET_INPUTS = ["fc.weight", "fc.bias", "image"]


# ---- what is called -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: net,
        torch.nn.DataParallel,
        lambda net: torch.compile(net, backend="eager"),
        lambda net: torch.compile(torch.nn.DataParallel(net), backend="eager"),
        functools.partial,
        lambda net: functools.partial(torch.compile(net, backend="eager")),
        lambda net: net.forward,
        lambda net: net.__call__,
        torch.jit.script,
        lambda net: torch.jit.trace(net, X),
    ],
    ids=[
        "module",
        "DataParallel",
        "compiled",
        "compiled DataParallel",
        "partial",
        "partial of compiled",
        "bound forward",
        "bound call",
        "scripted",
        "traced",
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_wrapped_module_gives_the_graph_of_the_module(net, wrap):
    data = to_bytes(wrap(net), X, format="onnx")
    graph = toffee.loads(data)
    plain = to_graph(net, X)
    assert ops(graph) == ops(plain)
    assert [tuple(t.dims) for t in graph.initializer] == [tuple(t.dims) for t in plain.initializer]
    (result,) = onnx.reference.ReferenceEvaluator(onnx.load_from_string(data)).run(
        None, {graph.input[-1]: (X * 3).numpy()}
    )
    np.testing.assert_allclose(result, net(X * 3).detach().numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "wrap",
    [
        torch.nn.DataParallel,
        lambda net: torch.compile(net, backend="eager"),
        functools.partial,
        lambda net: net.forward,
        torch.jit.script,
        lambda net: torch.jit.trace(net, X),
    ],
    ids=["DataParallel", "compiled", "partial", "bound forward", "scripted", "traced"],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_wrapped_module_keeps_its_names_and_is_exported_for_evaluation(net, wrap):
    model = wrap(net)
    net.train()
    graph = to_graph(model, X)
    assert list(graph.input) == NET_INPUTS
    inputs = {name for node in graph.node for name in node.input}
    assert inputs >= {"fc.weight", "image"}
    assert all(part.training for part in net.modules())


def test_a_bound_method_of_a_module_keeps_parameters_names_and_mode(net):
    net.train()
    graph = check_export(copy.deepcopy(net).eval().features, X)
    assert list(graph.input) == NET_INPUTS
    with_gain = to_graph(net.features, (X, 3.0))
    assert list(with_gain.input) == NET_INPUTS
    assert [p.value for p in with_gain.metadata_props] == ['{"gain": 3.0}']
    assert net.drop.training


def test_arguments_of_a_partial_belong_to_the_program(net):
    model = functools.partial(functools.partial(net.features, gain=3.0))
    graph = check_export(model, X)
    assert list(graph.input) == NET_INPUTS
    assert not list(graph.metadata_props)
    positional = functools.partial(lambda bias, x, y: bias + x * y, torch.ones(4))
    assert list(check_export(positional, (X, X + 1)).input) == ["x", "y"]


def test_a_plain_function_over_a_module_is_run_as_it_is(net):
    graph = check_export(lambda x: net(x) * 2, X)
    assert list(graph.input) == ["x"]
    assert len(graph.initializer) > 0


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_and_traced_functions_export():
    def fn(image, other):
        return image * 2 + other

    for model in (torch.jit.script(fn), torch.jit.trace(fn, (X, X))):
        graph = check_export(model, (X, X + 1))
        assert list(graph.input) == ["image", "other"]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_frozen_module_has_its_weights_as_constants(net):
    check_export(torch.jit.freeze(torch.jit.script(net)), X)


def test_compiled_functions_and_modules_inside_are_seen_through(net):
    compiled = torch.compile(lambda x: torch.relu(x) * 2, backend="eager")
    assert ops(check_export(compiled, X)) == ["Relu", "Mul"]
    assert ops(check_export(lambda x: compiled(x) + 1, X)) == ["Relu", "Mul", "Add"]
    model = nn.Sequential(torch.compile(net, backend="eager"), nn.Tanh()).eval()
    assert ops(check_export(model, X)) == [*ops(to_graph(net, X)), "Tanh"]


def test_builtins_and_callable_objects_are_models_too():
    class Adder:
        def __call__(self, left, right):
            return left + right

    assert list(check_export(torch.add, (X, X + 1)).input) == ["input.0", "input.1"]
    assert list(check_export(Adder(), (X, X + 1)).input) == ["left", "right"]


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        ctx.mark_non_differentiable(x)
        return x * x * factor

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class Exponential(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class DoubleInPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


def test_autograd_functions_are_seen_through():
    assert ops(check_export(lambda x: Square.apply(x, 2.0) + 1, X)) == ["Mul", "Mul", "Add"]
    assert ops(check_export(lambda x: Exponential.apply(x), X)) == ["Exp"]

    def written(x):
        y = x + 1
        DoubleInPlace.apply(y)
        return y

    assert ops(check_export(written, X)) == ["Add", "Mul"]


# ---- what a module may have ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize(
    ("make", "names"),
    [
        (
            lambda: parametrizations.weight_norm(nn.Linear(4, 4)),
            ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1", "x"],
        ),
        (lambda: nn.utils.weight_norm(nn.Linear(4, 4)), ["bias", "weight_g", "weight_v", "x"]),
        (
            lambda: parametrizations.spectral_norm(nn.Linear(4, 4)).eval(),
            [
                "bias",
                "parametrizations.weight.original",
                "parametrizations.weight.0._u",
                "parametrizations.weight.0._v",
                "x",
            ],
        ),
        (
            lambda: nn.utils.spectral_norm(nn.Linear(4, 4)).eval(),
            ["bias", "weight_orig", "weight_u", "weight_v", "x"],
        ),
    ],
    ids=["weight norm", "old weight norm", "spectral norm", "old spectral norm"],
)
def test_parametrized_weights_are_computed_in_the_graph_from_the_originals(make, names):
    torch.manual_seed(0)
    model = make()
    graph = check_export(model, X, rtol=1e-4)
    assert set(graph.input) == {*names[:-1], "input"}
    model.train()
    model(X).sum().backward()  # the model still trains


def test_a_parametrization_of_ones_own_is_in_the_graph():
    class Symmetric(nn.Module):
        def forward(self, weight):
            return weight.triu() + weight.triu(1).transpose(-1, -2)

    layer = nn.Linear(4, 4)
    nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    graph = check_export(layer, X)
    assert "parametrizations.weight.original" in list(graph.input)


def test_forward_hooks_and_pre_hooks_are_part_of_the_program(net):
    net.register_forward_hook(lambda module, args, output: output * 2)
    net.fc.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    net.drop.register_forward_hook(lambda m, args, kwargs, out: out - 3, with_kwargs=True)
    graph = check_export(net, X)
    assert ops(graph)[0] == "Add"
    assert ops(graph)[-1] == "Mul"


@pytest.mark.parametrize(
    "wrap",
    [nn.DataParallel, lambda net: torch.compile(net, backend="eager")],
    ids=["dp", "compile"],
)
def test_hooks_of_a_wrapper_are_kept(net, wrap):
    model = wrap(net)
    model.register_forward_hook(lambda module, args, output: output * 2)
    graph = check_export(model, X)
    assert ops(graph)[-1] == "Mul"
    assert graph.input[-1] == "image"


def test_lazy_modules_export_once_they_have_run():
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()).eval()
    with pytest.raises(ValueError, match="has no shape yet"):
        to_graph(model, X)
    with pytest.raises(ValueError, match="has no shape yet"):
        to_graph(functools.partial(model), X)
    model(X)
    check_export(model, X)


def test_submodules_in_two_places_are_stored_once():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.second = self.first
            self.both = nn.ModuleList([self.first, nn.Sequential(self.first)])

        def forward(self, x):
            return self.both[1](self.both[0](self.second(self.first(x))))

    graph = check_export(Shared(), X)
    assert [t.name for t in graph.initializer] == ["first.weight", "first.bias"]
    assert ops(graph) == ["Gemm"] * 4


def test_tensors_that_are_plain_attributes_are_constants():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.arange(400.0).reshape(100, 4)
            self.rows = {"first": [torch.ones(4)]}

        def forward(self, x):
            return x + self.table[7] * self.rows["first"][0]

    check_export(Plain(), X)


class Caching(nn.Module):
    """Keeps what it computes: as attribute, as buffer, in containers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.table: torch.Tensor | None = None
        self.register_buffer("phase", None, persistent=False)
        self.pair: tuple = ()
        self.store: dict = {}

    def forward(self, x):
        if self.table is None:
            self.table = torch.arange(4.0).cos()
            self.phase = torch.arange(4.0).sin()
            self.pair = (self.table + 1, 2)
            self.store["rows"] = [self.table]
        self.last = x * 2
        return self.fc(x * self.table * self.phase) + self.pair[0] * self.store["rows"][0]


def test_a_model_that_keeps_tensors_exports_twice_and_trains_afterwards():
    model = Caching()
    first = to_bytes(model, X)
    assert to_bytes(model, X) == to_bytes(copy.deepcopy(model), X)
    check_export(copy.deepcopy(model), X)
    assert len(first) > 0
    kept = [model.table, model.phase, model.pair[0], model.store["rows"][0], model.last]
    assert not any(tensor.is_inference() for tensor in kept)
    assert model.store["rows"][0] is model.table
    model.train()
    x = X.clone().requires_grad_()
    model(x).sum().backward()
    assert x.grad is not None


def test_a_model_made_under_inference_mode_exports_and_stays_as_it_is():
    with torch.inference_mode():
        model = Caching()
        model.register_buffer("mine", torch.ones(4))
    buffer = model.mine
    check_export(model, X)
    assert model.mine is buffer
    assert model.table.is_inference()


def test_training_mode_updates_the_running_statistics_and_writes_the_ones_before(conv):
    before = {name: tensor.clone() for name, tensor in conv.state_dict().items()}
    twin = copy.deepcopy(conv).train()
    graph = to_graph(conv, IMAGE, training=True)
    twin(IMAGE)
    for name, tensor in conv.state_dict().items():
        torch.testing.assert_close(tensor, twin.state_dict()[name], rtol=0, atol=0)
    assert not torch.equal(conv.norm.running_mean, before["norm.running_mean"])
    for tensor in graph.initializer:
        if tensor.name in before:
            np.testing.assert_array_equal(tensor.numpy(), before[tensor.name].numpy())
    conv.train()
    conv(IMAGE).sum().backward()


def test_statistics_read_after_their_update_are_the_new_ones():
    model = nn.BatchNorm2d(3).train()

    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = model

        def forward(self, x):
            return self.norm(x), self.norm.running_mean * 1, self.norm.running_var + 0

    data = to_bytes(Reads(), IMAGE, format="onnx", training=True)
    fresh = nn.BatchNorm2d(3).train()
    expected = fresh(IMAGE * 2)
    for optimize in (False, True):
        results = run_onnxruntime(data, [(IMAGE * 2).numpy()], optimize)
        for result, tensor in zip(
            results, (expected, fresh.running_mean, fresh.running_var), strict=True
        ):
            np.testing.assert_allclose(result, tensor.detach().numpy(), rtol=1e-4, atol=1e-5)


# ---- what forward may use -----------------------------------------------------------------------


def test_vmap_inside_forward(net):
    check_export(lambda x: torch.func.vmap(lambda row: row * row.sum())(x), X)
    check_export(lambda x: torch.func.vmap(lambda a, b: a @ b, in_dims=(0, None))(x, x[0]), X)
    check_export(lambda x: torch.func.vmap(net.fc)(x), X)
    check_export(lambda x: torch.func.vmap(Exponential.apply)(x), X)


def test_gradients_by_torch_func_inside_forward():
    check_export(lambda x: torch.func.grad(lambda y: (y**2).sum())(x), X)
    check_export(lambda x: torch.func.jacrev(torch.sin)(x[0]), X)


def test_functional_call_inside_forward():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            state = {name: value * 2 for name, value in self.fc.named_parameters()}
            return torch.func.functional_call(self.fc, state, (x,))

    assert ops(check_export(Scaled(), X)) == ["Mul", "Mul", "Gemm"]


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("use_reentrant", [True, False])
def test_checkpoint_inside_forward(net, use_reentrant):
    graph = check_export(lambda x: checkpoint(net.fc, x, use_reentrant=use_reentrant) * 2, X)
    assert ops(graph) == ["Gemm", "Mul"]


@pytest.mark.parametrize(
    "context",
    [
        torch.no_grad,
        torch.enable_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu", enabled=False),
        lambda: nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH),
    ],
    ids=["no_grad", "enable_grad", "inference on", "autocast off", "sdpa"],
)
def test_contexts_inside_forward(net, context):
    def forward(x):
        with context():
            y = net(x)
        return y * 2

    check_export(forward, X)


def test_inference_mode_switched_off_inside_forward():
    def forward(x):
        with torch.inference_mode(False), torch.no_grad():
            return x * 2 + x.sum()

    assert ops(to_graph(forward, X)) == ["Mul", "ReduceSum", "Add"]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_an_export_inside_a_context_of_the_caller(net, mode):
    with mode():
        assert ops(to_graph(net, X))[0] == "Gemm"


def test_autocast_to_bfloat16_is_in_the_graph_as_casts(net):
    def forward(x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = net.fc(x)
        return y.float()

    check_reference(forward, X, TOLERANCE[torch.bfloat16])
    assert "Cast" in ops(to_graph(forward, X))


def test_gradients_by_autograd_inside_forward_are_the_error_of_pytorch():
    def forward(x):
        x = x.clone().requires_grad_()
        return torch.autograd.grad((x**2).sum(), x)[0]

    with pytest.raises(RuntimeError, match="does not require grad"):
        to_graph(forward, X)


@pytest.mark.parametrize("size", [(), (4,), (2, 0, 3)], ids=str)
def test_a_model_may_write_to_what_it_keeps(size):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(size))

        def forward(self, x):
            self.count += 1
            self.count.mul_(2)
            return x + self.count.sum()

    model = Counting()
    graph = to_graph(model, X)
    assert torch.equal(model.count, torch.full(size, 2.0))
    for tensor in graph.initializer:
        if tensor.name == "count":
            assert not tensor.numpy().any()


# ---- dtypes and layouts -------------------------------------------------------------------------


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def check_reference(fn, x: torch.Tensor, tolerance: float = 1e-5) -> toffee.Graph:
    """The graph of FN, run on another input by onnx's own interpreter, gives PyTorch's numbers."""
    data = to_bytes(fn, x, format="onnx")
    graph = toffee.loads(data)
    toffee.checker.check_graph(graph)
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    other = (x * 2 + 1).to(x.dtype)
    with torch.inference_mode():
        expected = fn(other)
    (result,) = onnx.reference.ReferenceEvaluator(model).run(
        None, {graph.input[-1]: to_numpy(other)}
    )
    assert result.dtype == to_numpy(expected).dtype
    scale = float(expected.abs().max())
    np.testing.assert_allclose(
        result.astype(np.float64),
        to_numpy(expected).astype(np.float64),
        rtol=tolerance,
        atol=tolerance * scale,
    )
    return graph


# A rounding or two: 2^-8, 2^-11 and 2^-52 are the widths.
TOLERANCE = {torch.bfloat16: 2e-2, torch.float16: 3e-3, torch.float64: 1e-12}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_modules_of_other_widths_compute_in_theirs(net, conv, dtype):
    tolerance = TOLERANCE[dtype]
    graph = check_reference(net.to(dtype), X.to(dtype), tolerance)
    parameters = [tensor for tensor in graph.initializer if tensor.name in net.state_dict()]
    names = {"torch.bfloat16": "BFLOAT16", "torch.float16": "FLOAT16", "torch.float64": "DOUBLE"}
    expected = getattr(toffee.Tensor, names[str(dtype)])
    assert {tensor.data_type for tensor in parameters} == {expected}
    check_reference(conv.to(dtype), IMAGE.to(dtype), tolerance)


def test_a_module_of_mixed_widths_exports(net):
    model = nn.Sequential(net, nn.Linear(4, 2).double())
    check_export(lambda x: model[1](model[0](x).double()).float(), X)


def test_integer_buffers_and_parameters_export():
    class Lookup(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("table", torch.arange(20).reshape(5, 4))
            self.register_buffer("keep", torch.tensor([True, False, True, True]))
            self.zeros = nn.Parameter(torch.zeros(4, dtype=torch.int8), requires_grad=False)

        def forward(self, i):
            return self.table[i] * self.keep + self.zeros

    check_export(Lookup(), torch.tensor([0, 4, 2]))


def test_parameters_without_dimensions_or_elements_export():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(3.0))
            self.empty = nn.Parameter(torch.zeros(0, 4))

        def forward(self, x):
            return torch.cat([x * self.scale, self.empty])

    assert list(check_export(Odd(), X).input) == ["scale", "empty", "x"]


@pytest.mark.parametrize(
    "layout",
    [
        lambda weight: weight.to(memory_format=torch.channels_last),
        lambda weight: weight.flip(3).transpose(2, 3),
        lambda weight: torch.randn(8, 6, 3, 3)[::2, ::2],
        lambda weight: weight[:1].expand(4, 3, 3, 3),
    ],
    ids=["channels_last", "transposed", "strided", "expanded"],
)
def test_parameters_in_any_layout_are_written_in_order(conv, layout):
    conv.conv.weight = nn.Parameter(layout(conv.conv.weight.detach()))
    graph = check_export(conv, IMAGE)
    (weight,) = (t for t in graph.initializer if t.name == "conv.weight")
    np.testing.assert_array_equal(weight.numpy(), conv.conv.weight.detach().numpy())


def test_a_model_in_channels_last_on_an_input_in_channels_last(conv):
    model = conv.to(memory_format=torch.channels_last)
    check_export(model, IMAGE.to(memory_format=torch.channels_last))


# ---- beside each other --------------------------------------------------------------------------


def test_threads_export_different_models_at_once_and_get_their_own(net, conv):
    expected = {"net": to_bytes(net, X), "conv": to_bytes(conv, IMAGE)}
    results: dict[str, list[bytes]] = {"net": [], "conv": []}

    def work(name, model, x):
        for _ in range(4):
            buffer = io.BytesIO()
            export(model, x, buffer)
            results[name].append(buffer.getvalue())

    threads = [
        threading.Thread(target=work, args=arguments)
        for arguments in (("net", net, X), ("conv", conv, IMAGE))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {name: [data] * 4 for name, data in expected.items()}
