"""A model of the zoo: how to make it, what to call it with, and values that hide no mistake."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

#: Draws one argument of a model.
Draw = Callable[[torch.Generator], Any]


@dataclass(frozen=True)
class Case:
    """One row: MAKE builds the model, ARGS and KWARGS draw its arguments."""

    make: Callable[[], nn.Module]
    args: tuple[Draw, ...] = ()
    kwargs: Mapping[str, Draw] = field(default_factory=dict)
    dtype: torch.dtype = torch.float32
    note: str = ""  # why it cannot pass


# ---- arguments -----------------------------------------------------------------------------------


def normal(*shape: int) -> Draw:
    """Standard normal numbers: images, sound, features."""
    return lambda generator: torch.randn(shape, generator=generator)


def image(batch: int, side: int) -> Draw:
    """Images [batch, 3, side, side] that differ in colour and contrast, not in noise alone: pooled
    features of those would all be alike."""

    def draw(generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(batch, 3, side, side, generator=generator)
        contrast, colour = torch.randn(2, batch, 3, 1, 1, generator=generator)
        return noise * (0.5 + contrast.abs()) + colour

    return draw


def uniform(*shape: int) -> Draw:
    """Numbers in [0, 1)."""
    return lambda generator: torch.rand(shape, generator=generator)


def tokens(vocabulary: int, *shape: int, low: int = 3) -> Draw:
    """Token ids. Those below LOW are left out: models give them a meaning (padding, end)."""
    return lambda generator: torch.randint(low, vocabulary, shape, generator=generator)


def mask(batch: int, length: int) -> Draw:
    """An attention mask: the first row whole, the others padded on the right, each elsewhere."""

    def draw(generator: torch.Generator) -> torch.Tensor:
        lengths = torch.randint(length // 2, length, (batch, 1), generator=generator)
        lengths[0] = length
        return (torch.arange(length) < lengths).long()

    return draw


def boxes(batch: int, length: int, size: int) -> Draw:
    """Boxes (left, top, right, bottom) in a page of SIZE × SIZE."""

    def draw(generator: torch.Generator) -> torch.Tensor:
        corners = torch.randint(0, size, (2, batch, length, 2), generator=generator).sort(0).values
        return torch.cat((corners[0], corners[1]), -1)

    return draw


def ones(*shape: int) -> Draw:
    return lambda generator: torch.ones(shape, dtype=torch.long)


def always(value: Any) -> Draw:
    """An argument that is no tensor, or one that is always the same."""
    return lambda generator: value


def arguments(case: Case, seed: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments for CASE drawn from SEED, floats in its dtype."""
    generator = torch.Generator().manual_seed(seed)

    def draw(one: Draw) -> Any:
        value = one(generator)
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return value.to(case.dtype)
        return value

    return tuple(draw(one) for one in case.args), {k: draw(one) for k, one in case.kwargs.items()}


# ---- parameters ----------------------------------------------------------------------------------


def build(case: Case, seed: int = 0) -> nn.Module:
    """The model of CASE in evaluation mode, with parameters drawn from SEED."""
    torch.manual_seed(seed)
    model = case.make().eval()
    generator = torch.Generator().manual_seed(seed)
    _disturb(model, generator)
    _settle(model, case, generator)
    return model.to(case.dtype)


def _disturb(model: nn.Module, generator: torch.Generator) -> None:
    """Freshly made models hide mistakes: zero biases, scales of 1, layer scales of 1e-5, weights
    that make every attention uniform, empty code books. Constant parameters get noise, small
    weights are scaled up."""
    done: set[int] = set()
    with torch.no_grad():
        for module in model.modules():
            for name, tensor in module.named_buffers(recurse=False):
                if name == "embed":
                    tensor.normal_(generator=generator)
            for parameter in module.parameters(recurse=False):
                if parameter.is_floating_point() and id(parameter) not in done:
                    done.add(id(parameter))
                    _disturb_parameter(parameter, generator)
        for module in model.modules():
            if getattr(module, "use_res_connect", False):
                _calm(module)


def _calm(block: nn.Module) -> None:
    """A quarter of what BLOCK adds to its input, by its last normalization. Networks are trained
    from less than that; at full scale, each block of a deep one makes the rounding of those before
    larger, and single samples come out as noise (EfficientNets)."""
    norms = [part for part in block.modules() if isinstance(part, nn.BatchNorm2d)]
    if norms:
        norms[-1].weight.mul_(0.25)
        norms[-1].bias.mul_(0.25)


def _settle(model: nn.Module, case: Case, generator: torch.Generator) -> None:
    """Give normalizations the statistics of what they see, nearly: with any others the numbers of a
    deep model grow or die out, and its results say nothing of each single layer any more. Eight
    draws: the last layers see one pixel of an image, and where a channel differs too little among
    few of these, its variance is nearly 0 and blows up the rounding of all layers before."""

    def look(module: nn.Module, args: tuple[Any, ...]) -> None:
        x = args[0].float()
        axes = [axis for axis in range(x.dim()) if axis != 1]
        mean, variance = x.mean(axes), x.var(axes, unbiased=False)
        shift, stretch = torch.rand(2, len(mean), generator=generator)
        module.running_mean.copy_(mean + (shift - 0.5) * variance.sqrt())
        module.running_var.copy_(variance * (1 + stretch) + 0.05 * variance.mean())

    hooks = [
        module.register_forward_pre_hook(look)
        for module in model.modules()
        if isinstance(getattr(module, "running_mean", None), torch.Tensor)
    ]
    if hooks:
        plain = dataclasses.replace(case, dtype=torch.float32)
        args, kwargs = pytree.tree_map(_batch, *(arguments(plain, seed) for seed in range(1, 9)))
        with torch.no_grad():
            model(*args, **kwargs)
    for hook in hooks:
        hook.remove()


def _batch(*leaves: Any) -> Any:
    """One batch of several."""
    return torch.cat(leaves) if isinstance(leaves[0], torch.Tensor) else leaves[0]


def _disturb_parameter(parameter: torch.Tensor, generator: torch.Generator) -> None:
    if parameter.numel() == 0:
        return
    low, high = (float(value) for value in torch.aminmax(parameter))
    if low == high:
        centre = 1.0 if abs(low) > 1e-3 else 0.0
        noise = torch.empty_like(parameter).uniform_(-0.2, 0.2, generator=generator)
        if abs(low) <= 1e-3 and low != 0:  # a layer scale: what it scales must count
            noise += 0.5
        parameter.copy_(noise + centre)
    elif parameter.dim() >= 2:
        deviation = float(parameter.std())
        gain = 2 if parameter.dim() > 2 else 1  # convolutions have a ReLU behind them
        wanted = math.sqrt(gain / parameter[0].numel())
        if 0 < deviation < wanted * 0.8:
            parameter.mul_(wanted / deviation)
