"""Control flow: operators whose attributes are graphs."""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import Any

import torch

from . import values
from .registry import Attributes, operator

_Tensor = torch.Tensor


@operator("If", many=True, scoped=True)
def if_(a: Attributes, scope: Any, condition: _Tensor) -> list[Any]:
    return scope.bodies["then_branch" if bool(condition.item()) else "else_branch"]()


@operator("Loop", many=True, scoped=True)
def loop(
    a: Attributes,
    scope: Any,
    trips: _Tensor | None = None,
    condition: _Tensor | None = None,
    *carried: Any,
) -> list[Any]:
    body = scope.bodies["body"]
    limit = None if trips is None else int(trips.item())
    alive = condition is None or bool(condition.item())
    going: Any = torch.tensor(True, device=scope.device) if condition is None else condition
    state = list(carried)
    scanned: list[list[Any]] = []
    i = 0
    while alive and (limit is None or i < limit):
        number = torch.tensor(i, dtype=torch.int64, device=scope.device)
        going, *rest = body(number, going, *state)
        state, slices = rest[: len(state)], rest[len(state) :]
        scanned = scanned or [[] for _ in slices]
        for rows, item in zip(scanned, slices, strict=True):
            rows.append(item)
        # a graph that says nothing about going on may leave the condition out
        alive = going is None or bool(going.item())
        i += 1
    n_scans = a.n_outputs - len(state)
    if not scanned:
        scanned = [[] for _ in range(n_scans)]
    return [*state, *(_stack(rows, 0, scope.device) for rows in scanned)]


def _stack(rows: list[Any], axis: int, device: torch.device) -> Any:
    if not rows:
        return torch.zeros(0, device=device)
    if isinstance(rows[0], torch.Tensor):
        if values.is_unsigned(rows[0]):
            return torch.stack([values.lift(row) for row in rows], axis).to(rows[0].dtype)
        return torch.stack(rows, axis)
    return rows


@operator("Scan", many=True, scoped=True)
def scan(a: Attributes, scope: Any, *inputs: Any) -> list[Any]:
    if a.version >= 9:
        return _scan(a, scope, inputs)
    # opset 8: the first input may have a length for each row of the batch, which comes first
    lengths, *rest = inputs
    n_states = len(rest) - a["num_scan_inputs"]
    batches = []
    for row in range(rest[0].shape[0]):
        parts = [value[row] for value in rest]
        if lengths is not None:
            n = int(lengths[row])
            parts[n_states:] = [part[:n] for part in parts[n_states:]]
        batches.append(_scan(a, scope, parts))
    return [torch.stack(column) for column in zip(*batches, strict=True)]


def _listed(a: Attributes, key: str, n: int) -> list[int]:
    return a.get(key) or [0] * n


def _scan(a: Attributes, scope: Any, inputs: Any) -> list[Any]:
    body = scope.bodies["body"]
    n_scans = a["num_scan_inputs"]
    state, sources = list(inputs[: len(inputs) - n_scans]), inputs[len(inputs) - n_scans :]
    old = a.version < 9
    axes = [0] * n_scans if old else _listed(a, "scan_input_axes", n_scans)
    directions = _listed(a, "directions" if old else "scan_input_directions", n_scans)
    length = sources[0].shape[axes[0]]
    n_states = len(state)
    columns: list[list[Any]] = []
    for i in range(length):
        items = [
            source.select(axis, length - 1 - i if backward else i)
            for source, axis, backward in zip(sources, axes, directions, strict=True)
        ]
        results = body(*state, *items)
        state, slices = results[:n_states], results[n_states:]
        columns = columns or [[] for _ in slices]
        for rows, item in zip(columns, slices, strict=True):
            rows.append(item)
    n_out = len(columns) or max(0, a.n_outputs - n_states)
    out_axes = _listed(a, "scan_output_axes", n_out)
    backward_out = _listed(a, "scan_output_directions", n_out)
    outputs = []
    for k in range(n_out):
        rows = columns[k] if columns else []
        outputs.append(_stack(rows[::-1] if backward_out[k] else rows, out_axes[k], scope.device))
    return [*state, *outputs]


@operator("SequenceMap", many=True, scoped=True)
def sequence_map(a: Attributes, scope: Any, first: list[Any], *others: Any) -> list[Any]:
    body = scope.bodies["body"]
    results = [
        body(item, *(other[i] if isinstance(other, list) else other for other in others))
        for i, item in enumerate(first)
    ]
    return [list(column) for column in zip(*results, strict=True)] or [
        [] for _ in range(a.n_outputs)
    ]
