"""Calls of a trace of which only the geometry is wanted; see Note [Twins] in csrc/trace/twin.h."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

#: Zeros of fewer bytes are written; more are pages that the system clears when they are touched.
_LAZY_BYTES = 1 << 16


def shape_only(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What ``func(*args, **kwargs)`` returns but for the contents, which are zeros.

    Returns
    -------
    New tensors with the sizes, strides, dtypes and devices that the operator gives its results; of
    an operator that works in place the first argument, as it is; or NotImplemented where its meta
    kernel does not say what comes out.
    """
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
    if not like.is_meta:
        return NotImplemented
    size, stride, dtype = like.size(), like.stride(), like.dtype
    n_bytes = like.untyped_storage().nbytes()
    if device.type != "cpu" or n_bytes < _LAZY_BYTES:
        return torch.empty_strided(size, stride, dtype=dtype, device=device).zero_()
    flat = torch.from_numpy(np.zeros(n_bytes, dtype=np.uint8)).view(dtype)
    return flat.as_strided(size, stride)
