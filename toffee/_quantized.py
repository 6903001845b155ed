"""Quantization by numbers that are computed at run time, in other operators.

Each function takes what the operator takes, as in :mod:`toffee._decompositions`. PyTorch's own
definitions are in Python and serve where they look at no values.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def _pytorchs(name: str) -> Callable[..., Any]:
    """PyTorch's own function called NAME. It is there where its operator is."""

    def run(*args: Any, **kwargs: Any) -> Any:
        module = importlib.import_module("torch.ao.quantization.fx._decomposed")
        return getattr(module, name)(*args, **kwargs)

    return run


def _choose(
    symmetric: bool, x: Tensor, low: int, high: int, eps: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Scale (float64) and zero point (int64), one of each, for all that is in X."""
    least, most = (bound.to(torch.float32) for bound in torch.aminmax(x))
    least, most = least.clamp(max=0), most.clamp(min=0)
    if symmetric:
        scale = torch.maximum(-least, most) / (float(high - low) / 2)
        zero = torch.full((1,), 128 if dtype == torch.uint8 else 0, dtype=torch.int64)
        return scale.clamp(min=eps).reshape(1).to(torch.float64), zero
    scale = ((most - least) / float(high - low)).clamp(min=eps)
    zero = (low - torch.round(least / scale).to(torch.int32)).clamp(low, high)
    return scale.reshape(1).to(torch.float64), zero.reshape(1).to(torch.int64)


def _choose_affine(*args: Any) -> tuple[Tensor, Tensor]:
    return _choose(False, *args)


def _choose_symmetric(*args: Any) -> tuple[Tensor, Tensor]:
    return _choose(True, *args)


def _quantize_groups(
    x: Tensor,
    scales: Tensor,
    zero_points: Tensor,
    low: int,
    high: int,
    dtype: torch.dtype,
    size: int,
) -> Tensor:
    """X [M, N] in groups of SIZE along rows, a scale and a zero point for each."""
    if size > x.shape[-1] and scales.shape[-1] == 1:
        size = x.shape[-1]
    groups = x.reshape(-1, size) * (1.0 / scales.reshape(-1, 1)) + zero_points.reshape(-1, 1)
    return groups.round().clamp(low, high).to(dtype).reshape(x.shape)


def _observe_and_fake(
    x: Tensor,
    observes: Tensor,
    quantizes: Tensor,
    least: Tensor,
    most: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    constant: float,
    low: int,
    high: int,
    axis: int,
    by_channel: bool = False,
    symmetric: bool = False,
) -> Any:
    """What quantization-aware training leaves in a model. Its switches are buffers: a graph has
    them as they are; one that still observes is refused."""
    if observes.item():
        return NotImplemented
    if not quantizes.item():
        return x.clone()
    if by_channel:
        return torch.fake_quantize_per_channel_affine(x, scale, zero_point, axis, low, high)
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, low, high)


_Q = "quantized_decomposed::"
TABLE: dict[str, Callable[..., Any]] = {
    "aten::fused_moving_avg_obs_fake_quant": _observe_and_fake,
    _Q + "choose_qparams.tensor": _choose_affine,
    _Q + "choose_qparams_symmetric.tensor": _choose_symmetric,
    _Q + "choose_qparams_per_token": _pytorchs("choose_qparams_per_token"),
    _Q + "choose_qparams_per_token_asymmetric": _pytorchs(
        "_choose_qparams_per_token_asymmetric_impl"
    ),
    _Q + "dequantize_per_channel_group": _pytorchs("dequantize_per_channel_group"),
    _Q + "dequantize_per_token": _pytorchs("dequantize_per_token"),
    _Q + "quantize_per_channel_group": _quantize_groups,
    _Q + "quantize_per_token": _pytorchs("quantize_per_token"),
}
