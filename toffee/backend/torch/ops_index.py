"""Gather, scatter, and what finds places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .registry import Attributes, operator

_Tensor = torch.Tensor


def _wrapped(index: _Tensor, n: int) -> _Tensor:
    """INDEX with negative ones counted from the end of an axis of length N."""
    index = index.to(torch.int64)
    return torch.where(index < 0, index + n, index)


@operator("Gather")
def gather(a: Attributes, x: Any, index: _Tensor) -> Any:
    axis = a.get("axis", 0)
    if not isinstance(x, torch.Tensor):
        return np.take(x, index.cpu().numpy(), axis)
    axis = axis % x.dim()
    places = _wrapped(index, x.shape[axis])
    if places.dim() == 0:
        return x.index_select(axis, places.reshape(1)).squeeze(axis)
    result = x.index_select(axis, places.reshape(-1))
    if places.dim() == 1:
        return result
    return result.reshape(x.shape[:axis] + places.shape + x.shape[axis + 1 :])


@operator("GatherElements")
def gather_elements(a: Attributes, x: _Tensor, index: _Tensor) -> _Tensor:
    axis = a.get("axis", 0)
    return torch.gather(x, axis, _wrapped(index, x.shape[axis]))


def _parts(x: _Tensor, index: _Tensor, batch: int) -> tuple[_Tensor, ...]:
    """INDEX, whose last axis is a place in X, as one index for each axis of X."""
    grids = [
        torch.arange(n, device=x.device).reshape(
            [-1 if k == i else 1 for k in range(index.dim() - 1)]
        )
        for i, n in enumerate(index.shape[:batch])
    ]
    picked = [_wrapped(part, x.shape[batch + i]) for i, part in enumerate(index.unbind(-1))]
    return (*grids, *picked)


@operator("GatherND")
def gather_nd(a: Attributes, x: _Tensor, index: _Tensor) -> _Tensor:
    return x[_parts(x, index, a.get("batch_dims", 0))]


_REDUCE = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
_COMBINE: dict[str, Callable[..., _Tensor]] = {
    "add": torch.add,
    "mul": torch.mul,
    "max": torch.maximum,
    "min": torch.minimum,
}


@operator("ScatterElements", "Scatter")
def scatter_elements(a: Attributes, x: _Tensor, index: _Tensor, updates: _Tensor) -> _Tensor:
    axis = a.get("axis", 0)
    index = _wrapped(index, x.shape[axis])
    reduction = a.get("reduction", "none")
    if reduction == "none":
        return x.scatter(axis, index, updates)
    return x.scatter_reduce(axis, index, updates, _REDUCE[reduction])


@operator("ScatterND")
def scatter_nd(a: Attributes, x: _Tensor, index: _Tensor, updates: _Tensor) -> _Tensor:
    reduction = a.get("reduction", "none")
    wanted = (*index.shape[:-1], *x.shape[index.shape[-1] :])
    if tuple(updates.shape) != wanted:  # index_put would broadcast
        raise ValueError(f"updates are {list(updates.shape)}, and must be {list(wanted)}")
    places = _parts(x, index, 0)
    if reduction == "none":
        return x.index_put(places, updates)
    if reduction == "add":
        return x.index_put(places, updates, accumulate=True)
    # rows of X, flat, and the row that each update goes to
    depth = index.shape[-1]
    rows = x.reshape(-1, *x.shape[depth:])
    row = torch.zeros_like(places[0]) if places else torch.zeros((), dtype=torch.int64)
    for part, n in zip(places, x.shape, strict=False):
        row = row * n + part
    flat = updates.reshape(-1, *x.shape[depth:])
    target = row.reshape([-1] + [1] * (flat.dim() - 1)).expand(flat.shape)
    return rows.scatter_reduce(0, target, flat, _REDUCE[reduction]).reshape(x.shape)


@operator("TensorScatter")
def tensor_scatter(
    a: Attributes, past: _Tensor, update: _Tensor, write: _Tensor | None = None
) -> _Tensor:
    axis = a.get("axis", -2) % past.dim()
    n, count = past.shape[axis], update.shape[axis]
    batch = past.shape[0]
    start = write if write is not None else torch.zeros(batch, dtype=torch.int64)
    steps = torch.arange(count, device=past.device)
    places = start.to(past.device).reshape(-1, 1) + steps
    if a.get("mode", "linear") == "circular":
        places = places % n
    shape = [1] * past.dim()
    shape[0], shape[axis] = batch, count
    return past.scatter(axis, places.reshape(shape).expand(update.shape), update)


# ---- boxes -------------------------------------------------------------------------------------


@operator("NonMaxSuppression")
def non_max_suppression(
    a: Attributes,
    boxes: _Tensor,
    scores: _Tensor,
    max_output: _Tensor | None = None,
    iou_threshold: _Tensor | None = None,
    score_threshold: _Tensor | None = None,
) -> _Tensor:
    limit = 0 if max_output is None else int(max_output.item())
    overlap = 0.0 if iou_threshold is None else float(iou_threshold.item())
    lowest = None if score_threshold is None else float(score_threshold.item())
    corners = boxes.detach().cpu().numpy()
    marks = scores.detach().cpu().numpy()
    if a.get("center_point_box", 0):
        middle, half = corners[..., :2], corners[..., 2:] / 2
        corners = np.concatenate([middle - half, middle + half], -1)
    low = np.minimum(corners[..., :2], corners[..., 2:])
    high = np.maximum(corners[..., :2], corners[..., 2:])
    chosen = []
    for batch in range(marks.shape[0]):
        for label in range(marks.shape[1]):
            kept = _suppress(low[batch], high[batch], marks[batch, label], limit, overlap, lowest)
            chosen += [(batch, label, box) for box in kept]
    return torch.tensor(chosen, dtype=torch.int64, device=boxes.device).reshape(-1, 3)


def _suppress(
    low: np.ndarray,
    high: np.ndarray,
    scores: np.ndarray,
    limit: int,
    overlap: float,
    lowest: float | None,
) -> list[int]:
    """The boxes that are kept, best first."""
    area = np.prod(high - low, axis=-1)
    order = np.argsort(-scores, kind="stable")
    if lowest is not None:
        order = order[scores[order] > lowest]
    kept: list[int] = []
    while len(order) and len(kept) < limit:
        best = int(order[0])
        kept.append(best)
        rest = order[1:]
        sides = np.minimum(high[best], high[rest]) - np.maximum(low[best], low[rest])
        common = np.prod(np.clip(sides, 0, None), axis=-1)
        union = area[best] + area[rest] - common
        order = rest[common <= overlap * union]
    return kept
