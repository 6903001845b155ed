"""The table from (domain, operator) to the function that computes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch

from . import values

__all__ = ["Attributes", "Operator", "OPERATORS", "find", "operator"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Attributes(dict[str, Any]):
    """The attributes of one node as Python values, converted once when the graph is prepared.

    Strings are ``str``, tensors are values (see ``values.py``), graphs are prepared bodies.

    Attributes
    ----------
    version : int
        The opset of the node's domain in its graph.
    n_outputs : int
        How many outputs the node has, left-out ones at the end not counted.
    """

    __slots__ = ("_host", "n_outputs", "version")

    def __init__(self, given: dict[str, Any], version: int, n_outputs: int = 1) -> None:
        super().__init__(given)
        self.version: int = version
        self.n_outputs: int = n_outputs
        self._host: tuple[torch.Tensor, int, list[Any]] | None = None

    def host(self, tensor: torch.Tensor) -> list[Any]:
        """The numbers of TENSOR, flat. Remembers the last tensor, since shapes are mostly
        constants and reading one from a GPU waits for it."""
        last = self._host
        if tensor.is_inference() or tensor.requires_grad:
            return values.numbers(tensor)
        version = tensor._version
        if last is not None and last[0] is tensor and last[1] == version:
            return last[2]
        found = values.numbers(tensor)
        self._host = (tensor, version, found)
        return found


class Operator(NamedTuple):
    """How one operator is computed.

    ``function(attributes, *inputs)`` returns the output, or with ``many`` a tuple of the outputs.
    With ``scoped`` it is ``function(attributes, scope, *inputs)``: the scope knows the device and
    has the graphs among the attributes as functions. With ``host`` the outputs may be on the CPU
    even where the run is not, since strings and sequences are on no device. Inputs that are left
    out are None; at the end they are not passed.
    """

    function: Callable[..., Any]
    many: bool = False
    scoped: bool = False
    host: bool = False


#: (domain, op_type) -> Operator; the default domain is ""
OPERATORS: dict[tuple[str, str], Operator] = {}


def operator(
    *names: str,
    domain: str = "",
    many: bool = False,
    scoped: bool = False,
    host: bool = False,
) -> Callable[[_F], _F]:
    """Enter a function into the table under NAMES."""

    def enter(function: _F) -> _F:
        for name in names:
            OPERATORS[domain, name] = Operator(function, many, scoped, host)
        return function

    return enter


def find(domain: str, op_type: str) -> Operator | None:
    """The operator, or None. ``ai.onnx`` is another name of the default domain."""
    return OPERATORS.get(("" if domain == "ai.onnx" else domain, op_type))
