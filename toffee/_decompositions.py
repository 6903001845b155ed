"""Operators of PyTorch in other operators, where PyTorch has no decomposition, or one that ends in
what ONNX does not have.

Each function takes what the operator takes, and is run under the trace in its place. Results agree
with eager PyTorch on every input, in element order and NaN too, or the function returns
NotImplemented, and the operator is refused.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from . import _complex_functions, _linear_algebra, _quantized, _special

#: Shapes that would make a comparison of all with all too large to be what anybody wants.
_MAX_PAIRS = 1 << 26


# ---- special functions ---------------------------------------------------------------------------


def _in_double(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """FUNCTION of real tensors and numbers, computed in float64, with the dtype that PyTorch gives
    the result: the promoted one, floats for whole numbers."""

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        dtype = args[0].dtype if len(args) == 1 else torch.result_type(*args)
        if dtype.is_complex:
            return NotImplemented
        dtype = dtype if dtype.is_floating_point else torch.get_default_dtype()
        wide = [
            x.to(torch.float64) if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.float64)
            for x in args
        ]
        return function(*wide).to(dtype)

    return run


def _polygamma(n: int, x: Tensor) -> Any:
    return _in_double(lambda y: _special.polygamma(n, y))(x)


# ---- running values ------------------------------------------------------------------------------


def _scan(
    parts: tuple[Tensor, ...],
    dim: int,
    combine: Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], tuple[Tensor, ...]],
) -> tuple[Tensor, ...]:
    """The running combination along DIM in steps of 1, 2, 4, …: COMBINE must be associative."""
    size, step = parts[0].shape[dim], 1
    while step < size:
        earlier = tuple(x.narrow(dim, 0, size - step) for x in parts)
        later = tuple(x.narrow(dim, step, size - step) for x in parts)
        made = combine(earlier, later)
        parts = tuple(
            torch.cat([x.narrow(dim, 0, step), y], dim) for x, y in zip(parts, made, strict=True)
        )
        step *= 2
    return parts


def _cum_extreme(greater: bool, x: Tensor, dim: int) -> Any:
    """Of equal values the last one counts, and a NaN stays."""
    if x.dtype.is_complex:
        return NotImplemented
    index = _positions(x, dim)
    if x.ndim == 0 or x.numel() == 0:
        return x.clone(), index
    values = x.to(torch.uint8) if x.dtype == torch.bool else x

    def combine(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        better = b[0] >= a[0] if greater else b[0] <= a[0]
        if x.is_floating_point():
            better = better | b[0].isnan()
        return torch.where(better, b[0], a[0]), torch.where(better, b[1], a[1])

    values, index = _scan((values, index), dim, combine)
    return values.to(x.dtype), index


def _positions(x: Tensor, dim: int) -> Tensor:
    """Where each element of X lies along DIM; int64."""
    if x.ndim == 0:
        return torch.zeros((), dtype=torch.int64)
    shape = [1] * x.ndim
    shape[dim] = x.shape[dim]
    return torch.arange(x.shape[dim]).reshape(shape).expand(x.shape)


def _logcumsumexp(x: Tensor, dim: int) -> Any:
    if x.dtype.is_complex:
        return NotImplemented
    if x.ndim == 0 or x.numel() == 0:
        return x.clone()
    wide = x if x.dtype == torch.float64 else x.to(torch.float32)

    def combine(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (torch.logaddexp(a[0], b[0]),)

    return _scan((wide,), dim, combine)[0].to(x.dtype)


# ---- order ---------------------------------------------------------------------------------------


def _kthvalue(x: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    if x.ndim == 0:
        return x.clone(), torch.zeros((), dtype=torch.int64)
    values, index = torch.sort(x, dim=dim, stable=True)
    pair = values.narrow(dim, k - 1, 1), index.narrow(dim, k - 1, 1)
    return pair if keepdim else tuple(y.squeeze(dim) for y in pair)


def _median(ignore_nan: bool, x: Tensor, dim: int, keepdim: bool = False) -> Any:
    """The lower one of the two in the middle; sorting puts NaNs last."""
    if x.ndim == 0:
        return x.clone(), torch.zeros((), dtype=torch.int64)
    if x.shape[dim] == 0:
        return NotImplemented
    values, index = torch.sort(x, dim=dim, stable=True)
    size = x.shape[dim]
    if not x.is_floating_point():
        at = torch.full((), (size - 1) // 2).expand(x.narrow(dim, 0, 1).shape)
    else:
        n_nan = x.isnan().sum(dim, keepdim=True)
        if ignore_nan:
            at = (size - n_nan - 1).clamp(min=0) // 2
        else:  # the first NaN, if there is one
            at = torch.where(n_nan > 0, size - n_nan, (size - 1) // 2)
    pair = values.gather(dim, at), index.gather(dim, at)
    return pair if keepdim else tuple(y.squeeze(dim) for y in pair)


def _median_of_all(ignore_nan: bool, x: Tensor) -> Any:
    if x.numel() == 0:
        return NotImplemented
    return _median(ignore_nan, x.reshape(-1), 0)[0]


def _mode(x: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The value that is there most often, the smallest of several; with the last place of it."""
    if x.ndim == 0:
        return x.clone(), torch.zeros((), dtype=torch.int64)
    if x.shape[dim] * x.numel() > _MAX_PAIRS or x.numel() == 0 or x.dtype.is_complex:
        return NotImplemented
    y = x.movedim(dim, -1)
    values = torch.sort(y, dim=-1, stable=True)[0]
    count = (values.unsqueeze(-1) == values.unsqueeze(-2)).sum(-1)
    first = count.argmax(-1, keepdim=True)
    value = values.gather(-1, first)
    last = torch.where(y == value, _positions(y, -1), -1).amax(-1, keepdim=True)
    pair = value.movedim(-1, dim), last.movedim(-1, dim)
    return pair if keepdim else tuple(z.squeeze(dim) for z in pair)


def _searchsorted(
    boundaries: Tensor,
    values: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Any:
    """How many of the boundaries lie before each value; a NaN lies behind all."""
    if sorter is not None:
        boundaries = boundaries.gather(-1, sorter)
    given = values
    if not isinstance(values, Tensor):
        values = torch.as_tensor(values)
    if boundaries.shape[-1] * max(values.numel(), 1) > _MAX_PAIRS:
        return NotImplemented
    if boundaries.ndim == 1:
        edges, sought = boundaries, values.unsqueeze(-1)
    else:
        edges, sought = boundaries.unsqueeze(-2), values.unsqueeze(-1)
    right = right or side == "right"
    before = ~(edges > sought) if right else ~(edges >= sought)
    count = before.sum(-1)
    if not isinstance(given, Tensor) and boundaries.ndim != 1:
        return NotImplemented
    return count.to(torch.int32) if out_int32 else count


def _bucketize(values: Any, boundaries: Tensor, **options: Any) -> Any:
    return _searchsorted(boundaries, values, **options)


# ---- counting ------------------------------------------------------------------------------------


def _histc(x: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """By the same rounding as PyTorch's: the bin is (x - low) * bins / (high - low), cut off."""
    if not x.is_floating_point() or bins * x.numel() > _MAX_PAIRS or x.numel() == 0:
        return NotImplemented
    x = x.reshape(-1)
    wide = x if x.dtype == torch.float64 else x.to(torch.float32)
    low, high = torch.full_like(wide[0], min), torch.full_like(wide[0], max)
    if min == max:
        low, high = wide.amin(), wide.amax()
    same = low == high
    low, high = torch.where(same, low - 1, low), torch.where(same, high + 1, high)
    position = ((wide - low) * bins / (high - low)).floor()
    position = torch.where(wide == high, bins - 1.0, position)
    inside = (wide >= low) & (wide <= high)
    hit = (position.unsqueeze(0) == torch.arange(bins).unsqueeze(1)) & inside
    return hit.sum(1).to(x.dtype)


def _histogram(
    x: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """How many elements, or how much of WEIGHT, lie between neighbouring edges."""
    wide, n_bins = x.reshape(-1), bins.numel() - 1 if isinstance(bins, Tensor) else bins
    if n_bins * x.numel() > _MAX_PAIRS or x.numel() == 0 or n_bins < 1:
        return NotImplemented
    edges = bins if isinstance(bins, Tensor) else _edges(wide, n_bins, range)
    column = edges.unsqueeze(1)
    above = (wide < column[1:]) | ((wide == column[1:]) & _is_last(n_bins).unsqueeze(1))
    hit = (wide >= column[:-1]) & above
    mass = torch.ones_like(wide) if weight is None else weight.reshape(-1)
    made = torch.where(hit, mass, 0.0).sum(1)
    return (made / made.sum() / (edges[1:] - edges[:-1]) if density else made), edges


def _is_last(n: int) -> Tensor:
    return torch.arange(n) == n - 1


def _edges(x: Tensor, n_bins: int, given: Sequence[float] | None) -> Tensor:
    """Counted from the nearer end, so that both ends are exact, as torch.linspace counts."""
    if given is not None:
        low, high = (torch.tensor(end, dtype=x.dtype) for end in given)
    else:
        low, high = x.amin(), x.amax()
    same = low == high
    low, high = torch.where(same, low - 0.5, low), torch.where(same, high + 0.5, high)
    step = (high - low) / n_bins
    number = torch.arange(n_bins + 1).to(x.dtype)
    return torch.where(
        torch.arange(n_bins + 1) < (n_bins + 1) // 2,
        low + step * number,
        high - step * (n_bins - number),
    )


def _runs(differs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where runs of equal ones begin, the run that each is in, and how long they are; DIFFERS says
    of all but the first whether it is another than the one before."""
    first = torch.cat([torch.ones(1, dtype=torch.bool), differs])
    places = first.nonzero().squeeze(1)
    ends = torch.cat([places[1:], torch.full((1,), first.numel())])
    return places, first.to(torch.int64).cumsum(0) - 1, ends - places


def _unique(
    x: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
) -> Any:
    """Of floats: each NaN is one of its own, behind all numbers. Others are ONNX's Unique."""
    if not x.is_floating_point() or x.numel() == 0:
        return NotImplemented
    values, order = torch.sort(x.reshape(-1), stable=True)
    places, run, counts = _runs(values[1:] != values[:-1])
    inverse = torch.zeros_like(order).scatter(0, order, run)
    return values.index_select(0, places), inverse.reshape(x.shape), counts


def _unique_consecutive(
    x: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    if x.numel() == 0 or x.dtype.is_complex:
        return NotImplemented
    if dim is None:
        y = x.reshape(-1)
        places, run, counts = _runs(y[1:] != y[:-1])
        return y.index_select(0, places), run.reshape(x.shape), counts
    rows = x.movedim(dim, 0).reshape(x.shape[dim], -1)
    places, run, counts = _runs((rows[1:] != rows[:-1]).any(1))
    return x.index_select(dim, places), run, counts


# ---- segments ------------------------------------------------------------------------------------

#: What a segment without elements has, how others are reduced, and how that joins one more.
_SEGMENTS: dict[str, tuple[float, Callable[..., Tensor], Callable[..., Tensor]]] = {
    "sum": (0.0, torch.sum, torch.add),
    "mean": (0.0, torch.sum, torch.add),
    "prod": (1.0, torch.prod, torch.mul),
    "max": (-torch.inf, torch.amax, torch.maximum),
    "min": (torch.inf, torch.amin, torch.minimum),
}


def _segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Any:
    """Each element of DATA is asked of each segment whether it is in there."""
    if indices is not None or reduce not in _SEGMENTS or data.numel() == 0:
        return NotImplemented
    if offsets is None:
        if lengths is None:
            return NotImplemented
        ends = lengths.cumsum(-1)
        starts = ends - lengths
    else:
        starts, ends = offsets[..., :-1], offsets[..., 1:]
    axis = axis % data.ndim
    if starts.shape[-1] * data.numel() > _MAX_PAIRS or starts.ndim != axis + 1:
        return NotImplemented
    place = torch.arange(data.shape[axis])
    member = (place >= starts.unsqueeze(-1)) & (place < ends.unsqueeze(-1))
    tail = (1,) * (data.ndim - axis - 1)
    neutral, function, join = _SEGMENTS[reduce]
    wide = data if data.dtype == torch.float64 else data.to(torch.float32)
    elements = torch.where(member.reshape(*member.shape, *tail), wide.unsqueeze(axis), neutral)
    made = function(elements, axis + 1)
    if reduce in ("max", "min"):  # ONNX Runtime's may lose a NaN
        made = torch.where(elements.isnan().any(axis + 1), torch.nan, made)
    if initial is not None:
        made = join(made, torch.full_like(made, initial))
    if reduce == "mean":
        count = (ends - starts).reshape(*starts.shape, *tail)
        filled = made / count.clamp(min=1).to(made.dtype)
        empty = torch.nan if initial is None else initial
        made = torch.where(count > 0, filled, empty)
    return made.to(data.dtype)


# ---- distances and products ----------------------------------------------------------------------


def _cdist(a: Tensor, b: Tensor, p: float, compute_mode: int | None) -> Any:
    return torch.linalg.vector_norm(a.unsqueeze(-2) - b.unsqueeze(-3), p, -1)


def _addbmm(x: Tensor, a: Tensor, b: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Of complex numbers; ONNX has it of real ones. A beta of 0 drops X, NaN and all."""
    if not x.is_complex():
        return NotImplemented
    product = alpha * torch.bmm(a, b).sum(0)
    return product if beta == 0 else beta * x + product


def _pdist(x: Tensor, p: float = 2.0) -> Any:
    size = x.shape[0]
    rows = [i for i in range(size) for _ in range(i + 1, size)]
    columns = [j for i in range(size) for j in range(i + 1, size)]
    if not rows:
        return x.new_zeros(0)
    a = x.index_select(0, torch.tensor(rows))
    return torch.linalg.vector_norm(a - x.index_select(0, torch.tensor(columns)), p, -1)


def _trilinear(
    a: Tensor,
    b: Tensor,
    c: Tensor,
    expand1: Sequence[int],
    expand2: Sequence[int],
    expand3: Sequence[int],
    sumdim: Sequence[int],
    unroll_dim: int = 1,
) -> Any:
    rank = a.ndim + len(expand1)
    letters = "abcdefghijklmnopqrstuvwxyz"[:rank]
    names = [
        "".join(letters[i] for i in range(rank) if i not in expanded)
        for expanded in (expand1, expand2, expand3)
    ]
    kept = "".join(letters[i] for i in range(rank) if i not in sumdim)
    return torch.einsum(f"{','.join(names)}->{kept}", a, b, c)


# ---- the rest ------------------------------------------------------------------------------------


def _angle(x: Tensor) -> Any:
    """0 or pi, and NaN of NaN."""
    if x.dtype.is_complex:
        return NotImplemented
    dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
    value = torch.where(x < 0, torch.pi, 0.0).to(dtype)
    return torch.where(x.isnan(), x, value) if x.is_floating_point() else value


def _as_strided_scatter(
    x: Tensor,
    source: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    storage_offset: int | None = None,
) -> Any:
    result = x.contiguous().clone()
    result.as_strided(size, stride, storage_offset or 0).copy_(source)
    return result


def _avg_pool(
    n: int,
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Of whole numbers, which ONNX's does not take: a sum of slices, cut off after the division."""
    if x.is_floating_point() or x.is_complex():
        return NotImplemented
    kernel, pads = _for_each(n, kernel_size), _for_each(n, padding)
    steps = _for_each(n, stride) if stride else kernel
    total, divisor = x, torch.ones((), dtype=x.dtype)
    for i in range(n):
        dim, size = x.ndim - n + i, x.shape[i - n]
        span = size + 2 * pads[i] - kernel[i] + (steps[i] - 1 if ceil_mode else 0)
        n_out = span // steps[i] + 1
        n_out -= ceil_mode and (n_out - 1) * steps[i] >= size + pads[i]
        starts = [o * steps[i] - pads[i] for o in range(n_out)]
        stops = [min(s + kernel[i], size + pads[i]) for s in starts]
        inside = [(max(s, 0), min(e, size)) for s, e in zip(starts, stops, strict=True)]
        total = torch.stack([total.narrow(dim, s, e - s).sum(dim) for s, e in inside], dim)
        counted = zip(starts, stops, strict=True) if count_include_pad else inside
        count = torch.tensor([e - s for s, e in counted], dtype=x.dtype)
        divisor = divisor * count.reshape(-1, *[1] * (n - 1 - i))
    if divisor_override is not None:
        divisor = torch.tensor(divisor_override, dtype=x.dtype)
    return torch.div(total, divisor, rounding_mode="trunc").to(x.dtype)


def _for_each(n: int, sizes: Sequence[int]) -> list[int]:
    return list(sizes) * n if len(sizes) == 1 else list(sizes)


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Any:
    """Of whole numbers, which ONNX's does not take: the product of the weights and all patches."""
    n = weight.ndim - 2
    if x.is_floating_point() or x.is_complex() or x.ndim != n + 2 or x.numel() == 0:
        return NotImplemented
    steps, pads, gaps = (_for_each(n, sizes) for sizes in (stride, padding, dilation))
    kernel = weight.shape[2:]
    ends = list(pads)
    if transposed:
        for i in range(n):
            x = _with_zeros_between(x, i + 2, steps[i])
        reach = [gap * (k - 1) for gap, k in zip(gaps, kernel, strict=True)]
        ends = [
            r - p + o for r, p, o in zip(reach, pads, _for_each(n, output_padding), strict=True)
        ]
        pads, steps = [r - p for r, p in zip(reach, pads, strict=True)], [1] * n
        split = weight.reshape(groups, -1, *weight.shape[1:]).transpose(1, 2)
        weight = split.reshape(-1, weight.shape[0] // groups, *kernel).flip(*range(2, n + 2))
    sides = [size for pair in zip(reversed(pads), reversed(ends), strict=True) for size in pair]
    x = torch.nn.functional.pad(x, sides)
    out = [(x.shape[i + 2] - gaps[i] * (kernel[i] - 1) - 1) // steps[i] + 1 for i in range(n)]
    patches = []
    for place in itertools.product(*map(range, kernel)):
        patch = x
        for i, at in enumerate(place):
            first = at * gaps[i]
            taken = slice(first, first + (out[i] - 1) * steps[i] + 1, steps[i])
            patch = patch[(slice(None),) * (i + 2) + (taken,)]
        patches.append(patch)
    columns = torch.stack(patches, 2).reshape(x.shape[0], groups, -1, math.prod(out))
    product = weight.reshape(groups, weight.shape[0] // groups, -1) @ columns
    made = product.reshape(x.shape[0], -1, *out)
    return made if bias is None else made + bias.reshape(-1, *[1] * n)


def _with_zeros_between(x: Tensor, dim: int, step: int) -> Tensor:
    """X with STEP - 1 zeros between elements that are neighbours along DIM."""
    if step == 1:
        return x
    zeros = torch.zeros_like(x).unsqueeze(dim + 1).repeat_interleave(step - 1, dim + 1)
    wide = torch.cat([x.unsqueeze(dim + 1), zeros], dim + 1).flatten(dim, dim + 1)
    return wide.narrow(dim, 0, (x.shape[dim] - 1) * step + 1)


def _linear_cross_entropy(
    x: Tensor,
    matrix: Tensor,
    target: Tensor,
    bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    label_smoothing: float,
    *rest: Any,
    **others: Any,
) -> Any:
    """Without the chunks, and without the gradients, which only a backward pass asks for."""
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    loss = torch.nn.functional.cross_entropy(
        torch.nn.functional.linear(x, matrix, bias).to(wide),
        target.to(wide) if target.is_floating_point() else target,
        None if weight is None else weight.to(wide),
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    ).to(x.dtype)
    return loss, *(torch.zeros(0, dtype=x.dtype) for _ in range(3))


def _linear_cross_entropy_each(
    x: Tensor,
    matrix: Tensor,
    target: Tensor,
    bias: Tensor | None,
    weight: Tensor | None,
    ignore_index: int,
    *rest: Any,
    **others: Any,
) -> Any:
    return _linear_cross_entropy(x, matrix, target, bias, weight, "none", ignore_index, 0.0)[0]


def _fractional_max_pool(n: int, x: Tensor, kernel: Any, size: Any, samples: Tensor) -> Any:
    """Where the windows lie depends on random numbers, which are an input of the graph."""
    batched = x if x.ndim == n + 2 else x.unsqueeze(0)
    spatial = batched.shape[2:]
    index = torch.zeros((1,) * (n + 2), dtype=torch.int64)
    for i in range(n):
        # PyTorch's samples are (…, w, h) for two dimensions and (…, t, h, w) for three.
        sample = samples[:, :, n - 1 - i if n == 2 else i].to(samples.dtype)
        starts = _fractional_starts(sample, spatial[i], size[i], kernel[i])
        at = starts.unsqueeze(-1) + torch.arange(kernel[i])  # batch, channel, out, kernel
        shape = [*at.shape[:2], *[1] * (2 * n)]
        shape[2 + i], shape[2 + n + i] = size[i], kernel[i]
        index = index.reshape(index.shape if index.ndim > n + 2 else [1] * (2 * n + 2))
        index = index * spatial[i] + at.reshape(shape)
    full = (*batched.shape[:2], *size, *kernel)
    index = index.expand(full).reshape(*batched.shape[:2], -1)
    taken = batched.flatten(2).gather(2, index).reshape(*batched.shape[:2], *size, -1)
    if taken.is_floating_point():  # the last NaN wins, as in PyTorch
        best = torch.where(taken.isnan(), float("inf"), taken).argmax(-1, keepdim=True)
    else:
        best = taken.argmax(-1, keepdim=True)
    values = taken.gather(-1, best).squeeze(-1)
    places = index.reshape(taken.shape).gather(-1, best).squeeze(-1)
    if x.ndim == n + 1:
        values, places = values.squeeze(0), places.squeeze(0)
    return values, places


def _fractional_starts(sample: Tensor, n_in: int, n_out: int, kernel: int) -> Tensor:
    last = torch.full((*sample.shape, 1), n_in - kernel)
    if n_out == 1:
        return last
    alpha = torch.as_tensor((n_in - kernel) / (n_out - 1), dtype=sample.dtype)
    steps = torch.arange(n_out - 1).to(sample.dtype)
    shift = (sample * alpha).to(torch.int64).unsqueeze(-1)
    moved = ((steps + sample.unsqueeze(-1)) * alpha).to(torch.int64) - shift
    return torch.cat([moved, last], -1)


def _split(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mantissa, 0.5 <= |m| < 1, and exponent of X, both float64; 0 and 0 of what is not finite."""
    wide = x.to(torch.float64)
    regular = (wide != 0) & ~wide.isinf() & ~wide.isnan()
    wide = torch.where(regular, wide, 1.0)
    exponent = wide.abs().log2().floor() + 1  # the logarithm may be off by one step
    mantissa = wide * torch.pow(2.0, -exponent)
    large, small = mantissa.abs() >= 1, mantissa.abs() < 0.5
    mantissa = torch.where(large, mantissa / 2, torch.where(small, mantissa * 2, mantissa))
    exponent = torch.where(large, exponent + 1, torch.where(small, exponent - 1, exponent))
    return torch.where(regular, mantissa, 0.0), torch.where(regular, exponent, 0.0)


def _frexp(x: Tensor) -> Any:
    if x.dtype == torch.float64:  # 2 to the -1074 would need a second step
        return NotImplemented
    mantissa, exponent = _split(x)
    mantissa = torch.where(mantissa == 0, x.to(torch.float64), mantissa)  # 0, inf, nan
    return mantissa.to(x.dtype), exponent.to(torch.int32)


#: Digits of the mantissa in bits, and the exponent of the smallest number.
_STEPS = {torch.float32: (24, -149), torch.float16: (11, -24), torch.bfloat16: (8, -133)}


def _nextafter(a: Tensor, b: Tensor) -> Any:
    dtype = torch.result_type(a, b)
    if dtype not in _STEPS:
        return NotImplemented
    digits, smallest = _STEPS[dtype]
    a, b = a.to(dtype).to(torch.float64), b.to(dtype).to(torch.float64)
    a, b = a + torch.zeros_like(b), b + torch.zeros_like(a)
    mantissa, exponent = _split(a)
    up = torch.where(b > a, 1.0, -1.0)
    inward = (a > 0) != (b > a)
    digit = exponent - digits - torch.where(inward & (mantissa.abs() == 0.5), 1.0, 0.0)
    digit = torch.where(a == 0, float(smallest), digit.clamp(min=smallest))
    value = a + up * torch.pow(2.0, digit)
    largest = torch.finfo(dtype).max
    value = torch.where(a.isinf(), torch.where(a > 0, largest, -largest), value)
    value = torch.where(a == b, b, value)
    value = torch.where(a.isnan() | b.isnan(), torch.nan, value)
    return value.to(dtype)


def _nonzero_static(x: Tensor, *, size: int, fill_value: int = -1) -> Any:
    """The places of the first SIZE elements that are not 0, and FILL_VALUE where there are none."""
    if x.numel() == 0 or x.ndim == 0 or size == 0:
        return torch.full((size, x.ndim), fill_value)
    if x.numel() * size > _MAX_PAIRS:
        return NotImplemented
    mask = (x != 0).reshape(-1)
    number = mask.to(torch.int64).cumsum(0) - 1
    hit = (number == torch.arange(size).unsqueeze(1)) & mask
    at = hit.to(torch.int64).argmax(1)
    columns, step = [], x.numel()
    for dim in x.shape:
        step //= dim
        columns.append(at // step % dim)
    return torch.where(hit.any(1, keepdim=True), torch.stack(columns, 1), fill_value)


def _resize(x: Tensor, size: Any, **options: Any) -> Any:
    """To the size that it has."""
    shape = tuple(size.shape) if isinstance(size, Tensor) else tuple(size)
    return x if shape == tuple(x.shape) and x.is_contiguous() else NotImplemented


_S = _special
#: By the full name of the overload, as ``OpOverload.name()`` gives it.
TABLE: dict[str, Callable[..., Any]] = {
    "aten::_cdist_forward": _cdist,
    "aten::_pdist_forward": _pdist,
    "aten::_trilinear": _trilinear,
    "aten::_unique2": _unique,
    "aten::addbmm": _addbmm,
    "aten::angle": _angle,
    "aten::as_strided_scatter": _as_strided_scatter,
    "aten::avg_pool2d": functools.partial(_avg_pool, 2),
    "aten::avg_pool3d": functools.partial(_avg_pool, 3),
    "aten::bucketize.Scalar": _bucketize,
    "aten::bucketize.Tensor": _bucketize,
    "aten::convolution": _convolution,
    "aten::cummax": functools.partial(_cum_extreme, True),
    "aten::cummin": functools.partial(_cum_extreme, False),
    "aten::digamma": _in_double(_S.digamma),
    "aten::erfinv": _in_double(_S.erfinv),
    "aten::fractional_max_pool2d": functools.partial(_fractional_max_pool, 2),
    "aten::fractional_max_pool3d": functools.partial(_fractional_max_pool, 3),
    "aten::frexp.Tensor": _frexp,
    "aten::histc": _histc,
    "aten::histogram.bin_ct": _histogram,
    "aten::histogram.bins_tensor": _histogram,
    "aten::i0": _in_double(_S.i0),
    "aten::kthvalue": _kthvalue,
    "aten::lgamma": _in_double(_S.lgamma),
    "aten::logcumsumexp": _logcumsumexp,
    "aten::median": functools.partial(_median_of_all, False),
    "aten::median.dim": functools.partial(_median, False),
    "aten::mode": _mode,
    "aten::nanmedian": functools.partial(_median_of_all, True),
    "aten::nanmedian.dim": functools.partial(_median, True),
    "aten::nextafter": _nextafter,
    "aten::nonzero_static": _nonzero_static,
    "aten::polygamma": _polygamma,
    "aten::resize_": _resize,
    "aten::resize_as_": _resize,
    "aten::searchsorted.Scalar": _searchsorted,
    "aten::searchsorted.Tensor": _searchsorted,
    "aten::segment_reduce": _segment_reduce,
    "aten::special_bessel_j0": _in_double(_S.j0),
    "aten::special_bessel_j1": _in_double(_S.j1),
    "aten::special_bessel_y0": _in_double(_S.y0),
    "aten::special_bessel_y1": _in_double(_S.y1),
    "aten::special_erfcx": _in_double(_S.erfcx),
    "aten::special_i0e": _in_double(_S.i0e),
    "aten::special_i1": _in_double(_S.i1),
    "aten::special_i1e": _in_double(_S.i1e),
    "aten::special_modified_bessel_i0": _in_double(_S.i0),
    "aten::special_modified_bessel_i1": _in_double(_S.i1),
    "aten::special_modified_bessel_k0": _in_double(_S.k0),
    "aten::special_modified_bessel_k1": _in_double(_S.k1),
    "aten::special_ndtri": _in_double(_S.ndtri),
    "aten::special_scaled_modified_bessel_k0": _in_double(_S.k0e),
    "aten::special_scaled_modified_bessel_k1": _in_double(_S.k1e),
    "aten::special_spherical_bessel_j0": _in_double(_S.spherical_j0),
    "aten::unique_consecutive": _unique_consecutive,
    "torch_nn::_linear_cross_entropy_batch_chunked": _linear_cross_entropy,
    "torch_nn::_linear_cross_entropy_batch_chunked_no_reduction": _linear_cross_entropy_each,
}
_WITH_NUMBERS = {
    "special_zeta": ("self_scalar", "other_scalar", _S.zeta),
    "special_chebyshev_polynomial_t": ("x_scalar", "n_scalar", _S.chebyshev_t),
    "special_chebyshev_polynomial_u": ("x_scalar", "n_scalar", _S.chebyshev_u),
    "special_chebyshev_polynomial_v": ("x_scalar", "n_scalar", _S.chebyshev_v),
    "special_chebyshev_polynomial_w": ("x_scalar", "n_scalar", _S.chebyshev_w),
    "special_shifted_chebyshev_polynomial_t": ("x_scalar", "n_scalar", _S.shifted_chebyshev_t),
    "special_shifted_chebyshev_polynomial_u": ("x_scalar", "n_scalar", _S.shifted_chebyshev_u),
    "special_shifted_chebyshev_polynomial_v": ("x_scalar", "n_scalar", _S.shifted_chebyshev_v),
    "special_shifted_chebyshev_polynomial_w": ("x_scalar", "n_scalar", _S.shifted_chebyshev_w),
}
for _name, (_first, _second, _function) in _WITH_NUMBERS.items():
    TABLE[f"aten::{_name}"] = _in_double(_function)
    TABLE[f"aten::{_name}.{_first}"] = TABLE[f"aten::{_name}"]
    TABLE[f"aten::{_name}.{_second}"] = TABLE[f"aten::{_name}"]


def find(func: Any) -> Callable[..., Any] | None:
    """The function that stands for the overload FUNC, or None."""
    name = func.name()
    tables = (TABLE, _linear_algebra.TABLE, _complex_functions.TABLE, _quantized.TABLE)
    return next((table[name] for table in tables if name in table), None)
