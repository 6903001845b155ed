"""Quantization."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from . import values
from .ops_conv import conv
from .ops_math import convert
from .registry import Attributes, operator

_Tensor = torch.Tensor

#: data_type -> the range of its integers
_RANGES = {
    2: (0, 255),
    3: (-128, 127),
    4: (0, 65535),
    5: (-32768, 32767),
    6: (-(2**31), 2**31 - 1),
    21: (0, 15),
    22: (-8, 7),
    25: (0, 3),
    26: (-2, 1),
}


def _number(x: Any) -> _Tensor:
    """X as float32 (int32 where it may hold more than float32 can)."""
    if not isinstance(x, torch.Tensor):
        return torch.from_numpy(np.array(x, dtype=np.float32))
    return x.to(torch.float32)


def _fitted(a: Attributes, parameter: _Tensor, x: _Tensor) -> _Tensor:
    """A scale or zero point in a shape that broadcasts to X: of one element, one for each place
    along axis, or one for each block of it."""
    if parameter.numel() == 1 and parameter.dim() <= 1:
        return parameter.reshape(())
    axis = a.get("axis", 1) % x.dim()
    if parameter.dim() == 1 and x.dim() >= 1 and not a.get("block_size", 0):
        shape = [1] * x.dim()
        shape[axis] = -1
        return parameter.reshape(shape)
    block = a.get("block_size", 0) or -(-x.shape[axis] // parameter.shape[axis])
    return parameter.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])


def quantize(x: _Tensor, scale: _Tensor, zero: Any, number: int, saturate: bool = True) -> Any:
    """X / scale + zero, rounded half to even, as elements of data_type NUMBER."""
    scaled = x / scale
    if number not in _RANGES:
        return convert(scaled if zero is None else scaled + zero, number, saturate)
    low, high = _RANGES[number]
    whole = torch.round(scaled)
    whole = whole if zero is None else whole + zero
    return convert(torch.clamp(whole, low, high).to(torch.int64), number)


@operator("QuantizeLinear")
def quantize_linear(a: Attributes, x: _Tensor, scale: _Tensor, zero: Any = None) -> Any:
    number = a.get("output_dtype", 0)
    if not number:
        number = values.data_type_of(zero) if zero is not None else 2
    precision = a.get("precision", 0)
    dtype = values.DTYPES[precision] if precision else torch.float32
    wide = x.to(torch.float64 if x.dtype in (torch.int32, torch.float64) else dtype)
    point = None if zero is None else _fitted(a, _number(zero).to(x.device), x)
    fitted = _fitted(a, scale.to(wide.dtype), x)
    return quantize(wide, fitted, point, number, bool(a.get("saturate", 1)))


@operator("DequantizeLinear")
def dequantize_linear(a: Attributes, x: Any, scale: _Tensor, zero: Any = None) -> _Tensor:
    number = a.get("output_dtype", 0)
    dtype = values.DTYPES[number] if number else scale.dtype
    exact = isinstance(x, torch.Tensor) and x.dtype in (torch.int32, torch.int64)
    wide = x.to(torch.float64) if exact else _number(x).to(scale.device)
    if zero is not None:
        wide = wide - _fitted(a, _number(zero).to(wide.device), wide)
    # only 32-bit integers (in float64) and wider scales need more than float32
    wide = wide * _fitted(a, scale.to(wide.dtype), wide)
    return wide.to(dtype)


@operator("DynamicQuantizeLinear", many=True)
def dynamic_quantize_linear(a: Attributes, x: _Tensor) -> tuple[_Tensor, ...]:
    low = torch.clamp(x.min(), max=0)
    high = torch.clamp(x.max(), min=0)
    scale = (high - low) / 255
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = torch.clamp(torch.round(-low / scale), 0, 255)
    return quantize(x, scale, zero, 2), scale, zero.to(torch.uint8)


def _centered(x: _Tensor, zero: _Tensor | None, axis: int) -> _Tensor:
    """X - zero in float64, which holds sums of products of 8-bit integers exactly."""
    wide = x.to(torch.float64)
    if zero is None:
        return wide
    point = zero.to(torch.float64)
    if point.dim() == 1 and point.numel() > 1:
        shape = [1] * x.dim()
        shape[axis] = -1
        point = point.reshape(shape)
    return wide - (point if point.numel() > 1 else point.reshape(()))


@operator("MatMulInteger")
def matmul_integer(
    a: Attributes,
    x: _Tensor,
    y: _Tensor,
    x_zero: _Tensor | None = None,
    y_zero: _Tensor | None = None,
) -> _Tensor:
    product = torch.matmul(_centered(x, x_zero, -2), _centered(y, y_zero, -1))
    return product.to(torch.int32)


def _requantize(total: _Tensor, scale: _Tensor, zero: _Tensor) -> _Tensor:
    low, high = torch.iinfo(zero.dtype).min, torch.iinfo(zero.dtype).max
    whole = torch.round(total * scale) + zero.to(torch.float64)
    return torch.clamp(whole, low, high).to(zero.dtype)


def _scale(scale: _Tensor, rank: int, axis: int) -> _Tensor:
    wide = scale.to(torch.float64)
    if wide.numel() == 1:
        return wide.reshape(())
    if wide.dim() > 1:
        return wide
    shape = [1] * rank
    shape[axis] = -1
    return wide.reshape(shape)


@operator("QLinearMatMul")
def qlinear_matmul(
    a: Attributes,
    x: _Tensor,
    x_scale: _Tensor,
    x_zero: _Tensor,
    y: _Tensor,
    y_scale: _Tensor,
    y_zero: _Tensor,
    out_scale: _Tensor,
    out_zero: _Tensor,
) -> _Tensor:
    total = torch.matmul(_centered(x, x_zero, -2), _centered(y, y_zero, -1))
    scale = _scale(x_scale, x.dim(), -2) * _scale(y_scale, y.dim(), -1)
    return _requantize(total, scale / _scale(out_scale, x.dim(), -2), out_zero)


@operator("QLinearConv")
def qlinear_conv(
    a: Attributes,
    x: _Tensor,
    x_scale: _Tensor,
    x_zero: _Tensor,
    w: _Tensor,
    w_scale: _Tensor,
    w_zero: _Tensor,
    out_scale: _Tensor,
    out_zero: _Tensor,
    b: _Tensor | None = None,
) -> _Tensor:
    bias = None if b is None else b.to(torch.float64)
    total = conv(a, _centered(x, x_zero, 1), _centered(w, w_zero, 0), bias)
    scale = _scale(x_scale, x.dim(), 1) * _scale(w_scale, x.dim(), 1)
    return _requantize(total, scale / _scale(out_scale, x.dim(), 1), out_zero)
