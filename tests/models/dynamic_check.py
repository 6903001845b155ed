"""One model of the zoo at any size: export it, and hold ONNX Runtime against PyTorch at others."""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
import torch
from dynamic_cases import Dynamic, Rule, Sizes
from torch.utils import _pytree as pytree
from zoo_case import Case, arguments, build
from zoo_check import (
    TOLERANCE,
    Mismatch,
    difference_of,
    graph_bytes,
    session_of,
    tensors,
    to_numpy,
)

import toffee
from toffee.torch_toffee import export

TRACED, OTHER = 1, 2  # seeds; those behind OTHER are for what is longer


#: Where a sample is beyond TOLERANCE: how many times as far from the exact answer as PyTorch's it
#: may be, two ways of rounding, and how far at most.
ROUNDINGS = 4
WORST = {torch.float32: 1e-2, torch.float16: 5e-2, torch.bfloat16: 5e-2}


def check(row_of: Dynamic) -> dict[str, Any]:
    """Export the model of ROW_OF with open sizes and compare it at several.

    Returns
    -------
    A row: status ("passed", "refused", "mismatch", "invalid", "broken"), reason, and figures.
    """
    row: dict[str, Any] = {"status": "broken"}
    case = row_of.case
    try:
        model = build(case)
        args, kwargs = arguments(case, TRACED)
        with tempfile.TemporaryDirectory(prefix="toffee-zoo-") as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = os.path.join(folder, "m.onnx")
            start = time.perf_counter()
            export(_copy(model), args, path, kwargs=kwargs)
            row["static_s"] = round(time.perf_counter() - start, 3)
            graph = toffee.load(path)
            row["static_nodes"] = len(graph.node)
            symbols = _symbols(row_of, graph)
            row["symbols"] = list(
                dict.fromkeys(s for axes in symbols.values() for s in axes.values())
            )
            del graph
            row["status"] = "refused"
            row["min"] = _export(row_of, model, path, symbols, row)
            row["status"] = "invalid"
            graph = toffee.load(path)
            toffee.checker.check_graph(graph)
            row["nodes"] = len(graph.node)
            del graph
            onnx.checker.check_model(path, full_check=graph_bytes(path) < 2**30)
            row["status"] = "mismatch"
            _compare(row_of, model, path, symbols, row)
        row["status"] = "passed"
    except Exception as error:
        if "can't allocate memory" in str(error):  # it says nothing of the graph
            row["status"] = "broken"
        row["reason"] = _reason(error)
        row["kind"] = type(error).__name__
        row["note"] = row_of.why or case.note
        row["message"] = str(error)[:4000]
        if row["status"] == "refused" and row["symbols"][0] == "batch" != row["symbols"][-1]:
            alone = dataclasses.replace(row_of, rule=functools.partial(_batch_alone, row_of.rule))
            row["batch_alone"] = check(alone)["status"] == "passed"
    return row


def _batch_alone(rule: Rule, name: str, axis: int, size: int) -> str:
    symbol = rule(name, axis, size)
    return symbol if symbol == "batch" else ""


def _reason(error: Exception) -> str:
    """What ERROR says first, and the line of code that it names."""
    first, *rest = str(error).strip().splitlines() or [type(error).__name__]
    place = next(
        (re.search(r"^  .*?([^/]+\.py:\d+.*)", line) for line in rest if ".py:" in line), None
    )
    return first[:300] + (f" ({place[1][:120]})" if place else "")


def _symbols(row_of: Dynamic, graph: Any) -> dict[str, dict[int, str]]:
    """Which axes of which inputs are open: name to axis to symbol."""
    found: dict[str, dict[int, str]] = {}
    for info in graph.input_info:
        shape = info.type.tensor_type.shape.dim
        for axis, dim in enumerate(shape):
            symbol = row_of.rule(info.name, axis, dim.dim_value)
            if symbol:
                found.setdefault(info.name, {})[axis] = symbol
    return found


def _export(
    row_of: Dynamic,
    model: torch.nn.Module,
    path: str,
    symbols: Mapping[str, Mapping[int, str]],
    row: dict[str, Any],
) -> Mapping[str, int]:
    """Export with the first of the least sizes that are not refused, and return that."""
    refused: toffee.Error | None = None
    for least in row_of.least:
        if not set(least) <= set(row["symbols"]):
            continue
        dims = {
            name: {axis: toffee.Dim(s, min=least.get(s, 1)) for axis, s in axes.items()}
            for name, axes in symbols.items()
        }
        args, kwargs = arguments(row_of.case, TRACED)
        start = time.perf_counter()
        try:
            export(_copy(model), args, path, kwargs=kwargs, dynamic_dims=dims)
        except toffee.DynamicShapeError as error:
            refused = refused or error
            if "does something else at" not in str(error):  # no matter of the smallest sizes
                break
            continue
        row["export_s"] = round(time.perf_counter() - start, 3)
        return least
    assert refused is not None
    raise refused


def _compare(
    row_of: Dynamic,
    model: torch.nn.Module,
    path: str,
    symbols: Mapping[str, Mapping[int, str]],
    row: dict[str, Any],
) -> None:
    """ONNX Runtime against PyTorch at the sizes of ROW_OF that the model takes; raises Mismatch."""
    session = session_of(path)
    names = [value.name for value in session.get_inputs()]
    row["sizes"], row["error"], refusal = [], 0.0, ""
    for sizes in row_of.sizes:
        sizes = {symbol: sizes[symbol] for symbol in row["symbols"]}
        if any(sizes[symbol] < least for symbol, least in row["min"].items()):
            continue
        if len(row["sizes"]) == row_of.enough:
            break
        args, kwargs = _arguments(row_of.case, names, symbols, sizes)
        feeds = {n: to_numpy(t) for n, t in zip(names, tensors((args, kwargs)), strict=True)}
        try:
            expected = _results(model, args, kwargs)
        except Exception as error:  # a model need not take every size
            refusal = f"{sizes}: {error}"
            continue
        results = session.run(None, feeds)
        if len(results) != len(expected):
            raise Mismatch(f"{len(results)} outputs, and PyTorch has {len(expected)}")
        exact = functools.cache(
            functools.partial(_exact, model, row_of.case, names, symbols, sizes)
        )
        for i, (result, wanted) in enumerate(zip(results, expected, strict=True)):
            name = f"output {i} of {len(expected)} at {sizes}"
            error = _error(
                result, wanted, lambda exact=exact, i=i: exact()[i], row_of.case.dtype, name
            )
            row["error"] = max(row["error"], float(f"{error:.2g}"))
        row["sizes"].append(sizes)
    if len(row["sizes"]) < row_of.enough:
        raise Mismatch(f"the model takes only {len(row['sizes'])} of the sizes; not {refusal}")
    if row["error"] > TOLERANCE[row_of.case.dtype]:
        row["rounding"] = row["error"]


def _results(model: torch.nn.Module, args: Any, kwargs: Any) -> list[torch.Tensor]:
    """What a copy of MODEL computes: a cache that it keeps on itself is not the original's."""
    with torch.inference_mode():
        output = _copy(model)(*args, **kwargs)
    return [leaf.clone() for leaf in tensors(output)]


def _copy(model: torch.nn.Module) -> torch.nn.Module:
    """MODEL with buffers and all else its own, but with the same parameters: some are large."""
    return copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})


def _exact(
    model: torch.nn.Module,
    case: Case,
    names: list[str],
    symbols: Mapping[str, Mapping[int, str]],
    sizes: Sizes,
) -> list[torch.Tensor]:
    """What MODEL computes in the next better precision."""
    better = torch.float64 if case.dtype == torch.float32 else torch.float32
    args, kwargs = _arguments(dataclasses.replace(case, dtype=better), names, symbols, sizes)
    return _results(copy.deepcopy(model).to(better), args, kwargs)


def _error(
    result: np.ndarray,
    wanted: torch.Tensor,
    exact: Callable[[], torch.Tensor],
    dtype: torch.dtype,
    name: str,
) -> float:
    """The largest difference of any sample (slice of the first axis), of its own scale; raises
    Mismatch. Where that is beyond TOLERANCE, PyTorch's answer may be as wrong as ONNX Runtime's:
    the sample has to be no further from EXACT, a better precision, than ROUNDINGS times what
    PyTorch is, and never further than WORST."""
    difference_of(result, to_numpy(wanted), name)  # the whole: shapes and types
    samples = [slice(k, k + 1) for k in range(len(wanted))] if wanted.dim() else [...]
    worst = 0.0
    for sample in samples:
        mine, its = result[sample], to_numpy(wanted[sample])
        error = difference_of(mine, its, name)
        if not error <= TOLERANCE[dtype] and wanted.is_floating_point():
            right = to_numpy(exact()[sample].to(torch.float64))
            own = difference_of(its.astype(np.float64), right, name)
            error = difference_of(mine.astype(np.float64), right, name)
            if not error <= min(ROUNDINGS * own, WORST[dtype]):
                raise Mismatch(
                    f"{name} is off by {error:.2g} of its scale, and PyTorch by {own:.2g}"
                )
        elif not error <= TOLERANCE[dtype]:
            raise Mismatch(f"{name} has other integers")
        worst = max(worst, error)
    return worst


# ---- arguments of other sizes --------------------------------------------------------------------


def _arguments(
    case: Case, names: list[str], symbols: Mapping[str, Mapping[int, str]], sizes: Sizes
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of CASE with SIZES: several that were drawn, end to end along each open axis, so
    that no two rows and no two stretches are alike."""
    draws: list[list[torch.Tensor]] = []

    def draw(k: int, i: int) -> torch.Tensor:
        while len(draws) <= k:
            draws.append(tensors(arguments(case, OTHER + len(draws))))
        return draws[k][i]

    def leaves() -> Iterator[torch.Tensor]:
        draw(0, 0) if names else None
        for i, name in enumerate(names):
            axes = [(axis, sizes[symbol]) for axis, symbol in symbols.get(name, {}).items()]
            yield _grown(lambda k, i=i: draw(k, i), axes, 0)

    made = leaves()
    given = arguments(case, OTHER)
    return pytree.tree_map_only(torch.Tensor, lambda _: next(made), given)


def _grown(draw: Any, axes: list[tuple[int, int]], at: int) -> torch.Tensor:
    """DRAW(at), DRAW(at + 1), … end to end along AXES, cut to their sizes."""
    if not axes:
        return draw(at)
    (axis, size), *rest = axes
    have = draw(at).shape[axis]
    n = max(1, -(-size // have)) if have else 1
    stride = 8 ** len(rest)  # no two of the same draw
    parts = [_grown(draw, rest, at + k * stride) for k in range(n)]
    return torch.cat(parts, axis).narrow(axis, 0, size).contiguous()
