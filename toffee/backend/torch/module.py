"""A graph as an ``nn.Module``."""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..._core import Graph
from ..._symbols import Sizes, limits_of
from ...errors import BackendError
from .. import base, mapped
from . import values
from .plan import prepare_graph

__all__ = ["GraphModule", "to_module"]

#: Inputs of BatchNormalization that are statistics, which no optimizer should move
_STATISTICS = (3, 4)


# ---- memory ------------------------------------------------------------------------------------


class _PrivateFiles:
    """Files mapped once more, so that writes go to pages of our own and neither to the file nor to
    the graph."""

    def __init__(self) -> None:
        self._maps: dict[str, np.ndarray | None] = {}

    def _bytes(self, part: mapped.FilePart) -> np.ndarray | None:
        if part.path not in self._maps:
            self._maps[part.path] = None
            flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
            try:
                with open(part.path, "rb") as f:
                    memory = mmap.mmap(
                        f.fileno(), 0, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE
                    )
            except (OSError, ValueError):
                return None
            if mapped.still_there([part]):
                self._maps[part.path] = np.frombuffer(memory, dtype=np.uint8)
        return self._maps[part.path]

    def array(self, source: np.ndarray, part: mapped.FilePart | None) -> np.ndarray:
        """A writable array with the elements of SOURCE: from the file where it lies there, with no
        byte read yet, else a copy."""
        data = None if part is None else self._bytes(part)
        if part is None or data is None or part.offset % source.dtype.itemsize:
            return source.copy()
        raw = data[part.offset : part.offset + source.nbytes]
        return raw.view(source.dtype).reshape(source.shape)


def _weights(graph: Graph, names: set[str], shares: bool) -> dict[str, torch.Tensor]:
    """The initializers of GRAPH called NAMES as tensors that may be written to; those of the graph
    itself, which may not, where it SHARES them."""
    tensors = [tensor for tensor in graph.initializer if tensor.name in names]
    arrays = [tensor.numpy() for tensor in tensors]
    if shares:
        return {
            tensor.name: values.from_numpy(array, shares=True)
            for tensor, array in zip(tensors, arrays, strict=True)
        }
    files = _PrivateFiles()
    return {
        tensor.name: values.from_numpy(files.array(array, part))
        for tensor, array, part in zip(tensors, arrays, mapped.file_parts(arrays), strict=True)
    }


# ---- what is a parameter -----------------------------------------------------------------------


def _state_names(graph: Graph) -> list[str]:
    """The initializers that a module has in its state_dict.

    Those that are inputs of the graph, as toffee writes parameters. ONNX files of others list none:
    there, it is those of floats that are no single number.
    """
    held = {tensor.name: tensor for tensor in graph.initializer}
    listed = [name for name in graph.input if name in held]
    if not listed:
        listed = [
            name
            for name, tensor in held.items()
            if _is_float(tensor.data_type) and tuple(tensor.dims) not in ((), (1,))
        ]
    return [name for name in dict.fromkeys(listed) if held[name].data_type in values.DTYPES]


def _is_float(data_type: int) -> bool:
    dtype = values.DTYPES.get(data_type)
    return dtype is not None and dtype.is_floating_point and dtype.itemsize > 1


def _statistics(graph: Graph) -> set[str]:
    return {
        node.input[i]
        for node in graph.node
        if node.op_type == "BatchNormalization"
        for i in _STATISTICS
        if i < len(node.input)
    }


# ---- the module --------------------------------------------------------------------------------


class GraphModule(torch.nn.Module):
    """A graph that runs as a module; made by :func:`to_module`.

    ``forward`` takes the inputs of the graph in order (or by name) and returns its output, or a
    tuple of them if it has several. Sequences are lists, strings NumPy arrays of objects.

    Attributes
    ----------
    input_names, output_names : tuple of str
    """

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    def __init__(self, graph: Graph, shares: bool = False) -> None:
        super().__init__()
        base.check_is_graph(graph)
        names = _state_names(graph)
        weights = _weights(graph, set(names), shares)
        statistics = _statistics(graph)
        for name in names:
            trainable = weights[name].is_floating_point() and name not in statistics
            _place(self, name, weights[name], trainable)
        self._specs = base.input_specs(graph)
        self._limits = limits_of(graph)
        self.input_names = tuple(spec.name for spec in self._specs)
        self.output_names = tuple(graph.output)
        self._graph = graph
        self._names = names
        self._prepare()

    def _prepare(self) -> None:
        self._plan = prepare_graph(self._graph, [*self._names, *self.input_names])
        self._held = [_holder(self, name) for name in self._names]

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_plan"], state["_held"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._prepare()

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The outputs of the graph.

        Parameters
        ----------
        *inputs : torch.Tensor
            In the order of the graph's inputs, of their shapes and dtypes, on the parameters'
            device. Of a graph of any size, within what it says of its symbols; other graphs do not
            look at shapes.
        **named : torch.Tensor
            The rest, by the names of the graph's inputs.

        Returns
        -------
        torch.Tensor, or a tuple of them where the graph has several outputs

        Raises
        ------
        toffee.BackendError
            The wrong number of inputs, sizes that a graph of any size does not allow, inputs that
            are on another device than the parameters, or an operator that failed: names the node.
        """
        if named:
            inputs = (*inputs, *self._by_name(named, self.input_names[len(inputs) :]))
        if len(inputs) != len(self.input_names):
            raise BackendError(
                f"the graph has {len(self.input_names)} inputs, {list(self.input_names)}, but "
                f"{len(inputs)} were given"
            )
        if self._limits:
            self._check_sizes(inputs)
        state = [held[key] for held, key in self._held]
        device = self._device_of(state, inputs)
        outputs = self._plan.run([*state, *inputs], device)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def lasting(self, device: torch.device) -> list[Any]:
        """All values that stay from run to run on DEVICE: parameters, buffers, constants."""
        return [*self.parameters(), *self.buffers(), *self._plan.constants(device)]

    def _by_name(self, named: dict[str, Any], rest: Sequence[str]) -> list[Any]:
        wrong = [name for name in (*named, *rest) if name not in named or name not in rest]
        if wrong:
            raise BackendError(
                f"input {wrong[0]!r} is missing, given twice, or none of {list(self.input_names)}"
            )
        return [named[name] for name in rest]

    def _check_sizes(self, inputs: Sequence[Any]) -> None:
        sizes = Sizes(self._limits)
        for spec, value in zip(self._specs, inputs, strict=True):
            if isinstance(value, torch.Tensor):
                spec.check_shape(tuple(value.shape), sizes, base.describe_value(value))
        base.settle(sizes)

    def _device_of(self, state: list[Any], inputs: tuple[Any, ...]) -> torch.device:
        """Where everything is."""
        device: torch.device | None = state[0].device if state else None
        for name, value in zip(self.input_names, inputs, strict=True):
            if not isinstance(value, torch.Tensor):
                continue
            if device is not None and value.device != device:
                raise BackendError(
                    f"input '{name}' is on {value.device}, the parameters or other inputs on "
                    f"{device}: move it with .to('{device}'), or the module with "
                    f".to('{value.device}')"
                )
            device = value.device
        return device if device is not None else torch.device("cpu")

    def extra_repr(self) -> str:
        return f"inputs={list(self.input_names)}, outputs={list(self.output_names)}"


def _place(root: torch.nn.Module, name: str, tensor: torch.Tensor, trainable: bool) -> None:
    """Put TENSOR into ROOT so that state_dict calls it NAME. The dictionaries are filled directly:
    register_parameter refuses names that a graph may have, such as "forward" or an empty part."""
    module = root
    *path, last = name.split(".")
    for part in path:
        below = module._modules.get(part)
        if below is None:
            below = module._modules[part] = torch.nn.Module()
        module = below
    if trainable:
        module._parameters[last] = torch.nn.Parameter(tensor)
    else:
        module._buffers[last] = tensor


def _holder(root: torch.nn.Module, name: str) -> tuple[dict[str, Any], str]:
    """The dictionary that has the tensor called NAME, and its key there."""
    module: Any = root
    *path, last = name.split(".")
    for part in path:
        module = module._modules[part]
    return (module._parameters if last in module._parameters else module._buffers), last


def to_module(graph: Graph) -> GraphModule:
    """The module that computes GRAPH.

    Parameters
    ----------
    graph : Graph
        Of ToffeeIR, or of an ONNX file of opset 7 or later.

    Returns
    -------
    GraphModule
        A ``torch.nn.Module`` on the CPU. Its ``state_dict`` has the parameters under the names that
        they have in the graph: floats are trainable parameters, but for the statistics of batch
        normalization, which are buffers, as integers are. The tensors are those of the file,
        mapped once more: nothing is read before it is used, and what is written to them reaches
        neither the file nor ``graph``.

    Raises
    ------
    toffee.BackendError
        An operator that the backend does not know, or a graph that does not fit together: names the
        node.

    Notes
    -----
    Initializers that are no inputs of the graph are constants: they follow the module to its device
    and are not in ``state_dict``. In a file that lists none as an input (which ONNX exporters of
    today do not), all initializers of floats are parameters but those of one element.
    """
    return GraphModule(graph)
