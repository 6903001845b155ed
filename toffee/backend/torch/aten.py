"""Nodes of the domain ``org.pytorch.aten``, which export(fallback="aten") writes.

Tensors are inputs in the order of the schema; a list of tensors lies flat among them, with its
length as an attribute; everything else is an attribute, and what is absent is None.
"""

from __future__ import annotations

from typing import Any

import torch

from ...errors import BackendError
from . import values
from .registry import Attributes, Operator

__all__ = ["DOMAIN", "resolve"]

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

    def run(a: Attributes, scope: Any, *inputs: Any) -> Any:
        positional, named = _arguments(function._schema, a, inputs, scope.device)
        result = function(*positional, **named)
        return result if isinstance(result, (tuple, list)) else (result,)

    return Operator(run, many=True, scoped=True)


def _arguments(
    schema: Any, a: Attributes, inputs: Any, device: torch.device
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call by SCHEMA, by position and by name."""
    rest = iter(inputs)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for argument in schema.arguments:
        kind, name = str(argument.real_type), argument.name
        if "Tensor" in kind and "List" in kind:
            value: Any = [next(rest, None) for _ in range(a[name])] if name in a else None
        elif "Tensor" in kind:
            value = next(rest, None)
        elif "Device" in kind:
            value = device
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
