"""Models of a few nodes, written with the onnx package."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

import toffee
import toffee.backend.torch as backend


def run_model(
    nodes: list[Any], inputs: dict[str, np.ndarray], n_outputs: int = 1, **kw: Any
) -> Any:
    """NODES in an ONNX model of opset 20 (or ``opset``), through toffee."""
    data = model_bytes(nodes, inputs, n_outputs, **kw)
    return list(backend.run(toffee.loads(data), inputs))


def model_bytes(
    nodes: list[Any], inputs: dict[str, np.ndarray], n_outputs: int = 1, opset: int = 20, **kw: Any
) -> bytes:
    infos = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype), np.asarray(array).shape
        )
        for name, array in inputs.items()
    ]
    outputs = [onnx.ValueInfoProto(name=f"y{i}") for i in range(n_outputs)]
    graph = helper.make_graph(nodes, "g", infos, outputs, **kw)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    return model.SerializeToString()
