"""Run graphs with PyTorch, or have them as an ``nn.Module``: :func:`to_module`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import base
from ..base import BackendError, Outputs

try:
    import torch
except ImportError:
    raise base.missing_package("PyTorch", "torch") from None

from ..._core import Graph, Node
from ..._symbols import Sizes
from . import (
    ops_activation,
    ops_control,
    ops_conv,
    ops_index,
    ops_math,
    ops_norm,
    ops_quant,
    ops_random,
    ops_reduce,
    ops_rnn,
    ops_sequence,
    ops_shape,
    ops_signal,
    ops_vision,
    values,
)
from .module import GraphModule, to_module

__all__ = [
    "BackendError",
    "GraphModule",
    "Outputs",
    "TorchRep",
    "prepare",
    "run",
    "run_node",
    "supports_device",
    "to_module",
]

#: Importing them filled the table of operators
_FAMILIES = (
    ops_activation,
    ops_control,
    ops_conv,
    ops_index,
    ops_math,
    ops_norm,
    ops_quant,
    ops_random,
    ops_reduce,
    ops_rnn,
    ops_sequence,
    ops_shape,
    ops_signal,
    ops_vision,
)


def _device(device: str) -> tuple[base.Device, torch.device]:
    parsed = base.parse_device(device)
    if parsed.kind == "CPU":
        return parsed, torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if parsed.index >= count:
        raise BackendError(
            f"there is no device {parsed}: this PyTorch sees {count} CUDA device"
            f"{'' if count == 1 else 's'}"
        )
    return parsed, torch.device("cuda", parsed.index)


def _memory(tensors: Iterable[Any]) -> set[int]:
    """Where the memory of TENSORS begins."""
    return {x.untyped_storage().data_ptr() for x in tensors if isinstance(x, torch.Tensor)}


def _own(output: Any, lasting: set[int]) -> Any:
    """OUTPUT in NumPy, in memory that no input and nothing in the module has."""
    if isinstance(output, list):
        return [_own(item, lasting) for item in output]
    if isinstance(output, torch.Tensor) and output.untyped_storage().data_ptr() in lasting:
        output = output.clone()
    elif isinstance(output, np.ndarray):
        output = output.copy()
    return values.to_numpy(output)


class TorchRep(base.Rep):
    """A graph that is ready to run with PyTorch.

    Attributes
    ----------
    module : GraphModule
        What runs; on the device of the rep.
    """

    def __init__(self, graph: Graph, device: str, shares: bool = False) -> None:
        """SHARES: parameters are not copied, so GRAPH and the model that it is of must not be
        changed as long as this is used."""
        parsed, self._torch_device = _device(device)
        super().__init__(graph, parsed)
        self.module: GraphModule | None = GraphModule(graph, shares).to(self._torch_device)
        self._lasting = _memory(self.module.lasting(self._torch_device))

    def _feed(self, spec: base.InputSpec, value: Any, sizes: Sizes) -> Any:
        if value is None or isinstance(value, (list, tuple)):  # an optional, a sequence
            fed = values.from_numpy(value)
        elif isinstance(value, torch.Tensor) and values.DTYPES.get(spec.dtype) == value.dtype:
            spec.check_shape(tuple(value.shape), sizes, base.describe_value(value))
            fed = value
        elif spec.dtype in values.NARROW:  # NumPy knows no casts between these
            fed = np.asarray(value)
            given = base.describe_value(fed)
            spec.check_shape(fed.shape, sizes, given)
            if fed.dtype.name != values.NARROW[spec.dtype]:
                raise spec.mismatch(given)
        else:
            fed = values.from_numpy(base.fit_numpy(spec, value, sizes))
        return values.to_device(fed, self._torch_device)

    def _run(self, feeds: dict[str, Any]) -> Sequence[Any]:
        assert self.module is not None
        with torch.inference_mode():
            outputs = self.module(*feeds.values())
        if len(self.output_names) == 1:
            outputs = (outputs,)
        lasting = self._lasting | _memory(feeds.values())
        return [_own(output, lasting) for output in outputs]

    def _close(self) -> None:
        self.module = None


def prepare(graph: Graph, device: str = "CPU") -> TorchRep:
    """Make GRAPH ready to run.

    Parameters
    ----------
    graph : Graph
    device : str
        ``"CPU"``, ``"CUDA"`` or ``"CUDA:N"``.

    Returns
    -------
    TorchRep
        ``rep.run(inputs)`` gives the outputs.

    Raises
    ------
    toffee.BackendError
        No such device, or a graph that the backend cannot run: names the node.
    TypeError
        ``graph`` is no graph.
    """
    base.check_is_graph(graph)
    return TorchRep(graph, device)


def run(graph: Graph | base.Rep, inputs: base.Inputs = (), **kwargs: Any) -> Outputs:
    """Run a graph once, or what :func:`prepare` returned.

    Parameters
    ----------
    graph : Graph or Rep
    inputs : array, sequence of arrays, or mapping from input names to arrays
        As for :meth:`toffee.backend.base.Rep.run`.
    **kwargs
        Of :func:`prepare`.

    Returns
    -------
    Outputs

    Raises
    ------
    toffee.BackendError
        As :func:`prepare` and ``Rep.run``.
    """
    return base.run_graph(prepare, graph, inputs, **kwargs)


def run_node(node: Node, inputs: base.Inputs = (), **kwargs: Any) -> Outputs:
    """Run one node.

    Parameters
    ----------
    node : Node
    inputs : array, sequence of arrays, or mapping from input names to arrays
        Those that the node leaves out take no value.
    **kwargs
        Of :func:`prepare`, and ``opsets`` as :func:`toffee.backend.onnxruntime.run_node` has it.

    Returns
    -------
    Outputs
        Of the outputs that have a name.
    """
    return base.run_single_node(prepare, node, inputs, **kwargs)


def supports_device(device: str) -> bool:
    """Whether :func:`prepare` takes DEVICE here and now."""
    try:
        _device(device)
    except BackendError:
        return False
    return True
