"""Functions of complex tensors that are several operators, for the trace.

Each returns NotImplemented for real tensors: those have lowerings of their own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def _of_complex(function: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(z: Tensor) -> Any:
        return function(z) if z.is_complex() else NotImplemented

    return run


def _log1p(z: Tensor) -> Tensor:
    x, y = z.real, z.imag
    return torch.complex(0.5 * torch.log1p(x * (x + 2) + y * y), torch.atan2(y, x + 1))


def _expm1(z: Tensor) -> Tensor:
    x, y = z.real, z.imag
    half = torch.sin(0.5 * y)
    real = torch.expm1(x) * torch.cos(y) - 2 * half * half
    return torch.complex(real, torch.exp(x) * torch.sin(y))


def _asinh(z: Tensor) -> Tensor:
    """Odd, so that it is computed where nothing cancels: on the right."""
    left = z.real < 0
    w = torch.where(left, -z, z)
    made = _log1p(w + w * w / (1 + torch.sqrt(1 + w * w)))
    return torch.where(left, -made, made)


def _asin(z: Tensor) -> Tensor:
    return _asinh(z * 1j) * -1j


def _acos(z: Tensor) -> Tensor:
    return math.pi / 2 - _asin(z)


def _acosh(z: Tensor) -> Tensor:
    return torch.log(z + torch.sqrt(z + 1) * torch.sqrt(z - 1))


def _atanh(z: Tensor) -> Tensor:
    return 0.5 * (_log1p(z) - _log1p(-z))


def _atan(z: Tensor) -> Tensor:
    return _atanh(z * 1j) * -1j


#: Most factors of a running product, each of which is ten nodes.
_MAX_FACTORS = 64


def _cumprod(z: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Any:
    z = z if dtype is None else z.to(dtype)
    if not z.is_complex() or (z.ndim and z.shape[dim] > _MAX_FACTORS):
        return NotImplemented
    if z.ndim == 0 or z.numel() == 0:
        return z.clone()
    parts = list(z.unbind(dim))
    for k in range(1, len(parts)):
        parts[k] = parts[k - 1] * parts[k]
    return torch.stack(parts, dim)


def _prod_of(
    z: Tensor, dim: int, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Any:
    z = z if dtype is None else z.to(dtype)
    if not z.is_complex():
        return NotImplemented
    if z.ndim == 0:
        return z.clone()
    if z.shape[dim] == 0:
        return z.sum(dim, keepdim) + 1
    while z.shape[dim] > 1:
        half = z.shape[dim] // 2
        rest = z.narrow(dim, 2 * half, z.shape[dim] % 2)
        z = torch.cat([z.narrow(dim, 0, half) * z.narrow(dim, half, half), rest], dim)
    return z if keepdim else z.squeeze(dim)


def _prod(z: Tensor, *, dtype: torch.dtype | None = None) -> Any:
    return _prod_of(z.reshape(-1), 0, dtype=dtype)


TABLE: dict[str, Callable[..., Any]] = {
    "aten::acos": _of_complex(_acos),
    "aten::acosh": _of_complex(_acosh),
    "aten::asin": _of_complex(_asin),
    "aten::asinh": _of_complex(_asinh),
    "aten::atan": _of_complex(_atan),
    "aten::atanh": _of_complex(_atanh),
    "aten::cumprod": _cumprod,
    "aten::expm1": _of_complex(_expm1),
    "aten::log1p": _of_complex(_log1p),
    "aten::prod": _prod,
    "aten::prod.dim_int": _prod_of,
}
