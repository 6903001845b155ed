"""Random numbers. With a seed a run gives the same numbers every time, as ONNX asks; these are
PyTorch's numbers, and no two libraries draw the same ones."""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Any

import torch

from . import values
from .registry import Attributes, operator

_Tensor = torch.Tensor


def generator_of(a: Attributes, device: torch.device) -> torch.Generator | None:
    """A generator of its own for a node with a seed; None is PyTorch's."""
    seed = a.get("seed")
    if seed is None:
        return None
    generator = torch.Generator(device)
    generator.manual_seed(hash(float(seed)) & 0x7FFFFFFF)
    return generator


def _dtype(a: Attributes, default: torch.dtype) -> torch.dtype:
    return values.DTYPES[a["dtype"]] if a.get("dtype") else default


def _normal(a: Attributes, shape: Any, device: torch.device, dtype: torch.dtype) -> _Tensor:
    drawn = torch.randn(shape, generator=generator_of(a, device), device=device)
    return (drawn * a.get("scale", 1.0) + a.get("mean", 0.0)).to(dtype)


def _uniform(a: Attributes, shape: Any, device: torch.device, dtype: torch.dtype) -> _Tensor:
    drawn = torch.rand(shape, generator=generator_of(a, device), device=device)
    low, high = a.get("low", 0.0), a.get("high", 1.0)
    return (drawn * (high - low) + low).to(dtype)


@operator("RandomNormal", scoped=True)
def random_normal(a: Attributes, scope: Any) -> _Tensor:
    return _normal(a, a["shape"], scope.device, _dtype(a, torch.float32))


@operator("RandomUniform", scoped=True)
def random_uniform(a: Attributes, scope: Any) -> _Tensor:
    return _uniform(a, a["shape"], scope.device, _dtype(a, torch.float32))


@operator("RandomNormalLike")
def random_normal_like(a: Attributes, x: _Tensor) -> _Tensor:
    return _normal(a, x.shape, x.device, _dtype(a, x.dtype))


@operator("RandomUniformLike")
def random_uniform_like(a: Attributes, x: _Tensor) -> _Tensor:
    return _uniform(a, x.shape, x.device, _dtype(a, x.dtype))


@operator("Bernoulli")
def bernoulli(a: Attributes, x: _Tensor) -> _Tensor:
    drawn = torch.rand(x.shape, generator=generator_of(a, x.device), device=x.device)
    return (drawn < x).to(_dtype(a, x.dtype))


@operator("Multinomial")
def multinomial(a: Attributes, logits: _Tensor) -> _Tensor:
    odds = torch.softmax(logits.to(torch.float32), -1)
    drawn = torch.multinomial(
        odds, a.get("sample_size", 1), replacement=True, generator=generator_of(a, logits.device)
    )
    return drawn.to(_dtype(a, torch.int32))
