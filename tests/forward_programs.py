"""The programs of docs/what_forward_may_contain.md: small models, each with one thing in it.

``PROGRAMS`` is in the order of the table. Every program makes its model anew, and has two sets of
arguments: one to export with, one to compare on. Where data decides, the two decide differently.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

X = torch.linspace(-1, 1, 12).reshape(3, 4)
OTHER = torch.linspace(2, -1.5, 12).reshape(3, 4) ** 3
IMAGE = torch.linspace(-2, 2, 150).reshape(2, 3, 5, 5)


@dataclasses.dataclass
class Program:
    """One row: MAKE gives the model; ARGS are exported, results are compared on OTHER.

    TOLERANCE is relative, in place of that of the output's dtype. DRAWS: the result is the input
    plus a number of [0, 1) that is another in every run.
    """

    name: str
    group: str
    make: Callable[[], Callable[..., Any]]
    args: tuple[Any, ...]
    other: tuple[Any, ...]
    kwargs: dict[str, Any]
    other_kwargs: dict[str, Any]
    tolerance: float | None = None
    draws: bool = False


PROGRAMS: list[Program] = []


def model(
    group: str,
    name: str,
    args: Any = (X,),
    other: Any = (OTHER,),
    kwargs: dict[str, Any] | None = None,
    other_kwargs: dict[str, Any] | None = None,
    **rest: Any,
) -> Callable[[Callable[[], Callable[..., Any]]], Callable[[], Callable[..., Any]]]:
    """Adds a row whose model the decorated function makes."""

    def add(make: Callable[[], Callable[..., Any]]) -> Callable[[], Callable[..., Any]]:
        own, others = kwargs or {}, other_kwargs or kwargs or {}
        PROGRAMS.append(Program(name, group, make, args, other, own, others, **rest))
        return make

    return add


def forward(
    group: str, name: str, args: Any = (X,), other: Any = (OTHER,), **rest: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds a row whose model's forward is the decorated function, as a method of a module, since
    torch.onnx.export takes no functions."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        class Forward(nn.Module):
            def forward(self, *args: Any, **kwargs: Any) -> Any:
                return function(*args, **kwargs)

        # The signature of the function, which exporters look at.
        signature = inspect.signature(function)
        me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        Forward.forward.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[me, *signature.parameters.values()]
        )
        model(group, name, args, other, **rest)(Forward)
        return function

    return add


# ---- views and in-place -------------------------------------------------------------------------

VIEWS = "views and in-place"


@forward(VIEWS, "a chain of views")
def chain_of_views(x):
    return x.view(4, 3).t()[1:].unsqueeze(0).expand(2, -1, -1).reshape(-1)


@forward(VIEWS, "`y[:, 0] = 5`")
def write_column(x):
    y = x + 1
    y[:, 0] = 5.0
    return y


@forward(VIEWS, "a view read after its base was written")
def view_of_written_base(x):
    y = x + 1
    row = y[1]
    y.mul_(2)
    return row * 1, y


@forward(VIEWS, "a base read after a chain of views was written")
def base_of_written_view(x):
    y = x * 2
    y.view(12)[2:8].view(2, 3).t()[1].add_(10)
    return y


@forward(VIEWS, "`as_strided`, read and written")
def strided(x):
    y = x + 1
    windows = y.as_strided((2, 3), (4, 1), 1)
    y.as_strided((3,), (5,), 0).fill_(7)
    return windows * 2, y


@forward(VIEWS, "`out=`")
def out_argument(x):
    y = torch.empty(3, 4)
    torch.mul(x, 2, out=y)
    return y + x


@forward(VIEWS, "a preallocated buffer filled in a loop")
def filled_in_a_loop(x):
    rows = torch.zeros(3, 4)
    for i in range(3):
        rows[i] = x[i] * i + rows[i - 1]
    return rows


@forward(VIEWS, "`y[mask] = 0`")
def write_by_mask(x):
    y = x * 2
    y[x > 0.5] = 0
    return y


@forward(VIEWS, "`index_put_` with repeated indices, accumulated")
def accumulate(x):
    y = torch.zeros(3, 4)
    i = torch.tensor([0, 2, 0])
    y.index_put_((i,), x, accumulate=True)
    return y


@forward(VIEWS, "an input written in place, then read through a view")
def written_input(x):
    row = x[0]
    x.add_(1)
    return row * 2, x + 0


@model(VIEWS, "a plain attribute written in place")
def written_attribute():
    class Attribute(nn.Module):
        def __init__(self):
            super().__init__()
            self.scratch = torch.zeros(3, 4)

        def forward(self, x):
            self.scratch.zero_()
            self.scratch[1:] += x[:-1]
            return self.scratch * 1 + x

    return Attribute()


@forward(VIEWS, "`x.data`, `detach()`, written")
def data_attribute(x):
    y = x * 2
    y.data.add_(1)
    y.detach()[0].zero_()
    return y


@forward(VIEWS, "`copy.deepcopy(y)`")
def deep_copy(x):
    y = x * 2
    z = copy.deepcopy(y)
    y.add_(1)
    return z + y


# ---- control flow -------------------------------------------------------------------------------

FLOW = "control flow and values"


@forward(FLOW, "loops and branches on shapes")
def shapes(x):
    total = x[0] * 0
    for i in range(x.shape[0]):
        total = total + x[i] if i % 2 == 0 else total * x[i]
    return total if len(x) > 2 else -total


@forward(FLOW, "`if` on a value of a constant")
def constant_branch(x):
    if torch.ones(3).sum() > 2:
        return x + 1
    return x - 1


@forward(FLOW, "`if` on data", (X,), (-OTHER.abs() - 1,))
def data_branch(x):
    if x.max() > 0:
        return x + 1
    return x - 1


@forward(FLOW, "`while` on data")
def data_loop(x):
    while x.abs().max() < 5:
        x = x * 2
    return x


@forward(FLOW, "`torch.cond`", (X,), (-OTHER.abs() - 1,))
def cond(x):
    return torch.cond(x.max() > 0, lambda x: x + 1, lambda x: x - 1, (x,))


@forward(FLOW, "`torch.where` on data")
def where(x):
    return torch.where(x > 0, x, -x * 2)


@forward(FLOW, "`x.sum().item()` in arithmetic")
def item(x):
    return x * x.sum().item()


@forward(FLOW, "`float(x.max())` as an argument")
def float_argument(x):
    return torch.clamp(x, max=float(x.max()) / 2)


@forward(FLOW, "`torch.tensor([x.sum()])`")
def new_tensor(x):
    return x * torch.tensor([x.sum()])


@forward(FLOW, "through NumPy: `torch.from_numpy(x.numpy())`")
def through_numpy(x):
    return x + torch.from_numpy(np.sin(x.detach().numpy()))


@forward(FLOW, "`torch.tensor(y)`, `torch.as_tensor(y)` of a tensor")
def as_tensor(x):
    y = x * 2
    return torch.as_tensor(y) + y.clone().to(torch.float64)


@forward(FLOW, "`range(n)`, n an input", (X, torch.tensor(2)), (OTHER, torch.tensor(3)))
def range_of_input(x, n):
    for _ in range(n):
        x = x * 2
    return x


@forward(FLOW, "`x[i]`, i an input without dimensions", (X, torch.tensor(2)), (X, torch.tensor(0)))
def index_by_scalar(x, i):
    return x[i] * 2


@forward(
    FLOW, "`x[i]`, i an input with dimensions", (X, torch.tensor([2, 0])), (X, torch.tensor([1, 1]))
)
def index_by_tensor(x, i):
    return x[i] * 2


@forward(FLOW, "`x[mask].sum()`")
def mask_sum(x):
    return x[x > 0].sum()


@forward(FLOW, "`x.nonzero()` returned")
def nonzero(x):
    return (x > 0.3).nonzero()


@forward(FLOW, "`len(x.nonzero())` in arithmetic")
def length_of_nonzero(x):
    return x * len((x > 0.3).nonzero())


@forward(FLOW, "`x.unique()`")
def unique(x):
    return (x * 0).unique() + 1


@forward(FLOW, "`torch.rand` added", draws=True)
def torch_random(x):
    return x + torch.rand(4)


@forward(FLOW, "`random.random()` added", draws=True)
def python_random(x):
    return x + random.random()


# ---- what goes in and comes out -----------------------------------------------------------------

IO = "inputs and outputs"


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


@dataclasses.dataclass
class Batch:
    pixels: torch.Tensor
    mask: torch.Tensor


@forward(IO, "nested dicts and lists", ({"a": X, "b": [X + 1]},), ({"a": OTHER, "b": [X]},))
def nested(x):
    return {"sum": x["a"] - x["b"][0], "both": [x["a"], (x["b"][0] * 2,)]}


@forward(IO, "a named tuple, in and out", (Pair(X, X + 1),), (Pair(OTHER, X),))
def named_tuple(pair):
    return Pair(pair.left - pair.right, pair.right * 2)


@forward(IO, "a dataclass that is registered nowhere", (Batch(X, X + 1),), (Batch(OTHER, X),))
def dataclass(batch):
    return batch.pixels - batch.mask


@forward(IO, "the same tensor given twice", (X, X), (X, OTHER))
def twice(a, b):
    return a - 2 * b


@forward(IO, "the same tensor twice in a list", ([X, X],), ([X, OTHER],))
def twice_in_a_list(pair):
    return pair[0] - 2 * pair[1]


@forward(
    IO, "a number, a string, None as arguments", (X, 2.5, "add", None), (OTHER, 2.5, "add", None)
)
def python_arguments(x, factor, mode, nothing):
    return x * factor if mode == "add" and nothing is None else x


@forward(
    IO, "keyword-only arguments", (X,), (OTHER,), kwargs={"bias": X + 1}, other_kwargs={"bias": X}
)
def keywords(x, *, bias):
    return x * 2 + bias


@forward(IO, "an input that is not used", (X, X + 1), (OTHER, X))
def unused(x, other):
    return x + 1


@model(IO, "outputs that are an input, a parameter, a constant, the same twice")
def plain_outputs():
    class Outputs(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.arange(4.0))

        def forward(self, x):
            y = x + 1
            return x, self.weight, torch.arange(3), y, y

    return Outputs()


@forward(
    IO,
    "no dimensions, no elements",
    (torch.tensor(2.0), torch.zeros(0, 4)),
    (torch.tensor(-3.0), torch.zeros(0, 4)),
)
def no_dimensions(scalar, empty):
    return scalar * 2, torch.cat([empty, empty + scalar]), empty.sum() + scalar


@forward(
    IO,
    "inputs with other strides",
    (IMAGE.to(memory_format=torch.channels_last), X.t()),
    ((IMAGE * 2).to(memory_format=torch.channels_last), OTHER.t()),
)
def strides(image, matrix):
    return image.relu().permute(0, 2, 3, 1).reshape(2, -1), matrix.reshape(-1)


@forward(
    IO,
    "integers, booleans, changes of dtype",
    (torch.arange(12).reshape(3, 4) - 6, X > 0),
    (torch.arange(12).reshape(3, 4).flip(0) - 3, X < 0.5),
)
def dtypes(i, mask):
    return i // 4, i % 5, i / 3, (i * mask).to(torch.int8), ~mask, i.double() + 0.5


# ---- kinds of models ----------------------------------------------------------------------------

KINDS = "kinds of models"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.drop = nn.Dropout(0.5)

    def features(self, x):
        return self.drop(torch.relu(self.fc(x)))

    def forward(self, x):
        return self.features(x) + 1


model(KINDS, "a module")(lambda: Net().eval())
model(KINDS, "a plain function")(lambda: lambda x: torch.relu(x) + 1)
model(KINDS, "`functools.partial` of a module")(lambda: functools.partial(Net().eval()))
model(KINDS, "a bound method, `model.features`")(lambda: Net().eval().features)
model(KINDS, "`torch.jit.script`")(lambda: torch.jit.script(Net().eval()))
model(KINDS, "`torch.jit.trace`")(lambda: torch.jit.trace(Net().eval(), X))
model(KINDS, "`torch.compile`")(lambda: torch.compile(Net().eval(), backend="eager"))
model(KINDS, "`nn.DataParallel`")(lambda: nn.DataParallel(Net().eval()))
model(KINDS, "`torch.compile` of a part of the model")(
    lambda: nn.Sequential(torch.compile(Net(), backend="eager"), nn.Tanh()).eval()
)


@model(KINDS, "forward hooks and pre-hooks")
def hooks():
    net = Net().eval()
    net.register_forward_hook(lambda module, args, output: output * 2)
    net.fc.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    return net


@model(KINDS, "a submodule in two places")
def shared_submodules():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer).eval()


model(KINDS, "weight norm")(lambda: parametrizations.weight_norm(nn.Linear(4, 4)).eval())
model(KINDS, "spectral norm")(lambda: parametrizations.spectral_norm(nn.Linear(4, 4)).eval())
model(KINDS, "a lazy module that has not run")(lambda: nn.LazyLinear(3).eval())


class Cached(nn.Module):
    """Exported after a first run has filled the cache."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = None

    def forward(self, x):
        if self.cache is None:
            self.cache = torch.arange(4.0).cos()
        return x * self.cache


model(KINDS, "a module that keeps tensors on itself")(Cached)
model(KINDS, "half precision", (X.half(),), (OTHER.half(),))(lambda: Net().eval().half())
model(KINDS, "double precision", (X.double(),), (OTHER.double(),))(lambda: Net().eval().double())
model(KINDS, "bfloat16", (X.bfloat16(),), (OTHER.bfloat16(),))(lambda: Net().eval().bfloat16())
model(KINDS, "parameters in channels_last", (IMAGE,), (IMAGE * 2,))(
    lambda: nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last).eval()
)


# ---- what PyTorch offers inside forward ---------------------------------------------------------

INSIDE = "inside forward"


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        return x * x * factor

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


@forward(INSIDE, "`torch.autograd.Function`")
def autograd_function(x):
    return Square.apply(x, 3.0) + 1


@forward(INSIDE, "`torch.func.vmap`")
def vmap(x):
    return torch.func.vmap(lambda row: row * row.sum())(x)


@forward(INSIDE, "`torch.func.grad`")
def grad(x):
    return torch.func.grad(lambda y: (y**3).sum())(x)


@forward(INSIDE, "`torch.autograd.grad`")
def autograd_grad(x):
    with torch.enable_grad():
        y = x.detach().clone().requires_grad_()
        return torch.autograd.grad((y**3).sum(), y)[0]


@model(INSIDE, "`torch.func.functional_call`")
def functional_call():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            state = {name: value * 2 for name, value in self.fc.named_parameters()}
            return torch.func.functional_call(self.fc, state, (x,))

    return Scaled()


@model(INSIDE, "`torch.utils.checkpoint`")
def checkpointed():
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return checkpoint(self.fc, x, use_reentrant=False) * 2

    return Checkpointed()


@model(INSIDE, "autocast to bfloat16", tolerance=3e-2)
def autocast():
    class Autocast(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                y = self.fc(x)
            return y.float()

    return Autocast()


@forward(INSIDE, "`torch.no_grad`, `torch.enable_grad`")
def grad_modes(x):
    with torch.no_grad():
        y = x * 2
    with torch.enable_grad():
        return y + x


@forward(INSIDE, "`nn.Parameter(y)` of an intermediate value")
def parameter(x):
    y = x * 2
    return nn.Parameter(y) * 3 + y


@model(
    INSIDE,
    "packed sequences",
    (torch.linspace(-1, 1, 24).reshape(2, 3, 4), torch.tensor([3, 2])),
    (torch.linspace(1, -2, 24).reshape(2, 3, 4), torch.tensor([2, 3])),
)
def packed():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(4, 5, batch_first=True)

        def forward(self, x, lengths):
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            x, _ = self.rnn(x)
            return pad_packed_sequence(x, batch_first=True)[0]

    return Packed().eval()


@forward(INSIDE, "an operator that ONNX does not have")
def missing_operator(x):
    return torch.special.airy_ai(x)
