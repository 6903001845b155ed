"""What moves elements without computing with them: shapes, slices, joins, constants."""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from . import values
from .registry import Attributes, operator

_Tensor = torch.Tensor


def _device_of(x: Any) -> torch.device:
    if isinstance(x, list):
        return _device_of(x[0]) if x else torch.device("cpu")
    return x.device if isinstance(x, torch.Tensor) else torch.device("cpu")


# ---- shapes ------------------------------------------------------------------------------------


@operator("Shape")
def shape(a: Attributes, x: Any) -> _Tensor:
    dims = list(x.shape)[a.get("start", 0) : a.get("end", len(x.shape))]
    return torch.tensor(dims, dtype=torch.int64, device=_device_of(x))


@operator("Size")
def size(a: Attributes, x: Any) -> _Tensor:
    return torch.tensor(math.prod(x.shape), dtype=torch.int64, device=_device_of(x))


@operator("Reshape")
def reshape(a: Attributes, x: Any, shape: _Tensor) -> Any:
    dims = a.host(shape)
    if not a.get("allowzero", 0) and 0 in dims:
        dims = [x.shape[i] if dim == 0 else dim for i, dim in enumerate(dims)]
    return x.reshape(dims)


@operator("Flatten")
def flatten(a: Attributes, x: Any) -> Any:
    axis = a.get("axis", 1)
    if axis == 1 and isinstance(x, torch.Tensor) and x.dim() > 1:
        return torch.flatten(x, 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("Squeeze")
def squeeze(a: Attributes, x: Any, axes: _Tensor | None = None) -> Any:
    chosen = a.host(axes) if axes is not None else a.get("axes")
    rank = len(x.shape)
    if chosen is None:
        return x.reshape([dim for dim in x.shape if dim != 1])
    gone = {axis % rank for axis in chosen}
    if any(x.shape[axis] != 1 for axis in gone):
        raise ValueError(f"cannot squeeze axes {chosen} of shape {list(x.shape)}")
    return x.reshape([dim for axis, dim in enumerate(x.shape) if axis not in gone])


@operator("Unsqueeze")
def unsqueeze(a: Attributes, x: Any, axes: _Tensor | None = None) -> Any:
    chosen = a.host(axes) if axes is not None else a["axes"]
    rank = len(x.shape) + len(chosen)
    added = {axis % rank for axis in chosen}
    dims = iter(x.shape)
    return x.reshape([1 if axis in added else next(dims) for axis in range(rank)])


@operator("Transpose")
def transpose(a: Attributes, x: Any) -> Any:
    perm = a.get("perm", list(range(len(x.shape)))[::-1])
    return x.permute(perm) if isinstance(x, torch.Tensor) else x.transpose(perm)


@operator("Expand")
def expand(a: Attributes, x: Any, shape: _Tensor) -> Any:
    if not isinstance(x, torch.Tensor):
        return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(a.host(shape))))
    return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(a.host(shape))))


@operator("Tile")
def tile(a: Attributes, x: _Tensor, repeats: _Tensor) -> _Tensor:
    return x.repeat(a.host(repeats))


@operator("Identity")
def identity(a: Attributes, x: Any) -> Any:
    return x


# ---- parts -------------------------------------------------------------------------------------


@operator("Slice")
def slice_(
    a: Attributes,
    x: Any,
    starts: _Tensor | None = None,
    ends: _Tensor | None = None,
    axes: _Tensor | None = None,
    steps: _Tensor | None = None,
) -> Any:
    if starts is None or ends is None:
        start, end, axis = a["starts"], a["ends"], a.get("axes")
        step = None
    else:
        start, end = values.numbers(starts), values.numbers(ends)
        axis = None if axes is None else values.numbers(axes)
        step = None if steps is None else values.numbers(steps)
    rank = len(x.shape)
    for i, first in enumerate(start):
        at = (axis[i] if axis is not None else i) % rank
        x = _slice_axis(x, at, first, end[i], step[i] if step is not None else 1)
    return x


def _slice_axis(x: Any, axis: int, start: int, end: int, step: int) -> Any:
    wanted = range(*slice(start, end, step).indices(x.shape[axis]))
    if not isinstance(x, torch.Tensor):
        return np.take(x, list(wanted), axis)
    if step > 0:
        x = x.narrow(
            axis,
            wanted.start if wanted else 0,
            max(0, wanted[-1] + 1 - wanted.start) if wanted else 0,
        )
        return x if step == 1 else x[(slice(None),) * axis + (slice(None, None, step),)]
    return x.index_select(axis, torch.tensor(list(wanted), dtype=torch.int64, device=x.device))


@operator("Split", many=True)
def split(a: Attributes, x: _Tensor, sizes: _Tensor | None = None) -> Any:
    axis = a.get("axis", 0)
    total = x.shape[axis]
    if sizes is not None:
        parts = a.host(sizes)
    elif "split" in a:
        parts = a["split"]
    else:
        count = a.get("num_outputs", a.n_outputs)
        each = -(-total // count)
        last = total - each * (count - 1)
        if last < 0:  # as in ONNX Runtime
            raise ValueError(f"{total} elements are fewer than {count} parts of {each} have")
        parts = [*[each] * (count - 1), last]
    return torch.split(x, parts, axis)


@operator("Concat")
def concat(a: Attributes, *parts: Any) -> Any:
    if not isinstance(parts[0], torch.Tensor):
        return np.concatenate(parts, a["axis"])
    return torch.cat(parts, a["axis"])


@operator("Compress")
def compress(a: Attributes, x: _Tensor, condition: _Tensor) -> _Tensor:
    axis = a.get("axis")
    if axis is None:
        x, axis = x.reshape(-1), 0
    return x.index_select(axis, torch.nonzero(condition).reshape(-1))


@operator("NonZero")
def non_zero(a: Attributes, x: _Tensor) -> _Tensor:
    return torch.nonzero(values.lift(x)).t().contiguous()


@operator("Trilu")
def trilu(a: Attributes, x: _Tensor, k: _Tensor | None = None) -> _Tensor:
    diagonal = 0 if k is None else int(a.host(k)[0])
    function = torch.triu if a.get("upper", 1) else torch.tril
    return function(values.lift(x), diagonal).to(x.dtype)


@operator("ReverseSequence")
def reverse_sequence(a: Attributes, x: _Tensor, lengths: _Tensor) -> _Tensor:
    batch, time = a.get("batch_axis", 1), a.get("time_axis", 0)
    rows = x.movedim((batch, time), (0, 1))
    steps = torch.arange(rows.shape[1], device=x.device)
    lengths = lengths.reshape(-1, 1)
    order = torch.where(steps < lengths, lengths - 1 - steps, steps)
    result = rows[torch.arange(rows.shape[0], device=x.device).reshape(-1, 1), order]
    return result.movedim((0, 1), (batch, time))


# ---- padding -----------------------------------------------------------------------------------


def _edge_index(n: int, before: int, after: int, mode: str) -> list[int]:
    """Which element stands at each place of a padded axis; -1 for the constant."""
    places = range(-before, n + after)
    if mode == "edge":
        return [min(max(i, 0), n - 1) for i in places]
    if mode == "wrap":
        return [i % n for i in places]
    if mode == "reflect":
        period = max(1, 2 * (n - 1))
        return [min(i % period, period - i % period) if n > 1 else 0 for i in places]
    raise ValueError(f"Pad has no mode {mode!r}")


@operator("Pad")
def pad(
    a: Attributes,
    x: _Tensor,
    pads: _Tensor | None = None,
    value: _Tensor | None = None,
    axes: _Tensor | None = None,
) -> _Tensor:
    amounts = a["pads"] if pads is None else values.numbers(pads)
    fill: Any = (
        a.get("value", 0) if value is None or value.numel() == 0 else values.numbers(value)[0]
    )
    mode = a.get("mode", "constant")
    rank = x.dim()
    chosen = list(range(rank)) if axes is None else [axis % rank for axis in values.numbers(axes)]
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(chosen):
        before[axis], after[axis] = amounts[i], amounts[i + len(chosen)]
    if mode == "constant":
        flat = [n for axis in reversed(range(rank)) for n in (before[axis], after[axis])]
        if values.is_unsigned(x) or x.dtype == torch.bool:
            return torch.nn.functional.pad(x.to(torch.int64), flat, value=int(fill)).to(x.dtype)
        return torch.nn.functional.pad(x, flat, value=fill)
    for axis in range(rank):
        start, stop = max(0, -before[axis]), x.shape[axis] - max(0, -after[axis])
        if start or stop != x.shape[axis]:  # negative amounts cut off
            x = x.narrow(axis, start, stop - start)
        added = max(0, before[axis]), max(0, after[axis])
        if any(added):
            order = _edge_index(x.shape[axis], *added, mode)
            x = x.index_select(axis, torch.tensor(order, device=x.device))
    return x


@operator("CenterCropPad")
def center_crop_pad(a: Attributes, x: _Tensor, shape: _Tensor) -> _Tensor:
    axes = a.get("axes", list(range(x.dim())))
    for axis, wanted in zip(axes, a.host(shape), strict=True):
        n = x.shape[axis]
        if wanted < n:
            x = x.narrow(axis, (n - wanted) // 2, wanted)
        elif wanted > n:
            first = (wanted - n) // 2
            flat = [0, 0] * (x.dim() - 1 - axis % x.dim()) + [first, wanted - n - first]
            x = torch.nn.functional.pad(x, flat)
    return x


@operator("DepthToSpace")
def depth_to_space(a: Attributes, x: _Tensor) -> _Tensor:
    n, c, h, w = x.shape
    block = a["blocksize"]
    if a.get("mode", "DCR") == "CRD":
        return torch.nn.functional.pixel_shuffle(x, block)
    rest = c // (block * block)
    x = x.reshape(n, block, block, rest, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, rest, h * block, w * block)


@operator("SpaceToDepth")
def space_to_depth(a: Attributes, x: _Tensor) -> _Tensor:
    n, c, h, w = x.shape
    block = a["blocksize"]
    if a.get("mode", "DCR") == "CRD":
        return torch.nn.functional.pixel_unshuffle(x, block)
    x = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, c * block * block, h // block, w // block)


# ---- new tensors -------------------------------------------------------------------------------


@operator("Constant")
def constant(a: Attributes) -> Any:
    """The value of a Constant node: called once, when the graph is prepared."""
    if "value" in a:
        return a["value"]
    if "sparse_value" in a:
        return a["sparse_value"]
    for key, dtype in (("value_int", torch.int64), ("value_float", torch.float32)):
        if key in a:
            return torch.tensor(a[key], dtype=dtype)
        if key + "s" in a:
            return torch.tensor(a[key + "s"], dtype=dtype)
    if "value_string" in a:
        return np.array(a["value_string"], dtype=object)
    return np.array(a["value_strings"], dtype=object)


@operator("ConstantOfShape")
def constant_of_shape(a: Attributes, shape: _Tensor) -> Any:
    value = a.get("value")
    if value is None:
        return torch.zeros(a.host(shape), device=shape.device)
    if not isinstance(value, torch.Tensor):
        return np.full(a.host(shape), value.reshape(-1)[0])
    return value.to(shape.device).reshape([1] * shape.numel()).expand(a.host(shape)).clone()


@operator("Range")
def range_(a: Attributes, start: _Tensor, limit: _Tensor, delta: _Tensor) -> _Tensor:
    first, last, step = (values.numbers(x)[0] for x in (start, limit, delta))
    count = max(0, math.ceil((last - first) / step))
    steps = torch.arange(count, device=start.device)
    if start.is_floating_point():
        return (first + steps.to(torch.float64) * step).to(start.dtype)
    return (first + steps * step).to(start.dtype)


@operator("EyeLike")
def eye_like(a: Attributes, x: _Tensor) -> _Tensor:
    dtype = values.DTYPES[a["dtype"]] if "dtype" in a else x.dtype
    rows = torch.arange(x.shape[0], device=x.device).reshape(-1, 1)
    columns = torch.arange(x.shape[1], device=x.device)
    return (columns - rows == a.get("k", 0)).to(dtype)


@operator("OneHot")
def one_hot(a: Attributes, indices: _Tensor, depth: _Tensor, off_on: _Tensor) -> _Tensor:
    n = int(a.host(depth)[0])
    index = values.lift(indices).to(torch.int64)
    axis = a.get("axis", -1)
    axis = axis + index.dim() + 1 if axis < 0 else axis
    places = torch.arange(n, device=index.device)
    places = places.reshape([n] + [1] * (index.dim() - axis))
    index = torch.where(index < 0, index + n, index).unsqueeze(axis)
    source = values.lift(off_on)
    return torch.where(index == places, source[1], source[0]).to(off_on.dtype)
