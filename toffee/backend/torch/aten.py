"""Nodes that name an operator of ``torch.ops``: those of the domain ``org.pytorch.aten``, which
export(fallback="aten") writes, and ``mylib::op``, which a registered lowering may.

Tensors are inputs in the order of the schema; a list of tensors lies flat among them, with its
length as an attribute unless it is the only one; everything else is an attribute. What is absent is
None in the first domain, and has its default in others.
"""

from __future__ import annotations

from typing import Any

import torch

from ...errors import BackendError
from . import values
from .registry import Attributes, Operator

__all__ = ["DOMAIN", "find_custom", "resolve"]

DOMAIN = "org.pytorch.aten"


def resolve(op_type: str, what: str) -> Operator:
    """The operator that ``aten::name.overload`` (or ``namespace::name``) is called.

    Raises
    ------
    toffee.BackendError
        This PyTorch has none of that name.
    """
    space, _, rest = op_type.rpartition("::")
    name, _, overload = rest.partition(".")
    try:
        packet = getattr(getattr(torch.ops, space or "aten"), name)
        function = getattr(packet, overload or "default")
    except AttributeError:
        raise BackendError(
            f"{what}: this PyTorch ({torch.__version__}) has no operator '{op_type}', which the "
            f"domain {DOMAIN} says it is"
        ) from None

    return _operator(function, explicit=True)


def find_custom(domain: str, op_type: str, what: str) -> Operator | None:
    """The operator ``torch.ops.DOMAIN.OP_TYPE`` (or ``OP_TYPE.overload``) for a node of a domain
    that is nobody else's; None if there is none.

    Raises
    ------
    toffee.BackendError
        It writes to its arguments, which the values of a graph cannot be.
    """
    name, _, overload = op_type.partition(".")
    if not domain.isidentifier() or not name.isidentifier():
        return None
    packet = getattr(getattr(torch.ops, domain), name, None)
    function = getattr(packet, overload or "default", None)
    if function is None:
        return None
    if function._schema.is_mutable:
        raise BackendError(
            f"{what}: torch.ops.{domain}.{op_type} writes to its arguments, and the values of a "
            "graph do not change: let the lowering emit an operator that returns new tensors"
        )
    return _operator(function, explicit=False)


def _operator(function: Any, explicit: bool) -> Operator:
    def run(a: Attributes, scope: Any, *inputs: Any) -> Any:
        positional, named = _arguments(function._schema, a, inputs, scope.device, explicit)
        result = function(*positional, **named)
        return result if isinstance(result, (tuple, list)) else (result,)

    return Operator(run, many=True, scoped=True)


def _arguments(
    schema: Any, a: Attributes, inputs: Any, device: torch.device, explicit: bool
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call by SCHEMA, by position and by name. EXPLICIT: those that are not
    there are None, and lists of tensors have their length as an attribute."""
    rest = iter(inputs)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    tensors = [x for x in schema.arguments if "Tensor" in str(x.real_type)]
    for argument in schema.arguments:
        kind, name = str(argument.real_type), argument.name
        if "Tensor" in kind and "List" in kind:
            n = a.get(name, None if explicit else max(len(inputs) - len(tensors) + 1, 0))
            value: Any = None if n is None else [next(rest, None) for _ in range(n)]
        elif "Tensor" in kind:
            value = next(rest, None)
        elif "Device" in kind:
            value = device
        elif name not in a and not explicit and argument.has_default_value():
            value = argument.default_value
        else:
            value = _plain(a.get(name), kind)
        if argument.kwarg_only:
            if value is not None:
                named[name] = value
        else:
            positional.append(value)
    return positional, named


def _plain(value: Any, kind: str) -> Any:
    """VALUE, an attribute, as an argument of KIND."""
    if value is None:
        return None
    if "ScalarType" in kind:
        return values.DTYPES[value]
    return bool(value) if "bool" in kind and "List" not in kind else value
