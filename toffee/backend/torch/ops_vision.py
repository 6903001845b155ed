"""Resizing and sampling of images."""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 -- its usual name

from . import values
from .registry import Attributes, operator

_Tensor = torch.Tensor


# ---- resizing ----------------------------------------------------------------------------------


def _coordinates(
    mode: str, n: int, n_out: int, scale: float, roi: tuple[float, float]
) -> np.ndarray:
    """Where each of N_OUT elements lies on an axis of N."""
    x = np.arange(n_out, dtype=np.float64)
    if mode == "asymmetric":
        return x / scale
    if mode == "align_corners":
        length = n * scale
        return x * (n - 1) / (length - 1) if length != 1 else x * 0
    if mode == "tf_half_pixel_for_nn":
        return (x + 0.5) / scale
    if mode == "tf_crop_and_resize":
        start, end = roi
        if n_out > 1:
            return start * (n - 1) + x * (end - start) * (n - 1) / (n_out - 1)
        return x * 0 + 0.5 * (start + end) * (n - 1)
    half = (x + 0.5) / scale - 0.5
    if mode == "half_pixel":
        return half
    if mode == "pytorch_half_pixel":
        return half if n_out > 1 else x * 0
    if mode == "half_pixel_symmetric":
        return n / 2 * (1 - n_out / (n * scale)) + half
    raise ValueError(f"Resize has no coordinate_transformation_mode {mode!r}")


def _nearest(mode: str, x: np.ndarray) -> np.ndarray:
    if mode == "round_prefer_floor":
        return np.ceil(x - 0.5)
    if mode == "round_prefer_ceil":
        return np.floor(x + 0.5)
    return np.floor(x) if mode == "floor" else np.ceil(x)


def _kernel(mode: str, x: np.ndarray, cubic: float) -> np.ndarray:
    """The weight of a neighbour at distance X."""
    x = np.abs(x)
    if mode == "linear":
        return np.clip(1 - x, 0, None)
    near = ((cubic + 2) * x - (cubic + 3)) * x * x + 1
    far = ((cubic * x - 5 * cubic) * x + 8 * cubic) * x - 4 * cubic
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _resize_axis(
    a: Attributes, x: _Tensor, axis: int, n_out: int, scale: float, roi: tuple[float, float]
) -> _Tensor:
    n = x.shape[axis]
    mode = a.get("mode", "nearest")
    legacy = a.version < 11
    transform = "asymmetric" if legacy else a.get("coordinate_transformation_mode", "half_pixel")
    at = _coordinates(transform, n, n_out, scale, roi)
    if mode == "nearest":
        rule = "floor" if legacy else a.get("nearest_mode", "round_prefer_floor")
        index = np.clip(_nearest(rule, at), 0, n - 1).astype(np.int64)
        result = x.index_select(axis, torch.from_numpy(index).to(x.device))
    else:
        result = _interpolate(a, x, axis, at, scale, mode)
    if transform == "tf_crop_and_resize":
        outside = torch.from_numpy((at < 0) | (at > n - 1)).to(x.device)
        shape = [1] * x.dim()
        shape[axis] = n_out
        result = result.masked_fill(outside.reshape(shape), a.get("extrapolation_value", 0.0))
    return result


def _interpolate(
    a: Attributes, x: _Tensor, axis: int, at: np.ndarray, scale: float, mode: str
) -> _Tensor:
    n = x.shape[axis]
    stretch = min(scale, 1.0) if a.get("antialias", 0) else 1.0
    radius = (2 if mode == "cubic" else 1) / stretch
    first = math.floor(-radius) + 1
    low = np.floor(at)
    places = [low + i for i in range(first, 2 - first)]
    weights = [
        _kernel(mode, (place - at) * stretch, a.get("cubic_coeff_a", -0.75)) for place in places
    ]
    if a.get("exclude_outside", 0):
        weights = [
            np.where((place < 0) | (place > n - 1), 0.0, weight)
            for place, weight in zip(places, weights, strict=True)
        ]
    if a.get("exclude_outside", 0) or a.get("antialias", 0):
        total = sum(weights)
        weights = [weight / total for weight in weights]
    shape = [1] * x.dim()
    shape[axis] = len(at)
    result: _Tensor | None = None
    for place, weight in zip(places, weights, strict=True):
        if not weight.any():
            continue
        index = torch.from_numpy(np.clip(place, 0, n - 1).astype(np.int64)).to(x.device)
        factor = torch.from_numpy(weight).to(x.device, x.dtype).reshape(shape)
        part = x.index_select(axis, index) * factor
        result = part if result is None else result + part
    assert result is not None
    return result


@operator("Resize")
def resize(
    a: Attributes,
    x: _Tensor,
    roi: _Tensor | None = None,
    scales: _Tensor | None = None,
    sizes: _Tensor | None = None,
) -> _Tensor:
    if a.version < 11:  # (X, scales)
        roi, scales = None, roi
    axes = [axis % x.dim() for axis in a.get("axes", range(x.dim()))]
    dims = [x.shape[axis] for axis in axes]
    if sizes is not None and sizes.numel():
        wanted = values.numbers(sizes)
        factors = [size / n for size, n in zip(wanted, dims, strict=True)]
        policy = a.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            common = (min if policy == "not_larger" else max)(factors)
            factors = [common] * len(axes)
            wanted = [math.floor(common * n + 0.5) for n in dims]
    else:
        assert scales is not None
        factors = values.numbers(scales)
        wanted = [math.floor(n * factor) for n, factor in zip(dims, factors, strict=True)]
    corners = [0.0] * len(axes) + [1.0] * len(axes)
    if roi is not None and roi.numel():
        corners = values.numbers(roi)
    crop = a.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    dtype = x.dtype
    exact = a.get("mode", "nearest") == "nearest"
    if not exact and not x.is_floating_point():
        x = x.to(torch.float32)
    for i, axis in enumerate(axes):
        if factors[i] != 1.0 or wanted[i] != dims[i] or crop:
            box = (corners[i], corners[i + len(axes)])
            x = _resize_axis(a, x, axis, wanted[i], factors[i], box)
    if not dtype.is_floating_point and not exact:
        info = torch.iinfo(dtype)
        x = torch.round(x).clamp(info.min, info.max)
    return x.to(dtype)


@operator("Upsample")
def upsample(a: Attributes, x: _Tensor, scales: _Tensor | None = None) -> _Tensor:
    factors = values.numbers(scales) if scales is not None else a["scales"]
    for axis, factor in enumerate(factors):
        if factor != 1.0:
            n_out = math.floor(x.shape[axis] * factor)
            x = _resize_axis(_UPSAMPLE[a.get("mode", "nearest")], x, axis, n_out, factor, (0, 1))
    return x


_UPSAMPLE = {mode: Attributes({"mode": mode}, 10) for mode in ("nearest", "linear")}


# ---- sampling ----------------------------------------------------------------------------------

_GRID_MODES = {"linear": "bilinear", "cubic": "bicubic"}


@operator("GridSample")
def grid_sample(a: Attributes, x: _Tensor, grid: _Tensor) -> _Tensor:
    mode = a.get("mode", "linear")
    return F.grid_sample(
        x,
        grid.to(x.dtype),
        mode=_GRID_MODES.get(mode, mode),
        padding_mode=a.get("padding_mode", "zeros"),
        align_corners=bool(a.get("align_corners", 0)),
    )


@operator("AffineGrid")
def affine_grid(a: Attributes, theta: _Tensor, size: _Tensor) -> _Tensor:
    return F.affine_grid(theta, a.host(size), align_corners=bool(a.get("align_corners", 0)))


def _line(at: _Tensor, n: int) -> tuple[_Tensor, _Tensor, _Tensor, _Tensor]:
    """For places AT on an axis of N: both neighbours, the weight of the second, what is outside."""
    outside = (at < -1.0) | (at > n)
    at = at.clamp(min=0)
    low = at.floor().to(torch.int64).clamp(max=n - 1)
    high = (low + 1).clamp(max=n - 1)
    at = torch.where(low >= n - 1, low.to(at.dtype), at)
    return low, high, at - low, outside


@operator("RoiAlign")
def roi_align(a: Attributes, x: _Tensor, rois: _Tensor, batch: _Tensor) -> _Tensor:
    out_h, out_w = a.get("output_height", 1), a.get("output_width", 1)
    ratio, scale = a.get("sampling_ratio", 0), a.get("spatial_scale", 1.0)
    default = "half_pixel" if a.version >= 16 else "output_half_pixel"
    half = a.get("coordinate_transformation_mode", default) == "half_pixel"
    results = []
    for roi, image in zip(rois, batch.tolist(), strict=True):
        left, top, right, bottom = (roi * scale - (0.5 if half else 0.0)).tolist()
        width, height = right - left, bottom - top
        if not half:
            width, height = max(width, 1.0), max(height, 1.0)
        rows = ratio if ratio > 0 else math.ceil(height / out_h)
        columns = ratio if ratio > 0 else math.ceil(width / out_w)
        steps_y = torch.arange(out_h * rows, device=x.device, dtype=x.dtype)
        steps_x = torch.arange(out_w * columns, device=x.device, dtype=x.dtype)
        y = top + (steps_y + 0.5) * (height / out_h / rows)
        z = left + (steps_x + 0.5) * (width / out_w / columns)
        results.append(_roi_samples(x[image], y, z, (out_h, rows, out_w, columns), a))
    if not results:
        return x.new_zeros((0, x.shape[1], out_h, out_w))
    return torch.stack(results)


def _roi_samples(
    image: _Tensor, y: _Tensor, z: _Tensor, grid: tuple[int, int, int, int], a: Attributes
) -> _Tensor:
    """IMAGE [channels, height, width] at every (Y, Z), put together to the cells of GRID."""
    low_y, high_y, part_y, out_y = _line(y, image.shape[1])
    low_z, high_z, part_z, out_z = _line(z, image.shape[2])
    inside = (~out_y).reshape(-1, 1) & ~out_z
    part_y = part_y.reshape(-1, 1)
    corners = [
        image[:, rows][:, :, columns] * (weight_y * weight_z) * inside
        for rows, weight_y in ((low_y, 1 - part_y), (high_y, part_y))
        for columns, weight_z in ((low_z, 1 - part_z), (high_z, part_z))
    ]
    out_h, rows_each, out_w, columns_each = grid
    cells = (image.shape[0], out_h, rows_each, out_w, columns_each)
    if a.get("mode", "avg") == "avg":
        return sum(corners).reshape(cells).mean((2, 4))  # type: ignore[union-attr]
    # by the definition of the operator: the largest of the weighted corners
    return torch.stack(corners).amax(0).reshape(cells).amax((2, 4))


@operator("MaxRoiPool")
def max_roi_pool(a: Attributes, x: _Tensor, rois: _Tensor) -> _Tensor:
    out_h, out_w = a["pooled_shape"]
    scale = a.get("spatial_scale", 1.0)
    results = []
    for image, *corners in rois.tolist():
        left, top, right, bottom = (math.floor(corner * scale + 0.5) for corner in corners)
        height, width = max(bottom - top + 1, 1), max(right - left + 1, 1)
        rows = [_cell(i, height, out_h, top, x.shape[2]) for i in range(out_h)]
        columns = [_cell(i, width, out_w, left, x.shape[3]) for i in range(out_w)]
        for y0, y1 in rows:
            for x0, x1 in columns:
                cell = x[int(image), :, y0:y1, x0:x1]
                results.append(cell.amax((1, 2)) if cell.numel() else x.new_zeros(x.shape[1]))
    if not results:
        return x.new_zeros((0, x.shape[1], out_h, out_w))
    return torch.stack(results, 1).reshape(x.shape[1], -1, out_h, out_w).transpose(0, 1)


def _cell(i: int, size: int, n: int, first: int, limit: int) -> tuple[int, int]:
    """The part of an axis that cell I of N has."""
    low, high = first + i * size // n, first + -(-(i + 1) * size // n)
    return min(max(low, 0), limit), min(max(high, 0), limit)


# ---- files -------------------------------------------------------------------------------------


@operator("ImageDecoder")
def image_decoder(a: Attributes, data: _Tensor) -> _Tensor:
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            "ImageDecoder needs the package pillow: pip install pillow, or toffee[images]"
        ) from None
    layout = a.get("pixel_format", "RGB")
    image = Image.open(io.BytesIO(data.cpu().numpy().tobytes()))
    if layout == "Grayscale":
        array: Any = np.array(image.convert("L"))[:, :, np.newaxis]
    else:
        array = np.array(image.convert("RGB"))
        array = array[:, :, ::-1].copy() if layout == "BGR" else array
    return torch.from_numpy(array).to(data.device)
