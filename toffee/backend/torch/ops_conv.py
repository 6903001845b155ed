"""Convolutions and pooling."""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 -- its usual name

from .registry import Attributes, operator

_Tensor = torch.Tensor
_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVG_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}

_GLOBAL_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


# ---- windows -----------------------------------------------------------------------------------


def _windows(a: Attributes, rank: int) -> tuple[list[int], list[int]]:
    return a.get("strides", [1] * rank), a.get("dilations", [1] * rank)


def _pads(
    a: Attributes,
    dims: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[list[int], list[int]]:
    """Padding before and after each spatial axis, by pads or auto_pad."""
    rank = len(dims)
    mode = a.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        pads = a.get("pads", [0] * 2 * rank)
        return list(pads[:rank]), list(pads[rank:])
    before, after = [0] * rank, [0] * rank
    if mode == "VALID":
        return before, after
    for i, n in enumerate(dims):
        reach = (kernel[i] - 1) * dilations[i] + 1
        total = max(0, (-(-n // strides[i]) - 1) * strides[i] + reach - n)
        less = total // 2
        before[i] = total - less if mode == "SAME_LOWER" else less
        after[i] = total - before[i]
    return before, after


def _flat(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Pads in the order of torch's pad: last axis first."""
    return [n for pair in reversed(list(zip(before, after, strict=True))) for n in pair]


# ---- convolutions ------------------------------------------------------------------------------


@operator("Conv")
def conv(a: Attributes, x: _Tensor, w: _Tensor, b: _Tensor | None = None) -> _Tensor:
    rank = x.dim() - 2
    strides, dilations = _windows(a, rank)
    before, after = _pads(a, x.shape[2:], w.shape[2:], strides, dilations)
    if before != after:
        x, before = F.pad(x, _flat(before, after)), [0] * rank
    return _CONV[rank](x, w, b, strides, before, dilations, a.get("group", 1))


@operator("ConvInteger")
def conv_integer(
    a: Attributes,
    x: _Tensor,
    w: _Tensor,
    x_zero: _Tensor | None = None,
    w_zero: _Tensor | None = None,
) -> _Tensor:
    # float64 holds every sum of products of 8-bit numbers exactly
    wide, kernel = x.to(torch.float64), w.to(torch.float64)
    if x_zero is not None:
        wide = wide - x_zero.to(torch.float64)
    if w_zero is not None:
        zero = w_zero.to(torch.float64)
        kernel = kernel - (zero.reshape([-1] + [1] * (w.dim() - 1)) if zero.dim() else zero)
    return conv(a, wide, kernel).to(torch.int32)


@operator("ConvTranspose")
def conv_transpose(a: Attributes, x: _Tensor, w: _Tensor, b: _Tensor | None = None) -> _Tensor:
    rank = x.dim() - 2
    strides, dilations = _windows(a, rank)
    extra = a.get("output_padding", [0] * rank)
    reach = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilations, strict=True)]
    full = [
        s * (n - 1) + e + r for s, n, e, r in zip(strides, x.shape[2:], extra, reach, strict=True)
    ]
    mode = a.get("auto_pad", "NOTSET")
    wanted = a.get("output_shape")
    if wanted is not None or mode.startswith("SAME"):
        if wanted is None:
            wanted = [n * s for n, s in zip(x.shape[2:], strides, strict=True)]
        total = [f - n for f, n in zip(full, wanted[-rank:], strict=True)]
        if mode == "SAME_UPPER":
            before = [n // 2 for n in total]
        else:
            before = [n - n // 2 for n in total]
        after = [n - m for n, m in zip(total, before, strict=True)]
    else:
        pads = a.get("pads", [0] * 2 * rank)
        before, after = list(pads[:rank]), list(pads[rank:])
    function, group = _CONV_TRANSPOSE[rank], a.get("group", 1)
    simple = all(e < max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True))
    if before == after and min(before) >= 0 and simple:
        return function(x, w, b, strides, before, extra, group, dilations)
    result = function(x, w, None, strides, 0, 0, group, dilations)
    # padding takes away at both ends; output_padding is room at the far one
    cut = [m - e for m, e in zip(after, extra, strict=True)]
    result = F.pad(result, _flat([-n for n in before], [-n for n in cut]))
    return result if b is None else result + b.reshape([-1] + [1] * rank)


# ---- max pooling -------------------------------------------------------------------------------


def _ceil_extra(
    dims: Sequence[int],
    reach: Sequence[int],
    strides: Sequence[int],
    before: Sequence[int],
    after: Sequence[int],
) -> list[int]:
    """How much room ceil_mode needs at the far end, beside the padding. A window that would start
    in it does not exist."""
    extra = []
    for n, r, s, lo, hi in zip(dims, reach, strides, before, after, strict=True):
        count = -(-(n + lo + hi - r) // s) + 1
        if (count - 1) * s >= n + lo:
            count -= 1
        extra.append(max(0, (count - 1) * s + r - n - lo - hi))
    return extra


@operator("MaxPool", many=True)
def max_pool(a: Attributes, x: _Tensor) -> tuple[_Tensor, _Tensor | None]:
    kernel = a["kernel_shape"]
    rank = len(kernel)
    strides, dilations = _windows(a, rank)
    dims = x.shape[2:]
    before, after = _pads(a, dims, kernel, strides, dilations)
    ceil = bool(a.get("ceil_mode", 0))
    function = _MAX_POOL[rank]
    wants_index = a.n_outputs > 1
    half = all(2 * n <= k for n, k in zip(before, kernel, strict=True))
    if before == after and half and not wants_index and x.is_floating_point():
        return function(x, kernel, strides, before, dilations, ceil), None
    if ceil:
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        extra = _ceil_extra(dims, reach, strides, before, after)
        after = [n + e for n, e in zip(after, extra, strict=True)]
    # float32 holds 8-bit integers exactly
    wide = x if x.is_floating_point() else x.to(torch.float32)
    padded = F.pad(wide, _flat(before, after), value=-math.inf)
    result, index = function(padded, kernel, strides, 0, dilations, return_indices=True)
    if not wants_index:
        return result.to(x.dtype), None
    places = []
    for axis in reversed(range(rank)):
        n = padded.shape[2 + axis]
        places.append(index % n - before[axis])
        index = index // n
    places.reverse()
    order = reversed(range(rank)) if a.get("storage_order", 0) else range(rank)
    flat = torch.zeros_like(index)
    for axis in order:
        flat = flat * dims[axis] + places[axis]
    plane = torch.arange(x.shape[0] * x.shape[1], device=x.device)
    plane = plane.reshape([x.shape[0], x.shape[1]] + [1] * rank)
    return result.to(x.dtype), flat + plane * math.prod(dims)


@operator("MaxUnpool")
def max_unpool(a: Attributes, x: _Tensor, index: _Tensor, shape: _Tensor | None = None) -> _Tensor:
    kernel = a["kernel_shape"]
    rank = len(kernel)
    strides, _ = _windows(a, rank)
    pads = a.get("pads", [0] * 2 * rank)
    natural = [
        (n - 1) * s - lo - hi + k
        for n, s, k, lo, hi in zip(
            x.shape[2:], strides, kernel, pads[:rank], pads[rank:], strict=True
        )
    ]
    dims = [*x.shape[:2], *natural]
    result = x.new_zeros(math.prod(dims)).scatter(0, index.reshape(-1), x.reshape(-1))
    result = result.reshape(dims)
    if shape is None:
        return result
    wanted = a.host(shape)
    return F.pad(
        result, _flat([0] * len(wanted), [w - n for w, n in zip(wanted, dims, strict=True)])
    )


# ---- sums over windows -------------------------------------------------------------------------


def _window_sum(x: _Tensor, a: Attributes, kernel: Sequence[int]) -> _Tensor:
    """The sum over each window of X, which is padded."""
    rank = len(kernel)
    strides, dilations = _windows(a, rank)
    result: _Tensor | None = None
    counts = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, d, s in zip(x.shape[2:], kernel, dilations, strides, strict=True)
    ]
    for place in itertools.product(*map(range, kernel)):
        part = x
        for axis, (i, d, s, n) in enumerate(zip(place, dilations, strides, counts, strict=True)):
            stop = i * d + (n - 1) * s + 1
            part = part[(slice(None),) * (2 + axis) + (slice(i * d, stop, s),)]
        result = part if result is None else result + part
    assert result is not None
    return result


@operator("AveragePool")
def average_pool(a: Attributes, x: _Tensor) -> _Tensor:
    kernel = a["kernel_shape"]
    rank = len(kernel)
    strides, dilations = _windows(a, rank)
    dims = x.shape[2:]
    before, after = _pads(a, dims, kernel, strides, dilations)
    ceil, with_pad = bool(a.get("ceil_mode", 0)), bool(a.get("count_include_pad", 0))
    half = all(2 * n <= k for n, k in zip(before, kernel, strict=True))
    if x.dtype == torch.float16 and rank == 3:  # no kernel on the CPU; one rounding, as there
        return average_pool(a, x.float()).half()
    if before == after and half and max(dilations) == 1:
        return _AVG_POOL[rank](x, kernel, strides, before, ceil, with_pad)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    extra = [0] * rank
    if ceil:
        extra = _ceil_extra(dims, reach, strides, before, after)
    ones = x.new_ones([1, 1, *dims])
    room = _flat([0] * rank, extra)
    flat = _flat(before, after)
    # the places that count: the elements, and the padding if it is included, never ceil's room
    counted = F.pad(F.pad(ones, flat, value=1.0 if with_pad else 0.0), room)
    total = _window_sum(F.pad(F.pad(x, flat), room), a, kernel)
    return total / _window_sum(counted, a, kernel)


@operator("LpPool")
def lp_pool(a: Attributes, x: _Tensor) -> _Tensor:
    kernel, p = a["kernel_shape"], a.get("p", 2)
    rank = len(kernel)
    strides, dilations = _windows(a, rank)
    before, after = _pads(a, x.shape[2:], kernel, strides, dilations)
    if a.get("ceil_mode", 0):
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        extra = _ceil_extra(x.shape[2:], reach, strides, before, after)
        after = [n + e for n, e in zip(after, extra, strict=True)]
    padded = F.pad(torch.abs(x) ** p, _flat(before, after))
    return _window_sum(padded, a, kernel) ** (1.0 / p)


def _spatial(x: _Tensor) -> list[int]:
    return list(range(2, x.dim()))


@operator("GlobalAveragePool")
def global_average_pool(a: Attributes, x: _Tensor) -> _Tensor:
    function = _GLOBAL_AVG.get(x.dim() - 2)
    return function(x, 1) if function is not None else torch.mean(x, _spatial(x), keepdim=True)


@operator("GlobalMaxPool")
def global_max_pool(a: Attributes, x: _Tensor) -> _Tensor:
    return torch.amax(x, _spatial(x), keepdim=True)


@operator("GlobalLpPool")
def global_lp_pool(a: Attributes, x: _Tensor) -> _Tensor:
    p = a.get("p", 2)
    return torch.sum(torch.abs(x) ** p, _spatial(x), keepdim=True) ** (1.0 / p)


# ---- images and columns ------------------------------------------------------------------------


@operator("Col2Im")
def col2im(a: Attributes, x: _Tensor, image: _Tensor, block: _Tensor) -> _Tensor:
    dims, kernel = a.host(image), block.tolist()
    rank = len(dims)
    strides, dilations = _windows(a, rank)
    pads = a.get("pads", [0] * 2 * rank)
    padded = [n + lo + hi for n, lo, hi in zip(dims, pads[:rank], pads[rank:], strict=True)]
    counts = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, d, s in zip(padded, kernel, dilations, strides, strict=True)
    ]
    channels = x.shape[1] // math.prod(kernel)
    columns = x.reshape(x.shape[0], channels, math.prod(kernel), *counts)
    result = x.new_zeros([x.shape[0], channels, *padded])
    for number, place in enumerate(itertools.product(*map(range, kernel))):
        spatial = tuple(
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, d, s, n in zip(place, dilations, strides, counts, strict=True)
        )
        where = (slice(None), slice(None), *spatial)
        result[where] = result[where] + columns[:, :, number]
    return F.pad(result, _flat([-n for n in pads[:rank]], [-n for n in pads[rank:]]))


@operator("DeformConv")
def deform_conv(
    a: Attributes,
    x: _Tensor,
    w: _Tensor,
    offset: _Tensor,
    b: _Tensor | None = None,
    mask: _Tensor | None = None,
) -> _Tensor:
    if x.dim() != 4:
        raise NotImplementedError("DeformConv of other than two spatial axes")
    strides, dilations = _windows(a, 2)
    (top, left), _ = _pads(a, x.shape[2:], w.shape[2:], strides, dilations)
    groups, offset_groups = a.get("group", 1), a.get("offset_group", 1)
    n, channels, height, width = x.shape
    kernel_h, kernel_w = w.shape[2:]
    taps = kernel_h * kernel_w
    out_h, out_w = offset.shape[2:]
    shift = offset.reshape(n, offset_groups, taps, 2, out_h, out_w)
    rows = torch.arange(out_h, device=x.device, dtype=x.dtype) * strides[0] - top
    columns = torch.arange(out_w, device=x.device, dtype=x.dtype) * strides[1] - left
    tap = torch.arange(taps, device=x.device)
    tap_y = (tap // kernel_w * dilations[0]).to(x.dtype).reshape(-1, 1, 1)
    tap_x = (tap % kernel_w * dilations[1]).to(x.dtype).reshape(-1, 1, 1)
    y = shift[:, :, :, 0] + tap_y + rows.reshape(-1, 1)
    z = shift[:, :, :, 1] + tap_x + columns
    grid = torch.stack([2 * z / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], -1).reshape(
        n * offset_groups, taps * out_h, out_w, 2
    )
    source = x.reshape(n * offset_groups, channels // offset_groups, height, width)
    sampled = F.grid_sample(source, grid, padding_mode="zeros", align_corners=True)
    sampled = sampled.reshape(n, offset_groups, -1, taps, out_h, out_w)
    if mask is not None:
        sampled = sampled * mask.reshape(n, offset_groups, 1, taps, out_h, out_w)
    patches = sampled.reshape(n, groups, channels // groups * taps, out_h * out_w)
    kernels = w.reshape(groups, w.shape[0] // groups, -1)
    result = torch.matmul(kernels, patches).reshape(n, w.shape[0], out_h, out_w)
    return result if b is None else result + b.reshape(-1, 1, 1)
