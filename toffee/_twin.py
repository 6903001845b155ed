"""Calls of a trace of which only the geometry is wanted; see Note [Twins] in csrc/trace/twin.h."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

#: Zeros of fewer bytes are written; more are pages that the system clears when they are touched.
_LAZY_BYTES = 1 << 16

#: Functions of each element: of dense operands of one size and dtype comes one of the same. Their
#: meta kernels are in Python and cost as much as a quarter of a million elements.
_ELEMENTWISE = frozenset(
    f"aten::{name}{ending}"
    for name in "add div dropout gelu hardsigmoid hardswish hardtanh mul relu silu sub".split()
    for ending in ("", "_")
) | {"aten::sigmoid", "aten::tanh"}


def shape_only(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``func(*args, **kwargs)`` returns but for the contents, which are zeros.

    Returns
    -------
    New tensors with the sizes, strides, dtypes and devices that the operator gives its results; of
    an operator that works in place the first argument, as it is; or NotImplemented where its meta
    kernel does not say what comes out.
    """
    if func._schema.name in _ELEMENTWISE and _are_alike(args, kwargs):
        return args[0] if func._schema.is_mutable else _zeros_like(args[0], args[0].device)
    if func._schema.name == "aten::batch_norm" and _is_applied(args):
        return _zeros_like(args[0], args[0].device)
    devices: set[torch.device] = set()
    try:
        positional = [_meta(arg, devices) for arg in args]
        keywords = {key: _meta(value, devices) for key, value in kwargs.items()}
        made = func(*positional, **keywords)
    except Exception:
        return NotImplemented
    if positional and made is positional[0]:
        target = args[0]
        is_same = (made.size(), made.stride()) == (target.size(), target.stride())
        return target if is_same else NotImplemented
    return _real(made, devices.pop()) if len(devices) == 1 else NotImplemented


def _are_alike(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether all tensors are dense, of one size and of one float dtype, and numbers real."""
    first = args[0]
    if not isinstance(first, torch.Tensor) or not first.is_floating_point():
        return False
    for other in (*args, *kwargs.values()):
        if isinstance(other, torch.Tensor):
            if (other.size(), other.dtype, other.device) != (
                first.size(),
                first.dtype,
                first.device,
            ) or not other.is_contiguous():
                return False
        elif isinstance(other, complex):
            return False
    return True


def _is_applied(args: tuple[Any, ...]) -> bool:
    """Whether a batch normalization only applies what it has learned, to a dense tensor."""
    x, *state = args[:5]
    return (
        len(args) > 5
        and not args[5]
        and x.ndim > 1
        and x.is_contiguous()
        and all(
            isinstance(y, torch.Tensor) and (y.shape, y.dtype) == (x.shape[1:2], x.dtype)
            for y in state
        )
    )


def _meta(argument: Any, devices: set[torch.device]) -> Any:
    if isinstance(argument, torch.Tensor):
        devices.add(argument.device)
        return torch.empty_strided(
            argument.size(), argument.stride(), dtype=argument.dtype, device="meta"
        )
    if isinstance(argument, (list, tuple)):
        return type(argument)(_meta(item, devices) for item in argument)
    return torch.device("meta") if isinstance(argument, torch.device) else argument


def _real(made: Any, device: torch.device) -> Any:
    if isinstance(made, torch.Tensor):
        return _zeros(made, device)
    if isinstance(made, (list, tuple)):
        items = [_real(item, device) for item in made]
        return (
            NotImplemented if any(item is NotImplemented for item in items) else type(made)(items)
        )
    return NotImplemented


def _zeros(like: torch.Tensor, device: torch.device) -> Any:
    return _zeros_like(like, device) if like.is_meta else NotImplemented


def _zeros_like(like: torch.Tensor, device: torch.device) -> torch.Tensor:
    size, stride, dtype = like.size(), like.stride(), like.dtype
    n_bytes = like.untyped_storage().nbytes() if like.is_meta else like.numel() * like.itemsize
    if device.type != "cpu" or n_bytes < _LAZY_BYTES:
        return torch.empty_strided(size, stride, dtype=dtype, device=device).zero_()
    flat = torch.from_numpy(np.zeros(n_bytes, dtype=np.uint8)).view(dtype)
    return flat.as_strided(size, stride)
