"""Reductions, products of matrices, sorting and what runs along an axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from . import values
from .registry import OPERATORS, Attributes, Operator, operator

_Tensor = torch.Tensor


# ---- reductions --------------------------------------------------------------------------------


def axes_of(a: Attributes, x: _Tensor, axes: _Tensor | None) -> list[int] | None:
    """The axes to reduce, from the input or (before it was one) the attribute. None: nothing at
    all is reduced."""
    chosen = a.host(axes) if axes is not None else a.get("axes")
    if chosen:
        return [axis % x.dim() if x.dim() else 0 for axis in chosen]
    return None if a.get("noop_with_empty_axes", 0) else list(range(x.dim()))


def _extreme(x: _Tensor, axes: list[int], keep: bool, largest: bool) -> _Tensor:
    if any(x.shape[axis] == 0 for axis in axes):
        if x.is_floating_point():
            fill: Any = -math.inf if largest else math.inf
        elif x.dtype == torch.bool:
            fill = not largest
        else:
            fill = torch.iinfo(x.dtype).min if largest else torch.iinfo(x.dtype).max
        shape = [
            1 if axis in axes else n for axis, n in enumerate(x.shape) if keep or axis not in axes
        ]
        return x.new_full(shape, fill)
    if x.dim() == 0:
        return x
    return (torch.amax if largest else torch.amin)(x, axes, keepdim=keep)


def _product(x: _Tensor, axes: list[int], keep: bool) -> _Tensor:
    for axis in sorted(axes, reverse=True):
        x = torch.prod(x, axis, keepdim=keep, dtype=x.dtype)
    return x


def _sum(x: _Tensor, axes: list[int], keep: bool) -> _Tensor:
    return torch.sum(x, axes, keepdim=keep, dtype=x.dtype) if axes else x


def _mean(x: _Tensor, axes: list[int], keep: bool) -> _Tensor:
    if x.is_floating_point():
        return torch.mean(x, axes, keepdim=keep) if axes else x
    count = math.prod(x.shape[axis] for axis in axes)
    return torch.div(_sum(x, axes, keep), count, rounding_mode="trunc").to(x.dtype)


def _float_of(function: Callable[[_Tensor], _Tensor], x: _Tensor) -> _Tensor:
    return function(x if x.is_floating_point() else x.to(torch.float64)).to(x.dtype)


def _length(x: _Tensor, axes: list[int], keep: bool) -> _Tensor:
    if x.dtype in (torch.float16, torch.bfloat16):  # the squares need not fit into 16 bits
        return _length(x.float(), axes, keep).to(x.dtype)
    return _float_of(torch.sqrt, _sum(x * x, axes, keep))


def _log_sum_exp(x: _Tensor, axes: list[int], keep: bool) -> _Tensor:
    if not x.is_floating_point():
        return torch.logsumexp(x.to(torch.float64), axes, keepdim=keep).to(x.dtype)
    return torch.logsumexp(x, axes, keepdim=keep) if axes else x


_REDUCTIONS: dict[str, Callable[[_Tensor, list[int], bool], _Tensor]] = {
    "ReduceL1": lambda x, axes, keep: _sum(torch.abs(x), axes, keep),
    "ReduceL2": _length,
    "ReduceLogSum": lambda x, axes, keep: _float_of(torch.log, _sum(x, axes, keep)),
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": lambda x, axes, keep: _extreme(x, axes, keep, True),
    "ReduceMean": _mean,
    "ReduceMin": lambda x, axes, keep: _extreme(x, axes, keep, False),
    "ReduceProd": _product,
    "ReduceSum": _sum,
    "ReduceSumSquare": lambda x, axes, keep: _sum(x * x, axes, keep),
}
#: With nothing to reduce, some still apply what they do to each element.
_NOOP: dict[str, Callable[[_Tensor], _Tensor]] = {
    "ReduceL1": torch.abs,
    "ReduceL2": torch.abs,
    "ReduceLogSum": torch.log,
    "ReduceSumSquare": torch.square,
}


def _reduction(name: str) -> Callable[..., _Tensor]:
    function, noop = _REDUCTIONS[name], _NOOP.get(name)

    def run(a: Attributes, x: _Tensor, axes: _Tensor | None = None) -> _Tensor:
        chosen = axes_of(a, x, axes)
        if chosen is None:
            return x if noop is None or a.version < 18 else noop(x)
        dtype = x.dtype
        return function(values.lift(x), chosen, bool(a.get("keepdims", 1))).to(dtype)

    return run


for _name in _REDUCTIONS:
    OPERATORS["", _name] = Operator(_reduction(_name))


def _arg_extreme(a: Attributes, x: _Tensor, largest: bool) -> _Tensor:
    axis = a.get("axis", 0) % x.dim()
    flip = bool(a.get("select_last_index", 0))
    source = torch.flip(x, [axis]) if flip else x
    # the first of equal elements, which torch.argmax does not promise
    best = (torch.amax if largest else torch.amin)(source, axis, keepdim=True)
    hits = source == best
    if source.is_floating_point():
        hits = hits | torch.isnan(source)
    index = torch.argmax(hits.to(torch.uint8), axis, keepdim=bool(a.get("keepdims", 1)))
    return x.shape[axis] - 1 - index if flip else index


@operator("ArgMax")
def arg_max(a: Attributes, x: _Tensor) -> _Tensor:
    return _arg_extreme(a, x, True)


@operator("ArgMin")
def arg_min(a: Attributes, x: _Tensor) -> _Tensor:
    return _arg_extreme(a, x, False)


def _running(function: Callable[..., _Tensor], start: int) -> Callable[..., _Tensor]:
    def run(a: Attributes, x: _Tensor, axis: _Tensor) -> _Tensor:
        (dim,) = a.host(axis)
        dim %= x.dim()
        source = torch.flip(x, [dim]) if a.get("reverse", 0) else x
        result = function(source, dim, dtype=x.dtype)
        if a.get("exclusive", 0):
            first = torch.full_like(result.narrow(dim, 0, min(1, x.shape[dim])), start)
            kept = result.narrow(dim, 0, max(0, x.shape[dim] - 1))
            result = torch.cat([first, kept], dim)
        return torch.flip(result, [dim]) if a.get("reverse", 0) else result

    return run


OPERATORS["", "CumSum"] = Operator(_running(torch.cumsum, 0))
OPERATORS["", "CumProd"] = Operator(_running(torch.cumprod, 1))


# ---- along an axis -----------------------------------------------------------------------------


def _rows(a: Attributes, x: _Tensor) -> tuple[_Tensor, int]:
    """Before opset 13, what these work on is a matrix: all axes from ``axis`` on are one."""
    if a.version >= 13:
        return x, a.get("axis", -1)
    axis = a.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), -1), 1


@operator("Softmax")
def softmax(a: Attributes, x: _Tensor) -> _Tensor:
    rows, axis = _rows(a, x)
    return torch.softmax(rows, axis).reshape(x.shape)


@operator("LogSoftmax")
def log_softmax(a: Attributes, x: _Tensor) -> _Tensor:
    rows, axis = _rows(a, x)
    return torch.log_softmax(rows, axis).reshape(x.shape)


@operator("Hardmax")
def hardmax(a: Attributes, x: _Tensor) -> _Tensor:
    rows, axis = _rows(a, x)
    first = _arg_extreme(Attributes({"axis": axis}, a.version), rows, True)
    return torch.zeros_like(rows).scatter(axis, first, 1).reshape(x.shape)


@operator("LpNormalization")
def lp_normalization(a: Attributes, x: _Tensor) -> _Tensor:
    axis, p = a.get("axis", -1), a.get("p", 2)
    norm = (
        torch.sum(torch.abs(x), axis, True) if p == 1 else torch.sqrt(torch.sum(x * x, axis, True))
    )
    return torch.where(norm == 0, torch.zeros_like(x), x / norm)


@operator("TopK", many=True)
def top_k(a: Attributes, x: _Tensor, k: _Tensor | None = None) -> tuple[_Tensor, _Tensor]:
    count = a["k"] if k is None else int(a.host(k)[0])
    axis = a.get("axis", -1)
    largest = bool(a.get("largest", 1))
    # a stable sort: of equal elements, the one with the lower index comes first
    key = values.lift(x)
    if x.dtype == torch.uint64:
        key = key ^ torch.iinfo(torch.int64).min
    if largest and not key.is_floating_point():
        order = torch.sort(torch.bitwise_not(key), dim=axis, stable=True).indices
    else:
        order = torch.sort(key, dim=axis, descending=largest, stable=True).indices
    order = order.narrow(axis, 0, count)
    return torch.gather(values.lift(x), axis, order).to(x.dtype), order


# ---- products ----------------------------------------------------------------------------------


@operator("MatMul")
def matmul(a: Attributes, x: _Tensor, y: _Tensor) -> _Tensor:
    if values.is_unsigned(x):
        return torch.matmul(values.lift(x), values.lift(y)).to(x.dtype)
    return torch.matmul(x, y)


@operator("Gemm")
def gemm(a: Attributes, x: _Tensor, y: _Tensor, c: _Tensor | None = None) -> _Tensor:
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)
    x = x.t() if a.get("transA", 0) else x
    exact = not x.is_floating_point()
    if c is not None and a.get("transB", 0) and alpha == beta == 1.0 and c.dim() == 1:
        if c.shape[0] == y.shape[0] and not exact:
            return torch.nn.functional.linear(x, y, c)
    y = y.t() if a.get("transB", 0) else y
    if exact:
        alpha, beta = int(alpha), int(beta)
        product = alpha * torch.matmul(values.lift(x), values.lift(y))
        return (product if c is None else product + beta * values.lift(c)).to(x.dtype)
    if c is None:
        product = torch.mm(x, y)
        return product if alpha == 1.0 else alpha * product
    return torch.addmm(c, x, y, beta=beta, alpha=alpha)


@operator("Einsum")
def einsum(a: Attributes, *operands: _Tensor) -> _Tensor:
    return torch.einsum(a["equation"].replace(" ", ""), *operands)


# ---- sets --------------------------------------------------------------------------------------


@operator("Unique", many=True)
def unique(a: Attributes, x: _Tensor) -> tuple[_Tensor, ...]:
    axis = a.get("axis")
    array = values.to_numpy(x)
    found, first, inverse, counts = np.unique(
        array, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.reshape(-1)
    if not a.get("sorted", 1):
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        found = np.take(found, order, axis=axis or 0)
        first, inverse, counts = first[order], rank[inverse], counts[order]
    device = x.device if isinstance(x, torch.Tensor) else torch.device("cpu")
    return tuple(
        values.to_device(values.from_numpy(item), device)
        for item in (found, first.astype(np.int64), inverse.astype(np.int64), counts)
    )
