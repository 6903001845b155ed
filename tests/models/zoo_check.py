"""One model of the zoo: export it, check it, and hold ONNX Runtime against PyTorch."""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import onnxruntime
import torch
from zoo_case import Case, arguments, build

import toffee
from toffee.torch_toffee import export

#: Largest difference, of the largest number that is expected in the output.
TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 2e-2}

TRACED, OTHER = 1, 2  # seeds


class Mismatch(Exception):
    """The graph computes something else than the model."""


def check(case: Case) -> dict[str, Any]:
    """Export CASE and compare it.

    Returns
    -------
    A row: status ("passed", "refused", "mismatch", "invalid", "broken"), reason, and figures.
    """
    row: dict[str, Any] = {"status": "broken"}
    try:
        model = build(case)
        args, kwargs = arguments(case, TRACED)
        row["parameters"] = sum(p.numel() for p in model.parameters())
        expected = _results(model, OTHER, case)
        row["forward_s"] = _forward_seconds(model, case)
        with tempfile.TemporaryDirectory(prefix="toffee-zoo-") as folder:
            path = os.path.join(folder, "m.onnx")
            row["status"] = "refused"
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                start = time.perf_counter()
                traced = export(model, args, path, kwargs=kwargs)
                row["export_s"] = round(time.perf_counter() - start, 3)
            row["warnings"] = [
                str(w.message) for w in said if issubclass(w.category, toffee.TraceWarning)
            ]
            row["status"] = "invalid"
            graph = toffee.load(path)
            toffee.checker.check_graph(graph)
            row["nodes"] = len(graph.node)
            row["operators"] = sorted({node.op_type for node in graph.node})
            onnx.checker.check_model(path, full_check=graph_bytes(path) < 2**30)
            row["status"] = "mismatch"
            feeds = [to_numpy(leaf) for leaf in tensors(arguments(case, OTHER))]
            own = functools.lru_cache(lambda: _own_errors(model, case, expected))
            row["error"] = _compare(path, feeds, expected, TOLERANCE[case.dtype], own)
            _check_power(tensors(traced), expected, TOLERANCE[case.dtype])
        row["status"] = "passed"
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        if isinstance(error, toffee.UnsupportedOperatorError):  # the operators, without their lines
            lines = [", ".join(line.strip() for line in lines if re.match(r"  \S+ \(", line))]
        row["reason"] = lines[0][:160]
        row["kind"] = type(error).__name__
        if case.note:
            row["note"] = case.note
        row["message"] = str(error)[:4000]
    return row


def graph_bytes(path: str) -> int:
    return os.path.getsize(path)


def tensors(tree: Any) -> list[torch.Tensor]:
    """The tensors in TREE in order, found without toffee: containers, and attributes of objects."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, Mapping):
        parts = list(tree.values())
    elif isinstance(tree, (list, tuple)):
        parts = list(tree)
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        parts = [getattr(tree, f.name) for f in dataclasses.fields(tree)]
    elif type(tree).__module__.startswith(("transformers.", "timm.")):  # caches
        parts = list(vars(tree).values())
    else:
        return []
    return [leaf for part in parts for leaf in tensors(part)]


def _results(model: torch.nn.Module, seed: int, case: Case) -> list[torch.Tensor]:
    """What a copy of MODEL computes: a cache that it keeps on itself is not the original's."""
    args, kwargs = arguments(case, seed)
    with torch.inference_mode():
        output = copy.deepcopy(model)(*args, **kwargs)
    return [leaf.clone() for leaf in tensors(output)]


def _own_errors(model: torch.nn.Module, case: Case, expected: list[torch.Tensor]) -> list[float]:
    """How far PyTorch itself is from what it computes in double precision, output by output, of the
    scale. Random weights make the last layers of some deep networks depend on the last bits of the
    first ones: there is no one right answer in single precision. At most 2 %."""
    if case.dtype != torch.float32:
        return [0.0] * len(expected)
    double = dataclasses.replace(case, dtype=torch.float64)
    results = _results(copy.deepcopy(model).double(), OTHER, double)
    errors = []
    for exact, wanted in zip(results, expected, strict=True):
        if not wanted.is_floating_point():
            errors.append(0.0)
            continue
        error = float((exact - wanted).abs().max() / exact.abs().max())
        errors.append(min(error, 0.02))
    return errors


def _forward_seconds(model: torch.nn.Module, case: Case) -> float:
    times = []
    model = copy.deepcopy(model)
    for _ in range(2):
        args, kwargs = arguments(case, TRACED)
        with torch.inference_mode():
            start = time.perf_counter()
            model(*args, **kwargs)
            times.append(time.perf_counter() - start)
    return round(min(times), 3)


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def _compare(
    path: str,
    feeds: list[np.ndarray],
    expected: list[torch.Tensor],
    tolerance: float,
    own_errors: Callable[[], list[float]],
) -> float:
    """The largest difference, of the output's scale; raises Mismatch."""
    worst = 0.0
    for optimize in (False, True):
        results = _run(path, feeds, optimize)
        where = "" if optimize is False else " (only with ONNX Runtime's optimizations)"
        if len(results) != len(expected):
            raise Mismatch(f"{len(results)} outputs, and PyTorch has {len(expected)}")
        for i, (result, wanted) in enumerate(zip(results, expected, strict=True)):
            name = f"output {i} of {len(expected)}"
            difference = difference_of(result, to_numpy(wanted), name)
            if not difference <= tolerance and not difference <= 2 * own_errors()[i]:
                raise Mismatch(f"{name} is off by {difference:.2g} of its scale{where}")
            worst = max(worst, difference)
    return float(f"{worst:.2g}")


def difference_of(result: np.ndarray, wanted: np.ndarray, name: str) -> float:
    if result.dtype != wanted.dtype or result.shape != wanted.shape:
        raise Mismatch(
            f"{name} is {result.dtype}{list(result.shape)}, and PyTorch's is "
            f"{wanted.dtype}{list(wanted.shape)}"
        )
    if wanted.dtype == ml_dtypes.bfloat16:
        result, wanted = result.astype(np.float32), wanted.astype(np.float32)
    if wanted.dtype.kind not in "fc":
        return 0.0 if np.array_equal(result, wanted) else float("inf")
    if wanted.dtype.itemsize < 4:
        result, wanted = result.astype(np.float32), wanted.astype(np.float32)
    finite = np.isfinite(wanted)
    if not np.array_equal(np.where(finite, 0, result), np.where(finite, 0, wanted), equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    scale = float(np.abs(wanted[finite]).max())
    difference = float(np.abs(result[finite] - wanted[finite]).max())
    return difference / scale if scale else difference


def session_of(path: str, optimize: bool = True) -> Any:
    """An ONNX Runtime session of the model at PATH, or what of one it can be."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        if not _has_bfloat16(path):
            raise
        return _Reference(path)


def _run(path: str, feeds: list[np.ndarray], optimize: bool) -> list[np.ndarray]:
    session = session_of(path, optimize)
    names = [value.name for value in session.get_inputs()]
    if len(names) != len(feeds):
        raise Mismatch(f"the graph has the inputs {names}, and PyTorch has {len(feeds)}")
    return session.run(None, dict(zip(names, feeds, strict=True)))


class _Reference:
    """What of a session is used here, by ONNX's reference implementation: ONNX Runtime has no
    kernels for bfloat16 on a CPU."""

    def __init__(self, path: str) -> None:
        self._evaluator = onnx.reference.ReferenceEvaluator(path)

    def get_inputs(self) -> Any:
        return self._evaluator.proto_.graph.input

    def run(self, names: None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        return self._evaluator.run(names, feeds)


def _has_bfloat16(path: str) -> bool:
    graph = onnx.load(path, load_external_data=False).graph
    return any(
        attribute.i == onnx.TensorProto.BFLOAT16
        for node in graph.node
        for attribute in node.attribute
    ) or any(tensor.data_type == onnx.TensorProto.BFLOAT16 for tensor in graph.initializer)


def _check_power(
    traced: list[torch.Tensor], expected: list[torch.Tensor], tolerance: float
) -> None:
    """The comparison says nothing if the model answers the same whatever it is given."""
    for one, other in zip(traced, expected, strict=True):
        if not other.is_floating_point() or not other.isfinite().any():
            continue
        scale = float(other[other.isfinite()].abs().max())
        difference = (one - other)[(one - other).isfinite()].abs()
        if difference.numel() and scale and float(difference.max()) > 5 * tolerance * scale:
            return
    raise Mismatch("the case is too weak: both inputs give the same output")
