"""Export a program, run what came out with ONNX Runtime, compare with eager PyTorch.

The oracle is PyTorch on inputs other than the traced ones: a graph with a number of the traced run
baked into it does not pass.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch.utils import _pytree as pytree

import toffee
from toffee.torch_toffee import export


def to_graph(fn: Callable[..., Any], args: Any, **kwargs: Any) -> toffee.Graph:
    """The checked graph of FN on ARGS (a tensor or a tuple)."""
    return toffee.loads(to_bytes(fn, args, format="toffee", **kwargs))


def to_bytes(fn: Callable[..., Any], args: Any, **kwargs: Any) -> bytes:
    buffer = io.BytesIO()
    export(fn, copy.deepcopy(args), buffer, **kwargs)
    return buffer.getvalue()


def ops(graph: toffee.Graph) -> list[str]:
    """The operators of GRAPH in order."""
    return [node.op_type for node in graph.node]


def run_onnxruntime(model: bytes, inputs: list[np.ndarray], optimize: bool) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    assert len(names) == len(inputs), f"the graph has inputs {names}, the program {len(inputs)}"
    return session.run(None, dict(zip(names, inputs, strict=True)))


def other_values(leaf: Any, generator: torch.Generator) -> Any:
    """Different values of the same shape and dtype, in the range of the given ones."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    if leaf.is_complex():
        values = torch.randn((*leaf.shape, 2), generator=generator, dtype=torch.float64)
        return torch.view_as_complex(values).to(leaf.dtype)
    if leaf.is_floating_point():
        values = torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
        if leaf.numel() and bool((leaf > 0).all()):
            values = values.abs() + 0.1
        return values.to(leaf.dtype)
    if leaf.numel() == 0:
        return leaf.clone()
    if leaf.dtype == torch.bool:
        return torch.rand(leaf.shape, generator=generator) < 0.5
    return torch.randint(int(leaf.min()), int(leaf.max()) + 1, leaf.shape, generator=generator).to(
        leaf.dtype
    )


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    """TENSOR as graphs have it: complex numbers as pairs of real ones."""
    tensor = tensor.resolve_conj().resolve_neg()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return tensor.detach().contiguous().numpy()


def check_export(
    fn: Callable[..., Any],
    args: Any,
    other_args: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    **kwargs: Any,
) -> toffee.Graph:
    """Export FN on ARGS, check the graph, and hold ONNX Runtime's results against eager PyTorch's.

    Compared on OTHER_ARGS (by default drawn anew, same shapes and dtypes) and on ARGS, with ONNX
    Runtime's optimizations off and on. Integers and booleans must be equal; floats within RTOL of
    the value and ATOL of the output's scale. FN may write to its arguments: each run gets copies.

    Returns
    -------
    The graph, for a look at its nodes.
    """
    args = args if isinstance(args, tuple) else (args,)
    if other_args is None:
        generator = torch.Generator().manual_seed(1)
        other_args = pytree.tree_map(lambda leaf: other_values(leaf, generator), args)
    elif not isinstance(other_args, tuple):
        other_args = (other_args,)
    data = to_bytes(fn, args, format="onnx", **kwargs)
    graph = toffee.loads(data)
    toffee.checker.check_graph(graph)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    for values in (other_args, args):
        with torch.inference_mode():
            expected = fn(*copy.deepcopy(values))
        leaves = [x for x in pytree.tree_leaves(expected) if isinstance(x, torch.Tensor)]
        feeds = [as_numpy(x) for x in pytree.tree_leaves(values) if isinstance(x, torch.Tensor)]
        for optimize in (False, True):
            results = run_onnxruntime(data, feeds, optimize)
            assert len(results) == len(leaves)
            for i, (result, leaf) in enumerate(zip(results, leaves, strict=True)):
                compare(result, as_numpy(leaf), rtol, atol, f"output {i}, optimize={optimize}")
    return graph


def compare(result: np.ndarray, expected: np.ndarray, rtol: float, atol: float, what: str) -> None:
    assert result.dtype == expected.dtype, f"{what}: {result.dtype} for {expected.dtype}"
    assert result.shape == expected.shape, f"{what}: {result.shape} for {expected.shape}"
    if expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(result, expected, err_msg=what)
        return
    finite = expected[np.isfinite(expected)]
    scale = float(np.abs(finite).max()) if finite.size else 1.0
    np.testing.assert_allclose(
        result, expected, rtol=rtol, atol=atol * max(scale, 1.0), err_msg=what
    )
