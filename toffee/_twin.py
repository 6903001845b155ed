"""Calls of a trace of which only the geometry is wanted; see Note [Twins] in csrc/trace/twin.h."""

from __future__ import annotations

import math
import mmap
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, cast

import torch

#: Zeros of fewer bytes are written; more are pages of their own, which the system clears when they
#: are touched. (calloc does not: it hands out what was freed before, and clears all of it.)
_LAZY_BYTES = 1 << 16

#: Functions of each element: of dense operands of one size and dtype comes one of the same. Their
#: meta kernels are in Python and cost as much as a quarter of a million elements.
_ELEMENTWISE = frozenset(
    f"aten::{name}{ending}"
    for name in "add div dropout gelu hardsigmoid hardswish hardtanh mul relu silu sub".split()
    for ending in ("", "_")
) | {"aten::sigmoid", "aten::tanh"}


class _Geometry(NamedTuple):
    """A tensor but for its contents and its device."""

    size: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    n_bytes: int


#: In place of a result: the first argument, as it is.
_FIRST = object()


class ShapeOnly:
    """Answers calls with what they return but for the contents, which are zeros.

    Layers repeat, and so do runs: what came out is remembered by all that it can depend on, the
    operator, the geometry of the tensors and the other arguments.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def __call__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What ``func(*args, **kwargs)`` returns but for the contents.

        Returns
        -------
        New tensors with the sizes, strides, dtypes and devices that the operator gives its results;
        of an operator that works in place the first argument, as it is; or NotImplemented where its
        meta kernel does not say what comes out.
        """
        devices: set[torch.device] = set()
        try:
            key = (
                func,
                torch.is_grad_enabled(),
                torch.get_default_dtype(),
                _key(args, devices),
                *((name, _key(value, devices)) for name, value in kwargs.items()),
            )
            made = self._known.get(key, self)
        except TypeError:  # no key: a generator, a script object
            return NotImplemented
        if len(devices) != 1:
            return NotImplemented
        if made is self:
            made = self._known[key] = _made(func, args, kwargs)
        if made is _FIRST:
            return args[0]
        return _real(made, devices.pop()) if made is not NotImplemented else NotImplemented


def _key(argument: Any, devices: set[torch.device]) -> Hashable:
    """What ARGUMENT means for the geometry of a result. The devices of tensors are put in DEVICES.

    Raises
    ------
    TypeError
        It cannot be said.
    """
    if isinstance(argument, torch.Tensor):
        devices.add(argument.device)
        return (argument.size(), argument.stride(), argument.dtype)
    if isinstance(argument, (list, tuple)):
        return (type(argument), *[_key(item, devices) for item in argument])
    hash(argument)
    return (type(argument), argument)  # 1, 1.0 and True are three


def _made(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What comes out: a _Geometry, or a list or tuple of them, _FIRST or NotImplemented."""
    if func._schema.name in _ELEMENTWISE and _are_alike(args, kwargs):
        return _FIRST if func._schema.is_mutable else _geometry(args[0])
    if func._schema.name == "aten::batch_norm" and _is_applied(args):
        return _geometry(args[0])
    if func._schema.name == "aten::cat" and _are_joined(*args, **kwargs):
        return _joined(*args, **kwargs)
    try:
        positional = [_meta(arg) for arg in args]
        made = func(*positional, **{key: _meta(value) for key, value in kwargs.items()})
    except Exception:
        return NotImplemented
    if positional and made is positional[0]:
        is_same = (made.size(), made.stride()) == (args[0].size(), args[0].stride())
        return _FIRST if is_same else NotImplemented
    return _geometries(made)


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


def _are_joined(tensors: Any, dim: int = 0) -> bool:
    """Whether dense TENSORS of one dtype are concatenated, which alike but for DIM."""
    first = tensors[0]
    dim %= first.ndim or 1
    rest = (*first.shape[:dim], *first.shape[dim + 1 :])
    return first.ndim > 1 and all(
        tensor.is_contiguous()
        and tensor.dtype == first.dtype
        and tensor.ndim == first.ndim
        and (*tensor.shape[:dim], *tensor.shape[dim + 1 :]) == rest
        for tensor in tensors
    )


def _joined(tensors: Any, dim: int = 0) -> _Geometry:
    first = tensors[0]
    size = list(first.shape)
    size[dim] = sum(tensor.shape[dim] for tensor in tensors)
    strides = [1]
    for n in reversed(size[1:]):
        strides.append(strides[-1] * max(n, 1))
    n_bytes = math.prod(size) * first.itemsize
    return _Geometry(torch.Size(size), tuple(reversed(strides)), first.dtype, n_bytes)


def _meta(argument: Any) -> Any:
    if isinstance(argument, torch.Tensor):
        return torch.empty_strided(
            argument.size(), argument.stride(), dtype=argument.dtype, device="meta"
        )
    if isinstance(argument, (list, tuple)):
        return type(argument)(_meta(item) for item in argument)
    return torch.device("meta") if isinstance(argument, torch.device) else argument


def _geometries(made: Any) -> Any:
    if isinstance(made, torch.Tensor):
        return _geometry(made) if made.is_meta else NotImplemented
    if isinstance(made, (list, tuple)):
        items = [_geometries(item) for item in made]
        return (
            NotImplemented if any(item is NotImplemented for item in items) else type(made)(items)
        )
    return NotImplemented


def _geometry(tensor: torch.Tensor) -> _Geometry:
    """Of TENSOR, with the bytes that one of its own would have."""
    n_bytes = (
        tensor.untyped_storage().nbytes() if tensor.is_meta else tensor.numel() * tensor.itemsize
    )
    return _Geometry(tensor.size(), tensor.stride(), tensor.dtype, n_bytes)


def zeros(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """New zeros, which are pages of their own where they are many."""
    size = torch.Size(shape)
    strides = torch.empty(size, device="meta").stride()
    made = _Geometry(size, strides, dtype, size.numel() * dtype.itemsize)
    return cast(torch.Tensor, _real(made, device))


def _real(made: Any, device: torch.device) -> Any:
    if not isinstance(made, _Geometry):
        return type(made)(_real(item, device) for item in made)
    if device.type != "cpu" or made.n_bytes < _LAZY_BYTES:
        return torch.empty_strided(made.size, made.stride, dtype=made.dtype, device=device).zero_()
    pages = mmap.mmap(-1, made.n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.frombuffer(pages, dtype=made.dtype).as_strided(made.size, made.stride)
