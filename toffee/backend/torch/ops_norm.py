"""Normalizations."""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import torch
from torch.nn import functional as F  # noqa: N812 -- its usual name

from .registry import Attributes, operator

_Tensor = torch.Tensor


@operator("BatchNormalization", many=True)
def batch_normalization(
    a: Attributes, x: _Tensor, scale: _Tensor, bias: _Tensor, mean: _Tensor, var: _Tensor
) -> tuple[_Tensor, ...]:
    epsilon, momentum = a.get("epsilon", 1e-5), a.get("momentum", 0.9)
    if not a.get("training_mode", 0):
        if a.version < 9 and not a.get("spatial", 1):
            return (scale * (x - mean) / torch.sqrt(var + epsilon) + bias,)
        if x.dtype != mean.dtype:
            x_wide = x.to(mean.dtype)
            return (
                F.batch_norm(
                    x_wide,
                    mean,
                    var,
                    scale.to(mean.dtype),
                    bias.to(mean.dtype),
                    False,
                    0.0,
                    epsilon,
                ).to(x.dtype),
            )
        return (F.batch_norm(x, mean, var, scale, bias, False, 0.0, epsilon),)
    axes = [axis for axis in range(x.dim()) if axis != 1]
    batch_var, batch_mean = torch.var_mean(x, axes, correction=0)
    y = F.batch_norm(x, None, None, scale, bias, True, 0.0, epsilon)
    running = (mean * momentum + batch_mean * (1 - momentum)).to(mean.dtype)
    return y, running, (var * momentum + batch_var * (1 - momentum)).to(var.dtype)


@operator("InstanceNormalization")
def instance_normalization(a: Attributes, x: _Tensor, scale: _Tensor, bias: _Tensor) -> _Tensor:
    return F.instance_norm(x, weight=scale, bias=bias, eps=a.get("epsilon", 1e-5))


@operator("GroupNormalization")
def group_normalization(a: Attributes, x: _Tensor, scale: _Tensor, bias: _Tensor) -> _Tensor:
    groups = a["num_groups"]
    if a.version < 21 and scale.shape[0] == groups != x.shape[1]:
        # opset 18: one scale for each group, not for each channel
        each = x.shape[1] // groups
        scale, bias = scale.repeat_interleave(each), bias.repeat_interleave(each)
    return F.group_norm(x, groups, scale, bias, a.get("epsilon", 1e-5))


@operator("LayerNormalization", many=True)
def layer_normalization(
    a: Attributes, x: _Tensor, scale: _Tensor, bias: _Tensor | None = None
) -> tuple[_Tensor, ...]:
    axis, epsilon = a.get("axis", -1) % x.dim(), a.get("epsilon", 1e-5)
    dims = x.shape[axis:]
    if scale.shape == dims and (bias is None or bias.shape == dims):
        y = F.layer_norm(x, dims, scale, bias, epsilon)
    else:
        y = F.layer_norm(x, dims, None, None, epsilon) * scale
        y = y if bias is None else y + bias
    if a.n_outputs == 1:
        return (y,)
    # the statistics are float32 (stash_type 1) or those of X
    wide = x.to(torch.float32) if a.get("stash_type", 1) == 1 and x.dtype.itemsize < 4 else x
    var, mean = torch.var_mean(wide, list(range(axis, x.dim())), correction=0, keepdim=True)
    return y, mean, torch.rsqrt(var + epsilon)


@operator("RMSNormalization")
def rms_normalization(a: Attributes, x: _Tensor, scale: _Tensor) -> _Tensor:
    axis, epsilon = a.get("axis", -1) % x.dim(), a.get("epsilon", 1e-5)
    wide = x.to(torch.float32) if x.dtype.itemsize < 4 else x
    square = torch.mean(wide * wide, list(range(axis, x.dim())), keepdim=True)
    return (wide * torch.rsqrt(square + epsilon)).to(x.dtype) * scale


@operator("MeanVarianceNormalization")
def mean_variance_normalization(a: Attributes, x: _Tensor) -> _Tensor:
    axes = a.get("axes", [0, 2, 3])
    var, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) / (torch.sqrt(var) + 1e-9)


@operator("LRN")
def local_response_normalization(a: Attributes, x: _Tensor) -> _Tensor:
    size = a["size"]
    before = (size - 1) // 2
    flat = x.reshape(x.shape[0], 1, x.shape[1], math.prod(x.shape[2:]))
    # summed here rather than by torch's own, whose window leans to the other side
    squares = F.pad(flat * flat, [0, 0, before, size - 1 - before])
    total = F.avg_pool2d(squares, (size, 1), stride=1) * size
    scale = a.get("bias", 1.0) + a.get("alpha", 1e-4) / size * total
    return (flat * scale ** -a.get("beta", 0.75)).reshape(x.shape)
