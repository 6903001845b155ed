"""Graphs of 2017 from plain Python, encoded by hand, and what ONNX Runtime makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from wire_bytes import data, integer, texts
from wire_samples import (
    early_attribute,
    early_tensor,
    late_attribute,
    late_tensor,
    node,
    raw_early,
    raw_late,
)

import toffee
from toffee._core import _testing

EARLY_DTYPES = {"float32": 1, "float64": 2, "int32": 7, "int64": 8, "bool": 10}
LATE_DTYPES = {"float32": 1, "int32": 6, "int64": 7, "bool": 9}

#: op_type, inputs, outputs, attributes
Row = tuple[str, Sequence[str], Sequence[str], Mapping[str, Any]]


def encode_tensor(dialect: str, name: str, array: np.ndarray) -> bytes:
    if dialect == "early":
        number = EARLY_DTYPES[array.dtype.name]
        return early_tensor(name, number, array.shape, raw_early(array.tobytes()))
    return late_tensor(name, LATE_DTYPES[array.dtype.name], array.shape, raw_late(array.tobytes()))


def encode_attribute(dialect: str, name: str, value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        tensor = encode_tensor(dialect, "", value)
        return data(1, name) + data(8 if dialect == "early" else 5, tensor)
    return (early_attribute if dialect == "early" else late_attribute)(name, value)


def encode(
    dialect: str,
    rows: Sequence[Row],
    params: Mapping[str, np.ndarray],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> bytes:
    """Encode a graph of August ("early") or September ("late") 2017."""
    nodes = [
        node(op_type, ins, outs, *(encode_attribute(dialect, k, v) for k, v in attrs.items()))
        for op_type, ins, outs, attrs in rows
    ]
    tensors = [encode_tensor(dialect, name, array) for name, array in params.items()]
    names = [*params, *inputs]
    if dialect == "early":
        return (
            integer(1, 1)
            + texts(2, nodes)
            + data(3, "g")
            + texts(4, names)
            + texts(5, outputs)
            + texts(6, tensors)
        )
    return (
        texts(1, nodes)
        + data(2, "g")
        + texts(3, names)
        + texts(4, outputs)
        + texts(5, tensors)
        + integer(6, 1)
    )


def run(graph: toffee.Graph, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs of GRAPH in ONNX Runtime, without its optimizer."""
    toffee.checker.check_graph(graph)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        toffee.dumps(graph, format="onnx"), options, providers=["CPUExecutionProvider"]
    )
    assert sorted(value.name for value in session.get_inputs()) == sorted(inputs)
    return session.run(None, dict(inputs))


def fail_each_allocation(call: Callable[[], object]) -> int:
    """Run CALL once for each allocation it makes, which fails; each time it must raise MemoryError.

    Returns
    -------
    int
        How many there were.
    """
    _testing.fail_allocation(-1)
    call()
    n = _testing.allocation_count()
    try:
        for i in range(n):
            _testing.fail_allocation(i)
            with pytest.raises(MemoryError):
                call()
    finally:
        _testing.fail_allocation(-1)
    return n
