"""Activations and what is elementwise in networks."""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 -- its usual name

from .ops_random import generator_of
from .registry import OPERATORS, Attributes, Operator, operator

_Tensor = torch.Tensor


def _plain(function: Callable[..., Any]) -> Callable[..., _Tensor]:
    return lambda a, x: function(x)


_PLAIN: dict[str, Callable[..., Any]] = {
    "HardSwish": F.hardswish,
    "Mish": F.mish,
    "Sigmoid": torch.sigmoid,
    "Softsign": F.softsign,
    "Tanh": torch.tanh,
}
for _name, _function in _PLAIN.items():
    OPERATORS["", _name] = Operator(_plain(_function))


@operator("Relu")
def relu(a: Attributes, x: _Tensor) -> _Tensor:
    return torch.relu(x)


@operator("Softplus")
def softplus(a: Attributes, x: _Tensor) -> _Tensor:
    return (
        torch.logaddexp(x, torch.zeros_like(x))
        if x.is_cuda or x.dtype.itemsize > 2
        else (F.softplus(x))
    )


@operator("LeakyRelu")
def leaky_relu(a: Attributes, x: _Tensor) -> _Tensor:
    return F.leaky_relu(x, a.get("alpha", 0.01))


@operator("ThresholdedRelu")
def thresholded_relu(a: Attributes, x: _Tensor) -> _Tensor:
    return F.threshold(x, a.get("alpha", 1.0), 0.0)


@operator("Elu")
def elu(a: Attributes, x: _Tensor) -> _Tensor:
    return F.elu(x, a.get("alpha", 1.0))


@operator("Celu")
def celu(a: Attributes, x: _Tensor) -> _Tensor:
    return F.celu(x, a.get("alpha", 1.0))


@operator("Selu")
def selu(a: Attributes, x: _Tensor) -> _Tensor:
    alpha = a.get("alpha", 1.6732632423543772)
    gamma = a.get("gamma", 1.0507009873554805)
    return gamma * torch.where(x > 0, x, alpha * torch.expm1(torch.clamp(x, max=0)))


@operator("HardSigmoid")
def hard_sigmoid(a: Attributes, x: _Tensor) -> _Tensor:
    return torch.clamp(x * a.get("alpha", 0.2) + a.get("beta", 0.5), 0.0, 1.0)


@operator("Shrink")
def shrink(a: Attributes, x: _Tensor) -> _Tensor:
    threshold, bias = a.get("lambd", 0.5), a.get("bias", 0.0)
    shrunk = torch.where(x > threshold, x - bias, torch.zeros_like(x))
    return torch.where(x < -threshold, x + bias, shrunk).to(x.dtype)


@operator("PRelu")
def prelu(a: Attributes, x: _Tensor, slope: _Tensor) -> _Tensor:
    if a.version < 7 and slope.dim() == 1 and x.dim() > 2:  # one slope for each channel
        slope = slope.reshape([-1] + [1] * (x.dim() - 2))
    return torch.where(x < 0, x * slope, x)


@operator("Gelu")
def gelu(a: Attributes, x: _Tensor) -> _Tensor:
    return F.gelu(x, approximate=a.get("approximate", "none"))


@operator("Swish")
def swish(a: Attributes, x: _Tensor) -> _Tensor:
    alpha = a.get("alpha", 1.0)
    return F.silu(x) if alpha == 1.0 else x * torch.sigmoid(alpha * x)


@operator("Dropout", many=True)
def dropout(
    a: Attributes, x: _Tensor, ratio: _Tensor | None = None, training: _Tensor | None = None
) -> tuple[_Tensor, _Tensor]:
    mask = torch.ones_like(x, dtype=torch.bool) if a.n_outputs > 1 else x
    if training is None or not bool(training.item()):
        return x, mask
    p = 0.5 if ratio is None else float(ratio.item())
    if p == 0.0:
        return x, mask
    drawn = torch.rand(x.shape, generator=generator_of(a, x.device), device=x.device)
    mask = drawn >= p
    return torch.where(mask, x / (1 - p), torch.zeros_like(x)), mask


# ---- losses ------------------------------------------------------------------------------------


@operator("NegativeLogLikelihoodLoss")
def nll_loss(a: Attributes, x: _Tensor, target: _Tensor, weight: _Tensor | None = None) -> _Tensor:
    return F.nll_loss(
        x,
        target.to(torch.int64),
        weight,
        ignore_index=a.get("ignore_index", -100),
        reduction=a.get("reduction", "mean"),
    )


@operator("SoftmaxCrossEntropyLoss", many=True)
def softmax_cross_entropy(
    a: Attributes, scores: _Tensor, target: _Tensor, weight: _Tensor | None = None
) -> tuple[_Tensor, _Tensor]:
    logs = F.log_softmax(scores, 1)
    return nll_loss(a, logs, target, weight), logs
